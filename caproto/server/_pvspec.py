"""The specification of one PV: what a pvproperty knows about it before there is an IOC."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args, get_origin

from .._data import ChannelData
from .._enums import ChannelType
from .._errors import CaprotoError, CaprotoRuntimeError, CaprotoTypeError, CaprotoValueError
from ._hooks import PARAMETERS, check_hook, expand_macros, location_of

if TYPE_CHECKING:
    from ._group import PVGroup
    from ._pvdata import PvpropertyData
    from .typing import Getter, Putter, Scan, Shutdown, Startup

__all__ = ["PVSpec", "channeldata_from_pvspec", "data_class_from_pvspec"]

FieldHooks = tuple[tuple[tuple[str, str], Any], ...]

# Kind and item size of numpy's types and typecodes of array.array, as the types of Channel Access.
_KINDS: dict[str, Any] = {
    "f2": ChannelType.FLOAT, "f4": ChannelType.FLOAT, "f8": float, "f16": float,
    "i1": bytes, "u1": bytes, "i2": ChannelType.INT, "u2": int, "i4": int, "u4": float, "i8": int, "u8": float,
    "b1": bytes,
}  # fmt: skip
_TYPECODES = {"f": "f4", "d": "f8", "b": "i1", "B": "u1", "h": "i2", "H": "u2", "i": "i4", "I": "u4"}
_TYPECODES |= {"l": "i8", "L": "u8", "q": "i8", "Q": "u8"}


class _Spec(NamedTuple):
    get: Getter | None = None
    put: Putter | None = None
    startup: Startup | None = None
    shutdown: Shutdown | None = None
    attr: str | None = None
    name: str | None = None
    dtype: Any = None
    value: Any = None
    max_length: int | None = None
    alarm_group: str | None = None
    read_only: bool | None = None
    doc: str | None = None
    fields: FieldHooks | None = None
    scan: Scan | None = None
    record: Any = None
    cls_kwargs: dict[str, Any] | None = None


class PVSpec(_Spec):
    """All that is said about one PV.

    Parameters
    ----------
    get, put, startup, shutdown, scan : async callable, optional
        The hooks; see :class:`pvproperty`.
    attr : str, optional
        The attribute of the group.
    name : str, optional
        What follows the group's prefix in the name of the PV; may hold macros.
    dtype : type, ChannelType or data class, optional
        The type of the value; by default that of `value`.
    value : optional
        The initial value.
    max_length : int, optional
        The most elements; by default as many as `value` has.
    alarm_group : str, optional
        PVs of a group that name the same one share their alarm.
    read_only : bool, optional
        Whether clients may not write.
    doc : str, optional
        What it is.
    fields : tuple, optional
        Hooks of the record's fields: ``((field, kind), hook)``.
    record : str or record class, optional
        The record it poses as.
    cls_kwargs : dict, optional
        Everything else that the data class takes.
    """

    __slots__ = ()
    default_dtype = int

    def __new__(cls, *args: Any, **kwargs: Any) -> PVSpec:
        self = super().__new__(cls, *args, **kwargs)
        for kind in PARAMETERS:
            hook = getattr(self, kind)
            if hook is not None:
                check_hook(kind, hook, self.attr)
        return self

    def new_names(self, attr: str | None = None, name: str | None = None) -> PVSpec:
        """Return the specification with another attribute and name; those that are None stay."""
        return self._replace(
            attr=self.attr if attr is None else attr,
            name=self.name if name is None else name,
        )

    # Data class ---------------------------------------------------------------------------------

    def _natural_dtype(self) -> Any:
        """Return the type that is meant when none was given."""
        value = self.value
        if self.cls_kwargs and "enum_strings" in self.cls_kwargs:
            return ChannelType.ENUM
        if value is None:
            known = _record_dtype(self.record)
            return self.default_dtype if known is None else known
        many = _array_kind(value)
        if many is not None:
            return many
        if isinstance(value, (list, tuple)):
            if not value:
                raise CaprotoValueError("the type of an empty sequence is not known, say dtype=")
            if isinstance(value[0], str):
                return ChannelType.STRING
            if any(isinstance(item, float) for item in value):
                return float
            value = value[0]
        kind = _array_kind(value)
        return type(value) if kind is None else kind

    def get_data_class(self, group: PVGroup | None = None) -> type[PvpropertyData[Any]]:
        """Return the class of the data: from `dtype`, or else from the value, by the group's type map.

        Raises
        ------
        CaprotoTypeError
            If there is no class for the type.
        """
        from ._group import PVGroup
        from ._pvdata import PvpropertyData

        owner: Any = PVGroup if group is None else group
        dtype = self.dtype if self.dtype is not None else self._natural_dtype()
        dtype = get_origin(dtype) or dtype
        if isinstance(dtype, type) and issubclass(dtype, PvpropertyData):
            return dtype
        types = owner.type_map_read_only if self.read_only else owner.type_map
        found = types.get(_hashable(dtype))
        if found is None and isinstance(dtype, type):
            if issubclass(dtype, enum.Enum):
                found = types[enum.IntEnum]
            else:
                found = next((cls for known, cls in types.items() if _is_subclass(dtype, known)), None)
        if found is None and dtype in (list, tuple):
            found = types[self.default_dtype]
        if found is None:
            raise CaprotoTypeError(f"there is no data class for dtype={dtype!r}")
        return cast("type[PvpropertyData[Any]]", found)

    def _default_value(self, group: PVGroup | None, cls: type[ChannelData]) -> Any:
        from ._group import PVGroup

        if cls.data_type == ChannelType.ENUM:
            return 0
        owner: Any = PVGroup if group is None else group
        dtype = self.dtype if self.dtype is not None else self._natural_dtype()
        return owner.default_values.get(_hashable(dtype), getattr(cls, "default_value", 0))

    def get_instantiation_info(self, group: PVGroup | None = None) -> tuple[type[PvpropertyData[Any]], dict[str, Any]]:
        """Return the data class, and what it is to be called with."""
        cls = self.get_data_class(group)
        name = self.name if self.name is not None else self.attr or ""
        kwargs = dict(self.cls_kwargs or {})
        kwargs |= {
            "pvname": name if group is None else group.prefix + expand_macros(name, group.macros),
            "group": group,
            "pvspec": self,
            "value": self._default_value(group, cls) if self.value is None else self.value,
            "max_length": self.max_length,
            "record": self._record(),
        }
        if self.doc:
            kwargs.setdefault("doc", self.doc)
        if self.alarm_group is not None and group is not None:
            kwargs.setdefault("alarm", group.alarms[self.alarm_group])
        dtype = self.dtype if self.dtype is not None else type(self.value)
        if isinstance(dtype, type) and issubclass(dtype, enum.Enum):
            kwargs.setdefault("enum_strings", _enum_strings(dtype))
        if isinstance(kwargs["value"], enum.Enum):
            kwargs["value"] = kwargs["value"].name
        return cls, kwargs

    def _record(self) -> Any:
        """Return the record: the one that is named, or that of a hint such as ``PvpropertyDouble[AiFields]``."""
        if self.record is not None:
            return self.record
        return next((hint for hint in get_args(self.dtype) if isinstance(hint, type)), None)

    def create(self, group: PVGroup | None = None) -> PvpropertyData[Any]:
        """Return the PV itself.

        Raises
        ------
        CaprotoRuntimeError
            If the specification does not make sense: an unknown keyword, a value that does not fit.
        """
        cls: Any = None
        try:
            cls, kwargs = self.get_instantiation_info(group)
            made: PvpropertyData[Any] = cls(**kwargs)
            return made
        except (TypeError, ValueError, KeyError, AttributeError, IndexError, CaprotoError) as error:
            what = "" if cls is None else f" {cls.__name__}"
            reason = error.args[0] if isinstance(error, KeyError) and error.args else error
            raise CaprotoRuntimeError(f"{self.describe(group)}: cannot make the{what} PV: {reason}") from error

    def describe(self, group: PVGroup | None = None) -> str:
        """Return ``Class.attribute (file:line)`` for error messages, as far as known."""
        owner = f"{type(group).__qualname__}." if group is not None else ""
        prop = getattr(type(group), self.attr or "", None) if group is not None else None
        where = getattr(prop, "location", None)
        if where is not None:
            return f"{owner}{self.attr} ({where[0]}:{where[1]})"
        hook = next((hook for hook in (self.get, self.put, self.startup) if hook is not None), None)
        return f"{owner}{self.attr or self.name}" + (f" ({location_of(hook)})" if hook is not None else "")


def _hashable(dtype: Any) -> Any:
    try:
        hash(dtype)
    except TypeError:
        return None
    return dtype


def _is_subclass(dtype: type, known: Any) -> bool:
    kind = _array_kind_of(getattr(dtype, "dtype", dtype), dtype)
    if kind is not None:
        return bool(kind == known)
    return isinstance(known, type) and issubclass(dtype, known)


def _array_kind_of(dtype: Any, cls: type) -> Any:
    """Return the type of a class of numpy scalars."""
    if cls.__module__ != "numpy":
        return None
    import numpy

    return _numpy_kind(numpy.dtype(cls))


def _numpy_kind(dtype: Any) -> Any:
    if dtype.kind in "US":
        return ChannelType.STRING
    found = _KINDS.get(f"{dtype.kind}{dtype.itemsize}")
    if found is None:
        raise CaprotoTypeError(f"arrays of {dtype} are not served")
    return found


def _array_kind(value: Any) -> Any:
    """Return the type of the elements of an array or numpy scalar; None for anything else."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None and hasattr(dtype, "kind"):
        scalar = getattr(value, "ndim", 0) == 0
        # One small number is a number; many are bytes.
        return int if scalar and _numpy_kind(dtype) is bytes else _numpy_kind(dtype)
    typecode = getattr(value, "typecode", None)
    return _KINDS.get(_TYPECODES.get(typecode, "")) if isinstance(typecode, str) else None


def _enum_strings(cls: Any) -> tuple[str, ...]:
    """Return the names of an Enum by number; those between get one too, as clients choose states by their names."""
    numbered = {
        member.value if isinstance(member.value, int) else index: member.name for index, member in enumerate(cls)
    }
    return tuple(numbered.get(number, f"unset_{number}") for number in range(max(numbered, default=-1) + 1))


def _record_dtype(record: Any) -> Any:
    """Return the type of a record's VAL field; None if there is no such record."""
    if record is None:
        return None
    from .records import value_dtype

    return value_dtype(record)


def data_class_from_pvspec(group: PVGroup, pvspec: PVSpec) -> type[PvpropertyData[Any]]:
    """Return the data class of a specification in a group."""
    return pvspec.get_data_class(group)


def channeldata_from_pvspec(group: PVGroup, pvspec: PVSpec) -> tuple[str, PvpropertyData[Any]]:
    """Return name and PV of a specification in a group; the group learns nothing of it."""
    pv = pvspec.create(group)
    return pv.pvname, pv
