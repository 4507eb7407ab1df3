"""Which names are searched, when each is asked for again, and what an answer means (section 8.1).

No sockets and no clock: times come as arguments, datagrams go out as lists of commands.
"""

from __future__ import annotations

import heapq

from .._batch import batch_requests
from .._commands import SearchRequest, SearchResponse, VersionRequest
from .._constants import DEFAULT_PROTOCOL_VERSION

__all__ = ["FIRST_GAP", "Searcher", "reply_address"]

Address = tuple[str, int]

#: Seconds between the first two searches for a name; each gap is twice the one before.
FIRST_GAP = 0.032
LONGEST_ROUND_TRIP = 30.0
#: Names in levels above this one come back to it when a server shows up: they are asked for within about 8 s.
BOOST_LEVEL = 8
#: What the C library puts into a datagram at most; servers accept more, small ones cross every network.
DATAGRAM_BYTES = 1024
#: Datagrams per round.  The least one lets new names through although many are never answered; the most one
#: is what the receive buffers of servers hold.
FEWEST_DATAGRAMS = 8
MOST_DATAGRAMS = 64

FOREVER = float("inf")


class Searcher:
    """The names that are looked for.

    Names wait in levels: level *i* is asked for every ``2**i`` round trips, and a name that was asked for moves to
    the next level.  What is due goes out in rounds; a round that is answered completely is followed by the next one
    at once, and a larger one, any other only after a round trip, and by a smaller one.

    Parameters
    ----------
    longest : float
        Seconds between two searches for one name at most (``EPICS_CA_MAX_SEARCH_PERIOD``).

    Attributes
    ----------
    next_time : float
        When :meth:`due` wants to be called; infinite if nothing is looked for.
    datagrams : int
        How many were composed so far.
    """

    def __init__(self, longest: float) -> None:
        count = 1
        while count < 18 and FIRST_GAP * 2**count <= longest:
            count += 1
        self._longest = longest
        # Name and time of the next search by CID; the first of each level is due first.
        self._levels: list[dict[int, tuple[str, float]]] = [{} for _ in range(count)]
        self._level_of: dict[int, int] = {}
        self._later: list[tuple[float, int, str]] = []
        self._later_cids: dict[int, float] = {}
        self._round: set[int] = set()
        self._round_end = 0.0
        self._sent_at: dict[int, float] = {}
        self._window = float(FEWEST_DATAGRAMS)
        self._threshold = float(MOST_DATAGRAMS)
        self._mean, self._deviation = FIRST_GAP, 0.0
        self._sequence = 0
        self.datagrams = 0
        self.next_time = FOREVER

    def __contains__(self, cid: int) -> bool:
        return cid in self._level_of or cid in self._later_cids

    def __len__(self) -> int:
        return len(self._level_of) + len(self._later_cids)

    @property
    def round_trip(self) -> float:
        """Seconds after which an answer counts as lost."""
        return self._mean + 4 * self._deviation

    def add(self, cid: int, name: str, when: float) -> None:
        """Look for a name, from `when` on."""
        self.discard(cid)
        self._later_cids[cid] = when
        heapq.heappush(self._later, (when, cid, name))
        self.next_time = min(self.next_time, when)

    def discard(self, cid: int) -> None:
        """Look for it no longer."""
        self._later_cids.pop(cid, None)
        level = self._level_of.pop(cid, None)
        if level is not None:
            del self._levels[level][cid]
        if cid in self._round:
            self._round.remove(cid)
            if not self._round:
                self.next_time = 0.0  # what else is due need not wait

    def answered(self, cid: int, sequence: int | None, now: float) -> None:
        """Note that a server has a name; `sequence` is the number that its datagram repeats, if any."""
        sent_at = None if sequence is None else self._sent_at.get(sequence)
        if sent_at is not None:
            sample = min(max(now - sent_at, FIRST_GAP), LONGEST_ROUND_TRIP)
            error = sample - self._mean
            self._mean += error / 8
            self._deviation += (abs(error) - self._deviation) / 4
        if self._level_of.get(cid, 0) > BOOST_LEVEL:
            self.boost(now)
        if self._round == {cid}:
            self._grow()  # all answered
        self.discard(cid)

    def boost(self, now: float) -> None:
        """Ask within seconds for everything that is rarely asked for: a server is new or came back."""
        for level in range(BOOST_LEVEL + 1, len(self._levels)):
            for cid, (name, _) in self._levels[level].items():
                self._put(BOOST_LEVEL, cid, name, now + FIRST_GAP * 2**BOOST_LEVEL)
            self._levels[level].clear()
        self._reschedule()

    def restart(self, now: float) -> None:
        """Ask for everything at once: there is somebody new to ask."""
        for names in self._levels:
            for cid, (name, _) in list(names.items()):
                del names[cid]
                self._put(0, cid, name, now)
        self._reschedule()

    def due(self, now: float) -> list[list[VersionRequest | SearchRequest]]:
        """Return the datagrams to send now, each a VERSION and its searches."""
        while self._later and self._later[0][0] <= now:
            when, cid, name = heapq.heappop(self._later)
            if self._later_cids.get(cid) == when:
                del self._later_cids[cid]
                self._put(0, cid, name, now)
        if self._round and now < self._round_end:
            self._reschedule()
            return []
        if self._round:
            self._threshold = max(self._window / 2, FEWEST_DATAGRAMS)
            self._window = FEWEST_DATAGRAMS
            self._round.clear()
        requests = self._collect(now)
        datagrams: list[list[VersionRequest | SearchRequest]] = []
        self._sent_at.clear()
        for batch in batch_requests(requests, DATAGRAM_BYTES - 16):
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            self._sent_at[self._sequence] = now
            # On UDP the field that holds a circuit's priority says that there is a sequence number.
            datagrams.append([VersionRequest(1, DEFAULT_PROTOCOL_VERSION, sequence=self._sequence), *batch])
        self.datagrams += len(datagrams)
        self._round_end = now + self.round_trip
        self._reschedule()
        return datagrams

    def _collect(self, now: float) -> list[SearchRequest]:
        """Take what is due and fits into a round; it moves on to the next level."""
        requests: list[SearchRequest] = []
        room = int(self._window) * (DATAGRAM_BYTES - 16)
        last = len(self._levels) - 1
        for level, names in enumerate(self._levels):
            if _first_due(names) > now:
                continue
            gap = min(self.round_trip * 2**level, self._longest)
            for cid, (name, due) in list(names.items()):
                if due > now + gap / 8:
                    break  # what is nearly due goes along, to share datagrams
                request = SearchRequest(name, cid, DEFAULT_PROTOCOL_VERSION)
                room -= len(request)
                if room < 0:
                    return requests
                requests.append(request)
                self._round.add(cid)
                del names[cid]
                self._put(min(level + 1, last), cid, name, now + gap)
        return requests

    def _put(self, level: int, cid: int, name: str, due: float) -> None:
        self._levels[level][cid] = name, due
        self._level_of[cid] = level

    def _grow(self) -> None:
        step = self._window if self._window < self._threshold else 1.0
        self._window = min(self._window + step, MOST_DATAGRAMS)

    def _reschedule(self) -> None:
        soonest = min(map(_first_due, self._levels))
        if self._round:
            soonest = max(soonest, self._round_end)
        if self._later:
            soonest = min(soonest, self._later[0][0])
        self.next_time = soonest


def _first_due(names: dict[int, tuple[str, float]]) -> float:
    return next(iter(names.values()))[1] if names else FOREVER


def reply_address(reply: SearchResponse, sender: Address, default_port: int, *, tcp: bool) -> Address:
    """Return where the server that answered a search is (section 3.3).

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
