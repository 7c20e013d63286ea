/* Runs a fuzz target over the files of a folder, without a fuzzer: known inputs are tests of every build. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A block of exactly the file's size, so that the address sanitizer sees a read beyond its end. */
static void replay(const char *path)
{
    struct error error = {0};
    char *data;
    size_t size;
    if (file_read(path, 64 << 20, &data, &size, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        exit(1);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(data);
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int n = 0;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        replay(path);
        n++;
    }
    closedir(folder);
    printf("%d inputs\n", n);
    return n ? 0 : 1;
}
