/* SPDX-License-Identifier: Apache-2.0 */
/* The world of acknowledged broadcast. */
#include "sim/tree.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto_openssl/crypto_openssl.h"
#include "sim/queue.h"
#include "sim/rng.h"

enum { STREAM = 3, SUSPECTS = 64 };

struct tree_radio {
    struct tree_world *world;
    uint16_t index;
    bool cheats;
    struct mu_tree_node node;
    struct mu_secret kmr;
    struct mu_ack_branch *branches;
    size_t branches_len;
    uint8_t *memory;
    bool sending;
    mu_time timer;
    uint64_t timer_number;
    uint32_t took; /* the last message, by number */
    struct sim_buffer *kept;
};

struct tree_world {
    struct sim_tree_conf conf;
    struct sim_tree_result *out;
    const struct mu_crypto *crypto;
    struct sim_queue queue;
    struct sim_rng rng;
    mu_time now, said_at, sum;
    struct mu_tree_place *plan;
    struct tree_radio *radios; /* 0: the root's */
    struct mu_tree_root root;
    size_t memory_len;
    uint8_t *said; /* all messages, one after the other */
    uint32_t number;
};

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "tree: %s\n", what);
    abort();
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n == 0 ? 1 : n, size);

    must(p != NULL, "memory");
    return p;
}

void sim_tree_default(struct sim_tree_conf *conf)
{
    *conf = (struct sim_tree_conf){
        .shape = SIM_GRID_TREE, .nodes = 100, .fanout = 3, .messages = 10,
        .message_len = 40, .loss = 0.05, .rate = 250000, .overhead = 31,
        .wait_ms = 40, .attackers = 1, .time_max = 36000, .seed = 1,
    };
}

const char *sim_tree_attack_name(enum sim_tree_attack attack)
{
    static const char *const names[SIM_TREE_ATTACKS] = {
#define X(name, text) text,
        SIM_TREE_ATTACK_LIST(X)
#undef X
    };

    return names[attack];
}

bool sim_tree_attack_of(const char *name, enum sim_tree_attack *attack)
{
    for (int i = 0; i < SIM_TREE_ATTACKS; i++) {
        if (strcmp(name, sim_tree_attack_name((enum sim_tree_attack)i)) == 0) {
            *attack = (enum sim_tree_attack)i;
            return true;
        }
    }
    return false;
}

/* ---- the plan ------------------------------------------------------------ */

/* A subtree of `len` nodes from `at` on, as even as it can be. */
static void plan_grow(struct tree_world *w, uint16_t at, uint16_t len)
{
    uint32_t fanout = w->conf.shape == SIM_GRID_LINE ? 1 : w->conf.fanout;
    uint32_t left = len - 1u, next = at + 1u;

    for (uint32_t i = 0; i < fanout && left > 0; i++) {
        uint32_t part = (left + fanout - i - 1) / (fanout - i);

        w->plan[next].parent = at;
        plan_grow(w, (uint16_t)next, (uint16_t)part);
        next += part;
        left -= part;
    }
}

static void radio_branches(struct tree_world *w, struct tree_radio *r)
{
    uint16_t end = w->plan[r->index].end;

    r->branches = room((size_t)(end - r->index), sizeof(*r->branches));
    for (uint16_t i = (uint16_t)(r->index + 1); i < end; i = w->plan[i].end) {
        struct mu_ack_branch *b = &r->branches[r->branches_len++];

        b->index = i;
        b->end = w->plan[i].end;
        b->cap = w->memory_len + 16;
        b->data = room(1, b->cap);
    }
}

static void radio_begin(struct tree_world *w, struct tree_radio *r)
{
    struct mu_tree_node_conf conf = {
        .crypto = w->crypto, .kmr = &r->kmr, .stream = STREAM,
        .full = w->conf.shape == SIM_GRID_FULL, .index = r->index,
        .place = w->plan[r->index], .shift = w->conf.shift,
        .wait_ms = w->conf.wait_ms, .seed = (uint32_t)sim_rng_next(&w->rng),
    };

    r->kmr.len = 32;
    sim_rng_fill(&w->rng, r->kmr.bytes, 32);
    radio_branches(w, r);
    r->memory = room(1, w->memory_len);
    conf.branches = r->branches;
    conf.branches_len = r->branches_len;
    conf.memory = r->memory;
    conf.memory_len = w->memory_len;
    must(mu_tree_node_init(&r->node, &conf, w->now) == 0, "node");
}

static int world_kmr(void *ctx, uint16_t index, struct mu_secret *kmr)
{
    struct tree_world *w = ctx;

    *kmr = w->radios[index].kmr;
    return 0;
}

static void root_begin(struct tree_world *w)
{
    struct mu_tree_root_conf conf = {
        .crypto = w->crypto, .stream = STREAM,
        .full = w->conf.shape == SIM_GRID_FULL, .plan = w->plan,
        .nodes = (uint16_t)w->conf.nodes, .shift = w->conf.shift,
        .messages_max = w->conf.messages, .wait_ms = w->conf.wait_ms,
        .ctx = w, .kmr = world_kmr,
    };
    size_t bits = (w->conf.nodes + 7u) / 8u;

    conf.acks.proved = room(1, bits);
    conf.acks.left = room(1, bits);
    conf.acks.rest_len = w->memory_len;
    conf.acks.rest = room(1, w->memory_len);
    conf.acks.suspects_cap = SUSPECTS;
    conf.acks.suspects = room(SUSPECTS, sizeof(struct mu_ack_link));
    conf.acks.found_cap = SUSPECTS;
    conf.acks.found = room(SUSPECTS, sizeof(struct mu_ack_link));
    must(mu_tree_root_init(&w->root, &conf) == 0, "root");
    w->out->groups = w->root.hop.groups;
}

/* Relays with as much below them as there is. */
static void world_cheats(struct tree_world *w)
{
    uint32_t left = w->conf.attack == SIM_TREE_PEACE ? 0 : w->conf.attackers;

    for (uint32_t i = 1; i < w->conf.nodes && left > 0; i++) {
        uint32_t below = w->plan[i].end - i;

        if (below < 3 || below > w->conf.nodes / (1 + left))
            continue;
        w->radios[i].cheats = true;
        left--;
        i = w->plan[i].end - 1u;
    }
}

/* ---- cheats -------------------------------------------------------------- */

static void cheat_ack(struct tree_world *w, const struct tree_radio *r,
                      uint8_t *packet, size_t *len, bool all)
{
    const struct mu_tree_place *p = &w->plan[r->index];
    uint8_t named[8192 / 8], string[MU_PACKET_MAX];
    struct mu_bytes set_bytes = mu_bytes(packet + 8, *len - 8 - MU_TAG_LEN);
    struct mu_writer out = mu_writer(packet, MU_PACKET_MAX);
    struct mu_ack_set s;
    struct mu_bytes part;
    uint8_t tag[MU_TAG_LEN];

    must(mu_ack_set_consume(set_bytes, &s) == 0, "own set");
    memset(named, 0, sizeof(named));
    memcpy(named, s.named.data, s.named.len);
    if (all) {
        s.named.len = (size_t)(p->end - r->index + 7) / 8;
        for (uint16_t i = 0; i < p->end - r->index; i++)
            named[i / 8] |= (uint8_t)(1u << i % 8);
        s.first = r->index;
    }
    s.named.data = named;
    s.string.len = mu_ack_string_len(s.shift, mu_ack_members(s.named));
    sim_rng_fill(&w->rng, string, s.string.len);
    s.string.data = string;
    out.len = 8;
    if (mu_ack_set_write(&s, &out) != 0)
        return;
    part = mu_bytes(packet, out.len);
    must(mu_tag_make(w->crypto, &r->node.kctl, &part, 1, tag) == 0, "tag");
    mu_write_bytes(&out, MU_BYTES(tag));
    *len = out.len;
}

/* What a cheat makes of what its engine sends. 0: keeps it back. */
static size_t cheat(struct tree_world *w, struct tree_radio *r,
                    uint8_t *packet, size_t len)
{
    bool message = packet[0] == MU_TREE_MESSAGE;

    switch (w->conf.attack) {
    case SIM_TREE_DROP:
        return message ? 0 : len;
    case SIM_TREE_MODIFY:
        if (message)
            packet[len - 1] ^= 1;
        return len;
    case SIM_TREE_FORGED_ACKS:
        if (packet[0] == MU_TREE_ACK)
            cheat_ack(w, r, packet, &len, true);
        return message ? 0 : len;
    case SIM_TREE_POLLUTED_ACKS:
        if (packet[0] == MU_TREE_ACK)
            cheat_ack(w, r, packet, &len, false);
        return len;
    default:
        return len;
    }
}

/* ---- the air ------------------------------------------------------------- */

static mu_time airtime(const struct tree_world *w, size_t len)
{
    return (mu_time)(len + w->conf.overhead) * 8000000 / w->conf.rate;
}

static mu_time radio_deadline(const struct tree_world *w,
                              const struct tree_radio *r)
{
    return r->index == 0 ? mu_tree_root_deadline(&w->root)
                         : mu_tree_node_deadline(&r->node);
}

static void radio_wake(struct tree_world *w, struct tree_radio *r)
{
    mu_time at = radio_deadline(w, r);

    if (r->sending || at == MU_TIME_NEVER || at == r->timer)
        return;
    r->timer = at;
    sim_queue_put(&w->queue, (struct sim_item){
        .at = at < w->now ? w->now : at, .what = SIM_TIMER, .node = r->index,
        .number = ++r->timer_number,
    });
}

static struct mu_bytes said(const struct tree_world *w, uint32_t number)
{
    return mu_bytes(w->said + (size_t)(number - 1) * w->conf.message_len,
                    w->conf.message_len);
}

static void say_next(struct tree_world *w)
{
    if (w->number == w->conf.messages)
        return;
    w->number++;
    w->said_at = w->now;
    must(mu_tree_root_say(&w->root, w->now, said(w, w->number)) == 0, "say");
}

static bool found_right(const struct tree_world *w,
                        const struct mu_ack_link *l)
{
    return w->radios[l->below].cheats || w->radios[l->above].cheats ||
           (l->below < w->conf.nodes && w->plan[l->below].parent > 0 &&
            w->radios[w->plan[l->below].parent].cheats);
}

static void message_over(struct tree_world *w)
{
    struct sim_tree_result *r = w->out;

    r->messages++;
    w->sum += w->now - w->said_at;
    for (uint16_t i = 1; i < w->conf.nodes; i++) {
        bool took = w->radios[i].took == w->number;
        bool proved = mu_ack_root_proved(&w->root.acks, i);

        r->wanted++;
        r->acked += proved;
        r->unproved += took && !proved;
        r->lied += proved && !took;
    }
    r->found += w->root.acks.found_len;
    for (size_t i = 0; i < w->root.acks.found_len; i++)
        r->found_wrong += !found_right(w, &w->root.acks.found[i]);
    say_next(w);
}

static void air_begin(struct tree_world *w, struct tree_radio *r,
                      const uint8_t *packet, size_t len, enum mu_tree_way way)
{
    uint64_t bytes = len + w->conf.overhead;

    r->sending = true;
    w->out->packets++;
    w->out->bytes += bytes;
    if (packet[0] == MU_TREE_ACK)
        w->out->ack_bytes += bytes;
    if (r->cheats) {
        w->out->attack_packets++;
        w->out->attack_bytes += bytes;
    }
    sim_queue_put(&w->queue, (struct sim_item){
        .at = w->now + airtime(w, len), .what = SIM_PACKET, .node = r->index,
        .number = way, .buffer = sim_buffer_new(packet, len),
    });
}

static void radio_took(struct tree_world *w, struct tree_radio *r)
{
    struct mu_bytes message;
    uint32_t place;

    while (mu_tree_node_take(&r->node, &place, &message)) {
        w->out->delivered++;
        if (place == 0 || place > w->number ||
            !mu_bytes_eq(message, said(w, place)))
            w->out->wrong++;
        r->took = place;
    }
}

static void air_hear(struct tree_world *w, struct tree_radio *r,
                     struct mu_bytes packet)
{
    if (sim_rng_chance(&w->rng, w->conf.loss)) {
        w->out->lost++;
        return;
    }
    if (r->index == 0) {
        (void)!mu_tree_root_packet(&w->root, w->now, packet);
    } else {
        (void)!mu_tree_node_packet(&r->node, w->now, packet);
        radio_took(w, r);
    }
    radio_wake(w, r);
}

/* Without keys, beside a relay: what it hears again, or strangers' requests. */
static void air_intrude(struct tree_world *w, struct tree_radio *r,
                        struct mu_bytes packet)
{
    uint8_t junk[64];
    struct mu_bytes again = packet;

    for (int i = 0; i < 20; i++) {
        if (w->conf.attack == SIM_TREE_RE_REQUEST) {
            sim_rng_fill(&w->rng, junk, sizeof(junk));
            junk[0] = MU_TREE_JOIN;
            junk[1] = STREAM;
            junk[2] = 0;
            junk[3] = (uint8_t)(r->index + 1);
            again = mu_bytes(junk, 28);
        }
        w->out->attack_packets++;
        w->out->attack_bytes += again.len + w->conf.overhead;
        (void)!mu_tree_node_packet(&r->node, w->now, again);
    }
    radio_took(w, r);
}

static void air_end(struct tree_world *w, const struct sim_item *item)
{
    struct tree_radio *r = &w->radios[item->node];
    struct mu_bytes packet = mu_bytes(item->buffer->data, item->buffer->len);
    bool full = w->conf.shape == SIM_GRID_FULL;

    r->sending = false;
    r->timer = MU_TIME_NEVER;
    if (item->number == MU_TREE_UP) {
        air_hear(w, &w->radios[w->plan[r->index].parent], packet);
    } else if (full && r->index == 0) {
        for (uint32_t i = 1; i < w->conf.nodes; i++)
            air_hear(w, &w->radios[i], packet);
    } else {
        for (size_t i = 0; i < r->branches_len; i++)
            air_hear(w, &w->radios[r->branches[i].index], packet);
    }
    if (r->cheats && (w->conf.attack == SIM_TREE_REPLAY ||
                      w->conf.attack == SIM_TREE_RE_REQUEST))
        air_intrude(w, r, packet);
    radio_wake(w, r);
}

static void radio_timer(struct tree_world *w, const struct sim_item *item)
{
    struct tree_radio *r = &w->radios[item->node];
    enum mu_tree_way way = MU_TREE_DOWN;
    uint8_t packet[MU_PACKET_MAX];
    size_t len;

    if (item->number != r->timer_number || r->sending)
        return;
    r->timer = MU_TIME_NEVER;
    len = r->index == 0 ? mu_tree_root_next(&w->root, w->now, packet)
                        : mu_tree_node_next(&r->node, w->now, packet, &way);
    if (len > 0 && r->cheats)
        len = cheat(w, r, packet, len);
    if (len > 0)
        air_begin(w, r, packet, len, way);
    else
        radio_wake(w, r);
}

/* ---- the run ------------------------------------------------------------- */

static bool all_joined(const struct tree_world *w)
{
    for (uint32_t i = 1; i < w->conf.nodes; i++) {
        if (!w->radios[i].node.joined)
            return false;
    }
    return true;
}

static void world_run(struct tree_world *w)
{
    mu_time end = (mu_time)(w->conf.time_max * 1e6);
    struct sim_item item;
    bool begun = false;

    while (sim_queue_take(&w->queue, &item) && item.at <= end) {
        w->now = item.at;
        if (item.what == SIM_PACKET)
            air_end(w, &item);
        else
            radio_timer(w, &item);
        sim_buffer_drop(item.buffer);
        if (!begun && all_joined(w)) {
            begun = true;
            w->out->join_seconds = (double)w->now / 1e6;
            w->out->packets = w->out->bytes = w->out->ack_bytes = 0;
            w->out->attack_packets = w->out->attack_bytes = 0;
            say_next(w);
            radio_wake(w, &w->radios[0]);
        } else if (begun && mu_tree_root_over(&w->root)) {
            message_over(w);
            if (w->out->messages == w->conf.messages)
                break;
            radio_wake(w, &w->radios[0]);
        }
    }
}

static void world_count(struct tree_world *w)
{
    struct sim_tree_result *r = w->out;

    r->nodes = w->conf.nodes;
    r->hops = w->conf.shape == SIM_GRID_FULL ? 1 : w->plan[0].height;
    r->down = w->root.counts.sent_down;
    r->forged = w->root.counts.forged;
    for (uint32_t i = 1; i < w->conf.nodes; i++) {
        const struct mu_tree_counts *c = &w->radios[i].node.counts;
        uint32_t depth = w->conf.shape == SIM_GRID_FULL ? 1 : w->plan[i].depth;

        r->down += c->sent_down;
        r->up += c->sent_up;
        r->passed += c->passed;
        r->forged += c->forged;
        r->refused += c->refused;
        r->single_bytes += (uint64_t)depth * w->conf.messages *
                           (8u + MU_ACK_LEN + MU_TAG_LEN + w->conf.overhead);
    }
    r->node_ram = (uint32_t)(sizeof(struct mu_tree_node) + w->memory_len);
    r->virtual_seconds = (double)w->now / 1e6;
    if (r->messages > 0)
        r->message_seconds = (double)w->sum / 1e6 / r->messages;
}

static void world_free(struct tree_world *w)
{
    for (uint32_t i = 0; i < w->conf.nodes; i++) {
        struct tree_radio *r = &w->radios[i];

        for (size_t k = 0; k < r->branches_len; k++)
            free(r->branches[k].data);
        free(r->branches);
        free(r->memory);
    }
    free(w->root.conf.acks.proved);
    free(w->root.conf.acks.left);
    free(w->root.conf.acks.rest);
    free(w->root.conf.acks.suspects);
    free(w->root.conf.acks.found);
    mu_tree_root_clear(&w->root);
    free(w->radios);
    free(w->said);
    free(w->plan);
    sim_queue_clear(&w->queue);
}

static double wall_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void world_begin(struct tree_world *w)
{
    for (uint16_t i = 0; i < w->conf.nodes; i++) {
        struct tree_radio *r = &w->radios[i];

        r->world = w;
        r->index = i;
        r->timer = MU_TIME_NEVER;
        if (i == 0)
            radio_branches(w, r);
        else
            radio_begin(w, r);
    }
    root_begin(w);
    world_cheats(w);
    for (uint16_t i = 0; i < w->conf.nodes; i++)
        radio_wake(w, &w->radios[i]);
}

int sim_tree_run(const struct sim_tree_conf *conf, struct sim_tree_result *out)
{
    struct tree_world w = {.conf = *conf, .out = out};
    double start = wall_seconds();
    int rc;

    *out = (struct sim_tree_result){.nodes = 0};
    if (conf->nodes < 2 || conf->nodes > 4096 || conf->fanout == 0 ||
        conf->rate == 0 || conf->messages == 0 || conf->message_len == 0 ||
        conf->message_len > 1000 || !mu_ack_shift_known(conf->shift) ||
        (conf->shape != SIM_GRID_LINE && conf->shape != SIM_GRID_TREE &&
         conf->shape != SIM_GRID_FULL))
        return MU_ERR_USAGE;
    w.memory_len = (conf->nodes + 7u) / 8u +
                   mu_ack_string_len(conf->shift, conf->nodes);
    if (w.memory_len > MU_PACKET_MAX - 64)
        return MU_ERR_TOO_LARGE; /* an ACK is one packet */
    w.plan = room(conf->nodes, sizeof(*w.plan));
    plan_grow(&w, 0, (uint16_t)conf->nodes);
    rc = mu_tree_plan(w.plan, (uint16_t)conf->nodes);
    if (rc != 0) {
        free(w.plan);
        return rc;
    }
    w.crypto = mu_crypto_openssl();
    must(w.crypto != NULL, "no crypto");
    sim_queue_init(&w.queue);
    sim_rng_seed(&w.rng, conf->seed, 2);
    w.said = room(conf->messages, conf->message_len);
    sim_rng_fill(&w.rng, w.said, (size_t)conf->messages * conf->message_len);
    w.radios = room(conf->nodes, sizeof(*w.radios));
    world_begin(&w);
    world_run(&w);
    world_count(&w);
    world_free(&w);
    out->wall_seconds = wall_seconds() - start;
    return 0;
}

void sim_tree_json(const struct sim_tree_conf *conf,
                   const struct sim_tree_result *r, FILE *out)
{
    static const char *const shapes[] = {"grid", "random", "line", "tree",
                                         "full"};
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        {"hops", r->hops}, {"groups", r->groups}, {"messages", r->messages},
        {"message_len", conf->message_len}, {"wanted", r->wanted},
        {"acked", r->acked}, {"delivered", r->delivered}, {"wrong", r->wrong},
        {"unproved", r->unproved}, {"lied", r->lied}, {"packets", r->packets},
        {"bytes", r->bytes}, {"lost", r->lost}, {"down", r->down},
        {"up", r->up}, {"passed", r->passed}, {"forged", r->forged},
        {"refused", r->refused}, {"attack_packets", r->attack_packets},
        {"attack_bytes", r->attack_bytes}, {"found", r->found},
        {"found_wrong", r->found_wrong}, {"ack_bytes", r->ack_bytes},
        {"single_ack_bytes", r->single_bytes},
        {"node_ram", r->node_ram}, {"seed", conf->seed},
    };

    fprintf(out, "{\"topology\": \"%s:%u\", \"attack\": \"%s\", "
            "\"attackers\": %u, \"shift\": %u, \"loss\": %.3f",
            shapes[conf->shape], conf->nodes,
            sim_tree_attack_name(conf->attack),
            conf->attack == SIM_TREE_PEACE ? 0 : conf->attackers, conf->shift,
            conf->loss);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        fprintf(out, ", \"%s\": %" PRIu64, all[i].name, all[i].value);
    fprintf(out, ", \"join_seconds\": %.2f, \"message_seconds\": %.3f, "
            "\"virtual_seconds\": %.2f, \"wall_seconds\": %.2f}",
            r->join_seconds, r->message_seconds, r->virtual_seconds,
            r->wall_seconds);
}
