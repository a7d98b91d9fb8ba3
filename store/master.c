/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master key: the one secret of the server that lies bare on the disk, so
 * its file belongs to the owner alone. "mustermk" | key (32) | CRC-32C (4).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/file.h"

#define MASTER_MAGIC "mustermk"
#define MASTER_MAGIC_LEN 8
#define MASTER_LEN 32 /* bytes of the key */
#define MASTER_FILE_LEN (MASTER_MAGIC_LEN + MASTER_LEN + 4)

static int master_read(int fd, const char *path, struct mu_secret *master,
                       struct mu_why *why)
{
    uint8_t file[MASTER_FILE_LEN + 1];
    long len = store_file_read(fd, file, sizeof file, 0);
    struct mu_reader r;
    int rc = 0;

    if (len < 0)
        return store_why(why, MU_ERR_IO, "%s: %s", path, strerror(errno));
    r = mu_reader(mu_bytes(file, (size_t)len));
    struct mu_bytes magic = mu_read_bytes(&r, MASTER_MAGIC_LEN);
    struct mu_bytes key = mu_read_bytes(&r, MASTER_LEN);
    uint32_t crc = mu_read_u32(&r);
    if (mu_reader_end(&r) != 0 ||
        !mu_bytes_eq(magic, mu_bytes_str(MASTER_MAGIC)) ||
        crc != store_crc(0, mu_bytes(file, MASTER_FILE_LEN - 4)) ||
        mu_secret_set(master, key) != 0)
        rc = store_why(why, MU_ERR_CORRUPT,
                       "%s: not a master key file, or damaged", path);
    mu_wipe(file, sizeof file);
    return rc;
}

static int master_open(const char *path, struct mu_secret *master,
                       struct mu_why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
    struct stat st;
    int rc;

    if (fd < 0 && errno == ENOENT)
        return MU_ERR_NOT_FOUND;
    if (fd < 0)
        return store_why(why, MU_ERR_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0)
        rc = store_why(why, MU_ERR_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        rc = store_why(why, MU_ERR_CORRUPT, "%s: not a file", path);
    else if (st.st_uid != geteuid())
        rc = store_why(why, MU_ERR_FORBIDDEN,
                       "%s: belongs to user %u, not to you", path,
                       (unsigned)st.st_uid);
    else if ((st.st_mode & 077) != 0)
        rc = store_why(why, MU_ERR_FORBIDDEN,
                       "%s: mode %04o lets others at the master key; "
                       "chmod 600 it, or make a new key if others had it",
                       path, (unsigned)st.st_mode & 07777);
    else
        rc = master_read(fd, path, master, why);
    close(fd);
    return rc;
}

/* Writes a new key beside path and links it there, whole and durable: two
 * programs that start at once agree on one key. */
static int master_make(const struct mu_crypto *c, const char *path,
                       struct mu_why *why)
{
    uint8_t file[MASTER_FILE_LEN];
    struct mu_writer w = mu_writer(file, sizeof file);
    char draft[PATH_MAX];
    uint8_t *key;
    bool made = false;
    int fd;

    mu_write_bytes(&w, mu_bytes_str(MASTER_MAGIC));
    key = mu_write_room(&w, MASTER_LEN);
    if (key == NULL || c->random(c->ctx, key, MASTER_LEN) != 0)
        return store_why(why, MU_ERR_CRYPTO, "%s: no random numbers", path);
    mu_write_u32(&w, store_crc(0, mu_written(&w)));
    if (mu_writer_end(&w) != 0 ||
        snprintf(draft, sizeof draft, "%s.%ld", path, (long)getpid()) >=
            (int)sizeof draft)
        return store_why(why, MU_ERR_USAGE, "%s: path too long", path);
    fd = store_file_open(draft, O_TRUNC);
    if (fd >= 0) {
        made = store_file_write(fd, file, sizeof file, 0) == 0 &&
               fsync(fd) == 0 &&
               (link(draft, path) == 0 || errno == EEXIST) &&
               store_file_sync_dir(path) == 0;
    }
    int error = errno;
    mu_wipe(file, sizeof file);
    if (fd >= 0) {
        close(fd);
        unlink(draft);
    }
    return made ? 0
                : store_why(why, MU_ERR_IO, "%s: %s", path, strerror(error));
}

int mu_master_load(const struct mu_crypto *c, const char *path,
                   struct mu_secret *master, struct mu_why *why)
{
    int rc;

    mu_secret_clear(master);
    rc = master_open(path, master, why);
    if (rc != MU_ERR_NOT_FOUND)
        return rc;
    rc = master_make(c, path, why);
    if (rc == 0)
        rc = master_open(path, master, why);
    if (rc == MU_ERR_NOT_FOUND)
        rc = store_why(why, MU_ERR_IO, "%s: gone as soon as made", path);
    return rc;
}
