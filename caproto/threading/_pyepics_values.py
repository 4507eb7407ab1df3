"""Values, metadata and texts in the form that pyepics gives them; no network and no state here."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from math import log10
from typing import Any

from .._constants import STR_ENC
from .._enums import AlarmSeverity, AlarmStatus, ChannelType, native_type
from .._errors import CaprotoTypeError, CaprotoValueError
from .._layout import CHAR, DOUBLE, ENUM, EPICS_EPOCH_SECONDS, FLOAT, NATIVES, STRING

__all__ = [
    "AUTOMONITOR_MAXLENGTH",
    "CTRL_LIMITS",
    "as_sequence",
    "char_value",
    "default_timeout",
    "format_time",
    "metadata_dict",
    "promote",
    "simple_text",
    "status_name",
    "severity_name",
    "to_value",
    "to_wire",
    "type_name",
]

#: Arrays of fewer elements are monitored without being asked, and CHAR arrays of fewer shown as text.
AUTOMONITOR_MAXLENGTH = 65536

#: In the order in which :attr:`PV.info` shows them.
CTRL_LIMITS = (
    "upper_ctrl_limit",
    "lower_ctrl_limit",
    "upper_disp_limit",
    "lower_disp_limit",
    "upper_alarm_limit",
    "lower_alarm_limit",
    "upper_warning_limit",
    "lower_warning_limit",
)
# The distance of each family of types from the native ones (protocol section 4.1).
_FAMILIES = {"time": 14, "ctrl": 28}
# The C types signed char and short: limits of a CHAR are signed, although its values are not.
_SIGNED_CHAR = 128


def promote(native: int, form: str) -> ChannelType:
    """Return the DBR type of a form: 'time', 'ctrl' or anything else for the native type.

    There is no CTRL_STRING that says more than TIME_STRING.
    """
    if form == "ctrl" and native == STRING:
        form = "time"
    return ChannelType(native + _FAMILIES.get(form, 0))


def type_name(ftype: ChannelType) -> str:
    """Return the name of a DBR type in small letters, 'time_short' for TIME_INT."""
    return ftype.name.lower().replace("_int", "_short")


def status_name(status: int) -> str:
    """Return the name of an alarm status."""
    return {AlarmStatus.HWLIMIT: "HW_LIMIT"}.get(AlarmStatus(status), AlarmStatus(status).name)


def severity_name(severity: int) -> str:
    """Return the name of an alarm severity: NO_ALARM, MINOR, MAJOR or INVALID."""
    name = AlarmSeverity(severity).name
    return name if not severity else name.removesuffix("_ALARM")


def default_timeout(count: int) -> float:
    """Seconds that a get of so many elements may take."""
    return 1.0 + log10(max(1, count))


def _text(raw: str | bytes) -> str:
    return raw if isinstance(raw, str) else raw.decode(STR_ENC, "replace")


def to_value(ftype: int, data: Any, nelm: int) -> Any:
    """Return received elements as number, text, array, or list of texts.

    One element is a scalar, of an array too, unless it is text in a CHAR array or an array of texts.
    """
    native = native_type(ftype)
    if native == STRING:
        texts = [_text(item).rstrip() for item in data]
        return texts[0] if nelm == 1 and len(texts) == 1 else texts
    if len(data) == 1 and (nelm == 1 or native != CHAR):
        return data.tolist()[0]
    return data


def as_sequence(value: Any, ftype: int, as_numpy: bool) -> Any:
    """Return the value of an array PV as numpy array if wanted and possible, else as list."""
    if not hasattr(value, "__len__"):
        value = [value]
    try:
        import numpy
    except ImportError:
        return value if as_numpy or isinstance(value, list) else value.tolist()
    if not as_numpy:
        return value.tolist() if isinstance(value, numpy.ndarray) else value
    if isinstance(value, numpy.ndarray):
        return value
    native = native_type(ftype)
    return numpy.asarray(value, dtype=None if native == STRING else numpy.dtype(NATIVES[native].letter))


def metadata_dict(ftype: int, metadata: Any) -> dict[str, Any]:
    """Return what comes with a value, under the names of pyepics; empty for native types."""
    if metadata is None:
        return {}
    found: dict[str, Any] = metadata.to_dict()
    found.update(status=int(found["status"]), severity=int(found["severity"]))
    if "timestamp" in found:
        stamp = metadata.stamp
        seconds, nanoseconds = stamp.secondsSinceEpoch + EPICS_EPOCH_SECONDS, stamp.nanoSeconds
        found.update(timestamp=seconds + nanoseconds // 1000 * 1e-6, posixseconds=seconds, nanoseconds=nanoseconds)
    if "units" in found:
        found["units"] = _text(found["units"])
    if native_type(ftype) == CHAR:
        for name in CTRL_LIMITS:
            if found.get(name, 0) >= _SIGNED_CHAR:
                found[name] -= 2 * _SIGNED_CHAR
    names = found.pop("enum_strings", ())
    if names:
        found["enum_strs"] = tuple(_text(name) for name in names)
    return found


def _joined(value: Any) -> str:
    """Return the elements of a CHAR array up to the first NUL as text."""
    items = [value] if not hasattr(value, "__len__") else list(value)
    items = items[: items.index(0)] if 0 in items else items
    return "".join(map(chr, items)).rstrip()


def char_value(value: Any, ftype: int, args: dict[str, Any], whole_text: bool = False) -> Any:
    """Return a value as text.

    Parameters
    ----------
    value : object
        As :func:`to_value` returns it.
    ftype : int
    args : dict
        With ``count``, ``precision`` and ``enum_strs``.
    whole_text : bool
        Return CHAR arrays of any length as text.

    Returns
    -------
    str or list of str
        Arrays of texts stay what they are.
    """
    native, count = native_type(ftype), args["count"] or 1
    if value is None:
        return "None"
    if native == STRING:
        return value
    if native == CHAR and (whole_text or count < AUTOMONITOR_MAXLENGTH):
        return _joined(value)
    if count > 1:
        length = len(value) if hasattr(value, "__len__") else 1
        return f"<array size={length}, type={type_name(ChannelType(ftype))}>"
    if native in (FLOAT, DOUBLE):
        return _number(value, args["precision"])
    names = args["enum_strs"] or ()
    return str(names[value] if native == ENUM and value < len(names) else value)


def _number(value: Any, precision: int | None) -> str:
    """Return a float with the digits that its record asks for, in exponential form if it is far from 1."""
    if precision is not None:
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            magnitude = int(log10(abs(value + 1e-9)))
            return f"{value:.{precision}{'g' if abs(magnitude) > 4 else 'f'}}"
    return str(value)


def simple_text(value: Any, native: int, count: int, enum_strs: Sequence[str] | None) -> str:
    """Return a value as text where the metadata of the PV are not at hand."""
    if native == CHAR and count < AUTOMONITOR_MAXLENGTH:
        return _joined(value).strip()
    if native == ENUM and count == 1 and enum_strs and value < len(enum_strs):
        return str(enum_strs[value])
    return f"<array count={count}, type={native}>" if count > 1 else str(value)


def _integer(text: str, name: str) -> int:
    try:
        return int(text, base=0)
    except ValueError:
        raise CaprotoValueError(f"{name}: {text!r} is neither a number nor one of its states") from None


def to_wire(name: str, value: Any, native: int, nelm: int) -> Any:
    """Return the elements to send for a value of the user.

    Texts become numbers (also "0x1f"), characters with the NUL that ends them, or stay texts; floats lose their
    fraction if the PV takes integers; more elements than there is room for are left out; an empty sequence clears.

    Raises
    ------
    CaprotoValueError, CaprotoTypeError
    """
    if isinstance(value, bytes):
        value = value.decode(STR_ENC)
    if native == STRING:
        if isinstance(value, str) or not hasattr(value, "__len__"):
            return [str(value)]
        return [_text(item) if isinstance(item, bytes) else str(item) for item in value][:nelm] or [""] * nelm
    if nelm == 1:
        return [_scalar(name, value, native)]
    if isinstance(value, str):
        if native != CHAR:
            raise CaprotoTypeError(f"{name}: {value!r} is not an array of numbers")
        return [*value.encode(STR_ENC, "replace"), 0][:nelm]
    if not hasattr(value, "__len__"):
        raise CaprotoTypeError(f"{name} is an array of {nelm}; {value!r} is not a sequence")
    if not len(value):
        return [0] * nelm
    value = value[:nelm]
    if native in (FLOAT, DOUBLE) or getattr(getattr(value, "dtype", None), "kind", "") in ("i", "u"):
        return value
    return [int(item) for item in value]


def _scalar(name: str, value: Any, native: int) -> Any:
    if hasattr(value, "__len__") and not isinstance(value, str):
        if len(value) != 1:
            raise CaprotoTypeError(f"{name} takes one value, not {len(value)}")
        value = value[0]
    if native in (FLOAT, DOUBLE):
        try:
            return float(value)
        except ValueError as error:
            raise CaprotoValueError(f"{name}: {error}") from None
    if not isinstance(value, str):
        return int(value)
    if native == CHAR and len(value) == 1:
        return ord(value)
    return _integer(value, name)


def format_time(timestamp: float | None = None) -> str:
    """Return a time, by default this one, in the local time zone with five digits of a second."""
    timestamp = time.time() if timestamp is None else timestamp
    whole, fraction = divmod(timestamp, 1)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(whole))}.{round(1e5 * fraction):05d}"
