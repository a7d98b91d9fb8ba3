/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of a key exchange: docs/wire-format.md s.4.1. */
#include "enrol/exchange.h"
#include "muster/cbor.h"

const char *mu_exchange_method_name(uint8_t method)
{
    static const char *const names[MU_EXCHANGE_METHOD_COUNT] = {
#define X(name, text) text,
        MU_EXCHANGE_METHODS(X)
#undef X
    };

    return method < MU_EXCHANGE_METHOD_COUNT ? names[method] : "?";
}

static bool request_valid(const struct mu_exchange_request *m)
{
    if (m->method >= MU_EXCHANGE_METHOD_COUNT ||
        m->message.len > MU_EXCHANGE_MESSAGE_MAX ||
        m->cert.len > MU_EXCHANGE_CERT_MAX ||
        (m->cert.len > 0) != (m->method == MU_EXCHANGE_RSA))
        return false;
    if (!mu_exchange_server_first(m->method))
        return m->message.len > 0 && m->protocols.len == 0;
    if (m->message.len > 0 || m->protocols.len == 0 ||
        m->protocols.len > MU_EXCHANGE_PROTOCOLS_MAX)
        return false;
    for (size_t i = 1; i < m->protocols.len; i++)
        if (m->protocols.data[i] <= m->protocols.data[i - 1])
            return false; /* each once */
    return true;
}

int mu_exchange_request_create(const struct mu_exchange_request *m,
                               struct mu_writer *w)
{
    if (!request_valid(m))
        return MU_ERR_USAGE;
    mu_cbor_put_map(w, m->method == MU_EXCHANGE_RSA ? 3 : 2);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, m->method);
    if (m->message.len > 0) {
        mu_cbor_put_uint(w, 3);
        mu_cbor_put_bstr(w, m->message);
        return mu_writer_end(w);
    }
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_bstr(w, m->protocols);
    if (m->cert.len > 0) {
        mu_cbor_put_uint(w, 4);
        mu_cbor_put_bstr(w, m->cert);
    }
    return mu_writer_end(w);
}

int mu_exchange_request_consume(struct mu_bytes in,
                                struct mu_exchange_request *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    uint64_t method = UINT64_MAX;
    int64_t key;
    int rc;

    *m = (struct mu_exchange_request){.method = MU_EXCHANGE_METHOD_COUNT};
    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key == 1)
            method = mu_cbor_get_uint(&r);
        else if (key == 2)
            m->protocols = mu_cbor_get_bstr(&r);
        else if (key == 3)
            m->message = mu_cbor_get_bstr(&r);
        else if (key == 4)
            m->cert = mu_cbor_get_bstr(&r);
        else
            mu_cbor_skip(&r);
    }
    rc = mu_reader_end(&r);
    if (rc == 0 && method != UINT64_MAX && method >= MU_EXCHANGE_METHOD_COUNT)
        return MU_ERR_UNSUPPORTED;
    m->method = rc == 0 && method != UINT64_MAX ? (uint8_t)method
                                                : MU_EXCHANGE_METHOD_COUNT;
    if (rc == 0 && !request_valid(m))
        rc = MU_ERR_MALFORMED;
    return rc;
}

int mu_exchange_refusal_create(const struct mu_exchange_refusal *m,
                               struct mu_writer *w)
{
    mu_cbor_put_map(w, 2);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, m->number);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->methods);
    return mu_writer_end(w);
}

int mu_exchange_refusal_consume(struct mu_bytes in,
                                struct mu_exchange_refusal *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    unsigned there = 0;
    int64_t key;
    int rc;

    *m = (struct mu_exchange_refusal){.methods = 0};
    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key == 1)
            m->number = (uint8_t)mu_cbor_get_uint_max(&r, UINT8_MAX);
        else if (key == 2)
            m->methods = (uint8_t)mu_cbor_get_uint_max(&r, UINT8_MAX);
        else
            mu_cbor_skip(&r);
        if (key == 1 || key == 2)
            there |= (unsigned)key;
    }
    rc = mu_reader_end(&r);
    return rc == 0 && there != 3 ? MU_ERR_MALFORMED : rc;
}

const char *mu_exchange_refusal_text(uint8_t number)
{
    switch (number) {
    case MU_MIKEY_E_AUTH:
        return "MAC or signature is wrong";
    case MU_MIKEY_E_TIME:
        return "of another connection, or too many in this one";
    case MU_MIKEY_E_PRF:
    case MU_MIKEY_E_MAC:
    case MU_MIKEY_E_ENCR:
    case MU_MIKEY_E_HASH:
    case MU_MIKEY_E_DH:
        return "an algorithm that is not taken";
    case MU_MIKEY_E_ID:
    case MU_MIKEY_E_CERT:
        return "no certificate that leads to an anchor, is in date and names "
               "its owner";
    case MU_MIKEY_E_SP:
    case MU_MIKEY_E_SP_PARAM:
        return "a protocol or a policy that is not taken";
    case MU_MIKEY_E_TYPE:
        return "the method is not taken";
    default:
        return "refused";
    }
}
