#!/usr/bin/env python3
"""Writes src/feature/case_map.c: what lower() and upper() make of every character, as DuckDB answers it."""
import pathlib

import duckdb

QUERY = """SELECT i, unicode(lower(chr(i::INTEGER))), unicode(upper(chr(i::INTEGER)))
FROM range(128, 1114112) t(i) WHERE i NOT BETWEEN 55296 AND 57343 ORDER BY i"""


def ranges(pairs):
    """Runs of characters that move by the same distance: [first, last, step, distance]."""
    found = []
    for code, distance in pairs:
        last = found[-1] if found else None
        step = code - last[1] if last else 0
        if last and last[3] == distance and (step == last[2] or (last[0] == last[1] and step <= 2)):
            last[2] = step
            last[1] = code
        else:
            found.append([code, code, 1, distance])
    return found


def table(name, found):
    lines, line = [f"static const struct run {name}[] = {{"], "   "
    for entry in found:
        text = " {%d, %d, %d, %d}," % tuple(entry)
        if len(line) + len(text) > 100:
            lines.append(line)
            line = "   "
        line += text
    return lines + [line, "};", ""]


def main():
    rows = duckdb.connect().execute(QUERY).fetchall()
    lower = ranges([(code, low - code) for code, low, _ in rows if low != code])
    upper = ranges([(code, up - code) for code, _, up in rows if up != code])
    lines = [f"/* Written by scripts/case-map.py from DuckDB {duckdb.__version__}. Not to be edited. */",
             '#include "feature/case_map.h"', "",
             "/* Characters first, first + step, ... last move by `distance`. */",
             "struct run {", "    uint32_t first, last, step;", "    int32_t distance;", "};", ""]
    lines += table("lower_runs", lower) + table("upper_runs", upper)
    lines += ["static uint32_t move(const struct run *runs, size_t n, uint32_t code)", "{",
              "    size_t low = 0, high = n;", "    while (low < high) {",
              "        size_t middle = (low + high) / 2;",
              "        if (runs[middle].last < code)", "            low = middle + 1;", "        else",
              "            high = middle;", "    }",
              "    if (low == n || code < runs[low].first || (code - runs[low].first) % runs[low].step)",
              "        return code;", "    return (uint32_t)((int32_t)code + runs[low].distance);", "}", ""]
    for name, first, last, sign in (("lower", "A", "Z", "+"), ("upper", "a", "z", "-")):
        lines += [f"uint32_t case_{name}(uint32_t code)", "{", "    if (code < 128)",
                  f"        return code >= '{first}' && code <= '{last}' ? code {sign} 32 : code;",
                  f"    return move({name}_runs, sizeof {name}_runs / sizeof *{name}_runs, code);", "}", ""]
    out = pathlib.Path(__file__).resolve().parent.parent / "src/feature/case_map.c"
    out.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
