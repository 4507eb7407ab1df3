"""How bad the alarms of a record are, once somebody wrote to one of the fields that say so."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..._enums import AlarmSeverity, AlarmStatus, ChannelType

__all__ = ["LIMITS", "STATES", "follow", "judge_again"]

# The limit, the one opposite, what is beyond it; the worst come first.  They are in force without any field.
LIMITS: dict[str, tuple[str, str, int, AlarmStatus, AlarmSeverity]] = {
    "HHSV": ("upper_alarm_limit", "lower_alarm_limit", 1, AlarmStatus.HIHI, AlarmSeverity.MAJOR_ALARM),
    "LLSV": ("lower_alarm_limit", "upper_alarm_limit", -1, AlarmStatus.LOLO, AlarmSeverity.MAJOR_ALARM),
    "HSV": ("upper_warning_limit", "lower_warning_limit", 1, AlarmStatus.HIGH, AlarmSeverity.MINOR_ALARM),
    "LSV": ("lower_warning_limit", "upper_warning_limit", -1, AlarmStatus.LOW, AlarmSeverity.MINOR_ALARM),
}
_NUMBERED = [f"{number}SV" for number in "ZR ON TW TH FR FV SX SV EI NI TE EL TV TT FT FF".split()]
# The two states of bi and bo, and the sixteen of mbbi and mbbo.
STATES = {"ZSV": 0, "OSV": 1} | {name: number for number, name in enumerate(_NUMBERED)}
_NONE = (AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)


def _severity(fields: Any, name: str, default: int = 0) -> int:
    field = fields.made.get(name)
    return default if field is None else int(field.raw_value)


def _judge(fields: Any, value: Any) -> tuple[int | None, int | None]:
    """Return status and severity that follow from a value and the fields of the record; None where nothing does."""
    pv = fields.parent
    if pv.max_length > 1:
        return None, None
    if pv.data_type == ChannelType.ENUM:
        number = pv.get_raw_value(value)
        worst = max((_severity(fields, name) for name, state in STATES.items() if state == number), default=0)
        return (AlarmStatus.STATE, worst) if worst else _NONE
    for name, (member, opposite, sign, status, usual) in LIMITS.items():
        limit, other = getattr(pv, member), getattr(pv, opposite)
        severity = _severity(fields, name, usual)
        if severity and sign * limit > sign * other and sign * value >= sign * limit:
            return status, severity
    return _NONE


async def judge_again(pv: Any) -> None:
    """Compare the present value with what has just changed, as a real record does at once."""
    status, severity = pv._alarm_for(pv.value)
    if status is not None:
        await pv.alarm.write(status=status, severity=severity)


async def follow(fields: Any, name: str, value: Any) -> None:
    """Judge by the severities of the fields from now on."""
    pv = fields.parent
    if pv.data_type == ChannelType.ENUM or hasattr(pv, LIMITS["HHSV"][0]):
        # Of this record only: the many whose severities are the usual ones are judged without looking at fields.
        pv._alarm_for = partial(_judge, fields)
        await judge_again(pv)
