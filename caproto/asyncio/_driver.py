"""Transports of asyncio for an engine."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import time
import warnings
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from .._errors import CaprotoNetworkError, RemoteProtocolError
from ..client import Link
from ..client._async_driver import FOREVER, READS_PER_TURN, AsyncDriver
from ..sync._driver import link_socket, search_socket
from ..sync.repeater import spawn_repeater

__all__ = ["AsyncioDriver"]

logger = logging.getLogger("caproto.client")

#: What a transport is given at once; what the socket does not take of it is copied.
PIECE = 256 * 1024

_open: set[AsyncioDriver] = set()


class _Signal:
    """Wakes up one task."""

    __slots__ = ("_future", "_is_set")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        if not self._is_set:
            self._future = asyncio.get_running_loop().create_future()
            try:
                await self._future
            finally:
                self._future = None
        self._is_set = False


class _Connection(asyncio.BufferedProtocol):
    """A connection to a server; bytes go straight into the memory of its circuit."""

    def __init__(self, driver: AsyncioDriver, link: Link) -> None:
        self._driver, self._link = driver, link
        self._transport: Any = None
        self._paused = False
        self._buffer = memoryview(b"")
        self.sock = link_socket()
        self.lost = asyncio.Event()

    async def run(self) -> None:
        loop, link, sock = asyncio.get_running_loop(), self._link, self.sock
        try:
            await loop.sock_connect(sock, link.address)
            if not link.closed:
                await loop.create_connection(lambda: self, sock=sock)
        except OSError as error:
            self._driver.lost(link, error)
        finally:
            if self._transport is None:
                sock.close()
                self._end()

    def close(self) -> None:
        """Send what the transport has, and end."""
        if self._transport is not None:
            self._transport.close()

    async def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()
        await self.lost.wait()

    def write(self) -> None:
        link = self._link
        while link.wants_write and not self._paused and not link.closed and self._transport is not None:
            buffers = link.next_buffers()
            piece: Any = buffers[0][:PIECE]
            if len(buffers) > 1 and len(piece) < PIECE:
                number, size = 0, 0
                while number < len(buffers) and size < PIECE:
                    size += len(buffers[number])
                    number += 1
                piece = memoryview(b"".join(buffers[:number]))[:PIECE]
            self._transport.write(piece)
            link.sent(len(piece), self._driver.now())

    def _end(self) -> None:
        self.lost.set()
        self._driver.connections.discard(self)

    # What the transport calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        # To be told as soon as the socket does not take everything, and when it has taken all.
        transport.set_write_buffer_limits(high=0)
        if self._link.closed:
            transport.abort()
            return
        with self._driver as now:
            self._driver.engine.link_connected(self._link, transport.get_extra_info("sockname"), now)

    def get_buffer(self, sizehint: int) -> memoryview:
        try:
            self._buffer = self._link.circuit.get_buffer()
        except RemoteProtocolError as error:
            self._driver.lost(self._link, error)
            self._buffer = memoryview(bytearray(1))  # for a transport that is being closed
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        # Where a whole buffer was full there is more; a turn of the loop for each would cost more than the bytes.
        reads = 1
        while not self._link.closed:
            more = nbytes == len(self._buffer) and reads < READS_PER_TURN
            self._driver.received(self._link, nbytes)
            if not more or self._link.closed:
                return
            try:
                nbytes = self.sock.recv_into(self.get_buffer(-1))
            except OSError:  # nothing there, or what the transport will find, too
                return
            reads += 1

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.write()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        link = self._link
        if not link.closed:
            closed = CaprotoNetworkError(f"{link.where}: the server closed the connection")
            self._driver.lost(link, exc if isinstance(exc, OSError) else closed)


class _Datagrams(asyncio.DatagramProtocol):
    """Answers to searches, and beacons."""

    def __init__(self, driver: AsyncioDriver) -> None:
        self._driver = driver
        self.lost = asyncio.Event()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        with self._driver as now:
            self._driver.engine.datagram_received(data, addr, now)

    def error_received(self, exc: Exception) -> None:
        logger.debug("search socket: %s", exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


class AsyncioDriver(AsyncDriver):
    """Sockets of one client, for one event loop; parameters as of :class:`AsyncDriver`."""

    now = staticmethod(time.monotonic)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._loop: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # Those whose socket is open.
        self.connections: set[_Connection] = set()
        self._endpoint: Any = None
        self._keeper: AsyncGenerator[None, None] | None = None

    def signal(self) -> _Signal:
        return _Signal()

    async def wait_for(self, signal: Any, timeout: float | None) -> None:
        if timeout is None:
            await signal.wait()
            return
        timer = self._loop.call_later(timeout, signal.set)
        try:
            await signal.wait()
        finally:
            timer.cancel()

    def spawn(self, func: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        task = self._loop.create_task(func(*args))
        # A loop that is closed without cancelling its tasks shall not complain about ours.
        task._log_destroy_pending = False
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def soon(self, func: Callable[[], object]) -> None:
        if self._loop is not None and not self.closed:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(func)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = (
            None if when == FOREVER else self._loop.call_at(self._loop.time() + when - self.now(), self.on_time)
        )

    # Begin and end

    async def start(self) -> None:
        """Open the search socket, once, and begin."""
        if self.started:
            return
        self.started = True
        self._loop = asyncio.get_running_loop()
        self._udp = search_socket()
        try:
            self._endpoint, self._datagrams = await self._loop.create_datagram_endpoint(
                lambda: _Datagrams(self), sock=self._udp
            )
        except BaseException:
            self._udp.close()
            raise
        # A loop that ends closes the asynchronous generators it has seen: that is when we end at the latest.
        self._keeper = self._keep()
        await self._keeper.__anext__()
        _open.add(self)
        self.spawn(self._begin, spawn_repeater)

    async def in_thread(self, func: Callable[[], object]) -> None:
        await self._loop.run_in_executor(None, func)

    def connection(self, link: Link) -> _Connection:
        connection = _Connection(self, link)
        self.connections.add(connection)
        return connection

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._keeper = None
            await self.stop()

    def abandon(self) -> None:
        """Close all sockets without a loop."""
        for sock in [self._udp, *(connection.sock for connection in self.connections)]:
            sock.close()

    async def stop(self) -> None:
        """Close all sockets and end all tasks; ends when they are gone."""
        if self.closed or not self.started:
            self.closed = True
            return
        self.close_links()
        self._arm(FOREVER)
        me = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not me]
        for task in tasks:
            task.cancel()
        self._endpoint.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self.connections):
            await connection.abort()
        await self._datagrams.lost.wait()
        _open.discard(self)
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.aclose()


def _close_all() -> None:
    # Whoever leaves a loop without letting it end leaves transports, which complain.
    for driver in _open:
        warnings.filterwarnings("ignore", "unclosed transport", ResourceWarning)
        driver.abandon()


atexit.register(_close_all)
