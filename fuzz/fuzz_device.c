/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole device engine under events of which it believes every tag and
 * signature: what a gateway or a server gone bad can do to it. Nothing may trip
 * an assertion, leave its memory, or make it speak without end; after a restart
 * it has to come up from whatever it has stored.
 */
#include "fuzz/engine.h"
#include "muster/device_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define PAGE_MEMORY 6000
#define MEMBER_MEMORY 256 /* a state of a small tree of subset difference */

static struct mu_device device;
static uint8_t work[PAGE_MEMORY + (MU_DEVICE_GROUPS_MAX + 1) * MEMBER_MEMORY];

static void device_begin(mu_time now)
{
    static struct mu_crypto crypto;
    static struct mu_store store;
    static struct mu_object slot;
    static struct mu_secret kmr;
    struct mu_device_conf conf = {
        .crypto = &crypto,
        .identity = mu_bytes_str("dev-0"),
        .kmr = &kmr,
        .store = &store,
        .slot = &slot,
        .object_max = ENGINE_OBJECT,
        .page_memory = PAGE_MEMORY,
        .member_mem = MEMBER_MEMORY,
        .software = mu_bytes_str("f"),
        .seed = 5,
    };

    crypto = engine_crypto();
    store = engine_store();
    engine_objects = 0;
    slot = engine_object();
    kmr.len = MU_SECRET_MAX;
    if (mu_device_init(&device, &conf, work, sizeof work, now) != 0)
        abort();
}

static void device_drain(void)
{
    struct mu_effect e;
    struct mu_device_status s;
    unsigned effects = 0;

    while (mu_device_next(&device, &e)) {
        if (++effects > ENGINE_EFFECTS)
            abort();
        engine_touch(&e);
        if (e.kind == MU_DO_STORE)
            engine_stored(&e);
    }
    (void)mu_device_deadline(&device);
    mu_device_status(&device, &s);
}

/* Selector 255 of a START: the power was gone. */
static void device_event(struct engine_event *in)
{
    struct mu_event *ev = &in->ev;

    if (ev->kind == MU_EV_START && in->selector == 255) {
        engine_rows.tickets_len = 0;
        mu_device_clear(&device);
        device_begin(ev->now);
    }
    ev->link = MU_LINK_UP_NODE;
    if (ev->kind == MU_EV_RESPONSE || ev->kind == MU_EV_NO_ANSWER)
        ev->message.exchange =
            device.asks[in->selector % MU_DEVICE_ASK_COUNT].exchange;
    else
        ev->message.exchange = in->selector;
    if (mu_device_step(&device, ev) > 0)
        abort(); /* errors are negative */
    if (ev->kind == MU_EV_STORED)
        engine_report();
    device_drain();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mu_reader r = mu_reader(mu_bytes(data, len));
    struct engine_event in = {.ev = {.kind = MU_EV_START}};
    mu_time now = 0;

    engine_reset();
    device_begin(now);
    device_event(&in);
    while (engine_event(&r, &now, &in))
        device_event(&in);
    mu_device_clear(&device);
    engine_reset();
    return 0;
}
