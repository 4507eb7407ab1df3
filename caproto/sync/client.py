"""A synchronous client: functions that block until there is an answer.

Each call opens its own connections and closes them again.  That is the right thing for scripts that read or
write now and then.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .._callbacks import adapt_old_callback_signature
from .._channel import ClientChannel
from .._commands import (
    EventAddRequest,
    EventAddResponse,
    ReadNotifyResponse,
    ReadResponse,
    WriteNotifyResponse,
)
from .._enums import ChannelType
from .._errors import CaprotoError, CaprotoTimeoutError, CaprotoTypeError, CaprotoValueError
from ._link import Request
from ._session import Channel, Monitor, Session
from ._types import DataType, default_count, resolve_type

__all__ = ["Subscription", "block", "interrupt", "read", "read_write_read", "subscribe", "write"]

# Sessions that block now, for interrupt().
_blocking: set[Session] = set()
_blocking_lock = threading.Lock()


def connect(session: Session, names: list[str], timeout: float, priority: int = 0) -> list[Channel]:
    """Return the channels, connected; raises for the first one that cannot be had in time."""
    channels = [session.channel(name, priority=priority) for name in names]
    session.wait(lambda: all(channel.connected or channel.refused for channel in channels), timeout)
    _check_connected(channels, timeout, lambda channel: channel.connected)
    return channels


def _check_connected(channels: list[Channel], timeout: float, connected: Callable[[Channel], bool]) -> None:
    """Raise for the first channel that was refused or could not be connected in time."""
    for channel in channels:
        if channel.refused and channel.problem is not None:
            raise channel.problem
        if not connected(channel):
            text = f"{channel.name}: timed out after {timeout:g} s {channel.waiting_for()}"
            raise CaprotoTimeoutError(text)


def finish(request: Request, timeout: float, what: str) -> Any:
    """Wait for the answer to a request and return it; raises what ended it otherwise."""
    channel = request.channel
    where = channel.where
    if not channel.session.wait(lambda: request.done, timeout):
        raise CaprotoTimeoutError(
            f"{channel.name}: timed out after {timeout:g} s waiting for {what} from {where} ({channel.state})"
        )
    if request.error is not None:
        raise request.error
    return request.response


def read_channel(
    channel: Channel,
    *,
    data_type: DataType = None,
    data_count: int | None = None,
    timeout: float,
    notify: bool = True,
    force_int_enums: bool = False,
) -> Any:
    """Read a channel that is connected."""
    _, native = channel.require()
    ftype = resolve_type(native.native_data_type, data_type, force_int_enums)
    count = data_count
    if count is None:
        # The obsolete READ takes 0 at its word.
        count = default_count(native) if notify else native.native_data_count or 1
    return finish(channel.read(ftype, count, notify=notify), timeout, "the answer to a read")


def write_channel(
    channel: Channel,
    data: Any,
    *,
    data_type: DataType = None,
    metadata: Any = None,
    notify: bool,
    timeout: float,
) -> WriteNotifyResponse | None:
    """Write to a channel that is connected, and wait until the server has dealt with it."""
    _, native = channel.require()
    ftype = _write_type(native, data, data_type)
    try:
        request = channel.write(data, ftype, notify=notify, metadata=metadata)
    except (CaprotoValueError, CaprotoTypeError) as error:
        raise type(error)(f"{channel.name}: {error}") from error
    if notify:
        response: WriteNotifyResponse = finish(request, timeout, "the end of a write")
        return response
    # Nobody answers a plain write that succeeds, but the server works in order: once it answers something
    # else without having complained, the write is done.
    finish(channel.barrier(), timeout, "a sign of life after a write")
    if request.error is not None:
        raise request.error
    return None


def _write_type(native: ClientChannel, data: Any, data_type: DataType) -> ChannelType:
    """Return the DBR type to send: the native one, or STRING for text meant for an enum or a number."""
    if data_type is not None:
        # The classes carry metadata, which a server does not take.
        return resolve_type(native.native_data_type, data_type, force_int_enums=True)
    ftype = ChannelType(native.native_data_type)
    if ftype in (ChannelType.STRING, ChannelType.CHAR):
        return ftype
    return ChannelType.STRING if _is_text(data) else ftype


def _is_text(data: Any) -> bool:
    """Return whether `data` is text or texts; bytes alone are elements in the order of the wire."""
    if isinstance(data, (list, tuple)):
        return bool(data) and isinstance(data[0], (str, bytes))
    kind: str = getattr(getattr(data, "dtype", None), "kind", "f")
    return isinstance(data, str) or kind in "SU"


def read(
    pv_name: str,
    *,
    data_type: DataType = None,
    data_count: int | None = None,
    timeout: float = 2.0,
    priority: int = 0,
    notify: bool = True,
    force_int_enums: bool = False,
    repeater: bool = True,
) -> ReadNotifyResponse | ReadResponse:
    """Read a PV.

    Parameters
    ----------
    pv_name : str
    data_type : {'native', 'status', 'time', 'graphic', 'control'}, ChannelType or int, optional
        What to ask for; the native type by default.
    data_count : int, optional
        Number of elements; as many as there are by default.
    timeout : float, optional
        Seconds to wait for the connection, and again for the answer.
    priority : int, optional
        Of the circuit, 0 to 99.
    notify : bool, optional
        Use READ_NOTIFY; the alternative is an obsolete command.
    force_int_enums : bool, optional
        Get the index of an enum, not its text.
    repeater : bool, optional
        Start a repeater if there is none on this host.

    Returns
    -------
    ReadNotifyResponse
        With ``data``, ``metadata`` and ``status``.
    """
    with Session(repeater=repeater) as session:
        (channel,) = connect(session, [pv_name], timeout, priority)
        response: ReadNotifyResponse = read_channel(
            channel, data_type=data_type, data_count=data_count, timeout=timeout, notify=notify,
            force_int_enums=force_int_enums,
        )  # fmt: skip
        return response


def write(
    pv_name: str,
    data: Any,
    *,
    notify: bool = False,
    data_type: DataType = None,
    metadata: Any = None,
    timeout: float = 2.0,
    priority: int = 0,
    repeater: bool = True,
) -> WriteNotifyResponse | None:
    """Write to a PV; raises if the server refuses, also without `notify`.

    Parameters
    ----------
    pv_name : str
    data : str, int, float or sequence of these
        Bytes-like objects hold elements in big-endian order.
    notify : bool, optional
        Wait until everything that the write sets off is done.
    data_type : ChannelType or int, optional
        What to send; the native type by default, and STRING for text.
    metadata : optional
        Of `data_type`, if that is not a plain type.
    timeout, priority, repeater
        See :func:`read`.

    Returns
    -------
    WriteNotifyResponse or None
        None without `notify`.
    """
    with Session(repeater=repeater) as session:
        (channel,) = connect(session, [pv_name], timeout, priority)
        return write_channel(channel, data, data_type=data_type, metadata=metadata, notify=notify, timeout=timeout)


def read_write_read(
    pv_name: str,
    data: Any,
    *,
    notify: bool = False,
    read_data_type: DataType = None,
    write_data_type: DataType = None,
    metadata: Any = None,
    timeout: float = 2.0,
    priority: int = 0,
    force_int_enums: bool = False,
    repeater: bool = True,
) -> tuple[Any, WriteNotifyResponse | None, Any]:
    """Read a PV, write to it and read it again, over one connection.

    Returns
    -------
    initial, write_response, final : tuple
        See :func:`read` and :func:`write`, also for the parameters.
    """
    with Session(repeater=repeater) as session:
        (channel,) = connect(session, [pv_name], timeout, priority)

        def look() -> Any:
            return read_channel(channel, data_type=read_data_type, timeout=timeout, force_int_enums=force_int_enums)

        initial = look()
        answer = write_channel(
            channel, data, data_type=write_data_type, metadata=metadata, notify=notify, timeout=timeout
        )
        return initial, answer, look()


class Subscription:
    """Updates of one PV, once :meth:`block` is called.

    Callbacks are held strongly: they live as long as the subscription, or until they are removed.
    """

    def __init__(
        self,
        pv_name: str,
        priority: int = 0,
        data_type: DataType = None,
        data_count: int | None = None,
        low: float = 0.0,
        high: float = 0.0,
        to: float = 0.0,
        mask: int | None = None,
    ) -> None:
        self.pv_name = pv_name
        self.priority = priority
        self.data_type = data_type
        self.data_count = data_count
        self.low, self.high, self.to, self.mask = low, high, to, mask
        # The function itself is kept beside its adapted form, which holds it weakly.
        self.callbacks: dict[int, tuple[Callable[..., Any], Callable[..., Any]]] = {}
        self._tokens = itertools.count()

    def __repr__(self) -> str:
        return f"<Subscription to {self.pv_name!r}, {len(self.callbacks)} callbacks>"

    def add_callback(self, func: Callable[..., Any]) -> int:
        """Call ``func(subscription, response)``, or ``func(response)``, with each update.

        Returns
        -------
        int
            What :meth:`remove_callback` takes.
        """
        token = next(self._tokens)
        self.callbacks[token] = (func, adapt_old_callback_signature(func, set()))
        return token

    def remove_callback(self, token: int) -> None:
        """Call a function no more; a token that is not known is ignored."""
        self.callbacks.pop(token, None)

    def clear(self) -> None:
        """Remove all callbacks, and make :func:`block` return."""
        self.callbacks.clear()
        interrupt()

    def process(self, response: EventAddResponse) -> None:
        """Call the callbacks; what they raise comes out of :func:`block`."""
        for _, func in list(self.callbacks.values()):
            func(self, response)

    def block(
        self,
        duration: float | None = None,
        timeout: float = 2.0,
        force_int_enums: bool = False,
        repeater: bool = True,
    ) -> None:
        """Receive updates; see :func:`block`."""
        block(self, duration=duration, timeout=timeout, force_int_enums=force_int_enums, repeater=repeater)

    def interrupt(self) -> None:
        """Make :func:`block` return."""
        interrupt()

    def compose(self, channel: ClientChannel, *, force_int_enums: bool = False) -> EventAddRequest:
        """Return the request for a channel that is connected."""
        ftype = resolve_type(channel.native_data_type, self.data_type, force_int_enums)
        count = default_count(channel) if self.data_count is None else self.data_count
        return channel.subscribe(ftype, count, low=self.low, high=self.high, to=self.to, mask=self.mask)


def subscribe(
    pv_name: str,
    priority: int = 0,
    data_type: DataType = None,
    data_count: int | None = None,
    low: float = 0.0,
    high: float = 0.0,
    to: float = 0.0,
    mask: int | None = None,
) -> Subscription:
    """Define a subscription; nothing is sent before it is given to :func:`block`.

    Parameters
    ----------
    pv_name : str
    priority : int, optional
        Of the circuit, 0 to 99.
    data_type, data_count : optional
        See :func:`read`.
    low, high, to : float, optional
        Historical; servers ignore them.
    mask : SubscriptionType or int, optional
        Which changes to be told of; value, alarm and property by default.
    """
    return Subscription(pv_name, priority, data_type, data_count, low, high, to, mask)


def block(
    *subscriptions: Subscription,
    duration: float | None = None,
    timeout: float | None = 2.0,
    force_int_enums: bool = False,
    repeater: bool = True,
) -> None:
    """Receive updates and call the callbacks until interrupted.

    A PV whose server goes away later is searched and subscribed again.

    Parameters
    ----------
    *subscriptions : Subscription
    duration : float, optional
        Seconds after which to return, counted from the moment when all PVs are connected.
    timeout : float, optional
        Seconds to wait until all PVs are connected; None waits forever.
    force_int_enums, repeater : bool, optional
        See :func:`read`.

    Raises
    ------
    CaprotoTimeoutError
        If a PV is not connected in time.
    ErrorResponseReceived
        If a server refuses a subscription.
    """
    if not subscriptions:
        return
    failures: list[CaprotoError] = []
    with Session(repeater=repeater) as session, _registered(session):
        channels = []
        for subscription in subscriptions:
            channel = session.channel(subscription.pv_name, priority=subscription.priority)
            compose = functools.partial(subscription.compose, force_int_enums=force_int_enums)
            channel.subscribe(Monitor(compose, subscription.process, failures.append))
            channels.append(channel)

        def settled() -> bool:
            return bool(failures) or all(channel.ever_connected or channel.refused for channel in channels)

        session.wait(settled, timeout)
        if session.interrupted:
            return
        _check_connected(channels, timeout or 0.0, lambda channel: channel.ever_connected)
        session.wait(lambda: bool(failures), duration)
        if failures:
            raise failures[0]


@contextlib.contextmanager
def _registered(session: Session) -> Iterator[Session]:
    """Make a session known to :func:`interrupt`."""
    with _blocking_lock:
        _blocking.add(session)
    try:
        yield session
    finally:
        with _blocking_lock:
            _blocking.discard(session)


def interrupt() -> None:
    """Make all calls of :func:`block` return; without effect if there are none."""
    with _blocking_lock:
        for session in _blocking:
            session.interrupt()
