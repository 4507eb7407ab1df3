"""The alarm state that one or more channels share."""

from __future__ import annotations

import operator
import struct
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._constants import STR_ENC
from .._enums import AlarmSeverity, AlarmStatus, ChannelType, SubscriptionType
from .._errors import CaprotoValueError
from .._layout import LAYOUTS

if TYPE_CHECKING:
    from .base import ChannelData

__all__ = ["ACKNOWLEDGING", "PUT_ACKT", "ChannelAlarm"]

PUT_ACKT = int(ChannelType.PUT_ACKT)
#: The types that are for writing only.
ACKNOWLEDGING = frozenset({PUT_ACKT, int(ChannelType.PUT_ACKS)})

_STATUSES = {int(member): member for member in AlarmStatus}
_SEVERITIES = {int(member): member for member in AlarmSeverity}
#: Of the numbers that clients can be told with every type.
_LARGEST = 0x7FFF


def _known(members: Mapping[int, int], name: str, number: Any) -> int:
    """Return a status or severity as a member of its enumeration, or as a plain number if it is none of them."""
    try:
        index = operator.index(number)
    except TypeError:
        index = -1
    if not 0 <= index <= _LARGEST:
        raise CaprotoValueError(f"alarm: {name}={number!r} is not a number 0..{_LARGEST}")
    return members.get(index, index)


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
        # Mostly one; a WeakSet for each of many PVs would be most of their memory.
        self._references: dict[int, weakref.ref[ChannelData]] = {}
        self.string_encoding = string_encoding
        self._status = _known(_STATUSES, "status", status)
        self._severity = _known(_SEVERITIES, "severity", severity)
        self._must_acknowledge_transient = bool(must_acknowledge_transient)
        self._severity_to_acknowledge = _known(_SEVERITIES, "severity_to_acknowledge", severity_to_acknowledge)
        self._alarm_string = alarm_string

    def connect(self, channel_data: ChannelData) -> None:
        """Add a channel to those that share this alarm; it is not kept alive."""
        self._references[id(channel_data)] = weakref.ref(channel_data)

    def disconnect(self, channel_data: ChannelData) -> None:
        """Remove a channel from those that share this alarm."""
        self._references.pop(id(channel_data), None)

    @property
    def shared(self) -> bool:
        """Whether more than one channel has it."""
        return len(self._references) > 1

    @property
    def _channels(self) -> list[ChannelData]:
        """The channels that share this alarm and still exist."""
        found = [(key, reference()) for key, reference in self._references.items()]
        for key, channel in found:
            if channel is None:
                del self._references[key]
        return [channel for _, channel in found if channel is not None]

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

    async def read(self, dbr: Any = None) -> Any:
        """Return the alarm as STSACK_STRING metadata, or store it in `dbr`, which has members of these names."""
        from .._dbr import Metadata

        if dbr is None:
            members = (self._status, self._severity, self._must_acknowledge_transient, self._severity_to_acknowledge)
            raw = _STSACK.pack(*map(int, members))
            return Metadata(ChannelType.STSACK_STRING, raw)
        dbr.status, dbr.severity = int(self._status), int(self._severity)
        return dbr

    async def write(
        self,
        *,
        status: int | None = None,
        severity: int | None = None,
        must_acknowledge_transient: bool | None = None,
        severity_to_acknowledge: int | None = None,
        alarm_string: str | None = None,
        flags: int = 0,
        publish: bool = True,
    ) -> None:
        """Change what is given, and tell the subscribers of every channel that shares this alarm.

        Parameters
        ----------
        status, severity, must_acknowledge_transient, severity_to_acknowledge, alarm_string : optional
            As of the class.
        flags : SubscriptionType, optional
            What else subscribers are to be told has changed.
        publish : bool, optional
            Whether subscribers are told at all.
        """
        changed = self.change(status, severity, must_acknowledge_transient, severity_to_acknowledge)
        if alarm_string is not None and alarm_string != self._alarm_string:
            self._alarm_string = alarm_string
            changed = True
        if publish and (changed or flags):
            await self.publish(int(flags) | _ALARM)

    def change(
        self,
        status: int | None = None,
        severity: int | None = None,
        must_acknowledge_transient: bool | None = None,
        severity_to_acknowledge: int | None = None,
    ) -> bool:
        """Change what is given without telling anybody; return whether anything is different now.

        Raises
        ------
        CaprotoValueError
            If a status or a severity is no number that clients can be told; nothing is changed then.
        """
        before = (self._status, self._severity, self._must_acknowledge_transient, self._severity_to_acknowledge)
        status = self._status if status is None else _known(_STATUSES, "status", status)
        severity = self._severity if severity is None else _known(_SEVERITIES, "severity", severity)
        if severity_to_acknowledge is not None:
            severity_to_acknowledge = _known(_SEVERITIES, "severity_to_acknowledge", severity_to_acknowledge)
        if (status, severity) != before[:2]:
            self._status, self._severity = status, severity
            # Only a new alarm: one that was acknowledged and just goes on stays acknowledged.
            if severity > self._severity_to_acknowledge or not self._must_acknowledge_transient:
                self._severity_to_acknowledge = severity
        if must_acknowledge_transient is not None:
            self._must_acknowledge_transient = bool(must_acknowledge_transient)
            if not must_acknowledge_transient and self._severity_to_acknowledge > self._severity:
                self._severity_to_acknowledge = self._severity
        if severity_to_acknowledge is not None:
            self._severity_to_acknowledge = severity_to_acknowledge
        after = (self._status, self._severity, self._must_acknowledge_transient, self._severity_to_acknowledge)
        if before == after:
            return False
        for channel in self._channels:
            channel._forget_encoded()
        return True

    async def acknowledge(self, severity: int) -> None:
        """Acknowledge alarms up to a severity, as a client does by writing PUT_ACKS (protocol section 4.5)."""
        if severity >= self._severity_to_acknowledge:
            await self.write(severity_to_acknowledge=AlarmSeverity.NO_ALARM)

    async def publish(self, flags: int, *, except_for: ChannelData | None = None) -> None:
        """Tell subscribers of the channels that share this alarm, but for one."""
        for channel in self._channels:
            if channel is not except_for:
                await channel.publish(flags)


_ALARM = int(SubscriptionType.DBE_ALARM)
_STSACK = struct.Struct(LAYOUTS[ChannelType.STSACK_STRING].prefix_format)
