/* SPDX-License-Identifier: Apache-2.0 */
/* What a receiver does with every message before and after its proof. */
#include "mikey/internal.h"

/* False for a value that no bit stands for, too. */
static bool allows(uint8_t bits, uint8_t value)
{
    return value < 8 && (bits >> value & 1) != 0;
}

static bool name_is(const struct mu_mikey_name *n,
                    const struct mu_mikey_payload *p)
{
    return n->type == p->id.type &&
           mu_bytes_eq(mu_mikey_name_view(n), p->id.data);
}

/* Names: what is carried must be who it should be; what is not carried is
 * taken from the policy. An empty name in the policy takes anybody. */
static int take_name(const struct mu_mikey_name *want,
                     const struct mu_mikey_payload *have,
                     struct mu_mikey_name *out)
{
    if (have == NULL) {
        *out = *want;
        return 0;
    }
    if (want->len > 0 && !name_is(want, have))
        return MU_ERR_UNKNOWN_PEER;
    return mu_mikey_name_set(out, have->id.type, have->id.data);
}

static int take_policies(const struct mu_mikey_message *m,
                         struct mu_mikey_session *s)
{
    if (m->sps_len > MU_MIKEY_SPS_MAX)
        return MU_ERR_TOO_LARGE;
    for (size_t i = 0; i < m->sps_len; i++) {
        struct mu_mikey_sp *sp = &s->sps[i];
        const struct mu_bytes params = m->sps[i].sp.params;
        if (params.len > sizeof sp->params)
            return MU_ERR_TOO_LARGE;
        for (size_t j = 0; j < i; j++) {
            if (s->sps[j].policy == m->sps[i].sp.policy)
                return MU_ERR_MALFORMED; /* one number, two policies */
        }
        sp->policy = m->sps[i].sp.policy;
        sp->protocol = m->sps[i].sp.protocol;
        sp->params_len = (uint8_t)params.len;
        mu_copy(sp->params, params.data, params.len);
        s->sps_len++;
    }
    return 0;
}

static bool protocol_ok(const struct mu_mikey_policy *policy, uint8_t protocol)
{
    for (size_t i = 0; i < policy->protocols.len; i++) {
        if (policy->protocols.data[i] == protocol)
            return true;
    }
    return false;
}

/* A policy number of a crypto session leads to a policy of its protocol. With
 * the SRTP-ID map it may lead nowhere: agreed on beforehand (s.6.1.1). */
static int check_policy_of(const struct mu_mikey_session *s,
                           const struct mu_mikey_cs *cs, uint8_t policy)
{
    for (uint8_t i = 0; i < s->sps_len; i++) {
        if (s->sps[i].policy == policy)
            return s->sps[i].protocol == cs->protocol ? 0 : MU_ERR_MALFORMED;
    }
    return s->header.map == MU_MIKEY_MAP_SRTP ? 0 : MU_ERR_MALFORMED;
}

static int check_sessions(const struct mu_mikey_policy *policy,
                          const struct mu_mikey_session *s)
{
    if (s->header.map == MU_MIKEY_MAP_EMPTY)
        return 0;
    for (uint8_t i = 0; i < s->header.cs_len; i++) {
        const struct mu_mikey_cs *cs = &s->header.cs[i];
        if (!protocol_ok(policy, cs->protocol))
            return MU_ERR_UNSUPPORTED;
        for (uint8_t j = 0; j < i; j++) {
            if (s->header.cs[j].id == cs->id)
                return MU_ERR_MALFORMED; /* two sessions, the same keys */
        }
        for (uint8_t j = 0; j < cs->policies_len; j++) {
            const int rc = check_policy_of(s, cs, cs->policies[j]);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

/* Algorithms against the policy: what is weaker than asked for is refused
 * before any key is used. */
static int check_algorithms(const struct mu_mikey_policy *policy,
                            const struct mu_mikey_message *m)
{
    if (!allows(policy->prf, m->header.prf) ||
        (m->kemac != NULL && (!allows(policy->encr, m->kemac->kemac.encr) ||
                              !allows(policy->mac, m->kemac->kemac.mac_alg))) ||
        (m->dh != NULL && !allows(policy->groups, m->dh->dh.group)) ||
        (m->sign != NULL && !allows(policy->schemes, m->sign->sign.scheme)) ||
        m->t->t.type != policy->time_type)
        return MU_ERR_FORBIDDEN;
    return 0;
}

int mu_mikey_read(enum mu_mikey_type type, struct mu_bytes in,
                  struct mu_mikey_message *m)
{
    int rc = mu_mikey_parse(in, m);

    if (rc == 0 && m->header.type != type)
        rc = MU_ERR_UNEXPECTED;
    return rc != 0 ? rc : mu_mikey_order(m);
}

int mu_mikey_take(const struct mu_mikey_policy *policy,
                  const struct mu_mikey_message *m, struct mu_mikey_session *s)
{
    int rc = check_algorithms(policy, m);

    *s = (struct mu_mikey_session){.header = m->header, .time = m->t->t};
    if (rc != 0)
        return rc;
    if (m->kemac != NULL) {
        s->encr = m->kemac->kemac.encr;
        s->mac = m->kemac->kemac.mac_alg;
    }
    if (m->dh != NULL)
        s->group = m->dh->dh.group;
    if (m->rand != NULL) {
        if (m->rand->rand.len < MU_MIKEY_RAND_MIN)
            return MU_ERR_MALFORMED;
        if (m->rand->rand.len > sizeof s->rand)
            return MU_ERR_TOO_LARGE;
        s->rand_len = (uint8_t)m->rand->rand.len;
        mu_copy(s->rand, m->rand->rand.data, s->rand_len);
    }
    rc = take_name(&policy->peer, m->idi, &s->idi);
    if (rc == 0)
        rc = take_name(&policy->self, m->idr, &s->idr);
    if (rc == 0)
        rc = take_policies(m, s);
    if (rc == 0)
        rc = check_sessions(policy, s);
    s->peer_cert = m->certs_len > 0 ? m->certs[0].cert.data
                                    : policy->peer_cert;
    return rc;
}

int mu_mikey_answer(const struct mu_mikey_session *s, enum mu_mikey_type type,
                    struct mu_bytes in, struct mu_mikey_message *m)
{
    int rc = mu_mikey_read(type, in, m);

    if (rc != 0)
        return rc;
    /* s.5.3: of this exchange, with the time of the first message. */
    if (m->header.csb != s->header.csb || m->header.prf != s->header.prf ||
        m->t->t.type != s->time.type || m->t->t.value != s->time.value)
        return MU_ERR_UNEXPECTED;
    if (m->idr != NULL && s->idr.len > 0 && !name_is(&s->idr, m->idr))
        return MU_ERR_UNKNOWN_PEER;
    if (m->idi != NULL && s->idi.len > 0 && !name_is(&s->idi, m->idi))
        return MU_ERR_UNEXPECTED;
    return 0;
}

void mu_mikey_replay_init(struct mu_mikey_replay *r)
{
    *r = (struct mu_mikey_replay){.len = 0};
}

/* Forgets what the skew alone refuses by now. */
static void replay_expire(struct mu_mikey_replay *r, uint64_t oldest)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->len; i++) {
        if (r->seen[i].time >= oldest)
            r->seen[kept++] = r->seen[i];
    }
    r->len = kept;
}

/* The oldest goes, and is remembered as the floor. */
static void replay_evict(struct mu_mikey_replay *r)
{
    size_t oldest = 0;

    for (size_t i = 1; i < r->len; i++) {
        if (r->seen[i].time < r->seen[oldest].time)
            oldest = i;
    }
    if (r->seen[oldest].time > r->floor)
        r->floor = r->seen[oldest].time;
    r->seen[oldest] = r->seen[--r->len];
}

static int replay_take(struct mu_mikey_replay *r, uint64_t time,
                       const uint8_t digest[16])
{
    for (size_t i = 0; i < r->len; i++) {
        if (mu_bytes_eq(mu_bytes(r->seen[i].digest, 16), mu_bytes(digest, 16)))
            return MU_ERR_REPLAY;
    }
    if (r->floor != 0 && time <= r->floor)
        return MU_ERR_REPLAY;
    if (r->len == MU_MIKEY_REPLAY_MAX)
        replay_evict(r);
    if (r->floor != 0 && time <= r->floor)
        return MU_ERR_REPLAY; /* older than all that are kept */
    r->seen[r->len].time = time;
    mu_copy(r->seen[r->len].digest, digest, 16);
    r->len++;
    return 0;
}

int mu_mikey_fresh(const struct mu_crypto *c,
                   const struct mu_mikey_policy *policy,
                   const struct mu_mikey_message *m)
{
    const uint64_t time = m->t->t.value;
    uint8_t digest[MU_SHA256_LEN];

    if (m->t->t.type == MU_MIKEY_COUNTER) {
        if (time <= policy->now)
            return MU_ERR_REPLAY;
        return 0;
    }
    if (time > policy->now ? time - policy->now > policy->skew
                           : policy->now - time > policy->skew)
        return MU_ERR_EXPIRED;
    if (policy->replay == NULL)
        return MU_ERR_USAGE;
    mu_sha256(c, &m->in, 1, digest);
    replay_expire(policy->replay, policy->now > policy->skew
                                      ? policy->now - policy->skew
                                      : 0);
    return replay_take(policy->replay, time, digest);
}
