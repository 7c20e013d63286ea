#include "train/evaluate.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/memory.h"

/* One entity on one day. */
struct candidate {
    int64_t entity;
    float score;
    bool compromised;
};

/* What is remembered per entity while the days pass. */
struct entity_memory {
    int64_t first_fraud_us; /* from known_from on; INT64_MAX = none */
    int32_t candidate;      /* place among the day's candidates, valid where seen_day is today */
    int32_t seen_day;       /* index of the last day it had a row, from 1 */
    bool found;             /* by an earlier day's top k */
    bool compromised;       /* on any test day, after removal */
    bool known;             /* had rows removed */
};

struct run {
    const struct evaluate_input *input;
    const struct evaluate_options *options;
    int64_t day_us, first_day;
    int64_t days;   /* calendar days from the first to the last test row */
    int64_t *start; /* days + 1: where each day's rows begin in `rows` */
    int64_t *rows;  /* test rows by day, in input order within a day */
    int64_t entities;
    struct entity_memory *memory;
    struct candidate *candidates;
    float *score, *label; /* remaining rows, day by day */
    double *amount;
    int64_t kept;
    struct evaluation result;
};

static int64_t day_of(const struct run *run, int64_t time_us)
{
    int64_t day = time_us / run->day_us;
    return day - (time_us % run->day_us < 0);
}

static bool in_test(const struct run *run, int64_t i)
{
    int64_t t = run->input->time_us[i];
    return t >= run->options->test.from_us && t < run->options->test.to_us;
}

static int out_of_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory to evaluate");
}

/* Counting sort of the test rows by day. */
static int sort_by_day(struct run *run, struct error *error)
{
    const struct evaluate_input *input = run->input;
    int64_t n = 0, first = INT64_MAX, last = INT64_MIN;
    for (int64_t i = 0; i < input->n; i++) {
        if (!in_test(run, i))
            continue;
        int64_t day = day_of(run, input->time_us[i]);
        first = day < first ? day : first;
        last = day > last ? day : last;
        n++;
    }
    if (!n) {
        char from[UNITS_TEXT_SIZE], to[UNITS_TEXT_SIZE];
        return error_set(error, CODE_INVALID, "no row lies in the test span %s..%s",
                         units_time_text(run->options->test.from_us, from),
                         units_time_text(run->options->test.to_us, to));
    }
    /* Both lie inside the int64 range divided by day_us, and their distance is checked before it is used. */
    if ((__int128)last - first >= LIMIT_EVALUATE_DAYS)
        return error_set(error, CODE_LIMIT, "the test rows spread over more than %d days",
                         LIMIT_EVALUATE_DAYS);
    run->first_day = first;
    run->days = last - first + 1;
    run->start = memory_new((size_t)run->days + 1, sizeof *run->start);
    run->rows = memory_new((size_t)n, sizeof *run->rows);
    int64_t *next = memory_new((size_t)run->days, sizeof *next);
    if (!run->start || !run->rows || !next) {
        free(next);
        return out_of_memory(error);
    }
    for (int64_t i = 0; i < input->n; i++)
        if (in_test(run, i))
            run->start[day_of(run, input->time_us[i]) - first + 1]++;
    for (int64_t d = 0; d < run->days; d++) {
        run->start[d + 1] += run->start[d];
        next[d] = run->start[d];
    }
    for (int64_t i = 0; i < input->n; i++)
        if (in_test(run, i))
            run->rows[next[day_of(run, input->time_us[i]) - first]++] = i;
    free(next);
    return OK;
}

/* For each entity, its first fraud from the first training day on: all that "known on day d" needs. */
static int find_known(struct run *run, struct error *error)
{
    const struct evaluate_input *input = run->input;
    if (!input->entity)
        return OK;
    for (int64_t i = 0; i < input->n; i++) {
        assert(input->entity[i] >= 0);
        if (input->entity[i] >= run->entities)
            run->entities = input->entity[i] + 1;
    }
    if (run->entities > INT32_MAX)
        return error_set(error, CODE_LIMIT, "more than %d entities", INT32_MAX);
    run->memory = memory_new((size_t)run->entities, sizeof *run->memory);
    run->candidates = memory_new((size_t)run->entities, sizeof *run->candidates);
    if (!run->memory || !run->candidates)
        return out_of_memory(error);
    for (int64_t e = 0; e < run->entities; e++)
        run->memory[e].first_fraud_us = INT64_MAX;
    for (int64_t i = 0; i < input->n; i++) {
        int64_t t = input->time_us[i];
        int64_t *first = &run->memory[input->entity[i]].first_fraud_us;
        if (input->label[i] != 0.0f && t >= run->options->known_from_us && t < *first)
            *first = t;
    }
    return OK;
}

/* Was a fraud of this entity known when the day began? */
static bool is_known(const struct run *run, int64_t entity, int64_t day)
{
    __int128 cut = (__int128)day * run->day_us - run->options->delay_us;
    int64_t first = run->memory[entity].first_fraud_us;
    return first != INT64_MAX && first < cut;
}

/* Enters a remaining row among the day's entities. */
static void add_candidate(struct run *run, int64_t row, int32_t today, struct evaluation_day *day)
{
    int64_t entity = run->input->entity[row];
    struct entity_memory *memory = &run->memory[entity];
    if (memory->found)
        return;
    float score = run->input->score[row];
    if (memory->seen_day != today) {
        memory->seen_day = today;
        memory->candidate = (int32_t)day->entities++;
        run->candidates[memory->candidate] = (struct candidate){.entity = entity, .score = score};
    }
    struct candidate *candidate = &run->candidates[memory->candidate];
    if (score > candidate->score)
        candidate->score = score;
    if (run->input->label[row] != 0.0f && !candidate->compromised) {
        candidate->compromised = true;
        day->compromised++;
        run->result.compromised += !memory->compromised;
        memory->compromised = true;
    }
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *p = a, *q = b;
    if (p->score != q->score)
        return p->score > q->score ? -1 : 1;
    return (p->entity > q->entity) - (p->entity < q->entity);
}

static void find_top(struct run *run, struct evaluation_day *day)
{
    int64_t k = run->options->top_k;
    qsort(run->candidates, (size_t)day->entities, sizeof *run->candidates, compare_candidates);
    for (int64_t i = 0; i < day->entities && i < k; i++) {
        if (!run->candidates[i].compromised)
            continue;
        day->found++;
        run->memory[run->candidates[i].entity].found = true;
    }
    day->precision_at_k = (double)day->found / (double)k;
    run->result.found += day->found;
}

static int take_day(struct run *run, int64_t d, struct error *error)
{
    const struct evaluate_input *input = run->input;
    struct evaluation *result = &run->result;
    struct evaluation_day day = {.day = run->first_day + d, .precision_at_k = NAN};
    int64_t kept_before = run->kept;
    for (int64_t i = run->start[d]; i < run->start[d + 1]; i++) {
        int64_t row = run->rows[i];
        int64_t fraud = input->label[row] != 0.0f;
        if (input->entity && !run->options->keep_known && is_known(run, input->entity[row], day.day)) {
            struct entity_memory *memory = &run->memory[input->entity[row]];
            day.known_rows++;
            result->known_frauds += fraud;
            result->known_entities += !memory->known;
            memory->known = true;
            continue;
        }
        if (isnan(input->score[row]))
            return error_set(error, CODE_INVALID, "a test row (number %lld of the rows read) has no score",
                             (long long)row + 1);
        run->score[run->kept] = input->score[row];
        run->label[run->kept] = input->label[row];
        if (input->amount)
            run->amount[run->kept] = input->amount[row];
        run->kept++;
        day.frauds += fraud;
        if (input->entity && run->options->top_k > 0)
            add_candidate(run, row, (int32_t)(d + 1), &day);
    }
    day.rows = run->kept - kept_before;
    result->known_rows += day.known_rows;
    if (!day.rows && !day.known_rows)
        return OK;
    if (input->entity && run->options->top_k > 0 && day.rows)
        find_top(run, &day);
    struct ranking ranking;
    int rc =
        ranking_make(run->score + kept_before, run->label + kept_before, NULL, day.rows, &ranking, error);
    if (rc)
        return rc;
    day.auc = metrics_auc(&ranking);
    day.average_precision = metrics_average_precision(&ranking);
    ranking_done(&ranking);
    result->days[result->n_days++] = day;
    return OK;
}

static int take_days(struct run *run, struct error *error)
{
    struct evaluation *result = &run->result;
    size_t n = (size_t)run->start[run->days];
    run->score = memory_new(n, sizeof *run->score);
    run->label = memory_new(n, sizeof *run->label);
    run->amount = run->input->amount ? memory_new(n, sizeof *run->amount) : NULL;
    result->days = memory_new((size_t)run->days, sizeof *result->days);
    if (!run->score || !run->label || !result->days || (run->input->amount && !run->amount))
        return out_of_memory(error);
    for (int64_t d = 0; d < run->days; d++) {
        int rc = take_day(run, d, error);
        if (rc)
            return rc;
    }
    int rc = ranking_make(run->score, run->label, run->amount, run->kept, &result->ranking, error);
    if (rc)
        return rc;
    result->rows = run->kept;
    result->frauds = result->ranking.frauds;
    result->auc = metrics_auc(&result->ranking);
    result->average_precision = metrics_average_precision(&result->ranking);
    result->log_loss = metrics_log_loss(&result->ranking);
    result->brier = metrics_brier(&result->ranking);
    result->precision_at_k = NAN;
    if (run->input->entity && run->options->top_k > 0) {
        double sum = 0.0;
        int days = 0;
        for (int d = 0; d < result->n_days; d++) {
            if (!result->days[d].rows)
                continue;
            sum += result->days[d].precision_at_k;
            days++;
        }
        result->precision_at_k = days ? sum / days : NAN;
        result->top_k = run->options->top_k;
    }
    return OK;
}

int evaluate_run(const struct evaluate_input *input, const struct evaluate_options *options,
                 struct evaluation *ret, struct error *error)
{
    struct run run = {
        .input = input, .options = options, .day_us = options->day_us ? options->day_us : DAY_US};
    int rc = sort_by_day(&run, error);
    if (!rc)
        rc = find_known(&run, error);
    if (!rc)
        rc = take_days(&run, error);
    if (rc)
        evaluation_done(&run.result);
    else
        *ret = run.result;
    free(run.start);
    free(run.rows);
    free(run.memory);
    free(run.candidates);
    free(run.score);
    free(run.label);
    free(run.amount);
    return rc;
}

void evaluation_done(struct evaluation *evaluation)
{
    ranking_done(&evaluation->ranking);
    free(evaluation->days);
    *evaluation = (struct evaluation){0};
}
