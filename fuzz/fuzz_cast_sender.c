/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sender among members gone bad: every NEED it hears is believed. The input:
 * 8 bytes of shape, size and manners, then events, each a time step (1 byte,
 * ms), a length (1) and the body of a NEED. What it says must be sound, and
 * must come to an end after the last event: nobody can keep it at work.
 */
#include <stdlib.h>

#include "fuzz/believe.h"
#include "muster/cast_sender.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
extern unsigned long fuzz_taken;
unsigned long fuzz_taken; /* answers: see replay.c */

#define RECEIVERS 8

static int prepared_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    const uint64_t *size = ctx;

    if (at + len > *size)
        abort();
    mu_zero(to, len);
    return 0;
}

static bool peers_member(void *ctx, uint16_t receiver)
{
    (void)ctx;
    return receiver != 3;
}

static int peers_key(void *ctx, uint16_t receiver, struct mu_secret *kfb)
{
    if (receiver >= RECEIVERS)
        abort();
    *kfb = *(const struct mu_secret *)ctx;
    return 0;
}

static int no_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    mu_zero(out, len);
    return 0;
}

static bool sender_conf(struct mu_reader *r, struct mu_cast_sender_conf *c)
{
    uint8_t manners;

    c->shape.payload = (uint16_t)(MU_PAYLOAD_MIN + mu_read_u8(r));
    c->shape.page_data = mu_read_u8(r);
    c->shape.page_parity = mu_read_u8(r);
    c->shape.hash_len = (uint8_t)(MU_HASH_MIN + mu_read_u8(r) % 29);
    c->size = mu_read_u16(r);
    manners = mu_read_u8(r);
    c->answer_all_max = manners & 1 ? RECEIVERS : 0;
    c->loss_permille = (uint16_t)(manners * 3u);
    c->rounds_max = (uint8_t)(1 + mu_read_u8(r) % 20);
    return !r->failed && c->size <= 20000 &&
           mu_cast_pages(&c->shape, c->size) > 0;
}

/* All it has to say up to `now`; how many packets that was. */
static unsigned sender_speak(struct mu_cast_sender *s, mu_time now)
{
    uint8_t out[MU_PACKET_MAX];
    unsigned n = 0;
    size_t len;

    while ((len = mu_cast_sender_next(s, now, out)) > 0) {
        if (len > MU_PACKET_MAX || (!mu_cast_is_data(out[0]) &&
                                    out[0] != MU_CAST_POLL))
            abort();
        if (n++ > 100000)
            abort();
    }
    if (mu_cast_sender_error(s) != 0)
        abort();
    return n;
}

static bool peers_alone(void *ctx, uint16_t receiver)
{
    (void)ctx;
    return receiver != 1;
}

static mu_time sender_run(struct mu_cast_sender *s, struct mu_reader *in)
{
    uint8_t packet[256 + MU_TAG_LEN + 2] = {MU_CAST_NEED, 1};
    mu_time now = 0;

    while (mu_reader_left(in) >= 2) {
        struct mu_bytes body;
        now += MU_MS(mu_read_u8(in));
        body = mu_read_bytes(in, mu_read_u8(in));
        (void)sender_speak(s, now);
        mu_copy(packet + 2, body.data, body.len);
        mu_zero(packet + 2 + body.len, MU_TAG_LEN);
        if (mu_cast_sender_feedback(s, now, mu_bytes(packet, body.len + 2 +
                                                     MU_TAG_LEN)) > 0)
            abort();
    }
    return now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static _Alignas(8) uint8_t work[1 << 17];
    static struct mu_cast_sender s;
    struct mu_crypto crypto = believe_crypto();
    struct mu_reader in = mu_reader(mu_bytes(data, len));
    struct mu_secret key;
    uint64_t size;
    const struct mu_object prepared = {&size, prepared_read, NULL, NULL};
    const struct mu_cast_peers peers = {&key, peers_member, peers_key,
                                        peers_alone, NULL};
    struct mu_cast_sender_conf conf = {
        .crypto = &crypto, .session = 1, .prepared = &prepared,
        .peers = &peers, .receivers = RECEIVERS, .window_ms = 20,
        .repair_max = 40,
        .cost = (uint16_t)(len % 2 * 3), /* every other input: one by one */
    };
    struct mu_rate rate;
    mu_time now;

    crypto.random = no_random;
    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    if (!sender_conf(&in, &conf))
        return 0;
    if (len % 3 == 0) { /* and every third one yields */
        conf.rate = 1000000;
        mu_rate_init(&rate, conf.rate, 50);
        conf.yield = &rate;
    }
    size = mu_cast_prepared_size(&conf.shape, conf.size);
    if (mu_cast_sender_work(&conf) > sizeof(work) ||
        mu_cast_sender_init(&s, &conf, work, sizeof(work), 0) != 0)
        abort();
    mu_cast_sender_control(&s, &key, 1);
    mu_cast_sender_ready(&s, UINT32_MAX);
    now = sender_run(&s, &in);
    for (unsigned n = 0; !mu_cast_sender_idle(&s); n++) {
        mu_time at = mu_cast_sender_deadline(&s);
        if (at == MU_TIME_NEVER || n > 1000000)
            abort();
        now = at > now ? at : now;
        (void)sender_speak(&s, now);
    }
    fuzz_taken += mu_cast_sender_counts(&s)->feedback;
    return 0;
}
