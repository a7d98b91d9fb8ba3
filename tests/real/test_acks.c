/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members whose acknowledgements are false, with all keys that a member has:
 * on the loopback they speak before their devices do. The server believes none
 * of it, and everybody else is proved.
 */
#include "real.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/cast.h"
#include "muster/keys.h"

#define DEVICES 12

/* The root key of a device, from the list that the lab wrote. */
static void root_key(struct lab *lab, unsigned number, struct mu_secret *kmr)
{
    char id[32], *text = real_read(lab_path(lab, "devices.csv"), NULL), *at;
    uint8_t key[32];

    snprintf(id, sizeof(id), "dev-%u,", number);
    at = strstr(text, id);
    assert_non_null(at);
    at += strlen(id);
    for (unsigned i = 0; i < 32; i++) {
        unsigned byte;

        assert_int_equal(sscanf(at + 2 * i, "%2x", &byte), 1);
        key[i] = (uint8_t)byte;
    }
    assert_int_equal(mu_kmr_from(mu_crypto_openssl(), MU_BYTES(key), kmr), 0);
    free(text);
}

static void feedback_key(struct lab *lab, unsigned number,
                         struct mu_secret *kfb)
{
    const struct mu_crypto *crypto = mu_crypto_openssl();
    struct mu_secret kmr, khop;

    root_key(lab, number, &kmr);
    assert_int_equal(mu_khop_derive(crypto, &kmr, mu_bytes_str("gw-1"), &khop),
                     0);
    assert_int_equal(mu_kdf(crypto, &khop, "feedback", mu_bytes(NULL, 0), 16,
                            kfb), 0);
}

/* Where the gateway hears its area. */
static uint16_t feedback_port(struct lab *lab)
{
    size_t i;
    json_t *line;

    json_array_foreach(lab->gw->lines, i, line) {
        if (json_object_get(line, "area_up_port") != NULL)
            return (uint16_t)real_number(line, "area_up_port");
    }
    fail_msg("the gateway does not say its port");
    return 0;
}

static int listener(const struct lab *lab)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    struct ip_mreqn join = { .imr_address.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);
    const char *colon = strrchr(lab->group, ':');
    char host[64];

    snprintf(host, sizeof(host), "%.*s", (int)(colon - lab->group),
             lab->group);
    assert_int_equal(inet_pton(AF_INET, host, &join.imr_multiaddr), 1);
    at.sin_addr = join.imr_multiaddr;
    at.sin_port = htons((uint16_t)atoi(colon + 1));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join,
                                sizeof(join)), 0);
    return fd;
}

/* The session that is on the air. */
static uint8_t session_of(int fd)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    uint8_t bytes[1472];

    do
        assert_int_equal(poll(&wait, 1, LAB_PATIENCE_MS), 1);
    while (recv(fd, bytes, sizeof(bytes), 0) < 2 || !mu_cast_is_data(bytes[0]));
    return bytes[1];
}

/* "It runs", of the device at this place of the area, with these 16 bytes as
 * its acknowledgement, under the key of `number`. */
static void claim(struct lab *lab, unsigned number, uint8_t session,
                  uint16_t place, const uint8_t ack[MU_ACK_LEN])
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct mu_status m = { .session = session, .receiver = place,
                           .state = MU_STATE_RECEIVED | MU_STATE_VERIFIED |
                                    MU_STATE_INSTALLED | MU_STATE_RUNNING };
    uint8_t bytes[64];
    struct mu_writer w = mu_writer(bytes, sizeof(bytes));
    struct mu_secret kfb;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    to.sin_port = htons(feedback_port(lab));
    memcpy(m.ack, ack, sizeof(m.ack));
    feedback_key(lab, number, &kfb);
    assert_int_equal(mu_status_create(mu_crypto_openssl(), &kfb, &m, &w), 0);
    assert_int_equal(sendto(fd, bytes, w.len, 0, (struct sockaddr *)&to,
                            sizeof(to)), (ssize_t)w.len);
    close(fd);
}

/* What dev-`number` would have said of another campaign. */
static void old_ack(struct lab *lab, unsigned number, uint8_t ack[MU_ACK_LEN])
{
    static const uint8_t campaign[MU_CAMPAIGN_ID] = "earlier", digest[32] = {0};
    struct mu_secret kmr, kack;
    char id[16];

    snprintf(id, sizeof(id), "dev-%u", number);
    root_key(lab, number, &kmr);
    assert_int_equal(mu_kdf(mu_crypto_openssl(), &kmr, "ack",
                            mu_bytes(NULL, 0), 32, &kack), 0);
    assert_int_equal(mu_ack_make(mu_crypto_openssl(), &kack, campaign,
                                 mu_bytes_str(id), 15, 0, digest, ack), 0);
}

static void test_false_acks(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    uint8_t noise[MU_ACK_LEN], old[MU_ACK_LEN];
    char id[32], name[16];
    uint8_t session;
    json_t *r;
    int fd;

    memset(noise, 0xa5, sizeof(noise));
    real_fleet(lab, DEVICES);
    fd = listener(lab);
    lab_file(file, REAL_BYTES, 9);
    /* Two will never be proved: the campaign does not end by itself. */
    real_push(lab, id, file, "--deadline", "60s", NULL);
    session = session_of(fd);
    old_ack(lab, 7, old);
    /* Each in the name of every device: its own, which pollutes, and those of
     * the others, which is forged. */
    for (uint16_t place = 0; place < DEVICES; place++) {
        claim(lab, 3, session, place, noise);
        claim(lab, 7, session, place, old); /* true, of another campaign */
    }
    for (unsigned i = 1; i <= DEVICES; i++) {
        snprintf(name, sizeof(name), "dev-%u", i);
        if (i != 3 && i != 7)
            real_until(lab, id, name, "running");
    }
    r = real_report(lab, id);
    for (int i = 0; i < 450 && real_number(r, "reports_refused") < 2; i++) {
        json_decref(r);
        (void)lab_wait_for(lab->dev, "{'event': 'status'}", 200);
        r = real_report(lab, id);
    }
    assert_false(real_is(r, "dev-3", "running"));
    assert_false(real_is(r, "dev-7", "running"));
    for (unsigned i = 1; i <= DEVICES; i++) {
        snprintf(name, sizeof(name), "dev-%u", i);
        assert_int_equal(json_is_true(json_object_get(real_target(r, name),
                                                      "lied")),
                         i == 3 || i == 7);
    }
    assert_int_equal(real_number(r, "running"), DEVICES - 2);
    assert_int_equal(real_number(r, "reports_refused"), 2);
    json_decref(r);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_false_acks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
