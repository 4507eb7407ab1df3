"""Commands that concern one channel (protocol sections 3.4 - 3.8)."""

from __future__ import annotations

import ctypes
import struct
from typing import Any, ClassVar

from .._enums import REQUEST, RESPONSE, AccessRights, SubscriptionType
from .._errors import CaprotoValueError
from .._status import CAStatus, CAStatusCode, status_to_code
from .._wire import codec
from ._base import Message, ValueMessage, dbr_type, number, padded_text, read_text, status_field

_RIGHTS = {value: AccessRights(value) for value in range(4)}
_MASK = struct.Struct(">fffHxx")
Status = int | CAStatus | CAStatusCode


def _code(status: Status) -> int:
    return status if status.__class__ is int else status_to_code(status)


class CreateChanRequest(Message):
    """Open the channel called `name`, including its modifiers and filters."""

    __slots__ = ()
    ID = 18
    DIRECTION = REQUEST
    HAS_PAYLOAD = True
    FIELDS = ("name", "cid", "version")
    cid = number("parameter1")
    version = number("parameter2")
    payload_size = number("payload_size")

    def __init__(self, name: str, cid: int, version: int) -> None:
        payload = padded_text("CreateChanRequest", name, "name")
        self._fill(18, len(payload), 0, 0, cid, version, payload)

    @property
    def name(self) -> str:
        return read_text(self._payload)


class AccessRightsResponse(Message):
    """What the client may do with the channel; may arrive again at any time."""

    __slots__ = ()
    ID = 22
    DIRECTION = RESPONSE
    FIELDS = ("cid", "access_rights")
    cid = number("parameter1")
    access_rights = codec.field("parameter2", _RIGHTS, lambda rights: AccessRights(rights & 3))

    def __init__(self, cid: int, access_rights: int) -> None:
        self._fill(22, 0, 0, 0, cid, access_rights)


class CreateChanResponse(Message):
    """The channel is open; its native type and largest element count."""

    __slots__ = ()
    ID = 18
    DIRECTION = RESPONSE
    FIELDS = ("data_type", "data_count", "cid", "sid")
    data_type = dbr_type()
    data_count = number("data_count")
    cid = number("parameter1")
    sid = number("parameter2")

    def __init__(self, data_type: int, data_count: int, cid: int, sid: int) -> None:
        self._fill(18, 0, data_type, data_count, cid, sid)


class CreateChFailResponse(Message):
    """The server will not open the channel."""

    __slots__ = ()
    ID = 26
    DIRECTION = RESPONSE
    FIELDS = ("cid",)
    cid = number("parameter1")

    def __init__(self, cid: int) -> None:
        self._fill(26, 0, 0, 0, cid, 0)


class ServerDisconnResponse(Message):
    """The server dropped the channel."""

    __slots__ = ()
    ID = 27
    DIRECTION = RESPONSE
    FIELDS = ("cid",)
    cid = number("parameter1")

    def __init__(self, cid: int) -> None:
        self._fill(27, 0, 0, 0, cid, 0)


class _Clear(Message):
    __slots__ = ()
    ID = 12
    FIELDS = ("sid", "cid")
    sid = number("parameter1")
    cid = number("parameter2")

    def __init__(self, sid: int, cid: int) -> None:
        self._fill(12, 0, 0, 0, sid, cid)


class ClearChannelRequest(_Clear):
    """Close the channel; its subscriptions end without confirmations."""

    __slots__ = ()
    DIRECTION = REQUEST


class ClearChannelResponse(_Clear):
    """The channel is closed."""

    __slots__ = ()
    DIRECTION = RESPONSE


class _ReadRequest(Message):
    __slots__ = ()
    ID: ClassVar[int]
    DIRECTION = REQUEST
    FIELDS = ("data_type", "data_count", "sid", "ioid")
    data_type = dbr_type()
    data_count = number("data_count")
    sid = number("parameter1")
    ioid = number("parameter2")

    def __init__(self, data_type: int, data_count: int, sid: int, ioid: int) -> None:
        self._fill(self.ID, 0, data_type, data_count, sid, ioid)


class ReadNotifyRequest(_ReadRequest):
    """Read the value; `data_count` 0 asks for its current length."""

    __slots__ = ()
    ID = 15


class ReadRequest(_ReadRequest):
    """The obsolete form of a read."""

    __slots__ = ()
    ID = 3


class ReadNotifyResponse(ValueMessage):
    """The value that was asked for; look at `status` before `data`."""

    __slots__ = ()
    ID = 15
    DIRECTION = RESPONSE
    FIELDS = ("data", "data_type", "data_count", "status", "ioid", "metadata")
    status = status_field()
    ioid = number("parameter2")

    def __init__(
        self,
        data: Any,
        data_type: int,
        data_count: int | None,
        status: Status,
        ioid: int,
        *,
        metadata: Any = None,
    ) -> None:
        self._encode(15, data, data_type, data_count, _code(status), ioid, metadata, False)


class ReadResponse(ValueMessage):
    """The answer to the obsolete form of a read; its first parameter is the channel's CID."""

    __slots__ = ()
    ID = 3
    DIRECTION = RESPONSE
    FIELDS = ("data", "data_type", "data_count", "sid", "ioid", "metadata")
    sid = number("parameter1")
    ioid = number("parameter2")

    def __init__(
        self, data: Any, data_type: int, data_count: int | None, sid: int, ioid: int, *, metadata: Any = None
    ) -> None:
        self._encode(3, data, data_type, data_count, sid, ioid, metadata, True)


class _Write(ValueMessage):
    __slots__ = ()
    ID: ClassVar[int]
    DIRECTION = REQUEST
    FIELDS = ("data", "data_type", "data_count", "sid", "ioid", "metadata")
    sid = number("parameter1")
    ioid = number("parameter2")

    def __init__(
        self, data: Any, data_type: int, data_count: int | None, sid: int, ioid: int, *, metadata: Any = None
    ) -> None:
        self._encode(self.ID, data, data_type, data_count, sid, ioid, metadata, True)


class WriteRequest(_Write):
    """Write the value; silent when it succeeds."""

    __slots__ = ()
    ID = 4


class WriteNotifyRequest(_Write):
    """Write the value and be told when everything that it triggers has finished."""

    __slots__ = ()
    ID = 19


class WriteNotifyResponse(Message):
    """The write has finished, or failed: see `status`."""

    __slots__ = ()
    ID = 19
    DIRECTION = RESPONSE
    FIELDS = ("data_type", "data_count", "status", "ioid")
    data_type = dbr_type()
    data_count = number("data_count")
    status = status_field()
    ioid = number("parameter2")

    def __init__(self, data_type: int, data_count: int, status: Status, ioid: int) -> None:
        self._fill(19, 0, data_type, data_count, status_to_code(status), ioid)


class EventAddRequestPayload(ctypes.BigEndianStructure):
    """The payload of a subscription (section 6); the three limits are not used by anybody."""

    _pack_ = 1
    _fields_ = [
        ("low", ctypes.c_float),
        ("high", ctypes.c_float),
        ("to", ctypes.c_float),
        ("mask", ctypes.c_uint16),
        ("pad", ctypes.c_uint16),
    ]

    def __init__(self, low: float = 0.0, high: float = 0.0, to: float = 0.0, mask: int = 0) -> None:
        super().__init__(low, high, to, mask)

    @property
    def nbytes(self) -> int:
        return ctypes.sizeof(self)


class EventAddRequest(Message):
    """Subscribe to updates.

    Parameters
    ----------
    data_type, data_count, sid, subscriptionid : int
        Count 0 asks for the current length in every update.
    low, high, to : float
        Not used; 0.
    mask : int
        Which events to be told of, 1..255 (:class:`SubscriptionType`).
    """

    __slots__ = ()
    ID = 1
    DIRECTION = REQUEST
    HAS_PAYLOAD = True
    FIELDS = ("data_type", "data_count", "sid", "subscriptionid", "low", "high", "to", "mask")
    data_type = dbr_type()
    data_count = number("data_count")
    sid = number("parameter1")
    subscriptionid = number("parameter2")

    def __init__(
        self,
        data_type: int,
        data_count: int,
        sid: int,
        subscriptionid: int,
        low: float,
        high: float,
        to: float,
        mask: int,
    ) -> None:
        try:
            payload = _MASK.pack(low, high, to, mask)
        except (struct.error, OverflowError, TypeError):
            raise CaprotoValueError(
                f"EventAddRequest: low={low!r}, high={high!r}, to={to!r}, mask={mask!r} do not fit the payload"
            ) from None
        self._fill(1, 16, data_type, data_count, sid, subscriptionid, payload)

    @property
    def payload_struct(self) -> EventAddRequestPayload:
        """The payload as a structure; a copy."""
        return EventAddRequestPayload.from_buffer_copy(bytes(self._payload).ljust(16, b"\0"))

    @property
    def low(self) -> float:
        return float(self.payload_struct.low)

    @property
    def high(self) -> float:
        return float(self.payload_struct.high)

    @property
    def to(self) -> float:
        return float(self.payload_struct.to)

    @property
    def mask(self) -> SubscriptionType | int:
        return SubscriptionType(self.payload_struct.mask)


def _update(
    data: Any, data_type: int, data_count: int | None, status: Status, subscriptionid: int, *, metadata: Any = None
) -> None:
    """The parameters of an EventAddResponse."""


class _Signature:
    """``inspect.signature`` of a class whose constructor may be compiled."""

    def __get__(self, command: Any, owner: type) -> Any:
        if owner.__init__ is not codec.UpdateFrame.__init__:  # type: ignore[misc]
            raise AttributeError("__signature__")
        import inspect

        return inspect.signature(_update)


class EventAddResponse(codec.UpdateFrame, ValueMessage):
    """An update of a subscription, or the confirmation that it was cancelled (section 3.7).

    A confirmation has no payload and carries the SID where an update has its status.

    Parameters
    ----------
    data : tuple, list, number, str, ndarray, array.array or bytes-like
    data_type : int
    data_count : int or None
        Must agree with `data`; None takes its length.
    status : CAStatus, CAStatusCode or int
    subscriptionid : int
    metadata : None, tuple, mapping, DBR structure or bytes
    """

    __slots__ = ()
    ID = 1
    DIRECTION = RESPONSE
    FIELDS = ("data", "data_type", "data_count", "status", "subscriptionid", "metadata")
    status = status_field()
    subscriptionid = number("parameter2")

    __signature__ = _Signature()

    def _shown(self, name: str) -> str:
        if not self._payload_size and self._data_count and name in ("data", "status", "metadata"):
            # A confirmation: these are not there.  People know it by this look.
            return f"(repr: {self._parameter1})" if name == "status" else "(repr: tuple index out of range)"
        return super()._shown(name)


class EventCancelRequest(Message):
    """End a subscription."""

    __slots__ = ()
    ID = 2
    DIRECTION = REQUEST
    FIELDS = ("data_type", "sid", "subscriptionid")
    data_type = dbr_type()
    data_count = number("data_count")
    sid = number("parameter1")
    subscriptionid = number("parameter2")

    def __init__(self, data_type: int, sid: int, subscriptionid: int, data_count: int = 0) -> None:
        self._fill(2, 0, data_type, data_count, sid, subscriptionid)


class EventCancelResponse(Message):
    """The confirmation that a subscription ended; on the wire an EVENT_ADD without payload."""

    __slots__ = ()
    ID = 1
    DIRECTION = RESPONSE
    FIELDS = ("data_type", "sid", "subscriptionid", "data_count")
    data_type = dbr_type()
    data_count = number("data_count")
    sid = number("parameter1")
    subscriptionid = number("parameter2")

    def __init__(self, data_type: int, sid: int, subscriptionid: int, data_count: int) -> None:
        self._fill(1, 0, data_type, data_count, sid, subscriptionid)

    def validate(self) -> None:
        super().validate()
        if self._payload_size:
            raise CaprotoValueError(f"EventCancelResponse: payload_size is {self._payload_size}, not 0")


codec.configure(status_code=status_to_code)
