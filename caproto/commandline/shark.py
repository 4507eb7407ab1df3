"""``caproto-shark``: show the Channel Access commands in a packet capture."""

from __future__ import annotations

import string
import sys
from types import SimpleNamespace
from typing import IO, Any

from .._errors import CaprotoError
from ..sync.shark import shark
from ._common import FAILED, INTERRUPTED, OK, USAGE, Arguments, Parser, complain, finish

TOOL = "caproto-shark"
FORMAT = "{timestamp} {src}:{transport.sport}->{dst}:{transport.dport} {command}"
FIELDS = ("timestamp", "src", "dst", "transport", "ethernet", "ip", "command")
EXAMPLES = """\
  caproto-shark capture.pcap
  caproto-shark --format '{timestamp:.6f} {command}' capture.pcapng
  tcpdump -U -w - 'port 5064 or port 5065' | caproto-shark
"""


def make_parser() -> Parser:
    """Return the parser of the arguments."""
    parser = Parser(
        TOOL, description="Show the Channel Access commands in a packet capture (pcap, pcapng).", examples=EXAMPLES
    )
    parser.add_argument("file", nargs="?", default="-", help="the capture; - (default) is standard input")
    parser.add_argument(
        "--format", default=FORMAT, help=f"what to print per command (default: {FORMAT}); fields: {', '.join(FIELDS)}"
    )
    return parser


def _check(template: str) -> str:
    """Return what is wrong with a format, or an empty text."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        return str(error)
    for name in names:
        if name.split(".")[0].split("[")[0] not in FIELDS:
            return f"there is no field {name!r}; there are {', '.join(FIELDS)}"
    return ""


def _line(template: str, found: SimpleNamespace) -> str:
    try:
        return template.format(**vars(found))
    except (CaprotoError, UnicodeDecodeError) as error:
        # The payload makes no sense; the rest is still worth showing.
        text = f"{type(found.command).__name__}(malformed: {error})"
        return template.format(**{**vars(found), "command": text})


def _show(file: IO[bytes] | Any, template: str) -> None:
    for found in shark(file):
        print(_line(template, found), flush=True)


def main(argv: Arguments = None) -> None:
    """Run the tool."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    wrong = _check(arguments.format)
    if wrong:
        parser.error(f"--format: {wrong}")
    code = OK
    try:
        if arguments.file == "-":
            _show(sys.stdin.buffer, arguments.format)
        else:
            with open(arguments.file, "rb") as file:
                _show(file, arguments.format)
    except BrokenPipeError:
        pass  # whoever read our output has seen enough
    except (CaprotoError, OSError) as error:
        complain(TOOL, str(error))
        code = FAILED
    except (AttributeError, LookupError, ValueError, TypeError) as error:
        complain(TOOL, f"--format {arguments.format!r}: {error}")
        code = USAGE
    except KeyboardInterrupt:
        code = INTERRUPTED
    finish(code)


if __name__ == "__main__":
    main()
