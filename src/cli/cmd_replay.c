/* shrike replay: past decisions again, or what another model or other rules would have decided. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/pipe.h"
#include "cli/run_backfill.h"
#include "cli/scored.h"
#include "score/erasing.h"
#include "score/replay.h"
#include "table/json_rows.h"
#include "table/remap.h"

enum { WORDS = DECISIONS + 1 }; /* decisions and none */

/* What was decided about one kind of events: all, or those known to be fraud. */
struct tally {
    int64_t events, alerts[2], declined[2];
    double amount, alert_amount[2];
};

struct job {
    const struct arguments *arguments;
    struct replay *replay;
    struct scorer then;  /* who decides again */
    struct remap remap;  /* the journal's events to those of --model, */
    struct table mapped; /* and these; without a schema where there is no --model */
    struct rules *rules; /* of --rules */
    struct engine_options options;
    int label, amount; /* columns of the events, or -1 */
    bool preview;
    int64_t matrix[WORDS][WORDS], compared, differing;
    int64_t erased, touched; /* events that are gone; batches decided while they were in the windows */
    int64_t open;            /* those whose erasure is yet to come */
    uint64_t first_differing;
    struct tally all, fraud;
    int64_t labelled;
    struct label_truth *truth; /* what labels of the journal say; NULL: events speak for themselves */
    struct buffer body, line;
    FILE *out;
    char staging[PATH_MAX];
};

/* ---- who decides ---- */

/* The version that a switch names, as it was: its files as they are kept with the state, or where they were.
 */
static int open_then(struct job *job, const struct switch_record *version, struct scorer *ret,
                     struct engine_options *ret_options, struct error *error)
{
    char files[IO_PATH_SIZE];
    bool kept;
    int rc = replay_files(job->replay, version->version, &kept, files, error);
    return rc == OK ? run_open_version(job->arguments, version, kept ? files : NULL, ret, ret_options, error)
                    : rc;
}

static struct rules *rules_of(const struct switch_record *version, const struct scorer *scorer)
{
    return version->rules_sql.size ? scorer->version.rules : NULL;
}

static int read_rules(struct job *job, struct plan *plan, struct error *error)
{
    const char *path = argument_text(job->arguments, "rules");
    char *text;
    size_t size;
    if (!path)
        return OK;
    int rc = file_read(path, LIMIT_SQL, &text, &size, error);
    if (rc != OK)
        return rc;
    rules_unref(job->rules);
    job->rules = NULL;
    rc = rules_compile(text, size, path, plan, &job->rules, error);
    free(text);
    return rc;
}

static bool is_number(enum type_id type)
{
    return type_is_integer(type) || type == TYPE_DECIMAL || type == TYPE_FLOAT || type == TYPE_DOUBLE;
}

/* Which columns of the events are looked at, by the plan at hand. */
static int find_columns(struct job *job, struct error *error)
{
    const char *amount = argument_text(job->arguments, "amount");
    const struct schema *events = plan_events(replay_plan(job->replay));
    int time = plan_time_column(replay_plan(job->replay));
    if (argument_given(job->arguments, "span") && (time < 0 || type_is_integer(events->fields[time].type.id)))
        return error_set(error, CODE_USAGE, "--span: the events of this plan have no dates or times");
    job->label = plan_label_column(replay_plan(job->replay));
    job->amount = amount ? schema_find(events, amount) : -1;
    if (amount && (job->amount < 0 || !is_number(events->fields[job->amount].type.id)))
        return error_set(error, CODE_USAGE, "--amount %s: the events have no such column of numbers", amount);
    return OK;
}

/* The events of the journal with the columns that the plan of --model has. */
static int map_events(struct job *job, struct error *error)
{
    struct schema *had = plan_events(replay_plan(job->replay)), *wanted = plan_events(job->then.version.plan);
    remap_done(&job->remap);
    int rc = remap_init(&job->remap, had, wanted, error);
    if (rc != OK)
        error_prefix(error, "the events in the journal and the plan of --model");
    else if (!job->mapped.schema)
        rc = table_init(&job->mapped, wanted, error);
    return rc;
}

/* The rules and the threshold that are asked about, or those of the version. */
static int choose_rules(struct job *job, const struct version *version, struct rules *own,
                        struct engine_options *options, struct rules **ret, struct error *error)
{
    int rc = read_rules(job, version->plan, error);
    *ret = job->rules ? job->rules : own;
    if (argument_given(job->arguments, "threshold")) {
        options->threshold = argument_real(job->arguments, "threshold");
        *ret = NULL;
    }
    return rc;
}

/* What is asked about: --model, or who decided then, with --rules or --threshold. */
static int open_decider(struct job *job, struct error *error)
{
    const struct switch_record *version = replay_version(job->replay);
    const char *model = argument_text(job->arguments, "model");
    struct rules *rules;
    int rc;
    if (model) {
        job->options = run_version_options(job->arguments, version);
        rc = version_open(model, argument_text(job->arguments, "registry"), &job->then.version, error);
    } else {
        rc = open_then(job, version, &job->then, &job->options, error);
    }
    if (rc != OK)
        return rc;
    struct version *opened = &job->then.version;
    if (model)
        job->options.threshold = opened->threshold;
    if (job->preview)
        job->options.reasons = 0;
    rc = choose_rules(job, opened, model ? opened->rules : rules_of(version, &job->then), &job->options,
                      &rules, error);
    if (rc == OK)
        rc = engine_new(opened->plan, opened->model, rules, &job->options, &job->then.engine, error);
    return rc == OK ? replay_prepare(job->replay, job->then.engine, error) : rc;
}

/* ---- from one version to the next ---- */

/* The windows of the next version's engine, where its plan is another. */
static int change_plan(struct job *job, struct scorer *next, struct rules *rules,
                       const struct engine_options *options, struct error *error)
{
    struct run_backfill backfill;
    bool given = run_backfill_init(job->arguments, plan_events(replay_plan(job->replay)), &backfill);
    int rc = replay_change(job->replay, job->then.engine, next->version.model, rules, options,
                           given ? &backfill.hooks : NULL, &next->engine, error);
    run_backfill_done(&backfill);
    return rc;
}

/* From a switch on, whoever it names decides; --rules and --threshold stay. */
static int follow_switch(struct job *job, const struct switch_record *version, bool other_plan,
                         struct error *error)
{
    struct scorer next;
    struct rules *rules;
    struct engine_options options;
    int rc = open_then(job, version, &next, &options, error);
    if (rc != OK)
        return rc;
    if (job->preview)
        options.reasons = 0;
    rc = choose_rules(job, &next.version, rules_of(version, &next), &options, &rules, error);
    if (rc == OK && other_plan) {
        rc = change_plan(job, &next, rules, &options, error);
    } else if (rc == OK) {
        rc = engine_switch(job->then.engine, next.version.model, rules, &options, error);
        if (rc == OK) {
            next.engine = job->then.engine;
            job->then.engine = NULL;
        }
    }
    if (rc != OK) {
        scorer_close(&next);
        return rc;
    }
    scorer_close(&job->then);
    job->then = next;
    return OK;
}

/* --model decides throughout, whatever version decided. */
static int take_switch(struct job *job, const struct replayed *replayed, struct error *error)
{
    bool own = job->preview && argument_given(job->arguments, "model");
    int rc = own ? OK : follow_switch(job, replayed->version, replayed->other_plan, error);
    if (rc == OK && replayed->other_plan)
        rc = find_columns(job, error);
    return rc == OK && replayed->other_plan && own ? map_events(job, error) : rc;
}

/* ---- comparing ---- */

static int word_of(int decision)
{
    return decision == DECISION_NONE ? DECISIONS : decision;
}

static bool is_alert(int decision)
{
    return decision == DECISION_REVIEW || decision == DECISION_DECLINE;
}

static void count(struct tally *tally, double amount, int then, int now)
{
    int words[2] = {then, now};
    tally->events++;
    tally->amount += amount;
    for (int i = 0; i < 2; i++) {
        tally->alerts[i] += is_alert(words[i]);
        tally->declined[i] += words[i] == DECISION_DECLINE;
        tally->alert_amount[i] += is_alert(words[i]) ? amount : 0;
    }
}

static void write_change(struct job *job, const struct table *events, int64_t i, uint64_t seq,
                         const struct decisions *then, const struct decisions *now)
{
    int id = plan_id_column(replay_plan(job->replay));
    const char *words[2] = {decision_text(then->decisions[i]), decision_text(now->decisions[i])};
    buffer_clear(&job->line);
    buffer_format(&job->line, "{\"seq\":%" PRIu64, seq);
    if (id >= 0) {
        buffer_text(&job->line, ",");
        const char *name = events->schema->fields[id].name;
        json_write_string(&job->line, name, strlen(name));
        buffer_text(&job->line, ":");
        scored_value(&events->schema->fields[id], &events->columns[id], i, &job->line);
    }
    buffer_format(&job->line, ",\"then\":\"%s\",\"now\":\"%s\"", words[0] ? words[0] : "none",
                  words[1] ? words[1] : "none");
    if (!isnan(then->scores[i]))
        buffer_format(&job->line, ",\"score_then\":%.9g", (double)then->scores[i]);
    if (!isnan(now->scores[i]))
        buffer_format(&job->line, ",\"score_now\":%.9g", (double)now->scores[i]);
    buffer_text(&job->line, "}\n");
}

static bool in_span(const struct job *job, const struct table *events, int64_t i)
{
    int column = plan_time_column(replay_plan(job->replay));
    if (!argument_given(job->arguments, "span"))
        return true;
    struct span span = argument_span(job->arguments, "span");
    const struct type *type = &events->schema->fields[column].type;
    int64_t time = column_int(&events->columns[column], type, i) * (type->id == TYPE_DATE ? DAY_US : 1);
    return time >= span.from_us && time < span.to_us;
}

/* 1: a fraud, 0: none, -1: nobody knows. */
static int known_fraud(const struct job *job, const struct table *events, int64_t i)
{
    if (job->label < 0)
        return -1;
    if (job->truth) {
        int id = plan_id_column(replay_plan(job->replay));
        return label_truth_find(job->truth,
                                id_key_of(&events->columns[id], &events->schema->fields[id].type, i));
    }
    const struct column *label = &events->columns[job->label];
    const struct type *type = &events->schema->fields[job->label].type;
    if (column_is_null(label, i))
        return -1;
    return type->id == TYPE_BOOLEAN ? column_boolean(label, i) : column_double(label, type, i) != 0;
}

static int compare_previewed(struct job *job, const struct replayed *replayed, const struct decisions *now,
                             struct error *error)
{
    const struct decisions *then = &replayed->decided->decisions;
    const struct table *events = replayed->events;
    for (int64_t i = 0; i < now->n; i++) {
        int a = then->decisions[i], b = now->decisions[i];
        if (!in_span(job, events, i))
            continue;
        int fraud = known_fraud(job, events, i);
        double amount =
            job->amount >= 0 && !column_is_null(&events->columns[job->amount], i)
                ? column_double(&events->columns[job->amount], &events->schema->fields[job->amount].type, i)
                : 0;
        job->compared++;
        job->matrix[word_of(a)][word_of(b)]++;
        count(&job->all, amount, a, b);
        job->labelled += fraud >= 0;
        if (fraud == 1)
            count(&job->fraud, amount, a, b);
        if (a == b)
            continue;
        job->differing++;
        if (!job->out)
            continue;
        write_change(job, events, i, replayed->seq + (uint64_t)i, then, now);
        if (job->line.failed || fwrite(job->line.data, 1, job->line.size, job->out) != job->line.size)
            return error_set_errno(error, errno, "cannot write the changed decisions");
    }
    return OK;
}

/* A plain replay is compared as the journal has it: features, scores, decisions, rules and reasons to the
 * bit. What was decided while events that are gone now were in the windows cannot be the same. */
static void compare_bits(struct job *job, const struct replayed *replayed, const struct decisions *now)
{
    buffer_clear(&job->body);
    record_decisions(replayed->decided->version, replayed->seq, now, &job->body);
    bool same = job->body.size == replayed->body.size &&
                memcmp(job->body.data, replayed->body.data, job->body.size) == 0;
    job->compared += now->n;
    if (same)
        return;
    if (job->open)
        job->touched += now->n;
    else if (!job->differing++)
        job->first_differing = replayed->seq;
}

static int take_whole(struct job *job, const struct replayed *replayed, struct error *error)
{
    const struct table *events = replayed->events;
    struct decisions now;
    int rc = OK;
    if (job->mapped.schema && !job->remap.same) {
        rc = remap_rows(&job->remap, events, &job->mapped, error);
        events = &job->mapped;
    }
    replay_number(job->then.engine, replayed->seq);
    if (rc == OK)
        rc = engine_take(job->then.engine, events, &now, error);
    if (rc == OK)
        rc = replay_taken(job->replay, job->then.engine, events, replayed->seq, error);
    if (rc == OK && job->preview)
        rc = compare_previewed(job, replayed, &now, error);
    else if (rc == OK)
        compare_bits(job, replayed, &now);
    return rc;
}

/* Rows [from, to), of a batch that has lost others. */
static int take_part(struct job *job, const struct replayed *replayed, int64_t from, int64_t to,
                     struct error *error)
{
    const struct decisions *decisions = &replayed->decided->decisions;
    struct replayed part = *replayed;
    struct table events = {0};
    struct decided decided = {0};
    struct buffer body;
    buffer_init(&body, LIMIT_JOURNAL_RECORD);
    int rc = table_init(&events, replayed->events->schema, error);
    if (rc == OK)
        rc = decided_init(&decided, decisions->features->schema, error);
    if (rc == OK)
        rc = table_append(&events, replayed->events, from, to - from, error);
    if (rc == OK)
        rc = decided_copy(decisions, from, to - from, &decided, error);
    if (rc == OK) {
        decided.version = replayed->decided->version;
        part.events = &events;
        part.decided = &decided;
        part.seq += (uint64_t)from;
        record_decisions(decided.version, part.seq, &decided.decisions, &body);
        part.body = (struct piece){body.data, (uint32_t)body.size};
        rc = buffer_check(&body, "decisions", error);
    }
    if (rc == OK)
        rc = take_whole(job, &part, error);
    buffer_done(&body);
    decided_done(&decided);
    table_done(&events);
    return rc;
}

static int take_events(struct job *job, const struct replayed *replayed, struct error *error)
{
    const struct table *events = replayed->events;
    int rc = OK;
    if (!events_have_erased(events))
        return take_whole(job, replayed, error);
    for (int64_t from = 0, to; rc == OK && from < events->length; from = to) {
        for (to = from; to < events->length && !event_is_erased(events, to);)
            to++;
        if (to > from)
            rc = take_part(job, replayed, from, to, error);
        for (; to < events->length && event_is_erased(events, to); to++) {
            job->erased++;
            job->open++;
        }
    }
    return rc;
}

/* Those that are gone are no longer missed from here on. */
static int take_erasure(struct job *job, const struct erasure_record *erasure, struct error *error)
{
    for (uint32_t i = 0; erasure->done && i < erasure->n; i++)
        job->open -= erasure_seq(erasure, i) >= replay_first_seq(job->replay);
    return replay_forget(job->replay, erasure, job->then.engine, error);
}

static int replay_all(struct job *job, struct error *error)
{
    struct replayed replayed;
    struct progress progress;
    bool found = true;
    int rc = OK;
    progress_start(&progress, "replaying", "events", 0);
    while (rc == OK) {
        rc = replay_next(job->replay, &found, &replayed, error);
        if (rc != OK || !found)
            break;
        if (replayed.version) {
            rc = take_switch(job, &replayed, error);
            continue;
        }
        if (replayed.labels) {
            rc = replay_learn(job->replay, job->then.engine, replayed.labels, error);
            continue;
        }
        if (replayed.erasure) {
            rc = take_erasure(job, replayed.erasure, error);
            continue;
        }
        rc = take_events(job, &replayed, error);
        progress_add(&progress, replayed.events->length);
    }
    progress_stop(&progress);
    return rc;
}

/* ---- what came out ---- */

static const char *word_text(int word)
{
    return word == DECISIONS ? "none" : decision_text(word);
}

static void print_tally(const char *name, const struct tally *tally, bool amounts)
{
    printf("%-22s %10lld %10lld %+10lld", name, (long long)tally->alerts[0], (long long)tally->alerts[1],
           (long long)(tally->alerts[1] - tally->alerts[0]));
    if (amounts)
        printf("   %.2f -> %.2f", tally->alert_amount[0], tally->alert_amount[1]);
    printf("\n");
}

static void print_text(const struct job *job)
{
    bool used[2][WORDS] = {{false}};
    for (int a = 0; a < WORDS; a++)
        for (int b = 0; b < WORDS; b++) {
            used[0][a] |= job->matrix[a][b] > 0;
            used[1][b] |= job->matrix[a][b] > 0;
        }
    printf("%lld decisions, %lld would differ\n\ndecided        would be\n%-14s", (long long)job->compared,
           (long long)job->differing, "");
    for (int b = 0; b < WORDS; b++)
        if (used[1][b])
            printf(" %10s", word_text(b));
    printf("\n");
    for (int a = 0; a < WORDS; a++) {
        if (!used[0][a])
            continue;
        printf("%-14s", word_text(a));
        for (int b = 0; b < WORDS; b++)
            if (used[1][b])
                printf(" %10lld", (long long)job->matrix[a][b]);
        printf("\n");
    }
    printf("\n%-22s %10s %10s %10s%s\n", "reviewed or declined", "then", "now", "change",
           job->amount >= 0 ? "   amount" : "");
    print_tally("of all", &job->all, job->amount >= 0);
    if (job->labelled) {
        print_tally("of known fraud", &job->fraud, job->amount >= 0);
        printf("(%lld events have a label, %lld of them fraud)\n", (long long)job->labelled,
               (long long)job->fraud.events);
    }
}

static void print_json_tally(const char *name, const struct tally *tally, const char *end)
{
    printf("\"%s\":{\"events\":%lld,\"amount\":%.17g,\"alerts_then\":%lld,\"alerts_now\":%lld,"
           "\"declined_then\":%lld,\"declined_now\":%lld,\"alert_amount_then\":%.17g,"
           "\"alert_amount_now\":%.17g}%s",
           name, (long long)tally->events, tally->amount, (long long)tally->alerts[0],
           (long long)tally->alerts[1], (long long)tally->declined[0], (long long)tally->declined[1],
           tally->alert_amount[0], tally->alert_amount[1], end);
}

static void print_json(const struct job *job)
{
    const char *comma = "";
    printf("{\"decisions\":%lld,\"differing\":%lld,\"changes\":[", (long long)job->compared,
           (long long)job->differing);
    for (int a = 0; a < WORDS; a++)
        for (int b = 0; b < WORDS; b++)
            if (job->matrix[a][b]) {
                printf("%s{\"then\":\"%s\",\"now\":\"%s\",\"events\":%lld}", comma, word_text(a),
                       word_text(b), (long long)job->matrix[a][b]);
                comma = ",";
            }
    printf("],");
    print_json_tally("all", &job->all, ",");
    printf("\"labelled\":%lld,", (long long)job->labelled);
    print_json_tally("fraud", &job->fraud, "}\n");
}

static int conclude(const struct job *job, struct error *error)
{
    bool json = argument_flag(job->arguments, "json");
    if (job->preview) {
        if (json)
            print_json(job);
        else
            print_text(job);
        return OK;
    }
    if (json)
        printf("{\"decisions\":%lld,\"first\":%" PRIu64 ",\"equal\":%s,\"erased\":%lld,\"touched\":%lld}\n",
               (long long)job->compared, replay_first_seq(job->replay), job->differing ? "false" : "true",
               (long long)job->erased, (long long)job->touched);
    if (job->differing)
        return error_set(error, CODE_MISMATCH,
                         "the batch of event %" PRIu64
                         " comes out otherwise than it was decided, and %lld more",
                         job->first_differing, (long long)job->differing - 1);
    if (json)
        return OK;
    printf("%lld decisions, from event %" PRIu64 " on: all the same to the bit\n",
           (long long)(job->compared - job->touched), replay_first_seq(job->replay));
    if (job->erased)
        printf("%lld events are erased; %lld others were decided with them in the windows, and cannot be "
               "compared\n",
               (long long)job->erased, (long long)job->touched);
    return OK;
}

static int open_out(struct job *job, struct error *error)
{
    const char *path = argument_text(job->arguments, "out");
    if (!path)
        return OK;
    int rc = file_staging(path, job->staging, sizeof job->staging, error);
    if (rc != OK)
        return rc;
    file_guard(job->staging);
    job->out = fopen(job->staging, "we");
    return job->out ? OK : error_set_errno(error, errno, "cannot write %s", path);
}

static int close_out(struct job *job, int rc, struct error *error)
{
    if (!job->staging[0])
        return rc;
    const char *path = argument_text(job->arguments, "out");
    if (job->out && fclose(job->out) != 0 && rc == OK)
        rc = error_set_errno(error, errno, "cannot write %s", path);
    if (rc == OK)
        rc = file_commit(job->staging, path, error);
    else
        remove(job->staging);
    file_forget(job->staging);
    return rc;
}

static int begin(struct job *job, struct error *error)
{
    int rc = replay_start(job->replay, error);
    if (rc == OK)
        rc = find_columns(job, error);
    if (rc == OK)
        rc = open_decider(job, error);
    if (rc == OK && argument_given(job->arguments, "model"))
        rc = map_events(job, error);
    if (rc == OK && job->preview)
        rc = replay_truth(job->replay, &job->truth, error);
    return rc == OK ? open_out(job, error) : rc;
}

static int run(const struct arguments *arguments, struct error *error)
{
    struct job job = {.arguments = arguments};
    job.preview = argument_given(arguments, "model") || argument_given(arguments, "rules") ||
                  argument_given(arguments, "threshold");
    if (!job.preview && (argument_given(arguments, "out") || argument_given(arguments, "amount") ||
                         argument_given(arguments, "span")))
        return error_set(
            error, CODE_USAGE,
            "--out, --amount and --span are about what others would decide: give --model, --rules or "
            "--threshold, too");
    buffer_init(&job.body, LIMIT_JOURNAL_RECORD);
    buffer_init(&job.line, LIMIT_JSON_LINE);
    int rc = scored_read_key(arguments, error);
    if (rc == OK)
        rc = replay_open(NULL, argument_text(arguments, "state"), &job.replay, error);
    if (rc == OK) {
        rc = begin(&job, error);
        if (rc == OK)
            rc = replay_all(&job, error);
        rc = close_out(&job, rc, error);
    }
    if (rc == OK)
        rc = conclude(&job, error);
    scorer_close(&job.then);
    rules_unref(job.rules);
    remap_done(&job.remap);
    table_done(&job.mapped);
    label_truth_free(job.truth);
    replay_close(job.replay);
    buffer_done(&job.body);
    buffer_done(&job.line);
    return rc;
}

static const struct option options[] = {
    {.name = "state",
     .kind = OPTION_TEXT,
     .argument = "DIR",
     .required = true,
     .text = "The directory of `run --state`. No run may have it at the same time."},
    {.name = "rules",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .text = "What would these rules have decided?"},
    {.name = "model",
     .kind = OPTION_TEXT,
     .argument = "MODEL",
     .text = "What would this version have decided? Its plan may be another, over the same events."},
    PIPE_OPTION_THRESHOLD,
    {.name = "span",
     .kind = OPTION_SPAN,
     .argument = "FROM..TO",
     .text = "Compare decisions about events of these times only; windows are those of the whole history."},
    {.name = "amount",
     .kind = OPTION_TEXT,
     .argument = "COLUMN",
     .text = "Also add up this column of the events that are reviewed or declined."},
    {.name = "out",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .text = "Write every decision that would change, as JSON lines."},
    {.name = "json", .kind = OPTION_FLAG, .text = "Print the result as JSON."},
    {.name = "backfill",
     .kind = OPTION_LIST,
     .argument = "journal|FILE",
     .text = "The files that `run --backfill` was given when the plan changed."},
    PIPE_OPTION_TIME_UNIT,
    PIPE_OPTION_SECRET_KEY,
    PIPE_OPTION_REGISTRY,
    PIPE_OPTION_THREADS,
    PIPE_OPTION_MEMORY,
    {0},
};

const struct command command_replay = {
    .name = "replay",
    .summary = "Decide past events again: to the bit, or as other rules or another model would.",
    .positionals = "",
    .example = "shrike replay --state state --rules stricter.sql --amount amount",
    .options = options,
    .run = run,
};
