/* SPDX-License-Identifier: Apache-2.0 */
/* A session: its names, keys and protocols, and the traffic keys from it. */
#include "mikey/internal.h"

void mu_mikey_session_clear(struct mu_mikey_session *s)
{
    mu_wipe(s, sizeof(*s));
}

int mu_mikey_name_set(struct mu_mikey_name *n, uint8_t type,
                      struct mu_bytes name)
{
    if (type > MU_MIKEY_URI || name.len > sizeof n->bytes)
        return MU_ERR_TOO_LARGE;
    *n = (struct mu_mikey_name){.type = type, .len = (uint8_t)name.len};
    mu_copy(n->bytes, name.data, name.len);
    return 0;
}

struct mu_bytes mu_mikey_name_view(const struct mu_mikey_name *n)
{
    return mu_bytes(n->bytes, n->len);
}

struct mu_mikey_bundle mu_mikey_bundle_of(const struct mu_mikey_session *s)
{
    return (struct mu_mikey_bundle){.prf = s->header.prf,
                                    .csb = s->header.csb,
                                    .rand = mu_bytes(s->rand, s->rand_len)};
}

int mu_mikey_session_key(struct mu_mikey_session *s, uint8_t type,
                         struct mu_bytes key, struct mu_bytes salt)
{
    struct mu_mikey_key *k = &s->keys[s->keys_len];
    const bool salted = type == MU_MIKEY_TGK_SALT || type == MU_MIKEY_TEK_SALT;

    if (s->keys_len == MU_MIKEY_KEYS_MAX)
        return MU_ERR_FULL;
    if (type > MU_MIKEY_TEK_SALT || key.len == 0 || key.len > sizeof k->bytes ||
        salt.len > sizeof k->salt || salted != (salt.len > 0))
        return MU_ERR_USAGE;
    *k = (struct mu_mikey_key){.type = type,
                               .len = (uint8_t)key.len,
                               .salt_len = (uint8_t)salt.len};
    mu_copy(k->bytes, key.data, key.len);
    mu_copy(k->salt, salt.data, salt.len);
    s->keys_len++;
    return 0;
}

int mu_mikey_session_protocol(struct mu_mikey_session *s, uint8_t protocol,
                              struct mu_bytes params, uint8_t *cs)
{
    struct mu_mikey_sp *sp = &s->sps[s->sps_len];
    struct mu_mikey_header *h = &s->header;

    if (s->sps_len == MU_MIKEY_SPS_MAX || h->cs_len == MU_MIKEY_CS_MAX)
        return MU_ERR_FULL;
    if (params.len > sizeof sp->params || !mu_mikey_params_ok(params) ||
        (h->cs_len > 0 && h->map != MU_MIKEY_MAP_GENERIC))
        return MU_ERR_USAGE;
    *sp = (struct mu_mikey_sp){.policy = s->sps_len,
                               .protocol = protocol,
                               .params_len = (uint8_t)params.len};
    mu_copy(sp->params, params.data, params.len);
    h->map = MU_MIKEY_MAP_GENERIC;
    *cs = (uint8_t)(h->cs_len + 1);
    h->cs[h->cs_len++] = (struct mu_mikey_cs){.id = *cs,
                                              .protocol = protocol,
                                              .policies = {s->sps_len},
                                              .policies_len = 1};
    s->sps_len++;
    return 0;
}

const struct mu_mikey_cs *
mu_mikey_session_find(const struct mu_mikey_session *s, uint8_t protocol)
{
    if (s->header.map == MU_MIKEY_MAP_EMPTY)
        return NULL;
    for (uint8_t i = 0; i < s->header.cs_len; i++) {
        if (s->header.cs[i].protocol == protocol)
            return &s->header.cs[i];
    }
    return NULL;
}

int mu_mikey_traffic_key(const struct mu_crypto *c,
                         const struct mu_mikey_session *s, size_t index,
                         uint8_t cs, enum mu_mikey_use use, uint8_t *out,
                         size_t len)
{
    const struct mu_mikey_bundle b = mu_mikey_bundle_of(s);
    const struct mu_mikey_key *k;

    if (index >= s->keys_len || use > MU_MIKEY_FOR_SALT)
        return MU_ERR_USAGE;
    k = &s->keys[index];
    if (k->type == MU_MIKEY_TGK || k->type == MU_MIKEY_TGK_SALT)
        return mu_mikey_derive(c, &b, mu_bytes(k->bytes, k->len), use, cs, out,
                               len);
    if (use == MU_MIKEY_FOR_TEK && len == k->len) {
        mu_copy(out, k->bytes, len);
        return 0;
    }
    if (use == MU_MIKEY_FOR_SALT && len == k->salt_len) {
        mu_copy(out, k->salt, len);
        return 0;
    }
    return MU_ERR_USAGE;
}
