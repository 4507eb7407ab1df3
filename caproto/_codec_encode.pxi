# Python values and metadata to bytes, and the swap between the two byte orders.

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
    if data_count is not None and (
        type(data_count) is not int or PyLong_AsLongLongAndOverflow(data_count, &overflow) != count[0] or overflow
    ):
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
