/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a tree, as a file. */
#ifndef NET_TREE_PLAN_H
#define NET_TREE_PLAN_H

#include "muster/tree.h"
#include "net/addr.h"

#define MU_TREE_PLAN_MAX 1024

struct mu_tree_entry {
    char identity[MU_ID_MAX + 1];
    struct mu_addr at;
};

struct mu_tree_file {
    struct mu_tree_entry *entries;
    struct mu_tree_place *places;
    uint16_t len;
};

/* `why` says what is wrong, and where. */
MU_MUST int mu_tree_file_read(const char *path, struct mu_tree_file *out,
                              char why[160]);
/* The index of an identity; 0xffff: none. */
uint16_t mu_tree_file_find(const struct mu_tree_file *f, const char *identity);
void mu_tree_file_clear(struct mu_tree_file *f);

#endif
