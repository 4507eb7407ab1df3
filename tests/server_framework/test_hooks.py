"""What hooks do to reads and writes, and what a server finds to run."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from collections.abc import Coroutine
from typing import Any

import pytest

import caproto
from caproto import AlarmSeverity, AlarmStatus, ChannelType, SkipWrite
from caproto.server import (
    AsyncLibraryLayer,
    PVGroup,
    PVSpec,
    SubGroup,
    get_pv_pair_wrapper,
    pvfunction,
    pvproperty,
    records,
    scan_wrapper,
)

LONG = ChannelType.LONG


class Event(asyncio.Event):
    async def wait(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        try:
            await asyncio.wait_for(super().wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return True


class Layer(AsyncLibraryLayer):
    """asyncio with a clock that jumps: each sleep is noted and takes no time."""

    name = "asyncio"
    library = asyncio
    Event = Event

    def __init__(self, stop_after: int = 1000) -> None:
        self.slept: list[float] = []
        self.stop_after = stop_after

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= self.stop_after:
            raise asyncio.CancelledError
        await asyncio.sleep(0)


def run(job: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(job, 20)

    return asyncio.run(bounded())


class Hooked(PVGroup):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[Any] = []

    replaced = pvproperty(value=1)
    kept = pvproperty(value=1)
    skipped = pvproperty(value=1)
    refused = pvproperty(value=1)
    read = pvproperty(value=1)
    both = pvproperty(value=1)

    @replaced.putter
    async def replaced(self, instance: Any, value: Any) -> Any:
        return value * 2

    @kept.putter
    async def kept(self, instance: Any, value: Any) -> None:
        self.calls.append((instance, instance.value, value))

    @skipped.putter
    async def skipped(self, instance: Any, value: Any) -> None:
        raise SkipWrite

    @refused.putter
    async def refused(self, instance: Any, value: Any) -> None:
        raise ValueError("no")

    @read.getter
    async def read(self, instance: Any) -> Any:
        return instance.value + 1 if instance.value < 5 else None

    @both.getter
    async def both(self, instance: Any) -> Any:
        return 7

    @both.putter
    async def both(self, instance: Any, value: Any) -> None:
        self.calls.append(value)


def value_of(answer: Any) -> Any:
    return answer[1][0]


def test_a_putter_replaces_keeps_skips_or_refuses() -> None:
    async def job() -> None:
        group = Hooked(prefix="")
        await group.replaced.write(4)
        await group.kept.write(4)
        await group.skipped.write(4)
        with pytest.raises(ValueError, match="no"):
            await group.refused.write(4)
        assert (group.replaced.value, group.kept.value, group.skipped.value, group.refused.value) == (8, 4, 1, 1)
        assert group.calls == [(group.kept, 1, 4)]

    run(job())


def test_writes_of_clients_run_the_putter() -> None:
    async def job() -> None:
        group = Hooked(prefix="")
        await group.replaced.auth_write("host", "user", [4], LONG, None)
        assert group.replaced.value == 8
        await group.replaced.auth_write("host", "user", [b"5"], ChannelType.STRING, None)
        assert group.replaced.value == 10

    run(job())


def test_a_getter_gives_the_value_of_every_read() -> None:
    async def job() -> None:
        group = Hooked(prefix="")
        assert [value_of(await group.read.read(LONG)) for _ in range(6)] == [2, 3, 4, 5, 5, 5]
        assert not group.read.reads_at_once
        assert group.kept.reads_at_once

    run(job())


def test_reading_does_not_run_the_putter() -> None:
    async def job() -> None:
        group = Hooked(prefix="")
        assert value_of(await group.both.read(LONG)) == 7
        assert group.calls == []
        assert group.both.value == 7

    run(job())


def test_a_pvproperty_is_a_decorator_of_getters() -> None:
    class Group(PVGroup):
        @pvproperty(value=3, read_only=True)
        async def a(self, instance: Any) -> int:
            """Nine."""
            return 9

        @pvproperty
        async def b(self, instance: Any) -> int:
            return 8

    async def job() -> None:
        group = Group(prefix="")
        assert [value_of(await pv.read(LONG)) for pv in (group.a, group.b)] == [9, 8]
        assert Group.a.__doc__ == "Nine."

    run(job())


def test_hooks_of_the_group_serve_pvs_without_their_own() -> None:
    class Group(PVGroup):
        a = pvproperty(value=1)
        b = pvproperty(value=1)

        @b.putter
        async def b(self, instance: Any, value: Any) -> None: ...

        async def group_write(self, instance: Any, value: Any) -> Any:
            return value + 10

        async def group_read(self, instance: Any) -> Any:
            return 77

    async def job() -> None:
        group = Group(prefix="")
        await group.a.write(2)
        await group.b.write(2)
        assert (group.a.value, group.b.value) == (12, 2)
        assert value_of(await group.a.read(LONG)) == 77

    run(job())


def test_switches_are_names_numbers_and_truths() -> None:
    class Group(PVGroup):
        on = pvproperty(value=True)

        @on.putter
        async def on(self, instance: Any, value: Any) -> None:
            seen.append((bool(value), str(value), int(value)))

    async def job() -> None:
        pv = Group(prefix="").on
        assert pv.value
        for given in ("Off", 1, False, "On"):
            await pv.write(given)
        await pv.auth_write("host", "user", [0], ChannelType.ENUM, None)
        value = pv.value
        assert not value and value == "Off" and value == 0 and value == False and value != "On"  # noqa: E712
        assert (json.dumps(value), pickle.loads(pickle.dumps(value)), {value: 1}["Off"]) == ('"Off"', value, 1)
        assert value_of(await pv.read(ChannelType.ENUM)) == 0
        assert bytes(value_of(await pv.read(ChannelType.STRING))).rstrip(b"\0") == b"Off"

    seen: list[Any] = []
    run(job())
    off, on = (False, "Off", 0), (True, "On", 1)
    assert seen == [off, on, off, on, off]


def test_hooks_without_a_group() -> None:
    async def put(group: Any, instance: Any, value: Any) -> Any:
        assert group is None
        return value + 1

    async def job() -> None:
        pv = PVSpec(name="x", value=1, put=put).create(None)
        await pv.write(3)
        assert pv.value == 4

    run(job())


pair = get_pv_pair_wrapper()


def test_pairs() -> None:
    class Group(PVGroup):
        follows = pair(value=1.0)
        hooked = pair(value=1.0)
        put = pair(value=1.0, put=None)

        @hooked.setpoint.putter
        async def hooked(obj: Any, instance: Any, value: Any) -> None:
            await obj.readback.write(value / 2)

    async def job() -> None:
        group = Group(prefix="p:")
        await group.follows.setpoint.write(3.0)
        await group.hooked.setpoint.write(3.0)
        assert {name: pv.value for name, pv in group.pvdb.items()} == {
            "p:follows": 3.0,
            "p:follows_RBV": 3.0,
            "p:hooked": 3.0,
            "p:hooked_RBV": 1.5,
            "p:put": 1.0,
            "p:put_RBV": 1.0,
        }

    run(job())


def test_hooks_from_outside_leave_the_class_of_a_subgroup_alone() -> None:
    class Inner(PVGroup):
        x = pvproperty(value=1)

    class Group(PVGroup):
        one = SubGroup(Inner)
        two = SubGroup(Inner)

        @one.x.putter
        async def one(self, instance: Any, value: Any) -> Any:
            return value * 2

    async def job() -> None:
        group = Group(prefix="")
        await group.one.x.write(4)
        await group.two.x.write(4)
        assert (group.one.x.value, group.two.x.value) == (8, 4)
        assert isinstance(group.one, Inner)

    run(job())


def test_functions() -> None:
    class Group(PVGroup):
        @pvfunction(default=-1)
        async def add(self, low: int = 1, high: int = 2) -> int:
            """Add."""
            if low > high:
                raise ValueError("low > high")
            return low + high

    async def job() -> None:
        group = Group(prefix="")
        assert group.add.retval.value == -1
        await group.add.low.write(2)
        await group.add.Process.write(1)
        assert (group.add.retval.value, group.add.status.value) == (4, "Success")
        await group.add.low.write(9)
        with pytest.raises(ValueError, match="low > high"):
            await group.add.Process.write(1)
        assert (group.add.retval.value, group.add.status.value) == (4, "ValueError: low > high")

    run(job())


# Jobs of a server ---------------------------------------------------------------------------------


class Jobs(PVGroup):
    log_of_jobs: list[str]

    none = pvproperty(value=1)
    plain_record = pvproperty(value=1.0, record="ai")
    some = pvproperty(value=1.0, record="ai")

    @some.startup
    async def some(self, instance: Any, async_lib: Any) -> None:
        self.log_of_jobs.append(f"startup {instance.pvname}")
        await async_lib.sleep(0)

    @some.shutdown
    async def some(self, instance: Any, async_lib: Any) -> None:
        self.log_of_jobs.append(f"shutdown {instance.pvname}")

    @some.fields.high_alarm_limit.startup
    async def some(fields: Any, instance: Any, async_lib: Any) -> None:
        fields.log_of_jobs.append(f"startup {instance.pvname}")

    @some.fields.LOW.putter
    async def some(fields: Any, instance: Any, value: Any) -> Any:
        fields.log_of_jobs.append(type(fields))
        return value + 1


def test_jobs_of_a_pv_and_its_fields() -> None:
    async def job() -> None:
        group = Jobs(prefix="p:")
        group.log_of_jobs = []
        for pv in (group.none, group.plain_record):
            assert pv.server_startup is pv.server_shutdown is None
            assert pv._field_inst is None
        assert group.none.server_scan is group.some.server_scan is None
        await group.some.server_startup(Layer())
        assert sorted(group.log_of_jobs) == ["startup p:some", "startup p:some.HIGH"]
        await group.some.server_shutdown(Layer())
        assert group.log_of_jobs[-1] == "shutdown p:some"

    run(job())


def test_hooks_of_fields_get_the_fields() -> None:
    async def job() -> None:
        group = Jobs(prefix="p:")
        group.log_of_jobs = []
        await group.some.get_field("LOW").write(3.0)
        assert group.log_of_jobs == [records.AiFields]
        assert group.some.get_field("LOW").value == 4.0
        # The user's hook does not replace what the field is for.
        assert group.some.lower_warning_limit == 4.0

    run(job())


def test_a_scan_repeats_and_survives_errors(caplog: pytest.LogCaptureFixture) -> None:
    class Group(PVGroup):
        x = pvproperty(value=0)

        @x.scan(period=0.5, subtract_elapsed=False)
        async def x(self, instance: Any, async_lib: Any) -> None:
            await instance.write(instance.value + 1)
            if instance.value == 2:
                raise ValueError("at two")
            assert instance.value != 3 or instance.severity == AlarmSeverity.MAJOR_ALARM

    async def job() -> None:
        group, layer = Group(prefix=""), Layer(stop_after=4)
        with pytest.raises(asyncio.CancelledError):
            await group.x.server_scan(layer)
        assert layer.slept == [0.5] * 4
        assert group.x.value == 4
        assert group.x.severity == AlarmSeverity.NO_ALARM

    with caplog.at_level(logging.ERROR):
        run(job())
    assert "x: the scan hook failed" in caplog.text
    assert "at two" in caplog.text


def test_a_scan_may_stop_on_errors() -> None:
    class Group(PVGroup):
        x = pvproperty(value=0)

        @x.scan(period=0.5, stop_on_error=True, failure_severity=AlarmSeverity.MINOR_ALARM)
        async def x(self, instance: Any, async_lib: Any) -> None:
            raise ValueError("at once")

    async def job() -> None:
        group = Group(prefix="")
        with pytest.raises(ValueError, match="at once"):
            await group.x.server_scan(Layer())
        assert (group.x.status, group.x.severity) == (AlarmStatus.SCAN, AlarmSeverity.MINOR_ALARM)

    run(job())


def test_the_time_of_a_run_is_part_of_the_period() -> None:
    async def scan(group: Any, instance: Any, async_lib: Any) -> None: ...

    async def job() -> None:
        layer = Layer(stop_after=3)
        with pytest.raises(asyncio.CancelledError):
            await scan_wrapper(scan, 0.5)(None, None, layer)
        assert all(0.3 < seconds < 0.5 for seconds in layer.slept)

    run(job())
    with pytest.raises(ValueError, match="period=0 s is not positive"):
        scan_wrapper(scan, 0)


def test_the_field_scan_rules() -> None:
    class Group(PVGroup):
        x = pvproperty(value=0.0, record="ai")

        @x.scan(period=0.01, use_scan_field=True)
        async def x(self, instance: Any, async_lib: Any) -> None:
            await instance.write(instance.value + 1)
            if instance.value == 1:
                choices.append(instance.get_field("SCAN").value)
            if instance.value == 3:
                await instance.field_inst.scan_rate.write("Passive")
                passive.set()

    async def job() -> None:
        nonlocal passive
        passive = asyncio.Event()
        group = Group(prefix="")
        task = asyncio.ensure_future(group.x.server_scan(Layer()))
        await passive.wait()
        assert choices == ["Passive"]  # there is no choice of 0.01 s
        for _ in range(20):
            await asyncio.sleep(0)
        assert group.x.value == 3
        assert group.x.field_inst.scan_rate_sec is None
        await group.x.get_field("SCAN").write(".1 second")
        assert group.x.field_inst.scan_rate_sec == 0.1
        while group.x.value < 4:
            await asyncio.sleep(0)
        task.cancel()

    passive: Any = None
    choices: list[str] = []
    run(job())


def test_the_field_scan_shows_the_period_of_the_hook() -> None:
    class Group(PVGroup):
        x = pvproperty(value=0.0, record="ai")

        @x.scan(period=0.5, use_scan_field=True)
        async def x(self, instance: Any, async_lib: Any) -> None:
            assert instance.get_field("SCAN").value == ".5 second"
            raise asyncio.CancelledError

    async def job() -> None:
        with pytest.raises(asyncio.CancelledError):
            await Group(prefix="").x.server_scan(Layer())

    run(job())


def test_states() -> None:
    class Group(PVGroup):
        inner = SubGroup({"x": pvproperty(value=1)})

    changes = []

    async def job() -> None:
        group = Group(prefix="")
        pv = group.inner.x
        pv.pre_state_change = lambda state, value: changes.append(("pre", state, value, dict(group.states)))
        pv.post_state_change = lambda state, value: changes.append(("post", state, value, dict(group.states)))
        async with group.inner.update_state("beam", True):
            assert group.states == {"beam": True}
        assert group.states == {"beam": True}

    run(job())
    assert changes == [("pre", "beam", True, {}), ("post", "beam", True, {"beam": True})]


# Records ------------------------------------------------------------------------------------------


def fields_of(pv: Any, *names: str) -> list[Any]:
    return [pv.get_field(name).value for name in names]


class Records(PVGroup):
    ai = pvproperty(value=1.0, record="ai", units="mm", precision=3, upper_alarm_limit=10.0, upper_warning_limit=8.0)
    mbbo = pvproperty(value="one", record="mbbo", enum_strings=["one", "two"])
    wave = pvproperty(value=[1.0, 2.0], record="waveform", max_length=5)
    counted = pvproperty(value=0.0, record="ao")

    @counted.putter
    async def counted(self, instance: Any, value: Any) -> Any:
        return value + 1


def test_metadata_and_its_fields_are_one() -> None:
    async def job() -> None:
        pv = Records(prefix="").ai
        assert fields_of(pv, "EGU", "PREC", "HIHI", "HIGH") == ["mm", 3, 10.0, 8.0]
        await pv.get_field("EGU").write("cm")
        await pv.get_field("PREC").write(5)
        await pv.get_field("HOPR").write(50.0)
        await pv.get_field("MDEL").write(0.5)
        assert (pv.units, pv.precision, pv.upper_disp_limit, pv.value_atol) == ("cm", 5, 50.0, 0.5)
        await pv.write_metadata(units="m", upper_alarm_limit=20.0)
        assert fields_of(pv, "EGU", "HIHI") == ["m", 20.0]

    run(job())


def test_status_and_severity_follow() -> None:
    async def job() -> None:
        pv = Records(prefix="").ai
        assert fields_of(pv, "STAT", "SEVR") == ["NO_ALARM", "NO_ALARM"]
        await pv.write(11.0)
        assert fields_of(pv, "STAT", "SEVR", "VAL", "MLST") == ["HIHI", "MAJOR", 11.0, 11.0]
        await pv.write(1.0)
        assert fields_of(pv, "STAT", "SEVR") == ["NO_ALARM", "NO_ALARM"]
        await pv.alarm.write(status=AlarmStatus.UDF, severity=AlarmSeverity.INVALID_ALARM)
        assert pv.get_field("STAT").raw_value == 17
        assert fields_of(pv, "SEVR") == ["INVALID"]
        # A field carries the alarm of its record.
        metadata, _ = await pv.get_field("DESC").read(ChannelType.TIME_STRING)
        assert metadata.severity == AlarmSeverity.INVALID_ALARM

    run(job())


def test_writing_to_a_field_leaves_the_alarm_of_the_record() -> None:
    async def job() -> None:
        pv = Records(prefix="").ai
        await pv.write(11.0)
        for name, value in (("EGU", "cm"), ("HOPR", 5.0), ("DISV", 3), ("PINI", 1), ("DESC", "text")):
            await pv.get_field(name).write(value)
        assert pv.severity == AlarmSeverity.MAJOR_ALARM

    run(job())


def test_processing() -> None:
    async def job() -> None:
        pv = Records(prefix="").counted
        await pv.get_field("PROC").auth_write("host", "user", [1], LONG, None)
        assert pv.value == 1.0
        await pv.get_field("PROC").write(1)
        assert pv.value == 2.0

    run(job())


def test_records_without_a_hook_are_processed_as_scan_says() -> None:
    class Group(PVGroup):
        a = pvproperty(value=0.0, record="ao")
        inner = SubGroup({"b": pvproperty(value=0.0, record="ao")})
        bad = pvproperty(value=0.0, record="ao")
        done: Any = None

        @a.putter
        async def a(self, instance: Any, value: Any) -> Any:
            if value == 3:
                await instance.get_field("SCAN").write("Passive")
                self.done.set()
            return value + 1

        @bad.putter
        async def bad(self, instance: Any, value: Any) -> None:
            raise ValueError("bad")

    async def job() -> None:
        group = Group(prefix="")
        scans = [pv.server_scan for pv in group.pvdb.values()]
        assert [scan is None for scan in scans] == [False, True, True]
        task = asyncio.ensure_future(scans[0](Layer()))
        group.done = asyncio.Event()
        await asyncio.sleep(0)
        for pv in group.pvdb.values():
            await pv.get_field("SCAN").write(".1 second")
            group.scanner.periods[pv] = 0.001
        await group.done.wait()
        assert group.a.value == 4
        assert group.a not in group.scanner.periods
        while group.bad.severity != AlarmSeverity.INVALID_ALARM:
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()

    run(job())


def test_names_of_states_are_fields() -> None:
    async def job() -> None:
        pv = Records(prefix="").mbbo
        assert fields_of(pv, "ZRST", "ONST", "TWST") == ["one", "two", ""]
        await pv.get_field("TWST").write("three")
        assert pv.enum_strings == ("one", "two", "three")
        await pv.get_field("ZRST").write("zero")
        assert (pv.value, pv.raw_value) == ("zero", 0)

    run(job())


def test_texts_that_do_not_fit_are_cut_off() -> None:
    async def job() -> None:
        pv = Records(prefix="").ai
        await pv.get_field("EGU").auth_write("host", "user", [b"abcdefghijklmnopqrstuvwxyz"], ChannelType.STRING, None)
        assert fields_of(pv, "EGU") == ["abcdefghijklmno"]
        assert pv.units == "abcdefghijklmno"
        await pv.get_field("DESC").auth_write("host", "user", list(b"x" * 60 + b"\0"), ChannelType.CHAR, None)
        assert fields_of(pv, "DESC") == ["x" * 40]

    run(job())


def test_length_of_waveforms() -> None:
    async def job() -> None:
        pv = Records(prefix="").wave
        assert fields_of(pv, "NELM", "NORD") == [5, 2]
        await pv.write([1.0, 2.0, 3.0])
        assert fields_of(pv, "NORD") == [3]

    run(job())


def test_who_subscribes_to_a_field_hears_of_it() -> None:
    class Queue:
        def __init__(self) -> None:
            self.updates: list[Any] = []

        def put(self, update: Any) -> None:
            self.updates.append(update)

    class Spec:
        data_type, mask = ChannelType.LONG, caproto.SubscriptionType.DBE_VALUE

    async def job() -> None:
        pv, queue = Records(prefix="").ai, Queue()
        await pv.get_field("SEVR").subscribe(queue, Spec(), None)
        await pv.write(11.0)
        assert len(queue.updates) == 2

    run(job())


def test_a_record_class_with_hooks() -> None:
    class Fields(records.AoFields):
        _record_type = "hooked"
        extra = pvproperty(name="EXTR", value=0.0)

        async def value_write_hook(self, instance: Any, value: Any) -> None:
            await self.extra.write(value * 2)

    class Group(PVGroup):
        x = pvproperty(value=0.0, record=Fields)

    async def job() -> None:
        pv = Group(prefix="").x
        await pv.write(4.0)
        assert pv.get_field("EXTR").value == 8.0
        pv.field_inst.value_write_hook = other
        await pv.write(5.0)
        assert pv.get_field("EXTR").value == -5.0

    async def other(instance: Any, value: Any) -> None:
        await instance.field_inst.extra.write(-value)

    run(job())
