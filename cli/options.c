/* SPDX-License-Identifier: Apache-2.0 */
/* Options from the command line and from YAML. */
#include "cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static struct cli_option *option_find(struct cli_options *o, const char *name,
                                      size_t len)
{
    for (struct cli_option *t = o->table; t->name != NULL; t++) {
        if (strlen(t->name) == len && memcmp(t->name, name, len) == 0)
            return t;
    }
    return NULL;
}

static bool option_number(const struct cli_option *t, const char *text,
                          uint32_t *out)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' ||
        value < t->min || value > t->max)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool option_set(struct cli_options *o, struct cli_option *t,
                       const char *text)
{
    bool good = true;

    switch (t->kind) {
    case CLI_TEXT:
        *(const char **)t->to = text;
        break;
    case CLI_NUMBER:
        good = option_number(t, text, t->to);
        if (!good)
            fprintf(stderr, "muster %s: %s: a number from %" PRIu32 " to %"
                    PRIu32 " is wanted, not \"%s\"\n", o->verb, t->name,
                    t->min, t->max, text);
        break;
    case CLI_FLAG:
        good = strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
        *(bool *)t->to = strcmp(text, "true") == 0;
        if (!good)
            fprintf(stderr, "muster %s: %s: true or false is wanted\n",
                    o->verb, t->name);
        break;
    }
    return good;
}

/* ---- YAML -------------------------------------------------------------- */

static const char *option_keep(struct cli_options *o, const char *text)
{
    char **grown = realloc(o->texts, (o->texts_len + 1) * sizeof(*grown));
    char *copy = strdup(text);

    if (grown != NULL)
        o->texts = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return NULL;
    }
    o->texts[o->texts_len++] = copy;
    return copy;
}

static bool option_from_file(struct cli_options *o, const char *file,
                             const yaml_node_t *key, const yaml_node_t *value)
{
    struct cli_option *t;
    const char *text;

    if (key == NULL || value == NULL || key->type != YAML_SCALAR_NODE ||
        value->type != YAML_SCALAR_NODE) {
        fprintf(stderr, "muster %s: %s: only \"name: value\" is wanted\n",
                o->verb, file);
        return false;
    }
    t = option_find(o, (const char *)key->data.scalar.value,
                    key->data.scalar.length);
    if (t == NULL) {
        fprintf(stderr, "muster %s: %s:%zu: there is no option \"%s\"\n",
                o->verb, file, key->start_mark.line + 1,
                (const char *)key->data.scalar.value);
        return false;
    }
    if (t->taken)
        return true;
    text = option_keep(o, (const char *)value->data.scalar.value);
    return text != NULL && option_set(o, t, text);
}

static bool options_walk(struct cli_options *o, const char *file,
                         yaml_document_t *doc)
{
    yaml_node_t *root = yaml_document_get_root_node(doc);

    if (root == NULL)
        return true; /* an empty file */
    if (root->type != YAML_MAPPING_NODE) {
        fprintf(stderr, "muster %s: %s: only \"name: value\" is wanted\n",
                o->verb, file);
        return false;
    }
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start;
         p < root->data.mapping.pairs.top; p++) {
        if (!option_from_file(o, file, yaml_document_get_node(doc, p->key),
                              yaml_document_get_node(doc, p->value)))
            return false;
    }
    return true;
}

static bool options_file(struct cli_options *o, const char *file)
{
    FILE *in = fopen(file, "re");
    yaml_parser_t parser;
    yaml_document_t doc;
    bool good = false;

    if (in == NULL || yaml_parser_initialize(&parser) == 0) {
        fprintf(stderr, "muster %s: %s: %s\n", o->verb, file, strerror(errno));
        if (in != NULL)
            fclose(in);
        return false;
    }
    yaml_parser_set_input_file(&parser, in);
    if (yaml_parser_load(&parser, &doc) == 0) {
        fprintf(stderr, "muster %s: %s:%zu: %s\n", o->verb, file,
                parser.problem_mark.line + 1,
                parser.problem == NULL ? "no YAML" : parser.problem);
    } else {
        good = options_walk(o, file, &doc);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    fclose(in);
    return good;
}

/* ---- help -------------------------------------------------------------- */

static void option_value(const struct cli_option *t, char *to, size_t cap)
{
    const char *text = "";

    switch (t->kind) {
    case CLI_TEXT:
        text = *(const char *const *)t->to;
        snprintf(to, cap, "%s", text == NULL ? "" : text);
        break;
    case CLI_NUMBER:
        snprintf(to, cap, "%" PRIu32, *(const uint32_t *)t->to);
        break;
    case CLI_FLAG:
        snprintf(to, cap, "%s", *(const bool *)t->to ? "true" : "false");
        break;
    }
}

static void options_help(const struct cli_options *o)
{
    printf("muster %s - %s\n\nusage: muster %s [options]\n", o->verb, o->about,
           o->verb);
    for (const struct cli_option *t = o->table; t->name != NULL; t++) {
        char left[64], value[256];

        snprintf(left, sizeof(left), "--%s%s%s", t->name,
                 t->kind == CLI_FLAG ? "" : " ",
                 t->kind == CLI_FLAG ? "" : t->arg);
        option_value(t, value, sizeof(value));
        printf("  %-27s %s", left, t->help);
        if (t->kind != CLI_FLAG && value[0] != '\0')
            printf(" [%s]", value);
        printf("\n");
    }
    printf("  %-27s %s\n  %-27s %s\n", "--config FILE",
           "YAML, the same names without --", "--help", "this");
    printf("\nExit: 0 ended by SIGTERM or SIGINT; 1 could not start, or "
           "failed.\n");
    if (o->also != NULL)
        printf("\nSee also: %s\n", o->also);
}

static void options_json(const struct cli_options *o)
{
    json_t *v = json_object();

    for (const struct cli_option *t = o->table; t->name != NULL; t++) {
        char value[256];

        option_value(t, value, sizeof(value));
        json_object_set_new(v, t->name,
                            t->kind == CLI_FLAG
                                ? json_boolean(*(const bool *)t->to)
                            : t->kind == CLI_NUMBER
                                ? json_integer(*(const uint32_t *)t->to)
                            : value[0] == '\0' ? json_null()
                                               : json_string(value));
    }
    json_dumpf(v, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(v);
}

void cli_options_configfile(const struct cli_options *o, bool json)
{
    if (json) {
        options_json(o);
        return;
    }
    printf("# muster %s --config FILE\n# %s\n", o->verb, o->about);
    for (const struct cli_option *t = o->table; t->name != NULL; t++) {
        char value[256];

        option_value(t, value, sizeof(value));
        printf("\n# %s\n", t->help);
        if (t->kind == CLI_TEXT && value[0] == '\0')
            printf("#%s: %s\n", t->name, t->arg);
        else if (t->kind == CLI_TEXT)
            printf("%s: \"%s\"\n", t->name, value);
        else
            printf("%s: %s\n", t->name, value);
    }
}

/* ---- command line ------------------------------------------------------ */

static bool options_line(struct cli_options *o, int argc, char **argv,
                         const char **file, bool *help)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + 2, *value = strchr(argv[i], '=');
        struct cli_option *t;
        size_t len;

        if (strncmp(argv[i], "--", 2) != 0 || *name == '\0') {
            fprintf(stderr, "muster %s: \"%s\" is no option\n", o->verb,
                    argv[i]);
            return false;
        }
        len = value == NULL ? strlen(name) : (size_t)(value - name);
        if (len == 4 && memcmp(name, "help", 4) == 0) {
            *help = true;
            continue;
        }
        bool config = len == 6 && memcmp(name, "config", 6) == 0;

        t = config ? NULL : option_find(o, name, len);
        if (!config && t == NULL) {
            fprintf(stderr, "muster %s: there is no option \"%s\"\n", o->verb,
                    argv[i]);
            return false;
        }
        if (value != NULL)
            value++;
        else if (!config && t->kind == CLI_FLAG)
            value = "true";
        else if (i + 1 < argc)
            value = argv[++i];
        if (value == NULL) {
            fprintf(stderr, "muster %s: %s wants a value\n", o->verb, argv[i]);
            return false;
        }
        if (config)
            *file = value;
        else if (!option_set(o, t, value))
            return false;
        else
            t->taken = true;
    }
    return true;
}

enum cli_parse cli_options_parse(struct cli_options *o, int argc, char **argv)
{
    const char *file = NULL;
    bool help = false;

    for (int i = 1; i < argc; i++)
        help = help || strcmp(argv[i], "--help") == 0;
    if (help) { /* before anything is set: it shows the defaults */
        options_help(o);
        return CLI_PARSE_DONE;
    }
    if (!options_line(o, argc, argv, &file, &help)) {
        fprintf(stderr, "Try: muster %s --help\n", o->verb);
        return CLI_PARSE_WRONG;
    }
    if (file != NULL && !options_file(o, file))
        return CLI_PARSE_WRONG;
    return CLI_PARSE_RUN;
}

void cli_options_clear(struct cli_options *o)
{
    for (size_t i = 0; i < o->texts_len; i++)
        free(o->texts[i]);
    free(o->texts);
    o->texts = NULL;
    o->texts_len = 0;
}
