"""IOCs in processes of their own, used by the real C library: hooks, fields, autosave."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server_framework.served import ask, serving

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(importlib.util.find_spec("aioca") is None, reason="no aioca"),
]
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "first_ioc.py"
SKINS = ("asyncio", "trio")

CLIENT = """
import asyncio, json, sys
from aioca import *
from epicscorelibs.ca.cadef import CAException
result = {}

async def fails(name, value):
    try:
        await caput(name, value, wait=True, timeout=5)
    except (CANothing, CAException) as error:
        return str(error)
    return None

async def main():
%s

asyncio.run(main())
json.dump(result, sys.stdout, default=str)
"""


def client(body: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run the body of an async function with aioca; what it puts into `result` comes back."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").split("\n"))
    done = subprocess.run(
        [sys.executable, "-c", CLIENT % lines],
        capture_output=True, text=True, timeout=60, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("skin", SKINS)
def test_the_tutorial(skin: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(skin) is None:
        pytest.skip(f"no {skin}")
    body = """
await caput("bakery:left:setpoint", 180.04, wait=True)
result["rounded"] = await caget("bakery:left:setpoint")
result["refused"] = await fails("bakery:left:setpoint", 300)
result["skipped"] = await fails("bakery:left:setpoint", -1)
result["kept"] = await caget("bakery:left:setpoint")
result["read only"] = await fails("bakery:left:temperature", 1)
await caput("bakery:left:mode", "heat", wait=True)
hot = asyncio.Event()
subscription = camonitor("bakery:left:temperature", lambda value: hot.set() if value > 40 else None)
await asyncio.wait_for(hot.wait(), 20)
subscription.close()
severity = asyncio.Event()
subscription = camonitor("bakery:left:temperature.SEVR", lambda value: severity.set() if value == 2 else None)
await caput("bakery:left:temperature.HIHI", 30, wait=True)
await asyncio.wait_for(severity.wait(), 20)
subscription.close()
field = "bakery:left:temperature."
for name in ("RTYP", "EGU", "DESC", "NAME"):
    result[name] = await caget(field + name)
for name in ("STAT", "SEVR", "SCAN"):
    result[name] = await caget(field + name, datatype=DBR_ENUM_STR)
result["NAME$"] = await caget(field + "NAME$", datatype=DBR_CHAR_STR)
result["fails"] = await fails(field + "NAME", "other")
timed = await caget("bakery:left:temperature", format=FORMAT_TIME)
result["severity"] = timed.severity
controls = await caget("bakery:left:temperature", format=FORMAT_CTRL)
result["units"], result["limit"] = controls.units, controls.upper_alarm_limit
"""
    with serving([str(TUTORIAL), "--async-lib", skin], "bakery:left:mode", tmp_path) as (process, environment):
        result = client(body, environment)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    # The C library knows the access rights; a refusal by a putter comes from the server.
    assert "Channel write request failed" in result.pop("refused")
    assert "Write access denied" in result.pop("read only")
    assert "Write access denied" in result.pop("fails")
    assert result == {
        "rounded": 180.0, "skipped": None, "kept": 180.0, "RTYP": "ai", "EGU": "C", "DESC": "How hot it is",
        "NAME": "bakery:left:temperature", "STAT": "HIHI", "SEVR": "MAJOR", "SCAN": "Passive",
        "NAME$": "bakery:left:temperature", "severity": 2, "units": "C", "limit": 30.0,
    }  # fmt: skip


def test_a_record_is_processed_by_proc_and_scan(tmp_path: Path) -> None:
    program = tmp_path / "ioc.py"
    program.write_text('''
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

class Ioc(PVGroup):
    """Counts how often it is processed."""
    x = pvproperty(value=0.0, record="ao")

    @x.putter
    async def x(self, instance, value):
        return value + 1

if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="p:", desc=Ioc.__doc__)
    run(Ioc(**ioc_options).pvdb, **run_options)
''')
    body = """
await caput("p:x.PROC", 1, wait=True)
result["once"] = await caget("p:x")
often = asyncio.Event()
subscription = camonitor("p:x", lambda value: often.set() if value >= 4 else None)
await caput("p:x.SCAN", ".1 second", wait=True)
await asyncio.wait_for(often.wait(), 20)
await caput("p:x.SCAN", "Passive", wait=True)
subscription.close()
"""
    with serving([str(program)], "p:x", tmp_path) as (_, environment):
        assert client(body, environment) == {"once": 1.0}


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_values_survive_a_restart(tmp_path: Path, end: signal.Signals) -> None:
    command = ["-m", "caproto.ioc_examples.autosave", "--quiet"]
    file = str(tmp_path / "saved.json")
    body = """
await caput("autosaved_simple:A", 7, wait=True)
await caput("autosaved_simple:subgroup:C", [9, 8], wait=True)
"""
    names = ["autosaved_simple:A", "autosaved_simple:subgroup:C"]
    with serving(command, names[0], tmp_path, CAPROTO_AUTOSAVE_FILE=file) as (process, environment):
        client(body, environment)
        process.send_signal(end)
        assert process.wait(10) == 0
    with serving(command, names[0], tmp_path, CAPROTO_AUTOSAVE_FILE=file) as (_, environment):
        assert [value[4] for value in ask(names, environment).values()] == [7, [9, 8]]


def test_a_thousand_records_at_once(tmp_path: Path) -> None:
    program = tmp_path / "ioc.py"
    program.write_text("""
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

body = {f"x{n}": pvproperty(value=float(n), record="ai", units="mm") for n in range(1000)}
Ioc = type("Ioc", (PVGroup,), body)

if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="p:", desc="Many")
    run(Ioc(**ioc_options).pvdb, **run_options)
""")
    names = [f"p:x{n}{field}" for n in range(1000) for field in ("", ".EGU", ".HIHI")]
    with serving([str(program)], "p:x0", tmp_path) as (_, environment):
        found = ask(names, environment, timeout=20.0)
    expected = [value for n in range(1000) for value in (float(n), "mm", 0.0)]
    assert [found[name] and found[name][4] for name in names] == expected
