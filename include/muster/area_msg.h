/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between a device and its gateway, docs/wire-format.md s.2.1 and
 * s.2.2. Create appends to w; consume refuses what is malformed or beyond a
 * limit and gives views into the input. Structs with a key in them are cleared
 * by whoever filled them.
 */
#ifndef MUSTER_AREA_MSG_H
#define MUSTER_AREA_MSG_H

#include "muster/connect.h"
#include "muster/keys.h"
#include "muster/tick.h"

#define MU_OBJECT_ID_LEN 4 /* bytes: H(announce object)[:4], s.5.4 */
#define MU_KB_WRAPPED_LEN 40 /* AES-KW of 32 bytes */

/* When a radio is on: window_s of every period_s. period_s 0: always. */
struct mu_area_listens {
    uint32_t period_s; /* 2..MU_LISTEN_PERIOD_MAX */
    uint32_t window_s; /* 1..period_s - 1 */
};

/* POST /hello */
struct mu_area_hello {
    struct mu_bytes software;
    struct mu_capability capability;
    uint16_t port; /* where it takes copies of the cast; 0: nowhere */
    struct mu_area_listens listens;
};

MU_MUST int mu_area_hello_create(const struct mu_area_hello *m,
                                 struct mu_writer *w);
MU_MUST int mu_area_hello_consume(struct mu_bytes in, struct mu_area_hello *m);

/* A live session and the announce object it has at present. */
struct mu_area_session {
    uint8_t session;
    uint8_t object[MU_OBJECT_ID_LEN];
};

/* Its answer */
struct mu_area_welcome {
    struct mu_bytes gateway;
    uint16_t index;
    struct mu_kid kid;
    struct mu_secret kg;
    struct mu_bytes address;
    uint16_t port, up_port;
    struct mu_area_session sessions[MU_SESSIONS_MAX];
    uint8_t sessions_len;
    struct mu_tick tick; /* under that Kg */
    struct mu_area_listens listens; /* as it asked for */
    uint32_t opens_in_ms; /* a window: from when this was written */
};

MU_MUST int mu_area_welcome_create(const struct mu_area_welcome *m,
                                   struct mu_writer *w);
MU_MUST int mu_area_welcome_consume(struct mu_bytes in,
                                    struct mu_area_welcome *m);

/* POST /g */
struct mu_area_key {
    struct mu_kid kid;
    struct mu_secret kg;
    struct mu_tick tick;
};

MU_MUST int mu_area_key_create(const struct mu_area_key *m,
                               struct mu_writer *w);
MU_MUST int mu_area_key_consume(struct mu_bytes in, struct mu_area_key *m);

/* POST /kb: Kb under KDF(Kg, "kb wrap", kid, 16) */
struct mu_area_group_key {
    struct mu_kid kid;
    struct mu_secret kb;
};

MU_MUST int mu_area_group_key_create(const struct mu_crypto *c,
                                     const struct mu_secret *kg,
                                     const struct mu_area_group_key *m,
                                     struct mu_writer *w);
MU_MUST int mu_area_group_key_consume(const struct mu_crypto *c,
                                      const struct mu_secret *kg,
                                      struct mu_bytes in,
                                      struct mu_area_group_key *m);

/* POST /v: H of the relay manifest that the gateway has made (option 1) */
MU_MUST int mu_area_vouch_create(const uint8_t digest[MU_SHA256_LEN],
                                 struct mu_writer *w);
MU_MUST int mu_area_vouch_consume(struct mu_bytes in,
                                  uint8_t digest[MU_SHA256_LEN]);

/* POST /f: the connection whose feedback key is in force from now on */
MU_MUST int mu_area_feedback_create(const uint8_t id[MU_CONNECT_ID],
                                    struct mu_writer *w);
MU_MUST int mu_area_feedback_consume(struct mu_bytes in,
                                     uint8_t id[MU_CONNECT_ID]);

/* POST without a path: a state set and its acknowledgement, in the place of a
 * keep-alive (s.6.3). Not CBOR: each byte of it is one more than a ping has. */
struct mu_area_ride {
    uint8_t session, state, reason;
    uint8_t ack[MU_ACK_LEN];
};

MU_MUST int mu_area_ride_create(const struct mu_area_ride *m,
                                struct mu_writer *w);
MU_MUST int mu_area_ride_consume(struct mu_bytes in, struct mu_area_ride *m);

/* POST /ann to the gateway: which session */
MU_MUST int mu_area_ask_create(uint8_t session, struct mu_writer *w);
MU_MUST int mu_area_ask_consume(struct mu_bytes in, uint8_t *session);

#endif
