/* SPDX-License-Identifier: Apache-2.0 */
/* A thousand nodes, and who of them spoils it: found, and nobody else harmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/ack/tree.h"

static const uint8_t shifts[] = {0, 4, 8};
static const uint16_t fanouts[] = {0, 1, 2, 10};

/* A liar that was found is below this one. */
static bool hidden(const struct tree *t, uint16_t i)
{
    for (uint16_t b = (uint16_t)(i + 1); b < t->end[i]; b++) {
        if (t->way[b] > TREE_SILENT && tree_found(t, b))
            return true;
    }
    return false;
}

/* Every node that lied is at an end of a link that was found, unless it hides
 * behind one below it, and every link found has a liar at one end. */
static void found_exactly(const struct tree *t)
{
    for (uint16_t i = 0; i < t->nodes; i++) {
        switch (t->way[i]) {
        case TREE_HONEST:
        case TREE_SILENT:
        case TREE_DROP:
        case TREE_INTRUDE: /* the node above does not hear it */
            break;
        default:
            assert_true(tree_found(t, i) || hidden(t, i));
        }
    }
    for (size_t l = 0; l < t->root.found_len; l++) {
        uint8_t above = t->way[t->found[l].above];
        uint8_t below = t->way[t->found[l].below];

        assert_true(above > TREE_SILENT || below > TREE_SILENT);
    }
}

static void test_peace(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof fanouts / sizeof fanouts[0]; f++) {
        for (size_t s = 0; s < sizeof shifts; s++) {
            struct tree *t = tree_new(300, fanouts[f], shifts[s], 1);

            for (unsigned i = 0; i < 20; i++)
                t->way[tree_pick(t, i % 2 == 1 || fanouts[f] == 1)] = TREE_SILENT;
            tree_run(t);
            assert_int_equal(t->up_messages, 300);
            assert_int_equal(t->openings, 0);
            assert_int_equal(t->root.found_len, 0);
            assert_int_equal(tree_proved(t), 280);
            for (uint16_t i = 0; i < 300; i++)
                assert_int_equal(mu_ack_root_proved(&t->root, i),
                                 t->way[i] == TREE_HONEST);
            tree_del(t);
        }
    }
}

/* One liar of each way, in trees of each form: it is found, everybody who
 * told the truth and could be heard is proved, and it takes as many openings
 * as there are nodes on the way to it. */
static void one(enum tree_way way, uint16_t fanout, uint8_t shift)
{
    struct tree *t = tree_new(1000, fanout, shift, 7u + way);
    bool inner = way >= TREE_POLLUTE;
    uint16_t liar = fanout == 1 && !inner ? 999 : tree_pick(t, inner);
    uint32_t heard;

    while (liar == 0) /* has nobody above it to intrude upon */
        liar = tree_pick(t, inner);
    t->way[liar] = (uint8_t)way;
    tree_run(t);
    found_exactly(t);
    heard = 1000;
    if (way == TREE_FALSE_ACK || way == TREE_REPLAY)
        heard = 999;
    if (way == TREE_DROP || way == TREE_INTRUDE || way == TREE_MUTE)
        heard = 1000u - (uint32_t)(t->end[liar] - liar) + (way == TREE_DROP);
    assert_int_equal(tree_proved(t), heard);
    assert_int_equal(t->refused, way == TREE_INTRUDE ? 1 : 0);
    if (way == TREE_DROP || way == TREE_INTRUDE)
        assert_int_equal(t->openings, 0);
    else /* the way down to it, and one branch that it accuses */
        assert_int_equal(t->openings, t->depth[liar] + (way == TREE_LIE));
    tree_del(t);
}

static void test_one(void **state)
{
    (void)state;
    for (int way = TREE_FALSE_ACK; way < TREE_WAYS; way++) {
        for (size_t f = 0; f < sizeof fanouts / sizeof fanouts[0]; f++) {
            for (size_t s = 0; s < sizeof shifts; s++) {
                /* A line of 1,000 carries 4 KB: one form of it is enough. */
                if (fanouts[f] != 1 || shifts[s] == 0)
                    one((enum tree_way)way, fanouts[f], shifts[s]);
            }
        }
    }
}

/* A node that spoils everything it hands on, shifted: nobody outside its
 * subtree but the nearest neighbours is harmed even for a moment. */
static void test_confined(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed < 20; seed++) {
        struct tree *t = tree_new(1000, 0, 4, seed);
        uint16_t liar = tree_pick(t, true);

        while (liar == 0)
            liar = tree_pick(t, true);
        t->way[liar] = TREE_POLLUTE;
        tree_run(t);
        assert_true(t->proved_at_once + 2u >=
                    1000u - (uint32_t)(t->end[liar] - liar));
        assert_int_equal(tree_proved(t), 1000);
        assert_true(tree_found(t, liar));
        tree_del(t);
    }
}

/* Many at once, of all ways. */
static void test_many(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shifts; s++) {
        struct tree *t = tree_new(1000, 4, shifts[s], 3);

        for (unsigned i = 0; i < 32; i++) {
            uint8_t way = (uint8_t)(TREE_FALSE_ACK + i % 4);

            t->way[tree_pick(t, way >= TREE_POLLUTE)] = way;
        }
        tree_run(t);
        found_exactly(t);
        for (uint16_t i = 0; i < 1000; i++) {
            if (t->way[i] == TREE_HONEST)
                assert_true(mu_ack_root_proved(&t->root, i));
            if (t->way[i] == TREE_FALSE_ACK || t->way[i] == TREE_REPLAY)
                assert_false(mu_ack_root_proved(&t->root, i));
        }
        tree_del(t);
    }
}

/* Speaks for nodes that never acknowledged: not one of them is proved. */
static void test_forged(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof shifts; s++) {
        struct tree *t = tree_new(500, 3, shifts[s], 5);
        uint16_t liar = 0;

        while (t->end[liar] - liar < 20 || t->end[liar] - liar > 60)
            liar++;
        t->way[liar] = TREE_FORGE;
        for (uint16_t i = (uint16_t)(liar + 1); i < t->end[liar]; i++)
            t->way[i] = TREE_SILENT;
        tree_run(t);
        for (uint16_t i = (uint16_t)(liar + 1); i < t->end[liar]; i++)
            assert_false(mu_ack_root_proved(&t->root, i));
        assert_true(tree_found(t, liar));
        tree_del(t);
    }
}

static uint16_t end_of(void *tree, uint16_t index)
{
    const struct tree *t = tree;

    return t->end[index];
}

/* Answers that are none: each ends the hunt at that node. */
static void test_bad_answers(void **state)
{
    struct tree *t = tree_new(100, 2, 0, 9);
    const struct mu_ack_link suspect = {3, 3, 10};
    struct mu_ack_link none;
    uint8_t own[17] = {1}, cut[] = {0, 0, 4, 0xff, 0xff};
    uint8_t itself[] = {0, 0, 3, 0, 0}, outside[] = {0, 0, 10, 0, 0};
    const struct mu_bytes bad[] = {
        {own, 0},      {own, 9},
        MU_BYTES(own), /* well formed, and nothing in it explains the sum */
        MU_BYTES(cut), MU_BYTES(itself), MU_BYTES(outside),
    };

    (void)state;
    memcpy(own + 1, t->acks[3], 16);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mu_ack_root_init(&t->root);
        assert_int_equal(mu_ack_root_opened(&t->root, &suspect, bad[i],
                                            end_of, t), 0);
        assert_int_equal(t->found[0].below, 3);
        assert_false(mu_ack_root_next(&t->root, &none));
    }
    tree_del(t);
}

/* A part that names others than its own proves nothing at the root either,
 * even if the acknowledgements are the true ones. */
static void test_outside(void **state)
{
    struct tree *t = tree_new(100, 2, 0, 9);
    uint8_t named[4], string[64], room[128];
    struct mu_ack_link next;

    (void)state;
    for (uint16_t i = 20; i <= 30; i += 10) {
        struct mu_writer w = mu_writer(room, sizeof room);
        struct mu_ack_sum sum;
        struct mu_ack_set set;

        mu_ack_sum_init(&sum, i, 0, named, sizeof named, string,
                        sizeof string);
        assert_int_equal(mu_ack_sum_add(&sum, i, t->acks[i]), 0);
        set = mu_ack_sum_set(&sum);
        assert_int_equal(mu_ack_set_write(&set, &w), 0);
        mu_ack_root_init(&t->root);
        assert_int_equal(mu_ack_root_take(&t->root, 21, 21, 30,
                                          mu_written(&w)), 0);
        assert_false(mu_ack_root_proved(&t->root, i));
        assert_true(mu_ack_root_next(&t->root, &next));
        assert_int_equal(mu_ack_root_take(&t->root, 20, 20, 31,
                                          mu_written(&w)), 0);
        assert_true(mu_ack_root_proved(&t->root, i));
    }
    tree_del(t);
}

/* A branch of [10, 20) says who of it is there: each edge of its range. */
static void test_range(void **state)
{
    static const struct {
        uint16_t first;
        uint8_t named;
        int want;
    } words[] = {
        {10, 0x01, 0},  {9, 0x01, MU_ERR_FORBIDDEN}, {9, 0x02, MU_ERR_FORBIDDEN},
        {12, 0x80, 0},  {12, 0x81, 0},               {13, 0x80, MU_ERR_FORBIDDEN},
        {19, 0x01, 0},  {20, 0x01, MU_ERR_FORBIDDEN}, {19, 0x03, MU_ERR_FORBIDDEN},
    };
    uint8_t memory[64], string[64] = {0}, room[64];
    struct mu_ack_branch branch = {10, 20, memory, 40, 0};
    struct mu_ack_node node;

    (void)state;
    mu_ack_node_init(&node, 5, 30, 4, &branch, 1);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct mu_writer w = mu_writer(room, sizeof room);
        struct mu_ack_set s = {words[i].first, 4,
                               mu_bytes(&words[i].named, 1),
                               mu_bytes(string, 16)};

        s.string.len = mu_ack_string_len(4, mu_ack_members(s.named));
        assert_int_equal(mu_ack_set_write(&s, &w), 0);
        branch.len = 0;
        assert_int_equal(mu_ack_node_hear(&node, 10, mu_written(&w)),
                         words[i].want);
        assert_int_equal(branch.len, words[i].want == 0 ? w.len : 0);
        assert_int_equal(mu_ack_node_hear(&node, 11, mu_written(&w)),
                         MU_ERR_UNKNOWN_PEER);
        room[2] = 2; /* another form than the one agreed upon */
        assert_int_not_equal(mu_ack_node_hear(&node, 10, mu_written(&w)), 0);
        room[2] = 4;
        branch.cap = w.len - 1;
        if (words[i].want == 0)
            assert_int_equal(mu_ack_node_hear(&node, 10, mu_written(&w)),
                             MU_ERR_TOO_LARGE);
        branch.cap = 40;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peace),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_confined),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
