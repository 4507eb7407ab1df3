"""What every skin of the server needs besides sockets: settings, the hooks of PVs, and what the log says."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .._environ import variable_number, variable_port
from .._errors import CaprotoNetworkError
from .._net import (
    ANY,
    beacon_addresses,
    get_ignore_address_list,
    get_multicast_groups,
    get_netifaces_addresses,
    get_server_address_list,
    is_multicast,
    resolve,
    server_interfaces,
)
from ._access import AccessSecurity

if TYPE_CHECKING:
    from .._data import ChannelData
    from ._context import ContextBase

__all__ = ["Job", "Path", "ServerExit", "Settings", "announce", "jobs", "load_access", "run_job", "settings"]

logger = logging.getLogger("caproto.server")
Path = str | os.PathLike[str]
Job = Callable[[Any], Awaitable[Any]]


class ServerExit(Exception):
    """Raised by a hook to end the server in an orderly way."""


class Settings(NamedTuple):
    """How a server is to listen, as the environment and the caller say (section 1.2).

    Attributes
    ----------
    interfaces : tuple of str
        Addresses to listen at; 0.0.0.0 is all of them.
    broadcasts : dict of str
        Interfaces by their broadcast addresses, where searches arrive that are not for one host.
    groups : tuple of str
        Multicast groups to join.
    port : int
        UDP port of searches, and the TCP port that is tried first.
    beacons : tuple of (str, int)
        Where beacons go.
    beacon_period : float
        Longest interval of beacons, in seconds.
    ignore : tuple of str
        Hosts whose searches are not answered.
    """

    interfaces: tuple[str, ...]
    broadcasts: dict[str, str]
    groups: tuple[str, ...]
    port: int
    beacons: tuple[tuple[str, int], ...]
    beacon_period: float
    ignore: tuple[str, ...]


def settings(interfaces: Iterable[str] | None = None) -> Settings:
    """Return the settings of a server; `interfaces` by default as EPICS_CAS_INTF_ADDR_LIST says.

    Raises
    ------
    CaprotoValueError
        If 0.0.0.0 is one of several.
    CaprotoNetworkError
        If nobody knows the name of an interface.
    """
    given = [_address(interface) for interface in interfaces or ()]
    chosen = tuple(server_interfaces(given, "interfaces") if given else get_server_address_list())
    wanted = {ip for ip in chosen if ip != ANY and not ip.startswith("127.")}
    broadcasts = {other: ip for ip, other in get_netifaces_addresses() if ip in wanted and other not in chosen}
    return Settings(
        chosen,
        broadcasts,
        tuple(dict.fromkeys((*get_multicast_groups(), *filter(is_multicast, given)))),
        variable_port("EPICS_CAS_SERVER_PORT"),
        tuple(beacon_addresses(chosen)),
        float(variable_number("EPICS_CAS_BEACON_PERIOD")),
        tuple(get_ignore_address_list()),
    )


def _address(interface: str) -> str:
    try:
        return resolve(interface)
    except (OSError, ValueError) as error:
        raise CaprotoNetworkError(f"cannot listen on {interface!r}: {error}") from error


def load_access(path: Path) -> AccessSecurity:
    """Return the rules of an access security file; OSError or CaprotoValueError if they cannot be had.

    Hosts are where clients connect from; CAPROTO_CHECK_CLIENT_IP=NO believes what clients say that they are, as EPICS
    Base does unless its ``asCheckClientIP`` is set.
    """
    trusted = os.environ.get("CAPROTO_CHECK_CLIENT_IP", "").strip().upper() == "NO"
    with open(path, encoding="utf-8") as file:
        return AccessSecurity(file.read(), str(path), None if trusted else resolve)


def jobs(pvdb: Mapping[str, ChannelData], kind: str) -> list[tuple[str, Job]]:
    """Return name and hook of every PV that has one of a kind: ``startup``, ``scan`` or ``shutdown``.

    A PV that is there under several names has its hooks run once.
    """
    found = []
    seen: set[int] = set()
    for name, data in list(pvdb.items()):
        job = getattr(data, f"server_{kind}", None)
        if job is not None and id(data) not in seen:
            seen.add(id(data))
            found += [(name, each) for each in getattr(job, "jobs", (job,))]
    return found


async def run_job(name: str, kind: str, job: Job, context: ContextBase) -> None:
    """Run a hook; one that fails is reported, one that raises `ServerExit` or calls `sys.exit` ends the server."""
    try:
        await job(context.async_layer)
    except ServerExit:
        context.stop()
    except (KeyboardInterrupt, SystemExit) as error:
        context.fail(error)
    except Exception:  # a mistake in one hook is no reason to stop all others
        logger.exception("the %s hook of %s failed", kind, name)


def announce(pvdb: Mapping[str, ChannelData], interfaces: Iterable[str], port: int, log_pv_names: bool) -> None:
    """Say in the log that the server is up."""
    logger.info("Server startup complete: %d PVs on %s, TCP port %d.", len(pvdb), ", ".join(interfaces), port)
    if log_pv_names:
        logger.info("PVs available:\n%s", "\n".join(pvdb))
