"""An IOC of ours in a process of its own, and what the C library says of it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.isolation import free_port, process_environment, search

HERE = Path(__file__).parent


def ask(names: list[str], environment: dict[str, str], timeout: float = 5.0) -> dict[str, Any]:
    """Read PVs with the C library in a process of its own: see there."""
    done = subprocess.run(
        [sys.executable, str(HERE / "libca.py"), str(timeout)],
        input="\n".join(names), capture_output=True, text=True, timeout=100, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def ask_everything(read_only: dict[str, bool], environment: dict[str, str]) -> dict[str, Any]:
    """Do with PVs all that the C library can; see ``libca_everything.py``."""
    done = subprocess.run(
        [sys.executable, str(HERE / "libca_everything.py")],
        input=json.dumps(read_only), capture_output=True, text=True, timeout=100, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextlib.contextmanager
def serving(
    command: list[str], name: str, cwd: Path, *, stdin: int = subprocess.DEVNULL, **more: str
) -> Iterator[tuple[Any, dict[str, str]]]:
    """Run an IOC until it answers searches for `name`; gives the process and the environment of its clients."""
    port = free_port()
    # Whoever has the repeater's port is the repeater: clients start none that would outlive them.
    repeater = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    repeater.bind(("", 0))
    environment = process_environment(port, repeater.getsockname()[1], EPICS_CAS_SERVER_PORT=str(port), **more)
    environment |= {"PYTHONPATH": str(HERE.parents[1])}
    with repeater, open(cwd / "output.txt", "a+") as output:  # whoever reads it does not move where it is written
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *command],
            stdin=stdin, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=cwd,
        )  # fmt: skip
        try:
            up = search(name, port, 20.0)
            output.seek(0)
            assert up and process.poll() is None, output.read()
            yield process, environment
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)
