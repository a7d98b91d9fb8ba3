/* SPDX-License-Identifier: Apache-2.0 */
/* libcoap on a clock that nobody sets. */
#ifndef NET_COAP_CLOCK_H
#define NET_COAP_CLOCK_H

/* Does nothing but bring the clock into the program that calls it. */
void mu_coap_clock(void);

#endif
