/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group with a scheme in the real programs: twelve devices behind two
 * gateways. One is thrown out and goes on running: with all that was ever in
 * its journal it opens nothing of what it hears, while the journal of one who
 * stayed opens it.
 */
#include "real.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/manifest.h"
#include "muster/scheme.h"
#include "muster/tick.h"

#define HEARD_MAX 64
#define ANNOUNCE 0x41
#define ANNOUNCE_HEAD 16 /* bytes: kind, session, id 4, fragment, of, tag 8 */

struct heard {
    uint8_t object[MU_ANNOUNCE_MAX];
    size_t len;
};

struct club {
    struct lab *lab;
    char at[2][64];    /* where the gateways listen */
    char group[2][64]; /* of their areas */
    int ear;           /* in the area of the first */
    struct heard heard[HEARD_MAX];
    unsigned len;
    /* the object in assembly */
    uint8_t id[4], bits[32];
    uint8_t object[MU_ANNOUNCE_MAX];
};

static const char *const fast[] = {
    "--keepalive-ms", "500", "--idle-ms", "3000", "--handshake-ms", "3000",
    "--answer-ms", "3000", "--ack-timeout-ms", "300", "--json", "--iface",
    "lo", NULL,
};

static void key_text(char hex[65], unsigned n)
{
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", (n * 37 + i * 11 + 5) & 255);
}

static struct lab_prog *start(struct lab *lab, const char *name, ...)
{
    const char *words[LAB_ARGS_MAX];
    size_t n = 0;
    va_list ap;
    va_start(ap, name);
    for (const char *w; (w = va_arg(ap, const char *)) != NULL;)
        words[n++] = w;
    va_end(ap);
    for (size_t i = 0; fast[i] != NULL; i++)
        words[n++] = fast[i];
    words[n] = NULL;
    return lab_start(lab, name, words);
}

/* Devices first .. last of a gateway, in one process. */
static struct lab_prog *devices(struct club *c, const char *name, unsigned g,
                                unsigned first, unsigned last)
{
    char text[2048], csv[64], count[8], hook[160], hex[65];
    size_t len = (size_t)snprintf(text, sizeof text, "identity,key\n");
    struct lab_prog *p;
    for (unsigned i = first; i <= last; i++) {
        key_text(hex, i);
        len += (size_t)snprintf(text + len, sizeof text - len, "dev-%u,%s\n",
                                i, hex);
    }
    snprintf(csv, sizeof csv, "%s.csv", name);
    snprintf(count, sizeof count, "%u", last - first + 1);
    snprintf(hook, sizeof hook, "cp \"$1\" %s/got-$MUSTER_IDENTITY",
             c->lab->dir);
    lab_write(lab_path(c->lab, csv), text, len, 0600);
    p = start(c->lab, name, "device", "--count", count, "--key-file",
              lab_path(c->lab, csv), "--gateway", c->at[g], "--state",
              lab_path(c->lab, name), "--hook", hook, NULL);
    for (unsigned i = first; i <= last; i++)
        lab_wait(p, "{'event': 'ready'}");
    return p;
}

static int ear_open(const char *group)
{
    char address[64];
    struct ip_mreqn join = {.imr_ifindex = 1};
    struct sockaddr_in to = {.sin_family = AF_INET};
    const int one = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    snprintf(address, sizeof address, "%s", group);
    char *colon = strchr(address, ':');
    *colon = '\0';
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
    join.imr_multiaddr = to.sin_addr;
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join,
                                sizeof join), 0);
    return fd;
}

static void club_open(struct club *c, struct lab *lab, const char *scheme,
                      const char *more, const char *number)
{
    char hex[65], text[2048];
    size_t len = (size_t)snprintf(text, sizeof text, "identity,key,gateway\n");
    *c = (struct club){.lab = lab};
    lab_serve(lab, NULL);
    for (unsigned i = 1; i <= 12; i++) {
        key_text(hex, i);
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "dev-%u,%s,gw-%u\n", i, hex, i <= 6 ? 1 : 2);
    }
    lab_write(lab_path(lab, "all.csv"), text, len, 0600);
    for (unsigned g = 0; g < 2; g++) {
        char id[8], file[16];
        snprintf(id, sizeof id, "gw-%u", g + 1);
        snprintf(file, sizeof file, "gw-%u.key", g + 1);
        key_text(hex, 100 + g);
        lab_write(lab_path(lab, file), hex, 64, 0600);
        assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", id,
                                  "--key-file", lab_path(lab, file), NULL), 0);
        snprintf(c->group[g], sizeof c->group[g], "239.78.%u.%u:%u",
                 (unsigned)getpid() >> 8 & 255, (unsigned)getpid() & 255,
                 20000 + ((unsigned)getpid() * 2 + g) % 20000);
        struct lab_prog *p = start(
            lab, id, "gateway", "--id", id, "--key-file", lab_path(lab, file),
            "--server", lab->server, "--listen", "127.0.0.1:0", "--area-group",
            c->group[g], "--state", lab_path(lab, id), NULL);
        snprintf(c->at[g], sizeof c->at[g], "%s",
                 real_text(lab_wait(p, "{'event': 'ready'}"), "listen"));
    }
    assert_int_equal(lab_verb(lab, NULL, "device", "import",
                              lab_path(lab, "all.csv"), NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "all", "--scheme",
                              scheme, more, number, NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "add", "all", "--all", NULL),
                     0);
    c->ear = ear_open(c->group[0]);
}

/* What the group is like, once all members of it have its newest key and that
 * is another one than `before`. */
static long long club_keyed(struct club *c, unsigned members, long long before)
{
    uint64_t until = lab_now() + LAB_PATIENCE_MS;

    while (lab_now() < until) {
        json_t *rows = NULL;
        const json_t *g;
        long long generation;
        assert_int_equal(lab_verb(c->lab, &rows, "group", "list", NULL), 0);
        g = json_array_get(rows, 0);
        generation = real_number(g, "generation");
        if (real_number(g, "members") == members &&
            real_number(g, "current") == members &&
            real_number(g, "dormant") == 0 && generation != before) {
            json_decref(rows);
            return generation;
        }
        json_decref(rows);
    }
    fail_msg("not all members have the key");
    return 0;
}

/* ---- what is heard ------------------------------------------------------------- */

static void hear_fragment(struct club *c, const uint8_t *p, size_t len)
{
    const size_t size = len - ANNOUNCE_HEAD;
    const uint8_t at = p[6], of = p[7];
    struct heard *h = &c->heard[c->len];
    bool all = true;
    if (memcmp(c->id, p + 2, 4) != 0) {
        memcpy(c->id, p + 2, 4);
        memset(c->bits, 0, sizeof c->bits);
        h->len = 0;
    }
    /* All but the last are as long as the first. */
    size_t offset = at + 1 == of && of > 1 ? h->len - size : at * size;
    if (at + 1 < of || of == 1)
        h->len = of == 1 ? size : (size_t)of * size;
    if (at + 1 == of && of > 1) {
        if (c->bits[0] == 0)
            return; /* the size is not known yet: it comes again */
        offset = at * (h->len / of);
        h->len = offset + size;
    }
    if (offset + size > sizeof c->object)
        return;
    memcpy(c->object + offset, p + ANNOUNCE_HEAD, size);
    c->bits[at / 8] |= (uint8_t)(1u << at % 8);
    for (uint8_t i = 0; i < of; i++)
        all = all && (c->bits[i / 8] >> i % 8 & 1) != 0;
    if (!all || c->len + 1 >= HEARD_MAX)
        return;
    for (unsigned i = 0; i < c->len; i++)
        if (c->heard[i].len == h->len &&
            memcmp(c->heard[i].object, c->object, h->len) == 0)
            return;
    memcpy(h->object, c->object, h->len);
    c->len++;
    c->heard[c->len].len = 0;
    memset(c->id, 0, sizeof c->id);
}

static void hear(struct club *c)
{
    uint8_t packet[2048];
    ssize_t len;
    while ((len = recv(c->ear, packet, sizeof packet, 0)) > 0)
        if (len > ANNOUNCE_HEAD + MU_TICK_LEN && packet[0] == ANNOUNCE)
            hear_fragment(c, packet, (size_t)len - MU_TICK_LEN);
}

/* The rekey parts among it; at most `max`. */
static unsigned parts_heard(const struct club *c, struct mu_bytes *parts,
                            unsigned max)
{
    unsigned n = 0;
    for (unsigned i = 0; i < c->len && n < max; i++) {
        enum mu_announce_kind kind;
        struct mu_manifest m;
        if (mu_announce_peek(mu_bytes(c->heard[i].object, c->heard[i].len),
                             &kind, &m) == 0 &&
            kind == MU_ANNOUNCE_INLINE && m.content_kind == MU_CONTENT_REKEY)
            parts[n++] = m.content;
    }
    return n;
}

/* Every state that stands anywhere in a journal, on every part: how often one
 * opens, and the last key. */
static unsigned journal_opens(const char *path, const struct mu_bytes *parts,
                              unsigned parts_len, struct mu_secret *key)
{
    size_t len;
    char *journal = real_read(path, &len);
    unsigned opened = 0;
    assert_non_null(journal);
    for (size_t at = 0; at + MU_MEMBER_HEAD_LEN <= len; at++) {
        const uint8_t *from = (const uint8_t *)journal + at;
        if ((from[0] & 0xf0) != 0x70 || from[1] != MU_KEY_KB)
            continue;
        for (size_t n = MU_MEMBER_HEAD_LEN; n <= 4096 && at + n <= len; n++) {
            for (unsigned i = 0; i < parts_len; i++) {
                uint8_t state[4096], part[MU_INLINE_CONTENT_MAX];
                struct mu_member m;
                struct mu_kid kid;
                memcpy(state, from, n);
                memcpy(part, parts[i].data, parts[i].len);
                if (mu_member_init(&m, mu_crypto_openssl(), state, n,
                                   sizeof state) != 0)
                    break;
                opened += mu_member_open(&m, part, parts[i].len, &kid, key) ==
                          0;
            }
        }
    }
    free(journal);
    return opened;
}

static void copy_file(const char *from, const char *to)
{
    size_t len;
    char *all = real_read(from, &len);
    assert_non_null(all);
    lab_write(to, all, len, 0600);
    free(all);
}

/* ---- the tests ------------------------------------------------------------------ */

static void leave(struct lab *lab, const char *scheme, const char *more,
                  const char *number)
{
    static struct club club;
    struct club *c = &club;
    struct mu_bytes parts[HEARD_MAX];
    struct mu_secret key = {.len = 0};
    const char *file = lab_path(lab, "picture");
    char stayed[256], was[256], left[256];
    struct lab_prog *thief;
    json_t *out = NULL;
    unsigned n;
    long long first;
    club_open(c, lab, scheme, more, number);
    devices(c, "ones", 0, 1, 5);
    thief = devices(c, "thief", 0, 6, 6);
    devices(c, "others", 1, 7, 12);
    first = club_keyed(c, 12, 0);
    hear(c);
    c->len = 0;
    snprintf(stayed, sizeof stayed, "%s", lab_path(lab, "ones/dev-2/journal"));
    snprintf(left, sizeof left, "%s", lab_path(lab, "thief/dev-6/journal"));
    snprintf(was, sizeof was, "%s", lab_path(lab, "journal-before"));
    copy_file(stayed, was);
    assert_int_equal(lab_verb(lab, NULL, "group", "remove", "all", "dev-6",
                              NULL), 0);
    club_keyed(c, 11, first);
    hear(c);
    n = parts_heard(c, parts, HEARD_MAX);
    assert_true(n > 0);
    /* Who stayed opens it, with what it had before. */
    assert_true(journal_opens(was, parts, n, &key) > 0);
    assert_true(mu_secret_is_set(&key));
    assert_int_equal(key.len, 32);
    /* What is sent now reaches all the others, and not the one who left. */
    lab_file(file, 20000, 7);
    assert_int_equal(lab_verb(lab, &out, "push", file, "--group", "all",
                              "--deadline", "60s", NULL), 0);
    json_decref(out);
    for (unsigned i = 1; i <= 12; i++) {
        char got[32];
        snprintf(got, sizeof got, "got-dev-%u", i);
        if (i == 6)
            assert_int_equal(access(lab_path(lab, got), F_OK), -1);
        else
            assert_true(lab_same(lab_path(lab, got), file));
    }
    hear(c);
    n = parts_heard(c, parts, HEARD_MAX);
    assert_int_equal(lab_end(thief, SIGTERM), 0);
    {
        size_t len;
        char *journal = real_read(left, &len);
        struct mu_secret none = {.len = 0};
        assert_non_null(journal);
        assert_true(memmem(journal, len, key.bytes, key.len) == NULL);
        free(journal);
        assert_int_equal(journal_opens(left, parts, n, &none), 0);
        /* It did have a state, which opened something in its time. */
        journal = real_read(stayed, &len);
        assert_true(memmem(journal, len, key.bytes, key.len) != NULL);
        free(journal);
    }
    close(c->ear);
}

static void test_sd(void **state)
{
    leave(*state, "sd", "--members-max", "100");
}

static void test_lkh(void **state)
{
    leave(*state, "lkh", "--degree", "3");
}

/* Killed right after each wish was answered, and again while it makes up for
 * it: nothing is lost, and nobody is left behind. */
static void test_killed(void **state)
{
    struct lab *lab = *state;
    static struct club club;
    const char *file = lab_path(lab, "picture");
    unsigned members = 12;
    long long last;
    club_open(&club, lab, "sd", "--key-deadline", "20");
    devices(&club, "ones", 0, 1, 6);
    devices(&club, "others", 1, 7, 12);
    last = club_keyed(&club, 12, 0);
    for (unsigned n = 1; n <= 4; n++) {
        char id[16];
        snprintf(id, sizeof id, "dev-%u", n == 4 ? 2 : n + 1);
        assert_int_equal(lab_verb(lab, NULL, "group",
                                  n == 4 ? "add" : "remove", "all", id, NULL),
                         0);
        members += n == 4 ? 1u : (unsigned)-1;
        lab_end(lab->serve, SIGKILL);
        lab_serve(lab, NULL);
        if (n % 2 == 0) {
            real_logged(lab, "serve", "rekey");
            lab_end(lab->serve, SIGKILL);
            lab_serve(lab, NULL);
        }
        last = club_keyed(&club, members, last);
    }
    lab_file(file, 5000, 3);
    assert_int_equal(lab_verb(lab, NULL, "push", file, "--group", "all",
                              "--deadline", "60s", NULL), 0);
    for (unsigned i = 1; i <= 12; i++) {
        char got[32];
        snprintf(got, sizeof got, "got-dev-%u", i);
        if (i == 3 || i == 4)
            assert_int_equal(access(lab_path(lab, got), F_OK), -1);
        else
            assert_true(lab_same(lab_path(lab, got), file));
    }
    close(club.ear);
}

/* explain and trace as a person calls them. */
static void test_words(void **state)
{
    struct lab *lab = *state;
    static struct club club;
    static struct real_said said;
    char journal[256];
    club_open(&club, lab, "sd", "--leaves-per-day", "2");
    devices(&club, "ones", 0, 1, 6);
    devices(&club, "others", 1, 7, 12);
    club_keyed(&club, 12, 0);
    assert_int_equal(real_ask(lab, &said, "group", "explain", "all", NULL), 0);
    assert_non_null(strstr(said.out, "<- in use"));
    assert_non_null(strstr(said.out, "auto takes"));
    assert_non_null(strstr(said.out, "exactly, from the trees of this group "
                                     "(12 members)"));
    assert_null(strstr(said.out, "leave at once"));
    assert_int_equal(real_ask(lab, &said, "group", "explain", "all",
                              "--leavers", "3", NULL), 0);
    assert_non_null(strstr(said.out, "  3 leave at once"));
    assert_int_equal(real_ask(lab, &said, "group", "explain", "all",
                              "--leavers", "13", NULL), 1);
    assert_int_equal(real_ask(lab, &said, "group", "show", "all", NULL), 0);
    assert_non_null(strstr(said.out, "scheme sd"));
    snprintf(journal, sizeof journal, "%s",
             lab_path(lab, "others/dev-9/journal"));
    assert_int_equal(real_ask(lab, &said, "group", "trace", "all", journal,
                              NULL), 0);
    assert_non_null(strstr(said.out, "dev-9\n"));
    assert_null(strstr(said.out, "dev-1\n"));
    assert_null(strstr(said.out, "earlier trees"));
    /* A file with none of its keys, one that is not there, no such group. */
    assert_int_equal(real_ask(lab, &said, "group", "trace", "all",
                              lab_path(lab, "all.csv"), NULL), 0);
    assert_non_null(strstr(said.out, "no key of this group"));
    assert_int_equal(real_ask(lab, &said, "group", "trace", "all",
                              lab_path(lab, "nothing"), NULL), 1);
    assert_int_equal(real_ask(lab, &said, "group", "trace", "none", journal,
                              NULL), 1);
    /* Wishes that cannot be say why. */
    assert_int_equal(real_ask(lab, &said, "group", "create", "g", "--scheme",
                              "tree", NULL), 1);
    assert_non_null(strstr(said.err, "unicast, cluster, ladder"));
    assert_int_equal(real_ask(lab, &said, "group", "create", "g", "--scheme",
                              "sd", "--mode", "option-1", NULL), 1);
    assert_non_null(strstr(said.err, "end-to-end"));
    assert_int_equal(real_ask(lab, &said, "group", "create", "g", "--scheme",
                              "cluster", NULL), 1);
    assert_non_null(strstr(said.err, "clusters"));
    assert_int_equal(real_ask(lab, &said, "group", "add", "all", "dev-1",
                              "--level", "x", NULL), 1);
    close(club.ear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_sd),
        REAL_TEST(test_lkh),
        REAL_TEST(test_killed),
        REAL_TEST(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
