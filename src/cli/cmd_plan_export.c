/* shrike plan export: the plan's features as SQL for another engine. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "feature/export.h"

static int run(const struct arguments *arguments, struct error *error)
{
    struct plan *plan;
    struct buffer out;
    int rc = plan_load(argument_positional(arguments, 0), &plan, error);
    if (rc != OK)
        return rc;
    buffer_init(&out, 64 * (size_t)LIMIT_SQL);
    rc = strcmp(argument_text(arguments, "dialect"), "spark") == 0
             ? export_spark(plan, &out, error)
             : export_duckdb(plan, argument_integer(arguments, "lateness"), &out, error);
    if (rc == OK)
        fputs(out.data, stdout);
    buffer_done(&out);
    plan_unref(plan);
    return rc;
}

static const struct option options[] = {
    {.name = "dialect",
     .kind = OPTION_CHOICE,
     .argument = "spark|duckdb",
     .text =
         "The engine. spark: Spark SQL 3.5, in a batch; what would differ there is refused by name. duckdb: "
         "the definition itself, with ties and late events, to check by.",
     .required = true},
    {.name = "lateness",
     .kind = OPTION_DURATION,
     .argument = "DURATION",
     .fallback = "0",
     .text = "For duckdb: how far behind the newest event another may be and still enter the windows."},
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
