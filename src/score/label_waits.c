#include "score/label_waits.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"

enum { FIRST_BUCKETS = 64 };

struct wait {
    struct id_key key;
    struct said *said; /* NULL: it is over */
    char *id;
    int64_t since;
};

/* Waits have numbers in order of their beginning. A bucket has a number plus one; 0 = empty. */
struct label_waits {
    int64_t lateness, lost_ever;
    struct wait *list; /* of the numbers from `base` on */
    size_t capacity;
    uint64_t base, first, begun, end; /* first: the oldest; from `begun` on they wait for the next event */
    uint64_t *buckets, mask, filled, live;
    const char **lost;
    size_t n_lost, lost_capacity;
};

struct label_waits *label_waits_new(int64_t lateness)
{
    struct label_waits *waits = memory_new(1, sizeof *waits);
    if (waits)
        waits->buckets = memory_new(FIRST_BUCKETS, sizeof *waits->buckets);
    if (!waits || !waits->buckets) {
        free(waits);
        return NULL;
    }
    waits->mask = FIRST_BUCKETS - 1;
    waits->lateness = lateness;
    return waits;
}

void label_waits_free(struct label_waits *waits)
{
    if (!waits)
        return;
    for (uint64_t number = waits->first; number < waits->end; number++) {
        free(waits->list[number - waits->base].said);
        free(waits->list[number - waits->base].id);
    }
    label_waits_forget(waits);
    free(waits->lost);
    free(waits->list);
    free(waits->buckets);
    free(waits);
}

static struct wait *wait_at(const struct label_waits *waits, uint64_t number)
{
    return &waits->list[number - waits->base];
}

static uint64_t hash_of(struct id_key key)
{
    return hash_word(key.words[1], hash_word(key.words[0], 0));
}

static struct wait *find(const struct label_waits *waits, struct id_key key)
{
    for (uint64_t i = hash_of(key) & waits->mask; waits->buckets[i]; i = (i + 1) & waits->mask) {
        uint64_t number = waits->buckets[i] - 1;
        if (number < waits->first)
            continue;
        struct wait *wait = wait_at(waits, number);
        if (wait->said && memcmp(&wait->key, &key, sizeof key) == 0)
            return wait;
    }
    return NULL;
}

static void put_bucket(struct label_waits *waits, uint64_t number)
{
    uint64_t i = hash_of(wait_at(waits, number)->key) & waits->mask;
    while (waits->buckets[i])
        i = (i + 1) & waits->mask;
    waits->buckets[i] = number + 1;
    waits->filled++;
}

/* Without those that are over. */
static bool renew_buckets(struct label_waits *waits)
{
    uint64_t size = FIRST_BUCKETS;
    while (size < 4 * (waits->live + 1))
        size *= 2;
    uint64_t *buckets = memory_new(size, sizeof *buckets);
    if (!buckets)
        return false;
    free(waits->buckets);
    waits->buckets = buckets;
    waits->mask = size - 1;
    waits->filled = 0;
    for (uint64_t number = waits->first; number < waits->end; number++)
        if (wait_at(waits, number)->said)
            put_bucket(waits, number);
    return true;
}

const struct said *label_waits_find(const struct label_waits *waits, struct id_key key)
{
    const struct wait *wait = find(waits, key);
    return wait ? wait->said : NULL;
}

/* Room for one more in the list and in the buckets. */
static bool make_room(struct label_waits *waits)
{
    uint64_t gone = waits->first - waits->base, kept = waits->end - waits->first;
    if (gone > kept) {
        memmove(waits->list, waits->list + gone, kept * sizeof *waits->list);
        waits->base = waits->first;
    }
    return memory_grow(&waits->list, &waits->capacity, waits->end - waits->base + 1, sizeof *waits->list) &&
           (2 * (waits->filled + 1) <= waits->mask || renew_buckets(waits));
}

/* The oldest is over, one way or the other. */
static bool drop_first(struct label_waits *waits)
{
    struct wait *wait = wait_at(waits, waits->first);
    if (wait->said) {
        if (!memory_grow(&waits->lost, &waits->lost_capacity, waits->n_lost + 1, sizeof *waits->lost))
            return false;
        waits->lost[waits->n_lost++] = wait->id;
        waits->lost_ever++;
        waits->live--;
        free(wait->said);
    }
    waits->first++;
    if (waits->begun < waits->first)
        waits->begun = waits->first;
    return true;
}

static void put_new(struct label_waits *waits, const struct wait *wait)
{
    waits->list[waits->end - waits->base] = *wait;
    put_bucket(waits, waits->end++);
    waits->live++;
}

bool label_waits_put(struct label_waits *waits, struct id_key key, const char *id, struct said *said)
{
    struct wait *known = find(waits, key);
    if (known) {
        free(known->said);
        known->said = said;
        return true;
    }
    while (waits->first < waits->end &&
           (waits->live >= LIMIT_LABELS_WAITING || !wait_at(waits, waits->first)->said))
        if (!drop_first(waits))
            return false;
    struct wait wait = {.key = key, .said = said, .id = memory_text(id, strlen(id))};
    if (!wait.id || !make_room(waits)) {
        free(wait.id);
        return false;
    }
    put_new(waits, &wait);
    return true;
}

struct said *label_waits_take(struct label_waits *waits, struct id_key key)
{
    struct wait *wait = waits->live ? find(waits, key) : NULL;
    if (!wait)
        return NULL;
    struct said *said = wait->said;
    free(wait->id);
    wait->id = NULL;
    wait->said = NULL;
    waits->live--;
    return said;
}

bool label_waits_pass(struct label_waits *waits, int64_t latest, int64_t high)
{
    for (; waits->begun < waits->end; waits->begun++)
        wait_at(waits, waits->begun)->since = latest;
    while (waits->first < waits->end) {
        const struct wait *wait = wait_at(waits, waits->first);
        if (wait->said && high - waits->lateness <= wait->since)
            return true;
        if (!drop_first(waits))
            return false;
    }
    return true;
}

int64_t label_waits_count(const struct label_waits *waits)
{
    return (int64_t)waits->live;
}

size_t label_waits_lost(const struct label_waits *waits, const char *const **ret_ids)
{
    *ret_ids = waits->lost;
    return waits->n_lost;
}

int64_t label_waits_lost_ever(const struct label_waits *waits)
{
    return waits->lost_ever;
}

void label_waits_forget(struct label_waits *waits)
{
    for (size_t i = 0; i < waits->n_lost; i++)
        free((char *)waits->lost[i]);
    waits->n_lost = 0;
}

void label_waits_save(const struct label_waits *waits, const struct sayings *sayings, struct bytes_out *out)
{
    bytes_put_i64(out, waits->lost_ever);
    bytes_put_u64(out, waits->live);
    for (uint64_t number = waits->first; number < waits->end; number++) {
        const struct wait *wait = wait_at(waits, number);
        if (!wait->said)
            continue;
        uint32_t size = (uint32_t)strlen(wait->id);
        bytes_put(out, &wait->key, sizeof wait->key);
        bytes_put_u8(out, number < waits->begun);
        bytes_put_i64(out, wait->since);
        bytes_put_u32(out, size);
        bytes_put(out, wait->id, size);
        said_save(sayings, wait->said, out);
    }
}

static bool load_one(struct label_waits *waits, struct sayings *sayings, struct bytes_in *in)
{
    struct wait wait = {.id = NULL};
    bytes_get(in, &wait.key, sizeof wait.key);
    bool begun = bytes_get_u8(in);
    wait.since = bytes_get_i64(in);
    uint32_t size = bytes_get_u32(in);
    if (in->rc == OK && size > LIMIT_LABEL_ID)
        return bytes_refuse(in, "an id of %u bytes waits for its event", size);
    wait.id = memory_new(size + 1, 1);
    bool fine =
        wait.id ? bytes_get(in, wait.id, size) && said_load(sayings, in, &wait.said) : bytes_no_memory(in);
    if (fine && !wait.said)
        fine = bytes_refuse(in, "nothing is said of an event that labels wait for");
    if (fine && !make_room(waits))
        fine = bytes_no_memory(in);
    if (!fine) {
        free(wait.said);
        free(wait.id);
        return false;
    }
    put_new(waits, &wait);
    if (begun)
        waits->begun = waits->end;
    return true;
}

bool label_waits_load(struct label_waits *waits, struct sayings *sayings, struct bytes_in *in)
{
    waits->lost_ever = bytes_get_i64(in);
    uint64_t n = bytes_get_u64(in);
    for (uint64_t i = 0; i < n; i++)
        if (!load_one(waits, sayings, in))
            return false;
    return in->rc == OK;
}
