"""Status codes (ECA): what a peer says about a request.

On the wire a status is ``number << 3 | severity``; its lowest bit says "succeeded".
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from ._errors import CaprotoTypeError, CaprotoValueError

__all__ = [
    "STATUS_BY_CODE",
    "CASeverity",
    "CAStatus",
    "CAStatusCode",
    "status_from_code",
    "status_hint",
    "status_to_code",
]


class CASeverity(enum.IntEnum):
    """The low three bits of a status code."""

    INFO = 3
    ERROR = 2
    SUCCESS = 1
    WARNING = 0
    SEVERE = 4
    FATAL = 6


class CAStatusCode(NamedTuple):
    """One status code and what it means; `defunct` ones are listed but no longer used by EPICS Base."""

    name: str
    code: int
    code_with_severity: int
    severity: CASeverity
    success: int
    defunct: bool
    description: str


_INFO, _ERROR, _SUCCESS = CASeverity.INFO, CASeverity.ERROR, CASeverity.SUCCESS
_WARN, _FATAL = CASeverity.WARNING, CASeverity.FATAL


def _eca(name: str, number: int, severity: CASeverity, text: str, defunct: bool = False) -> CAStatusCode:
    return CAStatusCode(f"ECA_{name}", number, number << 3 | severity, severity, severity & 1, defunct, text)


def _old(name: str, number: int, severity: CASeverity, text: str) -> CAStatusCode:
    return _eca(name, number, severity, text, defunct=True)


class CAStatus(enum.Enum):
    """Every status code of Channel Access 4.13; values are :class:`CAStatusCode`."""

    ECA_NORMAL = _eca("NORMAL", 0, _SUCCESS, "Normal successful completion")
    ECA_MAXIOC = _old("MAXIOC", 1, _ERROR, "Too many server connections")
    ECA_UKNHOST = _old("UKNHOST", 2, _ERROR, "Host name cannot be resolved")
    ECA_UKNSERV = _old("UKNSERV", 3, _ERROR, "Unknown network service")
    ECA_SOCK = _old("SOCK", 4, _ERROR, "No socket could be opened")
    ECA_CONN = _old("CONN", 5, _WARN, "Attempt to connect failed")
    ECA_ALLOCMEM = _eca("ALLOCMEM", 6, _WARN, "Out of memory")
    ECA_UKNCHAN = _old("UKNCHAN", 7, _WARN, "Channel does not exist")
    ECA_UKNFIELD = _old("UKNFIELD", 8, _WARN, "Field does not apply to this channel")
    ECA_TOLARGE = _eca("TOLARGE", 9, _WARN, "Message is larger than buffer limit or memory")
    ECA_TIMEOUT = _eca("TIMEOUT", 10, _WARN, "Time limit of the caller passed")
    ECA_NOSUPPORT = _old("NOSUPPORT", 11, _WARN, "Feature is not implemented")
    ECA_STRTOBIG = _old("STRTOBIG", 12, _WARN, "String is suspiciously long")
    ECA_DISCONNCHID = _old("DISCONNCHID", 13, _ERROR, "Request dropped, channel is not connected")
    ECA_BADTYPE = _eca("BADTYPE", 14, _ERROR, "Data type is invalid")
    ECA_CHIDNOTFND = _old("CHIDNOTFND", 15, _INFO, "Server does not know the channel")
    ECA_CHIDRETRY = _old("CHIDRETRY", 16, _INFO, "Some channels are still being searched")
    ECA_INTERNAL = _eca("INTERNAL", 17, _FATAL, "Internal failure or violation of the protocol")
    ECA_DBLCLFAIL = _old("DBLCLFAIL", 18, _WARN, "Operation on a local database failed")
    ECA_GETFAIL = _eca("GETFAIL", 19, _WARN, "Read failed")
    ECA_PUTFAIL = _eca("PUTFAIL", 20, _WARN, "Write failed")
    ECA_ADDFAIL = _old("ADDFAIL", 21, _WARN, "Subscription failed")
    ECA_BADCOUNT = _eca("BADCOUNT", 22, _WARN, "Number of elements is invalid")
    ECA_BADSTR = _eca("BADSTR", 23, _ERROR, "String is malformed or too long")
    ECA_DISCONN = _eca("DISCONN", 24, _WARN, "Circuit was lost")
    ECA_DBLCHNL = _eca("DBLCHNL", 25, _WARN, "More than one server offers this name")
    ECA_EVDISALLOW = _eca("EVDISALLOW", 26, _ERROR, "Call is not allowed inside an update callback")
    ECA_BUILDGET = _old("BUILDGET", 27, _WARN, "Value could not be fetched during the search")
    ECA_NEEDSFP = _old("NEEDSFP", 28, _WARN, "Task has no floating point context")
    ECA_OVEVFAIL = _old("OVEVFAIL", 29, _WARN, "First update was lost because a queue was full")
    ECA_BADMONID = _eca("BADMONID", 30, _ERROR, "Subscription is not known")
    ECA_NEWADDR = _old("NEWADDR", 31, _WARN, "Channel moved to another address")
    ECA_NEWCONN = _old("NEWCONN", 32, _INFO, "New or resumed network connection")
    ECA_NOCACTX = _old("NOCACTX", 33, _WARN, "Thread has no Channel Access context")
    ECA_DEFUNCT = _old("DEFUNCT", 34, _FATAL, "Feature was removed, or client is too old")
    ECA_EMPTYSTR = _old("EMPTYSTR", 35, _WARN, "String is empty")
    ECA_NOREPEATER = _old("NOREPEATER", 36, _WARN, "Repeater could not be started")
    ECA_NOCHANMSG = _old("NOCHANMSG", 37, _WARN, "Search reply belongs to no channel")
    ECA_DLCKREST = _old("DLCKREST", 38, _WARN, "Dead connection is being reset")
    ECA_SERVBEHIND = _old("SERVBEHIND", 39, _WARN, "Server is slow, still waiting")
    ECA_NOCAST = _old("NOCAST", 40, _WARN, "No interface with broadcast was found")
    ECA_BADMASK = _eca("BADMASK", 41, _ERROR, "Event mask is invalid")
    ECA_IODONE = _eca("IODONE", 42, _INFO, "Pending operations are finished")
    ECA_IOINPROGRESS = _eca("IOINPROGRESS", 43, _INFO, "Operations are still pending")
    ECA_BADSYNCGRP = _eca("BADSYNCGRP", 44, _ERROR, "Synchronous group is not known")
    ECA_PUTCBINPROG = _eca("PUTCBINPROG", 45, _ERROR, "Earlier write with notification is not finished")
    ECA_NORDACCESS = _eca("NORDACCESS", 46, _WARN, "Read access denied")
    ECA_NOWTACCESS = _eca("NOWTACCESS", 47, _WARN, "Write access denied")
    ECA_ANACHRONISM = _eca("ANACHRONISM", 48, _ERROR, "Feature was dropped")
    ECA_NOSEARCHADDR = _eca("NOSEARCHADDR", 49, _WARN, "List of search addresses is empty")
    ECA_NOCONVERT = _eca("NOCONVERT", 50, _WARN, "No conversion between the two types")
    ECA_BADCHID = _eca("BADCHID", 51, _ERROR, "Channel identifier is invalid")
    ECA_BADFUNCPTR = _eca("BADFUNCPTR", 52, _ERROR, "Callback is invalid")
    ECA_ISATTACHED = _eca("ISATTACHED", 53, _WARN, "Thread already belongs to a context")
    ECA_UNAVAILINSERV = _eca("UNAVAILINSERV", 54, _WARN, "Server does not offer this")
    ECA_CHANDESTROY = _eca("CHANDESTROY", 55, _WARN, "Channel was deleted by the application")
    ECA_BADPRIORITY = _eca("BADPRIORITY", 56, _ERROR, "Priority is out of range (0..99)")
    ECA_NOTTHREADED = _eca("NOTTHREADED", 57, _ERROR, "Context has no threads for callbacks")
    ECA_16KARRAYCLIENT = _eca("16KARRAYCLIENT", 58, _WARN, "Peer is too old for more than 16 kB")
    ECA_CONNSEQTMO = _eca("CONNSEQTMO", 59, _WARN, "Connection sequence took too long")
    ECA_UNRESPTMO = _eca("UNRESPTMO", 60, _WARN, "Circuit is unresponsive")


STATUS_BY_CODE: dict[int, CAStatusCode] = {s.value.code_with_severity: s.value for s in CAStatus}

_SEVERITIES = {s.value: s for s in CASeverity}

_HINTS = {
    "ECA_TOLARGE": (
        "Set EPICS_CA_MAX_ARRAY_BYTES (or EPICS_CA_AUTO_ARRAY_BYTES=YES) in the environment of the server"
        " when the server reports this, and of the client when the client does."
    ),
    "ECA_BADTYPE": "Ask for a DBR type that the server can deliver, or leave the type out.",
    "ECA_BADCOUNT": "Ask for, or send, no more elements than the channel has.",
    "ECA_BADSTR": "Shorten the text: a STRING holds 39 characters, more go into a CHAR array or 'NAME.$'.",
    "ECA_BADMASK": "Use an event mask made of value (1), log (2), alarm (4) and property (8).",
    "ECA_GETFAIL": "Check that the PV's value converts to the requested type.",
    "ECA_PUTFAIL": "Check that the PV accepts this value: state names, number format, field type.",
    "ECA_NOCONVERT": "Request or send the native type of the PV.",
    "ECA_PUTCBINPROG": "Wait for the earlier write to finish, or write without notification.",
    "ECA_NORDACCESS": "The server's access security lets this user and host not read the PV.",
    "ECA_NOWTACCESS": "The server's access security lets this user and host not write the PV.",
    "ECA_DISCONN": "The server went away or restarted; repeat the request once the PV is connected again.",
    "ECA_TIMEOUT": "Raise the timeout, or check that the server is alive and not busy.",
    "ECA_DBLCHNL": "Two servers offer the same PV; restrict EPICS_CA_ADDR_LIST or rename one of them.",
    "ECA_NOSEARCHADDR": "Set EPICS_CA_ADDR_LIST or EPICS_CA_NAME_SERVERS.",
    "ECA_16KARRAYCLIENT": "The peer speaks a version before 4.9; ask for fewer elements or update it.",
    "ECA_UNAVAILINSERV": "This server does not implement the request.",
    "ECA_ALLOCMEM": "The side that reports this ran out of memory; ask for less, or for fewer elements.",
}


def status_from_code(code: int) -> CAStatusCode:
    """Return the status for a number from the wire; a number nobody knows gives ``ECA_UNKNOWN_<number>``."""
    known = STATUS_BY_CODE.get(code)
    if known is not None:
        return known
    success = code & 1
    # 5 and 7 are no severities; the success bit is what remains meaningful.
    severity = _SEVERITIES.get(code & 7, CASeverity.INFO if success else CASeverity.FATAL)
    number, text = (code & 0xFFF8) >> 3, f"Unknown status code {code}"
    return CAStatusCode(f"ECA_UNKNOWN_{code}", number, code, severity, success, False, text)


def status_to_code(status: int | CAStatus | CAStatusCode) -> int:
    """Return the number that goes on the wire for a status in any of its forms."""
    if isinstance(status, CAStatusCode):
        status = status.code_with_severity
    elif isinstance(status, CAStatus):
        status = status.value.code_with_severity
    if not isinstance(status, int):
        raise CaprotoTypeError(f"status must be a CAStatus, a CAStatusCode or an int, not {status!r}")
    if not 0 <= status <= 0xFFFFFFFF:
        raise CaprotoValueError(f"status {status} does not fit into 32 bits")
    return int(status)


def status_hint(status: int | CAStatus | CAStatusCode) -> str:
    """Return one sentence on what to do about a status, or an empty string."""
    return _HINTS.get(status_from_code(status_to_code(status)).name, "")
