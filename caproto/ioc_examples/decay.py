"""A current that decays from one setpoint to the next."""

from __future__ import annotations

import math
import random
import time
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class Decay(PVGroup):
    """``I`` goes to the setpoint ``SP`` exponentially: ``exp(-t / K)``, with noise of variance ``Tvar``."""

    I = pvproperty(value=0.0, read_only=True, precision=3, doc="The current")  # noqa: E741
    done = pvproperty(value="Off", dtype=bool, read_only=True, doc="Whether it is near the setpoint")
    SP = pvproperty(value=100.0, precision=3, doc="The setpoint")
    K = pvproperty(value=10.0, precision=3, doc="Time constant in seconds")
    Tvar = pvproperty(value=10.0, precision=3, doc="Variance of the noise")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._start, self._since = 0.0, time.monotonic()

    @SP.putter
    async def SP(self, instance: Any, value: Any) -> None:
        """Begin again from here."""
        self._start, self._since = self.I.value, time.monotonic()

    @I.scan(period=0.1)
    async def I(self, instance: Any, async_lib: Any) -> None:  # noqa: E743
        """Decay."""
        target = self.SP.value
        far = math.exp(-(time.monotonic() - self._since) / max(self.K.value, 1e-6))
        noise = random.gauss(0.0, math.sqrt(abs(self.Tvar.value)))
        await instance.write(value=target + (self._start - target) * far + noise)
        await self.done.write("On" if far < 0.01 else "Off")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="decay:", desc=Decay.__doc__ or "")
    ioc = Decay(**ioc_options)
    run(ioc.pvdb, **run_options)
