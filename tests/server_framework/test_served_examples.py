"""Every example IOC, used by real C clients: it serves what users know in every way, and ends when it is told to."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path
from typing import Any

import pytest

from caproto import ChannelType
from tests.server_framework.listing import EXAMPLES, Listed
from tests.server_framework.served import ask, ask_everything, serving

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(importlib.util.find_spec("aioca") is None, reason="no aioca"),
    pytest.mark.skipif(importlib.util.find_spec("epics") is None, reason="no pyepics"),
]
NORMAL, GETFAIL, PUTFAIL = 1, 152, 160
TYPES = {"SHORT": ChannelType.INT} | {member.name: member for member in ChannelType}
# What does not move, as a client reads it.
VALUES: dict[str, Any] = {
    "type_varieties:pi": 3.14, "type_varieties:enum": 1, "type_varieties:enum2": 1, "type_varieties:int": 96,
    "type_varieties:char": 51, "type_varieties:str": "hello", "type_varieties:stra": ["hello", "how is it", "going"],
    "type_varieties:empty_string": "", "autosaved_simple:C": [1, 2, 3], "chirp:steady": 3, "decay:SP": 100.0,
    "enum:bo": 1, "enum:bi": 0, "enum:mbbi": 1, "enum:enum_class": 1, "macros:my_beamline:thing.VAL": 0,
    "mini:dot:ArraySizeX_RBV": 640, "mini:dot:ArraySize_RBV": [480, 640], "pvspec:b": 2.0, "mock:E": "this is a test",
    "reading_counter:A": 1, "reading_counter:B": 1, "rpc:get_random:Retval": 0, "arr:array_int": [3],
    "arr:array_string": ["string1", "string2"], "arr:enum": 0, "simple:C": [1, 2, 3], "simple:D": 4.5,
    "setpoint_rbv:pair3": 0, "thermo:SP": 100.0, "dyncalc:formula": "a + b", "groups:B3_A": 20,
    "trigger_with_pc:enabled": 1, "trigger_with_pc:acquire": 0, "raw:timestamp:value": 1, "mirror:mirrored": 0.0,
}  # fmt: skip


# Texts that are no numbers: conversions to types that are numbers fail, as those of EPICS Base do.
TEXTS = {
    "type_varieties:str", "type_varieties:str2", "type_varieties:stra", "custom_write:directory", "mock:E",
    "arr:scalar_string", "arr:array_string", "dyncalc:formula", "dyncalc:variables",
}  # fmt: skip
# What refuses to be written just now, and why.
REFUSING = {"dyncalc:formula.PROC": "there are no variables"}
WAVEFORM = {"waveform:rate": Listed("DOUBLE", 1, False), "waveform:sent": Listed("LONG", 1, True),
            "waveform:waveform1": Listed("DOUBLE", 1000, True)}  # fmt: skip
SERVED = EXAMPLES | {"waveform": WAVEFORM}


@pytest.mark.parametrize("name", sorted(SERVED))
def test_a_c_client_sees_what_users_know(name: str, tmp_path: Path) -> None:
    listed = SERVED[name]
    command = ["-m", f"caproto.ioc_examples.{name}", "--quiet"]
    with serving(command, next(iter(listed)), tmp_path) as (process, environment):
        found = ask(list(listed), environment)
        did = ask_everything({pvname: known.read_only for pvname, known in listed.items()}, environment)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    for pvname, known in listed.items():
        assert found[pvname] is not None, f"{pvname} does not connect"
        expected = [int(TYPES[known.native]), known.count, True, not known.read_only]
        assert found[pvname][:4] == expected, pvname
        assert found[pvname][4] is not None, f"{pvname} cannot be read"
        if pvname in VALUES:
            assert found[pvname][4] == VALUES[pvname], pvname
        check_everything(pvname, known, did[pvname])


def check_everything(pvname: str, known: Listed, did: dict[str, Any]) -> None:
    """Every type is readable, there are updates, writing is confirmed or refused, and the circuit is alive."""
    for number, status in did["types"].items():
        number_of_text = pvname in TEXTS and (int(number) % 7 != 0 and int(number) < 35)
        assert status == (GETFAIL if number_of_text else NORMAL), (pvname, number)
    assert len(did["types"]) == (37 if known.count <= 100_000 else 5)
    assert did["updates"] >= 1 and did["alive"] == NORMAL, pvname
    assert did.get("put") == (None if known.read_only else PUTFAIL if pvname in REFUSING else NORMAL), pvname
    assert did.get("wrong", PUTFAIL) == PUTFAIL, pvname
    takes_text = known.native == "STRING" or (known.native == "CHAR" and known.count > 1)
    assert ("wrong" in did) == (not known.read_only and not takes_text), pvname
    if known.native == "ENUM":
        assert len(did["states"]) > 1 and all(did["states"]), pvname
