"""What the documentation shows works as shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.ioc import Ioc

CLIENT = Path(__file__).parents[1] / "docs" / "tutorials" / "first_client.py"


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
