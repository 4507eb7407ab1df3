"""Finding servers: searches by UDP and through name servers, beacons, and the registration for them (section 8)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .._broadcaster import Broadcaster
from .._commands import Beacon, SearchResponse, VersionResponse
from .._enums import CLIENT
from .._errors import RemoteProtocolError
from ._beacons import Beacons, News
from ._search import Searcher, reply_address

if TYPE_CHECKING:
    from ._engine import ClientEngine
    from ._link import Link

__all__ = ["Discovery"]

logger = logging.getLogger("caproto.client")

Address = tuple[str, int]

FOREVER = float("inf")
NAME_SERVER_RETRY = 1.0
NAME_SERVER_RETRY_LONGEST = 30.0
REGISTER_RETRY = 1.0
REGISTER_TRIES = 50


class _NameServer:
    """A server that is searched over TCP."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.link: Link | None = None
        self.due = 0.0
        self.gap = NAME_SERVER_RETRY


class Discovery:
    """The searching half of a :class:`ClientEngine`, which documents the parameters.

    Attributes
    ----------
    searcher : Searcher
    last_beacon : dict
        When each server was heard last, by address.
    next_time : float
        When :meth:`tick` wants to be called.
    """

    def __init__(
        self,
        engine: ClientEngine,
        *,
        destinations: list[Address],
        name_servers: list[Address],
        server_port: int,
        repeater: Address | None,
        max_search_period: float,
        now: float,
    ) -> None:
        self.searcher = Searcher(max_search_period)
        self.last_beacon: dict[Address, float] = {}
        self.broadcaster = Broadcaster(our_role=CLIENT)
        self._engine = engine
        self._destinations = destinations
        self._name_servers = [_NameServer(address) for address in name_servers]
        self._server_port = server_port
        self._repeater = repeater
        self._beacons = Beacons(now)
        self._register_due = FOREVER if repeater is None else now
        self._register_tries = 0
        self._send_errors: dict[Address, str] = {}

    def tick(self, now: float) -> float:
        """Do what is due; returns when there is something to do next."""
        if now >= self.searcher.next_time:
            self._search(now)
        if now >= self._register_due:
            self._register(now)
        soonest = min(self.searcher.next_time, self._register_due)
        if len(self.searcher):
            for server in self._name_servers:
                soonest = min(soonest, self._check_name_server(server, now))
        return soonest

    def asked(self) -> str:
        """Return where names are searched, as text."""
        parts = [f"{ip}:{port}" for ip, port in self._destinations]
        parts += [f"{ip}:{port} over TCP" for ip, port in (server.address for server in self._name_servers)]
        text = f"asked {', '.join(parts)}" if parts else (
            "there is nobody to ask: set EPICS_CA_ADDR_LIST or EPICS_CA_NAME_SERVERS"
        )  # fmt: skip
        errors = [f"{ip}:{port}: {problem}" for (ip, port), problem in self._send_errors.items()]
        return f"{text}; cannot send to {', '.join(errors)}" if errors else text

    # Searches

    def _search(self, now: float) -> None:
        for commands in self.searcher.due(now):
            datagram = self.broadcaster.send(*commands)
            self._engine.datagrams += [(datagram, destination) for destination in self._destinations]
            for server in self._name_servers:
                if server.link is not None and server.link.up and not server.link.closed:
                    server.link.send(*commands[1:])

    def sent(self, destination: Address, error: OSError | None) -> None:
        """Note whether a datagram could be sent; an address that fails is reported once."""
        if error is None:
            if self._send_errors:
                self._send_errors.pop(destination, None)
        elif destination not in self._send_errors:
            self._send_errors[destination] = error.strerror or str(error)
            logger.warning("cannot send to %s:%d: %s", *destination, error.strerror or error)

    def received(self, data: Any, sender: Address, now: float) -> None:
        """Handle a datagram."""
        commands = self.broadcaster.recv(data, sender)
        try:
            self.broadcaster.process_commands(commands)
        except RemoteProtocolError as error:
            logger.debug("%s", error)
        sequence = None
        for command in commands:
            if isinstance(command, SearchResponse):
                address = reply_address(command, sender, self._server_port, tcp=False)
                self._engine.found(command.cid, address, sequence, now)
            elif isinstance(command, VersionResponse):
                sequence = command.sequence
            elif isinstance(command, Beacon):
                self._beacon(command, sender, now)
        if self.broadcaster.registered:
            self._register_due = FOREVER

    def replied(self, link: Link, command: SearchResponse, now: float) -> None:
        """Handle an answer that came over a circuit."""
        address = reply_address(command, link.address, self._server_port, tcp=True)
        self._engine.found(command.cid, address, None, now)

    # Name servers

    def _check_name_server(self, server: _NameServer, now: float) -> float:
        if server.link is not None and not server.link.closed:
            return FOREVER
        if now < server.due:
            return server.due
        server.due, server.gap = now + server.gap, min(server.gap * 2, NAME_SERVER_RETRY_LONGEST)
        server.link = self._engine.link_to(server.address, 0, now)
        server.link.name_server = True
        return server.due

    def connected(self, link: Link, now: float) -> None:
        """Search through a name server that is there now."""
        for server in self._name_servers:
            if server.link is link:
                server.gap = NAME_SERVER_RETRY
                self.searcher.restart(now)

    # Beacons

    def _register(self, now: float) -> None:
        assert self._repeater is not None
        self._engine.datagrams.append((self.broadcaster.send(self.broadcaster.register()), self._repeater))
        self._register_tries += 1
        if self._register_tries == REGISTER_TRIES:
            logger.warning("no repeater answers at port %d", self._repeater[1])
        self._register_due = now + REGISTER_RETRY

    def _beacon(self, beacon: Beacon, sender: Address, now: float) -> None:
        host = sender[0] if beacon.address == "0.0.0.0" else beacon.address
        address = (host, beacon.server_port or self._server_port)
        self.last_beacon[address] = now
        news = self._beacons.heard(address, beacon.beacon_id, now)
        if News.NETWORK in news:
            # Not only asked more often, as in the C library: values shall be back soon after their server is.
            self.searcher.restart(now)
        if news:
            self._engine.beacon(address, healthy=News.CIRCUIT not in news, now=now)

    def lost(self, address: Address) -> None:
        """Expect a new rhythm of a server whose circuit was lost."""
        self._beacons.forget(address)
