# Bytes of one value to Python: arrays, strings and metadata.

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
    made = <MetadataBase>new_of(metadata_class, MetadataBase)
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
