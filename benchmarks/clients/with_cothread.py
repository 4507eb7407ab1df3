"""cothread, on libca of epicscorelibs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cothread
import with_aioca
from base import PATIENCE, Driver
from cothread import catools
from tally import Tally


class CothreadDriver(Driver):
    async def sleep(self, seconds: float) -> None:
        cothread.Sleep(seconds)

    async def open(self) -> None:
        self.subscriptions: list[Any] = []

    async def close(self) -> None:
        for subscription in self.subscriptions:
            subscription.close()

    async def connect(self, names: Sequence[str]) -> list[Any]:
        catools.connect(list(names), timeout=PATIENCE)
        return list(names)

    async def read_all(self, pvs: Sequence[Any]) -> list[Any]:
        return catools.caget(list(pvs), timeout=PATIENCE)

    async def read(self, pv: Any) -> Any:
        return catools.caget(pv, timeout=PATIENCE)

    async def subscribe(self, pv: Any, tally: Tally, stamped: bool) -> None:
        scalar = not pv.startswith("array")
        made = catools.camonitor(
            pv,
            with_aioca.counter(tally, stamped, scalar),
            format=catools.FORMAT_TIME if stamped else catools.FORMAT_RAW,
            all_updates=True,
        )
        self.subscriptions.append(made)


DRIVER = CothreadDriver
