/* JSON lines to a file, or to standard output, where every append is written at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/json_rows.h"
#include "table/sink.h"

/* Written in pieces of this size; a row on top of it is at most a line and its strings' escapes. */
enum { PIECE = 256 << 10, ESCAPES = 6 };

struct json_sink {
    struct sink base;
    int fd;
    bool standard;
    struct buffer out;
};

static int flush(struct json_sink *sink, struct error *error)
{
    int code = buffer_check(&sink->out, "a row", error);
    for (size_t done = 0; code == OK && done < sink->out.size;) {
        ssize_t n = write(sink->fd, sink->out.data + done, sink->out.size - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            code = error_set_errno(error, errno, "cannot write");
    }
    buffer_clear(&sink->out);
    return code;
}

static int json_sink_append(struct sink *base, const struct table *table, struct error *error)
{
    struct json_sink *sink = (struct json_sink *)base;
    int code = OK;
    for (int64_t i = 0; code == OK && i < table->length; i++) {
        json_rows_write(table, i, &sink->out);
        buffer_append(&sink->out, "\n", 1);
        if (sink->out.size >= PIECE || sink->out.failed)
            code = flush(sink, error);
    }
    return code == OK && sink->standard ? flush(sink, error) : code;
}

static int json_sink_end(struct sink *base, struct error *error)
{
    struct json_sink *sink = (struct json_sink *)base;
    int code = flush(sink, error);
    int fd = sink->fd;
    sink->fd = -1;
    if (!sink->standard && close(fd) && code == OK)
        code = error_set_errno(error, errno, "cannot write");
    return code;
}

static void json_sink_close(struct sink *base)
{
    struct json_sink *sink = (struct json_sink *)base;
    if (sink->fd >= 0 && !sink->standard)
        close(sink->fd);
    buffer_done(&sink->out);
    free(sink);
}

int json_sink_open(const struct writer_options *options, const char *target, struct sink **ret,
                   struct error *error)
{
    struct json_sink *sink = memory_new(1, sizeof *sink);
    if (!sink)
        return error_set(error, CODE_MEMORY, "no memory for writing");
    sink->base = (struct sink){json_sink_append, json_sink_end, json_sink_close};
    sink->standard = strcmp(options->path, "-") == 0;
    buffer_init(&sink->out, PIECE + (size_t)ESCAPES * LIMIT_STRING * (size_t)(options->schema->n + 1));
    sink->fd = sink->standard ? STDOUT_FILENO : open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (sink->fd < 0) {
        int code = error_set_errno(error, errno, "cannot write");
        json_sink_close(&sink->base);
        return code;
    }
    *ret = &sink->base;
    return OK;
}
