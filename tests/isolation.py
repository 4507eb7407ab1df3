"""An EPICS environment of its own for every test process: loopback only, ports nobody else uses."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable

#: Below what systems choose from for sockets without a port of their own: one of these may come at any moment.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    """A port that is free for TCP and UDP on loopback right now, within the range EPICS accepts."""
    for _ in range(100):
        port = secrets.choice(PORTS)
        with contextlib.ExitStack() as stack:
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free for both TCP and UDP")


def epics_environment(server_port: int, repeater_port: int) -> dict[str, str]:
    """The EPICS variables of a process that may talk to 127.0.0.1 only."""
    return {
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(server_port),
        "EPICS_CA_REPEATER_PORT": str(repeater_port),
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
    }


def process_environment(server_port: int, repeater_port: int, **more: str) -> dict[str, str]:
    """``os.environ`` without foreign EPICS variables, with :func:`epics_environment` and ``more``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EPICS_")}
    return {**inherited, **epics_environment(server_port, repeater_port), **more}


def search(name: str, port: int, timeout: float) -> bool:
    """Whether a server on 127.0.0.1:port answers a search (plain sockets, no code under test)."""
    text = name.encode() + b"\0"
    text += bytes(-len(text) % 8)
    datagram = struct.pack(">HHHHII", 0, 0, 1, 13, 1, 0) + struct.pack(">HHHHII", 6, len(text), 5, 13, 1, 1) + text
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        while time.monotonic() < deadline:
            sock.sendto(datagram, ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                return b"\0\6" in sock.recvfrom(65536)[0]
    return False


def wait_until(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    """Look until something is so, or the time is over; returns whether it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
