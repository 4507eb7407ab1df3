# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""The codec, compiled: bytes to fields and back.

``_codec_py.py`` offers the same names with the same behaviour and is easier to read; ``_codec.pyi`` types both.
Bounds are checked before any pointer moves, and sizes are computed in 64 bits.
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


# A frame refers to bytes, an array and metadata, none of which refers back: it needs no place in the cycle collector.
@cython.no_gc
cdef class Frame:
    """One message: the header's fields, the payload, and what was parsed from it so far."""

    cdef public uint32_t _command
    cdef public uint32_t _payload_size
    cdef public uint32_t _data_type
    cdef public uint32_t _data_count
    cdef public uint32_t _parameter1
    cdef public uint32_t _parameter2
    cdef public uint32_t _limit
    cdef public bint _extended
    cdef public bint _native
    cdef public bint _done
    cdef public object _payload
    # A large payload that was encoded here stands in a bytes object with room for its header.
    cdef object _whole
    cdef bint _shared
    cdef public object _data
    cdef public object _metadata
    cdef public object sender_address

    def __cinit__(self):
        self._payload = b""

    def _fill(self, command, payload_size, data_type, data_count, parameter1, parameter2, payload=b"", extended=False):
        """Set every field, checking that the wire can carry it."""
        self._command = number_of("command", command, 16)
        self._payload_size = number_of("payload_size", payload_size, 32)
        self._data_type = number_of("data_type", data_type, 16)
        self._data_count = number_of("data_count", data_count, 32)
        self.set_parameters(parameter1, parameter2)
        self._payload = payload
        self._extended = extended
        self._whole = None
        if type(payload) is memoryview and type(payload.obj) is bytes and len(payload.obj) == len(payload) + _HEADROOM:
            self._whole = payload.obj
            self._shared = False

    def _encode(self, command, data, data_type, data_count, parameter1, parameter2, metadata, trim):
        """Set every field of a message with values."""
        self.encode(command, data, data_type, data_count, parameter1, parameter2, metadata, trim)

    cdef int encode(
        self, object command, object data, object data_type, object data_count, object parameter1, object parameter2,
        object metadata, object trim,
    ) except -1:
        cdef Py_ssize_t number = 0
        cdef object payload = quick_payload(data_type, data_count, data, metadata, &number)
        if payload is None:
            payload, count = encode_hook(type(self).__name__, data_type, data_count, data, metadata, trim)
            self._fill(command, len(payload), data_type, count, parameter1, parameter2, payload)
            return 0
        self._command = number_of("command", command, 16)
        self._payload_size = <uint32_t>len(<bytes>payload)
        self._data_type = <uint32_t>data_type
        self._data_count = <uint32_t>number
        self.set_parameters(parameter1, parameter2)
        self._payload = payload
        self._extended = False
        self._whole = None
        return 0

    cdef int set_parameters(self, object parameter1, object parameter2) except -1:
        self._parameter1 = number_of("parameter1", parameter1, 32)
        self._parameter2 = number_of("parameter2", parameter2, 32)
        return 0

    def _set(self, str name, value, int bits):
        setattr(self, "_" + name, number_of(name, value, bits))

    cdef int header_size(self) noexcept:
        return 24 if self._extended or self._payload_size >= 0xFFFF or self._data_count >= 0xFFFF else 16

    cdef void write_header(self, unsigned char *out, int size) noexcept:
        caproto_put16(out, self._command)
        caproto_put16(out + 4, self._data_type)
        caproto_put32(out + 8, self._parameter1)
        caproto_put32(out + 12, self._parameter2)
        if size == 16:
            caproto_put16(out + 2, self._payload_size)
            caproto_put16(out + 6, self._data_count)
        else:
            caproto_put16(out + 2, 0xFFFF)
            caproto_put16(out + 6, 0)
            caproto_put32(out + 16, self._payload_size)
            caproto_put32(out + 20, self._data_count)

    def _header_bytes(self):
        cdef int size = self.header_size()
        cdef bytes out = PyBytes_FromStringAndSize(NULL, size)
        self.write_header(<unsigned char *>PyBytes_AS_STRING(out), size)
        return out

    def _wire_payload(self):
        """The payload as it stands on the wire; a copy if its values were swapped in place."""
        if not self._native:
            return self._payload
        copy = bytearray(self._payload)
        start, stop = value_range(self._data_type, self._data_count, len(copy))
        swap_inplace(memoryview(copy)[start:stop], ITEM_SIZE[self._data_type])
        return copy

    cdef bint claim_whole(self) noexcept:
        """Write the header in front of the payload; False if that would change bytes that were given away."""
        cdef unsigned char[_HEADROOM] header
        cdef unsigned char *at = <unsigned char *>PyBytes_AS_STRING(<bytes>self._whole)
        self.write_header(header, _HEADROOM)
        if self._shared:
            return memcmp(at, header, _HEADROOM) == 0
        memcpy(at, header, _HEADROOM)
        self._shared = True
        return True

    def __bytes__(self):
        cdef unsigned char *at
        cdef int header = self.header_size()
        cdef object payload = self._payload
        cdef _View view
        cdef bytes out
        if type(payload) is bytes:
            out = PyBytes_FromStringAndSize(NULL, header + len(<bytes>payload))
            at = <unsigned char *>PyBytes_AS_STRING(out)
            self.write_header(at, header)
            memcpy(at + header, PyBytes_AS_STRING(<bytes>payload), len(<bytes>payload))
            return out
        if header == _HEADROOM and self._whole is not None and self.claim_whole():
            return self._whole
        payload = self._wire_payload()
        view = _View.__new__(_View)
        view.take(payload, PyBUF_SIMPLE)
        out = PyBytes_FromStringAndSize(NULL, header + view.size)
        at = <unsigned char *>PyBytes_AS_STRING(out)
        self.write_header(at, header)
        if view.size:
            memcpy(at + header, view.data, view.size)
        view.drop()
        return out

    def __len__(self):
        return self.header_size() + len(self._payload)


@cython.no_gc
cdef class UpdateFrame(Frame):
    """What a server makes most of: a frame that is built from the fields of an update."""

    def __init__(self, data, data_type, data_count, status, subscriptionid, *, metadata=None):
        if type(status) is not int:
            status = status_hook(status)
        self.encode(_EVENT_ADD, data, data_type, data_count, status, subscriptionid, metadata, False)


cdef inline Py_ssize_t whole_end(uint32_t dbr, uint64_t count, Py_ssize_t size) noexcept:
    cdef Py_ssize_t offset = VALUE_OFFSET[dbr]
    cdef uint64_t whole = <uint64_t>((size - offset) // ITEM_SIZE[dbr]) if size > offset else 0
    return offset + <Py_ssize_t>(count if count < whole else whole) * ITEM_SIZE[dbr]


def value_range(uint32_t dbr, uint64_t count, Py_ssize_t size):
    """Start and stop, in bytes, of the whole elements that a payload of `size` bytes holds."""
    return VALUE_OFFSET[dbr], whole_end(dbr, count, size)


cdef class _Field:
    """A read-only attribute that shows one header field."""

    cdef int slot
    cdef dict mapping
    cdef object default

    def __get__(self, obj, owner):
        cdef Frame frame
        cdef uint32_t value
        cdef object number
        cdef PyObject *found
        if obj is None:
            return self
        frame = <Frame>obj
        if self.slot == 0:
            value = frame._command
        elif self.slot == 1:
            value = frame._payload_size
        elif self.slot == 2:
            value = frame._data_type
        elif self.slot == 3:
            value = frame._data_count
        elif self.slot == 4:
            value = frame._parameter1
        else:
            value = frame._parameter2
        number = value
        if self.mapping is None:
            return number
        found = PyDict_GetItem(self.mapping, number)
        if found != NULL:
            return <object>found
        return number if self.default is None else self.default(number)

    def __set__(self, obj, value):
        raise AttributeError("a command's fields are changed through its header")


cdef tuple SLOTS = ("command", "payload_size", "data_type", "data_count", "parameter1", "parameter2")


def field(str slot, mapping=None, default=None):
    """A read-only attribute that shows one header field, looked up in `mapping` if given."""
    cdef _Field new = _Field.__new__(_Field)
    new.slot = SLOTS.index(slot)
    new.mapping = mapping
    new.default = default
    return new


cdef class _DataField:
    def __get__(self, obj, owner):
        if obj is None:
            return self
        cdef Frame frame = <Frame>obj
        if frame._data is None:
            frame._data = decode_values(frame)
        return frame._data

    def __set__(self, obj, value):
        raise AttributeError("a command's data cannot be replaced")


cdef class _MetadataField:
    def __get__(self, obj, owner):
        if obj is None:
            return self
        cdef Frame frame = <Frame>obj
        if frame._metadata is None and frame._data_type <= _LAST and HAS_MEMBERS[frame._data_type]:
            frame._metadata = decode_metadata(frame)
        return frame._metadata

    def __set__(self, obj, value):
        raise AttributeError("a command's metadata cannot be replaced")


def data_field():
    """The attribute ``data``: decoded on first use, then kept."""
    return _DataField()


def metadata_field():
    """The attribute ``metadata``: decoded on first use, then kept."""
    return _MetadataField()


cdef int check_refused(Frame frame) except -1:
    if frame._limit:
        raise complain.refused_payload(type(frame).__name__, frame._payload_size, frame._limit)
    return 0


cdef object decode_metadata(Frame frame):
    cdef Py_ssize_t offset = VALUE_OFFSET[frame._data_type]
    cdef MetadataBase made
    cdef bytes raw
    check_refused(frame)
    if len(frame._payload) < offset:
        raise complain.short_metadata(type(frame).__name__, frame._data_type, offset, len(frame._payload))
    if type(frame._payload) is bytes:
        raw = <bytes>frame._payload
    else:
        raw = bytes(memoryview(frame._payload)[:offset])
    made = <MetadataBase>(<type>metadata_class).__new__(<type>metadata_class)
    made._dbr = frame._data_type
    made._raw = raw
    return made


cdef object decode_values(Frame frame):
    cdef uint32_t dbr = frame._data_type
    cdef uint64_t count = frame._data_count
    cdef uint64_t available = len(frame._payload)
    cdef uint64_t needed
    cdef Py_ssize_t offset, size
    if dbr > _LAST:
        raise complain.unknown_type(type(frame).__name__, dbr)
    check_refused(frame)
    offset, size = VALUE_OFFSET[dbr], ITEM_SIZE[dbr]
    if NATIVE[dbr] == _STRING:
        # The last string may be cut at its NUL: the missing tail counts as zeros.
        needed = offset + (count - 1) * size + 1 if count else 0
        if available < needed:
            raise complain.short_payload(type(frame).__name__, dbr, count, offset + count * size, available)
        return strings_class(unpack_strings(frame._payload, offset, count))
    needed = offset + count * size
    if count and available < needed:
        raise complain.short_payload(type(frame).__name__, dbr, count, needed, available)
    if mode == MODE_UNSET:
        ensure_backend_hook()
    if mode == MODE_CUSTOM:
        return convert(bytes(memoryview(frame._wire_payload())[offset:needed]), dbr, count)
    return native_array(frame, NATIVE[dbr], offset, <Py_ssize_t>count, size)


cdef object native_array(Frame frame, int native, Py_ssize_t offset, Py_ssize_t count, Py_ssize_t size):
    cdef npy_intp n = count
    cdef object values
    cdef object payload = frame._payload
    cdef _View view
    cdef const unsigned char *source
    if mode == MODE_NUMPY:
        if frame._native and count:
            return numpy_module.frombuffer(payload, numpy_dtypes[native], count, offset)
        values = PyArray_SimpleNew(1, &n, NPY_KINDS[native])
        if count:
            if type(payload) is bytes:
                source = <const unsigned char *>PyBytes_AS_STRING(<bytes>payload)
                caproto_swap(<unsigned char *>PyArray_DATA(<PyArrayObject *>values), source + offset, count * size, size)
            else:
                view = _View.__new__(_View)
                view.take(payload, PyBUF_SIMPLE)
                caproto_swap(<unsigned char *>PyArray_DATA(<PyArrayObject *>values), view.data + offset, count * size, size)
                view.drop()
        return values
    values = array_class("shfHBid"[native])
    values.frombytes(memoryview(payload)[offset:offset + count * size])
    if not frame._native and not CAPROTO_WIRE_ORDER:
        array.array.byteswap(values)
    return values


cdef class MetadataBase:
    """The metadata of one value, decoded member by member when asked for."""

    cdef public uint32_t _dbr
    cdef public bytes _raw

    def __init__(self, dbr, raw):
        self._dbr = dbr
        self._raw = raw

    cdef const unsigned char *stamp_bytes(self, str name) except NULL:
        if not 14 <= self._dbr <= 20 or len(self._raw) < 12:
            raise AttributeError(f"DBR_{LAYOUTS[self._dbr].name} has no member {name!r}")
        return <const unsigned char *>PyBytes_AS_STRING(self._raw)

    cdef object enum_at(self, Py_ssize_t offset, tuple members):
        cdef int number
        if len(self._raw) < offset + 2:
            number = 0
        else:
            number = <int16_t>caproto_be16(<const unsigned char *>PyBytes_AS_STRING(self._raw) + offset)
        return members[number] if 0 <= number < len(members) else number

    def _read(self, str name):
        for member in LAYOUTS[self._dbr].members:
            if member.name == name:
                return struct.unpack_from(">" + member.format, self._raw, member.offset)[0]
        raise AttributeError(f"DBR_{LAYOUTS[self._dbr].name} has no member {name!r}")

    @property
    def status(self):
        return self.enum_at(0, statuses)

    @property
    def severity(self):
        return self.enum_at(2, severities)

    @property
    def secondsSinceEpoch(self):
        return caproto_be32(self.stamp_bytes("secondsSinceEpoch") + 4)

    @property
    def nanoSeconds(self):
        return caproto_be32(self.stamp_bytes("nanoSeconds") + 8)

    @property
    def timestamp(self):
        """Seconds since the Unix epoch; a float64 keeps about 0.2 us."""
        cdef const unsigned char *raw = self.stamp_bytes("timestamp")
        return <double>(<uint64_t>caproto_be32(raw + 4) + EPOCH) + caproto_be32(raw + 8) * 1e-9


cdef class CommandTable:
    """Which class each command id becomes, and which commands carry values."""

    cdef readonly dict classes
    cdef readonly object unknown
    cdef readonly object value_commands
    cdef list by_id
    cdef bint[32] known
    cdef bint[32] carries_values

    def __init__(self, classes, unknown, value_commands):
        for cls in (*classes.values(), unknown):
            if not (isinstance(cls, type) and issubclass(cls, Frame)):
                raise complain.not_frame(cls)
        self.classes = classes
        self.unknown = unknown
        self.value_commands = frozenset(value_commands)
        self.by_id = [classes.get(number, unknown) for number in range(32)]
        for number in range(32):
            self.known[number] = number in classes
            self.carries_values[number] = number in self.value_commands

    cdef Frame make(self, const unsigned char *p, uint32_t size, uint32_t count, bint extended):
        cdef uint32_t command = caproto_be16(p)
        cdef object cls = <object>PyList_GET_ITEM(self.by_id, command) if command < 32 else self.unknown
        cdef Frame frame = <Frame>(<type>cls).__new__(<type>cls)
        frame._command = command
        frame._payload_size = size
        frame._data_type = caproto_be16(p + 4)
        frame._data_count = count
        frame._parameter1 = caproto_be32(p + 8)
        frame._parameter2 = caproto_be32(p + 12)
        frame._extended = extended
        return frame


def split_datagram(CommandTable table, data, address):
    """The messages of one datagram; what follows a malformed or unknown one is dropped (section 12, 18 and 19)."""
    cdef _View view = _View.__new__(_View)
    cdef list frames = []
    cdef Py_ssize_t pos = 0
    cdef uint32_t size, command
    cdef Frame frame
    view.take(data, PyBUF_SIMPLE)
    while view.size - pos >= 16:
        command = caproto_be16(view.data + pos)
        size = caproto_be16(view.data + pos + 2)
        if size & 7 or view.size - pos - 16 < size or command >= 32 or not table.known[command]:
            break
        frame = table.make(view.data + pos, size, caproto_be16(view.data + pos + 6), False)
        frame._payload = PyBytes_FromStringAndSize(<char *>view.data + pos + 16, size)
        frame.sender_address = address
        frames.append(frame)
        pos += 16 + size
    view.drop()
    return frames


include "_codec_sinks.pxi"


@cython.no_gc_clear
cdef class StreamParser:
    """Cuts a byte stream into frames (section 2.4); holds at most one incomplete frame.

    Attributes
    ----------
    bytes_needed : int
        How many more bytes the frame in progress needs at least; 0 between frames.
    error : RemoteProtocolError or None
        Set for good once framing is lost; the frames in front of that place were returned.
    sinks : Sinks
        Where updates go, by subscription id; empty at first.
    touched : list
        Sinks that got something; each is there once until it is emptied.
    """

    cdef CommandTable table
    cdef readonly Sinks sinks
    cdef list _touched
    cdef bint delivered
    cdef uint32_t limit
    cdef bytearray tail
    cdef Py_ssize_t need
    cdef Py_ssize_t skip
    cdef bytearray chunk
    cdef Frame big
    cdef bytearray storage
    cdef Py_ssize_t filled
    cdef Py_ssize_t swapped
    cdef Py_ssize_t offered
    cdef readonly object error

    def __init__(self, CommandTable table not None, limit):
        self.table = table
        self.limit = min(limit, MAX_PAYLOAD)
        self.tail = bytearray()
        self.need = 16
        self.storage = bytearray()
        self.sinks = Sinks()
        self._touched = []

    @property
    def touched(self):
        return self._touched

    @touched.setter
    def touched(self, sinks):
        if not isinstance(sinks, list):
            raise complain.not_list("touched", sinks)
        self._touched = sinks

    @property
    def bytes_needed(self):
        if self.big is not None:
            return len(self.storage) - self.filled
        return self.skip or (self.need - len(self.tail) if len(self.tail) else 0)

    def feed(self, data):
        """The frames that `data` completes.  `data` is not kept."""
        if self.error is not None:
            raise self.error
        cdef _View view = _View.__new__(_View)
        cdef list out = []
        self.offered = 0
        view.take(data, PyBUF_SIMPLE)
        self.consume(view.data, view.size, out)
        view.drop()
        return out

    cdef int consume(self, const unsigned char *data, Py_ssize_t end, list out) except -1:
        cdef Py_ssize_t pos = 0, step, used
        cdef bytearray tail
        self.delivered = False
        while pos < end and self.error is None:
            if self.skip:
                step = min(self.skip, end - pos)
                self.skip -= step
                pos += step
            elif self.big is not None:
                step = min(len(self.storage) - self.filled, end - pos)
                memcpy(PyByteArray_AS_STRING(self.storage) + self.filled, data + pos, step)
                pos += step
                self.advance(step, out)
            elif len(self.tail):
                step = min(self.need - len(self.tail), end - pos)
                self.tail += data[pos:pos + step]
                pos += step
                if len(self.tail) == self.need:
                    tail = self.tail
                    self.tail = bytearray()
                    used = self.parse(<unsigned char *>PyByteArray_AS_STRING(tail), 0, len(tail), out)
                    self.tail += tail[used:]
            else:
                pos = self.parse(data, pos, end, out)
                if not self.skip and self.big is None and self.error is None:
                    self.tail += data[pos:end]
                    pos = end
        return 0

    def get_buffer(self, size_hint=-1):
        """Writable memory for the next read from a socket; valid until the next call of any method."""
        if self.error is not None:
            raise self.error
        if self.big is not None:
            buffer = memoryview(self.storage)[self.filled:self.filled + _CHUNK]
        else:
            if self.chunk is None:
                self.chunk = bytearray(_CHUNK)
            buffer = memoryview(self.chunk)
        self.offered = len(buffer)
        return buffer

    def buffer_updated(self, written):
        """The frames completed by the `written` bytes now in the memory that :meth:`get_buffer` gave."""
        if not 0 <= written <= self.offered:
            raise complain.too_many_bytes(written, self.offered)
        cdef list out = []
        self.offered = 0
        if self.error is not None:
            raise self.error
        if self.big is None:
            self.consume(<unsigned char *>PyByteArray_AS_STRING(self.chunk), written, out)
        else:
            self.advance(written, out)
        return out

    cdef Py_ssize_t parse(self, const unsigned char *data, Py_ssize_t pos, Py_ssize_t end, list out) except -1:
        """Frames from `data` at `pos`; returns the position of the first byte not used."""
        cdef uint32_t size, count
        cdef int header
        cdef Frame frame
        cdef Sink sink
        cdef const unsigned char *p
        cdef bint updates = self.table.carries_values[_EVENT_ADD]
        while True:
            if end - pos < 16:
                self.need = 16
                return pos
            p = data + pos
            size, count, header = caproto_be16(p + 2), caproto_be16(p + 6), 16
            if size == 0xFFFF:
                if end - pos < 24:
                    self.need = 24
                    return pos
                size, count, header = caproto_be32(p + 16), caproto_be32(p + 20), 24
            if size & 7:
                self.error = complain.misaligned(caproto_be16(p), size)
                if not out and not self.delivered:
                    raise self.error
                return pos
            if size > _LARGE or size > self.limit:
                self.begin_large(p, size, count, header == 24, out)
                return pos + header
            if end - pos < header + <Py_ssize_t>size:
                self.need = header + size
                return pos
            if self.sinks.used and updates and size and caproto_be16(p) == _EVENT_ADD and caproto_be32(p + 8) == _NORMAL:
                sink = self.sinks.find(caproto_be32(p + 12))
                if sink is not None and sink.data_type == caproto_be16(p + 4) and holds(sink.data_type, count, size):
                    sink.put(self.table, p, header, size, count)
                    self.note(sink)
                    pos += header + size
                    continue
            frame = self.table.make(p, size, count, header == 24)
            if size:
                frame._payload = PyBytes_FromStringAndSize(<char *>p + header, size)
            out.append(frame)
            pos += header + size

    cdef int note(self, Sink sink) except -1:
        self.delivered = True
        if sink.wake():
            self._touched.append(sink)
        return 0

    cdef int finish(self, Frame frame, list out) except -1:
        """A large payload is complete."""
        cdef Sink sink
        if (
            self.sinks.used and self.table.carries_values[_EVENT_ADD]
            and frame._command == _EVENT_ADD and frame._parameter1 == _NORMAL
        ):
            sink = self.sinks.find(frame._parameter2)
            if (
                sink is not None and sink.data_type == frame._data_type
                and holds(sink.data_type, frame._data_count, frame._payload_size)
            ):
                sink.put_frame(frame)
                return self.note(sink)
        out.append(frame)
        return 0

    cdef int begin_large(
        self, const unsigned char *p, uint32_t size, uint32_t count, bint extended, list out
    ) except -1:
        cdef uint32_t command = caproto_be16(p)
        cdef Frame frame = self.table.make(p, size, count, extended)
        cdef bytearray storage = None
        self.need = 16
        if size <= self.limit and command < 32 and self.table.known[command]:
            try:
                storage = PyByteArray_FromStringAndSize(NULL, size)
            except MemoryError:
                storage = None
        if storage is None:
            # Skipped without being stored: framing survives, and only this message is lost.
            frame._limit = self.limit
            self.skip = size
            out.append(frame)
            return 0
        frame._payload = storage
        self.big, self.storage, self.filled = frame, storage, 0
        if frame._data_type <= _LAST and NATIVE[frame._data_type] != _STRING and self.table.carries_values[command]:
            frame._native = True
            self.swapped = VALUE_OFFSET[frame._data_type]
        return 0

    cdef int advance(self, Py_ssize_t step, list out) except -1:
        cdef Frame frame = self.big
        cdef Py_ssize_t stop
        cdef unsigned char *at
        cdef size_t length, size
        self.filled += step
        if frame._native:
            # Swapped piece by piece while the piece is still in the cache.
            stop = whole_end(frame._data_type, frame._data_count, self.filled)
            if stop > self.swapped:
                at = <unsigned char *>PyByteArray_AS_STRING(self.storage) + self.swapped
                length, size = stop - self.swapped, ITEM_SIZE[frame._data_type]
                if length >= _NOGIL_BYTES:
                    with nogil:
                        caproto_swap(at, at, length, size)
                else:
                    caproto_swap(at, at, length, size)
                self.swapped = stop
        if self.filled == len(self.storage):
            self.big, self.storage = None, bytearray()
            self.finish(frame, out)
        return 0


def is_live_update(dict subscriptions, Frame frame):
    """Mark `frame` as processed; whether it is an update, not empty, of a subscription of the same type."""
    cdef PyObject *found = PyDict_GetItem(subscriptions, frame._parameter2)
    frame._done = True
    return found != NULL and frame._payload_size != 0 and (<Frame>found)._data_type == frame._data_type


cdef int check_swap(Py_ssize_t length, itemsize) except -1:
    if itemsize not in (1, 2, 4, 8):
        raise complain.item_size(itemsize)
    if length % <Py_ssize_t>itemsize:
        raise complain.ragged(length, itemsize)
    return 0


def swap_inplace(buffer, itemsize):
    """Reverse the bytes of every element of a writable buffer (a no-op on a big-endian machine)."""
    cdef _View view = _View.__new__(_View)
    cdef size_t size, length
    cdef unsigned char *at
    view.take(buffer, PyBUF_WRITABLE)
    check_swap(view.size, itemsize)
    size, length, at = itemsize, view.size, view.data
    if length >= _NOGIL_BYTES:
        with nogil:
            caproto_swap(at, at, length, size)
    else:
        caproto_swap(at, at, length, size)
    view.drop()


def encode_payload(str name, dbr, data_count, data, metadata, trim=False):
    """The padded payload and the element count of a value message (see :mod:`caproto._convert`)."""
    cdef Py_ssize_t count = 0
    quick = quick_payload(dbr, data_count, data, metadata, &count)
    return (quick, count) if quick is not None else encode_hook(name, dbr, data_count, data, metadata, trim)


cdef bytes quick_payload(object dbr, object data_count, object data, object metadata, Py_ssize_t *count):
    """The forms that servers build most, without a detour through Python; None if this is not one, or is wrong.

    Those are a tuple or list of numbers, a float, an int, or a short ndarray of just the right type, whose metadata is
    None, a DBR structure of this type, a tuple of status, severity, seconds and nanoseconds, or one of status,
    severity and TimeStamp.  What is wrong is said by the encoder that takes everything.
    """
    cdef uint32_t number
    cdef Py_ssize_t offset, size, total
    cdef bytes out
    cdef unsigned char *at
    cdef _View view = None
    cdef int overflow = 0
    cdef long long kind
    if not isinstance(dbr, int):
        return None
    kind = PyLong_AsLongLongAndOverflow(dbr, &overflow)
    if overflow or not 0 <= kind <= 34:
        return None
    number = <uint32_t>kind
    if NATIVE[number] == _STRING:
        return None
    if type(data) is tuple or type(data) is list:
        count[0] = len(data)
    elif type(data) is float or type(data) is int:
        data = (data,)
        count[0] = 1
    elif ndarray_class is not None and type(data) is ndarray_class:
        view = array_view(data, NATIVE[number])
        if view is None:
            return None
        count[0] = view.size // ITEM_SIZE[number]
    else:
        return None
    if data_count is not None and (type(data_count) is not int or <object>data_count != count[0]):
        return None
    offset, size = VALUE_OFFSET[number], ITEM_SIZE[number]
    total = (offset + count[0] * size + 7) & ~7
    out = PyBytes_FromStringAndSize(NULL, total)
    at = <unsigned char *>PyBytes_AS_STRING(out)
    memset(at, 0, offset)
    memset(at + offset + count[0] * size, 0, total - offset - count[0] * size)
    if not quick_prefix(at, number, offset, metadata):
        return None
    if view is not None:
        caproto_swap(at + offset, view.data, view.size, size)
        view.drop()
        return out
    try:
        write_numbers(at + offset, NATIVE[number], data, count[0])
    except CaprotoConversionError:
        # Said again, with the command's name, by the form that takes everything.
        return None
    return out


cdef _View array_view(object data, int native):
    """The memory of an ndarray that needs nothing but a swap; None for any other, and for one that is not small."""
    cdef _View view = _View.__new__(_View)
    try:
        view.take(data, PyBUF_FORMAT | PyBUF_ND)
    except (BufferError, ValueError):
        return None
    if view.view.format[0] != KINDS[native] or view.view.format[1] or view.size >= _NOGIL_BYTES:
        return None
    return view


cdef bint quick_prefix(unsigned char *at, uint32_t dbr, Py_ssize_t offset, object metadata) except -1:
    cdef object item
    cdef int index = 0, overflow = 0
    cdef long long number
    cdef Py_ssize_t size
    if metadata is None or not offset:
        return metadata is None
    if type(metadata) is not tuple:
        return len(structures) > dbr and type(metadata) is structures[dbr] and copy_structure(at, offset, metadata)
    size = len(<tuple>metadata)
    if not 14 <= dbr <= 20 or not 3 <= size <= 4:
        return False
    for item in <tuple>metadata:
        if index == 2 and size == 3:
            return type(item) is stamp_class and copy_structure(at + 4, 8, item)
        if not isinstance(item, int):
            return False
        number = PyLong_AsLongLongAndOverflow(item, &overflow)
        if overflow or number < 0 or number > (0x7FFF if index < 2 else 0xFFFFFFFF):
            return False
        if index < 2:
            caproto_put16(at + 2 * index, <uint32_t>number)
        else:
            caproto_put32(at + 4 * index - 4, <uint32_t>number)
        index += 1
    return True


cdef bint copy_structure(unsigned char *at, Py_ssize_t size, object structure) except -1:
    """The bytes of a ctypes structure, which are in wire order."""
    cdef Py_buffer view
    PyObject_GetBuffer(structure, &view, PyBUF_SIMPLE)
    if view.len == size:
        memcpy(at, view.buf, size)
    PyBuffer_Release(&view)
    return view.len == size


def pack_buffer(bytes prefix not None, buffer, itemsize, swap):
    """`prefix`, then the bytes of `buffer` (its elements reversed if `swap`), then zeros up to a multiple of 8."""
    cdef _View view = _View.__new__(_View)
    cdef Py_ssize_t head = len(prefix), total
    cdef size_t size, length
    cdef Py_ssize_t room
    cdef bytes out
    cdef unsigned char *at
    cdef unsigned char *source
    cdef bint reverse = bool(swap)
    view.take(buffer, PyBUF_SIMPLE)
    check_swap(view.size, itemsize)
    total = (head + view.size + 7) & ~7
    # Room for a header in front of a large payload saves copying all of it once more.
    room = _HEADROOM if total >= _NOGIL_BYTES else 0
    out = PyBytes_FromStringAndSize(NULL, room + total)
    at = <unsigned char *>PyBytes_AS_STRING(out) + room
    memcpy(at, PyBytes_AS_STRING(prefix), head)
    memset(at + head + view.size, 0, total - head - view.size)
    size, length, source = itemsize, view.size, view.data
    at += head
    if length >= _NOGIL_BYTES:
        with nogil:
            if reverse:
                caproto_swap(at, source, length, size)
            else:
                memcpy(at, source, length)
    elif reverse:
        caproto_swap(at, source, length, size)
    else:
        memcpy(at, source, length)
    view.drop()
    return memoryview(out)[room:] if room else out


def pack_numbers(bytes prefix not None, int native, values):
    """`prefix`, then a sequence of Python numbers as big-endian elements, then zeros up to a multiple of 8."""
    cdef Py_ssize_t head = len(prefix), count = len(values), size = ITEM_SIZE[native], total
    cdef bytes out
    cdef unsigned char *at
    total = (head + count * size + 7) & ~7
    out = PyBytes_FromStringAndSize(NULL, total)
    at = <unsigned char *>PyBytes_AS_STRING(out)
    memcpy(at, PyBytes_AS_STRING(prefix), head)
    memset(at + head + count * size, 0, total - head - count * size)
    write_numbers(at + head, native, values, count)
    return out


cdef int write_numbers(unsigned char *at, int native, object values, Py_ssize_t count) except -1:
    """At most `count` numbers as big-endian elements."""
    cdef Py_ssize_t size = ITEM_SIZE[native], index = 0
    cdef object value
    cdef double real
    cdef float narrow
    cdef uint64_t bits = 0
    cdef uint32_t bits32 = 0
    cdef long long whole
    for value in values:
        if index >= count:
            break
        if native == _DOUBLE or native == _FLOAT:
            real = real_of(native, index, value)
            if native == _DOUBLE:
                memcpy(&bits, &real, 8)
                caproto_put64(at, bits)
            else:
                narrow = <float>real
                memcpy(&bits32, &narrow, 4)
                caproto_put32(at, bits32)
        else:
            whole = whole_of(native, index, value)
            if size == 2:
                caproto_put16(at, <uint32_t>(whole & 0xFFFF))
            elif size == 4:
                caproto_put32(at, <uint32_t>(whole & 0xFFFFFFFF))
            else:
                at[0] = <unsigned char>(whole & 0xFF)
        at += size
        index += 1
    # A sequence that is shorter than it said.
    memset(at, 0, (count - index) * size)
    return 0


cdef double real_of(int native, Py_ssize_t index, object value) except? -1.0:
    cdef double real
    if type(value) is float:
        real = PyFloat_AS_DOUBLE(value)
    else:
        try:
            real = float(value)
        except (TypeError, ValueError, OverflowError):
            raise complain.element(native, index, value) from None
    if native == _FLOAT and (real >= FLOAT_LIMIT or real <= -FLOAT_LIMIT) and real - real == 0:
        raise complain.element(native, index, value)
    return real


cdef long long whole_of(int native, Py_ssize_t index, object value) except? -1:
    cdef object whole
    cdef long long number
    cdef int overflow = 0
    if type(value) is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow and LOW[native] <= number <= HIGH[native]:
            return number
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        raise complain.element(native, index, value) from None
    if not LOW[native] <= whole <= HIGH[native] or (isinstance(value, float) and whole != value):
        raise complain.element(native, index, whole if whole == value else value)
    return whole


def pack_strings(bytes prefix not None, list values not None, trim):
    """`prefix`, then 40-byte cells (a single one cut behind its NUL if `trim`), then zeros up to a multiple of 8."""
    cdef Py_ssize_t head = len(prefix), count = len(values), index, length, body, total
    cdef bytes out, value
    cdef char *at
    for index in range(count):
        if len(values[index]) > _STRING_SIZE:
            raise complain.long_string(index, len(values[index]))
    body = count * _STRING_SIZE
    if trim and count == 1:
        body = min(_STRING_SIZE, len(values[0]) + 1)
    total = (head + body + 7) & ~7
    out = PyBytes_FromStringAndSize(NULL, total)
    at = PyBytes_AS_STRING(out)
    memset(at, 0, total)
    memcpy(at, PyBytes_AS_STRING(prefix), head)
    for index in range(count):
        value = values[index]
        length = len(value)
        memcpy(at + head + index * _STRING_SIZE, PyBytes_AS_STRING(value), length)
    return out


def unpack_strings(payload, Py_ssize_t offset, Py_ssize_t count):
    """`count` strings from 40-byte cells, each up to its NUL; cells beyond the payload are empty."""
    cdef _View view = _View.__new__(_View)
    cdef list out = []
    cdef Py_ssize_t at = offset, index, length
    view.take(payload, PyBUF_SIMPLE)
    for index in range(count):
        length = 0
        while length < _STRING_SIZE and at + length < view.size and view.data[at + length]:
            length += 1
        out.append(PyBytes_FromStringAndSize(<char *>view.data + at, length) if length else b"")
        at += _STRING_SIZE
    view.drop()
    return out
