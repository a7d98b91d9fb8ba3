/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node of a multihop area among neighbours who all hold the area key, and
 * whose every word is believed. The input: events, each a time step (2 bytes,
 * ms), a length (1) and a packet. It must stay within its store and its
 * budgets, and always come to an end of what it has to say.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/believe.h"
#include "muster/deluge.h"

#define STORE 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t store[STORE];

static int store_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    (void)ctx;
    if (at > STORE || len > STORE - at)
        return MU_ERR_TOO_LARGE;
    memcpy(to, store + at, len);
    return 0;
}

static int store_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    (void)ctx;
    if (at > STORE || len > STORE - at)
        return MU_ERR_TOO_LARGE;
    memcpy(store + at, from, len);
    return 0;
}

static int store_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

static void node_speak(struct mu_deluge *d, mu_time now)
{
    uint8_t out[MU_PACKET_MAX];

    for (unsigned i = 0; mu_deluge_deadline(d) <= now; i++) {
        size_t n = mu_deluge_next(d, now, out);

        if (n > MU_PACKET_MAX || i > 1000)
            abort();
    }
}

static void node_run(struct mu_deluge *d, struct mu_reader *in)
{
    mu_time now = 0;

    while (mu_reader_left(in) >= 3) {
        struct mu_bytes packet;

        now += MU_MS(mu_read_u16(in));
        packet = mu_read_bytes(in, mu_read_u8(in));
        if (mu_deluge_packet(d, now, packet) > 0)
            abort();
        node_speak(d, now);
        if (d->pages > d->pages_all || d->got_len > d->page.data)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto crypto = believe_crypto();
    struct mu_signer server = {.alg = MU_ALG_ES256, .pub_len = 65};
    struct mu_deluge_trust trust = {&crypto, &server, NULL};
    struct mu_object object = {NULL, store_read, store_write, store_sync};
    static struct mu_deluge d;
    static uint8_t work[2 * MU_ANNOUNCE_MAX];
    struct mu_reader in = mu_reader(mu_bytes(data, len));
    uint8_t mode = mu_read_u8(&in);
    struct mu_deluge_opener opener = {
        &trust, (mode & 1) != 0 ? mu_deluge_open_plain : mu_deluge_open,
    };
    struct mu_deluge_conf conf = {
        .crypto = &crypto, .store = &object, .opener = &opener, .node = 1,
        .channel = 1, .tag_len = (mode & 1) != 0 ? 0 : MU_TAG_LEN,
        .payload = 96, .manifest_max = 1024, .packet_us = 1000,
        .trickle = {64, 4, 1}, .seed = mode,
    };
    struct mu_secret key;

    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0 ||
        mu_deluge_init(&d, &conf, work, sizeof(work), 0) != 0)
        abort();
    mu_deluge_control(&d, &key, 1);
    if ((mode & 2) != 0) { /* it begins with an object, given by length */
        struct mu_bytes manifest = mu_read_bytes(&in, mu_read_u16(&in));
        uint8_t pages = mu_read_u8(&in);

        (void)!mu_deluge_offer(&d, manifest, pages, 0);
    }
    node_run(&d, &in);
    return 0;
}
