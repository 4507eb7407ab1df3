"""The tools as people run them: processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
Done = subprocess.CompletedProcess[str]


def tool(environment: Mapping[str, str], name: str, *arguments: str, timeout: float = 30.0) -> Done:
    """Run ``caproto-<name>`` to its end."""
    options = [] if name in ("repeater", "shark") else ["--no-repeater"]
    return subprocess.run(
        [sys.executable, "-m", f"caproto.commandline.{name}", *options, *arguments],
        capture_output=True, text=True, timeout=timeout, env=dict(environment), check=False, cwd=ROOT,
    )  # fmt: skip


def words(done: Done) -> list[str]:
    """The blank-separated words of its output."""
    return done.stdout.split()
