#include "cli/commands.h"

#include <stddef.h>

const struct command *const commands[] = {
    /* Start a project, make data. */
    &command_init,
    &command_generate,
    /* Look at plans, compute features. */
    &command_plan_check,
    &command_plan_explain,
    &command_plan_export,
    &command_features,
    /* Train, judge, keep. */
    &command_train,
    &command_evaluate,
    &command_models_import,
    &command_models_list,
    &command_models_show,
    &command_models_alias,
    &command_models_stage,
    &command_models_rm,
    /* Score. */
    &command_score,
    &command_run,
    &command_replay,
    &command_erase,
    NULL,
};
