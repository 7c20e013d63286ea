/*
 * The handbook profile: the simulation of card payments described in Le Borgne, Siblini, Lebichot, Bontempi,
 * "Reproducible Machine Learning for Credit Card Fraud Detection" (the Fraud Detection Handbook), chapter 3.
 *
 * World: customers and terminals at uniform places on a square of side 100. A customer uses the terminals
 * within `radius`, has a mean amount U(5, 100) (standard deviation: half of it) and a daily rate U(0, 4).
 *
 * A cell (one customer, one day) is a stream of random numbers of its own: Poisson(rate) attempts, each at a
 * time N(43200, 20000) seconds, dropped outside the day; its amount is N(mean, mean / 2), drawn again from
 * U(0, 2 mean) where negative, in whole cents; its terminal is one of the customer's.
 *
 * Fraud, a later scenario overwriting an earlier one:
 *   1  amounts above 220;
 *   2  each day two terminals fall: all their transactions of 28 days are fraud;
 *   3  each day three customers fall: a third of their transactions of 14 days are fraud, amounts times five.
 *
 * Scenario 3 needs to know how many transactions a customer will make in the 14 days. Cells are functions of
 * (seed, customer, day), so the fallen customers' cells are drawn once ahead: 42 cells a day beside those of
 * all customers.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/units.h"
#include "stream/profile.h"
#include "stream/random.h"

enum { SIDE = 100, DAY_SECONDS = 86400, MIDDAY = 43200, TIME_SPREAD = 20000 };
enum {
    LARGE_CENTS = 22000,
    TERMINALS_A_DAY = 2,
    TERMINAL_DAYS = 28,
    CUSTOMERS_A_DAY = 3,
    CUSTOMER_DAYS = 14
};
/* A uniform of 53 bits cannot ask for more attempts at a rate of 4, and a day's picks fit a word. */
enum { CELL_ROWS = 64, RATE = 4 };
enum { GRID = 256 }; /* at most so many squares a side in the search for terminals */

enum purpose {
    FOR_CUSTOMER = 1,
    FOR_TERMINAL,
    FOR_CELL,
    FOR_FALLEN_TERMINALS,
    FOR_FALLEN_CUSTOMERS,
    FOR_PICKS
};

enum { CUSTOMERS, TERMINALS, RADIUS };

static const struct profile_parameter parameters[] = {
    [CUSTOMERS] = {"customers", 5000, CUSTOMERS_A_DAY, LIMIT_GENERATOR_ENTITIES, true, "customers"},
    [TERMINALS] = {"terminals", 10000, TERMINALS_A_DAY, LIMIT_GENERATOR_ENTITIES, true, "terminals"},
    [RADIUS] = {"radius", 5, 0, 2 * SIDE, false, "how far a customer goes on the square of side 100"},
    {0},
};

struct customer {
    double x, y, mean, rate, exp_negative_rate;
    uint32_t first, n; /* its terminals within world.near */
};

struct world {
    uint64_t seed;
    uint32_t n_customers, n_terminals;
    struct customer *customers;
    uint32_t *near; /* terminals within reach, customer by customer */
};

/* 16 bytes, so that sorting moves little. */
struct row {
    uint32_t second; /* of the day; the scenario in the top byte */
    uint32_t customer, terminal, cents;
};
enum { SCENARIO_SHIFT = 24, SECOND_MASK = (1 << SCENARIO_SHIFT) - 1 };

/* A customer who fell on some day. picks[k]: which of the cell's rows, k days later, are fraud (bit i =
 * row i). */
struct fallen {
    uint32_t customer;
    uint64_t picks[CUSTOMER_DAYS];
};

struct worker {
    const struct world *world;
    struct row *rows, *sorted;
    size_t capacity, sorted_capacity;
    uint8_t *bad_terminals; /* one byte each: fallen on the day in hand */
    uint8_t *bad_customers;
    struct fallen fallen[CUSTOMER_DAYS][CUSTOMERS_A_DAY]; /* by day modulo CUSTOMER_DAYS */
    int64_t fallen_day[CUSTOMER_DAYS];                    /* the day a slot holds, -1 = none */
};

static int handbook_schema(struct schema **ret, struct error *error)
{
    static const struct {
        const char *name;
        enum type_id type;
        unsigned roles;
    } columns[] = {
        {"tx_id", TYPE_INT64, ROLE_ID},
        {"ts", TYPE_TIMESTAMP, ROLE_TIME},
        {"customer_id", TYPE_INT32, 0},
        {"terminal_id", TYPE_INT32, 0},
        {"amount", TYPE_DOUBLE, 0},
        {"is_fraud", TYPE_INT8, ROLE_LATE | ROLE_LABEL},
        {"fraud_scenario", TYPE_INT8, ROLE_LATE},
    };
    struct schema *schema = schema_new(0);
    if (!schema)
        return error_set(error, CODE_MEMORY, "no memory for the columns");
    int n = (int)(sizeof columns / sizeof *columns);
    for (int i = 0; i < n; i++) {
        int code = schema_add(schema, columns[i].name, (struct type){.id = columns[i].type}, error);
        if (code) {
            schema_unref(schema);
            return code;
        }
        schema->fields[i].roles = columns[i].roles;
    }
    *ret = schema;
    return OK;
}

/* Terminals sorted into the squares of a grid: those of square s are order[first[s]] .. order[first[s +
 * 1] - 1]. */
struct grid {
    int side;
    double step;
    uint32_t *first, *order;
    double *x, *y; /* of all terminals */
};

static void grid_done(struct grid *grid)
{
    free(grid->first);
    free(grid->order);
    free(grid->x);
    free(grid->y);
}

static int grid_square(const struct grid *grid, double v)
{
    int square = (int)(v / grid->step);
    return square < grid->side ? square : grid->side - 1;
}

static int grid_init(struct grid *grid, const struct world *world, double radius, struct error *error)
{
    uint32_t n = world->n_terminals;
    grid->step = radius > (double)SIDE / GRID ? radius : (double)SIDE / GRID;
    grid->side = (int)ceil(SIDE / grid->step);
    size_t squares = (size_t)grid->side * (size_t)grid->side;
    grid->first = memory_new(squares + 2, sizeof *grid->first);
    grid->order = memory_new(n, sizeof *grid->order);
    grid->x = memory_new(n, sizeof *grid->x);
    grid->y = memory_new(n, sizeof *grid->y);
    if (!grid->first || !grid->order || !grid->x || !grid->y)
        return error_set(error, CODE_MEMORY, "no memory for %u terminals", n);
    for (uint32_t i = 0; i < n; i++) {
        struct random random = random_stream(world->seed, FOR_TERMINAL, i, 0);
        grid->x[i] = random_between(&random, 0, SIDE);
        grid->y[i] = random_between(&random, 0, SIDE);
        grid->first[grid_square(grid, grid->y[i]) * grid->side + grid_square(grid, grid->x[i]) + 2]++;
    }
    for (size_t s = 2; s < squares + 2; s++)
        grid->first[s] += grid->first[s - 1];
    for (uint32_t i = 0; i < n; i++) {
        int square = grid_square(grid, grid->y[i]) * grid->side + grid_square(grid, grid->x[i]);
        grid->order[grid->first[square + 1]++] = i;
    }
    return OK;
}

/* Counts the terminals nearer than radius, and stores them where ret is not NULL. */
static uint32_t grid_near(const struct grid *grid, double x, double y, double radius, uint32_t *ret)
{
    int cx = grid_square(grid, x), cy = grid_square(grid, y);
    uint32_t n = 0;
    for (int sy = cy > 0 ? cy - 1 : 0; sy <= cy + 1 && sy < grid->side; sy++) {
        int from = cx > 0 ? cx - 1 : 0, to = cx + 1 < grid->side ? cx + 1 : grid->side - 1;
        uint32_t end = grid->first[sy * grid->side + to + 1];
        for (uint32_t i = grid->first[sy * grid->side + from]; i < end; i++) {
            uint32_t terminal = grid->order[i];
            double dx = grid->x[terminal] - x, dy = grid->y[terminal] - y;
            if (dx * dx + dy * dy < radius * radius) {
                if (ret)
                    ret[n] = terminal;
                n++;
            }
        }
    }
    return n;
}

static int world_place(struct world *world, const struct grid *grid, double radius, struct error *error)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < world->n_customers; i++) {
        struct customer *c = &world->customers[i];
        struct random random = random_stream(world->seed, FOR_CUSTOMER, i, 0);
        c->x = random_between(&random, 0, SIDE);
        c->y = random_between(&random, 0, SIDE);
        c->mean = random_between(&random, 5, 100);
        c->rate = random_between(&random, 0, RATE);
        c->exp_negative_rate = random_exp_negative(c->rate);
        c->first = (uint32_t)total;
        c->n = grid_near(grid, c->x, c->y, radius, NULL);
        total += c->n;
        if (total > LIMIT_GENERATOR_PAIRS)
            return error_set(
                error, CODE_LIMIT,
                "more than %d pairs of a customer and a terminal within radius %g: take a smaller radius "
                "or fewer terminals",
                LIMIT_GENERATOR_PAIRS, radius);
    }
    world->near = memory_new((size_t)total, sizeof *world->near);
    if (!world->near)
        return error_set(error, CODE_MEMORY, "no memory for %lld pairs of customer and terminal",
                         (long long)total);
    for (uint32_t i = 0; i < world->n_customers; i++) {
        const struct customer *c = &world->customers[i];
        grid_near(grid, c->x, c->y, radius, world->near + c->first);
    }
    return OK;
}

static void handbook_close(void *opaque)
{
    struct world *world = opaque;
    if (!world)
        return;
    free(world->customers);
    free(world->near);
    free(world);
}

static int handbook_open(const double *values, uint64_t seed, void **ret_world, struct error *error)
{
    struct world *world = memory_new(1, sizeof *world);
    if (!world)
        return error_set(error, CODE_MEMORY, "no memory for the simulated world");
    world->seed = seed;
    world->n_customers = (uint32_t)values[CUSTOMERS];
    world->n_terminals = (uint32_t)values[TERMINALS];
    world->customers = memory_new(world->n_customers, sizeof *world->customers);
    struct grid grid = {0};
    int code = OK;
    if (!world->customers)
        code = error_set(error, CODE_MEMORY, "no memory for %u customers", world->n_customers);
    if (!code)
        code = grid_init(&grid, world, values[RADIUS], error);
    if (!code)
        code = world_place(world, &grid, values[RADIUS], error);
    grid_done(&grid);
    if (code)
        handbook_close(world);
    else
        *ret_world = world;
    return code;
}

static void handbook_worker_free(void *opaque)
{
    struct worker *worker = opaque;
    if (!worker)
        return;
    free(worker->rows);
    free(worker->sorted);
    free(worker->bad_terminals);
    free(worker->bad_customers);
    free(worker);
}

static int handbook_worker_new(const void *world, void **ret_worker, struct error *error)
{
    struct worker *worker = memory_new(1, sizeof *worker);
    if (worker) {
        worker->world = world;
        worker->bad_terminals = memory_new(worker->world->n_terminals, 1);
        worker->bad_customers = memory_new(worker->world->n_customers, 1);
        for (int k = 0; k < CUSTOMER_DAYS; k++)
            worker->fallen_day[k] = -1;
    }
    if (!worker || !worker->bad_terminals || !worker->bad_customers) {
        handbook_worker_free(worker);
        return error_set(error, CODE_MEMORY, "no memory for a generator thread");
    }
    *ret_worker = worker;
    return OK;
}

/* One attempt at a transaction from one random block; false where its time lies outside the day. */
static inline bool draw_row(const struct world *world, const struct customer *c, const uint32_t block[4],
                            struct row *ret)
{
    double z_time, z_amount;
    random_normal_pair(block[0], block[1], &z_time, &z_amount);
    int second = (int)(MIDDAY + TIME_SPREAD * z_time);
    double amount = c->mean + c->mean / 2 * z_amount, again = 2 * c->mean * random_open_unit(block[3]);
    amount = amount < 0 ? again : amount;
    /* Amounts are not negative, so adding a half and cutting rounds to the nearest cent. */
    ret->cents = (uint32_t)(amount * 100 + 0.5);
    ret->terminal = world->near[c->first + (uint32_t)((uint64_t)block[2] * c->n >> 32)];
    ret->second = (uint32_t)second;
    return second > 0 && second < DAY_SECONDS;
}

/* The rows of one customer on one day, in the order of drawing, scenario 0. Block 0 of the cell's stream says
 * how many attempts there are, block i is the i-th. */
static uint32_t cell_draw(const struct world *world, uint32_t customer, uint32_t day, struct row *rows)
{
    const struct customer *c = &world->customers[customer];
    if (!c->n)
        return 0;
    struct random random = random_stream(world->seed, FOR_CELL, customer, day);
    uint32_t attempts = (uint32_t)random_poisson(&random, c->rate, c->exp_negative_rate, CELL_ROWS), n = 0;
    for (uint32_t i = 1; i <= attempts; i++) {
        uint32_t block[4];
        random.counter[0] = i;
        random_block(random.key, random.counter, block);
        /* Written in any case and kept where it is valid: a branch here would be guessed wrong too often. */
        rows[n].customer = customer;
        n += draw_row(world, c, block, &rows[n]);
    }
    return n;
}

/* n different numbers below `below`. */
static void draw_distinct(struct random *random, uint32_t below, int n, uint32_t *ret)
{
    for (int i = 0; i < n; i++) {
        bool again;
        do {
            ret[i] = random_below(random, below);
            again = false;
            for (int j = 0; j < i; j++)
                again = again || ret[j] == ret[i];
        } while (again);
    }
}

/* Whom scenario 3 takes on `day`, and which third (rounded down) of the transactions of the days from
 * then on. */
static void fallen_draw(const struct world *world, uint32_t day, struct fallen fallen[CUSTOMERS_A_DAY])
{
    uint32_t customers[CUSTOMERS_A_DAY];
    struct random random = random_stream(world->seed, FOR_FALLEN_CUSTOMERS, day, 0);
    draw_distinct(&random, world->n_customers, CUSTOMERS_A_DAY, customers);
    for (uint32_t k = 0; k < CUSTOMERS_A_DAY; k++) {
        struct row rows[CELL_ROWS];
        uint32_t counts[CUSTOMER_DAYS], left = 0;
        for (uint32_t i = 0; i < CUSTOMER_DAYS; i++)
            left += counts[i] = cell_draw(world, customers[k], day + i, rows);
        uint32_t wanted = left / 3;
        struct random picks = random_stream(world->seed, FOR_PICKS, day, k);
        fallen[k] = (struct fallen){.customer = customers[k]};
        /* Selection sampling: each row is taken with probability wanted / left of what remains. */
        for (uint32_t i = 0; i < CUSTOMER_DAYS; i++)
            for (uint32_t j = 0; j < counts[i]; j++, left--)
                if (random_below(&picks, left) < wanted) {
                    fallen[k].picks[i] |= UINT64_C(1) << j;
                    wanted--;
                }
    }
}

/* Scenario 2 of the day: sets (or clears) the bytes of the terminals that fell in the last 28 days. */
static void mark_terminals(struct worker *worker, uint32_t day, uint8_t value)
{
    for (uint32_t k = 0; k < TERMINAL_DAYS && k <= day; k++) {
        uint32_t terminals[TERMINALS_A_DAY];
        struct random random = random_stream(worker->world->seed, FOR_FALLEN_TERMINALS, day - k, 0);
        draw_distinct(&random, worker->world->n_terminals, TERMINALS_A_DAY, terminals);
        for (int i = 0; i < TERMINALS_A_DAY; i++)
            worker->bad_terminals[terminals[i]] = value;
    }
}

static void mark_customers(struct worker *worker, uint32_t day, uint8_t value)
{
    for (uint32_t k = 0; k < CUSTOMER_DAYS && k <= day; k++) {
        uint32_t slot = (day - k) % CUSTOMER_DAYS;
        if (worker->fallen_day[slot] != day - k) {
            fallen_draw(worker->world, day - k, worker->fallen[slot]);
            worker->fallen_day[slot] = day - k;
        }
        for (int i = 0; i < CUSTOMERS_A_DAY; i++)
            worker->bad_customers[worker->fallen[slot][i].customer] = value;
    }
}

/* Scenario 3 for the cell of a fallen customer, in the order in which falls happened: who fell twice may
 * have an amount times 25. */
static void apply_fallen(const struct worker *worker, uint32_t day, uint32_t customer, struct row *rows,
                         uint32_t n)
{
    uint32_t first = day < CUSTOMER_DAYS ? 0 : day - CUSTOMER_DAYS + 1;
    for (uint32_t fell = first; fell <= day; fell++)
        for (int i = 0; i < CUSTOMERS_A_DAY; i++) {
            const struct fallen *fallen = &worker->fallen[fell % CUSTOMER_DAYS][i];
            if (fallen->customer != customer)
                continue;
            for (uint32_t j = 0; j < n; j++)
                if (fallen->picks[day - fell] >> j & 1) {
                    rows[j].cents *= 5;
                    rows[j].second = (rows[j].second & SECOND_MASK) | 3U << SCENARIO_SHIFT;
                }
        }
}

/* Stable sort by second, 9 then 8 bits: rows of one second stay in the order of customer and drawing. The
 * result is in worker->rows. */
static void sort_rows(struct worker *worker, size_t n)
{
    enum { LOW = 9, HIGH = 8 };
    size_t low[(1 << LOW) + 1] = {0}, high[(1 << HIGH) + 1] = {0};
    struct row *rows = worker->rows, *other = worker->sorted;
    for (size_t i = 0; i < n; i++) {
        uint32_t second = rows[i].second & SECOND_MASK;
        low[(second & ((1 << LOW) - 1)) + 1]++;
        high[(second >> LOW) + 1]++;
    }
    for (size_t i = 1; i < 1 << LOW; i++)
        low[i] += low[i - 1];
    for (size_t i = 1; i < 1 << HIGH; i++)
        high[i] += high[i - 1];
    for (size_t i = 0; i < n; i++)
        other[low[rows[i].second & ((1 << LOW) - 1)]++] = rows[i];
    for (size_t i = 0; i < n; i++)
        rows[high[(other[i].second & SECOND_MASK) >> LOW]++] = other[i];
}

static int fill_table(const struct worker *worker, size_t n, int64_t start_us, struct table *ret,
                      struct error *error)
{
    int code = table_reserve(ret, (int64_t)n, error);
    if (code)
        return code;
    int64_t *ts = ret->columns[1].data;
    int32_t *customer = ret->columns[2].data, *terminal = ret->columns[3].data;
    double *amount = ret->columns[4].data;
    int8_t *is_fraud = ret->columns[5].data, *scenario = ret->columns[6].data;
    for (size_t i = 0; i < n; i++) {
        const struct row *row = &worker->rows[i];
        ts[i] = start_us + (int64_t)(row->second & SECOND_MASK) * SECOND_US;
        customer[i] = (int32_t)row->customer;
        terminal[i] = (int32_t)row->terminal;
        amount[i] = (double)row->cents / 100;
        scenario[i] = (int8_t)(row->second >> SCENARIO_SHIFT);
        is_fraud[i] = scenario[i] != 0;
    }
    for (int i = 0; i < ret->schema->n; i++)
        ret->columns[i].length = (int64_t)n;
    ret->length = (int64_t)n;
    return OK;
}

static int handbook_day(void *opaque, uint32_t day, int64_t start_us, struct table *ret, struct error *error)
{
    struct worker *worker = opaque;
    const struct world *world = worker->world;
    table_clear(ret);
    mark_terminals(worker, day, 1);
    mark_customers(worker, day, 1);
    size_t n = 0;
    bool room = true;
    for (uint32_t customer = 0; room && customer < world->n_customers; customer++) {
        room = memory_grow(&worker->rows, &worker->capacity, n + CELL_ROWS, sizeof *worker->rows);
        if (!room)
            break;
        struct row *rows = worker->rows + n;
        uint32_t drawn = cell_draw(world, customer, day, rows);
        for (uint32_t i = 0; i < drawn; i++) {
            uint32_t scenario = worker->bad_terminals[rows[i].terminal] ? 2
                                : rows[i].cents > LARGE_CENTS           ? 1
                                                                        : 0;
            rows[i].second |= scenario << SCENARIO_SHIFT;
        }
        if (worker->bad_customers[customer])
            apply_fallen(worker, day, customer, rows, drawn);
        n += drawn;
    }
    mark_terminals(worker, day, 0);
    mark_customers(worker, day, 0);
    room = room && memory_grow(&worker->sorted, &worker->sorted_capacity, n, sizeof *worker->sorted);
    if (!room)
        return error_set(error, CODE_MEMORY, "no memory for a day of %zu transactions", n);
    sort_rows(worker, n);
    return fill_table(worker, n, start_us, ret, error);
}

const struct profile profile_handbook = {
    .name = "handbook",
    .text = "card payments of the Fraud Detection Handbook: customers, terminals, three kinds of fraud",
    .parameters = parameters,
    .schema = handbook_schema,
    .open = handbook_open,
    .close = handbook_close,
    .worker_new = handbook_worker_new,
    .worker_free = handbook_worker_free,
    .day = handbook_day,
};
