/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay FOLDER: a fuzz target without a fuzzer. Every file of the corpus goes
 * through it as it is, cut short at each length (long files: at some), and with
 * each of some bytes changed. Crashes and sanitizers tell; the same each time.
 * A target may count in fuzz_taken what of its input was good: then each file
 * holds something good as it is, or has a name that begins with "bad-". So a
 * corpus does not outlive the layout that it was written in.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, VARIANTS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
extern unsigned long fuzz_taken __attribute__((weak));

/* From a block of its own size, so that a read past its end is seen. */
static void replay_one(const uint8_t *data, size_t len, size_t change)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, data, len);
    if (change < len)
        copy[change] ^= (uint8_t)(1u << change % 8);
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void replay_all(const uint8_t *data, size_t len)
{
    size_t step = len / VARIANTS + 1;

    for (size_t at = 0; at < len; at += step) {
        replay_one(data, at, at);
        replay_one(data, len, at);
    }
}

/* As it is; whether anything of it was taken, as far as the target says. */
static void replay_whole(const uint8_t *data, size_t len, const char *name)
{
    unsigned long before = &fuzz_taken != NULL ? fuzz_taken : 0;

    replay_one(data, len, len);
    if (&fuzz_taken == NULL ||
        (fuzz_taken != before) == (strncmp(name, "bad-", 4) != 0))
        return;
    fprintf(stderr, "%s: %lu taken of it\n", name, fuzz_taken - before);
    exit(1);
}

static void replay_file(const char *folder, const char *name)
{
    static uint8_t data[FILE_MAX];
    char path[4096];
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    len = fread(data, 1, sizeof(data), file);
    fclose(file);
    replay_whole(data, len, name);
    replay_all(data, len);
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    unsigned files = 0;

    if (folder == NULL) {
        fprintf(stderr, "usage: replay FOLDER (that can be read)\n");
        return 2;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        replay_file(argv[1], entry->d_name);
        files++;
    }
    closedir(folder);
    printf("%u files replayed\n", files);
    return files > 0 ? 0 : 1;
}
