"""Groups within groups, in three ways."""

from __future__ import annotations

import random
from typing import Any

from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run


class RecordLike(PVGroup):
    """A random number, anew at every read."""

    random = pvproperty(value=0, doc="Random")

    @random.getter
    async def random(self, instance: Any) -> int:
        """Roll."""
        return random.randint(1, 20)


class MyPVGroup(PVGroup):
    """Three times the same group."""

    # A class that exists:
    group1 = SubGroup(RecordLike)

    # A class of its own:
    @SubGroup(prefix="group2:")
    class group2(RecordLike):
        """The same, by a decorator."""

    # PVs by name:
    async def roll(self, instance: Any) -> int:
        """Roll; ``self`` is the subgroup."""
        return random.randint(1, 20)

    group3 = SubGroup({"random": pvproperty(get=roll, value=0, doc="Random")})


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="subgroups:", desc=MyPVGroup.__doc__ or "")
    ioc = MyPVGroup(**ioc_options)
    run(ioc.pvdb, **run_options)
