/* Options from flags, environment and shrike.yaml: who wins, what is refused, what is suggested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/parse.h"

static const struct option table[] = {
    {.name = "in", .kind = OPTION_LIST, .argument = "FILE", .text = "Input."},
    {.name = "out", .kind = OPTION_TEXT, .argument = "FILE", .text = "Output.", .required = true},
    {.name = "seed",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .fallback = "42",
     .text = "Seed.",
     .minimum = -5,
     .maximum = 1000},
    {.name = "eta", .kind = OPTION_REAL, .argument = "X", .text = "Step.", .minimum = 0, .maximum = 1},
    {.name = "delay", .kind = OPTION_DURATION, .argument = "DURATION", .fallback = "7d", .text = "Delay."},
    {.name = "memory", .kind = OPTION_SIZE, .argument = "SIZE", .text = "Memory."},
    {.name = "train", .kind = OPTION_SPAN, .argument = "FROM..TO", .text = "Span."},
    {.name = "split",
     .kind = OPTION_CHOICE,
     .argument = "time|stratified",
     .fallback = "time",
     .text = "Split."},
    {.name = "top-k", .kind = OPTION_INTEGER, .argument = "K", .text = "Top."},
    {.name = "json", .kind = OPTION_FLAG, .text = "JSON."},
    {0},
};

static int run_nothing(const struct arguments *arguments, struct error *error)
{
    (void)arguments;
    (void)error;
    return OK;
}

static const struct command work = {"work", "Does work.",    "PLAN [MORE]", 1,
                                    2,      "shrike work x", table,         run_nothing};
static const struct command plan_check = {"plan check", "Checks.", "PLAN", 1, 1, "", table + 9, run_nothing};
static const struct command plan_explain = {"plan explain", "Explains.", "PLAN", 1, 1, "",
                                            table + 9,      run_nothing};
const struct command *const commands[] = {&work, &plan_check, &plan_explain, NULL};

static struct error error;
static struct arguments arguments;

static int parse(const char *line)
{
    static char copy[1024];
    static char *words[64];
    int n = 0;
    arguments_done(&arguments);
    error_clear(&error);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        words[n++] = word;
    return arguments_parse(&arguments, &work, n, words, &error);
}

static void refuses(const char *line, const char *expected)
{
    assert_int_equal(parse(line), CODE_USAGE);
    if (!strstr(error.message, expected))
        fail_msg("'%s' gives '%s', expected '%s'", line, error.message, expected);
}

static void flags_are_read(void **state)
{
    (void)state;
    int n;
    assert_int_equal(
        parse("--seed 7 plan.sql --eta=0.5 --train 2018-01-01..2018-02-01 --in a b --out o --top-k 3"), OK);
    assert_string_equal(argument_positional(&arguments, 0), "plan.sql");
    assert_null(argument_positional(&arguments, 1));
    assert_int_equal(argument_integer(&arguments, "seed"), 7);
    assert_true(argument_real(&arguments, "eta") == 0.5);
    assert_int_equal(argument_span(&arguments, "train").to_us - argument_span(&arguments, "train").from_us,
                     31 * DAY_US);
    const char *const *in = argument_list(&arguments, "in", &n);
    assert_int_equal(n, 2);
    assert_string_equal(in[1], "b");
    assert_int_equal(argument_integer(&arguments, "delay"), 7 * DAY_US);
    assert_false(argument_given(&arguments, "memory"));
    assert_true(argument_given(&arguments, "delay"));
    assert_null(argument_text(&arguments, "memory"));
    assert_false(argument_flag(&arguments, "json"));
}

static void lists_may_be_repeated_and_values_may_be_negative(void **state)
{
    (void)state;
    int n;
    assert_int_equal(parse("plan --in a --in=b --in - --out - --seed -5 --json"), OK);
    assert_string_equal(argument_list(&arguments, "in", &n)[2], "-");
    assert_int_equal(n, 3);
    assert_int_equal(argument_integer(&arguments, "seed"), -5);
    assert_true(argument_flag(&arguments, "json"));
    assert_int_equal(parse("--out o -- --strange -x"), OK);
    assert_string_equal(argument_positional(&arguments, 0), "--strange");
    assert_int_equal(argument_positionals(&arguments), 2);
}

static void misuse_is_explained(void **state)
{
    (void)state;
    refuses("plan --out o --sed 3", "did you mean '--seed'?");
    refuses("plan --out o --hlep", "did you mean '--help'?");
    refuses("plan --out o --zzzzzz", "no option '--zzzzzz'");
    refuses("plan --out o -s", "no option '-s'");
    refuses("plan", "needs --out FILE");
    refuses("--out o", "needs PLAN");
    refuses("--out o --in a b", "needs PLAN");
    refuses("a b c --out o", "does not expect 'c' after b");
    refuses("plan --out", "--out needs a value: FILE");
    refuses("plan --out --json", "--out needs a value: FILE");
    refuses("plan --out a --out b", "--out is given twice");
    refuses("plan --out o --seed x", "--seed: 'x' is not an integer");
    refuses("plan --out o --seed 1001", "--seed: 1001 is out of range; expected -5 to 1000");
    refuses("plan --out o --seed 99999999999999999999", "is not an integer");
    refuses("plan --out o --eta nan", "--eta: 'nan' is not a number");
    refuses("plan --out o --eta 1.5", "out of range");
    refuses("plan --out o --delay 7", "--delay: '7' is not a duration");
    refuses("plan --out o --memory 7x", "--memory: '7x' is not a size");
    refuses("plan --out o --train 2018", "--train: '2018' is not a span");
    refuses("plan --out o --split tim", "did you mean 'time'?");
    refuses("plan --out= ", "--out: is empty");
    refuses("plan --out o --json=maybe", "neither true nor false");
}

static void write_settings(const char *text)
{
    FILE *file = fopen("shrike.yaml", "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void flags_win_over_environment_over_settings_over_defaults(void **state)
{
    (void)state;
    int n;
    write_settings(
        "seed: 1\ntop-k: 5\nwork:\n  seed: 2\n  in: [x, y, z]\n  delay: 1d\nplan check:\n  json: true\n");
    setenv("SHRIKE_TOP_K", "6", 1);
    setenv("SHRIKE_DELAY", "2d", 1);
    assert_int_equal(parse("plan --out o --delay 3d"), OK);
    assert_int_equal(argument_integer(&arguments, "seed"), 2);
    assert_int_equal(argument_integer(&arguments, "top-k"), 6);
    assert_int_equal(argument_integer(&arguments, "delay"), 3 * DAY_US);
    argument_list(&arguments, "in", &n);
    assert_int_equal(n, 3);
    assert_false(argument_flag(&arguments, "json"));

    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    help_settings(out, &arguments);
    fclose(out);
    assert_non_null(
        strstr(text, "delay: 3d  (--delay); over 2d  (environment SHRIKE_DELAY); over 1d  (shrike.yaml:6); "
                     "over 7d  (default)\n"));
    assert_non_null(strstr(text, "seed: 2  (shrike.yaml:4); over 42  (default)\n"));
    assert_non_null(strstr(text, "memory: not given\n"));
    free(text);

    setenv("SHRIKE_IN", "p,q", 1);
    assert_int_equal(parse("plan --out o"), OK);
    assert_string_equal(argument_list(&arguments, "in", &n)[1], "q");
    assert_int_equal(n, 2);
    setenv("SHRIKE_TOP_K", "six", 1);
    refuses("plan --out o", "environment SHRIKE_TOP_K: 'six' is not an integer");
    unsetenv("SHRIKE_IN");
    unsetenv("SHRIKE_TOP_K");
    unsetenv("SHRIKE_DELAY");
    unlink("shrike.yaml");
}

static void broken_settings_are_placed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
        int line, column;
    } cases[] = {
        {"out: o\nsed: 3\n", "did you mean 'seed'?", 2, 1},
        {"work:\n  out: o\n  sed: 3\n", "did you mean 'seed'?", 3, 3},
        {"plan check:\n  jsn: true\n", "did you mean 'json'?", 2, 3},
        {"out: [a, b]\n", "takes one value", 1, 6},
        {"work: 3\n", "expected a mapping", 1, 7},
        {"- a\n", "expected a mapping", 1, 1},
        {"out: {\n", "not YAML", 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_settings(cases[i].text);
        refuses("plan --out o", cases[i].expected);
        assert_string_equal(error.place, "shrike.yaml");
        assert_int_equal(error.line, cases[i].line);
        assert_int_equal(error.column, cases[i].column);
    }
    write_settings("work:\n  in: {max_depth: 6, eta: 0.3}\n  out:\n");
    assert_int_equal(parse("plan --out o"), OK);
    int n;
    assert_string_equal(argument_list(&arguments, "in", &n)[1], "eta=0.3");
    write_settings("");
    assert_int_equal(parse("plan --out o"), OK);
    write_settings("seed: 2000\n");
    refuses("plan --out o", "shrike.yaml:1: 2000 is out of range");
    unlink("shrike.yaml");
}

static void verbs_are_found_or_suggested(void **state)
{
    (void)state;
    int words = 0;
    assert_ptr_equal(command_find(3, (char *[]){"plan", "check", "x"}, &words, NULL), &plan_check);
    assert_int_equal(words, 2);
    assert_ptr_equal(command_find(1, (char *[]){"work"}, &words, NULL), &work);
    assert_int_equal(words, 1);
    assert_null(command_find(2, (char *[]){"plan", "chek"}, &words, &error));
    assert_non_null(strstr(error.message, "'plan chek' is not a verb of shrike; did you mean 'plan check'?"));
    assert_null(command_find(1, (char *[]){"wrok"}, &words, &error));
    assert_non_null(strstr(error.message, "did you mean 'work'?"));
    assert_null(command_find(1, (char *[]){"plan"}, &words, &error));
    assert_non_null(strstr(error.message, "needs a second word"));
    assert_null(command_find(1, (char *[]){"xyzzy"}, &words, &error));
    assert_null(strstr(error.message, "did you mean"));
}

static void help_and_checks_need_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(parse("--help"), OK);
    assert_true(arguments.help);
    assert_int_equal(parse("--check-config"), OK);
    assert_true(arguments.check_config);
    assert_int_equal(parse("--check-config --seed x"), CODE_USAGE);
    assert_int_equal(parse("plan --out o --quiet"), OK);
    assert_true(arguments.quiet);
}

static void every_text_is_generated(void **state)
{
    (void)state;
    static void (*const printers[])(FILE *) = {manual_man, manual_completion, manual_commands, help_program};
    for (size_t i = 0; i < sizeof printers / sizeof *printers; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        printers[i](out);
        fclose(out);
        assert_non_null(strstr(text, "plan check"));
        free(text);
    }
}

static char folder[] = "/tmp/shrike_options_XXXXXX";

/* The settings file is looked for in the working directory. */
static int enter_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    arguments_done(&arguments);
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_read),
        cmocka_unit_test(lists_may_be_repeated_and_values_may_be_negative),
        cmocka_unit_test(misuse_is_explained),
        cmocka_unit_test(flags_win_over_environment_over_settings_over_defaults),
        cmocka_unit_test(broken_settings_are_placed),
        cmocka_unit_test(verbs_are_found_or_suggested),
        cmocka_unit_test(help_and_checks_need_nothing_else),
        cmocka_unit_test(every_text_is_generated),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
