#include "score/engine.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "score/dataset.h"
#include "score/labels.h"

struct engine {
    struct plan *plan;
    struct model *model;
    struct rules *rules;
    struct engine_options options;
    struct state *state, *rules_state;
    struct labels *labels;         /* NULL: those of the events, or such as engine_learn is told */
    struct table features, judged; /* judged: what rules.sql gives */
    struct table scored;           /* borrowed columns; only the score's own */
    int64_t capacity;              /* rows that the arrays hold */
    float *rows, *scores;
    int8_t *decisions;
    struct reason *reasons;
    uint64_t *fired;
    double *contributions; /* of one row */
    void *scratch;
};

const char *decision_text(int decision)
{
    switch (decision) {
    case DECISION_APPROVE:
        return "approve";
    case DECISION_REVIEW:
        return "review";
    case DECISION_DECLINE:
        return "decline";
    case DECISION_FILTERED:
        return "filtered";
    case DECISION_ERASED:
        return "erased";
    default:
        return NULL;
    }
}

int decision_read(const char *text, size_t size)
{
    for (int decision = DECISION_APPROVE; decision <= DECISION_DECLINE; decision++)
        if (strlen(decision_text(decision)) == size && memcmp(text, decision_text(decision), size) == 0)
            return decision;
    return DECISION_NONE;
}

static int reserve(struct engine *engine, int64_t n, struct error *error)
{
    if (n <= engine->capacity)
        return OK;
    size_t rows = n < 64 ? 64 : (size_t)n, features = (size_t)engine->features.schema->n;
    size_t reasons = (size_t)engine->options.reasons;
    free(engine->rows);
    free(engine->scores);
    free(engine->decisions);
    free(engine->reasons);
    free(engine->fired);
    engine->capacity = 0;
    engine->rows = memory_new(rows * features, sizeof *engine->rows);
    engine->scores = memory_new(rows, sizeof *engine->scores);
    engine->decisions = memory_new(rows, sizeof *engine->decisions);
    engine->reasons = memory_new(rows * reasons, sizeof *engine->reasons);
    engine->fired = memory_new(rows, sizeof *engine->fired);
    if (!engine->rows || !engine->scores || !engine->decisions || !engine->reasons || !engine->fired)
        return error_set(error, CODE_MEMORY, "no memory for a batch of %lld events", (long long)n);
    engine->capacity = (int64_t)rows;
    return OK;
}

static int new_rules(struct engine *engine, struct error *error)
{
    struct state_options options = {.threads = 1};
    int rc = state_new(rules_plan(engine->rules), &options, &engine->rules_state, error);
    if (rc == OK)
        rc = table_init(&engine->judged, plan_features(rules_plan(engine->rules)), error);
    if (rc == OK)
        rc = table_init_lent(&engine->scored, rules_scored(engine->rules), error);
    return rc;
}

/* An engine without windows. */
static int make(struct plan *plan, struct model *model, struct rules *rules,
                const struct engine_options *options, struct engine **ret, struct error *error)
{
    int rc = model ? engine_check_features(plan, model, error) : OK;
    if (rc == OK && (options->reasons < 0 || options->reasons > LIMIT_REASONS))
        rc = error_set(error, CODE_USAGE, "at most %d reasons per score", LIMIT_REASONS);
    if (rc != OK)
        return rc;
    struct engine *engine = memory_new(1, sizeof *engine);
    if (!engine)
        return error_set(error, CODE_MEMORY, "no memory for the engine");
    engine->plan = plan_ref(plan);
    engine->model = model ? model_ref(model) : NULL;
    engine->rules = rules ? rules_ref(rules) : NULL;
    engine->options = *options;
    rc = table_init(&engine->features, plan_features(plan), error);
    if (rc == OK && rules)
        rc = new_rules(engine, error);
    if (rc == OK) {
        engine->contributions = memory_new((size_t)plan_features(plan)->n + 1, sizeof *engine->contributions);
        engine->scratch = memory_aligned((model ? model_explain_scratch(model) : 0) + 1);
        if (!engine->contributions || !engine->scratch)
            rc = error_set(error, CODE_MEMORY, "no memory for the engine");
    }
    if (rc != OK) {
        engine_free(engine);
        return rc;
    }
    *ret = engine;
    return OK;
}

int engine_new(struct plan *plan, struct model *model, struct rules *rules,
               const struct engine_options *options, struct engine **ret, struct error *error)
{
    struct engine *engine;
    int rc = make(plan, model, rules, options, &engine, error);
    if (rc != OK)
        return rc;
    rc = state_new(plan, &options->state, &engine->state, error);
    if (rc != OK) {
        engine_free(engine);
        return rc;
    }
    *ret = engine;
    return OK;
}

int engine_switch(struct engine *engine, struct model *model, struct rules *rules,
                  const struct engine_options *options, struct error *error)
{
    struct engine *other, swap;
    int rc = make(engine->plan, model, rules, options, &other, error);
    if (rc != OK)
        return rc;
    other->state = engine->state;
    other->labels = engine->labels;
    other->options.state = engine->options.state;
    engine->state = NULL;
    swap = *engine;
    *engine = *other;
    *other = swap;
    engine_free(other);
    return OK;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    table_done_lent(&engine->scored);
    table_done(&engine->judged);
    table_done(&engine->features);
    state_free(engine->rules_state);
    state_free(engine->state);
    free(engine->rows);
    free(engine->scores);
    free(engine->decisions);
    free(engine->reasons);
    free(engine->fired);
    free(engine->contributions);
    free(engine->scratch);
    rules_unref(engine->rules);
    model_unref(engine->model);
    plan_unref(engine->plan);
    free(engine);
}

/* The strongest contributions of one row, largest magnitude first; equal ones in the order of features. */
static void find_reasons(struct engine *engine, int64_t i)
{
    int n = engine->features.schema->n, k = engine->options.reasons;
    struct reason *reasons = engine->reasons + i * k;
    for (int r = 0; r < k; r++)
        reasons[r] = (struct reason){-1, 0};
    if (engine->decisions[i] == DECISION_FILTERED || (double)engine->scores[i] < engine->options.explain_from)
        return;
    model_explain(engine->model, engine->rows + i * n, 1, engine->contributions, engine->scratch);
    for (int f = 0; f < n; f++) {
        double contribution = engine->contributions[f];
        int at = k;
        while (at > 0 &&
               (reasons[at - 1].feature < 0 || fabs(contribution) > fabs(reasons[at - 1].contribution)))
            at--;
        if (at == k || contribution == 0)
            continue;
        memmove(&reasons[at + 1], &reasons[at], (size_t)(k - at - 1) * sizeof *reasons);
        reasons[at] = (struct reason){f, contribution};
    }
}

/* A NULL decision is a review, and so is a computed one that is none of the three. */
static int read_decision(const struct column *column, int64_t i)
{
    if (column_is_null(column, i))
        return DECISION_REVIEW;
    size_t size;
    const char *text = column_text(column, i, &size);
    int decision = decision_read(text, size);
    return decision == DECISION_NONE ? DECISION_REVIEW : decision;
}

static int judge(struct engine *engine, const struct table *events, struct error *error)
{
    int64_t n = events->length;
    for (int c = 0; c < engine->scored.schema->n; c++) {
        int event, feature;
        rules_source(engine->rules, c, &event, &feature);
        if (event >= 0)
            engine->scored.columns[c] = events->columns[event];
        else if (feature >= 0)
            engine->scored.columns[c] = engine->features.columns[feature];
        else
            engine->scored.columns[c] = (struct column){.length = n, .data = engine->scores};
    }
    engine->scored.length = n;
    int rc = state_take(engine->rules_state, &engine->scored, &engine->judged, error);
    if (rc != OK)
        return rc;
    int rules = rules_count(engine->rules);
    for (int64_t i = 0; i < n; i++) {
        engine->decisions[i] = (int8_t)read_decision(&engine->judged.columns[0], i);
        engine->fired[i] = 0;
        for (int r = 0; r < rules; r++) {
            const struct column *column = &engine->judged.columns[r + 1];
            engine->fired[i] |= (uint64_t)(!column_is_null(column, i) && column_boolean(column, i)) << r;
        }
    }
    return OK;
}

static void threshold_decisions(struct engine *engine, int64_t n)
{
    double threshold = engine->options.threshold;
    for (int64_t i = 0; i < n; i++)
        engine->decisions[i] = isnan(threshold)                         ? DECISION_NONE
                               : (double)engine->scores[i] >= threshold ? DECISION_DECLINE
                                                                        : DECISION_APPROVE;
}

/* Model and rules went over the rows that WHERE leaves out, too: batches stay whole that way. */
static void mark_filtered(struct engine *engine, const uint8_t *filtered, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!filtered[i])
            continue;
        engine->scores[i] = NAN;
        engine->decisions[i] = DECISION_FILTERED;
        engine->fired[i] = 0;
    }
}

int engine_take(struct engine *engine, const struct table *events, struct decisions *ret, struct error *error)
{
    int64_t n = events->length;
    assert(engine->model);
    int rc = reserve(engine, n, error);
    if (rc == OK)
        rc = engine->labels ? labels_take(engine->labels, engine->state, events, &engine->features, error)
                            : state_take(engine->state, events, &engine->features, error);
    if (rc != OK)
        return rc;
    dataset_convert(&engine->features, engine->rows);
    model_predict_spread(engine->model, state_pool(engine->state), engine->rows, (size_t)n, engine->scores);
    if (engine->rules)
        rc = judge(engine, events, error);
    else
        threshold_decisions(engine, n);
    if (rc != OK)
        return rc;
    const uint8_t *filtered =
        engine->labels ? labels_filtered(engine->labels) : state_filtered(engine->state);
    if (filtered)
        mark_filtered(engine, filtered, n);
    for (int64_t i = 0; engine->options.reasons && i < n; i++)
        find_reasons(engine, i);
    *ret = (struct decisions){.n = n,
                              .features = &engine->features,
                              .scores = engine->scores,
                              .decisions = engine->decisions,
                              .reasons = engine->options.reasons ? engine->reasons : NULL,
                              .reasons_per_row = engine->options.reasons,
                              .rules_fired = engine->rules ? engine->fired : NULL,
                              .marks =
                                  engine->labels ? labels_marks(engine->labels) : state_marks(engine->state)};
    return OK;
}

int engine_adopt(struct engine *engine, const struct engine *before, const struct adoption *adoption,
                 struct error *error)
{
    return state_adopt(engine->state, before->state, adoption, error);
}

int engine_follow(struct engine *engine, const struct table *events, struct error *error)
{
    return state_take(engine->state, events, &engine->features, error);
}

struct state *engine_windows(struct engine *engine)
{
    return engine->state;
}

void engine_set_labels(struct engine *engine, struct labels *labels)
{
    engine->labels = labels;
}

int engine_admit(const struct engine *engine, const struct table *events, struct error *error)
{
    return state_admit(engine->state, events, error);
}

int engine_save(const struct engine *engine, bytes_write *write, void *context, struct error *error)
{
    return state_save(engine->state, write, context, error);
}

int engine_load(struct engine *engine, bytes_read *read, void *context, struct error *error)
{
    return state_load(engine->state, read, context, error);
}

struct model *engine_model(const struct engine *engine)
{
    return engine->model;
}

const struct state *engine_state(const struct engine *engine)
{
    return engine->state;
}

struct plan *engine_plan(const struct engine *engine)
{
    return engine->plan;
}

struct rules *engine_rules(const struct engine *engine)
{
    return engine->rules;
}
