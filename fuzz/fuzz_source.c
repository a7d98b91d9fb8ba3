/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receivers of the source-authentication family among packets of which
 * they believe every one. The input: a byte that chooses scheme and form, an
 * object that starts it (length in two bytes), then events, each a time step
 * (2 bytes, ms), a length (1) and a packet.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/believe.h"
#include "muster/source_chain.h"
#include "muster/source_sign.h"
#include "muster/source_tesla.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { SLOTS = 4, MESSAGE = 100 };

static void run(const struct mu_source_scheme *scheme, void *receiver,
                mu_time now, struct mu_reader *in)
{
    struct mu_source_message m;

    while (mu_reader_left(in) >= 3) {
        struct mu_bytes packet;
        unsigned n = 0;

        now += MU_MS(mu_read_u16(in));
        packet = mu_read_bytes(in, mu_read_u8(in));
        if (scheme->packet(receiver, now, packet) > 0)
            abort();
        while (scheme->take(receiver, &m)) {
            if (m.bytes.len > MU_PACKET_MAX || ++n > MU_SOURCE_SLOTS_MAX)
                abort();
        }
    }
    if (scheme->counts(receiver)->waiting_max > SLOTS)
        abort();
}

static void run_tesla(const struct mu_source_proof *proof,
                      struct mu_bytes start, struct mu_reader *in)
{
    const struct mu_tesla_conf conf = {
        .proof = *proof, .stream = 1, .slots = SLOTS, .message_max = MESSAGE,
        .drift = 1000, .seed = 1,
    };
    static uint8_t work[SLOTS * MESSAGE];
    static struct mu_tesla_receiver r;
    uint8_t nonce[8];

    if (mu_tesla_receiver_init(&r, &conf, work, sizeof(work)) != 0 ||
        mu_tesla_sync_ask(&r, 0, nonce) != 0)
        abort();
    memset(r.nonce, 0, sizeof(r.nonce));
    if (mu_tesla_sync_take(&r, 1000, start) != 0)
        return;
    run(&mu_source_tesla, &r, 1000, in);
}

static void run_sign(const struct mu_source_proof *proof,
                     struct mu_bytes start, struct mu_reader *in)
{
    const struct mu_sign_conf conf = {
        .proof = *proof, .alg = MU_ALG_EDDSA, .signatures = 100,
        .directory_max = 256,
    };
    static uint8_t work[256];
    static struct mu_sign_receiver r;

    if (mu_sign_receiver_init(&r, &conf, work, sizeof(work)) != 0)
        abort();
    if (mu_sign_directory(&r, start) == 0 &&
        r.directory.bits.data != work)
        abort();
    run(&mu_source_sign, &r, 0, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto crypto = believe_crypto();
    struct mu_signer server = {.alg = MU_ALG_ES256, .pub_len = 65};
    struct mu_secret key;
    struct mu_source_proof proof = {&crypto, NULL, &key};
    struct mu_reader in = mu_reader(mu_bytes(data, len));
    uint8_t mode = mu_read_u8(&in);
    struct mu_bytes start = mu_read_bytes(&in, mu_read_u16(&in));
    const uint8_t zero[MU_HOP_KEY] = {0};
    struct mu_chain_receiver chain;
    struct mu_hop_receiver hop;

    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    if ((mode & 4) != 0)
        proof.signer = &server;
    switch (mode & 3) {
    case 0:
        run_tesla(&proof, start, &in);
        break;
    case 1:
        run_sign(&proof, start, &in);
        break;
    case 2:
        mu_chain_receiver_init(&chain, &proof, 1, 8);
        (void)!mu_chain_start(&chain, start);
        run(&mu_source_chain, &chain, 0, &in);
        break;
    default:
        mu_hop_receiver_init(&hop, &crypto, 1, mode >> 4 & 3, 3, zero);
        run(&mu_source_hop, &hop, 0, &in);
        break;
    }
    return 0;
}
