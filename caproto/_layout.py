"""The byte layout of every DBR type (protocol sections 4.1 - 4.3), as one table.

The ctypes classes of :mod:`caproto._dbr`, both codecs and the reference documentation are made from it.  All numbers
on the wire are big-endian; offsets count from the start of the payload.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

#: POSIX time of 1990-01-01, from which time stamps count (section 4.4).
EPICS_EPOCH_SECONDS = 631152000

MAX_STRING_SIZE = 40
MAX_UNITS_SIZE = 8
MAX_ENUM_STRING_SIZE = 26
MAX_ENUM_STATES = 16


class Native(NamedTuple):
    """One native type: its :mod:`struct` letter, element size in bytes, and the range of an integer element."""

    name: str
    letter: str
    size: int
    low: int
    high: int


# Index = DBR id of the plain type.  Ranges of 0, 0 mean "not an integer".
NATIVES = (
    Native("STRING", "s", MAX_STRING_SIZE, 0, 0),
    Native("INT", "h", 2, -0x8000, 0x7FFF),
    Native("FLOAT", "f", 4, 0, 0),
    Native("ENUM", "H", 2, 0, 0xFFFF),
    Native("CHAR", "B", 1, 0, 0xFF),
    Native("LONG", "i", 4, -0x80000000, 0x7FFFFFFF),
    Native("DOUBLE", "d", 8, 0, 0),
)
STRING, INT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)

FAMILIES = ("", "STS_", "TIME_", "GR_", "CTRL_")

GR_LIMITS = (
    "upper_disp_limit",
    "lower_disp_limit",
    "upper_alarm_limit",
    "upper_warning_limit",
    "lower_warning_limit",
    "lower_alarm_limit",
)
CTRL_LIMITS = (*GR_LIMITS, "upper_ctrl_limit", "lower_ctrl_limit")

# RISC padding in front of the value, by type name (protocol section 4.2); none where a name is missing.
VALUE_PADS = {
    "STS_CHAR": 1,
    "STS_DOUBLE": 4,
    "TIME_INT": 2,
    "TIME_ENUM": 2,
    "TIME_CHAR": 3,
    "TIME_DOUBLE": 4,
    "GR_CHAR": 1,
    "CTRL_CHAR": 1,
}


class Member(NamedTuple):
    """One metadata member: name, :mod:`struct` format without byte order, and byte offset in the payload."""

    name: str
    format: str
    offset: int


class Layout(NamedTuple):
    """The layout of one DBR type.

    Attributes
    ----------
    dbr : int
        DBR id, 0..38.
    name : str
    native : int
        DBR id of the plain type of the elements.
    members : tuple of Member
        The metadata in front of the value; empty for plain types.
    value_offset : int
        Bytes in front of the first element, padding included.
    item_size : int
        Bytes of one element.
    prefix_format : str
        Big-endian :mod:`struct` format of everything in front of the value.
    """

    dbr: int
    name: str
    native: int
    members: tuple[Member, ...]
    value_offset: int
    item_size: int
    prefix_format: str


def _prefix(family: str, native: int) -> list[tuple[str, str]]:
    """(name, format) of the metadata members; a name of "" is padding."""
    alarm = [("status", "h"), ("severity", "h")]
    if not family:
        return []
    if family == "STS_" or (native == STRING and family in ("GR_", "CTRL_")):
        # There is no GR/CTRL structure for strings: both are the STS layout.
        return alarm
    if family == "TIME_":
        return [*alarm, ("secondsSinceEpoch", "I"), ("nanoSeconds", "I")]
    if native == ENUM:
        return [*alarm, ("no_str", "h"), ("strs", f"{MAX_ENUM_STATES * MAX_ENUM_STRING_SIZE}s")]
    members = list(alarm)
    if native in (FLOAT, DOUBLE):
        members += [("precision", "h"), ("", "2x")]
    members.append(("units", f"{MAX_UNITS_SIZE}s"))
    limits = CTRL_LIMITS if family == "CTRL_" else GR_LIMITS
    return members + [(limit, NATIVES[native].letter) for limit in limits]


def _layout(dbr: int, name: str, native: int, prefix: list[tuple[str, str]]) -> Layout:
    members = []
    text = ">"
    for member, form in prefix:
        if member:
            members.append(Member(member, form, struct.calcsize(text)))
        text += form
    if name in VALUE_PADS:
        text += f"{VALUE_PADS[name]}x"
    return Layout(dbr, name, native, tuple(members), struct.calcsize(text), NATIVES[native].size, text)


def _all_layouts() -> tuple[Layout, ...]:
    table = [
        _layout(number * len(NATIVES) + native, family + NATIVES[native].name, native, _prefix(family, native))
        for number, family in enumerate(FAMILIES)
        for native in range(len(NATIVES))
    ]
    stsack = [("status", "H"), ("severity", "H"), ("ackt", "H"), ("acks", "H")]
    table += [
        _layout(35, "PUT_ACKT", ENUM, []),
        _layout(36, "PUT_ACKS", ENUM, []),
        _layout(37, "STSACK_STRING", STRING, stsack),
        _layout(38, "CLASS_NAME", STRING, []),
    ]
    return tuple(table)


#: Index = DBR id.
LAYOUTS = _all_layouts()
LAST_DBR = len(LAYOUTS) - 1

#: Commands whose payload is a DBR structure (EVENT_ADD, READ, WRITE, READ_NOTIFY, WRITE_NOTIFY), as a response
#: (sent by a server) and as a request (sent by a client).  An EVENT_ADD request carries a mask instead of values.
VALUE_COMMANDS_FROM_SERVER = frozenset({1, 3, 15})
VALUE_COMMANDS_FROM_CLIENT = frozenset({4, 19})
