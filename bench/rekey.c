/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a departure costs the live server: the engine of `muster serve` over its
 * store, from `group remove` until a gateway has the first announce object.
 *
 *     rekey [--json] [--members N] [--scheme S] [--leavers K] [--store memory]
 *
 * The group is made as an operator would: gateways, devices, group, members;
 * the first key makes the trees. Then every member is noted to have its state,
 * by the writes of a fetch, since 10^6 connections would take an hour. Rows:
 *
 *     op           leave: K random members at once; join: as many come
 *     wish_us      for all K wishes, with their writes
 *     server_us    from there until the object is answered: engine and store,
 *                  processor time of this thread
 *     rest_us      what is done after that until nothing is due, one member in
 *                  a hundred having kept silent: pokes, sweeps
 *     commit_us    until the file is synced, by the clock
 *     reads, records, bytes_stored   of the store: looked up, written
 *     parts, bytes of the announce objects
 *
 * and once: import_s (devices and members), first_s (first key, new trees),
 * start_s and check_s (engine and file at the next start), file bytes and
 * memory, for each member; explain_us, of `group explain` with these leavers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto_openssl/crypto_openssl.h"
#include "node/server_core.h"
#include "store/store.h"

#define BATCH 40 /* wishes that the queue holds for certain */
#define LEAST_SCHEME_MEM ((size_t)8 << 20)

static struct {
    struct mu_server_conf conf;
    struct mu_server server;
    struct mu_secret master;
    struct mu_store store, port;
    struct mu_store_sqlite *file;
    struct mu_memory *memory;
    char path[256];
    void *work;
    size_t work_len;
    mu_time now;
    uint32_t tickets[4096];
    unsigned tickets_len;
    uint64_t reads, records, bytes;
    double commit_us;
    uint32_t first_notice; /* link of the first POST /n since it was zero */
    uint8_t answer[MU_STORE_VALUE_MAX];
    size_t answer_len;
    uint8_t answer_code;
} b;

static uint64_t rng_state = 88172645463325252u;

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "rekey: %s: %s\n", what, mu_err_text(rc));
    exit(1);
}

static uint32_t rng(uint32_t below)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (uint32_t)((rng_state >> 16) % below);
}

static double clock_us(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double cpu_us(void)
{
    return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

static double wall_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

/* ---- body ------------------------------------------------------------------ */

static int port_get(void *ctx, uint8_t table, struct mu_bytes key,
                    uint8_t *value, size_t *len)
{
    (void)ctx;
    b.reads++;
    return b.store.get(b.store.ctx, table, key, value, len);
}

static int port_next(void *ctx, uint8_t table, struct mu_bytes after,
                     uint8_t *key, size_t *key_len, uint8_t *value,
                     size_t *value_len)
{
    (void)ctx;
    b.reads++;
    return b.store.next(b.store.ctx, table, after, key, key_len, value,
                        value_len);
}

static void body_commit(void)
{
    double before = wall_us();

    must(b.store.commit(b.store.ctx), "commit");
    b.commit_us += wall_us() - before;
    for (unsigned i = 0; i < b.tickets_len; i++) {
        struct mu_event ev = {
            .kind = MU_EV_STORED, .now = b.now, .ticket = b.tickets[i]};
        must(mu_server_step(&b.server, &ev), "stored");
    }
    b.tickets_len = 0;
}

static void body_take(void)
{
    struct mu_effect e;

    while (mu_server_next(&b.server, &e)) {
        if (e.kind == MU_DO_STORE) {
            must(b.store.put(b.store.ctx, e.table, e.key, e.value), "put");
            b.records++;
            b.bytes += e.key.len + e.value.len;
            b.tickets[b.tickets_len++] = e.ticket;
        } else if (e.kind == MU_DO_SEND && !e.response) {
            struct mu_event ev = {.kind = MU_EV_RESPONSE,
                                  .now = b.now,
                                  .link = e.link,
                                  .message = {.code = MU_COAP_CHANGED}};
            ev.message.exchange = e.message.exchange;
            if (b.first_notice == 0 &&
                mu_bytes_eq(e.message.path, mu_bytes_str("n")))
                b.first_notice = e.link;
            must(mu_server_step(&b.server, &ev), "answer");
        } else if (e.kind == MU_DO_SEND) {
            b.answer_code = e.message.code;
            b.answer_len = e.message.payload.len;
            memcpy(b.answer, e.message.payload.data, b.answer_len);
        }
        if (b.tickets_len == sizeof b.tickets / sizeof b.tickets[0])
            body_commit();
    }
}

/* Takes all effects and commits until nothing more comes of it. */
static void body_drain(void)
{
    do {
        body_take();
        if (b.tickets_len != 0)
            body_commit();
        body_take();
    } while (b.tickets_len != 0);
}

static void body_step(struct mu_event *ev)
{
    ev->now = b.now;
    must(mu_server_step(&b.server, ev), "step");
    body_drain();
}

/* On to the next deadline; false: none before `end`. */
static bool body_tick(mu_time end)
{
    struct mu_event ev = {.kind = MU_EV_TIMER};
    mu_time at = mu_server_deadline(&b.server);

    if (at > end)
        return false;
    if (at > b.now)
        b.now = at;
    body_step(&ev);
    return true;
}

static void body_run(mu_time span)
{
    const mu_time end = b.now + span;

    while (body_tick(end))
        ;
    b.now = end;
}

static void body_request(uint32_t link, const char *path,
                         struct mu_bytes payload)
{
    struct mu_event ev = {
        .kind = MU_EV_REQUEST,
        .link = link,
        .message = {.code = MU_COAP_POST,
                    .exchange = 7,
                    .path = mu_bytes_str(path),
                    .payload = payload},
    };

    b.answer_code = 0;
    body_step(&ev);
}

static void server_open(void)
{
    must(mu_server_init(&b.server, &b.conf, b.work, b.work_len, b.now),
         "init");
    body_drain();
}

/* ---- the fleet ------------------------------------------------------------- */

static void name_of(uint32_t i, char name[24])
{
    snprintf(name, 24, "meter-%08u", (unsigned)i);
}

static uint32_t gateway_of(uint32_t i, uint32_t members)
{
    const uint32_t gateways =
        (members + MU_AREA_DEVICES_MAX - 1) / MU_AREA_DEVICES_MAX;

    return i % gateways;
}

static void links_up(uint32_t gateways)
{
    for (uint32_t n = 1; n <= gateways; n++) {
        struct mu_wide_hello hello = {.epoch = 0};
        uint8_t room[64];
        struct mu_writer w = mu_writer(room, sizeof room);
        char name[24];
        struct mu_event ev = {.kind = MU_EV_LINK_UP, .link = n};

        snprintf(name, sizeof name, "gw-%u", (unsigned)n);
        ev.identity = mu_bytes_str(name);
        body_step(&ev);
        must(mu_wide_hello_create(&hello, &w), "hello");
        body_request(n, "hello", mu_written(&w));
        if (b.answer_code != MU_COAP_CHANGED)
            must(MU_ERR_UNEXPECTED, "hello refused");
    }
}

static void fleet_make(uint32_t members)
{
    const uint32_t gateways =
        (members + MU_AREA_DEVICES_MAX - 1) / MU_AREA_DEVICES_MAX;
    uint8_t root[32] = {1, 2, 3};
    uint32_t number;
    char name[24], gateway[24];

    for (uint32_t n = 1; n <= gateways; n++) {
        snprintf(name, sizeof name, "gw-%u", (unsigned)n);
        must(mu_server_gateway_add(&b.server, mu_bytes_str(name),
                                   MU_BYTES(root), &number), "gateway");
        body_drain();
    }
    for (uint32_t i = 0; i < members; i++) {
        name_of(i, name);
        memcpy(root, &i, sizeof i);
        snprintf(gateway, sizeof gateway, "gw-%u",
                 (unsigned)gateway_of(i, members) + 1);
        must(mu_server_device_add(&b.server, mu_bytes_str(name),
                                  MU_BYTES(root), mu_bytes_str(gateway)),
             "device");
        if (i % BATCH == BATCH - 1)
            body_take();
    }
    body_drain();
}

static void fleet_join(uint32_t members)
{
    char name[24];

    for (uint32_t i = 0; i < members; i++) {
        name_of(i, name);
        must(mu_server_group_add(&b.server, mu_bytes_str("all"),
                                 mu_bytes_str(name)), "join");
        if (i % BATCH == BATCH - 1)
            body_take();
    }
    body_drain();
}

/* What a member's fetches leave behind: it has the state and the key. */
static void fleet_fetched(uint32_t members)
{
    struct mu_scheme_record sc;
    struct mu_group_record g;
    char name[24];

    must(mu_srv_scheme_get(&b.server, 1, &sc), "scheme");
    must(mu_srv_group_get(&b.server, 1, &g), "group");
    for (uint32_t i = 0; i < members; i++) {
        struct mu_device_record d;
        name_of(i, name);
        must(mu_srv_device_get(&b.server, mu_bytes_str(name), &d), "device");
        if (d.groups_len == 0)
            continue;
        d.groups[0].base = sc.base;
        d.groups[0].held = d.groups[0].sent = g.generation;
        mu_srv_device_put(&b.server, mu_bytes_str(name), &d);
        must(mu_srv_roster_ready(&b.server, 1, sc.base, d.gateway, d.index),
             "ready");
        if (i % BATCH == BATCH - 1)
            body_take();
    }
    body_drain();
}

/* ---- one row --------------------------------------------------------------- */

struct row {
    const char *op;
    uint32_t changes;
    double wish_us, server_us, rest_us, commit_us;
    uint64_t reads, records, bytes;
    uint16_t parts;
    size_t object;
};

struct figures {
    uint32_t members;
    const char *scheme;
    double import_s, join_s, first_s, check_s, start_s, explain_us;
    uint64_t file;
    long rss_kb;
};

static bool rekey_ready(uint64_t before)
{
    struct mu_group_record g;

    must(mu_srv_group_get(&b.server, 1, &g), "group");
    return mu_srv_group_newest(&g) != before && b.first_notice != 0;
}

/* What the first gateway that hears of it does: list, then the object. */
static void announce(struct row *r)
{
    uint8_t room[32];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_wide_camp_row camp, last = {.number = 0};
    struct mu_wide_campaign m;
    struct mu_wide_rows list;

    must(mu_wide_ask_create(0, &w), "ask");
    body_request(b.first_notice, "camp", mu_written(&w));
    must(mu_wide_page_consume(mu_bytes(b.answer, b.answer_len), &list),
         "list");
    while (mu_wide_camp_row_next(&list, &camp))
        last = camp;
    if (last.number == 0)
        return; /* no parts: every member fetches */
    w = mu_writer(room, sizeof room);
    must(mu_wide_campaign_ask_create(last.campaign, 0, &w), "ask");
    body_request(b.first_notice, "camp/m", mu_written(&w));
    must(mu_wide_campaign_consume(mu_bytes(b.answer, b.answer_len), &m),
         "object");
    r->parts = m.parts;
    r->object = m.object.len;
}

static void wish(const struct row *r, uint32_t i)
{
    char name[24];
    struct mu_bytes all = mu_bytes_str("all");
    int rc;

    name_of(i, name);
    do {
        rc = r->op[0] == 'l' ? mu_server_group_remove(&b.server, all,
                                                      mu_bytes_str(name))
                             : mu_server_group_add(&b.server, all,
                                                   mu_bytes_str(name));
        body_take();
    } while (rc == MU_ERR_BUSY);
    must(rc, r->op);
}

/* As if their acknowledgements had been counted. */
static void acknowledged(uint32_t members)
{
    struct mu_group_record g;
    char name[24];

    must(mu_srv_group_get(&b.server, 1, &g), "group");
    for (uint32_t i = 0; i < members; i++) {
        struct mu_device_record d;
        if (i % 100 == 99)
            continue;
        name_of(i, name);
        must(mu_srv_device_get(&b.server, mu_bytes_str(name), &d), "device");
        if (d.groups_len != 0)
            must(mu_srv_rekey_held(&b.server, 1, d.gateway, d.index,
                                   mu_srv_group_newest(&g)), "held");
        if (i % BATCH == BATCH - 1)
            body_take();
    }
    body_drain();
}

static void row_run(struct row *r, const struct figures *f,
                    const uint32_t *who)
{
    struct mu_group_record g;
    double start;

    must(mu_srv_group_get(&b.server, 1, &g), "group");
    b.reads = b.records = b.bytes = 0;
    b.commit_us = 0;
    start = cpu_us();
    for (uint32_t i = 0; i < r->changes; i++)
        wish(r, who[i]);
    body_drain();
    r->wish_us = cpu_us() - start;
    b.first_notice = 0;
    start = cpu_us();
    while (!rekey_ready(mu_srv_group_newest(&g)))
        if (!body_tick(b.now + MU_SECONDS(100)))
            must(MU_ERR_UNEXPECTED, "no rekey came");
    announce(r);
    r->server_us = cpu_us() - start;
    r->reads = b.reads;
    r->records = b.records;
    r->bytes = b.bytes;
    r->commit_us = b.commit_us;
    acknowledged(f->members);
    start = cpu_us();
    body_run(MU_SECONDS(100)); /* beyond the deadline of the key */
    r->rest_us = cpu_us() - start;
}

/* ---- all of it ------------------------------------------------------------- */

static long rss_kb(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    long kb = 0;

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kb;
}

static void store_open(bool memory)
{
    struct mu_why why = {""};

    if (memory) {
        must(mu_memory_open(&b.memory, &b.store), "store");
    } else {
        int rc = mu_store_sqlite_open(&b.file, b.path, &b.store, &why);
        if (rc != 0)
            fprintf(stderr, "%s\n", why.text);
        must(rc, "store");
    }
    b.port = b.store;
    b.port.get = port_get;
    b.port.next = port_next;
}

static void conf_make(uint32_t members, enum mu_scheme_kind kind)
{
    const struct mu_scheme_conf shape = {
        .kind = kind, .members = members, .slots_max = 2 * members + 64,
        .clusters = 64, .degree = 4, .levels = 3,
    };
    size_t mem = mu_scheme_mem(&shape);
    uint8_t key[32] = {9};

    must(mu_secret_set(&b.master, MU_BYTES(key)), "master");
    b.conf = (struct mu_server_conf){
        .crypto = mu_crypto_openssl(),
        .identity = mu_bytes_str("server"),
        .store = &b.port,
        .master = &b.master,
        .campaigns_max = 4,
        .gateways_max = (uint16_t)(members / MU_AREA_DEVICES_MAX + 8),
        .connections_max = 16,
        .wide_address = "unicast",
        .shape = {.payload = 1024, .page_data = 64, .page_parity = 0,
                  .hash_len = 8},
        .scheme_mem = mem > LEAST_SCHEME_MEM ? mem : LEAST_SCHEME_MEM,
        .seed = 1,
    };
    b.now = MU_SECONDS(1);
    b.work_len = mu_server_work(&b.conf);
    b.work = malloc(b.work_len);
    if (b.work == NULL)
        must(MU_ERR_IO, "memory");
}

static void restart(struct figures *f)
{
    double start = cpu_us();

    mu_server_clear(&b.server);
    if (b.memory == NULL) {
        mu_store_sqlite_close(b.file);
        start = cpu_us();
        store_open(false);
    }
    f->check_s = (cpu_us() - start) / 1e6;
    start = cpu_us();
    server_open();
    body_run(MU_SECONDS(2));
    f->start_s = (cpu_us() - start) / 1e6;
    f->rss_kb = rss_kb();
}

static void group_make(struct figures *f, enum mu_scheme_kind kind)
{
    const struct mu_group_scheme scheme = {
        .kind = (uint8_t)kind, .clusters = 64, .levels = 3,
        .key_deadline_s = 60,
    };
    uint32_t number;
    double start = cpu_us();

    fleet_make(f->members);
    f->import_s = (cpu_us() - start) / 1e6;
    start = cpu_us();
    must(mu_server_group_create_as(&b.server, mu_bytes_str("all"), 0, &scheme,
                                   &number), "group");
    fleet_join(f->members);
    f->join_s = (cpu_us() - start) / 1e6;
    start = cpu_us();
    links_up(b.server.gateways_len);
    body_run(MU_SECONDS(100));
    f->first_s = (cpu_us() - start) / 1e6;
    fleet_fetched(f->members);
}

static uint32_t *leavers_draw(uint32_t members, uint32_t leavers)
{
    uint32_t *who = malloc((leavers + 1) * sizeof *who);
    uint8_t *drawn = calloc(members / 8 + 1, 1);

    if (who == NULL || drawn == NULL)
        must(MU_ERR_IO, "memory");
    for (uint32_t n = 0; n < leavers;) {
        uint32_t i = rng(members);
        if (drawn[i / 8] >> i % 8 & 1)
            continue;
        drawn[i / 8] = (uint8_t)(drawn[i / 8] | 1u << i % 8);
        who[n++] = i;
    }
    free(drawn);
    return who;
}

static void print_row(const struct figures *f, const struct row *r, bool json)
{
    const char *format =
        json ? "{\"bench\":\"rekey\",\"op\":\"%s\",\"scheme\":\"%s\","
               "\"members\":%u,\"leavers\":%u,\"wish_us\":%.0f,"
               "\"server_us\":%.0f,\"rest_us\":%.0f,\"commit_us\":%.0f,"
               "\"reads\":%llu,\"records\":%llu,\"bytes_stored\":%llu,"
               "\"parts\":%u,\"object_bytes\":%zu}\n"
             : "%-5s %-8s members %u, changes %u: wishes %.0f us, server %.0f "
               "us, rest %.0f us, commits %.0f us, reads %llu, records %llu, "
               "bytes stored %llu, parts %u, object %zu bytes\n";

    printf(format, r->op, f->scheme, (unsigned)f->members,
           (unsigned)r->changes, r->wish_us, r->server_us, r->rest_us,
           r->commit_us, (unsigned long long)r->reads,
           (unsigned long long)r->records, (unsigned long long)r->bytes,
           (unsigned)r->parts, r->object);
    fflush(stdout);
}

static void print_figures(const struct figures *f, bool json)
{
    const char *format =
        json ? "{\"bench\":\"rekey\",\"op\":\"fleet\",\"scheme\":\"%s\","
               "\"members\":%u,\"import_s\":%.2f,\"join_s\":%.2f,"
               "\"first_s\":%.2f,\"check_s\":%.2f,\"start_s\":%.3f,"
               "\"work_bytes\":%zu,\"rss_bytes\":%llu,"
               "\"file_bytes_per_member\":%.0f,\"explain_us\":%.0f}\n"
             : "fleet %-8s members %u: devices %.2f s, members %.2f s, first "
               "key %.2f s, file read %.2f s, start %.3f s, engine %zu bytes, "
               "resident %llu bytes, file %.0f bytes/member, explain %.0f us\n";

    printf(format, f->scheme, (unsigned)f->members, f->import_s, f->join_s,
           f->first_s, f->check_s, f->start_s, b.work_len,
           (unsigned long long)f->rss_kb * 1024,
           (double)f->file / f->members, f->explain_us);
    fflush(stdout);
}

static uint64_t file_bytes(void)
{
    FILE *f = b.memory == NULL ? fopen(b.path, "rb") : NULL;
    uint64_t len = 0;

    if (f != NULL && fseek(f, 0, SEEK_END) == 0)
        len = (uint64_t)ftell(f);
    if (f != NULL)
        fclose(f);
    return len;
}

static double explain_us(uint32_t leavers)
{
    struct mu_group_explain e;
    double start = cpu_us();

    must(mu_server_group_explain(&b.server, mu_bytes_str("all"), leavers, &e),
         "explain");
    if (!e.exact)
        must(MU_ERR_UNEXPECTED, "explain");
    return cpu_us() - start;
}

static void fleet_run(const char *scheme, uint32_t members, uint32_t leavers,
                      bool memory, bool json)
{
    const enum mu_scheme_kind kind = mu_scheme_kind(mu_bytes_str(scheme));
    struct figures f = {.members = members, .scheme = scheme};
    struct row leave = {.op = "leave", .changes = leavers};
    struct row join = {.op = "join", .changes = leavers};
    uint32_t *who = leavers_draw(members, leavers);
    char dir[] = "/tmp/muster-rekey-XXXXXX";

    if (kind == MU_SCHEME_NONE)
        must(MU_ERR_USAGE, scheme);
    if (mkdtemp(dir) == NULL)
        must(MU_ERR_IO, "directory");
    snprintf(b.path, sizeof b.path, "%s/server.db", dir);
    store_open(memory);
    conf_make(members, kind);
    server_open();
    group_make(&f, kind);
    restart(&f);
    links_up(b.server.gateways_len);
    body_run(MU_SECONDS(100));
    row_run(&leave, &f, who);
    print_row(&f, &leave, json);
    row_run(&join, &f, who);
    print_row(&f, &join, json);
    f.file = file_bytes();
    f.explain_us = explain_us(leavers);
    print_figures(&f, json);
    mu_server_clear(&b.server);
    if (memory)
        mu_memory_close(b.memory);
    else
        mu_store_sqlite_close(b.file);
    unlink(b.path);
    rmdir(dir);
    free(b.work);
    free(who);
}

int main(int argc, char **argv)
{
    const char *scheme = "sd";
    uint32_t members = 100000, leavers = 1;
    bool json = false, memory = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (i + 1 < argc && strcmp(argv[i], "--scheme") == 0)
            scheme = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--members") == 0)
            members = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--leavers") == 0)
            leavers = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--store") == 0)
            memory = strcmp(argv[++i], "memory") == 0;
        else
            must(MU_ERR_USAGE, argv[i]);
    }
    if (members < 2 || leavers >= members || leavers == 0)
        must(MU_ERR_USAGE, "members, leavers");
    fleet_run(scheme, members, leavers, memory, json);
    return 0;
}
