/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the device engine, laid open so that its owner can place it.
 * Only the functions of device.h look inside.
 */
#ifndef MUSTER_DEVICE_STATE_H
#define MUSTER_DEVICE_STATE_H

#include "muster/area_msg.h"
#include "muster/cast_receiver.h"
#include "muster/connect.h"
#include "muster/device.h"
#include "muster/keyfetch.h"
#include "muster/listener.h"
#include "muster/mikey_service.h"
#include "muster/oscore.h"
#include "muster/parts.h"
#include "muster/window.h"

/* Campaigns whose outcome a device can still prove. */
#define MU_DEVICE_REPORTS_MAX MU_SESSIONS_MAX
#define MU_DEVICE_OUT 1408 /* bytes: the largest message, packet or record */

/* What it asks the gateway for, most urgent first. */
enum mu_device_asks {
    MU_DEVICE_HELLO,
    MU_DEVICE_CONNECT,
    MU_DEVICE_KEYS,
    MU_DEVICE_ANN,
    MU_DEVICE_SAY,
    MU_DEVICE_WHO,
    MU_DEVICE_ASK_COUNT
};

/* Its records, in the order in which they are stored: one is taken only when
 * those before it are durable, so no record speaks of what is not there. */
enum mu_device_records {
    MU_DEVICE_REC_SPEAK,    /* own key, numbers, what is being said */
    MU_DEVICE_REC_LISTEN,   /* directory's version, numbers heard */
    MU_DEVICE_REC_MBMS,     /* MSKs, MTKs, the command under way */
    MU_DEVICE_REC_KEYS,     /* server, epoch, groups, keyring */
    MU_DEVICE_REC_MEMBER,   /* group -> state of its rekeying scheme */
    MU_DEVICE_REC_OBJECT,   /* what the accepted manifest said */
    MU_DEVICE_REC_SEEN,     /* name -> version that runs */
    MU_DEVICE_REC_CAMPAIGN, /* phase, reports */
    MU_DEVICE_REC_PAGE,     /* progress of the receiver */
    MU_DEVICE_REC_COUNT
};

enum mu_device_link {
    MU_DEVICE_LINK_DOWN,    /* to be opened at link_wait.at */
    MU_DEVICE_LINK_OPENING, /* the body is at it */
    MU_DEVICE_LINK_UP,
};

#define MU_DEVICE_PHASES(X)                                                    \
    X(IDLE, "idle")             /* nothing in progress */                      \
    X(RECEIVING, "receiving")   /* pages come in */                            \
    X(CHECKING, "checking")     /* the object is read back for its digest */   \
    X(INSTALLING, "installing") /* the install hook runs or is to run */       \
    X(CONFIRMING, "confirming") /* the confirm hook runs or is to run */

enum mu_device_phase {
#define X(name, text) MU_DEVICE_##name,
    MU_DEVICE_PHASES(X)
#undef X
    MU_DEVICE_PHASE_COUNT
};

/* What may happen to a campaign. */
#define MU_DEVICE_MOVES(X)                                                     \
    X(OFFER, "offer")     /* a manifest to be taken */                         \
    X(PAGES, "pages")     /* the last page is in */                            \
    X(GOOD, "good")       /* digest right */                                   \
    X(AGAIN, "again")     /* digest wrong: once more from page 0 */            \
    X(HOOKED, "hooked")   /* the hook succeeded */                             \
    X(FAIL, "fail")       /* it ends in failure */                             \
    X(CANCEL, "cancel")   /* the server called it off */

enum mu_device_move {
#define X(name, text) MU_DEVICE_MOVE_##name,
    MU_DEVICE_MOVES(X)
#undef X
    MU_DEVICE_MOVE_COUNT
};

const char *mu_device_phase_name(enum mu_device_phase phase);
const char *mu_device_move_name(enum mu_device_move move);
/* The phase that follows, or -1 when the move is refused in that phase. */
int mu_device_phase_after(enum mu_device_phase phase, enum mu_device_move move);

/* What a device proves about one campaign. */
struct mu_device_report {
    bool used;
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t object[MU_OBJECT_ID_LEN];
    uint8_t session;
    uint8_t state, reason;
    uint8_t ack[MU_ACK_LEN];
    uint8_t sent_state; /* of the last STATUS */
    uint8_t repeats;    /* of it, where no census is heard */
    uint8_t wait_s;     /* it may wait so long for a keep-alive; 0: not */
    bool flying;        /* on its way with one */
    uint32_t exchange;
    mu_time sent_at;    /* 0: never */
    mu_time due_at;     /* MU_TIME_NEVER: not due */
};

/* A session that is polled here and was never announced to us. */
struct mu_device_unheard {
    uint8_t session, round;
    uint8_t tries; /* NEEDs sent */
    mu_time due_at; /* of the next; MU_TIME_NEVER: none */
    mu_time again_at; /* not before; or until then it was announced */
};

/* The campaign in progress; reports[0] is its report. */
struct mu_device_campaign {
    uint8_t phase; /* enum mu_device_phase */
    uint8_t tries; /* receptions from page 0 that ended in a wrong digest */
    uint8_t confirms; /* confirm hooks that failed */
    uint8_t object[32]; /* H(announce object) */
    uint8_t id[MU_CAMPAIGN_ID];
    uint32_t group;
    uint32_t edition;
    uint64_t version;
    uint64_t size;
    uint8_t digest[32];
    struct mu_cast_shape shape;
    uint8_t session;
    uint8_t name[MU_NAME_MAX];
    uint8_t name_len;
    struct mu_secret cek;
    uint16_t roots_at, roots_len; /* in assembly.object, until stored */

    bool receiving;     /* the receiver is initialised */
    bool fresh;         /* to be set up at page 0, whatever is stored */
    bool stale;         /* the gateway did not list it as live */
    struct mu_backoff wait; /* until the next try at what failed */
    uint32_t pages_seen;
    uint64_t unsynced;  /* bytes in the slot that are not durable */
    mu_time heard_at;   /* last DATA that was taken */
    bool hook_due, hook_flying;
    struct mu_backoff hook_wait;
    struct mu_sha256 sha;
    uint64_t hashed;    /* bytes of the slot */
};

/* The state of a rekeying scheme; its bytes lie in the work memory. */
struct mu_device_member {
    uint32_t group;
    uint16_t len; /* 0: none */
    bool dirty;   /* to be stored, or deleted */
};

/* One that comes in pieces. */
struct mu_device_collect {
    bool on;
    uint32_t group;
    uint64_t base, newest;
    uint16_t total, have;
};

/* The MTK in use of a group, and which commands came under it. */
struct mu_device_mtk {
    uint16_t group, number, id; /* number 0: none */
    struct mu_secret key;
    struct mu_window window;
};

#define MU_DEVICE_MTKS_MAX (MU_MBMS_MSKS_MAX / MU_MBMS_PER_GROUP)

/* A command from when it was opened until it has been run. */
struct mu_device_command {
    bool on;
    bool flying; /* the hook runs */
    bool over;   /* it has run: done with, once that is durable */
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t object[MU_OBJECT_ID_LEN];
    uint8_t session;
    uint8_t digest[32];
    uint16_t len;
    uint8_t text[MU_COMMAND_MAX];
};

/* Who is told things by all: muster/speaker.h, muster/listener.h. */
struct mu_device_speech {
    struct mu_speaker *speaker;   /* in the work memory; NULL: silent */
    struct mu_listener *listener; /* the same; NULL: deaf */
    uint8_t told[MU_SPEECH_DIRECTORY_MAX + MU_SPEECH_PATH_MAX + 32];
    uint16_t told_len; /* a directory that waits for the server's key */
    bool intro_due;    /* an introduction is to be given */
    uint32_t intro_exchange;
    struct mu_speech_ask intro;
    bool hook_flying;
    uint64_t said;
};

struct mu_device_area {
    struct mu_kid kid; /* kind 0: none */
    struct mu_secret kg, kctl;
    struct mu_ticked ticked;
};

/* Its windows, as the gateway has given them: muster/area_msg.h. */
struct mu_device_radio {
    bool off;
    bool granted;
    struct mu_area_listens listens;
    mu_time asked_at;    /* the last hello left */
    mu_time early, late; /* one opening: not before, not after */
    mu_time synced_at;
};

struct mu_device {
    struct mu_device_conf conf;
    struct mu_secret kmr, kack;
    uint8_t *work;
    mu_time now;
    uint32_t jitter;
    uint32_t exchange; /* of the last request */
    uint32_t ticket;   /* of the last STORE */

    /* link */
    uint8_t link;      /* enum mu_device_link */
    bool open_due;
    struct mu_backoff link_wait;
    uint8_t gateway[MU_ID_MAX];
    uint8_t gateway_len;
    struct mu_ask asks[MU_DEVICE_ASK_COUNT];
    struct mu_replies replies;

    /* area, from /hello */
    bool idle; /* the body would send a keep-alive now */
    bool welcome;
    uint16_t index;
    struct mu_secret kfb;
    struct mu_device_area area[2]; /* present, one before */
    mu_time area_until; /* the one before is good until then; 0: none */
    char address[MU_ADDR_TEXT_MAX];
    uint16_t port, up_port;
    bool channel_due;
    struct mu_device_radio radio;
    /* Not before, when an unknown Kg or a far tick was heard. */
    mu_time rehello_at;
    uint8_t rehellos; /* in a row that brought nothing new */

    /* service connection and keys */
    bool connected;
    struct mu_oscore oscore;
    struct mu_oscore_request oscore_request; /* of the key fetch in flight */
    struct mu_connect_pending pending;
    uint32_t epoch; /* highest seen */
    struct mu_signer server;
    struct mu_groups groups;
    struct mu_keyring keys;
    struct mu_backoff fetch_wait; /* for fetches that strangers can cause */
    struct mu_device_member members[MU_DEVICE_GROUPS_MAX];
    uint8_t member_flying; /* 1 + the one whose record is being stored */
    struct mu_device_collect collect;
    struct mu_mbms_device mbms;
    struct mu_device_mtk mtks[MU_DEVICE_MTKS_MAX];
    struct mu_device_command command;

    struct mu_device_speech speech;

    /* announce objects */
    struct mu_assembly assembly;
    mu_time assembly_at; /* last fragment */
    mu_time doubt_until; /* somebody has the keys and makes up objects */
    uint8_t doubted[MU_OBJECT_ID_LEN]; /* named once meanwhile */
    bool object_ready; /* complete, waits for a signature check */
    bool object_held;  /* accepted, until its record is durable */
    uint8_t tokens;    /* signature checks allowed now */
    mu_time token_at;  /* when the next is allowed */
    struct mu_area_session wanted[MU_SESSIONS_MAX]; /* to ask /ann for */
    uint8_t wanted_len;
    struct mu_area_session unknown[MU_SESSIONS_MAX]; /* whose key we lack */
    uint8_t unknown_len;
    uint8_t ignored[MU_SESSIONS_MAX][MU_OBJECT_ID_LEN]; /* not for us */
    uint8_t ignored_len, ignored_at;
    uint8_t vouched[MU_SESSIONS_MAX][MU_SHA256_LEN]; /* relay manifests */
    uint8_t vouched_len, vouched_at;
    struct mu_secret kann[MU_DEVICE_KEYS_MAX]; /* of the slots of keys */
    bool kann_stale;
    struct mu_device_unheard unheard;

    struct mu_device_campaign campaign;
    struct mu_cast_receiver receiver;
    struct mu_cast_sink sink;
    struct mu_device_report reports[MU_DEVICE_REPORTS_MAX]; /* newest first */
    uint64_t running_version; /* of the newest campaign that ran */
    uint32_t window_ms;       /* of the last census */

    struct mu_record records[MU_DEVICE_REC_COUNT];
    struct mu_traces traces;
    bool out_secret; /* out holds a key: wiped at the next call */
    uint8_t out[MU_DEVICE_OUT];
};

#endif
