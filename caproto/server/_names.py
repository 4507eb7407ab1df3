"""Channel names: which PV, which field of it, and through which filters (protocol section 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .._commands import CreateChanResponse
from .._commands._base import read_text
from .._data.subscription import Gate
from .._data.view import View, header
from .._errors import CaprotoKeyError, CaprotoValueError
from .._filters import RecordModifiers, parse_record_field
from ._filters import GateMaker, server_filters

if TYPE_CHECKING:
    from .._data import ChannelData

__all__ = ["Names", "Target", "find", "knows"]

_CREATE_CHAN = int(CreateChanResponse.ID)


class Target:
    """What a channel name stands for.

    Parameters
    ----------
    name : str
    data : ChannelData
    view : View
        What is told of it.
    makers : tuple of callable, optional
        Each makes a filter of updates for a new subscription.

    Attributes
    ----------
    head, extension
        How the header of an answer to CREATE_CHAN begins, as a number, and its extension (section 2).
    """

    __slots__ = ("data", "extension", "head", "makers", "name", "view")

    def __init__(self, name: str, data: ChannelData, view: View, makers: tuple[GateMaker, ...] = ()) -> None:
        self.name = name
        self.data = data
        self.view = view
        self.makers = makers
        front, self.extension = header(_CREATE_CHAN, 0, view.native_type, view.native_count, 0)
        self.head = int.from_bytes(front[:8], "big")

    def gates(self) -> tuple[Gate, ...]:
        """Return the filters of updates for a new subscription."""
        return tuple(make(self.data) for make in self.makers)


def _data(pvdb: Mapping[str, ChannelData], record: str, field: str | None) -> ChannelData | None:
    owner: Any = pvdb.get(record)
    if owner is None or not field or field == "VAL":
        return cast("ChannelData | None", owner)
    if not hasattr(owner, "get_field"):
        return None
    try:
        return cast("ChannelData", owner.get_field(field))
    except (CaprotoKeyError, CaprotoValueError):
        return None


def knows(pvdb: Mapping[str, ChannelData], name: str) -> bool:
    """Return whether there is such a record and field; filters are not looked at, as in a search."""
    if name in pvdb:
        return True
    if "." not in name:
        return False
    parts = parse_record_field(name)
    return parts.record_dot_field in pvdb or _data(pvdb, parts.record, parts.field) is not None


def find(pvdb: Mapping[str, ChannelData], name: str) -> Target | None:
    """Return what a channel name stands for; None if there is no such thing, or a filter is not understood."""
    data = pvdb.get(name)
    if data is not None:
        return Target(name, data, data.view())
    if "." not in name:
        return None
    parts = parse_record_field(name)
    data = pvdb.get(parts.record_dot_field) or _data(pvdb, parts.record, parts.field)
    if data is None:
        return None
    if parts.modifiers is None:
        return Target(name, data, data.view())
    long_string = bool(parts.modifiers.modifiers & RecordModifiers.long_string)
    if long_string and not data._long_string_size():
        return None
    try:
        key, makers = server_filters(parts.modifiers.filter_, long_string)
    except CaprotoValueError:
        return None
    return Target(name, data, data.view(key), makers)


class Names:
    """Finds channel names as they come from the wire; one that was found before is not taken apart again.

    Parameters
    ----------
    pvdb : mapping of str to ChannelData
        May change at any time.
    """

    def __init__(self, pvdb: Mapping[str, ChannelData]) -> None:
        self._pvdb = pvdb
        # By payload.  A PV has eight at most, for names with filters and what clients make up are not kept.
        self._known: dict[bytes, Target] = {}

    def find(self, payload: bytes) -> Target | None:
        """Return what the name in the payload of CREATE_CHAN stands for; None if it stands for nothing."""
        target = self._known.get(payload)
        if target is not None and self._pvdb.get(target.name) is target.data:
            return target
        name = read_text(payload)
        target = find(self._pvdb, name)
        if target is not None and name in self._pvdb and len(payload) <= len(name) + 8 and payload.isascii():
            if payload.rstrip(b"\0") == name.encode():
                self._known[payload] = target
        return target
