/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/explain.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

#include "muster/limits.h"

#define POLL_BYTES 28
#define NEED_BYTES 16
#define STATUS_BYTES 22
#define RIDE_BYTES 10 /* session, acknowledgement, marker: more than a ping */
#define MANIFEST_BYTES 288 /* without root hashes; names of usual length */
#define FRAGMENT_HEAD 26
#define SIGNATURE_BYTES 64

struct explain_line {
    const char *name, *buys;
    double bytes;
};

struct explain {
    const struct explain_conf *conf;
    uint64_t size;
    struct mu_cast_cost cost;
    struct explain_line lines[10];
    size_t len;
    double total;
};

static void line_add(struct explain *e, const char *name, double bytes,
                     const char *buys)
{
    e->lines[e->len++] = (struct explain_line){name, buys, bytes};
    e->total += bytes;
}

/* Announcements until nobody of so many is left without, on the average. */
static double rounds_until_heard(const struct explain_conf *c, double packets)
{
    double loss = c->loss_permille / 1000.0, left = c->receivers;
    double rounds = 2;
    left *= pow(1 - pow(1 - loss, packets), 2);
    for (; left > 0.5 && rounds < 16; rounds++)
        left *= 1 - pow(1 - loss, packets);
    return rounds;
}

static void explain_symbols(struct explain *e)
{
    const struct mu_cast_cost *k = &e->cost;
    line_add(e, "content", (double)k->content, "the file, encrypted: AES-CTR "
                                               "adds nothing");
    line_add(e, "hashes", (double)k->hashes,
             "each packet is checked alone, in any order of its page");
    line_add(e, "headers", (double)(k->headers + k->padding),
             "kind, session, page and number of a packet; padding");
    line_add(e, "parity and repair", (double)k->more_bytes,
             "losses of all receivers made good at once");
    line_add(e, "link headers of these",
             (double)(k->data + k->more) * e->conf->overhead,
             "link, IP and UDP");
}

static void explain_rest(struct explain *e)
{
    const struct explain_conf *c = e->conf;
    double room = c->shape.payload - FRAGMENT_HEAD;
    double manifest = MANIFEST_BYTES + e->cost.roots;
    double parts = ceil(manifest / room);
    double polls = 2 + 4.0 * e->cost.pages;
    double answers = e->cost.pages * 3.0;
    double there = 1 - c->loss_permille / 1000.0;
    line_add(e, "announcement",
             rounds_until_heard(c, parts) *
                 (manifest + parts * (FRAGMENT_HEAD + c->overhead)),
             "signed manifest: who sent it, digest, key, first hashes");
    line_add(e, "polls and answers",
             polls * (POLL_BYTES + c->overhead) +
                 answers * (NEED_BYTES + c->overhead),
             "who misses how much; most are silent");
    /* One that rides is there again as often as it or its answer is lost. */
    if (c->acks_now)
        line_add(e, "acknowledgements",
                 c->receivers / there * (STATUS_BYTES + c->overhead),
                 "each device proves that it runs the file");
    else
        line_add(e, "acknowledgements",
                 c->receivers / (there * there) * RIDE_BYTES,
                 "the same, with the keep-alive of its link");
}

/* The same file in another form, down to the link headers. */
static double other_form(const struct explain *e, struct mu_cast_shape shape)
{
    const struct explain_conf *c = e->conf;
    struct mu_cast_cost k;
    if (mu_cast_cost(&shape, e->size, c->receivers, c->loss_permille, &k) != 0)
        return 0;
    return (double)(k.content + k.hashes + k.headers + k.padding +
                    k.more_bytes) +
           (double)(k.data + k.more) * c->overhead;
}

static double this_form(const struct explain *e)
{
    return other_form(e, e->conf->shape);
}

/* A signature in every packet instead of hashes, parity as here. */
static double signed_form(const struct explain *e)
{
    const struct explain_conf *c = e->conf;
    double room = c->shape.payload - MU_CAST_DATA_HEADER - SIGNATURE_BYTES;
    double packets = (double)e->size / room;
    double more = (double)(e->cost.data + e->cost.more) /
                  (double)e->cost.data;
    return room <= 0 ? 0 : packets * more * (c->shape.payload + c->overhead);
}

static struct mu_cast_shape with_hash(const struct explain *e, uint8_t len)
{
    struct mu_cast_shape s = e->conf->shape;
    s.hash_len = len;
    return s;
}

struct explain_other {
    const char *name, *why;
    double bytes;
};

#define OTHERS 4

static void explain_others(const struct explain *e,
                           struct explain_other o[OTHERS])
{
    struct mu_cast_shape chain = {e->conf->shape.payload, 1, 0,
                                  e->conf->shape.hash_len};
    o[0] = (struct explain_other){
        "chain", "P'i = Pi | H(P'i+1): no parity, a lost packet stops all",
        other_form(e, chain)};
    o[1] = (struct explain_other){
        "signatures", "64 bytes in every packet, and a verification each",
        signed_form(e)};
    o[2] = (struct explain_other){
        "hashes of 4", "a forger finds a packet in 2^32 tries, offline too",
        other_form(e, with_hash(e, 4))};
    o[3] = (struct explain_other){
        "hashes of 16", "2^128 instead of 2^64 tries offline",
        other_form(e, with_hash(e, 16))};
}

static const char *form_name(const struct mu_cast_shape *s)
{
    return s->page_data == 1 && s->page_parity == 0 ? "chain" : "pages";
}

static double bound(const struct explain *e)
{
    const struct explain_conf *c = e->conf;
    return ceil((double)e->size / c->shape.payload) /
           (1 - c->loss_permille / 1000.0) * (c->shape.payload + c->overhead);
}

static void explain_text(const struct explain *e)
{
    const struct explain_conf *c = e->conf;
    struct explain_other o[OTHERS];
    printf("file       %" PRIu64 " bytes\n", e->size);
    printf("form       %s: %u pages of up to %u data packets and %u parity, "
           "payload %u, hashes of %u bytes\n",
           form_name(&c->shape), e->cost.pages, c->shape.page_data,
           c->shape.page_parity, c->shape.payload, c->shape.hash_len);
    printf("area       %u receivers that lose %.1f %%, %u bytes of headers a "
           "packet\n\n",
           c->receivers, c->loss_permille / 10.0, c->overhead);
    puts("                            bytes   a byte  what it buys");
    for (size_t i = 0; i < e->len; i++)
        printf("%-22s %10.0f   %.4f  %s\n", e->lines[i].name,
               e->lines[i].bytes, e->lines[i].bytes / (double)e->size,
               e->lines[i].buys);
    printf("%-22s %10.0f   %.4f  %.3f times the bound\n", "all", e->total,
           e->total / (double)e->size, e->total / bound(e));
    if (c->rate > 0)
        printf("%-22s %10.1f s at %u bytes a second\n", "on the medium",
               e->total / c->rate, c->rate);
    explain_others(e, o);
    printf("\nother forms, data with headers: %.0f in this one\n",
           this_form(e));
    for (size_t i = 0; i < OTHERS; i++) {
        if (o[i].bytes > 0)
            printf("%-22s %10.0f           %s\n", o[i].name, o[i].bytes,
                   o[i].why);
    }
}

static void explain_json(const struct explain *e)
{
    const struct explain_conf *c = e->conf;
    struct explain_other o[OTHERS];
    json_t *lines = json_array(), *others = json_array();
    for (size_t i = 0; i < e->len; i++)
        json_array_append_new(
            lines, json_pack("{s:s,s:f,s:f,s:s}", "name", e->lines[i].name,
                             "bytes", e->lines[i].bytes, "per_byte",
                             e->lines[i].bytes / (double)e->size, "buys",
                             e->lines[i].buys));
    explain_others(e, o);
    for (size_t i = 0; i < OTHERS; i++)
        json_array_append_new(others,
                              json_pack("{s:s,s:f,s:s}", "name", o[i].name,
                                        "bytes", o[i].bytes, "why", o[i].why));
    json_t *all = json_pack(
        "{s:I,s:s,s:i,s:f,s:f,s:f,s:o,s:o}", "size", (json_int_t)e->size,
        "form", form_name(&c->shape), "pages", (int)e->cost.pages, "bytes",
        e->total, "ratio", e->total / bound(e), "form_bytes", this_form(e),
        "lines", lines, "others", others);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
    putchar('\n');
    json_decref(all);
}

int cli_explain(const struct explain_conf *c, const char *file)
{
    struct explain e = {.conf = c};
    struct stat st;
    if (stat(file, &st) != 0 || st.st_size <= 0) {
        fprintf(stderr, "muster push: %s: cannot be read, or is empty\n", file);
        return 1;
    }
    e.size = (uint64_t)st.st_size;
    if (mu_cast_cost(&c->shape, e.size, c->receivers, c->loss_permille,
                     &e.cost) != 0) {
        fputs("muster push: no packet can carry such pages, or there are too "
              "many\n",
              stderr);
        return 1;
    }
    explain_symbols(&e);
    explain_rest(&e);
    if (c->json)
        explain_json(&e);
    else
        explain_text(&e);
    return 0;
}
