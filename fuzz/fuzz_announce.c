/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announce packets of a member gone bad, and what a device makes of them. The
 * input is a row of packets, each behind its length in two bytes; then the
 * whole of it is an announce object.
 */
#include <stdlib.h>

#include "fuzz/believe.h"
#include "muster/cast_receiver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int announce_page(void *ctx, const struct mu_cast_page *page,
                         uint8_t *block)
{
    (void)ctx;
    (void)page;
    (void)block;
    return 0;
}

/* A look without the signature says the same, and shows what is within. */
static void announce_inline(struct mu_bytes object, const struct mu_manifest *m)
{
    enum mu_announce_kind kind;
    struct mu_manifest look;

    if (mu_announce_peek(object, &kind, &look) != 0 ||
        kind != MU_ANNOUNCE_INLINE || m->part >= m->parts ||
        m->content.len == 0 || m->content.len > MU_INLINE_CONTENT_MAX ||
        m->content.data < object.data ||
        m->content.data + m->content.len > object.data + object.len ||
        look.content.data != m->content.data ||
        look.content.len != m->content.len || look.group != m->group ||
        look.part != m->part || look.session != m->session)
        abort();
}

/* What it promises must hold together well enough to start receiving. */
static void announce_object(const struct mu_crypto *c,
                            const struct mu_secret *key,
                            struct mu_bytes object)
{
    const struct mu_signer server = {.alg = MU_ALG_ES256, .pub_len = 65};
    const struct mu_cast_sink sink = {NULL, announce_page};
    static uint8_t work[1 << 20];
    static struct mu_cast_receiver r;
    enum mu_announce_kind kind;
    struct mu_manifest m;

    if (mu_announce_consume(c, &server, key, object, &kind, &m) != 0)
        return;
    if (kind == MU_ANNOUNCE_INLINE)
        announce_inline(object, &m);
    if (kind != MU_ANNOUNCE_MANIFEST)
        return;
    if (m.roots.len > 0 && (m.roots.data < object.data ||
                            m.roots.data + m.roots.len >
                                object.data + object.len))
        abort();
    struct mu_cast_receiver_conf conf = {
        .crypto = c, .shape = m.shape, .size = m.size, .session = m.session,
        .kfb = key, .sink = &sink,
    };
    if (mu_cast_receiver_work(&m.shape) > sizeof(work))
        abort();
    /* Its roots were checked against its shape. */
    if (mu_cast_receiver_init(&r, &conf, m.roots, work, sizeof(work), 0) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto c = believe_crypto();
    struct mu_reader r = mu_reader(mu_bytes(data, len));
    struct mu_assembly a = {.fragments = 0};
    struct mu_secret key;

    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    while (mu_reader_left(&r) >= 2) {
        struct mu_bytes packet = mu_read_bytes(&r, mu_read_u16(&r));

        if (mu_assembly_packet(&a, &c, &key, packet) <= 0)
            continue;
        if (a.object_len > MU_ANNOUNCE_MAX)
            abort();
        announce_object(&c, &key, mu_bytes(a.object, a.object_len));
    }
    announce_object(&c, &key, mu_bytes(data, len));
    return 0;
}
