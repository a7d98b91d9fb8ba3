/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a role. */
#include "net/body.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "muster/cast.h"
#include "net/exchange.h"
#include "net/log.h"

const struct mu_body_conf mu_body_defaults = {
    .keepalive_ms = 15000,
    .idle_ms = 60000,
    .handshake_ms = 15000,
    .answer_ms = 30000,
    .ack_timeout_ms = 2000, /* RFC 7252 s.4.8 */
    .hops = 1,
    .hook_timeout_ms = 60000,
};

/* ---- reports ----------------------------------------------------------- */

void mu_body_report(struct mu_body *b, const char *name, json_t *more,
                    bool always)
{
    json_t *line;
    char *text;

    if (!b->conf.json && !always) {
        json_decref(more);
        return;
    }
    line = json_pack("{s:s, s:s}", "event", name, "id", b->identity);
    if (more != NULL)
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

struct mu_speaker_conf mu_body_speaks(const char *scheme, uint32_t copies,
                                      uint32_t interval_ms, uint16_t answers)
{
    return (struct mu_speaker_conf){
        .scheme = scheme == NULL ? MU_SPEECH_NONE
                                 : mu_speech_scheme_of(mu_bytes_str(scheme)),
        .copies = (uint8_t)copies, .interval_ms = interval_ms,
        .answers = answers,
    };
}

static void counts_of(json_t *to, const char *name, const struct mu_udp *u)
{
    json_object_set_new(to, name, json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}",
        "rx_packets", (json_int_t)u->counts.rx_packets,
        "rx_bytes", (json_int_t)u->counts.rx_bytes,
        "tx_packets", (json_int_t)u->counts.tx_packets,
        "tx_bytes", (json_int_t)u->counts.tx_bytes,
        "dropped", (json_int_t)u->counts.dropped,
        "tx_failed", (json_int_t)u->counts.tx_failed));
}

json_t *mu_body_counts(struct mu_body *b)
{
    json_t *all = json_object();
    const struct mu_coap_counts *c = mu_coap_counts(b->coap);

    if (b->role != MU_ROLE_DEVICE)
        counts_of(all, "wide_port", &b->wide.port);
    if (b->role == MU_ROLE_GATEWAY)
        counts_of(all, "wide_group", &b->wide.group);
    if (b->role != MU_ROLE_SERVER)
        counts_of(all, "area_port", &b->area.port);
    if (b->role == MU_ROLE_DEVICE)
        counts_of(all, "area_group", &b->area.group);
    if (b->wide.overlay != NULL)
        counts_of(all, "relays", mu_overlay_port(b->wide.overlay));
    if (b->area.overlay != NULL)
        counts_of(all, "relays", mu_overlay_port(b->area.overlay));
    json_object_set_new(all, "links", json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}",
        "handshakes", (json_int_t)c->handshakes,
        "refused", (json_int_t)c->refused,
        "replaced", (json_int_t)c->replaced,
        "requests", (json_int_t)c->requests,
        "responses", (json_int_t)c->responses,
        "gave_up", (json_int_t)c->gave_up));
    return all;
}

/* ---- casts ------------------------------------------------------------- */

static struct mu_cast_side *body_side(struct mu_body *b,
                                      enum mu_channel channel)
{
    return channel == MU_CHANNEL_WIDE ? &b->wide : &b->area;
}

static void body_on_packet(void *ctx, struct mu_bytes packet,
                           const struct mu_addr *from)
{
    struct mu_cast_side *side = ctx;
    struct mu_event ev = {
        .kind = MU_EV_PACKET, .channel = side->channel, .packet = packet,
    };

    (void)from; /* who sent it is what its tag says, not its address */
    if (packet.len > MU_PACKET_MAX)
        return;
    mu_node_event(&side->body->node, &ev);
}

static uint64_t body_seed(const struct mu_body *b)
{
    uint64_t seed = b->conf.seed + 0xcbf29ce484222325u;

    for (const char *c = b->identity; *c != '\0'; c++)
        seed = (seed ^ (uint8_t)*c) * 0x100000001b3u;
    return seed;
}

static void side_init(struct mu_body *b, struct mu_cast_side *side,
                      enum mu_channel channel)
{
    *side = (struct mu_cast_side){ .channel = channel, .body = b };
    mu_udp_init(&side->port, body_on_packet, side);
    mu_udp_init(&side->group, body_on_packet, side);
    mu_route_init(&side->route, 0);
}

/* After the socket is open: mu_udp_join and mu_udp_bind keep these. */
static void side_drop(struct mu_body *b, struct mu_cast_side *side)
{
    uint64_t seed = body_seed(b) + (unsigned)side->channel;

    mu_udp_drop(&side->port, b->conf.drop_in, seed * 2 + 1);
    mu_udp_drop(&side->group, b->conf.drop_in, seed * 2);
}

int mu_body_cast(struct mu_body *b, enum mu_channel channel, bool sender,
                 const struct mu_addr *at, struct mu_addr *bound)
{
    struct mu_cast_side *side = body_side(b, channel);
    int rc = mu_udp_bind(&side->port, &b->loop->uv, at, bound);

    side->sender = sender;
    if (rc == 0 && sender)
        rc = mu_udp_sender(&side->port, b->iface, b->conf.hops);
    side_drop(b, side);
    return rc;
}

static void side_told(void *ctx)
{
    struct mu_cast_side *side = ctx;
    struct mu_route *r = &side->route;

    for (size_t i = 0; i < r->nets_len; i++) {
        struct mu_route_net *n = &r->nets[i];
        struct mu_route_cost cost = mu_route_cost(r, i);
        const char *name = i == MU_ROUTE_HERE
            ? "here" : mu_overlay_relay(side->overlay, i - 1)->identity;

        if (!n->changed)
            continue;
        n->changed = false;
        mu_log(MU_LOG_INFO, "way", "network=%s way=%s receivers=%" PRIu32
               " copies_cost=%" PRIu32 " multicast_cost=%" PRIu32, name,
               mu_route_way_name(n->way), n->receivers, cost.copies,
               cost.multicast);
        mu_body_report(side->body, "way", json_pack(
            "{s:s, s:s, s:i, s:i, s:i}", "network", name,
            "way", mu_route_way_name(n->way),
            "receivers", (int)n->receivers, "copies_cost", (int)cost.copies,
            "multicast_cost", (int)cost.multicast), false);
    }
}

int mu_body_ways(struct mu_body *b, enum mu_channel channel,
                 const struct mu_overlay_conf *conf,
                 const struct mu_crypto *crypto, const char *group,
                 struct mu_addr *bound)
{
    struct mu_cast_side *side = body_side(b, channel);

    side->route.multicast_cost = conf->multicast_cost;
    if (conf->listen == NULL && conf->relays == NULL)
        return 0;
    if (conf->listen == NULL || conf->relays == NULL || group == NULL) {
        mu_log(MU_LOG_ERROR, "relays", "why=\"--relay-listen wants --relays, and "
               "both want a multicast group\"");
        return MU_ERR_USAGE;
    }
    return mu_overlay_open(&side->overlay, conf, crypto, &b->loop->uv,
                           &side->route, group, side_told, side, bound);
}

static void side_copy(struct mu_cast_side *side, uint32_t link, uint16_t port)
{
    struct mu_addr to;

    if (port == 0 || !mu_coap_peer(side->body->coap, link, &to))
        return;
    mu_addr_set_port(&to, port);
    if (mu_route_copy(&side->route, link, &to) != 0)
        mu_log(MU_LOG_ERROR, "way", "link=%" PRIu32, link);
    side_told(side);
}

static void side_copy_end(struct mu_cast_side *side, uint32_t link)
{
    mu_route_copy_end(&side->route, link);
    side_told(side);
}

static void side_sender_channel(struct mu_cast_side *side,
                                const struct mu_effect *e)
{
    if (strcmp(e->address, "unicast") == 0) {
        side_copy(side, e->link, e->port);
        return;
    }
    if (mu_addr_host(e->address, e->port, &side->to) != 0 ||
        mu_udp_scope(&side->to, side->body->iface) != 0) {
        mu_log(MU_LOG_ERROR, "channel", "address=%s", e->address);
        return;
    }
    mu_route_up(&side->route, MU_ROUTE_HERE, true);
    side_told(side);
}

static void side_receiver_channel(struct mu_cast_side *side,
                                  const struct mu_effect *e)
{
    struct mu_body *b = side->body;
    struct mu_addr group;
    int rc = 0;

    side->up_port = e->up_port;
    if (b->beyond || strcmp(e->address, "unicast") == 0) {
        mu_udp_close(&side->group);
    } else {
        rc = mu_addr_host(e->address, e->port, &group);
        if (rc == 0)
            rc = mu_udp_join(&side->group, &b->loop->uv, &group, b->iface);
    }
    mu_log(rc == 0 ? MU_LOG_DEBUG : MU_LOG_ERROR, "channel",
           "id=%s address=%s port=%u up_port=%u error=%s", b->identity,
           e->address, e->port, e->up_port, mu_err_name(rc));
}

static void side_send(struct mu_cast_side *side, const struct mu_effect *e)
{
    if (!side->sender) {
        if (side->body->beyond && e->packet.data[0] == MU_CAST_NEED)
            return;
        if (mu_coap_peer(side->body->coap, MU_LINK_UP_NODE, &side->to))
            mu_addr_set_port(&side->to, side->up_port);
        mu_udp_send(&side->port, &side->to, e->packet);
        return;
    }
    const struct mu_route *r = &side->route;

    if (e->link != 0) { /* it has gone meanwhile: the next poll tells */
        const struct mu_addr *to = mu_route_copy_of(r, e->link);

        if (to != NULL)
            mu_udp_send(&side->port, to, e->packet);
        return;
    }
    if (r->nets[MU_ROUTE_HERE].way == MU_ROUTE_GROUP)
        mu_udp_send(&side->port, &side->to, e->packet);
    if (side->overlay != NULL)
        mu_overlay_send(side->overlay, e->packet);
    for (size_t i = 0; i < r->copies_len; i++) {
        if (r->nets[r->copies[i].net].way == MU_ROUTE_COPIES)
            mu_udp_send(&side->port, &r->copies[i].to, e->packet);
    }
}

static void side_close(struct mu_cast_side *side)
{
    mu_udp_close(&side->port);
    mu_udp_close(&side->group);
    mu_overlay_close(side->overlay);
    side->overlay = NULL;
    mu_route_clear(&side->route);
}

/* ---- hooks ------------------------------------------------------------- */

static void body_hook_over(void *ctx, int result)
{
    struct mu_body *b = ctx;

    b->hook_done = true;
    b->hook_result = result;
    mu_log(result == 0 ? MU_LOG_INFO : MU_LOG_WARN, "hook",
           "id=%s kind=%s result=%d", b->identity,
           b->hook_kind == MU_HOOK_INSTALL ? "install" : "confirm", result);
    mu_node_touch(&b->node);
}

static void body_hook(struct mu_body *b, const struct mu_effect *e)
{
    const char *command = e->hook == MU_HOOK_INSTALL ? b->conf.hook
                                                     : b->conf.confirm_hook;
    char name[MU_NAME_MAX + 1], version[24];
    size_t len = e->name.len < MU_NAME_MAX ? e->name.len : MU_NAME_MAX;
    int rc;

    b->hook_kind = e->hook;
    if (command == NULL) { /* nothing to run: the file in its place is all */
        body_hook_over(b, 0);
        return;
    }
    memcpy(name, e->name.data, len);
    name[len] = '\0';
    snprintf(version, sizeof(version), "%" PRIu64, e->version);
    struct mu_hook_job job = {
        .command = command, .file = b->hook_file, .name = name,
        .version = version, .identity = b->identity,
        .timeout_ms = b->conf.hook_timeout_ms,
    };

    mu_hook_stop(&b->hook); /* one that the engine does not wait for */
    b->hook_done = false;
    /* The slot may be larger than what lies in it. */
    if (truncate(b->hook_file, (off_t)e->size) != 0)
        mu_log(MU_LOG_WARN, "truncate", "id=%s errno=%d", b->identity, errno);
    rc = mu_hook_start(&b->hook, &b->loop->uv, &job, body_hook_over, b);
    if (rc != 0)
        body_hook_over(b, MU_HOOK_NOT_RUN);
}

static void body_command_over(void *ctx, int result)
{
    struct mu_body *b = ctx;

    b->command_done = true;
    b->command_result = result;
    mu_log(result == 0 ? MU_LOG_INFO : MU_LOG_WARN, "hook",
           "id=%s kind=command result=%d", b->identity, result);
    mu_node_touch(&b->node);
}

static int body_file(const char *path, struct mu_bytes text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                  0600);
    int rc = fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len
        ? MU_ERR_IO : 0;

    if (fd >= 0 && close(fd) != 0)
        rc = MU_ERR_IO;
    return rc;
}

/* A device without a hook for them does not do what it is told, and says so. */
static void body_command(struct mu_body *b, const struct mu_effect *e)
{
    char name[2 * MU_CAMPAIGN_ID + 1];
    struct mu_hook_job job = {
        .command = b->conf.command_hook, .file = b->command_file,
        .name = name, .version = "0", .identity = b->identity,
        .timeout_ms = b->conf.hook_timeout_ms,
    };
    int rc = b->conf.command_hook == NULL || b->command_file == NULL
        ? MU_ERR_UNSUPPORTED : body_file(b->command_file, e->value);

    for (size_t i = 0; i < MU_CAMPAIGN_ID; i++)
        snprintf(name + 2 * i, 3, "%02x", e->name.data[i]);
    mu_hook_stop(&b->command);
    b->command_done = false;
    if (rc == 0)
        rc = mu_hook_start(&b->command, &b->loop->uv, &job, body_command_over,
                           b);
    if (rc != 0)
        body_command_over(b, MU_HOOK_NOT_RUN);
}

static void body_alert_over(void *ctx, int result)
{
    struct mu_body *b = ctx;

    b->alert_done = true;
    mu_log(result == 0 ? MU_LOG_INFO : MU_LOG_WARN, "hook",
           "id=%s kind=alert result=%d", b->identity, result);
    mu_node_touch(&b->node);
}

/* What somebody said to all of the area, who is proved to be its source. */
static void body_alert(struct mu_body *b, const struct mu_effect *e)
{
    char source[MU_ID_MAX + 1], number[24];
    struct mu_hook_job job = {
        .command = b->conf.alert_hook, .file = b->alert_file, .name = source,
        .version = number, .identity = b->identity, .source = source,
        .scheme = e->trace, .timeout_ms = b->conf.hook_timeout_ms,
    };
    json_t *text = json_stringn((const char *)e->value.data, e->value.len);
    int rc;

    snprintf(source, sizeof(source), "%.*s", (int)e->name.len,
             (const char *)e->name.data);
    snprintf(number, sizeof(number), "%" PRIu64, e->version);
    mu_body_report(b, "alert", json_pack(
        "{s:s, s:I, s:s, s:o}", "source", source, "number",
        (json_int_t)e->version, "scheme", e->trace, "text",
        text == NULL ? json_null() : text), false);
    b->alert_done = b->conf.alert_hook == NULL;
    if (b->alert_done) {
        mu_node_touch(&b->node);
        return;
    }
    rc = body_file(b->alert_file, e->value);
    if (rc == 0)
        rc = mu_hook_start(&b->alert, &b->loop->uv, &job, body_alert_over, b);
    if (rc != 0)
        body_alert_over(b, MU_HOOK_NOT_RUN);
}

/* ---- the node's view --------------------------------------------------- */

static void body_link_open(struct mu_body *b, uint32_t link)
{
    struct mu_addr to = { 0 };
    int rc = b->upper == NULL ? MU_ERR_USAGE : mu_addr_parse(b->upper, &to);

    if (rc != 0) {
        mu_log(MU_LOG_WARN, "lookup", "address=%s error=%s",
               b->upper == NULL ? "-" : b->upper, mu_err_name(rc));
        to.len = 0; /* LINK_DOWN follows, and the engine tries again */
    }
    mu_coap_open(b->coap, link, &to);
}

/* What was on the air while the radio was off is lost: the sockets forget it. Of
 * unicast to the link the network may keep some. */
static void body_radio(struct mu_body *b, bool on)
{
    b->area.port.deaf = b->area.group.deaf = !on;
    mu_coap_radio(b->coap, on);
    mu_log(MU_LOG_DEBUG, "radio", "id=%s on=%d", b->identity, on);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The server's word on a key exchange. */
static void body_refused(const struct mu_body *b, const struct mu_effect *e)
{
    char takes[MU_EXCHANGE_LIST_TEXT];

    mu_exchange_methods_text((uint8_t)e->b, takes);
    mu_log(MU_LOG_WARN, e->trace, "id=%s why=\"%s\" server_takes=%s",
           b->identity, mu_exchange_refusal_text((uint8_t)e->a), takes);
}

/* What the engine tells of itself. Of its names those that end in "-failed"
 * come with an error, and with "-damaged" they speak of a record: an operator
 * wants to know. */
static void body_trace(struct mu_body *b, const struct mu_effect *e)
{
    struct mu_cast_side *side = b->role == MU_ROLE_SERVER ? &b->wide : &b->area;

    /* Receiver n is at the end of link n + 1, of the server as of a gateway. */
    if (strcmp(e->trace, "hears-nothing") == 0 && side->overlay != NULL)
        mu_overlay_vain(side->overlay, (uint32_t)e->a + 1);
    if (ends_with(e->trace, "-failed") && strcmp(e->trace, "hook-failed") != 0)
        mu_log(MU_LOG_WARN, e->trace, "id=%s what=%" PRIu64 " why=\"%s\"",
               b->identity, e->a, mu_err_text(-(int)(e->b & INT8_MAX)));
    else if (strcmp(e->trace, "exchange-refused") == 0)
        body_refused(b, e);
    else if (strcmp(e->trace, "keys-refused") == 0)
        mu_log(MU_LOG_WARN, e->trace, "id=%s code=%u.%02u why=\"the server "
               "gives no keys over this connection; it may demand another "
               "--key-exchange\"", b->identity, (unsigned)e->a >> 5,
               (unsigned)e->a & 31);
    else if (strcmp(e->trace, "key-withheld") == 0)
        mu_log(MU_LOG_WARN, e->trace, "id=%s group=%" PRIu64 " why=\"its keys "
               "go by another key exchange\"", b->identity, e->a);
    else if (ends_with(e->trace, "-damaged"))
        mu_log(MU_LOG_WARN, e->trace, "id=%s what=%" PRIu64 " of=%" PRIu64,
               b->identity, e->a, e->b);
    else
        mu_log(MU_LOG_DEBUG, "trace", "id=%s what=%s a=%" PRIu64 " b=%" PRIu64,
               b->identity, e->trace, e->a, e->b);
}

static void body_effect(void *ctx, const struct mu_effect *e)
{
    struct mu_body *b = ctx;
    struct mu_cast_side *side;

    switch (e->kind) {
    case MU_DO_SEND:
        mu_coap_send(b->coap, e->link, e->response, &e->message);
        break;
    case MU_DO_PACKET:
        side_send(body_side(b, e->channel), e);
        break;
    case MU_DO_LINK_OPEN:
        body_link_open(b, e->link);
        break;
    case MU_DO_LINK_CLOSE:
        mu_coap_shut(b->coap, e->link);
        side_copy_end(b->role == MU_ROLE_SERVER ? &b->wide : &b->area, e->link);
        break;
    case MU_DO_LINK_QUIET:
        mu_coap_quiet(b->coap, e->link, e->a * 1000);
        break;
    case MU_DO_RADIO:
        body_radio(b, e->on);
        break;
    case MU_DO_CHANNEL:
        side = body_side(b, e->channel);
        if (side->sender)
            side_sender_channel(side, e);
        else
            side_receiver_channel(side, e);
        break;
    case MU_DO_HOOK:
        if (e->hook == MU_HOOK_COMMAND)
            body_command(b, e);
        else if (e->hook == MU_HOOK_ALERT)
            body_alert(b, e);
        else
            body_hook(b, e);
        break;
    case MU_DO_TRACE:
        body_trace(b, e);
        break;
    case MU_DO_STORE: /* the driver's */
    case MU_DO_COUNT:
        break;
    }
}

static void body_flush(void *ctx)
{
    struct mu_body *b = ctx;

    mu_udp_flush(&b->wide.port);
    mu_udp_flush(&b->area.port);
    if (b->wide.overlay != NULL)
        mu_overlay_flush(b->wide.overlay);
    if (b->area.overlay != NULL)
        mu_overlay_flush(b->area.overlay);
    if (b->backlog != NULL)
        b->backlog(b->node.engine.state, mu_udp_backlog(&b->area.port));
}

static bool body_poll(void *ctx)
{
    struct mu_body *b = ctx;
    bool any = mu_coap_poll(b->coap);

    if (b->hook_done) {
        struct mu_event ev = {
            .kind = MU_EV_HOOK, .hook = b->hook_kind,
            .result = b->hook_result,
        };

        b->hook_done = false;
        mu_node_event(&b->node, &ev);
        any = true;
    }
    if (b->command_done) {
        struct mu_event ev = {
            .kind = MU_EV_HOOK, .hook = MU_HOOK_COMMAND,
            .result = b->command_result,
        };

        b->command_done = false;
        mu_node_event(&b->node, &ev);
        any = true;
    }
    if (b->alert_done) {
        struct mu_event ev = { .kind = MU_EV_HOOK, .hook = MU_HOOK_ALERT };

        b->alert_done = false;
        mu_node_event(&b->node, &ev);
        any = true;
    }
    return any;
}

static void body_turned(void *ctx)
{
    struct mu_body *b = ctx;

    if (b->turned != NULL)
        b->turned(b->turned_ctx);
}

static const struct mu_body_ops body_ops = {
    .effect = body_effect,
    .flush = body_flush,
    .poll = body_poll,
    .turned = body_turned,
};

/* ---- the links' view --------------------------------------------------- */

static int body_psk(void *ctx, bool client, struct mu_bytes identity,
                    struct mu_secret *key, uint32_t *link)
{
    struct mu_body *b = ctx;

    return b->psk(b->node.engine.state, client, identity, key, link);
}

static void body_on_link(void *ctx, struct mu_event *ev)
{
    struct mu_body *b = ctx;

    if (ev->kind == MU_EV_LINK_DOWN && b->role == MU_ROLE_SERVER)
        side_copy_end(&b->wide, ev->link);
    if (ev->kind == MU_EV_LINK_DOWN && b->role == MU_ROLE_GATEWAY &&
        ev->link != MU_LINK_UP_NODE)
        side_copy_end(&b->area, ev->link);
    if (ev->kind == MU_EV_LINK_UP || ev->kind == MU_EV_LINK_DOWN)
        mu_body_report(b, "link", json_pack(
            "{s:i, s:b, s:s}", "link", (int)ev->link,
            "up", (int)(ev->kind == MU_EV_LINK_UP),
            "peer", mu_log_text(ev->identity).text), false);
    mu_node_event(&b->node, ev);
}

static void body_wake(void *ctx)
{
    struct mu_body *b = ctx;

    mu_node_touch(&b->node);
}

/* Outstanding messages: a device has one thing to say at a time; the links of
 * gateways and servers carry a whole area. */
static uint16_t body_outstanding(enum mu_role role)
{
    return role == MU_ROLE_DEVICE ? 2 : 16;
}

int mu_body_init(struct mu_body *b, struct mu_engine engine,
                 struct mu_store *store)
{
    struct mu_coap_conf conf = {
        .identity = mu_bytes_str(b->identity),
        .keepalive_ms = b->conf.keepalive_ms,
        .idle_ms = b->conf.idle_ms,
        .handshake_ms = b->conf.handshake_ms,
        .answer_ms = b->conf.answer_ms,
        .outstanding_max = body_outstanding(b->role),
        .ack_timeout_ms = b->conf.ack_timeout_ms,
        .ctx = b, .psk = body_psk, .event = body_on_link, .wake = body_wake,
    };
    int rc = mu_node_init(&b->node, b->loop, b->identity, engine, store,
                          &body_ops, b);

    if (rc != 0)
        return rc;
    side_init(b, &b->wide, MU_CHANNEL_WIDE);
    side_init(b, &b->area, MU_CHANNEL_AREA);
    side_drop(b, &b->wide);
    side_drop(b, &b->area);
    b->coap = mu_coap_new(&b->loop->uv, &conf);
    return b->coap == NULL ? MU_ERR_IO : 0;
}

int mu_body_listen(struct mu_body *b, const struct mu_addr *at,
                   struct mu_addr *bound)
{
    return mu_coap_listen(b->coap, at, bound);
}

void mu_body_close(struct mu_body *b)
{
    mu_hook_stop(&b->hook);
    mu_hook_stop(&b->command);
    mu_hook_stop(&b->alert);
    mu_coap_free(b->coap);
    b->coap = NULL;
    side_close(&b->wide);
    side_close(&b->area);
    mu_node_close(&b->node);
}

void mu_body_harden(void)
{
    struct rlimit none = { 0, 0 }, files;

    setrlimit(RLIMIT_CORE, &none);
    /* Many devices in one process take ten descriptors each. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
#ifndef __SANITIZE_ADDRESS__ /* its leak check traces the program */
    prctl(PR_SET_DUMPABLE, 0);
#endif
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a full quota is an error like a full disk */
}
