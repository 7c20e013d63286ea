#include "journal/snapshots.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "journal/snapshot_format.h"

/* ---- names ---- */

static bool read_name(const char *name, const char *end, uint64_t *ret)
{
    uint64_t number = 0;
    int i = 0;
    for (; name[i] >= '0' && name[i] <= '9'; i++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(name[i] - '0'), &number))
            return false;
    }
    *ret = number;
    return i == 20 && strcmp(name + i, end) == 0;
}

int snapshot_path(const struct snapshots *snapshots, uint64_t seq, bool staging, char ret[IO_PATH_SIZE],
                  struct error *error)
{
    char name[SNAPSHOT_NAME_SIZE];
    snprintf(name, sizeof name, "%020" PRIu64 ".snap%s", seq, staging ? ".new" : "");
    return io_path(ret, snapshots->directory, name, error);
}

static int take_name(void *argument, const char *name)
{
    struct snapshot_names *names = argument;
    uint64_t seq;
    if (read_name(name, ".snap", &seq)) {
        if (!memory_grow(&names->seqs, &names->capacity, names->n + 1, sizeof seq))
            return ENOMEM;
        names->seqs[names->n++] = seq;
    } else if (read_name(name, ".snap.new", &seq)) {
        if (!memory_grow(&names->staging, &names->staging_capacity, names->n_staging + 1, sizeof seq))
            return ENOMEM;
        names->staging[names->n_staging++] = seq;
    }
    return 0;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void snapshot_names_done(struct snapshot_names *names)
{
    free(names->seqs);
    free(names->staging);
    *names = (struct snapshot_names){0};
}

int snapshot_list(const struct snapshots *snapshots, struct snapshot_names *ret, struct error *error)
{
    *ret = (struct snapshot_names){0};
    int code = io_list(snapshots->io, snapshots->directory, take_name, ret, error);
    if (code)
        snapshot_names_done(ret);
    else if (ret->n)
        qsort(ret->seqs, ret->n, sizeof *ret->seqs, ascending);
    return code;
}

int snapshots_init(struct snapshots *snapshots, const struct io *io, const char *directory,
                   const uint8_t identity[JOURNAL_IDENTITY], struct error *error)
{
    struct snapshot_names names;
    size_t n = strlen(directory);
    if (n >= sizeof snapshots->directory)
        return error_set(error, CODE_LIMIT, "the path of the snapshots has %zu bytes, at most %d", n,
                         IO_PATH_SIZE - 1);
    memcpy(snapshots->directory, directory, n + 1);
    memcpy(snapshots->identity, identity, JOURNAL_IDENTITY);
    snapshots->io = io ? io : io_system();
    int code = snapshot_list(snapshots, &names, error);
    if (code)
        return code;
    code = io_sync_directory(snapshots->io, snapshots->directory, error);
    for (size_t i = 0; !code && i < names.n_staging; i++) {
        char path[IO_PATH_SIZE];
        code = snapshot_path(snapshots, names.staging[i], true, path, error);
        if (!code)
            code = io_remove(snapshots->io, path, error);
    }
    snapshot_names_done(&names);
    return code;
}

/* ---- the newest good one ---- */

static void report_dropped(struct snapshots_report *report, const char *message)
{
    size_t used = strlen(report->text);
    snprintf(report->text + used, sizeof report->text - used, "%s%.500s", used ? "; " : "", message);
    report->dropped++;
}

int snapshots_newest(const struct snapshots *snapshots, uint64_t most, bool check,
                     struct snapshot_reader **ret, struct snapshots_report *ret_report, struct error *error)
{
    struct snapshots_report report = {0};
    struct snapshot_names names;
    struct snapshot_reader *reader = NULL;
    struct error own;
    int code = snapshot_list(snapshots, &names, error);
    if (code)
        return code;
    for (size_t i = names.n; !code && !reader && i-- > 0;) {
        if (names.seqs[i] > most)
            continue;
        code = snapshot_open(snapshots, names.seqs[i], check, &reader, &own);
        if (code == CODE_CORRUPT || code == CODE_IO) {
            report_dropped(&report, own.message);
            code = OK;
        } else if (code && error) {
            *error = own;
        }
    }
    snapshot_names_done(&names);
    if (code)
        return code;
    *ret = reader;
    if (ret_report)
        *ret_report = report;
    return OK;
}

int snapshots_kept(const struct snapshots *snapshots, struct snapshot_place ret[LIMIT_SNAPSHOTS], int *ret_n,
                   struct error *error)
{
    struct snapshot_names names;
    int n = 0, code = snapshot_list(snapshots, &names, error);
    if (code)
        return code;
    for (size_t i = names.n; i-- > 0 && n < LIMIT_SNAPSHOTS;) {
        struct snapshot_reader *reader;
        if (snapshot_open(snapshots, names.seqs[i], false, &reader, NULL))
            continue;
        const struct snapshot_head *head = snapshot_reader_head(reader);
        ret[n++] = (struct snapshot_place){head->seq, head->position};
        snapshot_reader_free(reader);
    }
    snapshot_names_done(&names);
    *ret_n = n;
    return OK;
}

int snapshots_remove(const struct snapshots *snapshots, uint64_t seq, struct error *error)
{
    char path[IO_PATH_SIZE];
    int code = snapshot_path(snapshots, seq, false, path, error);
    if (!code)
        code = io_remove(snapshots->io, path, error);
    return code ? code : io_sync_directory(snapshots->io, snapshots->directory, error);
}
