/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of vector files; see vec.h. */
#include "vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int vec_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    fail_msg("not a hex digit: '%c'", c);
    return 0;
}

static void vec_parse_hex(const char *text, struct vec_field *f)
{
    const size_t n = strlen(text);

    assert_int_equal(n % 2, 0);
    f->len = n / 2;
    f->data = malloc(f->len != 0 ? f->len : 1);
    assert_non_null(f->data);
    for (size_t i = 0; i < f->len; i++)
        f->data[i] =
            (uint8_t)(vec_digit(text[2 * i]) * 16 + vec_digit(text[2 * i + 1]));
}

/* "text" or "text" * count */
static void vec_parse_text(const char *text, struct vec_field *f)
{
    const char *end = strrchr(text, '"');
    const size_t n = (size_t)(end - text) - 1;
    size_t count = 1;

    assert_ptr_not_equal(end, text);
    if (end[1] != '\0')
        assert_int_equal(sscanf(end + 1, " * %zu", &count), 1);
    f->len = n * count;
    f->data = malloc(f->len != 0 ? f->len : 1);
    assert_non_null(f->data);
    for (size_t i = 0; i < count; i++)
        memcpy(f->data + i * n, text + 1, n);
}

static void vec_parse_line(const char *line, struct vec_case *c)
{
    const char *value = strstr(line, " =");
    struct vec_field *f;
    size_t n;

    assert_non_null(value);
    n = (size_t)(value - line);
    value += value[2] == ' ' ? 3 : 2;
    if (n == 6 && strncmp(line, "source", n) == 0) {
        assert_true(strlen(value) < sizeof(c->source));
        strcpy(c->source, value);
        return;
    }
    if (n == 5 && strncmp(line, "error", n) == 0) {
        assert_true(strlen(value) < sizeof(c->error));
        strcpy(c->error, value);
        return;
    }
    assert_true(c->fields_len < VEC_FIELDS_MAX);
    f = &c->fields[c->fields_len++];
    assert_true(n < sizeof(f->name));
    memcpy(f->name, line, n);
    f->name[n] = '\0';
    if (value[0] == '"')
        vec_parse_text(value, f);
    else
        vec_parse_hex(value, f);
}

/* Hands the case over, if there is one, and makes room for the next. */
static size_t vec_finish(struct vec_case *c,
                         void (*fn)(const struct vec_case *c, void *user),
                         void *user)
{
    const size_t n = c->op[0] != '\0' ? 1 : 0;

    if (n != 0) {
        assert_true(c->source[0] != '\0'); /* every case names its origin */
        fn(c, user);
    }
    for (size_t i = 0; i < c->fields_len; i++)
        free(c->fields[i].data);
    memset(c, 0, sizeof(*c));
    return n;
}

size_t vec_each(const char *path,
                void (*fn)(const struct vec_case *c, void *user), void *user)
{
    struct vec_case c = {.fields_len = 0};
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    size_t count = 0;

    if (file == NULL)
        fail_msg("cannot read %s", path);
    while (getline(&line, &cap, file) != -1) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        if (line[0] != '[') {
            assert_true(c.op[0] != '\0');
            vec_parse_line(line, &c);
            continue;
        }
        count += vec_finish(&c, fn, user);
        line[strcspn(line, "]")] = '\0';
        assert_true(strlen(line + 1) < sizeof(c.op));
        strcpy(c.op, line + 1);
    }
    count += vec_finish(&c, fn, user);
    free(line);
    fclose(file);
    return count;
}

struct mu_bytes vec_get(const struct vec_case *c, const char *name)
{
    for (size_t i = 0; i < c->fields_len; i++) {
        if (strcmp(c->fields[i].name, name) == 0)
            return mu_bytes(c->fields[i].data, c->fields[i].len);
    }
    fail_msg("%s: no field '%s'", c->source, name);
    return mu_bytes(NULL, 0);
}
