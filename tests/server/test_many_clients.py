"""Many real clients at once, and clients that are killed in the middle of a large array."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest

from caproto.server._context import KEPT_MEMORY
from tests.interop.talk import Talk
from tests.server.conftest import ROOT, Server
from tests.server.test_libca_clients import needs_aioca

pytestmark = [pytest.mark.interop, needs_aioca]
CLIENTS = 20
LAST = -1.0
# Each process reads a hundred PVs, follows one that others write, and writes one of its own a hundred times.  They part
# before any of them uses the library, and only so that the modules are read but once.
BUSY = f"""
import asyncio, json, os, aioca
async def main(me):
    seen = []
    aioca.camonitor("double", lambda value: seen.append(float(value)), all_updates=True)
    values = await aioca.caget([f"many:{{number}}" for number in range(20, 120)], timeout=30)
    for value in range(100):
        await aioca.caput(f"many:{{me}}", value, wait=True, timeout=30)
    os.write(1, b"ready\\n")
    while not seen or seen[-1] != {LAST}:
        await asyncio.sleep(0.01)
    own = int(await aioca.caget(f"many:{{me}}", timeout=30))
    result = [[int(value) for value in values] == list(range(20, 120)), own, seen]
    os.write(1, json.dumps(result).encode() + b"\\n")
for me in range({CLIENTS}):
    if not os.fork():
        asyncio.run(main(me))
        os._exit(0)
for _ in range({CLIENTS}):
    _, status = os.wait()
    assert status == 0
"""
# Transfers a million elements again and again until it is killed.
GREEDY = """
import asyncio, sys, aioca, numpy
async def main():
    number = 100 * int(sys.argv[2])
    if sys.argv[1] == "follow":
        aioca.camonitor("million", lambda value: None, all_updates=True)
    print("ready", flush=True)
    while True:
        number += 1
        if sys.argv[1] == "put":
            await aioca.caput("million", numpy.full(1_000_000, float(number)), wait=True, timeout=30)
        else:
            await aioca.caget("million", timeout=30)
asyncio.run(main())
"""


def start(server: Server, code: str, *arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=server.environment, cwd=ROOT,
    )  # fmt: skip


def next_line(client: subprocess.Popen[str]) -> str:
    assert client.stdout is not None
    return client.stdout.readline()


def test_twenty_processes_at_once(server: Server) -> None:
    clients = start(server, BUSY)
    try:
        assert [next_line(clients) for _ in range(CLIENTS)] == ["ready\n"] * CLIENTS
        with Talk(("127.0.0.1", server.port)) as talk:
            double = talk.channel("double")
            for value in (*range(50), LAST):
                talk.send(double.write((float(value),), notify=False))
            results = [json.loads(next_line(clients)) for _ in range(CLIENTS)]
            assert talk.write(double, (1.5,)).status.name == "ECA_NORMAL"
        assert results == [[True, 99, [1.5, *map(float, range(50)), LAST]]] * CLIENTS
        assert clients.wait(20) == 0
    finally:
        clients.kill()
        clients.communicate()


def transfer_and_die(server: Server, talk: Talk, double: Any, chance: random.Random) -> None:
    """Start a client of each kind; kill one after the other while all that are left are busy."""
    clients = [start(server, GREEDY, mode, number) for number, mode in enumerate(("get", "put", "follow"), 1)]
    try:
        assert [next_line(client) for client in clients] == ["ready\n"] * len(clients)
        for client in chance.sample(clients, len(clients)):
            for _ in range(chance.randrange(1, 20)):
                assert talk.read(double).data[0] == 1.5
            client.kill()
            assert client.wait(10) == -9
    finally:
        for client in clients:
            client.kill()
            client.communicate()


def test_clients_killed_in_the_middle_of_an_array_leave_nothing(server: Server) -> None:
    chance = random.Random(1)
    with Talk(("127.0.0.1", server.port)) as talk:
        million, double = talk.channel("million"), talk.channel("double")
        sizes = [server.memory]
        for _ in range(2):
            transfer_and_die(server, talk, double, chance)
            values = talk.read(million, data_count=0).data
            assert len(set(values)) == 1 and len(values) in (1, 1_000_000)  # a write is done as a whole or not at all
            assert talk.write(million, [0.5] * 1_000_000, data_type=6).status.name == "ECA_NORMAL"
            sizes.append(server.memory)
        # What is free the C library may keep, up to twice that; what clients had sent or asked for is gone.
        assert max(sizes) < sizes[0] + 2 * KEPT_MEMORY + 30_000_000, sizes
        assert talk.write(million, [0.0], data_type=6).status.name == "ECA_NORMAL"
