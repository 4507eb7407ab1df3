"""What a driver is: one client library behind the few steps that the scenarios are made of.

The steps are coroutines, because some libraries cannot be used otherwise; those that block simply do so in them.
What is measured, the callbacks and what calls them, is never behind anything common.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Sequence
from typing import Any

from tally import Tally

#: Seconds to wait for anything.
PATIENCE = 120.0


class Driver:
    """A client that blocks; the others overwrite :meth:`run` and :meth:`sleep`."""

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine returns that never really waits."""
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
        raise RuntimeError("a step of a blocking client waits")

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def open(self) -> None:
        """Make a context, if the library has such a thing."""

    async def close(self) -> None:
        """Leave it in peace."""

    async def connect(self, names: Sequence[str]) -> list[Any]:
        """Return what the other steps take for a PV, all of them connected."""
        raise NotImplementedError

    async def connect_and_read(self, names: Sequence[str]) -> list[Any]:
        """Return the values of many PVs in the quickest way the library has."""
        return await self.read_all(await self.connect(names))

    async def read_all(self, pvs: Sequence[Any]) -> list[Any]:
        raise NotImplementedError

    async def read(self, pv: Any) -> Any:
        raise NotImplementedError

    async def subscribe(self, pv: Any, tally: Tally, stamped: bool) -> None:
        """Note each update, which has a time stamp or is of the plain type."""
        raise NotImplementedError

    async def subscribe_blocks(self, pv: Any, tally: Tally) -> None:
        raise NotImplementedError

    def versions(self) -> str:
        raise NotImplementedError
