/*
 * LightGBM's text model (versions v2 to v4) -> struct forest.
 *
 *   tree                                   the kind of model; then key=value lines, an empty line
 *   num_class, num_tree_per_iteration, max_feature_idx, objective, feature_names; average_output has no value
 *   Tree=0                                 each tree: key=value lines up to an empty one
 *     num_leaves; of leaves: leaf_value, leaf_count; of splits (num_leaves - 1): left_child, right_child,
 *     split_feature, threshold, decision_type, split_gain, internal_count
 *     num_cat; cat_boundaries, cat_threshold: the words of category sets; a categorical split's threshold is
 *     the number of its set
 *   end of trees                           what follows says how it was trained
 *
 * A child c >= 0 is a split, c < 0 the leaf ~c. As items of the builder the splits come first, with their own
 * numbers, then the leaves. decision_type: bit 0 categorical, bit 1 missing values go left, bits 2 and 3 what
 * is missing: 0 nothing, 1 zero, 2 NaN; a NaN that is not missing counts as 0. Tree i adds to class i modulo
 * num_tree_per_iteration.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/build.h"
#include "model/forest/import.h"
#include "model/json_field.h"
#include "model/kind.h"

enum { CATEGORICAL = 1, MISSING_LEFT = 2, MISSING_ZERO = 1, MISSING_NAN = 2 };

/* The text, cut into lines in place; a line ends with a zero. */
struct lines {
    char *next, *end;
    char *again; /* a line that is given once more, or NULL */
};

static char *next_line(struct lines *lines)
{
    char *line = lines->again ? lines->again : lines->next;
    if (lines->again) {
        lines->again = NULL;
        return line;
    }
    if (line >= lines->end)
        return NULL;
    char *end = memchr(line, '\n', (size_t)(lines->end - line));
    if (!end)
        end = lines->end;
    lines->next = end + 1;
    *end = 0;
    if (end > line && end[-1] == '\r')
        end[-1] = 0;
    return line;
}

/* The keys that are read, of the head and of a tree. */
struct key {
    const char *name;
    char *value; /* into the text, or NULL */
};

/* Files the value of a "key=value" line; keys that are not asked for are passed over. */
static void file_line(char *line, struct key *keys, int n)
{
    size_t length = strcspn(line, "=");
    for (int i = 0; i < n; i++)
        if (strlen(keys[i].name) == length && memcmp(keys[i].name, line, length) == 0)
            keys[i].value = line[length] ? line + length + 1 : line + length;
}

/* The next word of a line, which is cut off it; NULL at its end. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " ");
    if (!*word)
        return NULL;
    char *end = word + strcspn(word, " ");
    *line = *end ? end + 1 : end;
    *end = 0;
    return word;
}

static bool read_integer(const char *text, int64_t minimum, int64_t maximum, int64_t *ret)
{
    char *end;
    if (!text || !((*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0' && text[1] <= '9')))
        return false;
    long long number = strtoll(text, &end, 10);
    if (*end || number < minimum || number > maximum)
        return false;
    *ret = number;
    return true;
}

enum { HEAD_CLASSES, HEAD_TREES, HEAD_FEATURES, HEAD_OBJECTIVE, HEAD_AVERAGE, HEAD_NAMES, HEAD_KEYS };
enum {
    TREE_LEAVES,
    TREE_SETS,
    TREE_LINEAR,
    TREE_VALUE,
    TREE_LEAF_COUNT,
    TREE_LEFT,
    TREE_RIGHT,
    TREE_FEATURE,
    TREE_THRESHOLD,
    TREE_DECISION,
    TREE_GAIN,
    TREE_COUNT,
    TREE_BOUNDARIES,
    TREE_WORDS,
    TREE_KEYS
};

static const struct key head_keys[HEAD_KEYS] = {
    {"num_class", NULL}, {"num_tree_per_iteration", NULL}, {"max_feature_idx", NULL},
    {"objective", NULL}, {"average_output", NULL},         {"feature_names", NULL},
};
static const struct key tree_keys[TREE_KEYS] = {
    {"num_leaves", NULL},     {"num_cat", NULL},       {"is_linear", NULL},   {"leaf_value", NULL},
    {"leaf_count", NULL},     {"left_child", NULL},    {"right_child", NULL}, {"split_feature", NULL},
    {"threshold", NULL},      {"decision_type", NULL}, {"split_gain", NULL},  {"internal_count", NULL},
    {"cat_boundaries", NULL}, {"cat_threshold", NULL},
};

struct objective {
    const char *name;
    enum forest_link link;
};

/* What LightGBM's ConvertOutput does for each; one that is not named was the caller's own. */
static const struct objective objectives[] = {
    {"binary", FOREST_SIGMOID_DOUBLE},
    {"cross_entropy", FOREST_SIGMOID_DOUBLE},
    {"xentropy", FOREST_SIGMOID_DOUBLE},
    {"multiclass", FOREST_SOFTMAX_DOUBLE},
    {"multiclassova", FOREST_SIGMOID_DOUBLE},
    {"poisson", FOREST_EXP_DOUBLE},
    {"gamma", FOREST_EXP_DOUBLE},
    {"tweedie", FOREST_EXP_DOUBLE},
    {"cross_entropy_lambda", FOREST_SOFTPLUS_DOUBLE},
    {"xentlambda", FOREST_SOFTPLUS_DOUBLE},
    {"regression", FOREST_IDENTITY},
    {"regression_l1", FOREST_IDENTITY},
    {"huber", FOREST_IDENTITY},
    {"fair", FOREST_IDENTITY},
    {"quantile", FOREST_IDENTITY},
    {"mape", FOREST_IDENTITY},
    {"lambdarank", FOREST_IDENTITY},
    {"rank_xendcg", FOREST_IDENTITY},
    {"custom", FOREST_IDENTITY},
};

struct reading {
    struct forest_builder builder;
    struct forest_head head;
    struct lines lines;
    struct key keys[TREE_KEYS]; /* of the tree at hand */
    int tree;
    int64_t leaves, sets;
    struct forest_item *items;
    int64_t *boundaries; /* of the category sets in `words` */
    uint32_t *words;
    double *numbers; /* of the array at hand */
    size_t item_capacity, boundary_capacity, word_capacity, number_capacity;
};

static int out_of_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the forest");
}

/* ---- the head ---- */

/* "binary sigmoid:1", "multiclass num_class:3", "regression sqrt" */
static int read_objective(char *text, struct forest_head *head, struct error *error)
{
    char *word = text ? next_word(&text) : NULL;
    head->link = FOREST_IDENTITY;
    if (!word)
        return OK;
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++)
        if (strcmp(objectives[i].name, word) == 0) {
            head->link = objectives[i].link;
            while ((word = next_word(&text))) {
                if (strcmp(word, "sqrt") == 0)
                    head->link = FOREST_SQUARE_DOUBLE;
                if (strncmp(word, "sigmoid:", 8) == 0 &&
                    (!json_text_double(word + 8, &head->link_scale) || !(head->link_scale > 0)))
                    return error_set(error, CODE_INVALID, "objective: \"%.50s\" is not a number above 0",
                                     word);
            }
            return OK;
        }
    return error_set(error, CODE_UNSUPPORTED, "objective \"%.100s\" of LightGBM is not supported", word);
}

static int read_head(struct reading *reading, struct key *keys, struct error *error)
{
    int64_t classes, trees, last;
    char *line;
    memcpy(keys, head_keys, sizeof head_keys);
    while ((line = next_line(&reading->lines)) && strncmp(line, "Tree=", 5) != 0 &&
           strcmp(line, "end of trees") != 0)
        file_line(line, keys, HEAD_KEYS);
    if (!line)
        return error_set(error, CODE_CORRUPT, "the model is not whole: it ends before its first tree");
    reading->lines.again = line; /* what ends the head begins the trees */
    if (!read_integer(keys[HEAD_CLASSES].value, 1, LIMIT_MODEL_OUTPUTS, &classes))
        return error_set(error, CODE_INVALID, "\"num_class\" is not a number from 1 to %d",
                         LIMIT_MODEL_OUTPUTS);
    trees = classes;
    if (keys[HEAD_TREES].value && !read_integer(keys[HEAD_TREES].value, 1, LIMIT_MODEL_OUTPUTS, &trees))
        return error_set(error, CODE_INVALID, "\"num_tree_per_iteration\" is not a number from 1 to %d",
                         LIMIT_MODEL_OUTPUTS);
    if (!read_integer(keys[HEAD_FEATURES].value, 0, LIMIT_COLUMNS - 1, &last))
        return error_set(error, CODE_INVALID, "\"max_feature_idx\" is not a number from 0 to %d",
                         LIMIT_COLUMNS - 1);
    reading->head = (struct forest_head){.features = (int)last + 1,
                                         .groups = (int)trees,
                                         .sum = FOREST_SUM_DOUBLE,
                                         .fractions_of_category = true};
    return read_objective(keys[HEAD_OBJECTIVE].value, &reading->head, error);
}

/* LightGBM names features Column_0, Column_1, ... where nobody else does: those are no names. */
static bool names_are_numbers(char **names, int n)
{
    for (int i = 0; i < n; i++) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "Column_%d", i);
        if (strcmp(names[i], expected) != 0)
            return false;
    }
    return true;
}

static int read_names(char *text, int n, char ***ret, struct error *error)
{
    char *word;
    int found = 0;
    char **names = memory_new((size_t)n, sizeof *names);
    if (!names)
        return out_of_memory(error);
    while (text && (word = next_word(&text))) {
        if (found < n && !(names[found] = memory_text(word, strlen(word)))) {
            model_names_free(names, n);
            return out_of_memory(error);
        }
        found++;
    }
    if (found != n) {
        model_names_free(names, n);
        return error_set(error, CODE_INVALID, "\"feature_names\" has %d names for %d features", found, n);
    }
    if (names_are_numbers(names, n)) {
        model_names_free(names, n);
        names = NULL;
    }
    *ret = names;
    return OK;
}

/* ---- trees ---- */

static int64_t child_item(int64_t child, int64_t splits)
{
    return child >= 0 ? child : splits + ~child;
}

/* Prediction takes values within LightGBM's bounds of zero for 0, whatever is missing; a threshold there is
 * moved to the side on which 0 lies. */
static double clear_of_zero(double threshold)
{
    if (threshold >= 0 && threshold < (double)FOREST_ZERO)
        return (double)FOREST_ZERO;
    if (threshold < 0 && threshold >= (double)-FOREST_ZERO)
        return nextafter((double)-FOREST_ZERO, -INFINITY);
    return threshold;
}

static int set_split(struct reading *reading, int64_t i, int64_t decision, struct error *error)
{
    struct forest_item *item = &reading->items[i];
    int64_t missing = decision >> 2 & 3;
    bool left = decision & MISSING_LEFT;
    if (decision & CATEGORICAL) {
        int64_t set = item->value >= 0 && item->value < (double)reading->sets ? (int64_t)item->value : -1;
        if (set < 0 || (double)set != item->value)
            return error_set(error, CODE_INVALID,
                             "tree %d node %" PRId64 ": its category set is not one of 0 to %" PRId64,
                             reading->tree, i, reading->sets - 1);
        item->test = FOREST_MEMBER;
        item->set = reading->words + reading->boundaries[set];
        item->set_words = (size_t)(reading->boundaries[set + 1] - reading->boundaries[set]);
        return OK; /* NaN goes right */
    }
    if (missing > MISSING_NAN)
        return error_set(error, CODE_INVALID,
                         "tree %d node %" PRId64 ": the decision type %" PRId64 " is not known",
                         reading->tree, i, decision);
    item->test = FOREST_AT_MOST;
    item->value = clear_of_zero(item->value);
    item->zero_missing = missing == MISSING_ZERO;
    item->missing_yes = missing ? left : 0 <= item->value;
    return OK;
}

/* A threshold may be infinite: all known values lie on one side of it. */
static bool read_number(const char *word, bool infinite, double *ret)
{
    bool negative = *word == '-';
    if (infinite && strcmp(word + negative, "inf") == 0) {
        *ret = negative ? -INFINITY : INFINITY;
        return true;
    }
    return json_text_double(word, ret) && isfinite(*ret);
}

/* The `n` numbers of one key of the tree, into reading->numbers. */
static int read_numbers(struct reading *reading, int key, int64_t n, struct error *error)
{
    char *text = reading->keys[key].value, *word;
    int64_t i = 0;
    if (!text)
        return error_set(error, CODE_INVALID, "tree %d: \"%s\" is missing", reading->tree,
                         tree_keys[key].name);
    /* A number takes a byte and a space: a line bounds what is allocated for a claimed n. */
    if ((int64_t)strlen(text) < 2 * n - 1)
        return error_set(error, CODE_INVALID, "tree %d: \"%s\" is shorter than %" PRId64 " numbers",
                         reading->tree, tree_keys[key].name, n);
    if (!memory_grow(&reading->numbers, &reading->number_capacity, (size_t)n, sizeof *reading->numbers))
        return out_of_memory(error);
    while ((word = next_word(&text))) {
        if (i == n)
            return error_set(error, CODE_INVALID, "tree %d: \"%s\" has more than %" PRId64 " numbers",
                             reading->tree, tree_keys[key].name, n);
        if (!read_number(word, key == TREE_THRESHOLD, &reading->numbers[i]))
            return error_set(error, CODE_INVALID,
                             "tree %d: element %" PRId64 " of \"%s\" is not a finite number", reading->tree,
                             i, tree_keys[key].name);
        i++;
    }
    return i == n
               ? OK
               : error_set(error, CODE_INVALID, "tree %d: \"%s\" has %" PRId64 " numbers; expected %" PRId64,
                           reading->tree, tree_keys[key].name, i, n);
}

/* The same of whole numbers. */
static int read_integers(struct reading *reading, int key, int64_t n, double minimum, double maximum,
                         struct error *error)
{
    int code = read_numbers(reading, key, n, error);
    for (int64_t i = 0; i < n && !code; i++) {
        double number = reading->numbers[i];
        if (number < minimum || number > maximum || number != floor(number))
            code = error_set(error, CODE_INVALID,
                             "tree %d: element %" PRId64 " of \"%s\" is not a whole number from %.0f to %.0f",
                             reading->tree, i, tree_keys[key].name, minimum, maximum);
    }
    return code;
}

/* The words of all category sets, and where each set begins. */
static int read_sets(struct reading *reading, struct error *error)
{
    int64_t sets = reading->sets;
    if (!sets)
        return OK;
    int code = read_integers(reading, TREE_BOUNDARIES, sets + 1, 0, LIMIT_MODEL_SETS / 4, error);
    if (code)
        return code;
    if (!memory_grow(&reading->boundaries, &reading->boundary_capacity, (size_t)sets + 1,
                     sizeof *reading->boundaries))
        return out_of_memory(error);
    for (int64_t i = 0; i <= sets; i++) {
        reading->boundaries[i] = (int64_t)reading->numbers[i];
        if (reading->boundaries[i] < (i ? reading->boundaries[i - 1] : 0))
            return error_set(error, CODE_INVALID,
                             "tree %d: element %" PRId64 " of \"cat_boundaries\" is less than the one before",
                             reading->tree, i);
    }
    int64_t words = reading->boundaries[sets];
    if (!words)
        return error_set(error, CODE_INVALID, "tree %d: its category sets have no words", reading->tree);
    code = read_integers(reading, TREE_WORDS, words, 0, UINT32_MAX, error);
    if (code)
        return code;
    if (!memory_grow(&reading->words, &reading->word_capacity, (size_t)words, sizeof *reading->words))
        return out_of_memory(error);
    for (int64_t i = 0; i < words; i++)
        reading->words[i] = (uint32_t)reading->numbers[i];
    return OK;
}

/* The arrays that every split has; num_leaves - 1 of each. */
static int read_splits(struct reading *reading, struct error *error)
{
    int64_t n = reading->leaves - 1;
    double last = (double)n;
    int code = read_integers(reading, TREE_LEFT, n, -last - 1, last - 1, error);
    for (int64_t i = 0; i < n && !code; i++)
        reading->items[i].yes = child_item((int64_t)reading->numbers[i], n);
    if (!code)
        code = read_integers(reading, TREE_RIGHT, n, -last - 1, last - 1, error);
    for (int64_t i = 0; i < n && !code; i++)
        reading->items[i].no = child_item((int64_t)reading->numbers[i], n);
    if (!code)
        code = read_integers(reading, TREE_FEATURE, n, 0, reading->head.features - 1, error);
    for (int64_t i = 0; i < n && !code; i++)
        reading->items[i].feature = (int64_t)reading->numbers[i];
    if (!code)
        code = read_numbers(reading, TREE_THRESHOLD, n, error);
    for (int64_t i = 0; i < n && !code; i++)
        reading->items[i].value = reading->numbers[i];
    if (!code)
        code = read_integers(reading, TREE_DECISION, n, 0, INT8_MAX, error);
    for (int64_t i = 0; i < n && !code; i++)
        code = set_split(reading, i, (int64_t)reading->numbers[i], error);
    return code;
}

/* What training saw: it may be left out. */
static int read_statistics(struct reading *reading, struct error *error)
{
    int64_t n = reading->leaves - 1;
    int code = OK;
    if (reading->keys[TREE_COUNT].value)
        code = read_integers(reading, TREE_COUNT, n, 0, INT32_MAX, error);
    for (int64_t i = 0; reading->keys[TREE_COUNT].value && i < n && !code; i++)
        reading->items[i].cover = reading->numbers[i];
    if (!code && reading->keys[TREE_LEAF_COUNT].value)
        code = read_integers(reading, TREE_LEAF_COUNT, reading->leaves, 0, INT32_MAX, error);
    for (int64_t i = 0; reading->keys[TREE_LEAF_COUNT].value && i < reading->leaves && !code; i++)
        reading->items[n + i].cover = reading->numbers[i];
    if (!code && reading->keys[TREE_GAIN].value)
        code = read_numbers(reading, TREE_GAIN, n, error);
    for (int64_t i = 0; reading->keys[TREE_GAIN].value && i < n && !code; i++)
        reading->items[i].gain = reading->numbers[i];
    return code;
}

static int read_items(struct reading *reading, struct error *error)
{
    size_t n = 2 * (size_t)reading->leaves - 1;
    int code = read_numbers(reading, TREE_VALUE, reading->leaves, error);
    if (code)
        return code;
    if (!memory_grow(&reading->items, &reading->item_capacity, n, sizeof *reading->items))
        return out_of_memory(error);
    memset(reading->items, 0, n * sizeof *reading->items);
    for (int64_t i = 0; i < reading->leaves; i++)
        reading->items[reading->leaves - 1 + i] =
            (struct forest_item){.test = FOREST_LEAF, .value = reading->numbers[i]};
    if (reading->leaves == 1)
        return OK; /* a constant: its other arrays are empty, or of a split that was taken back */
    code = read_sets(reading, error);
    if (!code)
        code = read_splits(reading, error);
    return code ? code : read_statistics(reading, error);
}

static int read_tree(struct reading *reading, struct error *error)
{
    int64_t linear = 0;
    const struct key *keys = reading->keys;
    reading->sets = 0;
    if (!read_integer(keys[TREE_LEAVES].value, 1, INT32_MAX / 4, &reading->leaves))
        return error_set(error, CODE_INVALID, "tree %d: \"num_leaves\" is not a number from 1 to %d",
                         reading->tree, INT32_MAX / 4);
    if (keys[TREE_SETS].value && !read_integer(keys[TREE_SETS].value, 0, INT32_MAX / 4, &reading->sets))
        return error_set(error, CODE_INVALID, "tree %d: \"num_cat\" is not a number from 0 to %d",
                         reading->tree, INT32_MAX / 4);
    if (keys[TREE_LINEAR].value && (!read_integer(keys[TREE_LINEAR].value, 0, 1, &linear) || linear))
        return error_set(error, CODE_UNSUPPORTED, "tree %d has linear leaves, which are not supported",
                         reading->tree);
    int code = read_items(reading, error);
    return code ? code
                : forest_builder_tree(&reading->builder, reading->items, 2 * reading->leaves - 1,
                                      reading->tree % reading->head.groups, 1, error);
}

static int read_trees(struct reading *reading, struct error *error)
{
    char *line;
    while ((line = next_line(&reading->lines)) && strcmp(line, "end of trees") != 0) {
        if (!*line)
            continue;
        int64_t number;
        if (strncmp(line, "Tree=", 5) != 0 || !read_integer(line + 5, reading->tree, reading->tree, &number))
            return error_set(error, CODE_CORRUPT, "the model is not whole: expected Tree=%d, found \"%.40s\"",
                             reading->tree, line);
        memcpy(reading->keys, tree_keys, sizeof tree_keys);
        while ((line = next_line(&reading->lines)) && *line)
            file_line(line, reading->keys, TREE_KEYS);
        if (!line)
            break;
        int code = read_tree(reading, error);
        if (code)
            return code;
        reading->tree++;
    }
    if (!line)
        return error_set(error, CODE_CORRUPT,
                         "the model is not whole: it ends in or behind tree %d, without "
                         "\"end of trees\"",
                         reading->tree);
    if (reading->tree % reading->head.groups)
        return error_set(error, CODE_INVALID, "%d trees do not give %d trees per iteration", reading->tree,
                         reading->head.groups);
    return OK;
}

static int read_model(struct reading *reading, struct forest *ret, char ***ret_names, struct error *error)
{
    struct key keys[HEAD_KEYS];
    char **names = NULL;
    int code = read_head(reading, keys, error);
    if (!code)
        code = read_names(keys[HEAD_NAMES].value, reading->head.features, &names, error);
    if (code)
        return code;
    code = forest_builder_init(&reading->builder, &reading->head, NULL, error);
    if (!code)
        code = read_trees(reading, error);
    /* A random forest divides by the number of its iterations, which is known now. */
    if (!code && keys[HEAD_AVERAGE].value && reading->tree)
        reading->builder.forest.head.divisor = reading->tree / reading->head.groups;
    if (!code)
        code = forest_builder_finish(&reading->builder, ret, error);
    if (code)
        model_names_free(names, reading->head.features);
    else
        *ret_names = names;
    return code;
}

bool forest_recognise_lightgbm(const char *data, size_t size)
{
    return size >= 5 && memcmp(data, "tree", 4) == 0 && (data[4] == '\n' || data[4] == '\r');
}

int forest_import_lightgbm(const char *data, size_t size, struct forest *ret, char ***ret_names,
                           struct error *error)
{
    struct reading reading = {0};
    char *text = memory_text(data, size);
    if (!text)
        return error_set(error, CODE_MEMORY, "no memory to read a model of %zu bytes", size);
    reading.lines = (struct lines){.next = text, .end = text + size};
    int code = read_model(&reading, ret, ret_names, error);
    forest_builder_done(&reading.builder);
    free(reading.items);
    free(reading.boundaries);
    free(reading.words);
    free(reading.numbers);
    free(text);
    return code;
}
