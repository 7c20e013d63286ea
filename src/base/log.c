#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_SIZE = 1200, DRAW_EVERY_NS = 100 * 1000 * 1000 };

static _Atomic int minimum_level = LOG_INFO;
static _Atomic bool be_quiet;
/* A progress line stands open on the terminal; a log line must first wipe it. */
static _Atomic bool line_open;

static const char wipe[] = "\r\033[K";

static void write_text(const char *text, size_t n)
{
    /* Diagnostics that cannot be written have nowhere else to go. */
    while (n > 0) {
        ssize_t written = write(STDERR_FILENO, text, n);
        if (written <= 0)
            return;
        text += written;
        n -= (size_t)written;
    }
}

void log_set_level(enum log_level level)
{
    atomic_store(&minimum_level, (int)level);
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if ((int)level < atomic_load(&minimum_level))
        return;
    char line[LINE_SIZE];
    size_t used = (size_t)snprintf(line, sizeof line,
                                   "%s%s: ", atomic_exchange(&line_open, false) ? wipe : "", names[level]);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + used, sizeof line - used - 1, format, arguments);
    va_end(arguments);
    used = strlen(line);
    line[used] = '\n';
    write_text(line, used + 1);
}

void progress_set_quiet(bool quiet)
{
    atomic_store(&be_quiet, quiet);
}

/* 1754155 as "1,754,155"; returns text. */
static const char *grouped(int64_t value, char text[32])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)value), out = 0;
    for (int i = 0; i < n; i++) {
        text[out++] = digits[i];
        if (i + 1 < n && (n - i - 1) % 3 == 0)
            text[out++] = ',';
    }
    text[out] = 0;
    return text;
}

static const char *rate_text(double per_second, char text[32])
{
    if (per_second >= 1e6)
        snprintf(text, 32, "%.2fM", per_second / 1e6);
    else if (per_second >= 1e4)
        snprintf(text, 32, "%.0fk", per_second / 1e3);
    else
        snprintf(text, 32, per_second >= 100 ? "%.0f" : "%.1f", per_second);
    return text;
}

void progress_start(struct progress *progress, const char *what, const char *unit, int64_t total)
{
    const char *wanted = getenv("SHRIKE_PROGRESS");
    bool quiet = atomic_load(&be_quiet);
    *progress = (struct progress){
        .what = what,
        .unit = unit,
        .total = total,
        .started_ns = clock_monotonic_ns(),
        .quiet = quiet,
        .live = !quiet && (wanted ? strcmp(wanted, "1") == 0 : isatty(STDERR_FILENO) == 1),
    };
}

static void draw(struct progress *progress, int64_t now_ns, const char *note)
{
    char line[LINE_SIZE], count[32], total[32], rate[32], share[80] = "";
    double seconds = (double)(now_ns - progress->started_ns) / 1e9;
    double per_second = seconds > 0 ? (double)progress->done / seconds : 0;
    progress->drawn_ns = now_ns;
    if (progress->total > 0)
        snprintf(share, sizeof share, " of %s (%.0f%%)", grouped(progress->total, total),
                 100.0 * (double)progress->done / (double)progress->total);
    int n = snprintf(line, sizeof line, "%s%s: %s%s %s, %s/s%s%s", wipe, progress->what,
                     grouped(progress->done, count), share, progress->unit, rate_text(per_second, rate),
                     *note ? ", " : "", note);
    atomic_store(&line_open, true);
    write_text(line, n < LINE_SIZE ? (size_t)n : LINE_SIZE - 1);
}

void progress_add(struct progress *progress, int64_t n)
{
    progress->done += n;
    if (!progress->live)
        return;
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns - progress->drawn_ns >= DRAW_EVERY_NS)
        draw(progress, now_ns, "");
}

void progress_note(struct progress *progress, const char *format, ...)
{
    if (!progress->live)
        return;
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns - progress->drawn_ns < DRAW_EVERY_NS)
        return;
    char note[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note, sizeof note, format, arguments);
    va_end(arguments);
    draw(progress, now_ns, note);
}

void progress_stop(struct progress *progress)
{
    if (progress->quiet)
        return;
    char line[LINE_SIZE], count[32], rate[32];
    double seconds = (double)(clock_monotonic_ns() - progress->started_ns) / 1e9;
    int n = snprintf(line, sizeof line, "%s%s: %s %s in %.2f s (%s/s)\n",
                     atomic_exchange(&line_open, false) ? wipe : "", progress->what,
                     grouped(progress->done, count), progress->unit, seconds,
                     rate_text(seconds > 0 ? (double)progress->done / seconds : 0, rate));
    write_text(line, n < LINE_SIZE ? (size_t)n : LINE_SIZE - 1);
    progress->quiet = true;
}
