/*
 * Fuzzing of the UBJSON reader (libFuzzer): whatever the bytes are, the answer is a document that can be
 * walked from end to end, or an error. The model reader gets the same document.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/ubjson.h"
#include "use_model.h"

/* Values below and with `value`: the walk follows every offset and touches every string. */
static size_t count(yyjson_val *value)
{
    size_t i, size, n = 1;
    yyjson_val *key, *member;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, i, size, member) n += count(member);
    } else if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, i, size, key, member)
        {
            if (yyjson_get_str(key)[yyjson_get_len(key)])
                abort();
            n += count(key) + count(member);
        }
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ubjson document = {0};
    struct error error = {0};
    int code = ubjson_read((const char *)data, size, &document, &error);
    if (code == OK ? count(document.values) > size : document.values || !error.message[0])
        abort(); /* every value takes at least a byte */
    ubjson_done(&document);
    use_bytes(data, size);
    return 0;
}
