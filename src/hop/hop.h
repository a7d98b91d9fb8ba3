/* SPDX-License-Identifier: Apache-2.0 */
/* Inside hop: what the parts of the Deluge engine share. */
#ifndef HOP_HOP_H
#define HOP_HOP_H

#include "muster/deluge.h"

/* Waits, in packet times (p): long enough that neighbours, who wait a random
 * part of the same, hear who was first. */
enum {
    HOP_LISTEN = 8,      /* before asking, and before sending (rules 2, 4) */
    HOP_LISTEN_SPREAD = 16,
    HOP_ANSWER = 32,     /* for data to begin after a request */
    HOP_ANSWER_SPREAD = 16,
    HOP_SILENCE = 12,    /* data that stopped */
    HOP_YIELD = 2,       /* to a neighbour that sends */
    HOP_HOLD = 64,       /* one that did not answer, doubling */
};

enum { HOP_NONE = -1 };

uint32_t mu_hop_random(struct mu_deluge *d);
/* Up to n packet times, evenly. */
mu_time mu_hop_spread(struct mu_deluge *d, uint32_t n);

static inline mu_time mu_hop_packets(const struct mu_deluge *d, uint32_t n)
{
    return (mu_time)n * d->conf.packet_us;
}

static inline bool mu_hop_bit(const uint8_t *set, unsigned n)
{
    return (set[n / 8] >> (n % 8) & 1) != 0;
}

static inline void mu_hop_set(uint8_t *set, unsigned n)
{
    set[n / 8] = (uint8_t)(set[n / 8] | 1u << (n % 8));
}

/* Version and edition of a are above those of b. */
static inline bool mu_hop_newer(uint64_t version_a, uint16_t edition_a,
                                uint64_t version_b, uint16_t edition_b)
{
    return version_a > version_b ||
           (version_a == version_b && edition_a > edition_b);
}

/* deluge.c */
struct mu_deluge_peer *mu_hop_peer(struct mu_deluge *d, uint16_t node,
                                   bool make);
bool mu_hop_peer_newer(const struct mu_deluge *d,
                       const struct mu_deluge_peer *p);
bool mu_hop_peer_same(const struct mu_deluge *d,
                      const struct mu_deluge_peer *p);
/* Bytes of a full fragment, and how many make a manifest. */
size_t mu_hop_fragment_room(const struct mu_deluge *d);
uint8_t mu_hop_fragments(const struct mu_deluge *d, uint16_t manifest_len);
/* Makes the manifest in the draft, with `pages` pages in the store, ours. */
MU_MUST int mu_hop_adopt(struct mu_deluge *d, const struct mu_deluge_object *o,
                         uint16_t len, uint32_t pages, mu_time now);
/* Moves on to the page d->pages. */
void mu_hop_page_begin(struct mu_deluge *d);
/* Checks a DATA packet of a page whose hashes are here. */
MU_MUST int mu_hop_check(struct mu_deluge *d, const struct mu_cast_page *page,
                         uint64_t hash_at, struct mu_bytes packet);

/* deluge_ask.c: the receiving side */
void mu_hop_offered(struct mu_deluge *d, mu_time now);
void mu_hop_heard_request(struct mu_deluge *d, mu_time now,
                          const struct mu_deluge_req *q);
MU_MUST int mu_hop_data(struct mu_deluge *d, mu_time now,
                        struct mu_bytes packet);
MU_MUST int mu_hop_fragment(struct mu_deluge *d, mu_time now,
                            const struct mu_deluge_fragment *f);
void mu_hop_open_draft(struct mu_deluge *d, mu_time now);
size_t mu_hop_request(struct mu_deluge *d, mu_time now, uint8_t *to);

/* deluge_send.c: the serving side */
void mu_hop_send_clear(struct mu_deluge *d);
MU_MUST int mu_hop_asked(struct mu_deluge *d, mu_time now,
                         const struct mu_deluge_req *q);
/* The page that we send or shall send next, or the one we are at. */
uint32_t mu_hop_served(const struct mu_deluge *d);
/* A neighbour has sent this packet of this page. */
void mu_hop_yield(struct mu_deluge *d, mu_time now, uint16_t page,
                  unsigned index);
size_t mu_hop_send(struct mu_deluge *d, mu_time now, uint8_t *to);

#endif
