"""Addresses of this machine, and the address lists of the environment.

The only module below the skins that knows sockets.  Nothing is looked up before a function is called; even
the module ``socket`` is imported that late, because the protocol does not need it.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from ._constants import EPICS_CA1_PORT
from ._enums import Protocol
from ._environ import (
    get_environment_variables,
    report_once,
    variable_flag,
    variable_number,
    variable_port,
    variable_text,
)
from ._errors import CaprotoNetworkError, CaprotoNotImplementedError, CaprotoValueError
from ._ipv4 import ipv4_from_int32, ipv4_to_int32

__all__ = [
    "bcast_socket",
    "get_address_list",
    "get_beacon_address_list",
    "get_client_address_list",
    "get_environment_variables",
    "get_ignore_address_list",
    "get_local_address",
    "get_multicast_groups",
    "get_name_server_list",
    "get_netifaces_addresses",
    "get_server_address_list",
    "ipv4_from_int32",
    "ipv4_to_int32",
    "random_ports",
]

_SERVED = "EPICS_CAS_INTF_ADDR_LIST"
LOOPBACK = "127.0.0.1"
ANY = "0.0.0.0"
Address = tuple[str, int]


def _check(protocol: Protocol | str) -> None:
    if protocol != Protocol.ChannelAccess:
        raise CaprotoNotImplementedError(f"{protocol!r}: address lists exist for Channel Access ('CA') only")


def is_multicast(ip: str) -> bool:
    """Return whether `ip` is the address of a multicast group."""
    return 224 <= int(ip.partition(".")[0]) <= 239


# Entries of an address list ----------------------------------------------------------------------------


def resolve(host: str) -> str:
    """Return the dotted address of a host name, a dotted address or a decimal number."""
    import socket

    if host.isascii() and host.isdecimal():
        return ipv4_from_int32(int(host))
    try:
        return ipv4_from_int32(ipv4_to_int32(host))
    except CaprotoValueError:
        return socket.gethostbyname(host)


def _parse_entry(entry: str) -> tuple[str, int | None]:
    """Return address and port, if any, of one entry; raises ValueError or OSError if that fails."""
    host, colon, port_text = entry.partition(":")
    if not host:
        raise CaprotoValueError(f"{entry!r} has no host")
    if not colon:
        return resolve(host), None
    if not (port_text.isascii() and port_text.isdecimal() and 0 < int(port_text) <= 65535):
        raise CaprotoValueError(f"{port_text!r} is not a port")
    return resolve(host), int(port_text)


def _entries(name: str) -> list[tuple[str, int | None]]:
    """Return the entries of a variable; one that cannot be resolved is reported and left out."""
    found: list[tuple[str, int | None]] = []
    for entry in variable_text(name).split():
        try:
            found.append(_parse_entry(entry))
        # UnicodeError, a ValueError, is what the resolver says to a label that is too long.
        except (OSError, ValueError) as error:
            report_once(name, entry, f"ignoring {entry!r}: {error}")
    return found


def _addresses(name: str, default_port: int) -> list[Address]:
    return [(ip, default_port if port is None else port) for ip, port in _entries(name)]


def _unique(addresses: Iterable[Address]) -> list[Address]:
    return list(dict.fromkeys(addresses))


# Interfaces --------------------------------------------------------------------------------------------


def _from_psutil() -> list[tuple[str, str]] | None:
    """Return (address, broadcast or peer address) of each interface that is up; None without psutil."""
    try:
        import psutil
    except ImportError:
        return None
    import socket

    try:
        stats = psutil.net_if_stats()
        interfaces = psutil.net_if_addrs()
    except OSError:  # as some containers answer
        return None
    return [
        (item.address, item.broadcast or item.ptp or "")
        for name, items in interfaces.items()
        for item in items
        if item.family == socket.AF_INET and (name not in stats or stats[name].isup)
    ]


# Requests and flags of netdevice(7).
_SIOCGIFFLAGS, _SIOCGIFADDR, _SIOCGIFDSTADDR, _SIOCGIFBRDADDR = 0x8913, 0x8915, 0x8917, 0x8919
_IFF_UP, _IFF_BROADCAST, _IFF_POINTOPOINT = 0x1, 0x2, 0x10


def _from_linux() -> list[tuple[str, str]] | None:
    """Return the same as :func:`_from_psutil` by asking a Linux kernel; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    import fcntl
    import socket

    found: list[tuple[str, str]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:

        def ask(request: int, name: str) -> bytes:
            return fcntl.ioctl(sock.fileno(), request, struct.pack("256s", name.encode()[:15]))

        for _, name in socket.if_nameindex():
            try:
                (flags,) = struct.unpack_from("=H", ask(_SIOCGIFFLAGS, name), 16)
                address = socket.inet_ntoa(ask(_SIOCGIFADDR, name)[20:24])
                other = ""
                if flags & _IFF_BROADCAST:
                    other = socket.inet_ntoa(ask(_SIOCGIFBRDADDR, name)[20:24])
                elif flags & _IFF_POINTOPOINT:
                    other = socket.inet_ntoa(ask(_SIOCGIFDSTADDR, name)[20:24])
            except OSError:  # an interface without IPv4 address
                continue
            if flags & _IFF_UP:
                found.append((address, other))
    return found


def _interfaces() -> list[tuple[str, str]]:
    found = _from_psutil()
    if found is None:
        found = _from_linux()
    if found is None:
        # The standard library cannot list interfaces here; every stack knows the limited broadcast.
        local = get_local_address()
        found = [(local, "255.255.255.255")]
    if not any(ip.startswith("127.") for ip, _ in found):
        found.append((LOOPBACK, LOOPBACK))
    return [(ip, ip if ip.startswith("127.") else other) for ip, other in found]


def get_netifaces_addresses() -> Iterator[tuple[str, str]]:
    """Yield (address, broadcast address) of each interface that has both.

    For a point-to-point link the second is the address of the peer; loopback is its own broadcast address.
    """
    for ip, other in _interfaces():
        if other and other != ANY:
            yield ip, other


def _broadcasts(only: Iterable[str] = ()) -> list[str]:
    """Return the broadcast addresses of the interfaces `only`, or of all but loopback; 127.0.0.1 if none."""
    wanted = set(only)
    pairs = list(get_netifaces_addresses())
    if wanted:
        found = [other for ip, other in pairs if ip in wanted]
    else:
        found = [other for ip, other in pairs if not ip.startswith("127.")]
    return list(dict.fromkeys(found)) or [LOOPBACK]


def get_local_address() -> str:
    """Return the address that this machine uses towards its network; 127.0.0.1 if it has none."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            # Chooses a route and sends nothing; the address is one reserved for documentation.
            sock.connect(("192.0.2.1", EPICS_CA1_PORT))
            return str(sock.getsockname()[0])
        except OSError:
            return LOOPBACK


# Address lists -----------------------------------------------------------------------------------------


def get_address_list(*, protocol: Protocol | str = Protocol.ChannelAccess) -> list[str]:
    """Return where clients search, as 'a.b.c.d', or 'a.b.c.d:port' where the environment names a port."""
    _check(protocol)
    found = _broadcasts() if variable_flag("EPICS_CA_AUTO_ADDR_LIST") else []
    found += [ip if port is None else f"{ip}:{port}" for ip, port in _entries("EPICS_CA_ADDR_LIST")]
    return list(dict.fromkeys(found))


def get_client_address_list(*, protocol: Protocol | str = Protocol.ChannelAccess) -> list[Address]:
    """Return where clients search, as (address, port)."""
    _check(protocol)
    port = variable_port("EPICS_CA_SERVER_PORT")
    found = [(ip, port) for ip in _broadcasts()] if variable_flag("EPICS_CA_AUTO_ADDR_LIST") else []
    return _unique(found + _addresses("EPICS_CA_ADDR_LIST", port))


def get_name_server_list() -> list[Address]:
    """Return the servers to search over TCP (EPICS_CA_NAME_SERVERS), as (address, port)."""
    return _unique(_addresses("EPICS_CA_NAME_SERVERS", variable_port("EPICS_CA_SERVER_PORT")))


def get_beacon_address_list(*, protocol: Protocol | str = Protocol.ChannelAccess) -> list[Address]:
    """Return where a server sends its beacons, as (address, port)."""
    _check(protocol)
    return beacon_addresses(get_server_address_list())


def beacon_addresses(interfaces: Iterable[str]) -> list[Address]:
    """Return where a server on `interfaces` sends its beacons, as (address, port)."""
    port = variable_port("EPICS_CAS_BEACON_PORT")
    found: list[Address] = []
    if variable_flag("EPICS_CAS_AUTO_BEACON_ADDR_LIST"):
        found = [(ip, port) for ip in _broadcasts(ip for ip in interfaces if ip != ANY)]
    return _unique(found + _addresses("EPICS_CAS_BEACON_ADDR_LIST", port))


def get_server_address_list(*, protocol: Protocol | str = Protocol.ChannelAccess) -> list[str]:
    """Return the interfaces a server binds; ['0.0.0.0'] is all of them."""
    _check(protocol)
    return server_interfaces((ip for ip, _ in _entries(_SERVED)), _SERVED)


def server_interfaces(addresses: Iterable[str], source: str) -> list[str]:
    """Return those of `addresses` that a server binds; the others are multicast groups."""
    found = list(dict.fromkeys(ip for ip in addresses if not is_multicast(ip)))
    if ANY in found and len(found) > 1:
        raise CaprotoValueError(f"{source}: {ANY} stands for all interfaces and cannot be mixed with {found}")
    return found or [ANY]


def get_multicast_groups() -> list[str]:
    """Return the multicast groups a server joins: those of EPICS_CAS_INTF_ADDR_LIST."""
    found = (ip for ip, _ in _entries(_SERVED) if is_multicast(ip))
    return list(dict.fromkeys(found))


def get_ignore_address_list() -> list[str]:
    """Return the addresses whose datagrams a server drops; ports do not matter."""
    return list(dict.fromkeys(ip for ip, _ in _entries("EPICS_CAS_IGNORE_ADDR_LIST")))


# Sockets and ports -------------------------------------------------------------------------------------


def bcast_socket(socket_module: Any = None) -> Any:
    """Return an unbound UDP socket that may broadcast and share its port.

    Parameters
    ----------
    socket_module : module, optional
        Where the socket comes from: ``socket``, or one that looks like it.
    """
    import socket

    sock = (socket if socket_module is None else socket_module).socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        ttl = int(variable_number("EPICS_CA_MCAST_TTL"))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    except OSError as error:
        sock.close()
        raise CaprotoNetworkError(f"cannot prepare a broadcast socket: {error}") from error
    return sock


def random_ports(num: int, *, try_first: int | None = None) -> Iterator[int]:
    """Yield `try_first`, if given, and `num` different ports of the dynamic range in random order."""
    import random

    if try_first is not None:
        yield try_first
    dynamic = range(49152, 65536)
    yield from random.sample(dynamic, min(num, len(dynamic)))
