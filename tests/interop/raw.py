"""A client made of ``socket`` and ``struct`` only: the witness that shares no code with the library."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple


class RawMessage(NamedTuple):
    """One message as it was on the wire."""

    command: int
    data_type: int
    data_count: int
    parameter1: int
    parameter2: int
    payload: bytes


class RawClient:
    """One circuit to a server."""

    def __init__(self, address: tuple[str, int], timeout: float = 5.0) -> None:
        self.sock = socket.create_connection(address, timeout)
        self._buffer = b""
        self._ids = iter(range(1, 1 << 30))
        self.send(0, count=13)
        self.send(20, payload=b"operator\0")
        self.send(21, payload=b"localhost\0")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def send(self, command: int, kind: int = 0, count: int = 0, p1: int = 0, p2: int = 0, payload: bytes = b"") -> None:
        payload += bytes(-len(payload) % 8)
        if len(payload) >= 0xFFFF or count >= 0xFFFF:
            head = struct.pack(">HHHHIIII", command, 0xFFFF, kind, 0, p1, p2, len(payload), count)
        else:
            head = struct.pack(">HHHHII", command, len(payload), kind, count, p1, p2)
        self.sock.sendall(head + payload)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            received = self.sock.recv(1 << 20)
            if not received:
                raise EOFError("the server closed the circuit")
            self._buffer += received
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def receive(self) -> RawMessage:
        command, size, kind, count, p1, p2 = struct.unpack(">HHHHII", self._take(16))
        if size == 0xFFFF:
            size, count = struct.unpack(">II", self._take(8))
        return RawMessage(command, kind, count, p1, p2, self._take(size))

    def expect(self, command: int) -> RawMessage:
        """The next message with this command id, whatever comes before it."""
        while (message := self.receive()).command != command:
            pass
        return message

    def create(self, name: str) -> tuple[int, int, int]:
        """(sid, native type, native count)."""
        cid = next(self._ids)
        self.send(18, p1=cid, p2=13, payload=name.encode() + b"\0")
        while (message := self.receive()).command not in (18, 26):
            pass
        if message.command == 26:
            raise LookupError(name)
        return message.parameter2, message.data_type, message.data_count

    def read(self, sid: int, kind: int, count: int = 0) -> RawMessage:
        self.send(15, kind, count, sid, next(self._ids))
        return self.expect(15)

    def write(self, sid: int, kind: int, count: int, payload: bytes) -> int:
        """The status of a WRITE_NOTIFY."""
        self.send(19, kind, count, sid, next(self._ids), payload)
        return self.expect(19).parameter1
