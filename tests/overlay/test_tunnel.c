/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels between a sender and its relays: joining, packets, and everything
 * that somebody on the way can do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "net/tunnel.h"

#define GROUP "239.77.1.2:5689"

struct world {
    const struct mu_crypto *crypto;
    struct mu_tunnel_head head;
    struct mu_tunnel_end end;
    struct mu_addr from; /* of the relay */
    uint64_t now;
    /* The last message each way. */
    uint8_t up[256], down[MU_TUNNEL_MAX];
    size_t up_len, down_len;
    size_t relay;
};

static void secret(struct mu_secret *s, uint8_t first)
{
    uint8_t raw[32];

    for (uint8_t i = 0; i < sizeof(raw); i++)
        raw[i] = (uint8_t)(first + i);
    assert_int_equal(mu_secret_set(s, MU_BYTES(raw)), 0);
}

static void end_new(struct world *w, const char *name, uint8_t key)
{
    struct mu_secret root;

    secret(&root, key);
    assert_int_equal(mu_tunnel_end_init(&w->end, w->crypto, name, &root), 0);
}

static void open_world(struct world *w)
{
    struct mu_secret root;

    *w = (struct world){ .crypto = mu_crypto_openssl(), .now = 1000 };
    assert_int_equal(mu_addr_parse("10.1.0.9:4000", &w->from), 0);
    assert_int_equal(mu_tunnel_head_init(&w->head, w->crypto, GROUP), 0);
    secret(&root, 1);
    assert_int_equal(mu_tunnel_head_add(&w->head, "east", &root), 0);
    assert_int_equal(mu_tunnel_head_add(&w->head, "east", &root),
                     MU_ERR_CONFLICT);
    secret(&root, 2);
    assert_int_equal(mu_tunnel_head_add(&w->head, "west", &root), 0);
    end_new(w, "east", 1);
}

/* What the relay has to say now goes to the sender. */
static int up(struct world *w)
{
    struct mu_writer out = mu_writer(w->up, sizeof(w->up));
    struct mu_writer answer = mu_writer(w->down, sizeof(w->down));

    if (w->now < w->end.next_ms)
        w->now = w->end.next_ms;
    assert_int_equal(mu_tunnel_end_run(&w->end, w->now, &out), 0);
    assert_true(out.len > 0);
    w->up_len = out.len;
    int rc = mu_tunnel_head_take(&w->head, w->now, &w->from,
                                 mu_written(&out), &answer, &w->relay);

    w->down_len = answer.len;
    return rc;
}

static int down(struct world *w)
{
    struct mu_bytes packet;

    return mu_tunnel_end_take(&w->end, w->now, mu_bytes(w->down, w->down_len),
                              &packet);
}

static void join(struct world *w)
{
    uint32_t sessions = w->head.relays[0].sessions;

    assert_int_equal(up(w), 0); /* join: a challenge, and nothing is kept */
    assert_int_equal(w->relay, MU_TUNNEL_RELAYS_MAX);
    assert_int_equal(w->head.relays[0].sessions, sessions);
    assert_int_equal(down(w), 0);
    assert_int_equal(up(w), 0);
    assert_int_equal(w->relay, 0);
    assert_true(w->head.relays[0].up);
    assert_int_equal(down(w), 0);
    assert_int_equal(w->end.state, MU_TUNNEL_UP);
    assert_string_equal(w->end.group, GROUP);
}

static void wrap(struct world *w, const char *text)
{
    struct mu_writer out = mu_writer(w->down, sizeof(w->down));

    assert_int_equal(mu_tunnel_head_wrap(&w->head, 0, mu_bytes_str(text),
                                         &out), 0);
    w->down_len = out.len;
    assert_int_equal(out.len, strlen(text) + MU_TUNNEL_OVERHEAD);
}

static void test_join(void **state)
{
    struct world w;
    struct mu_bytes packet;

    (void)state;
    open_world(&w);
    join(&w);
    wrap(&w, "hello");
    assert_int_equal(mu_tunnel_end_take(&w.end, w.now,
                                        mu_bytes(w.down, w.down_len), &packet),
                     0);
    assert_true(mu_bytes_eq(packet, mu_bytes_str("hello")));
    w.end.said.emitted++;
    assert_int_equal(up(&w), 0); /* alive */
    assert_int_equal(w.head.relays[0].said.received, 1);
    assert_int_equal(w.head.relays[0].said.emitted, 1);
    assert_int_equal(w.head.relays[0].said_sent, 1);
    assert_int_equal(down(&w), 0);
    assert_int_equal(w.end.head_sent, 1);
}

static void test_wrong_key(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    end_new(&w, "east", 9);
    assert_int_equal(up(&w), MU_ERR_AUTH);
    assert_int_equal(w.down_len, 0); /* not a byte for a stranger */
    end_new(&w, "north", 1);
    assert_int_equal(up(&w), MU_ERR_UNKNOWN_PEER);
    end_new(&w, "west", 1); /* another relay's name */
    assert_int_equal(up(&w), MU_ERR_AUTH);
    assert_int_equal(w.head.refused, 3);
}

/* Each bit of each message, each length. */
static void test_changed(void **state)
{
    struct world w;
    struct mu_tunnel_head head;
    struct mu_tunnel_end end;
    uint8_t bad[256], room[256];
    struct mu_bytes packet;
    size_t relay;

    (void)state;
    open_world(&w);
    for (int step = 0; step < 4; step++) {
        assert_int_equal(up(&w), 0);
        head = w.head;
        for (size_t i = 0; i < w.up_len * 8; i++) {
            struct mu_writer answer = mu_writer(room, sizeof(room));

            memcpy(bad, w.up, w.up_len);
            bad[i / 8] ^= (uint8_t)(1u << i % 8);
            assert_int_not_equal(
                mu_tunnel_head_take(&head, w.now, &w.from,
                                    mu_bytes(bad, w.up_len), &answer, &relay),
                0);
            assert_int_equal(answer.len, 0);
        }
        for (size_t n = 0; n < w.up_len; n++) {
            struct mu_writer answer = mu_writer(room, sizeof(room));

            assert_int_not_equal(
                mu_tunnel_head_take(&head, w.now, &w.from, mu_bytes(w.up, n),
                                    &answer, &relay), 0);
        }
        if (step == 3)
            wrap(&w, "x");
        end = w.end;
        for (size_t i = 0; i < w.down_len * 8; i++) {
            memcpy(bad, w.down, w.down_len);
            bad[i / 8] ^= (uint8_t)(1u << i % 8);
            assert_int_not_equal(
                mu_tunnel_end_take(&end, w.now, mu_bytes(bad, w.down_len),
                                   &packet), 0);
        }
        for (size_t n = 0; n < w.down_len; n++)
            assert_int_not_equal(
                mu_tunnel_end_take(&end, w.now, mu_bytes(w.down, n), &packet),
                0);
        assert_int_equal(down(&w), 0);
    }
}

static void test_replay(void **state)
{
    struct world w;
    uint8_t packets[3][64], joined[256], alive[256];
    size_t lens[3], joined_len, alive_len, relay;
    struct mu_bytes packet;
    struct mu_writer answer = mu_writer(w.down, sizeof(w.down));

    (void)state;
    open_world(&w);
    join(&w);
    memcpy(joined, w.up, joined_len = w.up_len);
    for (int i = 0; i < 3; i++) {
        wrap(&w, "data");
        memcpy(packets[i], w.down, lens[i] = w.down_len);
    }
    static const int order[] = { 2, 0, 1, 0, 1, 2 };

    for (int i = 0; i < 6; i++)
        assert_int_equal(mu_tunnel_end_take(&w.end, w.now,
                                            mu_bytes(packets[order[i]],
                                                     lens[order[i]]), &packet),
                         i < 3 ? 0 : MU_ERR_REPLAY);
    assert_int_equal(w.end.said.received, 3);
    assert_int_equal(w.end.said.refused, 3);
    assert_int_equal(up(&w), 0);
    memcpy(alive, w.up, alive_len = w.up_len);
    assert_int_equal(down(&w), 0);
    assert_int_equal(mu_tunnel_head_take(&w.head, w.now, &w.from,
                                         mu_bytes(alive, alive_len), &answer,
                                         &relay), MU_ERR_REPLAY);
    /* The welcome got lost, and the relay asks again: same session. */
    answer = mu_writer(w.down, sizeof(w.down));
    assert_int_equal(mu_tunnel_head_take(&w.head, w.now, &w.from,
                                         mu_bytes(joined, joined_len), &answer,
                                         &relay), 0);
    assert_int_equal(w.head.relays[0].sessions, 1);
    assert_int_equal(w.head.relays[0].sent, 3);
}

/* What was recorded of one session is of no use in the next, nor is its join,
 * from wherever it comes. */
static void test_replay_of_a_session(void **state)
{
    struct world w;
    uint8_t joined[256], packet[64];
    size_t joined_len, packet_len, relay;
    struct mu_addr elsewhere;
    struct mu_bytes out;

    (void)state;
    open_world(&w);
    join(&w);
    memcpy(joined, w.up, joined_len = w.up_len);
    wrap(&w, "old");
    memcpy(packet, w.down, packet_len = w.down_len);
    end_new(&w, "east", 1); /* the relay starts again */
    join(&w);
    assert_int_equal(w.head.relays[0].sessions, 2);
    assert_int_equal(mu_tunnel_end_take(&w.end, w.now,
                                        mu_bytes(packet, packet_len), &out),
                     MU_ERR_UNEXPECTED);
    struct mu_writer answer = mu_writer(w.down, sizeof(w.down));

    /* The old join gets no more than a challenge. */
    assert_int_equal(mu_tunnel_head_take(&w.head, w.now, &w.from,
                                         mu_bytes(joined, joined_len), &answer,
                                         &relay), 0);
    assert_int_equal(relay, MU_TUNNEL_RELAYS_MAX);
    assert_int_equal(w.down[0], MU_TUNNEL_CHALLENGE);
    assert_int_equal(w.head.relays[0].sessions, 2);
    /* And the sender's restart leaves the relay's join without effect too. */
    assert_int_equal(mu_addr_parse("10.9.9.9:1", &elsewhere), 0);
    memcpy(joined, w.up, joined_len = w.up_len);
    answer = mu_writer(w.down, sizeof(w.down));
    assert_int_equal(mu_tunnel_head_take(&w.head, w.now, &elsewhere,
                                         mu_bytes(joined, joined_len), &answer,
                                         &relay), 0);
    assert_int_equal(w.down[0], MU_TUNNEL_CHALLENGE);
    assert_true(mu_addr_eq(&w.head.relays[0].at, &w.from));
    struct world fresh;

    open_world(&fresh);
    answer = mu_writer(w.down, sizeof(w.down));
    assert_int_equal(mu_tunnel_head_take(&fresh.head, w.now, &w.from,
                                         mu_bytes(joined, joined_len), &answer,
                                         &relay), 0);
    assert_int_equal(relay, MU_TUNNEL_RELAYS_MAX);
    assert_false(fresh.head.relays[0].up);
}

static void test_silence(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    join(&w);
    assert_false(mu_tunnel_head_expire(&w.head,
                                       w.now + MU_TUNNEL_SILENT_MS - 1));
    assert_true(mu_tunnel_head_expire(&w.head, w.now + MU_TUNNEL_SILENT_MS));
    assert_false(mu_tunnel_head_expire(&w.head, w.now + MU_TUNNEL_SILENT_MS));
    struct mu_writer out = mu_writer(w.down, sizeof(w.down));

    assert_int_equal(mu_tunnel_head_wrap(&w.head, 0, mu_bytes_str("x"), &out),
                     MU_ERR_UNKNOWN_PEER);
    /* The relay finds out by itself, and joins anew. */
    for (int i = 0; i < 10 && w.end.state == MU_TUNNEL_UP; i++)
        (void)up(&w);
    assert_int_equal(w.end.state, MU_TUNNEL_DOWN);
    assert_int_equal(down(&w), 0); /* it had its challenge with that */
    assert_int_equal(up(&w), 0);
    assert_int_equal(down(&w), 0);
    assert_int_equal(w.end.state, MU_TUNNEL_UP);
    assert_int_equal(w.head.relays[0].sessions, 2);
}

static void test_used_up(void **state)
{
    struct world w;
    struct mu_writer out = mu_writer(w.down, sizeof(w.down));

    (void)state;
    open_world(&w);
    join(&w);
    w.head.relays[0].sent = UINT32_MAX - 1;
    wrap(&w, "last");
    assert_int_equal(down(&w), 0);
    assert_int_equal(mu_tunnel_head_wrap(&w.head, 0, mu_bytes_str("x"), &out),
                     MU_ERR_EXHAUSTED);
    assert_false(w.head.relays[0].up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join), cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_changed), cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replay_of_a_session),
        cmocka_unit_test(test_silence), cmocka_unit_test(test_used_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
