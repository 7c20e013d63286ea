/*
 * Loading of models: the CPU time until one can score, and the memory that it then keeps.
 *
 *   bench_load MODEL...
 *
 * One line per file: the file's bytes, milliseconds of CPU (the median of the rounds; reading the file is
 * among it), bytes that the loaded model keeps as the C library counts them, and how many times the file's
 * bytes that is.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/file.h"
#include "base/limits.h"
#include "model/model.h"

enum { ROUNDS = 15 };

static double cpu_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t file_bytes(const char *path, struct error *error)
{
    char *data;
    size_t size = 0;
    if (file_read(path, LIMIT_MODEL_BYTES, &data, &size, error) == OK)
        free(data);
    return size;
}

static int measure(const char *path, struct error *error)
{
    double times[ROUNDS];
    size_t size = file_bytes(path, error), kept = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct model *model;
        size_t before = bytes_in_use();
        double start = cpu_ms();
        int code = model_load(path, &model, error);
        if (code)
            return code;
        times[i] = cpu_ms() - start;
        kept = bytes_in_use() - before;
        if (i == 0)
            printf("%-16s%-8s", model_format(model)->name, model_kernel(model));
        model_unref(model);
    }
    qsort(times, ROUNDS, sizeof *times, by_size);
    printf("%12zu%10.1f%12zu%8.2f  %s\n", size, times[ROUNDS / 2], kept, (double)kept / (double)size, path);
    return OK;
}

int main(int argc, char **argv)
{
    struct error error = {0};
    printf("%-16s%-8s%12s%10s%12s%8s\n", "format", "kernel", "file bytes", "CPU ms", "memory", "by file");
    for (int i = 1; i < argc; i++)
        if (measure(argv[i], &error)) {
            (void)fprintf(stderr, "bench_load: %s\n", error.message);
            return 1;
        }
    return 0;
}
