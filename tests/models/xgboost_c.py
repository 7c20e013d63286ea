"""The XGBoost library of the system (1.7 on Debian 12), which Shrike links, through its C interface: just
what the tests need of it, so that no second wheel of 200 MB is downloaded for its Python package."""

import ctypes
import ctypes.util
import json

import numpy

from ctypes import byref, c_char_p, c_float, c_int, c_uint64, c_void_p

NAME = ctypes.util.find_library("xgboost")


def library():
    return ctypes.CDLL(NAME)


def version():
    parts = [c_int(), c_int(), c_int()]
    library().XGBoostVersion(*map(byref, parts))
    return tuple(part.value for part in parts)


def _call(name, *arguments):
    if getattr(library(), name)(*arguments):
        library().XGBGetLastError.restype = c_char_p
        raise RuntimeError(library().XGBGetLastError().decode())


class Matrix:
    def __init__(self, x, y=None, types=None):
        self.x = numpy.ascontiguousarray(x, numpy.float32)
        self.handle = c_void_p()
        _call("XGDMatrixCreateFromMat", self.x.ctypes.data_as(c_void_p), c_uint64(self.x.shape[0]),
              c_uint64(self.x.shape[1]), c_float(numpy.nan), byref(self.handle))
        if y is not None:
            self.set("label", y)
        if types is not None:
            texts = (c_char_p * len(types))(*(text.encode() for text in types))
            _call("XGDMatrixSetStrFeatureInfo", self.handle, b"feature_type", texts, c_uint64(len(types)))

    def set(self, field, values):
        values = numpy.ascontiguousarray(values, numpy.float32)
        _call("XGDMatrixSetFloatInfo", self.handle, field.encode(), values.ctypes.data_as(c_void_p),
              c_uint64(len(values)))

    def set_group(self, sizes):
        sizes = numpy.ascontiguousarray(sizes, numpy.uint32)
        _call("XGDMatrixSetUIntInfo", self.handle, b"group", sizes.ctypes.data_as(c_void_p),
              c_uint64(len(sizes)))

    def __del__(self):
        library().XGDMatrixFree(self.handle)


class Booster:
    def __init__(self, params, matrix, rounds):
        self.handle = c_void_p()
        _call("XGBoosterCreate", byref(matrix.handle), c_uint64(1), byref(self.handle))
        for name, value in params.items():
            _call("XGBoosterSetParam", self.handle, name.encode(), str(value).encode())
        for i in range(rounds):
            _call("XGBoosterUpdateOneIter", self.handle, c_int(i), matrix.handle)

    def predict(self, matrix):
        config = json.dumps({"type": 0, "training": False, "iteration_begin": 0, "iteration_end": 0,
                             "strict_shape": False})
        shape, dimensions, result = ctypes.POINTER(c_uint64)(), c_uint64(), ctypes.POINTER(c_float)()
        _call("XGBoosterPredictFromDMatrix", self.handle, matrix.handle, config.encode(), byref(shape),
              byref(dimensions), byref(result))
        size = int(numpy.prod([shape[i] for i in range(dimensions.value)]))
        return numpy.ctypeslib.as_array(result, (size,)).copy()

    def save_model(self, path):
        _call("XGBoosterSaveModel", self.handle, str(path).encode())

    def __del__(self):
        library().XGBoosterFree(self.handle)


def train(params, matrix, rounds):
    return Booster(params, matrix, rounds)
