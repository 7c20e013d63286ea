#include "score/ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/pages.h"

enum {
    FIRST_BUCKETS = 1024,
    AT_A_TIME = 16, /* buckets moved with every id that comes or goes */
    EXPIRE_AT_A_TIME = 64
};

struct known {
    struct id_key key;
    uint64_t seq, body; /* seq REMOVED: it was */
    int64_t high;
};

#define REMOVED UINT64_MAX

enum { PAGE = PAGES_HUGE / sizeof(struct known) }; /* ids */

/* A bucket has the number of an id, counted from the first ever, plus one; 0 = empty. */
struct id_table {
    uint64_t *buckets;
    uint64_t mask;
};

struct ids {
    int64_t horizon;
    struct known **pages; /* from that of the oldest id on */
    size_t n_pages, pages_capacity;
    uint64_t first, end; /* numbers of the ids that are kept */
    struct id_table now, old;
    uint64_t moved;  /* buckets of the old one that were */
    uint64_t filled; /* buckets of the new one */
};

static void free_table(struct id_table *table)
{
    pages_table_free(table->buckets, (size_t)table->mask + 1, sizeof *table->buckets);
    *table = (struct id_table){NULL, 0};
}

static uint64_t hash_of(struct id_key key)
{
    return hash_word(key.words[1], hash_word(key.words[0], 0));
}

static struct known *known_at(const struct ids *ids, uint64_t number)
{
    return &ids->pages[number / PAGE - ids->first / PAGE][number % PAGE];
}

struct ids *ids_new(int64_t horizon_us)
{
    struct ids *ids = memory_new(1, sizeof *ids);
    if (ids)
        ids->now.buckets = pages_table(FIRST_BUCKETS, sizeof *ids->now.buckets);
    if (!ids || !ids->now.buckets) {
        free(ids);
        return NULL;
    }
    ids->horizon = horizon_us;
    ids->now.mask = FIRST_BUCKETS - 1;
    return ids;
}

void ids_free(struct ids *ids)
{
    if (!ids)
        return;
    for (size_t p = 0; p < ids->n_pages; p++)
        pages_free(ids->pages[p], PAGES_HUGE);
    free(ids->pages);
    free_table(&ids->now);
    free_table(&ids->old);
    free(ids);
}

struct id_key id_key_of(const struct column *column, const struct type *type, int64_t i)
{
    struct id_key key = {{0, 0}};
    if (column_is_null(column, i)) {
        key.words[1] = 1;
    } else if (type->id == TYPE_VARCHAR || type->id == TYPE_ENUM) {
        size_t size;
        const char *text = column_text(column, i, &size);
        key.words[0] = hash_bytes(text, size, 1);
        key.words[1] = hash_bytes(text, size, UINT64_C(0x9e3779b97f4a7c15)) | 2;
    } else if (type->id == TYPE_HUGEINT || type->id == TYPE_DECIMAL) {
        __int128 wide = column_wide(column, i);
        memcpy(key.words, &wide, sizeof key.words);
    } else if (type->id == TYPE_FLOAT || type->id == TYPE_DOUBLE) {
        double value = column_double(column, type, i);
        memcpy(&key.words[0], &value, sizeof value);
    } else {
        key.words[0] = (uint64_t)column_int(column, type, i);
    }
    return key;
}

static bool same(struct id_key a, struct id_key b)
{
    return a.words[0] == b.words[0] && a.words[1] == b.words[1];
}

/* The number + 1 of a key that is kept, 0: none. Buckets of the old table that were moved are passed by. */
static uint64_t look(const struct ids *ids, const struct id_table *table, uint64_t from, struct id_key key,
                     uint64_t hash)
{
    if (!table->buckets)
        return 0;
    for (uint64_t i = hash & table->mask; table->buckets[i]; i = (i + 1) & table->mask) {
        uint64_t number = table->buckets[i] - 1;
        if (i < from || number < ids->first)
            continue;
        const struct known *known = known_at(ids, number);
        if (known->seq != REMOVED && same(known->key, key))
            return number + 1;
    }
    return 0;
}

static uint64_t find_number(const struct ids *ids, struct id_key key)
{
    uint64_t hash = hash_of(key), found = look(ids, &ids->now, 0, key, hash);
    return found ? found : look(ids, &ids->old, ids->moved, key, hash);
}

bool ids_find(const struct ids *ids, struct id_key key, int64_t high, uint64_t *ret_seq, uint64_t *ret_body)
{
    uint64_t found = find_number(ids, key);
    /* Whether memory was given back already makes no difference. */
    if (!found || (ids->horizon >= 0 && known_at(ids, found - 1)->high < high - ids->horizon))
        return false;
    *ret_seq = known_at(ids, found - 1)->seq;
    *ret_body = known_at(ids, found - 1)->body;
    return true;
}

static void put(struct ids *ids, uint64_t number)
{
    const struct id_table *table = &ids->now;
    uint64_t i = hash_of(known_at(ids, number)->key) & table->mask;
    while (table->buckets[i])
        i = (i + 1) & table->mask;
    table->buckets[i] = number + 1;
    ids->filled++;
}

static void move_some(struct ids *ids, uint64_t n)
{
    struct id_table *old = &ids->old;
    if (!old->buckets)
        return;
    for (; n && ids->moved <= old->mask; n--, ids->moved++) {
        uint64_t bucket = old->buckets[ids->moved];
        if (bucket && bucket - 1 >= ids->first && known_at(ids, bucket - 1)->seq != REMOVED)
            put(ids, bucket - 1);
    }
    if (ids->moved > old->mask)
        free_table(old);
}

/* Its place stays, without what it was. */
void ids_remove(struct ids *ids, struct id_key key, uint64_t seq)
{
    uint64_t found = find_number(ids, key);
    if (!found || known_at(ids, found - 1)->seq != seq)
        return;
    *known_at(ids, found - 1) = (struct known){.seq = REMOVED, .high = known_at(ids, found - 1)->high};
}

static uint64_t entries(const struct ids *ids)
{
    return ids->end - ids->first;
}

/* Expired ids stay in the table until it is made anew, with room for three times those that are kept. */
static bool renew(struct ids *ids)
{
    uint64_t size = FIRST_BUCKETS;
    while (size < 4 * (entries(ids) + 1))
        size *= 2;
    uint64_t *buckets = pages_table(size, sizeof *buckets);
    if (!buckets)
        return false;
    move_some(ids, UINT64_MAX);
    ids->old = ids->now;
    ids->now = (struct id_table){buckets, size - 1};
    ids->moved = 0;
    ids->filled = 0;
    return true;
}

static bool open_page(struct ids *ids)
{
    if (ids->end / PAGE - ids->first / PAGE < ids->n_pages)
        return true;
    if (!memory_grow(&ids->pages, &ids->pages_capacity, ids->n_pages + 1, sizeof *ids->pages))
        return false;
    ids->pages[ids->n_pages] = pages_new(PAGES_HUGE, ids->n_pages > 0);
    if (!ids->pages[ids->n_pages])
        return false;
    ids->n_pages++;
    return true;
}

bool ids_add(struct ids *ids, struct id_key key, uint64_t seq, uint64_t body, int64_t high)
{
    move_some(ids, AT_A_TIME);
    if (2 * ids->filled >= ids->now.mask && !renew(ids))
        return false;
    if (!open_page(ids))
        return false;
    *known_at(ids, ids->end) = (struct known){key, seq, body, high};
    if (seq != REMOVED)
        put(ids, ids->end);
    ids->end++;
    return true;
}

/* Of an id that is ahead of the high water the next that is not says how long ago it came. */
static bool is_past(const struct ids *ids, int64_t high)
{
    for (uint64_t i = ids->first; i < ids->end && i < ids->first + EXPIRE_AT_A_TIME; i++) {
        int64_t known = known_at(ids, i)->high;
        if (known <= high)
            return known < high - ids->horizon;
    }
    return false;
}

void ids_expire(struct ids *ids, int64_t high)
{
    for (int n = 0; ids->horizon >= 0 && n < EXPIRE_AT_A_TIME && ids->first < ids->end; n++) {
        if (!is_past(ids, high))
            return;
        if (++ids->first % PAGE == 0) {
            pages_free(ids->pages[0], PAGES_HUGE);
            memmove(ids->pages, ids->pages + 1, --ids->n_pages * sizeof *ids->pages);
        }
    }
}

int64_t ids_horizon(const struct ids *ids)
{
    return ids->horizon;
}

void ids_set_horizon(struct ids *ids, int64_t horizon_us)
{
    ids->horizon = horizon_us;
}

int64_t ids_count(const struct ids *ids)
{
    return (int64_t)entries(ids);
}

int64_t ids_bytes(const struct ids *ids)
{
    uint64_t buckets = ids->now.mask + 1 + (ids->old.buckets ? ids->old.mask + 1 : 0);
    uint64_t touched = ids->end - ids->first / PAGE * PAGE;
    return (int64_t)(touched * sizeof **ids->pages + buckets * sizeof *ids->now.buckets);
}

void ids_save(const struct ids *ids, struct bytes_out *out)
{
    bytes_put_i64(out, ids->horizon);
    bytes_put_u64(out, entries(ids));
    for (uint64_t number = ids->first; number < ids->end; number++)
        bytes_put(out, known_at(ids, number), sizeof(struct known));
}

bool ids_load(struct ids *ids, struct bytes_in *in)
{
    int64_t kept_for = bytes_get_i64(in); /* a longer horizon begins to count now */
    if (ids->horizon < 0)
        ids->horizon = kept_for;
    uint64_t n = bytes_get_u64(in);
    for (uint64_t i = 0; i < n; i++) {
        struct known known;
        if (!bytes_get(in, &known, sizeof known))
            return false;
        if (!ids_add(ids, known.key, known.seq, known.body, known.high))
            return bytes_no_memory(in);
    }
    return in->rc == OK;
}
