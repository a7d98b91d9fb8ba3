/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figure 6-10 of EXALTED D5.2 s.6.1.1.4: the average number of unicast MSK
 * updates of a device in one key period, against the number of clusters, for
 * several probabilities that a device's membership changes in that period.
 *
 *     fig-6-10 [--json | --svg]
 *
 * A change: a member leaves and another takes its place in the cluster. The
 * points come from runs of the scheme `cluster`: members are drawn, they leave,
 * others join, the group is rekeyed, and the personal messages are counted and
 * made. The closed form beside them: a cluster of n/C devices is told one by
 * one unless none of them changed, so 1 - (1 - p)^(n/C) messages a device.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/scheme.h"

#define MEMBERS 1024u
#define PERIODS 24u       /* rekeys behind each point */
#define CLUSTER_STEPS 11u /* 1, 2, 4, ... 1024 */

static const double probabilities[] = {0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8};
#define CURVES (sizeof(probabilities) / sizeof(probabilities[0]))

struct point {
    uint32_t clusters;
    double measured;
    double formula;
    double multicast_bytes; /* of the rekey parts, a period */
    double personal_bytes;  /* a device and period */
    size_t labels;          /* keys of a device for clusters */
};

static uint64_t rng_state = 88172645463325252u;

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "fig-6-10: %s: %s\n", what, mu_err_text(rc));
    exit(1);
}

static double rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (double)(rng_state >> 11) / 9007199254740992.0;
}

/* Whoever changes is replaced by a newcomer of the same cluster. */
static void period_change(struct mu_scheme *s, uint32_t *slots, uint32_t size,
                          double p)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (rng() >= p)
            continue;
        must(mu_scheme_leave(s, slots[i]), "leave");
        must(mu_scheme_join(s, i / size, &slots[i]), "join");
    }
}

static void period_rekey(struct mu_scheme *s, struct point *out)
{
    static uint8_t data[1 << 20];
    struct mu_writer w;
    struct mu_rekey r;
    uint32_t slot;
    int rc;

    must(mu_scheme_begin(s, s->generation + 1, sizeof(data), &r), "begin");
    do {
        w = mu_writer(data, sizeof(data));
        rc = mu_rekey_part(s, &r, &w);
        if (rc == 0)
            out->multicast_bytes += (double)w.len;
    } while (rc == 0);
    if (rc != MU_ERR_NOT_FOUND)
        must(rc, "part");
    while (mu_rekey_personal(s, &r, &slot)) {
        w = mu_writer(data, sizeof(data));
        must(mu_scheme_personal(s, slot, &w), "personal message");
        out->measured++;
        out->personal_bytes += (double)w.len;
    }
    mu_rekey_clear(&r);
}

static struct point run(uint32_t clusters, double p)
{
    const struct mu_scheme_conf conf = {
        .crypto = mu_crypto_openssl(),
        .kind = MU_SCHEME_CLUSTER,
        .master = {.bytes = {6, 10}, .len = 32},
        .key_kind = MU_KEY_KB,
        .members = MEMBERS,
        .slots_max = MEMBERS * (PERIODS + 1),
        .clusters = clusters,
    };
    struct point out = {.clusters = clusters};
    const size_t len = mu_scheme_mem(&conf);
    void *mem = malloc(len);
    uint32_t slots[MEMBERS];
    uint8_t state[8192];
    struct mu_writer w = mu_writer(state, sizeof(state));
    struct mu_scheme s;

    if (mem == NULL)
        must(MU_ERR_NO_SPACE, "memory");
    must(mu_scheme_build(&s, &conf, 1, mem, len), "build");
    must(mu_scheme_issue(&s, 0, &w), "issue");
    out.labels = (w.len - MU_MEMBER_HEAD_LEN) / MU_NODE_KEY_LEN;
    for (uint32_t i = 0; i < MEMBERS; i++)
        slots[i] = i;
    for (uint32_t i = 0; i < PERIODS; i++) {
        period_change(&s, slots, MEMBERS / clusters, p);
        period_rekey(&s, &out);
    }
    out.measured /= (double)MEMBERS * PERIODS;
    out.personal_bytes /= (double)MEMBERS * PERIODS;
    out.multicast_bytes /= PERIODS;
    out.formula = 1 - pow(1 - p, (double)MEMBERS / clusters);
    mu_scheme_clear(&s);
    free(mem);
    return out;
}

static struct point points[CURVES][CLUSTER_STEPS];

static void run_all(void)
{
    for (size_t i = 0; i < CURVES; i++) {
        for (uint32_t j = 0; j < CLUSTER_STEPS; j++)
            points[i][j] = run((uint32_t)1 << j, probabilities[i]);
    }
}

static double worst(void)
{
    double off = 0;

    for (size_t i = 0; i < CURVES; i++) {
        for (size_t j = 0; j < CLUSTER_STEPS; j++)
            off = fmax(off, fabs(points[i][j].measured - points[i][j].formula));
    }
    return off;
}

static void print_json(void)
{
    printf("{\"bench\":\"fig-6-10\",\"members\":%u,\"periods\":%u,"
           "\"largest_difference\":%.4f,\"points\":[",
           MEMBERS, PERIODS, worst());
    for (size_t i = 0; i < CURVES; i++) {
        for (size_t j = 0; j < CLUSTER_STEPS; j++) {
            const struct point *p = &points[i][j];

            printf("%s\n{\"p\":%g,\"clusters\":%u,\"updates_per_device\":%.5f,"
                   "\"formula\":%.5f,\"keys_per_device\":%zu,"
                   "\"multicast_bytes\":%.0f,"
                   "\"personal_bytes_per_device\":%.1f}",
                   i + j > 0 ? "," : "", probabilities[i], p->clusters,
                   p->measured, p->formula, p->labels, p->multicast_bytes,
                   p->personal_bytes);
        }
    }
    printf("]}\n");
}

static void print_text(void)
{
    printf("unicast updates per device and period, %u devices, %u periods:\n"
           "measured (closed form)\n\nclusters keys",
           MEMBERS, PERIODS);
    for (size_t i = 0; i < CURVES; i++)
        printf("        p=%-5g", probabilities[i]);
    printf("\n");
    for (size_t j = 0; j < CLUSTER_STEPS; j++) {
        printf("%8u %4zu", points[0][j].clusters, points[0][j].labels);
        for (size_t i = 0; i < CURVES; i++)
            printf("  %.3f (%.3f)", points[i][j].measured,
                   points[i][j].formula);
        printf("\n");
    }
    printf("largest difference: %.4f\n", worst());
}

#define LEFT 70.0
#define TOP 46.0
#define WIDTH 520.0
#define HEIGHT 320.0

static double plot_x(double step)
{
    return LEFT + WIDTH * step / (CLUSTER_STEPS - 1);
}

static double plot_y(double updates)
{
    return TOP + HEIGHT * (1 - updates);
}

static void svg_axes(void)
{
    for (unsigned i = 0; i <= 5; i++) {
        const double y = plot_y(i / 5.0);

        printf("<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" "
               "stroke=\"#ddd\"/>\n<text x=\"%.0f\" y=\"%.1f\" "
               "text-anchor=\"end\">%.1f</text>\n",
               LEFT, y, LEFT + WIDTH, y, LEFT - 8, y + 4, i / 5.0);
    }
    for (uint32_t j = 0; j < CLUSTER_STEPS; j++)
        printf("<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%u</text>\n",
               plot_x(j), TOP + HEIGHT + 18, 1u << j);
    printf("<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" "
           "fill=\"none\" stroke=\"#333\"/>\n",
           LEFT, TOP, WIDTH, HEIGHT);
    printf("<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">clusters of a "
           "group of %u</text>\n",
           LEFT + WIDTH / 2, TOP + HEIGHT + 40, MEMBERS);
    printf("<text transform=\"translate(22 %.0f) rotate(-90)\" "
           "text-anchor=\"middle\">unicast updates per device</text>\n",
           TOP + HEIGHT / 2);
}

static void svg_curve(size_t i, const char *colour)
{
    printf("<polyline fill=\"none\" stroke=\"%s\" points=\"", colour);
    for (int k = 0; k <= 200; k++) {
        const double step = (double)(CLUSTER_STEPS - 1) * k / 200.0;
        const double updates =
            1 - pow(1 - probabilities[i], MEMBERS / pow(2, step));

        printf("%.1f,%.1f ", plot_x(step), plot_y(updates));
    }
    printf("\"/>\n");
    for (uint32_t j = 0; j < CLUSTER_STEPS; j++)
        printf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
               plot_x(j), plot_y(points[i][j].measured), colour);
    printf("<text x=\"%.0f\" y=\"%.1f\" fill=\"%s\">p = %g</text>\n",
           LEFT + WIDTH + 8,
           plot_y(points[i][CLUSTER_STEPS - 1].formula) +
               (i < 2 ? 6.0 - 10.0 * (double)i : 4.0),
           colour, probabilities[i]);
}

static void print_svg(void)
{
    static const char *const colours[CURVES] = {
        "#1b6ca8", "#2a9d8f", "#6a994e", "#bc6c25",
        "#d1495b", "#7b2d8b", "#222222",
    };

    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 680 420\" "
           "font-family=\"sans-serif\" font-size=\"12\">\n"
           "<rect width=\"680\" height=\"420\" fill=\"white\"/>\n"
           "<text x=\"%.0f\" y=\"24\" font-size=\"14\">Unicast key updates "
           "against clusters (dots: runs; lines: 1-(1-p)^(n/C))</text>\n",
           LEFT);
    svg_axes();
    for (size_t i = 0; i < CURVES; i++)
        svg_curve(i, colours[i]);
    printf("</svg>\n");
}

int main(int argc, char **argv)
{
    const bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    const bool svg = argc == 2 && strcmp(argv[1], "--svg") == 0;

    if (argc > 2 || (argc == 2 && !json && !svg)) {
        fprintf(stderr, "usage: fig-6-10 [--json | --svg]\n");
        return 2;
    }
    if (mu_crypto_openssl() == NULL)
        must(MU_ERR_CRYPTO, "back end");
    run_all();
    if (json)
        print_json();
    else if (svg)
        print_svg();
    else
        print_text();
    return 0;
}
