"""What the environment says about a client, and who it is."""

from __future__ import annotations

from .._constants import STR_ENC
from .._environ import variable_number, variable_port
from .._net import get_client_address_list, get_name_server_list
from ._engine import ClientEngine

__all__ = ["engine_from_environment"]


def _encodable(text: str) -> str:
    return text.encode(STR_ENC, "replace").decode(STR_ENC)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user without a name, as in some containers
        return "unknown"


def engine_from_environment(
    now: float, *, host_name: str | None = None, client_name: str | None = None, repeater: bool = True
) -> ClientEngine:
    """Return an engine with the settings of the ``EPICS_CA_*`` variables.

    Parameters
    ----------
    now : float
        The time, in seconds of a clock that never goes back.
    host_name, client_name : str, optional
        What servers are told; the names of this machine and user by default.
    repeater : bool, optional
        Whether to register with the repeater of this host.
    """
    if host_name is None:
        import platform

        host_name = platform.node()
    return ClientEngine(
        destinations=get_client_address_list(),
        name_servers=get_name_server_list(),
        host_name=_encodable(host_name),
        client_name=_encodable(_user() if client_name is None else client_name),
        server_port=variable_port("EPICS_CA_SERVER_PORT"),
        repeater=("127.0.0.1", variable_port("EPICS_CA_REPEATER_PORT")) if repeater else None,
        conn_tmo=float(variable_number("EPICS_CA_CONN_TMO")),
        max_search_period=float(variable_number("EPICS_CA_MAX_SEARCH_PERIOD")),
        now=now,
    )
