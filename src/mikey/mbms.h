/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the MBMS profile share. */
#ifndef MIKEY_MBMS_H
#define MIKEY_MBMS_H

#include "mikey/internal.h"
#include "muster/mikey_mbms.h"

#define MU_MBMS_EXT_MAX 15 /* bytes: three key ids */

/* The key ids of a message. */
struct mu_mbms_ids {
    uint8_t domain[MU_MBMS_DOMAIN_LEN];
    uint16_t group;
    uint16_t number;
    uint16_t mtk;
};

/* mbms_ids.c: with: key ids expected, 2 (MSK) or 3 (MSK and MTK). */
void mu_mbms_ids_write(const struct mu_mbms_ids *ids, size_t with,
                       struct mu_writer *w);
MU_MUST int mu_mbms_ids_read(const struct mu_mikey_message *m, size_t with,
                             struct mu_mbms_ids *ids);

/* mbms_device.c */
struct mu_mbms_msk *mu_mbms_device_slot(struct mu_mbms_device *d,
                                        const struct mu_mbms_ids *ids);
MU_MUST int mu_mbms_device_put(struct mu_mbms_device *d,
                               const struct mu_mbms_msk *msk);
void mu_mbms_device_drop(struct mu_mbms_device *d,
                         const struct mu_mbms_ids *ids);

#endif
