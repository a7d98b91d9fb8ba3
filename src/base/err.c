/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: look-ups in the one table of muster/err.h. */
#include "muster/err.h"

#include <stddef.h>

struct err_row {
    int code;
    enum mu_err_class class;
    unsigned coap;
    const char *name;
    const char *text;
};

static const struct err_row err_rows[] = {
    {MU_OK, MU_CLASS_NONE, 0x44, "OK", "no error"},
#define X(name, code, class, coap, text)                                       \
    {code, MU_CLASS_##class, coap, #name, text},
    MU_ERR_TABLE(X)
#undef X
};

/* 5.00 for what is not in the table: the fault is ours, not the peer's. */
static const struct err_row err_unknown = {
    0, MU_CLASS_FATAL, 0xa0, "UNKNOWN", "unknown error"};

static const struct err_row *err_find(int err)
{
    for (size_t i = 0; i < sizeof err_rows / sizeof err_rows[0]; i++) {
        if (err_rows[i].code == err)
            return &err_rows[i];
    }
    return &err_unknown;
}

const char *mu_err_name(int err)
{
    return err_find(err)->name;
}

const char *mu_err_text(int err)
{
    return err_find(err)->text;
}

enum mu_err_class mu_err_class(int err)
{
    return err_find(err)->class;
}

unsigned mu_err_coap(int err)
{
    return err_find(err)->coap;
}
