/* SPDX-License-Identifier: Apache-2.0 */
/* Root keys of nodes in files. */
#include "net/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "muster/keys.h"

#define KEY_FILE_MAX (64 << 20) /* bytes: half a million rows */
#define KEY_MIN 16
#define KEY_MAX 64

static int key_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int key_parse(const char *text, size_t len,
                     const struct mu_crypto *crypto, struct mu_secret *kmr)
{
    uint8_t raw[KEY_MAX];
    int rc = 0;

    if (len % 2 != 0 || len < 2 * KEY_MIN || len > 2 * KEY_MAX)
        return MU_ERR_MALFORMED;
    for (size_t i = 0; i < len / 2; i++) {
        int high = key_digit(text[2 * i]), low = key_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            rc = MU_ERR_MALFORMED;
        raw[i] = (uint8_t)(high * 16 + low);
    }
    if (rc == 0)
        rc = mu_kmr_from(crypto, mu_bytes(raw, len / 2), kmr);
    mu_wipe(raw, sizeof(raw));
    return rc;
}

static size_t key_trim(const char **text, size_t len)
{
    while (len > 0 && (**text == ' ' || **text == '\t')) {
        (*text)++;
        len--;
    }
    while (len > 0 && strchr(" \t\r", (*text)[len - 1]) != NULL)
        len--;
    return len;
}

static void key_more(char to[MU_ID_MAX + 1], const char *text, size_t len)
{
    const char *comma = memchr(text, ',', len);
    size_t n = key_trim(&text, comma == NULL ? len : (size_t)(comma - text));

    memcpy(to, text, n < MU_ID_MAX ? n : MU_ID_MAX);
}

static int key_row(struct mu_key_file *f, const char *line, size_t len,
                   const struct mu_crypto *crypto)
{
    const char *comma = memchr(line, ',', len), *key = line;
    struct mu_key_row row = { .identity = "" };
    size_t key_len = len;

    if (comma != NULL) {
        const char *id = line;
        size_t id_len = key_trim(&id, (size_t)(comma - line));

        if (id_len == 0 || id_len > MU_ID_MAX)
            return MU_ERR_MALFORMED;
        memcpy(row.identity, id, id_len);
        key = comma + 1;
        key_len = len - (size_t)(key - line);
        comma = memchr(key, ',', key_len);
        if (comma != NULL) {
            key_len = (size_t)(comma - key);
            key_more(row.more, comma + 1, len - (size_t)(comma + 1 - line));
        }
    }
    key_len = key_trim(&key, key_len);
    if (f->len == 0 && strcasecmp(row.identity, "identity") == 0)
        return 0; /* the heading */
    if (row.identity[0] == '\0' && f->len > 0)
        return MU_ERR_MALFORMED;
    int rc = key_parse(key, key_len, crypto, &row.kmr);

    if (rc != 0)
        return rc;
    struct mu_key_row *grown = malloc((f->len + 1) * sizeof(*grown));

    if (grown == NULL) {
        mu_secret_clear(&row.kmr);
        return MU_ERR_FULL;
    }
    /* Not realloc: that leaves keys behind in freed memory. */
    if (f->len > 0)
        memcpy(grown, f->rows, f->len * sizeof(*grown));
    grown[f->len] = row;
    mu_secret_clear(&row.kmr);
    if (f->rows != NULL)
        mu_wipe(f->rows, f->len * sizeof(*f->rows));
    free(f->rows);
    f->rows = grown;
    f->len++;
    return 0;
}

static int key_rows(struct mu_key_file *f, const char *text, size_t len,
                    const struct mu_crypto *crypto, char why[128])
{
    size_t at = 0, number = 0;

    while (at < len) {
        const char *line = text + at, *end = memchr(line, '\n', len - at);
        size_t line_len = end == NULL ? len - at : (size_t)(end - line);
        const char *start = line;
        size_t used = key_trim(&start, line_len);

        at += line_len + 1;
        number++;
        if (used == 0 || *start == '#')
            continue;
        int rc = key_row(f, start, used, crypto);

        if (rc != 0) {
            snprintf(why, 128, "line %zu is no key of 32 to 128 hex digits",
                     number);
            return rc;
        }
    }
    if (f->len == 0) {
        snprintf(why, 128, "it holds no key");
        return MU_ERR_MALFORMED;
    }
    return 0;
}

int mu_key_file_read(const char *path, const struct mu_crypto *crypto,
                     struct mu_key_file *out, char why[128])
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = MU_ERR_IO;

    *out = (struct mu_key_file){ 0 };
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(why, 128, "%s", strerror(errno));
    } else if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        snprintf(why, 128, "others may read it; chmod 600 it");
        rc = MU_ERR_FORBIDDEN;
    } else if (st.st_size == 0 || st.st_size > KEY_FILE_MAX) {
        snprintf(why, 128, "it is empty or too large");
        rc = MU_ERR_TOO_LARGE;
    } else {
        size_t len = (size_t)st.st_size;
        char *text = malloc(len);

        if (text == NULL || read(fd, text, len) != (ssize_t)len)
            snprintf(why, 128, "it cannot be read");
        else
            rc = key_rows(out, text, len, crypto, why);
        if (text != NULL)
            mu_wipe(text, len);
        free(text);
    }
    if (fd >= 0)
        close(fd);
    if (rc != 0)
        mu_key_file_clear(out);
    return rc;
}

const struct mu_secret *mu_key_file_find(const struct mu_key_file *f,
                                         const char *identity)
{
    for (size_t i = 0; i < f->len; i++) {
        if (f->rows[i].identity[0] == '\0' ||
            strcmp(f->rows[i].identity, identity) == 0)
            return &f->rows[i].kmr;
    }
    return NULL;
}

void mu_key_file_clear(struct mu_key_file *f)
{
    if (f->rows != NULL)
        mu_wipe(f->rows, f->len * sizeof(*f->rows));
    free(f->rows);
    *f = (struct mu_key_file){ 0 };
}
