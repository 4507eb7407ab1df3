"""The data classes of PVs, said to type checkers."""

from __future__ import annotations

from typing import Any

from caproto.server import (
    PVGroup,
    PvpropertyDouble,
    PvpropertyDoubleRO,
    PvpropertyInteger,
    ioc_arg_parser,
    pvproperty,
    run,
)


class SimpleIOC(PVGroup):
    """PVs whose types a checker knows: ``ioc.B`` is a PvpropertyDoubleRO."""

    A: pvproperty[PvpropertyInteger[Any]] = pvproperty(value=1, doc="An integer")
    B: pvproperty[PvpropertyDoubleRO[Any]] = pvproperty(value=2.0, read_only=True, doc="A number to read")
    C: pvproperty[PvpropertyInteger[Any]] = pvproperty(value=[1, 2, 3], doc="An array of integers")
    D: pvproperty[PvpropertyDouble[Any]] = pvproperty(value=4.5, dtype=PvpropertyDouble, doc="A number of a class")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="simple:", desc=SimpleIOC.__doc__ or "")
    ioc = SimpleIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
