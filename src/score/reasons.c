#include "score/reasons.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "table/json_rows.h"

struct reasons {
    struct arena arena;
    const char **texts; /* by feature; NULL where it has none */
    int n;              /* of them that have one */
};

/* What comes next in a text: some of its own bytes, or the value. */
enum piece_kind { PIECE_BYTES, PIECE_VALUE, PIECE_NUMBER, PIECE_PERCENT, PIECE_WRONG };

struct piece {
    enum piece_kind kind;
    const char *at;
    size_t size; /* of what it takes in the text */
    int decimals;
};

enum { MOST_DECIMALS = 15 };

/* A placeholder from its opening brace on; up to the closing one also where it is none. */
static struct piece take_placeholder(const char *at)
{
    static const char name[] = "{value";
    struct piece piece = {.kind = PIECE_WRONG, .at = at, .size = strcspn(at, "}")};
    piece.size += at[piece.size] == '}';
    const char *rest = at + sizeof name - 1;
    if (strncmp(at, name, sizeof name - 1) != 0)
        return piece;
    if (*rest == '}') {
        piece.kind = PIECE_VALUE;
        return piece;
    }
    if (rest[0] != ':' || rest[1] != '.' || rest[2] < '0' || rest[2] > '9')
        return piece;
    for (rest += 2; *rest >= '0' && *rest <= '9' && piece.decimals <= MOST_DECIMALS; rest++)
        piece.decimals = 10 * piece.decimals + (*rest - '0');
    bool percent = *rest == '%';
    if (rest[percent] == '}' && piece.decimals <= MOST_DECIMALS)
        piece.kind = percent ? PIECE_PERCENT : PIECE_NUMBER;
    return piece;
}

/* The piece at the start of a text that is not empty. Of a doubled brace the second one is skipped. */
static struct piece next_piece(const char *at)
{
    size_t plain = strcspn(at, "{}");
    if (plain)
        return (struct piece){.kind = PIECE_BYTES, .at = at, .size = plain};
    if (at[1] == at[0])
        return (struct piece){.kind = PIECE_BYTES, .at = at, .size = 1};
    if (*at == '{')
        return take_placeholder(at);
    return (struct piece){.kind = PIECE_WRONG, .at = at, .size = 1};
}

static const char *behind(const struct piece *piece)
{
    bool brace = piece->kind == PIECE_BYTES && (*piece->at == '{' || *piece->at == '}');
    return piece->at + piece->size + brace;
}

static int wrong_piece(const struct reason_text *given, const struct piece *piece, struct error *error)
{
    if (piece->size < 2)
        return error_set(error, CODE_INVALID,
                         "reason of \"%s\": a %c without its other half; %c%c stands for the brace itself",
                         given->feature, *piece->at, *piece->at, *piece->at);
    return error_set(
        error, CODE_INVALID,
        "reason of \"%s\": %.*s is not a placeholder; expected {value}, {value:.2} (decimals, 0 to "
        "%d) or {value:.0%%} (percent)",
        given->feature, (int)(piece->size < 80 ? piece->size : 80), piece->at, MOST_DECIMALS);
}

static int check_text(const struct reason_text *given, const struct field *feature, struct error *error)
{
    char type[256];
    enum type_id id = feature->type.id;
    size_t size = strlen(given->text);
    if (!size || size > LIMIT_REASON_TEXT)
        return error_set(error, CODE_INVALID, "reason of \"%s\": expected a text of 1 to %d bytes, found %zu",
                         given->feature, LIMIT_REASON_TEXT, size);
    for (const char *at = given->text; *at;) {
        struct piece piece = next_piece(at);
        if (piece.kind == PIECE_WRONG)
            return wrong_piece(given, &piece, error);
        if ((piece.kind == PIECE_NUMBER || piece.kind == PIECE_PERCENT) &&
            (id == TYPE_BOOLEAN || id == TYPE_ENUM))
            return error_set(
                error, CODE_INVALID,
                "reason of \"%s\": %.*s needs a number, and the feature is %.80s; expected {value}",
                given->feature, (int)piece.size, piece.at, type_text(&feature->type, type, sizeof type));
        at = behind(&piece);
    }
    return OK;
}

static int take_text(struct reasons *reasons, const struct reason_text *given, const struct schema *features,
                     struct error *error)
{
    int at = schema_find(features, given->feature);
    if (at < 0)
        return error_set(error, CODE_INVALID, "reason of \"%.*s\": the plan has no such feature", LIMIT_NAME,
                         given->feature);
    if (reasons->texts[at])
        return error_set(error, CODE_INVALID, "reason of \"%s\": given twice", features->fields[at].name);
    int code = check_text(given, &features->fields[at], error);
    if (code)
        return code;
    reasons->texts[at] = arena_text(&reasons->arena, given->text, strlen(given->text));
    reasons->n++;
    return reasons->texts[at] ? OK : error_set(error, CODE_MEMORY, "no memory for the reasons");
}

int reasons_new(const struct reason_text *texts, int n, const struct schema *features, struct reasons **ret,
                struct error *error)
{
    struct reasons *reasons = memory_new(1, sizeof *reasons);
    int code = OK;
    if (reasons)
        reasons->texts = arena_new(&reasons->arena, (size_t)features->n, sizeof *reasons->texts);
    if (!reasons || !reasons->texts)
        code = error_set(error, CODE_MEMORY, "no memory for the reasons");
    for (int i = 0; i < n && !code; i++)
        code = take_text(reasons, &texts[i], features, error);
    if (code)
        reasons_free(reasons);
    else
        *ret = reasons;
    return code;
}

void reasons_free(struct reasons *reasons)
{
    if (!reasons)
        return;
    arena_done(&reasons->arena);
    free(reasons);
}

bool reasons_any(const struct reasons *reasons)
{
    return reasons->n > 0;
}

/* A number of any size with up to 15 decimals. */
static void write_number(double value, const struct piece *piece, struct buffer *out)
{
    bool percent = piece->kind == PIECE_PERCENT;
    buffer_format(out, "%.*f%s", piece->decimals, percent ? 100 * value : value, percent ? "%" : "");
}

/* The value without the quotes that JSON puts around texts. */
static void write_plain(const struct column *column, const struct type *type, int64_t i, struct buffer *out)
{
    if (type->id == TYPE_ENUM) {
        size_t size;
        const char *text = column_text(column, i, &size);
        buffer_append(out, text, size);
        return;
    }
    size_t from = out->size;
    json_write_value(column, type, i, out);
    bool real = type->id == TYPE_DOUBLE || type->id == TYPE_FLOAT;
    if (real && !out->failed && out->size - from > 2 && memcmp(out->data + out->size - 2, ".0", 2) == 0) {
        out->size -= 2;
        out->data[out->size] = 0;
    }
}

static void write_value(const struct column *column, const struct type *type, int64_t i,
                        const struct piece *piece, struct buffer *out)
{
    bool number = type->id != TYPE_BOOLEAN && type->id != TYPE_ENUM;
    double value = number && !column_is_null(column, i) ? column_double(column, type, i) : 0;
    if (column_is_null(column, i) || !isfinite(value))
        buffer_text(out, "unknown");
    else if (piece->kind == PIECE_VALUE)
        write_plain(column, type, i, out);
    else
        write_number(value, piece, out);
}

bool reasons_write(const struct reasons *reasons, const struct table *features, int feature, int64_t i,
                   struct buffer *out)
{
    const char *at = reasons->texts[feature];
    if (!at)
        return false;
    while (*at) {
        struct piece piece = next_piece(at);
        if (piece.kind == PIECE_BYTES)
            buffer_append(out, piece.at, piece.size);
        else
            write_value(&features->columns[feature], &features->schema->fields[feature].type, i, &piece, out);
        at = behind(&piece);
    }
    return true;
}
