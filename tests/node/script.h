/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server by script for the tests of the other two engines: one gateway, one
 * group, one campaign at a time. It speaks the wire format through the same
 * codecs and keeps all it is told, so that tests can look.
 */
#ifndef TESTS_NODE_SCRIPT_H
#define TESTS_NODE_SCRIPT_H

#include "muster/cast_sender.h"
#include "muster/connect.h"
#include "muster/keyfetch.h"
#include "muster/node.h"
#include "muster/wide_msg.h"

#define SCRIPT_DEVICES_MAX 8
#define SCRIPT_OUT_MAX 64
#define SCRIPT_GROUP 7u
#define SCRIPT_GATEWAY 3u /* number of the gateway */

struct script_device {
    char name[16];
    struct mu_secret kmr;
    bool listed; /* on the gateway's list */
    bool member; /* of the group */
    bool oscore_set;
    struct mu_oscore oscore;
    uint32_t connects, fetches;
    uint32_t epoch_told; /* in connect message 1 */
    uint8_t state, reason; /* proved */
    uint32_t refused; /* reports with a false ack, named alone */
};

struct script_effect { /* owns its bytes */
    struct mu_effect effect;
    uint8_t payload[4096];
    uint8_t oscore[32];
    char path[80];
};

struct script_campaign {
    uint8_t id[MU_CAMPAIGN_ID];
    uint64_t number;
    bool live;
    enum mu_wide_command command;
    uint8_t session;
    enum mu_group_mode mode;
    struct mu_manifest m;
    uint8_t roots[2048];
    uint8_t object[MU_ANNOUNCE_MAX];
    size_t object_len;
    uint8_t cancel[256];
    size_t cancel_len;
    uint8_t *plain;
    uint8_t *prepared;
    size_t prepared_len;
    struct mu_secret cek;
    struct mu_cast_sender tx;
    void *tx_work;
    bool sending;
    uint32_t deadline_s;
};

struct script {
    const struct mu_crypto *crypto;
    mu_time now;
    struct mu_bytes identity;
    struct mu_secret gateway_kmr;
    char gateway_name[16];
    struct script_device devices[SCRIPT_DEVICES_MAX];
    size_t devices_len;
    uint32_t epoch;
    enum mu_group_mode mode; /* of the group, as devices are told it */
    struct mu_signer signer;
    struct mu_kid kw_kid, kb_kid;
    struct mu_secret kw, kb;
    struct mu_ticker ticker; /* of kw */
    uint64_t area_version, camp_version;
    bool area_paged; /* one device a page */
    bool linked;
    uint32_t exchange;
    struct script_campaign campaign;
    struct script_rekey *rekey; /* script_rekey.h; NULL: keys are fetched */
    struct mu_cast_peers peers;
    struct mu_object prepared_port;
    uint32_t reports, conflicts, tallies, area_pages;
    uint32_t number; /* of the gateway */
    uint16_t index;  /* of the gateway in the wide-area cast */
    uint32_t area_moves; /* so many pages more change the area's version */
    bool amnesia; /* knows no connection */
    bool cancel_other; /* cancels name another campaign */
    bool mute_reports; /* does not answer /r */
    uint32_t false_ack; /* 1 + device whose acks it holds to be false */
    uint8_t false_more; /* bits: so it does of these */
    uint32_t report_bytes;

    struct script_effect *out[SCRIPT_OUT_MAX];
    size_t out_len;
    struct script_effect *taken;
};

void script_init(struct script *s, const struct mu_crypto *c);
void script_clear(struct script *s);
int script_step(struct script *s, const struct mu_event *ev);
bool script_next(struct script *s, struct mu_effect *out);
mu_time script_deadline(const struct script *s);

/* Makes and starts a campaign of random bytes; version 0: nothing is live. */
struct script_push {
    size_t size;
    uint64_t version;
    enum mu_group_mode mode;
    struct mu_cast_shape shape;
    bool downgrade;
    uint32_t edition; /* > 0: the campaign before, protected anew */
    uint32_t deadline_s;
    uint8_t ack_wait_s;
};
void script_push(struct script *s, const struct script_push *p);
void script_command(struct script *s, enum mu_wide_command command);
void script_end(struct script *s); /* takes it off the list */
void script_notify(struct script *s);
void script_poke(struct script *s);
void script_hop(struct script *s, const struct mu_wide_hop *m);
/* A new Kb; epoch + 1 when the server was restored. */
void script_rotate(struct script *s, bool restored);
void script_remove(struct script *s, size_t device);

#endif
