/* SPDX-License-Identifier: Apache-2.0 */
/* What the stores share about files: modes, directories, checksums, reasons. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include "store/store.h"

/* Fills in why (may be NULL), printf-like, and gives back rc. */
int store_why(struct mu_why *why, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What errno says: MU_ERR_FULL, or MU_ERR_IO. */
int store_io_error(void);

/* Opens for reading and writing, makes it with mode 0600 when it is not there,
 * takes the mode of others away when it is. Negative: errno says why. */
int store_file_open(const char *path, int flags);
/* MU_ERR_BUSY when another process has the file locked, MU_ERR_IO. */
MU_MUST int store_file_lock(int fd);
/* All of it, or -1: errno says why (an early end gives EIO). */
int store_file_write(int fd, const void *from, size_t len, uint64_t at);
/* Bytes read, less than len only at the end of the file, or -1. */
long store_file_read(int fd, void *to, size_t len, uint64_t at);
/* Makes names made or changed in the directory of path durable. */
int store_file_sync_dir(const char *path);

/* CRC-32C (RFC 3720 B.4): finds damage, not forgery. Begins with 0. */
uint32_t store_crc(uint32_t crc, struct mu_bytes in);

#endif
