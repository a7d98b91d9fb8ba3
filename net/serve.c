/* SPDX-License-Identifier: Apache-2.0 */
/* The server program. */
#include "net/serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/server_state.h"
#include "net/log.h"
#include "net/state.h"

struct serve_run {
    struct mu_serve serve;
    struct mu_loop loop;
    struct mu_store store;
    struct mu_secret master;
    struct mu_addr listen, wide_group, wide_up, relays;
    struct mu_exchange_pk pk;
    uint8_t key_methods, key_protocols[MU_EXCHANGE_PROTOCOLS_MAX];
    uint8_t key_protocols_len;
    size_t work_len;
    bool looped, opened, inited, extended;
};

static int serve_step(void *state, const struct mu_event *ev)
{
    return mu_server_step(state, ev);
}

static bool serve_next(void *state, struct mu_effect *out)
{
    return mu_server_next(state, out);
}

static mu_time serve_deadline(const void *state)
{
    return mu_server_deadline(state);
}

static int serve_psk(void *engine, bool client, struct mu_bytes identity,
                     struct mu_secret *key, uint32_t *link)
{
    return client ? MU_ERR_FORBIDDEN
                  : mu_server_psk(engine, identity, key, link);
}

/* ---- opening ----------------------------------------------------------- */

static int serve_addresses(struct serve_run *r)
{
    const struct mu_serve_conf *c = &r->serve.conf;
    int rc = mu_addr_parse(c->listen, &r->listen);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "address", "what=listen text=%s error=%s",
               c->listen, mu_err_name(rc));
        return rc;
    }
    if (c->wide_up != NULL) {
        rc = mu_addr_parse(c->wide_up, &r->wide_up);
    } else {
        r->wide_up = r->listen;
        mu_addr_set_port(&r->wide_up, 0);
    }
    if (rc == 0 && strcmp(c->wide_group, "unicast") != 0) {
        rc = mu_addr_parse(c->wide_group, &r->wide_group);
        if (rc == 0 && (!mu_addr_is_multicast(&r->wide_group) ||
                        mu_addr_port(&r->wide_group) == 0 ||
                        r->wide_group.sa.sa_family !=
                            r->wide_up.sa.sa_family))
            rc = MU_ERR_USAGE;
    }
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "address", "what=wide-group text=%s why=\"a "
               "multicast address with a port, of the same family as "
               "--listen, or unicast\"", c->wide_group);
    return rc;
}

/* How devices may have their keys. */
static int serve_exchange(struct serve_run *r)
{
    const struct mu_serve_conf *c = &r->serve.conf;
    char able[MU_EXCHANGE_LIST_TEXT];
    int rc = mu_exchange_pk_open(&r->pk, c->identity, &c->exchange);

    if (rc != 0)
        return rc;
    mu_exchange_methods_text(mu_exchange_able(&r->pk.pk), able);
    if (c->key_exchange != NULL &&
        (mu_exchange_methods_parse(c->key_exchange, &r->key_methods) != 0 ||
         (r->key_methods & ~mu_exchange_able(&r->pk.pk)) != 0))
        rc = MU_ERR_USAGE;
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "key-exchange", "list=%s why=\"some of %s; more "
               "with --certificate\"", c->key_exchange, able);
    if (rc == 0 && c->key_protocols != NULL) {
        rc = mu_exchange_protocols_parse(c->key_protocols, r->key_protocols,
                                         &r->key_protocols_len);
        if (rc != 0)
            mu_log(MU_LOG_ERROR, "key-protocols",
                   "list=%s why=\"some of oscore,hop,mbms\"",
                   c->key_protocols);
    }
    return rc;
}

static int serve_state(struct serve_run *r)
{
    struct mu_serve *s = &r->serve;
    const char *dir = s->conf.state_dir;
    char path[MU_PATH_MAX];
    struct mu_why why = { "" };
    int rc = mu_state_dir(dir);

    if (rc == 0)
        rc = mu_state_path(path, dir, "master.key");
    if (rc != 0)
        return rc;
    rc = mu_master_load(s->crypto, s->conf.master_key_file == NULL
                                       ? path : s->conf.master_key_file,
                        &r->master, &why);
    if (rc == 0)
        rc = mu_state_path(path, dir, "muster.db");
    if (rc == 0)
        rc = mu_store_sqlite_open(&s->database, path, &r->store, &why);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "state", "error=%s why=\"%s\"", mu_err_name(rc),
               why.text);
        return rc;
    }
    if (mu_store_sqlite_damaged(s->database) > 0)
        mu_log(MU_LOG_WARN, "state", "file=%s damaged_records=%" PRIu64, path,
               mu_store_sqlite_damaged(s->database));
    rc = mu_state_path(path, dir, "objects");
    return rc != 0 ? rc : mu_depot_files_open(&s->files, path, &s->depot);
}

static int serve_sockets(struct serve_run *r)
{
    struct mu_body *b = &r->serve.body;
    int rc = mu_body_listen(b, &r->listen, &r->listen);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "listen", "text=%s error=%s",
               r->serve.conf.listen, mu_err_name(rc));
        return rc;
    }
    rc = mu_body_cast(b, MU_CHANNEL_WIDE, true, &r->wide_up, &r->wide_up);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "wide-up", "error=%s", mu_err_name(rc));
    if (rc == 0)
        rc = mu_body_ways(b, MU_CHANNEL_WIDE, &r->serve.conf.ways,
                          r->serve.crypto, r->wide_group.len == 0
                              ? NULL : r->serve.conf.wide_group, &r->relays);
    return rc;
}

/* An upload that a power cut ended belongs to nobody. */
static bool serve_knows(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID])
{
    struct mu_campaign_view v;

    return mu_server_campaign_get(ctx, campaign, &v) != MU_ERR_NOT_FOUND;
}

/* A packet to all is a copy to each where there is no group. */
static uint16_t serve_cost(const struct mu_serve_conf *c)
{
    return strcmp(c->wide_group, "unicast") == 0
               ? UINT16_MAX : (uint16_t)c->ways.multicast_cost;
}

static int serve_engine(struct serve_run *r)
{
    struct mu_serve *s = &r->serve;
    const struct mu_serve_conf *c = &s->conf;
    struct mu_server_conf conf = {
        .crypto = s->crypto,
        .identity = mu_bytes_str(c->identity),
        .store = &r->store,
        .depot = &s->depot,
        .master = &r->master,
        .campaigns_max = (uint16_t)c->campaigns_max,
        .gateways_max = (uint16_t)c->gateways_max,
        .connections_max = c->connections_max,
        .rekey_s = c->rekey_s,
        .scheme_mem = (size_t)c->scheme_kb * 1024u,
        .trace_generations = (uint8_t)c->trace_generations,
        .day_s = (uint64_t)time(NULL),
        .wide_address = "unicast",
        .wide_port = 0,
        .wide_up_port = mu_addr_port(&r->wide_up),
        .wide_rate = c->wide_rate,
        .wide_yields = c->yields,
        .wide_cost = serve_cost(c),
        .wide_overhead = c->wide_overhead,
        .wide_window_ms = (uint16_t)c->wide_window_ms,
        .wide_loss_permille = (uint16_t)c->wide_loss_permille,
        .shape = c->shape,
        .pk = &r->pk.pk,
        .key_methods = r->key_methods,
        .key_protocols = mu_bytes(r->key_protocols, r->key_protocols_len),
    };
    int rc = s->crypto->random(s->crypto->ctx, &conf.seed, sizeof(conf.seed));

    if (rc != 0)
        return rc;
    if (r->wide_group.len != 0) {
        mu_addr_host_text(&r->wide_group, conf.wide_address);
        conf.wide_address[strcspn(conf.wide_address, "%")] = '\0';
        conf.wide_port = mu_addr_port(&r->wide_group);
    }
    r->work_len = mu_server_work(&conf);
    s->work = calloc(1, r->work_len == 0 ? 1 : r->work_len);
    if (s->work == NULL)
        return MU_ERR_FULL;
    rc = mu_server_init(s->engine, &conf, s->work, r->work_len,
                        mu_node_now(&s->body.node));
    r->inited = rc == 0;
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "state", "file=%s/muster.db why=\"%s\"",
               c->state_dir, mu_err_text(rc));
    else
        mu_depot_files_sweep(s->files, serve_knows, s->engine);
    return rc;
}

static int serve_open(struct serve_run *r)
{
    struct mu_serve *s = &r->serve;
    struct mu_engine engine = {
        s->engine, serve_step, serve_next, serve_deadline,
    };
    int rc = serve_addresses(r);

    if (rc == 0)
        rc = serve_exchange(r);
    if (rc == 0)
        rc = serve_state(r);
    if (rc == 0)
        rc = mu_loop_init(&r->loop);
    r->looped = rc == 0;
    if (rc != 0)
        return rc;
    s->body = (struct mu_body){
        .loop = &r->loop, .conf = s->conf.body, .role = MU_ROLE_SERVER,
        .identity = s->conf.identity, .iface = s->conf.iface, .psk = serve_psk,
    };
    rc = mu_body_init(&s->body, engine, &r->store);
    r->opened = rc == 0;
    if (rc == 0)
        rc = serve_sockets(r);
    if (rc == 0)
        rc = serve_engine(r);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "serve", "why=\"%s\"", mu_err_text(rc));
    return rc;
}

static int serve_ready(struct serve_run *r)
{
    struct mu_serve *s = &r->serve;
    char listen[MU_ADDR_PORT_TEXT], relays[MU_ADDR_PORT_TEXT] = "";
    json_t *ready;
    int rc = 0;

    mu_addr_text(&r->listen, listen);
    if (r->relays.len != 0)
        mu_addr_text(&r->relays, relays);
    ready = json_pack("{s:s, s:s, s:s, s:s, s:i}", "role", "serve", "listen",
                      listen, "wide_group", s->conf.wide_group,
                      "relay_listen", relays,
                      "wide_up_port", (int)mu_addr_port(&r->wide_up));
    mu_node_start(&s->body.node);
    if (s->conf.extension != NULL) {
        rc = s->conf.extension->open(s, ready);
        r->extended = rc == 0;
    }
    if (rc == 0)
        mu_body_report(&s->body, "ready", ready, true);
    else
        json_decref(ready);
    return rc;
}

static void serve_close(struct serve_run *r)
{
    struct mu_serve *s = &r->serve;

    if (r->inited)
        mu_body_report(&s->body, "counters", mu_body_counts(&s->body), false);
    if (r->extended)
        s->conf.extension->close(s);
    if (r->opened)
        mu_body_close(&s->body);
    if (r->inited)
        mu_server_clear(s->engine);
    free(s->engine);
    if (s->work != NULL)
        mu_wipe(s->work, r->work_len);
    free(s->work);
    mu_depot_files_close(s->files);
    if (s->database != NULL)
        mu_store_sqlite_close(s->database);
    mu_secret_clear(&r->master);
    mu_exchange_pk_close(&r->pk);
    if (r->looped)
        mu_loop_close(&r->loop);
    free(r);
}

int mu_serve_run(const struct mu_serve_conf *conf)
{
    struct serve_run *r = calloc(1, sizeof(*r));
    int rc, code = 1;

    if (r == NULL)
        return 1;
    r->serve.conf = *conf;
    r->serve.crypto = mu_crypto_openssl();
    r->serve.engine = calloc(1, sizeof(*r->serve.engine));
    rc = r->serve.crypto == NULL || r->serve.engine == NULL
        ? MU_ERR_CRYPTO : mu_crypto_selftest(r->serve.crypto);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "crypto", "error=%s", mu_err_name(rc));
    if (rc == 0)
        rc = serve_open(r);
    if (rc == 0)
        rc = serve_ready(r);
    if (rc == 0)
        code = mu_loop_run(&r->loop);
    serve_close(r);
    return code;
}

/* ---- uploads ----------------------------------------------------------- */

int mu_serve_upload_open(struct mu_serve *serve,
                         const uint8_t campaign[MU_CAMPAIGN_ID], uint64_t size,
                         struct mu_object *out)
{
    return serve->depot.open(serve->depot.ctx, campaign, 1, size, out);
}

void mu_serve_upload_drop(struct mu_serve *serve,
                          const uint8_t campaign[MU_CAMPAIGN_ID])
{
    serve->depot.remove(serve->depot.ctx, campaign, 1);
}
