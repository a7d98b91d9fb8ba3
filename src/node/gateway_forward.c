/* SPDX-License-Identifier: Apache-2.0 */
/*
 * End-to-end messages of devices, carried to the server and back untouched:
 * connect and everything in OSCORE, as POST d/IDENTITY with the identity that
 * the device's link proved. The table is bounded, and so is each device's part.
 */
#include "node/gateway.h"

#include "muster/assert.h"

#define LINK_DEVICES 1u
#define FORWARD_UNTIL MU_SECONDS(90) /* CoAP's own patience is 93 s */

static void forward_free(struct mu_gateway *g, struct mu_gateway_forward *f)
{
    if (f->state != MU_GATEWAY_FORWARD_FREE) {
        mu_assert(g->devices[f->device].forwards > 0);
        g->devices[f->device].forwards--;
    }
    f->state = MU_GATEWAY_FORWARD_FREE;
}

/* Ends with an answer of our own. */
static void forward_refuse(struct mu_gateway *g, struct mu_gateway_forward *f,
                           uint8_t code)
{
    f->state = MU_GATEWAY_FORWARD_DOWN;
    f->code = code;
    f->has_oscore = false;
    f->payload_len = 0;
    f->until = g->now + FORWARD_UNTIL;
}

static bool forward_copy(struct mu_gateway_forward *f,
                         const struct mu_message *m)
{
    if (m->payload.len > sizeof f->payload || m->oscore.len > sizeof f->oscore)
        return false;
    f->has_oscore = m->oscore.data != NULL;
    f->oscore_len = (uint8_t)m->oscore.len;
    if (m->oscore.len > 0)
        mu_copy(f->oscore, m->oscore.data, m->oscore.len);
    f->payload_len = (uint16_t)m->payload.len;
    if (m->payload.len > 0)
        mu_copy(f->payload, m->payload.data, m->payload.len);
    return true;
}

static struct mu_gateway_forward *forward_slot(struct mu_gateway *g)
{
    for (size_t i = 0; i < MU_GATEWAY_FORWARDS_MAX; i++) {
        if (g->forwards[i].state == MU_GATEWAY_FORWARD_FREE)
            return &g->forwards[i];
    }
    return NULL;
}

int mu_gateway_forward_take(struct mu_gateway *g, uint16_t index,
                            const struct mu_message *m)
{
    struct mu_gateway_device *d = &g->devices[index];
    struct mu_gateway_forward *f = forward_slot(g);
    uint8_t code = MU_COAP_UNAVAILABLE;
    int rc = MU_ERR_BUSY;

    if (f != NULL && d->forwards < MU_GATEWAY_FORWARDS_EACH && g->welcome) {
        if (forward_copy(f, m)) {
            f->state = MU_GATEWAY_FORWARD_UP;
            f->device = index;
            f->down = m->exchange;
            f->until = g->now + FORWARD_UNTIL;
            d->forwards++;
            return 0;
        }
        code = MU_COAP_TOO_LARGE;
        rc = MU_ERR_TOO_LARGE;
    }
    mu_gateway_refuse(g, index, m->exchange, code);
    return rc;
}

static struct mu_gateway_forward *forward_flying(struct mu_gateway *g,
                                                 uint32_t exchange)
{
    for (size_t i = 0; i < MU_GATEWAY_FORWARDS_MAX; i++) {
        if (g->forwards[i].state == MU_GATEWAY_FORWARD_FLYING &&
            g->forwards[i].exchange == exchange)
            return &g->forwards[i];
    }
    return NULL;
}

int mu_gateway_forward_answer(struct mu_gateway *g, const struct mu_message *m)
{
    struct mu_gateway_forward *f = forward_flying(g, m->exchange);

    if (f == NULL)
        return MU_ERR_UNEXPECTED;
    if (!forward_copy(f, m)) {
        forward_refuse(g, f, MU_COAP_BAD_GATEWAY);
        return MU_ERR_TOO_LARGE;
    }
    f->code = m->code;
    f->state = MU_GATEWAY_FORWARD_DOWN;
    f->until = g->now + FORWARD_UNTIL;
    return 0;
}

bool mu_gateway_forward_fail(struct mu_gateway *g, uint32_t exchange)
{
    struct mu_gateway_forward *f = forward_flying(g, exchange);

    if (f == NULL)
        return false;
    forward_refuse(g, f, MU_COAP_GATEWAY_TIMEOUT);
    return true;
}

void mu_gateway_forward_drop(struct mu_gateway *g, uint16_t index)
{
    for (size_t i = 0; i < MU_GATEWAY_FORWARDS_MAX; i++) {
        struct mu_gateway_forward *f = &g->forwards[i];

        if (f->state != MU_GATEWAY_FORWARD_FREE && f->device == index)
            forward_free(g, f);
    }
}

void mu_gateway_forward_wide_down(struct mu_gateway *g)
{
    for (size_t i = 0; i < MU_GATEWAY_FORWARDS_MAX; i++) {
        struct mu_gateway_forward *f = &g->forwards[i];

        if (f->state == MU_GATEWAY_FORWARD_UP ||
            f->state == MU_GATEWAY_FORWARD_FLYING)
            forward_refuse(g, f, MU_COAP_UNAVAILABLE);
    }
}

void mu_gateway_forward_run(struct mu_gateway *g)
{
    for (size_t i = 0; i < MU_GATEWAY_FORWARDS_MAX; i++) {
        struct mu_gateway_forward *f = &g->forwards[i];

        if (f->state == MU_GATEWAY_FORWARD_FREE || f->until > g->now)
            continue;
        if (f->state == MU_GATEWAY_FORWARD_DOWN)
            forward_free(g, f);
        else
            forward_refuse(g, f, MU_COAP_GATEWAY_TIMEOUT);
    }
}

mu_time mu_gateway_forward_deadline(const struct mu_gateway *g)
{
    mu_time at = MU_TIME_NEVER;

    for (size_t i = 0; i < MU_GATEWAY_FORWARDS_MAX; i++) {
        if (g->forwards[i].state != MU_GATEWAY_FORWARD_FREE)
            at = mu_time_min(at, g->forwards[i].until);
    }
    return at;
}

static void forward_up(struct mu_gateway *g, struct mu_gateway_forward *f,
                       struct mu_effect *out)
{
    const struct mu_gateway_device *d = &g->devices[f->device];

    f->state = MU_GATEWAY_FORWARD_FLYING;
    f->exchange = ++g->exchange;
    mu_copy(g->path, "d/", 2);
    mu_copy(g->path + 2, d->id, d->id_len);
    out->link = MU_LINK_UP_NODE;
    out->message.code = MU_COAP_POST;
    out->message.exchange = f->exchange;
    out->message.path = mu_bytes(g->path, 2u + d->id_len);
}

static void forward_down(struct mu_gateway *g, struct mu_gateway_forward *f,
                         struct mu_effect *out)
{
    out->link = LINK_DEVICES + f->device;
    out->response = true;
    out->message.code = f->code;
    out->message.exchange = f->down;
    forward_free(g, f); /* its bytes stay until the next message comes in */
}

bool mu_gateway_next_forward(struct mu_gateway *g, struct mu_effect *out)
{
    for (size_t i = 0; i < MU_GATEWAY_FORWARDS_MAX; i++) {
        struct mu_gateway_forward *f = &g->forwards[i];

        if (f->state != MU_GATEWAY_FORWARD_UP &&
            f->state != MU_GATEWAY_FORWARD_DOWN)
            continue;
        if (f->state == MU_GATEWAY_FORWARD_UP)
            forward_up(g, f, out);
        else
            forward_down(g, f, out);
        out->kind = MU_DO_SEND;
        out->message.payload = mu_bytes(f->payload, f->payload_len);
        if (f->has_oscore)
            out->message.oscore = mu_bytes(f->oscore, f->oscore_len);
        return true;
    }
    return false;
}
