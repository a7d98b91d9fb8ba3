/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group whose keys go the way of MBMS (docs/mikey.md, "In the programs"): the
 * MSK takes the place of the random Kb, which follows from it; the MTK is a TGK,
 * from which TEK and TAK of the command channel follow.
 */
#ifndef MUSTER_MIKEY_SERVICE_H
#define MUSTER_MIKEY_SERVICE_H

#include "muster/keys.h"
#include "muster/mikey_mbms.h"

#define MU_MBMS_MTK_FIRST 1 /* the window of every MSK: SEQl .. SEQu */
#define MU_MBMS_MTK_LAST UINT16_MAX
#define MU_MBMS_GROUP_MAX UINT16_MAX /* group part of an MSK id */

/* The MUK of a service connection, from its Kmc: Kma of the application "mbms".
 * IDi is the server, IDr the transaction (B-TID): hex of the connection's id, and
 * the server. counter 0: nothing was made or taken under it. */
MU_MUST int mu_mbms_muk_make(const struct mu_crypto *c,
                             const struct mu_secret *kmc,
                             struct mu_secret *muk);
MU_MUST int mu_mbms_muk_names(struct mu_bytes server,
                              const uint8_t connection[8],
                              struct mu_mbms_muk *muk);

/* Number part of the id of the MSK that a kid speaks of: 1 .. 65535. */
uint16_t mu_mbms_number(const struct mu_kid *kid);
/* The MSK of a generation as the server knows it: no MTK was made yet. */
MU_MUST int mu_mbms_msk_make(const struct mu_crypto *c,
                             const struct mu_kid *kid,
                             const struct mu_secret *key,
                             struct mu_mbms_msk *msk);
/* NULL: the MSK of that kid is not held. */
const struct mu_mbms_msk *mu_mbms_msk_of(const struct mu_mbms_device *d,
                                         const struct mu_kid *kid);
/* Kb = KDF(MSK, "Kb", kid, 32) */
MU_MUST int mu_mbms_kb(const struct mu_crypto *c, const struct mu_kid *kid,
                       const struct mu_secret *msk, struct mu_secret *kb);

/* ---- commands ------------------------------------------------------------ */

#define MU_COMMAND_MAX 900   /* bytes */
#define MU_COMMAND_TAG 16
#define MU_COMMAND_SEQ_MAX 60 /* commands under one MTK: within a window */

/* RFC 3830 s.4.1.3 from the TGK, with RAND and CSB of the MSK. */
struct mu_command_keys {
    struct mu_secret tek; /* AES-128-CTR, the first block starts with seq */
    struct mu_secret tak; /* HMAC-SHA-256 */
};

struct mu_command {
    struct mu_bytes mtk; /* the MTK message */
    uint32_t seq;        /* from 1, under that MTK */
    struct mu_bytes sealed;
    struct mu_bytes tagged; /* all that the tag is over */
    struct mu_bytes tag;
};

MU_MUST int mu_command_keys(const struct mu_crypto *c,
                            const struct mu_mbms_msk *msk,
                            const struct mu_secret *mtk,
                            struct mu_command_keys *k);
void mu_command_keys_clear(struct mu_command_keys *k);
MU_MUST int mu_command_create(const struct mu_crypto *c,
                              const struct mu_command_keys *k,
                              const uint8_t campaign[MU_CAMPAIGN_ID],
                              struct mu_bytes mtk, uint32_t seq,
                              struct mu_bytes text, struct mu_writer *w);
/* The form alone; views. */
MU_MUST int mu_command_parse(struct mu_bytes in, struct mu_command *m);
/* text has room for m->sealed.len. MU_ERR_AUTH. */
MU_MUST int mu_command_open(const struct mu_crypto *c,
                            const struct mu_command_keys *k,
                            const uint8_t campaign[MU_CAMPAIGN_ID],
                            const struct mu_command *m, uint8_t *text);

/* What an MTK message says of itself; nothing is verified. */
struct mu_mbms_mtk_id {
    uint8_t domain[MU_MBMS_DOMAIN_LEN];
    uint16_t group, number, mtk;
};
MU_MUST int mu_mbms_mtk_peek(struct mu_bytes message,
                             struct mu_mbms_mtk_id *id);

#endif
