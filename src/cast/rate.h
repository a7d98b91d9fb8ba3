/* SPDX-License-Identifier: Apache-2.0 */
/* What a sender tells of itself so that its rate can yield. Without a rate that
 * yields (conf.yield) none of these does anything. */
#ifndef CAST_RATE_H
#define CAST_RATE_H

#include "muster/cast_sender.h"

/* The loss that parity is planned for: none while it is to be seen. */
uint32_t mu_rate_turn_loss(const struct mu_cast_sender *s);
void mu_rate_turn_init(struct mu_cast_sender *s);
/* A packet went out, len with headers. */
void mu_rate_turn_sent(struct mu_cast_sender *s, mu_time now, size_t len);
/* A poll, the first copy of it or another one. */
void mu_rate_turn_poll(struct mu_cast_sender *s, mu_time now,
                       uint16_t window_ms);
/* An answer, the first of its receiver to that poll. */
void mu_rate_turn_answer(struct mu_cast_sender *s, mu_time now,
                         const struct mu_need *n);
/* The round is about to be closed. */
void mu_rate_turn_close(struct mu_cast_sender *s, mu_time now);

#endif
