"""Filters of channels as the server takes them: what is told, and which updates."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from caproto import CaprotoValueError
from caproto._data.stamp import Stamp
from caproto._data.view import ViewKey
from caproto._filters import ArrayFilter
from caproto.server import PVGroup, pvproperty
from caproto.server._filters import server_filters

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
