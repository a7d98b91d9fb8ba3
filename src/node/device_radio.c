/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the radio is on. Who sleeps says so in its hello, and the welcome tells
 * in what time a window opens: all of an area that sleep as long wake together,
 * so one packet serves them all. Beyond its windows a device has the radio on
 * only while it waits for an answer, or has no windows yet. docs/wire-format.md
 * s.2.1.
 *
 * The answer says when a window opens counted from when it was written, and that
 * was some time between question and answer; and clocks differ. So the window
 * here begins when the gateway's can begin, and ends when it can end.
 */
#include "node/device.h"

#define DRIFT_ONE_IN 5000 /* two clocks, each right to 100 millionths */
#define SLACK_SHARE 4 /* of a window: one of so many may be lost to clocks */

/* So far both clocks can have come apart since the welcome. */
static mu_time radio_slack(const struct mu_device_radio *r, mu_time at)
{
    return at > r->synced_at ? (at - r->synced_at) / DRIFT_ONE_IN : 0;
}

/* The window that is open at `now`, or the next one. */
static void radio_window(const struct mu_device_radio *r, mu_time now,
                         mu_time *from, mu_time *until)
{
    mu_time period = MU_SECONDS(r->listens.period_s), past = 0;
    mu_time slack = radio_slack(r, now + period);

    *from = r->early > slack ? r->early - slack : 0;
    *until = r->late + MU_SECONDS(r->listens.window_s) + slack;
    if (now + period < *until) { /* that of the welcome, open already */
        *until -= period;
        *from -= *from < period ? *from : period;
    } else if (now >= *until) {
        past = ((now - *until) / period + 1) * period;
        *until += past;
        *from += past;
    }
}

static bool radio_window_open(const struct mu_device *d)
{
    mu_time from, until;

    if (!d->radio.granted)
        return false;
    radio_window(&d->radio, d->now, &from, &until);
    return d->now >= from;
}

/* An answer is on its way, or is owed. */
static bool radio_exchange(const struct mu_device *d)
{
    bool any = d->replies.len > 0;

    for (size_t i = 0; i < MU_DEVICE_ASK_COUNT; i++)
        any = any || d->asks[i].flying;
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++)
        any = any || (d->reports[i].used && d->reports[i].flying);
    return any;
}

static bool radio_wanted(const struct mu_device *d)
{
    if (d->conf.listens.period_s == 0 || radio_window_open(d))
        return true;
    switch (d->link) {
    case MU_DEVICE_LINK_OPENING:
        return true;
    case MU_DEVICE_LINK_DOWN: /* without windows it tries whenever it may */
        return !d->radio.granted && d->open_due && d->link_wait.at <= d->now;
    default:
        return !d->radio.granted || radio_exchange(d);
    }
}

void mu_device_radio_granted(struct mu_device *d,
                             const struct mu_area_welcome *m)
{
    struct mu_device_radio *r = &d->radio;

    r->granted = d->conf.listens.period_s != 0 && m->listens.period_s != 0;
    r->listens = m->listens;
    r->early = r->asked_at + MU_MS(m->opens_in_ms);
    r->late = d->now + MU_MS(m->opens_in_ms);
    r->synced_at = d->now;
}

/* What waited for the radio does not all go out at the opening. */
static void radio_woken(struct mu_device *d)
{
    const struct mu_device_radio *r = &d->radio;
    mu_time window = MU_SECONDS(r->listens.window_s);

    if (d->campaign.receiving)
        mu_cast_receiver_woken(&d->receiver, d->now);
    mu_device_reports_woken(d, window / 2);
    if (radio_slack(r, d->now) > window / SLACK_SHARE ||
        r->late - r->early > window / 2)
        mu_device_rehello(d);
}

bool mu_device_next_radio_on(struct mu_device *d, struct mu_effect *out)
{
    if (!d->radio.off || !radio_wanted(d))
        return false;
    d->radio.off = false;
    if (radio_window_open(d))
        radio_woken(d);
    out->kind = MU_DO_RADIO;
    out->on = true;
    return true;
}

bool mu_device_next_radio_off(struct mu_device *d, struct mu_effect *out)
{
    if (d->radio.off || radio_wanted(d))
        return false;
    d->radio.off = true;
    out->kind = MU_DO_RADIO;
    out->on = false;
    return true;
}

mu_time mu_device_radio_deadline(const struct mu_device *d)
{
    mu_time from, until;

    if (d->conf.listens.period_s == 0)
        return MU_TIME_NEVER;
    if (!d->radio.granted)
        return d->radio.off && d->open_due ? d->link_wait.at : MU_TIME_NEVER;
    radio_window(&d->radio, d->now, &from, &until);
    return d->now < from ? from : until;
}
