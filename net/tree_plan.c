/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a tree. */
#include "net/tree_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY 0xffffu

uint16_t mu_tree_file_find(const struct mu_tree_file *f, const char *identity)
{
    for (uint16_t i = 0; i < f->len; i++) {
        if (strcmp(f->entries[i].identity, identity) == 0)
            return i;
    }
    return NOBODY;
}

void mu_tree_file_clear(struct mu_tree_file *f)
{
    free(f->entries);
    free(f->places);
    *f = (struct mu_tree_file){ .len = 0 };
}

static int plan_line(struct mu_tree_file *f, const char *line, char why[160])
{
    char identity[MU_ID_MAX + 2], parent[MU_ID_MAX + 2], at[128], more;
    int n = sscanf(line, "%65s %65s %127s %c", identity, parent, at, &more);
    struct mu_tree_entry *e = &f->entries[f->len];
    uint16_t above = 0;

    if (n <= 0 || identity[0] == '#')
        return 0;
    if (n != 3 || strlen(identity) > MU_ID_MAX ||
        mu_addr_parse(at, &e->at) != 0) {
        snprintf(why, 160, "identity, parent, HOST:PORT are wanted");
        return MU_ERR_USAGE;
    }
    if (f->len == MU_TREE_PLAN_MAX) {
        snprintf(why, 160, "more than %u nodes", MU_TREE_PLAN_MAX);
        return MU_ERR_TOO_LARGE;
    }
    if (f->len > 0)
        above = mu_tree_file_find(f, parent);
    if (above == NOBODY || (f->len == 0) != (strcmp(parent, "-") == 0) ||
        mu_tree_file_find(f, identity) != NOBODY) {
        snprintf(why, 160, "its parent comes before it, and it comes once");
        return MU_ERR_USAGE;
    }
    memcpy(e->identity, identity, strlen(identity) + 1);
    f->places[f->len++].parent = above;
    return 0;
}

int mu_tree_file_read(const char *path, struct mu_tree_file *out, char why[160])
{
    FILE *in = fopen(path, "r");
    char line[512], text[160];
    unsigned number = 0;
    int rc = 0;

    *out = (struct mu_tree_file){ .len = 0 };
    if (in == NULL) {
        snprintf(why, 160, "%s", strerror(errno));
        return MU_ERR_IO;
    }
    out->entries = calloc(MU_TREE_PLAN_MAX + 1, sizeof(*out->entries));
    out->places = calloc(MU_TREE_PLAN_MAX + 1, sizeof(*out->places));
    if (out->entries == NULL || out->places == NULL)
        rc = MU_ERR_FULL;
    snprintf(text, sizeof(text), "no memory");
    while (rc == 0 && fgets(line, sizeof(line), in) != NULL) {
        number++;
        rc = plan_line(out, line, text);
    }
    fclose(in);
    if (rc == 0 && mu_tree_plan(out->places, out->len) != 0) {
        snprintf(text, sizeof(text), "no tree whose subtrees stand together");
        rc = MU_ERR_USAGE;
    }
    if (rc != 0) {
        snprintf(why, 160, "line %u: %.120s", number, text);
        mu_tree_file_clear(out);
    }
    return rc;
}
