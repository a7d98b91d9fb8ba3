/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feedback key of a key exchange between gateway and device: put in force
 * at both ends, through lost links and restarts; the key of the hop is void
 * while it is.
 */
#include "muster/device_exchange.h"
#include "node/gateway.h"
#include "tests/node/common.h"

static struct mu_device_exchange x[WORLD_DEVICES_MAX];

/* What an exchange would have left at a device. */
static void exchanged(struct world *w, size_t device, uint8_t seed)
{
    struct mu_device_exchange *to = &x[device];
    const uint8_t hop = MU_MIKEY_HOP;

    assert_int_equal(mu_device_exchange_init(to, MU_EXCHANGE_PSK,
                                             mu_bytes(&hop, 1), NULL), 0);
    memset(to->kfb.bytes, seed, MU_KFB_LEN);
    to->kfb.len = MU_KFB_LEN;
    memset(to->hop_id, seed, sizeof to->hop_id);
    w->devices[device].device->conf.exchange = to;
}

/* The server's word to the gateway about devices [0, n). */
static void tell(struct world *w, uint8_t n)
{
    struct mu_wide_hop m = {.len = n};

    for (uint8_t i = 0; i < n; i++) {
        m.rows[i].index = i;
        memcpy(m.rows[i].id, x[i].hop_id, sizeof m.rows[i].id);
        m.rows[i].kfb = x[i].kfb;
    }
    script_hop(&w->script, &m);
    world_run(w, MU_SECONDS(2), NULL);
}

static struct mu_gateway_device *at_gateway(struct world *w, size_t device)
{
    return &w->gateway.gateway->devices[device];
}

static bool in_force(struct world *w, size_t device)
{
    const struct mu_secret *kfb = &w->devices[device].device->kfb;

    assert_true(mu_secret_eq(kfb, &at_gateway(w, device)->kfb));
    return mu_secret_eq(kfb, &x[device].kfb);
}

/* A campaign runs to its end by feedback under it. */
static void test_in_force(void **state)
{
    struct world w;
    struct mu_secret base;
    struct mu_status m = {.receiver = 1, .state = 1};
    uint8_t room[64];
    struct mu_writer out = mu_writer(room, sizeof room);

    (void)state;
    world_ready(&w, 3, 1);
    base = w.devices[1].device->kfb;
    for (uint8_t i = 0; i < 3; i++)
        exchanged(&w, i, (uint8_t)(0x50 + i));
    tell(&w, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(in_force(&w, i));
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    /* The key that follows from the root key signs nothing any more. */
    struct mu_gateway_session *s = &w.gateway.gateway->sessions[0];
    const uint64_t before = s->own.rejected;

    m.session = s->session;
    assert_int_equal(mu_status_create(w.crypto, &base, &m, &out), 0);
    world_inject(&w, MU_CHANNEL_AREA, &w.gateway, mu_written(&out));
    world_run(&w, MU_SECONDS(1), NULL);
    assert_int_equal(s->own.rejected, before + 1);
    out = mu_writer(room, sizeof room);
    assert_int_equal(mu_status_create(w.crypto, &x[1].kfb, &m, &out), 0);
    world_inject(&w, MU_CHANNEL_AREA, &w.gateway, mu_written(&out));
    world_run(&w, MU_SECONDS(1), NULL);
    assert_int_equal(s->own.rejected, before + 1);
    world_clear(&w);
}

/* A new link begins with the key of the hop, and comes back to this one. */
static void test_relinked(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 2);
    exchanged(&w, 0, 0x61);
    tell(&w, 1);
    assert_true(in_force(&w, 0));
    world_cut(&w, &w.devices[0]);
    world_run(&w, MU_SECONDS(30), NULL);
    assert_true(w.gateway.gateway->devices[0].linked);
    assert_true(in_force(&w, 0));
    world_clear(&w);
}

/* A device that knows nothing of it, or of another: the key of the hop stays,
 * and it is not asked again. */
static void test_unknown(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 3);
    exchanged(&w, 0, 0x71);
    w.devices[0].device->conf.exchange = NULL;
    tell(&w, 1);
    assert_false(in_force(&w, 0));
    assert_false(at_gateway(&w, 0)->hop_due);
    assert_false(mu_secret_is_set(&at_gateway(&w, 0)->hop));
    exchanged(&w, 0, 0x72);
    x[0].hop_id[2] ^= 1; /* at the gateway it will be another */
    tell(&w, 1);
    assert_true(in_force(&w, 0));
    x[0].hop_id[2] ^= 1;
    struct mu_secret was = at_gateway(&w, 0)->kfb;

    exchanged(&w, 0, 0x73);
    struct mu_wide_hop m = {.len = 1};

    m.rows[0].kfb = was;
    script_hop(&w.script, &m);
    world_run(&w, MU_SECONDS(2), NULL);
    assert_true(mu_secret_eq(&at_gateway(&w, 0)->kfb, &was));
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* Either end restarts: both go by the key of the hop, and the campaign ends. */
static void test_restarted(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 4);
    exchanged(&w, 0, 0x74);
    tell(&w, 1);
    assert_true(in_force(&w, 0));
    world_stop(&w, &w.gateway);
    world_start(&w, &w.gateway);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_true(at_gateway(&w, 0)->linked);
    assert_false(in_force(&w, 0));
    tell(&w, 1); /* as the server does, to a gateway that comes back */
    assert_true(in_force(&w, 0));
    world_stop(&w, &w.devices[0]);
    world_start(&w, &w.devices[0]);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_false(in_force(&w, 0));
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

static void test_message(void **state)
{
    struct mu_wide_hop m = {.len = MU_WIDE_HOPS_MAX}, back;
    uint8_t room[MU_MESSAGE_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);

    (void)state;
    for (uint8_t i = 0; i < m.len; i++) {
        m.rows[i].index = (uint16_t)(4095 - i);
        memset(m.rows[i].id, i, sizeof m.rows[i].id);
        memset(m.rows[i].kfb.bytes, 0x80 + i, MU_KFB_LEN);
        m.rows[i].kfb.len = MU_KFB_LEN;
    }
    assert_int_equal(mu_wide_hop_create(&m, &w), 0);
    assert_int_equal(mu_wide_hop_consume(mu_written(&w), &back), 0);
    assert_memory_equal(&m, &back, sizeof m);
    for (size_t i = 0; i < w.len; i++)
        assert_true(mu_wide_hop_consume(mu_bytes(room, i), &back) < 0);
    m.rows[3].kfb.len = 15;
    w = mu_writer(room, sizeof room);
    assert_true(mu_wide_hop_create(&m, &w) < 0);
    m.len = 0;
    assert_int_equal(mu_wide_hop_create(&m, &w), MU_ERR_USAGE);
    /* An index beyond any area. */
    assert_true(mu_wide_hop_consume(
        mu_bytes("\xa1\x01\x81\x83\x19\x10\x00\x48" "12345678\x50"
                 "0123456789abcdef", 33), &back) < 0);
    assert_int_equal(mu_wide_hop_consume(
        mu_bytes("\xa1\x01\x81\x83\x19\x0f\xff\x48" "12345678\x50"
                 "0123456789abcdef", 33), &back), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_force),
        cmocka_unit_test(test_relinked),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_restarted),
        cmocka_unit_test(test_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
