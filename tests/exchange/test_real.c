/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key exchange by the real programs: each method, what an operator demands, bad
 * certificates, a server that dies; and the three protocols that one exchange
 * keys, in use.
 */
#include <unistd.h>

#include "certs.h"
#include "real.h"

struct words {
    const char *all[24];
    unsigned len;
};

static void word(struct words *w, const char *option, const char *value)
{
    assert_true(w->len + 3 < 24);
    w->all[w->len++] = option;
    if (value != NULL)
        w->all[w->len++] = value;
    w->all[w->len] = NULL;
}

/* The server's end: a certificate, and the methods it demands. */
static void serve(struct lab *lab, const char *methods)
{
    struct words w = { .len = 0 };

    if (access(lab_path(lab, "server.pem"), F_OK) != 0) {
        cert_authority_file(lab_path(lab, "ca.pem"));
        cert_files("server", CERT_GOOD, lab_path(lab, "server.pem"),
                   lab_path(lab, "server.key"));
    }
    char cert[96], key[96], ca[96];

    snprintf(cert, sizeof(cert), "%s", lab_path(lab, "server.pem"));
    snprintf(key, sizeof(key), "%s", lab_path(lab, "server.key"));
    snprintf(ca, sizeof(ca), "%s", lab_path(lab, "ca.pem"));
    word(&w, "--certificate", cert);
    word(&w, "--private-key", key);
    word(&w, "--ca", ca);
    if (methods != NULL)
        word(&w, "--key-exchange", methods);
    lab_serve(lab, w.all);
}

static void setup(struct lab *lab, unsigned devices, const char *methods)
{
    lab_keys(lab, devices);
    serve(lab, methods);
    assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", "gw-1",
                              "--key-file", lab_path(lab, "gw.key"), NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "all", "--mbms",
                              NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "device", "import",
                              lab_path(lab, "devices.csv"), NULL), 0);
    lab_gateway(lab, NULL);
}

static void device_certs(struct lab *lab, unsigned count, enum cert_kind kind)
{
    for (unsigned i = 1; i <= count; i++) {
        char name[16], cert[96], key[96];

        snprintf(name, sizeof(name), "dev-%u", i);
        snprintf(cert, sizeof(cert), "%s/%s.pem", lab->dir, name);
        snprintf(key, sizeof(key), "%s/%s.key", lab->dir, name);
        cert_files(name, kind, cert, key);
    }
}

/* Devices with this method; method NULL: as ever. */
static void devices(struct lab *lab, unsigned count, const char *method)
{
    struct words w = { .len = 0 };
    char hook[200], cert[96], key[96], ca[96];

    snprintf(hook, sizeof(hook), "cat \"$1\" >> %s/did-$MUSTER_IDENTITY",
             lab->dir);
    word(&w, "--command-hook", hook);
    if (method != NULL)
        word(&w, "--key-exchange", method);
    if (access(lab_path(lab, "dev-1.pem"), F_OK) == 0) {
        snprintf(cert, sizeof(cert), "%s/dev-%%d.pem", lab->dir);
        snprintf(key, sizeof(key), "%s/dev-%%d.key", lab->dir);
        snprintf(ca, sizeof(ca), "%s/ca.pem", lab->dir);
        word(&w, "--certificate", cert);
        word(&w, "--private-key", key);
        word(&w, "--ca", ca);
    }
    lab_devices(lab, count, w.all);
}

static void said(struct lab *lab, const char *device, const char *method)
{
    json_t *rows = NULL;
    json_t *row;
    size_t i;
    bool found = false;

    assert_int_equal(lab_verb(lab, &rows, "device", "list", NULL), 0);
    json_array_foreach(rows, i, row)
        if (strcmp(real_text(row, "id"), device) == 0) {
            assert_string_equal(real_text(row, "key_exchange"), method);
            found = true;
        }
    assert_true(found);
    json_decref(rows);
}

static void did(struct lab *lab, unsigned device, const char *what)
{
    char name[32];
    size_t len;
    char *is;

    snprintf(name, sizeof(name), "did-dev-%u", device);
    is = real_read(lab_path(lab, name), &len);
    assert_non_null(is);
    assert_string_equal(is, what);
    free(is);
}

/* Commands and files under keys that came so; what each says of itself. */
static void works(struct lab *lab, const char *method)
{
    const char *file = lab_path(lab, "firmware");
    char id[32];

    setup(lab, 2, method);
    if (strcmp(method, "dhmac") != 0 && strcmp(method, "psk") != 0)
        device_certs(lab, 2, CERT_GOOD);
    devices(lab, 2, method);
    real_connected(lab, 2);
    real_logged(lab, "device", "what=msk");
    said(lab, "dev-1", method);
    said(lab, "dev-2", method);
    /* Feedback of both is under the key of the exchange, at both ends. */
    real_logged(lab, "gateway", "what=hop-key a=0");
    real_logged(lab, "gateway", "what=hop-key a=1");
    assert_true(real_has(lab_path(lab, "device.log"), "what=hop-key"));
    assert_int_equal(lab_verb(lab, NULL, "tell", "shut", "--group", "all",
                              "--ttl", "40s", NULL), 0);
    did(lab, 1, "shut");
    did(lab, 2, "shut");
    lab_file(file, 30000, 5);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
    assert_false(real_has(lab_path(lab, "serve.log"), "exchange-failed"));
}

static void test_dhmac(void **state)
{
    works(*state, "dhmac");
}

static void test_dhsign(void **state)
{
    works(*state, "dhsign");
}

static void test_rsa(void **state)
{
    works(*state, "rsa");
}

static void test_rsa_r(void **state)
{
    works(*state, "rsa-r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_dhmac),
        REAL_TEST(test_dhsign),
        REAL_TEST(test_rsa),
        REAL_TEST(test_rsa_r),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    certs_free();
    return failed;
}
