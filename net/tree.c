/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledged broadcast over UDP: what root and nodes share, and the nodes. */
#include "net/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "net/log.h"
#include "net/tree_run.h"

int mu_tree_body_open(struct mu_tree_body *b,
                      const struct mu_tree_run_conf *conf,
                      void (*packet)(void *ctx, struct mu_bytes packet,
                                     const struct mu_addr *from))
{
    char why[160];
    struct mu_addr bound;
    int rc;

    b->conf = conf;
    b->crypto = mu_crypto_openssl();
    if (b->crypto == NULL || mu_crypto_selftest(b->crypto) != 0)
        return MU_ERR_CRYPTO;
    rc = mu_tree_file_read(conf->plan, &b->plan, why);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "plan", "file=%s why=\"%s\"", conf->plan, why);
        return rc;
    }
    b->index = conf->identity == NULL
        ? 0 : mu_tree_file_find(&b->plan, conf->identity);
    if (b->index >= b->plan.len || (b->index == 0) != (conf->identity == NULL)) {
        mu_log(MU_LOG_ERROR, "plan", "file=%s why=\"%s is no node of it\"",
               conf->plan, conf->identity);
        return MU_ERR_USAGE;
    }
    rc = mu_key_file_read(conf->key_file, b->crypto, &b->keys, why);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "key-file", "file=%s why=\"%s\"", conf->key_file,
               why);
        return rc;
    }
    rc = mu_loop_init(&b->loop);
    if (rc != 0)
        return rc;
    b->looped = true;
    mu_udp_init(&b->port, packet, b);
    rc = mu_udp_bind(&b->port, &b->loop.uv, &b->plan.entries[b->index].at,
                     &bound);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "listen", "why=\"%s\"", mu_err_text(rc));
    mu_udp_drop(&b->port, conf->drop_in, conf->seed * 1024 + b->index);
    b->timer = calloc(1, sizeof(*b->timer));
    if (b->timer == NULL || uv_timer_init(&b->loop.uv, b->timer) != 0)
        return MU_ERR_IO;
    b->timer->data = b;
    return rc;
}

static void body_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void mu_tree_body_close(struct mu_tree_body *b)
{
    if (b->timer != NULL)
        uv_close((uv_handle_t *)b->timer, body_timer_closed);
    if (b->looped) {
        mu_udp_close(&b->port);
        mu_loop_close(&b->loop);
    }
    mu_key_file_clear(&b->keys);
    mu_tree_file_clear(&b->plan);
}

mu_time mu_tree_body_now(void)
{
    return uv_hrtime() / 1000;
}

/* From above or below; in a fully connected area from the root too. */
bool mu_tree_body_near(const struct mu_tree_body *b, const struct mu_addr *from)
{
    for (uint16_t i = 0; i < b->plan.len; i++) {
        bool above = b->index > 0 && i == b->plan.places[b->index].parent;
        bool below = i > 0 && b->plan.places[i].parent == b->index;

        if ((above || below || (b->conf->full && i == 0)) &&
            mu_addr_eq(&b->plan.entries[i].at, from))
            return true;
    }
    return false;
}

void mu_tree_body_send(struct mu_tree_body *b, enum mu_tree_way way,
                       struct mu_bytes packet)
{
    uint16_t parent = b->plan.places[b->index].parent;

    for (uint16_t i = 1; i < b->plan.len && way == MU_TREE_DOWN; i++) {
        if (b->plan.places[i].parent == b->index ||
            (b->conf->full && b->index == 0))
            mu_udp_send(&b->port, &b->plan.entries[i].at, packet);
    }
    if (way == MU_TREE_UP)
        mu_udp_send(&b->port, &b->plan.entries[parent].at, packet);
}

void mu_tree_body_arm(struct mu_tree_body *b, mu_time at, uv_timer_cb timer)
{
    mu_time now = mu_tree_body_now();

    if (at == MU_TIME_NEVER)
        uv_timer_stop(b->timer);
    else
        uv_timer_start(b->timer, timer,
                       at <= now ? 1 : (at - now + 999) / 1000, 0);
}

void mu_tree_body_say(const struct mu_tree_body *b, const char *event,
                      json_t *more)
{
    json_t *line = json_pack("{s:s, s:s}", "event", event, "id",
                             b->plan.entries[b->index].identity);
    char *text;

    if (more != NULL)
        json_object_update(line, more);
    json_decref(more);
    text = json_dumps(line, JSON_COMPACT);
    if (text != NULL) {
        printf("%s\n", text);
        fflush(stdout);
    }
    free(text);
    json_decref(line);
}

/* ---- a node -------------------------------------------------------------- */

struct tree_leaf {
    struct mu_tree_body body;
    struct mu_tree_node node;
    struct mu_ack_branch *branches;
    size_t branches_len;
    uint8_t *memory;
    size_t memory_len;
    bool shown;
};

static void leaf_timer(uv_timer_t *timer);

static void leaf_show(struct tree_leaf *l)
{
    struct mu_bytes message;
    uint32_t place;
    json_t *text;

    if (l->node.joined && !l->shown) {
        l->shown = true;
        mu_tree_body_say(&l->body, "joined", NULL);
    }
    while (mu_tree_node_take(&l->node, &place, &message)) {
        text = json_stringn((const char *)message.data, message.len);
        mu_tree_body_say(&l->body, "message", json_pack(
            "{s:I, s:o}", "place", (json_int_t)place, "text",
            text == NULL ? json_null() : text));
    }
}

static void leaf_turn(struct tree_leaf *l)
{
    uint8_t packet[MU_PACKET_MAX];
    enum mu_tree_way way;
    size_t len = 1;

    leaf_show(l);
    while (len > 0) {
        len = mu_tree_node_next(&l->node, mu_tree_body_now(), packet, &way);
        if (len > 0)
            mu_tree_body_send(&l->body, way, mu_bytes(packet, len));
    }
    mu_tree_body_arm(&l->body, mu_tree_node_deadline(&l->node), leaf_timer);
}

static void leaf_timer(uv_timer_t *timer)
{
    leaf_turn(timer->data);
}

static void leaf_packet(void *ctx, struct mu_bytes packet,
                        const struct mu_addr *from)
{
    struct tree_leaf *l = ctx;
    int rc;

    if (!mu_tree_body_near(&l->body, from))
        return;
    rc = mu_tree_node_packet(&l->node, mu_tree_body_now(), packet);
    if (rc != 0)
        mu_log(MU_LOG_TRACE, "refused", "kind=%u error=%s", packet.data[0],
               mu_err_name(rc));
    leaf_turn(l);
}

static int leaf_branches(struct tree_leaf *l)
{
    const struct mu_tree_place *p = l->body.plan.places;
    uint16_t index = l->body.index;

    l->branches = calloc((size_t)(p[index].end - index),
                         sizeof(*l->branches));
    for (uint16_t i = (uint16_t)(index + 1);
         l->branches != NULL && i < p[index].end; i = p[i].end) {
        struct mu_ack_branch *b = &l->branches[l->branches_len];

        b->index = i;
        b->end = p[i].end;
        b->cap = MU_PACKET_MAX;
        b->data = malloc(b->cap);
        if (b->data == NULL)
            return MU_ERR_FULL;
        l->branches_len++;
    }
    l->memory_len = 2 * MU_PACKET_MAX;
    l->memory = malloc(l->memory_len);
    return l->branches == NULL || l->memory == NULL ? MU_ERR_FULL : 0;
}

static int leaf_open(struct tree_leaf *l)
{
    const struct mu_tree_run_conf *c = l->body.conf;
    struct mu_tree_node_conf conf = {
        .crypto = l->body.crypto, .stream = MU_TREE_STREAM, .full = c->full,
        .index = l->body.index, .place = l->body.plan.places[l->body.index],
        .shift = (uint8_t)c->shift, .wait_ms = c->wait_ms,
        .kmr = mu_key_file_find(&l->body.keys, c->identity),
    };
    int rc = leaf_branches(l);

    if (rc == 0 && conf.kmr == NULL)
        rc = MU_ERR_NOT_FOUND;
    if (rc == 0)
        rc = l->body.crypto->random(l->body.crypto->ctx, &conf.seed,
                                    sizeof(conf.seed));
    conf.branches = l->branches;
    conf.branches_len = l->branches_len;
    conf.memory = l->memory;
    conf.memory_len = l->memory_len;
    if (rc == 0)
        rc = mu_tree_node_init(&l->node, &conf, mu_tree_body_now());
    return rc;
}

static void leaf_close(struct tree_leaf *l)
{
    const struct mu_tree_counts *c = &l->node.counts;

    mu_tree_body_say(&l->body, "counters", json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
        "messages", (json_int_t)c->messages, "down", (json_int_t)c->sent_down,
        "up", (json_int_t)c->sent_up, "passed", (json_int_t)c->passed,
        "bytes", (json_int_t)c->bytes, "forged", (json_int_t)c->forged,
        "refused", (json_int_t)c->refused));
    for (size_t i = 0; i < l->branches_len; i++)
        free(l->branches[i].data);
    free(l->branches);
    free(l->memory);
    mu_tree_node_clear(&l->node);
}

static int leaf_run(const struct mu_tree_run_conf *conf)
{
    struct tree_leaf l = { .shown = false };
    int rc = mu_tree_body_open(&l.body, conf, leaf_packet), code = 1;

    if (rc == 0)
        rc = leaf_open(&l);
    if (rc == 0) {
        mu_tree_body_say(&l.body, "ready", NULL);
        leaf_turn(&l);
        code = mu_loop_run(&l.body.loop);
        leaf_close(&l);
    } else {
        mu_log(MU_LOG_ERROR, "tree", "why=\"%s\"", mu_err_text(rc));
    }
    mu_tree_body_close(&l.body);
    return code;
}

int mu_tree_run(const struct mu_tree_run_conf *conf)
{
    return conf->identity == NULL ? mu_tree_root_run(conf) : leaf_run(conf);
}
