"""Elements of one native type as those of another, the way EPICS converts them (protocol section 4.6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from .._errors import CaprotoConversionError
from .._layout import CHAR, DOUBLE, FLOAT, NATIVES

__all__ = ["numbers_from_texts", "numbers_to", "texts_of_numbers"]

_BOUNDS = {number: (kind.low, kind.high) for number, kind in enumerate(NATIVES) if kind.low or kind.high}
_LARGEST_FLOAT = 3.4028234663852886e38


def numbers_to(native: int, values: Any) -> Any:
    """Return numbers as elements of another native type.

    Fractions are cut off and integers wrap, as a cast in C does; what is too large to be an integer at all becomes
    the lowest one.

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
    return math.copysign(math.inf, value) if abs(value) > _LARGEST_FLOAT else value


def _integer(value: Any, low: int, high: int) -> int:
    if isinstance(value, float) and not -(2.0**63) <= value < 2.0**63:
        return low
    number = int(value)
    return number if low <= number <= high else (number - low) % (high - low + 1) + low


def _ndarray_to(native: int, values: Any) -> Any:
    from .._numpy_backend import native_dtypes, numpy_module

    numpy = numpy_module()
    wanted = native_dtypes()[native]
    with numpy.errstate(all="ignore"):
        if values.dtype.kind == "f" and native not in (FLOAT, DOUBLE):
            # By way of 64 bits, so that what fits there wraps on every machine alike.
            fits = numpy.abs(values) < 2.0**63
            whole = numpy.where(fits, values, 0.0).astype("i8").astype(wanted)
            return whole if fits.all() else numpy.where(fits, whole, _BOUNDS[native][0]).astype(wanted)
        return values.astype(wanted)


def _fixed(precision: int) -> Callable[[float], str]:
    def text(value: float) -> str:
        if not math.isfinite(value):
            return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
        # A number that would not fit its 40 bytes is told with an exponent.
        return f"{value:.{precision}f}" if abs(value) < 1e15 else f"{value:.{precision}e}"

    return text


def texts_of_numbers(values: Iterable[Any], native: int, precision: int = 0) -> list[bytes]:
    """Return numbers as text: integers in decimal, reals with `precision` digits behind the point (0..17)."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if native in (FLOAT, DOUBLE):
        fixed = _fixed(min(max(precision, 0), 17))
        return [fixed(float(value)).encode("ascii") for value in values]
    return [b"%d" % int(value) for value in values]


def numbers_from_texts(texts: Iterable[str], native: int) -> list[Any]:
    """Return texts as numbers of a native type; an empty text is 0.

    Raises
    ------
    CaprotoConversionError
        If a text is no number, or one that the type cannot hold.
    """
    return [_number(text.strip(), native) for text in texts]


def _number(text: str, native: int) -> Any:
    if not text:
        return 0
    try:
        if "_" in text:  # Python takes it, EPICS does not
            raise ValueError
        if native in (FLOAT, DOUBLE):
            return float.fromhex(text) if "0x" in text.lower() else float(text)
        number = _whole(text)
    except ValueError:
        raise CaprotoConversionError(f"{text!r} is not a value of {NATIVES[native].name}") from None
    low, high = _BOUNDS[native]
    if native == CHAR and number < 0:
        low = -0x80  # EPICS has signed and unsigned ones
    if not low <= number <= high:
        raise CaprotoConversionError(f"{text!r} does not fit {NATIVES[native].name}")
    return number & 0xFF if native == CHAR else number


def _whole(text: str) -> int:
    try:
        return int(text, 0 if text.lower().lstrip("+-").startswith("0x") else 10)
    except ValueError:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError from None
        return int(number)
