/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which payloads a message has, in which order: one table a message type. The
 * last one authenticates all before it, so nothing may come behind it.
 */
#include "mikey/internal.h"

/* What a payload is to the message. */
enum role {
    ROLE_PLAIN,
    ROLE_I, /* ID of the Initiator, DH value of the Initiator */
    ROLE_R, /* the same of the Responder */
};

struct step {
    uint8_t type; /* MU_MIKEY_LAST ends the list */
    uint8_t role;
    uint8_t min;
    uint8_t max;
};

#define STEPS 12
#define T {MU_MIKEY_T, ROLE_PLAIN, 1, 1}
#define RAND {MU_MIKEY_RAND, ROLE_PLAIN, 1, 1}
#define ID_I(min) {MU_MIKEY_ID, ROLE_I, min, 1}
#define ID_R(min) {MU_MIKEY_ID, ROLE_R, min, 1}
#define CERTS {MU_MIKEY_CERT, ROLE_PLAIN, 0, MU_MIKEY_CERTS_MAX}
#define SPS {MU_MIKEY_SP, ROLE_PLAIN, 0, MU_MIKEY_PAYLOADS_MAX}
#define ONE(type) {type, ROLE_PLAIN, 1, 1}

static const struct step orders[MU_MIKEY_TYPE_COUNT][STEPS] = {
    /* RFC 3830 s.3.1 */
    [MU_MIKEY_PSK_INIT] = {T, RAND, ID_I(0), ID_R(0), SPS, ONE(MU_MIKEY_KEMAC)},
    [MU_MIKEY_PSK_VERIFY] = {T, ID_R(0), ONE(MU_MIKEY_V)},
    /* s.3.2 */
    [MU_MIKEY_PK_INIT] = {T, RAND, ID_I(0), CERTS, ID_R(0), SPS,
                          ONE(MU_MIKEY_KEMAC),
                          {MU_MIKEY_CHASH, ROLE_PLAIN, 0, 1},
                          ONE(MU_MIKEY_PKE), ONE(MU_MIKEY_SIGN)},
    [MU_MIKEY_PK_VERIFY] = {T, ID_R(0), ONE(MU_MIKEY_V)},
    /* s.3.3 */
    [MU_MIKEY_DH_INIT] = {T, RAND, ID_I(0), CERTS, ID_R(0), SPS,
                          {MU_MIKEY_DH, ROLE_I, 1, 1}, ONE(MU_MIKEY_SIGN)},
    [MU_MIKEY_DH_RESP] = {T, ID_R(0), CERTS, ID_I(1),
                          {MU_MIKEY_DH, ROLE_R, 1, 1},
                          {MU_MIKEY_DH, ROLE_I, 1, 1}, ONE(MU_MIKEY_SIGN)},
    /* s.5.1.2; V or SIGN, or neither, is looked at by hand. */
    [MU_MIKEY_ERROR] = {T, {MU_MIKEY_ERR, ROLE_PLAIN, 1, 8},
                        {MU_MIKEY_V, ROLE_PLAIN, 0, 1},
                        {MU_MIKEY_SIGN, ROLE_PLAIN, 0, 1}},
    /* RFC 4650 s.3.1 */
    [MU_MIKEY_DHMAC_INIT] = {T, RAND, ID_I(0), ID_R(1), SPS,
                             {MU_MIKEY_DH, ROLE_I, 1, 1},
                             ONE(MU_MIKEY_KEMAC)},
    [MU_MIKEY_DHMAC_RESP] = {T, ID_R(0), ID_I(1),
                             {MU_MIKEY_DH, ROLE_R, 1, 1},
                             {MU_MIKEY_DH, ROLE_I, 1, 1},
                             ONE(MU_MIKEY_KEMAC)},
    /* RFC 4738 s.4 */
    [MU_MIKEY_RSA_R_INIT] = {T, RAND, ID_I(0), CERTS, ID_R(0), SPS,
                             ONE(MU_MIKEY_SIGN)},
    [MU_MIKEY_RSA_R_RESP] = {T, ID_R(0), CERTS, SPS, ONE(MU_MIKEY_KEMAC),
                             ONE(MU_MIKEY_PKE), ONE(MU_MIKEY_SIGN)},
};

static const struct step order_mtk[STEPS] = {T, ONE(MU_MIKEY_KEMAC)};

/* How many of a type are still to come, and have to be. An optional payload is
 * taken only where enough remain for what must follow: an ID alone in a D-H
 * response is IDi. */
static size_t order_left(const struct mu_mikey_message *m, size_t from,
                         uint8_t type)
{
    size_t n = 0;

    for (size_t i = from; i < m->payloads_len; i++)
        n += m->payloads[i].type == type;
    return n;
}

static size_t order_needed(const struct step *steps, size_t from)
{
    const uint8_t type = steps[from].type;
    size_t n = 0;

    for (size_t i = from + 1; i < STEPS && steps[i].type != MU_MIKEY_LAST; i++)
        n += steps[i].type == type ? steps[i].min : 0;
    return n;
}

static void order_name(struct mu_mikey_message *m, uint8_t role,
                       const struct mu_mikey_payload *p)
{
    const bool response = m->header.type == MU_MIKEY_DH_RESP ||
                          m->header.type == MU_MIKEY_DHMAC_RESP;

    switch (p->type) {
    case MU_MIKEY_T:
        m->t = p;
        break;
    case MU_MIKEY_RAND:
        m->rand = p;
        break;
    case MU_MIKEY_ID:
        *(role == ROLE_I ? &m->idi : &m->idr) = p;
        break;
    case MU_MIKEY_CERT:
        if (m->certs_len++ == 0)
            m->certs = p;
        break;
    case MU_MIKEY_SP:
        if (m->sps_len++ == 0)
            m->sps = p;
        break;
    case MU_MIKEY_DH:
        *(response && role == ROLE_I ? &m->dh_i : &m->dh) = p;
        break;
    case MU_MIKEY_KEMAC:
        m->kemac = p;
        break;
    case MU_MIKEY_CHASH:
        m->chash = p;
        break;
    case MU_MIKEY_PKE:
        m->pke = p;
        break;
    case MU_MIKEY_V:
        m->v = p;
        break;
    case MU_MIKEY_SIGN:
        m->sign = p;
        break;
    default:
        if (m->errs_len++ == 0)
            m->errs = p;
    }
}

/* Extensions may stand between steps, not inside a row: certs and sps are
 * found again by their first and their number. */
static size_t order_skip(const struct mu_mikey_message *m, size_t at)
{
    while (at < m->payloads_len && m->payloads[at].type == MU_MIKEY_EXT)
        at++;
    return at;
}

static int order_check(struct mu_mikey_message *m, const struct step *steps)
{
    size_t at = 0;

    for (size_t s = 0; s < STEPS && steps[s].type != MU_MIKEY_LAST; s++) {
        const struct step *step = &steps[s];
        const size_t needed = order_needed(steps, s);
        size_t n = 0;

        at = order_skip(m, at);
        while (n < step->max && at < m->payloads_len &&
               m->payloads[at].type == step->type &&
               (n < step->min || order_left(m, at, step->type) > needed)) {
            order_name(m, step->role, &m->payloads[at]);
            at++;
            n++;
        }
        if (n < step->min)
            return MU_ERR_MALFORMED;
    }
    return at == m->payloads_len ? 0 : MU_ERR_MALFORMED;
}

int mu_mikey_order(struct mu_mikey_message *m)
{
    return order_check(m, orders[m->header.type]);
}

int mu_mikey_order_mtk(struct mu_mikey_message *m)
{
    if (m->header.type != MU_MIKEY_PSK_INIT)
        return MU_ERR_UNEXPECTED;
    return order_check(m, order_mtk);
}
