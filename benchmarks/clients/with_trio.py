"""``caproto.trio.client``."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

import ours
import trio
from base import PATIENCE, Driver
from tally import Tally

from caproto.trio.client import Context


class TrioDriver(Driver):
    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        async def main() -> Any:
            return await coroutine

        return trio.run(main)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def open(self) -> None:
        self.context = await Context(timeout=PATIENCE).__aenter__()

    async def close(self) -> None:
        await self.context.__aexit__(None, None, None)

    async def connect(self, names: Sequence[str]) -> list[Any]:
        pvs = await self.context.get_pvs(*names)
        for pv in pvs:
            await pv.wait_for_connection()
        return pvs

    async def read_all(self, pvs: Sequence[Any]) -> list[Any]:
        answers: list[Any] = []

        async def read(pv: Any) -> None:
            answers.append((await pv.read()).data)

        async with trio.open_nursery() as nursery:
            for pv in pvs:
                nursery.start_soon(read, pv)
        return answers

    async def read(self, pv: Any) -> Any:
        return (await pv.read()).data

    async def subscribe(self, pv: Any, tally: Tally, stamped: bool) -> None:
        pv.subscribe(data_type=ours.data_type(stamped)).add_callback(ours.counter(tally, stamped))

    async def subscribe_blocks(self, pv: Any, tally: Tally) -> None:
        pv.subscribe(data_type="time").add_block_callback(ours.block_counter(tally))


DRIVER = TrioDriver
