/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the server by their types: get, put and walk. */
#include "node/server_core.h"

bool mu_srv_identity_ok(struct mu_bytes identity)
{
    /* An identity is a segment of a path and a word in a log. */
    if (identity.len == 0 || identity.len > MU_ID_MAX ||
        !mu_utf8_valid(identity))
        return false;
    for (size_t i = 0; i < identity.len; i++)
        if (identity.data[i] <= 0x20 || identity.data[i] == 0x7f ||
            identity.data[i] == '/')
            return false;
    return true;
}

bool mu_srv_name_ok(struct mu_bytes name)
{
    if (name.len == 0 || name.len > MU_NAME_MAX || !mu_utf8_valid(name))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < 0x20 || name.data[i] == 0x7f)
            return false;
    return true;
}

/* ---- devices -------------------------------------------------------------- */

static struct mu_record_key identity_key(struct mu_bytes identity)
{
    struct mu_record_key k = {.len = identity.len};

    mu_assert(identity.len <= MU_ID_MAX);
    mu_copy(k.bytes, identity.data, identity.len);
    return k;
}

int mu_srv_device_get(struct mu_server *s, struct mu_bytes identity,
                      struct mu_device_record *d)
{
    struct mu_record_key k;
    struct mu_bytes value;
    int rc;

    *d = (struct mu_device_record){0};
    if (identity.len == 0 || identity.len > MU_ID_MAX)
        return MU_ERR_NOT_FOUND;
    k = identity_key(identity);
    rc = mu_srv_get(s, MU_TABLE_DEVICE, &k, &value);
    return rc == 0 ? mu_device_record_read(value, d) : rc;
}

void mu_srv_device_put(struct mu_server *s, struct mu_bytes identity,
                       const struct mu_device_record *d)
{
    struct mu_record_key k = identity_key(identity);
    uint8_t room[512];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_device_record_write(&w, d);
    (void)mu_srv_put_written(s, MU_TABLE_DEVICE, &k, &w);
}

int mu_srv_device_kmr(const struct mu_server *s, struct mu_bytes identity,
                      const struct mu_device_record *d, struct mu_secret *kmr)
{
    return mu_seal_consume(s->conf.crypto, s->conf.master, MU_TABLE_DEVICE,
                           identity, &d->kmr, kmr);
}

/* ---- gateways and areas --------------------------------------------------- */

int mu_srv_gateway_get(struct mu_server *s, uint32_t number,
                       struct mu_gateway_record *g)
{
    struct mu_record_key k = mu_record_key_number(number);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_GATEWAY, &k, &value);

    return rc == 0 ? mu_gateway_record_read(value, g) : rc;
}

void mu_srv_gateway_put(struct mu_server *s, uint32_t number,
                        const struct mu_gateway_record *g)
{
    struct mu_record_key k = mu_record_key_number(number);
    uint8_t room[256];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_gateway_record_write(&w, g);
    (void)mu_srv_put_written(s, MU_TABLE_GATEWAY, &k, &w);
}

int mu_srv_area_get(struct mu_server *s, uint32_t gateway, uint16_t index,
                    struct mu_area_record *a)
{
    struct mu_record_key k = mu_record_key_area(gateway, index);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_AREA, &k, &value);

    return rc == 0 ? mu_area_record_read(value, a) : rc;
}

int mu_srv_area_next(struct mu_server *s, uint32_t gateway, uint32_t *index,
                     struct mu_area_record *a)
{
    /* "from" an index is "after" the one before it. */
    struct mu_record_key k = mu_record_key_number(gateway);
    struct mu_bytes value;
    struct mu_reader r;
    int rc;

    if (*index > UINT16_MAX)
        return MU_ERR_NOT_FOUND;
    if (*index > 0)
        k = mu_record_key_area(gateway, (uint16_t)(*index - 1));
    rc = mu_srv_next(s, MU_TABLE_AREA, &k, &value);
    if (rc != 0 && rc != MU_ERR_CORRUPT)
        return rc;
    r = mu_reader(mu_record_key_view(&k));
    if (mu_read_u32(&r) != gateway)
        return MU_ERR_NOT_FOUND;
    *index = mu_read_u16(&r);
    if (rc != 0 || mu_reader_end(&r) != 0)
        return MU_ERR_CORRUPT;
    return mu_srv_area_get(s, gateway, (uint16_t)*index, a);
}

/* ---- groups --------------------------------------------------------------- */

int mu_srv_group_get(struct mu_server *s, uint32_t number,
                     struct mu_group_record *g)
{
    struct mu_record_key k = mu_record_key_number(number);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_GROUP, &k, &value);

    return rc == 0 ? mu_group_record_read(value, g) : rc;
}

void mu_srv_group_put(struct mu_server *s, uint32_t number,
                      const struct mu_group_record *g)
{
    struct mu_record_key k = mu_record_key_number(number);
    uint8_t room[128];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_group_record_write(&w, g);
    (void)mu_srv_put_written(s, MU_TABLE_GROUP, &k, &w);
}

int mu_srv_group_find(struct mu_server *s, struct mu_bytes name,
                      uint32_t *number, struct mu_group_record *g)
{
    struct mu_record_key k;
    struct mu_bytes value;
    uint64_t found;
    int rc;

    if (!mu_srv_name_ok(name))
        return MU_ERR_NOT_FOUND;
    k = mu_record_key_group_name(name);
    rc = mu_srv_get(s, MU_TABLE_NODE, &k, &value);
    if (rc == 0)
        rc = mu_number_record_read(value, &found);
    if (rc != 0)
        return rc;
    *number = (uint32_t)found;
    rc = mu_srv_group_get(s, *number, g);
    return rc == MU_ERR_NOT_FOUND ? MU_ERR_CORRUPT : rc;
}

int mu_srv_member_next(struct mu_server *s, uint32_t group, bool left_too,
                       struct mu_record_key *cursor, struct mu_bytes *identity)
{
    struct mu_member_record m;
    struct mu_bytes value;
    struct mu_reader r;
    int rc;

    for (;;) {
        rc = mu_srv_next(s, MU_TABLE_MEMBER, cursor, &value);
        if (rc != 0 && rc != MU_ERR_CORRUPT)
            return rc;
        r = mu_reader(mu_record_key_view(cursor));
        if (mu_read_u32(&r) != group)
            return MU_ERR_NOT_FOUND;
        *identity = mu_bytes(cursor->bytes + 4, cursor->len - 4);
        if (rc == 0)
            rc = mu_srv_get(s, MU_TABLE_MEMBER, cursor, &value);
        if (rc == 0)
            rc = mu_member_record_read(value, &m);
        /* What a damaged record said, the device's own record says too. */
        if (rc == MU_ERR_CORRUPT)
            m.left = false;
        else if (rc != 0)
            return rc;
        if (!m.left || left_too)
            return 0;
    }
}

/* ---- keys ----------------------------------------------------------------- */

int mu_srv_key_raw(struct mu_server *s, const struct mu_kid *kid,
                   struct mu_secret *key)
{
    struct mu_record_key k = mu_record_key_kid(kid);
    struct mu_key_record r;
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_KEY, &k, &value);

    mu_secret_clear(key);
    if (rc == 0)
        rc = mu_key_record_read(value, &r);
    if (rc == 0)
        rc = mu_seal_consume(s->conf.crypto, s->conf.master, MU_TABLE_KEY,
                             mu_record_key_view(&k), &r.key, key);
    return rc;
}

int mu_srv_key_get(struct mu_server *s, const struct mu_kid *kid,
                   struct mu_secret *key)
{
    struct mu_secret msk;
    int rc = mu_srv_key_raw(s, kid, key);

    if (rc != 0 || kid->kind != MU_KEY_KB || key->len != MU_MBMS_KEY_LEN)
        return rc;
    msk = *key;
    rc = mu_mbms_kb(s->conf.crypto, kid, &msk, key);
    mu_secret_clear(&msk);
    return rc;
}

int mu_srv_key_put(struct mu_server *s, const struct mu_kid *kid,
                   enum mu_key_phase phase, const struct mu_secret *key)
{
    struct mu_record_key k = mu_record_key_kid(kid);
    struct mu_key_record r = {.phase = phase};
    uint8_t room[MU_SEALED_MAX + 8];
    struct mu_writer w = mu_writer(room, sizeof room);
    int rc = mu_seal_create(s->conf.crypto, s->conf.master, MU_TABLE_KEY,
                            mu_record_key_view(&k), key, &r.key);

    if (rc != 0)
        return rc;
    mu_key_record_write(&w, &r);
    (void)mu_srv_put_written(s, MU_TABLE_KEY, &k, &w);
    return 0;
}

void mu_srv_key_drop(struct mu_server *s, const struct mu_kid *kid)
{
    struct mu_record_key k = mu_record_key_kid(kid);

    mu_srv_delete(s, MU_TABLE_KEY, &k);
}
