/* SPDX-License-Identifier: Apache-2.0 */
/* muster device import|add|list|revoke, gateway add|list, group ..., key list */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
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
    "       muster gateway list\n"
    "       muster gateway remove ID\n"
    "\n"
    "One with devices is not removed: revoke them first.\n"
    "`muster gateway --help` without a word tells how to run one.\n"
    CLI_OPTIONS_HELP;

static const char GROUP_HELP[] =
    "muster group - the groups of the fleet\n"
    "\n"
    "usage: muster group create G [--mode end-to-end|option-1|option-2]\n"
    "                             [--scheme S [--members-max N] ...]\n"
    "       muster group add G ID... | --all  [--cluster C | --level L]\n"
    "       muster group remove G ID\n"
    "       muster group list\n"
    "       muster group show G\n"
    "       muster group rotate G\n"
    "       muster group explain G [--leavers K]\n"
    "                                  what the next leave costs, by scheme; and\n"
    "                                  if K members leave at once\n"
    "       muster group trace G FILE  whose keys are in the memory of a clone\n"
    "\n"
    "end-to-end: gateways cannot read. option-1: the gateway re-protects under\n"
    "its area's key. option-2: it hands the group's key to its devices.\n"
    "  --scheme S          how the key changes: unicast (each member fetches\n"
    "                      it), cluster, ladder, lkh, cs, sd, or auto\n"
    "  --mbms              keys as in MBMS: each member is told an MSK in a\n"
    "                      MIKEY message, and `muster tell` reaches the group\n"
    "  --key-exchange LIST  by which a device has to have come to get its keys:\n"
    "                      of psk, rsa, rsa-r, dhsign, dhmac (any)\n"
    "  --members-max N     no more than that join\n"
    "  --clusters C        of a cluster group; --levels L of a ladder;\n"
    "                      --degree D of lkh (4)\n"
    "  --key-quorum Q      of the members, as 0.9 or 90%, must hold a new key\n"
    "                      before it is used, unless somebody left (all)\n"
    "  --key-deadline S    seconds after which it is used in any case (60)\n"
    "  --leaves-per-day N, --joins-per-day N, --sleepers PERMILLE\n"
    "                      what auto and explain reckon with\n"
    CLI_OPTIONS_HELP;

static const char SPEAKER_HELP[] =
    "muster speaker - who may say alerts to its whole area\n"
    "\n"
    "usage: muster speaker add ID      a device or a gateway\n"
    "       muster speaker remove ID   its alerts are refused from now on\n"
    "       muster speaker list\n"
    "\n"
    "It speaks with `muster device --speak` or `muster gateway --alerts`, and\n"
    "`muster alert`. Who it is is proved to each device by a directory that the\n"
    "server signs for the area.\n"
    CLI_OPTIONS_HELP;

static const char KEY_HELP[] =
    "muster key - ids of keys: kind, scope, generation, holders\n"
    "\n"
    "usage: muster key list\n"
    "       muster key kinds   what each kind is made from, who may hold it,\n"
    "                          how it gets there and how long it lasts\n"
    CLI_OPTIONS_HELP;

#define ADMIN_NUMBERS 11

struct admin {
    struct cli_client client;
    const char *id, *key_file, *gateway, *mode, *scheme;
    /* numbers of group create and add, by their names in the API */
    struct admin_number {
        const char *name, *text;
    } numbers[ADMIN_NUMBERS];
    const char *quorum, *exchange; /* of group create */
    bool all, help, bad, mbms;
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
        {"scheme", required_argument, NULL, 's'},
        {"members-max", required_argument, NULL, '0'},
        {"clusters", required_argument, NULL, '1'},
        {"levels", required_argument, NULL, '2'},
        {"degree", required_argument, NULL, '3'},
        {"key-deadline", required_argument, NULL, '4'},
        {"leaves-per-day", required_argument, NULL, '5'},
        {"joins-per-day", required_argument, NULL, '6'},
        {"sleepers", required_argument, NULL, '7'},
        {"cluster", required_argument, NULL, '8'},
        {"level", required_argument, NULL, '9'},
        {"leavers", required_argument, NULL, ':'},
        {"key-quorum", required_argument, NULL, 'q'},
        {"mbms", no_argument, NULL, 'M'},
        {"key-exchange", required_argument, NULL, 'x'},
        CLI_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    static const char *const numbers[ADMIN_NUMBERS] = {
        "members_max", "clusters", "levels", "degree", "key_deadline_s",
        "leaves_per_day", "joins_per_day", "sleepers_permille", "cluster",
        "level", "leavers"};
    int o;
    memset(a, 0, sizeof *a);
    for (int i = 0; i < ADMIN_NUMBERS; i++)
        a->numbers[i].name = numbers[i];
    cli_client_init(&a->client, verb);
    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'i': a->id = optarg; break;
        case 'k': a->key_file = optarg; break;
        case 'g': a->gateway = optarg; break;
        case 'm': a->mode = optarg; break;
        case 'a': a->all = true; break;
        case 's': a->scheme = optarg; break;
        case 'q': a->quorum = optarg; break;
        case 'M': a->mbms = true; break;
        case 'x': a->exchange = optarg; break;
        case '0': case '1': case '2': case '3': case '4':
        case '5': case '6': case '7': case '8': case '9':
        case ':': /* behind 9 */
            a->numbers[o - '0'].text = optarg;
            break;
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

/* A word of a verb, and how many more there are behind it. */
struct admin_word {
    const char *word;
    int least, most;
    int (*run)(struct admin *a);
};

/* The words end with NULL. */
static int admin_verb(int argc, char **argv, const char *verb,
                      const char *help, const struct admin_word *words)
{
    struct admin a;
    int code;
    admin_options(&a, argc, argv, verb);
    while (words->word != NULL && (strcmp(a.word, words->word) != 0 ||
                                   a.argc < words->least ||
                                   a.argc > words->most))
        words++;
    if (a.help) {
        fputs(help, stdout);
        code = CLI_ALL;
    } else if (a.bad || words->word == NULL) {
        code = cli_usage(verb);
    } else {
        code = words->run(&a);
    }
    cli_client_clear(&a.client);
    return code;
}

/* What is said to the API of the one thing that is named. */
static int admin_named(struct admin *a, const char *method, const char *above,
                       const char *below, const char *done)
{
    char *id = cli_escape(a->argv[0]);
    char *path = cli_path("%s%s%s", above, id, below);
    int code = admin_done(a, cli_send(&a->client, method, path, NULL), done);
    free(path);
    free(id);
    return code;
}

/* ---- devices and gateways ---------------------------------------------- */

static void device_print(const json_t *row)
{
    if (row == NULL)
        printf("%-24s %-16s %-9s %s\n", "device", "gateway", "state",
               "key exchange");
    else
        printf("%-24s %-16s %-9s %s\n", cli_text(row, "id"),
               cli_text(row, "gateway"),
               json_is_true(json_object_get(row, "revoked"))     ? "revoked"
               : json_is_true(json_object_get(row, "connected")) ? "connected"
                                                                 : "-",
               cli_text(row, "key_exchange"));
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
    return admin_named(a, "POST", "/v1/devices/", "/revoke",
                       "revoked: out of every group, keys made anew");
}

static int device_add(struct admin *a)
{
    return admin_add(a, "/v1/devices");
}

static int device_list(struct admin *a)
{
    return admin_list(a, "/v1/devices", "devices", device_print);
}

static int gateway_add(struct admin *a)
{
    return admin_add(a, "/v1/gateways");
}

static int gateway_remove(struct admin *a)
{
    return admin_named(a, "DELETE", "/v1/gateways/", "", "removed");
}

static int gateway_list(struct admin *a)
{
    return admin_list(a, "/v1/gateways", "gateways", gateway_print);
}

static void speaker_print(const json_t *row)
{
    if (row == NULL)
        printf("%-24s %-16s %-10s %s\n", "speaker", "gateway", "scheme", "key");
    else
        printf("%-24s %-16s %-10s %s\n", cli_text(row, "id"),
               cli_text(row, "gateway"), cli_text(row, "scheme"),
               json_is_true(json_object_get(row, "key")) ? "known" : "-");
}

static int speaker_add(struct admin *a)
{
    json_t *body = json_pack("{s:s}", "id", a->argv[0]);
    int code = admin_done(
        a, cli_send(&a->client, "POST", "/v1/speakers", body), "added");
    json_decref(body);
    return code;
}

static int speaker_remove(struct admin *a)
{
    return admin_named(a, "DELETE", "/v1/speakers/", "", "removed");
}

static int speaker_list(struct admin *a)
{
    return admin_list(a, "/v1/speakers", "speakers", speaker_print);
}

int verb_speaker(int argc, char **argv)
{
    static const struct admin_word words[] = {
        {"add", 1, 1, speaker_add},
        {"remove", 1, 1, speaker_remove},
        {"list", 0, 0, speaker_list},
        {NULL, 0, 0, NULL},
    };

    return admin_verb(argc, argv, "speaker", SPEAKER_HELP, words);
}

int verb_admin_device(int argc, char **argv)
{
    static const struct admin_word words[] = {
        {"import", 1, 1, device_import},
        {"add", 0, 0, device_add},
        {"list", 0, 0, device_list},
        {"revoke", 1, 1, device_revoke},
        {NULL, 0, 0, NULL},
    };

    return admin_verb(argc, argv, "device", DEVICE_HELP, words);
}

int verb_admin_gateway(int argc, char **argv)
{
    static const struct admin_word words[] = {
        {"add", 0, 0, gateway_add},
        {"list", 0, 0, gateway_list},
        {"remove", 1, 1, gateway_remove},
        {NULL, 0, 0, NULL},
    };

    return admin_verb(argc, argv, "gateway", GATEWAY_HELP, words);
}

/* ---- groups and keys ---------------------------------------------------- */

static void group_print(const json_t *row)
{
    if (row == NULL) {
        printf("%-24s %8s %8s %-12s %-8s %s\n", "group", "members", "current",
               "mode", "scheme", "generation");
        return;
    }
    printf("%-24s %8lld %8lld %-12s %-8s %lld.%lld", cli_text(row, "name"),
           cli_number(row, "members"), cli_number(row, "current"),
           cli_text(row, "mode"),
           json_is_true(json_object_get(row, "mikey")) ? "mbms"
                                                       : cli_text(row,
                                                                  "scheme"),
           cli_number(row, "generation") >> 32,
           cli_number(row, "generation") & 0xffffffff);
    if (cli_number(row, "dormant") != 0)
        printf(", dormant %lld.%lld", cli_number(row, "dormant") >> 32,
               cli_number(row, "dormant") & 0xffffffff);
    putchar('\n');
}

static void member_print(const json_t *row)
{
    if (row != NULL)
        puts(json_string_value(row));
}

static void key_print(const json_t *row)
{
    long long generation = cli_number(row, "generation");
    char number[32];
    snprintf(number, sizeof number, "%lld.%lld", generation >> 32,
             generation & 0xffffffff);
    if (row == NULL)
        printf("%-26s %-5s %6s %-16s %-8s %s\n", "kid", "kind", "scope",
               "generation", "phase", "holders");
    else
        printf("%-26s %-5s %6lld %-16s %-8s %lld\n", cli_text(row, "kid"),
               cli_text(row, "kind"), cli_number(row, "scope"), number,
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

/* The numbers that were given, into a body; false after having said which is
 * none. */
static bool numbers_put(struct admin *a, json_t *body)
{
    for (int i = 0; i < ADMIN_NUMBERS; i++) {
        char *end;
        const char *text = a->numbers[i].text;
        if (text == NULL)
            continue;
        long long n = strtoll(text, &end, 10);
        if (end == text || *end != 0 || n < 0) {
            cli_error(&a->client, "%s: '%s' is not a number",
                      a->numbers[i].name, text);
            return false;
        }
        json_object_set_new(body, a->numbers[i].name, json_integer(n));
    }
    return true;
}

/* "0.9", "90%", "1" of the members, in thousandths. */
static bool quorum_put(struct admin *a, json_t *body)
{
    char *end;
    if (a->quorum == NULL)
        return true;
    double q = strtod(a->quorum, &end);
    if (end != a->quorum && *end == '%') {
        q /= 100;
        end++;
    }
    if (end == a->quorum || *end != 0 || !(q > 0 && q <= 1)) {
        cli_error(&a->client, "--key-quorum: '%s' is not like 0.9 or 90%%",
                  a->quorum);
        return false;
    }
    json_object_set_new(body, "key_quorum_permille",
                        json_integer((json_int_t)(q * 1000 + 0.5)));
    return true;
}

static int group_create(struct admin *a)
{
    json_t *body = json_pack("{s:s,s:s}", "name", a->argv[0], "mode",
                             a->mode == NULL ? "end-to-end" : a->mode);
    if (a->scheme != NULL)
        json_object_set_new(body, "scheme", json_string(a->scheme));
    if (a->mbms)
        json_object_set_new(body, "mikey", json_true());
    if (a->exchange != NULL)
        json_object_set_new(body, "key_exchange", json_string(a->exchange));
    if (!numbers_put(a, body) || !quorum_put(a, body)) {
        json_decref(body);
        return CLI_FAILED;
    }
    int code = admin_done(a, cli_send(&a->client, "POST", "/v1/groups", body),
                          "created");
    json_decref(body);
    return code;
}

/* What is below the group that is named; to be freed. */
static char *group_path(const struct admin *a, const char *below)
{
    char *name = cli_escape(a->argv[0]);
    char *path = cli_path("/v1/groups/%s/%s", name, below);
    free(name);
    return path;
}

static int group_add(struct admin *a)
{
    char text[64];
    if (a->argc == 1 && !a->all)
        return cli_usage(a->client.verb);
    json_t *ids = json_array();
    for (int i = 1; i < a->argc; i++)
        json_array_append_new(ids, json_string(a->argv[i]));
    json_t *body = json_pack("{s:o,s:b}", "devices", ids, "all", a->all);
    if (!numbers_put(a, body)) {
        json_decref(body);
        return CLI_FAILED;
    }
    char *path = group_path(a, "members");
    json_t *answer = cli_send(&a->client, "POST", path, body);
    snprintf(text, sizeof text, "%lld members added",
             cli_number(answer, "added"));
    free(path);
    json_decref(body);
    return admin_done(a, answer, text);
}

static int group_remove(struct admin *a)
{
    char *id = cli_escape(a->argv[1]);
    char *members = group_path(a, "members");
    char *path = cli_path("%s/%s", members, id);
    int code = admin_done(a, cli_send(&a->client, "DELETE", path, NULL),
                          "removed; the key is made anew");
    free(path);
    free(members);
    free(id);
    return code;
}

/* The campaign that brought its newest key. */
static void group_rekey_print(struct admin *a)
{
    size_t i;
    json_t *row, *last = NULL;
    json_t *rows = admin_rows(a, "/v1/campaigns", "campaigns");
    json_array_foreach(rows, i, row)
        if (strcmp(cli_text(row, "what"), "key") == 0 &&
            strcmp(cli_text(row, "group"), a->argv[0]) == 0)
            last = row;
    if (last != NULL)
        printf("rekey  %s: %s, %lld of %lld said so, %lld messages for all\n",
               cli_text(last, "id"), cli_text(last, "phase"),
               cli_number(last, "running"),
               cli_number(last, "members") - cli_number(last, "revoked"),
               cli_number(last, "parts"));
    json_decref(rows);
}

/* How its key changes, then its members. */
static int group_show(struct admin *a)
{
    size_t i;
    int code;
    json_t *row, *found = NULL;
    if (!a->client.json) {
        json_t *rows = admin_rows(a, "/v1/groups", "groups");
        if (rows == NULL)
            return CLI_FAILED;
        json_array_foreach(rows, i, row)
            if (strcmp(cli_text(row, "name"), a->argv[0]) == 0)
                found = row;
        if (found != NULL && cli_number(found, "base") != 0) {
            printf("scheme %s%s%s%s; %lld members, %lld gone since its trees "
                   "were made (%lld.%lld)\n",
                   cli_text(found, "scheme"),
                   json_is_true(json_object_get(found, "auto")) ? " (auto: "
                                                                : "",
                   cli_text(found, "reason"),
                   json_is_true(json_object_get(found, "auto")) ? ")" : "",
                   cli_number(found, "members"), cli_number(found, "gone"),
                   cli_number(found, "base") >> 32,
                   cli_number(found, "base") & 0xffffffff);
            printf("key    %lld.%lld active, %lld of %lld have the newest\n",
                   cli_number(found, "generation") >> 32,
                   cli_number(found, "generation") & 0xffffffff,
                   cli_number(found, "current"), cli_number(found, "members"));
            if (cli_number(found, "dormant") != 0)
                printf("       %lld.%lld dormant\n",
                       cli_number(found, "dormant") >> 32,
                       cli_number(found, "dormant") & 0xffffffff);
            group_rekey_print(a);
        }
        json_decref(rows);
    }
    char *members = group_path(a, "members");
    code = admin_list(a, members, "members", member_print);
    free(members);
    return code;
}

static void leave_print(const char *what, const json_t *c)
{
    printf("  %-22s %6lld wraps, %8lld bytes in %lld part%s, %lld told each%s%s\n",
           what, cli_number(c, "wraps"), cli_number(c, "bytes"),
           cli_number(c, "parts"), cli_number(c, "parts") == 1 ? "" : "s",
           cli_number(c, "personal"), *cli_text(c, "id") != '\0' ? ": " : "",
           cli_text(c, "id"));
}

/* What the group's own trees say. */
static void trees_print(const json_t *t)
{
    const json_t *mean = json_object_get(t, "mean");
    const json_t *batch = json_object_get(t, "batch");
    char what[48];
    printf("\nexactly, from the trees of this group (%lld members):\n",
           cli_number(t, "members"));
    leave_print("the cheapest leaves", json_object_get(t, "least"));
    leave_print("the dearest leaves", json_object_get(t, "most"));
    printf("  %-22s %6.2f wraps, %8.1f bytes, %.1f told each%s\n",
           "mean of all", json_number_value(json_object_get(mean, "wraps")),
           json_number_value(json_object_get(mean, "bytes")),
           json_number_value(json_object_get(mean, "personal")),
           json_is_true(json_object_get(t, "sampled"))
               ? " (of some of the clusters)" : "");
    if (batch != NULL) {
        snprintf(what, sizeof what, "%lld leave at once",
                 cli_number(batch, "leavers"));
        leave_print(what, batch);
    }
    printf("  who is told each fetches %lld bytes\n",
           cli_number(t, "state_bytes"));
    if (cli_number(t, "waiting") != 0)
        printf("  %lld changes that wait for their key are not in these\n",
               cli_number(t, "waiting"));
    if (json_is_true(json_object_get(t, "rebuild")))
        puts("  but the next departure makes new trees: every member fetches");
}

static void explain_print(const json_t *e)
{
    size_t i;
    json_t *c;
    const json_t *f = json_object_get(e, "facts");
    printf("%lld members, %lld gone; %lld leaves and %lld joins a day, "
           "%lld of 1000 asleep; %lld bytes in a device\n\n",
           cli_number(f, "members"), cli_number(f, "gone"),
           cli_number(f, "leaves_per_day"), cli_number(f, "joins_per_day"),
           cli_number(f, "sleepers_permille"), cli_number(f, "device_bytes"));
    printf("%-9s %12s %7s %9s %14s %7s %14s\n", "", "to all", "wraps",
           "told each", "to each, sum", "device", "bytes a day");
    json_array_foreach(json_object_get(e, "schemes"), i, c)
        printf("%-9s %12lld %7lld %9lld %14lld %7lld %14lld  %s%s%s\n",
               cli_text(c, "scheme"), cli_number(c, "multicast_bytes"),
               cli_number(c, "wraps"), cli_number(c, "personal"),
               cli_number(c, "personal_bytes"), cli_number(c, "device_bytes"),
               cli_number(c, "day_bytes"),
               json_is_true(json_object_get(c, "exact")) ? "its trees"
                                                         : "formula",
               json_is_true(json_object_get(c, "fits"))
                   ? "" : "; does not fit the devices",
               strcmp(cli_text(c, "scheme"), cli_text(e, "in_use")) == 0
                   ? "  <- in use" : "");
    if (json_object_get(e, "trees") != NULL)
        trees_print(json_object_get(e, "trees"));
    printf("\nauto takes %s: %s\n", cli_text(e, "auto"),
           cli_text(e, "reason"));
}

static int group_explain(struct admin *a)
{
    const char *leavers = a->numbers[ADMIN_NUMBERS - 1].text;
    char *explain = group_path(a, "explain");
    char *path = leavers == NULL ? strdup(explain)
                                 : cli_path("%s?leavers=%s", explain, leavers);
    json_t *answer = cli_get(&a->client, path);
    free(path);
    free(explain);
    if (answer == NULL)
        return CLI_FAILED;
    if (a->client.json)
        cli_print_json(answer);
    else
        explain_print(answer);
    json_decref(answer);
    return CLI_ALL;
}

static void trace_print(const json_t *answer)
{
    size_t i, k;
    json_t *hit, *device;
    if (json_array_size(json_object_get(answer, "hits")) == 0)
        puts("no key of this group is in it");
    json_array_foreach(json_object_get(answer, "hits"), i, hit) {
        printf(cli_number(hit, "places") == 1
                   ? "the keys of one device, place %lld:\n"
                   : "keys of at least one device of a part of the tree, from "
                     "place %lld on:\n",
               cli_number(hit, "slot"));
        if (!json_is_true(json_object_get(hit, "present")))
            printf("  of earlier trees, generation %lld until %lld\n",
                   cli_number(hit, "base"), cli_number(hit, "until"));
        json_array_foreach(json_object_get(hit, "devices"), k, device)
            printf("  %s%s\n", cli_text(device, "id"),
                   json_is_true(json_object_get(device, "left"))
                       ? " (left)" : "");
        if (k == 0)
            puts("  nobody is in this place");
    }
}

static int group_trace(struct admin *a)
{
    char *path = group_path(a, "trace");
    json_t *answer = cli_upload(&a->client, path, a->argv[1]);
    free(path);
    if (answer == NULL)
        return CLI_FAILED;
    if (a->client.json)
        cli_print_json(answer);
    else
        trace_print(answer);
    json_decref(answer);
    return CLI_ALL;
}

static int group_rotate(struct admin *a)
{
    return admin_named(a, "POST", "/v1/groups/", "/rotate",
                       "the key is made anew");
}

static int group_list(struct admin *a)
{
    return admin_list(a, "/v1/groups", "groups", group_print);
}

int verb_group(int argc, char **argv)
{
    static const struct admin_word words[] = {
        {"create", 1, 1, group_create},
        {"list", 0, 0, group_list},
        {"add", 1, INT_MAX, group_add},
        {"remove", 2, 2, group_remove},
        {"show", 1, 1, group_show},
        {"explain", 1, 1, group_explain},
        {"trace", 2, 2, group_trace},
        {"rotate", 1, 1, group_rotate},
        {NULL, 0, 0, NULL},
    };

    return admin_verb(argc, argv, "group", GROUP_HELP, words);
}

static int key_list(struct admin *a)
{
    return admin_list(a, "/v1/keys", "keys", key_print);
}

int verb_key(int argc, char **argv)
{
    static const struct admin_word words[] = {
        {"list", 0, 0, key_list},
        {"kinds", 0, 0, key_kinds},
        {NULL, 0, 0, NULL},
    };

    return admin_verb(argc, argv, "key", KEY_HELP, words);
}
