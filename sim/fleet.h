/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One campaign through a simulated fleet, from provisioning to the report.
 * What an operator asks before he buys the radio time, and what the tests ask
 * of the engines.
 */
#ifndef MUSTER_SIM_FLEET_H
#define MUSTER_SIM_FLEET_H

#include "rekey.h"
#include "world.h"

struct sim_result {
    uint32_t devices;  /* that count: not revoked */
    uint32_t received, verified, installed, running, failed;
    uint32_t revoked, revoked_opened;
    uint32_t revoked_before; /* had it all before their gateway could know */
    uint64_t forged, forged_accepted, replayed;
    uint8_t attack; /* enum sim_attack */
    uint64_t attack_packets, attack_bytes;
    uint64_t clean_bytes;    /* area_bytes and virtual_seconds of the */
    double clean_seconds;    /* same run without the attack, less its rest_bytes */
    uint64_t alone_packets; /* of them, those to one device */
    uint64_t packets;  /* data, parity and repair put on area networks */
    uint64_t control, feedback; /* polls, announces, censuses; answers */
    double bound_packets, packet_ratio;
    uint64_t floor_packets, block_packets; /* floor.h */
    double floor_ratio, block_ratio;
    uint64_t area_bytes, message_bytes;
    uint64_t kind_bytes[SIM_KINDS];
    uint64_t keepalive_bytes, rest_bytes; /* alive.h; the first in area_bytes */
    uint64_t rides; /* acknowledgements that came with keep-alives */
    double bound_bytes, ratio; /* less rest_bytes */
    double ratio_gross;
    double delivery_ratio; /* without acknowledgements, their polls, and
                              keep-alives */
    uint64_t wan_bytes;
    double virtual_seconds, wall_seconds;
    double link_share, flow_share; /* of narrow links, ours and the flow's */
    uint64_t link_dropped;         /* bytes of ours */
    uint64_t peak_rss_kb, events, trace_hash;
    uint64_t nonces_reused;
    uint32_t gateway_leaks, installed_twice;
    double radio_share; /* of the time, the radios of those that sleep */
    uint64_t unheard_packets; /* put into areas where no radio was on */
    uint64_t spoke_asleep;    /* what was sent with the radio off */
    uint32_t liars, liars_believed; /* by the server, to run the object */
    uint32_t proved;                /* running, as the server knows it */
    uint64_t lies, reports, report_bytes, reports_refused;
    uint32_t phase; /* enum mu_campaign_phase at the end */
    uint8_t scheme; /* enum mu_scheme_kind */
    struct sim_rekeys rekey;
};

/* The defaults of `muster sim`. */
void sim_conf_default(struct sim_conf *conf);
/* Fills in what depends on the payload: headers and rate of the medium. */
void sim_conf_settle(struct sim_conf *conf);
/* Names and keys for all nodes; the server up, knowing the whole fleet. */
void sim_fleet_provision(struct sim_world *w);
/* 0, or MU_ERR_USAGE for a conf that makes no sense (*why says which). */
int sim_fleet_run(const struct sim_conf *conf, struct sim_result *out,
                  const char **why);
/* No rule was broken (lawful), and everybody who should runs it (good). */
bool sim_result_lawful(const struct sim_result *r);
bool sim_result_good(const struct sim_result *r);
void sim_result_json(const struct sim_result *r, FILE *out);
void sim_result_text(const struct sim_result *r, FILE *out);

#endif
