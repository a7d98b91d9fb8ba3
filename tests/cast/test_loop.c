/* SPDX-License-Identifier: Apache-2.0 */
/* Sender and receivers together, over a medium that does its worst. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cast/field.h"

static const struct field_conf usual = {
    .shape = {200, 16, 8, 8},
    .size = 20000,
    .receivers = 10,
    .loss_permille = 100,
    .delay_us = 2000,
    .guess_permille = 50,
    .seed = 1,
};

/* Runs to the end: everybody has everything, nothing forged was stored. */
static void run_all(struct field *f)
{
    bool ended = field_run(f);

    if (!ended || field_done(f) != f->conf.receivers)
        print_error("seed %llu: %u of %u done at %.3f s\n",
                    (unsigned long long)f->conf.seed, field_done(f),
                    f->conf.receivers, (double)f->now / 1e6);
    assert_true(ended);
    assert_int_equal(field_done(f), f->conf.receivers);
    assert_int_equal(mu_cast_sender_error(&f->sender), 0);
}

static void test_clean(void **state)
{
    struct field_conf conf = usual;
    struct field f;
    uint64_t data = 0;
    struct mu_cast_page page;

    (void)state;
    conf.loss_permille = 0;
    conf.guess_permille = 0;
    field_init(&f, &conf);
    run_all(&f);
    assert_int_equal(mu_cast_page_first(&conf.shape, conf.size, &page), 0);
    do {
        data += page.data;
    } while (mu_cast_page_next(&conf.shape, conf.size, &page));
    /* Not one packet too many, and nobody had to ask. */
    assert_int_equal(field_packets(&f), data);
    assert_int_equal(f.asked, 0);
    field_free(&f);
}

static void test_lossy(void **state)
{
    static const uint32_t loss[] = {10, 50, 200, 400};

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        for (size_t i = 0; i < 4; i++) {
            struct field_conf conf = usual;
            struct field f;
            conf.seed = seed;
            conf.loss_permille = loss[i];
            conf.jitter_us = seed % 2 ? 0 : 9000;
            conf.double_permille = 50;
            conf.answer_all_max = seed > 2 ? 100 : 0;
            field_init(&f, &conf);
            run_all(&f);
            field_free(&f);
        }
    }
}

static void test_crowds(void **state)
{
    static const uint32_t crowd[] = {1, 2, 40, 300};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct field_conf conf = usual;
        struct field f;
        conf.receivers = crowd[i];
        field_init(&f, &conf);
        run_all(&f);
        /* Answers stay few, however many could answer. */
        assert_true(f.asked < 40 * mu_cast_pages(&conf.shape, conf.size));
        field_free(&f);
    }
}

static void test_chain(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct field_conf conf = usual;
        struct field f;
        conf.shape = (struct mu_cast_shape){200, 1, 0, 8};
        conf.size = 4000;
        conf.seed = seed;
        conf.receivers = 3;
        conf.jitter_us = 3000;
        field_init(&f, &conf);
        run_all(&f);
        field_free(&f);
    }
}

static void test_small(void **state)
{
    static const uint64_t sizes[] = {1, 2, 194, 195, 196, 3000};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct field_conf conf = usual;
        struct field f;
        conf.size = sizes[i];
        field_init(&f, &conf);
        run_all(&f);
        field_free(&f);
    }
}

/* ---- a forger ---- */

/* Nothing may be accepted that is not, byte for byte, what the sender sent. */
static void taken_check(struct field *f, uint32_t i, struct mu_bytes p, int rc)
{
    uint64_t *accepted = f->conf.ctx;
    uint64_t now = mu_cast_receiver_heard(&f->all[i].r)->accepted;
    bool real;

    if (now == accepted[i])
        return;
    accepted[i] = now;
    assert_int_equal(rc, 0);
    assert_true(mu_cast_is_data(p.data[0]));
    /* Parity is not in the prepared object; what it decodes to is. */
    struct mu_cast_page page;
    assert_int_equal(mu_cast_page_at(&f->conf.shape, f->conf.size,
                                     mu_cast_data_page(p.data), &page), 0);
    real = mu_cast_data_index(p.data) >= page.data ||
           memcmp(p.data + MU_CAST_DATA_HEADER,
                  f->prepared + page.block_at +
                      (uint64_t)mu_cast_data_index(p.data) * page.symbol_len,
                  page.symbol_len) == 0;
    assert_true(real);
}

static void test_forger(void **state)
{
    uint64_t accepted[4] = {0};
    struct field_conf conf = usual;
    struct field f, quiet;

    (void)state;
    conf.receivers = 4;
    conf.size = 8000;
    conf.loss_permille = 50;
    field_init(&quiet, &conf);
    run_all(&quiet);
    conf.forged = 100;
    conf.taken = taken_check;
    conf.ctx = accepted;
    field_init(&f, &conf);
    run_all(&f);
    for (uint32_t i = 0; i < 4; i++) {
        const struct mu_cast_heard *h = mu_cast_receiver_heard(&f.all[i].r);
        assert_true(h->forged > 1000);
        assert_int_equal(f.all[i].wrong, 0);
    }
    assert_true(mu_cast_sender_counts(&f.sender)->rejected > 1000);
    /* It costs no more than a few answers. */
    assert_true(field_packets(&f) < field_packets(&quiet) * 2);
    field_free(&f);
    field_free(&quiet);
}

/* What was said once is said again, over and over: real polls to everybody,
 * real NEEDs to the sender, in any order. */
struct record {
    uint8_t packets[512][32];
    size_t len[512], count;
};

static void record_add(struct record *r, struct mu_bytes p)
{
    if (r->count == 512 || p.len > 32)
        return;
    memcpy(r->packets[r->count], p.data, p.len);
    r->len[r->count++] = p.len;
}

static void record_poll(struct field *f, uint32_t i, struct mu_bytes p, int rc)
{
    if (i == 0 && rc == 0 && p.data[0] == MU_CAST_POLL)
        record_add(f->conf.ctx, p);
}

static void record_need(struct field *f, uint32_t i, struct mu_bytes p)
{
    (void)i;
    record_add(f->conf.ctx, p);
}

static void replay(struct field *f, const struct record *r)
{
    size_t at = field_random(f, (uint32_t)r->count);
    struct mu_bytes p = mu_bytes(r->packets[at], r->len[at]);

    if (p.data[0] == MU_CAST_POLL)
        field_broadcast(f, p);
    else
        field_unicast(f, p);
}

static void test_replayer(void **state)
{
    static struct record heard;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct field_conf conf = usual;
        struct field f, quiet;
        mu_time next = 0;
        conf.receivers = 5;
        conf.seed = seed;
        field_init(&quiet, &conf);
        run_all(&quiet);
        heard.count = 0;
        conf.taken = record_poll;
        conf.said = record_need;
        conf.ctx = &heard;
        field_init(&f, &conf);
        while (!field_finished(&f)) {
            for (; heard.count > 0 && f.now >= next; next += 1000)
                replay(&f, &heard);
            assert_true(field_step(&f));
        }
        assert_int_equal(field_done(&f), 5);
        assert_true(field_packets(&f) < field_packets(&quiet) * 3 / 2);
        field_free(&f);
        field_free(&quiet);
    }
}

static int ask(struct field *f, uint16_t receiver, uint16_t page,
               uint8_t round, uint8_t need);

static bool next_is_poll(struct field *f, struct mu_poll *p)
{
    uint8_t out[MU_PACKET_MAX];
    size_t len;

    while ((len = mu_cast_sender_next(&f->sender, f->now, out)) == 0)
        f->now += 500;
    if (out[0] != MU_CAST_POLL)
        return false;
    assert_int_equal(mu_poll_consume(f->crypto, &f->kctl, mu_bytes(out, len),
                                     p), 0);
    return true;
}

/* Before the first page: has everybody a manifest? As long as somebody says no
 * it is asked again, but not for ever, and nobody can say it for ever. */
static void test_roll_call(void **state)
{
    struct field_conf conf = usual;
    struct field f;
    struct mu_poll p;
    unsigned calls = 0, heard = 0;
    uint8_t round = 0;
    int rc;

    (void)state;
    conf.roll_call = true;
    field_init(&f, &conf);
    assert_false(mu_cast_sender_unheard(&f.sender));
    while (next_is_poll(&f, &p)) {
        assert_int_equal(p.flags, MU_POLL_BEHIND);
        assert_int_equal(p.page, 0);
        if (calls > 0 && p.round == round)
            continue; /* another copy */
        round = p.round;
        calls++;
        rc = ask(&f, 0, MU_NEED_MANIFEST, p.round, 1);
        heard += rc == 0;
        assert_int_equal(mu_cast_sender_unheard(&f.sender), rc == 0);
        assert_false(mu_cast_sender_unheard(&f.sender));
    }
    assert_int_equal(calls, 8);
    assert_int_equal(heard, 8);
    assert_int_equal(ask(&f, 0, MU_NEED_MANIFEST, round, 1),
                     MU_ERR_FORBIDDEN);
    /* From another one: page 0 is on the air already, and comes for him. */
    assert_int_equal(ask(&f, 1, MU_NEED_MANIFEST, round, 1), 0);
    assert_true(mu_cast_sender_unheard(&f.sender));
    run_all(&f);
    field_free(&f);
}

/* A page that goes out for the first time is interrupted for a question to who
 * is before it; where nothing is lost nobody says anything to that. */
static void count_calls(struct field *f, uint32_t i, struct mu_bytes packet,
                        int rc)
{
    unsigned *calls = f->conf.ctx;
    struct mu_poll p;

    (void)rc;
    if (i != 0 || packet.data[0] != MU_CAST_POLL)
        return;
    assert_int_equal(mu_poll_consume(f->crypto, &f->kctl, packet, &p), 0);
    if (p.flags != MU_POLL_BEHIND)
        return;
    assert_true(p.page > 0);
    (*calls)++;
}

static void need_nothing(struct field *f, uint32_t i, struct mu_bytes packet)
{
    struct mu_need n;

    assert_int_equal(mu_need_consume(f->crypto, &f->all[i].kfb, packet, &n),
                     0);
    assert_int_equal(n.need, 0);
}

static void test_behind_call(void **state)
{
    struct field_conf conf = usual;
    struct field f;
    unsigned calls = 0;

    (void)state;
    conf.loss_permille = 0;
    conf.shape.page_data = 200;
    conf.size = 60000;
    conf.taken = count_calls;
    conf.said = need_nothing;
    conf.ctx = &calls;
    field_init(&f, &conf);
    run_all(&f);
    assert_in_range(calls, 2, 20);
    field_free(&f);
}

/* One NEED of a receiver, as if it were on the medium. */
static int ask(struct field *f, uint16_t receiver, uint16_t page,
               uint8_t round, uint8_t need)
{
    struct mu_need n = {.session = 7, .receiver = receiver, .page = page,
                        .round = round, .need = need};
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));

    assert_int_equal(mu_need_create(f->crypto, &f->all[receiver].kfb, &n, &w),
                     0);
    return mu_cast_sender_feedback(&f->sender, f->now, mu_written(&w));
}

/* ---- faults ---- */

static void test_restarts(void **state)
{
    (void)state;
    for (int saved = 0; saved < 2; saved++) {
        struct field_conf conf = usual;
        struct field f;
        bool once[3] = {false};
        field_init(&f, &conf);
        while (!field_finished(&f)) {
            for (uint32_t i = 0; i < 3; i++) {
                if (once[i] || f.sender.job.page < 3 + i)
                    continue;
                once[i] = true;
                field_restart(&f, i, saved != 0);
            }
            assert_true(field_step(&f));
        }
        assert_true(once[0] && once[1] && once[2]);
        assert_int_equal(field_done(&f), conf.receivers);
        field_free(&f);
    }
}

static void test_disk_full(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    field_init(&f, &conf);
    f.all[2].sink_fails = 5;
    f.all[7].sink_fails = 1;
    run_all(&f);
    assert_int_equal(f.all[2].sink_fails, 0);
    field_free(&f);
}

static void test_late_joiner(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.receivers = 20;
    field_init(&f, &conf);
    f.all[3].join_at = MU_MS(120); /* half way */
    f.all[4].join_at = MU_SECONDS(9); /* long after the end */
    run_all(&f);
    assert_true(f.all[3].done_at > 0 && f.all[4].done_at > MU_SECONDS(9));
    /* The others did not wait for them. */
    for (uint32_t i = 5; i < 20; i++)
        assert_true(f.all[i].done_at < MU_SECONDS(5));
    field_free(&f);
}

static void test_offline_member(void **state)
{
    (void)state;
    for (uint16_t all = 0; all < 2; all++) {
        struct field_conf conf = usual;
        struct field f;
        conf.answer_all_max = (uint16_t)(all * 100);
        field_init(&f, &conf);
        f.all[0].off = true;
        assert_true(field_run(&f));
        assert_int_equal(field_done(&f), conf.receivers - 1);
        assert_true(f.now < MU_SECONDS(4));
        field_free(&f);
    }
}

/* Nobody waits for the absent: after two pages they cost no time. */
/* Who missed the last poll of a page is helped before the next page is over:
 * two symbols now, or all of that page later. */
static void test_urgent(void **state)
{
    struct field_conf conf = usual;
    uint8_t out[MU_PACKET_MAX];
    struct field f;
    size_t len = 0;

    (void)state;
    conf.loss_permille = 0;
    field_init(&f, &conf);
    while (mu_cast_sender_page(&f.sender) != 2 || f.sender.job.sent < 3)
        assert_true(field_step(&f));
    assert_int_equal(ask(&f, 1, 1, f.sender.round, 2), 0);
    for (unsigned n = 0; n < 2; n++) {
        while ((len = mu_cast_sender_next(&f.sender, f.now, out)) == 0)
            f.now += 100;
        assert_true(mu_cast_is_data(out[0]));
        assert_int_equal(mu_cast_data_page(out), 1);
        /* parity, the last ones */
        assert_int_equal(mu_cast_data_index(out), 16 + 8 - 2 + n);
    }
    run_all(&f);
    field_free(&f);
}

/* A late joiner costs what it missed, once, and not all that follows twice. */
static void test_late_cost(void **state)
{
    struct field_conf conf = usual;
    uint64_t packets[2], missed = 0;

    (void)state;
    conf.size = 100000;
    conf.loss_permille = 0;
    conf.guess_permille = 0;
    for (int late = 0; late < 2; late++) {
        struct field f;
        field_init(&f, &conf);
        f.all[3].join_at = late ? MU_MS(300) : 0;
        if (late) {
            while (f.now < MU_MS(300))
                assert_true(field_step(&f));
            missed = mu_cast_sender_page(&f.sender) + 1u;
            assert_in_range(missed, 5, 12);
        }
        run_all(&f);
        packets[late] = field_packets(&f);
        field_free(&f);
    }
    /* The front moves on a page for every two that are made good. */
    assert_true(packets[1] <= packets[0] + 2 * missed * 16 + 32);
}

static void test_absent(void **state)
{
    mu_time took[2];

    (void)state;
    for (int off = 0; off < 2; off++) {
        struct field_conf conf = usual;
        struct field f;
        conf.loss_permille = 0;
        conf.answer_all_max = 100;
        conf.size = 60000;
        conf.window_ms = 200;
        field_init(&f, &conf);
        f.all[0].off = off != 0;
        assert_true(field_run(&f));
        took[off] = f.now;
        field_free(&f);
    }
    /* Two pages of two whole windows each. */
    assert_in_range(took[1], took[0], took[0] + MU_MS(2 * 2 * 200 + 100));
}

static void test_leaver(void **state)
{
    struct field_conf conf = usual;
    struct field f;
    struct mu_need n = {.session = 7, .receiver = 2, .need = 5};
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));

    (void)state;
    field_init(&f, &conf);
    f.all[2].gone = true;
    assert_int_equal(mu_need_create(f.crypto, &f.all[2].kfb, &n, &w), 0);
    assert_int_equal(mu_cast_sender_feedback(&f.sender, 0, mu_written(&w)),
                     MU_ERR_UNKNOWN_PEER);
    n.receiver = 60000;
    w.len = 0;
    assert_int_equal(mu_need_create(f.crypto, &f.all[2].kfb, &n, &w), 0);
    assert_int_equal(mu_cast_sender_feedback(&f.sender, 0, mu_written(&w)),
                     MU_ERR_UNKNOWN_PEER);
    n.receiver = 3; /* with another receiver's key */
    w.len = 0;
    assert_int_equal(mu_need_create(f.crypto, &f.all[2].kfb, &n, &w), 0);
    assert_int_equal(mu_cast_sender_feedback(&f.sender, 0, mu_written(&w)),
                     MU_ERR_AUTH);
    field_free(&f);
}

/* A member that asks for everything, all the time, as often as it can. */
static uint64_t hostile(uint32_t repair_max, uint16_t answer_all_max,
                        uint32_t low_page, uint64_t *quiet)
{
    struct field_conf conf = usual;
    uint64_t packets;
    struct field f;
    mu_time next = 0;

    conf.repair_max = repair_max;
    conf.answer_all_max = answer_all_max;
    conf.loss_permille = 20;
    field_init(&f, &conf);
    f.all[0].off = true;
    assert_true(field_run(&f));
    *quiet = field_packets(&f);
    field_free(&f);

    field_init(&f, &conf);
    f.all[0].off = true;
    while (f.now < MU_SECONDS(20)) {
        assert_true(field_step(&f));
        if (f.now < next)
            continue;
        next = f.now + 500;
        struct mu_need need = {.session = 7, .round = f.sender.round,
                               .need = f.sender.page.data};
        uint8_t bits[2] = {0xff, 0xff}, out[64];
        struct mu_writer w = mu_writer(out, sizeof(out));
        need.page = (uint16_t)(low_page < f.sender.job.page
                                   ? low_page : f.sender.job.page);
        need.bitmap = mu_bytes(bits, (f.sender.page.data + 7u) / 8);
        assert_int_equal(mu_need_create(f.crypto, &f.all[0].kfb, &need, &w),
                         0);
        field_unicast(&f, mu_written(&w));
    }
    for (uint32_t i = 1; i < conf.receivers; i++)
        assert_true(mu_cast_receiver_done(&f.all[i].r));
    assert_true(mu_cast_sender_counts(&f.sender)->rejected > 0);
    /* It says that half is lost; nobody plans by what one says all the time. */
    assert_true(f.sender.loss < 65536 / 3);
    packets = field_packets(&f);
    field_free(&f);
    return packets;
}

static void test_endless_requests(void **state)
{
    uint32_t pages = mu_cast_pages(&usual.shape, usual.size);

    (void)state;
    for (uint16_t all = 0; all <= 100; all = (uint16_t)(all + 100)) {
        uint64_t quiet, packets;
        packets = hostile(20, all, UINT32_MAX, &quiet);
        /* Of every page: repair_max, the page once more when it is past, half
         * as much again for what is lost of that, all the parity there is. */
        uint64_t most = (20 + 16) * 3 / 2 + 8 + 2;
        packets = hostile(20, all, UINT32_MAX, &quiet);
        assert_in_range(packets, quiet, quiet + pages * most);
        /* One page of the past: the same, after each restart it may claim. */
        packets = hostile(20, all, 0, &quiet);
        assert_in_range(packets, quiet, quiet * 2 + 4 * most);
    }
}

/* Where the sender is fair, one that always asks for all there is of the page
 * on the air gets what bad luck explains. */
static uint64_t greedy(bool fair, bool greed, uint64_t seed)
{
    struct field_conf conf = usual;
    uint64_t packets;
    struct field f;
    mu_time next = 0;

    conf.shape = (struct mu_cast_shape){200, 64, 24, 8};
    conf.size = 100000;
    conf.receivers = 40;
    conf.loss_permille = 50;
    conf.fair = fair;
    conf.seed = seed;
    field_init(&f, &conf);
    f.all[0].off = true;
    while (!field_finished(&f)) {
        assert_true(field_step(&f));
        if (!greed || f.now < next)
            continue;
        next = f.now + 500;
        uint8_t bits[8], out[64];
        struct mu_writer w = mu_writer(out, sizeof(out));
        memset(bits, 0xff, sizeof(bits));
        struct mu_need n = {
            .session = 7,
            .page = (uint16_t)f.sender.job.page,
            .round = f.sender.round,
            .need = 64,
            .bitmap = mu_bytes(bits, (f.sender.page.data + 7u) / 8),
        };
        assert_int_equal(mu_need_create(f.crypto, &f.all[0].kfb, &n, &w), 0);
        field_unicast(&f, mu_written(&w));
    }
    for (uint32_t i = 1; i < conf.receivers; i++)
        assert_true(mu_cast_receiver_done(&f.all[i].r));
    packets = field_packets(&f);
    field_free(&f);
    return packets;
}

static void test_greed(void **state)
{
    uint64_t quiet = 0, most = 0, unfair = greedy(false, false, 1);

    (void)state;
    assert_in_range(greedy(true, false, 1), 1, unfair);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        quiet += greedy(true, false, seed);
        most += greedy(true, true, seed);
    }
    print_message("greed: %llu packets, %llu without, %llu unbounded\n",
                  (unsigned long long)most / 3, (unsigned long long)quiet / 3,
                  (unsigned long long)greedy(false, true, 1));
    assert_in_range(most, quiet, quiet * 9 / 5);
}

/* One that loses most of what it hears looks the same: it gets everything, but
 * the others do not wait for it; so does one that comes when all is over. */
static void test_unlucky(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct field_conf conf = usual;
        struct field f;
        mu_time rest = 0, alone;

        conf.shape = (struct mu_cast_shape){200, 64, 24, 8};
        conf.size = 100000;
        conf.receivers = 40;
        conf.loss_permille = 50;
        conf.fair = true;
        conf.seed = seed;
        conf.answer_all_max = seed > 2 ? 100 : 0;
        field_init(&f, &conf);
        f.all[0].loss_permille = 600;
        f.all[1].off = true;
        assert_true(field_run(&f));
        for (uint32_t i = 2; i < conf.receivers; i++) {
            assert_true(mu_cast_receiver_done(&f.all[i].r));
            rest = f.all[i].done_at > rest ? f.all[i].done_at : rest;
        }
        assert_true(mu_cast_receiver_done(&f.all[0].r));
        alone = f.all[0].done_at;
        f.all[1].off = false;
        field_restart(&f, 1, false);
        run_all(&f);
        print_message("unlucky: the rest %.2f s, it %.2f s, late %.2f s\n",
                      (double)rest / 1e6, (double)alone / 1e6,
                      (double)(f.all[1].done_at - alone) / 1e6);
        field_free(&f);
    }
}

/* Back and forth between pages: each way back is counted. */
static void test_endless_returns(void **state)
{
    struct field_conf conf = usual;
    uint64_t before;
    struct field f;
    unsigned refused = 0;

    (void)state;
    conf.repair_max = 20;
    field_init(&f, &conf);
    f.all[0].off = true;
    assert_true(field_run(&f));
    before = field_packets(&f);
    for (unsigned n = 0; n < 100; n++) {
        refused += ask(&f, 0, n % 2, f.sender.round, 16) == MU_ERR_FORBIDDEN;
        while (!mu_cast_sender_idle(&f.sender)) {
            uint8_t out[MU_PACKET_MAX];
            mu_time at = mu_cast_sender_deadline(&f.sender);
            f.now = at > f.now ? at : f.now;
            (void)mu_cast_sender_next(&f.sender, f.now, out);
        }
    }
    assert_true(refused > 0);
    /* The first, three returns, and the ways forth between them. */
    assert_true(field_packets(&f) - before <= 8 * 24);
    field_free(&f);
}

/* Recorded NEEDs are old: they bring about a poll at rest, else nothing. */
static void test_old_needs(void **state)
{
    struct field_conf conf = usual;
    uint8_t out[MU_PACKET_MAX];
    struct field f;
    uint64_t before, polls;

    (void)state;
    conf.loss_permille = 0;
    field_init(&f, &conf);
    while (f.now < MU_MS(100))
        assert_true(field_step(&f));
    assert_true(mu_cast_sender_page(&f.sender) > 1);
    assert_int_equal(ask(&f, 1, 0, (uint8_t)(f.sender.round - 33), 16), 0);
    assert_false(f.sender.behind_valid);
    assert_int_equal(ask(&f, 1, 0, (uint8_t)(f.sender.round + 1), 16), 0);
    assert_false(f.sender.behind_valid);
    run_all(&f);
    before = field_packets(&f);
    polls = mu_cast_sender_counts(&f.sender)->control;
    assert_int_equal(ask(&f, 2, 0, (uint8_t)(f.sender.round - 33), 16), 0);
    while (!mu_cast_sender_idle(&f.sender)) {
        f.now = mu_cast_sender_deadline(&f.sender) > f.now
                    ? mu_cast_sender_deadline(&f.sender) : f.now;
        (void)mu_cast_sender_next(&f.sender, f.now, out);
    }
    assert_int_equal(field_packets(&f), before);
    assert_true(mu_cast_sender_counts(&f.sender)->control > polls);
    field_free(&f);
}

/* rounds_max bounds a page when nothing else does. */
static void test_rounds_bound(void **state)
{
    struct field_conf conf = usual;
    uint8_t out[MU_PACKET_MAX];
    struct field f;
    unsigned polls = 0;

    (void)state;
    conf.repair_max = 60000;
    conf.rounds_max = 5;
    conf.guess_permille = 0;
    field_init(&f, &conf);
    while (polls == 0 || mu_cast_sender_page(&f.sender) == 0) {
        size_t len = mu_cast_sender_next(&f.sender, f.now, out);
        f.now += 1000;
        if (len == 0 || out[0] != MU_CAST_POLL)
            continue;
        polls++;
        assert_true(polls <= 5);
        assert_int_equal(ask(&f, 1, 0, f.sender.round, 3), 0);
    }
    assert_int_equal(polls, 5);
    field_free(&f);
}

/* One that never gets half of what it needs does not hold up the rest. */
static void test_deaf(void **state)
{
    struct field_conf conf = usual;
    struct field f;
    mu_time rest = 0;

    (void)state;
    conf.repair_max = 60;
    conf.rounds_max = 6;
    conf.time_max = MU_SECONDS(60);
    field_init(&f, &conf);
    f.all[0].loss_permille = 900;
    (void)field_run(&f);
    for (uint32_t i = 1; i < conf.receivers; i++) {
        assert_true(mu_cast_receiver_done(&f.all[i].r));
        if (f.all[i].done_at > rest)
            rest = f.all[i].done_at;
    }
    assert_true(rest < MU_SECONDS(20));
    field_free(&f);
}

static void test_read_error(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.time_max = MU_SECONDS(1);
    field_init(&f, &conf);
    for (unsigned n = 0; n < 100; n++)
        assert_true(field_step(&f));
    f.read_fails = 1;
    assert_false(field_run(&f));
    assert_int_equal(mu_cast_sender_error(&f.sender), MU_ERR_IO);
    assert_int_equal(mu_cast_sender_deadline(&f.sender), MU_TIME_NEVER);
    field_free(&f);
}

/* ---- what the owner of a sender does ---- */

static void test_pause(void **state)
{
    struct field_conf conf = usual;
    struct field f;
    uint64_t before;
    uint32_t page;

    (void)state;
    field_init(&f, &conf);
    while (f.now < MU_MS(100))
        assert_true(field_step(&f));
    mu_cast_sender_pause(&f.sender, true);
    before = field_packets(&f);
    page = mu_cast_sender_page(&f.sender);
    assert_in_range(page, 1, mu_cast_pages(&conf.shape, conf.size) - 2);
    while (f.now < MU_SECONDS(60))
        assert_true(field_step(&f));
    assert_int_equal(field_packets(&f), before);
    assert_int_equal(mu_cast_sender_deadline(&f.sender), MU_TIME_NEVER);
    assert_int_equal(mu_cast_sender_page(&f.sender), page);
    mu_cast_sender_pause(&f.sender, false);
    assert_true(mu_cast_sender_deadline(&f.sender) <= f.now);
    run_all(&f);
    assert_true(f.now < MU_SECONDS(140));
    field_free(&f);
}

/* Answers that a pause has swallowed are asked for again. */
static void test_pause_in_window(void **state)
{
    struct field_conf conf = usual;
    uint8_t out[MU_PACKET_MAX];
    struct field f;
    uint8_t round;
    size_t len = 0;

    (void)state;
    field_init(&f, &conf);
    while (f.sender.state != MU_SENDER_WAIT)
        assert_true(field_step(&f));
    round = f.sender.round;
    mu_cast_sender_pause(&f.sender, true);
    f.now += MU_SECONDS(5);
    mu_cast_sender_pause(&f.sender, false);
    while (len == 0) {
        len = mu_cast_sender_next(&f.sender, f.now, out);
        f.now += 1000;
    }
    assert_int_equal(out[0], MU_CAST_POLL);
    assert_int_equal(out[3], 0); /* the same page */
    assert_int_equal(out[4], (uint8_t)(round + 1));
    field_free(&f);
}

/* After a restart of its own: from the page it knows, or from the start. */
static void test_seek(void **state)
{
    (void)state;
    for (uint32_t back = 0; back < 2; back++) {
        struct field_conf conf = usual;
        struct field f;
        uint32_t page;
        field_init(&f, &conf);
        while (mu_cast_sender_page(&f.sender) < 2)
            assert_true(field_step(&f));
        page = mu_cast_sender_page(&f.sender);
        mu_cast_sender_seek(&f.sender, back ? 0 : page, f.now);
        assert_true(mu_cast_sender_deadline(&f.sender) <= f.now);
        run_all(&f);
        field_free(&f);
    }
}

/* A relay: pages become ready one after the other, and it waits for them. */
static void test_relay(void **state)
{
    struct field_conf conf = usual;
    uint8_t out[MU_PACKET_MAX];
    struct field f;
    uint32_t pages = mu_cast_pages(&conf.shape, conf.size);

    (void)state;
    field_init(&f, &conf);
    f.sender.ready = 0;
    for (uint32_t p = 1; p <= pages; p++) {
        assert_int_equal(mu_cast_sender_next(&f.sender, f.now, out), 0);
        assert_int_equal(mu_cast_sender_deadline(&f.sender), MU_TIME_NEVER);
        mu_cast_sender_ready(&f.sender, p);
        assert_true(mu_cast_sender_deadline(&f.sender) <= f.now);
        for (uint32_t n = 0; n < 100000; n++) {
            size_t len = mu_cast_sender_next(&f.sender, f.now, out);
            if (len > 0) {
                assert_int_equal(mu_cast_sender_page(&f.sender), p - 1);
                for (uint32_t i = 0; i < conf.receivers; i++)
                    (void)!mu_cast_receiver_packet(&f.all[i].r, f.now,
                                                   mu_bytes(out, len));
            } else if (mu_cast_sender_deadline(&f.sender) == MU_TIME_NEVER) {
                break;
            } else {
                f.now = mu_cast_sender_deadline(&f.sender);
            }
        }
    }
    assert_true(mu_cast_sender_idle(&f.sender));
    assert_int_equal(field_done(&f), conf.receivers);
    field_free(&f);
}

/* The pace: never more bytes than the rate allows, and not much less. */
static void test_pace(void **state)
{
    struct field_conf conf = usual;
    uint8_t out[MU_PACKET_MAX];
    uint64_t bytes = 0;
    struct field f;

    (void)state;
    conf.shape = (struct mu_cast_shape){1000, 50, 0, 8};
    conf.size = 45000;
    conf.rate = 100000;
    field_init(&f, &conf);
    while (f.now < MU_MS(400)) {
        size_t len = mu_cast_sender_next(&f.sender, f.now, out);
        if (len == 0) {
            mu_time at = mu_cast_sender_deadline(&f.sender);
            assert_true(at > f.now);
            f.now = at + 300; /* a timer is always late */
            continue;
        }
        bytes += len + 48;
        assert_true(bytes <= (f.now + 20000) / 10);
    }
    assert_true(bytes > 36000);
    field_free(&f);
}

/* The same seed gives the same packets. */
static void test_repeatable(void **state)
{
    struct field f[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        field_init(&f[i], &usual);
        f[i].sender.round = 0; /* drawn by the crypto's generator */
        run_all(&f[i]);
    }
    assert_int_equal(f[0].now, f[1].now);
    assert_int_equal(f[0].asked, f[1].asked);
    assert_int_equal(field_packets(&f[0]), field_packets(&f[1]));
    field_free(&f[0]);
    field_free(&f[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_lossy),
        cmocka_unit_test(test_crowds),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_forger),
        cmocka_unit_test(test_replayer),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_late_joiner),
        cmocka_unit_test(test_offline_member),
        cmocka_unit_test(test_urgent),
        cmocka_unit_test(test_late_cost),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_leaver),
        cmocka_unit_test(test_endless_requests),
        cmocka_unit_test(test_greed),
        cmocka_unit_test(test_unlucky),
        cmocka_unit_test(test_endless_returns),
        cmocka_unit_test(test_old_needs),
        cmocka_unit_test(test_rounds_bound),
        cmocka_unit_test(test_deaf),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_pause_in_window),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_roll_call),
        cmocka_unit_test(test_behind_call),
        cmocka_unit_test(test_repeatable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
