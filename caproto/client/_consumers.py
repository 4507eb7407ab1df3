"""Who takes updates of a subscription at a speed of their own: ``async for`` and coroutines as callbacks."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._enums import ChannelType
from .._wire import codec
from ._subscription import Block, as_columns

if TYPE_CHECKING:
    from ._async_facade import PV, AsyncContext, Subscription

__all__ = ["Blocks", "Consumer", "Events", "Updates"]


class Consumer:
    """Updates on their way to somebody who takes them later.

    As long as there is nobody else they wait in the sink of the subscription, where the engine bounds them and slows
    the server down.  What somebody else has taken meanwhile waits here, as much as the subscription may keep.

    Parameters
    ----------
    subscription : Subscription
    wake : callable
        Called when something may have arrived, with the consumer.
    columns : bool
        Whether to keep blocks instead of single updates.
    """

    __slots__ = ("__weakref__", "_told_dropped", "closed", "columns", "queue", "subscription", "wake")

    def __init__(self, subscription: Subscription, wake: Callable[[Consumer], object], columns: bool) -> None:
        self.subscription = subscription
        self.wake = wake
        self.columns = columns
        self.queue: deque[Any] = deque()
        self.closed = False
        self._told_dropped = subscription.dropped

    def put(self, sink: Any, taken: list[Any]) -> None:
        """Keep what was taken from a sink; too much of it pushes the oldest out."""
        monitor, queue = self.subscription.monitor, self.queue
        if not self.columns:
            if not isinstance(sink, codec.Columns):
                queue.extend(taken)
            while len(queue) > monitor.keep:
                queue.popleft()
                monitor.dropped += 1
            return
        for columns in taken if isinstance(sink, codec.Columns) else as_columns(sink.data_type, taken):
            queue.append(Block(ChannelType(sink.data_type), columns, 0))
        while len(queue) > 1 and sum(map(len, queue)) > monitor.keep:
            monitor.dropped += len(queue.popleft())
        for block in queue:
            block.dropped += monitor.dropped - self._told_dropped
            self._told_dropped = monitor.dropped

    def next(self) -> Any:
        """Return the next update or block; None if there is none."""
        if not self.queue:
            self.subscription.pull()
        return self.queue.popleft() if self.queue else None


class _Iterator:
    """What iterators share: they end with their subscription, and it does not keep them alive."""

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        """End it; updates are no longer asked for, if nobody else wants them."""
        raise NotImplementedError


class Updates(_Iterator):
    """The updates of a subscription, in order: ``async for response in subscription``.

    Those that come while nobody asks wait as `limit` of :meth:`PV.subscribe` tells.  It ends when the subscription is
    cleared or the context is closed, and raises the error if the server refuses the subscription.
    """

    columns = False

    def __init__(self, subscription: Subscription) -> None:
        signal = self._signal = subscription.pv.context.driver.signal()
        self._consumer = Consumer(subscription, lambda consumer: signal.set(), self.columns)
        subscription.admit(self._consumer)

    async def __anext__(self) -> Any:
        consumer = self._consumer
        while True:
            found = consumer.next()
            if found is not None:
                return found
            subscription = consumer.subscription
            if subscription.error is not None:
                raise subscription.error
            if consumer.closed or subscription.pv.context.closed:
                raise StopAsyncIteration
            await self._signal.wait()

    async def aclose(self) -> None:
        self._consumer.subscription.dismiss(self._consumer)


class Blocks(Updates):
    """The updates of a subscription as columns, as many at once as are there: ``async for block in sub.blocks()``."""

    columns = True


class Events(_Iterator):
    """What happens to PVs: see :meth:`Context.monitor`."""

    def __init__(self, context: AsyncContext, names: tuple[str, ...], data_type: Any) -> None:
        self._context, self._names, self._data_type = context, names, data_type
        self._signal = context.driver.signal()
        self._events: deque[tuple[str, Any, Any]] = deque()
        self._awake: dict[Consumer, None] = {}
        self._consumers: list[Consumer] = []
        self._begun = self._closed = False

    async def _begin(self) -> None:
        self._begun = True
        signal, awake, events = self._signal, self._awake, self._events

        def wake(consumer: Consumer) -> None:
            awake[consumer] = None
            signal.set()

        def changed(pv: PV, state: str) -> None:
            events.append(("connection", pv, state))
            signal.set()

        pvs = await self._context.get_pvs(*self._names)
        tokens = [(pv.connection_state_callback, pv.connection_state_callback.add_callback(changed)) for pv in pvs]

        def end() -> None:
            for handler, token in tokens:
                handler.remove_callback(token)

        soon = self._context.driver.soon
        self._end = weakref.finalize(self, lambda: soon(end))
        self._end.atexit = False
        events.extend(("connection", pv, "connected") for pv in pvs if pv.connected)
        for pv in pvs:
            consumer = Consumer(pv.subscribe(data_type=self._data_type), wake, False)
            self._consumers.append(consumer)
            consumer.subscription.admit(consumer)

    async def __anext__(self) -> tuple[str, Any, Any]:
        if not self._begun:
            await self._begin()
        while not self._events:
            if self._closed or self._context.closed:
                raise StopAsyncIteration
            while self._awake:
                consumer, _ = self._awake.popitem()
                while (response := consumer.next()) is not None:
                    self._events.append(("subscription", consumer.subscription, response))
            if not self._events:
                await self._signal.wait()
        return self._events.popleft()

    async def aclose(self) -> None:
        if self._begun and not self._closed:
            self._end()
            for consumer in self._consumers:
                consumer.subscription.dismiss(consumer)
        self._closed = True
        self._signal.set()
