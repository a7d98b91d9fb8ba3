/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap. Equal times leave in the order they came, so that a run is
 * the same byte for byte whatever the heap's shape. */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

struct sim_buffer *sim_buffer_new(const void *data, size_t len)
{
    struct sim_buffer *b = malloc(sizeof *b + len);
    if (b == NULL)
        abort();
    b->refs = 1;
    b->len = (uint32_t)len;
    b->forged = false;
    if (len > 0)
        memcpy(b->data, data, len);
    return b;
}

struct sim_buffer *sim_buffer_hold(struct sim_buffer *b)
{
    b->refs++;
    return b;
}

void sim_buffer_drop(struct sim_buffer *b)
{
    if (b != NULL && --b->refs == 0)
        free(b);
}

void sim_queue_init(struct sim_queue *q)
{
    memset(q, 0, sizeof *q);
}

void sim_queue_clear(struct sim_queue *q)
{
    for (size_t i = 0; i < q->len; i++)
        sim_buffer_drop(q->items[i].buffer);
    free(q->items);
    memset(q, 0, sizeof *q);
}

static bool item_before(const struct sim_item *a, const struct sim_item *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

uint64_t sim_queue_place(struct sim_queue *q)
{
    return q->order++;
}

void sim_queue_put(struct sim_queue *q, struct sim_item item)
{
    item.order = sim_queue_place(q);
    sim_queue_put_placed(q, item);
}

void sim_queue_put_placed(struct sim_queue *q, struct sim_item item)
{
    if (q->len == q->cap) {
        q->cap = q->cap == 0 ? 1024 : q->cap * 2;
        q->items = realloc(q->items, q->cap * sizeof *q->items);
        if (q->items == NULL)
            abort();
    }
    size_t i = q->len++;
    while (i > 0) {
        size_t up = (i - 1) / 2;
        if (!item_before(&item, &q->items[up]))
            break;
        q->items[i] = q->items[up];
        i = up;
    }
    q->items[i] = item;
}

bool sim_queue_take(struct sim_queue *q, struct sim_item *item)
{
    if (q->len == 0)
        return false;
    *item = q->items[0];
    struct sim_item last = q->items[--q->len];
    size_t i = 0;
    for (;;) {
        size_t down = 2 * i + 1;
        if (down >= q->len)
            break;
        if (down + 1 < q->len &&
            item_before(&q->items[down + 1], &q->items[down]))
            down++;
        if (!item_before(&q->items[down], &last))
            break;
        q->items[i] = q->items[down];
        i = down;
    }
    if (q->len > 0)
        q->items[i] = last;
    return true;
}
