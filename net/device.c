/* SPDX-License-Identifier: Apache-2.0 */
/* The device program. */
#include "net/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/device_exchange.h"
#include "muster/device_state.h"
#include "muster/version.h"
#include "net/control.h"
#include "net/key_file.h"
#include "net/log.h"
#include "net/report.h"
#include "net/state.h"

#define DEVICES_MAX 4096 /* in one process: file descriptors end first */
#define SOFTWARE "muster " MU_VERSION

struct device_unit {
    struct mu_body body;
    struct mu_device engine;
    char identity[MU_ID_MAX + 1];
    char slot_path[MU_PATH_MAX], command_path[MU_PATH_MAX];
    char alert_path[MU_PATH_MAX], control_path[MU_PATH_MAX];
    struct mu_control *control; /* or NULL */
    struct mu_journal *journal;
    struct mu_store store;
    struct mu_file_object *slot_file;
    struct mu_object slot;
    struct mu_mesh *mesh; /* or NULL */
    struct mu_exchange_pk pk;
    struct mu_device_exchange *exchange; /* or NULL */
    void *work;
    size_t work_len;
    struct mu_device_status shown;
    bool opened, inited;
};

struct device_fleet {
    const struct mu_device_run_conf *conf;
    const struct mu_crypto *crypto;
    struct mu_loop loop;
    struct mu_key_file keys;
    struct device_unit **units;
    uint32_t len;
};

/* ---- the engine as the driver sees it ---------------------------------- */

static int device_step(void *state, const struct mu_event *ev)
{
    return mu_device_step(state, ev);
}

static bool device_next(void *state, struct mu_effect *out)
{
    return mu_device_next(state, out);
}

static mu_time device_deadline(const void *state)
{
    return mu_device_deadline(state);
}

static int device_psk(void *engine, bool client, struct mu_bytes identity,
                      struct mu_secret *key, uint32_t *link)
{
    (void)link; /* 0 is its only one */
    return client ? mu_device_psk(engine, identity, key) : MU_ERR_FORBIDDEN;
}

/* ---- status ------------------------------------------------------------ */

static json_t *device_status_json(const struct device_unit *u,
                                  const struct mu_device_status *s)
{
    return json_pack("{s:b, s:b, s:s, s:b, s:o, s:o, s:i, s:I, s:I, s:I, s:b, s:I, "
                     "s:i, s:b}",
                     "linked", (int)s->linked, "connected", (int)s->connected,
                     "key_exchange", s->exchanged
                         ? mu_exchange_method_name(u->exchange->method)
                         : "none",
                     "receiving", (int)s->receiving,
                     "campaign", mu_report_hex(s->campaign, MU_CAMPAIGN_ID),
                     "states", mu_report_states(s->state),
                     "reason", (int)s->reason,
                     "page", (json_int_t)s->page,
                     "pages", (json_int_t)s->pages,
                     "running_version", (json_int_t)s->running_version,
                     "may_speak", (int)s->may_speak,
                     "directory", (json_int_t)s->directory,
                     "streams", (int)s->streams,
                     "asleep", (int)s->asleep);
}

static void device_turned(void *ctx)
{
    struct device_unit *u = ctx;
    struct mu_device_status now;

    if (u->mesh != NULL)
        mu_mesh_turned(u->mesh);
    if (!u->body.conf.json)
        return;
    mu_device_status(&u->engine, &now);
    struct mu_device_status seen = u->shown;

    if (now.linked == seen.linked && now.connected == seen.connected &&
        now.exchanged == seen.exchanged &&
        now.receiving == seen.receiving && now.state == seen.state &&
        now.reason == seen.reason && now.page == seen.page &&
        now.running_version == seen.running_version &&
        now.may_speak == seen.may_speak && now.directory == seen.directory &&
        now.streams == seen.streams && now.asleep == seen.asleep &&
        memcmp(now.campaign, seen.campaign, sizeof(now.campaign)) == 0)
        return;
    u->shown = now;
    mu_body_report(&u->body, "status", device_status_json(u, &now), false);
}

static void device_speech(struct device_unit *u, json_t *all)
{
    struct mu_device_speech_counts c;

    mu_device_speech_counts(&u->engine, &c);
    json_object_set_new(all, "speech", json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:b}",
        "said", (json_int_t)c.said, "taken", (json_int_t)c.taken,
        "forged", (json_int_t)c.forged, "refused", (json_int_t)c.refused,
        "signatures", (json_int_t)c.signatures, "may_speak", (int)c.may));
}

static void device_counters(struct device_unit *u)
{
    const struct mu_cast_heard *heard = mu_device_heard(&u->engine);
    json_t *all = mu_body_counts(&u->body);

    if (heard != NULL)
        json_object_set_new(all, "heard", json_pack(
            "{s:I, s:I, s:I, s:I, s:I}",
            "accepted", (json_int_t)heard->accepted,
            "duplicate", (json_int_t)heard->duplicate,
            "forged", (json_int_t)heard->forged,
            "ahead", (json_int_t)heard->ahead,
            "asked", (json_int_t)heard->asked));
    if (u->mesh != NULL)
        json_object_set_new(all, "mesh", mu_mesh_counts(u->mesh));
    device_speech(u, all);
    mu_body_report(&u->body, "counters", all, false);
}

/* ---- one device -------------------------------------------------------- */

static int unit_state(struct device_unit *u, const char *dir,
                      uint64_t object_max)
{
    struct mu_why why = { "" };
    int rc = mu_state_dir(dir);

    if (rc == 0)
        rc = mu_state_journal(&u->journal, dir, u->identity, &u->store);
    if (rc == 0)
        rc = mu_state_path(u->slot_path, dir, "slot");
    if (rc == 0)
        rc = mu_state_path(u->command_path, dir, "command");
    if (rc == 0)
        rc = mu_state_path(u->alert_path, dir, "alert");
    if (rc == 0)
        rc = mu_state_path(u->control_path, dir, "control");
    if (rc != 0)
        return rc;
    rc = mu_file_object_open(&u->slot_file, u->slot_path, object_max,
                             &u->slot, &why);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "state", "id=%s why=\"%s\"", u->identity,
               why.text);
    return rc;
}

static int unit_engine(struct device_unit *u, const struct device_fleet *f,
                       const struct mu_secret *kmr, uint16_t copy_port)
{
    struct mu_device_conf conf = {
        .crypto = f->crypto,
        .identity = mu_bytes_str(u->identity),
        .kmr = kmr,
        .store = &u->store,
        .slot = &u->slot,
        .object_max = (uint64_t)f->conf->object_max * 1024,
        .page_memory = f->conf->page_memory * 1024,
        .member_mem = f->conf->key_memory,
        .software = mu_bytes_str(SOFTWARE),
        .copy_port = copy_port,
        .speak = mu_body_speaks(f->conf->scheme, f->conf->alert_copies,
                                f->conf->alert_interval_ms, 8),
        .listen = (uint8_t)f->conf->streams,
        .keepalive_ms = u->body.conf.keepalive_ms,
        .listens = f->conf->listens,
        .tap = mu_mesh_tap(u->mesh),
        .exchange = u->exchange,
    };
    int rc = f->crypto->random(f->crypto->ctx, &conf.seed, sizeof(conf.seed));

    if (rc != 0)
        return rc;
    u->work_len = mu_device_work(&conf);
    u->work = calloc(1, u->work_len == 0 ? 1 : u->work_len);
    if (u->work == NULL)
        return MU_ERR_FULL;
    rc = mu_device_init(&u->engine, &conf, u->work, u->work_len,
                        mu_node_now(&u->body.node));
    u->inited = rc == 0;
    return rc;
}

static int unit_sockets(struct device_unit *u, struct mu_addr *bound)
{
    struct mu_addr gateway, any;
    int rc = mu_addr_parse(u->body.upper, &gateway);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "gateway-address", "text=%s error=%s",
               u->body.upper, mu_err_name(rc));
        return rc;
    }
    rc = mu_addr_parse(gateway.sa.sa_family == AF_INET6 ? "[::]:0"
                                                        : "0.0.0.0:0", &any);
    if (rc == 0)
        rc = mu_body_cast(&u->body, MU_CHANNEL_AREA, false, &any, bound);
    return rc;
}

static int unit_say(void *ctx, struct mu_bytes text)
{
    struct device_unit *u = ctx;

    return mu_device_say(&u->engine, mu_node_now(&u->body.node), text);
}

/* A path with the number of the device for "%d"; NULL stays NULL. */
static int unit_path(char to[MU_PATH_MAX], const char *pattern, uint32_t number,
                     const char **out)
{
    const char *at = pattern == NULL ? NULL : strstr(pattern, "%d");
    int n;

    *out = pattern;
    if (at == NULL)
        return 0;
    n = snprintf(to, MU_PATH_MAX, "%.*s%" PRIu32 "%s", (int)(at - pattern),
                 pattern, number, at + 2);
    *out = to;
    return n > 0 && n < MU_PATH_MAX ? 0 : MU_ERR_TOO_LARGE;
}

/* How its keys come; as ever, unless something else is wanted. */
static int unit_exchange(struct device_unit *u,
                         const struct mu_device_run_conf *c, uint32_t number)
{
    char room[3][MU_PATH_MAX];
    struct mu_exchange_files files;
    uint8_t methods, method = 0, len = 0;
    uint8_t protocols[MU_EXCHANGE_PROTOCOLS_MAX];
    int rc = mu_exchange_methods_parse(c->key_exchange, &methods);

    if (rc == 0)
        rc = mu_exchange_protocols_parse(
            c->key_protocols != NULL ? c->key_protocols : "oscore,hop,mbms",
            protocols, &len);
    while (rc == 0 && methods != MU_EXCHANGE_BIT(method) &&
           method < MU_EXCHANGE_METHOD_COUNT)
        method++;
    if (rc != 0 || method == MU_EXCHANGE_METHOD_COUNT) {
        mu_log(MU_LOG_ERROR, "key-exchange", "id=%s why=\"one of psk, rsa, "
               "rsa-r, dhsign, dhmac; protocols of oscore,hop,mbms\"",
               u->identity);
        return MU_ERR_USAGE;
    }
    if (method == MU_EXCHANGE_PSK && c->key_protocols == NULL)
        return 0;
    rc = unit_path(room[0], c->exchange.certificate, number,
                   &files.certificate);
    if (rc == 0)
        rc = unit_path(room[1], c->exchange.private_key, number,
                       &files.private_key);
    if (rc == 0)
        rc = unit_path(room[2], c->exchange.ca, number, &files.ca);
    if (rc == 0)
        rc = mu_exchange_pk_open(&u->pk, u->identity, &files);
    if (rc != 0)
        return rc;
    u->exchange = calloc(1, sizeof(*u->exchange));
    if (u->exchange == NULL)
        return MU_ERR_FULL;
    rc = mu_device_exchange_init(u->exchange, method, mu_bytes(protocols, len),
                                 &u->pk.pk);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "key-exchange", "id=%s why=\"%s takes "
               "--certificate, --private-key and --ca\"", u->identity,
               mu_exchange_method_name(method));
    return rc;
}

static int unit_open(struct device_unit *u, struct device_fleet *f,
                     const char *dir, uint32_t number)
{
    const struct mu_secret *kmr = mu_key_file_find(&f->keys, u->identity);
    struct mu_engine engine = {
        &u->engine, device_step, device_next, device_deadline,
    };
    struct mu_addr bound;
    int rc;

    if (kmr == NULL) {
        mu_log(MU_LOG_ERROR, "key-file", "id=%s why=\"no key of this identity\"",
               u->identity);
        return MU_ERR_NOT_FOUND;
    }
    rc = unit_state(u, dir, (uint64_t)f->conf->object_max * 1024);
    if (rc == 0)
        rc = unit_exchange(u, f->conf, number);
    if (rc != 0)
        return rc;
    u->body = (struct mu_body){
        .loop = &f->loop, .conf = f->conf->body, .role = MU_ROLE_DEVICE,
        .identity = u->identity, .iface = f->conf->iface,
        .upper = f->conf->gateway, .hook_file = u->slot_path,
        .command_file = u->command_path, .alert_file = u->alert_path,
        .psk = device_psk, .turned = device_turned, .turned_ctx = u,
    };
    rc = mu_body_init(&u->body, engine, &u->store);
    u->opened = rc == 0;
    if (rc == 0 && f->conf->mesh.listen != NULL)
        rc = mu_mesh_open(&u->mesh, &f->conf->mesh, f->crypto, &u->body,
                          &u->engine, dir,
                          (uint64_t)f->conf->object_max * 1024);
    if (rc == 0)
        rc = unit_sockets(u, &bound);
    if (rc == 0) /* out of reach of the gateway's cast, copies are too */
        rc = unit_engine(u, f, kmr, u->body.beyond ? 0 : mu_addr_port(&bound));
    if (rc == 0 && f->conf->scheme != NULL)
        rc = mu_control_open(&u->control, &u->body,
                             f->conf->control != NULL ? f->conf->control
                                                      : u->control_path,
                             unit_say, u);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "device", "id=%s error=%s", u->identity,
               mu_err_name(rc));
    return rc;
}

static void unit_close(struct device_unit *u)
{
    if (u->inited)
        device_counters(u);
    mu_mesh_close(u->mesh);
    u->mesh = NULL;
    mu_control_close(u->control);
    if (u->opened)
        mu_body_close(&u->body);
    if (u->inited)
        mu_device_clear(&u->engine);
    if (u->work != NULL)
        mu_wipe(u->work, u->work_len);
    free(u->work);
    if (u->slot_file != NULL)
        mu_file_object_close(u->slot_file);
    if (u->journal != NULL)
        mu_journal_close(u->journal);
    if (u->exchange != NULL)
        mu_device_exchange_clear(u->exchange);
    free(u->exchange);
    mu_exchange_pk_close(&u->pk);
    free(u);
}

/* ---- the process ------------------------------------------------------- */

/* "dev-%d" and 7 -> "dev-7"; without %d, or for one device, as it is. */
static int fleet_identity(char to[MU_ID_MAX + 1], const char *pattern,
                          uint32_t number)
{
    const char *at = strstr(pattern, "%d");
    int n = at == NULL
        ? snprintf(to, MU_ID_MAX + 1, "%s", pattern)
        : snprintf(to, MU_ID_MAX + 1, "%.*s%" PRIu32 "%s",
                   (int)(at - pattern), pattern, number, at + 2);

    return n <= 0 || n > MU_ID_MAX ? MU_ERR_USAGE : 0;
}

static int fleet_name(const struct device_fleet *f, uint32_t i,
                      char to[MU_ID_MAX + 1])
{
    const char *id = f->conf->identity;

    if (id != NULL)
        return fleet_identity(to, id, i + 1);
    if (i >= f->keys.len || f->keys.rows[i].identity[0] == '\0')
        return MU_ERR_USAGE;
    memcpy(to, f->keys.rows[i].identity, MU_ID_MAX + 1);
    return 0;
}

static int fleet_add(struct device_fleet *f, uint32_t i, bool many)
{
    struct device_unit *u = calloc(1, sizeof(*u));
    char dir[MU_PATH_MAX];
    int rc;

    if (u == NULL)
        return MU_ERR_FULL;
    f->units[f->len++] = u;
    rc = fleet_name(f, i, u->identity);
    if (rc == 0 && many && strchr(u->identity, '/') != NULL)
        rc = MU_ERR_USAGE; /* it is to be the name of a directory */
    if (rc == 0)
        rc = many ? mu_state_path(dir, f->conf->state_dir, u->identity)
             : snprintf(dir, sizeof(dir), "%s", f->conf->state_dir) <
                   MU_PATH_MAX ? 0 : MU_ERR_TOO_LARGE;
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "identity", "number=%u error=%s", i + 1,
               mu_err_name(rc));
        return rc;
    }
    return unit_open(u, f, dir, i + 1);
}

static int fleet_open(struct device_fleet *f)
{
    uint32_t count = f->conf->count == 0 ? 1 : f->conf->count;
    bool many = f->conf->count > 0;
    int rc = 0;

    if (count > DEVICES_MAX || (!many && f->conf->identity == NULL) ||
        (many && f->conf->mesh.listen != NULL) ||
        (count > 1 && f->conf->identity != NULL &&
         strstr(f->conf->identity, "%d") == NULL)) {
        mu_log(MU_LOG_ERROR, "usage", "why=\"--id, with %%d when --count is "
               "more than 1, or --count alone with a CSV of keys; "
               "--mesh without --count\"");
        return MU_ERR_USAGE;
    }
    f->units = calloc(count, sizeof(*f->units));
    if (f->units == NULL)
        return MU_ERR_FULL;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = fleet_add(f, i, many);
    return rc;
}

static void fleet_ready(struct device_fleet *f)
{
    for (uint32_t i = 0; i < f->len; i++) {
        struct device_unit *u = f->units[i];

        mu_node_start(&u->body.node);
        mu_body_report(&u->body, "ready",
                       json_pack("{s:s, s:s}", "role", "device", "gateway",
                                 f->conf->gateway), true);
    }
}

int mu_device_run(const struct mu_device_run_conf *conf)
{
    struct device_fleet f = { .conf = conf, .crypto = mu_crypto_openssl() };
    char why[128];
    int rc = f.crypto == NULL ? MU_ERR_CRYPTO : mu_crypto_selftest(f.crypto);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "crypto", "error=%s", mu_err_name(rc));
        return 1;
    }
    rc = mu_key_file_read(conf->key_file, f.crypto, &f.keys, why);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "key-file", "file=%s why=\"%s\"", conf->key_file,
               why);
        return 1;
    }
    mu_coap_drop(conf->body.drop_coap, conf->body.seed);
    rc = mu_loop_init(&f.loop);
    if (rc != 0)
        return 1;
    rc = fleet_open(&f);
    mu_key_file_clear(&f.keys);
    if (rc == 0)
        fleet_ready(&f);
    int code = rc == 0 ? mu_loop_run(&f.loop) : 1;

    for (uint32_t i = 0; i < f.len; i++)
        unit_close(f.units[i]);
    free(f.units);
    mu_loop_close(&f.loop);
    return code;
}
