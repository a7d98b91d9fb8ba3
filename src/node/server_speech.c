/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may speak to the whole of its area: records, keys, and the directory that
 * the server signs for each area (docs/wire-format.md s.10). A directory is
 * made when its gateway asks for it and something has changed, under a
 * generation, so that none is ever older than one that was given out.
 */
#include "node/server_core.h"

#include "muster/speech_msg.h"

#define RECORD_VERSION 1
#define FILTER_EACH 6 /* bytes of the filter for a member: 48 bits */

/* ---- records -------------------------------------------------------------- */

/* MU_TABLE_SPEAKER: gateway (4), index (2); pub_len 0: its key is not known. */
struct speaker_record {
    uint8_t scheme; /* enum mu_speech_scheme, with a key */
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    uint8_t pub_len;
    uint8_t identity[MU_ID_MAX];
    uint8_t identity_len;
};

/* MU_TABLE_SPEAKER: gateway (4) */
struct directory_record {
    bool due;      /* to be made anew */
    uint8_t count; /* speakers, with a key or not */
    uint64_t version;
    uint8_t object[MU_SPEECH_DIRECTORY_MAX];
    uint16_t object_len;
};

static int speaker_read(struct mu_bytes in, struct speaker_record *r)
{
    struct mu_reader b = mu_reader(in);
    uint8_t version = mu_read_u8(&b);

    r->scheme = mu_read_u8(&b);
    r->pub_len = mu_read_u8(&b);
    r->identity_len = mu_read_u8(&b);
    if (version != RECORD_VERSION || r->pub_len > MU_PUBLIC_KEY_MAX ||
        r->identity_len > MU_ID_MAX || r->scheme >= MU_SPEECH_SCHEME_COUNT)
        return MU_ERR_CORRUPT;
    mu_read_copy(&b, r->pub, r->pub_len);
    mu_read_copy(&b, r->identity, r->identity_len);
    return mu_reader_end(&b) == 0 ? 0 : MU_ERR_CORRUPT;
}

static int speaker_get(struct mu_server *s, uint32_t gateway, uint16_t index,
                       struct speaker_record *r)
{
    struct mu_record_key k = mu_record_key_area(gateway, index);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_SPEAKER, &k, &value);

    return rc != 0 ? rc : speaker_read(value, r);
}

static void speaker_put(struct mu_server *s, uint32_t gateway, uint16_t index,
                        const struct speaker_record *r)
{
    struct mu_record_key k = mu_record_key_area(gateway, index);
    uint8_t room[8 + MU_PUBLIC_KEY_MAX + MU_ID_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_write_u8(&w, RECORD_VERSION);
    mu_write_u8(&w, r->scheme);
    mu_write_u8(&w, r->pub_len);
    mu_write_u8(&w, r->identity_len);
    mu_write_bytes(&w, mu_bytes(r->pub, r->pub_len));
    mu_write_bytes(&w, mu_bytes(r->identity, r->identity_len));
    (void)mu_srv_put_written(s, MU_TABLE_SPEAKER, &k, &w);
}

/* One that is damaged is made anew; its version is not needed for that. */
static int directory_get(struct mu_server *s, uint32_t gateway,
                         struct directory_record *r)
{
    struct mu_record_key k = mu_record_key_number(gateway);
    struct mu_bytes value;
    struct mu_reader b;
    int rc = mu_srv_get(s, MU_TABLE_SPEAKER, &k, &value);

    *r = (struct directory_record){.due = false};
    if (rc == MU_ERR_NOT_FOUND)
        return 0;
    if (rc != 0 && rc != MU_ERR_CORRUPT)
        return rc;
    b = mu_reader(value);
    if (rc != 0 || mu_read_u8(&b) != RECORD_VERSION)
        mu_reader_fail(&b);
    r->due = mu_read_u8(&b) != 0;
    r->count = mu_read_u8(&b);
    r->version = mu_read_u64(&b);
    if (b.failed || mu_reader_left(&b) > sizeof r->object) {
        *r = (struct directory_record){.due = true, .version = 1, .count = 1};
        return 0;
    }
    r->object_len = (uint16_t)mu_reader_left(&b);
    mu_read_copy(&b, r->object, r->object_len);
    return 0;
}

static void directory_put(struct mu_server *s, uint32_t gateway,
                          const struct directory_record *r)
{
    struct mu_record_key k = mu_record_key_number(gateway);
    uint8_t room[16 + MU_SPEECH_DIRECTORY_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_write_u8(&w, RECORD_VERSION);
    mu_write_u8(&w, r->due);
    mu_write_u8(&w, r->count);
    mu_write_u64(&w, r->version);
    mu_write_bytes(&w, mu_bytes(r->object, r->object_len));
    (void)mu_srv_put_written(s, MU_TABLE_SPEAKER, &k, &w);
}

/* A speaker came, went or has a key: its gateway asks for the directory. */
static int directory_changed(struct mu_server *s, uint32_t gateway, int more)
{
    struct directory_record d;
    int rc = directory_get(s, gateway, &d);

    if (rc != 0)
        return rc;
    d.due = true;
    d.count = (uint8_t)(d.count + more);
    directory_put(s, gateway, &d);
    mu_srv_notice(s, gateway);
    return 0;
}

uint64_t mu_srv_directory_version(struct mu_server *s, uint32_t gateway)
{
    struct directory_record d;

    /* One that is to be made has a number that nobody holds. */
    return directory_get(s, gateway, &d) != 0 ? 0
           : d.due                            ? d.version + 1
                                              : d.version;
}

/* ---- the operator's wishes ------------------------------------------------ */

static int speaker_find(struct mu_server *s, struct mu_bytes identity,
                        uint32_t *gateway, uint16_t *index)
{
    struct mu_device_record d;
    int rc;

    *gateway = mu_srv_gateway_find(s, identity);
    *index = MU_SPEECH_OF_GATEWAY;
    if (*gateway != 0)
        return *gateway > UINT16_MAX ? MU_ERR_UNSUPPORTED : 0;
    rc = mu_srv_device_get(s, identity, &d);
    if (rc != 0)
        return rc;
    *gateway = d.gateway;
    *index = d.index;
    if (d.gateway > UINT16_MAX)
        return MU_ERR_UNSUPPORTED;
    return d.revoked ? MU_ERR_NOT_FOUND : 0;
}

int mu_server_speaker_add(struct mu_server *s, struct mu_bytes identity)
{
    struct speaker_record r = {.identity_len = (uint8_t)identity.len};
    struct directory_record d;
    uint32_t gateway;
    uint16_t index;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc == 0 && !mu_srv_identity_ok(identity))
        rc = MU_ERR_USAGE;
    if (rc == 0)
        rc = speaker_find(s, identity, &gateway, &index);
    if (rc != 0)
        return rc;
    rc = speaker_get(s, gateway, index, &r);
    if (rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
        return rc; /* it is one already */
    rc = directory_get(s, gateway, &d);
    if (rc != 0 || d.count >= MU_SPEAKERS_MAX)
        return rc != 0 ? rc : MU_ERR_FULL;
    r = (struct speaker_record){.identity_len = (uint8_t)identity.len};
    mu_copy(r.identity, identity.data, identity.len);
    speaker_put(s, gateway, index, &r);
    mu_srv_trace(s, "speaker-added", gateway, index);
    if (index != MU_SPEECH_OF_GATEWAY)
        mu_srv_poke(s, gateway); /* it fetches, and brings its key */
    return directory_changed(s, gateway, 1);
}

int mu_srv_speaker_drop(struct mu_server *s, uint32_t gateway, uint16_t index)
{
    struct mu_record_key k = mu_record_key_area(gateway, index);
    struct speaker_record r;
    int rc = speaker_get(s, gateway, index, &r);

    if (rc != 0 && rc != MU_ERR_CORRUPT)
        return rc;
    mu_srv_delete(s, MU_TABLE_SPEAKER, &k);
    mu_srv_trace(s, "speaker-removed", gateway, index);
    return directory_changed(s, gateway, -1);
}

int mu_server_speaker_remove(struct mu_server *s, struct mu_bytes identity)
{
    uint32_t gateway;
    uint16_t index;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc == 0)
        rc = speaker_find(s, identity, &gateway, &index);
    return rc != 0 ? rc : mu_srv_speaker_drop(s, gateway, index);
}

/* The first speaker behind *key, in the order of gateways. */
static int speaker_next(struct mu_server *s, struct mu_record_key *key,
                        struct speaker_record *r, uint32_t *gateway,
                        uint16_t *index)
{
    for (;;) {
        struct mu_bytes value;
        struct mu_reader k;
        int rc = mu_srv_next(s, MU_TABLE_SPEAKER, key, &value);

        if (rc != 0 && rc != MU_ERR_CORRUPT)
            return rc;
        if (key->len != 6)
            continue; /* a directory */
        k = mu_reader(mu_record_key_view(key));
        *gateway = mu_read_u32(&k);
        *index = mu_read_u16(&k);
        if (rc == 0 && speaker_read(value, r) == 0)
            return 0;
        mu_srv_trace(s, "speaker-damaged", *gateway, *index);
    }
}

int mu_server_speaker_next(struct mu_server *s, uint64_t after,
                           struct mu_speaker_view *out)
{
    struct mu_record_key key = mu_record_key_area((uint32_t)(after >> 16),
                                                  (uint16_t)after);
    struct mu_gateway_record g;
    struct speaker_record r;
    uint32_t gateway;
    uint16_t index;
    int rc = speaker_next(s, &key, &r, &gateway, &index);

    *out = (struct mu_speaker_view){.scheme = NULL};
    if (rc == 0)
        rc = mu_srv_gateway_get(s, gateway, &g);
    if (rc != 0)
        return rc;
    out->number = (uint64_t)gateway << 16 | index;
    out->scheme = mu_speech_scheme_name((enum mu_speech_scheme)r.scheme);
    out->known = r.pub_len != 0;
    mu_copy(out->identity, r.identity, r.identity_len);
    mu_copy(out->gateway, g.identity, g.identity_len);
    return 0;
}

/* ---- keys of speakers ----------------------------------------------------- */

bool mu_srv_speakers(struct mu_server *s, uint32_t gateway)
{
    struct directory_record d;

    return directory_get(s, gateway, &d) == 0 && d.count > 0;
}

bool mu_srv_speaker_awaited(struct mu_server *s, uint32_t gateway,
                            uint16_t index)
{
    struct speaker_record r;

    return speaker_get(s, gateway, index, &r) == 0 && r.pub_len == 0;
}

int mu_srv_speaker_key(struct mu_server *s, uint32_t gateway, uint16_t index,
                       uint8_t scheme, struct mu_bytes pub)
{
    struct speaker_record r;
    int rc = speaker_get(s, gateway, index, &r);

    if (rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT)
        return 0; /* nobody lets it speak */
    if (rc != 0)
        return rc;
    if (scheme == MU_SPEECH_NONE || scheme >= MU_SPEECH_SCHEME_COUNT ||
        pub.len != MU_PUBLIC_KEY_MAX)
        return MU_ERR_MALFORMED;
    if (scheme == r.scheme && mu_bytes_eq(pub, mu_bytes(r.pub, r.pub_len)))
        return 0;
    r.scheme = scheme;
    r.pub_len = (uint8_t)pub.len;
    mu_copy(r.pub, pub.data, pub.len);
    speaker_put(s, gateway, index, &r);
    mu_srv_trace(s, "speaker-key", gateway, index);
    return directory_changed(s, gateway, 0);
}

/* ---- directories ---------------------------------------------------------- */

struct directory_make {
    struct mu_directory_member members[MU_SPEAKERS_MAX];
    uint8_t len;
    bool tree; /* one of them wants to be proved by a path */
    uint8_t bits[MU_SPEECH_FILTER];
    uint8_t nodes[2 * MU_SPEAKERS_MAX * 32];
};

static int directory_members(struct mu_server *s, uint32_t gateway,
                             struct directory_make *m)
{
    struct mu_record_key key = mu_record_key_number(gateway);
    struct speaker_record r;
    uint32_t number;
    uint16_t index;
    int rc;

    m->len = 0;
    m->tree = false;
    for (;;) {
        rc = speaker_next(s, &key, &r, &number, &index);
        if (rc == MU_ERR_NOT_FOUND || (rc == 0 && number != gateway))
            return 0;
        if (rc != 0)
            return rc;
        if (r.pub_len == 0 || m->len == MU_SPEAKERS_MAX)
            continue;
        m->members[m->len].id = mu_speech_id(gateway, index);
        rc = mu_who_make(mu_bytes(r.pub, r.pub_len),
                         mu_bytes(r.identity, r.identity_len),
                         &m->members[m->len]);
        if (rc != 0)
            return rc;
        m->tree = m->tree || r.scheme == MU_SPEECH_MERKLE;
        m->len++;
    }
}

/* Nobody speaks any more: a directory of one whom there is not. */
static int directory_nobody(struct mu_server *s, struct directory_make *m)
{
    const struct mu_crypto *c = s->conf.crypto;

    m->members[0].id = 0;
    m->members[0].who_len = MU_PUBLIC_KEY_MAX;
    return c->random(c->ctx, m->members[0].who, MU_PUBLIC_KEY_MAX);
}

static int directory_sign(struct mu_server *s, struct directory_make *m,
                          struct directory_record *r)
{
    const struct mu_crypto *c = s->conf.crypto;
    const struct mu_source_proof proof = {c, &s->signer, NULL};
    struct mu_writer w = mu_writer(r->object, sizeof r->object);
    size_t len = m->len == 0 ? 1 : m->len, bits = len * FILTER_EACH;
    struct mu_directory d = {
        .kind = m->tree ? MU_DIRECTORY_MERKLE : MU_DIRECTORY_BLOOM,
        .version = r->version, .members = (uint32_t)len,
        .bits = {m->bits, m->tree ? 32 : bits},
    };
    int rc = c->random(c->ctx, d.salt, sizeof d.salt);

    if (rc == 0 && m->len == 0)
        rc = directory_nobody(s, m);
    if (rc == 0 && m->tree)
        rc = mu_merkle_make(c, m->members, len, d.salt, m->nodes,
                            sizeof m->nodes, m->bits);
    else if (rc == 0)
        rc = mu_bloom_make(c, m->members, len, d.salt, m->bits, bits,
                           &d.hashes);
    if (rc == 0)
        rc = mu_directory_create(&proof, &d, &w);
    r->object_len = (uint16_t)w.len;
    return rc;
}

/* `held` was never given out, or only to be forgotten: above it from now on. */
static int directory_renew(struct mu_server *s, uint32_t gateway,
                           uint64_t held, struct directory_make *m,
                           struct directory_record *r)
{
    uint64_t version;
    int rc = held > r->version ? mu_srv_generation_seen(s, held) : 0;

    if (rc == 0)
        rc = mu_srv_generation_take(s, &version);
    if (rc == 0 && version <= held)
        rc = MU_ERR_BUSY; /* of a time to come, which its number is to reach */
    if (rc != 0)
        return rc;
    r->version = version;
    r->due = false;
    rc = directory_sign(s, m, r);
    if (rc != 0)
        return rc;
    directory_put(s, gateway, r);
    mu_srv_trace(s, "directory", gateway, m->len);
    return 0;
}

static int directory_answer(struct mu_server *s, const struct mu_event *ev,
                            const struct directory_make *m,
                            const struct directory_record *r)
{
    struct mu_speech_list list = {
        .version = r->version, .object = {r->object, r->object_len},
        .members_len = m->len,
    };
    struct mu_writer w = mu_srv_writer(s);
    int rc;

    for (size_t i = 0; i < m->len; i++) {
        list.members[i].id = m->members[i].id;
        list.members[i].who = mu_bytes(m->members[i].who,
                                       m->members[i].who_len);
    }
    rc = mu_speech_list_create(&list, &w);
    if (rc == 0)
        mu_srv_answer(s, ev, MU_COAP_CONTENT, mu_written(&w));
    return rc;
}

/* POST /dir */
int mu_srv_directory_request(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_speech_want want;
    struct directory_record r;
    struct directory_make m;
    int rc = mu_speech_want_consume(ev->message.payload, &want);

    if (rc == 0 && want.scheme != MU_SPEECH_NONE)
        rc = mu_srv_speaker_key(s, ev->link, MU_SPEECH_OF_GATEWAY,
                                (uint8_t)want.scheme, want.pub);
    if (rc == 0)
        rc = directory_get(s, ev->link, &r);
    if (rc == 0 && !mu_srv_taken(s))
        rc = MU_ERR_BUSY; /* the walk does not see what is on its way */
    if (rc == 0)
        rc = directory_members(s, ev->link, &m);
    if (rc == 0 && (r.due || want.version > r.version))
        rc = directory_renew(s, ev->link, want.version, &m, &r);
    return rc != 0 ? rc : directory_answer(s, ev, &m, &r);
}
