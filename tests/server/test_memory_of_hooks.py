"""What waits for hooks, and what they answer, is bounded in bytes."""

from __future__ import annotations

import caproto._commands as ca
from caproto.server._engine import ServerEngine
from tests.server.talk import Client, Loop, Slow


def test_large_requests_that_wait_for_hooks_are_few(loop: Loop) -> None:
    client = Client(ServerEngine({"big": Slow(value=[1.0], max_length=1_000_000)}, port=5555, spawn=loop.spawn))
    sid = client.create("big")
    write = ca.WriteNotifyRequest([0.0] * 1_000_000, 6, 1_000_000, sid, 1)
    for _ in range(10):
        client.send(write)
    assert client.circuit.congested and len(client.circuit.waiting) == 7
    seen = 0
    while seen < 10:
        loop.step()
        seen += len(client.answers())
    assert client.circuit.jobs == 0 and not client.circuit.congested


def test_hooks_wait_while_answers_are_not_taken(loop: Loop) -> None:
    engine = ServerEngine({"big": Slow(value=[1.0] * 1000)}, port=5555, spawn=loop.spawn, budget=20_000)
    client = Client(engine)
    sid = client.create("big")
    client.send(*(ca.ReadNotifyRequest(6, 1000, sid, ioid) for ioid in range(50)))
    for _ in range(100):
        loop.step()
    assert client.circuit.output.size < 2 * engine.budget
    seen = []
    while len(seen) < 50:
        answers = client.answers()
        assert answers or loop.coroutines
        seen += [answer.ioid for answer in answers]
        loop.step()
    assert seen == list(range(50)) and client.circuit.jobs == 0 and not loop.coroutines
