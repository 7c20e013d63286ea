/*
 * Hostile events: whatever the bytes, a line is refused and leaves the table as it was, or is one row more
 * whose text form reads back to the same text.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "table/json_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct schema *every_type(void)
{
    static const char names[TYPE_COUNT + 1] = "abcdefghijklmnopqr";
    struct schema *schema = schema_new(0);
    struct dictionary *values = dictionary_new();
    dictionary_add(values, "pos", 3);
    dictionary_add(values, "", 0);
    for (int id = 0; id < TYPE_COUNT; id++) {
        struct type type = {.id = (enum type_id)id};
        char name[2] = {names[id], 0};
        if (id == TYPE_DECIMAL)
            type.precision = 18, type.scale = 3;
        if (id == TYPE_ENUM)
            type.values = values;
        require(schema_add(schema, name, type, NULL) == OK);
    }
    dictionary_unref(values);
    return schema;
}

static void check_lengths(const struct table *table, int64_t length)
{
    require(table->length == length);
    for (int i = 0; i < table->schema->n; i++)
        require(table->columns[i].length == length && table->columns[i].nulls <= length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct schema *schema;
    static struct json_rows *rows[2];
    static struct table table;
    static struct buffer first, second;
    struct error error = {0};
    if (!schema) {
        schema = every_type();
        require(json_rows_new(schema, TIME_UNIT_NONE, &rows[0], NULL) == OK);
        require(json_rows_new(schema, TIME_UNIT_MS, &rows[1], NULL) == OK);
        require(table_init(&table, schema, NULL) == OK);
        buffer_init(&first, 64 << 20);
        buffer_init(&second, 64 << 20);
    }
    /* Kept from line to line, as a reader keeps it. */
    if (table.length > 1000)
        table_clear(&table);
    for (int i = 0; i < 2; i++) {
        int64_t length = table.length;
        int code = json_rows_parse(rows[i], (const char *)data, size, &table, &error);
        check_lengths(&table, length + (code == OK));
        require(code == OK || error.message[0]);
        if (code != OK)
            continue;
        buffer_clear(&first);
        buffer_clear(&second);
        json_rows_write(&table, length, &first);
        require(first.size > LIMIT_JSON_LINE ||
                json_rows_parse(rows[0], first.data, first.size, &table, &error) == OK);
        json_rows_write(&table, table.length - 1, &second);
        require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    }
    return 0;
}
