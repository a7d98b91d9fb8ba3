/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets of the node engines share: a store and objects of a few
 * fixed bytes, and events read from the input:
 *
 *   kind (1) | ms since the last one (2) | link (1) | selector (1) | code (1) |
 *   a (length 2, bytes) | b (length 2, bytes)
 *
 * a is identity, path or packet; b is the payload. The selector picks a question
 * that is being asked, so that answers find theirs; code bit 7 of the kind says
 * that the message has an OSCORE option (the first byte of b is its length).
 */
#ifndef FUZZ_ENGINE_H
#define FUZZ_ENGINE_H

#include <stdlib.h>
#include <string.h>

#include "fuzz/believe_aead.h"
#include "muster/node.h"
#include "muster/object.h"
#include "muster/store.h"

#define ENGINE_ROWS 24
#define ENGINE_OBJECT 8192
#define ENGINE_OBJECTS 12
#define ENGINE_EFFECTS 4000 /* of one event: more is a loop */

struct engine_row {
    uint8_t table;
    uint8_t key[MU_STORE_KEY_MAX];
    size_t key_len;
    uint8_t *value;
    size_t value_len;
};

struct engine_store {
    struct engine_row rows[ENGINE_ROWS];
    uint32_t tickets[64]; /* of STOREs that are not reported yet */
    size_t tickets_len;
};

static struct engine_store engine_rows;
static uint8_t engine_bytes[ENGINE_OBJECTS][ENGINE_OBJECT];
static size_t engine_objects;

static inline struct engine_row *engine_find(uint8_t table, struct mu_bytes key)
{
    for (size_t i = 0; i < ENGINE_ROWS; i++) {
        struct engine_row *r = &engine_rows.rows[i];

        if (r->value != NULL && r->table == table &&
            mu_bytes_eq(key, mu_bytes(r->key, r->key_len)))
            return r;
    }
    return NULL;
}

static inline int engine_get(void *ctx, uint8_t table, struct mu_bytes key,
                             uint8_t *value, size_t *len)
{
    const struct engine_row *r = engine_find(table, key);

    (void)ctx;
    if (r == NULL)
        return MU_ERR_NOT_FOUND;
    if (*len < r->value_len)
        return MU_ERR_NO_SPACE;
    memcpy(value, r->value, r->value_len);
    *len = r->value_len;
    return 0;
}

static inline int engine_next(void *ctx, uint8_t table, struct mu_bytes after,
                              uint8_t *key, size_t *key_len, uint8_t *value,
                              size_t *value_len)
{
    const struct engine_row *best = NULL;

    for (size_t i = 0; i < ENGINE_ROWS; i++) {
        const struct engine_row *r = &engine_rows.rows[i];
        struct mu_bytes k = mu_bytes(r->key, r->key_len);

        if (r->value != NULL && r->table == table &&
            mu_bytes_order(k, after) > 0 &&
            (best == NULL ||
             mu_bytes_order(k, mu_bytes(best->key, best->key_len)) < 0))
            best = r;
    }
    if (best == NULL)
        return MU_ERR_NOT_FOUND;
    memcpy(key, best->key, best->key_len);
    *key_len = best->key_len;
    return engine_get(ctx, table, mu_bytes(key, *key_len), value, value_len);
}

static inline int engine_put(uint8_t table, struct mu_bytes key,
                             struct mu_bytes value)
{
    struct engine_row *r = engine_find(table, key);

    if (key.len == 0 || key.len > MU_STORE_KEY_MAX ||
        value.len > MU_STORE_VALUE_MAX)
        abort(); /* no engine may ask for that */
    for (size_t i = 0; i < ENGINE_ROWS && r == NULL; i++) {
        if (engine_rows.rows[i].value == NULL)
            r = &engine_rows.rows[i];
    }
    if (r == NULL)
        return MU_ERR_IO; /* full */
    free(r->value);
    r->value = NULL;
    if (value.data == NULL)
        return 0;
    r->value = malloc(value.len + 1);
    if (r->value == NULL)
        abort();
    memcpy(r->value, value.data, value.len);
    r->value_len = value.len;
    r->table = table;
    memcpy(r->key, key.data, key.len);
    r->key_len = key.len;
    return 0;
}

static inline struct mu_store engine_store(void)
{
    return (struct mu_store){NULL, engine_get, engine_next, NULL, NULL, NULL};
}

/* ---- objects ------------------------------------------------------------- */

static inline int engine_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    if (at > ENGINE_OBJECT || len > ENGINE_OBJECT - at)
        return MU_ERR_TOO_LARGE;
    memcpy(to, (uint8_t *)ctx + at, len);
    return 0;
}

static inline int engine_write(void *ctx, uint64_t at, const uint8_t *from,
                               size_t len)
{
    if (at > ENGINE_OBJECT || len > ENGINE_OBJECT - at)
        return MU_ERR_TOO_LARGE;
    memcpy((uint8_t *)ctx + at, from, len);
    return 0;
}

static inline int engine_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

static inline struct mu_object engine_object(void)
{
    uint8_t *bytes = engine_bytes[engine_objects++ % ENGINE_OBJECTS];

    return (struct mu_object){bytes, engine_read, engine_write, engine_sync};
}

static inline void engine_reset(void)
{
    for (size_t i = 0; i < ENGINE_ROWS; i++)
        free(engine_rows.rows[i].value);
    memset(&engine_rows, 0, sizeof engine_rows);
    memset(engine_bytes, 0, sizeof engine_bytes);
    engine_objects = 0;
}

/* ---- crypto ---------------------------------------------------------------- */

static inline int believe_seal(void *ctx, const struct mu_aead *a,
                               struct mu_bytes in, uint8_t *out,
                               size_t *out_len)
{
    size_t tag_len = mu_alg_tag_len(a->alg);

    (void)ctx;
    memmove(out, in.data, in.len);
    memset(out + in.len, 0, tag_len);
    *out_len = in.len + tag_len;
    return 0;
}

static inline int believe_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    memset(out, 0x5a, len);
    return 0;
}

static inline struct mu_crypto engine_crypto(void)
{
    struct mu_crypto c = believe_aead_crypto();

    c.seal = believe_seal;
    c.random = believe_random;
    return c;
}

/* ---- events ------------------------------------------------------------------ */

struct engine_event {
    struct mu_event ev;
    uint8_t selector;
};

static inline bool engine_event(struct mu_reader *r, mu_time *now,
                                struct engine_event *out)
{
    uint8_t kind = mu_read_u8(r);
    struct mu_bytes a, b;

    memset(out, 0, sizeof *out);
    *now += MU_MS(mu_read_u16(r));
    out->ev.now = *now;
    out->ev.kind = (enum mu_event_kind)((kind & 0x7f) % MU_EV_COUNT);
    out->ev.link = mu_read_u8(r);
    out->selector = mu_read_u8(r);
    out->ev.message.code = mu_read_u8(r);
    a = mu_read_bytes(r, mu_read_u16(r));
    b = mu_read_bytes(r, mu_read_u16(r));
    if (r->failed)
        return false;
    out->ev.identity = a;
    out->ev.message.path = a;
    out->ev.packet = a;
    out->ev.channel = out->ev.link % 2 == 0 ? MU_CHANNEL_AREA : MU_CHANNEL_WIDE;
    if ((kind & 0x80) != 0 && b.len > 0 && b.data[0] < b.len) {
        out->ev.message.oscore = mu_bytes(b.data + 1, b.data[0]);
        b = mu_bytes(b.data + 1 + b.data[0], b.len - 1 - b.data[0]);
    }
    out->ev.message.payload = b;
    out->ev.hook = out->selector % 2 == 0 ? MU_HOOK_INSTALL : MU_HOOK_CONFIRM;
    out->ev.result = out->ev.message.code % 8 == 7 ? MU_ERR_IO : 0;
    if (engine_rows.tickets_len > 0)
        out->ev.ticket = engine_rows.tickets[0];
    return true;
}

/* A STORE is applied and reported by the next event of that kind. */
static inline void engine_stored(const struct mu_effect *e)
{
    (void)engine_put(e->table, e->key, e->value);
    if (engine_rows.tickets_len < 64)
        engine_rows.tickets[engine_rows.tickets_len++] = e->ticket;
}

static inline void engine_report(void)
{
    if (engine_rows.tickets_len == 0)
        return;
    engine_rows.tickets_len--;
    memmove(engine_rows.tickets, engine_rows.tickets + 1,
            engine_rows.tickets_len * sizeof engine_rows.tickets[0]);
}

/* Every view of an effect is read, so that a sanitizer sees it. */
static inline void engine_touch(const struct mu_effect *e)
{
    const struct mu_bytes views[] = {e->message.path, e->message.oscore,
                                     e->message.payload, e->packet,
                                     e->key, e->value, e->name};
    volatile uint8_t sum = 0;

    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        for (size_t b = 0; views[i].data != NULL && b < views[i].len; b++)
            sum = (uint8_t)(sum + views[i].data[b]);
    }
}

#endif
