"""An IOC, and an ophyd device that is made from it (needs ophyd)."""

from __future__ import annotations

import importlib
import random
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvfunction, pvproperty, run


class Group(PVGroup):
    """PVs, and a function; :func:`ophyd_device` makes an ophyd device of such a group."""

    exit = pvproperty(value=0, doc="Counts writes")
    random1 = pvproperty(value=random.randint(1, 100), doc="A random number")
    random2 = pvproperty(value=random.randint(1000, 2000), doc="Another one")

    @pvfunction(default=0)
    async def get_random(self, low: int = 100, high: int = 1000) -> int:
        """Roll a number from low to high."""
        return random.randint(low, high)


def ophyd_device(group: type[PVGroup]) -> Any:
    """Return the class of an ophyd device with a signal for each PV; needs the package ophyd."""
    ophyd = importlib.import_module("ophyd")
    body: dict[str, Any] = {}
    for attr, pv in group(prefix="").attr_pvdb.items():
        signal = ophyd.EpicsSignalRO if pv.pvspec.read_only else ophyd.EpicsSignal
        body[attr.replace(".", "_")] = ophyd.Component(signal, pv.pvname)
    return type(f"{group.__name__}Device", (ophyd.Device,), body)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="integration:", desc=Group.__doc__ or "")
    ioc = Group(**ioc_options)
    run(ioc.pvdb, **run_options)
