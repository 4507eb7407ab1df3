"""One channel as its server sees it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .._data.subscription import Subscription
from .._data.view import Encoded
from .._enums import AccessRights
from ._names import Target

if TYPE_CHECKING:
    from ._circuit import ServerCircuit

__all__ = ["NOTHING", "Channel"]

_READ, _WRITE = int(AccessRights.READ), int(AccessRights.WRITE)
#: Of a channel whose reads are not just the value.
NOTHING: dict[int, Encoded] = {}


class Channel:
    """A channel of one client.

    Attributes
    ----------
    sid, cid : int
    data : ChannelData
    view : View
        What of it is told.
    rights : int
        What the client may do.
    cache : dict
        Encoded values that a read may be answered with, by ``data_count << 6 | data_type``.
    subscriptions : list of Subscription
    jobs : deque
        Requests that wait for hooks, the one in progress first.
    """

    __slots__ = ("_read_hooks", "_write_hooks", "cache", "cid", "circuit", "data", "jobs", "rights", "sid",
                 "subscriptions", "target", "view")  # fmt: skip

    def __init__(self, circuit: ServerCircuit, sid: int, cid: int, target: Target) -> None:
        self.circuit = circuit
        self.sid = sid
        self.cid = cid
        self.target = target
        self.data = target.data
        self.view = target.view
        self.rights = 0
        self.cache: dict[int, Encoded] = NOTHING
        self.subscriptions: list[Subscription] = []
        self.jobs: deque[Any] = deque()
        self._read_hooks = not target.data.reads_at_once
        self._write_hooks = not target.data.writes_at_once

    @property
    def name(self) -> str:
        """The name of the PV, as far as it is known."""
        return str(getattr(self.data, "pvname", type(self.data).__name__))

    def settle(self) -> None:
        """Let reads be answered with what is encoded already, where that is right."""
        plain = self.rights & _READ and not self._read_hooks and not self.jobs
        self.cache = self.view.cache if plain else NOTHING

    def read_waits(self) -> bool:
        """Whether a read has to wait for a hook; without access there is nothing to wait for."""
        return self._read_hooks and bool(self.rights & _READ)

    def write_waits(self) -> bool:
        """Whether a write has to wait for a hook."""
        return self._write_hooks and bool(self.rights & _WRITE)
