/* SPDX-License-Identifier: Apache-2.0 */
/* Who may speak: records, keys, and the directory of each area. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/speech_msg.h"

struct held {
    uint64_t version;
    struct mu_directory directory;
    uint8_t object[MU_SPEECH_DIRECTORY_MAX];
    uint32_t ids[MU_SPEAKERS_MAX];
    uint8_t len;
};

static struct rig *setup(void)
{
    struct rig *r = malloc(sizeof *r);

    assert_non_null(r);
    rig_open(r);
    rig_gateway_add(r, "gw-1");
    rig_gateway_add(r, "gw-2");
    rig_device_add(r, "dev-1", "gw-1");
    rig_device_add(r, "dev-2", "gw-1");
    rig_link(r, 1, "gw-1");
    rig_link(r, 2, "gw-2");
    return r;
}

static void finish(struct rig *r)
{
    rig_close(r);
    free(r);
}

static int add(struct rig *r, const char *identity)
{
    int rc = mu_server_speaker_add(&r->server, rig_id(identity));

    rig_drain(r);
    return rc;
}

static int drop(struct rig *r, const char *identity)
{
    int rc = mu_server_speaker_remove(&r->server, rig_id(identity));

    rig_drain(r);
    return rc;
}

/* What a gateway is told, that holds `version` and speaks by `scheme`. */
static void ask(struct rig *r, uint32_t link, uint64_t version,
                enum mu_speech_scheme scheme, uint8_t key, struct held *out)
{
    const struct mu_source_proof proof = {r->server.conf.crypto,
                                          &r->server.signer, NULL};
    uint8_t room[128], pub[MU_PUBLIC_KEY_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_speech_want want = {.version = version, .scheme = scheme};
    struct mu_speech_list list;
    struct rig_send *s = NULL;

    memset(pub, key, sizeof pub);
    if (scheme != MU_SPEECH_NONE)
        want.pub = MU_BYTES(pub);
    assert_int_equal(mu_speech_want_create(&want, &w), 0);
    /* Numbers come in blocks that are stored first: it asks again. */
    for (unsigned i = 0; i < 4 && (s == NULL || s->code != MU_COAP_CONTENT);
         i++) {
        s = rig_request(r, link, "dir", mu_written(&w));
        assert_non_null(s);
    }
    assert_int_equal(s->code, MU_COAP_CONTENT);
    assert_int_equal(mu_speech_list_consume(rig_payload(s), &list), 0);
    *out = (struct held){.version = list.version, .len = list.members_len};
    for (size_t i = 0; i < list.members_len; i++)
        out->ids[i] = list.members[i].id;
    if (list.object.len == 0)
        return;
    memcpy(out->object, list.object.data, list.object.len);
    assert_int_equal(mu_directory_consume(
                         &proof, mu_bytes(out->object, list.object.len),
                         &out->directory), 0);
    assert_true(out->directory.version == out->version);
    for (size_t i = 0; i < list.members_len; i++) {
        if (out->directory.kind == MU_DIRECTORY_BLOOM)
            assert_true(mu_bloom_has(proof.crypto, &out->directory,
                                     list.members[i].id,
                                     list.members[i].who));
    }
}

static void test_names(void **state)
{
    struct rig *r = setup();
    struct mu_speaker_view v;

    (void)state;
    assert_int_equal(add(r, "nobody"), MU_ERR_NOT_FOUND);
    assert_int_equal(drop(r, "dev-1"), MU_ERR_NOT_FOUND);
    assert_int_equal(add(r, "dev-1"), 0);
    assert_int_equal(add(r, "dev-1"), 0); /* it is one already */
    assert_int_equal(add(r, "gw-1"), 0);
    assert_int_equal(mu_server_speaker_next(&r->server, 0, &v), 0);
    assert_string_equal(v.identity, "dev-1");
    assert_string_equal(v.gateway, "gw-1");
    assert_false(v.known);
    assert_int_equal(mu_server_speaker_next(&r->server, v.number, &v), 0);
    assert_string_equal(v.identity, "gw-1");
    assert_int_equal(mu_server_speaker_next(&r->server, v.number, &v),
                     MU_ERR_NOT_FOUND);
    assert_int_equal(drop(r, "dev-1"), 0);
    assert_int_equal(mu_server_speaker_next(&r->server, 0, &v), 0);
    assert_string_equal(v.identity, "gw-1");
    finish(r);
}

static void test_directory(void **state)
{
    struct rig *r = setup();
    struct held one, two, three, other;

    (void)state;
    ask(r, 1, 0, MU_SPEECH_UTESLA, 7, &one); /* nobody lets it */
    assert_int_equal(one.version, 0);
    add(r, "gw-1");
    ask(r, 1, 0, MU_SPEECH_UTESLA, 7, &one);
    assert_true(one.version > 0 && one.len == 1);
    assert_int_equal(one.ids[0], mu_speech_id(1, MU_SPEECH_OF_GATEWAY));
    ask(r, 1, one.version, MU_SPEECH_UTESLA, 7, &two);
    assert_true(two.version == one.version); /* nothing has changed */
    ask(r, 1, one.version, MU_SPEECH_MERKLE, 8, &two); /* a new key, a tree */
    assert_true(two.version > one.version);
    assert_int_equal(two.directory.kind, MU_DIRECTORY_MERKLE);
    /* It outlives a restart; the next is above it. */
    assert_int_equal(rig_restart(r), 0);
    rig_link(r, 1, "gw-1");
    rig_link(r, 2, "gw-2");
    ask(r, 1, two.version, MU_SPEECH_MERKLE, 8, &three);
    assert_true(three.version == two.version);
    drop(r, "gw-1");
    ask(r, 1, two.version, MU_SPEECH_MERKLE, 8, &three);
    assert_true(three.version > two.version && three.len == 0);
    assert_int_equal(three.directory.members, 1); /* whom there is not */
    ask(r, 2, 0, MU_SPEECH_BLOOM, 9, &other); /* of another area */
    assert_int_equal(other.version, 0);
    finish(r);
}

/* A gateway holds what this copy of the store never gave: a later epoch. */
static void test_forgotten(void **state)
{
    struct rig *r = setup();
    uint64_t held = (uint64_t)3 << 32 | 5;
    struct held one;

    (void)state;
    add(r, "gw-1");
    ask(r, 1, held, MU_SPEECH_BLOOM, 7, &one);
    assert_true(one.version > held);
    assert_true(mu_server_epoch(&r->server) > 3);
    finish(r);
}

/* Whoever is revoked speaks no more, and an area has so many and no more. */
static void test_revoked_and_full(void **state)
{
    struct rig *r = setup();
    struct mu_speaker_view v;
    char identity[16];

    (void)state;
    add(r, "dev-1");
    assert_int_equal(mu_server_device_revoke(&r->server, rig_id("dev-1")), 0);
    rig_drain(r);
    assert_int_equal(mu_server_speaker_next(&r->server, 0, &v),
                     MU_ERR_NOT_FOUND);
    assert_int_equal(add(r, "dev-1"), MU_ERR_NOT_FOUND);
    for (unsigned i = 0; i < MU_SPEAKERS_MAX + 1u; i++) {
        snprintf(identity, sizeof identity, "m-%u", i);
        rig_device_add(r, identity, "gw-1");
        assert_int_equal(add(r, identity),
                         i < MU_SPEAKERS_MAX ? 0 : MU_ERR_FULL);
    }
    finish(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_revoked_and_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
