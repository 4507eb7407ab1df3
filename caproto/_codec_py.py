"""The codec in plain Python: bytes to fields and back.

``_codec.pyx`` offers the same names with the same behaviour, down to the text of errors; ``_codec.pyi`` types both.
Nothing here knows states, roles or sockets.
"""

from __future__ import annotations

import mmap
import struct
import sys
from collections.abc import Callable
from typing import Any

from . import _complaints as complain
from ._codec_py_sinks import Columns, Inbox, Sinks, holds
from ._codec_py_values import (
    MetadataBase,
    State,
    check_refused,
    configure,
    decode_values,
    encode_payload,
    header_number,
    pack_buffer,
    pack_numbers,
    pack_strings,
    swap_inplace,
    unpack_strings,
    value_range,
)
from ._layout import LAST_DBR, LAYOUTS, STRING

__all__ = [
    "CHUNK_SIZE",
    "LARGE_PAYLOAD",
    "MAX_PAYLOAD",
    "NAME",
    "Columns",
    "CommandTable",
    "Frame",
    "Inbox",
    "MetadataBase",
    "Sinks",
    "StreamParser",
    "UpdateFrame",
    "configure",
    "data_field",
    "encode_payload",
    "field",
    "is_live_update",
    "metadata_field",
    "pack_buffer",
    "pack_numbers",
    "pack_strings",
    "split_datagram",
    "swap_inplace",
    "unpack_strings",
    "value_range",
]

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
_EVENT_ADD = 1
_ECA_NORMAL = 1
# How many large payloads' memory a parser keeps for the next ones.
_SPARES = 2
_PROBE = [bytearray()]
_OURS = sys.getrefcount(_PROBE[0])
_NONE: dict[int, Any] = {}


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
        setattr(self, "_" + name, header_number(name, value, bits))

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
            self._data = decode_values(self)
        return self._data

    def _prefix(self, offset: int) -> bytes:
        # A small payload is shared, a large one is not kept alive by its metadata.
        return self._payload if isinstance(self._payload, bytes) else bytes(self._payload[:offset])

    def _get_metadata(self) -> Any:
        if self._metadata is None and 0 <= self._data_type <= LAST_DBR:
            layout = LAYOUTS[self._data_type]
            if layout.members:
                check_refused(self)
                if len(self._payload) < layout.value_offset:
                    raise complain.short_metadata(
                        type(self).__name__, layout.dbr, layout.value_offset, len(self._payload)
                    )
                self._metadata = State.metadata_class(layout.dbr, self._prefix(layout.value_offset))
        return self._metadata


class UpdateFrame(Frame):
    """What a server makes most of: a frame that is built from the fields of an update."""

    __slots__ = ()

    def __init__(
        self,
        data: Any,
        data_type: int,
        data_count: int | None,
        status: Any,
        subscriptionid: int,
        *,
        metadata: Any = None,
    ) -> None:
        if type(status) is not int:
            status = State.status_code(status)
        self._encode(_EVENT_ADD, data, data_type, data_count, status, subscriptionid, metadata, False)


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
    # What `Frame.__new__` does, with each slot written once.
    frame: Frame = object.__new__(cls)
    frame._command, _, frame._data_type, _, frame._parameter1, frame._parameter2 = fields
    frame._payload_size = size
    frame._data_count = count
    frame._extended = extended
    frame._native = frame._done = False
    frame._limit = 0
    frame._payload = b""
    frame._data = frame._metadata = frame.sender_address = None
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
    sinks : Sinks
        Where updates go, by subscription id; empty at first.
    touched : list
        Sinks that got something; each is there once until it is emptied.
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
        self._sinks = Sinks()
        self._touched: list[Any] = []
        self._delivered = False
        # Memory of the large payloads that came last.
        self._spare: list[bytearray] = []
        self.error: Exception | None = None

    @property
    def sinks(self) -> Sinks:
        return self._sinks

    @property
    def touched(self) -> list[Any]:
        return self._touched

    @touched.setter
    def touched(self, sinks: list[Any]) -> None:
        if not isinstance(sinks, list):
            raise complain.not_list("touched", sinks)
        self._touched = sinks

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
        self._delivered = False
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
        sinks = self._sinks._by_id if _EVENT_ADD in self._table.value_commands else _NONE
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
                if not out and not self._delivered:
                    raise self.error
                return pos
            if size > LARGE_PAYLOAD or size > self._limit:
                self._begin_large(fields, size, count, header == 24, out)
                return pos + header
            if end - pos < header + size:
                self._need = header + size
                return pos
            start, pos = pos + header, pos + header + size
            if sinks and fields[0] == _EVENT_ADD and fields[4] == _ECA_NORMAL:
                sink = sinks.get(fields[5])
                if sink is not None and sink._data_type == fields[2] and holds(fields[2], count, size):
                    if isinstance(sink, Columns):
                        sink._put(view[start:pos], count)
                    else:
                        frame = _frame(self._table, fields, size, count, header == 24)
                        frame._payload = bytes(view[start:pos])
                        sink._put_frame(frame)
                    self._note(sink)
                    continue
            frame = _frame(self._table, fields, size, count, header == 24)
            if size:
                frame._payload = bytes(view[start:pos])
            out.append(frame)

    def _note(self, sink: Any) -> None:
        self._delivered = True
        if sink._wake():
            self._touched.append(sink)

    def _finish(self, frame: Frame, out: list[Frame]) -> None:
        """A large payload is complete."""
        if frame._command == _EVENT_ADD in self._table.value_commands and frame._parameter1 == _ECA_NORMAL:
            sink = self._sinks._by_id.get(frame._parameter2)
            if (
                sink is not None
                and sink._data_type == frame._data_type
                and holds(frame._data_type, frame._data_count, frame._payload_size)
            ):
                sink._put_frame(frame)
                self._note(sink)
                return
        out.append(frame)

    def _begin_large(self, fields: tuple[int, ...], size: int, count: int, extended: bool, out: list[Frame]) -> None:
        self._need = 16
        frame = _frame(self._table, fields, size, count, extended)
        storage: Any = None
        if size <= self._limit and fields[0] in self._table.classes:
            try:
                # A bytearray is filled with zeros at once.  A map takes a page when something is written to it, so a
                # peer that claims 4 GB and sends nothing gets nothing.
                storage = self._recycled(size)
                if storage is None:
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

    def _recycled(self, size: int) -> bytearray | None:
        """The memory of an earlier payload that nobody uses any more; new memory is filled with zeros first."""
        for index in range(len(self._spare)):
            # Held by the list and by the call: not by a command, an array or a view.
            if len(self._spare[index]) == size and sys.getrefcount(self._spare[index]) == _OURS:
                return self._spare.pop(index)
        return None

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
            self._big, self._big_view = None, memoryview(b"")
            if isinstance(frame._payload, bytearray):
                self._spare.append(frame._payload)
                del self._spare[:-_SPARES]
            self._finish(frame, out)


def is_live_update(subscriptions: dict[int, Any], frame: Frame) -> bool:
    """Mark `frame` as processed; whether it is an update, not empty, of a subscription of the same type."""
    found = subscriptions.get(frame._parameter2)
    frame._done = True
    return found is not None and frame._payload_size != 0 and bool(found._data_type == frame._data_type)
