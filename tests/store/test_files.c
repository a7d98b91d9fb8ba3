/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in files, the master key, and the checksum. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "store/file.h"
#include "tests/store/contract.h"

static struct mu_why why;

static const char *path(void)
{
    return scratch_path("file");
}

static void write_file(const void *from, size_t len)
{
    FILE *f = fopen(path(), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(from, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void test_object(void **state)
{
    struct mu_file_object *f;
    struct mu_object o;
    uint8_t bytes[16];
    struct stat st;

    (void)state;
    scratch_empty();
    assert_int_equal(mu_file_object_open(&f, path(), 100, &o, NULL), 0);
    assert_int_equal(o.write(o.ctx, 90, (const uint8_t *)"0123456789", 10), 0);
    assert_int_equal(o.write(o.ctx, 91, (const uint8_t *)"0123456789", 10),
                     MU_ERR_TOO_LARGE);
    assert_int_equal(o.write(o.ctx, UINT64_MAX, (const uint8_t *)"0", 1),
                     MU_ERR_TOO_LARGE);
    assert_int_equal(o.write(o.ctx, 100, NULL, 0), 0);
    assert_int_equal(o.read(o.ctx, 88, bytes, 12), 0);
    assert_memory_equal(bytes, "\0\0" "0123456789", 12);
    assert_int_equal(o.read(o.ctx, 89, bytes, 12), MU_ERR_TOO_LARGE);
    assert_int_equal(o.sync(o.ctx), 0);
    mu_file_object_close(f);
    /* A larger one later: what was never written is zero. */
    assert_int_equal(mu_file_object_open(&f, path(), 200, &o, NULL), 0);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(o.read(o.ctx, 98, bytes, 8), 0);
    assert_memory_equal(bytes, "89\0\0\0\0\0\0", 8);
    mu_file_object_close(f);
    assert_int_equal(stat(path(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(mu_file_object_open(&f, scratch_path("no/file"), 1, &o,
                                         &why),
                     MU_ERR_IO);
    assert_null(f);
    assert_non_null(strstr(why.text, "No such file"));
    assert_int_equal(
        mu_file_object_open(&f, path(), (uint64_t)1 << 63, &o, &why),
        MU_ERR_USAGE);
}

/* No room on the disk, as the limit of a process brings it about. */
static void test_object_full(void **state)
{
    struct mu_file_object *f;
    struct mu_object o;
    struct rlimit was;
    uint8_t bytes[4096] = {7};
    uint8_t got[4096];

    (void)state;
    scratch_empty();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    struct rlimit small = {6000, was.rlim_max};
    assert_int_equal(mu_file_object_open(&f, path(), 1 << 20, &o, NULL), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int first = o.write(o.ctx, 0, bytes, sizeof bytes);
    int second = o.write(o.ctx, 4096, bytes, sizeof bytes);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(first, 0);
    assert_int_equal(second, MU_ERR_FULL);
    assert_int_equal(o.read(o.ctx, 0, got, sizeof got), 0);
    assert_memory_equal(got, bytes, sizeof got);
    assert_int_equal(o.write(o.ctx, 4096, bytes, sizeof bytes), 0);
    mu_file_object_close(f);
}

static void test_master(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_secret first;
    struct mu_secret again;
    struct stat st;
    mode_t mask = umask(0);

    (void)state;
    scratch_empty();
    assert_int_equal(mu_master_load(c, path(), &first, NULL), 0);
    umask(mask);
    assert_int_equal(first.len, 32);
    assert_int_equal(stat(path(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1); /* the draft is gone */
    assert_int_equal(mu_master_load(c, path(), &again, NULL), 0);
    assert_true(mu_secret_eq(&first, &again));
    assert_int_equal(unlink(path()), 0);
    assert_int_equal(mu_master_load(c, path(), &again, NULL), 0);
    assert_false(mu_secret_eq(&first, &again));
}

static void test_master_modes(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_secret key;

    (void)state;
    scratch_empty();
    assert_int_equal(mu_master_load(c, path(), &key, NULL), 0);
    for (mode_t wide = 1; wide < 0100; wide <<= 1) {
        assert_int_equal(chmod(path(), 0600 | wide), 0);
        assert_int_equal(mu_master_load(c, path(), &key, &why),
                         MU_ERR_FORBIDDEN);
        assert_false(mu_secret_is_set(&key));
        assert_non_null(strstr(why.text, path()));
        assert_non_null(strstr(why.text, "chmod 600"));
    }
    assert_int_equal(chmod(path(), 0400), 0);
    assert_int_equal(mu_master_load(c, path(), &key, NULL), 0);
    if (geteuid() == 0) { /* only root can give a file away */
        assert_int_equal(chown(path(), 12345, (gid_t)-1), 0);
        assert_int_equal(mu_master_load(c, path(), &key, &why),
                         MU_ERR_FORBIDDEN);
        assert_non_null(strstr(why.text, "12345"));
    }
}

static void test_master_damaged(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_secret key;
    uint8_t file[45];
    FILE *f;

    (void)state;
    scratch_empty();
    assert_int_equal(mu_master_load(c, path(), &key, NULL), 0);
    f = fopen(path(), "rb");
    assert_non_null(f);
    assert_int_equal(fread(file, 1, sizeof file, f), 44);
    fclose(f);
    for (size_t i = 0; i < 44; i++) {
        file[i] ^= 1;
        write_file(file, 44);
        assert_int_equal(mu_master_load(c, path(), &key, &why),
                         MU_ERR_CORRUPT);
        assert_false(mu_secret_is_set(&key));
        file[i] ^= 1;
    }
    for (size_t n = 0; n < 44; n++) {
        write_file(file, n);
        assert_int_equal(mu_master_load(c, path(), &key, NULL),
                         MU_ERR_CORRUPT);
    }
    write_file(file, 45);
    assert_int_equal(mu_master_load(c, path(), &key, NULL), MU_ERR_CORRUPT);
    write_file(file, 44);
    assert_int_equal(mu_master_load(c, path(), &key, NULL), 0);
}

static int no_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    (void)out;
    (void)len;
    return MU_ERR_CRYPTO;
}

static void test_master_refused(void **state)
{
    struct mu_crypto bad = *mu_crypto_openssl();
    struct mu_secret key;

    (void)state;
    scratch_empty();
    assert_int_equal(mu_master_load(&bad, scratch_path("no/key"), &key, &why),
                     MU_ERR_IO);
    assert_non_null(strstr(why.text, "No such file"));
    assert_int_equal(symlink("elsewhere", path()), 0);
    assert_int_equal(mu_master_load(&bad, path(), &key, &why), MU_ERR_IO);
    assert_int_equal(unlink(path()), 0);
    assert_int_equal(mkdir(path(), 0700), 0);
    assert_int_equal(mu_master_load(&bad, path(), &key, &why),
                     MU_ERR_CORRUPT);
    assert_int_equal(rmdir(path()), 0);
    bad.random = no_random;
    assert_int_equal(mu_master_load(&bad, path(), &key, &why),
                     MU_ERR_CRYPTO);
    assert_int_equal(access(path(), F_OK), -1);
}

/* Programs that start at once agree on one key. */
static void test_master_race(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_secret key;
    int from[2];
    uint8_t seen[8][32];

    (void)state;
    for (int round = 0; round < 5; round++) {
        scratch_empty();
        assert_int_equal(pipe(from), 0);
        for (int i = 0; i < 8; i++) {
            pid_t pid = fork();
            assert_true(pid >= 0);
            if (pid != 0)
                continue;
            if (mu_master_load(c, path(), &key, NULL) != 0 ||
                write(from[1], key.bytes, 32) != 32)
                _exit(1);
            _exit(0);
        }
        for (int i = 0; i < 8; i++) {
            int status = 1;
            assert_true(wait(&status) > 0);
            assert_int_equal(status, 0);
            assert_int_equal(read(from[0], seen[i], 32), 32);
            assert_memory_equal(seen[i], seen[0], 32);
        }
        close(from[0]);
        close(from[1]);
    }
}

static void test_crc(void **state)
{
    uint8_t zeros[32] = {0};

    (void)state;
    /* RFC 3720 B.4; and the usual check value of CRC-32C. */
    assert_int_equal(store_crc(0, MU_BYTES(zeros)), 0x8a9136aa);
    assert_int_equal(store_crc(0, mu_bytes_str("123456789")), 0xe3069283);
    assert_int_equal(store_crc(store_crc(0, mu_bytes_str("1234")),
                               mu_bytes_str("56789")),
                     0xe3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object),
        cmocka_unit_test(test_object_full),
        cmocka_unit_test(test_master),
        cmocka_unit_test(test_master_modes),
        cmocka_unit_test(test_master_damaged),
        cmocka_unit_test(test_master_refused),
        cmocka_unit_test(test_master_race),
        cmocka_unit_test(test_crc),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    scratch_clean();
    return failed;
}
