#include "model/forest/engine.h"

#include "base/limits.h"
#include "model/forest/kernel.h"

/* The margins of some rows lie on the stack: at least one row, as LIMIT_MODEL_OUTPUTS fit. */
enum { MARGINS = LIMIT_MODEL_OUTPUTS };

static void margins_of(const struct forest_engine *engine, const float *rows, size_t n, double *ret_margins)
{
    if (!engine->kernel)
        forest_margins(engine->forest, rows, n, ret_margins);
    else if (n == 1)
        engine->kernel->row(engine, rows, ret_margins);
    else
        engine->kernel->batch(engine, rows, n, ret_margins);
}

void forest_engine_predict(const struct forest_engine *engine, const float *rows, size_t n, float *ret_scores)
{
    const struct forest *forest = engine->forest;
    double margins[MARGINS];
    size_t groups = (size_t)forest->head.groups, most = MARGINS / groups;
    size_t outputs = (size_t)forest_outputs(forest), width = (size_t)forest->head.features;
    for (size_t from = 0; from < n; from += most) {
        size_t count = n - from < most ? n - from : most;
        margins_of(engine, rows + from * width, count, margins);
        forest_apply_link(&forest->head, margins, count, ret_scores + from * outputs);
    }
}

const char *forest_engine_name(const struct forest_engine *engine)
{
    return engine->kernel ? engine->kernel->name : "plain";
}
