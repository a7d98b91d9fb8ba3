/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parity that was not sent yet. A symbol that a receiver may have heard is no
 * help to it, so what was sent of the last few pages is known after they were
 * left: the front takes parity from the first symbol up, a page of the past from
 * the last one down.
 */
#ifndef CAST_SPARE_H
#define CAST_SPARE_H

#include "muster/cast_sender.h"

/* A page of the past is begun: true when it was served like that before. */
bool mu_spare_begin(struct mu_cast_sender *s);
/* Queues up to n symbols, or as many as there are. */
void mu_spare_queue(struct mu_cast_sender *s, unsigned n, bool down);
/* Symbol `index` of the page at work goes out, be it of data or of parity. */
void mu_spare_sent(struct mu_cast_sender *s, unsigned index);
bool mu_spare_left(const struct mu_cast_sender *s);
/* Nothing is: the next poll asks for data symbols by name. */
void mu_spare_spend(struct mu_cast_sender *s);

#endif
