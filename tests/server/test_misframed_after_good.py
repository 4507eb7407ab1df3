"""Framing that is lost behind messages that are whole, in one segment."""

from __future__ import annotations

import socket
import struct

import pytest

import caproto._commands as ca
from caproto._data import ChannelDouble
from caproto.server._engine import ServerEngine
from tests.server.conftest import Server
from tests.server.talk import Client, Loop

BAD = struct.pack(">HHHHII", 15, 9, 6, 1, 0, 1) + bytes(9)


def test_engine() -> None:
    client = Client(ServerEngine({"x": ChannelDouble(value=1.0)}, port=5064, spawn=Loop().spawn))
    client.circuit.receive(bytes(ca.EchoRequest()) + BAD)
    answers = client.answers()
    assert [type(answer).__name__ for answer in answers] == ["EchoResponse", "ErrorResponse"]
    assert client.circuit.closing


@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_skins(skin: str) -> None:
    server = Server(skin)
    try:
        with socket.create_connection(("127.0.0.1", server.port), 5) as sock:
            sock.sendall(bytes(ca.VersionRequest(0, 13)) + BAD)
            while sock.recv(1000):
                pass
        assert server.process.poll() is None
    finally:
        code, _, err = server.end(15)
    assert code == 0 and "Traceback" not in err, err
