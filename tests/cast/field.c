/* SPDX-License-Identifier: Apache-2.0 */
/* The field: events in a heap, everything else in plain arrays. */
#include "tests/cast/field.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"

#define SESSION 7
#define KG 3

enum field_kind {
    TO_ALL,
    TO_RECEIVER,
    TO_SENDER,
    TIMER_RECEIVER,
    TIMER_SENDER,
};

struct field_event {
    mu_time at;
    uint64_t order;
    enum field_kind kind;
    uint32_t receiver;
    size_t len;
    uint8_t *packet;
};

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "field: %s\n", what);
        abort();
    }
}

uint32_t field_random(struct field *f, uint32_t below)
{
    f->random ^= f->random >> 12;
    f->random ^= f->random << 25;
    f->random ^= f->random >> 27;
    return (uint32_t)((f->random * 0x2545f4914f6cdd1du >> 32) * below >> 32);
}

/* ---- the heap ---- */

static bool event_before(const struct field_event *a,
                         const struct field_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void event_push(struct field *f, mu_time at, enum field_kind kind,
                       uint32_t receiver, struct mu_bytes packet)
{
    struct field_event e = {at, f->order++, kind, receiver, packet.len, NULL};
    size_t i = f->heap_len++;

    if (packet.len > 0) {
        e.packet = malloc(packet.len);
        must(e.packet != NULL, "memory");
        memcpy(e.packet, packet.data, packet.len);
    }
    if (f->heap_len > f->heap_cap) {
        f->heap_cap = f->heap_cap * 2 + 64;
        f->heap = realloc(f->heap, f->heap_cap * sizeof(*f->heap));
        must(f->heap != NULL, "memory");
    }
    for (; i > 0 && event_before(&e, &f->heap[(i - 1) / 2]); i = (i - 1) / 2)
        f->heap[i] = f->heap[(i - 1) / 2];
    f->heap[i] = e;
}

static struct field_event event_pop(struct field *f)
{
    struct field_event top = f->heap[0], last = f->heap[--f->heap_len];
    size_t i = 0;

    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= f->heap_len)
            break;
        if (c + 1 < f->heap_len && event_before(&f->heap[c + 1], &f->heap[c]))
            c++;
        if (!event_before(&f->heap[c], &last))
            break;
        f->heap[i] = f->heap[c];
        i = c;
    }
    f->heap[i] = last;
    return top;
}

/* ---- objects, peers, sinks ---- */

static int plain_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct field *f = ctx;

    if (at + len > f->conf.size)
        return MU_ERR_TOO_LARGE;
    memcpy(to, f->plain + at, len);
    return 0;
}

static int prepared_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct field *f = ctx;

    if (at + len > f->prepared_len)
        return MU_ERR_TOO_LARGE;
    if (f->read_fails > 0) {
        f->read_fails--;
        return MU_ERR_IO;
    }
    memcpy(to, f->prepared + at, len);
    return 0;
}

static int prepared_write(void *ctx, uint64_t at, const uint8_t *from,
                          size_t len)
{
    struct field *f = ctx;

    if (at + len > f->prepared_len)
        return MU_ERR_TOO_LARGE;
    memcpy(f->prepared + at, from, len);
    return 0;
}

static int object_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

static bool peers_member(void *ctx, uint16_t receiver)
{
    struct field *f = ctx;

    return receiver < f->conf.receivers && !f->all[receiver].gone;
}

static int peers_key(void *ctx, uint16_t receiver, struct mu_secret *kfb)
{
    struct field *f = ctx;

    *kfb = f->all[receiver].kfb;
    return 0;
}

static bool peers_alone(void *ctx, uint16_t receiver)
{
    const struct field *f = ctx;

    return receiver + 1u != f->conf.not_alone;
}

static int field_sink(void *ctx, const struct mu_cast_page *page,
                      uint8_t *block)
{
    struct field_receiver *to = ctx;
    struct field *f = to->field;
    uint8_t *content = block + page->hashes_len;

    to->sink_calls++;
    if (to->sink_fails > 0) {
        to->sink_fails--;
        return MU_ERR_IO;
    }
    must(mu_cast_crypt(f->crypto, &f->cek, page->content_at, content,
                       page->content_len) == 0, "decrypt");
    if (memcmp(content, f->plain + page->content_at, page->content_len) == 0)
        to->sunk += page->content_len;
    else
        to->wrong += page->content_len;
    return 0;
}

/* ---- set-up ---- */

static void field_prepare(struct field *f)
{
    struct mu_cast_prepare p;
    size_t len = mu_cast_prepare_work(&f->conf.shape);
    uint8_t *work = malloc(len);
    struct mu_bytes roots;

    f->prepared_len = mu_cast_prepared_size(&f->conf.shape, f->conf.size);
    f->plain = malloc(f->conf.size);
    f->prepared = malloc(f->prepared_len);
    must(f->plain && f->prepared && work, "memory");
    for (uint64_t i = 0; i < f->conf.size; i++)
        f->plain[i] = (uint8_t)field_random(f, 256);
    must(mu_cast_prepare_init(&p, f->crypto, &f->conf.shape, f->conf.size,
                              SESSION, &f->cek, &f->plain_object,
                              &f->prepared_object, work, len) == 0,
         "prepare_init");
    while (p.left > 0)
        must(mu_cast_prepare_step(&p) == 0, "prepare_step");
    roots = mu_cast_prepare_roots(&p);
    must(roots.len <= sizeof(f->roots), "roots");
    memcpy(f->roots, roots.data, roots.len);
    f->roots_len = roots.len;
    free(work);
}

static void receiver_timer(struct field *f, uint32_t i)
{
    struct field_receiver *to = &f->all[i];
    mu_time at = mu_cast_receiver_deadline(&to->r);

    if (at == MU_TIME_NEVER || to->timer <= at)
        return;
    to->timer = at > f->now ? at : f->now;
    event_push(f, to->timer, TIMER_RECEIVER, i, mu_bytes(NULL, 0));
}

static void receiver_begin(struct field *f, uint32_t i)
{
    struct field_receiver *to = &f->all[i];
    struct mu_cast_receiver_conf conf = {
        .crypto = f->crypto,
        .shape = f->conf.shape,
        .size = f->conf.size,
        .session = SESSION,
        .receiver = (uint16_t)i,
        .kfb = &to->kfb,
        .sink = &to->sink,
        .seed = (uint32_t)(f->conf.seed * 7919 + i * 104729 + 1),
        .idle_ms = 2000,
    };

    must(mu_cast_receiver_init(&to->r, &conf, mu_bytes(f->roots, f->roots_len),
                               to->work, mu_cast_receiver_work(&conf.shape),
                               f->now) == 0, "receiver_init");
    mu_cast_receiver_control(&to->r, &f->kctl, KG);
    to->sunk = 0;
    receiver_timer(f, i);
}

static void sender_begin(struct field *f)
{
    struct mu_cast_sender_conf conf = {
        .crypto = f->crypto,
        .shape = f->conf.shape,
        .size = f->conf.size,
        .session = SESSION,
        .prepared = &f->prepared_object,
        .peers = &f->peers,
        .receivers = (uint16_t)f->conf.receivers,
        .rate = f->conf.rate ? f->conf.rate : 1000000,
        .overhead = 48,
        .window_ms = f->conf.window_ms ? f->conf.window_ms : 40,
        .loss_permille = (uint16_t)f->conf.guess_permille,
        .roll_call = f->conf.roll_call,
        .answer_all_max = f->conf.answer_all_max,
        .rounds_max = f->conf.rounds_max ? f->conf.rounds_max : 12,
        .repair_max = f->conf.repair_max ? f->conf.repair_max : 255,
        .fair = f->conf.fair,
        .cost = f->conf.cost,
        .yield = f->conf.yields ? &f->rate : NULL,
    };
    size_t len = mu_cast_sender_work(&conf);

    mu_rate_init(&f->rate, conf.rate, conf.loss_permille);
    f->sender_work = malloc(len);
    must(f->sender_work != NULL, "memory");
    must(mu_cast_sender_init(&f->sender, &conf, f->sender_work, len, f->now) ==
         0, "sender_init");
    mu_cast_sender_control(&f->sender, &f->kctl, KG);
    mu_cast_sender_ready(&f->sender, UINT32_MAX);
}

static void field_keys(struct field *f)
{
    uint8_t key[16];

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)field_random(f, 256);
    must(mu_secret_set(&f->cek, MU_BYTES(key)) == 0, "cek");
    key[0] ^= 1;
    must(mu_secret_set(&f->kctl, MU_BYTES(key)) == 0, "kctl");
    for (uint32_t i = 0; i < f->conf.receivers; i++) {
        key[1] = (uint8_t)(i >> 8);
        key[2] = (uint8_t)i;
        must(mu_secret_set(&f->all[i].kfb, MU_BYTES(key)) == 0, "kfb");
    }
}

void field_init(struct field *f, const struct field_conf *conf)
{
    memset(f, 0, sizeof(*f));
    f->conf = *conf;
    f->random = conf->seed * 0x9e3779b97f4a7c15u + 1;
    f->crypto = mu_crypto_openssl();
    must(f->crypto != NULL, "no crypto");
    f->plain_object = (struct mu_object){f, plain_read, NULL, object_sync};
    f->prepared_object = (struct mu_object){f, prepared_read, prepared_write,
                                            object_sync};
    f->peers = (struct mu_cast_peers){f, peers_member, peers_key,
                                        peers_alone, NULL};
    f->all = calloc(conf->receivers, sizeof(*f->all));
    must(f->all != NULL, "memory");
    field_keys(f);
    field_prepare(f);
    for (uint32_t i = 0; i < conf->receivers; i++) {
        f->all[i].field = f;
        f->all[i].sink = (struct mu_cast_sink){&f->all[i], field_sink};
        f->all[i].timer = MU_TIME_NEVER;
        f->all[i].work = malloc(mu_cast_receiver_work(&conf->shape));
        must(f->all[i].work != NULL, "memory");
        receiver_begin(f, i);
    }
    f->sender_timer = MU_TIME_NEVER;
    sim_link_init(&f->link, conf->link, conf->queue);
    sender_begin(f);
    event_push(f, 0, TIMER_SENDER, 0, mu_bytes(NULL, 0));
}

void field_free(struct field *f)
{
    while (f->heap_len > 0)
        free(event_pop(f).packet);
    for (uint32_t i = 0; i < f->conf.receivers; i++)
        free(f->all[i].work);
    free(f->all);
    free(f->heap);
    free(f->plain);
    free(f->prepared);
    free(f->sender_work);
}

void field_restart(struct field *f, uint32_t i, bool saved)
{
    uint8_t store[9000];
    struct mu_writer w = mu_writer(store, sizeof(store));
    struct mu_reader r;
    uint64_t sunk = f->all[i].sunk;

    must(mu_cast_receiver_save(&f->all[i].r, &w) == 0, "save");
    receiver_begin(f, i);
    if (!saved)
        return;
    r = mu_reader(mu_written(&w));
    must(mu_cast_receiver_load(&f->all[i].r, &r) == 0, "load");
    must(mu_reader_end(&r) == 0, "load takes all");
    f->all[i].sunk = sunk;
}

/* ---- running ---- */

static bool field_lost(struct field *f, uint32_t permille)
{
    return permille != 0 && field_random(f, 1000) < permille;
}

static void field_answer(struct field *f, struct mu_bytes packet, mu_time late)
{
    mu_time more = f->conf.jitter_us ? field_random(f, f->conf.jitter_us) : 0;

    event_push(f, f->now + f->conf.delay_us + more + late, TO_SENDER, 0,
               packet);
}

static void receiver_speak(struct field *f, uint32_t i)
{
    struct field_receiver *to = &f->all[i];
    uint8_t out[MU_PACKET_MAX];
    size_t len;

    while ((len = mu_cast_receiver_next(&to->r, f->now, out, sizeof(out))) >
           0) {
        f->asked++;
        f->asked_bytes += len;
        if (f->conf.said != NULL)
            f->conf.said(f, i, mu_bytes(out, len));
        if (!to->off && !field_lost(f, to->loss_permille
                                           ? to->loss_permille
                                           : f->conf.loss_permille))
            field_answer(f, mu_bytes(out, len), to->answers_late);
    }
    receiver_timer(f, i);
}

static void receiver_hear(struct field *f, uint32_t i, struct mu_bytes packet)
{
    struct field_receiver *to = &f->all[i];
    int rc;

    if (to->off || f->now < to->join_at)
        return;
    rc = mu_cast_receiver_packet(&to->r, f->now, packet);
    if (f->conf.taken != NULL)
        f->conf.taken(f, i, packet, rc);
    if (to->done_at == 0 && mu_cast_receiver_done(&to->r))
        to->done_at = f->now;
    if (mu_cast_receiver_deadline(&to->r) <= f->now)
        receiver_speak(f, i);
    else
        receiver_timer(f, i);
}

static void hear_all(struct field *f, struct mu_bytes packet)
{
    for (uint32_t i = 0; i < f->conf.receivers; i++) {
        uint32_t loss = f->all[i].loss_permille ? f->all[i].loss_permille
                                                : f->conf.loss_permille;
        unsigned copies = field_lost(f, f->conf.double_permille) ? 2 : 1;
        for (; copies > 0; copies--) {
            if (field_lost(f, loss))
                continue;
            if (f->conf.jitter_us == 0)
                receiver_hear(f, i, packet);
            else
                event_push(f, f->now + field_random(f, f->conf.jitter_us),
                           TO_RECEIVER, i, packet);
        }
    }
}

void field_broadcast(struct field *f, struct mu_bytes packet)
{
    mu_time at = sim_link_put(&f->link, f->now, (uint32_t)packet.len + 48);

    if (at != MU_TIME_NEVER)
        event_push(f, at + f->conf.delay_us, TO_ALL, 0, packet);
}

void field_unicast(struct field *f, struct mu_bytes packet)
{
    field_answer(f, packet, 0);
}

/* Bogus packets of every kind, as near to the real one as a stranger can. */
static void field_forge(struct field *f, struct mu_bytes real)
{
    uint8_t bogus[MU_PACKET_MAX];
    size_t len = real.len;
    uint32_t what = field_random(f, 4);

    memcpy(bogus, real.data, len);
    if (what == 0 || !mu_cast_is_data(real.data[0])) {
        bogus[len - 1 - field_random(f, 8)] ^= 1;
    } else if (what == 1) {
        for (size_t i = MU_CAST_DATA_HEADER; i < len; i++)
            bogus[i] = (uint8_t)field_random(f, 256);
        bogus[2] = (uint8_t)field_random(f, 256);
    } else if (what == 2) {
        for (size_t i = 0; i < 18; i++)
            bogus[i] = (uint8_t)field_random(f, 256);
        bogus[0] = MU_CAST_POLL;
        bogus[1] = SESSION;
        bogus[9] = KG;
        len = 18;
    } else {
        len = field_random(f, (uint32_t)len + 1);
    }
    hear_all(f, mu_bytes(bogus, len));
    for (size_t i = 0; i < 16; i++)
        bogus[i] = (uint8_t)field_random(f, 256);
    bogus[0] = MU_CAST_NEED;
    bogus[1] = SESSION;
    bogus[2] = 0;
    bogus[3] = (uint8_t)field_random(f, f->conf.receivers);
    must(mu_cast_sender_feedback(&f->sender, f->now, mu_bytes(bogus, 16)) != 0,
         "the sender took a forged NEED");
}

/* To all, or to whom it is for. */
static void field_send(struct field *f, struct mu_bytes packet)
{
    uint16_t to = mu_cast_sender_to(&f->sender);
    uint32_t loss;

    if (to == MU_CAST_ALL) {
        field_broadcast(f, packet);
        return;
    }
    must(mu_cast_is_data(packet.data[0]), "only symbols go to one");
    f->all[to].alone++;
    loss = f->all[to].loss_permille ? f->all[to].loss_permille
                                    : f->conf.loss_permille;
    if (!field_lost(f, loss))
        event_push(f, f->now + f->conf.delay_us, TO_RECEIVER, to, packet);
}

static void sender_speak(struct field *f)
{
    uint8_t out[MU_PACKET_MAX];
    size_t len;
    mu_time at;

    while ((len = mu_cast_sender_next(&f->sender, f->now, out)) > 0) {
        field_send(f, mu_bytes(out, len));
        for (uint32_t i = 0; i < f->conf.forged; i++)
            field_forge(f, mu_bytes(out, len));
    }
    at = mu_cast_sender_deadline(&f->sender);
    if (at != MU_TIME_NEVER && f->sender_timer > at) {
        f->sender_timer = at > f->now ? at : f->now;
        event_push(f, f->sender_timer, TIMER_SENDER, 0, mu_bytes(NULL, 0));
    }
}

bool field_step(struct field *f)
{
    mu_time most = f->conf.time_max ? f->conf.time_max : MU_SECONDS(3600);
    struct field_event e;
    struct mu_bytes packet;

    if (f->heap_len == 0 || f->now > most)
        return false;
    e = event_pop(f);
    f->now = e.at;
    packet = mu_bytes(e.packet, e.len);
    switch (e.kind) {
    case TO_ALL:
        hear_all(f, packet);
        break;
    case TO_RECEIVER:
        receiver_hear(f, e.receiver, packet);
        break;
    case TO_SENDER:
        (void)!mu_cast_sender_feedback(&f->sender, f->now, packet);
        sender_speak(f);
        break;
    case TIMER_RECEIVER:
        if (f->all[e.receiver].timer == e.at) {
            f->all[e.receiver].timer = MU_TIME_NEVER;
            receiver_speak(f, e.receiver);
        }
        break;
    case TIMER_SENDER:
        if (f->sender_timer == e.at)
            f->sender_timer = MU_TIME_NEVER;
        sender_speak(f);
        break;
    }
    free(e.packet);
    return true;
}

uint32_t field_done(const struct field *f)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->conf.receivers; i++) {
        if (mu_cast_receiver_done(&f->all[i].r) &&
            f->all[i].sunk == f->conf.size && f->all[i].wrong == 0)
            n++;
    }
    return n;
}

bool field_finished(const struct field *f)
{
    if (!mu_cast_sender_idle(&f->sender))
        return false;
    for (uint32_t i = 0; i < f->conf.receivers; i++) {
        if (!f->all[i].off && !f->all[i].gone &&
            !mu_cast_receiver_done(&f->all[i].r))
            return false;
    }
    return true;
}

bool field_run(struct field *f)
{
    while (!field_finished(f)) {
        if (!field_step(f))
            return false;
    }
    return true;
}

uint64_t field_packets(const struct field *f)
{
    const struct mu_cast_counts *c = mu_cast_sender_counts(&f->sender);

    return c->data + c->parity + c->repair;
}
