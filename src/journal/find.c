/*
 * The index: for each segment, one record in so many bytes, learnt by whoever reads it. A search begins at
 * the last one known before what it looks for and reads on from there, so the first search in a segment may
 * read all of it, and those after it a little.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "journal/inside.h"

enum { MARK_EVERY = 256 << 10 };

void kept_done(struct kept *kept)
{
    free(kept->marks);
    kept->marks = NULL;
    kept->n_marks = kept->marks_capacity = 0;
}

static uint64_t key(uint64_t position, uint64_t seq, bool by_seq)
{
    return by_seq ? seq : position;
}

/* How many marks come at or before the target. */
static size_t marks_before(const struct kept *kept, bool by_seq, uint64_t target)
{
    size_t low = 0, high = kept->n_marks;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key(kept->marks[middle].position, kept->marks[middle].seq, by_seq) <= target)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t segments_before(const struct journal *journal, bool by_seq, uint64_t target)
{
    size_t low = 0, high = journal->n_segments;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct kept *kept = &journal->segments[middle];
        if (key(kept->first_position, kept->first_seq, by_seq) <= target)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool journal_locate(const struct journal *journal, bool by_seq, uint64_t target, struct located *ret)
{
    size_t n = segments_before(journal, by_seq, target);
    if (n == 0)
        return false;
    const struct kept *kept = &journal->segments[n - 1];
    size_t marks = marks_before(kept, by_seq, target);
    *ret =
        (struct located){.from = marks ? kept->marks[marks - 1]
                                       : (struct mark){kept->first_position, kept->first_seq, SEGMENT_HEAD},
                         .number = kept->number,
                         .end = kept->end,
                         .generation = kept->generation,
                         .behind = n == journal->n_segments ? UINT64_MAX : kept[1].first_position};
    return true;
}

bool journal_worth_marking(uint64_t offset, uint64_t last)
{
    return offset >= last + MARK_EVERY;
}

void journal_learn(struct journal *journal, uint64_t number, uint32_t generation, const struct mark *mark)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t oldest = journal->segments[0].number;
    struct kept *kept = number >= oldest && number - oldest < journal->n_segments
                            ? &journal->segments[number - oldest]
                            : NULL;
    if (kept && kept->generation == generation) {
        uint64_t last = kept->n_marks ? kept->marks[kept->n_marks - 1].offset : SEGMENT_HEAD;
        /* Without memory for it, a search takes longer. */
        if (journal_worth_marking(mark->offset, last) &&
            memory_grow(&kept->marks, &kept->marks_capacity, kept->n_marks + 1, sizeof *mark))
            kept->marks[kept->n_marks++] = *mark;
    }
    pthread_mutex_unlock(&journal->lock);
}
