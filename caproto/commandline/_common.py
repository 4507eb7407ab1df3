"""Arguments, log, colours and exit codes that the tools share."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import IO, NoReturn

from .._log import config_caproto_logging
from .._version import __version__
from .._wire import codec_name

OK, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130
DEFAULT_TIMEOUT = 2.0


def version_text() -> str:
    """Return what ``--version`` prints."""
    return f"caproto {__version__} (codec: {codec_name})"


class Parser(argparse.ArgumentParser):
    """Ends its help with examples; knows ``--version``."""

    def __init__(self, prog: str, *, description: str, examples: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{examples.rstrip()}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", "-V", action="version", version=version_text(), help="show version and codec")


def positive(text: str) -> float:
    """Argument type: a number greater than 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number greater than 0")
    return number


def count(text: str) -> int:
    """Argument type: an integer, 0 or more."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def priority(text: str) -> int:
    """Argument type: priority of a circuit."""
    number = count(text)
    if number > 99:
        raise argparse.ArgumentTypeError(f"{text!r} is not a priority (0..99)")
    return number


def add_log_arguments(parser: argparse.ArgumentParser, *, quiet: bool = False) -> None:
    """Add ``-v``, ``--no-color`` and, if asked for, ``-q``."""
    where: argparse._ActionsContainer = parser.add_mutually_exclusive_group() if quiet else parser
    if quiet:
        where.add_argument("--quiet", "-q", action="store_true", help="log warnings and errors only")
    where.add_argument("--verbose", "-v", action="count", default=0, help="log more; -vvv logs every message")
    parser.add_argument("--no-color", action="store_true", help="no colours, not even on a terminal")


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every client takes."""
    parser.add_argument(
        "--timeout", "-w", type=positive, default=DEFAULT_TIMEOUT, metavar="SECONDS",
        help="how long to wait for a server (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--priority", "-p", type=priority, default=0, help="priority of the circuit, 0 (default) to 99")
    parser.add_argument("--no-repeater", action="store_true", help="do not start a repeater")


def setup_log(arguments: argparse.Namespace, *, base: int = logging.WARNING) -> None:
    """Send the log to standard error, in the detail that the arguments ask for."""
    level = base - 10 * arguments.verbose
    if getattr(arguments, "quiet", False):
        level = logging.WARNING
    config_caproto_logging(sys.stderr, color=use_color(sys.stderr, arguments.no_color), level=max(level, logging.DEBUG))


def use_color(file: IO[str], no_color: bool = False) -> bool:
    """Return whether to colour what goes to `file`: only on a terminal, and not if NO_COLOR is set."""
    return not no_color and not os.environ.get("NO_COLOR") and file.isatty()


class Style:
    """Colours, or none."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color else text

    def error(self, text: str) -> str:
        """Red."""
        return self._paint("31", text)

    def severity(self, severity: int, text: str) -> str:
        """The colour of an alarm severity."""
        code = {1: "33", 2: "31", 3: "35"}.get(severity)
        return text if code is None else self._paint(code, text)


def stdout_style(arguments: argparse.Namespace) -> Style:
    """Return the style for standard output."""
    return Style(use_color(sys.stdout, arguments.no_color))


def complain(tool: str, message: str, no_color: bool = False) -> None:
    """Print an error of a tool."""
    style = Style(use_color(sys.stderr, no_color))
    print(f"{tool}: {style.error(message)}", file=sys.stderr)


def finish(code: int) -> NoReturn:
    """Leave with an exit code; a closed pipe at the other end of our output is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer cannot be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


Arguments = Sequence[str] | None
