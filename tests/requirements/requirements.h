/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R1 to R19 of EXALTED D5.2, tables 3-1 to 3-7: one test each, of the clause
 * and of its contrary. auth.c: tables 3-1 and 3-2; keys.c: 3-3; data.c: the
 * rest.
 */
#ifndef TESTS_REQUIREMENTS_H
#define TESTS_REQUIREMENTS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>

#include "muster/bytes.h"

#define REQUIREMENTS(X)                                                        \
    X(test_R01_available_to_all_who_registered)                                \
    X(test_R02_receivers_are_authenticated_first)                              \
    X(test_R03_hops_and_ends_are_authenticated)                                \
    X(test_R04_origin_is_authenticated)                                        \
    X(test_R05_no_identity_in_the_service)                                     \
    X(test_R06_keys_travel_confidentially)                                     \
    X(test_R07_keys_travel_unchanged)                                          \
    X(test_R08_rekey_shuts_out_leavers_and_joiners)                            \
    X(test_R09_keys_for_members_only)                                          \
    X(test_R10_keys_are_identified_and_missed_ones_fetched)                    \
    X(test_R11_keys_for_fresh_requests_of_known_devices)                       \
    X(test_R12_no_modification_insertion_replay_deletion)                      \
    X(test_R13_common_integrity_key)                                           \
    X(test_R14_nothing_readable_on_the_air)                                    \
    X(test_R15_one_encryption_for_all)                                         \
    X(test_R16_no_bidding_down)                                                \
    X(test_R17_an_eavesdropper_gets_nothing)                                   \
    X(test_R18_reliable_and_acknowledged_under_keys)                           \
    X(test_R19_light_cryptography_and_small_packets)

#define X(name) void name(void **state);
REQUIREMENTS(X)
#undef X

/* Whether `what` is somewhere in `in`. */
bool contains(struct mu_bytes in, const void *what, size_t len);

/* A tape of packets: what somebody with an antenna has. */
struct tape {
    uint8_t *bytes; /* each: length (2), up (1), packet */
    size_t len;
};

void tape_add(struct tape *t, struct mu_bytes packet, bool up);
/* The next packet after *at, which moves on; false at the end. */
bool tape_next(const struct tape *t, size_t *at, struct mu_bytes *packet,
               bool *up);
void tape_free(struct tape *t);

#endif
