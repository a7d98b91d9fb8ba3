/* SPDX-License-Identifier: Apache-2.0 */
/* The tree that a message is decoded into, and how it looks as text. */
#include "cli/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/keys.h"

json_t *decode_new(const char *message, size_t bytes)
{
    json_t *v = json_object();

    decode_put(v, "message", json_string(message));
    decode_put_number(v, "bytes", bytes);
    return v;
}

void decode_put(json_t *to, const char *name, json_t *value)
{
    if (value == NULL || json_object_set_new(to, name, value) != 0)
        abort(); /* no memory */
}

json_t *decode_number(uint64_t n)
{
    char text[24];

    if (n <= INT64_MAX)
        return json_integer((json_int_t)n);
    snprintf(text, sizeof text, "%" PRIu64, n); /* more than JSON's readers */
    return json_string(text);
}

void decode_put_number(json_t *to, const char *name, uint64_t n)
{
    decode_put(to, name, decode_number(n));
}

json_t *decode_hex(struct mu_bytes b)
{
    char *text = malloc(2 * b.len + 1);
    json_t *v;

    if (text == NULL)
        abort();
    text[0] = 0;
    for (size_t i = 0; i < b.len; i++)
        snprintf(text + 2 * i, 3, "%02x", b.data[i]);
    v = json_string(text);
    free(text);
    return v;
}

json_t *decode_text(struct mu_bytes b)
{
    json_t *v = json_stringn((const char *)b.data, b.len);

    return v != NULL ? v : decode_hex(b); /* not UTF-8 */
}

json_t *decode_secret(struct mu_bytes b)
{
    return json_sprintf("%zu bytes, not shown", b.len);
}

json_t *decode_kid(struct mu_bytes b)
{
    struct mu_reader r = mu_reader(b);
    struct mu_kid kid = mu_kid_read(&r);
    const struct mu_key_info *info = mu_key_info((enum mu_key_kind)kid.kind);

    if (mu_reader_end(&r) != 0 || info == NULL)
        return decode_hex(b);
    return json_sprintf("%s, scope %" PRIu32 ", generation %" PRIu32 ".%" PRIu32,
                        info->name, kid.scope, (uint32_t)(kid.generation >> 32),
                        (uint32_t)kid.generation);
}

/* ---- as text ------------------------------------------------------------ */

static bool is_flat(const json_t *v)
{
    size_t i;
    const json_t *item;

    if (json_is_object(v))
        return false;
    json_array_foreach(v, i, item) {
        if (!is_flat(item))
            return false;
    }
    return true;
}

/* Text of a message with what could move the cursor escaped. */
static void print_text(const char *text)
{
    for (; *text != 0; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            printf("\\x%02x", (unsigned char)*text);
        else
            putchar(*text);
    }
}

static void print_flat(const json_t *v)
{
    size_t i;
    const json_t *item;

    if (json_is_string(v)) {
        print_text(json_string_value(v));
    } else if (json_is_array(v)) {
        putchar('[');
        json_array_foreach(v, i, item) {
            fputs(i == 0 ? "" : ", ", stdout);
            print_flat(item);
        }
        putchar(']');
    } else {
        json_dumpf(v, stdout, JSON_ENCODE_ANY);
    }
}

static void print_block(const json_t *v, int depth);

static void print_named(const char *name, const json_t *v, int depth)
{
    int width = 24 - 2 * depth;

    printf("%*s", 2 * depth, "");
    if (is_flat(v)) {
        printf("%-*s ", width > 8 ? width : 8, name);
        print_flat(v);
        putchar('\n');
    } else {
        puts(name);
        print_block(v, depth + 1);
    }
}

static void print_block(const json_t *v, int depth)
{
    const char *name;
    const json_t *item;
    char number[24];
    size_t i;

    json_array_foreach(v, i, item) {
        snprintf(number, sizeof number, "%zu", i);
        print_named(number, item, depth);
    }
    /* jansson wants a variable object, and changes nothing of it */
    for (void *it = json_object_iter((json_t *)(uintptr_t)v); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
        name = json_object_iter_key(it);
        print_named(name, json_object_iter_value(it), depth);
    }
}

void decode_print(const json_t *v)
{
    if (is_flat(v)) {
        print_flat(v);
        putchar('\n');
    } else {
        print_block(v, 0);
    }
}
