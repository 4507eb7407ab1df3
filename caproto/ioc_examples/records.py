"""PVs that pose as records."""

from __future__ import annotations

from typing import Any

from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class RecordMockingIOC(PVGroup):
    """Records: each has all fields of its type, such as ``mock:A.EGU``."""

    A = pvproperty(value=1.0, record="ai", units="mm", precision=2, doc="An analog input")
    B = pvproperty(value=2.0, record="ai", precision=3, upper_alarm_limit=10.0, doc="One with an alarm")
    C = pvproperty(value=0.0, record="motor", precision=3, doc="A motor")
    D = pvproperty(value=2.0, record="ao", doc="One that logs when it is processed")
    E = pvproperty(value="this is a test", record="stringin", dtype=ChannelType.STRING, doc="A text")

    @B.startup
    async def B(self, instance: Any, async_lib: Any) -> None:
        """Set the status of the alarm."""
        await instance.write(value=instance.value, status=AlarmStatus.LOLO, severity=AlarmSeverity.MINOR_ALARM)

    @C.fields.stop.putter
    async def C(fields: Any, instance: Any, value: Any) -> None:
        """Stop; the first argument of a field's hook are the fields of the record."""
        if value:
            await fields.done_moving_to_value.write(1)

    @D.putter
    async def D(self, instance: Any, value: Any) -> None:
        """Log."""
        self.log.info("%s is processed with %s", instance.pvname, value)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="mock:", desc=RecordMockingIOC.__doc__ or "")
    ioc = RecordMockingIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
