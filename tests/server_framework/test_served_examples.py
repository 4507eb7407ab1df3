"""Every example IOC, asked by the real C library: it serves what users know, and ends when it is told to."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path
from typing import Any

import pytest

from caproto import ChannelType
from tests.server_framework.listing import EXAMPLES
from tests.server_framework.served import ask, serving

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(importlib.util.find_spec("aioca") is None, reason="no aioca"),
]
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


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_c_client_sees_what_users_know(name: str, tmp_path: Path) -> None:
    listed = EXAMPLES[name]
    command = ["-m", f"caproto.ioc_examples.{name}", "--quiet"]
    with serving(command, next(iter(listed)), tmp_path) as (process, environment):
        found = ask(list(listed), environment)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    for pvname, known in listed.items():
        assert found[pvname] is not None, f"{pvname} does not connect"
        expected = [int(TYPES[known.native]), known.count, True, not known.read_only]
        assert found[pvname][:4] == expected, pvname
        assert found[pvname][4] is not None, f"{pvname} cannot be read"
        if pvname in VALUES:
            assert found[pvname][4] == VALUES[pvname], pvname
