/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A receiver among packets of which it believes every one. The input: 8 bytes
 * of shape and size, then events, each a time step (2 bytes, ms), a length (2)
 * and a packet. It must stay within its memory, end no page twice, and come
 * back from what it saves.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/believe.h"
#include "muster/cast_receiver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct heard {
    uint32_t next_page;
    uint64_t content;
};

static int receiver_page(void *ctx, const struct mu_cast_page *page,
                         uint8_t *block)
{
    struct heard *h = ctx;

    if (page->index != h->next_page || page->content_at != h->content)
        abort();
    h->next_page++;
    h->content += page->content_len;
    /* A device decrypts in place. */
    memset(block + page->hashes_len, 0x55, page->content_len);
    return 0;
}

static bool receiver_conf(struct mu_reader *r, struct mu_cast_receiver_conf *c)
{
    struct mu_cast_page page;

    c->shape.payload = (uint16_t)(MU_PAYLOAD_MIN + mu_read_u16(r) % 1425);
    c->shape.page_data = mu_read_u8(r);
    c->shape.page_parity = mu_read_u8(r);
    c->shape.hash_len = (uint8_t)(MU_HASH_MIN + mu_read_u8(r) % 29);
    c->size = (uint64_t)mu_read_u8(r) << 16 | mu_read_u16(r);
    return !r->failed &&
           mu_cast_page_first(&c->shape, c->size, &page) == 0;
}

/* What it says must fit, and must end. */
static void receiver_speak(struct mu_cast_receiver *r, mu_time now)
{
    uint8_t out[MU_PACKET_MAX];

    for (unsigned i = 0; mu_cast_receiver_next(r, now, out, sizeof(out)) > 0;
         i++) {
        if (i > 100)
            abort();
    }
}

static void receiver_reload(struct mu_cast_receiver *r,
                            const struct mu_cast_receiver_conf *conf,
                            struct mu_bytes roots, void *work, size_t work_len)
{
    uint32_t pages = mu_cast_receiver_pages(r);
    uint8_t saved[9000];
    struct mu_writer w = mu_writer(saved, sizeof(saved));
    struct mu_reader in;

    if (mu_cast_receiver_save(r, &w) != 0)
        abort();
    if (mu_cast_receiver_init(r, conf, roots, work, work_len, 0) != 0)
        abort();
    in = mu_reader(mu_written(&w));
    if (mu_cast_receiver_load(r, &in) != 0 || mu_reader_end(&in) != 0 ||
        mu_cast_receiver_pages(r) != pages)
        abort();
}

static void receiver_run(struct mu_cast_receiver *r, struct mu_reader *in)
{
    mu_time now = 0;

    while (mu_reader_left(in) >= 4) {
        now += MU_MS(mu_read_u16(in));
        struct mu_bytes packet = mu_read_bytes(in, mu_read_u16(in));
        if (mu_cast_receiver_packet(r, now, packet) > 0)
            abort();
        if (mu_cast_receiver_deadline(r) <= now)
            receiver_speak(r, now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t work[1 << 20];
    static struct mu_cast_receiver r;
    const uint8_t zeros[MU_PAGE_PACKETS_MAX * MU_HASH_MAX] = {0};
    const struct mu_crypto crypto = believe_crypto();
    struct mu_reader in = mu_reader(mu_bytes(data, len));
    struct heard h = {0, 0};
    const struct mu_cast_sink sink = {&h, receiver_page};
    struct mu_secret key;
    struct mu_cast_receiver_conf conf = {
        .crypto = &crypto, .session = 1, .receiver = 2, .kfb = &key,
        .sink = &sink, .seed = 3, .idle_ms = 500,
    };
    struct mu_cast_page page;
    struct mu_bytes roots;

    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    if (!receiver_conf(&in, &conf))
        return 0;
    if (mu_cast_page_first(&conf.shape, conf.size, &page) != 0)
        abort();
    roots = mu_bytes(zeros, ((size_t)page.data + page.parity) *
                                conf.shape.hash_len);
    if (mu_cast_receiver_init(&r, &conf, roots, work,
                              mu_cast_receiver_work(&conf.shape), 0) != 0)
        abort();
    mu_cast_receiver_control(&r, &key, 1);
    receiver_run(&r, &in);
    if (mu_cast_receiver_done(&r) && h.content != conf.size)
        abort();
    receiver_reload(&r, &conf, roots, work,
                    mu_cast_receiver_work(&conf.shape));
    return 0;
}
