"""The codec in plain Python: bytes to fields and back.

``_codec.pyx`` offers the same names with the same behaviour, down to the text of errors; ``_codec.pyi`` types both.
Nothing here knows states, roles or sockets.
"""

from __future__ import annotations

import array
import mmap
import operator
import struct
import sys
from collections.abc import Callable
from typing import Any

from . import _complaints as complain
from ._errors import CaprotoValueError
from ._layout import DOUBLE, EPICS_EPOCH_SECONDS, FLOAT, LAST_DBR, LAYOUTS, NATIVES, STRING

NAME = "python"

#: A payload above this many bytes is received into a buffer of its own; below, it is copied out of the chunk.
LARGE_PAYLOAD = 16384
#: Bytes that one read from a socket may bring; small enough to stay in a core's cache until the swap has passed.
CHUNK_SIZE = 262144
MAX_PAYLOAD = 0xFFFFFFF8
#: Above this many bytes memory is taken as data arrives, not when it is announced.
LAZY_PAYLOAD = 1 << 24

_SHORT = struct.Struct(">HHHHII")
_LONG = struct.Struct(">HHHHIIII")
_SWAP = sys.byteorder == "little"
_SLOTS = ("command", "payload_size", "data_type", "data_count", "parameter1", "parameter2")
_STAMP = struct.Struct(">hhII")
# FLOAT elements beyond this round to infinity in 32 bits.
_FLOAT_LIMIT = 3.4028235677973366e38
_KINDS = "shfHBid"


class _State:
    """What :func:`configure` was given."""

    metadata_class: Any = None
    statuses: tuple[Any, ...] = ()
    severities: tuple[Any, ...] = ()
    mode: str = "array"
    numpy: Any = None
    dtypes: tuple[Any, ...] = ()
    array_class: Any = array.array
    convert: Any = None
    strings: Any = list
    ensure_backend: Any = None
    encode: Any = None


def configure(**settings: Any) -> None:
    """Tell the codec which classes to build results from (see ``_codec.pyi``)."""
    for name, value in settings.items():
        setattr(_State, name, value)


class Frame:
    """One message: the header's fields, the payload, and what was parsed from it so far."""

    __slots__ = (
        "_command",
        "_payload_size",
        "_data_type",
        "_data_count",
        "_parameter1",
        "_parameter2",
        "_extended",
        "_native",
        "_done",
        "_limit",
        "_payload",
        "_data",
        "_metadata",
        "sender_address",
    )

    _command: int
    _payload_size: int
    _data_type: int
    _data_count: int
    _parameter1: int
    _parameter2: int
    _extended: bool
    _native: bool
    _done: bool
    _limit: int
    _payload: Any
    _data: Any
    _metadata: Any
    sender_address: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Frame:
        self = object.__new__(cls)
        self._command = self._payload_size = self._data_type = self._data_count = 0
        self._parameter1 = self._parameter2 = self._limit = 0
        self._extended = self._native = self._done = False
        self._payload = b""
        self._data = self._metadata = self.sender_address = None
        return self

    def _fill(
        self,
        command: int,
        payload_size: int,
        data_type: int,
        data_count: int,
        parameter1: int,
        parameter2: int,
        payload: Any = b"",
        extended: bool = False,
    ) -> None:
        """Set every field, checking that the wire can carry it."""
        for name, value, bits in (
            ("command", command, 16),
            ("payload_size", payload_size, 32),
            ("data_type", data_type, 16),
            ("data_count", data_count, 32),
            ("parameter1", parameter1, 32),
            ("parameter2", parameter2, 32),
        ):
            self._set(name, value, bits)
        self._payload = payload
        self._extended = extended

    def _encode(
        self,
        command: int,
        data: Any,
        data_type: int,
        data_count: int | None,
        parameter1: int,
        parameter2: int,
        metadata: Any,
        trim: bool,
    ) -> None:
        """Set every field of a message with values."""
        payload, count = encode_payload(type(self).__name__, data_type, data_count, data, metadata, trim)
        self._fill(command, len(payload), data_type, count, parameter1, parameter2, payload)

    def _set(self, name: str, value: Any, bits: int) -> None:
        try:
            number = operator.index(value)
        except (TypeError, ValueError, OverflowError):
            raise complain.field_range(name, value, bits) from None
        if not 0 <= number < 1 << bits:
            raise complain.field_range(name, value, bits)
        setattr(self, "_" + name, number)

    def _header_bytes(self) -> bytes:
        if self._extended or self._payload_size >= 0xFFFF or self._data_count >= 0xFFFF:
            return _LONG.pack(
                self._command, 0xFFFF, self._data_type, 0, self._parameter1, self._parameter2,
                self._payload_size, self._data_count,
            )  # fmt: skip
        return _SHORT.pack(
            self._command,
            self._payload_size,
            self._data_type,
            self._data_count,
            self._parameter1,
            self._parameter2,
        )

    def _wire_payload(self) -> Any:
        """The payload as it stands on the wire; a copy if its values were swapped in place."""
        if not self._native:
            return self._payload
        copy = bytearray(self._payload)
        start, stop = value_range(self._data_type, self._data_count, len(copy))
        swap_inplace(memoryview(copy)[start:stop], LAYOUTS[self._data_type].item_size)
        return copy

    def __bytes__(self) -> bytes:
        return b"".join((self._header_bytes(), self._wire_payload()))

    def __len__(self) -> int:
        extended = self._extended or self._payload_size >= 0xFFFF or self._data_count >= 0xFFFF
        return (24 if extended else 16) + len(self._payload)

    def _get_data(self) -> Any:
        if self._data is None:
            self._data = _decode_values(self)
        return self._data

    def _prefix(self, offset: int) -> bytes:
        # A small payload is shared, a large one is not kept alive by its metadata.
        return self._payload if isinstance(self._payload, bytes) else bytes(self._payload[:offset])

    def _get_metadata(self) -> Any:
        if self._metadata is None and 0 <= self._data_type <= LAST_DBR:
            layout = LAYOUTS[self._data_type]
            if layout.members:
                _check_refused(self)
                if len(self._payload) < layout.value_offset:
                    raise complain.short_metadata(
                        type(self).__name__, layout.dbr, layout.value_offset, len(self._payload)
                    )
                self._metadata = _State.metadata_class(layout.dbr, self._prefix(layout.value_offset))
        return self._metadata


def value_range(dbr: int, count: int, size: int) -> tuple[int, int]:
    """Start and stop, in bytes, of the whole elements that a payload of `size` bytes holds."""
    layout = LAYOUTS[dbr]
    whole = max(0, size - layout.value_offset) // layout.item_size
    return layout.value_offset, layout.value_offset + min(count, whole) * layout.item_size


def field(slot: str, mapping: dict[int, Any] | None = None, default: Callable[[int], Any] | None = None) -> Any:
    """A read-only attribute that shows one header field, looked up in `mapping` if given."""
    if mapping is None:
        member = Frame.__dict__["_" + slot]
        return property(lambda self: member.__get__(self))
    get, member = mapping.get, Frame.__dict__["_" + slot]

    def read(self: Frame) -> Any:
        number = member.__get__(self)
        found = get(number)
        return found if found is not None else default(number) if default is not None else number

    return property(read)


def data_field() -> Any:
    """The attribute ``data``: decoded on first use, then kept."""
    return property(Frame._get_data)


def metadata_field() -> Any:
    """The attribute ``metadata``: decoded on first use, then kept."""
    return property(Frame._get_metadata)


def _check_refused(frame: Frame) -> None:
    if frame._limit:
        raise complain.refused_payload(type(frame).__name__, frame._payload_size, frame._limit)


def _decode_values(frame: Frame) -> Any:
    dbr, count, payload = frame._data_type, frame._data_count, frame._payload
    name = type(frame).__name__
    if dbr > LAST_DBR:
        raise complain.unknown_type(name, dbr)
    _check_refused(frame)
    layout = LAYOUTS[dbr]
    offset, size, available = layout.value_offset, layout.item_size, len(payload)
    if layout.native == STRING:
        # The last string may be cut at its NUL: the missing tail counts as zeros.
        needed = offset + (count - 1) * size + 1 if count else 0
        if available < needed:
            raise complain.short_payload(name, dbr, count, offset + count * size, available)
        return _State.strings(unpack_strings(payload, offset, count))
    needed = offset + count * size
    if count and available < needed:
        raise complain.short_payload(name, dbr, count, needed, available)
    if _State.mode == "unset":
        _State.ensure_backend()
    if _State.mode == "custom":
        wire = bytes(memoryview(frame._wire_payload())[offset:needed])
        return _State.convert(wire, dbr, count)
    return _native_array(payload, layout.native, offset, count, frame._native)


def _native_array(payload: Any, native: int, offset: int, count: int, swapped: bool) -> Any:
    size = NATIVES[native].size
    if _State.mode == "numpy":
        if not count:
            return _State.numpy.empty(0, _State.dtypes[native])
        if swapped:
            return _State.numpy.frombuffer(payload, _State.dtypes[native], count, offset)
        wire = _State.numpy.frombuffer(payload, _State.dtypes[native].newbyteorder(">"), count, offset)
        return wire.astype(_State.dtypes[native])
    values = _State.array_class(_KINDS[native])
    values.frombytes(memoryview(payload)[offset : offset + count * size])
    if not swapped and _SWAP:
        array.array.byteswap(values)
    return values


class MetadataBase:
    """The metadata of one value, decoded member by member when asked for."""

    __slots__ = ("_dbr", "_raw")

    def __init__(self, dbr: int, raw: bytes) -> None:
        self._dbr = dbr
        self._raw = raw

    def _read(self, name: str) -> Any:
        for member in LAYOUTS[self._dbr].members:
            if member.name == name:
                return struct.unpack_from(">" + member.format, self._raw, member.offset)[0]
        raise AttributeError(f"DBR_{LAYOUTS[self._dbr].name} has no member {name!r}")

    @property
    def status(self) -> Any:
        number = int.from_bytes(self._raw[0:2], "big", signed=True)
        return _State.statuses[number] if 0 <= number < len(_State.statuses) else number

    @property
    def severity(self) -> Any:
        number = int.from_bytes(self._raw[2:4], "big", signed=True)
        return _State.severities[number] if 0 <= number < len(_State.severities) else number

    @property
    def secondsSinceEpoch(self) -> int:
        if not 14 <= self._dbr <= 20:
            raise AttributeError(f"DBR_{LAYOUTS[self._dbr].name} has no member 'secondsSinceEpoch'")
        return int.from_bytes(self._raw[4:8], "big")

    @property
    def nanoSeconds(self) -> int:
        if not 14 <= self._dbr <= 20:
            raise AttributeError(f"DBR_{LAYOUTS[self._dbr].name} has no member 'nanoSeconds'")
        return int.from_bytes(self._raw[8:12], "big")

    @property
    def timestamp(self) -> float:
        """Seconds since the Unix epoch; a float64 keeps about 0.2 us."""
        if not 14 <= self._dbr <= 20:
            raise AttributeError(f"DBR_{LAYOUTS[self._dbr].name} has no member 'timestamp'")
        _, _, seconds, nanoseconds = _STAMP.unpack_from(self._raw)
        return float((seconds + EPICS_EPOCH_SECONDS) + nanoseconds * 1e-9)


class CommandTable:
    """Which class each command id becomes, and which commands carry values."""

    __slots__ = ("classes", "unknown", "value_commands")

    def __init__(self, classes: dict[int, type], unknown: type, value_commands: Any) -> None:
        for cls in (*classes.values(), unknown):
            if not (isinstance(cls, type) and issubclass(cls, Frame)):
                raise complain.not_frame(cls)
        self.classes = classes
        self.unknown = unknown
        self.value_commands = frozenset(value_commands)


def _frame(table: CommandTable, fields: tuple[int, ...], size: int, count: int, extended: bool) -> Frame:
    cls: Any = table.classes.get(fields[0], table.unknown)
    frame: Frame = cls.__new__(cls)
    frame._command, frame._payload_size, frame._data_type = fields[0], size, fields[2]
    frame._data_count, frame._parameter1, frame._parameter2 = count, fields[4], fields[5]
    frame._extended = extended
    return frame


def split_datagram(table: CommandTable, data: Any, address: Any) -> list[Frame]:
    """The messages of one datagram; what follows a malformed or unknown one is dropped (section 12, 18 and 19)."""
    view, frames, pos = memoryview(data).cast("B"), [], 0
    while len(view) - pos >= 16:
        fields = _SHORT.unpack_from(view, pos)
        size = fields[1]
        if size & 7 or len(view) - pos - 16 < size or fields[0] not in table.classes:
            break
        frame = _frame(table, fields, size, fields[3], False)
        frame._payload = bytes(view[pos + 16 : pos + 16 + size])
        frame.sender_address = address
        frames.append(frame)
        pos += 16 + size
    return frames


class StreamParser:
    """Cuts a byte stream into frames (section 2.4); holds at most one incomplete frame.

    Attributes
    ----------
    bytes_needed : int
        How many more bytes the frame in progress needs at least; 0 between frames.
    error : RemoteProtocolError or None
        Set for good once framing is lost; the frames in front of that place were returned.
    """

    def __init__(self, table: CommandTable, limit: int) -> None:
        self._table = table
        self._limit = min(limit, MAX_PAYLOAD)
        self._tail = bytearray()
        self._need = 16
        self._skip = 0
        self._chunk: bytearray | None = None
        self._big: Frame | None = None
        self._big_view = memoryview(b"")
        self._filled = 0
        self._swapped = 0
        self._offered = 0
        self.error: Exception | None = None

    @property
    def bytes_needed(self) -> int:
        if self._big is not None:
            return len(self._big_view) - self._filled
        return self._skip or (self._need - len(self._tail) if self._tail else 0)

    def feed(self, data: Any) -> list[Frame]:
        """The frames that `data` completes.  `data` is not kept."""
        if self.error is not None:
            raise self.error
        self._offered = 0
        view = memoryview(data).cast("B")
        out: list[Frame] = []
        pos, end = 0, len(view)
        while pos < end and self.error is None:
            if self._skip:
                step = min(self._skip, end - pos)
                self._skip -= step
                pos += step
            elif self._big is not None:
                step = min(len(self._big_view) - self._filled, end - pos)
                self._big_view[self._filled : self._filled + step] = view[pos : pos + step]
                pos += step
                self._advance(step, out)
            elif self._tail:
                step = min(self._need - len(self._tail), end - pos)
                self._tail += view[pos : pos + step]
                pos += step
                if len(self._tail) == self._need:
                    tail, self._tail = self._tail, bytearray()
                    used = self._parse(memoryview(tail), 0, out)
                    self._tail += tail[used:]
            else:
                pos = self._parse(view, pos, out)
                if not self._skip and self._big is None and self.error is None:
                    self._tail += view[pos:]
                    pos = end
        return out

    def get_buffer(self, size_hint: int = -1) -> memoryview:
        """Writable memory for the next read from a socket; valid until the next call of any method."""
        if self.error is not None:
            raise self.error
        if self._big is not None:
            buffer = self._big_view[self._filled : self._filled + CHUNK_SIZE]
        else:
            if self._chunk is None:
                self._chunk = bytearray(CHUNK_SIZE)
            buffer = memoryview(self._chunk)
        self._offered = len(buffer)
        return buffer

    def buffer_updated(self, written: int) -> list[Frame]:
        """The frames completed by the `written` bytes now in the memory that :meth:`get_buffer` gave."""
        if not 0 <= written <= self._offered:
            raise complain.too_many_bytes(written, self._offered)
        self._offered = 0
        if self._big is None:
            return self.feed(memoryview(self._chunk or b"")[:written])
        out: list[Frame] = []
        self._advance(written, out)
        return out

    def _parse(self, view: memoryview, pos: int, out: list[Frame]) -> int:
        """Frames from `view` at `pos`; returns the position of the first byte not used."""
        end = len(view)
        while True:
            if end - pos < 16:
                self._need = 16
                return pos
            fields = _SHORT.unpack_from(view, pos)
            size, count, header = fields[1], fields[3], 16
            if size == 0xFFFF:
                if end - pos < 24:
                    self._need = 24
                    return pos
                size, count = struct.unpack_from(">II", view, pos + 16)
                header = 24
            if size & 7:
                self.error = complain.misaligned(fields[0], size)
                if not out:
                    raise self.error
                return pos
            if size > LARGE_PAYLOAD or size > self._limit:
                self._begin_large(fields, size, count, header == 24, out)
                return pos + header
            if end - pos < header + size:
                self._need = header + size
                return pos
            frame = _frame(self._table, fields, size, count, header == 24)
            if size:
                frame._payload = bytes(view[pos + header : pos + header + size])
            out.append(frame)
            pos += header + size

    def _begin_large(self, fields: tuple[int, ...], size: int, count: int, extended: bool, out: list[Frame]) -> None:
        self._need = 16
        frame = _frame(self._table, fields, size, count, extended)
        storage: Any = None
        if size <= self._limit and fields[0] in self._table.classes:
            try:
                # A bytearray is filled with zeros at once.  A map takes a page when something is written to it, so a
                # peer that claims 4 GB and sends nothing gets nothing.
                storage = bytearray(size) if size <= LAZY_PAYLOAD else mmap.mmap(-1, size)
            except (MemoryError, OSError):
                storage = None
        if storage is None:
            # Skipped without being stored: framing survives, and only this message is lost.
            frame._limit = self._limit
            self._skip = size
            out.append(frame)
            return
        frame._payload = storage
        self._big, self._big_view, self._filled = frame, memoryview(storage), 0
        dbr = fields[2]
        if dbr <= LAST_DBR and LAYOUTS[dbr].native != STRING and fields[0] in self._table.value_commands:
            frame._native = True
            self._swapped = LAYOUTS[dbr].value_offset

    def _advance(self, step: int, out: list[Frame]) -> None:
        frame = self._big
        assert frame is not None
        self._filled += step
        if frame._native:
            # Swapped piece by piece while the piece is still in the cache.
            size = LAYOUTS[frame._data_type].item_size
            _, stop = value_range(frame._data_type, frame._data_count, self._filled)
            if stop > self._swapped:
                swap_inplace(self._big_view[self._swapped : stop], size)
                self._swapped = stop
        if self._filled == len(self._big_view):
            out.append(frame)
            self._big, self._big_view = None, memoryview(b"")


def is_live_update(subscriptions: dict[int, Any], frame: Frame) -> bool:
    """Mark `frame` as processed; whether it is an update, not empty, of a subscription of the same type."""
    found = subscriptions.get(frame._parameter2)
    frame._done = True
    return found is not None and frame._payload_size != 0 and bool(found._data_type == frame._data_type)


def swap_inplace(buffer: Any, itemsize: int) -> None:
    """Reverse the bytes of every element of a writable buffer (a no-op on a big-endian machine)."""
    view = memoryview(buffer).cast("B")
    _check_swap(len(view), itemsize)
    if itemsize == 1 or not _SWAP or not len(view):
        return
    if _State.numpy is not None:
        _State.numpy.frombuffer(view, f"u{itemsize}").byteswap(inplace=True)
        return
    items = array.array({2: "H", 4: "I", 8: "Q"}[itemsize])
    items.frombytes(view)
    items.byteswap()
    view[:] = memoryview(items).cast("B")


def _check_swap(length: int, itemsize: int) -> None:
    if itemsize not in (1, 2, 4, 8):
        raise complain.item_size(itemsize)
    if length % itemsize:
        raise complain.ragged(length, itemsize)


def encode_payload(
    name: str, dbr: int, data_count: int | None, data: Any, metadata: Any, trim: bool = False
) -> tuple[bytes, int]:
    """The padded payload and the element count of a value message (see :mod:`caproto._convert`)."""
    encoded: tuple[bytes, int] = _State.encode(name, dbr, data_count, data, metadata, trim)
    return encoded


def pack_buffer(prefix: bytes, buffer: Any, itemsize: int, swap: bool) -> bytes:
    """`prefix`, then the bytes of `buffer` (its elements reversed if `swap`), then zeros up to a multiple of 8."""
    body: Any = memoryview(buffer).cast("B")
    _check_swap(len(body), itemsize)
    if swap and itemsize > 1 and _SWAP:
        body = bytearray(body)
        swap_inplace(body, itemsize)
    return b"".join((prefix, body, bytes(-(len(prefix) + len(body)) & 7)))


def pack_numbers(prefix: bytes, native: int, values: Any) -> bytes:
    """`prefix`, then a sequence of Python numbers as big-endian elements, then zeros up to a multiple of 8."""
    kind = NATIVES[native]
    out = bytearray(prefix)
    for index, value in enumerate(values):
        try:
            if native in (FLOAT, DOUBLE):
                number = float(value)
                if native == FLOAT and _FLOAT_LIMIT <= abs(number) < float("inf"):
                    raise complain.element(native, index, value)
                out += struct.pack(">" + kind.letter, number)
            else:
                whole = int(value)
                if not kind.low <= whole <= kind.high or (isinstance(value, float) and whole != value):
                    raise complain.element(native, index, whole if whole == value else value)
                out += struct.pack(">" + kind.letter, whole)
        except (TypeError, OverflowError, struct.error):
            raise complain.element(native, index, value) from None
        except ValueError as error:
            if isinstance(error, CaprotoValueError):
                raise
            raise complain.element(native, index, value) from None
    return bytes(out) + bytes(-len(out) & 7)


def pack_strings(prefix: bytes, values: list[bytes], trim: bool) -> bytes:
    """`prefix`, then 40-byte cells (a single one cut behind its NUL if `trim`), then zeros up to a multiple of 8."""
    cells = []
    for index, value in enumerate(values):
        if len(value) > 40:
            raise complain.long_string(index, len(value))
        cells.append(value.ljust(40, b"\0"))
    if trim and len(values) == 1:
        cells[0] = cells[0][: min(40, len(values[0]) + 1)]
    body = prefix + b"".join(cells)
    return body + bytes(-len(body) & 7)


def unpack_strings(payload: Any, offset: int, count: int) -> list[bytes]:
    """`count` strings from 40-byte cells, each up to its NUL; cells beyond the payload are empty."""
    data = bytes(payload)
    return [data[at : at + 40].split(b"\0", 1)[0] for at in range(offset, offset + 40 * count, 40)]
