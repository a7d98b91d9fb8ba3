/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strangers shout at every port while a campaign runs: noise of all lengths,
 * handshakes cut off anywhere, cast packets with forged tags and symbols. The
 * campaign ends well and nothing forged is taken.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab.h"

#define FORGED 1000

static uint32_t dice_state = 12345;

static uint32_t dice(uint32_t below)
{
    dice_state ^= dice_state << 13;
    dice_state ^= dice_state >> 17;
    dice_state ^= dice_state << 5;
    return dice_state % below;
}

static struct sockaddr_in where(const char *host, long long port)
{
    struct sockaddr_in to = { .sin_family = AF_INET };

    to.sin_port = htons((uint16_t)port);
    assert_int_equal(inet_pton(AF_INET, host, &to.sin_addr), 1);
    return to;
}

static struct sockaddr_in where_text(const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');

    assert_non_null(colon);
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    return where(host, atoi(colon + 1));
}

static void throw(int fd, const struct sockaddr_in *to, const void *data,
                  size_t len)
{
    /* A refusal by ICMP from a port that is closed is nobody's fault. */
    (void)!sendto(fd, data, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void noise(int fd, const struct sockaddr_in *to)
{
    static uint8_t data[65000];
    static const size_t lengths[] = {
        0, 1, 2, 4, 12, 13, 14, 25, 47, 100, 512, 1024, 1400, 1472, 1473, 9000,
        65000,
    };

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)dice(256);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        throw(fd, to, data + dice(64), lengths[i] > 64 ? lengths[i] - 64
                                                       : lengths[i]);
}

/* A ClientHello with PSK-AES128-CCM8, cut off everywhere and with every byte
 * spoilt once. */
static void hellos(int fd, const struct sockaddr_in *to)
{
    static const uint8_t hello[] = {
        22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 56, 1, 0, 0, 44, 0, 0, 0, 0,
        0, 0, 0, 44, 254, 253, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
        0, 0, 0, 4, 0xc0, 0xa8, 0, 255, 1, 0,
    };
    uint8_t spoilt[sizeof(hello)];

    for (size_t len = 0; len <= sizeof(hello); len++)
        throw(fd, to, hello, len);
    for (size_t i = 0; i < sizeof(hello); i++) {
        memcpy(spoilt, hello, sizeof(hello));
        spoilt[i] ^= (uint8_t)(1u << dice(8));
        throw(fd, to, spoilt, sizeof(spoilt));
    }
}

/* Every kind of cast packet, for every session there may be. */
static void forge(int fd, const struct sockaddr_in *to, unsigned count)
{
    uint8_t packet[1472];

    for (unsigned i = 0; i < count; i++) {
        for (size_t b = 0; b < sizeof(packet); b++)
            packet[b] = (uint8_t)dice(256);
        packet[0] = (uint8_t)(0x40 + dice(6));
        if (packet[0] == 0x40) /* data, of one of the first pages */
            packet[0] = (uint8_t)(0x80 + dice(32));
        packet[1] = (uint8_t)dice(256);
        packet[2] = 0;
        packet[3] = (uint8_t)dice(6);
        throw(fd, to, packet, i % 3 == 0 ? 1024 : 1 + dice(1472));
    }
}

static long long member(const json_t *line, const char *key)
{
    return json_integer_value(json_object_get(line, key));
}

static void abuse(struct lab *lab, const json_t *serve, const json_t *gateway)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ip_mreqn by = { .imr_address.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in links[2] = {
        where_text(lab->server), where_text(lab->gateway),
    };
    struct sockaddr_in casts[4] = {
        where("127.0.0.1", member(serve, "wide_up_port")),
        where("127.0.0.1", member(gateway, "area_up_port")),
        where("127.0.0.1", member(gateway, "wide_port")),
        where_text(lab->group),
    };

    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by,
                                sizeof(by)), 0);
    for (int i = 0; i < 2; i++) {
        noise(fd, &links[i]);
        hellos(fd, &links[i]);
    }
    for (int i = 0; i < 4; i++) {
        noise(fd, &casts[i]);
        forge(fd, &casts[i], FORGED);
    }
    close(fd);
}

/* Whatever the HTTP port is told without the token is refused. */
static void abuse_http(struct lab *lab)
{
    static const char *const requests[] = {
        "GET /v1/devices HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n",
        ("POST /v1/campaigns HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999"
         "9999999999\r\n\r\n"),
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET / HTTP/9.9\r\n\r\n",
    };
    struct sockaddr_in to = where_text(lab->api + 7);

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        char answer[512] = "";
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct timeval patience = { .tv_sec = 2 };

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_true(send(fd, requests[i], strlen(requests[i]), 0) > 0);
        shutdown(fd, SHUT_WR);
        (void)!recv(fd, answer, sizeof(answer) - 1, 0);
        assert_null(strstr(answer, "200 OK"));
        if (i < 2)
            assert_non_null(strstr(answer, " 401 "));
        close(fd);
    }
}

static void test_abuse(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    json_t *out = NULL;
    char id[32];

    lab_keys(lab, 3);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){ "--rate", "200000", NULL });
    lab_devices(lab, 3, NULL);
    for (int i = 0; i < 3; i++)
        lab_wait(lab->dev, "{'event': 'status', 'connected': true}");
    lab_file(file, 300000, 11);
    assert_int_equal(lab_verb(lab, &out, "push", file, "--group", "all",
                              "--no-wait", NULL), 0);
    snprintf(id, sizeof(id), "%s",
             json_string_value(json_object_get(out, "id")));
    json_decref(out);
    lab->serve->seen = lab->gw->seen = 0;
    const json_t *serve = lab_wait(lab->serve, "{'event': 'ready'}");
    const json_t *gateway = lab_wait(lab->gw, "{'event': 'ready'}");

    lab_wait(lab->dev, "{'event': 'status', 'page': 1}");
    abuse(lab, serve, gateway);
    abuse_http(lab);
    lab_wait(lab->dev, "{'event': 'status', 'page': 3}");
    abuse(lab, serve, gateway);
    assert_int_equal(lab_verb(lab, NULL, "watch", id, NULL), 0);
    lab_got(lab, 3, file);
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    assert_int_equal(lab_end(lab->gw, SIGTERM), 0);
    assert_int_equal(lab_end(lab->serve, SIGTERM), 0);
    /* They were heard, and not believed. */
    const json_t *counters = lab_wait(lab->dev, "{'event': 'counters'}");
    const json_t *heard = json_object_get(counters, "heard");

    assert_true(member(json_object_get(counters, "area_group"),
                       "rx_packets") > FORGED);
    assert_true(member(heard, "accepted") < 1000);
}

static int setup(void **state)
{
    struct lab *lab = malloc(sizeof(*lab));

    lab_open(lab);
    *state = lab;
    return 0;
}

static int teardown(void **state)
{
    lab_close(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_abuse, setup, teardown),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
