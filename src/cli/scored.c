#include "cli/scored.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/secret.h"
#include "cli/pipe.h"
#include "table/json_rows.h"

int scorer_open_version(const struct arguments *arguments, int reasons, int threads, struct scorer *ret,
                        struct engine_options *ret_options, struct error *error)
{
    struct scorer scorer = {0};
    int rc = version_open(argument_positional(arguments, 0), argument_text(arguments, "registry"),
                          &scorer.version, error);
    if (rc != OK)
        return rc;
    *ret_options = (struct engine_options){
        .state = {.threads = threads,
                  .lateness_us = argument_integer(arguments, "lateness"),
                  .memory = pipe_memory(arguments),
                  .learns = argument_given(arguments, "labels")},
        .reasons = reasons,
        .explain_from =
            argument_given(arguments, "explain-from") ? argument_real(arguments, "explain-from") : -INFINITY,
        .threshold = argument_given(arguments, "threshold") ? argument_real(arguments, "threshold")
                                                            : scorer.version.threshold,
    };
    *ret = scorer;
    return OK;
}

/* A threshold that is asked for takes the place of the version's rules, too. */
struct rules *scorer_rules(const struct arguments *arguments, const struct scorer *scorer)
{
    return argument_given(arguments, "threshold") ? NULL : scorer->version.rules;
}

int scorer_open(const struct arguments *arguments, int reasons, int threads, int64_t max_ahead_us,
                struct scorer *ret, struct error *error)
{
    struct scorer scorer;
    struct engine_options options;
    int rc = scorer_open_version(arguments, reasons, threads, &scorer, &options, error);
    if (rc != OK)
        return rc;
    options.state.max_ahead_us = max_ahead_us;
    struct labels_options labels;
    if (pipe_labels(arguments, &labels))
        rc = labels_open(scorer.version.plan, &labels, &scorer.labels, error);
    if (rc == OK)
        rc = engine_new(scorer.version.plan, scorer.version.model, scorer_rules(arguments, &scorer), &options,
                        &scorer.engine, error);
    if (rc == OK)
        engine_set_labels(scorer.engine, scorer.labels);
    if (rc != OK) {
        scorer_close(&scorer);
        return rc;
    }
    *ret = scorer;
    return OK;
}

/* Versions that decide alike have the same identity: manifest (with the checksums of all files) and what the
 * command line changes. */
void scorer_identity(const struct scorer *scorer, const struct engine_options *options,
                     char ret[FILE_SHA256_SIZE])
{
    struct buffer text;
    buffer_init(&text, (size_t)1 << 31);
    buffer_text(&text, scorer->version.manifest);
    buffer_format(&text, "threshold %a explain-from %a reasons %d", options->threshold, options->explain_from,
                  options->reasons);
    file_sha256_bytes(text.data ? text.data : "", text.size, ret);
    buffer_done(&text);
}

void scorer_name(const struct scorer *scorer, char *ret, size_t size)
{
    const struct version *version = &scorer->version;
    char whole[PATH_MAX];
    if (version->name[0] && version->number)
        snprintf(ret, size, "models:/%s/%d", version->name, version->number);
    else
        snprintf(ret, size, "%s", realpath(version->directory, whole) ? whole : version->directory);
}

void scorer_close(struct scorer *scorer)
{
    engine_free(scorer->engine);
    labels_free(scorer->labels);
    version_done(&scorer->version);
    *scorer = (struct scorer){0};
}

struct schema *scored_schema(const struct scorer *scorer, const struct schema *in, const int *kept,
                             int n_kept, int reasons, struct error *error)
{
    static const struct type real = {.id = TYPE_DOUBLE}, score = {.id = TYPE_FLOAT},
                             text = {.id = TYPE_VARCHAR};
    struct schema *schema = schema_new(0);
    int rc = schema ? OK : error_set(error, CODE_MEMORY, "no memory for the columns");
    for (int i = 0; rc == OK && i < n_kept; i++)
        rc = schema_add(schema, in->fields[kept[i]].name, in->fields[kept[i]].type, error);
    if (rc == OK)
        rc = schema_add(schema, "score", score, error);
    if (rc == OK)
        rc = schema_add(schema, "decision", text, error);
    if (rc == OK && engine_rules(scorer->engine))
        rc = schema_add(schema, "rules", text, error);
    for (int r = 0; rc == OK && r < reasons; r++) {
        char name[32];
        snprintf(name, sizeof name, "reason_%d", r + 1);
        rc = schema_add(schema, name, text, error);
        snprintf(name, sizeof name, "contribution_%d", r + 1);
        if (rc == OK)
            rc = schema_add(schema, name, real, error);
        snprintf(name, sizeof name, "reason_text_%d", r + 1);
        if (rc == OK && reasons_any(scorer->version.reasons))
            rc = schema_add(schema, name, text, error);
    }
    if (rc == OK)
        return schema;
    schema_unref(schema);
    return NULL;
}

static int append_rules(const struct rules *rules, uint64_t fired, struct column *column, struct error *error)
{
    char text[4096];
    size_t size = 0;
    for (int r = 0; r < rules_count(rules); r++)
        if (fired >> r & 1 && size < sizeof text)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", size ? "," : "",
                                     rules_name(rules, r));
    return column_append_text(column, text, size < sizeof text ? size : sizeof text - 1, error);
}

static int append_text(const struct reasons *texts, const struct table *features, int64_t i, int feature,
                       struct column *column, struct error *error)
{
    static const struct type type = {.id = TYPE_VARCHAR};
    struct buffer text;
    int rc = OK;
    buffer_init(&text, LIMIT_JSON_LINE);
    if (feature < 0 || !reasons_write(texts, features, feature, i, &text))
        column_append_null(column, &type);
    else if ((rc = buffer_check(&text, "the text of a reason", error)) == OK)
        rc = column_append_text(column, text.data, text.size, error);
    buffer_done(&text);
    return rc;
}

/* Feature, contribution, and text where the version has any; *at: the column of the first one. */
static int append_reason(const struct scorer *scorer, const struct decisions *decisions, int64_t i, int r,
                         struct table *out, int *at, struct error *error)
{
    static const struct type real = {.id = TYPE_DOUBLE}, text = {.id = TYPE_VARCHAR};
    const struct reason *reason = &decisions->reasons[i * decisions->reasons_per_row + r];
    const char *name = reason->feature >= 0 ? decisions->features->schema->fields[reason->feature].name
                       : r == 0 && decisions->decisions[i] == DECISION_FILTERED
                           ? decision_text(DECISION_FILTERED)
                           : NULL;
    struct column *column = &out->columns[(*at)++];
    int rc = name ? column_append_text(column, name, strlen(name), error) : OK;
    if (!name)
        column_append_null(column, &text);
    column = &out->columns[(*at)++];
    if (reason->feature < 0)
        column_append_null(column, &real);
    else
        column_append_double(column, &real, reason->contribution);
    if (rc == OK && reasons_any(scorer->version.reasons))
        rc = append_text(scorer->version.reasons, decisions->features, i, reason->feature,
                         &out->columns[(*at)++], error);
    return rc;
}

static int append_decision(const struct scorer *scorer, const struct decisions *decisions, int64_t i, int at,
                           struct table *out, struct error *error)
{
    static const struct type score = {.id = TYPE_FLOAT}, text = {.id = TYPE_VARCHAR};
    const struct rules *rules = engine_rules(scorer->engine);
    const char *decision = decision_text(decisions->decisions[i]);
    int rc = OK;
    if (decisions->decisions[i] == DECISION_FILTERED)
        column_append_null(&out->columns[at++], &score);
    else
        column_append_double(&out->columns[at++], &score, (double)decisions->scores[i]);
    if (decision)
        rc = column_append_text(&out->columns[at++], decision, strlen(decision), error);
    else
        column_append_null(&out->columns[at++], &text);
    if (rc == OK && rules)
        rc = append_rules(rules, decisions->rules_fired[i], &out->columns[at++], error);
    for (int r = 0; rc == OK && r < decisions->reasons_per_row; r++)
        rc = append_reason(scorer, decisions, i, r, out, &at, error);
    return rc;
}

int scored_append(const struct scorer *scorer, const struct table *events, const int *kept, int n_kept,
                  const struct decisions *decisions, struct table *out, struct error *error)
{
    struct schema kept_schema = {.n = n_kept, .fields = out->schema->fields};
    struct column columns[n_kept + 1];
    for (int i = 0; i < n_kept; i++)
        columns[i] = events->columns[kept[i]];
    struct table source = {.schema = &kept_schema, .columns = columns, .length = events->length};
    struct table target = {.schema = &kept_schema, .columns = out->columns, .length = out->length};
    int rc = table_reserve(out, out->length + events->length, error);
    if (rc == OK && n_kept)
        rc = table_append(&target, &source, 0, events->length, error);
    for (int64_t i = 0; rc == OK && i < events->length; i++)
        rc = append_decision(scorer, decisions, i, n_kept, out, error);
    if (rc == OK)
        out->length += events->length;
    return rc;
}

/* Of the process, as its environment is. */
static struct secret_key secret_key;

int scored_read_key(const struct arguments *arguments, struct error *error)
{
    const char *path = argument_text(arguments, "secret-key-file");
    return path ? secret_key_read(path, &secret_key, error) : OK;
}

/* A text is hashed as it is, anything else as JSON has it. */
static void write_secret(const struct column *column, const struct type *type, int64_t i, struct buffer *out)
{
    char hash[SECRET_TEXT_SIZE];
    struct buffer value;
    if (column_is_null(column, i)) {
        buffer_text(out, "null");
        return;
    }
    buffer_init(&value, out->maximum);
    if (type->id == TYPE_VARCHAR || type->id == TYPE_ENUM) {
        size_t size;
        const char *text = column_text(column, i, &size);
        secret_text(&secret_key, text, size, hash);
    } else {
        json_write_value(column, type, i, &value);
        secret_text(&secret_key, value.data ? value.data : "", value.size, hash);
    }
    buffer_done(&value);
    json_write_string(out, hash, strlen(hash));
}

void scored_value(const struct field *field, const struct column *column, int64_t i, struct buffer *out)
{
    if (field->roles & ROLE_SECRET)
        write_secret(column, &field->type, i, out);
    else
        json_write_value(column, &field->type, i, out);
}

static void write_feature(const struct plan *plan, const struct table *features, int f, int64_t i,
                          struct buffer *out)
{
    const struct type *type = &features->schema->fields[f].type;
    if (plan_has_secrets(plan) && plan_feature_is_secret(plan, f))
        write_secret(&features->columns[f], type, i, out);
    else
        json_write_value(&features->columns[f], type, i, out);
}

static void write_features(const struct plan *plan, const struct table *features, int64_t i,
                           struct buffer *out)
{
    if (!plan_has_secrets(plan)) {
        json_rows_write_members(features, i, out);
        return;
    }
    for (int f = 0; f < features->schema->n; f++) {
        const char *name = features->schema->fields[f].name;
        buffer_text(out, f ? "," : "");
        json_write_string(out, name, strlen(name));
        buffer_text(out, ":");
        write_feature(plan, features, f, i, out);
    }
}

static void write_reason(const struct version *version, const struct table *features, int64_t i,
                         const struct reason *reason, struct buffer *out)
{
    const struct field *field = &features->schema->fields[reason->feature];
    struct buffer text;
    buffer_text(out, "{\"feature\":");
    json_write_string(out, field->name, strlen(field->name));
    buffer_text(out, ",\"value\":");
    write_feature(version->plan, features, reason->feature, i, out);
    buffer_text(out, ",\"contribution\":");
    json_write_double(out, reason->contribution);
    buffer_init(&text, out->maximum);
    /* A sentence has the value in it. */
    bool secret = plan_has_secrets(version->plan) && plan_feature_is_secret(version->plan, reason->feature);
    if (!secret && reasons_write(version->reasons, features, reason->feature, i, &text) && !text.failed) {
        buffer_text(out, ",\"text\":");
        json_write_string(out, text.data, text.size);
    }
    buffer_done(&text);
    buffer_text(out, "}");
}

static void write_reasons(const struct version *version, const struct decisions *decisions, int64_t i,
                          struct buffer *out)
{
    if (decisions->decisions[i] == DECISION_FILTERED) {
        buffer_text(out, ",\"reasons\":[{\"reason\":\"filtered\"}]");
        return;
    }
    buffer_text(out, ",\"reasons\":[");
    for (int r = 0; r < decisions->reasons_per_row; r++) {
        const struct reason *reason = &decisions->reasons[i * decisions->reasons_per_row + r];
        if (reason->feature < 0)
            break;
        buffer_text(out, r ? "," : "");
        write_reason(version, decisions->features, i, reason, out);
    }
    buffer_text(out, "]");
}

static void write_member(const struct table *events, int column, int64_t i, struct buffer *out)
{
    const struct field *field = &events->schema->fields[column];
    buffer_text(out, ",");
    json_write_string(out, field->name, strlen(field->name));
    buffer_text(out, ":");
    scored_value(field, &events->columns[column], i, out);
}

void scored_json(const struct scorer *scorer, const struct table *events, const struct decisions *decisions,
                 int64_t i, int64_t seq, struct buffer *out)
{
    const struct plan *plan = scorer->version.plan;
    const struct rules *rules = engine_rules(scorer->engine);
    const char *decision = decision_text(decisions->decisions[i]);
    buffer_format(out, "{\"seq\":%lld", (long long)seq);
    if (plan_id_column(plan) >= 0)
        write_member(events, plan_id_column(plan), i, out);
    if (plan_time_column(plan) >= 0)
        write_member(events, plan_time_column(plan), i, out);
    buffer_text(out, ",\"score\":");
    if (decisions->decisions[i] == DECISION_FILTERED)
        buffer_text(out, "null");
    else
        json_write_float(out, decisions->scores[i]);
    buffer_format(out, decision ? ",\"decision\":\"%s\"" : ",\"decision\":null", decision);
    if (decisions->marks[i] & STATE_TOO_LATE)
        buffer_text(out, ",\"too_late\":true");
    if (decisions->marks[i] & STATE_AHEAD)
        buffer_text(out, ",\"ahead\":true");
    if (rules) {
        buffer_text(out, ",\"rules\":[");
        bool first = true;
        for (int r = 0; r < rules_count(rules); r++)
            if (decisions->rules_fired[i] >> r & 1) {
                buffer_text(out, first ? "" : ",");
                json_write_string(out, rules_name(rules, r), strlen(rules_name(rules, r)));
                first = false;
            }
        buffer_text(out, "]");
    }
    if (decisions->reasons_per_row)
        write_reasons(&scorer->version, decisions, i, out);
    buffer_text(out, ",\"features\":{");
    write_features(plan, decisions->features, i, out);
    buffer_text(out, "}}");
}
