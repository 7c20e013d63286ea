#include "score/combiner.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "journal/gate.h"

/* What one caller brought to a batch, and where its answer goes. */
struct part {
    int64_t from, n;
    struct decided *ret;
    struct error *error;
    int rc;
};

struct batch {
    struct batch *next; /* in the queue, or of those that are free */
    struct table events;
    struct part *parts;
    size_t n_parts, capacity;
    struct gate led;  /* its leader waits for the engine */
    struct gate done; /* the others wait for their answers */
    _Atomic bool finished;
    _Atomic size_t inside; /* callers that have not left */
};

struct combiner {
    struct durable *durable;
    bool looks; /* at ids */
    pthread_mutex_t lock;
    struct batch *first, *last, *free; /* lock; the last in the queue is the one that callers join */
    bool busy;                         /* lock; somebody uses the engine */
    struct table alone;                /* busy: the events of one caller, or those that are new */
    /* busy: of the rows of the batch at hand */
    uint8_t known[LIMIT_DURABLE_ROWS];
    uint64_t seqs[LIMIT_DURABLE_ROWS];
};

int combiner_new(struct durable *durable, struct combiner **ret, struct error *error)
{
    struct combiner *combiner = memory_new(1, sizeof *combiner);
    if (!combiner)
        return error_set(error, CODE_MEMORY, "no memory for callers");
    int rc = table_init(&combiner->alone, plan_events(engine_plan(durable_engine(durable))), error);
    if (rc != OK) {
        free(combiner);
        return rc;
    }
    combiner->durable = durable;
    combiner->looks = durable_looks(durable);
    pthread_mutex_init(&combiner->lock, NULL);
    *ret = combiner;
    return OK;
}

void combiner_free(struct combiner *combiner)
{
    if (!combiner)
        return;
    while (combiner->free) {
        struct batch *batch = combiner->free;
        combiner->free = batch->next;
        table_done(&batch->events);
        free(batch->parts);
        free(batch);
    }
    table_done(&combiner->alone);
    pthread_mutex_destroy(&combiner->lock);
    free(combiner);
}

/* ---- with the lock ---- */

static int new_batch(struct combiner *combiner, struct batch **ret, struct error *error)
{
    struct batch *batch = combiner->free;
    if (batch) {
        combiner->free = batch->next;
    } else {
        batch = memory_new(1, sizeof *batch);
        if (!batch)
            return error_set(error, CODE_MEMORY, "no memory for a batch of events");
        int rc = table_init(&batch->events, combiner->alone.schema, error);
        if (rc != OK) {
            free(batch);
            return rc;
        }
    }
    batch->next = NULL;
    batch->n_parts = 0;
    table_clear(&batch->events);
    atomic_store_explicit(&batch->finished, false, memory_order_relaxed);
    *ret = batch;
    return OK;
}

static void give_back(struct combiner *combiner, struct batch *batch)
{
    batch->next = combiner->free;
    combiner->free = batch;
}

static void enqueue(struct combiner *combiner, struct batch *batch)
{
    if (combiner->last)
        combiner->last->next = batch;
    else
        combiner->first = batch;
    combiner->last = batch;
}

static int add_part(struct batch *batch, const struct table *events, const struct part *part,
                    struct error *error)
{
    if (!memory_grow(&batch->parts, &batch->capacity, batch->n_parts + 1, sizeof *batch->parts))
        return error_set(error, CODE_MEMORY, "no memory for a caller");
    int rc = table_append(&batch->events, events, 0, events->length, error);
    if (rc != OK)
        return rc;
    batch->parts[batch->n_parts++] = *part;
    atomic_fetch_add_explicit(&batch->inside, 1, memory_order_relaxed);
    return OK;
}

/* Into the batch that is being filled, or into a new one. */
static int join(struct combiner *combiner, const struct table *events, struct part *part, struct batch **ret,
                struct error *error)
{
    struct batch *batch = combiner->last;
    bool fresh = !batch || batch->events.length + events->length > LIMIT_DURABLE_ROWS;
    int rc = fresh ? new_batch(combiner, &batch, error) : OK;
    if (rc != OK)
        return rc;
    part->from = batch->events.length;
    rc = add_part(batch, events, part, error);
    if (rc == OK && fresh)
        enqueue(combiner, batch);
    else if (fresh)
        give_back(combiner, batch);
    *ret = batch;
    return rc;
}

/* ---- busy, without the lock ---- */

static void answer(struct part *part, const struct decisions *decisions, int64_t from, uint64_t seq)
{
    part->rc = decided_copy(decisions, from, part->n, part->ret, part->error);
    part->ret->seq = seq;
}

/* Gives the position to commit. */
static uint64_t take_one(struct combiner *combiner, const struct batch *batch, struct part *part)
{
    struct durable_batch about = {.source = ""};
    struct decisions decisions;
    table_clear(&combiner->alone);
    part->rc = table_append(&combiner->alone, &batch->events, part->from, part->n, part->error);
    if (part->rc == OK)
        part->rc = durable_take(combiner->durable, &combiner->alone, &about, &decisions, part->error);
    if (part->rc == OK)
        answer(part, &decisions, 0, about.seq);
    return about.position;
}

/* All at once; where one spoils it for the others, one after the other. */
static uint64_t take_new(struct combiner *combiner, struct batch *batch)
{
    struct durable_batch about = {.source = ""};
    struct decisions decisions;
    struct part *first = &batch->parts[0];
    int rc = durable_take(combiner->durable, &batch->events, &about, &decisions, first->error);
    first->rc = rc;
    for (size_t i = 0; rc == OK && i < batch->n_parts; i++) {
        struct part *part = &batch->parts[i];
        answer(part, &decisions, part->from, about.seq + (uint64_t)part->from);
    }
    for (size_t i = 0; rc != OK && batch->n_parts > 1 && i < batch->n_parts; i++) {
        uint64_t position = take_one(combiner, batch, &batch->parts[i]);
        about.position = position ? position : about.position;
    }
    return about.position;
}

/* ---- ids that are known: parts of one event ---- */

struct asking {
    uint64_t seq;
    struct part *part;
    bool found;
};

static bool same_columns(const struct schema *a, const struct schema *b)
{
    bool same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++)
        same = strcmp(a->fields[i].name, b->fields[i].name) == 0 &&
               type_equal(&a->fields[i].type, &b->fields[i].type);
    return same;
}

static int tell_first(void *context, const struct durable_then *then, uint64_t seq,
                      const struct table *events, const struct decisions *decisions, struct error *error)
{
    struct asking *asking = context;
    struct part *part = asking->part;
    (void)events;
    (void)then;
    asking->found = true;
    if (asking->seq - seq >= (uint64_t)decisions->n)
        part->rc = error_set(error, CODE_INTERNAL, "the decision about event %llu is not where it should be",
                             (unsigned long long)asking->seq);
    else if (!same_columns(decisions->features->schema, part->ret->features.schema))
        part->rc = error_set(error, CODE_UNSUPPORTED, "event %llu was decided under another plan",
                             (unsigned long long)asking->seq);
    else
        answer(part, decisions, (int64_t)(asking->seq - seq), asking->seq);
    return CODE_INTERRUPTED; /* it was the one */
}

/* The first decision is in the journal, and is given when it is on the disk. */
static void tell_again(struct combiner *combiner, struct part *part, uint64_t seq)
{
    struct asking asking = {.seq = seq, .part = part};
    struct durable *durable = combiner->durable;
    struct error own = {0};
    int rc = durable_commit(durable, durable_position(durable), &own);
    if (rc == OK)
        rc = durable_history(durable, seq, tell_first, &asking, &own);
    if (rc == OK && !asking.found)
        rc = error_set(&own, CODE_NOT_FOUND, "the decision about event %llu is not in the journal",
                       (unsigned long long)seq);
    if (asking.found && rc == CODE_INTERRUPTED)
        rc = part->rc;
    part->rc = rc;
    if (rc != OK && part->error)
        *part->error = own;
}

/* Gives the position to commit. */
static uint64_t take_known(struct combiner *combiner, const struct batch *batch, struct part *part,
                           uint8_t known, uint64_t seq)
{
    uint64_t position = 0;
    if (known == DURABLE_LATER) {
        table_clear(&combiner->alone);
        part->rc = table_append(&combiner->alone, &batch->events, part->from, 1, part->error);
        if (part->rc == OK)
            part->rc = durable_look(combiner->durable, &combiner->alone, &known, &seq, part->error);
        if (part->rc != OK)
            return 0;
    }
    if (known == DURABLE_NEW) /* the one before it could not be taken */
        position = take_one(combiner, batch, part);
    else if (known == DURABLE_AGAIN)
        tell_again(combiner, part, seq);
    else
        part->rc = error_set(part->error, CODE_CONFLICT, "event %llu has this id, and other values",
                             (unsigned long long)seq);
    return position;
}

static void fail_all(struct batch *batch, int rc, const struct error *error)
{
    for (size_t i = 0; i < batch->n_parts; i++) {
        batch->parts[i].rc = rc;
        if (batch->parts[i].error)
            *batch->parts[i].error = *error;
    }
}

/* Those that are new together, then the others one by one. */
static uint64_t take_looked_at(struct combiner *combiner, struct batch *batch)
{
    struct durable_batch about = {.source = ""};
    struct decisions decisions;
    struct error error = {0};
    int64_t n = 0;
    int rc = durable_look(combiner->durable, &batch->events, combiner->known, combiner->seqs, &error);
    table_clear(&combiner->alone);
    for (size_t i = 0; rc == OK && i < batch->n_parts; i++)
        if (combiner->known[i] == DURABLE_NEW)
            rc = table_append(&combiner->alone, &batch->events, (int64_t)i, 1, &error);
    if (rc != OK) {
        fail_all(batch, rc, &error);
        return 0;
    }
    if (combiner->alone.length)
        rc = durable_take(combiner->durable, &combiner->alone, &about, &decisions, &error);
    for (size_t i = 0; rc == OK && i < batch->n_parts; i++)
        if (combiner->known[i] == DURABLE_NEW) {
            answer(&batch->parts[i], &decisions, n, about.seq + (uint64_t)n);
            n++;
        }
    for (size_t i = 0; i < batch->n_parts; i++) {
        bool new = combiner->known[i] == DURABLE_NEW;
        uint64_t position = 0;
        if (new &&rc != OK)
            position = take_one(combiner, batch, &batch->parts[i]);
        else if (!new)
            position = take_known(combiner, batch, &batch->parts[i], combiner->known[i], combiner->seqs[i]);
        about.position = position ? position : about.position;
    }
    return about.position;
}

static uint64_t take_batch(struct combiner *combiner, struct batch *batch)
{
    return combiner->looks ? take_looked_at(combiner, batch) : take_new(combiner, batch);
}

/* ---- leading ---- */

static void commit(struct combiner *combiner, struct batch *batch, uint64_t position)
{
    struct error error = {0};
    int rc = position ? durable_commit(combiner->durable, position, &error) : OK;
    for (size_t i = 0; rc != OK && i < batch->n_parts; i++) {
        struct part *part = &batch->parts[i];
        if (part->rc == OK && part->error)
            *part->error = error;
        part->rc = part->rc == OK ? rc : part->rc;
    }
}

/* Has the lock, and has it again. */
static void lead(struct combiner *combiner, struct batch *batch)
{
    while (combiner->busy || combiner->first != batch) {
        gate_wait(&batch->led, &combiner->lock);
        pthread_mutex_lock(&combiner->lock);
    }
    combiner->busy = true;
    combiner->first = batch->next;
    if (!combiner->first)
        combiner->last = NULL;
    pthread_mutex_unlock(&combiner->lock);
    uint64_t position = take_batch(combiner, batch);
    pthread_mutex_lock(&combiner->lock);
    combiner->busy = false;
    if (combiner->first)
        gate_open(&combiner->first->led, 1);
    pthread_mutex_unlock(&combiner->lock);
    commit(combiner, batch, position);
    pthread_mutex_lock(&combiner->lock);
    atomic_store_explicit(&batch->finished, true, memory_order_release);
    if (batch->n_parts > 1)
        gate_open_to_all(&batch->done);
}

/* Has the lock, and gives it back. */
static void follow(struct combiner *combiner, struct batch *batch)
{
    gate_wait(&batch->done, &combiner->lock);
    while (!atomic_load_explicit(&batch->finished, memory_order_acquire)) {
        pthread_mutex_lock(&combiner->lock);
        if (atomic_load_explicit(&batch->finished, memory_order_acquire))
            pthread_mutex_unlock(&combiner->lock);
        else
            gate_wait(&batch->done, &combiner->lock);
    }
}

int combiner_take(struct combiner *combiner, const struct table *events, struct decided *ret,
                  struct error *error)
{
    struct part part = {.n = events->length, .ret = ret, .error = error};
    struct batch *batch;
    if (events->length > LIMIT_DURABLE_ROWS)
        return error_set(error, CODE_LIMIT, "a batch of %lld events; the journal takes at most %d at once",
                         (long long)events->length, LIMIT_DURABLE_ROWS);
    if (combiner->looks && events->length != 1)
        return error_set(error, CODE_USAGE,
                         "%lld events at once; where ids are looked at, a caller brings one",
                         (long long)events->length);
    pthread_mutex_lock(&combiner->lock);
    int rc = join(combiner, events, &part, &batch, error);
    if (rc != OK) {
        pthread_mutex_unlock(&combiner->lock);
        return rc;
    }
    size_t place = batch->n_parts - 1;
    if (place == 0) {
        lead(combiner, batch);
        pthread_mutex_unlock(&combiner->lock);
    } else {
        follow(combiner, batch);
    }
    rc = batch->parts[place].rc;
    if (atomic_fetch_sub_explicit(&batch->inside, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_lock(&combiner->lock);
        give_back(combiner, batch);
        pthread_mutex_unlock(&combiner->lock);
    }
    return rc;
}
