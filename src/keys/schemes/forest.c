/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forest of the stateless schemes: bitmaps, trees, and the walk that gives
 * the cover of Naor, Naor and Lotspiech ("Revocation and Tracing Schemes for
 * Stateless Receivers", 2001), complete subtree (s.3.1) and subset difference
 * (s.3.2).
 *
 * The walk reads the bitmap from left to right as the largest aligned blocks
 * that are all in or all out, and puts them on a stack where equal siblings
 * become their parent. What is left to cover under a node is then always
 * "everything", "nothing", or "everything but what is under one node": the
 * chain of the subset-difference cover. Work is one look per 64 places and
 * O(levels) per block; memory is the stack.
 */
#include "keys/schemes/internal.h"

#include "muster/assert.h"

#define WORD 64u

uint32_t mu_node(uint8_t level, uint32_t index)
{
    return (2 * index + 1) << level;
}

uint8_t mu_node_level(uint32_t node)
{
    uint8_t level = 0;

    while ((node & 1) == 0) {
        node >>= 1;
        level++;
    }
    return level;
}

uint32_t mu_node_index(uint32_t node)
{
    return node >> (mu_node_level(node) + 1);
}

uint32_t mu_subset(uint32_t end, uint8_t d)
{
    return end << 5 | d;
}

uint32_t mu_subset_end(uint32_t code)
{
    return code >> 5;
}

uint8_t mu_subset_d(uint32_t code)
{
    return code & 31;
}

bool mu_slot_get(const uint64_t *bits, uint32_t at)
{
    return bits[at / WORD] >> at % WORD & 1;
}

void mu_slot_put(uint64_t *bits, uint32_t at, bool on)
{
    const uint64_t bit = (uint64_t)1 << at % WORD;

    if (on)
        bits[at / WORD] |= bit;
    else
        bits[at / WORD] &= ~bit;
}

/* Number of zero bits below the lowest one; word != 0. */
static uint32_t bit_low(uint64_t word)
{
    uint32_t n = 0;

    for (uint32_t half = 32; half > 0; half /= 2) {
        if ((word & (((uint64_t)1 << half) - 1)) == 0) {
            word >>= half;
            n += half;
        }
    }
    return n;
}

uint32_t mu_slot_find(const uint64_t *bits, uint32_t at, uint32_t stop, bool on)
{
    const uint64_t flip = on ? 0 : UINT64_MAX;
    uint64_t word;

    if (at >= stop)
        return stop;
    word = (bits[at / WORD] ^ flip) & UINT64_MAX << at % WORD;
    at -= at % WORD;
    while (word == 0) {
        at += WORD;
        if (at >= stop)
            return stop;
        word = bits[at / WORD] ^ flip;
    }
    at += bit_low(word);
    return at < stop ? at : stop;
}

uint32_t mu_forest_places(uint32_t wanted)
{
    uint32_t places = WORD;

    if (wanted > MU_SCHEME_POSITIONS_MAX)
        return 0;
    while (places < wanted)
        places *= 2;
    return places;
}

void mu_forest_init(struct mu_forest *f, uint64_t *out, uint32_t places,
                    uint32_t members, uint32_t reserve)
{
    const uint32_t size = members + reserve;
    uint32_t full;
    uint32_t in;

    f->out = out;
    f->places = places;
    f->level = 0;
    while (((uint32_t)1 << f->level) < size)
        f->level++;
    full = (uint32_t)1 << f->level;
    /* Without a reserve nobody ever gets the rest of tree 0, so covers need
     * not avoid it: one leave then costs one subset. */
    f->sealed = reserve == 0 && members > 0 ? members : full;
    f->next = reserve == 0 && members > 0 ? full : members;
    in = f->sealed < full ? full : members;
    for (uint32_t i = 0; i < places / WORD; i++)
        out[i] = i < in / WORD ? 0 : UINT64_MAX;
    for (uint32_t at = in - in % WORD; at < in; at++)
        mu_slot_put(out, at, false);
}

void mu_forest_tree(uint8_t first_level, uint32_t place, uint32_t *start,
                    uint8_t *level)
{
    *start = 0;
    *level = first_level;
    if (place >> first_level == 0)
        return;
    *start = (uint32_t)1 << first_level;
    while (place >= 2 * *start) {
        *start *= 2;
        ++*level;
    }
}

bool mu_forest_given(const struct mu_forest *f, uint32_t place)
{
    const uint32_t full = (uint32_t)1 << f->level;

    return place < f->next && (place < f->sealed || place >= full);
}

uint32_t mu_forest_room(const struct mu_forest *f)
{
    return f->places > f->next ? f->places - f->next : 0;
}

uint32_t mu_forest_take(struct mu_forest *f)
{
    return f->next++;
}

void mu_cover_init(struct mu_cover *c, const struct mu_forest *f, bool differ)
{
    mu_zero(c, sizeof *c);
    c->differ = differ;
    c->root = f->level;
    c->stop = (uint32_t)1 << f->level;
}

static void cover_emit(struct mu_cover *c, uint32_t end, uint8_t level)
{
    c->queue[c->queue_len++] =
        mu_subset(end, (uint8_t)(level - mu_node_level(end)));
}

/* What a subtree leaves to cover, when it cannot be left to its parent. */
static void cover_settle(struct mu_cover *c, const struct mu_cover_item *item)
{
    const uint32_t node = mu_node(item->level, item->index);

    if (item->end == 0)
        cover_emit(c, node, item->level);
    else if (c->differ && item->end != node)
        cover_emit(c, item->end, item->level);
}

/* Siblings on top of the stack become their parent. */
static void cover_merge(struct mu_cover *c)
{
    const struct mu_cover_item b = c->stack[--c->depth];
    struct mu_cover_item *a = &c->stack[c->depth - 1];
    uint32_t end = 0;

    if (a->end != 0 && b.end != 0) {
        /* Both lack something: what is left of each is a subset of its own,
         * and above them all of this node counts as excluded. */
        cover_settle(c, a);
        cover_settle(c, &b);
        end = mu_node((uint8_t)(a->level + 1), a->index / 2);
    } else if (a->end != 0 || b.end != 0) {
        end = a->end != 0 ? a->end : b.end;
        if (!c->differ) {
            cover_settle(c, a->end == 0 ? a : &b);
            end = mu_node((uint8_t)(a->level + 1), a->index / 2);
        }
    }
    a->end = end;
    a->level++;
    a->index /= 2;
}

/* The next block of the run goes onto the stack. */
static void cover_push(struct mu_cover *c)
{
    struct mu_cover_item *top = &c->stack[c->depth++];
    uint8_t level = 0;

    while (level < c->root && (c->at >> level & 1) == 0 &&
           c->run - c->at >= (uint32_t)2 << level)
        level++;
    top->level = level;
    top->index = c->at >> level;
    top->end = c->out ? mu_node(level, top->index) : 0;
    c->at += (uint32_t)1 << level;
    while (c->depth > 1 &&
           c->stack[c->depth - 1].level == c->stack[c->depth - 2].level)
        cover_merge(c);
}

bool mu_cover_next(struct mu_cover *c, const struct mu_forest *f,
                   uint32_t *code)
{
    while (c->queue_at == c->queue_len) {
        c->queue_at = c->queue_len = 0;
        if (c->at == c->stop) {
            /* The next tree, unless nobody lives there yet. */
            if (c->at >= f->next || c->at >= f->places)
                return false;
            c->root = c->at == (uint32_t)1 << f->level
                          ? f->level
                          : (uint8_t)(c->root + 1);
            c->stop = c->at + ((uint32_t)1 << c->root);
        }
        if (c->at >= c->run) {
            c->out = mu_slot_get(f->out, c->at);
            c->run = mu_slot_find(f->out, c->at, c->stop, !c->out);
        }
        cover_push(c);
        if (c->at == c->stop) {
            mu_assert(c->depth == 1 && c->stack[0].level == c->root);
            c->depth = 0;
            cover_settle(c, &c->stack[0]);
        }
    }
    *code = c->queue[c->queue_at++];
    return true;
}
