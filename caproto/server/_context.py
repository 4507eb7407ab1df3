"""A server without its sockets: what it does on every library that waits."""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ._engine import PATIENCE, ServerEngine
from ._layer import AsyncLibraryLayer
from ._runtime import Path, ServerExit, Settings, announce, jobs, load_access, run_job, settings

if TYPE_CHECKING:
    from .._data import ChannelData

__all__ = ["GRACE", "ContextBase", "Hook", "ThreadsafeQueueBase"]

Hook = Callable[[AsyncLibraryLayer], Awaitable[None]]
#: Seconds that hooks have to end when the server does.
GRACE = 5.0
#: Half of the free memory that the process may keep, in bytes; the C library ignores blocks of more than 32 MB.
KEPT_MEMORY = 31 * 1024 * 1024


class ThreadsafeQueueBase:
    """A queue between threads and the tasks of one loop.

    Parameters
    ----------
    maxsize : int, optional
        0 is without limit.
    """

    async def async_put(self, value: Any) -> None:
        """Add an item; for tasks."""
        raise NotImplementedError

    async def async_get(self) -> Any:
        """Wait for an item; for tasks."""
        raise NotImplementedError

    def put(self, value: Any) -> None:
        """Add an item; for other threads, which wait while the queue is full."""
        raise NotImplementedError

    def get(self) -> Any:
        """Wait for an item; for other threads."""
        raise NotImplementedError


class ContextBase:
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

    ServerExit = ServerExit
    async_layer_class: ClassVar[type[AsyncLibraryLayer]]
    #: Returns the bound sockets: ``tcp``, ``udp``, ``beacon``, ``port`` and ``close``.
    listen: ClassVar[staticmethod[[Settings], Any]]
    engine: ServerEngine
    port: int
    _failure: BaseException | None = None

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
        self.async_layer = self.async_layer_class()

    # What a skin adds

    def now(self) -> float:
        """The time, in seconds of a clock that never goes back."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the server in an orderly way."""
        raise NotImplementedError

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine until it or the server ends."""
        raise NotImplementedError

    async def _answer(self, sockets: Any, stack: contextlib.AsyncExitStack) -> None:
        """Begin to answer at the sockets, until the stack is left."""
        raise NotImplementedError

    async def _until_stopped(self) -> None:
        raise NotImplementedError

    async def _end(self) -> None:
        """Run the shutdown hooks, for `GRACE` seconds at most, and end whatever is left."""
        raise NotImplementedError

    def _block(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Run a loop until `serve` ends; SIGINT and SIGTERM call `stop`."""
        raise NotImplementedError

    # What skins share

    async def run(self, *, log_pv_names: bool = False, startup_hook: Hook | None = None) -> None:
        """Serve until cancelled or stopped; shutdown hooks run last.

        Parameters
        ----------
        log_pv_names : bool, optional
            Whether the log lists the PVs.
        startup_hook : async callable, optional
            Called with the :class:`AsyncLibraryLayer` when the server listens, and may run as long as the server. What
            it raises ends the server, and is raised.

        Raises
        ------
        CaprotoNetworkError
            If it cannot listen.
        """
        # The C library gives memory back as soon as a few large values are free, and the next ones have their pages
        # mapped anew: half of the time of updates of DOUBLE[1 M].  A block that was free once raises that limit; this
        # one is never touched.
        bytes(KEPT_MEMORY)
        self._failure = None
        chosen = settings(self.interfaces)
        with contextlib.closing(self.listen(chosen)) as sockets:
            self.port = sockets.port
            self.engine = ServerEngine(
                self.pvdb,
                port=self.port,
                spawn=self.spawn,
                beacon_period=chosen.beacon_period,
                ignore=chosen.ignore,
                access=self.access,
                clock=self.now,
                pause=self.async_layer.sleep,
            )
            self.async_layer.server = self.engine
            try:
                async with contextlib.AsyncExitStack() as stack:
                    await self._answer(sockets, stack)
                    self.spawn(self._beacons(sockets.beacon, chosen.beacons))
                    announce(self.pvdb, chosen.interfaces, self.port, log_pv_names)
                    if startup_hook is not None:
                        self.spawn(self._run_startup_hook(startup_hook))
                    self._start_jobs("startup")
                    self._start_jobs("scan")
                    await self._until_stopped()
            finally:
                await self._end()
        if self._failure is not None:
            raise self._failure

    async def _run_startup_hook(self, hook: Hook) -> None:
        """Run the hook of the caller, who is told what it raises; some never return."""
        try:
            await hook(self.async_layer)
        except ServerExit:
            self.stop()
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - the caller of `run` gets it
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the server in an orderly way, and raise `error` then."""
        self._failure = self._failure or error
        self.stop()

    def _start_jobs(self, kind: str) -> list[Any]:
        return [self.spawn(run_job(name, kind, job, self)) for name, job in jobs(self.pvdb, kind)]

    async def _beacons(self, sock: Any, addresses: Sequence[tuple[str, int]]) -> None:
        beacons = self.engine.beacons
        while True:
            datagram = self.engine.tick(self.now())
            if datagram is not None:
                for address in addresses:
                    with contextlib.suppress(OSError):  # an interface that is down, or nobody there
                        sock.sendto(datagram, address)
            assert beacons.deadline is not None
            await self.async_layer.sleep(min(max(0.0, beacons.deadline - self.now()), PATIENCE))

    @classmethod
    async def start_server(
        cls,
        pvdb: Mapping[str, ChannelData],
        *,
        interfaces: Sequence[str] | None = None,
        log_pv_names: bool = False,
        startup_hook: Hook | None = None,
        access_security: Path | None = None,
    ) -> None:
        """Serve until cancelled; parameters as of :class:`Context` and :meth:`Context.run`."""
        context = cls(pvdb, interfaces, access_security=access_security)
        await context.run(log_pv_names=log_pv_names, startup_hook=startup_hook)

    @classmethod
    def run_server(
        cls,
        pvdb: Mapping[str, ChannelData],
        *,
        interfaces: Sequence[str] | None = None,
        log_pv_names: bool = False,
        startup_hook: Hook | None = None,
        access_security: Path | None = None,
    ) -> None:
        """Serve until SIGINT or SIGTERM; parameters as of :func:`start_server`."""
        context = cls(pvdb, interfaces, access_security=access_security)
        # The PVs stay: looking through all of them for garbage stops a large IOC for many milliseconds each time.
        gc.collect()
        gc.freeze()
        with contextlib.suppress(KeyboardInterrupt):
            context._block(functools.partial(context.run, log_pv_names=log_pv_names, startup_hook=startup_hook))
