/* SPDX-License-Identifier: Apache-2.0 */
/* magic (8) generation (8) index (2) pages (4) round (2) kg (1, n) manifest (2, n), then
 * the SHA-256 of it all, against damage. */
#include "net/mesh_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/file.h"

#define STATE_MAGIC "muMesh1\n"
#define STATE_MAX (8 + 8 + 2 + 4 + 2 + 1 + MU_SECRET_MAX + 2 + MU_ANNOUNCE_MAX + 32)

static void state_write(const struct mu_crypto *c,
                        const struct mu_mesh_state *s, struct mu_writer *w)
{
    uint8_t hash[MU_SHA256_LEN];
    struct mu_bytes all;

    mu_write_bytes(w, mu_bytes_str(STATE_MAGIC));
    mu_write_u64(w, s->generation);
    mu_write_u16(w, s->index);
    mu_write_u32(w, s->pages);
    mu_write_u16(w, s->round);
    mu_write_u8(w, s->kg.len);
    mu_write_bytes(w, mu_secret_view(&s->kg));
    mu_write_u16(w, s->manifest_len);
    mu_write_bytes(w, mu_bytes(s->manifest, s->manifest_len));
    all = mu_written(w);
    mu_sha256(c, &all, 1, hash);
    mu_write_bytes(w, MU_BYTES(hash));
}

int mu_mesh_state_save(const struct mu_crypto *c, const char *path,
                       const struct mu_mesh_state *s)
{
    uint8_t room[STATE_MAX];
    struct mu_writer w = mu_writer(room, sizeof(room));
    char fresh[1024 + 8];
    int fd, rc = 0;

    state_write(c, s, &w);
    if (mu_writer_end(&w) != 0 ||
        snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
        rc = MU_ERR_TOO_LARGE;
    fd = rc == 0 ? open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                 : -1;
    if (rc == 0 && (fd < 0 || store_file_write(fd, room, w.len, 0) != 0 ||
                    fdatasync(fd) != 0))
        rc = store_io_error();
    if (fd >= 0)
        close(fd);
    if (rc == 0 && (rename(fresh, path) != 0 || store_file_sync_dir(path) != 0))
        rc = store_io_error();
    mu_wipe(room, sizeof(room));
    return rc;
}

static int state_read(const struct mu_crypto *c, struct mu_bytes file,
                      struct mu_mesh_state *s)
{
    uint8_t hash[MU_SHA256_LEN];
    struct mu_bytes all = mu_bytes(file.data, file.len - MU_SHA256_LEN);
    struct mu_reader r = mu_reader(all);
    struct mu_bytes part;

    mu_sha256(c, &all, 1, hash);
    if (!mu_ct_eq(hash, file.data + all.len, sizeof(hash)))
        return MU_ERR_CORRUPT;
    part = mu_read_bytes(&r, strlen(STATE_MAGIC));
    if (!mu_bytes_eq(part, mu_bytes_str(STATE_MAGIC)))
        return MU_ERR_CORRUPT;
    s->generation = mu_read_u64(&r);
    s->index = mu_read_u16(&r);
    s->pages = mu_read_u32(&r);
    s->round = mu_read_u16(&r);
    part = mu_read_bytes(&r, mu_read_u8(&r));
    if (r.failed || (part.len > 0 && mu_secret_set(&s->kg, part) != 0))
        return MU_ERR_CORRUPT;
    s->manifest_len = mu_read_u16(&r);
    part = mu_read_bytes(&r, s->manifest_len);
    if (mu_reader_end(&r) != 0 || part.len > sizeof(s->manifest))
        return MU_ERR_CORRUPT;
    if (part.len > 0)
        memcpy(s->manifest, part.data, part.len);
    return 0;
}

int mu_mesh_state_load(const struct mu_crypto *c, const char *path,
                       struct mu_mesh_state *s)
{
    uint8_t room[STATE_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
    long len;

    *s = (struct mu_mesh_state){ .pages = 0 };
    if (fd < 0)
        return errno == ENOENT ? MU_ERR_NOT_FOUND : MU_ERR_IO;
    len = store_file_read(fd, room, sizeof(room), 0);
    close(fd);
    rc = len < MU_SHA256_LEN ? MU_ERR_CORRUPT
                             : state_read(c, mu_bytes(room, (size_t)len), s);
    mu_wipe(room, sizeof(room));
    if (rc != 0) {
        mu_secret_clear(&s->kg);
        *s = (struct mu_mesh_state){ .pages = 0 };
    }
    return rc;
}
