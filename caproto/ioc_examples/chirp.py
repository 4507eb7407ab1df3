"""An oscillation that gets faster."""

from __future__ import annotations

import math
import time
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class Chirp(PVGroup):
    """A sine whose frequency rises for a minute, and a number that never changes."""

    chirp = pvproperty(value=0.0, read_only=True, doc="The oscillation")
    steady = pvproperty(value=3, read_only=True, doc="Always 3")

    @chirp.scan(period=0.05)
    async def chirp(self, instance: Any, async_lib: Any) -> None:
        """Swing."""
        t = time.monotonic() % 60
        await instance.write(value=math.sin(2 * math.pi * (0.1 + t / 60) * t))


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="chirp:", desc=Chirp.__doc__ or "")
    ioc = Chirp(**ioc_options)
    run(ioc.pvdb, **run_options)
