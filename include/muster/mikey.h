/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MIKEY messages (RFC 3830 s.6): the common header, every payload, and a whole
 * message as a list of payloads. Views point into the message that was read.
 * Keys and exchanges are in mikey_keys.h and mikey_exchange.h; the MBMS profile
 * is in mikey_mbms.h. docs/mikey.md has the clauses.
 */
#ifndef MUSTER_MIKEY_H
#define MUSTER_MIKEY_H

#include "muster/bytes.h"
#include "muster/err.h"

#define MU_MIKEY_VERSION 1
#define MU_MIKEY_PAYLOADS_MAX 24 /* of one message; we write at most 16 */
#define MU_MIKEY_CS_MAX 8        /* crypto sessions of one exchange */
#define MU_MIKEY_CS_POLICIES 4   /* policies of one crypto session */
#define MU_MIKEY_CERTS_MAX 3     /* a chain: own, intermediate, root */
#define MU_MIKEY_RAND_MIN 16     /* bytes, RFC 3830 s.6.11 */
#define MU_MIKEY_MAC_MAX 32      /* bytes of the longest MAC */
#define MU_MIKEY_DH_MAX 192      /* bytes of a number in OAKLEY group 5 */

/* Table 6.1.a, RFC 4650 s.4, RFC 4738 s.5. */
enum mu_mikey_type {
    MU_MIKEY_PSK_INIT = 0,
    MU_MIKEY_PSK_VERIFY = 1,
    MU_MIKEY_PK_INIT = 2,
    MU_MIKEY_PK_VERIFY = 3,
    MU_MIKEY_DH_INIT = 4,
    MU_MIKEY_DH_RESP = 5,
    MU_MIKEY_ERROR = 6,
    MU_MIKEY_DHMAC_INIT = 7,
    MU_MIKEY_DHMAC_RESP = 8,
    MU_MIKEY_RSA_R_INIT = 9,
    MU_MIKEY_RSA_R_RESP = 10,
    MU_MIKEY_TYPE_COUNT
};

/* Table 6.1.b. */
enum mu_mikey_payload_type {
    MU_MIKEY_LAST = 0,
    MU_MIKEY_KEMAC = 1,
    MU_MIKEY_PKE = 2,
    MU_MIKEY_DH = 3,
    MU_MIKEY_SIGN = 4,
    MU_MIKEY_T = 5,
    MU_MIKEY_ID = 6,
    MU_MIKEY_CERT = 7,
    MU_MIKEY_CHASH = 8,
    MU_MIKEY_V = 9,
    MU_MIKEY_SP = 10,
    MU_MIKEY_RAND = 11,
    MU_MIKEY_ERR = 12,
    MU_MIKEY_KEY_DATA = 20,
    MU_MIKEY_EXT = 21,
};

enum mu_mikey_prf { MU_MIKEY_PRF_SHA1 = 0, MU_MIKEY_PRF_SHA256 = 1 };
/* GENERIC is RFC 6043 s.6.1.1: crypto sessions of any protocol. */
enum mu_mikey_map {
    MU_MIKEY_MAP_SRTP = 0,
    MU_MIKEY_MAP_EMPTY = 1,
    MU_MIKEY_MAP_GENERIC = 2,
};
enum mu_mikey_encr {
    MU_MIKEY_ENCR_NULL = 0,
    MU_MIKEY_ENCR_AES_CM = 1,
    MU_MIKEY_ENCR_AES_KW = 2,
};
enum mu_mikey_mac {
    MU_MIKEY_MAC_NULL = 0,
    MU_MIKEY_MAC_SHA1 = 1,   /* HMAC-SHA-1-160 */
    MU_MIKEY_MAC_SHA256 = 2, /* HMAC-SHA-256-256, RFC 6043 */
};
enum mu_mikey_cache {
    MU_MIKEY_CACHE_NO = 0,
    MU_MIKEY_CACHE_YES = 1,
    MU_MIKEY_CACHE_CSB = 2,
};
enum mu_mikey_group {
    MU_MIKEY_OAKLEY_5 = 0, /* 1536 bits */
    MU_MIKEY_OAKLEY_1 = 1, /* 768 bits */
    MU_MIKEY_OAKLEY_2 = 2, /* 1024 bits */
};
enum mu_mikey_scheme { MU_MIKEY_RSA_PKCS1 = 0, MU_MIKEY_RSA_PSS = 1 };
enum mu_mikey_time_type {
    MU_MIKEY_NTP_UTC = 0,
    MU_MIKEY_NTP = 1,
    MU_MIKEY_COUNTER = 2,
};
enum mu_mikey_id_type { MU_MIKEY_NAI = 0, MU_MIKEY_URI = 1 };
enum mu_mikey_cert_type {
    MU_MIKEY_X509 = 0,
    MU_MIKEY_X509_URL = 1,
    MU_MIKEY_X509_SIGN = 2,
    MU_MIKEY_X509_ENCR = 3,
};
enum mu_mikey_hash { MU_MIKEY_SHA1 = 0, MU_MIKEY_MD5 = 1 };
enum mu_mikey_key_type {
    MU_MIKEY_TGK = 0,
    MU_MIKEY_TGK_SALT = 1,
    MU_MIKEY_TEK = 2,
    MU_MIKEY_TEK_SALT = 3,
};
enum mu_mikey_kv_type {
    MU_MIKEY_KV_NULL = 0,
    MU_MIKEY_KV_SPI = 1,
    MU_MIKEY_KV_INTERVAL = 2,
};
enum mu_mikey_ext_type {
    MU_MIKEY_EXT_VENDOR = 0,
    MU_MIKEY_EXT_SDP = 1,
    MU_MIKEY_EXT_TESLA = 2,  /* RFC 4442 */
    MU_MIKEY_EXT_KEY_ID = 3, /* RFC 4563 */
    MU_MIKEY_EXT_CSB_ID = 4, /* RFC 4738 */
};
/* Security protocols: SRTP is table 6.10.1; the others are of the range left
 * to private use, agreed on by both ends of ours. */
enum mu_mikey_protocol {
    MU_MIKEY_SRTP = 0,
    MU_MIKEY_TESLA = 1,    /* RFC 4442 */
    MU_MIKEY_OSCORE = 240, /* private use, RFC 3830 s.10 */
    MU_MIKEY_DTLS = 241,
    MU_MIKEY_HOP = 242,
    MU_MIKEY_MBMS = 243, /* MSK messages */
};
enum mu_mikey_error {
    MU_MIKEY_E_AUTH = 0,
    MU_MIKEY_E_TIME = 1,
    MU_MIKEY_E_PRF = 2,
    MU_MIKEY_E_MAC = 3,
    MU_MIKEY_E_ENCR = 4,
    MU_MIKEY_E_HASH = 5,
    MU_MIKEY_E_DH = 6,
    MU_MIKEY_E_ID = 7,
    MU_MIKEY_E_CERT = 8,
    MU_MIKEY_E_SP = 9,
    MU_MIKEY_E_SP_PARAM = 10,
    MU_MIKEY_E_TYPE = 11,
    MU_MIKEY_E_OTHER = 12,
};

/* One crypto session of the header. SRTP-ID map: id is the place (from 1),
 * one policy, ssrc, roc. Empty map: the id alone. GENERIC-ID: all but those. */
struct mu_mikey_cs {
    uint8_t id;
    uint8_t protocol;
    uint8_t policies[MU_MIKEY_CS_POLICIES];
    uint8_t policies_len;
    uint32_t ssrc;
    uint32_t roc;
    struct mu_bytes session; /* GENERIC-ID: session data */
    struct mu_bytes spi;     /* GENERIC-ID: at most 255 bytes */
};

struct mu_mikey_header {
    uint8_t type; /* enum mu_mikey_type */
    bool verify;  /* the V flag: a verification message is wanted */
    uint8_t prf;
    uint32_t csb;
    uint8_t map;
    uint8_t cs_len;
    struct mu_mikey_cs cs[MU_MIKEY_CS_MAX];
};

/* A moment: NTP seconds << 32 | fraction, or a counter of 32 bits. */
struct mu_mikey_time {
    uint8_t type; /* enum mu_mikey_time_type */
    uint64_t value;
};

/* Key validity: a: SPI or valid from; b: valid to. At most 255 bytes each. */
struct mu_mikey_kv {
    uint8_t type;
    struct mu_bytes a;
    struct mu_bytes b;
};

struct mu_mikey_key_data {
    uint8_t type; /* enum mu_mikey_key_type */
    struct mu_bytes key;
    struct mu_bytes salt; /* empty unless the type says SALT */
    struct mu_mikey_kv kv;
};

struct mu_mikey_payload {
    uint8_t type; /* enum mu_mikey_payload_type */
    union {
        struct {
            uint8_t encr;
            struct mu_bytes data;
            uint8_t mac_alg;
            struct mu_bytes mac;
        } kemac;
        struct {
            uint8_t cache;
            struct mu_bytes data; /* at most 2^14 - 1 bytes */
        } pke;
        struct {
            uint8_t group;
            struct mu_bytes value; /* as long as the group says */
            struct mu_mikey_kv kv;
        } dh;
        struct {
            uint8_t scheme;
            struct mu_bytes signature; /* at most 2^12 - 1 bytes */
        } sign;
        struct mu_mikey_time t;
        struct {
            uint8_t type;
            struct mu_bytes data;
        } id, cert, ext;
        struct {
            uint8_t hash;
            struct mu_bytes data;
        } chash;
        struct {
            uint8_t mac_alg;
            struct mu_bytes mac;
        } v;
        struct {
            uint8_t policy;
            uint8_t protocol;
            struct mu_bytes params; /* type, length, value; checked when read */
        } sp;
        struct mu_bytes rand; /* at most 255 bytes */
        struct {
            uint8_t number; /* enum mu_mikey_error */
        } err;
        struct mu_mikey_key_data key_data;
    };
};

/*
 * A whole message. The named payloads are set by mu_mikey_order and point into
 * payloads, so a message is never copied.
 */
struct mu_mikey_message {
    struct mu_bytes in;
    struct mu_mikey_header header;
    struct mu_mikey_payload payloads[MU_MIKEY_PAYLOADS_MAX];
    size_t payloads_len;

    const struct mu_mikey_payload *t;
    const struct mu_mikey_payload *rand;
    const struct mu_mikey_payload *idi;
    const struct mu_mikey_payload *idr;
    const struct mu_mikey_payload *certs; /* the first of a row */
    size_t certs_len;
    const struct mu_mikey_payload *sps; /* the first of a row */
    size_t sps_len;
    const struct mu_mikey_payload *dh;   /* of who speaks */
    const struct mu_mikey_payload *dh_i; /* in a response: of the Initiator */
    const struct mu_mikey_payload *kemac;
    const struct mu_mikey_payload *chash;
    const struct mu_mikey_payload *pke;
    const struct mu_mikey_payload *v;
    const struct mu_mikey_payload *sign;
    const struct mu_mikey_payload *errs; /* the first of a row */
    size_t errs_len;
};

/*
 * Reads header and payloads to the end. MU_ERR_UNSUPPORTED for a version, type,
 * map, payload or algorithm that is not known (its length could not be told),
 * MU_ERR_TOO_LARGE for more than the bounds above; nothing may be left over.
 */
MU_MUST int mu_mikey_parse(struct mu_bytes in, struct mu_mikey_message *m);

/* Checks the payloads against the order of the message's type (RFC 3830 s.3,
 * RFC 4650 s.3, RFC 4738 s.4) and names them. General extensions may stand
 * anywhere but at the end. MU_ERR_MALFORMED. */
MU_MUST int mu_mikey_order(struct mu_mikey_message *m);
/* The same for an MTK message: T and KEMAC alone (TS 33.246 s.6.4.5). */
MU_MUST int mu_mikey_order_mtk(struct mu_mikey_message *m);

/* Writes a message payload by payload; w takes what is before it as foreign. */
struct mu_mikey_writer {
    struct mu_writer *w;
    size_t start;   /* of the message in w */
    size_t next_at; /* where the next payload's type belongs */
    size_t last_at; /* start of the newest payload */
};

void mu_mikey_begin(struct mu_mikey_writer *m, struct mu_writer *w,
                    const struct mu_mikey_header *header);
/* Fails the writer for a payload that has no encoding. */
void mu_mikey_put(struct mu_mikey_writer *m,
                  const struct mu_mikey_payload *payload);
/* Of the message so far; empty after a failure. */
struct mu_bytes mu_mikey_made(const struct mu_mikey_writer *m);

/* A row of key data payloads, alone as in the data of a KEMAC. */
void mu_mikey_put_keys(struct mu_writer *w,
                       const struct mu_mikey_key_data *keys, size_t len);

/* One payload without its message, as in the data of a KEMAC: reads its body
 * and sets next. For the parser, and for tests. */
MU_MUST int mu_mikey_payload_read(struct mu_reader *r, uint8_t type,
                                  struct mu_mikey_payload *p, uint8_t *next);
/* Writes one payload whose successor is next. */
void mu_mikey_payload_write(struct mu_writer *w,
                            const struct mu_mikey_payload *p, uint8_t next);

/* 0 for what is not known. */
size_t mu_mikey_dh_len(uint8_t group);
/* -1 for what is not known, 0 for NULL. */
int mu_mikey_mac_len(uint8_t mac_alg);

/* RFC 4563 s.4: key ids of a general extension of type 3. */
#define MU_MIKEY_KEY_IDS_MAX 3
enum mu_mikey_key_id_type {
    MU_MIKEY_KEY_DOMAIN = 0,
    MU_MIKEY_MSK = 1,
    MU_MIKEY_MTK = 2,
};
struct mu_mikey_key_id {
    uint8_t type;
    struct mu_bytes id; /* at most 255 bytes */
};
void mu_mikey_key_ids_write(struct mu_writer *w,
                            const struct mu_mikey_key_id *ids, size_t len);
MU_MUST int mu_mikey_key_ids_read(struct mu_bytes in,
                                  struct mu_mikey_key_id *ids, size_t *len);

/* The number that tells a peer of one of our errors, for the ERR payload. */
uint8_t mu_mikey_error_of(int err);

#endif
