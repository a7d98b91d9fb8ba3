/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver alone, next to a slow obvious twin that keeps every packet of
 * the object apart and knows which ones are real: after each packet the two
 * must agree on what was taken and how far the object is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cast/field.h"

/* ---- the twin ---- */

struct twin {
    struct mu_cast_page pages[64];
    uint32_t count, at;
    uint8_t *real[64][1024]; /* every packet there is */
    size_t len[64];
    bool held[64][1024];
};

static void twin_make(struct twin *t, struct field *f)
{
    uint8_t out[MU_PACKET_MAX];
    struct mu_cast_page page;
    size_t len;

    memset(t, 0, sizeof(*t));
    assert_int_equal(mu_cast_page_first(&f->conf.shape, f->conf.size, &page),
                     0);
    do {
        t->len[t->count] = page.symbol_len + 3u;
        t->pages[t->count++] = page;
    } while (mu_cast_page_next(&f->conf.shape, f->conf.size, &page));
    /* A sender that thinks half is lost sends all symbols there are. */
    f->sender.loss = 60000;
    for (mu_time now = 0; !mu_cast_sender_idle(&f->sender); now += 1000) {
        while ((len = mu_cast_sender_next(&f->sender, now, out)) > 0) {
            uint8_t **slot;
            if (!mu_cast_is_data(out[0]))
                continue;
            slot = &t->real[f->sender.page.index][mu_cast_data_index(out)];
            assert_null(*slot);
            *slot = malloc(len);
            assert_non_null(*slot);
            memcpy(*slot, out, len);
        }
        f->sender.loss = 60000;
    }
    for (uint32_t p = 0; p < t->count; p++) {
        for (unsigned i = 0; i < t->pages[p].data + t->pages[p].parity; i++)
            assert_non_null(t->real[p][i]);
    }
}

static void twin_free(struct twin *t)
{
    for (uint32_t p = 0; p < t->count; p++) {
        for (unsigned i = 0; i < 1024; i++)
            free(t->real[p][i]);
    }
}

static unsigned twin_held(const struct twin *t)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 1024; i++)
        n += t->held[t->at][i];
    return n;
}

#define ANY_ERROR 1 /* of a poll by chance */

/* What the receiver should say to the packet. */
static int twin_packet(struct twin *t, struct mu_bytes p)
{
    unsigned page, index;

    if (p.len <= 3)
        return MU_ERR_TRUNCATED;
    if (p.data[1] != t->real[0][0][1])
        return MU_ERR_UNEXPECTED;
    if (!mu_cast_is_data(p.data[0]))
        return p.data[0] == MU_CAST_POLL ? ANY_ERROR : MU_ERR_UNEXPECTED;
    page = mu_cast_data_page(p.data);
    if (page != t->at)
        return MU_ERR_UNEXPECTED;
    index = mu_cast_data_index(p.data);
    if (t->real[page][index] == NULL || p.len != t->len[page])
        return MU_ERR_AUTH;
    if (t->held[page][index])
        return 0;
    if (memcmp(p.data, t->real[page][index], p.len) != 0)
        return MU_ERR_AUTH;
    t->held[page][index] = true;
    if (twin_held(t) == t->pages[page].data)
        t->at++;
    return 0;
}

static void twin_compare(const struct twin *t, const struct field *f)
{
    const struct field_receiver *to = &f->all[0];

    assert_int_equal(mu_cast_receiver_pages(&to->r), t->at);
    assert_int_equal(mu_cast_receiver_done(&to->r), t->at == t->count);
    if (t->at < t->count) {
        assert_int_equal(to->r.have, twin_held(t));
        assert_int_equal(to->sunk, t->pages[t->at].content_at);
    } else {
        assert_int_equal(to->sunk, f->conf.size);
    }
    assert_int_equal(to->wrong, 0);
}

static size_t twin_pick(struct twin *t, struct field *f, uint8_t *out)
{
    uint32_t at = t->at < t->count ? t->at : t->count - 1;
    uint32_t near = field_random(f, 10);
    uint32_t page = near < 8 ? at : field_random(f, t->count);
    unsigned total = t->pages[page].data + (unsigned)t->pages[page].parity;
    unsigned index = field_random(f, total);
    size_t len = t->len[page];

    memcpy(out, t->real[page][index], len);
    switch (field_random(f, 8)) {
    case 0:
        out[field_random(f, (uint32_t)len)] ^=
            (uint8_t)(1 << field_random(f, 8));
        break;
    case 1:
        len = field_random(f, (uint32_t)len + 2);
        break;
    case 2:
        out[4] = (uint8_t)field_random(f, 256);
        break;
    case 3:
        out[3] = (uint8_t)field_random(f, t->count + 2);
        break;
    default:
        break;
    }
    return len;
}

static void against_twin(const struct field_conf *conf)
{
    static struct twin t;
    struct field f;
    uint8_t out[MU_PACKET_MAX + 1] = {0};
    unsigned n = 0;

    field_init(&f, conf);
    twin_make(&t, &f);
    while (t.at < t.count) {
        struct mu_bytes p = mu_bytes(out, twin_pick(&t, &f, out));
        int want = twin_packet(&t, p);
        int rc = mu_cast_receiver_packet(&f.all[0].r, ++f.now, p);
        assert_true(rc == want || (want == ANY_ERROR && rc < 0));
        twin_compare(&t, &f);
        if (field_random(&f, 200) == 0) { /* loses the page, not more */
            field_restart(&f, 0, true);
            memset(t.held[t.at], 0, sizeof(t.held[t.at]));
            twin_compare(&t, &f);
        }
        assert_true(n++ < 100000);
    }
    twin_free(&t);
    field_free(&f);
}

static void test_against_twin(void **state)
{
    static const struct {
        struct mu_cast_shape shape;
        uint64_t size;
    } what[] = {
        {{100, 8, 4, 8}, 3000},   {{80, 32, 8, 8}, 9000},
        {{64, 1, 0, 8}, 1000},    {{300, 20, 20, 16}, 20000},
        {{1024, 32, 8, 8}, 100000}, {{48, 5, 0, 4}, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
        for (uint64_t seed = 1; seed < 5; seed++) {
            struct field_conf conf = {
                .shape = what[i].shape, .size = what[i].size,
                .receivers = 1, .seed = seed,
            };
            against_twin(&conf);
        }
    }
}

/* ---- memory ---- */

static void test_memory(void **state)
{
    const struct mu_cast_shape s = {1024, 32, 8, 8};
    size_t hashes = (32 + 8) * 8;

    (void)state;
    assert_true(sizeof(struct mu_cast_receiver) <= 1200);
    assert_true(sizeof(struct mu_cast_receiver) + hashes <= 2048);
    assert_true(sizeof(struct mu_sender_peer) <= 72);
    /* Beside the block: slots, hashes, and the decoder's scratch. */
    assert_true(mu_cast_receiver_work(&s) - mu_cast_block_size(&s) <= 740);
}

static void test_init_refuses(void **state)
{
    struct field_conf conf = {.shape = {100, 8, 4, 8}, .size = 3000,
                              .receivers = 1, .seed = 1};
    struct mu_cast_receiver r;
    struct mu_cast_receiver_conf rc;
    struct field f;
    size_t len;

    (void)state;
    field_init(&f, &conf);
    rc = f.all[0].r.conf;
    len = mu_cast_receiver_work(&rc.shape);
    assert_int_equal(mu_cast_receiver_init(&r, &rc, mu_bytes(f.roots, 5),
                                           f.all[0].work, len, 0),
                     MU_ERR_MALFORMED);
    assert_int_equal(mu_cast_receiver_init(&r, &rc,
                                           mu_bytes(f.roots, f.roots_len),
                                           f.all[0].work, len - 1, 0),
                     MU_ERR_NO_SPACE);
    rc.size = 0;
    assert_int_equal(mu_cast_receiver_init(&r, &rc,
                                           mu_bytes(f.roots, f.roots_len),
                                           f.all[0].work, len, 0),
                     MU_ERR_USAGE);
    field_free(&f);
}

/* What was saved is taken back whole, or not at all. */
static void test_load_refuses(void **state)
{
    struct field_conf conf = {.shape = {100, 8, 4, 8}, .size = 3000,
                              .receivers = 1, .seed = 1};
    uint8_t store[600];
    struct mu_writer w = mu_writer(store, sizeof(store));
    struct mu_reader r;
    struct field f;

    (void)state;
    field_init(&f, &conf);
    assert_true(field_run(&f) || true);
    field_restart(&f, 0, false);
    assert_int_equal(mu_cast_receiver_save(&f.all[0].r, &w), 0);
    for (size_t len = 0; len < w.len; len++) {
        r = mu_reader(mu_bytes(store, len));
        assert_int_equal(mu_cast_receiver_load(&f.all[0].r, &r),
                         MU_ERR_CORRUPT);
    }
    store[2] = 1; /* page 256 of three */
    r = mu_reader(mu_written(&w));
    assert_int_equal(mu_cast_receiver_load(&f.all[0].r, &r), MU_ERR_CORRUPT);
    field_free(&f);
}

/* ---- polls ---- */

static size_t make_poll(struct field *f, uint8_t *out, uint8_t round,
                        uint8_t flags, uint16_t page)
{
    const struct mu_poll p = {.session = 7, .page = page, .round = round,
                              .flags = flags, .window_ms = 40, .kg = 3};
    struct mu_writer w = mu_writer(out, MU_PACKET_MAX);

    assert_int_equal(mu_poll_create(f->crypto, &f->kctl, &p, &w), 0);
    return w.len;
}

/* Hears a poll at f->now; the answer within the window, need or -1. */
static int answer(struct field *f, uint8_t round, uint8_t flags, uint16_t page,
                  struct mu_need *n)
{
    static uint8_t out[MU_PACKET_MAX];
    struct mu_cast_receiver *r = &f->all[0].r;
    mu_time start = f->now;
    size_t len = make_poll(f, out, round, flags, page);

    assert_int_equal(mu_cast_receiver_packet(r, f->now, mu_bytes(out, len)), 0);
    len = 0;
    for (; f->now < start + MU_MS(40) && len == 0; f->now += 500)
        len = mu_cast_receiver_next(r, f->now, out, sizeof(out));
    if (len == 0)
        return -1;
    assert_int_equal(mu_need_consume(f->crypto, &f->all[0].kfb,
                                     mu_bytes(out, len), n), 0);
    assert_int_equal(n->round, round);
    return n->need;
}

/* Packets of a page whose number ends in the same bits as ours: nothing is
 * taken, and nothing counts as forged while the sender is there. */
static void test_same_bits(void **state)
{
    struct field_conf conf = {.shape = {100, 8, 4, 8}, .size = 30000,
                              .receivers = 1, .seed = 1};
    static struct twin t;
    struct mu_cast_receiver *r;
    struct mu_need n;
    struct field f;

    (void)state;
    field_init(&f, &conf);
    twin_make(&t, &f);
    r = &f.all[0].r;
    assert_in_range(t.count, 40, 64);
    for (unsigned i = 0; i < t.pages[0].data; i++)
        assert_int_equal(mu_cast_receiver_packet(r, 0, mu_bytes(
            t.real[0][i], t.len[0])), 0);
    assert_int_equal(mu_cast_receiver_pages(r), 1);
    /* Page 33 for page 1: by its last bits ours, by its hash not. */
    for (unsigned i = 0; i < t.pages[33].data; i++)
        assert_int_equal(mu_cast_receiver_packet(r, 0, mu_bytes(
            t.real[33][i], t.len[33])), MU_ERR_AUTH);
    assert_int_equal(r->heard.forged, t.pages[33].data);
    assert_int_equal(r->have, 0);
    /* The sender says that it is there: nobody forged them. */
    f.now = 1000;
    assert_int_equal(answer(&f, 10, 0, 33, &n), t.pages[1].data);
    for (unsigned i = 0; i < t.pages[33].data; i++)
        assert_int_equal(mu_cast_receiver_packet(r, f.now, mu_bytes(
            t.real[33][i], t.len[33])), MU_ERR_UNEXPECTED);
    assert_int_equal(r->heard.forged, t.pages[33].data);
    assert_int_equal(r->heard.ahead, t.pages[33].data);
    /* What is of our page is taken all the same. */
    for (unsigned i = 0; i < t.pages[1].data; i++)
        assert_int_equal(mu_cast_receiver_packet(r, f.now, mu_bytes(
            t.real[1][i], t.len[1])), 0);
    assert_int_equal(mu_cast_receiver_pages(r), 2);
    twin_free(&t);
    field_free(&f);
}

static void test_polls(void **state)
{
    struct field_conf conf = {.shape = {100, 8, 4, 8}, .size = 3416, /* its first page is full */
                              .receivers = 1, .seed = 1};
    static struct twin t;
    struct mu_cast_receiver *r;
    uint8_t out[64];
    struct mu_need n;
    struct field f;
    size_t len;

    (void)state;
    field_init(&f, &conf);
    twin_make(&t, &f);
    r = &f.all[0].r;
    f.now = 1000;
    /* About a page that there is not: no poll, whoever made it. */
    len = make_poll(&f, out, 9, MU_POLL_ALL, (uint16_t)r->pages);
    assert_int_equal(mu_cast_receiver_packet(r, f.now, mu_bytes(out, len)),
                     MU_ERR_MALFORMED);
    assert_false(r->answer);
    assert_int_equal(answer(&f, 10, 0, 0, &n), t.pages[0].data);
    assert_int_equal(n.page, 0);
    assert_int_equal(n.bitmap.len, 0);
    /* Another copy of it, and older ones, are not answered. */
    f.now += 20000;
    r->answer = false;
    assert_int_equal(answer(&f, 10, 0, 0, &n), -1);
    assert_int_equal(answer(&f, 9, 0, 0, &n), -1);
    assert_int_equal(answer(&f, 200, 0, 0, &n), -1);
    /* Two symbols here: six are asked for, by name if so wished. */
    for (unsigned i = 0; i < 3; i += 2)
        assert_int_equal(mu_cast_receiver_packet(r, f.now, mu_bytes(
            t.real[0][i], t.len[0])), 0);
    assert_int_equal(answer(&f, 11, MU_POLL_BITMAP, 0, &n), 6);
    assert_int_equal(n.bitmap.len, 1);
    assert_int_equal(n.bitmap.data[0], 0xfa);
    /* A poll of a later page is answered about our own. */
    r->answer = false;
    assert_int_equal(answer(&f, 12, 0, 2, &n), 6);
    assert_int_equal(n.page, 0);
    /* Packets of the next page: it asks soon, once, whoever sent them. */
    r->answer = false;
    assert_true(mu_cast_receiver_deadline(r) > f.now + MU_MS(1000));
    assert_int_equal(mu_cast_receiver_packet(r, f.now, mu_bytes(
        t.real[1][3], t.len[1])), MU_ERR_UNEXPECTED);
    assert_true(mu_cast_receiver_deadline(r) <= f.now + MU_MS(12));
    f.now += MU_MS(12);
    assert_int_equal(mu_cast_receiver_next(r, f.now, out, sizeof(out)), 17);
    assert_int_equal(mu_cast_receiver_packet(r, f.now, mu_bytes(
        t.real[1][4], t.len[1])), MU_ERR_UNEXPECTED);
    assert_true(mu_cast_receiver_deadline(r) > f.now + MU_MS(1000));
    /* With the page done: silence, or need 0 where everybody answers. */
    for (unsigned i = 3; i < 9; i++)
        assert_int_equal(mu_cast_receiver_packet(r, f.now, mu_bytes(
            t.real[0][i], t.len[0])), 0);
    assert_int_equal(mu_cast_receiver_pages(r), 1);
    assert_int_equal(answer(&f, 13, 0, 0, &n), -1);
    assert_int_equal(answer(&f, 14, MU_POLL_ALL, 0, &n), 0);
    assert_int_equal(n.page, 0);
    /* It asked for more of page 0 before, and is called by that. */
    assert_int_equal(answer(&f, 15, MU_POLL_ASKED, 0, &n), 0);
    r->asked_page = 0;
    assert_int_equal(answer(&f, 16, MU_POLL_ASKED, 0, &n), -1);
    /* New packets of the page silence an answer that waits. */
    assert_int_equal(answer(&f, 17, 0, 1, &n), 8);
    r->answer = true;
    r->answer_at = f.now + 5000;
    assert_int_equal(mu_cast_receiver_packet(r, f.now, mu_bytes(
        t.real[1][0], t.len[1])), 0);
    assert_false(r->answer);
    /* Who is behind is called: it is not, until a later page is polled. */
    assert_int_equal(answer(&f, 20, MU_POLL_BEHIND, 1, &n), -1);
    assert_int_equal(answer(&f, 21, MU_POLL_BEHIND, 2, &n), 7);
    assert_int_equal(n.page, 1);
    r->answer = false;
    /* After a long silence the sender may have begun its rounds anew. */
    f.now += MU_SECONDS(3);
    r->ask_at = MU_TIME_NEVER;
    assert_int_equal(answer(&f, 1, 0, 1, &n), 7);
    twin_free(&t);
    field_free(&f);
}

/* Control keys change: the new one and the one before are good. */
static void test_control_keys(void **state)
{
    struct field_conf conf = {.shape = {100, 8, 4, 8}, .size = 3000,
                              .receivers = 1, .seed = 1};
    struct mu_secret next;
    struct mu_cast_receiver *r;
    uint8_t out[MU_PACKET_MAX];
    struct field f;
    size_t len;

    (void)state;
    field_init(&f, &conf);
    r = &f.all[0].r;
    assert_int_equal(mu_secret_set(&next, mu_bytes("another key 1234", 16)),
                     0);
    len = make_poll(&f, out, 1, 0, 0);
    mu_cast_receiver_control(r, &next, 4);
    mu_cast_receiver_control(r, &next, 4);
    assert_int_equal(mu_cast_receiver_packet(r, 1, mu_bytes(out, len)), 0);
    next.bytes[0] ^= 1;
    mu_cast_receiver_control(r, &next, 5);
    assert_int_equal(mu_cast_receiver_packet(r, 1, mu_bytes(out, len)),
                     MU_ERR_UNKNOWN_KEY);
    field_free(&f);
}

/* Alone it asks by itself, less and less often. */
static void test_back_off(void **state)
{
    struct field_conf conf = {.shape = {100, 8, 4, 8}, .size = 3000,
                              .receivers = 1, .seed = 1};
    struct mu_cast_receiver *r;
    uint8_t out[64];
    mu_time last = 0;
    struct field f;

    (void)state;
    field_init(&f, &conf);
    r = &f.all[0].r;
    for (unsigned n = 0; n < 12; n++) {
        mu_time at = mu_cast_receiver_deadline(r);
        uint32_t base = 2000u << (n > 0 ? (n - 1 < 5 ? n - 1 : 5) : 0);
        assert_in_range(at - last, MU_MS(base), MU_MS(base) * 3 / 2 + 1000);
        assert_int_equal(mu_cast_receiver_next(r, at - 1, out, sizeof(out)),
                         0);
        assert_int_equal(mu_cast_receiver_next(r, at, out, sizeof(out)), 17);
        assert_int_equal(mu_cast_receiver_next(r, at, out, sizeof(out)), 0);
        last = at;
    }
    field_free(&f);
}

/* A sink that fails gets the same page again, until it does not. */
static void test_sink_fails(void **state)
{
    struct field_conf conf = {.shape = {100, 8, 4, 8}, .size = 3000,
                              .receivers = 1, .seed = 1};
    static struct twin t;
    struct mu_cast_receiver *r;
    uint8_t out[64];
    struct field f;
    size_t len;

    (void)state;
    field_init(&f, &conf);
    twin_make(&t, &f);
    r = &f.all[0].r;
    f.all[0].sink_fails = 3;
    for (unsigned i = t.pages[0].parity; i < t.pages[0].data + t.pages[0].parity;
         i++)
        assert_int_equal(mu_cast_receiver_packet(r, 5, mu_bytes(
            t.real[0][i], t.len[0])), 0);
    assert_int_equal(mu_cast_receiver_pages(r), 0);
    /* It has all it needs, so it asks nobody, and takes nothing. */
    assert_int_equal(mu_cast_receiver_packet(r, 5, mu_bytes(t.real[0][0],
                                                            t.len[0])), 0);
    for (unsigned n = 0; n < 3; n++) {
        mu_time at = mu_cast_receiver_deadline(r);
        assert_int_equal(f.all[0].sink_calls, n + 1);
        len = mu_cast_receiver_next(r, at, out, sizeof(out));
        assert_int_equal(len, n < 2 ? 0 : 17); /* it was silent for long */
    }
    assert_int_equal(f.all[0].sink_calls, 4);
    assert_int_equal(mu_cast_receiver_pages(r), 1);
    assert_int_equal(f.all[0].sunk, t.pages[0].content_len);
    assert_int_equal(f.all[0].wrong, 0);
    twin_free(&t);
    field_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_twin),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_init_refuses),
        cmocka_unit_test(test_load_refuses),
        cmocka_unit_test(test_polls),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_control_keys),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_sink_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
