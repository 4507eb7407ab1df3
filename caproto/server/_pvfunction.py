"""``pvfunction``: an async function that clients call through PVs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

from .._errors import CaprotoRuntimeError
from ._hooks import check_hook, location_of
from ._pvspec import PVSpec
from ._subgroup import SubGroup

__all__ = ["pvfunction"]

STATUS_LENGTH = 256


class pvfunction(SubGroup[Any]):  # noqa: N801
    """A function as PVs: one for each parameter, and ``Process``, ``Status`` and ``Retval``.

    Writing to ``Process`` runs the function with the values of its parameters.

    Parameters
    ----------
    func : async callable, optional
        ``async def f(self, x: int = 1, ...) -> float``; annotations are the types of the PVs, defaults their
        values, lines ``x : ...`` of the docstring are not looked at.
    default : optional
        What ``Retval`` is before the first run.
    names : dict, optional
        Other names for ``Process``, ``Status`` and ``Retval``, by ``process``, ``status`` and ``retval``.
    alarm_group, prefix, macros, attr_separator, doc : optional
        As of :class:`pvproperty` and :class:`SubGroup`.
    """

    default_names: Mapping[str, str] = {"process": "Process", "status": "Status", "retval": "Retval"}

    def __init__(
        self,
        func: Any = None,
        default: Any = None,
        names: Mapping[str, str] | None = None,
        alarm_group: str | None = None,
        prefix: str | None = None,
        macros: Mapping[str, str] | None = None,
        attr_separator: str | None = None,
        doc: str | None = None,
    ) -> None:
        self.default = default
        self.names = {**self.default_names, **{key.lower(): name for key, name in (names or {}).items()}}
        self.alarm_group = alarm_group
        self.func: Any = None
        super().__init__(None, prefix=prefix, macros=macros, attr_separator=attr_separator, doc=doc)
        if func is not None:
            self(func)

    def __call__(self, func: Any) -> pvfunction:
        """Take the function, as a decorator."""
        if not inspect.iscoroutinefunction(func):
            raise CaprotoRuntimeError(
                f"{func.__qualname__} ({location_of(func)}): a pvfunction must be `async def`, but it is not"
            )
        self.func = func
        if self.__doc__ is None or self.__doc__ == type(self).__doc__:
            self.__doc__ = func.__doc__
        self._take(self._properties())
        return self

    def _where(self) -> str:
        return f"{self.func.__qualname__} ({location_of(self.func)})"

    def _hints(self) -> dict[str, Any]:
        try:
            return get_type_hints(self.func)
        except NameError:  # annotations of types that do not exist at run time
            return dict(self.func.__annotations__)

    def get_additional_parameters(self) -> list[inspect.Parameter]:
        """Return the parameters of the function after ``self``."""
        return list(inspect.signature(self.func).parameters.values())[1:]

    def pvspec_from_parameter(self, param: inspect.Parameter, doc: str | None = None) -> PVSpec:
        """Return the specification of the PV of one parameter: its type is the annotation or that of the default."""
        hint = self._hints().get(param.name)
        value = None if param.default is inspect.Parameter.empty else param.default
        if hint is None and value is None:
            raise CaprotoRuntimeError(
                f"{self._where()}: parameter {param.name!r} needs an annotation such as `{param.name}: float`"
            )
        if param.kind in (param.VAR_POSITIONAL, param.VAR_KEYWORD):
            raise CaprotoRuntimeError(f"{self._where()}: parameter {param.name!r} cannot be a PV")
        return PVSpec(
            attr=param.name,
            name=param.name,
            dtype=hint if isinstance(hint, type) else None,
            value=value,
            max_length=STATUS_LENGTH if hint is str or isinstance(value, str) else None,
            alarm_group=self.alarm_group,
            doc=doc or f"Parameter {param.name} of {self.func.__name__}",
            cls_kwargs={},
        )

    def _properties(self) -> dict[str, Any]:
        specs = [self.pvspec_from_parameter(param) for param in self.get_additional_parameters()]
        parameters = [str(spec.attr) for spec in specs]
        returned = self._hints().get("return")
        if returned is type(None):
            returned = None
        if returned is None and self.default is None:
            returned = int
        result = PVSpec(
            attr="retval",
            name=self.names["retval"],
            dtype=returned if isinstance(returned, type) else None,
            value=self.default,
            max_length=STATUS_LENGTH if returned is str else None,
            alarm_group=self.alarm_group,
            read_only=True,
            doc="What it returned",
            cls_kwargs={},
        )
        status = result._replace(
            attr="status", name=self.names["status"], dtype=str, value="Init", max_length=STATUS_LENGTH,
            doc="How it went",
        )  # fmt: skip
        process = PVSpec(
            put=_runner(self.func, parameters),
            attr="Process",
            name=self.names["process"],
            value=0,
            alarm_group=self.alarm_group,
            doc="Write anything to run it",
            cls_kwargs={},
        )
        check_hook("put", process.put)
        return {str(spec.attr): spec for spec in (*specs, status, result, process)}


def _runner(func: Any, parameters: list[str]) -> Any:
    async def process(group: Any, instance: Any, value: Any) -> Any:
        arguments = {name: group.attr_pvdb[name].value for name in parameters}
        try:
            returned = await func(group, **arguments)
        except Exception as error:
            await group.attr_pvdb["status"].write(f"{type(error).__name__}: {error}"[: STATUS_LENGTH - 1])
            raise
        if returned is not None:
            await group.attr_pvdb["retval"].write(returned)
        await group.attr_pvdb["status"].write("Success")
        return None

    return process
