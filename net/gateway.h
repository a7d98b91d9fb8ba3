/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway program. */
#ifndef NET_GATEWAY_H
#define NET_GATEWAY_H

#include "muster/gateway.h"
#include "net/body.h"

struct mu_gateway_run_conf {
    const char *identity;
    const char *key_file;
    const char *server;      /* HOST:PORT */
    const char *listen;      /* HOST:PORT of the DTLS endpoint */
    const char *area_group;  /* ADDRESS:PORT or "unicast" */
    struct mu_overlay_conf ways; /* to the devices */
    const char *state_dir;
    const char *iface;
    uint32_t area_up_port;   /* feedback; 0: any, on the host of `listen` */
    uint32_t wide_port;      /* unicast copies of the cast; 0: any */
    uint32_t devices_max, payload_max, page_packets_max;
    uint32_t rate;           /* bytes a second on the area network; 0: all */
    bool yields;             /* that is the most */
    uint32_t hold_s;         /* a campaign waits for devices that sleep */
    uint32_t overhead, window_ms, loss_permille;
    const char *scheme;     /* that it speaks by itself to all of its area;
                               NULL: it is silent */
    const char *control;    /* socket of `muster alert`; NULL: in the state
                               directory */
    uint32_t alert_copies, alert_interval_ms;
    struct mu_body_conf body;
};

/* Runs until a signal. The exit code of the program. */
int mu_gateway_run(const struct mu_gateway_run_conf *conf);

#endif
