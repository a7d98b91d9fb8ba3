/* SPDX-License-Identifier: Apache-2.0 */
/* Published figures: tests/vectors/schemes.txt. */
#include "crypto_psa/crypto_psa.h"
#include "lab.h"

#define LIST_MAX 64

struct list {
    uint32_t a[LIST_MAX];
    uint32_t b[LIST_MAX];
    size_t len;
};

/* "a" or "a:b" up to the next semicolon or the end. */
static char *list_read(char *text, struct list *l)
{
    l->len = 0;
    while (*text != '\0' && *text != ';' && *text != '\n') {
        char *end;

        l->a[l->len] = (uint32_t)strtoul(text, &end, 10);
        if (*end == ':')
            l->b[l->len] = (uint32_t)strtoul(end + 1, &end, 10);
        if (end != text)
            l->len++;
        text = end;
        while (*text == ' ')
            text++;
    }
    return *text == ';' ? text + 1 : text;
}

/* A node in heap order as level and index. */
static uint32_t heap_node(uint32_t heap, uint32_t log2n)
{
    uint32_t depth = 0;

    while (heap >> (depth + 1) != 0)
        depth++;
    return (2 * (heap - (1u << depth)) + 1) << (log2n - depth);
}

static uint32_t node_level(uint32_t node)
{
    return (uint32_t)__builtin_ctz(node);
}

/* The subset numbers of the cover of a group where these have left. */
static size_t cover_of(enum mu_scheme_kind kind, uint32_t log2n,
                       const struct list *gone, uint32_t *codes)
{
    struct mu_scheme_conf conf = lab_conf(kind, 1u << log2n, 1u << log2n);
    const size_t len = mu_scheme_mem(&conf);
    void *mem = malloc(len);
    uint8_t msg[4096];
    struct mu_writer w = mu_writer(msg, sizeof(msg));
    struct mu_scheme s;
    struct mu_rekey r;
    size_t n;

    assert_non_null(mem);
    assert_int_equal(mu_scheme_build(&s, &conf, 1, mem, len), 0);
    assert_int_equal(mu_scheme_leave_all(&s, gone->a, gone->len), 0);
    assert_int_equal(mu_scheme_begin(&s, 2, sizeof(msg), &r), 0);
    assert_int_equal(mu_rekey_part(&s, &r, &w), 0);
    assert_int_equal(r.parts, 1);
    n = (size_t)(msg[26] << 8 | msg[27]);
    assert_int_equal(w.len, 28 + 20 * n + 16);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *at = msg + 28 + 20 * i;

        codes[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
                   (uint32_t)at[2] << 8 | at[3];
    }
    free(mem);
    return n;
}

static bool has_code(const uint32_t *codes, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++) {
        if (codes[i] == code)
            return true;
    }
    return false;
}

static void check_cover(char *text)
{
    struct list head;
    struct list gone;
    struct list sd;
    struct list cs;
    uint32_t codes[LIST_MAX];
    uint32_t log2n;
    size_t n;

    text = list_read(text, &head);
    text = list_read(text, &gone);
    text = list_read(text, &sd);
    list_read(text, &cs);
    log2n = head.a[0];
    assert_true(sd.len > 0 && cs.len > 0);

    n = cover_of(MU_SCHEME_SD, log2n, &gone, codes);
    assert_int_equal(n, sd.len);
    assert_true(n <= 2 * gone.len - 1);
    for (size_t i = 0; i < sd.len; i++) {
        const uint32_t top = heap_node(sd.a[i], log2n);
        const uint32_t end = heap_node(sd.b[i], log2n);

        assert_true(has_code(
            codes, n, end << 5 | (node_level(top) - node_level(end))));
    }
    n = cover_of(MU_SCHEME_CS, log2n, &gone, codes);
    assert_int_equal(n, cs.len);
    for (size_t i = 0; i < cs.len; i++)
        assert_true(has_code(codes, n, heap_node(cs.a[i], log2n) << 5));
}

static void check_lkh(char *text)
{
    struct list v;
    struct mu_scheme_conf conf;
    struct mu_scheme s;
    struct mu_rekey r;
    uint8_t state[1024];
    struct mu_writer w = mu_writer(state, sizeof(state));
    size_t len;
    void *mem;

    list_read(text, &v);
    conf = lab_conf(MU_SCHEME_LKH, v.a[0], v.a[0]);
    conf.degree = (uint8_t)v.a[1];
    len = mu_scheme_mem(&conf);
    mem = malloc(len);
    assert_non_null(mem);
    assert_int_equal(mu_scheme_build(&s, &conf, 1, mem, len), 0);
    assert_int_equal(s.height, v.a[2]);
    assert_int_equal(mu_scheme_issue(&s, v.a[0] / 2, &w), 0);
    assert_int_equal(w.len, MU_MEMBER_HEAD_LEN + 2 + 16 * v.a[3]);
    /* Any leaver costs the same. */
    assert_int_equal(mu_scheme_leave(&s, v.a[0] / 3), 0);
    assert_int_equal(mu_scheme_begin(&s, 2, 1 << 20, &r), 0);
    assert_int_equal(r.wraps, v.a[4]);
    free(mem);
}

static void check_labels(char *text)
{
    struct list v;
    uint8_t state[8192];

    list_read(text, &v);
    for (int i = 0; i < 2; i++) {
        const uint32_t n = 1u << v.a[0];
        struct mu_scheme_conf conf =
            lab_conf(i == 0 ? MU_SCHEME_SD : MU_SCHEME_CS, n, n);
        struct mu_writer w = mu_writer(state, sizeof(state));
        const size_t len = mu_scheme_mem(&conf);
        void *mem = malloc(len);
        struct mu_scheme s;

        assert_non_null(mem);
        assert_int_equal(mu_scheme_build(&s, &conf, 1, mem, len), 0);
        assert_int_equal(mu_scheme_issue(&s, n - 1, &w), 0);
        assert_int_equal(w.len, MU_MEMBER_HEAD_LEN + 1 + 16 * v.a[1 + i]);
        /* The bounds for a group of a million. */
        if (v.a[0] == 20)
            assert_true(w.len < (i == 0 ? 4096 : 400));
        free(mem);
    }
}

static void each(const char *word, void (*check)(char *text), size_t want)
{
    FILE *file = fopen("tests/vectors/schemes.txt", "r");
    const size_t word_len = strlen(word);
    char line[1024];
    size_t n = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, word, word_len) != 0)
            continue;
        check(line + word_len);
        n++;
    }
    fclose(file);
    assert_int_equal(n, want);
}

static void covers(void **state)
{
    (void)state;
    each("cover ", check_cover, 10);
}

static void lkh_table(void **state)
{
    (void)state;
    each("lkh ", check_lkh, 7);
}

static void labels(void **state)
{
    (void)state;
    each("labels ", check_labels, 9);
}

/* NNL s.3.2: at most 2r - 1 subsets; about 1.25 r for scattered leavers. */
static void subset_difference_average(void **state)
{
    const uint32_t n = 4096;
    struct lab l = {.rng = 3};
    uint64_t subsets = 0;

    (void)state;
    for (unsigned trial = 0; trial < 40; trial++) {
        struct mu_scheme_conf conf = lab_conf(MU_SCHEME_SD, n, n);
        const size_t len = mu_scheme_mem(&conf);
        void *mem = malloc(len);
        struct mu_scheme s;
        struct mu_rekey r;

        assert_non_null(mem);
        assert_int_equal(mu_scheme_build(&s, &conf, 1, mem, len), 0);
        for (unsigned i = 0; i < 64;)
            i += mu_scheme_leave(&s, lab_rng(&l, n)) == 0;
        assert_int_equal(mu_scheme_begin(&s, 2, 1 << 20, &r), 0);
        assert_true(r.wraps <= 2 * 64 - 1);
        subsets += r.wraps;
        free(mem);
    }
    /* 78.2 in the published simulation. */
    assert_in_range(subsets, 40 * 75, 40 * 82);
}

/* The messages of docs/wire-format.md s.9.6, bit for bit. */

static int fixed_random(void *ctx, void *out, size_t len)
{
    uint8_t *to = out;

    (void)ctx;
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(0x80 + i);
    return 0;
}

static struct mu_bytes vector(const char *name, uint8_t *out)
{
    FILE *file = fopen("tests/vectors/rekey.txt", "r");
    const size_t name_len = strlen(name);
    static char line[4096];
    size_t len = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, name_len) != 0 ||
            strncmp(line + name_len, " = ", 3) != 0)
            continue;
        for (const char *at = line + name_len + 3; *at > ' '; at += 2) {
            const char hex[3] = {at[0], at[1], '\0'};

            out[len++] = (uint8_t)strtoul(hex, NULL, 16);
        }
    }
    fclose(file);
    assert_true(len > 0);
    return mu_bytes(out, len);
}

struct sample {
    enum mu_scheme_kind kind;
    uint32_t members;
    const char *message;
    const char *key;
    uint32_t leave[2];
    size_t leave_len;
    uint32_t opens; /* a slot that opens it */
};

static void sample_check(const struct sample *v,
                         const struct mu_crypto *backend)
{
    struct mu_crypto c = *backend;
    struct mu_scheme_conf conf = lab_conf(v->kind, v->members, v->members);
    const uint64_t base = (uint64_t)7 << 32 | 1;
    static uint64_t mem[512];
    uint8_t want[1024];
    uint8_t got[1024];
    uint8_t state[1024];
    struct mu_writer w = mu_writer(got, sizeof(got));
    struct mu_writer st = mu_writer(state, sizeof(state));
    struct mu_bytes text;
    struct mu_scheme s;
    struct mu_rekey r;
    struct mu_member m;
    struct mu_secret key;
    struct mu_kid kid;

    c.random = fixed_random;
    conf.crypto = &c;
    conf.clusters = 4;
    conf.degree = 2;
    for (uint8_t i = 0; i < 32; i++)
        conf.master.bytes[i] = i;
    assert_int_equal(mu_scheme_build(&s, &conf, base, mem, sizeof(mem)), 0);
    for (uint32_t i = 0; v->kind == MU_SCHEME_LADDER && i < v->members; i++)
        assert_int_equal(mu_scheme_place(&s, i, 1 + i % 3), 0);
    assert_int_equal(mu_scheme_issue(&s, v->opens, &st), 0);
    assert_int_equal(mu_scheme_leave_all(&s, v->leave, v->leave_len), 0);
    assert_int_equal(mu_scheme_begin(&s, base + 1, sizeof(got), &r), 0);
    if (v->kind == MU_SCHEME_UNICAST)
        assert_int_equal(mu_scheme_personal(&s, v->opens, &w), 0);
    else
        assert_int_equal(mu_rekey_part(&s, &r, &w), 0);
    text = vector(v->message, want);
    assert_int_equal(w.len, text.len);
    assert_memory_equal(got, text.data, w.len);
    assert_int_equal(mu_member_init(&m, &c, state, st.len, sizeof(state)), 0);
    assert_int_equal(mu_member_open(&m, got, w.len, &kid, &key), 0);
    text = vector(v->key, want);
    assert_int_equal(key.len, text.len);
    assert_memory_equal(key.bytes, text.data, text.len);
}

static void messages(void **state)
{
    static const struct sample samples[] = {
        {MU_SCHEME_SD, 8, "sd_0_and_7_left", "sd_0_and_7_left_key", {0, 7}, 2,
         6},
        {MU_SCHEME_SD, 8, "sd_all_in", "sd_all_in_key", {0}, 0, 3},
        {MU_SCHEME_CS, 8, "cs_0_left", "cs_0_left_key", {0}, 1, 5},
        {MU_SCHEME_CLUSTER, 8, "cluster_of_0_changed",
         "cluster_of_0_changed_key", {0}, 1, 4},
        {MU_SCHEME_LADDER, 8, "ladder_level_2_changed",
         "ladder_level_2_changed_key", {4}, 1, 0},
        {MU_SCHEME_LKH, 4, "lkh_1_left", "lkh_1_left_key", {1}, 1, 0},
        {MU_SCHEME_UNICAST, 8, "unicast_slot_3", "sd_all_in_key", {1}, 1, 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        sample_check(&samples[i], mu_crypto_openssl());
        sample_check(&samples[i], mu_crypto_psa());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covers),
        cmocka_unit_test(lkh_table),
        cmocka_unit_test(labels),
        cmocka_unit_test(subset_difference_average),
        cmocka_unit_test(messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
