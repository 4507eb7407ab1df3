"""What all commands share: header, payload, comparison and representation."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import _convert  # noqa: F401 - gives the codec its encoder
from .._constants import STR_ENC
from .._enums import REQUEST, ChannelType, Sentinel
from .._errors import CaprotoTypeError, CaprotoValueError
from .._headers import FIELDS as HEADER_FIELDS
from .._headers import ExtendedMessageHeader, MessageHeader
from .._status import STATUS_BY_CODE, status_from_code
from .._wire import codec

_CHANNEL_TYPES = {int(number): number for number in ChannelType}


def number(slot: str) -> Any:
    """An attribute that shows a header field as it is."""
    return codec.field(slot)


def dbr_type() -> Any:
    """``data_type`` as a :class:`ChannelType`; a plain int if it is none."""
    return codec.field("data_type", _CHANNEL_TYPES)


def status_field() -> Any:
    """Parameter 1 as a :class:`CAStatusCode`; an unknown code is a value too."""
    return codec.field("parameter1", STATUS_BY_CODE, status_from_code)


def padded_text(name: str, text: str | bytes, what: str) -> bytes:
    """NUL-terminated text, zero-padded to a multiple of 8 (section 2.3)."""
    if isinstance(text, str):
        try:
            raw = text.encode(STR_ENC)
        except UnicodeEncodeError:
            raise CaprotoValueError(f"{name}: {what}={text!r} cannot be encoded as {STR_ENC}") from None
    elif isinstance(text, (bytes, bytearray)):
        raw = bytes(text)
    else:
        raise CaprotoTypeError(f"{name}: {what}={text!r} is not text")
    if b"\0" in raw:
        raise CaprotoValueError(f"{name}: {what}={text!r} contains a NUL")
    return raw + bytes(8 - len(raw) % 8)


def read_text(payload: Any) -> str:
    """Text up to its NUL, or the whole payload if there is none."""
    return bytes(payload).split(b"\0", 1)[0].decode(STR_ENC)


class Message(codec.Frame):
    """One Channel Access message.

    ``bytes(command)`` is the message on the wire, ``len(command)`` its length in bytes.  Two commands are equal when
    their class and bytes are.

    Parameters
    ----------
    header : MessageHeader
    *buffers : bytes-like
        The payload, padded to a multiple of 8.
    validate : bool
        Check that the header agrees with the payload.
    sender_address : tuple, optional
        Where a datagram came from.
    """

    __slots__ = ()
    ID: ClassVar[int | None] = None
    DIRECTION: ClassVar[Sentinel] = REQUEST
    HAS_PAYLOAD: ClassVar[bool] = False
    FIELDS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, header: MessageHeader, *buffers: Any, validate: bool = True, sender_address: Any = None) -> None:
        payload = b"".join(bytes(buffer) for buffer in buffers)
        self._fill(
            header.command, header.payload_size, header.data_type, header.data_count,
            header.parameter1, header.parameter2, payload, isinstance(header, ExtendedMessageHeader),
        )  # fmt: skip
        self.sender_address = sender_address
        if validate:
            self.validate()

    @classmethod
    def from_components(
        cls, header: MessageHeader, *buffers: Any, sender_address: Any = None, validate: bool = False
    ) -> Message:
        """A command of this class with the given header and payload."""
        self = cls.__new__(cls)
        Message.__init__(self, header, *buffers, validate=validate, sender_address=sender_address)
        return self

    @classmethod
    def from_wire(
        cls,
        header: MessageHeader,
        payload_bytes: Any = b"",
        *,
        sender_address: Any = None,
        validate: bool = False,
    ) -> Message:
        """A received command of this class."""
        return cls.from_components(header, payload_bytes, sender_address=sender_address, validate=validate)

    def validate(self) -> None:
        """Raise CaprotoValueError when header and payload disagree."""
        name = type(self).__name__
        if self.ID is not None and self._command != self.ID:
            raise CaprotoValueError(f"{name}: header.command is {self._command}, not {self.ID}")
        if self._payload_size != len(self._payload):
            raise CaprotoValueError(
                f"{name}: header.payload_size is {self._payload_size}, the payload has {len(self._payload)} bytes"
            )

    @property
    def header(self) -> MessageHeader:
        """The header; writing to its fields changes this command."""
        return MessageHeader.of(self)

    @property
    def buffers(self) -> tuple[Any, ...]:
        """The payload as it stands on the wire."""
        return (self._wire_payload(),) if len(self._payload) else ()

    @property
    def nbytes(self) -> int:
        """Length on the wire, in bytes."""
        return len(self)

    def wire_buffers(self) -> tuple[Any, ...]:
        """Header and payload, not joined: for scattered writes of large payloads."""
        return (self._header_bytes(), *self.buffers)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and bytes(self) == bytes(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={self._shown(name)}' for name in self.FIELDS)})"

    def _shown(self, name: str) -> str:
        try:
            return repr(getattr(self, name))
        except CaprotoValueError as error:
            # A representation has to work for whatever came from the wire.
            return f"(repr: {error})"

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (
            self._command, self._payload_size, self._data_type, self._data_count, self._parameter1, self._parameter2,
        )  # fmt: skip
        return _rebuild, (
            type(self),
            fields,
            bytes(self._wire_payload()),
            self._extended,
            self.sender_address,
        )


def _rebuild(
    cls: type[Message], fields: tuple[int, ...], payload: bytes, extended: bool, sender_address: Any
) -> Message:
    header = (ExtendedMessageHeader if extended else MessageHeader)(*fields)
    return cls.from_components(header, payload, sender_address=sender_address)


class ValueMessage(Message):
    """A message that carries a DBR structure: metadata and elements (section 4).

    ``data`` is a new array in native byte order, writable and aligned, decoded on first use and then kept; it belongs
    to the caller.  STRING types give a list of byte strings.  ``metadata`` is None for plain types.
    """

    __slots__ = ()
    HAS_PAYLOAD = True

    data = codec.data_field()
    metadata = codec.metadata_field()
    data_type = dbr_type()
    data_count = number("data_count")
    payload_size = number("payload_size")


class UnknownCommand(Message):
    """A message with a command id that nobody defines; skipped together with its payload (section 12)."""

    __slots__ = ()
    FIELDS = HEADER_FIELDS
    command = number("command")
    payload_size = number("payload_size")
    data_type = number("data_type")
    data_count = number("data_count")
    parameter1 = number("parameter1")
    parameter2 = number("parameter2")
