"""Which DBR type and how many elements to ask for."""

from __future__ import annotations

from typing import Any

from .._channel import ClientChannel
from .._enums import ChannelType, field_types
from .._errors import CaprotoTypeError, CaprotoValueError

__all__ = ["DataType", "default_count", "read_count", "resolve_type", "write_type"]

DataType = ChannelType | int | str | None


def resolve_type(native: ChannelType, data_type: DataType, force_int_enums: bool = False) -> ChannelType:
    """Return the DBR type to ask for.

    Parameters
    ----------
    native : ChannelType
        What the server announced.
    data_type : None, ChannelType, int or str
        A type, its number or name, or one of the classes 'native' (as None), 'status', 'time', 'graphic' and
        'control'.
    force_int_enums : bool, optional
        Ask for the index of an enum.  If not, the native, status and time classes ask for its text.
    """
    if isinstance(data_type, str):
        word = data_type.strip()
        family = {"gr": "graphic", "graphical": "graphic", "ctrl": "control", "sts": "status"}.get(
            word.lower(), word.lower()
        )
        if family in field_types:
            if native == ChannelType.ENUM and family in ("native", "status", "time") and not force_int_enums:
                native = ChannelType.STRING
            return ChannelType(field_types[family][native])
        if word.isascii() and word.isdecimal():
            data_type = int(word)
        else:
            name = word.upper().removeprefix("DBR_")
            if name not in ChannelType.__members__:
                raise CaprotoValueError(f"data_type {data_type!r} is neither a DBR type nor a class of types")
            return ChannelType[name]
    if data_type is None:
        return resolve_type(native, "native", force_int_enums)
    if not isinstance(data_type, int):
        raise CaprotoTypeError(f"data_type {data_type!r} is neither a DBR type nor a class of types")
    try:
        return ChannelType(data_type)
    except ValueError:
        raise CaprotoValueError(f"data_type {data_type} is not a DBR type (0..38)") from None


def default_count(channel: ClientChannel) -> int:
    """Return the element count for "all there are": 0 unless the server is too old for that."""
    return 0 if channel.protocol_version >= 13 else channel.native_data_count or 1


def read_count(channel: ClientChannel, data_count: int | None, *, notify: bool) -> int:
    """Return the element count for a read; as many as there are by default."""
    if data_count is not None:
        return data_count
    # The obsolete READ takes 0 at its word.
    return default_count(channel) if notify else channel.native_data_count or 1


def write_type(native: ClientChannel, data: Any, data_type: DataType) -> ChannelType:
    """Return the DBR type to send: the native one, or STRING for text meant for an enum or a number."""
    if data_type is not None:
        # The classes carry metadata, which a server does not take.
        return resolve_type(native.native_data_type, data_type, force_int_enums=True)
    ftype = ChannelType(native.native_data_type)
    if ftype in (ChannelType.STRING, ChannelType.CHAR):
        return ftype
    return ChannelType.STRING if _is_text(data) else ftype


def _is_text(data: Any) -> bool:
    """Return whether `data` is text or texts; bytes alone are elements in the order of the wire."""
    if isinstance(data, (list, tuple)):
        return bool(data) and isinstance(data[0], (str, bytes))
    kind: str = getattr(getattr(data, "dtype", None), "kind", "f")
    return isinstance(data, str) or kind in "SU"
