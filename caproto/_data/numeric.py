"""Channel data that are numbers, with units and limits."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

from .._constants import MAX_UNITS_SIZE, STR_ENC
from .._enums import AlarmSeverity, AlarmStatus, ChannelType, SubscriptionType
from .._errors import CaprotoConversionError, CaprotoValueError
from .._layout import CTRL_LIMITS, DOUBLE, FLOAT, NATIVES
from .base import ChannelData
from .conversion import cut, numbers_to, texts_of_numbers

__all__ = ["ChannelDouble", "ChannelFloat", "ChannelInteger", "ChannelNumeric", "ChannelShort"]


class ChannelNumeric(ChannelData):
    """A number or an array of numbers.

    Parameters
    ----------
    value : number or sequence
        The value.
    units : str, optional
        What it is measured in.
    upper_disp_limit, lower_disp_limit : number, optional
        What a display shows.
    upper_alarm_limit, upper_warning_limit, lower_warning_limit, lower_alarm_limit : number, optional
        From where on a value is in alarm: HIHI, HIGH, LOW, LOLO.
    upper_ctrl_limit, lower_ctrl_limit : number, optional
        Between which a scalar has to be that is written; none, if the upper one is not the greater one.
    value_atol, log_atol : float, optional
        A change of not more than this since the last news is none for subscribers to values, and to the archive;
        with a negative number every write is news, as with MDEL and ADEL of EPICS Base.
    value_rtol, log_rtol : float, optional
        The same as a part of the last value that was told; both are added.
    **kwargs
        As of :class:`ChannelData`.
    """

    def __init__(
        self,
        *,
        value: Any,
        units: str = "",
        upper_disp_limit: float = 0,
        lower_disp_limit: float = 0,
        upper_alarm_limit: float = 0,
        upper_warning_limit: float = 0,
        lower_warning_limit: float = 0,
        lower_alarm_limit: float = 0,
        upper_ctrl_limit: float = 0,
        lower_ctrl_limit: float = 0,
        value_atol: float = 0.0,
        log_atol: float = 0.0,
        value_rtol: float = 0.0,
        log_rtol: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(value=value, **kwargs)
        given = {
            "units": units,
            "upper_disp_limit": upper_disp_limit,
            "lower_disp_limit": lower_disp_limit,
            "upper_alarm_limit": upper_alarm_limit,
            "upper_warning_limit": upper_warning_limit,
            "lower_warning_limit": lower_warning_limit,
            "lower_alarm_limit": lower_alarm_limit,
            "upper_ctrl_limit": upper_ctrl_limit,
            "lower_ctrl_limit": lower_ctrl_limit,
        }
        self._check_range()
        self._change_metadata(given)
        bands = {"value_atol": value_atol, "log_atol": log_atol, "value_rtol": value_rtol, "log_rtol": log_rtol}
        for name, band in bands.items():
            if band is not None:
                self._check_number(name, band)
                self._set_apart(name, float(band))

    _real = False
    value_atol: float = 0.0
    log_atol: float = 0.0
    value_rtol: float = 0.0
    log_rtol: float = 0.0
    #: Shared by all that have nothing else, and never changed.
    _metadata: dict[str, Any] = {"units": "", **dict.fromkeys(CTRL_LIMITS, 0)}  # noqa: RUF012

    @property
    def units(self) -> str:
        """What the value is measured in."""
        return str(self._metadata["units"])

    @property
    def upper_disp_limit(self) -> float:
        """The largest value a display should offer."""
        return self._limit("upper_disp_limit")

    @property
    def lower_disp_limit(self) -> float:
        """The smallest value a display should offer."""
        return self._limit("lower_disp_limit")

    @property
    def upper_alarm_limit(self) -> float:
        """The value at and above which there is a major alarm."""
        return self._limit("upper_alarm_limit")

    @property
    def upper_warning_limit(self) -> float:
        """The value at and above which there is a minor alarm."""
        return self._limit("upper_warning_limit")

    @property
    def lower_warning_limit(self) -> float:
        """The value at and below which there is a minor alarm."""
        return self._limit("lower_warning_limit")

    @property
    def lower_alarm_limit(self) -> float:
        """The value at and below which there is a major alarm."""
        return self._limit("lower_alarm_limit")

    @property
    def upper_ctrl_limit(self) -> float:
        """The largest value that may be written."""
        return self._limit("upper_ctrl_limit")

    @property
    def lower_ctrl_limit(self) -> float:
        """The smallest value that may be written."""
        return self._limit("lower_ctrl_limit")

    def _limit(self, name: str) -> float:
        limit: float = self._metadata[name]
        return limit

    def _metadata_member(self, name: str) -> Any:
        if name == "units":
            return cut(self.units, self.string_encoding or STR_ENC, MAX_UNITS_SIZE - 1)
        found = self._metadata.get(name)
        return super()._metadata_member(name) if found is None else found

    def _check_number(self, name: str, value: Any) -> None:
        number = hasattr(value, "__float__") and getattr(value, "ndim", 0) == 0
        if not number or (name == "precision" and not math.isfinite(value)):
            raise CaprotoValueError(f"{type(self).__name__}: {name}={value!r} is not a number")

    def _change_metadata(self, given: dict[str, Any]) -> bool:
        known = {name: value for name, value in given.items() if name in self._metadata and value is not None}
        for name, value in known.items():
            if name != "units":
                self._check_number(name, value)
        if all(self._metadata[name] == value for name, value in known.items()):
            return False
        self._metadata = {**self._metadata, **known}
        return True

    def preprocess_value(self, value: Any) -> Any:
        """Return `value` in the form it is kept; texts and what the type cannot hold are refused."""
        if value.__class__ is float and self._real and self._max_length == 1:
            return value  # what clients send most
        value = super().preprocess_value(value)
        if self._max_length == 1:
            self._check_element(value)
            if not isinstance(value, (int, float)):
                value = float(value)  # such as a Decimal, which cannot be mixed with those
            if isinstance(value, float) and NATIVES[self.data_type].letter not in "fd":
                return int(value)  # as a cast in C
        elif hasattr(value, "dtype"):
            if value.dtype.kind not in _KINDS_OF_NUMBERS:
                raise CaprotoConversionError(f"{type(self).__name__}: an array of {value.dtype} is not made of numbers")
        elif not hasattr(value, "typecode"):
            if not isinstance(value, (list, tuple)):
                value = list(value)  # such as a deque, which has no slices
            for element in value:
                self._check_element(element)
        return value

    def _check_element(self, value: Any) -> None:
        kind = NATIVES[self.data_type]
        if isinstance(value, (int, float)) or hasattr(value, "__float__"):
            # Integers may be too large: clients see them wrapped.
            with suppress(OverflowError):
                real = float(value)
                if kind.letter in "fd" or math.isfinite(real):
                    return
        raise CaprotoConversionError(f"{type(self).__name__}: {value!r} is not a value of {kind.name}")

    def _check_range(self) -> None:
        """Refuse to begin with a value that clients would see wrapped."""
        kind, value = NATIVES[self.data_type], self._value
        if kind.letter in "fd" or value is None:
            return
        for element in value if isinstance(value, (list, tuple)) else [value] if self._max_length == 1 else ():
            if not kind.low <= element <= kind.high:
                raise CaprotoConversionError(f"{type(self).__name__}: {element!r} is not a value of {kind.name}")

    async def verify_value(self, data: Any) -> Any:
        """Return `data`, if it is within the control limits, where there are any.

        Raises
        ------
        CaprotoValueError
            If a scalar is outside the control limits.
        """
        self._check_limits(data)
        return data

    def put_at_once(self, data: Any, native: int) -> bool:
        """Do what clients ask for most, a put of a number, without a coroutine for every step."""
        if not (len(data) and self.writes_at_once) or (self._alarm is not None and self._alarm.shared):
            return False
        value = self.preprocess_value(self._from_wire(data, native))
        self._check_limits(value)
        self._tell(self._store(value))
        return True

    def _check_limits(self, value: Any) -> None:
        low, high = self._metadata["lower_ctrl_limit"], self._metadata["upper_ctrl_limit"]
        if low < high and self._max_length == 1 and not low <= value <= high:
            raise CaprotoValueError(f"{type(self).__name__}: {value!r} is outside the control limits {low}..{high}")

    def _alarm_for(self, value: Any) -> tuple[int | None, int | None]:
        """Compare a scalar with the limits for alarms and warnings, as far as there are any."""
        limits = self._metadata
        if limits is type(self)._metadata:
            return None, None
        low_alarm, high_alarm = limits["lower_alarm_limit"], limits["upper_alarm_limit"]
        low_warning, high_warning = limits["lower_warning_limit"], limits["upper_warning_limit"]
        alarms, warnings = low_alarm < high_alarm, low_warning < high_warning
        if self._max_length > 1 or not (alarms or warnings):
            return None, None
        if alarms and value >= high_alarm:
            return AlarmStatus.HIHI, AlarmSeverity.MAJOR_ALARM
        if alarms and value <= low_alarm:
            return AlarmStatus.LOLO, AlarmSeverity.MAJOR_ALARM
        if warnings and value >= high_warning:
            return AlarmStatus.HIGH, AlarmSeverity.MINOR_ALARM
        if warnings and value <= low_warning:
            return AlarmStatus.LOW, AlarmSeverity.MINOR_ALARM
        return AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM

    def _news(self, old: Any, new: Any) -> int:
        if self._max_length > 1:
            return _VALUE | _LOG
        if not (self.value_atol or self.value_rtol or self.log_atol or self.log_rtol):
            return _VALUE | _LOG if old != new and (old == old or new == new) else 0
        if self._told_value is None:
            self._told_value = self._told_log = old
        flags = 0
        if _beyond(self._told_value, new, self.value_atol, self.value_rtol):
            self._told_value = new
            flags |= _VALUE
        if _beyond(self._told_log, new, self.log_atol, self.log_rtol):
            self._told_log = new
            flags |= _LOG
        return flags

    #: The last values that were news; only kept where there are dead-bands.
    _told_value: Any = None
    _told_log: Any = None

    def _elements(self, stop: int | None = None) -> Any:
        value = self._value
        if value is None:
            return []
        if self._max_length > 1 and stop is not None:
            value = value[:stop]
        if isinstance(value, (list, tuple)) or self._max_length == 1:
            values = [value] if self._max_length == 1 else value
            return values if self.data_type == ChannelType.DOUBLE else numbers_to(self.data_type, values)
        # An array of the standard library does not know its byte order; its owner means the machine's.
        if self.is_compatible_array(value) and (hasattr(value, "dtype") or hasattr(value, "endian")):
            return value
        return numbers_to(self.data_type, value)

    def _texts(self, stop: int | None = None) -> list[bytes]:
        native = int(self.data_type)
        precision = self._metadata.get("precision", 0) if native in (FLOAT, DOUBLE) else 0
        return texts_of_numbers(self._elements(stop), native, int(precision))


def _beyond(last: Any, new: Any, absolute: float, relative: float) -> bool:
    if absolute < 0:
        return True
    if last is None or new != new or not math.isfinite(last):  # no share of it can be told
        return bool(last != new and (last == last or new == new))
    return bool(last != new and not abs(new - last) <= absolute + relative * abs(last))


#: Of numpy's types: truth values, integers and real numbers.
_KINDS_OF_NUMBERS = "biuf"
_VALUE, _LOG = int(SubscriptionType.DBE_VALUE), int(SubscriptionType.DBE_LOG)


class ChannelShort(ChannelNumeric):
    """16-bit integers; what an IOC writes beyond that range, clients see wrapped, as a cast in C does."""

    data_type = ChannelType.INT


class ChannelInteger(ChannelNumeric):
    """32-bit integers; what an IOC writes beyond that range, clients see wrapped, as a cast in C does."""

    data_type = ChannelType.LONG


class _ChannelReal(ChannelNumeric):
    _real = True

    def __init__(self, *, precision: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._change_metadata({"precision": precision})

    _metadata: dict[str, Any] = {**ChannelNumeric._metadata, "precision": 0}  # noqa: RUF012

    @property
    def precision(self) -> int:
        """Digits after the point that a display should show."""
        return int(self._metadata["precision"])


class ChannelFloat(_ChannelReal):
    """32-bit floating point numbers; `precision` is the number of digits to show after the point."""

    data_type = ChannelType.FLOAT


class ChannelDouble(_ChannelReal):
    """64-bit floating point numbers; `precision` is the number of digits to show after the point."""

    data_type = ChannelType.DOUBLE
