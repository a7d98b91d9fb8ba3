/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who can open what, with everything pooled: the table of docs/key-schemes.md,
 * a test per cell. An attacker here is no device but a bag of keys: every state
 * its members ever had, and all that can be derived from them, tried on every
 * wrapped key of a message in every way a key is used anywhere.
 *
 * Each cell first shows that the attack works: the bag of one who may open the
 * message opens it.
 */
#include "lab.h"

#define BAG_MAX 60000
#define TREE_STEPS 4 /* levels of the trees here */

struct bag {
    struct mu_secret keys[BAG_MAX];
    size_t len;
};

static struct bag *bag;

static void bag_put(const uint8_t key[16])
{
    if (bag->len == BAG_MAX)
        fail_msg("bag is full");
    assert_int_equal(
        mu_secret_set(&bag->keys[bag->len++], mu_bytes(key, 16)), 0);
}

static void bag_kdf(const struct mu_crypto *c, size_t i, const char *label,
                    struct mu_bytes context)
{
    struct mu_secret out;

    assert_int_equal(mu_kdf(c, &bag->keys[i], label, context, 16, &out), 0);
    bag_put(out.bytes);
}

/* Where a message's tag is, and what it is over. */
static bool tag_fits(const struct mu_crypto *c, const struct mu_secret *seed,
                     struct mu_bytes kid, const struct lab_msg *msg)
{
    const struct mu_bytes text = mu_bytes(msg->data, msg->len - 16);
    struct mu_secret key;
    uint8_t mac[32];

    assert_int_equal(mu_kdf(c, seed, "rekey tag", kid, 32, &key), 0);
    assert_int_equal(mu_hmac(c, mu_secret_view(&key), &text, 1, mac), 0);
    return memcmp(mac, msg->data + msg->len - 16, 16) == 0;
}

/* A key as the seed itself, and as what the seed comes from. */
static bool seed_fits(const struct mu_crypto *c, const struct mu_secret *key,
                      struct mu_bytes kid, const struct lab_msg *msg)
{
    static const char *const ways[] = {"sd index", "tgk", "lkh seed"};
    bool fits = tag_fits(c, key, kid, msg);

    for (size_t i = 0; i < 3 && !fits; i++) {
        struct mu_secret seed;

        assert_int_equal(mu_kdf(c, key, ways[i], kid, 16, &seed), 0);
        fits = tag_fits(c, &seed, kid, msg);
    }
    return fits;
}

static bool personal_fits(const struct mu_crypto *c,
                          const struct mu_secret *key, struct mu_bytes kid,
                          const struct lab_msg *msg)
{
    static const uint8_t nonce[13];
    static uint8_t text[LAB_MSG];
    struct mu_secret seal;
    struct mu_aead a = {
        .alg = MU_ALG_AES_CCM_16_64_128,
        .key = &seal,
        .nonce = MU_BYTES(nonce),
        .aad = mu_bytes(msg->data, 26),
    };
    size_t n;

    assert_int_equal(mu_kdf(c, key, "personal", kid, 16, &seal), 0);
    return c->open(c->ctx, &a, mu_bytes(msg->data + 26, msg->len - 26), text,
                   &n) == 0;
}

/* One wrapped key under one key of the bag. With LKH what comes out may be
 * the key of a node: then its own link is tried, and so on up. */
static bool entry_opens(const struct mu_crypto *c, const struct mu_secret *key,
                        const struct lab_msg *msg, size_t head, size_t at,
                        bool lkh)
{
    const struct mu_bytes kid = mu_bytes(msg->data + 1, 13);
    struct mu_secret kek = *key;
    struct mu_secret out = {.len = 16};

    for (;;) {
        uint32_t code = 0;
        size_t next;

        assert_int_equal(
            c->aes_decrypt(c->ctx, &kek, msg->data + at + 4, out.bytes), 0);
        if (seed_fits(c, &out, kid, msg))
            return true;
        if (!lkh)
            return false;
        for (size_t i = 0; i < 4; i++)
            code = code << 8 | msg->data[at + i];
        /* The parent: a level up (5 bits on top), half the index, a link. */
        code = ((code >> 27) + 1) << 27 | 1u << 26 | (code & 0x3ffffff) / 2;
        for (next = head; next + 36 <= msg->len; next += 20) {
            const uint8_t want[4] = {(uint8_t)(code >> 24),
                                     (uint8_t)(code >> 16),
                                     (uint8_t)(code >> 8), (uint8_t)code};

            if (memcmp(msg->data + next, want, 4) == 0)
                break;
        }
        if (next + 36 > msg->len)
            return false;
        at = next;
        assert_int_equal(
            mu_kdf(c, &out, "lkh wrap", mu_bytes(NULL, 0), 16, &kek), 0);
    }
}

/* The wrapped keys of a part under everything in the bag. */
static bool part_opens(const struct mu_crypto *c, const struct lab_msg *msg,
                       enum mu_scheme_kind kind)
{
    static const char *const ways[] = {NULL, "sd key", "lkh wrap"};
    const struct mu_bytes kid = mu_bytes(msg->data + 1, 13);
    const bool lkh = kind == MU_SCHEME_LKH;
    const size_t head = lkh ? 33 : kind == MU_SCHEME_CLUSTER ? 29 : 28;

    for (size_t k = 0; k < bag->len; k++) {
        if (seed_fits(c, &bag->keys[k], kid, msg))
            return true;
        for (size_t way = 0; way < 3; way++) {
            struct mu_secret kek = bag->keys[k];

            if (way > 0)
                assert_int_equal(mu_kdf(c, &bag->keys[k], ways[way],
                                        mu_bytes(NULL, 0), 16, &kek),
                                 0);
            for (size_t at = head; at + 36 <= msg->len; at += 20) {
                if (entry_opens(c, &kek, msg, head, at, lkh))
                    return true;
            }
        }
    }
    return false;
}

/* All that can be derived from what is in the bag: labels further down, and
 * the ladder with every counter there was. */
static void bag_close(const struct lab *l)
{
    const struct mu_crypto *c = l->s.conf.crypto;
    size_t from = 0;

    if (l->s.conf.kind == MU_SCHEME_SD || l->s.conf.kind == MU_SCHEME_CLUSTER) {
        for (int step = 0; step < TREE_STEPS; step++) {
            const size_t end = bag->len;

            for (; from < end; from++) {
                bag_kdf(c, from, "sd left", mu_bytes(NULL, 0));
                bag_kdf(c, from, "sd right", mu_bytes(NULL, 0));
            }
        }
    }
    for (int step = 0; l->s.conf.kind == MU_SCHEME_LADDER && step < 2; step++) {
        const size_t end = bag->len;

        for (; from < end; from++) {
            for (uint8_t ch = 1; ch <= (uint8_t)l->generation; ch++) {
                const uint8_t context[4] = {0, 0, 0, ch};

                bag_kdf(c, from, "kdk", MU_BYTES(context));
            }
        }
    }
}

static bool bag_opens(const struct lab *l, const struct lab_msg *parts,
                      size_t parts_len, const struct lab_msg *personal,
                      size_t personal_len)
{
    const struct mu_crypto *c = l->s.conf.crypto;

    for (size_t i = 0; i < parts_len; i++) {
        if (part_opens(c, &parts[i], l->s.conf.kind))
            return true;
    }
    for (size_t i = 0; i < personal_len; i++) {
        const struct mu_bytes kid = mu_bytes(personal[i].data + 1, 13);

        for (size_t k = 0; k < bag->len; k++) {
            if (personal_fits(c, &bag->keys[k], kid, &personal[i]))
                return true;
        }
    }
    return false;
}

/* Messages of one generation, kept; and the states of all devices then. */
struct page {
    struct lab_msg *parts;
    size_t parts_len;
    struct lab_msg *personal;
    size_t personal_len;
    uint8_t (*states)[LAB_STATE];
    size_t *lens;
    size_t devices;
};

static void page_keep(const struct lab *l, struct page *p)
{
    p->parts_len = l->parts_len;
    p->personal_len = l->personal_len;
    p->devices = l->devices_len;
    p->parts = calloc(l->parts_len + 1, sizeof(*p->parts));
    p->personal = calloc(l->personal_len + 1, sizeof(*p->personal));
    p->states = calloc(l->devices_len, sizeof(*p->states));
    p->lens = calloc(l->devices_len, sizeof(*p->lens));
    memcpy(p->parts, l->parts, l->parts_len * sizeof(*p->parts));
    memcpy(p->personal, l->personal, l->personal_len * sizeof(*p->personal));
    for (size_t i = 0; i < l->devices_len; i++) {
        memcpy(p->states[i], l->devices[i].state, LAB_STATE);
        p->lens[i] = l->devices[i].m.state_len;
    }
}

static void page_free(struct page *p)
{
    free(p->parts);
    free(p->personal);
    free(p->states);
    free(p->lens);
}

#define PAGES 5

/*
 * One story for all cells, 12 members at first:
 *   page 0  all twelve
 *   page 1  devices 2 and 9 have left
 *   page 2  device 5 has left, 12 has joined
 *   page 3  13 has joined
 *   page 4  device 3 has left
 */
struct story {
    struct lab l;
    struct page pages[PAGES];
};

static void story_tell(struct story *st, enum mu_scheme_kind kind)
{
    struct mu_scheme_conf conf = lab_conf(kind, 12, 16);
    struct lab *l = &st->l;

    /* One tree with free places, so that all schemes have the same four
     * levels; clusters of four. */
    if (kind >= MU_SCHEME_CS)
        conf.reserve = 4;
    conf.clusters = 3;
    conf.degree = 2;
    lab_init(l, &conf, 5);
    for (size_t n = 0; n < PAGES; n++) {
        if (n == 1) {
            lab_leave(l, 2);
            lab_leave(l, 9);
        } else if (n == 2) {
            lab_leave(l, 5);
            assert_true(lab_join(l));
        } else if (n == 3) {
            assert_true(lab_join(l));
        } else if (n == 4) {
            lab_leave(l, 3);
        }
        lab_rekey(l, LAB_MSG);
        lab_check(l, 0);
        page_keep(l, &st->pages[n]);
    }
}

static void story_end(struct story *st)
{
    for (size_t n = 0; n < PAGES; n++)
        page_free(&st->pages[n]);
    lab_clear(&st->l);
}

/* The bag of some devices: what they held on the pages they were there. */
static bool story_opens(const struct story *st, const size_t *devices,
                        size_t devices_len, size_t page)
{
    const struct page *p = &st->pages[page];

    bag->len = 0;
    for (size_t i = 0; i < devices_len; i++) {
        for (size_t n = 0; n < PAGES; n++) {
            /* A state that has not changed since holds no further keys. */
            if (devices[i] >= st->pages[n].devices)
                continue;
            if (n > 0 && devices[i] < st->pages[n - 1].devices &&
                st->pages[n].lens[devices[i]] ==
                    st->pages[n - 1].lens[devices[i]] &&
                memcmp(st->pages[n].states[devices[i]] + 22,
                       st->pages[n - 1].states[devices[i]] + 22,
                       st->pages[n].lens[devices[i]] - 22) == 0)
                continue;
            /* The keys stand in a row; the offsets of one state tell. */
            for (size_t at = st->pages[n].lens[devices[i]]; at >= 26 + 16 + 16;
                 at -= 16)
                bag_put(st->pages[n].states[devices[i]] + at - 16);
            bag_put(st->pages[n].states[devices[i]] + 26);
        }
    }
    bag_close(&st->l);
    return bag_opens(&st->l, p->parts, p->parts_len, p->personal,
                     p->personal_len);
}

static void cell(enum mu_scheme_kind kind, const size_t *attackers,
                 size_t attackers_len, size_t first, size_t last)
{
    static const size_t honest[PAGES] = {0, 0, 0, 0, 0};
    static struct story st;

    story_tell(&st, kind);
    for (size_t page = first; page <= last; page++) {
        assert_true(story_opens(&st, &honest[page], 1, page));
        assert_false(story_opens(&st, attackers, attackers_len, page));
    }
    story_end(&st);
}

/* The columns of the table. */
static void leaver(enum mu_scheme_kind kind)
{
    static const size_t who[] = {2};
    static const size_t other[] = {3};

    cell(kind, who, 1, 1, 4);
    cell(kind, other, 1, 4, 4);
}

static void leavers_pooled(enum mu_scheme_kind kind)
{
    static const size_t who[] = {2, 9, 5};
    static const size_t all[] = {2, 9, 5, 3};

    cell(kind, who, 3, 2, 4);
    cell(kind, all, 4, 4, 4);
}

static void joiner(enum mu_scheme_kind kind)
{
    static const size_t who[] = {12};
    static const size_t second[] = {13};

    cell(kind, who, 1, 0, 1);
    cell(kind, second, 1, 0, 2);
}

/* Left before page 1, joined at page 3: what is between is for neither. */
static void leavers_and_joiner(enum mu_scheme_kind kind)
{
    static const size_t who[] = {2, 9, 13};
    static const size_t more[] = {2, 9, 5, 13};

    cell(kind, who, 3, 1, 2);
    cell(kind, more, 4, 2, 2);
}

#define ROW(name, kind)                                                        \
    static void name##_leaver(void **state)                                    \
    {                                                                          \
        (void)state;                                                           \
        leaver(kind);                                                          \
    }                                                                          \
    static void name##_leavers_pooled(void **state)                            \
    {                                                                          \
        (void)state;                                                           \
        leavers_pooled(kind);                                                  \
    }                                                                          \
    static void name##_joiner(void **state)                                    \
    {                                                                          \
        (void)state;                                                           \
        joiner(kind);                                                          \
    }                                                                          \
    static void name##_leavers_and_joiner(void **state)                        \
    {                                                                          \
        (void)state;                                                           \
        leavers_and_joiner(kind);                                              \
    }
ROW(unicast, MU_SCHEME_UNICAST)
ROW(cluster, MU_SCHEME_CLUSTER)
ROW(ladder, MU_SCHEME_LADDER)
ROW(lkh, MU_SCHEME_LKH)
ROW(cs, MU_SCHEME_CS)
ROW(sd, MU_SCHEME_SD)

#define CELLS(name)                                                            \
    cmocka_unit_test(name##_leaver), cmocka_unit_test(name##_leavers_pooled),  \
        cmocka_unit_test(name##_joiner),                                       \
        cmocka_unit_test(name##_leavers_and_joiner)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CELLS(unicast), CELLS(cluster), CELLS(ladder),
        CELLS(lkh),     CELLS(cs),      CELLS(sd),
    };
    int failed;

    bag = malloc(sizeof(*bag));
    if (bag == NULL)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(bag);
    return failed;
}
