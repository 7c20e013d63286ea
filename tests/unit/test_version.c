/* Model versions: written whole or not at all, opened only as they were written. */
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/linear.h"
#include "registry/manifest.h"
#include "registry/registry.h"
#include "score/engine.h"
#include "registry/tree.h"

static const char sql[] = "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, "
                          "amount DOUBLE, is_fraud TINYINT DEFAULT 0);\n"
                          "COMMENT ON COLUMN tx.is_fraud IS 'shrike: label, late after=7 days';\n"
                          "SELECT amount, amount > 100 AS large, count(*) OVER w AS \"it's n\" FROM "
                          "tx\n"
                          "WINDOW w AS (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY "
                          "PRECEDING AND CURRENT ROW);\n";
static const char rules[] = "SELECT CASE WHEN score > 0.5 THEN 'decline' END "
                            "AS decision, amount > 9 AS big FROM scored;\n";

static char directory[PATH_MAX];
static struct plan *plan;
static char *model_data;
static size_t model_size;

static int make_model(const char *first, const char *second, const char *third)
{
    const double weights[] = {1, 2, 3}, means[] = {0, 0, 0}, sds[] = {1, 1, 1};
    const char *names[] = {first, second, third};
    struct linear linear = {
        .n = 3, .intercept = -1, .weights = weights, .means = means, .sds = sds, .names = names};
    free(model_data);
    return linear_write(&linear, &model_data, &model_size, NULL);
}

static int set_up(void **state)
{
    (void)state;
    struct error error;
    snprintf(directory, sizeof directory, "/tmp/shrike-version-XXXXXX");
    if (!mkdtemp(directory) || make_model("amount", "large", "it's n"))
        return -1;
    if (plan_compile(sql, strlen(sql), "features.sql", &plan, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    plan_unref(plan);
    plan = NULL;
    free(model_data);
    model_data = NULL;
    return tree_remove(directory, NULL);
}

static const struct model_format linear_format = {"Shrike linear", "linear", "model.json"};

static struct version_content content_now(void)
{
    return (struct version_content){
        .name = "fraud",
        .plan = plan,
        .rules_sql = rules,
        .model_data = model_data,
        .model_size = model_size,
        .model_format = &linear_format,
        .library_version = "0.1",
        .positive_class = NO_CLASS,
        .threshold = 0.25,
        .training_json = "{\"rows\": 12, \"eta\": 0.1}",
        .metrics_json = "{\"auc\": 0.5}",
    };
}

static int add(const struct version_content *content, int *ret_number, struct error *error)
{
    char path[PATH_MAX];
    struct registry *registry;
    int code = registry_open(directory, true, &registry, error);
    if (!code) {
        code = registry_add(registry, content, path, sizeof path, ret_number, error);
        registry_close(registry);
    }
    return code;
}

static void must_add(int number)
{
    struct version_content content = content_now();
    struct error error;
    int got = 0;
    if (add(&content, &got, &error))
        fail_msg("%s", error.message);
    assert_int_equal(got, number);
}

static void assert_opens(const char *model, struct version *ret)
{
    struct error error;
    if (version_open(model, directory, ret, &error))
        fail_msg("%s: %s %s", model, error.place, error.message);
}

static void assert_refuses(const char *model, enum code code, const char *part)
{
    struct version version = {.number = -1};
    struct error error;
    char text[2 * ERROR_MESSAGE_SIZE];
    if (version_open(model, directory, &version, &error) != (int)code)
        fail_msg("%s: %s", model, error_format(&error, text, sizeof text));
    if (!strstr(error_format(&error, text, sizeof text), part))
        fail_msg("'%s' does not contain '%s'", text, part);
    assert_int_equal(version.number, -1);
}

static void path_of(const char *name, char ret[PATH_MAX])
{
    assert_true(snprintf(ret, PATH_MAX, "%s/%s", directory, name) < PATH_MAX);
}

static int entries(const char *name)
{
    char path[PATH_MAX];
    path_of(name, path);
    DIR *stream = opendir(path);
    int n = 0;
    if (!stream)
        return -1;
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream))
        n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(stream);
    return n;
}

static void test_add_and_open(void **state)
{
    (void)state;
    must_add(1);
    must_add(2);
    struct version version;
    assert_opens("models:/fraud/2", &version);
    assert_string_equal(version.name, "fraud");
    assert_int_equal(version.number, 2);
    assert_true(version.threshold == 0.25);
    assert_string_equal(plan_hash(version.plan), plan_hash(plan));
    assert_string_equal(plan_sql(version.plan), sql);
    assert_int_equal(model_features(version.model), 3);
    assert_int_equal(rules_count(version.rules), 1);
    assert_non_null(strstr(version.manifest, "\"rows\": 12"));
    version_done(&version);
    version_done(&version);

    /* The directory alone will do, wherever it lies. */
    char from[PATH_MAX], to[PATH_MAX];
    path_of("fraud/1", from);
    path_of("moved", to);
    assert_int_equal(rename(from, to), 0);
    assert_opens(to, &version);
    assert_string_equal(version.directory, to);
    assert_int_equal(version.number, 1);
    version_done(&version);
    assert_refuses("models:/fraud/1", CODE_NOT_FOUND, "shrike.json");
}

static void test_manifest_and_mlmodel(void **state)
{
    (void)state;
    must_add(1);
    char path[PATH_MAX], *text;
    size_t size;
    path_of("fraud/1", path);
    struct place place = {.directory = path};
    struct manifest manifest;
    assert_int_equal(manifest_read(&place, NULL, &manifest, NULL), OK);
    assert_int_equal(manifest.n_events, 5);
    assert_int_equal(manifest.events[0].roles, ROLE_ID);
    assert_int_equal(manifest.events[1].roles, ROLE_TIME);
    assert_int_equal(manifest.events[4].roles, ROLE_LATE | ROLE_LABEL);
    assert_string_equal(manifest.features[1].type, "BOOLEAN");
    assert_string_equal(manifest.features[2].name, "it's n");
    assert_string_equal(manifest.rules_file, "rules.sql");
    assert_int_equal(manifest.n_files, 4);
    assert_int_equal(entries("fraud/1"), manifest.n_files + 1);
    manifest_done(&manifest);

    path_of("fraud/1/MLmodel", path);
    assert_int_equal(file_read(path, 1 << 20, &text, &size, NULL), OK);
    assert_null(strstr(text, "python_function"));
    assert_non_null(strstr(text, "kind: 'linear'"));
    assert_non_null(strstr(text, "{\"type\": \"boolean\", \"name\": \"large\", \"required\": true}"));
    assert_non_null(strstr(text, "\"name\": \"it''s n\""));
    free(text);
}

static void test_damage(void **state)
{
    (void)state;
    static const char *const files[] = {"model.json", "features.sql", "rules.sql", "MLmodel", "shrike.json"};
    must_add(1);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64], path[PATH_MAX], *data;
        size_t size;
        snprintf(name, sizeof name, "fraud/1/%s", files[i]);
        path_of(name, path);
        assert_int_equal(file_read(path, 1 << 20, &data, &size, NULL), OK);
        data[size / 2] ^= 1;
        assert_int_equal(file_write(path, data, size, NULL), OK);
        assert_refuses("models:/fraud/1", CODE_CORRUPT, files[i]);
        assert_refuses("models:/fraud/1", CODE_CORRUPT, "expected SHA-256");
        assert_int_equal(unlink(path), 0);
        assert_refuses("models:/fraud/1", CODE_NOT_FOUND, files[i]);
        data[size / 2] ^= 1;
        assert_int_equal(file_write(path, data, size, NULL), OK);
        free(data);
    }
    struct version version;
    assert_opens("models:/fraud/1", &version);
    version_done(&version);
}

static void test_numbers(void **state)
{
    (void)state;
    struct registry *registry;
    char path[PATH_MAX];
    must_add(1);
    must_add(2);
    assert_int_equal(registry_open(directory, false, &registry, NULL), OK);
    assert_int_equal(registry_remove(registry, "fraud", 2, false, NULL), OK);
    assert_int_equal(registry_remove(registry, "fraud", 1, false, NULL), OK);
    registry_close(registry);
    assert_int_equal(entries("fraud"), 0);
    must_add(3);
    /* What a writer left that was stopped: before the rename, and after it. */
    path_of("fraud/.4.partial/x", path);
    assert_int_equal(file_make_directory(path, NULL), OK);
    path_of("fraud/4", path);
    assert_int_equal(file_make_directory(path, NULL), OK);
    must_add(5);
    assert_int_equal(entries("fraud"), 3);
    assert_refuses("models:/fraud/4", CODE_NOT_FOUND, "versions of 'fraud': 5, 3");
}

static void test_refused_content(void **state)
{
    (void)state;
    struct error error;
    int number = -1;
    struct version_content content = content_now();
    content.metrics_json = "[1]";
    assert_int_equal(add(&content, &number, &error), CODE_INTERNAL);
    assert_non_null(strstr(error.message, "metrics"));
    content = content_now();
    content.threshold = 7;
    assert_int_equal(add(&content, &number, &error), CODE_INVALID);
    content = content_now();
    content.name = "../fraud";
    assert_int_equal(add(&content, &number, &error), CODE_USAGE);
    assert_int_equal(number, -1);
    assert_int_equal(entries("fraud"), 0);
    must_add(1);
}

/* No file may grow beyond a few hundred bytes: the writing stops midway, as on a full disk. */
static void test_no_space(void **state)
{
    (void)state;
    must_add(1);
    pid_t child = fork();
    if (child == 0) {
        struct version_content content = content_now();
        struct rlimit limit = {600, 600};
        struct error error;
        int number;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        int code = add(&content, &number, &error);
        _exit(code == OK);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(entries("fraud"), 1);
    must_add(2);
}

static void test_processes(void **state)
{
    (void)state;
    enum { PROCESSES = 4, EACH = 3 };
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct version_content content = content_now();
            struct error error;
            int code = OK, number;
            for (int k = 0; k < EACH && !code; k++)
                code = add(&content, &number, &error);
            _exit(code);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    for (int number = 1; number <= PROCESSES * EACH; number++) {
        char model[64];
        struct version version;
        snprintf(model, sizeof model, "models:/fraud/%d", number);
        assert_opens(model, &version);
        assert_int_equal(version.number, number);
        version_done(&version);
    }
    assert_int_equal(entries("fraud"), PROCESSES * EACH);
}

/* Killed at any moment, a writer leaves whole versions and nothing else that a name leads to. */
static void test_killed(void **state)
{
    (void)state;
    enum { KILLS = 25 };
    must_add(1);
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct version_content content = content_now();
            int number;
            while (add(&content, &number, NULL) == OK)
                continue;
            _exit(1);
        }
        int status = -1;
        usleep(1000U * (unsigned)(5 + 3 * i));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
    struct registry *registry;
    struct registry_listing listing;
    assert_int_equal(registry_open(directory, false, &registry, NULL), OK);
    assert_int_equal(registry_list(registry, "fraud", &listing, NULL), OK);
    for (int i = 0; i < listing.n; i++) {
        char model[64];
        struct version version;
        snprintf(model, sizeof model, "models:/fraud/%d", listing.entries[i].number);
        assert_opens(model, &version);
        version_done(&version);
    }
    int n = listing.n, last = listing.entries[n - 1].number;
    registry_listing_done(&listing);
    registry_close(registry);
    struct version_content content = content_now();
    int number = 0;
    assert_int_equal(add(&content, &number, NULL), OK);
    assert_true(number > last);
    /* At most one directory without a name for each kill, and no staging directory after the next writer. */
    assert_in_range(entries("fraud"), n + 1, n + 1 + KILLS);
    char path[PATH_MAX];
    path_of("fraud", path);
    DIR *stream = opendir(path);
    assert_non_null(stream);
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream))
        assert_null(strstr(entry->d_name, ".partial"));
    closedir(stream);
}

static void test_features_differ(void **state)
{
    (void)state;
    struct model *model;
    struct error error;
    assert_int_equal(make_model("large", "amount", "other"), OK);
    assert_int_equal(model_parse(model_data, model_size, &model, NULL), OK);
    assert_int_equal(engine_check_features(plan, model, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "the plan does not give: other"));
    assert_non_null(strstr(error.message, "the model does not take: it's n"));
    assert_non_null(strstr(error.message, "at another place: amount, large"));
    model_unref(model);
    must_add(1);
    assert_refuses("models:/fraud/1", CODE_INVALID, "the plan does not give: other");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_add_and_open),    TEST(test_manifest_and_mlmodel),
        TEST(test_damage),          TEST(test_numbers),
        TEST(test_refused_content), TEST(test_no_space),
        TEST(test_processes),       TEST(test_killed),
        TEST(test_features_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
