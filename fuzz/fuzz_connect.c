/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connect messages of a node or a server gone bad: whoever holds the root key
 * can put anything into them. First byte: 1 message 1, 2 message 2, 3 a
 * capability map; then the message. Ciphertexts count as their plaintext.
 */
#include <stdlib.h>

#include "fuzz/believe.h"
#include "muster/connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int connect_open(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                        uint8_t *out, size_t *out_len)
{
    (void)ctx;
    (void)a;
    *out_len = in.len - 8; /* the tag of AES-CCM-16-64-128 */
    mu_copy(out, in.data, *out_len);
    return 0;
}

/* What was read can be written, and is then read as the same. */
static void connect_capability(const struct mu_capability *cap)
{
    uint8_t bytes[128];
    struct mu_writer w = mu_writer(bytes, sizeof bytes);
    struct mu_capability again;

    mu_capability_write(&w, cap);
    struct mu_reader r = mu_reader(mu_written(&w));
    mu_capability_read(&r, &again);
    if (mu_writer_end(&w) != 0 || mu_reader_end(&r) != 0 ||
        again.object_max != cap->object_max ||
        again.page_memory != cap->page_memory ||
        again.algs_len != cap->algs_len || again.receiver != cap->receiver)
        abort();
}

static void connect_first(const struct mu_crypto *c,
                          const struct mu_secret *kmr, struct mu_bytes in)
{
    struct mu_connect_pending p;
    struct mu_connect1 m;
    struct mu_bytes identity;
    struct mu_writer w;
    uint8_t bytes[MU_CONNECT_MAX];

    if (mu_connect1_peek(in, &identity) != 0)
        return;
    if (identity.len == 0 || identity.len > MU_ID_MAX)
        abort();
    if (mu_connect1_consume(c, kmr, identity, mu_bytes(NULL, 0), in, &m, &p) !=
        0)
        return;
    connect_capability(&m.capability);
    /* A node could have said all of this. */
    w = mu_writer(bytes, sizeof bytes);
    if (mu_connect1_create(c, kmr, &m, &w, &p) != 0)
        abort();
}

static void connect_second(const struct mu_crypto *c,
                           const struct mu_secret *kmr, struct mu_bytes in)
{
    const struct mu_connect_pending p = {.epoch = 0};
    struct mu_connection conn;
    struct mu_connect2 m;
    struct mu_writer w;
    uint8_t plain[4096];
    uint8_t bytes[MU_CONNECT_MAX];

    w = mu_writer(plain, sizeof plain);
    if (mu_connect2_consume(c, kmr, &p, in, &w, &m, &conn) != 0) {
        if (w.len != 0 || mu_secret_is_set(&conn.ka))
            abort();
        return;
    }
    w = mu_writer(bytes, sizeof bytes);
    if (mu_connect2_create(c, kmr, &p, &m, &w, &conn) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mu_crypto c = believe_crypto();
    struct mu_secret kmr;

    c.open = connect_open;
    if (mu_secret_set(&kmr, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    if (len == 0)
        return 0;
    struct mu_bytes in = mu_bytes(data + 1, len - 1);
    if (data[0] == 1) {
        connect_first(&c, &kmr, in);
    } else if (data[0] == 2) {
        connect_second(&c, &kmr, in);
    } else {
        struct mu_reader r = mu_reader(in);
        struct mu_capability cap;
        mu_capability_read(&r, &cap);
        if (mu_reader_end(&r) == 0)
            connect_capability(&cap);
    }
    return 0;
}
