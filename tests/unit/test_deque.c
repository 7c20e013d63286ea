/* Deques against an array, at sizes on both sides of a page, and what they hold of a pool's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "differential/random.h"
#include "feature/deque.h"

enum { MOST = 40 * DEQUE_PAGE, ITEM = 12 };

/* What the deque should hold. */
struct model {
    uint32_t items[MOST];
    uint32_t n, next;
};

static uint32_t item_at(const struct deque *deque, uint32_t i)
{
    uint32_t words[3];
    memcpy(words, deque_at(deque, deque->first + i), sizeof words);
    assert_int_equal(words[1], ~words[0]);
    assert_int_equal(words[2], words[0] * 3);
    return words[0];
}

static void write_item(const struct deque *deque, uint32_t position, uint32_t item)
{
    uint32_t words[3] = {item, ~item, item * 3};
    memcpy(deque_at(deque, position), words, sizeof words);
}

/* Puts an item in at place i: at the end, or between others. */
static void put(struct deque *deque, struct model *model, struct pool *pool, uint32_t i)
{
    uint32_t item = model->next++;
    assert_true(deque_reserve(deque, pool));
    if (i == model->n)
        deque->end++;
    else
        deque_open(deque, deque->first + i);
    write_item(deque, deque->first + i, item);
    memmove(model->items + i + 1, model->items + i, (model->n++ - i) * sizeof *model->items);
    model->items[i] = item;
}

static void cut(struct deque *deque, struct model *model, uint32_t i, uint32_t n)
{
    deque_cut(deque, deque->first + i, n);
    memmove(model->items + i, model->items + i + n, (model->n - i - n) * sizeof *model->items);
    model->n -= n;
}

static void drop_front(struct deque *deque, struct model *model, struct pool *pool, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        deque->first++;
        deque_shrink(deque, pool);
    }
    memmove(model->items, model->items + n, (model->n - n) * sizeof *model->items);
    model->n -= n;
}

static void compare(const struct deque *deque, const struct model *model)
{
    assert_int_equal(deque_count(deque), model->n);
    for (uint32_t i = 0; i < model->n; i++)
        assert_int_equal(item_at(deque, i), model->items[i]);
}

/* One step of many: mostly towards `aim` items. */
static void step(struct deque *deque, struct model *model, struct pool *pool, struct random *random,
                 uint32_t aim)
{
    uint32_t n = model->n, some = n ? (uint32_t)random_below(random, n < 9 ? n : 9) : 0;
    if (n < aim && n < MOST)
        put(deque, model, pool, random_chance(random, 3) ? n - some : n);
    else if (random_chance(random, 50))
        drop_front(deque, model, pool, some);
    else
        cut(deque, model, n - some, random_chance(random, 90) ? some : some / 2);
}

static void test_holds_what_an_array_holds(void **unused)
{
    static const uint32_t aims[] = {3, 40, DEQUE_PAGE, DEQUE_PAGE + 1, 5 * DEQUE_PAGE, MOST, 700, 2, MOST, 0};
    static struct model model;
    struct random random = {5};
    (void)unused;
    /* Positions that begin in the middle of a page, and soon run over 2^32. */
    for (uint32_t first = UINT32_MAX - 3000; first != 5; first = first == 100 ? 5 : 100) {
        struct deque deque = {.first = first, .end = first, .item = ITEM};
        struct pool pool = {0};
        model.n = 0;
        for (size_t a = 0; a < sizeof aims / sizeof *aims; a++)
            for (int i = 0; i < 4 * MOST && (i < 500 || model.n != aims[a]); i++) {
                step(&deque, &model, &pool, &random, aims[a]);
                if (i % 512 == 0)
                    compare(&deque, &model);
            }
        compare(&deque, &model);
        deque_free(&deque, &pool);
        assert_int_equal(pool.used, 0);
        pool_done(&pool);
    }
}

/* No step takes or gives more than a few pages, whatever the number of items. */
static void test_no_step_moves_many_pages(void **unused)
{
    enum { ITEMS = 1000 * DEQUE_PAGE, FEW = 10 * DEQUE_PAGE * ITEM };
    struct deque deque = {.item = ITEM};
    struct pool pool = {0};
    (void)unused;
    for (uint32_t i = 0; i < ITEMS; i++) {
        int64_t before = pool.used;
        assert_true(deque_reserve(&deque, &pool));
        write_item(&deque, deque.end++, i);
        assert_in_range(pool.used - before, 0, FEW);
    }
    deque.end = deque.first + 20; /* nearly all of them go at once */
    for (int i = 0; i < 1000; i++) {
        int64_t before = pool.used;
        deque_shrink(&deque, &pool);
        assert_in_range(before - pool.used, 0, FEW);
    }
    assert_in_range(pool.used, 0, DEQUE_PAGE * ITEM);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(item_at(&deque, i), i);
    deque_free(&deque, &pool);
    pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_holds_what_an_array_holds),
                                       cmocka_unit_test(test_no_step_moves_many_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
