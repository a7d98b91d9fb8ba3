/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's end of a tunnel. */
#include <string.h>

#include "net/tunnel_msg.h"

#define JOIN_TAG 16
#define JOIN_AGAIN_MS 500
#define JOIN_SLOW_MS 3000 /* once it has been tried TRIES_MAX times */
#define TRIES_MAX 8

int mu_tunnel_end_init(struct mu_tunnel_end *e, const struct mu_crypto *crypto,
                       const char *identity, const struct mu_secret *root)
{
    size_t len = strlen(identity);

    *e = (struct mu_tunnel_end){ .crypto = crypto, .root = *root };
    if (len == 0 || len > MU_ID_MAX)
        return MU_ERR_USAGE;
    memcpy(e->identity, identity, len + 1);
    return tunnel_join_key(crypto, root, &e->join_key);
}

/* With no session and no challenge yet; a fresh nonce. */
static int end_restart(struct mu_tunnel_end *e)
{
    mu_secret_clear(&e->key);
    e->state = MU_TUNNEL_DOWN;
    e->tries = 0;
    memset(e->nonces, 0, sizeof(e->nonces));
    return e->crypto->random(e->crypto->ctx, e->nonces, MU_TUNNEL_NONCE);
}

static int end_join(struct mu_tunnel_end *e, uint64_t now_ms,
                    struct mu_writer *out)
{
    int rc = e->tries == 0 ? end_restart(e) : 0;

    if (rc != 0)
        return rc;
    if (e->tries < TRIES_MAX)
        e->tries++;
    e->next_ms = now_ms + (e->tries < TRIES_MAX ? JOIN_AGAIN_MS
                                                : JOIN_SLOW_MS);
    mu_write_u8(out, MU_TUNNEL_JOIN);
    mu_write_u8(out, (uint8_t)strlen(e->identity));
    mu_write_bytes(out, mu_bytes_str(e->identity));
    mu_write_bytes(out, MU_BYTES(e->nonces));
    return tunnel_seal(e->crypto, &e->join_key, JOIN_TAG, out);
}

static int end_alive(struct mu_tunnel_end *e, uint64_t now_ms,
                     struct mu_writer *out)
{
    e->next_ms = now_ms + MU_TUNNEL_ALIVE_MS;
    mu_write_u8(out, MU_TUNNEL_ALIVE);
    mu_write_bytes(out, mu_bytes(e->nonces, TUNNEL_SID));
    mu_write_u32(out, ++e->alive);
    mu_write_u32(out, (uint32_t)e->window.top);
    mu_write_u32(out, e->said.received);
    mu_write_u32(out, e->said.refused);
    mu_write_u32(out, e->said.emitted);
    return tunnel_seal(e->crypto, &e->key, MU_TAG_LEN, out);
}

int mu_tunnel_end_run(struct mu_tunnel_end *e, uint64_t now_ms,
                      struct mu_writer *out)
{
    if (now_ms < e->next_ms)
        return 0;
    if (e->state == MU_TUNNEL_UP) {
        if (now_ms < e->heard_ms + MU_TUNNEL_SILENT_MS &&
            e->alive != UINT32_MAX)
            return end_alive(e, now_ms, out);
        int rc = end_restart(e); /* the sender is gone, or knows us no more */

        if (rc != 0)
            return rc;
    }
    return end_join(e, now_ms, out);
}

static int end_challenge(struct mu_tunnel_end *e, uint64_t now_ms,
                         struct mu_bytes in)
{
    struct mu_bytes body;
    int rc = tunnel_open(e->crypto, &e->join_key, JOIN_TAG, in, &body);

    if (rc != 0)
        return rc;
    if (body.len != 1 + 2 * MU_TUNNEL_NONCE)
        return MU_ERR_MALFORMED;
    if (e->state == MU_TUNNEL_UP ||
        memcmp(body.data + 1, e->nonces, MU_TUNNEL_NONCE) != 0)
        return MU_ERR_UNEXPECTED;
    if (memcmp(body.data + 1, e->nonces, sizeof(e->nonces)) == 0)
        return 0; /* the same once more */
    memcpy(e->nonces, body.data + 1, sizeof(e->nonces));
    rc = tunnel_session_key(e->crypto, &e->root, e->nonces, &e->key);
    e->state = MU_TUNNEL_PROVING;
    e->next_ms = now_ms;
    return rc;
}

static int end_welcome(struct mu_tunnel_end *e, uint64_t now_ms,
                       struct mu_bytes in)
{
    struct mu_bytes body, text;
    int rc;

    if (e->state != MU_TUNNEL_PROVING)
        return MU_ERR_UNEXPECTED;
    rc = tunnel_open(e->crypto, &e->key, JOIN_TAG, in, &body);
    if (rc != 0)
        return rc;
    struct mu_reader r = mu_reader(body);

    (void)mu_read_bytes(&r, 1 + TUNNEL_SID);
    text = mu_read_bytes(&r, mu_read_u8(&r));
    rc = mu_reader_end(&r);
    if (rc == 0 && text.len >= sizeof(e->group))
        rc = MU_ERR_TOO_LARGE;
    if (rc != 0)
        return rc;
    memset(e->group, 0, sizeof(e->group));
    memcpy(e->group, text.data, text.len);
    e->state = MU_TUNNEL_UP;
    e->tries = 0;
    e->alive = e->head_sent = 0;
    e->said = (struct mu_tunnel_said){ 0 };
    mu_window_init(&e->window);
    e->heard_ms = now_ms;
    e->next_ms = now_ms + MU_TUNNEL_ALIVE_MS;
    return 0;
}

/* PACKET and ANSWER: of the session in force. */
static int end_session(struct mu_tunnel_end *e, uint64_t now_ms,
                       struct mu_bytes in, struct mu_bytes *packet)
{
    struct mu_bytes body;
    int rc;

    if (e->state != MU_TUNNEL_UP || in.len < 1 + TUNNEL_SID + 4 ||
        memcmp(in.data + 1, e->nonces, TUNNEL_SID) != 0)
        return MU_ERR_UNEXPECTED;
    rc = tunnel_open(e->crypto, &e->key, MU_TAG_LEN, in, &body);
    if (rc != 0)
        return rc;
    struct mu_reader r = mu_reader(body);

    (void)mu_read_bytes(&r, 1 + TUNNEL_SID);
    uint32_t seq = mu_read_u32(&r);

    if (r.failed)
        return MU_ERR_TRUNCATED;
    if (in.data[0] == MU_TUNNEL_ANSWER) {
        uint32_t sent = mu_read_u32(&r);

        rc = mu_reader_end(&r);
        if (rc == 0 && seq != e->alive)
            rc = MU_ERR_REPLAY;
        if (rc != 0)
            return rc;
        e->head_sent = sent;
    } else {
        rc = mu_window_check(&e->window, seq);
        if (rc != 0)
            return rc;
        mu_window_commit(&e->window, seq);
        e->said.received++;
        *packet = mu_reader_rest(&r);
    }
    e->heard_ms = now_ms;
    return 0;
}

int mu_tunnel_end_take(struct mu_tunnel_end *e, uint64_t now_ms,
                       struct mu_bytes in, struct mu_bytes *packet)
{
    int rc = MU_ERR_MALFORMED;

    *packet = mu_bytes(NULL, 0);
    if (in.len == 0)
        return rc;
    switch (in.data[0]) {
    case MU_TUNNEL_CHALLENGE:
        rc = end_challenge(e, now_ms, in);
        break;
    case MU_TUNNEL_WELCOME:
        rc = end_welcome(e, now_ms, in);
        break;
    case MU_TUNNEL_PACKET:
    case MU_TUNNEL_ANSWER:
        rc = end_session(e, now_ms, in, packet);
        break;
    default:
        break;
    }
    if (rc != 0)
        e->said.refused++;
    return rc;
}

void mu_tunnel_end_clear(struct mu_tunnel_end *e)
{
    mu_wipe(e, sizeof(*e));
}
