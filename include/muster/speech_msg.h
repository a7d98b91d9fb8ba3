/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What speakers and those who listen say to each other, and server and gateway
 * about them: docs/wire-format.md s.10. Create appends to w; consume refuses
 * what is malformed or beyond a limit and gives views into the input.
 */
#ifndef MUSTER_SPEECH_MSG_H
#define MUSTER_SPEECH_MSG_H

#include "muster/keys.h"
#include "muster/source_sign.h"

#define MU_SPEECH_FRAME 0x57     /* first byte of a frame */
#define MU_SPEECH_FRAME_ADDS 16  /* bytes around the source's packet */
#define MU_SPEECH_PACKET_MAX (MU_PACKET_MAX - MU_SPEECH_FRAME_ADDS)
#define MU_SPEECH_TEXT_MAX 256   /* bytes of a message */
#define MU_SPEAKERS_MAX MU_SOURCES_MAX /* of one area */
#define MU_SPEECH_NONCE 8
/* A filter of MU_SPEAKERS_MAX members at 48 bits each; its object. */
#define MU_SPEECH_FILTER (MU_SPEAKERS_MAX * 6)
#define MU_SPEECH_DIRECTORY_MAX (MU_SPEECH_FILTER + 144)
#define MU_SPEECH_PATH_MAX (5 * 32) /* of a tree of MU_SPEAKERS_MAX */
#define MU_SPEECH_START_MAX 256
#define MU_SPEECH_PACKETS_MAX 8     /* in one introduction */

enum mu_speech_scheme {
    MU_SPEECH_NONE,
    MU_SPEECH_BLOOM,
    MU_SPEECH_MERKLE,
    MU_SPEECH_TESLA,
    MU_SPEECH_UTESLA,
    MU_SPEECH_MULTILEVEL,
    MU_SPEECH_CHAIN,
    MU_SPEECH_SCHEME_COUNT
};

const char *mu_speech_scheme_name(enum mu_speech_scheme scheme);
/* MU_SPEECH_NONE for a name that is none's. */
enum mu_speech_scheme mu_speech_scheme_of(struct mu_bytes name);

/* Who speaks: gateway number and area index in one, for ever. */
#define MU_SPEECH_OF_GATEWAY 0xffffu
static inline uint32_t mu_speech_id(uint32_t gateway, uint16_t index)
{
    return gateway << 16 | index;
}

/* A packet of a source as it is sent to the area; the tag is under Kctl. */
struct mu_speech_frame {
    uint32_t id;
    uint16_t run;
    uint8_t kg;
    struct mu_bytes packet;
};

MU_MUST int mu_speech_frame_create(const struct mu_crypto *c,
                                   const struct mu_secret *kctl,
                                   const struct mu_speech_frame *m,
                                   struct mu_writer *w);
/* The form alone, as for which key. */
MU_MUST int mu_speech_frame_peek(struct mu_bytes in, struct mu_speech_frame *m);
MU_MUST int mu_speech_frame_consume(const struct mu_crypto *c,
                                    const struct mu_secret *kctl,
                                    struct mu_bytes in,
                                    struct mu_speech_frame *m);

/* POST /say, device to gateway: to be framed and sent to the area. */
struct mu_speech_say {
    uint16_t run;
    struct mu_bytes packet;
};
MU_MUST int mu_speech_say_create(const struct mu_speech_say *m,
                                 struct mu_writer *w);
MU_MUST int mu_speech_say_consume(struct mu_bytes in, struct mu_speech_say *m);

/* POST /who, to the gateway and from it to the speaker. */
struct mu_speech_ask {
    uint32_t id;
    uint8_t nonce[MU_SPEECH_NONCE]; /* for the time */
    uint32_t place; /* chain: the next one that can be proved */
};
MU_MUST int mu_speech_ask_create(const struct mu_speech_ask *m,
                                 struct mu_writer *w);
MU_MUST int mu_speech_ask_consume(struct mu_bytes in, struct mu_speech_ask *m);

/* Its answer: an introduction. */
struct mu_speech_intro {
    uint32_t id;
    enum mu_speech_scheme scheme;
    uint16_t run;
    struct mu_bytes who;
    uint32_t index;        /* of the leaf */
    struct mu_bytes path;  /* of a tree */
    struct mu_bytes start; /* sync answer, or start of a chain */
    struct mu_bytes packets[MU_SPEECH_PACKETS_MAX]; /* chain: from place on */
    uint8_t packets_len;
};
MU_MUST int mu_speech_intro_create(const struct mu_speech_intro *m,
                                   struct mu_writer *w);
MU_MUST int mu_speech_intro_consume(struct mu_bytes in,
                                    struct mu_speech_intro *m);

/* POST /dir, gateway to device: the directory, and what the one who is told
 * needs to speak. */
struct mu_speech_told {
    struct mu_bytes object;
    uint32_t id;    /* 0: this one does not speak */
    uint32_t index;
    struct mu_bytes path;
};
MU_MUST int mu_speech_told_create(const struct mu_speech_told *m,
                                  struct mu_writer *w);
MU_MUST int mu_speech_told_consume(struct mu_bytes in,
                                   struct mu_speech_told *m);

/* POST /dir, gateway to server */
struct mu_speech_want {
    uint64_t version; /* held; 0: none */
    enum mu_speech_scheme scheme; /* of the gateway itself; NONE: silent */
    struct mu_bytes pub;          /* its key, unless it is silent */
};
MU_MUST int mu_speech_want_create(const struct mu_speech_want *m,
                                  struct mu_writer *w);
MU_MUST int mu_speech_want_consume(struct mu_bytes in,
                                   struct mu_speech_want *m);

/* Its answer */
struct mu_speech_list {
    uint64_t version;
    struct mu_bytes object; /* empty: there is no directory */
    struct mu_speech_member {
        uint32_t id;
        struct mu_bytes who;
    } members[MU_SPEAKERS_MAX]; /* as the directory has them, in this order */
    uint8_t members_len;
};
MU_MUST int mu_speech_list_create(const struct mu_speech_list *m,
                                  struct mu_writer *w);
MU_MUST int mu_speech_list_consume(struct mu_bytes in,
                                   struct mu_speech_list *m);

#endif
