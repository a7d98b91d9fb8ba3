/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and lists for key exchanges. */
#include "net/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "crypto_openssl/mikey_dh.h"
#include "net/log.h"

/* ---- files ----------------------------------------------------------------- */

static int pk_complain(const struct mu_exchange_pk *x, const char *path,
                       const char *why)
{
    mu_log(MU_LOG_ERROR, "certificate", "id=%s file=%s why=\"%s\"", x->id, path,
           why);
    return MU_ERR_USAGE;
}

/* Nobody is asked for a password: a program that starts by itself has none. */
static int pk_no_password(char *to, int cap, int writing, void *ctx)
{
    (void)to;
    (void)cap;
    (void)writing;
    (void)ctx;
    return -1;
}

static int pk_read_certificate(struct mu_exchange_pk *x, const char *path)
{
    FILE *f = fopen(path, "re");
    X509 *cert = f != NULL ? PEM_read_X509(f, NULL, pk_no_password, NULL)
                           : NULL;
    unsigned char *at = x->der;
    int len = cert != NULL ? i2d_X509(cert, NULL) : 0, rc = 0;

    if (f == NULL)
        rc = pk_complain(x, path, strerror(errno));
    else if (cert == NULL)
        rc = pk_complain(x, path, "no certificate in PEM");
    else if (len <= 0 || (size_t)len > sizeof(x->der))
        rc = pk_complain(x, path, "the certificate is too large");
    else
        x->o.cert = mu_bytes(x->der, (size_t)i2d_X509(cert, &at));
    X509_free(cert);
    if (f != NULL)
        (void)fclose(f);
    return rc;
}

static int pk_read_key(struct mu_exchange_pk *x, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    FILE *f;

    if (fd < 0 || fstat(fd, &st) != 0) {
        const char *why = strerror(errno);

        if (fd >= 0)
            close(fd);
        return pk_complain(x, path, why);
    }
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        close(fd);
        return pk_complain(x, path, "others may read it; chmod 600 it");
    }
    f = fdopen(fd, "r");
    if (f == NULL) {
        close(fd);
        return MU_ERR_IO;
    }
    x->o.key = PEM_read_PrivateKey(f, NULL, pk_no_password, NULL);
    (void)fclose(f);
    return x->o.key != NULL
               ? 0
               : pk_complain(x, path, "no private key in PEM, or encrypted");
}

static int pk_read_anchors(struct mu_exchange_pk *x, const char *path)
{
    FILE *f = fopen(path, "re");
    int count = 0;
    X509 *cert;

    if (f == NULL)
        return pk_complain(x, path, strerror(errno));
    x->o.trust = X509_STORE_new();
    while (x->o.trust != NULL &&
           (cert = PEM_read_X509(f, NULL, pk_no_password, NULL)) != NULL) {
        count += X509_STORE_add_cert(x->o.trust, cert);
        X509_free(cert);
    }
    (void)fclose(f);
    return count > 0 ? 0 : pk_complain(x, path, "no certificate in PEM");
}

static void pk_refused(void *ctx, const char *why,
                       const struct mu_mikey_name *name)
{
    const struct mu_exchange_pk *x = ctx;

    mu_log(MU_LOG_WARN, "certificate-refused", "id=%s of=%.*s why=\"%s\"",
           x->id, (int)name->len, (const char *)name->bytes, why);
}

/* What the others will say to it, said at the start. */
static void pk_look(struct mu_exchange_pk *x)
{
    struct mu_mikey_name name;

    if (mu_mikey_name_set(&name, MU_MIKEY_NAI, mu_bytes_str(x->id)) == 0)
        (void)!x->pk.trust(x->pk.ctx, x->o.cert, &name);
}

int mu_exchange_pk_open(struct mu_exchange_pk *x, const char *id,
                        const struct mu_exchange_files *files)
{
    const bool some = files->certificate != NULL ||
                      files->private_key != NULL || files->ca != NULL;
    int rc;

    *x = (struct mu_exchange_pk){ .id = id };
    x->pk = (struct mu_mikey_pk){ .dh_make = mu_ossl_dh_make,
                                  .dh_agree = mu_ossl_dh_agree };
    if (!some)
        return 0;
    if (files->certificate == NULL || files->private_key == NULL ||
        files->ca == NULL) {
        mu_log(MU_LOG_ERROR, "certificate", "id=%s why=\"--certificate, "
               "--private-key and --ca go together\"", id);
        return MU_ERR_USAGE;
    }
    rc = pk_read_certificate(x, files->certificate);
    if (rc == 0)
        rc = pk_read_key(x, files->private_key);
    if (rc == 0)
        rc = pk_read_anchors(x, files->ca);
    if (rc == 0 && mu_mikey_pk_openssl(&x->o, &x->pk) != 0)
        rc = pk_complain(x, files->certificate, "RSA of 1024 to 4096 bits, and "
                         "of that private key, is wanted");
    if (rc != 0) {
        mu_exchange_pk_close(x);
        return rc;
    }
    x->o.refused = pk_refused;
    x->o.refused_ctx = x;
    pk_look(x);
    return 0;
}

void mu_exchange_pk_close(struct mu_exchange_pk *x)
{
    EVP_PKEY_free(x->o.key);
    X509_STORE_free(x->o.trust);
    *x = (struct mu_exchange_pk){ .id = NULL };
}

/* ---- lists ----------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t number;
} protocols[] = {
    { "oscore", MU_MIKEY_OSCORE },
    { "hop", MU_MIKEY_HOP },
    { "mbms", MU_MIKEY_MBMS },
};

/* The next word of a list; its length, 0 at the end. */
static size_t list_word(const char **list, const char **word)
{
    size_t len = strcspn(*list, ",");

    *word = *list;
    *list += len;
    if (**list == ',' && (*list)[1] != '\0')
        ++*list;
    return len;
}

int mu_exchange_methods_parse(const char *list, uint8_t *methods)
{
    const char *word;
    size_t len;

    *methods = 0;
    while ((len = list_word(&list, &word)) > 0) {
        uint8_t m = 0;

        while (m < MU_EXCHANGE_METHOD_COUNT &&
               (strlen(mu_exchange_method_name(m)) != len ||
                memcmp(mu_exchange_method_name(m), word, len) != 0))
            m++;
        if (m == MU_EXCHANGE_METHOD_COUNT)
            return MU_ERR_USAGE;
        *methods |= MU_EXCHANGE_BIT(m);
    }
    return *methods != 0 && *list == '\0' ? 0 : MU_ERR_USAGE;
}

int mu_exchange_protocols_parse(const char *list,
                                uint8_t to[MU_EXCHANGE_PROTOCOLS_MAX],
                                uint8_t *len)
{
    const size_t count = sizeof(protocols) / sizeof(protocols[0]);
    const char *word;
    size_t n;
    unsigned set = 0;

    while ((n = list_word(&list, &word)) > 0) {
        size_t i = 0;

        while (i < count && (strlen(protocols[i].name) != n ||
                             memcmp(protocols[i].name, word, n) != 0))
            i++;
        if (i == count)
            return MU_ERR_USAGE;
        set |= 1u << i;
    }
    *len = 0;
    for (size_t i = 0; i < count; i++)
        if ((set >> i & 1) != 0)
            to[(*len)++] = protocols[i].number;
    return *len > 0 && *list == '\0' ? 0 : MU_ERR_USAGE;
}

void mu_exchange_methods_text(uint8_t methods, char to[MU_EXCHANGE_LIST_TEXT])
{
    size_t at = 0;

    to[0] = '\0';
    for (uint8_t m = 0; m < MU_EXCHANGE_METHOD_COUNT; m++)
        if ((methods & MU_EXCHANGE_BIT(m)) != 0)
            at += (size_t)snprintf(to + at, MU_EXCHANGE_LIST_TEXT - at, "%s%s",
                                   at == 0 ? "" : ",",
                                   mu_exchange_method_name(m));
}
