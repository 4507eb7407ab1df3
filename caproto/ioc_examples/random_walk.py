"""A value that wanders, and the time between its steps."""

from __future__ import annotations

import random
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class RandomWalkIOC(PVGroup):
    """``x`` takes a random step every ``dt`` seconds."""

    dt = pvproperty(value=3.0, doc="Seconds between two steps")
    x = pvproperty(value=0.0, doc="Where it is")

    @x.startup
    async def x(self, instance: Any, async_lib: Any) -> None:
        """Walk."""
        while True:
            await instance.write(value=instance.value + 2 * random.random() - 1)
            await async_lib.sleep(max(self.dt.value, 0.01))


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="random_walk:", desc=RandomWalkIOC.__doc__ or "")
    ioc = RandomWalkIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
