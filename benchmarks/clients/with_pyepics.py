"""pyepics, on the libca it brings along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import epics
from base import PATIENCE, Driver
from tally import Tally


def counter(tally: Tally, scalar: bool) -> Callable[..., None]:
    def on_update(value: Any, timestamp: Any, **more: Any) -> None:
        if not scalar:
            value = value[0]
        if value > tally.last:
            tally.last = value
            tally.count += 1
        else:
            tally.odd(value)

    return on_update


class PyepicsDriver(Driver):
    async def open(self) -> None:
        self.pvs: list[Any] = []

    async def connect(self, names: Sequence[str]) -> list[Any]:
        pvs = [epics.PV(name, auto_monitor=False) for name in names]
        for pv in pvs:
            pv.wait_for_connection(PATIENCE)
        return pvs

    async def connect_and_read(self, names: Sequence[str]) -> list[Any]:
        return epics.caget_many(list(names), timeout=PATIENCE, connection_timeout=PATIENCE)

    async def read(self, pv: Any) -> Any:
        return pv.get(use_monitor=False)

    async def subscribe(self, pv: Any, tally: Tally, stamped: bool) -> None:
        # The channel is shared with the PV that is connected already.
        scalar = not pv.pvname.startswith("array")
        form = "time" if stamped else "native"
        self.pvs.append(epics.PV(pv.pvname, callback=counter(tally, scalar), form=form, auto_monitor=True))

    async def close(self) -> None:
        for pv in self.pvs:
            pv.disconnect()


DRIVER = PyepicsDriver
