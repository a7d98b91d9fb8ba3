/* SPDX-License-Identifier: Apache-2.0 */
/* MIKEY's key derivation (RFC 3830 s.4.1) and what protects a KEMAC (s.4.2). */
#ifndef MUSTER_MIKEY_KEYS_H
#define MUSTER_MIKEY_KEYS_H

#include "muster/crypto.h"
#include "muster/mikey.h"

#define MU_MIKEY_SALT_LEN 14     /* bytes, 112 bits for AES-CM, s.4.2.3 */
#define MU_MIKEY_PLAIN_MAX 512   /* bytes of key data in one KEMAC */
#define MU_MIKEY_LABEL_RAND_MAX 255 /* bytes: the length of RAND has 8 bits */

/* What key is made: the constants of s.4.1.3 and 4.1.4. */
enum mu_mikey_use {
    MU_MIKEY_FOR_TEK,      /* from a TGK, for one crypto session */
    MU_MIKEY_FOR_AUTH,
    MU_MIKEY_FOR_ENCR,
    MU_MIKEY_FOR_SALT,
    MU_MIKEY_FOR_MSG_ENCR, /* from a PSK or an envelope key, for the message */
    MU_MIKEY_FOR_MSG_AUTH,
    MU_MIKEY_FOR_MSG_SALT,
    MU_MIKEY_USE_COUNT
};

/* What all keys of an exchange are bound to. */
struct mu_mikey_bundle {
    uint8_t prf; /* enum mu_mikey_prf */
    uint32_t csb;
    struct mu_bytes rand;
};

/* s.4.1.2, and with MU_MIKEY_PRF_SHA256 as of RFC 6043 s.5.1. */
MU_MUST int mu_mikey_prf(const struct mu_crypto *c, uint8_t prf,
                         struct mu_bytes key, struct mu_bytes label,
                         uint8_t *out, size_t len);
/* cs is the crypto session, and does not matter for message keys. */
MU_MUST int mu_mikey_derive(const struct mu_crypto *c,
                            const struct mu_mikey_bundle *b,
                            struct mu_bytes key, enum mu_mikey_use use,
                            uint8_t cs, uint8_t *out, size_t len);

/* The keys of one message; wiped by who made them. */
struct mu_mikey_msg_keys {
    struct mu_secret encr; /* 16 bytes */
    struct mu_secret auth; /* 32 bytes; HMAC-SHA-1 takes the first 20 */
    uint8_t salt[MU_MIKEY_SALT_LEN];
};
MU_MUST int mu_mikey_msg_keys(const struct mu_crypto *c,
                              const struct mu_mikey_bundle *b,
                              struct mu_bytes key,
                              struct mu_mikey_msg_keys *out);
void mu_mikey_msg_keys_clear(struct mu_mikey_msg_keys *k);

/* Encrypts or decrypts the data of a KEMAC. AES-KW pads with zeros to eight
 * bytes and adds eight; out holds in.len + 16. Opening gives the padding too. */
MU_MUST int mu_mikey_encrypt(const struct mu_crypto *c,
                             const struct mu_mikey_msg_keys *k, uint8_t encr,
                             uint32_t csb, const struct mu_mikey_time *t,
                             struct mu_bytes in, uint8_t *out, size_t *len);
MU_MUST int mu_mikey_decrypt(const struct mu_crypto *c,
                             const struct mu_mikey_msg_keys *k, uint8_t encr,
                             uint32_t csb, const struct mu_mikey_time *t,
                             struct mu_bytes in, uint8_t *out, size_t *len);

/* MAC over the parts; check is in constant time, MU_ERR_AUTH. */
MU_MUST int mu_mikey_mac(const struct mu_crypto *c,
                         const struct mu_secret *auth, uint8_t mac_alg,
                         const struct mu_bytes *parts, size_t parts_len,
                         uint8_t mac[MU_MIKEY_MAC_MAX]);
MU_MUST int mu_mikey_mac_check(const struct mu_crypto *c,
                               const struct mu_secret *auth, uint8_t mac_alg,
                               const struct mu_bytes *parts, size_t parts_len,
                               struct mu_bytes mac);

#endif
