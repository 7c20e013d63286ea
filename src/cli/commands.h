/* The verbs, one in each cmd_*.c (or a few that belong together). */
#ifndef SHRIKE_CLI_COMMANDS_H
#define SHRIKE_CLI_COMMANDS_H

#include "cli/options.h"

extern const struct command command_init;
extern const struct command command_generate;
extern const struct command command_plan_check;
extern const struct command command_plan_explain;
extern const struct command command_plan_export;
extern const struct command command_features;
extern const struct command command_train;
extern const struct command command_evaluate;
extern const struct command command_models_import;
extern const struct command command_models_list;
extern const struct command command_models_show;
extern const struct command command_models_alias;
extern const struct command command_models_stage;
extern const struct command command_models_rm;
extern const struct command command_score;
extern const struct command command_erase;
extern const struct command command_replay;
extern const struct command command_run;

#endif
