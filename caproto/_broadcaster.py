"""Datagrams: search, beacons and the repeater (protocol sections 3.2, 3.3, 8).

UDP has no state: each datagram stands on its own.
"""

from __future__ import annotations

import logging
from typing import Any

from . import _commands as ca
from ._constants import DEFAULT_PROTOCOL_VERSION
from ._enums import CLIENT, SERVER, Sentinel
from ._errors import CaprotoValueError, LocalProtocolError, RemoteProtocolError
from ._pending import Pending

_FROM: dict[Sentinel, tuple[type[ca.Message], ...]] = {
    CLIENT: (ca.VersionRequest, ca.SearchRequest, ca.RepeaterRegisterRequest, ca.EchoRequest),
    SERVER: (
        ca.VersionResponse, ca.SearchResponse, ca.NotFoundResponse, ca.Beacon, ca.RepeaterConfirmResponse,
        ca.ErrorResponse, ca.EchoResponse,
    ),
}  # fmt: skip


class Broadcaster:
    """Datagrams of one socket.

    Parameters
    ----------
    our_role : CLIENT or SERVER
    protocol_version : int
        Our minor version.

    Attributes
    ----------
    registered : bool
        Whether the repeater confirmed us.
    """

    def __init__(self, our_role: Sentinel, protocol_version: int = DEFAULT_PROTOCOL_VERSION) -> None:
        if our_role not in (CLIENT, SERVER):
            raise CaprotoValueError(f"our_role={our_role!r} is neither CLIENT nor SERVER")
        self.our_role = our_role
        self.their_role = SERVER if our_role is CLIENT else CLIENT
        self.protocol_version = protocol_version
        self.our_addresses: list[Any] = []
        self.their_addresses: list[Any] = []
        self.registered = False
        self.log = logging.getLogger("caproto.bcast")
        self._pending = Pending()

    def send(self, *commands: ca.Message) -> bytes:
        """One datagram made of `commands`.

        Raises
        ------
        LocalProtocolError
            If we may not send one of them, or a SEARCH has no VERSION in front of it.
        """
        version = False
        for command in commands:
            if type(command) not in _FROM[self.our_role]:
                raise LocalProtocolError(f"{command!r} is illegal in a datagram of a {self.our_role!r}")
            version = version or isinstance(command, ca.VersionRequest)
            if isinstance(command, ca.SearchRequest) and not version:
                # Servers ignore it otherwise (section 3.2).
                raise LocalProtocolError(f"{command!r} needs a VersionRequest in front of it in the same datagram")
        return b"".join(bytes(command) for command in commands)

    def recv(self, byteslike: Any, address: Any) -> list[Any]:
        """The commands of a datagram from `address`; what is malformed, and what follows it, is dropped."""
        commands = ca.read_datagram(byteslike, address, self.their_role)
        self._pending.add(list(commands))
        return commands

    def next_command(self) -> Any:
        """Process and return the next command of earlier ``recv`` calls that was not processed yet, or NEED_DATA."""
        command = self._pending.take()
        if isinstance(command, ca.Message):
            self.process_commands([command])
        return command

    def process_commands(self, commands: Any) -> None:
        """Check received commands against the rules.

        Raises
        ------
        RemoteProtocolError
            If the peer may not send one of them in a datagram; the others are processed.
        """
        illegal = None
        for command in commands:
            command._done = True
            if type(command) not in _FROM[self.their_role]:
                illegal = illegal or command
            elif isinstance(command, ca.RepeaterConfirmResponse):
                self.registered = True
        if illegal is not None:
            raise RemoteProtocolError(
                f"{illegal!r} from {illegal.sender_address} is illegal in a datagram of a {self.their_role!r}"
            )

    def register(self, ip: str = "0.0.0.0") -> ca.RepeaterRegisterRequest:
        """The request that registers us with the repeater of this host."""
        return ca.RepeaterRegisterRequest(ip)

    def disconnect(self) -> None:
        """Forget the registration and what was not processed."""
        self.registered = False
        self._pending.clear()


def extract_address(search_response: ca.SearchResponse) -> tuple[str, int]:
    """Where the server that answered a search is to be found (section 3.3)."""
    if search_response.ip in ("255.255.255.255", "0.0.0.0"):
        if search_response.sender_address is None:
            raise CaprotoValueError(f"{search_response!r} names no address and does not say who sent it")
        return search_response.sender_address[0], search_response.port
    return search_response.ip, search_response.port
