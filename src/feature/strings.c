#include "feature/strings.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/memory.h"

enum {
    FIRST = 256,
    LEVELS = 25,
    BUCKETS_MOST = 4 /* per text, before one is given up: far from the one at which more are made */
};

/* A list that grows without moving: level 0 has the first FIRST elements, level k the next FIRST * 2^(k-1).
 */
struct levels {
    void *level[LEVELS];
    size_t element;
};

struct known {
    uint64_t hash;
    char *data; /* NULL: the number is free */
    _Atomic uint64_t references;
    uint32_t next; /* in the bucket, or of the free numbers: number + 1, 0 = none */
    uint32_t size;
};

struct strings {
    struct levels known, buckets; /* a bucket is the first of its texts: number + 1, 0 = none */
    uint32_t n_numbers, n_buckets;
    uint32_t free_number; /* number + 1 */
    uint32_t swept;       /* where the next sweep begins */
    int64_t n_texts;
    size_t bytes;
};

static int level_of(uint32_t index)
{
    return index < FIRST ? 0 : 32 - __builtin_clz(index / FIRST);
}

static uint32_t level_first(int level)
{
    return level ? (uint32_t)FIRST << (level - 1) : 0;
}

static size_t level_bytes(const struct levels *levels, int level)
{
    return levels->element * (level ? level_first(level) : FIRST);
}

static void *element_at(const struct levels *levels, uint32_t index)
{
    int level = level_of(index);
    return (char *)levels->level[level] + (index - level_first(level)) * levels->element;
}

/* Makes room for the element after those that are there. False: no memory. */
static bool levels_reach(struct strings *strings, struct levels *levels, uint32_t index)
{
    int level = level_of(index);
    if (levels->level[level])
        return true;
    if (!(levels->level[level] = malloc(level_bytes(levels, level))))
        return false;
    strings->bytes += level_bytes(levels, level);
    return true;
}

static struct known *known_at(const struct strings *strings, uint64_t number)
{
    return element_at(&strings->known, (uint32_t)number);
}

/* Where the list of texts with this hash begins. */
static uint32_t *bucket_of(const struct strings *strings, uint64_t hash)
{
    uint32_t top = UINT32_C(1) << (31 - __builtin_clz(strings->n_buckets));
    uint32_t bucket = (uint32_t)hash & (top * 2 - 1);
    return element_at(&strings->buckets, bucket < strings->n_buckets ? bucket : bucket ^ top);
}

struct strings *strings_new(void)
{
    struct strings *strings = memory_new(1, sizeof *strings);
    if (!strings)
        return NULL;
    strings->bytes = sizeof *strings;
    strings->known.element = sizeof(struct known);
    strings->buckets.element = sizeof(uint32_t);
    if (!levels_reach(strings, &strings->known, 0) || !levels_reach(strings, &strings->buckets, 0)) {
        strings_free(strings);
        return NULL;
    }
    strings->n_buckets = FIRST;
    memset(strings->buckets.level[0], 0, level_bytes(&strings->buckets, 0));
    return strings;
}

void strings_free(struct strings *strings)
{
    if (!strings)
        return;
    for (uint32_t number = 0; number < strings->n_numbers; number++)
        free(known_at(strings, number)->data);
    for (int level = 0; level < LEVELS; level++) {
        free(strings->known.level[level]);
        free(strings->buckets.level[level]);
    }
    free(strings);
}

/* The texts of a bucket that from now on belong to a new one. If there is no memory, it waits until the next
 * text. */
static void split_bucket(struct strings *strings)
{
    uint32_t last = strings->n_buckets, top = UINT32_C(1) << (31 - __builtin_clz(last)), *leave;
    if (last >= UINT32_C(1) << 31 || !levels_reach(strings, &strings->buckets, last))
        return;
    uint32_t *stay = element_at(&strings->buckets, last ^ top), next = *stay;
    leave = element_at(&strings->buckets, last);
    *stay = *leave = 0;
    while (next) {
        struct known *known = known_at(strings, next - 1);
        uint32_t *to = known->hash & top ? leave : stay, following = known->next;
        known->next = *to;
        *to = next;
        next = following;
    }
    strings->n_buckets++;
}

/* The last bucket's texts go back to where they came from. */
static void join_bucket(struct strings *strings)
{
    uint32_t last = strings->n_buckets - 1, top = UINT32_C(1) << (31 - __builtin_clz(last));
    uint32_t *to = element_at(&strings->buckets, last ^ top);
    while (*to)
        to = &known_at(strings, *to - 1)->next;
    *to = *(uint32_t *)element_at(&strings->buckets, last);
    strings->n_buckets = last;
    int level = level_of(last);
    if (last == level_first(level)) {
        strings->bytes -= level_bytes(&strings->buckets, level);
        free(strings->buckets.level[level]);
        strings->buckets.level[level] = NULL;
    }
}

/* A number that no text has. */
static bool new_number(struct strings *strings, uint32_t *ret)
{
    if (strings->free_number) {
        *ret = strings->free_number - 1;
        strings->free_number = known_at(strings, *ret)->next;
        return true;
    }
    if (strings->n_numbers == UINT32_MAX - 1 || !levels_reach(strings, &strings->known, strings->n_numbers))
        return false;
    *ret = strings->n_numbers++;
    return true;
}

static bool insert(struct strings *strings, struct text text, uint64_t hash, uint64_t *ret)
{
    uint32_t number;
    char *copy = text.size <= UINT32_MAX ? memory_text(text.data, text.size) : NULL;
    if (!copy || !new_number(strings, &number)) {
        free(copy);
        return false;
    }
    if (strings->n_texts >= strings->n_buckets)
        split_bucket(strings);
    uint32_t *bucket = bucket_of(strings, hash);
    struct known *known = known_at(strings, number);
    known->hash = hash;
    known->data = copy;
    known->size = (uint32_t)text.size;
    known->next = *bucket;
    atomic_init(&known->references, 1);
    *bucket = number + 1;
    strings->n_texts++;
    strings->bytes += text.size + 1;
    *ret = number;
    return true;
}

bool strings_number(struct strings *strings, struct text text, uint64_t *ret)
{
    uint64_t hash = hash_bytes(text.data, text.size, 0);
    for (uint32_t next = *bucket_of(strings, hash); next;) {
        struct known *known = known_at(strings, next - 1);
        if (known->hash == hash && known->size == text.size &&
            memcmp(known->data, text.data, text.size) == 0) {
            atomic_fetch_add_explicit(&known->references, 1, memory_order_relaxed);
            *ret = next - 1;
            return true;
        }
        next = known->next;
    }
    return insert(strings, text, hash, ret);
}

/* References are only counted here; what is read and written under them is ordered by whoever lets the owner
 * sweep, which nobody else may overlap. */
void strings_hold(struct strings *strings, uint64_t number)
{
    uint64_t before =
        atomic_fetch_add_explicit(&known_at(strings, number)->references, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

void strings_release(struct strings *strings, uint64_t number)
{
    uint64_t before =
        atomic_fetch_sub_explicit(&known_at(strings, number)->references, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

struct text strings_text(const struct strings *strings, uint64_t number)
{
    const struct known *known = known_at(strings, number);
    assert(known->data);
    return (struct text){known->data, known->size};
}

static void forget(struct strings *strings, uint32_t number)
{
    struct known *known = known_at(strings, number);
    uint32_t *link = bucket_of(strings, known->hash);
    while (*link != number + 1)
        link = &known_at(strings, *link - 1)->next;
    *link = known->next;
    strings->bytes -= (size_t)known->size + 1;
    strings->n_texts--;
    free(known->data);
    known->data = NULL;
    known->next = strings->free_number;
    strings->free_number = number + 1;
    while (strings->n_buckets > FIRST && strings->n_texts * BUCKETS_MOST < strings->n_buckets)
        join_bucket(strings); /* so many at most, since one text went */
}

int64_t strings_sweep(struct strings *strings, int64_t n)
{
    int64_t forgotten = 0;
    if (n > strings->n_numbers)
        n = strings->n_numbers;
    for (int64_t i = 0; i < n; i++) {
        uint32_t number = strings->swept;
        const struct known *known = known_at(strings, number);
        strings->swept = number + 1 < strings->n_numbers ? number + 1 : 0;
        if (known->data && atomic_load_explicit(&known->references, memory_order_relaxed) == 0) {
            forget(strings, number);
            forgotten++;
        }
    }
    return forgotten;
}

int64_t strings_count(const struct strings *strings)
{
    return strings->n_texts;
}

size_t strings_bytes(const struct strings *strings)
{
    return strings->bytes;
}

static bool is_held(const struct known *known)
{
    return known->data && atomic_load_explicit(&known->references, memory_order_relaxed) > 0;
}

void strings_save(const struct strings *strings, struct bytes_out *out)
{
    uint32_t held = 0;
    for (uint32_t number = 0; number < strings->n_numbers; number++)
        held += is_held(known_at(strings, number));
    bytes_put_u32(out, held);
    for (uint32_t number = 0; number < strings->n_numbers; number++) {
        const struct known *known = known_at(strings, number);
        if (!is_held(known))
            continue;
        bytes_put_u32(out, number);
        bytes_put_u32(out, known->size);
        bytes_put(out, known->data, known->size);
    }
}

static bool load_text(struct strings *strings, char *text, struct renumbering *ret, struct bytes_in *in)
{
    uint32_t number = bytes_get_u32(in), size = bytes_get_u32(in);
    if (size > LIMIT_STRING)
        return bytes_refuse(in, "a text of %u bytes; at most %d are possible", size, LIMIT_STRING);
    if (!bytes_get(in, text, size))
        return false;
    if (ret->n && number <= ret->was[ret->n - 1])
        return bytes_refuse(in, "texts are not in the order of their numbers");
    if (!memory_grow(&ret->was, &ret->was_capacity, ret->n + 1, sizeof *ret->was) ||
        !memory_grow(&ret->now, &ret->now_capacity, ret->n + 1, sizeof *ret->now) ||
        !strings_number(strings, (struct text){text, size}, &ret->now[ret->n]))
        return bytes_no_memory(in);
    ret->was[ret->n++] = number;
    return true;
}

bool strings_load(struct strings *strings, struct renumbering *ret, struct bytes_in *in)
{
    uint32_t held = bytes_get_u32(in);
    char *text = malloc(LIMIT_STRING);
    bool fine = text ? in->rc == OK : bytes_no_memory(in);
    *ret = (struct renumbering){0};
    for (uint32_t i = 0; fine && i < held; i++)
        fine = load_text(strings, text, ret, in);
    free(text);
    return fine;
}

void renumbering_done(struct renumbering *renumbering)
{
    free(renumbering->was);
    free(renumbering->now);
    *renumbering = (struct renumbering){0};
}
