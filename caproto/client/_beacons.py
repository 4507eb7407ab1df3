"""What the beacons of servers say about them (section 8.2)."""

from __future__ import annotations

from enum import Flag

__all__ = ["Beacons", "News"]

Address = tuple[str, int]


class News(Flag):
    """What one beacon means."""

    NOTHING = 0
    #: The server is well: no need to ask its circuit.
    HEALTHY = 1
    #: The circuit to that server may be dead: ask it, and trust no beacon before it answers.
    CIRCUIT = 2
    #: A server is new, or can be reached again: search.
    NETWORK = 4


class _Seen:
    __slots__ = ("average", "beacon_id", "time")

    def __init__(self, beacon_id: int, time: float) -> None:
        self.beacon_id = beacon_id
        self.time = time
        self.average: float | None = None


class Beacons:
    """The rhythm of every server that is heard.

    Parameters
    ----------
    started : float
        When this client began to listen, in seconds of the clock that :meth:`heard` is given.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._seen: dict[Address, _Seen] = {}

    def heard(self, address: Address, beacon_id: int, now: float) -> News:
        """Return what a beacon means."""
        seen = self._seen.get(address)
        if seen is None:
            self._seen[address] = _Seen(beacon_id, now)
            # If there is a circuit already, this is not the server that was there before, or its network is new.
            return News.CIRCUIT
        advance = (beacon_id - seen.beacon_id) & 0xFFFFFFFF
        if advance == 0 or advance >= 0x100000000 - 256:
            return News.NOTHING  # it took two routes
        seen.beacon_id = beacon_id
        period, seen.time = now - seen.time, now
        if advance in (2, 3):
            return News.NOTHING  # one was lost, or came by another route
        if seen.average is None:
            seen.average = period
            # A server that was there before us has beacons already under way when we begin to listen.
            new_server = now - period - self._started >= period
            return News.CIRCUIT | News.NETWORK if new_server else News.CIRCUIT
        average, seen.average = seen.average, 0.875 * seen.average + 0.125 * period
        if period >= 3.25 * average or period <= 0.8 * average:
            return News.CIRCUIT | News.NETWORK
        return News.CIRCUIT if period >= 1.25 * average else News.HEALTHY

    def forget(self, address: Address) -> None:
        """Begin anew with a server whose circuit was lost."""
        self._seen.pop(address, None)
