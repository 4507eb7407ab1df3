"""Time stamps as they are kept: seconds since 1990 and nanoseconds."""

from __future__ import annotations

import time
from typing import Any

from .._dbr import TimeStamp
from .._errors import CaprotoValueError
from .._layout import EPICS_EPOCH_SECONDS

__all__ = ["epics_now", "stamp_of", "stamp_of_birth"]


def epics_now() -> tuple[int, int]:
    """Return the time as seconds since 1990 and nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return seconds - EPICS_EPOCH_SECONDS, nanoseconds


def stamp_of(timestamp: Any) -> tuple[int, int]:
    """Return what a user gives as a time stamp; None is now."""
    if timestamp is None:
        return epics_now()
    try:
        given = TimeStamp.from_flexible_value(timestamp)
    except CaprotoValueError:
        # A clock that was never set is no reason to lose the value: the time is undefined, as in EPICS Base.
        return 0, 0
    return given.secondsSinceEpoch, given.nanoSeconds


#: Nanoseconds; channels that come into being within them share the time stamp, which would be a third of their memory.
SAME_TIME = 100_000
_last_birth = (0, 0)


def stamp_of_birth() -> tuple[int, int]:
    """Return the time now, or just before: the one that the last caller got."""
    global _last_birth  # noqa: PLW0603 - the stamp is what is shared
    now = epics_now()
    if now[0] != _last_birth[0] or not 0 <= now[1] - _last_birth[1] < SAME_TIME:
        _last_birth = now
    return _last_birth
