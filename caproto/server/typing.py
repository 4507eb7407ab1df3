"""Names for the types that IOCs are annotated with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ._layer import AsyncLibraryLayer

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    from .._data import ChannelData
    from ._group import PVGroup

__all__ = [
    "AinitHook", "AsyncLibraryLayer", "Getter", "Hook", "Putter", "Scan", "Shutdown", "Startup", "T_Data",
    "T_PVGroup", "T_RecordFields", "T_pvproperty",
]  # fmt: skip

Hook = Callable[..., Awaitable[Any]]
# The first argument is the group, the second the instance.
Getter = Callable[[Any, Any], Awaitable[Any]]
Putter = Callable[[Any, Any, Any], Awaitable[Any]]
Startup = Callable[[Any, Any, Any], Awaitable[Any]]
Shutdown = Callable[[Any, Any, Any], Awaitable[Any]]
Scan = Callable[[Any, Any, Any], Awaitable[Any]]
AinitHook = Callable[[AsyncLibraryLayer], Awaitable[None]]

T_Data = TypeVar("T_Data", bound="ChannelData")
T_PVGroup = TypeVar("T_PVGroup", bound="PVGroup")
if TYPE_CHECKING:  # type checkers know them, Python does from 3.13 on
    T_RecordFields = DefaultTypeVar("T_RecordFields", default=Any)
else:
    T_RecordFields = TypeVar("T_RecordFields")
T_pvproperty = TypeVar("T_pvproperty")
