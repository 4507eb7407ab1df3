"""What all channel data have in common: value, length, time stamp, alarm."""

from __future__ import annotations

import datetime
from typing import Any, ClassVar

from .._constants import MAX_SUBSCRIPTION_BACKLOG, STR_ENC
from .._dbr import TimeStamp
from .._enums import AccessRights, ChannelType
from .._errors import CaprotoTypeError, CaprotoValueError
from .._layout import NATIVES
from .alarm import ChannelAlarm

__all__ = ["ChannelData"]


class ChannelData:
    """A value with its time stamp and alarm.

    Parameters
    ----------
    alarm : ChannelAlarm, optional
        Shared with other channels; by default one of its own.
    value : optional
        A scalar or a sequence.
    timestamp : float, datetime or TimeStamp, optional
        When the value came to be; by default, now.
    max_length : int, optional
        The most elements the value may have; by default, as many as it has.
    string_encoding : str, optional
        How texts become bytes.
    reported_record_type : str, optional
        What a client is told that asks for the record type.
    max_subscription_backlog : int, optional
        The most updates that are kept for a slow subscriber.
    """

    data_type: ChannelType = ChannelType.LONG
    default_value: ClassVar[Any] = 0

    def __init__(
        self,
        *,
        alarm: ChannelAlarm | None = None,
        value: Any = None,
        timestamp: float | datetime.datetime | TimeStamp | None = None,
        max_length: int | None = None,
        string_encoding: str | None = STR_ENC,
        reported_record_type: str = "caproto",
        max_subscription_backlog: int = MAX_SUBSCRIPTION_BACKLOG,
    ) -> None:
        self.string_encoding = string_encoding
        self.reported_record_type = reported_record_type
        self.max_subscription_backlog = max_subscription_backlog
        self._alarm = ChannelAlarm(string_encoding=string_encoding) if alarm is None else alarm
        self._alarm.connect(self)
        if max_length is None:
            max_length = max(1, self.calculate_length(value))
        if max_length < 1:
            raise CaprotoValueError(f"{type(self).__name__}: max_length={max_length} is less than 1")
        self._max_length = max_length
        self._value = None if value is None else self.preprocess_value(value)
        if timestamp is None:
            self._epics_timestamp = TimeStamp.now()
        else:
            self._epics_timestamp = TimeStamp.from_flexible_value(timestamp)

    # Value --------------------------------------------------------------------------------------

    @property
    def value(self) -> Any:
        """The value, as it was accepted."""
        return self._value

    @property
    def length(self) -> int:
        """Number of elements of the present value."""
        return self.calculate_length(self._value)

    @property
    def max_length(self) -> int:
        """The most elements the value may have."""
        return self._max_length

    def calculate_length(self, value: Any) -> int:
        """Return the number of elements of `value`; a scalar, a text and None have one."""
        if isinstance(value, (str, bytes)):
            return 1
        try:
            return len(value)
        except TypeError:
            return 1

    def is_compatible_array(self, value: Any) -> bool:
        """Return whether `value` is an array whose elements are those of this data type, bit for bit."""
        native = NATIVES[self.data_type]
        typecode = getattr(value, "typecode", None)  # array.array
        if isinstance(typecode, str) and native.letter != "s":
            unsigned = native.letter in "HB"
            kind = "f" if typecode in "fd" else "u" if typecode in "BHILQ" else "i"
            wanted = "f" if native.letter in "fd" else "u" if unsigned else "i"
            return kind == wanted and value.itemsize == native.size
        dtype = getattr(value, "dtype", None)  # numpy
        if dtype is None or native.letter == "s" or getattr(value, "ndim", 0) != 1:
            return False
        return bool(dtype.kind + str(dtype.itemsize) == _NUMPY_KINDS[native.letter])

    def preprocess_value(self, value: Any) -> Any:
        """Return `value` in the form it is kept: one element for a scalar channel, else a sequence."""
        if value is None:
            raise CaprotoTypeError(f"{type(self).__name__}: None is not a value")
        scalar = isinstance(value, (str, bytes)) or not hasattr(value, "__len__")
        scalar = scalar or getattr(value, "ndim", 1) == 0
        length = 1 if scalar else self.calculate_length(value)
        self._check_length(length)
        if self._max_length == 1:
            return value if scalar else value[0]
        return [value] if scalar else value

    def _check_length(self, length: int) -> None:
        name = type(self).__name__
        if length > self._max_length:
            raise CaprotoValueError(f"{name}: {length} elements do not fit, max_length={self._max_length}")
        if length == 0 and self._max_length == 1:
            raise CaprotoValueError(f"{name}: a scalar cannot be set to an empty sequence")

    # What goes with the value -------------------------------------------------------------------

    @property
    def timestamp(self) -> float:
        """When the value came to be, in seconds of the POSIX epoch."""
        return self._epics_timestamp.timestamp

    @property
    def epics_timestamp(self) -> TimeStamp:
        """When the value came to be."""
        return self._epics_timestamp

    @property
    def alarm(self) -> ChannelAlarm:
        """The alarm state, which other channels may share."""
        return self._alarm

    @alarm.setter
    def alarm(self, alarm: ChannelAlarm) -> None:
        if not isinstance(alarm, ChannelAlarm):
            raise CaprotoTypeError(f"{type(self).__name__}.alarm: {alarm!r} is not a ChannelAlarm")
        self._alarm.disconnect(self)
        self._alarm = alarm
        alarm.connect(self)

    @property
    def status(self) -> int:
        """What kind of alarm there is."""
        return self._alarm.status

    @property
    def severity(self) -> int:
        """How bad the alarm is."""
        return self._alarm.severity

    def check_access(self, hostname: str, username: str) -> AccessRights:
        """Return what a user on a host may do; here everybody may do everything."""
        return AccessRights.READ | AccessRights.WRITE


_NUMPY_KINDS = {"h": "i2", "f": "f4", "H": "u2", "B": "u1", "i": "i4", "d": "f8"}
