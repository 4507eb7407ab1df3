"""A Channel Access server on trio; what it does is in :mod:`caproto.server`."""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, ClassVar

import trio

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup  # type: ignore[import-not-found,unused-ignore]  # trio has it

from ..server._context import GRACE, ContextBase, Hook, ThreadsafeQueueBase
from ..server._layer import AsyncLibraryLayer, T
from ..server._runtime import ServerExit
from ..sync._listening import Listening, listen

__all__ = [
    "Context", "Event", "ServerExit", "ThreadsafeQueue", "TrioAsyncLayer", "VirtualCircuit", "run", "start_server",
]  # fmt: skip


logger = logging.getLogger("caproto.server")


class Event:
    """An event that can be cleared, and whose `wait` may be limited."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """Let everybody go on who waits."""
        self._event.set()

    def clear(self) -> None:
        """Let those wait who come from now on."""
        if self._event.is_set():
            self._event = trio.Event()

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._event.is_set()

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; return False if that takes more than `timeout` seconds."""
        if timeout is None:
            await self._event.wait()
            return True
        with trio.move_on_after(timeout):
            await self._event.wait()
            return True
        return False


class ThreadsafeQueue(ThreadsafeQueueBase):
    def __init__(self, maxsize: int = 0) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(maxsize)

    async def async_put(self, value: Any) -> None:
        await trio.to_thread.run_sync(self._queue.put, value, abandon_on_cancel=True)

    async def async_get(self) -> Any:
        while True:
            try:
                return self._queue.get_nowait()
            except queue.Empty:
                await trio.sleep(POLL)

    def put(self, value: Any) -> None:
        self._queue.put(value)

    def get(self) -> Any:
        return self._queue.get()


#: Seconds between two looks into a queue that threads fill.
POLL = 0.005


class TrioAsyncLayer(AsyncLibraryLayer):
    """What hooks may ask of trio."""

    name: ClassVar[str] = "trio"
    library: ClassVar[Any] = trio
    Event: ClassVar[Any] = Event
    ThreadsafeQueue: ClassVar[Any] = ThreadsafeQueue

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Wait for a number of seconds, while everything else goes on."""
        await trio.sleep(seconds)

    async def run_in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that blocks, while everything else goes on."""
        return await trio.to_thread.run_sync(function, *arguments)


#: What sending raises when the client is gone.
_GONE = (OSError, trio.ClosedResourceError)


class VirtualCircuit:
    """One connection: a task that reads, and one that writes."""

    def __init__(self, context: Context, stream: trio.SocketStream, address: Any) -> None:
        self.stream = stream
        self._unsent = memoryview(b"")
        self._awake = trio.Event()
        self._room = trio.Event()
        self.circuit = context.engine.connect(address, self._wake, trio.current_time())

    def _wake(self) -> None:
        self._awake.set()

    async def run(self) -> None:
        """Serve the client until either side closes the connection."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, nursery.cancel_scope)
                await self._read()
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(1, shield=True), contextlib.suppress(*_GONE):
                await self._answer_the_last()
            self.circuit.disconnected()
            with trio.move_on_after(1, shield=True):
                await self.stream.aclose()

    async def _answer_the_last(self) -> None:
        """Send what was answered when the server was stopped."""
        await self._send(self._unsent)
        while (piece := self.circuit.output.take()) is not None:
            await self._send(piece)

    async def _send(self, piece: Any) -> None:
        # Unlike `send_all` this knows how much was sent when it is cancelled.
        self._unsent = memoryview(piece)
        while self._unsent:
            self._unsent = self._unsent[await self.stream.socket.send(self._unsent) :]

    async def _read(self) -> None:
        circuit, sock = self.circuit, self.stream.socket
        while not circuit.closing:
            try:
                size = await sock.recv_into(circuit.get_buffer())
            except OSError:
                return
            if not size:
                return
            circuit.buffer_updated(size)
            while circuit.congested and not circuit.closing:
                self._room = trio.Event()
                self._awake.set()
                await self._room.wait()
        await trio.sleep_forever()  # until everything was written

    async def _write(self, scope: trio.CancelScope) -> None:
        circuit, output = self.circuit, self.circuit.output
        while True:
            piece = output.take()
            if piece is None:
                circuit.resume()
                piece = output.take()
            if not circuit.congested:
                self._room.set()
            if piece is not None:
                try:
                    await self._send(piece)
                except _GONE:
                    break
            elif circuit.closing:
                break
            else:
                await self._awake.wait()
                self._awake = trio.Event()
        scope.cancel()


class Context(ContextBase):
    CircuitClass = VirtualCircuit
    listen = staticmethod(listen)
    TaskCancelled = trio.Cancelled
    async_layer_class = TrioAsyncLayer
    _nursery: trio.Nursery

    @functools.cached_property
    def _scope(self) -> trio.CancelScope:
        return trio.CancelScope()

    def now(self) -> float:
        return trio.current_time()

    def stop(self) -> None:
        self._scope.cancel()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._nursery.start_soon(_alone, "a request", coroutine)

    async def _answer(self, sockets: Listening, stack: contextlib.AsyncExitStack) -> None:
        stack.enter_context(self._scope)
        nursery = self._nursery = await stack.enter_async_context(trio.open_nursery())
        wrapped = {sock: trio.socket.from_stdlib_socket(sock) for sock, _ in sockets.udp}
        for sock, answering in sockets.udp:
            nursery.start_soon(self._answer_searches, wrapped[sock], wrapped[answering])
        for sock in sockets.tcp:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
            nursery.start_soon(self._accept, listener)

    async def _until_stopped(self) -> None:
        await trio.sleep_forever()

    async def _end(self) -> None:
        with trio.move_on_after(GRACE, shield=True):
            async with trio.open_nursery() as self._nursery:
                self._start_jobs("shutdown")
        self._scope = trio.CancelScope()  # of the next run

    async def run(self, *, log_pv_names: bool = False, startup_hook: Hook | None = None) -> None:
        with _unwrapped():
            await super().run(log_pv_names=log_pv_names, startup_hook=startup_hook)

    def _block(self, serve: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._stop_on_signal)
                await serve()
                nursery.cancel_scope.cancel()

        with _unwrapped():
            trio.run(main)

    async def _stop_on_signal(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        if threading.current_thread() is not threading.main_thread():  # no other gets signals
            task_status.started()
            return
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                self.stop()

    async def _accept(self, listener: trio.SocketListener) -> None:
        await trio.serve_listeners(self._serve, [listener], handler_nursery=self._nursery)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            address = stream.socket.getpeername()
        except OSError:  # gone already
            await stream.aclose()
            return
        await _alone(f"the circuit to {address[0]}:{address[1]}", self.CircuitClass(self, stream, address).run())

    async def _answer_searches(self, sock: trio.socket.SocketType, answering: trio.socket.SocketType) -> None:
        while True:
            await _alone("a search", self._answer_search(sock, answering))

    async def _answer_search(self, sock: trio.socket.SocketType, answering: trio.socket.SocketType) -> None:
        with contextlib.suppress(OSError):  # a client that is gone already
            data, address = await sock.recvfrom(65536)
            for answer in self.engine.datagram(data, address):
                await answering.sendto(answer, address)


async def _alone(what: str, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine whose failure concerns nobody else; asyncio has that by itself."""
    try:
        await coroutine
    except Exception:
        logger.exception("%s failed", what)


@contextlib.contextmanager
def _unwrapped() -> Iterator[None]:
    """Raise what went wrong as it is, and not in the groups that nurseries make of a single exception."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


start_server = Context.start_server
run = Context.run_server
