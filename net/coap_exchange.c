/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges: requests and their responses, repeats (RFC 7252 s.4.5), separate
 * responses (s.5.2.2), and bodies in blocks (RFC 7959).
 */
#include <stdlib.h>
#include <string.h>

#include "net/coap_session.h"
#include "net/log.h"

#define CODE_CONTINUE 0x5f   /* 2.31 */
#define CODE_BAD_REQUEST 0x80
#define CODE_UNAUTHORIZED 0x81
#define CODE_BAD_OPTION 0x82
#define CODE_INCOMPLETE 0x88 /* 4.08 */
#define CODE_TOO_LARGE 0x8d
#define CODE_UNAVAILABLE 0xa3

#define BODY_KEEP_MS 60000u /* half of RFC 7959's EXCHANGE_LIFETIME and more */

static uint8_t *exchange_copy(struct mu_bytes from)
{
    uint8_t *to = malloc(from.len == 0 ? 1 : from.len);

    if (to != NULL && from.len > 0)
        memcpy(to, from.data, from.len);
    return to;
}

/* ---- our requests ------------------------------------------------------ */

static void outbound_free(struct coap_outbound *o)
{
    free(o->body);
    free(o->got);
    free(o);
}

static void outbound_remove(struct coap_peer *p, struct coap_outbound *o)
{
    struct coap_outbound **at = &p->outbound;

    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    outbound_free(o);
}

static void outbound_give_up(struct coap_peer *p, struct coap_outbound *o)
{
    coap_exchange_failed(p->owner, p->link, o->exchange);
    outbound_remove(p, o);
}

static struct coap_outbound *outbound_find(struct coap_peer *p,
                                           coap_bin_const_t token)
{
    struct coap_outbound *o = p->outbound;

    while (o != NULL && (o->token_len != token.length ||
                         memcmp(o->token, token.s, token.length) != 0))
        o = o->next;
    return o;
}

static coap_pdu_t *exchange_pdu(struct coap_peer *p, const uint8_t *token,
                                size_t token_len, const struct coap_wire *w)
{
    coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, COAP_EMPTY_CODE,
                                    coap_new_message_id(p->session),
                                    coap_session_max_pdu_size(p->session));

    if (pdu == NULL)
        return NULL;
    if (!coap_add_token(pdu, token_len, token) || coap_wire_write(w, pdu) != 0) {
        coap_delete_pdu(pdu);
        return NULL;
    }
    return pdu;
}

/* Every block has a token of its own: RFC 9175 s.4.2. */
static int outbound_send(struct coap_peer *p, struct coap_outbound *o)
{
    uint32_t token = p->owner->next_token++;

    o->token[0] = (uint8_t)(token >> 24);
    o->token[1] = (uint8_t)(token >> 16);
    o->token[2] = (uint8_t)(token >> 8);
    o->token[3] = (uint8_t)token;
    o->until = coap_now(p->owner) + p->owner->conf.answer_ms;
    coap_pdu_t *pdu = exchange_pdu(p, o->token, o->token_len, &o->wire);

    if (pdu == NULL || coap_send(p->session, pdu) == COAP_INVALID_MID)
        return MU_ERR_IO;
    return 0;
}

static int outbound_send_block(struct coap_peer *p, struct coap_outbound *o)
{
    size_t size = (size_t)16 << o->szx, left = o->body_len - o->body_at;

    o->wire.payload = mu_bytes(o->body + o->body_at, left < size ? left : size);
    o->wire.block1 = (struct coap_wire_block){
        .set = true, .more = left > size, .szx = o->szx,
        .num = (uint32_t)(o->body_at / size),
    };
    return outbound_send(p, o);
}

static int wire_from_message(struct coap_wire *w, const struct mu_message *m)
{
    *w = (struct coap_wire){ .code = m->code, .payload = m->payload };
    if (m->path.len >= sizeof(w->path_text) || m->payload.len > MU_COAP_BODY_MAX)
        return MU_ERR_TOO_LARGE;
    if (m->path.len > 0)
        memcpy(w->path_text, m->path.data, m->path.len);
    w->path_len = m->path.len;
    if (m->oscore.data == NULL)
        return 0;
    if (m->oscore.len > sizeof(w->oscore_value))
        return MU_ERR_TOO_LARGE;
    w->oscore = true;
    w->oscore_len = m->oscore.len;
    memcpy(w->oscore_value, m->oscore.data, m->oscore.len);
    return 0;
}

static int exchange_send_request(struct coap_peer *p,
                                 const struct mu_message *m)
{
    struct coap_outbound *o = calloc(1, sizeof(*o)), **end = &p->outbound;
    int rc;

    if (o == NULL)
        return MU_ERR_FULL;
    o->exchange = m->exchange;
    /* One at a time goes without a token (RFC 7252 s.5.3.1). */
    o->token_len = p->offered && m->path.len == 0 && m->oscore.data == NULL
                       ? 0 : COAP_TOKEN_LEN;
    p->offered = false;
    o->szx = COAP_WIRE_SZX;
    rc = wire_from_message(&o->wire, m);
    if (rc == 0 && m->payload.len > MU_COAP_SINGLE) {
        o->body = exchange_copy(m->payload);
        o->body_len = m->payload.len;
        o->wire.rtag_set = true;
        o->wire.rtag = ++p->owner->next_tag;
        rc = o->body == NULL ? MU_ERR_FULL : 0;
    }
    if (rc != 0) {
        outbound_free(o);
        return rc;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = o;
    p->owner->counts.requests++;
    rc = o->body != NULL ? outbound_send_block(p, o) : outbound_send(p, o);
    if (rc != 0)
        outbound_remove(p, o);
    return rc;
}

/* ---- their responses --------------------------------------------------- */

/* The peer wants the next block of our body. True when that went out. */
static bool outbound_continue(struct coap_peer *p, struct coap_outbound *o,
                              const struct coap_wire *w)
{
    if (o->body == NULL || !w->block1.set || w->code != CODE_CONTINUE)
        return false;
    o->body_at += o->wire.payload.len;
    if (w->block1.szx < o->szx)
        o->szx = w->block1.szx;
    /* A smaller block that does not meet what was sent starts no new body. */
    if (o->body_at >= o->body_len || o->body_at % ((size_t)16 << o->szx) != 0)
        return false;
    return outbound_send_block(p, o) == 0;
}

/* Adds a block of the response. 1: more to come, 0: complete, or an error. */
static int outbound_gather(struct coap_peer *p, struct coap_outbound *o,
                           const struct coap_wire *w)
{
    size_t at = (size_t)w->block2.num << (w->block2.szx + 4);
    size_t len = o->got_len + w->payload.len;

    if (at != o->got_len || len > MU_COAP_BODY_MAX ||
        (o->got_len > 0 && (!w->etag_set || w->etag != o->etag)))
        return MU_ERR_MALFORMED;
    uint8_t *grown = realloc(o->got, len == 0 ? 1 : len);

    if (grown == NULL)
        return MU_ERR_FULL;
    if (w->payload.len > 0)
        memcpy(grown + o->got_len, w->payload.data, w->payload.len);
    o->got = grown;
    o->got_len = len;
    o->etag = w->etag;
    if (!w->block2.more)
        return 0;
    if (len % ((size_t)16 << w->block2.szx) != 0)
        return MU_ERR_MALFORMED;
    o->wire.payload = mu_bytes(NULL, 0);
    o->wire.block1.set = o->wire.rtag_set = false;
    o->wire.etag_set = true; /* of several at this path, this one */
    o->wire.etag = w->etag;
    o->wire.block2 = (struct coap_wire_block){
        .set = true, .szx = w->block2.szx,
        .num = (uint32_t)(len >> (w->block2.szx + 4)),
    };
    return outbound_send(p, o) == 0 ? 1 : MU_ERR_IO;
}

static void exchange_deliver(struct coap_peer *p, struct coap_outbound *o,
                             const struct coap_wire *w, struct mu_bytes payload)
{
    struct mu_coap *c = p->owner;
    struct mu_event ev = { .kind = MU_EV_RESPONSE, .link = p->link };

    ev.identity = mu_bytes(p->identity, p->identity_len);
    ev.message.code = w->code;
    ev.message.exchange = o->exchange;
    ev.message.payload = payload;
    if (w->oscore)
        ev.message.oscore = mu_bytes(w->oscore_value, w->oscore_len);
    /* Out of the list first: the engine may send from within the event. */
    struct coap_outbound **at = &p->outbound;

    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    c->counts.responses++;
    c->conf.event(c->conf.ctx, &ev);
    outbound_free(o);
}

coap_response_t coap_exchange_response(coap_session_t *session,
                                       const coap_pdu_t *sent,
                                       const coap_pdu_t *received,
                                       coap_mid_t mid)
{
    struct coap_peer *p = coap_session_get_app_data(session);
    struct coap_outbound *o;
    struct coap_wire w;
    int rc;

    (void)sent;
    (void)mid;
    if (p == NULL || !p->up || p->dead)
        return COAP_RESPONSE_OK;
    p->heard = coap_now(p->owner);
    o = outbound_find(p, coap_pdu_get_token(received));
    if (o == NULL)
        return COAP_RESPONSE_OK; /* a repeat, or too late: acknowledged */
    rc = coap_wire_read(&w, received);
    if (rc != 0) {
        mu_log(MU_LOG_DEBUG, "response-refused", "link=%u error=%s", p->link,
               mu_err_name(rc));
        outbound_give_up(p, o);
        return COAP_RESPONSE_OK;
    }
    if (outbound_continue(p, o, &w))
        return COAP_RESPONSE_OK;
    if (w.block2.set && (w.block2.more || w.block2.num > 0)) {
        rc = outbound_gather(p, o, &w);
        if (rc < 0)
            outbound_give_up(p, o);
        else if (rc == 0)
            exchange_deliver(p, o, &w, mu_bytes(o->got, o->got_len));
        return COAP_RESPONSE_OK;
    }
    exchange_deliver(p, o, &w, w.payload);
    return COAP_RESPONSE_OK;
}

void coap_exchange_nack(struct coap_peer *p, const coap_pdu_t *sent)
{
    coap_pdu_code_t code = coap_pdu_get_code(sent);
    struct coap_outbound *o;

    if (code == 0 || code >= 0x20)
        return; /* a response of ours: its request is the peer's worry */
    o = outbound_find(p, coap_pdu_get_token(sent));
    if (o != NULL)
        outbound_give_up(p, o);
}

/* ---- bodies that come or go in blocks ---------------------------------- */

static void body_clear(struct coap_body *b)
{
    free(b->data);
    *b = (struct coap_body){ .used = false };
}

static struct coap_body *body_find(struct coap_body *list,
                                   const struct coap_wire *w, uint32_t tag)
{
    for (int i = 0; i < COAP_BODIES_MAX; i++) {
        if (list[i].used && list[i].tag == tag &&
            list[i].path_len == w->path_len &&
            memcmp(list[i].path, w->path_text, w->path_len) == 0)
            return &list[i];
    }
    return NULL;
}

/* One for this path and tag: its own, a free one, or the oldest. */
static struct coap_body *body_make(struct coap_peer *p, struct coap_body *list,
                                   const char *path, size_t path_len,
                                   struct coap_body *b)
{
    for (int i = 0; b == NULL && i < COAP_BODIES_MAX; i++)
        b = list[i].used ? NULL : &list[i];
    if (b == NULL) {
        b = &list[0];
        for (int i = 1; i < COAP_BODIES_MAX; i++)
            b = list[i].until < b->until ? &list[i] : b;
    }
    body_clear(b);
    b->used = true;
    memcpy(b->path, path, path_len);
    b->path_len = path_len;
    b->until = coap_now(p->owner) + BODY_KEEP_MS;
    return b;
}

/*
 * A block of a request body. 1: wait for more, 0: complete (*body is it, and
 * is freed by body_clear), else the code to refuse with, negative.
 */
static int body_take(struct coap_peer *p, const struct coap_wire *w,
                     struct coap_body **body)
{
    size_t at = (size_t)w->block1.num << (w->block1.szx + 4);
    size_t len = at + w->payload.len;
    struct coap_body *b = body_find(p->coming, w, w->rtag);

    if (w->block1.num == 0) {
        b = body_make(p, p->coming, w->path_text, w->path_len, b);
        b->tag = w->rtag;
    }
    if (b == NULL || b->len != at)
        return -CODE_INCOMPLETE;
    if (len > MU_COAP_BODY_MAX) {
        body_clear(b);
        return -CODE_TOO_LARGE;
    }
    if (w->block1.more &&
        w->payload.len != (size_t)16 << w->block1.szx) {
        body_clear(b);
        return -CODE_BAD_REQUEST;
    }
    uint8_t *grown = realloc(b->data, len == 0 ? 1 : len);

    if (grown == NULL)
        return -CODE_UNAVAILABLE;
    if (w->payload.len > 0)
        memcpy(grown + at, w->payload.data, w->payload.len);
    b->data = grown;
    b->len = len;
    b->until = coap_now(p->owner) + BODY_KEEP_MS;
    *body = b;
    return w->block1.more ? 1 : 0;
}

/* ---- their requests ---------------------------------------------------- */

static struct coap_reply *reply_find(struct coap_peer *p, uint16_t mid)
{
    for (int i = 0; i < COAP_REPLIES; i++) {
        if (p->replies[i].used && p->replies[i].mid == mid)
            return &p->replies[i];
    }
    return NULL;
}

static void reply_begin(struct coap_peer *p, uint16_t mid)
{
    struct coap_reply *r = &p->replies[p->reply_next];

    p->reply_next = (p->reply_next + 1) % COAP_REPLIES;
    free(r->wire);
    *r = (struct coap_reply){ .used = true, .mid = mid };
}

/* Keeps what was answered at once, payload and all. */
static void reply_keep(struct coap_peer *p, uint16_t mid,
                       const struct coap_wire *w)
{
    struct coap_reply *r = reply_find(p, mid);
    struct coap_wire *kept;

    if (r == NULL || r->answered)
        return;
    kept = malloc(sizeof(*kept) + w->payload.len);
    if (kept == NULL)
        return;
    *kept = *w;
    if (w->payload.len > 0)
        memcpy(kept + 1, w->payload.data, w->payload.len);
    kept->payload = mu_bytes(kept + 1, w->payload.len);
    r->wire = kept;
    r->answered = true;
}

static void exchange_answer_now(struct coap_peer *p, uint16_t mid,
                                coap_pdu_t *pdu, const struct coap_wire *w)
{
    if (coap_wire_write(w, pdu) != 0) {
        coap_pdu_set_code(pdu, (coap_pdu_code_t)0xa0);
        return;
    }
    reply_keep(p, mid, w);
}

static void exchange_refuse(struct coap_peer *p, uint16_t mid, coap_pdu_t *pdu,
                            int code, const struct coap_wire_block *block1)
{
    struct coap_wire w = { .code = (uint8_t)code };

    if (block1 != NULL)
        w.block1 = *block1;
    exchange_answer_now(p, mid, pdu, &w);
}

/* First block, or one that was asked for, of a large response. */
static void exchange_cut(struct coap_wire *w, struct mu_bytes body,
                         uint32_t etag, uint8_t szx, uint32_t num)
{
    size_t size = (size_t)16 << szx, at = size * num;
    size_t left = at < body.len ? body.len - at : 0;

    w->etag_set = true;
    w->etag = etag;
    w->payload = mu_bytes(body.data + at, left < size ? left : size);
    w->block2 = (struct coap_wire_block){
        .set = true, .more = left > size, .szx = szx, .num = num,
    };
}

static void exchange_next_block(struct coap_peer *p, uint16_t mid,
                                coap_pdu_t *pdu, const struct coap_wire *asked)
{
    struct coap_body *b = body_find(p->going, asked, asked->etag);
    struct coap_wire w = { 0 };

    /* One who does not say which means the newest. */
    for (int i = 0; b == NULL && !asked->etag_set && i < COAP_BODIES_MAX; i++)
        b = body_find(p->going, asked, p->owner->next_tag - (uint32_t)i);

    if (b == NULL ||
        (size_t)asked->block2.num << (asked->block2.szx + 4) >= b->len) {
        exchange_refuse(p, mid, pdu, CODE_INCOMPLETE, NULL);
        return;
    }
    w.code = b->code;
    w.oscore = b->oscore; /* RFC 8613 s.4.1.3.4.2 */
    w.oscore_len = b->oscore_len;
    memcpy(w.oscore_value, b->oscore_value, b->oscore_len);
    exchange_cut(&w, mu_bytes(b->data, b->len), b->tag, asked->block2.szx,
                 asked->block2.num);
    exchange_answer_now(p, mid, pdu, &w);
}

static void inbound_remove(struct coap_peer *p, struct coap_inbound *in)
{
    struct coap_inbound **at = &p->inbound;

    while (*at != in)
        at = &(*at)->next;
    *at = in->next;
    p->inbound_len--;
    free(in);
}

static void exchange_ask_engine(struct coap_peer *p, uint16_t mid,
                                const coap_pdu_t *request, coap_pdu_t *pdu,
                                const struct coap_wire *w,
                                struct mu_bytes payload)
{
    struct mu_coap *c = p->owner;
    struct mu_event ev = { .kind = MU_EV_REQUEST, .link = p->link };
    struct coap_inbound *in = NULL;
    coap_bin_const_t token = coap_pdu_get_token(request);

    if (p->inbound_len < COAP_INBOUND_MAX && token.length <= 8)
        in = calloc(1, sizeof(*in));
    if (in == NULL) {
        exchange_refuse(p, mid, pdu, CODE_UNAVAILABLE, NULL);
        return;
    }
    *in = (struct coap_inbound){
        .next = p->inbound, .exchange = ++c->next_exchange,
        .token_len = token.length, .mid = mid, .block1 = w->block1,
        .path_len = w->path_len, .pdu = pdu,
        .until = coap_now(c) + 2 * (uint64_t)c->conf.answer_ms,
    };
    memcpy(in->token, token.s, token.length);
    memcpy(in->path, w->path_text, w->path_len);
    p->inbound = in;
    p->inbound_len++;
    uint32_t exchange = in->exchange;

    ev.identity = mu_bytes(p->identity, p->identity_len);
    ev.message = (struct mu_message){
        .code = w->code, .exchange = exchange, .payload = payload,
        .path = mu_bytes(w->path_text, w->path_len),
    };
    if (w->oscore)
        ev.message.oscore = mu_bytes(w->oscore_value, w->oscore_len);
    c->conf.event(c->conf.ctx, &ev);
    /* Not answered yet: libcoap acknowledges, the response comes apart. */
    for (in = p->inbound; in != NULL; in = in->next) {
        if (in->exchange == exchange)
            in->pdu = NULL;
    }
}

static void exchange_take(struct coap_peer *p, uint16_t mid,
                          const coap_pdu_t *request, coap_pdu_t *pdu)
{
    struct coap_wire w;
    struct coap_body *body = NULL;
    int rc = coap_wire_read(&w, request);

    if (rc != 0) {
        exchange_refuse(p, mid, pdu,
                        rc == MU_ERR_UNSUPPORTED ? CODE_BAD_OPTION
                                                 : CODE_BAD_REQUEST, NULL);
        return;
    }
    if (w.block2.set && w.block2.num > 0) {
        exchange_next_block(p, mid, pdu, &w);
        return;
    }
    w.block2.set = false;
    if (!w.block1.set || (w.block1.num == 0 && !w.block1.more)) {
        exchange_ask_engine(p, mid, request, pdu, &w, w.payload);
        return;
    }
    rc = body_take(p, &w, &body);
    if (rc < 0) {
        exchange_refuse(p, mid, pdu, -rc, &w.block1);
    } else if (rc == 1) {
        exchange_refuse(p, mid, pdu, CODE_CONTINUE, &w.block1);
    } else {
        /* The event may bring in nothing that clears it, but a copy of the
         * struct keeps the bytes ours whatever happens. */
        struct coap_body whole = *body;

        *body = (struct coap_body){ .used = false };
        exchange_ask_engine(p, mid, request, pdu, &w,
                            mu_bytes(whole.data, whole.len));
        body_clear(&whole);
    }
}

void coap_exchange_request(coap_resource_t *resource, coap_session_t *session,
                           const coap_pdu_t *request,
                           const coap_string_t *query, coap_pdu_t *response)
{
    struct coap_peer *p = coap_session_get_app_data(session);
    uint16_t mid = (uint16_t)coap_pdu_get_mid(request);
    struct coap_reply *repeat;

    (void)resource;
    (void)query;
    if (p == NULL || !p->up || p->dead) {
        coap_pdu_set_code(response, (coap_pdu_code_t)CODE_UNAUTHORIZED);
        return;
    }
    p->heard = coap_now(p->owner);
    repeat = reply_find(p, mid);
    if (repeat != NULL) {
        if (repeat->answered && coap_wire_write(repeat->wire, response) != 0)
            coap_pdu_set_code(response, (coap_pdu_code_t)0xa0);
        return;
    }
    reply_begin(p, mid);
    exchange_take(p, mid, request, response);
}

/* ---- our responses ----------------------------------------------------- */

static int exchange_send_response(struct coap_peer *p,
                                  const struct mu_message *m)
{
    struct coap_inbound *in = p->inbound;
    struct coap_wire w;
    int rc;

    while (in != NULL && in->exchange != m->exchange)
        in = in->next;
    if (in == NULL)
        return MU_ERR_NOT_FOUND;
    rc = wire_from_message(&w, m);
    if (rc != 0) {
        w = (struct coap_wire){ .code = 0xa0 };
        mu_log(MU_LOG_ERROR, "response-too-large", "link=%u bytes=%zu",
               p->link, m->payload.len);
    }
    w.path_len = 0;
    w.block1 = in->block1;
    if (w.payload.len > MU_COAP_SINGLE) {
        struct coap_body *b = body_make(p, p->going, in->path, in->path_len,
                                        NULL);

        b->data = exchange_copy(w.payload);
        if (b->data == NULL)
            return MU_ERR_FULL;
        b->len = w.payload.len;
        b->code = w.code;
        b->oscore = w.oscore;
        b->oscore_len = w.oscore_len;
        memcpy(b->oscore_value, w.oscore_value, w.oscore_len);
        b->tag = ++p->owner->next_tag;
        exchange_cut(&w, mu_bytes(b->data, b->len), b->tag, COAP_WIRE_SZX, 0);
    }
    if (in->pdu != NULL) {
        exchange_answer_now(p, in->mid, in->pdu, &w);
    } else {
        coap_pdu_t *pdu = exchange_pdu(p, in->token, in->token_len, &w);

        if (pdu == NULL || coap_send(p->session, pdu) == COAP_INVALID_MID)
            rc = MU_ERR_IO;
    }
    inbound_remove(p, in);
    return rc;
}

void mu_coap_send(struct mu_coap *c, uint32_t link, bool response,
                  const struct mu_message *m)
{
    struct coap_peer *p = link < c->slots_len ? c->slots[link].peer : NULL;
    int rc = MU_ERR_IO;

    if (p != NULL && p->up && !p->dead && p->session != NULL)
        rc = response ? exchange_send_response(p, m)
                      : exchange_send_request(p, m);
    if (rc == 0)
        return;
    mu_log(MU_LOG_DEBUG, "not-sent", "link=%u response=%d error=%s", link,
           (int)response, mu_err_name(rc));
    if (!response)
        coap_exchange_failed(c, link, m->exchange);
}

/* ---- time and end ------------------------------------------------------ */

void coap_exchange_tick(struct coap_peer *p, uint64_t now)
{
    struct coap_outbound *o = p->outbound;
    struct coap_inbound *in = p->inbound;

    while (o != NULL) {
        struct coap_outbound *next = o->next;

        if (now > o->until)
            outbound_give_up(p, o);
        o = next;
    }
    while (in != NULL) {
        struct coap_inbound *next = in->next;

        if (now > in->until)
            inbound_remove(p, in);
        in = next;
    }
    for (int i = 0; i < COAP_BODIES_MAX; i++) {
        if (p->coming[i].used && now > p->coming[i].until)
            body_clear(&p->coming[i]);
        if (p->going[i].used && now > p->going[i].until)
            body_clear(&p->going[i]);
    }
}

void coap_exchange_clear(struct coap_peer *p, bool tell)
{
    while (p->outbound != NULL) {
        if (tell)
            outbound_give_up(p, p->outbound);
        else
            outbound_remove(p, p->outbound);
    }
    while (p->inbound != NULL)
        inbound_remove(p, p->inbound);
    for (int i = 0; i < COAP_REPLIES; i++) {
        free(p->replies[i].wire);
        p->replies[i] = (struct coap_reply){ .used = false };
    }
    for (int i = 0; i < COAP_BODIES_MAX; i++) {
        body_clear(&p->coming[i]);
        body_clear(&p->going[i]);
    }
}
