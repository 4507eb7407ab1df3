"""One TCP connection: a socket, a circuit, and what waits to be sent.

The socket never blocks, and what arrives is read while something waits to be sent: a write that is larger
than the socket's buffers cannot deadlock with a server that sends updates.
"""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._circuit import VirtualCircuit
from .._commands import (
    ClientNameRequest,
    EchoRequest,
    EventAddResponse,
    HostNameRequest,
    Message,
    ReadNotifyResponse,
    VersionRequest,
)
from .._constants import DEFAULT_PROTOCOL_VERSION, STR_ENC
from .._enums import CLIENT, DISCONNECTED
from .._errors import CaprotoError, CaprotoNetworkError, RemoteProtocolError
from .._status import CAStatus, CAStatusCode, status_hint

if TYPE_CHECKING:
    from ._session import Channel, Session

logger = logging.getLogger("caproto.sync")

Address = tuple[str, int]

#: Reads from one socket before the others get their turn.
READS_PER_TURN = 32
BUFFERS_PER_SEND = 64
_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


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


class Request:
    """A request and, in time, its answer or the error that ended it."""

    __slots__ = ("channel", "command", "error", "response")

    def __init__(self, channel: Channel, command: Message) -> None:
        self.channel = channel
        self.command = command
        self.response: Any = None
        self.error: CaprotoError | None = None

    @property
    def done(self) -> bool:
        """Whether there is an answer or an error."""
        return self.response is not None or self.error is not None


class Link:
    """A connection to one server at one priority.

    Attributes
    ----------
    channels : dict
        By CID: those that are created here, or shall be.
    requests, writes : dict
        By IOID: those that wait for an answer; plain writes, which are only heard of when they fail.
    monitors : dict
        By subscription id: called with each update.
    """

    def __init__(self, session: Session, address: Address, priority: int) -> None:
        self.session = session
        self.address = address
        self.priority = priority
        self.circuit = VirtualCircuit(our_role=CLIENT, address=address, priority=priority)
        self.up = False
        self.closed = False
        self.echo_sent: float | None = None
        self.last_heard = session.now()
        self.channels: dict[int, Channel] = {}
        self.requests: dict[int, Request] = {}
        self.writes: dict[int, Request] = {}
        self.echoes: deque[Request] = deque()
        self.monitors: dict[int, Callable[[EventAddResponse], object]] = {}
        self._out: deque[memoryview] = deque()
        self._events = 0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.send(
            VersionRequest(priority, DEFAULT_PROTOCOL_VERSION),
            ClientNameRequest(_client_name()),
            HostNameRequest(_encodable(socket.gethostname())),
        )

    def connect(self) -> None:
        """Begin to connect; the selector tells how it ended."""
        code = self.sock.connect_ex(self.address)
        if code not in _IN_PROGRESS:
            raise CaprotoNetworkError(code, os.strerror(code))
        self._events = selectors.EVENT_READ | selectors.EVENT_WRITE
        self.session.selector.register(self.sock, self._events, self.ready)

    @property
    def where(self) -> str:
        """The address as text."""
        return f"{self.address[0]}:{self.address[1]}"

    def close(self) -> None:
        """Close the socket; nothing that waits to be sent is sent."""
        if not self.closed:
            self.closed = True
            if self._events:
                self.session.selector.unregister(self.sock)
            self.sock.close()
            self.circuit.disconnect()

    # Out

    def send(self, *commands: Message) -> None:
        """Check commands and queue them; what the socket takes now goes at once."""
        buffers = self.circuit.send(*commands)
        self._out += [memoryview(buffer).cast("B") for buffer in buffers]
        if self.up:
            self._flush()

    def _flush(self) -> None:
        out = self._out
        try:
            while out:
                sent = self.sock.sendmsg([out[i] for i in range(min(len(out), BUFFERS_PER_SEND))])
                while out and sent >= len(out[0]):
                    sent -= len(out.popleft())
                if sent:
                    out[0] = out[0][sent:]
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(error)
            return
        self._listen(selectors.EVENT_READ | (selectors.EVENT_WRITE if out else 0))

    def _listen(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self.session.selector.modify(self.sock, events, self.ready)

    def _lost(self, error: OSError) -> None:
        text = f"{self.where}: {error.strerror or error}"
        self.session.link_lost(self, CaprotoNetworkError(error.errno, text))

    # In

    def ready(self, events: int) -> None:
        """Called when the socket can be read or written."""
        if not self.up:
            code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._lost(OSError(code, f"cannot connect: {os.strerror(code)}"))
                return
            self.up = True
            self.circuit.our_address = self.sock.getsockname()
            self.last_heard = self.session.now()
            self.session.link_up(self)
        if events & selectors.EVENT_WRITE:
            self._flush()
        if events & selectors.EVENT_READ and not self.closed:
            self._read()

    def _read(self) -> None:
        circuit = self.circuit
        for _ in range(READS_PER_TURN):
            try:
                buffer = circuit.get_buffer()
                number = self.sock.recv_into(buffer)
                commands = circuit.buffer_updated(number)
            except BlockingIOError:
                break
            except RemoteProtocolError as error:
                self.session.link_lost(self, error)
                return
            except OSError as error:
                self._lost(error)
                return
            self._dispatch(commands)
            if self.closed or number < len(buffer):
                break
        self.last_heard, self.echo_sent = self.session.now(), None

    def _dispatch(self, commands: deque[Any]) -> None:
        process = self.circuit.process_command
        monitors = self.monitors
        for command in commands:
            if command is DISCONNECTED:
                self._lost(OSError(errno.ECONNRESET, "the server closed the connection"))
                return
            try:
                process(command)
            except RemoteProtocolError as error:
                self._spoiled(command, error)
                continue
            if command.__class__ is EventAddResponse:
                monitor = monitors.get(command.subscriptionid)
                if monitor is not None:
                    monitor(command)
            else:
                self.session.received(self, command)
            if self.closed:
                return

    def _spoiled(self, command: Any, error: RemoteProtocolError) -> None:
        """Let a message that breaks the rules fail its own request."""
        request = self.requests.pop(command.ioid, None) if isinstance(command, ReadNotifyResponse) else None
        if request is not None:
            request.error = error
        else:
            logger.warning("%s", error)

    def probe(self, now: float) -> None:
        """Ask whether the server is still there."""
        self.echo_sent = now
        self.send(EchoRequest())

    def fail_requests(self, error: CaprotoError) -> None:
        """End everything that waits for an answer of this server."""
        for request in (*self.requests.values(), *self.writes.values(), *self.echoes):
            request.error = request.error or error
        self.requests.clear()
        self.writes.clear()
        self.echoes.clear()


def _encodable(text: str) -> str:
    return text.encode(STR_ENC, "replace").decode(STR_ENC)


def _client_name() -> str:
    import getpass

    try:
        return _encodable(getpass.getuser())
    except (ImportError, KeyError, OSError):  # a user without a name, as in some containers
        return "unknown"
