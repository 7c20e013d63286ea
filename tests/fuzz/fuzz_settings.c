/* A shrike.yaml of any bytes: read, or refused with a place in the file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_nothing(const struct arguments *arguments, struct error *error)
{
    (void)arguments;
    (void)error;
    return OK;
}

static const struct option table[] = {
    {.name = "in", .kind = OPTION_LIST, .argument = "FILE", .text = "Input."},
    {.name = "seed", .kind = OPTION_INTEGER, .argument = "N", .text = "Seed.", .minimum = 0, .maximum = 9},
    {.name = "train", .kind = OPTION_SPAN, .argument = "FROM..TO", .text = "Span."},
    {.name = "json", .kind = OPTION_FLAG, .text = "JSON."},
    {0},
};
static const struct command work = {"work", "Works.", "", 0, 0, "", table, run_nothing};
static const struct command plan_check = {"plan check", "Checks.", "", 0, 0, "", table + 3, run_nothing};
const struct command *const commands[] = {&work, &plan_check, NULL};

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int file = memfd_create("settings", MFD_CLOEXEC);
    require(file >= 0 && write(file, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);

    struct arguments arguments;
    struct error error = {0};
    require(arguments_parse(&arguments, &work, 0, NULL, &error) == OK);
    int code = settings_read(&arguments, path, &error);
    require(code == OK || (code == CODE_USAGE && error.line > 0 && strcmp(error.place, path) == 0));
    for (int i = 0; code == OK && i < arguments.n_values; i++)
        require(value_read(&table[i], &arguments.values[i], &error) == OK || error.code == CODE_USAGE);
    arguments_done(&arguments);
    close(file);
    return 0;
}
