/* Blocks of many sizes that come, move and go: none overlaps another, and what lies idle stays little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "differential/random.h"
#include "feature/pool.h"

enum { BLOCKS = 200000 };

struct block {
    unsigned char *memory;
    size_t size;
    unsigned char fill;
};

static struct block blocks[BLOCKS];

static void take(struct pool *pool, struct block *block, size_t size, unsigned char fill)
{
    *block = (struct block){pool_take(pool, size), size, fill};
    assert_non_null(block->memory);
    memset(block->memory, fill, size);
}

static void check(const struct block *block)
{
    for (size_t i = 0; i < block->size; i++)
        assert_int_equal(block->memory[i], block->fill);
}

static void give(struct pool *pool, struct block *block)
{
    check(block);
    pool_give(pool, block->memory, block->size);
    *block = (struct block){0};
}

static size_t draw_size(struct random *random)
{
    static const size_t sizes[] = {8, 20, 68, 136, 272, 1000, 4352, POOL_LARGEST, POOL_LARGEST + 8};
    return sizes[random_chance(random, 99) ? random_below(random, 6) : random_below(random, 9)];
}

static void test_blocks_keep_what_is_in_them(void **unused)
{
    struct pool pool = {0};
    struct random random = {3};
    (void)unused;
    for (int i = 0; i < 2 * BLOCKS; i++) {
        struct block *block = &blocks[random_below(&random, BLOCKS / 30)];
        if (!block->memory)
            take(&pool, block, draw_size(&random), (unsigned char)i);
        else if (random_chance(&random, 30))
            block->memory = pool_tidy(&pool, block->memory, block->size);
        else
            give(&pool, block);
    }
    for (int i = 0; i < BLOCKS; i++)
        give(&pool, &blocks[i]);
    assert_int_equal(pool.used, 0);
    pool_done(&pool);
}

/* More sizes than there are lists: malloc serves the others. */
static void test_any_number_of_sizes(void **unused)
{
    struct pool pool = {0};
    (void)unused;
    for (size_t i = 0; i < POOL_SIZES + 30; i++)
        take(&pool, &blocks[i], 8 * (i + 1), (unsigned char)i);
    for (size_t i = 0; i < POOL_SIZES + 30; i++)
        give(&pool, &blocks[i]);
    assert_int_equal(pool.used, 0);
    pool_done(&pool);
}

/* Owners that grow leave few small blocks in many slabs. */
static void test_tidying_gives_memory_back(void **unused)
{
    static const size_t sizes[] = {68, 136};
    enum { SLACK = 2 * POOL_SLAB };
    struct pool pool = {0};
    struct random random = {4};
    (void)unused;
    for (size_t s = 0; s < 2; s++)
        for (int i = (int)s; i < BLOCKS; i += 2)
            take(&pool, &blocks[i], sizes[s], (unsigned char)i);
    for (int i = 0; i < BLOCKS; i++)
        if (random_chance(&random, 95))
            give(&pool, &blocks[i]);
    assert_true(pool.idle > pool.used && pool_is_loose(&pool));
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].memory && pool_is_loose(&pool))
            blocks[i].memory = pool_tidy(&pool, blocks[i].memory, blocks[i].size);
    assert_false(pool_is_loose(&pool));
    assert_true(pool.idle < SLACK);
    for (int i = 0; i < BLOCKS; i++)
        give(&pool, &blocks[i]);
    pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks_keep_what_is_in_them),
                                       cmocka_unit_test(test_any_number_of_sizes),
                                       cmocka_unit_test(test_tidying_gives_memory_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
