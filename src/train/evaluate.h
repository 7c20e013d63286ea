/*
 * Evaluation over days to come: a model is judged on a test span that lies after its training, day by day, by
 * what its alerts would have found.
 *
 * The protocol (Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit Card Fraud
 * Detection, chapter "Performance metrics"):
 *
 *   - Labels arrive `delay` later. On test day d, whoever investigates knows the frauds from known_from up
 * to, but not including, the start of d minus delay. An entity (a card, a customer) with such a fraud is a
 * known case: its card is blocked, so its rows of day d are removed before anything is counted.
 *   - Precision@k of a day: of the k entities with the highest score that day (an entity's score is the
 * highest of its rows), the share that is truly compromised that day, found / k even on a day with fewer than
 * k entities. An entity found on an earlier test day is removed from later days. The figure is the mean over
 * the days.
 *   - Everything else (areas, thresholds, calibration) is over all remaining rows.
 *
 * Entities of equal score are ordered by number, the one that appeared first first.
 * A day is a calendar day in UTC, or one step where times are integer steps (day_us = 1).
 *
 * Threads: none shared. Memory: 40 bytes per test row and 24 per entity. Limit: LIMIT_EVALUATE_DAYS days.
 */
#ifndef SHRIKE_TRAIN_EVALUATE_H
#define SHRIKE_TRAIN_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/units.h"
#include "train/metrics.h"

/* Arrays of n rows in any order. Rows outside the test span only tell which cases are known; their score is
 * not read. */
struct evaluate_input {
    int64_t n;
    const int64_t *time_us;
    const int64_t
        *entity;        /* numbers from 0, best dense; NULL: nothing is removed and there is no precision@k */
    const float *label; /* 0 or 1 */
    const float *score;
    const double *amount; /* or NULL */
};

struct evaluate_options {
    struct span test;
    int64_t known_from_us; /* the first training day */
    int64_t delay_us;
    int64_t day_us;  /* 0 = DAY_US */
    int top_k;       /* 0 = no precision@k */
    bool keep_known; /* remove nothing */
};

struct evaluation_day {
    int64_t day;                   /* since 1970-01-01, or the step */
    int64_t rows, frauds;          /* after removal */
    int64_t known_rows;            /* removed */
    int64_t entities, compromised; /* that day, without those found on earlier days */
    int64_t found;                 /* compromised among the top k */
    double auc, average_precision, precision_at_k;
};

struct evaluation {
    int64_t rows, frauds;             /* after removal */
    int64_t known_rows, known_frauds; /* removed */
    int64_t known_entities;           /* that had rows removed */
    int64_t compromised, found;       /* distinct entities over the test span; found by the daily top k */
    double auc, average_precision, log_loss, brier;
    double precision_at_k; /* mean over days with rows; NaN where there are no entities or no k */
    int top_k;
    struct ranking ranking;      /* of the remaining rows */
    struct evaluation_day *days; /* those with rows, in order */
    int n_days;
};

/* CODE_INVALID where the test span has no row, a score is NaN, or a label is neither 0 nor 1. */
int evaluate_run(const struct evaluate_input *input, const struct evaluate_options *options,
                 struct evaluation *ret, struct error *error);
void evaluation_done(struct evaluation *evaluation); /* takes a zeroed one */

#endif
