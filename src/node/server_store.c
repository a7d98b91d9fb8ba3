/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Effects on their way to the body, and records as the engine sees them.
 *
 * Two rings: writes, which the body gets at once, and messages, each of which
 * waits for the last before_send write that was queued before it. A read sees
 * the queued writes, so that one step may change a record twice.
 */
#include "node/server_core.h"

/* ---- rings ---------------------------------------------------------------- */

static void ring_reset(struct mu_server_ring *r)
{
    mu_wipe(r->bytes, r->bytes_max);
    r->first = r->len = r->head = r->tail = 0;
    r->lent = false;
}

void mu_srv_rings_reset(struct mu_server *s)
{
    ring_reset(&s->stores);
    ring_reset(&s->sends);
}

static struct mu_server_item *ring_at(const struct mu_server_ring *r,
                                      uint32_t i)
{
    return &r->items[(r->first + i) % r->items_max];
}

/* The largest piece that can be had. */
static uint32_t ring_room(const struct mu_server_ring *r)
{
    uint32_t behind;

    if (r->len == 0)
        return r->bytes_max;
    if (r->tail <= r->head)
        return r->head - r->tail;
    behind = r->bytes_max - r->tail;
    return behind > r->head ? behind : r->head;
}

static struct mu_server_item *ring_put(struct mu_server_ring *r, uint32_t len)
{
    struct mu_server_item *item;
    uint32_t at = r->tail;

    mu_assert(r->len < r->items_max && len <= ring_room(r));
    if (r->len == 0)
        r->head = r->tail = at = 0;
    else if (r->tail > r->head && r->bytes_max - r->tail < len)
        at = 0;
    item = ring_at(r, r->len++);
    *item = (struct mu_server_item){.at = at};
    r->tail = at + len;
    return item;
}

static void ring_drop_first(struct mu_server_ring *r)
{
    struct mu_server_item *item = ring_at(r, 0);

    mu_wipe(r->bytes + item->at, item->first_len + item->second_len);
    r->first = (r->first + 1) % r->items_max;
    r->len--;
    r->lent = false;
    r->head = r->len != 0 ? ring_at(r, 0)->at : 0;
    if (r->len == 0)
        r->tail = 0;
}

static void ring_fill(struct mu_server_ring *r, struct mu_server_item *item,
                      struct mu_bytes first, struct mu_bytes second)
{
    item->first_len = (uint32_t)first.len;
    item->second_len = (uint32_t)second.len;
    mu_copy(r->bytes + item->at, first.data, first.len);
    mu_copy(r->bytes + item->at + first.len, second.data, second.len);
}

static struct mu_bytes ring_first(const struct mu_server_ring *r,
                                  const struct mu_server_item *item)
{
    return mu_bytes(r->bytes + item->at, item->first_len);
}

static struct mu_bytes ring_second(const struct mu_server_ring *r,
                                   const struct mu_server_item *item)
{
    return mu_bytes(r->bytes + item->at + item->first_len, item->second_len);
}

bool mu_srv_stores_room(const struct mu_server *s)
{
    return ring_room(&s->stores) >= MU_SERVER_STORES_ROOM &&
           s->stores.items_max - s->stores.len >= MU_SERVER_STORES_ITEMS;
}

bool mu_srv_sends_room(const struct mu_server *s)
{
    return ring_room(&s->sends) >= MU_SERVER_SENDS_ROOM &&
           s->sends.items_max - s->sends.len >= 2;
}

int mu_srv_room(const struct mu_server *s)
{
    return mu_srv_stores_room(s) && mu_srv_sends_room(s) ? 0 : MU_ERR_BUSY;
}

/* ---- writes --------------------------------------------------------------- */

static uint32_t store_queue(struct mu_server *s, uint8_t table,
                            const struct mu_record_key *key,
                            struct mu_bytes value, bool before_send)
{
    struct mu_server_item *item =
        ring_put(&s->stores, (uint32_t)(key->len + value.len));

    ring_fill(&s->stores, item, mu_record_key_view(key), value);
    item->table = table;
    item->deletes = value.data == NULL;
    item->before_send = before_send;
    item->ticket = ++s->ticket;
    if (before_send)
        s->barrier = s->ticket;
    return s->ticket;
}

uint32_t mu_srv_put(struct mu_server *s, uint8_t table,
                    const struct mu_record_key *key, struct mu_bytes value)
{
    return store_queue(s, table, key, value, true);
}

uint32_t mu_srv_put_written(struct mu_server *s, uint8_t table,
                            const struct mu_record_key *key,
                            const struct mu_writer *w)
{
    mu_assert(mu_writer_end(w) == 0);
    return store_queue(s, table, key, mu_written(w), true);
}

uint32_t mu_srv_put_lazy(struct mu_server *s, uint8_t table,
                         const struct mu_record_key *key,
                         const struct mu_writer *w)
{
    mu_assert(mu_writer_end(w) == 0);
    return store_queue(s, table, key, mu_written(w), false);
}

void mu_srv_delete(struct mu_server *s, uint8_t table,
                   const struct mu_record_key *key)
{
    (void)store_queue(s, table, key, mu_bytes(NULL, 0), false);
}

/* The newest queued write of a record; NULL: none. */
static struct mu_server_item *store_find(const struct mu_server *s,
                                         uint8_t table,
                                         const struct mu_record_key *key)
{
    for (uint32_t i = s->stores.len; i > 0; i--) {
        struct mu_server_item *item = ring_at(&s->stores, i - 1);
        if (item->table == table && item->first_len == key->len &&
            mu_bytes_eq(ring_first(&s->stores, item),
                        mu_record_key_view(key)))
            return item;
    }
    return NULL;
}

void mu_srv_put_merged(struct mu_server *s, uint8_t table,
                       const struct mu_record_key *key,
                       const struct mu_writer *w)
{
    struct mu_server_item *item = store_find(s, table, key);
    struct mu_bytes value = mu_written(w);

    if (item != NULL && item->second_len == value.len && !item->deletes &&
        !(s->stores.lent && item == ring_at(&s->stores, 0)))
        mu_copy(s->stores.bytes + item->at + item->first_len, value.data,
                value.len);
    else
        (void)mu_srv_put_written(s, table, key, w);
}

bool mu_srv_is_durable(const struct mu_server *s, uint32_t ticket)
{
    /* Tickets wrap; two that are compared are never far apart. */
    return (uint32_t)(s->durable - ticket) < UINT32_MAX / 2;
}

bool mu_srv_open(const struct mu_server *s)
{
    return mu_srv_is_durable(s, s->barrier);
}

/* ---- reads ---------------------------------------------------------------- */

int mu_srv_get(struct mu_server *s, uint8_t table,
               const struct mu_record_key *key, struct mu_bytes *value)
{
    const struct mu_server_item *item = store_find(s, table, key);
    size_t len = MU_STORE_VALUE_MAX;
    int rc;

    *value = mu_bytes(s->value, 0);
    if (item != NULL) {
        if (item->deletes)
            return MU_ERR_NOT_FOUND;
        *value = ring_second(&s->stores, item);
        return 0;
    }
    rc = s->conf.store->get(s->conf.store->ctx, table, mu_record_key_view(key),
                            s->value, &len);
    if (rc == 0)
        *value = mu_bytes(s->value, len);
    return rc;
}

int mu_srv_next(struct mu_server *s, uint8_t table, struct mu_record_key *key,
                struct mu_bytes *value)
{
    struct mu_record_key after = *key;
    size_t len = MU_STORE_VALUE_MAX;
    int rc;

    key->len = sizeof key->bytes;
    rc = s->conf.store->next(s->conf.store->ctx, table,
                             mu_record_key_view(&after), key->bytes, &key->len,
                             s->value, &len);
    *value = mu_bytes(s->value, rc == 0 ? len : 0);
    /* A damaged record still has a key to go on behind. */
    if (rc == MU_ERR_CORRUPT && key->len == 0)
        rc = MU_ERR_IO;
    if (rc != 0 && rc != MU_ERR_CORRUPT)
        *key = after;
    return rc;
}

bool mu_srv_taken(const struct mu_server *s)
{
    return s->stores.len == 0;
}

struct mu_writer mu_srv_writer(struct mu_server *s)
{
    return mu_writer(s->text, MU_STORE_VALUE_MAX);
}

static struct mu_record_key number_key(const char *name)
{
    struct mu_bytes text = mu_bytes_str(name);
    struct mu_record_key k = {.len = text.len};

    mu_copy(k.bytes, text.data, text.len);
    return k;
}

int mu_srv_number_get(struct mu_server *s, const char *name, uint64_t *number)
{
    struct mu_record_key k = number_key(name);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_NODE, &k, &value);

    *number = 0;
    return rc == 0 ? mu_number_record_read(value, number) : rc;
}

uint32_t mu_srv_number_put(struct mu_server *s, const char *name,
                           uint64_t number)
{
    struct mu_record_key k = number_key(name);
    uint8_t room[16];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_number_record_write(&w, number);
    return mu_srv_put_written(s, MU_TABLE_NODE, &k, &w);
}

/* ---- messages ------------------------------------------------------------- */

static struct mu_server_item *send_queue(struct mu_server *s, uint32_t link,
                                         struct mu_bytes option,
                                         struct mu_bytes payload)
{
    struct mu_server_item *item =
        ring_put(&s->sends, (uint32_t)(option.len + payload.len));

    ring_fill(&s->sends, item, option, payload);
    item->link = link;
    item->ticket = s->barrier;
    return item;
}

void mu_srv_answer_protected(struct mu_server *s, const struct mu_event *ev,
                             uint8_t code, struct mu_bytes option,
                             struct mu_bytes payload)
{
    struct mu_server_item *item = send_queue(s, ev->link, option, payload);

    item->response = true;
    item->protected_ = option.data != NULL;
    item->code = code;
    item->exchange = ev->message.exchange;
}

void mu_srv_answer(struct mu_server *s, const struct mu_event *ev,
                   uint8_t code, struct mu_bytes payload)
{
    mu_srv_answer_protected(s, ev, code, mu_bytes(NULL, 0), payload);
}

uint32_t mu_srv_request(struct mu_server *s, uint32_t link, const char *path,
                        struct mu_bytes payload)
{
    struct mu_server_item *item =
        send_queue(s, link, mu_bytes(NULL, 0), payload);

    item->code = MU_COAP_POST;
    item->path = path;
    item->exchange = ++s->exchange;
    return item->exchange;
}

void mu_srv_trace(struct mu_server *s, const char *name, uint64_t a,
                  uint64_t b)
{
    mu_traces_put(&s->traces, name, a, b);
}

/* ---- effects -------------------------------------------------------------- */

static void take_store(const struct mu_server_ring *r,
                       const struct mu_server_item *item,
                       struct mu_effect *out)
{
    out->kind = MU_DO_STORE;
    out->table = item->table;
    out->key = ring_first(r, item);
    out->value = ring_second(r, item);
    if (item->deletes)
        out->value = mu_bytes(NULL, 0);
    out->ticket = item->ticket;
    out->before_send = item->before_send;
}

static void take_send(const struct mu_server_ring *r,
                      const struct mu_server_item *item, struct mu_effect *out)
{
    out->kind = MU_DO_SEND;
    out->link = item->link;
    out->response = item->response;
    out->message.code = item->code;
    out->message.exchange = item->exchange;
    if (item->path != NULL)
        out->message.path = mu_bytes_str(item->path);
    if (item->protected_)
        out->message.oscore = ring_first(r, item);
    out->message.payload = ring_second(r, item);
}

bool mu_srv_take(struct mu_server *s, struct mu_effect *out)
{
    struct mu_trace t;

    if (s->stores.lent)
        ring_drop_first(&s->stores);
    if (s->sends.lent)
        ring_drop_first(&s->sends);
    *out = (struct mu_effect){0};
    if (mu_traces_take(&s->traces, &t)) {
        out->kind = MU_DO_TRACE;
        out->trace = t.name;
        out->a = t.a;
        out->b = t.b;
        return true;
    }
    /* Messages that wait for nothing more go before further writes. */
    if (s->sends.len != 0 &&
        mu_srv_is_durable(s, ring_at(&s->sends, 0)->ticket)) {
        take_send(&s->sends, ring_at(&s->sends, 0), out);
        s->sends.lent = true;
        return true;
    }
    if (s->stores.len != 0) {
        take_store(&s->stores, ring_at(&s->stores, 0), out);
        s->stores.lent = true;
        return true;
    }
    return false;
}
