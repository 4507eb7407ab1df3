"""PVs from specifications, without a class body."""

from __future__ import annotations

from caproto.server import PVGroup, PVSpec, ioc_arg_parser, pvproperty, run

SPECIFICATIONS = (
    PVSpec(name="a", value=1, doc="An integer"),
    PVSpec(name="b", value=2.0, doc="A number"),
    PVSpec(name="c", value=[1, 2, 3], doc="An array of integers"),
)
SpecIOC = type(
    "SpecIOC",
    (PVGroup,),
    {
        "__doc__": "A group that was made from PVSpecs.",
        **{f"pv_{spec.name}": pvproperty.from_pvspec(spec) for spec in SPECIFICATIONS},
    },
)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="pvspec:", desc=SpecIOC.__doc__ or "")
    ioc = SpecIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
