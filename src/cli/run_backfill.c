#include "cli/run_backfill.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "cli/pipe.h"
#include "score/dataset.h"

/* ---- past events ---- */

static bool is_journal(const char *const *paths, int n)
{
    return n == 1 && strcmp(paths[0], "journal") == 0;
}

static int next_events(void *context, struct table *ret, struct error *error)
{
    struct run_backfill *backfill = context;
    if (!backfill->reader) {
        struct reader_options from = {.columns = backfill->events,
                                      .time_unit = pipe_time_unit(backfill->arguments),
                                      .batch_rows = 8192,
                                      .threads = 1,
                                      .lacks = dataset_warn_lacks};
        from.paths = argument_list(backfill->arguments, "backfill", &from.n_paths);
        int rc = reader_open(&from, &backfill->reader, error);
        if (rc != OK)
            return rc;
    }
    return reader_next(backfill->reader, ret, error);
}

static int open_decider(void *context, const struct switch_record *version, const char *files,
                        struct durable_decider *ret, struct error *error)
{
    const struct run_backfill *backfill = context;
    struct scorer scorer;
    int rc = run_open_version(backfill->arguments, version, files, &scorer, &ret->options, error);
    if (rc != OK)
        return rc;
    ret->model = model_ref(scorer.version.model);
    ret->rules = version->rules_sql.size && scorer.version.rules ? rules_ref(scorer.version.rules) : NULL;
    scorer_close(&scorer);
    return OK;
}

static void begin(void *context, int64_t events)
{
    struct run_backfill *backfill = context;
    progress_start(&backfill->progress, "filling windows", "events", backfill->hooks.next ? 0 : events);
    backfill->shown = true;
}

static void taken(void *context, int64_t events)
{
    struct run_backfill *backfill = context;
    progress_add(&backfill->progress, events);
}

bool run_backfill_init(const struct arguments *arguments, struct schema *events, struct run_backfill *ret)
{
    int n;
    *ret = (struct run_backfill){.arguments = arguments, .events = events};
    if (!argument_given(arguments, "backfill"))
        return false;
    const char *const *paths = argument_list(arguments, "backfill", &n);
    ret->hooks = (struct durable_backfill){
        .context = ret, .open_decider = open_decider, .begin = begin, .taken = taken};
    if (!is_journal(paths, n))
        ret->hooks.next = next_events;
    return true;
}

void run_backfill_done(struct run_backfill *backfill)
{
    if (backfill->shown)
        progress_stop(&backfill->progress);
    if (backfill->reader)
        reader_close(backfill->reader);
    backfill->reader = NULL;
    backfill->shown = false;
}

/* ---- former versions ---- */

struct engine_options run_version_options(const struct arguments *arguments,
                                          const struct switch_record *version)
{
    return (struct engine_options){.state = {.threads = pipe_threads(arguments),
                                             .forgets = true,
                                             .lateness_us = version->lateness_us,
                                             .max_ahead_us = version->max_ahead_us,
                                             .memory = pipe_memory(arguments),
                                             .learns = version->learns},
                                   .reasons = (int)version->reasons,
                                   .explain_from = version->explain_from,
                                   .threshold = version->threshold};
}

static bool has_manifest(const char *files)
{
    char path[PATH_MAX];
    struct stat about;
    return files && snprintf(path, sizeof path, "%s/shrike.json", files) < (int)sizeof path &&
           stat(path, &about) == 0;
}

int run_open_version(const struct arguments *arguments, const struct switch_record *version,
                     const char *files, struct scorer *ret, struct engine_options *ret_options,
                     struct error *error)
{
    char name[PATH_MAX], identity[FILE_SHA256_SIZE];
    struct scorer scorer = {0};
    struct engine_options options = run_version_options(arguments, version);
    snprintf(name, sizeof name, "%.*s", (int)version->name.size, version->name.data);
    const char *where = has_manifest(files) ? files : name;
    int rc = version_open(where, argument_text(arguments, "registry"), &scorer.version, error);
    if (rc != OK)
        return rc;
    scorer_identity(&scorer, &options, identity);
    if (strlen(identity) != version->identity.size ||
        memcmp(identity, version->identity.data, version->identity.size) != 0) {
        scorer_close(&scorer);
        return error_set(error, CODE_CONFLICT,
                         "%s is not what it was when it decided as %s: the same files are "
                         "needed (--registry)",
                         where, name);
    }
    *ret = scorer;
    *ret_options = options;
    return OK;
}

/* What names its rules, and the texts of its reasons where its files are kept. */
int run_open_printer(const struct arguments *arguments, const struct durable *durable,
                     const struct durable_then *then, struct scorer *ret, struct error *error)
{
    const struct switch_record *version = then->version;
    struct engine_options options = run_version_options(arguments, version);
    struct rules *rules = NULL;
    struct scorer scorer = {0};
    char files[IO_PATH_SIZE];
    int rc = durable_version_path(durable, version->version, files, error);
    if (rc == OK && has_manifest(files))
        rc = version_open(files, argument_text(arguments, "registry"), &scorer.version, error);
    else if (rc == OK)
        scorer.version.plan = plan_ref(then->plan);
    if (rc == OK && version->rules_sql.size)
        rc = rules_compile(version->rules_sql.data, version->rules_sql.size, "rules of a former version",
                           scorer.version.plan, &rules, error);
    options.state.threads = 1;
    if (rc == OK)
        rc = engine_new(scorer.version.plan, scorer.version.model, rules, &options, &scorer.engine, error);
    rules_unref(rules);
    if (rc != OK) {
        scorer_close(&scorer);
        return rc;
    }
    *ret = scorer;
    return OK;
}
