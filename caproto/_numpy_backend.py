"""numpy arrays, where numpy is installed."""

from __future__ import annotations

from functools import cache
from typing import Any

from ._array_backend import convert_values, python_to_epics
from ._backend import Backend, register_backend
from ._enums import ChannelType
from ._layout import LAYOUTS, NATIVES, STRING
from ._wire import codec

_NAMES = {"h": "i2", "f": "f4", "H": "u2", "B": "u1", "i": "i4", "d": "f8"}


def numpy_module() -> Any:
    import numpy

    return numpy


@cache
def native_dtypes() -> tuple[Any, ...]:
    """Native dtypes by plain DBR id; None for STRING."""
    dtype = numpy_module().dtype
    return tuple(dtype(_NAMES[kind.letter]) if kind.letter in _NAMES else None for kind in NATIVES)


def epics_to_python(value: Any, data_type: int, data_count: int, *, auto_byteswap: bool = True) -> Any:
    """Wire bytes to an ndarray (native order, a copy, if `auto_byteswap`; else a view) or a list of strings."""
    native = LAYOUTS[data_type].native
    if native == STRING:
        return codec.unpack_strings(value, 0, data_count)
    dtype = native_dtypes()[native]
    wire = numpy_module().frombuffer(value, dtype.newbyteorder(">"), data_count)
    return wire.astype(dtype) if auto_byteswap else wire


def _make() -> Backend | None:
    try:
        numpy = numpy_module()
    except ImportError:
        return None
    type_map = {
        ChannelType(number): ">" + _NAMES[kind.letter] for number, kind in enumerate(NATIVES) if number != STRING
    }
    return Backend("numpy", convert_values, epics_to_python, python_to_epics, type_map, (numpy.ndarray,))


register_backend(_make)
