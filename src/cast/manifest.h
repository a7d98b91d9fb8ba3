/* SPDX-License-Identifier: Apache-2.0 */
/* What the signed and the relay manifest share. */
#ifndef CAST_MANIFEST_H
#define CAST_MANIFEST_H

#include "muster/cast.h"

void mu_manifest_put_shape(struct mu_writer *w, const struct mu_cast_shape *s);
void mu_manifest_get_shape(struct mu_reader *r, struct mu_cast_shape *s);
void mu_manifest_put_kid(struct mu_writer *w, const struct mu_kid *kid);
void mu_manifest_get_kid(struct mu_reader *r, struct mu_kid *kid);

/* Shape and size go together, and the roots are those of page 0. */
MU_MUST int mu_manifest_check_roots(const struct mu_manifest *m);

/* A COSE_Mac0 by the gateway: relay manifest. */
MU_MUST int mu_relay_consume(const struct mu_crypto *c,
                             const struct mu_signer *server,
                             const struct mu_secret *kg,
                             struct mu_bytes object,
                             enum mu_announce_kind *kind,
                             struct mu_manifest *m);

#endif
