/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef MIKEY_INTERNAL_H
#define MIKEY_INTERNAL_H

#include "muster/mikey_exchange.h"

/* header.c */
void mu_mikey_header_write(struct mu_writer *w,
                           const struct mu_mikey_header *h);
MU_MUST int mu_mikey_header_read(struct mu_reader *r,
                                 struct mu_mikey_header *h, uint8_t *next);

/* payload_read.c */
size_t mu_mikey_hash_len(uint8_t hash); /* 0: not known */
bool mu_mikey_params_ok(struct mu_bytes params);

/* session.c */
struct mu_bytes mu_mikey_name_view(const struct mu_mikey_name *n);
struct mu_mikey_bundle mu_mikey_bundle_of(const struct mu_mikey_session *s);

/* accept.c: what every first message goes through. take: form, policy, who;
 * s is filled in but for keys. fresh: time and replay, after the MAC. */
MU_MUST int mu_mikey_take(const struct mu_mikey_policy *policy,
                          const struct mu_mikey_message *m,
                          struct mu_mikey_session *s);
MU_MUST int mu_mikey_fresh(const struct mu_crypto *c,
                           const struct mu_mikey_policy *policy,
                           const struct mu_mikey_message *m);
/* Reads a response to s: type, CSB, PRF, T and names are those of s. */
MU_MUST int mu_mikey_answer(const struct mu_mikey_session *s,
                            enum mu_mikey_type type, struct mu_bytes in,
                            struct mu_mikey_message *m);
MU_MUST int mu_mikey_read(enum mu_mikey_type type, struct mu_bytes in,
                          struct mu_mikey_message *m);

/* put.c: parts of messages that several have. */
struct mu_mikey_writer mu_mikey_put_first(struct mu_mikey_session *s,
                                          enum mu_mikey_type type,
                                          struct mu_bytes cert,
                                          struct mu_writer *w);
struct mu_mikey_writer mu_mikey_put_answer(const struct mu_mikey_session *s,
                                           enum mu_mikey_type type,
                                           struct mu_writer *w);
void mu_mikey_put_name(struct mu_mikey_writer *m,
                       const struct mu_mikey_name *n);
void mu_mikey_put_cert(struct mu_mikey_writer *m, struct mu_bytes cert);
void mu_mikey_put_policies(struct mu_mikey_writer *m,
                           const struct mu_mikey_session *s);
void mu_mikey_put_dh(struct mu_mikey_writer *m, uint8_t group,
                     const uint8_t *value);

/* What a response is bound to beside its bytes: IDi, IDr, T (s.5.2). */
#define MU_MIKEY_BOUND 4
void mu_mikey_bound(const struct mu_mikey_session *s, uint8_t t[8],
                    struct mu_bytes parts[MU_MIKEY_BOUND]);

/* kemac.c. The MAC is over the payload alone (public-key methods), or over the
 * whole message with or without what a response is bound to. */
enum mu_mikey_cover { MU_COVER_KEMAC, MU_COVER_MESSAGE, MU_COVER_ANSWER };
MU_MUST int mu_mikey_kemac_put(const struct mu_crypto *c,
                               const struct mu_mikey_session *s,
                               const struct mu_mikey_msg_keys *k,
                               const struct mu_mikey_name *name,
                               enum mu_mikey_cover cover,
                               struct mu_mikey_writer *m);
MU_MUST int mu_mikey_kemac_check(const struct mu_crypto *c,
                                 const struct mu_mikey_session *s,
                                 const struct mu_mikey_msg_keys *k,
                                 enum mu_mikey_cover cover,
                                 const struct mu_mikey_message *m);
/* Decrypts into s->keys; name: the identity that must stand first, or NULL. */
MU_MUST int mu_mikey_kemac_open(const struct mu_crypto *c,
                                struct mu_mikey_session *s,
                                const struct mu_mikey_msg_keys *k,
                                struct mu_mikey_name *name,
                                const struct mu_mikey_message *m);

/* sign.c. answer: bound to the other's message (s.5.2). */
MU_MUST int mu_mikey_sign_put(const struct mu_mikey_pk *pk,
                              const struct mu_mikey_session *s, bool answer,
                              struct mu_mikey_writer *m);
MU_MUST int mu_mikey_sign_check(const struct mu_mikey_pk *pk,
                                const struct mu_mikey_policy *policy,
                                const struct mu_mikey_session *s, bool answer,
                                const struct mu_mikey_name *who,
                                const struct mu_mikey_message *m);

/* dh.c. tgk: adds the TGK to s. respond: makes our value, too. same: a response
 * is in the group and about the value of s. */
MU_MUST int mu_mikey_dh_tgk(const struct mu_mikey_pk *pk,
                            struct mu_mikey_session *s, const uint8_t *x,
                            const uint8_t *peer);
MU_MUST int mu_mikey_dh_respond(const struct mu_mikey_pk *pk,
                                struct mu_mikey_session *s,
                                uint8_t gx[MU_MIKEY_DH_MAX]);
MU_MUST int mu_mikey_dh_same(const struct mu_mikey_session *s,
                             const struct mu_mikey_message *m);

/* envelope.c: KEMAC and PKE of RSA and RSA-R. */
MU_MUST int mu_mikey_envelope_put(const struct mu_crypto *c,
                                  const struct mu_mikey_pk *pk,
                                  struct mu_mikey_session *s,
                                  const struct mu_mikey_name *name,
                                  struct mu_mikey_writer *m);
MU_MUST int mu_mikey_envelope_open(const struct mu_crypto *c,
                                   const struct mu_mikey_pk *pk,
                                   struct mu_mikey_session *s,
                                   struct mu_mikey_name *name,
                                   const struct mu_mikey_message *m);

#endif
