/* shrike plan export: the plan's features as SQL for another engine. */
#include <stdio.h>

#include "base/limits.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "feature/export_spark.h"

static int run(const struct arguments *arguments, struct error *error)
{
    struct plan *plan;
    struct buffer out;
    int rc = plan_load(argument_positional(arguments, 0), &plan, error);
    if (rc != OK)
        return rc;
    buffer_init(&out, 16 * (size_t)LIMIT_SQL);
    rc = export_spark(plan, &out, error);
    if (rc == OK)
        fputs(out.data, stdout);
    buffer_done(&out);
    plan_unref(plan);
    return rc;
}

static const struct option options[] = {
    {.name = "dialect",
     .kind = OPTION_CHOICE,
     .argument = "spark",
     .text = "The engine. spark: Spark SQL 3.5, in a batch; what would differ there is refused by name.",
     .required = true},
    {0},
};

const struct command command_plan_export = {
    .name = "plan export",
    .summary = "Print a plan's features as SQL for another engine.",
    .positionals = "features.sql",
    .minimum = 1,
    .maximum = 1,
    .example = "shrike plan export features.sql --dialect spark >features-spark.sql",
    .options = options,
    .run = run,
};
