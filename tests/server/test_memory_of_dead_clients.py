"""What a client that is gone had sent takes no memory any more: it does not wait for the garbage collector."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.interop.talk import Talk
from tests.server.conftest import Server

MILLION = 1_000_000


@pytest.mark.parametrize("sent", [1.0, 0.6])
@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_clients_that_break_off_a_large_write(skin: str, sent: float) -> None:
    server = Server(skin)
    try:
        with Talk(("127.0.0.1", server.port)) as talk:
            million, double = talk.channel("million"), talk.channel("double")
            talk.write(million, [0.5] * MILLION, data_type=6)
            sizes = []
            for number in range(20):
                with Talk(("127.0.0.1", server.port)) as victim:
                    sid = victim.channel("million").sid
                    head = struct.pack(">HHHHIIII", 19, 0xFFFF, 6, 0, sid, 1, 8 * MILLION, MILLION)
                    wire = head + struct.pack(">d", float(number)) * MILLION
                    victim.sock.sendall(wire[: int(sent * len(wire))])
                    if sent == 1.0:
                        victim.sock.recv(100)
                    victim.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                talk.read(double)
                sizes.append(server.memory)
        assert max(sizes[3:]) < sizes[2] + 20_000_000, [size >> 20 for size in sizes]
    finally:
        server.end(15)
