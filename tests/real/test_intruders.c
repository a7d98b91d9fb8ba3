/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who should not be there: a device with a wrong key or a stranger's name, two
 * with one name; packets that were heard before, cut, made longer, or said
 * twice; and a member that has the area's key. The campaign ends all the same.
 */
#include "real.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/tick.h"

static struct lab_prog *device(struct lab *lab, const char *id,
                               const char *keys, const char *dir)
{
    const char *const words[] = {
        "device", "--id", id, "--key-file", keys, "--gateway", lab->gateway,
        "--state", lab_path(lab, dir), "--iface", lab->iface, "--handshake-ms",
        "1200", "--keepalive-ms", "500", "--json", "--log", "debug", NULL,
    };

    return lab_start(lab, dir, words);
}

static const char *foreign_key(struct lab *lab)
{
    const char *path = lab_path(lab, "foreign.key");
    char hex[64];

    memset(hex, 'a', sizeof(hex));
    lab_write(path, hex, sizeof(hex), 0600);
    return path;
}

static void never_linked(const struct lab_prog *p)
{
    size_t i;
    json_t *line;

    json_array_foreach(p->lines, i, line) {
        assert_false(json_is_true(json_object_get(line, "linked")));
        assert_false(json_is_true(json_object_get(line, "up")));
    }
}

/* Neither gets in, the gateway says who tried, and the rest is not touched. */
static void test_wrong_key_and_stranger(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct lab_prog *wrong, *stranger;
    json_t *r = NULL;

    real_fleet(lab, 2);
    lab_end(lab->dev, SIGTERM);
    lab_devices(lab, 1, NULL);
    wrong = device(lab, "dev-2", foreign_key(lab), "wrong");
    stranger = device(lab, "nobody", foreign_key(lab), "stranger");
    lab_wait(wrong, "{'event': 'link', 'up': false}");
    lab_wait(stranger, "{'event': 'link', 'up': false}");
    lab_file(file, 30000, 1);
    assert_int_equal(lab_verb(lab, &r, "push", file, "--group", "all",
                              "--deadline", "4s", "--quorum", "50", NULL), 2);
    assert_true(real_missing(r, "dev-2"));
    assert_null(real_target(r, "nobody"));
    json_decref(r);
    lab_got(lab, 1, file);
    lab_end(wrong, SIGTERM);
    lab_end(stranger, SIGTERM);
    never_linked(wrong);
    never_linked(stranger);
    real_logged(lab, "wrong", "event=handshake-failed id=dev-2");
    real_logged(lab, "gateway", "event=peer-refused id=gw-1 peer=nobody");
}

/* Each takes the link from the other; the gateway says so, and the campaign
 * ends. */
static void test_twins(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct lab_prog *twin;
    char id[32];

    real_fleet(lab, 2);
    twin = device(lab, "dev-1", lab_path(lab, "devices.csv"), "twin");
    for (int i = 0; i < 3; i++)
        lab_wait(twin, "{'event': 'link', 'up': true}");
    lab_file(file, 60000, 2);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    assert_true(lab_same(lab_path(lab, "got-dev-2"), file));
    real_logged(lab, "gateway", "event=two-nodes-one-identity");
    lab_end(twin, SIGTERM);
}

/* ---- packets ----------------------------------------------------------- */

#define HEARD_MAX 4000

struct heard {
    size_t len;
    uint8_t bytes[1472];
};

static struct heard *heard;
static unsigned heard_len;

static struct sockaddr_in group_of(const struct lab *lab)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    char host[64];
    const char *colon = strrchr(lab->group, ':');

    snprintf(host, sizeof(host), "%.*s", (int)(colon - lab->group),
             lab->group);
    assert_int_equal(inet_pton(AF_INET, host, &to.sin_addr), 1);
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    return to;
}

static int listener(const struct lab *lab)
{
    struct sockaddr_in at = group_of(lab);
    struct ip_mreqn join = { .imr_multiaddr = at.sin_addr };
    int one = 1, room = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);

    join.imr_address.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join,
                                sizeof(join)), 0);
    return fd;
}

/* Takes what is there now, but for what we said. */
static void listen_now(int fd, in_port_t ours)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };

    while (heard_len < HEARD_MAX && poll(&wait, 1, 0) == 1) {
        struct heard *h = &heard[heard_len];
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(fd, h->bytes, sizeof(h->bytes), 0,
                             (struct sockaddr *)&from, &from_len);

        if (n > 0 && from.sin_port != ours) {
            h->len = (size_t)n;
            heard_len++;
        }
    }
}

static int speaker(in_port_t *port)
{
    struct ip_mreqn by = { .imr_address.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in any = { .sin_family = AF_INET };
    socklen_t len = sizeof(any);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    *port = any.sin_port;
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by,
                                sizeof(by)), 0);
    return fd;
}

/* All that was heard: again, twice, without its end, without its start, with a
 * tail, with a bit turned, and as long as a datagram may be. */
static void repeat(int fd, const struct sockaddr_in *to, unsigned first)
{
    static uint8_t bytes[60000];

    for (unsigned i = first; i < heard_len; i++) {
        size_t len = heard[i].len, lens[7] = { len, len, len - 1, len / 2, 2,
                                               len + 1, 0 };

        lens[6] = i % 64 == 0 ? sizeof(bytes) : len + 64;
        for (unsigned k = 0; k < 7; k++) {
            memset(bytes, 0, lens[k] > len ? lens[k] : len);
            memcpy(bytes, heard[i].bytes, len);
            sendto(fd, bytes, lens[k], 0, (const struct sockaddr *)to,
                   sizeof(*to));
        }
        bytes[i % len] ^= (uint8_t)(1u << i % 8);
        sendto(fd, bytes, len, 0, (const struct sockaddr *)to, sizeof(*to));
    }
}

/* The next symbols of the page that is on the air, before it says them: of the
 * right session, page and length, and wrong. */
static void foretell(int fd, const struct sockaddr_in *to)
{
    struct heard h = heard[heard_len - 1];

    for (unsigned i = h.bytes[4] + 1u; i < 64; i++) {
        h.bytes[4] = (uint8_t)i;
        h.bytes[h.len - 1 - i] ^= 1;
        sendto(fd, h.bytes, h.len, 0, (const struct sockaddr *)to,
               sizeof(*to));
    }
}

/* Until some data of a page is there, and more of it is to come: where that
 * began. */
static unsigned listen_page(int fd, in_port_t ours)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    unsigned first = heard_len, k = heard_len;

    while (heard_len < HEARD_MAX) {
        for (; k < heard_len; k++) {
            unsigned index = mu_cast_data_index(heard[k].bytes);

            if (mu_cast_is_data(heard[k].bytes[0]) && index >= 8 &&
                index < 30) {
                heard_len = k + 1; /* the last one is of that page */
                return first;
            }
        }
        assert_int_equal(poll(&wait, 1, LAB_PATIENCE_MS), 1);
        listen_now(fd, ours);
    }
    fail_msg("nothing of a page was heard");
    return first;
}

static void test_repeated(void **state)
{
    struct lab *lab = *state;
    const char *one = lab_path(lab, "one"), *two = lab_path(lab, "two");
    const json_t *line, *counts;
    struct sockaddr_in to;
    unsigned first;
    in_port_t ours;
    char id[32];
    int in, out;

    heard = calloc(HEARD_MAX, sizeof(*heard));
    heard_len = 0;
    real_fleet(lab, 2);
    to = group_of(lab);
    in = listener(lab);
    out = speaker(&ours);
    lab_file(one, 100000, 3);
    real_push(lab, id, one, NULL);
    real_ends(lab, id, 0);
    listen_now(in, ours);
    assert_true(heard_len > 100);
    lab_file(two, REAL_BYTES, 4);
    real_push(lab, id, two, NULL);
    for (unsigned page = 1; page < 5; page++) {
        real_page(lab, "dev-1", page);
        listen_now(in, ours);
        first = listen_page(in, ours);
        foretell(out, &to);
        repeat(out, &to, first);       /* of this page, just heard */
        repeat(out, &to, heard_len / 2); /* and older */
        if (page == 1)
            repeat(out, &to, 0); /* and of the campaign before */
    }
    real_ends(lab, id, 0);
    lab_got(lab, 2, two);
    close(in);
    close(out);
    free(heard);
    lab_end(lab->dev, SIGTERM);
    lab->dev->seen = 0;
    line = lab_wait(lab->dev, "{'event': 'counters', 'id': 'dev-1'}");
    counts = json_object_get(line, "heard");
    /* Much of it was heard; of the 300 packets that there are each was taken
     * once. */
    assert_true(real_number(json_object_get(line, "area_group"),
                            "rx_packets") > 2000);
    assert_in_range(real_number(counts, "accepted"), 290, 310);
    assert_true(real_number(counts, "duplicate") > 0);
    assert_true(real_number(counts, "forged") > 0);
}

/* ---- a member ----------------------------------------------------------- */

/* The newest Kg in the gateway's journal (any device of the area has it), and
 * the low byte of its generation. */
static uint8_t area_key(struct lab *lab, struct mu_secret *kctl)
{
    size_t len, at = 0;
    char *text = real_read(lab_path(lab, "gateway/journal"), &len);
    const uint8_t *j = (const uint8_t *)text;
    struct mu_secret kg;
    uint8_t low;

    for (size_t i = 0; text != NULL && i + 2 + MU_KID_LEN + 32 <= len; i++) {
        if (j[i] == 2 && j[i + 1] == 32 && j[i + 2] == MU_KEY_KG)
            at = i + 2;
    }
    assert_int_not_equal(at, 0);
    low = j[at + MU_KID_LEN - 1];
    assert_int_equal(mu_secret_set(&kg, mu_bytes(j + at + MU_KID_LEN, 32)), 0);
    free(text);
    assert_int_equal(mu_kdf(mu_crypto_openssl(), &kg, "control",
                            (struct mu_bytes){NULL, 0}, 16, kctl), 0);
    return low;
}

/* Polls and censuses in the gateway's name, which everybody is to answer: with
 * the tick of the last genuine one, and with the next, made up. */
static void pose(int fd, const struct sockaddr_in *to,
                 const struct mu_secret *kctl, uint8_t kg, unsigned round)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_tick tick = {.at = 0};
    uint8_t session = 0, none[1] = {0};

    for (unsigned i = 0; i < heard_len; i++) {
        struct mu_bytes p = mu_bytes(heard[i].bytes, heard[i].len);

        if (p.data[0] == MU_CAST_POLL &&
            mu_tick_strip(c, kctl, &p, &tick) == 0)
            session = p.data[1];
    }
    assert_int_not_equal(tick.at, 0);
    for (unsigned i = 7 * round; i < 7 * round + 7; i++) {
        struct mu_poll poll = {.session = session, .page = (uint16_t)(i % 8),
                               .round = (uint8_t)i, .flags = MU_POLL_ALL,
                               .window_ms = 4, .kg = kg};
        struct mu_census census = {.session = session,
                                   .state = MU_STATE_RUNNING, .window_ms = 4,
                                   .kg = kg, .bitmap = MU_BYTES(none)};
        uint8_t bytes[64];
        struct mu_writer w = mu_writer(bytes, sizeof(bytes));
        struct mu_tick t = tick;

        if (i % 2 == 0)
            t.value[i / 2 % 8] ^= (uint8_t)(i + 1);
        t.at = (uint16_t)(t.at + (i % 2 == 0 ? 1 + i % 9 : 0));
        assert_int_equal(i % 3 == 0
                             ? mu_census_create(c, kctl, &census, &w)
                             : mu_poll_create(c, kctl, &poll, &w), 0);
        assert_int_equal(mu_tick_append(c, kctl, &t, bytes, &w.len), 0);
        sendto(fd, bytes, w.len, 0, (const struct sockaddr *)to, sizeof(*to));
    }
}

/* With time for an answer to each. */
static void pose_for_a_while(int in, int out, in_port_t ours,
                             const struct sockaddr_in *to,
                             const struct mu_secret *kctl, uint8_t kg)
{
    const struct timespec pause = {.tv_nsec = 5000000};

    for (unsigned i = 0; i < 60; i++) {
        listen_now(in, ours);
        pose(out, to, kctl, kg, i);
        nanosleep(&pause, NULL);
    }
}

static void test_member_with_keys(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "file");
    const json_t *line;
    struct mu_secret kctl;
    struct sockaddr_in to;
    in_port_t ours;
    char id[32];
    uint8_t kg;
    int in, out;

    heard = calloc(HEARD_MAX, sizeof(*heard));
    heard_len = 0;
    real_fleet(lab, 2);
    to = group_of(lab);
    in = listener(lab);
    out = speaker(&ours);
    kg = area_key(lab, &kctl);
    lab_file(file, REAL_BYTES, 5);
    real_push(lab, id, file, NULL);
    for (unsigned page = 1; page < 5; page++) {
        real_page(lab, "dev-1", page);
        pose_for_a_while(in, out, ours, &to, &kctl, kg);
    }
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
    pose_for_a_while(in, out, ours, &to, &kctl, kg);
    close(in);
    close(out);
    free(heard);
    lab_end(lab->dev, SIGTERM);
    lab->dev->seen = 0;
    line = lab_wait(lab->dev, "{'event': 'counters', 'id': 'dev-1'}");
    /* Some thousand were heard, and the gateway's own were answered. */
    assert_true(real_number(json_object_get(line, "area_group"),
                            "rx_packets") > 2000);
    assert_in_range(real_number(json_object_get(line, "heard"), "asked"), 1,
                    60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_wrong_key_and_stranger),
        REAL_TEST(test_twins),
        REAL_TEST(test_repeated),
        REAL_TEST(test_member_with_keys),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
