/* SPDX-License-Identifier: Apache-2.0 */
/* A laboratory of real programs on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab.h"

#define LAB_PATHS_MAX 1024

uint64_t lab_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- files ------------------------------------------------------------- */

/* Every path that was asked for, until the next lab opens. */
static char lab_paths[LAB_PATHS_MAX][256];
static unsigned lab_paths_len;

const char *lab_path(const struct lab *lab, const char *name)
{
    char path[256];
    char *to;

    snprintf(path, sizeof path, "%s/%s", lab->dir, name);
    for (unsigned i = 0; i < lab_paths_len; i++) {
        if (strcmp(lab_paths[i], path) == 0)
            return lab_paths[i];
    }
    assert_true(lab_paths_len < LAB_PATHS_MAX);
    to = lab_paths[lab_paths_len++];
    memcpy(to, path, strlen(path) + 1);
    return to;
}

void lab_write(const char *path, const void *data, size_t len, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, (mode_t)mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(fchmod(fd, (mode_t)mode), 0);
    close(fd);
}

void lab_file(const char *path, size_t len, uint32_t seed)
{
    uint8_t *data = malloc(len);
    uint32_t x = seed * 2654435761u + 1;

    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        data[i] = (uint8_t)(x >> 24);
    }
    lab_write(path, data, len, 0644);
    free(data);
}

static char *lab_read(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    char *data;

    if (fd < 0)
        return NULL;
    assert_int_equal(fstat(fd, &st), 0);
    *len = (size_t)st.st_size;
    data = malloc(*len + 1);
    assert_int_equal(read(fd, data, *len), *len);
    data[*len] = '\0';
    close(fd);
    return data;
}

bool lab_same(const char *one, const char *other)
{
    size_t a_len = 0, b_len = 0;
    char *a = lab_read(one, &a_len), *b = lab_read(other, &b_len);
    bool same = a != NULL && b != NULL && a_len == b_len &&
                memcmp(a, b, a_len) == 0;

    free(a);
    free(b);
    return same;
}

/* ---- programs ---------------------------------------------------------- */

static pid_t lab_fork(const char *log, const char *const argv[], int *out)
{
    int pipes[2];
    pid_t pid;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *words[LAB_ARGS_MAX + 1];
        int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        size_t n = 0;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(pipes[1], 1);
        dup2(err, 2);
        while (argv[n] != NULL && n < LAB_ARGS_MAX) {
            words[n] = strdup(argv[n]);
            n++;
        }
        words[n] = NULL;
        execv(words[0], words);
        _exit(126);
    }
    close(pipes[1]);
    *out = pipes[0];
    return pid;
}

struct lab_prog *lab_start(struct lab *lab, const char *name,
                           const char *const words[])
{
    const char *argv[LAB_ARGS_MAX + 1] = { MUSTER_PROGRAM };
    struct lab_prog *p = NULL;
    char log[80];
    size_t n = 1;

    for (unsigned i = 0; i < lab->len; i++) {
        if (lab->progs[i].pid == 0 && lab->progs[i].lines == NULL)
            p = &lab->progs[i];
    }
    if (p == NULL) {
        assert_true(lab->len < LAB_PROGS_MAX);
        p = &lab->progs[lab->len++];
    }
    for (size_t i = 0; words[i] != NULL; i++) {
        assert_true(n < LAB_ARGS_MAX);
        argv[n++] = words[i];
    }
    argv[n] = NULL;
    snprintf(log, sizeof(log), "%s.log", name);
    *p = (struct lab_prog){ .name = name, .lines = json_array() };
    p->pid = lab_fork(lab_path(lab, log), argv, &p->out);
    return p;
}

static void lab_lines(struct lab_prog *p)
{
    char *start = p->buffer, *end;

    while (p->len > 0 &&
           (end = memchr(start, '\n', p->len)) != NULL) {
        size_t len = (size_t)(end - start);
        json_t *line = json_loadb(start, len, JSON_DECODE_ANY, NULL);

        if (line == NULL)
            line = json_stringn(start, len);
        json_array_append_new(p->lines, line);
        p->len -= len + 1;
        start = end + 1;
    }
    memmove(p->buffer, start, p->len);
}

/* False when there is nothing more to come, or it does not come in time. */
static bool lab_more(struct lab_prog *p, uint64_t until)
{
    struct pollfd wait = { .fd = p->out, .events = POLLIN };
    uint64_t now = lab_now();

    if (now >= until || poll(&wait, 1, (int)(until - now)) != 1)
        return false;
    if (p->len + 4096 > p->cap) {
        p->cap = 2 * p->cap + 8192;
        p->buffer = realloc(p->buffer, p->cap);
        assert_non_null(p->buffer);
    }
    ssize_t n = read(p->out, p->buffer + p->len, p->cap - p->len);

    if (n <= 0)
        return false;
    p->len += (size_t)n;
    if (!p->raw)
        lab_lines(p);
    return true;
}

static bool lab_fits(const json_t *line, json_t *pattern)
{
    const char *key;
    json_t *value;

    json_object_foreach(pattern, key, value) {
        if (!json_equal(json_object_get(line, key), value))
            return false;
    }
    return true;
}

const json_t *lab_wait_for(struct lab_prog *p, const char *pattern,
                           unsigned patience_ms)
{
    uint64_t until = lab_now() + patience_ms;
    char text[256];
    const json_t *found = NULL;
    json_t *want;

    snprintf(text, sizeof(text), "%s", pattern);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    want = json_loads(text, 0, NULL);
    assert_non_null(want);
    while (found == NULL) {
        while (found == NULL && p->seen < json_array_size(p->lines)) {
            const json_t *line = json_array_get(p->lines, p->seen++);

            if (lab_fits(line, want))
                found = line;
        }
        if (found == NULL && !lab_more(p, until))
            break;
    }
    json_decref(want);
    if (found == NULL)
        print_message("%s did not say %s\n", p->name, pattern);
    return found;
}

const json_t *lab_wait(struct lab_prog *p, const char *pattern)
{
    const json_t *found = lab_wait_for(p, pattern, LAB_PATIENCE_MS);

    assert_non_null(found);
    return found;
}

static int lab_reap(struct lab_prog *p)
{
    uint64_t until = lab_now() + LAB_PATIENCE_MS;
    int status = 0;

    while (lab_more(p, until))
        ;
    if (lab_now() >= until) {
        print_message("%s does not end\n", p->name);
        kill(p->pid, SIGKILL);
    }
    waitpid(p->pid, &status, 0);
    close(p->out);
    p->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int lab_end(struct lab_prog *p, int number)
{
    assert_true(p->pid > 0);
    kill(p->pid, number);
    return lab_reap(p);
}

int lab_ended(struct lab_prog *p)
{
    return lab_reap(p);
}

static void lab_forget(struct lab_prog *p)
{
    json_decref(p->lines);
    free(p->buffer);
    *p = (struct lab_prog){ .pid = 0 };
}

/* ---- verbs ------------------------------------------------------------- */

static struct lab_prog *lab_verb_list(struct lab *lab, va_list list)
{
    const char *words[LAB_ARGS_MAX];
    const char *word;
    size_t n = 0;

    while ((word = va_arg(list, const char *)) != NULL) {
        assert_true(n + 6 < LAB_ARGS_MAX);
        words[n++] = word;
    }
    words[n++] = "--api";
    words[n++] = lab->api;
    words[n++] = "--token-file";
    words[n++] = lab->token;
    words[n++] = "--json";
    words[n] = NULL;
    return lab_start(lab, words[0], words);
}

int lab_verb(struct lab *lab, json_t **out, ...)
{
    struct lab_prog *p;
    va_list list;
    int code;

    va_start(list, out);
    p = lab_verb_list(lab, list);
    va_end(list);
    p->raw = true;
    code = lab_reap(p);
    if (out != NULL)
        *out = json_loadb(p->buffer == NULL ? "" : p->buffer, p->len, 0, NULL);
    lab_forget(p);
    return code;
}

int lab_verb_start(struct lab *lab, struct lab_prog **p, ...)
{
    va_list list;

    va_start(list, p);
    *p = lab_verb_list(lab, list);
    va_end(list);
    return 0;
}

/* ---- the usual fleet --------------------------------------------------- */

void lab_open(struct lab *lab)
{
    unsigned pid = (unsigned)getpid();

    *lab = (struct lab){ .host = "127.0.0.1", .iface = "lo" };
    lab_paths_len = 0;
    snprintf(lab->dir, sizeof(lab->dir), "/tmp/muster-lab-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    snprintf(lab->token, sizeof(lab->token), "%s/server/token", lab->dir);
    snprintf(lab->group, sizeof(lab->group), "239.77.%u.%u:%u",
             pid >> 8 & 255, pid & 255, 20000 + pid % 20000);
}

static void lab_show_logs(const struct lab *lab)
{
    char command[256];

    snprintf(command, sizeof(command),
             "for f in %s/*.log; do echo \"== $f\"; tail -n 400 $f; done",
             lab->dir);
    if (getenv("LAB_SHOW") != NULL && system(command) != 0)
        print_message("no logs\n");
}

void lab_close(struct lab *lab)
{
    char command[128];

    for (unsigned i = 0; i < lab->len; i++) {
        if (lab->progs[i].pid > 0)
            lab_end(&lab->progs[i], SIGKILL);
        lab_forget(&lab->progs[i]);
    }
    lab_show_logs(lab);
    snprintf(command, sizeof(command), "rm -rf %s", lab->dir);
    if (system(command) != 0)
        print_message("%s stays\n", lab->dir);
}

static void lab_key(char hex[65], unsigned number)
{
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", (number * 37 + i * 11 + 1) & 255);
}

void lab_keys(struct lab *lab, unsigned devices)
{
    char hex[65], *text = malloc(128 * (devices + 1));
    size_t len;

    lab_key(hex, 0);
    lab_write(lab_path(lab, "gw.key"), hex, 64, 0600);
    len = (size_t)snprintf(text, 128, "identity,key,gateway,groups\n");
    for (unsigned i = 1; i <= devices; i++) {
        lab_key(hex, i);
        len += (size_t)snprintf(text + len, 128, "dev-%u,%s,gw-1,all\n", i, hex);
    }
    lab_write(lab_path(lab, "devices.csv"), text, len, 0600);
    free(text);
}

static struct lab_prog *lab_start_with(struct lab *lab, const char *name,
                                       const char *const words[],
                                       const char *const extra[])
{
    const char *all[LAB_ARGS_MAX];
    size_t n = 0;

    for (size_t i = 0; words[i] != NULL; i++)
        all[n++] = words[i];
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++) {
        assert_true(n + 1 < LAB_ARGS_MAX);
        all[n++] = extra[i];
    }
    all[n] = NULL;
    return lab_start(lab, name, all);
}

static void lab_text(char *to, size_t cap, const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    assert_non_null(text);
    snprintf(to, cap, "%s", text);
}

static const char *lab_any(const struct lab *lab)
{
    static char text[64];

    snprintf(text, sizeof(text), strchr(lab->host, ':') ? "[%s]:0" : "%s:0",
             lab->host);
    return text;
}

void lab_serve(struct lab *lab, const char *const extra[])
{
    char http[80];
    const char *at = lab->server[0] == '\0' ? lab_any(lab) : lab->server;
    const char *const words[] = {
        "serve", "--id", "server", "--state", lab_path(lab, "server"),
        "--listen", at, "--http",
        lab->api[0] == '\0' ? "127.0.0.1:0" : lab->api + 7, "--iface",
        lab->iface, LAB_FAST, NULL,
    };
    const json_t *ready;

    lab->serve = lab_start_with(lab, "serve", words, extra);
    ready = lab_wait(lab->serve, "{'event': 'ready'}");
    lab_text(lab->server, sizeof(lab->server), ready, "listen");
    lab_text(http, sizeof(http), ready, "http");
    snprintf(lab->api, sizeof(lab->api), "http://%.50s", http);
}

void lab_gateway(struct lab *lab, const char *const extra[])
{
    const char *at = lab->gateway[0] == '\0' ? lab_any(lab) : lab->gateway;
    const char *const words[] = {
        "gateway", "--id", "gw-1", "--key-file", lab_path(lab, "gw.key"),
        "--server", lab->server, "--listen", at, "--area-group", lab->group,
        "--state", lab_path(lab, "gateway"), "--iface", lab->iface,
        LAB_FAST, NULL,
    };

    lab->gw = lab_start_with(lab, "gateway", words, extra);
    lab_text(lab->gateway, sizeof(lab->gateway),
             lab_wait(lab->gw, "{'event': 'ready'}"), "listen");
}

void lab_devices(struct lab *lab, unsigned count, const char *const extra[])
{
    char number[8], hook[160];

    snprintf(number, sizeof(number), "%u", count);
    snprintf(hook, sizeof(hook), "cp \"$1\" %s/got-$MUSTER_IDENTITY",
             lab->dir);
    const char *const words[] = {
        "device", "--id", "dev-%d", "--count", number, "--key-file",
        lab_path(lab, "devices.csv"), "--gateway", lab->gateway, "--state",
        lab_path(lab, "devices"), "--iface", lab->iface, "--hook", hook,
        "--object-max-kib", "2048", LAB_FAST, NULL,
    };

    lab->dev = lab_start_with(lab, "device", words, extra);
    for (unsigned i = 0; i < count; i++)
        lab_wait(lab->dev, "{'event': 'ready'}");
}

void lab_register(struct lab *lab)
{
    assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", "gw-1",
                              "--key-file", lab_path(lab, "gw.key"), NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "all", NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "device", "import",
                              lab_path(lab, "devices.csv"), NULL), 0);
}

void lab_fleet(struct lab *lab, unsigned count)
{
    lab_keys(lab, count);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, count, NULL);
}

void lab_got(struct lab *lab, unsigned count, const char *file)
{
    char name[32];

    for (unsigned i = 1; i <= count; i++) {
        snprintf(name, sizeof(name), "got-dev-%u", i);
        assert_true(lab_same(lab_path(lab, name), file));
    }
}
