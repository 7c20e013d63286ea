"""Shrike's scores from Python: ctypes and numpy, nothing to compile, no copy of the rows.

    scorer = Scorer.load("model.json")
    scores = scorer.predict(rows)           # rows: float32, n x features; scores: n x outputs
    reasons = scorer.explain(rows)          # n x margins x (features + 1), the last of each the base

Run as a program: shrike_scorer.py model.json rows.npy scores.npy
"""

import ctypes
import ctypes.util
import os
import sys

import numpy


class _Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("line", ctypes.c_int64), ("column", ctypes.c_int64)]
    _fields_ += [("place", ctypes.c_char * 256), ("message", ctypes.c_char * 1024)]


class ShrikeError(Exception):
    """code and place as in shrike_error."""

    def __init__(self, error):
        self.code, self.place = error.code, error.place.decode(errors="replace")
        self.message = error.message.decode(errors="replace")
        super().__init__(f"{self.place}: {self.message}" if self.place else self.message)


# SHRIKE_LIBRARY names a library that is not where the loader looks.
_path = os.environ.get("SHRIKE_LIBRARY") or ctypes.util.find_library("shrike") or "libshrike.so.0"
_library = ctypes.CDLL(_path)
_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


def _declare(name, ret, *arguments):
    function = getattr(_library, f"shrike_scorer_{name}")
    function.restype, function.argtypes = ret, arguments
    return function


_load = _declare("load", _INT, ctypes.c_char_p, _POINTER, _POINTER)
_parse = _declare("parse", _INT, ctypes.c_char_p, _SIZE, _POINTER, _POINTER)
_free = _declare("free", None, _POINTER)
_format = _declare("format", ctypes.c_char_p, _POINTER)
_features = _declare("features", _INT, _POINTER)
_outputs = _declare("outputs", _INT, _POINTER)
_margins = _declare("margins", _INT, _POINTER)
_feature_name = _declare("feature_name", ctypes.c_char_p, _POINTER, _INT)
_predict = _declare("predict", _INT, _POINTER, _POINTER, _SIZE, _INT, _POINTER, _POINTER)
_explain = _declare("explain", _INT, _POINTER, _POINTER, _SIZE, _INT, _POINTER, _POINTER, _POINTER)


def _call(function, *arguments):
    error = _Error()
    if function(*arguments, ctypes.byref(error)) != 0:
        raise ShrikeError(error)


def rows_of(array):
    """An Arrow array of fixed_size_list<float> (one list per row) as rows, without a copy."""
    if array.null_count or array.flatten().null_count:
        raise ValueError("rows cannot be NULL; a missing value is NaN")
    return array.flatten().to_numpy(zero_copy_only=True).reshape(len(array), array.type.list_size)


def _check(rows):
    """Copies nothing, and so takes nothing that would have to be converted first."""
    if rows.dtype != numpy.float32 or rows.ndim != 2 or not rows.flags.c_contiguous:
        raise ValueError(
            f"rows are float32, n x features, row by row, not {rows.dtype} of shape {rows.shape}: "
            "numpy.ascontiguousarray(rows, numpy.float32) makes a copy that is"
        )
    return rows.ctypes.data, rows.shape[0], rows.shape[1]


class Scorer:
    """A loaded model. Immutable: threads may share it, and ctypes lets them run beside each other."""

    def __init__(self, data):
        """data: the bytes of a model."""
        self._scorer = _POINTER()
        _call(_parse, data, len(data), ctypes.byref(self._scorer))

    @classmethod
    def load(cls, path):
        self = cls.__new__(cls)
        self._scorer = _POINTER()
        _call(_load, os.fsencode(path), ctypes.byref(self._scorer))
        return self

    def __del__(self):
        _free(self._scorer)

    @property
    def format(self):
        return _format(self._scorer).decode()

    @property
    def names(self):
        """Of the features, or None where the model has no names."""
        names = [_feature_name(self._scorer, i) for i in range(_features(self._scorer))]
        return None if names[0] is None else [name.decode() for name in names]

    def predict(self, rows):
        scores = numpy.empty((len(rows), _outputs(self._scorer)), numpy.float32)
        _call(_predict, self._scorer, *_check(rows), scores.ctypes.data)
        return scores

    def explain(self, rows):
        shape = len(rows), _margins(self._scorer), _features(self._scorer) + 1
        contributions = numpy.empty(shape, numpy.float64)
        _call(_explain, self._scorer, *_check(rows), contributions.ctypes.data, None)
        return contributions


def main(model_path, rows_path, scores_path):
    numpy.save(scores_path, Scorer.load(model_path).predict(numpy.load(rows_path)))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
