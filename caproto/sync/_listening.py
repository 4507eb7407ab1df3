"""The sockets of a server, for whichever library waits for them."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterable
from typing import NamedTuple

from .._errors import CaprotoNetworkError
from .._net import ANY, bcast_socket, get_netifaces_addresses
from ..server._runtime import Settings

__all__ = ["Listening", "listen"]

logger = logging.getLogger("caproto.server")
#: Clients that may wait to be accepted: all of a large site at once, when the network is back.  Linux leaves those that
#: find no room waiting for a minute or so.
BACKLOG = 1024
_ATTEMPTS = 20


class Listening(NamedTuple):
    """Bound sockets, none of which blocks.

    Attributes
    ----------
    tcp : list of socket
        One for each interface.
    udp : list of (socket, socket)
        Where searches come in, also at broadcast addresses and from multicast groups, and what answers them: the socket
        of the interface, for clients connect to where an answer comes from.  Those of interfaces come first.
    beacon : socket
        Unconnected, since a connected one fails while there is no repeater (section 12, 31).
    port : int
        The TCP port.
    """

    tcp: list[socket.socket]
    udp: list[tuple[socket.socket, socket.socket]]
    beacon: socket.socket
    port: int

    def close(self) -> None:
        """Close all of them."""
        for sock in (*self.tcp, *(sock for sock, _ in self.udp), self.beacon):
            sock.close()


def listen(settings: Settings) -> Listening:
    """Bind the sockets of a server.

    Raises
    ------
    CaprotoNetworkError
        If an interface cannot be bound at all.
    """
    with contextlib.ExitStack() as undo:

        def bound(address: str) -> socket.socket:
            sock: socket.socket = undo.enter_context(contextlib.closing(bcast_socket()))
            _bind(sock, address, settings.port)
            return sock

        tcp, port = _tcp(settings)
        for sock in tcp:
            undo.callback(sock.close)
        own = {ip: bound(ip) for ip in settings.interfaces}
        udp = [(sock, sock) for sock in own.values()]
        udp += [(bound(address), own[ip]) for address, ip in settings.broadcasts.items()]
        for group in settings.groups:
            sock = udp[0][0]
            if ANY not in own:
                # The sockets of interfaces get what is sent to these, but nothing that is sent to a group.  With
                # several it is not known where it came in: the system chooses where to answer from.
                sock = bound(group)
                udp.append((sock, udp[0][0] if len(own) == 1 else sock))
            _join(sock, group, settings.interfaces)
        beacon = undo.enter_context(contextlib.closing(bcast_socket()))
        for sock in (*tcp, *(sock for sock, _ in udp), beacon):
            sock.setblocking(False)
        undo.pop_all()
        return Listening(tcp, udp, beacon, port)


def _bind(sock: socket.socket, address: str, port: int) -> None:
    try:
        sock.bind((address, port))
    except OSError as error:
        raise CaprotoNetworkError(error.errno, f"cannot listen on {address}:{port}: {error.strerror}") from error


def _join(sock: socket.socket, group: str, interfaces: Iterable[str]) -> None:
    """Become a member of a multicast group on every interface: each membership is one interface's."""
    if ANY in interfaces:
        interfaces = [ip for ip, _ in get_netifaces_addresses()]
    joined = 0
    for ip in interfaces:
        with contextlib.suppress(OSError):  # an interface without multicast, or one with two addresses
            membership = socket.inet_aton(group) + socket.inet_aton(ip)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            joined += 1
    if not joined:
        raise CaprotoNetworkError(errno.ENODEV, f"no interface can join the multicast group {group}")


def _tcp(settings: Settings) -> tuple[list[socket.socket], int]:
    """Listen on the same port of every interface: the configured one, or any that is free."""
    for attempt in range(_ATTEMPTS):
        port = settings.port if attempt == 0 else 0
        socks: list[socket.socket] = []
        try:
            for address in settings.interfaces:
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                socks.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                _bind(sock, address, port)
                sock.listen(BACKLOG)
                port = sock.getsockname()[1]
        except OSError as error:
            for sock in socks:
                sock.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        if port != settings.port:
            logger.warning("TCP port %d is in use; listening on port %d", settings.port, port)
        return socks, port
    raise CaprotoNetworkError(errno.EADDRINUSE, f"no TCP port is free on {', '.join(settings.interfaces)}")
