/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a tree: says, waits as long as the tree is high, repeats, and
 * goes after sums that are false, one node opened at a time.
 */
#include "hop/tree.h"

/* A group for each distance, as far as there are groups; in a fully connected
 * area all are one hop away. */
static uint8_t root_groups(const struct mu_tree_root_conf *c)
{
    uint8_t most = c->plan[0].height;

    if (c->full)
        return 1;
    return most < MU_HOP_GROUPS_MAX ? most : MU_HOP_GROUPS_MAX;
}

static uint8_t root_group(const struct mu_tree_root *r, uint16_t index)
{
    uint8_t depth = r->conf.full ? 1 : r->conf.plan[index].depth;

    return (uint8_t)((depth < r->hop.groups ? depth : r->hop.groups) - 1);
}

static int root_expect(void *context, uint16_t index, uint8_t ack[MU_ACK_LEN])
{
    struct mu_tree_root *r = context;
    size_t head = TREE_ADDRESS + 7 +
                  (size_t)r->hop.groups * (MU_HOP_KEY + MU_HOP_TAG);
    struct mu_secret kmr;
    int rc;

    if (index == 0 || index >= r->conf.nodes)
        return MU_ERR_NOT_FOUND;
    rc = r->conf.kmr(r->conf.ctx, index, &kmr);
    if (rc == 0)
        rc = mu_tree_ack(r->conf.crypto, &kmr, r->conf.stream, index, r->at,
                         mu_bytes(r->packet + head, r->packet_len - head), ack);
    mu_secret_clear(&kmr);
    return rc;
}

int mu_tree_root_init(struct mu_tree_root *r,
                      const struct mu_tree_root_conf *conf)
{
    const struct mu_crypto *c = conf->crypto;
    int rc;

    if (conf->nodes < 2 || conf->wait_ms == 0 ||
        !mu_ack_shift_known(conf->shift))
        return MU_ERR_USAGE;
    mu_zero(r, sizeof *r);
    r->conf = *conf;
    r->acks = conf->acks;
    r->expect = (struct mu_ack_expect){r, root_expect};
    r->acks.expect = &r->expect;
    r->acks.nodes = conf->nodes;
    r->check_at = MU_TIME_NEVER;
    r->open_at = MU_TIME_NEVER;
    mu_ack_root_init(&r->acks);
    r->kctl.len = 16;
    rc = c->random(c->ctx, r->kctl.bytes, r->kctl.len);
    if (rc == 0)
        rc = mu_hop_sender_init(&r->hop, c, conf->stream, root_groups(conf),
                                conf->messages_max);
    return rc;
}

int mu_tree_root_save(const struct mu_tree_root *r, uint32_t ahead,
                      struct mu_writer *w)
{
    mu_write_u8(w, r->conf.stream);
    mu_write_u8(w, r->hop.groups);
    mu_write_u32(w, r->hop.length);
    mu_write_u32(w, r->hop.at + ahead);
    mu_write_bytes(w, mu_secret_view(&r->kctl));
    for (uint8_t i = 0; i < r->hop.groups; i++)
        mu_write_bytes(w, MU_BYTES(r->hop.keys[i]));
    return mu_writer_end(w);
}

int mu_tree_root_load(struct mu_tree_root *r, struct mu_bytes saved)
{
    struct mu_reader in = mu_reader(saved);
    struct mu_hop_sender hop = r->hop;
    bool same = mu_read_u8(&in) == r->conf.stream;
    struct mu_secret kctl = {.len = 0};
    int rc = MU_ERR_CORRUPT;

    same = mu_read_u8(&in) == hop.groups && same;
    if (in.failed || !same)
        return in.failed ? MU_ERR_CORRUPT : MU_ERR_UNSUPPORTED;
    hop.length = mu_read_u32(&in);
    hop.at = mu_read_u32(&in);
    if (mu_secret_set(&kctl, mu_read_bytes(&in, 16)) == 0) {
        for (uint8_t i = 0; i < hop.groups; i++)
            mu_read_copy(&in, hop.keys[i], MU_HOP_KEY);
        rc = mu_reader_end(&in) != 0 || hop.at > hop.length ? MU_ERR_CORRUPT
                                                            : 0;
    }
    if (rc == 0) {
        r->hop = hop;
        r->kctl = kctl;
    }
    mu_wipe(&hop, sizeof hop);
    mu_secret_clear(&kctl);
    return rc;
}

void mu_tree_root_clear(struct mu_tree_root *r)
{
    mu_hop_sender_clear(&r->hop);
    mu_wipe(r, sizeof *r);
}

int mu_tree_root_say(struct mu_tree_root *r, mu_time now,
                     struct mu_bytes message)
{
    struct mu_writer w = mu_writer(r->packet, sizeof r->packet);
    int rc;

    if (r->running)
        return MU_ERR_BUSY;
    mu_tree_begin(&w, MU_TREE_MESSAGE, r->conf.stream, 0);
    rc = mu_source_hop.seal(&r->hop, now, message, &w);
    if (rc != 0)
        return rc;
    r->packet_len = (uint16_t)w.len;
    r->at = r->hop.at;
    mu_ack_root_init(&r->acks);
    r->running = true;
    r->opening = false;
    r->open_due = false;
    r->open_at = MU_TIME_NEVER;
    r->down_due = true;
    r->tries = 0;
    r->check_at = MU_TIME_NEVER;
    r->counts.messages++;
    return 0;
}

uint16_t mu_tree_root_missing(const struct mu_tree_root *r)
{
    uint16_t n = 0;

    for (uint16_t i = 1; i < r->conf.nodes; i++)
        n = (uint16_t)(n + !mu_ack_root_proved(&r->acks, i));
    return n;
}

bool mu_tree_root_over(const struct mu_tree_root *r)
{
    return !r->running;
}

/* ---- the hunt ------------------------------------------------------------ */

static void root_hunt(struct mu_tree_root *r)
{
    if (r->opening || !mu_ack_root_next(&r->acks, &r->open))
        return;
    r->opening = true;
    r->open_due = true;
    r->open_tries = 0;
    r->open_at = MU_TIME_NEVER;
}

/* Whether anything can still come of this message. */
static void root_end(struct mu_tree_root *r)
{
    root_hunt(r);
    if (mu_tree_root_missing(r) == 0 ||
        (!r->opening && r->tries >= TREE_TRIES &&
         r->check_at == MU_TIME_NEVER)) {
        r->running = false;
        r->down_due = false;
        r->open_due = false;
        r->check_at = MU_TIME_NEVER;
        r->open_at = MU_TIME_NEVER;
    }
}

static uint16_t root_branch_end(void *tree, uint16_t index)
{
    const struct mu_tree_root *r = tree;

    return index < r->conf.nodes ? r->conf.plan[index].end : 0;
}

static int root_answer(struct mu_tree_root *r, struct mu_bytes answer)
{
    int rc = mu_ack_root_opened(&r->acks, &r->open, answer, root_branch_end, r);

    r->opening = false;
    r->open_due = false;
    r->open_at = MU_TIME_NEVER;
    root_end(r);
    return rc;
}

static int root_opened(struct mu_tree_root *r, uint16_t from,
                       struct mu_bytes packet)
{
    struct mu_reader in = mu_reader(packet);
    struct mu_secret kmr, key;
    int rc;

    if (!r->opening || from != r->open.below)
        return MU_ERR_UNEXPECTED;
    rc = r->conf.kmr(r->conf.ctx, from, &kmr);
    if (rc == 0)
        rc = mu_tree_key(r->conf.crypto, &kmr, "tree opened", &key);
    if (rc == 0)
        rc = mu_tree_sealed(r->conf.crypto, &key, packet);
    mu_secret_clear(&kmr);
    mu_secret_clear(&key);
    if (rc == MU_ERR_AUTH)
        r->counts.forged++;
    (void)mu_read_u32(&in);
    if (rc == 0 && mu_read_u32(&in) != r->at)
        rc = MU_ERR_UNEXPECTED;
    if (rc != 0 || packet.len < TREE_ACK_HEAD + MU_TAG_LEN)
        return rc != 0 ? rc : MU_ERR_TRUNCATED;
    return root_answer(r, mu_read_bytes(&in, packet.len - TREE_ACK_HEAD -
                                                 MU_TAG_LEN));
}

/* ---- in ------------------------------------------------------------------ */

static int root_acked(struct mu_tree_root *r, uint16_t from,
                      struct mu_bytes packet)
{
    struct mu_bytes set;
    uint32_t place;
    int rc = mu_tree_ack_consume(r->conf.crypto, &r->kctl, packet, &place,
                                 &set);

    if (rc == MU_ERR_AUTH)
        r->counts.forged++;
    if (rc == 0 && (!r->running || place != r->at || from == 0 ||
                    from >= r->conf.nodes || r->conf.plan[from].parent != 0))
        rc = MU_ERR_UNEXPECTED;
    if (rc == 0)
        rc = mu_ack_root_take(&r->acks, from, from, r->conf.plan[from].end,
                              set);
    if (rc == 0)
        root_end(r);
    return rc;
}

/* Comes in, or comes in anew, with the nonce of whoever knows its key. */
static int root_join(struct mu_tree_root *r, uint16_t from,
                     struct mu_bytes packet)
{
    struct mu_tree_guest *g = NULL;
    struct mu_secret kmr, key;
    int rc;

    if (from == 0 || from >= r->conf.nodes || packet.len != TREE_JOIN_LEN)
        return MU_ERR_UNEXPECTED;
    rc = r->conf.kmr(r->conf.ctx, from, &kmr);
    if (rc == 0)
        rc = mu_tree_key(r->conf.crypto, &kmr, "tree join", &key);
    if (rc == 0)
        rc = mu_tree_sealed(r->conf.crypto, &key, packet);
    mu_secret_clear(&kmr);
    mu_secret_clear(&key);
    if (rc == MU_ERR_AUTH)
        r->counts.forged++;
    for (size_t i = 0; i < MU_TREE_SLOTS && rc == 0; i++) {
        if (!r->guests[i].used || r->guests[i].index == from)
            g = &r->guests[i];
        if (r->guests[i].used && r->guests[i].index == from)
            break;
    }
    if (rc != 0 || g == NULL)
        return rc != 0 ? rc : MU_ERR_FULL; /* it asks again */
    g->used = true;
    g->index = from;
    mu_copy(g->nonce, packet.data + TREE_ADDRESS, MU_TREE_NONCE);
    return 0;
}

int mu_tree_root_packet(struct mu_tree_root *r, mu_time now,
                        struct mu_bytes packet)
{
    struct tree_address a;
    int rc = mu_tree_peek(packet, r->conf.stream, &a);

    (void)now;
    if (rc != 0)
        return rc;
    switch (a.kind) {
    case MU_TREE_ACK:
        return root_acked(r, a.index, packet);
    case MU_TREE_OPENED:
        return root_opened(r, a.index, packet);
    case MU_TREE_JOIN:
        return root_join(r, a.index, packet);
    default:
        return MU_ERR_UNEXPECTED;
    }
}

/* ---- out ----------------------------------------------------------------- */

/* The keys of the tree, as far as they are known: while a message is under way
 * the chain is at the place before it, so that the guest can prove it. */
static int welcome_write(struct mu_tree_root *r, const struct mu_tree_guest *g,
                         struct mu_writer *w)
{
    const struct mu_crypto *c = r->conf.crypto;
    static const uint8_t nonce[13] = {0}; /* the key is for this one message */
    uint8_t plain[TREE_WELCOME_PLAIN], salt[MU_TREE_NONCE], key[MU_HOP_KEY];
    struct mu_writer p = mu_writer(plain, sizeof plain);
    uint32_t place = r->hop.at - (r->running ? 1u : 0u);
    struct mu_secret kmr, seal;
    struct mu_aead a = {.alg = MU_ALG_AES_CCM_16_64_128, .key = &seal,
                        .nonce = MU_BYTES(nonce)};
    size_t start = w->len, len = 0;
    uint8_t *room;
    int rc = c->random(c->ctx, salt, sizeof salt);

    mu_tree_begin(w, MU_TREE_WELCOME, r->conf.stream, g->index);
    mu_write_bytes(w, MU_BYTES(salt));
    a.aad = mu_bytes(w->data + start, w->len - start);
    if (rc == 0)
        rc = mu_hop_key_at(&r->hop, root_group(r, g->index), place, key);
    mu_write_u8(&p, r->hop.groups);
    mu_write_u8(&p, root_group(r, g->index));
    mu_write_u32(&p, place);
    mu_write_bytes(&p, MU_BYTES(key));
    mu_write_bytes(&p, mu_secret_view(&r->kctl));
    room = mu_write_room(w, TREE_WELCOME_PLAIN + 8);
    if (rc == 0)
        rc = r->conf.kmr(r->conf.ctx, g->index, &kmr);
    if (rc == 0)
        rc = mu_tree_welcome_key(c, &kmr, g->nonce, salt, &seal);
    if (rc == 0 && (room == NULL || mu_writer_end(&p) != 0))
        rc = MU_ERR_TOO_LARGE;
    if (rc == 0)
        rc = c->seal(c->ctx, &a, mu_written(&p), room, &len);
    mu_secret_clear(&kmr);
    mu_secret_clear(&seal);
    mu_wipe(plain, sizeof plain);
    mu_wipe(key, sizeof key);
    return rc;
}

static size_t next_welcome(struct mu_tree_root *r, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);

    for (size_t i = 0; i < MU_TREE_SLOTS; i++) {
        if (!r->guests[i].used)
            continue;
        r->guests[i].used = false;
        r->counts.joins++;
        return welcome_write(r, &r->guests[i], &w) == 0 ? w.len : 0;
    }
    return 0;
}

static size_t next_open(struct mu_tree_root *r, mu_time now, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);

    if (r->opening && now >= r->open_at) {
        r->open_at = MU_TIME_NEVER;
        if (r->open_tries >= TREE_OPEN_TRIES)
            (void)!root_answer(r, (struct mu_bytes){NULL, 0});
        else
            r->open_due = true;
    }
    if (!r->open_due)
        return 0;
    r->open_due = false;
    r->open_tries++;
    r->open_at = now + mu_tree_patience(r->conf.wait_ms,
                                        r->conf.plan[r->open.below].depth);
    mu_tree_begin(&w, MU_TREE_OPEN, r->conf.stream, r->open.below);
    mu_write_u32(&w, r->at);
    return mu_tag_put(r->conf.crypto, &r->kctl, &w, 0) == 0 ? w.len : 0;
}

static size_t next_message(struct mu_tree_root *r, mu_time now, uint8_t *to)
{
    if (now >= r->check_at) {
        r->check_at = MU_TIME_NEVER;
        if (r->tries < TREE_TRIES)
            r->down_due = true;
        else
            root_end(r);
    }
    if (!r->down_due)
        return 0;
    r->down_due = false;
    r->tries++;
    r->check_at = now + mu_tree_patience(r->conf.wait_ms,
                                         (uint8_t)(r->conf.plan[0].height + 1));
    mu_copy(to, r->packet, r->packet_len);
    r->counts.sent_down++;
    return r->packet_len;
}

size_t mu_tree_root_next(struct mu_tree_root *r, mu_time now, uint8_t *to)
{
    size_t len = next_welcome(r, to);

    if (len == 0)
        len = next_open(r, now, to);
    if (len == 0)
        len = next_message(r, now, to);
    r->counts.bytes += len;
    return len;
}

mu_time mu_tree_root_deadline(const struct mu_tree_root *r)
{
    for (size_t i = 0; i < MU_TREE_SLOTS; i++) {
        if (r->guests[i].used)
            return 0;
    }
    if (r->down_due || r->open_due)
        return 0;
    return r->check_at < r->open_at ? r->check_at : r->open_at;
}
