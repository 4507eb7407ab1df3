"""Commands that concern a whole circuit (protocol sections 3.9 - 3.11)."""

from __future__ import annotations

from typing import ClassVar

from .._constants import STR_ENC
from .._enums import REQUEST, RESPONSE
from .._errors import CaprotoValueError
from .._headers import ExtendedMessageHeader, MessageHeader
from .._status import CAStatus, CAStatusCode, status_from_code, status_to_code
from ._base import Message, number, padded_text, read_text


class _Name(Message):
    __slots__ = ()
    ID: ClassVar[int]
    DIRECTION = REQUEST
    HAS_PAYLOAD = True
    FIELDS = ("name",)
    payload_size = number("payload_size")

    def __init__(self, name: str) -> None:
        payload = padded_text(type(self).__name__, name, "name")
        self._fill(self.ID, len(payload), 0, 0, 0, 0, payload)

    @property
    def name(self) -> str:
        return read_text(self._payload)


class ClientNameRequest(_Name):
    """The name of the user, for access security."""

    __slots__ = ()
    ID = 20


class HostNameRequest(_Name):
    """The name of the client's host, for access security."""

    __slots__ = ()
    ID = 21


class _Bare(Message):
    __slots__ = ()
    ID: ClassVar[int]

    def __init__(self) -> None:
        self._fill(self.ID, 0, 0, 0, 0, 0)


class EchoRequest(_Bare):
    """Are you there?"""

    __slots__ = ()
    ID = 23
    DIRECTION = REQUEST


class EchoResponse(_Bare):
    """I am."""

    __slots__ = ()
    ID = 23
    DIRECTION = RESPONSE


class EventsOffRequest(_Bare):
    """Hold all updates of this circuit back."""

    __slots__ = ()
    ID = 8
    DIRECTION = REQUEST


class EventsOnRequest(_Bare):
    """Send updates again."""

    __slots__ = ()
    ID = 9
    DIRECTION = REQUEST


class ReadSyncRequest(_Bare):
    """The keep-alive of servers below version 3."""

    __slots__ = ()
    ID = 10
    DIRECTION = REQUEST


class ReadSyncResponse(_Bare):
    """The answer to :class:`ReadSyncRequest`."""

    __slots__ = ()
    ID = 10
    DIRECTION = RESPONSE


class ErrorResponse(Message):
    """A request failed.

    Parameters
    ----------
    original_request : Message or MessageHeader
        The request; only its header travels.
    cid : int
        The channel, 0xFFFFFFFF if unknown.
    status : int, CAStatus or CAStatusCode
    error_message : str
    """

    __slots__ = ()
    ID = 11
    DIRECTION = RESPONSE
    HAS_PAYLOAD = True
    FIELDS = ("original_request", "cid", "status", "error_message")
    cid = number("parameter1")
    payload_size = number("payload_size")

    def __init__(
        self,
        original_request: Message | MessageHeader,
        cid: int,
        status: int | CAStatus | CAStatusCode,
        error_message: str | bytes,
    ) -> None:
        header = original_request if isinstance(original_request, MessageHeader) else original_request.header
        payload = bytes(header) + padded_text("ErrorResponse", error_message, "error_message")
        self._fill(11, len(payload), 0, 0, cid, status_to_code(status), payload)

    @property
    def status(self) -> CAStatusCode:
        return status_from_code(self._parameter2)

    @property
    def original_request(self) -> MessageHeader:
        """The header of the request that failed."""
        raw = bytes(self._payload[:24])
        if len(raw) < 16:
            raise CaprotoValueError(f"ErrorResponse: its payload of {len(raw)} bytes holds no request header")
        command, size, data_type, count = (int.from_bytes(raw[at : at + 2], "big") for at in range(0, 8, 2))
        first, second = int.from_bytes(raw[8:12], "big"), int.from_bytes(raw[12:16], "big")
        if size == 0xFFFF and len(raw) == 24:
            size, count = int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")
            return ExtendedMessageHeader(command, size, data_type, count, first, second)
        return MessageHeader(command, size, data_type, count, first, second)

    @property
    def error_message(self) -> str:
        start = 24 if bytes(self._payload[2:4]) == b"\xff\xff" else 16
        return bytes(self._payload[start:]).split(b"\0", 1)[0].decode(STR_ENC)
