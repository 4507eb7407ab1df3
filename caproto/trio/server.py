"""A Channel Access server on trio; what it does is in :mod:`caproto.server`."""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from ..server._engine import ServerEngine
from ..server._layer import AsyncLibraryLayer
from ..server._runtime import Path, ServerExit, announce, jobs, load_access, run_job, settings
from ..sync._listening import listen

if TYPE_CHECKING:
    from .._data import ChannelData

__all__ = [
    "Context", "Event", "ServerExit", "ThreadsafeQueue", "TrioAsyncLayer", "VirtualCircuit", "run", "start_server",
]  # fmt: skip

Hook = Callable[[AsyncLibraryLayer], Awaitable[None]]
#: Seconds that hooks have to end when the server does.
GRACE = 5.0


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


class ThreadsafeQueue:
    """A queue between threads and tasks.

    Parameters
    ----------
    maxsize : int, optional
        0 is without limit.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(maxsize)

    async def async_put(self, value: Any) -> None:
        """Add an item; for tasks."""
        await trio.to_thread.run_sync(self._queue.put, value, abandon_on_cancel=True)

    async def async_get(self) -> Any:
        """Wait for an item; for tasks."""
        while True:
            try:
                return self._queue.get_nowait()
            except queue.Empty:
                await trio.sleep(POLL)

    def put(self, value: Any) -> None:
        """Add an item; for other threads, which wait while the queue is full."""
        self._queue.put(value)

    def get(self) -> Any:
        """Wait for an item; for other threads."""
        return self._queue.get()


#: Bytes of a large value that are sent in one piece; nothing of it is copied.
SLICE = 1 << 26
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


class VirtualCircuit:
    """One connection: a task that reads, and one that writes."""

    def __init__(self, context: Context, stream: trio.SocketStream, address: Any) -> None:
        self.stream = stream
        self._awake = trio.Event()
        self._room = trio.Event()
        self.circuit = context.engine.connect(address, self._wake, trio.current_time())
        self.circuit.output.slice = SLICE

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
            self.circuit.disconnected()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await self.stream.aclose()

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
                    await self.stream.send_all(piece)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    break
            elif circuit.closing:
                break
            else:
                await self._awake.wait()
                self._awake = trio.Event()
        scope.cancel()


class Context:
    """A server.

    Parameters
    ----------
    pvdb : mapping of str to ChannelData
        The PVs by name; it may change while the server runs.
    interfaces : list of str, optional
        Addresses to listen at; by default as EPICS_CAS_INTF_ADDR_LIST says.
    access_security : str or path, optional
        An access security file; hosts are compared by address.

    Attributes
    ----------
    port : int
        The TCP port, once it runs.
    """

    CircuitClass = VirtualCircuit
    ServerExit = ServerExit
    TaskCancelled = trio.Cancelled
    engine: ServerEngine
    port: int

    def __init__(
        self,
        pvdb: Mapping[str, ChannelData],
        interfaces: Sequence[str] | None = None,
        *,
        access_security: Path | None = None,
    ) -> None:
        self.pvdb = pvdb
        self.interfaces = interfaces
        self.access = None if access_security is None else load_access(access_security)
        self.async_layer = TrioAsyncLayer()
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery | None = None

    def stop(self) -> None:
        """End the server in an orderly way."""
        self._scope.cancel()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it or the server ends."""
        assert self._nursery is not None
        self._nursery.start_soon(_await, coroutine)

    def _start_jobs(self, kind: str, nursery: trio.Nursery) -> None:
        for name, job in jobs(self.pvdb, kind):
            nursery.start_soon(run_job, name, kind, job, self.async_layer, self.stop)

    async def run(self, *, log_pv_names: bool = False, startup_hook: Hook | None = None) -> None:
        """Serve until cancelled or stopped; startup hooks run first, shutdown hooks last.

        Parameters
        ----------
        log_pv_names : bool, optional
            Whether the log lists the PVs.
        startup_hook : async callable, optional
            Called with the :class:`TrioAsyncLayer` when the server listens.

        Raises
        ------
        CaprotoNetworkError
            If it cannot listen.
        """
        chosen = settings(self.interfaces)
        sockets = listen(chosen)
        self.port = sockets.port
        self.engine = ServerEngine(
            self.pvdb,
            port=self.port,
            spawn=self.spawn,
            beacon_period=chosen.beacon_period,
            ignore=chosen.ignore,
            access=self.access,
        )
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    nursery = self._nursery
                    for sock in sockets.udp:
                        nursery.start_soon(self._answer_searches, trio.socket.from_stdlib_socket(sock))
                    for sock in sockets.tcp:
                        listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
                        nursery.start_soon(self._accept, listener)
                    nursery.start_soon(self._beacons, sockets.beacon, chosen.beacons)
                    announce(self.pvdb, chosen.interfaces, self.port, log_pv_names)
                    self._start_jobs("startup", nursery)
                    if startup_hook is not None:
                        await self._run_hook(startup_hook)
                    self._start_jobs("scan", nursery)
        finally:
            with trio.move_on_after(GRACE, shield=True):
                async with trio.open_nursery() as nursery:
                    self._start_jobs("shutdown", nursery)
            sockets.close()

    async def _run_hook(self, startup_hook: Hook) -> None:
        try:
            await startup_hook(self.async_layer)
        except ServerExit:
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
        await self.CircuitClass(self, stream, address).run()

    async def _answer_searches(self, sock: trio.socket.SocketType) -> None:
        while True:
            try:
                data, address = await sock.recvfrom(65536)
                for answer in self.engine.datagram(data, address):
                    await sock.sendto(answer, address)
            except OSError:  # a client that is gone already
                continue

    async def _beacons(self, sock: socket.socket, addresses: Sequence[tuple[str, int]]) -> None:
        beacons = self.engine.beacons
        while True:
            datagram = self.engine.tick(trio.current_time())
            if datagram is not None:
                for address in addresses:
                    with contextlib.suppress(OSError):  # an interface that is down, or nobody there
                        sock.sendto(datagram, address)
            assert beacons.deadline is not None
            await trio.sleep(max(0.0, beacons.deadline - trio.current_time()))


async def _await(coroutine: Coroutine[Any, Any, None]) -> None:
    await coroutine


async def start_server(
    pvdb: Mapping[str, ChannelData],
    *,
    interfaces: Sequence[str] | None = None,
    log_pv_names: bool = False,
    startup_hook: Hook | None = None,
    access_security: Path | None = None,
) -> None:
    """Serve until cancelled; parameters as of :class:`Context` and :meth:`Context.run`."""
    await Context(pvdb, interfaces, access_security=access_security).run(
        log_pv_names=log_pv_names, startup_hook=startup_hook
    )


def run(
    pvdb: Mapping[str, ChannelData],
    *,
    interfaces: Sequence[str] | None = None,
    log_pv_names: bool = False,
    startup_hook: Hook | None = None,
    access_security: Path | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; parameters as of :func:`start_server`."""

    async def main() -> None:
        context = Context(pvdb, interfaces, access_security=access_security)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, context)
            await context.run(log_pv_names=log_pv_names, startup_hook=startup_hook)
            nursery.cancel_scope.cancel()

    with contextlib.suppress(KeyboardInterrupt):
        trio.run(main)


async def _stop_on_signal(context: Context) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            context.stop()
