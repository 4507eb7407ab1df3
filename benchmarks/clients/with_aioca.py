"""aioca, on libca of epicscorelibs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aioca
from base import PATIENCE, Driver
from tally import Tally


def counter(tally: Tally, stamped: bool, scalar: bool) -> Callable[[Any], None]:
    """A scalar is a kind of float, an array is an array; both carry the time stamp."""

    def on_scalar(value: Any) -> None:
        value.timestamp  # noqa: B018 - touched on purpose
        if value > tally.last:
            tally.last = value
            tally.count += 1
        else:
            tally.odd(value)

    def on_array(values: Any) -> None:
        if stamped:
            values.timestamp  # noqa: B018 - touched on purpose
        value = values[0]
        if value > tally.last:
            tally.last = value
            tally.count += 1
        else:
            tally.odd(value)

    return on_scalar if scalar else on_array


class AiocaDriver(Driver):
    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(coroutine)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def open(self) -> None:
        self.subscriptions: list[Any] = []

    async def close(self) -> None:
        for subscription in self.subscriptions:
            subscription.close()

    async def connect(self, names: Sequence[str]) -> list[Any]:
        await aioca.connect(list(names), timeout=PATIENCE)
        return list(names)

    async def connect_and_read(self, names: Sequence[str]) -> list[Any]:
        return await self.read_all(names)

    async def read_all(self, pvs: Sequence[Any]) -> list[Any]:
        return await aioca.caget(list(pvs), timeout=PATIENCE)

    async def read(self, pv: Any) -> Any:
        return await aioca.caget(pv, timeout=PATIENCE)

    async def subscribe(self, pv: Any, tally: Tally, stamped: bool) -> None:
        scalar = not pv.startswith("array")
        made = aioca.camonitor(
            pv,
            counter(tally, stamped, scalar),
            format=aioca.FORMAT_TIME if stamped else aioca.FORMAT_RAW,
            all_updates=True,
        )
        self.subscriptions.append(made)


DRIVER = AiocaDriver
