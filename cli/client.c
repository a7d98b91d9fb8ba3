/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_HEX 64

struct body {
    char *text;
    size_t len;
};

void cli_client_init(struct cli_client *c, const char *verb)
{
    const char *url = getenv("MUSTER_API");
    const char *token = getenv("MUSTER_TOKEN_FILE");
    memset(c, 0, sizeof *c);
    c->verb = verb;
    c->url = url != NULL ? url : "http://127.0.0.1:5680";
    c->token_file = token != NULL ? token : "/var/lib/muster/server/token";
    c->bars = isatty(STDERR_FILENO) == 1;
}

bool cli_client_option(struct cli_client *c, int option, const char *value)
{
    switch (option) {
    case 'A':
        c->url = value;
        return true;
    case 'T':
        c->token_file = value;
        return true;
    case 'J':
        c->json = true;
        return true;
    default:
        return false;
    }
}

void cli_client_clear(struct cli_client *c)
{
    if (c->curl != NULL)
        curl_easy_cleanup(c->curl);
    c->curl = NULL;
}

void cli_error(const struct cli_client *c, const char *format, ...)
{
    va_list ap;
    fprintf(stderr, "muster %s: ", c->verb);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

int cli_usage(const char *verb)
{
    fprintf(stderr, "try: muster %s --help\n", verb);
    return CLI_FAILED;
}

char *cli_path(const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        abort();
    va_end(ap);
    return text;
}

char *cli_escape(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = malloc(3 * strlen(text) + 1), *p = out;
    if (out == NULL)
        abort();
    for (; *text != 0; text++) {
        unsigned char ch = (unsigned char)*text;
        if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
            (ch >= 'A' && ch <= 'Z') || strchr("-._~", ch) != NULL) {
            *p++ = (char)ch;
        } else {
            *p++ = '%';
            *p++ = hex[ch >> 4];
            *p++ = hex[ch & 15];
        }
    }
    *p = 0;
    return out;
}

/* A secret in hex from a file that only its owner may read. */
static bool secret_read(const struct cli_client *c, const char *file,
                        char *text, size_t cap)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        cli_error(c, "%s cannot be read", file);
        if (fd >= 0)
            close(fd);
        return false;
    }
    ssize_t len = -1;
    if ((st.st_mode & 077) != 0)
        cli_error(c, "%s: others may read it; chmod 600 it", file);
    else
        len = read(fd, text, cap - 1);
    close(fd);
    if (len < 0)
        return false;
    text[len] = 0;
    text[strcspn(text, "\r\n \t")] = 0;
    return true;
}

json_t *cli_key_file(const struct cli_client *c, const char *file)
{
    char text[256];
    if (!secret_read(c, file, text, sizeof text))
        return NULL;
    size_t len = strspn(text, "0123456789abcdefABCDEF");
    json_t *key = NULL;
    if (text[len] != 0 || len < 32 || len > 128 || len % 2 != 0)
        cli_error(c, "%s: 32 to 128 hex digits are wanted", file);
    else
        key = json_string(text);
    explicit_bzero(text, sizeof text);
    return key;
}

static size_t body_take(char *data, size_t size, size_t n, void *arg)
{
    struct body *b = arg;
    size_t len = size * n;
    char *text = realloc(b->text, b->len + len + 1);
    if (text == NULL)
        return 0;
    b->text = text;
    memcpy(text + b->len, data, len);
    b->len += len;
    text[b->len] = 0;
    return len;
}

/* The curl handle with address, token and a place for the answer. */
static struct curl_slist *call_begin(struct cli_client *c, const char *path,
                                     struct body *answer)
{
    char token[256], header[320];
    if (!secret_read(c, c->token_file, token, sizeof token))
        return NULL;
    if (c->curl == NULL)
        c->curl = curl_easy_init();
    else
        curl_easy_reset(c->curl);
    if (c->curl == NULL)
        abort();
    snprintf(header, sizeof header, "Authorization: Bearer %s", token);
    struct curl_slist *headers = curl_slist_append(NULL, header);
    headers = curl_slist_append(headers, "Expect:");
    explicit_bzero(token, sizeof token);
    explicit_bzero(header, sizeof header);
    char *url = cli_path("%s%s", c->url, path);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    free(url);
    curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, answer);
    return headers;
}

static json_t *call_end(struct cli_client *c, struct curl_slist *headers,
                        struct body *answer)
{
    json_t *out = NULL;
    c->status = 0;
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    CURLcode rc = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->status);
    curl_slist_free_all(headers);
    if (rc == CURLE_OK)
        out = json_loads(answer->text == NULL ? "" : answer->text, 0, NULL);
    if (rc != CURLE_OK) {
        c->status = 0; /* half an answer is none */
        if (!c->quiet)
            cli_error(c, "%s: %s; is `muster serve` running there?", c->url,
                      curl_easy_strerror(rc));
    } else if (c->status < 200 || c->status > 299) {
        const char *why = cli_text(out, "error");
        cli_error(c, "%s", *why != 0 ? why : "the server refused");
        json_decref(out);
        out = NULL;
    } else if (out == NULL) {
        cli_error(c, "the answer is not JSON");
    }
    free(answer->text);
    return out;
}

json_t *cli_get(struct cli_client *c, const char *path)
{
    return cli_send(c, "GET", path, NULL);
}

json_t *cli_send(struct cli_client *c, const char *method, const char *path,
                 const json_t *body)
{
    struct body answer = {NULL, 0};
    struct curl_slist *headers = call_begin(c, path, &answer);
    if (headers == NULL)
        return NULL;
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, text == NULL ? "" : text);
        curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
        headers = curl_slist_append(headers, "Content-Type: application/json");
    }
    json_t *out = call_end(c, headers, &answer);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    return out;
}

static int upload_bar(void *arg, curl_off_t dl_total, curl_off_t dl_now,
                      curl_off_t total, curl_off_t now)
{
    const struct cli_client *c = arg;
    (void)dl_total;
    (void)dl_now;
    if (c->bars && total > 0)
        fprintf(stderr, "\rupload     %3d %%%s", (int)(100 * now / total),
                now == total ? "\r\033[K" : "");
    return 0;
}

json_t *cli_upload(struct cli_client *c, const char *path, const char *file)
{
    struct body answer = {NULL, 0};
    struct stat st;
    FILE *f = fopen(file, "rb");
    if (f == NULL || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
        cli_error(c, "%s cannot be read", file);
        if (f != NULL)
            fclose(f);
        return NULL;
    }
    json_t *out = NULL;
    struct curl_slist *headers = NULL;
    if (st.st_size == 0)
        cli_error(c, "%s is empty", file);
    else
        headers = call_begin(c, path, &answer);
    if (headers != NULL) {
        headers = curl_slist_append(headers,
                                    "Content-Type: application/octet-stream");
        curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)st.st_size);
        curl_easy_setopt(c->curl, CURLOPT_READDATA, f);
        curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, upload_bar);
        curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
        out = call_end(c, headers, &answer);
    }
    fclose(f);
    return out;
}

void cli_print_json(const json_t *v)
{
    json_dumpf(v, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
}

const char *cli_text(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text == NULL ? "" : text;
}

long long cli_number(const json_t *row, const char *name)
{
    return json_integer_value(json_object_get(row, name));
}
