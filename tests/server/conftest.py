"""A server of each skin as a process of its own, on loopback and a free port."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.isolation import free_port, process_environment
from tests.server.talk import Loop

ROOT = Path(__file__).parents[2]


@pytest.fixture
def loop() -> Loop:
    return Loop()


class Server:
    """``tests.server.serve`` in a process.

    Parameters
    ----------
    skin : str
    port : int, optional
        A free one by default.
    arguments
        An access security file, or none.
    variables
        Of the environment of the server, and of its clients.

    Attributes
    ----------
    skin : str
    port : int
    """

    def __init__(self, skin: str, port: int | None = None, *arguments: str, **variables: str) -> None:
        if skin == "trio":
            pytest.importorskip("trio")
        self.skin = skin
        self.port = port or free_port()
        self.environment = process_environment(self.port, free_port(), **variables)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "tests.server.serve", skin, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**self.environment, "CAPROTO_CODEC": os.environ.get("CAPROTO_CODEC", "")},
        )
        assert self.process.stdout is not None
        self.started = self.process.stdout.readline().strip()
        if self.started != skin:  # it listens when it says that
            self.process.kill()
            raise RuntimeError(f"no server: {self.process.communicate()}")

    def client(self, code: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a client program with the environment to find the server."""
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, timeout=timeout, check=False, env=self.environment, cwd=ROOT,
        )  # fmt: skip

    @property
    def memory(self) -> int:
        """Bytes of main memory that it has."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    def end(self, number: int) -> tuple[int, str, str]:
        """Send a signal; return exit status, standard output and standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            out, err = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, out, err


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for the tests of one module; it has nothing to complain about in the end."""
    running = Server(request.param)
    try:
        yield running
    finally:
        code, out, err = running.end(15)
    assert (code, out.strip()) == (0, "bye"), err
    complaints = [line for line in err.splitlines() if "Error" in line and "a bug of the user" not in line]
    assert not complaints, err
