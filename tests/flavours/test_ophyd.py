"""ophyd with its control layer "caproto" against a real IOC.

Base has no motor record, and the name of a record takes no dot; so the motor is a device of ordinary records
(ophyd_motor.db) for EpicsMotor with other suffixes. All of EpicsMotor's own logic runs: connecting its nineteen
signals, moves that end by DMOV, limits, alarms, stop and home, against a server that is not ours.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import load_codec
from tests.isolation import free_port, process_environment, search

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ophyd") is None, reason="no ophyd"),
    pytest.mark.skipif(importlib.util.find_spec("epicscorelibs") is None, reason="no real IOC to talk to"),
]

HERE = Path(__file__).parent
INTEROP = HERE.parent / "interop"

EXPECTED: dict[str, Any] = {
    "layer": ["caproto", False, "ophyd._caproto_shim"],
    "signal_reads_and_describes": [
        True, 2.5, "2.500", 2.5, "mm", 3, "number", [], -10.0, 10.0, [-10.0, 10.0], "NO_ALARM", "NO_ALARM", True, True,
        True,
    ],
    "signal_puts_and_sets": [True, 3.25, True, True, 4.5, -4.5, "LimitError"],
    "put_waits_for_processing": [True, True],
    "read_only_signal": [True, True, "ReadOnlyError"],
    "enums_and_texts": [
        1, "busy", ["idle", "busy", "failed"], "busy", ["idle", "busy", "failed"], "string", 2, "failed",
        "more than the forty characters that a string of EPICS can hold", "a text",
    ],
    "arrays": [[1.0, 2.0, 3.0], "array", [3], [4.0, 5.0]],
    "get_within_a_callback": [True, 2.5],
    "motor_moves": [
        True, 5.0, False, "mm", 3, [-50.0, 50.0], True, ["start", "done"], True, True, True, False, True, -3.0,
        ["motor", "motor_user_setpoint"],
        {
            "motor_user_offset": 0.0, "motor_user_offset_dir": 0, "motor_velocity": 20.0, "motor_acceleration": 0.1,
            "motor_motor_egu": "mm",
        },
    ],
    "motor_stops_homes_and_refuses": [True, True, True, True, True, 0.5, "LimitError", True, False],
    "device_of_signals": {"two_number": 2.5, "two_state": "busy"},
    "missing_pv": [False, "TimeoutError"],
}  # fmt: skip


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The environment of a client of an IOC that serves ophyd_motor.db."""
    port = free_port()
    variables = process_environment(port, free_port())
    command = [sys.executable, INTEROP / "run_ioc.py", HERE / "ophyd_motor.db", INTEROP / "ioc.acf"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables
    ) as ioc:
        try:
            assert search("m1:RBV", port, 20) and ioc.poll() is None
            yield {**variables, "OPHYD_CONTROL_LAYER": "caproto"}
        finally:
            ioc.kill()


@pytest.fixture(scope="module", params=["cython", "python"])
def results(request: pytest.FixtureRequest, environment: dict[str, str]) -> dict[str, Any]:
    load_codec(request.param)
    done = subprocess.run(
        [sys.executable, "-m", "tests.flavours.ophyd_cases"],
        env={**environment, "CAPROTO_CODEC": request.param},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_ophyd(results: dict[str, Any], name: str) -> None:
    assert results[name] == EXPECTED[name]
