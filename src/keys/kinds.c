/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds table: docs/wire-format.md s.1 as data. */
#include "muster/keys.h"

static const struct mu_key_info key_infos[MU_KEY_KIND_COUNT] = {
    [MU_KEY_KMR] = {MU_KEY_KMR, "Kmr", "provisioned", "node, server",
                    "put into the node before it is deployed",
                    "as long as the node", 32},
    [MU_KEY_KMC] = {MU_KEY_KMC, "Kmc", "Kmr", "node, server",
                    "derived by both from the nonces of connect",
                    "one service connection", 32},
    [MU_KEY_KMA] = {MU_KEY_KMA, "Kma", "Kmc", "node, server",
                    "derived by both", "one application on one connection",
                    32},
    [MU_KEY_KA] = {MU_KEY_KA, "Ka", "Kmc", "node, server", "derived by both",
                   "one service connection", 16},
    [MU_KEY_KB] = {MU_KEY_KB, "Kb", "random, server", "members of one group",
                   "key fetch inside OSCORE, or wrapped under Kg (option 2)",
                   "until the group is rotated; retired for one rotation more",
                   32},
    [MU_KEY_KG] = {MU_KEY_KG, "Kg", "random, gateway",
                   "gateway, its devices", "inside DTLS under Khop",
                   "until a device leaves the area; five seconds more",
                   32},
    [MU_KEY_KHOP] = {MU_KEY_KHOP, "Khop", "Kmr", "node, server, that peer",
                     "derived by node and server; to the peer inside DTLS",
                     "as long as the node is assigned to that peer", 32},
    [MU_KEY_KFB] = {MU_KEY_KFB, "Kfb", "Khop", "node, that peer",
                    "derived by both", "as long as Khop", 16},
    [MU_KEY_KACK] = {MU_KEY_KACK, "Kack", "Kmr", "device, server",
                     "derived by both", "as long as the device", 32},
    [MU_KEY_KW] = {MU_KEY_KW, "Kw", "random, server", "server, gateways",
                   "inside DTLS under Khop",
                   "until a gateway leaves; retired for one rotation more",
                   32},
    [MU_KEY_CEK] = {MU_KEY_CEK, "CEK", "random, server", "members of one group",
                    "wrapped under Kek, in the signed manifest", "one object",
                    16},
};

const struct mu_key_info *mu_key_info(enum mu_key_kind kind)
{
    return mu_key_kind_known((unsigned)kind) ? &key_infos[kind] : NULL;
}
