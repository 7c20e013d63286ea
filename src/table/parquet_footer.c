#include "table/parquet_footer.h"

#include <string.h>

#include "base/limits.h"
#include "table/parquet_chunk.h"
#include "table/parquet_thrift.h"

/* Cases of the union LogicalType. */
enum {
    LOGICAL_STRING = 1,
    LOGICAL_DECIMAL = 5,
    LOGICAL_DATE = 6,
    LOGICAL_TIMESTAMP = 8,
    LOGICAL_INTEGER = 10
};

enum { OPTIONAL = 1, MICROS = 2, FORMAT_VERSION = 1 };

void parquet_footer_init(struct parquet_footer *footer, const struct schema *schema)
{
    *footer = (struct parquet_footer){.schema = schema};
    buffer_init(&footer->groups, LIMIT_PARQUET_FOOTER);
}

void parquet_footer_done(struct parquet_footer *footer)
{
    buffer_done(&footer->groups);
}

static int converted_of(const struct type *type)
{
    switch (type->id) {
    case TYPE_VARCHAR:
    case TYPE_ENUM:
        return PARQUET_UTF8;
    case TYPE_DECIMAL:
    case TYPE_HUGEINT:
        return PARQUET_DECIMAL;
    case TYPE_DATE:
        return PARQUET_DATE;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return PARQUET_TIMESTAMP_MICROS;
    case TYPE_INT8:
        return PARQUET_INT_8;
    case TYPE_INT16:
        return PARQUET_INT_16;
    case TYPE_UINT8:
        return PARQUET_UINT_8;
    case TYPE_UINT16:
        return PARQUET_UINT_16;
    case TYPE_UINT32:
        return PARQUET_UINT_32;
    case TYPE_UINT64:
        return PARQUET_UINT_64;
    default:
        return PARQUET_NONE;
    }
}

static void put_timestamp(struct thrift *thrift, bool utc)
{
    thrift_struct(thrift, LOGICAL_TIMESTAMP);
    thrift_bool(thrift, 1, utc);
    thrift_struct(thrift, 2);
    thrift_empty(thrift, MICROS);
    thrift_end(thrift);
    thrift_end(thrift);
}

static void put_integer(struct thrift *thrift, const struct type *type)
{
    bool has_sign = type->id == TYPE_INT8 || type->id == TYPE_INT16;
    thrift_struct(thrift, LOGICAL_INTEGER);
    thrift_byte(thrift, 1, (int8_t)(type_width(type->id) * 8));
    thrift_bool(thrift, 2, has_sign);
    thrift_end(thrift);
}

static void put_decimal(struct thrift *thrift, int precision, int scale)
{
    thrift_struct(thrift, LOGICAL_DECIMAL);
    thrift_int(thrift, 1, THRIFT_I32, scale);
    thrift_int(thrift, 2, THRIFT_I32, precision);
    thrift_end(thrift);
}

/* What the physical type means, field 10 of a schema element. */
static void put_logical(struct thrift *thrift, const struct type *type, int precision)
{
    thrift_struct(thrift, 10);
    switch (converted_of(type)) {
    case PARQUET_UTF8:
        thrift_empty(thrift, LOGICAL_STRING);
        break;
    case PARQUET_DECIMAL:
        put_decimal(thrift, precision, type->scale);
        break;
    case PARQUET_DATE:
        thrift_empty(thrift, LOGICAL_DATE);
        break;
    case PARQUET_TIMESTAMP_MICROS:
        put_timestamp(thrift, type->id == TYPE_TIMESTAMPTZ);
        break;
    default:
        put_integer(thrift, type);
    }
    thrift_end(thrift);
}

static void put_column(struct thrift *thrift, const struct field *field)
{
    const struct type *type = &field->type;
    enum parquet_physical physical = parquet_physical(type);
    /* HUGEINT, which Parquet lacks, is written as a DECIMAL of as many digits as that has. */
    int converted = converted_of(type), precision = type->id == TYPE_HUGEINT ? 38 : type->precision;
    thrift_begin(thrift);
    thrift_int(thrift, 1, THRIFT_I32, physical);
    if (physical == PARQUET_FIXED)
        thrift_int(thrift, 2, THRIFT_I32, parquet_width(type));
    thrift_int(thrift, 3, THRIFT_I32, OPTIONAL);
    thrift_binary(thrift, 4, field->name, strlen(field->name));
    if (converted != PARQUET_NONE)
        thrift_int(thrift, 6, THRIFT_I32, converted);
    if (converted == PARQUET_DECIMAL) {
        thrift_int(thrift, 7, THRIFT_I32, type->scale);
        thrift_int(thrift, 8, THRIFT_I32, precision);
    }
    if (converted != PARQUET_NONE)
        put_logical(thrift, type, precision);
    thrift_end(thrift);
}

static void put_schema(struct thrift *thrift, const struct schema *schema)
{
    static const char root[] = "schema";
    thrift_list(thrift, 2, THRIFT_STRUCT, schema->n + 1);
    thrift_begin(thrift);
    thrift_binary(thrift, 4, root, sizeof root - 1);
    thrift_int(thrift, 5, THRIFT_I32, schema->n);
    thrift_end(thrift);
    for (int i = 0; i < schema->n; i++)
        put_column(thrift, &schema->fields[i]);
}

static void put_statistics(struct thrift *thrift, const struct type *type, const struct parquet_facts *facts)
{
    thrift_struct(thrift, 12);
    thrift_int(thrift, 3, THRIFT_I64, facts->nulls);
    if (facts->bounded) {
        thrift_binary(thrift, 5, facts->greatest, facts->greatest_size);
        thrift_binary(thrift, 6, facts->least, facts->least_size);
        thrift_bool(thrift, 7, true);
        thrift_bool(thrift, 8, true);
    }
    if (type->id == TYPE_FLOAT || type->id == TYPE_DOUBLE)
        thrift_int(thrift, 9, THRIFT_I64, facts->nans);
    thrift_end(thrift);
}

static void put_encodings(struct thrift *thrift, const struct parquet_facts *facts)
{
    bool plain = facts->dictionary_size && facts->encoding != PARQUET_PLAIN;
    thrift_list(thrift, 2, THRIFT_I32, plain ? 3 : 2);
    thrift_element_int(thrift, PARQUET_RLE);
    if (plain)
        thrift_element_int(thrift, PARQUET_PLAIN);
    thrift_element_int(thrift, facts->encoding);
}

static void put_chunk(struct thrift *thrift, const struct field *field, const struct parquet_facts *facts,
                      int64_t offset, int64_t size)
{
    thrift_begin(thrift);
    thrift_int(thrift, 2, THRIFT_I64, 0);
    thrift_struct(thrift, 3);
    thrift_int(thrift, 1, THRIFT_I32, parquet_physical(&field->type));
    put_encodings(thrift, facts);
    thrift_list(thrift, 3, THRIFT_BINARY, 1);
    thrift_element_text(thrift, field->name);
    thrift_int(thrift, 4, THRIFT_I32, facts->codec);
    thrift_int(thrift, 5, THRIFT_I64, facts->rows);
    thrift_int(thrift, 6, THRIFT_I64, facts->plain_size);
    thrift_int(thrift, 7, THRIFT_I64, size);
    thrift_int(thrift, 9, THRIFT_I64, offset + facts->dictionary_size);
    if (facts->dictionary_size)
        thrift_int(thrift, 11, THRIFT_I64, offset);
    put_statistics(thrift, &field->type, facts);
    thrift_end(thrift);
    thrift_end(thrift);
}

void parquet_footer_add(struct parquet_footer *footer, int64_t offset, const struct parquet_facts *facts,
                        const int64_t *sizes)
{
    struct thrift thrift = {.out = &footer->groups};
    int64_t plain_size = 0, size = 0;
    thrift_begin(&thrift);
    thrift_list(&thrift, 1, THRIFT_STRUCT, footer->schema->n);
    for (int i = 0; i < footer->schema->n; i++) {
        put_chunk(&thrift, &footer->schema->fields[i], &facts[i], offset + size, sizes[i]);
        plain_size += facts[i].plain_size;
        size += sizes[i];
    }
    thrift_int(&thrift, 2, THRIFT_I64, plain_size);
    thrift_int(&thrift, 3, THRIFT_I64, facts[0].rows);
    thrift_int(&thrift, 5, THRIFT_I64, offset);
    thrift_int(&thrift, 6, THRIFT_I64, size);
    thrift_end(&thrift);
    footer->n_groups++;
    footer->rows += facts[0].rows;
}

int parquet_footer_write(const struct parquet_footer *footer, struct buffer *out, struct error *error)
{
    static const char writer[] = "shrike version " SHRIKE_VERSION;
    struct thrift thrift = {.out = out};
    size_t before = out->size;
    thrift_begin(&thrift);
    thrift_int(&thrift, 1, THRIFT_I32, FORMAT_VERSION);
    put_schema(&thrift, footer->schema);
    thrift_int(&thrift, 3, THRIFT_I64, footer->rows);
    thrift_list(&thrift, 4, THRIFT_STRUCT, footer->n_groups);
    if (footer->groups.size)
        buffer_append(out, footer->groups.data, footer->groups.size);
    thrift_binary(&thrift, 6, writer, sizeof writer - 1);
    /* Bounds mean something only with the order they follow: for every column, that of its type. */
    thrift_list(&thrift, 7, THRIFT_STRUCT, footer->schema->n);
    for (int i = 0; i < footer->schema->n; i++) {
        thrift_begin(&thrift);
        thrift_empty(&thrift, 1);
        thrift_end(&thrift);
    }
    thrift_end(&thrift);
    uint32_t size = (uint32_t)(out->size - before);
    buffer_append(out, (const char *)&size, sizeof size);
    buffer_append(out, "PAR1", 4);
    int code = buffer_check(&footer->groups, "the footer of a Parquet file", error);
    return code == OK ? buffer_check(out, "the footer of a Parquet file", error) : code;
}
