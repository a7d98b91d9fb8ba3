/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket in the file system by which `muster alert` has a device or a
 * gateway speak. A client sends its messages, each ended by a zero byte, then
 * ends its side; it is answered with one line of JSON, once what it said is
 * durable: {"said": 2}, with "error" when some were not taken. Whoever may open
 * the file (mode 0600) may speak.
 */
#ifndef NET_CONTROL_H
#define NET_CONTROL_H

#include "net/body.h"

struct mu_control;

/* say: 0, or why not. MU_ERR_TOO_LARGE for a path that no socket can have,
 * MU_ERR_IO; says what is wrong. */
MU_MUST int mu_control_open(struct mu_control **control, struct mu_body *body,
                            const char *path,
                            int (*say)(void *ctx, struct mu_bytes text),
                            void *ctx);
/* Before the body. NULL is fine. */
void mu_control_close(struct mu_control *control);

#endif
