"""A whole client without sockets: searching, connecting, staying connected, requests and updates.

The skin calls a method for everything that happens, with the time, and afterwards does what the lists of
:class:`ClientEngine` ask for.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable
from typing import Any

from .._channel import ClientChannel
from .._commands import (
    ClearChannelRequest,
    EventCancelRequest,
    EventsOffRequest,
    EventsOnRequest,
)
from .._enums import DISCONNECTED, AccessRights
from .._errors import (
    CaprotoError,
    CaprotoNetworkError,
    CaprotoTimeoutError,
    RemoteProtocolError,
)
from .._ids import ThreadsafeCounter
from ._channel import CONNECTING, CREATING, IDLE, SEARCHING, SILENT, UP, Channel, Monitor, Request
from ._discovery import Discovery
from ._link import Address, Link
from ._messages import HANDLERS, SEARCH_DELAY, spoiled

__all__ = ["ClientEngine"]

logger = logging.getLogger("caproto.client")

FOREVER = float("inf")
#: More updates than a received chunk holds.
CHUNK_UPDATES = 16384
#: Seconds after which a connection counts as a good one, and the longest delays in which its channels are searched
#: again if it was none: it was lost again soon, or could not be made.
GOOD_CONNECTION = 10.0
LONGEST_RECONNECT_DELAY = 1.0
LONGEST_DELAY = 30.0
#: Plain writes per circuit that a late error can be told of.
REMEMBERED_WRITES = 1000


class ClientEngine:
    """Channels, circuits and searches of one client.

    Parameters
    ----------
    destinations : list of (str, int)
        Where searches are sent by UDP.
    name_servers : list of (str, int)
        Where they are sent by TCP.
    host_name, client_name : str
        What servers are told.
    server_port : int
        For servers too old to name their port.
    repeater : (str, int) or None
        Where to register for beacons.
    conn_tmo : float
        Seconds of silence after which a server is asked whether it is there.
    max_search_period : float
        Seconds between two searches for one name at most.
    now : float
        The time.  All times are seconds of one clock that never goes back.

    Attributes
    ----------
    opening, closing : list of Link
        Connections to open and to close.
    writable : dict of Link
        Those with something to send (as keys, in order).
    datagrams : list of (bytes, (str, int))
        To be sent.
    touched : list of Inbox or Columns
        Sinks that got updates; ``sink.monitor.owner`` is whom to tell.
    finished : list of Request
        Those with an ``on_done``; to be called in order.
    changes : list of (Channel, str)
        "connected", "disconnected" or "rights"; to be told in order.
    next_time : float
        When :meth:`tick` wants to be called.

    The skin empties these lists after each call of a method that takes the time.
    """

    def __init__(
        self,
        *,
        destinations: list[Address],
        name_servers: list[Address] | None = None,
        host_name: str,
        client_name: str,
        server_port: int,
        repeater: Address | None,
        conn_tmo: float,
        max_search_period: float,
        now: float,
    ) -> None:
        self.host_name = host_name
        self.client_name = client_name
        self.conn_tmo = conn_tmo
        self.opening: list[Link] = []
        self.closing: list[Link] = []
        self.writable: dict[Link, None] = {}
        self.datagrams: list[tuple[bytes, Address]] = []
        self.touched: list[Any] = []
        self.finished: list[Request] = []
        self.changes: list[tuple[Channel, str]] = []
        self.next_time = now
        self.links: dict[tuple[Address, int], Link] = {}
        self.channels: dict[int, Channel] = {}
        self.discovery = Discovery(
            self,
            destinations=destinations,
            name_servers=name_servers or [],
            server_port=server_port,
            repeater=repeater,
            max_search_period=max_search_period,
            now=now,
        )
        self._cids = ThreadsafeCounter(dont_clash_with=self.channels)
        # (deadline, number, request): for those whose asker does not wait.
        self._deadlines: list[tuple[float, int, Request]] = []
        self._too_many_deadlines = 1024
        self._numbers = itertools.count()

    # Channels

    def open(self, name: str, now: float, *, priority: int = 0, owner: Any = None) -> Channel:
        """Look for a PV from now on."""
        cid = self._cids()
        channel = self.channels[cid] = Channel(self, name, cid, priority, owner)
        self._search_for(channel, now)
        return channel

    def close(self, channel: Channel) -> None:
        """Close a channel and look for it no longer."""
        self.rest(channel)

    def rest(self, channel: Channel) -> None:
        """Close a channel until :meth:`rouse`."""
        self.discovery.searcher.discard(channel.cid)
        for monitor in list(channel.monitors):
            self.cancel(monitor)
        error = CaprotoNetworkError(f"{channel.name}: the channel was closed")
        for waiting in (channel.connects, channel.finds):
            self.fail(waiting, error)
            waiting.clear()
        # Answers about this CID may still be on their way, so it is not used again.
        self.channels.pop(channel.cid, None)
        link, native = channel.link, channel.native
        if link is not None:
            self.fail(link.take_channel(channel), error)
            link.channels.pop(channel.cid, None)
            if not link.up:
                link.circuit.channels.pop(channel.cid, None)  # the server does not know of it
            elif native is not None and channel.state in (UP, SILENT):
                link.send(ClearChannelRequest(native._sid(), channel.cid))
            self.leave(link)
        channel.link = channel.native = None
        channel.state, channel.rights = IDLE, AccessRights.NO_ACCESS

    def rouse(self, channel: Channel, now: float) -> None:
        """Look for a channel again that rests."""
        if channel.state == IDLE:
            channel.state = SEARCHING
            channel.cid = self._cids()
            self.channels[channel.cid] = channel
            self._search_for(channel, now)

    def _search_for(self, channel: Channel, when: float) -> None:
        self.discovery.searcher.add(channel.cid, channel.name, when)
        self.soon(when)

    def soon(self, when: float) -> None:
        if when < self.next_time:
            self.next_time = when

    def leave(self, link: Link, *, late: bool = False) -> None:
        """Close a circuit that has no channel any more, once the server has confirmed that, or it is too late.

        Before, what was written last may not have arrived, and a CREATE_CHAN may be without answer (section 11.3).
        """
        if link.channels or link.name_server or link.closed:
            return
        let_go = (link.silent or not link.circuit.channels) and not link.wants_write
        if not let_go and link.up and link.idle is None:
            self.soon(link.last_heard)  # from then on it is waited for
        if let_go or late or not link.up:
            self._end(link, CaprotoNetworkError(f"{link.where}: closed, because no channel is left"))

    def _end(self, link: Link, error: CaprotoError) -> None:
        """Forget a circuit, and what is waited for there."""
        link.closed = True
        self.closing.append(link)
        self.writable.pop(link, None)
        self.links.pop((link.address, link.priority), None)
        self.discovery.lost(link.address)
        self.fail(link.take_all(), error)

    def when_connected(self, channel: Channel, on_done: Callable[[Request], object] | None = None) -> Request:
        """Return a request that is done when the channel is connected, or was refused by its server."""
        return self._when(channel, "connection", channel.connects, channel.connected, on_done)

    def when_found(self, channel: Channel, on_done: Callable[[Request], object] | None = None) -> Request:
        """Return a request that is done when some server has said that it has the PV."""
        found = channel.state not in (SEARCHING, IDLE)
        return self._when(channel, "answer to a search", channel.finds, found, on_done)

    def _when(
        self, channel: Channel, what: str, waiting: list[Request], so: bool, on_done: Callable[[Request], object] | None
    ) -> Request:
        request = Request(channel, what, on_done=on_done)
        if so:
            request.response = True
            self._tell(request)
        else:
            waiting.append(request)
        return request

    # Requests

    def read(
        self,
        channel: Channel,
        data_type: int,
        data_count: int,
        *,
        notify: bool = True,
        on_done: Callable[[Request], object] | None = None,
    ) -> Request:
        """Send a read; raises CaprotoNetworkError unless the channel is connected."""
        link, native = channel.require()
        request = Request(channel, "read", native.read(data_type, data_count, notify=notify), on_done)
        return self._ask(link, request, link.requests)

    def write(
        self,
        channel: Channel,
        data: Any,
        data_type: int,
        *,
        notify: bool,
        metadata: Any = None,
        data_count: int | None = None,
        on_done: Callable[[Request], object] | None = None,
    ) -> Request:
        """Send a write; one without notification is done only if it failed, see :meth:`barrier`."""
        link, _ = channel.require()
        command = channel.compose_write(data, data_type, data_count, notify=notify, metadata=metadata)
        request = Request(channel, "write", command, on_done)
        if notify:
            return self._ask(link, request, link.requests)
        self._ask(link, request, link.writes)
        # Most will never be heard of: remember the last ones, and of those not what was written.
        request.command = None
        if len(link.writes) > REMEMBERED_WRITES:
            del link.writes[next(iter(link.writes))]
        return request

    def barrier(self, channel: Channel, now: float, on_done: Callable[[Request], object] | None = None) -> Request:
        """Send an ECHO; when it is answered the server has dealt with everything before it."""
        link, _ = channel.require()
        request = Request(channel, "sign of life", on_done=on_done)
        link.ask(now, request)
        self.soon(link.check(now))
        return request

    def _ask(self, link: Link, request: Request, waiting: dict[int, Request]) -> Request:
        command: Any = request.command
        link.send(command)
        request.ioid = command.ioid
        waiting[command.ioid] = request
        return request

    def expect(self, request: Request, timeout: float, now: float) -> None:
        """Let a request fail after `timeout` seconds, for an asker who does not wait for it."""
        request.timeout = timeout
        deadline = now + timeout
        if len(self._deadlines) >= self._too_many_deadlines:
            self._deadlines = [entry for entry in self._deadlines if not entry[2].done]
            heapq.heapify(self._deadlines)
            self._too_many_deadlines = max(1024, 2 * len(self._deadlines))
        heapq.heappush(self._deadlines, (deadline, next(self._numbers), request))
        self.soon(deadline)

    def give_up(self, request: Request, timeout: float) -> CaprotoTimeoutError:
        """Forget a request.  Returns what to tell who asked."""
        channel = request.channel
        error = request.timed_out(timeout)
        request.error = request.error or error
        for waiting in (channel.connects, channel.finds):
            if request in waiting:
                waiting.remove(request)
        if channel.link is not None and request.ioid is not None:
            for answers in (channel.link.requests, channel.link.writes):
                if answers.get(request.ioid) is request:
                    del answers[request.ioid]
        return error

    def _tell(self, request: Request) -> None:
        if request.on_done is not None:
            self.finished.append(request)

    def finish(self, request: Request, response: Any) -> None:
        if not request.done:
            request.response = response
            self._tell(request)

    def fail(self, requests: list[Request], error: CaprotoError) -> None:
        for request in requests:
            if not request.done:
                request.error = error
                self._tell(request)

    def abandon(self, error: CaprotoError) -> None:
        """Let everything that waits for something fail: nobody will move bytes for this engine any more."""
        for link in self.links.values():
            self.fail(link.take_all(), error)
        for channel in self.channels.values():
            for waiting in (channel.connects, channel.finds):
                self.fail(waiting, error)
                waiting.clear()

    # Subscriptions

    def subscribe(self, channel: Channel, monitor: Monitor) -> None:
        """Subscribe now if connected, and whenever the channel comes back."""
        monitor.channel = channel
        channel.monitors.append(monitor)
        if channel.connected:
            self.start(monitor)

    def cancel(self, monitor: Monitor) -> None:
        """End a subscription; what it has received so far stays in its sink."""
        channel = monitor.channel
        if channel is None:
            return
        monitor.channel = None
        channel.monitors.remove(monitor)
        self._stop(channel, monitor)
        if channel.link is not None and channel.link.events_off:
            self.relieve(channel.link)  # perhaps it was this one that was slow

    def reshape(self, monitor: Monitor, *, columns: bool) -> None:
        """Deliver updates as columns, or whole, from now on."""
        monitor.columns = columns
        sink = monitor.new_sink(monitor.sink.data_type)
        if monitor.request is not None and monitor.channel is not None and monitor.channel.link is not None:
            monitor.channel.link.sinks[monitor.request.subscriptionid] = sink

    def start(self, monitor: Monitor) -> None:
        channel = monitor.channel
        assert channel is not None
        link, native = channel.require()
        try:
            request = monitor.request = monitor.compose(native)
        except CaprotoError as error:
            self.refused(monitor, error)
            return
        if monitor.sink.data_type != request.data_type:
            monitor.new_sink(request.data_type)
        link.monitors[request.subscriptionid] = monitor
        link.sinks[request.subscriptionid] = monitor.sink
        link.limited = link.limited or monitor.keep < CHUNK_UPDATES
        link.send(request)

    def _stop(self, channel: Channel, monitor: Monitor) -> None:
        link, native, request = channel.link, channel.native, monitor.request
        if link is not None:
            link.stop(monitor)
            if native is not None and request is not None and channel.state in (UP, SILENT):
                link.send(EventCancelRequest(request.data_type, native._sid(), request.subscriptionid))
        monitor.request = None

    def refused(self, monitor: Monitor, error: CaprotoError) -> None:
        monitor.request = None
        monitor.owner.failed(error)

    def relieve(self, link: Link) -> None:
        """Ask a server for updates again when those that waited here were taken."""
        link.behind()
        if link.events_off and not link.closed and not (link.monitors and link.all_filled(1 / 8)):
            link.events_off = False
            link.send(EventsOnRequest())

    def _bound(self, link: Link) -> None:
        """Drop what is too much, the oldest first, and slow down a server whose updates nobody takes."""
        filling = False
        for sink in link.waiting:
            monitor = sink.monitor
            if len(sink) > monitor.keep:
                monitor.dropped += sink.trim(monitor.keep)
            filling = filling or 2 * len(sink) > monitor.keep > 1
        # That holds back every subscription of the circuit: for one that is slow the others would pay.
        if filling and not link.events_off and link.all_filled(1 / 2):
            link.events_off = True
            link.send(EventsOffRequest())

    # Time

    def tick(self, now: float) -> None:
        """Do what is due."""
        while self._deadlines and self._deadlines[0][0] <= now:
            request = heapq.heappop(self._deadlines)[2]
            if not request.done and request.timeout is not None:
                self.give_up(request, request.timeout)
                self._tell(request)
        times = [self.discovery.tick(now)]
        if self._deadlines:
            times.append(self._deadlines[0][0])
        times += [link.check(now) for link in list(self.links.values())]
        self.next_time = min(times)

    # Searching

    def asked(self) -> str:
        """Return where names are searched, as text."""
        return self.discovery.asked()

    def datagram_received(self, data: Any, sender: Address, now: float) -> None:
        """Handle a datagram."""
        self.discovery.received(data, sender, now)
        self.soon(self.discovery.searcher.next_time)

    def datagram_sent(self, destination: Address, error: OSError | None) -> None:
        """Note whether a datagram could be sent."""
        self.discovery.sent(destination, error)

    def found(self, cid: int, address: Address, sequence: int | None, now: float) -> None:
        """A server has a PV."""
        searcher = self.discovery.searcher
        channel = self.channels.get(cid)
        if channel is None:
            return
        if cid not in searcher:
            if channel.link is not None and channel.link.address != address and not channel.warned:
                channel.warned = True
                logger.warning("%s: offered by %s:%d, too; staying with %s", channel.name, *address, channel.where)
            return
        searcher.answered(cid, sequence, now)
        link = self.link_to(address, channel.priority, now)
        channel.link = link
        channel.state = CREATING if link.up else CONNECTING
        channel.native = ClientChannel(channel.name, link.circuit, cid)
        link.channels[cid] = channel
        link.idle = None
        if link.up:
            link.send(channel.native.create())
        self.finish_all(channel.finds)

    def finish_all(self, waiting: list[Request]) -> None:
        for request in waiting:
            self.finish(request, True)
        waiting.clear()

    def link_to(self, address: Address, priority: int, now: float) -> Link:
        """Return the connection to a server, made or in the making."""
        key = (address, priority)
        link = self.links.get(key)
        if link is None:
            link = self.links[key] = Link(self, address, priority, now)
            self.opening.append(link)
        return link

    # Connections

    def link_connected(self, link: Link, our_address: Address, now: float) -> None:
        """A connection is established."""
        link.up = True
        link.circuit.our_address = our_address
        link.last_heard = now
        link.since = now
        self.writable[link] = None
        natives = []
        for channel in link.channels.values():
            channel.state = CREATING
            assert channel.native is not None
            natives.append(channel.native.create())
        link.send(*natives)
        self.discovery.connected(link, now)
        self.soon(min(link.check(now), self.discovery.searcher.next_time))

    def beacon(self, address: Address, *, healthy: bool, now: float) -> None:
        """A server was heard; if not `healthy`, something has happened to it or on the way."""
        for link in self.links.values():
            if link.address == address and link.up:
                if not healthy:
                    link.trusts_beacons = False
                elif link.trusts_beacons and link.probed is None:
                    link.last_heard = now

    def link_lost(self, link: Link, error: OSError | CaprotoError, now: float) -> None:
        """A connection is gone, or could not be made; its channels are searched again."""
        if link.closed:
            return
        if not isinstance(error, CaprotoError):
            doing = "" if link.up else "cannot connect: "
            text = f"{link.where}: {doing}{error.strerror or error}"
            error = CaprotoNetworkError(error.errno, text) if error.errno else CaprotoNetworkError(text)
        self._end(link, error)
        lasted = link.since is not None and now - link.since >= GOOD_CONNECTION
        for channel in list(link.channels.values()):
            # A server that is found but cannot be used is not asked ten times a second.
            channel.setbacks = 0 if lasted else channel.setbacks + 1
            worst = LONGEST_DELAY if link.since is None else LONGEST_RECONNECT_DELAY
            self.down(channel, error, now + min(SEARCH_DELAY * 2**channel.setbacks, worst))
        link.channels.clear()
        link.circuit.disconnect()
        self.soon(now + SEARCH_DELAY)
        if link.name_server:
            self.soon(now)
        logger.debug("%s", error)

    def down(self, channel: Channel, error: CaprotoError, when: float) -> None:
        """A channel has no server any more."""
        was_up = channel.state == UP
        for monitor in channel.monitors:
            if channel.link is not None:
                channel.link.stop(monitor)
        channel.state, channel.problem = SEARCHING, error
        channel.link = channel.native = None
        channel.rights = AccessRights.NO_ACCESS
        self._search_for(channel, when)
        if was_up:
            self.changes.append((channel, "disconnected"))

    def link_silent(self, link: Link, now: float) -> None:
        """A server does not answer: its requests fail, but the connection stays (section 8.4)."""
        link.silent = True
        text = f"{link.where}: silent for {now - link.last_heard:.0f} s, and no answer to an ECHO"
        error = CaprotoTimeoutError(text)
        self.fail(link.take_all(), error)
        for channel in link.channels.values():
            channel.problem = error
            if channel.state == UP:
                channel.state = SILENT
                self.changes.append((channel, "disconnected"))
        logger.warning("%s", text)
        self.leave(link)

    def revived(self, link: Link) -> None:
        """A server answers again that was silent; subscriptions are renewed so that the newest values arrive."""
        link.silent = False
        for channel in link.channels.values():
            if channel.state != SILENT:
                continue
            channel.state, channel.problem = UP, None
            for monitor in list(channel.monitors):
                self._stop(channel, monitor)
                self.start(monitor)
            self.finish_all(channel.connects)
            self.changes.append((channel, "connected"))

    def link_received(self, link: Link, nbytes: int, now: float) -> None:
        """Handle the `nbytes` bytes that the skin has put into ``link.circuit.get_buffer()``."""
        try:
            commands = link.circuit.buffer_updated(nbytes)
        except RemoteProtocolError as error:
            self.link_lost(link, error, now)
            return
        link.last_heard = now
        link.trusts_beacons = True
        touched = link.circuit.take_touched()
        behind = link.behind()
        link.backlog = link.backlog + nbytes if behind else nbytes
        if touched:
            self.touched += touched
            link.waiting.update(dict.fromkeys(touched))
        # Where nobody is behind there is nothing to count: one chunk is less than a queue keeps.
        if behind or link.limited:
            self._bound(link)
        if commands:
            self._commands(link, commands, now)

    def _commands(self, link: Link, commands: Any, now: float) -> None:
        process = link.circuit.process_command
        for command in commands:
            if command is DISCONNECTED:
                self.link_lost(link, CaprotoNetworkError(f"{link.where}: the server closed the connection"), now)
                return
            handler = HANDLERS.get(command.__class__)
            try:
                process(command)
                if handler is not None:
                    handler(self, link, command, now)
            except CaprotoError as error:
                spoiled(self, link, command, error, now)
            if link.closed:
                return
