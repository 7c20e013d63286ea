/*
 * Three payments in, their features out: Shrike as a library. Build it against an installed Shrike with
 *     cc features.c $(pkg-config --cflags --libs shrike) -o features
 */
#include <shrike/features.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 3, COLUMNS = 3 };

static const char plan_sql[] =
    "CREATE TABLE payments (ts TIMESTAMP, card BIGINT, amount DOUBLE);"
    "SELECT count(*) OVER day AS count_1d, sum(amount) OVER day AS sum_1d FROM payments WINDOW day AS"
    " (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW)";

static const int64_t ts_s[ROWS] = {0, 3600, 90000}, card[ROWS] = {7, 7, 7};
static const double amount[ROWS] = {10.5, 20, 5.25};

/* All of this batch is static: there is nothing to release. */
static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    array->release = NULL;
}

static int print_features(const struct ArrowSchema *schema, const struct ArrowArray *events)
{
    struct shrike_error error;
    struct shrike_plan *plan = NULL;
    struct shrike_state *state = NULL;
    struct ArrowSchema names;
    struct ArrowArray features;
    int code = shrike_plan_compile(plan_sql, strlen(plan_sql), "payments.sql", &plan, &error);
    if (code == SHRIKE_OK)
        code = shrike_state_new(plan, NULL, &state, &error);
    if (code == SHRIKE_OK)
        code = shrike_state_take(state, schema, events, &names, &features, &error);
    if (code == SHRIKE_OK) {
        const int64_t *count = features.children[0]->buffers[1];
        const double *sum = features.children[1]->buffers[1];
        printf("%s %s\n", names.children[0]->name, names.children[1]->name);
        for (int64_t i = 0; i < features.length; i++)
            printf("%lld %.2f\n", (long long)count[i], sum[i]);
        names.release(&names);
        features.release(&features);
    } else {
        fprintf(stderr, "%s:%lld:%lld: %s\n", error.place, (long long)error.line, (long long)error.column,
                error.message);
    }
    shrike_state_free(state);
    shrike_plan_free(plan);
    return code;
}

int main(void)
{
    static const struct {
        const char *name, *format;
        const void *values;
    } columns[COLUMNS] = {{"ts", "tss:", ts_s}, {"card", "l", card}, {"amount", "g", amount}};
    struct ArrowSchema fields[COLUMNS], *field_list[COLUMNS];
    struct ArrowArray arrays[COLUMNS], *array_list[COLUMNS];
    const void *buffers[COLUMNS][2], *no_nulls[1] = {NULL};
    for (int i = 0; i < COLUMNS; i++) {
        buffers[i][0] = NULL; /* no bitmap: no NULLs */
        buffers[i][1] = columns[i].values;
        fields[i] = (struct ArrowSchema){
            .format = columns[i].format, .name = columns[i].name, .release = release_schema};
        arrays[i] = (struct ArrowArray){
            .length = ROWS, .n_buffers = 2, .buffers = buffers[i], .release = release_array};
        field_list[i] = &fields[i];
        array_list[i] = &arrays[i];
    }
    struct ArrowSchema schema = {
        .format = "+s", .n_children = COLUMNS, .children = field_list, .release = release_schema};
    struct ArrowArray events = {.length = ROWS,
                                .n_buffers = 1,
                                .buffers = no_nulls,
                                .n_children = COLUMNS,
                                .children = array_list,
                                .release = release_array};
    return print_features(&schema, &events);
}
