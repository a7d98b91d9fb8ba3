/* SPDX-License-Identifier: Apache-2.0 */
/* Links with real DTLS on loopback: two ends in one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/coap_link.h"
#include "net/log.h"

#define EVENTS_MAX 64
#define PATIENCE_MS 30000

struct seen {
    enum mu_event_kind kind;
    uint32_t link, exchange;
    uint8_t code;
    char path[100];
    uint8_t *payload;
    size_t len;
    bool oscore;
    size_t oscore_len;
};

struct end {
    struct mu_coap *coap;
    const char *peer; /* identity that it accepts */
    uint8_t key;
    uint32_t link;
    struct seen seen[EVENTS_MAX];
    unsigned len;
    bool wakes;
    bool answer_later; /* else requests are echoed at once */
    unsigned offers;   /* keep-alives that were due */
    uint32_t ride;     /* exchange of what is sent instead; 0: nothing */
};

struct world {
    uv_loop_t uv;
    uv_timer_t patience;
    bool late;
    struct end server, client, other, forger;
    struct mu_addr at;
};

static int end_psk(void *ctx, bool client, struct mu_bytes identity,
                   struct mu_secret *key, uint32_t *link)
{
    struct end *e = ctx;
    uint8_t raw[32];

    (void)client;
    if (!mu_bytes_eq(identity, mu_bytes_str(e->peer)))
        return MU_ERR_UNKNOWN_PEER;
    memset(raw, e->key, sizeof(raw));
    *link = e->link;
    return mu_secret_set(key, MU_BYTES(raw));
}

/* A few bytes without a path, in the place of a ping. */
static void say_instead(struct end *e)
{
    static const uint8_t bytes[9] = {7, 1, 2, 3, 4, 5, 6, 7, 8};
    struct mu_message m = {
        .code = 0x02, .exchange = e->ride++, .payload = MU_BYTES(bytes),
    };

    mu_coap_send(e->coap, 0, false, &m);
}

static void end_event(void *ctx, struct mu_event *ev)
{
    struct end *e = ctx;
    struct seen *s = &e->seen[e->len++];

    if (ev->kind == MU_EV_IDLE) {
        e->len--;
        e->offers++;
        if (e->ride != 0)
            say_instead(e);
        return;
    }
    assert_true(e->len < EVENTS_MAX);
    *s = (struct seen){
        .kind = ev->kind, .link = ev->link, .code = ev->message.code,
        .exchange = ev->message.exchange, .len = ev->message.payload.len,
        .oscore = ev->message.oscore.data != NULL,
        .oscore_len = ev->message.oscore.len,
    };
    if (s->len > 0) {
        s->payload = malloc(s->len);
        memcpy(s->payload, ev->message.payload.data, s->len);
    }
    if (ev->message.path.len > 0)
        memcpy(s->path, ev->message.path.data, ev->message.path.len);
    if (ev->kind == MU_EV_REQUEST && !e->answer_later) {
        struct mu_message m = {
            .code = 0x45, .exchange = ev->message.exchange,
            .oscore = ev->message.oscore, .payload = ev->message.payload,
        };
        mu_coap_send(e->coap, ev->link, true, &m);
    }
}

static void end_wake(void *ctx)
{
    struct end *e = ctx;

    e->wakes = true;
}

static void on_late(uv_timer_t *timer)
{
    struct world *w = timer->data;

    w->late = true;
}

/* Turns the loop until `e` has seen an event of this kind beyond `from`. */
static struct seen *wait_for(struct world *w, struct end *e,
                             enum mu_event_kind kind, unsigned from)
{
    w->late = false;
    uv_timer_start(&w->patience, on_late, PATIENCE_MS, 0);
    for (;;) {
        for (unsigned i = from; i < e->len; i++) {
            if (e->seen[i].kind == kind)
                return &e->seen[i];
        }
        if (w->late)
            return NULL;
        struct end *all[] = { &w->client, &w->server, &w->other, &w->forger };
        bool again = false;

        for (int i = 0; i < 4; i++) {
            if (all[i]->coap != NULL)
                again = mu_coap_poll(all[i]->coap) || again;
        }
        uv_run(&w->uv, again ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
}

static struct mu_coap *end_new(struct world *w, struct end *e, const char *self)
{
    struct mu_coap_conf conf = {
        .identity = mu_bytes_str(self), .keepalive_ms = 300, .idle_ms = 1500,
        .handshake_ms = 1500, .answer_ms = 1000, .outstanding_max = 4,
        .ack_timeout_ms = 300, .ctx = e, .psk = end_psk, .event = end_event,
        .wake = end_wake,
    };

    return mu_coap_new(&w->uv, &conf);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    *state = w;
    mu_log_set(MU_LOG_ERROR);
    uv_loop_init(&w->uv);
    uv_timer_init(&w->uv, &w->patience);
    w->patience.data = w;
    w->server = (struct end){ .peer = "dev", .key = 7, .link = 5 };
    w->client = (struct end){ .peer = "gw", .key = 7, .link = 0 };
    w->server.coap = end_new(w, &w->server, "gw");
    w->client.coap = end_new(w, &w->client, "dev");
    assert_int_equal(mu_addr_parse("127.0.0.1:0", &w->at), 0);
    assert_int_equal(mu_coap_listen(w->server.coap, &w->at, &w->at), 0);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    mu_coap_free(w->client.coap);
    mu_coap_free(w->server.coap);
    mu_coap_free(w->other.coap);
    mu_coap_free(w->forger.coap);
    uv_close((uv_handle_t *)&w->patience, NULL);
    uv_run(&w->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->uv), 0);
    for (int i = 0; i < EVENTS_MAX; i++) {
        free(w->server.seen[i].payload);
        free(w->client.seen[i].payload);
        free(w->other.seen[i].payload);
        free(w->forger.seen[i].payload);
    }
    free(w);
    return 0;
}

static void connect_ends(struct world *w)
{
    mu_coap_open(w->client.coap, 0, &w->at);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_UP, 0));
    assert_non_null(wait_for(w, &w->server, MU_EV_LINK_UP, 0));
}

static void ask(struct end *e, uint32_t exchange, const char *path,
                struct mu_bytes payload)
{
    struct mu_message m = {
        .code = 2, .exchange = exchange, .path = mu_bytes_str(path),
        .payload = payload,
    };

    mu_coap_send(e->coap, e == NULL ? 0 : (e->key == 7 ? e->link : 0), false,
                 &m);
}

static void test_both_ways(void **state)
{
    struct world *w = *state;
    static const uint8_t two[] = { 1, 2 };
    struct seen *s;

    connect_ends(w);
    assert_int_equal(w->server.seen[0].link, 5);
    ask(&w->client, 77, "d/meter-7", MU_BYTES(two));
    s = wait_for(w, &w->client, MU_EV_RESPONSE, 0);
    assert_non_null(s);
    assert_int_equal(s->exchange, 77);
    assert_int_equal(s->code, 0x45);
    assert_int_equal(s->len, 2);
    s = wait_for(w, &w->server, MU_EV_REQUEST, 0);
    assert_string_equal(s->path, "d/meter-7");
    w->server.link = 5;
    ask(&w->server, 78, "p", MU_BYTES(two));
    s = wait_for(w, &w->server, MU_EV_RESPONSE, 0);
    assert_non_null(s);
    assert_int_equal(s->exchange, 78);
    s = wait_for(w, &w->client, MU_EV_REQUEST, 0);
    assert_string_equal(s->path, "p");
}

static void test_oscore_option(void **state)
{
    struct world *w = *state;
    static const uint8_t value[] = { 9, 0, 1 }, sealed[] = { 5, 5, 5, 5 };
    struct mu_message m = {
        .code = 2, .exchange = 3, .oscore = MU_BYTES(value),
        .payload = MU_BYTES(sealed),
    };

    connect_ends(w);
    mu_coap_send(w->client.coap, 0, false, &m);
    struct seen *s = wait_for(w, &w->server, MU_EV_REQUEST, 0);

    assert_non_null(s);
    assert_string_equal(s->path, "");
    s = wait_for(w, &w->client, MU_EV_RESPONSE, 0);
    assert_non_null(s);
    assert_memory_equal(s->payload, sealed, sizeof(sealed));
    assert_int_equal(s->oscore_len, sizeof(value));
    /* Of several blocks each has it (RFC 8613 s.4.1.3.4.2), empty or not. */
    static uint8_t body[3000];

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 11);
    for (size_t len = 0; len <= sizeof(value); len += sizeof(value)) {
        unsigned from = w->client.len;

        m.exchange++;
        m.payload = MU_BYTES(body);
        m.oscore = mu_bytes(value, len);
        mu_coap_send(w->client.coap, 0, false, &m);
        s = wait_for(w, &w->client, MU_EV_RESPONSE, from);
        assert_non_null(s);
        assert_int_equal(s->len, sizeof(body));
        assert_memory_equal(s->payload, body, sizeof(body));
        assert_true(s->oscore);
        assert_int_equal(s->oscore_len, len);
    }
}

static void test_large_bodies(void **state)
{
    struct world *w = *state;
    static uint8_t body[MU_COAP_BODY_MAX];
    static const size_t sizes[] = { 1152, 1153, 2048, 5000, MU_COAP_BODY_MAX };

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    connect_ends(w);
    for (size_t i = 0; i < 5; i++) {
        unsigned from = w->client.len;

        w->server.answer_later = i % 2 == 1;
        ask(&w->client, (uint32_t)i, "camp/m", mu_bytes(body, sizes[i]));
        if (w->server.answer_later) {
            struct seen *s = wait_for(w, &w->server, MU_EV_REQUEST,
                                      w->server.len);
            struct mu_message m = { .code = 0x45, .exchange = s->exchange,
                                    .payload = mu_bytes(body, sizes[i]) };

            mu_coap_send(w->server.coap, 5, true, &m);
        }
        struct seen *s = wait_for(w, &w->client, MU_EV_RESPONSE, from);

        assert_non_null(s);
        assert_int_equal(s->len, sizes[i]);
        assert_memory_equal(s->payload, body, sizes[i]);
    }
    /* More than anybody may send is refused before it leaves. */
    static uint8_t huge[MU_COAP_BODY_MAX + 1];
    unsigned from = w->client.len;

    ask(&w->client, 99, "camp/m", MU_BYTES(huge));
    assert_non_null(wait_for(w, &w->client, MU_EV_NO_ANSWER, from));
}

static void answer(struct end *e, const struct seen *request,
                   struct mu_bytes payload)
{
    struct mu_message m = {
        .code = 0x45, .exchange = request->exchange, .payload = payload,
    };

    mu_coap_send(e->coap, request->link, true, &m);
}

/* Two large bodies each way at one path: neither gets a piece of the other. */
static void test_large_bodies_at_once(void **state)
{
    struct world *w = *state;
    static uint8_t a[4000], b[5000];
    struct seen *s;

    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    connect_ends(w);
    w->server.answer_later = true;
    ask(&w->client, 1, "ann", MU_BYTES(a));
    ask(&w->client, 2, "ann", MU_BYTES(b));
    unsigned from = w->server.len;

    assert_non_null(wait_for(w, &w->server, MU_EV_REQUEST, from));
    assert_non_null(wait_for(w, &w->server, MU_EV_REQUEST, from + 1));
    for (unsigned i = from; i < from + 2; i++) {
        s = &w->server.seen[i];
        assert_true(s->len == sizeof(a) || s->len == sizeof(b));
        for (size_t at = 0; at < s->len; at++)
            assert_int_equal(s->payload[at], s->len == sizeof(a) ? 'a' : 'b');
    }
    for (unsigned i = from; i < from + 2; i++) {
        s = &w->server.seen[i];
        answer(&w->server, s, s->len == sizeof(a) ? MU_BYTES(a) : MU_BYTES(b));
    }
    from = w->client.len;
    assert_non_null(wait_for(w, &w->client, MU_EV_RESPONSE, from));
    assert_non_null(wait_for(w, &w->client, MU_EV_RESPONSE, from + 1));
    for (unsigned i = from; i < from + 2; i++) {
        s = &w->client.seen[i];
        assert_int_equal(s->len, s->exchange == 1 ? sizeof(a) : sizeof(b));
        for (size_t at = 0; at < s->len; at++)
            assert_int_equal(s->payload[at], s->exchange == 1 ? 'a' : 'b');
    }
}

static void test_wrong_key(void **state)
{
    struct world *w = *state;

    w->client.key = 8;
    mu_coap_open(w->client.coap, 0, &w->at);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_DOWN, 0));
    assert_int_equal(w->client.len, 1);
    assert_int_equal(w->server.len, 0);
}

static void test_unknown_identity(void **state)
{
    struct world *w = *state;

    w->server.peer = "somebody-else";
    mu_coap_open(w->client.coap, 0, &w->at);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_DOWN, 0));
    assert_int_equal(w->server.len, 0);
    assert_int_equal(mu_coap_counts(w->server.coap)->refused, 1);
}

static void test_unknown_server(void **state)
{
    struct world *w = *state;

    w->client.peer = "another-gateway";
    mu_coap_open(w->client.coap, 0, &w->at);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_DOWN, 0));
    assert_int_equal(w->server.len, 0);
}

static void test_nobody_there(void **state)
{
    struct world *w = *state;
    struct mu_addr nobody;

    assert_int_equal(mu_addr_parse("127.0.0.1:9", &nobody), 0);
    mu_coap_open(w->client.coap, 0, &nobody);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_DOWN, 0));
    ask(&w->client, 4, "hello", mu_bytes(NULL, 0));
    struct seen *s = wait_for(w, &w->client, MU_EV_NO_ANSWER, 0);

    assert_non_null(s);
    assert_int_equal(s->exchange, 4);
}

static void test_no_answer(void **state)
{
    struct world *w = *state;

    connect_ends(w);
    w->server.answer_later = true; /* never, in fact */
    ask(&w->client, 12, "r", mu_bytes(NULL, 0));
    struct seen *s = wait_for(w, &w->client, MU_EV_NO_ANSWER, 0);

    assert_non_null(s);
    assert_int_equal(s->exchange, 12);
    /* The link is alive all the same. */
    w->server.answer_later = false;
    ask(&w->client, 13, "r", mu_bytes(NULL, 0));
    assert_non_null(wait_for(w, &w->client, MU_EV_RESPONSE, 0));
}

static void test_newer_replaces(void **state)
{
    struct world *w = *state;
    unsigned from;

    connect_ends(w);
    /* Without the key nobody is cut off ... */
    w->forger = (struct end){ .peer = "gw", .key = 8 };
    w->forger.coap = end_new(w, &w->forger, "dev");
    mu_coap_open(w->forger.coap, 0, &w->at);
    assert_non_null(wait_for(w, &w->forger, MU_EV_LINK_DOWN, 0));
    from = w->client.len;
    ask(&w->client, 1, "hello", mu_bytes(NULL, 0));
    assert_non_null(wait_for(w, &w->client, MU_EV_RESPONSE, from));
    /* ... with it the newer one takes the place. */
    w->other = (struct end){ .peer = "gw", .key = 7 };
    w->other.coap = end_new(w, &w->other, "dev");
    mu_coap_open(w->other.coap, 0, &w->at);
    from = w->server.len;
    assert_non_null(wait_for(w, &w->other, MU_EV_LINK_UP, 0));
    assert_non_null(wait_for(w, &w->server, MU_EV_LINK_DOWN, from));
    assert_non_null(wait_for(w, &w->server, MU_EV_LINK_UP, from));
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_DOWN, 0));
    assert_int_equal(mu_coap_counts(w->server.coap)->replaced, 1);
}

static void test_server_dies(void **state)
{
    struct world *w = *state;

    connect_ends(w);
    mu_coap_free(w->server.coap); /* says good-bye to its sessions */
    w->server.coap = NULL;
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_DOWN, 0));
}

/* The cable is cut: no good-bye. Both ends notice by themselves. */
static void test_silence(void **state)
{
    struct world *w = *state;

    connect_ends(w);
    mu_coap_drop(100, 1);
    struct seen *client = wait_for(w, &w->client, MU_EV_LINK_DOWN, 0);
    struct seen *server = wait_for(w, &w->server, MU_EV_LINK_DOWN, 0);

    mu_coap_drop(0, 1);
    assert_non_null(client);
    assert_non_null(server);
    mu_coap_open(w->client.coap, 0, &w->at);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_UP, 2));
}

/* A silent link that is alive stays: pings are answered. */
static void test_idle_link_stays(void **state)
{
    struct world *w = *state;

    connect_ends(w);
    w->server.answer_later = true;
    ask(&w->client, 1, "r", mu_bytes(NULL, 0)); /* given up after a second */
    assert_non_null(wait_for(w, &w->client, MU_EV_NO_ANSWER, 0));
    ask(&w->client, 2, "r", mu_bytes(NULL, 0));
    assert_non_null(wait_for(w, &w->client, MU_EV_NO_ANSWER, 2));
    assert_int_equal(w->client.len, 3);
    assert_int_equal(w->server.len, 3); /* up, and both requests */
}

/* What is said instead of pings keeps a link up as well, and is answered. */
static void test_said_instead(void **state)
{
    struct world *w = *state;

    connect_ends(w);
    w->client.ride = 100;
    for (unsigned i = 0; i < 4; i++) {
        struct seen *s = wait_for(w, &w->server, MU_EV_REQUEST, 1 + i);

        assert_non_null(s);
        assert_string_equal(s->path, "");
        assert_int_equal(s->len, 9);
        assert_int_equal(s->payload[0], 7);
        s = wait_for(w, &w->client, MU_EV_RESPONSE, 1 + i);
        assert_non_null(s);
        assert_int_equal(s->exchange, 100 + i);
    }
    assert_int_equal(w->client.offers, 4);
    assert_int_equal(w->client.len, 5);
    /* Nor does it hide that the other end is gone. */
    mu_coap_drop(100, 1);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_DOWN, 0));
    mu_coap_drop(0, 1);
    assert_int_equal(w->client.offers, 5);
    assert_non_null(wait_for(w, &w->client, MU_EV_NO_ANSWER, 0));
}

static void test_closed_by_us(void **state)
{
    struct world *w = *state;

    connect_ends(w);
    mu_coap_shut(w->server.coap, 5);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_DOWN, 0));
    /* It was our wish: the one who closed is not told. */
    assert_int_equal(w->server.len, 1);
    mu_coap_open(w->client.coap, 0, &w->at);
    assert_non_null(wait_for(w, &w->client, MU_EV_LINK_UP, 2));
}

static void test_ipv6(void **state)
{
    struct world *w = *state;

    assert_int_equal(mu_addr_parse("[::1]:0", &w->at), 0);
    assert_int_equal(mu_coap_listen(w->server.coap, &w->at, &w->at), 0);
    connect_ends(w);
    ask(&w->client, 1, "hello", mu_bytes(NULL, 0));
    assert_non_null(wait_for(w, &w->client, MU_EV_RESPONSE, 0));
}

static void test_port_in_use(void **state)
{
    struct world *w = *state;
    struct mu_addr bound;

    assert_int_equal(mu_coap_listen(w->client.coap, &w->at, &bound),
                     MU_ERR_CONFLICT);
}

int main(void)
{
#define LINK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LINK_TEST(test_both_ways),
        LINK_TEST(test_oscore_option),
        LINK_TEST(test_large_bodies),
        LINK_TEST(test_large_bodies_at_once),
        LINK_TEST(test_wrong_key),
        LINK_TEST(test_unknown_identity),
        LINK_TEST(test_unknown_server),
        LINK_TEST(test_nobody_there),
        LINK_TEST(test_no_answer),
        LINK_TEST(test_newer_replaces),
        LINK_TEST(test_server_dies),
        LINK_TEST(test_silence),
        LINK_TEST(test_idle_link_stays),
        LINK_TEST(test_said_instead),
        LINK_TEST(test_closed_by_us),
        LINK_TEST(test_ipv6),
        LINK_TEST(test_port_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
