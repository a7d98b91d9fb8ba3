/* SPDX-License-Identifier: Apache-2.0 */
/* The story of one campaign: provision, connect, push, trouble, report. */
#include "fleet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "muster/device_state.h"
#include "muster/gateway_state.h"
#include "muster/server_state.h"

#include "air.h"
#include "alive.h"
#include "attack.h"
#include "floor.h"
#include "liar.h"
#include "checker.h"
#include "radio.h"

enum { DO_SETTLED, DO_REKEYS, DO_TROUBLE, DO_RESTARTS, DO_LOOK };

struct story {
    uint8_t campaign[MU_CAMPAIGN_ID];
    mu_time pushed_at, ended_at;
    bool pushed, troubled, ended;
    bool rehearsed; /* the replayer has recorded a campaign */
    enum mu_campaign_phase phase;
    struct sim_rekey_story rekey;
    uint32_t proved;  /* running, as the server knows it */
    uint64_t refused; /* acknowledgements */
    mu_time alone_at; /* only liars are left; 0: not yet */
};

static const char GROUP[] = "fleet";

static struct mu_server *world_server(struct sim_world *w)
{
    return w->nodes[0].engine;
}

static void must(int rc)
{
    if (rc != 0) {
        fprintf(stderr, "sim: %s\n", mu_err_text(rc));
        abort();
    }
}

/* ---- provisioning ------------------------------------------------------ */

static void fleet_name(struct sim_world *w, struct sim_node *n,
                       enum sim_role role, uint32_t number)
{
    static const char *const names[] = {"server", "gw", "dev"};
    n->role = role;
    n->number = number;
    if (role == SIM_SERVER)
        snprintf(n->identity, sizeof n->identity, "%s", names[role]);
    else
        snprintf(n->identity, sizeof n->identity, "%s-%05u", names[role],
                 (unsigned)(number + 1));
    n->kmr.len = 32;
    sim_rng_fill(&w->secrets, n->kmr.bytes, 32);
    n->radio = true;
}

static void fleet_below(struct sim_node *n, uint32_t len)
{
    n->below_len = len;
    n->below = calloc(len, sizeof *n->below);
    if (n->below == NULL)
        abort();
}

static void fleet_link(struct sim_world *w, struct sim_node *n)
{
    if (w->conf.link == 0)
        return;
    n->link = malloc(sizeof *n->link);
    if (n->link == NULL)
        abort();
    sim_link_init(n->link, w->conf.link, w->conf.queue);
}

static void fleet_nodes(struct sim_world *w)
{
    const struct sim_conf *c = &w->conf;
    uint32_t per_area = (c->devices + c->gateways - 1) / c->gateways;
    fleet_name(w, &w->nodes[0], SIM_SERVER, 0);
    fleet_below(&w->nodes[0], c->gateways + 2);
    for (uint32_t i = 0; i < c->gateways; i++) {
        fleet_name(w, &w->nodes[1 + i], SIM_GATEWAY, i);
        fleet_below(&w->nodes[1 + i], per_area + 2);
        fleet_link(w, &w->nodes[1 + i]);
    }
    for (uint32_t i = 0; i < c->devices; i++) {
        struct sim_node *n = &w->nodes[w->first_device + i];
        fleet_name(w, n, SIM_DEVICE, i);
        n->above = 1 + i % c->gateways;
    }
}

void sim_fleet_provision(struct sim_world *w)
{
    struct sim_node *server = &w->nodes[0];
    uint32_t number;
    fleet_nodes(w);
    sim_node_boot(w, server);
    for (uint32_t i = 1; i < w->first_device; i++) {
        must(mu_server_gateway_add(world_server(w),
                                   mu_bytes_str(w->nodes[i].identity),
                                   mu_secret_view(&w->nodes[i].kmr), &number));
        sim_world_drain(w, server);
    }
    sim_rekey_group(w, mu_bytes_str(GROUP), &number);
    sim_world_drain(w, server);
    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        struct sim_node *n = &w->nodes[i];
        must(mu_server_device_add(world_server(w), mu_bytes_str(n->identity),
                                  mu_secret_view(&n->kmr),
                                  mu_bytes_str(w->nodes[n->above].identity)));
        sim_world_drain(w, server);
        must(mu_server_group_add(world_server(w), mu_bytes_str(GROUP),
                                 mu_bytes_str(n->identity)));
        sim_world_drain(w, server);
    }
}

/* ---- the campaign ------------------------------------------------------ */

static void fleet_push(struct sim_world *w, struct story *s)
{
    struct sim_node *server = &w->nodes[0];
    struct mu_object plain;
    struct mu_push push = {
        .group = mu_bytes_str(GROUP),
        .name = mu_bytes_str("firmware"),
        .version = s->pushed ? 3 : 2,
        .size = w->conf.size,
        .quorum_permille = w->conf.quorum_permille,
        .deadline_s = w->conf.deadline_s,
        .rekey_on_revoke = true,
        .acks_ride = w->conf.keepalive_ms != 0 && !w->conf.acks_now,
    };
    struct mu_depot *depot = sim_node_depot(server);
    sim_rng_fill(&w->secrets, s->campaign, sizeof s->campaign);
    must(depot->open(depot->ctx, s->campaign, 1, w->conf.size, &plain));
    must(plain.write(plain.ctx, 0, w->truth, w->conf.size));
    must(mu_server_push(world_server(w), s->campaign, &push));
    w->counting = true;
    sim_floor_del(w->floor); /* of an earlier campaign */
    w->floor = NULL;
    s->pushed = true;
    s->pushed_at = w->now;
    for (uint32_t i = 1; i < w->first_device && w->conf.flow; i++)
        sim_link_flow(w->nodes[i].link, w->now, MU_TIME_NEVER,
                      2u * w->conf.delay_us,
                      w->conf.payload + w->conf.overhead);
    sim_alive_begin(w);
    sim_radio_count(w);
    sim_world_trace(w, server, "push", w->conf.size, w->conf.devices);
    sim_world_drain(w, server);
}

static struct sim_node *fleet_pick(struct sim_world *w, uint32_t i,
                                   uint32_t of)
{
    uint32_t step = w->conf.devices / (of + 1);
    return &w->nodes[w->first_device + (step == 0 ? i : (i + 1) * step) %
                                           w->conf.devices];
}

static void fleet_trouble(struct sim_world *w, struct story *s)
{
    const struct sim_conf *c = &w->conf;
    s->troubled = true;
    for (uint32_t i = 0; i < c->revoke; i++) {
        struct sim_node *n = fleet_pick(w, i, c->revoke);
        struct mu_device_status status;
        if (n->revoked)
            continue; /* it left before */
        mu_device_status(n->engine, &status);
        if ((status.state & MU_STATE_RECEIVED) != 0)
            continue; /* it has the object already: nothing to shut out of */
        must(mu_server_device_revoke(world_server(w),
                                     mu_bytes_str(n->identity)));
        n->revoked = true;
        n->burst_bad = false;
        sim_world_trace(w, n, "revoked", 0, 0);
        sim_world_drain(w, &w->nodes[0]);
    }
    /* A revocation is in force in an area once its gateway has heard of it. */
    sim_world_at(w, w->now + (c->revoke > 0 ? MU_SECONDS(1) : 0), DO_RESTARTS);
}

static void fleet_restarts(struct sim_world *w)
{
    const struct sim_conf *c = &w->conf;
    for (uint32_t i = 0; i < c->restarts; i++) {
        sim_world_crash(w, fleet_pick(w, i, c->restarts + 3), MU_SECONDS(5));
        sim_world_crash(w, &w->nodes[1 + i % c->gateways], MU_SECONDS(8));
    }
    if (c->restarts > 0)
        sim_world_crash(w, &w->nodes[0], MU_SECONDS(4));
}

/* Half of the fleet's pages are in: time for trouble. */
static bool fleet_half(struct sim_world *w)
{
    struct mu_device_status status;
    struct sim_node *n = &w->nodes[w->first_device];
    if (!n->up)
        return false;
    mu_device_status(n->engine, &status);
    return status.receiving && 2 * status.page >= status.pages;
}

static bool fleet_settled(struct sim_world *w)
{
    struct mu_group_view view;
    if (mu_server_group_next(world_server(w), 0, &view) != 0)
        return false;
    return view.members == w->conf.devices && view.current == view.members;
}

/* From when on is a revocation in force? When the gateway's list says so. */
static void fleet_shut(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->conf.revoke; i++) {
        struct sim_node *n = fleet_pick(w, i, w->conf.revoke);
        struct sim_node *up = &w->nodes[n->above];
        struct mu_secret psk;
        uint32_t link;
        if (!n->revoked || n->shut_at != 0 || !up->up)
            continue;
        if (mu_gateway_psk_down(up->engine, mu_bytes_str(n->identity), &psk,
                                &link) != 0)
            n->shut_at = w->now;
        else
            mu_secret_clear(&psk);
    }
}

static void fleet_look(struct sim_world *w, struct story *s)
{
    struct mu_campaign_view view;
    fleet_shut(w);
    if (!w->nodes[0].up ||
        mu_server_campaign_get(world_server(w), s->campaign, &view) != 0)
        return;
    s->phase = view.phase;
    s->proved = view.running;
    s->refused = view.reports_refused;
    /* Whoever lies is waited for: a minute, to see what else he does. */
    if (w->conf.liars > 0 && s->alone_at == 0 &&
        view.running + w->conf.liars >= view.members)
        s->alone_at = w->now;
    if (view.phase >= MU_CAMPAIGN_DONE ||
        (s->alone_at != 0 && w->now >= s->alone_at + MU_SECONDS(60))) {
        s->ended = true;
        s->ended_at = s->alone_at != 0 ? s->alone_at : w->now;
    }
}

/* The first of two campaigns is over; what it left behind does not count. */
static void fleet_again(struct sim_world *w, struct story *s)
{
    s->rehearsed = true;
    s->ended = s->troubled = false;
    sim_attack_recorded(w);
    for (uint32_t i = 1; i < w->nodes_len; i++) {
        struct sim_node *n = &w->nodes[i];
        n->slot = (struct sim_slot){.world = w};
        n->installs = 0;
        n->area_bytes = 0;
    }
    w->wan_bytes = w->message_bytes = w->data_packets = 0;
    w->control_packets = w->feedback_packets = w->reports = 0;
    w->report_bytes = 0;
    w->keepalive_bytes = w->rest_bytes = w->rides = 0;
    memset(w->kind_bytes, 0, sizeof w->kind_bytes);
}

static void fleet_scenario(struct sim_world *w, uint64_t number)
{
    struct story *s = w->story;
    switch (number) {
    case DO_SETTLED:
        if ((fleet_settled(w) && sim_rekey_settled(w)) ||
            w->now > MU_SECONDS(900))
            sim_world_at(w, w->now + sim_radio_wait(w), DO_REKEYS);
        else
            sim_world_at(w, w->now + MU_SECONDS(1), DO_SETTLED);
        break;
    case DO_REKEYS:
        if (!sim_rekey_run(w, &s->rekey)) {
            fleet_push(w, s);
            sim_world_at(w, w->now + MU_MS(20), DO_TROUBLE);
            sim_world_at(w, w->now + MU_SECONDS(1), DO_LOOK);
        } else {
            sim_world_at(w, w->now + MU_MS(20), DO_REKEYS);
        }
        break;
    case DO_TROUBLE:
        if (fleet_half(w))
            fleet_trouble(w, s);
        else if (!s->ended)
            sim_world_at(w, w->now + MU_MS(20), DO_TROUBLE);
        break;
    case DO_RESTARTS:
        fleet_restarts(w);
        break;
    default:
        fleet_look(w, s);
        sim_attack_idle(w);
        if (s->ended && w->conf.attack == SIM_ATTACK_REPLAY && !s->rehearsed) {
            fleet_again(w, s);
            sim_world_at(w, w->now + MU_SECONDS(5), DO_REKEYS);
            return;
        }
        if (!s->ended)
            sim_world_at(w, w->now + MU_MS(20), DO_LOOK);
        break;
    }
}

static void fleet_sleepers(struct sim_world *w)
{
    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        if (!sim_rng_chance(&w->chance, w->conf.sleeping))
            continue;
        mu_time t = MU_SECONDS(20);
        for (int naps = 0; naps < 20; naps++) {
            t += MU_SECONDS(5) + sim_rng_below(&w->chance, MU_SECONDS(30));
            sim_queue_put(&w->queue, (struct sim_item){
                                         .at = t, .what = SIM_WAKE, .node = i});
            t += MU_SECONDS(5) + sim_rng_below(&w->chance, MU_SECONDS(60));
            sim_queue_put(&w->queue,
                          (struct sim_item){.at = t,
                                            .what = SIM_WAKE,
                                            .node = i,
                                            .number = 1});
        }
    }
}

/* ---- the report -------------------------------------------------------- */

static void result_device(struct sim_world *w, struct sim_node *n,
                          struct sim_result *r)
{
    struct mu_device_status status;
    bool whole = n->slot.whole >= w->conf.size;
    if (!n->up)
        return;
    mu_device_status(n->engine, &status);
    if (n->revoked) {
        /* What came before its gateway could know is no breach. */
        r->revoked++;
        if (whole && n->shut_at != 0 && n->slot.whole_at > n->shut_at)
            r->revoked_opened++;
        else if (whole)
            r->revoked_before++;
        return;
    }
    r->devices++;
    r->received += (status.state & MU_STATE_RECEIVED) != 0;
    r->verified += (status.state & MU_STATE_VERIFIED) != 0 && whole;
    r->installed += (status.state & MU_STATE_INSTALLED) != 0;
    r->running += (status.state & MU_STATE_RUNNING) != 0 && whole;
    r->failed += (status.state & MU_STATE_FAILED) != 0;
}

static void result_bound(const struct sim_conf *c, struct sim_result *r)
{
    double packets = ceil((double)c->size / c->payload);
    r->bound_packets = packets / (1.0 - c->loss) * c->gateways;
    r->bound_bytes = r->bound_packets * (c->payload + c->overhead);
    r->packet_ratio = (double)r->packets / r->bound_packets;
    r->floor_ratio = (double)r->floor_packets / r->bound_packets;
    r->block_ratio = (double)r->block_packets / r->bound_packets;
    /* What the fleet at rest would have sent all the same is no cost. */
    r->ratio = ((double)r->area_bytes - (double)r->rest_bytes) /
               r->bound_bytes;
    r->ratio_gross = (double)r->area_bytes / r->bound_bytes;
    r->delivery_ratio =
        (double)(r->area_bytes - r->keepalive_bytes -
                 r->kind_bytes[SIM_KIND_STATUS] -
                 r->kind_bytes[SIM_KIND_CENSUS]) /
        r->bound_bytes;
}

/* What of the narrow links was used, and by whom. */
static void result_links(struct sim_world *w, struct sim_result *r)
{
    double room = r->virtual_seconds * w->conf.link * w->conf.gateways;
    uint64_t ours = 0, flow = 0;
    for (uint32_t i = 1; i < w->first_device && w->conf.link != 0; i++) {
        struct sim_link *l = w->nodes[i].link;
        sim_link_run(l, w->now);
        ours += l->carried;
        flow += l->flow_carried;
        r->link_dropped += l->dropped;
    }
    if (room <= 0)
        return;
    r->link_share = (double)ours / room;
    r->flow_share = (double)flow / room;
}

static void fleet_result(struct sim_world *w, struct story *s,
                         struct sim_result *r)
{
    struct rusage usage;
    for (uint32_t i = w->first_device; i < w->nodes_len; i++)
        result_device(w, &w->nodes[i], r);
    for (uint32_t i = 1; i < w->first_device; i++)
        r->area_bytes += w->nodes[i].area_bytes;
    r->keepalive_bytes = w->keepalive_bytes;
    r->rest_bytes = w->rest_bytes;
    r->rides = w->rides;
    r->area_bytes += w->keepalive_bytes;
    r->packets = w->data_packets;
    r->alone_packets = w->alone_packets;
    if (w->floor != NULL) { /* something was sent */
        r->floor_packets = sim_floor_pages(w->floor);
        r->block_packets = sim_floor_block(w->floor);
    }
    r->control = w->control_packets;
    r->feedback = w->feedback_packets;
    r->message_bytes = w->message_bytes;
    memcpy(r->kind_bytes, w->kind_bytes, sizeof r->kind_bytes);
    r->liars = w->conf.liars;
    r->lies = w->lies;
    r->reports = w->reports;
    r->report_bytes = w->report_bytes;
    r->proved = s->proved;
    r->reports_refused = s->refused;
    if (w->conf.liars > 0 && w->nodes[0].up)
        r->liars_believed = sim_liars_believed(w, s->campaign);
    r->attack = (uint8_t)w->conf.attack;
    r->attack_packets = w->attack_packets;
    r->attack_bytes = w->attack_bytes;
    r->forged = sim_air_forged(w->air);
    r->replayed = sim_air_replayed(w->air);
    r->forged_accepted = sim_checker_forged(w);
    r->nonces_reused = sim_checker_nonces_reused(w);
    r->gateway_leaks = sim_checker_gateway_leaks(w);
    r->spoke_asleep = w->spoke_asleep;
    r->unheard_packets = w->unheard_packets;
    r->radio_share = sim_radio_share(w, s->ended ? s->ended_at : w->now);
    r->installed_twice = sim_checker_twice(w);
    r->wan_bytes = w->wan_bytes;
    r->phase = s->phase;
    r->scheme = w->conf.scheme;
    sim_rekey_result(w, &s->rekey);
    r->rekey = s->rekey.result;
    r->virtual_seconds =
        (double)((s->ended ? s->ended_at : w->now) - s->pushed_at) / 1e6;
    r->events = w->events;
    r->trace_hash = w->trace_hash;
    result_links(w, r);
    result_bound(&w->conf, r);
    getrusage(RUSAGE_SELF, &usage);
    r->peak_rss_kb = (uint64_t)usage.ru_maxrss;
}

static bool fleet_done(struct sim_world *w)
{
    const struct story *s = w->story;

    return s->ended &&
           (s->rehearsed || w->conf.attack != SIM_ATTACK_REPLAY);
}

/* ---- the run ----------------------------------------------------------- */

void sim_conf_default(struct sim_conf *c)
{
    memset(c, 0, sizeof *c);
    c->devices = 1000;
    c->gateways = 10;
    c->loss = 0.05;
    c->size = 262144;
    c->payload = 1024;
    c->delay_us = 2000;
    c->wide_delay_us = 20000;
    c->page_memory = 0;
    c->forged = 0;
    c->quorum_permille = 1000;
    c->deadline_s = 86400;
    c->seed = 1;
    c->scheme = MU_SCHEME_UNICAST;
    c->flood = 100;
    c->leavers = 1;
    c->listeners = 1;
    c->hold_s = 300;
    c->keepalive_ms = 15000;
    c->heap_devices = 2000;
}

/* Bursts make the luck of the unluckiest worse: enough for 99 pages of 100. */
static uint16_t settle_parity(const struct sim_conf *c)
{
    uint32_t area = (c->devices + c->gateways - 1) / c->gateways, m;

    if (c->burst <= 1)
        return mu_cast_parity(c->page_data, area, (uint32_t)(1000 * c->loss));
    m = sim_floor_packets(c->page_data, area, c->loss, c->burst, 0.99) -
        c->page_data;
    return (uint16_t)(m < MU_PAGE_PARITY_MAX ? m : MU_PAGE_PARITY_MAX);
}

/* Ethernet 18, IPv4 20, UDP 8; or 802.15.4 with 6LoWPAN: MAC 9, FCS 2, IPHC 3,
 * NHC 1, ports 1, checksum 2 (short addresses, RFC 6282 s.3 and s.4.3). */
void sim_conf_settle(struct sim_conf *c)
{
    bool radio = c->payload <= 104;
    sim_attack_settle(c);
    if (c->overhead == 0)
        c->overhead = radio ? 18 : 46;
    if (c->area_rate == 0)
        c->area_rate = radio ? 15000 : 1250000;
    if (c->link != 0 && c->queue == 0)
        c->queue = MU_MS(50);
    if (c->hash_len == 0)
        c->hash_len = 8;
    /* Devices with room for a large page, as far as this machine has it. */
    if (c->page_memory == 0)
        c->page_memory = c->devices <= 2000    ? 393216
                         : c->devices <= 50000 ? 65536
                                               : 57344;
    if (c->page_data == 0 && (radio || c->page_memory >= 393216)) {
        c->page_data = radio ? mu_cast_page_data_max(c->payload) : 255;
        c->page_parity = settle_parity(c);
    } else if (c->page_data == 0) {
        c->page_data = 64;
        c->page_parity = 32;
    }
}

static int conf_check(const struct sim_conf *c, const char **why)
{
    *why = NULL;
    if (c->devices == 0 || c->devices > 1000000)
        *why = "devices: 1 to 1000000";
    else if (c->gateways == 0 || c->gateways > 10000 ||
             c->gateways > c->devices)
        *why = "gateways: 1 to 10000, and not more than devices";
    else if ((c->devices + c->gateways - 1) / c->gateways > MU_AREA_DEVICES_MAX)
        *why = "more devices behind a gateway than it can hold (4096)";
    else if (c->loss < 0 || c->loss > 0.9 || c->wide_loss < 0 ||
             c->wide_loss > 0.9)
        *why = "loss: 0 to 0.9";
    else if (c->payload < MU_PAYLOAD_MIN || c->payload > MU_PACKET_MAX)
        *why = "payload: 48 to 1472 bytes";
    else if (c->size == 0 || c->size > (uint64_t)1 << 30)
        *why = "size: 1 byte to 1 GiB";
    else if (c->revoke + (uint64_t)c->rekeys * c->leavers >= c->devices)
        *why = "revoke, rekeys times leavers: fewer than there are devices";
    else if (c->link == 0 && (c->flow || c->queue != 0))
        *why = "flow, queue: of a link, which is not narrow";
    else if (c->listens.period_s > MU_LISTEN_PERIOD_MAX ||
             (c->listens.period_s != 0 &&
              (c->listens.window_s == 0 ||
               c->listens.window_s >= c->listens.period_s)))
        *why = "listens: SECONDS/SECONDS, a window in a longer period";
    else if (c->drift > 1000)
        *why = "drift: up to 1000 millionths";
    else if (c->liars >= c->devices)
        *why = "false-acks: fewer than there are devices";
    return *why == NULL ? 0 : MU_ERR_USAGE;
}

static int fleet_truth(struct sim_world *w, const char **why)
{
    w->truth = malloc(w->conf.size);
    if (w->truth == NULL)
        abort();
    if (w->conf.input == NULL) {
        struct sim_rng rng;
        sim_rng_seed(&rng, w->conf.seed, 4);
        sim_rng_fill(&rng, w->truth, w->conf.size);
        return 0;
    }
    FILE *f = fopen(w->conf.input, "rb");
    size_t got = f == NULL ? 0 : fread(w->truth, 1, w->conf.size, f);
    if (f != NULL)
        fclose(f);
    if (got != w->conf.size)
        *why = "the input file cannot be read";
    return got == w->conf.size ? 0 : MU_ERR_IO;
}

static int fleet_run(const struct sim_conf *conf, struct sim_result *out,
                     const char **why)
{
    struct sim_world w;
    struct story story = {.pushed = false};
    struct timespec t0, t1;
    struct sim_conf settled = *conf;
    memset(out, 0, sizeof *out);
    int rc = conf_check(conf, why);
    if (rc != 0)
        return rc;
    sim_conf_settle(&settled);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    sim_world_init(&w, &settled);
    rc = fleet_truth(&w, why);
    if (rc == 0) {
        w.scenario = fleet_scenario;
        w.story = &story;
        sim_fleet_provision(&w);
        sim_radio_choose(&w);
        sim_liars_choose(&w);
        for (uint32_t i = 1; i < w.nodes_len; i++)
            sim_queue_put(&w.queue,
                          (struct sim_item){
                              .at = i < w.first_device
                                        ? MU_MS(10)
                                        : MU_SECONDS(2) +
                                              sim_rng_below(&w.chance,
                                                            MU_SECONDS(10)),
                              .what = SIM_BOOT,
                              .node = i});
        fleet_sleepers(&w);
        sim_world_at(&w, MU_SECONDS(13), DO_SETTLED);
        sim_world_run(&w,
                      MU_SECONDS(1200) + MU_SECONDS(settled.deadline_s) +
                          MU_SECONDS(60),
                      fleet_done);
        fleet_result(&w, &story, out);
    }
    sim_world_clear(&w);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    out->wall_seconds = (double)(t1.tv_sec - t0.tv_sec) +
                        (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
    return rc;
}

int sim_fleet_run(const struct sim_conf *conf, struct sim_result *out,
                  const char **why)
{
    struct sim_conf clean = *conf;
    struct sim_result base = {.area_bytes = 0};
    int rc = 0;

    /* What an attack costs shows beside the same run without it. */
    clean.attack = SIM_ATTACK_NONE;
    clean.trace = NULL;
    if (conf->attack != SIM_ATTACK_NONE)
        rc = fleet_run(&clean, &base, why);
    if (rc == 0)
        rc = fleet_run(conf, out, why);
    out->clean_bytes = base.area_bytes - base.rest_bytes;
    out->clean_seconds = base.virtual_seconds;
    return rc;
}

bool sim_result_lawful(const struct sim_result *r)
{
    return r->revoked_opened == 0 && r->forged_accepted == 0 &&
           r->nonces_reused == 0 && r->gateway_leaks == 0 &&
           r->installed_twice == 0 && r->rekey.late_keys == 0 &&
           r->liars_believed == 0 && r->spoke_asleep == 0;
}

bool sim_result_good(const struct sim_result *r)
{
    return sim_result_lawful(r) && r->devices > 0 &&
           r->running == r->devices && r->rekey.lacking == 0;
}
