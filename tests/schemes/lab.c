/* SPDX-License-Identifier: Apache-2.0 */
#include "lab.h"

uint32_t lab_rng(struct lab *l, uint32_t below)
{
    l->rng = l->rng * 1664525u + 1013904223u;
    return (l->rng >> 8) % below;
}

struct mu_scheme_conf lab_conf(enum mu_scheme_kind kind, uint32_t members,
                               uint32_t slots_max)
{
    struct mu_scheme_conf conf = {
        .crypto = mu_crypto_openssl(),
        .kind = kind,
        .master = {.bytes = {0x4d, 0x75}, .len = 32},
        .key_kind = MU_KEY_KB,
        .scope = 9,
        .members = members,
        .slots_max = slots_max,
        .clusters = 5,
        .degree = 3,
        .levels = 3,
    };

    return conf;
}

static struct lab_device *lab_device(struct lab *l, uint32_t slot)
{
    struct lab_device *d;

    assert_true(l->devices_len < LAB_DEVICES);
    d = &l->devices[l->devices_len++];
    memset(d, 0, sizeof(*d));
    d->slot = slot;
    d->in = true;
    return d;
}

static void lab_issue(struct lab *l, struct lab_device *d)
{
    struct mu_writer w = mu_writer(d->state, sizeof(d->state));

    assert_int_equal(mu_scheme_issue(&l->s, d->slot, &w), 0);
    assert_true(w.len <= mu_member_state_max(&l->s.conf));
    assert_int_equal(mu_member_init(&d->m, l->s.conf.crypto, d->state, w.len,
                                    sizeof(d->state)),
                     0);
    assert_int_equal(mu_member_slot(&d->m), d->slot);
    d->told = true;
}

void lab_init(struct lab *l, const struct mu_scheme_conf *conf, uint32_t seed)
{
    const size_t len = mu_scheme_mem(conf);

    memset(l, 0, sizeof(*l));
    assert_true(len > 0);
    l->mem = malloc(len);
    l->devices = calloc(LAB_DEVICES, sizeof(*l->devices));
    l->parts = calloc(LAB_PARTS, sizeof(*l->parts));
    l->personal = calloc(LAB_DEVICES, sizeof(*l->personal));
    assert_non_null(l->personal);
    l->rng = seed;
    l->generation = LAB_EPOCH + 1;
    assert_int_equal(
        mu_scheme_build(&l->s, conf, l->generation, l->mem, len), 0);
    for (uint32_t slot = 0; slot < conf->members; slot++) {
        struct lab_device *d = lab_device(l, slot);

        if (conf->kind == MU_SCHEME_LADDER)
            assert_int_equal(mu_scheme_place(&l->s, slot,
                                             1 + slot % conf->levels),
                             0);
        lab_issue(l, d);
    }
}

void lab_clear(struct lab *l)
{
    mu_scheme_clear(&l->s);
    free(l->mem);
    free(l->devices);
    free(l->parts);
    free(l->personal);
}

bool lab_join(struct lab *l)
{
    uint32_t where = 0;
    uint32_t slot;
    int rc;

    if (l->s.conf.kind == MU_SCHEME_CLUSTER)
        where = lab_rng(l, l->s.conf.clusters);
    if (l->s.conf.kind == MU_SCHEME_LADDER)
        where = 1 + lab_rng(l, l->s.conf.levels);
    rc = mu_scheme_join(&l->s, where, &slot);
    if (rc == MU_ERR_FULL)
        return false;
    assert_int_equal(rc, 0);
    for (size_t i = 0; i < l->devices_len; i++)
        assert_false(l->devices[i].in && l->devices[i].slot == slot);
    lab_device(l, slot);
    return true;
}

void lab_leave(struct lab *l, size_t device)
{
    struct lab_device *d = &l->devices[device];

    assert_int_equal(mu_scheme_leave(&l->s, d->slot), d->in
                                                          ? 0
                                                          : MU_ERR_NOT_FOUND);
    d->in = false;
}

static void lab_collect(struct lab *l, struct mu_rekey *r)
{
    uint32_t slot;

    l->bytes = 0;
    for (l->parts_len = 0;; l->parts_len++) {
        struct lab_msg *msg = &l->parts[l->parts_len];
        struct mu_writer w = mu_writer(msg->data, sizeof(msg->data));
        int rc;

        assert_true(l->parts_len < LAB_PARTS);
        rc = mu_rekey_part(&l->s, r, &w);
        if (rc == MU_ERR_NOT_FOUND)
            break;
        assert_int_equal(rc, 0);
        assert_true(w.len <= r->part_max);
        msg->len = w.len;
        l->bytes += w.len;
    }
    assert_int_equal(l->parts_len, r->parts);
    assert_int_equal(l->bytes, r->bytes);
    for (l->personal_len = 0; mu_rekey_personal(&l->s, r, &slot);
         l->personal_len++) {
        struct lab_msg *msg = &l->personal[l->personal_len];
        struct mu_writer w = mu_writer(msg->data, sizeof(msg->data));

        assert_int_equal(mu_scheme_personal(&l->s, slot, &w), 0);
        msg->slot = slot;
        msg->len = w.len;
    }
}

void lab_rekey(struct lab *l, size_t part_max)
{
    struct mu_rekey r;
    int rc = mu_scheme_begin(&l->s, ++l->generation, part_max, &r);

    if (rc == MU_ERR_FULL) {
        lab_compact(l);
        rc = mu_scheme_begin(&l->s, ++l->generation, part_max, &r);
    }
    assert_int_equal(rc, 0);
    l->wraps = r.wraps;
    lab_collect(l, &r);
    mu_rekey_clear(&r);
    for (size_t i = 0; i < l->devices_len; i++) {
        l->devices[i].current = false;
        if (l->devices[i].in && !l->devices[i].told)
            lab_issue(l, &l->devices[i]);
    }
}

int lab_open_msg(const struct lab *l, struct lab_device *d,
                 const struct lab_msg *msg, struct mu_secret *key)
{
    uint8_t copy[LAB_MSG];
    uint8_t before[LAB_STATE];
    const size_t before_len = d->m.state_len;
    struct mu_kid kid;
    int rc;

    memcpy(copy, msg->data, msg->len);
    memcpy(before, d->state, before_len);
    rc = mu_member_open(&d->m, copy, msg->len, &kid, key);
    if (rc != 0) {
        /* A refusal leaves no trace. */
        assert_int_equal(d->m.state_len, before_len);
        assert_memory_equal(before, d->state, before_len);
        assert_int_equal(key->len, 0);
    } else {
        const struct mu_kid newest = mu_member_newest(&d->m);

        assert_true(mu_kid_eq(&kid, &newest));
        assert_int_equal(kid.generation, l->generation);
    }
    return rc;
}

int lab_open_parts(struct lab *l, struct lab_device *d, struct mu_secret *key)
{
    int rc = MU_ERR_NOT_FOUND;

    for (size_t i = 0; i < l->parts_len && rc == MU_ERR_NOT_FOUND; i++)
        rc = lab_open_msg(l, d, &l->parts[i], key);
    return rc;
}

int lab_catch_up(struct lab *l, struct lab_device *d, struct mu_secret *key)
{
    static struct lab_msg msg;
    struct mu_writer w = mu_writer(msg.data, sizeof(msg.data));

    assert_int_equal(mu_scheme_personal(&l->s, d->slot, &w), 0);
    msg.len = w.len;
    return lab_open_msg(l, d, &msg, key);
}

static bool lab_stateless(const struct lab *l)
{
    return l->s.conf.kind == MU_SCHEME_CS || l->s.conf.kind == MU_SCHEME_SD;
}

/* A member that is awake: it has what the server says it was sent. */
static void check_member(struct lab *l, struct lab_device *d, bool behind)
{
    struct mu_secret key;
    bool personal = false;
    int rc = lab_open_parts(l, d, &key);

    for (size_t i = 0; i < l->personal_len; i++) {
        if (l->personal[i].slot != d->slot)
            continue;
        personal = true;
        if (rc != 0)
            rc = lab_open_msg(l, d, &l->personal[i], &key);
    }
    if (rc != 0) {
        /* Only one who missed something, and not where there is no state. */
        if (!behind || lab_stateless(l) || personal)
            fail_msg("slot %u: %s", d->slot, mu_err_name(rc));
        assert_true(rc == MU_ERR_UNKNOWN_KEY || rc == MU_ERR_NOT_FOUND);
        rc = lab_catch_up(l, d, &key);
    }
    assert_int_equal(rc, 0);
    assert_true(mu_secret_eq(&key, &l->s.key));
    d->current = true;
    assert_int_equal(lab_open_parts(l, d, &key),
                     l->parts_len > 0 ? MU_ERR_REPLAY : MU_ERR_NOT_FOUND);
}

/* One who is out gets everything that is on the air, and has nothing. */
static void check_stranger(struct lab *l, struct lab_device *d)
{
    struct mu_secret key;

    for (size_t i = 0; i < l->parts_len; i++)
        assert_int_not_equal(lab_open_msg(l, d, &l->parts[i], &key), 0);
    for (size_t i = 0; i < l->personal_len; i++)
        assert_int_not_equal(lab_open_msg(l, d, &l->personal[i], &key), 0);
}

void lab_check(struct lab *l, uint32_t asleep_per_mille)
{
    uint32_t live = 0;

    for (size_t i = 0; i < l->devices_len; i++) {
        struct lab_device *d = &l->devices[i];
        const struct mu_kid newest = mu_member_newest(&d->m);

        if (!d->in) {
            if (d->told)
                check_stranger(l, d);
            continue;
        }
        live++;
        assert_true(mu_scheme_is_member(&l->s, d->slot));
        if (lab_rng(l, 1000) >= asleep_per_mille)
            check_member(l, d, newest.generation != l->s.previous &&
                                   newest.generation + 1 != l->generation);
    }
    assert_int_equal(live, l->s.live);
}

static void lab_moved(void *ctx, uint32_t old, uint32_t now)
{
    struct lab *l = ctx;

    for (size_t i = 0; i < l->devices_len; i++) {
        struct lab_device *d = &l->devices[i];

        /* Those who are moved already have told = false. */
        if (d->in && d->slot == old && (d->told || old != now)) {
            d->slot = now;
            d->told = false;
            return;
        }
    }
}

void lab_compact(struct lab *l)
{
    struct mu_scheme_conf conf = l->s.conf;
    struct mu_scheme into;
    size_t len;
    void *mem;

    conf.members = l->s.live;
    if (conf.slots_max < l->s.live * 2 + 8)
        conf.slots_max = l->s.live * 2 + 8;
    len = mu_scheme_mem(&conf);
    mem = malloc(len);
    assert_non_null(mem);
    assert_int_equal(mu_scheme_compact(&l->s, &into, &conf, l->generation, mem,
                                       len, lab_moved, l),
                     MU_ERR_ROLLBACK);
    assert_int_equal(mu_scheme_compact(&l->s, &into, &conf, ++l->generation,
                                       mem, len, lab_moved, l),
                     0);
    free(l->mem);
    l->mem = mem;
    l->s = into;
    for (size_t i = 0; i < l->devices_len; i++) {
        if (l->devices[i].in && !l->devices[i].told)
            lab_issue(l, &l->devices[i]);
    }
}
