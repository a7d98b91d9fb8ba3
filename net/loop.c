/* SPDX-License-Identifier: Apache-2.0 */
/* The driver: turns, commits, timers, signals. */
#include "net/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "muster/assert.h"
#include "net/log.h"

/* Rounds of commit and STORED within one turn before others get a chance. */
#define NODE_ROUNDS_MAX 16
/* Effects applied in one drain; an engine that has more is asked again. */
#define NODE_EFFECTS_MAX 65536
/* Deadlines to come are met at the next multiple of this many microseconds: packets that
 * are due closer together leave in one go, and their receivers wake up once. */
#define NODE_TICK 1000

struct mu_waiter {
    struct mu_waiter *next;
    void (*done)(void *arg, int result);
    void *arg;
};

static void node_turn(struct mu_node *n);

static void loop_turn(uv_prepare_t *handle)
{
    struct mu_loop *loop = handle->data;
    struct mu_node *n = loop->touched;

    loop->touched = NULL;
    while (n != NULL) {
        struct mu_node *next = n->next_touched;

        n->next_touched = NULL;
        n->is_touched = false;
        node_turn(n);
        n = next;
    }
    if (loop->touched == NULL)
        uv_idle_stop(&loop->again);
}

static void loop_again(uv_idle_t *handle)
{
    (void)handle; /* its being active keeps the loop from blocking */
}

static void loop_signal(uv_signal_t *handle, int number)
{
    struct mu_loop *loop = handle->data;

    mu_log(MU_LOG_INFO, "signal", "number=%d", number);
    mu_loop_stop(loop, 0);
}

int mu_loop_init(struct mu_loop *loop)
{
    *loop = (struct mu_loop){ 0 };
    if (uv_loop_init(&loop->uv) != 0)
        return MU_ERR_IO;
    if (uv_prepare_init(&loop->uv, &loop->turn) != 0 ||
        uv_idle_init(&loop->uv, &loop->again) != 0 ||
        uv_signal_init(&loop->uv, &loop->term) != 0 ||
        uv_signal_init(&loop->uv, &loop->interrupt) != 0)
        return MU_ERR_IO;
    loop->turn.data = loop;
    loop->again.data = loop;
    loop->term.data = loop;
    loop->interrupt.data = loop;
    if (uv_prepare_start(&loop->turn, loop_turn) != 0 ||
        uv_signal_start(&loop->term, loop_signal, SIGTERM) != 0 ||
        uv_signal_start(&loop->interrupt, loop_signal, SIGINT) != 0)
        return MU_ERR_IO;
    return 0;
}

int mu_loop_run(struct mu_loop *loop)
{
    while (!loop->stopped)
        uv_run(&loop->uv, UV_RUN_ONCE);
    return loop->exit_code;
}

void mu_loop_stop(struct mu_loop *loop, int exit_code)
{
    if (loop->stopped)
        return;
    loop->stopped = true;
    loop->exit_code = exit_code;
    if (loop->stopping != NULL)
        loop->stopping(loop->stopping_ctx);
    uv_stop(&loop->uv);
}

void mu_loop_close(struct mu_loop *loop)
{
    uv_close((uv_handle_t *)&loop->turn, NULL);
    uv_close((uv_handle_t *)&loop->again, NULL);
    uv_close((uv_handle_t *)&loop->term, NULL);
    uv_close((uv_handle_t *)&loop->interrupt, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop->uv) != 0)
        mu_log(MU_LOG_ERROR, "loop-busy", NULL);
}

/* ---- node -------------------------------------------------------------- */

static void node_timer(uv_poll_t *handle, int status, int events)
{
    struct mu_node *n = handle->data;
    struct mu_event ev = { .kind = MU_EV_TIMER };
    uint64_t count;

    (void)status;
    (void)events;
    if (read(n->timer_fd, &count, sizeof(count)) < 0)
        return;
    n->armed = MU_TIME_NEVER;
    mu_node_event(n, &ev);
}

/* With the time that the machine slept: others did not, and what is safe
 * because a key is not out yet hangs on it. */
static uint64_t node_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int mu_node_init(struct mu_node *n, struct mu_loop *loop, const char *name,
                 struct mu_engine engine, struct mu_store *store,
                 const struct mu_body_ops *ops, void *ctx)
{
    *n = (struct mu_node){
        .loop = loop, .name = name, .engine = engine, .store = store,
        .ops = ops, .ctx = ctx, .born = node_clock(), .armed = MU_TIME_NEVER,
    };
    n->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (n->timer_fd < 0)
        return MU_ERR_IO;
    if (uv_poll_init(&loop->uv, &n->timer, n->timer_fd) != 0 ||
        uv_poll_start(&n->timer, UV_READABLE, node_timer) != 0) {
        close(n->timer_fd);
        n->timer_fd = -1;
        return MU_ERR_IO;
    }
    n->timer.data = n;
    return 0;
}

mu_time mu_node_now(const struct mu_node *n)
{
    return (node_clock() - n->born) / 1000;
}

void mu_node_touch(struct mu_node *n)
{
    if (n->is_touched)
        return;
    n->is_touched = true;
    n->next_touched = n->loop->touched;
    n->loop->touched = n;
    uv_idle_start(&n->loop->again, loop_again);
}

static void node_ticket(struct mu_node *n, uint32_t ticket)
{
    if (n->tickets_len == n->tickets_cap) {
        size_t cap = n->tickets_cap == 0 ? 64 : 2 * n->tickets_cap;
        uint32_t *grown = realloc(n->tickets, cap * sizeof(*grown));

        mu_assert(grown != NULL);
        n->tickets = grown;
        n->tickets_cap = cap;
    }
    n->tickets[n->tickets_len++] = ticket;
}

static void node_step(struct mu_node *n, struct mu_event *ev)
{
    ev->now = mu_node_now(n);
    int rc = n->engine.step(n->engine.state, ev);

    if (rc == 0)
        return;
    enum mu_err_class class = mu_err_class(rc);
    enum mu_log_level quiet =
        ev->kind == MU_EV_PACKET ? MU_LOG_TRACE : MU_LOG_DEBUG;

    mu_log(class == MU_CLASS_FATAL ? MU_LOG_ERROR : quiet, "refused",
           "node=%s kind=%d link=%u error=%s", n->name, (int)ev->kind,
           ev->link, mu_err_name(rc));
    if (class == MU_CLASS_FATAL) {
        n->failed = true;
        mu_loop_stop(n->loop, 1);
    }
}

static void node_stored(struct mu_node *n, uint32_t ticket, int result)
{
    struct mu_event ev = {
        .kind = MU_EV_STORED, .ticket = ticket, .result = result,
    };

    node_step(n, &ev);
}

static void node_store(struct mu_node *n, const struct mu_effect *e)
{
    int rc = n->store->put(n->store->ctx, e->table, e->key, e->value);

    if (rc != 0) {
        mu_log(MU_LOG_WARN, "store-put", "node=%s table=%u error=%s", n->name,
               (unsigned)e->table, mu_err_name(rc));
        if (n->put_error == 0)
            n->put_error = rc;
    }
    n->put_pending = true;
    node_ticket(n, e->ticket);
}

void mu_node_drain(struct mu_node *n)
{
    struct mu_effect e;

    for (int i = 0; i < NODE_EFFECTS_MAX && !n->failed; i++) {
        if (!n->engine.next(n->engine.state, &e))
            break;
        if (e.kind == MU_DO_STORE)
            node_store(n, &e);
        else
            n->ops->effect(n->ctx, &e);
    }
    n->ops->flush(n->ctx);
    mu_node_touch(n);
}

void mu_node_event(struct mu_node *n, struct mu_event *ev)
{
    if (n->failed)
        return;
    node_step(n, ev);
    mu_node_drain(n);
}

void mu_node_start(struct mu_node *n)
{
    struct mu_event ev = { .kind = MU_EV_START };

    mu_node_event(n, &ev);
}

int mu_node_when_durable(struct mu_node *n,
                         void (*done)(void *arg, int result), void *arg)
{
    struct mu_waiter *w = malloc(sizeof(*w)), **end = &n->waiters;

    if (w == NULL)
        return MU_ERR_FULL;
    *w = (struct mu_waiter){ .done = done, .arg = arg };
    while (*end != NULL)
        end = &(*end)->next;
    *end = w;
    mu_node_drain(n);
    return 0;
}

static void node_wake_waiters(struct mu_node *n, int result)
{
    struct mu_waiter *w = n->waiters;

    n->waiters = NULL;
    while (w != NULL) {
        struct mu_waiter *next = w->next;

        w->done(w->arg, result);
        free(w);
        w = next;
    }
}

/* Makes what was put durable, and tells. True when there was anything. */
static bool node_commit(struct mu_node *n)
{
    size_t len = n->tickets_len;
    int rc = 0;

    if (!n->put_pending && n->waiters == NULL)
        return false;
    if (n->put_pending) {
        n->put_pending = false;
        rc = n->put_error;
        n->put_error = 0;
        if (rc == 0)
            rc = n->store->commit(n->store->ctx);
        if (rc != 0) {
            n->store->rollback(n->store->ctx);
            mu_log(MU_LOG_ERROR, "store-commit",
                   "node=%s writes=%zu why=\"%s\"", n->name, len,
                   mu_err_text(rc));
        }
    }
    node_wake_waiters(n, rc);
    /* Effects are taken after each step, as engines expect; tickets that come
     * up go behind, and to the next commit. */
    for (size_t i = 0; i < len && !n->failed; i++) {
        node_stored(n, n->tickets[i], rc);
        mu_node_drain(n);
    }
    n->tickets_len -= len;
    for (size_t i = 0; i < n->tickets_len; i++)
        n->tickets[i] = n->tickets[len + i];
    return true;
}

void mu_node_begin(struct mu_node *n)
{
    for (int i = 0; i < NODE_ROUNDS_MAX && !n->failed; i++) {
        if (!node_commit(n))
            return;
    }
}

void mu_node_undo(struct mu_node *n)
{
    n->store->rollback(n->store->ctx);
    n->tickets_len = 0;
    n->put_pending = false;
    n->put_error = 0;
}

static void node_arm(struct mu_node *n)
{
    mu_time at = n->engine.deadline(n->engine.state);
    struct itimerspec spec = { 0 };

    if (at < MU_TIME_NEVER - NODE_TICK && at > mu_node_now(n))
        at = (at + NODE_TICK - 1) / NODE_TICK * NODE_TICK;

    /* Deadlines move away with every packet; a timer that fires early costs
     * less than to set it anew each time. */
    if (at >= n->armed)
        return;
    if (at != MU_TIME_NEVER) {
        uint64_t ns = n->born + at * 1000;

        if (at > (UINT64_MAX - n->born) / 1000)
            ns = UINT64_MAX;
        spec.it_value.tv_sec = (time_t)(ns / 1000000000);
        spec.it_value.tv_nsec = (long)(ns % 1000000000);
        if (ns == 0)
            spec.it_value.tv_nsec = 1;
        if (spec.it_value.tv_sec > INT32_MAX)
            spec.it_value.tv_sec = INT32_MAX;
    }
    if (timerfd_settime(n->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) != 0)
        mu_log(MU_LOG_ERROR, "timer", "node=%s errno=%d", n->name, errno);
    n->armed = at;
}

static void node_untouch(struct mu_node *n)
{
    struct mu_node **at = &n->loop->touched;

    while (*at != NULL && *at != n)
        at = &(*at)->next_touched;
    if (*at == n)
        *at = n->next_touched;
    n->next_touched = NULL;
    n->is_touched = false;
}

static void node_turn(struct mu_node *n)
{
    bool more = true;

    for (int i = 0; more && i < NODE_ROUNDS_MAX && !n->failed; i++) {
        more = n->ops->poll(n->ctx);
        more = node_commit(n) || more;
    }
    if (n->ops->turned != NULL)
        n->ops->turned(n->ctx);
    node_arm(n);
    /* Drains of this turn touched the node again; with nothing left to do it
     * has no business in the next one. */
    if (!more || n->failed)
        node_untouch(n);
}

static void node_closed(uv_handle_t *handle)
{
    struct mu_node *n = handle->data;

    close(n->timer_fd);
    n->timer_fd = -1;
}

void mu_node_close(struct mu_node *n)
{
    node_untouch(n);
    node_wake_waiters(n, MU_ERR_IO);
    free(n->tickets);
    n->tickets = NULL;
    n->tickets_len = n->tickets_cap = 0;
    if (n->timer_fd >= 0) {
        uv_poll_stop(&n->timer);
        uv_close((uv_handle_t *)&n->timer, node_closed);
        uv_run(&n->loop->uv, UV_RUN_NOWAIT);
    }
}
