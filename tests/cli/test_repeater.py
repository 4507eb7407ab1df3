"""The repeater: both forms of registration, fan-out, clients that vanish, a second start, start on demand."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from caproto.sync import repeater
from tests.cli.run import ROOT
from tests.isolation import free_port, process_environment

REGISTER = bytes.fromhex("00180000000000000000000000000000")
CONFIRM = bytes.fromhex("0011000000000000000000007f000001")
PROBE = bytes(16)


class Running:
    """A repeater in a thread of this process."""

    def __init__(self) -> None:
        self.port = free_port()
        self.sock = repeater.check_for_running_repeater(("127.0.0.1", self.port))
        self.repeater = repeater.Repeater(self.sock)
        self.thread = threading.Thread(target=self.repeater.serve, daemon=True)
        self.thread.start()

    def client(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        return sock

    def send(self, sock: socket.socket, data: bytes) -> None:
        sock.sendto(data, ("127.0.0.1", self.port))

    def registered(self, form: bytes = REGISTER) -> socket.socket:
        sock = self.client()
        self.send(sock, form)
        assert sock.recv(100) == CONFIRM
        return sock


@pytest.fixture
def running() -> Iterator[Running]:
    server = Running()
    yield server
    # A shutdown wakes the thread up; a mere close would leave it in recvfrom.
    with contextlib.suppress(OSError):
        server.sock.shutdown(socket.SHUT_RDWR)
    server.sock.close()
    with contextlib.closing(server.client()) as sock:
        server.send(sock, b"")
    server.thread.join(5)


@pytest.mark.parametrize("form", [REGISTER, b""], ids=["message", "empty datagram"])
def test_confirms_every_registration(running: Running, form: bytes) -> None:
    with running.registered(form) as sock:
        running.send(sock, form)
        assert sock.recv(100) == CONFIRM
        assert len(running.repeater.clients) == 1


def test_forwards_to_all_but_the_sender_and_inserts_the_address(running: Running) -> None:
    beacon = bytes.fromhex("000d0000000d3ad80000000600000000")
    with running.registered() as first, running.registered(b"") as second, running.client() as server:
        assert first.recv(100) == PROBE
        running.send(server, beacon)
        assert first.recv(100) == second.recv(100) == beacon[:12] + b"\x7f\0\0\1"
        running.send(first, b"anything at all")
        assert second.recv(100) == b"anything at all"
        running.send(second, REGISTER + beacon[:12] + b"\1\2\3\4")
        assert second.recv(100) == CONFIRM
        assert first.recv(100) == PROBE
        assert first.recv(100) == beacon[:12] + b"\1\2\3\4"


def test_forgets_clients_that_vanished(running: Running) -> None:
    gone = running.registered()
    gone.close()
    with running.registered():
        assert wait_for(lambda: len(running.repeater.clients) == 1)


def wait_for(condition: object, seconds: float = 5.0) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        threading.Event().wait(0.01)
    return bool(condition())


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "caproto.commandline.repeater", *arguments]


def test_a_second_start_exits_quietly() -> None:
    port = free_port()
    environment = process_environment(free_port(), port)
    with subprocess.Popen(command(), env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT) as first:
        assert first.stderr is not None
        try:
            assert f"Repeater is listening on 0.0.0.0:{port}" in first.stderr.readline()
            second = subprocess.run(
                command("-q"), env=environment, capture_output=True, text=True, timeout=20, cwd=ROOT
            )
            assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
            with pytest.raises(repeater.RepeaterAlreadyRunning, match=str(port)):
                repeater.check_for_running_repeater(("0.0.0.0", port))
        finally:
            first.terminate()


def test_ports_in_use_are_left_out() -> None:
    free = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        assert list(repeater.check_ports_in_use([sock.getsockname()[1], free])) == [("", free)]


def test_spawned_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    psutil = pytest.importorskip("psutil")
    port = free_port()
    monkeypatch.setenv("EPICS_CA_REPEATER_PORT", str(port))
    # Other children, such as the shared IOC, are not ours to end.
    others = set(psutil.Process().children())
    repeater.spawn_repeater()
    spawned = set(psutil.Process().children()) - others
    assert len(spawned) == 1
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(0.1)
            assert wait_for(lambda: confirmed(sock, port), 20)
        repeater.spawn_repeater()
        assert set(psutil.Process().children()) - others == spawned
    finally:
        for child in spawned:
            child.kill()


def confirmed(sock: socket.socket, port: int) -> bool:
    sock.sendto(struct.pack(">8H", 24, *[0] * 7), ("127.0.0.1", port))
    with contextlib.suppress(TimeoutError):
        return sock.recv(100) == CONFIRM
    return False
