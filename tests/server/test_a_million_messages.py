"""A million random and mutated messages against live servers: none breaks, none grows, and others do not notice.

Most keep the framing intact and name channels that exist, so that they get far; an ECHO behind each block proves that
the server has served all of it.  Every circuit ends with bytes that do not: lies about sizes, unknown requests, halves.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import struct
import subprocess
import sys
from typing import Any

import pytest

import caproto._commands as ca
from caproto._enums import SERVER
from caproto._wire import codec
from tests import golden
from tests.server.conftest import ROOT, Server
from tests.server.test_libca_clients import needs_aioca

pytestmark = [pytest.mark.interop, pytest.mark.slow]
BLOCK = 2000
#: Messages to each skin; a million in all.
SHARES = {"asyncio": 700_000, "trio": 400_000}
DATAGRAMS = 20_000
PVS = (
    "double", "float", "long", "short", "enum", "string", "char", "byte", "array", "strings", "readonly", "ticking",
    "array.[1:2]", "string.VAL$", 'double.{"dbnd":{"abs":1}}', 'double.{"dec":{"n":2}}', 'long.{"ts":{}}',
)  # fmt: skip
REQUESTS = (15,) * 8 + (4, 4, 4, 19, 19, 19, 19, 3, 3, 2, 2, 2, 1, 12, 18, 6, 6, 8, 9, 10, 23, 0, 20, 21)
NARROW = (0, 1, 2, 3, 7, 8, 40, 41, 1000, 0x7FFF, 0x8000, 0xFFFE)
WIDE = (0, 1, 2, 3, 40, 41, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFE8, 0xFFFFFFFF)
NAMES = [name.encode() + bytes(8 - len(name) % 8) for name in (*PVS, "no such", "double.{bad", "x" * 200)]
RECORDED = [vector.wire for vector in golden.tcp("client") if len(vector.wire) < 2000]
RECORDED += [bytes.fromhex(raw["hex"]) for raw in golden.hazards()]
FRAMED = [
    wire for wire in RECORDED
    if struct.unpack_from(">HH", wire) in {(command, len(wire) - 16) for command in REQUESTS}
    and len(wire) % 8 == 0
]  # fmt: skip
HONEST = """
import asyncio, json, sys, aioca
async def main():
    seen = []
    aioca.camonitor("ticking", lambda value: seen.append(int(value)), all_updates=True)
    while not seen:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    # What the server does now comes after all that it did before.
    last = int(await aioca.caget("ticking"))
    while seen[-1] < last:
        await asyncio.sleep(0.01)
    print(json.dumps(seen))
asyncio.run(main())
"""


def test_recorded_messages_take_part() -> None:
    assert len(FRAMED) > 50


def block(chance: random.Random, sids: list[int], kept: int) -> bytes:
    """Messages with any content whose sizes are true."""
    pack = struct.Struct(">HHHHII").pack
    extended = struct.Struct(">HHHHIIII").pack
    parts: list[bytes] = []
    noise = chance.randbytes(8 * BLOCK)
    for at in range(0, 8 * BLOCK, 8):
        kind, request, which, data_type, count, size, last, rare = noise[at : at + 8]
        if kind < 40:
            wire = bytearray(chance.choice(FRAMED))
            for place in (request, data_type, count)[: kind % 4]:
                wire[4 + place % (len(wire) - 4)] = place
            if wire[1] in (12, 18):  # the channel that keeps names from being taken again has to stay
                wire[8:12] = b"\xff\xff\xff\xff"
            parts.append(bytes(wire))
            continue
        command = REQUESTS[request % len(REQUESTS)]
        sid = sids[which % len(sids)] if rare > 10 or command == 12 else WIDE[which % len(WIDE)]
        payload = noise[at : at + 8] * (size % 6)
        if command == 12 and sid == kept:
            continue
        if command == 18:
            payload = NAMES[which % len(NAMES)]
        elif command == 6:
            payload = NAMES[size % len(NAMES)]
        elif command == 1:
            payload = pack(0, 0, 0, 0, 0, 0)[:12] + bytes([0, (0, 1, 2, 4, 5, 8, 15, 255)[size % 8], 0, 0])
        elements = NARROW[count % len(NARROW)] if count < 60 else count % 4
        kind_of_data = data_type % 41 if data_type < 250 else 0xFFFF
        number = last % 32
        if rare > 20:
            parts.append(pack(command, len(payload), kind_of_data, elements, sid, number) + payload)
        else:
            many = WIDE[count % len(WIDE)]
            parts.append(extended(command, 0xFFFF, kind_of_data, rare, sid, number, len(payload), many) + payload)
    return b"".join(parts)


def ending(chance: random.Random, sid: int) -> bytes:
    """What does not keep to any framing."""
    claim = chance.choice(WIDE)
    hooked = struct.pack(">HHHHII", 19, 8, 6, 1, sid, 3) + struct.pack(">d", 1.0)
    return chance.choice([
        chance.randbytes(chance.randrange(1, 200)),
        struct.pack(">HHHHIIII", chance.randrange(30), 0xFFFF, 6, 0, sid, 1, claim, claim) + bytes(100),
        struct.pack(">HHHHII", chance.randrange(256), 8 * chance.randrange(8), 6, 1, sid, 1),
        struct.pack(">HHHHII", 19, 8000, 6, 1000, sid, 1) + bytes(chance.randrange(8000)),
        struct.pack(">HHHHII", 4, 9, 6, 1, sid, 1) + bytes(9),
        hooked * chance.randrange(1, 20),
        bytes(byte ^ (chance.randrange(50) == 0) for byte in b"".join(chance.choices(RECORDED, k=20))),
        b"GET / HTTP/1.1\r\n\r\n",
    ])  # fmt: skip


class Hostile:
    """A circuit to a server, and what its answers are."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.parser = codec.StreamParser(ca.tables[SERVER], 1 << 26)
        self.sids: list[int] = []
        names = (*PVS, "hooked")
        self.sock.sendall(
            bytes(ca.VersionRequest(0, 13))
            + b"".join(bytes(ca.CreateChanRequest(name, cid, 13)) for cid, name in enumerate(names))
        )
        while len(self.sids) < len(names):
            self.sids += [c.sid for c in self.receive() if isinstance(c, ca.CreateChanResponse)]
        self.hooked = self.sids.pop()

    def receive(self) -> list[Any]:
        data = self.sock.recv(1 << 18)
        assert data, "the server closed a circuit whose framing was intact"
        found: list[Any] = self.parser.feed(data)
        assert self.parser.error is None
        return found

    def send(self, wire: bytes, mark: int) -> None:
        self.sock.sendall(wire + struct.pack(">HHHHIIQ", 23, 8, 0, 0, 0, 0, mark))

    def finish(self, mark: int) -> None:
        """Wait until the server has come to the mark."""
        end = struct.pack(">HHHHIIQ", 23, 8, 0, 0, 0, 0, mark)
        while not any(frame._command == 23 and bytes(frame) == end for frame in self.receive()):
            pass

    def leave(self, wire: bytes, reset: bool) -> None:
        with contextlib.suppress(ConnectionError), self.sock:
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.sendall(wire)


def datagrams(chance: random.Random, port: int, count: int) -> None:
    good = bytes(ca.VersionRequest(0, 13)) + bytes(ca.SearchRequest("double", 3, 13))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            wire = bytearray(chance.choice((good, good * 3, chance.choice(RECORDED), chance.randbytes(30))))
            wire[chance.randrange(len(wire))] = chance.randrange(256)
            sock.sendto(wire[: chance.randrange(len(wire) + 1)], ("127.0.0.1", port))


@needs_aioca
@pytest.mark.parametrize("skin", SHARES)
def test_nothing_breaks_nothing_grows_and_others_lose_nothing(skin: str) -> None:
    server = Server(skin)
    chance = random.Random(skin)
    honest = subprocess.Popen(
        [sys.executable, "-c", HONEST],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=server.environment, cwd=ROOT,
    )  # fmt: skip
    try:
        assert honest.stdout is not None and honest.stdout.readline() == "ready\n"
        sent, sizes = 0, []
        rounds = SHARES[skin] // BLOCK
        hostile = Hostile(server.port)
        wire = block(chance, hostile.sids, hostile.sids[0])
        for number in range(rounds):
            hostile.send(wire, number)
            following = Hostile(server.port)
            wire = block(chance, following.sids, following.sids[0])  # while the server is busy
            hostile.finish(number)
            sent += BLOCK
            hostile.leave(ending(chance, hostile.hooked), reset=number % 2 == 0)
            datagrams(chance, server.port, DATAGRAMS // rounds)
            if number % 20 == 0:
                sizes.append(server.memory)
            hostile = following
        hostile.leave(b"", reset=True)
        assert sent == SHARES[skin] and server.process.poll() is None
        out, _ = honest.communicate("end\n", timeout=30)
    finally:
        honest.kill()
        code, _, err = server.end(signal.SIGTERM)
    seen = json.loads(out)
    assert seen == list(range(seen[0], seen[0] + len(seen))) and len(seen) > 100
    assert code == 0 and "Traceback" not in err, err[-3000:]
    # At first it fills what is bounded: tables, encoded values of each type and count, arenas of the allocator.
    half = len(sizes) // 2
    assert max(sizes[half:]) < sizes[half] + 10_000_000 and max(sizes) < sizes[0] + 60_000_000, sizes
