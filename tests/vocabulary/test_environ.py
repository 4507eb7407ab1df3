"""The environment variables: every rule of the protocol reference, section 1.2."""

from __future__ import annotations

import math
import os
import string
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto import _environ
from caproto._environ import (
    VARIABLES,
    get_environment_variables,
    max_array_bytes,
    variable_flag,
    variable_number,
    variable_port,
    variable_text,
)

DEFAULTS = {
    "EPICS_CA_ADDR_LIST": "",
    "EPICS_CA_AUTO_ADDR_LIST": "YES",
    "EPICS_CA_NAME_SERVERS": "",
    "EPICS_CA_SERVER_PORT": 5064,
    "EPICS_CA_REPEATER_PORT": 5065,
    "EPICS_CA_CONN_TMO": 30.0,
    "EPICS_CA_MAX_SEARCH_PERIOD": 300.0,
    "EPICS_CA_MAX_ARRAY_BYTES": 16384,
    "EPICS_CA_AUTO_ARRAY_BYTES": "YES",
    "EPICS_CA_BEACON_PERIOD": 15.0,
    "EPICS_CA_MCAST_TTL": 1,
    "EPICS_CAS_SERVER_PORT": 5064,
    "EPICS_CAS_INTF_ADDR_LIST": "",
    "EPICS_CAS_IGNORE_ADDR_LIST": "",
    "EPICS_CAS_BEACON_ADDR_LIST": "",
    "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "YES",
    "EPICS_CAS_BEACON_PERIOD": 15.0,
    "EPICS_CAS_BEACON_PORT": 5065,
}
NUMBERS = [v.name for v in VARIABLES.values() if v.kind in ("port", "seconds", "count")]


def test_defaults() -> None:
    found = get_environment_variables()
    assert {name: found[name] for name in DEFAULTS} == DEFAULTS
    assert all(type(found[name]) is type(value) for name, value in DEFAULTS.items())


@pytest.mark.parametrize("name", VARIABLES)
def test_empty_means_not_configured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = get_environment_variables()
    monkeypatch.setenv(name, "  ")
    assert get_environment_variables() == before


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["x", "5064x", "nan", "--1", "5_064", "٥٠٦٤", "1 2", "1,5"])
def test_bad_number_is_reported_once_and_replaced(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(name, text)
    assert variable_number(name) == variable_number(name) == VARIABLES[name].default
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert name in caplog.text and repr(text) in caplog.text


@pytest.mark.parametrize(("text", "port"), [("5001", 5001), ("65535", 65535), ("5000", 5064), ("65536", 5064)])
def test_ports_have_limits(text: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", text)
    assert variable_port("EPICS_CA_SERVER_PORT") == port


@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("EPICS_CAS_SERVER_PORT", "EPICS_CA_SERVER_PORT"),
        ("EPICS_CAS_BEACON_PORT", "EPICS_CA_REPEATER_PORT"),
        ("EPICS_CAS_BEACON_PERIOD", "EPICS_CA_BEACON_PERIOD"),
    ],
)
def test_server_variables_fall_back_to_those_of_clients(name: str, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(old, "6000")
    assert variable_number(name) == 6000
    monkeypatch.setenv(name, "7000")
    assert variable_number(name) == 7000
    monkeypatch.setenv(name, "nonsense")
    assert variable_number(name) == VARIABLES[name].default


@pytest.mark.parametrize(
    ("text", "on"),
    [("YES", True), ("NO", False), ("no", False), ("none", False), ("No", True), ("1", True), ("", True)],
)
def test_automatic_addresses_are_off_if_no_is_inside(text: str, on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", text)
    assert variable_flag("EPICS_CA_AUTO_ADDR_LIST") is on


@pytest.mark.parametrize("name", ["EPICS_CAS_AUTO_BEACON_ADDR_LIST", "EPICS_CA_AUTO_ARRAY_BYTES"])
@pytest.mark.parametrize(("text", "on"), [("Yes", True), ("yes", True), ("1", False), ("on", False), ("", True)])
def test_other_flags_are_on_only_for_yes(name: str, text: str, on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, text)
    assert variable_flag(name) is on


@pytest.mark.parametrize(("text", "seconds"), [("1", 60.0), ("60", 60.0), ("100.5", 100.5), ("1e9", 2**17 * 0.032)])
def test_search_period_is_moved_into_its_limits(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_MAX_SEARCH_PERIOD", text)
    assert variable_number("EPICS_CA_MAX_SEARCH_PERIOD") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["0", "-3", "inf"])
def test_periods_are_positive(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_BEACON_PERIOD", text)
    assert variable_number("EPICS_CAS_BEACON_PERIOD") == 15.0


def test_size_of_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_MAX_ARRAY_BYTES", "1000000")
    assert max_array_bytes() is None
    monkeypatch.setenv("EPICS_CA_AUTO_ARRAY_BYTES", "no")
    assert max_array_bytes() == 1000000
    monkeypatch.setenv("EPICS_CA_MAX_ARRAY_BYTES", "10")
    assert max_array_bytes() == 16384
    monkeypatch.setenv("EPICS_CA_MAX_ARRAY_BYTES", "99999999999")
    assert max_array_bytes() == 0xFFFFFFF0


@given(name=st.sampled_from(NUMBERS), text=st.text(string.printable.replace("\0", ""), max_size=12))
def test_any_text_gives_a_number_within_the_limits(name: str, text: str) -> None:
    with mock.patch.dict(os.environ, {name: text}):
        number = variable_number(name)
    assert VARIABLES[name].low <= number <= VARIABLES[name].high
    assert math.isfinite(number)


def test_texts_lose_blanks_only_at_the_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", " 1.2.3.4  5.6.7.8\n")
    assert variable_text("EPICS_CA_ADDR_LIST") == "1.2.3.4  5.6.7.8"


def test_every_variable_says_what_it_is_for() -> None:
    assert all(v.meaning and v.name == name for name, v in VARIABLES.items())
    assert all(v.fallback in ("", *VARIABLES) for v in VARIABLES.values())
    assert _environ.logger.name.startswith("caproto.")
