"""The PVs of a group: channel data with a name, hooks, and the fields of a record."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from .._data import (
    ChannelByte,
    ChannelChar,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelShort,
    ChannelString,
)
from .._data.enum import State
from .._enums import AccessRights, AlarmSeverity, AlarmStatus, ChannelType
from .._errors import CaprotoError, CaprotoKeyError, CaprotoValueError, Forbidden, SkipWrite
from ._access import DEFAULT, group_changed
from ._hooks import PARAMETERS, logger_of
from ._runtime import ServerExit
from .typing import T_RecordFields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._group import PVGroup
    from ._layer import AsyncLibraryLayer
    from ._pvspec import PVSpec

__all__ = [
    "PvpropertyBoolEnum", "PvpropertyBoolEnumRO", "PvpropertyByte", "PvpropertyByteRO", "PvpropertyChar",
    "PvpropertyCharRO", "PvpropertyData", "PvpropertyDouble", "PvpropertyDoubleRO", "PvpropertyEnum",
    "PvpropertyEnumRO", "PvpropertyFloat", "PvpropertyFloatRO", "PvpropertyInteger", "PvpropertyIntegerRO",
    "PvpropertyReadOnlyData", "PvpropertyShort", "PvpropertyShortRO", "PvpropertyString", "PvpropertyStringRO",
]  # fmt: skip

Job = Callable[["AsyncLibraryLayer"], Awaitable[Any]]


class PvpropertyData(ChannelData, Generic[T_RecordFields]):
    """What all PVs of groups have in common.

    Parameters
    ----------
    pvname : str
        The whole name of the PV.
    group : PVGroup
        The group it belongs to; what hooks get as ``self``.
    pvspec : PVSpec
        What it was made from.
    doc : str, optional
        What it is.
    record : str or record class, optional
        The record it poses as.  Its fields come into being when they are used.
    logger : logging.Logger, optional
        By default the group's.
    asg : str, optional
        The group of PVs it belongs to in an access security file; the field ASG of a record shows and changes it.
    asl : int, optional
        Its level, 0 or 1: a rule of level 0 does not grant anything for a PV of level 1.
    **kwargs
        As of the data class.

    Attributes
    ----------
    getter, putter, startup, shutdown, scan : async callable or None
        The hooks, bound to the group.
    """

    getter: Callable[[Any], Awaitable[Any]] | None = None
    putter: Callable[[Any, Any], Awaitable[Any]] | None = None
    startup: Callable[[Any, Any], Awaitable[Any]] | None = None
    shutdown: Callable[[Any, Any], Awaitable[Any]] | None = None
    scan: Callable[[Any, Any], Awaitable[Any]] | None = None
    # What a field of a record does when it changes; set by the record.
    on_write: Callable[[Any], Awaitable[None]] | None = None
    _record_class: Any = None
    _field_inst: Any = None
    _runs_scanner = False
    _logger: logging.Logger | None = None
    _asg = DEFAULT
    asl = 0
    # The alarm because of a hook that failed.
    _failed: AlarmStatus | None = None

    def __init__(
        self,
        *,
        pvname: str,
        group: PVGroup,
        pvspec: PVSpec,
        doc: str | None = None,
        record: str | type[T_RecordFields] | None = None,
        logger: logging.Logger | None = None,
        asg: str = DEFAULT,
        asl: int = 0,
        **kwargs: Any,
    ) -> None:
        if not isinstance(asg, str) or asl not in (0, 1):
            raise CaprotoValueError(f"asg={asg!r} has to be the name of a group, asl={asl!r} has to be 0 or 1")
        self.pvname = pvname
        self.group = group
        self.pvspec = pvspec
        if doc:
            self.__doc__ = doc
        if logger is not None:
            self._logger = logger
        # Most PVs have neither: what the class says costs no memory.
        if asg != DEFAULT:
            self._asg = asg or DEFAULT
        if asl:
            self.asl = int(asl)
        if record is not None:
            from .records import Scanner, find_record

            self._record_class = find_record(record)
            if group is not None and pvspec.scan is None and group._top_._scanner_ is None:
                group._top_._scanner_ = Scanner(lambda: list(group._top_.pvdb.values()))
                self._runs_scanner = True
            kwargs.setdefault("reported_record_type", self._record_class.record_name_of_type)
        for kind, attribute in _HOOKS.items():
            hook = getattr(pvspec, kind)
            if hook is not None:
                setattr(self, attribute, partial(hook, group))
        if self.getter is None and _overrides(group, "group_read"):
            self.getter = group.group_read
        if self.putter is None and _overrides(group, "group_write"):
            self.putter = group.group_write
        super().__init__(**kwargs)

    @property
    def name(self) -> str:
        """The path of attributes that leads to the PV, beginning with the name of the group."""
        owner = "" if self.group is None else f"{self.group._name_}."
        return f"{owner}{self.pvspec.attr or self.pvspec.name}"

    @property
    def asg(self) -> str:
        """The access security group.

        Setting it changes at once what clients may do with the PV and the fields of its record.  Of a record, write
        the field ASG instead: that does the same, and shows it.
        """
        return self._asg

    @asg.setter
    def asg(self, name: str) -> None:
        self._asg = name or DEFAULT
        if self._field_inst is not None:
            for field in self._field_inst.made.values():
                field._asg = self._asg
        group_changed(self)

    @property
    def log(self) -> logging.Logger:
        """Where hooks may report what happens."""
        if self._logger is not None:
            return self._logger
        return logging.getLogger(__name__) if self.group is None else logger_of(self.group)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pvname} value={self.value!r}>"

    # Values -------------------------------------------------------------------------------------

    async def read(self, data_type: ChannelType) -> Any:
        """Run the getter, store what it returns unless that is None, and return (metadata, data)."""
        if self.getter is not None:
            value = await self._tried(self._got(self.getter), AlarmStatus.READ)
            if value is not None:
                await self.write(value, verify_value=False)
        return await super().read(data_type)

    async def _got(self, getter: Callable[[Any], Awaitable[Any]]) -> Any:
        value = await getter(self)
        if value is None:
            return None
        value = self._fitting(value)
        # Reading does not write to the device: the putter is left out, everything else is checked.
        accepted = await super().verify_value(value)
        return value if accepted is None else accepted

    async def verify_value(self, value: Any) -> Any:
        """Check a value and run the putter; return what is to be stored.

        Raises
        ------
        SkipWrite
            By the putter, if nothing is to be stored.
        """
        accepted = await super().verify_value(value)
        if accepted is not None:
            value = accepted
        if self.putter is None:
            return value
        if self._field_inst is not None and await self._field_inst.is_disabled():
            return value  # nothing is done with it, as in a real record
        replaced = await self._tried(self._put(self.putter, value), AlarmStatus.WRITE)
        return value if replaced is None else replaced

    async def _put(self, putter: Callable[[Any, Any], Awaitable[Any]], value: Any) -> Any:
        replaced = await putter(self, value)
        return None if replaced is None else self._fitting(replaced)

    async def _tried(self, hook: Awaitable[Any], status: AlarmStatus) -> Any:
        """Run a getter or putter: one that fails puts the PV into alarm until it succeeds; so does an unfit result."""
        try:
            returned = await hook
        except (Forbidden, ServerExit):
            raise
        except SkipWrite:
            await self._succeeded(status)
            raise
        except Exception as error:
            self._failed = status
            await self.alarm.write(status=status, severity=AlarmSeverity.MAJOR_ALARM)
            if isinstance(error, CaprotoError):  # for all that a server knows, the client's mistake
                self.log.exception(
                    "%s: the %s failed", self.pvname, "getter" if status is AlarmStatus.READ else "putter"
                )
            raise
        await self._succeeded(status)
        return returned

    async def _succeeded(self, status: AlarmStatus) -> None:
        if self._failed is status:
            self._failed = None
            if self.status == status:
                await self.alarm.write(status=AlarmStatus.NO_ALARM, severity=AlarmSeverity.NO_ALARM)

    async def update_fields(self, value: Any) -> None:
        """Let the record follow a new value of the PV, or the PV one of its record's fields."""
        await super().update_fields(value)
        if self.on_write is not None:
            await self.on_write(value)
        if self._field_inst is not None or getattr(self._record_class, "has_value_hook", False):
            await self.field_inst.value_written(value)

    async def write_metadata(self, *args: Any, **kwargs: Any) -> None:
        """Change units, limits and the like; the fields of the record follow."""
        await super().write_metadata(*args, **kwargs)
        if self._field_inst is not None:
            await self._field_inst.metadata_written()

    async def publish(self, flags: Any) -> None:
        """Tell subscribers of the PV, and of the fields that show its alarm and time."""
        await super().publish(flags)
        if self._field_inst is not None:
            await self._field_inst.publish(flags)

    # Records ------------------------------------------------------------------------------------

    @property
    def record_type(self) -> str | None:
        """The record it poses as, if any."""
        return None if self._record_class is None else str(self._record_class.record_name_of_type)

    @property
    def field_inst(self) -> Any:
        """The fields of the record by attribute; None if it is none.  Each field is made on first use."""
        if self._field_inst is None and self._record_class is not None:
            self._field_inst = self._record_class(prefix=f"{self.pvname}.", parent=self)
        return self._field_inst

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the record by name; empty if it is none.  Each field is made on first use."""
        return {} if self._record_class is None else self.field_inst.by_name

    def get_field(self, field: str | None) -> Any:
        """Return a field by name; VAL is the PV itself.

        Raises
        ------
        CaprotoKeyError
            If there is no such field.
        """
        if not field or field == "VAL":
            return self
        if self._record_class is None:
            raise CaprotoKeyError(f"{self.pvname} has no field {field!r}, it is no record")
        try:
            return self.field_inst.by_name[field]
        except KeyError:
            raise CaprotoKeyError(f"{self.pvname}: record {self.record_type!r} has no field {field!r}") from None

    # What a server runs -------------------------------------------------------------------------

    def _jobs(self, kind: str) -> list[Job]:
        hook = getattr(self, kind)
        jobs: list[Job] = [partial(hook, self)] if hook is not None else []
        if kind == "scan" and self._runs_scanner:
            jobs.append(self.group._top_._scanner_.run)
        if self._record_class is not None and self._record_class.may_have_jobs(self.pvspec):
            for field in self.field_inst.fields_with_jobs():
                jobs += field._jobs(kind)
        return jobs

    def _together(self, kind: str) -> Job | None:
        jobs = self._jobs(kind)
        return None if not jobs else jobs[0] if len(jobs) == 1 else Together(jobs)

    @property
    def server_startup(self) -> Job | None:
        """What to await when the server has started, called with the async layer; None if there is nothing."""
        return self._together("startup")

    @property
    def server_shutdown(self) -> Job | None:
        """What to await before the server ends, called with the async layer; None if there is nothing."""
        return self._together("shutdown")

    @property
    def server_scan(self) -> Job | None:
        """What to run as long as the server does, called with the async layer; None if there is nothing."""
        return self._together("scan")


_HOOKS = {kind: {"get": "getter", "put": "putter"}.get(kind, kind) for kind in PARAMETERS}


def _overrides(group: Any, method: str) -> bool:
    from ._group import PVGroup

    return group is not None and getattr(type(group), method, None) is not getattr(PVGroup, method)


class Together:
    """Jobs of one PV and its fields; a server runs each by itself, so that none ends with another.

    Parameters
    ----------
    jobs : list of async callable
    """

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = jobs

    async def __call__(self, async_lib: AsyncLibraryLayer) -> None:
        """Run them side by side, in the idiom of the library."""
        library = async_lib.library
        if hasattr(library, "open_nursery"):
            async with library.open_nursery() as nursery:
                for job in self.jobs:
                    nursery.start_soon(job, async_lib)
        else:
            await library.gather(*(job(async_lib) for job in self.jobs))


class PvpropertyReadOnlyData(PvpropertyData[T_RecordFields]):
    """A PV that clients may only read; the IOC itself writes as it likes."""

    def check_access(self, host: str, user: str) -> AccessRights:
        """Return what a user on a host may do: reading at most."""
        return super().check_access(host, user) & AccessRights.READ


class PvpropertyChar(PvpropertyData[T_RecordFields], ChannelChar):
    """Text of any length, as CHAR."""


class PvpropertyByte(PvpropertyData[T_RecordFields], ChannelByte):
    """Bytes, as CHAR."""

    def _check_length(self, length: int) -> None:
        if length:  # no bytes are a value, even if there is room for one only
            super()._check_length(length)


class PvpropertyShort(PvpropertyData[T_RecordFields], ChannelShort):
    """16-bit integers."""


class PvpropertyInteger(PvpropertyData[T_RecordFields], ChannelInteger):
    """32-bit integers."""


class PvpropertyFloat(PvpropertyData[T_RecordFields], ChannelFloat):
    """32-bit floating point numbers."""


class PvpropertyDouble(PvpropertyData[T_RecordFields], ChannelDouble):
    """64-bit floating point numbers."""


class PvpropertyString(PvpropertyData[T_RecordFields], ChannelString):
    """Text of up to 39 characters, as STRING."""


class PvpropertyEnum(PvpropertyData[T_RecordFields], ChannelEnum):
    """One of some states; the first one, unless `value` says otherwise."""

    def __init__(self, *, enum_strings: Any = None, value: Any = None, **kwargs: Any) -> None:
        if value is None:
            value = enum_strings[0] if enum_strings else 0
        elif enum_strings and type(value) is int and 0 <= value < len(enum_strings):
            value = enum_strings[value]
        super().__init__(enum_strings=enum_strings, value=value, **kwargs)
        self._named(value)  # a state that does not exist is refused here, not by the first read


class SwitchState(State):
    """The name of a state that is off or on, that also is false when off.

    IOCs ask both ``if self.enabled.value:`` and ``if self.enabled.value == "On":``.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self.number)


class PvpropertyBoolEnum(PvpropertyData[T_RecordFields], ChannelEnum):
    """Off or on; the value is a :class:`SwitchState` once it was written."""

    def __init__(self, *, enum_strings: Any = None, **kwargs: Any) -> None:
        super().__init__(enum_strings=enum_strings or ("Off", "On"), **kwargs)
        if self._value is not None:
            self._named(self._value)

    def _named_state(self, state: Any) -> Any:
        named = super()._named_state(state)
        return SwitchState(named, named.number) if isinstance(named, State) else named


class PvpropertyCharRO(PvpropertyReadOnlyData[T_RecordFields], ChannelChar):
    """Text of any length, as CHAR, for reading."""


class PvpropertyByteRO(PvpropertyReadOnlyData[T_RecordFields], PvpropertyByte[T_RecordFields]):
    """Bytes, as CHAR, for reading."""


class PvpropertyShortRO(PvpropertyReadOnlyData[T_RecordFields], ChannelShort):
    """16-bit integers for reading."""


class PvpropertyIntegerRO(PvpropertyReadOnlyData[T_RecordFields], ChannelInteger):
    """32-bit integers for reading."""


class PvpropertyFloatRO(PvpropertyReadOnlyData[T_RecordFields], ChannelFloat):
    """32-bit floating point numbers for reading."""


class PvpropertyDoubleRO(PvpropertyReadOnlyData[T_RecordFields], ChannelDouble):
    """64-bit floating point numbers for reading."""


class PvpropertyStringRO(PvpropertyReadOnlyData[T_RecordFields], ChannelString):
    """Text of up to 39 characters, as STRING, for reading."""


class PvpropertyEnumRO(PvpropertyReadOnlyData[T_RecordFields], PvpropertyEnum[T_RecordFields]):
    """One of some states, for reading."""


class PvpropertyBoolEnumRO(PvpropertyReadOnlyData[T_RecordFields], PvpropertyBoolEnum[T_RecordFields]):
    """Off or on, for reading."""
