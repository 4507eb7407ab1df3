"""A repeater of the test's own, as the tutorials ask for."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.isolation import free_port, process_environment


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
