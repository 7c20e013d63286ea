/*
 * Entities of one group and one share of the keys. Internal to feature/. Pointers to entities stay good until
 * a sweep finds nothing left in them.
 */
#ifndef SHRIKE_FEATURE_ENTITIES_H
#define SHRIKE_FEATURE_ENTITIES_H

#include "base/hash.h"
#include "feature/entity.h"

struct entities;
int entities_new(const struct layout *layout, struct strings *strings, struct entities **ret,
                 struct error *error);
void entities_free(struct entities *entities); /* takes NULL */

/* The entity of a key, new if there is none; NULL: no memory. A new one takes the key's texts over: *ret_new.
 */
struct entity *entities_find(struct entities *entities, uint64_t hash, const uint64_t *key, bool *ret_new);
/* The same, NULL if there is none; a key's texts stay the caller's. */
struct entity *entities_look_up(const struct entities *entities, uint64_t hash, const uint64_t *key);
/* Asks memory for the buckets of these rows' keys. */
void entities_prefetch(const struct entities *entities, const uint64_t *hashes, const uint32_t *rows, int n);
/* The entities that these buckets speak of, asked for from memory: nearly always the keys' own, which
 * entities_is says later. NULL: none. ret: by row. */
void entities_guess(const struct entities *entities, const uint64_t *hashes, const uint32_t *rows, int n,
                    struct entity **ret);
struct share *entities_share(struct entities *entities);
/* Takes one of them out, with its memory and the texts of its key. */
void entities_remove(struct entities *entities, struct entity *entity);
/* After so many events: looks at the next few of them, round and round, and takes memory back from those that
 * no event at or after `floor` can see. Two for each new one, so that there are never many more than are
 * seen; else one for a few events, or for each where memory is to be moved together. */
void entities_sweep(struct entities *entities, int64_t floor, int64_t events);

/* Calls `visit` with each of them, in no order that means anything. */
typedef void entities_visit(void *context, const struct entity *entity);
void entities_each(const struct entities *entities, entities_visit *visit, void *context);

int64_t entities_count(const struct entities *entities);
int64_t entities_bytes(const struct entities *entities);
int64_t entities_retained(const struct entities *entities);

static inline uint64_t entities_hash(const uint64_t *key, int n_words)
{
    uint64_t hash = 0;
    for (int w = 0; w < n_words; w++)
        hash = hash_word(key[w], hash);
    return hash;
}

/* Which of n threads has the key: by the upper half of its hash, for the lower one says the bucket. */
static inline int entities_owner(uint64_t hash, int n)
{
    return (int)((hash >> 32) * (uint64_t)n >> 32);
}

/* Is it that of the key? Takes NULL. */
static inline bool entities_is(const struct layout *layout, const struct entity *entity, const uint64_t *key)
{
    if (!entity)
        return false;
    const uint64_t *own = entity_keys(layout, entity);
    uint64_t differ = own[0] ^ key[0];
    for (int i = 1; i < layout->n_words; i++)
        differ |= own[i] ^ key[i];
    return !differ;
}

#endif
