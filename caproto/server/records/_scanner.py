"""Records that are processed by themselves: one task processes all of them, as their fields SCAN and PINI say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from ._processing import at_start, try_to_process

__all__ = ["Scanner"]


class Scanner:
    """The records of an IOC that are processed at its start, or periodically without a scan hook of their own.

    Parameters
    ----------
    pvs : callable
        Returns the PVs of the IOC.

    Attributes
    ----------
    periods : dict
        Seconds between two times of processing, by the PV.
    """

    def __init__(self, pvs: Callable[[], Iterable[Any]]) -> None:
        self._pvs = pvs
        self.periods: dict[Any, float] = {}
        self._due: dict[Any, float] = {}
        self._changed: Any = None

    def scan(self, pv: Any, period: float | None) -> None:
        """Process a PV's record every `period` seconds from now on; None is never."""
        self._due.pop(pv, None)
        if period is None:
            self.periods.pop(pv, None)
        else:
            self.periods[pv] = period
        if self._changed is not None:
            self._changed.set()

    async def run(self, async_lib: Any) -> None:
        """Process what is due, as long as the server runs."""
        self._changed = async_lib.Event()
        await async_lib.sleep(0)  # startup hooks come first
        for pv in self._pvs():
            if at_start(pv):
                await try_to_process(pv)
        while True:
            self._changed.clear()
            now = monotonic()
            for pv in list(self.periods):
                period = self.periods.get(pv)
                if period is None:
                    continue  # since one of those before it was processed
                due = self._due.setdefault(pv, now + period)
                if due <= now:
                    # What could not be done in time is left out, as EPICS Base does.
                    self._due[pv] = max(due + period, now)
                    await try_to_process(pv)
            soonest = min(self._due.values(), default=None)
            await self._changed.wait(timeout=None if soonest is None else max(0.0, soonest - monotonic()))
