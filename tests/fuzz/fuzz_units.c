/* Durations, sizes, times and spans of any text: refused with the output untouched, or read such that what is
 * printed reads back to the same value. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_duration(const char *text)
{
    char printed[UNITS_TEXT_SIZE];
    int64_t us = -7, again;
    if (units_duration(text, &us, NULL)) {
        require(us == -7);
        return;
    }
    require(us >= 0);
    require(units_duration(units_duration_text(us, printed), &again, NULL) == OK && again == us);
}

static void check_time(const char *text)
{
    char printed[UNITS_TEXT_SIZE];
    int64_t us = -7, again;
    if (units_time(text, &us, NULL)) {
        require(us == -7);
        return;
    }
    units_time_text(us, printed);
    /* An offset may lead into the year before the first, which is printed as BC and not read. */
    if (!strstr(printed, "(BC)") && !(strlen(printed) > 4 && printed[4] != '-'))
        require(units_time(printed, &again, NULL) == OK && again == us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = memory_text((const char *)data, size);
    require(text != NULL);
    int64_t bytes = -7;
    struct span span = {-7, -7};
    struct error error = {0};
    check_duration(text);
    check_time(text);
    int code = units_size(text, &bytes, &error);
    require(code ? bytes == -7 && error.message[0] : bytes >= 0);
    code = units_span(text, &span, &error);
    require(code ? span.from_us == -7 && span.to_us == -7 : span.from_us < span.to_us);
    free(text);
    return 0;
}
