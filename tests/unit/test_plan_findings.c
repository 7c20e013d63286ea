/* Every error of a plan at once: in the order of the text, each where it is, none twice and none made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "feature/parse.h"
#include "feature/plan.h"

#define HEAD                                                                                           \
    "CREATE TABLE t (id BIGINT, ts TIMESTAMP, k INTEGER, v VARCHAR, x DOUBLE, y TINYINT DEFAULT 0);\n" \
    "COMMENT ON COLUMN t.y IS 'shrike: label, late after=7 days';\n"
#define W " OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)"

/* What follows the head, from line 3 on, and "line:column words" of each finding. */
static const struct {
    const char *select, *expected[8];
} plans[] = {
    {"SELECT xx AS a,\n  nosuch(x) AS b,\n  x AS c,\n  y AS d, median(x)" W " AS e FROM t",
     {"3:8 \"xx\" not found", "4:3 nosuch does not exist", "6:3 leakage: feature d uses the late column y",
      "6:11 median: write avg"}},
    /* What uses a refused window or column has no error of its own. */
    {"SELECT median(x)" W " + sum(x)" W " AS a,\n  median(x)" W " * 2 AS b, random() AS c FROM t",
     {"3:8 median", "4:3 median", "4:112 random() changes"}},
    {"WITH a AS (SELECT ts, k, zz AS q, sum(y)" W " AS s, x FROM t)\nSELECT q + 1 AS f, avg(s)" W
     " AS g, lead(x)" W " AS h,\n  w FROM a",
     {"3:26 \"zz\" not found", "3:35 leakage", "4:122 lead would see", "5:3 \"w\" not found"}},
    {"SELECT x AS a\n, x AS a\n, x + 1\n, x AS \"<\"\nFROM t",
     {"4:3 two features are named a", "5:5 feature 3 has no name", "6:3 feature name \"<\" has one of"}},
    /* Commas, brackets and words that end a list, where they do not. */
    {"SELECT 'a, FROM' || zz AS a, concat(v, 'x', \"no, such\") AS b, [1, 2][qq] AS c,\n"
     "  x IS DISTINCT FROM rr AS d, extract(year FROM ss) AS e, $$,$$ || tt -- FROM, x\n"
     "  AS f /* , */ , E'\\',' || uu AS g\nFROM t",
     {"3:21 \"zz\"", "3:45 \"no, such\"", "3:70 \"qq\"", "4:22 \"rr\"", "4:49 \"ss\"", "4:68 \"tt\"",
      "5:28 \"uu\""}},
    {"FROM t SELECT zz AS a, x AS b, qq AS c WHERE x > 0", {"3:15 \"zz\"", "3:32 \"qq\""}},
    {"SELECT zz,qq,x AS c,(SELECT rr FROM t) AS d FROM t",
     {"3:8 \"zz\"", "3:8 a join or subquery", "3:11 \"qq\"", "3:29 \"rr\""}},
    /* An alias stays, for items that use it. */
    {"SELECT zz AS a, a + 1 AS b, qq AS \"c d\", \"c d\" || 'x' AS e FROM t", {"3:8 \"zz\"", "3:29 \"qq\""}},
    /* An error that may come of leaving an item out is none. */
    {"SELECT zz AS a, upper(A) AS b, length(b) AS c, yy AS ab FROM t", {"3:8 \"zz\"", "3:48 \"yy\""}},
    {"WITH a AS (SELECT zz AS q, rr, nosuch(x) AS \"a b\", x AS w FROM t) SELECT upper(q) AS f, rr + 1 AS "
     "g,\n"
     "  \"a b\" || '' AS h, ww AS i FROM a",
     {"3:19 \"zz\"", "3:28 \"rr\"", "3:32 nosuch", "3:89 \"rr\"", "4:21 \"ww\""}},
    {"WITH a AS (SELECT tss AS q, x FROM t) SELECT sum(x) OVER (ORDER BY q) AS f FROM a", {"3:19 \"tss\""}},
    /* What is no item ends the search. */
    {"SELECT zz AS a, qq AS b\nFROM t WHERE rr", {"4:14 \"rr\" not found"}},
    {"SELECT zz AS a, sum(x) OVER w AS b FROM t WINDOW w AS (ORDER BY qq)", {"3:8 \"zz\"", "3:65 \"qq\""}},
    {"SELECT zz AS a FROM nosuch", {"3:21 nosuch does not exist"}},
    {"SELECT x AS a, FROM FROM t", {"3:21 syntax error"}},
    {"SELECT y AS a FROM t WHERE y = 1 AND x > random()",
     {"3:8 leakage: feature a", "3:34 leakage: WHERE looks at", "3:42 random() changes"}},
};

static void test_all_errors_at_once(void **unused)
{
    (void)unused;
    int wrong = 0;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        struct plan_findings findings = {0};
        struct plan *plan = NULL;
        struct error error = {0};
        char sql[4096];
        snprintf(sql, sizeof sql, "%s%s", HEAD, plans[i].select);
        int rc = plan_check(sql, strlen(sql), "test.sql", &findings, &plan, &error), before = wrong;
        assert_null(plan);
        assert_int_equal(rc, error.code);
        size_t n = 0;
        for (; n < findings.n; n++) {
            const struct error *found = &findings.list[n];
            char place[64], *expected = (char *)plans[i].expected[n];
            int length =
                snprintf(place, sizeof place, "%lld:%lld ", (long long)found->line, (long long)found->column);
            wrong += !expected || strncmp(expected, place, (size_t)length) != 0 ||
                     !strstr(found->message, expected + length) || strcmp(found->place, "test.sql") != 0;
        }
        wrong += plans[i].expected[n] != NULL || findings.n == 0 ||
                 strcmp(findings.list[0].message, error.message);
        for (n = 0; wrong > before && n < findings.n; n++)
            print_error("%lld:%lld %s\n", (long long)findings.list[n].line,
                        (long long)findings.list[n].column, findings.list[n].message);
        if (wrong > before)
            print_error("%s\n\n", plans[i].select);
        plan_findings_done(&findings);
    }
    assert_int_equal(wrong, 0);
}

static void test_a_good_plan_has_no_findings(void **unused)
{
    (void)unused;
    struct plan_findings findings = {0};
    struct plan *plan = NULL;
    static const char sql[] = HEAD "SELECT x FROM t";
    assert_int_equal(plan_check(sql, strlen(sql), "test.sql", &findings, &plan, NULL), OK);
    assert_int_equal(findings.n, 0);
    assert_non_null(plan);
    plan_unref(plan);
    plan_findings_done(&findings);
}

static void test_there_is_an_end_to_the_list(void **unused)
{
    (void)unused;
    struct buffer sql;
    struct plan_findings findings = {0};
    struct plan *plan = NULL;
    buffer_init(&sql, 1 << 20);
    buffer_text(&sql, HEAD "SELECT x");
    for (int i = 0; i < LIMIT_FINDINGS + 20; i++)
        buffer_format(&sql, ", lead(x) OVER (ORDER BY ts) AS f%d", i);
    buffer_text(&sql, " FROM t");
    assert_int_equal(plan_check(sql.data, sql.size, "test.sql", &findings, &plan, NULL), CODE_UNSUPPORTED);
    assert_int_equal(findings.n, LIMIT_FINDINGS);
    plan_findings_done(&findings);
    buffer_done(&sql);
}

/* The text keeps its length, so that what stands behind keeps its place. */
static void test_items_are_blanked(void **unused)
{
    (void)unused;
    static const struct {
        const char *sql, *expected; /* ^ is the position */
    } cases[] = {
        {"SELECT ^xx + 1 AS a, y FROM t", "SELECT NULL   AS a, y FROM t"},
        {"SELECT a,b^b,c", "SELECT a,1 ,c"},
        {"SELECT a, b^b FROM t", "SELECT a,1   FROM t"},
        {"SELECT f(a, ^b), c FROM t", "SELECT NULL   , c FROM t"},
        {"SELECT a FROM (SELECT ^bbbbb AS b FROM t)", "SELECT a FROM (SELECT NULL  AS b FROM t)"},
        {"SELECT (SELECT ^a FROM t) AS s FROM t", "SELECT (SELECT 1 FROM t) AS s FROM t"},
        {"SELECT\"^x\"AS a", "SELECT 1 AS a"},
        {"SELECT a FROM ^t", NULL},
        {"^", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[128];
        struct blank blank = {0};
        snprintf(sql, sizeof sql, "%s", cases[i].sql);
        char *caret = strchr(sql, '^');
        memmove(caret, caret + 1, strlen(caret));
        size_t size = strlen(sql);
        bool done = blank_item(sql, (uint64_t)(caret - sql), &blank);
        if (done != (cases[i].expected != NULL) || strlen(sql) != size ||
            (done && strcmp(sql, cases[i].expected) != 0))
            fail_msg("%s: found %d \"%s\"", cases[i].sql, done, sql);
        if (done) {
            assert_true(blank.from <= (size_t)(caret - sql));
            assert_true(blank.to > (size_t)(caret - sql));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_errors_at_once),
        cmocka_unit_test(test_a_good_plan_has_no_findings),
        cmocka_unit_test(test_there_is_an_end_to_the_list),
        cmocka_unit_test(test_items_are_blanked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
