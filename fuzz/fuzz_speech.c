/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of speakers, and one who listens among packets, introductions and
 * directories of which it believes every one. First byte: which message is read
 * (and written again, to the same bytes), or 7: events at a listener, each a
 * kind (1), a time step (2 bytes, ms), a length (2) and its bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/believe.h"
#include "muster/listener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t out[8192];

static void same(int read, int wrote, const struct mu_writer *w,
                 struct mu_bytes in)
{
    /* Fields that are not known were passed over. */
    if (read == 0 && (wrote != 0 || w->len > in.len))
        abort();
}

static void run_frame(const struct mu_crypto *c, struct mu_bytes in)
{
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_speech_frame m;
    struct mu_secret key;

    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    if (mu_speech_frame_consume(c, &key, in, &m) != 0)
        return;
    if (mu_speech_frame_create(c, &key, &m, &w) != 0 || w.len != in.len ||
        memcmp(out, in.data, in.len - MU_TAG_LEN) != 0)
        abort();
}

static void run_message(uint8_t which, struct mu_bytes in)
{
    struct mu_writer w = mu_writer(out, sizeof(out));
    union {
        struct mu_speech_say say;
        struct mu_speech_ask ask;
        struct mu_speech_intro intro;
        struct mu_speech_told told;
        struct mu_speech_want want;
        struct mu_speech_list list;
    } m;
    int rc;

    switch (which) {
    case 1:
        rc = mu_speech_say_consume(in, &m.say);
        same(rc, rc != 0 ? rc : mu_speech_say_create(&m.say, &w), &w, in);
        break;
    case 2:
        rc = mu_speech_ask_consume(in, &m.ask);
        same(rc, rc != 0 ? rc : mu_speech_ask_create(&m.ask, &w), &w, in);
        break;
    case 3:
        rc = mu_speech_intro_consume(in, &m.intro);
        same(rc, rc != 0 ? rc : mu_speech_intro_create(&m.intro, &w), &w, in);
        break;
    case 4:
        rc = mu_speech_told_consume(in, &m.told);
        same(rc, rc != 0 ? rc : mu_speech_told_create(&m.told, &w), &w, in);
        break;
    case 5:
        rc = mu_speech_want_consume(in, &m.want);
        same(rc, rc != 0 ? rc : mu_speech_want_create(&m.want, &w), &w, in);
        break;
    default:
        rc = mu_speech_list_consume(in, &m.list);
        same(rc, rc != 0 ? rc : mu_speech_list_create(&m.list, &w), &w, in);
        break;
    }
}

static void event(struct mu_listener *l, mu_time now, uint8_t kind,
                  struct mu_bytes in)
{
    const struct mu_speech_frame m = {
        mu_speech_id(1, kind < 128 ? 0xffff : 5), (uint16_t)(kind >> 4 & 3), 0,
        in,
    };
    struct mu_speech_ask ask;
    int rc = 0;

    switch (kind & 3) {
    case 0:
        rc = mu_listener_directory(l, in);
        break;
    case 1:
        if (!mu_listener_ask(l, now, &ask))
            break;
        for (size_t i = 0; i < l->conf.streams; i++) /* the input's */
            memset(l->streams[i].tesla.nonce, 0, MU_SPEECH_NONCE);
        rc = mu_listener_answer(l, now, in);
        break;
    default:
        if (in.len > 0)
            rc = mu_listener_packet(l, now, &m);
        break;
    }
    if (rc > 0)
        abort();
}

static void run_listener(const struct mu_crypto *c, struct mu_reader *in)
{
    static struct mu_listener l;
    static struct mu_listener_stream streams[2];
    static const struct mu_signer server = {.alg = MU_ALG_ES256, .pub_len = 65};
    const struct mu_listener_conf conf = {
        .crypto = c, .server = &server, .streams = 2, .seed = 5,
    };
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_secret khop;
    mu_time now = 0;

    if (mu_secret_set(&khop, mu_bytes_str("0123456789abcdef")) != 0 ||
        mu_listener_init(&l, &conf, mu_bytes(NULL, 0), streams,
                         sizeof(streams)) != 0 ||
        mu_listener_area(&l, &khop) != 0)
        abort();
    mu_listener_gateway(&l, mu_speech_id(1, 0xffff));
    while (mu_reader_left(in) >= 5) {
        uint8_t kind = mu_read_u8(in);

        now += MU_MS(mu_read_u16(in));
        event(&l, now, kind, mu_read_bytes(in, mu_read_u16(in)));
        mu_listener_run(&l, now);
        if (l.ready_len > MU_LISTENER_READY || l.sources_len > MU_SPEAKERS_MAX)
            abort();
        if ((kind & 4) != 0 && mu_listener_ready(&l) != NULL)
            mu_listener_over(&l);
    }
    /* What it keeps, it can read. */
    mu_listener_write(&l, &w);
    if (mu_writer_end(&w) != 0 || w.len > MU_LISTENER_RECORD_MAX ||
        mu_listener_init(&l, &conf, mu_written(&w), streams,
                         sizeof(streams)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto crypto = believe_crypto();
    struct mu_reader in = mu_reader(mu_bytes(data, len));
    uint8_t which = mu_read_u8(&in) & 7;

    if (which == 0)
        run_frame(&crypto, mu_reader_rest(&in));
    else if (which < 7)
        run_message(which, mu_reader_rest(&in));
    else
        run_listener(&crypto, &in);
    return 0;
}
