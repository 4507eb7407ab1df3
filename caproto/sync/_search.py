"""Which names are searched, when each is asked for again, and what an answer means.

No sockets and no clock: times come as arguments, datagrams go out as lists of commands.
"""

from __future__ import annotations

from .._batch import batch_requests
from .._commands import SearchRequest, SearchResponse, VersionRequest
from .._constants import DEFAULT_PROTOCOL_VERSION
from .._environ import variable_number

__all__ = ["FIRST_GAP", "Searcher", "reply_address"]

Address = tuple[str, int]

#: Seconds between the first two searches for a name; each gap is twice the one before.
FIRST_GAP = 0.032
#: What the C library puts into a datagram at most; servers accept more, small ones cross every network.
DATAGRAM_BYTES = 1024
#: Datagrams per turn.  A burst beyond this would be lost in the receive buffers of servers.
BURST = 32


class _Wanted:
    """A name that no server has answered for."""

    __slots__ = ("due", "gap", "name")

    def __init__(self, name: str, due: float) -> None:
        self.name = name
        self.due = due
        self.gap = FIRST_GAP


class Searcher:
    """The names that are looked for.

    Attributes
    ----------
    next_time : float
        When something is due; infinite if nothing is looked for.
    """

    def __init__(self) -> None:
        self._wanted: dict[int, _Wanted] = {}
        self._sequence = 0
        self._longest = float(variable_number("EPICS_CA_MAX_SEARCH_PERIOD"))
        self.next_time = float("inf")

    def __contains__(self, cid: int) -> bool:
        return cid in self._wanted

    def add(self, cid: int, name: str, when: float) -> None:
        """Look for a name, from `when` on."""
        self._wanted[cid] = _Wanted(name, when)
        self.next_time = min(self.next_time, when)

    def discard(self, cid: int) -> None:
        """Look for it no longer."""
        self._wanted.pop(cid, None)

    def boost(self, now: float) -> None:
        """Ask for everything soon and often again: a server has come up."""
        for wanted in self._wanted.values():
            wanted.due, wanted.gap = now, FIRST_GAP
        self._reschedule()

    def due(self, now: float) -> list[list[VersionRequest | SearchRequest]]:
        """Return the datagrams to send now, each a VERSION and its searches."""
        requests: list[SearchRequest] = []
        room = BURST * DATAGRAM_BYTES
        # Those that wait longest come first, or new names would starve while the first ones are repeated.
        waiting = sorted(
            ((cid, wanted) for cid, wanted in self._wanted.items() if wanted.due <= now),
            key=lambda item: item[1].due,
        )
        for cid, wanted in waiting:
            request = SearchRequest(wanted.name, cid, DEFAULT_PROTOCOL_VERSION)
            room -= len(request)
            if room < 0:
                break  # the rest keeps its time and comes with the next turn
            requests.append(request)
            wanted.due, wanted.gap = now + wanted.gap, min(wanted.gap * 2, self._longest)
        self._reschedule()
        if room < 0:
            self.next_time = max(self.next_time, now + FIRST_GAP)
        datagrams: list[list[VersionRequest | SearchRequest]] = []
        for batch in batch_requests(requests, DATAGRAM_BYTES - 16):
            self._sequence += 1
            # On UDP the field that holds a circuit's priority says that there is a sequence number.
            datagrams.append([VersionRequest(1, DEFAULT_PROTOCOL_VERSION, sequence=self._sequence), *batch])
        return datagrams

    def _reschedule(self) -> None:
        self.next_time = min((wanted.due for wanted in self._wanted.values()), default=float("inf"))


def reply_address(reply: SearchResponse, sender: Address, default_port: int, *, tcp: bool) -> Address:
    """Return where the server that answered a search is.

    Parameters
    ----------
    reply : SearchResponse
    sender : tuple
        Source of the datagram, or the peer of the circuit.
    default_port : int
        For servers too old to name their port.
    tcp : bool
        Whether the answer came over a circuit; without an address of its own it then means that very peer.
    """
    own = reply.ip in ("255.255.255.255", "0.0.0.0")
    if tcp:
        return sender if own else (reply.ip, reply.port)
    # Before version 5 a server did not name its port, before version 8 no address.
    port = reply.port if reply.version >= 5 else default_port
    return (sender[0] if own or reply.version < 8 else reply.ip), port
