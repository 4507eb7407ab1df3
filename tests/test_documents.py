"""What the documentation shows works as shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.ioc import Ioc

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "docs" / "tutorials" / "first_client.py"
README = ROOT / "README.md"


@pytest.mark.interop
def test_first_client_reads_writes_and_monitors(own_ioc: Ioc) -> None:
    done = subprocess.run(
        [sys.executable, str(CLIENT), "random_walk:dt"],
        env=own_ioc.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line.split(":")[0] for line in done.stdout.splitlines()]
    assert shown == ["server", "type", "value", "write", "update"]
    assert "write: ECA_NORMAL" in done.stdout
    assert "update: 4.0 severity" in done.stdout


@pytest.mark.interop
def test_readme_example_runs(own_ioc: Ioc) -> None:
    text = README.read_text()
    code = text.split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=own_ioc.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "random_walk:x [" in done.stdout
