#include "feature/distinct.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"

enum {
    CAPACITY_FIRST = 4,
    CAPACITY_UNSEGMENTED = 256, /* of a table without segments, at most */
    AVERAGE_MOST = 128,         /* values of a segment, before another is made */
    AVERAGE_LEAST = 32,         /* and before one is given up: far apart, so that neither undoes the other */
    LEVELS = 32,
    SEGMENTS_LAST = INT32_MAX /* number of the last that there may be */
};

/* Segment 0 is levels[0][0]; levels[k] has the segments 2^(k-1) .. 2^k - 1. */
struct distinct_segments {
    struct distinct *levels[LEVELS];
    uint32_t n;
    uint64_t values;   /* in use, of all segments */
    uint64_t capacity; /* of all segments, entries */
    uint64_t moved;
};

static bool segmented(const struct distinct *distinct)
{
    return distinct->capacity == DISTINCT_SEGMENTED;
}

static size_t entry_size(const struct distinct_shape *shape)
{
    return ((size_t)shape->key_words * 8 + (size_t)shape->n_frames * 4 + 7) / 8 * 8;
}

static uint64_t word_at(const char *key, int word)
{
    uint64_t value;
    memcpy(&value, key + word * 8, sizeof value);
    return value;
}

static uint64_t hash_key(const struct distinct_shape *shape, const char *key)
{
    uint64_t hash = hash_word(word_at(key, 0), 0);
    return shape->key_words == 2 ? hash_word(word_at(key, 1), hash) : hash;
}

static bool same_key(const struct distinct_shape *shape, const char *a, const char *b)
{
    return word_at(a, 0) == word_at(b, 0) && (shape->key_words == 1 || word_at(a, 1) == word_at(b, 1));
}

static uint32_t *counts_of(const struct distinct_shape *shape, char *entry)
{
    return (uint32_t *)(entry + (size_t)shape->key_words * 8);
}

static bool in_use(const struct distinct_shape *shape, char *entry)
{
    const uint32_t *counts = counts_of(shape, entry);
    for (int f = 0; f < shape->n_frames; f++)
        if (counts[f])
            return true;
    return false;
}

/* One open-addressing table. Segments are chosen by a hash's lower half, places in them by its upper half. */

static uint32_t home(const struct distinct *table, uint64_t hash)
{
    return (uint32_t)(hash >> 32) & (table->capacity - 1);
}

static char *entry_at(const struct distinct_shape *shape, const struct distinct *table, uint32_t place)
{
    return table->entries + place * entry_size(shape);
}

/* The key's place, or the empty one where it belongs. */
static uint32_t find(const struct distinct_shape *shape, const struct distinct *table, const char *key,
                     uint64_t hash)
{
    uint32_t place = home(table, hash);
    for (;; place = (place + 1) & (table->capacity - 1)) {
        char *entry = entry_at(shape, table, place);
        if (same_key(shape, entry, key) || !in_use(shape, entry))
            return place;
    }
}

static bool crowded(uint64_t used, uint32_t capacity)
{
    return used * 4 > (uint64_t)capacity * 3;
}

static bool table_new(const struct distinct_shape *shape, uint32_t used, struct distinct *ret)
{
    uint32_t capacity = CAPACITY_FIRST;
    while (crowded(used, capacity))
        capacity *= 2;
    char *entries = calloc(capacity, entry_size(shape));
    *ret = (struct distinct){.entries = entries, .capacity = capacity};
    return entries != NULL;
}

/* Moves an entry to a table that has room and does not have its key. */
static void put(const struct distinct_shape *shape, struct distinct *table, const char *entry, uint64_t hash)
{
    memcpy(entry_at(shape, table, find(shape, table, entry, hash)), entry, entry_size(shape));
    table->used++;
}

/* Gives a table room for `used` values. False: no memory, nothing changed. */
static bool resize(const struct distinct_shape *shape, struct distinct *table, uint32_t used)
{
    struct distinct resized;
    if (!table_new(shape, used, &resized))
        return false;
    for (uint32_t i = 0; i < table->capacity; i++) {
        char *entry = entry_at(shape, table, i);
        if (in_use(shape, entry))
            put(shape, &resized, entry, hash_key(shape, entry));
    }
    free(table->entries);
    *table = resized;
    return true;
}

/* Closes the gap that an entry leaves, so that every key is found on the way from its home; returns the
 * number of entries moved. */
static uint64_t take_out(const struct distinct_shape *shape, struct distinct *table, uint32_t gap)
{
    uint32_t mask = table->capacity - 1, place = gap;
    uint64_t moved = 0;
    for (;;) {
        place = (place + 1) & mask;
        char *entry = entry_at(shape, table, place);
        if (!in_use(shape, entry))
            break;
        uint32_t from_home = (place - home(table, hash_key(shape, entry))) & mask;
        if (from_home >= ((place - gap) & mask)) {
            memcpy(entry_at(shape, table, gap), entry, entry_size(shape));
            gap = place;
            moved++;
        }
    }
    memset(entry_at(shape, table, gap), 0, entry_size(shape));
    table->used--;
    return moved;
}

/* Gives back memory that is no longer needed; if there is none for the smaller table, the larger one stays.
 * Returns the number of entries moved. */
static uint64_t shrink(const struct distinct_shape *shape, struct distinct *table)
{
    if (table->used == 0)
        distinct_done(table);
    else if (table->capacity > CAPACITY_FIRST && table->used <= table->capacity / 8)
        return resize(shape, table, table->used * 2) ? table->used : 0;
    return 0;
}

/* Segments. */

static struct distinct **level_of(struct distinct_segments *segments, uint32_t segment, uint32_t *ret_at)
{
    int level = segment ? 32 - __builtin_clz(segment) : 0;
    *ret_at = level ? segment ^ UINT32_C(1) << (level - 1) : 0;
    return &segments->levels[level];
}

static struct distinct *segment_at(struct distinct_segments *segments, uint32_t segment)
{
    uint32_t at;
    struct distinct *level = *level_of(segments, segment, &at);
    return &level[at];
}

/* Where segment `segment`'s values come from, and go to when it is given up. */
static uint32_t origin_of(uint32_t segment)
{
    return segment ^ UINT32_C(1) << (31 - __builtin_clz(segment));
}

static uint32_t segment_of(const struct distinct_segments *segments, uint64_t hash)
{
    uint32_t top = UINT32_C(1) << (31 - __builtin_clz(segments->n)), low = (uint32_t)hash & (top * 2 - 1);
    return low < segments->n ? low : low ^ top;
}

/* Turns a table into the first of segments. False: no memory, nothing changed. */
static bool segments_begin(struct distinct *distinct)
{
    struct distinct_segments *segments = calloc(1, sizeof *segments);
    struct distinct *first = malloc(sizeof *first);
    if (!segments || !first) {
        free(segments);
        free(first);
        return false;
    }
    *first = *distinct;
    segments->levels[0] = first;
    segments->n = 1;
    segments->values = first->used;
    segments->capacity = first->capacity;
    *distinct = (struct distinct){.segments = segments, .capacity = DISTINCT_SEGMENTED};
    return true;
}

/* And the only one that is left into a table again. */
static void segments_end(struct distinct *distinct)
{
    struct distinct_segments *segments = distinct->segments;
    *distinct = segments->levels[0][0];
    free(segments->levels[0]);
    free(segments);
}

/* A new segment with the part of its origin's values that from now on belongs there. If there is no memory,
 * it waits until the next value. */
static void segments_split(const struct distinct_shape *shape, struct distinct_segments *segments)
{
    uint32_t last = segments->n, origin = origin_of(last), bit = last ^ origin, goes = 0, at;
    struct distinct **level = level_of(segments, last, &at), *from = segment_at(segments, origin);
    struct distinct old = *from, stay = {0}, leave = {0};
    for (uint32_t i = 0; i < old.capacity; i++) {
        char *entry = entry_at(shape, &old, i);
        goes += in_use(shape, entry) && (hash_key(shape, entry) & bit);
    }
    if (last > SEGMENTS_LAST || !table_new(shape, old.used - goes, &stay) ||
        !table_new(shape, goes, &leave) || (!*level && !(*level = malloc(bit * sizeof **level)))) {
        free(stay.entries);
        free(leave.entries);
        return;
    }
    for (uint32_t i = 0; i < old.capacity; i++) {
        char *entry = entry_at(shape, &old, i);
        if (in_use(shape, entry)) {
            uint64_t hash = hash_key(shape, entry);
            put(shape, hash & bit ? &leave : &stay, entry, hash);
        }
    }
    free(old.entries);
    *from = stay;
    (*level)[at] = leave;
    segments->n++;
    segments->capacity += (uint64_t)stay.capacity + leave.capacity - old.capacity;
    segments->moved += old.used;
}

/* The last segment's values go back to its origin. If there is no memory, it waits until the next value. */
static void segments_join(const struct distinct_shape *shape, struct distinct_segments *segments)
{
    uint32_t last = segments->n - 1, at;
    struct distinct **level = level_of(segments, last, &at);
    struct distinct *origin = segment_at(segments, origin_of(last)), old = *origin, *leave = &(*level)[at];
    uint32_t used = old.used + leave->used;
    if (crowded(used, old.capacity)) {
        if (!resize(shape, origin, used))
            return;
        segments->moved += old.used;
    }
    for (uint32_t i = 0; i < leave->capacity; i++) {
        char *entry = entry_at(shape, leave, i);
        if (in_use(shape, entry))
            put(shape, origin, entry, hash_key(shape, entry));
    }
    segments->moved += leave->used;
    segments->capacity += (uint64_t)origin->capacity - old.capacity - leave->capacity;
    segments->n--;
    free(leave->entries);
    if (at == 0) {
        free(*level);
        *level = NULL;
    }
}

/* The table that a key with this hash belongs to. */
static struct distinct *table_of(struct distinct *distinct, uint64_t hash)
{
    if (!segmented(distinct))
        return distinct;
    return segment_at(distinct->segments, segment_of(distinct->segments, hash));
}

/* Makes room for one value more where one with this hash belongs. False: no memory. */
static bool make_room(const struct distinct_shape *shape, struct distinct *distinct, uint64_t hash)
{
    if (!segmented(distinct)) {
        if (!crowded(distinct->used + 1, distinct->capacity))
            return true;
        if (distinct->capacity < CAPACITY_UNSEGMENTED)
            return resize(shape, distinct, distinct->used + 1);
        if (!segments_begin(distinct))
            return false;
    }
    struct distinct_segments *segments = distinct->segments;
    if (segments->values >= (uint64_t)segments->n * AVERAGE_MOST)
        segments_split(shape, segments);
    struct distinct *table = table_of(distinct, hash), old = *table;
    if (!crowded(table->used + 1, table->capacity))
        return true;
    if (!resize(shape, table, table->used + 1))
        return false;
    segments->capacity += table->capacity - old.capacity;
    segments->moved += table->used;
    return true;
}

/* The entry of a key, a new one if there is none; NULL: no memory, nothing changed. */
static char *reach_entry(const struct distinct_shape *shape, struct distinct *distinct, const uint64_t *key)
{
    uint64_t hash = hash_key(shape, (const char *)key);
    struct distinct *table = table_of(distinct, hash);
    char *entry =
        table->capacity ? entry_at(shape, table, find(shape, table, (const char *)key, hash)) : NULL;
    if (!entry || !in_use(shape, entry)) {
        if (!make_room(shape, distinct, hash))
            return NULL;
        table = table_of(distinct, hash);
        entry = entry_at(shape, table, find(shape, table, (const char *)key, hash));
        memcpy(entry, key, (size_t)shape->key_words * 8);
        table->used++;
        if (segmented(distinct))
            distinct->segments->values++;
    }
    return entry;
}

bool distinct_add(const struct distinct_shape *shape, struct distinct *distinct, const uint64_t *key,
                  int frame, int64_t *live)
{
    char *entry = reach_entry(shape, distinct, key);
    if (!entry)
        return false;
    uint32_t *count = &counts_of(shape, entry)[frame];
    assert(*count < UINT32_MAX);
    *live += ++*count == 1;
    return true;
}

/* A value less in one of the segments. */
static void segments_shrink(const struct distinct_shape *shape, struct distinct *distinct,
                            struct distinct *table, uint32_t place)
{
    struct distinct_segments *segments = distinct->segments;
    uint32_t capacity = table->capacity;
    segments->moved += take_out(shape, table, place);
    segments->moved += shrink(shape, table);
    segments->capacity -= capacity - table->capacity;
    segments->values--;
    if (segments->n > 1 && segments->values < (uint64_t)segments->n * AVERAGE_LEAST)
        segments_join(shape, segments);
    if (segments->n == 1)
        segments_end(distinct);
}

void distinct_remove(const struct distinct_shape *shape, struct distinct *distinct, const uint64_t *key,
                     int frame, int64_t *live)
{
    uint64_t hash = hash_key(shape, (const char *)key);
    struct distinct *table = table_of(distinct, hash);
    assert(table->used > 0);
    uint32_t place = find(shape, table, (const char *)key, hash);
    char *entry = entry_at(shape, table, place);
    uint32_t *count = &counts_of(shape, entry)[frame];
    assert(*count > 0);
    if (--*count)
        return;
    --*live;
    if (in_use(shape, entry))
        return;
    if (segmented(distinct)) {
        segments_shrink(shape, distinct, table, place);
    } else {
        take_out(shape, table, place);
        shrink(shape, table);
    }
}

void distinct_done(struct distinct *distinct)
{
    if (segmented(distinct)) {
        struct distinct_segments *segments = distinct->segments;
        for (uint32_t i = 0; i < segments->n; i++)
            free(segment_at(segments, i)->entries);
        for (int level = 0; level < LEVELS; level++)
            free(segments->levels[level]);
        free(segments);
    } else {
        free(distinct->entries);
    }
    *distinct = (struct distinct){0};
}

size_t distinct_bytes(const struct distinct_shape *shape, const struct distinct *distinct)
{
    if (!segmented(distinct))
        return distinct->capacity * entry_size(shape);
    const struct distinct_segments *segments = distinct->segments;
    uint32_t last = segments->n - 1;
    size_t listed = last ? (size_t)1 << (32 - __builtin_clz(last)) : 1;
    return sizeof *segments + listed * sizeof *distinct + segments->capacity * entry_size(shape);
}

uint64_t distinct_moved(const struct distinct *distinct)
{
    return segmented(distinct) ? distinct->segments->moved : 0;
}

static uint64_t values_of(const struct distinct *distinct)
{
    return segmented(distinct) ? distinct->segments->values : distinct->used;
}

static void save_table(const struct distinct_shape *shape, const struct distinct *table,
                       struct bytes_out *out)
{
    for (uint32_t i = 0; i < table->capacity; i++) {
        char *entry = entry_at(shape, table, i);
        if (!in_use(shape, entry))
            continue;
        bytes_put(out, entry, (size_t)shape->key_words * 8);
        bytes_put(out, counts_of(shape, entry), (size_t)shape->n_frames * sizeof(uint32_t));
    }
}

void distinct_save(const struct distinct_shape *shape, const struct distinct *distinct, struct bytes_out *out)
{
    bytes_put_u64(out, values_of(distinct));
    if (!segmented(distinct))
        save_table(shape, distinct, out);
    for (uint32_t i = 0; segmented(distinct) && i < distinct->segments->n; i++)
        save_table(shape, segment_at(distinct->segments, i), out);
}

bool distinct_load(const struct distinct_shape *shape, struct distinct *distinct, distinct_rekey *rekey,
                   void *context, struct bytes_in *in)
{
    uint64_t n = bytes_get_u64(in);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key[2] = {0};
        uint32_t counts[LIMIT_WINDOWS], any = 0;
        bytes_get(in, key, (size_t)shape->key_words * 8);
        if (!bytes_get(in, counts, (size_t)shape->n_frames * sizeof *counts) || !rekey(context, key, in))
            return false;
        for (int f = 0; f < shape->n_frames; f++)
            any |= counts[f];
        if (!any)
            return bytes_refuse(in, "a value occurs in no frame");
        char *entry = reach_entry(shape, distinct, key);
        if (!entry)
            return bytes_no_memory(in);
        memcpy(counts_of(shape, entry), counts, (size_t)shape->n_frames * sizeof *counts);
    }
    return in->rc == OK;
}
