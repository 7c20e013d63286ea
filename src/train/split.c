#include "train/split.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

void rows_done(struct rows *rows)
{
    free(rows->at);
    *rows = (struct rows){0};
}

static int read_step(const char *text, size_t size, const char *option, int64_t *ret, struct error *error)
{
    char digits[24], *end;
    snprintf(digits, sizeof digits, "%.*s", (int)(size < sizeof digits ? size : sizeof digits - 1), text);
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    if (size == 0 || size >= sizeof digits || *end || errno)
        return error_set(error, CODE_USAGE,
                         "--%s %s: the plan counts time in steps, so whole numbers are expected", option,
                         text);
    *ret = value;
    return OK;
}

/* What units.h calls invalid is misuse on the command line. */
static int misuse(const char *option, struct error *error)
{
    error_prefix(error, "--%s", option);
    if (error)
        error->code = CODE_USAGE;
    return CODE_USAGE;
}

int split_read_span(const char *text, const char *option, bool steps, struct span *ret, struct error *error)
{
    struct span span = {0};
    const char *dots = strstr(text, "..");
    int code = OK;
    if (!steps) {
        code = units_span(text, &span, error);
        if (code)
            code = misuse(option, error);
    } else if (!dots) {
        code = error_set(error, CODE_USAGE, "--%s %s: expected FROM..TO", option, text);
    } else {
        code = read_step(text, (size_t)(dots - text), option, &span.from_us, error);
        if (!code)
            code = read_step(dots + 2, strlen(dots + 2), option, &span.to_us, error);
        if (!code && span.from_us >= span.to_us)
            code = error_set(error, CODE_USAGE, "--%s %s: FROM must be before TO", option, text);
    }
    if (!code)
        *ret = span;
    return code;
}

int split_read_delay(const char *text, const char *option, bool steps, int64_t *ret, struct error *error)
{
    int64_t delay = 0;
    int code =
        steps ? read_step(text, strlen(text), option, &delay, error) : units_duration(text, &delay, error);
    if (code)
        return steps ? code : misuse(option, error);
    if (delay < 0)
        return error_set(error, CODE_USAGE, "--%s %s: a delay is not negative", option, text);
    *ret = delay;
    return OK;
}

static const char *time_text(int64_t time, bool steps, char text[UNITS_TEXT_SIZE])
{
    if (!steps)
        return units_time_text(time, text);
    snprintf(text, UNITS_TEXT_SIZE, "%lld", (long long)time);
    return text;
}

int split_check(struct span train, struct span valid, int64_t delay, bool steps, struct error *error)
{
    int64_t earliest;
    if (__builtin_add_overflow(train.to_us, delay, &earliest))
        earliest = INT64_MAX;
    if (valid.from_us >= earliest)
        return OK;
    char from[UNITS_TEXT_SIZE], to[UNITS_TEXT_SIZE], text[UNITS_TEXT_SIZE], wanted[UNITS_TEXT_SIZE];
    return error_set(error, CODE_INVALID,
                     "the valid span starts at %s, but the labels of training rows up to %s are known only "
                     "after the delay of %s: start it at %s or later",
                     time_text(valid.from_us, steps, from), time_text(train.to_us, steps, to),
                     steps ? time_text(delay, true, text) : units_duration_text(delay, text),
                     time_text(earliest, steps, wanted));
}

static int rows_room(struct rows *rows, int64_t n, struct error *error)
{
    rows->at = memory_new((size_t)n, sizeof *rows->at);
    return rows->at ? OK : error_set(error, CODE_MEMORY, "no memory to choose among %lld rows", (long long)n);
}

int split_by_time(const int64_t *time_us, int64_t n, struct span span, struct rows *ret, struct error *error)
{
    struct rows rows = {0};
    int code = rows_room(&rows, n, error);
    if (code)
        return code;
    for (int64_t r = 0; r < n; r++)
        if (time_us[r] >= span.from_us && time_us[r] < span.to_us)
            rows.at[rows.n++] = r;
    *ret = rows;
    return OK;
}

/* A whole number below n, by multiplication; n is far below 2^64, so the bias is below 2^-30. */
static int64_t below(int64_t n, uint64_t row, uint64_t seed)
{
    return (int64_t)((__uint128_t)hash_word(row, hash_word(seed, 1)) * (uint64_t)n >> 64);
}

/* Selection sampling (Knuth, TAOCP 2, 3.4.2, Algorithm S): rows in order, each taken with the chance that
 * is left. */
struct selection {
    int64_t wanted, left;
};

static bool select_row(struct selection *selection, uint64_t row, uint64_t seed)
{
    bool taken = below(selection->left, row, seed) < selection->wanted;
    selection->left--;
    selection->wanted -= taken;
    return taken;
}

int split_stratified(const float *labels, const struct rows *rows, double fraction, uint64_t seed,
                     struct rows *ret_train, struct rows *ret_valid, struct error *error)
{
    struct rows train = {0}, valid = {0};
    struct selection classes[2] = {{0, 0}, {0, 0}};
    if (!(fraction > 0 && fraction < 1))
        return error_set(error, CODE_USAGE,
                         "a fraction of %g of the rows cannot be divided off; expected 0 to 1", fraction);
    for (int64_t i = 0; i < rows->n; i++)
        classes[labels[rows->at[i]] == 1].left++;
    for (int c = 0; c < 2; c++) {
        int64_t n = classes[c].left, wanted = llround((double)n * fraction);
        if (n < 2)
            return error_set(error, CODE_INVALID,
                             "a stratified split needs two rows of each class; there %s %lld %s",
                             n == 1 ? "is" : "are", (long long)n, c ? "with fraud" : "without fraud");
        classes[c].wanted = wanted < 1 ? 1 : wanted > n - 1 ? n - 1 : wanted;
    }
    int code = rows_room(&train, rows->n, error);
    if (!code)
        code = rows_room(&valid, rows->n, error);
    if (code) {
        rows_done(&train);
        return code;
    }
    for (int64_t i = 0; i < rows->n; i++) {
        int64_t row = rows->at[i];
        bool taken = select_row(&classes[labels[row] == 1], (uint64_t)row, seed);
        struct rows *side = taken ? &train : &valid;
        side->at[side->n++] = row;
    }
    *ret_train = train;
    *ret_valid = valid;
    return OK;
}

void split_sample(struct rows *rows, int64_t n, uint64_t seed)
{
    struct selection selection = {n < rows->n ? n : rows->n, rows->n};
    int64_t kept = 0;
    for (int64_t i = 0; i < rows->n; i++)
        if (select_row(&selection, (uint64_t)rows->at[i], hash_word(seed, 2)))
            rows->at[kept++] = rows->at[i];
    rows->n = kept;
}
