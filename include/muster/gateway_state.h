/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the gateway engine, laid open so that its owner can place it.
 * Only the functions of gateway.h look inside. Tables that grow with the area
 * lie in the work memory.
 */
#ifndef MUSTER_GATEWAY_STATE_H
#define MUSTER_GATEWAY_STATE_H

#include "muster/area_msg.h"
#include "muster/cast_receiver.h"
#include "muster/cast_sender.h"
#include "muster/gateway.h"
#include "muster/parts.h"
#include "muster/speech_msg.h"
#include "muster/wide_msg.h"

#define MU_GATEWAY_SET (MU_AREA_DEVICES_MAX / 8) /* bytes of a set of devices */
/* Messages of devices under way to the server. Each holds a message. */
#define MU_GATEWAY_FORWARDS_MAX 32
#define MU_GATEWAY_FORWARDS_EACH 2 /* of one device: none can fill the table */
#define MU_GATEWAY_PUSHES_MAX 8 /* requests to devices in flight at once */
#define MU_GATEWAY_CANCEL_MAX 256 /* bytes of a cancel object */
#define MU_GATEWAY_REPORT_MAX 512 /* area indexes in one report */

/* What the gateway has to tell a device, one at a time. */
enum mu_gateway_push {
    MU_GATEWAY_PUSH_NONE,
    MU_GATEWAY_PUSH_KG,   /* POST /g */
    MU_GATEWAY_PUSH_HAND, /* POST /kb (option 2) or /v (option 1) */
    MU_GATEWAY_PUSH_POKE, /* POST /p */
    MU_GATEWAY_PUSH_DIR,  /* POST /dir */
    MU_GATEWAY_PUSH_HOP,  /* POST /f */
};

struct mu_gateway_device {
    bool used;
    bool linked;
    bool close_due;
    bool kg_due, poke_due, dir_due, hop_due;
    bool copy_due;     /* tell the body where it takes copies: copy_port */
    uint16_t copy_port;
    struct mu_area_listens listens; /* kept over restarts */
    bool quiet_due;    /* tell the body that its link may be silent */
    uint8_t hand_due;  /* bit per session slot */
    uint8_t hand_done; /* bit per session slot: it has what it needs */
    uint8_t push;      /* in flight, enum mu_gateway_push */
    uint8_t push_slot;
    uint32_t push_exchange;
    bool hello_due, ann_due, error_due; /* answers */
    uint32_t hello_exchange, ann_exchange, error_exchange;
    uint8_t ann_session, error_code;
    uint8_t forwards; /* of its messages under way */
    uint8_t id_len;
    uint8_t id[MU_ID_MAX];
    struct mu_secret khop, kfb;
    struct mu_secret hop; /* of a key exchange, to take the place of kfb */
    uint8_t hop_id[MU_CONNECT_ID];
};

enum mu_gateway_forward_state {
    MU_GATEWAY_FORWARD_FREE,
    MU_GATEWAY_FORWARD_UP,     /* to be sent to the server */
    MU_GATEWAY_FORWARD_FLYING, /* at the server */
    MU_GATEWAY_FORWARD_DOWN,   /* the answer, to be sent to the device */
};

struct mu_gateway_forward {
    uint8_t state;
    uint8_t code; /* of the answer */
    uint16_t device;
    uint32_t exchange;    /* towards the server */
    uint32_t down;        /* the device's */
    mu_time until;
    bool has_oscore;
    uint8_t oscore_len;
    uint16_t payload_len;
    uint8_t oscore[32];
    uint8_t payload[MU_FORWARD_MAX];
};

/* What one member of a campaign proved. */
struct mu_gateway_member {
    uint8_t state, reason;
    uint8_t reported; /* state that the server has taken */
    bool apart;       /* was refused once: spoils nobody else's any more */
    bool passed;      /* one that sleeps: a pass began while it listened, and */
    uint8_t passes;   /* did not go on without it; so many have begun */
    uint8_t ack[MU_ACK_LEN];
};

#define MU_GATEWAY_PHASES(X)                                                   \
    X(FREE, "free")                                                            \
    X(ASKING, "asking")       /* listed; /camp/m is to be answered */          \
    X(RELAYING, "relaying")   /* live, but its area object is not made yet */  \
    X(LIVE, "live")           /* received, sent, counted */                    \
    X(CANCELLED, "cancelled") /* the cancel is announced */                    \
    X(ENDING, "ending")       /* not listed any more; records are deleted */

enum mu_gateway_phase {
#define X(name, text) MU_GATEWAY_##name,
    MU_GATEWAY_PHASES(X)
#undef X
    MU_GATEWAY_PHASE_COUNT
};

#define MU_GATEWAY_MOVES(X)                                                    \
    X(LISTED, "listed")       /* the server names the campaign */              \
    X(AGAIN, "again")         /* with another session: a new edition */        \
    X(DETAILS, "details")     /* manifest, end to end or with Kb to hand */    \
    X(PROTECT, "protect")     /* manifest, to be protected anew */             \
    X(PROTECTED, "protected") /* that is done */                               \
    X(CANCEL, "cancel")       /* called off */                                 \
    X(UNLISTED, "unlisted")   /* not named any more */                         \
    X(DELETED, "deleted")     /* records are gone */

enum mu_gateway_move {
#define X(name, text) MU_GATEWAY_MOVE_##name,
    MU_GATEWAY_MOVES(X)
#undef X
    MU_GATEWAY_MOVE_COUNT
};

const char *mu_gateway_phase_name(enum mu_gateway_phase phase);
const char *mu_gateway_move_name(enum mu_gateway_move move);
/* The phase that follows, or -1 when the move is refused in that phase. */
int mu_gateway_phase_after(enum mu_gateway_phase phase,
                           enum mu_gateway_move move);

/* Option 1 (CAST-8): the object in the clear, then protected anew. */
enum mu_gateway_relay_stage {
    MU_GATEWAY_RELAY_NONE,
    MU_GATEWAY_RELAY_PLAIN,   /* decrypting part 0 into part 1 */
    MU_GATEWAY_RELAY_PREPARE, /* part 1 into part 2 */
    MU_GATEWAY_RELAY_READY,
};

struct mu_gateway_relay {
    uint8_t stage;
    uint32_t pages; /* decrypted */
    struct mu_secret cek;
    struct mu_object plain, prepared;
    struct mu_cast_prepare prepare;
    struct mu_cast_page page;
};

/* The report in flight. */
struct mu_gateway_report {
    bool flying;
    uint32_t exchange;
    uint8_t state;
    uint8_t reason;
    uint16_t first;
    uint16_t count;
    uint8_t shift; /* of the one in flight */
    bool spoiled;  /* a plain one was refused: shifted from now on */
    uint8_t bitmap[MU_GATEWAY_REPORT_MAX / 8];
    struct mu_backoff wait;
    mu_time at; /* of the next; MU_TIME_NEVER: nothing new */
};

/* Which of the members that miss something listen. */
struct mu_gateway_window {
    bool stale;        /* to be looked at again at once, ... */
    mu_time at;        /* ... or then */
    mu_time looked_at; /* 0: never */
    bool rests;        /* nothing is sent: none of them does, or ... */
    bool holds;        /* ... more will soon: */
    uint32_t hold_s;   /* who sleeps so long is waited for, ... */
    mu_time hold_until; /* ... up to then; 0: not begun */
    uint16_t sleepers; /* so many do not, ... */
    uint32_t period_s; /* ... of whom one will within this time */
    mu_time closes_at; /* the first window of those that do */
};

struct mu_gateway_session {
    struct mu_gateway *gateway; /* for the ports' contexts */
    uint8_t slot;
    uint8_t phase; /* enum mu_gateway_phase */
    bool listed;   /* in the list that is being read */
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint64_t number;
    uint8_t command; /* enum mu_wide_command */
    uint8_t session;
    struct mu_ask ask;         /* /camp/m */
    struct mu_record record;   /* campaign */
    struct mu_record progress; /* pages received and sent */
    mu_time deadline;          /* MU_TIME_NEVER: none */
    uint32_t quorum;

    uint8_t mode; /* enum mu_group_mode */
    struct mu_kid kid;
    struct mu_secret kb;
    uint8_t object[MU_ANNOUNCE_MAX]; /* the server's */
    uint16_t object_len;
    uint8_t tags[MU_FRAGMENTS_MAX][MU_TAG_LEN];
    uint8_t tags_len;
    struct mu_manifest manifest; /* views into object */
    uint8_t cancel[MU_GATEWAY_CANCEL_MAX];
    uint16_t cancel_len;
    uint8_t members[MU_GATEWAY_SET];
    struct mu_gateway_member *states; /* one per area index */
    uint16_t missing;                 /* members whose end is not known */

    /* towards the server */
    bool receiving;
    uint32_t pages_seen;
    struct mu_object part0;
    struct mu_cast_sink sink;
    struct mu_cast_receiver rx;
    uint8_t *rx_work;
    struct mu_backoff rx_wait;

    /* inline objects */
    uint16_t parts;      /* 0: a campaign with pages */
    uint16_t parts_here; /* in the depot, from the first on */
    bool parts_open;     /* the depot is */
    bool parts_kept;     /* it may hold more from before a restart */
    uint16_t part_next;  /* to be announced; while it is, in relay_object: */
    uint16_t part_len;
    uint8_t part_rounds; /* announced */

    /* option 1 */
    struct mu_gateway_relay relay;
    uint8_t relay_object[MU_ANNOUNCE_MAX];
    uint16_t relay_len;
    struct mu_manifest relay_manifest; /* views into relay_object */

    /* towards the area */
    bool sending;
    struct mu_cast_peers peers;
    struct mu_cast_sender tx;
    uint8_t *tx_work;
    uint32_t tx_pages;
    uint32_t tx_page; /* the furthest begun; stored */
    bool tx_idle;
    uint8_t announce_next; /* fragment */
    uint8_t announce_left; /* rounds */
    uint8_t announce_lead; /* rounds before the first page */
    uint8_t announce_poll; /* the sender's last poll when it was announced */
    bool announced;        /* they are out */
    mu_time announce_at;
    mu_time keys_until;    /* wait for /kb or /v so long */
    struct mu_gateway_window window;

    /* census */
    bool counting;          /* a sweep is under way */
    uint8_t round;
    uint16_t base;          /* next index of the sweep */
    uint32_t sweep_ms;      /* windows of this sweep so far */
    mu_time census_at;
    mu_time ends_until;     /* only who is at an end is asked */
    uint32_t interval_s;
    bool news;              /* a status came since the last sweep */

    struct mu_gateway_report report;

    /* what it costs in the area, for display */
    struct mu_cast_counts own; /* announce, census, status; past editions */
    uint64_t heard_bytes;      /* feedback with its headers */
    struct mu_ask tally;
    uint64_t tally_bytes; /* in the last one sent */
    uint16_t tally_asleep;
    mu_time tally_at;     /* not before */
};

struct mu_gateway_key {
    struct mu_kid kid; /* kind 0: none */
    struct mu_secret key, kctl;
};

/* The server, as the last hello showed it; kept over restarts. */
struct mu_gateway_server {
    uint8_t id[MU_ID_MAX];
    uint8_t id_len; /* 0: never heard */
    uint32_t number;
    struct mu_gateway_key kw;
    struct mu_ticked ticked; /* not kept: every hello tells it */
    char address[MU_ADDR_TEXT_MAX];
    uint16_t port, up_port;
    uint32_t epoch;
    struct mu_signer signer;
    uint16_t index;
    struct mu_secret kfb;
};

enum mu_gateway_asks {
    MU_GATEWAY_HELLO,
    MU_GATEWAY_AREA,
    MU_GATEWAY_CAMP,
    MU_GATEWAY_DIR,
    MU_GATEWAY_ASK_COUNT
};

enum mu_gateway_records {
    MU_GATEWAY_REC_SERVER, /* what hello told */
    MU_GATEWAY_REC_KG,     /* area keys, the next one included */
    MU_GATEWAY_REC_AREA,   /* version of the device list */
    MU_GATEWAY_REC_SPEAK,  /* own key as a speaker, what is being said */
    MU_GATEWAY_REC_DIR,    /* the directory of speakers */
    MU_GATEWAY_REC_COUNT
};

enum mu_gateway_link {
    MU_GATEWAY_LINK_DOWN,
    MU_GATEWAY_LINK_OPENING,
    MU_GATEWAY_LINK_UP,
};

#define MU_GATEWAY_SAID 8      /* packets that wait for the medium */
#define MU_GATEWAY_QUESTIONS 8 /* of devices about speakers, under way */

struct mu_gateway_said {
    uint32_t id;
    uint16_t run, len;
    uint8_t bytes[MU_SPEECH_PACKET_MAX];
};

enum mu_gateway_question_state {
    MU_GATEWAY_QUESTION_FREE,
    MU_GATEWAY_QUESTION_DUE,      /* to be passed on, or answered here */
    MU_GATEWAY_QUESTION_FLYING,   /* at the speaker */
    MU_GATEWAY_QUESTION_ANSWERED, /* to be handed back */
};

struct mu_gateway_question {
    uint8_t state;
    uint8_t code;       /* of the answer */
    uint16_t device;    /* that asks */
    uint16_t speaker;   /* its area index, or MU_SPEECH_OF_GATEWAY */
    uint32_t down, up;  /* exchanges */
    uint16_t len;
    uint8_t payload[MU_MESSAGE_MAX + 256]; /* the question, then the answer */
};

/* Who speaks to the area, and what is said: in the work memory. */
struct mu_gateway_speech {
    struct mu_speaker speaker; /* with conf.speak.scheme */
    uint64_t version;          /* 0: no directory */
    uint64_t offered;          /* the server's, as it said last */
    bool tree;
    uint8_t object[MU_SPEECH_DIRECTORY_MAX];
    uint16_t object_len;
    struct mu_directory_member members[MU_SPEAKERS_MAX];
    uint8_t members_len;
    uint8_t nodes[2 * MU_SPEAKERS_MAX * 32]; /* of the tree */
    struct mu_gateway_said said[MU_GATEWAY_SAID];
    uint8_t said_first, said_len;
    uint8_t tokens[MU_SPEAKERS_MAX]; /* packets each may still send */
    mu_time token_at;
    struct mu_gateway_question questions[MU_GATEWAY_QUESTIONS];
    uint64_t packets, bytes, refused;
};

struct mu_gateway {
    struct mu_gateway_conf conf;
    struct mu_secret kmr;
    mu_time now;
    uint32_t jitter;
    uint32_t exchange;
    uint32_t ticket;

    /* towards the server */
    uint8_t link;
    bool open_due;
    struct mu_backoff link_wait;
    bool welcome; /* hello was answered on this link */
    struct mu_ask asks[MU_GATEWAY_ASK_COUNT];
    struct mu_replies replies;
    struct mu_gateway_server server;
    bool wide_channel_due, area_channel_due, copies_due;
    mu_time rehello_at; /* not before: the server's ticks are out of reach */

    /* the area */
    struct mu_gateway_device *devices;
    uint16_t devices_len; /* used */
    uint16_t sleepers;    /* of them, with windows */
    uint64_t area_version;
    bool area_known; /* the list of that version is here */
    uint64_t scan_version;
    uint32_t scan_next;
    uint8_t listed[MU_GATEWAY_SET];
    uint8_t dirty[MU_GATEWAY_SET]; /* device records to store */
    uint32_t dirty_flying;
    struct mu_backoff dirty_wait;
    bool dirty_any;
    struct mu_gateway_key kg[2]; /* in force, one before */
    struct mu_gateway_key kg_next; /* being stored; kind 0: none */
    uint64_t kg_last; /* generation given out; kept beside the keys, too */
    bool rotate_due;
    mu_time rotate_by; /* at the latest */
    struct mu_ticker ticker; /* of kg[0] */
    uint16_t ticks_until;    /* places below this are, or are being, reserved */
    uint8_t attention[MU_GATEWAY_SET]; /* devices with an answer due */
    bool attention_any;
    uint8_t pushing[MU_GATEWAY_SET];   /* devices with a push due */
    bool pushing_any;
    uint8_t pushes_flying;
    mu_time push_again_at;

    struct mu_gateway_forward *forwards;
    struct mu_gateway_speech *speech;

    /* campaigns */
    uint64_t camp_after;
    struct mu_gateway_session sessions[MU_SESSIONS_MAX];
    uint8_t *prepare_work; /* option 1: one at a time */
    size_t rx_room, tx_room, prepare_room;
    mu_time air_at; /* when the medium of the area is free */
    struct mu_rate yield; /* of all sessions, when area_yields */
    uint64_t dropped; /* feedback of unknown sessions */
    uint64_t acks_ridden, acks_packets; /* with keep-alives, and by STATUS */

    struct mu_record records[MU_GATEWAY_REC_COUNT];
    struct mu_traces traces;
    char path[8 + MU_ID_MAX];
    bool out_secret;
    uint8_t *out; /* MU_STORE_VALUE_MAX bytes */
};

#endif
