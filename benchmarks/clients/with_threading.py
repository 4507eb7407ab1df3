"""``caproto.threading.client``, of this checkout or of 1.3.0."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import ours
from base import PATIENCE, Driver
from tally import Tally

from caproto.threading.client import Batch, Context


class ThreadingDriver(Driver):
    async def open(self) -> None:
        self.context = Context(timeout=PATIENCE)
        # 1.3.0 holds callbacks weakly.
        self.kept: list[Any] = []

    async def close(self) -> None:
        self.context.disconnect()

    async def connect(self, names: Sequence[str]) -> list[Any]:
        pvs = self.context.get_pvs(*names)
        for pv in pvs:
            pv.wait_for_connection()
        return pvs

    async def read_all(self, pvs: Sequence[Any]) -> list[Any]:
        answers: list[Any] = []
        done = threading.Event()

        def on_answer(response: Any) -> None:
            answers.append(response.data)
            if len(answers) == len(pvs):
                done.set()

        with Batch(timeout=PATIENCE) as batch:
            for pv in pvs:
                batch.read(pv, on_answer)
        done.wait(PATIENCE)
        return answers

    async def read(self, pv: Any) -> Any:
        return pv.read().data

    async def subscribe(self, pv: Any, tally: Tally, stamped: bool) -> None:
        callback = ours.counter(tally, stamped)
        subscription = pv.subscribe(data_type=ours.data_type(stamped))
        subscription.add_callback(callback)
        self.kept += callback, subscription

    async def subscribe_blocks(self, pv: Any, tally: Tally) -> None:
        pv.subscribe(data_type="time").add_block_callback(ours.block_counter(tally))


DRIVER = ThreadingDriver
