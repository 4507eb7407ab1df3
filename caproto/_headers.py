"""Message headers as objects of their own (protocol section 2.1 and 2.2)."""

from __future__ import annotations

from typing import Any

from ._wire import codec

FIELDS = ("command", "payload_size", "data_type", "data_count", "parameter1", "parameter2")
_BITS = {
    "command": 16,
    "payload_size": 32,
    "data_type": 16,
    "data_count": 32,
    "parameter1": 32,
    "parameter2": 32,
}


def _property(name: str) -> property:
    slot, bits = "_" + name, _BITS[name]

    def read(self: MessageHeader) -> int:
        value: int = getattr(self.frame, slot)
        return value

    def write(self: MessageHeader, value: int) -> None:
        self.frame._set(name, value, bits)

    return property(read, write, doc=f"unsigned {bits}-bit integer")


class MessageHeader:
    """The six fields in front of every payload; writing one changes the message it belongs to.

    ``bytes(header)`` is 16 bytes, or 24 when a field does not fit the short form.

    Raises
    ------
    CaprotoValueError
        When a value does not fit its field.
    """

    __slots__ = ("frame",)
    frame: Any
    _extended = False

    def __init__(
        self,
        command: int = 0,
        payload_size: int = 0,
        data_type: int = 0,
        data_count: int = 0,
        parameter1: int = 0,
        parameter2: int = 0,
    ) -> None:
        self.frame = codec.Frame()
        self.frame._fill(command, payload_size, data_type, data_count, parameter1, parameter2, b"", self._extended)

    @classmethod
    def of(cls, frame: Any) -> MessageHeader:
        """The header of an existing message."""
        self = cls.__new__(cls)
        self.frame = frame
        return self

    command = _property("command")
    payload_size = _property("payload_size")
    data_type = _property("data_type")
    data_count = _property("data_count")
    parameter1 = _property("parameter1")
    parameter2 = _property("parameter2")

    def __bytes__(self) -> bytes:
        raw: bytes = self.frame._header_bytes()
        return raw

    def __len__(self) -> int:
        return len(bytes(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MessageHeader) and bytes(self) == bytes(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in FIELDS)})"


class ExtendedMessageHeader(MessageHeader):
    """The same with 24 bytes on the wire, whatever its values."""

    __slots__ = ()
    _extended = True
