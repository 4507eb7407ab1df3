"""The array backend: what kind of array a value becomes.

``numpy`` if it can be imported, else ``array`` (the standard library's); the choice is made when the first array is
needed, so that importing the package never imports numpy.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, NamedTuple

from ._errors import CaprotoValueError
from ._wire import codec


class Backend(NamedTuple):
    """An array backend.

    Attributes
    ----------
    name : str
    convert_values : callable
        ``convert_values(values, from_dtype, to_dtype, *, direction, ...)``, for data classes.
    epics_to_python : callable
        ``epics_to_python(value, data_type, data_count, *, auto_byteswap=True)``: wire bytes to a native array.
    python_to_epics : callable
        ``python_to_epics(data_type, values, *, byteswap=True, convert_from=None)``: values to big-endian bytes.
    type_map : dict
        ChannelType of the plain types to the backend's name of the element type in wire order.
    array_types : tuple of type
    """

    name: str
    convert_values: Callable[..., Any]
    epics_to_python: Callable[..., Any]
    python_to_epics: Callable[..., Any]
    type_map: dict[Any, Any]
    array_types: tuple[type, ...]


_initializers: list[Callable[[], Backend | None]] = []
_registered: dict[str, Backend] = {}


def register_backend(new_backend: Any) -> None:
    """Add a :class:`Backend`, or a callable that makes one when backends are first needed (None: not available)."""
    if callable(new_backend):
        _initializers.append(new_backend)
    else:
        _registered[new_backend.name] = new_backend


def _available() -> dict[str, Backend]:
    while _initializers:
        made = _initializers.pop(0)()
        if made is not None:
            _registered.setdefault(made.name, made)
    return _registered


def select_backend(name: str) -> None:
    """Use the backend called `name` from now on.

    Raises
    ------
    CaprotoValueError
        If there is no such backend, or it cannot be imported.
    """
    known = _available()
    if name not in known:
        raise CaprotoValueError(f"array backend {name!r} is not one of {', '.join(sorted(known))}")
    chosen = known[name]
    backend.__dict__.update(chosen._asdict())
    if name == "numpy":
        from ._numpy_backend import native_dtypes, numpy_module

        codec.configure(mode="numpy", numpy=numpy_module(), dtypes=native_dtypes())
    elif name == "array":
        codec.configure(mode="array")
    else:
        codec.configure(mode="custom", convert=chosen.epics_to_python)


def ensure_backend() -> None:
    """Choose the default backend if none was chosen so far."""
    if "name" not in backend.__dict__:
        select_backend("numpy" if "numpy" in _available() else "array")


class _Current(types.SimpleNamespace):
    """The fields of the backend in use; the first look chooses it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "name" in self.__dict__:
            raise AttributeError(name)
        ensure_backend()
        return getattr(self, name)


#: The backend in use; its attributes are those of :class:`Backend`.
backend = _Current()
codec.configure(mode="unset", ensure_backend=ensure_backend)
