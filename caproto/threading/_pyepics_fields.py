"""What a PV of pyepics knows, as attributes."""

from __future__ import annotations

from typing import Any

from . import _pyepics_values as values
from ._pyepics_info import describe

__all__ = ["FIELDS", "Fields"]

#: What callbacks are given by keyword, in addition to "cb_info" and what add_callback() was given.
FIELDS = (
    "pvname", "value", "char_value", "status", "ftype", "chid", "host", "count", "access", "write_access",
    "read_access", "severity", "timestamp", "posixseconds", "nanoseconds", "precision", "units", "enum_strs",
    "monitor_delta", *values.CTRL_LIMITS,
)  # fmt: skip
TIME_FIELDS = ("status", "severity", "timestamp", "posixseconds", "nanoseconds")


def _field(name: str, doc: str) -> Any:
    return property(lambda self: self._getarg(name), doc=doc)


class Fields:
    """The attributes of a PV; what is not known yet is asked for."""

    # What the PV, which inherits this, has.
    pvname: str
    connected: Any
    get: Any
    put: Any
    get_ctrlvars: Any
    get_timevars: Any
    wait_for_connection: Any
    _args: dict[str, Any]
    _learn: Any
    _set_charval: Any

    def _getarg(self, name: str) -> Any:
        """Return a field, asked for first if it has not been."""
        if self._args[name] is None and self._args["value"] is None:
            self.get()
        if self._args[name] is None:
            (self.get_timevars if name in TIME_FIELDS else self.get_ctrlvars)(timeout=1, warn=False)
        return self._args.get(name)

    @property
    def value(self) -> Any:
        """The value, as received last; assigning to it puts."""
        return self._getarg("value")

    @value.setter
    def value(self, value: Any) -> None:
        self.put(value)

    @property
    def char_value(self) -> Any:
        """The value as text."""
        return self._set_charval(self._getarg("value"))

    @property
    def count(self) -> Any:
        """Number of elements: of the last update, or the most there may be if there was none."""
        count = self._args["count"]
        return self._getarg("count") if count is None else count

    @property
    def nelm(self) -> int:
        """Number of elements that there may be; -1 before the first connection."""
        nelm: int = self._args["nelm"]
        return nelm

    @property
    def type(self) -> str:
        """The DBR type that is asked for, such as 'time_double'."""
        return str(self._args["type"])

    typefull = type

    @property
    def char_status(self) -> str:
        """The alarm status by name."""
        return values.status_name(self.status)

    @property
    def char_severity(self) -> str:
        """The alarm severity by name: NO_ALARM, MINOR, MAJOR or INVALID."""
        return values.severity_name(self.severity)

    status = _field("status", "The alarm status.")
    severity = _field("severity", "The alarm severity.")
    timestamp = _field("timestamp", "Seconds since the Unix epoch of the last update.")
    posixseconds = _field("posixseconds", "Whole seconds of the time stamp.")
    nanoseconds = _field("nanoseconds", "The rest of the time stamp.")
    host = _field("host", "Address of the server.")
    access = _field("access", "'no access', 'read-only', 'write-only' or 'read/write'.")
    read_access = _field("read_access", "Whether reading is allowed.")
    write_access = _field("write_access", "Whether writing is allowed.")
    precision = _field("precision", "Digits to show; None for what is not a float.")
    units = _field("units", "Engineering units; None for enums and strings.")
    enum_strs = _field("enum_strs", "Names of the states of an enum; None for others.")
    monitor_delta = _field("monitor_delta", "Smaller changes do not lead to callbacks.")
    upper_disp_limit = _field("upper_disp_limit", "Top of a display.")
    lower_disp_limit = _field("lower_disp_limit", "Bottom of a display.")
    upper_alarm_limit = _field("upper_alarm_limit", "HIHI.")
    lower_alarm_limit = _field("lower_alarm_limit", "LOLO.")
    upper_warning_limit = _field("upper_warning_limit", "HIGH.")
    lower_warning_limit = _field("lower_warning_limit", "LOW.")
    upper_ctrl_limit = _field("upper_ctrl_limit", "Most that can be set.")
    lower_ctrl_limit = _field("lower_ctrl_limit", "Least that can be set.")

    @property
    def info(self) -> str | None:
        """All that is known, as a paragraph; None if not connected."""
        if not self.wait_for_connection():
            return None
        self.get_ctrlvars()
        self._getarg("value")
        self._set_charval(self._args["value"], call_ca=False)
        return describe(self)

    def __repr__(self) -> str:
        if not self.connected:
            return f"<PV '{self.pvname}': not connected>"
        self._learn()
        count = "{count}" if self.count == 1 else "{count}/{nelm}"
        return ("<PV '{pvname}', count=" + count + ", type={typefull}, access={access}>").format(**self._args)
