/* SPDX-License-Identifier: Apache-2.0 */
/* muster device import|add|list|revoke, gateway add|list, group ..., key list */
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "muster/keys.h"

static const char DEVICE_HELP[] =
    "muster device - the devices of the fleet\n"
    "\n"
    "usage: muster device import FILE.csv [--gateway GW]\n"
    "       muster device add --id ID --key-file FILE [--gateway GW]\n"
    "       muster device list\n"
    "       muster device revoke ID\n"
    "\n"
    "A row of the CSV is identity,key[,gateway[,group;group]]; the key is 32 to\n"
    "128 hex digits. All rows are taken or none; the bad one is named.\n"
    "`muster device --help` without a word tells how to run one.\n"
    "  --gateway GW       for rows that name none (the only one there is)\n"
    CLI_OPTIONS_HELP;

static const char GATEWAY_HELP[] =
    "muster gateway - the gateways of the fleet\n"
    "\n"
    "usage: muster gateway add --id ID --key-file FILE\n"
    "       muster gateway list\n" CLI_OPTIONS_HELP;

static const char GROUP_HELP[] =
    "muster group - the groups of the fleet\n"
    "\n"
    "usage: muster group create G [--mode end-to-end|option-1|option-2]\n"
    "       muster group add G ID... | --all\n"
    "       muster group remove G ID\n"
    "       muster group list\n"
    "       muster group show G\n"
    "       muster group rotate G\n"
    "\n"
    "end-to-end: gateways cannot read. option-1: the gateway re-protects under\n"
    "its area's key. option-2: it hands the group's key to its devices.\n"
    CLI_OPTIONS_HELP;

static const char KEY_HELP[] =
    "muster key - ids of keys: kind, scope, generation, holders\n"
    "\n"
    "usage: muster key list\n"
    "       muster key kinds   what each kind is made from, who may hold it,\n"
    "                          how it gets there and how long it lasts\n"
    CLI_OPTIONS_HELP;

struct admin {
    struct cli_client client;
    const char *id, *key_file, *gateway, *mode;
    bool all, help, bad;
    const char *word; /* "list" */
    int argc;         /* words after it */
    char **argv;
};

static void admin_options(struct admin *a, int argc, char **argv,
                          const char *verb)
{
    static const struct option options[] = {
        {"id", required_argument, NULL, 'i'},
        {"key-file", required_argument, NULL, 'k'},
        {"gateway", required_argument, NULL, 'g'},
        {"mode", required_argument, NULL, 'm'},
        {"all", no_argument, NULL, 'a'},
        CLI_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    int o;
    memset(a, 0, sizeof *a);
    cli_client_init(&a->client, verb);
    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'i': a->id = optarg; break;
        case 'k': a->key_file = optarg; break;
        case 'g': a->gateway = optarg; break;
        case 'm': a->mode = optarg; break;
        case 'a': a->all = true; break;
        case 'H': a->help = true; break;
        default:
            if (!cli_client_option(&a->client, o, optarg))
                a->bad = true;
            break;
        }
    }
    a->word = optind < argc ? argv[optind++] : "";
    a->argc = argc - optind;
    a->argv = argv + optind;
}

/* Says what came of it; takes over the answer. */
static int admin_done(struct admin *a, json_t *answer, const char *text)
{
    if (answer == NULL)
        return CLI_FAILED;
    if (a->client.json)
        cli_print_json(answer);
    else
        puts(text);
    json_decref(answer);
    return CLI_ALL;
}

/* All pages of a list, as one array. */
static json_t *admin_rows(struct admin *a, const char *path, const char *name)
{
    json_t *all = json_array();
    char *after = NULL;
    for (;;) {
        char *page_path = after == NULL
                              ? cli_path("%s?limit=1000", path)
                              : cli_path("%s?limit=1000&after=%s", path, after);
        json_t *page = cli_get(&a->client, page_path);
        free(page_path);
        free(after);
        after = NULL;
        if (page == NULL) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, json_object_get(page, name));
        const json_t *next = json_object_get(page, "next");
        if (json_is_string(next))
            after = cli_escape(json_string_value(next));
        else if (json_is_integer(next))
            after = cli_path("%lld", (long long)json_integer_value(next));
        json_decref(page);
        if (after == NULL)
            return all;
    }
}

static int admin_list(struct admin *a, const char *path, const char *name,
                      void (*row_print)(const json_t *row))
{
    size_t i;
    json_t *row, *rows = admin_rows(a, path, name);
    if (rows == NULL)
        return CLI_FAILED;
    if (a->client.json) {
        cli_print_json(rows);
    } else {
        row_print(NULL);
        json_array_foreach(rows, i, row)
            row_print(row);
    }
    json_decref(rows);
    return CLI_ALL;
}

static int admin_usage(struct admin *a, const char *help)
{
    if (a->help) {
        fputs(help, stdout);
        return CLI_ALL;
    }
    return cli_usage(a->client.verb);
}

/* ---- devices and gateways ---------------------------------------------- */

static void device_print(const json_t *row)
{
    if (row == NULL)
        printf("%-24s %-16s %s\n", "device", "gateway", "state");
    else
        printf("%-24s %-16s %s\n", cli_text(row, "id"),
               cli_text(row, "gateway"),
               json_is_true(json_object_get(row, "revoked"))     ? "revoked"
               : json_is_true(json_object_get(row, "connected")) ? "connected"
                                                                 : "-");
}

static void gateway_print(const json_t *row)
{
    if (row == NULL)
        printf("%-24s %8s %s\n", "gateway", "devices", "state");
    else
        printf("%-24s %8lld %s\n", cli_text(row, "id"),
               cli_number(row, "devices"),
               json_is_true(json_object_get(row, "linked")) ? "linked" : "-");
}

static int admin_add(struct admin *a, const char *path)
{
    if (a->id == NULL || a->key_file == NULL) {
        cli_error(&a->client, "--id and --key-file are wanted");
        return CLI_FAILED;
    }
    json_t *key = cli_key_file(&a->client, a->key_file);
    if (key == NULL)
        return CLI_FAILED;
    json_t *body = json_pack("{s:s,s:o}", "id", a->id, "key", key);
    if (a->gateway != NULL)
        json_object_set_new(body, "gateway", json_string(a->gateway));
    int code = admin_done(a, cli_send(&a->client, "POST", path, body), "added");
    json_decref(body);
    return code;
}

static int device_import(struct admin *a)
{
    char text[64];
    char *gateway = a->gateway == NULL ? NULL : cli_escape(a->gateway);
    char *path = gateway == NULL
                     ? cli_path("/v1/devices/import")
                     : cli_path("/v1/devices/import?gateway=%s", gateway);
    json_t *answer = cli_upload(&a->client, path, a->argv[0]);
    snprintf(text, sizeof text, "%lld devices imported",
             cli_number(answer, "imported"));
    free(path);
    free(gateway);
    return admin_done(a, answer, text);
}

static int device_revoke(struct admin *a)
{
    char *id = cli_escape(a->argv[0]);
    char *path = cli_path("/v1/devices/%s/revoke", id);
    int code = admin_done(a, cli_send(&a->client, "POST", path, NULL),
                          "revoked: out of every group, keys made anew");
    free(path);
    free(id);
    return code;
}

int verb_admin_device(int argc, char **argv)
{
    struct admin a;
    const char *word;
    int code;
    admin_options(&a, argc, argv, "device");
    word = a.word;
    if (a.help || a.bad)
        code = admin_usage(&a, DEVICE_HELP);
    else if (strcmp(word, "import") == 0 && a.argc == 1)
        code = device_import(&a);
    else if (strcmp(word, "add") == 0 && a.argc == 0)
        code = admin_add(&a, "/v1/devices");
    else if (strcmp(word, "list") == 0 && a.argc == 0)
        code = admin_list(&a, "/v1/devices", "devices", device_print);
    else if (strcmp(word, "revoke") == 0 && a.argc == 1)
        code = device_revoke(&a);
    else
        code = admin_usage(&a, DEVICE_HELP);
    cli_client_clear(&a.client);
    return code;
}

int verb_admin_gateway(int argc, char **argv)
{
    struct admin a;
    const char *word;
    int code;
    admin_options(&a, argc, argv, "gateway");
    word = a.word;
    if (a.help || a.bad)
        code = admin_usage(&a, GATEWAY_HELP);
    else if (strcmp(word, "add") == 0 && a.argc == 0)
        code = admin_add(&a, "/v1/gateways");
    else if (strcmp(word, "list") == 0 && a.argc == 0)
        code = admin_list(&a, "/v1/gateways", "gateways", gateway_print);
    else
        code = admin_usage(&a, GATEWAY_HELP);
    cli_client_clear(&a.client);
    return code;
}

/* ---- groups and keys ---------------------------------------------------- */

static void group_print(const json_t *row)
{
    if (row == NULL)
        printf("%-24s %8s %8s %-12s %s\n", "group", "members", "current",
               "mode", "generation");
    else
        printf("%-24s %8lld %8lld %-12s %lld.%lld\n", cli_text(row, "name"),
               cli_number(row, "members"), cli_number(row, "current"),
               cli_text(row, "mode"), cli_number(row, "generation") >> 32,
               cli_number(row, "generation") & 0xffffffff);
}

static void member_print(const json_t *row)
{
    if (row != NULL)
        puts(json_string_value(row));
}

static void key_print(const json_t *row)
{
    if (row == NULL)
        printf("%-26s %-5s %6s %-8s %s\n", "kid", "kind", "scope", "phase",
               "holders");
    else
        printf("%-26s %-5s %6lld %-8s %lld\n", cli_text(row, "kid"),
               cli_text(row, "kind"), cli_number(row, "scope"),
               cli_text(row, "phase"), cli_number(row, "holders"));
}

/* The table of kinds that the program works by; needs no server. */
static int key_kinds(struct admin *a)
{
    json_t *rows = json_array();
    for (int kind = MU_KEY_NONE + 1; kind < MU_KEY_KIND_COUNT; kind++) {
        const struct mu_key_info *k = mu_key_info((enum mu_key_kind)kind);
        if (!a->client.json)
            printf("%-5s %2u bytes from %s\n      held by   %s\n"
                   "      delivered %s\n      lasts     %s\n",
                   k->name, k->len, k->from, k->holders, k->delivery,
                   k->lifetime);
        json_array_append_new(
            rows, json_pack("{s:s,s:i,s:i,s:s,s:s,s:s,s:s}", "kind", k->name,
                            "number", kind, "bytes", (int)k->len, "from",
                            k->from, "held_by", k->holders, "delivered",
                            k->delivery, "lasts", k->lifetime));
    }
    if (a->client.json)
        cli_print_json(rows);
    json_decref(rows);
    return CLI_ALL;
}

static int group_create(struct admin *a)
{
    json_t *body = json_pack("{s:s,s:s}", "name", a->argv[0], "mode",
                             a->mode == NULL ? "end-to-end" : a->mode);
    int code = admin_done(a, cli_send(&a->client, "POST", "/v1/groups", body),
                          "created");
    json_decref(body);
    return code;
}

static int group_add(struct admin *a, const char *path)
{
    char text[64];
    json_t *ids = json_array();
    for (int i = 1; i < a->argc; i++)
        json_array_append_new(ids, json_string(a->argv[i]));
    json_t *body = json_pack("{s:o,s:b}", "devices", ids, "all", a->all);
    json_t *answer = cli_send(&a->client, "POST", path, body);
    snprintf(text, sizeof text, "%lld members added",
             cli_number(answer, "added"));
    json_decref(body);
    return admin_done(a, answer, text);
}

static int group_remove(struct admin *a, const char *members)
{
    char *id = cli_escape(a->argv[1]);
    char *path = cli_path("%s/%s", members, id);
    int code = admin_done(a, cli_send(&a->client, "DELETE", path, NULL),
                          "removed; the key is made anew");
    free(path);
    free(id);
    return code;
}

static int group_named(struct admin *a, const char *word)
{
    char *name = cli_escape(a->argv[0]);
    char *members = cli_path("/v1/groups/%s/members", name);
    char *rotate = cli_path("/v1/groups/%s/rotate", name);
    int code = CLI_FAILED;
    if (strcmp(word, "add") == 0 && (a->argc > 1 || a->all))
        code = group_add(a, members);
    else if (strcmp(word, "remove") == 0 && a->argc == 2)
        code = group_remove(a, members);
    else if (strcmp(word, "show") == 0 && a->argc == 1)
        code = admin_list(a, members, "members", member_print);
    else if (strcmp(word, "rotate") == 0 && a->argc == 1)
        code = admin_done(a, cli_send(&a->client, "POST", rotate, NULL),
                          "the key is made anew");
    else
        code = admin_usage(a, GROUP_HELP);
    free(rotate);
    free(members);
    free(name);
    return code;
}

int verb_group(int argc, char **argv)
{
    struct admin a;
    const char *word;
    int code;
    admin_options(&a, argc, argv, "group");
    word = a.word;
    if (a.help || a.bad)
        code = admin_usage(&a, GROUP_HELP);
    else if (strcmp(word, "create") == 0 && a.argc == 1)
        code = group_create(&a);
    else if (strcmp(word, "list") == 0 && a.argc == 0)
        code = admin_list(&a, "/v1/groups", "groups", group_print);
    else if (a.argc >= 1)
        code = group_named(&a, word);
    else
        code = admin_usage(&a, GROUP_HELP);
    cli_client_clear(&a.client);
    return code;
}

int verb_key(int argc, char **argv)
{
    struct admin a;
    int code;
    admin_options(&a, argc, argv, "key");
    if (!a.help && !a.bad && strcmp(a.word, "list") == 0 && a.argc == 0)
        code = admin_list(&a, "/v1/keys", "keys", key_print);
    else if (!a.help && !a.bad && strcmp(a.word, "kinds") == 0 && a.argc == 0)
        code = key_kinds(&a);
    else
        code = admin_usage(&a, KEY_HELP);
    cli_client_clear(&a.client);
    return code;
}
