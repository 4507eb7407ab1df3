"""A network and a clock that exist only in memory: clients and servers that talk as fast as Python runs.

Nothing here sleeps or opens a socket.  :class:`World` owns the time and everything that is on its way; each
:class:`Client` drives one :class:`ClientEngine` as a skin would; each :class:`Server` answers with the package's own
server-side state machines, which complain about everything that is illegal.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import caproto as ca
from caproto import SERVER, ChannelType
from caproto._wire import codec
from caproto.client import Channel, ClientEngine, Link, Monitor, Request
from caproto.client._search import DATAGRAM_BYTES

Address = tuple[str, int]

BROADCAST = ("255.255.255.255", 5064)
REPEATER = ("127.0.0.1", 5065)
RESET = OSError(errno.ECONNRESET, "Connection reset by peer")
FOREVER = float("inf")
#: Steps at one instant; more mean that somebody turns in circles.
MOST_STEPS = 200_000


@dataclass
class Pv:
    """A PV of a server.

    `refused` has CREATE_CHAN fail, `denied` maps command classes to what they are answered with: status and text.
    """

    value: Any = 0.0
    data_type: ChannelType = ChannelType.DOUBLE
    count: int = 1
    stamp: int = 1
    severity: int = 0
    rights: int = 3
    refused: bool = False
    denied: dict[type, tuple[str, str]] = field(default_factory=dict)

    @property
    def state(self) -> tuple[tuple[Any, ...], int, int]:
        """Value, time stamp and severity."""
        return tuple(self.elements), self.stamp, self.severity

    @property
    def elements(self) -> list[Any]:
        return list(self.value) if isinstance(self.value, (list, tuple)) else [self.value]


class Session:
    """One circuit as its server sees it."""

    def __init__(self, server: Server, pipe: Pipe) -> None:
        self.server, self.pipe = server, pipe
        self.circuit = ca.VirtualCircuit(SERVER, ("10.0.0.1", 40000), None)
        self.events_off = False
        self.held: dict[int, Pv] = {}
        self.saw: list[Any] = []
        self.subscriptions: dict[int, tuple[Any, Any, Pv]] = {}
        self.send(ca.VersionResponse(13))

    def send(self, *commands: Any) -> None:
        for command in commands:
            self.pipe.to_client += b"".join(bytes(part) for part in self.circuit.send(command))
            self.pipe.edges.append(len(self.pipe.to_client) + self.pipe.delivered)

    def received(self, data: bytes) -> None:
        commands, _ = self.circuit.recv(data)
        for command in commands:
            self.circuit.process_command(command)
            self.saw.append(command)
            handler = _ANSWERS.get(type(command))
            if handler is not None and type(command) not in self.server.ignored:
                handler(self, command)

    def names(self) -> list[str]:
        """What came, by name, without the greeting."""
        return [type(command).__name__ for command in self.saw[3:]]

    def publish(self, pv: Pv) -> None:
        for number, (_, _, its) in list(self.subscriptions.items()):
            if its is pv:
                if self.events_off:
                    self.held[number] = pv
                else:
                    self.update(number)

    def update(self, number: int) -> None:
        channel, request, pv = self.subscriptions[number]
        self.send(channel.subscribe(pv.elements, number, request.data_type, metadata=_metadata(request, pv)))

    # Answers

    def _search(self, command: Any) -> None:
        if self.server.has(command.name):
            self.send(ca.SearchResponse(self.server.address[1], None, command.cid, None))

    def _create(self, command: Any) -> None:
        channel: Any = self.circuit.channels[command.cid]
        pv = self.server.pvs.get(command.name)
        if pv is None or pv.refused:
            self.send(channel.create_fail())
        elif self._denies(pv, command, command.cid):
            del self.circuit.channels[command.cid]
        elif pv.data_type > 6:
            self.pipe.to_client += bytes(ca.CreateChanResponse(pv.data_type, pv.count, command.cid, 1))
        else:
            sid = next(self.server.sids)
            self.send(channel.rights(pv.rights), channel.create(pv.data_type, pv.count, sid))

    def _denies(self, pv: Pv, command: Any, cid: int) -> bool:
        if type(command) not in pv.denied:
            return False
        status, text = pv.denied[type(command)]
        self.send(ca.ErrorResponse(command, cid, ca.CAStatus[status], text))
        return True

    def _pv(self, command: Any) -> tuple[Any, Pv]:
        channel = self.circuit.channels_sid[command.sid]
        return channel, self.server.pvs[channel.name]

    def _read(self, command: Any) -> None:
        channel, pv = self._pv(command)
        if not self.server.deaf and not self._denies(pv, command, channel.cid):
            metadata = _metadata(command, pv)
            self.send(channel.read(pv.elements, command.ioid, command.data_type, metadata=metadata))

    def _write(self, command: Any) -> None:
        channel, pv = self._pv(command)
        if self.server.deaf or self._denies(pv, command, channel.cid):
            return
        value = command.data.tolist()
        self.server.put(channel.name, value if pv.count > 1 else value[0])
        if isinstance(command, ca.WriteNotifyRequest):
            self.send(channel.write(command.ioid, command.data_type, command.data_count))

    def _subscribe(self, command: Any) -> None:
        channel, pv = self._pv(command)
        if not self._denies(pv, command, channel.cid):
            self.subscriptions[command.subscriptionid] = channel, command, pv
            self.update(command.subscriptionid)

    def _cancel(self, command: Any) -> None:
        channel, _ = self._pv(command)
        self.subscriptions.pop(command.subscriptionid, None)
        self.held.pop(command.subscriptionid, None)
        self.send(channel.unsubscribe(command.subscriptionid))

    def _clear(self, command: Any) -> None:
        channel: Any = self.circuit.channels_sid[command.sid]
        for number in [n for n, (its, _, _) in self.subscriptions.items() if its is channel]:
            del self.subscriptions[number]
            self.held.pop(number, None)
        self.send(channel.clear())

    def _echo(self, command: Any) -> None:
        self.send(ca.EchoResponse())

    def _off(self, command: Any) -> None:
        self.events_off = True

    def _on(self, command: Any) -> None:
        self.events_off = False
        held, self.held = self.held, {}
        for number in held:
            self.update(number)


_ANSWERS: dict[type, Callable[[Session, Any], None]] = {
    ca.SearchRequest: Session._search,
    ca.CreateChanRequest: Session._create,
    ca.ReadNotifyRequest: Session._read,
    ca.WriteRequest: Session._write,
    ca.WriteNotifyRequest: Session._write,
    ca.EventAddRequest: Session._subscribe,
    ca.EventCancelRequest: Session._cancel,
    ca.ClearChannelRequest: Session._clear,
    ca.EchoRequest: Session._echo,
    ca.EventsOffRequest: Session._off,
    ca.EventsOnRequest: Session._on,
}


def _metadata(request: Any, pv: Pv) -> tuple[int, ...] | None:
    return (0, pv.severity, pv.stamp, 0) if 14 <= request.data_type <= 20 else None


class Server:
    """A server: its PVs, and how it behaves.

    `deaf` takes requests without answering; `ignored` are commands that it does nothing about; `frozen` reads nothing;
    `mute` does not answer searches by UDP.
    """

    def __init__(self, world: World, address: Address, pvs: dict[str, Pv] | None = None) -> None:
        self.world, self.address = world, address
        self.pvs = {} if pvs is None else pvs
        self.names: set[str] = set()
        self.ignored: set[type] = set()
        self.sids = itertools.count(100)
        self.sessions: list[Session] = []
        self.up, self.mute, self.deaf, self.frozen, self.refuses = True, False, False, False, False
        self.searched: list[tuple[float, str]] = []
        self._beacon_ids = itertools.count()
        world.servers[address] = self

    def has(self, name: str) -> bool:
        """Whether a search for it is answered; `names` are those known by a name server."""
        return name in self.pvs or name in self.names

    @property
    def session(self) -> Session:
        """The only circuit."""
        (session,) = self.sessions
        return session

    def put(self, name: str, value: Any, severity: int | None = None) -> None:
        pv = self.pvs[name]
        pv.value, pv.stamp = value, pv.stamp + 1
        pv.severity = pv.severity if severity is None else severity
        for session in self.sessions:
            session.publish(pv)

    def datagram(self, data: bytes, source: Address) -> None:
        if not self.up or self.frozen:
            return
        replies: list[Any] = []
        broadcaster, sequence = ca.Broadcaster(SERVER), 0
        for command in broadcaster.recv(data, source):
            if isinstance(command, ca.VersionRequest):
                sequence = command.sequence
            elif isinstance(command, ca.SearchRequest):
                self.searched.append((self.world.now, command.name))
                if self.has(command.name) and not self.mute:
                    replies.append(ca.SearchResponse(self.address[1], None, command.cid, 13))
        while replies:
            batch, replies = replies[: DATAGRAM_BYTES // 24 - 1], replies[DATAGRAM_BYTES // 24 - 1 :]
            answer = broadcaster.send(ca.VersionResponse(13, sequence=sequence), *batch)
            self.world.transmit(answer, self.address, source)

    def beacon(self, number: int | None = None) -> None:
        """Send one to all clients, as a repeater would."""
        number = next(self._beacon_ids) if number is None else number
        data = ca.Broadcaster(SERVER).send(ca.Beacon(13, self.address[1], number, self.address[0]))
        for client in self.world.clients:
            client.engine.datagram_received(data, REPEATER, self.world.now)

    def kill(self) -> None:
        """Drop all circuits and answer nobody."""
        self.up = False
        for session in list(self.sessions):
            session.pipe.cut()

    def thaw(self) -> None:
        self.frozen = False

    def restart(self) -> None:
        self.up = True


class Pipe:
    """A connection, with what is on its way; `chunk` bytes arrive at a time, and after `budget` it is cut."""

    def __init__(self, client: Client, link: Link, server: Server) -> None:
        self.client, self.link, self.server = client, link, server
        self.to_client, self.to_server = bytearray(), bytearray()
        self.delivered = 0
        self.edges: list[int] = []
        self.chunk, self.budget = client.world.chunk, client.world.budget
        self.open = True
        self.session = Session(server, self)
        server.sessions.append(self.session)

    def close(self) -> None:
        """One end is closed: the server sees that, and what was sent before."""
        if self.open:
            if self.to_server and not self.server.frozen:
                self.session.received(bytes(self.to_server))
            self.open = False
            self.server.sessions.remove(self.session)

    def cut(self) -> None:
        """The connection breaks, for both."""
        if self.open:
            self.open = False
            self.server.sessions.remove(self.session)
            if not self.link.closed:
                self.client.engine.link_lost(self.link, RESET, self.client.world.now)

    def step(self) -> bool:
        """Deliver something; False if there was nothing."""
        if self.open and self.to_server and not self.server.frozen:
            data, self.to_server = bytes(self.to_server), bytearray()
            self.session.received(data)
            return True
        if not self.open or not self.to_client or self.link.closed:
            return False
        engine, now = self.client.engine, self.client.world.now
        buffer = self.link.circuit.get_buffer()
        number = min(len(buffer), len(self.to_client), self.chunk)
        if self.budget is not None:
            number = min(number, self.budget - self.delivered)
        if number:
            buffer[:number] = self.to_client[:number]
            del self.to_client[:number]
            self.delivered += number
            engine.link_received(self.link, number, now)
        if self.delivered == self.budget:
            self.cut()
        return True


class Subscriber:
    """Whoever owns a subscription: takes its updates, unless it is `slow`."""

    def __init__(self, client: Client, **options: Any) -> None:
        options.setdefault("data_type", "time")
        self.client = client
        self.monitor = Monitor(self, **options)
        self.slow = False
        self.sinks: list[Any] = []
        self.seen: list[tuple[tuple[Any, ...], int, int]] = []
        self.errors: list[str] = []

    def failed(self, error: ca.CaprotoError) -> None:
        self.errors.append(str(error))

    def take(self) -> None:
        """Look at what has come."""
        sinks, self.sinks = self.sinks, []
        for sink in sinks:
            taken = sink.take()
            if isinstance(sink, codec.Columns):
                for columns in taken:
                    self.seen += _rows(columns)
            else:
                self.seen += [
                    (tuple(_list(update.data)), update.metadata.secondsSinceEpoch, int(update.metadata.severity))
                    for update in taken
                ]
        link = None if self.monitor.channel is None else self.monitor.channel.link
        if link is not None and link.events_off:
            self.client.engine.relieve(link)

    @property
    def values(self) -> list[Any]:
        """First elements of what was seen."""
        return [value[0] for value, _, _ in self.seen]


def _list(values: Any) -> list[Any]:
    return list(values.tolist())


def _rows(columns: Any) -> list[tuple[tuple[Any, ...], int, int]]:
    count, values, stamps, severity, _ = columns
    flat = _list(values.reshape(-1) if hasattr(values, "reshape") else values)
    return [
        (tuple(flat[i * count : (i + 1) * count]), int(stamps[i]) // 10**9 - int(ca.EPICS2UNIX_EPOCH), int(severity[i]))
        for i in range(len(severity))
    ]


class Client:
    """Drives an engine as a skin does."""

    def __init__(self, world: World, **settings: Any) -> None:
        self.world = world
        self.address = (f"10.0.0.{len(world.clients) + 1}", 34567)
        options: dict[str, Any] = {
            "destinations": [BROADCAST], "host_name": "host", "client_name": "user", "server_port": 5064,
            "repeater": None, "conn_tmo": 30.0, "max_search_period": 300.0,
        }  # fmt: skip
        self.engine = ClientEngine(**{**options, **settings}, now=world.now)
        self.datagrams: list[tuple[float, bytes, Address]] = []
        self.changes: list[tuple[str, str]] = []
        self.finished: list[Request] = []
        self.pipes: list[Pipe] = []
        self.connects = 0
        world.clients.append(self)

    def open(self, name: str, **options: Any) -> Channel:
        return self.engine.open(name, self.world.now, **options)

    def connected(self, name: str) -> Channel:
        """A channel that is up."""
        channel = self.open(name)
        self.world.run(1.0)
        assert channel.connected, channel.waiting_for()
        return channel

    def subscribe(self, channel: Channel, **options: Any) -> Subscriber:
        subscriber = Subscriber(self, **options)
        self.engine.subscribe(channel, subscriber.monitor)
        return subscriber

    def read(self, channel: Channel) -> Request:
        return self.engine.read(channel, ChannelType.TIME_DOUBLE, 0)

    def flush(self) -> bool:
        """Do what the engine asks for; False if it asked for nothing."""
        engine, busy = self.engine, False
        while engine.opening or engine.datagrams or engine.writable or engine.closing:
            busy = True
            opening, engine.opening = engine.opening, []
            for link in opening:
                self._connect(link)
            datagrams, engine.datagrams = engine.datagrams, []
            for data, destination in datagrams:
                self.datagrams.append((self.world.now, data, destination))
                self.world.transmit(data, self.address, destination)
                engine.datagram_sent(destination, None)
            writable, engine.writable = engine.writable, {}
            for link in writable:
                self._write(link)
            closing, engine.closing = engine.closing, []
            for link in closing:
                if link.handle is not None:
                    link.handle.close()
                    self.pipes.remove(link.handle)
                    link.handle = None
        self._tell()
        return busy

    def _connect(self, link: Link) -> None:
        self.connects += 1
        server = self.world.servers.get(link.address)
        if self.world.slow_connect:
            self.world.unconnected.append((self, link))
        elif server is None or not server.up or server.refuses:
            self.engine.link_lost(link, OSError(errno.ECONNREFUSED, "Connection refused"), self.world.now)
        elif not link.closed:
            link.handle = Pipe(self, link, server)
            self.pipes.append(link.handle)
            self.engine.link_connected(link, self.address, self.world.now)

    def _write(self, link: Link) -> None:
        while link.wants_write and not link.closed:
            room = self.world.room if link.handle.server.frozen else FOREVER
            data = b"".join(link.next_buffers())[: None if room == FOREVER else max(0, int(room))]
            if not data:
                return
            self.world.room -= len(data) if room != FOREVER else 0
            link.handle.to_server += data
            link.sent(len(data), self.world.now)

    def _tell(self) -> None:
        engine = self.engine
        self.changes += [(channel.name, what) for channel, what in engine.changes]
        self.finished += engine.finished
        touched = engine.touched
        engine.changes, engine.finished, engine.touched = [], [], []
        for sink in touched:
            sink.monitor.owner.sinks.append(sink)
        for owner in {sink.monitor.owner for sink in touched}:
            if not owner.slow:
                owner.take()

    @property
    def sizes(self) -> dict[str, int]:
        """How much the engine, its circuits and its searches hold."""
        engine, searcher = self.engine, self.engine.discovery.searcher
        found = {"channels": len(engine.channels), "links": len(engine.links), "pipes": len(self.pipes)}
        found["searched"] = len(searcher)
        found["deadlines"] = len(engine._deadlines)
        found["beacons"] = len(engine.discovery.last_beacon) + len(engine.discovery._beacons._seen)
        for link in engine.links.values():
            for name in ("channels", "requests", "writes", "echoes", "monitors", "sinks", "waiting", "_out"):
                found[f"link.{name}"] = found.get(f"link.{name}", 0) + len(getattr(link, name))
            found["link.waiting"] = sum(sink.waiting for sink in link.waiting)
            for name in ("channels", "channels_sid", "event_add_commands", "_cancelling", "_ioids"):
                found[f"circuit.{name}"] = found.get(f"circuit.{name}", 0) + len(getattr(link.circuit, name))
        return found


class World:
    """The time, the network between clients and servers, and its weather.

    `loss` and `doubling` are the parts of datagrams that are lost and that come twice; each takes a random time between
    the two of `delay`, so that they overtake each other.  `chunk` and `budget` are for connections made from now on,
    see :class:`Pipe`; `slow_connect` lets them wait for :meth:`connect`.  `room` is what a frozen server's connection
    still takes in bytes.
    """

    def __init__(self, seed: int = 1) -> None:
        self.now = 1000.0
        self.random = random.Random(seed)
        self.loss, self.doubling = 0.0, 0.0
        self.delay = (0.001, 0.001)
        self.chunk = 65536
        self.budget: int | None = None
        self.slow_connect = False
        self.room: float = FOREVER
        self.unconnected: list[tuple[Client, Link]] = []
        self.servers: dict[Address, Server] = {}
        self.clients: list[Client] = []
        self.lost = 0
        self._flying: list[tuple[float, int, bytes, Address, Address]] = []
        self._numbers = itertools.count()

    def server(self, *names: str, address: Address = ("10.0.1.1", 5064)) -> Server:
        return Server(self, address, {name: Pv(float(i)) for i, name in enumerate(names)})

    def client(self, **settings: Any) -> Client:
        return Client(self, **settings)

    def transmit(self, data: bytes, source: Address, destination: Address) -> None:
        """Send a datagram; it may not arrive, or twice, or late."""
        for _ in range(2 if self.random.random() < self.doubling else 1):
            if self.random.random() < self.loss:
                self.lost += 1
                continue
            arrival = self.now + self.random.uniform(*self.delay)
            heapq.heappush(self._flying, (arrival, next(self._numbers), data, source, destination))

    def connect(self) -> None:
        """Let the connections come up that were waiting to."""
        self.slow_connect = False
        waiting, self.unconnected = self.unconnected, []
        for client, link in waiting:
            if not link.closed:
                client._connect(link)

    def settle(self) -> None:
        """Deliver everything that takes no time."""
        for _ in range(MOST_STEPS):
            busy = False
            for client in self.clients:
                busy = client.flush() or busy
                for pipe in list(client.pipes):
                    busy = pipe.step() or busy
            if not busy:
                return
        raise AssertionError("the client turns in circles")

    def run(self, seconds: float) -> None:
        """Let time pass, from one event to the next."""
        end = self.now + seconds
        steps = 0
        while True:
            self.settle()
            due = [client.engine.next_time for client in self.clients]
            due += [self._flying[0][0]] if self._flying else []
            soonest = min(due, default=FOREVER)
            if soonest > end:
                break
            steps = steps + 1 if soonest <= self.now else 0
            assert steps < 1000, f"the client wants to be called again and again at {self.now}"
            self.now = max(self.now, soonest)
            self._arrive()
            for client in self.clients:
                if self.now >= client.engine.next_time:
                    client.engine.tick(self.now)
        self.now = end

    def jump(self, seconds: float) -> None:
        """Let time pass while everybody sleeps, as on a computer that was suspended."""
        self.now += seconds
        self.run(0.0)

    def _arrive(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, data, source, destination = heapq.heappop(self._flying)
            for server in list(self.servers.values()):
                if destination in (BROADCAST, server.address):
                    server.datagram(data, source)
            for client in self.clients:
                if destination == client.address:
                    client.engine.datagram_received(data, source, self.now)


def searched_names(client: Client) -> list[tuple[float, list[str]]]:
    """When the client sent search datagrams by UDP, and for what."""
    found = []
    for when, data, destination in client.datagrams:
        if destination == REPEATER:
            continue
        commands = ca.Broadcaster(SERVER).recv(data, client.address)
        found.append((when, [command.name for command in commands if isinstance(command, ca.SearchRequest)]))
    return found
