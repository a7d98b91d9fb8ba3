/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image from neighbour to neighbour, by real processes over UDP: the
 * gateway's cast reaches one device, or none any more, and all run it.
 */
#include "mesh.h"

#define IMAGE_BYTES 120000

static const char *const lossy[] = { "--drop-in", "10", NULL };

static void line(struct mesh *m, struct lab *lab, unsigned len)
{
    mesh_open(m, lab, len);
    for (unsigned i = 1; i < len; i++)
        mesh_near(m, i, i + 1);
}

static void start_all(struct mesh *m, const char *const extra[])
{
    for (unsigned i = 1; i <= m->len; i++)
        mesh_device(m, i, i == 1, extra);
    for (unsigned i = 1; i <= m->len; i++)
        mesh_connected(m, i);
}

/* Five in a line, one loss in ten on every link; the fourth is killed with
 * pages in hand and goes on where it was. */
static void test_line(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    static struct mesh m; /* its threads outlive a failure */
    char id[32];

    line(&m, lab, 5);
    start_all(&m, lossy);
    lab_file(file, IMAGE_BYTES, 7);
    real_push(lab, id, file, "--page", "16", NULL);
    lab_wait(m.dev[4], "{'event': 'mesh', 'pages': 2}");
    lab_end(m.dev[4], SIGKILL);
    mesh_device(&m, 4, false, lossy);
    for (unsigned i = 1; i <= 5; i++)
        mesh_runs(&m, i, file);
    real_ends(lab, id, 0);
    /* The second has it from the first, not from the gateway. */
    assert_true(mesh_count(&m, 1, "data") > 0);
    assert_int_equal(mesh_count(&m, 2, "forged"), 0);
    mesh_close(&m);
}

/* Nine in a square, each hears those beside it and above it. */
static void test_grid(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    static struct mesh m; /* its threads outlive a failure */
    char id[32];

    mesh_open(&m, lab, 9);
    for (unsigned i = 1; i <= 9; i++) {
        if (i % 3 != 0)
            mesh_near(&m, i, i + 1);
        if (i <= 6)
            mesh_near(&m, i, i + 3);
    }
    start_all(&m, lossy);
    lab_file(file, IMAGE_BYTES, 8);
    real_push(lab, id, file, NULL);
    for (unsigned i = 1; i <= 9; i++)
        mesh_runs(&m, i, file);
    real_ends(lab, id, 0);
    mesh_close(&m);
}

/* No gateway, no server: who missed the campaign gets it from who has it. */
static void test_gateway_gone(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    static struct mesh m; /* its threads outlive a failure */
    char id[32];

    line(&m, lab, 3);
    start_all(&m, NULL);
    assert_int_equal(lab_end(m.dev[2], SIGTERM), 0);
    assert_int_equal(lab_end(m.dev[3], SIGTERM), 0);
    lab_file(file, IMAGE_BYTES, 9);
    real_push(lab, id, file, NULL);
    mesh_runs(&m, 1, file);
    lab_end(lab->gw, SIGKILL);
    lab_end(lab->serve, SIGKILL);
    mesh_device(&m, 2, false, NULL);
    mesh_device(&m, 3, false, NULL);
    mesh_runs(&m, 2, file);
    mesh_runs(&m, 3, file);
    /* And tells so, once there is somebody to tell. */
    lab_serve(lab, NULL);
    lab_gateway(lab, NULL);
    real_ends(lab, id, 0);
    mesh_close(&m);
}

/* A relay that changes half of what it passes on costs time; one that changes
 * all of it is as if nobody were there. */
static void test_modifying_relay(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct mesh_link *half, *all;
    static struct mesh m; /* its threads outlive a failure */
    char id[32];

    mesh_open(&m, lab, 4);
    mesh_near(&m, 1, 2);
    half = mesh_through(&m, 2, 3);
    half->modify = 50;
    all = mesh_through(&m, 3, 4);
    all->modify = 100;
    mesh_links(&m);
    start_all(&m, NULL);
    lab_file(file, IMAGE_BYTES, 10);
    real_push(lab, id, file, NULL);
    for (unsigned i = 1; i <= 3; i++)
        mesh_runs(&m, i, file);
    assert_true(atomic_load(&half->modified) > 50);
    assert_true(mesh_count(&m, 3, "forged") > 20);
    assert_true(atomic_load(&all->modified) > 0);
    assert_false(mesh_got(&m, 4, file));
    assert_int_equal(mesh_count(&m, 4, "accepted"), 0);
    mesh_close(&m);
}

/* A relay that drops half of what it should pass on. */
static void test_dropping_relay(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct mesh_link *l;
    static struct mesh m; /* its threads outlive a failure */
    char id[32];

    mesh_open(&m, lab, 4);
    mesh_near(&m, 1, 2);
    mesh_near(&m, 3, 4);
    l = mesh_through(&m, 2, 3);
    l->drop = 50;
    mesh_links(&m);
    start_all(&m, NULL);
    lab_file(file, IMAGE_BYTES, 11);
    real_push(lab, id, file, NULL);
    for (unsigned i = 1; i <= 4; i++)
        mesh_runs(&m, i, file);
    assert_true(atomic_load(&l->dropped) > 50);
    real_ends(lab, id, 0);
    mesh_close(&m);
}

/* What a device out of reach says of itself is lost three times in ten: it says
 * it again, because no census reaches it. */
static void test_word_lost(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    static struct mesh m; /* its threads outlive a failure */
    char id[32];

    mesh_open_with(&m, lab, 3, (const char *const[]){ "--drop-in", "30", NULL });
    mesh_near(&m, 1, 2);
    mesh_near(&m, 2, 3);
    start_all(&m, NULL);
    lab_file(file, 30000, 12);
    real_push(lab, id, file, NULL);
    for (unsigned i = 1; i <= 3; i++)
        mesh_runs(&m, i, file);
    real_ends(lab, id, 0);
    mesh_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_line),
        REAL_TEST(test_grid),
        REAL_TEST(test_gateway_gone),
        REAL_TEST(test_modifying_relay),
        REAL_TEST(test_dropping_relay),
        REAL_TEST(test_word_lost),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
