"""The time stamp of a value instead of the value: what the filter ``ts`` of a channel may ask for (section 10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from .._layout import DOUBLE, EPICS_EPOCH_SECONDS, STRING
from .conversion import numbers_from_texts, numbers_to, texts_of_numbers

__all__ = ["STAMP_NUMBERS", "STAMP_TEXTS", "Stamp"]

#: Seconds with a fraction, whole seconds, nanoseconds, and both.
STAMP_NUMBERS = ("dbl", "sec", "nsec", "ts")
#: In local time.
STAMP_TEXTS = {"epics": "%Y-%m-%d %H:%M:%S.{:06d}", "iso": "%Y-%m-%dT%H:%M:%S.{:06d}%z"}


class Stamp(NamedTuple):
    """How a time stamp is told: as one of `STAMP_NUMBERS` or `STAMP_TEXTS`, of the epoch of EPICS or of POSIX."""

    form: str
    unix: bool = False

    @property
    def native_type(self) -> int:
        """The type a client is told."""
        return STRING if self.form in STAMP_TEXTS else DOUBLE

    @property
    def native_count(self) -> int:
        """The number of elements."""
        return 2 if self.form == "ts" else 1

    def numbers(self, stamp: tuple[int, int]) -> list[float]:
        """Return a time stamp, given as seconds of the EPICS epoch and nanoseconds, as numbers."""
        seconds = stamp[0] + (EPICS_EPOCH_SECONDS if self.unix else 0)
        nanoseconds = stamp[1]
        if self.form == "dbl":
            return [seconds + nanoseconds / 1e9]
        return {"sec": [float(seconds)], "nsec": [float(nanoseconds)], "ts": [float(seconds), float(nanoseconds)]}[
            self.form
        ]

    def text(self, stamp: tuple[int, int]) -> str:
        """Return a time stamp as text, to a microsecond."""
        if stamp == (0, 0):
            return "<undefined>"
        microseconds = min((stamp[1] + 500) // 1000, 999_999)
        local = datetime.fromtimestamp(stamp[0] + EPICS_EPOCH_SECONDS).astimezone()
        return local.strftime(STAMP_TEXTS[self.form].format(microseconds))

    def elements_as(self, native: int, stamp: tuple[int, int], precision: int) -> Any:
        """Return a time stamp as elements of a native type.

        Raises
        ------
        CaprotoValueError
            If it is a text whose number the type cannot hold.
        """
        if self.form in STAMP_TEXTS:
            text = self.text(stamp)
            return [text.encode()] if native == STRING else numbers_from_texts([text], native)
        numbers = self.numbers(stamp)
        if native == STRING:
            return texts_of_numbers(numbers, DOUBLE, precision if self.form == "dbl" else 0)
        return numbers if native == DOUBLE else numbers_to(native, numbers)
