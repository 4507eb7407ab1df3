"""An IOC written for caproto 1.x, run unchanged, and what the C library sees of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.server_framework.served import serving

HERE = Path(__file__).parent
CLIENT = """
import asyncio, json, sys
import aioca

TEXT = {999: aioca.DBR_CHAR_STR}

async def reach(name, value):
    event = asyncio.Event()
    subscription = aioca.camonitor(name, lambda got: got == value and event.set())
    await asyncio.wait_for(event.wait(), 5)
    subscription.close()

async def main():
    answers = []
    for operation, name, *rest in json.load(sys.stdin):
        if operation == "reach":
            await reach(name, *rest)
        elif operation == "put":
            done = await aioca.caput(name, *rest, wait=True, throw=False)
            answers.append(bool(done.ok))
        else:
            options = {key: TEXT.get(number, number) for key, number in dict(*rest).items()}
            got = await aioca.caget(name, format=aioca.FORMAT_TIME, **options)
            value = next(kind(got) for kind in (str, float, int) if isinstance(got, kind))
            answers.append([value, got.severity, got.status])
    json.dump(answers, sys.stdout)

asyncio.run(main())
"""
P = "idioms:b1:"
# Operation, name, value to put or to wait for; and what comes of it.  Data type 999 is text in an array of CHAR.
STEPS: list[tuple[list[Any], Any]] = [
    (["get", "b1:name", {"datatype": 999}], ["idioms", 0, 0]),
    (["put", "x:position", 1.26], True),
    (["get", "x:position"], [1.3, 0, 0]),
    (["get", "x:scaled"], [2.52, 0, 0]),
    (["put", "x:scaled", 1.0], False),
    (["put", "x:position", 101.0], False),
    (["put", "why-position", "2.5"], True),
    (["get", "why-scaled"], [7.5, 0, 0]),
    (["get", "why-position", {"datatype": 0}], ["2.500", 0, 0]),
    (["put", "both:SP", 3], True),
    (["get", "both:RBV"], [1.5, 0, 0]),
    (["put", "skipped", 5], True),
    (["get", "skipped"], [1, 0, 0]),
    (["put", "alarmed", 1], True),
    (["get", "status_word"], [-1, 1, 4]),
    (["put", "alarmed", -1], False),
    (["get", "alarmed"], [1, 2, 2]),
    (["put", "alarmed", 2], True),
    (["get", "alarmed"], [2, 0, 0]),
    (["put", "mode", "busy"], True),
    (["get", "note"], ["idle->busy 1", 0, 0]),
    (["put", "mode", 0], True),
    (["get", "note"], ["busy->idle 0", 0, 0]),
    (["put", "mode", "neither"], False),
    (["put", "enabled", 1], True),
    (["get", "note"], ["on", 0, 0]),
    (["put", "cam:exposure", 0.5], True),
    (["get", "note"], ["Ioc.camera.exposure 0.5", 0, 0]),
    (["reach", "counted", 3], None),
    (["get", "motor.EGU"], ["deg", 0, 0]),
    (["put", "motor", 4.0], True),
    (["put", "motor.TWF", 1], True),
    (["get", "motor.RBV"], [6.5, 0, 0]),
    (["put", "custom.SPED", 7.0], True),
    (["get", "custom"], [14.0, 0, 0]),
    (["put", "request", 2], True),
    (["reach", "from_thread", 20], None),
    (["put", "request", 3], True),
    (["reach", "from_thread", 30], None),
    (["put", "add:a", 5], True),
    (["put", "add:Process", 1], True),
    (["get", "add:Retval"], [7.0, 0, 0]),
    (["get", "add:Status", {"datatype": 999}], ["Success", 0, 0]),
]


def test_an_ioc_of_older_code_serves_what_it_did(tmp_path: Path) -> None:
    steps = [[operation, P + name, *rest] for (operation, name, *rest), _ in STEPS]
    with serving([str(HERE / "idioms_ioc.py")], f"{P}skipped", tmp_path) as (_, environment):
        done = subprocess.run(
            [sys.executable, "-c", CLIENT],
            input=json.dumps(steps), capture_output=True, text=True, timeout=60, env=environment, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = [(step, answer) for step, answer in STEPS if step[0] != "reach"]
    assert list(zip([step for step, _ in expected], json.loads(done.stdout), strict=True)) == expected
