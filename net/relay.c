/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay relay. */
#include "net/relay.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "net/key_file.h"
#include "net/log.h"
#include "net/loop.h"
#include "net/tunnel.h"
#include "net/udp_cast.h"

struct relay {
    const struct mu_relay_conf *conf;
    const struct mu_crypto *crypto;
    struct mu_loop loop;
    struct mu_tunnel_end end;
    struct mu_udp in, out;   /* towards the sender; into the network */
    struct mu_addr from, to; /* the sender; the group here */
    uv_timer_t timer;
    bool up, looped, timed;
};

static uint64_t relay_now(void)
{
    return uv_hrtime() / 1000000;
}

/* ---- lines ------------------------------------------------------------- */

static void relay_say(const struct relay *r, const char *event, json_t *more,
                      bool always)
{
    json_t *line;
    char *text;

    if (!r->conf->json && !always) {
        json_decref(more);
        return;
    }
    line = json_pack("{s:s, s:s}", "event", event, "id", r->conf->identity);
    json_object_update(line, more);
    json_decref(more);
    text = json_dumps(line, JSON_COMPACT);
    if (text != NULL) {
        printf("%s\n", text);
        fflush(stdout);
    }
    free(text);
    json_decref(line);
}

static void relay_counters(const struct relay *r)
{
    relay_say(r, "counters", json_pack(
        "{s:I, s:I, s:I, s:I, s:I}",
        "received", (json_int_t)r->end.said.received,
        "refused", (json_int_t)r->end.said.refused,
        "emitted", (json_int_t)r->end.said.emitted,
        "emitted_bytes", (json_int_t)r->out.counts.tx_bytes,
        "dropped", (json_int_t)r->in.counts.dropped), false);
}

/* ---- the tunnel -------------------------------------------------------- */

/* Where the sender says that its group is. */
static int relay_aim(struct relay *r)
{
    struct mu_addr any, bound;
    int rc = mu_addr_parse(r->end.group, &r->to);

    if (rc == 0 && (!mu_addr_is_multicast(&r->to) ||
                    mu_addr_port(&r->to) == 0))
        rc = MU_ERR_USAGE;
    if (rc == 0)
        rc = mu_udp_scope(&r->to, r->conf->iface);
    if (rc == 0)
        rc = mu_addr_parse(r->to.sa.sa_family == AF_INET6 ? "[::]:0"
                                                          : "0.0.0.0:0", &any);
    if (rc == 0)
        rc = mu_udp_bind(&r->out, &r->loop.uv, &any, &bound);
    if (rc == 0)
        rc = mu_udp_sender(&r->out, r->conf->iface, r->conf->hops);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "group", "text=%s error=%s", r->end.group,
               mu_err_name(rc));
        r->to.len = 0;
    }
    return rc;
}

static void relay_turn(struct relay *r)
{
    bool up = r->end.state == MU_TUNNEL_UP;

    if (up != r->up) {
        r->up = up;
        if (up && relay_aim(r) != 0)
            mu_loop_stop(&r->loop, 1);
        mu_log(MU_LOG_INFO, up ? "joined" : "lost", "from=%s group=%s",
               r->conf->from, r->end.group);
        relay_say(r, "status", json_pack("{s:b, s:s}", "joined", (int)up,
                                         "group", r->end.group), false);
    }
}

static void relay_run(struct relay *r)
{
    uint8_t room[256];
    struct mu_writer w = mu_writer(room, sizeof(room));
    int rc = mu_tunnel_end_run(&r->end, relay_now(), &w);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "tunnel", "error=%s", mu_err_name(rc));
        mu_loop_stop(&r->loop, 1);
        return;
    }
    if (w.len > 0) {
        mu_udp_send(&r->in, &r->from, mu_written(&w));
        mu_udp_flush(&r->in);
    }
    relay_turn(r);
}

static void relay_timer(uv_timer_t *timer);

static void relay_arm(struct relay *r)
{
    uint64_t now;

    relay_run(r);
    now = relay_now();
    uv_timer_start(&r->timer, relay_timer,
                   r->end.next_ms > now ? r->end.next_ms - now : 0, 0);
}

static void relay_timer(uv_timer_t *timer)
{
    relay_arm(timer->data);
}

static void relay_take(void *ctx, struct mu_bytes in,
                       const struct mu_addr *from)
{
    struct relay *r = ctx;
    struct mu_bytes packet;
    int rc = mu_tunnel_end_take(&r->end, relay_now(), in, &packet);

    (void)from; /* who sent it is what its tag says */
    if (rc != 0) {
        mu_log(MU_LOG_TRACE, "refused", "error=%s", mu_err_name(rc));
        return;
    }
    if (packet.len > 0 && packet.len <= MU_PACKET_MAX && r->to.len != 0) {
        mu_udp_send(&r->out, &r->to, packet);
        r->end.said.emitted++;
    } else if (packet.len == 0) {
        relay_arm(r); /* a challenge is answered at once */
    }
    mu_udp_flush(&r->out);
}

/* Nothing that comes in by the group's side is for us. */
static void relay_ignore(void *ctx, struct mu_bytes in,
                         const struct mu_addr *from)
{
    (void)ctx;
    (void)in;
    (void)from;
}

/* ---- the program ------------------------------------------------------- */

static int relay_keys(struct relay *r)
{
    struct mu_key_file keys;
    const struct mu_secret *root;
    char why[128];
    int rc = mu_key_file_read(r->conf->key_file, r->crypto, &keys, why);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "key-file", "file=%s why=\"%s\"",
               r->conf->key_file, why);
        return rc;
    }
    root = mu_key_file_find(&keys, r->conf->identity);
    if (root == NULL)
        mu_log(MU_LOG_ERROR, "key-file", "file=%s why=\"no key of this "
               "identity\"", r->conf->key_file);
    rc = root == NULL ? MU_ERR_NOT_FOUND
                      : mu_tunnel_end_init(&r->end, r->crypto,
                                           r->conf->identity, root);
    mu_key_file_clear(&keys);
    return rc;
}

static int relay_open(struct relay *r)
{
    struct mu_addr any, bound;
    int rc = mu_addr_parse(r->conf->from, &r->from);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "address", "what=from text=%s error=%s",
               r->conf->from, mu_err_name(rc));
        return rc;
    }
    rc = relay_keys(r);
    if (rc == 0)
        rc = mu_loop_init(&r->loop);
    r->looped = rc == 0;
    if (rc == 0)
        rc = uv_timer_init(&r->loop.uv, &r->timer) == 0 ? 0 : MU_ERR_IO;
    r->timed = rc == 0;
    r->timer.data = r;
    if (rc == 0)
        rc = mu_addr_parse(r->from.sa.sa_family == AF_INET6 ? "[::]:0"
                                                            : "0.0.0.0:0",
                           &any);
    if (rc == 0)
        rc = mu_udp_bind(&r->in, &r->loop.uv, &any, &bound);
    if (rc == 0)
        mu_udp_drop(&r->in, r->conf->drop_in, r->conf->seed);
    return rc;
}

static void relay_close(struct relay *r)
{
    mu_udp_close(&r->in);
    mu_udp_close(&r->out);
    if (r->timed)
        uv_close((uv_handle_t *)&r->timer, NULL);
    if (r->looped)
        mu_loop_close(&r->loop);
    mu_tunnel_end_clear(&r->end);
}

int mu_relay_run(const struct mu_relay_conf *conf)
{
    struct relay r = { .conf = conf, .crypto = mu_crypto_openssl() };
    int rc = r.crypto == NULL ? MU_ERR_CRYPTO : mu_crypto_selftest(r.crypto);
    int code = 1;

    mu_udp_init(&r.in, relay_take, &r);
    mu_udp_init(&r.out, relay_ignore, &r);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "crypto", "error=%s", mu_err_name(rc));
    if (rc == 0)
        rc = relay_open(&r);
    if (rc == 0) {
        relay_say(&r, "ready", json_pack("{s:s, s:s}", "role", "relay",
                                         "from", conf->from), true);
        relay_arm(&r);
        code = mu_loop_run(&r.loop);
        relay_counters(&r);
    }
    relay_close(&r);
    return code;
}
