"""Three PVs, and nothing that connects them."""

from __future__ import annotations

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class SimpleIOC(PVGroup):
    """Three PVs that can be read and written: an integer, a number and an array of integers."""

    A = pvproperty(value=1, doc="An integer")
    B = pvproperty(value=2.0, doc="A number")
    C = pvproperty(value=[1, 2, 3], doc="An array of integers")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="simple:", desc=SimpleIOC.__doc__ or "")
    ioc = SimpleIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
