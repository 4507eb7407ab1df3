"""The repeater: one process per host that hands the beacons of all servers on to every local client.

Works on raw bytes, because what it forwards is none of its business.  A client registers by a
REPEATER_REGISTER message or by an empty datagram, as the C library does; both are confirmed.  A client is
gone when its port can be bound.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from .._constants import MAX_UDP_RECV
from .._environ import variable_port
from .._errors import CaprotoNetworkError, CaprotoRuntimeError
from .._net import get_beacon_address_list, is_multicast

__all__ = [
    "MAX_UDP_RECV",
    "Repeater",
    "RepeaterAlreadyRunning",
    "check_for_running_repeater",
    "check_ports_in_use",
    "checkin_threshold",
    "run",
    "spawn_repeater",
]

logger = logging.getLogger("caproto.repeater")

#: Seconds between two looks at whether the registered clients still exist.
checkin_threshold = 30.0

Address = tuple[str, int]

_HEADER = struct.Struct(">HHHHI4s")
_VERSION, _BEACON, _CONFIRM, _REGISTER = 0, 13, 17, 24
_PROBE = bytes(_HEADER.size)
# The largest datagram there is; MAX_UDP_RECV is less, and others may send more than we would.
_LARGEST = 0xFFFF


class RepeaterAlreadyRunning(CaprotoRuntimeError):
    """The repeater port is in use."""


def _udp_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def check_for_running_repeater(addr: Address) -> socket.socket:
    """Bind the repeater's address, without sharing it.

    Parameters
    ----------
    addr : tuple
        (host, port)

    Returns
    -------
    socket.socket
        The bound UDP socket.

    Raises
    ------
    RepeaterAlreadyRunning
        If the port is in use.
    """
    sock = _udp_socket()
    try:
        sock.bind(addr)
    except OSError as error:
        sock.close()
        raise RepeaterAlreadyRunning(f"repeater port {addr[0]}:{addr[1]}: {error}") from error
    return sock


def check_ports_in_use(ports: list[int]) -> Iterator[Address]:
    """Yield ('', port) for those of `ports` that nobody has bound any more."""
    for port in ports:
        with _udp_socket() as sock:
            try:
                sock.bind(("", port))
            except OSError:
                continue
        yield ("", port)


def _is_local(host: str) -> bool:
    """Return whether `host` is an address of this machine."""
    if host.startswith("127."):
        return True
    with _udp_socket() as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            return False
    return True


class Repeater:
    """Registered clients and the rules of who gets what.

    Parameters
    ----------
    sock : socket.socket
        Bound UDP socket; the caller closes it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.clients: dict[int, str] = {}  # port -> host

    def serve(self) -> None:
        """Receive and forward until the socket is closed."""
        next_look = time.monotonic() + checkin_threshold
        while True:
            try:
                self.sock.settimeout(max(next_look - time.monotonic(), 0.001))
                data, address = self.sock.recvfrom(_LARGEST)
            except TimeoutError:
                data = None
            except ConnectionError:  # an earlier datagram of ours found nobody; says so on some systems
                continue
            except OSError:
                if self.sock.fileno() < 0:
                    return
                raise
            if data is not None:
                self.received(data, address)
            if time.monotonic() >= next_look:
                self.forget_dead()
                next_look = time.monotonic() + checkin_threshold

    def received(self, data: bytes, address: Address) -> None:
        """Handle one datagram."""
        if not data:
            self._register(address)
            return
        if len(data) >= _HEADER.size:
            command, size, version, port, ident, server = _HEADER.unpack_from(data)
            if command == _REGISTER:
                self._register(address)
                data = data[_HEADER.size :]
                if not data:
                    return
            elif command == _BEACON and server == b"\0\0\0\0":
                source = socket.inet_aton(address[0])
                data = _HEADER.pack(command, size, version, port, ident, source) + data[_HEADER.size :]
        self._forward(data, address)

    def forget_dead(self) -> None:
        """Drop the clients whose ports are free."""
        for _, port in check_ports_in_use(list(self.clients)):
            host = self.clients.pop(port)
            logger.debug("client %s:%d is gone; %d left", host, port, len(self.clients))

    def _register(self, address: Address) -> None:
        host, port = address
        if not _is_local(host):
            logger.debug("%s:%d is not on this host: registration ignored", host, port)
            return
        is_new = port not in self.clients
        self.clients[port] = host
        self._send(_HEADER.pack(_CONFIRM, 0, 0, 0, 0, socket.inet_aton(host)), address)
        # The send fails, on systems that tell, if a client died without a word.
        self._forward(_PROBE, address)
        if is_new:
            logger.debug("client %s:%d is registered; %d in all", host, port, len(self.clients))
            self.forget_dead()

    def _forward(self, data: bytes, sender: Address) -> None:
        for port, host in list(self.clients.items()):
            if (host, port) != sender and not self._send(data, (host, port)):
                for _, free in check_ports_in_use([port]):
                    del self.clients[free]

    def _send(self, data: bytes, address: Address) -> bool:
        try:
            self.sock.sendto(data, address)
        except OSError as error:
            logger.debug("cannot send to %s:%d: %s", *address, error)
            return False
        return True


def _join_groups(sock: socket.socket) -> None:
    """Listen to the multicast groups that the environment names for beacons."""
    for group in sorted({ip for ip, _ in get_beacon_address_list() if is_multicast(ip)}):
        request = socket.inet_aton(group) + socket.inet_aton("0.0.0.0")
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        except OSError as error:
            logger.warning("cannot join multicast group %s: %s", group, error)


def run(host: str = "0.0.0.0") -> None:
    """Run a repeater until interrupted; return at once if there is one already.

    Parameters
    ----------
    host : str, optional
        Address of the interface to listen on; all of them by default.
    """
    port = variable_port("EPICS_CA_REPEATER_PORT")
    try:
        sock = check_for_running_repeater((host, port))
    except RepeaterAlreadyRunning:
        logger.info("Another repeater is already running; exiting.")
        return
    with sock:
        _join_groups(sock)
        logger.info("Repeater is listening on %s:%d", host, port)
        try:
            Repeater(sock).serve()
        except KeyboardInterrupt:
            logger.info("Keyboard interrupt; exiting.")


def spawn_repeater() -> None:
    """Start a repeater as a process of its own, which outlives this one, unless one is running."""
    address = ("0.0.0.0", variable_port("EPICS_CA_REPEATER_PORT"))
    try:
        check_for_running_repeater(address).close()
    except RepeaterAlreadyRunning:
        return
    # The directory that holds this very package: the child must not run another copy, and starts in the root
    # directory so that it keeps no file system busy.
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start = "from caproto.commandline.repeater import main; main(['-q'])"
    code = f"import sys; sys.path.insert(0, {home!r}); {start}"
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
            start_new_session=True,
        )
    except OSError as error:
        raise CaprotoNetworkError(f"cannot start a repeater at port {address[1]}: {error}") from error
    # Collects the child if it ends first.
    threading.Thread(target=process.wait, name="caproto-repeater-reaper", daemon=True).start()
