/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MIKEY exchanges: pre-shared key, RSA, signed Diffie-Hellman (RFC 3830 s.3),
 * DHHMAC (RFC 4650), RSA-R (RFC 4738). Each message is a create and a consume.
 * Both ends hold a session: the Initiator fills it in and creates, consuming
 * fills in the other's; then both make the same traffic keys from it. Several
 * security protocols can be keyed by one exchange (AMIKEY): a crypto session
 * each, with keys of its own from the common TGK.
 */
#ifndef MUSTER_MIKEY_EXCHANGE_H
#define MUSTER_MIKEY_EXCHANGE_H

#include "muster/limits.h"
#include "muster/mikey_keys.h"

#define MU_MIKEY_MESSAGE_MAX 4096 /* bytes of the longest message of ours */
#define MU_MIKEY_KEYS_MAX 4       /* keys of one exchange */
#define MU_MIKEY_KEY_MAX MU_MIKEY_DH_MAX /* bytes: a TGK of OAKLEY group 5 */
#define MU_MIKEY_KEY_SALT_MAX 32  /* bytes of a salt */
#define MU_MIKEY_KV_MAX 16        /* bytes of an SPI or the end of an interval */
#define MU_MIKEY_RAND_MAX 64      /* bytes */
#define MU_MIKEY_SPS_MAX 4        /* policies of one exchange */
#define MU_MIKEY_PARAMS_MAX 64    /* bytes of the parameters of a policy */
#define MU_MIKEY_REPLAY_MAX 32    /* messages within the skew that are kept */
#define MU_MIKEY_ENVELOPE_LEN 16  /* bytes of an envelope key */

struct mu_mikey_key {
    uint8_t type; /* enum mu_mikey_key_type */
    uint8_t bytes[MU_MIKEY_KEY_MAX];
    uint8_t len;
    uint8_t salt[MU_MIKEY_KEY_SALT_MAX];
    uint8_t salt_len;
    uint8_t kv; /* enum mu_mikey_kv_type */
    uint8_t from[MU_MIKEY_KV_MAX]; /* or the SPI */
    uint8_t from_len;
    uint8_t to[MU_MIKEY_KV_MAX];
    uint8_t to_len;
};

struct mu_mikey_sp {
    uint8_t policy;
    uint8_t protocol;
    uint8_t params[MU_MIKEY_PARAMS_MAX];
    uint8_t params_len;
};

struct mu_mikey_name {
    uint8_t type; /* enum mu_mikey_id_type */
    uint8_t bytes[MU_ID_MAX];
    uint8_t len; /* 0: none */
};

/* What one end knows of an exchange. Zero it, fill in what is wanted, and
 * clear it at the end: it holds secrets. */
struct mu_mikey_session {
    struct mu_mikey_header header; /* type is set by create; views as read */
    uint8_t encr;
    uint8_t mac;
    uint8_t scheme; /* enum mu_mikey_scheme: of our signatures */
    uint8_t group;  /* enum mu_mikey_group */
    bool send_cert; /* our certificate in place of our name */
    bool send_hash; /* RSA: which certificate of the peer we mean */
    struct mu_mikey_time time;
    uint8_t rand[MU_MIKEY_RAND_MAX];
    uint8_t rand_len; /* at least MU_MIKEY_RAND_MIN */
    struct mu_mikey_name idi;
    struct mu_mikey_name idr;
    struct mu_mikey_sp sps[MU_MIKEY_SPS_MAX];
    uint8_t sps_len;
    struct mu_mikey_key keys[MU_MIKEY_KEYS_MAX];
    uint8_t keys_len;
    struct mu_bytes ext; /* key ids (RFC 4563) to send, or none; a view */
    struct mu_bytes peer_cert; /* a view: the caller's, or into the message */

    /* Private to the exchange. */
    struct mu_secret auth;
    uint8_t x[MU_MIKEY_DH_MAX];
    uint8_t dh_i[MU_MIKEY_DH_MAX];
};

/* Wipes. */
void mu_mikey_session_clear(struct mu_mikey_session *s);
MU_MUST int mu_mikey_name_set(struct mu_mikey_name *n, uint8_t type,
                              struct mu_bytes name);
/* Adds a TGK or TEK without validity. */
MU_MUST int mu_mikey_session_key(struct mu_mikey_session *s, uint8_t type,
                                 struct mu_bytes key, struct mu_bytes salt);

/*
 * AMIKEY: adds a security protocol with its policy and a crypto session for it
 * (map GENERIC-ID). *cs is its number, for mu_mikey_traffic_key.
 */
MU_MUST int mu_mikey_session_protocol(struct mu_mikey_session *s,
                                      uint8_t protocol, struct mu_bytes params,
                                      uint8_t *cs);
/* The crypto session of a protocol; NULL when it was not agreed on. */
const struct mu_mikey_cs *
mu_mikey_session_find(const struct mu_mikey_session *s, uint8_t protocol);

/* A traffic key of a crypto session from key at index: derived from a TGK, as
 * it stands for a TEK (FOR_TEK and FOR_SALT alone). */
MU_MUST int mu_mikey_traffic_key(const struct mu_crypto *c,
                                 const struct mu_mikey_session *s,
                                 size_t index, uint8_t cs,
                                 enum mu_mikey_use use, uint8_t *out,
                                 size_t len);

/*
 * Messages taken within the skew, RFC 3830 s.5.4. When it is full the oldest
 * goes, and from then on nothing as old as that is taken: what cannot be
 * remembered is refused.
 */
struct mu_mikey_replay {
    struct {
        uint64_t time;
        uint8_t digest[16];
    } seen[MU_MIKEY_REPLAY_MAX];
    size_t len;
    uint64_t floor; /* at or below: refused; 0: nothing refused yet */
};
void mu_mikey_replay_init(struct mu_mikey_replay *r);

#define MU_MIKEY_BIT(value) ((uint8_t)(1u << (value)))

/* What a receiver takes. An algorithm that is not listed is a downgrade:
 * MU_ERR_FORBIDDEN, and NULL has to be listed like any other. */
struct mu_mikey_policy {
    uint8_t encr;    /* MU_MIKEY_BIT of each enum mu_mikey_encr taken */
    uint8_t mac;
    uint8_t prf;
    uint8_t groups;
    uint8_t schemes;
    struct mu_bytes protocols; /* numbers, one a byte */
    uint8_t time_type;
    uint64_t now;  /* NTP: the clock; COUNTER: the last value taken */
    uint64_t skew; /* NTP: how far a message may be off, in its unit */
    struct mu_mikey_replay *replay; /* NULL with COUNTER alone */
    struct mu_mikey_name self;
    struct mu_mikey_name peer;
    struct mu_bytes peer_cert; /* DER; empty: the message brings it */
};

/*
 * Public-key work, which struct mu_crypto has not: RSA, and Diffie-Hellman
 * modulo the OAKLEY primes. Certificates are DER. 0 or an error of the table.
 */
struct mu_mikey_pk {
    void *ctx;
    struct mu_bytes cert; /* ours */
    size_t signature_len; /* bytes of our signatures */
    /* Leads to an anchor, is in date, names id: else MU_ERR_UNKNOWN_PEER. */
    int (*trust)(void *ctx, struct mu_bytes cert,
                 const struct mu_mikey_name *id);
    int (*envelope)(void *ctx, struct mu_bytes cert, struct mu_bytes key,
                    uint8_t *out, size_t cap, size_t *len);
    /* Never tells a bad envelope from a good one: gives a random key then. */
    int (*unseal)(void *ctx, struct mu_bytes in,
                  uint8_t key[MU_MIKEY_ENVELOPE_LEN]);
    int (*sign)(void *ctx, uint8_t scheme, const struct mu_bytes *parts,
                size_t parts_len, uint8_t *out, size_t len);
    int (*verify)(void *ctx, uint8_t scheme, struct mu_bytes cert,
                  const struct mu_bytes *parts, size_t parts_len,
                  struct mu_bytes signature);
    int (*cert_hash)(void *ctx, uint8_t hash, struct mu_bytes cert,
                     uint8_t *out);
    /* x and g^x, each as long as the group says. */
    int (*dh_make)(void *ctx, uint8_t group, uint8_t *x, uint8_t *gx);
    /* peer^x; MU_ERR_MALFORMED for 0, 1, p - 1 and what is not below p. */
    int (*dh_agree)(void *ctx, uint8_t group, const uint8_t *x,
                    const uint8_t *peer, uint8_t *out);
};

/*
 * Consume checks in this order: form, policy, who, MAC or signature, time and
 * replay, keys. Nothing is kept of what is refused. MU_ERR_AUTH, REPLAY,
 * EXPIRED (too old or ahead), UNKNOWN_PEER, UNEXPECTED (another message, or of
 * another exchange), FORBIDDEN, UNSUPPORTED, and those of mu_mikey_parse.
 */

/* RFC 3830 s.3.1. Keys: in s, of either kind. */
MU_MUST int mu_mikey_psk_init_create(const struct mu_crypto *c,
                                     struct mu_bytes psk,
                                     struct mu_mikey_session *s,
                                     struct mu_writer *w);
MU_MUST int mu_mikey_psk_init_consume(const struct mu_crypto *c,
                                      struct mu_bytes psk,
                                      const struct mu_mikey_policy *policy,
                                      struct mu_bytes in,
                                      struct mu_mikey_session *s);
/* The verification message of PSK and RSA; MU_ERR_UNEXPECTED when it was not
 * asked for. */
MU_MUST int mu_mikey_verify_create(const struct mu_crypto *c,
                                   const struct mu_mikey_session *s,
                                   struct mu_writer *w);
MU_MUST int mu_mikey_verify_consume(const struct mu_crypto *c,
                                    const struct mu_mikey_session *s,
                                    struct mu_bytes in);

/* RFC 3830 s.3.2: RSA. s->peer_cert is the Responder's. */
MU_MUST int mu_mikey_pk_init_create(const struct mu_crypto *c,
                                    const struct mu_mikey_pk *pk,
                                    struct mu_mikey_session *s,
                                    struct mu_writer *w);
MU_MUST int mu_mikey_pk_init_consume(const struct mu_crypto *c,
                                     const struct mu_mikey_pk *pk,
                                     const struct mu_mikey_policy *policy,
                                     struct mu_bytes in,
                                     struct mu_mikey_session *s);

/* RFC 3830 s.3.3: signed Diffie-Hellman. The TGK is made, not brought. */
MU_MUST int mu_mikey_dh_init_create(const struct mu_mikey_pk *pk,
                                    struct mu_mikey_session *s,
                                    struct mu_writer *w);
MU_MUST int mu_mikey_dh_init_consume(const struct mu_crypto *c,
                                     const struct mu_mikey_pk *pk,
                                     const struct mu_mikey_policy *policy,
                                     struct mu_bytes in,
                                     struct mu_mikey_session *s);
MU_MUST int mu_mikey_dh_resp_create(const struct mu_mikey_pk *pk,
                                    struct mu_mikey_session *s,
                                    struct mu_writer *w);
MU_MUST int mu_mikey_dh_resp_consume(const struct mu_mikey_pk *pk,
                                     const struct mu_mikey_policy *policy,
                                     struct mu_bytes in,
                                     struct mu_mikey_session *s);

/* RFC 4650: Diffie-Hellman under a pre-shared key. */
MU_MUST int mu_mikey_dhmac_init_create(const struct mu_crypto *c,
                                       const struct mu_mikey_pk *pk,
                                       struct mu_bytes psk,
                                       struct mu_mikey_session *s,
                                       struct mu_writer *w);
MU_MUST int mu_mikey_dhmac_init_consume(const struct mu_crypto *c,
                                        struct mu_bytes psk,
                                        const struct mu_mikey_policy *policy,
                                        struct mu_bytes in,
                                        struct mu_mikey_session *s);
MU_MUST int mu_mikey_dhmac_resp_create(const struct mu_crypto *c,
                                       const struct mu_mikey_pk *pk,
                                       struct mu_mikey_session *s,
                                       struct mu_writer *w);
MU_MUST int mu_mikey_dhmac_resp_consume(const struct mu_crypto *c,
                                        const struct mu_mikey_pk *pk,
                                        struct mu_bytes in,
                                        struct mu_mikey_session *s);

/* RFC 4738: RSA the other way round. The Responder brings the keys: it fills
 * in s->keys after consuming. */
MU_MUST int mu_mikey_rsa_r_init_create(const struct mu_mikey_pk *pk,
                                       struct mu_mikey_session *s,
                                       struct mu_writer *w);
MU_MUST int mu_mikey_rsa_r_init_consume(const struct mu_crypto *c,
                                        const struct mu_mikey_pk *pk,
                                        const struct mu_mikey_policy *policy,
                                        struct mu_bytes in,
                                        struct mu_mikey_session *s);
MU_MUST int mu_mikey_rsa_r_resp_create(const struct mu_crypto *c,
                                       const struct mu_mikey_pk *pk,
                                       struct mu_mikey_session *s,
                                       struct mu_writer *w);
MU_MUST int mu_mikey_rsa_r_resp_consume(const struct mu_crypto *c,
                                        const struct mu_mikey_pk *pk,
                                        const struct mu_mikey_policy *policy,
                                        struct mu_bytes in,
                                        struct mu_mikey_session *s);

/*
 * RFC 3830 s.5.1.2: tells the Initiator what went wrong; with a V when the
 * session has a key for it (the MAC was good, something else was not).
 * consume: *number is the first error, *proved whether the V was there and
 * good. An error that is not proved is a hint at most.
 */
MU_MUST int mu_mikey_error_create(const struct mu_crypto *c,
                                  const struct mu_mikey_session *s,
                                  uint8_t number, struct mu_writer *w);
MU_MUST int mu_mikey_error_consume(const struct mu_crypto *c,
                                   const struct mu_mikey_session *s,
                                   struct mu_bytes in, uint8_t *number,
                                   bool *proved);

#endif
