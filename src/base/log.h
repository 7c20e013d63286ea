/*
 * Diagnostics of the program (the library never logs): one line each on stderr, "level: message", and
 * progress on a terminal. Threads: safe, a line is one write.
 */
#ifndef SHRIKE_BASE_LOG_H
#define SHRIKE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_set_level(enum log_level level); /* default LOG_INFO */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Progress of long work. Drawn at most ten times a second, only when stderr is a terminal or
 * SHRIKE_PROGRESS=1; one closing line with count, rate and time otherwise. total 0 = unknown. unit: "rows",
 * "rounds". */
struct progress {
    const char *what, *unit;
    int64_t total, done;
    int64_t started_ns, drawn_ns;
    bool live, quiet;
};
void progress_start(struct progress *progress, const char *what, const char *unit, int64_t total);
void progress_add(struct progress *progress, int64_t n);
void progress_note(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
void progress_stop(struct progress *progress);
void progress_set_quiet(bool quiet); /* --quiet and --json: no progress from here on */

#endif
