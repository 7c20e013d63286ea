/* shrike plan check: does a features.sql compile, and what does it say? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "feature/plan.h"
#include "table/json_rows.h"

/* A plan may have hundreds of columns; each is a line of at most a name and a type. */
enum { JSON_MAXIMUM = 16 << 20 };

static const char *role_text(const struct plan *plan, int column)
{
    unsigned roles = plan_events(plan)->fields[column].roles;
    return roles & ROLE_ID       ? "id"
           : roles & ROLE_TIME   ? "event time"
           : roles & ROLE_LABEL  ? "label"
           : roles & ROLE_LATE   ? "late"
           : roles & ROLE_SECRET ? "secret"
                                 : "";
}

static void write_fields(const struct plan *plan, const struct schema *schema, bool roles, struct buffer *out)
{
    char type[8192];
    buffer_text(out, "[");
    for (int i = 0; i < schema->n; i++) {
        buffer_text(out, i ? ",{\"name\":" : "{\"name\":");
        json_write_string(out, schema->fields[i].name, strlen(schema->fields[i].name));
        buffer_text(out, ",\"type\":");
        type_text(&schema->fields[i].type, type, sizeof type);
        json_write_string(out, type, strlen(type));
        if (roles && *role_text(plan, i))
            buffer_format(out, ",\"role\":\"%s\"", role_text(plan, i));
        buffer_text(out, "}");
    }
    buffer_text(out, "]");
}

static int print_json(const struct plan *plan, struct error *error)
{
    struct buffer out;
    buffer_init(&out, JSON_MAXIMUM);
    buffer_text(&out, "{\"table\":");
    json_write_string(&out, plan_table_name(plan), strlen(plan_table_name(plan)));
    buffer_format(&out, ",\"hash\":\"%s\",\"events\":", plan_hash(plan));
    write_fields(plan, plan_events(plan), true, &out);
    buffer_text(&out, ",\"features\":");
    write_fields(plan, plan_features(plan), false, &out);
    buffer_text(&out, ",\"warnings\":[");
    for (int w = 0; plan_warning(plan, w); w++) {
        buffer_text(&out, w ? "," : "");
        json_write_string(&out, plan_warning(plan, w), strlen(plan_warning(plan, w)));
    }
    buffer_text(&out, "]}");
    int rc = buffer_check(&out, "the description of the plan", error);
    if (rc == OK)
        puts(out.data);
    buffer_done(&out);
    return rc;
}

static void print_fields(const struct plan *plan, const struct schema *schema, bool roles)
{
    char type[8192];
    for (int i = 0; i < schema->n; i++) {
        const char *role = roles ? role_text(plan, i) : "";
        printf("  %-32s %-20.200s %s\n", schema->fields[i].name,
               type_text(&schema->fields[i].type, type, sizeof type), role);
    }
}

static void write_finding(const struct error *finding, struct buffer *out)
{
    buffer_format(out, "{\"code\":\"%s\",\"message\":", code_info(finding->code)->name);
    json_write_string(out, finding->message, strlen(finding->message));
    buffer_text(out, ",\"file\":");
    json_write_string(out, finding->place, strlen(finding->place));
    if (finding->line)
        buffer_format(out, ",\"line\":%lld", (long long)finding->line);
    if (finding->column)
        buffer_format(out, ",\"column\":%lld", (long long)finding->column);
    buffer_text(out, "}");
}

/* As one object on standard output. The program says the first on standard error, as it does of any error. */
static void print_findings_json(const struct plan_findings *findings)
{
    struct buffer out;
    buffer_init(&out, JSON_MAXIMUM);
    buffer_text(&out, "{\"errors\":[");
    for (size_t i = 0; i < findings->n; i++) {
        buffer_text(&out, i ? "," : "");
        write_finding(&findings->list[i], &out);
    }
    buffer_text(&out, "]}");
    if (!out.failed)
        puts(out.data);
    buffer_done(&out);
}

/* A line for each; the program adds how many there are. */
static void print_findings(const struct plan_findings *findings, struct error *error)
{
    char line[ERROR_MESSAGE_SIZE + ERROR_PLACE_SIZE + 64];
    if (findings->n < 2)
        return;
    for (size_t i = 0; i < findings->n; i++)
        fprintf(stderr, "shrike: %s\n", error_format(&findings->list[i], line, sizeof line));
    error_set(error, error->code, "%zu errors%s", findings->n,
              findings->n < LIMIT_FINDINGS ? "" : ", and perhaps more");
    error_at(error, findings->list[0].place, 0, 0);
}

static int check(const char *path, bool json, struct plan **ret, struct error *error)
{
    struct plan_findings findings = {0};
    char *sql;
    size_t size;
    int rc = file_read(path, LIMIT_SQL, &sql, &size, error);
    if (rc != OK)
        return rc;
    rc = plan_check(sql, size, path, &findings, ret, error);
    if (rc != OK && json)
        print_findings_json(&findings);
    else if (rc != OK)
        print_findings(&findings, error);
    plan_findings_done(&findings);
    free(sql);
    return rc;
}

static int run(const struct arguments *arguments, struct error *error)
{
    struct plan *plan;
    bool json = argument_flag(arguments, "json");
    int rc = check(argument_positional(arguments, 0), json, &plan, error);
    if (rc != OK)
        return rc;
    if (json) {
        rc = print_json(plan, error);
    } else {
        printf("events: %s\n", plan_table_name(plan));
        print_fields(plan, plan_events(plan), true);
        printf("features: %d\n", plan_features(plan)->n);
        print_fields(plan, plan_features(plan), false);
        for (int w = 0; plan_warning(plan, w); w++)
            printf("warning: %s\n", plan_warning(plan, w));
        puts("the plan compiles");
    }
    plan_unref(plan);
    return rc;
}

static const struct option options[] = {
    {.name = "json",
     .kind = OPTION_FLAG,
     .text = "Print the plan's columns, features and warnings as JSON, or all of its errors."},
    {0},
};

const struct command command_plan_check = {
    .name = "plan check",
    .summary = "Compile a plan and show what it reads and gives, or every error in it.",
    .positionals = "features.sql",
    .minimum = 1,
    .maximum = 1,
    .example = "shrike plan check features.sql",
    .options = options,
    .run = run,
};
