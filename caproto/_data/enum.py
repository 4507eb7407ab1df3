"""Channel data that are one of a few named states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._constants import MAX_ENUM_STATES, MAX_ENUM_STRING_SIZE, STR_ENC
from .._enums import ChannelType, SubscriptionType
from .._errors import CaprotoTypeError, CaprotoValueError
from .._layout import STRING
from .base import ChannelData
from .conversion import MAX_TEXT, cut, numbers_from_texts

__all__ = ["ChannelEnum", "State"]


class State(str):
    """The name of a state, that also equals its number and can stand for it: ``[10, 20][state]``, ``int(state)``."""

    __slots__ = ("number",)
    number: int

    def __new__(cls, name: str, number: int) -> State:
        self = super().__new__(cls, name)
        self.number = number
        return self

    def __int__(self) -> int:
        return self.number

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other) and self.number == getattr(other, "number", self.number)
        return self.number == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __reduce__(self) -> tuple[type[State], tuple[str, int]]:
        return type(self), (str(self), self.number)


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

    def _checked(self, strings: tuple[Any, ...]) -> tuple[str, ...]:
        if len(strings) > MAX_ENUM_STATES:
            raise CaprotoValueError(f"enum_strings: {len(strings)} states, but there can be {MAX_ENUM_STATES} at most")
        encoding = self.string_encoding or STR_ENC
        strings = tuple(text.decode(encoding, "replace") if isinstance(text, bytes) else text for text in strings)
        for text in strings:
            if not isinstance(text, str):
                raise CaprotoTypeError(f"enum_strings: {text!r} is not text")
            size = len(text.encode(encoding, "replace"))
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
        if isinstance(value, State) and value.number < len(strings) and strings[value.number] == str(value):
            return value.number  # of states that have the same name, that one
        if isinstance(value, str):
            if value in strings:
                return strings.index(value)
        else:
            try:
                number = int(value)
            except (TypeError, ValueError, OverflowError):
                number = -1
            if number == value and 0 <= number < (len(strings) or 0x10000):
                return number
        raise CaprotoValueError(f"state {value!r} is none of {', '.join(map(repr, strings)) or '0..65535'}")

    def _fitting(self, value: Any) -> Any:
        """Return the states that `value` names, or raise CaprotoValueError if there is no such state."""
        return self._named(self.preprocess_value(value))

    async def verify_value(self, data: Any) -> Any:
        """Return the name of a state (a :class:`State`), or its number if it has no name.

        Raises
        ------
        CaprotoValueError
            If there is no such state.
        """
        return self._named(data)

    def _named(self, data: Any) -> Any:
        if self._max_length > 1 and not isinstance(data, (str, bytes)) and hasattr(data, "__len__"):
            return [self._named_state(state) for state in data]
        return self._named_state(data)

    def _named_state(self, state: Any) -> Any:
        number = self.get_raw_value(state)
        return State(self._enum_strings[number], number) if number < len(self._enum_strings) else number

    # The names come first, as people write them.
    async def write_metadata(  # type: ignore[override]
        self, enum_strings: Iterable[str] | None = None, **kwargs: Any
    ) -> None:
        """Change the names of the states, and what :meth:`ChannelData.write_metadata` takes."""
        if enum_strings is not None:
            strings = self._checked(tuple(enum_strings))
            numbers = self._elements()
            changed, self._enum_strings = strings != self._enum_strings, strings
            # It is the number of the state that stays; its name is another now.
            states = [self._named_state(number) if number < len(strings) else number for number in numbers]
            if self._value is not None:
                self._value = states if self._max_length > 1 else states[0]
            self._forget_encoded()
            if changed and kwargs.get("publish", True):
                await self.publish(SubscriptionType.DBE_PROPERTY)
        await super().write_metadata(**kwargs)

    def _elements(self, stop: int | None = None) -> Any:
        if self._value is None:
            return [0]
        states = self._value[:stop] if self._max_length > 1 else [self._value]
        return [state if isinstance(state, int) else self.get_raw_value(state) for state in states]

    def _texts(self, stop: int | None = None) -> list[bytes]:
        encoding = self.string_encoding or STR_ENC
        strings = self._enum_strings
        texts = (strings[number] if number < len(strings) else str(number) for number in self._elements(stop))
        return [cut(text, encoding, MAX_TEXT) for text in texts]

    def _from_wire(self, data: Any, native: int) -> Any:
        if native != STRING:
            return super()._from_wire(data, native)
        encoding = self.string_encoding or STR_ENC
        states = [self._state_of(bytes(text).decode(encoding)) for text in data[: self._max_length]]
        return states if self._max_length > 1 else states[0]

    def _state_of(self, text: str) -> Any:
        if text in self._enum_strings:
            return text
        return numbers_from_texts([text], int(self.data_type))[0]

    def _metadata_member(self, name: str) -> Any:
        if name == "no_str":
            return len(self._enum_strings)
        if name == "strs":
            encoding = self.string_encoding or STR_ENC
            texts = (cut(name, encoding, MAX_ENUM_STRING_SIZE) for name in self._enum_strings)
            return b"".join(text.ljust(MAX_ENUM_STRING_SIZE, b"\0") for text in texts)
        return super()._metadata_member(name)

    @property
    def raw_value(self) -> int | None:
        """The number of the present state; None if there is no value."""
        return None if self._value is None else self.get_raw_value(self._value)
