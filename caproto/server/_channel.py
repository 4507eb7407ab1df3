"""One channel as its server sees it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .._data.subscription import Subscription
from .._data.view import Encoded, View
from .._enums import AccessRights
from ._names import Target

if TYPE_CHECKING:
    from .._data import ChannelData

__all__ = ["NOTHING", "Channel"]

_READ, _WRITE = int(AccessRights.READ), int(AccessRights.WRITE)
#: Of a channel whose reads are not just the value.
NOTHING: dict[int, Encoded] = {}


class Channel:
    """A channel of one client.

    Clients make thousands at a time, and most do little: what only some need is made, or found out, when they do.

    Attributes
    ----------
    sid, cid : int
    target : Target
        What the name stands for.
    rights : int
        What the client may do.
    cache : dict
        Encoded values that a read may be answered with, by ``data_count << 6 | data_type``.
    subscriptions : list of Subscription
    jobs : deque
        Requests that wait for hooks, the one in progress first.
    putting : bool
        The one in progress is a put that takes its time.
    aside : deque
        Requests that passed it and wait for hooks of their own.
    """

    __slots__ = ("_read_hooks", "_write_hooks", "aside", "cache", "cid", "jobs", "putting", "rights", "sid",
                 "subscriptions", "target")  # fmt: skip

    def __init__(self, sid: int, cid: int, target: Target, rights: int) -> None:
        self.sid = sid
        self.cid = cid
        self.target = target
        self.rights = rights
        self.cache = NOTHING
        self.subscriptions: list[Subscription] | tuple[()] = ()
        self.jobs: deque[Any] | tuple[()] = ()
        self.aside: deque[Any] | tuple[()] = ()
        self.putting = False
        self._read_hooks: bool | None = None
        self._write_hooks: bool | None = None

    @property
    def data(self) -> ChannelData:
        """The PV."""
        return self.target.data

    @property
    def view(self) -> View:
        """What of the PV is told."""
        return self.target.view

    @property
    def name(self) -> str:
        """The name of the PV, as far as it is known."""
        return str(getattr(self.data, "pvname", type(self.data).__name__))

    def add(self, subscription: Subscription) -> None:
        """Take a new subscription."""
        if isinstance(self.subscriptions, tuple):
            self.subscriptions = []
        self.subscriptions.append(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        self.subscriptions = [kept for kept in self.subscriptions if kept is not subscription]

    def settle(self) -> None:
        """Let reads be answered with what is encoded already, where that is right."""
        plain = self.rights & _READ and not self.jobs and not self.read_waits()
        self.cache = self.target.view.cache if plain else NOTHING

    def read_waits(self) -> bool:
        """Whether a read has to wait for a hook; without access there is nothing to wait for."""
        if self._read_hooks is None:
            self._read_hooks = not self.target.data.reads_at_once
        return self._read_hooks and bool(self.rights & _READ)

    def write_waits(self) -> bool:
        """Whether a write has to wait for a hook."""
        if self._write_hooks is None:
            self._write_hooks = not self.target.data.writes_at_once
        return self._write_hooks and bool(self.rights & _WRITE)
