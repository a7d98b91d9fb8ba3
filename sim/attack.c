/* SPDX-License-Identifier: Apache-2.0 */
#include "attack.h"

#include <stdlib.h>
#include <string.h>

#include "muster/cast.h"
#include "muster/device_state.h"
#include "muster/wide_msg.h"

#define JAM_EVERY MU_MS(200)
#define JAM_FOR MU_MS(50)
#define LIARS 4          /* in the attacks of false acknowledgements */
#define GIVE_UP_S 120u   /* the campaign's deadline under a bad gateway */
#define PAST_MAX 4096    /* packets that the replayer records */
#define JUNK_LEN 200     /* bytes of an announce object that nobody signed */

struct sim_past {
    struct sim_buffer *packets[PAST_MAX];
    uint32_t len, next;
    bool full; /* recorded: to be repeated */
};

static const char *const names[] = {
    [SIM_ATTACK_NONE] = "none",
    [SIM_ATTACK_BOGUS_DATA] = "bogus-data",
    [SIM_ATTACK_BOGUS_PARITY] = "bogus-parity",
    [SIM_ATTACK_REPLAY] = "replay",
    [SIM_ATTACK_RE_REQUEST] = "re-request",
    [SIM_ATTACK_DROP] = "drop",
    [SIM_ATTACK_MODIFY] = "modify",
    [SIM_ATTACK_JAM] = "jam",
    [SIM_ATTACK_FORGED_ACKS] = "forged-acks",
    [SIM_ATTACK_POLLUTED_ACKS] = "polluted-acks",
    [SIM_ATTACK_MANIFEST_FLOOD] = "manifest-flood",
    [SIM_ATTACK_EVIL_GATEWAY] = "evil-gateway",
    [SIM_ATTACK_EVIL_DEVICE] = "evil-device",
    [SIM_ATTACK_FALSE_LOSS] = "false-loss",
};

const char *sim_attack_name(enum sim_attack attack)
{
    return names[attack];
}

bool sim_attack_find(const char *name, enum sim_attack *attack)
{
    for (unsigned i = 0; i < SIM_ATTACKS; i++) {
        if (strcmp(name, names[i]) == 0) {
            *attack = (enum sim_attack)i;
            return true;
        }
    }
    return false;
}

void sim_attack_settle(struct sim_conf *c)
{
    bool forge = c->attack == SIM_ATTACK_FORGED_ACKS;

    if (forge || c->attack == SIM_ATTACK_POLLUTED_ACKS) {
        c->lie = forge ? SIM_LIE_FORGE : SIM_LIE_POLLUTE;
        c->liars = c->liars != 0 ? c->liars : LIARS;
    }
    if (c->attack == SIM_ATTACK_EVIL_GATEWAY && c->deadline_s > GIVE_UP_S)
        c->deadline_s = GIVE_UP_S;
}

/* ---- on the air --------------------------------------------------------- */

static void attack_shout(struct sim_world *w, uint32_t node,
                         struct sim_buffer *b, bool up)
{
    w->attack_packets++;
    w->attack_bytes += b->len + w->conf.overhead;
    if (up)
        sim_world_shout_up(w, node, b);
    else
        sim_world_echo(w, node, b);
}

static bool is_data(const struct sim_buffer *b)
{
    return b->len > MU_CAST_DATA_HEADER && mu_cast_is_data(b->data[0]);
}

/* A symbol that no page has, under a good header; or under that of parity. */
static void attack_symbol(struct sim_world *w, uint32_t node,
                          const struct sim_buffer *heard, bool parity)
{
    const struct sim_conf *c = &w->conf;
    struct sim_buffer *b;

    if (!is_data(heard))
        return;
    b = sim_buffer_new(heard->data, heard->len);
    b->forged = true;
    sim_rng_fill(&w->attacker, b->data + MU_CAST_DATA_HEADER,
                 b->len - MU_CAST_DATA_HEADER);
    if (parity)
        mu_cast_data_head(b->data, heard->data[1],
                          mu_cast_data_page(heard->data),
                          c->page_data + (unsigned)sim_rng_below(
                                             &w->attacker,
                                             c->page_parity + 1u));
    attack_shout(w, node, b, false);
}

/* The member of an area that has gone bad: its first one. */
static const struct mu_device *attack_insider(const struct sim_world *w,
                                              uint32_t node)
{
    const struct sim_node *gateway = &w->nodes[node];

    for (uint32_t i = 1; i < gateway->below_len; i++) {
        if (gateway->below[i] != 0 && w->nodes[gateway->below[i]].up)
            return w->nodes[gateway->below[i]].engine;
    }
    return NULL;
}

/* ---- who asks for more ---------------------------------------------------- */

static void asker_page(const struct sim_world *w, struct sim_asker *a,
                       uint32_t index)
{
    const struct sim_conf *c = &w->conf;
    struct mu_cast_shape shape = {c->payload, c->page_data, c->page_parity,
                                  c->hash_len};
    struct mu_cast_page page;

    if (mu_cast_page_at(&shape, c->size, index, &page) != 0 &&
        mu_cast_page_at(&shape, c->size, 0, &page) != 0)
        abort();
    a->page = (uint16_t)page.index;
    a->need = page.data;
}

/* Rounds and pages, so that what it asks for is of the moment. Who claims losses
 * begins with the first page, needs less by every second symbol of its page,
 * and has lost its state when it has had the last one. */
static void attack_listen(struct sim_world *w, uint32_t node,
                          const struct sim_buffer *b)
{
    struct sim_asker *a = &w->nodes[node].asker;
    bool claims = w->conf.attack == SIM_ATTACK_FALSE_LOSS, poll;

    poll = b->len > 4 && b->data[0] == MU_CAST_POLL;
    if (!poll && !is_data(b))
        return;
    if (!a->heard)
        asker_page(w, a, 0);
    a->heard = true;
    a->session = b->data[1];
    if (poll)
        a->round = b->data[4];
    if (!claims) {
        asker_page(w, a, poll ? (unsigned)b->data[2] << 8 | b->data[3]
                              : mu_cast_data_page(b->data));
        a->need = w->conf.page_data; /* more would be refused */
    } else if (!poll && mu_cast_data_page(b->data) ==
                            a->page % MU_CAST_PAGES_NEAR &&
               sim_rng_below(&w->attacker, 2) == 0 && --a->need == 0) {
        asker_page(w, a, a->page + 1u);
    }
}

/* Its own right tag under a wish that never ends. */
static void attack_request(struct sim_world *w, uint32_t node,
                           const struct mu_device *d)
{
    const struct sim_asker *a = &w->nodes[node].asker;
    struct mu_cast_shape shape = {w->conf.payload, w->conf.page_data,
                                  w->conf.page_parity, w->conf.hash_len};
    uint8_t bytes[MU_PACKET_MAX], all[MU_PAGE_DATA_MAX / 8];
    struct mu_writer out = mu_writer(bytes, sizeof bytes);
    struct mu_cast_page page;
    struct mu_need m = {
        .session = a->session,
        .receiver = d->index,
        .page = a->page,
        .round = a->round,
        .need = a->need,
    };

    if (!a->heard ||
        mu_cast_page_at(&shape, w->conf.size, a->page, &page) != 0)
        return;
    memset(all, 255, sizeof all);
    m.bitmap = mu_bytes(all, (page.data + 7u) / 8);
    if (mu_need_create(&w->crypto, &d->kfb, &m, &out) == 0)
        attack_shout(w, node, sim_buffer_new(bytes, out.len), true);
}

void sim_attack_idle(struct sim_world *w)
{
    if (w->conf.attack != SIM_ATTACK_RE_REQUEST &&
        w->conf.attack != SIM_ATTACK_EVIL_DEVICE &&
        w->conf.attack != SIM_ATTACK_FALSE_LOSS)
        return;
    for (uint32_t i = 1; i < w->first_device; i++) {
        const struct mu_device *d = attack_insider(w, i);
        if (d != NULL)
            attack_request(w, i, d);
    }
}

/* Who missed the genuine packet may take its tick from us, on whatever we say;
 * the next one, which all would take, can only be made up. */
static void attack_tick(struct sim_world *w, const struct mu_device *d,
                        uint8_t *bytes, struct mu_writer *out)
{
    struct mu_tick t = w->attack_tick;

    if (sim_rng_below(&w->attacker, 2) == 0) {
        t.at++;
        sim_rng_fill(&w->attacker, t.value, sizeof t.value);
    }
    if (mu_tick_append(&w->crypto, &d->area[0].kctl, &t, bytes, &out->len) != 0)
        abort();
}

/* An object that costs a signature check: its packets have the area's tag. */
static void attack_manifest(struct sim_world *w, uint32_t node,
                            const struct mu_device *d)
{
    uint8_t object[JUNK_LEN], bytes[MU_PACKET_MAX];
    uint16_t payload = w->conf.payload > 256 ? w->conf.payload : 256;
    struct mu_writer out = mu_writer(bytes, sizeof bytes);

    sim_rng_fill(&w->attacker, object, sizeof object);
    if (mu_announce_packet(&w->crypto, &d->area[0].kctl, NULL,
                           MU_BYTES(object), payload,
                           (uint8_t)sim_rng_below(&w->attacker, 256), 0,
                           &out) == 0) {
        attack_tick(w, d, bytes, &out);
        attack_shout(w, node, sim_buffer_new(bytes, out.len), false);
    }
}

static void attack_poll(struct sim_world *w, uint32_t node,
                        const struct mu_device *d,
                        const struct sim_buffer *heard)
{
    uint8_t bytes[MU_PACKET_MAX];
    struct mu_writer out = mu_writer(bytes, sizeof bytes);
    struct mu_poll m = {
        .session = heard->data[1],
        .page = (uint16_t)sim_rng_below(&w->attacker, 8),
        .round = (uint8_t)sim_rng_below(&w->attacker, 256),
        .flags = (uint8_t)sim_rng_below(&w->attacker, 4),
        .sent = (uint8_t)sim_rng_below(&w->attacker, 256),
        .window_ms = (uint16_t)sim_rng_below(&w->attacker, 65536),
        .kg = (uint8_t)d->area[0].kid.generation,
    };

    if (mu_poll_create(&w->crypto, &d->area[0].kctl, &m, &out) == 0) {
        attack_tick(w, d, bytes, &out);
        attack_shout(w, node, sim_buffer_new(bytes, out.len), false);
    }
}

/* All that the keys of one member are good for. */
static void attack_with_keys(struct sim_world *w, uint32_t node,
                             const struct mu_device *d,
                             const struct sim_buffer *heard)
{
    switch (sim_rng_below(&w->attacker, 4)) {
    case 0:
        attack_symbol(w, node, heard, false);
        break;
    case 1:
        attack_request(w, node, d);
        break;
    case 2:
        attack_manifest(w, node, d);
        break;
    default:
        attack_poll(w, node, d, heard);
        break;
    }
}

/* ---- what is recorded --------------------------------------------------- */

static struct sim_past *attack_past(struct sim_world *w)
{
    if (w->past == NULL)
        w->past = calloc(1, sizeof *w->past);
    if (w->past == NULL)
        abort();
    return w->past;
}

void sim_attack_recorded(struct sim_world *w)
{
    attack_past(w)->full = true;
}

void sim_attack_clear(struct sim_world *w)
{
    if (w->past == NULL)
        return;
    for (uint32_t i = 0; i < w->past->len; i++)
        sim_buffer_drop(w->past->packets[i]);
    free(w->past);
    w->past = NULL;
}

static void attack_replay(struct sim_world *w, uint32_t node,
                          const struct sim_buffer *heard)
{
    struct sim_past *p = attack_past(w);
    struct sim_buffer *b;

    if (!p->full && p->len < PAST_MAX)
        p->packets[p->len++] = sim_buffer_new(heard->data, heard->len);
    if (!p->full || p->len == 0)
        return;
    for (uint32_t i = 0; i < w->conf.flood; i++) {
        b = p->packets[p->next++ % p->len];
        attack_shout(w, node, sim_buffer_hold(b), false);
    }
}

/* ---- set off by a genuine packet ---------------------------------------- */

void sim_attack_heard(struct sim_world *w, uint32_t node,
                      const struct sim_buffer *b)
{
    const struct mu_device *d;
    bool ticked = b->len > MU_TICK_LEN && (b->data[0] == MU_CAST_POLL ||
                                           b->data[0] == MU_CAST_CENSUS ||
                                           b->data[0] == MU_CAST_ANNOUNCE);

    if (w->conf.attack == SIM_ATTACK_REPLAY) {
        attack_replay(w, node, b);
        return;
    }
    attack_listen(w, node, b);
    d = attack_insider(w, node);
    if (d != NULL && ticked) {
        struct mu_bytes packet = mu_bytes(b->data, b->len);

        if (mu_tick_strip(&w->crypto, &d->area[0].kctl, &packet,
                          &w->attack_tick) != 0)
            return;
    }
    if (!w->counting || !(is_data(b) || ticked))
        return;
    for (uint32_t i = 0; i < w->conf.flood && d != NULL; i++) {
        switch (w->conf.attack) {
        case SIM_ATTACK_BOGUS_DATA:
            attack_symbol(w, node, b, false);
            break;
        case SIM_ATTACK_BOGUS_PARITY:
            attack_symbol(w, node, b, true);
            break;
        case SIM_ATTACK_RE_REQUEST:
        case SIM_ATTACK_FALSE_LOSS:
            attack_request(w, node, d);
            break;
        case SIM_ATTACK_MANIFEST_FLOOD:
            attack_manifest(w, node, d);
            break;
        case SIM_ATTACK_EVIL_DEVICE:
            attack_with_keys(w, node, d, b);
            break;
        default:
            return;
        }
    }
}

/* ---- a gateway gone bad: the first one ---------------------------------- */

static bool attack_gateway(const struct sim_world *w, const struct sim_node *n)
{
    return w->counting && n->role == SIM_GATEWAY && n->number == 0 &&
           (w->conf.attack == SIM_ATTACK_DROP ||
            w->conf.attack == SIM_ATTACK_MODIFY ||
            w->conf.attack == SIM_ATTACK_EVIL_GATEWAY);
}

struct sim_buffer *sim_attack_sends(struct sim_world *w, struct sim_node *n,
                                    struct sim_buffer *b)
{
    struct sim_buffer *bad;

    if (!attack_gateway(w, n) || !is_data(b) ||
        sim_rng_chance(&w->attacker, 0.5))
        return b;
    w->attack_packets++;
    if (w->conf.attack == SIM_ATTACK_DROP) {
        sim_buffer_drop(b);
        return NULL;
    }
    bad = sim_buffer_new(b->data, b->len);
    bad->forged = true;
    bad->data[MU_CAST_DATA_HEADER +
              sim_rng_below(&w->attacker, b->len - MU_CAST_DATA_HEADER)] ^= 1;
    w->attack_bytes += b->len + w->conf.overhead;
    sim_buffer_drop(b);
    return bad;
}

struct mu_bytes sim_attack_report(struct sim_world *w,
                                  const struct sim_node *n,
                                  const struct mu_effect *e, uint8_t *room)
{
    struct mu_writer out = mu_writer(room, MU_MESSAGE_MAX);
    struct mu_wide_report m;
    uint8_t acks[MU_MESSAGE_MAX];

    if (w->conf.attack != SIM_ATTACK_EVIL_GATEWAY || !attack_gateway(w, n) ||
        e->response || !mu_bytes_eq(e->message.path, mu_bytes_str("r")) ||
        mu_wide_report_consume(e->message.payload, &m) != 0 ||
        m.acks.len == 0 || m.acks.len > sizeof acks)
        return e->message.payload;
    sim_rng_fill(&w->attacker, acks, m.acks.len);
    m.acks.data = acks;
    if (mu_wide_report_create(&m, &out) != 0)
        return e->message.payload;
    w->lies++;
    return mu_bytes(room, out.len);
}

bool sim_attack_jams(const struct sim_world *w)
{
    return w->conf.attack == SIM_ATTACK_JAM && w->counting &&
           w->now % JAM_EVERY < JAM_FOR;
}
