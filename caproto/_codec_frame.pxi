# Commands of both directions: header fields, payload, attributes, and the table that says which class is which.

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
        cdef Frame frame = <Frame>new_of(cls, Frame)
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
