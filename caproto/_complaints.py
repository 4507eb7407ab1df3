"""What the codecs say when bytes or values are wrong: one text for both of them.

Each function returns the exception; the caller raises it, so that the traceback points at the place.
"""

from __future__ import annotations

from ._errors import CaprotoConversionError, CaprotoTypeError, CaprotoValueError, RemoteProtocolError
from ._layout import LAYOUTS, NATIVES


def misaligned(command: int, payload_size: int) -> RemoteProtocolError:
    """A stream whose framing is lost (protocol section 2.3)."""
    return RemoteProtocolError(
        f"framing is lost: command {command} claims a payload of {payload_size} bytes, which is not a multiple of 8"
    )


def field_range(name: str, value: object, bits: int) -> CaprotoValueError:
    return CaprotoValueError(f"header field {name}={value!r} does not fit an unsigned {bits}-bit integer")


def short_payload(name: str, dbr: int, count: int, needed: int, available: int) -> CaprotoValueError:
    return CaprotoValueError(
        f"{name}: {count} elements of {LAYOUTS[dbr].name} need {needed} bytes of payload, {available} came"
    )


def short_metadata(name: str, dbr: int, needed: int, available: int) -> CaprotoValueError:
    return CaprotoValueError(
        f"{name}: the metadata of {LAYOUTS[dbr].name} needs {needed} bytes of payload, {available} came"
    )


def refused_payload(name: str, size: int, limit: int) -> CaprotoValueError:
    return CaprotoValueError(
        f"{name}: its payload of {size} bytes was refused, the limit is {limit} (EPICS_CA_MAX_ARRAY_BYTES)"
    )


def unknown_type(name: str, dbr: int) -> CaprotoValueError:
    return CaprotoValueError(f"{name}: data_type {dbr} is not a DBR type (0..38)")


def element(native: int, index: int, value: object) -> CaprotoConversionError:
    kind = NATIVES[native]
    if kind.high and isinstance(value, int):
        return CaprotoConversionError(
            f"data[{index}]={value!r} is out of range for {kind.name} ({kind.low}..{kind.high})"
        )
    return CaprotoConversionError(f"data[{index}]={value!r} cannot be sent as {kind.name}")


def long_string(index: int, length: int) -> CaprotoConversionError:
    return CaprotoConversionError(f"data[{index}] is a string of {length} bytes, a DBR_STRING holds at most 40")


def item_size(size: int) -> CaprotoValueError:
    return CaprotoValueError(f"itemsize={size!r} cannot be swapped, only 1, 2, 4 and 8 can")


def ragged(length: int, size: int) -> CaprotoValueError:
    return CaprotoValueError(f"a buffer of {length} bytes is not a whole number of {size}-byte elements")


def too_many_bytes(written: int, room: int) -> CaprotoValueError:
    return CaprotoValueError(f"buffer_updated({written}) reports more than the {room} bytes that get_buffer gave")


def not_frame(cls: object) -> CaprotoTypeError:
    return CaprotoTypeError(f"{cls!r} is not a command class")


def not_sink(value: object) -> CaprotoTypeError:
    return CaprotoTypeError(f"{value!r} is neither an Inbox nor a Columns")


def other_type(name: str, dbr: int, wanted: int) -> CaprotoValueError:
    return CaprotoValueError(f"{name}: data_type {dbr} came, {LAYOUTS[wanted].name} ({wanted}) is collected here")


def not_list(name: str, value: object) -> CaprotoTypeError:
    return CaprotoTypeError(f"{name}={value!r} is not a list")
