/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ack/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/keys.h"

#define MESSAGE_MAX (5 + TREE_MAX / 8 + 1 + TREE_MAX * MU_ACK_LEN)
#define ANSWER_MAX (17 + TREE_MAX * 2 + 8 * MESSAGE_MAX)
#define QUESTION 8 /* bytes: campaign, index, a few of header */

static void must(int rc)
{
    if (rc == 0)
        return;
    fprintf(stderr, "tree: %s\n", mu_err_text(rc));
    abort();
}

uint32_t tree_random(struct tree *t, uint32_t below)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 17;
    t->random ^= t->random << 5;
    return (uint32_t)((uint64_t)t->random * below >> 32);
}

static void noise(struct tree *t, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(tree_random(t, 255) + 1);
}

static int expected(void *context, uint16_t index, uint8_t ack[MU_ACK_LEN])
{
    const struct tree *t = context;

    if (index >= t->nodes)
        return MU_ERR_NOT_FOUND;
    memcpy(ack, t->acks[index], MU_ACK_LEN);
    return 0;
}

/* ---- growing it ----------------------------------------------------------- */

/* Who is above whom, breadth first; numbers come after. */
static void grow(struct tree *t, uint16_t fanout, uint16_t *parent)
{
    parent[0] = 0;
    for (uint16_t i = 1; i < t->nodes; i++)
        parent[i] = (uint16_t)(fanout == 0 ? tree_random(t, i)
                                           : (i - 1u) / fanout);
}

static uint16_t number(struct tree *t, const uint16_t *parent, uint16_t old,
                       uint16_t *next, uint16_t above, uint16_t depth)
{
    uint16_t index = (*next)++;

    t->above[index] = above;
    t->depth[index] = depth;
    for (uint16_t i = (uint16_t)(old + 1); i < t->nodes; i++) {
        if (parent[i] == old)
            number(t, parent, i, next, index, (uint16_t)(depth + 1));
    }
    t->end[index] = *next;
    return index;
}

static void acknowledge(struct tree *t)
{
    const struct mu_crypto *crypto = mu_crypto_openssl();
    uint8_t key[32], digest[32] = {7};
    struct mu_secret kack;

    for (uint16_t i = 0; i < t->nodes; i++) {
        const uint8_t id[2] = {(uint8_t)(i >> 8), (uint8_t)i};

        noise(t, key, sizeof key);
        must(mu_secret_set(&kack, MU_BYTES(key)));
        must(mu_ack_make(crypto, &kack, (const uint8_t *)"campaign",
                         MU_BYTES(id), 15, 0, digest, t->acks[i]));
        must(mu_ack_make(crypto, &kack, (const uint8_t *)"old one.",
                         MU_BYTES(id), 15, 0, digest, t->old[i]));
    }
}

struct tree *tree_new(uint16_t nodes, uint16_t fanout, uint8_t shift,
                      uint32_t seed)
{
    struct tree *t = calloc(1, sizeof *t);
    uint16_t *parent = calloc(nodes, sizeof *parent), next = 0;
    struct mu_ack_branch *b;

    t->nodes = nodes;
    t->shift = shift;
    t->random = seed * 2654435761u + 1;
    grow(t, fanout, parent);
    number(t, parent, 0, &next, 0, 1);
    acknowledge(t);
    b = t->branches = calloc(nodes, sizeof *t->branches);
    for (uint16_t i = 0; i < nodes; i++) {
        struct mu_ack_branch *own = b;

        for (uint16_t c = (uint16_t)(i + 1); c < t->end[i]; c = t->end[c]) {
            size_t len = (size_t)(t->end[c] - c);

            b->index = c;
            b->end = t->end[c];
            b->cap = 5 + len / 8 + 1 + mu_ack_string_len(shift, len);
            b->data = malloc(b->cap);
            b++;
        }
        mu_ack_node_init(&t->node[i], i, t->end[i], shift, own,
                         (size_t)(b - own));
    }
    t->expect = (struct mu_ack_expect){t, expected};
    t->root = (struct mu_ack_root){
        .expect = &t->expect,
        .nodes = nodes,
        .proved = t->proved,
        .left = t->left,
        .rest = t->rest,
        .rest_len = sizeof t->rest,
        .suspects = t->suspects,
        .found = t->found,
        .suspects_cap = TREE_MAX,
        .found_cap = TREE_MAX,
    };
    free(parent);
    return t;
}

void tree_del(struct tree *t)
{
    for (uint16_t i = 0; i + 1 < t->nodes; i++)
        free(t->branches[i].data);
    free(t->branches);
    free(t);
}

uint16_t tree_pick(struct tree *t, bool inner)
{
    for (;;) {
        uint16_t i = (uint16_t)tree_random(t, t->nodes);

        if (t->way[i] == TREE_HONEST && (t->end[i] - i > 1) == inner)
            return i;
    }
}

/* ---- what goes up --------------------------------------------------------- */

static void own(struct tree *t, uint16_t i)
{
    uint8_t ack[MU_ACK_LEN];

    switch (t->way[i]) {
    case TREE_SILENT:
        return;
    case TREE_FALSE_ACK:
        noise(t, ack, sizeof ack);
        mu_ack_node_own(&t->node[i], ack);
        return;
    case TREE_REPLAY:
        mu_ack_node_own(&t->node[i], t->old[i]);
        return;
    default:
        mu_ack_node_own(&t->node[i], t->acks[i]);
    }
}

/* A set over [first, end) that names everybody and proves nothing. */
static size_t forged(struct tree *t, uint16_t first, uint16_t end, uint8_t *to)
{
    static uint8_t named[TREE_MAX / 8 + 1], string[TREE_MAX * MU_ACK_LEN];
    struct mu_writer w = mu_writer(to, MESSAGE_MAX);
    struct mu_ack_set s = {.first = first, .shift = t->shift};

    memset(named, 0, sizeof named);
    for (uint16_t i = 0; i < end - first; i++)
        named[i / 8] = (uint8_t)(named[i / 8] | 1u << i % 8);
    noise(t, string, sizeof string);
    s.named = mu_bytes(named, (size_t)(end - first + 7) / 8);
    s.string = mu_bytes(string,
                        mu_ack_string_len(t->shift, (size_t)(end - first)));
    must(mu_ack_set_write(&s, &w));
    return w.len;
}

static size_t word(struct tree *t, uint16_t i, uint8_t *to)
{
    static uint8_t memory[TREE_MAX / 8 + 1 + TREE_MAX * MU_ACK_LEN];
    struct mu_writer w = mu_writer(to, MESSAGE_MAX);
    struct mu_ack_set s;

    if (t->way[i] == TREE_FORGE)
        return forged(t, i, t->end[i], to);
    if (t->way[i] == TREE_INTRUDE && i > 0)
        return forged(t, (uint16_t)(i - 1), t->end[i], to);
    if (t->way[i] == TREE_DROP) {
        for (size_t b = 0; b < t->node[i].branches_len; b++)
            t->node[i].branches[b].len = 0;
    }
    must(mu_ack_node_write(&t->node[i], memory, sizeof memory, &w));
    must(mu_ack_set_consume(mu_bytes(to, w.len), &s));
    if (t->way[i] == TREE_POLLUTE || t->way[i] == TREE_LIE ||
        t->way[i] == TREE_MUTE)
        noise(t, to + w.len - s.string.len, s.string.len);
    return w.len;
}

static void rise(struct tree *t)
{
    static uint8_t message[MESSAGE_MAX];

    for (uint16_t i = (uint16_t)(t->nodes - 1);; i--) {
        size_t len;

        own(t, i);
        len = word(t, i, message);
        t->up_messages++;
        t->up_bytes += (uint32_t)len;
        if (len > t->up_bytes_max)
            t->up_bytes_max = (uint32_t)len;
        if (t->above[i] == i)
            must(mu_ack_root_take(&t->root, i, i, t->end[i],
                                  mu_bytes(message, len)));
        else if (mu_ack_node_hear(&t->node[t->above[i]], i,
                                  mu_bytes(message, len)) != 0)
            t->refused++;
        if (i == 0)
            break;
    }
}

/* ---- the hunt ------------------------------------------------------------- */

static uint16_t end_of(void *tree, uint16_t index)
{
    const struct tree *t = tree;

    return index < t->nodes ? t->end[index] : 0;
}

/* What a node says when it is asked to open. */
static size_t answer(struct tree *t, uint16_t i, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, ANSWER_MAX);

    if (t->way[i] == TREE_MUTE)
        return 0;
    must(mu_ack_node_open(&t->node[i], &w));
    if (t->way[i] == TREE_LIE && t->node[i].branches_len > 0)
        noise(t, to + w.len - 12, 12); /* into the last branch's string */
    return w.len;
}

void tree_run(struct tree *t)
{
    uint8_t *to = malloc(ANSWER_MAX);
    struct mu_ack_link suspect;

    mu_ack_root_init(&t->root);
    rise(t);
    t->proved_at_once = tree_proved(t);
    while (mu_ack_root_next(&t->root, &suspect)) {
        size_t len = answer(t, suspect.below, to);
        uint32_t depth = t->depth[suspect.below];

        t->openings++;
        t->opening_hops += 2 * depth;
        t->opening_bytes += QUESTION + (uint32_t)len;
        t->opening_hop_bytes += (QUESTION + (uint32_t)len) * depth;
        must(mu_ack_root_opened(&t->root, &suspect, mu_bytes(to, len), end_of,
                                t));
    }
    free(to);
}

uint32_t tree_proved(const struct tree *t)
{
    uint32_t n = 0;

    for (uint16_t i = 0; i < t->nodes; i++)
        n += mu_ack_root_proved(&t->root, i);
    return n;
}

bool tree_found(const struct tree *t, uint16_t index)
{
    for (size_t i = 0; i < t->root.found_len; i++) {
        if (t->found[i].above == index || t->found[i].below == index)
            return true;
    }
    return false;
}
