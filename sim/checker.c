/* SPDX-License-Identifier: Apache-2.0 */
/* The checkers. They see what no node sees: every seal, every memory. */
#include "checker.h"

#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/device_state.h"
#include "muster/gateway_state.h"

struct sim_nonces {
    uint64_t *set; /* open addressing; 0 is free */
    size_t cap, len;
    uint64_t reused;
};

static uint64_t nonces_hash(struct mu_bytes a, struct mu_bytes b)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < a.len; i++)
        h = (h ^ a.data[i]) * 0x100000001b3u;
    h = (h ^ (uint64_t)a.len) * 0x100000001b3u;
    for (size_t i = 0; i < b.len; i++)
        h = (h ^ b.data[i]) * 0x100000001b3u;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    h ^= h >> 32;
    return h == 0 ? 1 : h;
}

static bool nonces_add(struct sim_nonces *n, uint64_t h);

static void nonces_grow(struct sim_nonces *n)
{
    struct sim_nonces bigger = {.cap = n->cap == 0 ? 4096 : n->cap * 2};
    bigger.set = calloc(bigger.cap, sizeof *bigger.set);
    if (bigger.set == NULL)
        abort();
    for (size_t i = 0; i < n->cap; i++)
        if (n->set[i] != 0)
            (void)nonces_add(&bigger, n->set[i]);
    free(n->set);
    n->set = bigger.set;
    n->cap = bigger.cap;
}

static bool nonces_add(struct sim_nonces *n, uint64_t h)
{
    if (n->len * 2 >= n->cap)
        nonces_grow(n);
    size_t i = (size_t)h & (n->cap - 1);
    while (n->set[i] != 0) {
        if (n->set[i] == h)
            return false;
        i = (i + 1) & (n->cap - 1);
    }
    n->set[i] = h;
    n->len++;
    return true;
}

/* ---- the crypto table that the engines get -------------------------- */

#define WORLD(ctx) ((struct sim_world *)(ctx))
#define REAL(ctx) (WORLD(ctx)->real)

static int watched_random(void *ctx, void *out, size_t len)
{
    sim_rng_fill(&WORLD(ctx)->secrets, out, len);
    return 0;
}

static void watched_sha256_init(void *ctx, struct mu_sha256 *s)
{
    REAL(ctx)->sha256_init(REAL(ctx)->ctx, s);
}

static void watched_sha256_update(void *ctx, struct mu_sha256 *s,
                                  struct mu_bytes in)
{
    sim_memo_sha256_update(&WORLD(ctx)->memo, s, in);
}

static void watched_sha256_final(void *ctx, struct mu_sha256 *s,
                                 uint8_t out[32])
{
    REAL(ctx)->sha256_final(REAL(ctx)->ctx, s, out);
}

static int watched_hmac_sha256(void *ctx, struct mu_bytes key,
                               const struct mu_bytes *parts, size_t parts_len,
                               uint8_t out[32])
{
    return REAL(ctx)->hmac_sha256(REAL(ctx)->ctx, key, parts, parts_len, out);
}

static int watched_hmac_sha1(void *ctx, struct mu_bytes key,
                             const struct mu_bytes *parts, size_t parts_len,
                             uint8_t out[20])
{
    return REAL(ctx)->hmac_sha1(REAL(ctx)->ctx, key, parts, parts_len, out);
}

static int watched_seal(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                        uint8_t *out, size_t *out_len)
{
    struct sim_nonces *n = WORLD(ctx)->nonces;
    if (!nonces_add(n, nonces_hash(mu_secret_view(a->key), a->nonce)))
        n->reused++;
    return REAL(ctx)->seal(REAL(ctx)->ctx, a, in, out, out_len);
}

static int watched_open(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                        uint8_t *out, size_t *out_len)
{
    return REAL(ctx)->open(REAL(ctx)->ctx, a, in, out, out_len);
}

static int watched_aes_ctr(void *ctx, const struct mu_secret *key,
                           const uint8_t counter[16], uint8_t *data,
                           size_t len)
{
    return REAL(ctx)->aes_ctr(REAL(ctx)->ctx, key, counter, data, len);
}

static int watched_aes_encrypt(void *ctx, const struct mu_secret *key,
                               const uint8_t in[16], uint8_t out[16])
{
    return REAL(ctx)->aes_encrypt(REAL(ctx)->ctx, key, in, out);
}

static int watched_aes_decrypt(void *ctx, const struct mu_secret *key,
                               const uint8_t in[16], uint8_t out[16])
{
    return REAL(ctx)->aes_decrypt(REAL(ctx)->ctx, key, in, out);
}

static int watched_keypair(void *ctx, enum mu_alg alg, struct mu_secret *priv,
                           uint8_t *pub, size_t *pub_len)
{
    return REAL(ctx)->keypair(REAL(ctx)->ctx, alg, priv, pub, pub_len);
}

static int watched_sign(void *ctx, enum mu_alg alg,
                        const struct mu_secret *priv,
                        const struct mu_bytes *parts, size_t parts_len,
                        uint8_t sig[64])
{
    return REAL(ctx)->sign(REAL(ctx)->ctx, alg, priv, parts, parts_len, sig);
}

static int watched_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                          const struct mu_bytes *parts, size_t parts_len,
                          const uint8_t sig[64])
{
    return sim_memo_verify(&WORLD(ctx)->memo, alg, pub, parts, parts_len, sig);
}

static int watched_agree(void *ctx, enum mu_alg alg,
                         const struct mu_secret *priv, struct mu_bytes pub,
                         uint8_t out[32])
{
    return REAL(ctx)->agree(REAL(ctx)->ctx, alg, priv, pub, out);
}

static void watched_gf_sum(void *ctx, const struct mu_gf_sum *s)
{
    const struct sim_world *w = ctx;

    w->real->gf_sum(w->real->ctx, s);
}

void sim_checker_crypto(struct sim_world *w)
{
    w->real = mu_crypto_openssl();
    sim_memo_init(&w->memo, w->real);
    w->nonces = calloc(1, sizeof *w->nonces);
    if (w->nonces == NULL)
        abort();
    w->crypto = (struct mu_crypto){
        .ctx = w,
        .name = "watched",
        .random = watched_random,
        .sha256_init = watched_sha256_init,
        .sha256_update = watched_sha256_update,
        .sha256_final = watched_sha256_final,
        .hmac_sha256 = watched_hmac_sha256,
        .hmac_sha1 = watched_hmac_sha1,
        .seal = watched_seal,
        .open = watched_open,
        .aes_ctr = watched_aes_ctr,
        .aes_encrypt = watched_aes_encrypt,
        .aes_decrypt = watched_aes_decrypt,
        .keypair = watched_keypair,
        .sign = watched_sign,
        .verify = watched_verify,
        .agree = watched_agree,
        .gf_sum = w->real->gf_sum != NULL ? watched_gf_sum : NULL,
    };
}

void sim_checker_clear(struct sim_world *w)
{
    sim_memo_clear(&w->memo);
    free(w->nonces->set);
    free(w->nonces);
    w->nonces = NULL;
}

uint64_t sim_checker_nonces_reused(const struct sim_world *w)
{
    return w->nonces->reused;
}

uint64_t sim_checker_forged(const struct sim_world *w)
{
    uint64_t taken = 0;
    for (uint32_t i = w->first_device; i < w->nodes_len; i++)
        taken += w->nodes[i].forged_taken + (w->nodes[i].slot.differs ? 1 : 0);
    return taken;
}

uint32_t sim_checker_twice(const struct sim_world *w)
{
    uint32_t twice = 0;
    for (uint32_t i = w->first_device; i < w->nodes_len; i++)
        if (w->nodes[i].installs > 1)
            twice++;
    return twice;
}

/* ---- what lies in a gateway's memory --------------------------------- */

#define BLOCK ((size_t)4096)
#define KEYS_MAX (2 * (1 + MU_DEVICE_KEYS_MAX))

struct key_list {
    const struct mu_secret *keys[KEYS_MAX];
    size_t len;
};

static bool part_holds(const uint8_t *memory, size_t len,
                       const struct key_list *l)
{
    for (size_t i = 0; i < l->len; i++) {
        struct mu_bytes k = mu_secret_view(l->keys[i]);
        if (k.len > 0 && memmem(memory, len, k.data, k.len) != NULL)
            return true;
    }
    return false;
}

static size_t block_len(size_t len, size_t at)
{
    return len - at < BLOCK ? len - at : BLOCK;
}

static bool block_zero(const uint8_t *memory, size_t len)
{
    return memory[0] == 0 && memcmp(memory, memory + 1, len - 1) == 0;
}

/* Most of it was never written: no key lies in zeros alone, so what has to be
 * searched is the rest, and as far around it as a key reaches. */
static bool memory_holds(const uint8_t *memory, size_t len,
                         const struct key_list *l)
{
    size_t end;

    for (size_t at = 0; at < len; at = end) {
        size_t from = at > MU_SECRET_MAX ? at - MU_SECRET_MAX : 0, to;

        end = at;
        while (end < len && !block_zero(memory + end, block_len(len, end)))
            end += block_len(len, end);
        to = len - end > MU_SECRET_MAX ? end + MU_SECRET_MAX : len;
        if (end > at && part_holds(memory + from, to - from, l))
            return true;
        if (end == at)
            end += block_len(len, end);
    }
    return false;
}

static void keys_of(const struct sim_node *d, struct key_list *l)
{
    const struct mu_device *device = d->engine;

    l->keys[l->len++] = &d->kmr;
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        const struct mu_key_slot *slot = &device->keys.slots[i];
        if (slot->kid.kind == MU_KEY_KB)
            l->keys[l->len++] = &slot->key;
    }
}

/* Its first device and one of another area stand for all. */
static bool gateway_leaks(const struct sim_world *w, const struct sim_node *g,
                          uint32_t first, uint32_t other)
{
    struct key_list l = {.len = 0};

    keys_of(&w->nodes[first], &l);
    if (w->nodes[other].up)
        keys_of(&w->nodes[other], &l);
    return part_holds(g->engine, sizeof(struct mu_gateway), &l) ||
           memory_holds(g->work, g->work_len, &l);
}

uint32_t sim_checker_gateway_leaks(struct sim_world *w)
{
    uint32_t leaks = 0;
    for (uint32_t i = 1; i < w->first_device; i++) {
        struct sim_node *g = &w->nodes[i];
        if (!g->up)
            continue;
        uint32_t other = w->first_device +
                         (i % (w->nodes_len - w->first_device));
        for (uint32_t link = 1; link < g->below_len; link++) {
            if (g->below[link] == 0 || !w->nodes[g->below[link]].up)
                continue;
            if (gateway_leaks(w, g, g->below[link], other)) {
                sim_world_trace(w, g, "holds-foreign-key", link, 0);
                leaks++;
            }
            break;
        }
    }
    return leaks;
}
