/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory of a node. */
#include "net/state.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"

int mu_state_path(char to[MU_PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(to, MU_PATH_MAX, "%s/%s", dir, name);

    return n < 0 || n >= MU_PATH_MAX ? MU_ERR_TOO_LARGE : 0;
}

int mu_state_dir(const char *path)
{
    char part[MU_PATH_MAX];
    int n = snprintf(part, sizeof(part), "%s/", path);

    if (n < 2 || n >= MU_PATH_MAX)
        return MU_ERR_USAGE;
    for (int i = 1; i < n; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            mu_log(MU_LOG_ERROR, "state-dir", "path=%s why=\"%s\"", part,
                   strerror(errno));
            return MU_ERR_IO;
        }
        part[i] = '/';
    }
    if (access(path, R_OK | W_OK | X_OK) != 0) {
        mu_log(MU_LOG_ERROR, "state-dir", "path=%s why=\"%s\"", path,
               strerror(errno));
        return MU_ERR_IO;
    }
    return 0;
}

int mu_state_journal(struct mu_journal **j, const char *dir, const char *id,
                     struct mu_store *store)
{
    char path[MU_PATH_MAX];
    struct mu_why why = { "" };
    struct mu_journal_stats stats;
    int rc = mu_state_path(path, dir, "journal");

    if (rc == 0)
        rc = mu_journal_open(j, path, NULL, store, &why);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "state", "id=%s why=\"%s\"", id, why.text);
        return rc;
    }
    mu_journal_stats(*j, &stats);
    if (stats.corrupt + stats.lost + stats.torn_bytes > 0)
        mu_log(MU_LOG_WARN, "journal", "id=%s file=%s corrupt=%" PRIu64
               " lost=%" PRIu64 " torn_bytes=%" PRIu64, id, path,
               stats.corrupt, stats.lost, stats.torn_bytes);
    return 0;
}

/* ---- depot ------------------------------------------------------------- */

struct depot_file {
    struct depot_file *next;
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t part;
    uint64_t size;
    struct mu_file_object *file;
    struct mu_object object;
};

struct mu_depot_files {
    char dir[MU_PATH_MAX];
    struct depot_file *files;
};

static int depot_path(const struct mu_depot_files *d,
                      const uint8_t campaign[MU_CAMPAIGN_ID], uint8_t part,
                      char path[MU_PATH_MAX])
{
    char name[2 * MU_CAMPAIGN_ID + 8];

    for (int i = 0; i < MU_CAMPAIGN_ID; i++)
        snprintf(name + 2 * i, 3, "%02x", campaign[i]);
    snprintf(name + 2 * MU_CAMPAIGN_ID, 8, ".%u", part);
    return mu_state_path(path, d->dir, name);
}

static struct depot_file **depot_find(struct mu_depot_files *d,
                                      const uint8_t campaign[MU_CAMPAIGN_ID],
                                      uint8_t part)
{
    struct depot_file **at = &d->files;

    while (*at != NULL && ((*at)->part != part ||
                           memcmp((*at)->campaign, campaign,
                                  MU_CAMPAIGN_ID) != 0))
        at = &(*at)->next;
    return at;
}

static void depot_drop(struct depot_file **at)
{
    struct depot_file *f = *at;

    *at = f->next;
    mu_file_object_close(f->file);
    free(f);
}

static int depot_open(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                      uint8_t part, uint64_t size, struct mu_object *out)
{
    struct mu_depot_files *d = ctx;
    struct depot_file **at = depot_find(d, campaign, part), *f = *at;
    char path[MU_PATH_MAX];
    struct mu_why why;
    int rc;

    if (f != NULL && f->size >= size) {
        *out = f->object;
        return 0;
    }
    if (f != NULL)
        depot_drop(at);
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return MU_ERR_FULL;
    memcpy(f->campaign, campaign, MU_CAMPAIGN_ID);
    f->part = part;
    f->size = size;
    rc = depot_path(d, campaign, part, path);
    if (rc == 0)
        rc = mu_file_object_open(&f->file, path, size, &f->object, &why);
    if (rc != 0) {
        mu_log(MU_LOG_WARN, "object", "why=\"%s\"", why.text);
        free(f);
        return rc;
    }
    f->next = d->files;
    d->files = f;
    *out = f->object;
    return 0;
}

static void depot_remove(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                         uint8_t part)
{
    struct mu_depot_files *d = ctx;
    struct depot_file **at = depot_find(d, campaign, part);
    char path[MU_PATH_MAX];

    if (*at != NULL)
        depot_drop(at);
    if (depot_path(d, campaign, part, path) == 0)
        unlink(path);
}

int mu_depot_files_open(struct mu_depot_files **d, const char *dir,
                        struct mu_depot *depot)
{
    int rc = mu_state_dir(dir);

    *d = NULL;
    if (rc != 0)
        return rc;
    *d = calloc(1, sizeof(**d));
    if (*d == NULL)
        return MU_ERR_FULL;
    snprintf((*d)->dir, sizeof((*d)->dir), "%s", dir);
    *depot = (struct mu_depot){
        .ctx = *d, .open = depot_open, .remove = depot_remove,
    };
    return 0;
}

/* The campaign and the part that depot_path wrote. */
static bool depot_name_read(const char *name, uint8_t campaign[MU_CAMPAIGN_ID],
                            uint8_t *part)
{
    unsigned number;
    int end = 0;

    for (int i = 0; i < MU_CAMPAIGN_ID; i++) {
        if (sscanf(name + 2 * i, "%2x%n", &number, &end) != 1 || end != 2)
            return false;
        campaign[i] = (uint8_t)number;
    }
    end = 0;
    if (sscanf(name + 2 * MU_CAMPAIGN_ID, ".%3u%n", &number, &end) != 1 ||
        name[2 * MU_CAMPAIGN_ID + end] != '\0' || number > UINT8_MAX)
        return false;
    *part = (uint8_t)number;
    return true;
}

void mu_depot_files_sweep(struct mu_depot_files *d,
                          bool (*known)(void *ctx,
                                        const uint8_t campaign[MU_CAMPAIGN_ID]),
                          void *ctx)
{
    uint8_t campaign[MU_CAMPAIGN_ID], part;
    DIR *dir = opendir(d->dir);
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (!depot_name_read(e->d_name, campaign, &part) ||
            known(ctx, campaign))
            continue;
        mu_log(MU_LOG_INFO, "object-unclaimed", "file=%s/%s", d->dir,
               e->d_name);
        depot_remove(d, campaign, part);
    }
    if (dir != NULL)
        closedir(dir);
}

void mu_depot_files_close(struct mu_depot_files *d)
{
    if (d == NULL)
        return;
    while (d->files != NULL)
        depot_drop(&d->files);
    free(d);
}
