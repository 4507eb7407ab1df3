"""The rules of a server without sockets, tasks or clock: names, searches, circuits and beacons.

A skin hands in datagrams and connections and sends what it gets; see :class:`ServerEngine`.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import _commands as ca
from .._constants import DEFAULT_PROTOCOL_VERSION, DO_REPLY
from .._enums import CLIENT
from ._access import AccessSecurity
from ._beacons import Beacons
from ._circuit import ServerCircuit
from ._names import Names, knows

if TYPE_CHECKING:
    from .._data import ChannelData

__all__ = ["ServerEngine"]

logger = logging.getLogger("caproto.server")
Address = tuple[str, int]

#: Seconds that a client has for its first message.
PATIENCE = 30.0
#: Answers to searches are gathered into datagrams of this size.
DATAGRAM = 1024
LAST_SID = 0xFFFFFFFF
#: Bytes that wait for one client before only the newest update of each subscription is kept.
BUDGET = 16 * 1024 * 1024


class ServerEngine:
    """One server.

    Parameters
    ----------
    pvdb : mapping of str to ChannelData
        The PVs by name; looked at for every search, so that it may change at any time.
    port : int
        The TCP port; told in answers to searches and in beacons.
    spawn : callable
        ``spawn(coroutine)`` runs hooks of the user.
    beacon_period : float, optional
        Longest interval of beacons, in seconds.
    ignore : iterable of str, optional
        Addresses whose searches are not answered.
    budget : int, optional
        Bytes that may wait for one client; then only the newest update of each subscription is kept, and no more
        requests are taken.
    access : AccessSecurity, optional
        Rules that limit what clients may do.
    clock : callable, optional
        Returns the time in seconds; by default it stands still.
    pause : callable, optional
        ``await pause(0)`` lets others have their turn behind a hook that took long without waiting.

    Attributes
    ----------
    circuits : set of ServerCircuit
    """

    def __init__(
        self,
        pvdb: Mapping[str, ChannelData],
        *,
        port: int,
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        beacon_period: float = 15.0,
        ignore: Iterable[str] = (),
        budget: int = BUDGET,
        access: AccessSecurity | None = None,
        clock: Callable[[], float] = float,
        pause: Callable[[float], Awaitable[Any]] | None = None,
    ) -> None:
        self.pvdb = pvdb
        self.port = port
        self.spawn = spawn
        self.clock = clock
        self.pause = pause
        self.ignore = frozenset(ignore)
        self.budget = budget
        self.access = access
        self.circuits: set[ServerCircuit] = set()
        self.beacons = Beacons(port, beacon_period)
        self.names = Names(pvdb)
        if access is not None:
            access.connect(pvdb, self.refresh_access)
        self._numbers = itertools.count()

    def new_sid(self) -> int:
        """Return a number that no channel has."""
        sid = next(self._numbers)
        if sid > LAST_SID:  # once around: channels of long ago may still have theirs
            sid &= LAST_SID
            while any(sid in circuit.channels or sid in circuit.unused for circuit in self.circuits):
                sid = next(self._numbers) & LAST_SID
        return sid

    def datagram(self, data: Any, address: Address) -> list[bytes]:
        """Return the datagrams that answer one from `address` (sections 3.2 and 3.3); mostly none."""
        if address[0] in self.ignore:
            return []
        version = None
        found: list[int] = []
        for command in ca.read_datagram(data, address, CLIENT):
            if isinstance(command, ca.VersionRequest):
                version = command
            elif not isinstance(command, ca.SearchRequest):
                break  # as servers of EPICS Base do
            elif version is not None and version.version < 4:
                return []
            elif self._knows(command.name):
                found.append(command.cid)
        prefix = b""
        if version is not None and version.version >= 11:
            sequence = version.sequence if version.priority else 0
            prefix = bytes(ca.VersionResponse(DEFAULT_PROTOCOL_VERSION, sequence=sequence))
        answers = [bytes(ca.SearchResponse(self.port, None, cid, DEFAULT_PROTOCOL_VERSION)) for cid in found]
        if not answers:
            return []
        room = max(1, (DATAGRAM - len(prefix)) // len(answers[0]))
        return [prefix + b"".join(answers[at : at + room]) for at in range(0, len(answers), room)]

    def _knows(self, name: str) -> bool:
        try:
            return knows(self.pvdb, name)
        except Exception:  # a `pvdb` may be a mapping of the user that makes PVs as they are asked for
            logger.exception("looking for %s failed", name)
            return False

    def search(self, command: Any) -> bytes:
        """Return the answer to a search on a circuit; empty if there is none."""
        if self._knows(command.name):
            return bytes(ca.SearchResponse(self.port, None, command.cid, None))
        return bytes(ca.NotFoundResponse(command.version, command.cid)) if command.reply == DO_REPLY else b""

    def connect(self, address: Address, wake: Callable[[], None], now: float) -> ServerCircuit:
        """Return the server's side of a new connection; `wake` is called when it gets something to send."""
        circuit = ServerCircuit(self, address, wake, now + PATIENCE)
        self.circuits.add(circuit)
        return circuit

    def tick(self, now: float) -> bytes | None:
        """Do what time demands; return the beacon to send, if it is due."""
        for circuit in self.circuits:
            if not circuit.greeted and now >= circuit.patience:
                circuit.close(f"nothing that a client says within {PATIENCE:g} s")
        return self.beacons.due(now)

    def refresh_access(self, data: ChannelData | None = None) -> None:
        """Look again what clients may do with a PV, or with all, and tell those for whom it changed (section 7)."""
        for circuit in self.circuits:
            for channel in circuit.all_channels():
                if data is None or channel.data is data:
                    circuit.refresh_access(channel)

    @property
    def circuit_count(self) -> int:
        """Number of clients."""
        return len(self.circuits)

    @property
    def channel_count(self) -> int:
        """Number of channels of all clients."""
        return sum(circuit.channel_count for circuit in self.circuits)
