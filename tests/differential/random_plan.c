#include "differential/random_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "differential/coverage.h"
#include "differential/random_maker.h"

enum { DEPTH = 3, PLAN_TEXT = 1 << 20 };

static const char *const key_types[] = {
    "INTEGER",      "VARCHAR", "DOUBLE", "BOOLEAN",   "DATE",    "DECIMAL(5,2)",
    "HUGEINT",      "UBIGINT", "FLOAT",  "TIMESTAMP", "TINYINT", "ENUM('red', 'green', 'blue')",
    "DECIMAL(24,3)"};
static const char *const number_types[] = {
    "TINYINT",  "SMALLINT",     "INTEGER",      "BIGINT",        "UTINYINT",      "USMALLINT",
    "UINTEGER", "UBIGINT",      "HUGEINT",      "FLOAT",         "DOUBLE",        "DOUBLE",
    "DOUBLE",   "DECIMAL(4,1)", "DECIMAL(9,2)", "DECIMAL(18,4)", "DECIMAL(24,6)", "DECIMAL(38,10)"};
static const char *const label_types[] = {"TINYINT", "INTEGER",      "DOUBLE",
                                          "BOOLEAN", "DECIMAL(6,2)", "BIGINT"};

/* One feature: a window and nothing else for the first ones, then whatever an expression may be. */
static void make_item(struct maker *maker, int64_t number, int i, struct item *ret)
{
    struct buffer out;
    bool plain = i < PLAN_WINDOWS;
    int kind = die(maker, 4);
    buffer_init(&out, ITEM_TEXT);
    maker->inexact = maker->has_window = maker->uses_inexact = false;
    maker->windows = kind == 3;
    if (plain) {
        int64_t turn = number * PLAN_WINDOWS + i, cells = SHAPES * REACHES;
        make_window(maker, (int)(turn % cells), (int)(turn / cells), &out);
    } else if (kind == 0) {
        make_truth(maker, DEPTH, &out);
    } else if (kind == 1) {
        make_text(maker, 2, &out);
    } else {
        make_number(maker, DEPTH, &out);
    }
    ret->kind = !maker->has_window ? ITEM_SCALAR : plain && !maker->uses_inexact ? ITEM_WINDOW : ITEM_MIXED;
    ret->inexact = (!plain && maker->inexact) || maker->uses_inexact;
    /* An expression that grew too long is a small one instead. */
    snprintf(ret->text, sizeof ret->text, "%s", out.failed || out.size > ITEM_TEXT - 2 ? "a0" : out.data);
    if (out.failed || out.size > ITEM_TEXT - 2)
        ret->kind = ITEM_SCALAR;
    buffer_done(&out);
}

static void make_create(struct maker *maker, struct buffer *out)
{
    buffer_format(out, "CREATE TABLE transactions (id BIGINT PRIMARY KEY, ts %s", maker->plan->time_type);
    for (int k = 0; k < 3; k++)
        buffer_format(out, ", k%d %s", k, PICK(maker, key_types));
    for (int a = 0; a < 4; a++)
        buffer_format(out, ", a%d %s", a, PICK(maker, number_types));
    snprintf(maker->label_type, sizeof maker->label_type, "%s", PICK(maker, label_types));
    buffer_format(out,
                  ", b BOOLEAN, v VARCHAR, c ENUM('red', 'green', 'blue'), d DATE, u TIMESTAMP, x DOUBLE, "
                  "h SMALLINT, y %s%s, z VARCHAR%s);\n",
                  maker->label_type, die(maker, 6) ? " DEFAULT 0" : "",
                  random_below(&maker->aside, 2) ? " DEFAULT 'none'" : "");
    const char *after = maker->plan->unit == 1 ? "2 steps" : "1 hour";
    buffer_format(out, "COMMENT ON COLUMN transactions.y IS 'shrike: label, late after=%s';\n", after);
    buffer_format(out, "COMMENT ON COLUMN transactions.z IS 'shrike: late after=%s';\n", after);
}

/* i2: one that DuckDB computes exactly, or one that it rounds. */
static void make_inner_number(struct maker *maker, struct buffer *out)
{
    maker->inner_inexact = die(maker, 2);
    if (maker->inner_inexact)
        make_plain_window(maker, die(maker, 2) ? SHAPE_AVG : SHAPE_STDDEV_SAMP, out);
    else
        buffer_text(out, "sum(id) OVER (PARTITION BY k0 ORDER BY ts)");
}

/* i5: no window, and nothing that another library rounds differently. */
static char *make_inner_scalar(struct maker *maker)
{
    struct buffer out;
    for (;;) {
        buffer_init(&out, ITEM_TEXT);
        maker->inexact = false;
        make_number(maker, 2, &out);
        if (!maker->inexact && !out.failed)
            return out.data;
        buffer_done(&out);
    }
}

static void make_inner(struct maker *maker, struct buffer *out)
{
    static const enum shape exact[] = {SHAPE_EVENTS, SHAPE_COUNT, SHAPE_DISTINCT};
    make_plain_window(maker, PICK(maker, exact), out);
    buffer_text(out, " AS i0, CAST(");
    buffer_format(out, "%s(a%d) OVER (PARTITION BY k%d ORDER BY ts)", die(maker, 2) ? "min" : "last_value",
                  die(maker, 4), die(maker, 3));
    buffer_text(out, " AS DOUBLE) AS i1, ");
    make_inner_number(maker, out);
    buffer_text(out, " AS i2, ");
    make_text_window(maker, out);
    buffer_text(out, " AS i3, ");
    make_truth_window(maker, out);
    buffer_text(out, " AS i4, ");
}

static char *make_where(struct maker *maker)
{
    struct buffer out;
    buffer_init(&out, PLAN_TEXT);
    buffer_text(&out, "");
    if (die(maker, 5) < 2) {
        buffer_text(&out, " WHERE ");
        make_truth(maker, die(maker, 2), &out);
    }
    return out.data;
}

/* WITH and FROM: the table, or a query over it. */
static void make_from(struct maker *maker)
{
    struct buffer inner, with, from, scalars;
    char *where = make_where(maker);
    buffer_init(&inner, PLAN_TEXT);
    buffer_init(&with, PLAN_TEXT);
    buffer_init(&from, PLAN_TEXT);
    buffer_init(&scalars, PLAN_TEXT);
    buffer_text(&with, "");
    maker->inner = die(maker, 5) < 2;
    if (maker->inner) {
        maker->inner = false;
        make_inner(maker, &inner);
        char *scalar = make_inner_scalar(maker);
        maker->inner = true;
        buffer_format(&scalars, "FROM (SELECT *, %s AS i5 FROM transactions%s)", scalar, where);
        buffer_format(&inner, "%s AS i5 FROM transactions%s", scalar, where);
        free(scalar);
        if (die(maker, 2))
            buffer_format(&with, "WITH past AS (SELECT *, %s)\n", inner.data);
        if (*with.data)
            buffer_text(&from, "FROM past");
        else
            buffer_format(&from, "FROM (SELECT *, %s) AS past", inner.data);
    } else {
        buffer_format(&from, "FROM transactions%s", where);
        buffer_text(&scalars, from.data);
    }
    maker->plan->with = with.data;
    maker->plan->from = from.data;
    maker->plan->from_scalars = scalars.data;
    buffer_done(&inner);
    free(where);
}

static char *make_named_windows(struct maker *maker)
{
    struct buffer out;
    buffer_init(&out, PLAN_TEXT);
    buffer_text(&out, "");
    if (die(maker, 2))
        buffer_text(&out, "WINDOW g0 AS (PARTITION BY k0 ORDER BY ts), g1 AS (PARTITION BY k1 ORDER BY ts),\n"
                          "       g2 AS (PARTITION BY k0, k2 ORDER BY ts), g3 AS (ORDER BY ts)");
    return out.data;
}

void random_plan_make(struct random *random, int64_t number, struct random_plan *ret)
{
    static const char *const time_types[] = {"TIMESTAMP", "TIMESTAMP", "TIMESTAMP",   "DATE",
                                             "INTEGER",   "BIGINT",    "TIMESTAMPTZ", "USMALLINT"};
    struct random_plan plan = {0};
    struct maker maker = {.random = random, .plan = &plan, .aside = {(uint64_t)number}};
    struct buffer create;
    buffer_init(&create, PLAN_TEXT);
    plan.time_type = PICK(&maker, time_types);
    plan.unit = strstr(plan.time_type, "TIME")        ? (die(&maker, 2) ? HOUR_US : 7 * MINUTE_US)
                : strcmp(plan.time_type, "DATE") == 0 ? DAY_US
                                                      : 1;
    plan.in_order = die(&maker, 4) == 0;
    plan.rows = 100 + die(&maker, 200);
    plan.lateness = plan.in_order || die(&maker, 3) == 0 ? 0 : die(&maker, 40) * plan.unit;
    make_create(&maker, &create);
    plan.create = create.data;
    make_from(&maker);
    plan.windows = make_named_windows(&maker);
    plan.n_items = PLAN_WINDOWS + die(&maker, MAX_ITEMS - PLAN_WINDOWS + 1);
    for (int i = 0; i < plan.n_items; i++)
        make_item(&maker, number, i, &plan.items[i]);
    *ret = plan;
}

void random_plan_done(struct random_plan *plan)
{
    free(plan->create);
    free(plan->with);
    free(plan->from);
    free(plan->from_scalars);
    free(plan->windows);
    *plan = (struct random_plan){0};
}

static void print_items(const struct random_plan *plan, const int *items, int n, struct buffer *out)
{
    for (int i = 0; i < n; i++) {
        int at = items ? items[i] : i;
        buffer_format(out, "%s%s AS f%d", i ? ",\n       " : "SELECT ", plan->items[at].text, at);
    }
}

static void print_select(const struct random_plan *plan, const int *items, int n, const char *tail,
                         struct buffer *out)
{
    buffer_text(out, plan->with);
    print_items(plan, items, n, out);
    buffer_format(out, "\n%s\n%s%s", plan->from, plan->windows, tail);
}

char *random_plan_select(const struct random_plan *plan, const int *items, int n, const char *tail)
{
    struct buffer out;
    buffer_init(&out, PLAN_TEXT);
    print_select(plan, items, n, tail, &out);
    return out.data;
}

char *random_plan_scalars(const struct random_plan *plan, const int *items, int n, const char *tail)
{
    struct buffer out;
    buffer_init(&out, PLAN_TEXT);
    print_items(plan, items, n, &out);
    buffer_format(&out, "\nFROM (SELECT * %s)%s", plan->from_scalars, tail);
    return out.data;
}

char *random_plan_sql(const struct random_plan *plan, const int *items, int n)
{
    struct buffer out;
    buffer_init(&out, PLAN_TEXT);
    buffer_text(&out, plan->create);
    print_select(plan, items, n, ";\n", &out);
    return out.data;
}
