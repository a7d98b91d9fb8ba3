/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between a device and its gateway: see muster/area_msg.h. */
#include "muster/area_msg.h"

#include "muster/cast.h"
#include "node/msg.h"

/* The period and the window, and what a welcome has beside them. */
static void area_listens_write(const struct mu_area_listens *l,
                               const uint32_t *opens_in_ms,
                               struct mu_writer *w)
{
    mu_cbor_put_array(w, opens_in_ms != NULL ? 3 : 2);
    mu_cbor_put_uint(w, l->period_s);
    mu_cbor_put_uint(w, l->window_s);
    if (opens_in_ms != NULL)
        mu_cbor_put_uint(w, *opens_in_ms);
}

static void area_listens_read(struct mu_reader *r, struct mu_area_listens *l,
                              uint32_t *opens_in_ms)
{
    const uint64_t most = MU_LISTEN_PERIOD_MAX;

    mu_cbor_expect_array(r, opens_in_ms != NULL ? 3 : 2);
    l->period_s = (uint32_t)mu_cbor_get_uint_max(r, most);
    l->window_s = (uint32_t)mu_cbor_get_uint_max(r, most);
    if (opens_in_ms != NULL)
        *opens_in_ms = (uint32_t)mu_cbor_get_uint_max(r, most * 1000);
    if (l->window_s == 0 || l->window_s >= l->period_s)
        mu_reader_fail(r);
}

int mu_area_hello_create(const struct mu_area_hello *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, 2u + (m->port != 0) + (m->listens.period_s != 0));
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_tstr(w, m->software);
    mu_cbor_put_uint(w, 2);
    mu_capability_write(w, &m->capability);
    if (m->port != 0) {
        mu_cbor_put_uint(w, 3);
        mu_cbor_put_uint(w, m->port);
    }
    if (m->listens.period_s != 0) {
        mu_cbor_put_uint(w, 4);
        area_listens_write(&m->listens, NULL, w);
    }
    return mu_writer_end(w);
}

int mu_area_hello_consume(struct mu_bytes in, struct mu_area_hello *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_area_hello){.software = {NULL, 0}};
    while (mu_msg_next(&r, &map, &key)) {
        switch (key) {
        case 1:
            m->software = mu_msg_get_text(&r, 0, MU_ID_MAX);
            break;
        case 2:
            mu_capability_read(&r, &m->capability);
            break;
        case 3:
            m->port = (uint16_t)mu_cbor_get_uint_max(&r, UINT16_MAX);
            break;
        case 4:
            area_listens_read(&r, &m->listens, NULL);
            break;
        default:
            mu_cbor_skip(&r);
        }
    }
    return mu_msg_end(&r, &map, 0x6);
}

static void area_sessions_write(const struct mu_area_welcome *m,
                                struct mu_writer *w)
{
    mu_cbor_put_uint(w, 8);
    mu_cbor_put_array(w, m->sessions_len);
    for (size_t i = 0; i < m->sessions_len; i++) {
        mu_cbor_put_array(w, 2);
        mu_cbor_put_uint(w, m->sessions[i].session);
        mu_cbor_put_bstr(w, MU_BYTES(m->sessions[i].object));
    }
}

static void area_sessions_read(struct mu_reader *r, struct mu_area_welcome *m)
{
    size_t n = mu_cbor_get_array(r);

    if (n > MU_SESSIONS_MAX) {
        mu_reader_fail(r);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        mu_cbor_expect_array(r, 2);
        m->sessions[i].session = (uint8_t)mu_cbor_get_uint_max(r, UINT8_MAX);
        mu_cbor_get_bstr_copy(r, m->sessions[i].object, MU_OBJECT_ID_LEN);
    }
    m->sessions_len = (uint8_t)n;
}

int mu_area_welcome_create(const struct mu_area_welcome *m,
                           struct mu_writer *w)
{
    mu_cbor_put_map(w, 9u + (m->listens.period_s != 0));
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_tstr(w, m->gateway);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->index);
    mu_cbor_put_uint(w, 3);
    mu_msg_put_kid(w, &m->kid);
    mu_cbor_put_uint(w, 4);
    mu_msg_put_key(w, &m->kg);
    mu_cbor_put_uint(w, 5);
    mu_cbor_put_tstr(w, m->address);
    mu_cbor_put_uint(w, 6);
    mu_cbor_put_uint(w, m->port);
    mu_cbor_put_uint(w, 7);
    mu_cbor_put_uint(w, m->up_port);
    area_sessions_write(m, w);
    mu_cbor_put_uint(w, 9);
    mu_msg_put_tick(w, &m->tick);
    if (m->listens.period_s != 0) {
        mu_cbor_put_uint(w, 10);
        area_listens_write(&m->listens, &m->opens_in_ms, w);
    }
    return mu_writer_end(w);
}

static void area_welcome_read(struct mu_reader *r, int64_t key,
                              struct mu_area_welcome *m)
{
    switch (key) {
    case 1:
        m->gateway = mu_msg_get_text(r, 1, MU_ID_MAX);
        break;
    case 2:
        m->index = (uint16_t)mu_cbor_get_uint_max(r, MU_AREA_DEVICES_MAX - 1);
        break;
    case 3:
        mu_msg_get_kid(r, MU_KEY_KG, &m->kid);
        break;
    case 4:
        mu_msg_get_key(r, &m->kg);
        break;
    case 5:
        m->address = mu_msg_get_text(r, 1, MU_ADDR_TEXT_MAX - 1);
        break;
    case 6:
        m->port = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    case 7:
        m->up_port = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    case 8:
        area_sessions_read(r, m);
        break;
    case 9:
        mu_msg_get_tick(r, &m->tick);
        break;
    case 10:
        area_listens_read(r, &m->listens, &m->opens_in_ms);
        break;
    default:
        mu_cbor_skip(r);
    }
}

int mu_area_welcome_consume(struct mu_bytes in, struct mu_area_welcome *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;
    int rc;

    *m = (struct mu_area_welcome){.index = 0};
    while (mu_msg_next(&r, &map, &key)) {
        area_welcome_read(&r, key, m);
    }
    rc = mu_msg_end(&r, &map, 0x3fe);
    if (rc != 0)
        mu_secret_clear(&m->kg);
    return rc;
}

int mu_area_key_create(const struct mu_area_key *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, 3);
    mu_cbor_put_uint(w, 3);
    mu_msg_put_kid(w, &m->kid);
    mu_cbor_put_uint(w, 4);
    mu_msg_put_key(w, &m->kg);
    mu_cbor_put_uint(w, 5);
    mu_msg_put_tick(w, &m->tick);
    return mu_writer_end(w);
}

int mu_area_key_consume(struct mu_bytes in, struct mu_area_key *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;
    int rc;

    *m = (struct mu_area_key){.kid = {0, 0, 0}};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 3)
            mu_msg_get_kid(&r, MU_KEY_KG, &m->kid);
        else if (key == 4)
            mu_msg_get_key(&r, &m->kg);
        else if (key == 5)
            mu_msg_get_tick(&r, &m->tick);
        else
            mu_cbor_skip(&r);
    }
    rc = mu_msg_end(&r, &map, 0x38);
    if (rc != 0)
        mu_secret_clear(&m->kg);
    return rc;
}

/* KDF(Kg, "kb wrap", kid, 16) */
static int area_wrap_key(const struct mu_crypto *c, const struct mu_secret *kg,
                         const struct mu_kid *kid, struct mu_secret *kek)
{
    uint8_t raw[MU_KID_LEN];
    struct mu_writer w = mu_writer(raw, sizeof raw);

    mu_kid_write(&w, kid);
    return mu_kdf(c, kg, "kb wrap", mu_written(&w), 16, kek);
}

int mu_area_group_key_create(const struct mu_crypto *c,
                             const struct mu_secret *kg,
                             const struct mu_area_group_key *m,
                             struct mu_writer *w)
{
    struct mu_secret kek;
    uint8_t wrapped[MU_KB_WRAPPED_LEN];
    int rc;

    if (m->kb.len + 8u != MU_KB_WRAPPED_LEN)
        return MU_ERR_USAGE;
    rc = area_wrap_key(c, kg, &m->kid, &kek);
    if (rc == 0)
        rc = mu_key_wrap(c, &kek, mu_secret_view(&m->kb), wrapped);
    mu_secret_clear(&kek);
    if (rc != 0)
        return rc;
    mu_cbor_put_map(w, 2);
    mu_cbor_put_uint(w, 1);
    mu_msg_put_kid(w, &m->kid);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_bstr(w, MU_BYTES(wrapped));
    return mu_writer_end(w);
}

static int area_group_key_unwrap(const struct mu_crypto *c,
                                 const struct mu_secret *kg,
                                 struct mu_bytes wrapped,
                                 struct mu_area_group_key *m)
{
    struct mu_secret kek;
    uint8_t plain[MU_KB_WRAPPED_LEN - 8];
    int rc = area_wrap_key(c, kg, &m->kid, &kek);

    if (rc == 0)
        rc = mu_key_unwrap(c, &kek, wrapped, plain);
    if (rc == 0)
        rc = mu_secret_set(&m->kb, MU_BYTES(plain));
    mu_wipe(plain, sizeof plain);
    mu_secret_clear(&kek);
    return rc;
}

int mu_area_group_key_consume(const struct mu_crypto *c,
                              const struct mu_secret *kg, struct mu_bytes in,
                              struct mu_area_group_key *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    struct mu_bytes wrapped = {NULL, 0};
    int64_t key;
    int rc;

    *m = (struct mu_area_group_key){.kid = {0, 0, 0}};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            mu_msg_get_kid(&r, MU_KEY_KB, &m->kid);
        else if (key == 2)
            wrapped = mu_msg_get_data(&r, MU_KB_WRAPPED_LEN,
                                      MU_KB_WRAPPED_LEN);
        else
            mu_cbor_skip(&r);
    }
    rc = mu_msg_end(&r, &map, 0x6);
    if (rc != 0)
        return rc;
    return area_group_key_unwrap(c, kg, wrapped, m);
}

/* A map of one byte string of a length that is known. */
static int area_one_create(struct mu_bytes v, struct mu_writer *w)
{
    mu_cbor_put_map(w, 1);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, v);
    return mu_writer_end(w);
}

static int area_one_consume(struct mu_bytes in, uint8_t *to, size_t len)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            mu_cbor_get_bstr_copy(&r, to, len);
        else
            mu_cbor_skip(&r);
    }
    return mu_msg_end(&r, &map, 0x2);
}

int mu_area_vouch_create(const uint8_t digest[MU_SHA256_LEN],
                         struct mu_writer *w)
{
    return area_one_create(mu_bytes(digest, MU_SHA256_LEN), w);
}

int mu_area_vouch_consume(struct mu_bytes in, uint8_t digest[MU_SHA256_LEN])
{
    return area_one_consume(in, digest, MU_SHA256_LEN);
}

int mu_area_feedback_create(const uint8_t id[MU_CONNECT_ID],
                            struct mu_writer *w)
{
    return area_one_create(mu_bytes(id, MU_CONNECT_ID), w);
}

int mu_area_feedback_consume(struct mu_bytes in, uint8_t id[MU_CONNECT_ID])
{
    return area_one_consume(in, id, MU_CONNECT_ID);
}

/* What a device says at the end of almost every campaign, left out. */
#define RIDE_STATE                                                             \
    (MU_STATE_RECEIVED | MU_STATE_VERIFIED | MU_STATE_INSTALLED |              \
     MU_STATE_RUNNING)

int mu_area_ride_create(const struct mu_area_ride *m, struct mu_writer *w)
{
    mu_write_u8(w, m->session);
    if (m->state != RIDE_STATE || m->reason != 0) {
        mu_write_u8(w, m->state);
        mu_write_u8(w, m->reason);
    }
    mu_write_bytes(w, MU_BYTES(m->ack));
    return mu_writer_end(w);
}

int mu_area_ride_consume(struct mu_bytes in, struct mu_area_ride *m)
{
    struct mu_reader r = mu_reader(in);

    *m = (struct mu_area_ride){.session = mu_read_u8(&r), .state = RIDE_STATE};
    if (in.len > 1 + MU_ACK_LEN) {
        m->state = mu_read_u8(&r);
        m->reason = mu_read_u8(&r);
    }
    mu_read_copy(&r, m->ack, MU_ACK_LEN);
    if (mu_reader_end(&r) != 0 || m->state == 0 ||
        (in.len > 1 + MU_ACK_LEN && m->state == RIDE_STATE && m->reason == 0))
        return MU_ERR_MALFORMED; /* one form only */
    return 0;
}

int mu_area_ask_create(uint8_t session, struct mu_writer *w)
{
    mu_msg_put_one(w, session);
    return mu_writer_end(w);
}

int mu_area_ask_consume(struct mu_bytes in, uint8_t *session)
{
    uint64_t v;
    int rc = mu_msg_get_one(in, UINT8_MAX, &v);

    *session = (uint8_t)v;
    return rc;
}
