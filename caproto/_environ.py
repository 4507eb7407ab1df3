"""The EPICS environment variables: one table, and the rules by which their text becomes a value.

Unset means the default; an empty text means "not configured", which is the default, too; a number that
makes no sense is reported once and replaced by the default.  Nothing is kept: a change of ``os.environ`` is
seen by the next call.
"""

from __future__ import annotations

import logging
import math
import os
from typing import NamedTuple

__all__ = [
    "VARIABLES",
    "Variable",
    "get_environment_variables",
    "max_array_bytes",
    "variable_flag",
    "variable_number",
    "variable_port",
    "variable_text",
]

logger = logging.getLogger("caproto.environ")

_MAX_SEARCH_PERIOD = 2**17 * 0.032  # s; the C library's number of search steps times its shortest one


class Variable(NamedTuple):
    """One environment variable.

    `kind` is ``text`` | ``port`` | ``seconds`` | ``count`` | ``auto`` (on unless it contains "no") | ``yes``
    (on only if it says "yes").  `fallback` names the variable that is used when this one is not set.  Numbers
    outside `low` ... `high` are refused, or moved to the nearest limit if `clip` is set.
    """

    name: str
    kind: str
    default: str | int | float
    meaning: str
    low: float = -math.inf
    high: float = math.inf
    clip: bool = False
    fallback: str = ""


def _port(name: str, default: int, meaning: str, fallback: str = "") -> Variable:
    return Variable(name, "port", default, meaning, 5001, 65535, fallback=fallback)


def _period(name: str, meaning: str, fallback: str = "") -> Variable:
    return Variable(name, "seconds", 15.0, meaning, math.ulp(0.0), fallback=fallback)


VARIABLES: dict[str, Variable] = {
    v.name: v
    for v in (
        Variable("EPICS_CA_ADDR_LIST", "text", "", "where clients search, besides the automatic addresses"),
        Variable("EPICS_CA_AUTO_ADDR_LIST", "auto", "YES", "clients search on every broadcast interface"),
        Variable("EPICS_CA_NAME_SERVERS", "text", "", "servers that clients search over TCP"),
        _port("EPICS_CA_SERVER_PORT", 5064, "where servers listen"),
        _port("EPICS_CA_REPEATER_PORT", 5065, "where the repeater listens for beacons"),
        Variable(
            "EPICS_CA_CONN_TMO", "seconds", 30.0, "silence before a client probes a circuit", math.ulp(0.0)
        ),
        Variable(
            "EPICS_CA_MAX_SEARCH_PERIOD", "seconds", 300.0, "longest time between two searches for one name",
            60.0, _MAX_SEARCH_PERIOD, clip=True,
        ),
        Variable(
            "EPICS_CA_MAX_ARRAY_BYTES", "count", 16384, "largest payload, unless sizes are automatic",
            16384, 0xFFFFFFF0, clip=True,
        ),
        Variable("EPICS_CA_AUTO_ARRAY_BYTES", "yes", "YES", "payloads may have any size"),
        _period("EPICS_CA_BEACON_PERIOD", "old name of EPICS_CAS_BEACON_PERIOD"),
        Variable("EPICS_CA_MCAST_TTL", "count", 1, "time to live of multicast searches and beacons", 0, 255),
        _port("EPICS_CAS_SERVER_PORT", 5064, "where a server listens", "EPICS_CA_SERVER_PORT"),
        Variable("EPICS_CAS_INTF_ADDR_LIST", "text", "", "interfaces and multicast groups of a server"),
        Variable("EPICS_CAS_IGNORE_ADDR_LIST", "text", "", "hosts whose searches a server ignores"),
        Variable("EPICS_CAS_BEACON_ADDR_LIST", "text", "", "where beacons go, besides automatic addresses"),
        Variable("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "yes", "YES", "beacons go to every broadcast interface"),
        _period("EPICS_CAS_BEACON_PERIOD", "longest time between two beacons", "EPICS_CA_BEACON_PERIOD"),
        _port("EPICS_CAS_BEACON_PORT", 5065, "where beacons go", "EPICS_CA_REPEATER_PORT"),
        Variable("EPICS_IOC_IGNORE_SERVERS", "text", "", "'rsrv' in it switches the server of an IOC off"),
        Variable("EPICS_TS_MIN_WEST", "count", 360, "time zone of embedded targets; not used here"),
    )
}  # fmt: skip

_reported: set[tuple[str, str]] = set()


def report_once(name: str, text: str, problem: str) -> None:
    """Log a warning about the content of a variable, unless that was done before."""
    if (name, text) not in _reported:
        _reported.add((name, text))
        logger.warning("%s: %s", name, problem)


def variable_text(name: str) -> str:
    """Return the text of a variable without surrounding blanks; empty if it is not configured."""
    return os.environ.get(name, "").strip()


def variable_flag(name: str) -> bool:
    """Return whether a yes/no variable is on."""
    variable = VARIABLES[name]
    text = variable_text(name) or str(variable.default)
    if variable.kind == "auto":
        # As the C library has it: "No" and "nO" do not switch it off, "none" does.
        return "no" not in text and "NO" not in text
    return text.lower() == "yes"


def _parse(text: str, variable: Variable) -> int | float | None:
    """Return the number in `text`; None if there is none that this variable may have."""
    plain = text.isascii() and "_" not in text  # Python's own parsers take more than this
    try:
        number = (float(text) if variable.kind == "seconds" else int(text)) if plain else math.nan
    except ValueError:
        return None
    if math.isnan(number):
        return None
    if variable.clip:
        number = type(number)(min(max(number, variable.low), variable.high))
    return number if variable.low <= number <= variable.high and math.isfinite(number) else None


def variable_number(name: str) -> int | float:
    """Return the number that a variable, or the one it falls back to, stands for."""
    variable = VARIABLES[name]
    text = variable_text(name)
    if not text and variable.fallback:
        return variable_number(variable.fallback)
    if not text:
        assert not isinstance(variable.default, str)
        return variable.default
    number = _parse(text, variable)
    if number is not None:
        return number
    # A bad text is no reason to look elsewhere: the default of this very variable counts.
    report_once(name, text, f"{text!r} is not a valid {variable.kind}; using {variable.default}")
    assert not isinstance(variable.default, str)
    return variable.default


def variable_port(name: str) -> int:
    """Return the port that a variable, or the one it falls back to, stands for."""
    return int(variable_number(name))


def max_array_bytes() -> int | None:
    """Return the largest payload this side sends or accepts; None means no limit of its own."""
    if variable_flag("EPICS_CA_AUTO_ARRAY_BYTES"):
        return None
    return int(variable_number("EPICS_CA_MAX_ARRAY_BYTES"))


def get_environment_variables() -> dict[str, str | int | float]:
    """Return all EPICS variables of Channel Access with their values; flags as ``YES`` or ``NO``."""
    found: dict[str, str | int | float] = {}
    for name, variable in VARIABLES.items():
        if variable.kind == "text":
            found[name] = variable_text(name)
        elif variable.kind in ("auto", "yes"):
            found[name] = "YES" if variable_flag(name) else "NO"
        else:
            found[name] = variable_number(name)
    return found
