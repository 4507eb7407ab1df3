"""``caproto-put``: write a value to a PV, and show it before and after."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

from .._constants import STR_ENC
from .._enums import ChannelType
from .._errors import CaprotoValueError, ErrorResponseReceived
from ..sync._session import Channel, Session
from ..sync.client import read_channel, write_channel
from ._client import run_in_session
from ._common import (
    DEFAULT_TIMEOUT,
    OK,
    USAGE,
    Arguments,
    Parser,
    add_log_arguments,
    add_network_arguments,
    complain,
    count,
    finish,
    setup_log,
    stdout_style,
)
from ._format import ValueFormat, alarm_text, fill_template, timestamp_text

__all__ = ["GLOBAL_DEFAULT_TIMEOUT", "main"]

GLOBAL_DEFAULT_TIMEOUT = DEFAULT_TIMEOUT
TOOL = "caproto-put"
EXAMPLES = """\
  caproto-put motor:velocity -2.5             numbers may be negative
  caproto-put shutter:mode "fast open"        the state of an enum, by name ...
  caproto-put -n shutter:mode 2               ... or by number
  caproto-put sample:name 0012                text stays as it is typed
  caproto-put -c motor:position 10            wait until the motion is done
  caproto-put -a scope:trace "1 2 3"          an array; or, as caput: -a scope:trace 3 1 2 3
  caproto-put -S camera:file_name "run 1.h5"  text into an array of characters
  caproto-put -a --file scope:trace data.txt  values from a file

exit code: 0 all is well, 1 the write failed, 2 wrong usage
"""
#: Marks an argument that is a value although it begins like an option.
_PROTECT = "\0"
_NEGATIVE = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
_FLOATS = (ChannelType.FLOAT, ChannelType.DOUBLE)
_INTS = (ChannelType.INT, ChannelType.LONG, ChannelType.CHAR)


def make_parser() -> Parser:
    """Return the parser of the arguments."""
    parser = Parser(TOOL, description="Write a value to a PV.", examples=EXAMPLES)
    parser.add_argument("pv_name", help="name of the PV")
    parser.add_argument("data", nargs="+", help="value; several words are joined by blanks, unless -a is given")
    add_network_arguments(parser)
    parser.add_argument("--notify", "-c", action="store_true", help="wait until the write is completed")
    parser.add_argument(
        "--format", metavar="FORMAT",
        help="Python format string with {pv_name}, {response}, {which} (Old or New) and {timestamp}",
    )  # fmt: skip
    parser.add_argument("--terse", "-t", action="store_true", help="print the new value only")
    parser.add_argument("--wide", "-l", action="store_true", help="print time stamp, status and severity, too")
    parser.add_argument("-n", dest="enum_numbers", action="store_true", help="numbers of enum states, not names")
    parser.add_argument("--array", "-a", action="store_true", help="write an array: the words of one "
                        "argument, or the number of elements and then each of them")  # fmt: skip
    parser.add_argument("--file", action="store_true", help="`data` is the name of a file that holds the value")
    parser.add_argument("--array-pad", type=count, metavar="N", help="pad the array to N elements")
    parser.add_argument("-S", dest="long_string", action="store_true", help="write text as array of characters")
    add_log_arguments(parser)
    return parser


def protect_negative(argv: list[str]) -> list[str]:
    """Keep the parser of arguments from taking ``-1e-3`` for an option."""
    return [_PROTECT + argument if _NEGATIVE.match(argument) else argument for argument in argv]


def words_of(arguments: argparse.Namespace) -> list[str]:
    """Return the elements to write, as text; raises CaprotoValueError for wrong usage."""
    data: list[str] = [text.removeprefix(_PROTECT) for text in arguments.data]
    is_array = arguments.array or arguments.array_pad is not None
    if arguments.file:
        path = " ".join(data)
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise CaprotoValueError(f"--file {path}: {error}") from None
        if is_array and not arguments.long_string:
            return text.replace(",", " ").split()
        return [text.removesuffix("\n")]
    if not is_array or arguments.long_string:
        return [" ".join(data)]
    if len(data) == 1:
        return data[0].split()
    first, *elements = data
    if not (first.isascii() and first.isdecimal()) or int(first) != len(elements):
        raise CaprotoValueError(
            f"-a: the first of several arguments is the number of elements: {first!r}, but {len(elements)} follow"
        )
    return elements


def _encode(text: str) -> bytes:
    try:
        return text.encode(STR_ENC)
    except UnicodeEncodeError:
        return text.encode("utf-8")


def _number(text: str, native: ChannelType) -> int | float:
    if native in _FLOATS:
        return float(text)
    try:
        number = int(text, 0)
    except ValueError:
        number = int(text)  # 0012
    # CHAR is unsigned in this library, and signed in many records.
    return number + 256 if native == ChannelType.CHAR and -128 <= number < 0 else number


def compose(channel: Channel, words: list[str], arguments: argparse.Namespace) -> tuple[Any, ChannelType]:
    """Return what to send, and as which type.

    Text that is no number goes to the server as it is: a server knows names of states, and has the last word.
    """
    _, link_channel = channel.require()
    native = ChannelType(link_channel.native_data_type)
    if native == ChannelType.CHAR and (arguments.long_string or channel.name.endswith("$")):
        return list(_encode(words[0]) + b"\0"), native
    if native in (*_FLOATS, *_INTS) or (native == ChannelType.ENUM and arguments.enum_numbers):
        try:
            values: list[Any] = [_number(word, native) for word in words]
        except ValueError:
            if native == ChannelType.ENUM:
                raise CaprotoValueError(f"{channel.name}: -n takes numbers, not {words[0]!r}") from None
        else:
            return values + [0] * _missing(values, arguments), native
    texts = [_encode(word) for word in words]
    return texts + [b""] * _missing(texts, arguments), ChannelType.STRING


def _missing(values: list[Any], arguments: argparse.Namespace) -> int:
    return max((arguments.array_pad or 0) - len(values), 0)


class Writer:
    """Reads, writes and reads again."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.values = ValueFormat(arguments)
        self.style = stdout_style(arguments)

    def run(self, session: Session, words: list[str]) -> int:
        """Do it; raises if the write fails.  Returns the exit code."""
        arguments = self.arguments
        timeout = arguments.timeout
        (channel,) = session.connect([arguments.pv_name], timeout, arguments.priority)
        if channel.name.endswith("$"):
            self.values.long_string = True
        data, ftype = compose(channel, words, arguments)
        if not arguments.terse:
            self._look(session, channel, "Old")
        write_channel(session, channel, data, data_type=ftype, notify=arguments.notify, timeout=timeout)
        self._look(session, channel, "New")
        return OK

    def _look(self, session: Session, channel: Channel, which: str) -> None:
        arguments, values = self.arguments, self.values
        timed = arguments.wide or "{timestamp" in (arguments.format or "")
        try:
            response = read_channel(
                session,
                channel,
                data_type="time" if timed else "native",
                timeout=arguments.timeout,
                force_int_enums=arguments.enum_numbers,
            )
        except ErrorResponseReceived as error:
            # Who may not read may still write.
            complain(TOOL, f"{which}: {error}", arguments.no_color)
            return
        native = channel.native
        array = native is not None and native.native_data_count != 1
        if arguments.format is not None:
            print(fill_template(arguments.format, response, values, pv_name=channel.name, which=which))
        elif arguments.terse:
            print(values.terse(response))
        else:
            parts = [f"{which} :", values.name(channel.name)]
            if arguments.wide:
                parts.append(timestamp_text(response.metadata))
            parts.append(values.value(response, array=array))
            if arguments.wide:
                parts.append(alarm_text(response.metadata, " ", self.style))
            print(" ".join(parts).rstrip(" "))


def main(argv: Arguments = None) -> None:
    """Run the tool."""
    arguments = make_parser().parse_args(protect_negative(list(sys.argv[1:] if argv is None else argv)))
    setup_log(arguments)
    try:
        words = words_of(arguments)
    except CaprotoValueError as error:
        complain(TOOL, str(error), arguments.no_color)
        finish(USAGE)
    run_in_session(TOOL, arguments, lambda session: Writer(arguments).run(session, words))


if __name__ == "__main__":
    main()
