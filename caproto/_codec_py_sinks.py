"""Where the plain codec's parser leaves updates for their subscriptions: as commands, or as rows for columns."""

from __future__ import annotations

import array
import operator
import struct
from collections.abc import Iterator
from typing import Any

from . import _complaints as complain
from ._codec_py_values import KINDS, State, check_refused, decode_values, header_number, swap_inplace, unpack_strings
from ._layout import EPICS_EPOCH_SECONDS, LAST_DBR, LAYOUTS, STRING

# A frame with more payload than this is kept whole.
_LARGE = 16384
# What a run of rows is counted with beside its rows: about what its arrays cost when they are made.
_RUN_BYTES = 64
_NANOSECONDS = 1_000_000_000


def holds(dbr: int, count: int, size: int) -> bool:
    """Whether a payload of `size` bytes holds the metadata and all of the elements."""
    if dbr > LAST_DBR:
        return False
    layout = LAYOUTS[dbr]
    if layout.native == STRING and count:
        # The last string may be cut at its NUL.
        return size >= layout.value_offset + (count - 1) * layout.item_size + 1
    return size >= layout.value_offset + count * layout.item_size


class Sink:
    """What both kinds of sink share."""

    __slots__ = ("_data_type", "waiting")

    _data_type: int
    waiting: bool

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = object.__new__(cls)
        self._data_type = 0
        self.waiting = False
        self._settle()
        return self

    def __init__(self, data_type: int) -> None:
        dbr = header_number("data_type", data_type, 16)
        if dbr > LAST_DBR:
            raise complain.unknown_type(type(self).__name__, dbr)
        self._data_type = dbr
        self._settle()

    def _settle(self) -> None:
        raise NotImplementedError

    @property
    def data_type(self) -> int:
        return self._data_type

    def _wake(self) -> bool:
        asleep = not self.waiting
        self.waiting = True
        return asleep


class Inbox(Sink):
    """The updates of one subscription that nobody has looked at yet, as commands in order."""

    __slots__ = ("_items",)

    _items: list[Any]

    def _settle(self) -> None:
        self._items = []

    @property
    def items(self) -> list[Any]:
        return self._items

    def _put_frame(self, frame: Any) -> None:
        frame._done = True
        self._items.append(frame)

    def push(self, frame: Any) -> bool:
        """Add an update that did not come through the parser; True if nothing was waiting before."""
        self._put_frame(frame)
        return self._wake()

    def __len__(self) -> int:
        return len(self._items)

    def take(self) -> list[Any]:
        """The updates, oldest first; nothing waits any more."""
        items, self._items = self._items, []
        self.waiting = False
        return items

    def trim(self, keep: int) -> int:
        """Drop the oldest updates so that at most `keep` stay; returns how many were dropped."""
        excess = max(0, len(self._items) - max(0, operator.index(keep)))
        del self._items[:excess]
        return excess


class Columns(Sink):
    """The updates of one subscription that nobody has looked at yet, kept as raw rows and decoded together."""

    __slots__ = ("_rows", "_runs", "_large", "_large_bytes", "_length")

    _rows: bytearray
    # [data_count, rows, whether it is a large payload], oldest first.
    _runs: list[list[Any]]
    _large: list[Any]
    _large_bytes: int
    _length: int

    def _settle(self) -> None:
        self._rows, self._runs, self._large = bytearray(), [], []
        self._large_bytes = self._length = 0

    def _count(self, count: int, large: bool) -> None:
        if self._runs and not large and self._runs[-1][0] == count and not self._runs[-1][2]:
            self._runs[-1][1] += 1
        else:
            self._runs.append([count, 1, large])
        self._length += 1

    def _put(self, payload: Any, count: int) -> None:
        stride = _stride(self._data_type, count)
        short = stride - len(payload)
        self._rows += payload[:stride]
        if short > 0:
            self._rows += bytes(short)
        self._count(count, False)

    def _put_frame(self, frame: Any) -> None:
        if len(frame._payload) <= _LARGE:
            self._put(bytes(frame._payload), frame._data_count)
            return
        self._large.append(frame)
        self._large_bytes += frame._payload_size
        self._count(frame._data_count, True)

    def push(self, frame: Any) -> bool:
        """Add an update that did not come through the parser; True if nothing was waiting before."""
        check_refused(frame)
        name, dbr, count, size = type(frame).__name__, frame._data_type, frame._data_count, len(frame._payload)
        if dbr != self._data_type:
            raise complain.other_type(name, dbr, self._data_type)
        if not holds(dbr, count, size):
            raise complain.short_payload(name, dbr, count, _stride(dbr, count), size)
        self._put_frame(frame)
        return self._wake()

    @property
    def nbytes(self) -> int:
        """Bytes of what waits: rows, large payloads, and 64 for each run."""
        return len(self._rows) + self._large_bytes + _RUN_BYTES * len(self._runs)

    def __len__(self) -> int:
        return self._length

    def take(self) -> list[tuple[Any, ...]]:
        """What waits, as one tuple of columns for each run of updates with the same data_count, oldest first."""
        rows, runs, large, dbr = self._rows, self._runs, iter(self._large), self._data_type
        self._settle()
        self.waiting = False
        if State.mode == "unset":
            State.ensure_backend()
        out, at = [], 0
        for count, number, is_large in runs:
            if is_large:
                out.append(_large_run(next(large), count))
                continue
            size = number * _stride(dbr, count)
            out.append(_row_run(dbr, rows[at : at + size], number, count))
            at += size
        return out

    def trim(self, keep: int) -> int:
        """Drop the oldest updates so that at most `keep` stay; returns how many were dropped."""
        left = excess = max(0, self._length - max(0, operator.index(keep)))
        gone = larges = start = 0
        while left:
            run = self._runs[gone]
            number = min(left, run[1])
            if run[2]:
                self._large_bytes -= self._large[larges]._payload_size
                larges += 1
            else:
                start += number * _stride(self._data_type, run[0])
            run[1] -= number
            left -= number
            gone += not run[1]
        del self._runs[:gone], self._large[:larges], self._rows[:start]
        self._length -= excess
        return excess


def _stride(dbr: int, count: int) -> int:
    layout = LAYOUTS[dbr]
    return layout.value_offset + count * layout.item_size


def _row_run(dbr: int, rows: bytearray, number: int, count: int) -> tuple[Any, ...]:
    layout, stride = LAYOUTS[dbr], _stride(dbr, count)
    offset = layout.value_offset
    starts = range(offset, offset + number * stride, stride) if stride else [0] * number
    values: Any
    if layout.native == STRING:
        values = [text for start in starts for text in unpack_strings(rows[start : start + 40 * count], 0, count)]
        if State.mode == "numpy":
            values = State.numpy.array(values, "S40")
            values = values if count == 1 else values.reshape(number, count)
    elif State.mode == "custom":
        values = [State.convert(bytes(rows[start : start - offset + stride]), dbr, count) for start in starts]
    elif State.mode == "numpy":
        values = _ndarray_rows(layout, rows, number, stride, count)
    else:
        flat = bytearray().join(rows[start : start - offset + stride] for start in starts)
        swap_inplace(flat, layout.item_size)
        values = State.array_class(KINDS[layout.native])
        values.frombytes(flat)
    return (count, values, *_alarm_columns(dbr, rows, number, stride))


def _ndarray_rows(layout: Any, rows: bytearray, number: int, stride: int, count: int) -> Any:
    numpy, dtype = State.numpy, State.dtypes[layout.native]
    shape = (number,) if count == 1 else (number, count)
    if not count:
        return numpy.empty(shape, dtype)
    strides = (stride,) if count == 1 else (stride, layout.item_size)
    wire = numpy.ndarray(shape, dtype.newbyteorder(">"), rows, layout.value_offset, strides)
    return wire.astype(dtype, order="C")


def _large_run(frame: Any, count: int) -> tuple[Any, ...]:
    layout = LAYOUTS[frame._data_type]
    head = bytes(memoryview(frame._payload)[: layout.value_offset])
    values = decode_values(frame)
    if layout.native == STRING:
        values = list(values)
        if State.mode == "numpy":
            values = State.numpy.array(values, "S40")
    elif State.mode == "custom":
        values = [values]
    if State.mode == "numpy" and count != 1:
        values = values.reshape(1, count)
    return (count, values, *_alarm_columns(frame._data_type, head, 1, len(head)))


def _alarm_columns(dbr: int, rows: Any, number: int, stride: int) -> tuple[Any, Any, Any]:
    """Time stamps, severity and status of the rows; None for what the type lacks."""
    if not LAYOUTS[dbr].members:
        return None, None, None
    stamps: Any = None
    status, severity = (_column("h", rows, at, number, stride) for at in (0, 2))
    if 14 <= dbr <= 20:
        seconds, nanoseconds = (_column("I", rows, at, number, stride) for at in (4, 8))
        if State.mode == "numpy":
            stamps = (seconds.astype("i8") + EPICS_EPOCH_SECONDS) * _NANOSECONDS + nanoseconds
        else:
            pairs = zip(seconds, nanoseconds, strict=True)
            stamps = array.array("q", [(s + EPICS_EPOCH_SECONDS) * _NANOSECONDS + n for s, n in pairs])
    return stamps, severity, status


def _column(letter: str, rows: Any, offset: int, number: int, stride: int) -> Any:
    """One member of every row."""
    if State.mode == "numpy":
        code = {"h": "i2", "I": "u4"}[letter]
        return State.numpy.ndarray((number,), ">" + code, rows, offset, (stride,)).astype(code)
    member = struct.Struct(">" + letter)
    return array.array(letter, [member.unpack_from(rows, offset + row * stride)[0] for row in range(number)])


class Sinks:
    """Sinks by subscription id."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: dict[int, Any] = {}

    def __setitem__(self, number: int, sink: Any) -> None:
        index = header_number("parameter2", number, 32)
        if not isinstance(sink, Sink):
            raise complain.not_sink(sink)
        self._by_id[index] = sink

    def __getitem__(self, number: int) -> Any:
        return self._by_id[number]

    def get(self, number: int, default: Any = None) -> Any:
        return self._by_id.get(number, default)

    def __delitem__(self, number: int) -> None:
        if self.pop(number) is None:
            raise KeyError(number)

    def pop(self, number: int, default: Any = None) -> Any:
        """Take a sink out and return it; `default` if there is none.  The parser finds it no more."""
        return self._by_id.pop(header_number("parameter2", number, 32), default)

    def __contains__(self, number: object) -> bool:
        return number in self._by_id

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)
