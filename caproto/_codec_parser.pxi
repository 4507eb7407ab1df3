# A byte stream cut into frames.

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
    # Memory of the large payloads that came last.
    cdef list spare
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
        self.spare = []

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
            if self.sinks.used and updates and caproto_be16(p) == _EVENT_ADD and caproto_be32(p + 8) == _NORMAL:
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
            storage = self.recycled(size)
            if storage is None:
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

    cdef bytearray recycled(self, uint32_t size):
        """The memory of an earlier payload that nobody uses any more; new memory costs a page fault every 4 KiB."""
        cdef Py_ssize_t index
        cdef PyObject *kept
        for index in range(PyList_GET_SIZE(self.spare)):
            kept = <PyObject *>PyList_GET_ITEM(self.spare, index)
            if Py_REFCNT(kept) == 1 and len(<bytearray>kept) == <Py_ssize_t>size:
                return self.spare.pop(index)
        return None

    cdef int recycle(self, bytearray storage) except -1:
        if len(storage) <= _SPARE_BYTES:
            self.spare.append(storage)
            if len(self.spare) > _SPARES:
                del self.spare[0]
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
            self.recycle(self.storage)
            self.big, self.storage = None, bytearray()
            self.finish(frame, out)
        return 0


def is_live_update(dict subscriptions, Frame frame):
    """Mark `frame` as processed; whether it is an update, not empty, of a subscription of the same type."""
    cdef PyObject *found = PyDict_GetItem(subscriptions, frame._parameter2)
    frame._done = True
    return found != NULL and frame._payload_size != 0 and (<Frame>found)._data_type == frame._data_type
