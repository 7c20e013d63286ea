#include "score/current.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "score/durable_struct.h"

static int keep(struct current *current, const char *body, size_t size, struct error *error)
{
    char *copy = memory_text(body, size);
    if (!copy)
        return error_set(error, CODE_MEMORY, "no memory for a version");
    free(current->body);
    current->body = copy;
    current->size = size;
    return record_read_switch(current->body, size, &current->version, error);
}

/* What the newest snapshot says, and up to where. */
static int read_snapshot(const struct snapshots *snapshots, struct current *current, uint64_t *ret_position,
                         struct error *error)
{
    struct snapshot_reader *reader = NULL;
    struct snapshot_block block;
    struct switch_record version;
    bool found;
    size_t at;
    *ret_position = 0;
    int rc = snapshots_newest(snapshots, UINT64_MAX, true, &reader, NULL, error);
    if (rc != OK || !reader)
        return rc;
    rc = snapshot_next(reader, &found, &block, error);
    if (rc == OK && !found)
        rc = error_set(error, CODE_CORRUPT, "a snapshot is empty");
    if (rc == OK)
        rc = snapshot_version(&block, &version, &at, error);
    if (rc == OK)
        rc = keep(current, (const char *)block.data + sizeof(uint32_t), at - sizeof(uint32_t), error);
    *ret_position = snapshot_reader_head(reader)->position;
    snapshot_reader_free(reader);
    return rc;
}

/* The last switch behind a position. */
static int read_journal(struct journal *journal, uint64_t position, struct current *current,
                        struct error *error)
{
    struct journal_reader *reader;
    struct record record;
    bool found = true;
    int rc = journal_reader_new(journal, &reader, error);
    if (rc != OK)
        return rc;
    if (position)
        rc = journal_reader_seek(reader, position + 1, error);
    while (rc == OK) {
        rc = journal_reader_next(reader, &found, &record, error);
        if (rc != OK || !found)
            break;
        if (record.kind == RECORD_SWITCH)
            rc = keep(current, record.body, record.size, error);
    }
    journal_reader_free(reader);
    return rc;
}

static int read_all(const struct io *io, struct state_directory *directory, struct current *current,
                    struct error *error)
{
    struct snapshots snapshots;
    struct journal *journal = NULL;
    uint64_t position;
    struct journal_options options = {.io = io, .directory = directory->journal};
    memcpy(options.identity, directory->identity, sizeof options.identity);
    int rc = snapshots_init(&snapshots, io, directory->snapshots, directory->identity, error);
    if (rc == OK)
        rc = read_snapshot(&snapshots, current, &position, error);
    if (rc == OK)
        rc = journal_open(&options, &journal, NULL, error);
    if (rc == OK)
        rc = read_journal(journal, position, current, error);
    journal_close(journal, NULL);
    return rc;
}

/* Opening would make one. */
static int check_there(const struct io *io, const char *directory, struct error *error)
{
    char path[IO_PATH_SIZE];
    int file;
    int rc = io_path(path, directory, "format", error);
    if (rc == OK && io_open(io, path, IO_READ, &file, NULL) != OK)
        return error_set(error, CODE_NOT_FOUND, "%s is no state directory of a run", directory);
    if (rc == OK)
        io_close(io, file);
    return rc;
}

int current_read(const struct io *io, const char *directory, struct current *ret, struct error *error)
{
    struct state_directory opened;
    struct current current = {.body = NULL};
    io = io ? io : io_system();
    int rc = check_there(io, directory, error);
    if (rc == OK)
        rc = state_directory_open(&opened, io, directory, error);
    if (rc != OK)
        return rc;
    rc = read_all(io, &opened, &current, error);
    state_directory_close(&opened);
    if (rc == OK && !current.body)
        rc = error_set(error, CODE_NOT_FOUND, "%s holds no decisions yet", directory);
    if (rc != OK) {
        current_done(&current);
        return rc;
    }
    *ret = current;
    return OK;
}

void current_done(struct current *current)
{
    free(current->body);
    *current = (struct current){.body = NULL};
}
