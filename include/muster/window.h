/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay window: which sequence numbers of one sender under one key have been
 * taken. Numbers may come in any order within 64 of the highest (RFC 8613
 * s.7.4, RFC 6479's idea without its ring).
 *
 * Check before the message is verified, commit after it is: a forged number
 * never moves the window.
 */
#ifndef MUSTER_WINDOW_H
#define MUSTER_WINDOW_H

#include "muster/bytes.h"

#define MU_WINDOW_SIZE 64 /* numbers remembered */
#define MU_WINDOW_LEN 16  /* bytes, serialised */

struct mu_window {
    uint64_t top;  /* highest number taken */
    uint64_t seen; /* bit i: top - i was taken; 0: nothing was, ever */
};

void mu_window_init(struct mu_window *win);
/* 0 if n is new; MU_ERR_REPLAY if it was taken or is too old to tell. */
MU_MUST int mu_window_check(const struct mu_window *win, uint64_t n);
/* Takes n. n must have passed the check; a number too old changes nothing. */
void mu_window_commit(struct mu_window *win, uint64_t n);
/* From now on every number below n counts as taken. */
void mu_window_floor(struct mu_window *win, uint64_t n);

void mu_window_write(const struct mu_window *win, struct mu_writer *w);
/* Fails the reader when the bytes are no window that can exist. */
void mu_window_read(struct mu_window *win, struct mu_reader *r);

#endif
