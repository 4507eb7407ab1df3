"""Bytes that no honest client sends: the server neither breaks nor grows, and other clients do not notice."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest

import caproto._commands as ca
from caproto._data import ChannelChar, ChannelDouble, ChannelEnum, ChannelInteger, ChannelString
from caproto._enums import SERVER
from caproto.server._engine import ServerEngine
from tests import golden
from tests.server.talk import Client, Loop

RECORDED = [vector.wire for vector in golden.tcp("client") if len(vector.wire) < 2000]
RECORDED += [bytes.fromhex(raw["hex"]) for raw in golden.hazards()]
INTERESTING = (0, 1, 2, 7, 8, 15, 16, 36, 38, 39, 40, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
WIDE = (*INTERESTING, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFE8, 0xFFFFFFF8, 0xFFFFFFFF)
SEEDS = range(40)
MESSAGES = 150


def pvs() -> dict[str, Any]:
    return {
        "double": ChannelDouble(value=1.5),
        "array": ChannelInteger(value=[1, 2, 3], max_length=100),
        "enum": ChannelEnum(value="on", enum_strings=["off", "on"]),
        "text": ChannelString(value="hello"),
        "long": ChannelChar(value="hello", max_length=100),
    }


def message(chance: random.Random, sids: list[int]) -> bytes:
    kind = chance.random()
    if kind < 0.2:
        wire = bytearray(chance.choice(RECORDED))
        for _ in range(chance.randrange(3)):
            if wire:
                wire[chance.randrange(len(wire))] = chance.randrange(256)
        return bytes(wire)
    payload = chance.randbytes(8 * chance.randrange(8))
    if kind < 0.3:
        payload = struct.pack(">fffHH", 0, 0, 0, chance.choice((0, 1, 5, 15, 255, 256)), 0)
    # Mostly requests for channels that exist, so that they get far.
    command = chance.choice((1, 1, 2, 3, 4, 4, 12, 15, 15, 15, 18, 19, 19, chance.randrange(28)))
    sid = chance.choice(sids) if chance.random() < 0.9 else chance.choice(WIDE)
    data_type = chance.randrange(41) if chance.random() < 0.9 else chance.choice(INTERESTING)
    count = chance.choice((0, 1, 2, 3, 40, chance.choice(WIDE)))
    if command == 18:
        payload = chance.choice([b"double\0\0", b"array.[1:2]\0\0\0\0\0", b"long.VAL$\0\0\0\0\0\0\0", payload])
    if count > 0xFFFE or chance.random() < 0.2:
        head = struct.pack(">HHHHIIII", command, 0xFFFF, data_type, 0, sid, chance.choice(WIDE), len(payload), count)
        return head + payload
    return struct.pack(">HHHHII", command, len(payload), data_type, count, sid, chance.choice(WIDE)) + payload


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_sent_the_answers_are_sound(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    loop, pvdb = Loop(), pvs()
    engine = ServerEngine(pvdb, port=5064, spawn=loop.spawn)
    honest = Client(engine)
    sid = honest.create("array")
    for _ in range(4):
        hostile = Client(engine)
        sids = [hostile.create(name, cid) for cid, name in enumerate(pvdb)]
        for _ in range(MESSAGES):
            wire = message(chance, sids)
            for piece in (wire[: len(wire) // 2], wire[len(wire) // 2 :]):
                hostile.circuit.receive(piece)
            hostile.answers()  # the parser of a client takes all of it
            assert hostile.parser.error is None
            assert hostile.circuit.output.size < 2_000_000
            if hostile.circuit.closing:
                break
        (answer,) = honest.ask(ca.ReadNotifyRequest(5, 2, sid, 7))
        assert (answer.ioid, answer.status.name) == (7, "ECA_NORMAL")
        hostile.circuit.disconnected()
    assert set(honest.circuit.channels) == {sid} and engine.channel_count == 1 and engine.circuits == {honest.circuit}
    assert not any(data._subscriptions for data in pvdb.values())
    assert not caplog.records  # a client cannot fill the log


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_datagram_comes(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    engine = ServerEngine(pvs(), port=5064, spawn=Loop().spawn)
    good = bytes(ca.VersionRequest(0, 13)) + bytes(ca.SearchRequest("double", 3, 13))
    for _ in range(200):
        wire = bytearray(
            chance.choice([good, good * 3, chance.randbytes(chance.randrange(60)), chance.choice(RECORDED)])
        )
        for _ in range(chance.randrange(4)):
            if wire:
                wire[chance.randrange(len(wire))] = chance.randrange(256)
        for answer in engine.datagram(bytes(wire[: chance.randrange(len(wire) + 1)]), ("127.0.0.1", 9)):
            assert len(answer) <= 1024 and all(len(bytes(c)) for c in ca.read_datagram(answer, None, SERVER))
    assert not caplog.records


@pytest.mark.parametrize("raw", golden.hazards(), ids=lambda raw: raw["name"])
def test_recorded_hazards(raw: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    engine = ServerEngine(pvs(), port=5064, spawn=Loop().spawn)
    honest, hostile = Client(engine), Client(engine)
    for name in pvs():
        hostile.create(name)
    hostile.circuit.receive(bytes.fromhex(raw["hex"]))
    hostile.answers()
    assert hostile.parser.error is None
    assert honest.ask(ca.EchoRequest()) == [ca.EchoResponse()]
    assert not caplog.records


def test_a_payload_that_is_only_claimed_takes_no_memory() -> None:
    engine = ServerEngine(pvs(), port=5064, spawn=Loop().spawn)
    client = Client(engine)
    sid = client.create("array")
    head = struct.pack(">HHHHIIII", 19, 0xFFFF, 5, 0, sid, 8, 0xFFFFFFE8, 0x3FFFFFFA)
    client.circuit.receive(head + bytes(1000))
    assert len(client.circuit.get_buffer()) < 1 << 20
    assert not client.circuit.closing
