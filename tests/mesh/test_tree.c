/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledged broadcast between real processes over UDP: a line, a tree, all
 * in earshot; one killed on the way; one whose acknowledgements are spoilt and
 * one whose messages are changed by who stands between.
 */
#include "mesh.h"

#include <unistd.h>

#define NODES_MAX 9

struct net {
    struct lab *lab;
    struct mesh mesh;       /* its addresses and links */
    unsigned len;           /* nodes beside the root */
    unsigned parent[NODES_MAX + 1];
    struct lab_prog *node[NODES_MAX + 1];
    bool full;
    const char *drop;
};

static const char *const ids[NODES_MAX + 1] = {
    "root", "dev-1", "dev-2", "dev-3", "dev-4", "dev-5", "dev-6", "dev-7",
    "dev-8", "dev-9",
};

/* The plan as node `n` (0: the root) is to see it: somebody stands between it
 * and `other`, at the address `at`. */
static const char *net_plan(struct net *t, unsigned n, unsigned other,
                            const char *at)
{
    char name[32], text[1024];
    size_t len = 0;

    snprintf(name, sizeof(name), "plan-%u", n);
    for (unsigned i = 0; i <= t->len; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s %s\n",
                                ids[i], i == 0 ? "-" : ids[t->parent[i]],
                                at != NULL && i == other ? at
                                                         : t->mesh.at[i]);
    lab_write(lab_path(t->lab, name), text, len, 0600);
    return lab_path(t->lab, name);
}

static void net_open(struct net *t, struct lab *lab, unsigned len)
{
    memset(t, 0, sizeof(*t));
    t->lab = lab;
    t->len = len;
    t->drop = "0";
    lab_keys(lab, len);
    for (unsigned i = 0; i <= len; i++)
        mesh_address(t->mesh.at[i], i + 1);
    t->mesh.lab = lab;
}

static void net_node(struct net *t, unsigned n, const char *plan)
{
    const char *const words[] = {
        "tree", "--plan", plan, "--id", ids[n], "--key-file",
        lab_path(t->lab, "devices.csv"), "--wait-ms", "20", "--drop-in",
        t->drop, "--log", "debug", t->full ? "--full" : NULL, NULL,
    };

    t->node[n] = lab_start(t->lab, ids[n], words);
    lab_wait(t->node[n], "{'event': 'ready'}");
}

/* Says these lines; the exit code. */
static int net_say(struct net *t, struct lab_prog **root, const char *plan,
                   const char *lines)
{
    const char *file = lab_path(t->lab, "messages");
    const char *const words[] = {
        "tree", "--plan", plan, "--key-file", lab_path(t->lab, "devices.csv"),
        "--messages", file, "--wait-ms", "20", "--gather-ms", "8000",
        "--state", lab_path(t->lab, "root.state"), "--drop-in", t->drop,
        t->full ? "--full" : NULL, NULL,
    };

    lab_write(file, lines, strlen(lines), 0600);
    *root = lab_start(t->lab, "root", words);
    return lab_ended(*root);
}

static void net_heard(struct net *t, unsigned n, const char *text)
{
    char pattern[96];

    snprintf(pattern, sizeof(pattern), "{'event': 'message', 'text': '%s'}",
             text);
    lab_wait(t->node[n], pattern);
}

static void shape(struct net *t, const unsigned *parents)
{
    for (unsigned i = 1; i <= t->len; i++)
        t->parent[i] = parents[i - 1];
}

static void said_to_all(struct lab *lab, const unsigned *parents, unsigned len,
                        bool full)
{
    struct lab_prog *root;
    struct net t;
    const char *plan;

    net_open(&t, lab, len);
    shape(&t, parents);
    t.full = full;
    t.drop = "5";
    plan = net_plan(&t, 0, 0, NULL);
    for (unsigned i = 1; i <= len; i++)
        net_node(&t, i, plan);
    assert_int_equal(net_say(&t, &root, plan, "valve off\nvalve on\n"), 0);
    lab_wait(root, "{'event': 'acknowledged', 'missing': [], 'lies': []}");
    for (unsigned i = 1; i <= len; i++) {
        net_heard(&t, i, "valve off");
        net_heard(&t, i, "valve on");
    }
}

static void test_line(void **state)
{
    static const unsigned parents[] = {0, 1, 2, 3, 4};

    said_to_all(*state, parents, 5, false);
}

static void test_tree(void **state)
{
    static const unsigned parents[] = {0, 1, 1, 0, 4, 4, 0, 7, 7};

    said_to_all(*state, parents, 9, false);
}

static void test_full(void **state)
{
    static const unsigned parents[] = {0, 1, 1, 0, 4, 4, 0, 7, 7};

    said_to_all(*state, parents, 9, true);
}

/* Who is not there is named, and hears the next one when it is back; the root
 * goes on with its chains, and without them makes new ones. */
static void test_killed(void **state)
{
    static const unsigned parents[] = {0, 1, 2};
    struct lab *lab = *state;
    struct lab_prog *root;
    struct net t;
    const char *plan;

    net_open(&t, lab, 3);
    shape(&t, parents);
    plan = net_plan(&t, 0, 0, NULL);
    for (unsigned i = 1; i <= 3; i++)
        net_node(&t, i, plan);
    assert_int_equal(net_say(&t, &root, plan, "one\n"), 0);
    lab_end(t.node[3], SIGKILL);
    assert_int_equal(net_say(&t, &root, plan, "two\n"), 2);
    lab_wait(root, "{'event': 'acknowledged', 'place': 2, 'acked': 2, "
             "'missing': ['dev-3'], 'lies': []}");
    net_node(&t, 3, plan);
    assert_int_equal(net_say(&t, &root, plan, "three\n"), 0);
    lab_wait(root, "{'event': 'acknowledged', 'place': 3, 'missing': []}");
    net_heard(&t, 3, "three");
    assert_int_equal(unlink(lab_path(lab, "root.state")), 0);
    assert_int_equal(net_say(&t, &root, plan, "four\n"), 0);
    net_heard(&t, 3, "four");
}

/* Between dev-1 and dev-2 somebody changes the messages, or spoils what comes
 * up: a changed message is nobody's, a spoilt sum is refused by its tag. */
static void test_between(void **state)
{
    static const unsigned parents[] = {0, 1, 2};
    struct lab *lab = *state;
    struct mesh_link *l;
    struct lab_prog *root;
    static struct net t; /* its threads outlive a failure */
    const char *plan;
    char above[32], below[32];
    int code = 2;

    net_open(&t, lab, 3);
    shape(&t, parents);
    l = mesh_between(&t.mesh, 1, above, 2, below);
    plan = net_plan(&t, 0, 0, NULL);
    net_node(&t, 1, net_plan(&t, 1, 2, above));
    net_node(&t, 2, net_plan(&t, 2, 1, below));
    net_node(&t, 3, plan);
    mesh_links(&t.mesh);
    assert_int_equal(net_say(&t, &root, plan, "one\n"), 0);
    l->modify = 100;
    assert_int_equal(net_say(&t, &root, plan, "two\n"), 2);
    lab_wait(root, "{'event': 'acknowledged', 'acked': 1, 'missing': "
             "['dev-2', 'dev-3'], 'lies': []}");
    assert_true(atomic_load(&l->modified) > 3);
    l->modify = 0;
    /* Waits are of 20 ms: on a busy machine one may be over too soon. */
    for (unsigned tries = 0; code != 0 && tries < 5; tries++)
        code = net_say(&t, &root, plan, "three\n");
    assert_int_equal(code, 0);
    net_heard(&t, 3, "three");
    mesh_close(&t.mesh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_line),
        REAL_TEST(test_tree),
        REAL_TEST(test_full),
        REAL_TEST(test_killed),
        REAL_TEST(test_between),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
