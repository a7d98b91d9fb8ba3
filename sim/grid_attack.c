/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attackers of a multihop network. Some hold no key; the others are members
 * gone bad, who hold the area's control key but not the server's signing key,
 * and two of these relay like everybody else, but not what they should.
 *
 * Forged and repeated packets take no air time of anybody: what is measured is
 * what the engines make of them. What it is to shout over others the jammer
 * shows.
 */
#include <stdlib.h>
#include <string.h>

#include "grid_world.h"

#define LIE_LEN 300
#define JAM_EVERY MU_MS(2000) /* a burst of noise begins */
#define JAM_FOR MU_MS(500)
#define KEPT_BACK 67          /* percent, of DATA */

const char *sim_grid_attack_name(enum sim_grid_attack attack)
{
    static const char *const names[SIM_GRID_ATTACKS] = {
#define X(name, text) text,
        SIM_GRID_ATTACK_LIST(X)
#undef X
    };

    return names[attack];
}

bool sim_grid_attack_of(const char *name, enum sim_grid_attack *attack)
{
    for (int i = 0; i < SIM_GRID_ATTACKS; i++) {
        if (strcmp(name, sim_grid_attack_name((enum sim_grid_attack)i)) == 0) {
            *attack = (enum sim_grid_attack)i;
            return true;
        }
    }
    return false;
}

bool grid_attack_relays(const struct grid_world *w)
{
    return w->conf.attack == SIM_GRID_DROP || w->conf.attack == SIM_GRID_MODIFY;
}

static struct mu_deluge_seal attack_seal(const struct grid_world *w)
{
    return (struct mu_deluge_seal){
        .crypto = w->crypto, .kctl = w->kctl, .kg = 1,
        .tag_len = w->conf.secured ? MU_TAG_LEN : 0,
    };
}

void grid_attack_inject(struct grid_world *w, struct grid_node *n,
                        struct mu_bytes packet)
{
    w->out->attack_packets++;
    w->out->attack_bytes += packet.len + w->conf.overhead;
    for (uint32_t i = 0; i < n->near_len; i++) {
        struct grid_node *to = &w->nodes[n->near[i]];

        if (to->attacker)
            continue;
        (void)!mu_deluge_packet(&to->d, w->now, packet);
        grid_wake(w, to);
    }
}

/* Changes anything but what makes the packet look fit to be considered. */
static void forger_heard(struct grid_world *w, struct grid_node *n,
                         struct mu_bytes packet)
{
    uint8_t forged[MU_PACKET_MAX];

    for (uint32_t i = 0; i < w->conf.flood; i++) {
        bool data = mu_cast_is_data(packet.data[0]);
        size_t head = data ? MU_CAST_DATA_HEADER : 1;
        size_t at = head + sim_rng_below(&w->rng, packet.len - head);

        memcpy(forged, packet.data, packet.len);
        forged[at] ^= (uint8_t)(1 + sim_rng_below(&w->rng, 255));
        /* Other packets of the page too, which are still to come. */
        if (data)
            forged[2] = (uint8_t)sim_rng_below(&w->rng, w->conf.page_data);
        if (memcmp(forged, packet.data, packet.len) != 0)
            grid_attack_inject(w, n, mu_bytes(forged, packet.len));
    }
}

/* Symbols that Deluge never sends, and that no hash is for. */
static void parity_heard(struct grid_world *w, struct grid_node *n,
                         struct mu_bytes packet)
{
    uint8_t forged[MU_PACKET_MAX];

    if (!mu_cast_is_data(packet.data[0]))
        return;
    memcpy(forged, packet.data, packet.len);
    for (uint32_t i = 0; i < w->conf.flood; i++) {
        forged[2] = (uint8_t)(w->conf.page_data +
                              sim_rng_below(&w->rng, 255u - w->conf.page_data));
        sim_rng_fill(&w->rng, forged + MU_CAST_DATA_HEADER,
                     packet.len - MU_CAST_DATA_HEADER);
        grid_attack_inject(w, n, mu_bytes(forged, packet.len));
    }
}

static void replayer_heard(struct grid_world *w, struct grid_node *n,
                           struct mu_bytes packet)
{
    uint32_t cap = sizeof(n->kept) / sizeof(n->kept[0]);
    uint32_t at = n->kept_len;

    /* DATA again is no attack; what drives nodes is. */
    if (mu_cast_is_data(packet.data[0]))
        return;
    if (n->kept_len == cap) {
        at = (uint32_t)sim_rng_below(&w->rng, cap);
        sim_buffer_drop(n->kept[at]);
    } else {
        n->kept_len++;
    }
    n->kept[at] = sim_buffer_new(packet.data, packet.len);
    for (uint32_t i = 0; i < w->conf.flood && i < n->kept_len; i++) {
        struct sim_buffer *b = n->kept[n->kept_at++ % n->kept_len];

        grid_attack_inject(w, n, mu_bytes(b->data, b->len));
    }
}

/* Keeps the rounds of the nodes it hears. */
static void member_heard(struct grid_world *w, struct grid_node *n,
                         struct mu_bytes packet)
{
    struct mu_deluge_seal seal = attack_seal(w);
    struct mu_deluge_adv a;
    uint32_t i = 0;

    if (mu_deluge_adv_consume(&seal, packet, &a) != 0)
        return;
    while (i < n->known_len && n->known[i] != a.node)
        i++;
    if (i == sizeof(n->known) / sizeof(n->known[0]))
        return;
    n->known[i] = a.node;
    n->known_round[i] = a.round;
    if (i == n->known_len)
        n->known_len++;
}

/* What it offers in the place of the true one. */
static struct mu_bytes lie_of(const struct grid_world *w,
                              const struct grid_node *n, uint8_t lie[LIE_LEN])
{
    if (w->conf.attack == SIM_GRID_EVIL_GATEWAY)
        return mu_bytes(w->evil, w->evil_len);
    if (w->conf.attack == SIM_GRID_BLACK_HOLE)
        return mu_bytes(w->manifest, w->manifest_len);
    memset(lie, (int)(n->turn & 0xff), LIE_LEN);
    return mu_bytes(lie, LIE_LEN);
}

/* Gives its manifest to who asks for it. */
static void liar_heard(struct grid_world *w, struct grid_node *n,
                       struct mu_bytes packet)
{
    struct mu_deluge_seal seal = attack_seal(w);
    struct mu_deluge_req q;
    uint8_t room_for[LIE_LEN], hash[32], out[MU_PACKET_MAX];
    struct mu_bytes lie = lie_of(w, n, room_for);
    size_t room = (size_t)w->conf.payload - 8 - seal.tag_len;
    unsigned count = (unsigned)((lie.len + room - 1) / room);

    if (mu_deluge_req_consume(&seal, packet, &q) != 0 ||
        q.target != n->number || q.page != MU_DELUGE_MANIFEST)
        return;
    mu_sha256(w->crypto, &lie, 1, hash);
    for (unsigned i = 0; i < count; i++) {
        size_t at = i * room, left = lie.len - at;
        struct mu_writer to = mu_writer(out, sizeof(out));
        struct mu_deluge_fragment f = {
            .session = 1, .index = (uint8_t)i, .count = (uint8_t)count,
            .bytes = mu_bytes(lie.data + at, left < room ? left : room),
        };

        memcpy(f.id, hash, sizeof(f.id));
        grid_must(mu_deluge_fragment_create(&seal, &f, &to) == 0, "fragment");
        grid_attack_inject(w, n, mu_written(&to));
    }
    n->turn++; /* and the next one is another manifest */
}

void grid_attack_heard(struct grid_world *w, struct grid_node *n,
                       struct mu_bytes packet)
{
    switch (w->conf.attack) {
    case SIM_GRID_BOGUS_DATA:
        forger_heard(w, n, packet);
        break;
    case SIM_GRID_BOGUS_PARITY:
        parity_heard(w, n, packet);
        break;
    case SIM_GRID_REPLAY:
        replayer_heard(w, n, packet);
        break;
    case SIM_GRID_RE_REQUEST:
        member_heard(w, n, packet);
        break;
    case SIM_GRID_MANIFEST_FLOOD:
    case SIM_GRID_EVIL_GATEWAY:
        liar_heard(w, n, packet);
        break;
    case SIM_GRID_EVIL_DEVICE:
        member_heard(w, n, packet);
        liar_heard(w, n, packet);
        break;
    case SIM_GRID_JAM:
    case SIM_GRID_BLACK_HOLE:
    case SIM_GRID_DROP:
    case SIM_GRID_MODIFY:
    case SIM_GRID_PEACE:
    case SIM_GRID_ATTACKS:
        break;
    }
}

/* Asks one neighbour after the other for all of page 0. */
static size_t greedy_next(struct grid_world *w, struct grid_node *n,
                          uint8_t *to)
{
    struct mu_deluge_seal seal = attack_seal(w);
    struct mu_writer out = mu_writer(to, MU_PACKET_MAX);
    uint8_t all[32];
    uint32_t i;
    struct mu_deluge_req q = {
        .channel = 1, .node = (uint16_t)n->number,
        .bitmap = mu_bytes(all, (w->conf.page_data + 7u) / 8),
    };

    if (n->known_len == 0)
        return 0;
    q.count = (uint8_t)n->known_at;
    i = n->known_at++ % n->known_len;
    q.target = n->known[i];
    q.round = n->known_round[i];
    memset(all, 0xff, sizeof(all));
    if (mu_deluge_req_create(&seal, &q, &out) != 0)
        abort();
    return out.len;
}

/* Offers: of a version above the true one, or of all pages of the true one. */
static size_t offer_next(struct grid_world *w, struct grid_node *n,
                         uint8_t *to)
{
    struct mu_deluge_seal seal = attack_seal(w);
    struct mu_writer out = mu_writer(to, MU_PACKET_MAX);
    bool hole = w->conf.attack == SIM_GRID_BLACK_HOLE;
    uint8_t lie[LIE_LEN], hash[32];
    struct mu_bytes is = lie_of(w, n, lie);
    struct mu_deluge_adv a = {
        .channel = 1, .node = (uint16_t)n->number,
        .round = (uint16_t)++n->known_at,
        .version = hole ? w->object.version
                   : w->conf.attack == SIM_GRID_EVIL_GATEWAY
                       ? w->object.version + 1 : UINT64_MAX,
        .edition = w->object.edition,
        .manifest_len = (uint16_t)is.len,
        .pages = (uint16_t)mu_deluge_object_pages(&w->object),
    };

    mu_sha256(w->crypto, &is, 1, hash);
    memcpy(a.id, hash, sizeof(a.id));
    grid_must(mu_deluge_adv_create(&seal, &a, &out) == 0, "adv");
    return out.len;
}

static size_t noise_next(struct grid_world *w, uint8_t *to)
{
    if (w->now % JAM_EVERY >= JAM_FOR)
        return 0;
    sim_rng_fill(&w->rng, to, w->conf.payload);
    to[0] = 0; /* no packet of ours, should somebody get it whole */
    return w->conf.payload;
}

/* A relay that cheats: the engine's next packet, kept back or changed. */
static size_t relay_next(struct grid_world *w, struct grid_node *n,
                         uint8_t *to)
{
    size_t len = mu_deluge_next(&n->d, w->now, to);

    if (len == 0 || !mu_cast_is_data(to[0]))
        return len;
    if (w->conf.attack == SIM_GRID_DROP)
        return sim_rng_below(&w->rng, 100) < KEPT_BACK ? 0 : len;
    to[MU_CAST_DATA_HEADER +
       sim_rng_below(&w->rng, len - MU_CAST_DATA_HEADER)] ^=
        (uint8_t)(1 + sim_rng_below(&w->rng, 255));
    return len;
}

size_t grid_attack_next(struct grid_world *w, struct grid_node *n, uint8_t *to)
{
    size_t len = 0;

    if (w->now < n->timer)
        return 0;
    switch (w->conf.attack) {
    case SIM_GRID_RE_REQUEST:
        len = greedy_next(w, n, to);
        break;
    case SIM_GRID_MANIFEST_FLOOD:
    case SIM_GRID_BLACK_HOLE:
    case SIM_GRID_EVIL_GATEWAY:
        len = offer_next(w, n, to);
        break;
    case SIM_GRID_EVIL_DEVICE:
        len = ++n->beats % 4 == 0 ? offer_next(w, n, to)
                                  : greedy_next(w, n, to);
        break;
    case SIM_GRID_JAM:
        len = noise_next(w, to);
        break;
    case SIM_GRID_DROP:
    case SIM_GRID_MODIFY:
        len = relay_next(w, n, to);
        break;
    default:
        break;
    }
    if (len > 0) {
        w->out->attack_packets++;
        w->out->attack_bytes += len + w->conf.overhead;
    }
    return len;
}

mu_time grid_attack_deadline(const struct grid_world *w,
                             const struct grid_node *n)
{
    (void)n;
    switch (w->conf.attack) {
    case SIM_GRID_RE_REQUEST:
    case SIM_GRID_EVIL_DEVICE:
        return w->now + grid_airtime(w, w->conf.payload) * 4;
    case SIM_GRID_MANIFEST_FLOOD:
    case SIM_GRID_BLACK_HOLE:
    case SIM_GRID_EVIL_GATEWAY:
        return w->now + MU_MS(w->conf.trickle.imin_ms);
    case SIM_GRID_JAM:
        return w->now % JAM_EVERY < JAM_FOR
                   ? w->now + 1
                   : w->now - w->now % JAM_EVERY + JAM_EVERY;
    default:
        return MU_TIME_NEVER;
    }
}
