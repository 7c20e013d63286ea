/*
 * The program: finds the verb, reads its arguments, runs it, says what went wrong. All printing of errors and
 * every exit status is decided here.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/parse.h"

/* Half-written files go, then the program ends as a shell expects it of a signal. */
static void stop(int number)
{
    file_clean_up();
    _exit(128 + number);
}

static void install_signals(void)
{
    struct sigaction action = {.sa_handler = stop}, ignore = {.sa_handler = SIG_IGN};
    sigfillset(&action.sa_mask);
    static const int stopping[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (int i = 0; i < 4; i++) {
        struct sigaction before;
        /* nohup and shells in the background ignore some of them on purpose. */
        if (sigaction(stopping[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(stopping[i], &action, NULL);
    }
    /* A file beyond the limit of its size is an error of write(), with a message. */
    sigaction(SIGXFSZ, &ignore, NULL);
}

static void print_error_json(const struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_val *body = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_val(document, root, "error", body);
    yyjson_mut_obj_add_str(document, body, "code", code_info(error->code)->name);
    yyjson_mut_obj_add_str(document, body, "message", error->message);
    if (error->place[0])
        yyjson_mut_obj_add_str(document, body, "file", error->place);
    if (error->line)
        yyjson_mut_obj_add_sint(document, body, "line", error->line);
    if (error->column)
        yyjson_mut_obj_add_sint(document, body, "column", error->column);
    char *text = yyjson_mut_write(document, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL);
    fprintf(stderr, "%s\n", text ? text : "{\"error\":{\"code\":\"memory\"}}");
    free(text);
    yyjson_mut_doc_free(document);
}

static void print_error(const struct error *error, const struct command *command, bool json)
{
    char line[ERROR_MESSAGE_SIZE + ERROR_PLACE_SIZE + 64];
    if (json) {
        print_error_json(error);
        return;
    }
    fprintf(stderr, "shrike: %s\n", error_format(error, line, sizeof line));
    if (error->code == CODE_USAGE && !error->place[0])
        fprintf(stderr, "'shrike %s%s--help' explains.\n", command ? command->name : "", command ? " " : "");
}

static bool wants_json(int argc, char *const *argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "--json=true") == 0)
            return true;
    return false;
}

/* What stands in stdio's buffer may still meet a full disk. */
static int flush_output(struct error *error)
{
    if (fflush(stdout) || ferror(stdout))
        return error_set_errno(error, errno ? errno : EIO, "cannot write to standard output");
    return OK;
}

static int run_arguments(const struct arguments *arguments, bool *ret_json, struct error *error)
{
    bool has_json = option_find(arguments->command, "json", 4) >= 0;
    *ret_json = has_json && argument_flag(arguments, "json");
    if (arguments->help) {
        help_command(stdout, arguments->command);
        return OK;
    }
    if (arguments->check_config) {
        help_settings(stdout, arguments);
        return OK;
    }
    if (arguments->quiet || *ret_json)
        progress_set_quiet(true);
    if (arguments->quiet)
        log_set_level(LOG_WARNING);
    return arguments->command->run(arguments, error);
}

static int run_verb(int argc, char *const *argv, const struct command **ret_command, bool *ret_json,
                    struct error *error)
{
    int words = 0;
    const struct command *command = command_find(argc, argv, &words, error);
    if (!command)
        return CODE_USAGE;
    *ret_command = command;
    struct arguments arguments;
    int code = arguments_parse(&arguments, command, argc - words, argv + words, error);
    if (!code)
        code = run_arguments(&arguments, ret_json, error);
    arguments_done(&arguments);
    return code;
}

/* Verbs without a table: they print what the tables hold, for `make install` and `make docs`. */
static bool print_manual(const char *word)
{
    static const struct {
        const char *word;
        void (*print)(FILE *out);
    } manuals[] = {
        {"__man", manual_man},
        {"__completion", manual_completion},
        {"__commands", manual_commands},
        {"__errors", manual_errors},
    };
    for (size_t i = 0; i < sizeof manuals / sizeof *manuals; i++)
        if (strcmp(word, manuals[i].word) == 0) {
            manuals[i].print(stdout);
            return true;
        }
    return false;
}

/* `shrike help plan check` and `shrike plan --help`; false where argv asks for something else. */
static bool print_help(int argc, char *const *argv)
{
    bool asked = strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0;
    if (asked && argc == 1) {
        help_program(stdout);
        return true;
    }
    int words;
    const struct command *command = asked ? command_find(argc - 1, argv + 1, &words, NULL) : NULL;
    if (command) {
        help_command(stdout, command);
        return true;
    }
    const char *word = asked ? argv[1] : argv[0];
    bool group = help_is_group(word) && (asked || (argc == 2 && (strcmp(argv[1], "--help") == 0 ||
                                                                 strcmp(argv[1], "-h") == 0)));
    if (group)
        help_group(stdout, word);
    return group;
}

int main(int argc, char **argv)
{
    struct error error = {0};
    const struct command *command = NULL;
    bool json = wants_json(argc - 1, argv + 1);
    int code = OK;
    install_signals();
    if (argc < 2) {
        help_program(stderr);
        return code_info(CODE_USAGE)->exit_status;
    }
    if (strcmp(argv[1], "--version") == 0)
        code = version_print(stdout, json, &error);
    else if (!print_manual(argv[1]) && !print_help(argc - 1, argv + 1))
        code = run_verb(argc - 1, argv + 1, &command, &json, &error);
    if (!code)
        code = flush_output(&error);
    if (code) {
        file_clean_up();
        fflush(stdout);
        print_error(&error, command, json);
    }
    return code_info((enum code)code)->exit_status;
}
