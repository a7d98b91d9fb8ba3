/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the tree program: what its root and its nodes share. */
#ifndef NET_TREE_RUN_H
#define NET_TREE_RUN_H

#include <jansson.h>

#include "muster/tree.h"
#include "net/key_file.h"
#include "net/loop.h"
#include "net/tree.h"
#include "net/tree_plan.h"
#include "net/udp_cast.h"

#define MU_TREE_STREAM 1

struct mu_tree_body { /* the first member of its owner, which is the ctx */
    const struct mu_tree_run_conf *conf;
    const struct mu_crypto *crypto;
    struct mu_loop loop;
    bool looped;
    struct mu_tree_file plan;
    struct mu_key_file keys;
    uint16_t index;
    struct mu_udp port;
    uv_timer_t *timer;
};

/* Logs what is wrong. mu_tree_body_close in any case. */
MU_MUST int mu_tree_body_open(struct mu_tree_body *b,
                              const struct mu_tree_run_conf *conf,
                              void (*packet)(void *ctx, struct mu_bytes packet,
                                             const struct mu_addr *from));
void mu_tree_body_close(struct mu_tree_body *b);
mu_time mu_tree_body_now(void);
bool mu_tree_body_near(const struct mu_tree_body *b,
                       const struct mu_addr *from);
void mu_tree_body_send(struct mu_tree_body *b, enum mu_tree_way way,
                       struct mu_bytes packet);
void mu_tree_body_arm(struct mu_tree_body *b, mu_time at, uv_timer_cb timer);
/* A line of JSON on standard output; takes over the reference of more. */
void mu_tree_body_say(const struct mu_tree_body *b, const char *event,
                      json_t *more);

int mu_tree_root_run(const struct mu_tree_run_conf *conf);

#endif
