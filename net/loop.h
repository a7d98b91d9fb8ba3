/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of engines on libuv: tells an engine what happened, takes its
 * effects, commits its store once per turn of the loop, and wakes it at its
 * deadline. One loop may drive many nodes; everything runs in one thread.
 *
 * Order within a turn: events are stepped as they come and their effects are
 * applied at once; when the turn ends, the writes gathered so far are
 * committed together, the engine hears STORED for each, and whoever waits for
 * durability is called. One failed write fails all the writes of its turn.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <uv.h>

#include "muster/node.h"
#include "muster/store.h"

struct mu_node;

/* The engine's side: mu_device_*, mu_gateway_* or mu_server_*. */
struct mu_engine {
    void *state;
    int (*step)(void *state, const struct mu_event *ev);
    bool (*next)(void *state, struct mu_effect *out);
    mu_time (*deadline)(const void *state);
};

/* The body's side: what happens to effects other than STORE. Views in the
 * effect live during the call only. */
struct mu_body_ops {
    void (*effect)(void *ctx, const struct mu_effect *effect);
    /* The end of a drain: what was gathered goes out. */
    void (*flush)(void *ctx);
    /* The end of a turn: events put off till now go to mu_node_event. True
     * when there were any. */
    bool (*poll)(void *ctx);
    /* After each turn in which anything happened; may be NULL. */
    void (*turned)(void *ctx);
};

struct mu_loop {
    uv_loop_t uv;
    uv_prepare_t turn;
    uv_idle_t again;
    uv_signal_t term, interrupt;
    struct mu_node *touched;
    void (*stopping)(void *ctx); /* on SIGTERM and SIGINT, before the end */
    void *stopping_ctx;
    int exit_code;
    bool stopped;
};

/* 0 or MU_ERR_IO. */
MU_MUST int mu_loop_init(struct mu_loop *loop);
/* Returns once mu_loop_stop was called or a signal came; the exit code. */
int mu_loop_run(struct mu_loop *loop);
void mu_loop_stop(struct mu_loop *loop, int exit_code);
/* Every node must be closed before. */
void mu_loop_close(struct mu_loop *loop);

struct mu_waiter;

struct mu_node {
    struct mu_loop *loop;
    const char *name;
    struct mu_engine engine;
    struct mu_store *store;
    const struct mu_body_ops *ops;
    void *ctx;
    uint64_t born;       /* CLOCK_BOOTTIME at mu_time 0, ns */
    uv_poll_t timer;     /* a timerfd: microseconds, not libuv's milliseconds */
    int timer_fd;
    mu_time armed;
    uint32_t *tickets;   /* STORE effects of this turn */
    size_t tickets_len, tickets_cap;
    struct mu_waiter *waiters;
    struct mu_node *next_touched;
    int put_error;       /* first error of a put in this turn */
    bool is_touched, put_pending, failed;
};

/* Everything is borrowed and lives on. The engine is made afterwards, with
 * mu_node_now as its first time; engine.state may be set later, but before
 * mu_node_start. */
MU_MUST int mu_node_init(struct mu_node *n, struct mu_loop *loop,
                         const char *name, struct mu_engine engine,
                         struct mu_store *store, const struct mu_body_ops *ops,
                         void *ctx);
mu_time mu_node_now(const struct mu_node *n);
/* MU_EV_START. */
void mu_node_start(struct mu_node *n);
/* Fills in the time, steps, applies the effects. */
void mu_node_event(struct mu_node *n, struct mu_event *ev);
/* Applies effects that a direct call of the engine (mu_server_push) made. */
void mu_node_drain(struct mu_node *n);
/* The node takes part in the end of this turn even if nothing else happens. */
void mu_node_touch(struct mu_node *n);
/*
 * Drains, and calls back once everything written up to now is durable (result
 * 0) or failed to be. Also called, with MU_ERR_IO, when the node is closed.
 */
MU_MUST int mu_node_when_durable(struct mu_node *n,
                                 void (*done)(void *arg, int result),
                                 void *arg);
/* For wishes that are all taken or none: what was written before is durable
 * (or has failed) when begin returns, and undo takes back all the writes since.
 * The engine is told by the caller (mu_server_rollback). */
void mu_node_begin(struct mu_node *n);
void mu_node_undo(struct mu_node *n);
void mu_node_close(struct mu_node *n);

#endif
