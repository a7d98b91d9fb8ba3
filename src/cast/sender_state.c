/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner of a sender asks it. */
#include "muster/cast_sender.h"

uint16_t mu_cast_sender_to(const struct mu_cast_sender *s)
{
    return s->to;
}

bool mu_cast_sender_unheard(struct mu_cast_sender *s)
{
    bool unheard = s->unheard;

    s->unheard = false;
    return unheard;
}

bool mu_cast_sender_idle(const struct mu_cast_sender *s)
{
    return s->state == MU_SENDER_IDLE && !s->behind_valid;
}

bool mu_cast_sender_through(const struct mu_cast_sender *s)
{
    return s->front == s->pages;
}

uint32_t mu_cast_sender_page(const struct mu_cast_sender *s)
{
    return s->job.page;
}

int mu_cast_sender_error(const struct mu_cast_sender *s)
{
    return s->error;
}

const struct mu_cast_counts *
mu_cast_sender_counts(const struct mu_cast_sender *s)
{
    return &s->counts;
}
