"""What the tutorials ask for: a repeater of the test's own, and an IOC - that of EPICS, and ours."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.isolation import epics_environment, free_port, process_environment, search


class Server(NamedTuple):
    """Where an IOC with ``random_walk:dt`` is.

    Attributes
    ----------
    port, repeater_port : int
    """

    port: int
    repeater_port: int

    @property
    def address(self) -> tuple[str, int]:
        """Where its circuits are."""
        return "127.0.0.1", self.port


@pytest.fixture(scope="session")
def random_walk() -> Iterator[Server]:
    """Our own example IOC, as users start it."""
    server = Server(free_port(), free_port())
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "caproto.ioc_examples.random_walk", "--quiet"],
        env=process_environment(*server),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        up = search("random_walk:dt", server.port, 20)
        yield server
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=20)
    assert (up, process.returncode, complaints) == (True, 0, b"")


@pytest.fixture(params=["ioc", "random_walk"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The IOC of EPICS and ours in turn, with this process' EPICS variables pointing at it."""
    found = request.getfixturevalue(request.param)
    for name, value in epics_environment(found.port, found.repeater_port).items():
        monkeypatch.setenv(name, value)
    return Server(found.port, found.repeater_port)


@pytest.fixture(scope="session")
def repeater() -> Iterator[int]:
    """Port of a running ``caproto-repeater``."""
    if importlib.util.find_spec("caproto.commandline") is None:
        pytest.skip("this installation has no caproto.commandline")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "caproto.commandline.repeater"],
        env=process_environment(free_port(), port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_it_confirms(port, process)
        yield port
    finally:
        process.kill()
        process.wait(10)


def wait_until_it_confirms(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        while time.monotonic() < deadline and process.poll() is None:
            sock.sendto(b"", ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                sock.recvfrom(1024)
                return
    pytest.fail(f"caproto.commandline.repeater confirmed nothing on port {port} (exit code {process.poll()})")
