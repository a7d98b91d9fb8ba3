/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekey parts through gateway and devices, with a server by script: who has the
 * key in the end, by which way, and what it cost.
 */
#include "tests/node/common.h"
#include "tests/node/script_rekey.h"

#define MEMBERS 250u /* of the group, most of them nowhere */

static const enum mu_scheme_kind kinds[] = {
    MU_SCHEME_CLUSTER, MU_SCHEME_LADDER, MU_SCHEME_LKH,
    MU_SCHEME_CS,      MU_SCHEME_SD,
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static bool device_holds(const struct world *w, size_t i)
{
    const struct mu_device *d = w->devices[i].device;
    const struct mu_secret *kb =
        d != NULL ? mu_keyring_find(&d->keys, &w->script.kb_kid) : NULL;

    return kb != NULL && mu_secret_eq(kb, &w->script.kb);
}

static bool all_hold(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->script.devices[i].member && !device_holds(w, i))
            return false;
    }
    return true;
}

static bool all_told(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->script.devices[i].member && w->script.rekey->told[i] != 0x0f)
            return false;
    }
    return true;
}

static bool all_have_states(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->devices[i].device != NULL &&
            w->devices[i].device->members[0].len == 0)
            return false;
    }
    return true;
}

static uint32_t all_fetches(const struct world *w)
{
    uint32_t n = 0;

    for (size_t i = 0; i < w->devices_len; i++)
        n += w->script.devices[i].fetches;
    return n;
}

/* Devices of a group with a scheme, all with their states. */
static void rekey_ready(struct world *w, size_t devices, uint64_t seed,
                        enum mu_scheme_kind kind)
{
    world_init(w, devices, seed);
    w->member_mem = 2048;
    script_scheme(&w->script, kind, MEMBERS);
    world_start_all(w);
    assert_true(world_run(w, MU_SECONDS(30), all_have_states));
    world_run(w, MU_SECONDS(5), NULL);
}

static void rekey_without(struct world *w, uint32_t slot)
{
    script_rekey(&w->script, &slot, 1);
}

/* ---- the way it should go ------------------------------------------------ */

static void test_leave(void **state)
{
    struct world w;
    uint32_t fetches;

    (void)state;
    rekey_ready(&w, 4, 1, MU_SCHEME_SD);
    fetches = all_fetches(&w);
    rekey_without(&w, 2);
    assert_true(world_run(&w, MU_SECONDS(20), all_told));
    assert_true(all_hold(&w));
    assert_false(device_holds(&w, 2));
    /* Nobody was told apart; the leaver asked what became of it. */
    world_run(&w, MU_SECONDS(1), NULL);
    assert_true(all_fetches(&w) - w.script.devices[2].fetches <= fetches);
    /* What is pushed next is under the new key. */
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(w.devices[2].installs, 0);
    world_clear(&w);
}

static bool awake_told(struct world *w)
{
    return w->script.rekey->told[0] == 0x0f && w->script.rekey->told[1] == 0x0f;
}

/* A member that sleeps has nobody wait for a key. */
static void test_sleeper_awaited_by_nobody(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 4, 5);
    w.member_mem = 2048;
    w.listens[3] = (struct mu_area_listens){100, 2};
    w.hold_s = 300;
    script_scheme(&w.script, MU_SCHEME_SD, MEMBERS);
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(110), all_have_states));
    world_run(&w, MU_SECONDS(105) - w.now % MU_SECONDS(100), NULL);
    assert_true(w.devices[3].off);
    rekey_without(&w, 2);
    assert_true(world_run(&w, MU_SECONDS(10), awake_told));
    assert_false(device_holds(&w, 3));
    assert_true(world_run(&w, MU_SECONDS(210), all_told));
    assert_true(all_hold(&w));
    world_clear(&w);
}

/* Out of the group and of the area at once: the area gets a new key, too, and
 * the rekey waits until its devices have that one. */
static void test_revoke(void **state)
{
    struct world w;
    uint32_t fetches, others = 0;

    (void)state;
    rekey_ready(&w, 8, 2, MU_SCHEME_SD);
    fetches = all_fetches(&w) - w.script.devices[2].fetches;
    script_remove(&w.script, 2);
    rekey_without(&w, 2);
    assert_true(world_run(&w, MU_SECONDS(20), all_told));
    for (size_t i = 0; i < 8; i++)
        others += i == 2 ? 0 : w.script.devices[i].fetches;
    assert_int_equal(others, fetches);
    assert_false(device_holds(&w, 2));
    world_clear(&w);
}

static bool list_begun(struct world *w)
{
    return w->gateway.gateway->scan_next != 0 &&
           w->gateway.gateway->rotate_due;
}

/* One area key for all who leave at once, however many pages name them; and it
 * does not wait for a server that falls silent in the middle of the list. */
static void test_many_leave(void **state)
{
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        struct world w;
        uint64_t before;

        world_init(&w, 8, 3);
        w.script.area_paged = true;
        world_start_all(&w);
        world_run(&w, MU_SECONDS(10), NULL);
        before = w.gateway.gateway->kg[0].kid.generation;
        for (size_t i = 1; i < 6; i++)
            script_remove(&w.script, i);
        if (silent) {
            assert_true(world_run(&w, MU_SECONDS(5), list_begun));
            w.wide_cut = true;
            world_cut(&w, &w.gateway);
            world_run(&w, MU_SECONDS(2), NULL);
            assert_int_equal(w.gateway.gateway->kg[0].kid.generation, before);
            world_run(&w, MU_SECONDS(2), NULL);
        } else {
            world_run(&w, MU_SECONDS(2), NULL);
        }
        assert_int_equal(w.gateway.gateway->kg[0].kid.generation, before + 1);
        for (size_t i = 0; i < 8; i += 7)
            assert_int_equal(w.devices[i].device->area[0].kid.generation,
                             before + 1);
        assert_int_equal(w.devices[1].device->area[0].kid.generation, before);
        world_clear(&w);
    }
}

static void test_each_scheme(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world w;

        rekey_ready(&w, 5, 10 + k, kinds[k]);
        for (uint32_t round = 0; round < 3; round++) {
            rekey_without(&w, round == 1 ? 3 : 20 + round);
            if (kinds[k] == MU_SCHEME_CLUSTER || kinds[k] == MU_SCHEME_LADDER)
                script_poke(&w.script); /* whom it tells one by one */
            assert_true(world_run(&w, MU_SECONDS(60), all_hold));
            world_run(&w, MU_SECONDS(40), NULL);
            assert_false(device_holds(&w, 3) && round > 0);
            script_rekey_end(&w.script);
            world_run(&w, MU_SECONDS(2), NULL);
        }
        world_clear(&w);
    }
}

/* Whoever holds the key by a fetch acknowledges like the others. */
static void test_fetched(void **state)
{
    struct world w;

    (void)state;
    rekey_ready(&w, 3, 20, MU_SCHEME_SD);
    w.script.rekey->mute = true; /* the parts are late */
    rekey_without(&w, 40);
    script_poke(&w.script);
    assert_true(world_run(&w, MU_SECONDS(10), all_hold));
    assert_false(all_told(&w));
    w.script.rekey->mute = false;
    assert_true(world_run(&w, MU_SECONDS(30), all_told));
    world_clear(&w);
}

/* ---- many parts ---------------------------------------------------------- */

static void rekey_many(struct world *w)
{
    uint32_t gone[100];

    w->script.rekey->part_max = MU_REKEY_PART_MIN;
    for (uint32_t i = 0; i < 100; i++)
        gone[i] = 9 + 2 * i;
    script_rekey(&w->script, gone, 100);
    assert_true(w->script.rekey->parts_len > 1);
}

static bool some_parts(struct world *w)
{
    return w->script.rekey->asked >= 1;
}

static void test_parts(void **state)
{
    struct world w;
    uint32_t fetches;

    (void)state;
    rekey_ready(&w, 5, 30, MU_SCHEME_CS);
    fetches = all_fetches(&w);
    w.loss_permille = 100;
    rekey_many(&w);
    assert_true(world_run(&w, MU_SECONDS(60), all_told));
    assert_true(all_hold(&w));
    assert_int_equal(w.script.rekey->asked, w.script.rekey->parts_len);
    assert_int_equal(all_fetches(&w), fetches);
    world_clear(&w);
}

/* The gateway loses power with some of the parts; what it kept it does not
 * fetch again. */
static void test_gateway_restarts(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 12; more++) {
        struct world w;
        size_t parts;

        rekey_ready(&w, 4, 31 + more, MU_SCHEME_CS);
        rekey_many(&w);
        parts = w.script.rekey->parts_len;
        assert_true(world_run(&w, MU_SECONDS(10), some_parts));
        world_run(&w, MU_MS(6 * more), NULL);
        world_stop(&w, &w.gateway);
        world_run(&w, MU_SECONDS(2), NULL);
        world_start(&w, &w.gateway);
        assert_true(world_run(&w, MU_SECONDS(60), all_told));
        assert_true(all_hold(&w));
        assert_true(w.script.rekey->asked <= parts + 2);
        world_clear(&w);
    }
}

/* The depot reads as broken, then as empty, then is full. */
static void test_depot_fails(void **state)
{
    struct world w;

    (void)state;
    rekey_ready(&w, 3, 44, MU_SCHEME_CS);
    rekey_many(&w);
    assert_true(world_run(&w, MU_SECONDS(10), some_parts));
    for (size_t i = 0; i < sizeof w.gateway.parts / sizeof *w.gateway.parts;
         i++)
        w.gateway.parts[i].broken = w.gateway.parts[i].full = true;
    world_run(&w, MU_SECONDS(5), NULL);
    for (size_t i = 0; i < sizeof w.gateway.parts / sizeof *w.gateway.parts;
         i++) {
        w.gateway.parts[i].broken = w.gateway.parts[i].full = false;
        if (w.gateway.parts[i].used)
            memset(w.gateway.parts[i].data, 0, w.gateway.parts[i].len);
    }
    assert_true(world_run(&w, MU_SECONDS(90), all_told));
    world_clear(&w);
}

static bool all_asked(struct world *w)
{
    return w->script.rekey->asked == w->script.rekey->parts_len;
}

/* Complete, and nobody has heard a word of it when the depot loses all: it is
 * fetched once more. */
static void test_depot_forgets(void **state)
{
    struct world w;
    size_t parts;

    (void)state;
    rekey_ready(&w, 3, 45, MU_SCHEME_CS);
    w.loss_permille = 1000;
    rekey_many(&w);
    parts = w.script.rekey->parts_len;
    assert_true(world_run(&w, MU_SECONDS(10), all_asked));
    for (size_t i = 0; i < sizeof w.gateway.parts / sizeof *w.gateway.parts;
         i++) {
        if (w.gateway.parts[i].used)
            memset(w.gateway.parts[i].data, 0, w.gateway.parts[i].len);
    }
    world_run(&w, MU_SECONDS(1), NULL);
    w.loss_permille = 0;
    assert_true(world_run(&w, MU_SECONDS(90), all_told));
    assert_true(w.script.rekey->asked >= 2 * parts - 1);
    world_clear(&w);
}

/* A server, or what is between, that answers with another part than the one that
 * was asked for, or with one that nobody signed: not kept. */
static void test_wrong_part(void **state)
{
    (void)state;
    for (int unsigned_ = 0; unsigned_ < 2; unsigned_++) {
        struct world w;
        struct script_part last;
        size_t at;

        rekey_ready(&w, 2, 53 + (uint64_t)unsigned_, MU_SCHEME_CS);
        rekey_many(&w);
        at = w.script.rekey->parts_len - 1;
        last = w.script.rekey->parts[at];
        if (unsigned_)
            w.script.rekey->parts[at].object[last.object_len - 1] ^= 1;
        else
            w.script.rekey->parts[at] = w.script.rekey->parts[0];
        world_run(&w, MU_SECONDS(5), NULL);
        assert_int_equal(w.gateway.gateway->sessions[0].parts_here, at);
        assert_false(all_told(&w));
        w.script.rekey->parts[at] = last;
        assert_true(world_run(&w, MU_SECONDS(90), all_told));
        world_clear(&w);
    }
}

/* A device that comes when the parts are out: told to fetch when there are
 * several, else it asks for the one. */
static void test_late(void **state)
{
    (void)state;
    for (int many = 0; many < 2; many++) {
        struct world w;

        rekey_ready(&w, 3, 46 + (uint64_t)many, MU_SCHEME_CS);
        world_stop(&w, &w.devices[1]);
        if (many)
            rekey_many(&w);
        else
            rekey_without(&w, 50);
        world_run(&w, MU_SECONDS(80), NULL); /* all rounds are over */
        world_start(&w, &w.devices[1]);
        assert_true(world_run(&w, MU_SECONDS(60), all_hold));
        if (!many)
            assert_true(world_run(&w, MU_SECONDS(60), all_told));
        world_clear(&w);
    }
}

/* ---- who waits for the key ----------------------------------------------- */

/* The push comes with the rekey, and nobody had to fetch for it. */
static void test_push_waits(void **state)
{
    struct world w;
    uint32_t fetches;

    (void)state;
    rekey_ready(&w, 4, 50, MU_SCHEME_SD);
    fetches = all_fetches(&w);
    rekey_without(&w, 30);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(all_fetches(&w), fetches);
    assert_true(world_run(&w, MU_SECONDS(20), all_told));
    world_clear(&w);
}

/* A long push has the medium; the keys do not wait for its end. */
static void test_goes_first(void **state)
{
    struct world w;

    (void)state;
    rekey_ready(&w, 3, 52, MU_SCHEME_SD);
    w.gateway.gateway->conf.area_rate = 3000;
    push(&w, 1);
    world_run(&w, MU_SECONDS(3), NULL);
    rekey_without(&w, 31);
    assert_true(world_run(&w, MU_SECONDS(4), all_told));
    assert_false(world_all_run(&w));
    assert_all_run(&w, MU_SECONDS(90));
    world_clear(&w);
}

/* The gateway never hears of the rekey, or keeps it to itself: a manifest that
 * names the kid makes the devices fetch. */
static void test_withheld(void **state)
{
    struct world w;

    (void)state;
    rekey_ready(&w, 4, 51, MU_SCHEME_SD);
    script_rekey_silent(&w.script);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_false(device_holds(&w, 0));
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(90));
    assert_true(all_hold(&w));
    world_clear(&w);
}

/* ---- sleep and power cuts ------------------------------------------------ */

static void test_sleeper(void **state)
{
    static const enum mu_scheme_kind both[] = {MU_SCHEME_SD, MU_SCHEME_LKH};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct world w;
        uint32_t pieces;

        rekey_ready(&w, 2, 60 + k, both[k]);
        world_stop(&w, &w.devices[1]);
        for (unsigned i = 0; i < 1000; i++)
            script_rekey_silent(&w.script);
        script_poke(&w.script);
        assert_false(world_run(&w, MU_SECONDS(10), all_hold));
        pieces = w.script.rekey->pieces;
        world_start(&w, &w.devices[1]);
        world_run(&w, MU_SECONDS(5), NULL);
        rekey_without(&w, 33);
        assert_true(world_run(&w, MU_SECONDS(60), all_hold));
        /* Subset difference opens the next message, whatever it missed; the
         * tree of keys needs a new state. */
        assert_true((w.script.rekey->pieces > pieces) ==
                    (both[k] == MU_SCHEME_LKH));
        world_clear(&w);
    }
}

/* Power goes after each STORE in turn, before anything is sent: the device has
 * the key when it comes back, or catches up, and it acknowledges. */
static void test_cut_between(void **state)
{
    static const enum mu_scheme_kind both[] = {MU_SCHEME_SD, MU_SCHEME_LKH};

    (void)state;
    for (uint32_t store = 1; store <= 6; store++) {
        for (size_t k = 0; k < 2; k++) {
            struct world w;

            rekey_ready(&w, 3, 70 + store, both[k]);
            w.devices[1].die_at = w.devices[1].stores + store;
            rekey_without(&w, 44);
            assert_true(world_run(&w, MU_SECONDS(60), all_told));
            assert_true(all_hold(&w));
            script_rekey_end(&w.script);
            world_run(&w, MU_SECONDS(3), NULL);
            /* And it opens the next one. */
            rekey_without(&w, 46);
            assert_true(world_run(&w, MU_SECONDS(60), all_told));
            world_clear(&w);
        }
    }
}

static void assert_stored(const struct world *w, size_t i)
{
    const struct mu_device *d = w->devices[i].device;
    const struct mu_store *store = &w->devices[i].store;
    uint8_t value[2048];
    size_t len = sizeof value;

    assert_int_equal(store->get(store->ctx, MU_TABLE_NODE,
                                mu_bytes("state\0\0\0\7", 9), value, &len),
                     0);
    assert_int_equal(len, d->members[0].len);
    assert_memory_equal(value, d->work + d->conf.page_memory, len);
}

/* What is stored is what is held: keys of a tree change with every rekey. */
static void test_stored(void **state)
{
    struct world w;

    (void)state;
    rekey_ready(&w, 3, 78, MU_SCHEME_LKH);
    for (uint32_t round = 0; round < 3; round++) {
        rekey_without(&w, 30 + 7 * round);
        assert_true(world_run(&w, MU_SECONDS(60), all_told));
        script_rekey_end(&w.script);
        world_run(&w, MU_SECONDS(3), NULL);
        for (size_t i = 0; i < 3; i++)
            assert_stored(&w, i);
    }
    world_clear(&w);
}

/* The key is durable and the state is not: no acknowledgement before it is. */
static void test_state_not_stored(void **state)
{
    struct world w;

    (void)state;
    rekey_ready(&w, 2, 79, MU_SCHEME_LKH);
    w.devices[0].fail_key = "state";
    rekey_without(&w, 30);
    world_run(&w, MU_SECONDS(20), NULL);
    assert_true(all_hold(&w));
    assert_int_equal(w.script.rekey->told[0], 0);
    assert_int_equal(w.script.rekey->told[1], 0x0f);
    w.devices[0].fail_key = NULL;
    assert_true(world_run(&w, MU_SECONDS(90), all_told));
    assert_stored(&w, 0);
    world_clear(&w);
}

/* A record that is damaged: the state, then the keys. */
static void test_damaged_records(void **state)
{
    static const char *const records[] = {"state\0\0\0\7", "keys"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world w;

        rekey_ready(&w, 2, 80 + i, MU_SCHEME_SD);
        world_stop(&w, &w.devices[0]);
        /* The name of a state has zeros in it: gone is as good as damaged. */
        if (i == 0)
            assert_int_equal(w.devices[0].store.put(
                                 w.devices[0].store.ctx, MU_TABLE_NODE,
                                 mu_bytes(records[0], 9), mu_bytes(NULL, 0)),
                             0);
        else
            w.devices[0].corrupt = records[1];
        world_start(&w, &w.devices[0]);
        world_run(&w, MU_SECONDS(5), NULL);
        w.devices[0].corrupt = NULL;
        rekey_without(&w, 21);
        assert_true(world_run(&w, MU_SECONDS(60), all_told));
        assert_true(all_have_states(&w));
        world_clear(&w);
    }
}

/* ---- states in pieces ---------------------------------------------------- */

static bool collecting(struct world *w)
{
    const struct mu_device *d = w->devices[0].device;

    return d->collect.on && d->collect.have > 100;
}

static void pieces_begin(struct world *w, uint64_t seed,
                         enum mu_scheme_kind kind)
{
    world_init(w, 1, seed);
    w->member_mem = 2048;
    script_scheme(&w->script, kind, MEMBERS);
    w->script.rekey->piece_max = 48;
    world_start_all(w);
    assert_true(world_run(w, MU_SECONDS(30), collecting));
}

static void test_pieces_lost(void **state)
{
    struct world w;

    (void)state;
    pieces_begin(&w, 90, MU_SCHEME_SD);
    for (unsigned i = 0; i < 4; i++) {
        world_cut(&w, &w.devices[0]); /* whatever is on the way is gone */
        world_run(&w, MU_MS(700 + 100 * i), NULL);
    }
    world_stop(&w, &w.devices[0]); /* and what was collected, too */
    world_start(&w, &w.devices[0]);
    assert_true(world_run(&w, MU_SECONDS(60), all_have_states));
    rekey_without(&w, 11);
    assert_true(world_run(&w, MU_SECONDS(30), all_told));
    world_clear(&w);
}

/* What it collects changes: a generation, or the trees. */
static void test_pieces_change(void **state)
{
    (void)state;
    for (int compact = 0; compact < 2; compact++) {
        struct world w;

        pieces_begin(&w, 92 + (uint64_t)compact, MU_SCHEME_LKH);
        if (compact)
            script_compact(&w.script);
        script_rekey_silent(&w.script);
        assert_true(world_run(&w, MU_SECONDS(60), all_have_states));
        world_run(&w, MU_SECONDS(10), NULL);
        rekey_without(&w, 12);
        assert_true(world_run(&w, MU_SECONDS(60), all_told));
        world_clear(&w);
    }
}

/* New trees: who has a state of the old ones asks for another. */
static void test_compaction(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world w;
        uint32_t pieces;

        rekey_ready(&w, 3, 95 + k, kinds[k]);
        pieces = w.script.rekey->pieces;
        script_compact(&w.script);
        script_rekey_silent(&w.script);
        script_poke(&w.script);
        assert_true(world_run(&w, MU_SECONDS(60), all_hold));
        world_run(&w, MU_SECONDS(10), NULL);
        assert_true(w.script.rekey->pieces >= pieces + 3);
        rekey_without(&w, 40);
        if (kinds[k] == MU_SCHEME_CLUSTER || kinds[k] == MU_SCHEME_LADDER)
            script_poke(&w.script);
        assert_true(world_run(&w, MU_SECONDS(60), all_hold));
        world_clear(&w);
    }
}

/* A device without the memory for a state lives by fetching. */
static void test_no_memory(void **state)
{
    struct world w;

    (void)state;
    for (uint32_t mem = 0; mem <= 100; mem += 100) {
        world_init(&w, 2, 110 + mem);
        w.member_mem = mem;
        script_scheme(&w.script, MU_SCHEME_SD, MEMBERS);
        world_start_all(&w);
        world_run(&w, MU_SECONDS(10), NULL);
        assert_int_equal(w.devices[0].device->members[0].len, 0);
        assert_true(w.script.devices[0].fetches < 8); /* it does not go on */
        rekey_without(&w, 40);
        assert_true(world_run(&w, MU_SECONDS(30), all_hold));
        assert_true(world_run(&w, MU_SECONDS(60), all_told));
        world_clear(&w);
    }
}

/* Out of the group: its state goes, in the store as well. */
static void test_left(void **state)
{
    uint8_t value[2048];
    size_t len = sizeof value;
    struct world w;

    (void)state;
    rekey_ready(&w, 2, 120, MU_SCHEME_SD);
    rekey_without(&w, 1);
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.devices[1].device->members[0].len, 0);
    assert_int_equal(w.devices[1].store.get(w.devices[1].store.ctx,
                                            MU_TABLE_NODE,
                                            mu_bytes("state\0\0\0\7", 9),
                                            value, &len),
                     MU_ERR_NOT_FOUND);
    len = sizeof value;
    assert_int_equal(w.devices[0].store.get(w.devices[0].store.ctx,
                                            MU_TABLE_NODE,
                                            mu_bytes("state\0\0\0\7", 9),
                                            value, &len),
                     0);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_sleeper_awaited_by_nobody),
        cmocka_unit_test(test_revoke),
        cmocka_unit_test(test_many_leave),
        cmocka_unit_test(test_each_scheme),
        cmocka_unit_test(test_fetched),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_gateway_restarts),
        cmocka_unit_test(test_depot_fails),
        cmocka_unit_test(test_depot_forgets),
        cmocka_unit_test(test_wrong_part),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_push_waits),
        cmocka_unit_test(test_goes_first),
        cmocka_unit_test(test_withheld),
        cmocka_unit_test(test_sleeper),
        cmocka_unit_test(test_cut_between),
        cmocka_unit_test(test_stored),
        cmocka_unit_test(test_state_not_stored),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_pieces_lost),
        cmocka_unit_test(test_pieces_change),
        cmocka_unit_test(test_compaction),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
