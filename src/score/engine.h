/*
 * The engine: event -> features -> model -> decision, with state. Batch, stream and server all score through
 * it.
 *
 * Threads: one caller at a time. A journal, where there is one, stands in front: what engine_take is given
 * has been written there first.
 */
#ifndef SHRIKE_SCORE_ENGINE_H
#define SHRIKE_SCORE_ENGINE_H

#include "feature/adopt.h"
#include "feature/plan.h"
#include "feature/state.h"
#include "model/model.h"
#include "score/rules.h"

struct engine;
struct labels;

struct engine_options {
    struct state_options state;
    int reasons;       /* how many reasons per decision; 0 = none */
    double
        explain_from;  /* reasons only where score >= this: they cost a hundred times what the score costs */
    double threshold;  /* score >= threshold: decline; used where there are no rules. NaN: decision NULL */
};

/* Does the model take exactly the plan's features, by name, in order, and are they of types that a model
 * takes? CODE_INVALID lists what is missing, what is extra and what is elsewhere. A model without names is
 * compared by count. */
int engine_check_features(const struct plan *plan, const struct model *model, struct error *error);

/* References plan, model and rules (rules may be NULL). Without a model it only follows, saves and loads,
 * until engine_switch gives it one. */
int engine_new(struct plan *plan, struct model *model, struct rules *rules,
               const struct engine_options *options, struct engine **ret, struct error *error);
void engine_free(struct engine *engine); /* takes NULL */

/* What engine_take gives per event; the arrays belong to the engine and live until its next call. */
struct decisions {
    int64_t n;
    const struct table *features; /* n rows of plan_features */
    const float *scores;          /* n; NaN of a filtered event */
    const int8_t *decisions;      /* n: enum decision */
    const struct reason *reasons; /* n x reasons_per_row, strongest first; feature -1 = none */
    int reasons_per_row;
    const uint64_t *rules_fired; /* n, bit i = rule i of rules; NULL without rules */
    const uint8_t *marks;        /* n: enum state_mark */
};

/* Filtered: the plan's WHERE leaves the event out. It has no features, score, reasons or fired rules. Erased:
 * the same, and no values either; only past decisions are. */
enum decision {
    DECISION_NONE = -1,
    DECISION_APPROVE,
    DECISION_REVIEW,
    DECISION_DECLINE,
    DECISION_FILTERED,
    DECISION_ERASED,
    DECISIONS
};
const char *decision_text(int decision); /* NULL for DECISION_NONE */
/* What rules may say; DECISION_NONE where it is no decision's text. */
int decision_read(const char *text, size_t size);

struct reason {
    int feature;         /* index in plan_features */
    double contribution; /* to the log odds */
};

int engine_take(struct engine *engine, const struct table *events, struct decisions *ret,
                struct error *error);
/* Another model and other rules decide from now on, over the windows as they are, with these options but for
 * options->state. On failure all stays. */
int engine_switch(struct engine *engine, struct model *model, struct rules *rules,
                  const struct engine_options *options, struct error *error);
/* The same for the windows alone: of events whose decisions are known. */
int engine_follow(struct engine *engine, const struct table *events, struct error *error);
/* The windows, for whoever numbers events and tells them labels (state_set_arrival, state_learn). */
struct state *engine_windows(struct engine *engine);
/* From now on labels of a file are told while events are taken (labels.h). Borrowed. */
void engine_set_labels(struct engine *engine, struct labels *labels);
/* The windows of another engine take the place of those that are the same (feature/adopt.h). */
int engine_adopt(struct engine *engine, const struct engine *before, const struct adoption *adoption,
                 struct error *error);
/* What engine_take would refuse, it refuses, and takes nothing. */
int engine_admit(const struct engine *engine, const struct table *events, struct error *error);
/* What the windows remember; state.h says what fits where. */
int engine_save(const struct engine *engine, bytes_write *write, void *context, struct error *error);
int engine_load(struct engine *engine, bytes_read *read, void *context, struct error *error);
struct model *engine_model(const struct engine *engine);
const struct state *engine_state(const struct engine *engine);
struct plan *engine_plan(const struct engine *engine);
struct rules *engine_rules(const struct engine *engine); /* or NULL */

#endif
