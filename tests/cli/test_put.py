"""``caproto-put`` against a real IOC."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.run import tool, words
from tests.interop.ioc import Ioc

pytestmark = pytest.mark.interop


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ioc:ao", "-2.5"], "-2.5"),
        (["ioc:ao", "-1e1"], "-10"),
        (["-c", "ioc:ao", "12.5"], "12.5"),
        (["ioc:longout", "0x10"], "16"),
        (["ioc:longout", "0012"], "12"),
        (["ioc:longout", "42"], "42"),
        (["ioc:stringout", "0012"], "0012"),
        (["ioc:stringout", "two words"], "two words"),
        (["ioc:stringout", "two", "words"], "two words"),
        (["ioc:stringout", "-5"], "-5"),
        (["ioc:stringout", "Hello, CA"], "Hello, CA"),
        (["ioc:bo", "Off"], "Off"),
        (["ioc:bo", "On it is"], "On it is"),
        (["ioc:mbbo", "3"], "state 3"),
        (["-n", "ioc:mbbo", "2"], "2"),
        (["-a", "ioc:wf:text", "1 2 3"], "1 2 3"),
        (["-a", "ioc:wf:text", "2", "4", "-5"], "4 251"),
        (["--array-pad", "4", "ioc:wf:text", "1 2"], "1 2 0 0"),
        (["-S", "ioc:wf:text", "a text, \u20ac"], "a text, \u20ac"),
        (["ioc:lso.VAL$", "longer than the forty characters of a string"],
         "longer than the forty characters of a string"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_values_arrive_as_typed(ioc: Ioc, arguments: list[str], expected: str) -> None:
    done = tool(ioc.environment, "put", "-t", *arguments)
    assert (done.stdout.rstrip("\n"), done.stderr, done.returncode) == (expected, "", 0)


def test_shows_old_and_new(ioc: Ioc) -> None:
    tool(ioc.environment, "put", "ioc:many01", "1")
    done = tool(ioc.environment, "put", "ioc:many01", "1.5")
    assert words(done) == ["Old", ":", "ioc:many01", "1", "New", ":", "ioc:many01", "1.5"]
    done = tool(ioc.environment, "put", "--format", "{which} {response.data}", "ioc:many01", "1")
    assert done.stdout == "Old [1.5]\nNew [1]\n"


def test_values_come_from_files(ioc: Ioc, tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("1, 2\n3\n")
    assert words(tool(ioc.environment, "put", "-t", "-a", "--file", "ioc:wf:text", str(path))) == ["1", "2", "3"]
    done = tool(ioc.environment, "put", "--file", "ioc:ao", str(tmp_path / "nothing"))
    assert done.returncode == 2


@pytest.mark.parametrize("notify", [[], ["-c"]], ids=["without notify", "with notify"])
@pytest.mark.parametrize(
    ("pv", "value", "status"),
    [
        ("ioc:readonly", "4", "ECA_NOWTACCESS: Write access denied"),
        ("ioc:disabled", "4", "ECA_PUTFAIL: Write failed"),
        ("ioc:mbbo", "no such state", "ECA_PUTFAIL: Write failed"),
        ("ioc:ao", "no number", "ECA_PUTFAIL: Write failed"),
    ],
)
def test_says_when_the_server_refused(ioc: Ioc, pv: str, value: str, status: str, notify: list[str]) -> None:
    done = tool(ioc.environment, "put", *notify, pv, value)
    assert done.returncode == 1
    assert "New" not in done.stdout
    for part in (pv, "write refused by", status):
        assert part in done.stderr


def test_what_the_wire_cannot_carry_is_not_sent(ioc: Ioc) -> None:
    done = tool(ioc.environment, "put", "ioc:longout", "99999999999")
    assert done.returncode == 1
    assert "out of range for LONG" in done.stderr


def test_waits_for_completion(ioc: Ioc) -> None:
    done = tool(ioc.environment, "put", "-c", "-w", "0.1", "ioc:slow", "1")
    assert done.returncode == 1
    assert "the end of a write" in done.stderr
    assert tool(ioc.environment, "put", "-c", "-w", "10", "ioc:slow", "1").returncode == 0


@pytest.mark.parametrize("arguments", [["ioc:ao"], ["-a", "ioc:wf:text", "3", "1", "2"]], ids=" ".join)
def test_wrong_usage_is_2(ioc: Ioc, arguments: list[str]) -> None:
    assert tool(ioc.environment, "put", *arguments).returncode == 2
