/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of many sources, without a certificate or a list of keys in every
 * receiver: each packet brings its public key, and a directory that the server
 * signed says whether this id has that key. The directory is a Bloom filter
 * (nothing more in the packet, false positives) or the root of a Merkle tree
 * (a path in each packet, no false positives). A member is revoked by a new
 * directory of a higher version without it.
 */
#ifndef MUSTER_SOURCE_SIGN_H
#define MUSTER_SOURCE_SIGN_H

#include "muster/source.h"

#define MU_BLOOM_BYTES_MAX 4096 /* 800 members at 40 bits each */
#define MU_BLOOM_HASHES_MAX 40
#define MU_DIRECTORY_SALT 8
#define MU_MERKLE_DEPTH_MAX 16  /* 65,536 members */
#define MU_SOURCES_MAX 32       /* whose counters one receiver keeps */
/* Who a source is: public key, length of its name (1), name. */
#define MU_WHO_MAX (MU_PUBLIC_KEY_MAX + 1 + MU_ID_MAX)

enum mu_directory_kind { MU_DIRECTORY_BLOOM = 1, MU_DIRECTORY_MERKLE = 2 };

struct mu_directory {
    enum mu_directory_kind kind;
    uint64_t version; /* packets name its low 32 bits */
    uint32_t members;
    uint8_t hashes;                  /* Bloom: k */
    uint8_t salt[MU_DIRECTORY_SALT]; /* new in each version */
    struct mu_bytes bits;            /* Bloom: the filter; Merkle: the root */
};

struct mu_directory_member {
    uint32_t id;
    uint8_t who[MU_WHO_MAX];
    uint8_t who_len;
};

/* MU_ERR_USAGE for a key or a name that is too long. */
MU_MUST int mu_who_make(struct mu_bytes pub, struct mu_bytes name,
                        struct mu_directory_member *m);
/* Views into who; MU_ERR_MALFORMED unless it is one, and whole. */
MU_MUST int mu_who_parse(struct mu_bytes who, enum mu_alg alg,
                         struct mu_bytes *pub, struct mu_bytes *name);

/* ---- making directories (server) ---- */

/* Fills a filter of bits_len bytes. k is chosen: bits / members * ln 2. */
MU_MUST int mu_bloom_make(const struct mu_crypto *c,
                          const struct mu_directory_member *members,
                          size_t members_len,
                          const uint8_t salt[MU_DIRECTORY_SALT],
                          uint8_t *bits, size_t bits_len, uint8_t *hashes);
bool mu_bloom_has(const struct mu_crypto *c, const struct mu_directory *d,
                  uint32_t id, struct mu_bytes who);
/* The root, and the path of one member: depth hashes of 32 bytes, from the
 * leaf up. work: mu_merkle_work(members_len) bytes. */
size_t mu_merkle_work(size_t members_len);
uint8_t mu_merkle_depth(size_t members_len);
MU_MUST int mu_merkle_make(const struct mu_crypto *c,
                           const struct mu_directory_member *members,
                           size_t members_len,
                           const uint8_t salt[MU_DIRECTORY_SALT],
                           void *work, size_t work_len, uint8_t root[32]);
/* After mu_merkle_make, from the same work memory. */
MU_MUST int mu_merkle_path(const void *work, size_t members_len, size_t index,
                           uint8_t *path, size_t path_len);
bool mu_merkle_has(const struct mu_crypto *c, const struct mu_directory *d,
                   uint32_t id, struct mu_bytes who, uint32_t index,
                   struct mu_bytes path);

MU_MUST int mu_directory_create(const struct mu_source_proof *p,
                                const struct mu_directory *d,
                                struct mu_writer *w);
/* bits is a view into the object. */
MU_MUST int mu_directory_consume(const struct mu_source_proof *p,
                                 struct mu_bytes object,
                                 struct mu_directory *d);

/* ---- sender, receiver ---- */

struct mu_sign_sender {
    const struct mu_crypto *crypto;
    const struct mu_signer *signer; /* its own key pair */
    struct mu_bytes who; /* as the directory has it */
    uint32_t id;
    uint64_t counter; /* of the last packet; durable before it is used */
    uint32_t index;   /* Merkle: place of the leaf */
    struct mu_bytes path; /* Merkle: of the current directory; else empty */
    uint64_t version; /* of that directory */
};

struct mu_sign_source {
    uint32_t id;
    uint64_t counter;
    mu_time heard;
    bool used;
};

struct mu_sign_conf {
    struct mu_source_proof proof; /* of directories */
    enum mu_alg alg;              /* of the sources */
    uint16_t signatures;          /* a second at most, genuine or not */
    uint16_t directory_max;       /* bytes of the filter that fit */
    uint32_t seed; /* for which of too many are looked at: unforeseeable */
};

struct mu_sign_receiver {
    struct mu_sign_conf conf;
    struct mu_directory directory; /* version 0: none yet */
    uint8_t *bits;
    struct mu_sign_source sources[MU_SOURCES_MAX];
    uint32_t allowance; /* 1/1000 signatures */
    mu_time allowed_at;
    mu_time second_at;     /* of the second being counted */
    uint32_t wanted[2];    /* signatures that came up: this second, the last */
    uint32_t random;
    struct mu_bytes ready, ready_who;
    uint32_t ready_id;
    uint64_t ready_counter;
    bool has_ready;
    struct mu_source_counts counts;
};

/* work: directory_max bytes. */
MU_MUST int mu_sign_receiver_init(struct mu_sign_receiver *r,
                                  const struct mu_sign_conf *conf, void *work,
                                  size_t work_len);
/* A directory came, by whatever way. MU_ERR_ROLLBACK for one not newer. */
MU_MUST int mu_sign_directory(struct mu_sign_receiver *r,
                              struct mu_bytes object);
/* Whether the directory in force says that this id is this one. */
bool mu_sign_knows(struct mu_sign_receiver *r, uint32_t id,
                   struct mu_bytes who, uint32_t index, struct mu_bytes path);

#endif
