"""Rows full of values that are easy to get wrong, and the comparison to the bit."""

import numpy


def random_rows(random, n, features, infinite=False):
    """Few distinct values among others, so that thresholds are hit exactly; missing ones, both zeros,
    denormals, numbers at the ends of float32, LightGBM's bounds of zero."""
    rows = random.normal(size=(n, features)).astype(numpy.float32)
    kind = random.random((n, features))
    rows[kind < 0.4] = numpy.floor(rows[kind < 0.4] * 3)
    rows[kind < 0.15] = numpy.nan
    rare = [-0.0, 1e-40, -1e-42, 1e30, -3e38, 1e-35, -1e-35, 1.17549435e-38]
    if infinite:
        rare += [numpy.inf, -numpy.inf]
    for i, value in enumerate(rare):
        rows[kind < 0.06 * (len(rare) - i) / len(rare)] = value
    return rows


def assert_same_bits(got, expected, what):
    """Every value has the same bits; a NaN is not expected."""
    expected = numpy.ascontiguousarray(expected, numpy.float32).ravel()
    assert got.shape == expected.shape, what
    differ = numpy.flatnonzero(got.view(numpy.uint32) != expected.view(numpy.uint32))
    assert not len(differ), (f"{what}: {len(differ)} of {len(got)} differ, first at {differ[0]}: "
                             f"{got[differ[0]]!r}, expected {expected[differ[0]]!r}")
    return len(got)
