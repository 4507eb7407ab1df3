"""The tutorial about IOCs does what it says."""

from __future__ import annotations

import asyncio
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from caproto import AlarmSeverity, CaprotoRuntimeError, CaprotoValueError

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
SOURCE = TUTORIALS / "first_ioc.py"


@pytest.fixture
def bakery() -> Any:
    return runpy.run_path(str(SOURCE))["Bakery"](prefix="bakery:")


def test_names(bakery: Any) -> None:
    ovens = ("left", "right")
    assert list(bakery.pvdb) == [f"bakery:{o}:{pv}" for o in ovens for pv in ("setpoint", "temperature", "mode")]


def test_putter_and_scan(bakery: Any) -> None:
    class Layer:
        rounds = 0

        async def sleep(self, seconds: float) -> None:
            self.rounds += 1
            if self.rounds == 200:
                raise asyncio.CancelledError

    async def job() -> None:
        oven = bakery.left
        await oven.setpoint.write(230.04)
        assert oven.setpoint.value == 230.0
        with pytest.raises(CaprotoValueError, match="would melt"):
            await oven.setpoint.write(300.0)
        await oven.setpoint.write(-1.0)
        assert oven.setpoint.value == 230.0
        await oven.mode.write("heat")
        with pytest.raises(asyncio.CancelledError):
            await oven.temperature.server_scan(Layer())
        assert oven.temperature.value == pytest.approx(230.0)
        assert oven.temperature.severity == AlarmSeverity.MAJOR_ALARM
        assert oven.temperature.get_field("HIHI").value == 220.0
        await oven.mode.server_startup(Layer())
        await oven.mode.server_shutdown(Layer())
        assert oven.mode.value == "off"
        assert bakery.right.setpoint.value == 20.0

    asyncio.run(job())


def test_every_part_of_the_program_is_shown() -> None:
    marks = set(re.findall(r"# --- (\w+)", SOURCE.read_text()))
    page = (TUTORIALS / "first-ioc.md").read_text()
    shown = set(re.findall(r'(?:start-after|end-before): "# --- (\w+)"', page))
    assert shown <= marks
    assert marks - shown <= {"imports", "shutdown"}


def test_the_mistake_is_reported_as_shown() -> None:
    text = SOURCE.read_text().replace("async def setpoint", "def setpoint")
    with pytest.raises(CaprotoRuntimeError) as caught:
        exec(compile(text, "first_ioc.py", "exec"), {"__name__": "first_ioc"})
    page = (TUTORIALS / "first-ioc.md").read_text()
    shown = re.search(r"```text\n(.*?)\n```", page, re.DOTALL)
    assert shown is not None
    assert str(caught.value) == shown[1]
