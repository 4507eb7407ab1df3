"""The paragraph that says what is known about a PV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._enums import ChannelType, native_type
from ._pyepics_values import CTRL_LIMITS, format_time

__all__ = ["describe"]

_FIELDS = (
    "char_value", "count", "nelm", "type", "units", "precision", "host", "access", "monitor_delta", "status",
    "char_status", "severity", "char_severity", "timestamp", "posixseconds", "nanoseconds", *CTRL_LIMITS,
)  # fmt: skip
_SHOW: dict[str, Callable[[Any], str]] = {
    "timestamp": lambda time: f"{time:.3f} ({format_time(time)})",
    "char_value": lambda text: f"'{text}'",
}
#: Elements of an array that are shown, and how many there are when it is said that there are more.
_SHOWN, _MANY = 5, 10


def describe(pv: Any) -> str:
    """Return the text of ``PV.info``; the PV is connected and its value and metadata are known."""
    form, _, name = pv.type.rpartition("_")
    lines = [f"== {pv.pvname}  ({form or 'native'}_{name}) ==", _line("value", _value(pv))]
    for field in _FIELDS:
        known = getattr(pv, field)
        if known is not None:
            lines.append(_line(field, _SHOW.get(field, str)(known)))
    if name == "enum":
        lines.append("   enum strings: ")
        lines += [f"       {index} = {text}" for index, text in enumerate(pv.enum_strs or ())]
    if pv.auto_monitor_mask is None:
        lines.append("   PV is NOT internally monitored")
    else:
        lines.append(f"   PV is internally monitored, with {len(pv.callbacks)} user-defined callbacks")
        lines += [_callback(pv.callbacks[index][0]) for index in sorted(pv.callbacks)]
    return "\n".join([*lines, "============================="])


def _line(name: str, text: str) -> str:
    return f"   {name:{15 if len(name) < 15 else 20}s} = {text}"


def _value(pv: Any) -> str:
    value = pv._args["value"]
    if value is None:
        return "unknown"
    show = "{:g}".format if native_type(pv.ftype) in (ChannelType.FLOAT, ChannelType.DOUBLE) else str
    if pv.nelm == 1 or not hasattr(value, "__len__"):
        return show(value)
    more = ",...." if pv.count > _MANY else ""
    return f" array  [{','.join(map(show, value[:_SHOWN]))}{more}]"


def _callback(func: Any) -> str:
    name = getattr(func, "__name__", None) or repr(func)
    return f"      {name} in file '{getattr(getattr(func, '__code__', None), 'co_filename', '?')}'"
