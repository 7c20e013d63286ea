#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "table/arrow.h"
#include "table/parse.h"

enum { MOST_BUFFERS = 3, FORMAT_SIZE = 24 };

/* What an exported schema owns besides itself. */
struct schema_memory {
    char *name;
    char format[FORMAT_SIZE];
    struct ArrowSchema **children;
};

/* What an exported array owns besides itself: buffers are free()d. */
struct array_memory {
    const void *buffers[MOST_BUFFERS];
    struct ArrowArray **children;
};

/* A child that someone moved away has no release; its empty struct is still ours. */
static void release_schema(struct ArrowSchema *schema)
{
    struct schema_memory *memory = schema->private_data;
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i] && schema->children[i]->release)
            schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    if (schema->dictionary && schema->dictionary->release)
        schema->dictionary->release(schema->dictionary);
    free(schema->dictionary);
    free(memory->children);
    free(memory->name);
    free(memory);
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    struct array_memory *memory = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i] && array->children[i]->release)
            array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    if (array->dictionary && array->dictionary->release)
        array->dictionary->release(array->dictionary);
    free(array->dictionary);
    for (int i = 0; i < MOST_BUFFERS; i++)
        free((void *)memory->buffers[i]);
    free(memory->children);
    free(memory);
    array->release = NULL;
}

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for an Arrow array");
}

static bool schema_start(struct ArrowSchema *ret, const char *name, const char *format, int64_t n_children)
{
    struct schema_memory *memory = memory_new(1, sizeof *memory);
    char *copy = memory_text(name, strlen(name));
    struct ArrowSchema **children = memory_new((size_t)n_children, sizeof *children);
    if (!memory || !copy || !children) {
        free(memory);
        free(copy);
        free(children);
        return false;
    }
    memory->name = copy;
    memory->children = children;
    snprintf(memory->format, sizeof memory->format, "%s", format);
    *ret = (struct ArrowSchema){.format = memory->format,
                                .name = copy,
                                .flags = ARROW_FLAG_NULLABLE,
                                .n_children = n_children,
                                .children = n_children ? children : NULL,
                                .release = release_schema,
                                .private_data = memory};
    return true;
}

static bool array_start(struct ArrowArray *ret, int64_t length, int64_t n_buffers, int64_t n_children)
{
    struct array_memory *memory = memory_new(1, sizeof *memory);
    struct ArrowArray **children = memory_new((size_t)n_children, sizeof *children);
    if (!memory || !children) {
        free(memory);
        free(children);
        return false;
    }
    memory->children = children;
    *ret = (struct ArrowArray){.length = length,
                               .n_buffers = n_buffers,
                               .n_children = n_children,
                               .buffers = memory->buffers,
                               .children = n_children ? children : NULL,
                               .release = release_array,
                               .private_data = memory};
    return true;
}

static void format_text(const struct type *type, char format[FORMAT_SIZE])
{
    static const char *const formats[TYPE_COUNT] = {
        [TYPE_BOOLEAN] = "b", [TYPE_INT8] = "c",    [TYPE_INT16] = "s",        [TYPE_INT32] = "i",
        [TYPE_INT64] = "l",   [TYPE_UINT8] = "C",   [TYPE_UINT16] = "S",       [TYPE_UINT32] = "I",
        [TYPE_UINT64] = "L",  [TYPE_FLOAT] = "f",   [TYPE_DOUBLE] = "g",       [TYPE_HUGEINT] = "d:38,0",
        [TYPE_DATE] = "tdD",  [TYPE_VARCHAR] = "u", [TYPE_TIMESTAMP] = "tsu:", [TYPE_TIMESTAMPTZ] = "tsu:UTC",
        [TYPE_ENUM] = "i",
    };
    if (type->id == TYPE_DECIMAL)
        snprintf(format, FORMAT_SIZE, "d:%d,%d", type->precision, type->scale);
    else
        snprintf(format, FORMAT_SIZE, "%s", formats[type->id]);
}

static bool column_schema(const struct field *field, bool coded, struct ArrowSchema *ret)
{
    char format[FORMAT_SIZE];
    format_text(&field->type, format);
    if (!schema_start(ret, field->name, coded ? "i" : format, 0))
        return false;
    if (!coded)
        return true;
    ret->dictionary = memory_new(1, sizeof *ret->dictionary);
    return ret->dictionary && schema_start(ret->dictionary, "", "u", 0);
}

/* Text array of a dictionary's strings. */
static bool dictionary_array(const struct dictionary *dictionary, struct ArrowArray *ret)
{
    int32_t n = dictionary_size(dictionary);
    size_t size, total = 0;
    for (int32_t code = 0; code < n; code++)
        dictionary_text(dictionary, code, &size), total += size;
    if (total > INT32_MAX || !array_start(ret, n, 3, 0))
        return false;
    int32_t *offsets = memory_aligned(((size_t)n + 1) * sizeof *offsets);
    char *bytes = memory_aligned(total);
    ret->buffers[1] = offsets;
    ret->buffers[2] = bytes;
    if (!offsets || !bytes)
        return false;
    offsets[0] = 0;
    for (int32_t code = 0; code < n; code++) {
        const char *text = dictionary_text(dictionary, code, &size);
        memcpy(bytes + offsets[code], text, size);
        offsets[code + 1] = offsets[code] + (int32_t)size;
    }
    return true;
}

/* The array without the column's buffers, which move when nothing can fail any more. */
static bool column_array(const struct type *type, const struct column *column, struct ArrowArray *ret)
{
    bool plain = type->id == TYPE_VARCHAR && !column->dictionary;
    if (!array_start(ret, column->length, plain ? 3 : 2, 0))
        return false;
    if (plain && !column->offsets) {
        /* Text without rows still has one offset. */
        int32_t *offsets = memory_aligned(sizeof *offsets);
        if (!offsets)
            return false;
        *offsets = 0;
        ret->buffers[1] = offsets;
    }
    ret->null_count = column->nulls;
    if (!column->dictionary)
        return true;
    ret->dictionary = memory_new(1, sizeof *ret->dictionary);
    return ret->dictionary && dictionary_array(column->dictionary, ret->dictionary);
}

static void move_buffers(struct column *column, struct ArrowArray *array)
{
    if (column->nulls)
        array->buffers[0] = column->validity;
    else
        free(column->validity);
    if (array->n_buffers == 3) {
        if (column->offsets)
            array->buffers[1] = column->offsets;
        array->buffers[2] = column->data;
    } else {
        free(column->offsets);
        array->buffers[1] = column->data;
    }
    dictionary_unref(column->dictionary);
    *column = (struct column){0};
}

static int check_hugeints(const struct table *table, struct error *error)
{
    for (int i = 0; i < table->schema->n; i++) {
        struct value value;
        const struct type decimal = {.id = TYPE_DECIMAL, .precision = 38};
        const struct column *column = &table->columns[i];
        if (table->schema->fields[i].type.id != TYPE_HUGEINT)
            continue;
        for (int64_t k = 0; k < table->length; k++) {
            if (!column_is_null(column, k) && fit_decimal(column_wide(column, k), &decimal, &value))
                return error_set(error, CODE_INVALID,
                                 "column \"%s\": an integer of 39 digits does not fit d:38,0",
                                 table->schema->fields[i].name);
        }
    }
    return OK;
}

int arrow_export(struct table *table, struct ArrowSchema *ret_schema, struct ArrowArray *ret_array,
                 struct error *error)
{
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    int n = table->schema->n, code = check_hugeints(table, error);
    if (code != OK)
        return code;
    bool good = schema_start(&schema, "", "+s", n) && array_start(&array, table->length, 1, n);
    for (int i = 0; good && i < n; i++) {
        schema.children[i] = memory_new(1, sizeof *schema.children[i]);
        array.children[i] = memory_new(1, sizeof *array.children[i]);
        good = schema.children[i] && array.children[i] &&
               column_schema(&table->schema->fields[i], table->columns[i].dictionary, schema.children[i]) &&
               column_array(&table->schema->fields[i].type, &table->columns[i], array.children[i]);
    }
    if (!good) {
        if (schema.release)
            schema.release(&schema);
        if (array.release)
            array.release(&array);
        return no_memory(error);
    }
    for (int i = 0; i < n; i++)
        move_buffers(&table->columns[i], array.children[i]);
    table->reserved = 0;
    table_clear(table);
    *ret_schema = schema;
    *ret_array = array;
    return OK;
}
