"""An IOC with type hints, as users write and check them with ``mypy --strict``."""

from __future__ import annotations

from typing import Any

from caproto import AlarmSeverity, AlarmStatus, ChannelType, SkipWrite
from caproto.server import (
    AsyncLibraryLayer,
    PVGroup,
    PvpropertyChar,
    PvpropertyDouble,
    PvpropertyInteger,
    SubGroup,
    get_pv_pair_wrapper,
    ioc_arg_parser,
    pvfunction,
    pvproperty,
    run,
)
from caproto.server.records import AiFields, MotorFields, RecordFieldGroup


class Slit(PVGroup):
    gap = pvproperty(value=1.0, dtype=PvpropertyDouble, units="mm")
    label = pvproperty[PvpropertyChar](value="x", dtype=str)

    @gap.putter
    async def _(self, instance: PvpropertyDouble, value: float) -> float:
        if value < 0:
            raise SkipWrite
        return value


class Ioc(PVGroup):
    count = pvproperty(value=1, dtype=PvpropertyInteger)
    motor = pvproperty(value=2.0, record="motor", dtype=PvpropertyDouble[MotorFields])
    analog = pvproperty[PvpropertyDouble, AiFields](value=3.0, record="ai")
    mode = pvproperty(value="a", dtype=ChannelType.ENUM, enum_strings=["a", "b"])
    pair = get_pv_pair_wrapper(setpoint_suffix=":SP")(dtype=float)
    slit = SubGroup(Slit, prefix="slit:")

    @SubGroup(prefix="inner:")
    class inner(PVGroup):  # noqa: N801
        x = pvproperty(value=1)

    def __init__(self, *args: Any, step: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.step = step

    @count.startup
    async def _(self, instance: PvpropertyInteger, async_lib: AsyncLibraryLayer) -> None:
        await instance.write(instance.value + self.step)
        await self.slit.gap.write(2.0)
        await async_lib.sleep(0.0)

    @count.scan(period=1.0)
    async def _(self, instance: PvpropertyInteger, async_lib: AsyncLibraryLayer) -> None:
        await self.count.write(value=0)

    @motor.putter
    async def _(self, instance: PvpropertyDouble[MotorFields], value: float) -> None:
        await instance.field_inst.user_readback_value.write(value)
        await instance.fields["RBV"].write(value, severity=AlarmSeverity.MINOR_ALARM, status=AlarmStatus.HIGH)

    @motor.fields.stop.putter
    async def _(fields: RecordFieldGroup, instance: PvpropertyInteger, value: int) -> None:  # noqa: N805
        await fields.parent.write(0.0)

    @pvfunction(default=0.0)
    async def add(self, x: int = 1, y: float = 2.0) -> float:
        return x + y

    async def __ainit__(self, async_lib: AsyncLibraryLayer) -> None:
        self.log.info("started %s", self.prefix)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="typed:", desc=__doc__ or "")
    ioc = Ioc(step=2, **ioc_options)
    run(ioc.pvdb, startup_hook=ioc.__ainit__, **run_options)
