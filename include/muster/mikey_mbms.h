/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MBMS profile of MIKEY (TS 33.246, RFC 4563): the MSK goes to a device
 * under its MUK, the MTK to everybody under the MSK. Counters take the place of
 * clocks. docs/mikey.md says which facts of TS 33.246 are second-hand.
 */
#ifndef MUSTER_MIKEY_MBMS_H
#define MUSTER_MIKEY_MBMS_H

#include "muster/mikey_exchange.h"

#define MU_MBMS_DOMAIN_LEN 3 /* bytes: MCC || MNC */
#define MU_MBMS_KEY_LEN 16   /* bytes of an MSK and of an MTK */
#define MU_MBMS_RAND_LEN 16  /* bytes */
#define MU_MBMS_MSKS_MAX 8   /* two a key group (TS 31.102 s.4.2.80), four groups */
#define MU_MBMS_PER_GROUP 2

/* An MSK as both ends hold it. A device accepts an MTK whose id is in the
 * window and not below next. */
struct mu_mbms_msk {
    uint8_t domain[MU_MBMS_DOMAIN_LEN];
    uint16_t group;
    uint16_t number; /* never 0: that asks for the current one */
    struct mu_secret key;
    uint16_t seq_low;
    uint16_t seq_high; /* below seq_low: the MSK is to be deleted */
    uint32_t csb;
    uint8_t rand[MU_MBMS_RAND_LEN];
    uint32_t counter; /* of the newest MTK message made or taken */
    uint32_t next;    /* lowest MTK id that is still good; up to 2^16 */
};

struct mu_mbms_muk {
    struct mu_secret key;
    struct mu_mikey_name idi; /* the server */
    struct mu_mikey_name idr; /* the device */
    uint32_t counter; /* of the newest MSK message made or taken */
};

struct mu_mbms_mtk {
    uint16_t id;
    struct mu_secret key;
    uint8_t salt[MU_MIKEY_SALT_LEN];
    uint8_t salt_len; /* 0 or MU_MIKEY_SALT_LEN */
};

/* What a device asks for over its own connection, s.6.3.2.2. */
struct mu_mbms_wanted {
    bool any;
    uint8_t domain[MU_MBMS_DOMAIN_LEN];
    uint16_t group;
    uint16_t number; /* 0: the current one */
};

/* A device. Every change has to be durable before its effect is seen: save
 * after each consume that returned 0. */
struct mu_mbms_device {
    struct mu_mbms_muk muk;
    struct mu_mbms_msk msks[MU_MBMS_MSKS_MAX]; /* older ones first */
    size_t msks_len;
};

/* Server: s.6.4.5.1. Counts muk->counter on, which has to be stored before the
 * message leaves. MU_ERR_EXHAUSTED at its end: a new MUK is due. s is what a
 * verification message is checked with (mu_mikey_verify_consume). */
MU_MUST int mu_mbms_msk_create(const struct mu_crypto *c,
                               struct mu_mbms_muk *muk,
                               const struct mu_mbms_msk *msk, bool verify,
                               struct mu_mikey_session *s, struct mu_writer *w);
/*
 * Device. On 0 the MSK is held, or gone if the message says so (*deleted); the
 * message may want an answer: mu_mikey_verify_create(s) when
 * s->header.verify. The same MSK again may move its window, never what was
 * taken already: MU_ERR_CONFLICT for the same id with another key,
 * MU_ERR_ROLLBACK for a window that ends earlier, MU_ERR_FULL.
 */
MU_MUST int mu_mbms_msk_consume(const struct mu_crypto *c,
                                struct mu_mbms_device *d, struct mu_bytes in,
                                struct mu_mikey_session *s, bool *deleted);

/* Server: counts msk->counter and msk->next on; mtk->id is set. MU_ERR_EXPIRED
 * when the window is used up: a new MSK, or a later end, is due. */
MU_MUST int mu_mbms_mtk_create(const struct mu_crypto *c,
                               struct mu_mbms_msk *msk,
                               struct mu_mbms_mtk *mtk, struct mu_writer *w);
/*
 * Device. MU_ERR_UNKNOWN_KEY: not a member, or behind; MU_ERR_EXPIRED: the MTK
 * is beyond the window. In both cases *wanted says what to ask for; the first
 * is not proved by anything, so ask at a bounded rate. A device sends no error
 * for an MTK message.
 */
MU_MUST int mu_mbms_mtk_consume(const struct mu_crypto *c,
                                struct mu_mbms_device *d, struct mu_bytes in,
                                struct mu_mbms_mtk *mtk,
                                struct mu_mbms_wanted *wanted);

/* NULL when it is not held. */
const struct mu_mbms_msk *
mu_mbms_device_find(const struct mu_mbms_device *d,
                    const uint8_t domain[MU_MBMS_DOMAIN_LEN], uint16_t group,
                    uint16_t number);
void mu_mbms_device_clear(struct mu_mbms_device *d);

/* All but the MUK and its names, which come from bootstrap. */
#define MU_MBMS_SAVED_MAX (8 + MU_MBMS_MSKS_MAX * 56)
MU_MUST int mu_mbms_device_save(const struct mu_mbms_device *d,
                                struct mu_writer *w);
/* MU_ERR_CORRUPT, and no MSK held, for what no device can have saved. */
MU_MUST int mu_mbms_device_load(struct mu_mbms_device *d, struct mu_bytes in);

#endif
