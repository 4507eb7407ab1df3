"""A server that may open no more files serves all clients that it has accepted."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

import caproto._commands as ca
from tests.interop.talk import Talk
from tests.server.conftest import Server

resource = pytest.importorskip("resource")
#: Descriptors that are left.
LEFT = 9


@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_every_descriptor_serves_a_client(skin: str) -> None:
    if not hasattr(resource, "prlimit"):
        pytest.skip("limits of other processes cannot be set here")
    server = Server(skin)
    try:
        used = {int(name) for name in os.listdir(f"/proc/{server.process.pid}/fd")}
        free = [number for number in range(1000) if number not in used]
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (free[LEFT], free[LEFT]))
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Talk(("127.0.0.1", server.port))) for _ in range(LEFT)]
            for client in clients:
                client.next("VersionResponse")
                client.send(ca.EchoRequest())
                client.next("EchoResponse")
    finally:
        code, _, _ = server.end(signal.SIGTERM)
    assert code == 0
