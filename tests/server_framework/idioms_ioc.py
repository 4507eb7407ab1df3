"""An IOC as users of caproto 1.x write them; clients of 1.3.0 saw the same but for alarms and digits of texts."""

from __future__ import annotations

import asyncio
import threading
from textwrap import dedent
from typing import Any

from caproto import AlarmSeverity, AlarmStatus, ChannelType, SkipWrite
from caproto.server import PVGroup, SubGroup, get_pv_pair_wrapper, ioc_arg_parser, pvfunction, pvproperty, run
from caproto.server.records import MotorFields, RecordFieldGroup, register_record
from caproto.server.server import PvpropertyData

pair = get_pv_pair_wrapper(setpoint_suffix=":SP", readback_suffix=":RBV")


@register_record
class Custom(RecordFieldGroup):
    _record_type = "custom"
    speed = pvproperty(name="SPED", value=5.0, dtype=ChannelType.DOUBLE, doc="how fast")

    @speed.putter
    async def speed(fields, instance, value):  # type: ignore[no-untyped-def]
        await fields.parent.write(value * 2)


class Axis(PVGroup):
    def __init__(self, *args: Any, gain: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gain = gain

    position = pvproperty(value=0.0, units="mm", precision=3, upper_ctrl_limit=100, lower_ctrl_limit=-100)
    scaled = pvproperty(value=0.0, read_only=True)

    @position.putter
    async def position(self, instance, value):  # type: ignore[no-untyped-def]
        await self.scaled.write(value * self.gain)
        return round(value, 1)


class Ioc(PVGroup):
    """An IOC."""

    x = SubGroup(Axis, gain=2.0)
    y = SubGroup(Axis, prefix="why-", gain=3.0)
    name = pvproperty(value="idioms", name="{beamline}:name")
    both = pair(name="both", dtype=float)
    skipped = pvproperty(value=1)
    alarmed = pvproperty(value=0)
    status_word = pvproperty(value=0)
    mode = pvproperty(value="idle", dtype=ChannelType.ENUM, enum_strings=["idle", "busy"], record="mbbo")
    enabled = pvproperty(value=False, dtype=bool)
    counted = pvproperty(value=0)
    motor = pvproperty(value=0.0, record="motor")
    custom = pvproperty(value=1.0, record="custom")
    from_thread = pvproperty(value=0)
    request = pvproperty(value=0)
    note = pvproperty(value="", dtype=ChannelType.STRING)

    @SubGroup(prefix="cam:")
    class camera(PVGroup):
        exposure = pvproperty(value=0.1)

        @exposure.putter
        async def exposure(self, instance, value):  # type: ignore[no-untyped-def]
            await self.parent.note.write(f"{instance.name} {value}")

    @both.setpoint.putter
    async def both(self, instance, value):  # type: ignore[no-untyped-def]
        await self.readback.write(value / 2)

    @skipped.putter
    async def skipped(self, instance, value):  # type: ignore[no-untyped-def]
        raise SkipWrite

    @alarmed.putter
    async def alarmed(self, instance, value):  # type: ignore[no-untyped-def]
        if value < 0:
            raise ValueError("below zero")
        await self.status_word.write(0xFFFFFFFF, severity=AlarmSeverity.MINOR_ALARM, status=AlarmStatus.HIGH)

    @mode.putter
    async def mode(self, instance, value):  # type: ignore[no-untyped-def]
        assert isinstance(instance, PvpropertyData)
        await self.note.write(f"{instance.value}->{value} {instance.get_raw_value(value)}")

    @enabled.putter
    async def enabled(self, instance, value):  # type: ignore[no-untyped-def]
        await self.note.write("on" if value == "On" else "off")

    @counted.scan(period=0.05)
    async def counted(self, instance, async_lib):  # type: ignore[no-untyped-def]
        await instance.write(value=min(instance.value + 1, 3))

    @motor.startup
    async def motor(self, instance, async_lib):  # type: ignore[no-untyped-def]
        fields: MotorFields = instance.field_inst
        await fields.velocity.write(2.5)
        await instance.fields["EGU"].write("deg")

    @motor.putter
    async def motor(self, instance, value):  # type: ignore[no-untyped-def]
        await instance.field_inst.user_readback_value.write(value)

    @motor.fields.tweak_motor_forward.putter
    async def motor(fields, instance, value):  # type: ignore[no-untyped-def]
        await fields.parent.write(fields.parent.value + fields.velocity.value)
        return 0

    @from_thread.startup
    async def from_thread(self, instance, async_lib):  # type: ignore[no-untyped-def]
        self.requests = async_lib.ThreadsafeQueue()
        answers = async_lib.ThreadsafeQueue()

        def work() -> None:
            for _ in range(2):
                answers.put(self.requests.get() * 10)

        threading.Thread(target=work, daemon=True).start()
        while True:
            await instance.write(await answers.async_get())

    @request.putter
    async def request(self, instance, value):  # type: ignore[no-untyped-def]
        await self.requests.async_put(value)
        await asyncio.sleep(0)

    @pvfunction(default=0.0)
    async def add(self, a: int = 1, b: float = 2.0) -> float:
        return a + b


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="idioms:{beamline}:", desc=dedent(Ioc.__doc__ or ""), macros={"beamline": "b1"}
    )
    ioc = Ioc(**ioc_options)
    run(ioc.pvdb, **run_options)
