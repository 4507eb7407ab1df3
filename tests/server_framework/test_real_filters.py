"""Filters of channels do what those of a real IOC of EPICS Base do: the same names, the same puts, the same answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server_framework.real import real_ioc
from tests.server_framework.served import serving
from tests.server_framework.test_served import client

pytestmark = pytest.mark.interop

DATABASE = """
record(ao, "p:x") {field(VAL, "1") field(PINI, "YES") field(PREC, "3")}
record(waveform, "p:wf") {field(NELM, "3") field(FTVL, "DOUBLE")}
record(stringout, "p:text") {field(VAL, "abc") field(PINI, "YES")}
record(mbbo, "p:state") {field(ZRST, "one") field(ONST, "two") field(VAL, "1") field(PINI, "YES")}
"""
OURS = '''
from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

class Ioc(PVGroup):
    """The same records."""
    x = pvproperty(value=1.0, record="ao", precision=3)
    wf = pvproperty(value=[0.0], record="waveform", max_length=3)
    text = pvproperty(value="abc", dtype=ChannelType.STRING, record="stringout")
    state = pvproperty(value="two", enum_strings=["one", "two"], record="mbbo", dtype=ChannelType.ENUM)

if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="p:", desc=Ioc.__doc__)
    run(Ioc(**ioc_options).pvdb, **run_options)
'''
FILTERS = [
    '{"ts":{}}', '{"ts":{"num":"dbl"}}', '{"ts":{"num":"sec"}}', '{"ts":{"num":"nsec"}}', '{"ts":{"num":"ts"}}',
    '{"ts":{"num":"dbl","epoch":"unix"}}', '{"ts":{"num":"ts","epoch":"unix"}}', '{"ts":{"num":"sec","epoch":"epics"}}',
    '{"ts":{"str":"epics"}}', '{"ts":{"str":"iso"}}', '{"ts":{"str":"iso","num":"dbl"}}', '{"ts":{"epoch":"unix"}}',
    '{"ts":{"num":"dbl","str":"iso","epoch":"unix"}}', '{ts:{num:"dbl"}}', '{"ts":{"num":"other"}}',
    '{"ts":{"str":"other"}}', '{"ts":{"epoch":"other"}}', '{"ts":{"other":1}}', '{"ts":null}', '{"ts":1}',
    '{"utag":{}}', '{"utag":{"M":255,"V":1}}', '{"utag":{"M":255,"V":0}}', '{"utag":{"M":"0xff","V":"1"}}',
    '{"utag":{"M":-1,"V":0}}', '{"utag":{"M":4294967295}}', '{"utag":{"M":-2147483649}}', '{"utag":{"m":1}}',
    '{"utag":{"M":"abc"}}', '{"utag":{"M":null}}', '{"dec":{"n":2}}', '{"dec":{"n":"2"}}', '{"dec":{"n":2.0}}',
    '{"dec":{}}', '{"dec":{"n":0}}', '{"dbnd":{"abs":1}}', '{"nonsense":{}}', '{"ts":{},"dec":{"n":2}}',
    '{"arr":{"s":1,"e":2},"ts":{"num":"dbl"}}', '{"arr":{"s":1},"ts":{"num":"ts"}}',
    '{"ts":{"num":"ts"},"arr":{"s":1}}', '[1:2]{"ts":{"num":"dbl"}}', '[1:2]{"ts":{}}', '[1:2]',
]  # fmt: skip
READING = (
    f"filters = {FILTERS!r}"
    + """
names = [f"p:{record}.{text}" for record in ("x", "wf", "text", "state") for text in filters]
names += ['p:text.VAL${"ts":{"num":"dbl"}}', 'p:text.VAL${"ts":{"str":"iso"}}']
await caput("p:x", 2, wait=True)
await caput("p:wf", [1.0, 2.0, 3.0], wait=True)
await caput("p:text", "def", wait=True)
await caput("p:state", 0, wait=True)
stamps = {}
for record in ("x", "wf", "text", "state"):
    stamps[record] = (await caget("p:" + record, format=FORMAT_TIME)).raw_stamp

async def ask(name):
    try:
        info = await cainfo(name, timeout=1.5)
    except CANothing:
        return None
    if info.state_strings[info.state] != "connected":
        return None
    value = await caget(name, format=FORMAT_TIME, count=-1)
    text = await caget(name, datatype=DBR_STRING, count=-1)
    moved = value.raw_stamp != stamps[name.split(".")[0][2:]]
    value = value.tolist() if hasattr(value, "tolist") else str(value)
    text = list(text) if hasattr(text, "tolist") else str(text)
    return [int(info.datatype), info.count, info.write, value, text, moved]

answers = await asyncio.gather(*(ask(name) for name in names))
result["stamps"] = stamps
result["answers"] = dict(zip(names, answers))
"""
)
UPDATES = [
    '{"utag":{"M":255,"V":1}}', '{"utag":{"M":255,"V":0}}', '{"utag":{}}', '{"dec":{"n":3}}',
    '{"dec":{"n":2},"dbnd":{"abs":1}}', '{"dbnd":{"abs":1},"dec":{"n":2}}', '{"utag":{"V":1},"dec":{"n":2}}',
    '{"dbnd":{"abs":1.5},"ts":{"num":"nsec"}}', '{"ts":{"num":"dbl"},"dbnd":{"abs":100}}', '{"ts":{"str":"iso"}}',
    '{"ts":{"num":"ts"}}',
]  # fmt: skip
WATCHING = (
    f"filters = {UPDATES!r}"
    + """
seen = {name: [] for name in filters}
subscriptions = []
await caput("p:x", 3, wait=True)
for name, values in seen.items():
    subscriptions.append(camonitor("p:x." + name, values.append, all_updates=True))
watched = []
subscriptions.append(camonitor("p:x", watched.append, all_updates=True))
while not watched or not all(seen.values()):
    await asyncio.sleep(0.01)
for step in range(1, 9):
    await caput("p:x", 3 + step * 0.6, wait=True)
while len(watched) < 9:
    await asyncio.sleep(0.01)
await caget("p:x")
for name, values in seen.items():
    plain = "ts" not in name
    result[name] = [round(float(value), 6) for value in values] if plain else len(values)
for subscription in subscriptions:
    subscription.close()
"""
)


def of_time(answers: dict[str, Any]) -> dict[str, Any]:
    """Answers without what is different every time: a time stamp becomes its distance to the one of the value."""
    told = {}
    for name, answer in answers["answers"].items():
        if answer is not None and "ts" in name:
            seconds, nanoseconds = answers["stamps"][name.split(".")[0][2:]]
            base = seconds - (0 if "unix" in name else 631152000)
            kind, count, write, value, text, moved = answer
            numbers = value if isinstance(value, list) else [value]
            if '"num"' in name or "num:" in name:
                exact = {base: "s", nanoseconds: "ns"}
                numbers = [exact.get(n, "s.ns" if abs(float(n) - base - nanoseconds / 1e9) < 1e-5 else n)
                           if not isinstance(n, str) else "text" for n in numbers]  # fmt: skip
                text = [
                    part.count(".") and len(part.split(".")[1]) for part in ([text] if isinstance(text, str) else text)
                ]
            if '"str"' in name:
                numbers, text = [[c if not c.isdigit() else "0" for c in str(value)]], len(text)
            answer = [kind, count, write, numbers, text, moved]
        told[name] = answer
    return told


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("filters")
    with real_ioc(DATABASE, "p:x", path) as environment:
        real = [client(READING, environment), client(WATCHING, environment)]
    program = path / "ours.py"
    program.write_text(OURS)
    with serving([str(program)], "p:x", path) as (_, environment):
        ours = [client(READING, environment), client(WATCHING, environment)]
    return real, ours


def test_channels_with_filters_are_announced_and_read_alike(both: Any) -> None:
    (real, _), (ours, _) = both
    real, ours = of_time(real), of_time(ours)
    different = {name: (ours[name], answer) for name, answer in real.items() if ours[name] != answer}
    assert not different
    assert sum(answer is None for answer in real.values()) == 4 * 16
    assert ours['p:x.{"ts":{"num":"ts","epoch":"unix"}}'][3] == ["s", "ns"]


def test_the_same_updates_pass(both: Any) -> None:
    (_, real), (_, ours) = both
    assert ours == real
    assert ours['{"utag":{"M":255,"V":1}}'] == [3.0]
