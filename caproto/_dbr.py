"""DBR structures (protocol section 4): time stamps, metadata and one ctypes class per DBR type.

Received metadata is a light :class:`Metadata` that decodes a member when it is asked for; ``isinstance`` takes it for
the ctypes class of its type, which is what people build themselves and what documents the layout.
"""

from __future__ import annotations

import ctypes
import datetime
import math
import operator
import time
from collections import UserList
from typing import TYPE_CHECKING, Any, ClassVar

from ._constants import STR_ENC
from ._enums import (
    AlarmSeverity,
    AlarmStatus,
    ChannelType,
    char_types,
    control_types,
    enum_types,
    field_types,
    float_types,
    graphical_types,
    int_types,
    native_float_types,
    native_int_types,
    native_type,
    native_types,
    status_types,
    string_types,
    time_types,
)
from ._errors import CaprotoTypeError, CaprotoValueError
from ._layout import (
    EPICS_EPOCH_SECONDS,
    LAYOUTS,
    MAX_ENUM_STATES,
    MAX_ENUM_STRING_SIZE,
    MAX_STRING_SIZE,
    MAX_UNITS_SIZE,
)
from ._wire import codec

__all__ = [
    "DBR_CHAR",
    "DBR_CLASS_NAME",
    "DBR_CTRL_CHAR",
    "DBR_CTRL_DOUBLE",
    "DBR_CTRL_ENUM",
    "DBR_CTRL_FLOAT",
    "DBR_CTRL_INT",
    "DBR_CTRL_LONG",
    "DBR_CTRL_STRING",
    "DBR_DOUBLE",
    "DBR_ENUM",
    "DBR_FLOAT",
    "DBR_GR_CHAR",
    "DBR_GR_DOUBLE",
    "DBR_GR_ENUM",
    "DBR_GR_FLOAT",
    "DBR_GR_INT",
    "DBR_GR_LONG",
    "DBR_GR_STRING",
    "DBR_INT",
    "DBR_LONG",
    "DBR_PUT_ACKS",
    "DBR_PUT_ACKT",
    "DBR_STRING",
    "DBR_STSACK_STRING",
    "DBR_STS_CHAR",
    "DBR_STS_DOUBLE",
    "DBR_STS_ENUM",
    "DBR_STS_FLOAT",
    "DBR_STS_INT",
    "DBR_STS_LONG",
    "DBR_STS_STRING",
    "DBR_TIME_CHAR",
    "DBR_TIME_DOUBLE",
    "DBR_TIME_ENUM",
    "DBR_TIME_FLOAT",
    "DBR_TIME_INT",
    "DBR_TIME_LONG",
    "DBR_TIME_STRING",
    "DBR_TYPES",
    "MAX_ENUM_STATES",
    "MAX_ENUM_STRING_SIZE",
    "MAX_STRING_SIZE",
    "MAX_UNITS_SIZE",
    "AlarmSeverity",
    "AlarmStatus",
    "ChannelType",
    "DbrStringArray",
    "DbrTypeBase",
    "Metadata",
    "TimeStamp",
    "char_types",
    "control_types",
    "enum_types",
    "epics_timestamp_to_unix",
    "field_types",
    "float_types",
    "graphical_types",
    "int_types",
    "native_float_types",
    "native_int_types",
    "native_type",
    "native_types",
    "status_types",
    "string_types",
    "time_types",
    "timestamp_to_epics",
]

_NANOSECONDS = 1_000_000_000


def epics_timestamp_to_unix(seconds_since_epoch: int, nano_seconds: int) -> float:
    """Seconds since the Unix epoch of an EPICS time stamp (section 4.4)."""
    return float(seconds_since_epoch + EPICS_EPOCH_SECONDS) + nano_seconds * 1e-9


def _split_unix(timestamp: float | datetime.datetime) -> tuple[int, int]:
    if isinstance(timestamp, datetime.datetime):
        whole = int(timestamp.replace(microsecond=0).timestamp())
        nanoseconds = timestamp.microsecond * 1000
    else:
        if not math.isfinite(timestamp):
            raise CaprotoValueError(f"timestamp {timestamp!r} is not a time")
        if not -1e18 < timestamp < 1e18:
            raise CaprotoValueError(f"timestamp {timestamp!r} is not a number of seconds")
        whole = int(timestamp // 1)
        nanoseconds = round((timestamp - whole) * 1e9)
        if nanoseconds >= _NANOSECONDS:
            whole, nanoseconds = whole + 1, nanoseconds - _NANOSECONDS
    seconds = whole - EPICS_EPOCH_SECONDS
    if not 0 <= seconds < 1 << 32:
        raise CaprotoValueError(f"timestamp {timestamp!r} cannot be told in seconds since 1990 with 32 bits")
    return seconds, nanoseconds


def timestamp_to_epics(ts: float | datetime.datetime) -> tuple[int, int]:
    """(seconds since 1990, nanoseconds) of a Unix time stamp or a datetime."""
    return _split_unix(ts)


class DbrTypeBase(ctypes.BigEndianStructure):
    """Base of the ctypes classes: packed, big-endian."""

    DBR_ID: ClassVar[int | None] = None
    info_fields: ClassVar[tuple[str, ...]] = ()
    _pack_ = 1

    def to_dict(self, *, use_fields: tuple[str, ...] | None = None) -> dict[str, Any]:
        """The members, or those named, by name."""
        return {name: getattr(self, name) for name in use_fields or self.info_fields}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"


class TimeStamp(DbrTypeBase):
    """An EPICS time stamp: seconds since 1990-01-01 UTC and nanoseconds, both unsigned 32-bit (section 4.4)."""

    _fields_ = [("secondsSinceEpoch", ctypes.c_uint32), ("nanoSeconds", ctypes.c_uint32)]
    info_fields = ("timestamp",)

    @property
    def timestamp(self) -> float:
        """Seconds since the Unix epoch."""
        return epics_timestamp_to_unix(self.secondsSinceEpoch, self.nanoSeconds)

    @classmethod
    def from_unix_timestamp(cls, timestamp: float) -> TimeStamp:
        return cls(*_split_unix(timestamp))

    @classmethod
    def now(cls) -> TimeStamp:
        seconds, nanoseconds = divmod(time.time_ns(), _NANOSECONDS)
        return cls(seconds - EPICS_EPOCH_SECONDS, nanoseconds)

    @classmethod
    def from_flexible_value(cls, timestamp: Any) -> TimeStamp:
        """From a TimeStamp, a Unix time, a datetime, or a (seconds since 1990, nanoseconds) pair."""
        if isinstance(timestamp, TimeStamp):
            return timestamp
        if isinstance(timestamp, (int, float, datetime.datetime)):
            return cls(*_split_unix(timestamp))
        if hasattr(timestamp, "__float__") and getattr(timestamp, "ndim", 0) == 0:  # numbers of numpy, for instance
            return cls(*_split_unix(float(timestamp)))
        try:
            seconds, nanoseconds = timestamp
            return cls(operator.index(seconds), operator.index(nanoseconds))
        except (TypeError, ValueError) as error:
            raise CaprotoTypeError(f"{timestamp!r} is not a time stamp") from error

    def as_datetime(self) -> datetime.datetime:
        """An aware datetime in UTC; microseconds, truncated."""
        epoch = datetime.datetime(1990, 1, 1, tzinfo=datetime.timezone.utc)
        return epoch + datetime.timedelta(seconds=self.secondsSinceEpoch, microseconds=self.nanoSeconds // 1000)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimeStamp) and bytes(self) == bytes(other)

    __hash__ = None  # type: ignore[assignment]


class DbrStringArray(UserList):  # type: ignore[type-arg]
    """A list of byte strings, as DBR_STRING elements."""

    @classmethod
    def frombuffer(cls, buf: Any, data_count: int | None = None) -> DbrStringArray:
        """From 40-byte cells; a short last cell counts as filled with zeros."""
        count = -(-memoryview(buf).nbytes // MAX_STRING_SIZE) if data_count is None else data_count
        return cls(codec.unpack_strings(buf, 0, count))

    def tobytes(self) -> bytes:
        """40-byte cells."""
        from ._convert import as_strings

        packed: bytes = codec.pack_strings(b"", as_strings(self.data), False)
        return packed[: MAX_STRING_SIZE * len(self.data)]


def _text(raw: bytes) -> bytes:
    return raw.split(b"\0", 1)[0]


def _enum_strings(count: int, raw: bytes) -> tuple[bytes, ...]:
    size = MAX_ENUM_STRING_SIZE
    return tuple(_text(raw[at * size : (at + 1) * size]) for at in range(max(0, min(count, MAX_ENUM_STATES))))


class Metadata(codec.MetadataBase):
    """What stands in front of a received value: alarm, time, units, limits (section 4.3).

    Members are attributes, as numbers or bytes; ``status`` and ``severity`` are enum members where the number is
    known.  ``timestamp`` is in seconds since the Unix epoch, ``stamp`` keeps every digit.  Immutable; owns its bytes.
    """

    __slots__ = ()

    @property
    def __class__(self) -> Any:
        return DBR_TYPES[self._dbr]

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise CaprotoTypeError("metadata keeps its class")

    @property
    def DBR_ID(self) -> int:
        dbr: int = self._dbr
        return dbr

    @property
    def info_fields(self) -> tuple[str, ...]:
        return DBR_TYPES[self._dbr].info_fields

    @property
    def stamp(self) -> TimeStamp:
        """The time stamp as seconds since 1990 and nanoseconds."""
        return TimeStamp(self.secondsSinceEpoch, self.nanoSeconds)

    @property
    def enum_strings(self) -> tuple[bytes, ...]:
        """The state strings, at most 16."""
        return _enum_strings(self._read("no_str"), self._read("strs"))

    if TYPE_CHECKING:
        # In truth a property for each member, below: a `__getattr__` would slow down all of them.
        def __getattr__(self, name: str) -> Any: ...

    def to_dict(self) -> dict[str, Any]:
        """The members by name."""
        return {name: getattr(self, name) for name in self.info_fields}

    def __bytes__(self) -> bytes:
        return bytes(self._raw[: LAYOUTS[self._dbr].value_offset])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DBR_TYPES[self._dbr]) and bool(other.to_dict() == self.to_dict())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"DBR_{LAYOUTS[self._dbr].name}({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"


def _member(name: str) -> property:
    if name == "units":
        return property(lambda self: _text(self._read(name)))
    return property(lambda self: self._read(name))


for _name in sorted({member.name for layout in LAYOUTS for member in layout.members}):
    if not hasattr(Metadata, _name):
        setattr(Metadata, _name, _member(_name))


def _set_strings(self: Any, strings: Any) -> None:
    if len(strings) > MAX_ENUM_STATES:
        raise CaprotoValueError(f"{len(strings)} enum_strings, there is room for {MAX_ENUM_STATES}")
    self.no_str = len(strings)
    for index, text in enumerate(strings):
        raw = text.encode(STR_ENC) if isinstance(text, str) else bytes(text)
        if len(raw) > MAX_ENUM_STRING_SIZE:
            raise CaprotoValueError(f"enum_strings[{index}]={text!r} is longer than {MAX_ENUM_STRING_SIZE} bytes")
        self.strs[index].value = raw


_CTYPES: dict[str, Any] = {
    "h": ctypes.c_int16,
    "H": ctypes.c_uint16,
    "I": ctypes.c_uint32,
    "i": ctypes.c_int32,
    "B": ctypes.c_uint8,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}


def _make(layout: Any) -> type[DbrTypeBase]:
    """The ctypes class of one DBR type: what stands in front of the value, padding included."""
    fields: list[tuple[str, Any]] = []
    end = 0

    def pad(to: int) -> None:
        nonlocal end
        if to > end:
            fields.append((f"pad_{end}", ctypes.c_uint8 * (to - end)))
            end = to

    names = []
    for member in layout.members:
        pad(member.offset)
        if member.name == "secondsSinceEpoch":
            fields.append(("stamp", TimeStamp))
            names.append("timestamp")
            end += 8
        elif member.name != "nanoSeconds":
            text = member.format.endswith("s")
            size = int(member.format[:-1]) if text else 0
            kind = (ctypes.c_char * size) if text else _CTYPES[member.format]
            if member.name == "strs":
                kind = (ctypes.c_char * MAX_ENUM_STRING_SIZE) * MAX_ENUM_STATES
            fields.append((member.name, kind))
            end += ctypes.sizeof(kind)
            if member.name not in ("no_str", "strs"):
                names.append(member.name)
    pad(layout.value_offset)
    body: dict[str, Any] = {
        "_fields_": fields,
        "_pack_": 1,
        "DBR_ID": layout.dbr,
        "info_fields": tuple(names),
        "__doc__": f"Metadata of DBR_{layout.name} (DBR id {layout.dbr}), {layout.value_offset} bytes.",
    }
    if "timestamp" in names:
        body["timestamp"] = property(lambda self: self.stamp.timestamp)
        body["secondsSinceEpoch"] = property(lambda self: self.stamp.secondsSinceEpoch)
        body["nanoSeconds"] = property(lambda self: self.stamp.nanoSeconds)
    if any(member.name == "strs" for member in layout.members):
        start = 6
        body["enum_strings"] = property(lambda self: _enum_strings(self.no_str, bytes(self)[start:422]), _set_strings)
        body["info_fields"] = (*names, "enum_strings")
    return type(f"DBR_{layout.name}", (DbrTypeBase,), body)


#: The ctypes class of every DBR type, by :class:`ChannelType`.
DBR_TYPES: dict[int, type[DbrTypeBase]] = {ChannelType(layout.dbr): _make(layout) for layout in LAYOUTS}
DBR_STRING = DBR_TYPES[ChannelType.STRING]
DBR_INT = DBR_TYPES[ChannelType.INT]
DBR_FLOAT = DBR_TYPES[ChannelType.FLOAT]
DBR_ENUM = DBR_TYPES[ChannelType.ENUM]
DBR_CHAR = DBR_TYPES[ChannelType.CHAR]
DBR_LONG = DBR_TYPES[ChannelType.LONG]
DBR_DOUBLE = DBR_TYPES[ChannelType.DOUBLE]
DBR_STS_STRING = DBR_TYPES[ChannelType.STS_STRING]
DBR_STS_INT = DBR_TYPES[ChannelType.STS_INT]
DBR_STS_FLOAT = DBR_TYPES[ChannelType.STS_FLOAT]
DBR_STS_ENUM = DBR_TYPES[ChannelType.STS_ENUM]
DBR_STS_CHAR = DBR_TYPES[ChannelType.STS_CHAR]
DBR_STS_LONG = DBR_TYPES[ChannelType.STS_LONG]
DBR_STS_DOUBLE = DBR_TYPES[ChannelType.STS_DOUBLE]
DBR_TIME_STRING = DBR_TYPES[ChannelType.TIME_STRING]
DBR_TIME_INT = DBR_TYPES[ChannelType.TIME_INT]
DBR_TIME_FLOAT = DBR_TYPES[ChannelType.TIME_FLOAT]
DBR_TIME_ENUM = DBR_TYPES[ChannelType.TIME_ENUM]
DBR_TIME_CHAR = DBR_TYPES[ChannelType.TIME_CHAR]
DBR_TIME_LONG = DBR_TYPES[ChannelType.TIME_LONG]
DBR_TIME_DOUBLE = DBR_TYPES[ChannelType.TIME_DOUBLE]
DBR_GR_STRING = DBR_TYPES[ChannelType.GR_STRING]
DBR_GR_INT = DBR_TYPES[ChannelType.GR_INT]
DBR_GR_FLOAT = DBR_TYPES[ChannelType.GR_FLOAT]
DBR_GR_ENUM = DBR_TYPES[ChannelType.GR_ENUM]
DBR_GR_CHAR = DBR_TYPES[ChannelType.GR_CHAR]
DBR_GR_LONG = DBR_TYPES[ChannelType.GR_LONG]
DBR_GR_DOUBLE = DBR_TYPES[ChannelType.GR_DOUBLE]
DBR_CTRL_STRING = DBR_TYPES[ChannelType.CTRL_STRING]
DBR_CTRL_INT = DBR_TYPES[ChannelType.CTRL_INT]
DBR_CTRL_FLOAT = DBR_TYPES[ChannelType.CTRL_FLOAT]
DBR_CTRL_ENUM = DBR_TYPES[ChannelType.CTRL_ENUM]
DBR_CTRL_CHAR = DBR_TYPES[ChannelType.CTRL_CHAR]
DBR_CTRL_LONG = DBR_TYPES[ChannelType.CTRL_LONG]
DBR_CTRL_DOUBLE = DBR_TYPES[ChannelType.CTRL_DOUBLE]
DBR_PUT_ACKT = DBR_TYPES[ChannelType.PUT_ACKT]
DBR_PUT_ACKS = DBR_TYPES[ChannelType.PUT_ACKS]
DBR_STSACK_STRING = DBR_TYPES[ChannelType.STSACK_STRING]
DBR_CLASS_NAME = DBR_TYPES[ChannelType.CLASS_NAME]

codec.configure(
    metadata_class=Metadata,
    statuses=tuple(AlarmStatus),
    severities=tuple(AlarmSeverity),
    strings=DbrStringArray,
    structures=tuple(DBR_TYPES.values()),
    stamp_class=TimeStamp,
)
