"""What a callback notes.  Imported by the drivers in every environment: the standard library only."""

from __future__ import annotations

import time

#: Seconds without an update after which the last one is taken to be lost.
QUIET = 8.0


class Tally:
    """Counts the updates of one subscription, whose values must grow; a negative one is the final one.

    Callbacks count themselves, ``count += 1`` and ``last = value``, as a call of a method would be measured, too;
    what does not grow they hand to :meth:`odd`.

    Attributes
    ----------
    expected : int
        How many updates there will be, where that is known.
    count : int
        Updates so far.
    last : float
    wrong : int
        Updates that were out of order or there twice.
    seconds : float or None
        From the beginning to the final update.
    """

    __slots__ = ("_began", "_heard", "_seen", "count", "expected", "last", "seconds", "wrong")

    def __init__(self, expected: int = 0) -> None:
        self.expected = expected
        self.count, self.last, self.wrong = 0, -1.0, 0
        self.seconds: float | None = None
        self._seen = 0
        self._began = self._heard = time.perf_counter()

    def odd(self, value: float) -> None:
        if value < 0:
            self.seconds = time.perf_counter() - self._began
        else:
            self.wrong += 1

    def over(self) -> bool:
        """Whether the final update came, or nothing any more."""
        if self.seconds is not None:
            return True
        now = time.perf_counter()
        if self.count != self._seen:
            self._seen, self._heard = self.count, now
        return now > self._heard + QUIET

    def duration(self) -> float:
        """Seconds that the updates took."""
        return self._heard - self._began if self.seconds is None else self.seconds
