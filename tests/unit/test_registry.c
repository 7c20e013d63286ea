/* Names, the registry's file, where models:/ names lead, and the manifest as a stranger may have written it.
 */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "registry/manifest.h"
#include "registry/names.h"
#include "registry/store.h"
#include "registry/tree.h"

static char directory[PATH_MAX];

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/shrike-registry-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return tree_remove(directory, NULL);
}

static void assert_says(const struct error *error, enum code code, const char *part)
{
    assert_int_equal(error->code, code);
    if (!strstr(error->message, part))
        fail_msg("'%s' does not contain '%s'", error->message, part);
}

static struct registry *open_registry(void)
{
    struct registry *registry = NULL;
    struct error error;
    if (registry_open(directory, true, &registry, &error))
        fail_msg("%s", error.message);
    return registry;
}

/* Enters a version whose files nobody looks at. */
static void enter(struct registry *registry, const char *name, int number)
{
    struct error error;
    assert_int_equal(store_run(registry, &error,
                               "INSERT INTO models VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE "
                               "SET last_number = ?2",
                               "ti", name, (int64_t)number),
                     OK);
    assert_int_equal(store_run(registry, &error,
                               "INSERT INTO versions (name, number, created_us, manifest_sha256) "
                               "VALUES (?1, ?2, 1000000, 'sum')",
                               "ti", name, (int64_t)number),
                     OK);
}

static void assert_leads(const char *model, int number)
{
    struct place place = {0};
    struct error error;
    if (place_find(model, directory, &place, &error))
        fail_msg("%s: %s", model, error.message);
    assert_int_equal(place.number, number);
    char expected[PATH_MAX + 32];
    snprintf(expected, sizeof expected, "%s/fraud/%d", directory, number);
    assert_string_equal(place.directory, expected);
    place_done(&place);
}

static void assert_leads_nowhere(const char *model, enum code code, const char *part)
{
    struct place place = {0};
    struct error error;
    assert_int_equal(place_find(model, directory, &place, &error), code);
    assert_says(&error, code, part);
    assert_null(place.directory);
}

static void test_names(void **state)
{
    (void)state;
    struct error error;
    static const char *const good[] = {"a", "fraud", "Card-Fraud_2.1", "7", "registry"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(name_check("model", good[i], &error), OK);
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      ".hidden",
                                      "-x",
                                      "_x",
                                      "a/b",
                                      "a b",
                                      "a\n",
                                      "a@b",
                                      "\xc3\xa4",
                                      "registry.db",
                                      "registry.db-journal",
                                      "a\\b",
                                      "a:b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(name_check("model", bad[i], &error), CODE_USAGE);
    char longest[LIMIT_NAME + 2];
    memset(longest, 'x', sizeof longest);
    longest[LIMIT_NAME] = 0;
    assert_int_equal(name_check("model", longest, &error), OK);
    longest[LIMIT_NAME] = 'x';
    longest[LIMIT_NAME + 1] = 0;
    assert_int_equal(name_check("model", longest, &error), CODE_LIMIT);
    assert_int_equal(alias_check("latest", &error), CODE_USAGE);
    assert_int_equal(alias_check("Latest", &error), CODE_USAGE);
    assert_int_equal(alias_check("champion", &error), OK);
    assert_string_equal(stage_find("production"), "Production");
    assert_null(stage_find("live"));
}

static void test_references(void **state)
{
    (void)state;
    struct reference reference;
    struct error error;
    assert_int_equal(reference_parse("models:/fraud/12", &reference, &error), OK);
    assert_string_equal(reference.name, "fraud");
    assert_int_equal(reference.kind, REFERENCE_NUMBER);
    assert_int_equal(reference.number, 12);
    assert_int_equal(reference_parse("models:/fraud@canary", &reference, &error), OK);
    assert_int_equal(reference.kind, REFERENCE_ALIAS);
    assert_string_equal(reference.alias, "canary");
    assert_int_equal(reference_parse("models:/fraud/STAGING", &reference, &error), OK);
    assert_int_equal(reference.kind, REFERENCE_STAGE);
    assert_string_equal(reference.stage, "Staging");
    assert_int_equal(reference_parse("models:/fraud/Latest", &reference, &error), OK);
    assert_int_equal(reference.kind, REFERENCE_LATEST);
    static const char *const bad[] = {"models:/",         "models:/fraud",       "models:/fraud/",
                                      "models:/fraud@",   "models:/fraud/0",     "models:/fraud/99999999999",
                                      "models:/fraud/v3", "models:/../etc/1",    "models:/fraud/../1",
                                      "models://fraud/1", "models:/fraud/1/../", "models:/fraud@../x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (reference_parse(bad[i], &reference, &error) != CODE_USAGE)
            fail_msg("%s was taken", bad[i]);
}

static void test_open(void **state)
{
    (void)state;
    struct registry *registry = NULL;
    struct error error;
    assert_int_equal(registry_open(directory, false, &registry, &error), CODE_NOT_FOUND);
    assert_says(&error, CODE_NOT_FOUND, "--registry DIR");
    assert_null(registry);
    registry_close(open_registry());
    assert_int_equal(registry_open(directory, false, &registry, &error), OK);

    /* A layout from the future is not touched. */
    assert_int_equal(store_run(registry, &error, "PRAGMA user_version = 99", ""), OK);
    registry_close(registry);
    registry = NULL;
    assert_int_equal(registry_open(directory, true, &registry, &error), CODE_UNSUPPORTED);
    assert_null(registry);

    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/" REGISTRY_FILE, directory);
    assert_int_equal(file_write(path, "this is no database, nor was it ever", 36, &error), OK);
    assert_int_equal(registry_open(directory, true, &registry, &error), CODE_CORRUPT);
    assert_says(&error, CODE_CORRUPT, REGISTRY_FILE);
    registry_close(NULL);
}

static void test_aliases_and_stages(void **state)
{
    (void)state;
    struct error error;
    struct registry *registry = open_registry();
    for (int number = 1; number <= 4; number++)
        enter(registry, "fraud", number);
    enter(registry, "other", 1);
    assert_leads("models:/fraud/2", 2);
    assert_leads("models:/fraud/latest", 4);
    assert_leads_nowhere("models:/fraud@champion", CODE_NOT_FOUND, "versions of 'fraud': 4, 3, 2, 1");
    assert_leads_nowhere("models:/fraud/5", CODE_NOT_FOUND, "versions of 'fraud'");
    assert_leads_nowhere("models:/froud/1", CODE_NOT_FOUND, "there are: fraud, other");

    assert_int_equal(registry_set_alias(registry, "fraud", 2, "champion", &error), OK);
    assert_int_equal(registry_set_alias(registry, "fraud", 2, "champ", &error), OK);
    assert_leads("models:/fraud@champion", 2);
    assert_leads("models:/fraud@champ", 2);
    assert_leads_nowhere("models:/fraud@cham", CODE_NOT_FOUND, "2 (@champ, champion)");
    assert_int_equal(registry_set_alias(registry, "fraud", 3, "champion", &error), OK);
    assert_leads("models:/fraud@champion", 3);
    assert_int_equal(registry_set_alias(registry, "fraud", 9, "champion", &error), CODE_NOT_FOUND);
    assert_says(&error, CODE_NOT_FOUND, "no version 9; there are: 4, 3, 2, 1");
    assert_int_equal(registry_set_alias(registry, "fraud", 3, "a/b", &error), CODE_USAGE);
    assert_int_equal(registry_remove_alias(registry, "fraud", 2, "champion", &error), CODE_NOT_FOUND);
    assert_int_equal(registry_remove_alias(registry, "fraud", 3, "champion", &error), OK);
    assert_leads_nowhere("models:/fraud@champion", CODE_NOT_FOUND, "does not exist");

    assert_int_equal(registry_set_stage(registry, "fraud", 1, "production", &error), OK);
    assert_leads("models:/fraud/Production", 1);
    assert_int_equal(registry_set_stage(registry, "fraud", 3, "Production", &error), OK);
    assert_leads("models:/fraud/Production", 3);
    assert_leads_nowhere("models:/fraud/Staging", CODE_NOT_FOUND, "3 Production");
    assert_int_equal(registry_set_stage(registry, "fraud", 3, "live", &error), CODE_USAGE);
    assert_leads("models:/fraud/Production", 3);
    registry_close(registry);
}

static void test_list(void **state)
{
    (void)state;
    struct error error;
    struct registry *registry = open_registry();
    struct registry_listing listing;
    assert_int_equal(registry_list(registry, NULL, &listing, &error), OK);
    assert_int_equal(listing.n, 0);
    registry_listing_done(&listing);
    assert_int_equal(registry_list(registry, "fraud", &listing, &error), CODE_NOT_FOUND);
    assert_says(&error, CODE_NOT_FOUND, "there is none");
    enter(registry, "fraud", 10);
    enter(registry, "fraud", 9);
    enter(registry, "a", 1);
    assert_int_equal(registry_set_alias(registry, "fraud", 9, "z", &error), OK);
    assert_int_equal(registry_set_alias(registry, "fraud", 9, "b", &error), OK);
    assert_int_equal(registry_list(registry, NULL, &listing, &error), OK);
    assert_int_equal(listing.n, 3);
    assert_string_equal(listing.entries[0].name, "a");
    assert_int_equal(listing.entries[1].number, 9);
    assert_string_equal(listing.entries[1].aliases, "b, z");
    assert_string_equal(listing.entries[2].aliases, "");
    assert_string_equal(listing.entries[2].stage, "None");
    assert_int_equal(listing.entries[2].created_us, 1000000);
    registry_listing_done(&listing);
    assert_int_equal(registry_list(registry, "fraud", &listing, &error), OK);
    assert_int_equal(listing.n, 2);
    registry_listing_done(&listing);
    registry_close(registry);
}

static void test_remove(void **state)
{
    (void)state;
    struct error error;
    struct registry *registry = open_registry();
    enter(registry, "fraud", 1);
    enter(registry, "fraud", 2);
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/fraud/1/deep", directory);
    assert_int_equal(file_make_directory(path, &error), OK);
    snprintf(path, sizeof path, "%s/fraud/1", directory);

    assert_int_equal(registry_set_alias(registry, "fraud", 1, "champion", &error), OK);
    assert_int_equal(registry_remove(registry, "fraud", 1, false, &error), CODE_CONFLICT);
    assert_says(&error, CODE_CONFLICT, "alias champion");
    assert_int_equal(registry_remove_alias(registry, "fraud", 1, "champion", &error), OK);
    assert_int_equal(registry_set_stage(registry, "fraud", 1, "Production", &error), OK);
    assert_int_equal(registry_remove(registry, "fraud", 1, false, &error), CODE_CONFLICT);
    assert_says(&error, CODE_CONFLICT, "Production");
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(registry_remove(registry, "fraud", 1, true, &error), OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(registry_remove(registry, "fraud", 1, true, &error), CODE_NOT_FOUND);
    /* An alias goes with its version, and the files may be gone already. */
    assert_int_equal(registry_set_alias(registry, "fraud", 2, "champion", &error), OK);
    assert_int_equal(registry_remove(registry, "fraud", 2, true, &error), OK);
    assert_leads_nowhere("models:/fraud@champion", CODE_NOT_FOUND, "there is none");
    registry_close(registry);
}

static void test_directories(void **state)
{
    (void)state;
    struct place place = {0};
    struct error error;
    assert_int_equal(place_find(directory, "models", &place, &error), OK);
    assert_string_equal(place.directory, directory);
    assert_string_equal(place.name, "");
    assert_string_equal(place.manifest_sha256, "");
    place_done(&place);
    assert_leads_nowhere("/nowhere/at/all", CODE_NOT_FOUND, "models:/NAME/VERSION");
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/file", directory);
    assert_int_equal(file_write(path, "x", 1, &error), OK);
    assert_leads_nowhere(path, CODE_INVALID, "not a directory");
}

/* ---- the manifest ---- */

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WHOLE                                                                                               \
    "{\"format\": \"shrike-model\", \"format_version\": 1, \"name\": \"fraud\", \"version\": 3,"            \
    " \"created\": \"2026-01-02 03:04:05\","                                                                \
    " \"model\": {\"file\": \"model.json\", \"flavor\": \"xgboost\", \"library_version\": \"1.7.4\"},"      \
    " \"plan\": {\"file\": \"features.sql\", \"sha256\": \"" SUM "\", \"table\": \"tx\"}, \"rules\": null," \
    " \"events\": [{\"name\": \"id\", \"type\": \"BIGINT\", \"roles\": [\"id\"]}],"                         \
    " \"features\": [{\"name\": \"amount\", \"type\": \"DOUBLE\"}], \"threshold\": 0.25, \"later\": [1],"   \
    " \"files\": {\"model.json\": {\"bytes\": 5, \"sha256\": \"" SUM "\"},"                                 \
    " \"features.sql\": {\"bytes\": 6, \"sha256\": \"" SUM "\"}}}"

static void test_manifest_whole(void **state)
{
    (void)state;
    struct manifest manifest;
    struct error error;
    if (manifest_parse(WHOLE, strlen(WHOLE), "shrike.json", &manifest, &error))
        fail_msg("%s", error.message);
    assert_string_equal(manifest.name, "fraud");
    assert_int_equal(manifest.number, 3);
    assert_int_equal(manifest.n_features, 1);
    assert_string_equal(manifest.features[0].type, "DOUBLE");
    assert_int_equal(manifest.events[0].roles, ROLE_ID);
    assert_true(manifest.threshold == 0.25);
    assert_int_equal(manifest.positive_class, NO_CLASS);
    assert_null(manifest.rules_file);
    assert_int_equal(manifest_find_file(&manifest, "features.sql")->bytes, 6);
    assert_null(manifest_find_file(&manifest, "rules.sql"));
    manifest_done(&manifest);
}

/* The whole manifest with one part exchanged. */
static void assert_refused(const char *part, const char *by, enum code code, const char *message)
{
    static char text[8192];
    const char *at = strstr(WHOLE, part);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - WHOLE), WHOLE, by, at + strlen(part));
    struct manifest manifest = {.number = -1};
    struct error error;
    if (manifest_parse(text, strlen(text), "m/shrike.json", &manifest, &error) != (int)code)
        fail_msg("%s by %s: %s", part, by, error.message);
    assert_says(&error, code, message);
    assert_string_equal(error.place, "m/shrike.json");
    assert_int_equal(manifest.number, -1);
}

static void test_manifest_refused(void **state)
{
    (void)state;
    assert_refused("{\"format\"", "[\"format\"", CODE_CORRUPT, "JSON");
    assert_refused("shrike-model", "other", CODE_INVALID, "key format: expected \"shrike-model\"");
    assert_refused("\"format_version\": 1", "\"format_version\": 2", CODE_UNSUPPORTED,
                   "key format_version: 2");
    assert_refused("\"name\": \"fraud\",", "", CODE_INVALID, "key name: expected a string, found nothing");
    assert_refused("\"name\": \"fraud\"", "\"name\": \"a\\u0000b\"", CODE_INVALID, "zero byte");
    assert_refused("\"version\": 3", "\"version\": -3", CODE_INVALID, "key version: expected an integer");
    assert_refused("\"version\": 3", "\"version\": 3.5", CODE_INVALID, "key version");
    assert_refused("\"version\": 3", "\"version\": 4294967299", CODE_INVALID, "key version");
    assert_refused("{\"file\": \"model.json\"", "{\"file\": \"../model.json\"", CODE_INVALID,
                   "key model.file: expected a file's name");
    assert_refused("{\"file\": \"model.json\"", "{\"file\": \"..\"", CODE_INVALID,
                   "key model.file: expected a file's name");
    assert_refused("{\"file\": \"features.sql\"", "{\"file\": \"other.sql\"", CODE_INVALID,
                   "key plan.file: 'other.sql' has no checksum");
    assert_refused("\"sha256\": \"0123", "\"sha256\": \"x123", CODE_INVALID, "key plan.sha256: expected 64");
    assert_refused("\"rules\": null", "\"rules\": 1", CODE_INVALID, "key rules: expected an object");
    assert_refused("\"rules\": null", "\"rules\": {\"file\": \"rules.sql\"}", CODE_INVALID, "key rules.file");
    assert_refused("[\"id\"]", "[\"owner\"]", CODE_INVALID, "key events[0].roles");
    assert_refused("[{\"name\": \"amount\", \"type\": \"DOUBLE\"}]", "[]", CODE_INVALID, "key features");
    assert_refused("\"type\": \"DOUBLE\"", "\"type\": 7", CODE_INVALID,
                   "key features[0].type: expected a string");
    assert_refused("0.25", "1.5", CODE_INVALID, "key threshold");
    assert_refused("\"flavor\"", "\"positive_class\": -1, \"flavor\"", CODE_INVALID,
                   "key model.positive_class: expected an integer");
    assert_refused("\"later\": [1]", "\"reasons\": [1]", CODE_INVALID, "key reasons: expected an object");
    assert_refused("\"later\": [1]", "\"reasons\": {\"n\": 1}", CODE_INVALID,
                   "key reasons.n: expected a string");
    assert_refused("\"bytes\": 5", "\"bytes\": \"5\"", CODE_INVALID, "key files.model.json.bytes");
    assert_refused("\"features.sql\": {\"bytes\"", "\"model.json\": {\"bytes\"", CODE_INVALID, "given twice");
    assert_refused("\"features.sql\": {\"bytes\"", "\"/etc/passwd\": {\"bytes\"", CODE_INVALID,
                   "not the name");
}

/* Cut anywhere, it is damaged, and never read as something else. */
static void test_manifest_cut(void **state)
{
    (void)state;
    struct manifest manifest;
    struct error error;
    for (size_t size = 0; size < strlen(WHOLE); size++) {
        char *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, WHOLE, size);
        assert_int_equal(manifest_parse(copy, size, "shrike.json", &manifest, &error), CODE_CORRUPT);
        free(copy);
    }
}

static void test_manifest_checksums(void **state)
{
    (void)state;
    struct error error;
    char path[PATH_MAX + 32];
    struct manifest_file file = {.name = "model.json",
                                 .bytes = 5,
                                 .sha256 =
                                     "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"};
    assert_int_equal(manifest_check_bytes(&file, directory, "hello", 5, &error), OK);
    assert_int_equal(manifest_check_bytes(&file, directory, "hellp", 5, &error), CODE_CORRUPT);
    assert_says(&error, CODE_CORRUPT, "model.json");
    assert_says(&error, CODE_CORRUPT, file.sha256);
    assert_int_equal(manifest_check_file(&file, directory, &error), CODE_NOT_FOUND);
    snprintf(path, sizeof path, "%s/model.json", directory);
    assert_int_equal(file_write(path, "hello", 5, &error), OK);
    assert_int_equal(manifest_check_file(&file, directory, &error), OK);
    assert_int_equal(file_write(path, "hello!", 6, &error), OK);
    assert_int_equal(manifest_check_file(&file, directory, &error), CODE_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_references),
        TEST(test_open),
        TEST(test_aliases_and_stages),
        TEST(test_list),
        TEST(test_remove),
        TEST(test_directories),
        TEST(test_manifest_whole),
        TEST(test_manifest_refused),
        TEST(test_manifest_cut),
        TEST(test_manifest_checksums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
