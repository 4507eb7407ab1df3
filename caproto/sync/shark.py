"""Channel Access commands in a packet capture (pcap or pcapng).  Needs ``dpkt``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from socket import inet_ntoa
from types import SimpleNamespace
from typing import Any

from .._commands import Commands, Message, UnknownCommand, read_datagram, tables
from .._constants import EPICS_CA1_PORT, EPICS_CA2_PORT
from .._enums import CLIENT, SERVER, Sentinel
from .._environ import variable_port
from .._errors import CaprotoNotImplementedError, CaprotoRuntimeError, CaprotoValueError
from .._wire import codec

__all__ = ["shark"]

#: Longest payload believed; a longer one is taken for lost framing.
MAX_PAYLOAD = 1 << 28
#: What is held back per direction while a segment is missing.
MAX_HELD_SEGMENTS = 256
MAX_HELD_BYTES = 1 << 22
#: Conversations remembered; the oldest is forgotten first.
MAX_CONVERSATIONS = 4096
#: No window is larger, so a jump by more than this is a new stream.
MAX_JUMP = 1 << 30

_HIGHEST_COMMAND = 27
_SEARCH, _BEACON, _NOT_FOUND, _CONFIRM, _REGISTER = 6, 13, 14, 17, 24
#: Only one of the two sides sends these over TCP.
_TCP_ROLES = {2: CLIENT, 8: CLIENT, 9: CLIENT, 20: CLIENT, 21: CLIENT}
_TCP_ROLES |= {11: SERVER, 22: SERVER, 26: SERVER, 27: SERVER}
_SYN, _RST, _ACK = 0x02, 0x04, 0x10

Address = tuple[bytes, int]


class _Peeked:
    """A stream whose first bytes were looked at; it need not be seekable."""

    def __init__(self, file: Any, start: bytes) -> None:
        self._file, self._start = file, start
        self.name = getattr(file, "name", "<stream>")

    def read(self, size: int = -1) -> bytes:
        head = self._start if size < 0 else self._start[:size]
        self._start = self._start[len(head) :]
        if size < 0:
            return head + bytes(self._file.read())
        while len(head) < size:
            chunk = self._file.read(size - len(head))
            if not chunk:
                break
            head += chunk
        return head


def _import_dpkt() -> Any:
    try:
        import dpkt
        import dpkt.loopback
        import dpkt.pcapng
        import dpkt.sll
        import dpkt.sll2
    except ImportError as error:
        raise CaprotoRuntimeError(
            f"reading a packet capture needs the package dpkt ({error}); pip install caproto[complete] brings it"
        ) from error
    return dpkt


def _errors(dpkt: Any) -> tuple[type[Exception], ...]:
    """What dpkt raises when a packet or a capture is malformed."""
    return (dpkt.Error, struct.error, ValueError, TypeError, LookupError, AttributeError)


def _open(dpkt: Any, file: Any) -> Any:
    start = file.read(4)
    if isinstance(start, str):
        raise CaprotoValueError("a packet capture must be opened in binary mode")
    start += _Peeked(file, b"").read(4 - len(start))
    reader = dpkt.pcapng.Reader if start == b"\x0a\x0d\x0d\x0a" else dpkt.pcap.Reader
    try:
        return reader(_Peeked(file, start))
    except _errors(dpkt) as error:
        name = getattr(file, "name", "the stream")
        raise CaprotoValueError(f"{name} is neither pcap nor pcapng: {error}") from error


def _link_layer(dpkt: Any, datalink: int) -> Any:
    """Return the class of a frame; None if there is no link layer."""
    if datalink in (12, 14, 101, 228):
        return None
    classes = {
        0: dpkt.loopback.Loopback,
        1: dpkt.ethernet.Ethernet,
        108: dpkt.loopback.Loopback,
        113: dpkt.sll.SLL,
        276: dpkt.sll2.SLL2,
    }
    try:
        return classes[datalink]
    except KeyError:
        raise CaprotoNotImplementedError(
            f"link type {datalink} of the capture is not one of Ethernet, Linux cooked, raw IP, loopback"
        ) from None


def _packets(dpkt: Any, file: Any) -> Iterator[SimpleNamespace]:
    """The TCP and UDP packets of a capture; a capture that was cut off just ends."""
    reader, errors = _open(dpkt, file), _errors(dpkt)
    link = _link_layer(dpkt, reader.datalink())
    records = iter(reader)
    while True:
        try:
            record = next(records, None)
        except errors:
            return
        if record is None:
            return
        timestamp, data = record
        try:
            frame = None if link is None else link(data)
            ip = dpkt.ip.IP(data) if frame is None else frame.data
        except errors:
            continue
        if not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, (dpkt.tcp.TCP, dpkt.udp.UDP)):
            continue
        yield SimpleNamespace(
            timestamp=float(timestamp),
            src=inet_ntoa(ip.src),
            dst=inet_ntoa(ip.dst),
            transport=ip.data,
            ethernet=frame if link is dpkt.ethernet.Ethernet else None,
            ip=ip,
        )


def _plausible(data: bytes, role: Sentinel) -> bool:
    """Whether a message of `role` may start here, as far as there are bytes to tell."""
    if len(data) < 2:
        return data[:1] in (b"", b"\0")
    if int.from_bytes(data[:2], "big") not in Commands[role]:
        return False
    if len(data) < 16:
        return True
    size = int.from_bytes(data[2:4], "big")
    return any(data[:16]) and (size == 0xFFFF or size % 8 == 0)


def _tcp_role(data: bytes) -> Sentinel | None:
    """Guess who sent a segment from the messages that it starts with."""
    pos = 0
    while len(data) - pos >= 16:
        command, size = struct.unpack_from(">HH", data, pos)
        if command > _HIGHEST_COMMAND or not (size == 0xFFFF or size % 8 == 0):
            return None
        role = _TCP_ROLES.get(command)
        if role is None and command in (18, 19):  # names and values go to the server
            role = CLIENT if size else SERVER
        elif role is None and command == 15:
            role = SERVER if size else CLIENT
        elif role is None and command == 1:
            role = CLIENT if size == 16 and not any(data[pos + 16 : pos + 28]) else SERVER
        if role is not None:
            return role if command in Commands[role] else None
        if size == 0xFFFF:
            return None
        pos += 16 + size
    return None


def _udp_role(data: bytes) -> Sentinel | None:
    """Guess who sent a datagram from the first message that only one side sends."""
    pos = 0
    while len(data) - pos >= 16:
        command, size, _, _, first, second = struct.unpack_from(">HHHHII", data, pos)
        if command == _SEARCH:
            return CLIENT if first == second and size > 8 else SERVER
        if command == _REGISTER:
            return CLIENT
        if command in (_BEACON, _NOT_FOUND, _CONFIRM):
            return SERVER
        if command or size % 8:
            return None
        pos += 16 + size
    return None


class _Ports:
    """The ports at which servers and repeaters listen."""

    def __init__(self) -> None:
        self.repeater = {EPICS_CA2_PORT, variable_port("EPICS_CA_REPEATER_PORT")}
        self.known = {EPICS_CA1_PORT, variable_port("EPICS_CA_SERVER_PORT")} | self.repeater

    def sender(self, source: int, destination: int) -> Sentinel | None:
        """The role of the sender; None if the ports do not tell."""
        known = source in self.known, destination in self.known
        if source == destination or not any(known):
            return None
        if all(known):
            return SERVER if source < destination else CLIENT
        return SERVER if known[0] else CLIENT


def _datagram(packet: SimpleNamespace, ports: _Ports) -> list[Message]:
    udp = packet.transport
    data = bytes(udp.data)
    guess, role = _udp_role(data), ports.sender(udp.sport, udp.dport)
    if guess is not None and (role is None or udp.dport in ports.repeater):
        # Servers send beacons to the repeater from any port, clients register there.
        commands = read_datagram(data, (packet.src, udp.sport), guess)
        whole = sum(len(command) for command in commands) == len(data)
        return commands if role is not None or whole else []
    if role is None:
        return []
    return read_datagram(data, (packet.src, udp.sport), role)


class _Direction:
    """One direction of a TCP connection: puts segments in order and cuts them into commands."""

    def __init__(self, role: Sentinel | None, known_port: bool) -> None:
        self.role = role
        self._believed = known_port
        self._foreign = False
        self.start: int | None = None
        self._next: int | None = None
        self._held: dict[int, tuple[SimpleNamespace, bytes]] = {}
        self._held_bytes = 0
        self._parser: Any = None

    def open(self, sequence: int) -> None:
        """The SYN of this direction: data starts one behind `sequence`."""
        self.start = sequence
        self._next = (sequence + 1) & 0xFFFFFFFF

    def add(self, packet: SimpleNamespace, sequence: int, data: bytes) -> Iterator[SimpleNamespace]:
        """The commands that a segment completes."""
        if self._next is None:
            self._next = sequence
        if abs(self._ahead(sequence)) > MAX_JUMP:
            yield from self.flush()
            self._next, self._parser = sequence, None
        known = self._held.get(sequence)
        if known is None or len(known[1]) < len(data):
            self._held_bytes += len(data) - (0 if known is None else len(known[1]))
            self._held[sequence] = (packet, data)
        yield from self._drain()
        while len(self._held) > MAX_HELD_SEGMENTS or self._held_bytes > MAX_HELD_BYTES:
            yield from self._skip_gap()

    def flush(self) -> Iterator[SimpleNamespace]:
        """The commands in what is held; what is missing will not come."""
        while self._held:
            yield from self._skip_gap()

    def _ahead(self, sequence: int) -> int:
        return ((sequence - (self._next or 0) + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def _skip_gap(self) -> Iterator[SimpleNamespace]:
        self._next, self._parser = min(self._held, key=self._ahead), None
        yield from self._drain()

    def _drain(self) -> Iterator[SimpleNamespace]:
        while self._held:
            sequence = min(self._held, key=self._ahead)
            ahead = self._ahead(sequence)
            if ahead > 0:
                return
            packet, data = self._held.pop(sequence)
            self._held_bytes -= len(data)
            data = data[-ahead:]  # in front of that it is a retransmission
            if data:
                self._next = ((self._next or 0) + len(data)) & 0xFFFFFFFF
                for command in self._feed(data):
                    yield SimpleNamespace(**vars(packet), command=command)

    def _feed(self, data: bytes) -> Iterator[Message]:
        if self.role is None and not self._foreign:
            self.role = _tcp_role(data)
        if self.role is None or self._foreign:
            return
        if self._parser is None:
            if not _plausible(data, self.role):
                # On a port of ours it may be the middle of a message; else, at the start, it is another protocol.
                self._foreign = self.start is not None and not self._believed
                return
            self._believed = True
            self._parser = codec.StreamParser(tables[self.role], MAX_PAYLOAD)
        parser = self._parser
        for command in parser.feed(data):
            if isinstance(command, UnknownCommand) and command.header.command > _HIGHEST_COMMAND:
                self._parser = None  # framing is lost; try again with the next segment
                return
            yield command
        if parser.error is not None:
            self._parser = None


class _Streams:
    """All TCP connections of a capture."""

    def __init__(self, ports: _Ports) -> None:
        self._ports = ports
        self._directions: dict[tuple[Address, Address], _Direction] = {}

    def add(self, packet: SimpleNamespace) -> Iterator[SimpleNamespace]:
        """The commands that a packet completes."""
        tcp, ip = packet.transport, packet.ip
        source, destination = (ip.src, tcp.sport), (ip.dst, tcp.dport)
        key, reverse = (source, destination), (destination, source)
        if tcp.flags & _SYN:
            direction = self._directions.get(key)
            if direction is None or direction.start != tcp.seq:
                yield from self._forget(key)
                known = self._ports.sender(tcp.sport, tcp.dport)
                role = known or (SERVER if tcp.flags & _ACK else CLIENT)
                self._directions[key] = direction = _Direction(role, known is not None)
                direction.open(tcp.seq)
        data = bytes(tcp.data)
        if data and not tcp.flags & (_SYN | _RST):
            yield from self._direction(key, reverse).add(packet, tcp.seq, data)
        if tcp.flags & _RST:
            yield from self._forget(key)
            yield from self._forget(reverse)
        while len(self._directions) > 2 * MAX_CONVERSATIONS:
            yield from self._forget(next(iter(self._directions)))

    def flush(self) -> Iterator[SimpleNamespace]:
        """The commands behind gaps that were never filled."""
        for key in list(self._directions):
            yield from self._forget(key)

    def _direction(self, key: tuple[Address, Address], reverse: tuple[Address, Address]) -> _Direction:
        direction = self._directions.get(key)
        if direction is None:
            role = self._ports.sender(key[0][1], key[1][1])
            direction = self._directions[key] = _Direction(role, role is not None)
        other = self._directions.get(reverse)
        if direction.role is None and other is not None and other.role is not None:
            direction.role = CLIENT if other.role is SERVER else SERVER
        return direction

    def _forget(self, key: tuple[Address, Address]) -> Iterator[SimpleNamespace]:
        direction = self._directions.pop(key, None)
        if direction is not None:
            yield from direction.flush()


def shark(file: Any) -> Iterator[SimpleNamespace]:
    """Find the Channel Access commands in a packet capture.

    Parameters
    ----------
    file : binary file
        A pcap or pcapng stream; it need not be seekable.

    Yields
    ------
    SimpleNamespace
        One per command: ``timestamp``, ``src`` and ``dst`` (dotted text), ``transport`` (with ``sport`` and
        ``dport``), ``ethernet`` (None on other links), ``ip``, ``command``.

    Raises
    ------
    CaprotoRuntimeError
        If ``dpkt`` is not installed.
    CaprotoValueError
        If `file` is not a packet capture.
    CaprotoNotImplementedError
        If the capture was made on a link of another kind.
    """
    dpkt = _import_dpkt()
    ports = _Ports()
    streams = _Streams(ports)
    for packet in _packets(dpkt, file):
        if isinstance(packet.transport, dpkt.tcp.TCP):
            yield from streams.add(packet)
        else:
            for command in _datagram(packet, ports):
                yield SimpleNamespace(**vars(packet), command=command)
    yield from streams.flush()
