/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many packets a sender puts on the medium, against the lower bound
 * ceil(size / payload) / (1 - loss), and against what page-wise parity could do
 * at best with the same shape (it knows in advance how many symbols the
 * unluckiest receiver of each page will lose). JSON, one line a case.
 *
 *     cast_ratio [SIZE [PAYLOAD DATA PARITY]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/cast/field.h"

#define SEEDS 3

/* Packets until every one of n receivers has k symbols: one draw. */
static uint32_t genie_page(struct field *f, uint32_t k, uint32_t n,
                           uint32_t loss)
{
    uint32_t most = k;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t sent = 0, got = 0;
        while (got < k) {
            sent++;
            got += field_random(f, 1000) >= loss;
        }
        if (sent > most)
            most = sent;
    }
    return most;
}

static double genie(struct field *f)
{
    struct mu_cast_page page;
    double sum = 0;

    if (mu_cast_page_first(&f->conf.shape, f->conf.size, &page) != 0)
        return 0;
    do {
        sum += genie_page(f, page.data, f->conf.receivers,
                          f->conf.loss_permille);
    } while (mu_cast_page_next(&f->conf.shape, f->conf.size, &page));
    return sum;
}

struct ratio_sum {
    double packets, best, rounds, asked, bytes, seconds;
    uint32_t done;
};

static void ratio_one(const struct field_conf *conf, struct ratio_sum *sum)
{
    struct field f;

    field_init(&f, conf);
    if (!field_run(&f))
        fprintf(stderr, "cast_ratio: not finished\n");
    sum->done += field_done(&f);
    sum->packets += (double)field_packets(&f);
    sum->rounds += (double)mu_cast_sender_counts(&f.sender)->control;
    sum->asked += (double)f.asked;
    sum->bytes += (double)(mu_cast_sender_counts(&f.sender)->bytes +
                           f.asked_bytes);
    sum->seconds += (double)f.now / 1e6;
    sum->best += genie(&f);
    field_free(&f);
}

static void ratio_case(struct field_conf conf)
{
    struct ratio_sum sum = {0};
    double bound, wall;
    clock_t start = clock();

    for (conf.seed = 1; conf.seed <= SEEDS; conf.seed++)
        ratio_one(&conf, &sum);
    wall = (double)(clock() - start) / CLOCKS_PER_SEC;
    bound = SEEDS *
            (double)((conf.size + conf.shape.payload - 1) /
                     conf.shape.payload) /
            (1 - conf.loss_permille / 1000.0);
    printf("{\"size\": %" PRIu64 ", \"payload\": %u, \"page_data\": %u, "
           "\"page_parity\": %u, \"loss\": %.2f, \"receivers\": %u, "
           "\"done\": %.1f, \"packet_ratio\": %.3f, \"best_ratio\": %.3f, "
           "\"polls_per_page\": %.2f, \"needs_per_page\": %.2f, "
           "\"virtual_seconds\": %.2f, \"cpu_seconds\": %.2f}\n",
           conf.size, conf.shape.payload, conf.shape.page_data,
           conf.shape.page_parity, conf.loss_permille / 1000.0,
           conf.receivers, (double)sum.done / SEEDS, sum.packets / bound,
           sum.best / bound,
           sum.rounds / SEEDS / mu_cast_pages(&conf.shape, conf.size),
           sum.asked / SEEDS / mu_cast_pages(&conf.shape, conf.size),
           sum.seconds / SEEDS, wall);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const uint32_t losses[] = {0, 50, 200};
    static const uint32_t receivers[] = {1, 32, 1000};
    struct field_conf conf = {
        .shape = {1024, 32, 16, 8},
        .size = 1 << 20,
        .delay_us = 2000,
        .guess_permille = 50,
        .answer_all_max = 4,
    };

    if (argc > 1)
        conf.size = strtoull(argv[1], NULL, 10);
    if (argc > 4) {
        conf.shape.payload = (uint16_t)atoi(argv[2]);
        conf.shape.page_data = (uint8_t)atoi(argv[3]);
        conf.shape.page_parity = (uint8_t)atoi(argv[4]);
    }
    if (mu_cast_pages(&conf.shape, conf.size) == 0) {
        fprintf(stderr, "cast_ratio: no such shape, or size\n");
        return 1;
    }
    for (size_t l = 0; l < sizeof(losses) / sizeof(losses[0]); l++) {
        for (size_t n = 0; n < sizeof(receivers) / sizeof(receivers[0]); n++) {
            conf.loss_permille = losses[l];
            conf.receivers = receivers[n];
            ratio_case(conf);
        }
    }
    return 0;
}
