"""One connection of a client to a server: its circuit, what waits to be sent, and who waits for answers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .._circuit import VirtualCircuit
from .._commands import ClientNameRequest, EchoRequest, HostNameRequest, Message, VersionRequest
from .._constants import DEFAULT_PROTOCOL_VERSION, RESPONSIVENESS_TIMEOUT
from .._enums import CLIENT
from .._errors import ErrorResponseReceived
from .._status import CAStatus, CAStatusCode, status_hint

if TYPE_CHECKING:
    from ._channel import Channel, Monitor, Request
    from ._engine import ClientEngine

__all__ = ["LINGER", "Link", "status_text"]

Address = tuple[str, int]

BUFFERS_PER_SEND = 64
FOREVER = float("inf")
#: Seconds that a server has to let go of a circuit without channels: to confirm that, and to take what was written.
LINGER = 60.0


def status_text(status: CAStatus | CAStatusCode, message: str = "", pv_name: str = "") -> str:
    """Return a status in words: its name, meaning, what the server said, and what to do.

    Servers often say no more than the name of the PV, which is left out.
    """
    code = status.value if isinstance(status, CAStatus) else status
    text = f"{code.name}: {code.description}"
    if message and message != pv_name:
        text += f' (server says "{message}")'
    hint = status_hint(code)
    return f"{text}. {hint}" if hint else text


class Link:
    """A connection to one server at one priority.

    The skin opens a socket for it, moves bytes between both, and tells the engine what happens.

    Attributes
    ----------
    address, priority
        What it connects to.
    up, closed : bool
        Whether the connection is established, or gone.
    silent : bool
        Whether the server left an ECHO without answer (section 8.4).
    channels : dict
        By CID: those that are created here, or shall be.
    requests, writes : dict
        By IOID: those that wait for an answer; plain writes, which are only heard of when they fail.
    monitors : dict
        By subscription id.
    waiting : dict
        Sinks with updates that nobody took so far, as keys.
    backlog : int
        Bytes received since nobody was behind.
    limited : bool
        Whether a single chunk may hold more than one of the subscriptions may keep.
    events_off : bool
        Whether the server was asked to hold updates back.
    overdue : bool
        Whether the skin waits no longer for callbacks that are behind.
    handle : object
        The skin's own: its socket or transport.
    """

    def __init__(self, engine: ClientEngine, address: Address, priority: int, now: float) -> None:
        self.engine = engine
        self.address = address
        self.priority = priority
        self.circuit = VirtualCircuit(our_role=CLIENT, address=address, priority=priority)
        self.sinks = self.circuit.sinks
        self.up = False
        self.closed = False
        self.silent = False
        self.name_server = False
        self.last_heard = now
        # When the last channel left, or when something that was written before left after it.
        self.idle: float | None = None
        self.trusts_beacons = True
        # When it was connected, and when it was asked whether it is there.
        self.since: float | None = None
        self.probed: float | None = None
        self.channels: dict[int, Channel] = {}
        self.requests: dict[int, Request] = {}
        self.writes: dict[int, Request] = {}
        # When each ECHO without answer was sent, and who waits for the answer.
        self.echoes: deque[tuple[float, Request | None]] = deque()
        self.monitors: dict[int, Monitor] = {}
        self.waiting: dict[Any, None] = {}
        self.backlog = 0
        self.limited = False
        self.events_off = False
        self.overdue = False
        self.handle: Any = None
        self._out: deque[memoryview] = deque()
        self._blocked = False
        self.send(
            VersionRequest(priority, DEFAULT_PROTOCOL_VERSION),
            ClientNameRequest(engine.client_name),
            HostNameRequest(engine.host_name),
        )

    def __repr__(self) -> str:
        return f"<Link to {self.where}, priority {self.priority}, {len(self.channels)} channels>"

    @property
    def where(self) -> str:
        """The address as text."""
        return f"{self.address[0]}:{self.address[1]}"

    # Out

    def send(self, *commands: Message) -> None:
        """Check commands and queue them."""
        for buffer in self.circuit.send(*commands):
            self._out.append(memoryview(buffer).cast("B"))
        if self.up:
            self.engine.writable[self] = None

    @property
    def wants_write(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._out)

    def next_buffers(self) -> list[memoryview]:
        """Return what to send next; :meth:`sent` says how much of it went."""
        out = self._out
        if len(out) <= BUFFERS_PER_SEND:
            return list(out)
        return [out[i] for i in range(BUFFERS_PER_SEND)]

    def sent(self, nbytes: int, now: float) -> None:
        """Note that the first `nbytes` of :meth:`next_buffers` were taken by the system."""
        out = self._out
        if self._blocked:
            self.last_heard = now  # there is room again, so the server reads
            if self.idle is not None:
                self.idle = now
        while out and nbytes >= len(out[0]):
            nbytes -= len(out.popleft())
        self._blocked = nbytes > 0
        if nbytes:
            out[0] = out[0][nbytes:]
        if self.idle is not None:
            self.engine.leave(self)

    def behind(self) -> bool:
        """Forget sinks that were emptied; returns whether any is left."""
        if self.waiting:
            self.waiting = {sink: None for sink in self.waiting if sink.waiting and sink.monitor.channel is not None}
            if not self.waiting:
                self.backlog = 0
        return bool(self.waiting)

    def all_filled(self, part: float) -> bool:
        """Whether every subscription has used at least that part of what it may keep.

        Newest-only ones never have: they are meant to be slower than the server.
        """
        return all(len(m.sink) >= part * m.keep > part for m in self.monitors.values())

    # Keep-alive (section 8.4)

    def ask(self, now: float, request: Request | None = None) -> None:
        """Send an ECHO."""
        self.echoes.append((now, request))
        self.send(EchoRequest())

    def check(self, now: float) -> float:
        """Probe a server that is silent, give up one that does not let go.  Returns when to look again."""
        if not self.up or self.closed:
            return FOREVER
        limit = self._limit(now)
        if self.closed:
            return FOREVER
        if self.silent:
            return limit  # only an answer helps
        if self.probed is None:
            due = self.last_heard + self.engine.conn_tmo
            if now < due:
                return min(due, limit)
            self.probed = now
            self.ask(now)
        deadline = max(self.probed, self.last_heard) + RESPONSIVENESS_TIMEOUT
        if now < deadline:
            return min(deadline, limit)
        self.engine.link_silent(self, now)
        if not self.closed:
            self.ask(now)
        return limit

    def _limit(self, now: float) -> float:
        """Return when a circuit without channels is closed at the latest; closes it if that is now."""
        if self.channels or self.name_server:
            return FOREVER
        if self.idle is None:
            self.idle = now
        self.engine.leave(self, late=now >= self.idle + LINGER)
        return self.idle + LINGER

    def answered(self, now: float) -> tuple[Request | None, bool]:
        """Note the answer to the oldest ECHO.  Returns who waits for it, and whether it came in time."""
        self.probed = None
        if not self.echoes:
            return None, False
        asked, request = self.echoes.popleft()
        return request, now - asked <= RESPONSIVENESS_TIMEOUT

    def take_all(self) -> list[Request]:
        """Forget, and return, everything that waits for an answer."""
        echoes = [request for _, request in self.echoes if request is not None]
        found = [*self.requests.values(), *self.writes.values(), *echoes]
        self.requests.clear()
        self.writes.clear()
        self.echoes = deque((asked, None) for asked, _ in self.echoes)
        return found

    def take_channel(self, channel: Channel) -> list[Request]:
        """Forget, and return, what waits for an answer about one channel."""
        found: list[Request] = []
        for waiting in (self.requests, self.writes):
            for ioid in [number for number, request in waiting.items() if request.channel is channel]:
                found.append(waiting.pop(ioid))
        return found

    def stop(self, monitor: Monitor) -> None:
        """Receive no more for a subscription."""
        request, monitor.request = monitor.request, None
        if request is not None and self.monitors.get(request.subscriptionid) is monitor:
            del self.monitors[request.subscriptionid]
            self.sinks.pop(request.subscriptionid, None)


def refusal(request: Request, link: Link, text: str) -> ErrorResponseReceived:
    """Return the error of a request that the server refused."""
    return ErrorResponseReceived(f"{request.channel.name}: {request.what} refused by {link.where}: {text}")
