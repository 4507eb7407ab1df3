"""A PV whose value depends on how often it was read."""

from __future__ import annotations

from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class ReadingCounter(PVGroup):
    """``A`` counts its reads by a getter of its own, ``B`` by one that both could share.

    A pathological server: tools that read more often than they should are found out.
    """

    A = pvproperty(value=0, doc="Number of reads")
    B = pvproperty(value=0, doc="Number of reads")

    async def group_read(self, instance: Any) -> int:
        """Count."""
        return int(instance.value) + 1

    @A.getter
    async def A(self, instance: Any) -> int:
        """Count."""
        return int(instance.value) + 1


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="reading_counter:", desc=ReadingCounter.__doc__ or "")
    ioc = ReadingCounter(**ioc_options)
    run(ioc.pvdb, **run_options)
