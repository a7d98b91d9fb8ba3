/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys a node holds: per (kind, scope) one active, at most one retired that
 * is older, any number of dormant ones that are newer. Sixteen slots, so
 * everything is a walk over all of them.
 */
#include "muster/keys.h"

#define KEYRING_VERSION 1 /* first byte of the saved form */

static bool slot_used(const struct mu_key_slot *s)
{
    return s->kid.kind != MU_KEY_NONE;
}

static bool slot_of(const struct mu_key_slot *s, uint8_t kind, uint32_t scope)
{
    return slot_used(s) && s->kid.kind == kind && s->kid.scope == scope;
}

static void slot_clear(struct mu_key_slot *s)
{
    mu_wipe(s, sizeof *s);
}

static struct mu_key_slot *keyring_phase(struct mu_keyring *k,
                                         const struct mu_kid *kid,
                                         enum mu_key_phase phase)
{
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        struct mu_key_slot *s = &k->slots[i];
        if (slot_of(s, kid->kind, kid->scope) && s->phase == phase)
            return s;
    }
    return NULL;
}

static struct mu_key_slot *keyring_slot(struct mu_keyring *k,
                                        const struct mu_kid *kid)
{
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        if (mu_kid_eq(&k->slots[i].kid, kid))
            return &k->slots[i];
    }
    return NULL;
}

static struct mu_key_slot *keyring_free(struct mu_keyring *k)
{
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        if (!slot_used(&k->slots[i]))
            return &k->slots[i];
    }
    return NULL;
}

/* A full ring gives up a retired key for an active one, never the reverse. */
static struct mu_key_slot *keyring_evict(struct mu_keyring *k)
{
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        if (k->slots[i].phase == MU_PHASE_RETIRED) {
            slot_clear(&k->slots[i]);
            return &k->slots[i];
        }
    }
    return NULL;
}

/* The new active generation retires the one before it, and ends everything of
 * the scope that is older. */
static void keyring_retire(struct mu_keyring *k, const struct mu_kid *kid)
{
    struct mu_key_slot *before = keyring_phase(k, kid, MU_PHASE_ACTIVE);

    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        struct mu_key_slot *s = &k->slots[i];
        if (slot_of(s, kid->kind, kid->scope) && s != before &&
            s->kid.generation < kid->generation)
            slot_clear(s);
    }
    if (before != NULL)
        before->phase = MU_PHASE_RETIRED;
}

/* Whether a key that is not there yet may come in. */
static int keyring_admit(struct mu_keyring *k, const struct mu_kid *kid,
                         enum mu_key_phase phase)
{
    const struct mu_key_slot *active = keyring_phase(k, kid, MU_PHASE_ACTIVE);
    const struct mu_key_slot *retired = keyring_phase(k, kid, MU_PHASE_RETIRED);

    if (phase == MU_PHASE_RETIRED) {
        if (active == NULL || kid->generation > active->kid.generation)
            return MU_ERR_USAGE;
        if (retired != NULL && kid->generation < retired->kid.generation)
            return MU_ERR_ROLLBACK;
        return 0;
    }
    if (active != NULL && kid->generation < active->kid.generation)
        return MU_ERR_ROLLBACK;
    return 0;
}

/* Where it goes: NULL when there is no room, and then nothing has changed. */
static struct mu_key_slot *keyring_room(struct mu_keyring *k,
                                        const struct mu_kid *kid,
                                        enum mu_key_phase phase)
{
    struct mu_key_slot *retired = keyring_phase(k, kid, MU_PHASE_RETIRED);
    struct mu_key_slot *s;

    if (phase == MU_PHASE_RETIRED && retired != NULL)
        slot_clear(retired);
    /* Where this empties or retires a slot, that one is there to be taken. */
    if (phase == MU_PHASE_ACTIVE)
        keyring_retire(k, kid);
    s = keyring_free(k);
    if (s == NULL && phase == MU_PHASE_ACTIVE)
        s = keyring_evict(k);
    return s;
}

/* A key that is there: a dormant one wakes up, nothing else changes. */
static int keyring_again(struct mu_keyring *k, struct mu_key_slot *s,
                         const struct mu_secret *key, enum mu_key_phase phase)
{
    if (!mu_secret_eq(&s->key, key))
        return MU_ERR_CONFLICT;
    if (s->phase == MU_PHASE_DORMANT && phase == MU_PHASE_ACTIVE) {
        keyring_retire(k, &s->kid);
        s->phase = MU_PHASE_ACTIVE;
    }
    return 0;
}

void mu_keyring_init(struct mu_keyring *k)
{
    mu_zero(k, sizeof *k);
}

void mu_keyring_clear(struct mu_keyring *k)
{
    mu_wipe(k, sizeof *k);
}

int mu_keyring_put(struct mu_keyring *k, const struct mu_kid *kid,
                   const struct mu_secret *key, enum mu_key_phase phase)
{
    struct mu_key_slot *s;
    int rc;

    if (!mu_key_kind_known(kid->kind) || !mu_secret_is_set(key))
        return MU_ERR_USAGE;
    s = keyring_slot(k, kid);
    if (s != NULL)
        return keyring_again(k, s, key, phase);
    rc = keyring_admit(k, kid, phase);
    if (rc != 0)
        return rc;
    s = keyring_room(k, kid, phase);
    if (s == NULL)
        return MU_ERR_FULL;
    s->kid = *kid;
    s->phase = phase;
    s->key = *key;
    return 0;
}

const struct mu_secret *mu_keyring_find(const struct mu_keyring *k,
                                        const struct mu_kid *kid)
{
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        const struct mu_key_slot *s = &k->slots[i];
        if (slot_used(s) && mu_kid_eq(&s->kid, kid))
            return &s->key;
    }
    return NULL;
}

const struct mu_key_slot *mu_keyring_active(const struct mu_keyring *k,
                                            uint8_t kind, uint32_t scope)
{
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        const struct mu_key_slot *s = &k->slots[i];
        if (slot_of(s, kind, scope) && s->phase == MU_PHASE_ACTIVE)
            return s;
    }
    return NULL;
}

void mu_keyring_drop(struct mu_keyring *k, uint8_t kind, uint32_t scope)
{
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        if (slot_of(&k->slots[i], kind, scope))
            slot_clear(&k->slots[i]);
    }
}

/* Saved: version (1), keys (1), then kid (13), phase (1), length (1), key. */
int mu_keyring_save(const struct mu_keyring *k, struct mu_writer *w)
{
    uint8_t count = 0;

    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++)
        count = (uint8_t)(count + (slot_used(&k->slots[i]) ? 1 : 0));
    mu_write_u8(w, KEYRING_VERSION);
    mu_write_u8(w, count);
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        const struct mu_key_slot *s = &k->slots[i];
        if (!slot_used(s))
            continue;
        mu_kid_write(w, &s->kid);
        mu_write_u8(w, (uint8_t)s->phase);
        mu_write_u8(w, s->key.len);
        mu_write_bytes(w, mu_secret_view(&s->key));
    }
    return mu_writer_end(w);
}

/* Whether slot i can stand beside the others of its scope. */
static bool keyring_slot_valid(const struct mu_keyring *k, size_t i)
{
    const struct mu_key_slot *s = &k->slots[i];
    const struct mu_key_slot *active =
        mu_keyring_active(k, s->kid.kind, s->kid.scope);

    for (size_t j = 0; j < i; j++) {
        const struct mu_key_slot *t = &k->slots[j];
        if (slot_of(t, s->kid.kind, s->kid.scope) &&
            (t->kid.generation == s->kid.generation ||
             (t->phase == s->phase && s->phase != MU_PHASE_DORMANT)))
            return false;
    }
    switch (s->phase) {
    case MU_PHASE_ACTIVE:
        return true;
    case MU_PHASE_RETIRED:
        return active != NULL && s->kid.generation < active->kid.generation;
    case MU_PHASE_DORMANT:
        return active == NULL || s->kid.generation > active->kid.generation;
    default:
        return false;
    }
}

int mu_keyring_load(struct mu_keyring *k, struct mu_reader *r)
{
    uint8_t version = mu_read_u8(r);
    uint8_t count = mu_read_u8(r);
    bool valid = !r->failed && version == KEYRING_VERSION &&
                 count <= MU_DEVICE_KEYS_MAX;

    mu_keyring_init(k);
    for (size_t i = 0; valid && i < count; i++) {
        struct mu_key_slot *s = &k->slots[i];
        s->kid = mu_kid_read(r);
        s->phase = (enum mu_key_phase)mu_read_u8(r);
        struct mu_bytes key = mu_read_bytes(r, mu_read_u8(r));
        valid = !r->failed && mu_secret_set(&s->key, key) == 0;
    }
    for (size_t i = 0; valid && i < count; i++)
        valid = keyring_slot_valid(k, i);
    if (valid)
        return 0;
    mu_keyring_clear(k);
    return MU_ERR_CORRUPT;
}
