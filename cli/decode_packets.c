/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that are no CBOR: cast packets, what neighbours say, rekey
 * messages, source authentication, MIKEY. docs/wire-format.md s.6 and s.9.
 */
#include "cli/decode.h"

#include <stdio.h>

#include "muster/area_msg.h" /* MU_OBJECT_ID_LEN */
#include "muster/cast.h"
#include "muster/err.h"
#include "muster/keys.h"
#include "muster/mikey.h"
#include "muster/speech_msg.h"

/* What is left but for the tag at the end. */
static struct mu_bytes before(struct mu_reader *r, size_t tail)
{
    size_t left = mu_reader_left(r);

    return mu_read_bytes(r, left < tail ? 0 : left - tail);
}

static void put_hex(json_t *v, const char *name, struct mu_bytes b)
{
    decode_put(v, name, decode_hex(b));
}

static void put_tag(json_t *v, struct mu_reader *r)
{
    put_hex(v, "tag", mu_read_bytes(r, MU_TAG_LEN));
}

static void put_u8(json_t *v, const char *name, struct mu_reader *r)
{
    decode_put_number(v, name, mu_read_u8(r));
}

static void put_u16(json_t *v, const char *name, struct mu_reader *r)
{
    decode_put_number(v, name, mu_read_u16(r));
}

static void put_u32(json_t *v, const char *name, struct mu_reader *r)
{
    decode_put_number(v, name, mu_read_u32(r));
}

static void put_generation(json_t *v, const char *name, struct mu_reader *r)
{
    uint64_t g = mu_read_u64(r);

    decode_put(v, name, json_sprintf("%u.%u", (unsigned)(g >> 32),
                                     (unsigned)(g & UINT32_MAX)));
}

/* ---- cast (s.6.3) ----------------------------------------------------------- */

static void put_bits(json_t *v, const char *name, unsigned bits,
                     const char *const *names, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        if ((bits >> i & 1) != 0 && names[i] != NULL)
            json_array_append_new(list, json_string(names[i]));
    }
    decode_put(v, name, list);
}

static void put_states(json_t *v, struct mu_reader *r)
{
    static const char *const names[] = {"received", "verified", "installed",
                                        "running", NULL, NULL, NULL, "failed"};

    put_bits(v, "state", mu_read_u8(r), names, 8);
}

/* The first byte of it tells more than its kind. */
static json_t *cast_data(struct mu_bytes in)
{
    json_t *v;

    if (in.len <= MU_CAST_DATA_HEADER)
        return NULL;
    v = decode_new("cast DATA", in.len);
    decode_put_number(v, "session", in.data[1]);
    decode_put_number(v, "page modulo 32", mu_cast_data_page(in.data));
    decode_put_number(v, "index", mu_cast_data_index(in.data));
    put_hex(v, "symbol", mu_bytes(in.data + MU_CAST_DATA_HEADER,
                                  in.len - MU_CAST_DATA_HEADER));
    return v;
}

/* What ends a packet of a gateway to all. Only who has the key can read it. */
static void put_tick(json_t *v, struct mu_reader *r)
{
    put_u16(v, "tick", r);
    put_hex(v, "tick, masked", mu_read_bytes(r, MU_TICK_VALUE));
}

/* Among neighbours there is no tick: it is the end of the piece then. */
static void cast_announce(json_t *v, struct mu_reader *r)
{
    put_hex(v, "object id", mu_read_bytes(r, MU_OBJECT_ID_LEN));
    put_u8(v, "fragment", r);
    put_u8(v, "fragments", r);
    put_tag(v, r);
    put_hex(v, "piece", before(r, MU_TICK_LEN));
    put_tick(v, r);
}

static void cast_poll(json_t *v, struct mu_reader *r)
{
    static const char *const flags[] = {"everybody", "with bitmap",
                                        "who asked", "who is behind"};

    put_u16(v, "page", r);
    put_u8(v, "round", r);
    put_bits(v, "flags", mu_read_u8(r), flags, 4);
    put_u8(v, "sent", r);
    put_u16(v, "window, ms", r);
    put_u8(v, "kg", r);
    put_tag(v, r);
    put_tick(v, r);
}

static void cast_need(json_t *v, struct mu_reader *r)
{
    put_u16(v, "receiver", r);
    put_u16(v, "page", r);
    put_u8(v, "round", r);
    put_u16(v, "need", r);
    put_hex(v, "bitmap", before(r, MU_TAG_LEN));
    put_tag(v, r);
}

static void cast_census(json_t *v, struct mu_reader *r)
{
    put_states(v, r);
    put_u8(v, "round", r);
    put_u16(v, "window, ms", r);
    put_u16(v, "base", r);
    put_u8(v, "kg", r);
    put_hex(v, "known", before(r, MU_TAG_LEN + MU_TICK_LEN));
    put_tag(v, r);
    put_tick(v, r);
}

static void cast_status(json_t *v, struct mu_reader *r)
{
    unsigned reason;

    put_u16(v, "receiver", r);
    put_states(v, r);
    reason = mu_read_u8(r);
    decode_put(v, "reason",
               json_string(reason != 0 ? mu_err_text(-(int)reason) : "none"));
    put_hex(v, "acknowledgement", mu_read_bytes(r, MU_ACK_LEN));
    put_tag(v, r);
}

/* s.6.4; all but the seal, which is round, kg and tag. */
static void hop_seal(json_t *v, struct mu_reader *r)
{
    put_u16(v, "round", r);
    put_u8(v, "kg", r);
    put_tag(v, r);
}

static void hop_adv(json_t *v, struct mu_reader *r)
{
    put_u16(v, "node", r);
    decode_put_number(v, "version", mu_read_u64(r));
    put_u16(v, "edition", r);
    put_hex(v, "manifest id", mu_read_bytes(r, MU_OBJECT_ID_LEN));
    put_u16(v, "manifest length", r);
    put_u16(v, "pages", r);
    hop_seal(v, r);
}

static void hop_req(json_t *v, struct mu_reader *r)
{
    unsigned page;

    put_u16(v, "node", r);
    put_u16(v, "target", r);
    put_u8(v, "count", r);
    page = mu_read_u16(r);
    decode_put(v, "page", page == 0xffff ? json_string("manifest")
                                         : decode_number(page));
    put_hex(v, "wanted", before(r, 3 + MU_TAG_LEN));
    hop_seal(v, r);
}

struct kind {
    const char *name;
    void (*show)(json_t *v, struct mu_reader *r);
};

json_t *decode_cast(struct mu_bytes in)
{
    static const struct kind kinds[] = {
        {"cast ANNOUNCE", cast_announce},
        {"cast POLL", cast_poll},     {"cast NEED", cast_need},
        {"cast CENSUS", cast_census}, {"cast STATUS", cast_status},
        {"neighbour ADV", hop_adv},   {"neighbour REQ", hop_req},
    };
    struct mu_reader r = mu_reader(in);
    unsigned kind = mu_read_u8(&r);
    bool hop = kind == MU_CAST_STATUS + 1u || kind == MU_CAST_STATUS + 2u;
    json_t *v;

    if (mu_cast_is_data((uint8_t)kind))
        return cast_data(in);
    if (kind < MU_CAST_ANNOUNCE ||
        kind - MU_CAST_ANNOUNCE >= sizeof kinds / sizeof *kinds)
        return NULL;
    v = decode_new(kinds[kind - MU_CAST_ANNOUNCE].name, in.len);
    put_u8(v, hop ? "channel" : "session", &r);
    kinds[kind - MU_CAST_ANNOUNCE].show(v, &r);
    if (mu_reader_end(&r) == 0)
        return v;
    json_decref(v);
    return NULL;
}

/* One of a row of kinds, the whole message and nothing more. */
static json_t *decode_kind(struct mu_bytes in, unsigned first,
                           const struct kind *kinds, size_t kinds_len)
{
    struct mu_reader r = mu_reader(in);
    unsigned kind = mu_read_u8(&r);
    json_t *v;

    if (kind < first || kind - first >= kinds_len)
        return NULL;
    v = decode_new(kinds[kind - first].name, in.len);
    kinds[kind - first].show(v, &r);
    if (mu_reader_end(&r) == 0)
        return v;
    json_decref(v);
    return NULL;
}

/* ---- rekey messages (s.9) ----------------------------------------------------- */

enum { UNICAST = 1, CLUSTER, LADDER, LKH, CS, SD };

static const char *const schemes[] = {NULL,     "unicast", "cluster", "ladder",
                                      "lkh",    "complete subtree",
                                      "subset difference"};

static void rekey_head(json_t *v, unsigned scheme, struct mu_reader *r)
{
    decode_put(v, "scheme", json_string(schemes[scheme]));
    decode_put(v, "kid", decode_kid(mu_read_bytes(r, MU_KID_LEN)));
    put_generation(v, "base", r);
}

static void rekey_entries(json_t *v, unsigned scheme, unsigned n, bool index,
                          struct mu_reader *r)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < n && !r->failed; i++) {
        uint32_t at = mu_read_u32(r);
        json_t *e = json_object();

        if (scheme == LKH) {
            decode_put_number(e, "level", at >> 27);
            decode_put(e, "link", json_boolean((at >> 26 & 1) != 0));
            decode_put_number(e, "index", at & 0x3ffffff);
        } else {
            decode_put_number(e, "node", at >> 5);
            decode_put_number(e, "above", at & 31);
        }
        if (!index)
            put_hex(e, "wrapped", mu_read_bytes(r, 16));
        json_array_append_new(list, e);
    }
    decode_put(v, "entries", list);
}

static void rekey_part(json_t *v, unsigned scheme, struct mu_reader *r)
{
    unsigned entries;
    bool index = false;

    put_u16(v, "part", r);
    put_u16(v, "parts", r);
    entries = mu_read_u16(r);
    if (scheme == CLUSTER) {
        index = mu_read_u8(r) == 1;
        decode_put(v, "mode", json_string(index ? "key index" : "seeds"));
    } else if (scheme == LADDER) {
        unsigned levels = mu_read_u8(r);
        json_t *ch = json_array();

        for (unsigned i = 0; i < levels && !r->failed; i++)
            json_array_append_new(ch, decode_number(mu_read_u32(r)));
        decode_put(v, "challenges", ch);
    } else if (scheme == LKH) {
        put_u32(v, "counter before", r);
        put_u8(v, "height", r);
    }
    rekey_entries(v, scheme, entries, index, r);
    put_hex(v, "tag", mu_read_bytes(r, 16));
}

static void rekey_personal(json_t *v, struct mu_reader *r)
{
    put_u32(v, "slot", r);
    put_hex(v, "ciphertext", mu_reader_rest(r));
}

/* Its keys are not shown. */
static void rekey_state(json_t *v, struct mu_reader *r)
{
    put_u32(v, "slot", r);
    decode_put(v, "keys", decode_secret(mu_reader_rest(r)));
}

json_t *decode_rekey(struct mu_bytes in)
{
    static const struct {
        const char *name;
        void (*show)(json_t *v, struct mu_reader *r);
    } forms[] = {{"state of a member", rekey_state},
                 {"personal message", rekey_personal}};
    struct mu_reader r = mu_reader(in);
    unsigned first = mu_read_u8(&r), scheme = first & 15;
    json_t *v;

    if (in.len < 2 || in.data[1] != MU_KEY_KB || first < 0x50 ||
        first > 0x7f || scheme < UNICAST || scheme > SD)
        return NULL;
    if (first < 0x60) {
        v = decode_new("rekey part", in.len);
        rekey_head(v, scheme, &r);
        rekey_part(v, scheme, &r);
    } else {
        v = decode_new(forms[first < 0x70].name, in.len);
        rekey_head(v, scheme, &r);
        forms[first < 0x70].show(v, &r);
    }
    if (mu_reader_end(&r) == 0)
        return v;
    json_decref(v);
    return NULL;
}

/* ---- source authentication ------------------------------------------------------ */

static void source_signed(json_t *v, struct mu_reader *r)
{
    unsigned path;

    put_u32(v, "id", r);
    decode_put_number(v, "counter", mu_read_u64(r));
    put_u32(v, "directory version", r);
    put_u32(v, "index", r);
    path = mu_read_u8(r);
    put_hex(v, "path", mu_read_bytes(r, 32u * path));
    /* An ES256 point or an EdDSA key: its first byte tells. */
    put_hex(v, "public key",
            mu_read_bytes(r, mu_reader_left(r) > 0 && r->data[r->pos] == 4 ? 65 : 32));
    put_hex(v, "name", mu_read_bytes(r, mu_read_u8(r)));
    put_hex(v, "signature", mu_read_bytes(r, 64));
    put_hex(v, "text", mu_reader_rest(r));
}

/* Lengths of keys and tags are those of the stream's start: 16 and 8 as a rule. */
static void source_interval(json_t *v, struct mu_reader *r)
{
    put_u8(v, "stream", r);
    put_u32(v, "interval", r);
    put_hex(v, "rest", mu_reader_rest(r));
}

static void source_chain(json_t *v, struct mu_reader *r)
{
    put_u8(v, "stream", r);
    put_u32(v, "place", r);
    put_hex(v, "rest", mu_reader_rest(r));
}

static void source_hops(json_t *v, struct mu_reader *r)
{
    unsigned groups;
    json_t *list = json_array();

    put_u8(v, "stream", r);
    put_u32(v, "place", r);
    groups = mu_read_u8(r);
    for (unsigned i = 0; i < groups && !r->failed; i++) {
        json_t *g = json_object();

        put_hex(g, "hidden key", mu_read_bytes(r, 16));
        put_hex(g, "tag", mu_read_bytes(r, MU_TAG_LEN));
        json_array_append_new(list, g);
    }
    decode_put(v, "groups", list);
    put_hex(v, "text", mu_reader_rest(r));
}

/* A packet of those above, or what stands in its place. */
static void source_frame(json_t *v, struct mu_reader *r)
{
    struct mu_bytes packet;
    json_t *inner = NULL;

    put_u32(v, "speaker", r);
    decode_put_number(v, "run", mu_read_u16(r));
    put_u8(v, "area key", r);
    if (mu_reader_left(r) <= MU_TAG_LEN) {
        mu_reader_fail(r);
        return;
    }
    packet = mu_read_bytes(r, mu_reader_left(r) - MU_TAG_LEN);
    if (packet.data[0] != MU_SPEECH_FRAME) /* no frame in a frame */
        inner = decode_source(packet);
    if (inner != NULL)
        decode_put(v, "packet", inner);
    else
        put_hex(v, "packet", packet);
    put_hex(v, "tag", mu_read_bytes(r, MU_TAG_LEN));
}

json_t *decode_source(struct mu_bytes in)
{
    static const struct kind kinds[] = {
        {"signed message", source_signed},
        {"TESLA message", source_interval},
        {"uTESLA message", source_interval},
        {"disclosed key", source_interval},
        {"commitment of a low chain", source_interval},
        {"chained packet", source_chain},
        {"packet of hop chains", source_hops},
        {"speech frame", source_frame},
    };

    return in.len < 6 ? NULL : decode_kind(in, 0x50, kinds,
                                           sizeof kinds / sizeof *kinds);
}

/* ---- tunnels to relays (s.6.6) ------------------------------------------------------- */

static void tunnel_join(json_t *v, struct mu_reader *r)
{
    size_t len = mu_read_u8(r);

    decode_put(v, "identity", decode_text(mu_read_bytes(r, len)));
    put_hex(v, "nonce of the relay", mu_read_bytes(r, 16));
    put_hex(v, "nonce of the sender", mu_read_bytes(r, 16));
    put_hex(v, "tag", mu_read_bytes(r, 16));
}

static void tunnel_challenge(json_t *v, struct mu_reader *r)
{
    put_hex(v, "nonce of the relay", mu_read_bytes(r, 16));
    put_hex(v, "nonce of the sender", mu_read_bytes(r, 16));
    put_hex(v, "tag", mu_read_bytes(r, 16));
}

static void tunnel_welcome(json_t *v, struct mu_reader *r)
{
    size_t len;

    put_hex(v, "session", mu_read_bytes(r, 4));
    len = mu_read_u8(r);
    decode_put(v, "group", decode_text(mu_read_bytes(r, len)));
    put_hex(v, "tag", mu_read_bytes(r, 16));
}

static void tunnel_packet(json_t *v, struct mu_reader *r)
{
    struct mu_bytes packet;
    json_t *inner;

    put_hex(v, "session", mu_read_bytes(r, 4));
    put_u32(v, "seq", r);
    packet = before(r, MU_TAG_LEN);
    inner = decode_cast(packet);
    decode_put(v, "packet", inner != NULL ? inner : decode_hex(packet));
    put_tag(v, r);
}

static void tunnel_alive(json_t *v, struct mu_reader *r)
{
    put_hex(v, "session", mu_read_bytes(r, 4));
    put_u32(v, "seq", r);
    put_u32(v, "highest", r);
    put_u32(v, "received", r);
    put_u32(v, "refused", r);
    put_u32(v, "emitted", r);
    put_tag(v, r);
}

static void tunnel_answer(json_t *v, struct mu_reader *r)
{
    put_hex(v, "session", mu_read_bytes(r, 4));
    put_u32(v, "seq of the ALIVE", r);
    put_u32(v, "packets sent", r);
    put_tag(v, r);
}

json_t *decode_tunnel(struct mu_bytes in)
{
    static const struct kind kinds[] = {
        {"tunnel JOIN", tunnel_join},     {"tunnel CHALLENGE", tunnel_challenge},
        {"tunnel WELCOME", tunnel_welcome}, {"tunnel PACKET", tunnel_packet},
        {"tunnel ALIVE", tunnel_alive},   {"tunnel ANSWER", tunnel_answer},
    };

    return decode_kind(in, 0x64, kinds, sizeof kinds / sizeof *kinds);
}

/* ---- messages over a tree (s.6.7) ------------------------------------------------------ */

static void tree_message(json_t *v, struct mu_reader *r)
{
    struct mu_bytes packet;
    json_t *inner;

    put_u8(v, "stream", r);
    put_u16(v, "sender", r);
    packet = mu_reader_rest(r);
    inner = decode_source(packet);
    decode_put(v, "packet", inner != NULL ? inner : decode_hex(packet));
}

static void tree_ack(json_t *v, struct mu_reader *r)
{
    size_t len;

    put_u8(v, "stream", r);
    put_u16(v, "sender", r);
    put_u32(v, "place", r);
    put_u16(v, "first index", r);
    put_u8(v, "shift", r);
    len = mu_read_u16(r);
    put_hex(v, "members", mu_read_bytes(r, len));
    put_hex(v, "acknowledgements", before(r, MU_TAG_LEN));
    put_tag(v, r);
}

static void tree_open(json_t *v, struct mu_reader *r)
{
    put_u8(v, "stream", r);
    put_u16(v, "to", r);
    put_u32(v, "place", r);
    put_tag(v, r);
}

static void tree_opened(json_t *v, struct mu_reader *r)
{
    put_u8(v, "stream", r);
    put_u16(v, "from", r);
    put_u32(v, "place", r);
    put_hex(v, "answer", before(r, MU_TAG_LEN));
    put_tag(v, r);
}

static void tree_join(json_t *v, struct mu_reader *r)
{
    put_u8(v, "stream", r);
    put_u16(v, "from", r);
    put_hex(v, "nonce", mu_read_bytes(r, 16));
    put_tag(v, r);
}

static void tree_welcome(json_t *v, struct mu_reader *r)
{
    put_u8(v, "stream", r);
    put_u16(v, "to", r);
    put_hex(v, "salt", mu_read_bytes(r, 16));
    put_hex(v, "ciphertext", mu_read_bytes(r, 46));
}

json_t *decode_tree_message(struct mu_bytes in)
{
    static const struct kind kinds[] = {
        {"tree MESSAGE", tree_message}, {"tree ACK", tree_ack},
        {"tree OPEN", tree_open},       {"tree OPENED", tree_opened},
        {"tree JOIN", tree_join},       {"tree WELCOME", tree_welcome},
    };

    return decode_kind(in, 0x58, kinds, sizeof kinds / sizeof *kinds);
}

/* ---- MIKEY ------------------------------------------------------------------------ */

static const char *mikey_payload(unsigned type)
{
    static const char *const names[] = {
        "end",  "KEMAC", "PKE", "DH", "SIGN", "T",   "ID",
        "CERT", "CHASH", "V",   "SP", "RAND", "ERR",
    };

    if (type == MU_MIKEY_KEY_DATA)
        return "key data";
    if (type == MU_MIKEY_EXT)
        return "general extension";
    return type < sizeof names / sizeof *names ? names[type] : "?";
}

static json_t *mikey_show(const struct mu_mikey_payload *p)
{
    json_t *v = json_object();

    decode_put(v, "payload", json_string(mikey_payload(p->type)));
    switch (p->type) {
    case MU_MIKEY_KEMAC:
        decode_put_number(v, "encryption", p->kemac.encr);
        decode_put(v, "data", p->kemac.encr == MU_MIKEY_ENCR_NULL
                                  ? decode_secret(p->kemac.data)
                                  : decode_hex(p->kemac.data));
        put_hex(v, "mac", p->kemac.mac);
        break;
    case MU_MIKEY_PKE:
        put_hex(v, "envelope", p->pke.data);
        break;
    case MU_MIKEY_DH:
        decode_put_number(v, "group", p->dh.group);
        put_hex(v, "value", p->dh.value);
        break;
    case MU_MIKEY_SIGN:
        put_hex(v, "signature", p->sign.signature);
        break;
    case MU_MIKEY_T:
        decode_put_number(v, "type", p->t.type);
        decode_put_number(v, "value", p->t.value);
        break;
    case MU_MIKEY_ID:
    case MU_MIKEY_CERT:
    case MU_MIKEY_EXT:
        decode_put_number(v, "type", p->id.type);
        decode_put(v, "data", p->type == MU_MIKEY_ID ? decode_text(p->id.data)
                                                     : decode_hex(p->id.data));
        break;
    case MU_MIKEY_CHASH:
        put_hex(v, "hash", p->chash.data);
        break;
    case MU_MIKEY_V:
        put_hex(v, "mac", p->v.mac);
        break;
    case MU_MIKEY_SP:
        decode_put_number(v, "policy", p->sp.policy);
        put_hex(v, "parameters", p->sp.params);
        break;
    case MU_MIKEY_RAND:
        put_hex(v, "value", p->rand);
        break;
    case MU_MIKEY_ERR:
        decode_put_number(v, "number", p->err.number);
        break;
    default:
        break;
    }
    return v;
}

/* An inline command (s.5.6): an MTK message and what is under it. */
json_t *decode_command(struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);
    json_t *v, *mtk = decode_mikey(mu_read_bytes(&r, mu_read_u16(&r)));

    if (mtk == NULL)
        return NULL;
    v = decode_new("command", in.len);
    decode_put(v, "MTK message", mtk);
    put_u32(v, "seq", &r);
    put_hex(v, "ciphertext", before(&r, 16));
    put_hex(v, "tag", mu_read_bytes(&r, 16));
    if (mu_reader_end(&r) == 0)
        return v;
    json_decref(v);
    return NULL;
}

json_t *decode_mikey(struct mu_bytes in)
{
    static const char *const types[] = {
        "PSK init",   "PSK verify", "PK init",   "PK verify", "DH init",
        "DH resp",    "error",      "DHMAC init", "DHMAC resp", "RSA-R init",
        "RSA-R resp",
    };
    struct mu_mikey_message m;
    json_t *v, *list;

    if (in.len == 0 || in.data[0] != MU_MIKEY_VERSION ||
        mu_mikey_parse(in, &m) != 0 || m.header.type >= MU_MIKEY_TYPE_COUNT)
        return NULL;
    v = decode_new("MIKEY", in.len);
    decode_put(v, "type", json_string(types[m.header.type]));
    decode_put_number(v, "CSB id", m.header.csb);
    decode_put_number(v, "crypto sessions", m.header.cs_len);
    list = json_array();
    for (size_t i = 0; i < m.payloads_len; i++)
        json_array_append_new(list, mikey_show(&m.payloads[i]));
    decode_put(v, "payloads", list);
    return v;
}
