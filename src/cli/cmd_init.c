/* shrike init DIR: a project that works at once. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/embedded.h"
#include "stream/generator.h"
#include "table/file_io.h"
#include "table/json_rows.h"

/* The sample: what the generated README's first command makes, to the byte. */
static const struct generator_value sample_values[] = {{"customers", 1000}, {"terminals", 2000}};
enum { SAMPLE_VALUES = 2, SAMPLE_SEED = 1, SAMPLE_DAYS = 60 };
#define SAMPLE_START "2018-04-01"
#define SAMPLE_FILE "data/transactions.parquet"

/* What a fresh project has written so far is removed again where the rest fails; what was there before is
 * not. */
static void protect(const char *path, bool force)
{
    if (!force && access(path, F_OK))
        file_guard(path);
}

static int check_empty(const char *directory, struct error *error)
{
    DIR *stream = opendir(directory);
    if (!stream && errno == ENOENT)
        return OK;
    if (!stream)
        return error_set_errno(error, errno, "cannot look into %s", directory);
    int code = OK;
    for (struct dirent *entry = readdir(stream); entry && !code; entry = readdir(stream))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            code = error_set(error, CODE_CONFLICT,
                             "%s is not empty (it has %s); --force writes the project's files "
                             "beside what is there, over those of the same names",
                             directory, entry->d_name);
    closedir(stream);
    return code;
}

static int path_in(const char *directory, const char *name, char ret[PATH_MAX], struct error *error)
{
    if (snprintf(ret, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
        return error_set(error, CODE_LIMIT, "the path %s is too long", directory);
    return OK;
}

static int make_directory(const char *path, bool force, struct error *error)
{
    /* Guarded first, so that there is no moment without; a directory that is not empty stays anyway. */
    protect(path, force);
    return file_make_directory(path, error);
}

static int copy_rows(struct generator *generator, struct writer *writer, struct error *error)
{
    struct table table;
    int code = table_init(&table, generator_schema(generator), error);
    if (code)
        return code;
    do {
        code = generator_next(generator, &table, error);
        if (!code && table.length)
            code = writer_append(writer, &table, error);
    } while (!code && table.length);
    table_done(&table);
    return code;
}

static int write_sample(const char *path, const char *profile, bool force, struct error *error)
{
    struct generator_options options = {.profile = profile,
                                        .values = sample_values,
                                        .n_values = SAMPLE_VALUES,
                                        .seed = SAMPLE_SEED,
                                        .days = SAMPLE_DAYS,
                                        .threads = 1};
    struct generator *generator;
    struct writer *writer;
    int code = units_time(SAMPLE_START, &options.start_us, error);
    if (!code)
        code = generator_open(&options, &generator, error);
    if (code)
        return code;
    struct writer_options file = {.path = path, .schema = generator_schema(generator)};
    code = writer_open(&file, &writer, error);
    if (!code) {
        code = copy_rows(generator, writer, error);
        if (code) {
            writer_abandon(writer);
        } else {
            protect(path, force);
            code = writer_finish(writer, error);
        }
    }
    generator_close(generator);
    return code;
}

static int write_texts(const char *directory, bool force, struct error *error)
{
    char path[PATH_MAX];
    int code = OK;
    for (const struct embedded_file *file = project_handbook; file->name && !code; file++) {
        code = path_in(directory, file->name, path, error);
        if (code)
            break;
        protect(path, force);
        code = file_write(path, file->data, file->size, error);
    }
    return code;
}

/* The data first: it is what a full disk would stop. */
static int write_project(const char *directory, const char *profile, bool force, struct error *error)
{
    char path[PATH_MAX];
    int code = make_directory(directory, force, error);
    static const char *const folders[] = {"data", "out"};
    for (int i = 0; i < 2 && !code; i++) {
        code = path_in(directory, folders[i], path, error);
        if (!code)
            code = make_directory(path, force, error);
    }
    if (!code)
        code = path_in(directory, SAMPLE_FILE, path, error);
    if (!code)
        code = write_sample(path, profile, force, error);
    return code ? code : write_texts(directory, force, error);
}

/* It stands: nothing may remove it any more. */
static void release(const char *directory)
{
    static const char *const names[] = {"data", "out", SAMPLE_FILE};
    char path[PATH_MAX];
    file_forget(directory);
    for (int i = 0; i < 3; i++)
        if (!path_in(directory, names[i], path, NULL))
            file_forget(path);
    for (const struct embedded_file *file = project_handbook; file->name; file++)
        if (!path_in(directory, file->name, path, NULL))
            file_forget(path);
}

static void print_json(const char *directory)
{
    struct buffer out;
    buffer_init(&out, 64 * PATH_MAX);
    buffer_text(&out, "{\"directory\": ");
    json_write_string(&out, directory, strlen(directory));
    buffer_text(&out, ", \"files\": [");
    for (const struct embedded_file *file = project_handbook; file->name; file++) {
        json_write_string(&out, file->name, strlen(file->name));
        buffer_text(&out, ", ");
    }
    json_write_string(&out, SAMPLE_FILE, strlen(SAMPLE_FILE));
    buffer_text(&out, "]}");
    puts(out.data ? out.data : "");
    buffer_done(&out);
}

static void print_text(const char *directory)
{
    printf("%s is a project now:\n\n"
           "  features.sql               what the model looks at\n"
           "  rules.sql                  what is done with its score\n"
           "  shrike.yaml                settings\n"
           "  " SAMPLE_FILE "  60 days of simulated payments\n"
           "  README.md                  six commands, from payments to decisions\n\n"
           "Next: cd %s, then follow README.md.\n",
           directory, directory);
}

static int run(const struct arguments *arguments, struct error *error)
{
    const char *directory = argument_positional(arguments, 0);
    bool force = argument_flag(arguments, "force");
    int code = force ? OK : check_empty(directory, error);
    if (!code)
        code = write_project(directory, argument_text(arguments, "profile"), force, error);
    if (code)
        return code;
    release(directory);
    if (argument_flag(arguments, "json"))
        print_json(directory);
    else
        print_text(directory);
    return OK;
}

static const struct option options[] = {
    {.name = "profile",
     .kind = OPTION_CHOICE,
     .argument = "handbook",
     .fallback = "handbook",
     .text =
         "What the sample data and the features are about. handbook: payments of customers at terminals."},
    {.name = "force",
     .kind = OPTION_FLAG,
     .text = "Write into a directory that is not empty, over files of the same names."},
    {.name = "json", .kind = OPTION_FLAG, .text = "Print JSON."},
    {0},
};

const struct command command_init = {
    .name = "init",
    .summary = "Start a project: features, rules, settings and sample data that work at once.",
    .positionals = "DIR",
    .minimum = 1,
    .maximum = 1,
    .example = "shrike init fraud",
    .options = options,
    .run = run,
};
