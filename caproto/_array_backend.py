"""Arrays of the standard library, for machines without numpy."""

from __future__ import annotations

import array
import sys
from typing import Any

from ._backend import Backend, register_backend
from ._enums import ChannelType
from ._layout import LAYOUTS, NATIVES, STRING
from ._wire import codec

NATIVE_ENDIAN = "<" if sys.byteorder == "little" else ">"


class Array(array.array):  # type: ignore[type-arg]
    """An ``array.array`` that knows its byte order.

    Parameters
    ----------
    type_code : str
    values : iterable, optional
    endian : str
        ``'<'`` or ``'>'``: the order the bytes are in.
    """

    endian: str

    def __new__(cls, type_code: str, values: Any = (), *, endian: str = NATIVE_ENDIAN) -> Array:
        self = super().__new__(cls, type_code, values)
        self.endian = endian
        return self

    def __init__(self, type_code: str, values: Any = (), *, endian: str = NATIVE_ENDIAN) -> None:
        pass

    def byteswap(self) -> None:
        """Reverse the bytes of every element, and remember it."""
        super().byteswap()
        self.endian = ">" if self.endian == "<" else "<"


def epics_to_python(value: Any, data_type: int, data_count: int, *, auto_byteswap: bool = True) -> Any:
    """Wire bytes to an :class:`Array` (native order if `auto_byteswap`) or a list of strings."""
    native = LAYOUTS[data_type].native
    if native == STRING:
        return codec.unpack_strings(value, 0, data_count)
    kind = NATIVES[native]
    values = Array(kind.letter, endian=">")
    values.frombytes(memoryview(value).cast("B")[: data_count * kind.size])
    if auto_byteswap and NATIVE_ENDIAN == "<":
        values.byteswap()
    return values


def python_to_epics(data_type: int, values: Any, *, byteswap: bool = True, convert_from: Any = None) -> bytes:
    """Values to big-endian bytes."""
    from ._convert import encode_values

    return encode_values(LAYOUTS[data_type].native, values)[0]


def convert_values(values: Any, from_dtype: Any, to_dtype: Any, **options: Any) -> Any:
    """Values of one DBR type as the values of another."""
    from ._convert import convert_values as convert

    return convert(values, from_dtype, to_dtype, **options)


TYPE_MAP = {ChannelType(number): kind.letter for number, kind in enumerate(NATIVES) if number != STRING}
register_backend(Backend("array", convert_values, epics_to_python, python_to_epics, TYPE_MAP, (array.array,)))
codec.configure(array_class=Array)
