"""What drivers of event loops share: the order in which things happen, without waiting and without sockets."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .._errors import CaprotoError, CaprotoNetworkError, CaprotoRuntimeError
from ._channel import Request
from ._driver import DriverBase
from ._link import Link
from ._subscription import call_safely

__all__ = ["FOREVER", "READS_PER_TURN", "AsyncDriver", "Connection", "Signal"]

logger = logging.getLogger("caproto.client")

FOREVER = float("inf")
#: Reads from one socket before the others get their turn.
READS_PER_TURN = 4


class Signal(Protocol):
    """Wakes up one waiting task; what is set while nobody waits is kept."""

    def set(self) -> None: ...

    async def wait(self) -> None: ...


class Connection(Protocol):
    """A connection to a server, in the making or established."""

    async def run(self) -> None:
        """Connect, and all that needs a task."""

    def write(self) -> None:
        """Send what can be sent without waiting, and the rest later."""

    def close(self) -> None:
        """Send no more than what was accepted so far, and end."""


class AsyncDriver(DriverBase):
    """Sockets of one client, used from one event loop.

    It is a context manager for whoever uses the engine: entering gives the time, and leaving does what the engine
    asks for and calls what is to be called.

    Parameters are those of :class:`DriverBase`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.started = False
        self.closed = False
        self._depth = 0
        # When the timer rings.
        self._armed = FOREVER
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...], Any]] = deque()
        self._waiters: set[Signal] = set()

    # What a skin adds

    def signal(self) -> Signal:
        """Return a new signal."""
        raise NotImplementedError

    async def wait_for(self, signal: Signal, timeout: float | None) -> None:
        """Wait for a signal, or until the time is over."""
        raise NotImplementedError

    def spawn(self, func: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Start a task that ends with the driver at the latest."""
        raise NotImplementedError

    def soon(self, func: Callable[[], object]) -> None:
        """Have a function called by the loop; may be called from wherever objects are collected."""
        raise NotImplementedError

    async def in_thread(self, func: Callable[[], object]) -> None:
        """Call a function that blocks."""
        raise NotImplementedError

    def connection(self, link: Link) -> Connection:
        """Return a new connection."""
        raise NotImplementedError

    async def start(self) -> None:
        """Begin, unless that has been done."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Close all sockets and end all tasks; ends when they are gone."""
        raise NotImplementedError

    async def enter(self) -> None:
        """Begin with a block of ``async with``."""
        await self.start()

    async def leave(self) -> None:
        """End with it."""
        await self.stop()

    def _arm(self, when: float) -> None:
        """Set the timer."""
        raise NotImplementedError

    # Connections

    def _open(self, link: Link) -> None:
        connection = link.handle = self.connection(link)
        self.spawn(connection.run)

    def _close(self, link: Link) -> None:
        connection, link.handle = link.handle, None
        if connection is not None:
            connection.close()

    def _write(self, link: Link) -> None:
        if link.handle is not None:
            link.handle.write()

    async def _begin(self, spawn_repeater: Callable[[], object]) -> None:
        """Do what was asked for before the beginning, and see that beacons are heard."""
        with self:
            pass
        if self.repeater:
            try:
                await self.in_thread(spawn_repeater)
            except CaprotoNetworkError as error:
                logger.warning("%s", error)

    # Use of the engine

    def __enter__(self) -> float:
        self._depth += 1
        return self.now()

    def __exit__(self, *exc_info: object) -> None:
        try:
            # What callbacks do is settled by the loop that called them.
            if self._depth == 1 and self.started and not self.closed:
                self._settle()
        finally:
            self._depth -= 1

    def _settle(self) -> None:
        engine = self.engine
        while not self.closed:
            self.flush()
            if engine.changes:
                changes, engine.changes = engine.changes, []
                for channel, what in changes:
                    channel.owner.changed(what)
            elif engine.finished:
                finished, engine.finished = engine.finished, []
                for request in finished:
                    assert request.on_done is not None
                    request.on_done(request)
            elif self._calls:
                self._call(*self._calls.popleft())
            elif engine.touched:
                touched, engine.touched = engine.touched, []
                for sink in touched:
                    sink.monitor.owner.arrived(sink)
            else:
                break
        if engine.next_time != self._armed and not self.closed:
            self._armed = engine.next_time
            self._arm(self._armed)

    def received(self, link: Link, nbytes: int) -> None:
        """Handle what was put into the memory of a circuit, and call all callbacks for it."""
        with self as now:
            self.engine.link_received(link, nbytes, now)
        if link.events_off and not link.closed:
            with self:
                self.engine.relieve(link)

    def lost(self, link: Link, error: OSError | CaprotoError) -> None:
        """A connection is gone, or could not be made."""
        with self as now:
            self.engine.link_lost(link, error, now)

    def on_time(self) -> None:
        """Do what is due; the skin calls this when the timer rings."""
        self._armed = FOREVER
        with self as now:
            if now >= self.engine.next_time:
                self.engine.tick(now)

    def call(self, func: Callable[..., Any], args: tuple[Any, ...], pv: Any) -> None:
        """Have a function of the user called, in the order of these calls."""
        with self:
            self._calls.append((func, args, pv))

    def _call(self, func: Callable[..., Any], args: tuple[Any, ...], pv: Any) -> None:
        result = call_safely(pv.name, func, *args)
        if inspect.iscoroutine(result):
            pv.follow(result)

    # Waiting

    def check(self) -> None:
        """Raise CaprotoRuntimeError if this was closed, or not started."""
        if self.closed:
            raise CaprotoRuntimeError("the context was closed by disconnect()")
        if not self.started:
            raise CaprotoRuntimeError("the context was not entered by 'async with'")

    async def wait(self, request: Request, timeout: float | None) -> Any:
        """Wait for the answer to a request; who is cancelled meanwhile gives it up."""
        if not request.done:
            signal, told = self.signal(), request.on_done

            def done(request: Request) -> None:
                if told is not None:
                    told(request)
                signal.set()

            request.on_done = done
            self._waiters.add(signal)
            try:
                await self.wait_for(signal, timeout)
            finally:
                self._waiters.discard(signal)
                if not request.done:
                    with self:
                        self.engine.give_up(request, timeout or 0.0)
        self.check()
        return request.result()

    def close_links(self) -> None:
        """Close all connections, and end all waiting."""
        self.closed = True
        super().close_links()
        for signal in self._waiters:
            signal.set()
