/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP API against its description: docs/openapi.yaml has every route of
 * the table and no other, the server answers each as described, and none
 * without the token.
 */
#include "tests/real/real.h"

#include <curl/curl.h>
#include <yaml.h>

#include "api/api.h"

#define OPS_MAX 64
#define CODES_MAX 12

struct op {
    char path[96];  /* /v1/groups/{id}/members */
    char method[8]; /* GET */
    int codes[CODES_MAX];
    size_t codes_len;
};

static struct op ops[OPS_MAX];
static size_t ops_len;

/* ---- the description --------------------------------------------------------- */

static yaml_node_t *value_of(yaml_document_t *doc, yaml_node_t *map,
                             const char *key)
{
    assert_non_null(map);
    assert_int_equal(map->type, YAML_MAPPING_NODE);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
         p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *k = yaml_document_get_node(doc, p->key);

        if (strcmp((const char *)k->data.scalar.value, key) == 0)
            return yaml_document_get_node(doc, p->value);
    }
    return NULL;
}

static void op_take(yaml_document_t *doc, const char *path,
                    const char *method, yaml_node_t *node)
{
    struct op *op = &ops[ops_len++];
    yaml_node_t *responses = value_of(doc, node, "responses");

    assert_true(ops_len <= OPS_MAX);
    assert_non_null(responses);
    assert_non_null(value_of(doc, node, "summary"));
    snprintf(op->path, sizeof op->path, "%s", path);
    for (size_t i = 0; method[i] != '\0' && i < sizeof op->method - 1; i++)
        op->method[i] = (char)(method[i] - ('a' - 'A'));
    for (yaml_node_pair_t *p = responses->data.mapping.pairs.start;
         p < responses->data.mapping.pairs.top; p++) {
        const yaml_node_t *k = yaml_document_get_node(doc, p->key);

        assert_true(op->codes_len < CODES_MAX);
        op->codes[op->codes_len++] = atoi((const char *)k->data.scalar.value);
    }
}

static void description_read(void)
{
    static const char *const methods[] = {"get", "post", "delete", "put",
                                          "patch"};
    yaml_parser_t parser;
    yaml_document_t doc;
    yaml_node_t *paths;
    FILE *f = fopen("docs/openapi.yaml", "rb");

    assert_non_null(f);
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_file(&parser, f);
    assert_true(yaml_parser_load(&parser, &doc));
    memset(ops, 0, sizeof ops);
    ops_len = 0;
    paths = value_of(&doc, yaml_document_get_root_node(&doc), "paths");
    for (yaml_node_pair_t *p = paths->data.mapping.pairs.start;
         p < paths->data.mapping.pairs.top; p++) {
        const yaml_node_t *k = yaml_document_get_node(&doc, p->key);
        yaml_node_t *path = yaml_document_get_node(&doc, p->value);

        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            yaml_node_t *node = value_of(&doc, path, methods[m]);

            if (node != NULL)
                op_take(&doc, (const char *)k->data.scalar.value, methods[m],
                        node);
        }
    }
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    fclose(f);
}

/* "/v1/groups/{id}/members" -> "/v1/groups/X/members" */
static void path_fill(const char *path, const char *with, char *out, size_t cap)
{
    size_t len = 0;

    while (*path != '\0' && len + 1 < cap) {
        if (*path == '{') {
            len += (size_t)snprintf(out + len, cap - len, "%s", with);
            path = strchr(path, '}') + 1;
        } else {
            out[len++] = *path++;
        }
    }
    out[len] = '\0';
}

static const struct op *op_find(const char *method, const char *path)
{
    char filled[96];

    for (size_t i = 0; i < ops_len; i++) {
        path_fill(ops[i].path, "{}", filled, sizeof filled);
        if (strcmp(ops[i].method, method) == 0 && strcmp(filled, path) == 0)
            return &ops[i];
    }
    return NULL;
}

static void test_table(void **state)
{
    size_t n = 0;

    (void)state;
    description_read();
    for (; api_routes[n].method != NULL; n++) {
        if (op_find(api_routes[n].method, api_routes[n].path) == NULL)
            fail_msg("docs/openapi.yaml has no %s %s", api_routes[n].method,
                     api_routes[n].path);
    }
    assert_int_equal(n, ops_len);
    assert_true(n > 20);
}

/* ---- the server ------------------------------------------------------------------ */

struct answer {
    long status;
    char type[64];
    char body[65536];
    size_t len;
};

static size_t body_take(char *data, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;

    n *= size;
    if (n > sizeof a->body - 1 - a->len)
        return 0;
    memcpy(a->body + a->len, data, n);
    a->len += n;
    a->body[a->len] = '\0';
    return n;
}

/* token: NULL for no header at all. */
static void call(struct lab *lab, const char *method, const char *path,
                 const char *token, const char *body, struct answer *a)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    char url[256], bearer[256];
    const char *type = NULL;

    memset(a, 0, sizeof *a);
    assert_non_null(curl);
    snprintf(url, sizeof url, "%s%s", lab->api, path);
    if (token != NULL) {
        snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", token);
        headers = curl_slist_append(headers, bearer);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    snprintf(a->type, sizeof a->type, "%s", type != NULL ? type : "");
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
}

static bool described(const struct op *op, long status)
{
    for (size_t i = 0; i < op->codes_len; i++) {
        if (op->codes[i] == status)
            return true;
    }
    return false;
}

/* JSON always, with `error` when it is one, and a code that is described. */
static void answer_fits(const struct op *op, const struct answer *a,
                        const char *what)
{
    json_t *v = json_loadb(a->body, a->len, 0, NULL);

    if (v == NULL || strcmp(a->type, "application/json") != 0)
        fail_msg("%s %s (%s): %ld, %s, \"%s\"", op->method, op->path, what,
                 a->status, a->type, a->body);
    if (a->status >= 300 && real_text(v, "error")[0] == '\0')
        fail_msg("%s %s (%s): %ld without a reason", op->method, op->path,
                 what, a->status);
    if (!described(op, a->status))
        fail_msg("%s %s (%s): %ld is not described; %s", op->method, op->path,
                 what, a->status, a->body);
    json_decref(v);
}

static char *token_read(struct lab *lab)
{
    char *token = real_read(lab_path(lab, "server/token"), NULL);

    assert_non_null(token);
    token[strcspn(token, "\n")] = '\0';
    return token;
}

static void test_answers(void **state)
{
    struct lab *lab = *state;
    static struct answer a;
    char path[128], cut[80], *token;

    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    lab_register(lab);
    token = token_read(lab);
    snprintf(cut, sizeof cut, "%.*s", (int)strlen(token) - 1, token);
    description_read();
    for (size_t i = 0; i < ops_len; i++) {
        const struct op *op = &ops[i];
        const char *body = strcmp(op->method, "GET") == 0 ? NULL : "";

        /* No token, another one, one that is cut: before anything else. */
        path_fill(op->path, "nobody", path, sizeof path);
        call(lab, op->method, path, NULL, body, &a);
        assert_int_equal(a.status, 401);
        answer_fits(op, &a, "no token");
        call(lab, op->method, path, cut, body, &a);
        assert_int_equal(a.status, 401);
        call(lab, op->method, path, "00", body, &a);
        assert_int_equal(a.status, 401);
        /* Of nobody; with a body that is no JSON; with numbers that are none. */
        call(lab, op->method, path, token, body, &a);
        answer_fits(op, &a, "nobody");
        if (strchr(op->path, '{') != NULL && a.status != 400)
            assert_int_equal(a.status, 404);
        if (body != NULL) {
            call(lab, op->method, path, token, "{\"half", &a);
            answer_fits(op, &a, "half a body");
        }
        snprintf(path + strlen(path), 32, "?limit=x&after=-1");
        call(lab, op->method, path, token, body, &a);
        answer_fits(op, &a, "bad numbers");
        assert_int_not_equal(a.status, 405);
    }
    free(token);
}

/* Page by page, of any size, every row comes once and in order. */
static void test_pages(void **state)
{
    struct lab *lab = *state;
    static struct answer a;
    char *token;

    lab_keys(lab, 5);
    lab_serve(lab, NULL);
    lab_register(lab);
    token = token_read(lab);
    for (unsigned limit = 0; limit <= 6; limit++) {
        char path[128], after[64] = "";
        unsigned rows = 0;

        for (unsigned pages = 0; pages < 8; pages++) {
            const json_t *row;
            json_t *v;
            size_t i;

            snprintf(path, sizeof path, "/v1/devices?limit=%u&after=%s", limit,
                     after);
            call(lab, "GET", path, token, NULL, &a);
            if (limit == 0)
                break;
            assert_int_equal(a.status, 200);
            v = json_loadb(a.body, a.len, 0, NULL);
            assert_true(json_array_size(json_object_get(v, "devices")) <=
                        limit);
            json_array_foreach(json_object_get(v, "devices"), i, row) {
                char want[16];

                snprintf(want, sizeof want, "dev-%u", ++rows);
                assert_string_equal(real_text(row, "id"), want);
            }
            snprintf(after, sizeof after, "%s",
                     json_is_null(json_object_get(v, "next"))
                         ? "" : real_text(v, "next"));
            json_decref(v);
            if (after[0] == '\0')
                break;
        }
        if (limit == 0)
            assert_int_equal(a.status, 400); /* it would never end */
        else
            assert_int_equal(rows, 5);
    }
    call(lab, "GET", "/v1/devices?limit=1001", token, NULL, &a);
    assert_int_equal(a.status, 400);
    free(token);
}

/* What the table does not have: 405 for a method, 404 for a path. */
static void test_elsewhere(void **state)
{
    struct lab *lab = *state;
    static const char *const methods[] = {"GET", "POST", "DELETE", "PUT",
                                          "PATCH"};
    static const char *const nowhere[] = {
        "/", "/v1", "/v1/", "/v2/status", "/v1/status/", "/v1/groups//members",
        "/v1/devices/a/b/revoke", "/v1/keys/1", "/../token", "/v1/status%2f",
    };
    static struct answer a;
    char path[128], filled[96], *token;

    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    token = token_read(lab);
    description_read();
    for (size_t i = 0; i < ops_len; i++) {
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            path_fill(ops[i].path, "{}", filled, sizeof filled);
            if (op_find(methods[m], filled) != NULL)
                continue;
            path_fill(ops[i].path, "nobody", path, sizeof path);
            call(lab, methods[m], path, token, NULL, &a);
            if (a.status != 405)
                fail_msg("%s %s: %ld", methods[m], path, a.status);
        }
    }
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        call(lab, "GET", nowhere[i], token, NULL, &a);
        if (a.status != 404)
            fail_msg("GET %s: %ld", nowhere[i], a.status);
        call(lab, "GET", nowhere[i], NULL, NULL, &a);
        assert_int_equal(a.status, 401); /* not even that it is nowhere */
    }
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        REAL_TEST(test_answers),
        REAL_TEST(test_pages),
        REAL_TEST(test_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
