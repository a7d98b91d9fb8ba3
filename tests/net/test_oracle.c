/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DTLS endpoint against programs of others: libcoap's client, OpenSSL's
 * s_client and GnuTLS's client. They speak CoAP and DTLS by their own code (or
 * at least by their own options) and know nothing of Muster.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/coap_link.h"
#include "net/log.h"

#define OUT_MAX 16384
#define PATIENCE_MS 10000
#define KEY_TEXT "0123456789abcdefghijklmnopqrstuv"
#define KEY_HEX                                                                \
    "303132333435363738396162636465666768696a6b6c6d6e6f70717273747576"

struct world {
    uv_loop_t uv;
    struct mu_coap *coap;
    char port[8];
    unsigned up, down, requests;
    char path[64], out[OUT_MAX + 1];
    size_t out_len;
    bool over;
    uv_pipe_t in;           /* what the program reads */
    struct mu_bytes awaited; /* its input ends when it has printed this; or,
                                empty, when it has a session */
};

static int world_psk(void *ctx, bool client, struct mu_bytes identity,
                     struct mu_secret *key, uint32_t *link)
{
    (void)ctx;
    if (!mu_bytes_eq(identity, mu_bytes_str("dev1")))
        return MU_ERR_UNKNOWN_PEER;
    *link = client ? 9 : 1;
    return mu_secret_set(key, mu_bytes_str(KEY_TEXT));
}

static void world_event(void *ctx, struct mu_event *ev)
{
    struct world *w = ctx;
    static const uint8_t text[] = "muster-says-hello";
    struct mu_message m = {
        .code = 0x45, .exchange = ev->message.exchange,
        .payload = mu_bytes(text, sizeof(text) - 1),
    };

    w->up += ev->kind == MU_EV_LINK_UP;
    w->down += ev->kind == MU_EV_LINK_DOWN && ev->link == 9;
    if (ev->kind != MU_EV_REQUEST)
        return;
    w->requests++;
    memcpy(w->path, ev->message.path.data, ev->message.path.len);
    mu_coap_send(w->coap, ev->link, true, &m);
}

static void world_wake(void *ctx)
{
    (void)ctx;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct mu_coap_conf conf = {
        .identity = mu_bytes_str("gw-oracle"), .keepalive_ms = 5000,
        .idle_ms = 5000, .handshake_ms = 5000, .answer_ms = 5000,
        .outstanding_max = 4, .ack_timeout_ms = 500, .ctx = w,
        .psk = world_psk, .event = world_event, .wake = world_wake,
    };
    struct mu_addr at;

    mu_log_set(MU_LOG_ERROR);
    uv_loop_init(&w->uv);
    w->coap = mu_coap_new(&w->uv, &conf);
    assert_int_equal(mu_addr_parse("127.0.0.1:0", &at), 0);
    assert_int_equal(mu_coap_listen(w->coap, &at, &at), 0);
    snprintf(w->port, sizeof(w->port), "%u", mu_addr_port(&at));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    mu_coap_free(w->coap);
    uv_run(&w->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->uv), 0);
    free(w);
    return 0;
}

static void on_ended(uv_process_t *process, int64_t status, int number)
{
    (void)status;
    (void)number;
    uv_close((uv_handle_t *)process, NULL);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct world *w = handle->data;

    (void)wanted;
    *buf = uv_buf_init(w->out + w->out_len,
                       (unsigned)(OUT_MAX - w->out_len));
}

static void on_out(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct world *w = stream->data;

    (void)buf;
    if (n > 0) {
        w->out_len += (size_t)n;
        return;
    }
    w->over = true;
    uv_close((uv_handle_t *)stream, NULL);
}

/* The input of the program ends when there is nothing more to wait for; a
 * program that gets nowhere ends by itself. */
static void end_input(struct world *w, unsigned up)
{
    bool enough = w->awaited.len == 0
                      ? w->up != up
                      : memmem(w->out, w->out_len, w->awaited.data,
                               w->awaited.len) != NULL;

    if ((enough || w->over) && uv_is_closing((uv_handle_t *)&w->in) == 0)
        uv_close((uv_handle_t *)&w->in, NULL);
}

/* Runs a shell command with our endpoint at work; what it prints is in out.
 * fed: what it reads, until `awaited` has come. */
static void run_fed(struct world *w, struct mu_bytes fed,
                    struct mu_bytes awaited, const char *format, ...)
{
    char command[1024], shell[] = "/bin/sh", flag[] = "-c";
    char *args[] = { shell, flag, command, NULL };
    uv_process_t process;
    uv_pipe_t pipe;
    va_list list;

    va_start(list, format);
    vsnprintf(command, sizeof(command), format, list);
    va_end(list);
    uv_stdio_container_t streams[2] = {
        { .flags = UV_CREATE_PIPE | UV_READABLE_PIPE },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE },
    };
    uv_process_options_t options = {
        .exit_cb = on_ended, .file = shell, .args = args, .stdio_count = 2,
        .stdio = streams,
    };
    unsigned up = w->up;

    w->out_len = 0;
    w->over = false;
    w->awaited = awaited;
    uv_pipe_init(&w->uv, &w->in, 0);
    uv_pipe_init(&w->uv, &pipe, 0);
    pipe.data = w;
    streams[0].data.stream = (uv_stream_t *)&w->in;
    streams[1].data.stream = (uv_stream_t *)&pipe;
    assert_int_equal(uv_spawn(&w->uv, &process, &options), 0);
    uv_read_start((uv_stream_t *)&pipe, on_room, on_out);
    if (fed.len > 0) {
        uv_buf_t buf = uv_buf_init((char *)(uintptr_t)fed.data,
                                   (unsigned)fed.len);

        assert_int_equal(uv_try_write((uv_stream_t *)&w->in, &buf, 1),
                         fed.len);
    }
    while (!w->over || uv_is_closing((uv_handle_t *)&process) == 0) {
        mu_coap_poll(w->coap);
        uv_run(&w->uv, UV_RUN_ONCE);
        end_input(w, up);
    }
    uv_run(&w->uv, UV_RUN_NOWAIT);
    w->out[w->out_len] = '\0';
}

#define run(w, ...)                                                            \
    run_fed(w, mu_bytes(NULL, 0), mu_bytes(NULL, 0), __VA_ARGS__)

static void need(const char *program)
{
    char command[64];

    snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
    if (system(command) != 0) {
        print_message("%s is not installed\n", program);
        skip();
    }
}

static void libcoap(struct world *w, const char *program)
{
    need(program);
    run(w, "%s -B 2 -m get -u dev1 -k %s coaps://127.0.0.1:%s/nothing-here "
        "2>&1", program, KEY_TEXT, w->port);
    assert_int_equal(w->up, 1);
    assert_non_null(strstr(w->out, "4.04")); /* an unknown path */
    assert_int_equal(w->requests, 0);
    run(w, "%s -B 2 -m post -e x -u dev1 -k %s coaps://127.0.0.1:%s/d/dev-9 "
        "2>&1", program, KEY_TEXT, w->port);
    assert_int_equal(w->requests, 1);
    assert_string_equal(w->path, "d/dev-9");
    assert_non_null(strstr(w->out, "muster-says-hello"));
    /* A wrong key and a stranger get nowhere. */
    unsigned up = w->up;

    run(w, "%s -B 1 -m post -e x -u dev1 -k wrong coaps://127.0.0.1:%s/d 2>&1",
        program, w->port);
    run(w, "%s -B 1 -m post -e x -u dev2 -k %s coaps://127.0.0.1:%s/d 2>&1",
        program, KEY_TEXT, w->port);
    assert_int_equal(w->up, up);
    assert_int_equal(w->requests, 1);
    assert_null(strstr(w->out, "muster-says-hello"));
}

static void test_libcoap_openssl(void **state)
{
    libcoap(*state, "coap-client-openssl");
}

static void test_libcoap_gnutls(void **state)
{
    libcoap(*state, "coap-client-gnutls");
}

/* CON POST, id 0x1234, no token, Uri-Path "t": 40 02 12 34 b1 74 */
static const uint8_t raw_post[] = {0x40, 2, 0x12, 0x34, 0xb1, 't'};

static void test_openssl_suites(void **state)
{
    struct world *w = *state;
    static const char *const good[] = {
        "PSK-AES128-CCM8", "PSK-AES128-GCM-SHA256",
        "ECDHE-PSK-CHACHA20-POLY1305",
    };
    static const char *const bad[] = {
        "PSK-AES128-CBC-SHA256", "ECDHE-PSK-AES128-CBC-SHA256",
    };

    need("openssl");
    for (unsigned i = 0; i < 3; i++) {
        run_fed(w, MU_BYTES(raw_post), mu_bytes_str("muster-says-hello"),
            "timeout 20 openssl "
            "s_client -quiet -no_ign_eof -dtls1_2 -psk %s -psk_identity dev1 -cipher %s "
            "-connect 127.0.0.1:%s 2>/dev/null", KEY_HEX, good[i], w->port);
        assert_int_equal(w->requests, i + 1);
        /* ACK 2.05, id 0x1234, then our text. */
        assert_memory_equal(w->out, "\x60\x45\x12\x34", 4);
        assert_memory_equal(w->out + w->out_len - 17, "muster-says-hello", 17);
    }
    unsigned up = w->up;

    for (unsigned i = 0; i < 2; i++)
        run(w, "timeout 20 openssl s_client -quiet -no_ign_eof -dtls1_2 -psk %s "
            "-psk_identity dev1 -cipher %s -connect 127.0.0.1:%s 2>&1",
            KEY_HEX, bad[i], w->port);
    assert_int_equal(w->up, up);
    /* Nor DTLS 1.0. */
    run(w, "timeout 20 openssl s_client -quiet -no_ign_eof -dtls1 -psk %s "
        "-psk_identity dev1 -cipher PSK@SECLEVEL=0 -connect 127.0.0.1:%s 2>&1",
        KEY_HEX, w->port);
    assert_int_equal(w->up, up);
}

/* Our client against openssl s_server: one link_up for a good suite. */
static unsigned client_against(struct world *w, const char *suite)
{
    struct mu_addr at;
    char command[512];
    unsigned up = w->up, down = w->down;
    int hold[2]; /* it ends at the end of its input */
    pid_t pid;
    FILE *server;

    /* A free port, by binding one and letting it go. */
    assert_int_equal(mu_addr_parse("127.0.0.1:0", &at), 0);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(bind(fd, &at.sa, at.len), 0);
    assert_int_equal(getsockname(fd, &at.sa, &at.len), 0);
    close(fd);
    assert_int_equal(pipe(hold), 0);
    assert_int_equal(fcntl(hold[1], F_SETFD, FD_CLOEXEC), 0);
    snprintf(command, sizeof(command), "echo $$; exec timeout 30 openssl "
             "s_server -dtls1_2 -nocert -psk %s -psk_identity dev1 -psk_hint "
             "dev1 -cipher %s -accept 127.0.0.1:%u -naccept 1 2>&1 </dev/fd/%d",
             KEY_HEX, suite, mu_addr_port(&at), hold[0]);
    server = popen(command, "r");
    assert_non_null(server);
    close(hold[0]);
    assert_non_null(fgets(w->out, OUT_MAX, server));
    pid = (pid_t)strtol(w->out, NULL, 10);
    assert_true(pid > 1);
    do
        assert_non_null(fgets(w->out, OUT_MAX, server));
    while (strncmp(w->out, "ACCEPT", 6) != 0); /* it listens */
    mu_coap_open(w->coap, 9, &at);
    while (w->up == up && w->down == down) {
        mu_coap_poll(w->coap);
        uv_run(&w->uv, UV_RUN_ONCE);
    }
    up = w->up - up;
    mu_coap_shut(w->coap, 9);
    mu_coap_poll(w->coap);
    assert_int_equal(kill(pid, SIGTERM), 0);
    pclose(server);
    close(hold[1]);
    return up;
}

static void test_client_suites(void **state)
{
    struct world *w = *state;

    need("openssl");
    assert_int_equal(client_against(w, "PSK-AES128-CCM8"), 1);
    assert_int_equal(client_against(w, "PSK-AES128-CBC-SHA256"), 0);
}

static void test_gnutls(void **state)
{
    struct world *w = *state;

    need("gnutls-cli");
    run_fed(w, MU_BYTES(raw_post), mu_bytes_str("muster-says-hello"),
        "timeout 20 gnutls-cli "
        "--udp --insecure --logfile=/dev/null --port %s --pskusername dev1 "
        "--pskkey %s --priority "
        "'NORMAL:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CCM-8' 127.0.0.1 2>&1",
        w->port, KEY_HEX);
    assert_int_equal(w->up, 1);
    assert_int_equal(w->requests, 1);
    assert_non_null(memmem(w->out, w->out_len, "muster-says-hello", 17));
}

/* Requests that are wrong inside a good session. */
static void test_wrong_requests(void **state)
{
    struct world *w = *state;
    static const struct {
        uint8_t len, raw[12], answer[4];
    } cases[] = {
        /* unknown critical option 65001: 4.02 */
        { 7, {0x40, 2, 0x12, 0x34, 0xe0, 0xfd, 0xdc},
          {0x60, 0x82, 0x12, 0x34} },
        /* If-None-Match, known to libcoap, not to us: 4.02 */
        { 7, {0x40, 2, 0x12, 0x34, 0x50, 0x61, 't'},
          {0x60, 0x82, 0x12, 0x34} },
        /* Block1 number 3 of a body that never began: 4.08 */
        { 9, {0x40, 2, 0x12, 0x34, 0xb1, 't', 0xd1, 3, 0x3e},
          {0x60, 0x88, 0x12, 0x34} },
        /* a block of a body that nobody has: 4.08 */
        { 8, {0x40, 2, 0x12, 0x34, 0xb1, 't', 0xc1, 0x16},
          {0x60, 0x88, 0x12, 0x34} },
        /* a reserved block size: 4.02 */
        { 9, {0x40, 2, 0x12, 0x34, 0xb1, 't', 0xd1, 3, 7},
          {0x60, 0x82, 0x12, 0x34} },
        /* token length 15: reset */
        { 4, {0x4f, 2, 0x12, 0x34}, {0x70, 0x00, 0x12, 0x34} },
    };

    need("openssl");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run_fed(w, mu_bytes(cases[i].raw, cases[i].len),
                MU_BYTES(cases[i].answer), "timeout 20 openssl s_client "
                "-quiet -no_ign_eof -dtls1_2 -psk %s -psk_identity dev1 "
                "-cipher PSK-AES128-CCM8 -connect 127.0.0.1:%s 2>/dev/null",
                KEY_HEX, w->port);
        assert_true(w->out_len >= 4);
        assert_memory_equal(w->out, cases[i].answer, 4);
    }
    assert_int_equal(w->requests, 0);
}

int main(void)
{
#define ORACLE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        ORACLE_TEST(test_libcoap_openssl), ORACLE_TEST(test_libcoap_gnutls),
        ORACLE_TEST(test_openssl_suites),  ORACLE_TEST(test_client_suites),
        ORACLE_TEST(test_gnutls),
        ORACLE_TEST(test_wrong_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
