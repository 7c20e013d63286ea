#include "journal/journal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/memory.h"
#include "journal/inside.h"

/* ---- opening and closing ---- */

static int take_options(struct journal *journal, const struct journal_options *options, struct error *error)
{
    size_t n = strlen(options->directory);
    if (n >= sizeof journal->directory)
        return error_set(error, CODE_LIMIT, "the path of a journal has %zu bytes, at most %d", n,
                         IO_PATH_SIZE - 1);
    if (options->sync == JOURNAL_SYNC_INTERVAL && options->interval_ms < 1)
        return error_set(error, CODE_INVALID, "a journal flushed every %d ms, expected at least 1",
                         options->interval_ms);
    memcpy(journal->directory, options->directory, n + 1);
    journal->options = *options;
    journal->options.directory = journal->directory;
    journal->io = options->io ? options->io : io_system();
    if (!options->segment_bytes)
        journal->options.segment_bytes = LIMIT_JOURNAL_SEGMENT;
    if (!options->buffer_bytes)
        journal->options.buffer_bytes = LIMIT_JOURNAL_BUFFER;
    return OK;
}

static void init_locks(struct journal *journal)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&journal->lock, NULL);
    pthread_mutex_init(&journal->upkeep, NULL);
    pthread_cond_init(&journal->moved, &monotonic);
    pthread_cond_init(&journal->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void done(struct journal *journal)
{
    io_close(journal->io, journal->file);
    for (size_t i = 0; i < journal->n_segments; i++)
        kept_done(&journal->segments[i]);
    free(journal->segments);
    free(journal->batches[0].data);
    free(journal->batches[1].data);
    pthread_cond_destroy(&journal->moved);
    pthread_cond_destroy(&journal->work);
    pthread_mutex_destroy(&journal->upkeep);
    pthread_mutex_destroy(&journal->lock);
    free(journal);
}

/* With all signals blocked, so that handlers run in the threads of the program. */
static int start_thread(struct journal *journal, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&journal->thread, NULL, journal_thread, journal);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number)
        return error_set_errno(error, number, "cannot start the thread of the journal in %s",
                               journal->directory);
    journal->threaded = true;
    return OK;
}

int journal_open(const struct journal_options *options, struct journal **ret,
                 struct journal_recovery *ret_recovery, struct error *error)
{
    struct journal_recovery recovery = {0};
    struct journal *journal = memory_new(1, sizeof *journal);
    if (!journal)
        return error_set(error, CODE_MEMORY, "no memory for a journal");
    journal->file = -1;
    journal->filling = &journal->batches[0];
    journal->flight = &journal->batches[1];
    journal->turn = 1;
    init_locks(journal);
    int code = take_options(journal, options, error);
    if (!code)
        code = journal_recover(journal, &recovery, error);
    if (!code) {
        for (int i = 0; i < 2; i++) {
            journal->batches[i].next_position = journal->next_position;
            journal->batches[i].next_seq = journal->next_seq;
        }
        journal->written = journal->durable = journal->synced = journal->next_position - 1;
        code = start_thread(journal, error);
    }
    if (code) {
        done(journal);
        return code;
    }
    if (ret_recovery)
        *ret_recovery = recovery;
    *ret = journal;
    return OK;
}

/* Until he who leads has done so, or a little less. Has the lock, and has it again. */
static void wait_for_leader(struct journal *journal)
{
    uint64_t turn = journal->gathering ? journal->turn : journal->turn - 1;
    gate_wait(&journal->done[turn & 1], &journal->lock);
    pthread_mutex_lock(&journal->lock);
}

/* The lock is held; nobody else uses the journal any more but its thread. */
static int flush_rest(struct journal *journal, struct error *error)
{
    enum lead how = journal->options.sync == JOURNAL_SYNC_NEVER ? LEAD_WRITE : LEAD_SYNC;
    while (journal->busy)
        wait_for_leader(journal);
    int code = OK;
    while (!code && !journal->failure.code && journal->durable < journal->next_position - 1)
        code = journal_lead(journal, how, error);
    if (!code && journal->failure.code) {
        code = (int)journal->failure.code;
        if (error)
            *error = journal->failure;
    }
    return code;
}

int journal_close(struct journal *journal, struct error *error)
{
    if (!journal)
        return OK;
    pthread_mutex_lock(&journal->lock);
    int code = flush_rest(journal, error);
    journal->stopping = true;
    pthread_cond_signal(&journal->work);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->thread, NULL);
    done(journal);
    return code;
}

/* ---- appending ---- */

static int failed(const struct journal *journal, struct error *error)
{
    if (error)
        *error = journal->failure;
    return (int)journal->failure.code;
}

/* A batch without records takes one of any size. */
static bool has_room(struct journal *journal, size_t bytes)
{
    const struct batch *filling = journal->filling;
    return !journal->full && (filling->size == 0 || filling->size + bytes <= journal->options.buffer_bytes);
}

/* Has the lock, and has it again when it returns. */
static int make_room(struct journal *journal, size_t bytes, struct error *error)
{
    for (;;) {
        if (journal->failure.code)
            return failed(journal, error);
        if (has_room(journal, bytes))
            break;
        if (journal->busy) {
            wait_for_leader(journal);
            continue;
        }
        int code = journal_lead(journal, journal_lead_of_commit(journal), error);
        if (code)
            return code;
    }
    struct batch *filling = journal->filling;
    if (!memory_grow(&filling->data, &filling->capacity, filling->size + bytes, 1))
        return error_set(error, CODE_MEMORY, "no memory for a record of %zu bytes", bytes);
    return OK;
}

int journal_append(struct journal *journal, enum record_kind kind, uint32_t count, const void *body,
                   size_t size, struct journal_place *ret, struct error *error)
{
    if (size > LIMIT_JOURNAL_RECORD)
        return error_set(error, CODE_LIMIT, "a record of %zu bytes, at most %d", size, LIMIT_JOURNAL_RECORD);
    size_t bytes = record_bytes(size);
    uint32_t sum = record_sum(body, size);
    pthread_mutex_lock(&journal->lock);
    int code = make_room(journal, bytes, error);
    if (!code && (count > RECORD_MOST + 1 - journal->next_seq || journal->next_position > RECORD_MOST))
        code = error_set(error, CODE_LIMIT, "the journal in %s is out of numbers", journal->directory);
    if (!code) {
        struct batch *filling = journal->filling;
        uint8_t *to = filling->data + filling->size;
        struct record record = {journal->next_position, journal->next_seq, count, kind, (uint32_t)size, body};
        uint64_t lag = record.position - 1 - atomic_load_explicit(&journal->synced, memory_order_relaxed);
        record_put_head(&record, lag > UINT32_MAX ? UINT32_MAX : (uint32_t)lag, sum, to);
        if (size)
            memcpy(to + RECORD_HEAD, body, size);
        memset(to + RECORD_HEAD + size, 0, bytes - RECORD_HEAD - size);
        filling->size += bytes;
        filling->next_position = ++journal->next_position;
        filling->next_seq = journal->next_seq += count;
        *ret = (struct journal_place){record.position, record.seq};
    }
    pthread_mutex_unlock(&journal->lock);
    return code;
}

/* ---- committing ---- */

static int check_position(const struct journal *journal, uint64_t position, struct error *error)
{
    if (position < journal->next_position)
        return OK;
    return error_set(error, CODE_INVALID, "position %llu was not given to any record: the last has %llu",
                     (unsigned long long)position, (unsigned long long)journal->next_position - 1);
}

static void request(struct journal *journal, uint64_t position)
{
    if (journal->options.sync == JOURNAL_SYNC_INTERVAL || position <= journal->requested)
        return;
    journal->requested = position;
    if (!journal->busy && position > journal->durable)
        pthread_cond_signal(&journal->work);
}

/* Has the lock; when it returns true, all up to the position is reached and the lock given back. */
static bool wait_for_batch(struct journal *journal, uint64_t position)
{
    bool flying = position < journal->flight->next_position;
    journal->joined += !flying;
    gate_wait(&journal->done[(flying ? journal->turn - 1 : journal->turn) & 1], &journal->lock);
    if (journal_reached(journal, position))
        return true;
    pthread_mutex_lock(&journal->lock);
    return false;
}

int journal_commit(struct journal *journal, uint64_t position, struct error *error)
{
    bool by_thread = journal->options.flusher == JOURNAL_FLUSH_THREAD;
    pthread_mutex_lock(&journal->lock);
    uint64_t refusals = journal->refusals;
    int code = check_position(journal, position, error);
    while (!code && !journal_reached(journal, position)) {
        if (journal->failure.code) {
            code = failed(journal, error);
        } else if (journal->refusals != refusals) {
            code = (int)journal->refusal.code;
            if (error)
                *error = journal->refusal;
        } else if (journal->busy || by_thread) {
            if (by_thread)
                request(journal, position);
            if (wait_for_batch(journal, position))
                return OK;
        } else {
            code = journal_lead(journal, journal_lead_of_commit(journal), error);
        }
    }
    pthread_mutex_unlock(&journal->lock);
    return code;
}

void journal_request(struct journal *journal, uint64_t position)
{
    pthread_mutex_lock(&journal->lock);
    request(journal, position);
    pthread_mutex_unlock(&journal->lock);
}

static struct timespec later(int64_t us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + us % 1000000 * 1000;
    until.tv_sec += us / 1000000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    return until;
}

int journal_wait(struct journal *journal, uint64_t position, int64_t timeout_us, uint64_t *ret_durable,
                 struct error *error)
{
    struct timespec until = later(timeout_us < 0 ? 0 : timeout_us);
    int number = 0;
    pthread_mutex_lock(&journal->lock);
    journal->waiting++;
    while (journal->durable < position && !journal->failure.code && number != ETIMEDOUT) {
        if (timeout_us < 0)
            pthread_cond_wait(&journal->moved, &journal->lock);
        else
            number = pthread_cond_timedwait(&journal->moved, &journal->lock, &until);
    }
    journal->waiting--;
    *ret_durable = journal->durable;
    int code = journal->failure.code && journal->durable < position ? failed(journal, error) : OK;
    pthread_mutex_unlock(&journal->lock);
    return code;
}

int journal_roll(struct journal *journal, struct error *error)
{
    int code;
    pthread_mutex_lock(&journal->lock);
    while (journal->busy)
        wait_for_leader(journal);
    code = journal->failure.code ? failed(journal, error) : journal_lead(journal, LEAD_ROLL, error);
    pthread_mutex_unlock(&journal->lock);
    return code;
}

/* ---- what it is like ---- */

uint64_t journal_durable(struct journal *journal)
{
    return atomic_load_explicit(&journal->durable, memory_order_acquire);
}

void journal_state(struct journal *journal, struct journal_state *ret)
{
    pthread_mutex_lock(&journal->lock);
    *ret = (struct journal_state){.oldest_position = journal->segments[0].first_position,
                                  .oldest_seq = journal->segments[0].first_seq,
                                  .next_position = journal->next_position,
                                  .next_seq = journal->next_seq,
                                  .durable = journal->durable,
                                  .segments = journal->n_segments,
                                  .syncs = journal->syncs};
    for (size_t i = 0; i < journal->n_segments; i++)
        ret->bytes += journal->segments[i].end;
    pthread_mutex_unlock(&journal->lock);
}
