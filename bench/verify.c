/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs a receiver to check one packet of a cast: the check itself
 * (mu_cast_data_check), a forged packet on its whole way through the receiver,
 * the bare hash of the back end's library for comparison, and one signature
 * verification of each kind, which is what a packet would cost if it carried a
 * signature instead.
 *
 * A processor with instructions for SHA-256 moves the ratio to signatures by a
 * factor of three. Times vary with the machine and its load, so the subjects
 * take turns in short batches, and a ratio is the median of the ratios of
 * neighbours.
 *
 *     verify [--json]
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* the bare hash is the low-level one */

#include <math.h>
#include <openssl/sha.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto_openssl/crypto_openssl.h"
#include "crypto_psa/crypto_psa.h"
#include "muster/cast_receiver.h"

#define PAYLOAD 1024       /* bytes of a DATA packet */
#define HASH_LEN 8         /* bytes of it that are sent ahead and compared */
#define TURNS 101          /* batches of every subject; odd, for the median */
#define BATCH_NS 1000000.0 /* what a batch takes: well above the clock's step  \
                            */

#define HASH_RATIO_MAX 1.5       /* check : bare hash */
#define SIGNATURE_RATIO_MIN 50.0 /* Ed25519 verification : check */

enum subject {
    CHECK,
    FORGERY,
    BARE,
    ED25519,
    ES256,
    SUBJECTS
};

static const char *const subject_names[SUBJECTS] = {
    "check", "forgery", "bare_hash", "ed25519_verify", "es256_verify",
};

struct bench {
    const struct mu_crypto *crypto;
    void (*bare)(const uint8_t *data, size_t len, uint8_t out[32]);
    uint8_t packet[PAYLOAD];
    uint8_t forged[PAYLOAD];
    uint8_t hash[32];
    uint8_t pub[2][MU_PUBLIC_KEY_MAX];
    size_t pub_len[2];
    uint8_t sig[2][64];
    bool has[SUBJECTS];
    struct mu_cast_receiver receiver;
    void *work;
    size_t batch[SUBJECTS];
    double ns[SUBJECTS][TURNS]; /* of one operation, per turn */
};

static const enum mu_alg sig_algs[2] = {MU_ALG_EDDSA, MU_ALG_ES256};

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "verify: %s: %s\n", what, mu_err_text(rc));
    exit(1);
}

static void bare_openssl(const uint8_t *data, size_t len, uint8_t out[32])
{
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Update(&c, data, len);
    SHA256_Final(out, &c);
}

static void bare_psa(const uint8_t *data, size_t len, uint8_t out[32])
{
    size_t n;

    if (psa_hash_compute(PSA_ALG_SHA_256, data, len, out, 32, &n) !=
        PSA_SUCCESS)
        must(MU_ERR_CRYPTO, "psa_hash_compute");
}

/* A receiver at its first page, which knows the hashes of that page. */
static void bench_receiver(struct bench *b)
{
    static const struct mu_secret kfb = {.bytes = {1}, .len = 16};
    const struct mu_cast_receiver_conf conf = {
        .crypto = b->crypto,
        .shape = {.payload = PAYLOAD,
                  .page_data = 64,
                  .page_parity = 8,
                  .hash_len = HASH_LEN},
        .size = 256 * 1024,
        .session = 1,
        .kfb = &kfb,
    };
    static uint8_t roots[255 * HASH_LEN];
    struct mu_cast_page page;
    size_t n;

    must(mu_cast_page_first(&conf.shape, conf.size, &page), "shape");
    n = ((size_t)page.data + page.parity) * HASH_LEN;
    for (size_t i = 0; i < n; i += HASH_LEN)
        memcpy(roots + i, b->hash, HASH_LEN);
    b->work = malloc(mu_cast_receiver_work(&conf.shape));
    if (b->work == NULL)
        must(MU_ERR_NO_SPACE, "memory");
    must(mu_cast_receiver_init(&b->receiver, &conf, mu_bytes(roots, n), b->work,
                               mu_cast_receiver_work(&conf.shape), 0),
         "receiver");
}

/* The signatures are over 32 bytes, a digest: no signature is cheaper. */
static void bench_signatures(struct bench *b)
{
    const struct mu_bytes text = MU_BYTES(b->hash);

    for (size_t i = 0; i < 2; i++) {
        const struct mu_crypto *c = b->crypto;
        struct mu_secret priv;
        int rc =
            c->keypair(c->ctx, sig_algs[i], &priv, b->pub[i], &b->pub_len[i]);

        b->has[ED25519 + i] = rc == 0;
        if (rc == MU_ERR_UNSUPPORTED)
            continue;
        must(rc, "key pair");
        must(c->sign(c->ctx, sig_algs[i], &priv, &text, 1, b->sig[i]), "sign");
        mu_secret_clear(&priv);
    }
}

static void bench_init(struct bench *b, const struct mu_crypto *crypto,
                       void (*bare)(const uint8_t *, size_t, uint8_t[32]))
{
    struct mu_bytes packet = MU_BYTES(b->packet);

    memset(b, 0, sizeof(*b));
    if (crypto == NULL)
        must(MU_ERR_CRYPTO, "back end");
    must(mu_crypto_selftest(crypto), "selftest");
    b->crypto = crypto;
    b->bare = bare;
    for (size_t i = 0; i < PAYLOAD; i++)
        b->packet[i] = (uint8_t)(i * 73);
    mu_cast_data_head(b->packet, 1, 0, 0);
    mu_sha256(crypto, &packet, 1, b->hash);
    memcpy(b->forged, b->packet, PAYLOAD);
    b->forged[PAYLOAD - 1] ^= 1;
    b->has[CHECK] = b->has[FORGERY] = b->has[BARE] = true;
    bench_receiver(b);
    bench_signatures(b);
}

/* One operation. Every result is looked at: nothing is left out. */
static void bench_one(struct bench *b, enum subject s)
{
    const struct mu_crypto *c = b->crypto;
    const struct mu_bytes text = MU_BYTES(b->hash);
    uint8_t out[32];

    switch (s) {
    case CHECK:
        must(mu_cast_data_check(c, MU_BYTES(b->packet), b->hash, HASH_LEN),
             "check");
        break;
    case FORGERY:
        if (mu_cast_receiver_packet(&b->receiver, 0, MU_BYTES(b->forged)) !=
            MU_ERR_AUTH)
            must(MU_ERR_UNEXPECTED, "a forged packet was not refused");
        break;
    case BARE:
        b->bare(b->packet, PAYLOAD, out);
        if (out[0] != b->hash[0])
            must(MU_ERR_DIGEST, "bare hash");
        break;
    case ED25519:
    case ES256:
        must(c->verify(c->ctx, sig_algs[s - ED25519],
                       mu_bytes(b->pub[s - ED25519], b->pub_len[s - ED25519]),
                       &text, 1, b->sig[s - ED25519]),
             "verify");
        break;
    case SUBJECTS:
        break;
    }
}

/* Nanoseconds of one operation, over a batch of n. */
static double bench_batch(struct bench *b, enum subject s, size_t n)
{
    struct timespec from;
    struct timespec to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    for (size_t i = 0; i < n; i++)
        bench_one(b, s);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 +
            (double)(to.tv_nsec - from.tv_nsec)) /
           (double)n;
}

static void bench_run(struct bench *b)
{
    for (int s = 0; s < SUBJECTS; s++) {
        double ns;

        if (!b->has[s])
            continue;
        bench_batch(b, (enum subject)s, 3); /* warm */
        ns = bench_batch(b, (enum subject)s, 10);
        b->batch[s] = (size_t)ceil(BATCH_NS / ns);
    }
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (int s = 0; s < SUBJECTS; s++) {
            if (b->has[s])
                b->ns[s][turn] = bench_batch(b, (enum subject)s, b->batch[s]);
        }
    }
}

static int order(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double v[TURNS])
{
    double sorted[TURNS];

    memcpy(sorted, v, sizeof(sorted));
    qsort(sorted, TURNS, sizeof(sorted[0]), order);
    return sorted[TURNS / 2];
}

static double ratio(const struct bench *b, enum subject above,
                    enum subject below)
{
    double v[TURNS];

    for (size_t i = 0; i < TURNS; i++)
        v[i] = b->ns[above][i] / b->ns[below][i];
    return median(v);
}

static void print_json(const struct bench *b)
{
    printf("{\"backend\":\"%s\"", b->crypto->name);
    for (int s = 0; s < SUBJECTS; s++) {
        if (b->has[s])
            printf(",\"%s_ns\":%.0f", subject_names[s], median(b->ns[s]));
        else
            printf(",\"%s_ns\":null", subject_names[s]);
    }
    printf(",\"check_per_bare_hash\":%.3f", ratio(b, CHECK, BARE));
    printf(",\"forgery_per_bare_hash\":%.3f", ratio(b, FORGERY, BARE));
    for (int s = ED25519; s <= ES256; s++) {
        if (b->has[s])
            printf(",\"%s_per_check\":%.1f", subject_names[s],
                   ratio(b, (enum subject)s, CHECK));
        else
            printf(",\"%s_per_check\":null", subject_names[s]);
    }
    printf("}");
}

static void print_text(const struct bench *b)
{
    printf("%s\n", b->crypto->name);
    for (int s = 0; s < SUBJECTS; s++) {
        if (!b->has[s])
            continue;
        printf("  %-15s %9.0f ns  %8.2f x bare hash  %8.2f x check\n",
               subject_names[s], median(b->ns[s]),
               ratio(b, (enum subject)s, BARE),
               ratio(b, (enum subject)s, CHECK));
    }
}

/* The back end that has both decides: OpenSSL. */
static bool targets_met(const struct bench *b)
{
    return ratio(b, CHECK, BARE) <= HASH_RATIO_MAX &&
           ratio(b, ED25519, CHECK) >= SIGNATURE_RATIO_MIN;
}

int main(int argc, char **argv)
{
    static struct bench benches[2];
    const bool json = argc == 2 && strcmp(argv[1], "--json") == 0;

    if (argc > 2 || (argc == 2 && !json)) {
        fprintf(stderr, "usage: verify [--json]\n");
        return 2;
    }
    bench_init(&benches[0], mu_crypto_openssl(), bare_openssl);
    bench_init(&benches[1], mu_crypto_psa(), bare_psa);
    for (size_t i = 0; i < 2; i++)
        bench_run(&benches[i]);
    if (!json) {
        printf("checking one packet of %d bytes, %d of the hash compared\n",
               PAYLOAD, HASH_LEN);
        print_text(&benches[0]);
        print_text(&benches[1]);
        printf("targets (openssl): check <= %.1f x bare hash, Ed25519 >= %.0f "
               "x check: %s\n",
               HASH_RATIO_MAX, SIGNATURE_RATIO_MIN,
               targets_met(&benches[0]) ? "met" : "MISSED");
    } else {
        printf("{\"bench\":\"verify\",\"packet_bytes\":%d,\"hash_bytes\":%d,"
               "\"turns\":%d,\"backends\":[",
               PAYLOAD, HASH_LEN, TURNS);
        print_json(&benches[0]);
        printf(",");
        print_json(&benches[1]);
        printf("],\"targets\":{\"check_per_bare_hash_max\":%.1f,"
               "\"ed25519_verify_per_check_min\":%.0f,\"met\":%s}}\n",
               HASH_RATIO_MAX, SIGNATURE_RATIO_MIN,
               targets_met(&benches[0]) ? "true" : "false");
    }
    for (size_t i = 0; i < 2; i++)
        free(benches[i].work);
    return 0;
}
