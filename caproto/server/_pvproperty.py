"""``pvproperty``: one PV in the body of a PVGroup."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .._enums import AlarmSeverity
from .._errors import CaprotoAttributeError, CaprotoRuntimeError
from ._fields import FieldSpec
from ._hooks import begun, caller, check_hook, location_of
from ._pvspec import PVSpec
from ._scan import scan_wrapper
from .typing import T_Data, T_RecordFields

if TYPE_CHECKING:
    from ._group import PVGroup
    from .typing import Getter, Putter, Scan, Shutdown, Startup

__all__ = ["pvproperty"]

logger = logging.getLogger("caproto.server")

Self = TypeVar("Self", bound="pvproperty[Any]")


class pvproperty(Generic[T_Data, T_RecordFields]):  # noqa: N801
    """One PV of a :class:`PVGroup`.

    Parameters
    ----------
    get, put, startup, shutdown, scan : async callable, optional
        Hooks; more often they are given by the decorators of the same names below.
    name : str, optional
        What follows the prefix of the group; by default the name of the attribute.  ``{macro}`` is replaced.
    dtype : type, ChannelType or data class, optional
        Type of the value: ``int``, ``float``, ``str``, ``bytes``, ``bool``, an Enum; by default that of `value`.
    value : optional
        The initial value; by default zero, or the empty text.
    max_length : int, optional
        The most elements the value may have; by default as many as `value` has.
    alarm_group : str, optional
        PVs of a group that name the same one share their alarm.
    doc : str, optional
        What it is.
    read_only : bool, optional
        Whether clients may not write.
    record : str or record class, optional
        The record it poses as, for instance ``"ai"``.
    field_spec, fields : optional
        Hooks of the record's fields; more often given by ``@x.fields.FIELD.putter``.
    **cls_kwargs
        What the data class takes: units, precision, limits, enum_strings, string_encoding ...

    Examples
    --------
    ::

        class Thermometer(PVGroup):
            setpoint = pvproperty(value=20.0, units="C")

            @setpoint.putter
            async def setpoint(self, instance, value):
                await self.device.heat_to(value)
    """

    if not TYPE_CHECKING:

        def __class_getitem__(cls, hints: Any) -> Any:
            return super().__class_getitem__(hints if isinstance(hints, tuple) else (hints, Any))

    @overload
    def __init__(
        self,
        get: Getter | None = None,
        put: Putter | None = None,
        startup: Startup | None = None,
        shutdown: Shutdown | None = None,
        *,
        dtype: type[T_Data],
        **options: Any,
    ) -> None: ...

    @overload
    def __init__(
        self: pvproperty[Any],
        get: Getter | None = None,
        put: Putter | None = None,
        startup: Startup | None = None,
        shutdown: Shutdown | None = None,
        *,
        scan: Scan | None = None,
        name: str | None = None,
        dtype: Any = None,
        value: Any = None,
        max_length: int | None = None,
        alarm_group: str | None = None,
        doc: str | None = None,
        read_only: bool | None = None,
        field_spec: FieldSpec | None = None,
        fields: Any = None,
        record: Any = None,
        **cls_kwargs: Any,
    ) -> None: ...

    def __init__(
        self,
        get: Getter | None = None,
        put: Putter | None = None,
        startup: Startup | None = None,
        shutdown: Shutdown | None = None,
        *,
        scan: Scan | None = None,
        name: str | None = None,
        dtype: Any = None,
        value: Any = None,
        max_length: int | None = None,
        alarm_group: str | None = None,
        doc: str | None = None,
        read_only: bool | None = None,
        field_spec: FieldSpec | None = None,
        fields: Any = None,
        record: Any = None,
        **cls_kwargs: Any,
    ) -> None:
        self.location: tuple[str, int] | None = caller(2)
        self.attr_name: str | None = None
        self.owner: type | None = None
        self.misnamed: str | None = None
        # The inherited pvproperty that this one gives more hooks.
        self.origin: Any = None
        items = tuple(fields or ()) + (field_spec.items() if field_spec is not None else ())
        self.pvspec = PVSpec(
            get, put, startup, shutdown, None, name, dtype, value, max_length, alarm_group, read_only, doc,
            items or None, scan, record, cls_kwargs,
        )  # fmt: skip
        self.__doc__ = doc if doc is not None else getattr(get, "__doc__", None)

    @classmethod
    def from_pvspec(cls: type[Self], pvspec: PVSpec, **kwargs: Any) -> Self:
        """Return a pvproperty with a given specification."""
        prop = cls(**kwargs)
        prop.pvspec = pvspec
        prop.__doc__ = pvspec.doc
        return prop

    # In the body of a class ---------------------------------------------------------------------

    def __set_name__(self, owner: type, name: str) -> None:
        if name.startswith("_"):
            return
        if self.owner is None:
            self.owner, self.attr_name = owner, name
            self.pvspec = self.pvspec.new_names(name, name if self.pvspec.name is None else None)
        elif self.owner is owner and name != self.attr_name:
            self.misnamed = name

    def renamed(self: Self, owner: type, name: str) -> Self:
        """Return a copy under another name, or of another class; the name of the PV follows if it was implied."""
        other = copy.copy(self)
        implied = self.pvspec.name == self.pvspec.attr
        other.pvspec = self.pvspec._replace(attr=name, name=name if implied else self.pvspec.name)
        other.owner, other.attr_name, other.misnamed = owner, name, None
        return other

    @overload
    def __get__(self: Self, instance: None, owner: Any = None) -> Self: ...

    @overload
    def __get__(self, instance: PVGroup, owner: Any = None) -> T_Data: ...

    def __get__(self: Any, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        try:
            return instance.attr_pvdb[self.attr_name]
        except AttributeError:
            raise CaprotoAttributeError(
                f"{self.describe()}: there are no PVs before `super().__init__(*args, **kwargs)` was called"
            ) from None
        except KeyError:
            raise CaprotoAttributeError(f"{self.describe()} is no PV: its name begins with an underscore") from None

    def __set__(self, instance: PVGroup, value: Any) -> None:
        raise CaprotoAttributeError(
            f"{type(instance).__qualname__}.{self.attr_name} is a PV and cannot be replaced; "
            f"use `await self.{self.attr_name}.write(value)`"
        )

    def __call__(self: Self, get: Getter) -> Self:
        """Take a getter: ``@pvproperty(...)`` above an async method."""
        if self.pvspec.doc is None:
            self.__doc__ = get.__doc__
            return self.getter(get)._with(doc=get.__doc__)
        return self.getter(get)

    def _with(self: Self, **changes: Any) -> Self:
        """Return the pvproperty with a changed specification; one that a class owns already is left alone."""
        if self.owner is None:
            self.pvspec = self.pvspec._replace(**changes)
            return self
        other = copy.copy(self)
        other.pvspec = self.pvspec._replace(**changes)
        other.owner, other.origin = None, self
        return other

    def _hook(self: Self, kind: str, hook: Any) -> Self:
        check_hook(kind, hook)
        self = begun(self)
        other = getattr(self.pvspec, kind)
        if other is not None and self.owner is None:
            logger.warning(
                "%s: the %s hook at %s replaces that at %s",
                self.describe(),
                kind,
                location_of(hook),
                location_of(other),
            )
        return self._with(**{kind: hook})

    def getter(self: Self, get: Getter) -> Self:
        """Take ``async def x(self, instance)``, which is run by every read; what it returns is stored unless None."""
        return self._hook("get", get)

    def putter(self: Self, put: Putter) -> Self:
        """Take ``async def x(self, instance, value)``, which is run by every write.

        What it returns is stored instead of `value` unless it is None; it may raise :class:`SkipWrite` to store
        nothing.
        """
        return self._hook("put", put)

    def startup(self: Self, startup: Startup) -> Self:
        """Take ``async def x(self, instance, async_lib)``, a task that begins with the server."""
        return self._hook("startup", startup)

    def shutdown(self: Self, shutdown: Shutdown) -> Self:
        """Take ``async def x(self, instance, async_lib)``, which is run when the server ends."""
        return self._hook("shutdown", shutdown)

    def scan(
        self: Self,
        period: float,
        *,
        subtract_elapsed: bool = True,
        stop_on_error: bool = False,
        failure_severity: AlarmSeverity = AlarmSeverity.MAJOR_ALARM,
        use_scan_field: bool = False,
    ) -> Callable[[Scan], Self]:
        """Take ``async def x(self, instance, async_lib)``, which is run again and again.

        Parameters are those of :func:`scan_wrapper`.
        """

        if not isinstance(period, (int, float)):
            raise CaprotoRuntimeError(f"{self.describe()}: `@x.scan(period=1.0)`: {period!r} is no period in seconds")
        if not period > 0 and not use_scan_field:
            raise CaprotoRuntimeError(f"{self.describe()}: period={period!r} s of the scan is not positive")

        def take(scan: Scan) -> Self:
            check_hook("scan", scan)
            if use_scan_field and self.pvspec.record is None:
                raise CaprotoRuntimeError(f"{self.describe()}: use_scan_field=True needs a record")
            wrapped = scan_wrapper(
                scan,
                period,
                subtract_elapsed=subtract_elapsed,
                stop_on_error=stop_on_error,
                failure_severity=failure_severity,
                use_scan_field=use_scan_field,
            )
            return begun(self)._with(scan=wrapped)

        return take

    @property
    def fields(self: Self) -> FieldSpec:
        """The fields of the record, for hooks: ``@x.fields.high_alarm_limit.putter``, ``@x.fields.HIGH.startup``."""
        return FieldSpec(begun(self))

    @property
    def record_type(self) -> Any:
        """The record it poses as, by name or class as it was given; None if it is none."""
        return self.pvspec._record()

    def describe(self) -> str:
        """Return ``Class.attribute (file:line)`` for error messages."""
        owner = "" if self.owner is None else f"{self.owner.__qualname__}."
        where = "" if self.location is None else f" ({self.location[0]}:{self.location[1]})"
        return f"{owner}{self.attr_name or 'pvproperty'}{where}"
