"""Processing a record: its PV is written with the value it has, so that its putter runs; and what prevents it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from ..._enums import AlarmSeverity, AlarmStatus
from ..._errors import CaprotoKeyError
from ..._filters import parse_record_field
from .._runtime import ServerExit

__all__ = ["at_start", "is_disabled", "process", "processed", "stopped", "try_to_process"]

#: YES, RUN and RUNNING; an IOC of ours does not pause.
_AT_START = (1, 2, 3)
#: The records whose forward links are being followed: a circle of links ends where it began.
_chain: ContextVar[tuple[Any, ...]] = ContextVar("caproto_forward_links", default=())


def _linked(fields: Any, name: str) -> tuple[Any, str | None]:
    """Return the PV of this IOC, and the name of the field, that a link of the record says; None if there is none."""
    link = fields.made.get(name)
    target, *_ = (link.value if link is not None else "").split() or [""]
    group = fields.parent.group
    if not target or group is None:
        return None, None
    pvdb = group._top_.pvdb
    if target in pvdb:
        return pvdb[target], None
    parts = parse_record_field(target)
    return pvdb.get(parts.record), parts.field


async def is_disabled(fields: Any) -> bool:
    """Return whether DISA equals DISV; where SDIS names a PV of this IOC, DISA takes its value first."""
    source, field = _linked(fields, "SDIS")
    if source is not None:
        try:
            told = source.get_field(field)
            await fields.by_name["DISA"].write(int(getattr(told, "raw_value", told.value)))
        except (CaprotoKeyError, TypeError, ValueError) as error:
            fields.parent.log.warning("%s.SDIS: %s", fields.parent.pvname, error)
    elif "DISA" not in fields.made and "DISV" not in fields.made:
        return False
    return bool(fields.by_name["DISA"].value == fields.by_name["DISV"].value)


async def processed(fields: Any) -> None:
    """Do what follows when the PV got a value: the alarm of a disabled record, the forward link of another."""
    if await stopped(fields):
        return
    alarm = fields.parent.alarm
    if alarm.status == AlarmStatus.DISABLE:
        await alarm.write(status=AlarmStatus.NO_ALARM, severity=AlarmSeverity.NO_ALARM)
    target, _ = _linked(fields, "FLNK")
    chain = _chain.get()
    if target is None or fields.parent in chain:
        return
    token = _chain.set((*chain, fields.parent))
    try:
        if target not in _chain.get():
            await try_to_process(target)
    finally:
        _chain.reset(token)


async def stopped(fields: Any) -> bool:
    """Return whether a record that is to be processed is disabled; if so, its alarm says it."""
    if not await is_disabled(fields):
        return False
    alarm = fields.parent.alarm
    if alarm.status != AlarmStatus.DISABLE:  # EPICS Base looks at DISS only once, too
        await alarm.write(status=AlarmStatus.DISABLE, severity=fields.by_name["DISS"].raw_value)
    return True


async def process(pv: Any) -> None:
    """Process a record, unless it is disabled; whatever its putter raises is raised."""
    fields = pv._field_inst
    if fields is None or not await stopped(fields):
        await pv.write(pv.value)


def at_start(pv: Any) -> bool:
    """Return whether PINI says that a record is to be processed when the server starts."""
    record = pv._record_class
    if record is None or (pv._field_inst is None and "PINI" not in record._own()):
        return False  # nobody changed it
    return bool(pv.get_field("PINI").raw_value in _AT_START)


async def try_to_process(pv: Any) -> None:
    """Process a record; if that fails, the log and its alarm say so."""
    try:
        await process(pv)
    except ServerExit:
        raise
    except Exception:  # noqa: BLE001 - whatever a user's putter raises, the other records go on
        pv.log.exception("%s cannot be processed", pv.pvname)
        await pv.alarm.write(status=AlarmStatus.SCAN, severity=AlarmSeverity.INVALID_ALARM)
