#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "differential/random_plan.h"

/* How one column is filled: from a few values, or anew each time; how often NULL, and how often NaN or
 * infinite. */
struct habit {
    int pool; /* 0: fresh values */
    int null_percent, special_percent;
    bool extreme;
    uint64_t seed;
};

static double random_double(struct random *random, bool extreme)
{
    static const double special[] = {0.0,
                                     -0.0,
                                     1e308,
                                     -1e308,
                                     5e-324,
                                     -5e-324,
                                     1e-310,
                                     1.7976931348623157e308,
                                     1e15,
                                     4.5e15,
                                     0x1p51,
                                     0x1p-75,
                                     0x1.fffffffffffffp-60,
                                     9007199254740993.0,
                                     0x1p100,
                                     -0x1p52,
                                     1.0 / 3};
    switch (random_below(random, extreme ? 8 : 4)) {
    case 0:
        return (double)random_below(random, 20) - 5;
    case 1:
    case 2:
        return (double)random_below(random, 100000) / 100;
    case 3:
        return (double)random_below(random, 1000000000) / 7e6 - 30;
    case 4:
        return special[random_below(random, (int64_t)(sizeof special / sizeof *special))];
    case 5:
        return random_chance(random, 50) ? NAN : random_chance(random, 50) ? INFINITY : -INFINITY;
    default:
        return ldexp((double)random_below(random, INT64_C(1) << 53) - 0x1p52,
                     (int)random_below(random, 300) - 200);
    }
}

static int bits_of(enum type_id id)
{
    switch (id) {
    case TYPE_INT8:
        return 7;
    case TYPE_UINT8:
        return 8;
    case TYPE_INT16:
        return 15;
    case TYPE_UINT16:
        return 16;
    case TYPE_INT32:
        return 31;
    case TYPE_UINT32:
        return 32;
    case TYPE_UINT64:
        return 64;
    default:
        return 63;
    }
}

static __int128 random_wide(struct random *random, __int128 limit, bool negative, bool extreme)
{
    __int128 value;
    switch (random_below(random, extreme ? 4 : 2)) {
    case 0:
        value = random_below(random, 5);
        break;
    case 1:
        value = random_below(random, 100000);
        break;
    case 2:
        value = limit - random_below(random, 2);
        break;
    default:
        value = (__int128)((unsigned __int128)random_bits(random) << 62 | random_bits(random) >> 2);
    }
    value %= limit + 1;
    return negative && random_chance(random, 30) ? -value : value;
}

static __int128 power10_of(int exponent)
{
    __int128 power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

static void append_number(struct random *random, const struct type *type, bool extreme, struct column *column)
{
    bool is_unsigned = type->id == TYPE_UINT8 || type->id == TYPE_UINT16 || type->id == TYPE_UINT32 ||
                       type->id == TYPE_UINT64;
    if (type->id == TYPE_DECIMAL || type->id == TYPE_HUGEINT) {
        int digits = type->id == TYPE_DECIMAL ? type->precision : 37;
        column_append_wide(column, random_wide(random, power10_of(digits) - 1, true, extreme));
    } else {
        __int128 limit = ((__int128)1 << bits_of(type->id)) - 1;
        column_append_int(column, type, (int64_t)random_wide(random, limit, !is_unsigned, extreme));
    }
}

static void append_value(struct random *random, const struct type *type, bool extreme, struct column *column)
{
    static const char *const texts[] = {
        "", "x", "y", "card-1", "it's", "\xc3\xa9t\xc3\xa9", "a longer piece of text, 40 bytes at least"};
    const char *text = texts[random_below(random, (int64_t)(sizeof texts / sizeof *texts))];
    switch (type->id) {
    case TYPE_BOOLEAN:
        column_append_boolean(column, random_chance(random, 50));
        break;
    case TYPE_FLOAT:
        column_append_double(column, type,
                             (double)(float)random_double(random, extreme && random_chance(random, 50)));
        break;
    case TYPE_DOUBLE:
        column_append_double(column, type, random_double(random, extreme));
        break;
    case TYPE_VARCHAR:
        column_append_text(column, text, strlen(text), NULL);
        break;
    case TYPE_DATE:
        column_append_int(column, type,
                          random_below(random, extreme ? 30000 : 90) - (extreme ? 8000 : -18262));
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        column_append_int(column, type,
                          random_below(random, (extreme ? 30000 : 60) * DAY_US) -
                              (extreme ? 8000 : -18262) * DAY_US);
        break;
    case TYPE_ENUM:
        column_append_int(column, type, random_below(random, dictionary_size(type->values)));
        break;
    default:
        append_number(random, type, extreme, column);
    }
}

static void fill_column(struct random *random, const struct field *field, const struct habit *habit, int rows,
                        struct column *column)
{
    for (int i = 0; i < rows; i++) {
        if (random_chance(random, habit->null_percent)) {
            column_append_null(column, &field->type);
            continue;
        }
        if (random_chance(random, habit->special_percent)) {
            static const double specials[] = {NAN, INFINITY, -INFINITY};
            column_append_double(column, &field->type, specials[random_below(random, 3)]);
            continue;
        }
        struct random own = {habit->seed +
                             (uint64_t)random_below(random, habit->pool ? habit->pool : 1 << 30)};
        append_value(&own, &field->type, habit->extreme, column);
    }
}

/* Event times: steps of 0 to some units, some rows thrown back by up to 60 units, some before 1970. */
static void fill_times(struct random *random, const struct random_plan *plan, const struct type *type,
                       struct column *column)
{
    int64_t scale = type->id == TYPE_DATE ? DAY_US : 1, base = 0, now;
    int tie = plan->in_order ? 0 : (int)random_below(random, 70),
        back = plan->in_order ? 0 : (int)random_below(random, 3) * 12;
    bool fine = type->id == TYPE_TIMESTAMP && random_chance(random, 50);
    if (type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMPTZ || type->id == TYPE_DATE)
        base = (random_chance(random, 30) ? -60 : 18262) * DAY_US;
    else
        base = type->id == TYPE_UINT16 ? 3000 : 0;
    now = base;
    for (int i = 0; i < plan->rows; i++) {
        int64_t time;
        if (!random_chance(random, tie))
            now += (1 + (random_chance(random, 10) ? random_below(random, 30) : random_below(random, 3))) *
                       plan->unit +
                   (fine ? random_below(random, 1000) : 0);
        time = now;
        if (random_chance(random, back))
            time -= random_below(random, random_chance(random, 50) ? 4 : 60) * plan->unit;
        else if (i && random_chance(random, back)) /* once more an earlier event's time */
            time = column_int(column, type, i - 1 - random_below(random, i < 20 ? i : 20)) * scale;
        column_append_int(column, type, time / scale);
    }
}

/* By the column's name: random_maker.h. */
static struct habit habit_of(struct random *random, const char *name)
{
    struct habit habit = {.pool = random_chance(random, 40) ? 8 : 0,
                          .null_percent = random_chance(random, 50) ? 0 : (int)random_below(random, 60),
                          .extreme = random_chance(random, 40),
                          .seed = random_bits(random)};
    if (name[0] == 'k') /* few entities, so that windows fill, or many that come and go */
        habit.pool = random_chance(random, 90) ? 1 + (int)random_below(random, 6) : 100;
    if (name[0] == 'y' || name[0] == 'z') {
        habit.pool = 4;
        habit.null_percent = 10 + (int)random_below(random, 50);
        habit.extreme = false;
    }
    if (name[0] == 'h') {
        habit.pool = 0;
        habit.null_percent = 10;
    }
    if (name[0] == 'x')
        habit.special_percent = random_chance(random, 50) ? 3 : 20;
    return habit;
}

void random_plan_events(struct random *random, const struct random_plan *plan, struct schema *schema,
                        int time_column, struct table *ret)
{
    if (table_init(ret, schema, NULL) != OK || table_reserve(ret, plan->rows, NULL) != OK)
        abort();
    for (int c = 0; c < schema->n; c++) {
        const struct field *field = &schema->fields[c];
        struct habit habit = habit_of(random, field->name);
        if (c == time_column || strcmp(field->name, "ts") == 0)
            fill_times(random, plan, &field->type, &ret->columns[c]);
        else if (strcmp(field->name, "id") == 0)
            for (int i = 0; i < plan->rows; i++)
                column_append_int(&ret->columns[c], &field->type, i + 1);
        else
            fill_column(random, field, &habit, plan->rows, &ret->columns[c]);
    }
    ret->length = plan->rows;
}
