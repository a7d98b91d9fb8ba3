/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device engine: init, dispatch of events, choice of the next effect. There
 * is no queue: the state says what is due, and mu_device_next makes one effect
 * of it at a time.
 */
#include "node/device.h"

#include "muster/assert.h"

void mu_device_trace(struct mu_device *d, const char *name, uint64_t a,
                     uint64_t b)
{
    mu_traces_put(&d->traces, name, a, b);
}

size_t mu_device_work(const struct mu_device_conf *conf)
{
    return conf->page_memory + mu_device_member_work(conf) +
           mu_device_speech_work(conf);
}

int mu_device_init(struct mu_device *d, const struct mu_device_conf *conf,
                   void *work, size_t work_len, mu_time now)
{
    int rc;

    if (conf->identity.len == 0 || conf->identity.len > MU_ID_MAX ||
        conf->software.len > MU_ID_MAX || conf->kmr->len != MU_SECRET_MAX ||
        conf->member_mem > MU_MEMBER_STATE_MAX ||
        (conf->listens.period_s != 0 && conf->tap != NULL))
        return MU_ERR_USAGE;
    if (work_len < mu_device_work(conf))
        return MU_ERR_NO_SPACE;
    mu_zero(d, sizeof *d);
    d->conf = *conf;
    d->kmr = *conf->kmr;
    d->conf.kmr = &d->kmr;
    d->work = work;
    d->now = now;
    d->jitter = conf->seed;
    d->tokens = 2;
    d->kann_stale = true;
    d->unheard.due_at = MU_TIME_NEVER;
    mu_keyring_init(&d->keys);
    rc = mu_kdf(conf->crypto, &d->kmr, "ack", (struct mu_bytes){NULL, 0}, 32,
                &d->kack);
    if (rc == 0)
        rc = mu_device_load(d);
    if (rc == 0)
        rc = mu_device_speech_init(
            d, d->work + conf->page_memory + mu_device_member_work(conf),
            mu_device_speech_work(conf));
    if (rc != 0)
        mu_device_clear(d);
    return rc;
}

void mu_device_clear(struct mu_device *d)
{
    if (d->work != NULL) /* states of rekeying schemes */
        mu_wipe(d->work + d->conf.page_memory,
                mu_device_member_work(&d->conf));
    mu_device_speech_clear(d);
    mu_wipe(d, sizeof *d);
}

static int device_packet(struct mu_device *d, struct mu_bytes packet)
{
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t who;
    int rc;

    if (packet.len > 0 && packet.data[0] == MU_SPEECH_FRAME)
        return mu_device_speech_packet(d, packet);
    rc = mu_cast_peek(packet, &kind, &session, &who);
    if (rc != 0)
        return rc;
    if (kind == MU_CAST_POLL || kind == MU_CAST_CENSUS ||
        kind == MU_CAST_ANNOUNCE)
        rc = mu_device_ticked(d, kind, who, &packet);
    if (rc != 0)
        return rc;
    switch (kind) {
    case MU_CAST_DATA:
    case MU_CAST_POLL:
        return mu_device_campaign_packet(d, packet);
    case MU_CAST_ANNOUNCE:
        return mu_device_announce_packet(d, packet);
    case MU_CAST_CENSUS:
        return mu_device_census(d, packet);
    case MU_CAST_NEED:
    case MU_CAST_STATUS:
        break;
    }
    return MU_ERR_UNEXPECTED; /* another device's feedback */
}

static void device_stored(struct mu_device *d, const struct mu_event *ev)
{
    for (size_t i = 0; i < MU_DEVICE_REC_COUNT; i++) {
        if (!mu_record_stored(&d->records[i], ev->ticket, ev->result, ev->now,
                              &d->jitter))
            continue;
        if (i == MU_DEVICE_REC_MEMBER)
            mu_device_member_stored(d, ev->result);
        if (ev->result != 0)
            mu_device_trace(d, "store-failed", i, (uint64_t)-ev->result);
        else if (i == MU_DEVICE_REC_OBJECT)
            d->object_held = false;
    }
}

static int device_event(struct mu_device *d, const struct mu_event *ev)
{
    switch (ev->kind) {
    case MU_EV_START:
        d->link = MU_DEVICE_LINK_DOWN;
        d->open_due = true;
        return 0;
    case MU_EV_TIMER:
        return 0;
    case MU_EV_LINK_UP:
        return ev->link == MU_LINK_UP_NODE ? mu_device_link_up(d, ev)
                                           : MU_ERR_UNEXPECTED;
    case MU_EV_LINK_DOWN:
        if (ev->link != MU_LINK_UP_NODE)
            return MU_ERR_UNEXPECTED;
        mu_device_link_down(d);
        return 0;
    case MU_EV_REQUEST:
        return ev->link == MU_LINK_UP_NODE ? mu_device_request(d, &ev->message)
                                           : MU_ERR_UNEXPECTED;
    case MU_EV_RESPONSE:
        return ev->link == MU_LINK_UP_NODE ? mu_device_response(d, &ev->message)
                                           : MU_ERR_UNEXPECTED;
    case MU_EV_NO_ANSWER:
        mu_device_no_answer(d, ev->message.exchange);
        return 0;
    case MU_EV_PACKET:
        return ev->channel == MU_CHANNEL_AREA && !d->radio.off
                   ? device_packet(d, ev->packet)
                   : MU_ERR_UNEXPECTED;
    case MU_EV_STORED:
        device_stored(d, ev);
        return 0;
    case MU_EV_HOOK:
        if (ev->hook == MU_HOOK_ALERT) {
            mu_device_speech_hook(d);
            return 0;
        }
        return ev->hook == MU_HOOK_COMMAND
                   ? mu_device_command_hook(d, ev->result)
                   : mu_device_campaign_hook(d, ev->hook, ev->result);
    case MU_EV_IDLE:
        d->idle = ev->link == MU_LINK_UP_NODE;
        return 0;
    case MU_EV_COUNT:
        break;
    }
    return MU_ERR_USAGE;
}

static void device_out_wipe(struct mu_device *d)
{
    if (d->out_secret)
        mu_wipe(d->out, sizeof d->out);
    d->out_secret = false;
}

int mu_device_step(struct mu_device *d, const struct mu_event *ev)
{
    int rc, run;

    device_out_wipe(d);
    if (ev->now > d->now)
        d->now = ev->now;
    mu_device_area_expire(d);
    d->idle = false;
    rc = device_event(d, ev);
    mu_device_command_run(d);
    mu_device_speech_run(d);
    run = mu_device_announce_run(d);
    if (rc == 0)
        rc = run;
    run = mu_device_campaign_run(d);
    return rc != 0 ? rc : run;
}

static bool device_next_trace(struct mu_device *d, struct mu_effect *out)
{
    struct mu_trace t;

    if (!mu_traces_take(&d->traces, &t))
        return false;
    out->kind = MU_DO_TRACE;
    out->trace = t.name;
    out->a = t.a;
    out->b = t.b;
    return true;
}

static bool device_next_link(struct mu_device *d, struct mu_effect *out)
{
    if (!d->open_due || d->link != MU_DEVICE_LINK_DOWN ||
        d->link_wait.at > d->now || d->radio.off)
        return false;
    d->open_due = false;
    d->link = MU_DEVICE_LINK_OPENING;
    out->kind = MU_DO_LINK_OPEN;
    out->link = MU_LINK_UP_NODE;
    return true;
}

static bool device_next_channel(struct mu_device *d, struct mu_effect *out)
{
    if (!d->channel_due)
        return false;
    d->channel_due = false;
    out->kind = MU_DO_CHANNEL;
    out->channel = MU_CHANNEL_AREA;
    mu_copy(out->address, d->address, sizeof out->address);
    out->port = d->port;
    out->up_port = d->up_port;
    return true;
}

static bool device_next_reply(struct mu_device *d, struct mu_effect *out)
{
    struct mu_reply r;

    if (!mu_replies_take(&d->replies, &r))
        return false;
    out->kind = MU_DO_SEND;
    out->link = r.link;
    out->response = true;
    out->message.code = r.code;
    out->message.exchange = r.exchange;
    return true;
}

bool mu_device_next(struct mu_device *d, struct mu_effect *out)
{
    device_out_wipe(d);
    *out = (struct mu_effect){.kind = MU_DO_COUNT};
    if (device_next_trace(d, out) || mu_device_next_store(d, out) ||
        mu_device_next_radio_on(d, out) || device_next_channel(d, out) ||
        device_next_link(d, out) ||
        mu_device_next_hook(d, out) || mu_device_next_command(d, out) ||
        mu_device_next_alert(d, out))
        return true;
    if (mu_device_barrier(d) || d->radio.off)
        return false;
    return device_next_reply(d, out) || mu_device_next_intro(d, out) ||
           mu_device_next_ask(d, out) || mu_device_next_ride(d, out) ||
           mu_device_next_status(d, out) || mu_device_next_unheard(d, out) ||
           mu_device_next_need(d, out) || mu_device_next_radio_off(d, out);
}

mu_time mu_device_deadline(const struct mu_device *d)
{
    mu_time at = mu_device_campaign_deadline(d);

    at = mu_time_min(at, mu_device_announce_deadline(d));
    at = mu_time_min(at, mu_device_radio_deadline(d));
    if (d->open_due && !d->radio.off && d->link == MU_DEVICE_LINK_DOWN)
        at = mu_time_min(at, d->link_wait.at);
    for (size_t i = 0; i < MU_DEVICE_REC_COUNT; i++) {
        if (mu_record_durable(&d->records[i]))
            continue;
        at = mu_time_min(at, mu_record_deadline(&d->records[i]));
        break; /* those after it wait for it */
    }
    if (mu_device_barrier(d) || d->radio.off)
        return at;
    if (d->link == MU_DEVICE_LINK_UP) {
        for (size_t i = 0; i < MU_DEVICE_ASK_COUNT; i++)
            at = mu_time_min(at, mu_device_ask_deadline(d, i));
    }
    at = mu_time_min(at, mu_device_unheard_deadline(d));
    at = mu_time_min(at, mu_device_speech_deadline(d));
    return mu_time_min(at, mu_device_status_deadline(d));
}

void mu_device_status(const struct mu_device *d, struct mu_device_status *out)
{
    const struct mu_device_report *r = &d->reports[0];

    *out = (struct mu_device_status){
        .linked = d->link == MU_DEVICE_LINK_UP && d->welcome,
        .connected = d->connected,
        .receiving = d->campaign.phase == MU_DEVICE_RECEIVING,
        .asleep = d->radio.off,
        .exchanged = d->connected && d->conf.exchange != NULL &&
                     !d->conf.exchange->wanted,
        .running_version = d->running_version,
        .may_speak = d->speech.speaker != NULL &&
                     mu_speaker_may(d->speech.speaker),
        .directory = d->speech.listener == NULL
                         ? 0 : mu_listener_version(d->speech.listener),
        .streams = d->speech.listener == NULL
                       ? 0 : mu_listener_streams(d->speech.listener),
    };
    if (r->used) {
        mu_copy(out->campaign, r->campaign, sizeof out->campaign);
        out->state = r->state;
        out->reason = r->reason;
    }
    if (d->campaign.receiving) {
        out->page = mu_cast_receiver_pages(&d->receiver);
        out->pages = mu_cast_pages(&d->campaign.shape, d->campaign.size);
    }
}

void mu_device_trust(const struct mu_device *d, struct mu_device_trust *out)
{
    *out = (struct mu_device_trust){
        .server = &d->server,
        .kg = &d->area[0].kg,
        .generation = d->area[0].kid.generation,
        .index = d->index,
    };
}

const struct mu_cast_heard *mu_device_heard(const struct mu_device *d)
{
    return mu_cast_receiver_heard(&d->receiver);
}
