/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MIKEY against GStreamer, both ways: it reads what we write, we read what it
 * writes and write the same bytes again. HDR, T, RAND, SP, KEMAC; it makes no
 * use of keys, so everything is in the clear. GST_PEER: the helper program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mikey/lab.h"

#define TEXT_MAX 8192
#define MADE 12 /* messages that the peer makes: all of its combinations */

static const struct mu_crypto *crypto;

static void say(char *text, const char *format, ...)
{
    const size_t len = strlen(text);
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text + len, TEXT_MAX - len, format, args);
    va_end(args);
    assert_in_range(n, 0, TEXT_MAX - len - 1);
}

static void say_hex(char *text, const char *name, struct mu_bytes in)
{
    say(text, "%s=", name);
    for (size_t i = 0; i < in.len; i++)
        say(text, "%02x", in.data[i]);
    say(text, "\n");
}

/* A session in the words of the peer. */
static void describe(const struct mu_mikey_session *s, char *text)
{
    const struct mu_mikey_header *h = &s->header;
    uint8_t when[8];
    struct mu_writer w = mu_writer(when, sizeof when);

    text[0] = '\0';
    say(text, "hdr=1,%d,%d,%d,%08x,%d\n", h->type, h->verify, h->prf, h->csb,
        h->map);
    for (size_t i = 0; i < h->cs_len && h->map == MU_MIKEY_MAP_SRTP; i++)
        say(text, "cs=%d,%08x,%08x\n", h->cs[i].policies[0], h->cs[i].ssrc,
            h->cs[i].roc);
    if (s->time.type == MU_MIKEY_COUNTER)
        mu_write_u32(&w, (uint32_t)s->time.value);
    else
        mu_write_u64(&w, s->time.value);
    say(text, "t=%d,", s->time.type);
    say_hex(text, "value", mu_written(&w));
    say_hex(text, "rand", mu_bytes(s->rand, s->rand_len));
    for (size_t i = 0; i < s->sps_len; i++) {
        struct mu_reader r =
            mu_reader(mu_bytes(s->sps[i].params, s->sps[i].params_len));
        say(text, "sp=%d,%d\n", s->sps[i].policy, s->sps[i].protocol);
        while (mu_reader_left(&r) > 0) {
            say(text, "param=%d,", mu_read_u8(&r));
            const uint8_t len = mu_read_u8(&r);
            say_hex(text, "value", mu_read_bytes(&r, len));
        }
    }
    say(text, "kemac=%d,%d\n", s->encr, s->mac);
    for (size_t i = 0; i < s->keys_len; i++) {
        const struct mu_mikey_key *k = &s->keys[i];
        /* The peer says TGK or TEK; that there is a salt shows by itself. */
        say(text, "key=%d,%d,", k->type & MU_MIKEY_TEK, k->kv);
        say_hex(text, "data", mu_bytes(k->bytes, k->len));
        say_hex(text, "salt", mu_bytes(k->salt, k->salt_len));
    }
}

static void ask(const char *verb, const char *what, char *answer)
{
    static char command[2 * MU_MIKEY_MESSAGE_MAX + 512];
    FILE *peer;
    size_t len;

    snprintf(command, sizeof command,
             "ASAN_OPTIONS=detect_leaks=0 timeout 10 '%s' %s %s", GST_PEER,
             verb, what);
    peer = popen(command, "r");
    assert_non_null(peer);
    len = fread(answer, 1, TEXT_MAX - 1, peer);
    answer[len] = '\0';
    assert_int_equal(pclose(peer), 0);
}

static void prepare(struct lab *l)
{
    lab_init(l, LAB_PSK);
    l->i.encr = MU_MIKEY_ENCR_NULL;
    l->i.mac = MU_MIKEY_MAC_NULL;
    l->i.idi.len = 0; /* the peer never gets past an ID */
    l->i.idr.len = 0;
}

static void peer_reads(void **state)
{
    static struct lab l;
    static char ours[TEXT_MAX];
    static char theirs[TEXT_MAX];
    static char text[2 * MU_MIKEY_MESSAGE_MAX + 1];
    static const uint8_t params[] = {0, 1, 1, 1, 1, 16, 11, 1, 10};

    (void)state;
    for (uint8_t n = 0; n < MADE; n++) {
        struct mu_mikey_session *s = &l.i;

        prepare(&l);
        s->header.verify = n % 2 == 1;
        s->header.map = n % 5 == 0 ? MU_MIKEY_MAP_EMPTY : MU_MIKEY_MAP_SRTP;
        s->header.cs_len = (uint8_t)(n % 5 == 0 ? 0 : 1 + n % 3);
        for (uint8_t i = 0; i < s->header.cs_len; i++)
            s->header.cs[i] = (struct mu_mikey_cs){.policies = {i},
                                                   .policies_len = 1,
                                                   .ssrc = 0x80000000u + i,
                                                   .roc = 3u * i};
        s->time.type = n % 3;
        s->time.value = n % 3 == 2 ? 77 : LAB_NOW + n;
        s->rand_len = (uint8_t)(16 + 4 * n);
        s->sps_len = n % 4;
        for (uint8_t i = 0; i < s->sps_len; i++) {
            s->sps[i] = (struct mu_mikey_sp){.policy = i,
                                             .params_len = sizeof params};
            memcpy(s->sps[i].params, params, sizeof params);
        }
        s->keys[0].type = n % 4;
        s->keys[0].salt_len = n % 2 == 1 ? 14 : 0;
        memset(s->keys[0].salt, 0x5a, 14);
        s->keys[1] = s->keys[0];
        s->keys_len = 1 + n % 2;
        assert_int_equal(lab_first_make(&l), 0);
        text[0] = '\0';
        for (size_t i = 0; i < l.first_len; i++)
            snprintf(text + 2 * i, 3, "%02x", l.first[i]);
        ask("read", text, theirs);
        describe(s, ours);
        assert_string_equal(ours, theirs);
        text[2 * l.first_len - 2] = '\0'; /* and it sees when it is cut */
        ask("read", text, theirs);
        assert_string_equal("refused\n", theirs);
    }
}

static void peer_writes(void **state)
{
    static struct lab l;
    static char ours[TEXT_MAX];
    static char theirs[TEXT_MAX];
    char number[8];

    (void)state;
    for (uint8_t n = 0; n < MADE; n++) {
        uint8_t msg[512];
        uint8_t again[512];
        size_t len = 0;
        struct mu_writer w = mu_writer(again, sizeof again);
        struct mu_mikey_policy *p = &l.at_r;
        const char *at = theirs + strlen("message=");

        prepare(&l);
        snprintf(number, sizeof number, "%d", n);
        ask("make", number, theirs);
        assert_int_equal(strncmp(theirs, "message=", 8), 0);
        for (; *at != '\n'; at += 2) {
            unsigned v;
            assert_int_equal(sscanf(at, "%2x", &v), 1);
            msg[len++] = (uint8_t)v;
        }
        p->encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_NULL);
        p->mac = MU_MIKEY_BIT(MU_MIKEY_MAC_NULL);
        p->time_type = n % 3;
        p->now = n % 3 == 2 ? 0 : 0x700000009;
        p->peer.len = 0;
        p->self.len = 0;
        assert_int_equal(mu_mikey_psk_init_consume(crypto, MU_BYTES(l.psk), p,
                                                   mu_bytes(msg, len), &l.r),
                         0);
        describe(&l.r, ours);
        assert_string_equal(ours, at + 1);
        assert_int_equal(mu_mikey_psk_init_create(crypto, MU_BYTES(l.psk),
                                                  &l.r, &w),
                         0);
        assert_int_equal(w.len, len);
        assert_memory_equal(again, msg, len);
    }
}

static int setup(void **state)
{
    (void)state;
    crypto = mu_crypto_openssl();
    return crypto == NULL;
}

static int teardown(void **state)
{
    (void)state;
    lab_ends_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_reads),
        cmocka_unit_test(peer_writes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
