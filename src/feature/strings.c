#include "feature/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

enum { FIRST_BUCKETS = 1024 };

struct known {
    uint64_t hash;
    const char *data;
    size_t size;
};

struct strings {
    struct arena arena;
    struct known *known;
    size_t n, capacity;
    uint64_t *buckets; /* number + 1; 0 = empty */
    size_t mask;
};

struct strings *strings_new(void)
{
    struct strings *strings = memory_new(1, sizeof *strings);
    if (strings)
        strings->buckets = memory_new(FIRST_BUCKETS, sizeof *strings->buckets);
    if (!strings || !strings->buckets) {
        free(strings);
        return NULL;
    }
    strings->mask = FIRST_BUCKETS - 1;
    return strings;
}

void strings_free(struct strings *strings)
{
    if (!strings)
        return;
    arena_done(&strings->arena);
    free(strings->known);
    free(strings->buckets);
    free(strings);
}

static bool grow(struct strings *strings)
{
    size_t mask = strings->mask * 2 + 1;
    uint64_t *buckets = memory_new(mask + 1, sizeof *buckets);
    if (!buckets)
        return false;
    for (size_t i = 0; i < strings->n; i++) {
        size_t at = strings->known[i].hash & mask;
        while (buckets[at])
            at = (at + 1) & mask;
        buckets[at] = i + 1;
    }
    free(strings->buckets);
    strings->buckets = buckets;
    strings->mask = mask;
    return true;
}

bool strings_number(struct strings *strings, struct text text, uint64_t *ret)
{
    uint64_t hash = hash_bytes(text.data, text.size, 0);
    size_t at = hash & strings->mask;
    for (; strings->buckets[at]; at = (at + 1) & strings->mask) {
        const struct known *known = &strings->known[strings->buckets[at] - 1];
        if (known->hash == hash && known->size == text.size &&
            memcmp(known->data, text.data, text.size) == 0) {
            *ret = strings->buckets[at] - 1;
            return true;
        }
    }
    char *copy = arena_text(&strings->arena, text.data, text.size);
    if (!copy || !memory_grow(&strings->known, &strings->capacity, strings->n + 1, sizeof *strings->known))
        return false;
    strings->known[strings->n] = (struct known){hash, copy, text.size};
    *ret = strings->n;
    strings->buckets[at] = ++strings->n;
    return strings->n * 2 <= strings->mask || grow(strings);
}
