/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TESLA (RFC 4082), uTESLA and multilevel uTESLA: symmetric keys that the
 * sender uses in one interval and discloses some intervals later. A receiver
 * needs an upper bound of the sender's clock, takes a packet only if its key
 * cannot be known yet, and keeps it until that key comes.
 *
 * TESLA starts from a signature and carries a key in each packet. uTESLA
 * starts from a MAC under a pairwise key and discloses once an interval.
 * Multilevel: a chain of long intervals commits to chains of short ones, so
 * that a chain that lasts for years is short.
 */
#ifndef MUSTER_SOURCE_TESLA_H
#define MUSTER_SOURCE_TESLA_H

#include "muster/source.h"

#define MU_TESLA_KEY_MIN 10
#define MU_TESLA_GAP_MAX 16 /* g_max of RFC 4082's guard */
#define MU_TESLA_GAP_MIN 1  /* g_min */
#define MU_TESLA_CDM_SLOTS 4
#define MU_TESLA_SYNC_MAX 256 /* bytes of a sync answer */

enum mu_tesla_prf {
    MU_TESLA_SHA256 = 1,
    MU_TESLA_SHA1 = 2, /* RFC 4383; nothing new uses it */
};

struct mu_tesla_params { /* what both sides agree on */
    enum mu_tesla_prf prf;
    uint8_t key_len; /* MU_TESLA_KEY_MIN..32; SHA-1: 20 at most */
    uint8_t tag_len; /* 4..16 */
    uint8_t stream;
    mu_time start;   /* T_0, on the sender's clock */
    uint64_t interval; /* T_int, us */
    uint32_t length; /* N: the last interval (low ones, when multilevel) */
    uint16_t delay;  /* d, in intervals, at least 2 (RFC 4082 s.3.6) */
    uint16_t low;    /* intervals of a low chain; 0: one level */
};

MU_MUST int mu_tesla_check(const struct mu_tesla_params *p);
/* d of RFC 4082: ceil(2m / T_int) + 1, at least 2. round_trip is 2m. */
uint32_t mu_tesla_delay(uint64_t interval, uint64_t round_trip);
/* The interval at a time on the sender's clock, 0 before the start. */
uint64_t mu_tesla_interval(const struct mu_tesla_params *p, mu_time at);
/* The packet of interval i, here at `at` (an upper bound of the sender's
 * clock), was sent before its key was disclosed. */
bool mu_tesla_safe(const struct mu_tesla_params *p, mu_time at, uint32_t i);
/* F and F' of RFC 4082: the key before, the MAC key; in place allowed. */
MU_MUST int mu_tesla_before(const struct mu_crypto *c,
                            const struct mu_tesla_params *p,
                            const uint8_t *key, uint8_t *to);
MU_MUST int mu_tesla_tag(const struct mu_crypto *c,
                         const struct mu_tesla_params *p, const uint8_t *key,
                         const struct mu_bytes *parts, size_t parts_len,
                         uint8_t *tag);

/* ---- sender ---- */

/* A chain of N + 1 keys, of which a square root is kept. */
struct mu_tesla_chain {
    const struct mu_crypto *crypto;
    struct mu_tesla_params params;
    uint32_t length, step;
    uint32_t segment_at; /* which segment is laid out */
    uint8_t *marks, *segment;
};

size_t mu_tesla_chain_work(const struct mu_tesla_params *p, uint32_t length);
/* last: K_N, key_len bytes, random. */
MU_MUST int mu_tesla_chain_init(struct mu_tesla_chain *k,
                                const struct mu_crypto *c,
                                const struct mu_tesla_params *p,
                                uint32_t length, const uint8_t *last,
                                void *work, size_t work_len);
MU_MUST int mu_tesla_chain_key(struct mu_tesla_chain *k, uint32_t i,
                               uint8_t *key);
void mu_tesla_chain_clear(struct mu_tesla_chain *k);

struct mu_tesla_sender {
    const struct mu_crypto *crypto;
    struct mu_tesla_params params;
    struct mu_tesla_chain chain; /* multilevel: the high one */
    bool piggyback;      /* TESLA: a key in each packet */
    uint16_t beat;       /* TESLA: a key packet after so many silent intervals */
    uint8_t copies;      /* multilevel: CDMs in each long interval */
    uint32_t disclosed;  /* the last interval whose key was sent */
    uint32_t spoke;      /* the last interval that a packet was sent in */
    uint32_t cdm_at;     /* CDMs sent so far, since the start */
};

size_t mu_tesla_sender_work(const struct mu_tesla_params *p);
/* piggyback: TESLA, else uTESLA; params->low != 0: multilevel. */
MU_MUST int mu_tesla_sender_init(struct mu_tesla_sender *s,
                                 const struct mu_crypto *c,
                                 const struct mu_tesla_params *p,
                                 bool piggyback, const uint8_t *last,
                                 void *work, size_t work_len);
void mu_tesla_sender_clear(struct mu_tesla_sender *s);

/* ---- time and start: the sync answer (RFC 4082 s.3.3.1) ---- */

/* Answers a receiver's nonce: the sender's time, the params, a key of the
 * chain that is disclosed already. */
MU_MUST int mu_tesla_sync_create(struct mu_tesla_sender *s,
                                 const struct mu_source_proof *p, mu_time now,
                                 const uint8_t nonce[8], struct mu_writer *w);

/* ---- receiver ---- */

struct mu_tesla_conf {
    struct mu_source_proof proof; /* of sync answers */
    uint8_t stream;
    uint8_t slots;        /* messages that may wait, at most SLOTS_MAX */
    uint16_t message_max; /* bytes */
    uint64_t drift;       /* S: what the clocks may run apart, us */
    uint32_t seed;        /* for who stays in a full buffer: unforeseeable */
};

struct mu_tesla_low { /* a low chain at a receiver */
    bool known;
    uint32_t chain;
    uint32_t at; /* v: the newest key that is known */
    uint8_t key[32];
};

struct mu_tesla_cdm { /* that waits for its key */
    bool used;
    uint32_t chain;
    uint8_t body[64]; /* commitment, hash */
    uint8_t tag[MU_SOURCE_TAG_MAX];
};

struct mu_tesla_receiver {
    struct mu_tesla_conf conf;
    struct mu_tesla_params params;
    bool synced;
    uint8_t nonce[8]; /* of the sync request under way */
    mu_time asked_at;
    bool asked;
    mu_time offset;    /* sender's clock is at most ours + offset (mod 2^64) */
    uint32_t verified; /* v: index of `key`; multilevel: of the high chain */
    uint8_t key[32];
    uint8_t gap;       /* g */
    uint64_t gap_at;   /* the interval in which g last rose by itself */
    struct mu_tesla_low lows[3]; /* the one before, the present, the next */
    struct mu_tesla_cdm cdms[MU_TESLA_CDM_SLOTS];
    uint32_t cdms_seen;
    bool foreseen; /* hash of the commitment of chain `foreseen_chain` */
    uint32_t foreseen_chain;
    uint8_t foreseen_hash[32];
    struct mu_source_buffer buffer;
    struct mu_source_counts counts;
};

size_t mu_tesla_receiver_work(const struct mu_tesla_conf *conf);
MU_MUST int mu_tesla_receiver_init(struct mu_tesla_receiver *r,
                                   const struct mu_tesla_conf *conf,
                                   void *work, size_t work_len);
/* Begins to ask: picks a nonce, which goes to the sender by unicast. */
MU_MUST int mu_tesla_sync_ask(struct mu_tesla_receiver *r, mu_time now,
                              uint8_t nonce[8]);
/* The answer; the bound of the sender's clock is from when we asked. Again at
 * any time: after a long silence, or when clocks may have drifted. */
MU_MUST int mu_tesla_sync_take(struct mu_tesla_receiver *r, mu_time now,
                               struct mu_bytes object);
/* Keys have gone by that the guard does not let it follow: ask again. */
bool mu_tesla_lost(const struct mu_tesla_receiver *r, mu_time now);

#endif
