/* What the verbs that read events have in common: options, readers, kept columns. */
#ifndef SHRIKE_CLI_PIPE_H
#define SHRIKE_CLI_PIPE_H

#include "cli/options.h"
#include "feature/state.h"
#include "score/label_book.h"
#include "score/labels.h"
#include "table/file_io.h"

#define PIPE_OPTION_IN                                                                                       \
    {                                                                                                        \
        .name = "in", .kind = OPTION_LIST, .argument = "FILE", .required = true,                             \
        .text = "Events: .parquet, .csv, .jsonl files or globs, in the order in which they happened; - for " \
                "JSON lines on standard input."                                                              \
    }
#define PIPE_OPTION_LATENESS                                                                  \
    {                                                                                         \
        .name = "lateness", .kind = OPTION_DURATION, .argument = "DURATION", .fallback = "0", \
        .text = "How far behind the newest event another may be and still enter the windows." \
    }
#define PIPE_OPTION_TIME_UNIT                                                                   \
    {                                                                                           \
        .name = "time-unit", .kind = OPTION_CHOICE, .argument = "s|ms|us",                      \
        .text = "What integers count that stand where the plan has a TIMESTAMP. Never guessed." \
    }
#define PIPE_OPTION_THREADS                                                                              \
    {                                                                                                    \
        .name = "threads", .kind = OPTION_INTEGER, .argument = "N", .fallback = "0", .minimum = 0,       \
        .maximum = 256, .text = "Threads; 0 = one per processor. The result is the same for any number." \
    }

#define PIPE_OPTION_MEMORY                                                                               \
    {                                                                                                    \
        .name = "memory", .kind = OPTION_SIZE, .argument = "SIZE",                                       \
        .text = "Stop with an error before windows take more; 0 = no limit. Default: 80% of the memory " \
                "of the machine, or of the container."                                                   \
    }

#define PIPE_OPTION_LABELS                                                                                \
    {.name = "labels",                                                                                    \
     .kind = OPTION_LIST,                                                                                 \
     .argument = "FILE",                                                                                  \
     .text = "Labels that became known later: files with the plan's id, its late columns, and when each " \
             "arrived. What the events say of late columns is not looked at then."},                      \
    {                                                                                                     \
        .name = "label-time", .kind = OPTION_TEXT, .with = "labels", .argument = "COLUMN",                \
        .fallback = "label_time", .text = "The column of --labels that says when a label arrived."        \
    }

#define PIPE_OPTION_REGISTRY                                                              \
    {                                                                                     \
        .name = "registry", .kind = OPTION_TEXT, .argument = "DIR", .fallback = "models", \
        .text = "Directory of the registry, for models:/ names."                          \
    }
#define PIPE_OPTION_SECRET_KEY                                                                             \
    {                                                                                                      \
        .name = "secret-key-file", .kind = OPTION_TEXT, .argument = "FILE",                                \
        .text =                                                                                            \
            "A key of 16 bytes or more. Values of columns that are secret are written as a hash with it; " \
            "without a key, as \"secret\".",                                                               \
    }
#define PIPE_OPTION_EXPLAIN_FROM                                                                        \
    {                                                                                                   \
        .name = "explain-from", .kind = OPTION_REAL, .argument = "X",                                   \
        .text = "Give reasons only from this score on. They take far longer to compute than the score." \
    }
#define PIPE_OPTION_THRESHOLD                                                                       \
    {                                                                                               \
        .name = "threshold", .kind = OPTION_REAL, .argument = "X", .minimum = 0, .maximum = 1,      \
        .text = "Decline from this score on, instead of what the version's rules or threshold say." \
    }

/* --threads, 0 resolved. */
int pipe_threads(const struct arguments *arguments);
/* --memory in bytes, its default resolved; 0 = no limit. */
int64_t pipe_memory(const struct arguments *arguments);
enum time_unit pipe_time_unit(const struct arguments *arguments);

/* The input's columns: those of the plan's events, then those of --keep that are not among them. */
struct kept {
    struct schema *in;
    int *columns; /* of `in`, one per kept column */
    int n;
};
int pipe_keep(const struct arguments *arguments, struct plan *plan, struct kept *ret, struct error *error);
void pipe_kept_done(struct kept *kept);

/* --labels and --label-time; false without --labels. */
bool pipe_labels(const struct arguments *arguments, struct labels_options *ret);
/* Says how many labels there were, and which of them reached nothing. */
void pipe_report_labels(const struct labels_counters *counters);

/* The same as a member of a JSON object that others stand before; nothing for NULL. */
void pipe_print_labels(const struct labels_counters *counters);
/* The same of labels that go through a journal: what waits, and what is kept for those to come. */
void pipe_report_book(const struct label_counters *counters);

/* Opens --in with these columns, read ahead by a pool's threads, or NULL. */
int pipe_reader(const struct arguments *arguments, struct schema *columns, struct parallel *pool,
                struct reader **ret, struct error *error);
/* Says how many events the plan's WHERE left out, where it did. */
void pipe_report_filtered(const struct state_counters *counters);
/* Warns of ENUM values that were not in the plan's list. */
void pipe_report_enums(struct reader *reader);

#endif
