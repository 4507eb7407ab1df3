"""Hooks that run again and again."""

from __future__ import annotations

from time import monotonic
from typing import Any

from .._enums import AlarmSeverity, AlarmStatus
from .._errors import CaprotoValueError
from ._runtime import ServerExit
from .typing import Scan

__all__ = ["scan_wrapper"]


def scan_wrapper(
    scan_function: Scan,
    period: float,
    *,
    subtract_elapsed: bool = True,
    stop_on_error: bool = False,
    failure_severity: AlarmSeverity = AlarmSeverity.MAJOR_ALARM,
    use_scan_field: bool = False,
) -> Scan:
    """Return a hook that runs another one periodically.

    Parameters
    ----------
    scan_function : async callable
        ``async def x(self, instance, async_lib)``.
    period : float
        Seconds from one run to the next.
    subtract_elapsed : bool, optional
        Whether the time a run takes is part of the period, or comes in addition.
    stop_on_error : bool, optional
        Whether an exception ends the scan.  Otherwise it is logged, the PV goes into alarm (SCAN) until a run
        succeeds, and the scan goes on.
    failure_severity : AlarmSeverity, optional
        How bad that alarm is.
    use_scan_field : bool, optional
        Whether the record's SCAN field rules the period from its first change on; ``Passive`` pauses, and so do the
        fields that disable a record.
    """
    if not period > 0 and not use_scan_field:
        raise CaprotoValueError(f"scan: period={period!r} s is not positive")

    async def scan(group: Any, instance: Any, async_lib: Any) -> None:
        fields = instance.field_inst if use_scan_field else None
        changed = None
        if fields is not None:
            await fields.begin_scan(period)
            changed = fields.scan_changed = async_lib.Event()
        failed = False
        while True:
            started = monotonic()
            seconds = period if fields is None else fields.scan_rate_sec
            if seconds and not (fields is not None and await fields.stopped()):
                failed = await _run_once(scan_function, group, instance, async_lib, failed, stop_on_error, severity)
            if changed is None or fields is None:
                elapsed = monotonic() - started if subtract_elapsed else 0.0
                await async_lib.sleep(max(0.0, seconds - elapsed))
                continue
            # The field may have changed meanwhile, or change while we wait.
            changed.clear()
            seconds = fields.scan_rate_sec
            elapsed = monotonic() - started if subtract_elapsed else 0.0
            await changed.wait(timeout=max(0.0, seconds - elapsed) if seconds else None)

    severity = failure_severity
    return scan


async def _run_once(
    function: Scan,
    group: Any,
    instance: Any,
    async_lib: Any,
    failed: bool,
    stop_on_error: bool,
    severity: AlarmSeverity,
) -> bool:
    """Run the user's function; return whether it failed."""
    try:
        await function(group, instance, async_lib)
    except ServerExit:
        raise
    except Exception:  # noqa: BLE001 - whatever a user's hook raises, the other PVs go on
        instance.log.exception("%s: the scan hook failed", instance.pvname)
        await instance.alarm.write(status=AlarmStatus.SCAN, severity=severity)
        if stop_on_error:
            raise
        return True
    if failed and instance.alarm.status == AlarmStatus.SCAN:  # and not that of a value it has just written
        await instance.alarm.write(status=AlarmStatus.NO_ALARM, severity=AlarmSeverity.NO_ALARM)
    return False
