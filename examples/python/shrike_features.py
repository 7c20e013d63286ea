"""Shrike's features from Python: ctypes and the Arrow C Data Interface, nothing to compile.

    with State(Plan.load("features.sql")) as state:
        features = state.take(batch)     # a pyarrow RecordBatch; or anything with __arrow_c_array__

Run as a program: shrike_features.py features.sql events.parquet features.parquet
"""

import ctypes
import ctypes.util
import os
import sys

import pyarrow as pa


class _Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("line", ctypes.c_int64), ("column", ctypes.c_int64)]
    _fields_ += [("place", ctypes.c_char * 256), ("message", ctypes.c_char * 1024)]


class _Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("threads", ctypes.c_int), ("time_unit", ctypes.c_int)]
    _fields_ += [("lateness_us", ctypes.c_int64), ("strict", ctypes.c_int), ("memory", ctypes.c_int64)]


class ShrikeError(Exception):
    """code, place, line and column as in shrike_error; 0 where unknown."""

    def __init__(self, error):
        self.code, self.line, self.column = error.code, error.line, error.column
        self.place = error.place.decode(errors="replace")
        self.message = error.message.decode(errors="replace")
        where = ":".join(str(part) for part in (self.place, self.line, self.column) if part)
        super().__init__(f"{where}: {self.message}" if where else self.message)


# SHRIKE_LIBRARY names a library that is not where the loader looks.
_path = os.environ.get("SHRIKE_LIBRARY") or ctypes.util.find_library("shrike") or "libshrike.so.0"
_library = ctypes.CDLL(_path)
_library.shrike_version.restype = ctypes.c_char_p
_library.shrike_state_filtered.restype = ctypes.POINTER(ctypes.c_uint8)
_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
version = _library.shrike_version().decode()


def _call(function, *arguments):
    error = _Error()
    if function(*arguments, ctypes.byref(error)) != 0:
        raise ShrikeError(error)


class Plan:
    """A compiled features.sql. Immutable: threads may share it."""

    def __init__(self, sql, name="features.sql"):
        self._plan = ctypes.c_void_p()
        text, ret = sql.encode(), ctypes.byref(self._plan)
        _call(_library.shrike_plan_compile, text, ctypes.c_size_t(len(text)), name.encode(), ret)

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(file.read(), str(path))

    def _schema(self, function):
        schema = (ctypes.c_void_p * 9)()  # a struct ArrowSchema: nine words
        _call(function, self._plan, schema)
        return pa.Schema._import_from_c(ctypes.addressof(schema))

    @property
    def events(self):
        """The columns that events have, as a pyarrow schema."""
        return self._schema(_library.shrike_plan_events)

    @property
    def features(self):
        """The features that come out, as a pyarrow schema."""
        return self._schema(_library.shrike_plan_features)

    def __del__(self):
        if self._plan:
            _library.shrike_plan_free(self._plan)


class State:
    """What the windows of a plan remember. One thread at a time; events in their order of arrival."""

    def __init__(self, plan, threads=1, lateness_us=0, time_unit=0, strict=False, memory=0):
        self._state = ctypes.c_void_p()
        options = _Options(ctypes.sizeof(_Options), threads, time_unit, lateness_us, strict, memory)
        _call(_library.shrike_state_new, plan._plan, ctypes.byref(options), ctypes.byref(self._state))

    def take(self, events):
        """One row of features per event, as a RecordBatch."""
        schema, array = events.__arrow_c_array__()  # capsules: they release both when they go
        in_schema = ctypes.c_void_p(_pointer_of(schema, b"arrow_schema"))
        in_array = ctypes.c_void_p(_pointer_of(array, b"arrow_array"))
        ret_schema, ret_array = (ctypes.c_void_p * 9)(), (ctypes.c_void_p * 10)()
        _call(_library.shrike_state_take, self._state, in_schema, in_array, ret_schema, ret_array)
        return pa.RecordBatch._import_from_c(ctypes.addressof(ret_array), ctypes.addressof(ret_schema))

    def filtered(self, rows):
        """Per row of the last batch, which had so many: does the plan's WHERE leave it out?"""
        found = _library.shrike_state_filtered(self._state)
        return [found[i] != 0 for i in range(rows)] if found else [False] * rows

    def close(self):
        if self._state:
            _library.shrike_state_free(self._state)
            self._state = ctypes.c_void_p()

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main(plan_path, events_path, features_path):
    import pyarrow.parquet as parquet

    plan = Plan.load(plan_path)
    with State(plan) as state, parquet.ParquetWriter(features_path, plan.features) as writer:
        for batch in parquet.ParquetFile(events_path).iter_batches():
            writer.write_batch(state.take(batch))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
