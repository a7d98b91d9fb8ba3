/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No key comes out: after a life of pushes, rekeys and a revocation at the
 * loudest log level, no key of any party is in a log, in what a program or a
 * verb prints, in a command line, an environment, or the server's database; not
 * as bytes, hex or base64, whole or its first half.
 */
#include "tests/real/real.h"

#include <dirent.h>
#include <unistd.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/device.h"
#include "muster/keys.h"
#include "net/state.h"

#define KEYS_MAX 64

struct known {
    char name[48];
    uint8_t bytes[64];
    size_t len;
};

static struct known keys[KEYS_MAX];
static size_t keys_len;

/* What was printed, all of it. */
static char *printed;
static size_t printed_len;

static void print_add(const char *text)
{
    size_t len = strlen(text);

    printed = realloc(printed, printed_len + len + 1);
    assert_non_null(printed);
    memcpy(printed + printed_len, text, len + 1);
    printed_len += len;
}

/* ---- which keys there are ------------------------------------------------------- */

static void key_add(const char *name, const uint8_t *bytes, size_t len)
{
    struct known *k = &keys[keys_len++];

    assert_true(keys_len <= KEYS_MAX && len <= sizeof k->bytes && len >= 16);
    snprintf(k->name, sizeof k->name, "%s", name);
    memcpy(k->bytes, bytes, len);
    k->len = len;
}

static void key_secret(const char *name, const struct mu_secret *s)
{
    key_add(name, s->bytes, s->len);
}

static size_t unhex(const char *text, uint8_t *out, size_t cap)
{
    size_t n = 0;
    unsigned byte;

    while (n < cap && sscanf(text + 2 * n, "%2x", &byte) == 1)
        out[n++] = (uint8_t)byte;
    return n;
}

/* The root key of a node and what is derived from it for good. */
static void key_root(const char *id, const char *hex)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    static const char *const peers[] = {"gw-1", "server"};
    struct mu_secret kmr, out;
    uint8_t root[32];
    char name[48];

    assert_int_equal(unhex(hex, root, sizeof root), 32);
    assert_int_equal(mu_kmr_from(c, MU_BYTES(root), &kmr), 0);
    snprintf(name, sizeof name, "Kmr of %s", id);
    key_secret(name, &kmr);
    assert_int_equal(mu_kdf(c, &kmr, "connect", mu_bytes(NULL, 0), 32, &out),
                     0);
    snprintf(name, sizeof name, "Kauth of %s", id);
    key_secret(name, &out);
    assert_int_equal(mu_kdf(c, &kmr, "ack", mu_bytes(NULL, 0), 32, &out), 0);
    snprintf(name, sizeof name, "Kack of %s", id);
    key_secret(name, &out);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(mu_khop_derive(c, &kmr, mu_bytes_str(peers[i]), &out),
                         0);
        snprintf(name, sizeof name, "Khop of %s to %s", id, peers[i]);
        key_secret(name, &out);
    }
}

/* A record of a node's journal, into value. */
static size_t record(const char *dir, const char *key, uint8_t *value,
                     size_t cap)
{
    struct mu_journal *j = NULL;
    struct mu_store store;
    size_t len = cap;

    assert_int_equal(mu_state_journal(&j, dir, "reader", &store), 0);
    if (store.get(store.ctx, MU_TABLE_NODE, mu_bytes_str(key), value, &len) !=
        0)
        len = 0;
    mu_journal_close(j);
    return len;
}

/* Kb of a device: the keyring is the end of its record of keys. */
static void keys_of_device(struct lab *lab, const char *id)
{
    uint8_t value[2048];
    char dir[64];
    struct mu_keyring ring;
    struct mu_reader r;
    size_t len;
    uint8_t n;

    snprintf(dir, sizeof dir, "devices/%s", id);
    len = record(lab_path(lab, dir), "keys", value, sizeof value);
    assert_true(len > 0);
    r = mu_reader(mu_bytes(value, len));
    (void)mu_read_u8(&r);           /* version */
    (void)mu_read_u32(&r);          /* epoch */
    (void)mu_read_u8(&r);           /* algorithm */
    n = mu_read_u8(&r);
    (void)mu_read_bytes(&r, n);     /* the server's public key */
    n = mu_read_u8(&r);
    (void)mu_read_bytes(&r, 5u * n); /* groups and modes */
    assert_int_equal(mu_keyring_load(&ring, &r), 0);
    n = 0;
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        if (ring.slots[i].kid.kind == MU_KEY_KB) {
            key_secret("Kb", &ring.slots[i].key);
            n++;
        }
    }
    assert_true(n > 0);
}

static void keys_collect(struct lab *lab)
{
    uint8_t value[256], raw[64];
    size_t len;
    char *text = real_read(lab_path(lab, "devices.csv"), NULL), *line, *rest;

    for (line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char id[32], hex[80];

        if (sscanf(line, "%31[^,],%79[0-9a-f],", id, hex) == 2)
            key_root(id, hex);
    }
    free(text);
    text = real_read(lab_path(lab, "gw.key"), NULL);
    key_root("gw-1", text);
    free(text);
    text = real_read(lab_path(lab, "server/token"), NULL);
    assert_int_equal(unhex(text, raw, 32), 32);
    key_add("token", raw, 32);
    free(text);
    text = real_read(lab_path(lab, "server/master.key"), &len);
    assert_non_null(text);
    if (unhex(text, raw, 32) == 32)
        key_add("master key", raw, 32);
    else
        key_add("master key", (const uint8_t *)text, len < 32 ? len : 32);
    free(text);
    keys_of_device(lab, "dev-1");
    keys_of_device(lab, "dev-2");
    len = record(lab_path(lab, "gateway"), "kg", value, sizeof value);
    assert_true(len > 1 + MU_KID_LEN + 32);
    /* version; then of the one in force and the one before: length, kid, key */
    key_add("Kg", value + 2 + MU_KID_LEN, 32);
    if (len >= 2 + 2 * (MU_KID_LEN + 32) + 1)
        key_add("the Kg before", value + 3 + 2 * MU_KID_LEN + 32, 32);
}

/* ---- where they must not be --------------------------------------------------------- */

static void to_hex(const uint8_t *in, size_t len, const char *digits, char *out)
{
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 15];
    }
    *out = '\0';
}

/* Whole groups of three bytes: padding does not matter then. */
static void to_base64(const uint8_t *in, size_t len, const char *last,
                      char *out)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789";

    for (size_t i = 0; i + 3 <= len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 |
                     in[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6) {
            uint32_t d = v >> shift & 63;

            *out++ = d < 62 ? set[d] : last[d - 62];
        }
    }
    *out = '\0';
}

static void absent(const char *where, const char *data, size_t len,
                   const struct known *k, const void *form, size_t form_len)
{
    if (memmem(data, len, form, form_len) != NULL)
        fail_msg("%s is in %s", k->name, where);
}

/* Half a key is as bad as all of it. */
static void scan(const char *where, const char *data, size_t len)
{
    for (size_t i = 0; i < keys_len; i++) {
        const struct known *k = &keys[i];
        char text[160];

        absent(where, data, len, k, k->bytes, 16);
        to_hex(k->bytes, 16, "0123456789abcdef", text);
        absent(where, data, len, k, text, strlen(text));
        to_hex(k->bytes, 16, "0123456789ABCDEF", text);
        absent(where, data, len, k, text, strlen(text));
        to_base64(k->bytes, 16, "+/", text);
        absent(where, data, len, k, text, strlen(text));
        to_base64(k->bytes, 16, "-_", text);
        absent(where, data, len, k, text, strlen(text));
    }
}

/* Everything in a folder whose name has this end, or a part of it. */
static unsigned scan_folder(const char *path, const char *part)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    char name[1400];
    unsigned n = 0;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL) {
        size_t len = 0;
        char *data;

        if (strstr(e->d_name, part) == NULL)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        data = real_read(name, &len);
        assert_non_null(data);
        scan(e->d_name, data, len);
        free(data);
        n++;
    }
    closedir(dir);
    return n;
}

/* What `ps` shows of a program, and its environment. */
static void print_process(pid_t pid)
{
    static const char *const files[] = {"cmdline", "environ"};

    for (size_t i = 0; i < 2; i++) {
        char path[64];
        size_t len = 0;
        char *data;

        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
        data = real_read(path, &len);
        assert_non_null(data);
        assert_true(i == 1 || len > 20);
        for (size_t n = 0; n + 1 < len; n++) {
            if (data[n] == '\0')
                data[n] = '\n';
        }
        print_add(data);
        free(data);
    }
}

/* ---- a life -------------------------------------------------------------------------- */

static void ask(struct lab *lab, const char *verb, const char *word,
                const char *more)
{
    static struct real_said said;
    const char *const words[2][4] = {{verb, word, more},
                                     {verb, "--json", word, more}};

    for (size_t i = 0; i < 2; i++) {
        (void)real_ask(lab, &said, words[i][0], words[i][1], words[i][2],
                       words[i][3], NULL);
        print_add(said.out);
        print_add(said.err);
    }
}

static void printed_by(const struct lab_prog *p)
{
    char *text = json_dumps(p->lines, 0);

    print_add(text);
    free(text);
}

static void test_nothing_comes_out(void **state)
{
    struct lab *lab = *state;
    static const char *const loud[] = {"--log", "trace", NULL};
    static const char *const words[][3] = {
        {"key", "list"}, {"key", "kinds"}, {"device", "list"},
        {"gateway", "list"}, {"group", "list"}, {"group", "show", "all"},
        {"report"}, {"watch"}, {"device", "revoke", "dev-2"},
        {"group", "rotate", "all"}, {"version"},
    };
    const char *file = lab_path(lab, "firmware");

    keys_len = 0;
    lab_keys(lab, 2);
    lab_serve(lab, loud);
    lab_register(lab);
    lab_gateway(lab, loud);
    lab_devices(lab, 2, loud);
    lab_file(file, 50000, 3);
    assert_int_equal(lab_verb(lab, NULL, "push", file, "--group", "all", NULL),
                     0);
    /* The same file of keys again is refused, row by row, without a key. */
    ask(lab, "device", "import", lab_path(lab, "devices.csv"));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        ask(lab, words[i][0], words[i][1], words[i][2]);
    assert_int_equal(lab_verb(lab, NULL, "push", file, "--group", "all", NULL),
                     0);
    print_process(lab->serve->pid);
    print_process(lab->gw->pid);
    print_process(lab->dev->pid);
    lab_end(lab->dev, SIGTERM);
    lab_end(lab->gw, SIGTERM);
    lab_end(lab->serve, SIGTERM);
    keys_collect(lab);
    printed_by(lab->serve);
    printed_by(lab->gw);
    printed_by(lab->dev);
    assert_true(printed_len > 2000);
    scan("what was printed", printed, printed_len);
    assert_true(scan_folder(lab->dir, ".log") >= 3);
    assert_true(scan_folder(lab_path(lab, "server"), "muster.db") >= 1);
    assert_true(keys_len >= 18);
    free(printed);
}

/* The search itself finds what it looks for. */
static void test_search(void **state)
{
    static const char *const forms[] = {
        "5ec2e7015ec2e7025ec2e7035ec2e704", "5EC2E7015EC2E7025EC2E7035EC2E704",
        "XsLnAV7C5wJewucDXsLn",
    };
    const uint8_t key[16] = {0x5e, 0xc2, 0xe7, 1, 0x5e, 0xc2, 0xe7, 2,
                             0x5e, 0xc2, 0xe7, 3, 0x5e, 0xc2, 0xe7, 4};
    char text[80];

    (void)state;
    to_hex(key, 16, "0123456789abcdef", text);
    assert_string_equal(text, forms[0]);
    to_hex(key, 16, "0123456789ABCDEF", text);
    assert_string_equal(text, forms[1]);
    to_base64(key, 16, "+/", text);
    assert_string_equal(text, forms[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        REAL_TEST(test_nothing_comes_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
