/* SPDX-License-Identifier: Apache-2.0 */
/* Rekeys in the simulator: see rekey.h. The checker looks into the memory of
 * every device, of those who left above all. */
#include "rekey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/device_state.h"
#include "muster/server_state.h"

#define PATIENCE MU_SECONDS(600) /* then a rekey counts as it is */

static struct mu_server *rekey_server(struct sim_world *w)
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

void sim_rekey_group(struct sim_world *w, struct mu_bytes name,
                     uint32_t *number)
{
    struct mu_group_scheme scheme = {
        .kind = w->conf.scheme,
        .clusters = 8,
        .levels = 3,
        .key_deadline_s = 60,
    };

    if (scheme.kind == MU_SCHEME_UNICAST)
        must(mu_server_group_create(rekey_server(w), name, 0, number));
    else
        must(mu_server_group_create_as(rekey_server(w), name, 0, &scheme,
                                       number));
}

static bool group_view(struct sim_world *w, struct mu_group_view *view)
{
    return w->nodes[0].up &&
           mu_server_group_next(rekey_server(w), 0, view) == 0;
}

static uint64_t group_newest(const struct mu_group_view *view)
{
    return view->dormant != 0 ? view->dormant : view->generation;
}

bool sim_rekey_settled(struct sim_world *w)
{
    if (w->conf.scheme == MU_SCHEME_UNICAST)
        return true;
    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        const struct mu_device *d = w->nodes[i].engine;

        if (w->nodes[i].up && !w->nodes[i].revoked && d->members[0].len == 0)
            return false;
    }
    return true;
}

/* ---- who holds what ----------------------------------------------------- */

static bool device_holds(const struct sim_node *n, uint32_t group,
                         uint64_t generation)
{
    const struct mu_device *d = n->engine;
    const struct mu_kid kid = {MU_KEY_KB, group, generation};

    return mu_keyring_find(&d->keys, &kid) != NULL;
}

static bool all_hold(struct sim_world *w, const struct mu_group_view *view)
{
    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        struct sim_node *n = &w->nodes[i];

        if (!n->revoked && (!n->up || !device_holds(n, view->number,
                                                    group_newest(view))))
            return false;
    }
    return true;
}

/* A key that was made after it had to go. */
static bool device_holds_later(const struct sim_node *n, uint32_t group)
{
    const struct mu_device *d = n->engine;

    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        const struct mu_key_slot *s = &d->keys.slots[i];

        if (s->kid.kind == MU_KEY_KB && s->kid.scope == group &&
            s->kid.generation > n->left_generation)
            return true;
    }
    return false;
}

/* ---- the rekeys --------------------------------------------------------- */

/* What was counted since the last time. */
static void rekey_take_counts(struct sim_world *w, struct sim_rekeys *r)
{
    for (uint32_t i = 1; i < w->first_device; i++) {
        r->area_bytes += w->nodes[i].area_bytes;
        w->nodes[i].area_bytes = 0;
    }
    r->message_bytes += w->message_bytes;
    r->wan_bytes += w->wan_bytes;
    for (size_t i = 0; i < SIM_KINDS; i++)
        r->kind_bytes[i] += w->kind_bytes[i];
    w->message_bytes = w->wan_bytes = 0;
    w->data_packets = w->control_packets = w->feedback_packets = 0;
    memset(w->kind_bytes, 0, sizeof w->kind_bytes);
}

/* Somebody of those who are still in. */
static struct sim_node *rekey_pick(struct sim_world *w)
{
    uint32_t at = (uint32_t)sim_rng_below(&w->chance, w->conf.devices);

    for (uint32_t i = 0; i < w->conf.devices; i++) {
        struct sim_node *n =
            &w->nodes[w->first_device + (at + i) % w->conf.devices];

        if (!n->revoked)
            return n;
    }
    return NULL;
}

static void rekey_begin(struct sim_world *w, struct sim_rekey_story *s,
                        const struct mu_group_view *view)
{
    s->generation = group_newest(view);
    s->began_at = w->now;
    s->held_at = 0;
    s->going = true;
    w->counting = true;
    for (uint32_t i = 0; i < w->conf.leavers; i++) {
        struct sim_node *n = rekey_pick(w);

        must(mu_server_device_revoke(rekey_server(w),
                                     mu_bytes_str(n->identity)));
        n->revoked = true;
        n->shut_at = w->now;
        n->left_generation = s->generation;
        s->result.left++;
        sim_world_trace(w, n, "leaves", s->generation, 0);
        sim_world_drain(w, &w->nodes[0]);
    }
    if (w->conf.leavers == 0) {
        must(mu_server_group_rotate(rekey_server(w),
                                    mu_bytes_str(view->name)));
        sim_world_drain(w, &w->nodes[0]);
    }
}

/* A key campaign that still counts its members, or one that is being made. */
static bool rekey_counts(struct sim_world *w)
{
    struct mu_campaign_view view = {.number = 0};

    while (mu_server_campaign_next(rekey_server(w), view.number, &view) == 0) {
        if (view.what == MU_CAMPAIGN_KEY && view.phase < MU_CAMPAIGN_DONE)
            return true;
    }
    return false;
}

static void rekey_end(struct sim_world *w, struct sim_rekey_story *s)
{
    mu_time end = s->held_at != 0 ? s->held_at : w->now;
    double took = (double)(end - s->began_at) / 1e6;

    s->going = false;
    s->result.done++;
    s->result.seconds += took;
    if (took > s->result.seconds_most)
        s->result.seconds_most = took;
    rekey_take_counts(w, &s->result);
    sim_world_trace(w, &w->nodes[0], "rekeyed", s->result.done,
                    end - s->began_at);
}

bool sim_rekey_run(struct sim_world *w, struct sim_rekey_story *s)
{
    struct mu_group_view view;

    if (!s->going && s->result.done == w->conf.rekeys)
        return false;
    if (!group_view(w, &view))
        return true;
    if (!s->going) {
        rekey_begin(w, s, &view);
        return true;
    }
    if (s->held_at == 0 && group_newest(&view) > s->generation &&
        all_hold(w, &view))
        s->held_at = w->now;
    if ((s->held_at != 0 && !rekey_counts(w)) ||
        w->now > s->began_at + PATIENCE)
        rekey_end(w, s);
    return true;
}

void sim_rekey_result(struct sim_world *w, struct sim_rekey_story *s)
{
    struct mu_group_view view;
    bool known = group_view(w, &view);

    for (uint32_t i = w->first_device; i < w->nodes_len && known; i++) {
        struct sim_node *n = &w->nodes[i];

        if (!n->up)
            continue;
        if (n->revoked && n->left_generation != 0)
            s->result.late_keys += device_holds_later(n, view.number);
        else if (!n->revoked &&
                 device_holds(n, view.number, group_newest(&view)))
            s->result.holding++;
        else if (!n->revoked)
            s->result.lacking++;
    }
}
