/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of speakers and those who listen: see muster/speech_msg.h. */
#include "muster/speech_msg.h"

#include "node/msg.h"

enum { WHO_MIN = 32 + 1 };

static const char *const speech_names[MU_SPEECH_SCHEME_COUNT] = {
    "none", "bloom", "merkle", "tesla", "utesla", "multilevel", "chain",
};

const char *mu_speech_scheme_name(enum mu_speech_scheme scheme)
{
    return scheme < MU_SPEECH_SCHEME_COUNT ? speech_names[scheme] : "none";
}

enum mu_speech_scheme mu_speech_scheme_of(struct mu_bytes name)
{
    for (unsigned i = MU_SPEECH_NONE + 1; i < MU_SPEECH_SCHEME_COUNT; i++) {
        if (mu_bytes_eq(name, mu_bytes_str(speech_names[i])))
            return (enum mu_speech_scheme)i;
    }
    return MU_SPEECH_NONE;
}

static enum mu_speech_scheme get_scheme(struct mu_reader *r)
{
    return (enum mu_speech_scheme)mu_cbor_get_uint_max(
        r, MU_SPEECH_SCHEME_COUNT - 1);
}

/* ---- frames --------------------------------------------------------------- */

int mu_speech_frame_create(const struct mu_crypto *c,
                           const struct mu_secret *kctl,
                           const struct mu_speech_frame *m,
                           struct mu_writer *w)
{
    size_t start = w->len;

    if (m->packet.len == 0 || m->packet.len > MU_SPEECH_PACKET_MAX)
        return MU_ERR_USAGE;
    mu_write_u8(w, MU_SPEECH_FRAME);
    mu_write_u32(w, m->id);
    mu_write_u16(w, m->run);
    mu_write_u8(w, m->kg);
    mu_write_bytes(w, m->packet);
    return mu_tag_put(c, kctl, w, start);
}

int mu_speech_frame_peek(struct mu_bytes in, struct mu_speech_frame *m)
{
    struct mu_reader r = mu_reader(in);
    uint8_t kind = mu_read_u8(&r);

    m->id = mu_read_u32(&r);
    m->run = mu_read_u16(&r);
    m->kg = mu_read_u8(&r);
    if (r.failed || in.len <= MU_SPEECH_FRAME_ADDS)
        return MU_ERR_TRUNCATED;
    if (in.len > MU_PACKET_MAX)
        return MU_ERR_TOO_LARGE;
    m->packet = mu_read_bytes(&r, in.len - MU_SPEECH_FRAME_ADDS);
    return kind == MU_SPEECH_FRAME ? 0 : MU_ERR_UNEXPECTED;
}

int mu_speech_frame_consume(const struct mu_crypto *c,
                            const struct mu_secret *kctl, struct mu_bytes in,
                            struct mu_speech_frame *m)
{
    struct mu_bytes part;
    int rc = mu_speech_frame_peek(in, m);

    if (rc != 0)
        return rc;
    part = mu_bytes(in.data, in.len - MU_TAG_LEN);
    return mu_tag_check(c, kctl, &part, 1, in.data + part.len);
}

/* ---- POST /say ------------------------------------------------------------ */

int mu_speech_say_create(const struct mu_speech_say *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, 2);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, m->run);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_bstr(w, m->packet);
    return mu_writer_end(w);
}

int mu_speech_say_consume(struct mu_bytes in, struct mu_speech_say *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_speech_say){.run = 0};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            m->run = (uint16_t)mu_cbor_get_uint_max(&r, UINT16_MAX);
        else if (key == 2)
            m->packet = mu_msg_get_data(&r, 1, MU_SPEECH_PACKET_MAX);
        else
            mu_cbor_skip(&r);
    }
    return mu_msg_end(&r, &map, 0x6);
}

/* ---- POST /who ------------------------------------------------------------ */

int mu_speech_ask_create(const struct mu_speech_ask *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, 3);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, m->id);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_bstr(w, MU_BYTES(m->nonce));
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_uint(w, m->place);
    return mu_writer_end(w);
}

int mu_speech_ask_consume(struct mu_bytes in, struct mu_speech_ask *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_speech_ask){.id = 0};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            m->id = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
        else if (key == 2)
            mu_cbor_get_bstr_copy(&r, m->nonce, sizeof m->nonce);
        else if (key == 3)
            m->place = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
        else
            mu_cbor_skip(&r);
    }
    return mu_msg_end(&r, &map, 0xe);
}

int mu_speech_intro_create(const struct mu_speech_intro *m,
                           struct mu_writer *w)
{
    if (m->packets_len > MU_SPEECH_PACKETS_MAX)
        return MU_ERR_USAGE;
    mu_cbor_put_map(w, 8);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, m->id);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->scheme);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_uint(w, m->run);
    mu_cbor_put_uint(w, 4);
    mu_cbor_put_bstr(w, m->who);
    mu_cbor_put_uint(w, 5);
    mu_cbor_put_uint(w, m->index);
    mu_cbor_put_uint(w, 6);
    mu_cbor_put_bstr(w, m->path);
    mu_cbor_put_uint(w, 7);
    mu_cbor_put_bstr(w, m->start);
    mu_cbor_put_uint(w, 8);
    mu_cbor_put_array(w, m->packets_len);
    for (size_t i = 0; i < m->packets_len; i++)
        mu_cbor_put_bstr(w, m->packets[i]);
    return mu_writer_end(w);
}

static void intro_packets(struct mu_reader *r, struct mu_speech_intro *m)
{
    size_t n = mu_cbor_get_array(r);

    if (n > MU_SPEECH_PACKETS_MAX) {
        mu_reader_fail(r);
        return;
    }
    for (size_t i = 0; i < n; i++)
        m->packets[i] = mu_msg_get_data(r, 1, MU_SPEECH_PACKET_MAX);
    m->packets_len = (uint8_t)n;
}

static void intro_field(struct mu_reader *r, int64_t key,
                        struct mu_speech_intro *m)
{
    switch (key) {
    case 1:
        m->id = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case 2:
        m->scheme = get_scheme(r);
        break;
    case 3:
        m->run = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    case 4:
        m->who = mu_msg_get_data(r, WHO_MIN, MU_WHO_MAX);
        break;
    case 5:
        m->index = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case 6:
        m->path = mu_msg_get_data(r, 0, MU_SPEECH_PATH_MAX);
        break;
    case 7:
        m->start = mu_msg_get_data(r, 0, MU_SPEECH_START_MAX);
        break;
    case 8:
        intro_packets(r, m);
        break;
    default:
        mu_cbor_skip(r);
    }
}

int mu_speech_intro_consume(struct mu_bytes in, struct mu_speech_intro *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_speech_intro){.id = 0};
    while (mu_msg_next(&r, &map, &key)) {
        intro_field(&r, key, m);
    }
    return mu_msg_end(&r, &map, 0x1fe);
}

/* ---- POST /dir, down ------------------------------------------------------ */

int mu_speech_told_create(const struct mu_speech_told *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, 4);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, m->object);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->id);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_uint(w, m->index);
    mu_cbor_put_uint(w, 4);
    mu_cbor_put_bstr(w, m->path);
    return mu_writer_end(w);
}

int mu_speech_told_consume(struct mu_bytes in, struct mu_speech_told *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_speech_told){.id = 0};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            m->object = mu_msg_get_data(&r, 1, MU_SPEECH_DIRECTORY_MAX);
        else if (key == 2)
            m->id = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
        else if (key == 3)
            m->index = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
        else if (key == 4)
            m->path = mu_msg_get_data(&r, 0, MU_SPEECH_PATH_MAX);
        else
            mu_cbor_skip(&r);
    }
    return mu_msg_end(&r, &map, 0x1e);
}

/* ---- POST /dir, up -------------------------------------------------------- */

int mu_speech_want_create(const struct mu_speech_want *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, m->scheme == MU_SPEECH_NONE ? 1 : 3);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, m->version);
    if (m->scheme == MU_SPEECH_NONE)
        return mu_writer_end(w);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->scheme);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_bstr(w, m->pub);
    return mu_writer_end(w);
}

int mu_speech_want_consume(struct mu_bytes in, struct mu_speech_want *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_speech_want){.version = 0};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            m->version = mu_cbor_get_uint(&r);
        else if (key == 2)
            m->scheme = get_scheme(&r);
        else if (key == 3)
            m->pub = mu_msg_get_data(&r, 32, MU_PUBLIC_KEY_MAX);
        else
            mu_cbor_skip(&r);
    }
    if ((m->scheme != MU_SPEECH_NONE) != (m->pub.len != 0))
        mu_reader_fail(&r);
    return mu_msg_end(&r, &map, 0x2);
}

int mu_speech_list_create(const struct mu_speech_list *m, struct mu_writer *w)
{
    if (m->members_len > MU_SPEAKERS_MAX)
        return MU_ERR_USAGE;
    mu_cbor_put_map(w, 3);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, m->version);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_bstr(w, m->object);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_array(w, m->members_len);
    for (size_t i = 0; i < m->members_len; i++) {
        mu_cbor_put_array(w, 2);
        mu_cbor_put_uint(w, m->members[i].id);
        mu_cbor_put_bstr(w, m->members[i].who);
    }
    return mu_writer_end(w);
}

static void list_members(struct mu_reader *r, struct mu_speech_list *m)
{
    size_t n = mu_cbor_get_array(r);

    if (n > MU_SPEAKERS_MAX) {
        mu_reader_fail(r);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        mu_cbor_expect_array(r, 2);
        m->members[i].id = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        m->members[i].who = mu_msg_get_data(r, WHO_MIN, MU_WHO_MAX);
    }
    m->members_len = (uint8_t)n;
}

int mu_speech_list_consume(struct mu_bytes in, struct mu_speech_list *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_speech_list){.version = 0};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            m->version = mu_cbor_get_uint(&r);
        else if (key == 2)
            m->object = mu_msg_get_data(&r, 0, MU_SPEECH_DIRECTORY_MAX);
        else if (key == 3)
            list_members(&r, m);
        else
            mu_cbor_skip(&r);
    }
    return mu_msg_end(&r, &map, 0xe);
}
