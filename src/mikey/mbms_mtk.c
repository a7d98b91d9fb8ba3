/* SPDX-License-Identifier: Apache-2.0 */
/* The MTK message, TS 33.246 s.6.4.5.2 and 6.4.6.2: HDR, EXT(key domain, MSK
 * id, MTK id), T, KEMAC(MTK) under the MSK, whose RAND and CSB it shares. */
#include "mikey/mbms.h"

static int mtk_keys(const struct mu_crypto *c, const struct mu_mbms_msk *msk,
                    struct mu_mikey_session *s, struct mu_mikey_msg_keys *k)
{
    const struct mu_mikey_bundle b = {.prf = MU_MIKEY_PRF_SHA1,
                                      .csb = msk->csb,
                                      .rand = MU_BYTES(msk->rand)};

    s->header.csb = msk->csb;
    return mu_mikey_msg_keys(c, &b, mu_secret_view(&msk->key), k);
}

/* HDR, EXT, T: RAND and names are known from the MSK message. */
static struct mu_mikey_writer mtk_head(const struct mu_mbms_msk *msk,
                                       const struct mu_mikey_session *s,
                                       uint16_t id, struct mu_writer *w)
{
    const struct mu_mikey_header h = {.type = MU_MIKEY_PSK_INIT,
                                      .csb = msk->csb,
                                      .map = MU_MIKEY_MAP_EMPTY};
    const struct mu_mbms_ids ids = {
        .domain = {msk->domain[0], msk->domain[1], msk->domain[2]},
        .group = msk->group,
        .number = msk->number,
        .mtk = id};
    uint8_t ext[MU_MBMS_EXT_MAX];
    struct mu_writer e = mu_writer(ext, sizeof ext);
    struct mu_mikey_writer m;

    mu_mbms_ids_write(&ids, 3, &e);
    mu_mikey_begin(&m, w, &h);
    mu_mikey_put(&m, &(struct mu_mikey_payload){
                         .type = MU_MIKEY_EXT,
                         .ext = {MU_MIKEY_EXT_KEY_ID, mu_written(&e)}});
    mu_mikey_put(&m,
                 &(struct mu_mikey_payload){.type = MU_MIKEY_T, .t = s->time});
    return m;
}

int mu_mbms_mtk_create(const struct mu_crypto *c, struct mu_mbms_msk *msk,
                       struct mu_mbms_mtk *mtk, struct mu_writer *w)
{
    struct mu_mikey_session s = {.encr = MU_MIKEY_ENCR_AES_CM,
                                 .mac = MU_MIKEY_MAC_SHA1};
    struct mu_mikey_msg_keys k = {.salt = {0}};
    struct mu_mikey_writer m;
    int rc;

    if (mtk->key.len != MU_MBMS_KEY_LEN ||
        (mtk->salt_len != 0 && mtk->salt_len != sizeof mtk->salt))
        return MU_ERR_USAGE;
    if (msk->counter == UINT32_MAX)
        return MU_ERR_EXHAUSTED;
    if (msk->next > msk->seq_high)
        return MU_ERR_EXPIRED;
    s.time = (struct mu_mikey_time){MU_MIKEY_COUNTER, msk->counter + 1};
    rc = mu_mikey_session_key(
        &s, mtk->salt_len > 0 ? MU_MIKEY_TEK_SALT : MU_MIKEY_TEK,
        mu_secret_view(&mtk->key), mu_bytes(mtk->salt, mtk->salt_len));
    if (rc == 0)
        rc = mtk_keys(c, msk, &s, &k);
    if (rc == 0) {
        m = mtk_head(msk, &s, (uint16_t)msk->next, w);
        rc = mu_mikey_kemac_put(c, &s, &k, NULL, MU_COVER_MESSAGE, &m);
    }
    if (rc == 0) {
        mtk->id = (uint16_t)msk->next++;
        msk->counter++;
    }
    mu_mikey_session_clear(&s);
    mu_mikey_msg_keys_clear(&k);
    return rc;
}

/* Form and algorithms, before any key is looked for. */
static int mtk_read(struct mu_bytes in, struct mu_mikey_message *m,
                    struct mu_mbms_ids *ids)
{
    int rc = mu_mikey_parse(in, m);

    if (rc == 0)
        rc = mu_mikey_order_mtk(m);
    if (rc == 0)
        rc = mu_mbms_ids_read(m, 3, ids);
    if (rc != 0)
        return rc;
    if (m->header.map != MU_MIKEY_MAP_EMPTY)
        return MU_ERR_MALFORMED;
    if (m->header.prf != MU_MIKEY_PRF_SHA1 ||
        m->t->t.type != MU_MIKEY_COUNTER ||
        m->kemac->kemac.encr == MU_MIKEY_ENCR_NULL ||
        m->kemac->kemac.mac_alg != MU_MIKEY_MAC_SHA1)
        return MU_ERR_FORBIDDEN;
    return 0;
}

static int mtk_from(const struct mu_mikey_session *s,
                    const struct mu_mbms_ids *ids, struct mu_mbms_mtk *mtk)
{
    const struct mu_mikey_key *k = &s->keys[0];

    if (s->keys_len != 1 ||
        (k->type != MU_MIKEY_TEK && k->type != MU_MIKEY_TEK_SALT) ||
        k->len != MU_MBMS_KEY_LEN || k->kv != MU_MIKEY_KV_NULL ||
        (k->type == MU_MIKEY_TEK_SALT && k->salt_len != sizeof mtk->salt))
        return MU_ERR_MALFORMED;
    mtk->id = ids->mtk;
    mtk->salt_len = k->salt_len;
    mu_copy(mtk->salt, k->salt, k->salt_len);
    return mu_secret_set(&mtk->key, mu_bytes(k->bytes, k->len));
}

static int mtk_open(const struct mu_crypto *c, const struct mu_mbms_msk *msk,
                    const struct mu_mikey_message *m,
                    const struct mu_mbms_ids *ids, struct mu_mbms_mtk *mtk)
{
    struct mu_mikey_session s = {.encr = m->kemac->kemac.encr,
                                 .mac = m->kemac->kemac.mac_alg,
                                 .time = m->t->t};
    struct mu_mikey_msg_keys k = {.salt = {0}};
    int rc = mtk_keys(c, msk, &s, &k);

    if (rc == 0)
        rc = mu_mikey_kemac_check(c, &s, &k, MU_COVER_MESSAGE, m);
    /* Only now: who has not the MSK learns nothing of the state. */
    if (rc == 0 && m->t->t.value <= msk->counter)
        rc = MU_ERR_REPLAY;
    if (rc == 0 && ids->mtk > msk->seq_high)
        rc = MU_ERR_EXPIRED;
    if (rc == 0 && ids->mtk < msk->next)
        rc = MU_ERR_REPLAY;
    if (rc == 0)
        rc = mu_mikey_kemac_open(c, &s, &k, NULL, m);
    if (rc == 0)
        rc = mtk_from(&s, ids, mtk);
    mu_mikey_session_clear(&s);
    mu_mikey_msg_keys_clear(&k);
    return rc;
}

int mu_mbms_mtk_consume(const struct mu_crypto *c, struct mu_mbms_device *d,
                        struct mu_bytes in, struct mu_mbms_mtk *mtk,
                        struct mu_mbms_wanted *wanted)
{
    struct mu_mikey_message m;
    struct mu_mbms_ids ids;
    struct mu_mbms_msk *msk;
    int rc = mtk_read(in, &m, &ids);

    *wanted = (struct mu_mbms_wanted){.any = false};
    mu_zero(mtk, sizeof(*mtk));
    if (rc != 0)
        return rc;
    msk = mu_mbms_device_slot(d, &ids);
    if (msk == NULL)
        rc = MU_ERR_UNKNOWN_KEY;
    else if (msk->csb != m.header.csb)
        rc = MU_ERR_UNEXPECTED;
    else
        rc = mtk_open(c, msk, &m, &ids, mtk);
    if (rc == MU_ERR_UNKNOWN_KEY || rc == MU_ERR_EXPIRED) {
        *wanted = (struct mu_mbms_wanted){
            .any = true,
            .domain = {ids.domain[0], ids.domain[1], ids.domain[2]},
            .group = ids.group,
            .number = rc == MU_ERR_EXPIRED ? 0 : ids.number};
    }
    if (rc == 0) {
        msk->counter = (uint32_t)m.t->t.value;
        msk->next = (uint32_t)ids.mtk + 1;
    } else {
        mu_wipe(mtk, sizeof(*mtk));
    }
    return rc;
}
