/* SPDX-License-Identifier: Apache-2.0 */
/* The result of a run, for machines and for people. */
#include <inttypes.h>

#include "attack.h"
#include "fleet.h"
#include "muster/scheme.h"

static void result_attack_json(const struct sim_result *r, FILE *out)
{
    fprintf(out,
            "\"attack\":\"%s\",\"attack_packets\":%" PRIu64
            ",\"attack_bytes\":%" PRIu64 ",\"clean_area_bytes\":%" PRIu64
            ",\"clean_seconds\":%.3f,",
            sim_attack_name((enum sim_attack)r->attack), r->attack_packets,
            r->attack_bytes, r->clean_bytes, r->clean_seconds);
}

static void result_links_json(const struct sim_result *r, FILE *out)
{
    fprintf(out,
            "\"link_share\":%.4f,\"flow_share\":%.4f,\"link_dropped\":%" PRIu64
            ",",
            r->link_share, r->flow_share, r->link_dropped);
}

/* What the areas' bytes were spent on. */
static void json_bytes(const struct sim_result *r, FILE *out)
{
    fprintf(out,
            "\"symbol_bytes\":%" PRIu64 ",\"announce_bytes\":%" PRIu64
            ",\"poll_bytes\":%" PRIu64 ",\"need_bytes\":%" PRIu64
            ",\"census_bytes\":%" PRIu64 ",\"ack_bytes\":%" PRIu64
            ",\"keepalive_bytes\":%" PRIu64 ",\"rest_bytes\":%" PRIu64
            ",\"acks_ridden\":%" PRIu64
            ",\"ratio_gross\":%.4f,\"delivery_ratio\":%.4f,",
            r->kind_bytes[SIM_KIND_SYMBOLS], r->kind_bytes[SIM_KIND_ANNOUNCE],
            r->kind_bytes[SIM_KIND_POLL], r->kind_bytes[SIM_KIND_NEED],
            r->kind_bytes[SIM_KIND_CENSUS], r->kind_bytes[SIM_KIND_STATUS],
            r->keepalive_bytes, r->rest_bytes, r->rides, r->ratio_gross,
            r->delivery_ratio);
}

void sim_result_json(const struct sim_result *r, FILE *out)
{
    fprintf(out,
            "{\"devices\":%u,\"received\":%u,\"verified\":%u,"
            "\"installed\":%u,\"running\":%u,\"failed\":%u,"
            "\"revoked\":%u,\"revoked_opened\":%u,\"revoked_before\":%u,"
            "\"forged\":%" PRIu64 ",\"forged_accepted\":%" PRIu64
            ",\"replayed\":%" PRIu64 ",",
            r->devices, r->received, r->verified, r->installed, r->running,
            r->failed, r->revoked, r->revoked_opened, r->revoked_before,
            r->forged,
            r->forged_accepted, r->replayed);
    fprintf(out,
            "\"packets\":%" PRIu64 ",\"bound_packets\":%.2f,"
            "\"alone_packets\":%" PRIu64 ",\"packet_ratio\":%.4f,"
            "\"floor_ratio\":%.4f,\"block_ratio\":%.4f,"
            "\"control_packets\":%" PRIu64
            ",\"feedback_packets\":%" PRIu64 ",\"area_bytes\":%" PRIu64
            ",\"message_bytes\":%" PRIu64
            ",\"bound_bytes\":%.0f,\"ratio\":%.4f,"
            "\"wan_bytes\":%" PRIu64 ",",
            r->packets, r->bound_packets, r->alone_packets, r->packet_ratio,
            r->floor_ratio, r->block_ratio, r->control, r->feedback,
            r->area_bytes, r->message_bytes, r->bound_bytes, r->ratio,
            r->wan_bytes);
    json_bytes(r, out);
    fprintf(out,
            "\"scheme\":\"%s\",\"rekeys\":%u,\"rekey_left\":%u,"
            "\"rekey_holding\":%u,\"rekey_lacking\":%u,"
            "\"rekey_late_keys\":%u,\"rekey_area_bytes\":%" PRIu64
            ",\"rekey_message_bytes\":%" PRIu64
            ",\"rekey_announce_bytes\":%" PRIu64
            ",\"rekey_census_bytes\":%" PRIu64
            ",\"rekey_ack_bytes\":%" PRIu64
            ",\"rekey_wan_bytes\":%" PRIu64
            ",\"rekey_seconds\":%.3f,\"rekey_seconds_most\":%.3f,",
            mu_scheme_name(r->scheme), r->rekey.done, r->rekey.left,
            r->rekey.holding, r->rekey.lacking, r->rekey.late_keys,
            r->rekey.area_bytes, r->rekey.message_bytes,
            r->rekey.kind_bytes[SIM_KIND_ANNOUNCE],
            r->rekey.kind_bytes[SIM_KIND_CENSUS],
            r->rekey.kind_bytes[SIM_KIND_STATUS], r->rekey.wan_bytes,
            r->rekey.seconds, r->rekey.seconds_most);
    fprintf(out,
            "\"liars\":%u,\"liars_believed\":%u,\"lies\":%" PRIu64
            ",\"proved\":%u,\"reports\":%" PRIu64
            ",\"report_bytes\":%" PRIu64 ",\"reports_refused\":%" PRIu64
            ",",
            r->liars, r->liars_believed, r->lies, r->proved, r->reports,
            r->report_bytes, r->reports_refused);
    result_attack_json(r, out);
    result_links_json(r, out);
    fprintf(out,
            "\"nonces_reused\":%" PRIu64
            ",\"gateway_leaks\":%u,\"installed_twice\":%u,"
            "\"radio_share\":%.4f,\"unheard_packets\":%" PRIu64
            ",\"spoke_asleep\":%" PRIu64 ","
            "\"virtual_seconds\":%.3f,\"wall_seconds\":%.3f,"
            "\"peak_rss_kb\":%" PRIu64 ",\"events\":%" PRIu64
            ",\"trace_hash\":\"%016" PRIx64 "\"}\n",
            r->nonces_reused, r->gateway_leaks, r->installed_twice,
            r->radio_share, r->unheard_packets, r->spoke_asleep,
            r->virtual_seconds, r->wall_seconds, r->peak_rss_kb, r->events,
            r->trace_hash);
}

static void text_bytes(const struct sim_result *r, FILE *out)
{
    fprintf(out, "packets    %" PRIu64 " on the air, %.3f times a perfect "
                 "code at the mean loss; %.3f for those who lost most\n",
            r->packets, r->packet_ratio, r->floor_ratio);
    fprintf(out, "bytes      %" PRIu64 " in the areas, %.3f times the bound; "
                 "%" PRIu64 " wide\n",
            r->area_bytes, r->ratio, r->wan_bytes);
    fprintf(out, "           %.3f times the bound without the "
                 "acknowledgements, %.3f with all keep-alives\n",
            r->delivery_ratio, r->ratio_gross);
    fprintf(out, "keep-alive %" PRIu64 " bytes, %" PRIu64 " acknowledgements "
                 "with them; %" PRIu64 " bytes in a fleet at rest\n",
            r->keepalive_bytes, r->rides, r->rest_bytes);
}

void sim_result_text(const struct sim_result *r, FILE *out)
{
    fprintf(out, "devices    %u: %u verified, %u installed, %u running, "
                 "%u failed\n",
            r->devices, r->verified, r->installed, r->running, r->failed);
    fprintf(out, "revoked    %u, of which %u opened the object, %u had it "
                 "before\n",
            r->revoked, r->revoked_opened, r->revoked_before);
    fprintf(out, "forged     %" PRIu64 " packets, %" PRIu64
                 " accepted; %" PRIu64 " replayed\n",
            r->forged, r->forged_accepted, r->replayed);
    if (r->attack != SIM_ATTACK_NONE)
        fprintf(out, "attack     %s: %" PRIu64 " packets, %" PRIu64
                     " bytes of the attacker; without it %" PRIu64
                     " bytes in the areas, %.1f s\n",
                sim_attack_name((enum sim_attack)r->attack),
                r->attack_packets, r->attack_bytes, r->clean_bytes,
                r->clean_seconds);
    fprintf(out, "acks       %u proved to the server in %" PRIu64
                 " reports of %" PRIu64 " bytes; of %u liars %u believed\n",
            r->proved, r->reports, r->report_bytes, r->liars,
            r->liars_believed);
    text_bytes(r, out);
    if (r->rekey.done > 0)
        fprintf(out, "rekeys     %u by %s: %u left, %u hold the key, %u lack "
                     "it, %u leavers have it; %" PRIu64
                     " bytes in the areas, %" PRIu64 " wide, %.1f s at most\n",
                r->rekey.done, mu_scheme_name(r->scheme), r->rekey.left,
                r->rekey.holding, r->rekey.lacking, r->rekey.late_keys,
                r->rekey.area_bytes, r->rekey.wan_bytes,
                r->rekey.seconds_most);
    if (r->radio_share > 0)
        fprintf(out, "radio      on %.1f %% of the time at those that sleep; "
                     "%" PRIu64 " packets while none was on\n",
                100 * r->radio_share, r->unheard_packets);
    if (r->link_share > 0)
        fprintf(out, "link       %.1f %% used by us, %.1f %% by the flow, %" PRIu64
                     " bytes of ours dropped\n",
                100 * r->link_share, 100 * r->flow_share, r->link_dropped);
    fprintf(out, "time       %.1f s in the fleet, %.1f s here, %" PRIu64
                 " MiB\n",
            r->virtual_seconds, r->wall_seconds, r->peak_rss_kb / 1024);
    fprintf(out, "trace      %016" PRIx64 "\n", r->trace_hash);
}
