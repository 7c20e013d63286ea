"""Sums, means, variances and standard deviations to the bit, against Python's fractions.

The definition is written once more, in another language, over exact fractions that are rounded once, when
they become a float. Nothing is shared with the program but its input.
"""

import bisect
import datetime
import decimal
import fractions
import json
import math
import random
import struct

import duckdb
import pytest

HOUR = 3600
EPOCH = 1_600_000_000
ROWS = 1000
SEEDS = [1, 2, 3]

# Each frame: its SQL, and which of the entity's events in (time, arrival) order it has, given the event's
# rank.
FRAMES = {
    "day": (
        "RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW",
        lambda times, rank: span(times, rank, 24 * HOUR, 0),
    ),
    "past": (
        "RANGE BETWEEN INTERVAL 6 HOUR PRECEDING AND INTERVAL 1 HOUR PRECEDING",
        lambda times, rank: span(times, rank, 6 * HOUR, HOUR),
    ),
    "others": (
        "RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
        lambda times, rank: span(times, rank, 24 * HOUR, 0)[:-1],
    ),
    "ever": ("", lambda times, rank: range(rank + 1)),
    "known": (
        "RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 HOUR PRECEDING",
        lambda times, rank: span(times, rank, 10**12, HOUR),
    ),
    "ten": ("ROWS 9 PRECEDING", lambda times, rank: range(max(0, rank - 9), rank + 1)),
    "before": (
        "ROWS BETWEEN 20 PRECEDING AND 3 PRECEDING",
        lambda times, rank: range(max(0, rank - 20), max(0, rank - 2)),
    ),
}
CALLS = ["sum", "avg", "var_pop", "var_samp", "stddev_pop", "stddev_samp"]
COLUMNS = ["amount", "price", "points"]


def plan():
    features = ",\n       ".join(
        f"{call}({column}) OVER (card {sql}) AS {call}_{column}_{name}"
        for name, (sql, _) in FRAMES.items()
        for column in COLUMNS
        for call in CALLS
    )
    return f"""
CREATE TABLE payments (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER, amount DOUBLE, price DECIMAL(12,4),
                       points BIGINT);
SELECT {features}
FROM payments
WINDOW card AS (PARTITION BY card ORDER BY ts);
"""


def span(times, rank, start, end):
    """Ranks of the events from `start` to `end` before the one at `rank`, without later peers."""
    low = bisect.bisect_left(times, times[rank] - start)
    high = min(bisect.bisect_right(times, times[rank] - end), rank + 1)
    return range(low, max(low, high))


def events(seed):
    """Ties, late rows, NULLs, and amounts from the smallest double to ones whose squares overflow."""
    generator = random.Random(seed)
    now = EPOCH
    for number in range(ROWS):
        now += generator.choice([0, 0, 60, 1800, 3600])
        amounts = [
            round(generator.uniform(0, 500), 2),
            round(generator.uniform(0, 500), 2),
            generator.random() / 3,
            generator.gauss(1e6, 1e-3),
            -generator.uniform(0, 100),
            None,
        ]
        if seed > 1:
            amounts += [1e-9, 1e17, 4.5e15, 5e-324, 2.0**-75, -1e-310]
        if seed > 2:
            amounts += [1e200, -3e160]
        points = [None, generator.randrange(1000), generator.randrange(-(2**60), 2**60)]
        yield {
            "id": number,
            "ts": now - (generator.randrange(HOUR) if generator.random() < 0.1 else 0),
            "card": generator.randrange(6),
            "amount": generator.choice(amounts),
            "price": generator.choice([None, decimal.Decimal(generator.randrange(10**9)) / 10000]),
            "points": generator.choice(points),
        }


def write_events(path, rows):
    with path.open("w") as file:
        for row in rows:
            moment = datetime.datetime.fromtimestamp(row["ts"], datetime.timezone.utc)
            shown = dict(row, ts=moment.strftime("%Y-%m-%d %H:%M:%S"))
            shown["price"] = None if row["price"] is None else str(row["price"])
            file.write(json.dumps(shown) + "\n")


def rounded(value):
    """A fraction as the nearest float; beyond them all, infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class Column:
    """A column's values as whole numbers of a unit that divides them all: as they are, and as the doubles
    that variances are taken of. Adding those up is adding fractions without reducing each.
    """

    def __init__(self, rows, name):
        values = {row["id"]: row[name] for row in rows if row[name] is not None}
        self.exact, self.unit = on_grid(values)
        self.doubles, self.double_unit = on_grid({number: float(value) for number, value in values.items()})

    def aggregates(self, members):
        """What CALLS name, of the events of these ids."""
        known = [number for number in members if number in self.exact]
        n, total = len(known), fractions.Fraction(sum(self.exact[number] for number in known), self.unit)
        yield total if n else None
        yield rounded(total / n) if n else None
        sums = sum(self.doubles[number] for number in known)
        squares = sum(self.doubles[number] ** 2 for number in known)
        scaled = fractions.Fraction(n * squares - sums * sums, self.double_unit**2)
        divisors = [n * n, n * (n - 1)]
        variances = [rounded(scaled / divisor) if divisor > 0 else None for divisor in divisors]
        yield from variances
        yield from (variance if variance is None else math.sqrt(variance) for variance in variances)


def on_grid(values):
    exact = {number: fractions.Fraction(value) for number, value in values.items()}
    unit = math.lcm(*(value.denominator for value in exact.values()))
    return {number: int(value * unit) for number, value in exact.items()}, unit


def expected_features(rows):
    columns = [Column(rows, name) for name in COLUMNS]
    entities = {}
    for row in rows:
        history, times = entities.setdefault(row["card"], ([], []))
        rank = bisect.bisect_right(times, row["ts"])
        times.insert(rank, row["ts"])
        history.insert(rank, row["id"])
        features = []
        for _, members in FRAMES.values():
            seen = [history[at] for at in members(times, rank)]
            for column in columns:
                features += column.aggregates(seen)
        yield features


def bits(value):
    return struct.pack("<d", value)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_bit_is_that_of_exact_fractions(shrike, tmp_path, seed):
    rows = list(events(seed))
    write_events(tmp_path / "events.jsonl", rows)
    (tmp_path / "plan.sql").write_text(plan())
    files = ["--in", "events.jsonl", "--out", "out.parquet"]
    shrike("features", "plan.sql", "--lateness", "1h", *files, check=True)
    found = duckdb.sql(f"SELECT * FROM read_parquet('{tmp_path / 'out.parquet'}')")
    names = found.columns
    values = 0
    for number, (theirs, ours) in enumerate(zip(found.fetchall(), expected_features(rows), strict=True)):
        for name, x, y in zip(names, theirs, ours, strict=True):
            place = f"row {number}, {name}: {x!r} is not {y!r}"
            if x is None or y is None:
                assert x is y, place
            elif isinstance(x, float):
                values += 1
                assert bits(x) == bits(rounded(y)), place
            else:  # sums of DECIMAL and of integers
                assert fractions.Fraction(x) == y, place
    assert values > 50_000
