"""The words of Channel Access: roles, states, data types, alarms, rights and masks."""

from __future__ import annotations

import enum

from ._errors import CaprotoValueError

__all__ = [
    "AWAIT_CLEAR_RESPONSE",
    "AWAIT_CREATE_CHAN_RESPONSE",
    "AWAIT_SEARCH_RESPONSE",
    "AWAIT_VERSION_RESPONSE",
    "CLIENT",
    "CLOSED",
    "CONNECTED",
    "DISCONNECTED",
    "FAILED",
    "IDLE",
    "MUST_CLOSE",
    "NEED_DATA",
    "REQUEST",
    "RESPONSE",
    "SEND_CREATE_CHAN_REQUEST",
    "SEND_CREATE_CHAN_RESPONSE",
    "SEND_SEARCH_REQUEST",
    "SEND_SEARCH_RESPONSE",
    "SEND_VERSION_REQUEST",
    "SEND_VERSION_RESPONSE",
    "SERVER",
    "AccessRights",
    "AlarmSeverity",
    "AlarmStatus",
    "ChannelType",
    "ConnStatus",
    "Protocol",
    "Sentinel",
    "SubscriptionType",
    "char_types",
    "control_types",
    "enum_types",
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
]


class Sentinel:
    """A constant that is only ever compared by identity and shows its own name.

    There is one instance per name: creating, copying or unpickling a name that exists gives that one.
    """

    __slots__ = ("name",)
    name: str
    _by_name: dict[str, Sentinel] = {}

    def __new__(cls, name: str) -> Sentinel:
        known = cls._by_name.get(name)
        if known is None:
            known = super().__new__(cls)
            known.name = name
            cls._by_name[name] = known
        return known

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[type[Sentinel], tuple[str]]:
        return Sentinel, (self.name,)

    def __copy__(self) -> Sentinel:
        return self

    def __deepcopy__(self, memo: object) -> Sentinel:
        return self


CLIENT = Sentinel("CLIENT")
SERVER = Sentinel("SERVER")
REQUEST = Sentinel("REQUEST")
RESPONSE = Sentinel("RESPONSE")
NEED_DATA = Sentinel("NEED_DATA")

SEND_VERSION_REQUEST = Sentinel("SEND_VERSION_REQUEST")
AWAIT_VERSION_RESPONSE = Sentinel("AWAIT_VERSION_RESPONSE")
SEND_VERSION_RESPONSE = Sentinel("SEND_VERSION_RESPONSE")
SEND_SEARCH_REQUEST = Sentinel("SEND_SEARCH_REQUEST")
AWAIT_SEARCH_RESPONSE = Sentinel("AWAIT_SEARCH_RESPONSE")
SEND_SEARCH_RESPONSE = Sentinel("SEND_SEARCH_RESPONSE")
SEND_CREATE_CHAN_REQUEST = Sentinel("SEND_CREATE_CHAN_REQUEST")
AWAIT_CREATE_CHAN_RESPONSE = Sentinel("AWAIT_CREATE_CHAN_RESPONSE")
SEND_CREATE_CHAN_RESPONSE = Sentinel("SEND_CREATE_CHAN_RESPONSE")
AWAIT_CLEAR_RESPONSE = Sentinel("AWAIT_CLEAR_RESPONSE")
CONNECTED = Sentinel("CONNECTED")
MUST_CLOSE = Sentinel("MUST_CLOSE")
CLOSED = Sentinel("CLOSED")
FAILED = Sentinel("FAILED")
IDLE = Sentinel("IDLE")
DISCONNECTED = Sentinel("DISCONNECTED")


class Protocol(str, enum.Enum):
    """The protocols of EPICS; this package speaks Channel Access."""

    PVAccess = "PVA"
    ChannelAccess = "CA"


class ConnStatus(enum.IntEnum):
    """Connection states as the C library numbers them."""

    CS_CONN = 2
    OP_CONN_UP = 6
    OP_CONN_DOWN = 7
    CS_NEVER_SEARCH = 4


class AccessRights(enum.IntFlag):
    """What the peer may do with a channel."""

    NO_ACCESS = 0
    READ = 1
    WRITE = 2

    def __repr__(self) -> str:
        # Python 3.11 changed the order of the members in the repr of a flag; ours does not depend on it.
        value = int(self)
        text = "|".join(m.name or "" for m in (AccessRights.WRITE, AccessRights.READ) if value & m.value)
        rest = value & ~3
        if rest:
            text = f"{text}|{rest}" if text else str(rest)
        return f"<AccessRights.{text or 'NO_ACCESS'}: {value}>"


class SubscriptionType(enum.IntFlag):
    """What a subscriber wants to hear of: the event mask."""

    DBE_VALUE = 1
    DBE_LOG = 2
    DBE_ALARM = 4
    DBE_PROPERTY = 8


class AlarmSeverity(enum.IntEnum):
    """How bad an alarm is."""

    NO_ALARM = 0
    MINOR_ALARM = 1
    MAJOR_ALARM = 2
    INVALID_ALARM = 3


class AlarmStatus(enum.IntEnum):
    """What kind of alarm it is."""

    NO_ALARM = 0
    READ = 1
    WRITE = 2
    HIHI = 3
    HIGH = 4
    LOLO = 5
    LOW = 6
    STATE = 7
    COS = 8
    COMM = 9
    TIMEOUT = 10
    HWLIMIT = 11
    CALC = 12
    SCAN = 13
    LINK = 14
    SOFT = 15
    BAD_SUB = 16
    UDF = 17
    DISABLE = 18
    SIMM = 19
    READ_ACCESS = 20
    WRITE_ACCESS = 21


class ChannelType(enum.IntEnum):
    """DBR types: seven native ones in five families (``family * 7 + native``), and four special ones."""

    STRING = 0
    INT = 1
    FLOAT = 2
    ENUM = 3
    CHAR = 4
    LONG = 5
    DOUBLE = 6

    STS_STRING = 7
    STS_INT = 8
    STS_FLOAT = 9
    STS_ENUM = 10
    STS_CHAR = 11
    STS_LONG = 12
    STS_DOUBLE = 13

    TIME_STRING = 14
    TIME_INT = 15
    TIME_FLOAT = 16
    TIME_ENUM = 17
    TIME_CHAR = 18
    TIME_LONG = 19
    TIME_DOUBLE = 20

    GR_STRING = 21
    GR_INT = 22
    GR_FLOAT = 23
    GR_ENUM = 24
    GR_CHAR = 25
    GR_LONG = 26
    GR_DOUBLE = 27

    CTRL_STRING = 28
    CTRL_INT = 29
    CTRL_FLOAT = 30
    CTRL_ENUM = 31
    CTRL_CHAR = 32
    CTRL_LONG = 33
    CTRL_DOUBLE = 34

    PUT_ACKT = 35
    PUT_ACKS = 36
    STSACK_STRING = 37
    CLASS_NAME = 38


def _family(number: int, *, strings: bool = True) -> set[ChannelType]:
    first = 7 * number
    return {ChannelType(first + native) for native in range(7) if strings or native != ChannelType.STRING}


native_types = _family(0)
status_types = _family(1)
time_types = _family(2)
# GR_STRING and CTRL_STRING are left out: they carry no limits, their layout is that of STS_STRING.
graphical_types = _family(3, strings=False)
control_types = _family(4, strings=False)


def _across(*members: ChannelType) -> set[ChannelType]:
    """Return the types of `members` in the plain, TIME and CTRL families."""
    return {ChannelType(7 * family + native) for native in members for family in (0, 2, 4)}


char_types = _across(ChannelType.CHAR)
string_types = _across(ChannelType.STRING) | {ChannelType.STS_STRING}
int_types = _across(ChannelType.INT, ChannelType.LONG)
float_types = _across(ChannelType.FLOAT, ChannelType.DOUBLE)
enum_types = _across(ChannelType.ENUM) | {ChannelType.STS_ENUM}
native_float_types = {ChannelType.FLOAT, ChannelType.DOUBLE}
native_int_types = {ChannelType.INT, ChannelType.ENUM, ChannelType.CHAR, ChannelType.LONG}


def _member(family: int, ftype: ChannelType) -> ChannelType:
    """Return the relative of `ftype` in another family; the special types have none and stay as they are."""
    if ftype > ChannelType.CTRL_DOUBLE:
        return ftype
    return ChannelType(7 * family + ftype % 7)


def _field_types() -> dict[str, dict[ChannelType, ChannelType]]:
    families = {"native": 0, "status": 1, "time": 2, "graphic": 3, "control": 4}
    table = {word: {t: _member(number, t) for t in ChannelType} for word, number in families.items()}
    # Strings have no limits; who asks for them gets the richest structure that exists.
    for word, best in (("graphic", ChannelType.STS_STRING), ("control", ChannelType.TIME_STRING)):
        for t in ChannelType:
            if table["native"][t] is ChannelType.STRING:
                table[word][t] = best
    return table


field_types = _field_types()
_NATIVE = field_types["native"]


def native_type(ftype: ChannelType | int) -> ChannelType:
    """Return the plain type that `ftype` is built on, for instance DOUBLE for CTRL_DOUBLE."""
    try:
        # Members of an IntEnum are found by their numbers, too.
        return _NATIVE[ftype]  # type: ignore[index]
    except KeyError:
        raise CaprotoValueError(f"data type {ftype!r} is not a DBR type (0..38)") from None
