/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depots hold real bytes. A slot does not: ten thousand copies of one image
 * would be the image ten thousand times, so a slot compares what is written
 * with the truth and remembers only whether it ever differed.
 */
#include "depot.h"

#include <stdlib.h>
#include <string.h>

struct depot_part {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t part;
    uint8_t *bytes;
    uint64_t size;
    struct depot_part *next;
};

struct sim_depot {
    struct depot_part *parts;
};

static int part_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct depot_part *p = ctx;
    if (at > p->size || len > p->size - at)
        return MU_ERR_TOO_LARGE;
    memcpy(to, p->bytes + at, len);
    return 0;
}

static int part_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    struct depot_part *p = ctx;
    if (at > p->size || len > p->size - at)
        return MU_ERR_TOO_LARGE;
    memcpy(p->bytes + at, from, len);
    return 0;
}

static int part_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

static struct depot_part **depot_find(struct sim_depot *d,
                                      const uint8_t *campaign, uint8_t part)
{
    struct depot_part **at = &d->parts;
    while (*at != NULL && ((*at)->part != part ||
                           memcmp((*at)->campaign, campaign, MU_CAMPAIGN_ID)))
        at = &(*at)->next;
    return at;
}

static int depot_open(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                      uint8_t part, uint64_t size, struct mu_object *out)
{
    struct depot_part **at = depot_find(ctx, campaign, part);
    struct depot_part *p = *at;
    if (p == NULL) {
        p = calloc(1, sizeof *p);
        if (p == NULL)
            return MU_ERR_IO;
        memcpy(p->campaign, campaign, MU_CAMPAIGN_ID);
        p->part = part;
        *at = p;
    }
    if (size > p->size) {
        p->bytes = realloc(p->bytes, size);
        if (p->bytes == NULL)
            abort();
        memset(p->bytes + p->size, 0, size - p->size);
        p->size = size;
    }
    *out = (struct mu_object){p, part_read, part_write, part_sync};
    return 0;
}

static void depot_remove(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                         uint8_t part)
{
    struct depot_part **at = depot_find(ctx, campaign, part);
    struct depot_part *p = *at;
    if (p == NULL)
        return;
    *at = p->next;
    free(p->bytes);
    free(p);
}

struct sim_depot *sim_depot_new(struct mu_depot *port)
{
    struct sim_depot *d = calloc(1, sizeof *d);
    if (d == NULL)
        abort();
    *port = (struct mu_depot){d, depot_open, depot_remove};
    return d;
}

void sim_depot_del(struct sim_depot *d)
{
    while (d->parts != NULL) {
        struct depot_part *p = d->parts;
        d->parts = p->next;
        free(p->bytes);
        free(p);
    }
    free(d);
}

/* ---- slots ------------------------------------------------------------ */

static int slot_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    struct sim_slot *s = ctx;
    uint64_t size = s->world->conf.size;
    if (at > size || len > size - at)
        return MU_ERR_TOO_LARGE;
    if (memcmp(s->world->truth + at, from, len) != 0)
        s->differs = true;
    if (at <= s->whole && at + len > s->whole) {
        s->whole = at + len;
        s->whole_at = s->world->now;
    }
    return 0;
}

static int slot_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct sim_slot *s = ctx;
    uint64_t size = s->world->conf.size;
    if (at > size || len > size - at)
        return MU_ERR_TOO_LARGE;
    if (s->whole < size) { /* parts were never written */
        memset(to, 0, len);
        return 0;
    }
    memcpy(to, s->world->truth + at, len);
    if (s->differs && len > 0)
        to[0] ^= 0xff;
    return 0;
}

struct mu_object sim_slot_object(struct sim_slot *slot)
{
    return (struct mu_object){slot, slot_read, slot_write, part_sync};
}
