/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's OSCORE context: docs/wire-format.md s.3 item 3. */
#include "muster/connect.h"

int mu_connection_oscore(const struct mu_crypto *c,
                         const struct mu_connection *conn,
                         enum mu_connect_side side, struct mu_oscore *o)
{
    static const uint8_t server_id[1] = {0x01};
    const struct mu_bytes node = {NULL, 0};
    const struct mu_bytes server = MU_BYTES(server_id);
    const struct mu_oscore_params params = {
        .master_secret = mu_secret_view(&conn->ka),
        .sender_id = side == MU_CONNECT_NODE ? node : server,
        .recipient_id = side == MU_CONNECT_NODE ? server : node,
        .has_id_context = true,
        .id_context = MU_BYTES(conn->id),
    };

    return mu_oscore_init(o, c, &params);
}

void mu_connection_clear(struct mu_connection *conn)
{
    mu_wipe(conn, sizeof *conn);
}
