"""Groups that are made from a description."""

from __future__ import annotations

from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run


def group_of(value: int, *suffixes: str) -> type[PVGroup]:
    """Return a group with a PV for each suffix."""
    body = {f"pv{number}": pvproperty(value=value, name=suffix) for number, suffix in enumerate(suffixes)}
    return type("Dynamic", (PVGroup,), body)


DESCRIPTION = {
    **{f"A{number}": group_of(10, "", "_RBV") for number in (1, 2, 3)},
    **{f"B{number}": group_of(20, "_A", "_B") for number in (1, 2, 3)},
}
DynamicIOC = type(
    "DynamicIOC",
    (PVGroup,),
    {
        "__doc__": "Six groups of two kinds, made from a description.",
        **{name: SubGroup(group, prefix=name) for name, group in DESCRIPTION.items()},
    },
)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="groups:", desc=DynamicIOC.__doc__ or "")
    ioc = DynamicIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
