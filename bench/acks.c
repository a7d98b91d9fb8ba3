/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What acknowledgements of many cost, and what it costs to find who spoils
 * them: messages and bytes. One JSON object.
 *
 *     bench_acks [SEEDS]
 *
 * report: between a gateway and the server, payloads of POST /r. "halving" is
 * the plain sum cut in two until the false ones stand alone; "2", "4" the plain
 * sum, then shifted by so much, then side by side; "apart" side by side
 * from the start.
 * tree: nodes that acknowledge to a root over each other, tests/ack/tree.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/wide_msg.h"
#include "tests/ack/tree.h"

#define MEMBERS 500

struct report {
    struct tree *t;         /* for its acknowledgements and its chance */
    bool liar[MEMBERS];
    bool proved[MEMBERS];
    bool apart[MEMBERS];
    uint32_t messages, bytes;
    uint32_t at_once; /* proved by the first message after the plain one */
};

static int expected(void *context, uint16_t index, uint8_t ack[MU_ACK_LEN])
{
    const struct report *r = context;

    memcpy(ack, r->t->acks[index], MU_ACK_LEN);
    return 0;
}

/* Members of [first, end) that `want` picks, as many as go into one message.
 * Returns the index after the last one, and how many were not proved. */
static uint16_t report_send(struct report *r, uint16_t first, uint16_t end,
                            uint8_t shift, bool apart, int *left)
{
    static uint8_t named[MU_AREA_DEVICES_MAX / 8], string[MU_ACK_STRING_MAX];
    static uint8_t rest[MU_ACK_STRING_MAX], gone[MU_AREA_DEVICES_MAX / 8];
    static uint8_t room[2 * MU_MESSAGE_MAX];
    const struct mu_ack_expect expect = {r, expected};
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_wide_report m = {.state = 15, .shift = shift};
    struct mu_ack_sum sum;
    struct mu_ack_set set;
    uint16_t i = first;

    mu_ack_sum_init(&sum, first, shift, named, 64, string, sizeof string);
    for (; i < end; i++) {
        if (r->proved[i] || r->apart[i] != apart)
            continue;
        if (mu_ack_sum_add(&sum, i, r->liar[i] ? r->t->old[i]
                                               : r->t->acks[i]) != 0)
            break;
    }
    set = mu_ack_sum_set(&sum);
    *left = 0;
    if (sum.members == 0)
        return end;
    m.first = set.first;
    m.bitmap = set.named;
    m.acks = set.string;
    if (mu_wide_report_create(&m, &w) != 0)
        abort();
    *left = mu_ack_check(&set, &expect, rest, gone);
    r->messages++;
    r->bytes += (uint32_t)w.len;
    for (uint32_t n = 0; n < set.named.len * 8; n++) {
        uint32_t at = first + n;

        if (!mu_ack_names(&set, at))
            continue;
        if ((gone[n / 8] >> n % 8 & 1) == 0)
            r->proved[at] = true;
        else if (shift != 0)
            r->apart[at] = true;
    }
    return i;
}

static void report_halve(struct report *r, uint16_t first, uint16_t end)
{
    int left;

    if (first == end)
        return;
    report_send(r, first, end, 0, false, &left);
    if (left == 0 || end - first == 1)
        return;
    report_halve(r, first, (uint16_t)(first + (end - first) / 2));
    report_halve(r, (uint16_t)(first + (end - first) / 2), end);
}

static void report_pass(struct report *r, uint8_t shift, bool apart)
{
    int left;

    for (uint16_t at = 0; at < MEMBERS;)
        at = report_send(r, at, MEMBERS, shift, apart, &left);
}

static void report_run(struct report *r, const char *form)
{
    int left;

    if (strcmp(form, "halving") == 0) {
        report_halve(r, 0, MEMBERS);
        return;
    }
    if (strcmp(form, "apart") == 0) {
        report_pass(r, MU_ACK_LEN, false);
        return;
    }
    report_send(r, 0, MEMBERS, 0, false, &left);
    if (left == 0)
        return;
    report_pass(r, (uint8_t)atoi(form), false);
    for (uint16_t i = 0; i < MEMBERS; i++)
        r->at_once += r->proved[i];
    report_pass(r, MU_ACK_LEN, true);
}

static void report_case(const char *form, uint32_t liars, uint32_t seeds,
                        const char *comma)
{
    uint64_t messages = 0, bytes = 0, once = 0;

    for (uint32_t seed = 1; seed <= seeds; seed++) {
        struct report r = {.t = tree_new(MEMBERS, 10, 0, seed)};

        for (uint32_t n = 0; n < liars;) {
            uint32_t i = tree_random(r.t, MEMBERS);

            n += !r.liar[i];
            r.liar[i] = true;
        }
        report_run(&r, form);
        for (uint16_t i = 0; i < MEMBERS; i++) {
            if (r.proved[i] == r.liar[i]) {
                fprintf(stderr, "bench_acks: %s: wrong about %u\n", form, i);
                exit(1);
            }
        }
        messages += r.messages;
        bytes += r.bytes;
        once += r.at_once;
        tree_del(r.t);
    }
    printf("%s\n  {\"members\": %d, \"false\": %" PRIu32 ", \"form\": \"%s\", "
           "\"messages\": %.1f, \"bytes\": %.0f, \"proved_shifted\": %.1f}",
           comma, MEMBERS, liars, form, (double)messages / seeds,
           (double)bytes / seeds, (double)once / seeds);
}

static void tree_case(uint16_t fanout, uint8_t shift, uint32_t liars,
                      bool inner, uint32_t seeds, const char *comma)
{
    double bytes = 0, most = 0, once = 0, open = 0, hops = 0, hop_bytes = 0;
    double depth = 0, honest = 0, proved = 0, found = 0;

    for (uint32_t seed = 1; seed <= seeds; seed++) {
        struct tree *t = tree_new(TREE_MAX, fanout, shift, seed);
        uint32_t seen = 0;

        for (uint32_t n = 0; n < liars; n++)
            t->way[tree_pick(t, inner)] =
                inner ? TREE_POLLUTE : TREE_FALSE_ACK;
        tree_run(t);
        for (uint16_t i = 0; i < TREE_MAX; i++) {
            depth += t->depth[i];
            honest += t->way[i] != TREE_FALSE_ACK;
            seen += t->way[i] != TREE_HONEST && tree_found(t, i);
        }
        bytes += t->up_bytes;
        if (t->up_bytes_max > most)
            most = t->up_bytes_max;
        once += t->proved_at_once;
        proved += tree_proved(t);
        open += t->openings;
        hops += t->opening_hops;
        hop_bytes += t->opening_hop_bytes;
        found += seen;
        tree_del(t);
    }
    printf("%s\n  {\"nodes\": %d, \"branches\": %u, \"mean_depth\": %.1f, "
           "\"shift\": %u, \"liars\": %" PRIu32 ", \"liar\": \"%s\", "
           "\"bytes_a_node\": %.1f, \"bytes_of_the_busiest\": %.0f, "
           "\"truthful\": %.1f, \"proved_at_once\": %.1f, "
           "\"proved\": %.1f, \"openings\": %.1f, "
           "\"opening_hops\": %.1f, \"opening_bytes_a_node\": %.1f, "
           "\"found\": %.1f}",
           comma, TREE_MAX, fanout, depth / seeds / TREE_MAX, shift, liars,
           inner ? "inner" : "leaf", bytes / seeds / TREE_MAX, most,
           honest / seeds, once / seeds, proved / seeds, open / seeds,
           hops / seeds, hop_bytes / seeds / TREE_MAX, found / seeds);
}

int main(int argc, char **argv)
{
    static const char *const forms[] = {"halving", "2", "4", "apart"};
    static const uint32_t liars[] = {0, 1, 4, 16, 64};
    static const uint32_t tree_liars[] = {0, 1, 4, 16};
    static const uint16_t branches[] = {2, 4, 10, 0};
    static const uint8_t shifts[] = {0, 2, 4};
    uint32_t seeds = argc > 1 ? (uint32_t)atoi(argv[1]) : 10;
    const char *comma = "";

    printf("{\"report\": [");
    for (size_t l = 0; l < sizeof liars / sizeof liars[0]; l++) {
        for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
            report_case(forms[f], liars[l], seeds, comma);
            comma = ",";
        }
    }
    printf("],\n\"tree\": [");
    comma = "";
    for (size_t b = 0; b < sizeof branches / sizeof branches[0]; b++) {
        for (size_t s = 0; s < sizeof shifts; s++) {
            for (size_t l = 0; l < 4; l++) {
                for (int inner = 0; inner < (tree_liars[l] > 0 ? 2 : 1);
                     inner++) {
                    tree_case(branches[b], shifts[s], tree_liars[l],
                              inner != 0, seeds, comma);
                    comma = ",";
                }
            }
        }
    }
    printf("]}\n");
    return 0;
}
