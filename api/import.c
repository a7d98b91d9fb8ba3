/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices by the thousand: a CSV of identity,key[,gateway[,group;group...]].
 * Every row is checked before the first is taken; one bad row, named by its
 * number, and nothing is imported.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

#define FIELDS 4

struct row {
    char *field[FIELDS]; /* identity, key, gateway, groups: into the body */
    unsigned line;
};

struct import {
    struct api_request *r;
    struct row *rows;
    size_t len, cap;
    char gateway[MU_ID_MAX + 1]; /* for rows that name none, or empty */
};

static bool import_bad(struct import *im, unsigned line, const char *why)
{
    api_answer(im->r, 400,
               json_pack("{s:o,s:i}", "error",
                         json_sprintf("row %u: %s", line, why), "row",
                         (int)line));
    return false;
}

static bool gateway_known(struct import *im, const char *name)
{
    return mu_server_gateway_known(api_server(im->r), mu_bytes_str(name));
}

/* The gateway for rows without one: the query's, or the only one there is. */
static bool import_gateway(struct import *im)
{
    struct mu_gateway_view first, second;
    const char *asked = api_query(im->r, "gateway");
    if (asked != NULL && !gateway_known(im, asked)) {
        api_error(im->r, 400, "gateway '%s' is not known", asked);
        return false;
    }
    if (asked != NULL)
        snprintf(im->gateway, sizeof im->gateway, "%s", asked);
    else if (mu_server_gateway_next(api_server(im->r), 0, &first) == 0 &&
             mu_server_gateway_next(api_server(im->r), first.number,
                                    &second) != 0)
        snprintf(im->gateway, sizeof im->gateway, "%s", first.identity);
    return true;
}

static bool group_known(struct import *im, const char *name, size_t len)
{
    struct mu_group_view v;
    return mu_server_group_get(api_server(im->r),
                               mu_bytes((const uint8_t *)name, len), &v) == 0;
}

static bool device_known(struct import *im, const char *identity)
{
    const struct mu_store *store = api_serve(im->r)->body.node.store;
    uint8_t value[MU_STORE_VALUE_MAX];
    size_t len = sizeof value;
    return store->get(store->ctx, MU_TABLE_DEVICE, mu_bytes_str(identity),
                      value, &len) != MU_ERR_NOT_FOUND;
}

static const char *row_fault(struct import *im, const struct row *row)
{
    uint8_t key[64];
    const char *id = row->field[0];
    size_t len = strlen(id);
    if (len == 0 || len > MU_ID_MAX)
        return "the identity is not 1 to 64 bytes long";
    for (const char *p = id; *p != 0; p++)
        if ((unsigned char)*p <= ' ' || *p == '/' || *p == 0x7f)
            return "the identity has a space, a slash or a control character";
    long key_len = api_hex(row->field[1], strlen(row->field[1]), key,
                           sizeof key);
    mu_wipe(key, sizeof key);
    if (key_len < 16)
        return "the key is not 32 to 128 hex digits";
    if (*row->field[2] == 0)
        return "there is more than one gateway: name one";
    if (row->field[2] != im->gateway && !gateway_known(im, row->field[2]))
        return "the gateway is not known";
    for (const char *g = row->field[3]; *g != 0;) {
        size_t n = strcspn(g, ";");
        if (!group_known(im, g, n))
            return "a group is not known";
        g += n + (g[n] == ';');
    }
    if (device_known(im, id))
        return "the identity exists already";
    return NULL;
}

static bool import_add(struct import *im, char *line, unsigned number)
{
    static char empty[1];
    struct row row = {.line = number};
    char *p = line;
    for (int i = 0; i < FIELDS; i++)
        row.field[i] = empty;
    for (int i = 0; p != NULL; i++) {
        if (i == FIELDS)
            return import_bad(im, number, "there are more than four fields");
        row.field[i] = p;
        p = strchr(p, ',');
        if (p != NULL)
            *p++ = 0;
    }
    if (*row.field[2] == 0)
        row.field[2] = im->gateway;
    const char *fault = row_fault(im, &row);
    if (fault != NULL)
        return import_bad(im, number, fault);
    if (im->len == im->cap) {
        im->cap = im->cap == 0 ? 256 : 2 * im->cap;
        struct row *rows = realloc(im->rows, im->cap * sizeof *rows);
        if (rows == NULL)
            return import_bad(im, number, "no memory");
        im->rows = rows;
    }
    im->rows[im->len++] = row;
    return true;
}

static bool import_read(struct import *im)
{
    unsigned number = 0;
    char *line = im->r->body;
    if (line != NULL && strlen(line) != im->r->body_len)
        return import_bad(im, 0, "there is a zero byte in the file");
    if (line != NULL && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3; /* the mark some spreadsheets begin with */
    while (line != NULL && *line != 0) {
        char *end = strchr(line, '\n');
        number++;
        if (end != NULL)
            *end++ = 0;
        line[strcspn(line, "\r")] = 0;
        bool header = number == 1 && strncmp(line, "identity,", 9) == 0;
        if (*line != 0 && *line != '#' && !header &&
            !import_add(im, line, number))
            return false;
        line = end;
    }
    if (im->len == 0)
        return import_bad(im, number, "there is no device in the file");
    return true;
}

static int row_order(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = strcmp(x->field[0], y->field[0]);
    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static bool import_unique(struct import *im)
{
    qsort(im->rows, im->len, sizeof *im->rows, row_order);
    for (size_t i = 1; i < im->len; i++)
        if (strcmp(im->rows[i - 1].field[0], im->rows[i].field[0]) == 0)
            return import_bad(im, im->rows[i].line,
                              "the identity is in the file twice");
    return true;
}

/* Refused though the row is good: the gateway is full, the store is. */
static int import_take(struct import *im, const struct row *row)
{
    uint8_t key[64];
    struct mu_server *server = api_server(im->r);
    long len = api_hex(row->field[1], strlen(row->field[1]), key, sizeof key);
    int rc = mu_server_device_add(server, mu_bytes_str(row->field[0]),
                                  mu_bytes(key, (size_t)len),
                                  mu_bytes_str(row->field[2]));
    mu_wipe(key, sizeof key);
    api_taken(im->r);
    for (const char *g = row->field[3]; rc == 0 && *g != 0;) {
        size_t n = strcspn(g, ";");
        rc = mu_server_group_add(server, mu_bytes(g, n),
                                 mu_bytes_str(row->field[0]));
        api_taken(im->r);
        g += n + (g[n] == ';');
    }
    return rc;
}

void api_devices_import(struct api_request *r)
{
    struct import im = {.r = r};
    int rc = 0;
    if (import_gateway(&im) && import_read(&im) && import_unique(&im)) {
        size_t i;
        api_begin(r);
        for (i = 0; i < im.len && rc == 0; i++)
            rc = import_take(&im, &im.rows[i]);
        if (rc != 0) { /* what cannot be told from the rows alone */
            api_undo(r);
            import_bad(&im, im.rows[i - 1].line,
                       rc == MU_ERR_FULL ? "its gateway has no room for it"
                                         : mu_err_text(rc));
        } else {
            api_when_durable(r, 201, json_pack("{s:I}", "imported",
                                               (json_int_t)im.len));
        }
    }
    free(im.rows);
}
