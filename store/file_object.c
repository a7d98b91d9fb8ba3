/* SPDX-License-Identifier: Apache-2.0 */
/* An object in a file: an image slot, a prepared file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/file.h"

struct mu_file_object {
    int fd;
    uint64_t size; /* capacity */
};

static bool object_inside(const struct mu_file_object *f, uint64_t at,
                          size_t len)
{
    return len <= f->size && at <= f->size - len;
}

static int object_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    const struct mu_file_object *f = ctx;
    long got;

    if (!object_inside(f, at, len))
        return MU_ERR_TOO_LARGE;
    got = store_file_read(f->fd, to, len, at);
    if (got < 0)
        return MU_ERR_IO;
    mu_zero(to + got, len - (size_t)got);
    return 0;
}

static int object_write(void *ctx, uint64_t at, const uint8_t *from,
                        size_t len)
{
    const struct mu_file_object *f = ctx;

    if (!object_inside(f, at, len))
        return MU_ERR_TOO_LARGE;
    if (store_file_write(f->fd, from, len, at) != 0)
        return store_io_error();
    /* The disk begins now, so that the sync to come is short. */
    (void)sync_file_range(f->fd, (off_t)at, (off_t)len,
                          SYNC_FILE_RANGE_WRITE);
    return 0;
}

static int object_sync(void *ctx)
{
    const struct mu_file_object *f = ctx;

    return fdatasync(f->fd) == 0 ? 0 : store_io_error();
}

int mu_file_object_open(struct mu_file_object **f, const char *path,
                        uint64_t size, struct mu_object *object,
                        struct mu_why *why)
{
    struct mu_file_object *fresh;

    *f = NULL;
    if (size > INT64_MAX)
        return store_why(why, MU_ERR_USAGE, "%s: size too large", path);
    fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return store_why(why, MU_ERR_IO, "%s: no memory", path);
    fresh->size = size;
    fresh->fd = store_file_open(path, 0);
    if (fresh->fd < 0 || store_file_sync_dir(path) != 0) {
        int rc = store_why(why, MU_ERR_IO, "%s: %s", path, strerror(errno));
        mu_file_object_close(fresh);
        return rc;
    }
    *object = (struct mu_object){fresh, object_read, object_write, object_sync};
    *f = fresh;
    return 0;
}

void mu_file_object_close(struct mu_file_object *f)
{
    if (f == NULL)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}
