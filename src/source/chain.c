/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P'i = Pi | H(P'i+1). Packet:
 *
 *   55 (1) stream (1) place (4) H(next packet) (hash length) message
 *
 * The hash of the last one is zero. The start object is signed: {1: stream,
 * 2: packets, 3: H(P'0)}.
 */
#include "muster/source_chain.h"

#include "muster/cbor.h"

enum { CHAIN_HEAD = 6, S_STREAM = 1, S_LENGTH, S_HASH };

static const char chain_aad[] = "muster chain";

/* ---- sender ---- */

size_t mu_chain_work(const struct mu_chain_messages *m, uint8_t hash_len)
{
    return ((size_t)m->len + 1) * hash_len;
}

static void chain_head(const struct mu_chain_sender *s, uint32_t i,
                       uint8_t head[CHAIN_HEAD])
{
    struct mu_writer w = mu_writer(head, CHAIN_HEAD);

    mu_write_u8(&w, MU_SOURCE_CHAIN);
    mu_write_u8(&w, s->stream);
    mu_write_u32(&w, i);
}

/* hashes[i] is that of packet i; hashes[len] is zero. */
static uint8_t *chain_hash(const struct mu_chain_sender *s, uint32_t i)
{
    return s->hashes + (size_t)i * s->hash_len;
}

int mu_chain_sender_init(struct mu_chain_sender *s,
                         const struct mu_source_proof *proof, uint8_t stream,
                         uint8_t hash_len, const struct mu_chain_messages *m,
                         void *work, size_t work_len)
{
    uint8_t head[CHAIN_HEAD], hash[MU_SHA256_LEN];
    struct mu_bytes parts[3] = {MU_BYTES(head)};

    if (m->len == 0 || hash_len < MU_HASH_MIN || hash_len > MU_CHAIN_HASH_MAX)
        return MU_ERR_USAGE;
    if (work_len < mu_chain_work(m, hash_len))
        return MU_ERR_NO_SPACE;
    *s = (struct mu_chain_sender){
        .crypto = proof->crypto, .proof = *proof, .messages = m,
        .stream = stream, .hash_len = hash_len, .hashes = work,
    };
    mu_zero(chain_hash(s, m->len), hash_len);
    for (uint32_t i = m->len; i-- > 0;) {
        int rc = m->get(m->ctx, i, &parts[2]);

        if (rc != 0)
            return rc;
        chain_head(s, i, head);
        parts[1] = mu_bytes(chain_hash(s, i + 1), hash_len);
        mu_sha256(s->crypto, parts, 3, hash);
        mu_copy(chain_hash(s, i), hash, hash_len);
    }
    return 0;
}

void mu_chain_seek(struct mu_chain_sender *s, uint32_t at)
{
    s->at = at;
}

int mu_chain_start_create(const struct mu_chain_sender *s,
                          struct mu_writer *w)
{
    uint8_t payload[64];
    struct mu_writer out = mu_writer(payload, sizeof(payload));

    mu_cbor_put_map(&out, 3);
    mu_cbor_put_uint(&out, S_STREAM);
    mu_cbor_put_uint(&out, s->stream);
    mu_cbor_put_uint(&out, S_LENGTH);
    mu_cbor_put_uint(&out, s->messages->len);
    mu_cbor_put_uint(&out, S_HASH);
    mu_cbor_put_bstr(&out, mu_bytes(chain_hash(s, 0), s->hash_len));
    return mu_source_proof_create(&s->proof, chain_aad, mu_written(&out), w);
}

/* The message is what init was given; the argument has to be that one. */
static int chain_seal(void *sender, mu_time now, struct mu_bytes message,
                      struct mu_writer *w)
{
    struct mu_chain_sender *s = sender;
    uint8_t head[CHAIN_HEAD];
    struct mu_bytes known;
    int rc;

    (void)now;
    if (s->at >= s->messages->len)
        return MU_ERR_EXHAUSTED;
    rc = s->messages->get(s->messages->ctx, s->at, &known);
    if (rc != 0)
        return rc;
    if (!mu_bytes_eq(known, message))
        return MU_ERR_USAGE;
    chain_head(s, s->at, head);
    mu_write_bytes(w, MU_BYTES(head));
    mu_write_bytes(w, mu_bytes(chain_hash(s, s->at + 1), s->hash_len));
    mu_write_bytes(w, message);
    rc = mu_writer_end(w);
    if (rc == 0)
        s->at++;
    return rc;
}

static size_t chain_next(void *sender, mu_time now, uint8_t *to)
{
    (void)sender;
    (void)now;
    (void)to;
    return 0;
}

static mu_time chain_deadline(const void *sender)
{
    (void)sender;
    return MU_TIME_NEVER;
}

/* ---- receiver ---- */

void mu_chain_receiver_init(struct mu_chain_receiver *r,
                            const struct mu_source_proof *proof,
                            uint8_t stream, uint8_t hash_len)
{
    *r = (struct mu_chain_receiver){
        .proof = *proof, .stream = stream, .hash_len = hash_len,
    };
}

int mu_chain_start(struct mu_chain_receiver *r, struct mu_bytes object)
{
    struct mu_bytes payload, hash;
    struct mu_reader in;
    uint32_t len;
    int rc;

    r->counts.signatures++;
    rc = mu_source_proof_consume(&r->proof, chain_aad, object, &payload);
    if (rc != 0)
        return rc;
    in = mu_reader(payload);
    if (mu_cbor_get_map(&in).left != 3)
        mu_reader_fail(&in);
    mu_cbor_expect_uint(&in, S_STREAM);
    mu_cbor_expect_uint(&in, r->stream);
    mu_cbor_expect_uint(&in, S_LENGTH);
    len = (uint32_t)mu_cbor_get_uint_max(&in, UINT32_MAX);
    mu_cbor_expect_uint(&in, S_HASH);
    hash = mu_cbor_get_bstr(&in);
    rc = mu_reader_end(&in);
    if (rc != 0 || len == 0 || hash.len != r->hash_len ||
        hash.len < MU_HASH_MIN || hash.len > MU_CHAIN_HASH_MAX)
        return rc != 0 ? rc : MU_ERR_MALFORMED;
    r->begun = true;
    r->at = 0;
    r->len = len;
    mu_copy(r->next, hash.data, hash.len);
    return 0;
}

static int chain_packet(void *receiver, mu_time now, struct mu_bytes packet)
{
    struct mu_chain_receiver *r = receiver;
    struct mu_reader in = mu_reader(packet);
    uint8_t hash[MU_SHA256_LEN];
    bool kind = mu_read_u8(&in) == MU_SOURCE_CHAIN;
    bool stream = mu_read_u8(&in) == r->stream;
    uint32_t place = mu_read_u32(&in);
    struct mu_bytes next = mu_read_bytes(&in, r->hash_len);

    (void)now;
    r->has_ready = false;
    if (in.failed || packet.len > MU_PACKET_MAX)
        return in.failed ? MU_ERR_TRUNCATED : MU_ERR_TOO_LARGE;
    if (!kind || !stream || !r->begun || r->at == r->len || place != r->at) {
        r->counts.refused++; /* one that is early is lost: there is no room */
        return MU_ERR_UNEXPECTED;
    }
    r->counts.hashes++;
    mu_sha256(r->proof.crypto, &packet, 1, hash);
    if (!mu_ct_eq(hash, r->next, r->hash_len)) {
        r->counts.forged++;
        return MU_ERR_AUTH;
    }
    mu_copy(r->next, next.data, next.len);
    r->at++;
    r->ready = mu_reader_rest(&in);
    r->has_ready = true;
    return 0;
}

static bool chain_take(void *receiver, struct mu_source_message *m)
{
    struct mu_chain_receiver *r = receiver;

    if (!r->has_ready)
        return false;
    *m = (struct mu_source_message){r->stream, r->at - 1, r->ready, {NULL, 0}};
    r->has_ready = false;
    r->counts.delivered++;
    return true;
}

static const struct mu_source_counts *chain_counts(const void *receiver)
{
    return &((const struct mu_chain_receiver *)receiver)->counts;
}

const struct mu_source_scheme mu_source_chain = {
    "chain", chain_seal, chain_next, chain_deadline, chain_packet, chain_take,
    chain_counts,
};
