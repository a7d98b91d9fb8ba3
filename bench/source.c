/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source-authentication family side by side: the same messages, the same
 * losses, the same flood, through one interface. What is measured: bytes on
 * the air beside the message, delay until a message is proved, memory at the
 * receiver, hashes, signatures and processor time per message, how many
 * messages arrive at 0, 5 and 20 % loss, and under ten forgeries for each.
 *
 *     bench_source [--json]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/source_chain.h"
#include "muster/source_sign.h"
#include "muster/source_tesla.h"

enum {
    MESSAGES = 400, MESSAGE = 64, APART_MS = 250, MEMBERS = 64,
    FLOOD = 10, SLOTS = 16, GROUPS = 4, BLOOM = 384, /* 48 bits a member */
};

enum family {
    BLOOM_DIRECTORY, MERKLE_DIRECTORY, TESLA, UTESLA, MULTILEVEL, CHAIN, HOP,
    FAMILIES
};

static const char *const names[FAMILIES] = {
    "sign_bloom", "sign_merkle", "tesla", "utesla", "multilevel", "chain",
    "hop_chains",
};

struct run {
    const struct mu_source_scheme *scheme;
    void *sender, *receiver;
    size_t start_bytes; /* once for each receiver or each campaign */
    size_t receiver_ram, sender_ram;
    double delivered, forged_accepted;
    uint64_t air_bytes; /* of all packets */
    double delay_ms;
    double seal_us, hear_us, bogus_us;
    struct mu_source_counts counts;
};

static const struct mu_crypto *crypto;
static uint8_t texts[MESSAGES][MESSAGE];

static struct {
    struct mu_signer server, key;
    struct mu_secret pair_key;
    struct mu_source_proof signed_proof, pair_proof;
    struct mu_directory_member members[MEMBERS];
    struct mu_signer member_keys[MEMBERS];
    uint8_t bits[BLOOM], tree[2 * MEMBERS * 32], path[6 * 32];
    struct mu_sign_sender sign;
    struct mu_sign_receiver sign_receiver;
    struct mu_tesla_sender tesla;
    struct mu_tesla_receiver tesla_receiver;
    struct mu_chain_sender chain;
    struct mu_chain_receiver chain_receiver;
    struct mu_hop_sender hop;
    struct mu_hop_receiver hop_receiver;
    struct mu_chain_messages messages;
    uint8_t work[65536], receiver_work[65536], object[8192];
} b;

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "source: %s: %s\n", what, mu_err_text(rc));
    exit(2);
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint32_t chance(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

static void make_key(struct mu_signer *s)
{
    size_t len;

    s->alg = MU_ALG_ES256;
    must(crypto->keypair(crypto->ctx, s->alg, &s->priv, s->pub, &len), "key");
    s->pub_len = (uint8_t)len;
}

static void set_up(void)
{
    crypto = mu_crypto_openssl();
    if (crypto == NULL)
        must(MU_ERR_CRYPTO, "back end");
    make_key(&b.server);
    b.signed_proof = (struct mu_source_proof){crypto, &b.server, NULL};
    must(mu_secret_set(&b.pair_key, mu_bytes_str("pairwise key 123")), "key");
    b.pair_proof = (struct mu_source_proof){crypto, NULL, &b.pair_key};
    for (uint32_t i = 0; i < MEMBERS; i++) {
        make_key(&b.member_keys[i]);
        b.members[i].id = i + 1;
        must(mu_who_make(MU_BYTES(b.member_keys[i].pub),
                         mu_bytes_str("meter-17"), &b.members[i]), "who");
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        for (size_t n = 0; n < MESSAGE; n++)
            texts[i][n] = (uint8_t)(i * 31 + n);
        texts[i][0] = (uint8_t)(i >> 8);
        texts[i][1] = (uint8_t)i;
    }
}

/* ---- one of the family, ready to speak ---- */

static void begin_sign(struct run *r, bool bloom)
{
    const struct mu_sign_conf conf = {
        .proof = b.signed_proof, .alg = MU_ALG_ES256, .signatures = 20,
        .directory_max = bloom ? BLOOM : 32, .seed = 4711,
    };
    struct mu_directory d = {
        .kind = bloom ? MU_DIRECTORY_BLOOM : MU_DIRECTORY_MERKLE,
        .version = 1, .members = MEMBERS, .salt = {1},
        .bits = {b.bits, bloom ? BLOOM : 32},
    };
    struct mu_writer to = mu_writer(b.object, sizeof(b.object));

    b.sign = (struct mu_sign_sender){
        .crypto = crypto, .signer = &b.member_keys[5], .id = 6, .index = 5,
        .version = 1,
        .who = {b.members[5].who, b.members[5].who_len},
    };
    if (bloom) {
        must(mu_bloom_make(crypto, b.members, MEMBERS, d.salt, b.bits, BLOOM,
                           &d.hashes), "filter");
    } else {
        must(mu_merkle_make(crypto, b.members, MEMBERS, d.salt, b.tree,
                            sizeof(b.tree), b.bits), "tree");
        must(mu_merkle_path(b.tree, MEMBERS, 5, b.path, sizeof(b.path)),
             "path");
        b.sign.path = MU_BYTES(b.path);
    }
    must(mu_directory_create(&b.signed_proof, &d, &to), "directory");
    must(mu_sign_receiver_init(&b.sign_receiver, &conf, b.receiver_work,
                               sizeof(b.receiver_work)), "receiver");
    must(mu_sign_directory(&b.sign_receiver, mu_written(&to)), "directory");
    r->scheme = &mu_source_sign;
    r->sender = &b.sign;
    r->receiver = &b.sign_receiver;
    r->start_bytes = to.len;
    r->receiver_ram = sizeof(b.sign_receiver) + conf.directory_max;
    r->sender_ram = sizeof(b.sign) + b.sign.path.len;
}

static void begin_tesla(struct run *r, enum family f)
{
    const struct mu_source_proof *proof =
        f == TESLA ? &b.signed_proof : &b.pair_proof;
    const struct mu_tesla_params params = {
        .prf = MU_TESLA_SHA256, .key_len = 16, .tag_len = 8, .stream = 1,
        .start = MU_SECONDS(1), .interval = MU_MS(500), .length = 1000,
        .delay = 2, .low = f == MULTILEVEL ? 40 : 0,
    };
    const struct mu_tesla_conf conf = {
        .proof = *proof, .stream = 1, .slots = SLOTS, .message_max = MESSAGE,
        .drift = MU_MS(20), .seed = 77,
    };
    struct mu_writer to = mu_writer(b.object, sizeof(b.object));
    uint8_t last[32] = {5}, nonce[8];

    must(mu_tesla_sender_init(&b.tesla, crypto, &params, f == TESLA, last,
                              b.work, sizeof(b.work)), "sender");
    must(mu_tesla_receiver_init(&b.tesla_receiver, &conf, b.receiver_work,
                                sizeof(b.receiver_work)), "receiver");
    must(mu_tesla_sync_ask(&b.tesla_receiver, MU_SECONDS(1), nonce), "ask");
    must(mu_tesla_sync_create(&b.tesla, proof, MU_SECONDS(1), nonce, &to),
         "sync");
    must(mu_tesla_sync_take(&b.tesla_receiver, MU_SECONDS(1) + MU_MS(10),
                            mu_written(&to)), "sync");
    r->scheme = f == TESLA ? &mu_source_tesla
                           : f == UTESLA ? &mu_source_utesla
                                         : &mu_source_multilevel;
    r->sender = &b.tesla;
    r->receiver = &b.tesla_receiver;
    r->start_bytes = to.len;
    r->receiver_ram = sizeof(b.tesla_receiver) + mu_tesla_receiver_work(&conf);
    r->sender_ram = sizeof(b.tesla) + mu_tesla_sender_work(&params);
}

static int text_get(void *ctx, uint32_t i, struct mu_bytes *message)
{
    (void)ctx;
    if (i >= MESSAGES)
        return MU_ERR_NOT_FOUND;
    *message = MU_BYTES(texts[i]);
    return 0;
}

static void begin_chain(struct run *r)
{
    struct mu_writer to = mu_writer(b.object, sizeof(b.object));

    b.messages = (struct mu_chain_messages){NULL, text_get, MESSAGES};
    must(mu_chain_sender_init(&b.chain, &b.signed_proof, 1, 8, &b.messages,
                              b.work, sizeof(b.work)), "sender");
    must(mu_chain_start_create(&b.chain, &to), "start");
    mu_chain_receiver_init(&b.chain_receiver, &b.signed_proof, 1, 8);
    must(mu_chain_start(&b.chain_receiver, mu_written(&to)), "start");
    r->scheme = &mu_source_chain;
    r->sender = &b.chain;
    r->receiver = &b.chain_receiver;
    r->start_bytes = to.len;
    r->receiver_ram = sizeof(b.chain_receiver);
    r->sender_ram = sizeof(b.chain) + mu_chain_work(&b.messages, 8);
}

static void begin_hop(struct run *r)
{
    uint8_t key[MU_HOP_KEY];

    must(mu_hop_sender_init(&b.hop, crypto, 1, GROUPS, MESSAGES), "sender");
    must(mu_hop_commitment(&b.hop, 2, key), "commitment");
    mu_hop_receiver_init(&b.hop_receiver, crypto, 1, 2, GROUPS, key);
    r->scheme = &mu_source_hop;
    r->sender = &b.hop;
    r->receiver = &b.hop_receiver;
    r->start_bytes = MU_HOP_KEY;
    r->receiver_ram = sizeof(b.hop_receiver);
    r->sender_ram = sizeof(b.hop);
}

static void begin(struct run *r, enum family f)
{
    *r = (struct run){0};
    switch (f) {
    case BLOOM_DIRECTORY:
    case MERKLE_DIRECTORY:
        begin_sign(r, f == BLOOM_DIRECTORY);
        break;
    case TESLA:
    case UTESLA:
    case MULTILEVEL:
        begin_tesla(r, f);
        break;
    case CHAIN:
        begin_chain(r);
        break;
    case HOP:
    case FAMILIES:
        begin_hop(r);
        break;
    }
}

/* ---- the run ---- */

struct tally {
    mu_time sent[MESSAGES];
    bool got[MESSAGES];
    unsigned delivered, forged, flooded;
    double delay;
    uint64_t random;
    uint32_t loss; /* percent */
    bool flood;
};

static void fetch(struct run *r, struct tally *t, mu_time now)
{
    struct mu_source_message m;

    while (r->scheme->take(r->receiver, &m)) {
        unsigned i = m.bytes.len == MESSAGE
                         ? (unsigned)m.bytes.data[0] << 8 | m.bytes.data[1]
                         : MESSAGES;

        if (i >= MESSAGES || t->got[i] ||
            memcmp(m.bytes.data, texts[i], MESSAGE) != 0) {
            t->forged++;
            continue;
        }
        t->got[i] = true;
        t->delivered++;
        t->delay += (double)(now - t->sent[i]) / 1e3;
    }
}

static void hear(struct run *r, struct tally *t, mu_time now,
                 struct mu_bytes packet)
{
    uint8_t bad[MU_PACKET_MAX];
    double from;

    r->air_bytes += packet.len;
    for (unsigned i = 0; t->flood && i < FLOOD; i++) {
        /* In the message: what looks good the longest, and costs most. */
        size_t at = packet.len - 1 - chance(&t->random, 8);

        memcpy(bad, packet.data, packet.len);
        bad[at] ^= (uint8_t)(1 + chance(&t->random, 255));
        from = now_us();
        (void)!r->scheme->packet(r->receiver, now,
                                 mu_bytes(bad, packet.len));
        r->bogus_us += now_us() - from;
        t->flooded++;
        fetch(r, t, now);
    }
    if (chance(&t->random, 100) < t->loss)
        return;
    from = now_us();
    (void)!r->scheme->packet(r->receiver, now, packet);
    fetch(r, t, now);
    r->hear_us += now_us() - from;
}

static void run(struct run *r, enum family f, uint32_t loss, bool flood)
{
    static struct tally t;
    uint8_t out[MU_PACKET_MAX];
    mu_time now = MU_SECONDS(2), end;
    unsigned said = 0;
    size_t len;

    begin(r, f);
    t = (struct tally){.random = 12345 + f, .loss = loss, .flood = flood};
    end = now + MU_MS(APART_MS) * MESSAGES + MU_SECONDS(60);
    for (mu_time next = now; now < end; now += MU_MS(10)) {
        while ((len = r->scheme->next(r->sender, now, out)) > 0)
            hear(r, &t, now, mu_bytes(out, len));
        if (now >= next && said < MESSAGES) {
            struct mu_writer w = mu_writer(out, sizeof(out));
            double from = now_us();

            must(r->scheme->seal(r->sender, now, MU_BYTES(texts[said]), &w),
                 "seal");
            r->seal_us += now_us() - from;
            t.sent[said++] = now;
            hear(r, &t, now, mu_written(&w));
            next += MU_MS(APART_MS);
        }
        if (said == MESSAGES && t.delivered == MESSAGES)
            break;
    }
    r->delivered = (double)t.delivered / MESSAGES;
    r->forged_accepted = t.forged;
    r->delay_ms = t.delivered > 0 ? t.delay / t.delivered : 0;
    r->seal_us /= MESSAGES;
    r->hear_us /= MESSAGES;
    r->bogus_us = t.flooded > 0 ? r->bogus_us / t.flooded : 0;
    r->counts = *r->scheme->counts(r->receiver);
}

static bool row(enum family f, bool json, bool first)
{
    struct run calm, loss5, loss20, flood;
    double overhead;

    run(&calm, f, 0, false);
    run(&loss5, f, 5, false);
    run(&loss20, f, 20, false);
    run(&flood, f, 0, true);
    overhead = (double)calm.air_bytes / MESSAGES - MESSAGE;
    if (json)
        printf("%s  {\"scheme\": \"%s\", \"bytes_per_message\": %.1f, "
               "\"start_bytes\": %zu, \"delay_ms\": %.0f, "
               "\"receiver_ram\": %zu, \"sender_ram\": %zu, "
               "\"hashes_per_message\": %.2f, "
               "\"signatures_per_message\": %.2f, \"seal_us\": %.2f, "
               "\"receive_us\": %.2f, \"bogus_us\": %.2f, "
               "\"delivered\": %.3f, \"delivered_loss_5\": %.3f, "
               "\"delivered_loss_20\": %.3f, \"delivered_flood\": %.3f, "
               "\"forged_accepted\": %.0f, \"waiting_max\": %u}",
               first ? "" : ",\n", names[f], overhead, calm.start_bytes,
               calm.delay_ms, calm.receiver_ram, calm.sender_ram,
               (double)calm.counts.hashes / MESSAGES,
               (double)calm.counts.signatures / MESSAGES, calm.seal_us,
               calm.hear_us, flood.bogus_us, calm.delivered, loss5.delivered,
               loss20.delivered, flood.delivered,
               calm.forged_accepted + loss5.forged_accepted +
                   loss20.forged_accepted + flood.forged_accepted,
               flood.counts.waiting_max);
    else
        printf("%-12s %7.1f %6zu %7.0f %6zu %6.2f %5.2f %8.1f %8.1f %8.2f "
               "%6.3f %6.3f %6.3f %6.3f %4.0f\n",
               names[f], overhead, calm.start_bytes, calm.delay_ms,
               calm.receiver_ram, (double)calm.counts.hashes / MESSAGES,
               (double)calm.counts.signatures / MESSAGES, calm.seal_us,
               calm.hear_us, flood.bogus_us, calm.delivered, loss5.delivered,
               loss20.delivered, flood.delivered,
               calm.forged_accepted + flood.forged_accepted);
    return calm.delivered == 1 && calm.forged_accepted == 0 &&
           loss5.forged_accepted == 0 && loss20.forged_accepted == 0 &&
           flood.forged_accepted == 0;
}

int main(int argc, char **argv)
{
    const bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    bool good = true;

    if (argc > 2 || (argc == 2 && !json)) {
        fprintf(stderr, "usage: source [--json]\n");
        return 2;
    }
    set_up();
    if (json)
        printf("{\"bench\": \"source\", \"messages\": %d, "
               "\"message_bytes\": %d, \"apart_ms\": %d, \"members\": %d, "
               "\"interval_ms\": 500, \"delay_intervals\": 2, "
               "\"flood\": %d, \"schemes\": [\n",
               MESSAGES, MESSAGE, APART_MS, MEMBERS, FLOOD);
    else
        printf("%-12s %7s %6s %7s %6s %6s %5s %8s %8s %8s %6s %6s %6s %6s "
               "%4s\n", "scheme", "bytes", "start", "delay", "ram", "hash",
               "sig", "seal us", "hear us", "bogus us", "0 %", "5 %", "20 %",
               "flood", "bad");
    for (int f = 0; f < FAMILIES; f++)
        good = row((enum family)f, json, f == 0) && good;
    if (json)
        printf("],\n \"met\": %s}\n", good ? "true" : "false");
    return good ? 0 : 1;
}
