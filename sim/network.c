/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies between the nodes. Messages go over CoAP and DTLS, modelled as a
 * reliable exchange whose lost datagrams cost time-outs (RFC 7252 s.4.8: 2 s,
 * doubling, four retransmissions) and bytes; cast packets are single
 * datagrams that each receiver may lose, get twice or get late.
 */
#include <stdlib.h>
#include <string.h>

#include "muster/device.h"
#include "muster/gateway.h"
#include "muster/server.h"

#include "air.h"
#include "alive.h"
#include "attack.h"
#include "floor.h"
#include "liar.h"
#include "world.h"

#define COAP_TIMEOUT MU_SECONDS(2)
#define COAP_RETRANSMIT 4
#define COAP_GIVE_UP MU_SECONDS(93)    /* MAX_TRANSMIT_WAIT */
#define COAP_BYTES 12                  /* header, token, marker, format */
#define DTLS_BYTES 29                  /* record 13, nonce 8, tag 8 */
#define HANDSHAKE_BYTES 900            /* six datagrams, PSK-CCM8 with cookie */
#define WIDE_OVERHEAD 46               /* Ethernet, IPv4, UDP */
#define DEAD_PEER MU_SECONDS(20)       /* keep-alive finds a dead session */

struct wire_message {
    uint8_t code;
    bool response;
    bool has_oscore;
    uint32_t exchange;
    uint16_t path_len, oscore_len;
    uint32_t payload_len;
};

static bool network_lost(struct sim_world *w, struct sim_node *receiver,
                         double loss)
{
    if (w->conf.burst <= 1 || receiver->role != SIM_DEVICE)
        return sim_rng_chance(&w->chance, loss);
    /* Gilbert-Elliott: in the bad state everything is lost; the mean stay
     * there is `burst` packets, the share of time there is `loss`. */
    double leave = 1.0 / w->conf.burst;
    double enter = loss * leave / (1.0 - loss);
    if (receiver->burst_bad)
        receiver->burst_bad = !sim_rng_chance(&w->chance, leave);
    else
        receiver->burst_bad = sim_rng_chance(&w->chance, enter);
    return receiver->burst_bad;
}

static bool is_area(const struct sim_node *a, const struct sim_node *b)
{
    return a->role == SIM_DEVICE || b->role == SIM_DEVICE;
}

static void network_count(struct sim_world *w, struct sim_node *a,
                          struct sim_node *b, size_t bytes, bool message)
{
    if (!w->counting)
        return;
    if (!is_area(a, b)) {
        w->wan_bytes += bytes + WIDE_OVERHEAD;
        return;
    }
    struct sim_node *gateway = a->role == SIM_DEVICE ? b : a;
    gateway->area_bytes += bytes + w->conf.overhead;
    if (message)
        w->message_bytes += bytes + w->conf.overhead;
}

static mu_time network_delay(struct sim_world *w, bool area)
{
    mu_time base = area ? w->conf.delay_us : w->conf.wide_delay_us;
    return base + sim_rng_below(&w->chance, base / 4 + 1);
}

static struct sim_node *network_peer(struct sim_world *w, struct sim_node *n,
                                     uint32_t link)
{
    if (n->role != SIM_SERVER && link == MU_LINK_UP_NODE)
        return n->linked ? &w->nodes[n->above] : NULL;
    if (link >= n->below_len || n->below[link] == 0)
        return NULL;
    struct sim_node *peer = &w->nodes[n->below[link]];
    return peer->linked ? peer : NULL;
}

static uint32_t exchange_open(struct sim_world *w, uint32_t node, uint32_t link,
                              uint32_t exchange)
{
    if (w->exchanges_len == w->exchanges_cap) {
        w->exchanges_cap = w->exchanges_cap == 0 ? 4096 : w->exchanges_cap * 2;
        w->exchanges = realloc(w->exchanges,
                               w->exchanges_cap * sizeof *w->exchanges);
        if (w->exchanges == NULL)
            abort();
    }
    w->exchanges[w->exchanges_len] =
        (struct sim_exchange){node, link, exchange, true, false, 0};
    return (uint32_t)w->exchanges_len++;
}

static struct sim_buffer *message_pack(const struct mu_message *m,
                                       bool response, uint32_t exchange)
{
    struct wire_message head = {
        .code = m->code,
        .response = response,
        .has_oscore = m->oscore.data != NULL,
        .exchange = exchange,
        .path_len = (uint16_t)m->path.len,
        .oscore_len = (uint16_t)m->oscore.len,
        .payload_len = (uint32_t)m->payload.len,
    };
    struct sim_buffer *b = sim_buffer_new(
        NULL, 0);
    b = realloc(b, sizeof *b + sizeof head + m->path.len + m->oscore.len +
                       m->payload.len);
    if (b == NULL)
        abort();
    uint8_t *p = b->data;
    memcpy(p, &head, sizeof head);
    p += sizeof head;
    if (m->path.len > 0)
        memcpy(p, m->path.data, m->path.len);
    p += m->path.len;
    if (m->oscore.len > 0)
        memcpy(p, m->oscore.data, m->oscore.len);
    p += m->oscore.len;
    if (m->payload.len > 0)
        memcpy(p, m->payload.data, m->payload.len);
    b->len = (uint32_t)(p + m->payload.len - b->data);
    return b;
}

/* One leg of an exchange: its time, or MU_TIME_NEVER when every copy is lost. */
static mu_time network_leg(struct sim_world *w, struct sim_node *from,
                           struct sim_node *to, size_t bytes)
{
    bool area = is_area(from, to);
    double loss = area ? w->conf.loss : w->conf.wide_loss;
    mu_time spent = network_delay(w, area);
    mu_time timeout = COAP_TIMEOUT;
    for (int i = 0; i <= COAP_RETRANSMIT; i++) {
        network_count(w, from, to, bytes, true);
        if (from->radio && to->radio && !(area && sim_attack_jams(w)) &&
            !sim_rng_chance(&w->chance, loss))
            return spent;
        spent += timeout + sim_rng_below(&w->chance, timeout / 2);
        timeout *= 2;
    }
    return MU_TIME_NEVER;
}

static void network_give_up(struct sim_world *w, uint32_t node,
                            uint32_t exchange, mu_time after)
{
    sim_queue_put(&w->queue, (struct sim_item){
                                 .at = w->now + after,
                                 .what = SIM_GIVE_UP,
                                 .node = node,
                                 .number = exchange,
                             });
}

static void network_arrive(struct sim_world *w, struct sim_node *n,
                           struct sim_node *to, const struct mu_message *m,
                           bool response, uint32_t exchange, mu_time at)
{
    sim_queue_put(
        &w->queue,
        (struct sim_item){
            .at = at,
            .what = SIM_MESSAGE,
            .node = sim_node_index(w, to),
            .link = to->above == sim_node_index(w, n) &&
                            to->role != SIM_SERVER
                        ? MU_LINK_UP_NODE
                        : n->above_link,
            .buffer = message_pack(m, response, exchange),
        });
}

void sim_network_ask(struct sim_world *w, struct sim_node *n,
                     const struct mu_effect *e, mu_time arrives, mu_time done,
                     mu_time over)
{
    uint32_t self = sim_node_index(w, n);
    uint32_t exchange = exchange_open(w, self, e->link, e->message.exchange);
    struct sim_node *to = network_peer(w, n, e->link);

    w->exchanges[exchange].rides = true;
    w->exchanges[exchange].answer_at =
        done == MU_TIME_NEVER ? done : w->now + done;
    network_give_up(w, self, exchange,
                    done == MU_TIME_NEVER ? over : COAP_GIVE_UP);
    if (to != NULL && arrives != MU_TIME_NEVER)
        network_arrive(w, n, to, &e->message, false, exchange,
                       w->now + arrives);
}

/* Its bytes and losses are those of the keep-alive. */
static void network_ride_answer(struct sim_world *w, struct sim_node *n,
                                struct sim_node *to, const struct mu_effect *e)
{
    mu_time at = w->exchanges[e->message.exchange].answer_at;

    if (at != MU_TIME_NEVER)
        network_arrive(w, n, to, &e->message, true, e->message.exchange,
                       at > w->now ? at : w->now);
}

void sim_network_message(struct sim_world *w, struct sim_node *n,
                         const struct mu_effect *e)
{
    uint32_t self = sim_node_index(w, n);
    uint32_t link = e->link;
    uint32_t exchange = e->message.exchange;
    if (sim_alive_takes(w, n, e))
        return;
    if (e->response) {
        if (exchange >= w->exchanges_len || !w->exchanges[exchange].open)
            return;
        w->exchanges[exchange].open = w->exchanges[exchange].node != self;
    }
    struct sim_node *to = network_peer(w, n, link);
    if (!e->response) {
        exchange = exchange_open(w, self, link, exchange);
        network_give_up(w, self, exchange, COAP_GIVE_UP);
    }
    if (to == NULL)
        return;
    if (e->response && w->exchanges[exchange].rides) {
        network_ride_answer(w, n, to, e);
        return;
    }
    if (w->counting && n->role == SIM_GATEWAY && !e->response &&
        mu_bytes_eq(e->message.path, mu_bytes_str("r"))) {
        w->reports++;
        w->report_bytes += e->message.payload.len;
    }
    size_t bytes = COAP_BYTES + DTLS_BYTES + e->message.path.len +
                   e->message.oscore.len + e->message.payload.len;
    mu_time leg = network_leg(w, n, to, bytes);
    if (leg == MU_TIME_NEVER)
        return;
    uint8_t room[MU_MESSAGE_MAX];
    struct mu_message sent = e->message;
    sent.payload = sim_attack_report(w, n, e, room);
    network_arrive(w, n, to, &sent, e->response, exchange, w->now + leg);
}

static void network_to_one(struct sim_world *w, struct sim_node *from,
                           struct sim_node *to, enum mu_channel channel,
                           struct sim_buffer *b, double loss)
{
    if (network_lost(w, to, loss))
        return;
    bool area = channel == MU_CHANNEL_AREA;
    (void)from;
    sim_queue_put(&w->queue, (struct sim_item){
                                 .at = w->now + network_delay(w, area),
                                 .what = SIM_PACKET,
                                 .node = sim_node_index(w, to),
                                 .channel = (uint8_t)channel,
                                 .buffer = sim_buffer_hold(b),
                             });
}

static void network_wide_down(struct sim_world *w, struct sim_node *server,
                              struct sim_buffer *b)
{
    if (w->counting)
        w->wan_bytes += b->len + WIDE_OVERHEAD;
    for (uint32_t i = 1; i < w->first_device; i++) {
        if (w->nodes[i].joined[MU_CHANNEL_WIDE])
            network_to_one(w, server, &w->nodes[i], MU_CHANNEL_WIDE, b,
                           w->conf.wide_loss);
    }
}

static enum sim_kind packet_kind(const struct sim_buffer *b)
{
    switch (b->data[0]) {
    case MU_CAST_ANNOUNCE:
        return SIM_KIND_ANNOUNCE;
    case MU_CAST_POLL:
        return SIM_KIND_POLL;
    case MU_CAST_NEED:
        return SIM_KIND_NEED;
    case MU_CAST_CENSUS:
        return SIM_KIND_CENSUS;
    case MU_CAST_STATUS:
        return SIM_KIND_STATUS;
    default:
        return SIM_KIND_SYMBOLS;
    }
}

static void network_kind(struct sim_world *w, const struct sim_node *from,
                         const struct sim_buffer *b)
{
    if (!w->counting || b->len == 0)
        return;
    w->kind_bytes[packet_kind(b)] += b->len + w->conf.overhead;
    if (from->role == SIM_DEVICE)
        w->feedback_packets++;
    else if (packet_kind(b) == SIM_KIND_SYMBOLS)
        w->data_packets++;
    else
        w->control_packets++;
}

/* A symbol to one device. */
static void network_alone(struct sim_world *w, struct sim_node *gateway,
                          uint32_t link, struct sim_buffer *b)
{
    struct sim_node *to = network_peer(w, gateway, link);
    if (to != NULL && to->radio && !sim_attack_jams(w))
        network_to_one(w, gateway, to, MU_CHANNEL_AREA, b, w->conf.loss);
}

void sim_network_packet(struct sim_world *w, struct sim_node *n,
                        const struct mu_effect *e)
{
    struct sim_buffer *b = sim_buffer_new(e->packet.data, e->packet.len);
    if (n->role == SIM_SERVER) {
        network_wide_down(w, n, b);
    } else if (e->up) {
        if (n->liar)
            b = sim_liar_says(w, n, b);
        if (b == NULL)
            return;
        if (e->channel == MU_CHANNEL_AREA)
            network_kind(w, n, b);
        struct sim_node *to = &w->nodes[n->above];
        network_count(w, n, to, b->len, false);
        if (n->radio &&
            !(e->channel == MU_CHANNEL_AREA && sim_attack_jams(w)))
            network_to_one(w, n, to, e->channel, b,
                           n->role == SIM_DEVICE ? w->conf.loss
                                                 : w->conf.wide_loss);
        sim_air_heard_up(w->air, n->above, b);
    } else {
        network_kind(w, n, b);
        network_count(w, n, &w->nodes[w->first_device], b->len, false);
        b = sim_attack_sends(w, n, b);
        if (b == NULL)
            return;
        if (e->link != 0) {
            w->alone_packets += w->counting;
            network_alone(w, n, e->link, b);
            sim_buffer_drop(b);
            return;
        }
        sim_air_heard(w->air, sim_node_index(w, n), b);
        sim_world_shout(w, sim_node_index(w, n), sim_buffer_hold(b));
        sim_attack_heard(w, sim_node_index(w, n), b);
        if (w->overheard != NULL)
            w->overheard(w, sim_node_index(w, n), b);
    }
    sim_buffer_drop(b);
}

/* One item on the queue for a whole area; losses are drawn on arrival. */
static void network_shout(struct sim_world *w, uint32_t gateway_node,
                          struct sim_buffer *packet, mu_time delay)
{
    struct sim_link *link = w->nodes[gateway_node].link;
    mu_time at = w->now;
    if (link != NULL)
        at = sim_link_put(link, at, packet->len + w->conf.overhead);
    if (at == MU_TIME_NEVER) {
        sim_buffer_drop(packet);
        return;
    }
    sim_queue_put(&w->queue, (struct sim_item){
                                 .at = at + delay,
                                 .what = SIM_AREA,
                                 .node = gateway_node,
                                 .channel = MU_CHANNEL_AREA,
                                 .buffer = packet,
                             });
}

void sim_world_shout(struct sim_world *w, uint32_t gateway_node,
                     struct sim_buffer *packet)
{
    network_shout(w, gateway_node, packet, network_delay(w, true));
}

void sim_world_echo(struct sim_world *w, uint32_t gateway_node,
                    struct sim_buffer *packet)
{
    network_shout(w, gateway_node, packet,
                  network_delay(w, true) + network_delay(w, true));
}

void sim_world_shout_up(struct sim_world *w, uint32_t gateway_node,
                        struct sim_buffer *packet)
{
    sim_queue_put(&w->queue, (struct sim_item){
                                 .at = w->now + network_delay(w, true),
                                 .what = SIM_PACKET,
                                 .node = gateway_node,
                                 .channel = MU_CHANNEL_AREA,
                                 .buffer = packet,
                             });
}

static void deliver_packet(struct sim_world *w, struct sim_node *n,
                           uint8_t channel, struct sim_buffer *b)
{
    if (!n->up || !n->radio || !n->joined[channel])
        return;
    uint64_t before = 0;
    if (b->forged && n->role == SIM_DEVICE)
        before = mu_device_heard(n->engine)->accepted;
    struct mu_event ev = {.kind = MU_EV_PACKET,
                          .channel = (enum mu_channel)channel,
                          .packet = {b->data, b->len}};
    sim_world_event(w, n, &ev);
    if (b->forged && n->role == SIM_DEVICE)
        n->forged_taken += mu_device_heard(n->engine)->accepted - before;
}

/* The states of a large world lie far away: those who come next are on their way
 * here while one is at work. */
static void area_fetch(struct sim_world *w, const struct sim_node *gateway,
                       uint32_t i)
{
    if (i + 4 < gateway->below_len) {
        const struct sim_node *n = &w->nodes[gateway->below[i + 4]];
        __builtin_prefetch(&n->engine, 1, 3);
        __builtin_prefetch(&n->radio, 1, 3);
        __builtin_prefetch(&n->timer_at, 1, 3);
    }
    if (i + 1 < gateway->below_len && gateway->below[i + 1] != 0 &&
        w->nodes[gateway->below[i + 1]].engine != NULL)
        sim_node_fetch(&w->nodes[gateway->below[i + 1]]);
}

static void deliver_area(struct sim_world *w, struct sim_item *item)
{
    const struct sim_node *gateway = &w->nodes[item->node];
    struct sim_floor_page *page = sim_floor_sent(w, item->node, item->buffer);
    bool heard = false;
    if (sim_attack_jams(w))
        return;
    for (uint32_t i = 1; i < gateway->below_len; i++) {
        if (gateway->below[i] == 0)
            continue;
        struct sim_node *n = &w->nodes[gateway->below[i]];
        heard = heard || n->radio;
        if (n->in_room)
            area_fetch(w, gateway, i);
        if (network_lost(w, n, w->conf.loss))
            continue;
        if (page != NULL && n->up && n->radio)
            sim_floor_heard(page, n);
        bool twice = w->conf.duplicate > 0 &&
                     sim_rng_chance(&w->chance, w->conf.duplicate);
        bool late = w->conf.reorder > 0 &&
                    sim_rng_chance(&w->chance, w->conf.reorder);
        if (twice || late)
            sim_queue_put(&w->queue,
                          (struct sim_item){
                              .at = w->now + 1 +
                                    sim_rng_below(&w->chance,
                                                  4u * w->conf.delay_us + 1u),
                              .what = SIM_PACKET,
                              .node = gateway->below[i],
                              .channel = MU_CHANNEL_AREA,
                              .buffer = sim_buffer_hold(item->buffer),
                          });
        if (!late)
            deliver_packet(w, n, MU_CHANNEL_AREA, item->buffer);
    }
    w->unheard_packets += w->counting && !heard && !item->buffer->forged;
}

static void deliver_message(struct sim_world *w, struct sim_item *item)
{
    struct sim_node *n = &w->nodes[item->node];
    struct wire_message head;
    memcpy(&head, item->buffer->data, sizeof head);
    const uint8_t *p = item->buffer->data + sizeof head;
    struct mu_event ev = {
        .kind = head.response ? MU_EV_RESPONSE : MU_EV_REQUEST,
        .link = item->link,
        .message = {.code = head.code, .exchange = head.exchange},
    };
    ev.message.path = (struct mu_bytes){p, head.path_len};
    p += head.path_len;
    if (head.has_oscore)
        ev.message.oscore = (struct mu_bytes){p, head.oscore_len};
    p += head.oscore_len;
    ev.message.payload = (struct mu_bytes){p, head.payload_len};
    if (head.response) {
        const struct sim_exchange *x = &w->exchanges[head.exchange];
        ev.link = x->link;
        ev.message.exchange = x->exchange;
    }
    if (n->radio) {
        sim_alive_heard(w, n);
        sim_world_event(w, n, &ev);
    }
}

void sim_network_deliver(struct sim_world *w, struct sim_item *item)
{
    struct sim_node *n = &w->nodes[item->node];
    struct mu_event ev = {.link = item->link};
    switch ((unsigned)item->what) {
    case SIM_AREA:
        deliver_area(w, item);
        return;
    case SIM_PACKET:
        deliver_packet(w, n, item->channel, item->buffer);
        return;
    case SIM_MESSAGE:
        deliver_message(w, item);
        return;
    case SIM_GIVE_UP:
        if (!w->exchanges[item->number].open)
            return;
        w->exchanges[item->number].open = false;
        ev.kind = MU_EV_NO_ANSWER;
        ev.link = w->exchanges[item->number].link;
        ev.message.exchange = w->exchanges[item->number].exchange;
        sim_world_event(w, n, &ev);
        return;
    case SIM_LINK_UP:
        ev.kind = MU_EV_LINK_UP;
        ev.identity = (struct mu_bytes){item->buffer->data, item->buffer->len};
        sim_world_event(w, n, &ev);
        return;
    case SIM_LINK_DOWN:
        ev.kind = MU_EV_LINK_DOWN;
        if (item->link == MU_LINK_UP_NODE && n->role != SIM_SERVER) {
            if (item->number != n->boot_at)
                return;
            n->linked = false;
        }
        sim_world_event(w, n, &ev);
        return;
    default:
        return;
    }
}

static void link_event(struct sim_world *w, struct sim_node *n, uint32_t link,
                       enum sim_what what, mu_time in, const char *identity)
{
    sim_queue_put(&w->queue,
                  (struct sim_item){
                      .at = w->now + in,
                      .what = what,
                      .node = sim_node_index(w, n),
                      .link = link,
                      .number = n->boot_at,
                      .buffer = sim_buffer_new(identity, strlen(identity)),
                  });
}

void sim_network_crashed(struct sim_world *w, struct sim_node *n)
{
    for (uint32_t i = 0; i < n->below_len; i++) {
        if (n->below[i] == 0)
            continue;
        struct sim_node *down = &w->nodes[n->below[i]];
        if (!down->up || !down->linked)
            continue;
        down->linked = false;
        link_event(w, down, MU_LINK_UP_NODE, SIM_LINK_DOWN, DEAD_PEER, "");
    }
}

static bool link_keys(struct sim_node *n, struct sim_node *up, uint32_t *link)
{
    struct mu_secret ours, theirs;
    bool same;
    memset(&ours, 0, sizeof ours);
    memset(&theirs, 0, sizeof theirs);
    if (n->role == SIM_DEVICE)
        same = mu_device_psk(n->engine, mu_bytes_str(up->identity), &ours) == 0 &&
               mu_gateway_psk_down(up->engine, mu_bytes_str(n->identity),
                                   &theirs, link) == 0;
    else
        same = mu_gateway_psk_up(n->engine, mu_bytes_str(up->identity),
                                 &ours) == 0 &&
               mu_server_psk(up->engine, mu_bytes_str(n->identity), &theirs,
                             link) == 0;
    same = same && mu_secret_eq(&ours, &theirs);
    mu_secret_clear(&ours);
    mu_secret_clear(&theirs);
    return same;
}

void sim_network_link_open(struct sim_world *w, struct sim_node *n)
{
    struct sim_node *up = &w->nodes[n->above];
    uint32_t link = 0;
    network_count(w, n, up, HANDSHAKE_BYTES, true);
    bool area = is_area(n, up);
    if (!up->up || !n->radio || !link_keys(n, up, &link) ||
        link >= up->below_len) {
        link_event(w, n, MU_LINK_UP_NODE, SIM_LINK_DOWN, MU_SECONDS(3), "");
        return;
    }
    mu_time in = 3 * network_delay(w, area);
    n->above_link = link;
    n->linked = true;
    up->below[link] = sim_node_index(w, n);
    link_event(w, up, link, SIM_LINK_UP, in, n->identity);
    link_event(w, n, MU_LINK_UP_NODE, SIM_LINK_UP, in + 1, up->identity);
}

void sim_network_link_close(struct sim_world *w, struct sim_node *n,
                            uint32_t link)
{
    struct sim_node *peer = network_peer(w, n, link);
    if (peer == NULL)
        return;
    if (link == MU_LINK_UP_NODE && n->role != SIM_SERVER) {
        link_event(w, peer, n->above_link, SIM_LINK_DOWN, MU_MS(50), "");
        n->linked = false;
    } else {
        link_event(w, peer, MU_LINK_UP_NODE, SIM_LINK_DOWN, MU_MS(50), "");
    }
}
