"""Channel data that are one of a few named states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._constants import MAX_ENUM_STATES, MAX_ENUM_STRING_SIZE, STR_ENC
from .._enums import ChannelType
from .._errors import CaprotoValueError
from .base import ChannelData

__all__ = ["ChannelEnum"]


class ChannelEnum(ChannelData):
    """A state, by name or number.

    Parameters
    ----------
    enum_strings : sequence of str, optional
        The names of the states 0, 1, ...: 16 at most, of 26 bytes at most.
    **kwargs
        As of :class:`ChannelData`.
    """

    data_type = ChannelType.ENUM

    def __init__(self, *, enum_strings: Iterable[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._enum_strings = self._checked(tuple(enum_strings or ()))

    def _checked(self, strings: tuple[str, ...]) -> tuple[str, ...]:
        if len(strings) > MAX_ENUM_STATES:
            raise CaprotoValueError(f"enum_strings: {len(strings)} states, but there can be {MAX_ENUM_STATES} at most")
        encoding = self.string_encoding or STR_ENC
        for text in strings:
            size = len(text if isinstance(text, bytes) else text.encode(encoding, "replace"))
            if size > MAX_ENUM_STRING_SIZE:
                raise CaprotoValueError(f"enum_strings: {text!r} has {size} bytes, more than {MAX_ENUM_STRING_SIZE}")
        return strings

    @property
    def enum_strings(self) -> tuple[str, ...]:
        """The names of the states."""
        return self._enum_strings

    def get_raw_value(self, value: Any) -> int:
        """Return the number of a state that is given by name or number."""
        strings = self._enum_strings
        if isinstance(value, bytes):
            value = value.decode(self.string_encoding or STR_ENC)
        if isinstance(value, str):
            if value in strings:
                return strings.index(value)
        else:
            try:
                number = int(value)
            except (TypeError, ValueError):
                number = -1
            if number == value and 0 <= number < (len(strings) or 0x10000):
                return number
        raise CaprotoValueError(f"state {value!r} is none of {', '.join(map(repr, strings)) or '0..65535'}")

    @property
    def raw_value(self) -> int | None:
        """The number of the present state; None if there is no value."""
        return None if self._value is None else self.get_raw_value(self._value)
