"""Channel data that are numbers, with units and limits."""

from __future__ import annotations

from typing import Any

from .._enums import ChannelType
from .base import ChannelData

__all__ = ["ChannelDouble", "ChannelFloat", "ChannelInteger", "ChannelNumeric", "ChannelShort"]


class ChannelNumeric(ChannelData):
    """A number or an array of numbers.

    Parameters
    ----------
    value : number or sequence
        The value.
    units : str, optional
        What it is measured in.
    upper_disp_limit, lower_disp_limit, upper_alarm_limit, upper_warning_limit, lower_warning_limit,
    lower_alarm_limit, upper_ctrl_limit, lower_ctrl_limit : number, optional
        The limits for displays, alarms, warnings and writes.
    value_atol, log_atol : float, optional
        A change of less is no news for subscribers to values, and to the archive.
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
        **kwargs: Any,
    ) -> None:
        super().__init__(value=value, **kwargs)
        self._metadata: dict[str, Any] = {
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
        self.value_atol = value_atol
        self.log_atol = log_atol

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


class ChannelShort(ChannelNumeric):
    """16-bit integers."""

    data_type = ChannelType.INT


class ChannelInteger(ChannelNumeric):
    """32-bit integers."""

    data_type = ChannelType.LONG


class _ChannelReal(ChannelNumeric):
    def __init__(self, *, precision: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._metadata["precision"] = precision

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
