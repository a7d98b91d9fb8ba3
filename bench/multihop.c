/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deluge over many hops: what security costs in bytes, by the same code with
 * and without it, and what attackers get for their trouble.
 *
 *     bench_multihop [--json]                   the table
 *     bench_multihop --one TOPOLOGY [ATTACK [plain [SEED]]]   one run, as JSON
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/grid.h"

#define SEEDS 5
#define COST_MAX 1.15 /* bytes, secured against unsecured */

static int run(const struct sim_grid_conf *conf, struct sim_grid_result *r)
{
    int rc = sim_grid_run(conf, r);

    if (rc != 0)
        fprintf(stderr, "multihop: %s\n", mu_err_text(rc));
    return rc;
}

struct sum {
    double bytes, payload, seconds;
    uint32_t complete, nodes, wrong;
};

/* SEEDS runs, one JSON object each. */
static int rows(struct sim_grid_conf conf, bool json, struct sum *sum,
                bool *first)
{
    struct sim_grid_result r;

    *sum = (struct sum){0};
    for (conf.seed = 1; conf.seed <= SEEDS; conf.seed++) {
        if (run(&conf, &r) != 0)
            return 1;
        sum->bytes += (double)r.bytes / SEEDS;
        sum->payload += (double)r.payload_bytes / SEEDS;
        sum->seconds += r.virtual_seconds / SEEDS;
        sum->complete += r.complete;
        sum->nodes += r.nodes;
        sum->wrong += r.wrong + (r.forged_accepted != 0 && conf.secured);
        if (json) {
            fputs(*first ? "  " : ",\n  ", stdout);
            sim_grid_json(&conf, &r, stdout);
        } else {
            printf("%-9s %-14s %7s  %4u/%u  %9" PRIu64 " bytes %7.1f s  "
                   "adv %" PRIu64 " req %" PRIu64 " data %" PRIu64
                   " forged %" PRIu64 " refused %" PRIu64 "\n",
                   conf.shape == SIM_GRID_RANDOM ? "random" : "grid",
                   sim_grid_attack_name(conf.attack),
                   conf.secured ? "secured" : "plain", r.complete, r.nodes,
                   r.bytes, r.virtual_seconds, r.adv, r.req, r.data, r.forged,
                   r.refused);
        }
        *first = false;
        fflush(stdout);
    }
    return 0;
}

static int one(int argc, char **argv)
{
    struct sim_grid_conf conf;
    struct sim_grid_result r;

    sim_grid_default(&conf);
    if (argc < 3 || !sim_grid_topology(&conf, argv[2]))
        return 2;
    if (argc > 3 && !sim_grid_attack_of(argv[3], &conf.attack))
        return 2;
    conf.secured = argc <= 4 || strcmp(argv[4], "plain") != 0;
    if (argc > 5)
        conf.seed = strtoull(argv[5], NULL, 10);
    if (run(&conf, &r) != 0)
        return 2;
    sim_grid_json(&conf, &r, stdout);
    printf("\n");
    return r.complete == r.nodes && r.wrong == 0 ? 0 : 1;
}

static int table(bool json)
{
    struct sim_grid_conf conf;
    struct sum secured, plain, field, attacked;
    bool first = true, good;
    double cost;

    sim_grid_default(&conf);
    if (json)
        printf("{\"bench\": \"multihop\", \"runs\": [\n");
    if (rows(conf, json, &secured, &first) != 0)
        return 2;
    conf.secured = false;
    if (rows(conf, json, &plain, &first) != 0)
        return 2;
    conf.secured = true;
    cost = secured.bytes / plain.bytes;
    good = secured.complete == secured.nodes && plain.complete == plain.nodes &&
           secured.wrong == 0 && plain.wrong == 0 && cost <= COST_MAX;
    for (int i = SIM_GRID_PEACE + 1; i < SIM_GRID_ATTACKS; i++) {
        conf.attack = (enum sim_grid_attack)i;
        if (rows(conf, json, &attacked, &first) != 0)
            return 2;
        good = good && attacked.complete == attacked.nodes &&
               attacked.wrong == 0;
    }
    conf.attack = SIM_GRID_PEACE;
    if (!sim_grid_topology(&conf, "random:1000"))
        return 2;
    if (rows(conf, json, &field, &first) != 0)
        return 2;
    good = good && field.complete == field.nodes && field.wrong == 0;
    if (json)
        printf("],\n \"security_cost_bytes\": %.4f, "
               "\"security_cost_payload_bytes\": %.4f, "
               "\"security_cost_time\": %.4f, "
               "\"cost_max\": %.2f, \"met\": %s}\n",
               cost, secured.payload / plain.payload,
               secured.seconds / plain.seconds, COST_MAX,
               good ? "true" : "false");
    else
        printf("security costs %.1f %% bytes (%.1f %% without headers), "
               "%.1f %% time; target %.0f %%: %s\n",
               (cost - 1) * 100, (secured.payload / plain.payload - 1) * 100,
               (secured.seconds / plain.seconds - 1) * 100,
               (COST_MAX - 1) * 100, good ? "met" : "MISSED");
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "--one") == 0)
        return one(argc, argv);
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0)) {
        fprintf(stderr, "usage: multihop [--json]\n");
        return 2;
    }
    return table(argc == 2);
}
