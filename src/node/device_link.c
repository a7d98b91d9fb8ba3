/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device and its gateway: the link, /hello, what is asked and what is
 * answered. docs/wire-format.md s.2.1 and s.2.2.
 */
#include "node/device.h"

#include "muster/assert.h"

#define AREA_GRACE MU_SECONDS(5) /* for packets on the way under the old Kg */
#define REHELLO_REST MU_SECONDS(10)
#define REHELLOS_MAX 5 /* doublings of that */

/* ---- the link ----------------------------------------------------------- */

int mu_device_psk(const struct mu_device *d, struct mu_bytes hint,
                  struct mu_secret *psk)
{
    if (hint.len == 0 || hint.len > MU_ID_MAX)
        return MU_ERR_UNKNOWN_PEER;
    return mu_khop_derive(d->conf.crypto, &d->kmr, hint, psk);
}

static int link_feedback_key(struct mu_device *d, struct mu_bytes gateway)
{
    struct mu_secret khop;
    int rc = mu_khop_derive(d->conf.crypto, &d->kmr, gateway, &khop);

    if (rc == 0)
        rc = mu_kdf(d->conf.crypto, &khop, "feedback",
                    (struct mu_bytes){NULL, 0}, 16, &d->kfb);
    if (rc == 0)
        rc = mu_device_speech_area(d, &khop);
    mu_secret_clear(&khop);
    return rc;
}

/* Another gateway: nothing of the former area is of use. */
static void link_forget_area(struct mu_device *d)
{
    for (size_t i = 0; i < 2; i++) {
        mu_secret_clear(&d->area[i].kg);
        mu_secret_clear(&d->area[i].kctl);
        d->area[i].kid = (struct mu_kid){0, 0, 0};
    }
    d->welcome = false;
    d->radio.granted = false;
    d->vouched_len = d->vouched_at = 0;
    mu_device_disconnect(d);
}

int mu_device_link_up(struct mu_device *d, const struct mu_event *ev)
{
    int rc;

    if (ev->identity.len == 0 || ev->identity.len > MU_ID_MAX)
        return MU_ERR_UNKNOWN_PEER;
    if (!mu_bytes_eq(ev->identity, mu_bytes(d->gateway, d->gateway_len))) {
        link_forget_area(d);
        mu_copy(d->gateway, ev->identity.data, ev->identity.len);
        d->gateway_len = (uint8_t)ev->identity.len;
    }
    /* Each link begins with that of the hop, until the gateway has it changed
     * for that of an exchange. */
    rc = link_feedback_key(d, ev->identity);
    if (rc != 0)
        return rc;
    d->link = MU_DEVICE_LINK_UP;
    d->open_due = false;
    for (size_t i = 0; i < MU_DEVICE_ASK_COUNT; i++)
        mu_ask_lost(&d->asks[i]);
    mu_backoff_reset(&d->asks[MU_DEVICE_HELLO].wait);
    d->asks[MU_DEVICE_HELLO].due = true;
    mu_device_trace(d, "link-up", 0, 0);
    return 0;
}

void mu_device_link_down(struct mu_device *d)
{
    if (d->link == MU_DEVICE_LINK_DOWN)
        return;
    d->link = MU_DEVICE_LINK_DOWN;
    d->open_due = true;
    mu_backoff_fail(&d->link_wait, d->now, &d->jitter);
    for (size_t i = 0; i < MU_DEVICE_ASK_COUNT; i++)
        mu_ask_lost(&d->asks[i]);
    mu_replies_drop(&d->replies, MU_LINK_UP_NODE);
    mu_device_ride_lost(d, 0);
    mu_device_trace(d, "link-down", 0, 0);
}

/* ---- hello -------------------------------------------------------------- */

static void link_capability(const struct mu_device *d,
                            struct mu_capability *cap)
{
    *cap = (struct mu_capability){
        .object_max = d->conf.object_max,
        .page_memory = d->conf.page_memory,
        .algs = {MU_ALG_ES256, MU_ALG_EDDSA},
        .algs_len = 2,
        .receiver = MU_RECEIVER_FULL,
        .member_memory = d->conf.member_mem,
    };
}

static int link_hello_write(struct mu_device *d, struct mu_writer *w)
{
    struct mu_area_hello m = {
        .software = d->conf.software, .port = d->conf.copy_port,
        .listens = d->conf.listens,
    };

    d->radio.asked_at = d->now;
    link_capability(d, &m.capability);
    return mu_area_hello_create(&m, w);
}

/* Where the gateway's chain stands; news end the rest after a hello. */
static void link_ticked(struct mu_device *d, const struct mu_tick *tick)
{
    struct mu_device_area *a = &d->area[0];

    if (mu_ticked_told(&a->ticked, d->conf.crypto, &a->kctl, tick))
        d->rehellos = 0;
}

static int link_set_kg(struct mu_device *d, const struct mu_kid *kid,
                       const struct mu_secret *kg, const struct mu_tick *tick)
{
    struct mu_device_area fresh = {.kid = *kid, .kg = *kg};
    int rc;

    if (d->area[0].kid.kind != 0 && mu_kid_eq(&d->area[0].kid, kid) &&
        mu_secret_eq(&d->area[0].kg, kg)) {
        link_ticked(d, tick);
        return 0;
    }
    rc = mu_kdf(d->conf.crypto, kg, "control", (struct mu_bytes){NULL, 0}, 16,
                &fresh.kctl);
    if (rc == 0) {
        d->area[1] = d->area[0];
        d->area[0] = fresh;
        d->area_until = d->now + AREA_GRACE;
        link_ticked(d, tick);
        mu_device_campaign_area(d, false);
        mu_device_trace(d, "area-key", kid->generation, 0);
    }
    mu_secret_clear(&fresh.kg);
    mu_secret_clear(&fresh.kctl);
    return rc;
}

/* A leaver still holds the key before: it serves what was on the way when the
 * new one came, and no longer. */
void mu_device_area_expire(struct mu_device *d)
{
    if (d->area_until == 0 || d->now < d->area_until)
        return;
    d->area_until = 0;
    mu_wipe(&d->area[1], sizeof d->area[1]);
    if (d->campaign.receiving)
        mu_cast_receiver_retire(&d->receiver);
}

static void link_sessions(struct mu_device *d, const struct mu_area_welcome *m)
{
    struct mu_device_campaign *c = &d->campaign;

    c->stale = true;
    for (size_t i = 0; i < m->sessions_len; i++) {
        if (mu_ct_eq(m->sessions[i].object, c->object, MU_OBJECT_ID_LEN))
            c->stale = false;
        if (!mu_device_object_known(d, m->sessions[i].object))
            mu_device_want(d, &m->sessions[i]);
    }
}

static int link_welcome(struct mu_device *d, const struct mu_area_welcome *m)
{
    bool moved = d->welcome && m->index != d->index;
    bool first = !d->welcome;
    char address[MU_ADDR_TEXT_MAX] = {0};
    int rc;

    if (!mu_bytes_eq(m->gateway, mu_bytes(d->gateway, d->gateway_len)))
        return MU_ERR_MALFORMED;
    mu_copy(address, m->address.data, m->address.len);
    rc = link_set_kg(d, &m->kid, &m->kg, &m->tick);
    if (rc != 0)
        return rc;
    d->welcome = true;
    mu_device_radio_granted(d, m);
    d->index = m->index;
    if (first || m->port != d->port || m->up_port != d->up_port ||
        !mu_ct_eq(address, d->address, sizeof address)) {
        mu_copy(d->address, address, sizeof address);
        d->port = m->port;
        d->up_port = m->up_port;
        d->channel_due = true;
    }
    if (moved)
        mu_device_campaign_area(d, true);
    mu_backoff_reset(&d->link_wait);
    link_sessions(d, m);
    mu_device_speech_welcome(d);
    mu_device_trace(d, "hello", m->index, m->kid.generation);
    /* Its first start: who the server is, and the keys of its groups. */
    if (d->server.pub_len == 0 ||
        (d->conf.exchange != NULL && !d->connected))
        mu_device_fetch(d);
    return 0;
}

static int link_hello_answer(struct mu_device *d, const struct mu_message *m)
{
    struct mu_area_welcome in;
    int rc = mu_area_welcome_consume(m->payload, &in);

    if (rc == 0)
        rc = link_welcome(d, &in);
    mu_secret_clear(&in.kg);
    return rc;
}

void mu_device_rehello(struct mu_device *d)
{
    if (d->now < d->rehello_at)
        return;
    d->rehello_at = d->now + (REHELLO_REST << d->rehellos);
    if (d->rehellos < REHELLOS_MAX)
        d->rehellos++;
    if (!d->asks[MU_DEVICE_HELLO].flying)
        d->asks[MU_DEVICE_HELLO].due = true;
}

/*
 * A packet of the gateway to all: it has to carry the next tick, or any member
 * of the area could have made it. A POLL or CENSUS says the area key that it
 * is under, an announcement does not.
 */
int mu_device_ticked(struct mu_device *d, enum mu_cast_kind kind, uint16_t kg,
                     struct mu_bytes *packet)
{
    bool tagged = kind != MU_CAST_ANNOUNCE;
    int rc = MU_ERR_UNKNOWN_KEY;

    for (size_t i = 0; i < 2; i++) {
        struct mu_device_area *a = &d->area[i];

        if (a->kid.kind == 0 || (tagged && (uint8_t)a->kid.generation != kg))
            continue;
        rc = mu_ticked_take(&a->ticked, d->conf.crypto, &a->kctl, d->now,
                            tagged, packet);
        if (rc == 0 || tagged)
            break;
    }
    /* Too far to follow, or an area key that we lack: it is to say. */
    if (tagged && (rc == MU_ERR_UNKNOWN_KEY || rc == MU_ERR_BUSY))
        mu_device_rehello(d);
    return rc;
}

const struct mu_device_area *mu_device_area_find(const struct mu_device *d,
                                                 uint16_t kg)
{
    for (size_t i = 0; i < 2; i++) {
        if (d->area[i].kid.kind != 0 &&
            (uint8_t)d->area[i].kid.generation == kg)
            return &d->area[i];
    }
    return NULL;
}

/* ---- requests of the gateway -------------------------------------------- */

static int link_take_kg(struct mu_device *d, struct mu_bytes payload)
{
    struct mu_area_key m;
    int rc = mu_area_key_consume(payload, &m);

    if (rc == 0)
        rc = link_set_kg(d, &m.kid, &m.kg, &m.tick);
    mu_secret_clear(&m.kg);
    return rc;
}

/* CAST-8 option 2: a Kb that the gateway hands out under Kg. */
static int link_take_kb(struct mu_device *d, struct mu_bytes payload)
{
    struct mu_area_group_key m;
    int rc = MU_ERR_UNKNOWN_KEY;

    for (size_t i = 0; i < 2 && rc != 0; i++) {
        if (d->area[i].kid.kind == 0)
            break;
        rc = mu_area_group_key_consume(d->conf.crypto, &d->area[i].kg, payload,
                                       &m);
    }
    if (rc != 0)
        return rc;
    /* Which group's key may come this way says the server, end to end. An epoch
     * is taken from it only: a key of a far one would shut out every later key
     * of the group, for ever. */
    if (!mu_device_group_handed(d, m.kid.scope) ||
        m.kid.generation >> 32 > d->epoch)
        rc = MU_ERR_FORBIDDEN;
    else if (mu_keyring_find(&d->keys, &m.kid) == NULL)
        rc = mu_keyring_put(&d->keys, &m.kid, &m.kb, MU_PHASE_ACTIVE);
    mu_secret_clear(&m.kb);
    if (rc != 0)
        return rc;
    mu_device_dirty(d, MU_DEVICE_REC_KEYS);
    mu_device_keys_arrived(d);
    return 0;
}

static int link_take_vouch(struct mu_device *d, struct mu_bytes payload)
{
    uint8_t digest[MU_SHA256_LEN];
    int rc = mu_area_vouch_consume(payload, digest);

    if (rc == 0)
        mu_device_vouched(d, digest);
    return rc;
}

/* The feedback key of an exchange is in force; if it is the last one. */
static int link_take_feedback(struct mu_device *d, struct mu_bytes payload)
{
    const struct mu_device_exchange *x = d->conf.exchange;
    uint8_t id[MU_CONNECT_ID];
    int rc = mu_area_feedback_consume(payload, id);

    if (rc != 0)
        return rc;
    if (x == NULL || !mu_secret_is_set(&x->kfb) ||
        !mu_ct_eq(id, x->hop_id, sizeof id))
        return MU_ERR_NOT_FOUND;
    d->kfb = x->kfb;
    mu_device_trace(d, "hop-key", 0, 0);
    return 0;
}

int mu_device_request(struct mu_device *d, const struct mu_message *m)
{
    int rc, full;

    if (m->code != MU_COAP_POST) {
        rc = MU_ERR_UNSUPPORTED;
    } else if (mu_bytes_eq(m->path, mu_bytes_str("g"))) {
        rc = link_take_kg(d, m->payload);
    } else if (mu_bytes_eq(m->path, mu_bytes_str("p"))) {
        mu_device_fetch(d);
        rc = 0;
    } else if (mu_bytes_eq(m->path, mu_bytes_str("ann"))) {
        rc = mu_device_announce_told(d, m->payload);
    } else if (mu_bytes_eq(m->path, mu_bytes_str("kb"))) {
        rc = link_take_kb(d, m->payload);
    } else if (mu_bytes_eq(m->path, mu_bytes_str("v"))) {
        rc = link_take_vouch(d, m->payload);
    } else if (mu_bytes_eq(m->path, mu_bytes_str("dir"))) {
        rc = mu_device_speech_told(d, m->payload);
    } else if (mu_bytes_eq(m->path, mu_bytes_str("who"))) {
        rc = mu_device_speech_asked(d, m);
        if (rc == 0)
            return 0; /* answered when it is made */
    } else if (mu_bytes_eq(m->path, mu_bytes_str("f"))) {
        rc = link_take_feedback(d, m->payload);
    } else {
        rc = MU_ERR_NOT_FOUND;
    }
    full = mu_replies_put(&d->replies, MU_LINK_UP_NODE, m->exchange,
                          (uint8_t)mu_err_coap(rc));
    return rc != 0 ? rc : full;
}

/* ---- questions and their answers ---------------------------------------- */

static bool link_ask_possible(const struct mu_device *d, size_t which)
{
    if (d->link != MU_DEVICE_LINK_UP)
        return false;
    if (which == MU_DEVICE_HELLO)
        return true;
    if (!d->welcome)
        return false;
    if (which == MU_DEVICE_KEYS)
        return d->connected;
    return true;
}

static int link_ask_write(struct mu_device *d, size_t which,
                          struct mu_message *m)
{
    struct mu_writer w = mu_writer(d->out, sizeof d->out);
    int rc = MU_ERR_UNEXPECTED;

    m->code = MU_COAP_POST;
    switch (which) {
    case MU_DEVICE_HELLO:
        m->path = mu_bytes_str("hello");
        rc = link_hello_write(d, &w);
        break;
    case MU_DEVICE_CONNECT:
        m->path = mu_bytes_str("c");
        rc = mu_device_connect_write(d, &w);
        break;
    case MU_DEVICE_KEYS:
        return mu_device_keys_write(d, &w, m);
    case MU_DEVICE_ANN:
        if (d->wanted_len == 0)
            return MU_ERR_NOT_FOUND;
        m->path = mu_bytes_str("ann");
        rc = mu_area_ask_create(d->wanted[0].session, &w);
        break;
    case MU_DEVICE_SAY:
    case MU_DEVICE_WHO:
        m->path = mu_bytes_str(which == MU_DEVICE_SAY ? "say" : "who");
        rc = mu_device_speech_write(d, which, &w);
        break;
    default:
        break;
    }
    m->payload = mu_written(&w);
    return rc;
}

bool mu_device_next_ask(struct mu_device *d, struct mu_effect *out)
{
    for (size_t i = 0; i < MU_DEVICE_ASK_COUNT; i++) {
        struct mu_ask *a = &d->asks[i];
        int rc;

        if (!link_ask_possible(d, i) || !mu_ask_ready(a, d->now))
            continue;
        rc = link_ask_write(d, i, &out->message);
        if (rc == MU_ERR_NOT_FOUND) {
            a->due = false;
            continue;
        }
        if (rc != 0) { /* the crypto back end failed: later */
            mu_ask_failed(a, d->now, &d->jitter);
            continue;
        }
        mu_ask_sent(a, ++d->exchange);
        out->kind = MU_DO_SEND;
        out->link = MU_LINK_UP_NODE;
        out->message.exchange = d->exchange;
        return true;
    }
    return false;
}

mu_time mu_device_ask_deadline(const struct mu_device *d, size_t which)
{
    return link_ask_possible(d, which) ? mu_ask_deadline(&d->asks[which])
                                       : MU_TIME_NEVER;
}

/* The answer to /ann: an object, or why there is none. */
static int link_ann_answer(struct mu_device *d, const struct mu_message *m)
{
    struct mu_area_session s = d->wanted[0];
    int rc;

    mu_assert(d->wanted_len > 0); /* it only grows while one is asked for */
    d->wanted_len--;
    for (size_t i = 0; i < d->wanted_len; i++)
        d->wanted[i] = d->wanted[i + 1];
    if (d->wanted_len > 0)
        d->asks[MU_DEVICE_ANN].due = true;
    if (MU_COAP_CLASS(m->code) == 4) {
        /* Not a session of ours: its announce packets are of no interest. */
        mu_device_ignore(d, s.object);
        return 0;
    }
    rc = mu_device_announce_told(d, m->payload);
    if (rc == MU_ERR_BUSY)
        mu_device_want(d, &s);
    return rc;
}

static int link_answer(struct mu_device *d, size_t which,
                       const struct mu_message *m)
{
    bool good = MU_COAP_CLASS(m->code) == 2;

    switch (which) {
    case MU_DEVICE_HELLO:
        return good ? link_hello_answer(d, m) : MU_ERR_UNEXPECTED;
    case MU_DEVICE_CONNECT:
        return good ? mu_device_connect_answer(d, m) : MU_ERR_FORBIDDEN;
    case MU_DEVICE_KEYS:
        return mu_device_keys_answer(d, m);
    case MU_DEVICE_SAY:
    case MU_DEVICE_WHO:
        return mu_device_speech_answer(d, which, m);
    default:
        mu_assert(which == MU_DEVICE_ANN);
        return good || MU_COAP_CLASS(m->code) == 4 ? link_ann_answer(d, m)
                                                   : MU_ERR_UNEXPECTED;
    }
}

int mu_device_response(struct mu_device *d, const struct mu_message *m)
{
    if (mu_device_ride_answer(d, m))
        return 0;
    for (size_t i = 0; i < MU_DEVICE_ASK_COUNT; i++) {
        struct mu_ask *a = &d->asks[i];
        struct mu_backoff wait = a->wait;
        int rc;

        if (!a->flying || a->exchange != m->exchange)
            continue;
        mu_ask_done(a);
        rc = link_answer(d, i, m);
        if (rc != 0 && !(i == MU_DEVICE_ANN && rc != MU_ERR_UNEXPECTED)) {
            a->wait = wait;
            mu_ask_failed(a, d->now, &d->jitter);
            mu_device_trace(d, "refused", i, m->code);
        }
        return rc;
    }
    return MU_ERR_UNEXPECTED;
}

void mu_device_no_answer(struct mu_device *d, uint32_t exchange)
{
    for (size_t i = 0; i < MU_DEVICE_ASK_COUNT; i++) {
        if (d->asks[i].flying && d->asks[i].exchange == exchange)
            mu_ask_failed(&d->asks[i], d->now, &d->jitter);
    }
    mu_device_ride_lost(d, exchange);
}
