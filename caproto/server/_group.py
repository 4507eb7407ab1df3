"""``PVGroup``: a class whose pvproperties become the PVs of an IOC."""

from __future__ import annotations

import enum
import logging
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from .._data import ChannelAlarm, ChannelData
from .._enums import ChannelType
from .._errors import CaprotoRuntimeError
from . import _pvdata as data
from ._hooks import check_hook, expand_macros
from ._pvproperty import pvproperty
from ._subgroup import SubGroup

if TYPE_CHECKING:
    from ._pvdata import PvpropertyData

__all__ = ["PVGroup"]


class PVGroup:
    """PVs that belong together; subclasses declare them with :class:`pvproperty` and :class:`SubGroup`.

    Parameters
    ----------
    prefix : str
        What the names of all PVs begin with; ``{macro}`` is replaced.
    macros : dict, optional
        Values of macros in the prefix and in names.
    parent : PVGroup, optional
        The group this one is part of.
    name : str, optional
        For messages and logs; by default the name of the class.

    Attributes
    ----------
    pvdb : dict
        PVs by their whole names, those of subgroups included: what a server serves.
    attr_pvdb : dict
        The same PVs by attribute, ``"sub.attribute"`` in subgroups.
    groups : dict
        Subgroups by attribute, ``"sub.attribute"`` for those in subgroups.
    alarms : dict
        The alarms that PVs share, by ``alarm_group``.
    states : dict
        States for the filter ``sync`` of channels, shared with all groups of the IOC.
    """

    type_map: ClassVar[dict[Any, Any]] = {
        str: data.PvpropertyChar,
        bytes: data.PvpropertyByte,
        int: data.PvpropertyInteger,
        float: data.PvpropertyDouble,
        bool: data.PvpropertyBoolEnum,
        enum.IntEnum: data.PvpropertyEnum,
        ChannelType.STRING: data.PvpropertyString,
        ChannelType.INT: data.PvpropertyShort,
        ChannelType.LONG: data.PvpropertyInteger,
        ChannelType.DOUBLE: data.PvpropertyDouble,
        ChannelType.FLOAT: data.PvpropertyFloat,
        ChannelType.ENUM: data.PvpropertyEnum,
        ChannelType.CHAR: data.PvpropertyChar,
    }
    type_map_read_only: ClassVar[dict[Any, Any]] = {
        dtype: getattr(data, f"{cls.__name__}RO") for dtype, cls in type_map.items()
    }
    default_values: ClassVar[dict[Any, Any]] = {
        str: "",
        bytes: b"",
        int: 0,
        float: 0.0,
        bool: False,
        ChannelType.STRING: "",
        ChannelType.INT: 0,
        ChannelType.LONG: 0,
        ChannelType.DOUBLE: 0.0,
        ChannelType.FLOAT: 0.0,
        ChannelType.ENUM: 0,
        ChannelType.CHAR: "",
    }
    # pvproperties and subgroups, inherited ones included, in the order of their definition.
    _members_: ClassVar[dict[str, pvproperty[Any] | SubGroup[Any]]] = {}
    # PVs may have these names, and IOCs set what they like: the framework looks at its own attributes.
    name: str
    groups: dict[str, PVGroup]
    # Processes records as their SCAN fields say; made by the first record of the whole IOC.
    _scanner_: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for attr, thing in list(vars(cls).items()):
            if not isinstance(thing, (pvproperty, SubGroup)):
                continue
            if attr.startswith("_"):
                # Not a PV by itself, but a hook of an inherited one may have such a name.
                if thing.origin is None or thing.owner is not None:
                    continue
                attr = str(thing.attr_name)
            _check_name(cls, attr, thing)
            if thing.owner is not cls or thing.attr_name != attr:
                setattr(cls, attr, thing.renamed(cls, attr))
        for kind, method in (("get", "group_read"), ("put", "group_write")):
            if method in vars(cls):
                check_hook(kind, vars(cls)[method], method)
        cls._members_ = members = {}
        for base in reversed(cls.__mro__):
            for attr, thing in vars(base).items():
                if isinstance(thing, (pvproperty, SubGroup)) and not attr.startswith("_"):
                    members[attr] = thing
                else:
                    members.pop(attr, None)

    def __init__(
        self,
        prefix: str,
        *,
        macros: Mapping[str, str] | None = None,
        parent: PVGroup | None = None,
        name: str | None = None,
    ) -> None:
        self.parent = parent
        self.macros = dict(macros or {})
        self.prefix = expand_macros(prefix, self.macros)
        self._name_ = type(self).__name__ if name is None else name
        self._groups_: dict[str, PVGroup] = {}
        self.__dict__.update(name=self._name_, groups=self._groups_)
        self.alarms: dict[str | None, ChannelAlarm] = defaultdict(ChannelAlarm)
        self.states: dict[str, bool] = {} if parent is None else parent.states
        self.pvdb: dict[str, PvpropertyData[Any]] = {}
        self.attr_pvdb: dict[str, PvpropertyData[Any]] = {}
        self._create_pvdb()

    def _create_pvdb(self) -> None:
        attributes: dict[str, str] = {}
        for attr, member in self._members_.items():
            if isinstance(member, SubGroup):
                group = self._groups_[attr] = member.create(self)
                self._groups_.update({f"{attr}.{inner}": part for inner, part in group._groups_.items()})
                found = {f"{attr}.{inner}": pv for inner, pv in group.attr_pvdb.items()}
            else:
                found = {attr: member.pvspec.create(self)}
            for path, pv in found.items():
                other = attributes.get(pv.pvname)
                if other is not None:
                    raise CaprotoRuntimeError(
                        f"{member.describe()}: PV name {pv.pvname!r} of {path!r} is already that of {other!r}"
                    )
                attributes[pv.pvname] = path
                self.pvdb[pv.pvname] = pv
                self.attr_pvdb[path] = pv

    @property
    def _top_(self) -> PVGroup:
        """The group around all others; that is this one, if it is part of none."""
        return self if self.parent is None else self.parent._top_

    @property
    def attr_to_pvname(self) -> dict[str, str]:
        """Whole names of PVs by attribute."""
        return {attr: pv.pvname for attr, pv in self.attr_pvdb.items()}

    @cached_property
    def log(self) -> logging.Logger:
        """Where hooks may report what happens."""
        return logging.getLogger(f"{type(self).__module__}.{self._name_}")

    async def group_read(self, instance: PvpropertyData[Any]) -> Any:
        """Get the value of a PV that has no getter of its own; override it to take part."""
        return None

    async def group_write(self, instance: PvpropertyData[Any], value: Any) -> Any:
        """Put the value of a PV that has no putter of its own; override it to take part."""
        return None

    def update_state(self, state: str, value: bool) -> _StateUpdate:
        """Return what changes a state around a block: ``async with self.update_state("beam", True): ...``.

        Updates that are published within the block belong to the change, for the filter ``sync``.
        """
        return _StateUpdate(self, state, bool(value))


class _StateUpdate:
    """A change of a state: PVs hear of it before and after."""

    def __init__(self, group: PVGroup, state: str, value: bool) -> None:
        self.group, self.state, self.value = group, state, value

    def _pvs(self) -> list[ChannelData]:
        return list(self.group._top_.pvdb.values())

    async def __aenter__(self) -> _StateUpdate:
        for pv in self._pvs():
            pv.pre_state_change(self.state, self.value)
        self.group.states[self.state] = self.value
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pv in self._pvs():
            pv.post_state_change(self.state, self.value)


def _check_name(cls: type, attr: str, thing: Any) -> None:
    if thing.misnamed is not None:
        raise CaprotoRuntimeError(
            f"{thing.describe()}: {thing.misnamed!r} is the same pvproperty as {thing.attr_name!r}; "
            f"a hook must have the name of its pvproperty"
        )
    if attr in _RESERVED:
        raise CaprotoRuntimeError(f"{thing.describe()}: {attr!r} is an attribute of every PVGroup, take another name")


_RESERVED = {
    "alarms", "attr_pvdb", "attr_to_pvname", "group_read", "group_write", "macros", "parent", "prefix", "pvdb",
    "states",
}  # fmt: skip
