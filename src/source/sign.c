/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed messages of sources that a directory knows. Packet:
 *
 *   50 (1) id (4) counter (8) version (4) index (4) path length (1) path
 *   public key (65 or 32) length of the name (1) name signature (64) message
 *
 * The signature covers everything before it and the message. What is cheap
 * comes first: form, replay, directory; a signature is looked at last, and so
 * many a second at most.
 */
#include "muster/source_sign.h"

enum {
    SILENT_SECONDS = 3600, /* after which a source's counter may be displaced */
};

static const char sign_label[] = "muster source";

/* ---- sender ---- */

static int sign_seal(void *sender, mu_time now, struct mu_bytes message,
                     struct mu_writer *w)
{
    struct mu_sign_sender *s = sender;
    size_t start = w->len;
    uint8_t sig[MU_SIGNATURE_LEN];
    struct mu_bytes parts[3] = {mu_bytes_str(sign_label)};
    int rc;

    (void)now;
    if (s->counter == UINT64_MAX)
        return MU_ERR_EXHAUSTED;
    if (s->path.len > (size_t)MU_MERKLE_DEPTH_MAX * 32 ||
        s->path.len % 32 != 0)
        return MU_ERR_USAGE;
    mu_write_u8(w, MU_SOURCE_SIGNED);
    mu_write_u32(w, s->id);
    mu_write_u64(w, ++s->counter);
    mu_write_u32(w, (uint32_t)s->version);
    mu_write_u32(w, s->index);
    mu_write_u8(w, (uint8_t)(s->path.len / 32));
    mu_write_bytes(w, s->path);
    mu_write_bytes(w, s->who);
    rc = mu_writer_end(w);
    if (rc != 0)
        return rc;
    parts[1] = mu_bytes(w->data + start, w->len - start);
    parts[2] = message;
    rc = s->crypto->sign(s->crypto->ctx, s->signer->alg, &s->signer->priv,
                         parts, 3, sig);
    if (rc != 0)
        return rc;
    mu_write_bytes(w, MU_BYTES(sig));
    mu_write_bytes(w, message);
    return mu_writer_end(w);
}

static size_t sign_next(void *sender, mu_time now, uint8_t *to)
{
    (void)sender;
    (void)now;
    (void)to;
    return 0;
}

static mu_time sign_deadline(const void *sender)
{
    (void)sender;
    return MU_TIME_NEVER;
}

/* ---- receiver ---- */

int mu_sign_receiver_init(struct mu_sign_receiver *r,
                          const struct mu_sign_conf *conf, void *work,
                          size_t work_len)
{
    if (conf->directory_max > MU_BLOOM_BYTES_MAX || conf->directory_max < 32 ||
        conf->signatures == 0)
        return MU_ERR_USAGE;
    if (work_len < conf->directory_max)
        return MU_ERR_NO_SPACE;
    *r = (struct mu_sign_receiver){.conf = *conf, .bits = work};
    r->allowance = conf->signatures * 1000u;
    r->random = conf->seed == 0 ? 1 : conf->seed;
    return 0;
}

int mu_sign_directory(struct mu_sign_receiver *r, struct mu_bytes object)
{
    struct mu_directory d;
    int rc;

    r->counts.signatures += r->conf.proof.signer != NULL;
    rc = mu_directory_consume(&r->conf.proof, object, &d);
    if (rc != 0)
        return rc;
    if (d.version <= r->directory.version)
        return MU_ERR_ROLLBACK;
    if (d.bits.len > r->conf.directory_max)
        return MU_ERR_TOO_LARGE;
    mu_copy(r->bits, d.bits.data, d.bits.len);
    r->directory = d;
    r->directory.bits = mu_bytes(r->bits, d.bits.len);
    return 0;
}

struct sign_packet {
    uint32_t id, version, index;
    uint64_t counter;
    struct mu_bytes path, who, pub, signed_part, message;
    const uint8_t *sig;
};

static int sign_parse(const struct mu_sign_receiver *r, struct mu_bytes packet,
                      struct sign_packet *p)
{
    size_t pub_len = r->conf.alg == MU_ALG_ES256 ? 65 : 32, who_at;
    struct mu_reader in = mu_reader(packet);

    if (packet.len > MU_PACKET_MAX)
        return MU_ERR_TOO_LARGE;
    if (mu_read_u8(&in) != MU_SOURCE_SIGNED)
        return packet.len == 0 ? MU_ERR_TRUNCATED : MU_ERR_UNEXPECTED;
    p->id = mu_read_u32(&in);
    p->counter = mu_read_u64(&in);
    p->version = mu_read_u32(&in);
    p->index = mu_read_u32(&in);
    p->path = mu_read_bytes(&in, (size_t)mu_read_u8(&in) * 32);
    who_at = in.pos;
    p->pub = mu_read_bytes(&in, pub_len);
    (void)mu_read_bytes(&in, mu_read_u8(&in)); /* the name */
    p->who = mu_bytes(packet.data + who_at, in.pos - who_at);
    p->signed_part = mu_bytes(packet.data, in.pos);
    p->sig = mu_read_bytes(&in, MU_SIGNATURE_LEN).data;
    p->message = mu_reader_rest(&in);
    return mu_reader_end(&in);
}

/* The counter of a source; NULL when there is no room for one more. */
static struct mu_sign_source *sign_source(struct mu_sign_receiver *r,
                                          uint32_t id, mu_time now)
{
    struct mu_sign_source *free = NULL;

    for (size_t i = 0; i < MU_SOURCES_MAX; i++) {
        struct mu_sign_source *s = &r->sources[i];

        if (s->used && s->id == id)
            return s;
        if (!s->used || now >= s->heard + MU_SECONDS(SILENT_SECONDS)) {
            if (free == NULL || (free->used && !s->used))
                free = s;
        }
    }
    return free;
}

bool mu_sign_knows(struct mu_sign_receiver *r, uint32_t id,
                   struct mu_bytes who, uint32_t index, struct mu_bytes path)
{
    const struct mu_crypto *c = r->conf.proof.crypto;

    if (r->directory.version == 0)
        return false;
    if (r->directory.kind == MU_DIRECTORY_BLOOM) {
        r->counts.hashes++;
        return path.len == 0 && mu_bloom_has(c, &r->directory, id, who);
    }
    r->counts.hashes += 1 + path.len / 32;
    return mu_merkle_has(c, &r->directory, id, who, index, path);
}

/* When more come than may be looked at, each has the same chance: who sends
 * his forgeries first must not have all of it. */
static bool sign_lucky(struct mu_sign_receiver *r, mu_time now)
{
    uint64_t seconds = (now - r->second_at) / MU_SECONDS(1);

    if (now < r->second_at || seconds > 0) {
        r->wanted[1] = seconds == 1 ? r->wanted[0] : 0;
        r->wanted[0] = 0;
        r->second_at = now < r->second_at
                           ? now : r->second_at + seconds * MU_SECONDS(1);
    }
    r->wanted[0]++;
    if (r->wanted[1] <= r->conf.signatures)
        return true;
    /* xorshift32, Marsaglia 2003 */
    r->random ^= r->random << 13;
    r->random ^= r->random >> 17;
    r->random ^= r->random << 5;
    return r->random % r->wanted[1] < r->conf.signatures;
}

/* A bucket of signatures: a second's worth, filled as time goes by. */
static bool sign_allowed(struct mu_sign_receiver *r, mu_time now)
{
    uint64_t most = r->conf.signatures * 1000u;
    uint64_t passed = now > r->allowed_at ? now - r->allowed_at : 0;
    uint64_t more = passed > MU_SECONDS(1)
                        ? most : passed * r->conf.signatures / 1000;

    if (more > 0) {
        r->allowance = (uint32_t)(r->allowance + more > most
                                      ? most : r->allowance + more);
        r->allowed_at = now;
    }
    if (!sign_lucky(r, now) || r->allowance < 1000)
        return false;
    r->allowance -= 1000;
    return true;
}

static int sign_verify(struct mu_sign_receiver *r,
                       const struct sign_packet *p)
{
    const struct mu_crypto *c = r->conf.proof.crypto;
    struct mu_bytes parts[3] = {
        mu_bytes_str(sign_label), p->signed_part, p->message,
    };

    r->counts.signatures++;
    return c->verify(c->ctx, r->conf.alg, p->pub, parts, 3, p->sig);
}

static int sign_packet(void *receiver, mu_time now, struct mu_bytes packet)
{
    struct mu_sign_receiver *r = receiver;
    struct mu_sign_source *source;
    struct sign_packet p;
    int rc = sign_parse(r, packet, &p);

    r->has_ready = false;
    if (rc == 0 && r->directory.version == 0)
        rc = MU_ERR_UNKNOWN_KEY;
    /* Of an older directory: its sender may be a member no more. */
    if (rc == 0 && p.version != (uint32_t)r->directory.version)
        rc = MU_ERR_ROLLBACK;
    source = rc == 0 ? sign_source(r, p.id, now) : NULL;
    if (rc == 0 && source != NULL && source->used && source->id == p.id &&
        p.counter <= source->counter)
        rc = MU_ERR_REPLAY;
    if (rc == 0 && source == NULL)
        rc = MU_ERR_FULL;
    if (rc != 0) {
        r->counts.refused++;
        return rc;
    }
    if (!mu_sign_knows(r, p.id, p.who, p.index, p.path)) {
        r->counts.forged++;
        return MU_ERR_UNKNOWN_PEER;
    }
    if (!sign_allowed(r, now)) {
        r->counts.dropped++;
        return MU_ERR_BUSY;
    }
    rc = sign_verify(r, &p);
    if (rc != 0) {
        r->counts.forged++;
        return rc;
    }
    *source = (struct mu_sign_source){p.id, p.counter, now, true};
    r->ready = p.message;
    r->ready_who = p.who;
    r->ready_id = p.id;
    r->ready_counter = p.counter;
    r->has_ready = true;
    return 0;
}

static bool sign_take(void *receiver, struct mu_source_message *m)
{
    struct mu_sign_receiver *r = receiver;

    if (!r->has_ready)
        return false;
    *m = (struct mu_source_message){
        r->ready_id, r->ready_counter, r->ready, r->ready_who,
    };
    r->has_ready = false;
    r->counts.delivered++;
    return true;
}

static const struct mu_source_counts *sign_counts(const void *receiver)
{
    return &((const struct mu_sign_receiver *)receiver)->counts;
}

const struct mu_source_scheme mu_source_sign = {
    "sign", sign_seal, sign_next, sign_deadline, sign_packet, sign_take,
    sign_counts,
};
