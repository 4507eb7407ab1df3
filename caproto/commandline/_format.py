"""Values as text, in the ways that the options of the tools ask for.

The letters mean what they mean to ``caget``, ``caput`` and ``camonitor`` of EPICS Base.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Callable, Iterable
from typing import Any

from .._constants import STR_ENC
from .._enums import AlarmSeverity, AlarmStatus, ChannelType, native_type
from .._errors import CaprotoError, CaprotoValueError
from .._layout import EPICS_EPOCH_SECONDS
from ._common import Style, count

__all__ = ["ValueFormat", "add_format_arguments", "details", "fill_template", "timestamp_text"]

NAME_WIDTH = 40
_FLOATS = (ChannelType.FLOAT, ChannelType.DOUBLE)
_SHOWN_OTHERWISE = {
    "status", "severity", "secondsSinceEpoch", "nanoSeconds", "stamp", "timestamp", "no_str", "strs",
}  # fmt: skip
_PREFIX = {"x": "0x", "o": "0o", "b": "0b"}


def add_format_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for numbers, enums, strings, the number of elements and separators."""
    parser.add_argument("-n", dest="enum_numbers", action="store_true", help="print the numbers of enum states")
    parser.add_argument("-S", dest="long_string", action="store_true", help="print arrays of characters as text")
    parser.add_argument("-#", dest="count", type=count, metavar="COUNT", help="ask for the first COUNT elements")
    floats = parser.add_argument_group("floating point numbers (%%g by default)")
    for letter in "efg":
        floats.add_argument(
            f"-{letter}", dest=f"float_{letter}", type=count, metavar="<nr>",
            help=f"%%{letter} with <nr> digits (-{letter}5 or -{letter} 5)",
        )  # fmt: skip
    floats.add_argument("-s", dest="as_string", action="store_true", help="as text made by the server")
    for letter, name in (("x", "hexadecimal"), ("o", "octal"), ("b", "binary")):
        floats.add_argument(
            f"-l{letter}",
            dest="float_base",
            action="store_const",
            const=letter,
            help=f"round, show as {name}",
        )
    integers = parser.add_argument_group("integers (decimal by default)")
    for letter, name in (("x", "hexadecimal"), ("o", "octal"), ("b", "binary")):
        integers.add_argument(
            f"-0{letter}", dest="int_base", action="store_const", const=letter, help=f"show as {name}"
        )
    parser.add_argument_group("separator").add_argument(
        "-F", dest="separator", metavar="<ofs>", help="put <ofs> between the fields, not blanks"
    )


def text_of(value: bytes | str) -> str:
    """Return a string from the wire, in whichever encoding it came; unprintable characters are escaped."""
    if isinstance(value, bytes):
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = value.decode(STR_ENC)
    else:
        text = value
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plain_type(data_type: int) -> ChannelType:
    """Return the type of the elements of a response."""
    strings = (ChannelType.STSACK_STRING, ChannelType.CLASS_NAME)
    return ChannelType.STRING if data_type in strings else native_type(data_type)


class ValueFormat:
    """How to show values.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the options of :func:`add_format_arguments` gave; those that are missing have their defaults.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        def option(name: str, default: Any = None) -> Any:
            value = getattr(arguments, name, None)
            return default if value is None else value

        self.separator: str = option("separator", " ")
        self.custom_separator = option("separator") is not None
        self.as_string: bool = option("as_string", False)
        self.enum_numbers: bool = option("enum_numbers", False)
        self.long_string: bool = option("long_string", False)
        self.int_base: str = option("int_base", "")
        self.float_base: str = option("float_base", "")
        spec = "%g"
        for letter in "efg":
            digits = option(f"float_{letter}")
            if digits is not None:
                spec = f"%.{digits}{letter}"
        self.float_spec = spec

    def name(self, pv_name: str) -> str:
        """Return the name of a PV as the first column."""
        return pv_name if self.custom_separator else f"{pv_name:<{NAME_WIDTH}}"

    def elements(self, response: Any) -> list[str]:
        """Return the elements of a response as texts; a long string is one element."""
        native = plain_type(response.data_type)
        data = response.data
        if native == ChannelType.STRING:
            return [text_of(value) for value in data]
        values = data.tolist() if hasattr(data, "tolist") else list(data)
        if native == ChannelType.CHAR and self.long_string:
            return [text_of(bytes(values).split(b"\0", 1)[0])]
        return list(map(self._element(native, response.metadata), values))

    def _element(self, native: ChannelType, metadata: Any) -> Callable[[Any], str]:
        if native in _FLOATS:
            if self.float_base:
                return self._rounded
            return self.float_spec.__mod__
        if native == ChannelType.ENUM and not self.enum_numbers:
            strings = getattr(metadata, "enum_strings", None)
            if strings:
                return lambda value: text_of(strings[value]) if value < len(strings) else str(value)
        if self.int_base:
            return lambda value: _in_base(value, self.int_base)
        return str

    def _rounded(self, value: float) -> str:
        # Neither infinity nor "not a number" has digits.
        if value != value or value in (float("inf"), float("-inf")):
            return str(value)
        return _in_base(int(value + (0.5 if value >= 0 else -0.5)), self.float_base)

    def value(self, response: Any, *, array: bool) -> str:
        """Return the value; that of an array has the number of elements in front of it."""
        texts = self.elements(response)
        long_string = self.long_string and plain_type(response.data_type) == ChannelType.CHAR
        if array and not long_string:
            texts.insert(0, str(len(texts)))
        return self.separator.join(texts)

    def terse(self, response: Any) -> str:
        """Return the elements alone."""
        return self.separator.join(self.elements(response))


def _in_base(value: int, base: str) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}{_PREFIX[base]}{format(abs(value), base.upper() if base == 'x' else base)}"


# Time stamps and alarms --------------------------------------------------------------------------------


def timestamp_of(metadata: Any) -> datetime.datetime | None:
    """Return the local time in the metadata of a response; None if it carries none."""
    stamp = getattr(metadata, "stamp", None)
    if stamp is None:
        return None
    seconds = stamp.secondsSinceEpoch + EPICS_EPOCH_SECONDS
    local = datetime.datetime.fromtimestamp(seconds)
    # Nanoseconds beyond a second are nonsense that servers have been seen to send.
    return local.replace(microsecond=min(stamp.nanoSeconds // 1000, 999_999))


def timestamp_text(metadata: Any) -> str:
    """Return the time stamp as text; one that was never set is called so."""
    stamp = getattr(metadata, "stamp", None)
    if stamp is None or not (stamp.secondsSinceEpoch or stamp.nanoSeconds):
        return "<undefined>"
    return format(timestamp_of(metadata), "%Y-%m-%d %H:%M:%S.%f")


def status_name(status: int) -> str:
    """Return the name of an alarm status."""
    try:
        return AlarmStatus(status).name
    except ValueError:
        return f"status {int(status)}"


def severity_name(severity: int) -> str:
    """Return the name of an alarm severity."""
    try:
        name = AlarmSeverity(severity).name
    except ValueError:
        return f"severity {int(severity)}"
    return name if severity == 0 else name.removesuffix("_ALARM")


def alarm_text(metadata: Any, separator: str, style: Style) -> str:
    """Return status and severity in words; nothing if all is well."""
    status, severity = getattr(metadata, "status", 0), getattr(metadata, "severity", 0)
    if not status and not severity:
        return ""
    return style.severity(int(severity), f"{status_name(status)}{separator}{severity_name(severity)}")


def details(pv_name: str, native: ChannelType, response: Any, values: ValueFormat, style: Style) -> str:
    """Return everything in a response, a line each."""
    metadata = response.metadata
    lines: list[tuple[str, str]] = [
        ("Native data type", ChannelType(native).name),
        ("Request type", f"DBR_{ChannelType(response.data_type).name}"),
        ("Element count", str(response.data_count)),
        ("Value", values.terse(response)),
    ]
    fields = metadata.to_dict() if metadata is not None else {}
    if hasattr(metadata, "stamp"):
        lines.append(("Timestamp", timestamp_text(metadata)))
    if "status" in fields:
        severity = int(metadata.severity)
        lines.append(("Status", status_name(metadata.status)))
        lines.append(("Severity", style.severity(severity, severity_name(severity))))
    for key, value in fields.items():
        if key in _SHOWN_OTHERWISE or key.startswith(("RISC", "_", "pad")):
            continue
        if key == "enum_strings":
            lines += [(f"State {index}", text_of(state)) for index, state in enumerate(value)]
        else:
            text = text_of(value) if isinstance(value, (bytes, str)) else f"{value:g}"
            lines.append((key.replace("_", " ").capitalize(), text))
    return "\n".join([pv_name, *(f"    {label + ':':<24}{text}" for label, text in lines)])


# Templates ---------------------------------------------------------------------------------------------


class _Data(list[Any]):
    """Elements; shown as the options ask for."""

    def __init__(self, elements: Iterable[Any], texts: list[str], separator: str) -> None:
        super().__init__(elements)
        self._text = f"[{separator.join(texts)}]"

    def __str__(self) -> str:
        return self._text

    def __format__(self, spec: str) -> str:
        return format(self._text, spec)


class _Response:
    """A response whose ``data`` is shown as the options ask for; everything else is as it was."""

    def __init__(self, response: Any, values: ValueFormat) -> None:
        self._response = response
        data = response.data
        elements = data.tolist() if hasattr(data, "tolist") else list(data)
        self.data = _Data(elements, values.elements(response), values.separator)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def __str__(self) -> str:
        return str(self._response)


def fill_template(template: str, response: Any, values: ValueFormat, **tokens: Any) -> str:
    """Return a ``--format`` text with its tokens filled in; raises CaprotoValueError if it cannot be."""
    timestamp = timestamp_of(response.metadata)
    if timestamp is not None:
        tokens["timestamp"] = timestamp
    try:
        return template.format(response=_Response(response, values), **tokens)
    except KeyError as error:
        known = ", ".join(f"{{{name}}}" for name in sorted([*tokens, "response"]))
        hint = "" if timestamp is not None else "; {timestamp} needs a type with a time stamp"
        raise CaprotoValueError(f"--format: {error.args[0]!r} is not one of {known}{hint}") from None
    except CaprotoError:
        raise
    except (ValueError, AttributeError, IndexError, TypeError) as error:
        raise CaprotoValueError(f"--format {template!r}: {error}") from None
