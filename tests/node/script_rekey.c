/* SPDX-License-Identifier: Apache-2.0 */
/* The script's group with a scheme: see script_rekey.h. */
#include "tests/node/script_rekey.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void must(int rc)
{
    if (rc != 0)
        abort();
}

static struct mu_scheme_conf conf_of(const struct script *s,
                                     enum mu_scheme_kind kind, uint32_t members)
{
    return (struct mu_scheme_conf){
        .crypto = s->crypto,
        .kind = kind,
        .master = {.bytes = {1, 2, 3}, .len = 32},
        .key_kind = MU_KEY_KB,
        .scope = SCRIPT_GROUP,
        .members = members,
        .slots_max = members,
        .clusters = 4,
        .degree = 3,
        .levels = 3,
    };
}

void script_scheme(struct script *s, enum mu_scheme_kind kind, uint32_t members)
{
    struct mu_scheme_conf conf = conf_of(s, kind, members);
    size_t len = mu_scheme_mem(&conf);
    struct script_rekey *r = calloc(1, sizeof *r);

    assert(r != NULL && len > 0);
    r->mem = malloc(len);
    assert(r->mem != NULL);
    r->number = 100; /* a list of its own */
    s->rekey = r;
    must(mu_scheme_build(&r->scheme, &conf, s->kb_kid.generation, r->mem, len));
    for (uint32_t i = 0; i < members && kind == MU_SCHEME_LADDER; i++)
        must(mu_scheme_place(&r->scheme, i, 1 + i % conf.levels));
}

void script_scheme_clear(struct script *s)
{
    if (s->rekey == NULL)
        return;
    mu_scheme_clear(&s->rekey->scheme);
    free(s->rekey->mem);
    free(s->rekey);
    s->rekey = NULL;
}

static void moved(void *ctx, uint32_t old, uint32_t now)
{
    (void)ctx;
    (void)old;
    (void)now; /* nobody of the devices has left before */
}

void script_compact(struct script *s)
{
    struct script_rekey *r = s->rekey;
    struct mu_scheme_conf conf = r->scheme.conf;
    size_t len = mu_scheme_mem(&conf);
    void *mem = malloc(len);
    struct mu_scheme to;

    assert(mem != NULL);
    s->kb_kid.generation++;
    must(mu_scheme_compact(&r->scheme, &to, &conf, s->kb_kid.generation, mem,
                           len, moved, NULL));
    mu_scheme_clear(&r->scheme);
    free(r->mem);
    r->mem = mem;
    r->scheme = to;
}

void script_part_sign(struct script *s, const struct mu_signer *signer,
                      struct mu_inline *m, struct script_part *p)
{
    struct mu_writer w = mu_writer(p->object, sizeof p->object);

    must(mu_inline_create(s->crypto, signer, m, &w));
    p->object_len = w.len;
}

static void rekey_begin(struct script *s)
{
    struct script_rekey *r = s->rekey;
    struct mu_rekey rekey;
    size_t max = r->part_max != 0 ? r->part_max : MU_INLINE_CONTENT_MAX;

    s->kb_kid.generation++;
    must(mu_scheme_begin(&r->scheme, s->kb_kid.generation, max, &rekey));
    for (r->parts_len = 0;; r->parts_len++) {
        struct script_part *p = &r->parts[r->parts_len];
        struct mu_writer w = mu_writer(p->raw, sizeof p->raw);
        int rc = mu_rekey_part(&r->scheme, &rekey, &w);

        if (rc == MU_ERR_NOT_FOUND)
            break;
        must(rc);
        assert(r->parts_len + 1 < SCRIPT_PARTS_MAX);
        p->raw_len = w.len;
    }
    s->kb = r->scheme.key;
    must(mu_kb_held(s->crypto, &s->kb, &s->kb_kid, r->digest));
    mu_rekey_clear(&rekey);
}

void script_rekey_silent(struct script *s)
{
    rekey_begin(s);
}

void script_rekey(struct script *s, const uint32_t *gone, size_t gone_len)
{
    struct script_rekey *r = s->rekey;

    must(mu_scheme_leave_all(&r->scheme, gone, gone_len));
    for (size_t i = 0; i < gone_len; i++) {
        if (gone[i] < s->devices_len)
            s->devices[gone[i]].member = false;
    }
    rekey_begin(s);
    r->live = r->parts_len > 0;
    r->number++;
    r->session = (uint8_t)(200 + r->number % 50);
    memset(r->told, 0, sizeof r->told);
    must(s->crypto->random(s->crypto->ctx, r->id, sizeof r->id));
    for (size_t i = 0; i < r->parts_len; i++) {
        struct mu_inline m = {
            .group = SCRIPT_GROUP,
            .session = r->session,
            .epoch = s->epoch,
            .part = (uint16_t)i,
            .parts = (uint16_t)r->parts_len,
            .content_kind = MU_CONTENT_REKEY,
            .content = mu_bytes(r->parts[i].raw, r->parts[i].raw_len),
        };

        memcpy(m.campaign, r->id, sizeof r->id);
        script_part_sign(s, &s->signer, &m, &r->parts[i]);
    }
    script_notify(s);
}

void script_rekey_end(struct script *s)
{
    s->rekey->live = false;
    script_notify(s);
}

bool script_rekey_details(struct script *s, const struct mu_event *ev,
                          const uint8_t *id, uint16_t part,
                          struct mu_wide_campaign *m)
{
    struct script_rekey *r = s->rekey;

    (void)ev;
    if (r == NULL || !r->live || memcmp(id, r->id, sizeof r->id) != 0)
        return false;
    assert(part < r->parts_len);
    r->asked++;
    m->object = mu_bytes(r->parts[part].object, r->parts[part].object_len);
    m->mode = MU_MODE_END_TO_END;
    m->kid = s->kb_kid;
    m->kb = (struct mu_secret){.len = 0};
    m->cancel = mu_bytes(NULL, 0);
    m->tags_len = 0;
    m->parts = (uint16_t)r->parts_len;
    return true;
}

static bool state_due(const struct script_rekey *r, uint32_t slot,
                      const struct mu_keyfetch_request *in)
{
    enum mu_scheme_kind kind = r->scheme.conf.kind;
    bool stateful = kind == MU_SCHEME_CLUSTER || kind == MU_SCHEME_LADDER ||
                    kind == MU_SCHEME_LKH;

    if (r->hold_states || !mu_scheme_is_member(&r->scheme, slot))
        return false;
    for (size_t i = 0; i < in->states_len; i++) {
        const struct mu_keyfetch_state *h = &in->states[i];

        if (h->group == SCRIPT_GROUP)
            return h->base != r->scheme.base ||
                   (stateful && h->newest != r->scheme.generation);
    }
    return true;
}

void script_rekey_piece(struct script *s, size_t device,
                        const struct mu_keyfetch_request *in,
                        struct mu_keyfetch_response *m)
{
    static uint8_t state[MU_MEMBER_STATE_MAX];
    struct script_rekey *r = s->rekey;
    struct mu_writer w = mu_writer(state, sizeof state);
    struct mu_writer generation = mu_writer(state + 6, 8);
    size_t room;

    if (r == NULL || !state_due(r, (uint32_t)device, in))
        return;
    must(mu_scheme_issue(&r->scheme, (uint32_t)device, &w));
    /* It comes with the key of this generation: no message of it is left. */
    mu_write_u64(&generation, r->scheme.generation);
    if (in->collecting && in->which.base == r->scheme.base &&
        in->which.newest == r->scheme.generation && in->offset < w.len)
        m->piece_offset = in->offset;
    m->piece_group = SCRIPT_GROUP;
    m->piece_total = (uint16_t)w.len;
    room = mu_keyfetch_piece_room(m);
    if (r->piece_max != 0 && r->piece_max < room)
        room = r->piece_max;
    m->piece = mu_bytes(state + m->piece_offset, w.len - m->piece_offset);
    if (m->piece.len > room)
        m->piece.len = room;
    r->pieces++;
}
