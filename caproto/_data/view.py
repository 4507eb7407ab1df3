"""What clients see of channel data: encoded once for each type and count, kept until the value changes.

A view is the data as it stands, as a long string, or through a filter that changes what is told.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from .._convert import encode_values
from .._enums import ChannelType
from .._errors import CaprotoConversionError
from .._filters import ArrayFilter, apply_arr_filter
from .._layout import CHAR, DOUBLE, FLOAT, INT, LAYOUTS, NATIVES
from .alarm import ACKNOWLEDGING
from .clock import epics_now
from .conversion import MAX_TEXT, numbers_to
from .stamp import Stamp

if TYPE_CHECKING:
    from .base import ChannelData

__all__ = ["Encoded", "View", "ViewKey", "header", "nothing"]

_NORMAL = 1
_READ_NOTIFY = 15
_UPDATE = b"\0\1"  # the command EVENT_ADD
_CLASS_NAME = int(ChannelType.CLASS_NAME)
_STS_STRING = int(ChannelType.STS_STRING)  # the first type with metadata
_HEADER = struct.Struct(">HHHHI")
_LARGE = struct.Struct(">II")
_PREFIXES = tuple(struct.Struct(layout.prefix_format) for layout in LAYOUTS)
_MEMBERS = tuple(tuple(member.name for member in layout.members) for layout in LAYOUTS)
#: Values kept encoded by one view, and how many of these are large; clients use one or two.
CACHED, LARGE_CACHED = 8, 2
#: Digits of a time stamp as text, where the PV has no precision of its own.
DIGITS = 3
#: Bytes that may always be asked for, however short the value is.
SMALL = 65536


class Encoded(NamedTuple):
    """A value on the wire, but for the number at the end of the short header.

    ``reply + number + rest`` is a READ_NOTIFY, ``update + number + rest`` an EVENT_ADD; `size` is their length.
    """

    reply: bytes
    update: bytes
    rest: Any
    size: int


class ViewKey(NamedTuple):
    """Which view.

    Attributes
    ----------
    arr : ArrayFilter or None
        The elements that are told.
    long_string : bool
        Whether a text comes as CHAR.
    now : bool
        Whether the time stamp is the time of sending.
    stamp : Stamp or None
        How the time stamp is told instead of the value.
    """

    arr: ArrayFilter | None = None
    long_string: bool = False
    now: bool = False
    stamp: Stamp | None = None

    @property
    def lasting(self) -> bool:
        """Whether the view lives as long as its data and keeps what it encodes.

        Clients make up filters without end, so that views through them are gone with their last channel.
        """
        return self.arr is None and self.stamp is None and not self.now


def header(command: int, size: int, data_type: int, count: int, first: int) -> tuple[bytes, bytes]:
    """Return what stands in front of and behind the second parameter of a header (section 2)."""
    if size >= 0xFFFF - 7 or count >= 0xFFFF:
        return _HEADER.pack(command, 0xFFFF, data_type, 0, first), _LARGE.pack(size, count)
    return _HEADER.pack(command, size, data_type, count, first), b""


class View:
    """One way to look at channel data.

    Parameters
    ----------
    data : ChannelData
    key : ViewKey

    Attributes
    ----------
    cache : dict
        :class:`Encoded` by ``data_count << 6 | data_type``; empty after every change, always if not `key.lasting`.
    """

    __slots__ = ("__weakref__", "cache", "data", "key")

    def __init__(self, data: ChannelData, key: ViewKey) -> None:
        self.data = data
        self.key = key
        self.cache: dict[int, Encoded] = {}

    @property
    def native_type(self) -> int:
        """The type a client is told."""
        if self.key.stamp is not None:
            return self.key.stamp.native_type
        return CHAR if self.key.long_string else int(self.data.data_type)

    @property
    def native_count(self) -> int:
        """The largest number of elements a client is told."""
        data = self.data
        count: int = data._long_string_size() if self.key.long_string else data.max_length
        if self.key.stamp is not None:
            count = self.key.stamp.native_count
        if self.key.arr is None or count == 1:
            return count
        return len(apply_arr_filter(self.key.arr, range(count)))

    def allowed(self, data_type: int, count: int) -> bool:
        """Return whether an answer of `count` elements is within reason: a little more than there can be."""
        return count * LAYOUTS[data_type].item_size <= max(SMALL, self.native_count * LAYOUTS[data_type].item_size)

    def encoded(self, data_type: int, count: int) -> Encoded:
        """Return the present value as `count` elements of a DBR type; 0 is as many as there are.

        Missing elements are zeros (section 4.7).

        Raises
        ------
        CaprotoValueError
            If the value cannot be told as this type.
        """
        key = count << 6 | data_type
        found = self.cache.get(key)
        if found is None:
            found = self.encode(data_type, count, *self.content(data_type, count))
            if self.key.lasting:
                if len(self.cache) >= (CACHED if found.size <= SMALL else LARGE_CACHED):
                    self.cache.clear()
                self.cache[key] = found
        return found

    def content(self, data_type: int, count: int = 0) -> tuple[bytes, Any]:
        """Return the metadata, in wire order, and the elements of the present value as a DBR type.

        Elements beyond `count`, unless that is 0, need not be among them: they are not even converted.
        """
        data = self.data
        if data_type in ACKNOWLEDGING:
            raise CaprotoConversionError(f"{ChannelType(data_type).name} is for writing only")
        if data_type == _CLASS_NAME:
            return b"", [data.reported_record_type.encode("latin-1", "replace")[:MAX_TEXT]]
        native = LAYOUTS[data_type].native
        stamp = epics_now() if self.key.now else data._stamp
        if self.key.stamp is not None:
            precision = getattr(data, "precision", DIGITS)
            values = self.key.stamp.elements_as(native, stamp, precision)
        else:
            stop = count if count and self.key.arr is None else None
            values = data._long_string_as(native) if self.key.long_string else data._elements_as(native, stop)
        return prefix_of(data, data_type, stamp), values

    def encode(self, data_type: int, count: int, prefix: bytes, values: Any) -> Encoded:
        """Return metadata and elements encoded; see :meth:`encoded`."""
        layout = LAYOUTS[data_type]
        arr = self.key.arr
        if arr is not None and len(values) > 1:
            values = apply_arr_filter(arr, values)
        told = len(values)
        if 0 < count < told:
            values = values[:count]
            told = count
        wanted = max(count, told)
        whole = layout.value_offset + wanted * layout.item_size
        reply, extension = header(_READ_NOTIFY, whole + -whole % 8, data_type, wanted, _NORMAL)
        # The end of an extended header is encoded together with the payload: a large one is not copied once more.
        rest, _ = encode_values(layout.native, values, extension + prefix)
        if wanted > told:
            end = len(extension) + layout.value_offset + told * layout.item_size
            rest = bytes(rest[:end]).ljust(len(extension) + whole + -whole % 8, b"\0")
        return Encoded(reply, _UPDATE + reply[2:], rest, 16 + len(rest))

    def zeros(self, data_type: int, count: int, status: int) -> Encoded:
        """Return what a failed request is answered with: all zeros, of full size (section 3.5)."""
        layout = LAYOUTS[data_type]
        size = layout.value_offset + count * layout.item_size
        size += -size % 8
        return _failed(size, data_type, count, status)


def nothing(data_type: int, status: int) -> Encoded:
    """Return what a failed request for a type or a count that makes no sense is answered with: no payload."""
    return _failed(0, data_type, 0, status)


def _failed(size: int, data_type: int, count: int, status: int) -> Encoded:
    reply, extension = header(_READ_NOTIFY, size, data_type, count, status)
    return Encoded(reply, _UPDATE + reply[2:], extension + bytes(size), 16 + len(extension) + size)


def prefix_of(data: ChannelData, data_type: int, stamp: tuple[int, int]) -> bytes:
    """Return the metadata of a DBR type in wire order (section 4.3)."""
    if data_type < _STS_STRING:
        return b""
    names = _MEMBERS[data_type]
    status, severity = data._alarm_state()
    if len(names) == 2:
        return _PREFIXES[data_type].pack(status, severity)
    if names[2] == "secondsSinceEpoch":
        return _PREFIXES[data_type].pack(status, severity, *stamp)
    native = LAYOUTS[data_type].native
    members = [_member(data, name, native) for name in names[2:]]
    return _PREFIXES[data_type].pack(status, severity, *members)


def _member(data: ChannelData, name: str, native: int) -> Any:
    value = data._metadata_member(name)
    if name.endswith("_limit"):
        return _within(native, value)
    return _within(INT, value) if name == "precision" else value


def _within(native: int, value: Any) -> Any:
    """A number as the nearest one of a native type."""
    if native == FLOAT:
        return numbers_to(FLOAT, (value,))[0]
    if native == DOUBLE:
        return value
    low, high = NATIVES[native].low, NATIVES[native].high
    return int(min(max(value, low), high)) if value == value else 0
