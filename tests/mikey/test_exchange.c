/* SPDX-License-Identifier: Apache-2.0 */
/* The five exchanges: both ends get the same keys; whatever was changed,
 * replayed, weakened or meant for somebody else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mikey/lab.h"

static const struct mu_crypto *crypto;

static void same_keys(void **state)
{
    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        struct lab l;
        uint8_t a[20];
        uint8_t b[20];

        lab_init(&l, m);
        lab_run(&l);
        assert_int_equal(l.i.keys_len, 1);
        assert_int_equal(l.r.keys_len, 1);
        for (int use = MU_MIKEY_FOR_TEK; use <= MU_MIKEY_FOR_SALT; use++) {
            assert_int_equal(mu_mikey_traffic_key(crypto, &l.i, 0, 1, use, a,
                                                  sizeof a),
                             0);
            assert_int_equal(mu_mikey_traffic_key(crypto, &l.r, 0, 1, use, b,
                                                  sizeof b),
                             0);
            assert_memory_equal(a, b, sizeof a);
        }
        if (m == LAB_DHSIGN || m == LAB_DHMAC)
            assert_int_equal(l.i.keys[0].len, 192);
        mu_mikey_session_clear(&l.r);
        assert_int_equal(l.r.keys_len, 0);
    }
}

/* One bit of each byte at a time, and every length. Nothing may be left in the
 * session, and the untouched message must still be good afterwards. */
static void refuse_damaged(struct lab *l, bool first)
{
    uint8_t bad[MU_MIKEY_MESSAGE_MAX];
    const struct mu_bytes good = first ? lab_first(l) : lab_second(l);

    for (size_t at = 0; at < good.len; at++) {
        int rc;
        memcpy(bad, good.data, good.len);
        bad[at] ^= (uint8_t)(1u << at % 8);
        rc = first ? lab_first_take(l, mu_bytes(bad, good.len))
                   : lab_second_take(l, mu_bytes(bad, good.len));
        if (mu_err_class(rc) != MU_CLASS_DROP)
            fail_msg("%s: byte %zu changed: %s", lab_names[l->method], at,
                     mu_err_name(rc));
        rc = first ? lab_first_take(l, mu_bytes(good.data, at))
                   : lab_second_take(l, mu_bytes(good.data, at));
        if (mu_err_class(rc) != MU_CLASS_DROP)
            fail_msg("%s: cut to %zu: %s", lab_names[l->method], at,
                     mu_err_name(rc));
        if (first)
            assert_int_equal(l->r.keys_len, 0);
    }
    memcpy(bad, good.data, good.len);
    bad[good.len] = 0;
    assert_int_not_equal(first
                             ? lab_first_take(l, mu_bytes(bad, good.len + 1))
                             : lab_second_take(l, mu_bytes(bad, good.len + 1)),
                         0);
}

static void damaged(void **state)
{
    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        struct lab l;

        lab_init(&l, m);
        assert_int_equal(lab_first_make(&l), 0);
        refuse_damaged(&l, true);
        assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
        assert_int_equal(lab_second_make(&l), 0);
        refuse_damaged(&l, false);
        assert_int_equal(lab_second_take(&l, lab_second(&l)), 0);
    }
}

static void replayed_and_stale(void **state)
{
    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        struct lab l;

        lab_init(&l, m);
        assert_int_equal(lab_first_make(&l), 0);
        l.at_r.now = LAB_NOW + 61 * LAB_SECOND;
        assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_EXPIRED);
        l.at_r.now = LAB_NOW - 61 * LAB_SECOND;
        assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_EXPIRED);
        l.at_r.now = LAB_NOW - 60 * LAB_SECOND;
        assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
        assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_REPLAY);
        l.at_r.now = LAB_NOW + 60 * LAB_SECOND;
        assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_REPLAY);
        l.at_r.time_type = MU_MIKEY_COUNTER;
        assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_FORBIDDEN);
    }
}

/* More messages than the cache holds: the ones it forgot stay refused. */
static void replay_cache_full(void **state)
{
    static struct lab l[MU_MIKEY_REPLAY_MAX + 8];
    const size_t n = sizeof l / sizeof l[0];
    struct mu_mikey_replay cache;

    (void)state;
    mu_mikey_replay_init(&cache);
    for (size_t i = 0; i < n; i++) {
        lab_init(&l[i], LAB_PSK);
        l[i].i.time.value += i;
        l[i].at_r.replay = &cache;
        assert_int_equal(lab_first_make(&l[i]), 0);
        assert_int_equal(lab_first_take(&l[i], lab_first(&l[i])), 0);
    }
    assert_int_equal(cache.len, MU_MIKEY_REPLAY_MAX);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(lab_first_take(&l[i], lab_first(&l[i])),
                         MU_ERR_REPLAY);
    /* Reordered: an honest one, older than what was forgotten, is refused. */
    lab_init(&l[0], LAB_PSK);
    l[0].at_r.replay = &cache;
    l[0].i.time.value = LAB_NOW + 3;
    l[0].i.header.csb++;
    assert_int_equal(lab_first_make(&l[0]), 0);
    assert_int_equal(lab_first_take(&l[0], lab_first(&l[0])), MU_ERR_REPLAY);
    /* Time goes on, the cache empties. */
    l[0].i.time.value = LAB_NOW + 1000 * LAB_SECOND;
    l[0].at_r.now = l[0].i.time.value;
    l[0].i.keys_len = 0;
    assert_int_equal(mu_mikey_session_key(&l[0].i, MU_MIKEY_TEK,
                                          MU_BYTES(l[0].psk),
                                          mu_bytes(NULL, 0)),
                     0);
    assert_int_equal(lab_first_make(&l[0]), 0);
    assert_int_equal(lab_first_take(&l[0], lab_first(&l[0])), 0);
    assert_int_equal(cache.len, 1);
}

static void downgraded(void **state)
{
    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        struct lab l;

        lab_init(&l, m);
        if (m == LAB_PSK || m == LAB_RSA) {
            l.i.encr = MU_MIKEY_ENCR_NULL;
            assert_int_equal(lab_first_make(&l), 0);
            assert_int_equal(lab_first_take(&l, lab_first(&l)),
                             MU_ERR_FORBIDDEN);
        }
        lab_init(&l, m);
        if (m != LAB_DHSIGN && m != LAB_RSA_R) {
            l.i.mac = MU_MIKEY_MAC_NULL;
            assert_int_equal(lab_first_make(&l), 0);
            assert_int_equal(lab_first_take(&l, lab_first(&l)),
                             MU_ERR_FORBIDDEN);
        }
        lab_init(&l, m);
        if (m == LAB_DHSIGN || m == LAB_DHMAC) {
            l.i.group = MU_MIKEY_OAKLEY_1;
            assert_int_equal(lab_first_make(&l), 0);
            assert_int_equal(lab_first_take(&l, lab_first(&l)),
                             MU_ERR_FORBIDDEN);
        }
        lab_init(&l, m);
        if (m == LAB_RSA || m == LAB_DHSIGN || m == LAB_RSA_R) {
            l.i.scheme = MU_MIKEY_RSA_PSS;
            assert_int_equal(lab_first_make(&l), 0);
            assert_int_equal(lab_first_take(&l, lab_first(&l)),
                             MU_ERR_FORBIDDEN);
            l.at_r.schemes = MU_MIKEY_BIT(MU_MIKEY_RSA_PSS);
            assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
        }
        lab_init(&l, m);
        l.i.header.prf = MU_MIKEY_PRF_SHA256;
        assert_int_equal(lab_first_make(&l), 0);
        assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_FORBIDDEN);
    }
}

static void answer_downgraded(void **state)
{
    struct lab l;

    (void)state;
    lab_init(&l, LAB_RSA_R);
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
    assert_int_equal(lab_second_make(&l), 0);
    l.at_i.encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_KW);
    assert_int_equal(lab_second_take(&l, lab_second(&l)), MU_ERR_FORBIDDEN);
    l.at_i.encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_CM);
    assert_int_equal(lab_second_take(&l, lab_second(&l)), 0);
    /* A verification message in an algorithm that was not used. */
    lab_init(&l, LAB_PSK);
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
    l.r.mac = MU_MIKEY_MAC_NULL;
    assert_int_equal(lab_second_make(&l), 0);
    assert_int_equal(lab_second_take(&l, lab_second(&l)), MU_ERR_FORBIDDEN);
}

/* Every message to every other method, in both places. */
static void wrong_method(void **state)
{
    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        struct lab l;
        lab_init(&l, m);
        lab_run(&l);
        for (int other = 0; other < LAB_METHODS; other++) {
            struct lab k;
            lab_init(&k, other);
            assert_int_equal(lab_first_make(&k), 0);
            if (other != m) {
                assert_int_equal(lab_first_take(&k, lab_first(&l)),
                                 MU_ERR_UNEXPECTED);
                assert_int_equal(lab_second_take(&k, lab_second(&l)),
                                 MU_ERR_UNEXPECTED);
            }
            /* A message back to who sent it. */
            assert_int_equal(lab_second_take(&k, lab_first(&k)),
                             MU_ERR_UNEXPECTED);
        }
    }
}

/* An answer to another exchange of the same two. */
static void wrong_exchange(void **state)
{
    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        struct lab a;
        struct lab b;

        lab_init(&a, m);
        lab_run(&a);
        lab_init(&b, m);
        b.i.header.csb++;
        assert_int_equal(lab_first_make(&b), 0);
        assert_int_equal(lab_second_take(&b, lab_second(&a)),
                         MU_ERR_UNEXPECTED);
        lab_init(&b, m);
        b.i.time.value++;
        assert_int_equal(lab_first_make(&b), 0);
        assert_int_equal(lab_second_take(&b, lab_second(&a)),
                         MU_ERR_UNEXPECTED);
        /* CSB and time the same, keys or values not. */
        lab_init(&b, m);
        memset(b.psk, 1, sizeof b.psk);
        b.i.rand[0] ^= 1;
        assert_int_equal(lab_first_make(&b), 0);
        const int rc = lab_second_take(&b, lab_second(&a));
        if (m == LAB_PSK || m == LAB_RSA)
            assert_int_equal(rc, MU_ERR_AUTH);
        else if (m == LAB_DHSIGN || m == LAB_DHMAC)
            assert_int_equal(rc, MU_ERR_UNEXPECTED);
        else /* its keys do not open: the RAND is another */
            assert_int_equal(rc, MU_ERR_AUTH);
    }
}

static void wrong_names(void **state)
{
    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        struct lab l;

        lab_init(&l, m);
        assert_int_equal(mu_mikey_name_set(&l.at_r.self, MU_MIKEY_NAI,
                                           mu_bytes_str("x@m2m.example")),
                         0);
        assert_int_equal(lab_first_make(&l), 0);
        assert_int_equal(lab_first_take(&l, lab_first(&l)),
                         MU_ERR_UNKNOWN_PEER);
        lab_init(&l, m);
        assert_int_equal(mu_mikey_name_set(&l.at_r.peer, MU_MIKEY_NAI,
                                           mu_bytes_str("x@m2m.example")),
                         0);
        assert_int_equal(lab_first_make(&l), 0);
        assert_int_equal(lab_first_take(&l, lab_first(&l)),
                         MU_ERR_UNKNOWN_PEER);
        /* The same letters as a URI are another name. */
        lab_init(&l, m);
        l.at_r.self.type = MU_MIKEY_URI;
        assert_int_equal(lab_first_make(&l), 0);
        assert_int_equal(lab_first_take(&l, lab_first(&l)),
                         MU_ERR_UNKNOWN_PEER);
    }
}

static void wrong_psk(void **state)
{
    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        struct lab l;

        if (m != LAB_PSK && m != LAB_DHMAC)
            continue;
        lab_init(&l, m);
        assert_int_equal(lab_first_make(&l), 0);
        l.psk[15] ^= 1;
        assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_AUTH);
    }
}

/* A certificate in the right name that nobody trusts; a trusted one whose key
 * did not sign; a name that the certificate does not have. */
static void wrong_certificates(void **state)
{
    static const int methods[] = {LAB_RSA, LAB_DHSIGN, LAB_RSA_R};

    (void)state;
    for (size_t n = 0; n < 3; n++) {
        struct lab l;
        struct mu_mikey_pk saved = lab_initiator()->pk;

        lab_init(&l, methods[n]);
        lab_initiator()->pk = lab_stranger()->pk;
        assert_int_equal(lab_first_make(&l), 0);
        lab_initiator()->pk = saved;
        assert_int_equal(lab_first_take(&l, lab_first(&l)),
                         l.i.send_cert ? MU_ERR_UNKNOWN_PEER : MU_ERR_AUTH);
        lab_init(&l, methods[n]);
        lab_initiator()->pk.cert = lab_responder()->o.cert;
        l.i.send_cert = true;
        assert_int_equal(lab_first_make(&l), 0);
        lab_initiator()->pk = saved;
        assert_int_equal(lab_first_take(&l, lab_first(&l)),
                         MU_ERR_UNKNOWN_PEER);
        lab_init(&l, methods[n]);
        l.i.send_cert = false;
        l.at_r.peer_cert = mu_bytes(NULL, 0);
        assert_int_equal(lab_first_make(&l), 0);
        assert_int_equal(lab_first_take(&l, lab_first(&l)),
                         MU_ERR_UNKNOWN_PEER);
    }
}

/* RSA: who the envelope is for, and whose name is inside. */
static void envelopes(void **state)
{
    struct lab l;

    (void)state;
    lab_init(&l, LAB_RSA);
    l.i.send_hash = true;
    lab_run(&l);
    lab_init(&l, LAB_RSA);
    l.i.send_hash = true;
    l.i.peer_cert = lab_initiator()->o.cert;
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_UNKNOWN_KEY);
    /* Without the hash it just does not open; and does not say why. */
    lab_init(&l, LAB_RSA);
    l.i.peer_cert = lab_initiator()->o.cert;
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_AUTH);
    /* With a certificate in place of IDi the name inside alone says who; it
     * has to be the one of the certificate. */
    lab_init(&l, LAB_RSA);
    l.i.send_cert = true;
    lab_run(&l);
    lab_init(&l, LAB_RSA);
    l.i.send_cert = true;
    l.i.idi = l.i.idr;
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_UNKNOWN_PEER);
}

/* 1 and p - 1 as public values: everybody would know the TGK. */
static void weak_values(void **state)
{
    struct lab l;
    uint8_t one[MU_MIKEY_DH_MAX] = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        lab_init(&l, LAB_DHMAC);
        assert_int_equal(lab_first_make(&l), 0);
        assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
        one[sizeof one - 1] = (uint8_t)i;
        memcpy(l.r.dh_i, one, sizeof one);
        assert_int_equal(lab_second_make(&l), MU_ERR_MALFORMED);
        assert_int_equal(l.r.keys_len, 0);
        memset(l.r.dh_i, 0xff, sizeof one); /* above p */
        assert_int_equal(lab_second_make(&l), MU_ERR_MALFORMED);
    }
}

/* The other groups, AES-KW, SHA-256: all that both ends may agree on. */
static void other_algorithms(void **state)
{
    struct lab l;

    (void)state;
    for (uint8_t g = MU_MIKEY_OAKLEY_5; g <= MU_MIKEY_OAKLEY_2; g++) {
        lab_init(&l, LAB_DHSIGN);
        l.i.group = g;
        l.at_r.groups = MU_MIKEY_BIT(g);
        lab_run(&l);
        assert_int_equal(l.r.keys[0].len, mu_mikey_dh_len(g));
        assert_memory_equal(l.r.keys[0].bytes, l.i.keys[0].bytes,
                            mu_mikey_dh_len(g));
    }
    for (size_t len = 8; len <= 33; len++) {
        uint8_t tek[33];

        lab_init(&l, LAB_PSK);
        memset(tek, (int)len, sizeof tek);
        l.i.keys_len = 0;
        assert_int_equal(mu_mikey_session_key(&l.i, MU_MIKEY_TEK,
                                              mu_bytes(tek, len),
                                              mu_bytes(NULL, 0)),
                         0);
        l.i.encr = MU_MIKEY_ENCR_AES_KW;
        l.i.mac = MU_MIKEY_MAC_SHA256;
        l.i.header.prf = MU_MIKEY_PRF_SHA256;
        l.at_r.encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_KW);
        l.at_r.mac = MU_MIKEY_BIT(MU_MIKEY_MAC_SHA256);
        l.at_r.prf = MU_MIKEY_BIT(MU_MIKEY_PRF_SHA256);
        lab_run(&l);
        assert_int_equal(l.r.keys[0].len, len);
        assert_memory_equal(l.r.keys[0].bytes, tek, len);
    }
}

/* One exchange keys three protocols: a common TGK, keys of their own. */
static void several_protocols(void **state)
{
    static const uint8_t oscore[] = {0, 1, 10};
    static const uint8_t ids[] = {MU_MIKEY_OSCORE, MU_MIKEY_HOP,
                                  MU_MIKEY_SRTP};
    struct lab l;
    uint8_t keys[6][16];
    uint8_t cs;

    (void)state;
    for (int m = 0; m < LAB_METHODS; m++) {
        lab_init(&l, m);
        l.i.header.cs_len = 0;
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(mu_mikey_session_protocol(&l.i, ids[i],
                                                       MU_BYTES(oscore), &cs),
                             0);
            assert_int_equal(cs, i + 1);
        }
        lab_run(&l);
        assert_int_equal(l.r.header.map, MU_MIKEY_MAP_GENERIC);
        for (size_t i = 0; i < 3; i++) {
            const struct mu_mikey_cs *c = mu_mikey_session_find(&l.r, ids[i]);
            assert_non_null(c);
            assert_int_equal(mu_mikey_traffic_key(crypto, &l.r, 0, c->id,
                                                  MU_MIKEY_FOR_TEK, keys[i],
                                                  16),
                             0);
            assert_int_equal(mu_mikey_traffic_key(crypto, &l.i, 0,
                                                  (uint8_t)(i + 1),
                                                  MU_MIKEY_FOR_TEK,
                                                  keys[3 + i], 16),
                             0);
            assert_memory_equal(keys[i], keys[3 + i], 16);
        }
        assert_memory_not_equal(keys[0], keys[1], 16);
        assert_memory_not_equal(keys[1], keys[2], 16);
        assert_null(mu_mikey_session_find(&l.r, MU_MIKEY_DTLS));
    }
    /* A protocol that the other end does not take. */
    lab_init(&l, LAB_PSK);
    l.i.header.cs_len = 0;
    assert_int_equal(mu_mikey_session_protocol(&l.i, MU_MIKEY_DTLS,
                                               MU_BYTES(oscore), &cs),
                     0);
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_UNSUPPORTED);
    /* A session that leads to the policy of another protocol, to none, and two
     * sessions of one number. */
    for (int i = 0; i < 3; i++) {
        lab_init(&l, LAB_PSK);
        l.i.header.cs_len = 0;
        assert_int_equal(mu_mikey_session_protocol(&l.i, MU_MIKEY_OSCORE,
                                                   MU_BYTES(oscore), &cs),
                         0);
        assert_int_equal(mu_mikey_session_protocol(&l.i, MU_MIKEY_HOP,
                                                   MU_BYTES(oscore), &cs),
                         0);
        if (i == 0)
            l.i.header.cs[1].policies[0] = 0;
        else if (i == 1)
            l.i.header.cs[1].policies[0] = 9;
        else
            l.i.header.cs[1].id = 1;
        assert_int_equal(lab_first_make(&l), 0);
        assert_int_equal(lab_first_take(&l, lab_first(&l)), MU_ERR_MALFORMED);
    }
}

static void no_verification(void **state)
{
    struct lab l;

    (void)state;
    lab_init(&l, LAB_PSK);
    l.i.header.verify = false;
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
    assert_int_equal(lab_second_make(&l), MU_ERR_UNEXPECTED);
    assert_int_equal(lab_second_take(&l, lab_first(&l)), MU_ERR_UNEXPECTED);
}

static void errors(void **state)
{
    struct lab l;
    uint8_t buf[128];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    uint8_t number;
    bool proved;

    (void)state;
    lab_init(&l, LAB_PSK);
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
    assert_int_equal(mu_mikey_error_create(crypto, &l.r,
                                           mu_mikey_error_of(MU_ERR_EXPIRED),
                                           &w),
                     0);
    assert_int_equal(mu_mikey_error_consume(crypto, &l.i, mu_written(&w),
                                            &number, &proved),
                     0);
    assert_int_equal(number, MU_MIKEY_E_TIME);
    assert_true(proved);
    for (size_t i = 0; i < w.len; i++) {
        buf[i] ^= 0x10;
        assert_int_not_equal(mu_mikey_error_consume(crypto, &l.i,
                                                    mu_written(&w), &number,
                                                    &proved),
                             0);
        assert_false(proved);
        buf[i] ^= 0x10;
    }
    /* A V without a MAC, where there is a key to make one. */
    l.r.mac = MU_MIKEY_MAC_NULL;
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(
        mu_mikey_error_create(crypto, &l.r, MU_MIKEY_E_AUTH, &w), 0);
    buf[w.len - 4] = MU_MIKEY_V;
    mu_write_u16(&w, MU_MIKEY_MAC_NULL);
    assert_int_equal(mu_mikey_error_consume(crypto, &l.i, mu_written(&w),
                                            &number, &proved),
                     MU_ERR_FORBIDDEN);
    assert_false(proved);
    /* Without a key it is a hint. */
    mu_secret_clear(&l.r.auth);
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(
        mu_mikey_error_create(crypto, &l.r, MU_MIKEY_E_AUTH, &w), 0);
    assert_int_equal(mu_mikey_error_consume(crypto, &l.i, mu_written(&w),
                                            &number, &proved),
                     0);
    assert_int_equal(number, MU_MIKEY_E_AUTH);
    assert_false(proved);
}

/* What a bad sender with the key could put into the padding of AES-KW. */
static void padding(void **state)
{
    static const uint8_t ends[][2] = {{0, 0}, {0, 1}, {1, 0}};
    struct lab l;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct mu_mikey_session *s;
        uint8_t plain[24] = {0, 0, 0, 16};
        uint8_t data[40];
        uint8_t mac[MU_MIKEY_MAC_MAX] = {0};
        size_t len;
        struct mu_mikey_msg_keys k;
        struct mu_mikey_writer m;
        struct mu_bytes text;
        struct mu_writer w = mu_writer(l.first, sizeof l.first);

        lab_init(&l, LAB_PSK);
        l.at_r.encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_KW);
        s = &l.i;
        const struct mu_mikey_bundle b = {
            .csb = LAB_CSB, .rand = mu_bytes(s->rand, s->rand_len)};
        memcpy(plain + 22, ends[i], 2);
        assert_int_equal(
            mu_mikey_msg_keys(crypto, &b, MU_BYTES(l.psk), &k), 0);
        assert_int_equal(mu_mikey_encrypt(crypto, &k, MU_MIKEY_ENCR_AES_KW,
                                          LAB_CSB, &s->time, MU_BYTES(plain),
                                          data, &len),
                         0);
        mu_mikey_begin(&m, &w, &s->header);
        mu_mikey_put(&m, &(struct mu_mikey_payload){MU_MIKEY_T, .t = s->time});
        mu_mikey_put(&m, &(struct mu_mikey_payload){MU_MIKEY_RAND,
                                                    .rand = b.rand});
        mu_mikey_put(&m, &(struct mu_mikey_payload){
                             MU_MIKEY_KEMAC,
                             .kemac = {MU_MIKEY_ENCR_AES_KW,
                                       mu_bytes(data, len), MU_MIKEY_MAC_SHA1,
                                       mu_bytes(mac, 20)}});
        text = mu_mikey_made(&m);
        text.len -= 20;
        assert_int_equal(mu_mikey_mac(crypto, &k.auth, MU_MIKEY_MAC_SHA1,
                                      &text, 1, mac),
                         0);
        memcpy(l.first + text.len, mac, 20);
        assert_int_equal(lab_first_take(&l, mu_bytes(l.first, w.len)),
                         i == 0 ? 0 : MU_ERR_MALFORMED);
    }
}

static int setup(void **state)
{
    (void)state;
    crypto = mu_crypto_openssl();
    return crypto == NULL;
}

static int teardown(void **state)
{
    (void)state;
    lab_ends_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_keys),
        cmocka_unit_test(damaged),
        cmocka_unit_test(replayed_and_stale),
        cmocka_unit_test(replay_cache_full),
        cmocka_unit_test(downgraded),
        cmocka_unit_test(answer_downgraded),
        cmocka_unit_test(wrong_method),
        cmocka_unit_test(wrong_exchange),
        cmocka_unit_test(wrong_names),
        cmocka_unit_test(wrong_psk),
        cmocka_unit_test(wrong_certificates),
        cmocka_unit_test(envelopes),
        cmocka_unit_test(weak_values),
        cmocka_unit_test(other_algorithms),
        cmocka_unit_test(several_protocols),
        cmocka_unit_test(no_verification),
        cmocka_unit_test(errors),
        cmocka_unit_test(padding),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
