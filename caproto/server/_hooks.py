"""The hooks of a pvproperty: what they must look like, and where in the user's code something stands."""

from __future__ import annotations

import functools
import logging
import re
import sys
from collections.abc import Mapping
from types import FunctionType
from typing import Any, TypeVar, cast

from .._errors import CaprotoKeyError, CaprotoRuntimeError

__all__ = ["PARAMETERS", "begun", "caller", "check_hook", "expand_macros", "location_of", "logger_of"]

# What follows the group in the signature of each hook.
PARAMETERS = {
    "get": ("instance",),
    "put": ("instance", "value"),
    "startup": ("instance", "async_lib"),
    "shutdown": ("instance", "async_lib"),
    "scan": ("instance", "async_lib"),
}
T = TypeVar("T")
_COROUTINE = 0x80 | 0x100  # CO_COROUTINE, CO_ITERABLE_COROUTINE
_VARARGS = 0x04


def _outside(depth: int) -> Any:
    """Return the first frame outside of this package; `depth` frames are skipped at once."""
    frame: Any = sys._getframe(depth)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("caproto.server."):
        frame = frame.f_back
    return frame


def caller(depth: int = 1) -> tuple[str, int]:
    """Return (file, line) of the first frame outside of this package; `depth` frames are skipped at once."""
    frame = _outside(depth + 1)
    return frame.f_code.co_filename, frame.f_lineno


def begun(thing: T) -> T:
    """Return what the body of a class has made of an inherited pvproperty or SubGroup so far, or else the thing itself.

    ``@Base.x.putter`` and ``@Base.x.startup`` in one body are two hooks of one PV.
    """
    wanted: Any = thing
    if wanted.owner is None:  # it is not inherited
        return thing
    namespace = _outside(2).f_locals
    if "__qualname__" not in namespace:  # no body of a class
        return thing
    for same in namespace.values():
        if type(same) is type(wanted) and same.origin is wanted and same.owner is None:
            wanted = same
            break
    return cast(T, wanted)


def _function(hook: Any) -> tuple[FunctionType | None, int]:
    """Return the function behind a hook, and how many of its first parameters are bound already."""
    bound = 0
    while True:
        if isinstance(hook, functools.partial):
            bound += len(hook.args)
            hook = hook.func
        elif isinstance(hook, FunctionType):
            wrapped = getattr(hook, "__wrapped__", None)
            if wrapped is None or hook.__code__.co_flags & _COROUTINE:
                return hook, bound
            hook = wrapped
        elif hasattr(hook, "__func__"):
            bound += 1
            hook = hook.__func__
        elif isinstance(getattr(type(hook), "__call__", None), FunctionType):  # noqa: B004 - its code is looked at
            bound += 1
            hook = type(hook).__call__
        else:
            return None, bound


def location_of(hook: Any) -> str:
    """Return ``file:line`` of a hook."""
    function, _ = _function(hook)
    if function is None:
        return repr(hook)
    return f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"


def check_hook(kind: str, hook: Any, attr: str | None = None) -> None:
    """Refuse what cannot be a hook: not ``async``, or other parameters than it is called with.

    Raises
    ------
    CaprotoRuntimeError
        It names the function, its class, file and line, and the signature that is expected.
    """
    function, bound = _function(hook)
    if function is None:
        if callable(hook):
            return  # written in C: it will show when it is called
        where = ":".join(map(str, caller(2)))
        raise CaprotoRuntimeError(f"{attr or 'pvproperty'} ({where}): the {kind} hook {hook!r} cannot be called")
    code = function.__code__
    name = code.co_name
    expected = f"async def {attr or name}({', '.join(('self', *PARAMETERS[kind]))})"
    where = f"{function.__qualname__} ({location_of(hook)}): the {kind} hook must be `{expected}`"
    if not code.co_flags & _COROUTINE:
        raise CaprotoRuntimeError(f"{where}, but it is not `async`")
    given = 1 + len(PARAMETERS[kind])
    most = code.co_argcount - bound
    least = most - len(function.__defaults__ or ())
    needed = [
        word
        for word in code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        if word not in (function.__kwdefaults__ or {})
    ]
    if least > given or needed or (most < given and not code.co_flags & _VARARGS):
        names = ", ".join(code.co_varnames[bound : code.co_argcount])
        raise CaprotoRuntimeError(f"{where}, but its parameters are ({names})")


def logger_of(group: Any) -> logging.Logger:
    """Return the logger of a group, also if its attribute ``log`` is a PV."""
    log = group.log
    if isinstance(log, (logging.Logger, logging.LoggerAdapter)):
        return cast(logging.Logger, log)
    return logging.getLogger(f"{type(group).__module__}.{group._name_}")


_MACRO = re.compile(r"\{\{|\}\}|\{(\w*)\}")


def expand_macros(pv: str, macros: Mapping[str, str]) -> str:
    """Return a PV name with every ``{macro}`` replaced; ``{{`` and ``}}`` stand for single braces.

    Braces around anything but a word, as in ``{Tst-Ax:1}``, stay as they are.

    Raises
    ------
    CaprotoKeyError
        If the value of a macro is not known.
    """
    if "{" not in pv and "}" not in pv:
        return pv

    def value_of(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if match[1] not in macros:
            known = ", ".join(macros) or "none"
            raise CaprotoKeyError(f"macro {match[1]!r} of PV name {pv!r} has no value (known: {known})")
        return str(macros[match[1]])

    return _MACRO.sub(value_of, pv)
