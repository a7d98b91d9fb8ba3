/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of this process for the files of a test. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/store/contract.h"

static char scratch_dir[256];

static void scratch_make(void)
{
    const char *tmp = getenv("TMPDIR");

    if (scratch_dir[0] != 0)
        return;
    /* In memory where there is such a place: these tests sync all the time,
     * and a process that ends loses nothing that it has written anyway. */
    if (tmp == NULL)
        tmp = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(scratch_dir, sizeof scratch_dir, "%s/muster-test-XXXXXX", tmp);
    if (mkdtemp(scratch_dir) == NULL) {
        perror(scratch_dir);
        exit(2);
    }
}

const char *scratch_path(const char *name)
{
    static char ring[4][512];
    static unsigned next;
    char *path = ring[next++ % 4];

    scratch_make();
    snprintf(path, sizeof ring[0], "%s/%s", scratch_dir, name);
    return path;
}

void scratch_empty(void)
{
    DIR *dir;
    struct dirent *entry;

    scratch_make();
    dir = opendir(scratch_dir);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
}

void scratch_clean(void)
{
    if (scratch_dir[0] == 0)
        return;
    scratch_empty();
    rmdir(scratch_dir);
    scratch_dir[0] = 0;
}
