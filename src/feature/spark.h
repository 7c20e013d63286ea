/* The pieces of export_spark. Internal to feature/. */
#ifndef SHRIKE_FEATURE_SPARK_H
#define SHRIKE_FEATURE_SPARK_H

#include "feature/compile.h"

struct spark {
    const struct plan *plan;
    bool *columns;        /* of the events that the query reads */
    const char *function; /* that a refusal points at, by its name in the plan; NULL: none */
    struct error *error;
};

/* What could not be printed, and why; returns CODE_UNSUPPORTED. */
int spark_refuse(struct spark *spark, const char *function, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void spark_identifier(const char *name, struct buffer *out);
void spark_string(const char *data, size_t size, struct buffer *out);
/* Spark's type for the values of one of ours: "BIGINT", "DECIMAL(10,2)"; unsigned ones get the next wider. */
void spark_type(const struct type *type, struct buffer *out);
/* An expression over the columns of `shrike_events` and, where windows are below, of theirs. */
int spark_expr(struct spark *spark, const struct expr *expr, struct buffer *out);
/* A window with its OVER. */
int spark_window(struct spark *spark, const struct window *window, struct buffer *out);

#endif
