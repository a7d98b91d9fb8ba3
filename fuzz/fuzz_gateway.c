/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole gateway engine under events of which it believes every tag and
 * signature: what devices and a server gone bad can do to it. Nothing may trip
 * an assertion, leave its memory, or make it speak without end; after a restart
 * it has to come up from whatever it has stored.
 */
#include "fuzz/engine.h"
#include "muster/gateway_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DEVICES 3
#define WORK (512 * 1024)

static struct mu_gateway gateway;
static _Alignas(16) uint8_t work[WORK];

static int depot_open(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                      uint8_t part, uint64_t size, struct mu_object *out)
{
    (void)ctx;
    (void)campaign;
    (void)part;
    if (size > ENGINE_OBJECT)
        return MU_ERR_IO;
    *out = engine_object();
    return 0;
}

static void depot_remove(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                         uint8_t part)
{
    (void)ctx;
    (void)campaign;
    (void)part;
}

static void gateway_begin(mu_time now)
{
    static struct mu_crypto crypto;
    static struct mu_store store;
    static const struct mu_depot depot = {NULL, depot_open, depot_remove};
    static struct mu_secret kmr;
    struct mu_gateway_conf conf = {
        .crypto = &crypto,
        .identity = mu_bytes_str("gw"),
        .kmr = &kmr,
        .store = &store,
        .depot = &depot,
        .devices_max = DEVICES,
        .payload_max = 256,
        .page_packets_max = 40,
        .area_address = "239.9.9.9",
        .area_rate = 200000,
        .area_overhead = 42,
        .area_window_ms = 40,
        .software = mu_bytes_str("f"),
        .seed = 5,
    };

    crypto = engine_crypto();
    store = engine_store();
    kmr.len = MU_SECRET_MAX;
    if (mu_gateway_work(&conf) > sizeof work ||
        mu_gateway_init(&gateway, &conf, work, sizeof work, now) != 0)
        abort();
}

static void gateway_drain(void)
{
    struct mu_effect e;
    struct mu_gateway_status s;
    unsigned effects = 0;

    while (mu_gateway_next(&gateway, &e)) {
        if (++effects > ENGINE_EFFECTS)
            abort();
        engine_touch(&e);
        if (e.kind == MU_DO_STORE)
            engine_stored(&e);
    }
    (void)mu_gateway_deadline(&gateway);
    mu_gateway_status(&gateway, &s);
}

/* The exchange of a question that is being asked: of the gateway itself, of a
 * session, for a device, or to a device. */
static uint32_t gateway_exchange(uint8_t selector)
{
    unsigned slot = selector % MU_SESSIONS_MAX;

    switch (selector >> 5) {
    case 0:
        return gateway.asks[selector % MU_GATEWAY_ASK_COUNT].exchange;
    case 1:
        return gateway.sessions[slot].ask.exchange;
    case 2:
        return gateway.sessions[slot].report.exchange;
    case 3:
        return gateway.sessions[slot].tally.exchange;
    case 4:
        return gateway.forwards[selector % MU_GATEWAY_FORWARDS_MAX].exchange;
    default:
        return gateway.devices[selector % DEVICES].push_exchange;
    }
}

/* Selector 255 of a START: the power was gone. */
static void gateway_event(struct engine_event *in)
{
    struct mu_event *ev = &in->ev;

    if (ev->kind == MU_EV_START && in->selector == 255) {
        engine_rows.tickets_len = 0;
        mu_gateway_clear(&gateway);
        gateway_begin(ev->now);
    }
    if (ev->kind == MU_EV_RESPONSE || ev->kind == MU_EV_NO_ANSWER)
        ev->message.exchange = gateway_exchange(in->selector);
    else
        ev->message.exchange = in->selector;
    if (mu_gateway_step(&gateway, ev) > 0)
        abort(); /* errors are negative */
    if (ev->kind == MU_EV_STORED)
        engine_report();
    gateway_drain();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mu_reader r = mu_reader(mu_bytes(data, len));
    struct engine_event in = {.ev = {.kind = MU_EV_START}};
    mu_time now = 0;

    engine_reset();
    gateway_begin(now);
    gateway_event(&in);
    while (engine_event(&r, &now, &in))
        gateway_event(&in);
    mu_gateway_clear(&gateway);
    engine_reset();
    return 0;
}
