#include "feature/expr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "feature/kernels.h"

size_t rep_width(enum rep rep)
{
    static const size_t widths[] = {
        1, sizeof(int64_t), sizeof(__int128), sizeof(double), sizeof(struct text), sizeof(struct interval)};
    return widths[rep];
}

enum rep rep_of_type(const struct type *type)
{
    switch (type->id) {
    case TYPE_BOOLEAN:
        return REP_BOOLEAN;
    case TYPE_UINT64:
    case TYPE_HUGEINT:
        return REP_WIDE;
    case TYPE_DECIMAL:
        return type->precision <= 18 ? REP_INT : REP_WIDE;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return REP_DOUBLE;
    case TYPE_VARCHAR:
        return REP_TEXT;
    case TYPE_INTERVAL:
        return REP_INTERVAL;
    default:
        return REP_INT;
    }
}

static const struct kernel *const tables[] = {
    kernels_arithmetic, kernels_logic,    kernels_compare, kernels_math,  kernels_integer, kernels_time,
    kernels_calendar,   kernels_interval, kernels_text,    kernels_build, kernels_hash};

expr_run expr_find(const char *name, int n_args, const enum rep *args, enum rep result)
{
    static const char letters[] = "biwdtv";
    char wanted[4] = {0};
    assert(n_args <= 3);
    for (int i = 0; i < n_args; i++)
        wanted[i] = letters[args[i]];
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct kernel *k = tables[t]; k->name; k++)
            if (strcasecmp(k->name, name) == 0 && strcmp(k->args, wanted) == 0 &&
                k->result[0] == letters[result])
                return k->run;
    return NULL;
}

const char *expr_name(const struct expr *expr)
{
    if (expr->run == try_cast_run)
        return "TRY_CAST";
    if (expr->run == try_run)
        return "TRY";
    if (expr->n_args == 1 && expr->run == expr_find_cast(&expr->args[0]->type, &expr->type))
        return "CAST";
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct kernel *k = tables[t]; k->name; k++)
            if (k->run == expr->run && strlen(k->args) == (size_t)expr->n_args)
                return k->name;
    return "";
}

/* What a program does with one distinct expression. */
struct step {
    enum expr_kind kind;
    int index;    /* of the column or the window */
    size_t width; /* of a value */
    bool late;    /* it is a window, or depends on one */
    const struct expr *expr;
    struct vector vector;
    struct call call;
};

struct program {
    struct step *steps;
    int n_steps;
    struct step **active; /* columns and calls: what each run computes; first what needs no window */
    int n_active, n_early;
    const struct vector *windows; /* where the windows' steps point, from this row on */
    int64_t window_from;
    int *roots;
    int n_roots;
    int64_t capacity;
    void *memory;
    size_t bytes;
    struct scratch scratch;
};

static int find_step(const struct program *program, const struct expr *expr)
{
    for (int i = 0; i < program->n_steps; i++)
        if (program->steps[i].expr == expr)
            return i;
    return -1;
}

/* Adds an expression after its arguments; expressions are already distinct objects, so equality is identity.
 */
static int add_step(struct program *program, const struct expr *expr)
{
    int found = find_step(program, expr);
    if (found >= 0)
        return found;
    bool late = expr->kind == EXPR_WINDOW;
    for (int i = 0; i < expr->n_args; i++)
        late |= program->steps[add_step(program, expr->args[i])].late;
    program->steps[program->n_steps] = (struct step){
        .kind = expr->kind, .index = expr->index, .width = rep_width(expr->rep), .late = late, .expr = expr};
    return program->n_steps++;
}

static void fill_constant(struct step *step, int64_t capacity)
{
    const struct expr *expr = step->expr;
    size_t width = rep_width(expr->rep);
    memset(step->vector.state, expr->is_null ? STATE_NULL : STATE_VALUE, (size_t)capacity);
    for (int64_t i = 0; i < capacity; i++)
        memcpy((char *)step->vector.data + (size_t)i * width, &expr->value, width);
}

static void link_call(struct program *program, struct step *step)
{
    const struct expr *expr = step->expr;
    const struct type *from = expr->n_args ? &expr->args[0]->type : &expr->type;
    step->call = (struct call){.run = expr->run,
                               .out = &step->vector,
                               .type = expr->type.id,
                               .precision = expr->type.precision,
                               .scale = expr->type.scale,
                               .from = from->id,
                               .second = expr->n_args > 1 ? expr->args[1]->type.id : from->id,
                               .scratch = &program->scratch,
                               .from_precision = from->id == TYPE_DECIMAL ? from->precision : 0,
                               .from_scale = from->id == TYPE_DECIMAL ? from->scale : 0,
                               .values = from->values};
    for (int i = 0; i < expr->n_args; i++)
        step->call.in[i] = &program->steps[find_step(program, expr->args[i])].vector;
}

/* Vectors lie in one block: values first, 64-byte aligned, then states. Window results bring their own
 * memory. */
static bool lay_out(struct program *program)
{
    size_t bytes = 0, capacity = ((size_t)program->capacity + 63) / 64 * 64;
    for (int i = 0; i < program->n_steps; i++)
        if (program->steps[i].expr->kind != EXPR_WINDOW)
            bytes += capacity * (rep_width(program->steps[i].expr->rep) + 1);
    char *at = memory_aligned(bytes);
    if (!at)
        return false;
    memset(at, 0, bytes);
    program->memory = at;
    program->bytes = bytes;
    for (int i = 0; i < program->n_steps; i++) {
        struct step *step = &program->steps[i];
        step->vector.rep = step->expr->rep;
        if (step->expr->kind == EXPR_WINDOW)
            continue;
        step->vector.data = at;
        at += capacity * rep_width(step->expr->rep);
        step->vector.state = (uint8_t *)at;
        at += capacity;
    }
    return true;
}

/* Adds the columns and calls that depend on a window, or those that do not. */
static void list_active(struct program *program, bool late)
{
    for (int i = 0; i < program->n_steps; i++) {
        struct step *step = &program->steps[i];
        if ((step->kind == EXPR_COLUMN || step->kind == EXPR_CALL) && step->late == late)
            program->active[program->n_active++] = step;
    }
}

int program_new(struct expr *const *roots, int n, int64_t capacity, struct program **ret, struct error *error)
{
    struct program *program = memory_new(1, sizeof *program);
    /* Arguments have smaller ids than their users: no root needs more steps than its id says. */
    int last = -1;
    for (int i = 0; i < n; i++)
        last = roots[i]->id > last ? roots[i]->id : last;
    if (program) {
        program->capacity = capacity;
        program->steps = memory_new((size_t)(last + 1), sizeof *program->steps);
        program->active = memory_new((size_t)(last + 1), sizeof *program->active);
        program->roots = memory_new((size_t)n, sizeof *program->roots);
        program->n_roots = n;
    }
    if (!program || !program->steps || !program->active || !program->roots)
        goto memory;
    for (int i = 0; i < n; i++)
        program->roots[i] = add_step(program, roots[i]);
    if (!lay_out(program))
        goto memory;
    for (int i = 0; i < program->n_steps; i++) {
        struct step *step = &program->steps[i];
        if (step->expr->kind == EXPR_CONSTANT)
            fill_constant(step, capacity);
        else if (step->expr->kind == EXPR_CALL)
            link_call(program, step);
    }
    list_active(program, false);
    program->n_early = program->n_active;
    list_active(program, true);
    *ret = program;
    return OK;
memory:
    program_free(program);
    return error_set(error, CODE_MEMORY, "no memory for the vectors of %d expressions", n);
}

void program_free(struct program *program)
{
    if (!program)
        return;
    scratch_done(&program->scratch);
    free(program->memory);
    free(program->steps);
    free(program->active);
    free(program->roots);
    free(program);
}

static void find_windows(struct program *program, const struct vector *windows, int64_t from)
{
    for (int i = 0; i < program->n_steps; i++) {
        struct step *step = &program->steps[i];
        if (step->kind != EXPR_WINDOW)
            continue;
        step->vector.data = (char *)windows[step->index].data + (size_t)from * step->width;
        step->vector.state = windows[step->index].state + from;
    }
    program->windows = windows;
    program->window_from = from;
}

static void run_steps(struct step *const *from, struct step *const *to, const struct table *events,
                      const struct schema *schema, int64_t row, int64_t n)
{
    for (; from < to; from++) {
        struct step *step = *from;
        if (step->kind == EXPR_CALL)
            step->call.run(&step->call, n);
        else
            vector_load(&events->columns[step->index], &schema->fields[step->index].type, row, n,
                        &step->vector);
    }
}

void program_run_early(struct program *program, const struct table *events, const struct schema *schema,
                       int64_t from, int64_t n)
{
    assert(n <= program->capacity);
    scratch_reset(&program->scratch);
    run_steps(program->active, program->active + program->n_early, events, schema, from, n);
}

void program_run_late(struct program *program, const struct table *events, const struct schema *schema,
                      int64_t from, int64_t n, const struct vector *windows, int64_t window_from)
{
    if (windows != program->windows || window_from != program->window_from)
        find_windows(program, windows, window_from);
    run_steps(program->active + program->n_early, program->active + program->n_active, events, schema, from,
              n);
}

void program_run(struct program *program, const struct table *events, const struct schema *schema,
                 int64_t from, int64_t n, const struct vector *windows, int64_t window_from)
{
    program_run_early(program, events, schema, from, n);
    program_run_late(program, events, schema, from, n, windows, window_from);
}

const struct vector *program_root(const struct program *program, int i)
{
    assert(i >= 0 && i < program->n_roots);
    return &program->steps[program->roots[i]].vector;
}

size_t program_bytes(const struct program *program)
{
    return program->bytes + program->scratch.bytes;
}
