/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions, for our own bugs only: nothing that a packet, a stored record or
 * the clock can bring about may trip one. They stay on in every build.
 */
#ifndef MUSTER_ASSERT_H
#define MUSTER_ASSERT_H

/*
 * The body supplies this one: a program prints and aborts, a device resets.
 * It is the only symbol beside mem* and str* that the core leaves open.
 */
_Noreturn void mu_assert_failed(const char *file, int line);

#define mu_assert(holds)                                                       \
    ((holds) ? (void)0 : mu_assert_failed(__FILE__, __LINE__))

#endif
