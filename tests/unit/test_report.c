/* The report: thresholds and their rows, JSON that parses back, HTML that stands alone and escapes what it is
 * given. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "base/limits.h"
#include "monitor/html.h"
#include "monitor/report.h"

enum { ROWS = 400 };
static int64_t times[ROWS], entities[ROWS];
static float labels[ROWS], scores[ROWS];
static double amounts[ROWS];
static struct report report;
static struct evaluation evaluation;
static const char *const files[] = {"a <b> & \"c\".parquet"};

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        times[i] = (int64_t)(i / 100) * DAY_US + 17000 * DAY_US;
        entities[i] = i % 50;
        labels[i] = i % 20 == 3;
        scores[i] = (float)((i * 37) % 100) / 200 + (labels[i] != 0 ? 0.4f : 0.0f);
        amounts[i] = 10;
    }
    const struct evaluate_input input = {
        .n = ROWS, .time_us = times, .entity = entities, .label = labels, .score = scores, .amount = amounts};
    const struct evaluate_options options = {.test = {17000 * DAY_US, 17004 * DAY_US},
                                             .known_from_us = 17000 * DAY_US,
                                             .delay_us = DAY_US,
                                             .top_k = 5};
    const struct report_about about = {.model = "<script>alert('x')</script>",
                                       .kind = "forest",
                                       .directory = "models/x/1",
                                       .files = files,
                                       .n_files = 1,
                                       .entity = "card & holder",
                                       .rows_seen = 1234567};
    struct error error;
    if (evaluate_run(&input, &options, &evaluation, &error))
        return 1;
    report_init(&report, &about, &options, &evaluation);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    evaluation_done(&evaluation);
    return 0;
}

static void fill(void)
{
    report_set_cost(&report, (struct cost){.false_alarm = 2, .missed_share = 1});
    report.chosen = report_add_threshold(&report, "given", 0.5);
    report_add_precision(&report, 0.75);
    report_add_precision(&report, 1.5);
    report_add_alerts(&report, 2);
    report_add_share(&report, 0.1);
    report_add_best_f1(&report);
    report_add_lowest_cost(&report);
}

static void test_thresholds(void **state)
{
    (void)state;
    fill();
    assert_int_equal(report.n_thresholds, 7);
    assert_false(report.thresholds[0].from_test);
    assert_true(report.thresholds[1].from_test);
    assert_false(report.thresholds[2].possible);
    struct confusion c = report.thresholds[1].confusion;
    assert_true(confusion_precision(c) >= 0.75);
    c = report.thresholds[3].confusion;
    assert_in_range(c.caught + c.false_alarms, 1, 2 * evaluation.n_days);
    c = report.thresholds[4].confusion;
    assert_in_range(c.caught + c.false_alarms, 1, (int64_t)(0.1 * (double)evaluation.rows));
    c = report.thresholds[0].confusion;
    assert_true(report.thresholds[0].cost == 2.0 * (double)c.false_alarms + 10.0 * (double)c.missed);
    for (int i = 0; i < 6; i++)
        if (report.thresholds[i].possible)
            assert_true(report.thresholds[6].cost <= report.thresholds[i].cost);
}

static yyjson_val *at(yyjson_val *root, const char *pointer)
{
    yyjson_val *value = yyjson_ptr_get(root, pointer);
    if (!value)
        fail_msg("no %s in the JSON", pointer);
    return value;
}

static void test_json(void **state)
{
    (void)state;
    struct buffer out;
    struct error error;
    fill();
    buffer_init(&out, LIMIT_REPORT_BYTES);
    assert_int_equal(report_json(&report, &out, &error), OK);
    yyjson_doc *doc = yyjson_read(out.data, out.size, 0);
    assert_non_null(doc);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_get_int(at(root, "/rows")), evaluation.rows);
    assert_true(yyjson_get_real(at(root, "/metrics/auc")) == evaluation.auc);
    assert_string_equal(yyjson_get_str(at(root, "/protocol/test_from")), "2016-07-18");
    assert_string_equal(yyjson_get_str(at(root, "/protocol/delay")), "1d");
    assert_string_equal(yyjson_get_str(at(root, "/data/files/0")), files[0]);
    assert_true(yyjson_is_null(at(root, "/thresholds/2/threshold")));
    assert_true(yyjson_is_null(at(root, "/roc/0/2")));
    assert_int_equal(yyjson_get_int(at(root, "/thresholds/0/caught")), report.thresholds[0].confusion.caught);
    assert_int_equal(yyjson_arr_size(at(root, "/days")), evaluation.n_days);
    assert_int_equal(yyjson_arr_size(at(root, "/histogram")), REPORT_HISTOGRAM);
    int64_t rows = 0;
    for (int b = 0; b < REPORT_BINS; b++)
        rows += report.width[b].rows;
    assert_int_equal(rows, evaluation.rows);
    yyjson_doc_free(doc);
    buffer_done(&out);
}

static void test_html(void **state)
{
    (void)state;
    struct report_driver drivers[] = {{"amount<i>", 2.0, 7.5}, {"night", 0.5, 1.5}};
    struct buffer out;
    struct error error;
    fill();
    report.drivers = drivers;
    report.n_drivers = 2;
    buffer_init(&out, LIMIT_REPORT_BYTES);
    assert_int_equal(report_html(&report, &out, &error), OK);
    assert_non_null(strstr(out.data, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
    assert_non_null(strstr(out.data, "a &lt;b&gt; &amp; &quot;c&quot;.parquet"));
    assert_non_null(strstr(out.data, "card &amp; holder"));
    assert_non_null(strstr(out.data, "amount&lt;i&gt;"));
    assert_non_null(strstr(out.data, "1,234,567"));
    assert_null(strstr(out.data, "<script"));
    assert_null(strstr(out.data, "<i>"));
    assert_null(strstr(out.data, "http:"));
    assert_null(strstr(out.data, "https:"));
    assert_null(strstr(out.data, "nan"));
    assert_null(strstr(out.data, "url("));
    assert_null(strstr(out.data, ">inf<"));
    assert_null(strstr(out.data, "\"inf"));
    int figures = 0;
    for (const char *p = out.data; (p = strstr(p, "<figure")); p++)
        figures++;
    assert_int_equal(figures, 5);
    buffer_done(&out);
}

/* One class only, no entity, no amounts: figures without a curve, dashes in place of numbers. */
static void test_html_of_little(void **state)
{
    (void)state;
    const struct evaluate_input input = {.n = 1, .time_us = times, .label = labels, .score = scores};
    const struct evaluate_options options = {.test = {times[0], times[0] + 1}};
    const struct report_about about = {.model = "m", .kind = "linear", .directory = "d"};
    static struct report small;
    struct evaluation one;
    struct error error;
    struct buffer out;
    assert_int_equal(evaluate_run(&input, &options, &one, &error), OK);
    report_init(&small, &about, &options, &one);
    small.chosen = report_add_best_f1(&small);
    buffer_init(&out, LIMIT_REPORT_BYTES);
    assert_int_equal(report_html(&small, &out, &error), OK);
    assert_non_null(strstr(out.data, "Not defined: the test rows hold no fraud."));
    assert_non_null(strstr(out.data, "no threshold does this"));
    assert_null(strstr(out.data, "nan"));
    buffer_clear(&out);
    assert_int_equal(report_json(&small, &out, &error), OK);
    assert_non_null(strstr(out.data, "\"auc\":null"));
    buffer_done(&out);
    buffer_init(&out, 100);
    assert_int_equal(report_html(&small, &out, &error), CODE_LIMIT);
    buffer_done(&out);
    evaluation_done(&one);
}

static void test_escape(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 1000);
    html_text(&out, "a\x01"
                    "b\n<&>\"'\xc3\xa9");
    assert_string_equal(out.data, "a&#xfffd;b\n&lt;&amp;&gt;&quot;&#39;\xc3\xa9");
    buffer_done(&out);
}

static void test_counts(void **state)
{
    (void)state;
    char text[UNITS_TEXT_SIZE];
    assert_string_equal(report_count_text(0, text), "0");
    assert_string_equal(report_count_text(999, text), "999");
    assert_string_equal(report_count_text(1000, text), "1,000");
    assert_string_equal(report_count_text(-123456, text), "-123,456");
    assert_string_equal(report_count_text(INT64_MIN, text), "-9,223,372,036,854,775,808");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_thresholds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_html, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_html_of_little, set_up, tear_down),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
