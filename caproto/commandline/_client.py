"""A session for a tool, and the exit code for what becomes of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from .._errors import CaprotoError, CaprotoValueError
from ..sync._session import Session
from ._common import FAILED, INTERRUPTED, OK, complain, finish

__all__ = ["run_in_session"]


def run_in_session(
    tool: str,
    arguments: argparse.Namespace,
    action: Callable[[Session], int],
    *,
    wrong_value: int = FAILED,
    closed_pipe: int = FAILED,
) -> NoReturn:
    """Call `action`, and leave with the exit code that it returns or that stands for what it raises.

    Parameters
    ----------
    tool : str
        What errors begin with.
    arguments : argparse.Namespace
        With ``no_repeater`` and ``no_color``.
    action : callable
    wrong_value : int, optional
        Exit code for CaprotoValueError; the arguments may be to blame.
    closed_pipe : int, optional
        Exit code if nobody reads what is printed; `OK` is not complained about.
    """
    try:
        with Session(repeater=not arguments.no_repeater) as session:
            code = action(session)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (CaprotoError, BrokenPipeError) as error:
        wrong = isinstance(error, CaprotoValueError)
        code = wrong_value if wrong else closed_pipe if isinstance(error, BrokenPipeError) else FAILED
        if code != OK:
            complain(tool, str(error), arguments.no_color)
    finish(code)
