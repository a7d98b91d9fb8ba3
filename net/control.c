/* SPDX-License-Identifier: Apache-2.0 */
/* The socket by which a program is made to speak. */
#include "net/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "muster/speech_msg.h"
#include "net/log.h"

#define CLIENTS_MAX 8
#define CLIENT_ROOM 4096   /* bytes of messages at once */
#define CLIENT_TIME 10000  /* ms to say them */

struct control_client {
    struct mu_control *control; /* NULL: closed */
    struct control_client *next;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_write_t write;
    uv_buf_t reply;
    char *text;
    unsigned open;   /* handles */
    bool waiting;    /* for durability */
    bool closing;
    unsigned said;
    int error;
    size_t len;
    char room[CLIENT_ROOM];
};

struct mu_control {
    struct mu_body *body;
    uv_pipe_t pipe;
    struct control_client *clients;
    unsigned clients_len;
    int (*say)(void *ctx, struct mu_bytes text);
    void *ctx;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void client_free(struct control_client *c)
{
    if (c->open > 0 || c->waiting)
        return;
    free(c->text);
    free(c);
}

static void client_closed(uv_handle_t *handle)
{
    struct control_client *c = handle->data;

    c->open--;
    client_free(c);
}

static void client_close(struct control_client *c)
{
    struct control_client **at;

    if (c->closing)
        return;
    c->closing = true;
    for (at = &c->control->clients; *at != c; at = &(*at)->next)
        ;
    *at = c->next;
    c->control->clients_len--;
    c->control = NULL;
    uv_close((uv_handle_t *)&c->pipe, client_closed);
    uv_close((uv_handle_t *)&c->timer, client_closed);
}

static void client_written(uv_write_t *write, int status)
{
    (void)status;
    client_close(write->data);
}

static void client_answer(void *arg, int result)
{
    struct control_client *c = arg;
    json_t *line;

    c->waiting = false;
    if (c->closing) {
        client_free(c);
        return;
    }
    if (result != 0) { /* nothing of it was stored */
        c->said = 0;
        c->error = result;
    }
    line = json_pack("{s:i}", "said", (int)c->said);
    if (c->error != 0)
        json_object_set_new(line, "error", json_string(mu_err_text(c->error)));
    c->text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    if (c->text == NULL) {
        client_close(c);
        return;
    }
    c->reply = uv_buf_init(c->text, (unsigned)strlen(c->text));
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &c->reply, 1,
                 client_written) != 0)
        client_close(c);
}

/* All that it sent, one after the other, until one is not taken. */
static void client_say(struct control_client *c)
{
    size_t at = 0;

    uv_read_stop((uv_stream_t *)&c->pipe);
    if (c->len == 0 || c->room[c->len - 1] != '\0')
        c->error = MU_ERR_TRUNCATED;
    while (c->error == 0 && at < c->len) {
        size_t len = strlen(c->room + at);

        c->error = c->control->say(c->control->ctx,
                                   mu_bytes(c->room + at, len));
        c->said += c->error == 0;
        at += len + 1;
    }
    c->waiting = true;
    if (mu_node_when_durable(&c->control->body->node, client_answer, c) != 0)
        client_answer(c, MU_ERR_FULL);
}

static void client_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct control_client *c = handle->data;

    (void)size;
    *buf = uv_buf_init(c->room + c->len, (unsigned)(CLIENT_ROOM - c->len));
}

static void client_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct control_client *c = stream->data;

    (void)buf;
    if (len > 0)
        c->len += (size_t)len;
    else if (len == UV_EOF)
        client_say(c);
    else if (len < 0)
        client_close(c); /* it said more than there is room for, or left */
}

static void client_timeout(uv_timer_t *timer)
{
    client_close(timer->data);
}

static void control_connected(uv_stream_t *server, int status)
{
    struct mu_control *control = server->data;
    struct control_client *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return;
    if (status != 0 ||
        uv_pipe_init(&control->body->loop->uv, &c->pipe, 0) != 0) {
        free(c);
        return;
    }
    (void)!uv_timer_init(&control->body->loop->uv, &c->timer);
    c->open = 2;
    c->pipe.data = c;
    c->timer.data = c;
    c->control = control;
    c->next = control->clients;
    control->clients = c;
    control->clients_len++;
    if (uv_accept(server, (uv_stream_t *)&c->pipe) != 0 ||
        control->clients_len > CLIENTS_MAX ||
        uv_timer_start(&c->timer, client_timeout, CLIENT_TIME, 0) != 0 ||
        uv_read_start((uv_stream_t *)&c->pipe, client_alloc, client_read) != 0)
        client_close(c);
}

int mu_control_open(struct mu_control **control, struct mu_body *body,
                    const char *path,
                    int (*say)(void *ctx, struct mu_bytes text), void *ctx)
{
    struct mu_control *c;
    mode_t mask;
    int rc;

    if (strlen(path) >= sizeof(c->path)) {
        mu_log(MU_LOG_ERROR, "control", "path=%s why=\"longer than a socket's "
               "name can be; --control names another\"", path);
        return MU_ERR_TOO_LARGE;
    }
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return MU_ERR_FULL;
    c->body = body;
    c->say = say;
    c->ctx = ctx;
    snprintf(c->path, sizeof(c->path), "%s", path);
    if (uv_pipe_init(&body->loop->uv, &c->pipe, 0) != 0) {
        free(c);
        return MU_ERR_IO;
    }
    c->pipe.data = c;
    *control = c;
    unlink(path); /* what a killed one has left */
    mask = umask(0177);
    rc = uv_pipe_bind(&c->pipe, path);
    umask(mask);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&c->pipe, CLIENTS_MAX,
                       control_connected);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "control", "path=%s why=\"%s\"", path,
               uv_strerror(rc));
    return rc == 0 ? 0 : MU_ERR_IO;
}

static void control_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void mu_control_close(struct mu_control *c)
{
    if (c == NULL)
        return;
    while (c->clients != NULL)
        client_close(c->clients);
    unlink(c->path);
    uv_close((uv_handle_t *)&c->pipe, control_closed);
}
