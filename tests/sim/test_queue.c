/* SPDX-License-Identifier: Apache-2.0 */
/* The order of events, against sorting by time and order of arrival. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/fleet.h"
#include "sim/queue.h"
#include "sim/rng.h"

static void test_order(void **state)
{
    (void)state;
    struct sim_queue q;
    struct sim_rng rng;
    struct sim_item item;
    sim_queue_init(&q);
    sim_rng_seed(&rng, 1, 1);
    for (uint64_t i = 0; i < 5000; i++)
        sim_queue_put(&q, (struct sim_item){.at = sim_rng_below(&rng, 50),
                                            .number = i});
    mu_time at = 0;
    uint64_t last = 0;
    size_t n = 0;
    while (sim_queue_take(&q, &item)) {
        assert_true(item.at >= at);
        if (n > 0 && item.at == at)
            assert_true(item.number > last);
        at = item.at;
        last = item.number;
        n++;
    }
    assert_int_equal(n, 5000);
    sim_queue_clear(&q);
}

/* A place taken early counts, however late the item comes. */
static void test_place(void **state)
{
    struct sim_queue q;
    struct sim_item item;
    uint64_t first, third;

    (void)state;
    sim_queue_init(&q);
    first = sim_queue_place(&q);
    sim_queue_put(&q, (struct sim_item){.at = 9, .number = 2});
    third = sim_queue_place(&q);
    sim_queue_put(&q, (struct sim_item){.at = 9, .number = 4});
    sim_queue_put(&q, (struct sim_item){.at = 8, .number = 0});
    assert_true(sim_queue_take(&q, &item));
    assert_int_equal(item.number, 0);
    sim_queue_put_placed(&q, (struct sim_item){.at = 9, .order = third,
                                               .number = 3});
    sim_queue_put_placed(&q, (struct sim_item){.at = 9, .order = first,
                                               .number = 1});
    for (uint64_t i = 1; i <= 4; i++) {
        assert_true(sim_queue_take(&q, &item));
        assert_int_equal(item.number, i);
    }
    assert_false(sim_queue_take(&q, &item));
    sim_queue_clear(&q);
}

/* ---- timers, against a list that is searched for the next one ---- */

#define ENGINES 6
#define CALLS 20000

static struct sim_world world;
static struct sim_rng dice;

static struct engine {
    mu_time at;     /* what it asks for */
    mu_time due;    /* what the list says */
    uint64_t order; /* among those due then */
} engines[ENGINES];

static uint64_t list_order;
static uint32_t calls;
static size_t queued; /* at the most */

/* As the world does: the same deadline once more is nothing new. */
static void list_arm(struct engine *e)
{
    mu_time at = e->at < world.now ? world.now : e->at;

    if (e->at == MU_TIME_NEVER || at != e->due)
        e->order = ++list_order;
    e->due = e->at == MU_TIME_NEVER ? MU_TIME_NEVER : at;
}

static void list_check(const struct engine *called)
{
    for (size_t i = 0; i < ENGINES; i++) {
        const struct engine *e = &engines[i];
        assert_true(called->due < e->due ||
                    (called->due == e->due && called->order <= e->order));
    }
    assert_true(called->due == world.now);
}

static mu_time draw_deadline(void)
{
    if (sim_rng_below(&dice, 8) == 0)
        return MU_TIME_NEVER;
    return world.now + sim_rng_below(&dice, 30);
}

static int engine_step(void *self, const struct mu_event *ev)
{
    struct engine *e = self;

    assert_int_equal(ev->kind, MU_EV_TIMER);
    list_check(e);
    calls++;
    queued = world.queue.len > queued ? world.queue.len : queued;
    e->due = MU_TIME_NEVER;
    /* Others hear of it, and want to be called earlier, later, never. */
    for (size_t i = 0; i < ENGINES; i++) {
        if (&engines[i] == e || sim_rng_below(&dice, 2) == 0)
            continue;
        engines[i].at = draw_deadline();
        sim_world_drain(&world, &world.nodes[i]);
        list_arm(&engines[i]);
    }
    e->at = e == engines ? world.now + 25 : draw_deadline(); /* it goes on */
    list_arm(e);
    return 0;
}

static bool engine_next(void *self, struct mu_effect *out)
{
    (void)self;
    (void)out;
    return false;
}

static mu_time engine_deadline(const void *self)
{
    return ((const struct engine *)self)->at;
}

static bool calls_over(struct sim_world *w)
{
    (void)w;
    return calls >= CALLS;
}

static void test_timers(void **state)
{
    static const struct sim_engine methods = {engine_step, engine_next,
                                              engine_deadline};
    struct sim_conf c;

    (void)state;
    sim_conf_default(&c);
    c.devices = ENGINES - 2;
    c.gateways = 1;
    sim_world_init(&world, &c);
    sim_rng_seed(&dice, 5, 5);
    for (size_t i = 0; i < ENGINES; i++) {
        struct sim_node *n = &world.nodes[i];

        n->methods = &methods;
        n->engine = &engines[i];
        n->up = true;
        engines[i].due = MU_TIME_NEVER;
        engines[i].at = 10;
        sim_world_drain(&world, n);
        list_arm(&engines[i]);
    }
    sim_world_run(&world, MU_SECONDS(100000), calls_over);
    assert_int_equal(calls, CALLS);
    /* Each has one that counts, and few that came before it. */
    assert_true(queued <= 4 * ENGINES);
    for (size_t i = 0; i < ENGINES; i++)
        world.nodes[i].up = false;
    sim_world_clear(&world);
}

static void test_buffers(void **state)
{
    (void)state;
    struct sim_queue q;
    struct sim_buffer *b = sim_buffer_new("abc", 3);
    sim_queue_init(&q);
    for (int i = 0; i < 10; i++)
        sim_queue_put(&q, (struct sim_item){.at = 1,
                                            .buffer = sim_buffer_hold(b)});
    assert_int_equal(b->refs, 11);
    struct sim_item item;
    assert_true(sim_queue_take(&q, &item));
    sim_buffer_drop(item.buffer);
    assert_int_equal(b->refs, 10);
    sim_queue_clear(&q); /* drops the rest */
    assert_int_equal(b->refs, 1);
    sim_buffer_drop(b);
}

static void test_chance(void **state)
{
    (void)state;
    struct sim_rng rng;
    int hits = 0;
    sim_rng_seed(&rng, 3, 1);
    for (int i = 0; i < 100000; i++)
        hits += sim_rng_chance(&rng, 0.05);
    assert_in_range(hits, 4700, 5300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
