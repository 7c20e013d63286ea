#include "differential/label_story.h"

#include <stdlib.h>
#include <string.h>

#include "score/label_said.h"

enum { VALUES = 3 }; /* 0, 1, NULL: the rows of `counting.values` */

static int by_position(const void *a, const void *b)
{
    const struct story_label *x = a, *y = b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    /* Any order that is not that of the events. */
    int64_t s = x->event * 7919 % 127, t = y->event * 7919 % 127;
    return s != t ? (s > t) - (s < t) : (x->time > y->time) - (x->time < y->time);
}

static void draw_labels(struct random *random, int64_t events, struct label_story *story)
{
    static const int64_t most[] = {1, 4, 15, 60, 200};
    for (int64_t e = 0; e < events + events / 20; e++) {
        int n = e >= events ? 1 : (int)random_below(random, 4);
        for (int i = 0; i < n; i++) {
            int64_t gap = random_below(random, most[random_below(random, 5)]);
            bool early = random_chance(random, 25);
            int64_t position = early ? e - gap / 2 : e + 1 + gap;
            struct story_label label = {.event = e,
                                        .position = e >= events    ? random_below(random, events)
                                                    : position < 0 ? 0
                                                                   : position,
                                        .time = random_below(random, 4),
                                        .value = (int)random_below(random, VALUES) - 1};
            story->list[story->n++] = label;
            if (random_chance(random, 10)) { /* once more */
                label.position += random_below(random, 5);
                story->list[story->n++] = label;
            }
        }
    }
    qsort(story->list, (size_t)story->n, sizeof *story->list, by_position);
}

static void make_values(struct plan *plan, int late, struct table *ret)
{
    const struct schema *events = plan->events;
    if (table_init(ret, plan->events, NULL) != OK || table_reserve(ret, VALUES, NULL) != OK)
        abort();
    for (int v = 0; v < VALUES; v++)
        for (int c = 0; c < events->n; c++)
            if (c == late && v < 2)
                column_append_int(&ret->columns[c], &events->fields[c].type, v);
            else
                column_append_null(&ret->columns[c], &events->fields[c].type);
    ret->length = VALUES;
}

/* An id that labels wait for. */
struct waiting {
    int64_t event, since;
    bool begun;
};

/* Going through a story, event by event. */
struct reading {
    struct label_story *story;
    struct waiting *waiting;
    int64_t n_waiting, next, latest, high, lateness;
    int64_t *told; /* of the story: from when on it counts, or -1 */
    int64_t events;
};

static struct waiting *find_waiting(struct reading *reading, int64_t event)
{
    for (int64_t w = 0; w < reading->n_waiting; w++)
        if (reading->waiting[w].event == event)
            return &reading->waiting[w];
    return NULL;
}

static void stop_waiting(struct reading *reading, struct waiting *waiting)
{
    *waiting = reading->waiting[--reading->n_waiting];
}

static void read_labels(struct reading *reading, int64_t at)
{
    struct label_story *story = reading->story;
    for (; reading->next < story->n && story->list[reading->next].position <= at; reading->next++) {
        int64_t event = story->list[reading->next].event;
        reading->told[reading->next] = event < at ? at : -1;
        if (event >= at && !find_waiting(reading, event))
            reading->waiting[reading->n_waiting++] = (struct waiting){.event = event};
    }
}

/* Those of an id that wait are told behind their event; none was given up before. */
static void read_event(struct reading *reading, int64_t at, int64_t time, bool entered, int64_t *first_kept)
{
    struct label_story *story = reading->story;
    struct waiting *waiting = find_waiting(reading, at);
    for (int64_t i = 0; waiting && i < reading->next; i++)
        if (story->list[i].event == at && reading->told[i] < 0 && i >= first_kept[at])
            reading->told[i] = at + 1;
    if (waiting) {
        story->awaited++;
        stop_waiting(reading, waiting);
    }
    reading->latest = at == 0 || time > reading->latest ? time : reading->latest;
    reading->high = entered && time > reading->high ? time : reading->high;
    for (int64_t w = 0; w < reading->n_waiting;) {
        struct waiting *other = &reading->waiting[w];
        if (!other->begun)
            other->since = reading->latest;
        other->begun = true;
        if (reading->high - reading->lateness <= other->since) {
            w++;
            continue;
        }
        story->lost++;
        if (other->event < reading->events)
            first_kept[other->event] = reading->next;
        stop_waiting(reading, other);
    }
}

static int by_told(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return x->position != y->position ? (x->position < y->position ? -1 : 1)
                                      : (x->source > y->source) - (x->source < y->source);
}

/* By when they count; those told together in the order in which they came. */
static void sort_counting(struct reading *reading)
{
    struct label_story *story = reading->story;
    struct labels *counting = &story->counting;
    for (int64_t i = 0; i < story->n; i++)
        if (reading->told[i] >= 0)
            counting->list[counting->n++] = (struct label){.event = story->list[i].event,
                                                           .position = reading->told[i],
                                                           .time = story->list[i].time,
                                                           .source = i};
    qsort(counting->list, (size_t)counting->n, sizeof *counting->list, by_told);
    for (int64_t i = 0; i < counting->n; i++) {
        int value = story->list[counting->list[i].source].value;
        counting->list[i].source = value < 0 ? VALUES - 1 : value;
    }
}

void label_story_make(struct random *random, struct plan *plan, const struct table *events, int late,
                      int64_t lateness, struct label_story *ret)
{
    int64_t n = events->length;
    size_t most = (size_t)n * 8;
    struct label_story story = {.list = memory_new(most, sizeof *story.list)};
    struct rescan rescan;
    struct rescan_options options = {.lateness = lateness};
    struct reading reading = {.story = &story,
                              .waiting = memory_new(most, sizeof *reading.waiting),
                              .told = memory_new(most, sizeof *reading.told),
                              .high = INT64_MIN / 2,
                              .lateness = lateness,
                              .events = n};
    int64_t *first_kept = memory_new((size_t)n, sizeof *first_kept);
    story.counting.list = memory_new(most, sizeof *story.counting.list);
    if (!story.list || !reading.waiting || !reading.told || !first_kept || !story.counting.list ||
        rescan_run(plan, events, &options, &rescan, NULL) != OK)
        abort();
    draw_labels(random, n, &story);
    make_values(plan, late, &story.counting.values);
    memset(reading.told, -1, most * sizeof *reading.told);
    for (int64_t at = 0; at < n; at++) {
        int64_t time = column_int(&events->columns[plan->time_column],
                                  &plan->events->fields[plan->time_column].type, at);
        read_labels(&reading, at);
        read_event(&reading, at, time, rescan.entered[at], first_kept);
    }
    sort_counting(&reading);
    story.waiting = reading.n_waiting;
    rescan_done(&rescan);
    free(reading.waiting);
    free(reading.told);
    free(first_kept);
    *ret = story;
}

void label_story_done(struct label_story *story)
{
    free(story->list);
    labels_done(&story->counting);
    *story = (struct label_story){0};
}

void label_story_rows(const struct label_story *story, int64_t from, int64_t to, struct table *ret)
{
    const struct field *fields = ret->schema->fields;
    struct column *columns = ret->columns;
    table_clear(ret);
    if (table_reserve(ret, to - from, NULL) != OK)
        abort();
    for (int64_t i = from; i < to; i++) {
        const struct story_label *label = &story->list[i];
        column_append_int(&columns[LABEL_ID], &fields[LABEL_ID].type, label->event);
        column_append_int(&columns[LABEL_TIME], &fields[LABEL_TIME].type, label->time);
        if (label->value < 0)
            column_append_null(&columns[LABEL_COLUMNS], &fields[LABEL_COLUMNS].type);
        else
            column_append_int(&columns[LABEL_COLUMNS], &fields[LABEL_COLUMNS].type, label->value);
    }
    ret->length = to - from;
}
