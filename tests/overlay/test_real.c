/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks without multicast, by the real programs: copies to devices, the way
 * chosen by cost, relays that come and go, lose, lie, or are somebody else.
 */
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/keys.h"
#include "net/tunnel.h"
#include "real.h"

#define RELAY_KEY "a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0"

static long long counter(struct lab_prog *p, const char *socket,
                         const char *name)
{
    const json_t *line;

    p->seen = 0;
    line = lab_wait(p, "{'event': 'counters'}");
    return real_number(json_object_get(line, socket), name);
}

/* ---- one area ------------------------------------------------------------ */

static void area(struct lab *lab, unsigned devices, const char *const extra[])
{
    lab_keys(lab, devices);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, extra);
    lab_devices(lab, devices, NULL);
    real_connected(lab, devices);
}

static void test_area_by_copies(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    area(lab, 3, (const char *const[]){ "--area-group", "unicast", NULL });
    lab_file(file, 100000, 1);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 3, file);
    /* Each device heard it at its own port, and no group was joined. */
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    assert_int_equal(counter(lab->dev, "area_group", "rx_packets"), 0);
    assert_true(counter(lab->dev, "area_port", "rx_bytes") > 100000);
    assert_int_equal(lab_end(lab->gw, SIGTERM), 0);
    assert_true(counter(lab->gw, "area_port", "tx_bytes") > 300000);
}

static void test_copies_and_losses(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){ "--area-group", "unicast", NULL });
    lab_devices(lab, 2, (const char *const[]){ "--drop-in", "20", NULL });
    real_connected(lab, 2);
    lab_file(file, 60000, 2);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
    /* What one of them lost went to that one. */
    json_t *report = real_report(lab, id);
    const json_t *area = json_array_get(json_object_get(report, "areas"), 0);

    assert_true(real_number(area, "alone") > 0);
    assert_true(real_number(area, "alone") <= real_number(area, "repair"));
    json_decref(report);
}

/* Few devices get copies; when there are more, it is multicast. */
static void test_by_cost(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    lab_keys(lab, 4);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){ "--multicast-cost", "3", NULL });
    lab_devices(lab, 2, NULL);
    real_connected(lab, 2);
    const json_t *way = lab_wait(lab->gw, "{'event': 'way', 'way': 'copies'}");

    assert_int_equal(real_number(way, "copies_cost"), 1);
    assert_int_equal(real_number(way, "multicast_cost"), 3);
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    lab_devices(lab, 4, NULL);
    lab_wait(lab->gw, "{'event': 'way', 'way': 'multicast', 'copies_cost': 3}");
    lab_file(file, 60000, 3);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 4, file);
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    assert_true(counter(lab->dev, "area_group", "rx_bytes") > 60000);
}

static void test_usage(void **state)
{
    struct lab *lab = *state;
    struct real_said said;
    const char *keys = lab_path(lab, "relays");

    lab_keys(lab, 1);
    lab_write(keys, "east," RELAY_KEY ",10.0.0.0/8\n",
              strlen("east," RELAY_KEY ",10.0.0.0/8\n"), 0600);
    /* Relays send to a group, so there has to be one. */
    assert_int_equal(real_say(lab, &said, "serve", "--state",
                              lab_path(lab, "server"), "--listen",
                              "127.0.0.1:0", "--http", "127.0.0.1:0",
                              "--wide-group", "unicast", "--relay-listen",
                              "127.0.0.1:0", "--relays", keys, NULL), 1);
    assert_non_null(strstr(said.err, "multicast group"));
    assert_int_equal(real_say(lab, &said, "serve", "--state",
                              lab_path(lab, "server"), "--listen",
                              "127.0.0.1:0", "--http", "127.0.0.1:0",
                              "--wide-group", lab->group, "--relay-listen",
                              "127.0.0.1:0", NULL), 1);
    lab_write(keys, "east," RELAY_KEY "\n", strlen("east," RELAY_KEY "\n"),
              0600);
    assert_int_equal(real_say(lab, &said, "serve", "--state",
                              lab_path(lab, "server"), "--listen",
                              "127.0.0.1:0", "--http", "127.0.0.1:0",
                              "--wide-group", lab->group, "--relay-listen",
                              "127.0.0.1:0", "--relays", keys, NULL), 1);
    assert_non_null(strstr(said.err, "identity,key,network"));
    assert_int_equal(real_say(lab, &said, "relay", "--id", "east",
                              "--key-file", keys, NULL), 1);
    assert_int_equal(real_say(lab, &said, "relay", "--id", "west",
                              "--key-file", keys, "--from", "127.0.0.1:9",
                              NULL), 1);
    assert_non_null(strstr(said.err, "no key of this identity"));
}

/* ---- a network behind a relay --------------------------------------------- */

struct net {
    struct lab_prog *gws[2], *devs[2], *relay;
    char relays[64]; /* where the server listens for them */
    char id[32];
    const char *file;
};

/* Gateways and their one device each are where multicast of the server does not
 * reach: with nobody else there, it casts nothing itself. */
static void behind_relay(struct lab *lab, struct net *n, const char *rate)
{
    static const char rows[] = "east," RELAY_KEY ",127.0.0.0/8\n";
    char wide[64], text[512], key[65];
    unsigned pid = (unsigned)getpid();
    int len;

    for (unsigned i = 0; i < 32; i++)
        snprintf(key + 2 * i, 3, "%02x", i + 3);
    lab_write(lab_path(lab, "relays"), rows, sizeof(rows) - 1, 0600);
    lab_write(lab_path(lab, "relay.key"), RELAY_KEY, 64, 0600);
    lab_write(lab_path(lab, "gw.key"), key, 64, 0600);
    len = snprintf(text, sizeof(text), "identity,key,gateway,groups\n"
                   "dev-1,%s,gw-1,all\ndev-2,%s,gw-2,all\n", key, key);
    lab_write(lab_path(lab, "devices.csv"), text, (size_t)len, 0600);
    snprintf(wide, sizeof(wide), "239.78.%u.%u:%u", pid >> 8 & 255, pid & 255,
             19000 + pid % 1000);
    lab_serve(lab, (const char *const[]){
        "--wide-group", wide, "--relay-listen", "127.0.0.1:0", "--relays",
        lab_path(lab, "relays"), "--multicast-cost", "1", "--rate", rate,
        NULL });
    snprintf(n->relays, sizeof(n->relays), "%s", real_text(
        json_array_get(lab->serve->lines, 0), "relay_listen"));
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "all", NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        char name[8], area_group[96], dir[16], log[16];

        snprintf(name, sizeof(name), "gw-%u", i + 1);
        snprintf(dir, sizeof(dir), "gateway-%u", i + 1);
        snprintf(log, sizeof(log), "gateway-%u", i + 1);
        snprintf(area_group, sizeof(area_group), "239.79.%u.%u:%u",
                 pid & 255, i, 18000 + pid % 1000);
        assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", name,
                                  "--key-file", lab_path(lab, "gw.key"), NULL),
                         0);
        n->gws[i] = lab_start(lab, log, (const char *const[]){
            "gateway", "--id", name, "--key-file", lab_path(lab, "gw.key"),
            "--server", lab->server, "--listen", "127.0.0.1:0",
            "--area-group", area_group, "--state", lab_path(lab, dir),
            "--iface", "lo", LAB_FAST, NULL });
        snprintf(text, sizeof(text), "%s", real_text(
            lab_wait(n->gws[i], "{'event': 'ready'}"), "listen"));
        snprintf(name, sizeof(name), "dev-%u", i + 1);
        snprintf(dir, sizeof(dir), "device-%u", i + 1);
        snprintf(area_group, sizeof(area_group), "cp \"$1\" %s/got-%s",
                 lab->dir, name);
        n->devs[i] = lab_start(lab, dir, (const char *const[]){
            "device", "--id", name, "--key-file",
            lab_path(lab, "devices.csv"), "--gateway", text, "--state",
            lab_path(lab, dir), "--iface", "lo", "--hook", area_group,
            LAB_FAST, NULL });
    }
    assert_int_equal(lab_verb(lab, NULL, "device", "import",
                              lab_path(lab, "devices.csv"), NULL), 0);
    n->file = lab_path(lab, "firmware");
    lab_file(n->file, 200000, 7);
    for (unsigned i = 0; i < 2; i++)
        lab_wait(n->devs[i], "{'event': 'status', 'connected': true}");
}

static void relay(struct lab *lab, struct net *n, const char *const extra[])
{
    const char *words[24] = {
        "relay", "--id", "east", "--key-file", lab_path(lab, "relay.key"),
        "--from", n->relays, "--iface", "lo", "--json", "--log", "debug",
    };

    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++)
        words[12 + i] = extra[i];
    n->relay = lab_start(lab, "relay", words);
    lab_wait(n->relay, "{'event': 'ready'}");
}

static void way(struct lab *lab, const char *is)
{
    char pattern[96];

    snprintf(pattern, sizeof(pattern), "{'event': 'way', 'network': 'east', "
             "'way': '%s'}", is);
    lab_wait(lab->serve, pattern);
}

static void done(struct lab *lab, struct net *n)
{
    real_ends(lab, n->id, 0);
    lab_got(lab, 2, n->file);
}

static void test_through_a_relay(void **state)
{
    struct lab *lab = *state;
    struct net n;

    behind_relay(lab, &n, "0");
    relay(lab, &n, NULL);
    way(lab, "tunnel");
    real_push(lab, n.id, n.file, NULL);
    done(lab, &n);
    /* Once through the tunnel, though two gateways have it. */
    assert_int_equal(lab_end(lab->serve, SIGTERM), 0);
    assert_true(counter(lab->serve, "relays", "tx_bytes") > 200000);
    assert_true(counter(lab->serve, "relays", "tx_bytes") < 400000);
    assert_int_equal(counter(lab->serve, "wide_port", "tx_packets"), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(lab_end(n.gws[i], SIGTERM), 0);
        assert_true(counter(n.gws[i], "wide_group", "rx_bytes") > 200000);
    }
}

/* Gone in the middle: copies; back: the tunnel again. Nobody is told. */
static void test_relay_killed(void **state)
{
    struct lab *lab = *state;
    struct net n;

    behind_relay(lab, &n, "30000");
    lab_file(n.file, 90000, 7); /* three seconds */
    relay(lab, &n, NULL);
    way(lab, "tunnel");
    real_push(lab, n.id, n.file, NULL);
    lab_wait(n.devs[0], "{'event': 'status', 'receiving': true}");
    assert_int_equal(lab_end(n.relay, SIGKILL), -SIGKILL);
    way(lab, "copies");
    done(lab, &n);
    relay(lab, &n, NULL);
    way(lab, "tunnel");
    lab_file(n.file, 30000, 8);
    real_push(lab, n.id, n.file, NULL);
    done(lab, &n);
    assert_int_equal(lab_end(lab->serve, SIGTERM), 0);
    assert_true(counter(lab->serve, "wide_port", "tx_packets") > 0);
    assert_true(counter(lab->serve, "relays", "tx_packets") > 0);
}

/* The same between a gateway and devices in another network. */
static void test_relay_of_a_gateway(void **state)
{
    static const char rows[] = "east," RELAY_KEY ",127.0.0.0/8\n";
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct net n;
    char id[32];

    lab_keys(lab, 4);
    lab_write(lab_path(lab, "relays"), rows, sizeof(rows) - 1, 0600);
    lab_write(lab_path(lab, "relay.key"), RELAY_KEY, 64, 0600);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){
        "--relay-listen", "127.0.0.1:0", "--relays", lab_path(lab, "relays"),
        "--multicast-cost", "1", NULL });
    snprintf(n.relays, sizeof(n.relays), "%s", real_text(
        json_array_get(lab->gw->lines, 0), "relay_listen"));
    relay(lab, &n, NULL);
    lab_devices(lab, 4, NULL);
    real_connected(lab, 4);
    lab_wait(lab->gw, "{'event': 'way', 'network': 'east', 'way': 'tunnel'}");
    lab_file(file, 100000, 6);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 4, file);
    assert_int_equal(lab_end(lab->gw, SIGTERM), 0);
    assert_int_equal(counter(lab->gw, "area_port", "tx_packets"), 0);
    assert_true(counter(lab->gw, "relays", "tx_bytes") < 200000);
}

static void test_relay_loses(void **state)
{
    struct lab *lab = *state;
    struct net n;

    behind_relay(lab, &n, "100000");
    relay(lab, &n, (const char *const[]){ "--drop-in", "30", NULL });
    way(lab, "tunnel");
    real_push(lab, n.id, n.file, NULL);
    done(lab, &n);
    real_logged(lab, "serve", "event=relay-loses relay=east");
}

static void test_wrong_key(void **state)
{
    struct lab *lab = *state;
    struct net n;
    char other[65] = RELAY_KEY;

    other[0] = 'b';
    behind_relay(lab, &n, "0");
    lab_write(lab_path(lab, "relay.key"), other, 64, 0600);
    relay(lab, &n, NULL);
    real_logged(lab, "serve", "event=relay-refused error=AUTH");
    real_push(lab, n.id, n.file, NULL);
    done(lab, &n); /* by copies */
    assert_null(lab_wait_for(n.relay, "{'event': 'status'}", 50));
    assert_int_equal(lab_end(n.relay, SIGTERM), 0);
}

/* ---- hands in the tunnel -------------------------------------------------- */

static int socket_at(struct mu_addr *self)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(self->in6);

    assert_int_equal(mu_addr_parse("127.0.0.1:0", self), 0);
    assert_int_equal(bind(fd, &self->sa, self->len), 0);
    assert_int_equal(getsockname(fd, &self->sa, &len), 0);
    return fd;
}

/* A relay that has the key, and changes every third packet, or keeps all and says
 * that it does not. It runs until it is killed, or the test ends. */
static void evil_run(const struct mu_addr *head, bool keeps)
{
    const struct mu_crypto *crypto = mu_crypto_openssl();
    struct mu_tunnel_end end;
    struct mu_secret root, raw = { .len = 32 };
    struct mu_addr self, group = { 0 };
    int fd = socket_at(&self);
    unsigned count = 0;

    for (unsigned i = 0; i < 32; i++)
        raw.bytes[i] = (uint8_t)(0xa1 + i);
    if (mu_kmr_from(crypto, mu_secret_view(&raw), &root) != 0 ||
        mu_tunnel_end_init(&end, crypto, "east", &root) != 0)
        _exit(1);
    /* By the clock: the sender gives up one that says nothing for a while. */
    for (uint64_t now, start = lab_now(); (now = lab_now() - start) < 120000;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        uint8_t room[2048];
        struct mu_writer w = mu_writer(room, sizeof(room));
        struct mu_bytes packet;

        if (mu_tunnel_end_run(&end, now, &w) == 0 && w.len > 0)
            sendto(fd, room, w.len, 0, &head->sa, head->len);
        while (poll(&p, 1, 5) == 1) {
            ssize_t len = recv(fd, room, sizeof(room), 0);

            if (len <= 0 || mu_tunnel_end_take(&end, now, mu_bytes(room,
                                               (size_t)len), &packet) != 0)
                break;
            if (packet.len == 0)
                break;
            if (group.len == 0 && mu_addr_parse(end.group, &group) != 0)
                _exit(1);
            memmove(room, packet.data, packet.len);
            if (++count % 3 == 0)
                room[packet.len / 2] ^= 1;
            if (!keeps)
                sendto(fd, room, packet.len, 0, &group.sa, group.len);
            end.said.emitted++;
        }
    }
    _exit(0);
}

static void test_relay_that_changes(void **state)
{
    struct lab *lab = *state;
    struct mu_addr head;
    struct net n;
    pid_t pid;

    behind_relay(lab, &n, "100000");
    assert_int_equal(mu_addr_parse(n.relays, &head), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        evil_run(&head, false);
    }
    way(lab, "tunnel");
    real_push(lab, n.id, n.file, NULL);
    done(lab, &n);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    /* Every changed packet was found by the check of its hash or tag. */
    assert_int_equal(lab_end(n.gws[0], SIGTERM), 0);
    assert_true(real_has(lab_path(lab, "gateway-1.log"), "error=AUTH") ||
                counter(n.gws[0], "wide_group", "rx_packets") > 250);
}

/* Its receivers ask and hear nothing: they get copies, and the log says why. */
static void test_relay_that_keeps(void **state)
{
    struct lab *lab = *state;
    struct mu_addr head;
    struct net n;
    pid_t pid;

    behind_relay(lab, &n, "100000");
    assert_int_equal(mu_addr_parse(n.relays, &head), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        evil_run(&head, true);
    }
    way(lab, "tunnel");
    real_push(lab, n.id, n.file, NULL);
    real_logged(lab, "serve", "event=relay-loses relay=east why=");
    way(lab, "copies");
    done(lab, &n);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* A stranger sends to the relay and to the sender, whatever it likes. */
static void test_forged(void **state)
{
    struct lab *lab = *state;
    struct mu_addr head, self;
    struct net n;
    int fd;

    behind_relay(lab, &n, "100000");
    relay(lab, &n, NULL);
    way(lab, "tunnel");
    assert_int_equal(mu_addr_parse(n.relays, &head), 0);
    fd = socket_at(&self);
    real_push(lab, n.id, n.file, NULL);
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t bad[200];

        for (unsigned k = 0; k < sizeof(bad); k++)
            bad[k] = (uint8_t)(i * 31 + k * 7);
        bad[0] = (uint8_t)(MU_TUNNEL_JOIN + i % 6);
        sendto(fd, bad, 1 + i % sizeof(bad), 0, &head.sa, head.len);
    }
    done(lab, &n);
    close(fd);
    assert_int_equal(lab_end(n.relay, SIGTERM), 0);
    assert_true(json_integer_value(json_object_get(
        (n.relay->seen = 0, lab_wait(n.relay, "{'event': 'counters'}")),
        "refused")) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_area_by_copies), REAL_TEST(test_copies_and_losses),
        REAL_TEST(test_by_cost), REAL_TEST(test_usage),
        REAL_TEST(test_through_a_relay), REAL_TEST(test_relay_killed),
        REAL_TEST(test_relay_of_a_gateway), REAL_TEST(test_relay_loses),
        REAL_TEST(test_wrong_key), REAL_TEST(test_relay_that_changes),
        REAL_TEST(test_relay_that_keeps), REAL_TEST(test_forged),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
