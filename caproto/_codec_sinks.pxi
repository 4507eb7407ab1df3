# Updates on their way from the parser to their subscription, without a Python call for each of them.

cdef enum:
    # Ids below this are found by index; those above through a dictionary.
    _DIRECT = 16384
    # What a run of rows is counted with beside its rows: about what its arrays cost when they are made.
    _RUN_BYTES = 64

cdef inline bint holds(uint32_t dbr, uint64_t count, uint64_t size) noexcept:
    """Whether a payload of `size` bytes holds the metadata and all of the elements."""
    cdef uint64_t offset
    if dbr > _LAST:
        return False
    offset = VALUE_OFFSET[dbr]
    if NATIVE[dbr] == _STRING and count:
        # The last string may be cut at its NUL.
        return size >= offset + (count - 1) * _STRING_SIZE + 1
    return size >= offset + count * <uint64_t>ITEM_SIZE[dbr]


cdef int check_held(Sink sink, Frame frame) except -1:
    """Refuse a frame that is no complete value of the sink's type."""
    cdef uint64_t count = frame._data_count
    cdef uint32_t dbr = frame._data_type
    check_refused(frame)
    if dbr != sink.data_type:
        raise complain.other_type(type(frame).__name__, dbr, sink.data_type)
    if not holds(dbr, count, len(frame._payload)):
        raise complain.short_payload(
            type(frame).__name__, dbr, count, VALUE_OFFSET[dbr] + count * ITEM_SIZE[dbr], len(frame._payload)
        )
    return 0


cdef class Sink:
    """What both kinds of sink share."""

    cdef readonly uint32_t data_type
    cdef public bint waiting

    cdef int settle(self, object data_type) except -1:
        cdef uint32_t dbr = number_of("data_type", data_type, 16)
        if dbr > _LAST:
            raise complain.unknown_type(type(self).__name__, dbr)
        self.data_type = dbr
        return 0

    cdef bint wake(self) noexcept:
        cdef bint asleep = not self.waiting
        self.waiting = True
        return asleep

    cdef int put(self, CommandTable table, const unsigned char *p, int header, uint32_t size, uint32_t count) except -1:
        raise NotImplementedError

    cdef int put_frame(self, Frame frame) except -1:
        raise NotImplementedError


cdef class Inbox(Sink):
    """The updates of one subscription that nobody has looked at yet, as commands in order."""

    cdef readonly list items

    def __cinit__(self, *_, **__):
        self.items = []

    def __init__(self, data_type):
        self.settle(data_type)
        self.items = []

    cdef int put(self, CommandTable table, const unsigned char *p, int header, uint32_t size, uint32_t count) except -1:
        cdef Frame frame = table.make(p, size, count, header == 24)
        frame._payload = PyBytes_FromStringAndSize(<char *>p + header, size)
        frame._done = True
        self.items.append(frame)
        return 0

    cdef int put_frame(self, Frame frame) except -1:
        frame._done = True
        self.items.append(frame)
        return 0

    def push(self, Frame frame not None):
        """Add an update that did not come through the parser; True if nothing was waiting before."""
        self.put_frame(frame)
        return self.wake()

    def __len__(self):
        return len(self.items)

    def take(self):
        """The updates, oldest first; nothing waits any more."""
        cdef list items = self.items
        self.items = []
        self.waiting = False
        return items

    def trim(self, keep):
        """Drop the oldest updates so that at most `keep` stay; returns how many were dropped."""
        cdef Py_ssize_t excess = max(0, len(self.items) - max(0, PyNumber_AsSsize_t(keep, NULL)))
        if excess:
            del self.items[:excess]
        return excess


cdef struct Run:
    uint32_t count
    bint large
    Py_ssize_t rows


@cython.final
@cython.no_gc
cdef class _Rows:
    """Payloads of one DBR type in wire order, one behind the other; a large one stays the frame that it came in."""

    cdef uint32_t dbr
    cdef unsigned char *data
    cdef Py_ssize_t start
    cdef Py_ssize_t used
    cdef Py_ssize_t room
    cdef Run *runs
    cdef Py_ssize_t run_count
    cdef Py_ssize_t run_room
    cdef Py_ssize_t length
    cdef Py_ssize_t large_bytes
    cdef list large

    def __cinit__(self, uint32_t dbr):
        self.dbr = dbr

    def __dealloc__(self):
        free(self.data)
        free(self.runs)

    cdef int make_room(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t live = self.used - self.start, room
        cdef unsigned char *moved
        if self.start and self.start >= live and live + more <= self.room:
            memmove(self.data, self.data + self.start, live)
            self.start, self.used = 0, live
            return 0
        room = max(self.used + more, max(4096, 2 * self.room))
        moved = <unsigned char *>realloc(self.data, room)
        if moved == NULL:
            raise MemoryError
        self.data, self.room = moved, room
        return 0

    cdef int count_row(self, uint32_t count, bint large) except -1:
        cdef Run *moved
        cdef Run *last
        cdef Py_ssize_t room
        if self.run_count:
            last = &self.runs[self.run_count - 1]
            if last.count == count and not large and not last.large:
                last.rows += 1
                self.length += 1
                return 0
        if self.run_count == self.run_room:
            room = max(4, 2 * self.run_room)
            moved = <Run *>realloc(self.runs, room * sizeof(Run))
            if moved == NULL:
                raise MemoryError
            self.runs, self.run_room = moved, room
        last = &self.runs[self.run_count]
        last.count, last.large, last.rows = count, large, 1
        self.run_count += 1
        self.length += 1
        return 0

    cdef int add(self, const unsigned char *payload, Py_ssize_t size, uint32_t count) except -1:
        cdef Py_ssize_t stride = VALUE_OFFSET[self.dbr] + <Py_ssize_t>count * ITEM_SIZE[self.dbr]
        if self.used + stride > self.room:
            self.make_room(stride)
        self.count_row(count, False)
        if stride <= size:
            memcpy(self.data + self.used, payload, stride)
        else:
            memcpy(self.data + self.used, payload, size)
            memset(self.data + self.used + size, 0, stride - size)
        self.used += stride
        return 0

    cdef int add_large(self, Frame frame) except -1:
        if self.large is None:
            self.large = []
        self.large.append(frame)
        self.large_bytes += frame._payload_size
        self.count_row(frame._data_count, True)
        return 0

    cdef Py_ssize_t nbytes(self) noexcept:
        return self.used - self.start + self.large_bytes + self.run_count * _RUN_BYTES

    cdef Py_ssize_t drop(self, Py_ssize_t keep) except -1:
        cdef Py_ssize_t excess = max(0, self.length - max(0, keep)), left = excess, gone = 0, larges = 0, rows
        cdef Run *run
        cdef Frame frame
        while left:
            run = &self.runs[gone]
            rows = min(left, run.rows)
            if run.large:
                frame = <Frame>self.large[larges]
                self.large_bytes -= frame._payload_size
                larges += 1
            else:
                self.start += rows * (VALUE_OFFSET[self.dbr] + <Py_ssize_t>run.count * ITEM_SIZE[self.dbr])
            run.rows -= rows
            left -= rows
            if not run.rows:
                gone += 1
        if gone:
            self.run_count -= gone
            memmove(self.runs, self.runs + gone, self.run_count * sizeof(Run))
        self.length -= excess
        if larges:
            del self.large[:larges]
        return excess

    cdef list decode(self):
        cdef list out = []
        cdef Py_ssize_t index, at = self.start, larges = 0
        cdef Run *run
        if mode == MODE_UNSET:
            ensure_backend_hook()
        for index in range(self.run_count):
            run = &self.runs[index]
            if run.large:
                out.append(large_run(<Frame>self.large[larges], run.count))
                larges += 1
            else:
                out.append(row_run(self.dbr, self.data + at, run.rows, run.count))
                at += run.rows * (VALUE_OFFSET[self.dbr] + <Py_ssize_t>run.count * ITEM_SIZE[self.dbr])
        return out


cdef tuple row_run(uint32_t dbr, const unsigned char *rows, Py_ssize_t n, uint32_t count):
    cdef Py_ssize_t stride = VALUE_OFFSET[dbr] + <Py_ssize_t>count * ITEM_SIZE[dbr]
    cdef object values
    if NATIVE[dbr] == _STRING:
        values = string_rows(rows + VALUE_OFFSET[dbr], n, stride, count)
    elif mode == MODE_CUSTOM:
        values = [
            convert(PyBytes_FromStringAndSize(<char *>rows + at * stride + VALUE_OFFSET[dbr],
                                              stride - VALUE_OFFSET[dbr]), dbr, count)
            for at in range(n)
        ]
    else:
        values = number_rows(NATIVE[dbr], rows + VALUE_OFFSET[dbr], n, stride, count)
    return (count, values, *alarm_columns(dbr, rows, n, stride))


cdef tuple large_run(Frame frame, uint32_t count):
    cdef Py_ssize_t offset = VALUE_OFFSET[frame._data_type]
    cdef bytes head = bytes(memoryview(frame._payload)[:offset])
    cdef object values = decode_values(frame)
    if NATIVE[frame._data_type] == _STRING:
        values = list(values)
        if mode == MODE_NUMPY:
            values = numpy_module.array(values, "S40")
    if mode == MODE_CUSTOM and NATIVE[frame._data_type] != _STRING:
        values = [values]
    elif mode == MODE_NUMPY and count != 1:
        values = values.reshape(1, count)
    return (count, values, *alarm_columns(frame._data_type, <const unsigned char *>PyBytes_AS_STRING(head), 1, offset))


cdef object number_rows(int native, const unsigned char *rows, Py_ssize_t n, Py_ssize_t stride, uint32_t count):
    cdef npy_intp[2] dims
    cdef size_t size = ITEM_SIZE[native], length = count * size, step = stride
    cdef object values
    cdef object flat
    cdef unsigned char *out
    cdef size_t total = n
    if mode == MODE_NUMPY:
        dims[0], dims[1] = n, count
        values = PyArray_SimpleNew(1 if count == 1 else 2, dims, NPY_KINDS[native])
        out = <unsigned char *>PyArray_DATA(<PyArrayObject *>values)
    else:
        flat = PyByteArray_FromStringAndSize(NULL, n * <Py_ssize_t>length)
        out = <unsigned char *>PyByteArray_AS_STRING(flat)
    if total * length >= _NOGIL_BYTES:
        with nogil:
            caproto_swap_rows(out, rows, total, step, length, size)
    elif length:
        caproto_swap_rows(out, rows, total, step, length, size)
    if mode != MODE_NUMPY:
        values = array_class("shfHBid"[native])
        values.frombytes(flat)
    return values


cdef object string_rows(const unsigned char *cells, Py_ssize_t n, Py_ssize_t stride, uint32_t count):
    cdef Py_ssize_t row, index, length
    cdef const unsigned char *cell
    cdef list strings = []
    cdef object values
    for row in range(n):
        for index in range(count):
            cell = cells + row * stride + index * _STRING_SIZE
            length = 0
            while length < _STRING_SIZE and cell[length]:
                length += 1
            strings.append(PyBytes_FromStringAndSize(<char *>cell, length))
    if mode != MODE_NUMPY:
        return strings
    values = numpy_module.array(strings, "S40")
    return values if count == 1 else values.reshape(n, count)


cdef tuple alarm_columns(uint32_t dbr, const unsigned char *rows, Py_ssize_t n, Py_ssize_t stride):
    """Time stamps, severity and status of `n` rows; None for what the type lacks."""
    cdef object stamps = None, severity = None, status = None
    cdef _View memory
    cdef Py_ssize_t row
    cdef const unsigned char *at
    if 14 <= dbr <= 20:
        stamps = column("q", n)
        memory = _View.__new__(_View)
        memory.take(stamps, PyBUF_WRITABLE)
        for row in range(n):
            at = rows + row * stride
            (<int64_t *>memory.data)[row] = (
                (<int64_t>caproto_be32(at + 4) + <int64_t>EPOCH) * 1000000000 + <int64_t>caproto_be32(at + 8)
            )
        memory.drop()
    if HAS_MEMBERS[dbr]:
        status, severity = column("h", n), column("h", n)
        short_column(status, rows, n, stride)
        short_column(severity, rows + 2, n, stride)
    return stamps, severity, status


cdef int short_column(object target, const unsigned char *rows, Py_ssize_t n, Py_ssize_t stride) except -1:
    cdef _View memory = _View.__new__(_View)
    cdef Py_ssize_t row
    memory.take(target, PyBUF_WRITABLE)
    for row in range(n):
        (<int16_t *>memory.data)[row] = <int16_t>caproto_be16(rows + row * stride)
    memory.drop()
    return 0


cdef object column(str letter, Py_ssize_t n):
    cdef npy_intp dims = n
    if mode == MODE_NUMPY:
        return PyArray_SimpleNew(1, &dims, NPY_INT64 if letter == "q" else NPY_SHORT)
    return array.array(letter, bytes(n * (8 if letter == "q" else 2)))


@cython.no_gc_clear
cdef class Columns(Sink):
    """The updates of one subscription that nobody has looked at yet, kept as raw rows and decoded together."""

    cdef _Rows rows

    def __cinit__(self, *_, **__):
        self.rows = _Rows.__new__(_Rows, 0)

    def __init__(self, data_type):
        self.settle(data_type)
        self.rows = _Rows.__new__(_Rows, self.data_type)

    cdef int put(self, CommandTable table, const unsigned char *p, int header, uint32_t size, uint32_t count) except -1:
        return self.rows.add(p + header, size, count)

    cdef int put_frame(self, Frame frame) except -1:
        cdef bytes payload
        if len(frame._payload) > _LARGE:
            return self.rows.add_large(frame)
        payload = bytes(frame._payload)
        return self.rows.add(<unsigned char *>PyBytes_AS_STRING(payload), len(payload), frame._data_count)

    def push(self, Frame frame not None):
        """Add an update that did not come through the parser; True if nothing was waiting before."""
        check_held(self, frame)
        self.put_frame(frame)
        return self.wake()

    @property
    def nbytes(self):
        """Bytes of what waits: rows, large payloads, and 64 for each run."""
        return self.rows.nbytes()

    def __len__(self):
        return self.rows.length

    def take(self):
        """What waits, as one tuple of columns for each run of updates with the same data_count, oldest first."""
        # Taken away first: making arrays may run other code, which may look here.
        cdef _Rows rows = self.rows
        self.rows = _Rows.__new__(_Rows, self.data_type)
        self.waiting = False
        return rows.decode()

    def trim(self, keep):
        """Drop the oldest updates so that at most `keep` stay; returns how many were dropped."""
        return self.rows.drop(PyNumber_AsSsize_t(keep, NULL))


@cython.no_gc_clear
cdef class Sinks:
    """Sinks by subscription id, with a look-up that makes no Python object."""

    # A list, not pointers: the garbage collector may empty it behind our back, and then its size says so.
    cdef list direct
    cdef dict by_id
    cdef Py_ssize_t used
    cdef uint32_t last_id
    cdef bint last_known
    cdef object last

    def __cinit__(self):
        self.direct = []
        self.by_id = {}

    cdef Sink find(self, uint32_t number):
        cdef object found
        if number < _DIRECT:
            if <Py_ssize_t>number >= PyList_GET_SIZE(self.direct):
                return None
            return <Sink>PyList_GET_ITEM(self.direct, number)
        if not self.last_known or self.last_id != number:
            self.last = self.by_id.get(number)
            self.last_id, self.last_known = number, True
        return <Sink>self.last

    def __setitem__(self, number, sink):
        cdef uint32_t index = number_of("parameter2", number, 32)
        if not isinstance(sink, Sink):
            raise complain.not_sink(sink)
        # Held until the end: what runs when it goes must not find us half changed.
        cdef object before = self.by_id.get(index)
        cdef object cached = self.last
        self.last_known, self.last = False, None
        self.by_id[index] = sink
        self.used = len(self.by_id)
        if index < _DIRECT:
            if <Py_ssize_t>index >= len(self.direct):
                room = min(_DIRECT, max(16, 2 * <Py_ssize_t>index))
                self.direct.extend([None] * (room - len(self.direct)))
            self.direct[index] = sink

    def __getitem__(self, number):
        return self.by_id[number]

    def get(self, number, default=None):
        return self.by_id.get(number, default)

    def __delitem__(self, number):
        if self.pop(number) is None:
            raise KeyError(number)

    def pop(self, number, default=None):
        """Take a sink out and return it; `default` if there is none.  The parser finds it no more."""
        cdef uint32_t index = number_of("parameter2", number, 32)
        cdef object cached = self.last
        cdef object found = self.by_id.pop(index, None)
        if found is None:
            return default
        self.last_known, self.last = False, None
        self.used = len(self.by_id)
        if <Py_ssize_t>index < len(self.direct):
            self.direct[index] = None
        return found

    def __contains__(self, number):
        return number in self.by_id

    def __iter__(self):
        return iter(self.by_id)

    def __len__(self):
        return len(self.by_id)
