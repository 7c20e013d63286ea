#include "api/answer.h"

#include <string.h>

_Static_assert(sizeof((struct shrike_error *)0)->place >= ERROR_PLACE_SIZE, "a place must fit");
_Static_assert(sizeof((struct shrike_error *)0)->message >= ERROR_MESSAGE_SIZE, "a message must fit");

const char *shrike_version(void)
{
    return SHRIKE_VERSION;
}

const char *shrike_code_name(int code)
{
    for (int i = 0; i < CODE_COUNT; i++) {
        if (code_info((enum code)i)->exit_status == code)
            return code_info((enum code)i)->name;
    }
    return "unknown";
}

int api_answer(int rc, const struct error *from, struct shrike_error *to)
{
    if (rc == OK)
        return SHRIKE_OK;
    int code = code_info((enum code)rc)->exit_status;
    if (to) {
        to->code = code;
        to->line = from->line;
        to->column = from->column;
        memcpy(to->place, from->place, sizeof from->place);
        memcpy(to->message, from->message, sizeof from->message);
    }
    return code;
}
