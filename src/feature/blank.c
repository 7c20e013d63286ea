/*
 * Leaving items out of a SELECT's list without moving what stands behind them: an item becomes NULL, filled
 * up with spaces, and keeps its alias. A plain reader of SQL's words, which knows strings, quoted names,
 * comments, and brackets.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "feature/parse.h"

enum { NESTING = 256 };

/* What is between a pair of brackets: perhaps a SELECT, and then perhaps in its list. */
struct level {
    bool in_list;
    size_t start, alias; /* of the item at hand; alias: its last AS, 0 = none */
    size_t word, length; /* the last word */
};

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* A doubled quote is the end of one piece and the beginning of the next; E'...' has backslashes, too. */
static size_t skip_quoted(const char *sql, size_t i)
{
    char quote = sql[i];
    bool escapes =
        quote == '\'' && i && (sql[i - 1] == 'e' || sql[i - 1] == 'E') && (i < 2 || !in_word(sql[i - 2]));
    for (i++; sql[i] && sql[i] != quote; i++)
        i += escapes && sql[i] == '\\' && sql[i + 1];
    return sql[i] ? i + 1 : i;
}

/* $tag$ ... $tag$ */
static size_t skip_dollars(const char *sql, size_t i)
{
    size_t tag = 1;
    while (isalnum((unsigned char)sql[i + tag]) || sql[i + tag] == '_')
        tag++;
    if (sql[i + tag] != '$')
        return i + 1;
    tag++;
    for (size_t end = i + tag; sql[end]; end++)
        if (strncmp(sql + end, sql + i, tag) == 0)
            return end + tag;
    return i + strlen(sql + i);
}

static size_t skip_comment(const char *sql, size_t i)
{
    const char *end = sql[i] == '-' ? strchr(sql + i, '\n') : strstr(sql + i + 2, "*/");
    return end ? (size_t)(end - sql) + (sql[i] == '-' ? 1 : 2) : i + strlen(sql + i);
}

/* Behind the string, quoted name or comment at i; i itself where there is none. */
static size_t skip(const char *sql, size_t i)
{
    if (sql[i] == '\'' || sql[i] == '"')
        return skip_quoted(sql, i);
    if (sql[i] == '$')
        return skip_dollars(sql, i);
    if ((sql[i] == '-' && sql[i + 1] == '-') || (sql[i] == '/' && sql[i + 1] == '*'))
        return skip_comment(sql, i);
    return i;
}

static bool is(const char *sql, size_t at, size_t length, const char *word)
{
    return length == strlen(word) && strncasecmp(sql + at, word, length) == 0;
}

/* Does the word end a list? IS DISTINCT FROM and WITHIN GROUP do not. */
static bool ends_list(const char *sql, const struct level *level, size_t at, size_t length)
{
    static const char *const words[] = {"FROM",  "WHERE", "WINDOW", "QUALIFY", "GROUP",    "HAVING",
                                        "ORDER", "LIMIT", "UNION",  "EXCEPT",  "INTERSECT"};
    if (is(sql, level->word, level->length, "DISTINCT") || is(sql, level->word, level->length, "WITHIN"))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is(sql, at, length, words[i]))
            return true;
    return false;
}

static bool overwrite(char *sql, const struct level *level, size_t end)
{
    size_t to = level->alias ? level->alias : end, room = to - level->start;
    size_t before = level->start && in_word(sql[level->start - 1]), after = in_word(sql[to]);
    const char *text = room >= before + strlen("NULL") + after ? "NULL" : "1";
    if (room < before + strlen(text) + after)
        return false;
    memset(sql + level->start, ' ', room);
    memcpy(sql + level->start + before, text, strlen(text));
    return true;
}

static struct blank item_of(const char *sql, const struct level *level, size_t end)
{
    struct blank item = {.from = level->start, .to = end};
    size_t at = level->alias + strlen("AS"), next;
    if (!level->alias)
        return item;
    for (; at < end && !in_word(sql[at]) && sql[at] != '"'; at = next > at ? next : at + 1)
        next = skip(sql, at);
    item.name = at + (sql[at] == '"');
    if (sql[at] == '"')
        item.name_size = strcspn(sql + item.name, "\"");
    else
        while (in_word(sql[item.name + item.name_size]))
            item.name_size++;
    return item;
}

bool blank_mentions(const char *sql, const struct blank *item, const struct blank *other)
{
    for (size_t i = item->from; other->name_size && i + other->name_size <= item->to; i++) {
        char after = sql[i + other->name_size];
        if (strncasecmp(sql + i, sql + other->name, other->name_size) == 0 &&
            (i == 0 || !in_word(sql[i - 1])) && !in_word(after) && after != '\'') /* E'...' is a string */
            return true;
    }
    return false;
}

/* Reads the word at i. True where it ends the item at hand. */
static bool read_word(const char *sql, size_t i, size_t length, struct level *level)
{
    if (level->in_list && ends_list(sql, level, i, length))
        return true;
    if (is(sql, i, length, "SELECT"))
        *level = (struct level){.in_list = true, .start = i + length};
    else if (is(sql, i, length, "AS") && level->in_list)
        level->alias = i;
    level->word = i;
    level->length = length;
    return false;
}

bool blank_item(char *sql, uint64_t position, struct blank *ret)
{
    struct level levels[NESTING] = {0}, *level = levels;
    for (size_t i = 0, next;; i = next) {
        size_t length = 0;
        next = skip(sql, i);
        if (next > i)
            continue;
        while (in_word(sql[i + length]))
            length++;
        next = i + (length ? length : 1);
        bool closes = strchr(")]}", sql[i]), ends = closes || sql[i] == ',' || sql[i] == ';'; /* or '\0' */
        if (length)
            ends = read_word(sql, i, length, level);
        if (ends && level->in_list && position >= level->start && position < i) {
            struct blank item = item_of(sql, level, i);
            if (!overwrite(sql, level, i))
                return false;
            *ret = item;
            return true;
        }
        if (!sql[i])
            return false;
        if (strchr("([{", sql[i])) {
            if (++level == levels + NESTING)
                return false;
            *level = (struct level){0};
        } else if (closes && level > levels) {
            level--;
        } else if (ends && level->in_list) {
            level->in_list = sql[i] == ',';
            level->start = next;
            level->alias = 0;
        }
    }
}
