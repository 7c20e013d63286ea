/* Texts generated from the option tables and the code table: man page, bash completion, pages of docs/. */
#include <string.h>

#include "cli/parse.h"

/* ---- man page ---- */

/* Text for roff: backslashes and leading dots would be read as requests, plain dashes may become hyphens. */
static void print_roff(FILE *out, const char *text)
{
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        start = *text == '\n';
    }
}

static void print_man_option(FILE *out, const char *signature, const char *text)
{
    fputs(".TP\n.B ", out);
    print_roff(out, signature);
    fputs("\n", out);
    print_roff(out, text);
    fputs("\n", out);
}

static void print_man_command(FILE *out, const struct command *command)
{
    char signature[128];
    fputs(".SS \"shrike ", out);
    print_roff(out, command->name);
    fputs(*command->positionals ? " " : "", out);
    print_roff(out, command->positionals);
    fputs("\"\n", out);
    print_roff(out, command->summary);
    fputs("\n", out);
    for (int i = 0; i < option_count(command); i++) {
        const struct option *option = &command->options[i];
        help_signature(option, signature, sizeof signature);
        print_man_option(out, signature, option->text);
        if (option->fallback && option->kind != OPTION_FLAG) {
            fputs("Default: ", out);
            print_roff(out, option->fallback);
            fputs(".\n", out);
        }
    }
    if (command->example && *command->example) {
        fputs(".PP\nExample:\n.PP\n.nf\n.RS\n", out);
        print_roff(out, command->example);
        fputs("\n.RE\n.fi\n", out);
    }
}

void manual_man(FILE *out)
{
    fprintf(out, ".TH SHRIKE 1 \"\" \"shrike %s\" \"User Commands\"\n", SHRIKE_VERSION);
    fputs(".SH NAME\nshrike \\- real\\-time fraud detection\n"
          ".SH SYNOPSIS\n.B shrike\n.I VERB\n[arguments] [options]\n"
          ".SH DESCRIPTION\nShrike computes exact window features from SQL, trains a model on them and\n"
          "scores payments, in files and event by event, with reasons.\n.SH VERBS\n",
          out);
    for (int i = 0; commands[i]; i++)
        print_man_command(out, commands[i]);
    fputs(".SH OPTIONS OF EVERY VERB\n", out);
    print_man_option(out, "--help", "Print what the verb does, its options and an example.");
    print_man_option(out, "--check-config",
                     "Print every option, its value and where it came from, then stop.");
    print_man_option(out, "--quiet", "No progress and no notes on standard error.");
    fputs(".SH SETTINGS\nAn option that is not given is taken from the environment (SHRIKE_OUT for\n"
          "\\-\\-out; lists are split at commas), then from shrike.yaml in the working directory.\n"
          ".SH EXIT STATUS\n",
          out);
    for (int code = 0; code < CODE_COUNT; code++) {
        const struct code_info *info = code_info((enum code)code);
        fprintf(out, ".TP\n.B %d\n%s\n", info->exit_status, info->name);
    }
}

/* ---- bash completion ---- */

static bool takes_file(const struct option *option)
{
    return option->kind == OPTION_LIST || option->kind == OPTION_TEXT;
}

static void print_option_words(FILE *out, const struct command *command)
{
    for (int i = 0; i < option_count(command); i++)
        fprintf(out, "--%s ", command->options[i].name);
    fputs("--help --quiet --check-config", out);
}

static void print_choices(FILE *out, const struct command *command)
{
    for (int i = 0; i < option_count(command); i++) {
        const struct option *option = &command->options[i];
        if (option->kind != OPTION_CHOICE)
            continue;
        fprintf(out, "        '%s --%s') words='", command->name, option->name);
        for (const char *p = option->argument; *p; p++)
            fputc(*p == '|' ? ' ' : *p, out);
        fputs("' ;;\n", out);
    }
}

static void print_file_options(FILE *out)
{
    for (int i = 0; commands[i]; i++)
        for (int j = 0; j < option_count(commands[i]); j++)
            if (takes_file(&commands[i]->options[j]))
                fprintf(out, "        '%s --%s') words='' ;;\n", commands[i]->name,
                        commands[i]->options[j].name);
}

void manual_completion(FILE *out)
{
    fputs("# bash completion of shrike, generated from its option tables.\n_shrike() {\n"
          "    local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" words\n"
          "    local verb=\"${COMP_WORDS[1]}\"\n"
          "    case \"$verb\" in\n        ",
          out);
    bool first = true;
    for (int i = 0; commands[i]; i++) {
        const char *space = strchr(commands[i]->name, ' ');
        size_t n = space ? (size_t)(space - commands[i]->name) : 0;
        if (!space || (i > 0 && strncmp(commands[i - 1]->name, commands[i]->name, n + 1) == 0))
            continue;
        fprintf(out, "%s%.*s", first ? "" : "|", (int)n, commands[i]->name);
        first = false;
    }
    fputs(first ? "-)" : ")", out);
    fputs(" [ \"$COMP_CWORD\" -gt 2 ] && verb=\"$verb ${COMP_WORDS[2]}\" ;;\n    esac\n"
          "    case \"$verb\" in\n", out);
    for (int i = 0; commands[i]; i++) {
        fprintf(out, "        '%s') words='", commands[i]->name);
        print_option_words(out, commands[i]);
        fputs("' ;;\n", out);
    }
    fputs("        *) words='", out);
    for (int i = 0; commands[i]; i++)
        fprintf(out, "%s ", commands[i]->name);
    fputs("--help --version' ;;\n    esac\n    case \"$verb $previous\" in\n", out);
    for (int i = 0; commands[i]; i++)
        print_choices(out, commands[i]);
    print_file_options(out);
    fputs("    esac\n    [ -z \"$words\" ] ||\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
          "}\ncomplete -o default -F _shrike shrike\n",
          out);
}

/* ---- docs ---- */

static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_commands_row(FILE *out, const struct option *option)
{
    char signature[128];
    help_signature(option, signature, sizeof signature);
    fputs("| `", out);
    print_cell(out, signature);
    fputs("` | ", out);
    if (option->required)
        fputs("required", out);
    else if (option->fallback && option->kind != OPTION_FLAG)
        print_cell(out, option->fallback);
    fputs(" | ", out);
    print_cell(out, option->text);
    fputs(" |\n", out);
}

void manual_commands(FILE *out)
{
    fputs("# The verbs\n\nGenerated from the option tables by `make docs`; `shrike VERB --help` prints\n"
          "the same. Every verb also has `--help`, `--check-config` and `--quiet`.\n",
          out);
    for (int i = 0; commands[i]; i++) {
        const struct command *command = commands[i];
        fprintf(out, "\n## shrike %s\n\n%s\n\n```\nshrike %s%s%s [options]\n```\n", command->name,
                command->summary, command->name, *command->positionals ? " " : "", command->positionals);
        if (option_count(command))
            fputs("\n| option | default | meaning |\n|---|---|---|\n", out);
        for (int j = 0; j < option_count(command); j++)
            print_commands_row(out, &command->options[j]);
        if (command->example && *command->example)
            fprintf(out, "\n```\n%s%s```\n", command->example,
                    command->example[strlen(command->example) - 1] == '\n' ? "" : "\n");
    }
}

void manual_errors(FILE *out)
{
    static const char *const meanings[CODE_COUNT] = {
        [OK] = "success",
        [CODE_MISMATCH] = "a comparison that was asked for found a difference",
        [CODE_USAGE] = "the command line or a setting cannot be understood",
        [CODE_INVALID] =
            "input that was read but cannot be used: wrong type, missing column, broken row, leakage",
        [CODE_UNSUPPORTED] = "understood, but Shrike cannot do it",
        [CODE_NOT_FOUND] = "a file, a model version or a name that does not exist",
        [CODE_CONFLICT] = "exists already, or contradicts what is there",
        [CODE_CORRUPT] = "bytes that are damaged: checksum, truncation",
        [CODE_LIMIT] = "larger than a limit of Shrike or one that was given",
        [CODE_MEMORY] = "no memory",
        [CODE_IO] = "the operating system refused to read or write",
        [CODE_NO_SPACE] = "the disk is full",
        [CODE_UNAVAILABLE] = "not now; trying again may help",
        [CODE_INTERRUPTED] =
            "stopped by a signal: 130 for SIGINT, 143 for SIGTERM (128 + the signal's number)",
        [CODE_INTERNAL] = "a library failed in a way that Shrike did not expect",
    };
    fputs("# Errors and exit statuses\n\n"
          "Generated from the code table by `make docs`. An error is one line on standard error,\n"
          "`shrike: message`, with file, line and column in front of the message where they are known. With\n"
          "`--json` it is an object instead:\n\n```json\n"
          "{\"error\":{\"code\":\"invalid\",\"message\":\"...\",\"file\":\"a.b\",\"line\":3,\"column\":8}}\n"
          "```\n\n"
          "| code | exit status | HTTP | gRPC | worth retrying | meaning |\n|---|---|---|---|---|---|\n",
          out);
    for (int code = 0; code < CODE_COUNT; code++) {
        const struct code_info *info = code_info((enum code)code);
        fprintf(out, "| `%s` | %d | %d | %d | %s | %s |\n", info->name, info->exit_status, info->http_status,
                info->grpc_code, info->retriable ? "yes" : "no", meanings[code]);
    }
}
