/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a gateway are those of the server: a part refers to the server's
 * bytes as long as what is written is the same, and has its own from then on. A
 * slot has none at all: ten thousand copies of one image would be the image ten
 * thousand times, so it compares what is written with the truth and remembers only
 * whether it ever differed.
 */
#include "depot.h"

#include <stdlib.h>
#include <string.h>

struct depot_bytes {
    uint32_t users;
    uint8_t data[];
};

struct depot_part {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t part;
    uint64_t size;
    struct depot_bytes *bytes;
    bool ours;      /* bytes may be written, unless others use them too */
    uint64_t whole; /* if they are not ours: so many were written, as they are */
    struct depot_part *next;
};

struct sim_depot {
    struct depot_part *parts;
    struct sim_depot *like; /* the server's; NULL: it is */
};

static void bytes_drop(struct depot_bytes *b)
{
    if (b != NULL && --b->users == 0)
        free(b);
}

/* Bytes of its own, with what was written so far. */
static void part_apart(struct depot_part *p, uint64_t size)
{
    uint64_t keep = p->ours ? p->size : p->whole;
    struct depot_bytes *b;

    if (p->ours && p->bytes->users == 1 && size == p->size)
        return;
    b = calloc(1, sizeof *b + size);
    if (b == NULL)
        abort();
    b->users = 1;
    if (keep > 0)
        memcpy(b->data, p->bytes->data, keep);
    bytes_drop(p->bytes);
    p->bytes = b;
    p->ours = true;
    p->size = size;
}

static int part_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct depot_part *p = ctx;
    size_t have = len;

    if (at > p->size || len > p->size - at)
        return MU_ERR_TOO_LARGE;
    if (!p->ours && at + len > p->whole)
        have = at < p->whole ? (size_t)(p->whole - at) : 0;
    memcpy(to, p->bytes->data + at, have);
    memset(to + have, 0, len - have); /* never written */
    return 0;
}

static int part_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    struct depot_part *p = ctx;

    if (at > p->size || len > p->size - at)
        return MU_ERR_TOO_LARGE;
    if (!p->ours && at <= p->whole &&
        memcmp(p->bytes->data + at, from, len) == 0) {
        p->whole = at + len > p->whole ? at + len : p->whole;
        return 0;
    }
    part_apart(p, p->size);
    memcpy(p->bytes->data + at, from, len);
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

static struct depot_part *depot_add(struct sim_depot *d,
                                    const uint8_t *campaign, uint8_t part,
                                    uint64_t size)
{
    struct depot_part *p = calloc(1, sizeof *p), *like = NULL;

    if (p == NULL)
        return NULL;
    memcpy(p->campaign, campaign, MU_CAMPAIGN_ID);
    p->part = part;
    if (d->like != NULL)
        like = *depot_find(d->like, campaign, part);
    if (like != NULL && like->size == size && like->ours) {
        p->bytes = like->bytes;
        p->bytes->users++;
        p->size = size;
    } else {
        part_apart(p, size);
    }
    return p;
}

static int depot_open(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                      uint8_t part, uint64_t size, struct mu_object *out)
{
    struct sim_depot *d = ctx;
    struct depot_part **at = depot_find(d, campaign, part);

    if (*at == NULL)
        *at = depot_add(d, campaign, part, size);
    if (*at == NULL)
        return MU_ERR_IO;
    if (size > (*at)->size)
        part_apart(*at, size);
    *out = (struct mu_object){*at, part_read, part_write, part_sync};
    return 0;
}

static void part_del(struct depot_part *p)
{
    bytes_drop(p->bytes);
    free(p);
}

static void depot_remove(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                         uint8_t part)
{
    struct depot_part **at = depot_find(ctx, campaign, part);
    struct depot_part *p = *at;
    if (p == NULL)
        return;
    *at = p->next;
    part_del(p);
}

struct sim_depot *sim_depot_new(struct mu_depot *port, struct sim_depot *like)
{
    struct sim_depot *d = calloc(1, sizeof *d);
    if (d == NULL)
        abort();
    d->like = like;
    *port = (struct mu_depot){d, depot_open, depot_remove};
    return d;
}

void sim_depot_del(struct sim_depot *d)
{
    while (d->parts != NULL) {
        struct depot_part *p = d->parts;
        d->parts = p->next;
        part_del(p);
    }
    free(d);
}

bool sim_depot_shares(struct sim_depot *d,
                      const uint8_t campaign[MU_CAMPAIGN_ID], uint8_t part)
{
    const struct depot_part *p = *depot_find(d, campaign, part);

    return p != NULL && !p->ours;
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
