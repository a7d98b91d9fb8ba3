/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all of an area are told, and by whom, at the device
 * (docs/wire-format.md s.10). What it says goes to the gateway, which passes it
 * on to all; what it hears is proved here, against the directory that the
 * server signed, and not by the gateway's word.
 */
#include "node/device.h"

#include "muster/assert.h"

enum { ALIGN = 16 };

static size_t speech_round(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static struct mu_listener_conf speech_listen(const struct mu_device_conf *c)
{
    return (struct mu_listener_conf){
        .crypto = c->crypto, .streams = c->listen, .seed = c->seed,
    };
}

size_t mu_device_speech_work(const struct mu_device_conf *conf)
{
    struct mu_listener_conf listen = speech_listen(conf);
    size_t n = 0;

    if (conf->listen > 0)
        n += speech_round(sizeof(struct mu_listener)) +
             speech_round(mu_listener_work(&listen));
    if (conf->speak.scheme != MU_SPEECH_NONE)
        n += speech_round(sizeof(struct mu_speaker)) +
             speech_round(mu_speaker_work(&conf->speak));
    return n == 0 ? 0 : n + ALIGN;
}

static int speech_record(struct mu_device *d, const char *key,
                         struct mu_bytes *record)
{
    size_t len = sizeof d->out;
    int rc = d->conf.store->get(d->conf.store->ctx, MU_TABLE_NODE,
                                mu_bytes_str(key), d->out, &len);

    *record = mu_bytes(d->out, rc == 0 ? len : 0);
    d->out_secret = true;
    return rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND ||
                   rc == MU_ERR_NO_SPACE
               ? 0 : rc;
}

static int speech_listener(struct mu_device *d, uint8_t **at)
{
    struct mu_listener_conf conf = speech_listen(&d->conf);
    struct mu_bytes record;
    int rc = speech_record(d, "listen", &record);

    conf.server = &d->server;
    d->speech.listener = (struct mu_listener *)(void *)*at;
    *at += speech_round(sizeof(struct mu_listener));
    if (rc == 0)
        rc = mu_listener_init(d->speech.listener, &conf, record, *at,
                              mu_listener_work(&conf));
    *at += speech_round(mu_listener_work(&conf));
    return rc;
}

static int speech_speaker(struct mu_device *d, uint8_t *at)
{
    struct mu_speaker_conf conf = d->conf.speak;
    struct mu_bytes record;
    int rc = speech_record(d, "speak", &record);

    conf.crypto = d->conf.crypto;
    conf.identity = d->conf.identity;
    d->speech.speaker = (struct mu_speaker *)(void *)at;
    at += speech_round(sizeof(struct mu_speaker));
    if (rc == 0)
        rc = mu_speaker_init(d->speech.speaker, &conf, record, at,
                             mu_speaker_work(&conf), d->now);
    return rc;
}

int mu_device_speech_init(struct mu_device *d, uint8_t *work, size_t len)
{
    uint8_t *at = work;
    int rc = 0;

    if (len == 0)
        return 0;
    at += ALIGN - (uintptr_t)at % ALIGN;
    if (d->conf.listen > 0)
        rc = speech_listener(d, &at);
    if (rc == 0 && d->conf.speak.scheme != MU_SPEECH_NONE)
        rc = speech_speaker(d, at);
    mu_wipe(d->out, sizeof d->out);
    return rc;
}

void mu_device_speech_clear(struct mu_device *d)
{
    if (d->speech.speaker != NULL)
        mu_speaker_clear(d->speech.speaker);
    if (d->speech.listener != NULL)
        mu_wipe(d->speech.listener, sizeof *d->speech.listener);
}

/* ---- the area ------------------------------------------------------------- */

int mu_device_speech_area(struct mu_device *d, const struct mu_secret *khop)
{
    const struct mu_speech_told nothing = {.id = 0};

    d->speech.told_len = 0;
    if (d->speech.speaker != NULL)
        mu_speaker_told(d->speech.speaker, &nothing, 0);
    return d->speech.listener == NULL
               ? 0 : mu_listener_area(d->speech.listener, khop);
}

void mu_device_speech_welcome(struct mu_device *d)
{
    if (d->speech.listener != NULL)
        mu_listener_gateway(d->speech.listener,
                            mu_speech_id(d->area[0].kid.scope,
                                         MU_SPEECH_OF_GATEWAY));
    if (mu_device_speech_key(d).len != 0)
        mu_device_fetch(d); /* with our key */
}

struct mu_bytes mu_device_speech_key(const struct mu_device *d)
{
    const struct mu_speaker *s = d->speech.speaker;

    return s == NULL || mu_speaker_may(s)
               ? mu_bytes(NULL, 0)
               : mu_bytes(s->signer.pub, s->signer.pub_len);
}

/* ---- the directory -------------------------------------------------------- */

static int speech_directory(struct mu_device *d, struct mu_bytes object,
                            uint64_t *version)
{
    const struct mu_source_proof proof = {d->conf.crypto, &d->server, NULL};
    struct mu_directory dir;
    int rc;

    if (d->speech.listener != NULL) {
        rc = mu_listener_directory(d->speech.listener, object);
        *version = mu_listener_version(d->speech.listener);
        return rc;
    }
    rc = mu_directory_consume(&proof, object, &dir);
    *version = dir.version;
    return rc;
}

/* The directory may still have a key of ours that is lost. */
static bool speech_ours(struct mu_device *d, const struct mu_speech_told *told)
{
    const struct mu_speaker *s = d->speech.speaker;

    return told->id == 0 || d->speech.listener == NULL ||
           mu_sign_knows(&d->speech.listener->sign, told->id,
                         mu_bytes(s->self.who, s->self.who_len), told->index,
                         told->path);
}

static int speech_take(struct mu_device *d, struct mu_bytes payload)
{
    struct mu_speech_told told;
    uint64_t version;
    int rc = mu_speech_told_consume(payload, &told);

    if (rc == 0)
        rc = speech_directory(d, told.object, &version);
    if (rc != 0)
        return rc;
    mu_device_trace(d, "directory", version, told.id);
    if (d->speech.speaker == NULL)
        return 0;
    if (!speech_ours(d, &told)) {
        told.id = 0;
        mu_device_fetch(d);
    }
    mu_speaker_told(d->speech.speaker, &told, version);
    return 0;
}

int mu_device_speech_told(struct mu_device *d, struct mu_bytes payload)
{
    if (d->speech.listener == NULL && d->speech.speaker == NULL)
        return 0; /* it is nothing to us */
    if (d->server.pub_len > 0)
        return speech_take(d, payload);
    if (payload.len > sizeof d->speech.told)
        return MU_ERR_TOO_LARGE;
    mu_copy(d->speech.told, payload.data, payload.len);
    d->speech.told_len = (uint16_t)payload.len;
    return 0;
}

/* ---- what goes on by itself ----------------------------------------------- */

static void speech_dirty(struct mu_device *d)
{
    struct mu_device_speech *p = &d->speech;

    if (p->speaker != NULL && p->speaker->dirty) {
        p->speaker->dirty = false;
        mu_device_dirty(d, MU_DEVICE_REC_SPEAK);
    }
    if (p->listener != NULL && p->listener->dirty) {
        p->listener->dirty = false;
        mu_device_dirty(d, MU_DEVICE_REC_LISTEN);
    }
}

static bool speech_stored(const struct mu_device *d)
{
    return mu_record_durable(&d->records[MU_DEVICE_REC_SPEAK]);
}

void mu_device_speech_run(struct mu_device *d)
{
    struct mu_device_speech *p = &d->speech;

    if (p->told_len > 0 && d->server.pub_len > 0) {
        uint16_t len = p->told_len;

        p->told_len = 0;
        (void)!speech_take(d, mu_bytes(p->told, len));
    }
    if (p->listener != NULL) {
        mu_listener_run(p->listener, d->now);
        if (p->listener->asking != 0 && !d->asks[MU_DEVICE_WHO].flying)
            (void)!mu_listener_answer(p->listener, d->now, mu_bytes(NULL, 0));
        d->asks[MU_DEVICE_WHO].due = mu_listener_due(p->listener, d->now);
        mu_backoff_reset(&d->asks[MU_DEVICE_WHO].wait); /* it has its own */
    }
    if (p->speaker != NULL) {
        mu_speaker_run(p->speaker, d->now);
        d->asks[MU_DEVICE_SAY].due =
            !p->speaker->dirty && speech_stored(d) &&
            mu_speaker_deadline(p->speaker) <= d->now;
        mu_backoff_reset(&d->asks[MU_DEVICE_SAY].wait);
    }
    speech_dirty(d);
}

int mu_device_say(struct mu_device *d, mu_time now, struct mu_bytes text)
{
    int rc;

    if (d->speech.speaker == NULL)
        return MU_ERR_UNSUPPORTED;
    if (now > d->now)
        d->now = now;
    rc = mu_speaker_say(d->speech.speaker, d->now, text);
    speech_dirty(d);
    return rc;
}

mu_time mu_device_speech_deadline(const struct mu_device *d)
{
    const struct mu_device_speech *p = &d->speech;
    mu_time at = MU_TIME_NEVER;

    if (d->link != MU_DEVICE_LINK_UP || !d->welcome)
        return at;
    if (p->listener != NULL && !d->asks[MU_DEVICE_WHO].flying)
        at = mu_listener_deadline(p->listener);
    if (p->speaker != NULL && !d->asks[MU_DEVICE_SAY].flying &&
        speech_stored(d))
        at = mu_time_min(at, mu_speaker_deadline(p->speaker));
    return at;
}

/* ---- speaking ------------------------------------------------------------- */

int mu_device_speech_write(struct mu_device *d, size_t which,
                           struct mu_writer *w)
{
    uint8_t packet[MU_SPEECH_PACKET_MAX];
    struct mu_speech_say say;
    struct mu_speech_ask ask;

    if (which == MU_DEVICE_WHO)
        return d->speech.listener != NULL &&
                       mu_listener_ask(d->speech.listener, d->now, &ask)
                   ? mu_speech_ask_create(&ask, w) : MU_ERR_NOT_FOUND;
    if (d->speech.speaker == NULL || !speech_stored(d))
        return MU_ERR_NOT_FOUND;
    say.packet = mu_bytes(packet, mu_speaker_next(d->speech.speaker, d->now,
                                                  packet));
    if (say.packet.len == 0)
        return MU_ERR_NOT_FOUND;
    say.run = d->speech.speaker->run;
    d->speech.said++;
    return mu_speech_say_create(&say, w);
}

/* What became of a packet does not matter: it has copies. */
int mu_device_speech_answer(struct mu_device *d, size_t which,
                            const struct mu_message *m)
{
    if (which == MU_DEVICE_WHO && d->speech.listener != NULL)
        (void)!mu_listener_answer(d->speech.listener, d->now, m->payload);
    return 0;
}

int mu_device_speech_asked(struct mu_device *d, const struct mu_message *m)
{
    struct mu_device_speech *p = &d->speech;
    int rc = mu_speech_ask_consume(m->payload, &p->intro);

    if (rc == 0 && p->speaker == NULL)
        rc = MU_ERR_NOT_FOUND;
    if (rc == 0 && p->intro_due)
        rc = MU_ERR_BUSY;
    if (rc != 0)
        return rc;
    p->intro_due = true;
    p->intro_exchange = m->exchange;
    return 0;
}

bool mu_device_next_intro(struct mu_device *d, struct mu_effect *out)
{
    struct mu_writer w = mu_writer(d->out, sizeof d->out);
    int rc = MU_ERR_BUSY;

    if (!d->speech.intro_due)
        return false;
    d->speech.intro_due = false;
    if (speech_stored(d))
        rc = mu_speaker_introduce(d->speech.speaker, d->now, &d->speech.intro,
                                  NULL, &w);
    out->kind = MU_DO_SEND;
    out->link = MU_LINK_UP_NODE;
    out->response = true;
    out->message.exchange = d->speech.intro_exchange;
    out->message.code = rc == 0 ? MU_COAP_CONTENT : (uint8_t)mu_err_coap(rc);
    if (rc == 0)
        out->message.payload = mu_written(&w);
    return true;
}

/* ---- listening ------------------------------------------------------------ */

int mu_device_speech_packet(struct mu_device *d, struct mu_bytes packet)
{
    const struct mu_device_area *area;
    struct mu_speech_frame m;
    int rc = mu_speech_frame_peek(packet, &m);

    if (rc != 0 || d->speech.listener == NULL || !d->welcome)
        return rc;
    area = mu_device_area_find(d, m.kg);
    if (area == NULL) {
        mu_device_rehello(d);
        return MU_ERR_UNKNOWN_KEY;
    }
    rc = mu_speech_frame_consume(d->conf.crypto, &area->kctl, packet, &m);
    return rc != 0 ? rc : mu_listener_packet(d->speech.listener, d->now, &m);
}

/* Taken once: that it was is durable before anybody hears of it. */
bool mu_device_next_alert(struct mu_device *d, struct mu_effect *out)
{
    const struct mu_listener_message *m;

    if (d->speech.listener == NULL || d->speech.hook_flying ||
        d->speech.listener->dirty ||
        !mu_record_durable(&d->records[MU_DEVICE_REC_LISTEN]))
        return false;
    m = mu_listener_ready(d->speech.listener);
    if (m == NULL)
        return false;
    d->speech.hook_flying = true;
    out->kind = MU_DO_HOOK;
    out->hook = MU_HOOK_ALERT;
    out->name = mu_bytes(m->name, m->name_len);
    out->value = mu_bytes(m->text, m->len);
    out->version = m->number;
    out->size = m->len;
    out->trace = mu_speech_scheme_name(m->scheme);
    return true;
}

void mu_device_speech_hook(struct mu_device *d)
{
    if (!d->speech.hook_flying)
        return;
    d->speech.hook_flying = false;
    mu_listener_over(d->speech.listener);
}

void mu_device_speech_counts(const struct mu_device *d,
                             struct mu_device_speech_counts *out)
{
    const struct mu_listener *l = d->speech.listener;

    *out = (struct mu_device_speech_counts){
        .said = d->speech.said,
        .may = d->speech.speaker != NULL && mu_speaker_may(d->speech.speaker),
    };
    if (l == NULL)
        return;
    out->taken = l->taken;
    out->forged = l->forged;
    out->refused = l->refused;
    out->signatures = l->sign.counts.signatures;
}
