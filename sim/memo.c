/* SPDX-License-Identifier: Apache-2.0 */
#include "memo.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum {
    HASHES = 1024,
    HASH_MIN = 64,   /* less is hashed as quickly as looked up */
    HASH_MAX = 1536, /* packets, and what objects are read by */
    VERIFIES = 16,
    VERIFY_MAX = 2048, /* bytes that are signed */
    PARTS_MAX = MU_HMAC_PARTS_MAX,
};

_Static_assert(sizeof(SHA256_CTX) <= MU_SHA256_STATE, "the back end's state");

/* What a state becomes by taking in so many bytes. */
struct sim_memo_hash {
    size_t len; /* 0: free */
    uint8_t before[sizeof(SHA256_CTX)], after[sizeof(SHA256_CTX)];
    uint8_t bytes[HASH_MAX];
};

struct sim_memo_verify {
    bool used;
    enum mu_alg alg;
    int rc;
    uint8_t pub[MU_PUBLIC_KEY_MAX], sig[MU_SIGNATURE_LEN];
    size_t pub_len, parts_len, lens[PARTS_MAX];
    uint8_t bytes[VERIFY_MAX];
};

static void *memo_alloc(size_t count, size_t each)
{
    void *p = calloc(count, each);

    if (p == NULL)
        abort();
    return p;
}

void sim_memo_init(struct sim_memo *m, const struct mu_crypto *real)
{
    *m = (struct sim_memo){.real = real};
    m->hashes = memo_alloc(HASHES, sizeof *m->hashes);
    m->verifies = memo_alloc(VERIFIES, sizeof *m->verifies);
}

void sim_memo_clear(struct sim_memo *m)
{
    free(m->hashes);
    free(m->verifies);
    *m = (struct sim_memo){.real = NULL};
}

static uint64_t memo_mix(uint64_t h, const uint8_t *at)
{
    uint64_t part;

    memcpy(&part, at, sizeof part);
    h = (h ^ part) * 0xbf58476d1ce4e5b9u;
    return h ^ h >> 31;
}

/* ---- hashes ---- */

/* Only where to look: what is there has to be the same. */
static struct sim_memo_hash *hash_place(struct sim_memo *m,
                                        const struct mu_sha256 *s,
                                        struct mu_bytes in)
{
    uint64_t h = memo_mix(in.len, s->state);

    h = memo_mix(h, in.data);
    h = memo_mix(h, in.data + in.len / 2);
    h = memo_mix(h, in.data + in.len - sizeof h);
    return &m->hashes[h % HASHES];
}

static bool hash_same(const struct sim_memo_hash *e, const struct mu_sha256 *s,
                      struct mu_bytes in)
{
    return e->len == in.len &&
           memcmp(e->before, s->state, sizeof e->before) == 0 &&
           memcmp(e->bytes, in.data, in.len) == 0;
}

void sim_memo_sha256_update(struct sim_memo *m, struct mu_sha256 *s,
                            struct mu_bytes in)
{
    struct sim_memo_hash *e;

    if (in.len < HASH_MIN || in.len > HASH_MAX) {
        m->real->sha256_update(m->real->ctx, s, in);
        return;
    }
    e = hash_place(m, s, in);
    if (hash_same(e, s, in)) {
        memcpy(s->state, e->after, sizeof e->after);
        m->found++;
        return;
    }
    e->len = in.len;
    memcpy(e->before, s->state, sizeof e->before);
    memcpy(e->bytes, in.data, in.len);
    m->real->sha256_update(m->real->ctx, s, in);
    memcpy(e->after, s->state, sizeof e->after);
}

/* ---- signatures ---- */

static bool verify_same(const struct sim_memo_verify *e, enum mu_alg alg,
                        struct mu_bytes pub, const struct mu_bytes *parts,
                        size_t parts_len, const uint8_t *sig)
{
    size_t at = 0;
    bool same = e->used && e->alg == alg && e->pub_len == pub.len &&
                e->parts_len == parts_len &&
                memcmp(e->sig, sig, sizeof e->sig) == 0 &&
                memcmp(e->pub, pub.data, pub.len) == 0;

    for (size_t i = 0; i < parts_len && same; i++) {
        same = e->lens[i] == parts[i].len &&
               (parts[i].len == 0 ||
                memcmp(e->bytes + at, parts[i].data, parts[i].len) == 0);
        at += parts[i].len;
    }
    return same;
}

static void verify_keep(struct sim_memo_verify *e, enum mu_alg alg,
                        struct mu_bytes pub, const struct mu_bytes *parts,
                        size_t parts_len, const uint8_t *sig)
{
    size_t at = 0;

    e->used = true;
    e->alg = alg;
    e->pub_len = pub.len;
    memcpy(e->pub, pub.data, pub.len);
    memcpy(e->sig, sig, sizeof e->sig);
    e->parts_len = parts_len;
    for (size_t i = 0; i < parts_len; i++) {
        e->lens[i] = parts[i].len;
        if (parts[i].len > 0)
            memcpy(e->bytes + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
}

int sim_memo_verify(struct sim_memo *m, enum mu_alg alg, struct mu_bytes pub,
                    const struct mu_bytes *parts, size_t parts_len,
                    const uint8_t sig[MU_SIGNATURE_LEN])
{
    struct sim_memo_verify *e = &m->verifies[memo_mix(0, sig) % VERIFIES];
    size_t len = 0;

    for (size_t i = 0; i < parts_len; i++)
        len += parts[i].len;
    if (pub.len == 0 || pub.len > sizeof e->pub || parts_len > PARTS_MAX ||
        len > VERIFY_MAX)
        return m->real->verify(m->real->ctx, alg, pub, parts, parts_len, sig);
    if (verify_same(e, alg, pub, parts, parts_len, sig)) {
        m->found++;
        return e->rc;
    }
    verify_keep(e, alg, pub, parts, parts_len, sig);
    e->rc = m->real->verify(m->real->ctx, alg, pub, parts, parts_len, sig);
    return e->rc;
}
