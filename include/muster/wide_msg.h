/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between a gateway and the server, docs/wire-format.md s.2.3 and
 * s.2.4. Create appends to w; consume refuses what is malformed or beyond a
 * limit and gives views into the input. Structs with a key in them are cleared
 * by whoever filled them.
 */
#ifndef MUSTER_WIDE_MSG_H
#define MUSTER_WIDE_MSG_H

#include "muster/ack.h"
#include "muster/cbor.h"
#include "muster/connect.h"
#include "muster/groups.h"
#include "muster/keys.h"
#include "muster/manifest.h"
#include "muster/tick.h"

/* POST /hello */
struct mu_wide_hello {
    struct mu_bytes software;
    uint64_t area_version;
    uint32_t epoch;       /* highest seen */
    uint16_t unicast_port;
    uint64_t page_memory; /* bytes for the page in progress; 0: no bound */
};

MU_MUST int mu_wide_hello_create(const struct mu_wide_hello *m,
                                 struct mu_writer *w);
MU_MUST int mu_wide_hello_consume(struct mu_bytes in, struct mu_wide_hello *m);

struct mu_wide_welcome {
    struct mu_bytes server;
    uint32_t number; /* of the gateway */
    struct mu_kid kid;
    struct mu_secret kw;
    struct mu_bytes address;
    uint16_t port, up_port;
    uint32_t epoch;
    enum mu_alg alg;
    struct mu_bytes pub;
    uint64_t campaigns_version;
    uint16_t index; /* in the wide-area cast */
    uint64_t directory; /* version of that of its speakers; 0: none */
    struct mu_tick tick; /* under that Kw */
};

MU_MUST int mu_wide_welcome_create(const struct mu_wide_welcome *m,
                                   struct mu_writer *w);
MU_MUST int mu_wide_welcome_consume(struct mu_bytes in,
                                    struct mu_wide_welcome *m);

/* POST /area {1: first}, POST /camp {1: after}: one number */
MU_MUST int mu_wide_ask_create(uint64_t from, struct mu_writer *w);
MU_MUST int mu_wide_ask_consume(struct mu_bytes in, uint64_t *from);

/*
 * The answers are pages of a list. Create: head, then `rows` rows; consume: the
 * head gives a reader that stands at the first row, then next until it is
 * false, then check mu_wide_rows_end. Whole list: 1: version, 2: next, 3: rows.
 */
struct mu_wide_page {
    uint64_t version;
    uint64_t next; /* 0 at the end */
    size_t rows;
};

struct mu_wide_rows {
    struct mu_reader r;
    struct mu_wide_page page;
    size_t left;
};

void mu_wide_page_write(const struct mu_wide_page *p, struct mu_writer *w);
MU_MUST int mu_wide_page_consume(struct mu_bytes in, struct mu_wide_rows *rows);
/* After the last row: 0, or what was wrong with any of them. */
MU_MUST int mu_wide_rows_end(const struct mu_wide_rows *rows);

struct mu_wide_area_row {
    uint16_t index;
    struct mu_bytes identity;
    struct mu_secret khop;
};

void mu_wide_area_row_write(const struct mu_wide_area_row *row,
                            struct mu_writer *w);
bool mu_wide_area_row_next(struct mu_wide_rows *rows,
                           struct mu_wide_area_row *row);

enum mu_wide_command {
    MU_WIDE_RUN = 1,
    MU_WIDE_PAUSE = 2,
    MU_WIDE_CANCEL = 3,
};

struct mu_wide_camp_row {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint64_t number;
    enum mu_wide_command command;
    uint8_t session;
};

void mu_wide_camp_row_write(const struct mu_wide_camp_row *row,
                            struct mu_writer *w);
bool mu_wide_camp_row_next(struct mu_wide_rows *rows,
                           struct mu_wide_camp_row *row);

/* POST /camp/m. part: of an inline object; 0 for all else. */
MU_MUST int mu_wide_campaign_ask_create(const uint8_t campaign[MU_CAMPAIGN_ID],
                                        uint16_t part, struct mu_writer *w);
MU_MUST int mu_wide_campaign_ask_consume(struct mu_bytes in,
                                         uint8_t campaign[MU_CAMPAIGN_ID],
                                         uint16_t *part);

struct mu_wide_campaign {
    struct mu_bytes object;
    uint8_t tags[MU_FRAGMENTS_MAX][MU_TAG_LEN];
    uint8_t tags_len;
    enum mu_group_mode mode;
    struct mu_bytes members; /* bitmap of area indexes */
    uint32_t quorum;
    uint32_t deadline_s;
    struct mu_kid kid;
    struct mu_secret kb;    /* empty in mode 0 */
    struct mu_bytes cancel; /* empty: none */
    uint16_t parts; /* of an inline object, of which `object` is the one that
                       was asked for; 0: a campaign with pages */
};

MU_MUST int mu_wide_campaign_create(const struct mu_wide_campaign *m,
                                    struct mu_writer *w);
MU_MUST int mu_wide_campaign_consume(struct mu_bytes in,
                                     struct mu_wide_campaign *m);

/* POST /r */
struct mu_wide_report {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t state;
    uint16_t first;
    struct mu_bytes bitmap;
    uint8_t shift;        /* of the form, muster/ack.h */
    struct mu_bytes acks; /* of the members named, added up */
    uint8_t reason;
};

MU_MUST int mu_wide_report_create(const struct mu_wide_report *m,
                                  struct mu_writer *w);
MU_MUST int mu_wide_report_consume(struct mu_bytes in,
                                   struct mu_wide_report *m);
/* The same as a set. */
struct mu_ack_set mu_wide_report_set(const struct mu_wide_report *m);

/* Its answer, when a shifted one did not prove everybody named: who is left,
 * bits from `first` on. */
MU_MUST int mu_wide_left_create(struct mu_bytes bitmap, struct mu_writer *w);
MU_MUST int mu_wide_left_consume(struct mu_bytes in, struct mu_bytes *bitmap);

/* POST /t: what a campaign has cost in the gateway's area so far. The numbers
 * are the gateway's own word: they move the display, nothing else. */
struct mu_wide_tally {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint64_t data, parity, repair, control; /* packets on the medium */
    uint64_t bytes;    /* of them, with link, IP and UDP headers */
    uint64_t feedback; /* good feedback packets */
    uint64_t rejected; /* forged or otherwise refused */
    uint32_t page;     /* the area has reached */
    uint64_t alone;    /* repairs that went to one receiver */
    uint16_t asleep;   /* members that miss something and do not listen now */
    uint32_t within_s; /* the first of them does so within this time */
};

MU_MUST int mu_wide_tally_create(const struct mu_wide_tally *m,
                                 struct mu_writer *w);
MU_MUST int mu_wide_tally_consume(struct mu_bytes in, struct mu_wide_tally *m);

/* POST /n */
struct mu_wide_notice {
    uint64_t area_version;
    uint64_t campaigns_version;
    struct mu_kid kid;
    struct mu_secret kw;
    uint64_t directory; /* as in the welcome */
    struct mu_tick tick;
};

MU_MUST int mu_wide_notice_create(const struct mu_wide_notice *m,
                                  struct mu_writer *w);
MU_MUST int mu_wide_notice_consume(struct mu_bytes in,
                                   struct mu_wide_notice *m);

/* POST /hop: feedback keys that devices have by a key exchange */
#define MU_WIDE_HOPS_MAX 24 /* rows: below MU_MESSAGE_MAX bytes */
#define MU_KFB_LEN 16       /* bytes */
struct mu_wide_hop {
    struct {
        uint16_t index;
        uint8_t id[MU_CONNECT_ID]; /* of the connection that it belongs to */
        struct mu_secret kfb;
    } rows[MU_WIDE_HOPS_MAX];
    uint8_t len;
};

MU_MUST int mu_wide_hop_create(const struct mu_wide_hop *m,
                               struct mu_writer *w);
/* On failure m is clear. */
MU_MUST int mu_wide_hop_consume(struct mu_bytes in, struct mu_wide_hop *m);

/* POST /poke */
MU_MUST int mu_wide_poke_create(struct mu_bytes bitmap, struct mu_writer *w);
MU_MUST int mu_wide_poke_consume(struct mu_bytes in, struct mu_bytes *bitmap);

#endif
