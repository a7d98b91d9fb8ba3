/* SPDX-License-Identifier: Apache-2.0 */
/* Options that serve, gateway and device have in common. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/options.h"
#include "net/body.h"

/* Lines of an option table, with a `struct mu_body_conf body` and a `const char
 * *log` in scope by these expressions. */
#define CLI_RUN_OPTIONS(body, log)                                             \
    { "keepalive-ms", CLI_NUMBER, &(body)->keepalive_ms, 20, 3600000, "MS",    \
      "silence after which the node above is pinged", false },                 \
    { "idle-ms", CLI_NUMBER, &(body)->idle_ms, 100, 86400000, "MS",            \
      "silence after which a node below is given up", false },                 \
    { "handshake-ms", CLI_NUMBER, &(body)->handshake_ms, 100, 600000, "MS",    \
      "time for a DTLS handshake", false },                                    \
    { "answer-ms", CLI_NUMBER, &(body)->answer_ms, 100, 600000, "MS",          \
      "time for an answer to a request", false },                              \
    { "ack-timeout-ms", CLI_NUMBER, &(body)->ack_timeout_ms, 10, 60000, "MS",  \
      "first CoAP retransmission (ACK_TIMEOUT)", false },                      \
    { "json", CLI_FLAG, &(body)->json, 0, 0, "",                               \
      "status as lines of JSON on standard output", false },                   \
    { "log", CLI_TEXT, log, 0, 0, "LEVEL",                                     \
      "error, warn, info, debug or trace, on standard error", false }

/* How a sender's packets get to where multicast does not. */
#define CLI_WAYS_OPTIONS(ways)                                                 \
    { "multicast-cost", CLI_NUMBER, &(ways)->multicast_cost, 0, 10000, "N",    \
      "of a packet, in unicast copies: copies go to networks where they cost " \
      "less; 0: multicast whenever there is a group", false },                 \
    { "relay-listen", CLI_TEXT, &(ways)->listen, 0, 0, "HOST:PORT",            \
      "for relays in networks that multicast does not reach", false },         \
    { "relays", CLI_TEXT, &(ways)->relays, 0, 0, "FILE",                       \
      "mode 0600: identity,key,network of each relay", false }

/* Test aids of gateway and device. */
#define CLI_DROP_OPTIONS(body, seed)                                           \
    { "drop-in", CLI_NUMBER, &(body)->drop_in, 0, 100, "PERCENT",              \
      "for tests: lose so many cast datagrams that come in", false },          \
    { "drop-coap", CLI_NUMBER, &(body)->drop_coap, 0, 100, "PERCENT",          \
      "for tests: lose so many CoAP datagrams that go out", false },           \
    { "seed", CLI_NUMBER, seed, 0, UINT32_MAX, "N",                            \
      "for tests: where the dice of the losses start", false }

/* After parsing: the log level, and no core dumps. False: said why. */
bool cli_run_prepare(const char *verb, const char *log);
/* A wanted option that is missing is named: false. */
bool cli_run_wants(const char *verb, const char *name, const char *value);

#endif
