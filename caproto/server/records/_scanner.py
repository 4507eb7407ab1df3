"""Records that a client set to be scanned: one task processes all of them, as their SCAN fields say."""

from __future__ import annotations

from time import monotonic
from typing import Any

from ..._enums import AlarmSeverity, AlarmStatus
from .._runtime import ServerExit

__all__ = ["Scanner"]


class Scanner:
    """The periodic records of an IOC that have no scan hook of their own.

    Attributes
    ----------
    periods : dict
        Seconds between two times of processing, by the PV.
    """

    def __init__(self) -> None:
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
        while True:
            self._changed.clear()
            now = monotonic()
            for pv, period in list(self.periods.items()):
                due = self._due.setdefault(pv, now + period)
                if due <= now:
                    # What could not be done in time is left out, as EPICS Base does.
                    self._due[pv] = max(due + period, now)
                    await _process(pv)
            soonest = min(self._due.values(), default=None)
            await self._changed.wait(timeout=None if soonest is None else max(0.0, soonest - monotonic()))


async def _process(pv: Any) -> None:
    try:
        await pv.write(pv.value)
    except ServerExit:
        raise
    except Exception:  # noqa: BLE001 - whatever a user's putter raises, the other records go on
        pv.log.exception("%s cannot be processed", pv.pvname)
        await pv.alarm.write(status=AlarmStatus.SCAN, severity=AlarmSeverity.INVALID_ALARM)
