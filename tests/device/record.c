/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record FOLDER: plays a session of one sender and three receivers over a bad
 * medium with a forger in it, and writes down all that reaches the first
 * receiver, for firmware to be fed with (ports/cortex-m/stream.h); the image;
 * and what the firmware is to say at the end, from the receiver here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ports/cortex-m/stream.h"
#include "tests/cast/field.h"

static FILE *stream;
static struct mu_secret kb;
static uint32_t announces_refused;
static uint32_t refused;

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "record: %s\n", what);
        exit(1);
    }
}

static void put(const void *data, size_t len)
{
    must(fwrite(data, 1, len, stream) == len, "cannot write");
}

static void put_packet(mu_time at, struct mu_bytes packet)
{
    uint8_t record[MU_STREAM_RECORD];
    struct mu_writer w = mu_writer(record, sizeof(record));

    mu_write_u64(&w, at);
    mu_write_u16(&w, (uint16_t)packet.len);
    put(record, sizeof(record));
    if (packet.len > 0)
        put(packet.data, packet.len);
}

static void taken(struct field *f, uint32_t receiver, struct mu_bytes packet,
                  int rc)
{
    /* A forger's empty datagram would end the file. */
    must(packet.len > 0 || rc < 0, "took nothing");
    if (receiver != 0 || packet.len == 0)
        return;
    put_packet(f->now, packet);
    if (rc < 0)
        refused++;
}

static void put_header(const struct field *f, const struct mu_signer *server)
{
    const struct mu_cast_receiver *r = &f->all[0].r;
    uint8_t header[MU_STREAM_HEADER];
    struct mu_writer w = mu_writer(header, sizeof(header));

    mu_write_bytes(&w, mu_bytes(server->pub, MU_STREAM_PUB));
    mu_write_bytes(&w, mu_secret_view(&kb));
    mu_write_bytes(&w, mu_secret_view(&f->kctl));
    mu_write_u8(&w, r->kg[0]);
    mu_write_bytes(&w, mu_secret_view(&f->all[0].kfb));
    mu_write_u32(&w, r->conf.seed);
    mu_write_u32(&w, r->conf.idle_ms);
    mu_write_u16(&w, r->conf.receiver);
    must(mu_writer_end(&w) == 0 && w.len == sizeof(header), "header");
    put(header, sizeof(header));
}

static void new_signer(const struct field *f, struct mu_signer *s)
{
    size_t len = 0;

    s->alg = MU_ALG_ES256;
    must(f->crypto->keypair(f->crypto->ctx, s->alg, &s->priv, s->pub, &len) ==
         0, "keypair");
    s->pub_len = (uint8_t)len;
    must(len == MU_STREAM_PUB, "length of a public key");
}

/* All packets of an announce object; with each, one that a stranger changed. */
static void put_announce(const struct field *f, const struct mu_signer *signer)
{
    struct mu_manifest m = {
        .group = 1, .version = 2, .size = f->conf.size,
        .shape = f->conf.shape, .session = f->all[0].r.conf.session,
        .roots = mu_bytes(f->roots, f->roots_len),
        .kid = {MU_KEY_KB, 1, 1}, .name = mu_bytes_str("firmware"),
    };
    struct mu_bytes plain = mu_bytes(f->plain, f->conf.size);
    uint8_t object[MU_ANNOUNCE_MAX];
    struct mu_writer w = mu_writer(object, sizeof(object));
    struct mu_secret kann;
    uint16_t payload = f->conf.shape.payload;

    mu_sha256(f->crypto, &plain, 1, m.digest);
    must(mu_cek_wrap(f->crypto, &kb, &f->cek, m.wrapped_cek) == 0, "wrap");
    must(mu_manifest_create(f->crypto, signer, &m, &w) == 0, "manifest");
    must(mu_kdf(f->crypto, &kb, "announce", mu_bytes(NULL, 0), 16, &kann) == 0,
         "Kann");
    for (uint8_t i = 0; i < mu_announce_fragments(w.len, payload); i++) {
        uint8_t out[MU_PACKET_MAX];
        struct mu_writer p = mu_writer(out, sizeof(out));

        must(mu_announce_packet(f->crypto, &kann, NULL, mu_written(&w),
                                payload, m.session, i, &p) == 0, "announce");
        out[p.len - 1] ^= 1;
        put_packet(0, mu_written(&p));
        announces_refused++;
        out[p.len - 1] ^= 1;
        put_packet(0, mu_written(&p));
    }
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    must(file != NULL, path);
    return file;
}

static void write_expected(const char *folder, const struct field *f)
{
    const struct mu_cast_heard *h = mu_cast_receiver_heard(&f->all[0].r);
    FILE *text = open_in(folder, "expected.txt");
    FILE *image = open_in(folder, "image.bin");

    /* A stream without any of these would show nothing. */
    must(h->forged > 100 && h->duplicate > 10 && h->asked > 0 && refused > 100,
         "not enough went wrong");
    fprintf(text,
            "announces refused %u\n"
            "packets refused %u, accepted %u, duplicate %u, forged %u, "
            "ahead %u, asked %u\n"
            "image good\n",
            announces_refused, refused, (unsigned)h->accepted,
            (unsigned)h->duplicate, (unsigned)h->forged, (unsigned)h->ahead,
            (unsigned)h->asked);
    must(fwrite(f->plain, 1, f->conf.size, image) == f->conf.size, "image");
    must(fclose(text) == 0 && fclose(image) == 0, "close");
}

int main(int argc, char **argv)
{
    const struct field_conf conf = {
        .shape = {.payload = 512, .page_data = 24, .page_parity = 8,
                  .hash_len = 8},
        .size = 100000, .receivers = 3, .loss_permille = 100,
        .delay_us = 2000, .jitter_us = 9000, .double_permille = 30,
        .forged = 1, .rate = 20000, .guess_permille = 20,
        .answer_all_max = 8, .seed = 1, .taken = taken,
    };
    uint8_t kb_bytes[MU_STREAM_KB] = {1, 2, 3};
    struct mu_signer server, insider;
    struct field f;

    must(argc == 2, "usage: record FOLDER");
    stream = open_in(argv[1], MU_STREAM_FILE);
    must(mu_secret_set(&kb, MU_BYTES(kb_bytes)) == 0, "Kb");
    field_init(&f, &conf);
    new_signer(&f, &server);
    new_signer(&f, &insider);
    put_header(&f, &server);
    /* A member holds the group's keys, but not the server's. */
    put_announce(&f, &insider);
    announces_refused++;
    put_announce(&f, &server);
    must(field_run(&f), "the session does not end");
    put_packet(f.now + 1, mu_bytes(NULL, 0));
    must(fclose(stream) == 0, "close");
    write_expected(argv[1], &f);
    field_free(&f);
    return 0;
}
