/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware: a device receives one image. It puts the announce object together,
 * checks the server's signature, unwraps the content key, takes the packets,
 * decrypts page by page, writes the image out and compares its digest. Packets
 * come from a file (stream.h), as a radio's driver would hand them over.
 */
#include "muster/cast_receiver.h"

#include "crypto_psa/crypto_psa.h"
#include "ports/cortex-m/board.h"
#include "ports/cortex-m/psa_memory.h"
#include "ports/cortex-m/stream.h"

enum {
    /* Bytes for one page: what this device can spare. A manifest with a
     * larger shape is refused. */
    WORK_LEN = 16 * 1024,
};

/* Beside its page buffer a receiver has 2 KB at most. */
_Static_assert(sizeof(struct mu_cast_receiver) <= 2048, "receiver state");

struct receive {
    const struct mu_crypto *crypto;
    int in;
    int out;
    mu_time now;

    struct mu_signer server;
    struct mu_secret kb, kann, kctl, kfb, cek;
    uint8_t kg;
    uint16_t receiver;
    uint32_t seed, idle_ms;

    struct mu_cast_sink sink;
    bool started;
    struct mu_sha256 digest;
    uint8_t wanted[MU_SHA256_LEN];

    uint32_t announces_refused;
    uint32_t refused;
};

/* The announce object is done with when pages begin: it is put together at the
 * end of the page buffer. */
union receive_page {
    uint8_t work[WORK_LEN];
    struct {
        uint8_t roots[WORK_LEN - sizeof(struct mu_assembly) -
                      sizeof(struct mu_manifest) - 8];
        struct mu_assembly assembly;
        struct mu_manifest manifest;
    } before;
};

_Static_assert(sizeof(union receive_page) == WORK_LEN, "page buffer");

/* Apart, so that the link map shows what each costs. */
static struct receive receive_state;
static struct mu_cast_receiver receive_cast;
static union receive_page receive_work;
static uint8_t receive_packet[MU_PACKET_MAX]; /* heard, or to be sent */

static int receive_secret(struct mu_reader *r, size_t len, struct mu_secret *s)
{
    return mu_secret_set(s, mu_read_bytes(r, len));
}

static int receive_provision(struct receive *d)
{
    uint8_t header[MU_STREAM_HEADER];
    struct mu_reader r = mu_reader(MU_BYTES(header));
    int rc = mu_board_read(d->in, header, sizeof(header));

    if (rc != 0)
        return rc;
    d->server.alg = MU_ALG_ES256;
    d->server.pub_len = MU_STREAM_PUB;
    mu_read_copy(&r, d->server.pub, MU_STREAM_PUB);
    rc = receive_secret(&r, MU_STREAM_KB, &d->kb);
    if (rc == 0)
        rc = receive_secret(&r, MU_STREAM_KEY, &d->kctl);
    d->kg = mu_read_u8(&r);
    if (rc == 0)
        rc = receive_secret(&r, MU_STREAM_KEY, &d->kfb);
    d->seed = mu_read_u32(&r);
    d->idle_ms = mu_read_u32(&r);
    d->receiver = mu_read_u16(&r);
    mu_wipe(header, sizeof(header));
    if (rc == 0)
        rc = mu_reader_end(&r);
    if (rc == 0)
        rc = mu_kdf(d->crypto, &d->kb, "announce", mu_bytes(NULL, 0), 16,
                    &d->kann);
    return rc;
}

static int receive_page(void *ctx, const struct mu_cast_page *page,
                        uint8_t *block)
{
    struct receive *d = ctx;
    uint8_t *content = block + page->hashes_len;
    struct mu_bytes plain = mu_bytes(content, page->content_len);
    int rc = mu_cast_crypt(d->crypto, &d->cek, page->content_at, content,
                           page->content_len);

    if (rc != 0)
        return rc;
    d->crypto->sha256_update(d->crypto->ctx, &d->digest, plain);
    return mu_board_write(d->out, plain.data, plain.len);
}

/* The receiver takes over the page buffer. The roots go to its start first,
 * where nothing is written before they have been copied to their place. */
static int receive_begin(struct receive *d)
{
    struct mu_manifest *m = &receive_work.before.manifest;
    struct mu_cast_receiver_conf conf = {
        .crypto = d->crypto,
        .shape = m->shape,
        .size = m->size,
        .session = m->session,
        .receiver = d->receiver,
        .seed = d->seed,
        .idle_ms = d->idle_ms,
        .kfb = &d->kfb,
        .sink = &d->sink,
    };
    struct mu_bytes roots = mu_bytes(receive_work.work, m->roots.len);

    if (m->roots.len > sizeof(receive_work.before.roots))
        return MU_ERR_TOO_LARGE;
    mu_copy(d->wanted, m->digest, sizeof(d->wanted));
    mu_copy(receive_work.work, m->roots.data, m->roots.len);
    d->sink = (struct mu_cast_sink){d, receive_page};
    return mu_cast_receiver_init(&receive_cast, &conf, roots,
                                 receive_work.work, sizeof(receive_work.work),
                                 d->now);
}

/* A complete announce object: start to receive what it describes. */
static int receive_start(struct receive *d)
{
    const struct mu_assembly *a = &receive_work.before.assembly;
    struct mu_manifest *m = &receive_work.before.manifest;
    enum mu_announce_kind kind;
    int rc = mu_manifest_consume_signed(d->crypto, &d->server,
                                        mu_bytes(a->object, a->object_len),
                                        &kind, m);

    if (rc != 0)
        return rc;
    if (kind != MU_ANNOUNCE_MANIFEST)
        return MU_ERR_UNSUPPORTED;
    rc = mu_cek_unwrap(d->crypto, &d->kb, m->wrapped_cek, &d->cek);
    if (rc == 0)
        rc = receive_begin(d);
    if (rc != 0)
        return rc;
    mu_cast_receiver_control(&receive_cast, &d->kctl, d->kg);
    d->crypto->sha256_init(d->crypto->ctx, &d->digest);
    d->started = true;
    return 0;
}

/* Speaks when it is time to; what it says goes to no radio here. */
static void receive_speak(struct receive *d)
{
    while (mu_cast_receiver_next(&receive_cast, d->now, receive_packet,
                                 sizeof(receive_packet)) > 0)
        continue;
}

static void receive_until(struct receive *d, mu_time at)
{
    while (d->started && mu_cast_receiver_deadline(&receive_cast) < at) {
        d->now = mu_cast_receiver_deadline(&receive_cast);
        receive_speak(d);
    }
    d->now = at;
}

static void receive_take(struct receive *d, struct mu_bytes packet)
{
    int rc;

    if (!d->started) {
        rc = mu_assembly_packet(&receive_work.before.assembly, d->crypto,
                                &d->kann, packet);
        if (rc > 0)
            rc = receive_start(d);
        if (rc < 0)
            d->announces_refused++;
        return;
    }
    rc = mu_cast_receiver_packet(&receive_cast, d->now, packet);
    if (rc < 0)
        d->refused++;
    if (mu_cast_receiver_deadline(&receive_cast) <= d->now)
        receive_speak(d);
}

static int receive_stream(struct receive *d)
{
    for (;;) {
        uint8_t record[MU_STREAM_RECORD];
        struct mu_reader r = mu_reader(MU_BYTES(record));
        mu_time at;
        size_t len;
        int rc = mu_board_read(d->in, record, sizeof(record));

        if (rc != 0)
            return rc;
        at = mu_read_u64(&r);
        len = mu_read_u16(&r);
        if (len == 0) {
            receive_until(d, at); /* what it still has to say */
            return 0;
        }
        if (len > sizeof(receive_packet))
            return MU_ERR_TOO_LARGE;
        receive_until(d, at);
        rc = mu_board_read(d->in, receive_packet, len);
        if (rc != 0)
            return rc;
        receive_take(d, mu_bytes(receive_packet, len));
    }
}

static void receive_report(const struct mu_cast_heard *h, bool good)
{
    const struct receive *d = &receive_state;

    mu_board_print_number("announces refused ", d->announces_refused, "\n");
    mu_board_print_number("packets refused ", d->refused, "");
    mu_board_print_number(", accepted ", (uint32_t)h->accepted, "");
    mu_board_print_number(", duplicate ", (uint32_t)h->duplicate, "");
    mu_board_print_number(", forged ", (uint32_t)h->forged, "");
    mu_board_print_number(", ahead ", (uint32_t)h->ahead, "");
    mu_board_print_number(", asked ", (uint32_t)h->asked, "\n");
    mu_board_print(good ? "image good\n" : "image BAD\n");
    mu_board_print_number("stack ", (uint32_t)mu_board_stack_used(), "");
    mu_board_print_number(", heap of Mbed TLS ",
                          (uint32_t)mu_psa_memory_used(), " bytes\n");
}

int main(void)
{
    struct receive *d = &receive_state;
    uint8_t digest[MU_SHA256_LEN];
    bool good;
    int rc;

    mu_psa_memory_init();
    d->crypto = mu_crypto_psa();
    d->in = mu_board_open(MU_STREAM_FILE, false);
    d->out = mu_board_open(MU_STREAM_IMAGE, true);
    if (d->crypto == NULL || d->in < 0 || d->out < 0) {
        mu_board_print("no crypto, no " MU_STREAM_FILE " or no room\n");
        return 1;
    }
    rc = receive_provision(d);
    if (rc == 0)
        rc = receive_stream(d);
    if (rc != 0 || !d->started) {
        /* The number alone: the texts of muster/err.h are 1.4 KB. */
        mu_board_print_number("stopped, error ", (uint32_t)-rc, "\n");
        return 1;
    }
    d->crypto->sha256_final(d->crypto->ctx, &d->digest, digest);
    good = mu_cast_receiver_done(&receive_cast) &&
           mu_ct_eq(digest, d->wanted, sizeof(digest));
    receive_report(mu_cast_receiver_heard(&receive_cast), good);
    return good ? 0 : 1;
}
