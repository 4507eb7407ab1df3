"""The record types of EPICS Base, motor and asyn: what ``record="ai"`` of a pvproperty means.

Each class stands for the fields of one type; the fields themselves are made from the tables when they are used.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO, TypeVar

from ..._enums import ChannelType
from ..._errors import CaprotoValueError
from ._group import RecordFieldGroup, table_of
from ._scanner import Scanner

__all__ = [
    "AaiFields",
    "AaoFields",
    "AiFields",
    "AoFields",
    "AsubFields",
    "AsynFields",
    "BiFields",
    "BoFields",
    "CalcFields",
    "CalcoutFields",
    "CompressFields",
    "DfanoutFields",
    "EventFields",
    "FanoutFields",
    "HistogramFields",
    "Int64inFields",
    "Int64outFields",
    "LonginFields",
    "LongoutFields",
    "LsiFields",
    "LsoFields",
    "MbbiFields",
    "MbbidirectFields",
    "MbboFields",
    "MbbodirectFields",
    "MotorFields",
    "PermissiveFields",
    "PrintfFields",
    "RecordFieldGroup",
    "Scanner",
    "SelFields",
    "SeqFields",
    "StateFields",
    "StringinFields",
    "StringoutFields",
    "SubFields",
    "SubarrayFields",
    "WaveformFields",
    "find_record",
    "get_record_registry",
    "records",
    "register_record",
    "summarize",
    "value_dtype",
]

T = TypeVar("T", bound=type[RecordFieldGroup])

records: dict[str, type[RecordFieldGroup]] = {}


def register_record(cls: T) -> T:
    """Make a record class known by its ``_record_type``; a class decorator.

    Raises
    ------
    CaprotoValueError
        If the class does not say its ``_record_type``.
    """
    if not isinstance(cls, type) or not issubclass(cls, RecordFieldGroup) or not cls._record_type:
        raise CaprotoValueError(f"register_record: {cls!r} is no RecordFieldGroup with a _record_type")
    records[cls._record_type] = cls
    return cls


def get_record_registry() -> dict[str, type[RecordFieldGroup]]:
    """Return the record classes by type."""
    return records


def find_record(record: Any) -> type[RecordFieldGroup]:
    """Return a record class, given itself or the name of its type.

    Raises
    ------
    CaprotoValueError
        If it is unknown.
    """
    if isinstance(record, type) and issubclass(record, RecordFieldGroup):
        return record
    found = records.get(record)
    if found is None:
        raise CaprotoValueError(f"record={record!r} is none of {', '.join(sorted(records))}")
    return found


_VALUES: dict[str, Any] = {
    "DOUBLE": float, "FLOAT": ChannelType.FLOAT, "LONG": int, "ULONG": float, "USHORT": int, "SHORT": ChannelType.INT,
    "INT64": float, "UINT64": float, "STRING": ChannelType.STRING, "ENUM": ChannelType.ENUM,
}  # fmt: skip


def value_dtype(record: Any) -> Any:
    """Return the type of the VAL field of a record; None if it depends on other fields."""
    field = table_of(find_record(record)._table).get("VAL")
    return None if field is None else _VALUES.get(field.type)


def summarize(file: TextIO = sys.stdout) -> None:
    """Print all record types with their fields."""
    for name, cls in sorted(records.items()):
        print(name, cls.__name__, file=file)
        for field in table_of(cls._table).values():
            print(f"    {field.name:8} {field.attr:32} {field.type:8} {field.prompt}", file=file)


@register_record
class AiFields(RecordFieldGroup):
    """Fields of an ai record."""

    _record_type = _table = "ai"


@register_record
class AsubFields(RecordFieldGroup):
    """Fields of an aSub record."""

    _record_type = _table = "aSub"


@register_record
class AsynFields(RecordFieldGroup):
    """Fields of an asyn record."""

    _record_type = _table = "asyn"


@register_record
class AaiFields(RecordFieldGroup):
    """Fields of an aai record."""

    _record_type = _table = "aai"


@register_record
class AaoFields(RecordFieldGroup):
    """Fields of an aao record."""

    _record_type = _table = "aao"


@register_record
class AoFields(RecordFieldGroup):
    """Fields of an ao record."""

    _record_type = _table = "ao"


@register_record
class BiFields(RecordFieldGroup):
    """Fields of a bi record."""

    _record_type = _table = "bi"


@register_record
class BoFields(RecordFieldGroup):
    """Fields of a bo record."""

    _record_type = _table = "bo"


@register_record
class CalcFields(RecordFieldGroup):
    """Fields of a calc record."""

    _record_type = _table = "calc"


@register_record
class CalcoutFields(RecordFieldGroup):
    """Fields of a calcout record."""

    _record_type = _table = "calcout"


@register_record
class CompressFields(RecordFieldGroup):
    """Fields of a compress record."""

    _record_type = _table = "compress"


@register_record
class DfanoutFields(RecordFieldGroup):
    """Fields of a dfanout record."""

    _record_type = _table = "dfanout"


@register_record
class EventFields(RecordFieldGroup):
    """Fields of an event record."""

    _record_type = _table = "event"


@register_record
class FanoutFields(RecordFieldGroup):
    """Fields of a fanout record."""

    _record_type = _table = "fanout"


@register_record
class HistogramFields(RecordFieldGroup):
    """Fields of a histogram record."""

    _record_type = _table = "histogram"


@register_record
class Int64inFields(RecordFieldGroup):
    """Fields of an int64in record."""

    _record_type = _table = "int64in"


@register_record
class Int64outFields(RecordFieldGroup):
    """Fields of an int64out record."""

    _record_type = _table = "int64out"


@register_record
class LonginFields(RecordFieldGroup):
    """Fields of a longin record."""

    _record_type = _table = "longin"


@register_record
class LongoutFields(RecordFieldGroup):
    """Fields of a longout record."""

    _record_type = _table = "longout"


@register_record
class LsiFields(RecordFieldGroup):
    """Fields of a lsi record."""

    _record_type = _table = "lsi"


@register_record
class LsoFields(RecordFieldGroup):
    """Fields of a lso record."""

    _record_type = _table = "lso"


@register_record
class MbbiFields(RecordFieldGroup):
    """Fields of a mbbi record."""

    _record_type = _table = "mbbi"


@register_record
class MbbidirectFields(RecordFieldGroup):
    """Fields of a mbbiDirect record."""

    _record_type = _table = "mbbiDirect"


@register_record
class MbboFields(RecordFieldGroup):
    """Fields of a mbbo record."""

    _record_type = _table = "mbbo"


@register_record
class MbbodirectFields(RecordFieldGroup):
    """Fields of a mbboDirect record."""

    _record_type = _table = "mbboDirect"


@register_record
class MotorFields(RecordFieldGroup):
    """Fields of a motor record."""

    _record_type = _table = "motor"


@register_record
class PermissiveFields(RecordFieldGroup):
    """Fields of a permissive record."""

    _record_type = _table = "permissive"


@register_record
class PrintfFields(RecordFieldGroup):
    """Fields of a printf record."""

    _record_type = _table = "printf"


@register_record
class SelFields(RecordFieldGroup):
    """Fields of a sel record."""

    _record_type = _table = "sel"


@register_record
class SeqFields(RecordFieldGroup):
    """Fields of a seq record."""

    _record_type = _table = "seq"


@register_record
class StateFields(RecordFieldGroup):
    """Fields of a state record."""

    _record_type = _table = "state"


@register_record
class StringinFields(RecordFieldGroup):
    """Fields of a stringin record."""

    _record_type = _table = "stringin"


@register_record
class StringoutFields(RecordFieldGroup):
    """Fields of a stringout record."""

    _record_type = _table = "stringout"


@register_record
class SubFields(RecordFieldGroup):
    """Fields of a sub record."""

    _record_type = _table = "sub"


@register_record
class SubarrayFields(RecordFieldGroup):
    """Fields of a subArray record."""

    _record_type = _table = "subArray"


@register_record
class WaveformFields(RecordFieldGroup):
    """Fields of a waveform record."""

    _record_type = _table = "waveform"
