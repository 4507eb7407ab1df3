"""``caproto-get``: read PVs and print their values."""

from __future__ import annotations

import argparse
from typing import Any

from .._enums import ChannelType, field_types
from .._errors import CaprotoError, CaprotoTimeoutError, CaprotoValueError
from ..client._types import read_count, resolve_type
from ..sync._session import Channel, Request, Session
from ._client import run_in_session
from ._common import (
    DEFAULT_TIMEOUT,
    FAILED,
    OK,
    USAGE,
    Arguments,
    Parser,
    Style,
    add_log_arguments,
    add_network_arguments,
    complain,
    setup_log,
    stdout_style,
)
from ._format import ValueFormat, add_format_arguments, alarm_text, details, fill_template, timestamp_text

__all__ = ["GLOBAL_DEFAULT_TIMEOUT", "field_types", "main"]

GLOBAL_DEFAULT_TIMEOUT = DEFAULT_TIMEOUT
TOOL = "caproto-get"
EXAMPLES = """\
  caproto-get motor:position                   the value
  caproto-get -t motor:position                nothing but the value
  caproto-get -a motor:position motor:speed    with time stamp and alarm
  caproto-get -d control motor:position        with units, limits, precision
  caproto-get -e3 -# 5 scope:trace             the first 5 elements, as 1.234e+00
  caproto-get -S camera:file_name              an array of characters as text
  caproto-get -n shutter:state                 the number of a state, not its name
  caproto-get --format '{timestamp:%H:%M:%S} {response.data}' motor:position

exit code: 0 all is well, 1 some PV failed, 2 wrong usage
"""


class _ListTypes(argparse.Action):
    """Prints what ``-d`` takes."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any) -> None:
        print("classes:", ", ".join(field_types))
        print("types, by number or name (DBR_ may precede it):")
        for number in ChannelType:
            print(f"{int(number):>4} {number.name}")
        parser.exit()


def _data_type(text: str) -> str:
    try:
        resolve_type(ChannelType.DOUBLE, text)
    except CaprotoValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; see --list-types") from None
    return text


def make_parser() -> Parser:
    """Return the parser of the arguments."""
    parser = Parser(TOOL, description="Read PVs and print their values.", examples=EXAMPLES)
    parser.add_argument("pv_names", nargs="+", metavar="pv_name", help="names of PVs")
    add_network_arguments(parser)
    parser.add_argument("--notify", "-c", action="store_true", help="accepted and without effect, as in caget")
    parser.add_argument(
        "--format", metavar="FORMAT",
        help="Python format string with {pv_name}, {response} (as in {response.data}) "
        "and {timestamp} (as in {timestamp:%%H:%%M:%%S})",
    )  # fmt: skip
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--terse", "-t", action="store_true", help="print values only")
    shape.add_argument(
        "--wide", "-a", "-l", action="store_true", help="print name, time stamp, value, status and severity"
    )
    shape.add_argument(
        "-d", dest="data_type", type=_data_type, metavar="DATA_TYPE",
        help="ask for a class (native, status, time, graphic, control) or a DBR type, and print all of it",
    )  # fmt: skip
    parser.add_argument("--list-types", action=_ListTypes, nargs=0, help="list what -d takes, and exit")
    add_format_arguments(parser)
    add_log_arguments(parser)
    return parser


class Reader:
    """Reads all PVs together and prints them in the order of the command line."""

    def __init__(self, arguments: argparse.Namespace, session: Session) -> None:
        self.arguments = arguments
        self.session = session
        self.values = ValueFormat(arguments)
        self.style: Style = stdout_style(arguments)
        self.failed = False

    def run(self) -> int:
        """Return the exit code."""
        arguments, session = self.arguments, self.session
        channels = [session.channel(name, priority=arguments.priority) for name in arguments.pv_names]
        session.wait(lambda: all(c.connected or c.refused for c in channels), arguments.timeout)
        requests = [(channel, self._ask(channel)) for channel in channels]
        session.wait(lambda: all(r.done for _, r in requests if r is not None), arguments.timeout)
        for channel, request in requests:
            if request is not None:
                self._show(channel, request)
        return FAILED if self.failed else OK

    def _ask(self, channel: Channel) -> Request | None:
        if not channel.connected:
            if channel.refused and channel.problem is not None:
                self._complain(channel.problem)
            else:
                text = f"timed out after {self.arguments.timeout:g} s {channel.waiting_for()}"
                self._complain(CaprotoTimeoutError(f"{channel.name}: {text}"))
            return None
        _, native = channel.require()
        wanted = self.arguments.count
        if wanted:
            # The C library asks for no more than there can be; a server would fill the rest with zeros.
            wanted = min(wanted, native.native_data_count or 1)
        try:
            ftype = self._request_type(native.native_data_type)
            return self.session.read(channel, ftype, read_count(native, wanted, notify=True))
        except CaprotoError as error:
            self._complain(error)
            return None

    def _request_type(self, native: ChannelType) -> ChannelType:
        arguments = self.arguments
        data_type = arguments.data_type
        if data_type is None:
            timed = arguments.wide or "{timestamp" in (arguments.format or "")
            data_type = "time" if timed else "native"
        if arguments.as_string and native in (ChannelType.FLOAT, ChannelType.DOUBLE):
            native = ChannelType.STRING
        return resolve_type(native, data_type, arguments.enum_numbers)

    def _show(self, channel: Channel, request: Request) -> None:
        arguments, values = self.arguments, self.values
        if request.error is not None:
            self._complain(request.error)
            return
        response = request.response
        if response is None:
            self._complain(
                CaprotoTimeoutError(
                    f"{channel.name}: timed out after {arguments.timeout:g} s "
                    f"waiting for the answer to a read from {channel.where}"
                )
            )
            return
        native = channel.native
        array = native is not None and native.native_data_count != 1
        if arguments.format is not None:
            print(fill_template(arguments.format, response, values, pv_name=channel.name))
        elif arguments.terse:
            print(values.terse(response))
        elif arguments.data_type is not None and native is not None:
            print(details(channel.name, native.native_data_type, response, values, self.style))
        elif arguments.wide:
            parts = [values.name(channel.name), timestamp_text(response.metadata)]
            parts += [values.value(response, array=array)]
            parts += [alarm_text(response.metadata, values.separator, self.style)]
            print(values.separator.join(parts).rstrip(" "))
        else:
            print(values.separator.join([values.name(channel.name), values.value(response, array=array)]))

    def _complain(self, error: CaprotoError) -> None:
        self.failed = True
        complain(TOOL, str(error), self.arguments.no_color)


def main(argv: Arguments = None) -> None:
    """Run the tool."""
    arguments = make_parser().parse_args(argv)
    setup_log(arguments)
    run_in_session(TOOL, arguments, lambda session: Reader(arguments, session).run(), wrong_value=USAGE)


if __name__ == "__main__":
    main()
