/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the server engine, laid open so that its owner can embed it.
 * Only the functions of server.h look inside. Tables whose size the
 * configuration decides lie in the work memory of mu_server_init.
 */
#ifndef MUSTER_SERVER_STATE_H
#define MUSTER_SERVER_STATE_H

#include "muster/cast_sender.h"
#include "muster/exchange.h"
#include "muster/oscore.h"
#include "muster/parts.h"
#include "muster/server.h"
#include "muster/server_records.h"

#define MU_SERVER_NONE UINT32_MAX /* no entry of a table */

/* An effect that waits for mu_server_next; its bytes lie in the ring. */
struct mu_server_item {
    const char *path;     /* SEND of a request */
    uint32_t at;          /* first byte in the ring */
    uint32_t first_len;   /* STORE: key; SEND: OSCORE option */
    uint32_t second_len;  /* STORE: value; SEND: payload */
    uint32_t link, exchange;
    uint32_t ticket;      /* STORE: its own; SEND: what has to be durable */
    uint8_t table, code;
    bool response, protected_, deletes, before_send;
};

struct mu_server_ring {
    struct mu_server_item *items;
    uint8_t *bytes;
    uint32_t items_max, bytes_max;
    uint32_t first, len; /* items */
    uint32_t head, tail; /* bytes in use: [head, tail), perhaps wrapped */
    bool lent;           /* the first item is with the body */
};

/* What is known of a gateway between two restarts; index = number - 1. */
struct mu_server_gateway {
    uint8_t identity[MU_ID_MAX];
    uint8_t identity_len; /* 0: no such gateway */
    struct mu_secret kfb;
    bool removed;         /* only its name is left */
    bool close_due;       /* its link is to end */
    bool linked;
    bool greeted;         /* said hello on this link */
    bool channel_due;     /* tell the body where it takes copies */
    uint16_t unicast_port;
    mu_time greeted_at;
    struct mu_ask notice; /* POST /n */
    struct mu_ask poke;   /* POST /poke */
    bool poke_all;        /* look at all its devices, */
    bool poke_told;       /* at those that a key's campaign tells apart, */
    uint8_t *poke_who;    /* and at these: a bit for each area index */
    struct mu_ask hop;    /* POST /hop */
};

/* One M2M service connection; at most two a device: pending and current. */
struct mu_server_connection {
    uint8_t id[MU_CONNECT_ID];
    uint8_t identity[MU_ID_MAX];
    uint8_t identity_len; /* 0: free */
    bool pending;         /* no OSCORE message has verified yet */
    uint32_t newer, older;           /* by last use */
    uint32_t id_next, identity_next; /* chains of the two hash tables */
    struct mu_capability capability;
    struct mu_oscore oscore;
    struct mu_secret muk; /* MBMS user key, and what was made under it */
    uint32_t muk_counter;
    bool exchanged;       /* it came of a key exchange, */
    uint8_t method;       /* enum mu_exchange_method; PSK without one, too */
    struct mu_secret kx;  /* of exchanges in it, and how many there were */
    uint32_t exchanges;
    uint32_t gateway;     /* through which it was made, */
    uint16_t index;       /* and under which index there */
    struct mu_secret kfb; /* of an exchange, for the gateway; or none */
    uint8_t told;         /* enum mu_server_told: of kfb */
};

enum mu_server_told {
    MU_SERVER_TOLD_NOT,
    MU_SERVER_TOLD_FLYING,
    MU_SERVER_TOLD,
};

struct mu_server_connections {
    struct mu_server_connection *all;
    uint32_t *by_id, *by_identity; /* heads of chains */
    uint32_t max, buckets;         /* buckets: a power of two */
    uint32_t newest, oldest, free;
};

enum mu_server_stage {
    MU_STAGE_RESUME,  /* found at the start: what is there of its files? */
    MU_STAGE_TARGETS, /* who is to have it, and what shape they can take */
    MU_STAGE_DIGEST,  /* of the plain object */
    MU_STAGE_PAGES,   /* encrypting and hashing, last page first */
    MU_STAGE_SIGN,
    MU_STAGE_CAST,    /* on the air, or paused */
    MU_STAGE_ENDING,  /* the end is being stored */
    MU_STAGE_LISTED,  /* cancelled; gateways are told until the deadline */
    MU_STAGE_SWEEPING, /* a key, ended: its inline objects go */
    MU_STAGE_COUNT
};

/* A campaign at work. */
struct mu_server_campaign {
    struct mu_server *server;
    bool used;
    uint64_t number;
    enum mu_server_stage stage;
    struct mu_campaign_record rec; /* as stored, or about to be */
    bool rekey_due;      /* a member was shut out: encrypt anew */
    bool late_asked;     /* who came late has a turn: a key is on its way */
    uint32_t ticket;     /* ENDING: the record of the end */
    mu_time cast_at;     /* CAST since */
    mu_time base;        /* elapsed_s of rec is counted up to here */
    uint32_t stored_page, stored_elapsed; /* of the progress record */
    struct mu_cast_counts wide; /* of the senders before this one */

    struct mu_record_key after; /* TARGETS: last member looked at */
    bool listed;         /* TARGETS: all members were looked at */
    uint64_t least_memory; /* of the members, for pages */
    mu_time retry_at;    /* preparing waits until then */

    struct mu_sha256 hash;
    uint64_t hashed;
    struct mu_secret cek;
    struct mu_object plain, prepared;
    struct mu_cast_prepare prepare;

    uint8_t *gateways;   /* bitmap: has members, by wide-area index */
    uint8_t *fetched;    /* bitmap: fetched the present manifest */
    mu_time fetched_at;  /* first fetch; MU_TIME_NEVER: none yet */
    bool sending;        /* sender is set up */
    struct mu_cast_peers peers;
    struct mu_cast_sender sender;
    uint8_t *work;       /* NULL: a slot for keys */
};

/* Campaigns of keys beside conf.campaigns_max others. */
#define MU_SERVER_KEY_CAMPAIGNS 4

/* The trees of one group at a time, as of its last rekey. */
struct mu_server_trees {
    uint8_t *mem;    /* conf.scheme_mem bytes */
    uint8_t *stored; /* as many: mem as it is in the store */
    uint32_t *map;   /* of each chunk: which record it is in, how new it is */
    bool fresh;      /* nothing of mem is in the store */
    uint8_t *state;  /* of a device, on its way: MU_MEMBER_STATE_MAX */
    uint32_t group;  /* 0: none is here */
    struct mu_scheme scheme;
};

/* What making the next key of a group goes through (server_rekey.c). */
enum mu_rekey_step {
    MU_REKEY_CLEAR,   /* what an earlier try has left goes */
    MU_REKEY_OPEN,    /* which changes, old trees or new ones */
    MU_REKEY_HEAL,    /* new trees: a roster that is damaged goes */
    MU_REKEY_NUMBER,  /* new trees: a place for every member */
    MU_REKEY_BUILD,
    MU_REKEY_PLACE,   /* new trees: clusters and levels that were asked for */
    MU_REKEY_APPLY,   /* old trees: who came and who left */
    MU_REKEY_BEGIN,   /* a generation */
    MU_REKEY_ENTER,   /* old trees: who has the new places */
    MU_REKEY_TARGETS, /* old trees: who has to be told */
    MU_REKEY_PARTS,
    MU_REKEY_SAVE,    /* the trees, beside the copy that is in force */
    MU_REKEY_FLIP,    /* all of it comes into force at once */
    MU_REKEY_SWEEP,   /* changes that are done go */
};

/* The one rekey in the making. What it writes before FLIP is of no effect; a
 * crash leaves the key, the trees and the list of changes as they were. */
struct mu_server_rekey {
    struct mu_server_campaign *c; /* NULL: none */
    uint32_t group;
    enum mu_rekey_step step;
    bool build;            /* new trees */
    bool built;            /* build: there are some */
    uint64_t base, generation;
    uint64_t op, op_end;   /* changes below op_end are covered */
    uint64_t entered;      /* ENTER: so far */
    struct mu_record_key after; /* of the walk in progress */
    bool listed;           /* that walk is over */
    bool heal;             /* build: and the roster */
    uint32_t members;      /* NUMBER: so far; else those it is for */
    struct mu_places_record places; /* NUMBER: of the chunk in progress */
    uint32_t least;        /* the least memory of those that have some */
    uint32_t heard;        /* those whom parts are for */
    uint32_t chunk;        /* SAVE: so far */
    struct mu_scheme_record next; /* what the record becomes */
    struct mu_rekey parts;
    struct mu_secret kb;
    enum mu_group_wish wish; /* what came since OPEN */
    bool cut;
};

/* How many members proved to hold the newest key of a group: counted once, then
 * kept up to date. */
#define MU_SERVER_HOLDERS 16
struct mu_server_holders {
    uint32_t group; /* 0: free */
    uint64_t generation;
    uint32_t count;
};

struct mu_server {
    struct mu_server_conf conf;
    struct mu_rate yield; /* of the wide-area cast, when wide_yields */
    int failed; /* sticky, but for errors that say: try again */
    mu_time reload_at;
    mu_time rest_until; /* after a failed write: nothing is begun by itself */
    mu_time now;

    struct mu_server_ring stores, sends;
    uint32_t ticket;  /* last one given */
    uint32_t barrier; /* last one given to a before_send STORE */
    uint32_t durable; /* last one reported */
    struct mu_traces traces;
    bool channel_due, copies_due, close_due;
    uint16_t burst;   /* packets still allowed before the next step */

    uint32_t epoch;
    uint8_t epoch_leaps; /* in this run */
    uint64_t generations_base; /* where this run began to count; 0: not yet */
    struct mu_signer signer;
    struct mu_kid kw_kid; /* kind MU_KEY_NONE: none yet */
    struct mu_secret kw, kctl;
    struct mu_ticker ticker; /* of this run: every hello tells where it is */
    struct mu_counter generations, numbers;
    uint32_t generations_ticket, numbers_ticket; /* 0: none under way */
    uint64_t generations_end, numbers_end;

    bool groups_due;  /* some group may want a new key */
    bool groups_fresh; /* a mark that no step has seen yet */
    mu_time groups_since, groups_at; /* first mark; not before */
    uint32_t groups_after;
    mu_time started;       /* of this run */
    mu_time expire_at;     /* next periodic rekey; 0: not set yet */
    uint64_t expire_below; /* generations below this have expired */
    uint64_t campaigns_version;
    uint8_t session;  /* last one given */
    uint32_t exchange;
    uint32_t jitter;
    mu_time asks_at;  /* a notice or poke is due */

    uint32_t gateways_len; /* highest number given */
    struct mu_server_gateway *gateways;
    struct mu_server_connections connections;
    struct mu_server_campaign *campaigns; /* conf.campaigns_max, keys */
    uint16_t campaigns_len;
    struct mu_server_trees trees;
    struct mu_server_rekey rekey;
    bool groups_again; /* a rekey waits for another one to be made */
    struct mu_campaign_record loading; /* a record that is looked at */
    struct mu_server_holders holders[MU_SERVER_HOLDERS];
    uint8_t holders_next; /* gives way when there is no free one */
    size_t campaign_work; /* bytes of each campaign's work memory */

    uint8_t *value; /* MU_STORE_VALUE_MAX: the record read last */
    uint8_t *text;  /* MU_STORE_VALUE_MAX: messages under construction */
    uint8_t *other; /* MU_STORE_VALUE_MAX: OSCORE's other side */
};

#endif
