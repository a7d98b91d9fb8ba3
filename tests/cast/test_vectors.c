/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of docs/wire-format.md s.8: how objects are cut, and one object
 * prepared, with every packet. They are what an outsider checks his own
 * implementation against, so they are made here and compared on every run:
 *
 *     test_cast_vectors --update      writes tests/vectors/cast.txt anew
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cast/parity.h"
#include "crypto_openssl/crypto_openssl.h"
#include "muster/cast_receiver.h"
#include "muster/cast_sender.h"

#define VECTORS "tests/vectors/cast.txt"
#define SESSION 5

static const struct mu_crypto *c;
static struct mu_secret cek, kctl, kfb;

/* ---- one small object ---- */

static const struct mu_cast_shape shape = {64, 4, 2, 8};

struct memory {
    uint8_t bytes[4096];
    size_t len;
};

static int memory_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    const struct memory *m = ctx;

    if (at + len > m->len)
        return MU_ERR_TOO_LARGE;
    memcpy(to, m->bytes + at, len);
    return 0;
}

static int memory_write(void *ctx, uint64_t at, const uint8_t *from,
                        size_t len)
{
    struct memory *m = ctx;

    if (at + len > sizeof(m->bytes))
        return MU_ERR_TOO_LARGE;
    memcpy(m->bytes + at, from, len);
    if (at + len > m->len)
        m->len = at + len;
    return 0;
}

static int memory_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

static bool member(void *ctx, uint16_t receiver)
{
    (void)ctx;
    return receiver == 0;
}

static int feedback_key(void *ctx, uint16_t receiver, struct mu_secret *key)
{
    (void)ctx;
    (void)receiver;
    *key = kfb;
    return 0;
}

static void put_hex(FILE *out, const char *name, struct mu_bytes b)
{
    fprintf(out, "%s = ", name);
    for (size_t i = 0; i < b.len; i++)
        fprintf(out, "%02x", b.data[i]);
    fprintf(out, "\n");
}

/* The packets of a sender that adds all the parity there is. */
static void put_packets(FILE *out, const struct mu_object *prepared,
                        uint64_t size)
{
    static _Alignas(8) uint8_t work[4096];
    const struct mu_cast_peers peers = {NULL, member, feedback_key, NULL,
                                        NULL};
    const struct mu_cast_sender_conf conf = {
        .crypto = c,
        .shape = shape,
        .size = size,
        .session = SESSION,
        .prepared = prepared,
        .peers = &peers,
        .receivers = 1,
        .window_ms = 50,
        .loss_permille = 500,
    };
    struct mu_cast_sender s;
    uint8_t packet[MU_PACKET_MAX];
    size_t len;

    assert_int_equal(mu_cast_sender_init(&s, &conf, work, sizeof(work), 0), 0);
    mu_cast_sender_control(&s, &kctl, 1);
    mu_cast_sender_ready(&s, UINT32_MAX);
    for (mu_time now = 0; !mu_cast_sender_idle(&s); now += MU_MS(10)) {
        s.loss = 32768;
        while ((len = mu_cast_sender_next(&s, now, packet)) > 0) {
            if (mu_cast_is_data(packet[0]))
                put_hex(out, "packet", mu_bytes(packet, len));
        }
    }
}

static void put_control(FILE *out)
{
    static const uint8_t bits[1] = {0x0b};
    const struct mu_poll p = {SESSION, 1, 9, MU_POLL_BITMAP, 6, 50, 1};
    const struct mu_need n = {SESSION, 300, 1, 9, 3, MU_BYTES(bits)};
    const struct mu_census s = {SESSION, MU_STATE_VERIFIED, 2, 500, 8, 1,
                                MU_BYTES(bits)};
    const struct mu_status t = {SESSION, 300, MU_STATE_RECEIVED, 0, {0xaa}};
    uint8_t to[64];
    struct mu_writer w = mu_writer(to, sizeof(to));

    assert_int_equal(mu_poll_create(c, &kctl, &p, &w), 0);
    put_hex(out, "poll", mu_written(&w));
    w.len = 0;
    assert_int_equal(mu_need_create(c, &kfb, &n, &w), 0);
    put_hex(out, "need", mu_written(&w));
    w.len = 0;
    assert_int_equal(mu_census_create(c, &kctl, &s, &w), 0);
    put_hex(out, "census", mu_written(&w));
    w.len = 0;
    assert_int_equal(mu_status_create(c, &kfb, &t, &w), 0);
    put_hex(out, "status", mu_written(&w));
}

static void put_object(FILE *out)
{
    static struct memory plain, prepared;
    static uint8_t work[8192];
    const struct mu_object from = {&plain, memory_read, NULL, memory_sync};
    const struct mu_object to = {&prepared, memory_read, memory_write,
                                 memory_sync};
    struct mu_cast_prepare p;

    plain.len = 499;
    memset(work, 0xa5, sizeof(work)); /* padding is zero all the same */
    for (size_t i = 0; i < plain.len; i++)
        plain.bytes[i] = (uint8_t)i;
    assert_int_equal(mu_cast_prepare_init(&p, c, &shape, plain.len, SESSION,
                                          &cek, &from, &to, work,
                                          sizeof(work)), 0);
    while (p.left > 0)
        assert_int_equal(mu_cast_prepare_step(&p), 0);
    fprintf(out, "\n# An object of 499 bytes, 00 01 02 ... f2, prepared.\n");
    fprintf(out, "shape = %u %u %u %u\nsession = %u\n", shape.payload,
            shape.page_data, shape.page_parity, shape.hash_len, SESSION);
    put_hex(out, "cek", mu_secret_view(&cek));
    put_hex(out, "kctl", mu_secret_view(&kctl));
    put_hex(out, "kfb", mu_secret_view(&kfb));
    put_hex(out, "roots", mu_cast_prepare_roots(&p));
    put_hex(out, "prepared", mu_bytes(prepared.bytes, prepared.len));
    put_packets(out, &to, plain.len);
    put_control(out);
}

/* ---- cuts ---- */

static void put_cut(FILE *out, const struct mu_cast_shape *s, uint64_t size)
{
    struct mu_cast_page p;
    uint32_t pages = mu_cast_pages(s, size);

    assert_int_equal(mu_cast_page_first(s, size, &p), 0);
    fprintf(out, "\nshape = %u %u %u %u\nsize = %llu\npages = %u\n",
            s->payload, s->page_data, s->page_parity, s->hash_len,
            (unsigned long long)size, pages);
    do {
        /* The long middle is more of the same. */
        if (p.index < 4 || p.index + 3 >= pages)
            fprintf(out, "page = %u %u %u %u %u %llu %u\n", p.index, p.data,
                    p.parity, p.symbol_len, p.hashes_len,
                    (unsigned long long)p.content_at, p.content_len);
    } while (mu_cast_page_next(s, size, &p));
}

/* What data symbol i counts in parity symbol j of k. */
static void put_coefficients(FILE *out)
{
    static const uint8_t at[][3] = {
        {1, 0, 0}, {4, 1, 3}, {200, 54, 199}, {254, 0, 253},
        {254, 1, 0}, {255, 0, 0}, {255, 0, 254}, {255, 254, 17}, {20, 240, 19},
    };
    uint8_t block[255], to;

    fprintf(out, "\n# k, parity symbol, data symbol: coefficient\n");
    for (size_t n = 0; n < sizeof(at) / sizeof(at[0]); n++) {
        memset(block, 0, sizeof(block));
        block[at[n][2]] = 1;
        mu_parity_encode(c, &to, at[n][1], block, at[n][0], 1);
        fprintf(out, "coefficient = %u %u %u %u\n", at[n][0], at[n][1],
                at[n][2], to);
    }
}

static void put_all(FILE *out)
{
    static const struct { struct mu_cast_shape shape; uint64_t size; } cuts[] =
    {
        {{1024, 32, 8, 8}, 1},        {{1024, 32, 8, 8}, 1021},
        {{1024, 32, 8, 8}, 32672},    {{1024, 32, 8, 8}, 32673},
        {{1024, 32, 8, 8}, 262144},   {{1024, 200, 55, 8}, 262144},
        {{80, 32, 8, 8}, 65536},      {{1024, 1, 0, 8}, 3000},
        {{48, 16, 4, 4}, 1000},       {{1472, 180, 75, 8}, 16777216},
        {{1024, 255, 105, 8}, 262144}, {{80, 255, 28, 8}, 262144},
    };

    fprintf(out, "# Written by test_cast_vectors --update; "
                 "docs/wire-format.md s.8.\n#\n"
                 "# shape = payload, page data, page parity, hash length\n"
                 "# page = index, data symbols, parity symbols, symbol bytes,\n"
                 "#        hash bytes, content from, content bytes\n");
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
        put_cut(out, &cuts[i].shape, cuts[i].size);
    put_coefficients(out);
    put_object(out);
}

/* ---- comparing ---- */

static void test_vectors(void **state)
{
    FILE *made = tmpfile(), *kept = fopen(VECTORS, "r");
    char want[8192], is[8192];
    unsigned line = 0;

    (void)state;
    assert_true(made != NULL && kept != NULL);
    put_all(made);
    rewind(made);
    while (fgets(is, sizeof(is), made) != NULL) {
        line++;
        assert_non_null(fgets(want, sizeof(want), kept));
        if (strcmp(is, want) != 0)
            print_error(VECTORS ":%u\n", line);
        assert_string_equal(is, want);
    }
    assert_null(fgets(want, sizeof(want), kept));
    assert_true(line > 60);
    fclose(made);
    fclose(kept);
}

static int secret_make(struct mu_secret *s, uint8_t first)
{
    uint8_t key[16];

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(first + i);
    return mu_secret_set(s, MU_BYTES(key));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
    };

    c = mu_crypto_openssl();
    if (c == NULL || secret_make(&cek, 0x10) != 0 ||
        secret_make(&kctl, 0x20) != 0 || secret_make(&kfb, 0x30) != 0)
        return 1;
    if (argc > 1 && strcmp(argv[1], "--update") == 0) {
        FILE *out = fopen(VECTORS, "w");
        if (out == NULL)
            return 1;
        put_all(out);
        return fclose(out) != 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
