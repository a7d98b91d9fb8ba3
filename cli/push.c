/* SPDX-License-Identifier: Apache-2.0 */
/* muster push, watch, report, pause, resume, cancel: campaigns. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/explain.h"

static const char PUSH_HELP[] =
    "muster push - one file to every device of a group\n"
    "\n"
    "usage: muster push FILE --group G [options]\n"
    "  --group G          the group (required)\n"
    "  --name NAME        what the file is to the device (firmware)\n"
    "  --version V        like 1.2.3; devices refuse one that is not higher\n"
    "                     than what they run (next after the last push)\n"
    "  --allow-downgrade  let them take it all the same\n"
    "  --quorum PERCENT   of the members, for success at the deadline (100)\n"
    "  --deadline T       30s, 15m, 12h, 7d (1d)\n"
    "  --payload BYTES --page K --parity M --hash BYTES\n"
    "                     the shape of packets and pages (the server's)\n"
    "  --loss PERCENT --receivers N     of the worst area (5, 100): how much\n"
    "                     parity is planned, unless --parity says so (the server's)\n"
    "  --acks ride|now    how devices say that they run it: with the keep-alive of\n"
    "                     their link, which costs a few bytes and takes as long as\n"
    "                     it is away, or each at once by itself (ride for more\n"
    "                     than 64 members)\n"
    "  --keep-key-on-revoke  do not encrypt anew when a member is revoked\n"
    "  --no-wait          do not watch it to its end\n"
    "  --explain          send nothing: say what it would cost in one area, and\n"
    "                     what each byte buys. Payload and hashes are 1024 and 8\n"
    "                     unless given, pages and parity what suits them; and with\n"
    "  --overhead BYTES --rate BYTES    (46, 0: unknown)\n" CLI_OPTIONS_HELP
    "\nexit code: 0 every member runs it, 2 the quorum does, 1 failed\n";

#define SILENT_MAX 60 /* seconds without an answer before watching ends */
#define WATCH_MS_MIN 20   /* between questions, */
#define WATCH_MS_MAX 1000
#define WATCH_SHARE 40    /* and so much of the time that it has taken */

static void nap(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What is over soon is asked for often. */
static long watch_ms(long long so_far)
{
    long long ms = so_far / WATCH_SHARE;

    if (ms < WATCH_MS_MIN)
        return WATCH_MS_MIN;
    return ms < WATCH_MS_MAX ? (long)ms : WATCH_MS_MAX;
}

/* ---- progress ---------------------------------------------------------- */

static bool campaign_ended(const json_t *c)
{
    const char *phase = cli_text(c, "phase");
    return strcmp(phase, "done") == 0 || strcmp(phase, "quorum") == 0 ||
           strcmp(phase, "failed") == 0 || strcmp(phase, "cancelled") == 0;
}

static int campaign_exit(const json_t *c)
{
    const char *phase = cli_text(c, "phase");
    if (strcmp(phase, "done") == 0)
        return CLI_ALL;
    return strcmp(phase, "quorum") == 0 ? CLI_QUORUM : CLI_FAILED;
}

static void bar(char *out, size_t width, long long part, long long whole)
{
    size_t full = whole <= 0 ? 0
                             : (size_t)((long long)width * part / whole);
    for (size_t i = 0; i < width; i++)
        out[i] = i < full ? '#' : '.';
    out[width] = 0;
}

static long long areas_sum(const json_t *v, const char *name)
{
    long long sum = 0;
    size_t i;
    json_t *area;
    json_array_foreach(json_object_get(v, "areas"), i, area)
        sum += cli_number(area, name);
    return sum;
}

static void progress_show(const struct cli_client *c, const json_t *v,
                          char *last, size_t last_cap)
{
    char cells[31], line[256], eta[32] = "", asleep[32] = "";
    long long sleepers = areas_sum(v, "asleep");
    long long members = cli_number(v, "members") - cli_number(v, "revoked");
    const char *acks = json_is_true(json_object_get(v, "acks_ride"))
                           ? ", acknowledged with keep-alives" : "";
    if (json_is_integer(json_object_get(v, "eta_s")))
        snprintf(eta, sizeof eta, ", %lld s to go", cli_number(v, "eta_s"));
    if (sleepers > 0)
        snprintf(asleep, sizeof asleep, ", %lld asleep", sleepers);
    bar(cells, 30, cli_number(v, "running"), members);
    snprintf(line, sizeof line,
             "[%s] %lld/%lld running, %lld verified, %lld failed, page "
             "%lld/%lld, %s%s%s%s",
             cells, cli_number(v, "running"), members,
             cli_number(v, "verified"), cli_number(v, "failed"),
             cli_number(v, "page"), cli_number(v, "pages"),
             cli_text(v, "phase"), eta, asleep,
             campaign_ended(v) ? "" : acks);
    if (strcmp(line, last) == 0)
        return;
    snprintf(last, last_cap, "%s", line);
    if (c->bars)
        fprintf(stderr, "\r%s\033[K", line);
    else
        fprintf(stderr, "%s\n", line);
}

/* Until it ends; the last view, or NULL. */
static json_t *campaign_watch(struct cli_client *c, const char *id)
{
    char last[256] = "";
    char *path = cli_path("/v1/campaigns/%s", id);
    json_t *v = NULL;
    long long began = now_ms();

    for (int silent = 0; silent < SILENT_MAX;) {
        json_decref(v);
        v = cli_get(c, path);
        if (v != NULL) {
            silent = 0;
            c->quiet = false;
            progress_show(c, v, last, sizeof last);
            if (campaign_ended(v))
                break;
        } else if (c->status != 0) {
            break; /* it has said why */
        } else {
            silent++; /* it may be restarting: said once */
            c->quiet = true;
        }
        nap(v == NULL ? WATCH_MS_MAX : watch_ms(now_ms() - began));
    }
    if (c->quiet && v == NULL)
        cli_error(c, "no answer for %d s, the campaign goes on without being "
                     "watched", SILENT_MAX);
    c->quiet = false;
    if (c->bars)
        fputc('\n', stderr);
    free(path);
    return v;
}

/* ---- the report -------------------------------------------------------- */

static void target_add(json_t *missing, json_t *later, const json_t *t)
{
    size_t i;
    json_t *state;
    bool running = false;
    json_array_foreach(json_object_get(t, "states"), i, state)
        running = running || strcmp(json_string_value(state), "running") == 0;
    if (json_is_true(json_object_get(t, "later")))
        json_array_append(later, json_object_get(t, "id"));
    else if (!running && !json_is_true(json_object_get(t, "revoked")))
        json_array_append(missing, json_object_get(t, "id"));
}

static json_t *targets_all(struct cli_client *c, const char *id)
{
    json_t *all = json_array();
    char *after = strdup("");
    for (;;) {
        char *path = cli_path("/v1/campaigns/%s/targets?after=%s", id, after);
        json_t *page = cli_get(c, path);
        free(path);
        free(after);
        after = NULL;
        if (page == NULL) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, json_object_get(page, "targets"));
        const char *next = json_string_value(json_object_get(page, "next"));
        if (next != NULL)
            after = cli_escape(next);
        json_decref(page);
        if (after == NULL)
            return all;
    }
}

static void report_targets(const json_t *targets)
{
    size_t i, j;
    json_t *t, *state;
    json_array_foreach(targets, i, t) {
        const char *last =
            json_is_true(json_object_get(t, "later"))
                ? "came when it was over: does not have it"
            : json_is_true(json_object_get(t, "never_connected"))
                ? "nothing heard: has never connected"
                : "nothing heard";
        json_array_foreach(json_object_get(t, "states"), j, state)
            last = json_string_value(state);
        printf("  %-24s %s%s%s%s%s\n", cli_text(t, "id"), last,
               *cli_text(t, "reason") != 0 ? ": " : "", cli_text(t, "reason"),
               json_is_true(json_object_get(t, "revoked")) ? " (revoked)" : "",
               json_is_true(json_object_get(t, "lied"))
                   ? " (acknowledged falsely)" : "");
    }
}

static void report_names(const char *label, const json_t *names)
{
    size_t i;
    fputs(label, stdout);
    for (i = 0; i < json_array_size(names); i++)
        printf(" %s", json_string_value(json_array_get(names, i)));
    puts(i == 0 ? " none" : "");
}

/* Those who do not have it, and what brings it to them. */
static void report_lacking(const json_t *v, const json_t *missing,
                           const json_t *later)
{
    report_names("missing   ", missing);
    if (json_array_size(later) > 0)
        report_names("came later", later);
    if (!campaign_ended(v) || strcmp(cli_text(v, "what"), "object") != 0 ||
        strcmp(cli_text(v, "phase"), "cancelled") == 0 ||
        json_array_size(missing) + json_array_size(later) == 0)
        return;
    printf("to do      the campaign is over, nobody sends it to them any more. "
           "Push it again:\n"
           "           muster push FILE --group %s --name %s --version %s\n"
           "           (the same file; who runs it takes nothing)\n",
           cli_text(v, "group"), cli_text(v, "name"), cli_text(v, "version"));
}

static void report_text(const json_t *v, const json_t *targets,
                        const json_t *missing, const json_t *later)
{
    const json_t *wide = json_object_get(v, "wide");
    printf("campaign   %s (number %lld): %s\n", cli_text(v, "id"),
           cli_number(v, "number"), cli_text(v, "phase"));
    if (strcmp(cli_text(v, "what"), "key") == 0)
        printf("key        %s, in %lld messages for all\n",
               cli_text(v, "version"), cli_number(v, "parts"));
    else
        printf("object     %s %s, %lld bytes, SHA-256 %s\n",
               cli_text(v, "name"), cli_text(v, "version"),
               cli_number(v, "size"), cli_text(v, "digest"));
    printf("group      %s: %lld members, %lld revoked on the way\n",
           cli_text(v, "group"), cli_number(v, "members"),
           cli_number(v, "revoked"));
    printf("states     %lld received, %lld verified, %lld installed, %lld "
           "running, %lld failed\n",
           cli_number(v, "received"), cli_number(v, "verified"),
           cli_number(v, "installed"), cli_number(v, "running"),
           cli_number(v, "failed"));
    if (cli_number(v, "late") > 0)
        printf("late       %lld came while it was on the air: their turn is "
               "after the others, in %lld s at the latest\n",
               cli_number(v, "late"),
               cli_number(v, "late_by_s") - cli_number(v, "elapsed_s"));
    if (json_is_integer(json_object_get(v, "eta_s")))
        printf("to go      %lld s, as it looks\n", cli_number(v, "eta_s"));
    printf("wide area  %lld data, %lld parity, %lld repair packets (%lld to one "
           "gateway), %lld bytes\n",
           cli_number(wide, "data"), cli_number(wide, "parity"),
           cli_number(wide, "repair"), cli_number(wide, "alone"),
           cli_number(wide, "bytes"));
    size_t i;
    json_t *area;
    json_array_foreach(json_object_get(v, "areas"), i, area)
        printf("area       %-16s %lld data, %lld parity, %lld repair packets "
               "(%lld to one device), %lld bytes on its medium, %lld forged refused\n",
               cli_text(area, "gateway"), cli_number(area, "data"),
               cli_number(area, "parity"), cli_number(area, "repair"),
               cli_number(area, "alone"),
               cli_number(area, "bytes"), cli_number(area, "rejected"));
    json_array_foreach(json_object_get(v, "areas"), i, area)
        if (cli_number(area, "asleep") > 0 && !campaign_ended(v))
            printf("asleep     %-16s %lld that miss it; one listens within "
                   "%lld s\n",
                   cli_text(area, "gateway"), cli_number(area, "asleep"),
                   cli_number(area, "within_s"));
    if (cli_number(v, "reports_refused") > 0)
        printf("refused    %lld acknowledgements that did not verify\n",
               cli_number(v, "reports_refused"));
    puts("devices");
    report_targets(targets);
    report_lacking(v, missing, later);
}

static int report_print(struct cli_client *c, json_t *v)
{
    json_t *t, *targets = targets_all(c, cli_text(v, "id"));
    size_t i;
    if (targets == NULL)
        return CLI_FAILED;
    json_t *missing = json_array(), *later = json_array();
    json_array_foreach(targets, i, t)
        target_add(missing, later, t);
    json_object_set(v, "missing", missing);
    json_object_set(v, "later", later);
    json_object_set(v, "targets", targets);
    if (c->json)
        cli_print_json(v);
    else
        report_text(v, targets, missing, later);
    json_decref(missing);
    json_decref(later);
    json_decref(targets);
    return campaign_exit(v);
}

/* ---- push -------------------------------------------------------------- */

static long long seconds_parse(const char *text)
{
    char *end;
    long long v = strtoll(text, &end, 10);
    if (end == text || v <= 0)
        return -1;
    switch (*end) {
    case 0:
    case 's': break;
    case 'm': v *= 60; break;
    case 'h': v *= 3600; break;
    case 'd': v *= 86400; break;
    default: return -1;
    }
    if (*end != 0 && end[1] != 0)
        return -1;
    return v > 315360000 ? -1 : v;
}

struct push_args {
    struct cli_client client;
    char *query;
    bool group, wait, bad, help, explain, acks;
    struct explain_conf cost;
};

static void query_add(struct push_args *a, const char *name, const char *value)
{
    char *escaped = cli_escape(value);
    char *query = cli_path("%s%c%s=%s", a->query, *a->query == 0 ? '?' : '&',
                           name, escaped);
    free(escaped);
    free(a->query);
    a->query = query;
}

/* A number of --explain; scaled, and 0 when it is none. */
static uint32_t push_cost(struct push_args *a, const char *name, double max,
                          double scale)
{
    char *end;
    double v = strtod(optarg, &end);
    if (*optarg != 0 && *end == 0 && v >= 0 && v <= max)
        return (uint32_t)(v * scale + 0.5);
    cli_error(&a->client, "--%s: '%s' is not a number from 0 to %g", name,
              optarg, max);
    a->bad = true;
    return 0;
}

static double push_number(struct push_args *a, const char *name, double max,
                          double scale)
{
    char *end, text[32];
    double v = strtod(optarg, &end);
    if (*optarg == 0 || *end != 0 || !(v >= 0) || v > max) {
        cli_error(&a->client, "--%s: '%s' is not a number from 0 to %g", name,
                  optarg, max);
        a->bad = true;
        return 0;
    }
    snprintf(text, sizeof text, "%.0f", v * scale);
    query_add(a, name, text);
    return v;
}

static void push_deadline(struct push_args *a)
{
    char text[32];
    long long seconds = seconds_parse(optarg);
    if (seconds < 0) {
        cli_error(&a->client, "--deadline: '%s' is not like 30s, 15m, 12h, 7d "
                              "(ten years at most)", optarg);
        a->bad = true;
        return;
    }
    snprintf(text, sizeof text, "%lld", seconds);
    query_add(a, "deadline_s", text);
}

static void push_add(struct push_args *a, const char *name, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof text, "%" PRIu32, value);
    query_add(a, name, text);
}

/* What suits packets of that size in such an area. */
static void push_suit(struct mu_cast_shape *s, const struct explain_conf *c)
{
    bool radio = s->payload <= 104;

    if (s->payload < MU_PAYLOAD_MIN || s->payload > MU_PACKET_MAX)
        return; /* refused later */
    if (s->page_data == 0)
        s->page_data = radio ? mu_cast_page_data_max(s->payload) : 255;
    if (s->page_parity == UINT16_MAX)
        s->page_parity = mu_cast_parity(s->page_data, c->receivers,
                                        c->loss_permille);
}

static void push_acks(struct push_args *a)
{
    a->cost.acks_now = strcmp(optarg, "now") == 0;
    if (!a->cost.acks_now && strcmp(optarg, "ride") != 0) {
        cli_error(&a->client, "--acks: '%s' is neither ride nor now", optarg);
        a->bad = true;
        return;
    }
    a->acks = true;
    query_add(a, "acks_ride", a->cost.acks_now ? "false" : "true");
}

static void push_option(struct push_args *a, int o)
{
    switch (o) {
    case 'g':
        a->group = true;
        query_add(a, "group", optarg);
        break;
    case 'n': query_add(a, "name", optarg); break;
    case 'v': query_add(a, "version", optarg); break;
    case 'd': query_add(a, "downgrade", "true"); break;
    case 'q': (void)push_number(a, "quorum_permille", 100, 10); break;
    case 't': push_deadline(a); break;
    case 'p':
        a->cost.shape.payload = (uint16_t)push_number(a, "payload", 1472, 1);
        break;
    case 'k':
        a->cost.shape.page_data = (uint16_t)push_number(
            a, "page_data", MU_PAGE_DATA_MAX, 1);
        break;
    case 'm':
        a->cost.shape.page_parity =
            (uint16_t)push_number(a, "page_parity", MU_PAGE_PARITY_MAX, 1);
        break;
    case 'h':
        a->cost.shape.hash_len = (uint8_t)push_number(a, "hash_len", 32, 1);
        break;
    case 'a': push_acks(a); break;
    case 'x': a->explain = true; break;
    case 'R':
        a->cost.receivers = push_cost(a, "receivers", 4096, 1);
        push_add(a, "receivers", a->cost.receivers);
        break;
    case 'L':
        a->cost.loss_permille = push_cost(a, "loss", 90, 10);
        push_add(a, "loss_permille", a->cost.loss_permille);
        break;
    case 'O': a->cost.overhead = push_cost(a, "overhead", 1000, 1); break;
    case 'B': a->cost.rate = push_cost(a, "rate", 4e9, 1); break;
    case 'r': query_add(a, "rekey_on_revoke", "false"); break;
    case 'w': a->wait = false; break;
    case 'H': a->help = true; break;
    default:
        if (!cli_client_option(&a->client, o, optarg))
            a->bad = true;
        break;
    }
}

static void push_options(struct push_args *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"group", required_argument, NULL, 'g'},
        {"name", required_argument, NULL, 'n'},
        {"version", required_argument, NULL, 'v'},
        {"allow-downgrade", no_argument, NULL, 'd'},
        {"quorum", required_argument, NULL, 'q'},
        {"deadline", required_argument, NULL, 't'},
        {"payload", required_argument, NULL, 'p'},
        {"page", required_argument, NULL, 'k'},
        {"parity", required_argument, NULL, 'm'},
        {"hash", required_argument, NULL, 'h'},
        {"keep-key-on-revoke", no_argument, NULL, 'r'},
        {"no-wait", no_argument, NULL, 'w'},
        {"acks", required_argument, NULL, 'a'},
        {"explain", no_argument, NULL, 'x'},
        {"receivers", required_argument, NULL, 'R'},
        {"loss", required_argument, NULL, 'L'},
        {"overhead", required_argument, NULL, 'O'},
        {"rate", required_argument, NULL, 'B'},
        CLI_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    int o;
    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
        push_option(a, o);
}

static int push_run(struct push_args *a, const char *file)
{
    char *path = cli_path("/v1/campaigns%s", a->query);
    json_t *made = cli_upload(&a->client, path, file);
    free(path);
    if (made == NULL)
        return CLI_FAILED;
    int code = CLI_ALL;
    if (!a->wait) {
        if (a->client.json)
            cli_print_json(made);
        else
            printf("campaign %s, version %s\n", cli_text(made, "id"),
                   cli_text(made, "version"));
    } else {
        if (!a->client.json)
            fprintf(stderr, "campaign %s, version %s\n", cli_text(made, "id"),
                    cli_text(made, "version"));
        json_t *v = campaign_watch(&a->client, cli_text(made, "id"));
        code = v == NULL ? CLI_FAILED : report_print(&a->client, v);
        json_decref(v);
    }
    json_decref(made);
    return code;
}

int verb_push(int argc, char **argv)
{
    struct push_args a = {
        .wait = true,
        .query = strdup(""),
        .cost = {.shape = {1024, 0, UINT16_MAX, 8}, .receivers = 100,
                 .loss_permille = 50, .overhead = 46},
    };
    int code = CLI_FAILED;
    cli_client_init(&a.client, "push");
    push_options(&a, argc, argv);
    if (a.help) {
        fputs(PUSH_HELP, stdout);
        code = CLI_ALL;
    } else if (a.explain && !a.bad && argc - optind == 1) {
        a.cost.json = a.client.json;
        if (!a.acks)
            a.cost.acks_now = a.cost.receivers <= MU_ACK_RIDE_OVER;
        push_suit(&a.cost.shape, &a.cost);
        code = cli_explain(&a.cost, argv[optind]) == 0 ? CLI_ALL : CLI_FAILED;
    } else if (a.bad || argc - optind != 1 || !a.group) {
        if (!a.bad)
            cli_error(&a.client, argc - optind != 1 ? "name one file"
                                                    : "--group is missing");
        cli_usage("push");
    } else {
        code = push_run(&a, argv[optind]);
    }
    free(a.query);
    cli_client_clear(&a.client);
    return code;
}

/* ---- tell -------------------------------------------------------------- */

static const char TELL_HELP[] =
    "muster tell - a short command to every device of a group\n"
    "\n"
    "usage: muster tell TEXT --group G [options]\n"
    "       muster tell --file FILE --group G [options]\n"
    "The group was created with --mbms; each device runs its --command-hook\n"
    "on the command, at most once, and says what came of it.\n"
    "  --group G          the group (required)\n"
    "  --file FILE        with the command, 900 bytes at most\n"
    "  --ttl T            30s, 15m, 12h: who has not run it then, has not (5m)\n"
    "  --quorum PERCENT   of the members, for success at that time (100)\n"
    "  --no-wait          do not watch it to its end\n" CLI_OPTIONS_HELP
    "\nexit code: 0 every member has run it, 2 the quorum has, 1 failed\n";

struct tell_args {
    struct push_args push;
    const char *group, *file;
};

static void tell_options(struct tell_args *t, int argc, char **argv)
{
    static const struct option options[] = {
        {"group", required_argument, NULL, 'g'},
        {"file", required_argument, NULL, 'f'},
        {"ttl", required_argument, NULL, 't'},
        {"quorum", required_argument, NULL, 'q'},
        {"no-wait", no_argument, NULL, 'w'},
        CLI_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    int o;
    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'g')
            t->group = optarg;
        else if (o == 'f')
            t->file = optarg;
        else
            push_option(&t->push, o);
    }
}

/* The text as a file that cli_upload can open. */
static json_t *tell_send(struct tell_args *t, const char *text,
                         const char *path)
{
    char name[32];
    json_t *made = NULL;
    int fd;
    if (t->file != NULL)
        return cli_upload(&t->push.client, path, t->file);
    fd = memfd_create("command", MFD_CLOEXEC);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        cli_error(&t->push.client, "the command cannot be put into memory");
    else
        made = cli_upload(&t->push.client, path, name);
    if (fd >= 0)
        close(fd);
    return made;
}

static int tell_run(struct tell_args *t, const char *text)
{
    struct cli_client *c = &t->push.client;
    char *group = cli_escape(t->group);
    char *path = cli_path("/v1/groups/%s/tell%s", group, t->push.query);
    json_t *made = tell_send(t, text, path);
    int code = CLI_ALL;
    free(path);
    free(group);
    if (made == NULL)
        return CLI_FAILED;
    if (t->push.wait) {
        json_t *v = campaign_watch(c, cli_text(made, "id"));
        code = v == NULL ? CLI_FAILED : report_print(c, v);
        json_decref(v);
    } else if (c->json) {
        cli_print_json(made);
    } else {
        printf("command %s\n", cli_text(made, "id"));
    }
    json_decref(made);
    return code;
}

int verb_tell(int argc, char **argv)
{
    struct tell_args t = {.push = {.wait = true, .query = strdup("")}};
    struct cli_client *c = &t.push.client;
    int code = CLI_FAILED;
    cli_client_init(c, "tell");
    tell_options(&t, argc, argv);
    if (t.push.help) {
        fputs(TELL_HELP, stdout);
        code = CLI_ALL;
    } else if (t.push.bad || t.group == NULL ||
               argc - optind != (t.file == NULL ? 1 : 0)) {
        if (!t.push.bad)
            cli_error(c, t.group == NULL ? "--group is missing"
                                         : "one TEXT, or --file");
        cli_usage("tell");
    } else {
        code = tell_run(&t, t.file == NULL ? argv[optind] : "");
    }
    free(t.push.query);
    cli_client_clear(c);
    return code;
}

/* ---- the verbs on one campaign ----------------------------------------- */

/* The newest campaign, when none is named; to be freed, NULL when none. */
static char *campaign_newest(struct cli_client *c)
{
    long long after = 0;
    char *id = NULL;
    for (;;) {
        char *path = cli_path("/v1/campaigns?after=%lld&limit=1000", after);
        json_t *page = cli_get(c, path);
        free(path);
        json_t *rows = json_object_get(page, "campaigns");
        size_t n = json_array_size(rows);
        if (n > 0) {
            free(id);
            id = strdup(cli_text(json_array_get(rows, n - 1), "id"));
        }
        json_t *next = json_object_get(page, "next");
        bool more = json_is_integer(next);
        after = json_integer_value(next);
        json_decref(page);
        if (!more)
            break;
    }
    if (id == NULL)
        cli_error(c, "there is no campaign yet");
    return id;
}

typedef int campaign_action(struct cli_client *c, const char *id);

static int campaign_verb(int argc, char **argv, const char *verb,
                         const char *what, bool newest,
                         campaign_action *action)
{
    static const struct option options[] = {CLI_OPTIONS, {NULL, 0, NULL, 0}};
    struct cli_client c;
    int o, code = CLI_FAILED;
    cli_client_init(&c, verb);
    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'H') {
            printf("muster %s - %s\n\nusage: muster %s %s [options]\n"
                   CLI_OPTIONS_HELP, verb, what, verb,
                   newest ? "[ID]" : "ID");
            if (newest)
                puts("\nexit code: 0 every member runs it, 2 the quorum does, "
                     "1 failed");
            return CLI_ALL;
        }
        if (!cli_client_option(&c, o, optarg))
            return cli_usage(verb);
    }
    char *id = NULL;
    if (argc - optind == 1)
        id = cli_escape(argv[optind]);
    else if (argc == optind && newest)
        id = campaign_newest(&c);
    else
        cli_error(&c, "name one campaign");
    if (id != NULL)
        code = action(&c, id);
    free(id);
    cli_client_clear(&c);
    return code;
}

static int action_watch(struct cli_client *c, const char *id)
{
    json_t *v = campaign_watch(c, id);
    int code = v == NULL ? CLI_FAILED : campaign_exit(v);
    if (v != NULL && c->json)
        cli_print_json(v);
    json_decref(v);
    return code;
}

static int action_report(struct cli_client *c, const char *id)
{
    char *path = cli_path("/v1/campaigns/%s", id);
    json_t *v = cli_get(c, path);
    free(path);
    int code = v == NULL ? CLI_FAILED : report_print(c, v);
    if (v != NULL && !campaign_ended(v))
        code = CLI_ALL;
    json_decref(v);
    return code;
}

static int campaign_tell(struct cli_client *c, const char *id,
                         const char *command, const char *done)
{
    char *path = cli_path("/v1/campaigns/%s/%s", id, command);
    json_t *v = cli_send(c, "POST", path, NULL);
    free(path);
    if (v == NULL)
        return CLI_FAILED;
    if (c->json)
        cli_print_json(v);
    else
        puts(done);
    json_decref(v);
    return CLI_ALL;
}

static int action_pause(struct cli_client *c, const char *id)
{
    return campaign_tell(c, id, "pause", "paused");
}

static int action_resume(struct cli_client *c, const char *id)
{
    return campaign_tell(c, id, "resume", "running again");
}

static int action_cancel(struct cli_client *c, const char *id)
{
    return campaign_tell(c, id, "cancel", "cancelled");
}

int verb_watch(int argc, char **argv)
{
    return campaign_verb(argc, argv, "watch",
                         "follow a campaign (the newest) to its end", true,
                         action_watch);
}

int verb_report(int argc, char **argv)
{
    return campaign_verb(argc, argv, "report",
                         "who runs it, who does not, and why", true,
                         action_report);
}

int verb_pause(int argc, char **argv)
{
    return campaign_verb(argc, argv, "pause", "stop sending for a while", false,
                         action_pause);
}

int verb_resume(int argc, char **argv)
{
    return campaign_verb(argc, argv, "resume", "go on with a paused campaign",
                         false, action_resume);
}

int verb_cancel(int argc, char **argv)
{
    return campaign_verb(argc, argv, "cancel", "end a campaign for good", false,
                         action_cancel);
}
