/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node of a tree. It passes on what it has proved itself, adds up what its
 * branches say, and repeats the message for those that are silent. What it
 * passes on for others (JOIN, OPENED up; WELCOME, OPEN down) is bounded: so
 * many at a time, and no faster than a hop takes.
 */
#include "hop/tree.h"

enum {
    JOIN_DOUBLINGS = 4,
    REJOIN_WAITS = 16,
    PASS_TIMES = 2, /* nobody answers for one hop of the way: said twice */
};

static mu_time node_wait(const struct mu_tree_node *n)
{
    return MU_MS(n->conf.wait_ms);
}

static mu_time node_spread(struct mu_tree_node *n, mu_time below)
{
    n->random ^= n->random << 13; /* xorshift32, Marsaglia 2003 */
    n->random ^= n->random >> 17;
    n->random ^= n->random << 5;
    return below * (n->random >> 16) >> 16;
}

static int node_join_anew(struct mu_tree_node *n, mu_time now)
{
    const struct mu_crypto *c = n->conf.crypto;

    n->join_tries = 0;
    n->join_at = now + node_spread(n, node_wait(n));
    return c->random(c->ctx, n->nonce, sizeof n->nonce);
}

int mu_tree_node_init(struct mu_tree_node *n,
                      const struct mu_tree_node_conf *conf, mu_time now)
{
    if (conf->index == 0 || conf->place.end <= conf->index ||
        conf->wait_ms == 0 || !mu_ack_shift_known(conf->shift))
        return MU_ERR_USAGE;
    mu_zero(n, sizeof *n);
    n->conf = *conf;
    n->kmr = *conf->kmr;
    n->conf.kmr = &n->kmr;
    n->random = conf->seed ^ (0x9e3779b9u + conf->index * 0x10001u);
    if (n->random == 0)
        n->random = 1;
    n->up_at = MU_TIME_NEVER;
    n->check_at = MU_TIME_NEVER;
    return node_join_anew(n, now);
}

void mu_tree_node_clear(struct mu_tree_node *n)
{
    mu_wipe(n, sizeof *n);
}

/* ---- branches ------------------------------------------------------------ */

static bool branch_whole(const struct mu_ack_branch *b)
{
    struct mu_ack_set s;

    return b->len > 0 && mu_ack_set_consume(mu_bytes(b->data, b->len), &s) == 0 &&
           mu_ack_members(s.named) == (size_t)(b->end - b->index);
}

static bool node_whole(const struct mu_tree_node *n)
{
    for (size_t i = 0; i < n->conf.branches_len; i++) {
        if (!branch_whole(&n->conf.branches[i]))
            return false;
    }
    return true;
}

/* ---- the message --------------------------------------------------------- */

static struct mu_bytes node_message(const struct mu_tree_node *n)
{
    size_t head = TREE_ADDRESS + 7 +
                  (size_t)n->hop.groups * (MU_HOP_KEY + MU_HOP_TAG);

    return mu_bytes(n->packet + head, n->packet_len - head);
}

static int node_new(struct mu_tree_node *n, mu_time now,
                    struct mu_bytes packet)
{
    uint8_t ack[MU_ACK_LEN];
    int rc;

    mu_copy(n->packet, packet.data, packet.len);
    n->packet_len = (uint16_t)packet.len;
    n->at = n->hop.at;
    n->ready = true;
    n->counts.messages++;
    mu_ack_node_init(&n->acks, n->conf.index, n->conf.place.end, n->conf.shift,
                     n->conf.branches, n->conf.branches_len);
    rc = mu_tree_ack(n->conf.crypto, &n->kmr, n->conf.stream, n->conf.index,
                     n->at, node_message(n), ack);
    if (rc != 0)
        return rc;
    mu_ack_node_own(&n->acks, ack);
    n->tries = 0;
    n->up_at = MU_TIME_NEVER;
    n->check_at = MU_TIME_NEVER;
    if (n->conf.branches_len == 0)
        n->up_at = now + node_spread(n, node_wait(n) / 2);
    else if (n->conf.full) /* they have heard it as we did */
        n->check_at = now + mu_tree_patience(n->conf.wait_ms,
                                             n->conf.place.height);
    else
        n->down_due = true;
    return 0;
}

/* The parent says it again: our answer was lost, or did not come yet. */
static void node_again(struct mu_tree_node *n, mu_time now)
{
    if (now < n->again_at)
        return;
    n->again_at = now + node_wait(n);
    n->up_at = now + node_spread(n, node_wait(n) / 4);
    if (!node_whole(n) && n->check_at == MU_TIME_NEVER) {
        n->tries = 0;
        n->down_due = true;
    }
}

static int node_told(struct mu_tree_node *n, mu_time now, uint16_t from,
                     struct mu_bytes packet)
{
    struct mu_bytes inner = mu_bytes(packet.data + TREE_ADDRESS,
                                     packet.len - TREE_ADDRESS);
    struct mu_source_message m;
    struct mu_reader r = mu_reader(inner);
    uint32_t place;
    int rc;

    if (from != n->conf.place.parent && !(n->conf.full && from == 0))
        return MU_ERR_UNEXPECTED;
    (void)mu_read_u16(&r);
    place = mu_read_u32(&r);
    if (r.failed)
        return MU_ERR_TRUNCATED;
    if (!n->joined)
        return MU_ERR_UNKNOWN_KEY;
    if (place == n->at && n->at != 0 && packet.len == n->packet_len &&
        mu_bytes_eq(inner, mu_bytes(n->packet + TREE_ADDRESS, inner.len))) {
        if (from == n->conf.place.parent)
            node_again(n, now);
        return 0;
    }
    rc = mu_source_hop.packet(&n->hop, now, inner);
    if (rc == MU_ERR_AUTH)
        n->counts.forged++;
    if (rc == 0 && mu_source_hop.take(&n->hop, &m))
        return node_new(n, now, packet);
    /* One was missed, or the root has other chains: asks where they are. Who
     * forges makes it ask now and then, and the answer is what it has. */
    if (rc != 0 && n->join_at == MU_TIME_NEVER && now >= n->rejoin_at) {
        n->rejoin_at = now + REJOIN_WAITS * node_wait(n);
        if (node_join_anew(n, now) != 0)
            n->join_at = MU_TIME_NEVER; /* with a nonce that was used: later */
    }
    return rc;
}

static int node_acked(struct mu_tree_node *n, mu_time now, uint16_t from,
                      struct mu_bytes packet)
{
    struct mu_bytes set;
    uint32_t place;
    int rc;

    if (!n->joined)
        return MU_ERR_UNKNOWN_KEY;
    rc = mu_tree_ack_consume(n->conf.crypto, &n->kctl, packet, &place, &set);
    if (rc == MU_ERR_AUTH)
        n->counts.forged++;
    if (rc == 0 && (place != n->at || n->at == 0))
        rc = MU_ERR_UNEXPECTED;
    if (rc == 0)
        rc = mu_ack_node_hear(&n->acks, from, set);
    if (rc != 0)
        return rc;
    if (node_whole(n)) {
        n->up_at = now;
        n->check_at = MU_TIME_NEVER;
        n->down_due = false;
    } else if (n->check_at == MU_TIME_NEVER) {
        n->up_at = now + node_wait(n); /* late ones, a few at a time */
    }
    return 0;
}

/* ---- what goes through --------------------------------------------------- */

static bool node_passed(const struct mu_tree_node *n, mu_time now,
                        struct mu_bytes packet)
{
    for (size_t i = 0; i < MU_TREE_SLOTS; i++) {
        const struct mu_tree_pass *p = &n->pass[i];

        if (p->len == packet.len && (p->left > 0 || now < p->at) &&
            mu_bytes_eq(mu_bytes(p->data, p->len), packet))
            return true;
    }
    return false;
}

static int node_pass(struct mu_tree_node *n, mu_time now, enum mu_tree_way way,
                     struct mu_bytes packet)
{
    struct mu_tree_pass *free = NULL;

    if (packet.len > MU_TREE_PASS_MAX)
        return MU_ERR_TOO_LARGE;
    if (node_passed(n, now, packet))
        return 0;
    for (size_t i = 0; i < MU_TREE_SLOTS; i++) {
        struct mu_tree_pass *p = &n->pass[i];

        if (p->left == 0 && (free == NULL || p->at < free->at))
            free = p;
    }
    /* A burst of as many as there are slots, then one for each wait. */
    if (free == NULL ||
        now + node_wait(n) * MU_TREE_SLOTS < n->pass_at) {
        n->counts.refused++;
        return MU_ERR_BUSY;
    }
    free->way = way;
    free->left = PASS_TIMES;
    free->at = now;
    free->len = (uint16_t)packet.len;
    mu_copy(free->data, packet.data, packet.len);
    n->pass_at = (n->pass_at > now ? n->pass_at : now) + node_wait(n);
    n->counts.passed++;
    return 0;
}

static int node_opened(struct mu_tree_node *n, mu_time now,
                       struct mu_bytes packet)
{
    uint8_t out[MU_TREE_PASS_MAX];
    struct mu_writer w = mu_writer(out, sizeof out);
    struct mu_reader r = mu_reader(packet);
    struct mu_secret key;
    int rc = n->joined ? mu_tree_sealed(n->conf.crypto, &n->kctl, packet)
                       : MU_ERR_UNKNOWN_KEY;

    (void)mu_read_u32(&r);
    if (rc == 0 && (mu_read_u32(&r) != n->at || n->at == 0))
        rc = MU_ERR_UNEXPECTED;
    if (rc != 0)
        return rc;
    mu_tree_begin(&w, MU_TREE_OPENED, n->conf.stream, n->conf.index);
    mu_write_u32(&w, n->at);
    rc = mu_ack_node_open(&n->acks, &w);
    if (rc == 0)
        rc = mu_tree_key(n->conf.crypto, &n->kmr, "tree opened", &key);
    if (rc == 0)
        rc = mu_tag_put(n->conf.crypto, &key, &w, 0);
    mu_secret_clear(&key);
    return rc != 0 ? rc : node_pass(n, now, MU_TREE_UP, mu_written(&w));
}

/* ---- in ------------------------------------------------------------------ */

static int welcome_take(struct mu_tree_node *n, struct mu_bytes plain)
{
    struct mu_reader r = mu_reader(plain);
    uint8_t groups = mu_read_u8(&r), group = mu_read_u8(&r);
    uint32_t place = mu_read_u32(&r);
    struct mu_bytes key = mu_read_bytes(&r, MU_HOP_KEY);
    struct mu_bytes kctl = mu_read_bytes(&r, 16);

    if (mu_reader_end(&r) != 0 || groups == 0 || groups > MU_HOP_GROUPS_MAX ||
        group >= groups)
        return MU_ERR_MALFORMED;
    mu_hop_receiver_init(&n->hop, n->conf.crypto, n->conf.stream, group, groups,
                         key.data);
    n->hop.at = place;
    n->joined = true;
    n->join_at = MU_TIME_NEVER;
    return mu_secret_set(&n->kctl, kctl);
}

static int node_welcome(struct mu_tree_node *n, struct mu_bytes packet)
{
    uint8_t plain[TREE_WELCOME_PLAIN + 8];
    static const uint8_t nonce[13] = {0}; /* the key is for this one message */
    struct mu_secret key;
    struct mu_aead a = {.alg = MU_ALG_AES_CCM_16_64_128, .key = &key,
                        .nonce = MU_BYTES(nonce)};
    size_t head = TREE_ADDRESS + MU_TREE_NONCE, len = 0;
    int rc;

    if (n->join_at == MU_TIME_NEVER) /* not asked for */
        return MU_ERR_UNEXPECTED;
    if (packet.len != TREE_WELCOME_LEN)
        return MU_ERR_MALFORMED;
    a.aad = mu_bytes(packet.data, head);
    rc = mu_tree_welcome_key(n->conf.crypto, &n->kmr, n->nonce,
                             packet.data + TREE_ADDRESS, &key);
    if (rc == 0)
        rc = n->conf.crypto->open(n->conf.crypto->ctx, &a,
                                  mu_bytes(packet.data + head,
                                           packet.len - head), plain, &len);
    if (rc == 0)
        rc = welcome_take(n, mu_bytes(plain, len));
    else if (rc == MU_ERR_AUTH)
        n->counts.forged++;
    mu_secret_clear(&key);
    mu_wipe(plain, sizeof plain);
    return rc;
}

static bool node_below(const struct mu_tree_node *n, uint16_t index)
{
    return index > n->conf.index && index < n->conf.place.end;
}

int mu_tree_node_packet(struct mu_tree_node *n, mu_time now,
                        struct mu_bytes packet)
{
    struct tree_address a;
    int rc = mu_tree_peek(packet, n->conf.stream, &a);

    if (rc != 0)
        return rc;
    switch (a.kind) {
    case MU_TREE_MESSAGE:
        return node_told(n, now, a.index, packet);
    case MU_TREE_ACK:
        return node_acked(n, now, a.index, packet);
    case MU_TREE_WELCOME:
    case MU_TREE_OPEN:
        if (a.index == n->conf.index)
            return a.kind == MU_TREE_WELCOME ? node_welcome(n, packet)
                                             : node_opened(n, now, packet);
        return node_below(n, a.index)
                   ? node_pass(n, now, MU_TREE_DOWN, packet)
                   : MU_ERR_UNEXPECTED;
    case MU_TREE_JOIN:
    case MU_TREE_OPENED:
        return node_below(n, a.index) ? node_pass(n, now, MU_TREE_UP, packet)
                                      : MU_ERR_UNEXPECTED;
    default:
        return MU_ERR_UNEXPECTED;
    }
}

/* ---- out ----------------------------------------------------------------- */

static size_t next_pass(struct mu_tree_node *n, mu_time now, uint8_t *to,
                        enum mu_tree_way *way)
{
    for (size_t i = 0; i < MU_TREE_SLOTS; i++) {
        struct mu_tree_pass *p = &n->pass[i];

        if (p->left == 0 || now < p->at)
            continue;
        mu_copy(to, p->data, p->len);
        *way = p->way;
        p->left--;
        p->at = now + (p->left > 0 ? node_spread(n, node_wait(n))
                                   : 2 * node_wait(n));
        return p->len;
    }
    return 0;
}

static size_t next_down(struct mu_tree_node *n, mu_time now, uint8_t *to)
{
    if (now >= n->check_at) {
        n->check_at = MU_TIME_NEVER;
        if (n->tries < TREE_TRIES && !node_whole(n))
            n->down_due = true;
        else
            n->up_at = now; /* with those that there are */
    }
    if (!n->down_due)
        return 0;
    n->down_due = false;
    n->tries++;
    n->check_at = now + mu_tree_patience(n->conf.wait_ms,
                                         n->conf.place.height);
    mu_copy(to, n->packet, n->packet_len);
    to[2] = (uint8_t)(n->conf.index >> 8);
    to[3] = (uint8_t)n->conf.index;
    n->counts.sent_down++;
    return n->packet_len;
}

static size_t next_up(struct mu_tree_node *n, mu_time now, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);

    if (now < n->up_at)
        return 0;
    n->up_at = MU_TIME_NEVER;
    mu_tree_begin(&w, MU_TREE_ACK, n->conf.stream, n->conf.index);
    mu_write_u32(&w, n->at);
    if (mu_ack_node_write(&n->acks, n->conf.memory, n->conf.memory_len,
                          &w) != 0 ||
        mu_tag_put(n->conf.crypto, &n->kctl, &w, 0) != 0)
        return 0;
    n->counts.sent_up++;
    return w.len;
}

static size_t next_join(struct mu_tree_node *n, mu_time now, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    struct mu_secret key;
    int rc;

    if (now < n->join_at)
        return 0;
    if (n->join_tries < JOIN_DOUBLINGS)
        n->join_tries++;
    n->join_at = now + ((node_wait(n) * n->conf.place.depth) << n->join_tries) +
                 node_spread(n, node_wait(n) << n->join_tries);
    mu_tree_begin(&w, MU_TREE_JOIN, n->conf.stream, n->conf.index);
    mu_write_bytes(&w, MU_BYTES(n->nonce));
    rc = mu_tree_key(n->conf.crypto, &n->kmr, "tree join", &key);
    if (rc == 0)
        rc = mu_tag_put(n->conf.crypto, &key, &w, 0);
    mu_secret_clear(&key);
    n->counts.joins++;
    return rc == 0 ? w.len : 0;
}

size_t mu_tree_node_next(struct mu_tree_node *n, mu_time now, uint8_t *to,
                         enum mu_tree_way *way)
{
    size_t len = next_pass(n, now, to, way);

    if (len == 0) {
        *way = MU_TREE_DOWN;
        len = next_down(n, now, to);
    }
    if (len == 0) {
        *way = MU_TREE_UP;
        len = next_up(n, now, to);
    }
    if (len == 0)
        len = next_join(n, now, to);
    n->counts.bytes += len;
    return len;
}

mu_time mu_tree_node_deadline(const struct mu_tree_node *n)
{
    mu_time at = n->join_at;

    if (n->down_due)
        return 0;
    for (size_t i = 0; i < MU_TREE_SLOTS; i++) {
        if (n->pass[i].left > 0 && n->pass[i].at < at)
            at = n->pass[i].at;
    }
    at = n->up_at < at ? n->up_at : at;
    return n->check_at < at ? n->check_at : at;
}

bool mu_tree_node_take(struct mu_tree_node *n, uint32_t *place,
                       struct mu_bytes *message)
{
    if (!n->ready)
        return false;
    n->ready = false;
    *place = n->at;
    *message = node_message(n);
    return true;
}
