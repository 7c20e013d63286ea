#include <string.h>

#include "cli/parse.h"

enum { WIDTH = 96, INDENT = 26 };

/* Prints text from column `column` on, broken at spaces, later lines indented by INDENT. */
static void print_wrapped(FILE *out, const char *text, int column)
{
    if (column >= INDENT) {
        fprintf(out, "\n");
        column = 0;
    }
    fprintf(out, "%*s", INDENT - column, "");
    column = INDENT;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column > INDENT && column + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", INDENT, "");
            column = INDENT;
        }
        column += fprintf(out, "%s%.*s", column > INDENT ? " " : "", n, text);
        text += n;
        text += strspn(text, " ");
    }
    fprintf(out, "\n");
}

static void print_item(FILE *out, const char *name, const char *text)
{
    int column = fprintf(out, "  %s", name);
    print_wrapped(out, text, column + 1 > INDENT ? INDENT : column);
}

void help_signature(const struct option *option, char *buffer, int size)
{
    const char *argument = option->kind == OPTION_FLAG ? "" : option->argument;
    bool dots = option->kind == OPTION_LIST && !strstr(argument, "...");
    snprintf(buffer, (size_t)size, "--%s%s%s%s", option->name, *argument ? " " : "", argument,
             dots ? "..." : "");
}

static void print_option(FILE *out, const struct option *option)
{
    char signature[128], text[1024];
    help_signature(option, signature, sizeof signature);
    if (option->required)
        snprintf(text, sizeof text, "%s (required)", option->text);
    else if (option->fallback && option->kind != OPTION_FLAG)
        snprintf(text, sizeof text, "%s (default: %s)", option->text, option->fallback);
    else
        snprintf(text, sizeof text, "%s", option->text);
    print_item(out, signature, text);
}

static void print_lines(FILE *out, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        fprintf(out, "  %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void help_command(FILE *out, const struct command *command)
{
    char signature[128];
    fprintf(out, "shrike %s: %s\n\nUsage: shrike %s", command->name, command->summary, command->name);
    if (*command->positionals)
        fprintf(out, " %s", command->positionals);
    int n = option_count(command);
    for (int i = 0; i < n; i++)
        if (command->options[i].required) {
            help_signature(&command->options[i], signature, sizeof signature);
            fprintf(out, " %s", signature);
        }
    fprintf(out, " [options]\n\nOptions:\n");
    for (int i = 0; i < n; i++)
        print_option(out, &command->options[i]);
    print_item(out, "--quiet", "No progress and no notes on standard error.");
    print_item(out, "--check-config", "Print every option, its value and where it came from, then stop.");
    print_item(out, "--help", "Print this text.");
    if (command->example && *command->example) {
        fprintf(out, "\nExample:\n");
        print_lines(out, command->example);
    }
}

bool help_is_group(const char *word)
{
    size_t n = strlen(word);
    for (int i = 0; commands[i]; i++)
        if (strncmp(commands[i]->name, word, n) == 0 && commands[i]->name[n] == ' ')
            return true;
    return false;
}

void help_group(FILE *out, const char *word)
{
    size_t n = strlen(word);
    fprintf(out, "Usage: shrike %s VERB [options]\n\nVerbs:\n", word);
    for (int i = 0; commands[i]; i++)
        if (strncmp(commands[i]->name, word, n) == 0 && commands[i]->name[n] == ' ')
            print_item(out, commands[i]->name, commands[i]->summary);
    fprintf(out, "\n'shrike %s VERB --help' explains one of them.\n", word);
}

void help_program(FILE *out)
{
    fprintf(out, "shrike: real-time fraud detection, from a features.sql to explained scores\n\n"
                 "Usage: shrike VERB [arguments] [options]\n\nVerbs:\n");
    for (int i = 0; commands[i]; i++)
        print_item(out, commands[i]->name, commands[i]->summary);
    fprintf(out,
            "\n'shrike VERB --help' explains one of them; 'shrike --version' names the libraries in use.\n"
            "An option that is not given is taken from the environment (SHRIKE_OUT for --out), then from\n"
            "shrike.yaml in the working directory; --check-config shows what won and why.\n");
}

static void print_candidate(FILE *out, const struct candidate *candidate)
{
    for (size_t i = 0; i < candidate->n; i++)
        fprintf(out, "%s%s", i ? " " : "", candidate->items[i]);
    fprintf(out, "  (%s)", candidate->place);
}

void help_settings(FILE *out, const struct arguments *arguments)
{
    for (int i = 0; i < arguments->n_values; i++) {
        const struct option *option = &arguments->command->options[i];
        const struct value *value = &arguments->values[i];
        fprintf(out, "%s: ", option->name);
        if (value->origin == ORIGIN_NONE)
            fprintf(out, "not given%s", option->required ? ", but required" : "");
        else
            print_candidate(out, &value->candidates[value->origin]);
        for (int origin = (int)value->origin - 1; origin > ORIGIN_NONE; origin--)
            if (value->candidates[origin].n) {
                fprintf(out, "; over ");
                print_candidate(out, &value->candidates[origin]);
            }
        fprintf(out, "\n");
    }
}
