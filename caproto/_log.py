"""Helpers for those who want to see the log of this package.

Nothing is set up on import.  The loggers are ``caproto`` and its children; records about a conversation carry
what the filters look at as attributes: ``pv``, ``role``, ``our_address`` and ``their_address``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

from ._errors import CaprotoValueError

__all__ = [
    "AddressFilter",
    "LogFormatter",
    "PVFilter",
    "RoleFilter",
    "color_logs",
    "config_caproto_logging",
    "get_handler",
    "set_handler",
]

_LOGGER = logging.getLogger("caproto")
_DATE_FORMAT = "%H:%M:%S"
# The handler that config_caproto_logging installed last; in a dict because it is replaced.
_installed: dict[str, logging.Handler] = {}


class LogFormatter(logging.Formatter):
    """Formats records with colours by level and the conversation they belong to.

    Parameters
    ----------
    fmt, datefmt, style : str, optional
        As of :class:`logging.Formatter`; ``color`` and ``end_color`` are two more fields.
    color : bool, optional
        Whether these two fields hold terminal codes, or nothing.
    colors : dict, optional
        Terminal colour (0 - 7) by level number.
    """

    DEFAULT_FORMAT = "%(color)s[%(levelname)1.1s %(asctime)s %(module)12s:%(lineno)d]%(end_color)s %(message)s"
    DEFAULT_DATE_FORMAT = "%y%m%d %H:%M:%S"
    DEFAULT_COLORS: Mapping[int, int] = {
        logging.DEBUG: 4,
        logging.INFO: 2,
        logging.WARNING: 3,
        logging.ERROR: 1,
    }

    def __init__(
        self,
        fmt: str = DEFAULT_FORMAT,
        datefmt: str | None = DEFAULT_DATE_FORMAT,
        style: Literal["%", "{", "$"] = "%",
        color: bool = True,
        colors: Mapping[int, int] = DEFAULT_COLORS,
    ) -> None:
        super().__init__(fmt, datefmt, style)
        self._codes = {level: f"\x1b[3{number}m" for level, number in colors.items()} if color else {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; line breaks inside it are indented."""
        # A copy, because other handlers see this record, too.
        record = logging.makeLogRecord(record.__dict__)
        code = self._codes.get(record.levelno, "")
        record.color, record.end_color = code, "\x1b[0m" if code else ""
        where = _conversation(record)
        if where:
            record.msg, record.args = f"[{where}] {record.getMessage()}", ()
        return super().format(record).replace("\n", "\n    ")


def _conversation(record: logging.LogRecord) -> str:
    """Return what is known about PV, role and addresses of a record."""
    parts = []
    for key in ("role", "our_address", "their_address", "pv"):
        value = getattr(record, key, None)
        if value is not None:
            parts.append(":".join(map(str, value)) if isinstance(value, tuple) else str(value))
    return " ".join(parts)


def _level_number(level: str | int) -> int:
    number = logging.getLevelName(level.upper()) if isinstance(level, str) else level
    if not isinstance(number, int):
        names = "DEBUG, INFO, WARNING, ERROR, CRITICAL"
        raise CaprotoValueError(f"level {level!r} is neither a number nor one of {names}")
    return number


def config_caproto_logging(
    file: TextIO | str | None = None,
    datefmt: str = _DATE_FORMAT,
    color: bool = True,
    level: str | int = "WARNING",
) -> logging.Handler:
    """Show the log of this package, in place of what an earlier call set up.

    Parameters
    ----------
    file : file or str, optional
        Where to write: an open text file or a path; standard output by default.
    datefmt : str, optional
        Format of the time.
    color : bool, optional
        Use colours if `file` is a terminal.
    level : str or int, optional
        The lowest level to show.
    """
    number = _level_number(level)
    target = sys.stdout if file is None else file
    handler: logging.Handler
    if isinstance(target, str):
        handler = logging.FileHandler(target)
        color = False
    else:
        handler = logging.StreamHandler(target)
        color = color and _is_terminal(target)
    handler.setLevel(number)
    handler.setFormatter(LogFormatter(datefmt=datefmt, color=color))
    previous = _installed.get("handler")
    if previous is not None:
        _LOGGER.removeHandler(previous)
        if isinstance(previous, logging.FileHandler):
            previous.close()
    _LOGGER.addHandler(handler)
    # The logger must let through what the handler shows, and need not work for what nobody sees.
    _LOGGER.setLevel(number)
    _installed["handler"] = handler
    return handler


set_handler = config_caproto_logging


def _is_terminal(file: Any) -> bool:
    try:
        return bool(file.isatty())
    except (AttributeError, ValueError):  # not a real file, or a closed one
        return False


def get_handler() -> logging.Handler | None:
    """Return the handler that :func:`config_caproto_logging` installed last, if any."""
    return _installed.get("handler")


def color_logs(color: bool) -> None:
    """Switch the colours of the installed handler on or off; installs one if there is none."""
    handler = get_handler() or config_caproto_logging(color=color)
    terminal = isinstance(handler, logging.StreamHandler) and _is_terminal(handler.stream)
    handler.setFormatter(LogFormatter(datefmt=_DATE_FORMAT, color=color and terminal))


class _SubjectFilter(logging.Filter):
    """Passes what is at `level` or above, about the subject or, unless exclusive, about none."""

    def __init__(self, level: str | int, exclusive: bool) -> None:
        super().__init__()
        self.level = level
        self.levelno = _level_number(level)
        self.exclusive = exclusive

    def matches(self, record: logging.LogRecord) -> bool | None:
        """Return whether a record is about the subject; None if it is about nothing of that kind."""
        raise NotImplementedError

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to show the record."""
        if record.levelno >= self.levelno:
            return True
        match = self.matches(record)
        return not self.exclusive if match is None else match


class PVFilter(_SubjectFilter):
    """Shows records about some PVs, and warnings about everything.

    Parameters
    ----------
    *names : str
        Names of PVs; ``*``, ``?`` and ``[...]`` match as in file names.
    level : str or int, optional
        Records at this level or above always pass.
    exclusive : bool, optional
        Whether records that belong to no PV at all are dropped.
    """

    def __init__(self, *names: str, level: str | int = "WARNING", exclusive: bool = False) -> None:
        super().__init__(level, exclusive)
        self.names = names

    def matches(self, record: logging.LogRecord) -> bool | None:
        """Return whether the record's PV is one of ours."""
        import fnmatch

        pv = getattr(record, "pv", None)
        if pv is None:
            return None
        return any(pv == name or fnmatch.fnmatchcase(pv, name) for name in self.names)


class AddressFilter(_SubjectFilter):
    """Shows records about some addresses, ours or theirs, and warnings about everything.

    Parameters
    ----------
    *addresses_list : str or tuple
        ``'1.2.3.4'`` (any port), ``'1.2.3.4:5064'`` or ``('1.2.3.4', 5064)``.
    level : str or int, optional
        Records at this level or above always pass.
    exclusive : bool, optional
        Whether records that belong to no address at all are dropped.
    """

    def __init__(
        self,
        *addresses_list: str | tuple[str, int],
        level: str | int = "WARNING",
        exclusive: bool = False,
    ) -> None:
        super().__init__(level, exclusive)
        self.hosts: set[str] = set()
        self.addresses: set[tuple[str, int]] = set()
        for entry in addresses_list:
            text = entry if isinstance(entry, str) else f"{entry[0]}:{entry[1]}"
            host, colon, port = text.partition(":")
            if not colon:
                self.hosts.add(host)
            elif port.isascii() and port.isdecimal():
                self.addresses.add((host, int(port)))
            else:
                raise CaprotoValueError(f"address {entry!r} is not of the form 'a.b.c.d', or with ':port'")

    def matches(self, record: logging.LogRecord) -> bool | None:
        """Return whether one end of the record's conversation is one of ours."""
        ends = [getattr(record, key, None) for key in ("our_address", "their_address")]
        known = [tuple(end) for end in ends if end is not None]
        if not known:
            return None
        return any(end in self.addresses or end[0] in self.hosts for end in known)


class RoleFilter(_SubjectFilter):
    """Shows records of clients, or of servers, and warnings about everything.

    Parameters
    ----------
    role : CLIENT, SERVER or str
        Whose records to show.
    level : str or int, optional
        Records at this level or above always pass.
    exclusive : bool, optional
        Whether records that belong to no role at all are dropped.
    """

    def __init__(self, role: object, level: str | int = "WARNING", exclusive: bool = False) -> None:
        super().__init__(level, exclusive)
        self.role = str(role).upper()
        if self.role not in ("CLIENT", "SERVER"):
            raise CaprotoValueError(f"role {role!r} is neither CLIENT nor SERVER")

    def matches(self, record: logging.LogRecord) -> bool | None:
        """Return whether the record's role is ours."""
        role = getattr(record, "role", None)
        return None if role is None else str(role).upper() == self.role
