"""Names with macros: options on the command line."""

from __future__ import annotations

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class MacroifiedNames(PVGroup):
    """PVs whose names contain the macros ``beamline`` and ``suffix``."""

    placeholder1 = pvproperty(value=0, name="{beamline}:{suffix}.VAL", doc="A setpoint")
    placeholder2 = pvproperty(value=0, name="{beamline}:{suffix}.RBV", doc="Its readback")


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="macros:",
        desc=MacroifiedNames.__doc__ or "",
        macros={"beamline": "my_beamline", "suffix": "thing"},
    )
    ioc = MacroifiedNames(**ioc_options)
    run(ioc.pvdb, **run_options)
