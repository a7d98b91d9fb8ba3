/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root keys of nodes in files of mode 0600: either one key in hex, or a CSV of
 * identity,key,... rows (more columns are ignored, and a first row that says
 * "identity"). 16 to 64 bytes a key.
 */
#ifndef NET_KEY_FILE_H
#define NET_KEY_FILE_H

#include "muster/crypto.h"
#include "muster/limits.h"

struct mu_key_row {
    char identity[MU_ID_MAX + 1]; /* empty: a file with one key */
    struct mu_secret kmr;         /* made by mu_kmr_from */
    char more[MU_ID_MAX + 1];     /* the third column, cut to fit */
};

struct mu_key_file {
    struct mu_key_row *rows;
    size_t len;
};

/* On an error, `why` says it in words ("others may read it; chmod 600 it"). */
MU_MUST int mu_key_file_read(const char *path, const struct mu_crypto *crypto,
                             struct mu_key_file *out, char why[128]);
/* The key of an identity; of a file with one key, that one. NULL: none. */
const struct mu_secret *mu_key_file_find(const struct mu_key_file *f,
                                         const char *identity);
void mu_key_file_clear(struct mu_key_file *f);

#endif
