/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every control packet, read from the input as it is, with tags that are
 * believed. What can be read is written again, to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/believe.h"
#include "muster/cast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
extern unsigned long fuzz_taken;
unsigned long fuzz_taken; /* packets: see replay.c */

static void same(struct mu_bytes in, int rc, const struct mu_writer *w)
{
    /* The tag is not looked at here, so it may differ. */
    if (rc != 0 || w->len != in.len ||
        memcmp(in.data, w->data, in.len - MU_TAG_LEN) != 0)
        abort();
    fuzz_taken++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto c = believe_crypto();
    struct mu_bytes in = mu_bytes(data, len);
    uint8_t out[MU_PACKET_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    enum mu_cast_kind kind = MU_CAST_DATA;
    struct mu_secret key;
    struct mu_poll p;
    struct mu_need n;
    struct mu_census s;
    struct mu_status t;
    uint8_t session;
    uint16_t who;
    int peeked = mu_cast_peek(in, &kind, &session, &who);

    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    if (mu_poll_consume(&c, &key, in, &p) == 0) {
        same(in, mu_poll_create(&c, &key, &p, &w), &w);
        if (peeked != 0 || kind != MU_CAST_POLL || who != p.kg)
            abort();
    } else if (mu_need_consume(&c, &key, in, &n) == 0) {
        same(in, mu_need_create(&c, &key, &n, &w), &w);
        if (peeked != 0 || kind != MU_CAST_NEED || who != n.receiver)
            abort();
    } else if (mu_census_consume(&c, &key, in, &s) == 0) {
        same(in, mu_census_create(&c, &key, &s, &w), &w);
        if (peeked != 0 || kind != MU_CAST_CENSUS || who != s.kg)
            abort();
    } else if (mu_status_consume(&c, &key, in, &t) == 0) {
        same(in, mu_status_create(&c, &key, &t, &w), &w);
        if (peeked != 0 || kind != MU_CAST_STATUS || who != t.receiver)
            abort();
    }
    return 0;
}
