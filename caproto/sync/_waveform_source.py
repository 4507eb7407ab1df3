"""A small server for demonstrations: one TIME_DOUBLE waveform, sent as fast as asked through real sockets.

Runs on loopback in a process of its own and ends when its standard input does.  The values are encoded once;
an update costs its header, its time stamp and its number.  A client that does not keep up misses updates and
gets the newest.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import selectors
import socket
import struct
import sys
import time
from typing import Any

from .. import _commands as ca
from .._broadcaster import Broadcaster
from .._channel import ServerChannel
from .._circuit import VirtualCircuit
from .._dbr import TimeStamp
from .._enums import DISCONNECTED, SERVER, AccessRights, ChannelType
from .._errors import CaprotoError
from .._headers import MessageHeader
from .._status import CAStatus

PV_NAME = "demo:waveform"
_STAMPED = struct.Struct(">hh8sxxxxd")  # metadata of TIME_DOUBLE and the first element


class Waveform:
    """The values: a sine whose first element is the number of the update."""

    def __init__(self, elements: int) -> None:
        self.elements = elements
        values = [math.sin(2 * math.pi * index / max(elements, 1)) for index in range(elements)]
        self.rest = struct.pack(f">{elements - 1}d", *values[1:])
        self.number = 0

    def stamped(self) -> bytes:
        """The metadata and the first element of the current update."""
        return _STAMPED.pack(0, 0, bytes(TimeStamp.now()), float(self.number))

    def wire(self) -> bytes:
        """All elements, big-endian."""
        return self.stamped()[16:] + self.rest


class Client:
    """One connection."""

    def __init__(self, source: Source, sock: socket.socket, address: Any) -> None:
        self.source = source
        self.sock = sock
        self.circuit = VirtualCircuit(SERVER, address, None)
        self.unsent: list[memoryview] = []
        self.dropped = 0
        self.events_on = True
        self.next_sid = 0
        self.queue(ca.VersionResponse(self.circuit.our_version))

    def queue(self, *commands: ca.Message) -> None:
        self.unsent += [memoryview(buffer).cast("B") for buffer in self.circuit.send(*commands)]
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes."""
        while self.unsent:
            try:
                sent = self.sock.sendmsg(self.unsent[:16])
            except BlockingIOError:
                break
            except OSError:
                self.source.close(self)
                return
            while self.unsent and sent >= len(self.unsent[0]):
                sent -= len(self.unsent.pop(0))
            if sent:
                self.unsent[0] = self.unsent[0][sent:]
        self.source.want_write(self, bool(self.unsent))

    def publish(self) -> None:
        """Send one update to every subscription, unless the last one is still on its way."""
        waveform = self.source.waveform
        for request in self.circuit.event_add_commands.values():
            if self.unsent or not self.events_on:
                self.dropped += 1
                continue
            if request.data_type == ChannelType.TIME_DOUBLE and request.data_count in (0, waveform.elements):
                head = MessageHeader(1, 16 + 8 * waveform.elements, 20, waveform.elements, 1, request.subscriptionid)
                self.unsent = [memoryview(part) for part in (bytes(head), waveform.stamped(), waveform.rest) if part]
                self.flush()
            else:
                self.queue(self.value(ca.EventAddResponse, request, request.subscriptionid))

    def value(self, cls: Any, request: Any, number: int) -> ca.Message:
        """The answer to a read or a subscription of any DOUBLE type."""
        kind, count = int(request.data_type), request.data_count or self.source.waveform.elements
        if kind % 7 != ChannelType.DOUBLE or kind > ChannelType.CTRL_DOUBLE:
            channel = self.circuit.channels_sid[request.sid]
            return ca.ErrorResponse(request, channel.cid, CAStatus.ECA_NOCONVERT, f"{PV_NAME} is served as DOUBLE only")
        wire = self.source.waveform.wire()[: 8 * count].ljust(8 * count, b"\0")
        stamp = {"timestamp": time.time()} if kind == ChannelType.TIME_DOUBLE else None
        answer: ca.Message = cls(wire, kind, count, CAStatus.ECA_NORMAL, number, metadata=stamp)
        return answer

    def receive(self) -> None:
        """Answer what the client asks."""
        try:
            size = self.sock.recv_into(self.circuit.get_buffer())
            for command in self.circuit.buffer_updated(size):
                if command is DISCONNECTED:
                    self.source.close(self)
                    return
                self.circuit.process_command(command)
                self.answer(command)
        except BlockingIOError:
            return
        except (OSError, CaprotoError):
            self.source.close(self)

    def answer(self, command: ca.Message) -> None:
        if isinstance(command, ca.CreateChanRequest):
            channel = self.circuit.channels[command.cid]
            assert isinstance(channel, ServerChannel)
            if command.name != PV_NAME:
                self.queue(channel.create_fail())
                return
            sid, self.next_sid = self.next_sid, self.next_sid + 1
            rights = ca.AccessRightsResponse(command.cid, AccessRights.READ)
            self.queue(rights, channel.create(ChannelType.DOUBLE, self.source.waveform.elements, sid))
        elif isinstance(command, ca.SearchRequest):
            if command.name == PV_NAME:
                self.queue(ca.SearchResponse(self.source.port, None, command.cid, None))
        elif isinstance(command, ca.ReadNotifyRequest):
            self.queue(self.value(ca.ReadNotifyResponse, command, command.ioid))
        elif isinstance(command, (ca.WriteRequest, ca.WriteNotifyRequest)):
            text = f"{PV_NAME} cannot be written"
            self.queue(ca.ErrorResponse(command, 0xFFFFFFFF, CAStatus.ECA_NOWTACCESS, text))
        elif isinstance(command, ca.EventAddRequest):
            self.queue(self.value(ca.EventAddResponse, command, command.subscriptionid))
        elif isinstance(command, ca.EventCancelRequest):
            channel = self.circuit.channels_sid[command.sid]
            assert isinstance(channel, ServerChannel)
            self.queue(channel.unsubscribe(command.subscriptionid))
        elif isinstance(command, ca.ClearChannelRequest):
            self.queue(ca.ClearChannelResponse(command.sid, command.cid))
        elif isinstance(command, ca.EchoRequest):
            self.queue(ca.EchoResponse())
        elif isinstance(command, (ca.EventsOnRequest, ca.EventsOffRequest)):
            self.events_on = isinstance(command, ca.EventsOnRequest)


class Source:
    """The server: searches over UDP, connections over TCP, and the clock of the updates."""

    def __init__(self, elements: int, hz: float) -> None:
        self.waveform = Waveform(elements)
        self.period = 1 / hz if hz else 0.0
        self.selector = selectors.DefaultSelector()
        self.clients: set[Client] = set()
        self.listener, self.udp = self._sockets()
        self.port = self.listener.getsockname()[1]
        self.broadcaster = Broadcaster(SERVER)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(self.udp, selectors.EVENT_READ, self._search)

    @staticmethod
    def _sockets() -> tuple[socket.socket, socket.socket]:
        """A TCP and a UDP socket with the same free port on loopback."""
        while True:
            listener = socket.create_server(("127.0.0.1", 0), backlog=20)
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            listener.setblocking(False)
            udp.setblocking(False)
            try:
                udp.bind(listener.getsockname())
            except OSError:
                listener.close()
                udp.close()
                continue
            return listener, udp

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            sock, address = self.listener.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(sock, selectors.EVENT_READ, None)
            self.clients.add(Client(self, sock, address))

    def _search(self) -> None:
        with contextlib.suppress(OSError):
            data, address = self.udp.recvfrom(65536)
            version = ca.VersionResponse(self.broadcaster.protocol_version, sequence=0)
            for command in self.broadcaster.recv(data, address):
                if isinstance(command, ca.VersionRequest):
                    version = ca.VersionResponse(self.broadcaster.protocol_version, sequence=command.sequence)
                elif isinstance(command, ca.SearchRequest) and command.name == PV_NAME:
                    found = ca.SearchResponse(self.port, None, command.cid, self.broadcaster.protocol_version)
                    self.udp.sendto(self.broadcaster.send(version, found), address)

    def want_write(self, client: Client, wanted: bool) -> None:
        """Be told when the client's socket takes more."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
        if client.sock.fileno() >= 0 and self.selector.get_key(client.sock).events != events:
            self.selector.modify(client.sock, events, None)

    def close(self, client: Client) -> None:
        """Forget a client."""
        if client in self.clients:
            self.clients.discard(client)
            self.selector.unregister(client.sock)
            client.sock.close()

    def run(self) -> None:
        """Serve until standard input ends."""
        running = True

        def stop() -> None:
            nonlocal running
            running = bool(os.read(sys.stdin.fileno(), 4096))

        self.selector.register(sys.stdin, selectors.EVENT_READ, stop)
        due = time.monotonic()
        while running:
            eager = not self.period and any(client.circuit.event_add_commands for client in self.clients)
            wait = max(0.0, due - time.monotonic()) if self.period else 0.05
            ready = any(not client.unsent for client in self.clients)
            for key, events in self.selector.select(0 if eager and ready else wait):
                self._serve(key, events)
            now = time.monotonic()
            if self.period and now < due:
                continue
            due = max(due + self.period, now - self.period)
            if not eager or any(not client.unsent for client in self.clients):
                self.waveform.number += 1
                for client in list(self.clients):
                    client.publish()

    def _serve(self, key: selectors.SelectorKey, events: int) -> None:
        if key.data is not None:
            key.data()
            return
        for client in [client for client in self.clients if client.sock is key.fileobj]:
            if events & selectors.EVENT_WRITE:
                client.flush()
            if events & selectors.EVENT_READ and client in self.clients:
                client.receive()


def main() -> None:
    """Say the port on standard output, then serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--elements", type=int, required=True)
    parser.add_argument("--hz", type=float, required=True)
    arguments = parser.parse_args()
    source = Source(arguments.elements, arguments.hz)
    print(source.port, flush=True)
    source.run()


if __name__ == "__main__":
    main()
