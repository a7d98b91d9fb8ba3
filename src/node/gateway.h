/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the gateway engine. */
#ifndef MUSTER_NODE_GATEWAY_H
#define MUSTER_NODE_GATEWAY_H

#include "muster/coap.h"
#include "muster/gateway_state.h"

#define MU_GATEWAY_TICKS 256u /* reserved by a write */

/* gateway.c */
void mu_gateway_trace(struct mu_gateway *g, const char *name, uint64_t a,
                      uint64_t b);

/* gateway_store.c: records */
int mu_gateway_load(struct mu_gateway *g);
bool mu_gateway_next_store(struct mu_gateway *g, struct mu_effect *out);
int mu_gateway_stored(struct mu_gateway *g, const struct mu_event *ev);
bool mu_gateway_barrier(const struct mu_gateway *g);
mu_time mu_gateway_store_deadline(const struct mu_gateway *g);
void mu_gateway_device_dirty(struct mu_gateway *g, uint16_t index);
/* gateway_store_camp.c: of campaigns */
void mu_gateway_campaign_write(const struct mu_gateway_session *s,
                               struct mu_writer *w, mu_time now);
int mu_gateway_load_campaigns(struct mu_gateway *g);
void mu_gateway_progress_write(const struct mu_gateway_session *s,
                               struct mu_writer *w);
/* Puts the receiver and the area page where the record says. */
int mu_gateway_progress_load(struct mu_gateway *g,
                             struct mu_gateway_session *s);
/* Whether the progress of a shape fits a record. */
bool mu_gateway_progress_fits(const struct mu_cast_shape *shape);

/* gateway_wide.c: the server */
int mu_gateway_wide_up(struct mu_gateway *g, const struct mu_event *ev);
void mu_gateway_wide_down(struct mu_gateway *g);
int mu_gateway_wide_request(struct mu_gateway *g, const struct mu_message *m);
/* Takes the server's tick off a POLL. */
MU_MUST int mu_gateway_wide_ticked(struct mu_gateway *g, uint16_t kg,
                                   struct mu_bytes *packet);
int mu_gateway_wide_response(struct mu_gateway *g, const struct mu_message *m);
void mu_gateway_wide_no_answer(struct mu_gateway *g, uint32_t exchange);
bool mu_gateway_next_ask(struct mu_gateway *g, struct mu_effect *out);
mu_time mu_gateway_wide_deadline(const struct mu_gateway *g);
/* Makes the SEND of a request to the server. */
void mu_gateway_ask_effect(struct mu_gateway *g, const char *path,
                           const struct mu_writer *w, struct mu_effect *out);
int mu_gateway_server_keys(struct mu_gateway *g);

/* gateway_area.c: device list and area key */
int mu_gateway_area_page(struct mu_gateway *g, struct mu_bytes payload);
int mu_gateway_device_set(struct mu_gateway *g, uint16_t index,
                          struct mu_bytes identity,
                          const struct mu_secret *khop);
int mu_gateway_kg_run(struct mu_gateway *g);
bool mu_gateway_kg_waits(const struct mu_gateway *g);
void mu_gateway_kg_stored(struct mu_gateway *g);
int mu_gateway_control_key(struct mu_gateway *g, struct mu_gateway_key *k);
/* The chain of ticks of kg[0], from a place on that was never told. */
int mu_gateway_ticks_begin(struct mu_gateway *g, uint16_t at);
/* Reserves ticks, and has the area key changed before they end. */
void mu_gateway_ticks_run(struct mu_gateway *g);

/* gateway_device.c: links to devices, their requests, what is pushed to them */
int mu_gateway_device_up(struct mu_gateway *g, const struct mu_event *ev);
void mu_gateway_device_down(struct mu_gateway *g, uint16_t index);
int mu_gateway_device_request(struct mu_gateway *g, uint16_t index,
                              const struct mu_message *m);
/* The end of a push, code 0 without an answer; MU_ERR_UNEXPECTED when it is
 * none's. */
int mu_gateway_device_answered(struct mu_gateway *g, uint16_t index,
                               uint32_t exchange, uint8_t code);
/* Feedback keys of devices, from the server. */
void mu_gateway_hop(struct mu_gateway *g, const struct mu_wide_hop *m);
void mu_gateway_attend(struct mu_gateway *g, uint16_t index);
void mu_gateway_push(struct mu_gateway *g, uint16_t index);
/* Answered with nothing but this code. */
void mu_gateway_refuse(struct mu_gateway *g, uint16_t index, uint32_t exchange,
                       uint8_t code);
bool mu_gateway_next_device(struct mu_gateway *g, struct mu_effect *out);
bool mu_gateway_next_push(struct mu_gateway *g, struct mu_effect *out);
/* Closes links that must not stand, barrier or not; says which may be
 * silent. */
bool mu_gateway_next_link(struct mu_gateway *g, struct mu_effect *out);
void mu_gateway_push_again(struct mu_gateway *g);
int mu_gateway_poke(struct mu_gateway *g, struct mu_bytes bitmap);

/* gateway_forward.c: end-to-end messages */
int mu_gateway_forward_take(struct mu_gateway *g, uint16_t index,
                            const struct mu_message *m);
int mu_gateway_forward_answer(struct mu_gateway *g, const struct mu_message *m);
bool mu_gateway_forward_fail(struct mu_gateway *g, uint32_t exchange);
void mu_gateway_forward_drop(struct mu_gateway *g, uint16_t index);
void mu_gateway_forward_wide_down(struct mu_gateway *g);
void mu_gateway_forward_run(struct mu_gateway *g);
bool mu_gateway_next_forward(struct mu_gateway *g, struct mu_effect *out);
mu_time mu_gateway_forward_deadline(const struct mu_gateway *g);

/* gateway_speech.c: what is said to all of the area */
size_t mu_gateway_speech_work(const struct mu_gateway_conf *conf);
/* After the other records are loaded. work: behind struct mu_gateway_speech. */
int mu_gateway_speech_load(struct mu_gateway *g);
void mu_gateway_speech_clear(struct mu_gateway *g);
void mu_gateway_speech_write(const struct mu_gateway *g, size_t which,
                             struct mu_writer *w);
void mu_gateway_speech_run(struct mu_gateway *g);
/* The server has this version; 0: none. */
void mu_gateway_speech_offered(struct mu_gateway *g, uint64_t version);
int mu_gateway_speech_ask(struct mu_gateway *g, struct mu_writer *w);
int mu_gateway_speech_list(struct mu_gateway *g, struct mu_bytes payload);
int mu_gateway_speech_say(struct mu_gateway *g, uint16_t index,
                          const struct mu_message *m);
int mu_gateway_speech_who(struct mu_gateway *g, uint16_t index,
                          const struct mu_message *m);
int mu_gateway_speech_told(struct mu_gateway *g, uint16_t index,
                           struct mu_writer *w);
/* An answer of a speaker, or none (m->code 0); false: it is to no question. */
bool mu_gateway_speech_answered(struct mu_gateway *g, uint16_t index,
                                const struct mu_message *m);
void mu_gateway_speech_down(struct mu_gateway *g, uint16_t index);
bool mu_gateway_next_question(struct mu_gateway *g, struct mu_effect *out);
/* A frame for the air: its length, or 0. */
size_t mu_gateway_speech_frame(struct mu_gateway *g, uint8_t *to);
bool mu_gateway_speech_waits(const struct mu_gateway *g);
mu_time mu_gateway_speech_deadline(const struct mu_gateway *g);

/* gateway_camp.c: the list of campaigns and what each is */
int mu_gateway_camp_page(struct mu_gateway *g, struct mu_bytes payload);
int mu_gateway_camp_details(struct mu_gateway *g, struct mu_gateway_session *s,
                            struct mu_bytes payload);
void mu_gateway_camp_refresh(struct mu_gateway *g);
void mu_gateway_session_move(struct mu_gateway_session *s,
                             enum mu_gateway_move move);
struct mu_gateway_session *mu_gateway_session_of(struct mu_gateway *g,
                                                 uint8_t session);
bool mu_gateway_session_member(const struct mu_gateway_session *s,
                               uint16_t index);
/* What is announced in the area; empty while there is nothing. */
struct mu_bytes mu_gateway_session_object(const struct mu_gateway_session *s);
void mu_gateway_session_count(struct mu_gateway_session *s);
/* Wipes a slot but for its memory. */
void mu_gateway_session_clear(struct mu_gateway_session *s);
int mu_gateway_session_parse(struct mu_gateway_session *s);

/* gateway_session.c: receiver, sender, announce packets */
void mu_gateway_session_hand(struct mu_gateway *g, struct mu_gateway_session *s);
int mu_gateway_session_begin(struct mu_gateway *g,
                             struct mu_gateway_session *s);
int mu_gateway_session_run(struct mu_gateway *g, struct mu_gateway_session *s);
void mu_gateway_session_control(struct mu_gateway *g,
                                struct mu_gateway_session *s);
int mu_gateway_session_send(struct mu_gateway *g, struct mu_gateway_session *s);
void mu_gateway_session_announce(struct mu_gateway_session *s, uint8_t rounds);
/* Announcements ahead of the first poll of who is new. */
uint8_t mu_gateway_session_leads(const struct mu_gateway *g,
                                 const struct mu_gateway_session *s);
bool mu_gateway_session_active(const struct mu_gateway_session *s);
int mu_gateway_packet(struct mu_gateway *g, const struct mu_event *ev);
bool mu_gateway_next_wide_packet(struct mu_gateway *g, struct mu_effect *out);
bool mu_gateway_next_area_packet(struct mu_gateway *g, struct mu_effect *out);
mu_time mu_gateway_session_deadline(const struct mu_gateway *g);

/* Bytes a second in the area, now; 0: unpaced. */
static inline uint32_t mu_gateway_area_rate(const struct mu_gateway *g)
{
    return mu_rate_yields(&g->yield) ? g->yield.rate : g->conf.area_rate;
}

/* Stopped by the operator, or because nobody would hear it. */
void mu_gateway_session_pause(struct mu_gateway_session *s);

/* gateway_window.c: devices that sleep */
bool mu_gateway_listens(const struct mu_gateway *g, uint16_t index);
/* Until the next window opens, of a device that has windows: 1 us to its
 * period. */
mu_time mu_gateway_opens_in(const struct mu_gateway *g, uint16_t index);
void mu_gateway_listens_set(struct mu_gateway *g, uint16_t index,
                            const struct mu_area_listens *l);
/* Who misses something, or who is there, may have changed. */
void mu_gateway_windows_stale(struct mu_gateway *g);
void mu_gateway_window_run(struct mu_gateway *g, struct mu_gateway_session *s);

/* gateway_relay.c: option 1 */
int mu_gateway_relay_run(struct mu_gateway *g, struct mu_gateway_session *s);
/* The relay manifest, under the Kg in force. */
int mu_gateway_relay_announce(struct mu_gateway *g,
                              struct mu_gateway_session *s);
/* Opens what is prepared already. */
int mu_gateway_relay_open(struct mu_gateway *g, struct mu_gateway_session *s);
bool mu_gateway_relay_busy(const struct mu_gateway_session *s);

/* gateway_inline.c: campaigns without pages */
int mu_gateway_inline_parse(struct mu_gateway_session *s);
void mu_gateway_inline_begin(struct mu_gateway_session *s);
int mu_gateway_inline_run(struct mu_gateway *g, struct mu_gateway_session *s);
int mu_gateway_inline_part(struct mu_gateway *g, struct mu_gateway_session *s,
                           const struct mu_wide_campaign *details);
mu_time mu_gateway_inline_deadline(const struct mu_gateway_session *s);
size_t mu_gateway_inline_packet(struct mu_gateway *g,
                                struct mu_gateway_session *s, uint8_t *to);
/* A census is over: once more, while somebody is missing. */
void mu_gateway_inline_again(struct mu_gateway_session *s);
bool mu_gateway_inline_brings(const struct mu_gateway *g,
                              const struct mu_gateway_session *s);
void mu_gateway_inline_hello(struct mu_gateway *g, uint16_t index);

/* gateway_census.c: who has come how far */
static inline bool mu_gateway_member_final(const struct mu_gateway_member *m)
{
    return (m->state & (MU_STATE_RUNNING | MU_STATE_FAILED)) != 0;
}


int mu_gateway_status_packet(struct mu_gateway *g, struct mu_bytes packet);
/* A request that is an acknowledgement in the place of a keep-alive. */
int mu_gateway_ride(struct mu_gateway *g, uint16_t index,
                    const struct mu_message *m);
size_t mu_gateway_census_write(struct mu_gateway *g,
                               struct mu_gateway_session *s, uint8_t *to);
bool mu_gateway_census_due(const struct mu_gateway *g,
                           const struct mu_gateway_session *s);
mu_time mu_gateway_census_deadline(const struct mu_gateway_session *s);
mu_time mu_gateway_census_wait(const struct mu_gateway_session *s);
void mu_gateway_census_soon(struct mu_gateway *g, struct mu_gateway_session *s);

/* gateway_report.c: acknowledgements to the server */
void mu_gateway_report_news(struct mu_gateway *g, struct mu_gateway_session *s);
bool mu_gateway_next_report(struct mu_gateway *g, struct mu_effect *out);
int mu_gateway_report_answer(struct mu_gateway *g, struct mu_gateway_session *s,
                             const struct mu_message *m);
void mu_gateway_report_lost(struct mu_gateway *g, struct mu_gateway_session *s);
/* What the campaigns cost, at most once a second each. */
bool mu_gateway_next_tally(struct mu_gateway *g, struct mu_effect *out);
mu_time mu_gateway_tally_deadline(const struct mu_gateway *g);
mu_time mu_gateway_report_deadline(const struct mu_gateway_session *s);

#endif
