/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's service connection and its group keys: connect
 * (docs/wire-format.md s.3) and key fetch (s.4). The OSCORE context lives in
 * memory only; after a restart the device connects again when it has to.
 */
#include "node/device.h"

#include "muster/keyfetch.h"

#define FETCH_SPREAD MU_SECONDS(3)
#define CONFIRM_SPREAD MU_SECONDS(1) /* so that a whole area is no burst */

bool mu_device_in_group(const struct mu_device *d, uint32_t group)
{
    return mu_groups_find(&d->groups, group) >= 0;
}

bool mu_device_group_handed(const struct mu_device *d, uint32_t group)
{
    int at = mu_groups_find(&d->groups, group);

    return at >= 0 && d->groups.mode[at] == MU_MODE_HAND_KEY;
}

void mu_device_disconnect(struct mu_device *d)
{
    mu_oscore_clear(&d->oscore);
    d->connected = false;
}

void mu_device_fetch(struct mu_device *d)
{
    d->asks[MU_DEVICE_KEYS].due = true;
    if (!d->connected && !d->asks[MU_DEVICE_CONNECT].flying)
        d->asks[MU_DEVICE_CONNECT].due = true;
}

void mu_device_fetch_slowly(struct mu_device *d)
{
    if (d->now < d->fetch_wait.at)
        return;
    mu_backoff_fail(&d->fetch_wait, d->now, &d->jitter);
    mu_device_fetch(d);
}

static void keys_not_before(struct mu_ask *a, mu_time at)
{
    if (a->wait.at < at)
        a->wait.at = at;
}

void mu_device_fetch_spread(struct mu_device *d)
{
    mu_time at = d->now + mu_jitter(&d->jitter, FETCH_SPREAD);

    if (d->now < d->fetch_wait.at || d->asks[MU_DEVICE_KEYS].due)
        return;
    mu_device_fetch_slowly(d);
    keys_not_before(&d->asks[MU_DEVICE_KEYS], at);
    if (d->asks[MU_DEVICE_CONNECT].due)
        keys_not_before(&d->asks[MU_DEVICE_CONNECT], at);
}

/* ---- connect ------------------------------------------------------------ */

int mu_device_connect_write(struct mu_device *d, struct mu_writer *w)
{
    struct mu_connect1 m = {
        .identity = d->conf.identity,
        .gateway = mu_bytes(d->gateway, d->gateway_len),
        .epoch = d->epoch,
    };

    m.capability = (struct mu_capability){
        .object_max = d->conf.object_max,
        .page_memory = d->conf.page_memory,
        .algs = {MU_ALG_ES256, MU_ALG_EDDSA},
        .algs_len = 2,
        .receiver = MU_RECEIVER_FULL,
        .member_memory = d->conf.member_mem,
    };
    return mu_connect1_create(d->conf.crypto, &d->kmr, &m, w, &d->pending);
}

static void keys_set_groups(struct mu_device *d, const struct mu_groups *groups)
{
    for (size_t i = 0; i < d->groups.len; i++) {
        if (mu_groups_find(groups, d->groups.number[i]) >= 0)
            continue;
        mu_keyring_drop(&d->keys, MU_KEY_KB, d->groups.number[i]);
        mu_device_member_drop(d, d->groups.number[i]);
        mu_device_mbms_drop(d, d->groups.number[i]);
    }
    d->groups = *groups;
    d->kann_stale = true;
    mu_device_dirty(d, MU_DEVICE_REC_KEYS);
}

static int keys_connected(struct mu_device *d, const struct mu_connect2 *m,
                          const struct mu_connection *conn)
{
    int rc;

    if (m->pub.len > MU_PUBLIC_KEY_MAX || m->epoch < d->epoch)
        return MU_ERR_MALFORMED;
    mu_device_disconnect(d);
    rc = mu_connection_oscore(d->conf.crypto, conn, MU_CONNECT_NODE,
                              &d->oscore);
    if (rc == 0)
        rc = mu_device_mbms_connected(d, conn, m->server);
    if (rc == 0 && d->conf.exchange != NULL)
        rc = d->conf.exchange->ops->connected(d, conn, m->server);
    if (rc != 0)
        return rc;
    d->connected = true;
    d->epoch = m->epoch;
    d->server.alg = m->alg;
    mu_copy(d->server.pub, m->pub.data, m->pub.len);
    d->server.pub_len = (uint8_t)m->pub.len;
    keys_set_groups(d, &m->groups);
    d->asks[MU_DEVICE_KEYS].due = true;
    mu_device_trace(d, "connected", m->epoch, m->groups.len);
    return 0;
}

int mu_device_connect_answer(struct mu_device *d, const struct mu_message *m)
{
    struct mu_writer w = mu_writer(d->out, sizeof d->out);
    struct mu_connection conn;
    struct mu_connect2 in;
    uint8_t tries = d->asks[MU_DEVICE_CONNECT].wait.tries;
    int rc;

    rc = mu_connect2_consume(d->conf.crypto, &d->kmr, &d->pending, m->payload,
                             &w, &in, &conn);
    if (rc == 0)
        rc = keys_connected(d, &in, &conn);
    mu_connection_clear(&conn);
    d->out_secret = true;
    /* The wait is over only when a key fetch has worked: a server that loses
     * every connection at once is not asked without end. */
    d->asks[MU_DEVICE_CONNECT].wait.tries = tries;
    return rc;
}

/* ---- key fetch ---------------------------------------------------------- */

static int keys_request(struct mu_device *d, struct mu_writer *w)
{
    struct mu_keyfetch_request m = {.held_len = 0};

    for (size_t i = 0; i < d->groups.len; i++) {
        const struct mu_key_slot *s =
            mu_keyring_active(&d->keys, MU_KEY_KB, d->groups.number[i]);

        if (s != NULL)
            m.held[m.held_len++] = s->kid;
    }
    mu_device_members_ask(d, &m);
    m.speaker = mu_device_speech_key(d);
    if (m.speaker.len != 0)
        m.scheme = (uint8_t)d->conf.speak.scheme;
    return mu_keyfetch_request_create(&m, w);
}

int mu_device_protect(struct mu_device *d, const char *path,
                      struct mu_bytes plain, struct mu_writer *w,
                      struct mu_message *m)
{
    uint8_t room[32];
    struct mu_writer ow = mu_writer(room, sizeof room);
    struct mu_coap_opts opts = mu_coap_opts(&ow);
    struct mu_coap_msg in = {.code = MU_COAP_POST, .payload = plain}, out;
    int rc;

    mu_coap_put_path(&opts, path);
    mu_coap_put_uint(&opts, MU_COAP_CONTENT_FORMAT, MU_COAP_FORMAT_CBOR);
    in.options = mu_coap_opts_written(&opts);
    rc = mu_oscore_protect_request(&d->oscore, d->conf.crypto, &in, w, &out,
                                   &d->oscore_request);
    if (rc != 0) {
        mu_device_disconnect(d);
        mu_device_fetch(d);
        return rc;
    }
    m->code = out.code;
    if (!mu_coap_find(out.options, MU_COAP_OSCORE, &m->oscore))
        return MU_ERR_CRYPTO;
    m->payload = out.payload;
    return 0;
}

/* The connection is to be exchanged for another before anything is fetched. */
static bool keys_exchange(const struct mu_device *d)
{
    return d->conf.exchange != NULL && d->conf.exchange->wanted;
}

int mu_device_keys_write(struct mu_device *d, struct mu_writer *w,
                         struct mu_message *m)
{
    uint8_t plain[MU_KEYFETCH_REQUEST_MAX];
    struct mu_writer pw = mu_writer(plain, sizeof plain);
    int rc;

    if (keys_exchange(d))
        return d->conf.exchange->ops->write(d, m);
    rc = keys_request(d, &pw);
    return rc != 0 ? rc : mu_device_protect(d, "k", mu_written(&pw), w, m);
}

/* Asks once more, a little later: the request names the keys that are stored
 * by then, and so proves to the server that they arrived. */
static void keys_confirm(struct mu_device *d)
{
    struct mu_ask *a = &d->asks[MU_DEVICE_KEYS];

    a->due = true;
    a->wait.at = d->now + MU_MS(200) + mu_jitter(&d->jitter, CONFIRM_SPREAD);
}

/* A piece of a state; the next is asked for at once. */
static void keys_piece(struct mu_device *d,
                       const struct mu_keyfetch_response *m)
{
    struct mu_ask *a = &d->asks[MU_DEVICE_KEYS];
    bool more;

    if (m->piece.len == 0 || mu_device_members_piece(d, m, &more) != 0)
        return;
    keys_confirm(d);
    if (more)
        a->wait.at = d->now;
}

/* What the newest keys are, and which groups there are. */
static int keys_take(struct mu_device *d, const struct mu_keyfetch_response *m)
{
    bool fresh = false;

    if (m->epoch < d->epoch)
        return MU_ERR_ROLLBACK;
    d->epoch = m->epoch;
    keys_set_groups(d, &m->groups);
    for (size_t i = 0; i < m->keys_len; i++) {
        bool held = mu_keyring_find(&d->keys, &m->keys[i].kid) != NULL;
        int rc = mu_keyring_put(&d->keys, &m->keys[i].kid, &m->keys[i].key,
                                MU_PHASE_ACTIVE);

        fresh = fresh || (rc == 0 && !held);
        /* An older one than we hold is of no use and no harm. */
        if (rc != 0 && rc != MU_ERR_ROLLBACK)
            mu_device_trace(d, "key-refused", (uint64_t)-rc,
                            m->keys[i].kid.generation);
    }
    for (size_t i = 0; i < m->msks_len; i++) {
        bool new = false;
        int rc = mu_device_mbms_msk(d, &m->msks[i], &new);

        fresh = fresh || new;
        if (rc != 0 && rc != MU_ERR_ROLLBACK)
            mu_device_trace(d, "key-refused", (uint64_t)-rc,
                            m->msks[i].kid.generation);
    }
    for (size_t i = 0; i < m->withheld_len; i++)
        mu_device_trace(d, "key-withheld", m->withheld[i], 0);
    mu_device_trace(d, "keys", m->keys_len + m->msks_len, m->groups.len);
    mu_device_keys_arrived(d);
    if (fresh)
        keys_confirm(d);
    keys_piece(d, m);
    return 0;
}

int mu_device_unprotect(struct mu_device *d, const struct mu_message *m,
                        struct mu_writer *w, struct mu_coap_msg *out)
{
    uint8_t raw[32];
    struct mu_writer ow = mu_writer(raw, sizeof raw);
    struct mu_coap_opts opts = mu_coap_opts(&ow);
    struct mu_coap_msg in = {.code = m->code, .payload = m->payload};

    mu_coap_put_opt(&opts, MU_COAP_OSCORE, m->oscore);
    if (mu_writer_end(&ow) != 0)
        return MU_ERR_MALFORMED;
    in.options = mu_coap_opts_written(&opts);
    return mu_oscore_unprotect_response(&d->oscore, d->conf.crypto, &in,
                                        &d->oscore_request, w, out);
}

/* An answer without OSCORE: 4.01 when the server does not know the connection
 * (any more). Nobody vouches for it, so it costs no more than a new connect,
 * at most once a second. */
static int keys_refused(struct mu_device *d, const struct mu_message *m)
{
    struct mu_ask *connect = &d->asks[MU_DEVICE_CONNECT];

    if (m->code == MU_COAP_UNAUTHORIZED) {
        mu_device_disconnect(d);
        if (!connect->flying)
            mu_ask_failed(connect, d->now, &d->jitter);
    }
    return MU_ERR_UNEXPECTED;
}

int mu_device_keys_answer(struct mu_device *d, const struct mu_message *m)
{
    struct mu_writer w = mu_writer(d->out, sizeof d->out);
    struct mu_keyfetch_response in;
    struct mu_coap_msg plain;
    int rc;

    if (m->oscore.data == NULL)
        return keys_refused(d, m);
    if (!d->connected)
        return MU_ERR_UNEXPECTED;
    if (keys_exchange(d))
        return d->conf.exchange->ops->answer(d, m);
    rc = mu_device_unprotect(d, m, &w, &plain);
    if (rc != 0)
        return rc;
    d->out_secret = true;
    if (plain.code != MU_COAP_CONTENT) {
        /* Without the means for an exchange, that may be what it lacks. */
        mu_device_trace(d, "keys-refused", plain.code, 0);
        return MU_ERR_UNEXPECTED;
    }
    rc = mu_keyfetch_response_consume(plain.payload, &in);
    if (rc == 0)
        rc = keys_take(d, &in);
    mu_keyfetch_response_clear(&in);
    if (rc == 0)
        mu_backoff_reset(&d->asks[MU_DEVICE_CONNECT].wait);
    return rc;
}
