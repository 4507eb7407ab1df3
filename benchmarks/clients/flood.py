"""A server with one array that it floods: ``flood.py PORT COUNT UPDATES``.

Answers every search and, once subscribed to, sends UPDATES updates of COUNT DOUBLE elements and one final one as fast
as TCP takes them.  The first element is the number of the update, from 0; -1 in the final one.  Flow control is
ignored on purpose.  Prints "ready", and ends with the subscriber's connection, or when nothing happens any more.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import time
from typing import Any

import numpy as np

import caproto
from caproto import SERVER, ChannelType

PATIENCE = 60.0
CHUNK = 1 << 20
#: The seconds of the first time stamp, since the EPICS epoch.
BEGIN = 1_000_000_000


def payload_parts(data_type: int) -> int:
    """Bytes in front of the values."""
    return {ChannelType.DOUBLE: 0, ChannelType.TIME_DOUBLE: 16}[ChannelType(data_type)]


class Messages:
    """Many updates in one buffer, built once; only their numbers change from one use to the next.

    Parameters
    ----------
    data_type : int
        DOUBLE or TIME_DOUBLE.
    count : int
    subscriptionid : int
    """

    def __init__(self, data_type: int, count: int, subscriptionid: int) -> None:
        prefix = payload_parts(data_type)
        size = prefix + 8 * count
        if size < 0xFFFF and count < 0xFFFF:
            head = struct.pack(">HHHHII", 1, size, data_type, count, 1, subscriptionid)
        else:
            head = struct.pack(">HHHHIIII", 1, 0xFFFF, data_type, 0, 1, subscriptionid, size, count)
        values = np.arange(count, dtype=">f8").tobytes()
        body = struct.pack(">HHIII", 0, 0, BEGIN, 0, 0) if prefix else b""
        message = head + body + values
        self.length = max(1, CHUNK // len(message))
        self.size = len(message)
        self.buffer = bytearray(message * self.length)
        first = len(head) + prefix
        self._numbers = np.ndarray((self.length,), ">f8", self.buffer, first, (self.size,))
        if prefix:
            nanoseconds = np.ndarray((self.length,), ">u4", self.buffer, first - 8, (self.size,))
            nanoseconds[:] = np.arange(self.length)

    def __call__(self, first: int, end: int) -> memoryview:
        """The updates from `first` on, not beyond `end`, as many as there is room for; at `end` the final one."""
        number = min(self.length, end - first)
        if number:
            self._numbers[:number] = np.arange(first, first + number)
        else:
            number, self._numbers[0] = 1, -1.0
        return memoryview(self.buffer)[: number * self.size]


class Connection:
    """One client."""

    def __init__(self, sock: socket.socket, address: Any, count: int, updates: int) -> None:
        self.sock, self.count, self.updates = sock, count, updates
        self.circuit = caproto.VirtualCircuit(SERVER, address, None)
        self.messages: Messages | None = None
        self.sent = 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(caproto.VersionResponse(13))

    def send(self, *commands: Any) -> None:
        self.sock.sendall(b"".join(self.circuit.send(*commands)))

    @property
    def flooding(self) -> bool:
        return self.messages is not None and self.sent <= self.updates

    def flood(self) -> None:
        assert self.messages is not None
        chunk = self.messages(self.sent, self.updates)
        self.sock.sendall(chunk)
        self.sent += len(chunk) // self.messages.size

    def receive(self) -> bool:
        """Answer what was asked; False if the client is gone."""
        data = self.sock.recv(65536)
        if not data:
            return False
        for command in self.circuit.recv(data)[0]:
            self.circuit.process_command(command)
            self.answer(command)
        return True

    def answer(self, command: Any) -> None:
        if isinstance(command, caproto.CreateChanRequest):
            created = self.circuit.channels[command.cid].create(ChannelType.DOUBLE, self.count, command.cid + 1)
            self.send(caproto.AccessRightsResponse(command.cid, 3), created)
        elif isinstance(command, caproto.EventAddRequest):
            self.messages = Messages(int(command.data_type), self.count, command.subscriptionid)
        elif isinstance(command, caproto.EchoRequest):
            self.send(caproto.EchoResponse())
        elif isinstance(command, caproto.ReadNotifyRequest):
            # pyepics asks for limits and units before it calls its callbacks; all zero will do.
            metadata = caproto.DBR_TYPES[command.data_type]()
            value = [0.0] * (command.data_count or self.count)
            self.send(
                caproto.ReadNotifyResponse(value, command.data_type, len(value), 1, command.ioid, metadata=metadata)
            )


def answer_search(udp: socket.socket, broadcaster: Any, port: int) -> None:
    data, address = udp.recvfrom(65536)
    names = [command for command in broadcaster.recv(data, address) if isinstance(command, caproto.SearchRequest)]
    if names:
        found = [caproto.SearchResponse(port, None, command.cid, 13) for command in names]
        udp.sendto(broadcaster.send(caproto.VersionResponse(13), *found), address)


def serve(port: int, count: int, updates: int) -> None:
    broadcaster = caproto.Broadcaster(our_role=SERVER)
    with (
        selectors.DefaultSelector() as selector,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server(("127.0.0.1", port)) as listener,
    ):
        udp.bind(("127.0.0.1", port))
        selector.register(udp, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        print("ready", flush=True)
        clients: dict[Any, Connection] = {}
        heard = time.monotonic()
        while time.monotonic() < heard + PATIENCE:
            floods = [client for client in clients.values() if client.flooding]
            for key, _ in selector.select(0 if floods else 1.0):
                heard = time.monotonic()
                if key.fileobj is udp:
                    answer_search(udp, broadcaster, port)
                elif key.fileobj is listener:
                    sock, address = listener.accept()
                    clients[sock] = Connection(sock, address, count, updates)
                    selector.register(sock, selectors.EVENT_READ)
                elif not clients[key.fileobj].receive():
                    if clients[key.fileobj].messages:
                        return
                    selector.unregister(key.fileobj)
                    clients.pop(key.fileobj).sock.close()
            for client in floods:
                client.flood()


if __name__ == "__main__":
    try:
        serve(*map(int, sys.argv[1:]))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the subscriber has seen enough
