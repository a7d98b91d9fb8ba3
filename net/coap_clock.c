/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcoap's clock. Its own reads the wall clock, and when that is set back all
 * its timers stand still for as long: no retransmission, no handshake, no
 * keepalive. libcoap calls these by name, and a program's definition comes
 * before a shared library's, so here they are on a clock that nobody sets.
 */
#include "net/coap_clock.h"

#include <time.h>

#include <coap3/coap.h>

static int64_t clock_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

#define TICK_US (1000000 / COAP_TICKS_PER_SECOND)

void coap_ticks(coap_tick_t *t)
{
    *t = (coap_tick_t)(clock_us(CLOCK_MONOTONIC) / TICK_US);
}

/* OpenSSL gives the end of a DTLS timer as wall time: how far off that is now
 * is what counts. */
coap_tick_t coap_ticks_from_rt_us(uint64_t t)
{
    int64_t us = (int64_t)t - clock_us(CLOCK_REALTIME) +
                 clock_us(CLOCK_MONOTONIC);

    return us > 0 ? (coap_tick_t)(us / TICK_US) : 0;
}

uint64_t coap_ticks_to_rt_us(coap_tick_t t)
{
    return (uint64_t)((int64_t)t * TICK_US - clock_us(CLOCK_MONOTONIC) +
                      clock_us(CLOCK_REALTIME));
}

coap_time_t coap_ticks_to_rt(coap_tick_t t)
{
    return (coap_time_t)(coap_ticks_to_rt_us(t) / 1000000);
}

void mu_coap_clock(void)
{
}
