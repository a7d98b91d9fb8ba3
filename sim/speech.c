/* SPDX-License-Identifier: Apache-2.0 */
/* The story of some alerts: provision, connect, speak, forge, count. */
#include "speech.h"

#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "muster/device_state.h"
#include "muster/gateway_state.h"
#include "muster/server_state.h"
#include "muster/source.h"

enum {
    DO_REGISTER, DO_SAY, DO_END,
    BOOTED_S = 13,  /* all are up */
    READY_S = 100,  /* runs are not young any more, chains are known */
    APART_S = 8,    /* between messages of one speaker */
    AFTER_S = 60,   /* for what is to be repaired */
    PAST = 64,      /* frames that the insider keeps */
    TEXT = 24,
};

struct said {
    char text[TEXT];
    uint32_t speaker; /* node */
    mu_time at;
    uint8_t *heard;   /* by node */
};

struct speech_story {
    const struct sim_speech_conf *conf;
    struct sim_speech_result *out;
    struct said *said;
    uint32_t said_len, rounds;
    mu_time delay;
    mu_time begun;
    struct sim_buffer *past[PAST];
    uint32_t past_len;
    bool over;
};

/* ---- the checker ----------------------------------------------------------- */

/* What a device hears was said, by that one, and it hears it once. */
static void speech_heard(struct sim_world *w, struct sim_node *n,
                         const struct mu_effect *e)
{
    struct speech_story *s = w->story;
    struct said *said = NULL;
    uint32_t self = sim_node_index(w, n);

    for (uint32_t i = 0; i < s->said_len && said == NULL; i++) {
        if (mu_bytes_eq(e->value, mu_bytes_str(s->said[i].text)))
            said = &s->said[i];
    }
    if (said == NULL ||
        !mu_bytes_eq(e->name, mu_bytes_str(w->nodes[said->speaker].identity))) {
        s->out->false_heard++;
        sim_world_trace(w, n, "false-alert", e->version, 0);
        return;
    }
    if (said->heard[self]++ > 0) {
        s->out->twice++;
        return;
    }
    s->out->heard++;
    s->delay += w->now - said->at;
}

/* ---- the insider ------------------------------------------------------------ */

/* Where the last byte of a message's number stands in a packet of a chain: behind
 * kind, stream, place and the hash of the next one. */
#define CHAIN_NUMBER (1 + 1 + 4 + 8 + 3)

static uint8_t dice(struct sim_world *w, uint32_t below)
{
    return (uint8_t)sim_rng_below(&w->attacker, below);
}

/* One frame more, with the area's key, out of one that he heard. */
static void insider_makes(struct sim_world *w, uint32_t gateway,
                          const struct mu_secret *kctl,
                          const struct sim_buffer *heard)
{
    uint8_t packet[MU_SPEECH_PACKET_MAX], out[MU_PACKET_MAX];
    struct mu_writer to = mu_writer(out, sizeof out);
    struct mu_speech_frame m;
    struct sim_buffer *b;

    if (mu_speech_frame_peek(mu_bytes(heard->data, heard->len), &m) != 0)
        return;
    memcpy(packet, m.packet.data, m.packet.len);
    switch (dice(w, 7)) {
    case 0: /* another text */
        packet[m.packet.len - 1 - dice(w, 3)] ^= (uint8_t)(1 + dice(w, 255));
        break;
    case 1: /* another speaker: the gateway, or a neighbour */
        m.id = (m.id & 0xffff0000u) | (dice(w, 2) != 0 ? 0xffff : dice(w, 4));
        packet[1 + dice(w, 4)] ^= dice(w, 2);
        break;
    case 2: /* a counter, an interval, a place to come */
        packet[2 + dice(w, 11) % (m.packet.len - 2)] ^= (uint8_t)(1 + dice(w, 7));
        break;
    case 3: /* another run */
        m.run = (uint16_t)(m.run + 1 + dice(w, 3));
        break;
    case 4: /* another kind */
        packet[0] = (uint8_t)(0x50 + dice(w, 7));
        break;
    case 5: /* what comes next, before it does, with another text: of a chain,
             * by its place and by the number of the message */
        packet[5]++;
        if (packet[0] == MU_SOURCE_CHAIN && m.packet.len > CHAIN_NUMBER)
            packet[CHAIN_NUMBER]++;
        packet[m.packet.len - 1] ^= 1;
        break;
    default: /* as it was, once more */
        break;
    }
    m.packet.data = packet;
    if (mu_speech_frame_create(&w->crypto, kctl, &m, &to) != 0)
        return;
    b = sim_buffer_new(out, to.len);
    b->forged = true;
    w->attack_packets++;
    sim_world_shout(w, gateway, b);
}

/* All devices of the area hold its key; he has it of one of them. */
static const struct mu_secret *insider_key(struct sim_world *w,
                                           uint32_t gateway)
{
    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        struct sim_node *n = &w->nodes[i];
        const struct mu_device *d = n->engine;

        if (n->above == gateway && n->up && d->area[0].kid.kind != 0)
            return &d->area[0].kctl;
    }
    return NULL;
}

static void speech_overheard(struct sim_world *w, uint32_t gateway,
                             struct sim_buffer *b)
{
    struct speech_story *s = w->story;
    const struct mu_secret *kctl = insider_key(w, gateway);
    uint32_t at = s->past_len++ % PAST;

    if (b->len == 0 || b->data[0] != MU_SPEECH_FRAME || kctl == NULL)
        return;
    if (s->past[at] != NULL)
        sim_buffer_drop(s->past[at]);
    s->past[at] = sim_buffer_hold(b);
    s->out->frames++;
    s->out->frame_bytes += b->len + w->conf.overhead;
    for (uint32_t i = 0; i < s->conf->forged; i++) {
        uint32_t len = s->past_len < PAST ? s->past_len : PAST;
        struct sim_buffer *old = s->past[sim_rng_below(&w->attacker, len)];

        insider_makes(w, gateway, kctl,
                      i % 2 == 0 || old == NULL ? b : old);
    }
}

/* ---- the story --------------------------------------------------------------- */

/* The gateway of an area, and its first device. */
static bool speech_speaks(const struct sim_world *w, uint32_t node)
{
    if (node == 0)
        return false;
    return node < w->first_device ||
           node - w->first_device < w->conf.gateways;
}

static void speech_register(struct sim_world *w)
{
    struct speech_story *s = w->story;

    for (uint32_t i = 1; i < w->nodes_len; i++) {
        if (!speech_speaks(w, i))
            continue;
        if (mu_server_speaker_add(w->nodes[0].engine,
                                  mu_bytes_str(w->nodes[i].identity)) != 0)
            abort();
        sim_world_drain(w, &w->nodes[0]);
        s->out->speakers++;
    }
    sim_world_at(w, MU_SECONDS(READY_S), DO_SAY);
}

static uint32_t speech_together(const struct sim_speech_conf *conf)
{
    return conf->together > 1 ? conf->together : 1;
}

static uint32_t speech_most(const struct sim_speech_conf *conf)
{
    return conf->messages * speech_together(conf) * 2 * conf->world.gateways;
}

static void speech_say(struct sim_world *w, uint32_t node, uint32_t number)
{
    struct speech_story *s = w->story;
    struct said *said = &s->said[s->said_len];
    struct sim_node *n = &w->nodes[node];
    uint32_t gateway = node < w->first_device ? node : n->above;
    int rc;

    snprintf(said->text, sizeof said->text, "%u says %u", (unsigned)node,
             (unsigned)(s->rounds * speech_together(s->conf) + number));
    said->speaker = node;
    said->at = w->now;
    if (!n->up)
        return;
    rc = n->role == SIM_GATEWAY
             ? mu_gateway_say(n->engine, w->now - n->boot_at,
                              mu_bytes_str(said->text))
             : mu_device_say(n->engine, w->now - n->boot_at,
                             mu_bytes_str(said->text));
    if (rc != 0) {
        sim_world_trace(w, n, "not-said", (uint64_t)-rc, 0);
        return;
    }
    s->said_len++;
    s->out->said++;
    for (uint32_t i = w->first_device; i < w->nodes_len; i++)
        s->out->expected += w->nodes[i].above == gateway;
    sim_world_drain(w, n);
}

static void speech_scenario(struct sim_world *w, uint64_t number)
{
    struct speech_story *s = w->story;

    switch (number) {
    case DO_REGISTER:
        speech_register(w);
        break;
    case DO_SAY:
        if (s->begun == 0)
            s->begun = w->now;
        for (uint32_t i = 1; i < w->nodes_len; i++) {
            for (uint32_t n = 0; speech_speaks(w, i) &&
                                 n < speech_together(s->conf); n++)
                speech_say(w, i, n);
        }
        s->rounds++;
        if (s->rounds == s->conf->messages / 2 && w->conf.restarts > 0) {
            /* A gateway that speaks, and a device that listens. */
            sim_world_crash(w, &w->nodes[1], MU_SECONDS(2));
            sim_world_crash(w, &w->nodes[w->nodes_len - 1], MU_SECONDS(1));
        }
        if (s->rounds < s->conf->messages)
            sim_world_at(w, w->now + MU_SECONDS(APART_S), DO_SAY);
        else
            sim_world_at(w, w->now + MU_SECONDS(AFTER_S), DO_END);
        break;
    default:
        s->over = true;
        break;
    }
}

static bool speech_over(struct sim_world *w)
{
    return ((struct speech_story *)w->story)->over;
}

static void speech_result(struct sim_world *w, struct speech_story *s)
{
    uint64_t signatures = 0;

    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        struct mu_device_speech_counts c;

        if (!w->nodes[i].up)
            continue;
        mu_device_speech_counts(w->nodes[i].engine, &c);
        signatures += c.signatures;
    }
    s->out->signatures = (double)signatures / w->conf.devices /
                         ((double)w->now / 1e6);
    s->out->delay_ms = s->out->heard == 0
                           ? 0 : (double)s->delay / 1e3 / (double)s->out->heard;
    s->out->forged = w->attack_packets;
    s->out->trace_hash = w->trace_hash;
}

static void speech_memory(struct speech_story *s, const struct sim_world *w)
{
    uint32_t most = speech_most(s->conf);

    s->said = calloc(most, sizeof *s->said);
    for (uint32_t i = 0; s->said != NULL && i < most; i++) {
        s->said[i].heard = calloc(w->nodes_len, 1);
        if (s->said[i].heard == NULL)
            abort();
    }
    if (s->said == NULL)
        abort();
}

static void speech_free(struct speech_story *s)
{
    for (uint32_t i = 0; i < speech_most(s->conf); i++)
        free(s->said[i].heard);
    free(s->said);
    for (uint32_t i = 0; i < PAST; i++) {
        if (s->past[i] != NULL)
            sim_buffer_drop(s->past[i]);
    }
}

int sim_speech_run(const struct sim_speech_conf *conf,
                   struct sim_speech_result *out)
{
    struct speech_story s = {.conf = conf, .out = out};
    struct sim_conf settled = conf->world;
    struct sim_world w;

    memset(out, 0, sizeof *out);
    if (settled.speech == MU_SPEECH_NONE ||
        settled.speech >= MU_SPEECH_SCHEME_COUNT || conf->messages == 0 ||
        settled.gateways == 0 || settled.devices < settled.gateways * 2)
        return MU_ERR_USAGE;
    sim_conf_settle(&settled);
    sim_world_init(&w, &settled);
    w.truth = calloc(1, settled.size);
    w.scenario = speech_scenario;
    w.alerted = speech_heard;
    w.overheard = speech_overheard;
    w.story = &s;
    speech_memory(&s, &w);
    sim_fleet_provision(&w);
    for (uint32_t i = 1; i < w.nodes_len; i++)
        sim_queue_put(&w.queue,
                      (struct sim_item){
                          .at = MU_MS(10) + sim_rng_below(&w.chance,
                                                          MU_SECONDS(10)),
                          .what = SIM_BOOT, .node = i});
    sim_world_at(&w, MU_SECONDS(BOOTED_S), DO_REGISTER);
    sim_world_run(&w, MU_SECONDS(3600), speech_over);
    speech_result(&w, &s);
    sim_world_clear(&w);
    speech_free(&s);
    return 0;
}
