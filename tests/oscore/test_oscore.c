/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSCORE: RFC 8613 appendix C with a twin for every bit of what is protected,
 * random exchanges, and what an attacker between the ends can try.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/oscore.h"
#include "oscore/oscore.h"
#include "tests/crypto/vec.h"

#define VECTORS "tests/vectors/oscore/rfc8613.vec"

static const struct mu_crypto *crypto;
static struct mu_oscore clients[4]; /* by number, 1 to 3 */
static struct mu_oscore servers[4];

static uint64_t rng_state = 0x2545f4914f6cdd1du;

static size_t below(size_t n)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (size_t)(rng_state >> 11) % n;
}

static void assert_msg_equal(const struct mu_coap_msg *a,
                             const struct mu_coap_msg *b)
{
    assert_int_equal(a->code, b->code);
    assert_true(mu_bytes_eq(a->options, b->options));
    assert_true(mu_bytes_eq(a->payload, b->payload));
}

/* Vectors. */

static void vector_context(const struct vec_case *v)
{
    static const char digits[] = "0123456789";
    struct mu_reader ids = mu_reader(vec_get(v, "ids"));
    struct mu_bytes kctx = vec_get(v, "kctx");
    struct mu_bytes keys = vec_get(v, "keys");
    struct mu_bytes nonces = vec_get(v, "nonces");
    uint8_t nonce[MU_OSCORE_NONCE_LEN];
    const uint8_t zero = 0;
    struct mu_oscore_params p = {.master_secret = vec_get(v, "secret"),
                                 .master_salt = vec_get(v, "salt")};

    p.sender_id = mu_read_bytes(&ids, mu_read_u8(&ids));
    p.recipient_id = mu_read_bytes(&ids, mu_read_u8(&ids));
    assert_int_equal(mu_reader_end(&ids), 0);
    if (kctx.len != 0) {
        p.has_id_context = true;
        p.id_context = mu_bytes(kctx.data + 1, kctx.len - 1);
    }
    size_t n = (size_t)(strchr(digits, v->source[strlen(v->source) - 1])
                        - digits);
    struct mu_oscore *c = &clients[n];
    struct mu_oscore *s = &servers[n];
    assert_int_equal(mu_oscore_init(c, crypto, &p), 0);
    struct mu_bytes swap = p.sender_id;
    p.sender_id = p.recipient_id;
    p.recipient_id = swap;
    assert_int_equal(mu_oscore_init(s, crypto, &p), 0);

    assert_memory_equal(c->sender_key.bytes, keys.data, 16);
    assert_memory_equal(c->recipient_key.bytes, keys.data + 16, 16);
    assert_true(mu_secret_eq(&c->sender_key, &s->recipient_key));
    assert_true(mu_secret_eq(&c->recipient_key, &s->sender_key));
    assert_true(mu_bytes_eq(MU_BYTES(c->common_iv), vec_get(v, "iv")));
    oscore_nonce_make(nonce, c, &c->sender_id, mu_bytes(&zero, 1));
    assert_memory_equal(nonce, nonces.data, sizeof nonce);
    oscore_nonce_make(nonce, c, &c->recipient_id, mu_bytes(&zero, 1));
    assert_memory_equal(nonce, nonces.data + sizeof nonce, sizeof nonce);
}

/* A request or a response as the receiver meets it: true if it is taken. */
typedef int unprotect_fn(const struct mu_oscore *o,
                         const struct mu_coap_msg *msg,
                         const struct mu_oscore_request *req);

static int twin_request(const struct mu_oscore *o,
                        const struct mu_coap_msg *msg,
                        const struct mu_oscore_request *req)
{
    struct mu_oscore copy = *o;
    struct mu_oscore_request got;
    struct mu_coap_msg out;
    uint8_t buf[256];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    (void)req;
    int rc = mu_oscore_unprotect_request(&copy, crypto, msg, &w, &out, &got);
    if (rc != 0) {
        /* Nothing moved, nothing came out. */
        assert_int_equal(w.len, 0);
        assert_int_equal(out.code, 0);
        assert_memory_equal(&copy.window, &o->window, sizeof copy.window);
        assert_true(got.spent);
    }
    return rc;
}

static int twin_response(const struct mu_oscore *o,
                         const struct mu_coap_msg *msg,
                         const struct mu_oscore_request *req)
{
    struct mu_oscore copy = *o;
    struct mu_oscore_request pending = *req;
    struct mu_coap_msg out;
    uint8_t buf[256];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    int rc = mu_oscore_unprotect_response(&copy, crypto, msg, &pending, &w,
                                          &out);

    if (rc != 0) {
        assert_int_equal(w.len, 0);
        assert_int_equal(out.code, 0);
        assert_false(pending.spent); /* the real one may still come */
    }
    return rc;
}

/* Flips every bit of the OSCORE option's value and of the ciphertext, and
 * cuts the ciphertext at every length. */
static void twins(unprotect_fn *take, const struct mu_oscore *o,
                  const struct mu_coap_msg *msg,
                  const struct mu_oscore_request *req)
{
    uint8_t options[64];
    uint8_t payload[64];
    struct mu_bytes value;
    struct mu_coap_msg twin = {msg->code, {options, msg->options.len},
                               {payload, msg->payload.len}};

    assert_int_equal(take(o, msg, req), 0);
    memcpy(options, msg->options.data, msg->options.len);
    memcpy(payload, msg->payload.data, msg->payload.len);
    assert_true(mu_coap_find(twin.options, MU_COAP_OSCORE, &value));
    for (size_t bit = 0; bit < 8 * value.len; bit++) {
        size_t at = (size_t)(value.data - options) + bit / 8;
        options[at] ^= (uint8_t)(1u << bit % 8);
        if (take(o, &twin, req) == 0)
            fail_msg("accepted with bit %zu of the option flipped", bit);
        options[at] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * msg->payload.len; bit++) {
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(take(o, &twin, req), MU_ERR_AUTH);
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (twin.payload.len = 0; twin.payload.len < msg->payload.len;
         twin.payload.len++)
        assert_int_equal(take(o, &twin, req),
                         twin.payload.len < 9 ? MU_ERR_MALFORMED
                                              : MU_ERR_AUTH);
}

static void vector_request(const struct vec_case *v,
                           const struct mu_coap_pdu *plain,
                           const struct mu_coap_pdu *msg)
{
    struct mu_oscore *c = &clients[vec_get(v, "ctx").data[0]];
    struct mu_oscore *s = &servers[vec_get(v, "ctx").data[0]];
    struct mu_oscore_request sent;
    struct mu_oscore_request got;
    struct mu_coap_msg out;
    uint8_t buf[256];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    c->seq_next = vec_get(v, "piv").data[0];
    assert_int_equal(
        mu_oscore_protect_request(c, crypto, &plain->msg, &w, &out, &sent),
        0);
    assert_msg_equal(&out, &msg->msg);
    assert_int_equal(c->seq_next, vec_get(v, "piv").data[0] + 1);
    twins(twin_request, s, &msg->msg, NULL);
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(
        mu_oscore_unprotect_request(s, crypto, &msg->msg, &w, &out, &got), 0);
    assert_msg_equal(&out, &plain->msg);
    assert_memory_equal(&sent, &got, sizeof sent);
    assert_int_equal(
        mu_oscore_unprotect_request(s, crypto, &msg->msg, &w, &out, &got),
        MU_ERR_REPLAY);
}

static void vector_response(const struct vec_case *v,
                            const struct mu_coap_pdu *plain,
                            const struct mu_coap_pdu *msg)
{
    struct mu_oscore *c = &clients[vec_get(v, "ctx").data[0]];
    struct mu_oscore *s = &servers[vec_get(v, "ctx").data[0]];
    bool own = vec_get(v, "own").data[0] != 0;
    /* Both answer the request of C.4, whose Partial IV was 0x14. */
    struct mu_oscore_request pending = {
        .kid = c->sender_id, .piv = {0x14}, .piv_len = 1};
    struct mu_oscore_request answered = pending;
    struct mu_coap_msg out;
    uint8_t buf[256];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    s->seq_next = vec_get(v, "piv").data[0];
    assert_int_equal(mu_oscore_protect_response(s, crypto, &plain->msg, own,
                                                &answered, &w, &out),
                     0);
    assert_msg_equal(&out, &msg->msg);
    assert_int_equal(answered.spent, !own);
    twins(twin_response, c, &msg->msg, &pending);
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_oscore_unprotect_response(c, crypto, &msg->msg,
                                                  &pending, &w, &out),
                     0);
    assert_msg_equal(&out, &plain->msg);
    assert_int_equal(mu_oscore_unprotect_response(c, crypto, &msg->msg,
                                                  &pending, &w, &out),
                     MU_ERR_REPLAY);
}

static void vector(const struct vec_case *v, void *user)
{
    struct mu_coap_pdu plain;
    struct mu_coap_pdu msg;
    struct mu_bytes value;
    uint8_t buf[128];

    (void)user;
    if (strcmp(v->op, "context") == 0) {
        vector_context(v);
        return;
    }
    assert_int_equal(mu_coap_decode(vec_get(v, "plain"), &plain), 0);
    assert_int_equal(mu_coap_decode(vec_get(v, "msg"), &msg), 0);
    assert_true(mu_coap_find(msg.msg.options, MU_COAP_OSCORE, &value));
    assert_true(mu_bytes_eq(value, vec_get(v, "option")));
    /* The datagrams themselves come out again as they were. */
    struct mu_writer w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_coap_encode(&msg, &w), 0);
    assert_true(mu_bytes_eq(mu_written(&w), vec_get(v, "msg")));
    if (strcmp(v->op, "request") == 0) {
        vector_request(v, &plain, &msg);
    } else {
        assert_string_equal(v->op, "response");
        vector_response(v, &plain, &msg);
    }
}

static void test_vectors(void **state)
{
    (void)state;
    assert_int_equal(vec_each(VECTORS, vector, NULL), 8);
}

/* A pair of ends. */

struct pair {
    struct mu_oscore client;
    struct mu_oscore server;
};

static struct pair pair_make(struct mu_bytes context)
{
    static const uint8_t secret[16] = {1, 2, 3};
    static const uint8_t server_id = 1;
    struct pair p;
    struct mu_oscore_params params = {.master_secret = MU_BYTES(secret),
                                      .recipient_id = mu_bytes(&server_id, 1),
                                      .has_id_context = context.len != 0,
                                      .id_context = context};

    assert_int_equal(mu_oscore_init(&p.client, crypto, &params), 0);
    params.sender_id = params.recipient_id;
    params.recipient_id = mu_bytes(NULL, 0);
    assert_int_equal(mu_oscore_init(&p.server, crypto, &params), 0);
    return p;
}

/* A message of one path segment and a payload; options in buf. */
static struct mu_coap_msg message(uint8_t code, uint8_t *buf, size_t cap)
{
    struct mu_writer w = mu_writer(buf, cap);
    struct mu_coap_opts o = mu_coap_opts(&w);

    if (mu_coap_is_request(code))
        mu_coap_put_path(&o, "k");
    mu_coap_put_uint(&o, MU_COAP_CONTENT_FORMAT, MU_COAP_FORMAT_CBOR);
    assert_int_equal(mu_writer_end(&w), 0);
    return (struct mu_coap_msg){code, mu_coap_opts_written(&o),
                                mu_bytes_str("payload")};
}

static struct mu_coap_msg random_message(bool request, uint8_t *options,
                                         size_t cap, uint8_t *payload)
{
    static const uint16_t numbers[] = {1, 3, 4, 5, 7, 8, 11, 11, 12, 14,
                                       15, 16, 17, 20, 23, 27, 28, 39, 60, 252,
                                       258, 292, 2053, 65000};
    struct mu_writer w = mu_writer(options, cap);
    struct mu_coap_opts o = mu_coap_opts(&w);
    uint8_t value[300];

    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)below(256);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (below(4) == 0)
            mu_coap_put_opt(&o, numbers[i],
                            mu_bytes(value, below(below(9) == 0 ? 300 : 15)));
    }
    assert_int_equal(mu_writer_end(&w), 0);
    memcpy(payload, value, sizeof value);
    return (struct mu_coap_msg){
        request ? (uint8_t)(1 + below(7)) : (uint8_t)(0x41 + below(5)),
        mu_coap_opts_written(&o), mu_bytes(payload, below(300))};
}

/* Outside there is nothing but class U options and the OSCORE option. */
static void assert_only_outer(struct mu_bytes options)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;

    while (mu_coap_iter_next(&it, &opt))
        assert_true(opt.number == 3 || opt.number == 7 || opt.number == 9
                    || opt.number == 16 || opt.number == 39);
    assert_false(it.failed);
}

static void test_random_exchanges(void **state)
{
    static const uint8_t kctx[16] = {5, 5, 5};
    struct pair pairs[2] = {pair_make(mu_bytes(NULL, 0)),
                            pair_make(MU_BYTES(kctx))};

    (void)state;
    pairs[1].client.seq_next = MU_OSCORE_SEQ_END - 3000;
    for (size_t i = 0; i < 2000; i++) {
        struct pair *p = &pairs[i % 2];
        uint8_t options[4096];
        uint8_t payload[300];
        uint8_t sent[8192];
        uint8_t got[16384];
        struct mu_coap_msg out;
        struct mu_coap_msg back;
        struct mu_oscore_request asked;
        struct mu_oscore_request answered;
        struct mu_coap_msg in =
            random_message(true, options, sizeof options, payload);
        size_t room =
            in.options.len + in.payload.len + MU_OSCORE_OVERHEAD_MAX;

        struct mu_writer w = mu_writer(sent, room); /* as promised: enough */
        assert_int_equal(mu_oscore_protect_request(&p->client, crypto, &in, &w,
                                                   &out, &asked),
                         0);
        assert_int_equal(out.code, MU_COAP_POST);
        assert_only_outer(out.options);
        struct mu_writer g = mu_writer(
            got, 2 * (out.options.len + out.payload.len));
        assert_int_equal(mu_oscore_unprotect_request(&p->server, crypto, &out,
                                                     &g, &back, &answered),
                         0);
        assert_msg_equal(&back, &in);

        in = random_message(false, options, sizeof options, payload);
        bool own = below(2) == 0;
        w = mu_writer(sent, sizeof sent);
        assert_int_equal(mu_oscore_protect_response(&p->server, crypto, &in,
                                                    own, &answered, &w, &out),
                         0);
        assert_int_equal(out.code, MU_COAP_CHANGED);
        assert_only_outer(out.options);
        g = mu_writer(got, 2 * (out.options.len + out.payload.len));
        assert_int_equal(mu_oscore_unprotect_response(&p->client, crypto, &out,
                                                      &asked, &g, &back),
                         0);
        assert_msg_equal(&back, &in);
    }
}

/* RFC 8613 s.4.1: Uri-Host, Uri-Port, Hop-Limit and Proxy-Scheme stay where a
 * proxy reads them; the path is nowhere to be seen. */
static void test_classes(void **state)
{
    static const uint16_t outer[] = {MU_COAP_URI_HOST, MU_COAP_URI_PORT,
                                     MU_COAP_OSCORE, MU_COAP_HOP_LIMIT,
                                     MU_COAP_PROXY_SCHEME};
    static const uint16_t all[] = {MU_COAP_URI_HOST,  MU_COAP_URI_PORT,
                                   MU_COAP_URI_PATH,  MU_COAP_MAX_AGE,
                                   MU_COAP_HOP_LIMIT, MU_COAP_ACCEPT,
                                   MU_COAP_PROXY_SCHEME, MU_COAP_SIZE1};
    struct pair p = pair_make(mu_bytes(NULL, 0));
    uint8_t options[64];
    uint8_t buf[128];
    struct mu_writer w = mu_writer(options, sizeof options);
    struct mu_coap_opts o = mu_coap_opts(&w);
    struct mu_oscore_request req;
    struct mu_coap_msg out;
    struct mu_coap_opt opt;

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        mu_coap_put_opt(&o, all[i], mu_bytes_str("s"));
    struct mu_coap_msg in = {MU_COAP_GET, mu_coap_opts_written(&o),
                             {NULL, 0}};
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(
        mu_oscore_protect_request(&p.client, crypto, &in, &w, &out, &req), 0);
    struct mu_coap_iter it = mu_coap_iter(out.options);
    for (size_t i = 0; i < sizeof outer / sizeof outer[0]; i++) {
        assert_true(mu_coap_iter_next(&it, &opt));
        assert_int_equal(opt.number, outer[i]);
    }
    assert_false(mu_coap_iter_next(&it, &opt));
}

static void test_numbers_run_out(void **state)
{
    struct pair p = pair_make(mu_bytes(NULL, 0));
    struct mu_oscore_request req;
    struct mu_coap_msg out;
    uint8_t options[16];
    uint8_t buf[128];
    struct mu_coap_msg in = message(MU_COAP_POST, options, sizeof options);

    (void)state;
    p.client.seq_next = MU_OSCORE_SEQ_END - 1;
    struct mu_writer w = mu_writer(buf, sizeof buf);
    assert_int_equal(
        mu_oscore_protect_request(&p.client, crypto, &in, &w, &out, &req), 0);
    assert_int_equal(req.piv_len, 5);
    assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &out, &w,
                                                 &in, &req),
                     0);
    w = mu_writer(buf, sizeof buf);
    in = message(MU_COAP_POST, options, sizeof options);
    assert_int_equal(
        mu_oscore_protect_request(&p.client, crypto, &in, &w, &out, &req),
        MU_ERR_EXHAUSTED);
    assert_int_equal(w.len, 0);

    /* Not beyond what is reserved on storage. */
    p.client.seq_next = 7;
    p.client.seq_end = 8;
    assert_int_equal(
        mu_oscore_protect_request(&p.client, crypto, &in, &w, &out, &req), 0);
    assert_int_equal(
        mu_oscore_protect_request(&p.client, crypto, &in, &w, &out, &req),
        MU_ERR_BUSY);
    assert_int_equal(p.client.seq_next, 8);
    p.server.seq_end = 0;
    in.code = MU_COAP_CONTENT;
    req.spent = false;
    assert_int_equal(mu_oscore_protect_response(&p.server, crypto, &in, true,
                                                &req, &w, &out),
                     MU_ERR_BUSY);
}

/* A number is used up even when the message did not fit: no nonce twice. */
static void test_no_space(void **state)
{
    struct pair p = pair_make(mu_bytes(NULL, 0));
    struct mu_oscore_request asked;
    struct mu_oscore_request answered;
    struct mu_coap_msg out;
    struct mu_coap_msg back;
    uint8_t options[16];
    uint8_t buf[128];
    uint8_t got[128];
    struct mu_coap_msg in = message(MU_COAP_POST, options, sizeof options);
    size_t need;

    (void)state;
    for (need = 0;; need++) {
        uint64_t seq = p.client.seq_next;
        struct mu_writer w = mu_writer(buf, need);
        int rc = mu_oscore_protect_request(&p.client, crypto, &in, &w, &out,
                                           &asked);
        assert_int_equal(p.client.seq_next, seq + 1);
        if (rc == 0)
            break;
        assert_int_equal(rc, MU_ERR_NO_SPACE);
        assert_int_equal(w.len, 0);
        assert_true(asked.spent);
    }
    assert_true(need > 20);
    struct mu_writer g = mu_writer(got, 3);
    assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &out, &g,
                                                 &back, &answered),
                     MU_ERR_NO_SPACE);
    g = mu_writer(got, sizeof got);
    assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &out, &g,
                                                 &back, &answered),
                     0);

    in.code = MU_COAP_CHANGED;
    struct mu_writer w = mu_writer(buf, 5);
    assert_int_equal(mu_oscore_protect_response(&p.server, crypto, &in, false,
                                                &answered, &w, &out),
                     MU_ERR_NO_SPACE);
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_oscore_protect_response(&p.server, crypto, &in, false,
                                                &answered, &w, &out),
                     MU_ERR_UNEXPECTED);
    assert_int_equal(mu_oscore_protect_response(&p.server, crypto, &in, true,
                                                &answered, &w, &out),
                     0);
}

/* What somebody between the ends, holding no key, can do with what he hears. */
static void test_attacker(void **state)
{
    static const uint8_t other_kctx[] = {9};
    struct pair p = pair_make(mu_bytes(NULL, 0));
    struct pair foreign = pair_make(MU_BYTES(other_kctx));
    struct mu_oscore_request asked[2];
    struct mu_oscore_request answered[2];
    struct mu_oscore_request none;
    struct mu_coap_msg requests[2];
    struct mu_coap_msg responses[2];
    struct mu_coap_msg out;
    uint8_t options[16];
    uint8_t buf[512];
    uint8_t got[1024];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    struct mu_writer g = mu_writer(got, sizeof got);
    struct mu_coap_msg in = message(MU_COAP_POST, options, sizeof options);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(mu_oscore_protect_request(&p.client, crypto, &in, &w,
                                                   &requests[i], &asked[i]),
                         0);
        assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto,
                                                     &requests[i], &g, &out,
                                                     &answered[i]),
                         0);
    }
    in = message(MU_COAP_CHANGED, options, sizeof options);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            mu_oscore_protect_response(&p.server, crypto, &in, i == 1,
                                       &answered[i], &w, &responses[i]),
            0);

    /* The answer to one request as the answer to another. */
    assert_int_equal(mu_oscore_unprotect_response(&p.client, crypto,
                                                  &responses[1], &asked[0], &g,
                                                  &out),
                     MU_ERR_AUTH);
    assert_int_equal(mu_oscore_unprotect_response(&p.client, crypto,
                                                  &responses[0], &asked[1], &g,
                                                  &out),
                     MU_ERR_AUTH);
    /* A request thrown back at its sender, as a request or as an answer. */
    assert_int_equal(mu_oscore_unprotect_request(&p.client, crypto,
                                                 &requests[0], &g, &out,
                                                 &none),
                     MU_ERR_UNKNOWN_KEY);
    struct mu_coap_msg reflected = requests[0];
    reflected.code = MU_COAP_CHANGED;
    assert_int_equal(mu_oscore_unprotect_response(&p.client, crypto,
                                                  &reflected, &asked[0], &g,
                                                  &out),
                     MU_ERR_UNKNOWN_KEY);
    /* Another code outside. */
    reflected = requests[0];
    reflected.code = MU_COAP_FETCH;
    assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &reflected,
                                                 &g, &out, &none),
                     MU_ERR_UNEXPECTED);
    reflected = responses[0];
    reflected.code = MU_COAP_CONTENT;
    assert_int_equal(mu_oscore_unprotect_response(&p.client, crypto,
                                                  &reflected, &asked[0], &g,
                                                  &out),
                     MU_ERR_UNEXPECTED);
    /* The same ids under another id context: another key. */
    assert_int_equal(mu_oscore_unprotect_request(&foreign.server, crypto,
                                                 &requests[0], &g, &out,
                                                 &none),
                     MU_ERR_AUTH);
    struct mu_coap_msg theirs;
    in = message(MU_COAP_POST, options, sizeof options);
    assert_int_equal(mu_oscore_protect_request(&foreign.client, crypto, &in,
                                               &w, &theirs, &none),
                     0);
    assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &theirs,
                                                 &g, &out, &none),
                     MU_ERR_UNKNOWN_KEY);
    /* A forged number far ahead must not close the window on the real ones. */
    static const uint8_t forged_opt[] = {0x96, 0x0d, 0xff, 0xff,
                                         0xff, 0xff, 0xff};
    struct mu_coap_msg forged = {MU_COAP_POST, MU_BYTES(forged_opt),
                                 requests[0].payload};
    assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &forged,
                                                 &g, &out, &none),
                     MU_ERR_AUTH);
    assert_int_equal(mu_oscore_protect_request(&p.client, crypto, &in, &w,
                                               &out, &none),
                     0);
    struct mu_coap_msg next = out;
    assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &next, &g,
                                                 &out, &none),
                     0);
    /* Outer options that the sender did not put there are not believed. */
    uint8_t injected_buf[64];
    struct mu_writer iw = mu_writer(injected_buf, sizeof injected_buf);
    struct mu_coap_opts io = mu_coap_opts(&iw);
    struct mu_bytes value;
    assert_true(mu_coap_find(responses[0].options, MU_COAP_OSCORE, &value));
    mu_coap_put_opt(&io, MU_COAP_ETAG, mu_bytes_str("x"));
    mu_coap_put_opt(&io, MU_COAP_OSCORE, value);
    mu_coap_put_uint(&io, MU_COAP_CONTENT_FORMAT, 0);
    mu_coap_put_uint(&io, MU_COAP_MAX_AGE, 9);
    struct mu_coap_msg injected = responses[0];
    injected.options = mu_coap_opts_written(&io);
    assert_int_equal(mu_oscore_unprotect_response(&p.client, crypto, &injected,
                                                  &asked[0], &g, &out),
                     0);
    uint32_t format;
    assert_true(mu_coap_find_uint(out.options, MU_COAP_CONTENT_FORMAT,
                                  &format));
    assert_int_equal(format, MU_COAP_FORMAT_CBOR);
    assert_false(mu_coap_find(out.options, MU_COAP_ETAG, &value));
    assert_false(mu_coap_find(out.options, MU_COAP_MAX_AGE, &value));
}

/* One option more in a message, at its place: what becomes of it. */
static int protect_with(struct mu_oscore *o, uint8_t code, uint16_t number)
{
    uint8_t options[32];
    uint8_t buf[128];
    struct mu_writer w = mu_writer(options, sizeof options);
    struct mu_coap_opts opts = mu_coap_opts(&w);
    struct mu_oscore_request req = {0};
    struct mu_coap_msg out;

    mu_coap_put_opt(&opts, number, mu_bytes_str("x"));
    struct mu_coap_msg in = {code, mu_coap_opts_written(&opts), {NULL, 0}};
    w = mu_writer(buf, sizeof buf);
    if (mu_coap_is_request(code))
        return mu_oscore_protect_request(o, crypto, &in, &w, &out, &req);
    return mu_oscore_protect_response(o, crypto, &in, true, &req, &w, &out);
}

static void test_refused_to_protect(void **state)
{
    struct pair p = pair_make(mu_bytes(NULL, 0));
    static const uint8_t codes[] = {MU_COAP_POST, MU_COAP_CONTENT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(protect_with(&p.client, codes[i], MU_COAP_ETAG), 0);
        assert_int_equal(protect_with(&p.client, codes[i], MU_COAP_OBSERVE),
                         MU_ERR_UNSUPPORTED);
        assert_int_equal(protect_with(&p.client, codes[i], MU_COAP_PROXY_URI),
                         MU_ERR_UNSUPPORTED);
        assert_int_equal(protect_with(&p.client, codes[i], MU_COAP_OSCORE),
                         MU_ERR_USAGE);
    }

    struct mu_oscore_request req = {0};
    struct mu_coap_msg out;
    uint8_t buf[64];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    struct mu_coap_msg in = {MU_COAP_CONTENT, {NULL, 0}, {NULL, 0}};
    assert_int_equal(
        mu_oscore_protect_request(&p.client, crypto, &in, &w, &out, &req),
        MU_ERR_USAGE);
    in.code = MU_COAP_GET;
    assert_int_equal(mu_oscore_protect_response(&p.client, crypto, &in, true,
                                                &req, &w, &out),
                     MU_ERR_USAGE);
    in.code = MU_COAP_EMPTY;
    assert_int_equal(
        mu_oscore_protect_request(&p.client, crypto, &in, &w, &out, &req),
        MU_ERR_USAGE);
    in.code = MU_COAP_GET;
    in.options = mu_bytes("\xff", 1);
    assert_int_equal(
        mu_oscore_protect_request(&p.client, crypto, &in, &w, &out, &req),
        MU_ERR_USAGE);
}

/* Seals a plaintext that no sender of ours would make, with the right key. */
static struct mu_coap_msg seal_by_hand(struct mu_oscore *o, uint8_t seq,
                                       const char *plain, size_t len,
                                       uint8_t *option, uint8_t *buf)
{
    uint8_t nonce[MU_OSCORE_NONCE_LEN];
    struct mu_oscore_request req = {
        .kid = o->sender_id, .piv = {seq}, .piv_len = 1};
    struct oscore_aad aad;
    size_t sealed;

    option[0] = 0x92; /* delta 9, length 2 */
    option[1] = 0x09;
    option[2] = seq;
    oscore_aad_make(&aad, &req);
    oscore_nonce_make(nonce, o, &o->sender_id, mu_bytes(&seq, 1));
    struct mu_aead aead = {MU_ALG_AES_CCM_16_64_128, &o->sender_key,
                           MU_BYTES(nonce), mu_bytes(aad.bytes, aad.len)};
    assert_int_equal(
        crypto->seal(crypto->ctx, &aead, mu_bytes(plain, len), buf, &sealed),
        0);
    return (struct mu_coap_msg){MU_COAP_POST, mu_bytes(option, 3),
                                mu_bytes(buf, sealed)};
}

/* A peer with the key is still not trusted to be well formed. */
static void test_hostile_peer(void **state)
{
    struct row {
        const char *plain;
        size_t len;
        int error;
    };
    static const struct row rows[] = {
        {"\x02", 1, 0},
        {"\x02\xb1k\xff!", 5, 0},
        {"\x02\xff", 2, MU_ERR_MALFORMED},      /* marker, no payload */
        {"\x02\xb2k", 3, MU_ERR_MALFORMED},     /* option cut short */
        {"\x02\xf0k", 3, MU_ERR_MALFORMED},     /* reserved delta */
        {"\x00", 1, MU_ERR_MALFORMED},          /* not a request */
        {"\x44", 1, MU_ERR_MALFORMED},
        {"\xe1", 1, MU_ERR_MALFORMED},
        {"\x02\x60", 2, MU_ERR_UNSUPPORTED},    /* Observe */
        {"\x02\x90", 2, MU_ERR_MALFORMED},      /* OSCORE in OSCORE */
        {"\x02\x31h", 3, MU_ERR_MALFORMED},     /* Uri-Host inside */
    };
    struct pair p = pair_make(mu_bytes(NULL, 0));

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t option[3];
        uint8_t sealed[64];
        uint8_t buf[64];
        struct mu_oscore_request req;
        struct mu_coap_msg out;
        struct mu_writer w = mu_writer(buf, sizeof buf);
        struct mu_coap_msg in = seal_by_hand(&p.client, (uint8_t)i,
                                             rows[i].plain, rows[i].len,
                                             option, sealed);
        int rc = mu_oscore_unprotect_request(&p.server, crypto, &in, &w, &out,
                                             &req);
        if (rc != rows[i].error)
            fail_msg("row %zu: %s", i, mu_err_name(rc));
        assert_int_equal(req.spent, rc != 0);
        /* It was authentic: its number is gone, whatever was in it. */
        assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &in,
                                                     &w, &out, &req),
                         MU_ERR_REPLAY);
    }
}

static void test_option(void **state)
{
    struct row {
        const char *value;
        size_t len;
        int error;
    };
    static const struct row rows[] = {
        {"", 0, 0},
        {"\x09\x14", 2, 0},
        {"\x01\x00", 2, 0},
        {"\x19\x14\x02\xaa\xbb\xcc", 6, 0},
        {"\x08", 1, 0},
        {"\x10\x00", 2, 0},
        {"\x05\x01\x02\x03\x04\x05", 6, 0},
        {"\x00", 1, MU_ERR_MALFORMED},              /* has to be empty */
        {"\x06\x01\x02\x03\x04\x05\x06", 7, MU_ERR_MALFORMED},
        {"\x07\x01\x02\x03\x04\x05\x06\x07", 8, MU_ERR_MALFORMED},
        {"\x29\x14", 2, MU_ERR_UNSUPPORTED},        /* group mode */
        {"\x49\x14", 2, MU_ERR_UNSUPPORTED},
        {"\x89\x14", 2, MU_ERR_UNSUPPORTED},
        {"\x0a\x14", 2, MU_ERR_TRUNCATED},
        {"\x19\x14", 2, MU_ERR_TRUNCATED},
        {"\x19\x14\x03\xaa\xbb", 5, MU_ERR_TRUNCATED},
        {"\x01\x14\xaa", 3, MU_ERR_MALFORMED},      /* bytes, but no kid */
        {"\x0a\x00\x14", 3, MU_ERR_MALFORMED},      /* a zero in front */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mu_oscore_option opt;
        struct mu_bytes value = mu_bytes(rows[i].value, rows[i].len);
        uint8_t buf[32];
        int rc = mu_oscore_option_decode(value, &opt);
        if (rc != rows[i].error)
            fail_msg("row %zu: %s", i, mu_err_name(rc));
        if (rc != 0)
            continue;
        struct mu_writer w = mu_writer(buf, sizeof buf);
        mu_oscore_option_encode(&opt, &w);
        assert_true(mu_bytes_eq(mu_written(&w), value));
    }

    struct mu_oscore_option opt;
    struct mu_coap_msg msg = {MU_COAP_POST, {NULL, 0}, {NULL, 0}};
    assert_int_equal(mu_oscore_option_find(&msg, &opt), MU_ERR_UNEXPECTED);
    msg.options = mu_bytes("\x91\x08\x01\x08", 4);
    assert_int_equal(mu_oscore_option_find(&msg, &opt), MU_ERR_MALFORMED);
    msg.options = mu_bytes("\x91\x08", 2);
    assert_int_equal(mu_oscore_option_find(&msg, &opt), 0);
    assert_true(opt.has_kid && opt.kid.len == 0);
}

static void test_outer_refused(void **state)
{
    static const uint16_t numbers[] = {MU_COAP_OBSERVE, MU_COAP_BLOCK1,
                                       MU_COAP_BLOCK2};
    struct pair p = pair_make(mu_bytes(NULL, 0));

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t options[32];
        uint8_t buf[64];
        struct mu_writer w = mu_writer(options, sizeof options);
        struct mu_coap_opts o = mu_coap_opts(&w);
        struct mu_oscore_request req;
        struct mu_coap_msg out;
        if (numbers[i] < MU_COAP_OSCORE)
            mu_coap_put_uint(&o, numbers[i], 0);
        mu_coap_put_opt(&o, MU_COAP_OSCORE, mu_bytes("\x09\x14", 2));
        if (numbers[i] > MU_COAP_OSCORE)
            mu_coap_put_uint(&o, numbers[i], 0);
        struct mu_coap_msg in = {MU_COAP_POST, mu_coap_opts_written(&o),
                                 mu_bytes_str("0123456789")};
        w = mu_writer(buf, sizeof buf);
        assert_int_equal(mu_oscore_unprotect_request(&p.server, crypto, &in,
                                                     &w, &out, &req),
                         MU_ERR_UNSUPPORTED);
    }
}

static void test_init_refuses(void **state)
{
    static const uint8_t bytes[32] = {1};
    struct mu_oscore o;
    struct mu_oscore zero;
    struct mu_oscore_params good = {.master_secret = mu_bytes(bytes, 16),
                                    .sender_id = mu_bytes(bytes, 7),
                                    .recipient_id = mu_bytes(bytes, 6),
                                    .has_id_context = true,
                                    .id_context = mu_bytes(bytes, 16)};

    (void)state;
    memset(&zero, 0, sizeof zero);
    assert_int_equal(mu_oscore_init(&o, crypto, &good), 0);
    mu_oscore_clear(&o);
    assert_memory_equal(&o, &zero, sizeof o);
    struct mu_oscore_params p = good;
    p.sender_id.len = 8;
    assert_int_equal(mu_oscore_init(&o, crypto, &p), MU_ERR_USAGE);
    p = good;
    p.recipient_id.len = 8;
    assert_int_equal(mu_oscore_init(&o, crypto, &p), MU_ERR_USAGE);
    p = good;
    p.sender_id = p.recipient_id;
    assert_int_equal(mu_oscore_init(&o, crypto, &p), MU_ERR_USAGE);
    p = good;
    p.id_context.len = 17;
    assert_int_equal(mu_oscore_init(&o, crypto, &p), MU_ERR_USAGE);
    p = good;
    p.master_secret.len = 0;
    assert_int_equal(mu_oscore_init(&o, crypto, &p), MU_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_random_exchanges),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_numbers_run_out),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_attacker),
        cmocka_unit_test(test_refused_to_protect),
        cmocka_unit_test(test_hostile_peer),
        cmocka_unit_test(test_option),
        cmocka_unit_test(test_outer_refused),
        cmocka_unit_test(test_init_refuses),
    };

    crypto = mu_crypto_openssl();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
