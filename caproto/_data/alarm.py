"""The alarm state that one or more channels share."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from .._constants import STR_ENC
from .._enums import AlarmSeverity, AlarmStatus

if TYPE_CHECKING:
    from .base import ChannelData

__all__ = ["ChannelAlarm"]

_STATUSES = {int(member): member for member in AlarmStatus}
_SEVERITIES = {int(member): member for member in AlarmSeverity}


class ChannelAlarm:
    """An alarm state; channels that share it change their alarm together.

    Parameters
    ----------
    status, severity : int, optional
        What kind of alarm, and how bad.  Numbers that have no name are kept as they are.
    must_acknowledge_transient : bool, optional
        Whether an alarm that went away still has to be acknowledged.
    severity_to_acknowledge : int, optional
        The worst severity nobody acknowledged yet.
    alarm_string : str, optional
        Free text about the alarm.
    string_encoding : str, optional
        How `alarm_string` becomes bytes.
    """

    def __init__(
        self,
        *,
        status: int = 0,
        severity: int = 0,
        must_acknowledge_transient: bool = True,
        severity_to_acknowledge: int = 0,
        alarm_string: str = "",
        string_encoding: str | None = STR_ENC,
    ) -> None:
        self._channels: weakref.WeakSet[ChannelData] = weakref.WeakSet()
        self.string_encoding = string_encoding
        self._status = _STATUSES.get(status, status)
        self._severity = _SEVERITIES.get(severity, severity)
        self._must_acknowledge_transient = bool(must_acknowledge_transient)
        self._severity_to_acknowledge = _SEVERITIES.get(severity_to_acknowledge, severity_to_acknowledge)
        self._alarm_string = alarm_string

    def connect(self, channel_data: ChannelData) -> None:
        """Add a channel to those that share this alarm; it is not kept alive."""
        self._channels.add(channel_data)

    def disconnect(self, channel_data: ChannelData) -> None:
        """Remove a channel from those that share this alarm."""
        self._channels.discard(channel_data)

    @property
    def status(self) -> int:
        """What kind of alarm it is."""
        return self._status

    @property
    def severity(self) -> int:
        """How bad the alarm is."""
        return self._severity

    @property
    def must_acknowledge_transient(self) -> bool:
        """Whether an alarm that went away still has to be acknowledged."""
        return self._must_acknowledge_transient

    @property
    def severity_to_acknowledge(self) -> int:
        """The worst severity nobody acknowledged yet."""
        return self._severity_to_acknowledge

    @property
    def alarm_string(self) -> str:
        """Free text about the alarm."""
        return self._alarm_string
