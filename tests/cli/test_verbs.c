/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every verb of muster as a person or a script meets it: --help, --json, exit
 * codes, what is said when something is wrong, files that others may read.
 */
#include "tests/real/real.h"

#include <linux/capability.h>
#include <pty.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct real_said said;

static bool says(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

/* ---- help ---------------------------------------------------------------- */

static void help_of(struct lab *lab, const char *verb, const char *word)
{
    char usage[64];

    assert_int_equal(word == NULL ? real_say(lab, &said, verb, "--help", NULL)
                                  : real_say(lab, &said, verb, word, "--help",
                                             NULL), 0);
    snprintf(usage, sizeof usage, "usage: muster %s", verb);
    if (!says(said.out, usage) || strncmp(said.out, "muster ", 7) != 0)
        fail_msg("muster %s --help says:\n%s", verb, said.out);
    assert_string_equal(said.err, "");
}

/* The verbs are those that `muster --help` lists; none is without help. */
static void test_help(void **state)
{
    struct lab *lab = *state;
    static const char *const words[][2] = {
        {"device", "import"}, {"device", "add"}, {"device", "list"},
        {"device", "revoke"}, {"gateway", "add"},
        {"gateway", "list"}, {"gateway", "remove"}, {"group", "create"},
        {"group", "add"}, {"group", "remove"}, {"group", "list"},
        {"group", "show"}, {"group", "rotate"}, {"key", "list"},
        {"key", "kinds"}, {"configfile", "serve"},
    };
    static const char *const wanted[] = {
        "serve", "gateway", "device", "group", "push", "watch", "report",
        "pause", "resume", "cancel", "key", "sim", "decode", "configfile",
        "version",
    };
    char *all, *line, *rest;
    unsigned verbs = 0;

    assert_int_equal(real_say(lab, &said, "--help", NULL), 0);
    all = strdup(said.out);
    for (line = strtok_r(all, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char verb[32];

        if (sscanf(line, "  %31[a-z]", verb) != 1 ||
            strncmp(line, "  ", 2) != 0)
            continue;
        help_of(lab, verb, NULL);
        verbs++;
    }
    free(all);
    assert_true(verbs >= sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        help_of(lab, wanted[i], NULL);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        help_of(lab, words[i][0], words[i][1]);
    /* Those with two faces name the other one. */
    assert_int_equal(real_say(lab, &said, "device", "--help", NULL), 0);
    assert_true(says(said.out, "muster device import"));
    assert_int_equal(real_say(lab, &said, "gateway", "--help", NULL), 0);
    assert_true(says(said.out, "muster gateway add"));
}

/* Wrong words: code 1, a line or two on standard error, nothing on standard
 * output that a script could take for an answer. */
static void test_wrong_words(void **state)
{
    struct lab *lab = *state;
    static const char *const wrong[][7] = {
        {"serve", "--state", "d", "--yield", "--rate", "0"},
        {"serve"}, {"serve", "--no-such"}, {"serve", "word"},
        {"serve", "--rate", "many"}, {"gateway", "--id"},
        {"gateway", "nonsense"}, {"gateway", "add"},
        {"gateway", "add", "--id", "gw-9"}, {"gateway", "remove"},
        {"device", "nonsense"}, {"device", "import"}, {"device", "revoke"},
        {"device", "add", "--no-such"},
        {"group", "create"}, {"group", "nonsense", "g"}, {"group", "add", "g"},
        {"group", "remove", "g"}, {"group"}, {"push"}, {"push", "file"},
        {"push", "file", "--group"},
        {"push", "f", "--group", "g", "--quorum"},
        {"watch", "--no-such"}, {"pause"}, {"resume"}, {"cancel"},
        {"report", "one", "two"}, {"key"}, {"key", "nonsense"},
        {"sim", "--devices"}, {"sim", "--loss", "2"}, {"sim", "word"},
        {"decode"}, {"decode", "--no-such"}, {"configfile"},
        {"configfile", "nonsense"}, {"configfile", "serve", "gateway"},
        {"version", "nonsense"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const *w = wrong[i];
        int code = real_say(lab, &said, w[0], w[1], w[2], w[3], w[4],
                            w[5], NULL);

        if (code != 1 || said.out[0] != '\0' || said.err[0] == '\0' ||
            lines_of(said.err) > 3)
            fail_msg("muster %s %s: code %d, out \"%s\", err \"%s\"", w[0],
                     w[1] != NULL ? w[1] : "", code, said.out, said.err);
    }
    assert_int_equal(real_say(lab, &said, "no-such-verb", NULL), 1);
    assert_true(says(said.err, "there is no verb \"no-such-verb\""));
    assert_string_equal(said.out, "");
    /* Numbers and times that are none, by their option. */
    assert_int_equal(real_say(lab, &said, "push", "f", "--group", "g",
                              "--quorum", "120", NULL), 1);
    assert_true(says(said.err, "--quorum"));
    assert_int_equal(real_say(lab, &said, "push", "f", "--group", "g",
                              "--deadline", "soon", NULL), 1);
    assert_true(says(said.err, "--deadline"));
}

/* ---- JSON ------------------------------------------------------------------ */

/* The verb with --json prints one JSON value and nothing else. */
static json_t *json_of(struct lab *lab, const char *const words[])
{
    json_error_t why;
    json_t *v;
    int code = real_ask(lab, &said, words[0], words[1], words[2], words[3],
                        words[4], words[5], words[6], NULL);

    if (code != 0)
        fail_msg("muster %s %s: code %d, err \"%s\"", words[0],
                 words[1] != NULL ? words[1] : "", code, said.err);
    v = json_loads(said.out, JSON_DECODE_ANY, &why);
    if (v == NULL)
        fail_msg("muster %s %s: not JSON: %s", words[0],
                 words[1] != NULL ? words[1] : "", said.out);
    return v;
}

#define JSON_OF(lab, ...)                                                      \
    json_of(lab, (const char *const[8]){__VA_ARGS__, "--json"})

static void json_ok(json_t *v)
{
    assert_non_null(v);
    json_decref(v);
}

static void test_json(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "file"), *key = lab_path(lab, "new.key");
    json_t *v;
    char id[32];

    lab_keys(lab, 3);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_write(key, "00112233445566778899aabbccddeeff", 32, 0600);
    lab_file(file, 5000, 1);
    json_ok(JSON_OF(lab, "gateway", "add", "--id", "gw-2", "--key-file", key));
    v = JSON_OF(lab, "gateway", "list");
    assert_int_equal(json_array_size(v), 2);
    assert_string_equal(real_text(json_array_get(v, 1), "id"), "gw-2");
    json_decref(v);
    json_ok(JSON_OF(lab, "gateway", "remove", "gw-2"));
    lab_write(lab_path(lab, "one.csv"),
              "x,00112233445566778899aabbccddeeff\n", 35, 0600);
    v = JSON_OF(lab, "device", "import", lab_path(lab, "one.csv"));
    assert_int_equal(real_number(v, "imported"), 1);
    json_decref(v);
    v = JSON_OF(lab, "device", "list");
    assert_int_equal(json_array_size(v), 4);
    assert_non_null(json_object_get(json_array_get(v, 0), "gateway"));
    assert_null(json_object_get(json_array_get(v, 0), "key"));
    json_decref(v);
    json_ok(JSON_OF(lab, "device", "revoke", "x"));
    json_ok(JSON_OF(lab, "group", "create", "some"));
    v = JSON_OF(lab, "group", "add", "some", "dev-1", "dev-2");
    assert_int_equal(real_number(v, "added"), 2);
    json_decref(v);
    json_ok(JSON_OF(lab, "group", "remove", "some", "dev-2"));
    v = JSON_OF(lab, "group", "list");
    assert_int_equal(json_array_size(v), 2);
    assert_string_equal(real_text(json_array_get(v, 0), "mode"), "end-to-end");
    json_decref(v);
    json_ok(JSON_OF(lab, "group", "show", "some"));
    json_ok(JSON_OF(lab, "group", "rotate", "some"));
    v = JSON_OF(lab, "key", "list");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *row = json_array_get(v, i);

        assert_non_null(json_object_get(row, "kid"));
        assert_non_null(json_object_get(row, "kind"));
        assert_non_null(json_object_get(row, "generation"));
        assert_non_null(json_object_get(row, "holders"));
    }
    assert_true(json_array_size(v) > 0);
    /* For a person: the same, with the generation as server epoch and count. */
    assert_int_equal(real_ask(lab, &said, "key", "list", NULL), 0);
    {
        const json_t *row = json_array_get(v, 0);
        long long generation = real_number(row, "generation");
        char text[32];

        snprintf(text, sizeof text, " %lld.%lld ", generation >> 32,
                 generation & 0xffffffff);
        assert_true(says(said.out, text));
        assert_true(says(said.out, real_text(row, "kid")));
        assert_true(says(said.out, "holders"));
    }
    json_decref(v);
    json_ok(JSON_OF(lab, "key", "kinds"));
    v = JSON_OF(lab, "push", file, "--group", "all", "--no-wait");
    snprintf(id, sizeof id, "%s", real_text(v, "id"));
    json_decref(v);
    v = JSON_OF(lab, "report", id);
    assert_int_equal(json_array_size(json_object_get(v, "targets")), 3);
    assert_int_equal(json_array_size(json_object_get(v, "missing")), 3);
    json_decref(v);
    json_ok(JSON_OF(lab, "pause", id));
    json_ok(JSON_OF(lab, "resume", id));
    json_ok(JSON_OF(lab, "cancel", id));
    /* Without a server. */
    assert_int_equal(real_say(lab, &said, "version", "--json", NULL), 0);
    json_ok(json_loads(said.out, 0, NULL));
    assert_int_equal(real_say(lab, &said, "configfile", "serve", "--json",
                              NULL), 0);
    v = json_loads(said.out, 0, NULL);
    assert_string_equal(real_text(v, "http"), "127.0.0.1:5680"); /* loopback */
    json_decref(v);
}

/* The fields that scripts rely on (the list of the benchmarks). */
static void test_sim_fields(void **state)
{
    struct lab *lab = *state;
    static const char *const fields[] = {
        "devices", "verified", "running", "revoked_opened", "forged_accepted",
        "packets", "bound_packets", "packet_ratio", "area_bytes",
        "bound_bytes", "ratio", "wan_bytes", "virtual_seconds",
        "wall_seconds", "peak_rss_kb", "trace_hash",
    };
    char hash[64] = "";

    for (unsigned run = 0; run < 2; run++) {
        json_t *v;

        assert_int_equal(real_say(lab, &said, "sim", "--devices", "8",
                                  "--gateways", "2", "--loss", "0.05",
                                  "--size", "8000", "--payload", "512",
                                  "--seed", "7", "--json", NULL), 0);
        v = json_loads(said.out, 0, NULL);
        assert_non_null(v);
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            if (json_object_get(v, fields[i]) == NULL)
                fail_msg("no field %s", fields[i]);
        }
        assert_int_equal(real_number(v, "devices"), 8);
        assert_int_equal(real_number(v, "running"), 8);
        assert_int_equal(real_number(v, "revoked_opened"), 0);
        assert_int_equal(real_number(v, "forged_accepted"), 0);
        /* ceil(8000 / 512) / 0.95 in each of two areas */
        assert_true(json_number_value(json_object_get(v, "bound_packets")) >
                    2 * 16 / 0.95 - 0.01);
        assert_true(json_number_value(json_object_get(v, "bound_packets")) <
                    2 * 16 / 0.95 + 0.01);
        assert_true(json_number_value(json_object_get(v, "packet_ratio")) > 1);
        if (run == 0)
            snprintf(hash, sizeof hash, "%s", real_text(v, "trace_hash"));
        else /* same seed, same trace */
            assert_string_equal(real_text(v, "trace_hash"), hash);
        json_decref(v);
    }
    assert_true(hash[0] != '\0');
}

/* ---- a file for its owner only ----------------------------------------------- */

static void test_token_file(void **state)
{
    struct lab *lab = *state;
    const char *token, *other = lab_path(lab, "other.token");
    const char *key = lab_path(lab, "open.key");
    struct stat st;
    char wrong[65];

    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    token = lab_path(lab, "server/token");
    assert_int_equal(stat(token, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* What others may read is refused, before anything is sent. */
    assert_int_equal(chmod(token, 0640), 0);
    assert_int_equal(real_ask(lab, &said, "device", "list", NULL), 1);
    assert_true(says(said.err, "others may read it"));
    assert_string_equal(said.out, "");
    assert_int_equal(chmod(token, 0600), 0);
    assert_int_equal(real_ask(lab, &said, "device", "list", NULL), 0);
    /* Another token, half of one, none. */
    memset(wrong, 'a', 64);
    lab_write(other, wrong, 64, 0600);
    assert_int_equal(real_say(lab, &said, "device", "list", "--api", lab->api,
                              "--token-file", other, NULL), 1);
    assert_true(says(said.err, "token"));
    lab_write(other, wrong, 0, 0600);
    assert_int_equal(real_say(lab, &said, "device", "list", "--api", lab->api,
                              "--token-file", other, NULL), 1);
    assert_int_equal(real_say(lab, &said, "device", "list", "--api", lab->api,
                              "--token-file", lab_path(lab, "absent"), NULL),
                     1);
    assert_true(says(said.err, "cannot be read"));
    /* Keys alike. */
    lab_write(key, "00112233445566778899aabbccddeeff", 32, 0644);
    assert_int_equal(real_ask(lab, &said, "device", "add", "--id", "x",
                              "--key-file", key, "--gateway", "gw-1", NULL),
                     1);
    assert_true(says(said.err, "others may read it"));
    /* The server does not start with an open token. */
    assert_int_equal(lab_end(lab->serve, SIGTERM), 0);
    assert_int_equal(chmod(token, 0604), 0);
    assert_int_not_equal(real_say(lab, &said, "serve", "--state",
                                  lab_path(lab, "server"), "--listen",
                                  "127.0.0.1:0", "--http", "127.0.0.1:0",
                                  NULL), 0);
    assert_true(says(said.err, "others may read it"));
}

/* ---- progress ----------------------------------------------------------------------- */

/* push as in a terminal: what the screen got; *code is its exit code. */
static size_t push_on_terminal(struct lab *lab, const char *file, char *screen,
                               size_t cap, int *code)
{
    int screen_fd, status = -1;
    size_t len = 0;
    ssize_t n;
    pid_t pid = forkpty(&screen_fd, NULL, NULL, NULL);

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(MUSTER_PROGRAM, MUSTER_PROGRAM, "push", file, "--group", "all",
              "--api", lab->api, "--token-file",
              lab_path(lab, "server/token"), (char *)NULL);
        _exit(126);
    }
    /* The end of a terminal is an error. */
    while ((n = read(screen_fd, screen + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    screen[len] = '\0';
    close(screen_fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return len;
}

/* A bar that is drawn over itself on a terminal; elsewhere whole lines, each
 * once, with nothing in them that a log would choke on. */
static void test_progress(void **state)
{
    struct lab *lab = *state;
    static char screen[65536];
    const char *file = lab_path(lab, "firmware");
    char *line, *rest, last[256] = "";
    int code;

    lab_fleet(lab, 1);
    lab_file(file, 20000, 1);
    push_on_terminal(lab, file, screen, sizeof screen, &code);
    assert_int_equal(code, 0);
    assert_true(says(screen, "\rupload"));
    assert_true(says(screen, "\r[##############################] 1/1 running"));
    assert_true(says(screen, "\033[K")); /* the rest of the line goes */
    assert_true(says(screen, "missing    none"));

    assert_int_equal(real_ask(lab, &said, "push", file, "--group", "all",
                              NULL), 0);
    assert_null(strpbrk(said.err, "\r\033"));
    assert_null(strpbrk(said.out, "\r\033"));
    assert_true(says(said.out, "missing    none"));
    assert_true(says(said.err, "1/1 running"));
    for (line = strtok_r(said.err, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        assert_string_not_equal(line, last);
        snprintf(last, sizeof last, "%s", line);
    }
    /* For a script: JSON alone on standard output. */
    assert_int_equal(real_ask(lab, &said, "watch", "--json", NULL), 0);
    json_ok(json_loads(said.out, 0, NULL));
}

/* What may not lock its memory says so, once, and runs. */
static void test_memory_unlocked(void **state)
{
    struct lab *lab = *state;
    const struct rlimit little = {65536, 65536};
    char *log;

    (void)prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &little), 0);
    lab_serve(lab, NULL);
    assert_int_equal(lab_end(lab->serve, SIGTERM), 0);
    log = real_read(lab_path(lab, "serve.log"), NULL);
    assert_non_null(strstr(log, "event=memory locked=no"));
    free(log);
}

/* Nobody is there: said in a line, code 1. */
static void test_no_server(void **state)
{
    struct lab *lab = *state;
    const char *token = lab_path(lab, "token");

    lab_write(token, "aa", 2, 0600);
    assert_int_equal(real_say(lab, &said, "group", "list", "--api",
                              "http://127.0.0.1:1", "--token-file", token,
                              NULL), 1);
    assert_true(says(said.err, "is `muster serve` running there?"));
    assert_int_equal(lines_of(said.err), 1);
    assert_string_equal(said.out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_help),       REAL_TEST(test_wrong_words),
        REAL_TEST(test_json),       REAL_TEST(test_sim_fields),
        REAL_TEST(test_token_file), REAL_TEST(test_no_server),
        REAL_TEST(test_progress),
        REAL_TEST(test_memory_unlocked), /* for all that come after it */
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
