/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory of a node, mode 0700: journal or database, slot, objects
 * of campaigns in progress. */
#ifndef NET_STATE_H
#define NET_STATE_H

#include "muster/gateway.h" /* struct mu_depot */
#include "store/store.h"

#define MU_PATH_MAX 1024

/* Makes the directory and those above it. MU_ERR_IO after having logged why. */
MU_MUST int mu_state_dir(const char *path);
/* "dir/name"; MU_ERR_TOO_LARGE. */
MU_MUST int mu_state_path(char to[MU_PATH_MAX], const char *dir,
                          const char *name);

/* The journal of a node in its directory; what is damaged in it is logged. */
MU_MUST int mu_state_journal(struct mu_journal **j, const char *dir,
                             const char *id, struct mu_store *store);

struct mu_depot_files;

/* Objects as files in `dir`, which is made. Those of campaigns that are over
 * are removed by the engine; what it opens twice is one object. */
MU_MUST int mu_depot_files_open(struct mu_depot_files **d, const char *dir,
                                struct mu_depot *depot);
/* Removes the objects of campaigns that nobody knows. */
void mu_depot_files_sweep(struct mu_depot_files *d,
                          bool (*known)(void *ctx,
                                        const uint8_t campaign[MU_CAMPAIGN_ID]),
                          void *ctx);
void mu_depot_files_close(struct mu_depot_files *d);

#endif
