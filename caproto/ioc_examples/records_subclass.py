"""A record type of one's own."""

from __future__ import annotations

from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, records, run


@records.register_record
class BetterMotorFields(records.MotorFields):
    """A motor with one field more."""

    _record_type = "better_motor"

    steps_done = pvproperty(name="NSTP", value=0, read_only=True, doc="Number of moves")

    async def value_write_hook(self, instance: Any, value: Any) -> None:
        """Let the readback be where the motor was sent."""
        await self.user_readback_value.write(value)
        await self.steps_done.write(self.steps_done.value + 1)


class RecordMockingIOC(PVGroup):
    """Two motors, the second of a type that is defined above."""

    motor1 = pvproperty(value=1.0, record="motor", precision=3, doc="A motor")
    motor2 = pvproperty(value=2.0, record="better_motor", precision=3, doc="A better motor")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="mock:", desc=RecordMockingIOC.__doc__ or "")
    ioc = RecordMockingIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
