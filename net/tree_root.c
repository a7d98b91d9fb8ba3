/* SPDX-License-Identifier: Apache-2.0 */
/* The root of a tree over UDP: says what it was given, line by line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/log.h"
#include "net/tree_run.h"
#include "store/file.h"

#define ROOT_LIES_MAX 64
#define ROOT_MESSAGES_MAX 4096 /* that the chains are made for */

struct tree_root {
    struct mu_tree_body body;
    struct mu_tree_root root;
    char **lines;
    size_t lines_len, at;
    bool *came; /* who has come in, or acknowledged before */
    bool started, running, all;
    mu_time gather_until, said_at;
    uint8_t *bits;
    uint8_t *rest;
    struct mu_ack_link suspects[ROOT_LIES_MAX], found[ROOT_LIES_MAX];
};

/* ---- what is kept -------------------------------------------------------- */

/* The chains, with places put aside, and who knows them. */
static int root_keep(struct tree_root *t, uint32_t ahead)
{
    uint8_t room[MU_TREE_ROOT_SAVED + MU_TREE_PLAN_MAX];
    struct mu_writer w = mu_writer(room, sizeof(room));
    char fresh[1100];
    int fd, rc;

    if (t->body.conf->state == NULL)
        return 0;
    rc = mu_tree_root_save(&t->root, ahead, &w);
    for (uint16_t i = 0; i < t->body.plan.len; i++)
        mu_write_u8(&w, t->came[i]);
    if (rc == 0)
        rc = mu_writer_end(&w);
    if (rc == 0 && snprintf(fresh, sizeof(fresh), "%s.new",
                            t->body.conf->state) >= (int)sizeof(fresh))
        rc = MU_ERR_TOO_LARGE;
    fd = rc != 0 ? -1 : open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                             0600);
    if (rc == 0 && (fd < 0 || store_file_write(fd, room, w.len, 0) != 0 ||
                    fdatasync(fd) != 0 ||
                    rename(fresh, t->body.conf->state) != 0 ||
                    store_file_sync_dir(t->body.conf->state) != 0))
        rc = store_io_error();
    if (fd >= 0)
        close(fd);
    mu_wipe(room, sizeof(room));
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "state", "file=%s why=\"%s\"",
               t->body.conf->state, mu_err_text(rc));
    return rc;
}

static int root_restore(struct tree_root *t)
{
    uint8_t room[MU_TREE_ROOT_SAVED + MU_TREE_PLAN_MAX];
    size_t nodes = t->body.plan.len;
    int fd, rc = MU_ERR_CORRUPT;
    long len;

    if (t->body.conf->state == NULL)
        return 0;
    fd = open(t->body.conf->state, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : MU_ERR_IO;
    len = store_file_read(fd, room, sizeof(room), 0);
    close(fd);
    if (len > (long)nodes)
        rc = mu_tree_root_load(&t->root, mu_bytes(room, (size_t)len - nodes));
    for (size_t i = 0; i < nodes && rc == 0; i++)
        t->came[i] = room[(size_t)len - nodes + i] != 0;
    mu_wipe(room, sizeof(room));
    if (rc != 0) { /* another plan: new chains, and all come in anew */
        mu_log(MU_LOG_WARN, "state", "file=%s why=\"%s\"",
               t->body.conf->state, mu_err_text(rc));
        return 0;
    }
    return 0;
}

/* ---- messages ------------------------------------------------------------ */

static int root_lines(struct tree_root *t)
{
    const char *name = t->body.conf->messages;
    FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    if (in == NULL) {
        mu_log(MU_LOG_ERROR, "messages", "file=%s why=\"%s\"", name,
               strerror(errno));
        return MU_ERR_IO;
    }
    t->lines = calloc(ROOT_MESSAGES_MAX, sizeof(*t->lines));
    while (t->lines != NULL && t->lines_len < ROOT_MESSAGES_MAX &&
           (len = getline(&line, &cap, in)) >= 0) {
        if (len > 0 && line[len - 1] == '\n')
            line[len - 1] = '\0';
        t->lines[t->lines_len] = strdup(line);
        if (t->lines[t->lines_len] != NULL)
            t->lines_len++;
    }
    free(line);
    if (in != stdin)
        fclose(in);
    return t->lines == NULL ? MU_ERR_FULL : 0;
}

static const char *root_name(const struct tree_root *t, uint16_t index)
{
    return t->body.plan.entries[index].identity;
}

static void root_report(struct tree_root *t)
{
    json_t *missing = json_array(), *lies = json_array();
    uint16_t nodes = t->body.plan.len;
    uint16_t left = mu_tree_root_missing(&t->root);

    for (uint16_t i = 1; i < nodes; i++) {
        bool proved = mu_ack_root_proved(&t->root.acks, i);

        t->came[i] = t->came[i] || proved;
        if (!proved)
            json_array_append_new(missing, json_string(root_name(t, i)));
    }
    for (size_t i = 0; i < t->root.acks.found_len; i++) {
        const struct mu_ack_link *l = &t->root.acks.found[i];

        json_array_append_new(lies, json_pack("[s, s]",
                                              root_name(t, l->above),
                                              root_name(t, l->below)));
    }
    t->all = t->all && left == 0;
    mu_tree_body_say(&t->body, "acknowledged", json_pack(
        "{s:I, s:i, s:i, s:o, s:o, s:I}",
        "place", (json_int_t)t->root.at, "acked", nodes - 1 - left,
        "of", nodes - 1, "missing", missing, "lies", lies,
        "ms", (json_int_t)((mu_tree_body_now() - t->said_at) / 1000)));
}

/* The next line, or the end. */
static void root_go_on(struct tree_root *t)
{
    struct mu_bytes message;
    int rc;

    if (t->at == t->lines_len) {
        mu_loop_stop(&t->body.loop, t->all ? 0 : 2);
        return;
    }
    message = mu_bytes_str(t->lines[t->at++]);
    t->said_at = mu_tree_body_now();
    rc = root_keep(t, 1);
    if (rc == 0)
        rc = mu_tree_root_say(&t->root, t->said_at, message);
    t->running = rc == 0;
    if (rc == 0)
        return;
    mu_log(MU_LOG_ERROR, "say", "why=\"%s\"", mu_err_text(rc));
    mu_loop_stop(&t->body.loop, 1);
}

static bool root_gathered(const struct tree_root *t)
{
    for (uint16_t i = 1; i < t->body.plan.len; i++) {
        if (!t->came[i])
            return false;
    }
    return true;
}

static void root_timer(uv_timer_t *timer);

static void root_turn(struct tree_root *t)
{
    uint8_t packet[MU_PACKET_MAX];
    mu_time now = mu_tree_body_now(), at;
    size_t len;

    if (!t->started && (now >= t->gather_until || root_gathered(t))) {
        t->started = true;
        root_go_on(t);
    }
    while ((len = mu_tree_root_next(&t->root, now, packet)) > 0)
        mu_tree_body_send(&t->body, MU_TREE_DOWN, mu_bytes(packet, len));
    if (t->running && mu_tree_root_over(&t->root)) {
        t->running = false;
        root_report(t);
        root_go_on(t);
    }
    at = mu_tree_root_deadline(&t->root);
    if (!t->started && t->gather_until < at)
        at = t->gather_until;
    mu_tree_body_arm(&t->body, at, root_timer);
}

static void root_timer(uv_timer_t *timer)
{
    root_turn(timer->data);
}

static void root_packet(void *ctx, struct mu_bytes packet,
                        const struct mu_addr *from)
{
    struct tree_root *t = ctx;
    uint16_t index;

    if (!mu_tree_body_near(&t->body, from))
        return;
    if (mu_tree_root_packet(&t->root, mu_tree_body_now(), packet) == 0 &&
        packet.data[0] == MU_TREE_JOIN) {
        index = (uint16_t)(packet.data[2] << 8 | packet.data[3]);
        t->came[index] = true;
    }
    root_turn(t);
}

/* ---- set-up -------------------------------------------------------------- */

static int root_kmr(void *ctx, uint16_t index, struct mu_secret *kmr)
{
    struct tree_root *t = ctx;
    const struct mu_secret *key = mu_key_file_find(&t->body.keys,
                                                   root_name(t, index));

    if (key == NULL)
        return MU_ERR_NOT_FOUND;
    *kmr = *key;
    return 0;
}

static int root_open(struct tree_root *t)
{
    const struct mu_tree_run_conf *c = t->body.conf;
    size_t bits = (t->body.plan.len + 7u) / 8u;
    struct mu_tree_root_conf conf = {
        .crypto = t->body.crypto, .stream = MU_TREE_STREAM, .full = c->full,
        .plan = t->body.plan.places, .nodes = t->body.plan.len,
        .shift = (uint8_t)c->shift, .messages_max = ROOT_MESSAGES_MAX,
        .wait_ms = c->wait_ms, .ctx = t, .kmr = root_kmr,
    };
    int rc;

    t->bits = calloc(2, bits);
    t->rest = malloc(MU_PACKET_MAX);
    t->came = calloc(t->body.plan.len, sizeof(*t->came));
    if (t->bits == NULL || t->rest == NULL || t->came == NULL)
        return MU_ERR_FULL;
    conf.acks = (struct mu_ack_root){
        .proved = t->bits, .left = t->bits + bits, .rest = t->rest,
        .rest_len = MU_PACKET_MAX, .suspects = t->suspects,
        .found = t->found, .suspects_cap = ROOT_LIES_MAX,
        .found_cap = ROOT_LIES_MAX,
    };
    rc = mu_tree_root_init(&t->root, &conf);
    if (rc == 0)
        rc = root_restore(t);
    if (rc == 0)
        rc = root_lines(t);
    for (uint16_t i = 1; rc == 0 && i < t->body.plan.len; i++) {
        if (mu_key_file_find(&t->body.keys, root_name(t, i)) == NULL) {
            mu_log(MU_LOG_ERROR, "key-file", "why=\"no key of %s\"",
                   root_name(t, i));
            rc = MU_ERR_NOT_FOUND;
        }
    }
    return rc;
}

static void root_close(struct tree_root *t)
{
    for (size_t i = 0; i < t->lines_len; i++)
        free(t->lines[i]);
    free(t->lines);
    free(t->bits);
    free(t->rest);
    free(t->came);
    mu_tree_root_clear(&t->root);
}

int mu_tree_root_run(const struct mu_tree_run_conf *conf)
{
    struct tree_root *t = calloc(1, sizeof(*t));
    int rc, code = 1;

    if (t == NULL)
        return 1;
    t->all = true;
    rc = mu_tree_body_open(&t->body, conf, root_packet);
    if (rc == 0)
        rc = root_open(t);
    if (rc == 0) {
        mu_tree_body_say(&t->body, "ready", NULL);
        t->gather_until = mu_tree_body_now() + MU_MS(conf->gather_ms);
        root_turn(t);
        code = mu_loop_run(&t->body.loop);
        if (root_keep(t, 0) != 0)
            code = 1;
    } else {
        mu_log(MU_LOG_ERROR, "tree", "why=\"%s\"", mu_err_text(rc));
    }
    root_close(t);
    mu_tree_body_close(&t->body);
    free(t);
    return code;
}
