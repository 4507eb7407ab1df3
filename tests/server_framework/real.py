"""A real IOC with records of a test, beside one of ours."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.isolation import free_port, process_environment, search

INTEROP = Path(__file__).parents[1] / "interop"


@contextlib.contextmanager
def real_ioc(database: str, name: str, cwd: Path) -> Iterator[dict[str, str]]:
    """Run an IOC of EPICS Base until it answers searches for `name`; gives the environment of its clients."""
    for package in ("epicscorelibs", "aioca"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"no {package}")
    file = cwd / "real.db"
    file.write_text(database)
    port = free_port()
    environment = process_environment(port, free_port())
    command = [sys.executable, str(INTEROP / "run_ioc.py"), str(file), str(INTEROP / "ioc.acf")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as ioc:
        try:
            assert search(name, port, 20.0)
            yield environment
        finally:
            ioc.kill()
