/* SPDX-License-Identifier: Apache-2.0 */
/* How rekeys travel, bit for bit: docs/wire-format.md s.4, s.5.5 and s.7 by the
 * vectors of s.9.6. */
#include "lab.h"
#include "muster/cose.h"
#include "muster/keyfetch.h"
#include "muster/manifest.h"

#define EPOCH7 ((uint64_t)7 << 32)

static struct mu_bytes vector(const char *name, uint8_t *to)
{
    FILE *file = fopen("tests/vectors/rekey.txt", "r");
    const size_t name_len = strlen(name);
    static char line[4096];
    size_t len = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        const char *hex = line + name_len + 3;

        if (strncmp(line, name, name_len) != 0 || line[name_len] != ' ')
            continue;
        for (; sscanf(hex, "%2hhx", &to[len]) == 1; hex += 2)
            len++;
    }
    fclose(file);
    assert_true(len > 0);
    return mu_bytes(to, len);
}

static void same(struct mu_bytes a, struct mu_bytes b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static const struct mu_kid kid = {MU_KEY_KB, 9, EPOCH7 | 2};

static void inline_object(void **state)
{
    uint8_t part[1024], want[1024], out[MU_ANNOUNCE_MAX];
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_signer server = {.alg = MU_ALG_EDDSA};
    struct mu_writer w = mu_writer(out, sizeof out);
    struct mu_inline m = {
        .campaign = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7},
        .group = 9,
        .session = 17,
        .epoch = 7,
        .parts = 1,
        .content_kind = MU_CONTENT_REKEY,
        .content = vector("sd_0_and_7_left", part),
    };
    struct mu_cose cose;
    size_t pub_len = 0;

    (void)state;
    assert_int_equal(c->keypair(c->ctx, MU_ALG_EDDSA, &server.priv, server.pub,
                                &pub_len), 0);
    server.pub_len = (uint8_t)pub_len;
    assert_int_equal(mu_inline_create(c, &server, &m, &w), 0);
    assert_int_equal(mu_cose_decode(mu_written(&w), &cose), 0);
    same(cose.content, vector("inline_payload", want));
}

static void held(void **state)
{
    uint8_t key[64], want[64], out[32];
    struct mu_secret kb;

    (void)state;
    assert_int_equal(mu_secret_set(&kb, vector("sd_0_and_7_left_key", key)),
                     0);
    assert_int_equal(mu_kb_held(mu_crypto_openssl(), &kb, &kid, out), 0);
    same(MU_BYTES(out), vector("held", want));
}

static void fetch(void **state)
{
    uint8_t want[512], out[MU_KEYFETCH_RESPONSE_MAX], key[64];
    struct mu_keyfetch_request q = {
        .held = {kid},
        .held_len = 1,
        .states = {{9, EPOCH7 | 1, EPOCH7 | 2}},
        .states_len = 1,
        .collecting = true,
        .which = {300, EPOCH7 | 1, EPOCH7 | 2},
        .offset = 512,
    };
    struct mu_keyfetch_response a, back;
    struct mu_writer w = mu_writer(out, sizeof out);
    struct mu_bytes text;

    (void)state;
    assert_int_equal(mu_keyfetch_request_create(&q, &w), 0);
    same(mu_written(&w), vector("fetch_request", want));

    text = vector("fetch_answer", want);
    assert_int_equal(mu_keyfetch_response_consume(text, &a), 0);
    assert_true(mu_kid_eq(&a.keys[0].kid, &kid));
    same(mu_secret_view(&a.keys[0].key), vector("sd_0_and_7_left_key", key));
    assert_int_equal(a.piece_group, 9);
    assert_int_equal(a.piece_total, 203);
    assert_int_equal(a.piece_offset, 0);
    assert_int_equal(a.piece.len, MU_MEMBER_HEAD_LEN);
    w = mu_writer(out, sizeof out);
    assert_int_equal(mu_keyfetch_response_create(&a, &w), 0);
    same(mu_written(&w), text);
    back = a;
    mu_keyfetch_response_clear(&back);
    mu_keyfetch_response_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inline_object),
        cmocka_unit_test(held),
        cmocka_unit_test(fetch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
