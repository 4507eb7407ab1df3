"""``@x.fields.FIELD.putter``: hooks of the fields of a record, in the body of a PVGroup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import CaprotoAttributeError
from ._hooks import check_hook

if TYPE_CHECKING:
    from ._pvproperty import pvproperty

__all__ = ["FieldSpec"]


class FieldSpec:
    """The fields of a pvproperty's record; attributes are those of the record class, or names of fields.

    The first argument of a field's hook is the group of the fields, the second the field.
    """

    def __init__(self, prop: pvproperty[Any]) -> None:
        self._prop = prop

    def items(self) -> tuple[tuple[tuple[str, str], Any], ...]:
        """The hooks so far: ``((field, kind), hook)``."""
        return self._prop.pvspec.fields or ()

    def __getattr__(self, attr: str) -> _Field:
        if attr.startswith("__"):
            raise AttributeError(attr)
        if self._prop.record_type is None:
            raise CaprotoAttributeError(f"{self._prop.describe()} has no fields, it is no record")
        from .records import find_record

        record = find_record(self._prop.record_type)
        field = record.field_of(attr)
        if field is None:
            raise CaprotoAttributeError(f"{self._prop.describe()}: {record.__name__} has no field {attr!r}")
        return _Field(self._prop, field)


class _Field:
    """One field: takes its hooks, and gives the pvproperty back."""

    def __init__(self, prop: pvproperty[Any], field: str) -> None:
        self._prop = prop
        self._field = field

    def _hook(self, kind: str, hook: Any) -> pvproperty[Any]:
        check_hook(kind, hook)
        others = tuple(item for item in self._prop.pvspec.fields or () if item[0] != (self._field, kind))
        return self._prop._with(fields=(*others, ((self._field, kind), hook)))

    def getter(self, get: Any) -> pvproperty[Any]:
        """Take ``async def x(fields, instance)``."""
        return self._hook("get", get)

    def putter(self, put: Any) -> pvproperty[Any]:
        """Take ``async def x(fields, instance, value)``."""
        return self._hook("put", put)

    def startup(self, startup: Any) -> pvproperty[Any]:
        """Take ``async def x(fields, instance, async_lib)``."""
        return self._hook("startup", startup)

    def shutdown(self, shutdown: Any) -> pvproperty[Any]:
        """Take ``async def x(fields, instance, async_lib)``."""
        return self._hook("shutdown", shutdown)
