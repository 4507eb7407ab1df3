"""Fields that decide what a record does when it is processed act as those of EPICS Base."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from caproto import AlarmSeverity, AlarmStatus, CaprotoValueError, ChannelType
from caproto.server import PVGroup, SubGroup, pvproperty, records
from tests.server_framework.layer import Layer, run
from tests.server_framework.real import real_ioc
from tests.server_framework.served import serving
from tests.server_framework.test_served import client


class Inner(PVGroup):
    last = pvproperty(value=0.0, record="ao")

    @last.putter
    async def last(self, instance: Any, value: Any) -> Any:
        return value + 1


class Group(PVGroup):
    first = pvproperty(value=0.0, record="ao")
    second = pvproperty(value=0.0, record="ao")
    switch = pvproperty(value=False, record="bo")
    inner = SubGroup(Inner, prefix="in:")

    @first.putter
    async def first(self, instance: Any, value: Any) -> Any:
        return value + 1

    @second.putter
    async def second(self, instance: Any, value: Any) -> Any:
        if value >= 3:
            raise ValueError("too many")
        return value + 1


def states(*pvs: Any) -> list[Any]:
    return [pv.value for pv in pvs]


def test_forward_links_process_the_next_record_and_a_circle_ends() -> None:
    async def job() -> None:
        ioc = Group(prefix="p:")
        await ioc.first.get_field("FLNK").write("p:second.PROC CA")
        await ioc.second.get_field("FLNK").write("p:in:last")
        await ioc.inner.last.get_field("FLNK").write("p:first")
        await ioc.first.write(10.0)
        assert states(ioc.first, ioc.second, ioc.inner.last) == [11.0, 1.0, 1.0]
        await ioc.second.get_field("PROC").write(1)
        assert states(ioc.first, ioc.second, ioc.inner.last) == [12.0, 2.0, 2.0]
        await ioc.first.get_field("FLNK").write("elsewhere")
        await ioc.first.write(20.0)
        assert states(ioc.first, ioc.second) == [21.0, 2.0]

    run(job())


def test_a_record_at_the_end_of_a_link_that_fails_is_in_alarm() -> None:
    async def job() -> None:
        ioc = Group(prefix="p:")
        await ioc.first.get_field("FLNK").write("p:second")
        for number in range(4):
            await ioc.first.write(float(number))
        assert states(ioc.first, ioc.second) == [4.0, 3.0]
        assert ioc.second.alarm.status == AlarmStatus.SCAN
        assert ioc.first.alarm.status == AlarmStatus.NO_ALARM

    run(job())


def test_the_links_of_two_writes_at_once_are_both_followed() -> None:
    class Slow(PVGroup):
        one = pvproperty(value=0.0, record="ao")
        two = pvproperty(value=0.0, record="ao")

        @two.putter
        async def two(self, instance: Any, value: Any) -> Any:
            await asyncio.sleep(0)
            return self.one.value

    async def job() -> None:
        ioc = Slow(prefix="p:")
        await ioc.one.get_field("FLNK").write("p:two")
        await asyncio.gather(ioc.one.write(1.0), ioc.one.write(2.0))
        assert ioc.two.value == 2.0

    run(job())


def test_pini_processes_at_the_start() -> None:
    class WithPini(records.AoFields):
        _record_type = "ao"
        process_at_iocinit = pvproperty(name="PINI", value="YES", dtype=ChannelType.ENUM, enum_strings=["NO", "YES"])

    class Starting(PVGroup):
        quiet = pvproperty(value=0.0, record="ao")
        written = pvproperty(value=0.0, record="ao")
        declared = pvproperty(value=0.0, record=WithPini)

        @quiet.putter
        async def quiet(self, instance: Any, value: Any) -> Any:
            return value + 1

        @written.putter
        async def written(self, instance: Any, value: Any) -> Any:
            return value + 1

        @declared.putter
        async def declared(self, instance: Any, value: Any) -> Any:
            return value + 1

    async def job() -> None:
        ioc = Starting(prefix="p:")
        await ioc.written.get_field("PINI").write("RUNNING")
        scanning = asyncio.ensure_future(ioc.quiet.server_scan(Layer()))
        while ioc.declared.value < 1:
            await asyncio.sleep(0)
        scanning.cancel()
        assert states(ioc.quiet, ioc.written, ioc.declared) == [0.0, 1.0, 1.0]
        assert ioc.quiet._field_inst is None

    run(job())


def test_a_record_that_another_one_disables_is_not_processed() -> None:
    async def job() -> None:
        ioc = Group(prefix="p:")
        await ioc.first.get_field("SDIS").write("p:switch NPP NMS")
        await ioc.first.get_field("DISS").write("MINOR")
        await ioc.first.get_field("PROC").write(1)
        await ioc.switch.write("On")
        await ioc.first.get_field("PROC").write(1)
        assert (ioc.first.value, ioc.first.get_field("DISA").value) == (1.0, 1)
        assert (ioc.first.alarm.status, ioc.first.alarm.severity) == (AlarmStatus.DISABLE, AlarmSeverity.MINOR_ALARM)
        await ioc.first.write(7.0)  # stored, and nothing is done with it
        assert ioc.first.value == 7.0
        await ioc.switch.write("Off")
        await ioc.first.get_field("PROC").write(1)
        assert (ioc.first.value, ioc.first.alarm.status) == (8.0, AlarmStatus.NO_ALARM)

    run(job())


def test_a_scan_hook_that_the_fields_rule_pauses_while_the_record_is_disabled() -> None:
    class Scanned(PVGroup):
        x = pvproperty(value=0, record="ai")
        y = pvproperty(value=0, record="ai")

        @x.scan(period=1.0, use_scan_field=True)
        async def x(self, instance: Any, async_lib: Any) -> None:
            await instance.write(instance.value + 1)
            if instance.value == 2:
                await instance.get_field("DISA").write(1)

        @y.scan(period=1.0)
        async def y(self, instance: Any, async_lib: Any) -> None:
            await instance.write(instance.value + 1)

    class NoWait(asyncio.Event):
        async def wait(self, timeout: float | None = None) -> bool:  # type: ignore[override]
            await asyncio.sleep(0)
            return False

    class Quick(Layer):
        Event = NoWait

    async def job() -> None:
        ioc = Scanned(prefix="")
        await ioc.y.get_field("DISA").write(1)
        scanning = asyncio.ensure_future(ioc.x.server_scan(Quick()))
        while ioc.x.alarm.status != AlarmStatus.DISABLE:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert ioc.x.value == 2
        await ioc.x.get_field("DISA").write(0)
        while ioc.x.value < 4:
            await asyncio.sleep(0)
        assert ioc.x.alarm.status == AlarmStatus.NO_ALARM
        scanning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ioc.y.server_scan(Layer(stop_after=3))
        assert ioc.y.value == 3  # whose hook looks at no field

    run(job())


def test_clients_may_not_write_while_disp_is_set() -> None:
    async def put(pv: Any, value: Any) -> None:
        await pv.auth_write("host", "user", [value], ChannelType.DOUBLE, None)

    async def job() -> None:
        pv = Group(prefix="p:").first
        high = pv.get_field("HIGH")
        await put(pv.get_field("DISP"), 1)
        for target in (pv, high, pv.get_field("LOW"), pv.get_field("PROC")):
            with pytest.raises(CaprotoValueError, match=r"p:first.* DISP"):
                await put(target, 1)
        await pv.write(1.0)  # the IOC itself may
        await put(pv.get_field("DISP"), 0)
        await put(high, 5)
        await put(pv, 4)
        assert (pv.value, high.value) == (5.0, 5.0)

    run(job())


# The same for both: what a client does, and sees.
DATABASE = """
record(ao, "p:pini") {field(VAL, "2") field(PINI, "YES") field(HIHI, "1") field(HHSV, "MAJOR")}
record(ao, "p:first") {field(VAL, "1") field(PINI, "YES") field(FLNK, "p:second")}
record(ai, "p:second") {}
record(ao, "p:limits") {
    field(VAL, "1") field(HIHI, "9") field(HIGH, "5") field(LOW, "-5") field(LOLO, "-9") field(PINI, "YES")
    field(HHSV, "MAJOR") field(HSV, "MINOR") field(LSV, "MINOR") field(LLSV, "MAJOR")
}
record(bo, "p:bo") {field(ZNAM, "Off") field(ONAM, "On") field(VAL, "0") field(PINI, "YES")}
record(mbbo, "p:mbbo") {field(ZRST, "one") field(ONST, "two") field(VAL, "0") field(PINI, "YES")}
"""
OURS = '''
from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

class Ioc(PVGroup):
    """The same records."""
    pini = pvproperty(value=2.0, record="ao", upper_alarm_limit=1.0, lower_alarm_limit=0.0)
    first = pvproperty(value=1.0, record="ao")
    second = pvproperty(value=0.0, record="ai")
    limits = pvproperty(value=1.0, record="ao", upper_alarm_limit=9.0, upper_warning_limit=5.0,
                        lower_warning_limit=-5.0, lower_alarm_limit=-9.0)
    bo = pvproperty(value="Off", enum_strings=["Off", "On"], record="bo", dtype=ChannelType.ENUM)
    mbbo = pvproperty(value="one", enum_strings=["one", "two"], record="mbbo", dtype=ChannelType.ENUM)

    @pini.startup
    async def pini(self, instance, async_lib):
        await instance.get_field("PINI").write("YES")
        await self.first.get_field("FLNK").write("p:second")

if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="p:", desc=Ioc.__doc__)
    run(Ioc(**ioc_options).pvdb, **run_options)
'''
CONVERSATION = """
async def look(record, *fields):
    return [await caget(f"{record}.{field}") for field in fields or ("VAL", "SEVR", "STAT")]

async def steps(name, record, *puts):
    shown = result[name] = []
    for field, value in puts:
        shown.append(await fails(f"{record}.{field}", value))
        shown.append(await look(record))

await asyncio.sleep(0.3)
result["pini"] = await look("p:pini", "UDF", "SEVR", "STAT")
await steps("disp", "p:first", ("DISP", 1), ("VAL", 2), ("HIGH", 2), ("PROC", 1), ("UDF", 1), ("DISP", 0), ("VAL", 3))
result["rights"] = (await cainfo("p:first")).write
result["high"] = await caget("p:first.HIGH")
result["stamps"] = float((await caget("p:second", format=FORMAT_TIME)).timestamp) >= float(
    (await caget("p:first", format=FORMAT_TIME)).timestamp)
await steps("disabled", "p:first", ("DISA", 1), ("VAL", 5), ("DISS", "MAJOR"), ("VAL", 6), ("PROC", 1), ("DISV", 0),
            ("PROC", 1), ("DISA", 0), ("PROC", 1), ("DISV", 1), ("PROC", 1))
await steps("undefined", "p:first", ("UDF", 1), ("VAL", 8))
result["defined"] = await look("p:first", "UDF", "PROC")
await steps("limits", "p:limits", ("VAL", 10), ("HHSV", "MINOR"), ("HHSV", "NO_ALARM"), ("HSV", "INVALID"),
            ("HIGH", 11), ("HSV", "MAJOR"), ("VAL", 12), ("HIGH", 5), ("LSV", "MAJOR"), ("VAL", -6), ("LOW", -7),
            ("LLSV", "MINOR"), ("VAL", -10), ("VAL", 0))
await steps("states", "p:bo", ("VAL", 1), ("OSV", "MAJOR"), ("VAL", 0), ("ZSV", "MINOR"), ("OSV", "NO_ALARM"),
            ("VAL", 1))
await steps("more states", "p:mbbo", ("VAL", 1), ("ONSV", "INVALID"), ("VAL", 0), ("ZRSV", "MINOR"), ("VAL", 1),
            ("ONSV", "NO_ALARM"))
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with real_ioc(DATABASE, "p:pini", tmp_path_factory.mktemp("real")) as environment:
        return client(CONVERSATION, environment)


@pytest.mark.interop
@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_clients_see_what_they_see_of_a_real_record(skin: str, real: dict[str, Any], tmp_path: Path) -> None:
    if importlib.util.find_spec(skin) is None:
        pytest.skip(f"no {skin}")
    program = tmp_path / "ours.py"
    program.write_text(OURS)
    with serving([str(program), "--async-lib", skin], "p:pini", tmp_path) as (_, environment):
        ours = client(CONVERSATION, environment)
    assert real["pini"] == [0, 2, 3]
    for name, seen in real.items():
        assert ours[name] == seen, name


def test_a_record_that_ends_the_scan_of_another_leaves_nothing_to_wait_for() -> None:
    rounds = 0

    class Pair(PVGroup):
        ending = pvproperty(value=0.0, record="ao")
        other = pvproperty(value=0.0, record="ao")

        @ending.putter
        async def ending(self, instance: Any, value: Any) -> Any:
            if not value:
                await self.other.get_field("SCAN").write("Passive")
            return value + 1

    class Counted(Layer.Event):  # type: ignore[misc, name-defined]
        async def wait(self, timeout: float | None = None) -> bool:
            nonlocal rounds
            rounds += 1
            if rounds > 6:
                raise asyncio.CancelledError
            return bool(await super().wait(timeout))

    class Bounded(Layer):
        Event = Counted

    async def job() -> None:
        ioc = Pair(prefix="p:")
        for pv in (ioc.ending, ioc.other):
            await pv.get_field("SCAN").write(".1 second")
        with pytest.raises(asyncio.CancelledError):
            await ioc.ending.server_scan(Bounded())
        # One round begins, another one is because of the change; in all others there was something to do.
        assert states(ioc.ending, ioc.other) == [5.0, 0.0]

    run(job())
