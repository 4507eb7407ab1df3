"""A putter that decides that nothing is to be stored."""

from __future__ import annotations

from typing import Any

from caproto import SkipWrite
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class SkipWriteIOC(PVGroup):
    """Only even numbers are stored; odd ones are taken without an error, and forgotten."""

    value = pvproperty(value=1, doc="Even, once it was written")

    @value.putter
    async def value(self, instance: Any, value: Any) -> None:
        """Forget odd numbers."""
        if value % 2:
            raise SkipWrite()


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="skip:", desc=SkipWriteIOC.__doc__ or "")
    ioc = SkipWriteIOC(**ioc_options)
    run(ioc.pvdb, **run_options)
