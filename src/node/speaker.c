/* SPDX-License-Identifier: Apache-2.0 */
/* One who speaks to all of its area: muster/speaker.h. */
#include "muster/speaker.h"

#include "muster/assert.h"
#include "muster/parts.h"

enum {
    RECORD_VERSION = 1,
    KEY_LEN = 16, TAG_LEN = 8, HASH_LEN = 8,
    DELAY = 2,             /* intervals: the way to a device is short */
    HOUR_MS = 3600 * 1000, /* of a chain in one level */
    LOW_MS = 60 * 1000,    /* of a low chain */
    MONTH = 30 * 24 * 3600, /* of all of them, in s */
    NUMBER = 4,            /* bytes before the text, under a chain */
};

#define COPY_WAIT MU_MS(100)    /* before the second copy; then doubled */
#define COPY_WAITS 8            /* doubled so often at most */
#define YOUNG MU_SECONDS(64)    /* a run that not all know of yet */
#define SERIES_WAIT MU_SECONDS(4)  /* for repairs, when more is to be said */
#define SERIES_KEEP MU_SECONDS(30) /* when nothing is */

static bool speaker_tesla(const struct mu_speaker_conf *c)
{
    return c->scheme == MU_SPEECH_TESLA || c->scheme == MU_SPEECH_UTESLA ||
           c->scheme == MU_SPEECH_MULTILEVEL;
}

static struct mu_tesla_params speaker_params(const struct mu_speaker_conf *c)
{
    bool multi = c->scheme == MU_SPEECH_MULTILEVEL;
    uint32_t ms = c->interval_ms, low = LOW_MS / ms;

    if (low < 8)
        low = 8; /* a minute, or eight intervals */
    return (struct mu_tesla_params){
        .prf = MU_TESLA_SHA256, .key_len = KEY_LEN, .tag_len = TAG_LEN,
        .interval = MU_MS((uint64_t)ms),
        .length = multi ? (uint32_t)(MONTH * (uint64_t)1000 / ms)
                        : HOUR_MS / ms + 1,
        .delay = DELAY, .low = (uint16_t)(multi ? low : 0),
    };
}

size_t mu_speaker_work(const struct mu_speaker_conf *conf)
{
    struct mu_tesla_params p;

    if (conf->scheme == MU_SPEECH_CHAIN)
        return (MU_SPEAKER_TEXTS + 1) * HASH_LEN;
    if (!speaker_tesla(conf) || conf->interval_ms == 0)
        return 0;
    p = speaker_params(conf);
    return mu_tesla_sender_work(&p);
}

/* ---- its record ----------------------------------------------------------- */

void mu_speaker_write(const struct mu_speaker *s, struct mu_writer *w)
{
    uint8_t len = 0;

    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++)
        len = (uint8_t)(len + (s->texts[i].number != 0));
    mu_write_u8(w, RECORD_VERSION);
    mu_write_bytes(w, mu_secret_view(&s->signer.priv));
    mu_write_bytes(w, mu_bytes(s->signer.pub, s->signer.pub_len));
    mu_write_u16(w, s->run);
    mu_write_u32(w, s->numbers);
    mu_write_u8(w, len);
    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++) {
        const struct mu_speaker_text *t = &s->texts[i];

        if (t->number == 0)
            continue;
        mu_write_u32(w, t->number);
        mu_write_u16(w, t->len);
        mu_write_bytes(w, mu_bytes(t->bytes, t->len));
    }
}

static void record_texts(struct mu_speaker *s, struct mu_reader *r)
{
    uint8_t len = mu_read_u8(r);

    if (len > MU_SPEAKER_TEXTS)
        mu_reader_fail(r);
    for (size_t i = 0; i < len && !r->failed; i++) {
        struct mu_speaker_text *t = &s->texts[i];

        t->number = mu_read_u32(r);
        t->len = mu_read_u16(r);
        if (t->number == 0 || t->number > s->numbers ||
            t->len > sizeof t->bytes) {
            mu_reader_fail(r);
            return;
        }
        mu_read_copy(r, t->bytes, t->len);
        s->bytes = (uint16_t)(s->bytes + t->len);
    }
}

static int record_read(struct mu_speaker *s, struct mu_bytes record)
{
    struct mu_reader r = mu_reader(record);
    int rc;

    if (mu_read_u8(&r) != RECORD_VERSION)
        return MU_ERR_MALFORMED;
    rc = mu_secret_set(&s->signer.priv, mu_read_bytes(&r, 32));
    s->signer.pub_len = 65;
    mu_read_copy(&r, s->signer.pub, 65);
    s->run = mu_read_u16(&r);
    s->numbers = mu_read_u32(&r);
    record_texts(s, &r);
    return rc != 0 ? rc : mu_reader_end(&r);
}

static int speaker_new(struct mu_speaker *s)
{
    const struct mu_crypto *c = s->conf.crypto;
    size_t len = 0;
    int rc = c->keypair(c->ctx, MU_ALG_ES256, &s->signer.priv, s->signer.pub,
                        &len);

    s->signer.pub_len = (uint8_t)len;
    s->run = 0;
    s->numbers = 0;
    s->bytes = 0;
    mu_zero(s->texts, sizeof s->texts);
    return rc;
}

/* ---- its chains ----------------------------------------------------------- */

static int tesla_begin(struct mu_speaker *s, mu_time now)
{
    const struct mu_crypto *c = s->conf.crypto;
    struct mu_tesla_params p = speaker_params(&s->conf);
    uint8_t last[32];
    int rc = c->random(c->ctx, last, sizeof last);

    p.stream = (uint8_t)s->self.id;
    p.start = now > p.interval ? now - p.interval : 0;
    if (rc == 0)
        rc = mu_tesla_sender_init(&s->tesla, c, &p,
                                  s->conf.scheme == MU_SPEECH_TESLA, last,
                                  s->work, s->work_len);
    mu_wipe(last, sizeof last);
    s->chained = rc == 0;
    return rc;
}

/* Another run: its number is durable before anything of it is sent. */
static void speaker_rerun(struct mu_speaker *s)
{
    s->run++;
    s->dirty = true;
    s->chained = false;
    s->begun = false;
}

/* A text as it goes under a chain: `to` has room. */
static struct mu_bytes text_body(const struct mu_speaker_text *t,
                                 uint8_t to[NUMBER + MU_SPEECH_TEXT_MAX])
{
    struct mu_writer w = mu_writer(to, NUMBER + MU_SPEECH_TEXT_MAX);

    mu_write_u32(&w, t->number);
    mu_write_bytes(&w, mu_bytes(t->bytes, t->len));
    return mu_written(&w);
}

/* The last bytes of the scratch memory are for one body at a time. */
static int series_get(void *ctx, uint32_t i, struct mu_bytes *message)
{
    struct mu_speaker *s = ctx;

    if (i >= s->messages.len)
        return MU_ERR_NOT_FOUND;
    *message = text_body(&s->texts[s->series[i]],
                         s->scratch + sizeof s->scratch - NUMBER -
                             MU_SPEECH_TEXT_MAX);
    return 0;
}

static int series_begin(struct mu_speaker *s)
{
    const struct mu_source_proof proof = {s->conf.crypto, &s->signer, NULL};
    struct mu_writer w = mu_writer(s->start, sizeof s->start);
    uint32_t after = 0, len = 0;
    int rc;

    for (bool found = true; found;) { /* in the order of their numbers */
        found = false;
        for (uint8_t i = 0; i < MU_SPEAKER_TEXTS; i++) {
            uint32_t n = s->texts[i].number;

            if (n <= after ||
                (found && n >= s->texts[s->series[len]].number))
                continue;
            s->series[len] = i;
            found = true;
        }
        if (found)
            after = s->texts[s->series[len++]].number;
    }
    s->messages = (struct mu_chain_messages){s, series_get, len};
    rc = mu_chain_sender_init(&s->chain, &proof, (uint8_t)s->self.id, HASH_LEN,
                              &s->messages, s->work, s->work_len);
    if (rc == 0)
        rc = mu_chain_start_create(&s->chain, &w);
    s->start_len = (uint16_t)w.len;
    s->series_on = rc == 0;
    return rc;
}

/* ---- init ----------------------------------------------------------------- */

int mu_speaker_init(struct mu_speaker *s, const struct mu_speaker_conf *conf,
                    struct mu_bytes record, void *work, size_t work_len,
                    mu_time now)
{
    int rc;

    if (conf->scheme == MU_SPEECH_NONE ||
        conf->scheme >= MU_SPEECH_SCHEME_COUNT || conf->copies == 0 ||
        conf->copies > MU_SPEAKER_COPIES_MAX || conf->answers == 0 ||
        (speaker_tesla(conf) &&
         (conf->interval_ms < 10 || conf->interval_ms > HOUR_MS)))
        return MU_ERR_USAGE;
    if (work_len < mu_speaker_work(conf))
        return MU_ERR_NO_SPACE;
    mu_zero(s, sizeof *s);
    s->conf = *conf;
    s->work = work;
    s->work_len = work_len;
    s->signer.alg = MU_ALG_ES256;
    s->tokens = s->conf.answers;
    s->token_at = now;
    rc = record.len == 0 ? MU_ERR_NOT_FOUND : record_read(s, record);
    if (rc != 0)
        rc = speaker_new(s);
    if (rc == 0)
        rc = mu_who_make(mu_bytes(s->signer.pub, s->signer.pub_len),
                         conf->identity, &s->self);
    s->sign = (struct mu_sign_sender){
        .crypto = conf->crypto, .signer = &s->signer,
        .who = mu_bytes(s->self.who, s->self.who_len),
    };
    speaker_rerun(s);
    return rc;
}

void mu_speaker_clear(struct mu_speaker *s)
{
    if (s->work_len > 0)
        mu_wipe(s->work, s->work_len);
    mu_wipe(s, sizeof *s);
}

void mu_speaker_told(struct mu_speaker *s, const struct mu_speech_told *told,
                     uint64_t version)
{
    bool other = told->id != s->self.id;

    s->self.id = told->id;
    s->index = told->index;
    s->path_len = (uint8_t)told->path.len;
    mu_copy(s->path, told->path.data, told->path.len);
    s->version = version;
    s->sign.id = told->id;
    s->sign.index = told->index;
    s->sign.path = mu_bytes(s->path, s->path_len);
    s->sign.version = version;
    if (!other)
        return;
    s->series_on = s->series_due = false;
    speaker_rerun(s); /* a stream's number is part of it */
}

bool mu_speaker_may(const struct mu_speaker *s)
{
    return s->self.id != 0;
}

/* ---- messages ------------------------------------------------------------- */

/* Another copy is to be said. While a run is young there are more of them,
 * further and further apart: for who has yet to link, and to ask who this is. */
static bool text_more(const struct mu_speaker *s,
                      const struct mu_speaker_text *t)
{
    return t->sent < s->conf.copies ||
           (s->conf.scheme != MU_SPEECH_CHAIN &&
            (!s->begun || t->next_at < s->began + YOUNG));
}

static bool text_over(const struct mu_speaker *s,
                      const struct mu_speaker_text *t, mu_time now)
{
    return t->number != 0 && !text_more(s, t) && now >= t->over_at;
}

static void text_free(struct mu_speaker *s, struct mu_speaker_text *t)
{
    s->bytes = (uint16_t)(s->bytes - t->len);
    mu_zero(t, sizeof *t);
    s->dirty = true;
}

static struct mu_speaker_text *text_room(struct mu_speaker *s, size_t len)
{
    if (s->bytes + len > MU_SPEAKER_BYTES)
        return NULL;
    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++) {
        if (s->texts[i].number == 0)
            return &s->texts[i];
    }
    return NULL;
}

/* One that has had its copies, and waits only for who comes late, makes room:
 * the oldest. */
static bool text_displace(struct mu_speaker *s, mu_time now)
{
    struct mu_speaker_text *oldest = NULL;

    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++) {
        struct mu_speaker_text *t = &s->texts[i];

        if (t->number != 0 && t->sent >= s->conf.copies && now >= t->over_at &&
            s->conf.scheme != MU_SPEECH_CHAIN &&
            (oldest == NULL || t->number < oldest->number))
            oldest = t;
    }
    if (oldest != NULL)
        text_free(s, oldest);
    return oldest != NULL;
}

int mu_speaker_say(struct mu_speaker *s, mu_time now, struct mu_bytes text)
{
    struct mu_speaker_text *t;

    if (!mu_speaker_may(s))
        return MU_ERR_FORBIDDEN;
    if (text.len == 0 || text.len > MU_SPEECH_TEXT_MAX)
        return MU_ERR_TOO_LARGE;
    do
        t = text_room(s, text.len);
    while (t == NULL && text_displace(s, now));
    if (t == NULL || s->numbers == UINT32_MAX)
        return MU_ERR_FULL;
    *t = (struct mu_speaker_text){
        .number = ++s->numbers, .len = (uint16_t)text.len, .next_at = now,
    };
    mu_copy(t->bytes, text.data, text.len);
    s->bytes = (uint16_t)(s->bytes + text.len);
    s->dirty = true;
    return 0;
}

static bool series_has(const struct mu_speaker *s, size_t text)
{
    for (uint32_t n = 0; n < s->messages.len && s->series_on; n++) {
        if (s->series[n] == text)
            return true;
    }
    return false;
}

/* Something waits that is not of the series. */
static bool series_crowded(const struct mu_speaker *s)
{
    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++) {
        if (s->texts[i].number != 0 && !series_has(s, i))
            return true;
    }
    return false;
}

/* When the series ends: MU_TIME_NEVER while copies are to be sent. */
static mu_time series_end(const struct mu_speaker *s)
{
    mu_time last = 0;

    for (uint32_t n = 0; n < s->messages.len; n++) {
        const struct mu_speaker_text *t = &s->texts[s->series[n]];

        if (t->sent < s->conf.copies)
            return MU_TIME_NEVER;
        last = t->over_at > last ? t->over_at : last;
    }
    return last + (series_crowded(s) ? SERIES_WAIT : SERIES_KEEP);
}

static void series_run(struct mu_speaker *s, mu_time now)
{
    bool any = false;

    if (s->series_on) {
        if (now < series_end(s))
            return;
        for (uint32_t n = 0; n < s->messages.len; n++)
            text_free(s, &s->texts[s->series[n]]);
        s->series_on = false;
    }
    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++)
        any = any || s->texts[i].number != 0;
    if (any && !s->series_due) {
        speaker_rerun(s);
        s->series_due = true;
    }
}

void mu_speaker_run(struct mu_speaker *s, mu_time now)
{
    const struct mu_tesla_params *p = &s->tesla.params;

    if (!mu_speaker_may(s))
        return;
    if (!s->begun) {
        s->begun = true;
        s->began = now;
    }
    if (s->conf.scheme == MU_SPEECH_CHAIN) {
        series_run(s, now);
        return;
    }
    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++) {
        if (text_over(s, &s->texts[i], now))
            text_free(s, &s->texts[i]);
    }
    /* Before the end of a chain the next begins, with room for its keys. */
    if (s->chained &&
        mu_tesla_interval(p, now) + 2u * p->delay + 2 > p->length) {
        speaker_rerun(s);
        for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++)
            s->texts[i].sent = 0; /* under the next, those not proved yet */
    }
}

/* ---- packets -------------------------------------------------------------- */

static int seal_tesla(struct mu_speaker *s, struct mu_speaker_text *t,
                      mu_time now, struct mu_writer *w)
{
    const struct mu_tesla_params *p = &s->tesla.params;
    uint8_t body[NUMBER + MU_SPEECH_TEXT_MAX];
    int rc = mu_source_utesla.seal(&s->tesla, now, text_body(t, body), w);

    t->over_at = p->start +
                 (mu_tesla_interval(p, now) + p->delay + 1) * p->interval;
    return rc;
}

static int seal_series(struct mu_speaker *s, struct mu_speaker_text *t,
                       struct mu_writer *w)
{
    struct mu_bytes body;
    uint32_t place = 0;
    int rc;

    while (place < s->messages.len && &s->texts[s->series[place]] != t)
        place++;
    if (place == s->messages.len)
        return MU_ERR_NOT_FOUND; /* of the next series */
    rc = series_get(s, place, &body);
    mu_chain_seek(&s->chain, place);
    return rc != 0 ? rc : mu_source_chain.seal(&s->chain, 0, body, w);
}

static int speaker_seal(struct mu_speaker *s, struct mu_speaker_text *t,
                        mu_time now, struct mu_writer *w)
{
    t->over_at = now;
    if (s->conf.scheme == MU_SPEECH_CHAIN)
        return seal_series(s, t, w);
    if (speaker_tesla(&s->conf))
        return seal_tesla(s, t, now, w);
    s->sign.counter = t->number - 1; /* a copy has the same */
    return mu_source_sign.seal(&s->sign, now,
                               mu_bytes(t->bytes, t->len), w);
}

/* The text whose copy is due first: the oldest of those that are. */
static struct mu_speaker_text *text_due(struct mu_speaker *s, mu_time now)
{
    struct mu_speaker_text *due = NULL;

    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++) {
        struct mu_speaker_text *t = &s->texts[i];

        if (t->number == 0 || !text_more(s, t) || t->next_at > now ||
            (s->conf.scheme == MU_SPEECH_CHAIN && !series_has(s, i)))
            continue;
        if (due == NULL || t->sent < due->sent ||
            (t->sent == due->sent && t->number < due->number))
            due = t;
    }
    return due;
}

static bool speaker_ready(struct mu_speaker *s, mu_time now)
{
    if (!mu_speaker_may(s) || s->dirty)
        return false;
    if (speaker_tesla(&s->conf) && !s->chained)
        return tesla_begin(s, now) == 0;
    if (s->series_due) {
        s->series_due = false;
        (void)!series_begin(s);
    }
    return s->conf.scheme != MU_SPEECH_CHAIN || s->series_on;
}

size_t mu_speaker_next(struct mu_speaker *s, mu_time now, uint8_t *to)
{
    struct mu_speaker_text *t;
    struct mu_writer w = mu_writer(to, MU_SPEECH_PACKET_MAX);
    size_t len;

    if (!speaker_ready(s, now))
        return 0;
    if (s->chained) {
        len = mu_source_utesla.next(&s->tesla, now, to);
        if (len > 0)
            return len;
    }
    t = text_due(s, now);
    if (t == NULL)
        return 0;
    if (speaker_seal(s, t, now, &w) != 0) {
        t->next_at = now + COPY_WAIT; /* not in the first interval */
        return 0;
    }
    t->next_at = now + (COPY_WAIT << (t->sent < COPY_WAITS ? t->sent
                                                           : COPY_WAITS));
    if (t->sent < UINT8_MAX)
        t->sent++;
    return w.len;
}

static mu_time text_deadline(const struct mu_speaker *s, size_t i)
{
    const struct mu_speaker_text *t = &s->texts[i];
    bool chain = s->conf.scheme == MU_SPEECH_CHAIN;

    if (t->number == 0 || (chain && !series_has(s, i)))
        return MU_TIME_NEVER;
    if (text_more(s, t))
        return t->next_at;
    return chain ? MU_TIME_NEVER : t->over_at;
}

mu_time mu_speaker_deadline(const struct mu_speaker *s)
{
    mu_time at = MU_TIME_NEVER;

    if (!mu_speaker_may(s) || s->dirty)
        return at;
    if ((speaker_tesla(&s->conf) && !s->chained) || s->series_due)
        return 0;
    for (size_t i = 0; i < MU_SPEAKER_TEXTS; i++)
        at = mu_time_min(at, text_deadline(s, i));
    if (s->chained)
        at = mu_time_min(at, mu_source_utesla.deadline(&s->tesla));
    if (s->series_on)
        at = mu_time_min(at, series_end(s));
    return at;
}

/* ---- introductions -------------------------------------------------------- */

static bool speaker_token(struct mu_speaker *s, mu_time now)
{
    if (now >= s->token_at + MU_SECONDS(1)) {
        s->tokens = s->conf.answers;
        s->token_at = now;
    }
    if (s->tokens == 0)
        return false;
    s->tokens--;
    return true;
}

/* Packets of the series from a place on that have been sent, as many as fit. */
static void intro_series(struct mu_speaker *s, uint32_t place,
                         struct mu_speech_intro *m)
{
    size_t room = sizeof s->scratch - NUMBER - MU_SPEECH_TEXT_MAX, at = 0;

    m->start = mu_bytes(s->start, s->start_len);
    for (; place < s->messages.len; place++) {
        struct mu_speaker_text *t = &s->texts[s->series[place]];
        struct mu_writer w = mu_writer(s->scratch + at, room - at);

        if (t->sent == 0 || m->packets_len == MU_SPEECH_PACKETS_MAX ||
            seal_series(s, t, &w) != 0)
            return;
        m->packets[m->packets_len++] = mu_written(&w);
        at += w.len;
    }
}

static int intro_time(struct mu_speaker *s, mu_time now,
                      const struct mu_speech_ask *ask,
                      const struct mu_secret *pair, struct mu_speech_intro *m)
{
    const bool paired = pair != NULL && s->conf.scheme == MU_SPEECH_UTESLA;
    const struct mu_source_proof proof = {
        s->conf.crypto, paired ? NULL : &s->signer, paired ? pair : NULL,
    };
    struct mu_writer w = mu_writer(s->scratch, sizeof s->scratch);
    int rc = MU_ERR_BUSY;

    if (s->chained && (paired || speaker_token(s, now)))
        rc = mu_tesla_sync_create(&s->tesla, &proof, now, ask->nonce, &w);
    m->start = mu_written(&w);
    return rc == MU_ERR_EXHAUSTED ? MU_ERR_BUSY : rc;
}

int mu_speaker_introduce(struct mu_speaker *s, mu_time now,
                         const struct mu_speech_ask *ask,
                         const struct mu_secret *pair, struct mu_writer *w)
{
    struct mu_speech_intro m = {
        .id = s->self.id, .scheme = s->conf.scheme, .run = s->run,
        .who = mu_bytes(s->self.who, s->self.who_len), .index = s->index,
        .path = mu_bytes(s->path, s->path_len),
    };
    int rc = 0;

    if (!mu_speaker_may(s) || ask->id != s->self.id)
        return MU_ERR_UNKNOWN_PEER;
    if (s->dirty)
        return MU_ERR_BUSY;
    if (speaker_tesla(&s->conf))
        rc = intro_time(s, now, ask, pair, &m);
    else if (s->series_on)
        intro_series(s, ask->place, &m);
    return rc != 0 ? rc : mu_speech_intro_create(&m, w);
}
