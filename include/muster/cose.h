/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COSE messages with one signer, one recipient or one MAC (RFC 9052, 9053):
 * COSE_Sign1, COSE_Encrypt0, COSE_Mac0, always tagged.
 *
 * Written: the protected header holds alg and nothing else; kid and IV are
 * unprotected. Read: deterministic CBOR; alg protected and an integer; kid and
 * IV in either bucket, once, not empty; crit is MU_ERR_UNSUPPORTED, as are
 * Partial IV and text algorithms; other labels are passed over.
 *
 * Consuming never lets the message choose: the caller says the algorithm, and
 * a message with another one is MU_ERR_UNSUPPORTED before any key is used.
 */
#ifndef MUSTER_COSE_H
#define MUSTER_COSE_H

#include "muster/crypto.h"

/* CBOR tags (RFC 9052 s.2). */
enum mu_cose_kind {
    MU_COSE_ENCRYPT0 = 16,
    MU_COSE_MAC0 = 17,
    MU_COSE_SIGN1 = 18,
};

/* Bytes of the Enc_structure that Encrypt0 authenticates (protected header,
 * external_aad and at most 18 more): it is built on the stack, because an AEAD
 * takes its associated data in one piece. */
#define MU_COSE_ENC_STRUCTURE_MAX 256

/* Bytes that a message needs beside payload, kid and IV. */
#define MU_COSE_OVERHEAD_MAX 112

/*
 * What a message says and hangs on; the same for creating and consuming.
 *
 * kid           create: sent unless empty. consume: if not empty, the message
 *               must carry exactly this kid (else MU_ERR_UNKNOWN_KEY).
 * iv            Encrypt0 only. create: the nonce, sent unless iv_implicit.
 *               consume: the nonce if the message carries none; if both have
 *               one, they must be equal (else MU_ERR_MALFORMED).
 * payload       create: the content. consume: the content when detached.
 * detached      Sign1 and Mac0: the payload travels elsewhere, nil stands in
 *               its place. The two sides must agree (else MU_ERR_MALFORMED).
 */
struct mu_cose_args {
    enum mu_alg alg;
    struct mu_bytes kid;
    struct mu_bytes iv;
    bool iv_implicit;
    struct mu_bytes external_aad;
    struct mu_bytes payload;
    bool detached;
};

/* A message taken apart, nothing verified. Views into the input. */
struct mu_cose {
    enum mu_cose_kind kind;
    enum mu_alg alg;
    struct mu_bytes protected_header; /* the encoded map inside the bstr */
    struct mu_bytes kid;              /* empty: none */
    struct mu_bytes iv;               /* empty: none */
    struct mu_bytes content;          /* payload or ciphertext */
    bool detached;                    /* nil instead of content */
    struct mu_bytes proof;            /* signature or tag; Encrypt0: empty */
};

/* To learn kid (which key?) or to show a message. MU_ERR_TRUNCATED,
 * MU_ERR_MALFORMED, MU_ERR_UNSUPPORTED (see above). */
MU_MUST int mu_cose_decode(struct mu_bytes in, struct mu_cose *m);

/* Sign1: MU_ALG_ES256 or MU_ALG_EDDSA. Create appends to w. */
MU_MUST int mu_cose_sign1_create(const struct mu_crypto *c,
                                 const struct mu_cose_args *a,
                                 const struct mu_secret *priv,
                                 struct mu_writer *w);
/* 0 and the payload (view into `in`, or a->payload when detached), or
 * MU_ERR_AUTH, or what mu_cose_decode says. */
MU_MUST int mu_cose_sign1_consume(const struct mu_crypto *c,
                                  const struct mu_cose_args *a,
                                  struct mu_bytes pub, struct mu_bytes in,
                                  struct mu_bytes *payload);

/* Mac0: MU_ALG_HMAC256 (tag 32) or MU_ALG_HMAC256_64 (tag 8). */
MU_MUST int mu_cose_mac0_create(const struct mu_crypto *c,
                                const struct mu_cose_args *a,
                                const struct mu_secret *key,
                                struct mu_writer *w);
MU_MUST int mu_cose_mac0_consume(const struct mu_crypto *c,
                                 const struct mu_cose_args *a,
                                 const struct mu_secret *key,
                                 struct mu_bytes in,
                                 struct mu_bytes *payload);

/* Encrypt0: MU_ALG_A128GCM (iv 12) or MU_ALG_AES_CCM_16_64_128 (iv 13).
 * MU_ERR_TOO_LARGE when the Enc_structure exceeds its bound. */
MU_MUST int mu_cose_encrypt0_create(const struct mu_crypto *c,
                                    const struct mu_cose_args *a,
                                    const struct mu_secret *key,
                                    struct mu_writer *w);
/* The plaintext is appended to w (room for the ciphertext less its tag), and
 * *payload is the view of it there. On failure w is as it was. */
MU_MUST int mu_cose_encrypt0_consume(const struct mu_crypto *c,
                                     const struct mu_cose_args *a,
                                     const struct mu_secret *key,
                                     struct mu_bytes in, struct mu_writer *w,
                                     struct mu_bytes *payload);

/* Nonce and tag bytes of an AEAD, tag bytes of a MAC; 0 for others. */
size_t mu_alg_nonce_len(enum mu_alg alg);
size_t mu_alg_tag_len(enum mu_alg alg);

#endif
