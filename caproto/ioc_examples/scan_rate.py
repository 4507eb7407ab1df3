"""A hook that runs again and again, at the rate that the field SCAN says."""

from __future__ import annotations

from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class Periodic(PVGroup):
    """``scanned`` counts at 2 Hz, until a client writes to ``scanned.SCAN``."""

    scanned = pvproperty(value=0.0, record="ai", doc="Counts")

    @scanned.scan(period=0.5, use_scan_field=True)
    async def scanned(self, instance: Any, async_lib: Any) -> None:
        """Count."""
        await instance.write(value=instance.value + 1.0)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="periodic:", desc=Periodic.__doc__ or "")
    ioc = Periodic(**ioc_options)
    run(ioc.pvdb, **run_options)
