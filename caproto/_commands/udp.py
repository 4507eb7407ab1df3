"""Commands of datagrams: search, beacons, repeater (protocol sections 3.2, 3.3, 3.12, 3.13).

VERSION and SEARCH also travel over TCP.
"""

from __future__ import annotations

from typing import Any

from .._constants import DO_REPLY, NO_REPLY
from .._enums import REQUEST, RESPONSE
from .._errors import CaprotoValueError
from .._ipv4 import ipv4_from_int32, ipv4_to_int32
from ._base import Message, number, padded_text, read_text


def _address(slot: str) -> Any:
    def read(self: Any) -> str:
        return ipv4_from_int32(getattr(self, slot))

    return property(read, doc="IPv4 address as text")


class VersionRequest(Message):
    """The client's protocol version; the first message on a circuit and in a search datagram.

    Parameters
    ----------
    priority : int
        0..99 on a circuit.  In a datagram this field says whether `sequence` is valid.
    version : int
        Minor protocol version.
    sequence : int
        Number of the datagram, echoed by the server.
    """

    __slots__ = ()
    ID = 0
    DIRECTION = REQUEST
    FIELDS = ("priority", "version")
    priority = number("data_type")
    version = number("data_count")
    sequence = number("parameter1")

    def __init__(self, priority: int, version: int, *, sequence: int = 0) -> None:
        self._fill(0, 0, priority, version, sequence, 0)

    def validate(self) -> None:
        super().validate()
        if self.priority > 99:
            raise CaprotoValueError(f"VersionRequest: priority={self.priority} is not in 0..99")


class VersionResponse(Message):
    """The server's protocol version; over UDP it echoes the sequence number of the search."""

    __slots__ = ()
    ID = 0
    DIRECTION = RESPONSE
    FIELDS = ("version",)
    version = number("data_count")
    sequence = number("parameter1")

    def __init__(self, version: int, *, sequence: int | None = None) -> None:
        self._fill(0, 0, 0 if sequence is None else 1, version, sequence or 0, 0)


class SearchRequest(Message):
    """Who has the channel called `name`?

    Parameters
    ----------
    name : str
    cid : int
    version : int
        The client's minor protocol version.
    reply : int
        ``NO_REPLY`` or ``DO_REPLY``: whether a server without that channel should say so (TCP only).
    """

    __slots__ = ()
    ID = 6
    DIRECTION = REQUEST
    HAS_PAYLOAD = True
    FIELDS = ("name", "cid", "version", "reply")
    reply = number("data_type")
    version = number("data_count")
    cid = number("parameter1")
    payload_size = number("payload_size")

    def __init__(self, name: str, cid: int, version: int, reply: int = NO_REPLY) -> None:
        if reply not in (NO_REPLY, DO_REPLY):
            raise CaprotoValueError(f"SearchRequest for {name!r}: reply={reply!r} is neither NO_REPLY nor DO_REPLY")
        payload = padded_text("SearchRequest", name, "name")
        self._fill(6, len(payload), reply, version, cid, cid, payload)

    @property
    def name(self) -> str:
        return read_text(self._payload)


class SearchResponse(Message):
    """A server has the channel.

    Parameters
    ----------
    port : int
        TCP port of the server.
    ip : str or None
        Its address; None, or 255.255.255.255, means the source address of the datagram.
    cid : int
        Of the search, copied.
    version : int
        The server's minor protocol version; None over TCP, where the reply has no payload.
    """

    __slots__ = ()
    ID = 6
    DIRECTION = RESPONSE
    HAS_PAYLOAD = True
    FIELDS = ("port", "ip", "cid", "version")
    port = number("data_type")
    cid = number("parameter2")
    ip = _address("_parameter1")
    payload_size = number("payload_size")

    def __init__(self, port: int, ip: str | None, cid: int, version: int | None) -> None:
        address = 0xFFFFFFFF if ip is None else ipv4_to_int32(ip)
        if version is not None and not 0 <= version <= 0xFFFF:
            raise CaprotoValueError(f"SearchResponse: version={version!r} does not fit an unsigned 16-bit integer")
        payload = b"" if version is None else version.to_bytes(2, "big") + bytes(6)
        self._fill(6, len(payload), port, 0, address, cid, payload)

    @property
    def version(self) -> int:
        """The server's minor version; 0 if it does not say."""
        return int.from_bytes(self._payload[:2], "big") if len(self._payload) >= 4 else 0


class NotFoundResponse(Message):
    """A server does not have the channel."""

    __slots__ = ()
    ID = 14
    DIRECTION = RESPONSE
    FIELDS = ("version", "cid")
    reply_flag = number("data_type")
    version = number("data_count")
    cid = number("parameter1")

    def __init__(self, version: int, cid: int) -> None:
        self._fill(14, 0, DO_REPLY, version, cid, cid)


class Beacon(Message):
    """A server is up.

    Parameters
    ----------
    version, server_port, beacon_id : int
    address : str
        '0.0.0.0' lets the repeater fill in the source address.
    """

    __slots__ = ()
    ID = 13
    DIRECTION = RESPONSE
    FIELDS = ("version", "server_port", "beacon_id", "address")
    version = number("data_type")
    server_port = number("data_count")
    beacon_id = number("parameter1")
    address = _address("_parameter2")

    def __init__(self, version: int, server_port: int, beacon_id: int, address: str) -> None:
        self._fill(13, 0, version, server_port, beacon_id, ipv4_to_int32(address))


class RepeaterConfirmResponse(Message):
    """The repeater has registered the client at `repeater_address`."""

    __slots__ = ()
    ID = 17
    DIRECTION = RESPONSE
    FIELDS = ("repeater_address",)
    repeater_address = _address("_parameter2")

    def __init__(self, repeater_address: str) -> None:
        self._fill(17, 0, 0, 0, 0, ipv4_to_int32(repeater_address))


class RepeaterRegisterRequest(Message):
    """A client asks the repeater of its host for the beacons."""

    __slots__ = ()
    ID = 24
    DIRECTION = REQUEST
    FIELDS = ("client_address",)
    client_address = _address("_parameter2")

    def __init__(self, client_address: str = "0.0.0.0") -> None:
        self._fill(24, 0, 0, 0, 0, ipv4_to_int32(client_address))
