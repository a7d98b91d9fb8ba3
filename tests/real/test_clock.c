/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clock jumps by a year, forth and back, under all programs while a
 * campaign runs: nothing but the time in the log notices. */
#include "real.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define YEAR (366L * 86400)

static long *clock_open(struct lab *lab)
{
    const char *path = lab_path(lab, "clock");
    const long none = 0;
    int fd;
    long *at;

    lab_write(path, &none, sizeof(none), 0600);
    fd = open(path, O_RDWR);
    at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(at != MAP_FAILED);
    close(fd);
    setenv("REAL_CLOCK", path, 1);
    setenv("LD_PRELOAD", CLOCK_SHIM, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
    return at;
}

static void clock_close(long *at)
{
    munmap(at, sizeof(*at));
    unsetenv("LD_PRELOAD");
    unsetenv("ASAN_OPTIONS");
}

/* The year that a log has come to. */
static void logged_year(struct lab *lab, const char *log, long shift)
{
    time_t then = time(NULL) + shift;
    char text[32];
    struct tm utc;

    gmtime_r(&then, &utc);
    strftime(text, sizeof(text), "time=%Y-%m", &utc);
    real_logged(lab, log, text);
}

/* No link was lost: each came up once. */
static void unmoved(struct lab_prog *p, unsigned links)
{
    const json_t *counts;
    unsigned ups = 0;

    lab_end(p, SIGTERM);
    p->seen = 0;
    counts = json_object_get(lab_wait(p, "{'event': 'counters'}"), "links");
    assert_int_equal(real_number(counts, "gave_up"), 0);
    for (size_t i = 0; i < json_array_size(p->lines); i++)
        ups += json_is_true(
            json_object_get(json_array_get(p->lines, i), "up"));
    assert_int_equal(ups, links);
}

/* Links that bear a busy machine: that one is lost shall mean the clock. */
static const char *const calm[] = {
    "--keepalive-ms", "15000", "--idle-ms", "60000", "--handshake-ms", "30000",
    "--answer-ms", "30000", "--ack-timeout-ms", "2000", NULL,
};

static void calm_rest(struct lab *lab)
{
    const char *slow[16] = { "--rate", REAL_SLOW };

    for (size_t i = 0; calm[i] != NULL; i++)
        slow[i + 2] = calm[i];
    lab_gateway(lab, slow);
    lab_devices(lab, 2, calm);
}

static void test_a_year_both_ways(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    long *shift = clock_open(lab);
    json_t *r;
    char id[32];

    lab_keys(lab, 2);
    lab_serve(lab, calm);
    lab_register(lab);
    calm_rest(lab);
    real_connected(lab, 2);
    lab_file(file, REAL_BYTES, 1);
    real_push(lab, id, file, "--deadline", "600s", NULL);
    real_page(lab, "dev-1", 1);
    *shift = YEAR;
    real_page(lab, "dev-1", 3);
    logged_year(lab, "device", YEAR);
    *shift = -YEAR;
    real_page(lab, "dev-1", 5);
    real_ends(lab, id, 0);
    logged_year(lab, "device", -YEAR);
    logged_year(lab, "gateway", -YEAR);
    logged_year(lab, "serve", -YEAR);
    lab_got(lab, 2, file);
    r = real_report(lab, id);
    assert_true(real_number(r, "elapsed_s") < 600);
    json_decref(r);
    /* Nor does a start in another year. */
    *shift = 2 * YEAR;
    unmoved(lab->dev, 2);
    unmoved(lab->gw, 3);
    unmoved(lab->serve, 1);
    lab_serve(lab, calm);
    calm_rest(lab);
    lab_file(file, 3000, 2);
    real_push(lab, id, file, NULL);
    *shift = 0;
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
    clock_close(shift);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_a_year_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
