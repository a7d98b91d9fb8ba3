/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledged broadcast over a tree of hops (muster/tree.h) between processes
 * over UDP: one says, the others pass on, take and acknowledge. All read the
 * same plan, a line for each: identity, identity of its parent (- for the
 * root, which comes first), HOST:PORT; a subtree stands together.
 */
#ifndef NET_TREE_H
#define NET_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct mu_tree_run_conf {
    const char *identity; /* NULL: the root */
    const char *plan;     /* file */
    const char *key_file; /* own key; the root: of all */
    const char *messages; /* root: file, a message a line; "-": standard input */
    const char *state;    /* root: file of the chains, goes on where it was */
    bool full;            /* all hear the root */
    uint32_t shift;       /* of acknowledgements */
    uint32_t wait_ms;     /* down one hop and its answer */
    uint32_t gather_ms;   /* root: for who has not come in, before the first */
    unsigned drop_in;     /* test aid */
    uint64_t seed;
};

/* The exit code: a node runs until a signal; the root until its messages are
 * over, 0: all acknowledged, 2: some are missing. */
int mu_tree_run(const struct mu_tree_run_conf *conf);

#endif
