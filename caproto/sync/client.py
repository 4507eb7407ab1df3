"""A synchronous client: functions that block until there is an answer.

Each call opens its own connections and closes them again.  That is the right thing for scripts that read or
write now and then.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .._callbacks import adapt_old_callback_signature
from .._commands import EventAddResponse, ReadNotifyResponse, ReadResponse, WriteNotifyResponse
from .._errors import CaprotoError
from ..client._types import DataType, read_count, resolve_type, write_type
from ._session import Channel, Monitor, Session, check_connected

__all__ = ["Subscription", "block", "interrupt", "read", "read_write_read", "subscribe", "write"]

# Sessions that block now, for interrupt().
_blocking: set[Session] = set()
_blocking_lock = threading.Lock()


def read_channel(
    session: Session,
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
    count = read_count(native, data_count, notify=notify)
    return session.finish(session.read(channel, ftype, count, notify=notify), timeout)


def write_channel(
    session: Session,
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
    ftype = write_type(native, data, data_type)
    request = session.write(channel, data, ftype, notify=notify, metadata=metadata)
    if notify:
        response: WriteNotifyResponse = session.finish(request, timeout)
        return response
    # Nobody answers a plain write that succeeds, but the server works in order: once it answers something
    # else without having complained, the write is done.
    session.finish(session.barrier(channel), timeout)
    if request.error is not None:
        raise request.error
    return None


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
        (channel,) = session.connect([pv_name], timeout, priority)
        response: ReadNotifyResponse = read_channel(
            session, channel, data_type=data_type, data_count=data_count, timeout=timeout, notify=notify,
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
        (channel,) = session.connect([pv_name], timeout, priority)
        return write_channel(
            session, channel, data, data_type=data_type, metadata=metadata, notify=notify, timeout=timeout
        )


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
        (channel,) = session.connect([pv_name], timeout, priority)

        def look() -> Any:
            return read_channel(
                session, channel, data_type=read_data_type, timeout=timeout, force_int_enums=force_int_enums
            )

        initial = look()
        answer = write_channel(
            session, channel, data, data_type=write_data_type, metadata=metadata, notify=notify, timeout=timeout
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
    with Session(repeater=repeater) as session, _registered(session):
        channels, watches = [], []
        for subscription in subscriptions:
            watch = _Watch(subscription)
            monitor = Monitor(
                watch, subscription.data_type, subscription.data_count, low=subscription.low, high=subscription.high,
                to=subscription.to, mask=subscription.mask, force_int_enums=force_int_enums,
            )  # fmt: skip
            channel = session.channel(subscription.pv_name, priority=subscription.priority)
            session.subscribe(channel, monitor)
            channels.append(channel)
            watches.append(watch)

        def failed() -> bool:
            return any(watch.error is not None for watch in watches)

        def settled() -> bool:
            return failed() or all(channel.ever_connected or channel.refused for channel in channels)

        session.wait(settled, timeout)
        if session.interrupted:
            return
        check_connected(channels, timeout or 0.0, lambda channel: channel.ever_connected)
        session.wait(failed, duration)
        for watch in watches:
            if watch.error is not None:
                raise watch.error


class _Watch:
    """Passes the updates of one session on to a subscription."""

    def __init__(self, subscription: Subscription) -> None:
        self.update = subscription.process
        self.error: CaprotoError | None = None

    def failed(self, error: CaprotoError) -> None:
        self.error = error


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
