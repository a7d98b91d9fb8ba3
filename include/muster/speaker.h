/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One who speaks to all of its area with a proof of who it is: the side of the
 * source, in a gateway or in a device, whatever the scheme. The engine that
 * has it stores its record before anything that depends on it is sent, and puts
 * its packets on the air.
 *
 * A message is stored before it is sent, and until its receivers can prove it;
 * after a restart it is said again under its number, which receivers take once.
 * Chains are never gone on with: each start, and each series of messages that
 * a hash chain was made for, is a run of its own.
 */
#ifndef MUSTER_SPEAKER_H
#define MUSTER_SPEAKER_H

#include "muster/source_chain.h"
#include "muster/source_tesla.h"
#include "muster/speech_msg.h"

#define MU_SPEAKER_TEXTS 8       /* messages that are not over */
#define MU_SPEAKER_BYTES 1024    /* of them: the record stays small */
#define MU_SPEAKER_RECORD_MAX 1280
#define MU_SPEAKER_COPIES_MAX 8
#define MU_SPEAKER_SCRATCH 1024  /* bytes of packets in an introduction */

struct mu_speaker_conf {
    const struct mu_crypto *crypto;
    enum mu_speech_scheme scheme;
    struct mu_bytes identity; /* lives on */
    uint8_t copies;           /* of each message, 1..COPIES_MAX */
    uint32_t interval_ms;     /* TESLA family */
    uint16_t answers;         /* introductions signed in a second, at most */
};

struct mu_speaker_text {
    uint32_t number; /* 0: free */
    uint16_t len;
    uint8_t sent;    /* copies */
    mu_time next_at; /* the next copy, not before */
    mu_time over_at; /* once all are sent: nobody needs it any more */
    uint8_t bytes[MU_SPEECH_TEXT_MAX];
};

struct mu_speaker {
    struct mu_speaker_conf conf;
    struct mu_signer signer;
    struct mu_directory_member self; /* id 0: nobody lets us speak */
    uint32_t index;
    uint8_t path[MU_SPEECH_PATH_MAX];
    uint8_t path_len;
    uint64_t version; /* of the directory */
    uint16_t run;
    mu_time began; /* the run, while it is young more copies are said */
    bool begun;
    uint32_t numbers; /* the last that was given out */
    struct mu_speaker_text texts[MU_SPEAKER_TEXTS];
    uint16_t bytes;   /* of all texts */
    bool dirty;       /* its record is to be stored */
    uint16_t tokens;  /* introductions that may be signed now */
    mu_time token_at;

    struct mu_sign_sender sign;
    struct mu_tesla_sender tesla;
    bool chained; /* tesla is set up */
    struct mu_chain_sender chain;
    struct mu_chain_messages messages;
    uint8_t series[MU_SPEAKER_TEXTS]; /* places of the chain: texts */
    bool series_on;
    bool series_due; /* its run is being stored */
    uint8_t start[MU_SPEECH_START_MAX];
    uint16_t start_len;
    uint8_t *work;
    size_t work_len;
    uint8_t scratch[MU_SPEAKER_SCRATCH];
};

size_t mu_speaker_work(const struct mu_speaker_conf *conf);
/* record: what was stored, or empty. MU_ERR_USAGE for a conf that cannot be.
 * A record that is damaged makes a new key, as for a new speaker. */
MU_MUST int mu_speaker_init(struct mu_speaker *s,
                            const struct mu_speaker_conf *conf,
                            struct mu_bytes record, void *work,
                            size_t work_len, mu_time now);
void mu_speaker_clear(struct mu_speaker *s);
/* Its record: a secret is in it. */
void mu_speaker_write(const struct mu_speaker *s, struct mu_writer *w);

/* The directory has this one in it, or with id 0 has it no more. */
void mu_speaker_told(struct mu_speaker *s, const struct mu_speech_told *told,
                     uint64_t version);
bool mu_speaker_may(const struct mu_speaker *s);

/* MU_ERR_FORBIDDEN: it may not speak; MU_ERR_TOO_LARGE, MU_ERR_FULL: later. */
MU_MUST int mu_speaker_say(struct mu_speaker *s, mu_time now,
                           struct mu_bytes text);
/* What time brings about. */
void mu_speaker_run(struct mu_speaker *s, mu_time now);
/* The next packet that is due: its length, or 0. Only while its record is
 * durable. to: MU_SPEECH_PACKET_MAX bytes. */
size_t mu_speaker_next(struct mu_speaker *s, mu_time now, uint8_t *to);
mu_time mu_speaker_deadline(const struct mu_speaker *s);
/* Answers one who listens. pair: a key that only the two have, or NULL.
 * MU_ERR_BUSY: too many have asked. */
MU_MUST int mu_speaker_introduce(struct mu_speaker *s, mu_time now,
                                 const struct mu_speech_ask *ask,
                                 const struct mu_secret *pair,
                                 struct mu_writer *w);

#endif
