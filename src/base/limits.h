/*
 * Every limit of Shrike, with its reason. Other files name these; none has a limit of its own.
 */
#ifndef SHRIKE_BASE_LIMITS_H
#define SHRIKE_BASE_LIMITS_H

#include <stdint.h>

enum {
    LIMIT_COLUMNS = 4096,            /* of a table: wide feature sets have hundreds */
    LIMIT_NAME = 255,                /* bytes of a column, model or feature name: file names hold no more */
    LIMIT_THREADS = 256,             /* of one process */
    LIMIT_STAGED = 64,               /* files written at once by one process, guarded against interruption */
    LIMIT_SQL = 1 << 20,             /* bytes of a features.sql or rules.sql */
    LIMIT_EXPRESSION_DEPTH = 200,    /* nesting of SQL expressions: the compiler recurses */
    LIMIT_WINDOWS = 1024,            /* window calls of one plan */
    LIMIT_FRAME_ROWS = 1000000,      /* n of ROWS n PRECEDING and of lag: an entity keeps that many events */
    LIMIT_PLANS = 64,                /* computed together: model versions side by side are a handful */
    LIMIT_FINDINGS = 100,            /* errors listed of one plan: DuckDB reads it once more for each */
    LIMIT_EXPRESSION_CHAIN = 10000,  /* calls in a row, as a long IN makes: planning recurses over them */
    LIMIT_KEYS = 64,                 /* expressions of a PARTITION BY: one bit each says which are NULL */
    LIMIT_SLOTS = 64,                /* distinct (argument, filter) pairs per entity kind: 64 mask bits */
    LIMIT_BATCH_ROWS = 16384,        /* rows of one batch: enough to amortise, few enough for the caches */
    LIMIT_JSON_LINE = 1 << 20,       /* bytes of one event as a JSON line */
    LIMIT_STRING = 1 << 20,          /* bytes of one VARCHAR value */
    LIMIT_DICTIONARY = 65536,        /* distinct strings of a dictionary column; beyond it, it is plain */
    LIMIT_MODEL_TREES = 100000,      /* of one forest */
    LIMIT_MODEL_OUTPUTS = 4096,      /* margins of one model, such as classes: a row is on the stack */
    LIMIT_CATEGORY = 1 << 24,        /* of a categorical split: beyond it float32 misses whole numbers */
    LIMIT_MODEL_STEPS = 4096,        /* operators of an ONNX graph: those around trees have a dozen */
    LIMIT_MODEL_SLOTS = 16384,       /* values that they make of one row: 64 KiB on the stack */
    LIMIT_MODEL_SETS = 1 << 28,      /* bytes of category sets: 20,000 splits over 100,000 categories */
    LIMIT_TREE_DEPTH = 512,          /* of one tree: walks are loops, the reasons need depth^2 memory */
    LIMIT_MODEL_BYTES = 1 << 30,     /* of a model file */
    LIMIT_MODEL_VALUES = 1 << 28,    /* of a binary one: ten a node, 2,000 whole trees of depth 12 */
    LIMIT_MODEL_NESTING = 64,        /* of a binary one: models have about ten levels, the reader recurses */
    LIMIT_MANIFEST_BYTES = 64 << 20, /* of a shrike.json */
    LIMIT_PARQUET_FOOTER = 1 << 30,  /* of a file written: ten million column chunks, 80 billion rows of 15 */
    LIMIT_METRIC_ROWS = 0x7fffffff,  /* of one evaluation: row numbers have 32 bits while scores are sorted */
    LIMIT_EVALUATE_DAYS = 100000,    /* of one test span: 273 years, or so many steps; catches a wrong unit */
    LIMIT_VERSION_FILES = 64,        /* files of a model version: it has about eight */
    LIMIT_REGISTRY_WAIT_MS = 30000,  /* for another process that registers: a large model takes seconds */
    LIMIT_PROFILE_VALUES = 50,       /* distinct values a profile lists; beyond it a feature is continuous */
    LIMIT_REPORT_BYTES = 64 << 20,   /* of a report: hundreds of days fit a hundred times over */
    LIMIT_JOURNAL_RECORD = 8 << 20,  /* bytes of a record's body: a batch of events and its decisions */
    LIMIT_JOURNAL_SEGMENT = 64 << 20,   /* bytes of a segment, then another: the newest is read at opening */
    LIMIT_JOURNAL_SEGMENTS = 1 << 20,   /* kept: 64 TiB; a table of 64 bytes for each is in memory */
    LIMIT_JOURNAL_BUFFER = 32 << 20,    /* bytes that wait to be written; then appending waits for the disk */
    LIMIT_SNAPSHOT_BLOCK = 8 << 20,     /* bytes of one block, which is checked before it is given */
    LIMIT_SNAPSHOT_PLAN = 1 << 20,      /* bytes of the text that says of which plan the state is */
    LIMIT_SNAPSHOT_EVERY = 256 << 20,   /* bytes of journal between two: a second or two of a restart */
    LIMIT_DURABLE_ROWS = 1024,          /* events of one record of the journal, which must fit its limit */
    LIMIT_AHEAD_IN_A_ROW = 8,           /* events: fewer may come of one clock that is wrong */
    LIMIT_POSITIONS = 128,              /* sources and sinks of one state directory */
    LIMIT_LABELS_WAITING = 1 << 20,     /* ids without an event that labels wait for: 100 MiB or so */
    LIMIT_LABEL_ID = 256,               /* bytes of such an id that are kept to be shown */
    LIMIT_SNAPSHOTS = 2,                /* kept: where the newest is damaged, the one before it serves */
    LIMIT_REASONS = 64,                 /* reasons reported per score */
    LIMIT_REASON_TEXT = 1000,           /* bytes of the text of one: people read it */
    LIMIT_GENERATOR_DAYS = 36500,       /* of one simulation: a century */
    LIMIT_GENERATOR_ENTITIES = 1 << 24, /* customers or terminals: a day of them still fits in memory */
    LIMIT_GENERATOR_PAIRS = 1 << 28,    /* (customer, terminal within reach): 1 GiB */
};

/* How far from 0 an event time may lie, and how long a frame or the lateness may be, in microseconds or
 * steps: 73,000 years. Their sums and differences then never overflow. */
#define LIMIT_EVENT_TIME (INT64_C(1) << 61)

/* How long an event's id is kept for labels where a frame without a start looks at them, in microseconds or
 * steps: 400 days, more than any dispute of a payment takes. Shorter frames keep it less long. */
#define LIMIT_LABEL_HORIZON (INT64_C(400) * 86400 * 1000000)

#endif
