/* SPDX-License-Identifier: Apache-2.0 */
/* Replay window: the numbers of one sender that have been taken. */
#include "muster/window.h"

void mu_window_init(struct mu_window *win)
{
    *win = (struct mu_window){0, 0};
}

int mu_window_check(const struct mu_window *win, uint64_t n)
{
    if (win->seen == 0 || n > win->top)
        return 0;
    uint64_t back = win->top - n;
    if (back >= MU_WINDOW_SIZE || (win->seen >> back & 1u) != 0)
        return MU_ERR_REPLAY;
    return 0;
}

void mu_window_commit(struct mu_window *win, uint64_t n)
{
    if (win->seen == 0 || n > win->top) {
        uint64_t ahead = n - win->top;
        win->seen = ahead < MU_WINDOW_SIZE ? win->seen << ahead : 0;
        win->seen |= 1;
        win->top = n;
        return;
    }
    uint64_t back = win->top - n;
    if (back < MU_WINDOW_SIZE)
        win->seen |= (uint64_t)1 << back;
}

/* The bits that numbers from 0 to top can have: fewer than 64 near 0. */
static uint64_t window_mask(uint64_t top)
{
    if (top >= MU_WINDOW_SIZE - 1)
        return UINT64_MAX;
    return ((uint64_t)1 << (top + 1)) - 1;
}

void mu_window_floor(struct mu_window *win, uint64_t n)
{
    if (n == 0)
        return;
    if (win->seen == 0 || n - 1 >= win->top) {
        win->top = n - 1;
        win->seen = window_mask(win->top);
        return;
    }
    uint64_t back = win->top - (n - 1);
    if (back < MU_WINDOW_SIZE)
        win->seen |= UINT64_MAX << back & window_mask(win->top);
}

void mu_window_write(const struct mu_window *win, struct mu_writer *w)
{
    mu_write_u64(w, win->top);
    mu_write_u64(w, win->seen);
}

void mu_window_read(struct mu_window *win, struct mu_reader *r)
{
    win->top = mu_read_u64(r);
    win->seen = mu_read_u64(r);
    bool empty = win->top == 0 && win->seen == 0;
    bool taken = (win->seen & 1u) != 0
        && (win->seen & ~window_mask(win->top)) == 0;
    if (!empty && !taken) {
        mu_reader_fail(r);
        mu_window_init(win);
    }
}
