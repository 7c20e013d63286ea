/*
 * When snapshots are made, and by whom. Events must not wait for a disk, so a thread, the keeper, forks the
 * process that writes a snapshot, commits the journal meanwhile, tells the child when it may put the file in
 * place (nothing that is in a snapshot may be missing from the journal), removes the segments that nobody
 * needs any more, and brings together the pages that were copied meanwhile, so that the next fork is short,
 * too. What events wait for is the fork, and then at most one page at a time.
 *
 * It is the keeper that forks, and not whoever takes events, because a child ends with the thread that forked
 * it (base/child.h), and callers come and go. Keeper and child stay off the processor of the caller, who
 * sleeps until the fork is over: on a processor that ran it each page that is written anew had to be flushed
 * there, too, and a new process that shares it would run for a whole time slice first. For the same reason
 * the child begins only when the caller has been woken. The thread stays from the first snapshot to the end
 * of the engine: to start one takes a third of a millisecond.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/pages.h"
#include "score/durable_struct.h"

/* Up to where the journal may be trimmed, once the older of the two snapshots is not before that. */
struct trimming {
    uint64_t positions[MARKS];
    int n;
};

struct keeper {
    struct durable *durable; /* for the child; the thread uses what is on the disk only */
    pthread_t thread;
    sem_t asked, forked, ended; /* for a snapshot, or to leave; or failed to; SNAPSHOT_NONE again */
    _Atomic bool leave;         /* ends the tidying; where nothing was asked for, the thread */
    _Atomic enum snapshot_stage stage;
    /* Of one snapshot, the thread's while there is one. */
    struct trimming trimming;
    uint64_t position;
    cpu_set_t processors;
    pid_t child;
    int word[2]; /* a pipe: that the child may begin, and whether it may end its snapshot */
    struct error error;
    bool made; /* known from SNAPSHOT_TIDYING on */
    /* The caller's. */
    bool noted;  /* what became of it */
    bool joined; /* `ended` was waited for */
};

/* ---- segments that nobody needs ---- */

/* Neither what is to be kept of the past nor a sink that has not come so far needs what is before. */
static void list_free(const struct durable *durable, struct trimming *ret)
{
    ret->n = 0;
    for (int i = 0; i < durable->n_marks; i++) {
        const struct mark *mark = &durable->marks[i];
        bool needed = durable->appended - mark->appended < durable->options.retain_bytes;
        for (int r = 0; r < durable->n_reached; r++)
            needed |=
                strncmp(durable->reached[r].what, "sink ", 5) == 0 && durable->reached[r].number < mark->seq;
        if (!needed)
            ret->positions[ret->n++] = mark->position;
    }
}

/* Versions that decided nothing which the journal still has. */
static void trim_versions(const struct archive *archive, struct journal *journal)
{
    struct journal_reader *reader;
    struct record record;
    struct events_head head = {0};
    bool found = true;
    int rc = journal_reader_new(journal, &reader, NULL);
    if (rc != OK)
        return;
    while (rc == OK && found && !head.version) {
        rc = journal_reader_next(reader, &found, &record, NULL);
        if (rc != OK || !found)
            break;
        uint64_t seq;
        if (record.kind == RECORD_EVENTS)
            rc = record_read_events_head(record.body, record.size, &head, NULL);
        else if (record.kind == RECORD_DECISIONS)
            rc = record_read_decisions_head(record.body, record.size, &seq, &head.version, NULL);
    }
    journal_reader_free(reader);
    struct error error = {0};
    if (rc == OK && head.version && archive_trim(archive, head.version, &error) != OK)
        log_line(LOG_WARNING, "old versions stay: %s", error.message);
}

/* No restart may need them either. */
static void trim(const struct snapshots *snapshots, struct journal *journal, const struct archive *archive,
                 const struct trimming *trimming)
{
    struct snapshot_place places[LIMIT_SNAPSHOTS];
    uint64_t up_to = 0, removed;
    struct error error = {0};
    int n;
    if (snapshots_kept(snapshots, places, &n, NULL) != OK || n < LIMIT_SNAPSHOTS)
        return;
    for (int i = 0; i < trimming->n; i++)
        if (trimming->positions[i] <= places[n - 1].position && trimming->positions[i] > up_to)
            up_to = trimming->positions[i];
    if (!up_to)
        return;
    if (journal_trim(journal, up_to, &removed, &error) != OK)
        log_line(LOG_WARNING, "old segments of the journal stay: %s", error.message);
    else if (removed)
        trim_versions(archive, journal);
}

static void note_snapshot(struct durable *durable)
{
    if (durable->n_marks == MARKS)
        memmove(durable->marks, durable->marks + 1, (MARKS - 1) * sizeof *durable->marks);
    else
        durable->n_marks++;
    durable->marks[durable->n_marks - 1] = durable->tried;
}

/* ---- the child ---- */

static bool may_go_on(void *context)
{
    const struct keeper *keeper = context;
    char word = 0;
    return read(keeper->word[0], &word, 1) == 1 && word;
}

static bool write_in_child(void *context)
{
    struct keeper *keeper = context;
    struct error error = {0};
    close(keeper->word[1]);
    if (!may_go_on(keeper))
        return false;
    state_directory_forked(&keeper->durable->directory);
    int rc = durable_write_snapshot(keeper->durable, may_go_on, keeper, &error);
    if (rc != OK)
        log_line(LOG_WARNING, "snapshot: %s", error.message);
    return rc == OK;
}

/* ---- the thread ---- */

/* Our end for reading stays open until then: a child that has died must not become a signal. */
static void tell(struct keeper *keeper, char word)
{
    ssize_t written = write(keeper->word[1], &word, 1);
    (void)written; /* whoever does not hear it makes no snapshot */
}

static void commit_and_tell(struct keeper *keeper)
{
    struct error error = {0};
    bool committed = journal_commit(keeper->durable->journal, keeper->position, &error) == OK;
    if (!committed)
        log_line(LOG_WARNING, "snapshot: %s", error.message);
    tell(keeper, committed);
}

static void make(struct keeper *keeper)
{
    struct durable *durable = keeper->durable;
    cpu_use(&keeper->processors);
    int rc = child_start(write_in_child, keeper, &keeper->child, &keeper->error);
    sem_post(&keeper->forked);
    if (rc == OK) {
        tell(keeper, true);
        commit_and_tell(keeper);
    }
    close(keeper->word[0]);
    close(keeper->word[1]);
    if (rc == OK)
        child_ended(keeper->child, true, &keeper->made);
    if (keeper->made)
        trim(&durable->snapshots, durable->journal, &durable->archive, &keeper->trimming);
    atomic_store_explicit(&keeper->stage, SNAPSHOT_TIDYING, memory_order_release);
    if (rc == OK)
        pages_gather(&keeper->leave);
    atomic_store_explicit(&keeper->stage, SNAPSHOT_NONE, memory_order_release);
    sem_post(&keeper->ended);
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue; /* a signal came */
}

static void *keep(void *argument)
{
    struct keeper *keeper = argument;
    for (;;) {
        wait_for(&keeper->asked);
        if (atomic_load_explicit(&keeper->stage, memory_order_acquire) == SNAPSHOT_NONE)
            return NULL;
        make(keeper);
    }
}

/* With all signals blocked, so that handlers run in the threads of the program. */
static int start_thread(struct keeper *keeper, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&keeper->thread, NULL, keep, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number ? error_set_errno(error, number, "cannot start a thread for snapshots") : OK;
}

static int new_keeper(struct durable *durable, struct error *error)
{
    struct keeper *keeper = memory_new(1, sizeof *keeper);
    if (!keeper)
        return error_set(error, CODE_MEMORY, "no memory for a snapshot");
    keeper->durable = durable;
    keeper->noted = keeper->joined = true;
    sem_init(&keeper->asked, 0, 0);
    sem_init(&keeper->forked, 0, 0);
    sem_init(&keeper->ended, 0, 0);
    int rc = start_thread(keeper, error);
    if (rc != OK) {
        free(keeper);
        return rc;
    }
    durable->keeper = keeper;
    return OK;
}

void durable_end_keeper(struct durable *durable)
{
    struct keeper *keeper = durable->keeper;
    if (!keeper)
        return;
    durable_reap(durable, true);
    sem_post(&keeper->asked);
    pthread_join(keeper->thread, NULL);
    sem_destroy(&keeper->asked);
    sem_destroy(&keeper->forked);
    sem_destroy(&keeper->ended);
    free(keeper);
    durable->keeper = NULL;
}

/* Returns when the child has been forked. */
static int ask_keeper(struct durable *durable, struct error *error)
{
    struct keeper *keeper = durable->keeper;
    if (pipe(keeper->word) != 0)
        return error_set_errno(error, errno, "cannot make a pipe for a snapshot");
    cpu_beside(&keeper->processors);
    keeper->position = durable->position;
    keeper->error = (struct error){0};
    keeper->made = keeper->noted = keeper->joined = false;
    list_free(durable, &keeper->trimming);
    atomic_store(&keeper->leave, false);
    atomic_store_explicit(&keeper->stage, SNAPSHOT_WRITING, memory_order_release);
    sem_post(&keeper->asked);
    wait_for(&keeper->forked);
    return OK;
}

/* ---- */

static void note_outcome(struct durable *durable)
{
    struct keeper *keeper = durable->keeper;
    if (keeper->noted)
        return;
    keeper->noted = true;
    if (keeper->made)
        note_snapshot(durable);
    else
        log_line(LOG_WARNING, "a snapshot could not be made; the journal has everything all the same%s%s",
                 keeper->error.code ? ": " : "", keeper->error.message);
}

void durable_reap(struct durable *durable, bool wait)
{
    struct keeper *keeper = durable->keeper;
    if (!keeper || keeper->joined)
        return;
    if (wait) {
        atomic_store(&keeper->leave, true);
        wait_for(&keeper->ended);
        keeper->joined = true;
    }
    enum snapshot_stage stage = atomic_load_explicit(&keeper->stage, memory_order_acquire);
    if (stage == SNAPSHOT_WRITING)
        return;
    note_outcome(durable);
    if (stage == SNAPSHOT_NONE && !keeper->joined) {
        wait_for(&keeper->ended);
        keeper->joined = true;
    }
}

enum snapshot_stage durable_snapshot_stage(struct durable *durable)
{
    durable_reap(durable, false);
    return durable->keeper ? atomic_load(&durable->keeper->stage) : SNAPSHOT_NONE;
}

int durable_snapshot(struct durable *durable, bool wait, struct error *error)
{
    durable_reap(durable, false);
    bool busy = durable->keeper && !durable->keeper->joined;
    if (durable->failed || busy || (durable->seq == durable->tried.seq && !durable->forgot))
        return OK;
    int rc = durable_reached(durable, PLACE_NEWEST, (uint64_t)durable->newest, 0, error);
    if (rc != OK)
        return rc;
    durable->forgot = false;
    durable->tried = (struct mark){durable->position, durable->seq, durable->appended};
    if (!wait && !durable->options.in_process) {
        rc = durable->keeper ? OK : new_keeper(durable, error);
        return rc == OK ? ask_keeper(durable, error) : rc;
    }
    rc = journal_commit(durable->journal, durable->position, error);
    if (rc == OK)
        rc = durable_write_snapshot(durable, NULL, NULL, error);
    if (rc != OK)
        return rc;
    struct trimming trimming;
    note_snapshot(durable);
    list_free(durable, &trimming);
    trim(&durable->snapshots, durable->journal, &durable->archive, &trimming);
    return OK;
}
