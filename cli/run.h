/* SPDX-License-Identifier: Apache-2.0 */
/* Options that serve, gateway and device have in common. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/options.h"
#include "muster/area_msg.h"
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

/* How a gateway or a device speaks to all of its area. */
#define CLI_SPEAK_OPTIONS(name, conf)                                          \
    { name, CLI_TEXT, &(conf)->scheme, 0, 0, "SCHEME",                         \
      "says alerts to its area, proved by bloom, merkle, tesla, utesla, "      \
      "multilevel or chain", false },                                          \
    { "control", CLI_TEXT, &(conf)->control, 0, 0, "SOCKET",                   \
      "for muster alert; without it STATE/control", false },                   \
    { "alert-copies", CLI_NUMBER, &(conf)->alert_copies, 1,                    \
      MU_SPEAKER_COPIES_MAX, "N", "of each alert, against loss", false },      \
    { "alert-interval-ms", CLI_NUMBER, &(conf)->alert_interval_ms, 10,         \
      3600000, "MS", "of the keys of tesla, utesla and multilevel", false }
/* For key exchanges with certificates. */
#define CLI_CERTIFICATE_OPTIONS(files, names)                                  \
    { "certificate", CLI_TEXT, &(files)->certificate, 0, 0, "FILE",            \
      "PEM, RSA, names " names ": for rsa, rsa-r and dhsign", false },         \
    { "private-key", CLI_TEXT, &(files)->private_key, 0, 0, "FILE",            \
      "PEM, mode 0600: of --certificate", false },                             \
    { "ca", CLI_TEXT, &(files)->ca, 0, 0, "FILE",                              \
      "PEM: whose signature on a certificate of the others counts", false }

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
/* A scheme of speakers, or none; what is neither is named: false. */
bool cli_run_scheme(const char *verb, const char *scheme);
/* A rate that yields is bounded. False: said why. */
bool cli_run_yields(const char *verb, bool yields, uint32_t rate);
/* "W/P": W seconds of every P. What is not that is named: false. NULL: always. */
bool cli_run_listens(const char *verb, const char *text,
                     struct mu_area_listens *out);
/* A wanted option that is missing is named: false. */
bool cli_run_wants(const char *verb, const char *name, const char *value);

#endif
