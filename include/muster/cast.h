/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cast: one object to many receivers in pages of packets that are each
 * checked alone. One sender engine, one receiver engine, one packet format;
 * docs/wire-format.md s.6.
 *
 * Both engines are told what happened (a packet, the time) and asked for the
 * next packet to send and for their next deadline. They do no I/O but through
 * the object and page ports, never allocate, and keep every byte of state in
 * memory that the caller gives at init.
 */
#ifndef MUSTER_CAST_H
#define MUSTER_CAST_H

#include "muster/cast_rate.h"
#include "muster/crypto.h"
#include "muster/keys.h"
#include "muster/limits.h"
#include "muster/manifest.h"
#include "muster/object.h"
#include "muster/time.h"

/* First byte of every cast packet; of DATA, the lowest that it can have. */
enum mu_cast_kind {
    MU_CAST_ANNOUNCE = 0x41,
    MU_CAST_POLL = 0x42,
    MU_CAST_NEED = 0x43,
    MU_CAST_CENSUS = 0x44,
    MU_CAST_STATUS = 0x45,
    MU_CAST_DATA = 0x80, /* and all above: page and index are in it */
};

#define MU_CAST_DATA_HEADER 3 /* bytes: kind, page and index; session; index */
#define MU_SYMBOL_SET 128 /* bytes of a set of symbol indexes: 1,024 bits */
#define MU_CAST_PAGES_NEAR 32 /* DATA tells its page modulo this */

/* A packet with a symbol, of data or of parity. */
static inline bool mu_cast_is_data(uint8_t first)
{
    return first >= MU_CAST_DATA;
}

/* What the header of a DATA packet says: its page modulo MU_CAST_PAGES_NEAR,
 * and the number of its symbol, data symbols first. */
static inline unsigned mu_cast_data_page(const uint8_t *packet)
{
    return packet[0] >> 2 & (MU_CAST_PAGES_NEAR - 1);
}

static inline unsigned mu_cast_data_index(const uint8_t *packet)
{
    return (packet[0] & 3u) << 8 | packet[2];
}

/* Writes the header of symbol `index` of a page. */
static inline void mu_cast_data_head(uint8_t head[MU_CAST_DATA_HEADER],
                                     uint8_t session, uint32_t page,
                                     unsigned index)
{
    head[0] = (uint8_t)(MU_CAST_DATA | page % MU_CAST_PAGES_NEAR << 2 |
                        (index >> 8 & 3));
    head[1] = session;
    head[2] = (uint8_t)index;
}

/* The page next to another one that ends in these bits: at most 16 before it
 * and less than 16 after it, or among the first 32. */
static inline uint32_t mu_cast_page_near(uint32_t near, unsigned low)
{
    uint32_t half = MU_CAST_PAGES_NEAR / 2;
    uint32_t page = near + (low + half - near) % MU_CAST_PAGES_NEAR;

    return page < half ? page + half : page - half;
}

/* State sets (docs/wire-format.md s.7). */
enum mu_state_bit {
    MU_STATE_RECEIVED = 0x01,
    MU_STATE_VERIFIED = 0x02,
    MU_STATE_INSTALLED = 0x04,
    MU_STATE_RUNNING = 0x08,
    MU_STATE_FAILED = 0x80,
};

/* ---- shape and pages ------------------------------------------------- */

struct mu_cast_page {
    uint32_t index;
    uint16_t data;          /* k */
    uint16_t parity;        /* m */
    uint16_t symbol_len;    /* T, bytes */
    uint32_t hashes_len;    /* bytes of the next page's hashes in this block */
    uint32_t content_len;   /* bytes of content in this block */
    uint64_t content_at;    /* offset of that content in the object */
    uint64_t block_at;      /* offset of the block in a prepared object */
    bool last;
};

/* Data packets of the largest page: as many as a NEED can name, and no more
 * bytes than MU_PAGE_BYTES_MAX. */
uint16_t mu_cast_page_data_max(uint16_t payload);
MU_MUST int mu_cast_shape_check(const struct mu_cast_shape *s);
/* MU_ERR_TOO_LARGE when the object needs more than MU_PAGES_MAX pages,
 * MU_ERR_USAGE for a size of 0. */
MU_MUST int mu_cast_page_first(const struct mu_cast_shape *s, uint64_t size,
                               struct mu_cast_page *page);
/* False after the last page. */
bool mu_cast_page_next(const struct mu_cast_shape *s, uint64_t size,
                       struct mu_cast_page *page);
MU_MUST int mu_cast_page_at(const struct mu_cast_shape *s, uint64_t size,
                            uint32_t index, struct mu_cast_page *page);
uint32_t mu_cast_pages(const struct mu_cast_shape *s, uint64_t size);
/* Bytes of the prepared object: all blocks one after the other. */
uint64_t mu_cast_prepared_size(const struct mu_cast_shape *s, uint64_t size);
/* Bytes of the block buffer of the largest page: page_data * (payload - 3). */
size_t mu_cast_block_size(const struct mu_cast_shape *s);

/* What an object costs on the medium; bytes without link, IP, UDP headers. */
struct mu_cast_cost {
    uint32_t pages;
    uint32_t roots;      /* bytes of hashes in the manifest */
    uint64_t data;       /* packets */
    uint64_t more;       /* packets of parity and repair */
    uint64_t content, hashes, padding, headers; /* bytes of the data packets */
    uint64_t more_bytes; /* of the others */
};

/* For so many receivers that lose so much: as much parity as the unluckiest
 * of them is likely to need. */
MU_MUST int mu_cast_cost(const struct mu_cast_shape *s, uint64_t size,
                         uint32_t receivers, uint32_t loss_permille,
                         struct mu_cast_cost *out);

/* Parity that pages of so many data packets want: what the unluckiest needs,
 * and a little, for repair finds no other symbols that serve all. */
uint16_t mu_cast_parity(uint32_t page_data, uint32_t receivers,
                        uint32_t loss_permille);

/* ---- preparing an object --------------------------------------------- */

/*
 * Turns a plain object into its prepared form (blocks with hashes, content
 * encrypted under cek) and gives the root hashes. Goes from the last page to
 * the first, one page a step, so that a body can stay responsive; all memory
 * is the caller's: `work` of mu_cast_prepare_work(shape) bytes.
 */
struct mu_cast_prepare {
    const struct mu_crypto *crypto;
    struct mu_cast_shape shape;
    uint64_t size;
    const struct mu_object *plain;
    const struct mu_object *prepared;
    const struct mu_secret *cek;
    uint8_t session;
    uint32_t pages;
    uint32_t left; /* pages still to do; 0: finished */
    uint8_t *work;
    size_t work_len;
    size_t roots_len;
};

size_t mu_cast_prepare_work(const struct mu_cast_shape *s);
MU_MUST int mu_cast_prepare_init(struct mu_cast_prepare *p,
                                 const struct mu_crypto *crypto,
                                 const struct mu_cast_shape *shape,
                                 uint64_t size, uint8_t session,
                                 const struct mu_secret *cek,
                                 const struct mu_object *plain,
                                 const struct mu_object *prepared,
                                 void *work, size_t work_len);
/* Does one page. Call until p->left is 0. */
MU_MUST int mu_cast_prepare_step(struct mu_cast_prepare *p);
/* The root hashes once finished: a view into the work memory. */
struct mu_bytes mu_cast_prepare_roots(const struct mu_cast_prepare *p);

/* ---- sender ----------------------------------------------------------- */

/* Who receives, for a sender. Calls answer at once. */
struct mu_cast_peers {
    void *ctx;
    /* Is this index a member that is still wanted? */
    bool (*member)(void *ctx, uint16_t receiver);
    /* Its feedback key; MU_ERR_NOT_FOUND. */
    int (*feedback_key)(void *ctx, uint16_t receiver, struct mu_secret *kfb);
    /* Can a packet be sent to it alone? NULL: to none. */
    bool (*alone)(void *ctx, uint16_t receiver);
    /* Does it hear now? NULL: all do. No answer is waited for from who does
     * not. */
    bool (*listens)(void *ctx, uint16_t receiver);
};

#define MU_CAST_ALL 0xffffu /* not to one receiver */

struct mu_cast_sender_conf {
    const struct mu_crypto *crypto;
    struct mu_cast_shape shape;
    uint64_t size;
    uint8_t session;
    const struct mu_object *prepared; /* pages below `ready` are readable */
    const struct mu_cast_peers *peers;
    uint16_t receivers;       /* area indexes are below this */
    uint32_t rate;            /* bytes a second on the medium; 0: unpaced */
    uint16_t overhead;        /* link, IP, UDP bytes a packet, for the pace */
    uint16_t window_ms;       /* answer window of a poll: above a round trip */
    uint16_t loss_permille;   /* first guess; later learnt from feedback */
    uint16_t answer_all_max;  /* up to so many members everybody answers */
    uint8_t rounds_max;       /* polls of a page, then on without the rest */
    bool roll_call;           /* who has no manifest says so: see _unheard */
    uint32_t repair_max;      /* repairs one receiver may cause per page */
    bool fair;                /* and no more than luck explains, or later */
    uint16_t cost;            /* of a packet to all, in packets to one; above
                               * the members: as many; 0, 1: all to all */
    struct mu_rate *yield;    /* NULL: rate as it is; else shared, and rate is
                               * what follows from it */
};

struct mu_cast_counts { /* packets and bytes (UDP payload) put on the medium */
    uint64_t data, parity, repair, control;
    uint64_t alone;           /* of the repairs, those to one receiver */
    uint64_t bytes;
    uint64_t feedback;        /* good feedback packets taken */
    uint64_t rejected;        /* forged, unknown, over budget */
};

struct mu_cast_sender; /* muster/cast_sender.h: plain, caller-owned */

/* Memory for the page block and the per-receiver tables. */
size_t mu_cast_sender_work(const struct mu_cast_sender_conf *conf);
MU_MUST int mu_cast_sender_init(struct mu_cast_sender *s,
                                const struct mu_cast_sender_conf *conf,
                                void *work, size_t work_len, mu_time now);
/* Pages [0, ready) can be sent: a relay raises it as it receives. */
void mu_cast_sender_ready(struct mu_cast_sender *s, uint32_t ready);
/* The control key (KDF(Kg, "control")) and its generation's low byte. */
void mu_cast_sender_control(struct mu_cast_sender *s,
                            const struct mu_secret *kctl, uint8_t kg);
void mu_cast_sender_pause(struct mu_cast_sender *s, bool paused);
/* Somebody has come who may miss something: if all is sent, it is asked. */
void mu_cast_sender_ask(struct mu_cast_sender *s, mu_time now);
/* A NEED packet came in. Errors are counted and may be ignored. */
MU_MUST int mu_cast_sender_feedback(struct mu_cast_sender *s, mu_time now,
                                    struct mu_bytes packet);
/* The next packet due at `now`: its length, or 0 for none. `to` holds
 * MU_PACKET_MAX bytes. */
size_t mu_cast_sender_next(struct mu_cast_sender *s, mu_time now, uint8_t *to);
/* Whom the packet of the last call is for: a receiver, or MU_CAST_ALL. */
uint16_t mu_cast_sender_to(const struct mu_cast_sender *s);
mu_time mu_cast_sender_deadline(const struct mu_cast_sender *s);
/* True when all pages were sent and polled silent (late NEEDs wake it up). */
bool mu_cast_sender_idle(const struct mu_cast_sender *s);
/* Every page has been begun. */
bool mu_cast_sender_through(const struct mu_cast_sender *s);
uint32_t mu_cast_sender_page(const struct mu_cast_sender *s);
/* Starts over at a page: after a restart, or for a late joiner. */
void mu_cast_sender_seek(struct mu_cast_sender *s, uint32_t page, mu_time now);
/* Somebody has no manifest of this session, and answered a poll by that:
 * announce it at once. True once for each such answer that counts. */
bool mu_cast_sender_unheard(struct mu_cast_sender *s);
/* Somebody answers, and hears nothing of what is sent. True once for each. */
bool mu_cast_sender_vain(struct mu_cast_sender *s, uint16_t *receiver);
/* Object reads failed: the error, sticky; 0 when all is well. */
int mu_cast_sender_error(const struct mu_cast_sender *s);
const struct mu_cast_counts *
mu_cast_sender_counts(const struct mu_cast_sender *s);

/* ---- receiver --------------------------------------------------------- */

/* What to do with a page that is complete and verified. The content, from
 * block + page->hashes_len on, may be changed in place (a device decrypts
 * there). An error other than 0 leaves the page incomplete; it is offered again
 * at the next deadline, so a sink that fails leaves the block as it was
 * (mu_cast_crypt twice is nothing). */
struct mu_cast_sink {
    void *ctx;
    int (*page)(void *ctx, const struct mu_cast_page *page, uint8_t *block);
};

struct mu_cast_receiver_conf {
    const struct mu_crypto *crypto;
    struct mu_cast_shape shape;
    uint64_t size;
    uint8_t session;
    uint16_t receiver;        /* own index */
    const struct mu_secret *kfb;
    const struct mu_cast_sink *sink;
    uint32_t seed;            /* for back-off; need not be secret */
    uint32_t idle_ms;         /* silence after which it asks by itself */
    bool ticked;              /* polls had a tick (muster/tick.h), and it was good */
};

struct mu_cast_heard { /* what receivers count */
    uint64_t accepted, duplicate, forged, ahead; /* DATA packets */
    uint64_t asked;                              /* NEEDs sent */
};

struct mu_cast_receiver; /* muster/cast_receiver.h: plain, caller-owned */

/* Page buffer and hash table; the rest of the state is sizeof the struct. */
size_t mu_cast_receiver_work(const struct mu_cast_shape *s);
/* roots is copied. Starts at page 0. */
MU_MUST int mu_cast_receiver_init(struct mu_cast_receiver *r,
                                  const struct mu_cast_receiver_conf *conf,
                                  struct mu_bytes roots, void *work,
                                  size_t work_len, mu_time now);
/* Nothing could be heard until now: it does not ask at once for that. */
void mu_cast_receiver_woken(struct mu_cast_receiver *r, mu_time now);
void mu_cast_receiver_control(struct mu_cast_receiver *r,
                              const struct mu_secret *kctl, uint8_t kg);
/* The control key before the present one is void. */
void mu_cast_receiver_retire(struct mu_cast_receiver *r);
/* DATA or POLL of this session. 0 when it was taken or is a duplicate;
 * MU_ERR_AUTH for a forgery; MU_ERR_UNEXPECTED for a page that cannot be
 * checked yet or is done. */
MU_MUST int mu_cast_receiver_packet(struct mu_cast_receiver *r, mu_time now,
                                    struct mu_bytes packet);
/* The next NEED due at `now`: its length, or 0. */
size_t mu_cast_receiver_next(struct mu_cast_receiver *r, mu_time now,
                             uint8_t *to, size_t cap);
mu_time mu_cast_receiver_deadline(const struct mu_cast_receiver *r);
/* Pages complete: == mu_cast_pages() when the object is. */
uint32_t mu_cast_receiver_pages(const struct mu_cast_receiver *r);
bool mu_cast_receiver_done(const struct mu_cast_receiver *r);
const struct mu_cast_heard *
mu_cast_receiver_heard(const struct mu_cast_receiver *r);
/* What is needed to go on after a restart: the page reached and its hashes
 * (sealed against damage by the journal that keeps it). */
MU_MUST int mu_cast_receiver_save(const struct mu_cast_receiver *r,
                                  struct mu_writer *w);
MU_MUST int mu_cast_receiver_load(struct mu_cast_receiver *r,
                                  struct mu_reader *in);
/* The check of one DATA packet, alone: what `bench verify` measures. */
MU_MUST int mu_cast_data_check(const struct mu_crypto *c,
                               struct mu_bytes packet, const uint8_t *hash,
                               uint8_t hash_len);

/* Decrypts (or encrypts) content in place; at: offset in the object. */
MU_MUST int mu_cast_crypt(const struct mu_crypto *c,
                          const struct mu_secret *cek, uint64_t at,
                          uint8_t *data, size_t len);

/* ---- control and status packets: create/consume pairs ------------------ */

/* flags of a POLL */
#define MU_POLL_ALL 0x01    /* everybody answers, need 0 too */
#define MU_POLL_BITMAP 0x02 /* answers name the data symbols still missing */
#define MU_POLL_ASKED 0x04  /* who asked for more of this page answers, too */
#define MU_POLL_BEHIND 0x08 /* only who is before this page answers */

#define MU_NEED_MANIFEST 0xffff /* page of a NEED of who has no manifest */

struct mu_poll {
    uint8_t session;
    uint16_t page;
    uint8_t round, flags, sent;
    uint16_t window_ms;
    uint8_t kg;
};

struct mu_need {
    uint8_t session;
    uint16_t receiver, page;
    uint8_t round;
    uint16_t need;
    struct mu_bytes bitmap; /* empty, or bit i: data symbol i is missing */
};

struct mu_census {
    uint8_t session, state, round;
    uint16_t window_ms, base;
    uint8_t kg;
    struct mu_bytes bitmap; /* bit n: the status of base + n is known */
};

struct mu_status {
    uint8_t session;
    uint16_t receiver;
    uint8_t state, reason;
    uint8_t ack[MU_ACK_LEN];
};

/* create writes packet and tag; consume checks the tag before anything else
 * is believed. peek gives receiver (NEED, STATUS) or kg (POLL, CENSUS), so
 * that the caller finds the key; 0 for the others. Bit n of a bitmap is bit
 * n % 8, counted from the lowest, of byte n / 8. */
MU_MUST int mu_poll_create(const struct mu_crypto *c,
                           const struct mu_secret *kctl,
                           const struct mu_poll *p, struct mu_writer *w);
MU_MUST int mu_poll_consume(const struct mu_crypto *c,
                            const struct mu_secret *kctl,
                            struct mu_bytes packet, struct mu_poll *p);
MU_MUST int mu_need_create(const struct mu_crypto *c,
                           const struct mu_secret *kfb,
                           const struct mu_need *n, struct mu_writer *w);
MU_MUST int mu_need_consume(const struct mu_crypto *c,
                            const struct mu_secret *kfb,
                            struct mu_bytes packet, struct mu_need *n);
MU_MUST int mu_census_create(const struct mu_crypto *c,
                             const struct mu_secret *kctl,
                             const struct mu_census *p, struct mu_writer *w);
MU_MUST int mu_census_consume(const struct mu_crypto *c,
                              const struct mu_secret *kctl,
                              struct mu_bytes packet, struct mu_census *p);
MU_MUST int mu_status_create(const struct mu_crypto *c,
                             const struct mu_secret *kfb,
                             const struct mu_status *s, struct mu_writer *w);
MU_MUST int mu_status_consume(const struct mu_crypto *c,
                              const struct mu_secret *kfb,
                              struct mu_bytes packet, struct mu_status *s);
MU_MUST int mu_cast_peek(struct mu_bytes packet, enum mu_cast_kind *kind,
                         uint8_t *session, uint16_t *receiver_or_kg);

/* ANNOUNCE packets. Fragment `index` of an object as a packet; its tag is
 * computed under kann, or taken from `tag` when kann is NULL (a relay). */
uint8_t mu_announce_fragments(size_t object_len, uint16_t payload); /* 0: no */
MU_MUST int mu_announce_packet(const struct mu_crypto *c,
                               const struct mu_secret *kann,
                               const uint8_t *tag, struct mu_bytes object,
                               uint16_t payload, uint8_t session,
                               uint8_t index, struct mu_writer *w);
MU_MUST int mu_announce_tag(const struct mu_crypto *c,
                            const struct mu_secret *kann,
                            struct mu_bytes object, uint16_t payload,
                            uint8_t session, uint8_t index,
                            uint8_t tag[MU_TAG_LEN]);

/* Puts fragments of one object together; one at a time, the newest wins only
 * when its tag verifies. Starts out all zero. */
struct mu_assembly {
    uint8_t object[MU_ANNOUNCE_MAX];
    uint8_t id[4];
    uint8_t session, fragments;
    uint64_t have; /* bit per fragment */
    uint16_t fragment_len, object_len;
};

/* 1 when the object is complete (in a->object, a->object_len, good until the
 * next packet; it can be put together again), 0 when more is needed, or an
 * error. kann: the caller tries the keys it holds. */
MU_MUST int mu_assembly_packet(struct mu_assembly *a,
                               const struct mu_crypto *c,
                               const struct mu_secret *kann,
                               struct mu_bytes packet);

#endif
