"""PVs, subscriptions and contexts as coroutines see them; whatever event loop runs these."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from .._callbacks import adapt_old_callback_signature
from .._errors import CaprotoError, CaprotoRuntimeError
from ._async_driver import AsyncDriver
from ._channel import Request
from ._consumers import Blocks, Consumer, Events, Updates
from ._facade import CONTEXT_DEFAULT_TIMEOUT, PV_DEFAULT_TIMEOUT, BatchBase, BroadcasterBase, ContextBase, PVBase
from ._subscription import SubscriptionBase
from ._types import DataType

__all__ = ["PV", "AsyncBroadcaster", "AsyncContext", "Batch", "Subscription", "ensure_connected"]


def ensure_connected(func: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return a coroutine method of a PV that first waits until the PV is connected, up to its `timeout`."""

    @functools.wraps(func)
    async def method(self: PV, *args: Any, **kwargs: Any) -> Any:
        await self.wait_for_connection(timeout=kwargs.get("timeout", PV_DEFAULT_TIMEOUT))
        return await func(self, *args, **kwargs)

    return method


def _is_coroutine_function(func: Any) -> bool:
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004


class _Runner(Consumer):
    """Coroutines of the user that are awaited with each update, one after the other, by one task."""

    __slots__ = ("_signal", "functions")

    def __init__(self, subscription: Subscription, columns: bool) -> None:
        signal = self._signal = subscription.pv.context.driver.signal()
        super().__init__(subscription, lambda consumer: signal.set(), columns)
        self.functions: dict[int, tuple[Callable[..., Any], Callable[..., Any]]] = {}

    async def run(self) -> None:
        while not self.closed:
            found = self.next()
            if found is None:
                await self._signal.wait()
            elif type(found) is tuple:  # the most recent update, for a function that came late
                await self._await(*found)
            else:
                for _, func in list(self.functions.values()):
                    await self._await(func, found)

    async def _await(self, func: Callable[..., Any], found: Any) -> None:
        try:
            result = func(self.subscription, found)
            if inspect.isawaitable(result):
                await result
        except Exception:  # noqa: BLE001 - whatever the user's code raises is theirs
            self.subscription.log.exception("%s: the callback %r failed", self.subscription.pv.name, func)


class Subscription(SubscriptionBase):
    """Updates of a PV; made by :meth:`PV.subscribe`.

    Functions are called as soon as updates arrive, all that arrived together before anything else happens.  Coroutine
    functions are awaited one update after the other by a task of this subscription.  ``async for response in
    subscription`` takes updates at its own speed.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # Those who take updates themselves.  An iterator that nobody holds any more ends the subscription.
        self._consumers: list[weakref.ref[Consumer]] = []
        self._runners: dict[bool, _Runner] = {}
        # Sinks with updates that nobody took so far, in order.
        self._filled: list[Any] = []

    def _alive(self) -> list[Consumer]:
        return [consumer for reference in self._consumers if (consumer := reference()) is not None]

    @property
    def active(self) -> bool:
        return super().active or bool(self._alive())

    @property
    def _wants_whole(self) -> bool:
        return super()._wants_whole or any(not consumer.columns for consumer in self._alive())

    def add_callback(self, func: Callable[..., Any], run: bool = True) -> int:
        if not _is_coroutine_function(func):
            self.pull()
            return super().add_callback(func, run)
        late = run and self.most_recent_response is not None and self.monitor.channel is not None
        token, runner = self._run_later(func, adapt_old_callback_signature(func, set()), columns=False)
        if late and not runner.queue:
            runner.queue.append((runner.functions[token][1], self.most_recent_response))
            runner.wake(runner)
        return token

    def add_block_callback(self, func: Callable[[Any, Any], Any]) -> int:
        if not _is_coroutine_function(func):
            self.pull()
            return super().add_block_callback(func)
        return self._run_later(func, func, columns=True)[0]

    def _run_later(
        self, func: Callable[..., Any], adapted: Callable[..., Any], *, columns: bool
    ) -> tuple[int, _Runner]:
        token = next(self._tokens)
        runner = self._runners.get(columns)
        if runner is None:
            runner = self._runners[columns] = _Runner(self, columns)
            self.pv.context.driver.spawn(runner.run)
        runner.functions[token] = (func, adapted)
        if len(runner.functions) == 1:
            self.admit(runner)
        return token, runner

    async def remove_callback(self, token: int) -> None:
        with self.pv.context.driver:
            for runner in list(self._runners.values()):
                if runner.functions.pop(token, None) is not None and not runner.functions:
                    self._close(runner)
            self._remove(token)

    async def clear(self) -> None:
        self._clear()

    def _clear(self) -> None:
        with self.pv.context.driver:
            for consumer in self._alive():
                self._close(consumer)
            self._filled.clear()
            super()._clear()

    # Iterators

    def __aiter__(self) -> Updates:
        return Updates(self)

    def blocks(self) -> Blocks:
        """Return an asynchronous iterator over blocks: as many updates at once as are there, as columns."""
        return Blocks(self)

    def admit(self, consumer: Consumer) -> None:
        """Let somebody take updates."""
        with self.pv.context.driver as now:
            self.pull()
            self._consumers.append(weakref.ref(consumer, self._lost))
            self._reform(now)

    def dismiss(self, consumer: Consumer) -> None:
        """Let somebody take updates no more."""
        with self.pv.context.driver as now:
            self._close(consumer)
            self._reform(now)

    def _close(self, consumer: Consumer) -> None:
        consumer.closed = True
        self._consumers = [reference for reference in self._consumers if reference() is not consumer]
        for columns, runner in list(self._runners.items()):
            if runner is consumer:
                del self._runners[columns]
        consumer.wake(consumer)

    def _lost(self, reference: Any) -> None:
        # Objects are collected anywhere, even while the engine works.
        self.pv.context.driver.soon(self._forget)

    def _forget(self) -> None:
        with self.pv.context.driver as now:
            self._consumers = [reference for reference in self._consumers if reference() is not None]
            self._reform(now)

    # What the driver and the consumers call

    def arrived(self, sink: Any) -> None:
        """Updates are in a sink that was empty."""
        if self.error is not None:
            self.error = None
        if not self._consumers:
            self.deliver(sink, sink.take())
            return
        if self.callbacks or self.block_callbacks:
            self._hand_out(sink)
        else:
            self._filled.append(sink)
        for consumer in self._alive():
            consumer.wake(consumer)

    def pull(self) -> None:
        """Take what waits in the sinks, for all."""
        if self._filled:
            with self.pv.context.driver:
                filled, self._filled = self._filled, []
                for sink in filled:
                    self._hand_out(sink)
                self._relieve()

    def _hand_out(self, sink: Any) -> None:
        taken = sink.take()
        for consumer in self._alive():
            consumer.put(sink, taken)
        # Also notes the most recent update.
        self.deliver(sink, taken)

    def _relieve(self) -> None:
        link = self.pv.engine_channel.link
        if link is not None and link.events_off:
            self.pv.context.driver.engine.relieve(link)

    def failed(self, error: CaprotoError) -> None:
        super().failed(error)
        for consumer in self._alive():
            consumer.wake(consumer)


class PV(PVBase):
    """A PV; made by :meth:`Context.get_pvs`."""

    _subscription_class: ClassVar[type[SubscriptionBase]] = Subscription

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # Coroutines of connection callbacks and the like, in order, and whether a task awaits them.
        self._coroutines: deque[Coroutine[Any, Any, Any]] = deque()
        self._follows = False

    def follow(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Await what a callback returned, after what earlier ones returned."""
        self._coroutines.append(coroutine)
        if not self._follows:
            self._follows = True
            self.context.driver.spawn(self._follow)

    async def _follow(self) -> None:
        try:
            while self._coroutines:
                coroutine = self._coroutines.popleft()
                try:
                    await coroutine
                except Exception:  # noqa: BLE001 - whatever the user's code raises is theirs
                    self.log.exception("%s: the callback %r failed", self.name, coroutine)
        finally:
            self._follows = False
            while self._coroutines:
                self._coroutines.popleft().close()

    async def wait_for_search(self, *, timeout: Any = PV_DEFAULT_TIMEOUT) -> None:
        await self._wait_until(self.context.driver.engine.when_found, timeout)

    async def wait_for_connection(self, *, timeout: Any = PV_DEFAULT_TIMEOUT) -> None:
        if not self.connected:
            await self._wait_until(self.context.driver.engine.when_connected, timeout)

    async def _wait_until(self, when: Callable[[Any], Request], timeout: Any) -> None:
        driver = self.context.driver
        driver.check()
        with driver as now:
            self._use(now)
            request = when(self.engine_channel)
        await driver.wait(request, self._seconds(timeout))

    async def read(
        self,
        *,
        wait: bool = True,
        callback: Callable[..., Any] | None = None,
        timeout: Any = PV_DEFAULT_TIMEOUT,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool = True,
    ) -> Any:
        return await self._ask(
            lambda on_done: self._send_read(data_type, data_count, notify, on_done), wait, callback, timeout
        )

    async def write(
        self,
        data: Any,
        *,
        wait: bool = True,
        callback: Callable[..., Any] | None = None,
        timeout: Any = PV_DEFAULT_TIMEOUT,
        notify: bool | None = None,
        data_type: DataType = None,
        data_count: int | None = None,
    ) -> Any:
        notify = asks = self._notifies(notify, wait, callback)
        found = await self._ask(
            lambda on_done: self._send_write(data, data_type, data_count, asks, on_done),
            wait and notify,
            callback,
            timeout if notify else None,
        )
        return found if notify else None

    async def _ask(
        self,
        send: Callable[[Callable[[Request], object] | None], Request],
        wait: bool,
        callback: Callable[..., Any] | None,
        timeout: Any,
    ) -> Any:
        driver, timeout = self.context.driver, self._seconds(timeout)
        driver.check()
        if not self.connected:
            await self.wait_for_connection(timeout=timeout)
        with driver as now:
            request = send(None if callback is None else self._callback(callback))
            if not wait and timeout is not None:
                driver.engine.expect(request, timeout, now)
        return await driver.wait(request, timeout) if wait else request

    async def go_idle(self) -> None:
        with self.context.driver:
            self._rest()

    async def unsubscribe_all(self) -> None:
        for subscription in self.subscriptions.values():
            await subscription.clear()

    def time_since_last_heard(self, timeout: Any = PV_DEFAULT_TIMEOUT) -> float:
        return self._time_since_last_heard()


class AsyncBroadcaster(BroadcasterBase):
    """Sockets that several contexts share; ``async with SharedBroadcaster() as broadcaster: ...``.

    Parameters
    ----------
    registration_retry_time : float, optional
        Historical; the repeater is asked once a second until it answers.
    **settings
        As for the driver.
    """

    _driver_class: ClassVar[type[AsyncDriver]]

    def __init__(self, *, registration_retry_time: float = 10.0, **settings: Any) -> None:
        self.driver = self._driver_class(**settings)

    async def __aenter__(self) -> Any:
        await self.driver.enter()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.driver.leave()

    async def register(self) -> None:
        """Begin; the first use does so anyway."""
        await self.driver.start()

    async def disconnect(self) -> None:
        """Close all sockets and end all tasks; ends when that is done."""
        await self.driver.stop()


class AsyncContext(ContextBase):
    """PVs with common sockets and connections, for one event loop; a broadcaster is shared within that."""

    _pv_class: ClassVar[type[PVBase]] = PV
    _driver_class: ClassVar[type[AsyncDriver]]

    def _new_driver(self, max_workers: int, **settings: Any) -> AsyncDriver:
        return self._driver_class(**settings)

    async def __aenter__(self) -> Any:
        await (self.driver.enter() if self.broadcaster is None else self.driver.start())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._leave()
        if self.broadcaster is None:
            await self.driver.leave()

    @property
    def closed(self) -> bool:
        """Whether it was disconnected."""
        return self._disconnected or self.driver.closed

    def call(self, func: Callable[..., Any], *args: Any, pv: PVBase | None = None) -> None:
        self.driver.call(func, args, pv)

    async def get_pvs(
        self,
        *names: str,
        priority: int = 0,
        connection_state_callback: Callable[..., Any] | None = None,
        access_rights_callback: Callable[..., Any] | None = None,
        timeout: Any = CONTEXT_DEFAULT_TIMEOUT,
    ) -> list[Any]:
        if self._disconnected:
            raise CaprotoRuntimeError("the context was closed by disconnect()")
        await self.driver.start()
        with self.driver:
            return self._get_pvs(names, priority, connection_state_callback, access_rights_callback, timeout)

    async def search(self, *names: str) -> dict[str, tuple[str, int]]:
        """Return the addresses of the servers that have these PVs; CaprotoTimeoutError if one is not found in time."""
        pvs = await self.get_pvs(*names)
        for pv in pvs:
            await pv.wait_for_search()
        return {pv.name: pv.engine_channel.link.address for pv in pvs if pv.engine_channel.link is not None}

    def monitor(self, *pv_names: str, context: AsyncContext | None = None, data_type: DataType = "time") -> Events:
        """Return an asynchronous iterator over what happens to PVs.

        It gives ``("connection", pv, "connected" | "disconnected")`` and ``("subscription", subscription, response)``;
        the order is that of each PV.

        Parameters
        ----------
        *pv_names : str
        context : Context, optional
            To be used instead of this one.
        data_type : {'native', 'status', 'time', 'graphic', 'control'}, ChannelType or int, optional
            What to subscribe.
        """
        return Events(context or self, pv_names, data_type)

    async def disconnect(self) -> None:
        self._leave()
        if self.broadcaster is None:
            await self.driver.stop()

    def _leave(self) -> None:
        if not self._disconnected:
            self._disconnected = True
            with self.driver:
                self._close_channels()


class Batch(BatchBase):
    """Reads and writes that are sent together when the ``async with`` statement ends; answers come by callback."""

    async def __aenter__(self) -> Batch:
        return self

    async def __aexit__(self, exc_type: object, *exc_info: object) -> None:
        if exc_type is None:
            self._send()
