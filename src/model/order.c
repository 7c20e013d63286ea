/* Whether a model's features are the columns that it is to take, in another order. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/kind.h"

struct place {
    const char *name;
    int at;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

static struct place *sorted(const char *const *names, int n)
{
    struct place *places = memory_new((size_t)n, sizeof *places);
    for (int i = 0; places && i < n; i++)
        places[i] = (struct place){names[i], i};
    if (places)
        qsort(places, (size_t)n, sizeof *places, compare);
    return places;
}

/* The column of each feature, from both lists sorted; false where the names are not the same ones. A name
 * that stands twice is no name to match by. */
static bool match(const struct place *features, const struct place *columns, int n, int *ret)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(features[i].name, columns[i].name) != 0 ||
            (i && strcmp(columns[i - 1].name, columns[i].name) == 0))
            return false;
        ret[features[i].at] = columns[i].at;
    }
    return true;
}

int model_order(char *const *names, int features, const struct model_columns *columns, int **ret,
                struct error *error)
{
    *ret = NULL;
    if (!names || columns->n != features)
        return OK;
    int *order = memory_new((size_t)features, sizeof *order), i = 0;
    struct place *own = sorted((const char *const *)names, features),
                 *wanted = sorted(columns->names, features);
    bool memory = order && own && wanted, same = memory && match(own, wanted, features, order);
    while (same && i < features && order[i] == i)
        i++;
    free(own);
    free(wanted);
    if (same && i < features) {
        *ret = order;
        return OK;
    }
    free(order);
    return memory ? OK : error_set(error, CODE_MEMORY, "no memory for the model's feature names");
}

bool model_names_sort(char **names, int features, const int *order)
{
    char **former = names && order ? memory_new((size_t)features, sizeof *former) : NULL;
    if (!former)
        return !names || !order;
    memcpy(former, names, (size_t)features * sizeof *former);
    for (int i = 0; i < features; i++)
        names[order[i]] = former[i];
    free(former);
    return true;
}
