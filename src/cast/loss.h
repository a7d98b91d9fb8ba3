/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much parity to send before anybody asks: from the learnt loss and the
 * number of receivers, the losses of the unluckiest of them.
 */
#ifndef CAST_LOSS_H
#define CAST_LOSS_H

#include <stdint.h>

#define MU_LOSS_ONE 65536u /* all packets are lost */

/* Losses that the unluckiest of `members` has among `packets`, in 1/256
 * packets: as many of them have more as not. */
uint32_t mu_loss_worst(uint32_t packets, uint32_t members, uint32_t loss);

/* Parity that covers the unluckiest receiver of k data symbols, at most m. */
uint32_t mu_loss_parity(uint32_t k, uint32_t m, uint32_t members,
                        uint32_t loss);

/* The loss at which the unluckiest of `members` misses `lost` of `packets`. */
uint32_t mu_loss_from_worst(uint32_t packets, uint32_t members, uint32_t lost);

#endif
