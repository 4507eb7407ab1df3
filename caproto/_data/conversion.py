"""Elements of one native type as those of another, as EPICS Base converts them (section 4.6)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any

from .._errors import CaprotoConversionError
from .._layout import CHAR, DOUBLE, FLOAT, MAX_STRING_SIZE, NATIVES

__all__ = ["MAX_TEXT", "cut", "numbers_from_texts", "numbers_to", "texts_of_numbers"]

#: Bytes of a text that fit a STRING with its NUL.
MAX_TEXT = MAX_STRING_SIZE - 1
_BOUNDS = {number: (kind.low, kind.high) for number, kind in enumerate(NATIVES) if kind.low or kind.high}
_SINGLE = Struct("f")
# The limits of normal numbers: EPICS stores the nearest one for what is beyond.
_LARGEST_FLOAT = 3.4028234663852886e38
_SMALLEST_FLOAT = 1.1754943508222875e-38
_SMALLEST_DOUBLE = 2.2250738585072014e-308
# What a processor makes of a real number that is none of 32 bits.
_INDEFINITE = -(2**31)


def numbers_to(native: int, values: Any) -> Any:
    """Return numbers as elements of another native type.

    Fractions are cut off and integers wrap, as a cast in C does.  A real number becomes an integer by way of 32 bits:
    what is too large for them, and what is no number, is -2147483648 first, and so 0 as INT, ENUM and CHAR.  A number
    beyond the range of FLOAT becomes the nearest one that is not 0 or infinite.

    Parameters
    ----------
    native : int
        1..6 (INT .. DOUBLE).
    values : sequence of numbers, ndarray, array.array or bytes

    Returns
    -------
    ndarray or list
        New; an ndarray for an ndarray.
    """
    if hasattr(values, "__array_interface__"):
        return _ndarray_to(native, values)
    if native == DOUBLE:
        return [float(value) for value in values]
    if native == FLOAT:
        return [_single(float(value)) for value in values]
    low, high = _BOUNDS[native]
    return [_integer(value, low, high) for value in values]


def _single(value: float) -> float:
    if not value or not math.isfinite(value):
        return value
    return math.copysign(min(max(abs(value), _SMALLEST_FLOAT), _LARGEST_FLOAT), value)


def _integer(value: Any, low: int, high: int) -> int:
    if not isinstance(value, int) and hasattr(value, "__float__") and not hasattr(value, "__index__"):
        value = float(value)
        number = int(value) if -(2.0**31) - 1 < value < 2.0**31 else _INDEFINITE
    else:
        number = int(value)
    return number if low <= number <= high else (number - low) % (high - low + 1) + low


def _ndarray_to(native: int, values: Any) -> Any:
    from .._numpy_backend import native_dtypes, numpy_module

    numpy = numpy_module()
    wanted = native_dtypes()[native]
    if values.dtype.kind != "f" or native == DOUBLE:
        return values.astype(wanted)
    if native == FLOAT:
        if values.dtype.itemsize <= wanted.itemsize:
            return values.astype(wanted)
        size = numpy.abs(values)
        near = numpy.copysign(numpy.clip(size, _SMALLEST_FLOAT, _LARGEST_FLOAT), values)
        return numpy.where((size > 0) & (size < math.inf), near, values).astype(wanted)
    fits = (values > -(2.0**31) - 1) & (values < 2.0**31)
    return numpy.where(fits, values, _INDEFINITE).astype("i4").astype(wanted)


# Text ---------------------------------------------------------------------------------------------


def cut(text: str, encoding: str, size: int) -> bytes:
    """Return text as bytes, `size` at most; a character that would be cut in two is left out."""
    raw = text.encode(encoding, "replace")
    return raw if len(raw) <= size else raw[:size].decode(encoding, "ignore").encode(encoding)


def _step(value: float) -> float:
    return float(_SINGLE.unpack(_SINGLE.pack(value))[0])


def _text(
    precision: int, large: float, digits: int, width: int, step: Callable[[float], float]
) -> Callable[[float], str]:
    """Return what writes a real number as EPICS does.

    Up to ten million it is rounded half up; then three digits at most follow the point, and beyond `large`, or with
    a precision above 8, there is an exponent.  `step` rounds to the precision the machine computes with.
    """
    places = 10**precision
    shown = min(precision, digits)
    exponent = f"{shown + width}.{shown}e"

    def text(value: float) -> str:
        size = abs(value)
        if precision > 8 or size > large:
            return format(value, exponent)
        if not size <= 1e7:
            return f"{value:.{min(precision, 3)}f}"
        whole = int(size)
        up = int(step(step((size - whole) * places) * 10)) + 5
        carry, fraction = divmod(up // 10, places)
        sign = "-" if value < 0 else ""
        return f"{sign}{whole + carry}.{fraction:0{precision}}" if precision else f"{sign}{whole + carry}"

    return text


def texts_of_numbers(values: Iterable[Any], native: int, precision: int = 0) -> list[bytes]:
    """Return numbers as text: integers in decimal, reals with `precision` digits behind the point (0..17)."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if native == DOUBLE:
        text = _text(max(precision, 0), 1e16, 17, 7, float)
    elif native == FLOAT:
        text = _text(max(precision, 0), 99999999.0, 12, 6, _step)
    else:
        return [b"%d" % int(value) for value in values]
    return [text(float(value)).encode("ascii") for value in values]


_WHOLE = re.compile(r"\s*([+-]?)(?:0x([0-9a-f]+)|(0[0-7]*)|([1-9][0-9]*))", re.ASCII | re.IGNORECASE)
_REAL = re.compile(
    r"\s*(?P<sign>[+-]?)(?:(?P<hex>0x(?=\.?[0-9a-f])[0-9a-f]*\.?[0-9a-f]*(?:p[+-]?[0-9]+)?)"
    r"|(?P<decimal>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)|(?P<other>inf|nan))",
    re.ASCII | re.IGNORECASE,
)


def numbers_from_texts(texts: Iterable[str], native: int) -> list[Any]:
    """Return texts as numbers of a native type; an empty text is 0.

    As in C, white space before and anything behind a number is skipped, integers may be hexadecimal (``0x10``) or
    octal (``010``), and one with a point or an exponent ends there.

    Raises
    ------
    CaprotoConversionError
        If a text is no number, or one that the type cannot hold.
    """
    number = _real if native in (FLOAT, DOUBLE) else _whole
    return [number(text, native) if text else 0 for text in texts]


def _refused(text: str, native: int, why: str) -> CaprotoConversionError:
    return CaprotoConversionError(f"{text!r} {why} {NATIVES[native].name}")


def _real(text: str, native: int) -> float:
    match = _REAL.match(text)
    if match is None:
        raise _refused(text, native, "is not a value of")
    found = match["hex"] or match["decimal"] or match["other"]
    try:
        value = float.fromhex(found) if match["hex"] else float(found)
    except OverflowError:
        value = math.inf
    smallest, largest = (_SMALLEST_FLOAT, _LARGEST_FLOAT) if native == FLOAT else (_SMALLEST_DOUBLE, math.inf)
    mantissa = found.lower().split("p" if match["hex"] else "e")[0].strip("0x.")
    if match["other"] is None and (value >= largest or (value < smallest and mantissa)):
        raise _refused(text, native, "does not fit")
    return -value if match["sign"] == "-" else value


def _whole(text: str, native: int) -> int:
    match = _WHOLE.match(text)
    if match is None:
        raise _refused(text, native, "is not a value of")
    sign, hexadecimal, octal, decimal = match.groups()
    number = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    if sign == "-":
        number = -number
    low, high = _BOUNDS[native]
    if native == CHAR and number < 0:
        low = -0x80  # EPICS has signed and unsigned ones
    if not low <= number <= high:
        raise _refused(text, native, "does not fit")
    return number & 0xFF if native == CHAR else number
