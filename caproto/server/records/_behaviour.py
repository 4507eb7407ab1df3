"""How the fields of a record and its PV hang together."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ..._constants import STR_ENC
from ..._enums import ChannelType
from .._access import DEFAULT
from ._processing import process
from ._severities import LIMITS, follow, judge_again
from ._severities import STATES as SEVERITIES_OF_STATES

__all__ = ["FOLLOW", "ON_WRITE", "SHOW", "SHOW_METADATA", "initial", "seconds_of"]


def _member(pv: Any, member: str) -> Any:
    return getattr(pv, member, None)


# Fields that are metadata of the PV.
METADATA = {
    "EGU": "units",
    "PREC": "precision",
    "HOPR": "upper_disp_limit",
    "LOPR": "lower_disp_limit",
    "HIHI": "upper_alarm_limit",
    "HIGH": "upper_warning_limit",
    "LOW": "lower_warning_limit",
    "LOLO": "lower_alarm_limit",
    "DRVH": "upper_ctrl_limit",
    "DRVL": "lower_ctrl_limit",
    "HLM": "upper_ctrl_limit",
    "LLM": "lower_ctrl_limit",
}
SHOW_METADATA = {name: partial(_member, member=member) for name, member in METADATA.items()}
# Dead-bands are attributes of the PV.
DEADBANDS = {"MDEL": "value_atol", "ADEL": "log_atol"}
# The names of the states of an enum; bi and bo have two.
STATES = {"ZNAM": 0, "ONAM": 1}
STATES |= {
    f"{number}ST": index for index, number in enumerate("ZR ON TW TH FR FV SX SV EI NI TE EL TV TT FT FF".split())
}
_FTVL = {
    ChannelType.STRING: "STRING", ChannelType.INT: "SHORT", ChannelType.FLOAT: "FLOAT", ChannelType.ENUM: "ENUM",
    ChannelType.CHAR: "UCHAR", ChannelType.LONG: "LONG", ChannelType.DOUBLE: "DOUBLE",
}  # fmt: skip

_ARRAYS = ("aai", "aao", "subArray", "waveform")

Show = Callable[[Any], Any]


def _time(pv: Any) -> str:
    return datetime.datetime.fromtimestamp(pv.timestamp).strftime("%Y-%m-%d %H:%M:%S.%f")


# What shows the alarm and the time.
SHOW: dict[str, Show] = {
    "STAT": lambda pv: int(pv.alarm.status),
    "SEVR": lambda pv: int(pv.alarm.severity),
    "AMSG": lambda pv: pv.alarm.alarm_string,
    "ACKS": lambda pv: int(pv.alarm.severity_to_acknowledge),
    "ACKT": lambda pv: int(pv.alarm.must_acknowledge_transient),
    "TIME": _time,
}


def _last(pv: Any, value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None  # no number: the record has no such field either


# What follows the value.
FOLLOW: dict[str, Callable[[Any, Any], Any]] = {
    "UDF": lambda pv, value: b"\1" if isinstance(value, float) and value != value else b"\0",
    "NORD": lambda pv, value: pv.calculate_length(value) if pv.record_type != "asyn" else None,
    "MLST": _last,
    "ALST": _last,
    "LALM": _last,
}
# What the PV says about itself.
_STATIC: dict[str, Show] = {
    "NAME": lambda pv: pv.pvname,
    "DESC": lambda pv: (pv.pvspec.doc or "").strip().split("\n")[0][:40],
    "UDF": lambda pv: b"\0",
    "NELM": lambda pv: pv.max_length,
    "ASG": lambda pv: "" if pv.asg == DEFAULT else pv.asg,
    # Of arrays; the fourteenth value of mbbi has the same name.
    "FTVL": lambda pv: _FTVL[pv.data_type] if pv.record_type in _ARRAYS else None,
    "NORD": lambda pv: pv.length if pv.record_type != "asyn" else None,
}


def writable(value: Any) -> Any:
    """Return what a field can hold of a text of the PV: `?` for other characters, as the PV tells them itself."""
    return value.encode(STR_ENC, "replace").decode(STR_ENC) if isinstance(value, str) else value


def initial(pv: Any, cls: Any, name: str) -> Any:
    """Return what a field begins with because of its PV; None if the PV does not say."""
    if name == "RTYP":
        return cls.record_name_of_type
    if name in METADATA:
        return _member(pv, METADATA[name])
    if name in DEADBANDS:
        return getattr(pv, DEADBANDS[name], None)
    if name in STATES:
        strings = getattr(pv, "enum_strings", ())
        return strings[STATES[name]] if STATES[name] < len(strings) else None
    if name in LIMITS:
        return int(LIMITS[name][-1])
    show = SHOW.get(name) or _STATIC.get(name)
    if show is not None:
        return show(pv)
    return _last(pv, pv.value) if name in FOLLOW else None


# What a write to a field does ---------------------------------------------------------------------


async def _write_metadata(fields: Any, name: str, value: Any) -> None:
    if hasattr(fields.parent, METADATA[name]):
        await fields.parent.write_metadata(**{METADATA[name]: value})
        if name in ("HIHI", "HIGH", "LOW", "LOLO"):
            await judge_again(fields.parent)


async def _write_deadband(fields: Any, name: str, value: Any) -> None:
    if hasattr(fields.parent, DEADBANDS[name]):
        setattr(fields.parent, DEADBANDS[name], float(value))


async def _write_state(fields: Any, name: str, value: Any) -> None:
    pv, number = fields.parent, STATES[name]
    strings = list(getattr(pv, "enum_strings", ()))
    if pv.data_type == ChannelType.ENUM:
        strings += [""] * (number + 1 - len(strings))
        present = pv.raw_value
        strings[number] = str(value)
        await pv.write_metadata(enum_strings=strings)
        if present == number:
            await pv.write(pv.value, verify_value=False)


async def _process(fields: Any, name: str, value: Any) -> None:
    await process(fields.parent)


async def _put_disabled(fields: Any, name: str, value: Any) -> None:
    fields.refuse_puts(bool(value[0] if isinstance(value, (bytes, list)) else value))


async def _access_group(fields: Any, name: str, value: Any) -> None:
    fields.parent.asg = str(value)


def seconds_of(choice: str) -> float | None:
    """Return the period that a choice of the menu of scan rates means; None if it is not periodic."""
    number, _, unit = choice.partition(" ")
    return float(number) if unit.startswith("second") else None


async def _scan(fields: Any, name: str, value: Any) -> None:
    field = fields.by_name["SCAN"]
    fields.scan_rate_sec = seconds_of(field.enum_strings[field.get_raw_value(value)])
    pv = fields.parent
    if fields.scan_changed is not None:
        fields.scan_changed.set()
    elif pv.scan is None and pv.group is not None:
        pv.group._top_._scanner_.scan(pv, fields.scan_rate_sec)


ON_WRITE: dict[str, Callable[[Any, str, Any], Awaitable[None]]] = {
    **dict.fromkeys(METADATA, _write_metadata),
    **dict.fromkeys(DEADBANDS, _write_deadband),
    **dict.fromkeys(STATES, _write_state),
    **dict.fromkeys((*LIMITS, *SEVERITIES_OF_STATES), follow),
    "PROC": _process,
    "UDF": _process,
    "DISP": _put_disabled,
    "ASG": _access_group,
    "SCAN": _scan,
}
