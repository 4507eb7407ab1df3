"""Publication: who subscribed to channel data, and telling them."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from .._errors import CaprotoTypeError, CaprotoValueError
from .._status import CAStatus
from .subscription import Subscription, Sync
from .view import Encoded, View, ViewKey

__all__ = ["Publisher", "SubscriptionUpdate", "present"]


class SubscriptionUpdate(NamedTuple):
    """What a queue gets: the value as the type that was asked for, and what identifies the subscription."""

    sub_specs: tuple[Any, ...]
    metadata: Any
    values: Any
    sub: Any


class _QueueSink:
    def __init__(self, queue: Any, sub_spec: Any, sub: Any) -> None:
        self.queue, self.sub_spec, self.sub = queue, sub_spec, sub

    def put(self, subscription: Subscription, encoded: Encoded) -> None:
        metadata, values = subscription.view.data.read_from_dbr(self.sub_spec.data_type)
        self.queue.put(SubscriptionUpdate((self.sub_spec,), metadata, values, self.sub))


class Publisher:
    """The half of channel data that knows its subscribers; they are made when the first one comes."""

    _value: Any
    _subscriptions: dict[tuple[View, int, int], dict[Subscription, None]] | None = None
    _states: dict[str, bool] | None = None
    _queues: dict[tuple[int, Any], Subscription] | None = None

    async def publish(self, flags: int) -> None:
        """Tell the subscribers whose mask has one of `flags` of the present value.

        It is encoded once for each type, count and filter that anybody subscribed to.
        """
        self._tell(flags)

    def _tell(self, flags: int) -> None:
        subscriptions = self._subscriptions
        if not subscriptions or not flags:
            return
        value = self._value
        # Of copies: a sink may well detach its subscription while others are being told.
        for (view, data_type, data_count), members in tuple(subscriptions.items()):
            encoded = None
            for subscription in tuple(members):
                if not flags & subscription.mask or (subscription.gates and not subscription.passes(flags, value)):
                    continue
                if encoded is None:
                    encoded = present(view, data_type, data_count)
                subscription.sink.put(subscription, encoded)

    @property
    def backlog(self) -> int:
        """Bytes that wait for the client that takes them most slowly; what has no rate of its own can wait for it."""
        members = (member for members in (self._subscriptions or {}).values() for member in members)
        return max((getattr(member.sink, "size", 0) for member in members), default=0)

    def attach(self, subscription: Subscription) -> None:
        """Add a subscriber; it is told of the present value at once, whatever its mask."""
        if self._subscriptions is None:
            self._subscriptions = {}
        self._subscriptions.setdefault(subscription.key, {})[subscription] = None
        for gate in subscription.gates:
            if isinstance(gate, Sync) and self._states:
                gate.state = self._states.get(gate.name, gate.state)

    def detach(self, subscription: Subscription) -> None:
        """Remove a subscriber."""
        subscriptions = self._subscriptions or {}
        members = subscriptions.get(subscription.key, {})
        members.pop(subscription, None)
        if not members:
            subscriptions.pop(subscription.key, None)
        self._subscriptions = subscriptions or None

    def pre_state_change(self, state: str, new_value: bool) -> None:
        """Take a new value of a state of the server, for subscribers with the filter ``sync``."""
        if self._states is None:
            self._states = {}
        self._states[state] = bool(new_value)
        for (view, data_type, data_count), members in tuple((self._subscriptions or {}).items()):
            for subscription in tuple(members):
                for gate in subscription.gates:
                    if isinstance(gate, Sync) and gate.name == state and gate.change(bool(new_value)):
                        subscription.sink.put(subscription, present(view, data_type, data_count))

    def post_state_change(self, state: str, new_value: bool) -> None:
        """Called when everything that belongs to a change of a state has been published."""

    async def subscribe(self, queue: Any, sub_spec: Any, sub: Any) -> None:
        """Put updates into a queue.

        Parameters
        ----------
        queue : object with a method ``put``
            Gets a :class:`SubscriptionUpdate` now and for every change; ``put`` is a plain function that does not
            wait.
        sub_spec : object with attributes ``data_type`` and ``mask``
            ``data_count`` and ``channel_filter`` are optional.
        sub : object
            Handed back with every update.
        """
        arr = getattr(getattr(sub_spec, "channel_filter", None), "arr", None)
        view = cast(Any, self).view(ViewKey(arr=arr))
        count = int(getattr(sub_spec, "data_count", None) or 0)
        await self.unsubscribe(queue, sub_spec)  # one that is asked for twice counts once
        sink = _QueueSink(queue, sub_spec, sub)
        subscription = Subscription(view, int(sub_spec.data_type), count, int(sub_spec.mask), sink)
        self._queues = {**(self._queues or {}), (id(queue), sub_spec): subscription}
        self.attach(subscription)
        subscription.sink.put(subscription, present(*subscription.key))

    async def unsubscribe(self, queue: Any, sub_spec: Any) -> None:
        """End what :meth:`subscribe` began."""
        subscription = (self._queues or {}).pop((id(queue), sub_spec), None)
        if subscription is not None:
            self.detach(subscription)


def present(view: View, data_type: int, data_count: int) -> Any:
    """Return the present value encoded; zeros with ECA_GETFAIL if it cannot be told as this type."""
    try:
        return view.encoded(data_type, data_count)
    except (CaprotoValueError, CaprotoTypeError):
        count = min(data_count, view.native_count)
        return view.zeros(data_type, count, CAStatus.ECA_GETFAIL.value.code_with_severity)
