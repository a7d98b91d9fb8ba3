/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group keys made anew by the clock (KEY-11): all that there are expire
 * together. When they do so next outlives a restart, by the time of day at
 * which they last did; within a run nobody's setting of the clock counts.
 */
#include "node/server_core.h"

static const char last_name[] = "keys expired";        /* time of day, s */
static const char below_name[] = "keys expired below"; /* a generation */

uint32_t mu_srv_key_valid_s(const struct mu_server *s)
{
    if (s->conf.rekey_s == 0)
        return 0;
    return s->expire_at > s->now + MU_SECONDS(1)
               ? (uint32_t)((s->expire_at - s->now) / MU_SECONDS(1)) : 1;
}

/* What the clock on the wall would show, had nobody touched it in this run. */
static uint64_t expire_day(const struct mu_server *s)
{
    return s->conf.day_s + (s->now - s->started) / MU_SECONDS(1);
}

static void expire_store(struct mu_server *s)
{
    if (s->conf.day_s == 0)
        return;
    (void)mu_srv_number_put(s, last_name, expire_day(s));
    (void)mu_srv_number_put(s, below_name, s->expire_below);
}

/*
 * The first step of a run. A clock that was set back since makes the period
 * begin once more; one that was set forward, or a server that was off for long,
 * costs a rekey at once. Groups that were waiting for a campaign to end when
 * the last run ended still do.
 */
static void expire_load(struct mu_server *s, mu_time period)
{
    uint64_t last, below, day = expire_day(s);
    uint64_t left = s->conf.rekey_s;

    if (mu_srv_number_get(s, below_name, &below) == 0) {
        s->expire_below = below;
        mu_srv_groups_mark(s, true);
    }
    if (s->conf.day_s == 0 || mu_srv_number_get(s, last_name, &last) != 0 ||
        last > day) {
        s->expire_at = s->now + period;
        expire_store(s);
        return;
    }
    left = day - last < left ? left - (day - last) : 0;
    s->expire_at = s->now + MU_SECONDS((mu_time)left);
}

void mu_srv_keys_expire(struct mu_server *s)
{
    mu_time period = MU_SECONDS((mu_time)s->conf.rekey_s);

    if (period == 0 || s->now < s->expire_at)
        return;
    if (s->expire_at == 0)
        expire_load(s, period);
    if (s->now < s->expire_at)
        return;
    s->expire_below = (uint64_t)s->epoch << 32 | s->generations.next;
    s->expire_at = s->now + period;
    expire_store(s);
    mu_srv_groups_mark(s, true);
    mu_srv_trace(s, "keys-expire", s->expire_below, 0);
}
