"""``caproto-get`` against a real IOC."""

from __future__ import annotations

import re

import pytest

from tests.cli.run import tool, words
from tests.interop.ioc import Ioc

pytestmark = pytest.mark.interop


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ioc:ai"], "ioc:ai 12.5"),
        (["-t", "ioc:ai"], "12.5"),
        (["-e", "2", "-t", "ioc:ai"], "1.25e+01"),
        (["-f3", "-t", "ioc:ai"], "12.500"),
        (["-g1", "-t", "ioc:ai"], "1e+01"),
        (["-s", "-t", "ioc:ai"], "12.500"),
        (["-lx", "-t", "ioc:ai"], "0xD"),
        (["-lo", "-t", "ioc:ai"], "0o15"),
        (["-lb", "-t", "ioc:ai"], "0b1101"),
        (["-0x", "-t", "ioc:longin"], "0x2A"),
        (["-0o", "-t", "ioc:longin"], "0o52"),
        (["-0b", "-t", "ioc:longin"], "0b101010"),
        (["-t", "ioc:mbbi"], "state 2"),
        (["-n", "-t", "ioc:mbbi"], "2"),
        (["-t", "-S", "ioc:lsi.VAL$"], "a long string, longer than the forty bytes of a DBR_STRING element"),
        (["ioc:wf:empty"], "ioc:wf:empty 0"),
        (["-F,", "-#", "2", "ioc:wf:uchar"], "ioc:wf:uchar,2,1,2"),
        (["--format", "{pv_name}={response.data[0]:.3f}", "ioc:ai"], "ioc:ai=12.500"),
        (["--format", "{response.data} {response.status.name}", "-e1", "ioc:ai"], "[1.2e+01] ECA_NORMAL"),
    ],
    ids=" ".join,
)
def test_shows_values_as_asked(ioc: Ioc, arguments: list[str], expected: str) -> None:
    done = tool(ioc.environment, "get", *arguments)
    assert (" ".join(words(done)), done.returncode, done.stderr) == (expected, 0, "")


def test_wide_shows_time_and_alarm_in_words(ioc: Ioc) -> None:
    done = tool(ioc.environment, "get", "-a", "ioc:bi")
    assert re.fullmatch(r"ioc:bi +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} On STATE MINOR\n", done.stdout)


def test_classes_show_everything_the_server_tells(ioc: Ioc) -> None:
    done = tool(ioc.environment, "get", "-d", "control", "ioc:ai")
    for line in ("DBR_CTRL_DOUBLE", "Units: +mm", "Precision: +3", "Upper ctrl limit: +100", "Status: +NO_ALARM"):
        assert re.search(line, done.stdout), done.stdout
    assert "State 1:                On" in tool(ioc.environment, "get", "-d", "CTRL_ENUM", "ioc:bi").stdout


@pytest.mark.parametrize(("ftype", "value"), [("37", "12.500"), ("class_name", "ai")])
def test_special_types_are_text(ioc: Ioc, ftype: str, value: str) -> None:
    assert re.search(f"Value: +{value}\n", tool(ioc.environment, "get", "-d", ftype, "ioc:ai").stdout)


def test_one_missing_pv_fails_and_the_others_are_shown(ioc: Ioc) -> None:
    done = tool(ioc.environment, "get", "-w", "1", "ioc:ai", "no:such:pv", "ioc:longin")
    assert words(done) == ["ioc:ai", "12.5", "ioc:longin", "42"]
    assert done.returncode == 1
    for part in ("no:such:pv", "searching", f"127.0.0.1:{ioc.port}", "1 s"):
        assert part in done.stderr


def test_refusals_come_in_words_with_a_hint(ioc: Ioc) -> None:
    done = tool(ioc.environment, "get", "ioc:hidden")
    assert done.returncode == 1
    assert "ECA_NORDACCESS: Read access denied" in done.stderr
    assert "access security" in done.stderr


def test_a_bad_filter_is_refused_at_once(ioc: Ioc) -> None:
    done = tool(ioc.environment, "get", "-w", "20", 'ioc:ai.{"nonsense":1}', timeout=10)
    assert done.returncode == 1
    assert "modifier or filter" in done.stderr


def test_filters_and_modifiers_pass_through(ioc: Ioc) -> None:
    assert words(tool(ioc.environment, "get", "-t", "ioc:wf:uchar.[1:2]")) == ["2", "3"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["-d", "nonsense", "x"], ["-w", "-1", "x"], ["-p", "100", "x"], ["--nonsense", "x"], ["-t", "-a", "x"]],
    ids=" ".join,
)
def test_wrong_usage_is_2(ioc: Ioc, arguments: list[str]) -> None:
    done = tool(ioc.environment, "get", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: caproto-get" in done.stderr


def test_an_unknown_token_is_wrong_usage(ioc: Ioc) -> None:
    done = tool(ioc.environment, "get", "--format", "{nonsense}", "ioc:ai")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


@pytest.mark.parametrize("name", ["get", "put", "monitor", "repeater", "shark"])
def test_help_has_examples_and_version_names_the_codec(ioc: Ioc, name: str) -> None:
    import caproto

    assert "examples:\n" in tool(ioc.environment, name, "--help").stdout
    assert f"codec: {caproto.codec_name}" in tool(ioc.environment, name, "--version").stdout


def test_name_servers_are_enough(ioc: Ioc) -> None:
    environment = {
        **ioc.environment, "EPICS_CA_ADDR_LIST": "", "EPICS_CA_NAME_SERVERS": f"127.0.0.1:{ioc.port}",
    }  # fmt: skip
    assert words(tool(environment, "get", "-t", "ioc:ai")) == ["12.5"]
    done = tool(environment, "get", "-w", "0.5", "no:such:pv")
    assert f"127.0.0.1:{ioc.port} over TCP" in done.stderr


def test_nobody_to_ask_is_said(ioc: Ioc) -> None:
    done = tool({**ioc.environment, "EPICS_CA_ADDR_LIST": ""}, "get", "-w", "0.2", "ioc:ai")
    assert "EPICS_CA_ADDR_LIST" in done.stderr


def test_list_types(ioc: Ioc) -> None:
    assert "34 CTRL_DOUBLE" in tool(ioc.environment, "get", "--list-types").stdout
