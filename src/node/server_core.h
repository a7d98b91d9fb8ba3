/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the server engine share. One file a noun: records and
 * effects (server_store.c), keys and epoch (server_keys.c), devices and
 * gateways (server_registry.c), groups (server_groups.c), who is in them
 * (server_roster.c) and how their keys change (server_scheme.c, server_trees.c,
 * server_rekey.c, server_rekey_flip.c, server_rekey_cast.c, server_trace.c), the links of gateways
 * (server_link.c), connections of devices (server_connect.c) and what they
 * exchange (server_exchange.c) and fetch (server_fetch.c), campaigns
 * (server_campaign.c, server_prepare.c, server_cast.c), reports
 * (server_report.c), and what the operator sees (server_views.c,
 * server_explain.c).
 */
#ifndef MUSTER_SERVER_CORE_H
#define MUSTER_SERVER_CORE_H

#include "muster/assert.h"
#include "muster/coap.h"
#include "muster/mikey_service.h"
#include "muster/server_state.h"
#include "muster/wide_msg.h"

/* ---- effects and records: server_store.c ---------------------------------- */

/* What one step or one wish of the operator may queue at most. */
#define MU_SERVER_STORES_ROOM 40000u
#define MU_SERVER_STORES_ITEMS 96u
#define MU_SERVER_SENDS_ROOM 12000u

void mu_srv_rings_reset(struct mu_server *s);
/* MU_ERR_BUSY when the body has to take effects first. */
MU_MUST int mu_srv_room(const struct mu_server *s);
bool mu_srv_stores_room(const struct mu_server *s);
bool mu_srv_sends_room(const struct mu_server *s);
/* Queues a write; held back sends wait for it. value.data NULL: deletes.
 * Returns the ticket. There is room: the caller asked. */
uint32_t mu_srv_put(struct mu_server *s, uint8_t table,
                    const struct mu_record_key *key, struct mu_bytes value);
uint32_t mu_srv_put_written(struct mu_server *s, uint8_t table,
                            const struct mu_record_key *key,
                            const struct mu_writer *w);
/* The same for what nobody outside depends on. */
uint32_t mu_srv_put_lazy(struct mu_server *s, uint8_t table,
                         const struct mu_record_key *key,
                         const struct mu_writer *w);
void mu_srv_delete(struct mu_server *s, uint8_t table,
                   const struct mu_record_key *key);
bool mu_srv_is_durable(const struct mu_server *s, uint32_t ticket);
/* Replaces a queued write of the same key, if there is one. For writes whose
 * order does not matter. */
void mu_srv_put_merged(struct mu_server *s, uint8_t table,
                       const struct mu_record_key *key,
                       const struct mu_writer *w);
/* A record, queued writes included; a view good until the next read. */
MU_MUST int mu_srv_get(struct mu_server *s, uint8_t table,
                       const struct mu_record_key *key,
                       struct mu_bytes *value);
/* The first record above *key, which becomes its key. A walk does not see
 * queued writes: it waits until mu_srv_taken, or reads what it finds with
 * mu_srv_get and does without the rest. */
MU_MUST int mu_srv_next(struct mu_server *s, uint8_t table,
                        struct mu_record_key *key, struct mu_bytes *value);
/* The body has taken all writes. */
bool mu_srv_taken(const struct mu_server *s);
struct mu_writer mu_srv_writer(struct mu_server *s); /* over s->text */

void mu_srv_answer(struct mu_server *s, const struct mu_event *ev,
                   uint8_t code, struct mu_bytes payload);
void mu_srv_answer_protected(struct mu_server *s, const struct mu_event *ev,
                             uint8_t code, struct mu_bytes option,
                             struct mu_bytes payload);
/* Returns the exchange. */
uint32_t mu_srv_request(struct mu_server *s, uint32_t link, const char *path,
                        struct mu_bytes payload);
void mu_srv_trace(struct mu_server *s, const char *name, uint64_t a,
                  uint64_t b);
/* The next effect of the rings. */
bool mu_srv_take(struct mu_server *s, struct mu_effect *out);
/* No STORE holds sends back. */
bool mu_srv_open(const struct mu_server *s);

/* Singletons of MU_TABLE_NODE. MU_ERR_NOT_FOUND. */
MU_MUST int mu_srv_number_get(struct mu_server *s, const char *name,
                              uint64_t *number);
uint32_t mu_srv_number_put(struct mu_server *s, const char *name,
                           uint64_t number);

/* ---- typed records: server_load.c ----------------------------------------- */

MU_MUST int mu_srv_device_get(struct mu_server *s, struct mu_bytes identity,
                              struct mu_device_record *d);
void mu_srv_device_put(struct mu_server *s, struct mu_bytes identity,
                       const struct mu_device_record *d);
/* Unseals; clear it. */
MU_MUST int mu_srv_device_kmr(const struct mu_server *s,
                              struct mu_bytes identity,
                              const struct mu_device_record *d,
                              struct mu_secret *kmr);
MU_MUST int mu_srv_gateway_get(struct mu_server *s, uint32_t number,
                               struct mu_gateway_record *g);
void mu_srv_gateway_put(struct mu_server *s, uint32_t number,
                        const struct mu_gateway_record *g);
MU_MUST int mu_srv_area_get(struct mu_server *s, uint32_t gateway,
                            uint16_t index, struct mu_area_record *a);
/* The first area index of a gateway from *index on, which becomes its index. */
MU_MUST int mu_srv_area_next(struct mu_server *s, uint32_t gateway,
                             uint32_t *index, struct mu_area_record *a);
MU_MUST int mu_srv_group_get(struct mu_server *s, uint32_t number,
                             struct mu_group_record *g);
void mu_srv_group_put(struct mu_server *s, uint32_t number,
                      const struct mu_group_record *g);
MU_MUST int mu_srv_group_find(struct mu_server *s, struct mu_bytes name,
                              uint32_t *number, struct mu_group_record *g);
/* The first member above *key that has not left; cursor begins with the key of
 * the empty identity. */
MU_MUST int mu_srv_member_next(struct mu_server *s, uint32_t group,
                               bool left_too, struct mu_record_key *cursor,
                               struct mu_bytes *identity);
MU_MUST int mu_srv_key_get(struct mu_server *s, const struct mu_kid *kid,
                           struct mu_secret *key);
/* As it is stored: of a group with mikey the MSK, from which mu_srv_key_get
 * makes Kb. */
MU_MUST int mu_srv_key_raw(struct mu_server *s, const struct mu_kid *kid,
                           struct mu_secret *key);
MU_MUST int mu_srv_key_put(struct mu_server *s, const struct mu_kid *kid,
                           enum mu_key_phase phase,
                           const struct mu_secret *key);
void mu_srv_key_drop(struct mu_server *s, const struct mu_kid *kid);
bool mu_srv_identity_ok(struct mu_bytes identity);
bool mu_srv_name_ok(struct mu_bytes name);

/* ---- keys and epoch: server_keys.c ---------------------------------------- */

/* Reads, or makes on the first start, epoch, signing key and counters. */
MU_MUST int mu_srv_keys_load(struct mu_server *s);
/* Counter blocks and Kw; false while Kw is not there yet. */
bool mu_srv_keys_work(struct mu_server *s);
/* Whatever a durable ticket lets go on. */
void mu_srv_keys_stored(struct mu_server *s);
/* MU_ERR_BUSY: the next block is being stored. */
MU_MUST int mu_srv_generation_take(struct mu_server *s, uint64_t *generation);
/* Somebody proved an epoch above ours: the store is an old copy. */
MU_MUST int mu_srv_epoch_seen(struct mu_server *s, uint32_t epoch);
/* A member proved to hold a generation: one that was never given out says the
 * same. */
MU_MUST int mu_srv_generation_seen(struct mu_server *s, uint64_t generation);
uint64_t mu_srv_area_version(const struct mu_server *s,
                             const struct mu_gateway_record *g);
struct mu_kid mu_srv_kb_kid(uint32_t group, uint64_t generation);

/* ---- groups: server_groups.c ---------------------------------------------- */

/* What is to become of a group's key: its own wish, or there is none, or one
 * of an epoch of the past. */
enum mu_group_wish mu_srv_group_wish(const struct mu_server *s,
                                     const struct mu_group_record *g);
/* Its key is to be made anew: the record is changed, not put. */
void mu_srv_group_want(struct mu_server *s, uint32_t number,
                       struct mu_group_record *g, enum mu_group_wish wish);
/* Whether a device may be given the present key of a group. */
bool mu_srv_group_may_have(const struct mu_group_record *g,
                           const struct mu_device_group *entry);
/* Some group wants a new key: soon, or in the next step. */
void mu_srv_groups_mark(struct mu_server *s, bool at_once);
/* Makes due keys anew; false when there is more to do in the next step. */
bool mu_srv_groups_work(struct mu_server *s);
/* Seconds until the keys of groups expire; 0: they do not. */
uint32_t mu_srv_key_valid_s(const struct mu_server *s);
void mu_srv_keys_expire(struct mu_server *s);
/* Takes a device out of a group: its record is changed, not put. */
MU_MUST int mu_srv_group_leave(struct mu_server *s, struct mu_bytes identity,
                               struct mu_device_record *d, uint32_t number);
/* The newest key of a group, dormant or active; 0: none yet. */
uint64_t mu_srv_group_newest(const struct mu_group_record *g);
/* Its key changes by a scheme (server_rekey.c). */
bool mu_srv_group_schemed(const struct mu_group_record *g);
/* Puts the active key of a group to rest, and forgets the one before it. */
MU_MUST int mu_srv_group_retire(struct mu_server *s, uint32_t number,
                                struct mu_group_record *g);
/* The dormant key becomes the active one; the record is put. */
MU_MUST int mu_srv_group_activate(struct mu_server *s, uint32_t number,
                                  struct mu_group_record *g);
/* The key of a kid is not needed by group or campaign any more: drop it. */
void mu_srv_group_sweep(struct mu_server *s, uint32_t number,
                        uint64_t generation);

/* ---- who is a member where: server_roster.c -------------------------------- */

/* Of the device of an area, or not any more; *sc is changed, not put. */
MU_MUST int mu_srv_roster_put(struct mu_server *s, uint32_t group,
                              struct mu_scheme_record *sc, uint32_t gateway,
                              uint16_t index, bool member);
/* A member proved to have a state of the trees. */
MU_MUST int mu_srv_roster_ready(struct mu_server *s, uint32_t group,
                                uint64_t base, uint32_t gateway,
                                uint16_t index);
struct mu_roster_sum {
    uint32_t members, ready;
};
/* Bitmaps of gateways: those with members, and those with some who have no
 * state of the trees. */
MU_MUST int mu_srv_roster_areas(struct mu_server *s, uint32_t group,
                                uint64_t base, uint8_t *gateways,
                                uint8_t *told, struct mu_roster_sum *sum);
/* The targets of a campaign around one index: its record, or what the roster
 * says. MU_ERR_NOT_FOUND: there are none. */
MU_MUST int mu_srv_target_get(struct mu_server *s,
                              const struct mu_campaign_record *c,
                              uint32_t gateway, uint16_t index,
                              struct mu_target_record *t);
void mu_srv_target_put(struct mu_server *s, const uint8_t *campaign,
                       uint32_t gateway, uint16_t index,
                       const struct mu_target_record *t);
/* Counts all targets anew, and notes the gateways that have any. */
MU_MUST int mu_srv_targets_count(struct mu_server_campaign *c);
/* The same for so many in a roster, gateways noted: what has a record. */
MU_MUST int mu_srv_targets_count_of(struct mu_server_campaign *c,
                                    uint32_t members);
/* Adds those behind a gateway who are neither running nor out; of them all, or
 * who were told apart. */
MU_MUST int mu_srv_targets_missing(struct mu_server_campaign *c,
                                   uint32_t gateway, bool told,
                                   uint8_t who[MU_AREA_DEVICES_MAX / 8]);
/* Who has the places of a chunk. */
MU_MUST int mu_srv_places_get(struct mu_server *s, uint32_t group,
                              uint64_t base, uint32_t chunk,
                              struct mu_places_record *p);
void mu_srv_places_put(struct mu_server *s, uint32_t group, uint64_t base,
                       uint32_t chunk, const struct mu_places_record *p);

/* ---- schemes: server_scheme.c --------------------------------------------- */

MU_MUST int mu_srv_member_get(struct mu_server *s, uint32_t group,
                              struct mu_bytes identity,
                              struct mu_member_record *m);
void mu_srv_member_put(struct mu_server *s, uint32_t group,
                       struct mu_bytes identity,
                       const struct mu_member_record *m);
MU_MUST int mu_srv_scheme_get(struct mu_server *s, uint32_t group,
                              struct mu_scheme_record *sc);
void mu_srv_scheme_put(struct mu_server *s, uint32_t group,
                       const struct mu_scheme_record *sc);
/* The record of a new group; MU_ERR_USAGE for a shape that cannot be. */
MU_MUST int mu_srv_scheme_check(const struct mu_group_scheme *wish);
/* Bytes that a device of ours has for a state, when it has not said. */
#define MU_STATE_MEMORY 4096u
/* A member comes, goes: its record is put, and the change is noted. */
MU_MUST int mu_srv_scheme_join(struct mu_server *s, uint32_t group,
                               const struct mu_group_record *g,
                               struct mu_bytes identity,
                               const struct mu_device_record *d,
                               uint16_t where);
MU_MUST int mu_srv_scheme_leave(struct mu_server *s, uint32_t group,
                                struct mu_bytes identity,
                                const struct mu_device_record *d);
/* It has a place in the trees of the record, and may be given what is there. */
bool mu_srv_member_placed(const struct mu_scheme_record *sc,
                          const struct mu_member_record *m);

/* ---- their trees: server_trees.c ------------------------------------------- */

struct mu_scheme_conf mu_srv_trees_conf(const struct mu_server *s,
                                        uint32_t group,
                                        const struct mu_scheme_record *sc);
size_t mu_srv_trees_map_len(const struct mu_server_conf *conf);
void mu_srv_trees_drop(struct mu_server *s);
/* Reads the trees that a record speaks of. MU_ERR_CORRUPT when they are not
 * whole. */
MU_MUST int mu_srv_trees_load(struct mu_server *s, uint32_t group,
                              const struct mu_scheme_record *sc);
/* The same unless they are here. MU_ERR_BUSY while a rekey is made. */
MU_MUST int mu_srv_trees_use(struct mu_server *s, uint32_t group,
                             const struct mu_scheme_record *sc);
/* New trees are to take the place of those that a record speaks of. */
MU_MUST int mu_srv_trees_replace(struct mu_server *s, uint32_t group,
                                 const struct mu_scheme_record *sc);
/* They are not worth another rekey: new ones are due. */
bool mu_srv_trees_stale(const struct mu_server *s,
                        const struct mu_group_record *g,
                        const struct mu_scheme_record *sc);
/* Puts the trees back to what is in the store, after something was tried. */
void mu_srv_trees_revert(struct mu_server *s, const struct mu_scheme *before);
/* Queues what of the trees has changed since they were loaded or saved, and
 * the map that says where all of it is, from *chunk on as long as there is
 * room; true: that was all. */
bool mu_srv_trees_save(struct mu_server *s, uint32_t group, uint8_t copy,
                       uint64_t generation, uint32_t *chunk);
/* A member's state in the trees that are here; wipe it. */
MU_MUST int mu_srv_state_issue(struct mu_server *s, uint32_t slot,
                               struct mu_bytes *state);
void mu_srv_state_wipe(struct mu_server *s);

/* ---- what the operator sees: server_views.c --------------------------------- */

/* A group has a new key, that nobody holds yet; a member proved to hold a
 * generation, another one before; one that held a generation leaves; all that
 * was counted may be wrong. */
void mu_srv_holders_none(struct mu_server *s, uint32_t group,
                         uint64_t generation);
void mu_srv_holders_add(struct mu_server *s, uint32_t group, uint64_t before,
                        uint64_t held);
void mu_srv_holders_leave(struct mu_server *s, uint32_t group, uint64_t held);
void mu_srv_holders_forget(struct mu_server *s);

/* ---- tracing: server_trace.c ------------------------------------------------ */

/* Who had a place of these trees last, and is it no member any more? */
MU_MUST int mu_srv_place_name(struct mu_server *s, uint32_t group,
                              uint64_t base, uint32_t slot,
                              char identity[MU_ID_MAX + 1], bool *left);
/* New trees are here and come into force: what tracing needs of them. */
MU_MUST int mu_srv_trace_keep(struct mu_server *s, uint32_t group,
                              const struct mu_scheme_record *sc);
/* Trees of the past beyond those that are kept, and places of trees that never
 * came into force, go: some a step, from *after on. */
MU_MUST int mu_srv_trace_sweep(struct mu_server *s, uint32_t group,
                               struct mu_record_key *after, bool *all);

/* ---- rekeys: server_rekey.c ----------------------------------------------- */

/* The next key of a group is to be made. 0: it is under way; MU_ERR_BUSY: not
 * yet, another one is. */
MU_MUST int mu_srv_rekey_begin(struct mu_server *s, uint32_t number);
MU_MUST int mu_srv_rekey_step(struct mu_server_campaign *c);
/* All of it comes into force: server_rekey_flip.c. */
MU_MUST int mu_srv_rekey_flip(struct mu_server *s);
/* Deletes the records of a table whose keys begin like `prefix`, from *after
 * on, below `end` if there is one, some a step. */
MU_MUST int mu_srv_records_drop(struct mu_server *s, uint8_t table,
                                const struct mu_record_key *prefix,
                                size_t prefix_len,
                                const struct mu_record_key *end,
                                struct mu_record_key *after, bool *all);
/* Changes that a rekey has covered go, some a step. */
void mu_srv_rekey_sweep(struct mu_server *s);

/* On its way to the members: server_rekey_cast.c. */
void mu_srv_rekey_cast(struct mu_server_campaign *c);
/* Its campaign has ended: the key is active in any case. */
void mu_srv_rekey_ended(struct mu_server_campaign *c);
void mu_srv_rekey_reset(struct mu_server *s);
/* A rekey of this group has looked at the changes already. */
bool mu_srv_rekey_makes(const struct mu_server *s, uint32_t group);
/* From the start: a change was taken back that it had taken in. */
void mu_srv_rekey_again(struct mu_server *s);
/* A device proved to hold a generation. */
MU_MUST int mu_srv_rekey_held(struct mu_server *s, uint32_t group,
                              uint32_t gateway, uint16_t index,
                              uint64_t generation);
/* The campaign that brings a generation to the members by parts; NULL: none,
 * each has to fetch it. */
struct mu_server_campaign *mu_srv_rekey_of(struct mu_server *s, uint32_t group,
                                           uint64_t generation);

/* ---- gateways: server_link.c ---------------------------------------------- */

struct mu_server_gateway *mu_srv_gateway(struct mu_server *s, uint32_t number);
/* 0: none. */
uint32_t mu_srv_gateway_find(const struct mu_server *s,
                             struct mu_bytes identity);
MU_MUST int mu_srv_gateways_load(struct mu_server *s);
MU_MUST int mu_srv_gateway_enter(struct mu_server *s, uint32_t number,
                                 const struct mu_gateway_record *g,
                                 const struct mu_secret *kmr);
/* Somebody who is no gateway any more knows Kw: the next step makes another. */
void mu_srv_kw_void(struct mu_server *s);
void mu_srv_gateway_leave(struct mu_server *s, uint32_t number);
bool mu_srv_close_next(struct mu_server *s, struct mu_effect *out);
/* Tell a gateway soon that something changed; that devices should ask. */
void mu_srv_notice(struct mu_server *s, uint32_t number);
void mu_srv_poke(struct mu_server *s, uint32_t number);
void mu_srv_poke_all(struct mu_server *s);
/* One device of it; those whom a rekey tells apart. */
void mu_srv_poke_device(struct mu_server *s, uint32_t number, uint16_t index);
void mu_srv_poke_told(struct mu_server *s, uint32_t number);
void mu_srv_asks_work(struct mu_server *s);
void mu_srv_link_request(struct mu_server *s, const struct mu_event *ev);
void mu_srv_link_response(struct mu_server *s, const struct mu_event *ev);
void mu_srv_link_up(struct mu_server *s, const struct mu_event *ev);
void mu_srv_link_down(struct mu_server *s, const struct mu_event *ev);

/* ---- speakers: server_speech.c -------------------------------------------- */

/* Of an area's directory; another one when it is to be made anew; 0: none. */
uint64_t mu_srv_directory_version(struct mu_server *s, uint32_t gateway);
/* Whether there are any in an area; one whose key is not known yet. */
bool mu_srv_speakers(struct mu_server *s, uint32_t gateway);
bool mu_srv_speaker_awaited(struct mu_server *s, uint32_t gateway,
                            uint16_t index);
/* A node shows its key; it counts if it is a speaker. */
MU_MUST int mu_srv_speaker_key(struct mu_server *s, uint32_t gateway,
                               uint16_t index, uint8_t scheme,
                               struct mu_bytes pub);
/* MU_ERR_NOT_FOUND when it was none. */
MU_MUST int mu_srv_speaker_drop(struct mu_server *s, uint32_t gateway,
                                uint16_t index);
MU_MUST int mu_srv_directory_request(struct mu_server *s,
                                     const struct mu_event *ev);

/* ---- devices: server_connect.c -------------------------------------------- */

void mu_srv_connections_init(struct mu_server *s);
void mu_srv_connections_clear(struct mu_server *s);
/* POST /d/IDENTITY */
MU_MUST int mu_srv_device_request(struct mu_server *s,
                                  const struct mu_event *ev,
                                  struct mu_bytes identity);
void mu_srv_connections_drop(struct mu_server *s, struct mu_bytes identity);
/* Key exchange: server_exchange.c. The methods that are taken, as bits. */
uint8_t mu_srv_key_methods(const struct mu_server *s);
/* The payload of the answer to POST /x; keys: of the next connection. */
MU_MUST int mu_srv_exchange_answer(struct mu_server *s,
                                   struct mu_bytes identity,
                                   struct mu_server_connection *c,
                                   struct mu_bytes payload,
                                   struct mu_writer *w,
                                   struct mu_exchange_keys *keys);
/* Why there is none, or no key. */
void mu_srv_exchange_refuse(const struct mu_server *s, uint8_t method, int rc,
                            struct mu_writer *w);
/* Feedback keys that a gateway is to hear of. */
void mu_srv_hop(struct mu_server *s, uint32_t gateway);
void mu_srv_hop_send(struct mu_server *s, uint32_t number,
                     struct mu_server_gateway *gw);
/* It has them; or has them no more, or may not have heard. */
void mu_srv_hop_told(struct mu_server *s, uint32_t gateway, bool good);
void mu_srv_hop_lost(struct mu_server *s, uint32_t gateway);
/* The answer to a key fetch, from server_fetch.c. */
MU_MUST int mu_srv_fetch_answer(struct mu_server *s, struct mu_bytes identity,
                                struct mu_device_record *d, uint8_t method,
                                struct mu_mbms_muk *muk,
                                struct mu_bytes payload, struct mu_writer *w);
/* The connection in force; NULL: none. */
const struct mu_server_connection *
mu_srv_connection(const struct mu_server *s, struct mu_bytes identity);

/* ---- campaigns: server_campaign.c, server_prepare.c, server_cast.c -------- */

MU_MUST int mu_srv_campaigns_load(struct mu_server *s);
void mu_srv_campaigns_work(struct mu_server *s);
void mu_srv_campaigns_stored(struct mu_server *s);
mu_time mu_srv_campaigns_deadline(const struct mu_server *s);
struct mu_server_campaign *mu_srv_campaign_find(struct mu_server *s,
                                                const uint8_t *id);
bool mu_srv_campaign_at_work(const struct mu_server_campaign *c);
static inline bool mu_srv_campaign_is_key(const struct mu_server_campaign *c)
{
    return c->rec.what == MU_CAMPAIGN_KEY;
}
static inline bool mu_srv_campaign_is_command(const struct mu_server_campaign *c)
{
    return c->rec.what == MU_CAMPAIGN_COMMAND;
}
/* Inline objects, and nothing in pages. */
static inline bool mu_srv_campaign_is_inline(const struct mu_server_campaign *c)
{
    return c->rec.what != MU_CAMPAIGN_OBJECT;
}
/* A new one, in the slot of a file. */
MU_MUST int mu_srv_campaign_new(struct mu_server *s,
                                const struct mu_campaign_record *r);
/* A slot for a key, with its records put; NULL with *rc. */
struct mu_server_campaign *mu_srv_campaign_key(struct mu_server *s,
                                               uint32_t group, uint8_t mode,
                                               int *rc);
/* It ends, with what it has reached. */
void mu_srv_campaign_finish(struct mu_server_campaign *c);
/* A session number that no campaign has. */
uint8_t mu_srv_session_pick(struct mu_server *s);
/* The list that gateways see has changed. */
void mu_srv_campaign_changed(struct mu_server_campaign *c);
uint32_t mu_srv_campaign_put(struct mu_server_campaign *c);
uint32_t mu_srv_campaign_elapsed(const struct mu_server_campaign *c);
/* Does a campaign still need this Kb? */
bool mu_srv_campaign_needs_key(const struct mu_server *s, uint32_t group,
                               uint64_t generation);
/* A target that is wanted no more: revoked, or out of the group. *rekey: a
 * campaign wants what it has not received yet to be closed to it. */
MU_MUST int mu_srv_campaigns_shut_out(struct mu_server *s, uint32_t group,
                                      uint32_t gateway, uint16_t index,
                                      bool *rekey);
/* Is a campaign on the air under this Kb? */
bool mu_srv_campaign_casts(const struct mu_server *s, uint32_t group,
                           uint64_t generation);
/* A group has a new key: campaigns on the air under the old one, which some
 * member may never have fetched, are encrypted anew. */
void mu_srv_campaigns_follow(struct mu_server *s, uint32_t group,
                             uint64_t generation);
/* RUNNING or PAUSED, and not a key. */
bool mu_srv_campaign_on_air(const struct mu_server_campaign *c);

/* server_late.c */
/* A member is there from now on, also for the campaigns that are open. */
void mu_srv_campaigns_join(struct mu_server *s, uint32_t group,
                           const struct mu_device_record *d);
/* On the air: asks for another edition when it is time for one. */
void mu_srv_late_work(struct mu_server_campaign *c);
mu_time mu_srv_late_deadline(const struct mu_server_campaign *c);
/* That edition is to be signed: for the areas that have somebody to wait for.
 * MU_ERR_BUSY: not now. */
MU_MUST int mu_srv_late_areas(struct mu_server_campaign *c);

/* Ends it when nothing is left to wait for. */
void mu_srv_campaign_settle(struct mu_server_campaign *c);
/* Adds (sign 1) or takes away (-1) a target's bits in the counts. */
void mu_srv_campaign_count(struct mu_campaign_record *r, uint8_t state,
                           int sign);

/* Whether the running members of a campaign make its quorum. */
bool mu_srv_campaign_quorum(const struct mu_campaign_record *r);

/* Stage TARGETS, of any but a key. */
MU_MUST int mu_srv_targets_step(struct mu_server_campaign *c);
/* Makes a device a target, keeping what is known of its state; or says what
 * keeps it from taking the object. */
void mu_srv_target_begin(struct mu_server_campaign *c,
                         const struct mu_device_record *d,
                         struct mu_target_record *t);
/* server_command.c */
MU_MUST int mu_srv_command_step(struct mu_server_campaign *c);
void mu_srv_command_sweep(struct mu_server *s, const uint8_t *id);

/* One bounded piece of preparing. MU_ERR_BUSY: not now. */
MU_MUST int mu_srv_prepare_step(struct mu_server_campaign *c);
MU_MUST int mu_srv_prepare_open(struct mu_server_campaign *c);
/* Another edition: begins the stage PAGES with a fresh CEK and session. */
MU_MUST int mu_srv_prepare_again(struct mu_server_campaign *c);
size_t mu_srv_campaign_work_len(const struct mu_server_conf *conf);
struct mu_kid mu_srv_cek_kid(const struct mu_server_campaign *c);

void mu_srv_cast_begin(struct mu_server_campaign *c);
void mu_srv_cast_end(struct mu_server_campaign *c);
/* What was put on the wide area so far, over editions and restarts. */
void mu_srv_cast_counts(const struct mu_server_campaign *c,
                        struct mu_cast_counts *out);
void mu_srv_cast_counts_put(struct mu_server_campaign *c);
/* As it was stored last; zero when it never was. */
void mu_srv_cast_counts_get(struct mu_server *s,
                            const uint8_t campaign[MU_CAMPAIGN_ID],
                            struct mu_cast_counts *out);
void mu_srv_cast_work(struct mu_server_campaign *c);
void mu_srv_cast_control(struct mu_server *s); /* Kw changed */
void mu_srv_cast_packet(struct mu_server *s, const struct mu_event *ev);
bool mu_srv_cast_next(struct mu_server *s, struct mu_effect *out);
mu_time mu_srv_cast_deadline(const struct mu_server_campaign *c);

/* POST /camp, POST /camp/m, POST /r, POST /t */
MU_MUST int mu_srv_camp_request(struct mu_server *s, const struct mu_event *ev);
MU_MUST int mu_srv_camp_m_request(struct mu_server *s,
                                  const struct mu_event *ev);
MU_MUST int mu_srv_report_request(struct mu_server *s,
                                  const struct mu_event *ev);
MU_MUST int mu_srv_tally_request(struct mu_server *s,
                                 const struct mu_event *ev);

#endif
