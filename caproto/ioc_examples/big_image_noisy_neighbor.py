"""A large image beside a small value that must not wait for it."""

from __future__ import annotations

import time
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

WIDTH, HEIGHT, DEPTH = 2640, 1980, 3


class BigImage(PVGroup):
    """``image`` is large and changes often; ``t1`` is the time, ten times a second, and should be on time."""

    t1 = pvproperty(value=0.0, units="s", doc="The time")
    image = pvproperty(value=bytes(WIDTH * HEIGHT * DEPTH), strip_null_terminator=False, doc="The image")

    @t1.scan(period=0.1)
    async def t1(self, instance: Any, async_lib: Any) -> None:
        """Tell the time."""
        await instance.write(value=time.monotonic())

    @image.scan(period=0.5)
    async def image(self, instance: Any, async_lib: Any) -> None:
        """Turn grey, a little lighter every time."""
        level = (instance.value[0] + 1) % 256 if instance.value else 0
        await instance.write(value=bytes([level]) * (WIDTH * HEIGHT * DEPTH))


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="big_image:", desc=BigImage.__doc__ or "")
    ioc = BigImage(**ioc_options)
    run(ioc.pvdb, **run_options)
