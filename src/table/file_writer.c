#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "table/sink.h"

struct writer {
    struct sink *sink;
    char *path;
    char staging[PATH_MAX]; /* the path itself for a device or pipe, "" for standard output */
    bool guarded;
    enum format format;
    int code; /* of the first failure, repeated from then on */
    struct error error;
};

static int fail(struct writer *writer, int code, const struct error *why, struct error *error)
{
    writer->code = code;
    writer->error = *why;
    if (!writer->error.place[0])
        error_at(&writer->error, writer->path, 0, 0);
    if (error)
        *error = writer->error;
    return code;
}

/* Makes the staging file, so that what the operating system refuses is told in its own words and at once. */
static int stage(struct writer *writer, struct error *error)
{
    int code = file_staging(writer->path, writer->staging, sizeof writer->staging, error);
    if (code != OK || strcmp(writer->staging, writer->path) == 0)
        return code;
    file_guard(writer->staging);
    writer->guarded = true;
    int fd = open(writer->staging, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot create the file");
    close(fd);
    return OK;
}

static void release(struct writer *writer)
{
    if (writer->sink)
        writer->sink->close(writer->sink);
    if (writer->guarded) {
        /* After a commit there is nothing under this name. */
        unlink(writer->staging);
        file_forget(writer->staging);
    }
    free(writer->path);
    free(writer);
}

int writer_open(const struct writer_options *options, struct writer **ret, struct error *error)
{
    enum format format;
    struct error why = {0};
    int code = format_of(options->path, &format, error);
    if (code != OK)
        return code;
    struct writer *writer = memory_new(1, sizeof *writer);
    char *path = memory_text(options->path, strlen(options->path));
    if (!writer || !path) {
        free(writer);
        free(path);
        return error_set(error, CODE_MEMORY, "no memory for writing");
    }
    writer->path = path;
    writer->format = format;
    if (strcmp(path, "-") != 0)
        code = stage(writer, &why);
    if (code == OK && format == FORMAT_JSON)
        code = json_sink_open(options, writer->staging, &writer->sink, &why);
    else if (code == OK && format == FORMAT_PARQUET)
        code = parquet_sink_open(options, writer->staging, &writer->sink, &why);
    else if (code == OK)
        code = duck_sink_open(options, format, writer->staging, &writer->sink, &why);
    if (code == OK) {
        *ret = writer;
        return OK;
    }
    fail(writer, code, &why, error);
    release(writer);
    return code;
}

/* Parquet and CSV hold HUGEINT as DECIMAL(38,0), which ends before HUGEINT does. */
static int check_hugeints(const struct table *table, struct error *error)
{
    for (int i = 0; i < table->schema->n; i++) {
        if (table->schema->fields[i].type.id != TYPE_HUGEINT)
            continue;
        __int128 limit = (__int128)INT64_C(10000000000000000) * INT64_C(10000000000000000) * 1000000;
        for (int64_t k = 0; k < table->length; k++) {
            __int128 value = column_wide(&table->columns[i], k);
            if (!column_is_null(&table->columns[i], k) && (value >= limit || value <= -limit))
                return error_set(error, CODE_INVALID, "column \"%s\": a file holds no integers of 39 digits",
                                 table->schema->fields[i].name);
        }
    }
    return OK;
}

int writer_append(struct writer *writer, const struct table *table, struct error *error)
{
    struct error why = {0};
    if (writer->code != OK)
        return fail(writer, writer->code, &writer->error, error);
    int code = writer->format == FORMAT_JSON ? OK : check_hugeints(table, &why);
    if (code == OK)
        code = writer->sink->append(writer->sink, table, &why);
    return code == OK ? OK : fail(writer, code, &why, error);
}

int writer_finish(struct writer *writer, struct error *error)
{
    struct error why = writer->error;
    int code = writer->code;
    if (code == OK)
        code = writer->sink->end(writer->sink, &why);
    if (code == OK && writer->staging[0])
        code = file_commit(writer->staging, writer->path, &why);
    if (code != OK)
        fail(writer, code, &why, error);
    release(writer);
    return code;
}

void writer_abandon(struct writer *writer)
{
    if (writer)
        release(writer);
}
