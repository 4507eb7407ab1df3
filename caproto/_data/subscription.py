"""Who is told of changes, and of which: masks, and the filters that let updates pass or not (protocol section 10)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from .._enums import SubscriptionType
from .._filters import DeadbandFilter, SyncFilter

if TYPE_CHECKING:
    from .view import Encoded, View

__all__ = ["Deadband", "Decimation", "Gate", "Sink", "Subscription", "Sync"]

_VALUE_OR_LOG = int(SubscriptionType.DBE_VALUE | SubscriptionType.DBE_LOG)
_PROPERTY = int(SubscriptionType.DBE_PROPERTY)


class Sink(Protocol):
    """Where updates go."""

    def put(self, subscription: Subscription, encoded: Encoded) -> None:
        """Take an update; never waits."""


class Gate(Protocol):
    """A filter: one for each subscription."""

    def passes(self, flags: int, value: Any) -> bool:
        """Return whether an update is told, and remember it if so."""


class Deadband:
    """Drops updates whose distance to the last one that passed is not more than the dead-band."""

    def __init__(self, parameters: DeadbandFilter) -> None:
        self.relative = parameters.m == "rel"
        self.band = parameters.d
        self.last: float | None = None

    def passes(self, flags: int, value: Any) -> bool:
        """Alarms, properties, arrays, texts and the first update pass."""
        if not isinstance(value, (int, float)):
            return True
        last = self.last
        if last is None or flags & ~_VALUE_OR_LOG or not (math.isfinite(last) and math.isfinite(value)):
            # To or from something that is no number; from one such to the same is no news.
            if last is not None and not flags & ~_VALUE_OR_LOG and (value == last or (value != value and last != last)):
                return False
            self.last = float(value)
            return True
        if abs(value - last) <= (last * self.band / 100 if self.relative else self.band):
            return False
        self.last = float(value)
        return True


class Decimation:
    """Lets the updates 1, n + 1, 2 n + 1, ... pass."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.count = 0

    def passes(self, flags: int, value: Any) -> bool:
        """Properties pass and are not counted."""
        if flags & _PROPERTY:
            return True
        self.count += 1
        return self.count % self.n == 1 % self.n


class Sync:
    """Lets updates pass depending on a state of the server that is true or false."""

    def __init__(self, parameters: SyncFilter, state: bool) -> None:
        self.mode, self.name = parameters
        self.state = state
        self.armed = False
        self.held = False

    def passes(self, flags: int, value: Any) -> bool:
        """Properties always pass."""
        if flags & _PROPERTY:
            return True
        if self.mode == "while":
            return self.state
        if self.mode == "unless":
            return not self.state
        if self.mode in ("first", "after"):
            armed, self.armed = self.armed, False
            return armed
        self.held = True  # "before" and "last": told when the state changes
        return False

    def change(self, state: bool) -> bool:
        """Take a new state; return whether the update that was held back is due."""
        if state == self.state:
            return False
        self.state = state
        self.armed = state is (self.mode == "first")
        due = self.held and state is (self.mode == "before")
        self.held = self.held and not due
        return due


class Subscription:
    """One subscriber to a view of channel data.

    Parameters
    ----------
    view : View
    data_type, data_count : int
        As asked for; count 0 is the current length.
    mask : int
        Which changes to be told of (:class:`SubscriptionType`).
    sink : Sink
    number : bytes
        The subscription id as it stands on the wire.
    gates : tuple of Gate
        In the order in which they apply.
    """

    __slots__ = ("data_count", "data_type", "gates", "key", "mask", "number", "sink", "view")

    def __init__(
        self,
        view: View,
        data_type: int,
        data_count: int,
        mask: int,
        sink: Sink,
        number: bytes = bytes(4),
        gates: tuple[Gate, ...] = (),
    ) -> None:
        self.view = view
        self.data_type = data_type
        self.data_count = data_count
        self.mask = mask
        self.sink = sink
        self.number = number
        self.gates = gates
        self.key = (view, data_type, data_count)

    def passes(self, flags: int, value: Any) -> bool:
        """Return whether every gate lets an update pass."""
        return all(gate.passes(flags, value) for gate in self.gates)
