/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server program: engine, store, links and loop in one struct, for the
 * HTTP API and the operator's verbs to build on.
 *
 * How an API handler does an operator's wish (all in the loop's thread):
 *
 *     int rc = mu_server_group_create(serve->engine, name, mode, &number);
 *     if (rc == 0)
 *         rc = mu_node_when_durable(&serve->body.node, answer, request);
 *     -> answer(request, 0) runs at the end of the turn, when the records are
 *        durable; only then tell the operator that it is done.
 *
 * Views (mu_server_campaign_next and the like) are read at any time from the
 * same thread. To push a file: pick a random campaign id, write the file with
 * mu_serve_upload_* (into part 1 of the depot, as the engine wants it), then
 * mu_server_push, then mu_node_when_durable.
 *
 * Whoever adds a listener hooks in by mu_serve_extension: `open` is called
 * after the engine has started and before the `ready` line is printed, and may
 * add members to that line; `close` is called before the engine is cleared.
 * serve->body.loop->uv is the libuv loop for polls and timers.
 */
#ifndef NET_SERVE_H
#define NET_SERVE_H

#include <jansson.h>

#include "muster/server.h"
#include "net/body.h"
#include "net/exchange.h"

struct mu_serve;

struct mu_serve_extension {
    /* 0, or an error after having logged why: the program ends. */
    int (*open)(struct mu_serve *serve, json_t *ready);
    void (*close)(struct mu_serve *serve);
};

struct mu_serve_conf {
    const char *identity;      /* of the server: DTLS hint */
    const char *state_dir;
    const char *master_key_file; /* made, mode 0600, when it is not there */
    const char *listen;        /* HOST:PORT of the DTLS endpoint */
    const char *wide_group;    /* ADDRESS:PORT or "unicast" */
    struct mu_overlay_conf ways; /* to the gateways */
    const char *wide_up;       /* HOST:PORT for feedback; port 0: any */
    const char *iface;         /* multicast interface; NULL: the system's */
    const char *http_listen;   /* HOST:PORT for the extension; NULL: none */
    const char *token_file;    /* of the HTTP API; NULL: STATE/token */
    uint32_t wide_rate, wide_window_ms, wide_loss_permille;
    bool yields;               /* wide_rate is the most */
    uint16_t wide_overhead;    /* link, IP, UDP bytes of a packet */
    uint32_t campaigns_max, gateways_max, connections_max;
    uint32_t rekey_s;          /* 0: no periodic rekey */
    uint32_t scheme_kb;        /* KiB for the trees of a group; 0: none */
    uint32_t trace_generations; /* trees of the past that tracing knows */
    const char *key_exchange;  /* list of methods; NULL: any */
    const char *key_protocols; /* list; NULL: all */
    struct mu_exchange_files exchange;
    struct mu_cast_shape shape;
    struct mu_body_conf body;
    const struct mu_serve_extension *extension; /* NULL: none */
};

struct mu_serve {
    struct mu_serve_conf conf;
    struct mu_server *engine;
    struct mu_body body;       /* body.node, body.loop, body.store */
    struct mu_depot depot;     /* part 0: prepared, part 1: plain upload */
    const struct mu_crypto *crypto;
    void *extension;           /* of the extension, for its own state */
    void *work;
    struct mu_store_sqlite *database;
    struct mu_depot_files *files;
};

/* Runs until a signal. The exit code of the program. */
int mu_serve_run(const struct mu_serve_conf *conf);

/*
 * An upload in pieces: open, write in any sizes, then push with the size, or
 * drop it. The file is bounded by what the disk holds: MU_ERR_IO when it is
 * full.
 */
MU_MUST int mu_serve_upload_open(struct mu_serve *serve,
                                 const uint8_t campaign[MU_CAMPAIGN_ID],
                                 uint64_t size, struct mu_object *out);
void mu_serve_upload_drop(struct mu_serve *serve,
                          const uint8_t campaign[MU_CAMPAIGN_ID]);

#endif
