"""What a session knows of one PV: its state, its requests and its subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._channel import ClientChannel
from .._commands import EchoRequest, EventAddRequest, EventAddResponse, WriteRequest
from .._errors import CaprotoError, CaprotoNetworkError
from ._link import Link, Request

if TYPE_CHECKING:
    from ._session import Session

__all__ = ["CONNECTING", "CREATING", "SEARCHING", "UP", "Channel", "Monitor"]

SEARCHING, CONNECTING, CREATING, UP = "searching", "connecting", "creating the channel", "connected"


class Monitor:
    """A subscription of a channel; renewed whenever the channel comes back.

    Parameters
    ----------
    compose : callable
        Of the ClientChannel; returns the EventAddRequest.
    callback, failed : callable
        Called with each update; called with the error if the server refuses the subscription.
    """

    def __init__(
        self,
        compose: Callable[[ClientChannel], EventAddRequest],
        callback: Callable[[EventAddResponse], object],
        failed: Callable[[CaprotoError], object],
    ) -> None:
        self.compose = compose
        self.callback = callback
        self.failed = failed
        self.request: EventAddRequest | None = None


class Channel:
    """A PV that a session looks for, connects and, if the connection is lost, connects again.

    Attributes
    ----------
    state : str
        What is going on, in words.
    native : ClientChannel or None
        The channel of the circuit, while there is one.
    problem : CaprotoError or None
        What went wrong last.
    refused : bool
        Whether a server found the name and then refused to create the channel.
    """

    def __init__(self, session: Session, name: str, cid: int, priority: int) -> None:
        self.session = session
        self.name = name
        self.cid = cid
        self.priority = priority
        self.state = SEARCHING
        self.link: Link | None = None
        self.native: ClientChannel | None = None
        self.problem: CaprotoError | None = None
        self.refused = False
        self.ever_connected = False
        self.monitors: list[Monitor] = []
        self.on_connect: Callable[[Channel], object] | None = None
        self.on_disconnect: Callable[[Channel], object] | None = None

    @property
    def connected(self) -> bool:
        """Whether requests can be sent."""
        return self.state == UP

    @property
    def where(self) -> str:
        """The server as text."""
        return self.link.where if self.link is not None else "no server"

    def require(self) -> tuple[Link, ClientChannel]:
        """Return link and channel of the circuit; raises CaprotoNetworkError unless connected."""
        if self.link is None or self.native is None or self.state != UP:
            raise self.problem or CaprotoNetworkError(f"{self.name}: not connected ({self.state})")
        return self.link, self.native

    def read(self, data_type: int, data_count: int, *, notify: bool = True) -> Request:
        """Send a read."""
        link, native = self.require()
        return self._ask(link, native.read(data_type, data_count, notify=notify))

    def write(self, data: Any, data_type: int, *, notify: bool, metadata: Any = None) -> Request:
        """Send a write; one without notification is done only if it failed, see :meth:`barrier`."""
        link, native = self.require()
        return self._ask(link, native.write(data, data_type, notify=notify, metadata=metadata))

    def barrier(self) -> Request:
        """Send an ECHO; when it is answered the server has dealt with everything before it."""
        link, _ = self.require()
        request = Request(self, EchoRequest())
        link.echoes.append(request)
        link.send(request.command)
        return request

    def _ask(self, link: Link, command: Any) -> Request:
        request = Request(self, command)
        waiting = link.writes if isinstance(command, WriteRequest) else link.requests
        waiting[command.ioid] = request
        link.send(command)
        return request

    def subscribe(self, monitor: Monitor) -> None:
        """Subscribe now if connected, and whenever the channel comes back."""
        self.monitors.append(monitor)
        if self.connected:
            self._start(monitor)

    def _start(self, monitor: Monitor) -> None:
        link, native = self.require()
        request = monitor.request = monitor.compose(native)
        link.monitors[request.subscriptionid] = monitor.callback
        link.send(request)

    def start_monitors(self) -> None:
        """Renew all subscriptions."""
        for monitor in self.monitors:
            self._start(monitor)

    def unsubscribe(self, monitor: Monitor) -> None:
        """End a subscription."""
        self.monitors.remove(monitor)
        if monitor.request is not None and self.link is not None and self.native is not None:
            number = monitor.request.subscriptionid
            if self.link.monitors.pop(number, None) is not None and number in self.native.subscriptions:
                self.link.send(self.native.unsubscribe(number))
        monitor.request = None

    def waiting_for(self) -> str:
        """Return what has not happened so far, as a clause."""
        if self.state == SEARCHING:
            text = f"searching: no server answered ({self.session.asked()})"
        elif self.state == CONNECTING:
            text = f"connecting: found at {self.where}, where the TCP connection is not established yet"
        elif self.state == CREATING:
            text = f"creating the channel: connected to {self.where}, which did not answer CREATE_CHAN"
        else:
            text = f"connected to {self.where}"
        return f"{text}; last problem: {self.problem}" if self.problem is not None else text
