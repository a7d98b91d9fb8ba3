/* SPDX-License-Identifier: Apache-2.0 */
/* Key fetch, request and response: docs/wire-format.md s.4. */
#include "muster/cbor.h"
#include "muster/keyfetch.h"

#define KB_LEN 32 /* bytes */
/* Bytes of field 4 beside the piece: array, group, total, offset, heads. */
#define PIECE_OVERHEAD 16

static bool request_states_valid(const struct mu_keyfetch_request *m)
{
    if (m->states_len > MU_DEVICE_GROUPS_MAX)
        return false;
    for (size_t i = 0; i < m->states_len; i++) {
        for (size_t j = 0; j < i; j++) {
            if (m->states[j].group == m->states[i].group)
                return false;
        }
    }
    if ((m->speaker.len != 0) != (m->scheme != 0) ||
        (m->speaker.len != 0 && m->speaker.len != 32 &&
         m->speaker.len != MU_PUBLIC_KEY_MAX))
        return false;
    return !m->collecting ||
           (m->offset > 0 && m->offset <= MU_MEMBER_STATE_MAX);
}

static bool request_valid(const struct mu_keyfetch_request *m)
{
    if (m->held_len > MU_DEVICE_GROUPS_MAX)
        return false;
    for (size_t i = 0; i < m->held_len; i++) {
        if (m->held[i].kind != MU_KEY_KB)
            return false;
        for (size_t j = 0; j < i; j++) {
            if (m->held[j].scope == m->held[i].scope)
                return false;
        }
    }
    return request_states_valid(m);
}

static bool response_piece_valid(const struct mu_keyfetch_response *m)
{
    if (m->piece.len == 0)
        return true;
    return mu_groups_find(&m->groups, m->piece_group) >= 0 &&
           m->piece_total <= MU_MEMBER_STATE_MAX &&
           m->piece_offset < m->piece_total &&
           m->piece.len <= (size_t)(m->piece_total - m->piece_offset);
}

static bool response_valid(const struct mu_keyfetch_response *m)
{
    if (m->keys_len > MU_DEVICE_GROUPS_MAX || !mu_groups_valid(&m->groups))
        return false;
    for (size_t i = 0; i < m->keys_len; i++) {
        const struct mu_keyfetch_key *key = &m->keys[i];
        if (key->kid.kind != MU_KEY_KB || key->key.len != KB_LEN ||
            mu_groups_find(&m->groups, key->kid.scope) < 0)
            return false;
        for (size_t j = 0; j < i; j++) {
            if (m->keys[j].kid.scope == key->kid.scope)
                return false;
        }
    }
    if (m->msks_len > MU_KEYFETCH_MSKS_MAX)
        return false;
    for (size_t i = 0; i < m->msks_len; i++) {
        const struct mu_keyfetch_msk *msk = &m->msks[i];
        if (msk->kid.kind != MU_KEY_KB || msk->message.len == 0 ||
            msk->message.len > MU_KEYFETCH_MSK_MAX ||
            mu_groups_find(&m->groups, msk->kid.scope) < 0)
            return false;
    }
    if (m->withheld_len > MU_DEVICE_GROUPS_MAX)
        return false;
    for (size_t i = 0; i < m->withheld_len; i++) {
        if (mu_groups_find(&m->groups, m->withheld[i]) < 0 ||
            (i > 0 && m->withheld[i] <= m->withheld[i - 1]))
            return false;
    }
    return response_piece_valid(m);
}

static void kid_put(struct mu_writer *w, const struct mu_kid *kid)
{
    mu_cbor_put_bstr_head(w, MU_KID_LEN);
    mu_kid_write(w, kid);
}

static struct mu_kid kid_get(struct mu_reader *r)
{
    struct mu_reader in = mu_reader(mu_cbor_get_bstr(r));
    struct mu_kid kid = mu_kid_read(&in);

    if (mu_reader_end(&in) != 0)
        mu_reader_fail(r);
    return kid;
}

/* Items of an array that has to fit the tables of a device. */
static uint8_t count_get(struct mu_reader *r)
{
    size_t count = mu_cbor_get_array(r);

    if (count > MU_DEVICE_GROUPS_MAX)
        mu_reader_fail(r);
    return r->failed ? 0 : (uint8_t)count;
}

static void state_put(struct mu_writer *w, const struct mu_keyfetch_state *s,
                      size_t items)
{
    mu_cbor_put_array(w, items);
    mu_cbor_put_uint(w, s->group);
    mu_cbor_put_uint(w, s->base);
    mu_cbor_put_uint(w, s->newest);
}

static void state_get(struct mu_reader *r, struct mu_keyfetch_state *s,
                      size_t items)
{
    mu_cbor_expect_array(r, items);
    s->group = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
    s->base = mu_cbor_get_uint(r);
    s->newest = mu_cbor_get_uint(r);
}

int mu_keyfetch_request_create(const struct mu_keyfetch_request *m,
                               struct mu_writer *w)
{
    if (!request_valid(m))
        return MU_ERR_USAGE;
    mu_cbor_put_map(w, 1u + (m->states_len != 0 ? 1 : 0) +
                           (m->collecting ? 1 : 0) +
                           (m->speaker.len != 0 ? 1 : 0));
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_array(w, m->held_len);
    for (size_t i = 0; i < m->held_len; i++)
        kid_put(w, &m->held[i]);
    if (m->states_len != 0) {
        mu_cbor_put_uint(w, 2);
        mu_cbor_put_array(w, m->states_len);
        for (size_t i = 0; i < m->states_len; i++)
            state_put(w, &m->states[i], 3);
    }
    if (m->collecting) {
        mu_cbor_put_uint(w, 3);
        state_put(w, &m->which, 4);
        mu_cbor_put_uint(w, m->offset);
    }
    if (m->speaker.len != 0) {
        mu_cbor_put_uint(w, 4);
        mu_cbor_put_array(w, 2);
        mu_cbor_put_uint(w, m->scheme);
        mu_cbor_put_bstr(w, m->speaker);
    }
    return mu_writer_end(w);
}

static void request_read(struct mu_reader *r, int64_t key,
                         struct mu_keyfetch_request *m)
{
    switch (key) {
    case 1:
        m->held_len = count_get(r);
        for (size_t i = 0; i < m->held_len; i++)
            m->held[i] = kid_get(r);
        break;
    case 2:
        m->states_len = count_get(r);
        for (size_t i = 0; i < m->states_len; i++)
            state_get(r, &m->states[i], 3);
        break;
    case 3:
        m->collecting = true;
        state_get(r, &m->which, 4);
        m->offset = (uint16_t)mu_cbor_get_uint_max(r, MU_MEMBER_STATE_MAX);
        break;
    case 4:
        mu_cbor_expect_array(r, 2);
        m->scheme = (uint8_t)mu_cbor_get_uint_max(r, UINT8_MAX);
        m->speaker = mu_cbor_get_bstr(r);
        break;
    default:
        mu_cbor_skip(r);
        break;
    }
}

int mu_keyfetch_request_consume(struct mu_bytes in,
                                struct mu_keyfetch_request *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    bool there = false;
    int64_t key;
    int rc;

    *m = (struct mu_keyfetch_request){0};
    while (mu_cbor_map_next(&r, &map, &key)) {
        there = there || key == 1;
        request_read(&r, key, m);
    }
    rc = mu_reader_end(&r);
    if (rc == 0 && (!there || !request_valid(m)))
        rc = MU_ERR_MALFORMED;
    if (rc != 0)
        *m = (struct mu_keyfetch_request){0};
    return rc;
}

static void response_write(const struct mu_keyfetch_response *m,
                           struct mu_writer *w)
{
    mu_cbor_put_map(w, 3u + (m->piece.len > 0 ? 1 : 0) +
                           (m->msks_len > 0 ? 1 : 0) +
                           (m->withheld_len > 0 ? 1 : 0));
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_array(w, m->keys_len);
    for (size_t i = 0; i < m->keys_len; i++) {
        mu_cbor_put_array(w, 3);
        kid_put(w, &m->keys[i].kid);
        mu_cbor_put_bstr(w, mu_secret_view(&m->keys[i].key));
        mu_cbor_put_uint(w, m->keys[i].valid_s);
    }
    mu_cbor_put_uint(w, 2);
    mu_groups_write(w, &m->groups);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_uint(w, m->epoch);
    if (m->piece.len > 0) {
        mu_cbor_put_uint(w, 4);
        mu_cbor_put_array(w, 4);
        mu_cbor_put_uint(w, m->piece_group);
        mu_cbor_put_uint(w, m->piece_total);
        mu_cbor_put_uint(w, m->piece_offset);
        mu_cbor_put_bstr(w, m->piece);
    }
    if (m->msks_len > 0) {
        mu_cbor_put_uint(w, 5);
        mu_cbor_put_array(w, m->msks_len);
    }
    for (size_t i = 0; i < m->msks_len; i++) {
        mu_cbor_put_array(w, 3);
        kid_put(w, &m->msks[i].kid);
        mu_cbor_put_bstr(w, m->msks[i].message);
        mu_cbor_put_uint(w, m->msks[i].valid_s);
    }
    if (m->withheld_len == 0)
        return;
    mu_cbor_put_uint(w, 6);
    mu_cbor_put_array(w, m->withheld_len);
    for (size_t i = 0; i < m->withheld_len; i++)
        mu_cbor_put_uint(w, m->withheld[i]);
}

size_t mu_keyfetch_piece_room(const struct mu_keyfetch_response *m)
{
    struct mu_keyfetch_response bare = *m;
    uint8_t out[MU_KEYFETCH_RESPONSE_MAX];
    struct mu_writer w = mu_writer(out, sizeof out);
    size_t room;

    bare.piece = mu_bytes(NULL, 0);
    response_write(&bare, &w);
    room = w.failed || w.len + PIECE_OVERHEAD > sizeof out
               ? 0
               : sizeof out - w.len - PIECE_OVERHEAD;
    mu_wipe(out, sizeof out);
    mu_keyfetch_response_clear(&bare);
    return room;
}

int mu_keyfetch_response_create(const struct mu_keyfetch_response *m,
                                struct mu_writer *w)
{
    if (!response_valid(m) || m->piece.len > mu_keyfetch_piece_room(m))
        return MU_ERR_USAGE;
    response_write(m, w);
    return mu_writer_end(w);
}

static void response_keys(struct mu_reader *r, struct mu_keyfetch_response *m)
{
    m->keys_len = count_get(r);
    for (size_t i = 0; i < m->keys_len; i++) {
        struct mu_keyfetch_key *key = &m->keys[i];
        mu_cbor_expect_array(r, 3);
        key->kid = kid_get(r);
        /* Its length is checked with the rest, in response_valid. */
        if (mu_secret_set(&key->key, mu_cbor_get_bstr(r)) != 0)
            mu_reader_fail(r);
        key->valid_s = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
    }
}

static void response_piece(struct mu_reader *r, struct mu_keyfetch_response *m)
{
    mu_cbor_expect_array(r, 4);
    m->piece_group = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
    m->piece_total = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
    m->piece_offset = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
    m->piece = mu_cbor_get_bstr(r);
    if (m->piece.len == 0 || m->piece.len > mu_keyfetch_piece_room(m))
        mu_reader_fail(r);
}

static void response_msks(struct mu_reader *r, struct mu_keyfetch_response *m)
{
    size_t count = mu_cbor_get_array(r);

    if (count == 0 || count > MU_KEYFETCH_MSKS_MAX)
        mu_reader_fail(r);
    m->msks_len = r->failed ? 0 : (uint8_t)count;
    for (size_t i = 0; i < m->msks_len; i++) {
        mu_cbor_expect_array(r, 3);
        m->msks[i].kid = kid_get(r);
        m->msks[i].message = mu_cbor_get_bstr(r);
        m->msks[i].valid_s = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
    }
}

static void response_withheld(struct mu_reader *r,
                              struct mu_keyfetch_response *m)
{
    m->withheld_len = count_get(r);
    for (size_t i = 0; i < m->withheld_len; i++)
        m->withheld[i] = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
    if (m->withheld_len == 0)
        mu_reader_fail(r);
}

int mu_keyfetch_response_consume(struct mu_bytes in,
                                 struct mu_keyfetch_response *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    unsigned there = 0;
    int64_t key;
    int rc;

    mu_keyfetch_response_clear(m);
    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key >= 1 && key <= 3)
            there |= 1u << key;
        switch (key) {
        case 1:
            response_keys(&r, m);
            break;
        case 2:
            mu_groups_read(&r, &m->groups);
            break;
        case 3:
            m->epoch = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
            break;
        case 4:
            response_piece(&r, m);
            break;
        case 5:
            response_msks(&r, m);
            break;
        case 6:
            response_withheld(&r, m);
            break;
        default:
            mu_cbor_skip(&r);
            break;
        }
    }
    rc = mu_reader_end(&r);
    if (rc == 0 && (there != 0x0e || in.len > MU_KEYFETCH_RESPONSE_MAX ||
                    !response_valid(m) ||
                    m->piece.len > mu_keyfetch_piece_room(m)))
        rc = MU_ERR_MALFORMED; /* nor does anybody send so much */
    if (rc != 0)
        mu_keyfetch_response_clear(m);
    return rc;
}

void mu_keyfetch_response_clear(struct mu_keyfetch_response *m)
{
    mu_wipe(m, sizeof *m);
}
