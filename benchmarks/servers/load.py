"""A load generator on raw sockets: it costs next to nothing itself, so that what it measures is the server.

Every message is written and every answer counted by its known size; nothing is parsed on the way.  A slow server gets
a `share` of the requests only.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable

HEADER = struct.Struct(">HHHHII")
TIME_DOUBLE, DOUBLE = 20, 6
MILLION = 1_000_000
READS, PUTS, CREATIONS, UPDATES, CIRCUITS, LARGE = 200_000, 50_000, 20_000, 2_000, 50, 60
#: Seconds after which updates that did not come count as lost.
PATIENCE = 15.0


def connect(port: int) -> socket.socket:
    """A circuit that has exchanged versions and names."""
    sock = socket.create_connection(("127.0.0.1", port), 20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hello = HEADER.pack(0, 0, 0, 13, 0, 0) + HEADER.pack(20, 8, 0, 0, 0, 0) + b"bench\0\0\0"
    sock.sendall(hello + HEADER.pack(21, 16, 0, 0, 0, 0) + b"localhost".ljust(16, b"\0"))
    take(sock, 16)
    return sock


def take(sock: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = sock.recv(size - len(found))
        if not part:
            raise ConnectionError(f"the server closed the circuit after {len(found)} of {size} bytes")
        found += part
    return bytes(found)


def _create(name: str, cid: int) -> bytes:
    text = name.encode() + b"\0"
    text += bytes(-len(text) % 8)
    return HEADER.pack(18, len(text), 0, 0, cid, 13) + text


def open_channel(sock: socket.socket, name: str) -> int:
    """The SID of a new channel; an extended header of the answer is taken as well."""
    sock.sendall(_create(name, 0))
    rights_and_answer = take(sock, 32)
    if rights_and_answer[18:20] == b"\xff\xff":
        take(sock, 8)
    return int.from_bytes(rights_and_answer[28:32], "big")


def _flow(sock: socket.socket, requests: list[bytes], expected: int) -> float:
    """Seconds until `expected` bytes have answered `requests`, which are sent from another thread."""

    def send() -> None:
        for request in requests:
            sock.sendall(request)

    sender = threading.Thread(target=send)
    buffer = bytearray(1 << 20)
    begin = time.perf_counter()
    sender.start()
    while expected > 0:
        size = sock.recv_into(buffer)
        if not size:
            raise ConnectionError("the server closed the circuit")
        expected -= size
    seconds = time.perf_counter() - begin
    sender.join()
    return seconds


def reads(port: int, name: str, share: int = 1) -> float:
    """Pipelined TIME_DOUBLE reads per second on one circuit."""
    with connect(port) as sock:
        request = HEADER.pack(15, 0, TIME_DOUBLE, 1, open_channel(sock, name), 5)
        count = READS // share
        return count / _flow(sock, [request * 1000] * (count // 1000), 40 * count)


def puts(port: int, name: str, share: int = 1) -> float:
    """Puts with notify per second on one circuit, pipelined."""
    with connect(port) as sock:
        request = HEADER.pack(19, 8, DOUBLE, 1, open_channel(sock, name), 5) + struct.pack(">d", 1.25)
        count = PUTS // share
        return count / _flow(sock, [request * 500] * (count // 500), 16 * count)


def creations(port: int, name: str, share: int = 1) -> float:
    """Channels created per second on one circuit."""
    with connect(port) as sock:
        count = CREATIONS // share
        requests = [_create(name, cid) for cid in range(count)]
        batches = [b"".join(requests[at : at + 500]) for at in range(0, count, 500)]
        return count / _flow(sock, batches, 32 * count)


def large_reads(port: int, name: str, share: int = 1) -> float:
    """GB per second of DOUBLE[1 M] reads, four asked for at a time."""
    size = 24 + 8 * MILLION
    with connect(port) as sock:
        request = struct.pack(">HHHHIIII", 15, 0xFFFF, DOUBLE, 0, open_channel(sock, name), 5, 0, MILLION)
        seconds = 0.0
        for _ in range(LARGE // 4):
            seconds += _flow(sock, [request * 4], 4 * size)
    return LARGE * size / 1e9 / seconds


def fan_out(port: int, name: str) -> tuple[float, int]:
    """Updates delivered per second to 50 circuits, and how many of 2000 times 50 never came."""
    selector = selectors.DefaultSelector()
    subscribe = struct.pack(">fffHH", 0, 0, 0, 1, 0)
    left: dict[socket.socket, int] = {}
    for _ in range(CIRCUITS):
        sock = connect(port)
        sock.sendall(HEADER.pack(1, 16, TIME_DOUBLE, 1, open_channel(sock, name), 9) + subscribe)
        take(sock, 40)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ)
        left[sock] = 40 * UPDATES
    with connect(port) as writer:
        sid = open_channel(writer, name)

        def write() -> None:
            for number in range(UPDATES):
                writer.sendall(HEADER.pack(4, 8, DOUBLE, 1, sid, 5) + struct.pack(">d", 100.0 + number))

        thread = threading.Thread(target=write)
        buffer = bytearray(1 << 18)
        begin = last = time.perf_counter()
        thread.start()
        while any(left.values()) and time.perf_counter() - last < 1.0 and time.perf_counter() - begin < PATIENCE:
            for key, _ in selector.select(0.2):
                sock = key.fileobj  # type: ignore[assignment]
                left[sock] -= sock.recv_into(buffer)
                last = time.perf_counter()
        thread.join()
    for sock in left:
        sock.close()
    lost = sum(left.values()) // 40
    return (CIRCUITS * UPDATES - lost) / (last - begin), lost


Measurement = Callable[[int, str, int], float]
#: Name, unit, PV and function.
MEASUREMENTS: tuple[tuple[str, str, str, Measurement], ...] = (
    ("pipelined TIME_DOUBLE reads", "1/s", "bench:double", reads),
    ("puts with notify", "1/s", "bench:double", puts),
    ("puts through a hook", "1/s", "bench:hooked", puts),
    ("channel creations", "1/s", "bench:double", creations),
    ("DOUBLE[1 M] reads", "GB/s", "bench:million", large_reads),
)
