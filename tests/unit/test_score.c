/* The engine: features to scores to decisions with reasons; rules; the conversion to a model's input. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "feature/compile.h"
#include "model/linear.h"
#include "score/dataset.h"
#include "score/engine.h"

static const char plan_text[] =
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, amount DOUBLE, y TINYINT DEFAULT 0);"
    "COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 day';"
    "SELECT amount, count(*) OVER (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND "
    "CURRENT ROW) AS n FROM tx";

static struct plan *plan;
static struct model *model;

static struct model *make_model(const char *first, const char *second, double weight)
{
    const double weights[] = {weight, 0.5}, means[] = {10, 1}, sds[] = {5, 1};
    const char *names[] = {first, second};
    struct linear linear = {
        .n = 2, .intercept = -1, .weights = weights, .means = means, .sds = sds, .names = names};
    char *text;
    size_t size;
    struct model *made = NULL;
    assert_int_equal(linear_write(&linear, &text, &size, NULL), OK);
    assert_int_equal(model_parse(text, size, &made, NULL), OK);
    free(text);
    return made;
}

static int set_up(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(plan_compile(plan_text, strlen(plan_text), "features.sql", &plan, &error), OK);
    model = make_model("amount", "n", 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    plan_unref(plan);
    model_unref(model);
    return 0;
}

/* Events a minute apart of cards 0 and 1 in turn; NaN amounts become NULL. */
static void fill_events(struct table *events, const double *amounts, int n)
{
    struct schema *schema = plan_events(plan);
    assert_int_equal(table_init(events, schema, NULL), OK);
    assert_int_equal(table_reserve(events, n, NULL), OK);
    for (int i = 0; i < n; i++) {
        column_append_int(&events->columns[0], &schema->fields[0].type, i);
        column_append_int(&events->columns[1], &schema->fields[1].type, INT64_C(60000000) * i);
        column_append_int(&events->columns[2], &schema->fields[2].type, i % 2);
        if (isnan(amounts[i]))
            column_append_null(&events->columns[3], &schema->fields[3].type);
        else
            column_append_double(&events->columns[3], &schema->fields[3].type, amounts[i]);
        column_append_null(&events->columns[4], &schema->fields[4].type);
    }
    events->length = n;
}

static struct engine *make_engine(struct rules *rules, double threshold, int reasons)
{
    struct engine_options options = {.threshold = threshold, .reasons = reasons};
    struct engine *engine = NULL;
    struct error error;
    assert_int_equal(engine_new(plan, model, rules, &options, &engine, &error), OK);
    return engine;
}

static struct rules *make_rules(const char *sql)
{
    struct rules *rules = NULL;
    struct error error;
    assert_int_equal(rules_compile(sql, strlen(sql), "rules.sql", plan, &rules, &error), OK);
    return rules;
}

static void test_threshold_and_scores(void **state)
{
    (void)state;
    const double amounts[] = {10, 30, 10, NAN};
    struct table events;
    struct decisions decisions;
    fill_events(&events, amounts, 4);
    struct engine *engine = make_engine(NULL, 0.5, 2);
    assert_int_equal(engine_take(engine, &events, &decisions, NULL), OK);
    assert_int_equal(decisions.n, 4);
    /* Worked out by hand: margin = -1 + (amount - 10) / 5 + 0.5 * (n - 1), n = how many of the card in the
     * hour. */
    const double margins[] = {-1, 3, -0.5, -0.5};
    for (int i = 0; i < 4; i++) {
        assert_true(fabs((double)decisions.scores[i] - 1 / (1 + exp(-margins[i]))) < 1e-6);
        assert_int_equal(decisions.decisions[i], margins[i] >= 0 ? DECISION_DECLINE : DECISION_APPROVE);
    }
    assert_null(decisions.rules_fired);
    /* Reasons: strongest first, none where a contribution is 0. */
    assert_int_equal(decisions.reasons[0].feature, -1);
    assert_int_equal(decisions.reasons[2].feature, 0);
    assert_true(fabs(decisions.reasons[2].contribution - 4) < 1e-12);
    assert_int_equal(decisions.reasons[3].feature, -1);
    assert_int_equal(decisions.reasons[4].feature, 1);
    assert_true(fabs(decisions.reasons[4].contribution - 0.5) < 1e-12);
    engine_free(engine);
    engine = make_engine(NULL, NAN, 0);
    assert_int_equal(engine_take(engine, &events, &decisions, NULL), OK);
    assert_int_equal(decisions.decisions[1], DECISION_NONE);
    assert_null(decisions.reasons);
    engine_free(engine);
    table_done(&events);
}

static void test_rules_decide(void **state)
{
    (void)state;
    const double amounts[] = {10, 30, 200, NAN};
    struct table events;
    struct decisions decisions;
    struct rules *rules =
        make_rules("SELECT CASE WHEN amount > 100 THEN 'decline' WHEN score > 0.9 THEN 'review' "
                   "WHEN amount IS NULL THEN NULL ELSE 'approve' END AS decision, amount > 100 AS large, "
                   "n > 1 AS again FROM scored");
    assert_int_equal(rules_count(rules), 2);
    assert_string_equal(rules_name(rules, 1), "again");
    fill_events(&events, amounts, 4);
    struct engine *engine = make_engine(rules, 0.5, 0);
    assert_int_equal(engine_take(engine, &events, &decisions, NULL), OK);
    const int expected[] = {DECISION_APPROVE, DECISION_REVIEW, DECISION_DECLINE, DECISION_REVIEW};
    const uint64_t fired[] = {0, 0, 3, 2};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(decisions.decisions[i], expected[i]);
        assert_int_equal(decisions.rules_fired[i], fired[i]);
    }
    engine_free(engine);
    rules_unref(rules);
    table_done(&events);
}

static struct expr *copy_expr(struct plan *to, const struct expr *expr)
{
    struct expr copy = *expr;
    for (int i = 0; i < copy.n_args; i++)
        copy.args[i] = copy_expr(to, expr->args[i]);
    return bind_intern(to, &copy);
}

/* WHERE amount > 20, put in as the compiler would. */
static void test_filtered_events_are_not_judged(void **state)
{
    (void)state;
    static const char sql[] =
        "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, amount DOUBLE, "
        "y TINYINT DEFAULT 0); SELECT amount > 20 AS wanted FROM tx";
    const double amounts[] = {30, 10, 40, NAN};
    struct table events;
    struct decisions decisions;
    struct plan *other = NULL;
    struct rules *rules =
        make_rules("SELECT 'decline' AS decision, n >= 0 OR n IS NULL AS always FROM scored");
    assert_int_equal(plan_compile(sql, strlen(sql), "where.sql", &other, NULL), OK);
    fill_events(&events, amounts, 4);
    for (int with_rules = 0; with_rules < 2; with_rules++) {
        plan->where = copy_expr(plan, other->roots[0]);
        struct engine *engine = make_engine(with_rules ? rules : NULL, 0, 2);
        plan->where = NULL;
        assert_int_equal(engine_take(engine, &events, &decisions, NULL), OK);
        for (int i = 0; i < 4; i++) {
            bool filtered = i % 2;
            assert_int_equal(decisions.decisions[i], filtered ? DECISION_FILTERED : DECISION_DECLINE);
            assert_true(isnan(decisions.scores[i]) == filtered);
            assert_int_equal(decisions.reasons[2 * i].feature, filtered ? -1 : 0);
            if (with_rules)
                assert_int_equal(decisions.rules_fired[i], !filtered);
        }
        /* Both wanted events are of card 0. */
        assert_int_equal(column_int(&decisions.features->columns[1], &plan_features(plan)->fields[1].type, 2),
                         2);
        assert_true(column_is_null(&decisions.features->columns[0], 1));
        struct state_counters counters;
        state_counters(engine_state(engine), &counters);
        assert_int_equal(counters.filtered, 2);
        engine_free(engine);
    }
    assert_string_equal(decision_text(DECISION_FILTERED), "filtered");
    assert_int_equal(decision_read("filtered", 8), DECISION_NONE);
    rules_unref(rules);
    plan_unref(other);
    table_done(&events);
}

static void assert_rules_refused(const char *sql, const char *text)
{
    struct rules *rules = NULL;
    struct error error;
    assert_int_not_equal(rules_compile(sql, strlen(sql), "rules.sql", plan, &rules, &error), OK);
    assert_null(rules);
    assert_non_null(strstr(error.message, text));
    assert_string_equal(error.place, "rules.sql");
}

static void test_bad_rules(void **state)
{
    (void)state;
    assert_rules_refused("SELECT 'block' AS decision FROM scored", "decision 'block' is unknown");
    assert_rules_refused(
        "SELECT CASE WHEN score > 0.5 THEN CASE WHEN n > 2 THEN 'no' ELSE 'review' END END AS decision "
        "FROM scored",
        "decision 'no' is unknown");
    assert_rules_refused("SELECT score > 0.5 AS decision FROM scored", "must be the decision");
    assert_rules_refused("SELECT 'review' AS verdict FROM scored", "must be the decision");
    assert_rules_refused("SELECT 'review' AS decision, n AS many FROM scored", "rule many is not BOOLEAN");
    assert_rules_refused("SELECT 'review' AS decision, y = 1 AS fraud FROM scored", "y");
    assert_rules_refused("SELECT 'review' AS decision; SELECT 1", "several statements");
}

static void test_batch_of_one_equals_whole(void **state)
{
    (void)state;
    double amounts[200];
    struct table events, one;
    struct decisions decisions;
    float scores[200];
    for (int i = 0; i < 200; i++)
        amounts[i] = i % 7 ? i * 1.37 : NAN;
    fill_events(&events, amounts, 200);
    struct engine *engine = make_engine(NULL, 0.5, 1);
    assert_int_equal(engine_take(engine, &events, &decisions, NULL), OK);
    memcpy(scores, decisions.scores, sizeof scores);
    engine_free(engine);
    engine = make_engine(NULL, 0.5, 1);
    assert_int_equal(table_init(&one, plan_events(plan), NULL), OK);
    for (int i = 0; i < 200; i++) {
        table_clear(&one);
        assert_int_equal(table_append(&one, &events, i, 1, NULL), OK);
        assert_int_equal(engine_take(engine, &one, &decisions, NULL), OK);
        assert_memory_equal(decisions.scores, &scores[i], sizeof scores[i]);
    }
    engine_free(engine);
    table_done(&one);
    table_done(&events);
}

static void test_model_of_other_features(void **state)
{
    (void)state;
    struct engine_options options = {.threshold = 0.5};
    struct engine *engine = NULL;
    struct error error;
    struct model *other = make_model("n", "amount", 1);
    assert_int_equal(engine_new(plan, other, NULL, &options, &engine, &error), CODE_INVALID);
    assert_null(engine);
    assert_non_null(strstr(error.message, "at another place"));
    model_unref(other);
}

/* What a SELECT of constants gives as model input. */
static float convert(const char *expression)
{
    char sql[512];
    struct plan *one;
    struct state *windows;
    struct state_options options = {0};
    struct table events, features;
    float value;
    snprintf(sql, sizeof sql, "CREATE TABLE t (ts TIMESTAMP); SELECT %s AS x FROM t", expression);
    assert_int_equal(plan_compile(sql, strlen(sql), "one.sql", &one, NULL), OK);
    assert_int_equal(state_new(one, &options, &windows, NULL), OK);
    assert_int_equal(table_init(&events, plan_events(one), NULL), OK);
    assert_int_equal(table_reserve(&events, 1, NULL), OK);
    column_append_int(&events.columns[0], &plan_events(one)->fields[0].type, 0);
    events.length = 1;
    assert_int_equal(table_init(&features, plan_features(one), NULL), OK);
    assert_int_equal(state_take(windows, &events, &features, NULL), OK);
    assert_int_equal(dataset_check_features(plan_features(one), NULL), OK);
    dataset_convert(&features, &value);
    table_done(&features);
    table_done(&events);
    state_free(windows);
    plan_unref(one);
    return value;
}

static void test_conversion(void **state)
{
    (void)state;
    assert_true(convert("true") == 1.0f);
    assert_true(convert("CAST(NULL AS BOOLEAN)") != convert("false"));
    assert_true(isnan(convert("CAST(NULL AS INTEGER)")));
    assert_true(isnan(convert("CAST('nan' AS DOUBLE)")));
    assert_true(isnan(convert("CAST('-inf' AS DOUBLE)")));
    assert_true(isnan(convert("CAST(1e39 AS DOUBLE)")));
    assert_true(convert("CAST(16777217 AS BIGINT)") == 16777216.0f);
    assert_true(convert("CAST(18446744073709551615 AS UBIGINT)") == 18446744073709551616.0f);
    assert_true(convert("CAST(1.5 AS DECIMAL(10,2))") == 1.5f);
    assert_true(convert("CAST(-0.1 AS DECIMAL(3,1))") == -0.1f);
    /* 1 + 2^-24 + a little: as a double it is a tie, which would go to 1; rounded once it goes up. */
    assert_true(convert("CAST(1.000000059604644776 AS DECIMAL(19,18))") == 1.00000011920928955078125f);
    assert_true(convert("CAST(0.0000000596046448 AS DECIMAL(17,16))") == 0.0000000596046448f);
}

static void test_conversion_refuses_text(void **state)
{
    (void)state;
    struct schema *schema = schema_new(0);
    struct error error;
    assert_int_equal(schema_add(schema, "city", (struct type){.id = TYPE_VARCHAR}, NULL), OK);
    assert_int_equal(dataset_check_features(schema, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "feature city is VARCHAR"));
    schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_threshold_and_scores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rules_decide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filtered_events_are_not_judged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batch_of_one_equals_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_model_of_other_features, set_up, tear_down),
        cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_conversion_refuses_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
