"""The filters of a channel as its server applies them: what is told, and which updates (protocol section 10)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .._data import ChannelData
from .._data.stamp import STAMP_NUMBERS, STAMP_TEXTS, Stamp
from .._data.subscription import Deadband, Decimation, Gate, Sync
from .._data.view import ViewKey
from .._errors import CaprotoValueError
from .._filters import filter_parsers, integer, known_options, take_apart

__all__ = ["GateMaker", "server_filters"]

#: Makes the gate of a new subscription to channel data.
GateMaker = Callable[[ChannelData], Gate]


class Tagged:
    """Lets updates pass whose user tag has certain bits: that is the field UTAG of a record, and 0 of other PVs."""

    def __init__(self, mask: int, wanted: int, data: ChannelData) -> None:
        self.mask, self.wanted = mask & 0xFFFFFFFF, wanted & 0xFFFFFFFF
        self.data: Any = data

    def passes(self, flags: int, value: Any) -> bool:
        """Return whether an update has the tag."""
        fields = getattr(self.data, "_field_inst", None)
        field = None if fields is None else fields.made.get("UTAG")
        return (0 if field is None else int(field.value)) & self.mask == self.wanted


class StampDeadband(Deadband):
    """The dead-band of a channel that tells the time stamp instead of the value."""

    def __init__(self, parameters: Any, stamp: Stamp, data: ChannelData) -> None:
        super().__init__(parameters)
        self.stamp, self.data = stamp, data

    def passes(self, flags: int, value: Any) -> bool:
        """Compare time stamps."""
        return super().passes(flags, self.stamp.numbers(self.data._stamp)[0])


def _sync(parameters: Any, data: ChannelData) -> Gate:
    states = getattr(getattr(data, "group", None), "states", {})
    return Sync(parameters, bool(states.get(parameters.s, False)))


def _stamp(options: dict[str, Any]) -> Stamp | None:
    """Return what ``ts`` makes of the value; None if it changes nothing but the time stamp."""
    known_options("ts", options, ("num", "str", "epoch"))
    for option, allowed in (("num", STAMP_NUMBERS), ("str", tuple(STAMP_TEXTS)), ("epoch", ("epics", "unix"))):
        if option in options and options[option] not in allowed:
            raise CaprotoValueError(f"{option}={options[option]!r} of filter 'ts' is none of {', '.join(allowed)}")
    form = options.get("str", options.get("num"))
    return None if form is None else Stamp(form, options.get("epoch") == "unix")


def _decimation(options: dict[str, Any]) -> int:
    every = options.get("n") if len(options) == 1 else None
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise CaprotoValueError(f"filter 'dec' needs a number n of 1 or more, not {options!r}")
    return every


def _tag(options: dict[str, Any]) -> tuple[int, int]:
    known_options("utag", options, ("M", "V"))
    mask, wanted = integer("M", options.get("M", -1)), integer("V", options.get("V", 0))
    if not all(-(2**31) <= number < 2**31 for number in (mask, wanted)):
        raise CaprotoValueError(f"filter 'utag' takes 32-bit integers, not {options!r}")
    return mask, wanted


def server_filters(text: str | None, long_string: bool) -> tuple[ViewKey, tuple[GateMaker, ...]]:
    """Return what the filters behind a channel name ask for; they apply from left to right.

    Parameters
    ----------
    text : str or None
        ``[range]``, ``{json}``, both or nothing.
    long_string : bool
        Whether the channel is that of a long string.

    Returns
    -------
    view : ViewKey
        What is told.
    gates : tuple of callable
        Each makes a filter of the updates of one subscription.

    Raises
    ------
    CaprotoValueError
        If it is malformed, or there is no such filter.
    """
    if not text:
        return ViewKey(long_string=long_string), ()
    arr, filters = take_apart(text)
    now, stamp = False, None
    gates: list[GateMaker] = []
    for name, options in filters:
        if name == "arr":
            arr = filter_parsers["arr"](options)
        elif name == "ts":
            stamp = _stamp(options)
            now = stamp is None
            if stamp is not None:
                arr, long_string = None, False  # of the value, which is not told
        elif name == "dec":
            gates.append(partial(_ignoring_data, Decimation, _decimation(options)))
        elif name == "utag":
            gates.append(partial(Tagged, *_tag(options)))
        elif name == "sync":
            gates.append(partial(_sync, filter_parsers["sync"](options)))
        elif name == "dbnd":
            band = filter_parsers["dbnd"](options)
            if stamp is not None and stamp.form not in STAMP_TEXTS:
                gates.append(partial(StampDeadband, band, stamp))
            else:
                gates.append(partial(_ignoring_data, Deadband, band))
        else:
            raise CaprotoValueError(f"channel filter {text!r}: there is no filter {name!r}")
    return ViewKey(arr, long_string, now, stamp), tuple(gates)


def _ignoring_data(cls: Callable[[Any], Gate], parameters: Any, data: ChannelData) -> Gate:
    return cls(parameters)
