/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One who listens to the speakers of its area: proves of each message who said
 * it, whatever the scheme of the speaker, and takes each once. The engine that
 * has it brings packets, the directory and the answers to its questions, stores
 * its record, and hands on what is proved.
 *
 * Bounded: a table of speakers whose numbers are known, a few streams with a
 * chain at a time, so many signatures a second, one question at a time, and
 * none more often than its back-off says, whoever causes it.
 */
#ifndef MUSTER_LISTENER_H
#define MUSTER_LISTENER_H

#include "muster/parts.h"
#include "muster/source_chain.h"
#include "muster/source_tesla.h"
#include "muster/speech_msg.h"
#include "muster/window.h"

#define MU_LISTENER_STREAMS_MAX 16
#define MU_LISTENER_SLOTS 8   /* messages of one stream that wait for a key */
#define MU_LISTENER_READY 4   /* proved, on their way to the hook */
#define MU_LISTENER_BODY (4 + MU_SPEECH_TEXT_MAX)
#define MU_LISTENER_RECORD_MAX 1024
#define MU_LISTENER_KEY 8     /* bytes of H(who) */

/* A stream of packets whose proof lies in a chain. */
struct mu_listener_stream {
    bool used;
    uint32_t id;
    uint16_t run;
    enum mu_speech_scheme scheme; /* NONE: not introduced yet */
    uint64_t vouched; /* the directory that had its speaker in it */
    mu_time heard, asked;
    bool ask_due;
    bool rerun;       /* another run was heard: of it nothing is here */
    struct mu_backoff wait;
    uint8_t who[MU_WHO_MAX];
    uint8_t who_len;
    struct mu_signer signer; /* its public half */
    struct mu_tesla_receiver tesla;
    struct mu_chain_receiver chain;
    uint8_t room[MU_LISTENER_SLOTS * MU_LISTENER_BODY];
};

struct mu_listener_conf {
    const struct mu_crypto *crypto;
    const struct mu_signer *server; /* of directories; lives on */
    uint8_t streams;                /* with a chain; the rest has no bound */
    uint32_t seed;
};

/* One whose numbers are known: by H(id, who), so that another key is another. */
struct mu_listener_source {
    uint8_t key[MU_LISTENER_KEY];
    struct mu_window window;
    uint32_t age; /* of its last message: the oldest makes room */
};

struct mu_listener_message {
    uint32_t id;
    uint64_t number;
    enum mu_speech_scheme scheme;
    uint8_t name[MU_ID_MAX];
    uint8_t name_len;
    uint16_t len;
    uint8_t text[MU_SPEECH_TEXT_MAX];
};

struct mu_listener {
    struct mu_listener_conf conf;
    struct mu_sign_receiver sign;
    uint8_t bits[MU_SPEECH_FILTER];
    uint64_t seen; /* highest version of a directory, ever */
    struct mu_listener_source sources[MU_SPEAKERS_MAX];
    uint8_t sources_len;
    uint32_t age;
    struct mu_secret pair; /* with the gateway */
    uint32_t pair_id;      /* that it speaks by */
    struct mu_listener_stream *streams;
    mu_time ask_at; /* the next question, not before */
    uint8_t asking; /* 1 + the stream whose question is under way */
    struct mu_listener_message ready[MU_LISTENER_READY];
    uint8_t ready_first, ready_len;
    uint32_t jitter;
    bool dirty; /* its record is to be stored */
    uint64_t taken, forged, refused, signatures;
};

size_t mu_listener_work(const struct mu_listener_conf *conf);
/* record: what was stored, or empty. */
MU_MUST int mu_listener_init(struct mu_listener *l,
                             const struct mu_listener_conf *conf,
                             struct mu_bytes record, void *work,
                             size_t work_len);
void mu_listener_write(const struct mu_listener *l, struct mu_writer *w);
/* Another gateway, with this key of the two: nothing of its area is known. */
MU_MUST int mu_listener_area(struct mu_listener *l,
                             const struct mu_secret *khop);
/* Which speaker is the gateway itself. */
void mu_listener_gateway(struct mu_listener *l, uint32_t id);

/* MU_ERR_ROLLBACK for one older than the highest ever. 0 also for the present
 * one again. */
MU_MUST int mu_listener_directory(struct mu_listener *l,
                                  struct mu_bytes object);
uint64_t mu_listener_version(const struct mu_listener *l);

/* Speakers with a chain that it can prove at present. */
uint8_t mu_listener_streams(const struct mu_listener *l);

/* A packet out of a frame. 0: taken, which does not mean proved. */
MU_MUST int mu_listener_packet(struct mu_listener *l, mu_time now,
                               const struct mu_speech_frame *m);
/* The message that was proved first, NULL: none; it stays until it is over. */
const struct mu_listener_message *mu_listener_ready(
    const struct mu_listener *l);
void mu_listener_over(struct mu_listener *l);

/* The question that is due; false: none. */
bool mu_listener_ask(struct mu_listener *l, mu_time now,
                     struct mu_speech_ask *ask);
/* Its end: an introduction, or empty when there was none. */
MU_MUST int mu_listener_answer(struct mu_listener *l, mu_time now,
                               struct mu_bytes payload);
bool mu_listener_due(const struct mu_listener *l, mu_time now);
/* Streams that have to ask because time has passed; call it now and then. */
void mu_listener_run(struct mu_listener *l, mu_time now);
mu_time mu_listener_deadline(const struct mu_listener *l);

#endif
