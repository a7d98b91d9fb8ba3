/* SPDX-License-Identifier: Apache-2.0 */
/* What a multihop run came to, as JSON. */
#include <inttypes.h>

#include "grid.h"

static void put_topology(const struct sim_grid_conf *c, FILE *out)
{
    char shape[32];

    sim_grid_topology_text(c, shape);
    fprintf(out, "\"topology\": \"%s\"", shape);
    fprintf(out, ", \"secured\": %s, \"attack\": \"%s\", \"attackers\": %u",
            c->secured ? "true" : "false", sim_grid_attack_name(c->attack),
            c->attack == SIM_GRID_PEACE ? 0 : c->attackers);
    fprintf(out, ", \"size\": %" PRIu64 ", \"payload\": %u, "
            "\"page_data\": %u, \"hash_len\": %u, \"loss\": %.3f, "
            "\"rate\": %u, \"seed\": %" PRIu64,
            c->size, c->payload, c->page_data, c->secured ? c->hash_len : 0,
            c->loss, c->rate, c->seed);
}

void sim_grid_json(const struct sim_grid_conf *conf,
                   const struct sim_grid_result *r, FILE *out)
{
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        {"nodes", r->nodes}, {"complete", r->complete}, {"wrong", r->wrong},
        {"hops", r->hops}, {"packets", r->packets}, {"bytes", r->bytes},
        {"payload_bytes", r->payload_bytes},
        {"adv", r->adv}, {"req", r->req}, {"data", r->data},
        {"fragment", r->fragment},
        {"adv_bytes", r->adv_bytes}, {"req_bytes", r->req_bytes},
        {"data_bytes", r->data_bytes}, {"fragment_bytes", r->fragment_bytes},
        {"adv_suppressed", r->adv_suppressed},
        {"req_suppressed", r->req_suppressed},
        {"data_deferred", r->data_deferred},
        {"heard", r->heard}, {"collided", r->collided}, {"lost", r->lost},
        {"accepted", r->accepted}, {"duplicate", r->duplicate},
        {"forged", r->forged}, {"refused", r->refused},
        {"signatures", r->signatures},
        {"attack_packets", r->attack_packets},
        {"attack_bytes", r->attack_bytes},
        {"forged_accepted", r->forged_accepted},
        {"node_ram", r->node_ram}, {"node_bytes_max", r->node_bytes_max},
    };

    fprintf(out, "{");
    put_topology(conf, out);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        fprintf(out, ", \"%s\": %" PRIu64, all[i].name, all[i].value);
    fprintf(out, ", \"virtual_seconds\": %.2f, \"median_seconds\": %.2f, "
            "\"wall_seconds\": %.2f}",
            r->virtual_seconds, r->median_seconds, r->wall_seconds);
}
