/* SPDX-License-Identifier: Apache-2.0 */
/* The sender's end of tunnels to relays. */
#include <string.h>

#include "net/tunnel_msg.h"

#define JOIN_TAG 16

int mu_tunnel_head_init(struct mu_tunnel_head *h,
                        const struct mu_crypto *crypto, const char *group)
{
    size_t len = strlen(group);

    *h = (struct mu_tunnel_head){ .crypto = crypto };
    if (len >= sizeof(h->group))
        return MU_ERR_TOO_LARGE;
    memcpy(h->group, group, len + 1);
    return crypto->random(crypto->ctx, h->cookie_key, sizeof(h->cookie_key));
}

static struct mu_tunnel_relay *head_find(struct mu_tunnel_head *h,
                                         struct mu_bytes identity)
{
    for (size_t i = 0; i < h->relays_len; i++) {
        if (mu_bytes_eq(identity, mu_bytes_str(h->relays[i].identity)))
            return &h->relays[i];
    }
    return NULL;
}

int mu_tunnel_head_add(struct mu_tunnel_head *h, const char *identity,
                       const struct mu_secret *root)
{
    struct mu_tunnel_relay *r;
    size_t len = strlen(identity);

    if (len == 0 || len > MU_ID_MAX)
        return MU_ERR_USAGE;
    if (head_find(h, mu_bytes_str(identity)) != NULL)
        return MU_ERR_CONFLICT;
    if (h->relays_len == MU_TUNNEL_RELAYS_MAX)
        return MU_ERR_FULL;
    r = &h->relays[h->relays_len];
    *r = (struct mu_tunnel_relay){ .root = *root };
    memcpy(r->identity, identity, len + 1);
    int rc = tunnel_join_key(h->crypto, root, &r->join_key);

    if (rc == 0)
        h->relays_len++;
    return rc;
}

/* Says of a join that it came from there, after the last session that was
 * made, in this run of the sender: void as soon as one of these changes. */
static int head_cookie(const struct mu_tunnel_head *h,
                       const struct mu_tunnel_relay *r,
                       const struct mu_addr *from,
                       struct mu_bytes nonce, uint8_t out[MU_TUNNEL_NONCE])
{
    uint8_t count[4], mac[MU_SHA256_LEN];
    char at[MU_ADDR_PORT_TEXT];
    struct mu_writer w = mu_writer(count, sizeof(count));

    mu_addr_text(from, at);
    mu_write_u32(&w, r->sessions);
    const struct mu_bytes parts[] = {
        MU_BYTES(count), nonce, mu_bytes_str(at), mu_bytes_str(r->identity),
    };
    int rc = mu_hmac(h->crypto, MU_BYTES(h->cookie_key), parts, 4, mac);

    if (rc == 0)
        memcpy(out, mac, MU_TUNNEL_NONCE);
    return rc;
}

static int head_challenge(const struct mu_tunnel_head *h,
                          const struct mu_tunnel_relay *r,
                          struct mu_bytes nonce, struct mu_bytes cookie,
                          struct mu_writer *answer)
{
    mu_write_u8(answer, MU_TUNNEL_CHALLENGE);
    mu_write_bytes(answer, nonce);
    mu_write_bytes(answer, cookie);
    return tunnel_seal(h->crypto, &r->join_key, JOIN_TAG, answer);
}

static int head_welcome(const struct mu_tunnel_head *h,
                        const struct mu_tunnel_relay *r,
                        struct mu_writer *answer)
{
    mu_write_u8(answer, MU_TUNNEL_WELCOME);
    mu_write_bytes(answer, mu_bytes(r->nonces, TUNNEL_SID));
    mu_write_u8(answer, (uint8_t)strlen(h->group));
    mu_write_bytes(answer, mu_bytes_str(h->group));
    return tunnel_seal(h->crypto, &r->key, JOIN_TAG, answer);
}

static int head_session(struct mu_tunnel_head *h, struct mu_tunnel_relay *r,
                        uint64_t now_ms, const struct mu_addr *from,
                        struct mu_bytes nonces)
{
    struct mu_secret key;
    int rc = tunnel_session_key(h->crypto, &r->root, nonces.data, &key);

    if (rc != 0)
        return rc;
    memcpy(r->nonces, nonces.data, sizeof(r->nonces));
    r->key = key;
    mu_secret_clear(&key);
    r->sessions++;
    r->up = true;
    r->at = *from;
    r->sent = r->heard = r->said_sent = 0;
    r->said = (struct mu_tunnel_said){ 0 };
    r->heard_ms = now_ms;
    return 0;
}

static int head_join(struct mu_tunnel_head *h, uint64_t now_ms,
                     const struct mu_addr *from, struct mu_bytes in,
                     struct mu_writer *answer, size_t *relay)
{
    struct mu_reader rd = mu_reader(in);
    uint8_t cookie[MU_TUNNEL_NONCE];
    struct mu_bytes body, nonces;
    struct mu_tunnel_relay *r;

    (void)mu_read_u8(&rd);
    r = head_find(h, mu_read_bytes(&rd, mu_read_u8(&rd)));
    nonces = mu_read_bytes(&rd, 2 * MU_TUNNEL_NONCE);
    if (rd.failed || mu_reader_left(&rd) != JOIN_TAG)
        return MU_ERR_MALFORMED;
    if (r == NULL)
        return MU_ERR_UNKNOWN_PEER;
    int rc = tunnel_open(h->crypto, &r->join_key, JOIN_TAG, in, &body);

    if (rc != 0)
        return rc;
    /* Said again, since the welcome got lost: the same session, as it is. */
    if (r->up && mu_addr_eq(&r->at, from) &&
        memcmp(r->nonces, nonces.data, sizeof(r->nonces)) == 0) {
        *relay = (size_t)(r - h->relays);
        return head_welcome(h, r, answer);
    }
    rc = head_cookie(h, r, from, mu_bytes(nonces.data, MU_TUNNEL_NONCE),
                     cookie);
    if (rc != 0)
        return rc;
    if (!mu_ct_eq(cookie, nonces.data + MU_TUNNEL_NONCE, MU_TUNNEL_NONCE))
        return head_challenge(h, r, mu_bytes(nonces.data, MU_TUNNEL_NONCE),
                              MU_BYTES(cookie), answer);
    rc = head_session(h, r, now_ms, from, nonces);
    *relay = (size_t)(r - h->relays);
    return rc == 0 ? head_welcome(h, r, answer) : rc;
}

static int head_alive(struct mu_tunnel_head *h, struct mu_tunnel_relay *r,
                      uint64_t now_ms, const struct mu_addr *from,
                      struct mu_bytes in, struct mu_writer *answer)
{
    struct mu_bytes body;
    int rc = tunnel_open(h->crypto, &r->key, MU_TAG_LEN, in, &body);

    if (rc != 0)
        return rc;
    struct mu_reader rd = mu_reader(body);
    uint32_t seq;
    struct mu_tunnel_said said;

    (void)mu_read_bytes(&rd, 1 + TUNNEL_SID);
    seq = mu_read_u32(&rd);
    uint32_t top = mu_read_u32(&rd);

    said.received = mu_read_u32(&rd);
    said.refused = mu_read_u32(&rd);
    said.emitted = mu_read_u32(&rd);
    rc = mu_reader_end(&rd);
    if (rc != 0)
        return rc;
    if (seq <= r->heard)
        return MU_ERR_REPLAY;
    r->heard = seq;
    r->heard_ms = now_ms;
    r->at = *from; /* its address may change; the key is what it is known by */
    r->said = said;
    r->said_sent = top <= r->sent ? top : r->sent;
    mu_write_u8(answer, MU_TUNNEL_ANSWER);
    mu_write_bytes(answer, mu_bytes(r->nonces, TUNNEL_SID));
    mu_write_u32(answer, seq);
    mu_write_u32(answer, r->sent);
    return tunnel_seal(h->crypto, &r->key, MU_TAG_LEN, answer);
}

int mu_tunnel_head_take(struct mu_tunnel_head *h, uint64_t now_ms,
                        const struct mu_addr *from, struct mu_bytes in,
                        struct mu_writer *answer, size_t *relay)
{
    int rc = MU_ERR_UNKNOWN_PEER;

    *relay = MU_TUNNEL_RELAYS_MAX;
    if (in.len > 0 && in.data[0] == MU_TUNNEL_JOIN) {
        rc = head_join(h, now_ms, from, in, answer, relay);
    } else if (in.len > 1 + TUNNEL_SID && in.data[0] == MU_TUNNEL_ALIVE) {
        for (size_t i = 0; i < h->relays_len && rc != 0; i++) {
            struct mu_tunnel_relay *r = &h->relays[i];

            if (!r->up || memcmp(r->nonces, in.data + 1, TUNNEL_SID) != 0)
                continue;
            rc = head_alive(h, r, now_ms, from, in, answer);
            *relay = i;
        }
    } else {
        rc = MU_ERR_MALFORMED;
    }
    if (rc != 0) {
        h->refused++;
        answer->len = 0;
    }
    return rc;
}

int mu_tunnel_head_wrap(struct mu_tunnel_head *h, size_t relay,
                        struct mu_bytes packet, struct mu_writer *w)
{
    struct mu_tunnel_relay *r = &h->relays[relay];

    if (!r->up)
        return MU_ERR_UNKNOWN_PEER;
    if (r->sent == UINT32_MAX) {
        r->up = false;
        return MU_ERR_EXHAUSTED;
    }
    mu_write_u8(w, MU_TUNNEL_PACKET);
    mu_write_bytes(w, mu_bytes(r->nonces, TUNNEL_SID));
    mu_write_u32(w, ++r->sent);
    mu_write_bytes(w, packet);
    return tunnel_seal(h->crypto, &r->key, MU_TAG_LEN, w);
}

bool mu_tunnel_head_expire(struct mu_tunnel_head *h, uint64_t now_ms)
{
    bool any = false;

    for (size_t i = 0; i < h->relays_len; i++) {
        struct mu_tunnel_relay *r = &h->relays[i];

        if (!r->up || now_ms < r->heard_ms + MU_TUNNEL_SILENT_MS)
            continue;
        r->up = false;
        mu_secret_clear(&r->key);
        any = true;
    }
    return any;
}

void mu_tunnel_head_clear(struct mu_tunnel_head *h)
{
    mu_wipe(h, sizeof(*h));
}
