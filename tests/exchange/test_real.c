/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key exchange by the real programs: each method, what an operator demands, bad
 * certificates, a server that dies; and the three protocols that one exchange
 * keys, in use.
 */
#include <sys/stat.h>
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
    real_did(lab, 1, "shut");
    real_did(lab, 2, "shut");
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

static void never(struct lab *lab, const char *name, const char *text)
{
    char path[32];

    snprintf(path, sizeof(path), "%s.log", name);
    assert_false(real_has(lab_path(lab, path), text));
}

static int tell(struct lab *lab, const char *text, const char *ttl)
{
    return lab_verb(lab, NULL, "tell", text, "--group", "all", "--ttl", ttl,
                    NULL);
}

/* What the operator demands: others get no key, and both logs say why. */
static void test_demanded(void **state)
{
    struct lab *lab = *state;

    setup(lab, 1, "dhsign");
    devices(lab, 1, NULL);
    real_logged(lab, "device", "event=keys-refused id=dev-1 code=4.03");
    real_logged(lab, "serve", "what=exchange-wanted a=1 b=0");
    assert_int_equal(tell(lab, "no", "2s"), 1);
    lab_end(lab->dev, SIGTERM);
    devices(lab, 1, "dhmac");
    real_logged(lab, "device", "event=exchange-refused id=dev-1 why=\"the "
                "method is not taken\" server_takes=dhsign");
    real_logged(lab, "serve", "event=exchange-failed id=server");
    assert_int_equal(tell(lab, "no", "2s"), 1);
    never(lab, "device", "what=msk");
    lab_end(lab->dev, SIGTERM);
    device_certs(lab, 1, CERT_GOOD);
    devices(lab, 1, "dhsign");
    real_connected(lab, 1);
    assert_int_equal(tell(lab, "yes", "40s"), 0);
    real_did(lab, 1, "yes");
    said(lab, "dev-1", "dhsign");
}

/* Each wrong certificate of the device, by each method that has one. */
static void test_wrong_certificates(void **state)
{
    static const struct {
        enum cert_kind kind;
        const char *why;
    } table[] = {
        { CERT_EXPIRED, "certificate has expired" },
        { CERT_EARLY, "certificate is not yet valid" },
        { CERT_UNTRUSTED, "certificate signature failure" },
    };
    static const char *const methods[] = { "rsa", "rsa-r", "dhsign" };
    struct lab *lab = *state;
    char text[128], cert[96], key[96];

    setup(lab, 1, NULL);
    for (size_t i = 0; i < 3; i++) {
        device_certs(lab, 1, table[i].kind);
        devices(lab, 1, methods[i]);
        /* It says so itself, the server does, and it hears that. */
        snprintf(text, sizeof(text), "event=certificate-refused id=dev-1 "
                 "of=dev-1 why=\"%s\"", table[i].why);
        real_logged(lab, "device", text);
        snprintf(text, sizeof(text), "event=certificate-refused id=server "
                 "of=dev-1 why=\"%s\"", table[i].why);
        real_logged(lab, "serve", text);
        real_logged(lab, "device", "event=exchange-refused id=dev-1 why=\"no "
                    "certificate that leads to an anchor, is in date and names "
                    "its owner\"");
        never(lab, "device", "what=msk");
        lab_end(lab->dev, SIGTERM);
    }
    /* That of another device, with its key. */
    snprintf(cert, sizeof(cert), "%s/dev-1.pem", lab->dir);
    snprintf(key, sizeof(key), "%s/dev-1.key", lab->dir);
    cert_files("dev-2", CERT_GOOD, cert, key);
    devices(lab, 1, "rsa");
    real_logged(lab, "serve", "of=dev-1 why=\"it names somebody else\"");
    never(lab, "device", "what=msk");
    lab_end(lab->dev, SIGTERM);
    /* And one of its own. */
    device_certs(lab, 1, CERT_GOOD);
    devices(lab, 1, "rsa");
    real_connected(lab, 1);
    real_logged(lab, "device", "what=msk");
}

/* A server whose certificate is not what it should be gets nobody. */
static void test_wrong_server(void **state)
{
    struct lab *lab = *state;
    char cert[96], key[96];

    snprintf(cert, sizeof(cert), "%s/server.pem", lab->dir);
    snprintf(key, sizeof(key), "%s/server.key", lab->dir);
    cert_authority_file(lab_path(lab, "ca.pem"));
    cert_files("server", CERT_EXPIRED, cert, key);
    setup(lab, 1, NULL);
    device_certs(lab, 1, CERT_GOOD);
    devices(lab, 1, "dhsign");
    real_logged(lab, "device", "event=certificate-refused id=dev-1 of=server "
                "why=\"certificate has expired\"");
    real_logged(lab, "device", "event=exchange-failed id=dev-1 what=3 "
                "why=\"identity is not known\"");
    assert_int_equal(tell(lab, "no", "2s"), 1);
    never(lab, "device", "what=msk");
}

/* Killed, each of them; what they had is gone, and made anew. */
static void test_killed(void **state)
{
    struct lab *lab = *state;

    setup(lab, 2, "dhmac");
    devices(lab, 2, "dhmac");
    real_connected(lab, 2);
    assert_int_equal(tell(lab, "1", "40s"), 0);
    assert_int_equal(lab_end(lab->serve, SIGKILL), -SIGKILL);
    serve(lab, "dhmac");
    assert_int_equal(lab_verb(lab, NULL, "group", "rotate", "all", NULL), 0);
    assert_int_equal(tell(lab, "2", "60s"), 0);
    said(lab, "dev-1", "dhmac");
    assert_int_equal(lab_end(lab->gw, SIGKILL), -SIGKILL);
    lab_gateway(lab, NULL);
    real_logged(lab, "gateway", "what=hop-key a=0");
    real_logged(lab, "gateway", "what=hop-key a=1");
    assert_int_equal(tell(lab, "3", "60s"), 0);
    assert_int_equal(lab_end(lab->dev, SIGKILL), -SIGKILL);
    devices(lab, 2, "dhmac");
    real_logged(lab, "device", "what=exchanged a=4 b=3");
    assert_int_equal(tell(lab, "4", "60s"), 0);
    real_did(lab, 1, "1234");
    real_did(lab, 2, "1234");
}

/* One group demands it, the other does not. */
static void test_group(void **state)
{
    struct lab *lab = *state;
    json_t *rows = NULL;

    setup(lab, 1, NULL);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "strict",
                              "--mbms", "--key-exchange", "dhmac,dhsign",
                              NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "add", "strict", "dev-1",
                              NULL), 0);
    assert_int_equal(lab_verb(lab, &rows, "group", "list", NULL), 0);
    assert_null(json_object_get(json_array_get(rows, 0), "key_exchange"));
    assert_string_equal(real_text(json_array_get(rows, 1), "key_exchange"),
                        "dhsign,dhmac");
    json_decref(rows);
    devices(lab, 1, NULL);
    real_logged(lab, "device", "event=key-withheld id=dev-1 group=2");
    real_logged(lab, "serve", "event=key-withheld id=server group=2");
    assert_int_equal(tell(lab, "for all", "40s"), 0);
    assert_int_equal(lab_verb(lab, NULL, "tell", "for some", "--group",
                              "strict", "--ttl", "2s", NULL), 1);
    lab_end(lab->dev, SIGTERM);
    devices(lab, 1, "dhmac");
    real_connected(lab, 1);
    assert_int_equal(lab_verb(lab, NULL, "tell", ", and some", "--group",
                              "strict", "--ttl", "40s", NULL), 0);
    real_did(lab, 1, "for all, and some");
    /* Who hands out keys may not get round it. */
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "odd", "--mode",
                              "option-2", "--key-exchange", "dhmac", NULL), 1);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "odd",
                              "--key-exchange", "dhmac,ecdh", NULL), 1);
}

/* Words that make no sense end the program before anything is opened. */
static void test_usage(void **state)
{
    struct lab *lab = *state;
    static struct real_said s;
    char cert[96], key[96], ca[96];

    lab_keys(lab, 1);
    cert_authority_file(lab_path(lab, "ca.pem"));
    device_certs(lab, 1, CERT_GOOD);
    snprintf(ca, sizeof(ca), "%s/ca.pem", lab->dir);
    snprintf(cert, sizeof(cert), "%s/dev-1.pem", lab->dir);
    snprintf(key, sizeof(key), "%s/dev-1.key", lab->dir);
#define DEVICE "device", "--id", "dev-1", "--key-file",                       \
        lab_path(lab, "devices.csv"), "--gateway", "127.0.0.1:9", "--state",  \
        lab_path(lab, "d")
    assert_int_equal(real_say(lab, &s, DEVICE, "--key-exchange", "rsa", NULL),
                     1);
    assert_non_null(strstr(s.err, "rsa takes --certificate"));
    assert_int_equal(real_say(lab, &s, DEVICE, "--key-exchange", "dhmac,rsa",
                              NULL), 1);
    assert_non_null(strstr(s.err, "one of psk, rsa"));
    assert_int_equal(real_say(lab, &s, DEVICE, "--key-exchange", "dhmac",
                              "--key-protocols", "oscore,srtp", NULL), 1);
    assert_int_equal(real_say(lab, &s, DEVICE, "--key-exchange", "dhsign",
                              "--certificate", cert, NULL), 1);
    assert_non_null(strstr(s.err, "go together"));
    assert_int_equal(chmod(key, 0640), 0);
    assert_int_equal(real_say(lab, &s, DEVICE, "--key-exchange", "dhsign",
                              "--certificate", cert, "--private-key", key,
                              "--ca", ca, NULL), 1);
    assert_non_null(strstr(s.err, "others may read it"));
    assert_int_equal(chmod(key, 0600), 0);
    lab_write(lab_path(lab, "no.pem"), "-----BEGIN", 10, 0600);
    assert_int_equal(real_say(lab, &s, DEVICE, "--key-exchange", "dhsign",
                              "--certificate", lab_path(lab, "no.pem"),
                              "--private-key", key, "--ca", ca, NULL), 1);
    assert_non_null(strstr(s.err, "no certificate in PEM"));
    /* A key of another certificate. */
    cert_files("dev-1", CERT_GOOD, lab_path(lab, "x.pem"),
               lab_path(lab, "x.key"));
    assert_int_equal(real_say(lab, &s, DEVICE, "--key-exchange", "dhsign",
                              "--certificate", cert, "--private-key",
                              lab_path(lab, "x.key"), "--ca", ca, NULL), 1);
    assert_non_null(strstr(s.err, "of that private key"));
    assert_int_equal(real_say(lab, &s, "serve", "--state",
                              lab_path(lab, "s"), "--listen", "127.0.0.1:0",
                              "--key-exchange", "dhsign", NULL), 1);
    assert_non_null(strstr(s.err, "some of psk,dhmac"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_dhmac),
        REAL_TEST(test_dhsign),
        REAL_TEST(test_rsa),
        REAL_TEST(test_rsa_r),
        REAL_TEST(test_demanded),
        REAL_TEST(test_wrong_certificates),
        REAL_TEST(test_wrong_server),
        REAL_TEST(test_killed),
        REAL_TEST(test_group),
        REAL_TEST(test_usage),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    certs_free();
    return failed;
}
