/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the device engine. */
#ifndef MUSTER_NODE_DEVICE_H
#define MUSTER_NODE_DEVICE_H

#include "muster/coap.h"
#include "muster/device_exchange.h"
#include "muster/scheme.h"

/* device.c */
void mu_device_trace(struct mu_device *d, const char *name, uint64_t a,
                     uint64_t b);

/* device_store.c: records */
int mu_device_load(struct mu_device *d);
bool mu_device_next_store(struct mu_device *d, struct mu_effect *out);
void mu_device_dirty(struct mu_device *d, enum mu_device_records rec);
/* The accepted manifest; roots lie in d->out. MU_ERR_NOT_FOUND. */
int mu_device_load_object(struct mu_device *d, struct mu_device_campaign *c,
                          struct mu_bytes *roots);
/* The receiver's progress on the campaign's object. MU_ERR_NOT_FOUND. */
int mu_device_load_page(struct mu_device *d);
/* Whether root hashes of that many bytes fit the record of an object. */
bool mu_device_object_fits(size_t roots_len);
/* Whether a SEND or PACKET has to wait for a record. */
bool mu_device_barrier(const struct mu_device *d);
/* The version under a name, and the digest it had. MU_ERR_NOT_FOUND. */
int mu_device_seen(const struct mu_device *d, struct mu_bytes name,
                   uint64_t *version, uint8_t digest[32]);

/* device_link.c: hello, connect, requests of the gateway */
int mu_device_link_up(struct mu_device *d, const struct mu_event *ev);
void mu_device_link_down(struct mu_device *d);
int mu_device_request(struct mu_device *d, const struct mu_message *m);
int mu_device_response(struct mu_device *d, const struct mu_message *m);
void mu_device_no_answer(struct mu_device *d, uint32_t exchange);
mu_time mu_device_ask_deadline(const struct mu_device *d, size_t which);
bool mu_device_next_ask(struct mu_device *d, struct mu_effect *out);
/* Asks /hello again, because a Kg is in use that is not known; bounded. */
void mu_device_rehello(struct mu_device *d);
void mu_device_area_expire(struct mu_device *d);
/* Takes the gateway's tick off a POLL, CENSUS or announcement. */
MU_MUST int mu_device_ticked(struct mu_device *d, enum mu_cast_kind kind,
                             uint16_t kg, struct mu_bytes *packet);
/* The area key whose generation ends in this byte; NULL. */
const struct mu_device_area *mu_device_area_find(const struct mu_device *d,
                                                 uint16_t kg);

/* device_radio.c: windows of a device that sleeps */
void mu_device_radio_granted(struct mu_device *d,
                             const struct mu_area_welcome *m);
bool mu_device_next_radio_on(struct mu_device *d, struct mu_effect *out);
/* After everything else: there is nothing to be sent. */
bool mu_device_next_radio_off(struct mu_device *d, struct mu_effect *out);
mu_time mu_device_radio_deadline(const struct mu_device *d);

/* device_keys.c: connect and key fetch */
int mu_device_connect_write(struct mu_device *d, struct mu_writer *w);
int mu_device_connect_answer(struct mu_device *d, const struct mu_message *m);
int mu_device_keys_write(struct mu_device *d, struct mu_writer *w,
                         struct mu_message *m);
int mu_device_keys_answer(struct mu_device *d, const struct mu_message *m);
/* OSCORE around a request, `plain` its payload, to `path`, and off it. */
int mu_device_protect(struct mu_device *d, const char *path,
                      struct mu_bytes plain, struct mu_writer *w,
                      struct mu_message *m);
int mu_device_unprotect(struct mu_device *d, const struct mu_message *m,
                        struct mu_writer *w, struct mu_coap_msg *out);
void mu_device_fetch(struct mu_device *d);
/* The same, when a stranger may be the cause: bounded. */
void mu_device_fetch_slowly(struct mu_device *d);
/* The same, when a whole area has the same cause at once: spread. */
void mu_device_fetch_spread(struct mu_device *d);
void mu_device_disconnect(struct mu_device *d);
bool mu_device_in_group(const struct mu_device *d, uint32_t group);
/* CAST-8 option 2: the server lets gateways hand out its Kb. */
bool mu_device_group_handed(const struct mu_device *d, uint32_t group);

/* device_member.c: states of rekeying schemes */
size_t mu_device_member_work(const struct mu_device_conf *conf);
/* MU_ERR_NOT_FOUND when there is none. */
int mu_device_member(struct mu_device *d, uint32_t group, struct mu_member *m);
/* What mu_device_member gave has opened something. */
void mu_device_member_changed(struct mu_device *d, uint32_t group,
                              const struct mu_member *m);
void mu_device_member_drop(struct mu_device *d, uint32_t group);
bool mu_device_member_record(struct mu_device *d, struct mu_effect *out);
void mu_device_member_stored(struct mu_device *d, int result);
int mu_device_members_load(struct mu_device *d);
void mu_device_members_ask(struct mu_device *d, struct mu_keyfetch_request *q);
/* Takes a piece; *more: the next is to be asked for at once. */
int mu_device_members_piece(struct mu_device *d,
                            const struct mu_keyfetch_response *in, bool *more);

/* device_inline.c: rekey parts */
/* True for an inline object that is not worth a signature check. */
bool mu_device_inline_idle(struct mu_device *d, struct mu_bytes object);
/* One whose signature was right. */
int mu_device_inline_take(struct mu_device *d, const struct mu_manifest *m,
                          const uint8_t object[MU_SHA256_LEN]);

/* device_mbms.c: keys the way of MBMS, and the commands under them */
int mu_device_mbms_connected(struct mu_device *d,
                             const struct mu_connection *conn,
                             struct mu_bytes server);
/* An MSK message of a key fetch; its Kb is put into the ring. *fresh: it was
 * not held. */
int mu_device_mbms_msk(struct mu_device *d, const struct mu_keyfetch_msk *in,
                       bool *fresh);
void mu_device_mbms_drop(struct mu_device *d, uint32_t group);
/* 0: worth a signature check. MU_ERR_UNKNOWN_KEY: keys are to be asked for. */
int mu_device_command_worth(struct mu_device *d, const struct mu_manifest *m);
int mu_device_command_take(struct mu_device *d, const struct mu_manifest *m,
                           const uint8_t object[MU_SHA256_LEN]);
/* What goes on by itself. */
void mu_device_command_run(struct mu_device *d);
bool mu_device_next_command(struct mu_device *d, struct mu_effect *out);
int mu_device_command_hook(struct mu_device *d, int result);
void mu_device_mbms_write(const struct mu_device *d, struct mu_writer *w);
/* MU_ERR_CORRUPT: all keys are to be fetched anew. */
int mu_device_mbms_read(struct mu_device *d, struct mu_bytes in);
/* After all records were read: a command that a crash interrupted has
 * failed. */
int mu_device_command_resume(struct mu_device *d);

/* device_speech.c: what all of the area are told, and by whom */
size_t mu_device_speech_work(const struct mu_device_conf *conf);
/* After all other work memory is carved. */
int mu_device_speech_init(struct mu_device *d, uint8_t *work, size_t len);
void mu_device_speech_clear(struct mu_device *d);
int mu_device_speech_area(struct mu_device *d, const struct mu_secret *khop);
void mu_device_speech_welcome(struct mu_device *d);
void mu_device_speech_run(struct mu_device *d);
int mu_device_speech_packet(struct mu_device *d, struct mu_bytes packet);
int mu_device_speech_told(struct mu_device *d, struct mu_bytes payload);
int mu_device_speech_asked(struct mu_device *d, const struct mu_message *m);
int mu_device_speech_write(struct mu_device *d, size_t which,
                           struct mu_writer *w);
int mu_device_speech_answer(struct mu_device *d, size_t which,
                            const struct mu_message *m);
void mu_device_speech_hook(struct mu_device *d);
bool mu_device_next_alert(struct mu_device *d, struct mu_effect *out);
bool mu_device_next_intro(struct mu_device *d, struct mu_effect *out);
mu_time mu_device_speech_deadline(const struct mu_device *d);
/* Its key, for the server, while nobody lets it speak; empty: none. */
struct mu_bytes mu_device_speech_key(const struct mu_device *d);

/* device_announce.c: announce packets and objects */
/* Option 1: the gateway says over the hop which relay manifest is its own. */
void mu_device_vouched(struct mu_device *d,
                       const uint8_t digest[MU_SHA256_LEN]);
/* An object that the gateway handed over the hop. */
int mu_device_announce_told(struct mu_device *d, struct mu_bytes object);
int mu_device_announce_packet(struct mu_device *d, struct mu_bytes packet);
/* An object that came by unicast. */
int mu_device_announce_object(struct mu_device *d, struct mu_bytes object);
/* An object that waits for its signature check. */
int mu_device_announce_run(struct mu_device *d);
mu_time mu_device_announce_deadline(const struct mu_device *d);
/* A poll or census, under the area's key, of a session. */
void mu_device_polled(struct mu_device *d, uint8_t session, uint8_t round,
                      uint16_t window_ms);
bool mu_device_next_unheard(struct mu_device *d, struct mu_effect *out);
mu_time mu_device_unheard_deadline(const struct mu_device *d);
void mu_device_want(struct mu_device *d, const struct mu_area_session *s);
/* Whether an object needs no work: it is taken, done, or not for us. */
bool mu_device_object_known(const struct mu_device *d,
                            const uint8_t id[MU_OBJECT_ID_LEN]);
void mu_device_ignore(struct mu_device *d, const uint8_t id[MU_OBJECT_ID_LEN]);
void mu_device_keys_arrived(struct mu_device *d);

/* device_campaign.c: one object from its manifest to the running version */
int mu_device_campaign_offer(struct mu_device *d, const struct mu_manifest *m,
                             const struct mu_secret *cek,
                             const uint8_t object[32]);
void mu_device_campaign_cancel(struct mu_device *d,
                               const uint8_t id[MU_CAMPAIGN_ID]);
int mu_device_campaign_packet(struct mu_device *d, struct mu_bytes packet);
int mu_device_campaign_hook(struct mu_device *d, enum mu_hook hook,
                            int result);
/* What goes on by itself: the receiver's set-up, its progress, the digest. */
int mu_device_campaign_run(struct mu_device *d);
bool mu_device_next_hook(struct mu_device *d, struct mu_effect *out);
mu_time mu_device_campaign_deadline(const struct mu_device *d);
/* After init: goes on where the records end. */
void mu_device_campaign_resume(struct mu_device *d);
/* Our index or the keys of the area changed. */
void mu_device_campaign_area(struct mu_device *d, bool moved);
bool mu_device_next_need(struct mu_device *d, struct mu_effect *out);

/* device_receive.c: the receiver's set-up and what it hands over */
/* Bytes of a PAGE record. */
size_t mu_device_save_max(const struct mu_cast_shape *s);
int mu_device_receive_open(struct mu_device *d);
/* What was written to the slot is durable. */
MU_MUST int mu_device_receive_sync(struct mu_device *d);
mu_time mu_device_receive_deadline(const struct mu_device *d);
uint8_t *mu_device_save_room(struct mu_device *d);

/* device_status.c: reports and STATUS packets */
struct mu_device_report *mu_device_report_new(struct mu_device *d);
/* Behind the first one, which is that of the campaign in progress. */
struct mu_device_report *mu_device_report_beside(struct mu_device *d);
struct mu_device_report *mu_device_report_of(struct mu_device *d,
                                             const uint8_t *campaign);
int mu_device_report_state(struct mu_device *d, struct mu_device_report *r,
                           uint8_t state, int reason,
                           const uint8_t digest[32]);
void mu_device_report_soon(struct mu_device *d, struct mu_device_report *r);
/* What has become due while the radio was off is told within so long. */
void mu_device_reports_woken(struct mu_device *d, mu_time most);
int mu_device_census(struct mu_device *d, struct mu_bytes packet);
bool mu_device_next_status(struct mu_device *d, struct mu_effect *out);
bool mu_device_next_ride(struct mu_device *d, struct mu_effect *out);
/* true: the answer was to one that rode with a keep-alive */
bool mu_device_ride_answer(struct mu_device *d, const struct mu_message *m);
void mu_device_ride_lost(struct mu_device *d, uint32_t exchange);
mu_time mu_device_status_deadline(const struct mu_device *d);

#endif
