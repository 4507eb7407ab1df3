"""Filters of channels as the server takes them: what is told, and which updates."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from array import array as array_of
from typing import Any

import pytest

import caproto._commands as ca
from caproto import CaprotoValueError
from caproto._data import ChannelDouble
from caproto._data.stamp import Stamp
from caproto._data.view import View, ViewKey
from caproto._filters import ArrayFilter
from caproto.server import PVGroup, pvproperty
from caproto.server._engine import ServerEngine
from caproto.server._filters import server_filters
from tests.server.talk import Client, Loop

VALUE = 1


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (None, ViewKey()),
        ('{"ts":{}}', ViewKey(now=True)),
        ('{"ts":{"epoch":"unix"}}', ViewKey(now=True)),
        ('{"ts":{"num":"sec","epoch":"unix"}}', ViewKey(stamp=Stamp("sec", True))),
        ('{"ts":{"num":"sec","str":"iso"}}', ViewKey(stamp=Stamp("iso"))),
        ('[1:2]{"ts":{"num":"ts"}}', ViewKey(stamp=Stamp("ts"))),
        ('{"ts":{"num":"ts"},"arr":{"s":1}}', ViewKey(ArrayFilter(1, 1, -1), stamp=Stamp("ts"))),
    ],
)
def test_what_is_told(text: str | None, key: ViewKey) -> None:
    assert server_filters(text, False) == (key, ())


@pytest.mark.parametrize(
    "text",
    ['{"ts":{"num":"x"}}', '{"ts":{"str":["iso"]}}', '{"ts":{"x":1}}', '{"utag":{"M":4294967296}}', '{"x":{}}',
     '{"utag":{"m":1}}', '{"dec":{"n":true}}', '{"dec":{"n":1,"m":1}}', '[1]{"arr":{}}', "{"],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(CaprotoValueError):
        server_filters(text, False)


def test_filters_apply_from_left_to_right() -> None:
    class Group(PVGroup):
        x = pvproperty(value=0.0)

    pv: Any = Group(prefix="").x
    passing = {}
    for text in ('{"dec":{"n":2},"dbnd":{"abs":1}}', '{"dbnd":{"abs":1},"dec":{"n":2}}'):
        gates = [make(pv) for make in server_filters(text, False)[1]]
        passing[text] = [v for v in (0.0, 0.5, 1.5, 2.0, 2.5, 3.0) if all(gate.passes(VALUE, v) for gate in gates)]
    assert list(passing.values()) == [[0.0, 1.5], [0.0, 3.0]]


def test_tags_are_those_of_the_record() -> None:
    class Group(PVGroup):
        x = pvproperty(value=0.0, record="ai")

    async def job() -> None:
        pv: Any = Group(prefix="").x
        (gate,) = (make(pv) for make in server_filters('{"utag":{"M":"0x0f","V":3}}', False)[1])
        told = [gate.passes(VALUE, 1.0)]
        for tag in (3.0, 0xF3, 2.0):
            await pv.get_field("UTAG").write(tag)
            told.append(gate.passes(VALUE, 1.0))
        assert told == [False, True, True, False]

    asyncio.run(job())


@pytest.mark.parametrize(("form", "told"), [("dbl", [1.5]), ("sec", [1.0]), ("nsec", [5e8]), ("ts", [1.0, 5e8])])
def test_numbers_of_a_time_stamp(form: str, told: list[float]) -> None:
    assert Stamp(form).numbers((1, 500_000_000)) == told
    assert Stamp(form, unix=True).numbers((1, 500_000_000))[0] == told[0] + (0 if form == "nsec" else 631152000)


def test_texts_of_a_time_stamp() -> None:
    assert Stamp("epics").text((0, 0)) == "<undefined>"
    assert Stamp("iso").text((1164428609, 999_999_900))[10] == "T"
    assert Stamp("epics").text((1164428609, 999_999_900)).endswith(":29.999999")
    # EPICS Base reads a number as far as there is one.
    assert Stamp("iso").elements_as(6, (1164428609, 0), 3) == [2026.0]
    with pytest.raises(CaprotoValueError):
        Stamp("iso").elements_as(4, (1164428609, 0), 3)


def client_of_a_large_array() -> tuple[Client, ChannelDouble]:
    data = ChannelDouble(value=array_of("d", range(1, 10_001)), max_length=10_000)
    return Client(ServerEngine({"large": data}, port=5555, spawn=Loop().spawn)), data


def read(client: Client, sid: int, count: int = 0) -> Any:
    (reply,) = client.ask(ca.ReadNotifyRequest(6, count, sid, 1))
    return reply.data


def test_names_that_clients_make_up_leave_nothing_behind() -> None:
    """Of 200 filters on 80 kB nothing is kept that was encoded, nor a view whose channels are gone."""
    client, data = client_of_a_large_array()

    def views() -> int:
        return sum(isinstance(each, View) and each.data is data for each in gc.get_objects())

    read(client, client.create("large"))
    tracemalloc.start()
    try:
        sids = [client.create(f"large.[{number}:9000]") for number in range(200)]
        assert all(read(client, sid)[-1] == 9001 for sid in sids)
        assert views() == 201
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
    for sid in sids:
        client.ask(ca.ClearChannelRequest(sid, 1))
    assert views() == 1


def test_two_encodings_of_a_large_value_are_kept() -> None:
    client, data = client_of_a_large_array()
    sid = client.create("large")
    for count in range(9_000, 9_020):
        assert len(read(client, sid, count)) == count
        assert len(data.view().cache) <= 2
