/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a repair: to all, or to those one by one who need it, whichever
 * costs less.
 */
#ifndef CAST_REPAIR_H
#define CAST_REPAIR_H

#include "muster/cast_sender.h"

/* Parity that goes out with a page before anybody asks. */
unsigned mu_repair_plan(const struct mu_cast_sender *s);
/* What `need` becomes so that it is likely to be enough. */
unsigned mu_repair_more(const struct mu_cast_sender *s, unsigned need);
/* The round is over, and somebody needs more parity: one by one? Then the page's
 * job is set up for it. */
bool mu_repair_alone(struct mu_cast_sender *s);
/* The next symbol, for s->to; -1 when all have been served. */
int mu_repair_next(struct mu_cast_sender *s);

#endif
