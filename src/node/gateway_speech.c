/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said to all of an area, at the gateway (docs/wire-format.md s.10): it
 * has the directory of who may speak from the server, hands it to its devices,
 * puts what speakers send it on the air, answers who somebody is, and may be a
 * speaker itself. It proves nothing of what devices say: whoever hears it does.
 */
#include "node/gateway.h"

#include "muster/assert.h"

enum {
    LINK_DEVICES = 1,
    TOKENS = 16, /* packets a second of one device */
};

size_t mu_gateway_speech_work(const struct mu_gateway_conf *conf)
{
    return sizeof(struct mu_gateway_speech) + mu_speaker_work(&conf->speak);
}

static bool speech_speaks(const struct mu_gateway *g)
{
    return g->conf.speak.scheme != MU_SPEECH_NONE;
}

static bool speech_stored(const struct mu_gateway *g)
{
    return mu_record_durable(&g->records[MU_GATEWAY_REC_SPEAK]);
}

/* ---- the directory -------------------------------------------------------- */

/* The place of a speaker in the directory; members_len: it is not there. */
static uint8_t speech_place(const struct mu_gateway *g, uint16_t index)
{
    const struct mu_gateway_speech *p = g->speech;
    uint8_t i = 0;

    while (i < p->members_len &&
           p->members[i].id != mu_speech_id(g->server.number, index))
        i++;
    return i;
}

/* What a speaker is told of its place; path: MU_SPEECH_PATH_MAX bytes. */
static int speech_tell(const struct mu_gateway *g, uint16_t index,
                       uint8_t *path, struct mu_speech_told *m)
{
    const struct mu_gateway_speech *p = g->speech;
    uint8_t at = speech_place(g, index);
    size_t len = p->tree ? (size_t)mu_merkle_depth(p->members_len) * 32 : 0;

    *m = (struct mu_speech_told){.object = {p->object, p->object_len}};
    if (at == p->members_len)
        return 0;
    m->id = p->members[at].id;
    m->index = at;
    m->path = mu_bytes(path, len);
    return p->tree ? mu_merkle_path(p->nodes, p->members_len, at, path, len)
                   : 0;
}

int mu_gateway_speech_told(struct mu_gateway *g, uint16_t index,
                           struct mu_writer *w)
{
    uint8_t path[MU_SPEECH_PATH_MAX];
    struct mu_speech_told m;
    int rc = speech_tell(g, index, path, &m);

    return rc != 0 ? rc : mu_speech_told_create(&m, w);
}

/* We are told like any other; somebody else's key under our name is not us. */
static void speech_self(struct mu_gateway *g)
{
    struct mu_gateway_speech *p = g->speech;
    uint8_t path[MU_SPEECH_PATH_MAX];
    struct mu_speech_told m;
    uint8_t at = speech_place(g, MU_SPEECH_OF_GATEWAY);

    if (!speech_speaks(g) ||
        speech_tell(g, MU_SPEECH_OF_GATEWAY, path, &m) != 0)
        return;
    if (m.id != 0 &&
        !mu_bytes_eq(mu_bytes(p->members[at].who, p->members[at].who_len),
                     mu_bytes(p->speaker.self.who, p->speaker.self.who_len)))
        m.id = 0;
    mu_speaker_told(&p->speaker, &m, p->version);
}

static int speech_members(struct mu_gateway *g, const struct mu_speech_list *m,
                          const struct mu_directory *d)
{
    struct mu_gateway_speech *p = g->speech;
    uint8_t root[32];
    int rc;

    p->members_len = m->members_len;
    for (size_t i = 0; i < m->members_len; i++) {
        p->members[i].id = m->members[i].id;
        p->members[i].who_len = (uint8_t)m->members[i].who.len;
        mu_copy(p->members[i].who, m->members[i].who.data,
                m->members[i].who.len);
    }
    p->tree = d->kind == MU_DIRECTORY_MERKLE && m->members_len > 0;
    if (!p->tree)
        return 0;
    rc = mu_merkle_make(g->conf.crypto, p->members, p->members_len, d->salt,
                        p->nodes, sizeof p->nodes, root);
    return rc == 0 && !mu_bytes_eq(MU_BYTES(root), d->bits) ? MU_ERR_MALFORMED
                                                            : rc;
}

static int speech_take(struct mu_gateway *g, struct mu_bytes payload)
{
    const struct mu_source_proof proof = {
        g->conf.crypto, &g->server.signer, NULL,
    };
    struct mu_gateway_speech *p = g->speech;
    struct mu_speech_list m;
    struct mu_directory d;
    int rc = mu_speech_list_consume(payload, &m);

    if (rc != 0 || m.object.len == 0)
        return rc;
    rc = mu_directory_consume(&proof, m.object, &d);
    if (rc == 0 && d.version != m.version)
        rc = MU_ERR_MALFORMED;
    if (rc == 0 && d.version < p->version)
        rc = MU_ERR_ROLLBACK;
    if (rc == 0)
        rc = speech_members(g, &m, &d);
    if (rc != 0)
        return rc;
    p->version = d.version;
    p->object_len = (uint16_t)m.object.len;
    mu_copy(p->object, m.object.data, m.object.len);
    speech_self(g);
    return 0;
}

int mu_gateway_speech_list(struct mu_gateway *g, struct mu_bytes payload)
{
    uint64_t had = g->speech->version;
    int rc = speech_take(g, payload);

    if (rc != 0 || g->speech->version == had)
        return rc;
    g->records[MU_GATEWAY_REC_DIR].dirty = true;
    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        if (!g->devices[i].used)
            continue;
        g->devices[i].dir_due = true;
        mu_gateway_push(g, i);
    }
    mu_gateway_trace(g, "directory", g->speech->version,
                     g->speech->members_len);
    return 0;
}

void mu_gateway_speech_offered(struct mu_gateway *g, uint64_t version)
{
    struct mu_gateway_speech *p = g->speech;

    p->offered = version;
    if (version != p->version ||
        (speech_speaks(g) && !mu_speaker_may(&p->speaker)))
        g->asks[MU_GATEWAY_DIR].due = true;
}

int mu_gateway_speech_ask(struct mu_gateway *g, struct mu_writer *w)
{
    const struct mu_speaker *s = &g->speech->speaker;
    struct mu_speech_want m = {.version = g->speech->version};

    if (speech_speaks(g)) {
        m.scheme = g->conf.speak.scheme;
        m.pub = mu_bytes(s->signer.pub, s->signer.pub_len);
    }
    return mu_speech_want_create(&m, w);
}

/* ---- records -------------------------------------------------------------- */

void mu_gateway_speech_write(const struct mu_gateway *g, size_t which,
                             struct mu_writer *w)
{
    const struct mu_gateway_speech *p = g->speech;
    struct mu_speech_list m = {
        .version = p->version, .object = {p->object, p->object_len},
        .members_len = p->members_len,
    };

    if (which == MU_GATEWAY_REC_SPEAK) {
        mu_speaker_write(&p->speaker, w);
        return;
    }
    for (size_t i = 0; i < p->members_len; i++) {
        m.members[i].id = p->members[i].id;
        m.members[i].who = mu_bytes(p->members[i].who, p->members[i].who_len);
    }
    if (mu_speech_list_create(&m, w) != 0)
        mu_writer_fail(w);
}

static int speech_record(struct mu_gateway *g, const char *key,
                         struct mu_bytes *record)
{
    size_t len = MU_STORE_VALUE_MAX;
    int rc = g->conf.store->get(g->conf.store->ctx, MU_TABLE_NODE,
                                mu_bytes_str(key), g->out, &len);

    *record = mu_bytes(g->out, rc == 0 ? len : 0);
    return rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND ? 0 : rc;
}

int mu_gateway_speech_load(struct mu_gateway *g)
{
    struct mu_speaker_conf conf = g->conf.speak;
    struct mu_gateway_speech *p = g->speech;
    struct mu_bytes record;
    int rc = 0;

    conf.crypto = g->conf.crypto;
    conf.identity = g->conf.identity;
    if (speech_speaks(g)) {
        rc = speech_record(g, "speak", &record);
        if (rc == 0)
            rc = mu_speaker_init(&p->speaker, &conf, record, p + 1,
                                 mu_speaker_work(&conf), g->now);
    }
    if (rc == 0)
        rc = speech_record(g, "speakers", &record);
    if (rc != 0 || record.len == 0)
        return rc;
    if (speech_take(g, record) != 0) { /* the server is asked for it */
        mu_gateway_trace(g, "record-damaged", MU_GATEWAY_REC_DIR, 1);
        p->version = 0;
        p->members_len = 0;
    }
    return 0;
}

void mu_gateway_speech_clear(struct mu_gateway *g)
{
    if (speech_speaks(g))
        mu_speaker_clear(&g->speech->speaker);
}

/* ---- packets for the air -------------------------------------------------- */

static struct mu_gateway_said *speech_room(struct mu_gateway_speech *p)
{
    return p->said_len == MU_GATEWAY_SAID
               ? NULL
               : &p->said[(p->said_first + p->said_len) % MU_GATEWAY_SAID];
}

/* So many a second of each: a device that has gone mad is not the area's end. */
static bool speech_token(struct mu_gateway *g, uint8_t place)
{
    struct mu_gateway_speech *p = g->speech;

    if (p->token_at == 0 || g->now >= p->token_at + MU_SECONDS(1)) {
        for (size_t i = 0; i < MU_SPEAKERS_MAX; i++)
            p->tokens[i] = TOKENS;
        p->token_at = g->now;
    }
    if (p->tokens[place] == 0)
        return false;
    p->tokens[place]--;
    return true;
}

int mu_gateway_speech_say(struct mu_gateway *g, uint16_t index,
                          const struct mu_message *m)
{
    struct mu_gateway_speech *p = g->speech;
    struct mu_gateway_said *said = speech_room(p);
    uint8_t place = speech_place(g, index);
    struct mu_speech_say in;
    int rc = mu_speech_say_consume(m->payload, &in), full;

    if (rc == 0 && place == p->members_len)
        rc = MU_ERR_FORBIDDEN;
    if (rc == 0 && (said == NULL || !speech_token(g, place)))
        rc = MU_ERR_BUSY;
    if (rc == 0) {
        said->id = p->members[place].id;
        said->run = in.run;
        said->len = (uint16_t)in.packet.len;
        mu_copy(said->bytes, in.packet.data, in.packet.len);
        p->said_len++;
    } else {
        p->refused++;
    }
    full = mu_replies_put(&g->replies, LINK_DEVICES + (uint32_t)index,
                          m->exchange, (uint8_t)mu_err_coap(rc));
    return rc != 0 ? rc : full;
}

bool mu_gateway_speech_waits(const struct mu_gateway *g)
{
    return g->speech->said_len > 0 && g->kg[0].kid.kind != 0;
}

size_t mu_gateway_speech_frame(struct mu_gateway *g, uint8_t *to)
{
    struct mu_gateway_speech *p = g->speech;
    const struct mu_gateway_said *said = &p->said[p->said_first];
    const struct mu_speech_frame m = {
        .id = said->id, .run = said->run,
        .kg = (uint8_t)g->kg[0].kid.generation,
        .packet = {said->bytes, said->len},
    };
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);

    p->said_first = (uint8_t)((p->said_first + 1) % MU_GATEWAY_SAID);
    p->said_len--;
    if (mu_speech_frame_create(g->conf.crypto, &g->kg[0].kctl, &m, &w) != 0)
        return 0;
    p->packets++;
    p->bytes += w.len;
    return w.len;
}

/* ---- speaking ------------------------------------------------------------- */

int mu_gateway_say(struct mu_gateway *g, mu_time now, struct mu_bytes text)
{
    int rc;

    if (!speech_speaks(g))
        return MU_ERR_UNSUPPORTED;
    if (now > g->now)
        g->now = now;
    rc = mu_speaker_say(&g->speech->speaker, g->now, text);
    mu_gateway_speech_run(g);
    return rc;
}

void mu_gateway_speech_run(struct mu_gateway *g)
{
    struct mu_gateway_speech *p = g->speech;
    struct mu_speaker *s = &p->speaker;
    struct mu_gateway_said *said;
    size_t len = 1;

    if (!speech_speaks(g))
        return;
    mu_speaker_run(s, g->now);
    if (s->dirty) {
        s->dirty = false;
        g->records[MU_GATEWAY_REC_SPEAK].dirty = true;
    }
    while (speech_stored(g) && len > 0 && (said = speech_room(p)) != NULL) {
        len = mu_speaker_next(s, g->now, said->bytes);
        if (len == 0)
            break;
        said->id = s->self.id;
        said->run = s->run;
        said->len = (uint16_t)len;
        p->said_len++;
    }
}

mu_time mu_gateway_speech_deadline(const struct mu_gateway *g)
{
    const struct mu_gateway_speech *p = g->speech;
    mu_time at = MU_TIME_NEVER;

    if (mu_gateway_speech_waits(g))
        return g->air_at;
    if (speech_speaks(g) && speech_stored(g))
        at = mu_speaker_deadline(&p->speaker);
    return at;
}

void mu_gateway_speech_counts(const struct mu_gateway *g,
                              struct mu_gateway_speech_counts *out)
{
    const struct mu_gateway_speech *p = g->speech;

    *out = (struct mu_gateway_speech_counts){
        .packets = p->packets, .bytes = p->bytes, .refused = p->refused,
        .version = p->version, .speakers = p->members_len,
        .may = speech_speaks(g) && mu_speaker_may(&p->speaker),
    };
}

/* ---- who is it? ----------------------------------------------------------- */

static int question_take(struct mu_gateway *g, uint16_t index,
                         const struct mu_message *m)
{
    struct mu_gateway_speech *p = g->speech;
    struct mu_gateway_question *q = NULL;
    struct mu_speech_ask ask;
    uint16_t speaker;
    int rc = mu_speech_ask_consume(m->payload, &ask);

    if (rc != 0)
        return rc;
    speaker = (uint16_t)ask.id;
    if (ask.id >> 16 != g->server.number ||
        speech_place(g, speaker) == p->members_len)
        return MU_ERR_NOT_FOUND;
    for (size_t i = 0; i < MU_GATEWAY_QUESTIONS; i++) {
        struct mu_gateway_question *at = &p->questions[i];

        if (at->state == MU_GATEWAY_QUESTION_FREE)
            q = at;
        else if (at->device == index)
            return MU_ERR_BUSY; /* each has one */
    }
    if (q == NULL || m->payload.len > sizeof q->payload ||
        (speaker != MU_SPEECH_OF_GATEWAY &&
         (speaker >= g->conf.devices_max || !g->devices[speaker].linked)))
        return MU_ERR_BUSY;
    q->state = MU_GATEWAY_QUESTION_DUE;
    q->device = index;
    q->speaker = speaker;
    q->down = m->exchange;
    q->len = (uint16_t)m->payload.len;
    mu_copy(q->payload, m->payload.data, m->payload.len);
    return 0;
}

int mu_gateway_speech_who(struct mu_gateway *g, uint16_t index,
                          const struct mu_message *m)
{
    int rc = question_take(g, index, m), full;

    if (rc == 0)
        return 0;
    full = mu_replies_put(&g->replies, LINK_DEVICES + (uint32_t)index,
                          m->exchange, (uint8_t)mu_err_coap(rc));
    return full != 0 ? full : rc;
}

bool mu_gateway_speech_answered(struct mu_gateway *g, uint16_t index,
                                const struct mu_message *m)
{
    for (size_t i = 0; i < MU_GATEWAY_QUESTIONS; i++) {
        struct mu_gateway_question *q = &g->speech->questions[i];

        if (q->state != MU_GATEWAY_QUESTION_FLYING || q->speaker != index ||
            q->up != m->exchange)
            continue;
        q->state = MU_GATEWAY_QUESTION_ANSWERED;
        q->len = 0;
        q->code = m->code != 0 ? m->code : (uint8_t)mu_err_coap(MU_ERR_TIMEOUT);
        if (m->payload.len > sizeof q->payload)
            q->code = (uint8_t)mu_err_coap(MU_ERR_TOO_LARGE);
        else if (MU_COAP_CLASS(m->code) == 2)
            q->len = (uint16_t)m->payload.len;
        mu_copy(q->payload, m->payload.data, q->len);
        return true;
    }
    return false;
}

/* Nobody waits for the answer, or nobody gives it. */
void mu_gateway_speech_down(struct mu_gateway *g, uint16_t index)
{
    for (size_t i = 0; i < MU_GATEWAY_QUESTIONS; i++) {
        struct mu_gateway_question *q = &g->speech->questions[i];

        if (q->state == MU_GATEWAY_QUESTION_FREE)
            continue;
        if (q->device == index) {
            q->state = MU_GATEWAY_QUESTION_FREE;
        } else if (q->speaker == index) {
            q->state = MU_GATEWAY_QUESTION_ANSWERED;
            q->code = (uint8_t)mu_err_coap(MU_ERR_TIMEOUT);
            q->len = 0;
        }
    }
}

/* It is about us. */
static void question_own(struct mu_gateway *g, struct mu_gateway_question *q)
{
    struct mu_writer w = mu_writer(q->payload, sizeof q->payload);
    struct mu_secret pair;
    struct mu_speech_ask ask;
    int rc = mu_speech_ask_consume(mu_bytes(q->payload, q->len), &ask);

    if (rc == 0 && (!speech_speaks(g) || !speech_stored(g)))
        rc = MU_ERR_BUSY;
    if (rc == 0)
        rc = mu_kdf(g->conf.crypto, &g->devices[q->device].khop, "speech",
                    mu_bytes(NULL, 0), 32, &pair);
    if (rc == 0) {
        rc = mu_speaker_introduce(&g->speech->speaker, g->now, &ask, &pair,
                                  &w);
        mu_secret_clear(&pair);
    }
    q->state = MU_GATEWAY_QUESTION_ANSWERED;
    q->code = rc == 0 ? MU_COAP_CONTENT : (uint8_t)mu_err_coap(rc);
    q->len = (uint16_t)(rc == 0 ? w.len : 0);
}

bool mu_gateway_next_question(struct mu_gateway *g, struct mu_effect *out)
{
    for (size_t i = 0; i < MU_GATEWAY_QUESTIONS; i++) {
        struct mu_gateway_question *q = &g->speech->questions[i];

        if (q->state == MU_GATEWAY_QUESTION_DUE &&
            q->speaker == MU_SPEECH_OF_GATEWAY)
            question_own(g, q);
        if (q->state != MU_GATEWAY_QUESTION_DUE &&
            q->state != MU_GATEWAY_QUESTION_ANSWERED)
            continue;
        out->kind = MU_DO_SEND;
        out->message.payload = mu_bytes(q->payload, q->len);
        if (q->state == MU_GATEWAY_QUESTION_DUE) {
            q->state = MU_GATEWAY_QUESTION_FLYING;
            q->up = ++g->exchange;
            out->link = LINK_DEVICES + (uint32_t)q->speaker;
            out->message.code = MU_COAP_POST;
            out->message.path = mu_bytes_str("who");
            out->message.exchange = q->up;
            return true;
        }
        q->state = MU_GATEWAY_QUESTION_FREE;
        out->link = LINK_DEVICES + (uint32_t)q->device;
        out->response = true;
        out->message.code = q->code;
        out->message.exchange = q->down;
        return true;
    }
    return false;
}
