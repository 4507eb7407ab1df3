"""When a server says that it is there (protocol section 8.2)."""

from __future__ import annotations

from .._commands import Beacon
from .._constants import DEFAULT_PROTOCOL_VERSION

__all__ = ["Beacons"]

FIRST_INTERVAL = 0.02


class Beacons:
    """The beacons of a server: soon after each other at first, then every `period` seconds.

    Parameters
    ----------
    port : int
        The TCP port of the server.
    period : float
        The longest interval, in seconds.
    """

    def __init__(self, port: int, period: float = 15.0) -> None:
        self.port = port
        self.period = period
        self.interval = FIRST_INTERVAL
        self.number = 0
        self.deadline: float | None = None

    def due(self, now: float) -> bytes | None:
        """Return the datagram to send to every beacon address now, if it is time; `deadline` is the next time."""
        if self.deadline is not None and now < self.deadline:
            return None
        # The address is left out: the repeater fills in where the beacon came from.
        datagram = bytes(Beacon(DEFAULT_PROTOCOL_VERSION, self.port, self.number, "0.0.0.0"))
        self.number = (self.number + 1) % 2**32
        self.deadline = now + self.interval
        self.interval = min(self.interval * 2, self.period)
        return datagram
