"""Logging helpers: nothing happens on import, colour only on a terminal, filters by subject."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caproto import _log
from caproto._enums import CLIENT, SERVER
from caproto._errors import CaprotoValueError
from caproto._log import AddressFilter, LogFormatter, PVFilter, RoleFilter, config_caproto_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    logger = logging.getLogger("caproto")
    monkeypatch.setattr(_log, "_installed", {})
    handlers, level = list(logger.handlers), logger.level
    logger.handlers.clear()  # tools that ran in this process have left theirs
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def record(level: str = "DEBUG", message: str = "text", **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("caproto.ch", getattr(logging, level), "circuit.py", 7, message, (), None)
    made.__dict__.update(extra)
    return made


def test_import_sets_nothing_up() -> None:
    code = (
        "import logging, caproto._log; root, log = logging.getLogger(), logging.getLogger('caproto'); "
        "assert not root.handlers and not log.handlers and log.level == 0; "
        "assert caproto._log.get_handler() is None"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("file", "color", "colored"),
    [(Terminal, True, True), (Terminal, False, False), (io.StringIO, True, False)],
)
def test_colour_only_when_asked_and_on_a_terminal(file: Any, color: bool, colored: bool) -> None:
    target = file()
    config_caproto_logging(target, color=color)
    logging.getLogger("caproto.ch").warning("look")
    assert "look" in target.getvalue()
    assert ("\x1b[33m" in target.getvalue()) is colored


def test_a_new_handler_takes_the_place_of_the_old_one(logger: logging.Logger) -> None:
    foreign = logging.NullHandler()
    logger.addHandler(foreign)
    first, second = io.StringIO(), io.StringIO()
    config_caproto_logging(first, level="DEBUG")
    handler = config_caproto_logging(second, level="INFO")
    logging.getLogger("caproto.ch").info("seen")
    logging.getLogger("caproto.ch").debug("not seen")
    assert first.getvalue() == ""
    assert "seen" in second.getvalue() and "not seen" not in second.getvalue()
    assert _log.get_handler() is handler
    assert logger.handlers == [foreign, handler]


def test_a_path_is_written_to(tmp_path: Path) -> None:
    handler = config_caproto_logging(str(tmp_path / "log.txt"))
    logging.getLogger("caproto.ch").error("written")
    handler.close()
    assert "written" in (tmp_path / "log.txt").read_text()
    assert "\x1b" not in (tmp_path / "log.txt").read_text()


def test_color_logs_switches_the_present_handler() -> None:
    target = Terminal()
    config_caproto_logging(target)
    _log.color_logs(False)
    logging.getLogger("caproto.ch").warning("plain")
    assert "\x1b" not in target.getvalue()
    _log.color_logs(True)
    logging.getLogger("caproto.ch").warning("bright")
    assert "\x1b" in target.getvalue()


def test_closed_output_is_no_terminal() -> None:
    closed = io.StringIO()
    closed.close()
    assert not _log._is_terminal(closed)


@pytest.mark.parametrize("wrong", ["LOUD", "", None])
def test_unknown_level(wrong: Any) -> None:
    with pytest.raises(CaprotoValueError, match=repr(wrong)):
        config_caproto_logging(io.StringIO(), level=wrong)


def test_formatter_tells_the_conversation_and_keeps_the_record() -> None:
    one = record("ERROR", "two\nlines", pv="x:y", role=CLIENT, their_address=("1.2.3.4", 5064))
    text = LogFormatter(color=False).format(one)
    assert text.endswith("[CLIENT 1.2.3.4:5064 x:y] two\n    lines")
    assert one.msg == "two\nlines" and not hasattr(one, "color")


def test_formatter_takes_colours_by_level() -> None:
    formatter = LogFormatter(colors={logging.ERROR: 5})
    assert formatter.format(record("ERROR")).startswith("\x1b[35m")
    assert "\x1b" not in formatter.format(record("INFO"))


@pytest.mark.parametrize("level", ["WARNING", "ERROR", "CRITICAL"])
@pytest.mark.parametrize("exclusive", [True, False])
def test_filters_never_hide_what_is_important(level: str, exclusive: bool) -> None:
    for make in (
        lambda e: PVFilter("a", exclusive=e),
        lambda e: AddressFilter("1.1.1.1", exclusive=e),
        lambda e: RoleFilter(CLIENT, exclusive=e),
    ):
        other = record(level, pv="b", role=SERVER, our_address=("2.2.2.2", 1))
        assert make(exclusive).filter(other) and make(exclusive).filter(record(level))


@pytest.mark.parametrize("exclusive", [True, False])
def test_records_about_nothing_pass_unless_exclusive(exclusive: bool) -> None:
    for made in (
        PVFilter("a", exclusive=exclusive),
        AddressFilter("1.1.1.1", exclusive=exclusive),
        RoleFilter(SERVER, exclusive=exclusive),
    ):
        assert made.filter(record()) is not exclusive


@pytest.mark.parametrize(("pv", "shown"), [("a", True), ("sim:1", True), ("b", False), ("asim:1", False)])
def test_pv_filter(pv: str, shown: bool) -> None:
    assert PVFilter("a", "sim:*").filter(record(pv=pv)) is shown


def test_pv_filter_takes_names_with_brackets_literally() -> None:
    assert PVFilter("w[1]").filter(record(pv="w[1]"))


@pytest.mark.parametrize("key", ["our_address", "their_address"])
@pytest.mark.parametrize(
    ("address", "shown"),
    [(("1.1.1.1", 9), True), (("2.2.2.2", 5), True), (("2.2.2.2", 6), False), (("3.3.3.3", 7), True)],
)
def test_address_filter(key: str, address: tuple[str, int], shown: bool) -> None:
    assert AddressFilter("1.1.1.1", ("2.2.2.2", 5), "3.3.3.3:7").filter(record(**{key: address})) is shown


def test_address_filter_refuses_what_is_no_address() -> None:
    with pytest.raises(CaprotoValueError, match="1.1.1.1:x"):
        AddressFilter("1.1.1.1:x")


@pytest.mark.parametrize("role", [CLIENT, "CLIENT", "client"])
def test_role_filter(role: Any) -> None:
    made = RoleFilter(role)
    assert made.filter(record(role=CLIENT)) and made.filter(record(role="CLIENT"))
    assert not made.filter(record(role=SERVER))


def test_role_filter_refuses_other_words() -> None:
    with pytest.raises(CaprotoValueError, match="boss"):
        RoleFilter("boss")
