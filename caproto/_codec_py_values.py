"""Values and metadata between bytes and Python, in plain Python: the half of the plain codec that knows no messages.

What takes a frame reads its header fields and its payload.
"""

from __future__ import annotations

import array
import operator
import struct
import sys
from typing import Any

from . import _complaints as complain
from ._errors import CaprotoValueError
from ._layout import DOUBLE, EPICS_EPOCH_SECONDS, FLOAT, LAST_DBR, LAYOUTS, NATIVES, STRING

_SWAP = sys.byteorder == "little"
_STAMP = struct.Struct(">hhII")
# FLOAT elements beyond this round to infinity in 32 bits.
_FLOAT_LIMIT = 3.4028235677973366e38
KINDS = "shfHBid"


class State:
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
    structures: tuple[Any, ...] = ()
    stamp_class: Any = None
    status_code: Any = None


def configure(**settings: Any) -> None:
    """Tell the codec which classes to build results from (see ``_codec.pyi``)."""
    for name, value in settings.items():
        setattr(State, name, value)


def header_number(name: str, value: Any, bits: int) -> int:
    """`value` as an unsigned integer of so many bits."""
    try:
        number = operator.index(value)
    except (TypeError, ValueError, OverflowError):
        raise complain.field_range(name, value, bits) from None
    if not 0 <= number < 1 << bits:
        raise complain.field_range(name, value, bits)
    return number


def value_range(dbr: int, count: int, size: int) -> tuple[int, int]:
    """Start and stop, in bytes, of the whole elements that a payload of `size` bytes holds."""
    layout = LAYOUTS[dbr]
    whole = max(0, size - layout.value_offset) // layout.item_size
    return layout.value_offset, layout.value_offset + min(count, whole) * layout.item_size


def check_refused(frame: Any) -> None:
    if frame._limit:
        raise complain.refused_payload(type(frame).__name__, frame._payload_size, frame._limit)


def decode_values(frame: Any) -> Any:
    dbr, count, payload = frame._data_type, frame._data_count, frame._payload
    name = type(frame).__name__
    if dbr > LAST_DBR:
        raise complain.unknown_type(name, dbr)
    check_refused(frame)
    layout = LAYOUTS[dbr]
    offset, size, available = layout.value_offset, layout.item_size, len(payload)
    if layout.native == STRING:
        # The last string may be cut at its NUL: the missing tail counts as zeros.
        needed = offset + (count - 1) * size + 1 if count else 0
        if available < needed:
            raise complain.short_payload(name, dbr, count, offset + count * size, available)
        return State.strings(unpack_strings(payload, offset, count))
    needed = offset + count * size
    if count and available < needed:
        raise complain.short_payload(name, dbr, count, needed, available)
    if State.mode == "unset":
        State.ensure_backend()
    if State.mode == "custom":
        wire = bytes(memoryview(frame._wire_payload())[offset:needed])
        return State.convert(wire, dbr, count)
    return native_array(payload, layout.native, offset, count, frame._native)


def native_array(payload: Any, native: int, offset: int, count: int, swapped: bool) -> Any:
    size = NATIVES[native].size
    if State.mode == "numpy":
        if not count:
            return State.numpy.empty(0, State.dtypes[native])
        if swapped:
            return State.numpy.frombuffer(payload, State.dtypes[native], count, offset)
        wire = State.numpy.frombuffer(payload, State.dtypes[native].newbyteorder(">"), count, offset)
        return wire.astype(State.dtypes[native])
    values = State.array_class(KINDS[native])
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
        return State.statuses[number] if 0 <= number < len(State.statuses) else number

    @property
    def severity(self) -> Any:
        number = int.from_bytes(self._raw[2:4], "big", signed=True)
        return State.severities[number] if 0 <= number < len(State.severities) else number

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


def swap_inplace(buffer: Any, itemsize: int) -> None:
    """Reverse the bytes of every element of a writable buffer (a no-op on a big-endian machine)."""
    view = memoryview(buffer).cast("B")
    _check_swap(len(view), itemsize)
    if itemsize == 1 or not _SWAP or not len(view):
        return
    if State.numpy is not None:
        State.numpy.frombuffer(view, f"u{itemsize}").byteswap(inplace=True)
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
    encoded: tuple[bytes, int] = State.encode(name, dbr, data_count, data, metadata, trim)
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
