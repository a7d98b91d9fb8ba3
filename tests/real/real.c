/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of whole programs share. */
#include "real.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

int real_setup(void **state)
{
    struct lab *lab = malloc(sizeof(*lab));

    lab_open(lab);
    *state = lab;
    return 0;
}

static char mounted[256];

int real_teardown(void **state)
{
    if (mounted[0] != '\0')
        umount2(mounted, MNT_DETACH);
    mounted[0] = '\0';
    lab_close(*state);
    free(*state);
    return 0;
}

/* ---- files and logs ---------------------------------------------------- */

char *real_read(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t at = 0, cap = 0, n = 1;

    if (f == NULL)
        return NULL;
    while (n > 0) {
        if (cap - at < 4096) {
            cap = 2 * cap + 65536;
            text = realloc(text, cap);
            assert_non_null(text);
        }
        n = fread(text + at, 1, cap - at - 1, f);
        at += n;
    }
    fclose(f);
    text[at] = '\0';
    if (len != NULL)
        *len = at;
    return text;
}

bool real_has(const char *path, const char *text)
{
    size_t len = 0;
    char *all = real_read(path, &len);
    bool has = all != NULL && memmem(all, len, text, strlen(text)) != NULL;

    free(all);
    return has;
}

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void real_did(struct lab *lab, unsigned device, const char *text)
{
    char name[32];
    char *is;

    snprintf(name, sizeof(name), "did-dev-%u", device);
    is = real_read(lab_path(lab, name), NULL);
    assert_non_null(is);
    assert_string_equal(is, text);
    free(is);
}

bool real_logged_for(struct lab *lab, const char *name, const char *text,
                     unsigned patience_ms)
{
    char file[64], room[4096];
    const char *path;
    long long until = now_ms() + patience_ms;
    bool has = false;
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    snprintf(file, sizeof(file), "%s.log", name);
    path = lab_path(lab, file);
    assert_true(fd >= 0);
    assert_true(inotify_add_watch(fd, path, IN_MODIFY) >= 0);
    while (!(has = real_has(path, text)) && now_ms() < until) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };

        poll(&wait, 1, (int)(until - now_ms()));
        while (read(fd, room, sizeof(room)) > 0)
            ;
    }
    close(fd);
    return has;
}

void real_logged(struct lab *lab, const char *name, const char *text)
{
    if (!real_logged_for(lab, name, text, LAB_PATIENCE_MS))
        fail_msg("%s.log has no \"%s\"", name, text);
}

/* ---- verbs ------------------------------------------------------------- */

static void said_take(char to[65536], const char *from, size_t len)
{
    len = len < 65535 ? len : 65535;
    if (len > 0)
        memcpy(to, from, len);
    to[len] = '\0';
}

static int say(struct lab *lab, struct real_said *said, const char **words)
{
    const char *log = lab_path(lab, "say.log");
    struct lab_prog *p;
    char *err;
    size_t len = 0;
    int code;

    unlink(log);
    p = lab_start(lab, "say", words);
    p->raw = true;
    code = lab_ended(p);
    err = real_read(log, &len);
    if (said != NULL) {
        said_take(said->out, p->buffer, p->len);
        said_take(said->err, err, len);
    }
    free(err);
    json_decref(p->lines);
    free(p->buffer);
    *p = (struct lab_prog){ .pid = 0 };
    return code;
}

static size_t words_of(const char **words, va_list list)
{
    const char *word;
    size_t n = 0;

    while ((word = va_arg(list, const char *)) != NULL) {
        assert_true(n + 6 < LAB_ARGS_MAX);
        words[n++] = word;
    }
    words[n] = NULL;
    return n;
}

int real_say(struct lab *lab, struct real_said *said, ...)
{
    const char *words[LAB_ARGS_MAX];
    va_list list;

    va_start(list, said);
    words_of(words, list);
    va_end(list);
    return say(lab, said, words);
}

int real_ask(struct lab *lab, struct real_said *said, ...)
{
    const char *words[LAB_ARGS_MAX];
    va_list list;
    size_t n;

    va_start(list, said);
    n = words_of(words, list);
    va_end(list);
    words[n++] = "--api";
    words[n++] = lab->api;
    words[n++] = "--token-file";
    words[n++] = lab->token;
    words[n] = NULL;
    return say(lab, said, words);
}

int real_call(struct lab *lab, const char *what, const char *length)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    struct timeval patience = { .tv_sec = LAB_PATIENCE_MS / 1000 };
    char host[64], head[512];
    char *token = real_read(lab->token, NULL);
    int len, fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_non_null(token);
    assert_int_equal(sscanf(lab->api, "http://%63[^:]", host), 1);
    assert_int_equal(inet_pton(AF_INET, host, &to.sin_addr), 1);
    to.sin_port = htons((uint16_t)atoi(strrchr(lab->api, ':') + 1));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    len = snprintf(head, sizeof(head), "%s HTTP/1.1\r\nHost: x\r\n"
                   "Authorization: Bearer %.*s\r\n%s%s%s\r\n", what,
                   (int)strcspn(token, "\n"), token,
                   length == NULL ? "" : "Content-Length: ",
                   length == NULL ? "" : length, length == NULL ? "" : "\r\n");
    free(token);
    assert_int_equal(send(fd, head, (size_t)len, 0), len);
    return fd;
}

int real_answer(int fd, char text[4096])
{
    ssize_t n, len = 0;
    int status = 0;

    while (len < 4095 && (n = recv(fd, text + len, 4095 - (size_t)len, 0)) > 0) {
        len += n;
        text[len] = '\0';
        if (strstr(text, "\r\n\r\n") != NULL && text[len - 1] == '}')
            break; /* all answers are one JSON object */
    }
    close(fd);
    assert_int_equal(sscanf(text, "HTTP/1.1 %d", &status), 1);
    return status;
}

unsigned real_files(const char *path, size_t *bytes)
{
    struct dirent *e;
    struct stat st;
    DIR *d = opendir(path);
    unsigned n = 0;
    size_t sum = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) != 0)
            continue;
        n++;
        sum += (size_t)st.st_size;
    }
    closedir(d);
    if (bytes != NULL)
        *bytes = sum;
    return n;
}

/* ---- values ------------------------------------------------------------ */

long long real_number(const json_t *in, const char *key)
{
    assert_true(json_is_integer(json_object_get(in, key)));
    return json_integer_value(json_object_get(in, key));
}

const char *real_text(const json_t *in, const char *key)
{
    const char *text = json_string_value(json_object_get(in, key));

    assert_non_null(text);
    return text;
}

/* ---- campaigns --------------------------------------------------------- */

void real_connected(struct lab *lab, unsigned devices)
{
    char pattern[96];

    for (unsigned i = 1; i <= devices; i++) {
        lab->dev->seen = 0;
        snprintf(pattern, sizeof(pattern), "{'event': 'status', 'id': "
                 "'dev-%u', 'connected': true}", i);
        lab_wait(lab->dev, pattern);
    }
}

void real_fleet(struct lab *lab, unsigned devices)
{
    lab_keys(lab, devices);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){ "--rate", REAL_SLOW, NULL });
    lab_devices(lab, devices, NULL);
    real_connected(lab, devices);
}

void real_push(struct lab *lab, char id[32], const char *file, ...)
{
    const char *words[LAB_ARGS_MAX] = { "push", file, "--group", "all",
                                        "--no-wait" };
    struct real_said said;
    json_t *out;
    va_list list;
    size_t n;

    va_start(list, file);
    n = 5 + words_of(words + 5, list);
    va_end(list);
    words[n++] = "--api";
    words[n++] = lab->api;
    words[n++] = "--token-file";
    words[n++] = lab->token;
    words[n++] = "--json";
    words[n] = NULL;
    if (say(lab, &said, words) != 0)
        fail_msg("push: %s", said.err);
    out = json_loads(said.out, 0, NULL);
    snprintf(id, 32, "%s", real_text(out, "id"));
    json_decref(out);
}

void real_page(struct lab *lab, const char *device, unsigned page)
{
    char pattern[96];

    snprintf(pattern, sizeof(pattern), "{'event': 'status', 'id': '%s', "
             "'page': %u}", device, page);
    lab_wait(lab->dev, pattern);
}

void real_middle(struct lab *lab, unsigned devices, const char *file,
                 char id[32], const char *device, unsigned page)
{
    real_fleet(lab, devices);
    lab_file(file, REAL_BYTES, 1);
    real_push(lab, id, file, NULL);
    real_page(lab, device, page);
}

void real_ends(struct lab *lab, const char *id, int code)
{
    int got = lab_verb(lab, NULL, "watch", id, NULL);

    if (got != code) {
        json_t *r = real_report(lab, id);
        char *text = json_dumps(r, JSON_COMPACT);

        print_message("%s\n", text);
        free(text);
        json_decref(r);
    }
    assert_int_equal(got, code);
}

json_t *real_report(struct lab *lab, const char *id)
{
    json_t *out = NULL;

    lab_verb(lab, &out, "report", id, NULL);
    assert_non_null(out);
    return out;
}

const json_t *real_target(const json_t *report, const char *device)
{
    size_t i;
    json_t *t;

    json_array_foreach(json_object_get(report, "targets"), i, t) {
        if (strcmp(real_text(t, "id"), device) == 0)
            return t;
    }
    return NULL;
}

static bool array_has(const json_t *list, const char *text)
{
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one) {
        if (strcmp(json_string_value(one), text) == 0)
            return true;
    }
    return false;
}

bool real_is(const json_t *report, const char *device, const char *state)
{
    return array_has(json_object_get(real_target(report, device), "states"),
                     state);
}

void real_until(struct lab *lab, const char *id, const char *device,
                const char *state)
{
    long long until = now_ms() + LAB_PATIENCE_MS;
    bool is = false;

    while (!is && now_ms() < until) {
        json_t *r = real_report(lab, id);

        is = real_is(r, device, state);
        json_decref(r);
        if (!is)
            (void)lab_wait_for(lab->dev, "{'event': 'status'}", 300);
    }
    if (!is)
        fail_msg("%s was not %s", device, state);
}

bool real_missing(const json_t *report, const char *device)
{
    return array_has(json_object_get(report, "missing"), device);
}

/* ---- small disks ------------------------------------------------------- */

static bool own_mounts(void)
{
    static int own = -1;

    if (own < 0)
        own = (unshare(CLONE_NEWNS) == 0 ||
               unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
              mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    return own == 1;
}

bool real_disk(const char *path, unsigned kib)
{
    char size[32];

    snprintf(size, sizeof(size), "size=%uk,mode=0700", kib);
    if (mkdir(path, 0700) != 0 || !own_mounts())
        return false;
    if (mount("small", path, "tmpfs", 0, size) != 0)
        return false;
    snprintf(mounted, sizeof(mounted), "%s", path);
    return true;
}

void real_fill(const char *path, size_t leave)
{
    static char page[4096];
    char name[256];
    struct statvfs v;
    int fd;

    snprintf(name, sizeof(name), "%s/filler", path);
    fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    memset(page, 'f', sizeof(page));
    for (;;) {
        assert_int_equal(statvfs(path, &v), 0);
        if (v.f_bavail * v.f_bsize < leave + sizeof(page) ||
            write(fd, page, sizeof(page)) != (ssize_t)sizeof(page))
            break;
    }
    close(fd);
}

void real_room(const char *path)
{
    char name[256];

    snprintf(name, sizeof(name), "%s/filler", path);
    assert_int_equal(unlink(name), 0);
}
