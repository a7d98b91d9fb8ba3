/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of messages that several have: heads, names, policies. */
#include "mikey/internal.h"

void mu_mikey_put_name(struct mu_mikey_writer *m,
                       const struct mu_mikey_name *n)
{
    if (n->len > 0)
        mu_mikey_put(m, &(struct mu_mikey_payload){
                            .type = MU_MIKEY_ID,
                            .id = {n->type, mu_mikey_name_view(n)}});
}

void mu_mikey_put_cert(struct mu_mikey_writer *m, struct mu_bytes cert)
{
    mu_mikey_put(m,
                 &(struct mu_mikey_payload){.type = MU_MIKEY_CERT,
                                            .cert = {MU_MIKEY_X509, cert}});
}

void mu_mikey_put_policies(struct mu_mikey_writer *m,
                           const struct mu_mikey_session *s)
{
    for (uint8_t i = 0; i < s->sps_len; i++) {
        const struct mu_mikey_sp *sp = &s->sps[i];
        mu_mikey_put(m, &(struct mu_mikey_payload){
                            .type = MU_MIKEY_SP,
                            .sp = {sp->policy, sp->protocol,
                                   mu_bytes(sp->params, sp->params_len)}});
    }
}

void mu_mikey_put_dh(struct mu_mikey_writer *m, uint8_t group,
                     const uint8_t *value)
{
    mu_mikey_put(m, &(struct mu_mikey_payload){
                        .type = MU_MIKEY_DH,
                        .dh = {.group = group,
                               .value = mu_bytes(value,
                                                 mu_mikey_dh_len(group))}});
}

/* HDR, [EXT], T, RAND, [IDi|CERTi], [IDr], {SP}: how all first messages
 * begin. */
struct mu_mikey_writer mu_mikey_put_first(struct mu_mikey_session *s,
                                          enum mu_mikey_type type,
                                          struct mu_bytes cert,
                                          struct mu_writer *w)
{
    struct mu_mikey_writer m;

    s->header.type = (uint8_t)type;
    mu_mikey_begin(&m, w, &s->header);
    if (s->ext.len > 0)
        mu_mikey_put(&m, &(struct mu_mikey_payload){
                             .type = MU_MIKEY_EXT,
                             .ext = {MU_MIKEY_EXT_KEY_ID, s->ext}});
    mu_mikey_put(&m,
                 &(struct mu_mikey_payload){.type = MU_MIKEY_T, .t = s->time});
    if (s->rand_len < MU_MIKEY_RAND_MIN || s->rand_len > sizeof s->rand)
        mu_writer_fail(w);
    else
        mu_mikey_put(&m, &(struct mu_mikey_payload){
                             .type = MU_MIKEY_RAND,
                             .rand = mu_bytes(s->rand, s->rand_len)});
    if (s->send_cert && cert.len > 0)
        mu_mikey_put_cert(&m, cert);
    else
        mu_mikey_put_name(&m, &s->idi);
    mu_mikey_put_name(&m, &s->idr);
    mu_mikey_put_policies(&m, s);
    return m;
}

/* HDR, T: the CSB and time of the first message. A response maps nothing. */
struct mu_mikey_writer mu_mikey_put_answer(const struct mu_mikey_session *s,
                                           enum mu_mikey_type type,
                                           struct mu_writer *w)
{
    const struct mu_mikey_header h = {.type = (uint8_t)type,
                                      .prf = s->header.prf,
                                      .csb = s->header.csb,
                                      .map = MU_MIKEY_MAP_EMPTY};
    struct mu_mikey_writer m;

    mu_mikey_begin(&m, w, &h);
    mu_mikey_put(&m,
                 &(struct mu_mikey_payload){.type = MU_MIKEY_T, .t = s->time});
    return m;
}

void mu_mikey_bound(const struct mu_mikey_session *s, uint8_t t[8],
                    struct mu_bytes parts[MU_MIKEY_BOUND])
{
    struct mu_writer w = mu_writer(t, 8);

    if (s->time.type == MU_MIKEY_COUNTER)
        mu_write_u32(&w, (uint32_t)s->time.value);
    else
        mu_write_u64(&w, s->time.value);
    parts[1] = mu_mikey_name_view(&s->idi);
    parts[2] = mu_mikey_name_view(&s->idr);
    parts[3] = mu_written(&w);
}
