"""A load generator on raw sockets: it costs next to nothing itself, so that what it measures is the server.

Every message is made beforehand, and every answer counted by its known size; nothing is parsed on the way.  A slow
server gets a `share` of the requests only.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import threading
import time

HEADER = struct.Struct(">HHHHII")
TIME_DOUBLE, DOUBLE = 20, 6
MILLION = 1_000_000
READS, PUTS, CREATIONS, UPDATES, CIRCUITS, LARGE = 200_000, 50_000, 20_000, 2_000, 50, 100
#: Large values that are asked for at a time.
AHEAD = 4
#: Bytes of large values that have to be there before the generator is woken: waking it for every 64 kB costs the
#: server, in whose system calls that happens, more than sending them.
AT_ONCE = 512 * 1024
#: Linux drops what was received without copying it: what is left of the time is the server's.
DROP = socket.MSG_TRUNC if sys.platform == "linux" else 0
#: Seconds after which updates that did not come count as lost; of all of them, and since the last one came.
PATIENCE, SILENCE = 30.0, 2.0


def free_port() -> int:
    """A port that nobody listens at, for TCP and UDP, nor at the one after it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port if port < 65000 else free_port()


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


def put(command: int, sid: int, ioid: int, value: float) -> bytes:
    """A WRITE (4) or WRITE_NOTIFY (19) of a DOUBLE."""
    return HEADER.pack(command, 8, DOUBLE, 1, sid, ioid) + struct.pack(">d", value)


def _batches(requests: list[bytes], size: int) -> list[bytes]:
    return [b"".join(requests[at : at + size]) for at in range(0, len(requests), size)]


def _drop(sock: socket.socket, buffer: bytearray, expected: int) -> None:
    """Receive `expected` bytes of large values and forget them."""
    while expected > 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(expected, AT_ONCE))
        size = sock.recv_into(buffer, min(expected, len(buffer)), DROP)
        if not size:
            raise ConnectionError("the server closed the circuit")
        expected -= size


def _flow(sock: socket.socket, requests: list[bytes], expected: int) -> float:
    """Seconds until `expected` bytes have answered `requests`, which are sent from another thread."""

    def send() -> None:
        for request in requests:
            sock.sendall(request)

    sender = threading.Thread(target=send, daemon=True)
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
        sid, count = open_channel(sock, name), READS // share
        requests = [HEADER.pack(15, 0, TIME_DOUBLE, 1, sid, ioid) for ioid in range(count)]
        return count / _flow(sock, _batches(requests, 1000), 40 * count)


def puts(port: int, name: str, share: int = 1) -> float:
    """Puts with notify per second on one circuit, pipelined; every one has an ioid and a value of its own."""
    with connect(port) as sock:
        sid, count = open_channel(sock, name), PUTS // share
        requests = [put(19, sid, ioid, float(ioid)) for ioid in range(count)]
        return count / _flow(sock, _batches(requests, 500), 16 * count)


def creations(port: int, name: str, share: int = 1) -> float:
    """Channels created per second on one circuit."""
    with connect(port) as sock:
        count = CREATIONS // share
        requests = [_create(name, cid) for cid in range(count)]
        return count / _flow(sock, _batches(requests, 500), 32 * count)


def _check_million(payload: bytes) -> None:
    """Raise an error unless a message ends with 0, 1, 2 ... or 1, 2, 3 ..."""
    first, last = struct.unpack(">d", payload[-8 * MILLION :][:8])[0], struct.unpack(">d", payload[-8:])[0]
    if first not in (0.0, 1.0) or last - first != MILLION - 1:
        raise ValueError(f"the million goes from {first} to {last}")


def large_reads(port: int, name: str, share: int = 1) -> float:
    """GB per second of DOUBLE[1 M] reads, four asked for at a time."""
    size = 24 + 8 * MILLION
    with connect(port) as sock:
        request = struct.pack(">HHHHIIII", 15, 0xFFFF, DOUBLE, 0, open_channel(sock, name), 5, 0, MILLION)
        sock.sendall(request)
        _check_million(take(sock, size))
        buffer = bytearray(1 << 20)
        begin = time.perf_counter()
        sock.sendall(request * AHEAD)
        for number in range(LARGE):
            _drop(sock, buffer, size)
            if number < LARGE - AHEAD:
                sock.sendall(request)
        return LARGE * size / 1e9 / (time.perf_counter() - begin)


def large_updates(port: int, name: str, trigger: str) -> float:
    """GB per second of DOUBLE[1 M] updates.

    A put to `trigger` on another circuit has the server publish; four are on their way at first, and then one follows
    each update.  A server that merges two updates into one sends fewer at a time.
    """
    size = 24 + 8 * MILLION
    with connect(port) as sock, connect(port) as writer:
        header = struct.pack(">HHHHIIII", 1, 0xFFFF, DOUBLE, 0, open_channel(sock, name), 9, 16, MILLION)
        sock.sendall(header + struct.pack(">fffHH", 0, 0, 0, 1, 0))
        _check_million(take(sock, size))
        sid = open_channel(writer, trigger)
        requests = [put(4, sid, number, float(number)) for number in range(1, LARGE + AHEAD + 1)]
        buffer = bytearray(1 << 20)
        begin = time.perf_counter()
        writer.sendall(b"".join(requests[:AHEAD]))
        for request in requests[AHEAD:]:
            _drop(sock, buffer, size)
            writer.sendall(request)
        return LARGE * size / 1e9 / (time.perf_counter() - begin)


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
        requests = [put(4, sid, number, 100.0 + number) for number in range(UPDATES)]

        def write() -> None:
            for request in requests:
                writer.sendall(request)

        thread = threading.Thread(target=write, daemon=True)
        buffer = bytearray(1 << 18)
        begin = last = time.perf_counter()
        thread.start()
        while any(left.values()) and time.perf_counter() - last < SILENCE and time.perf_counter() - begin < PATIENCE:
            for key, _ in selector.select(0.2):
                sock = key.fileobj  # type: ignore[assignment]
                left[sock] -= sock.recv_into(buffer)
                last = time.perf_counter()
    for sock in left:
        sock.close()
    selector.close()
    thread.join()
    lost = sum(left.values()) // 40
    return (CIRCUITS * UPDATES - lost) / (last - begin), lost
