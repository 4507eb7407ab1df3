"""``caproto-monitor``: print the updates of PVs as they come, or how fast they come."""

from __future__ import annotations

import argparse
import datetime
import functools
from collections.abc import Callable
from typing import Any

from .._channel import ClientChannel
from .._commands import EventAddResponse
from .._enums import ChannelType, SubscriptionType
from .._errors import CaprotoError, CaprotoTimeoutError, CaprotoValueError
from ..client._link import status_text
from ..client._types import default_count, resolve_type
from ..sync._session import Channel, Monitor, Session
from ._client import run_in_session
from ._common import (
    DEFAULT_TIMEOUT,
    FAILED,
    OK,
    USAGE,
    Arguments,
    Parser,
    add_log_arguments,
    add_network_arguments,
    complain,
    count,
    positive,
    setup_log,
    stdout_style,
)
from ._format import (
    ValueFormat,
    add_format_arguments,
    alarm_text,
    fill_template,
    timestamp_of,
    timestamp_text,
)
from ._rate import Counter, RateTable

__all__ = ["GLOBAL_DEFAULT_TIMEOUT", "main"]

GLOBAL_DEFAULT_TIMEOUT = DEFAULT_TIMEOUT
TOOL = "caproto-monitor"
EXAMPLES = """\
  caproto-monitor motor:position                      until interrupted
  caproto-monitor --maximum 10 motor:position         10 updates
  caproto-monitor --duration 60 -m a motor:position   changes of the alarm, for a minute
  caproto-monitor --rate scope:trace camera:image     updates/s, MB/s and losses instead of values
  caproto-monitor --format '{timedelta} {response.data}' motor:position

exit code: 0 all is well, 1 some PV failed, 2 wrong usage
"""
_MASK = {
    "v": SubscriptionType.DBE_VALUE,
    "a": SubscriptionType.DBE_ALARM,
    "l": SubscriptionType.DBE_LOG,
    "p": SubscriptionType.DBE_PROPERTY,
}
#: Seconds between two lines, or two states of the table, of --rate.
RATE_INTERVAL = 1.0


def mask(text: str) -> int:
    """Argument type: letters that stand for kinds of changes."""
    if not text or set(text) - set(_MASK):
        raise argparse.ArgumentTypeError(f"{text!r} is not a combination of {', '.join(_MASK)}")
    return functools.reduce(lambda sum_, letter: sum_ | int(_MASK[letter]), text, 0)


def make_parser() -> Parser:
    """Return the parser of the arguments."""
    parser = Parser(TOOL, description="Print the updates of PVs as they come.", examples=EXAMPLES)
    parser.add_argument("pv_names", nargs="+", metavar="pv_name", help="names of PVs")
    add_network_arguments(parser)
    parser.add_argument(
        "--format", metavar="FORMAT",
        help="Python format string with {pv_name}, {response} (as in {response.data}), {callback_count}, "
        "{timestamp} (as in {timestamp:%%H:%%M:%%S}) and {timedelta}, the time since the last update",
    )  # fmt: skip
    parser.add_argument("--duration", type=positive, metavar="SECONDS", help="end after this time")
    parser.add_argument("--maximum", type=count, metavar="N", help="end after this number of updates")
    parser.add_argument("--rate", action="store_true", help="show how fast updates come, not their values")
    parser.add_argument(
        "-m", dest="mask", type=mask, default=mask("va"), metavar="MASK",
        help="which changes: v(alue), a(larm), l(og), p(roperty); va if not given",
    )  # fmt: skip
    add_format_arguments(parser)
    add_log_arguments(parser)
    return parser


class Watched:
    """One PV and its updates."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counter = Counter(name)
        self.last_time: datetime.datetime | None = None
        # What the session calls.
        self.update: Callable[[EventAddResponse], None]
        self.failed: Callable[[CaprotoError], None]


class Watcher:
    """Subscribes to PVs and shows what comes."""

    def __init__(self, arguments: argparse.Namespace, session: Session) -> None:
        self.arguments = arguments
        self.session = session
        self.values = ValueFormat(arguments)
        self.style = stdout_style(arguments)
        self.updates = 0
        self.failed = False
        self.dead = 0
        self.usage_error: CaprotoValueError | None = None
        self.watched = [Watched(name) for name in arguments.pv_names]
        self.channels = [self._subscribe(watched) for watched in self.watched]

    def _subscribe(self, watched: Watched) -> Channel:
        watched.update = functools.partial(self._count if self.arguments.rate else self._print, watched)
        watched.failed = self._refused
        on_change = functools.partial(self._changed, watched)
        channel = self.session.channel(watched.name, priority=self.arguments.priority, on_change=on_change)
        self.session.subscribe(channel, Monitor(watched, choose=self._choose, mask=self.arguments.mask))
        return channel

    def _choose(self, native: ClientChannel) -> tuple[ChannelType, int]:
        arguments = self.arguments
        ftype = native.native_data_type
        if arguments.as_string and ftype in (ChannelType.FLOAT, ChannelType.DOUBLE):
            ftype = ChannelType.STRING
        wanted = default_count(native)
        if arguments.count:
            wanted = min(arguments.count, native.native_data_count or 1)
        return resolve_type(ftype, "time", arguments.enum_numbers), wanted

    def run(self) -> int:
        """Return the exit code."""
        session, timeout = self.session, self.arguments.timeout
        began = session.now()
        table = self._table()
        self._wait(timeout, lambda: all(c.ever_connected or c.refused for c in self.channels), table)
        missing = [channel for channel in self.channels if not channel.ever_connected]
        if not self._done():
            for channel in missing:
                self._missing(channel)
        if len(missing) < len(self.channels):
            duration = self.arguments.duration
            rest = None if duration is None else max(duration - (session.now() - began), 0.0)
            self._wait(rest, lambda: False, table)
        if table is not None:
            table.close(max(session.now() - began, 1e-9))
        if self.usage_error is not None:
            complain(TOOL, str(self.usage_error), self.arguments.no_color)
            return USAGE
        return FAILED if self.failed else OK

    def _done(self) -> bool:
        maximum = self.arguments.maximum
        enough = maximum is not None and self.updates >= maximum
        return enough or self.dead == len(self.channels) or self.usage_error is not None

    def _wait(self, seconds: float | None, settled: Any, table: RateTable | None) -> None:
        """Wait for `settled`, the end of the time or of all updates; show rates meanwhile."""
        session = self.session
        deadline = None if seconds is None else session.now() + seconds
        while not (self._done() or settled()):
            rest = None if deadline is None else deadline - session.now()
            if rest is not None and rest <= 0:
                return
            turn = rest
            if table is not None:
                turn = RATE_INTERVAL if rest is None else min(rest, RATE_INTERVAL)
            try:
                over = session.wait(lambda: self._done() or settled(), turn)
            except KeyboardInterrupt:
                if table is None:
                    raise
                self.dead = len(self.channels)  # the way to end --rate; the sums are still wanted
                return
            if table is not None and not over:
                table.show(session.now())

    def _table(self) -> RateTable | None:
        if not self.arguments.rate:
            return None
        counters = [watched.counter for watched in self.watched]
        for counter in counters:
            counter.start(self.session.now())
        return RateTable(counters, color=not self.arguments.no_color)

    def _missing(self, channel: Channel) -> None:
        self.failed = True
        if channel.refused and channel.problem is not None:
            complain(TOOL, str(channel.problem), self.arguments.no_color)
            return
        text = f"timed out after {self.arguments.timeout:g} s {channel.waiting_for()}"
        complain(TOOL, str(CaprotoTimeoutError(f"{channel.name}: {text}")), self.arguments.no_color)

    def _refused(self, error: CaprotoError) -> None:
        self.failed = True
        self.dead += 1
        complain(TOOL, str(error), self.arguments.no_color)

    def _changed(self, watched: Watched, channel: Channel, connected: bool) -> None:
        watched.counter.connected = connected
        if not connected:
            watched.counter.interrupted()
            text = f"disconnected, searching again: {channel.name}: {channel.problem}"
            complain(TOOL, text, self.arguments.no_color)

    def _accept(self, watched: Watched, response: EventAddResponse) -> bool:
        """Return whether the update is to be shown."""
        if self._done():  # the rest of a chunk of which we wanted only the beginning
            return False
        if response.status.success:
            self.updates += 1
            return True
        self.failed = True
        complain(TOOL, f"{watched.name}: {status_text(response.status)}", self.arguments.no_color)
        return False

    def _count(self, watched: Watched, response: EventAddResponse) -> None:
        if self._accept(watched, response):
            # Decoded although nobody looks, because that is part of the work of following a PV.
            _ = response.data
            watched.counter.update(response)

    def _print(self, watched: Watched, response: EventAddResponse) -> None:
        if not self._accept(watched, response):
            return
        arguments, values = self.arguments, self.values
        metadata = response.metadata
        watched.counter.updates += 1
        if arguments.format is not None:
            now = timestamp_of(metadata) or datetime.datetime.fromtimestamp(0)
            last, watched.last_time = watched.last_time, now
            try:
                text = fill_template(
                    arguments.format, response, values, pv_name=watched.name,
                    callback_count=watched.counter.updates, timedelta=now - (last or now),
                )  # fmt: skip
            except CaprotoValueError as error:
                self.usage_error = error
                return
        else:
            shown = values.value(response, array=_is_array(response, self.channels, watched))
            alarm = alarm_text(metadata, values.separator, self.style)
            parts = [values.name(watched.name), timestamp_text(metadata), shown, alarm]
            text = values.separator.join(parts).rstrip(" ")
        print(text, flush=True)


def _is_array(response: EventAddResponse, channels: list[Channel], watched: Watched) -> bool:
    for channel in channels:
        if channel.name == watched.name and channel.native is not None:
            return bool(channel.native.native_data_count != 1)
    return bool(response.data_count != 1)


def main(argv: Arguments = None) -> None:
    """Run the tool."""
    arguments = make_parser().parse_args(argv)
    setup_log(arguments)
    # As in `caproto-monitor ... | head`.
    run_in_session(TOOL, arguments, lambda session: Watcher(arguments, session).run(), closed_pipe=OK)


if __name__ == "__main__":
    main()
