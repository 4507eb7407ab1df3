"""``caproto.asyncio.client``, of this checkout or of 1.3.0."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import ours
from base import PATIENCE, Driver
from tally import Tally

from caproto.asyncio.client import Context


class AsyncioDriver(Driver):
    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(coroutine)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def open(self) -> None:
        self.context = Context(timeout=PATIENCE)
        # 1.3.0 holds callbacks weakly.
        self.kept: list[Any] = []

    async def close(self) -> None:
        await self.context.disconnect()

    async def connect(self, names: Sequence[str]) -> list[Any]:
        pvs = await self.context.get_pvs(*names)
        for pv in pvs:
            await pv.wait_for_connection()
        return pvs

    async def read_all(self, pvs: Sequence[Any]) -> list[Any]:
        return [answer.data for answer in await asyncio.gather(*(pv.read() for pv in pvs))]

    async def read(self, pv: Any) -> Any:
        return (await pv.read()).data

    async def subscribe(self, pv: Any, tally: Tally, stamped: bool) -> None:
        callback = ours.counter(tally, stamped)
        subscription = pv.subscribe(data_type=ours.data_type(stamped))
        subscription.add_callback(callback)
        self.kept += callback, subscription

    async def subscribe_blocks(self, pv: Any, tally: Tally) -> None:
        pv.subscribe(data_type="time").add_block_callback(ours.block_counter(tally))


DRIVER = AsyncioDriver
