"""States of the server, for the filter "sync" of channels."""

from __future__ import annotations

from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class StatesIOC(PVGroup):
    """``value`` counts; ``my_stately_state`` is the state that ``state:value.{sync:{while:'my_state'}}`` looks at.

    Writes to ``enable_state`` and ``disable_state`` change it.
    """

    value = pvproperty(value=1, doc="Counts")
    disable_state = pvproperty(value="Off", dtype=bool, doc="Write to end the state")
    enable_state = pvproperty(value="Off", dtype=bool, doc="Write to begin the state")
    my_stately_state = pvproperty(value=0, doc="The state")

    @value.startup
    async def value(self, instance: Any, async_lib: Any) -> None:
        """Count."""
        async with self.update_state("my_state", False):
            pass
        while True:
            await instance.write(value=instance.value + 1)
            await async_lib.sleep(0.5)

    async def change(self, on: bool) -> None:
        """Change the state, and say so."""
        async with self.update_state("my_state", on):
            await self.my_stately_state.write(int(on))

    @enable_state.putter
    async def enable_state(self, instance: Any, value: Any) -> Any:
        """Begin."""
        await self.change(True)
        return "Off"

    @disable_state.putter
    async def disable_state(self, instance: Any, value: Any) -> Any:
        """End."""
        await self.change(False)
        return "Off"


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="state:", desc=StatesIOC.__doc__ or "")
    ioc = StatesIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
