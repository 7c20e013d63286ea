#include "score/label_book.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/units.h"
#include "score/ids.h"
#include "score/label_waits.h"
#include "table/json_rows.h"
#include "table/packed.h"

enum {
    PAGE = 1024, /* events: at most 1 GiB of a text column */
    TOLD_AT_ONCE = 256
};

/* Of events in order of arrival. */
struct page {
    struct table kept;     /* the columns that windows over late columns look at */
    uint8_t entered[PAGE]; /* 1: it is in the windows */
    struct said *said[PAGE];
};

struct label_book {
    struct plan *plan;
    struct schema *labels, *kept;
    int *kept_from;    /* per kept column: that of the events */
    int *from_kept;    /* per column of the events: the kept one, or -1 */
    int *from_late;    /* the late column of the labels, or -1 */
    int id, time;      /* columns of the events */
    struct table view; /* borrowed columns: events as they are kept */
    struct sayings sayings;
    struct ids *ids; /* `body` is the number of the event in the pages */
    struct page **pages;
    size_t n_pages, pages_capacity;
    uint64_t first, end; /* events that are kept */
    struct label_waits *waits;
    int64_t latest, high; /* of all event times; of those in the windows */
    int64_t clock;        /* that ids expire by: the high water, or `latest` before there is one */
    bool started;
    struct table before, now;
    int64_t arrivals[TOLD_AT_ONCE];
    int64_t told, outside;
};

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for labels");
}

/* ---- making ---- */

int label_book_check(const struct plan *plan, struct error *error)
{
    const struct schema *events = plan_events(plan);
    bool late = false;
    if (plan_id_column(plan) < 0)
        return error_set(error, CODE_INVALID,
                         "labels go by the ids of events, and the plan has none: declare the id of %s as "
                         "PRIMARY KEY",
                         plan_table_name(plan));
    if (plan_time_column(plan) < 0)
        return error_set(error, CODE_INVALID,
                         "labels arrive by the time of events, and the plan has none: no window, and not "
                         "exactly one TIMESTAMP or DATE column");
    for (int c = 0; c < events->n; c++)
        late |= (events->fields[c].roles & ROLE_LATE) != 0;
    if (late)
        return OK;
    return error_set(error, CODE_INVALID,
                     "labels: the plan's table %s has no late column: declare one with COMMENT ON COLUMN ... "
                     "IS 'shrike: label, late after=...'",
                     plan_table_name(plan));
}

/* Which columns are kept of an event, and where a late one is in the labels. */
static int choose_columns(struct label_book *book, const struct state *state, struct error *error)
{
    const struct schema *events = plan_events(book->plan);
    int rc = OK;
    for (int c = 0; rc == OK && c < events->n; c++) {
        const struct field *field = &events->fields[c];
        book->from_kept[c] = book->from_late[c] = -1;
        for (int l = LABEL_COLUMNS; (field->roles & ROLE_LATE) && l < book->labels->n; l++)
            if (strcmp(book->labels->fields[l].name, field->name) == 0)
                book->from_late[c] = l - LABEL_COLUMNS;
        if ((field->roles & ROLE_LATE) || !state_learns_from(state, c))
            continue;
        book->from_kept[c] = book->kept->n;
        book->kept_from[book->kept->n] = c;
        rc = schema_add(book->kept, field->name, field->type, error);
    }
    return rc;
}

static int64_t horizon_of(const struct state *state, int64_t lateness)
{
    bool endless;
    int64_t matters = state_learns_for(state, &endless);
    if (endless && matters < LIMIT_LABEL_HORIZON)
        matters = LIMIT_LABEL_HORIZON;
    bool fits = matters < LIMIT_EVENT_TIME / 2 && lateness < LIMIT_EVENT_TIME / 4;
    return fits ? matters + 2 * lateness : LIMIT_EVENT_TIME;
}

static int make_tables(struct label_book *book, struct error *error)
{
    int rc = table_init_lent(&book->view, book->kept, error);
    if (rc == OK)
        rc = table_init(&book->before, plan_events(book->plan), error);
    if (rc == OK)
        rc = table_init(&book->now, plan_events(book->plan), error);
    if (rc == OK)
        rc = table_reserve(&book->before, TOLD_AT_ONCE, error);
    if (rc == OK)
        rc = table_reserve(&book->now, TOLD_AT_ONCE, error);
    return rc == OK ? sayings_init(&book->sayings, book->labels, error) : rc;
}

int label_book_new(struct plan *plan, struct schema *labels, const struct state *state, int64_t lateness,
                   struct label_book **ret, struct error *error)
{
    const struct schema *events = plan_events(plan);
    if (schema_find(events, labels->fields[LABEL_ID].name) < 0 || plan_time_column(plan) < 0)
        return error_set(
            error, CODE_CONFLICT,
            "labels go by %s and by the time of events, and the plan's table %s does not have both",
            labels->fields[LABEL_ID].name, plan_table_name(plan));
    struct label_book *book = memory_new(1, sizeof *book);
    if (!book)
        return no_memory(error);
    size_t n = (size_t)events->n;
    lateness = lateness < LIMIT_EVENT_TIME ? lateness : LIMIT_EVENT_TIME;
    book->plan = plan_ref(plan);
    book->labels = schema_ref(labels);
    book->kept = schema_new(0);
    book->kept_from = memory_new(n, sizeof *book->kept_from);
    book->from_kept = memory_new(n, sizeof *book->from_kept);
    book->from_late = memory_new(n, sizeof *book->from_late);
    book->id = schema_find(events, labels->fields[LABEL_ID].name);
    book->time = plan_time_column(plan);
    book->latest = INT64_MIN;
    book->high = book->clock = INT64_MIN / 2;
    book->ids = ids_new(horizon_of(state, lateness));
    book->waits = label_waits_new(lateness);
    bool fine =
        book->kept && book->kept_from && book->from_kept && book->from_late && book->ids && book->waits;
    int rc = fine ? choose_columns(book, state, error) : no_memory(error);
    if (rc == OK)
        rc = make_tables(book, error);
    if (rc != OK) {
        label_book_free(book);
        return rc;
    }
    *ret = book;
    return OK;
}

static void free_page(struct page *page)
{
    for (int i = 0; i < PAGE; i++)
        free(page->said[i]);
    table_done(&page->kept);
    free(page);
}

void label_book_free(struct label_book *book)
{
    if (!book)
        return;
    for (size_t p = 0; p < book->n_pages; p++)
        free_page(book->pages[p]);
    free(book->pages);
    if (book->view.schema)
        table_done_lent(&book->view);
    if (book->before.schema)
        table_done(&book->before);
    if (book->now.schema)
        table_done(&book->now);
    sayings_done(&book->sayings);
    label_waits_free(book->waits);
    ids_free(book->ids);
    free(book->kept_from);
    free(book->from_kept);
    free(book->from_late);
    schema_unref(book->kept);
    schema_unref(book->labels);
    plan_unref(book->plan);
    free(book);
}

/* ---- events ---- */

static struct page *page_of(const struct label_book *book, uint64_t number)
{
    return book->pages[number / PAGE - book->first / PAGE];
}

static int64_t time_of(const struct label_book *book, const struct table *events, int64_t i)
{
    const struct type *type = &events->schema->fields[book->time].type;
    return column_int(&events->columns[book->time], type, i) * (type->id == TYPE_DATE ? DAY_US : 1);
}

static bool has_id(const struct label_book *book, const struct table *events, int64_t i)
{
    return !column_is_null(&events->columns[book->id], i);
}

static struct id_key key_of(const struct label_book *book, const struct table *events, int64_t i)
{
    return id_key_of(&events->columns[book->id], &events->schema->fields[book->id].type, i);
}

/* The event that a label with this id is about. */
static bool find_event(const struct label_book *book, struct id_key key, uint64_t *ret_seq,
                       uint64_t *ret_number)
{
    return ids_find(book->ids, key, book->clock, ret_seq, ret_number) &&
           *ret_number - book->first < book->end - book->first;
}

static int open_page(struct label_book *book, struct error *error)
{
    if (book->end / PAGE - book->first / PAGE < book->n_pages)
        return OK;
    struct page *page = memory_new(1, sizeof *page);
    bool fine =
        page && memory_grow(&book->pages, &book->pages_capacity, book->n_pages + 1, sizeof *book->pages);
    int rc = fine ? table_init(&page->kept, book->kept, error) : no_memory(error);
    if (rc != OK) {
        free(page);
        return rc;
    }
    book->pages[book->n_pages++] = page;
    return OK;
}

static void expire(struct label_book *book)
{
    ids_expire(book->ids, book->clock);
    for (uint64_t oldest = book->end - (uint64_t)ids_count(book->ids); book->first < oldest;) {
        struct page *page = page_of(book, book->first);
        uint64_t at = book->first % PAGE;
        free(page->said[at]);
        page->said[at] = NULL;
        if (++book->first % PAGE == 0) {
            free_page(page);
            memmove(book->pages, book->pages + 1, --book->n_pages * sizeof *book->pages);
        }
    }
}

/* The view is that of the events. */
static int keep_event(struct label_book *book, struct id_key key, int64_t i, uint64_t seq, bool entered,
                      struct error *error)
{
    int rc = open_page(book, error);
    if (rc != OK)
        return rc;
    struct page *page = page_of(book, book->end);
    uint64_t at = book->end % PAGE;
    rc = table_append(&page->kept, &book->view, i, 1, error);
    if (rc == OK && !ids_add(book->ids, key, seq, book->end, book->clock))
        rc = no_memory(error);
    if (rc != OK)
        return rc;
    page->entered[at] = entered;
    book->end++;
    expire(book);
    return OK;
}

/* ---- telling ---- */

/* An event with its late columns as something says them. */
static int append_event(struct label_book *book, uint64_t number, const struct said *said, struct table *ret,
                        struct error *error)
{
    const struct schema *events = plan_events(book->plan);
    const struct page *page = page_of(book, number);
    int rc = sayings_read(&book->sayings, said, error);
    for (int c = 0; rc == OK && c < events->n; c++) {
        const struct column *from = NULL;
        int64_t at = 0;
        if (book->from_kept[c] >= 0) {
            from = &page->kept.columns[book->from_kept[c]];
            at = (int64_t)(number % PAGE);
        } else if (book->from_late[c] >= 0) {
            from = &book->sayings.was.columns[book->from_late[c]];
        }
        rc = column_append_from(&ret->columns[c], &events->fields[c].type, from, at, error);
    }
    ret->length += rc == OK;
    return rc;
}

static int tell_now(struct label_book *book, struct state *state, struct error *error)
{
    int rc = book->now.length ? state_learn(state, &book->before, &book->now, book->arrivals, error) : OK;
    table_clear(&book->before);
    table_clear(&book->now);
    return rc;
}

/* Something else is said of an event that is kept; `said` is the book's from now on. */
static int tell(struct label_book *book, struct state *state, uint64_t number, uint64_t seq,
                struct said *said, struct error *error)
{
    struct page *page = page_of(book, number);
    struct said **place = &page->said[number % PAGE];
    int rc = OK;
    if (!page->entered[number % PAGE]) {
        book->outside++;
    } else {
        book->told++;
        book->arrivals[book->now.length] = (int64_t)seq;
        rc = append_event(book, number, *place, &book->before, error);
        if (rc == OK)
            rc = append_event(book, number, said, &book->now, error);
    }
    free(*place);
    *place = said;
    return rc == OK && book->now.length == TOLD_AT_ONCE ? tell_now(book, state, error) : rc;
}

int64_t label_book_together(const struct label_book *book, const struct table *events, int64_t from)
{
    for (int64_t i = from; label_waits_count(book->waits) && i < events->length; i++)
        if (has_id(book, events, i) && label_waits_find(book->waits, key_of(book, events, i)))
            return i + 1 - from;
    return events->length - from;
}

static int take_event(struct label_book *book, struct state *state, const struct table *events, int64_t i,
                      uint64_t seq, bool entered, struct error *error)
{
    int64_t time = time_of(book, events, i);
    uint64_t known, number;
    int rc = OK;
    if (entered && time > book->high)
        book->high = time;
    if (!book->started || time > book->latest)
        book->latest = time;
    book->started = true;
    int64_t now = book->high > INT64_MIN / 2 ? book->high : book->latest;
    book->clock = now > book->clock ? now : book->clock;
    if (has_id(book, events, i)) {
        struct id_key key = key_of(book, events, i);
        if (!find_event(book, key, &known, &number))
            rc = keep_event(book, key, i, seq, entered, error);
        struct said *said = rc == OK ? label_waits_take(book->waits, key) : NULL;
        if (said && find_event(book, key, &known, &number))
            rc = tell(book, state, number, known, said, error);
        else
            free(said);
    }
    if (rc == OK && !label_waits_pass(book->waits, book->latest, book->high))
        rc = no_memory(error);
    return rc;
}

int label_book_take(struct label_book *book, struct state *state, const struct table *events, uint64_t seq,
                    struct error *error)
{
    const uint8_t *entered = state_entered(state);
    int rc = OK;
    for (int k = 0; k < book->kept->n; k++)
        book->view.columns[k] = events->columns[book->kept_from[k]];
    book->view.length = events->length;
    for (int64_t i = 0; rc == OK && i < events->length; i++)
        rc = take_event(book, state, events, i, seq + (uint64_t)i, entered[i], error);
    return rc == OK ? tell_now(book, state, error) : rc;
}

/* ---- erasing ---- */

/* The row of a page without its values. */
static int blank_row(struct page *page, int64_t at, struct error *error)
{
    struct table rows = {0};
    const struct schema *schema = page->kept.schema;
    int rc = table_init(&rows, page->kept.schema, error);
    if (rc == OK)
        rc = table_append(&rows, &page->kept, 0, at, error);
    for (int c = 0; rc == OK && c < schema->n; c++)
        rc = column_append_from(&rows.columns[c], &schema->fields[c].type, NULL, 0, error);
    rows.length += rc == OK;
    if (rc == OK)
        rc = table_append(&rows, &page->kept, at + 1, page->kept.length - at - 1, error);
    if (rc == OK) {
        struct table swap = page->kept;
        page->kept = rows;
        rows = swap;
    }
    if (rows.schema)
        table_done(&rows);
    return rc;
}

static bool find_taken(const struct label_book *book, const struct table *events, int64_t i, uint64_t seq,
                       uint64_t *ret_number)
{
    uint64_t known;
    return has_id(book, events, i) && find_event(book, key_of(book, events, i), &known, ret_number) &&
           known == seq;
}

int label_book_forget(struct label_book *book, const struct table *events, int64_t i, uint64_t seq,
                      struct error *error)
{
    uint64_t number;
    if (!find_taken(book, events, i, seq, &number))
        return OK;
    struct page *page = page_of(book, number);
    uint64_t at = number % PAGE;
    free(page->said[at]);
    page->said[at] = NULL;
    page->entered[at] = 0;
    ids_remove(book->ids, key_of(book, events, i), seq);
    return blank_row(page, (int64_t)at, error);
}

int label_book_as_known(struct label_book *book, const struct table *events, int64_t i, uint64_t seq,
                        struct table *ret, bool *ret_kept, struct error *error)
{
    const struct schema *schema = plan_events(book->plan);
    uint64_t number;
    *ret_kept = find_taken(book, events, i, seq, &number);
    const struct said *said = *ret_kept ? page_of(book, number)->said[number % PAGE] : NULL;
    int rc = sayings_read(&book->sayings, said, error);
    for (int c = 0; rc == OK && c < schema->n; c++) {
        bool late = book->from_late[c] >= 0;
        const struct column *from =
            late ? &book->sayings.was.columns[book->from_late[c]] : &events->columns[c];
        rc = column_append_from(&ret->columns[c], &schema->fields[c].type, from, late ? 0 : i, error);
    }
    ret->length += rc == OK;
    return rc;
}

/* ---- labels ---- */

/* What is known of a label's event. */
struct subject {
    struct id_key key;
    bool is_kept;
    uint64_t seq, number;
    const struct said *said;
};

static struct subject subject_of(const struct label_book *book, const struct label_rows *labels, int64_t i)
{
    const struct table *rows = labels->rows;
    struct subject subject = {
        .key = id_key_of(&rows->columns[LABEL_ID], &rows->schema->fields[LABEL_ID].type, i)};
    subject.is_kept = find_event(book, subject.key, &subject.seq, &subject.number);
    subject.said = subject.is_kept ? page_of(book, subject.number)->said[subject.number % PAGE]
                                   : label_waits_find(book->waits, subject.key);
    return subject;
}

int label_book_is_news(struct label_book *book, const struct label_rows *labels, int64_t i, bool *ret,
                       struct error *error)
{
    struct subject subject = subject_of(book, labels, i);
    struct said *said;
    int rc = sayings_add(&book->sayings, subject.said, labels, i, &said, error);
    if (rc != OK)
        return rc;
    *ret = said != NULL;
    free(said);
    return OK;
}

/* An id that is secret is not shown to whoever hears that its labels were given up. */
static int wait_for(struct label_book *book, const struct label_rows *labels, int64_t i, struct id_key key,
                    struct said *said, struct error *error)
{
    const struct field *field = &labels->rows->schema->fields[LABEL_ID];
    struct buffer id;
    buffer_init(&id, SIZE_MAX / 2);
    if (field->roles & ROLE_SECRET)
        buffer_text(&id, "\"(secret)\"");
    else
        json_write_value(&labels->rows->columns[LABEL_ID], &field->type, i, &id);
    bool fine = !id.failed && id.data;
    if (fine && id.size > LIMIT_LABEL_ID) {
        buffer_clear(&id);
        buffer_text(&id, "\"(too long to show)\"");
    }
    fine = fine && label_waits_put(book->waits, key, id.data, said);
    buffer_done(&id);
    return fine ? OK : no_memory(error);
}

static int learn_one(struct label_book *book, struct state *state, const struct label_rows *labels, int64_t i,
                     struct error *error)
{
    struct subject subject = subject_of(book, labels, i);
    struct said *said;
    int rc = sayings_add(&book->sayings, subject.said, labels, i, &said, error);
    if (rc != OK || !said)
        return rc;
    if (subject.is_kept)
        return tell(book, state, subject.number, subject.seq, said, error);
    rc = wait_for(book, labels, i, subject.key, said, error);
    if (rc != OK)
        free(said);
    return rc;
}

int label_book_learn(struct label_book *book, struct state *state, const struct label_rows *labels,
                     struct error *error)
{
    int rc = OK;
    for (int64_t i = 0; rc == OK && i < labels->rows->length; i++)
        rc = learn_one(book, state, labels, i, error);
    return rc == OK ? tell_now(book, state, error) : rc;
}

/* ---- */

struct schema *label_book_schema(const struct label_book *book)
{
    return book->labels;
}

int64_t label_book_latest(const struct label_book *book)
{
    return book->latest;
}

size_t label_book_lost(const struct label_book *book, const char *const **ret_ids)
{
    return label_waits_lost(book->waits, ret_ids);
}

void label_book_forget_lost(struct label_book *book)
{
    label_waits_forget(book->waits);
}

void label_book_count(const struct label_book *book, struct label_counters *ret)
{
    int64_t row = 1 + (int64_t)sizeof(struct said *);
    for (int k = 0; k < book->kept->n; k++)
        row += (int64_t)type_width(book->kept->fields[k].type.id);
    *ret = (struct label_counters){.told = book->told,
                                   .outside = book->outside,
                                   .waiting = label_waits_count(book->waits),
                                   .lost = label_waits_lost_ever(book->waits),
                                   .events = ids_count(book->ids),
                                   .bytes = ids_bytes(book->ids) + (int64_t)book->n_pages * PAGE * row};
}

/* ---- saving ---- */

static void save_page(const struct label_book *book, const struct page *page, struct bytes_out *out)
{
    struct buffer rows;
    buffer_init(&rows, SIZE_MAX / 2);
    packed_write(&page->kept, 0, page->kept.length, &rows);
    if (rows.failed && out->rc == OK)
        out->rc = error_set(out->error, CODE_MEMORY, "no memory for a snapshot of labels");
    bytes_put_u64(out, rows.size);
    bytes_put(out, rows.data, rows.size);
    bytes_put(out, page->entered, (size_t)page->kept.length);
    for (int64_t i = 0; i < page->kept.length; i++)
        said_save(&book->sayings, page->said[i], out);
    buffer_done(&rows);
}

void label_book_save(const struct label_book *book, struct bytes_out *out)
{
    bytes_put_i64(out, book->latest);
    bytes_put_i64(out, book->high);
    bytes_put_i64(out, book->clock);
    bytes_put_u8(out, book->started);
    bytes_put_i64(out, book->told);
    bytes_put_i64(out, book->outside);
    ids_save(book->ids, out);
    bytes_put_u64(out, book->first);
    bytes_put_u64(out, book->end);
    for (size_t p = 0; p < book->n_pages; p++)
        save_page(book, book->pages[p], out);
    label_waits_save(book->waits, &book->sayings, out);
}

/* Piece by piece: what says how many bytes there are may be wrong. */
static bool load_bytes(struct bytes_in *in, uint64_t size, struct buffer *ret)
{
    enum { PIECE = 1 << 16 };
    char *piece = malloc(PIECE);
    bool fine = piece || bytes_no_memory(in);
    for (uint64_t n; fine && size; size -= n) {
        n = size < PIECE ? size : PIECE;
        fine = bytes_get(in, piece, (size_t)n);
        if (fine)
            buffer_append(ret, piece, (size_t)n);
    }
    free(piece);
    return fine && ret->failed ? bytes_no_memory(in) : fine;
}

/* The page at the end of those that were loaded. */
static bool load_page(struct label_book *book, int64_t n, struct bytes_in *in)
{
    struct page *page = book->pages[book->n_pages - 1];
    struct error error = {0};
    struct buffer rows;
    size_t used = 0;
    buffer_init(&rows, SIZE_MAX / 2);
    bool fine = load_bytes(in, bytes_get_u64(in), &rows);
    if (fine && (packed_read(rows.data ? rows.data : "", rows.size, PAGE, &page->kept, &used, &error) != OK ||
                 used != rows.size || page->kept.length != n))
        fine = bytes_refuse(in, "the events that labels go to cannot be read%s%s", error.code ? ": " : "",
                            error.message);
    buffer_done(&rows);
    fine = fine && bytes_get(in, page->entered, (size_t)n);
    for (int64_t i = 0; fine && i < n; i++)
        fine = said_load(&book->sayings, in, &page->said[i]);
    return fine;
}

static bool load_pages(struct label_book *book, uint64_t end, struct bytes_in *in)
{
    while (book->end < end) {
        uint64_t n = end - book->end < PAGE ? end - book->end : PAGE;
        if (open_page(book, NULL) != OK)
            return bytes_no_memory(in);
        if (!load_page(book, (int64_t)n, in))
            return false;
        book->end += n;
    }
    return in->rc == OK;
}

bool label_book_load(struct label_book *book, struct bytes_in *in)
{
    book->latest = bytes_get_i64(in);
    book->high = bytes_get_i64(in);
    book->clock = bytes_get_i64(in);
    book->started = bytes_get_u8(in);
    book->told = bytes_get_i64(in);
    book->outside = bytes_get_i64(in);
    if (in->rc == OK && (book->high > LIMIT_EVENT_TIME || book->high < INT64_MIN / 2 ||
                         book->clock > LIMIT_EVENT_TIME || book->clock < INT64_MIN / 2))
        return bytes_refuse(in, "the high water of labels is out of range");
    if (!ids_load(book->ids, in))
        return false;
    uint64_t first = bytes_get_u64(in), end = bytes_get_u64(in);
    if (in->rc == OK && (end < first || end - first != (uint64_t)ids_count(book->ids)))
        return bytes_refuse(in, "%llu events wait for labels, and there are %llu ids",
                            (unsigned long long)(end - first), (unsigned long long)ids_count(book->ids));
    /* Pages are whole from their first event on. */
    book->first = book->end = first / PAGE * PAGE;
    bool fine = in->rc == OK && load_pages(book, end, in);
    book->first = first;
    return fine && label_waits_load(book->waits, &book->sayings, in);
}
