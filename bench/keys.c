/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a departure costs, scheme by scheme and size by size.
 *
 *     keys [--json] [--scheme NAME] [--members N] [--leavers K]
 *
 * Each row is one rekey of a real group after K random members left at once:
 *
 *     bytes        of everything that has to be sent, multicast and personal
 *     multicast    of it, the rekey parts
 *     key_material wrapped keys, subset numbers or key indexes, and the tag
 *     wraps        wrapped keys in the rekey parts
 *     personal     messages to single members
 *     server_us    from the first leave to the last byte
 *     build_us     for the whole group, before
 *     device_ops   hash and cipher calls with which one member opens it; 0
 *                  when everybody left
 *
 * A key sent in a personal message counts as a wrap. Where more than SAMPLE
 * personal messages are due, all are counted but only so many are made, and
 * the time of the rest is scaled up: "sampled" is then true.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/scheme.h"

#define SAMPLE 200000u
#define PART (4u << 20) /* bytes: the rekey in one part where 65,535 do */
#define REPEATS 5       /* a row's time is the median of so many groups */

static const uint32_t sizes[] = {1000, 10000, 100000, 1000000, 10000000};
static const uint32_t batches[] = {1, 10, 1000};

struct row {
    enum mu_scheme_kind kind;
    uint32_t members;
    uint32_t leavers;
    uint64_t bytes;
    uint64_t multicast;
    uint64_t key_material;
    uint64_t wraps;
    uint32_t parts;
    uint32_t personal;
    double server_us;
    double build_us;
    uint64_t device_ops;
    size_t device_key_bytes;
    double server_bytes_per_member;
    bool sampled;
};

static uint64_t ops; /* counted calls of the device's crypto */
static uint64_t rng_state = 88172645463325252u;

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "keys: %s: %s\n", what, mu_err_text(rc));
    exit(1);
}

static uint32_t rng(uint32_t below)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (uint32_t)((rng_state >> 16) % below);
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int count_hmac(void *ctx, struct mu_bytes key,
                      const struct mu_bytes *parts, size_t parts_len,
                      uint8_t out[32])
{
    const struct mu_crypto *c = mu_crypto_openssl();

    (void)ctx;
    ops++;
    return c->hmac_sha256(c->ctx, key, parts, parts_len, out);
}

static int count_decrypt(void *ctx, const struct mu_secret *key,
                         const uint8_t in[16], uint8_t out[16])
{
    const struct mu_crypto *c = mu_crypto_openssl();

    (void)ctx;
    ops++;
    return c->aes_decrypt(c->ctx, key, in, out);
}

static int count_open(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                      uint8_t *out, size_t *out_len)
{
    const struct mu_crypto *c = mu_crypto_openssl();

    (void)ctx;
    ops++;
    return c->open(c->ctx, a, in, out, out_len);
}

static struct mu_crypto counting(void)
{
    struct mu_crypto c = *mu_crypto_openssl();

    c.hmac_sha256 = count_hmac;
    c.aes_decrypt = count_decrypt;
    c.open = count_open;
    return c;
}

static struct mu_scheme_conf conf_of(enum mu_scheme_kind kind, uint32_t members)
{
    struct mu_scheme_conf conf = {
        .crypto = mu_crypto_openssl(),
        .kind = kind,
        .master = {.bytes = {1, 2, 3}, .len = 32},
        .key_kind = MU_KEY_KB,
        .scope = 1,
        .members = members,
        .slots_max = members,
        .clusters = 64,
        .degree = 4,
        .levels = 3,
    };

    return conf;
}

/* The state of one member, as it is before the rekey. */
static size_t issue(const struct mu_scheme *s, uint32_t slot, uint8_t *state,
                    size_t cap)
{
    struct mu_writer w = mu_writer(state, cap);

    must(mu_scheme_issue(s, slot, &w), "issue");
    return w.len;
}

/* All personal messages; returns the microseconds they take. */
static double make_personal(struct mu_scheme *s, struct mu_rekey *r,
                            struct row *row)
{
    static uint8_t msg[16384];
    double from = now_us();
    double spent = 0;
    uint32_t made = 0;
    size_t len = 0;
    uint32_t slot;

    while (mu_rekey_personal(s, r, &slot)) {
        row->personal++;
        if (made < SAMPLE) {
            struct mu_writer w = mu_writer(msg, sizeof(msg));

            must(mu_scheme_personal(s, slot, &w), "personal message");
            len = w.len;
            made++;
        } else if (made == SAMPLE && !row->sampled) {
            row->sampled = true;
            spent = now_us() - from;
            from = now_us();
        }
        row->bytes += len;
    }
    if (!row->sampled)
        return now_us() - from;
    return spent * row->personal / made + (now_us() - from);
}

static void open_one(const struct mu_crypto *crypto, struct mu_scheme *s,
                     uint32_t slot, uint8_t *state, size_t len, size_t cap,
                     uint8_t *out, const size_t *ends, struct row *row)
{
    static uint8_t msg[16384];
    struct mu_member m;
    struct mu_secret key;
    struct mu_kid kid;
    struct mu_writer w = mu_writer(msg, sizeof(msg));
    size_t at = 0;
    int rc = MU_ERR_NOT_FOUND;

    must(mu_member_init(&m, crypto, state, len, cap), "state");
    ops = 0;
    for (uint32_t i = 0; i < row->parts && rc != 0; at = ends[i++])
        rc = mu_member_open(&m, out + at, ends[i] - at, &kid, &key);
    if (rc != 0) {
        ops = 0;
        must(mu_scheme_personal(s, slot, &w), "personal message");
        must(mu_member_open(&m, msg, w.len, &kid, &key), "open");
    }
    row->device_ops = ops;
    if (!mu_secret_eq(&key, &s->key))
        must(MU_ERR_AUTH, "the member's key");
}

static void leave_random(struct mu_scheme *s, uint32_t members,
                         uint32_t leavers, uint32_t keep)
{
    for (uint32_t i = 0; i < leavers;) {
        const uint32_t slot = rng(members);

        if (slot != keep && mu_scheme_leave(s, slot) == 0)
            i++;
    }
}

static void run_rekey(struct mu_scheme *s, struct row *row, uint8_t *out,
                      size_t cap, size_t *ends)
{
    struct mu_writer w = mu_writer(out, cap);
    const double from = now_us();
    struct mu_rekey r;
    int rc;

    must(mu_scheme_begin(s, s->generation + 1, PART, &r), "begin");
    while ((rc = mu_rekey_part(s, &r, &w)) == 0)
        ends[row->parts++] = w.len;
    if (rc != MU_ERR_NOT_FOUND)
        must(rc, "part");
    row->multicast = row->bytes = w.len;
    row->wraps = r.wraps;
    row->key_material = (uint64_t)r.wraps * MU_REKEY_ENTRY_LEN +
                        (uint64_t)r.parts * MU_REKEY_TAG_LEN +
                        (r.by_index ? 4 : 0);
    row->server_us += now_us() - from;
    row->server_us += make_personal(s, &r, row);
    row->wraps += row->personal;
    row->key_material += row->bytes - row->multicast;
    mu_rekey_clear(&r);
}

static struct row run_once(enum mu_scheme_kind kind, uint32_t members,
                           uint32_t leavers)
{
    static uint8_t out[32u << 20];
    static size_t ends[64];
    static uint8_t state[16384];
    const struct mu_crypto crypto = counting();
    struct mu_scheme_conf conf = conf_of(kind, members);
    struct row row = {.kind = kind, .members = members, .leavers = leavers};
    /* One stays, to open it; unless nobody does. */
    const bool all = leavers == members;
    const uint32_t keep = rng(members);
    const size_t mem_len = mu_scheme_mem(&conf);
    void *mem = malloc(mem_len);
    struct mu_scheme s;
    size_t len;
    double from;

    if (mem == NULL || mem_len == 0)
        must(MU_ERR_NO_SPACE, "memory");
    from = now_us();
    must(mu_scheme_build(&s, &conf, 1, mem, mem_len), "build");
    /* Device types in equal parts: the ladder's leavers are of any type. */
    for (uint32_t slot = 0; kind == MU_SCHEME_LADDER && slot < members; slot++)
        must(mu_scheme_place(&s, slot, 1 + slot % conf.levels), "place");
    row.build_us = now_us() - from;
    len = issue(&s, keep, state, sizeof(state));
    row.device_key_bytes = len;
    row.server_bytes_per_member =
        (double)(mem_len + sizeof(s)) / (double)members;
    from = now_us();
    leave_random(&s, members, leavers, all ? UINT32_MAX : keep);
    row.server_us = now_us() - from;
    run_rekey(&s, &row, out, sizeof(out), ends);
    if (!all)
        open_one(&crypto, &s, keep, state, len, sizeof(state), out, ends, &row);
    mu_scheme_clear(&s);
    free(mem);
    return row;
}

static int order(const void *a, const void *b)
{
    const double x = ((const struct row *)a)->server_us;
    const double y = ((const struct row *)b)->server_us;

    return (x > y) - (x < y);
}

/* The row with the median time. */
static struct row run(enum mu_scheme_kind kind, uint32_t members,
                      uint32_t leavers)
{
    struct row rows[REPEATS];
    size_t n = 0;

    do {
        rows[n++] = run_once(kind, members, leavers);
    } while (n < REPEATS && rows[0].server_us < 1e6);
    qsort(rows, n, sizeof(rows[0]), order);
    return rows[n / 2];
}

static void print_json(const struct row *r, bool first)
{
    printf("%s{\"scheme\":\"%s\",\"members\":%u,\"leavers\":%u,"
           "\"bytes\":%llu,\"multicast_bytes\":%llu,\"key_material\":%llu,"
           "\"wraps\":%llu,\"parts\":%u,\"personal\":%u,\"server_us\":%.1f,"
           "\"build_us\":%.1f,\"device_ops\":%llu,\"device_key_bytes\":%zu,"
           "\"server_bytes_per_member\":%.3f,\"sampled\":%s}",
           first ? "" : ",\n", mu_scheme_name(r->kind), r->members, r->leavers,
           (unsigned long long)r->bytes, (unsigned long long)r->multicast,
           (unsigned long long)r->key_material, (unsigned long long)r->wraps,
           r->parts, r->personal, r->server_us, r->build_us,
           (unsigned long long)r->device_ops, r->device_key_bytes,
           r->server_bytes_per_member, r->sampled ? "true" : "false");
    fflush(stdout);
}

static void print_text(const struct row *r, bool first)
{
    if (first)
        printf("scheme    members leavers        bytes      wraps   personal  "
               "  server ms ops device B server B/member\n");
    printf("%-8s %8u %7u %12llu %10llu %10u %12.3f%s %3llu %8zu %15.3f\n",
           mu_scheme_name(r->kind), r->members, r->leavers,
           (unsigned long long)r->bytes, (unsigned long long)r->wraps,
           r->personal, r->server_us / 1e3, r->sampled ? "*" : " ",
           (unsigned long long)r->device_ops, r->device_key_bytes,
           r->server_bytes_per_member);
    fflush(stdout);
}

struct args {
    bool json;
    enum mu_scheme_kind kind;
    uint32_t members;
    uint32_t leavers;
};

static bool args_number(const char *text, uint32_t *out)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    *out = (uint32_t)v;
    return *text >= '0' && *text <= '9' && *end == '\0' && v > 0 &&
           v <= MU_SCHEME_POSITIONS_MAX;
}

static bool args_read(int argc, char **argv, struct args *a)
{
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;

        if (strcmp(argv[i], "--json") == 0) {
            a->json = true;
        } else if (strcmp(argv[i], "--scheme") == 0 && more) {
            a->kind = mu_scheme_kind(mu_bytes_str(argv[++i]));
            if (a->kind == MU_SCHEME_NONE)
                return false;
        } else if (strcmp(argv[i], "--members") == 0 && more) {
            if (!args_number(argv[++i], &a->members))
                return false;
        } else if (strcmp(argv[i], "--leavers") == 0 && more) {
            if (!args_number(argv[++i], &a->leavers))
                return false;
        } else {
            return false;
        }
    }
    return a->leavers == 0 || a->members == 0 || a->leavers <= a->members;
}

static void run_all(const struct args *a)
{
    bool first = true;

    for (int kind = 1; kind < MU_SCHEME_COUNT; kind++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            for (size_t j = 0; j < sizeof(batches) / sizeof(batches[0]); j++) {
                const uint32_t n = a->members ? a->members : sizes[i];
                const uint32_t k = a->leavers ? a->leavers : batches[j];
                struct row row;

                if ((a->kind != MU_SCHEME_NONE && (int)a->kind != kind) ||
                    (a->members && i > 0) || (a->leavers && j > 0) || k > n)
                    continue;
                row = run((enum mu_scheme_kind)kind, n, k);
                (a->json ? print_json : print_text)(&row, first);
                first = false;
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct args a = {.kind = MU_SCHEME_NONE};

    if (!args_read(argc, argv, &a)) {
        fprintf(stderr, "usage: keys [--json] [--scheme NAME] [--members N] "
                        "[--leavers K <= N]\n"
                        "schemes: unicast cluster ladder lkh cs sd\n");
        return 2;
    }
    if (mu_crypto_openssl() == NULL)
        must(MU_ERR_CRYPTO, "back end");
    if (a.json)
        printf("[");
    run_all(&a);
    if (a.json)
        printf("]\n");
    else
        printf("* time of the personal messages scaled from %u of them\n",
               SAMPLE);
    return 0;
}
