#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/memory.h"
#include "table/table.h"

/*
 * Strings lie one behind the other in `bytes`; string c ends at ends[c]. `slots` is an open hash table of
 * codes + 1, at most half full, whose size is a power of two.
 */
struct dictionary {
    int references; /* changed atomically */
    int32_t n;
    char *bytes;
    size_t *ends;
    int32_t *slots;
    size_t bytes_capacity, ends_capacity, n_slots;
};

struct dictionary *dictionary_new(void)
{
    struct dictionary *dictionary = memory_new(1, sizeof *dictionary);
    if (dictionary)
        dictionary->references = 1;
    return dictionary;
}

struct dictionary *dictionary_ref(struct dictionary *dictionary)
{
    __atomic_add_fetch(&dictionary->references, 1, __ATOMIC_RELAXED);
    return dictionary;
}

void dictionary_unref(struct dictionary *dictionary)
{
    if (!dictionary || __atomic_sub_fetch(&dictionary->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(dictionary->bytes);
    free(dictionary->ends);
    free(dictionary->slots);
    free(dictionary);
}

bool dictionary_is_shared(const struct dictionary *dictionary)
{
    return __atomic_load_n(&dictionary->references, __ATOMIC_ACQUIRE) > 1;
}

int32_t dictionary_size(const struct dictionary *dictionary)
{
    return dictionary->n;
}

const char *dictionary_text(const struct dictionary *dictionary, int32_t code, size_t *ret_size)
{
    assert(code >= 0 && code < dictionary->n);
    size_t start = code ? dictionary->ends[code - 1] : 0;
    *ret_size = dictionary->ends[code] - start;
    return dictionary->bytes + start;
}

/* The slot where the string is or would be. */
static size_t slot_of(const struct dictionary *dictionary, const char *data, size_t size)
{
    size_t mask = dictionary->n_slots - 1, slot = hash_bytes(data, size, 0) & mask, there;
    for (; dictionary->slots[slot]; slot = (slot + 1) & mask) {
        const char *text = dictionary_text(dictionary, dictionary->slots[slot] - 1, &there);
        if (there == size && (size == 0 || memcmp(text, data, size) == 0))
            break;
    }
    return slot;
}

int32_t dictionary_find(const struct dictionary *dictionary, const char *data, size_t size)
{
    if (dictionary->n == 0)
        return -1;
    return dictionary->slots[slot_of(dictionary, data, size)] - 1;
}

static bool slots_grow(struct dictionary *dictionary)
{
    size_t n_slots = dictionary->n_slots ? dictionary->n_slots * 2 : 16;
    int32_t *slots = memory_new(n_slots, sizeof *slots);
    if (!slots)
        return false;
    free(dictionary->slots);
    dictionary->slots = slots;
    dictionary->n_slots = n_slots;
    for (int32_t code = 0; code < dictionary->n; code++) {
        size_t size;
        const char *text = dictionary_text(dictionary, code, &size);
        slots[slot_of(dictionary, text, size)] = code + 1;
    }
    return true;
}

int32_t dictionary_add(struct dictionary *dictionary, const char *data, size_t size)
{
    if ((size_t)dictionary->n * 2 >= dictionary->n_slots && !slots_grow(dictionary))
        return -1;
    size_t slot = slot_of(dictionary, data, size);
    if (dictionary->slots[slot])
        return dictionary->slots[slot] - 1;
    size_t used = dictionary->n ? dictionary->ends[dictionary->n - 1] : 0;
    if (dictionary->n >= LIMIT_DICTIONARY ||
        !memory_grow(&dictionary->bytes, &dictionary->bytes_capacity, used + size + 1, 1) ||
        !memory_grow(&dictionary->ends, &dictionary->ends_capacity, (size_t)dictionary->n + 1,
                     sizeof *dictionary->ends))
        return -1;
    if (size)
        memcpy(dictionary->bytes + used, data, size);
    dictionary->ends[dictionary->n] = used + size;
    dictionary->slots[slot] = ++dictionary->n;
    return dictionary->n - 1;
}

struct dictionary *dictionary_copy(const struct dictionary *dictionary)
{
    struct dictionary *copy = dictionary_new();
    for (int32_t code = 0; copy && code < dictionary->n; code++) {
        size_t size;
        const char *text = dictionary_text(dictionary, code, &size);
        if (dictionary_add(copy, text, size) < 0) {
            dictionary_unref(copy);
            copy = NULL;
        }
    }
    return copy;
}
