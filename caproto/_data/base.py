"""What all channel data have in common: value, length, time stamp, alarm."""

from __future__ import annotations

import datetime
import weakref
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, ClassVar

from .._constants import MAX_SUBSCRIPTION_BACKLOG, STR_ENC
from .._dbr import Metadata, TimeStamp
from .._enums import AccessRights, AlarmSeverity, AlarmStatus, ChannelType, SubscriptionType
from .._errors import CaprotoTypeError, CaprotoValueError, Forbidden, SkipWrite
from .._layout import CHAR, LAYOUTS, NATIVES, STRING
from .alarm import ACKNOWLEDGING, PUT_ACKT, ChannelAlarm
from .clock import stamp_of, stamp_of_birth
from .conversion import MAX_TEXT, numbers_from_texts, numbers_to, texts_of_numbers
from .publisher import Publisher
from .view import View, ViewKey

__all__ = ["ChannelData"]


class ChannelData(Publisher):
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
        Accepted for the sake of older code; it bounds nothing.  What waits for a slow client is bounded in bytes, for
        all its subscriptions together, and beyond that the newest update of each is kept.
    """

    data_type: ChannelType = ChannelType.LONG
    default_value: ClassVar[Any] = 0
    # Hooks that a framework may set; see `reads_at_once`.
    getter: Any = None
    putter: Any = None
    on_write: Any = None
    _record_class: Any = None
    # Made when somebody looks: most of many channels are never looked at.
    _views: dict[ViewKey, View] | None = None
    _passing_views: weakref.WeakValueDictionary[ViewKey, View] | None = None
    _alarm: ChannelAlarm | None = None
    # What most of many channels have; only another value takes memory of its own.
    string_encoding: str | None = STR_ENC
    reported_record_type: str = "caproto"
    max_subscription_backlog: int = MAX_SUBSCRIPTION_BACKLOG
    _max_length = 1

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
        self._set_apart("string_encoding", string_encoding)
        self._set_apart("reported_record_type", reported_record_type)
        self._set_apart("max_subscription_backlog", max_subscription_backlog)
        if alarm is not None:
            self._alarm = alarm
            alarm.connect(self)
        if max_length is None:
            max_length = max(1, self.calculate_length(value))
        if max_length < 1:
            raise CaprotoValueError(f"{type(self).__name__}: max_length={max_length} is less than 1")
        self._set_apart("_max_length", max_length)
        self._value = None if value is None else self.preprocess_value(value)
        self._stamp = stamp_of_birth() if timestamp is None else stamp_of(timestamp)

    def _set_apart(self, name: str, setting: Any) -> None:
        """Set an attribute, unless it says so already: what the class says costs no memory."""
        if getattr(self, name) != setting:
            setattr(self, name, setting)

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
        if getattr(value, "ndim", 1) > 1:
            return int(value.size)
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
        dimensions = getattr(value, "ndim", 1)
        if dimensions == 0:
            value = value.item()  # a scalar of numpy, or an array without dimensions
        elif dimensions > 1:
            value = value.reshape(-1)
        scalar = isinstance(value, (str, bytes)) or not hasattr(value, "__len__")
        length = 1 if scalar else self.calculate_length(value)
        self._check_length(length)
        if scalar:
            return value if self._max_length == 1 else [value]
        if not hasattr(value, "__getitem__") or isinstance(value, Mapping):
            raise CaprotoTypeError(f"{type(self).__name__}: {value!r} has no order of elements")
        if self._max_length > 1:
            return value
        first = value[0]
        return first.item() if getattr(first, "ndim", 1) == 0 else first

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
        return TimeStamp(*self._stamp).timestamp

    @property
    def epics_timestamp(self) -> TimeStamp:
        """When the value came to be."""
        return TimeStamp(*self._stamp)

    @property
    def alarm(self) -> ChannelAlarm:
        """The alarm state, which other channels may share."""
        if self._alarm is None:
            self._alarm = ChannelAlarm(string_encoding=self.string_encoding)
            self._alarm.connect(self)
        return self._alarm

    @alarm.setter
    def alarm(self, alarm: ChannelAlarm) -> None:
        if not isinstance(alarm, ChannelAlarm):
            raise CaprotoTypeError(f"{type(self).__name__}.alarm: {alarm!r} is not a ChannelAlarm")
        if self._alarm is not None:
            self._alarm.disconnect(self)
        self._alarm = alarm
        alarm.connect(self)
        self._forget_encoded()

    @property
    def status(self) -> int:
        """What kind of alarm there is."""
        return self._alarm_state()[0]

    @property
    def severity(self) -> int:
        """How bad the alarm is."""
        return self._alarm_state()[1]

    def _alarm_state(self) -> tuple[int, int]:
        alarm = self._alarm
        return _NO_ALARM if alarm is None else (alarm._status, alarm._severity)

    # Access -------------------------------------------------------------------------------------

    def check_access(self, hostname: str, username: str) -> AccessRights:
        """Return what a user on a host may do; here everybody may do everything."""
        return _EVERYTHING

    async def auth_read(
        self, hostname: str, username: str, data_type: ChannelType, *, user_address: Any = None
    ) -> tuple[Any, Any]:
        """:meth:`read` for a client.

        Raises
        ------
        Forbidden
            If the user on that host may not read.
        """
        if not int(self.check_access(hostname, username)) & _READ:
            raise Forbidden(f"{username!r} on {hostname!r} may not read")
        return await self.read(data_type)

    async def auth_write(
        self,
        hostname: str,
        username: str,
        data: Any,
        data_type: ChannelType,
        metadata: Any,
        *,
        flags: int = 0,
        user_address: Any = None,
    ) -> None:
        """:meth:`write_from_dbr` for a client; Forbidden if the user on that host may not write."""
        if not int(self.check_access(hostname, username)) & _WRITE:
            raise Forbidden(f"{username!r} on {hostname!r} may not write")
        await self.write_from_dbr(data, data_type, metadata, flags=flags)

    @property
    def reads_at_once(self) -> bool:
        """Whether a read is just the value: no getter, and none of the methods for reading overridden."""
        return self.getter is None and _ours(type(self), _READING)

    @property
    def writes_at_once(self) -> bool:
        """Whether a write neither waits nor runs code of the user."""
        return (
            self.putter is None
            and self.on_write is None
            and self._record_class is None
            and "auth_write" not in self.__dict__
            and _ours(type(self), _WRITING)
        )

    # Reading ------------------------------------------------------------------------------------

    async def read(self, data_type: ChannelType) -> tuple[Any, Any]:
        """Return the present value as another type; a place for what has to be done when a client reads.

        Parameters
        ----------
        data_type : ChannelType
            Any DBR type.

        Returns
        -------
        metadata : Metadata
            What stands in front of the value on the wire; for plain types, it has no members.
        data : sequence
            The elements: numbers, or byte strings.

        Raises
        ------
        CaprotoValueError
            If the value cannot be told as this type.
        """
        return self.read_from_dbr(data_type)

    def read_from_dbr(self, data_type: ChannelType) -> tuple[Any, Any]:
        """Return the same as :meth:`read` without running anything of the user."""
        raw, values = self.view().content(int(data_type))
        return Metadata(int(data_type), raw), values

    def view(self, key: ViewKey = ViewKey()) -> View:  # noqa: B008 - a tuple cannot be changed
        """Return the data as clients see them; the same one for the same key as long as anybody keeps it."""
        views: MutableMapping[ViewKey, View] | None = self._views if key.lasting else self._passing_views
        if views is None:
            if key.lasting:
                views = self._views = {}
            else:
                views = self._passing_views = weakref.WeakValueDictionary()
        view = views.get(key)
        if view is None:
            view = views[key] = View(self, key)
        return view

    def _forget_encoded(self) -> None:
        if self._views is not None:
            for view in self._views.values():
                view.cache.clear()

    def _elements(self, stop: int | None = None) -> Any:
        """The value as a sequence of elements of its own native type; those before `stop`."""
        value = self._value
        if value is None:
            return []
        return [value] if self._max_length == 1 else value if stop is None else value[:stop]

    def _elements_as(self, native: int, stop: int | None = None) -> Any:
        """The value as a sequence of elements of a native type; those before `stop`."""
        own = int(self.data_type)
        if native == own:
            return self._elements(stop)
        if native == STRING:
            return self._texts(stop)
        if own == STRING:
            encoding = self.string_encoding or STR_ENC
            return numbers_from_texts((text.decode(encoding, "replace") for text in self._elements(stop)), native)
        return numbers_to(native, self._elements(stop))

    def _texts(self, stop: int | None = None) -> list[bytes]:
        """The elements as text, for a value that is made of numbers."""
        return texts_of_numbers(self._elements(stop), int(self.data_type))

    def _long_string_size(self) -> int:
        """The most bytes of the value as a long string, the NUL included; 0 if it is no text."""
        return 0

    def _long_string(self) -> bytes:
        """The value as a long string, without the NUL."""
        raise CaprotoTypeError(f"{type(self).__name__} is no text")

    def _long_string_as(self, native: int) -> Any:
        text = self._long_string()
        if native == STRING:
            return [text[:MAX_TEXT]]
        whole = text[: self._long_string_size() - 1] + b"\0"
        return whole if native == CHAR else numbers_to(native, whole)

    def _metadata_member(self, name: str) -> Any:
        """A member of the metadata by its name in the DBR structures; zero, or nothing, if it does not apply."""
        if name == "ackt":
            return int(self.alarm._must_acknowledge_transient)
        if name == "acks":
            return int(self.alarm._severity_to_acknowledge)
        return b"" if name in ("units", "strs") else 0

    # Writing ------------------------------------------------------------------------------------

    def _fitting(self, value: Any) -> Any:
        """Return `value` in the form it is kept, or raise CaprotoError if it cannot be a value of this channel."""
        return self.preprocess_value(value)

    async def verify_value(self, data: Any) -> Any:
        """Return what is to be stored instead of `data`, or None; for overriding.

        Raises
        ------
        SkipWrite
            If nothing is to be stored, and whoever writes need not know.
        Exception
            Any other: the value is refused.
        """
        return data

    async def update_fields(self, value: Any) -> None:
        """Called after a value was stored and before subscribers are told; for overriding."""

    async def write(
        self, value: Any, *, flags: int = 0, verify_value: bool = True, update_fields: bool = True, **metadata: Any
    ) -> None:
        """Store a value of Python and tell subscribers.

        Parameters
        ----------
        value
            A scalar or a sequence; an array is kept as it is, not copied.
        flags : SubscriptionType, optional
            What subscribers are to be told has changed, besides what has.
        verify_value : bool, optional
            Whether `verify_value` is asked first.
        update_fields : bool, optional
            Whether `update_fields` is called.
        **metadata
            ``timestamp`` (by default now), ``status``, ``severity`` and what :meth:`write_metadata` takes.

        Raises
        ------
        CaprotoValueError
            If the value does not fit.
        Exception
            Whatever `verify_value` raises; nothing is stored then.
        """
        value = self.preprocess_value(value)
        if verify_value:
            try:
                accepted = await self.verify_value(value)
            except SkipWrite:
                return
            if accepted is not None and accepted is not value:
                value = self.preprocess_value(accepted)
        status = severity = stamp = None
        if metadata:
            status, severity = metadata.pop("status", None), metadata.pop("severity", None)
            stamp = metadata.pop("timestamp", None)
        if metadata:
            await self.write_metadata(publish=False, **metadata)
            flags |= _PROPERTY
        news = self._store(value, status, severity, stamp)
        try:
            if update_fields:
                await self.update_fields(value)
        finally:  # the value is stored, whatever became of the fields
            await self.publish(flags | news)
            if news & _ALARM and self.alarm.shared:
                await self.alarm.publish(_ALARM, except_for=self)

    def _store(self, value: Any, status: int | None = None, severity: int | None = None, stamp: Any = None) -> int:
        """Keep a value that was accepted, its alarm and its time; return which subscribers that is news for."""
        if status is None and severity is None:
            status, severity = self._alarm_for(value)
        stamp = stamp_of(stamp)
        # First what may be refused.
        changed = (status is not None or severity is not None) and self.alarm.change(status, severity)
        news = self._news(self._value, value)
        self._value, self._stamp = value, stamp
        self._forget_encoded()
        return news | _ALARM if changed else news

    def put_at_once(self, data: Any, native: int) -> bool:
        """Do the same as :meth:`auth_write` if nothing in it could wait or is the user's, or return False.

        Parameters
        ----------
        data : sequence
            Elements of `native`.
        native : int
            A plain type.
        """
        return False

    def _alarm_for(self, value: Any) -> tuple[int | None, int | None]:
        """Status and severity that follow from a value; None where nothing does."""
        return None, None

    def _news(self, old: Any, new: Any) -> int:
        """Which subscribers a new value is news for."""
        return VALUE_AND_LOG if self._max_length > 1 or old is None or old != new else 0

    async def write_from_dbr(self, data: Any, data_type: ChannelType, metadata: Any, *, flags: int = 0) -> None:
        """Store what a client sent, converted to the type of this channel.

        Parameters
        ----------
        data : sequence
            Elements of `data_type` in native byte order; an array is kept, not copied, if it is of the right type.
        data_type : ChannelType
            A plain type; those with metadata count as their plain type.
        metadata : DBR structure, mapping or None
            Its time stamp and alarm become those of the value.
        flags : SubscriptionType, optional
            As of :meth:`write`.
        """
        number = int(data_type)
        if number in ACKNOWLEDGING:
            if len(data) and number == PUT_ACKT:
                await self.alarm.write(must_acknowledge_transient=bool(data[0]))
            elif len(data):
                await self.alarm.acknowledge(int(data[0]))
            return
        if not len(data):
            if self._max_length == 1:
                return  # nothing was sent, and nothing changes (section 3.6)
            value: Any = []
        else:
            value = self._from_wire(data, LAYOUTS[number].native)
        if metadata is None:
            await self.write(value, flags=flags)
        else:
            await self.write(value, flags=flags, **_told(metadata))

    def _from_wire(self, data: Any, native: int) -> Any:
        """A value of Python from elements of a native type; those that are too many are left out (section 3.6)."""
        if len(data) > self._max_length:
            data = data[: self._max_length]
        own = int(self.data_type)
        if native == STRING:
            encoding = self.string_encoding or STR_ENC
            values = numbers_from_texts((bytes(text).decode(encoding) for text in data), own)
        else:
            values = data if native == own else numbers_to(own, data)
        if self._max_length > 1:
            return values
        first = values[0]
        return first.item() if hasattr(first, "item") else first

    async def write_metadata(
        self,
        publish: bool = True,
        units: str | None = None,
        precision: int | None = None,
        timestamp: Any = None,
        upper_disp_limit: float | None = None,
        lower_disp_limit: float | None = None,
        upper_alarm_limit: float | None = None,
        upper_warning_limit: float | None = None,
        lower_warning_limit: float | None = None,
        lower_alarm_limit: float | None = None,
        upper_ctrl_limit: float | None = None,
        lower_ctrl_limit: float | None = None,
        status: int | None = None,
        severity: int | None = None,
    ) -> None:
        """Change what goes with the value; what does not apply to this type is left out.

        Parameters
        ----------
        publish : bool, optional
            Whether subscribers are told: of properties (``DBE_PROPERTY``) and of the alarm (``DBE_ALARM``).
        units, precision, timestamp, upper_disp_limit, ..., status, severity : optional
            As of the class.
        """
        given = {
            "units": units, "precision": precision,
            "upper_disp_limit": upper_disp_limit, "lower_disp_limit": lower_disp_limit,
            "upper_alarm_limit": upper_alarm_limit, "upper_warning_limit": upper_warning_limit,
            "lower_warning_limit": lower_warning_limit, "lower_alarm_limit": lower_alarm_limit,
            "upper_ctrl_limit": upper_ctrl_limit, "lower_ctrl_limit": lower_ctrl_limit,
        }  # fmt: skip
        changed = self._change_metadata({name: value for name, value in given.items() if value is not None})
        if timestamp is not None:
            self._stamp = stamp_of(timestamp)
        self._forget_encoded()
        if publish and changed:
            await self.publish(_PROPERTY)
        if status is not None or severity is not None:
            await self.alarm.write(status=status, severity=severity, publish=publish)

    def _change_metadata(self, given: dict[str, Any]) -> bool:
        """Take properties that apply; return whether there are any."""
        return False


def _told(metadata: Any) -> dict[str, Any]:
    """The alarm and the time stamp in metadata of a client."""
    if not metadata:
        return {}
    if hasattr(metadata, "to_dict"):
        metadata = metadata.to_dict()
    given = dict(metadata)
    told = {name: given[name] for name in ("status", "severity", "timestamp") if name in given}
    if "stamp" in given:
        told["timestamp"] = given["stamp"]
    return told


_READING = ("read", "auth_read", "check_access")
_WRITING = ("write", "write_from_dbr", "auth_write", "verify_value", "update_fields", "publish", "write_metadata")
_known: dict[tuple[type, tuple[str, ...]], bool] = {}


def _ours(cls: type, methods: Iterable[str]) -> bool:
    """Whether methods of a class are those of this package: nothing of the user runs in them unless a hook says so."""
    key = (cls, tuple(methods))
    known = _known.get(key)
    if known is None:
        homes = (getattr(cls, method).__module__ for method in methods)
        known = _known[key] = all(home.startswith(("caproto._data.", "caproto.server._")) for home in homes)
    return known


_NO_ALARM = (AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)
_READ, _WRITE = int(AccessRights.READ), int(AccessRights.WRITE)
_EVERYTHING = AccessRights.READ | AccessRights.WRITE
VALUE_AND_LOG = int(SubscriptionType.DBE_VALUE | SubscriptionType.DBE_LOG)
_ALARM = int(SubscriptionType.DBE_ALARM)
_PROPERTY = int(SubscriptionType.DBE_PROPERTY)
_NUMPY_KINDS = {"h": "i2", "f": "f4", "H": "u2", "B": "u1", "i": "i4", "d": "f8"}
