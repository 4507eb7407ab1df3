"""What a server finds to run: startup, shutdown and scan hooks, and states that they change."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from caproto import AlarmSeverity, AlarmStatus
from caproto.server import PVGroup, SubGroup, pvproperty, records, scan_wrapper
from caproto.server._runtime import jobs
from tests.server_framework.layer import Layer, run


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


def test_a_pv_with_several_names_has_its_hooks_run_once() -> None:
    group = Jobs(prefix="p:")
    pvdb = {**group.pvdb, "alias": group.some, "another": group.none}
    assert [name for name, _ in jobs(pvdb, "startup")] == ["p:some", "p:some"]  # its own, and that of a field
    assert [name for name, _ in jobs(pvdb, "shutdown")] == ["p:some"]


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


def test_a_scan_that_succeeds_ends_its_own_alarm_and_no_other() -> None:
    class Group(PVGroup):
        x = pvproperty(value=0, upper_alarm_limit=10)

        @x.scan(period=0.5)
        async def x(self, instance: Any, async_lib: Any) -> None:
            if not async_lib.slept:
                raise ValueError("at first")
            await instance.write(20)

    async def job() -> None:
        group = Group(prefix="")
        with pytest.raises(asyncio.CancelledError):
            await group.x.server_scan(Layer(stop_after=2))
        assert (group.x.status, group.x.severity) == (AlarmStatus.HIHI, AlarmSeverity.MAJOR_ALARM)

    run(job())


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
