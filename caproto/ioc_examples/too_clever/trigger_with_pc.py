"""A detector that takes a reading when it is told to, and says when it is done."""

from __future__ import annotations

from typing import Any

from caproto import CaprotoRuntimeError
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class TriggeredIOC(PVGroup):
    """A put with callback to ``acquire`` is done when the reading is; several clients at a time are refused."""

    gain = pvproperty(value=2.0, doc="What exposure is multiplied with")
    exposure_time = pvproperty(value=2.0, units="s", doc="How long a reading takes")
    reading = pvproperty(value=0.1, doc="The last reading")
    acquire = pvproperty(value="idle", enum_strings=["idle", "acquiring"], doc="Write 1 to take a reading")
    enabled = pvproperty(value="On", dtype=bool, doc="Whether readings may be taken")
    wait = pvproperty(value=2.0, doc="Write to wait for that many seconds")
    wait_time = pvproperty(value=2, units="s", doc="Never mind")
    async_lib: Any = None

    @acquire.startup
    async def acquire(self, instance: Any, async_lib: Any) -> None:
        """Remember the library."""
        self.async_lib = async_lib

    @acquire.putter
    async def acquire(self, instance: Any, value: Any) -> Any:
        """Take a reading; the write is done when this is."""
        if instance.get_raw_value(value) == 0:
            return "idle"
        if instance.value == "acquiring":
            raise CaprotoRuntimeError(f"{instance.pvname}: a reading is being taken already")
        if self.enabled.value in ("Off", False, 0):
            raise CaprotoRuntimeError(f"{instance.pvname}: readings are disabled")
        await instance.write("acquiring", verify_value=False)
        await self.async_lib.sleep(self.exposure_time.value)
        await self.reading.write(self.exposure_time.value * self.gain.value)
        return "idle"

    @wait.putter
    async def wait(self, instance: Any, value: Any) -> None:
        """Wait."""
        await self.async_lib.sleep(value)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="trigger_with_pc:", desc=TriggeredIOC.__doc__ or "")
    ioc = TriggeredIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
