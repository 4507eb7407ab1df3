"""Sockets and tasks of trio for an engine."""

from __future__ import annotations

import functools
import math
import os
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import trio

from .._errors import CaprotoRuntimeError, RemoteProtocolError
from ..client import Link
from ..client._async_driver import READS_PER_TURN, AsyncDriver
from ..client._driver import send_waiting
from ..sync._driver import link_socket, search_socket
from ..sync.repeater import spawn_repeater

__all__ = ["TrioDriver"]


class _Signal:
    """Wakes up one task."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = trio.Event()


class _Connection:
    """A connection to a server: its socket, and a task that reads."""

    def __init__(self, driver: TrioDriver, link: Link) -> None:
        self._driver, self._link = driver, link
        self._sock = link_socket()
        self._connected = self._writes = False

    async def run(self) -> None:
        driver, link, sock = self._driver, self._link, self._sock
        try:
            await self._connect()
            with driver as now:
                driver.engine.link_connected(link, sock.getsockname(), now)
            while not link.closed:
                await trio.lowlevel.wait_readable(sock)
                self._read()
        except trio.ClosedResourceError:
            pass
        except (OSError, RemoteProtocolError) as error:
            driver.lost(link, error)
        finally:
            self.close()

    async def _connect(self) -> None:
        try:
            self._sock.connect(self._link.address)
        except BlockingIOError:
            await trio.lowlevel.wait_writable(self._sock)
            code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code)) from None
        self._connected = True

    def _read(self) -> None:
        driver, link = self._driver, self._link
        get_buffer, recv_into = link.circuit.get_buffer, self._sock.recv_into
        for _ in range(READS_PER_TURN):
            buffer = get_buffer()
            try:
                number = recv_into(buffer)
            except BlockingIOError:
                return
            driver.received(link, number)
            if link.closed or number < len(buffer):
                return

    def write(self) -> None:
        """Send what the socket takes; a task sends the rest."""
        if self._writes or not self._connected or self._link.closed:
            return
        try:
            send_waiting(self._link, self._sock, self._driver.now())
        except BlockingIOError:
            self._writes = True
            self._driver.spawn(self._write_rest)
        except OSError as error:
            self._driver.lost(self._link, error)

    async def _write_rest(self) -> None:
        while not self._link.closed:
            try:
                await trio.lowlevel.wait_writable(self._sock)
                send_waiting(self._link, self._sock, self._driver.now())
            except BlockingIOError:
                continue
            except trio.ClosedResourceError:
                return
            except OSError as error:
                self._driver.lost(self._link, error)
                return
            break
        self._writes = False

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()


class TrioDriver(AsyncDriver):
    """Sockets of one client, and tasks of one nursery; parameters as of :class:`AsyncDriver`."""

    now = staticmethod(time.monotonic)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._manager: Any = None
        self._nursery: Any = None
        self._token: Any = None
        self._scopes: set[trio.CancelScope] = set()
        self._timer = trio.CancelScope()
        self._ended = trio.Event()

    def signal(self) -> _Signal:
        return _Signal()

    async def wait_for(self, signal: Any, timeout: float | None) -> None:
        with trio.move_on_after(math.inf if timeout is None else max(timeout, 0.0)):
            await signal.wait()

    def spawn(self, func: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        scope = trio.CancelScope()
        self._scopes.add(scope)
        self._nursery.start_soon(self._run, scope, functools.partial(func, *args), name=func)

    async def _run(self, scope: trio.CancelScope, func: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with scope:
                await func()
        finally:
            self._scopes.discard(scope)
            if self.closed and not self._scopes:
                self._ended.set()

    def soon(self, func: Callable[[], object]) -> None:
        if self._token is not None and not self.closed:
            try:
                self._token.run_sync_soon(func)
            except trio.RunFinishedError:
                pass

    def _arm(self, when: float) -> None:
        self._timer.deadline = trio.current_time() + when - self.now()

    async def _keep_time(self) -> None:
        while True:
            with trio.CancelScope() as self._timer:
                self._arm(self.engine.next_time)
                await trio.sleep_forever()
            self.on_time()

    # Sockets

    def connection(self, link: Link) -> _Connection:
        return _Connection(self, link)

    async def _listen(self) -> None:
        while not self.closed:
            await trio.lowlevel.wait_readable(self._udp)
            with self as now:
                self.read_datagrams(now)

    # Begin and end

    async def start(self) -> None:
        """Refuse what is done outside of ``async with``: tasks need a nursery."""
        self.check()

    async def enter(self) -> None:
        """Open a nursery, and the search socket."""
        if self.started:
            raise CaprotoRuntimeError("a context is entered once")
        self._udp = search_socket()
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        self._token = trio.lowlevel.current_trio_token()
        self.started = True
        for task in (self._listen, self._keep_time):
            self.spawn(task)
        self.spawn(self._begin, spawn_repeater)

    async def leave(self) -> None:
        """Close all sockets, end all tasks, and wait for these."""
        self._end()
        # What the body raised goes its own way, not as a group.
        await self._manager.__aexit__(None, None, None)

    async def in_thread(self, func: Callable[[], object]) -> None:
        await trio.to_thread.run_sync(func)

    def _end(self) -> None:
        if not self.closed:
            # First, so that nobody waits any more for what is closed then.
            for scope in self._scopes:
                scope.cancel()
            self.close_links()
            self._udp.close()

    async def stop(self) -> None:
        """Close all sockets and end all tasks; ends when they are gone."""
        if self.started:
            self._end()
            if self._scopes:
                await self._ended.wait()
