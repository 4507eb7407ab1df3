"""What the fields of a record do: they are its metadata, follow its alarm and process it."""

from __future__ import annotations

import asyncio
from typing import Any

import caproto
from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.server import PVGroup, SubGroup, pvproperty, records
from tests.server_framework.layer import Layer, run

LONG = ChannelType.LONG


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


def test_real_numbers_of_fields_have_the_digits_of_the_value() -> None:
    class Group(PVGroup):
        pv = pvproperty(value=1.0, record="motor", precision=3)

    async def job() -> None:
        pv = Group(prefix="").pv
        velocity = pv.get_field("VELO")
        assert velocity.precision == 3
        await pv.get_field("PREC").write(2)
        assert (velocity.precision, pv.get_field("ACCL").precision) == (2, 2)
        assert not hasattr(pv.get_field("PREC"), "precision")

    asyncio.run(job())


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
        assert fields_of(pv, "AMSG") == [""]
        await pv.alarm.write(alarm_string="why")
        assert fields_of(pv, "AMSG") == ["why"]
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
            group._scanner_.periods[pv] = 0.001
        await group.done.wait()
        assert group.a.value == 4
        assert group.a not in group._scanner_.periods
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


def test_a_field_that_cannot_hold_the_value_of_its_pv_is_left_as_it_is() -> None:
    class Mixed(PVGroup):
        real = pvproperty(value=float("nan"), record="longin")

    async def job() -> None:
        pv = Mixed(prefix="").real
        assert fields_of(pv, "MLST") == [0]
        await pv.write(2.0)
        assert fields_of(pv, "MLST") == [2]
        await pv.write(float("inf"))
        assert fields_of(pv, "VAL", "MLST") == [float("inf"), 2]

    run(job())


def test_texts_of_a_pv_that_no_client_can_be_told_are_told_in_its_fields_as_far_as_they_can() -> None:
    class Ioc(PVGroup):
        angle = pvproperty(value=1.0, doc="angle → 90°", units="→", record="ai")
        way = pvproperty(value="→", enum_strings=["→", "b"], record="mbbi")

    async def job() -> None:
        ioc = Ioc(prefix="")
        assert fields_of(ioc.angle, "DESC", "EGU") + fields_of(ioc.way, "ZRST") == ["angle ? 90°", "?", "?"]
        await ioc.angle.write_metadata(units="← m")
        assert fields_of(ioc.angle, "EGU") == ["? m"]

    run(job())
