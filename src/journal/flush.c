/*
 * From memory to the disk. One at a time leads: he takes the batch that has been filled, puts the other one
 * in its place for those who append meanwhile, writes and flushes without the lock, and wakes those whose
 * records were in the batch, and one of those whose records are in the next.
 *
 * A flush costs least where it changes nothing but bytes: a file that grows has a new size and new blocks,
 * which the file system writes to a journal of its own. So small batches are followed by zeros, up to the
 * next multiple of PREPARE, over which those after them are written. Large ones pay for the growth anyway.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "journal/inside.h"

enum {
    PATIENCE = 4, /* a flush's time divided by it is how long the next one waits for callers */
    PREPARE = 1 << 20,
    WORTH_PREPARING = PREPARE / 8, /* bytes of a batch: at least so many more fit into what is prepared */
};

bool journal_reached(const struct journal *journal, uint64_t position)
{
    return journal->options.sync == JOURNAL_SYNC_INTERVAL ? journal->written >= position
                                                          : journal->durable >= position;
}

enum lead journal_lead_of_commit(const struct journal *journal)
{
    return journal->options.sync == JOURNAL_SYNC_COMMIT ? LEAD_SYNC : LEAD_WRITE;
}

void journal_fail(struct journal *journal, const struct error *error)
{
    if (!journal->failure.code)
        journal->failure = *error;
    gate_open_to_all(&journal->done[0]);
    gate_open_to_all(&journal->done[1]);
    pthread_cond_broadcast(&journal->moved);
}

int journal_add_segment(struct journal *journal, const struct segment_head *head, uint64_t end,
                        struct error *error)
{
    if (journal->n_segments >= LIMIT_JOURNAL_SEGMENTS)
        return error_set(error, CODE_LIMIT, "the journal in %s has %zu segments, the most there may be",
                         journal->directory, journal->n_segments);
    if (!memory_grow(&journal->segments, &journal->segments_capacity, journal->n_segments + 1,
                     sizeof *journal->segments))
        return error_set(error, CODE_MEMORY, "no memory for another segment of %s", journal->directory);
    journal->segments[journal->n_segments++] = (struct kept){.number = head->number,
                                                             .first_position = head->first_position,
                                                             .first_seq = head->first_seq,
                                                             .generation = head->generation,
                                                             .end = end};
    return OK;
}

/* ---- the owner of `busy`, without the lock ---- */

/* What the next record to be written has. */
static void next_to_write(const struct journal *journal, uint64_t *ret_position, uint64_t *ret_seq)
{
    const struct batch *flight = journal->flight;
    *ret_position = flight->next_position;
    *ret_seq = flight->next_seq;
    if (journal->flown < flight->size) {
        struct record record;
        uint32_t lag;
        bool good = record_read_head(flight->data + journal->flown, &record, &lag, NULL);
        assert(good);
        (void)good;
        *ret_position = record.position;
        *ret_seq = record.seq;
    }
}

/* Bytes of whole records of the batch that still go into the segment; its first takes any record. */
static size_t fitting(const struct journal *journal)
{
    const struct batch *flight = journal->flight;
    uint64_t most = journal->options.segment_bytes;
    uint64_t room = journal->offset < most ? most - journal->offset : 0;
    size_t rest = flight->size - journal->flown, n = 0;
    if (rest <= room)
        return rest;
    while (n < rest) {
        struct record record;
        uint32_t lag;
        bool good = record_read_head(flight->data + journal->flown + n, &record, &lag, NULL);
        assert(good);
        (void)good;
        size_t bytes = record_bytes(record.size);
        if (n + bytes > room && (n || journal->offset > SEGMENT_HEAD))
            break;
        n += bytes;
    }
    return n;
}

static int flush(struct journal *journal, struct error *error)
{
    if (!journal->unsynced)
        return OK;
    int64_t before = clock_monotonic_ns();
    int code = io_sync(journal->io, journal->file, journal->path, error);
    if (code)
        return code;
    journal->flush_ns = clock_monotonic_ns() - before;
    uint64_t position, seq;
    next_to_write(journal, &position, &seq);
    journal->unsynced = false;
    atomic_store_explicit(&journal->synced, position - 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&journal->syncs, 1, memory_order_relaxed);
    return OK;
}

/* Zeros behind a small batch that made the file longer. Where there is no space for them, there are none. */
static void prepare(struct journal *journal, size_t batch)
{
    static const uint8_t zeros[64 << 10];
    uint64_t most = journal->options.segment_bytes, at = journal->offset;
    uint64_t end = (at + PREPARE - 1) / PREPARE * PREPARE;
    if (end > most)
        end = most;
    if (batch > WORTH_PREPARING)
        return;
    journal->prepared = end > at ? end : at;
    while (at < end) {
        size_t n = end - at < sizeof zeros ? (size_t)(end - at) : sizeof zeros;
        if (io_write(journal->io, journal->file, journal->path, zeros, n, at, NULL))
            return;
        at += n;
    }
}

/* The newest segment ends behind its last record, on the disk, before there is one after it: only the newest
 * may have a torn end. */
static int close_segment(struct journal *journal, struct error *error)
{
    int code = OK;
    if (journal->prepared > journal->offset) {
        code = io_truncate(journal->io, journal->file, journal->path, journal->offset, error);
        journal->unsynced = true;
    }
    if (!code)
        code = flush(journal, error);
    if (!code)
        journal->closing = true;
    return code;
}

/* Takes and gives back the lock to add the segment to the table. */
static int roll(struct journal *journal, struct error *error)
{
    struct segment_head head = {0};
    char path[IO_PATH_SIZE];
    int file, code = journal->closing ? OK : close_segment(journal, error);
    if (code)
        return code;
    pthread_mutex_lock(&journal->lock);
    struct kept *newest = &journal->segments[journal->n_segments - 1];
    newest->end = journal->offset;
    head = (struct segment_head){.number = newest->number + 1};
    pthread_mutex_unlock(&journal->lock);
    next_to_write(journal, &head.first_position, &head.first_seq);
    memcpy(head.identity, journal->options.identity, JOURNAL_IDENTITY);
    code = segment_path(journal->directory, head.number, path, error);
    if (!code)
        code = segment_create(journal->io, journal->directory, &head, &file, error);
    if (code)
        return code;
    pthread_mutex_lock(&journal->lock);
    code = journal_add_segment(journal, &head, SEGMENT_HEAD, error);
    if (!code)
        atomic_store_explicit(&journal->durable, head.first_position - 1, memory_order_release);
    pthread_mutex_unlock(&journal->lock);
    if (code) {
        io_close(journal->io, file);
        return code;
    }
    io_close(journal->io, journal->file);
    journal->file = file;
    memcpy(journal->path, path, sizeof path);
    journal->offset = journal->prepared = SEGMENT_HEAD;
    journal->closing = false;
    return OK;
}

static int write_batch(struct journal *journal, struct error *error)
{
    const struct batch *flight = journal->flight;
    int code = OK;
    while (!code && journal->flown < flight->size) {
        size_t n = journal->closing ? 0 : fitting(journal);
        if (n == 0) {
            code = roll(journal, error);
            continue;
        }
        bool grows = journal->offset + n > journal->prepared;
        if (grows)
            journal->prepared = journal->offset + n; /* also where only a part of it is written */
        journal->unsynced = true;
        code = io_write(journal->io, journal->file, journal->path, flight->data + journal->flown, n,
                        journal->offset, error);
        if (code)
            break;
        journal->offset += n;
        journal->flown += n;
        if (grows)
            prepare(journal, n);
    }
    return code;
}

static int carry_out(struct journal *journal, enum lead how, struct error *error)
{
    int code = write_batch(journal, error);
    if (!code && how == LEAD_ROLL && (journal->offset > SEGMENT_HEAD || journal->closing))
        code = roll(journal, error);
    if (!code && how != LEAD_WRITE)
        code = flush(journal, error);
    return code;
}

/* ---- leading ---- */

/* The batch that is filled flies next, unless the one before it could not be written. */
static void take_batch(struct journal *journal)
{
    if (journal->flown < journal->flight->size)
        return;
    struct batch *empty = journal->flight;
    journal->flight = journal->filling;
    journal->flown = 0;
    empty->size = 0;
    empty->next_position = journal->next_position;
    empty->next_seq = journal->next_seq;
    journal->filling = empty;
    journal->turn++;
    journal->group = journal->joined + 1;
    journal->joined = 0;
}

/* Those whom the last flush has served are about to come again, all but one of them too late for this one: a
 * moment's patience spares them a whole flush. Has the lock, and gives it away meanwhile. */
static void gather(struct journal *journal)
{
    int64_t until = clock_monotonic_ns() + journal->flush_ns / PATIENCE;
    journal->gathering = true;
    while (journal->joined + 1 < journal->group && clock_monotonic_ns() < until) {
        pthread_mutex_unlock(&journal->lock);
        sched_yield();
        pthread_mutex_lock(&journal->lock);
    }
    journal->gathering = false;
}

/* A full disk, a table or memory: what was appended waits, and the next who commits or appends tries again.
 */
static bool may_try_again(int code)
{
    return code == CODE_NO_SPACE || code == CODE_LIMIT || code == CODE_MEMORY;
}

static void wake(struct journal *journal, int code)
{
    gate_open_to_all(&journal->done[(journal->turn - 1) & 1]);
    gate_open(&journal->done[journal->turn & 1], code ? INT_MAX : 1);
    if (journal->waiting)
        pthread_cond_broadcast(&journal->moved);
    if (journal->requested > journal->durable)
        pthread_cond_signal(&journal->work);
}

int journal_lead(struct journal *journal, enum lead how, struct error *error)
{
    struct error own = {0};
    uint64_t before = journal->durable;
    assert(!journal->busy && !journal->failure.code);
    journal->busy = true;
    if (how == LEAD_SYNC)
        gather(journal);
    take_batch(journal);
    pthread_mutex_unlock(&journal->lock);
    int code = carry_out(journal, how, &own);
    pthread_mutex_lock(&journal->lock);
    journal->busy = false;
    journal->full = may_try_again(code);
    if (!code) {
        journal->written = journal->flight->next_position - 1;
        if (!journal->unsynced || journal->options.sync == JOURNAL_SYNC_NEVER) {
            journal->segments[journal->n_segments - 1].end = journal->offset;
            atomic_store_explicit(&journal->durable, journal->written, memory_order_release);
        }
    } else if (journal->full) {
        journal->refusals++;
        journal->refusal = own;
        journal->requested = 0; /* the thread would only try again and again */
    } else {
        journal_fail(journal, &own);
    }
    wake(journal, code);
    if (journal->options.moved && journal->durable > before) {
        uint64_t durable = journal->durable;
        pthread_mutex_unlock(&journal->lock);
        journal->options.moved(journal->options.context, durable);
        pthread_mutex_lock(&journal->lock);
    }
    if (code && error)
        *error = own;
    return code;
}

/* ---- the thread ---- */

static void sleep_until_work(struct journal *journal)
{
    if (journal->options.sync != JOURNAL_SYNC_INTERVAL) {
        pthread_cond_wait(&journal->work, &journal->lock);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (int64_t)journal->options.interval_ms % 1000 * 1000000;
    until.tv_sec += journal->options.interval_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_cond_timedwait(&journal->work, &journal->lock, &until);
}

void *journal_thread(void *argument)
{
    struct journal *journal = argument;
    bool interval = journal->options.sync == JOURNAL_SYNC_INTERVAL;
    pthread_mutex_lock(&journal->lock);
    while (!journal->stopping) {
        uint64_t wanted = interval ? journal->next_position - 1 : journal->requested;
        bool may = !journal->busy && !journal->failure.code && wanted > journal->durable;
        if (may)
            journal_lead(journal, interval ? LEAD_SYNC : journal_lead_of_commit(journal), NULL);
        if (interval || !may)
            sleep_until_work(journal);
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}
