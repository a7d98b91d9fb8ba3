/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/run.h"
#include "cli/sim_mesh.h"
#include "muster/scheme.h"
#include "sim/attack.h"
#include "sim/fleet.h"
#include "sim/liar.h"

static const char HELP[] =
    "muster sim - run a campaign through a simulated fleet\n"
    "\n"
    "usage: muster sim [options]\n"
    "  --devices N       devices in all (1000)\n"
    "  --gateways G      gateways they are spread over (10)\n"
    "  --loss P          share of datagrams lost at each receiver (0.05)\n"
    "  --burst N         mean length of a burst of losses (1: independent)\n"
    "  --wide-loss P     the same between server and gateways (0)\n"
    "  --size BYTES      of the object (262144)\n"
    "  --file FILE       push this file instead of bytes from the seed\n"
    "  --payload BYTES   user's bytes of a data packet without Muster (1024;\n"
    "                    80 for 802.15.4)\n"
    "  --overhead BYTES  link, IP and UDP headers of a packet (46, or 18 for\n"
    "                    a compressed 802.15.4 frame)\n"
    "  --rate BYTES      a second in an area (1250000, or 15000)\n"
    "  --yield           that rate at most: other traffic goes first\n"
    "  --multicast-cost N  of a packet to all, in packets to one: repairs go the\n"
    "                    way that costs less (0: all to all)\n"
    "  --link BYTES      a second that get into an area, the rest waits (0: all)\n"
    "  --queue MS        that it may wait, before it is dropped (50)\n"
    "  --flow            a TCP flow goes through the same link\n"
    "  --delay MS        one way in an area (2)\n"
    "  --page-memory B   bytes each device has for a page (393216; 65536 for more\n"
    "                    than 2000 devices, 57344 for more than 50000)\n"
    "  --page K --parity M --hash BYTES   the shape, instead of a chosen one\n"
    "  --duplicate P --reorder P          of each packet at each receiver (0)\n"
    "  --revoke N        devices revoked half way (0)\n"
    "  --forge N         forged packets shouted into each area (0)\n"
    "  --replay N        old packets repeated in each area (0)\n"
    "  --false-acks N    members whose acknowledgements are false (0)\n"
    "  --false-ack WAY   pollute, forge, replay or drop them (pollute)\n"
    "  --attack NAME     one of those below (none)\n"
    "  --flood N         packets of the attacker for a genuine one (100)\n"
    "  --keepalive S     silence of a link after which its device pings (15; 0: never)\n"
    "  --acks ride|now   acknowledgements with keep-alives, or each by itself (ride)\n"
    "  --sleeping P      share of devices whose radio sleeps (0)\n"
    "  --listens W/P     devices listen W seconds of every P (always)\n"
    "  --listeners P     share of them that do, where --listens is (1)\n"
    "  --hold S          the others wait so long for them, to share what is\n"
    "                    sent (300)\n"
    "  --drift N         millionths that a clock may be wrong (0)\n"
    "  --restarts N      devices and gateways, and the server, restarted half\n"
    "                    way (0)\n"
    "  --scheme NAME     how the group's key changes: unicast, cluster, ladder,\n"
    "                    lkh, cs, sd (unicast)\n"
    "  --rekeys N --leavers K   before the push, N times K devices leave and\n"
    "                    the others get the next key (0, 1)\n"
    "  --quorum PERCENT --deadline S      of the campaign (100, 86400)\n"
    "  --seed S          same seed, same trace, byte for byte (1)\n"
    "  --trace FILE      write every decision, one a line (- for stderr)\n"
    "  --json            one JSON object\n"
    "  --topology grid|random|line|tree|full   one area of many hops instead:\n"
    "                    muster sim --topology grid --help\n"
    "\n"
    "attacks: bogus-data bogus-parity replay re-request drop modify jam\n"
    "  forged-acks polluted-acks manifest-flood evil-gateway evil-device\n"
    "  false-loss\n"
    "\n"
    "exit code: 0 every device that should runs the object and no rule was\n"
    "broken; 2 some do not run it; 1 a rule was broken, or wrong usage\n";

enum {
    O_DEVICES = 256, O_GATEWAYS, O_LOSS, O_BURST, O_WIDE_LOSS, O_SIZE, O_FILE,
    O_PAYLOAD, O_OVERHEAD, O_RATE, O_YIELD, O_COST, O_LINK, O_QUEUE, O_FLOW, O_DELAY,
    O_PAGE_MEMORY, O_PAGE, O_PARITY,
    O_HASH, O_DUPLICATE, O_REORDER, O_REVOKE, O_FORGE, O_REPLAY, O_SLEEPING,
    O_LISTENS, O_LISTENERS, O_HOLD, O_DRIFT,
    O_FALSE_ACKS, O_FALSE_ACK, O_ATTACK, O_FLOOD, O_KEEPALIVE, O_ACKS,
    O_RESTARTS, O_SCHEME, O_REKEYS, O_LEAVERS, O_QUORUM, O_DEADLINE, O_SEED,
    O_TRACE, O_JSON, O_HELP,
};

static const struct option options[] = {
    {"devices", required_argument, NULL, O_DEVICES},
    {"gateways", required_argument, NULL, O_GATEWAYS},
    {"loss", required_argument, NULL, O_LOSS},
    {"burst", required_argument, NULL, O_BURST},
    {"wide-loss", required_argument, NULL, O_WIDE_LOSS},
    {"size", required_argument, NULL, O_SIZE},
    {"file", required_argument, NULL, O_FILE},
    {"payload", required_argument, NULL, O_PAYLOAD},
    {"overhead", required_argument, NULL, O_OVERHEAD},
    {"rate", required_argument, NULL, O_RATE},
    {"yield", no_argument, NULL, O_YIELD},
    {"multicast-cost", required_argument, NULL, O_COST},
    {"link", required_argument, NULL, O_LINK},
    {"queue", required_argument, NULL, O_QUEUE},
    {"flow", no_argument, NULL, O_FLOW},
    {"delay", required_argument, NULL, O_DELAY},
    {"page-memory", required_argument, NULL, O_PAGE_MEMORY},
    {"page", required_argument, NULL, O_PAGE},
    {"parity", required_argument, NULL, O_PARITY},
    {"hash", required_argument, NULL, O_HASH},
    {"duplicate", required_argument, NULL, O_DUPLICATE},
    {"reorder", required_argument, NULL, O_REORDER},
    {"revoke", required_argument, NULL, O_REVOKE},
    {"forge", required_argument, NULL, O_FORGE},
    {"replay", required_argument, NULL, O_REPLAY},
    {"false-acks", required_argument, NULL, O_FALSE_ACKS},
    {"false-ack", required_argument, NULL, O_FALSE_ACK},
    {"attack", required_argument, NULL, O_ATTACK},
    {"flood", required_argument, NULL, O_FLOOD},
    {"keepalive", required_argument, NULL, O_KEEPALIVE},
    {"acks", required_argument, NULL, O_ACKS},
    {"sleeping", required_argument, NULL, O_SLEEPING},
    {"listens", required_argument, NULL, O_LISTENS},
    {"listeners", required_argument, NULL, O_LISTENERS},
    {"hold", required_argument, NULL, O_HOLD},
    {"drift", required_argument, NULL, O_DRIFT},
    {"restarts", required_argument, NULL, O_RESTARTS},
    {"scheme", required_argument, NULL, O_SCHEME},
    {"rekeys", required_argument, NULL, O_REKEYS},
    {"leavers", required_argument, NULL, O_LEAVERS},
    {"quorum", required_argument, NULL, O_QUORUM},
    {"deadline", required_argument, NULL, O_DEADLINE},
    {"seed", required_argument, NULL, O_SEED},
    {"trace", required_argument, NULL, O_TRACE},
    {"json", no_argument, NULL, O_JSON},
    {"help", no_argument, NULL, O_HELP},
    {NULL, 0, NULL, 0},
};

struct sim_args {
    struct sim_conf conf;
    bool json, help, bad;
};

static uint64_t arg_number(struct sim_args *a, const char *name,
                           uint64_t max)
{
    char *end;
    unsigned long long v = strtoull(optarg, &end, 0);
    if (*optarg == 0 || *optarg == '-' || *end != 0 || v > max) {
        fprintf(stderr, "muster sim: --%s: '%s' is not a number up to %llu\n",
                name, optarg, (unsigned long long)max);
        a->bad = true;
    }
    return v;
}

static double arg_share(struct sim_args *a, const char *name, double max)
{
    char *end;
    double v = strtod(optarg, &end);
    if (*optarg == 0 || *end != 0 || !(v >= 0) || v > max) {
        fprintf(stderr, "muster sim: --%s: '%s' is not a number from 0 to %g\n",
                name, optarg, max);
        a->bad = true;
    }
    return v;
}

static void arg_file(struct sim_args *a)
{
    struct stat st;
    if (stat(optarg, &st) != 0 || st.st_size <= 0) {
        fprintf(stderr, "muster sim: --file: '%s' cannot be read or is empty\n",
                optarg);
        a->bad = true;
        return;
    }
    a->conf.input = optarg;
    a->conf.size = (uint64_t)st.st_size;
}

static void arg_trace(struct sim_args *a)
{
    a->conf.trace = strcmp(optarg, "-") == 0 ? stderr : fopen(optarg, "w");
    if (a->conf.trace == NULL) {
        fprintf(stderr, "muster sim: --trace: '%s' cannot be written\n",
                optarg);
        a->bad = true;
    }
}

static void arg_scheme(struct sim_args *a)
{
    enum mu_scheme_kind kind = mu_scheme_kind(mu_bytes_str(optarg));
    if (kind == MU_SCHEME_NONE) {
        fprintf(stderr, "muster sim: --scheme: '%s' is none\n", optarg);
        a->bad = true;
    }
    a->conf.scheme = (uint8_t)kind;
}

static void arg_lie(struct sim_args *a)
{
    if (!sim_lie_find(optarg, &a->conf.lie)) {
        fprintf(stderr, "muster sim: --false-ack: '%s' is none of pollute, "
                        "forge, replay, drop\n", optarg);
        a->bad = true;
    }
}

static void arg_attack(struct sim_args *a)
{
    if (!sim_attack_find(optarg, &a->conf.attack)) {
        fprintf(stderr, "muster sim: --attack: '%s' is none\n", optarg);
        a->bad = true;
    }
}

static void arg_acks(struct sim_args *a)
{
    a->conf.acks_now = strcmp(optarg, "now") == 0;
    if (!a->conf.acks_now && strcmp(optarg, "ride") != 0) {
        fprintf(stderr, "muster sim: --acks: '%s' is neither ride nor now\n",
                optarg);
        a->bad = true;
    }
}

static bool arg_world(struct sim_args *a, int o, const char *n)
{
    struct sim_conf *c = &a->conf;
    switch (o) {
    case O_DEVICES: c->devices = (uint32_t)arg_number(a, n, 1000000); break;
    case O_GATEWAYS: c->gateways = (uint32_t)arg_number(a, n, 10000); break;
    case O_LOSS: c->loss = arg_share(a, n, 0.9); break;
    case O_BURST: c->burst = arg_share(a, n, 1000); break;
    case O_WIDE_LOSS: c->wide_loss = arg_share(a, n, 0.9); break;
    case O_SIZE: c->size = arg_number(a, n, (uint64_t)1 << 30); break;
    case O_FILE: arg_file(a); break;
    case O_PAYLOAD: c->payload = (uint16_t)arg_number(a, n, 1472); break;
    case O_OVERHEAD: c->overhead = (uint16_t)arg_number(a, n, 200); break;
    case O_RATE: c->area_rate = (uint32_t)arg_number(a, n, 1u << 31); break;
    case O_YIELD: c->yields = true; break;
    case O_COST: c->cost = (uint16_t)arg_number(a, n, 10000); break;
    case O_LINK: c->link = (uint32_t)arg_number(a, n, 1u << 31); break;
    case O_QUEUE: c->queue = (mu_time)(arg_share(a, n, 60000) * 1000); break;
    case O_FLOW: c->flow = true; break;
    case O_DELAY: c->delay_us = (uint32_t)(arg_share(a, n, 60000) * 1000);
        break;
    case O_PAGE_MEMORY: c->page_memory = (uint32_t)arg_number(a, n, 1u << 24);
        break;
    default: return false;
    }
    return true;
}

static void arg_story(struct sim_args *a, int o, const char *n)
{
    struct sim_conf *c = &a->conf;
    switch (o) {
    case O_PAGE:
        c->page_data = (uint16_t)arg_number(a, n, MU_PAGE_DATA_MAX);
        break;
    case O_PARITY:
        c->page_parity = (uint16_t)arg_number(a, n, MU_PAGE_PARITY_MAX);
        break;
    case O_HASH: c->hash_len = (uint8_t)arg_number(a, n, 32); break;
    case O_DUPLICATE: c->duplicate = arg_share(a, n, 1); break;
    case O_REORDER: c->reorder = arg_share(a, n, 1); break;
    case O_REVOKE: c->revoke = (uint32_t)arg_number(a, n, 1000000); break;
    case O_FORGE: c->forged = (uint32_t)arg_number(a, n, 1u << 30); break;
    case O_REPLAY: c->replayed = (uint32_t)arg_number(a, n, 1u << 30); break;
    case O_FALSE_ACKS: c->liars = (uint32_t)arg_number(a, n, 1000000); break;
    case O_FALSE_ACK: arg_lie(a); break;
    case O_ATTACK: arg_attack(a); break;
    case O_FLOOD: c->flood = (uint32_t)arg_number(a, n, 10000); break;
    case O_KEEPALIVE:
        c->keepalive_ms = (uint32_t)(arg_share(a, n, 3600) * 1000);
        break;
    case O_ACKS: arg_acks(a); break;
    case O_SLEEPING: c->sleeping = arg_share(a, n, 1); break;
    case O_LISTENS:
        a->bad = a->bad || !cli_run_listens("sim", optarg, &c->listens);
        break;
    case O_LISTENERS: c->listeners = arg_share(a, n, 1); break;
    case O_HOLD: c->hold_s = (uint32_t)arg_number(a, n, 86400); break;
    case O_DRIFT: c->drift = (uint32_t)arg_number(a, n, 1000); break;
    case O_RESTARTS: c->restarts = (uint32_t)arg_number(a, n, 1000); break;
    case O_SCHEME: arg_scheme(a); break;
    case O_REKEYS: c->rekeys = (uint32_t)arg_number(a, n, 100000); break;
    case O_LEAVERS: c->leavers = (uint32_t)arg_number(a, n, 100000); break;
    case O_QUORUM:
        c->quorum_permille = (uint32_t)(arg_share(a, n, 100) * 10);
        break;
    case O_DEADLINE: c->deadline_s = (uint32_t)arg_number(a, n, 1u << 30);
        break;
    case O_SEED: c->seed = arg_number(a, n, UINT64_MAX); break;
    case O_TRACE: arg_trace(a); break;
    case O_JSON: a->json = true; break;
    case O_HELP: a->help = true; break;
    default: a->bad = true; break;
    }
}

int verb_sim(int argc, char **argv)
{
    struct sim_args a = {.json = false};
    struct sim_result result;
    const char *why = NULL;
    int o, index = 0;
    if (cli_sim_mesh_wanted(argc, argv))
        return cli_sim_mesh(argc, argv);
    sim_conf_default(&a.conf);
    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, &index)) != -1) {
        const char *name = o >= O_DEVICES ? options[index].name : "";
        if (!arg_world(&a, o, name))
            arg_story(&a, o, name);
    }
    if (a.help) {
        fputs(HELP, stdout);
        return 0;
    }
    if (!a.bad && optind < argc)
        why = "no arguments are taken, only options";
    if (a.bad || why != NULL || sim_fleet_run(&a.conf, &result, &why) != 0) {
        if (why != NULL)
            fprintf(stderr, "muster sim: %s\n", why);
        fputs("try: muster sim --help\n", stderr);
        return 1;
    }
    if (a.json)
        sim_result_json(&result, stdout);
    else
        sim_result_text(&result, stdout);
    if (a.conf.trace != NULL && a.conf.trace != stderr)
        fclose(a.conf.trace);
    if (sim_result_good(&result))
        return 0;
    return sim_result_lawful(&result) ? 2 : 1;
}
