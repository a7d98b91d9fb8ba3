/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device among neighbours: what it has from the gateway it passes on, and
 * what the gateway cannot bring it comes from them, hop by hop (Deluge and
 * Trickle, docs/wire-format.md s.6.4, over UDP). A manifest is looked at with
 * the server's key before a page is asked for, and every packet against the
 * page before; the device engine checks all of it once more and decrypts it
 * with keys that no neighbour gave it.
 *
 * In the device's directory: "mesh", the pages as they stand on the air, and
 * "mesh.state": manifest, number of pages, area key, so that a device that
 * comes up without its gateway goes on where it was.
 */
#ifndef NET_MESH_H
#define NET_MESH_H

#include "muster/device.h"
#include "net/body.h"

#define MU_MESH_NEIGHBOURS_MAX 16

struct mu_mesh_conf {
    const char *listen;     /* HOST:PORT; NULL: no mesh */
    const char *neighbours; /* HOST:PORT,HOST:PORT,... */
    uint32_t rate;          /* bytes a second this node puts on its medium */
    uint32_t payload;       /* of manifest packets, the same in the area */
    bool only;              /* nothing of the gateway's cast is taken */
};

struct mu_mesh;

/* The engine is made afterwards, with mu_mesh_tap in its conf. `name` goes into
 * log lines. Says why it fails. */
MU_MUST int mu_mesh_open(struct mu_mesh **mesh, const struct mu_mesh_conf *conf,
                         const struct mu_crypto *crypto, struct mu_body *body,
                         struct mu_device *engine, const char *dir,
                         uint64_t object_max);
const struct mu_device_tap *mu_mesh_tap(struct mu_mesh *mesh);
/* Once the engine is there, and after each turn of its node. */
void mu_mesh_turned(struct mu_mesh *mesh);
json_t *mu_mesh_counts(struct mu_mesh *mesh);
void mu_mesh_close(struct mu_mesh *mesh); /* NULL is fine */

#endif
