/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP messages as Muster uses them, to and from libcoap's PDUs: code, path,
 * OSCORE option, content format 60, blocks, payload. Nothing else is sent;
 * what else comes in is ignored if it is elective and refused if critical. */
#ifndef NET_COAP_WIRE_H
#define NET_COAP_WIRE_H

#include <coap3/coap.h>

#include "muster/bytes.h"
#include "muster/limits.h"

#define COAP_WIRE_PATH_MAX 256   /* "d/" and an identity come to 66 */
#define COAP_WIRE_OSCORE_MAX 255 /* RFC 8613 s.2 */
#define COAP_WIRE_SZX 6          /* 1,024 bytes */

struct coap_wire_block {
    bool set, more;
    uint8_t szx;
    uint32_t num;
};

struct coap_wire {
    uint8_t code;
    char path_text[COAP_WIRE_PATH_MAX];
    size_t path_len;
    uint8_t oscore_value[COAP_WIRE_OSCORE_MAX];
    size_t oscore_len;
    bool oscore;
    struct coap_wire_block block1, block2;
    bool etag_set;
    uint32_t etag; /* which of our large responses: RFC 7959 s.2.4 */
    bool rtag_set;
    uint32_t rtag; /* which of their large requests: RFC 9175 s.3.2 */
    struct mu_bytes payload; /* a view: into the PDU when read */
};

/* Adds code, options and payload to a PDU that has type, id and token. The
 * PDU is of no use when it fails: MU_ERR_NO_SPACE, MU_ERR_USAGE. */
MU_MUST int coap_wire_write(const struct coap_wire *w, coap_pdu_t *pdu);
/* MU_ERR_UNSUPPORTED: an option that must be understood and is not;
 * MU_ERR_TOO_LARGE; MU_ERR_MALFORMED. */
MU_MUST int coap_wire_read(struct coap_wire *w, const coap_pdu_t *pdu);

#endif
