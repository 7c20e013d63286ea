/* Decisions as rows and as JSON: what `score` writes and `run` prints. */
#ifndef SHRIKE_CLI_SCORED_H
#define SHRIKE_CLI_SCORED_H

#include "base/file.h"
#include "base/memory.h"
#include "cli/options.h"
#include "registry/registry.h"
#include "score/engine.h"
#include "table/table.h"

/* Opens MODEL and an engine for it, as --threads, --lateness, --explain and --threshold say. */
struct scorer {
    struct version version;
    struct engine *engine;
    struct labels *labels; /* of --labels, where the engine is told them itself; NULL: none */
};
/* The version alone, and how its engine is made. */
int scorer_open_version(const struct arguments *arguments, int reasons, int threads, struct scorer *ret,
                        struct engine_options *ret_options, struct error *error);
struct rules *scorer_rules(const struct arguments *arguments, const struct scorer *scorer); /* or NULL */
int scorer_open(const struct arguments *arguments, int reasons, int threads, int64_t max_ahead_us,
                struct scorer *ret, struct error *error);
/* A text that is the same where versions and options decide alike, but for what state options do. */
void scorer_identity(const struct scorer *scorer, const struct engine_options *options,
                     char ret[FILE_SHA256_SIZE]);
/* By which the version can be opened again, whatever aliases do: "models:/NAME/NUMBER", or its whole path. */
void scorer_name(const struct scorer *scorer, char *ret, size_t size);
void scorer_close(struct scorer *scorer);

/* Columns: id and event time (where the plan has them), --keep columns, score, decision, rules (fired,
 * separated by commas), and per reason its feature and contribution, and its text where the version has
 * texts. A filtered event has no score, and its first reason is "filtered". */
struct schema *scored_schema(const struct scorer *scorer, const struct schema *in, const int *kept,
                             int n_kept, int reasons, struct error *error);
/* Appends the decisions on `events`; `kept` as above. */
int scored_append(const struct scorer *scorer, const struct table *events, const int *kept, int n_kept,
                  const struct decisions *decisions, struct table *out, struct error *error);

/* Reads --secret-key-file, which all that this process writes about secret values is made with from then on.
 */
int scored_read_key(const struct arguments *arguments, struct error *error);
/* A value of the events; a keyed hash of it where it is secret. */
void scored_value(const struct field *field, const struct column *column, int64_t i, struct buffer *out);

/* One decision as a JSON object: {"seq":1,"tx_id":..,"ts":"..","score":..,"decision":"..","rules":[..],
 * "reasons":[{"feature":..,"value":..,"contribution":..,"text":..}],"features":{..}}; "too_late":true or
 * "ahead":true behind the decision of an event that enters no windows; a text only where the version has one
 * for the feature. Of a filtered event score and features are null, and "reasons" is
 * [{"reason":"filtered"}]. */
void scored_json(const struct scorer *scorer, const struct table *events, const struct decisions *decisions,
                 int64_t i, int64_t seq, struct buffer *out);

#endif
