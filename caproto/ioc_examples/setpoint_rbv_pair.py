"""Pairs of a setpoint and its readback."""

from __future__ import annotations

from typing import Any

from caproto.server import PVGroup, get_pv_pair_wrapper, ioc_arg_parser, run

pair_with_rbv = get_pv_pair_wrapper(setpoint_suffix="", readback_suffix="_RBV")


class PairsIOC(PVGroup):
    """Three pairs: an integer whose readback follows by a putter, a number and a switch that follow by themselves."""

    pair = pair_with_rbv(dtype=int, doc="Follows by a putter")
    pair2 = pair_with_rbv(value=0.0, doc="Follows by itself")
    pair3 = pair_with_rbv(dtype=bool, doc="Off or on")

    @pair.setpoint.putter
    async def pair(obj: Any, instance: Any, value: Any) -> None:
        """Move the readback; ``obj`` is the pair."""
        await obj.readback.write(value)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="setpoint_rbv:", desc=PairsIOC.__doc__ or "")
    ioc = PairsIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
