/* SPDX-License-Identifier: Apache-2.0 */
/* The listener: libmicrohttpd's epoll set inside the server's libuv loop. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "net/addr.h"
#include "net/log.h"

struct api {
    struct mu_serve *serve;
    struct MHD_Daemon *daemon;
    struct mu_secret token;
    uv_poll_t poll;
    uv_timer_t timer;
    int handles; /* libuv handles still open */
    struct api_wait *waits;
};

/* A request that waits until its records are durable. It may end before: when
 * the server does. */
struct api_wait {
    struct api_wait *next;
    struct api *api;
    struct api_request *r; /* NULL: it ended */
};

struct mu_serve *api_serve(struct api_request *r)
{
    return r->api->serve;
}

struct mu_server *api_server(struct api_request *r)
{
    return r->api->serve->engine;
}

/* ---- answers ----------------------------------------------------------- */

void api_answer(struct api_request *r, unsigned status, json_t *answer)
{
    if (r->status != 0) { /* the first answer stands */
        json_decref(answer);
        return;
    }
    r->status = status;
    r->answer = answer;
}

void api_error(struct api_request *r, unsigned status, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    api_answer(r, status, json_pack("{s:s}", "error", text));
}

void api_refuse(struct api_request *r, int err, const char *what)
{
    unsigned status = 500;
    if (err == MU_ERR_NOT_FOUND)
        status = 404;
    else if (err == MU_ERR_CONFLICT || err == MU_ERR_UNEXPECTED)
        status = 409;
    else if (err == MU_ERR_TOO_LARGE)
        status = 413;
    else if (mu_err_class(err) == MU_CLASS_RETRY)
        status = 503;
    else if (mu_err_class(err) != MU_CLASS_FATAL)
        status = 400;
    api_answer(r, status, json_pack("{s:o,s:s}", "error",
                                    json_sprintf("%s: %s", what,
                                                 mu_err_text(err)),
                                    "code", mu_err_name(err)));
}

static void api_run(struct api *api);

static void api_on_timer(uv_timer_t *timer)
{
    api_run(timer->data);
}

static void api_run(struct api *api)
{
    unsigned long long wait;
    MHD_run(api->daemon);
    if (MHD_get_timeout(api->daemon, &wait) != MHD_YES)
        wait = 1000;
    uv_timer_start(&api->timer, api_on_timer, wait, 0);
}

static void api_on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    api_run(poll->data);
}

static void wait_end(struct api_wait *w)
{
    struct api_wait **at = &w->api->waits;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    w->r->wait = NULL;
    MHD_resume_connection(w->r->connection);
    w->r = NULL;
}

static void api_durable(void *arg, int result)
{
    struct api_wait *w = arg;
    struct api_request *r = w->r;
    if (r == NULL) { /* the server ends; so does w->api */
        free(w);
        return;
    }
    wait_end(w);
    free(w);
    if (result != 0) {
        json_decref(r->answer);
        r->answer = NULL;
        r->status = 0;
        api_refuse(r, result, "the records could not be stored");
    }
    uv_timer_start(&r->api->timer, api_on_timer, 0, 0);
}

void api_when_durable(struct api_request *r, unsigned status, json_t *answer)
{
    struct api_wait *w = calloc(1, sizeof *w);
    if (w == NULL) {
        json_decref(answer);
        api_error(r, 503, "no memory to wait until it is stored");
        return;
    }
    api_answer(r, status, answer);
    *w = (struct api_wait){r->api->waits, r->api, r};
    r->api->waits = r->wait = w;
    MHD_suspend_connection(r->connection);
    int rc = mu_node_when_durable(&r->api->serve->body.node, api_durable, w);
    if (rc != 0)
        api_durable(w, rc);
}

void api_begin(struct api_request *r)
{
    mu_node_begin(&r->api->serve->body.node);
}

void api_taken(struct api_request *r)
{
    mu_node_drain(&r->api->serve->body.node);
}

void api_undo(struct api_request *r)
{
    mu_node_undo(&r->api->serve->body.node);
    int rc = mu_server_rollback(api_server(r));
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "undo", "error=%s", mu_err_name(rc));
    api_taken(r);
}

static enum MHD_Result api_send(struct api_request *r)
{
    size_t flags = JSON_COMPACT;
    char *text = r->answer == NULL ? strdup("{}")
                                   : json_dumps(r->answer, flags);
    if (text == NULL)
        return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", "application/json");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (r->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate",
                                "Bearer realm=\"muster\"");
    enum MHD_Result ok =
        MHD_queue_response(r->connection, r->status, response);
    MHD_destroy_response(response);
    return ok;
}

/* ---- requests ---------------------------------------------------------- */

const char *api_query(struct api_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND,
                                       name);
}

bool api_query_number(struct api_request *r, const char *name, uint64_t max,
                      uint64_t otherwise, uint64_t *out)
{
    const char *text = api_query(r, name);
    char *end;
    *out = otherwise;
    if (text == NULL)
        return true;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != 0 || errno != 0 || v > max) {
        api_error(r, 400, "%s: a number up to %" PRIu64 " is wanted", name,
                  max);
        return false;
    }
    *out = v;
    return true;
}

bool api_query_limit(struct api_request *r, uint64_t otherwise, uint64_t *out)
{
    if (!api_query_number(r, "limit", API_PAGE_MAX, otherwise, out))
        return false;
    if (*out > 0)
        return true;
    api_error(r, 400, "limit: a page of no rows never ends");
    return false;
}

bool api_query_flag(struct api_request *r, const char *name, bool otherwise,
                    bool *out)
{
    const char *text = api_query(r, name);
    *out = text == NULL ? otherwise : strcmp(text, "true") == 0;
    if (text == NULL || *out || strcmp(text, "false") == 0)
        return true;
    api_error(r, 400, "%s: true or false is wanted", name);
    return false;
}

void api_query_after(struct api_request *r, char after[MU_ID_MAX + 1])
{
    const char *from = api_query(r, "after");
    snprintf(after, MU_ID_MAX + 1, "%s", from == NULL ? "" : from);
}

void api_answer_list(struct api_request *r, const char *name, json_t *rows,
                     json_t *next)
{
    api_answer(r, 200, json_pack("{s:o,s:o}", name, rows, "next",
                                 next == NULL ? json_null() : next));
}

json_t *api_body(struct api_request *r)
{
    json_error_t why;
    json_t *body = json_loadb(r->body == NULL ? "" : r->body, r->body_len,
                              JSON_REJECT_DUPLICATES, &why);
    if (body != NULL && json_is_object(body))
        return body;
    json_decref(body);
    api_error(r, 400, "the body is not a JSON object");
    return NULL;
}

static bool api_authorised(struct api_request *r)
{
    uint8_t raw[32];
    const char *header = MHD_lookup_connection_value(
        r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (header == NULL || strncmp(header, "Bearer ", 7) != 0)
        return false;
    bool good = api_hex(header + 7, strlen(header + 7), raw, sizeof raw) ==
                    (long)sizeof raw &&
                mu_ct_eq(raw, r->api->token.bytes, sizeof raw);
    mu_wipe(raw, sizeof raw);
    return good;
}

/* Does the path fit the route's, with its {} parts copied out? */
static bool route_match(const char *pattern, const char *path,
                        char args[2][256])
{
    int arg = 0;
    while (*pattern != 0) {
        if (strncmp(pattern, "{}", 2) != 0) {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t len = strcspn(path, "/");
        if (len == 0 || len >= sizeof args[0])
            return false;
        memcpy(args[arg], path, len);
        args[arg++][len] = 0;
        path += len;
        pattern += 2;
    }
    return *path == 0;
}

static const struct api_route *route_find(struct api_request *r,
                                          const char *method, const char *path)
{
    bool known = false;
    for (const struct api_route *route = api_routes; route->method != NULL;
         route++) {
        if (!route_match(route->path, path, r->args))
            continue;
        known = true;
        if (strcmp(route->method, method) == 0)
            return route;
    }
    api_error(r, known ? 405 : 404,
              known ? "this path does not take that method"
                    : "there is nothing at this path");
    return NULL;
}

static void upload_start(struct api_request *r)
{
    const char *length = MHD_lookup_connection_value(
        r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const struct mu_crypto *crypto = r->api->serve->crypto;
    r->upload_size = length == NULL ? 0 : strtoull(length, NULL, 10);
    if (r->upload_size == 0) {
        api_error(r, length == NULL ? 411 : 400,
                  length == NULL ? "Content-Length is wanted"
                                 : "the object is empty");
        return;
    }
    int rc = crypto->random(crypto->ctx, r->campaign, sizeof r->campaign);
    if (rc == 0)
        rc = mu_serve_upload_open(r->api->serve, r->campaign, r->upload_size,
                                  &r->object);
    if (rc != 0)
        api_refuse(r, rc, "the object cannot be kept");
    else
        r->uploading = true;
}

static void request_start(struct api_request *r, const char *method,
                          const char *path)
{
    if (!api_authorised(r)) {
        api_error(r, 401, "the token is missing or wrong");
        return;
    }
    r->route = route_find(r, method, path);
    if (r->route != NULL && r->route->upload)
        upload_start(r);
}

static void request_take(struct api_request *r, const char *data, size_t len)
{
    if (r->status != 0)
        return; /* refused already: the rest is read and dropped */
    if (r->uploading) {
        int rc = r->object.write(r->object.ctx, r->upload_at,
                                 (const uint8_t *)data, len);
        r->upload_at += len;
        if (rc != 0)
            api_refuse(r, rc, "the object cannot be kept");
        return;
    }
    if (r->body_len + len > API_BODY_MAX) {
        api_error(r, 413, "the body is larger than 128 MiB");
        return;
    }
    if (r->body_len + len + 1 > r->body_cap) { /* with a final zero */
        r->body_cap = 2 * (r->body_len + len + 1);
        char *body = malloc(r->body_cap);
        if (body == NULL) {
            api_error(r, 503, "no memory");
            return;
        }
        if (r->body != NULL) { /* realloc leaves keys behind */
            memcpy(body, r->body, r->body_len);
            mu_wipe(r->body, r->body_len);
        }
        free(r->body);
        r->body = body;
    }
    memcpy(r->body + r->body_len, data, len);
    r->body_len += len;
    r->body[r->body_len] = 0;
}

static enum MHD_Result api_handle(void *cls, struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **con_cls)
{
    struct api_request *r = *con_cls;
    (void)version;
    if (r == NULL) {
        r = calloc(1, sizeof *r);
        if (r == NULL)
            return MHD_NO;
        r->api = cls;
        r->connection = connection;
        *con_cls = r;
        request_start(r, method, url);
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        request_take(r, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    if (r->status == 0)
        r->route->handle(r);
    if (r->status == 0)
        api_error(r, 500, "no answer");
    return r->wait != NULL ? MHD_YES : api_send(r);
}

static void api_completed(void *cls, struct MHD_Connection *connection,
                          void **con_cls, enum MHD_RequestTerminationCode why)
{
    struct api_request *r = *con_cls;
    (void)cls;
    (void)connection;
    (void)why;
    if (r == NULL)
        return;
    if (r->uploading && !r->pushed)
        mu_serve_upload_drop(r->api->serve, r->campaign);
    if (r->body != NULL)
        mu_wipe(r->body, r->body_len); /* keys of an import */
    free(r->body);
    json_decref(r->answer);
    free(r);
    *con_cls = NULL;
}

/* ---- the extension of the server --------------------------------------- */

static void api_on_close(uv_handle_t *handle)
{
    struct api *api = handle->data;
    if (--api->handles == 0)
        free(api);
}

static int api_listen(struct api *api, json_t *ready)
{
    struct mu_addr addr;
    char shown[MU_ADDR_PORT_TEXT];
    const char *text = api->serve->conf.http_listen;
    if (mu_addr_parse(text, &addr) != 0) {
        mu_log(MU_LOG_ERROR, "http-listen", "why=\"'%s' is not HOST:PORT\"",
               text);
        return MU_ERR_USAGE;
    }
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
                     (addr.sa.sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    api->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, api_handle, api, MHD_OPTION_SOCK_ADDR, &addr.sa,
        MHD_OPTION_NOTIFY_COMPLETED, api_completed, api,
        MHD_OPTION_CONNECTION_TIMEOUT, 60u, MHD_OPTION_CONNECTION_LIMIT, 64u,
        MHD_OPTION_END);
    if (api->daemon == NULL) {
        mu_log(MU_LOG_ERROR, "http-listen", "address=%s why=\"%s\"", text,
               strerror(errno));
        return MU_ERR_IO;
    }
    int fd = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_LISTEN_FD)
                 ->listen_fd;
    addr.len = sizeof addr.in6;
    if (getsockname(fd, &addr.sa, &addr.len) == 0) {
        mu_addr_text(&addr, shown);
        json_object_set_new(ready, "http", json_string(shown));
    }
    return 0;
}

static int api_open(struct mu_serve *serve, json_t *ready)
{
    char path[4096];
    const char *why = NULL;
    if (serve->conf.http_listen == NULL)
        return 0;
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL)
        return MU_ERR_IO;
    api->serve = serve;
    if (serve->conf.token_file != NULL)
        snprintf(path, sizeof path, "%s", serve->conf.token_file);
    else
        snprintf(path, sizeof path, "%s/token", serve->conf.state_dir);
    int rc = api_token_load(path, serve->crypto, &api->token, &why);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "token-file", "file=%s why=\"%s\"", path, why);
    if (rc == 0)
        rc = api_listen(api, ready);
    if (rc != 0) {
        mu_secret_clear(&api->token);
        free(api);
        return rc;
    }
    json_object_set_new(ready, "token_file", json_string(path));
    serve->extension = api;
    uv_loop_t *uv = &serve->body.loop->uv;
    int fd = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD)
                 ->epoll_fd;
    uv_poll_init(uv, &api->poll, fd);
    uv_timer_init(uv, &api->timer);
    api->poll.data = api->timer.data = api;
    api->handles = 2;
    uv_poll_start(&api->poll, UV_READABLE, api_on_readable);
    api_run(api);
    return 0;
}

static void api_close(struct mu_serve *serve)
{
    struct api *api = serve->extension;
    if (api == NULL)
        return;
    serve->extension = NULL;
    uv_poll_stop(&api->poll);
    while (api->waits != NULL) { /* it may be stored or not */
        api->waits->r->status = MHD_HTTP_SERVICE_UNAVAILABLE;
        wait_end(api->waits);
    }
    uv_timer_stop(&api->timer);
    MHD_stop_daemon(api->daemon);
    api->daemon = NULL;
    mu_secret_clear(&api->token);
    uv_close((uv_handle_t *)&api->poll, api_on_close);
    uv_close((uv_handle_t *)&api->timer, api_on_close);
}

const struct mu_serve_extension mu_api_extension = {api_open, api_close};
