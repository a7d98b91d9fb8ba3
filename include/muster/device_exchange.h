/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that has its keys by a key exchange (muster/exchange.h). The engine
 * knows it by two functions only, so a device without one links none of it.
 */
#ifndef MUSTER_DEVICE_EXCHANGE_H
#define MUSTER_DEVICE_EXCHANGE_H

#include "muster/device_state.h"
#include "muster/exchange.h"

/* A payload in the clear and one sealed, or twice one that is opened. */
#define MU_DEVICE_EXCHANGE_ROOM (2 * (MU_EXCHANGE_PAYLOAD_MAX + 64))

struct mu_device_exchange_ops {
    /* A connection was made of Kmr: it is to be exchanged for another. */
    int (*connected)(struct mu_device *d, const struct mu_connection *conn,
                     struct mu_bytes server);
    int (*write)(struct mu_device *d, struct mu_message *m);
    int (*answer)(struct mu_device *d, const struct mu_message *m);
};

struct mu_device_exchange {
    const struct mu_device_exchange_ops *ops;
    uint8_t method;
    uint8_t protocols[MU_EXCHANGE_PROTOCOLS_MAX];
    uint8_t protocols_len;
    const struct mu_mikey_pk *pk;

    bool wanted;     /* the connection is not one that an exchange led to */
    uint8_t server[MU_ID_MAX];
    uint8_t server_len;
    struct mu_secret kx;
    uint32_t counter;
    struct mu_exchange_pending pending;
    uint8_t hop_id[MU_CONNECT_ID]; /* of the exchange that kfb came of */
    struct mu_secret kfb;          /* in force when the gateway says so */
    struct mu_exchange_refusal refusal; /* the last one; methods 0: none */
    uint8_t room[MU_DEVICE_EXCHANGE_ROOM];
};

/*
 * protocols: numbers in rising order, one a byte. MU_ERR_USAGE for none, or one
 * that is not known; MU_ERR_UNSUPPORTED for a method that pk lacks something
 * for. pk and x live on with the device.
 */
MU_MUST int mu_device_exchange_init(struct mu_device_exchange *x,
                                    uint8_t method, struct mu_bytes protocols,
                                    const struct mu_mikey_pk *pk);
/* Wipes; after mu_device_clear. */
void mu_device_exchange_clear(struct mu_device_exchange *x);

#endif
