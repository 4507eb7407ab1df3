# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""The codec, compiled: bytes to fields and back.

``_codec_py.py`` offers the same names with the same behaviour and is easier to read; ``_codec.pyi`` types both.
Bounds are checked before any pointer moves, and sizes are computed in 64 bits.  One module, whose parts are included
at the end: what they share is here.
"""

import array
import struct

cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItem
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.number cimport PyNumber_Index
from cpython.object cimport PyObject
from libc.stdint cimport int16_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove, memset

from . import _complaints as complain
from ._errors import CaprotoConversionError
from ._layout import EPICS_EPOCH_SECONDS
from ._layout import LAST_DBR as _LAST_DBR
from ._layout import LAYOUTS, NATIVES

cdef extern from "Python.h":
    # Cython's own declaration takes no NULL, which stands for "clip what does not fit".
    Py_ssize_t PyNumber_AsSsize_t(object number, PyObject *error) except? -1
    ctypedef struct PyTypeObject:
        object (*tp_new)(PyTypeObject *cls, object args, PyObject *kwargs)
        Py_ssize_t tp_basicsize
        Py_ssize_t tp_dictoffset
    Py_ssize_t Py_REFCNT(PyObject *made)
    bint PyObject_IS_GC(object made)
    void PyObject_GC_UnTrack(PyObject *made)

cdef extern from "_swap.h":
    uint16_t caproto_be16(const unsigned char *p) noexcept nogil
    uint32_t caproto_be32(const unsigned char *p) noexcept nogil
    void caproto_put16(unsigned char *p, uint32_t v) noexcept nogil
    void caproto_put32(unsigned char *p, uint32_t v) noexcept nogil
    void caproto_put64(unsigned char *p, uint64_t v) noexcept nogil
    void caproto_swap(unsigned char *out, const unsigned char *src, size_t n, size_t size) noexcept nogil
    void caproto_swap_rows(
        unsigned char *out, const unsigned char *rows, size_t n, size_t stride, size_t length, size_t size
    ) noexcept nogil
    int CAPROTO_WIRE_ORDER

cdef extern from "numpy/arrayobject.h":
    # Declared by hand: Cython's own numpy.pxd imports numpy's types when this module is imported.
    ctypedef Py_ssize_t npy_intp
    int _import_array() except -1
    object PyArray_SimpleNew(int nd, npy_intp *dims, int typenum)
    ctypedef struct PyArrayObject:
        pass
    void *PyArray_DATA(PyArrayObject *values)
    int NPY_SHORT, NPY_FLOAT, NPY_USHORT, NPY_UBYTE, NPY_INT, NPY_DOUBLE, NPY_INT64

NAME = "cython"
LARGE_PAYLOAD = 16384
CHUNK_SIZE = 262144
MAX_PAYLOAD = 0xFFFFFFF8

cdef enum:
    _LARGE = 16384
    _CHUNK = 262144
    _STRING = 0
    _INT = 1
    _FLOAT = 2
    _ENUM = 3
    _CHAR = 4
    _LONG = 5
    _DOUBLE = 6
    _LAST = 38
    _STRING_SIZE = 40
    # Below this many bytes giving up the GIL costs more than the swap.
    _NOGIL_BYTES = 65536
    # The long header.
    _HEADROOM = 24
    # How many large payloads' memory a parser keeps for the next ones, and of what size at most.
    _SPARES = 2
    _SPARE_BYTES = 33554432
    _EVENT_ADD = 1
    # ECA_NORMAL.
    _NORMAL = 1

cdef enum:
    MODE_UNSET = 0
    MODE_ARRAY = 1
    MODE_NUMPY = 2
    MODE_CUSTOM = 3

cdef int[7] NPY_KINDS
NPY_KINDS[:] = [0, NPY_SHORT, NPY_FLOAT, NPY_USHORT, NPY_UBYTE, NPY_INT, NPY_DOUBLE]

cdef Py_ssize_t[39] VALUE_OFFSET
cdef Py_ssize_t[39] ITEM_SIZE
cdef int[39] NATIVE
cdef bint[39] HAS_MEMBERS
cdef long long[7] LOW
cdef long long[7] HIGH

assert _LAST_DBR == _LAST
for _row in LAYOUTS:
    VALUE_OFFSET[_row.dbr] = _row.value_offset
    ITEM_SIZE[_row.dbr] = _row.item_size
    NATIVE[_row.dbr] = _row.native
    HAS_MEMBERS[_row.dbr] = bool(_row.members)
for _index, _kind in enumerate(NATIVES):
    LOW[_index], HIGH[_index] = _kind.low, _kind.high

cdef uint64_t EPOCH = EPICS_EPOCH_SECONDS
cdef double FLOAT_LIMIT = 3.4028235677973366e38

cdef object metadata_class = None
cdef tuple statuses = ()
cdef tuple severities = ()
cdef int mode = MODE_UNSET
cdef object numpy_module = None
cdef tuple numpy_dtypes = ()
cdef object array_class = array.array
cdef object convert = None
cdef object strings_class = list
cdef object ensure_backend_hook = None
cdef object encode_hook = None
cdef tuple structures = ()
cdef object stamp_class = None
cdef object status_hook = None
cdef object ndarray_class = None
cdef const char *KINDS = "shfHBid"
cdef dict MODES = {"unset": MODE_UNSET, "array": MODE_ARRAY, "numpy": MODE_NUMPY, "custom": MODE_CUSTOM}


def configure(**settings):
    """Tell the codec which classes to build results from (see ``_codec.pyi``)."""
    global metadata_class, statuses, severities, mode, numpy_module, numpy_dtypes
    global array_class, convert, strings_class, ensure_backend_hook, encode_hook
    global structures, stamp_class, ndarray_class, status_hook
    for name, value in settings.items():
        if name == "metadata_class":
            metadata_class = value
        elif name == "statuses":
            statuses = value
        elif name == "severities":
            severities = value
        elif name == "mode":
            mode = MODES[value]
            if mode == MODE_NUMPY:
                _import_array()
        elif name == "numpy":
            numpy_module = value
            ndarray_class = value.ndarray
        elif name == "dtypes":
            numpy_dtypes = value
        elif name == "array_class":
            array_class = value
        elif name == "convert":
            convert = value
        elif name == "strings":
            strings_class = value
        elif name == "ensure_backend":
            ensure_backend_hook = value
        elif name == "structures":
            structures = value
        elif name == "stamp_class":
            stamp_class = value
        elif name == "status_code":
            status_hook = value
        elif name == "encode":
            encode_hook = value


cdef tuple NOTHING = ()


cdef inline object new_of(object cls, object base):
    """``cls.__new__(cls)`` without looking ``__new__`` up, which would take longer than all the rest.

    Python makes the instances of every class of its own known to the cycle collector, which then looks at each one
    that waits.  An instance that has nothing more than `base`, whose members refer to nothing, is taken out again.
    """
    cdef PyTypeObject *kind = <PyTypeObject *>cls
    cdef object made = kind.tp_new(kind, NOTHING, NULL)
    if kind.tp_dictoffset == 0 and kind.tp_basicsize == (<PyTypeObject *>base).tp_basicsize and PyObject_IS_GC(made):
        PyObject_GC_UnTrack(<PyObject *>made)
    return made


cdef class _View:
    """A contiguous buffer held open while its pointer is in use."""

    cdef Py_buffer view
    cdef bint held
    cdef unsigned char *data
    cdef Py_ssize_t size

    def __cinit__(self):
        self.held = False

    cdef int take(self, object source, int flags) except -1:
        PyObject_GetBuffer(source, &self.view, flags)
        self.held = True
        self.data = <unsigned char *>self.view.buf
        self.size = self.view.len
        return 0

    cdef void drop(self) noexcept:
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)

    def __dealloc__(self):
        self.drop()


cdef uint32_t number_of(str name, object value, int bits) except? 0xFFFFFFFF:
    cdef long long number
    cdef int overflow = 0
    if type(value) is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow or number < 0 or number >> bits:
            raise complain.field_range(name, value, bits)
        return <uint32_t>number
    try:
        number = PyNumber_Index(value)
    except (TypeError, ValueError, OverflowError):
        raise complain.field_range(name, value, bits) from None
    if number < 0 or number >> bits:
        raise complain.field_range(name, value, bits)
    return <uint32_t>number

include "_codec_frame.pxi"
include "_codec_decode.pxi"
include "_codec_sinks.pxi"
include "_codec_parser.pxi"
include "_codec_encode.pxi"
