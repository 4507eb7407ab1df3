"""What a client knows of one PV: its state, its requests and its subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._channel import ClientChannel
from .._commands import EventAddRequest, Message
from .._enums import AccessRights, ChannelType
from .._errors import CaprotoError, CaprotoNetworkError, CaprotoTimeoutError, CaprotoTypeError, CaprotoValueError
from .._layout import LAYOUTS
from .._wire import codec
from ._types import DataType, default_count, resolve_type

if TYPE_CHECKING:
    from ._engine import ClientEngine
    from ._link import Link

__all__ = ["CONNECTING", "CREATING", "IDLE", "SEARCHING", "SILENT", "UP", "Channel", "Monitor", "Request"]

SEARCHING, CONNECTING, CREATING, UP = "searching", "connecting", "creating the channel", "connected"
#: The server does not answer, but its circuit is not closed (section 8.4).
SILENT = "waiting for a silent server"
#: Closed until it is used again.
IDLE = "idle"

#: What one subscription may keep for a consumer that is slow, in updates and in bytes.
MOST_UPDATES = 100_000
MOST_BYTES = 128 * 1024 * 1024
#: Memory of a small update beside its payload, roughly.
_OVERHEAD = 200


class Request:
    """Something asked for, and in time its answer or the error that ended it.

    Attributes
    ----------
    channel : Channel
    what : str
        For messages: "read", "write", "connection" ...
    command : Message or None
        What was sent, if an answer to it is awaited.
    ioid : int or None
        Of what was sent.
    response : object
        The command that answered; True for what is not answered by a command.
    error : CaprotoError or None
    on_done : callable or None
        Called by the skin with the request when it is done.
    """

    __slots__ = ("channel", "command", "error", "ioid", "on_done", "response", "timeout", "what")

    def __init__(
        self,
        channel: Channel,
        what: str,
        command: Message | None = None,
        on_done: Callable[[Request], object] | None = None,
    ) -> None:
        self.channel = channel
        self.what = what
        self.command = command
        self.ioid: int | None = None
        self.on_done = on_done
        self.response: Any = None
        self.error: CaprotoError | None = None
        self.timeout: float | None = None

    @property
    def done(self) -> bool:
        """Whether there is an answer or an error."""
        return self.response is not None or self.error is not None

    def result(self) -> Any:
        """Return the answer, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.response

    def timed_out(self, timeout: float) -> CaprotoTimeoutError:
        """Return an error that names the PV, its server and what was waited for."""
        channel = self.channel
        if self.ioid is None:
            text = f"{channel.name}: no {self.what} within {timeout:g} s: {channel.waiting_for()}"
        else:
            awaited = "the end of a write" if self.what == "write" else f"the answer to a {self.what}"
            text = (
                f"{channel.name}: timed out after {timeout:g} s waiting for {awaited} from "
                f"{channel.where} ({channel.state})"
            )
        return CaprotoTimeoutError(text)


class _Inbox(codec.Inbox):
    """Whole updates on their way from the circuit to the callbacks of a subscription."""

    __slots__ = ("monitor",)

    def __init__(self, data_type: int, monitor: Monitor) -> None:
        super().__init__(data_type)
        self.monitor = monitor


class _Columns(codec.Columns):
    """The same as columns."""

    __slots__ = ("monitor",)

    def __init__(self, data_type: int, monitor: Monitor) -> None:
        super().__init__(data_type)
        self.monitor = monitor


class Monitor:
    """A subscription; renewed whenever the channel comes back.

    Parameters
    ----------
    data_type : DataType
        As for :func:`resolve_type`; resolved anew for each connection.
    data_count : int or None
        None for as many elements as there are.
    low, high, to : float
    mask : int or None
    force_int_enums : bool
    choose : callable or None
        Instead of all that: returns the DBR type and the count to subscribe, given the ClientChannel.
    limit : int or None
        How many updates wait for a slow consumer before the oldest are dropped; 1 keeps the newest only.
        None for what fits into `MOST_BYTES`, and `MOST_UPDATES` at most.
    columns : bool
        Whether updates are kept as columns.
    owner : object
        Whom the skin tells.

    Attributes
    ----------
    sink : Inbox or Columns
        Where the circuit puts updates.
    dropped : int
        Updates that were lost because nobody took them.
    request : EventAddRequest or None
        While the server knows it.
    """

    def __init__(
        self,
        owner: Any,
        data_type: DataType = None,
        data_count: int | None = None,
        *,
        low: float = 0.0,
        high: float = 0.0,
        to: float = 0.0,
        mask: int | None = None,
        force_int_enums: bool = True,
        choose: Callable[[ClientChannel], tuple[ChannelType, int]] | None = None,
        limit: int | None = None,
        columns: bool = False,
    ) -> None:
        self.owner = owner
        self.data_type = data_type
        self.data_count = data_count
        self.low, self.high, self.to, self.mask = low, high, to, mask
        self.force_int_enums = force_int_enums
        self.choose = choose
        self.limit = limit
        self.columns = columns
        self.keep = limit or MOST_UPDATES
        self.dropped = 0
        self.channel: Channel | None = None
        self.request: EventAddRequest | None = None
        self.sink: Any = (_Columns if columns else _Inbox)(0, self)

    def compose(self, native: ClientChannel) -> EventAddRequest:
        """Return the request for a channel that is connected, and prepare to receive its updates."""
        if self.choose is not None:
            ftype, count = self.choose(native)
        else:
            ftype = resolve_type(native.native_data_type, self.data_type, self.force_int_enums)
            count = default_count(native) if self.data_count is None else self.data_count
        request = native.subscribe(ftype, count, low=self.low, high=self.high, to=self.to, mask=self.mask)
        if self.limit is None:
            size = LAYOUTS[ftype].value_offset + LAYOUTS[ftype].item_size * (count or native.native_data_count or 1)
            self.keep = max(4, min(MOST_UPDATES, MOST_BYTES // (size + _OVERHEAD)))
        return request

    def new_sink(self, data_type: int) -> Any:
        """Receive into new memory, of another type or form."""
        self.sink = (_Columns if self.columns else _Inbox)(int(data_type), self)
        return self.sink


class Channel:
    """A PV that is looked for, connected and, if the connection is lost, connected again.

    Attributes
    ----------
    state : str
        What is going on, in words.
    native : ClientChannel or None
        The channel of the circuit, while there is one.
    rights : AccessRights
    problem : CaprotoError or None
        What went wrong last.
    refused : bool
        Whether a server found the name and then refused to create the channel.
    owner : object
        Whom the skin tells about changes.
    """

    __slots__ = (
        "cid", "connects", "engine", "ever_connected", "finds", "link", "monitors", "name", "native", "owner",
        "priority", "problem", "refused", "rights", "setbacks", "state", "warned",
    )  # fmt: skip

    def __init__(self, engine: ClientEngine, name: str, cid: int, priority: int, owner: Any) -> None:
        self.engine = engine
        self.name = name
        self.cid = cid
        self.priority = priority
        self.owner = owner
        self.state = SEARCHING
        self.link: Link | None = None
        self.native: ClientChannel | None = None
        self.rights = AccessRights.NO_ACCESS
        self.problem: CaprotoError | None = None
        self.refused = False
        self.ever_connected = False
        self.warned = False
        # Connections one after the other that did not last.
        self.setbacks = 0
        self.monitors: list[Monitor] = []
        # Requests that wait for the connection, and for an answer to the search.
        self.connects: list[Request] = []
        self.finds: list[Request] = []

    @property
    def connected(self) -> bool:
        """Whether requests can be sent."""
        return self.state == UP

    @property
    def where(self) -> str:
        """The server as text."""
        return self.link.where if self.link is not None else "no server"

    def require(self) -> tuple[Link, ClientChannel]:
        """Return link and channel of the circuit; raises CaprotoNetworkError unless connected."""
        if self.link is None or self.native is None or self.state != UP:
            raise self.problem or CaprotoNetworkError(f"{self.name}: not connected ({self.state})")
        return self.link, self.native

    def compose_write(
        self, data: Any, data_type: int, data_count: int | None, *, notify: bool, metadata: Any = None
    ) -> Message:
        """Return a write to a channel that is connected; errors about what cannot be sent name the PV."""
        _, native = self.require()
        try:
            return native.write(data, data_type, data_count, notify=notify, metadata=metadata)
        except (CaprotoValueError, CaprotoTypeError) as error:
            raise type(error)(f"{self.name}: {error}") from error

    def waiting_for(self) -> str:
        """Return what has not happened so far, as a clause."""
        if self.state == SEARCHING:
            text = f"searching: no server answered ({self.engine.asked()})"
        elif self.state == CONNECTING:
            text = f"connecting: found at {self.where}, where the TCP connection is not established yet"
        elif self.state == CREATING:
            text = f"creating the channel: connected to {self.where}, which did not answer CREATE_CHAN"
        elif self.state == SILENT:
            text = f"{self.where} is silent and does not answer an ECHO"
        else:
            text = f"connected to {self.where}"
        return f"{text}; last problem: {self.problem}" if self.problem is not None else text
