"""``caproto-repeater``: hand beacons on to all clients of this host."""

from __future__ import annotations

import logging

from .._environ import variable_port
from .._errors import CaprotoError
from ..sync.repeater import run
from ._common import FAILED, OK, Arguments, Parser, add_log_arguments, complain, finish, setup_log

TOOL = "caproto-repeater"
EXAMPLES = """\
  caproto-repeater            run until interrupted; exit at once if there is a repeater
  caproto-repeater -q &       the same, in the background
"""


def make_parser() -> Parser:
    """Return the parser of the arguments."""
    parser = Parser(
        TOOL,
        description="Run a repeater, which hands the beacons of all servers on to every client of this host. "
        f"Its port is EPICS_CA_REPEATER_PORT, now {variable_port('EPICS_CA_REPEATER_PORT')}.",
        examples=EXAMPLES,
    )
    add_log_arguments(parser, quiet=True)
    return parser


def main(argv: Arguments = None) -> None:
    """Run the tool."""
    arguments = make_parser().parse_args(argv)
    setup_log(arguments, base=logging.INFO)
    try:
        run()
    except (CaprotoError, OSError) as error:
        complain(TOOL, str(error), arguments.no_color)
        finish(FAILED)
    finish(OK)


if __name__ == "__main__":
    main()
