/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's HTTP API of `muster serve`; docs/openapi.yaml describes it.
 * It runs in the server's loop, asks for a bearer token that lies in a file of
 * mode 0600, and answers a wish only when its records are durable.
 */
#ifndef API_API_H
#define API_API_H

#include <jansson.h>
#include <microhttpd.h>

#include "net/serve.h"

#define API_BODY_MAX (128u * 1024u * 1024u) /* bytes of a CSV or JSON body */
#define API_PAGE_MAX 1000                  /* rows of one answer */

extern const struct mu_serve_extension mu_api_extension;

/* One request, from its first line to its answer. */
struct api_request {
    struct api *api;
    struct MHD_Connection *connection;
    const struct api_route *route;
    char args[2][256];    /* the {} parts of the path, decoded */
    char *body;           /* of all routes but uploads */
    size_t body_len, body_cap;
    /* uploads: */
    uint8_t campaign[MU_CAMPAIGN_ID];
    struct mu_object object;
    uint64_t upload_size, upload_at;
    bool uploading;
    /* the answer: */
    unsigned status;      /* 0: none yet */
    json_t *answer;       /* owned; NULL: {} */
    struct api_wait *wait; /* for durability; NULL: not waiting */
    bool pushed;
};

struct api_route {
    const char *method;
    const char *path; /* "/v1/groups/{}/members/{}" */
    void (*handle)(struct api_request *r);
    bool upload; /* the body is the object */
};

extern const struct api_route api_routes[]; /* ends with method NULL */

struct mu_server *api_server(struct api_request *r);
struct mu_serve *api_serve(struct api_request *r);
/* A value of the query; NULL when absent. */
const char *api_query(struct api_request *r, const char *name);
/* true or false of the query or `otherwise`; answers 400 and false when bad. */
bool api_query_flag(struct api_request *r, const char *name, bool otherwise,
                    bool *out);
/* The `after` of a list of identities, cut to fit. */
void api_query_after(struct api_request *r, char after[MU_ID_MAX + 1]);
/* Rows of a page, 1 to API_PAGE_MAX; answers 400 and false when bad. */
bool api_query_limit(struct api_request *r, uint64_t otherwise, uint64_t *out);
/* A number of the query or `otherwise`; answers 400 and false when bad. */
bool api_query_number(struct api_request *r, const char *name, uint64_t max,
                      uint64_t otherwise, uint64_t *out);
/* Takes over the reference. */
void api_answer(struct api_request *r, unsigned status, json_t *answer);
void api_error(struct api_request *r, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The answer for an engine's error. */
void api_refuse(struct api_request *r, int err, const char *what);
/* For wishes that are all taken or none: begin, the engine's calls with
 * api_taken after each, then api_when_durable, or undo. */
void api_begin(struct api_request *r);
void api_taken(struct api_request *r);
void api_undo(struct api_request *r);
/* Answers once everything the engine was just told is durable. */
void api_when_durable(struct api_request *r, unsigned status, json_t *answer);
/* The body as a JSON object (borrowed until the end of the handler), or NULL
 * after having answered 400. The caller drops it. */
json_t *api_body(struct api_request *r);

/* routes, one family a file */
void api_status(struct api_request *r);
void api_devices_list(struct api_request *r);
void api_devices_add(struct api_request *r);
void api_devices_import(struct api_request *r);
void api_devices_revoke(struct api_request *r);
void api_gateways_list(struct api_request *r);
void api_gateways_add(struct api_request *r);
void api_gateways_remove(struct api_request *r);
void api_speakers_list(struct api_request *r);
void api_speakers_add(struct api_request *r);
void api_speakers_remove(struct api_request *r);
void api_groups_list(struct api_request *r);
void api_groups_create(struct api_request *r);
void api_groups_members(struct api_request *r);
void api_groups_add(struct api_request *r);
void api_groups_remove(struct api_request *r);
void api_groups_rotate(struct api_request *r);
void api_groups_tell(struct api_request *r);
void api_groups_explain(struct api_request *r);
void api_groups_trace(struct api_request *r);
void api_keys_list(struct api_request *r);
void api_campaigns_list(struct api_request *r);
void api_campaigns_push(struct api_request *r);
void api_campaigns_get(struct api_request *r);
void api_campaigns_targets(struct api_request *r);
void api_campaigns_pause(struct api_request *r);
void api_campaigns_resume(struct api_request *r);
void api_campaigns_cancel(struct api_request *r);

/* The scheme of a new group from a body; answers 400 and false when bad. */
bool api_scheme_read(struct api_request *r, const json_t *body,
                     struct mu_group_scheme *out);
/* Adds what there is to say of a group's scheme. */
void api_scheme_write(json_t *group, const struct mu_group_view *v);
/* The cluster or level of a new member from a body, or MU_WHERE_ANY; answers
 * 400 and false when bad. */
bool api_where_read(struct api_request *r, const json_t *body, uint16_t *where);
/* The group of that name; answers 404 and false when there is none. */
bool api_group_find(struct api_request *r, const char *name,
                    struct mu_group_view *out);
/* {name: rows, "next": next or null}; takes over both. */
void api_answer_list(struct api_request *r, const char *name, json_t *rows,
                     json_t *next);

/* "1.2.3" or "7": up to four parts of 16 bits each, the first highest. */
MU_MUST int api_version_parse(const char *text, uint64_t *version);
void api_version_text(uint64_t version, char out[32]);
/* Hex to bytes; -1 when it is not hex or does not fit. */
long api_hex(const char *text, size_t len, uint8_t *out, size_t cap);

/* token.c: makes the file when it is not there; *why in words on an error. */
MU_MUST int api_token_load(const char *path, const struct mu_crypto *crypto,
                           struct mu_secret *token, const char **why);

#endif
