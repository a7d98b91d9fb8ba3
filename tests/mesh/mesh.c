/* SPDX-License-Identifier: Apache-2.0 */
/* Devices as neighbours, and links with somebody in the middle. */
#include "mesh.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 7100

void mesh_address(char to[32], unsigned n)
{
    unsigned pid = (unsigned)getpid();

    snprintf(to, 32, "127.%u.%u.%u:%u", 1 + pid / 250 % 250, 1 + pid % 250, n,
             PORT);
}

void mesh_open(struct mesh *m, struct lab *lab, unsigned devices)
{
    mesh_open_with(m, lab, devices, NULL);
}

void mesh_open_with(struct mesh *m, struct lab *lab, unsigned devices,
                    const char *const gateway[])
{
    memset(m, 0, sizeof(*m));
    m->lab = lab;
    m->len = devices;
    assert_true(devices <= MESH_MAX);
    for (unsigned i = 1; i <= devices; i++)
        mesh_address(m->at[i], i);
    lab_keys(lab, devices);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, gateway);
}

static void mesh_add(char *list, size_t room, const char *neighbour)
{
    size_t len = strlen(list);

    snprintf(list + len, room - len, "%s%s", len == 0 ? "" : ",", neighbour);
}

void mesh_near(struct mesh *m, unsigned a, unsigned b)
{
    char at_a[32], at_b[32];

    memcpy(at_a, m->at[a], sizeof at_a);
    memcpy(at_b, m->at[b], sizeof at_b);
    mesh_add(m->neighbours[a], sizeof m->neighbours[a], at_b);
    mesh_add(m->neighbours[b], sizeof m->neighbours[b], at_a);
}

/* ---- links -------------------------------------------------------------- */

static int link_socket(struct mesh *m, unsigned beside, unsigned number)
{
    struct mu_addr at;
    char text[32];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    mesh_address(text, number);
    assert_int_equal(mu_addr_parse(text, &at), 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &at.sa, at.len), 0);
    mesh_add(m->neighbours[beside], sizeof m->neighbours[beside], text);
    return fd;
}

static struct mesh_link *link_new(struct mesh *m, unsigned a)
{
    struct mesh_link *l = &m->links[m->links_len++];
    unsigned number = 100 + 2 * m->links_len;

    assert_true(m->links_len <= sizeof(m->links) / sizeof(m->links[0]));
    l->random = m->links_len * 0x9e3779b97f4a7c15u;
    l->side[0] = link_socket(m, a, number);
    l->side[1] = -1;
    assert_int_equal(mu_addr_parse(m->at[a], &l->to[0]), 0);
    return l;
}

struct mesh_link *mesh_through(struct mesh *m, unsigned a, unsigned b)
{
    struct mesh_link *l = link_new(m, a);

    l->side[1] = link_socket(m, b, 101 + 2 * m->links_len);
    assert_int_equal(mu_addr_parse(m->at[b], &l->to[1]), 0);
    return l;
}

struct mesh_link *mesh_between(struct mesh *m, unsigned a, char at_a[32],
                               unsigned b, char at_b[32])
{
    struct mesh_link *l = mesh_through(m, a, b);

    mesh_address(at_a, 100 + 2 * m->links_len);
    mesh_address(at_b, 101 + 2 * m->links_len);
    return l;
}

struct mesh_link *mesh_intruder(struct mesh *m, unsigned a)
{
    return link_new(m, a);
}

uint32_t mesh_link_random(struct mesh_link *l)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return (uint32_t)(l->random >> 32);
}

void mesh_link_send(struct mesh_link *l, const void *packet, size_t len)
{
    if (sendto(l->side[0], packet, len, 0, &l->to[0].sa, l->to[0].len) >= 0)
        atomic_fetch_add(&l->sent, 1);
}

static void link_pass(struct mesh_link *l, unsigned from, uint8_t *packet,
                      size_t len)
{
    unsigned to = 1 - from;

    if (l->intrude != NULL) {
        l->intrude(l, packet, len);
        return;
    }
    atomic_fetch_add(&l->passed, 1);
    if (mesh_link_random(l) % 100 < l->drop) {
        atomic_fetch_add(&l->dropped, 1);
        return;
    }
    if (mesh_link_random(l) % 100 < l->modify) {
        packet[mesh_link_random(l) % len] ^=
            (uint8_t)(1 + mesh_link_random(l) % 255);
        atomic_fetch_add(&l->modified, 1);
    }
    if (sendto(l->side[to], packet, len, 0, &l->to[to].sa, l->to[to].len) < 0)
        return; /* nobody is there just now */
}

static void *link_run(void *arg)
{
    struct mesh_link *l = arg;
    struct pollfd at[2] = { { .fd = l->side[0], .events = POLLIN },
                            { .fd = l->side[1], .events = POLLIN } };
    uint8_t packet[2048];

    while (!atomic_load(&l->stop)) {
        poll(at, 2, 20);
        for (unsigned i = 0; i < 2; i++) {
            ssize_t len = 0;

            while (at[i].fd >= 0 && len >= 0) {
                len = recv(at[i].fd, packet, sizeof(packet), 0);
                if (len > 0)
                    link_pass(l, i, packet, (size_t)len);
            }
        }
        if (l->intrude != NULL)
            l->intrude(l, NULL, 0); /* of its own accord */
    }
    return NULL;
}

void mesh_links(struct mesh *m)
{
    for (unsigned i = 0; i < m->links_len; i++)
        assert_int_equal(pthread_create(&m->links[i].thread, NULL, link_run,
                                        &m->links[i]), 0);
}

/* ---- devices ------------------------------------------------------------ */

void mesh_device(struct mesh *m, unsigned n, bool reach,
                 const char *const extra[])
{
    struct lab *lab = m->lab;
    static const char *const ids[MESH_MAX + 1] = {
        "", "dev-1", "dev-2", "dev-3", "dev-4", "dev-5", "dev-6", "dev-7",
        "dev-8", "dev-9", "dev-10",
    };
    const char *id = ids[n];
    char state[32], hook[160];

    snprintf(state, sizeof(state), "state-%u", n);
    snprintf(hook, sizeof(hook), "cp \"$1\" %s/got-$MUSTER_IDENTITY",
             lab->dir);
    const char *words[LAB_ARGS_MAX] = {
        "device", "--id", id, "--key-file", lab_path(lab, "devices.csv"),
        "--gateway", lab->gateway, "--state", lab_path(lab, state), "--iface",
        lab->iface, "--hook", hook, "--object-max-kib", "2048", "--mesh",
        m->at[n], "--neighbours", m->neighbours[n], "--mesh-rate", "2000000",
        "--keepalive-ms", "400", "--handshake-ms", "3000", "--ack-timeout-ms",
        "300", "--json", "--log", "debug",
    };
    size_t len = 0;

    while (words[len] != NULL)
        len++;
    if (!reach)
        words[len++] = "--mesh-only";
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++)
        words[len++] = extra[i];
    words[len] = NULL;
    m->dev[n] = lab_start(lab, id, words);
    lab_wait(m->dev[n], "{'event': 'ready'}");
}

void mesh_connected(struct mesh *m, unsigned n)
{
    lab_wait(m->dev[n], "{'event': 'status', 'connected': true}");
}

const json_t *mesh_said(struct mesh *m, unsigned n)
{
    const json_t *last = NULL;
    size_t i;
    json_t *line;

    json_array_foreach(m->dev[n]->lines, i, line) {
        if (strcmp(real_text(line, "event"), "mesh") == 0)
            last = line;
    }
    assert_non_null(last);
    return last;
}

void mesh_runs(struct mesh *m, unsigned n, const char *file)
{
    lab_wait(m->dev[n], "{'event': 'status', 'states': ['received', "
             "'verified', 'installed', 'running']}");
    assert_true(mesh_got(m, n, file));
}

bool mesh_got(struct mesh *m, unsigned n, const char *file)
{
    char name[32];

    snprintf(name, sizeof(name), "got-dev-%u", n);
    return access(lab_path(m->lab, name), F_OK) == 0 &&
           lab_same(lab_path(m->lab, name), file);
}

long long mesh_count(struct mesh *m, unsigned n, const char *key)
{
    const json_t *last;

    assert_int_equal(lab_end(m->dev[n], SIGTERM), 0);
    last = json_array_get(m->dev[n]->lines,
                          json_array_size(m->dev[n]->lines) - 1);
    assert_string_equal(real_text(last, "event"), "counters");
    return real_number(json_object_get(last, "mesh"), key);
}

void mesh_close(struct mesh *m)
{
    for (unsigned i = 0; i < m->links_len; i++) {
        struct mesh_link *l = &m->links[i];

        atomic_store(&l->stop, true);
        assert_int_equal(pthread_join(l->thread, NULL), 0);
        close(l->side[0]);
        if (l->side[1] >= 0)
            close(l->side[1]);
    }
}
