"""A Channel Access server on asyncio; what it does is in :mod:`caproto.server`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from .._errors import CaprotoRuntimeError
from ..server._circuit import ServerCircuit
from ..server._context import GRACE, ContextBase, ThreadsafeQueueBase
from ..server._engine import ServerEngine
from ..server._layer import AsyncLibraryLayer, T
from ..server._runtime import Path, ServerExit, jobs, run_job
from ..sync._listening import BACKLOG, Listening, listen

if TYPE_CHECKING:
    from .._data import ChannelData

__all__ = [
    "AsyncioAsyncLayer", "AsyncioEvent", "Context", "Event", "ServerExit", "ThreadsafeQueue", "VirtualCircuit", "run",
    "start_server",
]  # fmt: skip


class AsyncioEvent(asyncio.Event):
    """An event whose `wait` may be limited."""

    async def wait(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Wait until it is set; return False if that takes more than `timeout` seconds."""
        if timeout is None:
            await super().wait()
            return True
        try:
            await asyncio.wait_for(super().wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return True


Event = AsyncioEvent


class ThreadsafeQueue(ThreadsafeQueueBase):
    def __init__(self, maxsize: int = 0) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)
        self._loop: asyncio.AbstractEventLoop | None = None
        with contextlib.suppress(RuntimeError):  # it is made before the loop runs
            self._loop = asyncio.get_running_loop()

    async def async_put(self, value: Any) -> None:
        self._loop = asyncio.get_running_loop()
        await self._queue.put(value)

    async def async_get(self) -> Any:
        self._loop = asyncio.get_running_loop()
        return await self._queue.get()

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self._loop is None:
            coroutine.close()
            raise CaprotoRuntimeError("no task has used this queue so far, so its loop is not known")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def put(self, value: Any) -> None:
        self._wait(self._queue.put(value))

    def get(self) -> Any:
        return self._wait(self._queue.get())


class AsyncioAsyncLayer(AsyncLibraryLayer):
    """What hooks may ask of asyncio."""

    name: ClassVar[str] = "asyncio"
    library: ClassVar[Any] = asyncio
    Event: ClassVar[Any] = AsyncioEvent
    ThreadsafeQueue: ClassVar[Any] = ThreadsafeQueue

    @staticmethod
    async def sleep(delay: float, result: Any = None) -> Any:
        """Wait for a number of seconds, while everything else goes on."""
        return await asyncio.sleep(delay, result)

    async def run_in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that blocks, while everything else goes on."""
        return await asyncio.to_thread(function, *arguments)


#: Bytes in one piece that are worth a descriptor.
LARGE = 64 * 1024


class VirtualCircuit(asyncio.BufferedProtocol):
    """One connection: bytes go straight into the parser's memory, and out as far as the socket takes them.

    A transport copies what the socket does not take at once, most of every large value.  On loops that can wait for
    any socket a second descriptor of the connection does the sending instead, from the first large piece on: most
    clients never get one, and descriptors are what limits their number.
    """

    transport: asyncio.Transport
    circuit: ServerCircuit

    def __init__(self, context: Context) -> None:
        self.context = context
        self._sock: socket.socket | None = None
        self.paused = False
        self.reading = True
        self._flushing = True  # nobody has to be woken while it is set

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # the client is gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        address = transport.get_extra_info("peername") or ("0.0.0.0", 0)
        self.circuit = self.context.engine.connect(address, self._wake, self.context.loop.time())
        self.context.circuits.add(self)
        self.flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.circuit.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        self._flushing = True
        self.circuit.buffer_updated(nbytes)
        self.flush()

    def _wake(self) -> None:
        if not self._flushing:
            self._flushing = True
            self.context.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand over to the socket what it takes."""
        self._flushing = True
        circuit, output = self.circuit, self.circuit.output
        while not self.paused and not self.transport.is_closing():
            piece = output.take()
            if piece is None:
                circuit.resume()
                piece = output.take()
                if piece is None:
                    break
            if self._sock is None and len(piece) >= LARGE:
                self._sock = self._second_descriptor()
            if self._sock is None:
                self.transport.write(piece)
            else:
                self._send(self._sock, piece)
        self._flushing = False
        if circuit.closing and not self.paused:
            self.transport.close()
        elif self.reading is circuit.congested and not self.transport.is_closing():
            self.reading = not circuit.congested
            (self.transport.resume_reading if self.reading else self.transport.pause_reading)()

    def _second_descriptor(self) -> socket.socket | None:
        if isinstance(self.context.loop, asyncio.SelectorEventLoop) and not self.transport.get_write_buffer_size():
            with contextlib.suppress(OSError):  # none is left
                second: socket.socket = self.transport.get_extra_info("socket").dup()
                return second
        return None

    def _send(self, sock: socket.socket, piece: Any) -> None:
        """Send what the socket takes, and the rest when it takes more."""
        try:
            sent = sock.send(piece)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.transport.abort()
            return
        if sent < len(piece):
            self.paused = True
            self.context.loop.add_writer(sock, self._send_rest, sock, memoryview(piece)[sent:])

    def _send_rest(self, sock: socket.socket, rest: memoryview) -> None:
        self.context.loop.remove_writer(sock)
        self.paused = False
        self._send(sock, rest)
        self.flush()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        # Not at once: a transport that fails to write while it tells this reports the end of the connection twice.
        self.paused = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.paused = True
        if self._sock is not None:
            self.context.loop.remove_writer(self._sock)
            self._sock.close()
        self.circuit.disconnected()
        self.context.circuits.discard(self)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, engine: ServerEngine, answers: asyncio.DatagramTransport | None) -> None:
        self.engine = engine
        self.answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.answers = self.answers or cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert self.answers is not None
        for answer in self.engine.datagram(data, addr):
            self.answers.sendto(answer, addr)

    def error_received(self, exc: Exception) -> None:
        pass  # a client that is gone already


class Context(ContextBase):
    CircuitClass = VirtualCircuit
    listen = staticmethod(listen)
    TaskCancelled = asyncio.CancelledError
    async_layer_class = AsyncioAsyncLayer
    loop: asyncio.AbstractEventLoop

    def __init__(
        self,
        pvdb: Mapping[str, ChannelData],
        interfaces: Sequence[str] | None = None,
        *,
        loop: Any = None,
        access_security: Path | None = None,
    ) -> None:
        """Note the parameters.

        Parameters
        ----------
        loop : optional
            Not used; the loop is the one that runs.
        """
        super().__init__(pvdb, interfaces, access_security=access_security)
        self.circuits: set[VirtualCircuit] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: asyncio.Event | None = None

    def now(self) -> float:
        return self.loop.time()

    def stop(self) -> None:
        if self._stopped is not None:
            self._stopped.set()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer(self, sockets: Listening, stack: contextlib.AsyncExitStack) -> None:
        self.loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        transports: dict[socket.socket, asyncio.DatagramTransport] = {}
        for sock, answering in sockets.udp:
            made = functools.partial(_Datagrams, self.engine, transports.get(answering))
            transports[sock], _ = await self.loop.create_datagram_endpoint(made, sock=sock)
            stack.callback(transports[sock].close)
        for sock in sockets.tcp:
            # As many clients as the backlog are accepted at a time; if no descriptor is left, each of them is reported.
            server = await self.loop.create_server(lambda: self.CircuitClass(self), sock=sock, backlog=1)
            sock.listen(BACKLOG)
            stack.callback(server.close)

    async def _until_stopped(self) -> None:
        assert self._stopped is not None
        await self._stopped.wait()

    async def _end(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._cancel_tasks()
        await self._run_shutdown_hooks()
        for circuit in list(self.circuits):
            circuit.transport.abort()
        await self._cancel_tasks()

    async def _cancel_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:  # a hook that goes on nevertheless must not keep others from their end
            await asyncio.wait(list(self._tasks), timeout=GRACE)

    async def _run_shutdown_hooks(self) -> None:
        # asyncio.run cancels everything that is left when one of several tasks ended, also what is ending already and
        # what has not begun yet.
        left = dict(enumerate(jobs(self.pvdb, "shutdown")))

        async def begin(number: int) -> None:
            name, job = left.pop(number)
            await run_job(name, "shutdown", job, self)

        while left:
            ending = [self.spawn(begin(number)) for number in left]
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(ending, timeout=GRACE)

    def _block(self, serve: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            with contextlib.ExitStack() as stack:
                for number in (signal.SIGINT, signal.SIGTERM):
                    # Not possible on every system, nor in every thread.
                    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                        loop.add_signal_handler(number, self.stop)
                        stack.callback(loop.remove_signal_handler, number)
                await serve()

        asyncio.run(main())


start_server = Context.start_server
run = Context.run_server
