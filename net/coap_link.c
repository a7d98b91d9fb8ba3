/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: who they are with, when they begin and end.
 *
 * libcoap may touch a session after a callback on it returns, so no session
 * is ended inside a callback: it is marked dead and ended in mu_coap_poll.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "muster/assert.h"
#include "net/coap_clock.h"
#include "net/coap_session.h"
#include "net/log.h"

#define COAP_SLOTS_MAX (1u << 20)
/* A path of 1,280 bytes carries a body of MU_MESSAGE_MAX with its options and
 * DTLS's overhead; libcoap reads datagrams of up to 1,472. */
#define COAP_MTU 1400u
/* Half-open handshakes: beyond libcoap's 100, or a hundred forged ClientHellos
 * would keep everybody out for half a minute. */
#define COAP_HANDSHAKES_MAX 4096u
#define COAP_TWINS 3          /* replacements of a link ... */
#define COAP_TWINS_MS 60000u  /* ... within this time: two nodes, one identity */

uint64_t coap_now(const struct mu_coap *c)
{
    (void)c;
    return uv_hrtime() / 1000000;
}

void coap_wake(struct mu_coap *c)
{
    c->conf.wake(c->conf.ctx);
}

static const char *coap_self(const struct mu_coap *c)
{
    return (const char *)c->conf.identity.data; /* from mu_bytes_str */
}

static struct coap_slot *coap_slot(struct mu_coap *c, uint32_t link)
{
    if (link >= COAP_SLOTS_MAX)
        return NULL;
    if (link >= c->slots_len) {
        size_t len = c->slots_len == 0 ? 8 : c->slots_len;

        while (len <= link)
            len *= 2;
        struct coap_slot *grown = realloc(c->slots, len * sizeof(*grown));

        if (grown == NULL)
            return NULL;
        memset(grown + c->slots_len, 0,
               (len - c->slots_len) * sizeof(*grown));
        c->slots = grown;
        c->slots_len = len;
    }
    return &c->slots[link];
}

static struct coap_peer *coap_up(const struct mu_coap *c, uint32_t link)
{
    struct coap_peer *p = link < c->slots_len ? c->slots[link].peer : NULL;

    return p != NULL && p->up && !p->dead ? p : NULL;
}

static struct coap_peer *peer_new(struct mu_coap *c, uint32_t link,
                                  bool client, coap_session_t *session)
{
    struct coap_peer *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->owner = c;
    p->link = link;
    p->client = client;
    p->session = session;
    p->started = p->heard = coap_now(c);
    p->next = c->peers;
    c->peers = p;
    return p;
}

static void peer_dead(struct coap_peer *p)
{
    if (p->dead)
        return;
    p->dead = true;
    coap_wake(p->owner);
}

static void peer_tell(struct coap_peer *p, enum mu_event_kind kind)
{
    struct mu_event ev = {
        .kind = kind, .link = p->link,
        .identity = mu_bytes(p->identity, p->identity_len),
    };

    p->owner->conf.event(p->owner->conf.ctx, &ev);
}

/* ---- keys -------------------------------------------------------------- */

/* Only suites that encrypt and authenticate in one; ours are PSK suites all.
 * libcoap sets the cipher list itself, so what came out is checked here,
 * before the key is given, and later handshakes do not offer the rest. */
static bool coap_suite_fits(coap_session_t *session)
{
    coap_tls_library_t library;
    SSL *ssl = coap_session_get_tls(session, &library);

    if (ssl == NULL || library != COAP_TLS_LIBRARY_OPENSSL)
        return false;
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);

    /* No resumption: a ticket would outlive the key it was made under. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    const SSL_CIPHER *suite = SSL_get_pending_cipher(ssl);

    if (suite == NULL)
        suite = SSL_get_current_cipher(ssl);
    if (suite != NULL && SSL_CIPHER_is_aead(suite))
        return true;
    mu_log(MU_LOG_WARN, "suite-refused", "suite=%s",
           suite == NULL ? "none" : SSL_CIPHER_get_name(suite));
    return false;
}

static const coap_bin_const_t *coap_key_out(struct mu_coap *c)
{
    c->key_bytes.s = c->key.bytes;
    c->key_bytes.length = c->key.len;
    coap_wake(c); /* so that the copy here is wiped */
    return &c->key_bytes;
}

static const coap_bin_const_t *coap_on_identity(coap_bin_const_t *identity,
                                                coap_session_t *session,
                                                void *arg)
{
    struct mu_coap *c = arg;
    struct mu_bytes id = mu_bytes(identity->s, identity->length);
    struct mu_log_text shown = mu_log_text(id);
    uint32_t link = 0;
    int rc;

    /* A second time in one session would be a renegotiation. */
    if (coap_session_get_app_data(session) != NULL || id.len == 0 ||
        id.len > MU_ID_MAX || !coap_suite_fits(session)) {
        c->counts.refused++;
        return NULL;
    }
    rc = c->conf.psk(c->conf.ctx, false, id, &c->key, &link);
    if (rc != 0) {
        mu_log(MU_LOG_WARN, "peer-refused", "id=%s peer=%s error=%s",
               coap_self(c), shown.text, mu_err_name(rc));
        c->counts.refused++;
        return NULL;
    }
    struct coap_peer *p = peer_new(c, link, false, session);

    if (p == NULL)
        return NULL;
    memcpy(p->identity, id.data, id.len);
    p->identity_len = id.len;
    coap_session_set_app_data(session, p);
    return coap_key_out(c);
}

static const coap_dtls_cpsk_info_t *coap_on_hint(coap_str_const_t *hint,
                                                 coap_session_t *session,
                                                 void *arg)
{
    struct mu_coap *c = arg;
    struct coap_peer *p = coap_session_get_app_data(session);
    struct mu_bytes id = mu_bytes(hint->s, hint->length);
    uint32_t link;
    int rc;

    if (p == NULL || p->dead || p->identity_len > 0 || id.len == 0 ||
        id.len > MU_ID_MAX || !coap_suite_fits(session))
        return NULL;
    link = p->link;
    rc = c->conf.psk(c->conf.ctx, true, id, &c->key, &link);
    if (rc != 0) {
        mu_log(MU_LOG_WARN, "server-refused", "id=%s hint=%s error=%s",
               coap_self(c), mu_log_text(id).text, mu_err_name(rc));
        return NULL;
    }
    memcpy(p->identity, id.data, id.len);
    p->identity_len = id.len;
    c->client_info.identity.s = c->conf.identity.data;
    c->client_info.identity.length = c->conf.identity.len;
    c->client_info.key = *coap_key_out(c);
    return &c->client_info;
}

/* ---- up and down ------------------------------------------------------- */

static void coap_note_replaced(struct mu_coap *c, struct coap_slot *slot,
                               const struct coap_peer *old)
{
    uint64_t now = coap_now(c);

    c->counts.replaced++;
    if (now - slot->replaced_from > COAP_TWINS_MS) {
        slot->replaced_from = now;
        slot->replaced = 0;
    }
    slot->replaced++;
    mu_log(slot->replaced < COAP_TWINS ? MU_LOG_INFO : MU_LOG_WARN,
           slot->replaced < COAP_TWINS ? "link-replaced" : "two-nodes-one-identity",
           "id=%s link=%u peer=%s times=%u", coap_self(c), old->link,
           mu_log_text(mu_bytes(old->identity, old->identity_len)).text,
           slot->replaced);
}

static void peer_up(struct coap_peer *p)
{
    struct mu_coap *c = p->owner;
    struct coap_slot *slot = coap_slot(c, p->link);

    if (slot == NULL || p->identity_len == 0) {
        peer_dead(p);
        return;
    }
    struct coap_peer *old = slot->peer;

    if (old != NULL && old != p) {
        bool was_up = old->up && !old->dead;

        old->replaced = true;
        peer_dead(old);
        slot->peer = NULL;
        if (was_up) {
            coap_note_replaced(c, slot, old);
            coap_exchange_clear(old, true);
            peer_tell(old, MU_EV_LINK_DOWN);
        }
    }
    slot = coap_slot(c, p->link); /* the event may have made it grow */
    slot->quiet_ms = 0;
    slot->peer = p;
    p->up = true;
    p->heard = coap_now(c);
    c->counts.handshakes++;
    coap_session_set_nstart(p->session, c->conf.outstanding_max);
    coap_session_set_ack_timeout(p->session, (coap_fixed_point_t){
        .integer_part = (uint16_t)(c->conf.ack_timeout_ms / 1000),
        .fractional_part = (uint16_t)(c->conf.ack_timeout_ms % 1000),
    });
    mu_log(MU_LOG_INFO, "link-up", "id=%s link=%u peer=%s", coap_self(c),
           p->link,
           mu_log_text(mu_bytes(p->identity, p->identity_len)).text);
    peer_tell(p, MU_EV_LINK_UP);
}

static int coap_on_event(coap_session_t *session, const coap_event_t event)
{
    struct coap_peer *p = coap_session_get_app_data(session);

    if (p == NULL)
        return 0;
    switch (event) {
    case COAP_EVENT_DTLS_CONNECTED:
        if (!p->dead && !p->up)
            peer_up(p);
        break;
    case COAP_EVENT_SERVER_SESSION_DEL:
        coap_session_set_app_data(session, NULL);
        p->session = NULL;
        peer_dead(p);
        break;
    case COAP_EVENT_DTLS_CLOSED:
    case COAP_EVENT_DTLS_ERROR:
        peer_dead(p);
        break;
    default:
        break;
    }
    return 0;
}

static void coap_on_nack(coap_session_t *session, const coap_pdu_t *sent,
                         const coap_nack_reason_t reason, const coap_mid_t mid)
{
    struct coap_peer *p = coap_session_get_app_data(session);

    (void)mid;
    if (p == NULL || sent == NULL)
        return;
    if (coap_pdu_get_code(sent) == COAP_EMPTY_CODE) {
        if (reason == COAP_NACK_RST) { /* the answer to a ping */
            p->pinged = 0;
            p->heard = coap_now(p->owner);
        } else {
            peer_dead(p);
        }
        return;
    }
    if (reason == COAP_NACK_TOO_MANY_RETRIES)
        peer_dead(p);
    coap_exchange_nack(p, sent);
}

static void coap_on_ping(coap_session_t *session, const coap_pdu_t *received,
                         const coap_mid_t mid)
{
    struct coap_peer *p = coap_session_get_app_data(session);

    (void)received;
    (void)mid;
    if (p != NULL)
        p->heard = coap_now(p->owner);
}

/* Takes the peer out and lets libcoap's session go. */
static void peer_free(struct coap_peer *p)
{
    struct mu_coap *c = p->owner;
    struct coap_peer **at = &c->peers;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (p->link < c->slots_len && c->slots[p->link].peer == p)
        c->slots[p->link].peer = NULL;
    coap_exchange_clear(p, false);
    if (p->session != NULL) {
        coap_session_set_app_data(p->session, NULL);
        if (!p->client)
            coap_session_disconnected(p->session, COAP_NACK_NOT_DELIVERABLE);
        if (p->client || p->held)
            coap_session_release(p->session);
    }
    free(p);
}

static void peer_end(struct coap_peer *p)
{
    struct mu_coap *c = p->owner;
    struct coap_slot *slot =
        p->link < c->slots_len ? &c->slots[p->link] : NULL;
    bool current = slot != NULL && slot->peer == p;

    coap_exchange_clear(p, current && p->up);
    if (current)
        slot->peer = NULL;
    if (!p->up && !p->replaced)
        mu_log(MU_LOG_WARN, "handshake-failed", "id=%s link=%u peer=%s",
               coap_self(c), p->link,
               p->identity_len == 0 ? "-"
               : mu_log_text(mu_bytes(p->identity, p->identity_len)).text);
    else if (!p->replaced)
        mu_log(MU_LOG_INFO, "link-down", "id=%s link=%u peer=%s", coap_self(c),
               p->link,
               mu_log_text(mu_bytes(p->identity, p->identity_len)).text);
    if (current && (p->up || p->client))
        peer_tell(p, MU_EV_LINK_DOWN);
    peer_free(p);
}

static void coap_to_libcoap(const struct mu_addr *from, coap_address_t *to)
{
    coap_address_init(to);
    to->size = from->len;
    memcpy(&to->addr, &from->sa, from->len);
}

static void peer_open(struct coap_peer *p)
{
    struct mu_coap *c = p->owner;
    coap_dtls_cpsk_t psk = {
        .version = COAP_DTLS_CPSK_SETUP_VERSION,
        .validate_ih_call_back = coap_on_hint,
        .ih_call_back_arg = c,
    };
    static const uint8_t none[1]; /* libcoap wants one; the hint decides */
    coap_address_t address;

    p->opening = false;
    psk.psk_info.identity.s = c->conf.identity.data;
    psk.psk_info.identity.length = c->conf.identity.len;
    psk.psk_info.key.s = none;
    psk.psk_info.key.length = sizeof(none);
    coap_to_libcoap(&p->to, &address);
    p->session = p->to.len == 0 ? NULL
        : coap_new_client_session_psk2(c->context, NULL, &address,
                                       COAP_PROTO_DTLS, &psk);
    if (p->session == NULL) {
        peer_dead(p);
        return;
    }
    coap_session_set_app_data(p->session, p);
    coap_session_set_mtu(p->session, COAP_MTU);
    /* Arms the timer of the handshake. */
    coap_io_process(c->context, COAP_IO_NO_WAIT);
}

bool mu_coap_poll(struct mu_coap *c)
{
    bool any = false;
    struct coap_peer *p = c->peers;

    mu_secret_clear(&c->key);
    while (p != NULL) {
        if (p->dead || p->opening) {
            if (p->dead)
                peer_end(p);
            else
                peer_open(p);
            any = true;
            p = c->peers; /* events may have changed the list */
        } else {
            p = p->next;
        }
    }
    while (c->failed != NULL) {
        struct coap_failed *f = c->failed;
        struct mu_event ev = { .kind = MU_EV_NO_ANSWER, .link = f->link };

        c->failed = f->next;
        ev.message.exchange = f->exchange;
        free(f);
        c->conf.event(c->conf.ctx, &ev);
        any = true;
    }
    return any;
}

static void coap_failed_push(struct mu_coap *c, struct coap_failed *f)
{
    struct coap_failed **end = &c->failed;

    while (*end != NULL)
        end = &(*end)->next;
    *end = f;
    coap_wake(c);
}

void coap_exchange_failed(struct mu_coap *c, uint32_t link, uint32_t exchange)
{
    struct coap_failed *f = malloc(sizeof(*f));

    c->counts.gave_up++;
    if (f == NULL)
        return; /* the engine's own deadline finds it */
    *f = (struct coap_failed){ .link = link, .exchange = exchange };
    coap_failed_push(c, f);
}

/* ---- time -------------------------------------------------------------- */

/* Whether the engine has sent something instead of a ping. Its answer tells as
 * much as that of a ping, and no answer, too. */
static bool peer_offered(struct coap_peer *p)
{
    uint64_t before = p->owner->counts.requests;

    p->offered = true;
    peer_tell(p, MU_EV_IDLE);
    p->offered = false;
    return p->owner->counts.requests != before;
}

static void peer_tick(struct coap_peer *p, uint64_t now)
{
    const struct mu_coap_conf *conf = &p->owner->conf;

    if (p->dead)
        return;
    if (!p->up) {
        if (now - p->started > conf->handshake_ms)
            peer_dead(p);
        return;
    }
    coap_exchange_tick(p, now);
    if (!p->client) {
        if (now - p->heard > conf->idle_ms + p->owner->slots[p->link].quiet_ms)
            peer_dead(p);
    } else if (p->pinged != 0) {
        if (p->heard >= p->pinged)
            p->pinged = 0;
        else if (now - p->pinged > conf->keepalive_ms)
            peer_dead(p);
    } else if (!p->owner->off && now - p->heard > conf->keepalive_ms) {
        p->pinged = now;
        if (!peer_offered(p) && !p->dead &&
            coap_session_send_ping(p->session) == COAP_INVALID_MID)
            peer_dead(p);
    }
}

/* The radio goes off with the last ping's answer: without one the link is dead,
 * and that is worth the wait. */
static void coap_rest(struct mu_coap *c)
{
    bool waits = !c->off;

    for (const struct coap_peer *p = c->peers; p != NULL; p = p->next)
        waits = waits || !p->up || p->pinged != 0;
    if (!waits)
        uv_poll_stop(c->poll);
}

static void coap_on_timer(uv_timer_t *timer)
{
    struct mu_coap *c = timer->data;
    uint64_t now = coap_now(c);

    for (struct coap_peer *p = c->peers; p != NULL; p = p->next)
        peer_tick(p, now);
    coap_rest(c);
}

static void coap_on_readable(uv_poll_t *poll, int status, int events)
{
    struct mu_coap *c = poll->data;

    (void)status;
    (void)events;
    coap_io_process(c->context, COAP_IO_NO_WAIT);
}

/* ---- making and ending ------------------------------------------------- */

static void coap_on_log(coap_log_t level, const char *message)
{
    size_t len = strcspn(message, "\r\n");

    mu_log(level <= LOG_CRIT ? MU_LOG_DEBUG : MU_LOG_TRACE, "libcoap",
           "text=\"%.*s\"", (int)(len > 200 ? 200 : len), message);
}

void mu_coap_radio(struct mu_coap *c, bool on)
{
    c->off = !on;
    if (on && uv_poll_start(c->poll, UV_READABLE, coap_on_readable) != 0)
        mu_log(MU_LOG_ERROR, "radio", "id=%s why=\"not readable\"",
               coap_self(c));
    coap_rest(c);
}

static bool coap_watch(struct mu_coap *c)
{
    uint64_t every = c->conf.keepalive_ms / 4;

    if (every < 20)
        every = 20;
    if (every > 500)
        every = 500;
    c->poll = calloc(1, sizeof(*c->poll));
    c->timer = calloc(1, sizeof(*c->timer));
    if (c->poll == NULL || c->timer == NULL ||
        uv_timer_init(c->uv, c->timer) != 0)
        return false;
    c->timer->data = c;
    if (uv_poll_init(c->uv, c->poll, coap_context_get_coap_fd(c->context)) != 0)
        return false;
    c->poll->data = c;
    return uv_poll_start(c->poll, UV_READABLE, coap_on_readable) == 0 &&
           uv_timer_start(c->timer, coap_on_timer, every, every) == 0;
}

struct mu_coap *mu_coap_new(uv_loop_t *uv, const struct mu_coap_conf *conf)
{
    struct mu_coap *c = calloc(1, sizeof(*c));
    coap_resource_t *any;

    if (c == NULL)
        return NULL;
    coap_startup();
    coap_set_log_handler(coap_on_log);
    coap_set_log_level(mu_log_on(MU_LOG_TRACE) ? LOG_INFO : LOG_CRIT);
    c->conf = *conf;
    c->uv = uv;
    mu_coap_clock();
    c->context = coap_new_context(NULL);
    any = coap_resource_unknown_init(NULL);
    if (c->context == NULL || any == NULL)
        goto fail;
    coap_set_app_data(c->context, c);
    coap_register_request_handler(any, COAP_REQUEST_POST,
                                  coap_exchange_request);
    coap_add_resource(c->context, any);
    coap_register_option(c->context, COAP_OPTION_OSCORE);
    coap_register_response_handler(c->context, coap_exchange_response);
    coap_register_nack_handler(c->context, coap_on_nack);
    coap_register_ping_handler(c->context, coap_on_ping);
    coap_register_event_handler(c->context, coap_on_event);
    coap_context_set_max_handshake_sessions(c->context, COAP_HANDSHAKES_MAX);
    /* Ours is the shorter; this one clears away what never became a link. */
    coap_context_set_session_timeout(c->context,
                                     2 * (conf->idle_ms / 1000 + 1));
    if (coap_watch(c))
        return c;
fail:
    mu_coap_free(c);
    return NULL;
}

/* libcoap binds with SO_REUSEADDR, which lets two programs share a UDP port
 * and lose half of what comes in: so the port is tried without it first. This
 * also turns port 0 into a number. */
static int coap_port_free(const struct mu_addr *at, struct mu_addr *bound)
{
    int fd = socket(at->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(bound->in6);
    int rc = 0;

    if (fd < 0)
        return MU_ERR_IO;
    *bound = *at;
    if (bind(fd, &at->sa, at->len) != 0)
        rc = errno == EADDRINUSE ? MU_ERR_CONFLICT : MU_ERR_IO;
    else if (getsockname(fd, &bound->sa, &len) != 0)
        rc = MU_ERR_IO;
    close(fd);
    return rc;
}

int mu_coap_listen(struct mu_coap *c, const struct mu_addr *at,
                   struct mu_addr *bound)
{
    coap_dtls_spsk_t psk = {
        .version = COAP_DTLS_SPSK_SETUP_VERSION,
        .validate_id_call_back = coap_on_identity,
        .id_call_back_arg = c,
    };
    static const uint8_t none[1]; /* a key of length 0: the callback has them */
    coap_address_t address;
    int rc = coap_port_free(at, bound);

    if (rc != 0)
        return rc;
    psk.psk_info.hint.s = c->conf.identity.data;
    psk.psk_info.hint.length = c->conf.identity.len;
    psk.psk_info.key.s = none;
    if (coap_context_set_psk2(c->context, &psk) == 0)
        return MU_ERR_IO;
    coap_to_libcoap(bound, &address);
    coap_endpoint_t *e = coap_new_endpoint(c->context, &address,
                                           COAP_PROTO_DTLS);

    if (e == NULL)
        return MU_ERR_IO;
    coap_endpoint_set_default_mtu(e, COAP_MTU);
    return 0;
}

/* The session is made in mu_coap_poll: libcoap may be calling us now. */
void mu_coap_open(struct mu_coap *c, uint32_t link, const struct mu_addr *to)
{
    struct coap_slot *slot = coap_slot(c, link);

    if (slot == NULL)
        return;
    mu_coap_shut(c, link);
    struct coap_peer *p = peer_new(c, link, true, NULL);

    if (p == NULL)
        return;
    p->to = *to;
    p->opening = true;
    slot->peer = p;
    coap_wake(c);
}

void mu_coap_shut(struct mu_coap *c, uint32_t link)
{
    struct coap_peer *p = link < c->slots_len ? c->slots[link].peer : NULL;

    if (p == NULL)
        return;
    c->slots[link].peer = NULL; /* nobody is told: it is the engine's wish */
    p->replaced = true;
    coap_exchange_clear(p, true);
    peer_dead(p);
}

void mu_coap_quiet(struct mu_coap *c, uint32_t link, uint64_t ms)
{
    struct coap_slot *slot = coap_slot(c, link);

    struct coap_peer *p = coap_up(c, link);

    if (slot == NULL || p == NULL)
        return;
    slot->quiet_ms = ms;
    if (ms == 0 || p->held || p->session == NULL)
        return;
    p->held = true; /* or libcoap clears it away when it has been silent long */
    coap_session_reference(p->session);
}

bool mu_coap_peer(const struct mu_coap *c, uint32_t link, struct mu_addr *out)
{
    struct coap_peer *p = coap_up(c, link);
    const coap_address_t *a;

    *out = (struct mu_addr){ 0 };
    if (p == NULL || p->session == NULL)
        return false;
    a = coap_session_get_addr_remote(p->session);
    if (a == NULL || a->size > sizeof(out->in6))
        return false;
    memcpy(&out->sa, &a->addr, a->size);
    out->len = a->size;
    return true;
}

const struct mu_coap_counts *mu_coap_counts(const struct mu_coap *c)
{
    return &c->counts;
}

static void coap_handle_closed(uv_handle_t *handle)
{
    free(handle);
}

static void coap_close_handle(uv_handle_t *handle)
{
    if (handle == NULL)
        return;
    if (handle->data != NULL)
        uv_close(handle, coap_handle_closed);
    else
        free(handle);
}

void mu_coap_free(struct mu_coap *c)
{
    if (c == NULL)
        return;
    while (c->peers != NULL)
        peer_free(c->peers);
    while (c->failed != NULL) {
        struct coap_failed *f = c->failed;

        c->failed = f->next;
        free(f);
    }
    if (c->poll != NULL && c->poll->data != NULL)
        uv_poll_stop(c->poll);
    coap_close_handle((uv_handle_t *)c->poll);
    coap_close_handle((uv_handle_t *)c->timer);
    if (c->context != NULL)
        coap_free_context(c->context);
    mu_secret_clear(&c->key);
    free(c->slots);
    free(c);
}

/* ---- test aid ---------------------------------------------------------- */

static uint64_t coap_drop_state;

/* libcoap draws message ids and its losses from here; DTLS does not. */
static int coap_drop_random(void *out, size_t len)
{
    uint8_t *to = out;

    for (size_t i = 0; i < len; i++) {
        coap_drop_state ^= coap_drop_state << 13;
        coap_drop_state ^= coap_drop_state >> 7;
        coap_drop_state ^= coap_drop_state << 17;
        to[i] = (uint8_t)(coap_drop_state >> 32);
    }
    return 1;
}

void mu_coap_drop(unsigned percent, uint64_t seed)
{
    char text[16];

    coap_startup();
    snprintf(text, sizeof(text), "%u%%", percent);
    if (coap_debug_set_packet_loss(text) == 0 || percent == 0)
        return;
    coap_drop_state = seed * 0x9e3779b97f4a7c15u + 1;
    coap_set_prng(coap_drop_random);
}
