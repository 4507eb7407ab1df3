"""A function that clients call."""

from __future__ import annotations

import random

from caproto.server import PVGroup, ioc_arg_parser, pvfunction, pvproperty, run


class RPCIOC(PVGroup):
    """Write ``low`` and ``high``, then ``Process``, and read ``Retval``."""

    fixed_random = pvproperty(value=random.randint(1, 100), doc="A random number that stays")

    @pvfunction(default=0)
    async def get_random(self, low: int = 100, high: int = 1000) -> int:
        """Roll a number from low to high."""
        return random.randint(low, high)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="rpc:", desc=RPCIOC.__doc__ or "")
    ioc = RPCIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
