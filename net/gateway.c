/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway program. */
#include "net/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/gateway_state.h"
#include "muster/version.h"
#include "net/control.h"
#include "net/key_file.h"
#include "net/log.h"
#include "net/report.h"
#include "net/state.h"

#define SOFTWARE "muster " MU_VERSION

struct gateway_run {
    const struct mu_gateway_run_conf *conf;
    const struct mu_crypto *crypto;
    struct mu_loop loop;
    struct mu_body body;
    struct mu_gateway engine;
    struct mu_journal *journal;
    struct mu_store store;
    struct mu_depot_files *files;
    struct mu_depot depot;
    struct mu_addr listen, area, area_up, wide, relays;
    struct mu_control *control; /* or NULL */
    void *work;
    size_t work_len;
    struct mu_gateway_status shown;
    bool looped, opened, inited;
    bool no_group; /* of the area: copies alone */
};

static int gateway_step(void *state, const struct mu_event *ev)
{
    return mu_gateway_step(state, ev);
}

static bool gateway_next(void *state, struct mu_effect *out)
{
    return mu_gateway_next(state, out);
}

static mu_time gateway_deadline(const void *state)
{
    return mu_gateway_deadline(state);
}

static void gateway_backlog(void *state, uint32_t bytes)
{
    mu_gateway_backlog(state, bytes);
}

static int gateway_psk(void *engine, bool client, struct mu_bytes identity,
                       struct mu_secret *key, uint32_t *link)
{
    return client ? mu_gateway_psk_up(engine, identity, key)
                  : mu_gateway_psk_down(engine, identity, key, link);
}

/* ---- status ------------------------------------------------------------ */

static void gateway_rate(struct gateway_run *g,
                         const struct mu_gateway_status *now)
{
    if (!g->conf->yields || now->rate == g->shown.rate)
        return;
    g->shown.rate = now->rate;
    mu_body_report(&g->body, "rate",
                   json_pack("{s:I, s:I, s:i}",
                             "bytes_per_second", (json_int_t)now->rate,
                             "queue_us", (json_int_t)now->queue_us,
                             "loss_permille", (int)now->loss_permille), false);
}

static void gateway_turned(void *ctx)
{
    struct gateway_run *g = ctx;
    struct mu_gateway_status now, *seen = &g->shown;

    if (!g->body.conf.json)
        return;
    mu_gateway_status(&g->engine, &now);
    gateway_rate(g, &now);
    if (now.linked == seen->linked && now.devices == seen->devices &&
        now.devices_linked == seen->devices_linked &&
        now.sessions == seen->sessions && now.may_speak == seen->may_speak &&
        now.directory == seen->directory)
        return;
    g->shown = now;
    mu_body_report(&g->body, "status",
                   json_pack("{s:b, s:i, s:i, s:i, s:b, s:I}",
                             "linked", (int)now.linked,
                             "devices", (int)now.devices,
                             "devices_linked", (int)now.devices_linked,
                             "sessions", (int)now.sessions,
                             "may_speak", (int)now.may_speak, "directory",
                             (json_int_t)now.directory), false);
}

/* ---- opening ----------------------------------------------------------- */

static int gateway_address(const char *what, const char *text,
                           struct mu_addr *to)
{
    int rc = mu_addr_parse(text, to);

    if (rc != 0)
        mu_log(MU_LOG_ERROR, "address", "what=%s text=%s error=%s", what, text,
               mu_err_name(rc));
    return rc;
}

static int gateway_addresses(struct gateway_run *g)
{
    struct mu_addr server;
    int rc = gateway_address("server", g->conf->server, &server);

    if (rc == 0)
        rc = gateway_address("listen", g->conf->listen, &g->listen);
    if (rc == 0 && !g->no_group)
        rc = gateway_address("area-group", g->conf->area_group, &g->area);
    if (rc != 0)
        return rc;
    if (!g->no_group &&
        (!mu_addr_is_multicast(&g->area) || mu_addr_port(&g->area) == 0 ||
         g->area.sa.sa_family != g->listen.sa.sa_family)) {
        mu_log(MU_LOG_ERROR, "area-group", "text=%s why=\"a multicast address "
               "with a port, of the same family as --listen, or unicast\"",
               g->conf->area_group);
        return MU_ERR_USAGE;
    }
    g->area_up = g->listen;
    mu_addr_set_port(&g->area_up, (uint16_t)g->conf->area_up_port);
    rc = mu_addr_parse(server.sa.sa_family == AF_INET6 ? "[::]:0" : "0.0.0.0:0",
                       &g->wide);
    mu_addr_set_port(&g->wide, (uint16_t)g->conf->wide_port);
    return rc;
}

static int gateway_state(struct gateway_run *g)
{
    char path[MU_PATH_MAX];
    int rc = mu_state_dir(g->conf->state_dir);

    if (rc == 0)
        rc = mu_state_journal(&g->journal, g->conf->state_dir,
                              g->conf->identity, &g->store);
    if (rc != 0)
        return rc;
    rc = mu_state_path(path, g->conf->state_dir, "objects");
    if (rc == 0)
        rc = mu_depot_files_open(&g->files, path, &g->depot);
    return rc;
}

static int gateway_sockets(struct gateway_run *g)
{
    int rc = mu_body_listen(&g->body, &g->listen, &g->listen);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "listen", "text=%s error=%s", g->conf->listen,
               mu_err_name(rc));
        return rc;
    }
    rc = mu_body_cast(&g->body, MU_CHANNEL_AREA, true, &g->area_up,
                      &g->area_up);
    if (rc == 0)
        rc = mu_body_cast(&g->body, MU_CHANNEL_WIDE, false, &g->wide,
                          &g->wide);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "cast-port", "error=%s", mu_err_name(rc));
    if (rc == 0)
        rc = mu_body_ways(&g->body, MU_CHANNEL_AREA, &g->conf->ways, g->crypto,
                          g->no_group ? NULL : g->conf->area_group,
                          &g->relays);
    return rc;
}

static int gateway_engine(struct gateway_run *g, const struct mu_secret *kmr)
{
    const struct mu_gateway_run_conf *c = g->conf;
    struct mu_gateway_conf conf = {
        .crypto = g->crypto,
        .identity = mu_bytes_str(c->identity),
        .kmr = kmr,
        .store = &g->store,
        .depot = &g->depot,
        .devices_max = (uint16_t)c->devices_max,
        .payload_max = (uint16_t)c->payload_max,
        .page_packets_max = (uint16_t)c->page_packets_max,
        .area_port = g->no_group ? 0 : mu_addr_port(&g->area),
        .area_up_port = mu_addr_port(&g->area_up),
        .wide_port = mu_addr_port(&g->wide),
        .area_rate = c->rate,
        .area_yields = c->yields,
        .hold_s = c->hold_s,
        .area_cost = g->no_group ? UINT16_MAX
                                 : (uint16_t)c->ways.multicast_cost,
        .area_overhead = (uint16_t)c->overhead,
        .area_window_ms = (uint16_t)c->window_ms,
        .area_loss_permille = (uint16_t)c->loss_permille,
        .software = mu_bytes_str(SOFTWARE),
        .speak = mu_body_speaks(c->scheme, c->alert_copies,
                                c->alert_interval_ms, 200),
    };
    int rc = g->crypto->random(g->crypto->ctx, &conf.seed, sizeof(conf.seed));

    if (rc != 0)
        return rc;
    if (g->no_group)
        snprintf(conf.area_address, sizeof(conf.area_address), "unicast");
    else
        mu_addr_host_text(&g->area, conf.area_address);
    conf.area_address[strcspn(conf.area_address, "%")] = '\0'; /* our zone */
    g->work_len = mu_gateway_work(&conf);
    g->work = calloc(1, g->work_len == 0 ? 1 : g->work_len);
    if (g->work == NULL)
        return MU_ERR_FULL;
    rc = mu_gateway_init(&g->engine, &conf, g->work, g->work_len,
                         mu_node_now(&g->body.node));
    g->inited = rc == 0;
    return rc;
}

static int gateway_say(void *ctx, struct mu_bytes text)
{
    struct gateway_run *g = ctx;

    return mu_gateway_say(&g->engine, mu_node_now(&g->body.node), text);
}

static int gateway_control(struct gateway_run *g)
{
    char path[MU_PATH_MAX];
    int rc = mu_state_path(path, g->conf->state_dir, "control");

    return rc != 0 ? rc
                   : mu_control_open(&g->control, &g->body,
                                     g->conf->control != NULL
                                         ? g->conf->control : path,
                                     gateway_say, g);
}

static int gateway_open(struct gateway_run *g, const struct mu_secret *kmr)
{
    struct mu_engine engine = {
        &g->engine, gateway_step, gateway_next, gateway_deadline,
    };
    int rc = gateway_addresses(g);

    if (rc == 0)
        rc = gateway_state(g);
    if (rc == 0)
        rc = mu_loop_init(&g->loop);
    g->looped = rc == 0;
    if (rc != 0)
        return rc;
    g->body = (struct mu_body){
        .loop = &g->loop, .conf = g->conf->body, .role = MU_ROLE_GATEWAY,
        .identity = g->conf->identity, .iface = g->conf->iface,
        .upper = g->conf->server, .psk = gateway_psk,
        .turned = gateway_turned, .turned_ctx = g,
        .backlog = g->conf->yields ? gateway_backlog : NULL,
    };
    rc = mu_body_init(&g->body, engine, &g->store);
    g->opened = rc == 0;
    if (rc == 0)
        rc = gateway_sockets(g);
    if (rc == 0)
        rc = gateway_engine(g, kmr);
    if (rc == 0 && g->conf->scheme != NULL)
        rc = gateway_control(g);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "gateway", "error=%s", mu_err_name(rc));
    return rc;
}

static void gateway_ready(struct gateway_run *g)
{
    char listen[MU_ADDR_PORT_TEXT], area[MU_ADDR_PORT_TEXT] = "unicast";
    char relays[MU_ADDR_PORT_TEXT] = "";

    mu_addr_text(&g->listen, listen);
    if (!g->no_group)
        mu_addr_text(&g->area, area);
    if (g->relays.len != 0)
        mu_addr_text(&g->relays, relays);
    mu_node_start(&g->body.node);
    mu_body_report(&g->body, "ready",
                   json_pack("{s:s, s:s, s:s, s:s, s:i, s:i}", "role", "gateway",
                             "relay_listen", relays,
                             "listen", listen, "area_group", area,
                             "area_up_port", (int)mu_addr_port(&g->area_up),
                             "wide_port", (int)mu_addr_port(&g->wide)), true);
}

static void gateway_counters(struct gateway_run *g)
{
    json_t *all = mu_body_counts(&g->body);
    struct mu_gateway_speech_counts c;

    mu_gateway_speech_counts(&g->engine, &c);
    json_object_set_new(all, "speech", json_pack(
        "{s:I, s:I, s:I, s:i, s:b}", "packets", (json_int_t)c.packets,
        "bytes", (json_int_t)c.bytes, "refused", (json_int_t)c.refused,
        "speakers", (int)c.speakers, "may_speak", (int)c.may));

    json_object_set_new(all, "acks", json_pack(
        "{s:I, s:I}", "ridden", (json_int_t)g->engine.acks_ridden,
        "packets", (json_int_t)g->engine.acks_packets));
    mu_body_report(&g->body, "counters", all, false);
}

static void gateway_close(struct gateway_run *g)
{
    if (g->inited)
        gateway_counters(g);
    mu_control_close(g->control);
    if (g->opened)
        mu_body_close(&g->body);
    if (g->inited)
        mu_gateway_clear(&g->engine);
    if (g->work != NULL)
        mu_wipe(g->work, g->work_len);
    free(g->work);
    mu_depot_files_close(g->files);
    if (g->journal != NULL)
        mu_journal_close(g->journal);
    if (g->looped)
        mu_loop_close(&g->loop);
    free(g);
}

int mu_gateway_run(const struct mu_gateway_run_conf *conf)
{
    struct gateway_run *g = calloc(1, sizeof(*g));
    struct mu_key_file keys = { 0 };
    const struct mu_secret *kmr;
    char why[128];
    int rc, code = 1;

    if (g == NULL)
        return 1;
    g->conf = conf;
    g->no_group = strcmp(conf->area_group, "unicast") == 0;
    g->crypto = mu_crypto_openssl();
    rc = g->crypto == NULL ? MU_ERR_CRYPTO : mu_crypto_selftest(g->crypto);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "crypto", "error=%s", mu_err_name(rc));
        free(g);
        return 1;
    }
    rc = mu_key_file_read(conf->key_file, g->crypto, &keys, why);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "key-file", "file=%s why=\"%s\"", conf->key_file,
               why);
    kmr = rc == 0 ? mu_key_file_find(&keys, conf->identity) : NULL;
    if (rc == 0 && kmr == NULL)
        mu_log(MU_LOG_ERROR, "key-file", "file=%s why=\"no key of this "
               "identity\"", conf->key_file);
    mu_coap_drop(conf->body.drop_coap, conf->body.seed);
    if (kmr != NULL)
        rc = gateway_open(g, kmr);
    mu_key_file_clear(&keys);
    if (kmr != NULL && rc == 0) {
        gateway_ready(g);
        code = mu_loop_run(&g->loop);
    }
    gateway_close(g);
    return code;
}
