#include "differential/coverage.h"

#include <stdio.h>

enum shape coverage_shape(const struct plan *plan, const struct window *window)
{
    static const enum shape shapes[] = {
        [AGGREGATE_COUNT] = SHAPE_COUNT,
        [AGGREGATE_SUM] = SHAPE_SUM,
        [AGGREGATE_AVG] = SHAPE_AVG,
        [AGGREGATE_MIN] = SHAPE_MIN,
        [AGGREGATE_MAX] = SHAPE_MAX,
        [AGGREGATE_VAR_POP] = SHAPE_VAR_POP,
        [AGGREGATE_VAR_SAMP] = SHAPE_VAR_SAMP,
        [AGGREGATE_STDDEV_POP] = SHAPE_STDDEV_POP,
        [AGGREGATE_STDDEV_SAMP] = SHAPE_STDDEV_SAMP,
        [AGGREGATE_DISTINCT] = SHAPE_DISTINCT,
        [AGGREGATE_BOOL_OR] = SHAPE_BOOL_OR,
        [AGGREGATE_BOOL_AND] = SHAPE_BOOL_AND,
        [AGGREGATE_FIRST] = SHAPE_FIRST,
        [AGGREGATE_LAST] = SHAPE_LAST,
    };
    enum shape shape = shapes[window->aggregate];
    bool star = window->slot < 0 || !plan->groups[window->group].slots[window->slot].argument;
    bool known = window->rows == window->slot;
    if (shape == SHAPE_COUNT && star)
        return SHAPE_EVENTS;
    if (shape == SHAPE_FIRST && known)
        return SHAPE_FIRST_KNOWN;
    return shape == SHAPE_LAST && known ? SHAPE_LAST_KNOWN : shape;
}

enum reach coverage_reach(const struct frame *frame)
{
    bool unbounded = frame->start == FRAME_UNBOUNDED, one = frame->start == frame->end;
    if (frame->unit == FRAME_ROWS)
        return unbounded ? REACH_ALL_ROWS_BEFORE
               : one     ? (frame->end ? REACH_ROW_BEFORE : REACH_ROW)
                         : (frame->end ? REACH_ROWS_BEFORE : REACH_ROWS);
    if (unbounded)
        return frame->end ? REACH_ALL_DELAYED : frame->exclusive ? REACH_ALL_EXCLUSIVE : REACH_ALL;
    if (frame->end)
        return one ? REACH_POINT : REACH_DELAYED;
    return frame->exclusive ? REACH_EXCLUSIVE : one ? REACH_ZERO : REACH_TO_NOW;
}

void coverage_note(struct coverage *coverage, const struct plan *plan, const struct rescan *rescan)
{
    for (size_t w = 0; w < plan->n_windows; w++) {
        const struct window *window = &plan->windows[w];
        enum shape shape = coverage_shape(plan, window);
        enum reach reach = coverage_reach(&plan->groups[window->group].frames[window->frame]);
        coverage->windows[shape][reach]++;
        for (int s = 0; s < SEEN_COUNT; s++)
            coverage->seen[shape][reach][s] += rescan->seen[w][s];
    }
}

void coverage_add(struct coverage *coverage, const struct coverage *other)
{
    for (int shape = 0; shape < SHAPES; shape++)
        for (int reach = 0; reach < REACHES; reach++) {
            coverage->windows[shape][reach] += other->windows[shape][reach];
            for (int s = 0; s < SEEN_COUNT; s++)
                coverage->seen[shape][reach][s] += other->seen[shape][reach][s];
        }
}

/* Can a window of that kind meet it at all? */
static bool reachable(enum shape shape, enum reach reach, enum seen seen)
{
    bool truth = shape == SHAPE_BOOL_OR || shape == SHAPE_BOOL_AND;
    bool last = shape == SHAPE_LAST || shape == SHAPE_LAST_KNOWN;
    bool place = last || shape == SHAPE_FIRST || shape == SHAPE_FIRST_KNOWN || shape == SHAPE_MIN ||
                 shape == SHAPE_MAX;
    bool unbounded = reach == REACH_ALL || reach == REACH_ALL_EXCLUSIVE || reach == REACH_ALL_DELAYED ||
                     reach == REACH_ALL_ROWS_BEFORE;
    switch (seen) {
    case SEEN_NULL:
        return shape != SHAPE_EVENTS;
    case SEEN_SPECIAL:
        return shape != SHAPE_EVENTS && !truth;
    case SEEN_FILTER: /* SQL has no FILTER for last_value */
        return !last;
    case SEEN_NOTHING: /* the last of frames that have the event itself is at least that, NULL or not */
        return shape != SHAPE_LAST || (reach != REACH_TO_NOW && reach != REACH_ZERO && reach != REACH_ALL &&
                                       reach != REACH_ROWS && reach != REACH_ROW);
    case SEEN_TIE:
        return reach != REACH_ROW && reach != REACH_ROW_BEFORE;
    case SEEN_EDGE:
        return !unbounded;
    case SEEN_LATE:
    case SEEN_ERASED:
    case SEEN_FORGOTTEN:
        return reach != REACH_ROW;
    case SEEN_LABEL:
    case SEEN_DEFAULT:
        return reach == REACH_DELAYED || reach == REACH_POINT || reach == REACH_ALL_DELAYED;
    case SEEN_LEARNT:
    case SEEN_OVERDUE:
    case SEEN_CORRECTED:
    case SEEN_OVERTAKEN:
    case SEEN_TWIN: /* what cannot be taken back is refused */
        return reach == REACH_DELAYED || reach == REACH_POINT || (reach == REACH_ALL_DELAYED && !place);
    default:
        return true;
    }
}

int coverage_empty(const struct coverage *coverage)
{
    int empty = 0;
    for (int shape = 0; shape < SHAPES; shape++)
        for (int reach = 0; reach < REACHES; reach++)
            for (int s = 0; s < SEEN_COUNT; s++)
                empty += reachable((enum shape)shape, (enum reach)reach, (enum seen)s) &&
                         coverage->seen[shape][reach][s] == 0;
    return empty;
}

int coverage_print(const struct coverage *coverage)
{
    static const char *const shapes[] = {"count(*)", "count",     "sum",      "avg",    "min",
                                         "max",      "var_pop",   "var_samp", "sd_pop", "sd_samp",
                                         "distinct", "bool_or",   "bool_and", "first",  "first known",
                                         "last",     "last known"};
    static const char *const reaches[] = {"to now",         "exclusive", "zero",          "delayed",
                                          "point",          "all",       "all exclusive", "all delayed",
                                          "rows",           "row",       "rows before",   "row before",
                                          "all rows before"};
    static const char *const seen[] = {"NULL",      "error",   "FILTER",   "special", "nothing", "tie",
                                       "edge",      "late",    "too late", "ahead",   "forgot",  "WHERE",
                                       "label",     "default", "inner",    "learnt",  "overdue", "corrected",
                                       "overtaken", "erased",  "twin"};
    printf("%-28s", "windows");
    for (int s = 0; s < SEEN_COUNT; s++)
        printf("%10s", seen[s]);
    printf("\n");
    for (int shape = 0; shape < SHAPES; shape++)
        for (int reach = 0; reach < REACHES; reach++) {
            printf("%-12s%-16s", shapes[shape], reaches[reach]);
            for (int s = 0; s < SEEN_COUNT; s++) {
                int64_t n = coverage->seen[shape][reach][s];
                bool possible = reachable((enum shape)shape, (enum reach)reach, (enum seen)s);
                if (possible || n)
                    printf("%10lld", (long long)n);
                else
                    printf("%10s", "-");
            }
            printf("\n");
        }
    return coverage_empty(coverage);
}
