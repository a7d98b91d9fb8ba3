/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sim_mesh.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/tree.h"

static const char HELP[] =
    "muster sim --topology - an object from neighbour to neighbour\n"
    "\n"
    "usage: muster sim --topology grid|random|line|tree|full [options]\n"
    "  --topology SHAPE[:N]   grid:WxH too; N nodes, of whom one has the object\n"
    "  --devices N       nodes (400)\n"
    "  --degree N        mean neighbours in a random field (16)\n"
    "  --fanout N        children of a node of a tree (3)\n"
    "  --loss P          share of packets lost on each link (0.05)\n"
    "  --size BYTES      of the object (32768)\n"
    "  --payload BYTES   of a packet (96)\n"
    "  --page K --hash BYTES   data packets of a page, bytes of a hash (32, 8)\n"
    "  --overhead BYTES  of a packet below the payload (31)\n"
    "  --rate BYTES      a second of a radio (31250)\n"
    "  --insecure        the same code without hashes, tags and signature\n"
    "  --attack NAME     one of those below; set against the run without it\n"
    "  --attackers N     beside nodes spread over the area (4)\n"
    "  --flood N         forged packets for a genuine one (100)\n"
    "  --time-max S      the end, whoever is complete by then (3600)\n"
    "  --runs N          means of N runs, from the seed on (1)\n"
    "  --seed S          same seed, same run (1)\n"
    "  --json            one JSON object\n"
    "and for a message to all, acknowledged up the tree (line, tree, full):\n"
    "  --broadcast N     so many messages, one after the other\n"
    "  --message BYTES   of each (40)\n"
    "  --shift BYTES     between acknowledgements in a sum (0; 2, 4, 8, 16)\n"
    "  --wait MS         down one hop and its answer (40)\n"
    "\n"
    "attacks:";

enum {
    O_TOPOLOGY = 256, O_DEVICES, O_DEGREE, O_FANOUT, O_LOSS, O_SIZE, O_PAYLOAD,
    O_PAGE, O_HASH, O_OVERHEAD, O_RATE, O_INSECURE, O_ATTACK, O_ATTACKERS,
    O_FLOOD, O_TIME_MAX, O_RUNS, O_SEED, O_JSON, O_HELP, O_BROADCAST,
    O_MESSAGE, O_SHIFT, O_WAIT,
};

static const struct option options[] = {
    {"topology", required_argument, NULL, O_TOPOLOGY},
    {"devices", required_argument, NULL, O_DEVICES},
    {"degree", required_argument, NULL, O_DEGREE},
    {"fanout", required_argument, NULL, O_FANOUT},
    {"loss", required_argument, NULL, O_LOSS},
    {"size", required_argument, NULL, O_SIZE},
    {"payload", required_argument, NULL, O_PAYLOAD},
    {"page", required_argument, NULL, O_PAGE},
    {"hash", required_argument, NULL, O_HASH},
    {"overhead", required_argument, NULL, O_OVERHEAD},
    {"rate", required_argument, NULL, O_RATE},
    {"insecure", no_argument, NULL, O_INSECURE},
    {"attack", required_argument, NULL, O_ATTACK},
    {"attackers", required_argument, NULL, O_ATTACKERS},
    {"flood", required_argument, NULL, O_FLOOD},
    {"time-max", required_argument, NULL, O_TIME_MAX},
    {"runs", required_argument, NULL, O_RUNS},
    {"seed", required_argument, NULL, O_SEED},
    {"json", no_argument, NULL, O_JSON},
    {"help", no_argument, NULL, O_HELP},
    {"broadcast", required_argument, NULL, O_BROADCAST},
    {"message", required_argument, NULL, O_MESSAGE},
    {"shift", required_argument, NULL, O_SHIFT},
    {"wait", required_argument, NULL, O_WAIT},
    {NULL, 0, NULL, 0},
};

struct mesh_args {
    struct sim_grid_conf conf;
    struct sim_tree_conf tree; /* messages 0: an object, not messages */
    const char *topology, *attack;
    uint32_t devices, runs;
    bool json, help, bad;
};

bool cli_sim_mesh_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--topology") == 0 ||
            strncmp(argv[i], "--topology=", 11) == 0)
            return true;
    }
    return false;
}

static uint64_t mesh_number(struct mesh_args *a, const char *name,
                            uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long v = strtoull(optarg, &end, 0);

    if (*optarg == 0 || *optarg == '-' || *end != 0 || v < min || v > max) {
        fprintf(stderr, "muster sim: --%s: '%s' is not a number from %llu to "
                "%llu\n", name, optarg, (unsigned long long)min,
                (unsigned long long)max);
        a->bad = true;
        return min;
    }
    return v;
}

static double mesh_share(struct mesh_args *a, const char *name, double max)
{
    char *end;
    double v = strtod(optarg, &end);

    if (*optarg == 0 || *end != 0 || !(v >= 0) || v > max) {
        fprintf(stderr, "muster sim: --%s: '%s' is not a number from 0 to %g\n",
                name, optarg, max);
        a->bad = true;
        return 0;
    }
    return v;
}

static void mesh_attack(struct mesh_args *a)
{
    if (a->attack == NULL)
        return;
    if (a->tree.messages > 0 ? !sim_tree_attack_of(a->attack, &a->tree.attack)
                             : !sim_grid_attack_of(a->attack,
                                                   &a->conf.attack)) {
        fprintf(stderr, "muster sim: --attack: no '%s'\n", a->attack);
        a->bad = true;
    }
}

/* What both kinds of run have in common. */
static void mesh_tree(struct mesh_args *a)
{
    struct sim_tree_conf *t = &a->tree;
    const struct sim_grid_conf *c = &a->conf;

    t->shape = c->shape;
    t->nodes = sim_grid_nodes(c);
    t->fanout = c->fanout;
    t->loss = c->loss;
    t->rate = c->rate;
    t->overhead = c->overhead;
    t->attackers = c->attackers;
    t->time_max = c->time_max;
    t->seed = c->seed;
}

static bool mesh_tree_arg(struct mesh_args *a, int o, const char *n)
{
    struct sim_tree_conf *t = &a->tree;

    switch (o) {
    case O_BROADCAST: t->messages = (uint32_t)mesh_number(a, n, 1, 10000);
        break;
    case O_MESSAGE: t->message_len = (uint32_t)mesh_number(a, n, 1, 1000);
        break;
    case O_SHIFT: t->shift = (uint8_t)mesh_number(a, n, 0, 16); break;
    case O_WAIT: t->wait_ms = (uint32_t)mesh_number(a, n, 1, 60000); break;
    default: return false;
    }
    return true;
}

static void mesh_arg(struct mesh_args *a, int o, const char *n)
{
    struct sim_grid_conf *c = &a->conf;

    switch (o) {
    case O_TOPOLOGY: a->topology = optarg; break;
    case O_DEVICES: a->devices = (uint32_t)mesh_number(a, n, 2, 40000); break;
    case O_DEGREE: c->degree = mesh_share(a, n, 1000); break;
    case O_FANOUT: c->fanout = (uint32_t)mesh_number(a, n, 1, 1000); break;
    case O_LOSS: c->loss = mesh_share(a, n, 0.9); break;
    case O_SIZE: c->size = mesh_number(a, n, 1, 1 << 24); break;
    case O_PAYLOAD: c->payload = (uint16_t)mesh_number(a, n, 48, 1472); break;
    case O_PAGE: c->page_data = (uint8_t)mesh_number(a, n, 1, 254); break;
    case O_HASH: c->hash_len = (uint8_t)mesh_number(a, n, 4, 32); break;
    case O_OVERHEAD: c->overhead = (uint16_t)mesh_number(a, n, 0, 200); break;
    case O_RATE: c->rate = (uint32_t)mesh_number(a, n, 100, 1u << 28) * 8;
        break;
    case O_INSECURE: c->secured = false; break;
    case O_ATTACK: a->attack = optarg; break;
    case O_ATTACKERS: c->attackers = (uint32_t)mesh_number(a, n, 1, 1000);
        break;
    case O_FLOOD: c->flood = (uint32_t)mesh_number(a, n, 1, 10000); break;
    case O_TIME_MAX: c->time_max = (double)mesh_number(a, n, 1, 1u << 30);
        break;
    case O_RUNS: a->runs = (uint32_t)mesh_number(a, n, 1, 100); break;
    case O_SEED: c->seed = mesh_number(a, n, 0, UINT64_MAX); break;
    case O_JSON: a->json = true; break;
    case O_HELP: a->help = true; break;
    default: a->bad = a->bad || !mesh_tree_arg(a, o, n); break;
    }
}

static void mesh_parse(struct mesh_args *a, int argc, char **argv)
{
    int o, index = 0;
    char text[64];

    sim_grid_default(&a->conf);
    sim_tree_default(&a->tree);
    a->tree.messages = 0;
    a->runs = 1;
    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, &index)) != -1)
        mesh_arg(a, o, o >= O_TOPOLOGY ? options[index].name : "");
    if (optind < argc) {
        fputs("muster sim: no arguments are taken, only options\n", stderr);
        a->bad = true;
    }
    mesh_attack(a);
    if (a->bad || a->help)
        return;
    if (a->devices > 0 && strchr(a->topology, ':') == NULL)
        snprintf(text, sizeof(text), "%.40s:%u", a->topology, a->devices);
    else
        snprintf(text, sizeof(text), "%.60s", a->topology);
    if (!sim_grid_topology(&a->conf, text)) {
        fprintf(stderr, "muster sim: --topology: '%s' is none\n", text);
        a->bad = true;
    }
    mesh_tree(a);
}

/* ---- runs --------------------------------------------------------------- */

struct mesh_sum {
    struct sim_grid_result last;
    double bytes, seconds;  /* means */
    double attack_packets, attack_bytes;
    uint32_t nodes, complete, wrong; /* over all runs */
};

static int mesh_run(struct sim_grid_conf conf, uint32_t runs,
                    struct mesh_sum *sum)
{
    struct sim_grid_result *r = &sum->last;
    int rc = 0;

    *sum = (struct mesh_sum){.nodes = 0};
    for (uint32_t i = 0; i < runs && rc == 0; i++, conf.seed++) {
        rc = sim_grid_run(&conf, r);
        sum->bytes += (double)r->bytes / runs;
        sum->seconds += r->virtual_seconds / runs;
        sum->attack_packets += (double)r->attack_packets / runs;
        sum->attack_bytes += (double)r->attack_bytes / runs;
        sum->nodes += r->nodes;
        sum->complete += r->complete;
        sum->wrong += r->wrong + (conf.secured && r->forged_accepted > 0);
    }
    return rc;
}

/* What it is set against: the same without security, or without attackers. */
static struct sim_grid_conf mesh_baseline(const struct sim_grid_conf *conf)
{
    struct sim_grid_conf base = *conf;

    if (conf->attack != SIM_GRID_PEACE)
        base.attack = SIM_GRID_PEACE;
    else
        base.secured = !conf->secured;
    return base;
}

static void mesh_json(const struct mesh_args *a, const struct mesh_sum *s,
                      const struct mesh_sum *base)
{
    bool attacked = a->conf.attack != SIM_GRID_PEACE;

    printf("{\"multihop\": ");
    sim_grid_json(&a->conf, &s->last, stdout);
    printf(", \"runs\": %u, \"nodes\": %u, \"complete\": %u, \"wrong\": %u, "
           "\"bytes\": %.0f, \"seconds\": %.2f, ", a->runs, s->nodes,
           s->complete, s->wrong, s->bytes, s->seconds);
    printf("\"against\": {\"what\": \"%s\", \"complete\": %u, \"bytes\": %.0f, "
           "\"seconds\": %.2f}, ",
           attacked ? "no attack" : a->conf.secured ? "insecure" : "secured",
           base->complete, base->bytes, base->seconds);
    printf("\"cost\": {\"bytes_ratio\": %.4f, \"seconds_ratio\": %.4f, "
           "\"attacker_packets\": %.0f, \"attacker_bytes\": %.0f}}\n",
           s->bytes / base->bytes, s->seconds / base->seconds,
           s->attack_packets, s->attack_bytes);
}

static void mesh_text(const struct mesh_args *a, const struct mesh_sum *s,
                      const struct mesh_sum *base)
{
    bool attacked = a->conf.attack != SIM_GRID_PEACE;
    char shape[32];

    sim_grid_topology_text(&a->conf, shape);
    printf("%s, %u hops, %s: %u of %u complete, %u wrong\n", shape,
           s->last.hops, a->conf.secured ? "secured" : "insecure", s->complete,
           s->nodes, s->wrong);
    printf("%.0f bytes on the air, the last complete after %.1f s\n", s->bytes,
           s->seconds);
    printf("%s: %+.1f %% bytes, %+.1f %% time\n",
           attacked ? "against the run without the attack"
                    : "against the same code the other way",
           (s->bytes / base->bytes - 1) * 100,
           (s->seconds / base->seconds - 1) * 100);
    if (attacked)
        printf("%s: %.0f packets, %.0f bytes; %" PRIu64 " refused as false, %"
               PRIu64 " requests refused, %" PRIu64 " signatures checked\n",
               sim_grid_attack_name(a->conf.attack), s->attack_packets,
               s->attack_bytes, s->last.forged, s->last.refused,
               s->last.signatures);
}

/* ---- messages, acknowledged --------------------------------------------- */

static void tree_json(const struct mesh_args *a,
                      const struct sim_tree_result *r,
                      const struct sim_tree_result *base)
{
    printf("{\"broadcast\": ");
    sim_tree_json(&a->tree, r, stdout);
    printf(", \"against\": {\"what\": \"no attack\", \"acked\": %" PRIu64
           ", \"bytes\": %" PRIu64 ", \"message_seconds\": %.3f}, "
           "\"cost\": {\"bytes_ratio\": %.4f, \"seconds_ratio\": %.4f, "
           "\"attacker_packets\": %" PRIu64 ", \"attacker_bytes\": %" PRIu64
           "}}\n", base->acked, base->bytes, base->message_seconds,
           (double)r->bytes / (double)base->bytes,
           r->message_seconds / base->message_seconds, r->attack_packets,
           r->attack_bytes);
}

static void tree_text(const struct mesh_args *a,
                      const struct sim_tree_result *r)
{
    printf("%u messages to %u nodes, %u hops, %u groups: %" PRIu64 " of %"
           PRIu64 " acknowledged, %" PRIu64 " delivered\n", r->messages,
           r->nodes - 1, r->hops, r->groups, r->acked, r->wanted,
           r->delivered);
    printf("%" PRIu64 " bytes, %.2f s a message; %" PRIu64 " of them are "
           "acknowledgements, which would be\n%" PRIu64 " one by one if none "
           "was lost\n", r->bytes, r->message_seconds, r->ack_bytes,
           r->single_bytes);
    if (a->tree.attack != SIM_TREE_PEACE)
        printf("%s: %" PRIu64 " false packets refused, %" PRIu64 " times the "
               "root named a link that lies, %" PRIu64 " of them wrongly\n",
               sim_tree_attack_name(a->tree.attack), r->forged, r->found,
               r->found_wrong);
}

static int tree_run(const struct mesh_args *a)
{
    struct sim_tree_conf peace = a->tree;
    struct sim_tree_result r, base;
    int rc = sim_tree_run(&a->tree, &r);

    peace.attack = SIM_TREE_PEACE;
    if (rc == 0)
        rc = sim_tree_run(&peace, &base);
    if (rc != 0) {
        fprintf(stderr, "muster sim: %s (--broadcast takes line, tree or full, "
                "up to 4096 nodes)\n", mu_err_text(rc));
        return 1;
    }
    if (a->json)
        tree_json(a, &r, &base);
    else
        tree_text(a, &r);
    if (r.wrong > 0 || r.lied > 0)
        return 1;
    return r.acked == r.wanted ? 0 : 2;
}

static void mesh_help(void)
{
    fputs(HELP, stdout);
    for (int i = SIM_GRID_PEACE + 1; i < SIM_GRID_ATTACKS; i++)
        printf("%s %s", i % 8 == 0 ? "\n " : "",
               sim_grid_attack_name((enum sim_grid_attack)i));
    printf("\nwith --broadcast:");
    for (int i = SIM_TREE_PEACE + 1; i < SIM_TREE_ATTACKS; i++)
        printf(" %s", sim_tree_attack_name((enum sim_tree_attack)i));
    puts("\n\nexit code: 0 all have it; 2 some do not; 1 somebody has a wrong "
         "one, or\nwrong usage");
}

int cli_sim_mesh(int argc, char **argv)
{
    struct mesh_args a = {.json = false};
    struct mesh_sum sum, base;
    struct sim_grid_conf other;
    int rc;

    mesh_parse(&a, argc, argv);
    if (a.help && !a.bad) {
        mesh_help();
        return 0;
    }
    if (a.bad) {
        fputs("try: muster sim --topology grid --help\n", stderr);
        return 1;
    }
    if (a.tree.messages > 0)
        return tree_run(&a);
    other = mesh_baseline(&a.conf);
    rc = mesh_run(a.conf, a.runs, &sum);
    if (rc == 0)
        rc = mesh_run(other, a.runs, &base);
    if (rc != 0) {
        fprintf(stderr, "muster sim: %s\n", mu_err_text(rc));
        return 1;
    }
    if (a.json)
        mesh_json(&a, &sum, &base);
    else
        mesh_text(&a, &sum, &base);
    if (sum.wrong > 0)
        return 1;
    return sum.complete == sum.nodes ? 0 : 2;
}
