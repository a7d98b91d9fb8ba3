/* SPDX-License-Identifier: Apache-2.0 */
/* One who listens to the speakers of its area: muster/listener.h. */
#include "muster/listener.h"

#include "muster/assert.h"

enum {
    RECORD_VERSION = 1,
    SIGNATURES = 20, /* a second */
    NUMBER = 4,      /* bytes before a text under a chain */
    HASH_LEN = 8,    /* of a chain */
};

#define DRIFT MU_MS(100)         /* between two clocks, until the next question */
#define RESYNC MU_SECONDS(600)   /* 100 ms in ten minutes: 167 ppm */
#define STALE MU_SECONDS(660)    /* a clock that nobody confirmed is no bound */
#define SILENT MU_SECONDS(3600)  /* whose stream makes room */
#define ASK_WAIT MU_MS(250)      /* between two questions */
#define ASK_SPREAD MU_MS(300)    /* an area has the same cause at once */

size_t mu_listener_work(const struct mu_listener_conf *conf)
{
    return conf->streams * sizeof(struct mu_listener_stream);
}

/* ---- its record ----------------------------------------------------------- */

void mu_listener_write(const struct mu_listener *l, struct mu_writer *w)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u64(w, l->seen);
    mu_write_u8(w, l->sources_len);
    for (size_t i = 0; i < l->sources_len; i++) {
        mu_write_bytes(w, MU_BYTES(l->sources[i].key));
        mu_write_u32(w, l->sources[i].age);
        mu_window_write(&l->sources[i].window, w);
    }
}

static int record_read(struct mu_listener *l, struct mu_bytes record)
{
    struct mu_reader r = mu_reader(record);
    uint8_t version = mu_read_u8(&r);

    l->seen = mu_read_u64(&r);
    l->sources_len = mu_read_u8(&r);
    if (version != RECORD_VERSION || l->sources_len > MU_SPEAKERS_MAX)
        return MU_ERR_MALFORMED;
    for (size_t i = 0; i < l->sources_len; i++) {
        struct mu_listener_source *s = &l->sources[i];

        mu_read_copy(&r, s->key, sizeof s->key);
        s->age = mu_read_u32(&r);
        if (s->age > l->age)
            l->age = s->age;
        mu_window_read(&s->window, &r);
    }
    return mu_reader_end(&r);
}

int mu_listener_init(struct mu_listener *l, const struct mu_listener_conf *conf,
                     struct mu_bytes record, void *work, size_t work_len)
{
    const struct mu_sign_conf sign = {
        .proof = {conf->crypto, conf->server, NULL}, .alg = MU_ALG_ES256,
        .signatures = SIGNATURES, .directory_max = MU_SPEECH_FILTER,
        .seed = conf->seed,
    };
    int rc;

    if (conf->streams > MU_LISTENER_STREAMS_MAX)
        return MU_ERR_USAGE;
    if (work_len < mu_listener_work(conf))
        return MU_ERR_NO_SPACE;
    mu_zero(l, sizeof *l);
    if (record.len > 0 && record_read(l, record) != 0)
        mu_zero(l, sizeof *l); /* damaged: as if it were new */
    l->conf = *conf;
    l->jitter = conf->seed | 1;
    l->streams = work;
    if (conf->streams > 0)
        mu_zero(work, mu_listener_work(conf));
    rc = mu_sign_receiver_init(&l->sign, &sign, l->bits, sizeof l->bits);
    return rc;
}

int mu_listener_area(struct mu_listener *l, const struct mu_secret *khop)
{
    const struct mu_sign_conf sign = l->sign.conf;

    for (size_t i = 0; i < l->conf.streams; i++)
        l->streams[i].used = false;
    l->asking = 0;
    l->pair_id = 0;
    mu_secret_clear(&l->pair);
    if (mu_sign_receiver_init(&l->sign, &sign, l->bits, sizeof l->bits) != 0)
        return MU_ERR_USAGE;
    return mu_kdf(l->conf.crypto, khop, "speech", mu_bytes(NULL, 0), 32,
                  &l->pair);
}

void mu_listener_gateway(struct mu_listener *l, uint32_t id)
{
    l->pair_id = id;
}

/* ---- messages that are proved --------------------------------------------- */

static struct mu_listener_source *source_of(struct mu_listener *l, uint32_t id,
                                            struct mu_bytes who)
{
    uint8_t number[4], digest[MU_SHA256_LEN];
    struct mu_writer w = mu_writer(number, sizeof number);
    const struct mu_bytes parts[2] = {MU_BYTES(number), who};
    struct mu_listener_source *s, *oldest = &l->sources[0];

    mu_write_u32(&w, id);
    mu_sha256(l->conf.crypto, parts, 2, digest);
    for (size_t i = 0; i < l->sources_len; i++) {
        s = &l->sources[i];
        if (mu_ct_eq(s->key, digest, sizeof s->key))
            return s;
        if (s->age < oldest->age)
            oldest = s;
    }
    s = l->sources_len < MU_SPEAKERS_MAX ? &l->sources[l->sources_len++]
                                         : oldest;
    mu_copy(s->key, digest, sizeof s->key);
    mu_window_init(&s->window);
    return s;
}

/* Takes it once. There is room. */
static int listener_accept(struct mu_listener *l, uint32_t id,
                           enum mu_speech_scheme scheme, struct mu_bytes who,
                           uint64_t number, struct mu_bytes text)
{
    struct mu_listener_source *s;
    struct mu_listener_message *m;
    struct mu_bytes pub, name;
    int rc = mu_who_parse(who, MU_ALG_ES256, &pub, &name);

    mu_assert(l->ready_len < MU_LISTENER_READY);
    if (rc != 0 || text.len == 0 || text.len > MU_SPEECH_TEXT_MAX)
        return rc != 0 ? rc : MU_ERR_MALFORMED;
    s = source_of(l, id, who);
    rc = mu_window_check(&s->window, number);
    if (rc != 0) {
        l->refused++;
        return rc;
    }
    mu_window_commit(&s->window, number);
    s->age = ++l->age;
    l->dirty = true;
    m = &l->ready[(l->ready_first + l->ready_len++) % MU_LISTENER_READY];
    *m = (struct mu_listener_message){
        .id = id, .number = number, .scheme = scheme,
        .name_len = (uint8_t)name.len, .len = (uint16_t)text.len,
    };
    mu_copy(m->name, name.data, name.len);
    mu_copy(m->text, text.data, text.len);
    l->taken++;
    return 0;
}

/* One that came under a chain: its number stands before it. */
static int listener_chained(struct mu_listener *l,
                            const struct mu_listener_stream *st,
                            struct mu_bytes body)
{
    struct mu_reader r = mu_reader(body);
    uint32_t number = mu_read_u32(&r);

    if (r.failed)
        return MU_ERR_TRUNCATED;
    return listener_accept(l, st->id, st->scheme,
                           mu_bytes(st->who, st->who_len), number,
                           mu_reader_rest(&r));
}

const struct mu_listener_message *mu_listener_ready(const struct mu_listener *l)
{
    return l->ready_len > 0 ? &l->ready[l->ready_first] : NULL;
}

void mu_listener_over(struct mu_listener *l)
{
    mu_assert(l->ready_len > 0);
    l->ready_first = (uint8_t)((l->ready_first + 1) % MU_LISTENER_READY);
    l->ready_len--;
}

/* ---- the directory -------------------------------------------------------- */

uint64_t mu_listener_version(const struct mu_listener *l)
{
    return l->sign.directory.version;
}

/* Whom the new directory does not know is heard no more: with a filter that is
 * seen at once, with a tree after the next introduction. */
static void listener_revouch(struct mu_listener *l)
{
    for (size_t i = 0; i < l->conf.streams; i++) {
        struct mu_listener_stream *st = &l->streams[i];
        bool filter = l->sign.directory.kind == MU_DIRECTORY_BLOOM;

        if (!st->used || st->scheme == MU_SPEECH_NONE)
            continue;
        if (filter && mu_sign_knows(&l->sign, st->id,
                                    mu_bytes(st->who, st->who_len), 0,
                                    mu_bytes(NULL, 0)))
            st->vouched = l->sign.directory.version;
        else if (filter)
            st->used = l->asking == i + 1; /* the answer ends it */
        st->ask_due = !filter;
    }
}

int mu_listener_directory(struct mu_listener *l, struct mu_bytes object)
{
    struct mu_directory d;
    int rc = mu_directory_consume(&l->sign.conf.proof, object, &d);

    if (rc != 0)
        return rc;
    if (d.version < l->seen)
        return MU_ERR_ROLLBACK;
    if (d.version == l->sign.directory.version)
        return 0;
    rc = mu_sign_directory(&l->sign, object);
    if (rc != 0)
        return rc;
    /* Who has another key by now counts from its start. */
    mu_zero(l->sign.sources, sizeof l->sign.sources);
    if (d.version > l->seen) {
        l->seen = d.version;
        l->dirty = true;
    }
    listener_revouch(l);
    return 0;
}

uint8_t mu_listener_streams(const struct mu_listener *l)
{
    uint8_t n = 0;

    for (size_t i = 0; i < l->conf.streams; i++) {
        const struct mu_listener_stream *st = &l->streams[i];

        n = (uint8_t)(n + (st->used &&
                           st->vouched == l->sign.directory.version &&
                           (st->scheme == MU_SPEECH_CHAIN
                                ? st->chain.begun
                                : st->scheme != MU_SPEECH_NONE &&
                                      st->tesla.synced)));
    }
    return n;
}

/* ---- streams -------------------------------------------------------------- */

static struct mu_listener_stream *stream_find(struct mu_listener *l,
                                              uint32_t id)
{
    for (size_t i = 0; i < l->conf.streams; i++) {
        if (l->streams[i].used && l->streams[i].id == id)
            return &l->streams[i];
    }
    return NULL;
}

static int stream_tesla(struct mu_listener *l, struct mu_listener_stream *st)
{
    const struct mu_tesla_conf conf = {
        .proof = {l->conf.crypto, &st->signer, NULL},
        .stream = (uint8_t)st->id, .slots = MU_LISTENER_SLOTS,
        .message_max = MU_LISTENER_BODY, .drift = DRIFT,
        .seed = mu_jitter_next(&l->jitter) | 1,
    };

    return mu_tesla_receiver_init(&st->tesla, &conf, st->room,
                                  sizeof st->room);
}

/* The first that comes has a free place; what is false is out with the answer
 * of the gateway, so each has its chance. */
static struct mu_listener_stream *stream_new(struct mu_listener *l,
                                             mu_time now, uint32_t id)
{
    struct mu_listener_stream *st = NULL;
    uint16_t index = (uint16_t)id;

    if (id >> 16 != l->pair_id >> 16 ||
        (index >= MU_AREA_DEVICES_MAX && index != MU_SPEECH_OF_GATEWAY))
        return NULL;
    for (size_t i = 0; i < l->conf.streams && st == NULL; i++) {
        if (!l->streams[i].used ||
            (now >= l->streams[i].heard + SILENT && l->asking != i + 1))
            st = &l->streams[i];
    }
    if (st == NULL)
        return NULL;
    mu_zero(st, sizeof *st);
    st->used = true;
    st->id = id;
    st->heard = now;
    st->signer.alg = MU_ALG_ES256;
    st->ask_due = true;
    st->wait.at = now + mu_jitter(&l->jitter, ASK_SPREAD);
    if (stream_tesla(l, st) != 0)
        st->used = false;
    return st->used ? st : NULL;
}

static void stream_ask(struct mu_listener *l, struct mu_listener_stream *st,
                       mu_time now)
{
    if (st->ask_due)
        return;
    st->ask_due = true;
    if (st->wait.at < now)
        st->wait.at = now + mu_jitter(&l->jitter, ASK_SPREAD);
}

/* What its keys have proved by now, if its speaker still is one. */
static void stream_take(struct mu_listener *l, struct mu_listener_stream *st)
{
    struct mu_source_message m;

    if (st->vouched != l->sign.directory.version || !st->tesla.synced ||
        st->scheme == MU_SPEECH_CHAIN)
        return;
    while (l->ready_len < MU_LISTENER_READY &&
           mu_source_utesla.take(&st->tesla, &m))
        (void)!listener_chained(l, st, m.bytes);
}

static int chain_packet(struct mu_listener *l, struct mu_listener_stream *st,
                        mu_time now, struct mu_bytes packet)
{
    struct mu_reader r = mu_reader(packet);
    struct mu_source_message m;
    uint32_t place;
    int rc;

    (void)mu_read_u16(&r);
    place = mu_read_u32(&r);
    if (!st->chain.begun || (!r.failed && place > st->chain.at))
        stream_ask(l, st, now); /* something before it was lost */
    if (st->vouched != l->sign.directory.version)
        return MU_ERR_UNKNOWN_PEER;
    rc = mu_source_chain.packet(&st->chain, now, packet);
    if (rc == 0 && mu_source_chain.take(&st->chain, &m))
        rc = listener_chained(l, st, m.bytes);
    return rc;
}

static int stream_packet(struct mu_listener *l, mu_time now,
                         const struct mu_speech_frame *m)
{
    struct mu_listener_stream *st = stream_find(l, m->id);
    bool chain = m->packet.data[0] == MU_SOURCE_CHAIN;
    int rc;

    if (st == NULL)
        st = stream_new(l, now, m->id);
    if (st == NULL)
        return MU_ERR_FULL;
    st->heard = now;
    if (st->scheme == MU_SPEECH_NONE)
        return MU_ERR_UNKNOWN_KEY;
    if (st->run != m->run) {
        st->rerun = true;
        stream_ask(l, st, now);
        return MU_ERR_UNKNOWN_KEY;
    }
    if (chain != (st->scheme == MU_SPEECH_CHAIN))
        return MU_ERR_UNEXPECTED;
    if (chain)
        return chain_packet(l, st, now, m->packet);
    if (now >= st->asked + STALE)
        return MU_ERR_EXPIRED;
    rc = mu_source_utesla.packet(&st->tesla, now, m->packet);
    stream_take(l, st);
    return rc;
}

static int signed_packet(struct mu_listener *l, mu_time now,
                         const struct mu_speech_frame *m)
{
    const enum mu_speech_scheme scheme =
        l->sign.directory.kind == MU_DIRECTORY_BLOOM ? MU_SPEECH_BLOOM
                                                     : MU_SPEECH_MERKLE;
    struct mu_source_message said;
    int rc = mu_source_sign.packet(&l->sign, now, m->packet);

    if (rc == 0 && mu_source_sign.take(&l->sign, &said))
        rc = listener_accept(l, said.source, scheme, said.who, said.number,
                             said.bytes);
    return rc;
}

int mu_listener_packet(struct mu_listener *l, mu_time now,
                       const struct mu_speech_frame *m)
{
    int rc;

    if (l->ready_len == MU_LISTENER_READY)
        return MU_ERR_BUSY;
    switch (m->packet.data[0]) {
    case MU_SOURCE_SIGNED:
        rc = signed_packet(l, now, m);
        break;
    case MU_SOURCE_TESLA:
    case MU_SOURCE_UTESLA:
    case MU_SOURCE_KEY:
    case MU_SOURCE_CDM:
    case MU_SOURCE_CHAIN:
        rc = stream_packet(l, now, m);
        break;
    default:
        rc = MU_ERR_UNEXPECTED;
    }
    if (rc == MU_ERR_AUTH || rc == MU_ERR_UNKNOWN_PEER)
        l->forged++;
    return rc;
}

/* ---- questions ------------------------------------------------------------ */

bool mu_listener_ask(struct mu_listener *l, mu_time now,
                     struct mu_speech_ask *ask)
{
    if (l->asking != 0 || now < l->ask_at)
        return false;
    for (uint8_t i = 0; i < l->conf.streams; i++) {
        struct mu_listener_stream *st = &l->streams[i];

        if (!st->used || !st->ask_due || now < st->wait.at ||
            mu_tesla_sync_ask(&st->tesla, now, ask->nonce) != 0)
            continue;
        ask->id = st->id;
        ask->place = st->chain.begun && !st->rerun ? st->chain.at : 0;
        l->asking = (uint8_t)(i + 1);
        l->ask_at = now + ASK_WAIT;
        return true;
    }
    return false;
}

/* Another run, or the first: its receivers from their start. */
static int intro_fresh(struct mu_listener *l, struct mu_listener_stream *st)
{
    const struct mu_tesla_receiver was = st->tesla;
    int rc = stream_tesla(l, st);

    st->tesla.asked = was.asked;
    st->tesla.asked_at = was.asked_at;
    mu_copy(st->tesla.nonce, was.nonce, sizeof was.nonce);
    st->chain.begun = false;
    return rc;
}

static int intro_chain(struct mu_listener *l, struct mu_listener_stream *st,
                       mu_time now, const struct mu_speech_intro *m)
{
    const struct mu_source_proof proof = {l->conf.crypto, &st->signer, NULL};
    int rc = 0;

    if (!st->chain.begun) {
        mu_chain_receiver_init(&st->chain, &proof, (uint8_t)st->id, HASH_LEN);
        rc = m->start.len == 0 ? MU_ERR_NOT_FOUND
                               : mu_chain_start(&st->chain, m->start);
    }
    for (size_t i = 0; rc == 0 && i < m->packets_len &&
                       l->ready_len < MU_LISTENER_READY; i++)
        (void)!chain_packet(l, st, now, m->packets[i]);
    st->ask_due = false;
    return rc;
}

static int intro_time(struct mu_listener *l, struct mu_listener_stream *st,
                      mu_time now, const struct mu_speech_intro *m)
{
    bool paired = m->scheme == MU_SPEECH_UTESLA && st->id == l->pair_id;
    int rc;

    st->tesla.conf.proof = (struct mu_source_proof){
        l->conf.crypto, paired ? NULL : &st->signer, paired ? &l->pair : NULL,
    };
    rc = mu_tesla_sync_take(&st->tesla, now, m->start);
    if (rc != 0)
        return rc;
    st->asked = now;
    stream_take(l, st);
    /* A question that was long under way gives a bound that is safe, and too
     * wide: packets of the end of an interval would seem late. */
    return now - st->tesla.asked_at + DRIFT >
                   (st->tesla.params.delay - 1u) * st->tesla.params.interval
               ? MU_ERR_TIMEOUT : 0;
}

static int intro_take(struct mu_listener *l, struct mu_listener_stream *st,
                      mu_time now, const struct mu_speech_intro *m)
{
    struct mu_bytes pub, name;
    bool fresh = st->scheme != m->scheme || st->run != m->run ||
                 !mu_bytes_eq(mu_bytes(st->who, st->who_len), m->who);
    int rc = mu_who_parse(m->who, MU_ALG_ES256, &pub, &name);

    if (rc == 0 && (m->id != st->id || m->scheme < MU_SPEECH_TESLA ||
                    !mu_sign_knows(&l->sign, m->id, m->who, m->index,
                                   m->path)))
        rc = MU_ERR_UNKNOWN_PEER;
    if (rc != 0)
        return rc;
    st->scheme = m->scheme;
    st->run = m->run;
    st->vouched = l->sign.directory.version;
    st->who_len = (uint8_t)m->who.len;
    mu_copy(st->who, m->who.data, m->who.len);
    st->signer.pub_len = (uint8_t)pub.len;
    mu_copy(st->signer.pub, pub.data, pub.len);
    if (fresh)
        rc = intro_fresh(l, st);
    if (rc != 0)
        return rc;
    return m->scheme == MU_SPEECH_CHAIN ? intro_chain(l, st, now, m)
                                        : intro_time(l, st, now, m);
}

int mu_listener_answer(struct mu_listener *l, mu_time now,
                       struct mu_bytes payload)
{
    struct mu_listener_stream *st;
    struct mu_speech_intro m;
    uint16_t run;
    bool idle;
    int rc = mu_speech_intro_consume(payload, &m);

    if (l->asking == 0)
        return MU_ERR_UNEXPECTED;
    st = &l->streams[l->asking - 1];
    l->asking = 0;
    if (!st->used)
        return MU_ERR_UNEXPECTED;
    run = st->run;
    st->rerun = false;
    /* Asked for nothing: somebody says false things about this stream. */
    idle = st->scheme == MU_SPEECH_CHAIN
               ? st->chain.begun && rc == 0 && m.packets_len == 0
               : st->tesla.synced && !mu_tesla_lost(&st->tesla, now) &&
                     now < st->asked + RESYNC &&
                     st->vouched == l->sign.directory.version;
    if (rc == 0)
        rc = intro_take(l, st, now, &m);
    st->ask_due = rc != 0;
    if (rc == MU_ERR_UNKNOWN_PEER || (rc != 0 && st->who_len == 0)) {
        st->used = false;
        return rc;
    }
    if (rc != 0 || (idle && st->run == run))
        mu_backoff_fail(&st->wait, now, &l->jitter);
    else
        mu_backoff_reset(&st->wait);
    return rc;
}

bool mu_listener_due(const struct mu_listener *l, mu_time now)
{
    return mu_listener_deadline(l) <= now;
}

/* When the clock of a stream has to be asked for again, if it is still heard. */
static mu_time stream_resync(const struct mu_listener_stream *st)
{
    return st->scheme == MU_SPEECH_NONE || st->scheme == MU_SPEECH_CHAIN ||
                   st->heard <= st->asked
               ? MU_TIME_NEVER : st->asked + RESYNC;
}

void mu_listener_run(struct mu_listener *l, mu_time now)
{
    for (size_t i = 0; i < l->conf.streams; i++) {
        struct mu_listener_stream *st = &l->streams[i];

        if (!st->used || st->scheme == MU_SPEECH_NONE)
            continue;
        stream_take(l, st);
        if (now >= stream_resync(st) ||
            st->vouched != l->sign.directory.version ||
            (st->scheme != MU_SPEECH_CHAIN && st->heard > st->asked &&
             mu_tesla_lost(&st->tesla, now)))
            stream_ask(l, st, now);
    }
}

mu_time mu_listener_deadline(const struct mu_listener *l)
{
    mu_time at = MU_TIME_NEVER;

    if (l->asking != 0)
        return at;
    for (size_t i = 0; i < l->conf.streams; i++) {
        const struct mu_listener_stream *st = &l->streams[i];

        if (!st->used)
            continue;
        if (st->ask_due)
            at = mu_time_min(at, st->wait.at > l->ask_at ? st->wait.at
                                                         : l->ask_at);
        else
            at = mu_time_min(at, stream_resync(st));
    }
    return at;
}
