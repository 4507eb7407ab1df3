"""Two ends in memory: what one end sends the other one receives, and both state machines see it."""

from __future__ import annotations

from typing import Any

import caproto
from caproto import CLIENT, SERVER

ADDRESS = ("127.0.0.1", 5064)


def names(commands: Any) -> list[str]:
    """The class names of ``commands``."""
    return [type(command).__name__ for command in commands]


class ConnectionPair:
    """A client and a server circuit joined to each other.

    Attributes
    ----------
    client, server : VirtualCircuit
    client_saw, server_saw : list of Message
        Everything each end has received, in order.
    """

    def __init__(self, priority: int = 0) -> None:
        self.client = caproto.VirtualCircuit(our_role=CLIENT, address=ADDRESS, priority=priority)
        self.server = caproto.VirtualCircuit(our_role=SERVER, address=("127.0.0.1", 40000), priority=None)
        self.client_saw: list[Any] = []
        self.server_saw: list[Any] = []

    def client_sends(self, *commands: Any) -> list[Any]:
        """What the server got."""
        got = deliver(self.server, b"".join(bytes(part) for part in self.client.send(*commands)))
        self.server_saw += got
        return got

    def server_sends(self, *commands: Any) -> list[Any]:
        """What the client got."""
        got = deliver(self.client, b"".join(bytes(part) for part in self.server.send(*commands)))
        self.client_saw += got
        return got

    def open(self) -> ConnectionPair:
        """Exchange versions."""
        self.client_sends(caproto.VersionRequest(self.client.priority, 13))
        self.server_sends(caproto.VersionResponse(version=13))
        return self

    def create(self, cid: int = 1, sid: int = 7, data_type: int = 6, data_count: int = 1, name: str = "pv") -> None:
        """Make one channel on both ends."""
        self.client_sends(caproto.CreateChanRequest(name, cid, 13))
        self.server_sends(
            caproto.AccessRightsResponse(cid, 3), caproto.CreateChanResponse(data_type, data_count, cid, sid)
        )

    def subscribe(self, subscriptionid: int = 5, sid: int = 7, data_type: int = 6, data_count: int = 1) -> None:
        """Subscribe and let the first update arrive."""
        self.client_sends(caproto.EventAddRequest(data_type, data_count, sid, subscriptionid, 0, 0, 0, 1))

    @property
    def circuit_states(self) -> tuple[str, str]:
        """The state of each end as that end itself sees it."""
        return repr(self.client.states[CLIENT]), repr(self.server.states[SERVER])

    def channel_states(self, cid: int = 1) -> tuple[str, str]:
        """The state of channel ``cid`` at each end, as that end itself sees it."""
        return (
            repr(self.client.channels[cid].states[CLIENT]),
            repr(self.server.channels[cid].states[SERVER]),
        )


def deliver(circuit: Any, data: bytes) -> list[Any]:
    """Receive and process ``data``; returns the commands."""
    commands, _ = circuit.recv(data)
    for command in commands:
        circuit.process_command(command)
    return list(commands)


def connected() -> ConnectionPair:
    """A pair with one DOUBLE channel: cid 1, sid 7."""
    pair = ConnectionPair().open()
    pair.create()
    return pair


def is_usable(pair: ConnectionPair) -> bool:
    """Whether both circuits still carry traffic."""
    request = names(pair.client_sends(caproto.EchoRequest()))
    response = names(pair.server_sends(caproto.EchoResponse()))
    return (request, response) == (["EchoRequest"], ["EchoResponse"])
