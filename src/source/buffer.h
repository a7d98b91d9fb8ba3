/* SPDX-License-Identifier: Apache-2.0 */
/* Inside source: messages that wait for the key of their interval. */
#ifndef SOURCE_BUFFER_H
#define SOURCE_BUFFER_H

#include "muster/source.h"

void mu_source_buffer_init(struct mu_source_buffer *b, uint8_t slots,
                           uint16_t message_max, void *bytes, uint32_t seed);
/* So many intervals can wait at once. */
void mu_source_buffer_lanes(struct mu_source_buffer *b, uint32_t lanes);
/* 0; MU_ERR_REPLAY for one that waits already, MU_ERR_FULL when it was its
 * turn to go. *dropped counts who had to make room. */
MU_MUST int mu_source_buffer_put(struct mu_source_buffer *b, uint32_t index,
                                 struct mu_bytes tag, struct mu_bytes message,
                                 struct mu_source_counts *counts);
struct mu_bytes mu_source_buffer_bytes(const struct mu_source_buffer *b,
                                       size_t slot);
/* Frees what was taken, then the next good one: its slot, or -1. */
int mu_source_buffer_take(struct mu_source_buffer *b);
uint32_t mu_source_buffer_waiting(const struct mu_source_buffer *b);

#endif
