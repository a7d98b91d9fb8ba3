/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a perfect code would have needed: one whose symbols all help whoever
 * misses any, and that stops the moment the last receiver has enough. Page by
 * page as they are cut, and for the whole object as one page.
 *
 * The bound of packet_ratio divides by the mean loss; the unluckiest of a
 * thousand receivers loses more than that, in bursts a good deal more.
 */
#ifndef MUSTER_SIM_FLOOR_H
#define MUSTER_SIM_FLOOR_H

#include "muster/cast.h"

#include "world.h"

/* Packets sent until all receivers have k of them: the expectation, over losses
 * as the simulator draws them. */
double sim_floor_expected(uint32_t k, uint32_t receivers, double loss,
                          double burst);
/* So many packets are enough for all with this probability. */
uint32_t sim_floor_packets(uint32_t k, uint32_t receivers, double loss,
                           double burst, double sure);

/* The losses that a run had. It is made with the first symbol of a push, in the
 * shape that its manifest tells. */
struct sim_floor *sim_floor_new(const struct mu_cast_shape *shape,
                                uint64_t size, uint32_t devices,
                                uint32_t areas);
void sim_floor_del(struct sim_floor *f);
/* A symbol is on the air of an area: its page, or NULL when it does not count.
 * Then each device that the air brings it to. */
struct sim_floor_page *sim_floor_sent(struct sim_world *w, uint32_t gateway,
                                      const struct sim_buffer *b);
void sim_floor_heard(struct sim_floor_page *page, const struct sim_node *n);
/* Packets after which the last device that has heard enough of it had, over all
 * areas: of each page, and of all pages as if they were one. */
uint64_t sim_floor_pages(const struct sim_floor *f);
uint64_t sim_floor_block(const struct sim_floor *f);

#endif
