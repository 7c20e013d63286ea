#include <string.h>

#include "base/units.h"
#include "differential/coverage.h"
#include "differential/random_maker.h"

/* What an aggregate takes. */
enum takes { TAKES_NOTHING, TAKES_ANYTHING, TAKES_ORDERED, TAKES_NUMBER, TAKES_TRUTH };

/* The ways to write an aggregate. `filter`: those of them that FILTER may follow (SQL has none for
 * first_value and its kin). */
struct form {
    const char *names[4];
    const char *filter;
    const char *before, *after; /* within the parentheses */
    enum takes takes;
    bool inexact; /* of doubles, DuckDB may round more than once */
};

static const struct form forms[SHAPES] = {
    [SHAPE_EVENTS] = {{"count"}, "count", "*", "", TAKES_NOTHING, false},
    [SHAPE_COUNT] = {{"count"}, "count", "", "", TAKES_ANYTHING, false},
    [SHAPE_SUM] = {{"sum"}, "sum", "", "", TAKES_NUMBER, true},
    [SHAPE_AVG] = {{"avg", "mean"}, "avg", "", "", TAKES_NUMBER, true},
    [SHAPE_MIN] = {{"min"}, "min", "", "", TAKES_ORDERED, false},
    [SHAPE_MAX] = {{"max"}, "max", "", "", TAKES_ORDERED, false},
    [SHAPE_VAR_POP] = {{"var_pop"}, "var_pop", "", "", TAKES_NUMBER, true},
    [SHAPE_VAR_SAMP] = {{"var_samp", "variance"}, "variance", "", "", TAKES_NUMBER, true},
    [SHAPE_STDDEV_POP] = {{"stddev_pop"}, "stddev_pop", "", "", TAKES_NUMBER, true},
    [SHAPE_STDDEV_SAMP] = {{"stddev_samp", "stddev"}, "stddev", "", "", TAKES_NUMBER, true},
    [SHAPE_DISTINCT] = {{"count"}, "count", "DISTINCT ", "", TAKES_ANYTHING, false},
    [SHAPE_BOOL_OR] = {{"bool_or"}, "bool_or", "", "", TAKES_TRUTH, false},
    [SHAPE_BOOL_AND] = {{"bool_and"}, "bool_and", "", "", TAKES_TRUTH, false},
    [SHAPE_FIRST] = {{"first_value", "first", "arbitrary"}, "arbitrary", "", "", TAKES_ANYTHING, false},
    [SHAPE_FIRST_KNOWN] = {{"first_value", "first"}, "any_value", "", " IGNORE NULLS", TAKES_ANYTHING, false},
    [SHAPE_LAST] = {{"last_value", "last"}, NULL, "", "", TAKES_ANYTHING, false},
    [SHAPE_LAST_KNOWN] = {{"last_value", "last"}, NULL, "", " IGNORE NULLS", TAKES_ANYTHING, false},
};

/* What a window is to meet. */
enum flavor {
    FLAVOR_LABEL,        /* a late column as the argument */
    FLAVOR_LABEL_FILTER, /* in FILTER */
    FLAVOR_SPECIAL,      /* NaN and infinities */
    FLAVOR_HAZARD,       /* values that cannot be computed */
    FLAVOR_FILTER,
    FLAVOR_PLAIN,
    FLAVORS
};

/* A length in units of the plan's time: INTERVAL 3 DAY, INTERVAL (5 * 3600) SECOND or 7. */
static void make_length(struct maker *maker, int64_t units, struct buffer *out)
{
    int64_t us = units * maker->plan->unit;
    if (maker->plan->unit == 1)
        buffer_format(out, "%lld", (long long)units);
    else if (us % DAY_US == 0 && die(maker, 2))
        buffer_format(out, "INTERVAL %lld DAY", (long long)(us / DAY_US));
    else if (us % DAY_US == 0 && die(maker, 2))
        buffer_format(out, "INTERVAL (%lld * 24) HOUR", (long long)(us / DAY_US));
    else
        buffer_format(out, "INTERVAL %lld SECOND", (long long)(us / SECOND_US));
}

static void make_range(struct maker *maker, enum reach reach, struct buffer *out)
{
    bool all = reach == REACH_ALL || reach == REACH_ALL_EXCLUSIVE || reach == REACH_ALL_DELAYED;
    bool one =
        reach == REACH_ZERO || reach == REACH_POINT || (reach == REACH_EXCLUSIVE && die(maker, 6) == 0);
    bool delayed = reach == REACH_DELAYED || reach == REACH_POINT || reach == REACH_ALL_DELAYED;
    int64_t end = delayed ? 1 + die(maker, die(maker, 2) ? 3 : 12) : 0;
    int64_t start = end + (one ? 0 : 1 + die(maker, die(maker, 3) ? 20 : 200));
    bool brief = !delayed && die(maker, 3) == 0;
    buffer_text(out, brief ? "RANGE " : "RANGE BETWEEN ");
    if (all)
        buffer_text(out, "UNBOUNDED");
    else if (start == 0 && die(maker, 3) == 0)
        buffer_text(out, brief ? "CURRENT ROW" : "CURRENT ROW AND CURRENT ROW");
    else
        make_length(maker, start, out);
    if (out->data[out->size - 1] == 'W')
        return;
    buffer_text(out, brief ? " PRECEDING" : " PRECEDING AND ");
    if (brief)
        return;
    if (!end && die(maker, 5)) {
        buffer_text(out, "CURRENT ROW");
    } else {
        make_length(maker, end, out);
        buffer_text(out, " PRECEDING");
    }
}

static void make_rows(struct maker *maker, enum reach reach, struct buffer *out)
{
    static const char *const current[] = {"ROWS CURRENT ROW", "ROWS 0 PRECEDING",
                                          "ROWS BETWEEN CURRENT ROW AND CURRENT ROW",
                                          "ROWS BETWEEN 0 PRECEDING AND 0 PRECEDING"};
    int end = 1 + die(maker, die(maker, 3) ? 3 : 20), more = 1 + die(maker, die(maker, 4) ? 5 : 60);
    if (reach == REACH_ROW)
        buffer_text(out, PICK(maker, current));
    else if (reach == REACH_ALL_ROWS_BEFORE)
        buffer_format(out, "ROWS BETWEEN UNBOUNDED PRECEDING AND %d PRECEDING", end);
    else if (reach == REACH_ROWS)
        buffer_format(out, die(maker, 2) ? "ROWS %d PRECEDING" : "ROWS BETWEEN %d PRECEDING AND CURRENT ROW",
                      more);
    else if (die(maker, 6) == 0) /* another way to end one before */
        buffer_format(out, "ROWS BETWEEN %d PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
                      reach == REACH_ROW_BEFORE ? 1 : 1 + more);
    else
        buffer_format(out, "ROWS BETWEEN %d PRECEDING AND %d PRECEDING",
                      reach == REACH_ROW_BEFORE ? end : end + more, end);
}

static void make_frame(struct maker *maker, enum reach reach, struct buffer *out)
{
    static const char *const all[] = {"", "ROWS UNBOUNDED PRECEDING",
                                      "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"};
    bool exclusive = reach == REACH_EXCLUSIVE || reach == REACH_ALL_EXCLUSIVE;
    if (reach == REACH_ALL && die(maker, 2))
        buffer_text(out, PICK(maker, all));
    else if (reach >= REACH_ROWS)
        make_rows(maker, reach, out);
    else
        make_range(maker, reach, out);
    if (exclusive)
        buffer_text(out, " EXCLUDE CURRENT ROW");
    else if ((reach == REACH_DELAYED || reach == REACH_ALL_DELAYED) && die(maker, 8) == 0)
        buffer_text(out, die(maker, 2) ? " EXCLUDE CURRENT ROW" : " EXCLUDE NO OTHERS");
}

static void make_over(struct maker *maker, enum reach reach, struct buffer *out)
{
    static const char *const keys[] = {
        "k0", "k1", "k2", "k0, k1", "k0, k1, k2", "k2, k0", "coalesce(k0, k0)", "hour(u)", "b", "c"};
    static const char *const inner[] = {"i4", "k0, i4", "i3", "i0"};
    bool named = maker->plan->windows && *maker->plan->windows && die(maker, 2);
    buffer_text(out, " OVER (");
    if (named) {
        buffer_format(out, "g%d ", die(maker, NAMED_WINDOWS));
    } else {
        if (maker->inner && die(maker, 4) == 0)
            buffer_format(out, "PARTITION BY %s ", PICK(maker, inner));
        else if (die(maker, 10))
            buffer_format(out, "PARTITION BY %s ", PICK(maker, keys));
        buffer_text(out, "ORDER BY ts ");
    }
    make_frame(maker, reach, out);
    buffer_text(out, ")");
}

static bool may_be_late(enum reach reach)
{
    return reach == REACH_DELAYED || reach == REACH_POINT || reach == REACH_ALL_DELAYED;
}

static void make_label(struct maker *maker, enum takes takes, struct buffer *out)
{
    bool boolean = strcmp(maker->label_type, "BOOLEAN") == 0;
    if (takes != TAKES_NUMBER && random_below(&maker->aside, 4) == 0)
        buffer_text(out, takes == TAKES_TRUTH ? "z > 'c'" : "z");
    else if (takes == TAKES_TRUTH)
        buffer_text(out, boolean ? "y" : "y > 0");
    else if (boolean && takes == TAKES_NUMBER)
        buffer_text(out, "CAST(y AS INTEGER)");
    else
        buffer_text(out, boolean || die(maker, 3) ? "y" : "y * 2");
}

static void make_argument(struct maker *maker, enum takes takes, bool numbers, struct buffer *out)
{
    bool any = takes == TAKES_ANYTHING, ordered = takes == TAKES_ORDERED;
    if (takes == TAKES_TRUTH)
        make_truth(maker, die(maker, 2), out);
    else if (numbers || takes == TAKES_NUMBER)
        make_number(maker, die(maker, 5) ? 0 : 2, out);
    else if (die(maker, 5) == 0)
        make_moment(maker, out);
    else if (die(maker, 4) == 0)
        make_text(maker, 1, out);
    else if (any && die(maker, 4) == 0)
        make_truth(maker, 1, out);
    else if ((any || ordered) && die(maker, 8) == 0)
        buffer_text(out, die(maker, 2) ? "b" : "c");
    else
        make_number(maker, die(maker, 5) ? 0 : 2, out);
}

static void make_flavored(struct maker *maker, enum takes takes, enum flavor flavor, bool numbers,
                          struct buffer *out)
{
    bool truth = takes == TAKES_TRUTH;
    if (flavor == FLAVOR_LABEL)
        make_label(maker, numbers ? TAKES_NUMBER : takes, out);
    else if (flavor == FLAVOR_SPECIAL && !truth)
        buffer_text(out, die(maker, 3) ? "x" : "CASE WHEN b THEN x ELSE a0 END");
    else if (flavor == FLAVOR_HAZARD)
        buffer_text(out, truth ? HAZARD " > 1" : HAZARD);
    else
        make_argument(maker, takes, numbers, out);
}

static void make_filter(struct maker *maker, enum flavor flavor, struct buffer *out)
{
    buffer_text(out, " FILTER (WHERE ");
    if (flavor == FLAVOR_LABEL_FILTER)
        make_label(maker, TAKES_TRUTH, out);
    else if (flavor == FLAVOR_HAZARD)
        buffer_text(out, HAZARD " > 1");
    else
        make_truth(maker, 1, out);
    buffer_text(out, ")");
}

/* lag(x), lag(x, n) and lag(x, n, default): what ROWS BETWEEN n PRECEDING AND n PRECEDING has first. */
static void make_lag(struct maker *maker, enum reach reach, enum flavor flavor, bool numbers,
                     struct buffer *out)
{
    int n = reach == REACH_ROW ? 0 : 1 + die(maker, die(maker, 3) ? 3 : 20);
    buffer_text(out, "lag(");
    if (numbers || die(maker, 3)) {
        make_flavored(maker, TAKES_NUMBER, flavor, true, out);
        if (n == 1 && die(maker, 3) == 0)
            buffer_text(out, ")");
        else if (die(maker, 2))
            buffer_format(out, ", %d)", n);
        else
            buffer_format(out, ", %d, %s)", n, die(maker, 2) ? "0" : "k1 IS NULL");
    } else {
        make_text(maker, 1, out);
        buffer_format(out, ", %d%s)", n, die(maker, 2) ? "" : die(maker, 2) ? ", 'none'" : ", upper(v)");
    }
    make_over(maker, die(maker, 4) ? REACH_ALL : REACH_ROWS, out);
}

static void make(struct maker *maker, enum shape shape, enum reach reach, enum flavor flavor, bool numbers,
                 struct buffer *out)
{
    const struct form *form = &forms[shape];
    bool windows = maker->windows, late = flavor == FLAVOR_LABEL || flavor == FLAVOR_LABEL_FILTER;
    bool one = reach == REACH_ROW_BEFORE || reach == REACH_ROW;
    int n_names = 0;
    if (late && !may_be_late(reach))
        flavor = die(maker, 2) ? FLAVOR_FILTER : FLAVOR_PLAIN;
    if (shape == SHAPE_EVENTS && flavor == FLAVOR_LABEL)
        flavor = FLAVOR_LABEL_FILTER;
    bool filtered =
        form->filter &&
        (flavor == FLAVOR_LABEL_FILTER || flavor == FLAVOR_FILTER ||
         (flavor == FLAVOR_HAZARD && (shape == SHAPE_EVENTS || die(maker, 4) == 0)) || die(maker, 8) == 0);
    if (flavor == FLAVOR_LABEL_FILTER && !filtered)
        flavor = FLAVOR_LABEL;
    maker->windows = false;
    maker->has_window = true;
    maker->inexact |= form->inexact;
    while (n_names < 4 && form->names[n_names])
        n_names++;
    if (shape == SHAPE_FIRST && one && !filtered && die(maker, 3)) {
        make_lag(maker, reach, flavor, numbers, out);
    } else {
        buffer_format(out, "%s(%s", filtered ? form->filter : form->names[die(maker, n_names)], form->before);
        if (form->takes != TAKES_NOTHING)
            make_flavored(maker, form->takes, flavor, numbers, out);
        buffer_format(out, "%s)", filtered ? "" : form->after);
        if (filtered)
            make_filter(maker, flavor, out);
        make_over(maker, reach, out);
    }
    maker->windows = windows;
}

void make_window(struct maker *maker, int cell, int visit, struct buffer *out)
{
    make(maker, (enum shape)(cell % SHAPES), (enum reach)(cell / SHAPES % REACHES),
         (enum flavor)((visit + cell) % FLAVORS), false, out);
}

void make_plain_window(struct maker *maker, enum shape shape, struct buffer *out)
{
    make(maker, shape, (enum reach)die(maker, REACHES), FLAVOR_PLAIN, false, out);
}

void make_number_window(struct maker *maker, struct buffer *out)
{
    static const enum shape shapes[] = {SHAPE_EVENTS,      SHAPE_COUNT,     SHAPE_SUM,      SHAPE_AVG,
                                        SHAPE_MIN,         SHAPE_MAX,       SHAPE_VAR_SAMP, SHAPE_STDDEV_POP,
                                        SHAPE_STDDEV_SAMP, SHAPE_DISTINCT,  SHAPE_FIRST,    SHAPE_FIRST_KNOWN,
                                        SHAPE_LAST,        SHAPE_LAST_KNOWN};
    make(maker, PICK(maker, shapes), (enum reach)die(maker, REACHES), (enum flavor)die(maker, FLAVORS), true,
         out);
}

void make_text_window(struct maker *maker, struct buffer *out)
{
    static const char *const calls[] = {"first_value(v)", "last(v IGNORE NULLS)", "min(v)",      "max(v)",
                                        "lag(v)",         "lag(v, 2, 'none')",    "any_value(v)"};
    maker->has_window = true;
    buffer_text(out, PICK(maker, calls));
    make_over(maker, (enum reach)die(maker, REACHES), out);
}

void make_truth_window(struct maker *maker, struct buffer *out)
{
    static const char *const calls[] = {"bool_or(b)", "bool_and(b)", "first_value(b)", "lag(b, 1, true)",
                                        "max(b)"};
    maker->has_window = true;
    buffer_text(out, PICK(maker, calls));
    make_over(maker, (enum reach)die(maker, REACHES), out);
}
