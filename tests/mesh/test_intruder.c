/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody beside a device whom it takes for a neighbour, by real packets: one
 * who holds no key, and a member gone bad, who holds all keys of the area. The
 * image gets through, nothing else does, and what they make others do is
 * bounded.
 */
#include "mesh.h"

#include <poll.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/cbor.h"
#include "muster/cose.h"
#include "muster/deluge.h"
#include "net/mesh_state.h"

#define IMAGE_BYTES 120000
#define FORGED_EACH 20 /* for each packet heard */
#define LIE_LEN 300

static void begin(struct mesh *m, struct lab *lab, struct mesh_link **l)
{
    mesh_open(m, lab, 3);
    mesh_near(m, 1, 2);
    mesh_near(m, 2, 3);
    *l = mesh_intruder(m, 2);
    for (unsigned i = 1; i <= 3; i++)
        mesh_device(m, i, i == 1, NULL);
    for (unsigned i = 1; i <= 3; i++)
        mesh_connected(m, i);
}

static bool same_pages(struct mesh *m, unsigned a, unsigned b)
{
    char one[32], other[32];

    snprintf(one, sizeof(one), "state-%u/mesh", a);
    snprintf(other, sizeof(other), "state-%u/mesh", b);
    return lab_same(lab_path(m->lab, one), lab_path(m->lab, other));
}

/* ---- without a key ------------------------------------------------------ */

static void forge(struct mesh_link *l, const uint8_t *packet, size_t len)
{
    uint8_t forged[2048];

    if (packet == NULL)
        return;
    for (int i = 0; i < FORGED_EACH; i++) {
        memcpy(forged, packet, len);
        forged[mesh_link_random(l) % len] ^=
            (uint8_t)(1 + mesh_link_random(l) % 255);
        if (mu_cast_is_data(packet[0]) && i % 2 == 0)
            /* one that is still to come, and what a page never has */
            mu_cast_data_head(forged, packet[1],
                              mu_cast_data_page(packet) +
                                  mesh_link_random(l) % 2,
                              mesh_link_random(l) % 256);
        mesh_link_send(l, forged, len);
    }
    mesh_link_send(l, packet, len); /* and what it recorded, as it was */
}

static void test_outsider(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct mesh_link *l;
    static struct mesh m; /* its threads outlive a failure */
    char id[32];

    begin(&m, lab, &l);
    l->intrude = forge;
    mesh_links(&m);
    lab_file(file, IMAGE_BYTES, 20);
    real_push(lab, id, file, NULL);
    for (unsigned i = 1; i <= 3; i++)
        mesh_runs(&m, i, file);
    real_ends(lab, id, 0);
    assert_true(atomic_load(&l->sent) > 1000);
    assert_true(mesh_count(&m, 2, "forged") > 500);
    assert_int_equal(mesh_count(&m, 3, "forged"), 0); /* passed nothing on */
    assert_true(same_pages(&m, 1, 2));
    assert_true(same_pages(&m, 1, 3));
    mesh_close(&m);
}

/* ---- with the area's keys ----------------------------------------------- */

struct traitor {
    const struct mu_crypto *crypto;
    struct mu_deluge_seal seal;
    uint16_t round, victim, victim_round;
    uint8_t count, turn;
    unsigned beats, asked;
};

static void lie_of(const struct traitor *t, uint8_t lie[LIE_LEN],
                   uint8_t hash[32])
{
    struct mu_bytes all = { lie, LIE_LEN };

    memset(lie, t->turn, LIE_LEN);
    mu_sha256(t->crypto, &all, 1, hash);
}

static void lie_send(struct mesh_link *l, struct mu_writer *w, int rc)
{
    if (rc == 0)
        mesh_link_send(l, w->data, w->len);
}

/* A version above all, under another name each time. */
static void lie_offer(struct mesh_link *l, struct traitor *t)
{
    uint8_t lie[LIE_LEN], hash[32], out[MU_PACKET_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_deluge_adv a = {
        .channel = 1, .node = (uint16_t)(1000 + t->round % 50),
        .round = ++t->round, .version = UINT64_MAX, .manifest_len = LIE_LEN,
        .pages = 9,
    };

    lie_of(t, lie, hash);
    memcpy(a.id, hash, sizeof(a.id));
    lie_send(l, &w, mu_deluge_adv_create(&t->seal, &a, &w));
}

static void lie_manifest(struct mesh_link *l, struct traitor *t)
{
    uint8_t lie[LIE_LEN], hash[32], out[MU_PACKET_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_deluge_fragment f = {
        .session = 1, .count = 1, .bytes = { lie, LIE_LEN },
    };

    lie_of(t, lie, hash);
    memcpy(f.id, hash, sizeof(f.id));
    lie_send(l, &w, mu_deluge_fragment_create(&t->seal, &f, &w));
    t->turn++;
}

/* All of page 0 once more. */
static void lie_ask(struct mesh_link *l, struct traitor *t)
{
    uint8_t all[32], out[MU_PACKET_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_deluge_req q = {
        .channel = 1, .node = 2000, .target = t->victim,
        .round = t->victim_round, .count = ++t->count,
        .bitmap = { all, 32 },
    };

    memset(all, 0xff, sizeof(all));
    t->asked++;
    lie_send(l, &w, mu_deluge_req_create(&t->seal, &q, &w));
}

static void betray(struct mesh_link *l, const uint8_t *packet, size_t len)
{
    struct traitor *t = l->ctx;
    struct mu_bytes in = { packet, len };
    struct mu_deluge_adv a;
    struct mu_deluge_req q;

    if (packet == NULL) {
        if (++t->beats % 5 == 0)
            lie_offer(l, t);
        return;
    }
    if (mu_deluge_adv_consume(&t->seal, in, &a) == 0) {
        t->victim = a.node;
        t->victim_round = a.round;
        lie_offer(l, t);
    } else if (mu_deluge_req_consume(&t->seal, in, &q) == 0 &&
               q.page == MU_DELUGE_MANIFEST && q.target >= 1000) {
        lie_manifest(l, t);
    }
    if (t->victim_round != 0)
        lie_ask(l, t);
}

/* The keys, as somebody finds them who took a device home. */
static void steal(struct mesh *m, struct traitor *t)
{
    struct mu_mesh_state s;

    t->crypto = mu_crypto_openssl();
    assert_non_null(t->crypto);
    assert_int_equal(mu_mesh_state_load(t->crypto,
                                        lab_path(m->lab, "state-1/mesh.state"),
                                        &s), 0);
    t->seal = (struct mu_deluge_seal){
        .crypto = t->crypto, .kg = (uint8_t)s.generation,
        .tag_len = MU_TAG_LEN,
    };
    assert_int_equal(mu_kdf(t->crypto, &s.kg, "control",
                            (struct mu_bytes){ NULL, 0 }, 16, &t->seal.kctl),
                     0);
}

static bool only_version(struct mesh *m, unsigned n, long long version)
{
    size_t i;
    json_t *line;

    json_array_foreach(m->dev[n]->lines, i, line) {
        if (strcmp(real_text(line, "event"), "mesh") == 0 &&
            real_number(line, "version") != version)
            return false;
    }
    return true;
}

static void test_member(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    static struct traitor t;
    struct mesh_link *l;
    static struct mesh m; /* its threads outlive a failure */
    char id[32];
    long long sent, own, version;

    begin(&m, lab, &l);
    t = (struct traitor){ .round = 1 };
    steal(&m, &t);
    l->ctx = &t;
    l->intrude = betray;
    mesh_links(&m);
    lab_file(file, IMAGE_BYTES, 21);
    real_push(lab, id, file, NULL);
    version = real_number(lab_wait(m.dev[1], "{'event': 'mesh'}"), "version");
    for (unsigned i = 1; i <= 3; i++)
        mesh_runs(&m, i, file);
    real_ends(lab, id, 0);
    sent = mesh_count(&m, 2, "data");
    own = mesh_count(&m, 1, "data");
    mesh_close(&m);
    assert_true(t.asked > 100);
    assert_true(t.turn > 0); /* lies were fetched, and looked at */
    /* Page 0 four times a minute, whatever is asked. */
    assert_true(sent < 8 * own);
    for (unsigned i = 2; i <= 3; i++)
        assert_true(only_version(&m, i, version));
    assert_true(same_pages(&m, 1, 2));
    assert_true(same_pages(&m, 1, 3));
}

/* ---- a relay manifest of its own (option 1) ----------------------------- */

struct pretender {
    struct traitor t;
    uint8_t manifest[MU_ANNOUNCE_MAX];
    size_t len;
    long long version;
    atomic_uint given, pages_asked;
};

/* The gateway's relay manifest with other root hashes, under the same key. */
static void pretend(struct pretender *p, const struct mu_mesh_state *s)
{
    uint8_t payload[MU_ANNOUNCE_MAX];
    struct mu_cose m;
    struct mu_cose_args args = {
        .alg = MU_ALG_HMAC256, .external_aad = mu_bytes_str("muster relay"),
    };
    struct mu_writer w = mu_writer(p->manifest, sizeof(p->manifest));
    struct mu_bytes roots = { NULL, 0 };
    struct mu_secret key;
    struct mu_reader r;
    struct mu_cbor_map map;
    int64_t at;

    assert_int_equal(mu_cose_decode(mu_bytes(s->manifest, s->manifest_len),
                                    &m), 0);
    assert_int_equal(m.kind, MU_COSE_MAC0);
    memcpy(payload, m.content.data, m.content.len);
    r = mu_reader(mu_bytes(payload, m.content.len));
    map = mu_cbor_get_map(&r);
    while (mu_cbor_map_next(&r, &map, &at)) {
        if (at == 7)
            roots = mu_cbor_get_bstr(&r);
        else
            mu_cbor_skip(&r);
    }
    assert_true(roots.len > 0);
    payload[roots.data - payload] ^= 1;
    args.kid = m.kid;
    args.payload = mu_bytes(payload, m.content.len);
    assert_int_equal(mu_kdf(p->t.crypto, &s->kg, "relay",
                            (struct mu_bytes){ NULL, 0 }, 32, &key), 0);
    assert_int_equal(mu_cose_mac0_create(p->t.crypto, &args, &key, &w), 0);
    p->len = w.len;
}

static void pretender_offers(struct mesh_link *l, struct pretender *p)
{
    struct mu_bytes all = { p->manifest, p->len };
    uint8_t hash[32], out[MU_PACKET_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_deluge_adv a = {
        .channel = 1, .node = 1000, .round = ++p->t.round,
        .version = (uint64_t)p->version, .manifest_len = (uint16_t)p->len,
        .pages = 9,
    };

    mu_sha256(p->t.crypto, &all, 1, hash);
    memcpy(a.id, hash, sizeof(a.id));
    lie_send(l, &w, mu_deluge_adv_create(&p->t.seal, &a, &w));
}

static void pretender_gives(struct mesh_link *l, struct pretender *p)
{
    struct mu_bytes all = { p->manifest, p->len };
    size_t room = 1024 - 16;
    uint8_t hash[32], out[MU_PACKET_MAX];

    mu_sha256(p->t.crypto, &all, 1, hash);
    for (size_t at = 0; at < p->len; at += room) {
        struct mu_writer w = mu_writer(out, sizeof(out));
        struct mu_deluge_fragment f = {
            .session = 1, .index = (uint8_t)(at / room),
            .count = (uint8_t)((p->len + room - 1) / room),
            .bytes = { p->manifest + at,
                       p->len - at < room ? p->len - at : room },
        };

        memcpy(f.id, hash, sizeof(f.id));
        lie_send(l, &w, mu_deluge_fragment_create(&p->t.seal, &f, &w));
    }
    atomic_fetch_add(&p->given, 1);
}

static void pretender_acts(struct mesh_link *l, const uint8_t *packet,
                           size_t len)
{
    struct pretender *p = l->ctx;
    struct mu_deluge_req q;

    if (packet == NULL)
        pretender_offers(l, p);
    else if (mu_deluge_req_consume(&p->t.seal, (struct mu_bytes){ packet, len },
                                   &q) == 0 && q.target == 1000) {
        if (q.page == MU_DELUGE_MANIFEST)
            pretender_gives(l, p);
        else
            atomic_fetch_add(&p->pages_asked, 1);
    }
}

/* Through neighbours too, and a member's is not taken for the gateway's: it
 * would keep the true one away. */
static void test_relay_manifest(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    static struct pretender p;
    struct mu_mesh_state s;
    struct mesh_link *l;
    static struct mesh m; /* its threads outlive a failure */

    p.t = (struct traitor){ .round = 1 };
    mesh_open(&m, lab, 3);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "g", "--mode",
                              "option-1", NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "add", "g", "dev-1", "dev-2",
                              "dev-3", NULL), 0);
    mesh_near(&m, 1, 2);
    l = mesh_intruder(&m, 3);
    for (unsigned i = 1; i <= 3; i++)
        mesh_device(&m, i, i == 1, NULL);
    for (unsigned i = 1; i <= 3; i++)
        mesh_connected(&m, i);
    lab_file(file, IMAGE_BYTES, 22);
    assert_int_equal(lab_verb(lab, NULL, "push", file, "--group", "g",
                              "--no-wait", NULL), 0);
    mesh_runs(&m, 1, file);
    mesh_runs(&m, 2, file);
    p.version = real_number(mesh_said(&m, 2), "version");
    steal(&m, &p.t);
    assert_int_equal(mu_mesh_state_load(p.t.crypto,
                                        lab_path(lab, "state-1/mesh.state"),
                                        &s), 0);
    pretend(&p, &s);
    l->ctx = &p;
    l->intrude = pretender_acts;
    mesh_links(&m);
    for (int i = 0; i < 1800 && atomic_load(&p.given) == 0; i++)
        poll(NULL, 0, 50);
    for (int i = 0; i < 20 && atomic_load(&p.pages_asked) == 0; i++)
        poll(NULL, 0, 50);
    assert_int_equal(atomic_load(&p.given), 1);
    assert_int_equal(atomic_load(&p.pages_asked), 0);
    assert_int_equal(mesh_count(&m, 3, "signatures"), 1);
    assert_false(mesh_got(&m, 3, file));
    mesh_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_outsider),
        REAL_TEST(test_member),
        REAL_TEST(test_relay_manifest),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
