"""A single-threaded client: it searches, connects, keeps connections alive and restores them.

Everything happens while somebody waits in :meth:`Session.wait`; there are no threads.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from .._broadcaster import Broadcaster
from .._channel import ClientChannel
from .._commands import (
    Beacon,
    ClearChannelRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EchoResponse,
    ErrorResponse,
    EventAddRequest,
    EventCancelRequest,
    Message,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    SearchResponse,
    ServerDisconnResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)
from .._constants import RESPONSIVENESS_TIMEOUT
from .._enums import CLIENT, CONNECTED
from .._environ import variable_number, variable_port
from .._errors import (
    CaprotoError,
    CaprotoNetworkError,
    CaprotoTimeoutError,
    ErrorResponseReceived,
    RemoteProtocolError,
)
from .._ids import ThreadsafeCounter
from .._net import bcast_socket, get_client_address_list, get_name_server_list
from ._link import Address, Link, Request, status_text
from ._pv import CONNECTING, CREATING, SEARCHING, UP, Channel, Monitor
from ._search import Searcher, reply_address
from .repeater import spawn_repeater

__all__ = ["Channel", "Monitor", "Session"]

logger = logging.getLogger("caproto.sync")

FOREVER = float("inf")
#: Seconds before a channel is searched again after its server went away or refused it.
SEARCH_DELAY = 0.1
REFUSED_DELAY = 5.0
NAME_SERVER_RETRY = 1.0
NAME_SERVER_RETRY_LONGEST = 30.0
REGISTER_RETRY = 1.0
REGISTER_TRIES = 50


class _NameServer:
    """A server that is searched over TCP."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.link: Link | None = None
        self.due = 0.0
        self.gap = NAME_SERVER_RETRY


class Session:
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

    now = staticmethod(time.monotonic)

    def __init__(self, *, repeater: bool = True) -> None:
        self.interrupted = False
        self.selector = selectors.DefaultSelector()
        self.links: dict[tuple[Address, int], Link] = {}
        self.channels: dict[int, Channel] = {}
        self.send_errors: dict[Address, str] = {}
        self._cids = ThreadsafeCounter(dont_clash_with=self.channels)
        self._searcher = Searcher()
        self._broadcaster = Broadcaster(our_role=CLIENT)
        self._destinations = get_client_address_list()
        self._name_servers = [_NameServer(address) for address in get_name_server_list()]
        self._server_port = variable_port("EPICS_CA_SERVER_PORT")
        self._silence = float(variable_number("EPICS_CA_CONN_TMO"))
        self._beacons: dict[Address, int] = {}
        self._register_tries = 0
        self._register_due = FOREVER
        self._next_check = 0.0
        # Another thread, or a signal handler, wakes a session up by a byte.
        self._waker, self._wakened = socket.socketpair()
        self._interrupted = threading.Event()
        self._udp = bcast_socket()
        try:
            for sock in (self._waker, self._wakened, self._udp):
                sock.setblocking(False)
            self._udp.bind(("", 0))
            self.selector.register(self._wakened, selectors.EVENT_READ, self._woken)
            self.selector.register(self._udp, selectors.EVENT_READ, self._datagrams)
            if repeater:
                self._start_repeater()
        except OSError as error:
            self.close()
            raise CaprotoNetworkError(error.errno, f"cannot prepare the search socket: {error}") from error

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all sockets."""
        for link in list(self.links.values()):
            link.close()
        self.links.clear()
        self.channels.clear()
        self.selector.close()
        for sock in (self._waker, self._wakened, self._udp):
            sock.close()

    def interrupt(self) -> None:
        """Make :meth:`wait` return; may be called from any thread and from callbacks."""
        self._interrupted.set()
        try:
            self._waker.send(b"\0")
        except OSError:  # full, so it is awake, or closed, so nobody waits
            pass

    # Waiting

    def wait(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Do what there is to do until `done()` is true, the time is over or :meth:`interrupt` is called.

        Returns
        -------
        bool
            Whether `done()` is true.
        """
        deadline = FOREVER if timeout is None else self.now() + timeout
        self.interrupted = False
        while not done():
            if self._interrupted.is_set():
                self._interrupted.clear()
                self.interrupted = True
                return done()
            now = self.now()
            if now >= self._next_check:
                self._check_timers(now)
            if now >= deadline:
                return False
            until = min(deadline, self._next_check)
            for key, events in self.selector.select(None if until == FOREVER else max(until - now, 0.0)):
                key.data(events)
        return True

    def _woken(self, events: int) -> None:
        while True:
            try:
                if len(self._wakened.recv(4096)) < 4096:
                    return
            except BlockingIOError:
                return

    def _check_timers(self, now: float) -> None:
        if now >= self._searcher.next_time:
            self._search(now)
        if now >= self._register_due:
            self._register(now)
        times = [self._searcher.next_time, self._register_due]
        for link in list(self.links.values()):
            times.append(self._check_silence(link, now))
        if self._searcher.next_time < FOREVER:
            times += [self._check_name_server(server, now) for server in self._name_servers]
        self._next_check = min(times)

    def _soon(self) -> None:
        """Look at the timers in the next turn."""
        self._next_check = 0.0

    def _check_silence(self, link: Link, now: float) -> float:
        """Probe a silent server; give a server up that does not answer.  Returns when to look again."""
        if not link.up:
            return FOREVER
        if link.echo_sent is None:
            if now - link.last_heard < self._silence:
                return link.last_heard + self._silence
            link.probe(now)
        assert link.echo_sent is not None
        deadline = link.echo_sent + RESPONSIVENESS_TIMEOUT
        if now < deadline:
            return deadline
        text = f"{link.where}: silent for {now - link.last_heard:.0f} s, and no answer to an ECHO"
        self.link_lost(link, CaprotoTimeoutError(text))
        return now

    # Searching

    def channel(self, name: str, *, priority: int = 0) -> Channel:
        """Look for a PV from now on."""
        cid = self._cids()
        channel = self.channels[cid] = Channel(self, name, cid, priority)
        self._searcher.add(cid, name, self.now())
        self._soon()
        return channel

    def forget(self, channel: Channel) -> None:
        """Close a channel and look for it no longer."""
        self._searcher.discard(channel.cid)
        self.channels.pop(channel.cid, None)
        link, native = channel.link, channel.native
        if link is not None:
            if native is not None and channel.state == UP and link.up:
                for monitor in list(channel.monitors):
                    channel.unsubscribe(monitor)
                link.send(ClearChannelRequest(native._sid(), channel.cid))
            link.channels.pop(channel.cid, None)
        channel.link = channel.native = None
        channel.state = SEARCHING

    def asked(self) -> str:
        """Return where names are searched, as text."""
        parts = [f"{ip}:{port}" for ip, port in self._destinations]
        parts += [f"{ip}:{port} over TCP" for ip, port in (server.address for server in self._name_servers)]
        text = f"asked {', '.join(parts)}" if parts else (
            "there is nobody to ask: set EPICS_CA_ADDR_LIST or EPICS_CA_NAME_SERVERS"
        )  # fmt: skip
        errors = [f"{ip}:{port}: {problem}" for (ip, port), problem in self.send_errors.items()]
        return f"{text}; cannot send to {', '.join(errors)}" if errors else text

    def _search(self, now: float) -> None:
        for commands in self._searcher.due(now):
            datagram = self._broadcaster.send(*commands)
            for destination in self._destinations:
                self._send_datagram(datagram, destination)
            for server in self._name_servers:
                if server.link is not None and server.link.up:
                    server.link.send(*commands[1:])

    def _send_datagram(self, datagram: bytes, destination: Address) -> None:
        try:
            self._udp.sendto(datagram, destination)
        except OSError as error:
            self.send_errors[destination] = error.strerror or str(error)
        else:
            self.send_errors.pop(destination, None)

    def _check_name_server(self, server: _NameServer, now: float) -> float:
        if server.link is not None and not server.link.closed:
            return FOREVER
        if now < server.due:
            return server.due
        server.due, server.gap = now + server.gap, min(server.gap * 2, NAME_SERVER_RETRY_LONGEST)
        try:
            server.link = self._link_to(server.address, 0)
        except CaprotoNetworkError as error:
            logger.warning("name server: %s", error)
        return server.due

    def _datagrams(self, events: int) -> None:
        while True:
            try:
                data, sender = self._udp.recvfrom(0xFFFF)
            except BlockingIOError:
                return
            except OSError as error:  # "nobody listens there", on systems that tell
                logger.debug("search socket: %s", error)
                return
            commands = self._broadcaster.recv(data, sender)
            try:
                self._broadcaster.process_commands(commands)
            except RemoteProtocolError as error:
                logger.debug("%s", error)
            for command in commands:
                if isinstance(command, SearchResponse):
                    address = reply_address(command, sender, self._server_port, tcp=False)
                    self._found(command.cid, address)
                elif isinstance(command, Beacon):
                    self._beacon(command, sender)
            if self._broadcaster.registered:
                self._register_due = FOREVER

    def _found(self, cid: int, address: Address) -> None:
        channel = self.channels.get(cid)
        if channel is None:
            return
        if cid not in self._searcher:
            if channel.link is not None and channel.link.address != address:
                logger.warning("%s: offered by %s:%d, too; staying with %s", channel.name, *address, channel.where)
            return
        self._searcher.discard(cid)
        self._soon()
        try:
            link = self._link_to(address, channel.priority)
        except CaprotoNetworkError as error:
            self._down(channel, error, SEARCH_DELAY)
            return
        channel.link = link
        channel.state = CREATING if link.up else CONNECTING
        channel.native = ClientChannel(channel.name, link.circuit, cid)
        link.channels[cid] = channel
        link.send(channel.native.create())

    def _link_to(self, address: Address, priority: int) -> Link:
        """Return the connection to a server, made or in the making."""
        key = (address, priority)
        link = self.links.get(key)
        if link is not None:
            return link
        link = Link(self, address, priority)
        try:
            link.connect()
        except OSError as error:
            link.close()
            text = f"cannot connect to {link.where}: {error.strerror or error}"
            raise CaprotoNetworkError(error.errno, text) from error
        self.links[key] = link
        return link

    def link_up(self, link: Link) -> None:
        """A connection is established."""
        for channel in link.channels.values():
            channel.state = CREATING
        for server in self._name_servers:
            if server.link is link:
                server.gap = NAME_SERVER_RETRY
                self._searcher.boost(self.now())
        self._soon()

    def link_lost(self, link: Link, error: CaprotoError) -> None:
        """A connection is gone, or could not be made; its channels are searched again."""
        if link.closed:
            return
        link.close()
        self.links.pop((link.address, link.priority), None)
        link.fail_requests(error)
        for channel in list(link.channels.values()):
            self._down(channel, error, SEARCH_DELAY)
        link.channels.clear()
        logger.debug("%s", error)

    def _down(self, channel: Channel, error: CaprotoError, delay: float) -> None:
        """A channel has no server any more."""
        was_up = channel.state == UP
        channel.state, channel.problem = SEARCHING, error
        channel.link = channel.native = None
        for monitor in channel.monitors:
            monitor.request = None
        self._searcher.add(channel.cid, channel.name, self.now() + delay)
        self._soon()
        if was_up and channel.on_disconnect is not None:
            channel.on_disconnect(channel)

    # Messages of a circuit

    def received(self, link: Link, command: Message) -> None:
        """Handle what a server sent, other than updates."""
        handler = _HANDLERS.get(type(command))
        if handler is not None:
            handler(self, link, command)

    def _created(self, link: Link, command: CreateChanResponse) -> None:
        channel = link.channels.get(command.cid)
        if channel is None or channel.native is None:
            link.send(ClearChannelRequest(command.sid, command.cid))
            return
        if channel.native.states[CLIENT] is not CONNECTED or channel.state == UP:
            return
        channel.state, channel.problem, channel.refused, channel.ever_connected = UP, None, False, True
        if channel.on_connect is not None:
            channel.on_connect(channel)
        channel.start_monitors()

    def _create_failed(self, link: Link, command: CreateChFailResponse) -> None:
        channel = link.channels.pop(command.cid, None)
        if channel is not None:
            channel.refused = True
            text = f"{channel.name}: refused by {link.where}, which has the record: wrong modifier or filter"
            self._down(channel, ErrorResponseReceived(text), REFUSED_DELAY)

    def _removed(self, link: Link, command: ServerDisconnResponse) -> None:
        channel = link.channels.pop(command.cid, None)
        if channel is not None:
            error = CaprotoNetworkError(f"{channel.name}: removed by its server {link.where}")
            for waiting in (link.requests, link.writes):
                for ioid in [number for number, request in waiting.items() if request.channel is channel]:
                    waiting.pop(ioid).error = error
            self._down(channel, error, SEARCH_DELAY)

    def _answered(self, link: Link, command: ReadNotifyResponse | ReadResponse | WriteNotifyResponse) -> None:
        request = link.requests.pop(command.ioid, None)
        if request is None:
            return
        if isinstance(command, ReadResponse) or command.status.success:
            request.response = command
        else:
            request.error = _refusal(request, link, status_text(command.status))

    def _echoed(self, link: Link, command: EchoResponse) -> None:
        if link.echoes:
            link.echoes.popleft().response = command

    def _failed(self, link: Link, command: ErrorResponse) -> None:
        original = command.original_request
        number = original.parameter2
        status, message = command.status, command.error_message
        if original.command == EventAddRequest.ID:
            for channel in link.channels.values():
                for monitor in channel.monitors:
                    if monitor.request is not None and monitor.request.subscriptionid == number:
                        link.monitors.pop(number, None)
                        text = status_text(status, message, channel.name)
                        text = f"{channel.name}: subscription refused by {link.where}: {text}"
                        monitor.failed(ErrorResponseReceived(text))
            return
        waiting = link.writes if original.command == WriteRequest.ID else link.requests
        request = waiting.pop(number, None)
        if request is not None:
            request.error = _refusal(request, link, status_text(status, message, request.channel.name))
        else:
            logger.warning("%s reports %s", link.where, status_text(status, message))

    def _search_reply(self, link: Link, command: SearchResponse) -> None:
        self._found(command.cid, reply_address(command, link.address, self._server_port, tcp=True))

    # Repeater

    def _start_repeater(self) -> None:
        try:
            spawn_repeater()
        except CaprotoNetworkError as error:
            logger.warning("%s", error)
        self._register_due = self.now()

    def _register(self, now: float) -> None:
        self._send_datagram(
            self._broadcaster.send(self._broadcaster.register()),
            ("127.0.0.1", variable_port("EPICS_CA_REPEATER_PORT")),
        )
        self._register_tries += 1
        if self._register_tries == REGISTER_TRIES:
            logger.warning("no repeater answers at port %d", variable_port("EPICS_CA_REPEATER_PORT"))
        self._register_due = now + REGISTER_RETRY

    def _beacon(self, beacon: Beacon, sender: Address) -> None:
        """Search again at once if a server is new or was started again."""
        host = sender[0] if beacon.address == "0.0.0.0" else beacon.address
        address = (host, beacon.server_port or self._server_port)
        last = self._beacons.get(address)
        self._beacons[address] = beacon.beacon_id
        # A smaller number is a restart; one that comes twice took two routes.
        if last is None or beacon.beacon_id < last:
            self._searcher.boost(self.now())
            self._soon()


def _refusal(request: Request, link: Link, text: str) -> ErrorResponseReceived:
    what = {
        ReadNotifyRequest: "read", ReadRequest: "read", WriteRequest: "write", WriteNotifyRequest: "write",
        EventCancelRequest: "cancel",
    }.get(type(request.command), "request")  # fmt: skip
    return ErrorResponseReceived(f"{request.channel.name}: {what} refused by {link.where}: {text}")


_HANDLERS: dict[type[Message], Callable[[Session, Link, Any], None]] = {
    CreateChanResponse: Session._created,
    CreateChFailResponse: Session._create_failed,
    ServerDisconnResponse: Session._removed,
    ReadNotifyResponse: Session._answered,
    ReadResponse: Session._answered,
    WriteNotifyResponse: Session._answered,
    EchoResponse: Session._echoed,
    ErrorResponse: Session._failed,
    SearchResponse: Session._search_reply,
}
