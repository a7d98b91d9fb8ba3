/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that wait for the key of their interval, in a bounded place. */
#include "source/buffer.h"

void mu_source_buffer_init(struct mu_source_buffer *b, uint8_t slots,
                           uint16_t message_max, void *bytes, uint32_t seed)
{
    *b = (struct mu_source_buffer){
        .bytes = bytes, .slots_len = slots, .message_max = message_max,
        .random = seed == 0 ? 1 : seed, .lanes = 1,
    };
}

void mu_source_buffer_lanes(struct mu_source_buffer *b, uint32_t lanes)
{
    b->lanes = lanes < b->slots_len ? (uint8_t)lanes : b->slots_len;
}

static uint32_t buffer_random(struct mu_source_buffer *b)
{
    /* xorshift32, Marsaglia 2003 */
    b->random ^= b->random << 13;
    b->random ^= b->random >> 17;
    b->random ^= b->random << 5;
    return b->random;
}

struct mu_bytes mu_source_buffer_bytes(const struct mu_source_buffer *b,
                                       size_t slot)
{
    return mu_bytes(b->bytes + slot * b->message_max, b->slots[slot].len);
}

uint32_t mu_source_buffer_waiting(const struct mu_source_buffer *b)
{
    uint32_t n = 0;

    for (size_t i = 0; i < b->slots_len; i++)
        n += b->slots[i].state == MU_SLOT_WAITING;
    return n;
}

/* Free: of the lane if there is one. */
static int buffer_free(const struct mu_source_buffer *b, size_t lane)
{
    int found = -1;

    for (size_t i = 0; i < b->slots_len; i++) {
        if (b->slots[i].state != MU_SLOT_FREE)
            continue;
        if (i % b->lanes == lane)
            return (int)i;
        if (found < 0)
            found = (int)i;
    }
    return found;
}

/* The n-th slot that holds a message of this interval, if there are so many. */
static void buffer_of(const struct mu_source_buffer *b, uint32_t index,
                      uint32_t n, int *slot)
{
    uint32_t count = 0;

    for (size_t i = 0; i < b->slots_len; i++) {
        if (b->slots[i].state != MU_SLOT_WAITING || b->slots[i].index != index)
            continue;
        if (count++ == n)
            *slot = (int)i;
    }
}

/* Where a message of this interval goes; -1: nowhere, chance was against it. */
static int buffer_slot(struct mu_source_buffer *b, uint32_t index,
                       struct mu_source_counts *counts)
{
    size_t lane = index % b->lanes;
    int slot = buffer_free(b, lane);
    uint32_t pick;

    if (b->lane[lane].index != index) {
        b->lane[lane].index = index;
        b->lane[lane].seen = 0;
    }
    b->lane[lane].seen++;
    if (slot >= 0)
        return slot;
    counts->dropped++;
    for (size_t i = lane; i < b->slots_len; i += b->lanes) {
        if (b->slots[i].state == MU_SLOT_WAITING && b->slots[i].index != index)
            return (int)i; /* borrowed, or its key is overdue */
    }
    pick = buffer_random(b) % b->lane[lane].seen;
    buffer_of(b, index, pick, &slot);
    return slot;
}

int mu_source_buffer_put(struct mu_source_buffer *b, uint32_t index,
                         struct mu_bytes tag, struct mu_bytes message,
                         struct mu_source_counts *counts)
{
    struct mu_source_slot *slot;
    uint32_t waiting;
    int at;

    if (message.len > b->message_max || tag.len > MU_SOURCE_TAG_MAX)
        return MU_ERR_TOO_LARGE;
    for (size_t i = 0; i < b->slots_len; i++) {
        slot = &b->slots[i];
        if (slot->state != MU_SLOT_FREE && slot->index == index &&
            mu_bytes_eq(mu_bytes(slot->tag, tag.len), tag) &&
            mu_bytes_eq(mu_source_buffer_bytes(b, i), message))
            return MU_ERR_REPLAY;
    }
    at = buffer_slot(b, index, counts);
    if (at < 0)
        return MU_ERR_FULL;
    slot = &b->slots[at];
    *slot = (struct mu_source_slot){
        .state = MU_SLOT_WAITING, .index = index, .len = (uint16_t)message.len,
    };
    mu_copy(slot->tag, tag.data, tag.len);
    mu_copy(b->bytes + (size_t)at * b->message_max, message.data, message.len);
    waiting = mu_source_buffer_waiting(b);
    if (waiting > counts->waiting_max)
        counts->waiting_max = waiting;
    return 0;
}

int mu_source_buffer_take(struct mu_source_buffer *b)
{
    int found = -1;

    for (size_t i = 0; i < b->slots_len; i++) {
        if (b->slots[i].state == MU_SLOT_TAKEN)
            b->slots[i].state = MU_SLOT_FREE;
        else if (b->slots[i].state == MU_SLOT_GOOD &&
                 (found < 0 || b->slots[i].index < b->slots[found].index))
            found = (int)i;
    }
    if (found >= 0)
        b->slots[found].state = MU_SLOT_TAKEN;
    return found;
}
