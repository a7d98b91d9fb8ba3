/* SPDX-License-Identifier: Apache-2.0 */
/* The device program: one virtual device or many in one process, each with its
 * own identity, keys, sockets and state directory. */
#ifndef NET_DEVICE_H
#define NET_DEVICE_H

#include "muster/device.h"
#include "net/body.h"
#include "net/exchange.h"
#include "net/mesh.h"

struct mu_device_run_conf {
    const char *identity;   /* with "%d" for many: 1 to count */
    const char *key_file;   /* see net/key_file.h */
    const char *gateway;    /* HOST:PORT */
    const char *state_dir;  /* of many: one directory each, by identity */
    const char *iface;      /* for multicast; NULL: as routed */
    uint32_t count;         /* 0: one; identity NULL: rows of the key file */
    uint32_t object_max;    /* KiB the slot holds */
    uint32_t page_memory;   /* KiB of work memory */
    uint32_t key_memory;    /* bytes for one group's state of a rekeying scheme */
    const char *scheme;     /* that it speaks by to all of its area; NULL: it
                               is silent */
    const char *control;    /* socket of `muster alert`; NULL: in the state
                               directory */
    uint32_t alert_copies, alert_interval_ms;
    uint32_t streams;       /* of speakers with a chain that it follows at
                               once; 0: it listens to nobody */
    const char *key_exchange;  /* method; "psk": the connection as it is,
                                  unless there are key_protocols */
    const char *key_protocols; /* list; NULL: all */
    struct mu_exchange_files exchange;
    struct mu_area_listens listens; /* period_s 0: always; not with a mesh */
    struct mu_mesh_conf mesh; /* one device only */
    struct mu_body_conf body;
};

/* Runs until a signal. The exit code of the program. */
int mu_device_run(const struct mu_device_run_conf *conf);

#endif
