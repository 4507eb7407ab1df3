"""What waits to be sent to one client: bounded, in order, and always with the newest value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._data.subscription import Subscription
from .._data.view import Encoded

__all__ = ["Output"]

#: Bytes joined and handed to the socket at a time.
CHUNK = 256 * 1024


def _nobody() -> None:
    pass


class Output:
    """Replies and updates on their way to one client.

    Beyond the budget, and while the client has switched updates off, only the newest update of each subscription is
    kept (section 9.2).  Replies are never dropped; whoever makes them stops when `full`.

    Parameters
    ----------
    budget : int
        Bytes.
    wake : callable
        Called when there is something to send after there was nothing.

    Attributes
    ----------
    size : int
        Bytes that wait.
    merged : int
        Updates that a newer one took the place of.
    """

    def __init__(self, budget: int, wake: Callable[[], None]) -> None:
        self.budget = budget
        self.wake = wake
        self.size = 0
        self.merged = 0
        self.parts: list[Any] = []
        self.held: dict[Subscription, Encoded] = {}
        self.blocked = False
        self.events_off = False
        self.awake = False
        self._large: Any = None

    @property
    def full(self) -> bool:
        """Whether nothing more should be asked for until something was sent."""
        return self.size > self.budget

    def put(self, subscription: Subscription, encoded: Encoded) -> None:
        """Send an update, or keep it until it can be sent."""
        if self.blocked:
            if subscription in self.held:
                self.merged += 1
            self.held[subscription] = encoded
            return
        _, update, rest, size = encoded
        self.parts += (update, subscription.number, rest)
        self.size += size
        if self.size > self.budget:
            self.blocked = True
        if not self.awake:
            self.awake = True
            self.wake()

    def send(self, message: bytes) -> None:
        """Send a whole message."""
        self.parts.append(message)
        self.size += len(message)
        if not self.awake:
            self.awake = True
            self.wake()

    def discard(self, subscription: Subscription) -> None:
        """Forget what is kept for a subscription."""
        self.held.pop(subscription, None)

    def switch_events(self, on: bool) -> None:
        """Do as the client says about updates; replies are not concerned."""
        self.events_off = not on
        self._unblock()

    def _unblock(self) -> None:
        """Send what was kept, oldest first, as far as it is allowed now."""
        self.blocked = self.events_off or self.size > self.budget
        while self.held and not self.blocked:
            subscription = next(iter(self.held))
            self.put(subscription, self.held.pop(subscription))
        # Updates of a subscription must not overtake one that is still kept.
        self.blocked = self.blocked or bool(self.held)

    def take(self) -> Any:
        """Return the next bytes to send, a few hundred kilobytes at most; None if there are none."""
        if self._large is not None:
            piece = self._large[:CHUNK]
            self._large = self._large[CHUNK:] if len(self._large) > CHUNK else None
            return self._sent(piece)
        parts = self.parts
        if not parts:
            self.awake = False
            return None
        if self.size <= CHUNK:
            self.parts = []
            return self._sent(b"".join(parts))
        end = total = 0
        for part in parts:
            if total + len(part) > CHUNK:
                break
            total += len(part)
            end += 1
        if not end:
            self._large = memoryview(parts.pop(0))
            return self.take()
        piece = b"".join(parts[:end])
        del parts[:end]
        return self._sent(piece)

    def _sent(self, piece: Any) -> Any:
        self.size -= len(piece)
        if self.blocked and self.size <= self.budget // 2:
            self._unblock()
        return piece

    def clear(self) -> None:
        """Forget everything: the client is gone."""
        self.parts, self.size, self._large = [], 0, None
        self.held.clear()
        self.blocked = self.awake = True
        self.wake = _nobody
