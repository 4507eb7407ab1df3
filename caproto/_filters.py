"""Channel names: ``record.FIELD$[range]{filters}`` taken apart (protocol section 10)."""

from __future__ import annotations

import enum
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from ._errors import CaprotoValueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._json5 import JSONValue

__all__ = [
    "ArrayFilter",
    "ChannelFilter",
    "DeadbandFilter",
    "RecordAndField",
    "RecordModifier",
    "RecordModifiers",
    "SyncFilter",
    "apply_arr_filter",
    "filter_parsers",
    "integer",
    "known_options",
    "parse_channel_filter",
    "parse_record_field",
    "take_apart",
]

T = TypeVar("T")


class RecordModifiers(enum.Flag):
    """What stands behind the field of a channel name."""

    long_string = 1
    filtered = 2
    filter_timestamp = 4
    filter_deadband = 8
    filter_array = 16
    filter_synchronize = 32


class RecordModifier(NamedTuple):
    """The modifiers of a channel name, and the text of its filters for :func:`parse_channel_filter`."""

    modifiers: RecordModifiers
    filter_: str | None


class RecordAndField(NamedTuple):
    """The parts of a channel name; what is not there is None."""

    record_dot_field: str
    record: str
    field: str | None
    modifiers: RecordModifier | None


class ArrayFilter(NamedTuple):
    """Elements `s` to `e`, both included, in steps of `i`; negative ones count from the end."""

    s: int
    i: int
    e: int


class DeadbandFilter(NamedTuple):
    """Drop updates within `d` of the last one; `m` is ``abs`` or ``rel`` (percent of the last one)."""

    m: str
    d: float


class SyncFilter(NamedTuple):
    """Let updates pass by the state named `s`; `m` says when."""

    m: str
    s: str


class ChannelFilter(NamedTuple):
    """The filters of a channel; those that are absent are None."""

    ts: bool | None
    dbnd: DeadbandFilter | None
    arr: ArrayFilter | None
    sync: SyncFilter | None


# Compiled on first use, by the cache of "re": most programs never see a filter.
_MODIFIERS = r"([^$\[{]*)(\$)?([\[{].*)?"
_RANGE = r"\[([^\[\]{}]*)\]"
_INTEGER = r"[+-]?(?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})"
_SYNC_MODES = ("before", "first", "while", "last", "after", "unless")


def parse_record_field(pvname: str) -> RecordAndField:
    """Take a channel name apart: record, field, modifiers.

    Modifiers need the dot in front, since brackets and braces are common in names of records.  The filters
    are not looked at; see :func:`parse_channel_filter`.
    """
    record, _, rest = pvname.partition(".")
    match = re.fullmatch(_MODIFIERS, rest, re.DOTALL)
    if match is None:  # a "$" in the middle modifies nothing
        return RecordAndField(pvname, record, rest, None)
    field, long_string, filters = match[1] or None, match[2], match[3]
    flags = RecordModifiers(0)
    if long_string:
        flags |= RecordModifiers.long_string
    if filters:
        flags |= RecordModifiers.filtered
    modifiers = RecordModifier(flags, filters) if flags else None
    return RecordAndField(f"{record}.{field}" if field else record, record, field, modifiers)


# Filters --------------------------------------------------------------------------------------------


def integer(name: str, value: JSONValue) -> int:
    """Return the integer that `value` is or spells; servers take ``"3"`` and ``3.0``, too."""
    if isinstance(value, str) and re.fullmatch(_INTEGER, value.strip()):
        value = int(value, 16 if "x" in value.lower() else 10)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise CaprotoValueError(f"{name}={value!r} is not an integer")
    return value


def _number(name: str, value: JSONValue) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(cast(Any, value))
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise CaprotoValueError(f"{name}={value!r} is not a number")
    return number


def known_options(name: str, options: dict[str, JSONValue], allowed: tuple[str, ...]) -> None:
    """Refuse options that a filter does not have."""
    unknown = sorted(options.keys() - set(allowed))
    if unknown:
        raise CaprotoValueError(f"filter {name!r} has no option {', '.join(map(repr, unknown))}")


def _arr(options: dict[str, JSONValue]) -> ArrayFilter:
    known_options("arr", options, ("s", "i", "e"))
    start, step, end = (integer(k, options.get(k, d)) for k, d in (("s", 0), ("i", 1), ("e", -1)))
    if step < 1:
        raise CaprotoValueError(f"step i={step} of filter 'arr' is less than 1")
    return ArrayFilter(start, step, end)


def _dbnd(options: dict[str, JSONValue]) -> DeadbandFilter:
    known_options("dbnd", options, ("abs", "rel", "d", "m"))
    short = [mode for mode in ("abs", "rel") if mode in options]
    if len(short) > 1 or (short and len(options) > 1):
        raise CaprotoValueError(f"filter 'dbnd' is given in more than one way: {options!r}")
    if short:
        return DeadbandFilter(short[0], _number(short[0], options[short[0]]))
    mode = options.get("m", "abs")
    if mode not in ("abs", "rel"):
        raise CaprotoValueError(f"mode m={mode!r} of filter 'dbnd' is neither 'abs' nor 'rel'")
    return DeadbandFilter(str(mode), _number("d", options.get("d", 0.0)))


def _sync(options: dict[str, JSONValue]) -> SyncFilter:
    known_options("sync", options, (*_SYNC_MODES, "m", "s"))
    if options.keys() == {"m", "s"}:
        mode, state = options["m"], options["s"]
    elif len(options) == 1:
        ((mode, state),) = options.items()
    else:
        raise CaprotoValueError(f"filter 'sync' needs one mode and one state, not {options!r}")
    if mode not in _SYNC_MODES:
        raise CaprotoValueError(f"mode {mode!r} of filter 'sync' is none of {', '.join(_SYNC_MODES)}")
    if not isinstance(state, str) or not state:
        raise CaprotoValueError(f"state {state!r} of filter 'sync' is not a name")
    return SyncFilter(str(mode), state)


def _ts(options: dict[str, JSONValue]) -> bool:
    # A ChannelFilter has no place for options that replace the value; servers take them apart themselves.
    known_options("ts", options, ())
    return True


#: What makes a filter of its options.
filter_parsers: dict[str, Callable[[dict[str, JSONValue]], Any]] = {
    "ts": _ts,
    "dbnd": _dbnd,
    "arr": _arr,
    "sync": _sync,
}


def _parse_range(text: str) -> ArrayFilter:
    """Return the filter for the inside of ``[n]``, ``[s:e]`` or ``[s:i:e]``; parts may be left out."""
    parts = [part.strip() for part in text.split(":")]
    if len(parts) > 3 or parts == [""]:
        raise CaprotoValueError(f"range [{text}] is not of the form [n], [s:e] or [s:i:e]")
    if len(parts) == 1:
        parts = [parts[0], "1", parts[0]]
    elif len(parts) == 2:
        parts = [parts[0], "1", parts[1]]
    return _arr({key: part for key, part in zip("sie", parts, strict=True) if part})


def take_apart(filter_text: str) -> tuple[ArrayFilter | None, list[tuple[str, dict[str, JSONValue]]]]:
    """Return the range, if there is one, and the options of all filters by name, in their order.

    Raises
    ------
    CaprotoValueError
        If the text is malformed; the message quotes it.
    """
    from ._json5 import parse_json5

    rest = filter_text.strip()
    try:
        span = re.match(_RANGE, rest)
        arr = None if span is None else _parse_range(span[1])
        rest = rest if span is None else rest[span.end() :].strip()
        filters = parse_json5(rest) if rest else {}
        if not isinstance(filters, dict):
            raise CaprotoValueError("filters are a map, {name: {option: value}}")
        for name, options in filters.items():
            if not isinstance(options, dict):
                raise CaprotoValueError(f"options of filter {name!r} are not a map: {options!r}")
        if arr is not None and "arr" in filters:
            raise CaprotoValueError("filter 'arr' is given twice")
    except CaprotoValueError as error:
        raise CaprotoValueError(f"channel filter {filter_text!r}: {error}") from None
    return arr, cast(Any, list(filters.items()))


def parse_channel_filter(filter_text: str) -> ChannelFilter:
    """Return the filters that stand behind a channel name: ``[range]``, ``{json}`` or both.

    Raises
    ------
    CaprotoValueError
        If the text is malformed or asks for a filter that is not offered; the message quotes it.
    """
    arr, filters = take_apart(filter_text)
    found: dict[str, Any] = dict.fromkeys(ChannelFilter._fields) | {"arr": arr}
    try:
        for name, options in filters:
            parser = filter_parsers.get(name)
            if parser is None:
                raise CaprotoValueError(f"filter {name!r} is not offered; there are {', '.join(filter_parsers)}")
            found[name] = parser(options)
    except CaprotoValueError as error:
        raise CaprotoValueError(f"channel filter {filter_text!r}: {error}") from None
    return ChannelFilter(**found)


def apply_arr_filter(arr_filter: ArrayFilter | None, values: T) -> T:
    """Return the elements of `values` that an array filter selects; scalars and texts stay as they are."""
    if arr_filter is None or isinstance(values, str):
        return values
    sequence = cast(Any, values)
    try:
        count = len(sequence)
    except TypeError:
        return values
    start, step, end = arr_filter
    if start < 0:
        start = max(start + count, 0)
    if end < 0:
        end = max(end + count, 0)
    end = min(end, count - 1)
    return cast(T, sequence[start : end + 1 : step] if start <= end else sequence[:0])
