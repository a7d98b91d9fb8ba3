/* SPDX-License-Identifier: Apache-2.0 */
/* The relays of a sender. */
#include "net/overlay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "net/key_file.h"
#include "net/log.h"

#define OVERLAY_TICK_MS 500
#define LOSS_LEAST 200        /* packets between two looks at what got lost */
#define LOSS_TOO_MUCH 200     /* permille */
#define VAIN_WITHIN_MS 60000  /* half of its receivers say that they hear nothing */
#define BARRED_MS 60000       /* then; twice as long each time */
#define BARS_MAX 6            /* doublings */

struct overlay_look {
    uint32_t sent, received;  /* when it was last looked */
    bool losing;
    uint64_t barred_ms;       /* other ways are taken until then */
    unsigned bars;            /* so far */
};

struct mu_overlay {
    struct mu_tunnel_head head;
    struct mu_udp port;
    uv_timer_t *timer;
    struct mu_route *route;
    struct overlay_look looks[MU_TUNNEL_RELAYS_MAX];
    void (*told)(void *ctx);
    void *ctx;
};

static uint64_t overlay_now(void)
{
    return uv_hrtime() / 1000000;
}

static void overlay_set(struct mu_overlay *o, size_t relay)
{
    const struct mu_tunnel_relay *r = &o->head.relays[relay];

    struct overlay_look *l = &o->looks[relay];

    mu_route_up(o->route, 1 + relay, r->up && overlay_now() >= l->barred_ms);
    *l = (struct overlay_look){ .barred_ms = l->barred_ms, .bars = l->bars };
    mu_log(MU_LOG_INFO, r->up ? "relay-joined" : "relay-gone", "relay=%s",
           r->identity);
    o->told(o->ctx);
}

/* Receivers say what they miss and get it again, so a relay that loses costs
 * time and repairs; this says which one it is, as far as it tells the truth. */
static void overlay_look(struct mu_overlay *o, size_t relay)
{
    const struct mu_tunnel_relay *r = &o->head.relays[relay];
    struct overlay_look *l = &o->looks[relay];
    uint32_t sent = r->said_sent - l->sent;
    uint32_t got = r->said.received - l->received, lost, permille;

    if (sent < LOSS_LEAST)
        return;
    lost = got < sent ? sent - got : 0;
    permille = (uint32_t)((uint64_t)lost * 1000 / sent);
    if (permille > LOSS_TOO_MUCH && !l->losing)
        mu_log(MU_LOG_WARN, "relay-loses", "relay=%s sent=%" PRIu32 " lost=%"
               PRIu32, r->identity, sent, lost);
    l->sent = r->said_sent;
    l->received = r->said.received;
    l->losing = permille > LOSS_TOO_MUCH;
}

static void overlay_take(void *ctx, struct mu_bytes in,
                         const struct mu_addr *from)
{
    struct mu_overlay *o = ctx;
    uint8_t room[256];
    struct mu_writer answer = mu_writer(room, sizeof(room));
    size_t relay;
    uint32_t sessions = 0;
    int rc;

    for (size_t i = 0; i < o->head.relays_len; i++)
        sessions += o->head.relays[i].sessions;
    rc = mu_tunnel_head_take(&o->head, overlay_now(), from, in, &answer,
                             &relay);
    if (rc != 0) {
        mu_log(MU_LOG_DEBUG, "relay-refused", "error=%s", mu_err_name(rc));
        return;
    }
    if (answer.len > 0) {
        mu_udp_send(&o->port, from, mu_written(&answer));
        mu_udp_flush(&o->port);
    }
    if (relay == MU_TUNNEL_RELAYS_MAX)
        return;
    for (size_t i = 0; i < o->head.relays_len; i++)
        sessions -= o->head.relays[i].sessions;
    if (sessions != 0)
        overlay_set(o, relay);
    else
        overlay_look(o, relay);
}

static void overlay_tick(uv_timer_t *timer)
{
    struct mu_overlay *o = timer->data;

    for (size_t i = 0; i < o->head.relays_len; i++) {
        struct overlay_look *l = &o->looks[i];

        if (l->barred_ms == 0 || overlay_now() < l->barred_ms)
            continue;
        l->barred_ms = 0; /* once more */
        overlay_set(o, i);
    }
    if (!mu_tunnel_head_expire(&o->head, overlay_now()))
        return;
    for (size_t i = 0; i < o->head.relays_len; i++) {
        if (o->route->nets[1 + i].up && !o->head.relays[i].up)
            overlay_set(o, i);
    }
}

/* ---- opening ----------------------------------------------------------- */

static int overlay_relays(struct mu_overlay *o, const char *path)
{
    struct mu_key_file keys;
    char why[128];
    int rc = mu_key_file_read(path, o->head.crypto, &keys, why);

    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "relays", "file=%s why=\"%s\"", path, why);
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < keys.len; i++) {
        const struct mu_key_row *row = &keys.rows[i];

        rc = mu_tunnel_head_add(&o->head, row->identity, &row->kmr);
        if (rc == 0)
            rc = mu_route_add(o->route, row->more);
        if (rc != 0)
            mu_log(MU_LOG_ERROR, "relays", "file=%s row=%zu error=%s why=\"rows "
                   "are identity,key,network, as in 10.1.0.0/16\"", path,
                   i + 1, mu_err_name(rc));
    }
    mu_key_file_clear(&keys);
    return rc;
}

static int overlay_timer(struct mu_overlay *o, uv_loop_t *uv)
{
    o->timer = calloc(1, sizeof(*o->timer));
    if (o->timer == NULL)
        return MU_ERR_FULL;
    if (uv_timer_init(uv, o->timer) != 0) {
        free(o->timer);
        o->timer = NULL;
        return MU_ERR_IO;
    }
    o->timer->data = o;
    return uv_timer_start(o->timer, overlay_tick, OVERLAY_TICK_MS,
                          OVERLAY_TICK_MS) == 0 ? 0 : MU_ERR_IO;
}

int mu_overlay_open(struct mu_overlay **out,
                    const struct mu_overlay_conf *conf,
                    const struct mu_crypto *crypto, uv_loop_t *uv,
                    struct mu_route *route, const char *group,
                    void (*told)(void *ctx), void *ctx, struct mu_addr *bound)
{
    struct mu_overlay *o = calloc(1, sizeof(*o));
    struct mu_addr at;
    int rc = o == NULL ? MU_ERR_FULL : 0;

    if (rc != 0)
        return rc;
    *out = o;
    o->route = route;
    o->told = told;
    o->ctx = ctx;
    mu_udp_init(&o->port, overlay_take, o);
    rc = mu_tunnel_head_init(&o->head, crypto, group);
    if (rc == 0)
        rc = overlay_relays(o, conf->relays);
    if (rc != 0)
        return rc;
    rc = mu_addr_parse(conf->listen, &at);
    if (rc == 0)
        rc = mu_udp_bind(&o->port, uv, &at, bound);
    if (rc == 0)
        rc = mu_udp_sender(&o->port, NULL, 1);
    if (rc == 0)
        rc = overlay_timer(o, uv);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "relay-listen", "text=%s error=%s", conf->listen,
               mu_err_name(rc));
    return rc;
}

void mu_overlay_vain(struct mu_overlay *o, uint32_t link)
{
    size_t net = mu_route_vain(o->route, link, overlay_now(), VAIN_WITHIN_MS);
    struct overlay_look *l;

    if (net == MU_ROUTE_HERE || o->route->nets[net].way != MU_ROUTE_TUNNEL)
        return;
    l = &o->looks[net - 1];
    l->barred_ms = overlay_now() + ((uint64_t)BARRED_MS << l->bars);
    if (l->bars < BARS_MAX)
        l->bars++;
    mu_log(MU_LOG_WARN, "relay-loses", "relay=%s why=\"its receivers answer and "
           "hear nothing\"", o->head.relays[net - 1].identity);
    mu_route_up(o->route, net, false);
    o->told(o->ctx);
}

void mu_overlay_send(struct mu_overlay *o, struct mu_bytes packet)
{
    uint8_t room[MU_TUNNEL_MAX];

    for (size_t i = 0; i < o->head.relays_len; i++) {
        struct mu_writer w = mu_writer(room, sizeof(room));

        if (o->route->nets[1 + i].way != MU_ROUTE_TUNNEL)
            continue;
        if (mu_tunnel_head_wrap(&o->head, i, packet, &w) == 0)
            mu_udp_send(&o->port, &o->head.relays[i].at, mu_written(&w));
        else
            overlay_set(o, i); /* its session is used up */
    }
}

void mu_overlay_flush(struct mu_overlay *o)
{
    mu_udp_flush(&o->port);
}

const struct mu_tunnel_relay *mu_overlay_relay(const struct mu_overlay *o,
                                               size_t n)
{
    return n < o->head.relays_len ? &o->head.relays[n] : NULL;
}

const struct mu_udp *mu_overlay_port(const struct mu_overlay *o)
{
    return &o->port;
}

static void overlay_closed(uv_handle_t *handle)
{
    free(handle);
}

void mu_overlay_close(struct mu_overlay *o)
{
    if (o == NULL)
        return;
    if (o->timer != NULL)
        uv_close((uv_handle_t *)o->timer, overlay_closed);
    mu_udp_close(&o->port);
    mu_tunnel_head_clear(&o->head);
    free(o);
}
