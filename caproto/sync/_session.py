"""A single-threaded client: everything happens while somebody waits in :meth:`Session.wait`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .._errors import CaprotoNetworkError, CaprotoTimeoutError
from ..client import Channel, Monitor, Request
from ._driver import SelectorDriver

__all__ = ["Channel", "Monitor", "Request", "Session"]


class Session(SelectorDriver):
    """Sockets and channels of one client.

    Parameters
    ----------
    repeater : bool, optional
        Whether to register with the repeater of this host, and to start one if there is none.

    Attributes
    ----------
    interrupted : bool
        Whether the last :meth:`wait` was ended by :meth:`interrupt`.
    """

    def __init__(self, *, repeater: bool = True) -> None:
        super().__init__(repeater=repeater)
        self.interrupted = False
        self._interrupted = threading.Event()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def interrupt(self) -> None:
        """Make :meth:`wait` return; may be called from any thread and from callbacks."""
        self._interrupted.set()
        self.wake()

    # Waiting

    def wait(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Do what there is to do until `done()` is true, the time is over or :meth:`interrupt` is called.

        Returns
        -------
        bool
            Whether `done()` is true.
        """
        deadline = None if timeout is None else self.now() + timeout
        self.interrupted = False
        while not done():
            if self._interrupted.is_set():
                self._interrupted.clear()
                self.interrupted = True
                return done()
            rest = None if deadline is None else deadline - self.now()
            if rest is not None and rest <= 0:
                return False
            self.handle(self.select(rest))
            self._tell()
        return True

    def finish(self, request: Request, timeout: float) -> Any:
        """Wait for the answer to a request and return it; raises what ended it otherwise."""
        if not self.wait(lambda: request.done, timeout):
            raise self.engine.give_up(request, timeout)
        return request.result()

    def _tell(self) -> None:
        """Call those who wait for what has happened; what they raise comes out of :meth:`wait`."""
        engine = self.engine
        changes, engine.changes = engine.changes, []
        for channel, what in changes:
            if channel.owner is not None and what != "rights":
                channel.owner(channel, what == "connected")
        touched, engine.touched = engine.touched, []
        for sink in touched:
            for response in sink.take():
                sink.monitor.owner.update(response)
        if touched:
            for link in list(engine.links.values()):
                engine.relieve(link)
            self.flush()

    # Channels

    def channel(
        self, name: str, *, priority: int = 0, on_change: Callable[[Channel, bool], object] | None = None
    ) -> Channel:
        """Look for a PV from now on; `on_change` is told whether it is connected, whenever that changes."""
        channel = self.engine.open(name, self.now(), priority=priority, owner=on_change)
        self.flush()
        return channel

    def connect(self, names: list[str], timeout: float, priority: int = 0) -> list[Channel]:
        """Return the channels, connected; raises for the first one that cannot be had in time."""
        channels = [self.channel(name, priority=priority) for name in names]
        self.wait(lambda: all(channel.connected or channel.refused for channel in channels), timeout)
        check_connected(channels, timeout, lambda channel: channel.connected)
        return channels

    def read(self, channel: Channel, data_type: int, data_count: int, *, notify: bool = True) -> Request:
        """Send a read."""
        request = self.engine.read(channel, data_type, data_count, notify=notify)
        self.flush()
        return request

    def write(self, channel: Channel, data: Any, data_type: int, *, notify: bool, metadata: Any = None) -> Request:
        """Send a write; one without notification is done only if it failed, see :meth:`barrier`."""
        request = self.engine.write(channel, data, data_type, notify=notify, metadata=metadata)
        self.flush()
        return request

    def barrier(self, channel: Channel) -> Request:
        """Send an ECHO; when it is answered the server has dealt with everything before it."""
        request = self.engine.barrier(channel, self.now())
        self.flush()
        return request

    def subscribe(self, channel: Channel, monitor: Monitor) -> None:
        """Subscribe now if connected, and whenever the channel comes back.

        The owner of `monitor` is told by ``update(response)`` and ``failed(error)``.
        """
        self.engine.subscribe(channel, monitor)
        self.flush()


def check_connected(channels: list[Channel], timeout: float, connected: Callable[[Channel], bool]) -> None:
    """Raise for the first channel that was refused or could not be connected in time."""
    for channel in channels:
        if channel.refused:
            raise channel.problem or CaprotoNetworkError(f"{channel.name}: refused")
        if not connected(channel):
            raise CaprotoTimeoutError(f"{channel.name}: timed out after {timeout:g} s {channel.waiting_for()}")
