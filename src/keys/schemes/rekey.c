/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rekey in progress: settles the changes, counts the parts, makes them, and
 * the personal messages. docs/wire-format.md s.9.
 */
#include "keys/schemes/internal.h"

#define EXTRA_MAX (1 + 4 * MU_LADDER_LEVELS_MAX) /* bytes after the head */

_Static_assert(MU_REKEY_PART_MIN >= REKEY_HEAD_LEN + EXTRA_MAX +
                                        MU_REKEY_TAG_LEN +
                                        MU_REKEY_ENTRY_LEN *
                                            (MU_SCHEME_LEVELS + 1),
               "an entry and the chain above it fit a part");

static const struct mu_scheme_ops *rekey_ops(const struct mu_scheme *s)
{
    return mu_scheme_ops(s->conf.kind);
}

static bool rekey_pull(const struct mu_scheme *s, struct mu_rekey *r,
                       uint32_t *code)
{
    if (!r->held)
        return rekey_ops(s)->next != NULL && s->live > 0 &&
               rekey_ops(s)->next(s, r, code);
    *code = r->held_code;
    r->held = false;
    return true;
}

size_t mu_rekey_fixed(const struct mu_scheme *s, const struct mu_rekey *r)
{
    uint8_t extra[EXTRA_MAX];
    struct mu_writer w = mu_writer(extra, sizeof extra);

    rekey_ops(s)->extra(s, r, &w);
    return REKEY_HEAD_LEN + w.len + MU_REKEY_TAG_LEN;
}

/* Fills one part with entries, or counts them with w NULL. */
static int rekey_fill(const struct mu_scheme *s, struct mu_rekey *r,
                      struct mu_writer *w, uint32_t *entries)
{
    size_t room = (r->part_max - mu_rekey_fixed(s, r)) / MU_REKEY_ENTRY_LEN;
    uint32_t code;
    int rc = 0;

    if (room > UINT16_MAX)
        room = UINT16_MAX;
    *entries = 0;
    if (rekey_ops(s)->part != NULL)
        rekey_ops(s)->part(r);
    while (rc == 0 && rekey_pull(s, r, &code)) {
        uint32_t n = 1;

        rc = rekey_ops(s)->entries(s, r, code, NULL, &n);
        if (rc == 0 && *entries + n > room) {
            r->held = true;
            r->held_code = code;
            break;
        }
        if (rc == 0 && w != NULL)
            rc = rekey_ops(s)->entries(s, r, code, w, &n);
        if (rekey_ops(s)->placed != NULL)
            rekey_ops(s)->placed(s, r, code);
        *entries += n;
    }
    return rc;
}

/* Runs through all parts once without any cryptography. */
static int rekey_count(const struct mu_scheme *s, struct mu_rekey *r)
{
    uint32_t code;
    int rc = 0;

    if (!rekey_ops(s)->multicast)
        return 0;
    rekey_ops(s)->walk(s, r);
    do {
        uint32_t n;

        rc = rekey_fill(s, r, NULL, &n);
        r->wraps += n;
        r->parts++;
        r->bytes += mu_rekey_fixed(s, r) + (size_t)n * MU_REKEY_ENTRY_LEN;
        if (rc == 0 && !r->held && rekey_pull(s, r, &code)) {
            r->held = true;
            r->held_code = code;
        }
    } while (rc == 0 && r->held);
    return rc;
}

/* CLUSTER: when one subset is all there is, it needs no wrapped key: both
 * sides derive the seed from its label and the id of the new key. */
static int rekey_index(struct mu_scheme *s, struct mu_rekey *r)
{
    struct mu_secret label = {.len = 0};
    uint32_t code;
    uint32_t end;
    int rc;

    rekey_ops(s)->walk(s, r);
    if (!rekey_pull(s, r, &code))
        return MU_ERR_UNEXPECTED;
    end = mu_subset_end(code);
    rc = mu_scheme_label(
        s,
        mu_node((uint8_t)(mu_node_level(end) + mu_subset_d(code)),
                mu_node_index(end) >> mu_subset_d(code)),
        end, &label);
    if (rc == 0)
        rc = mu_kdf_kid(s->conf.crypto, &label, "sd index", &r->kid,
                        MU_NODE_KEY_LEN, &r->seed);
    mu_secret_clear(&label);
    r->by_index = true;
    r->bytes -= MU_REKEY_ENTRY_LEN - 4;
    r->wraps = 0;
    return rc;
}

static int rekey_start(struct mu_scheme *s, struct mu_rekey *r)
{
    int rc = rekey_ops(s)->settle(s, r);

    if (rc == 0)
        rc = rekey_count(s, r);
    if (rc == 0 && s->conf.kind == MU_SCHEME_CLUSTER && r->wraps == 1)
        rc = rekey_index(s, r);
    if (rc == 0)
        rc = mu_kdf_kid(s->conf.crypto, &r->seed, "group key", &r->kid,
                        GROUP_KEY_LEN, &s->key);
    if (rc == 0 && r->parts > UINT16_MAX)
        rc = MU_ERR_TOO_LARGE;
    return rc;
}

int mu_scheme_begin(struct mu_scheme *s, uint64_t generation, size_t part_max,
                    struct mu_rekey *r)
{
    int rc;

    mu_zero(r, sizeof *r);
    if (part_max < MU_REKEY_PART_MIN || generation >> 32 != s->base >> 32)
        return MU_ERR_USAGE;
    if (generation <= s->generation)
        return MU_ERR_ROLLBACK;
    if ((uint32_t)generation > INT32_MAX)
        return MU_ERR_EXHAUSTED; /* LKH keeps a flag above the counter */
    rc = rekey_ops(s)->check != NULL ? rekey_ops(s)->check(s) : 0;
    if (rc != 0)
        return rc;
    s->previous = s->generation;
    s->generation = generation;
    s->pending = false;
    r->kid = mu_scheme_kid(s);
    r->part_max = part_max;
    rc = rekey_start(s, r);
    if (rc != 0) {
        mu_rekey_clear(r);
        return rc;
    }
    if (rekey_ops(s)->multicast)
        rekey_ops(s)->walk(s, r);
    r->held = false;
    return 0;
}

static void rekey_head(const struct mu_scheme *s, const struct mu_rekey *r,
                       struct mu_writer *w)
{
    mu_write_u8(w, (uint8_t)(REKEY_TYPE | s->conf.kind));
    mu_kid_write(w, &r->kid);
    mu_write_u64(w, s->base);
    mu_write_u16(w, (uint16_t)r->part);
    mu_write_u16(w, (uint16_t)r->parts);
}

/* The text of a part, without its tag. */
static int rekey_text(struct mu_scheme *s, struct mu_rekey *r,
                      struct mu_writer *w)
{
    uint32_t entries = 0;
    uint32_t code;
    uint8_t *count;
    int rc = 0;

    rekey_head(s, r, w);
    count = mu_write_room(w, 2);
    rekey_ops(s)->extra(s, r, w);
    if (r->by_index) {
        if (!rekey_pull(s, r, &code))
            return MU_ERR_UNEXPECTED;
        mu_write_u32(w, code);
        entries = 1;
    } else {
        rc = rekey_fill(s, r, w, &entries);
    }
    if (rc != 0 || count == NULL)
        return rc != 0 ? rc : MU_ERR_NO_SPACE;
    count[0] = (uint8_t)(entries >> 8);
    count[1] = (uint8_t)entries;
    return 0;
}

int mu_rekey_part(struct mu_scheme *s, struct mu_rekey *r, struct mu_writer *w)
{
    const size_t from = w->len;
    uint8_t tag[MU_REKEY_TAG_LEN];
    int rc;

    if (s->pending || r->kid.generation != s->generation)
        return MU_ERR_UNEXPECTED;
    if (r->part >= r->parts)
        return MU_ERR_NOT_FOUND;
    rc = rekey_text(s, r, w);
    if (rc == 0)
        rc = mu_writer_end(w);
    if (rc == 0)
        rc = mu_rekey_tag(s->conf.crypto, &r->seed, &r->kid,
                          mu_bytes(w->data + from, w->len - from), tag);
    if (rc != 0)
        return rc;
    mu_write_bytes(w, MU_BYTES(tag));
    r->part++;
    return mu_writer_end(w);
}

bool mu_rekey_personal(const struct mu_scheme *s, struct mu_rekey *r,
                       uint32_t *slot)
{
    if (rekey_ops(s)->personal == NULL)
        return false;
    while (r->slot < s->next) {
        r->slot = mu_slot_find(s->member, r->slot, s->next, true);
        if (r->slot == s->next)
            return false;
        *slot = r->slot++;
        if (rekey_ops(s)->personal(s, *slot))
            return true;
    }
    return false;
}

bool mu_scheme_tells(const struct mu_scheme *s, uint32_t slot)
{
    return rekey_ops(s)->personal != NULL && mu_scheme_is_member(s, slot) &&
           rekey_ops(s)->personal(s, slot);
}

void mu_rekey_clear(struct mu_rekey *r)
{
    mu_secret_clear(&r->seed);
    mu_zero(r, sizeof *r);
}

/* Seals what is in w from `body` on, with all of the message before it as
 * associated data. The key is for this one message: the nonce is zero. */
static int personal_seal(const struct mu_scheme *s, uint32_t slot,
                         struct mu_writer *w, size_t from, size_t body)
{
    static const uint8_t nonce[13];
    const struct mu_kid kid = mu_scheme_kid(s);
    struct mu_secret device = {.len = 0};
    struct mu_secret key = {.len = 0};
    size_t text_len = w->len - body;
    int rc = mu_scheme_device_key(s, slot, &device);

    if (rc == 0)
        rc = mu_kdf_kid(s->conf.crypto, &device, "personal", &kid,
                        MU_NODE_KEY_LEN, &key);
    if (rc == 0 && mu_write_room(w, PERSONAL_TAG_LEN) == NULL)
        rc = MU_ERR_NO_SPACE;
    if (rc == 0) {
        const struct mu_aead a = {
            .alg = MU_ALG_AES_CCM_16_64_128,
            .key = &key,
            .nonce = MU_BYTES(nonce),
            .aad = mu_bytes(w->data + from, body - from),
        };

        rc = s->conf.crypto->seal(s->conf.crypto->ctx, &a,
                                  mu_bytes(w->data + body, text_len),
                                  w->data + body, &text_len);
    }
    mu_secret_clear(&device);
    mu_secret_clear(&key);
    return rc;
}

int mu_scheme_personal(const struct mu_scheme *s, uint32_t slot,
                       struct mu_writer *w)
{
    const struct mu_kid kid = mu_scheme_kid(s);
    const size_t from = w->len;
    size_t body;
    int rc = 0;

    if (!mu_scheme_is_member(s, slot))
        return MU_ERR_NOT_FOUND;
    if (s->pending)
        return MU_ERR_BUSY;
    if (!mu_secret_is_set(&s->key))
        return MU_ERR_UNEXPECTED; /* no generation yet, or a key not loaded */
    mu_write_u8(w, (uint8_t)(PERSONAL_TYPE | s->conf.kind));
    mu_kid_write(w, &kid);
    mu_write_u64(w, s->base);
    mu_write_u32(w, slot);
    body = w->len;
    mu_write_bytes(w, mu_secret_view(&s->key));
    if (rekey_ops(s)->body_told)
        rc = rekey_ops(s)->body(s, slot, w);
    if (rc == 0)
        rc = mu_writer_end(w);
    if (rc == 0)
        rc = personal_seal(s, slot, w, from, body);
    if (rc != 0 && w->len > body)
        mu_wipe(w->data + body, w->len - body);
    return rc;
}
