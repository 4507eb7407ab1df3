"""Motors that move, in simulation."""

from __future__ import annotations

from typing import Any

from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run


async def simulate_motor(instance: Any, async_lib: Any, velocity: float, tick_rate_hz: float) -> None:
    """Move the readback of a motor record towards its value, as fast as its velocity says."""
    fields = instance.field_inst
    await fields.velocity.write(velocity)
    await fields.user_readback_value.write(instance.value)
    while True:
        await async_lib.sleep(1.0 / tick_rate_hz)
        target, readback = instance.value, fields.user_readback_value.value
        if fields.stop.value:
            await fields.stop.write(0)
            await instance.write(readback)
            target = readback
        if target == readback:
            continue
        await fields.done_moving_to_value.write(0)
        await fields.motor_is_moving.write(1)
        await fields.direction_of_travel.write(int(target > readback))
        step = max(fields.velocity.value, 1e-3) / tick_rate_hz
        distance = target - readback
        readback = target if abs(distance) <= step else readback + (step if distance > 0 else -step)
        await fields.user_readback_value.write(readback)
        await fields.dial_readback_value.write(readback)
        if readback == target:
            await fields.motor_is_moving.write(0)
            await fields.done_moving_to_value.write(1)


class FakeMotor(PVGroup):
    """A motor."""

    motor = pvproperty(value=0.0, name="", record="motor", precision=3, doc="A motor")

    def __init__(
        self,
        *args: Any,
        velocity: float = 1.0,
        precision: int = 3,
        user_limits: tuple[float, float] = (0.0, 100.0),
        tick_rate_hz: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.velocity, self.precision = velocity, precision
        self.user_limits, self.tick_rate_hz = user_limits, tick_rate_hz

    @motor.startup
    async def motor(self, instance: Any, async_lib: Any) -> None:
        """Set it up, and move."""
        low, high = self.user_limits
        await instance.write_metadata(precision=self.precision, lower_ctrl_limit=low, upper_ctrl_limit=high)
        await simulate_motor(instance, async_lib, self.velocity, self.tick_rate_hz)


class FakeMotorIOC(PVGroup):
    """Three motors of different speed."""

    motor1 = SubGroup(FakeMotor, velocity=1.0, precision=3, user_limits=(0, 10), prefix="mtr1")
    motor2 = SubGroup(FakeMotor, velocity=2.0, precision=2, user_limits=(0, 20), prefix="mtr2")
    motor3 = SubGroup(FakeMotor, velocity=3.0, precision=2, user_limits=(0, 30), prefix="mtr3")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="sim:", desc=FakeMotorIOC.__doc__ or "")
    ioc = FakeMotorIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
