"""A temperature that swings around its setpoint."""

from __future__ import annotations

import math
import random
import time
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class Thermo(PVGroup):
    """``I`` swings around ``SP`` with the frequency ``omega``, ever less: ``exp(-t / K)``, with noise ``Tvar``."""

    I = pvproperty(value=100.0, read_only=True, units="K", precision=3, doc="The temperature")  # noqa: E741
    SP = pvproperty(value=100.0, units="K", precision=3, doc="The setpoint")
    K = pvproperty(value=10.0, precision=3, doc="Time constant in seconds")
    omega = pvproperty(value=math.pi, precision=3, doc="Frequency in radians per second")
    Tvar = pvproperty(value=10.0, precision=3, doc="Variance of the noise")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._step, self._since = 0.0, time.monotonic()

    @SP.putter
    async def SP(self, instance: Any, value: Any) -> None:
        """Begin to swing."""
        self._step, self._since = instance.value - value, time.monotonic()

    @I.scan(period=0.1)
    async def I(self, instance: Any, async_lib: Any) -> None:  # noqa: E743
        """Swing."""
        t = time.monotonic() - self._since
        swing = self._step * math.exp(-t / max(self.K.value, 1e-6)) * math.cos(self.omega.value * t)
        await instance.write(value=self.SP.value + swing + random.gauss(0.0, math.sqrt(abs(self.Tvar.value))))


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="thermo:", desc=Thermo.__doc__ or "")
    ioc = Thermo(**ioc_options)
    run(ioc.pvdb, **run_options)
