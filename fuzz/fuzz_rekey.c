/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekey messages of one who can make the tag fit (a member gone bad): read,
 * and opened by a device of the scheme that the message names. The first byte
 * picks the size of the group and the device, the second is the device's slot.
 * Then, as it is, the input is a state of a device.
 */
#include <stdlib.h>

#include "fuzz/believe.h"
#include "muster/scheme.h"

#define STATE_MAX 8192
#define BASE 1u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void rekey_state(const struct mu_crypto *c, const uint8_t *state,
                        size_t len, uint8_t *msg, size_t msg_len)
{
    static uint8_t own[STATE_MAX];
    struct mu_member m;
    struct mu_secret key;
    struct mu_kid kid;

    if (len > sizeof(own))
        return;
    mu_copy(own, state, len);
    if (mu_member_init(&m, c, own, len, sizeof(own)) != 0)
        return;
    if (mu_member_open(&m, msg, msg_len, &kid, &key) == 0) {
        const struct mu_kid newest = mu_member_newest(&m);

        if (!mu_kid_eq(&kid, &newest) || key.len != 32)
            abort();
        /* What it has become is a state. */
        if (mu_member_init(&m, c, own, m.state_len, sizeof(own)) != 0)
            abort();
    } else if (mu_secret_is_set(&key)) {
        abort();
    }
    if (mu_member_level_key(&m, 1, &key) == 0 && key.len != 32)
        abort();
}

/* A device of a small group of that scheme. */
static size_t rekey_device(const struct mu_crypto *c, enum mu_scheme_kind kind,
                           uint8_t shape, uint8_t slot, uint8_t *state)
{
    static uint64_t mem[1024];
    const uint32_t members = 1u + shape % 64;
    struct mu_scheme_conf conf = {
        .crypto = c,
        .kind = kind,
        .master = {.bytes = {1}, .len = 32},
        .key_kind = MU_KEY_KB,
        .members = members,
        .slots_max = members,
        .clusters = 1u + shape % 5,
        .degree = (uint8_t)(2 + shape % 3),
        .levels = (uint8_t)(1 + shape % 8),
    };
    struct mu_writer w = mu_writer(state, STATE_MAX);
    struct mu_scheme s;

    if (mu_scheme_build(&s, &conf, BASE, mem, sizeof(mem)) != 0 ||
        mu_scheme_issue(&s, slot % members, &w) != 0)
        abort();
    return w.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto c = believe_crypto();
    static uint8_t state[STATE_MAX];
    static uint8_t msg[1 << 16];
    struct mu_rekey_info info;
    size_t state_len;

    if (len < 2 || len - 2 > sizeof(msg))
        return 0;
    mu_copy(msg, data + 2, len - 2);
    rekey_state(&c, data, len, msg, len - 2);
    mu_copy(msg, data + 2, len - 2);
    if (mu_rekey_info(mu_bytes(msg, len - 2), &info) != 0)
        return 0;
    state_len = rekey_device(&c, info.kind, data[0], data[1], state);
    rekey_state(&c, state, state_len, msg, len - 2);
    return 0;
}
