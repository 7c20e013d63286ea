#include "model/forest/engine.h"

#include "base/limits.h"
#include "model/forest/kernel.h"

/* Margins on the stack: of forests with few groups, and of one row of those with many. */
enum { FEW_MARGINS = 512, MANY_MARGINS = LIMIT_MODEL_OUTPUTS };

static void margins_of(const struct forest_engine *engine, const float *rows, size_t n, double *ret_margins)
{
    if (!engine->kernel) {
        forest_margins(engine->forest, rows, n, ret_margins);
        return;
    }
    size_t width = (size_t)engine->forest->head.features, groups = (size_t)engine->forest->head.groups;
    size_t rest = n % ENGINE_BLOCK, together = rest <= engine->alone ? n - rest : n;
    if (together)
        engine->kernel->batch(engine, rows, together, ret_margins);
    for (size_t r = together; r < n; r++)
        engine->kernel->row(engine, rows + r * width, ret_margins + r * groups);
}

static void predict_by(const struct forest_engine *engine, const float *rows, size_t n, size_t most,
                       double *margins, float *ret_scores)
{
    const struct forest *forest = engine->forest;
    size_t outputs = (size_t)forest_outputs(forest), width = (size_t)forest->head.features;
    for (size_t from = 0; from < n; from += most) {
        size_t count = n - from < most ? n - from : most;
        margins_of(engine, rows + from * width, count, margins);
        forest_apply_link(&forest->head, margins, count, ret_scores + from * outputs);
    }
}

/* Apart, so that only forests with many groups have their margins on the stack. */
static __attribute__((noinline)) void predict_many(const struct forest_engine *engine, const float *rows,
                                                   size_t n, float *ret_scores)
{
    double margins[MANY_MARGINS];
    predict_by(engine, rows, n, MANY_MARGINS / (size_t)engine->forest->head.groups, margins, ret_scores);
}

void forest_engine_predict(const struct forest_engine *engine, const float *rows, size_t n, float *ret_scores)
{
    double margins[FEW_MARGINS];
    if (engine->forest->head.groups > FEW_MARGINS)
        predict_many(engine, rows, n, ret_scores);
    else
        predict_by(engine, rows, n, FEW_MARGINS / (size_t)engine->forest->head.groups, margins, ret_scores);
}

const char *forest_engine_name(const struct forest_engine *engine)
{
    return engine->kernel ? engine->kernel->name : "plain";
}
