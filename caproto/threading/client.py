"""A client for programs with threads: many PVs, kept connected, with callbacks.

::

    from caproto.threading.client import Context

    with Context() as context:
        (pv,) = context.get_pvs("random_walk:x")
        print(pv.read().data)
        subscription = pv.subscribe(data_type="time")
        subscription.add_callback(lambda sub, response: print(response.data))
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, ClassVar

from .._constants import MAX_ID, RESPONSIVENESS_TIMEOUT, SEARCH_MAX_DATAGRAM_BYTES, STALE_SEARCH_EXPIRATION
from .._errors import CaprotoError, CaprotoTimeoutError
from ..client import Request
from ..client._facade import (
    CONTEXT_DEFAULT_TIMEOUT,
    PV_DEFAULT_TIMEOUT,
    BatchBase,
    BroadcasterBase,
    ContextBase,
    PVBase,
)
from ..client._subscription import CallbackHandler, SubscriptionBase
from ..client._types import DataType
from ._driver import ThreadingDriver

__all__ = [
    "MAX_ID",
    "PV",
    "RESPONSIVENESS_TIMEOUT",
    "SEARCH_MAX_DATAGRAM_BYTES",
    "STALE_SEARCH_EXPIRATION",
    "Batch",
    "CallbackHandler",
    "Context",
    "ContextDisconnectedError",
    "DeadCircuitError",
    "DisconnectedError",
    "SharedBroadcaster",
    "Subscription",
    "ThreadingClientException",
    "ensure_connected",
]


class ThreadingClientException(CaprotoError):
    """Base of what only this client raises."""


class DisconnectedError(ThreadingClientException):
    """The PV is not connected."""


class ContextDisconnectedError(ThreadingClientException):
    """The context was closed."""


class DeadCircuitError(CaprotoError):
    """The connection to the server is gone."""


def ensure_connected(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a PV that first waits until the PV is connected, up to its `timeout`."""

    @functools.wraps(func)
    def method(self: PV, *args: Any, **kwargs: Any) -> Any:
        self.wait_for_connection(timeout=kwargs.get("timeout", PV_DEFAULT_TIMEOUT))
        return func(self, *args, **kwargs)

    return method


class Subscription(SubscriptionBase):
    """Updates of a PV; made by :meth:`PV.subscribe`.

    Callbacks run in the executor of the PV, or in that of the context, one after the other.
    """

    # Whether callbacks run or shall run, and what came in meanwhile; guarded by the driver.
    busy = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.again: list[Any] = []

    def remove_callback(self, token: int) -> None:
        self._remove(token)

    def clear(self) -> None:
        self._clear()


class PV(PVBase):
    """A PV; made by :meth:`Context.get_pvs`."""

    _subscription_class: ClassVar[type[SubscriptionBase]] = Subscription

    def _wait(self, request: Request, done: threading.Lock, timeout: float | None) -> Any:
        """Wait for `done`, which is locked until there is an answer."""
        if not done.acquire(timeout=-1 if timeout is None else max(timeout, 0.0)):
            with self.context.driver:
                if not request.done:
                    raise self.context.driver.engine.give_up(request, timeout)
        self.context.check()
        return request.result()

    @staticmethod
    def _signal() -> tuple[threading.Lock, Callable[[Request], object]]:
        # The cheapest thing to wait for; an Event is a lock and a list of locks.
        done = threading.Lock()
        done.acquire()
        return done, lambda request: done.release()

    def wait_for_search(self, *, timeout: Any = PV_DEFAULT_TIMEOUT) -> None:
        self._wait_until(self.context.driver.engine.when_found, timeout)

    def wait_for_connection(self, *, timeout: Any = PV_DEFAULT_TIMEOUT) -> None:
        if not self.connected:
            self._wait_until(self.context.driver.engine.when_connected, timeout)

    def _wait_until(self, when: Callable[..., Request], timeout: Any) -> None:
        timeout = self._seconds(timeout)
        done, signal = self._signal()
        with self.context.driver as now:
            self.context.check()
            self._use(now)
            request = when(self.engine_channel, signal)
        self._wait(request, done, timeout)

    def read(
        self,
        *,
        wait: bool = True,
        callback: Callable[..., Any] | None = None,
        timeout: Any = PV_DEFAULT_TIMEOUT,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool = True,
    ) -> Any:
        return self._ask(
            lambda on_done: self._send_read(data_type, data_count, notify, on_done), wait, callback, timeout
        )

    def write(
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
        if not self._notifies(notify, wait, callback):
            self.wait_for_connection(timeout=timeout)
            with self.context.driver:
                self._send_write(data, data_type, data_count, False, None)
            return None
        return self._ask(
            lambda on_done: self._send_write(data, data_type, data_count, True, on_done), wait, callback, timeout
        )

    def _ask(
        self,
        send: Callable[[Callable[[Request], object]], Request],
        wait: bool,
        callback: Callable[..., Any] | None,
        timeout: Any,
    ) -> Any:
        timeout = self._seconds(timeout)
        self.wait_for_connection(timeout=timeout)
        driver = self.context.driver
        done, on_done = self._signal()
        if callback is not None:
            signal, told = on_done, self._callback(callback)
            on_done = lambda request: (told(request), signal(request))  # noqa: E731 - two calls, no name needed
        with driver as now:
            request = send(on_done)
            if not wait and timeout is not None:
                driver.engine.expect(request, timeout, now)
        return self._wait(request, done, timeout) if wait else request

    def go_idle(self) -> None:
        with self.context.driver:
            self._rest()

    def unsubscribe_all(self) -> None:
        with self.context.driver:
            for subscription in self.subscriptions.values():
                subscription.clear()

    @ensure_connected
    def time_since_last_heard(self, timeout: Any = PV_DEFAULT_TIMEOUT) -> float:
        return self._time_since_last_heard()


class SharedBroadcaster(BroadcasterBase):
    """Sockets and a thread that several contexts share.

    Parameters
    ----------
    registration_retry_time : float, optional
        Historical; the repeater is asked once a second until it answers.
    """

    def __init__(self, *, registration_retry_time: float = 10.0, **settings: Any) -> None:
        self.driver = ThreadingDriver(**settings)

    def disconnect(self, *, wait: bool = True) -> None:
        """Close all sockets and end all threads."""
        self.driver.stop(wait=wait)


class Context(ContextBase):
    """PVs with common sockets, threads and connections.  Use it in a ``with`` statement, or call :meth:`disconnect`."""

    _pv_class: ClassVar[type[PVBase]] = PV

    def _new_driver(self, max_workers: int, **settings: Any) -> ThreadingDriver:
        return ThreadingDriver(max_workers=max_workers, **settings)

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.disconnect()

    def check(self) -> None:
        """Raise ContextDisconnectedError if the context was closed."""
        if self._disconnected or self.driver.closed:
            raise ContextDisconnectedError("the context was closed by disconnect()")

    def call(self, func: Callable[..., Any], *args: Any, pv: PVBase | None = None) -> None:
        self.driver.call(None if pv is None else pv.executor, func, *args)

    def get_pvs(
        self,
        *names: str,
        priority: int = 0,
        connection_state_callback: Callable[..., Any] | None = None,
        access_rights_callback: Callable[..., Any] | None = None,
        timeout: Any = CONTEXT_DEFAULT_TIMEOUT,
        executor: Executor | None = None,
    ) -> list[PV]:
        with self.driver:
            self.check()
            pvs = self._get_pvs(names, priority, connection_state_callback, access_rights_callback, timeout)
            if executor is not None:
                for pv in pvs:
                    pv.executor = executor
        return pvs

    def disconnect(self, *, wait: bool = True) -> None:
        if self._disconnected:
            return
        self._disconnected = True
        if self.broadcaster is None:
            self.driver.stop(wait=wait)
            return
        with contextlib.suppress(CaprotoTimeoutError), self.driver:
            self._close_channels()


class Batch(BatchBase):
    """Reads and writes that are sent together when the ``with`` statement ends; answers come by callback."""

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        if exc_type is None:
            self._send()
