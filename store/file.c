/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the stores. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int store_why(struct mu_why *why, int rc, const char *format, ...)
{
    va_list args;

    if (why == NULL)
        return rc;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return rc;
}

int store_file_open(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | flags, 0600);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    if ((st.st_mode & 077) != 0 && fchmod(fd, st.st_mode & 0700) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int store_file_lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? MU_ERR_BUSY : MU_ERR_IO;
}

int store_io_error(void)
{
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? MU_ERR_FULL
                                                                : MU_ERR_IO;
}

int store_file_write(int fd, const void *from, size_t len, uint64_t at)
{
    const uint8_t *next = from;

    while (len > 0) {
        ssize_t n = pwrite(fd, next, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0) {
            errno = EIO;
            return -1;
        }
        next += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

long store_file_read(int fd, void *to, size_t len, uint64_t at)
{
    uint8_t *next = to;
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, next + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (long)done;
}

int store_file_sync_dir(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL   ? strdup(".")
                : slash == path ? strdup("/")
                                : strndup(path, (size_t)(slash - path));
    int fd;
    int rc;

    if (dir == NULL)
        return -1;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd < 0)
        return -1;
    rc = fsync(fd);
    close(fd);
    return rc;
}

uint32_t store_crc(uint32_t crc, struct mu_bytes in)
{
    /* Reflected polynomial 0x82f63b78, four bits at a time. */
    static const uint32_t nibbles[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    crc = ~crc;
    for (size_t i = 0; i < in.len; i++) {
        crc ^= in.data[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}
