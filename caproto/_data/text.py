"""Channel data that are text: strings of 40 bytes, and arrays of CHAR as text or as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set, Sized
from typing import Any

from .._constants import STR_ENC
from .._enums import ChannelType
from .._errors import CaprotoConversionError, CaprotoValueError
from .._layout import CHAR, STRING
from .base import VALUE_AND_LOG, ChannelData
from .conversion import MAX_TEXT, cut, numbers_from_texts, numbers_to, texts_of_numbers
from .numeric import ChannelNumeric

__all__ = ["ChannelByte", "ChannelChar", "ChannelString"]


def _as_bytes(value: Any, name: str) -> bytes:
    """Return bytes, a number, or a sequence of numbers, as bytes; CHAR is unsigned."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    dimensions = getattr(value, "ndim", 1)
    one = not isinstance(value, Sized) or dimensions == 0
    if isinstance(value, (Mapping, Set)):
        raise CaprotoConversionError(f"{name}: {value!r} has no order of elements")
    if dimensions > 1:
        value = value.reshape(-1)
    try:
        # tolist() and operator.index() take numpy's integers and refuse fractions.
        return bytes([value] if one else value.tolist() if hasattr(value, "tolist") else value)
    except (TypeError, ValueError) as error:
        raise CaprotoConversionError(f"{name}: {value!r} is not made of numbers 0..255") from error


class ChannelByte(ChannelNumeric):
    """Raw bytes, or small unsigned numbers; text is refused.

    Parameters
    ----------
    string_encoding : None
        There is none.
    strip_null_terminator : bool, optional
        Whether NUL bytes at the end are dropped, as those that only fill the array.
    **kwargs
        As of :class:`ChannelNumeric`.
    """

    data_type = ChannelType.CHAR
    default_value = b""
    string_encoding: str | None = None
    strip_null_terminator = True

    def __init__(self, *, string_encoding: None = None, strip_null_terminator: bool = True, **kwargs: Any) -> None:
        if string_encoding is not None:
            raise CaprotoValueError(f"ChannelByte: string_encoding={string_encoding!r}, but bytes have none")
        self._set_apart("strip_null_terminator", strip_null_terminator)
        super().__init__(string_encoding=None, **kwargs)

    def calculate_length(self, value: Any) -> int:
        """Return the number of bytes."""
        return len(value) if isinstance(value, (str, bytes)) else super().calculate_length(value)

    def preprocess_value(self, value: Any) -> bytes:
        """Return `value` as bytes."""
        name = type(self).__name__
        if isinstance(value, str):
            raise CaprotoConversionError(f"{name}: {value!r} is text; encode it, or use ChannelChar")
        data = _as_bytes(value, name)
        if self.strip_null_terminator and self._max_length > 1:
            data = data.rstrip(b"\0")
        if data:  # none at all is a value, even if there is room for one byte only
            self._check_length(len(data))
        return data

    def _check_element(self, value: Any) -> None:
        pass  # preprocess_value does

    def _check_range(self) -> None:
        pass

    def _elements(self, stop: int | None = None) -> Any:
        return b"" if self._value is None else self._value[:stop]

    def _from_wire(self, data: Any, native: int) -> Any:
        if native == STRING:
            return bytes(numbers_from_texts((bytes(text).decode("latin-1") for text in data), CHAR))
        return _as_bytes((data if native == CHAR else numbers_to(CHAR, data))[: self._max_length], type(self).__name__)

    def _check_limits(self, value: Any) -> None:
        pass  # bytes are no numbers that could be too large

    def _alarm_for(self, value: Any) -> tuple[int | None, int | None]:
        return None, None

    def _news(self, old: Any, new: Any) -> int:
        return ChannelData._news(self, old, new)

    def _long_string_size(self) -> int:
        return self._max_length + 1 if self._max_length > 1 else 0

    def _long_string(self) -> bytes:
        return bytes(self._elements())


class ChannelString(ChannelData):
    """Strings of up to 39 characters; a client may ask for a longer one as an array of CHAR.

    Parameters
    ----------
    long_string_max_length : int, optional
        The most bytes such a client gets.
    """

    data_type = ChannelType.STRING
    default_value = ""
    _long_string_max_length = 81

    def __init__(
        self,
        *,
        alarm: Any = None,
        value: Any = None,
        timestamp: Any = None,
        max_length: int | None = None,
        string_encoding: str = STR_ENC,
        reported_record_type: str = "caproto",
        long_string_max_length: int = 81,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            alarm=alarm,
            value=value,
            timestamp=timestamp,
            max_length=max_length,
            string_encoding=string_encoding,
            reported_record_type=reported_record_type,
            **kwargs,
        )
        self._set_apart("_long_string_max_length", long_string_max_length)

    @property
    def long_string_max_length(self) -> int:
        """The most bytes a client gets that asks for a long string."""
        return self._long_string_max_length

    def preprocess_value(self, value: Any) -> Any:
        """Return `value` as text, or as a list of texts; numbers become text."""
        value = super().preprocess_value(value)
        return [self._text(item) for item in value] if self._max_length > 1 else self._text(value)

    def _text(self, item: Any) -> Any:
        if isinstance(item, str):
            return item
        if isinstance(item, (bytes, bytearray)):
            return bytes(item).split(b"\0", 1)[0].decode(self.string_encoding or STR_ENC, "replace")
        return str(item)

    def _encoded(self, text: str, size: int) -> bytes:
        return cut(text, self.string_encoding or STR_ENC, size)

    def _elements(self, stop: int | None = None) -> Any:
        value = "" if self._value is None else self._value
        return [self._encoded(text, MAX_TEXT) for text in (value[:stop] if self._max_length > 1 else [value])]

    def _from_wire(self, data: Any, native: int) -> Any:
        if native == STRING:
            texts = [self._text(bytes(text)) for text in data[: self._max_length]]
        elif native == CHAR and self._max_length == 1:
            texts = [self._text(_as_bytes(data, "ChannelString"))]
        else:
            digits = 6 if self._max_length == 1 else 0  # as EPICS Base has it
            texts = [text.decode("ascii") for text in texts_of_numbers(data[: self._max_length], native, digits)]
        return texts if self._max_length > 1 else texts[0]

    def _long_string_size(self) -> int:
        return self._long_string_max_length if self._max_length == 1 else 0

    def _long_string(self) -> bytes:
        return self._encoded(self._value or "", self._long_string_max_length)


class ChannelChar(ChannelData):
    """One text of any length, carried as an array of CHAR.

    Parameters
    ----------
    report_as_string : bool, optional
        Whether clients are told that this is a STRING; they can still ask for the whole text.
    """

    data_type = ChannelType.CHAR
    default_value = ""
    _report_as_string = False

    def __init__(
        self,
        *,
        alarm: Any = None,
        value: Any = None,
        timestamp: Any = None,
        max_length: int | None = None,
        string_encoding: str = STR_ENC,
        reported_record_type: str = "caproto",
        report_as_string: bool = False,
        **kwargs: Any,
    ) -> None:
        self._set_apart("_report_as_string", report_as_string)
        self._set_apart("data_type", ChannelType.STRING if report_as_string else ChannelType.CHAR)
        # Needed before the rest is set up, because lengths are those of the encoded text.
        self._set_apart("string_encoding", string_encoding)
        value = self.default_value if value is None else value
        super().__init__(
            alarm=alarm,
            value=value,
            timestamp=timestamp,
            max_length=max_length if max_length is not None else max(1, self._bytes_in(value)),
            string_encoding=string_encoding,
            reported_record_type=reported_record_type,
            **kwargs,
        )

    @property
    def max_length(self) -> int:
        """The most elements a client is told: bytes, or one string."""
        return 1 if self._report_as_string else self._max_length

    @property
    def long_string_max_length(self) -> int:
        """The most bytes the text may have."""
        return self._max_length

    def _bytes_in(self, value: Any) -> int:
        if isinstance(value, str):
            return len(self._encode(value))
        return len(value) if isinstance(value, bytes) else super().calculate_length(value)

    def _encode(self, text: str) -> bytes:
        encoding = self.string_encoding or STR_ENC
        try:
            return text.encode(encoding)
        except UnicodeEncodeError as error:
            raise CaprotoConversionError(f"ChannelChar: {text!r} cannot be written in {encoding}") from error

    def calculate_length(self, value: Any) -> int:
        """Return the number of elements a client sees: bytes, or one string."""
        return 1 if self._report_as_string else self._bytes_in(value)

    def preprocess_value(self, value: Any) -> str:
        """Return `value`, which may be text, bytes or numbers, as text."""
        ordered = isinstance(value, Sequence) or getattr(value, "ndim", 0) == 1
        if ordered and len(value) == 1 and isinstance(value[0], (str, bytes)):
            value = value[0]
        if isinstance(value, str):
            length = len(self._encode(value))
        else:
            data = _as_bytes(value, type(self).__name__)
            length = len(data)
            try:
                value = data.decode(self.string_encoding or STR_ENC)
            except UnicodeDecodeError as error:
                raise CaprotoConversionError(f"ChannelChar: {data!r} is not text in {self.string_encoding}") from error
        if length:  # an empty text is a value, even if there is room for one byte only
            self._check_length(length)
        text: str = value
        return text

    def _elements(self, stop: int | None = None) -> Any:
        return self._texts() if self._report_as_string else self._encode(self._value)[:stop]

    def _elements_as(self, native: int, stop: int | None = None) -> Any:
        if native == STRING:
            return self._texts()
        text = self._encode(self._value)[:stop]
        return text if native == CHAR else numbers_to(native, text)

    def _texts(self, stop: int | None = None) -> list[bytes]:
        return [cut(self._value, self.string_encoding or STR_ENC, MAX_TEXT)]

    def _news(self, old: Any, new: Any) -> int:
        return VALUE_AND_LOG if old != new else 0

    def _from_wire(self, data: Any, native: int) -> Any:
        if native == STRING:
            raw = bytes(data[0])
        else:
            raw = _as_bytes((data if native == CHAR else numbers_to(CHAR, data))[: self._max_length], "ChannelChar")
        return raw.split(b"\0", 1)[0].decode(self.string_encoding or STR_ENC, "replace")

    def _long_string_size(self) -> int:
        return self._max_length + (not self._report_as_string)  # the size of a field counts its NUL

    def _long_string(self) -> bytes:
        return self._encode(self._value)
