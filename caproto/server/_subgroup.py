"""Groups within groups, and pairs of a setpoint and its readback."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .._errors import CaprotoAttributeError, CaprotoError, CaprotoRuntimeError
from ._hooks import begun, caller, expand_macros
from ._pvproperty import pvproperty
from ._pvspec import PVSpec
from .typing import T_PVGroup

if TYPE_CHECKING:
    from ._group import PVGroup

__all__ = ["NestedPvproperty", "SubGroup", "get_pv_pair_wrapper"]

Self = TypeVar("Self", bound="SubGroup[Any]")


class SubGroup(Generic[T_PVGroup]):
    """A group as part of another one.

    Parameters
    ----------
    group : type or dict, optional
        A subclass of :class:`PVGroup`; or pvproperties (or PVSpecs) by attribute; or nothing, to be used as a
        decorator of a class.
    prefix : str, optional
        What the names of its PVs begin with, after the prefix of the group around it; by default the attribute and
        the separator.
    macros : dict, optional
        In addition to those of the group around it.
    attr_separator : str, optional
        By default ``":"``.
    doc : str, optional
        What it is.
    base : tuple of type, optional
        Bases of the class that is made from a dict, or from a decorated class.
    **init_kwargs
        What the class of the subgroup takes in addition.

    Examples
    --------
    ::

        class Beamline(PVGroup):
            slit = SubGroup(Slit, prefix="Slt:")

            @SubGroup
            class camera(PVGroup):
                exposure = pvproperty(value=0.1)
    """

    attr_separator: str = ":"

    @overload
    def __init__(self, group: type[T_PVGroup], **options: Any) -> None: ...

    @overload
    def __init__(
        self: SubGroup[Any],
        group: Any = None,
        *,
        prefix: str | None = None,
        macros: Mapping[str, str] | None = None,
        attr_separator: str | None = None,
        doc: str | None = None,
        base: tuple[type, ...] | None = None,
        **init_kwargs: Any,
    ) -> None: ...

    def __init__(
        self,
        group: Any = None,
        *,
        prefix: str | None = None,
        macros: Mapping[str, str] | None = None,
        attr_separator: str | None = None,
        doc: str | None = None,
        base: tuple[type, ...] | None = None,
        **init_kwargs: Any,
    ) -> None:
        self.attr_name: str | None = None
        self.owner: type | None = None
        self.misnamed: str | None = None
        # The inherited SubGroup whose pvproperties this one gives more hooks.
        self.origin: Any = None
        self.location: tuple[str, int] | None = caller(2)
        self.prefix = prefix
        self.macros = dict(macros or {})
        if attr_separator is not None:
            self.attr_separator = attr_separator
        self.base = base
        self.init_kwargs = init_kwargs
        self.group_cls: Any = None
        self.group_dict: dict[str, Any] | None = None
        self.__doc__ = doc
        if group is not None:
            self._take(group)

    def _take(self, group: Any) -> None:
        from ._group import PVGroup

        if isinstance(group, Mapping):
            self.group_dict = {attr: _as_property(attr, item) for attr, item in group.items()}
            self.group_cls = type("SubGroup", self.base or (PVGroup,), dict(self.group_dict))
        elif isinstance(group, type) and issubclass(group, PVGroup):
            self.group_cls = group
        elif isinstance(group, type):
            # A plain class under the decorator: its body is what counts.
            body = {name: item for name, item in vars(group).items() if name not in ("__dict__", "__weakref__")}
            self.group_cls = type(group.__name__, self.base or (PVGroup,), body)
        else:
            raise CaprotoRuntimeError(f"{self.describe()}: a SubGroup takes a PVGroup or a dict, not {group!r}")
        if self.__doc__ is None:
            self.__doc__ = self.group_cls.__doc__

    @property
    def group(self) -> Any:
        """The class of the subgroup."""
        return self.group_cls

    def __call__(self: Self, group: Any) -> Self:
        """Take the class, as a decorator."""
        self._take(group)
        return self

    # In the body of a class ---------------------------------------------------------------------

    def __set_name__(self, owner: type, name: str) -> None:
        if name.startswith("_"):
            return
        if self.owner is None:
            self.owner, self.attr_name = owner, name
            if self.group_dict is not None:
                self.group_cls.__name__, self.group_cls.__qualname__ = name, f"{owner.__qualname__}.{name}"
                self.group_cls.__module__ = owner.__module__
        elif self.owner is owner and name != self.attr_name:
            self.misnamed = name

    def renamed(self: Self, owner: type, name: str) -> Self:
        """Return a copy under another name, or of another class."""
        other = copy.copy(self)
        other.owner, other.attr_name, other.misnamed = owner, name, None
        return other

    @overload
    def __get__(self: Self, instance: None, owner: Any = None) -> Self: ...

    @overload
    def __get__(self, instance: PVGroup, owner: Any = None) -> T_PVGroup: ...

    def __get__(self: Any, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance._groups_[self.attr_name]

    def __set__(self, instance: PVGroup, value: Any) -> None:
        raise CaprotoAttributeError(f"{type(instance).__qualname__}.{self.attr_name} is a SubGroup, it stays")

    def __getattr__(self, attr: str) -> Any:
        # Only called for what is not an attribute of the SubGroup itself.
        if attr.startswith("__") or attr == "group_cls":
            raise AttributeError(attr)
        member = getattr(self.group_cls, "_members_", {}).get(attr)
        if isinstance(member, pvproperty):
            target = begun(self)
            return NestedPvproperty.of(target.group_cls._members_[attr], target)
        if member is not None:
            return member
        raise CaprotoAttributeError(f"{self.describe()}: there is no pvproperty {attr!r} in it")

    def with_member(self: Self, prop: pvproperty[Any], attr: str) -> Self:
        """Return the SubGroup with one pvproperty replaced; its class is left alone, others may use it."""
        changed = type(self.group_cls.__name__, (self.group_cls,), {attr: prop, "__doc__": self.group_cls.__doc__})
        changed.__qualname__ = self.group_cls.__qualname__
        changed.__module__ = self.group_cls.__module__
        target = self
        if self.owner is not None:
            target = copy.copy(self)
            target.owner, target.origin = None, self
        target.group_cls = changed
        return target

    def create(self, parent: PVGroup) -> PVGroup:
        """Return the subgroup of an instance."""
        macros = {**parent.macros, **self.macros}
        own = f"{self.attr_name}{self.attr_separator}" if self.prefix is None else self.prefix
        if self.group_cls is None:
            raise CaprotoRuntimeError(f"{self.describe()}: no PVGroup was given")
        try:
            prefix = (parent.prefix + expand_macros(own, macros)).replace("{", "{{").replace("}", "}}")
            group: PVGroup = self.group_cls(
                prefix, macros=macros, parent=parent, name=f"{parent._name_}.{self.attr_name}", **self.init_kwargs
            )
        except (CaprotoError, TypeError) as error:  # the class may not take what the SubGroup was given
            reason = error.args[0] if isinstance(error, KeyError) and error.args else error
            raise CaprotoRuntimeError(f"{self.describe()}: {reason}") from error
        return group

    def describe(self) -> str:
        """Return ``Class.attribute (file:line)`` for error messages."""
        owner = "" if self.owner is None else f"{self.owner.__qualname__}."
        where = "" if self.location is None else f" ({self.location[0]}:{self.location[1]})"
        return f"{owner}{self.attr_name or type(self).__name__}{where}"


def _as_property(attr: str, item: Any) -> Any:
    if isinstance(item, PVSpec):
        return pvproperty.from_pvspec(item.new_names(attr, attr if item.name is None else None))
    return item


class NestedPvproperty(pvproperty[Any]):
    """A pvproperty of a subgroup, for giving it hooks from outside: ``@pair.setpoint.putter``.

    The decorators return the SubGroup; the first argument of the hooks is the subgroup's instance.
    """

    parent: Any = None

    @classmethod
    def of(cls, prop: pvproperty[Any], parent: SubGroup[Any]) -> NestedPvproperty:
        """Return `prop` as part of `parent`."""
        nested = cls()
        nested.__dict__.update(prop.__dict__)
        nested.parent = parent
        return nested

    @classmethod
    def from_pvspec(cls, pvspec: PVSpec, parent: Any = None, **kwargs: Any) -> NestedPvproperty:
        """Return a pvproperty with a given specification, as part of `parent`."""
        return cls.of(pvproperty.from_pvspec(pvspec), parent)

    def _with(self, **changes: Any) -> Any:
        plain: pvproperty[Any] = pvproperty()
        plain.__dict__.update({key: item for key, item in self.__dict__.items() if key != "parent"})
        plain.pvspec = self.pvspec._replace(**changes)
        plain.owner = None
        return self.parent.with_member(plain, str(self.attr_name))


async def _follow(group: Any, instance: Any, value: Any) -> None:
    """Let the readback of a pair be its setpoint."""
    await group.readback.write(value)


def get_pv_pair_wrapper(setpoint_suffix: str = "", readback_suffix: str = "_RBV") -> Callable[..., SubGroup[Any]]:
    """Return what makes pairs of PVs: a setpoint, and a readback for reading.

    The result is called as :class:`pvproperty` is; `put` goes to the setpoint, `get`, `startup`, `shutdown` and
    `scan` to the readback, `setpoint_kw` and `readback_kw` to one of them, everything else to both.  It returns a
    :class:`SubGroup` with the pvproperties ``setpoint`` and ``readback``.  Without `put` the readback follows the
    setpoint.

    Parameters
    ----------
    setpoint_suffix, readback_suffix : str, optional
        What follows the name of the pair in the names of the PVs.
    """

    def wrapped(
        *,
        get: Any = None,
        put: Any = None,
        startup: Any = None,
        shutdown: Any = None,
        name: str | None = None,
        dtype: Any = None,
        value: Any = None,
        max_length: int | None = None,
        alarm_group: str | None = None,
        doc: str | None = None,
        fields: Any = None,
        scan: Any = None,
        setpoint_kw: Mapping[str, Any] | None = None,
        readback_kw: Mapping[str, Any] | None = None,
        **cls_kwargs: Any,
    ) -> SubGroup[Any]:
        common = {
            "dtype": dtype, "value": value, "max_length": max_length, "alarm_group": alarm_group, "doc": doc,
            "fields": fields, **cls_kwargs,
        }  # fmt: skip
        setpoint = {**common, "name": setpoint_suffix, "put": put or _follow, **(setpoint_kw or {})}
        readback = {**common, "name": readback_suffix, "get": get, "startup": startup, "shutdown": shutdown}
        readback |= {"scan": scan, "read_only": True, **(readback_kw or {})}
        pair: dict[str, pvproperty[Any]] = {"setpoint": pvproperty(**setpoint), "readback": pvproperty(**readback)}
        return SubGroup(pair, prefix=name, attr_separator="", doc=doc)

    return wrapped
