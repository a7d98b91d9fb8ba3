/* SPDX-License-Identifier: Apache-2.0 */
/* The token of the API: 32 random bytes, in hex, in a file for its owner only. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"

#define TOKEN_LEN 32

static int token_make(const char *path, const struct mu_crypto *crypto,
                      const char **why)
{
    uint8_t raw[TOKEN_LEN];
    char text[2 * TOKEN_LEN + 2];
    *why = "it cannot be written";
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return MU_ERR_IO;
    int rc = crypto->random(crypto->ctx, raw, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(text + 2 * i, 3, "%02x", raw[i]);
    text[2 * TOKEN_LEN] = '\n';
    if (rc == 0 && (write(fd, text, 2 * TOKEN_LEN + 1) != 2 * TOKEN_LEN + 1 ||
                    fsync(fd) != 0))
        rc = MU_ERR_IO;
    close(fd);
    mu_wipe(raw, sizeof raw);
    mu_wipe(text, sizeof text);
    if (rc != 0)
        unlink(path);
    return rc;
}

int api_token_load(const char *path, const struct mu_crypto *crypto,
                   struct mu_secret *token, const char **why)
{
    struct stat st;
    char text[2 * TOKEN_LEN + 1];
    uint8_t raw[TOKEN_LEN];
    int rc = MU_ERR_USAGE;
    if (access(path, F_OK) != 0) {
        int made = token_make(path, crypto, why);
        if (made != 0)
            return made;
    }
    *why = "it cannot be read";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return MU_ERR_IO;
    if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0) {
        *why = "others may read it; chmod 600 it";
    } else if (read(fd, text, 2 * TOKEN_LEN) != 2 * TOKEN_LEN ||
               api_hex(text, 2 * TOKEN_LEN, raw, sizeof raw) != TOKEN_LEN) {
        *why = "it does not hold 64 hex digits";
    } else {
        rc = mu_secret_set(token, MU_BYTES(raw));
        *why = NULL;
    }
    close(fd);
    mu_wipe(raw, sizeof raw);
    mu_wipe(text, sizeof text);
    return rc;
}
