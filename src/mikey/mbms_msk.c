/* SPDX-License-Identifier: Apache-2.0 */
/* The MSK message, TS 33.246 s.6.4.5.1 and 6.4.6.1: HDR, EXT(key domain, MSK
 * id), T, RAND, IDi, IDr, KEMAC(MSK, SEQl..SEQu) under the MUK. */
#include "mikey/mbms.h"

static int msk_key(const struct mu_mbms_msk *msk, struct mu_mikey_session *s)
{
    struct mu_mikey_key *k = &s->keys[0];
    struct mu_writer from = mu_writer(k->from, sizeof k->from);
    struct mu_writer to = mu_writer(k->to, sizeof k->to);
    int rc = mu_mikey_session_key(s, MU_MIKEY_TGK, mu_secret_view(&msk->key),
                                  mu_bytes(NULL, 0));

    if (rc != 0)
        return rc;
    k->kv = MU_MIKEY_KV_INTERVAL;
    mu_write_u16(&from, msk->seq_low);
    mu_write_u16(&to, msk->seq_high);
    k->from_len = 2;
    k->to_len = 2;
    return 0;
}

int mu_mbms_msk_create(const struct mu_crypto *c, struct mu_mbms_muk *muk,
                       const struct mu_mbms_msk *msk, bool verify,
                       struct mu_mikey_session *s, struct mu_writer *w)
{
    const struct mu_mbms_ids ids = {
        .domain = {msk->domain[0], msk->domain[1], msk->domain[2]},
        .group = msk->group,
        .number = msk->number};
    uint8_t ext[MU_MBMS_EXT_MAX];
    struct mu_writer e = mu_writer(ext, sizeof ext);
    int rc;

    mu_zero(s, sizeof(*s));
    if (msk->key.len != MU_MBMS_KEY_LEN || msk->number == 0)
        return MU_ERR_USAGE;
    if (muk->counter == UINT32_MAX)
        return MU_ERR_EXHAUSTED;
    mu_mbms_ids_write(&ids, 2, &e);
    s->header.verify = verify;
    s->header.csb = msk->csb;
    s->header.map = MU_MIKEY_MAP_EMPTY;
    s->encr = MU_MIKEY_ENCR_AES_CM;
    s->mac = MU_MIKEY_MAC_SHA1;
    s->time = (struct mu_mikey_time){MU_MIKEY_COUNTER, muk->counter + 1};
    s->rand_len = MU_MBMS_RAND_LEN;
    mu_copy(s->rand, msk->rand, MU_MBMS_RAND_LEN);
    s->idi = muk->idi;
    s->idr = muk->idr;
    s->ext = mu_written(&e);
    rc = msk_key(msk, s);
    if (rc == 0)
        rc = mu_mikey_psk_init_create(c, mu_secret_view(&muk->key), s, w);
    s->ext = mu_bytes(NULL, 0); /* it was on our stack */
    if (rc == 0)
        muk->counter++;
    else
        mu_mikey_session_clear(s);
    return rc;
}

/* The one key of the message, as an MSK. */
static int msk_from(const struct mu_mikey_session *s,
                    const struct mu_mbms_ids *ids, struct mu_mbms_msk *msk)
{
    const struct mu_mikey_key *k = &s->keys[0];

    if (s->keys_len != 1 || k->type != MU_MIKEY_TGK ||
        k->len != MU_MBMS_KEY_LEN || k->kv != MU_MIKEY_KV_INTERVAL ||
        k->from_len != 2 || k->to_len != 2 || s->rand_len != MU_MBMS_RAND_LEN)
        return MU_ERR_MALFORMED;
    mu_copy(msk->domain, ids->domain, sizeof msk->domain);
    msk->group = ids->group;
    msk->number = ids->number;
    msk->seq_low = (uint16_t)(k->from[0] << 8 | k->from[1]);
    msk->seq_high = (uint16_t)(k->to[0] << 8 | k->to[1]);
    msk->csb = s->header.csb;
    mu_copy(msk->rand, s->rand, sizeof msk->rand);
    msk->next = msk->seq_low;
    return mu_secret_set(&msk->key, mu_bytes(k->bytes, k->len));
}

static int msk_keep(struct mu_mbms_device *d, const struct mu_mikey_session *s,
                    const struct mu_mbms_ids *ids, bool *deleted)
{
    struct mu_mbms_msk msk = {.counter = 0};
    int rc = msk_from(s, ids, &msk);

    if (rc == 0 && msk.seq_low > msk.seq_high) {
        mu_mbms_device_drop(d, ids);
        *deleted = true;
    } else if (rc == 0) {
        rc = mu_mbms_device_put(d, &msk);
    }
    mu_wipe(&msk, sizeof msk);
    return rc;
}

int mu_mbms_msk_consume(const struct mu_crypto *c, struct mu_mbms_device *d,
                        struct mu_bytes in, struct mu_mikey_session *s,
                        bool *deleted)
{
    const struct mu_mikey_policy policy = {
        .encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_CM) |
                MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_KW),
        .mac = MU_MIKEY_BIT(MU_MIKEY_MAC_SHA1),
        .prf = MU_MIKEY_BIT(MU_MIKEY_PRF_SHA1),
        .time_type = MU_MIKEY_COUNTER,
        .now = d->muk.counter,
        .self = d->muk.idr,
        .peer = d->muk.idi,
    };
    struct mu_mikey_message m;
    struct mu_mbms_ids ids;
    int rc = mu_mikey_read(MU_MIKEY_PSK_INIT, in, &m);

    *deleted = false;
    mu_zero(s, sizeof(*s));
    if (rc == 0)
        rc = mu_mbms_ids_read(&m, 2, &ids);
    if (rc == 0 && (m.header.map != MU_MIKEY_MAP_EMPTY || m.idi == NULL ||
                    m.idr == NULL))
        rc = MU_ERR_MALFORMED;
    if (rc == 0)
        rc = mu_mikey_psk_init_consume(c, mu_secret_view(&d->muk.key), &policy,
                                       in, s);
    if (rc == 0)
        rc = msk_keep(d, s, &ids, deleted);
    if (rc == 0)
        d->muk.counter = (uint32_t)s->time.value;
    else
        mu_mikey_session_clear(s);
    return rc;
}
