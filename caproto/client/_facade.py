"""What PVs, contexts and batches share in all skins: everything but waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol

from .._channel import ClientChannel
from .._enums import AccessRights
from .._errors import CaprotoError, CaprotoTypeError, CaprotoValueError
from ._channel import UP, Channel, Request
from ._engine import ClientEngine
from ._subscription import CallbackHandler, SubscriptionBase
from ._types import DataType, read_count, resolve_type, write_type

__all__ = [
    "CONTEXT_DEFAULT_TIMEOUT",
    "PV_DEFAULT_TIMEOUT",
    "BatchBase",
    "BroadcasterBase",
    "ContextBase",
    "Driver",
    "PVBase",
]


class _Default:
    """A time-out that is looked up elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


PV_DEFAULT_TIMEOUT: Any = _Default("PV_DEFAULT_TIMEOUT")
CONTEXT_DEFAULT_TIMEOUT: Any = _Default("CONTEXT_DEFAULT_TIMEOUT")

logger = logging.getLogger("caproto.client")


class Driver(Protocol):
    """What a skin gives: sockets, a clock, and exclusive use of the engine.

    Used as a context manager: it yields the time, and does afterwards what the engine asks for.
    """

    engine: ClientEngine
    closed: bool

    def __enter__(self) -> float: ...

    def __exit__(self, *exc_info: object) -> None: ...


class PVBase:
    """A PV.

    Attributes
    ----------
    name : str
    priority : int
        Of its circuit, 0 to 99.
    context : Context
    timeout : float or None
        Seconds that its methods wait if they are not told otherwise; None waits forever.
    subscriptions : dict
        By their parameters.
    executor : concurrent.futures.Executor or None
        Where callbacks run, if not with all others of the context (threading only).
    """

    log = logging.getLogger("caproto.ch")
    _subscription_class: ClassVar[type[SubscriptionBase]]

    def __init__(self, name: str, priority: int, context: Any, timeout: Any = CONTEXT_DEFAULT_TIMEOUT) -> None:
        if not 0 <= priority < 100:
            raise CaprotoValueError(f"{name}: priority={priority} is not in 0..99")
        self.name = name
        self.priority = priority
        self.context = context
        self._timeout = timeout
        self.executor: Any = None
        self._connection_state_callback: CallbackHandler | None = None
        self._access_rights_callback: CallbackHandler | None = None
        self.subscriptions: dict[Any, Any] = {}
        self.engine_channel: Channel = context.driver.engine.open(name, context.now(), priority=priority, owner=self)

    def __repr__(self) -> str:
        channel = self.engine_channel
        if not channel.connected:
            return f"<PV {self.name!r} {channel.state}>"
        return f"<PV {self.name!r} connected to {channel.where}>"

    # Made when they are asked for: most of many PVs have none.

    @property
    def connection_state_callback(self) -> CallbackHandler:
        """What is called with ``(pv, "connected" | "disconnected")``."""
        if self._connection_state_callback is None:
            handler = self._connection_state_callback = CallbackHandler(self)
            if self.engine_channel.ever_connected:
                handler.last = (self, "connected" if self.connected else "disconnected")
        return self._connection_state_callback

    @property
    def access_rights_callback(self) -> CallbackHandler:
        """What is called with ``(pv, AccessRights)``."""
        if self._access_rights_callback is None:
            handler = self._access_rights_callback = CallbackHandler(self)
            if self.connected:
                handler.last = (self, self.access_rights)
        return self._access_rights_callback

    @property
    def connected(self) -> bool:
        """Whether its server is there."""
        return self.engine_channel.state == UP

    @property
    def access_rights(self) -> AccessRights:
        """What we may do; NO_ACCESS while disconnected."""
        return self.engine_channel.rights

    @property
    def channel(self) -> ClientChannel | None:
        """The channel of the circuit, with the native type and count; None before the first connection."""
        return self.engine_channel.native

    @property
    def circuit_manager(self) -> Any:
        """The connection to its server, with ``circuit`` and ``address``; None while there is none."""
        return self.engine_channel.link

    @property
    def timeout(self) -> Any:
        """Seconds to wait by default; None waits forever."""
        return self.context.timeout if self._timeout is CONTEXT_DEFAULT_TIMEOUT else self._timeout

    @timeout.setter
    def timeout(self, timeout: Any) -> None:
        self._timeout = timeout

    def _seconds(self, timeout: Any) -> Any:
        return self.timeout if timeout is PV_DEFAULT_TIMEOUT else timeout

    def connection_state_changed(self, state: str, channel: ClientChannel | None) -> None:
        """Called when the PV is connected or disconnected; runs the callbacks."""
        if self._connection_state_callback is not None:
            self._connection_state_callback.process(self, state)

    def access_rights_changed(self, rights: AccessRights) -> None:
        """Called when the server allows more or less; runs the callbacks."""
        if self._access_rights_callback is not None:
            self._access_rights_callback.process(self, rights)

    def changed(self, what: str) -> None:
        """Tell what the engine noted: "connected", "disconnected" or "rights"."""
        if what != "rights":
            self.connection_state_changed(what, self.channel)
        if what != "disconnected":
            self.access_rights_changed(self.access_rights)

    def subscribe(
        self,
        data_type: DataType = None,
        data_count: int | None = None,
        low: float = 0.0,
        high: float = 0.0,
        to: float = 0.0,
        mask: int | None = None,
        *,
        limit: int | None = None,
    ) -> Any:
        """Return the subscription with these parameters; nothing is sent before it has a callback.

        Parameters
        ----------
        data_type : {'native', 'status', 'time', 'graphic', 'control'}, ChannelType or int, optional
            The native type by default.
        data_count : int, optional
            Number of elements; as many as there are by default.
        low, high, to : float, optional
            Historical; servers ignore them.
        mask : SubscriptionType or int, optional
            Which changes to be told of; value, alarm and property by default.
        limit : int, optional
            How many updates wait for a slow callback at most; the oldest are dropped and counted.  1 keeps the newest
            only; the default is 100 000, or what fits into 128 MiB.
        """
        if limit is not None and limit < 1:
            raise CaprotoValueError(f"{self.name}: limit={limit} leaves no room for the newest update")
        key = (data_type, data_count, low, high, to, None if mask is None else int(mask), limit)
        found = self.subscriptions.get(key)
        if found is None:
            found = self.subscriptions[key] = self._subscription_class(
                self, data_type, data_count, low, high, to, mask, limit
            )
        return found

    # What a skin adds: how to wait.  Where an event loop runs them all these are coroutine functions, except
    # `time_since_last_heard`.

    def wait_for_search(self, *, timeout: Any = PV_DEFAULT_TIMEOUT) -> Any:
        """Wait until some server says that it has the PV; CaprotoTimeoutError if none does in time."""
        raise NotImplementedError

    def wait_for_connection(self, *, timeout: Any = PV_DEFAULT_TIMEOUT) -> Any:
        """Wait until the PV is connected.

        Raises
        ------
        CaprotoTimeoutError
            Says how far it came.
        ErrorResponseReceived
            If the server that has the record refuses the channel.
        """
        raise NotImplementedError

    def read(
        self,
        *,
        wait: bool = True,
        callback: Callable[..., Any] | None = None,
        timeout: Any = PV_DEFAULT_TIMEOUT,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool = True,
    ) -> Any:
        """Read the value.

        Parameters
        ----------
        wait : bool, optional
            Wait for the answer and return it.
        callback : callable, optional
            Called with the answer: in an executor, or in the event loop, where it may be a coroutine function.
        timeout : float or None, optional
            Seconds to wait for the connection, and again for the answer; None waits forever.
        data_type : {'native', 'status', 'time', 'graphic', 'control'}, ChannelType or int, optional
            The native type by default.
        data_count : int, optional
            Number of elements; as many as there are by default.
        notify : bool, optional
            Use READ_NOTIFY; the alternative is an obsolete command.

        Returns
        -------
        ReadNotifyResponse or Request
            With ``data`` and ``metadata``; without `wait` what will be ``done`` later.

        Raises
        ------
        CaprotoTimeoutError
            Names the PV, its server, and what was waited for.
        ErrorResponseReceived
            What the server said.
        """
        raise NotImplementedError

    def write(
        self,
        data: Any,
        *,
        wait: bool = True,
        callback: Callable[..., Any] | None = None,
        timeout: Any = PV_DEFAULT_TIMEOUT,
        notify: bool | None = None,
        data_type: DataType = None,
        data_count: int | None = None,
    ) -> Any:
        """Write a value.

        Parameters
        ----------
        data : str, int, float, sequence of these, or array
            Bytes-like objects hold elements in big-endian order.
        wait : bool, optional
            Wait until the server has done what the write sets off.
        callback : callable, optional
            Called with the answer when that is so, as for :meth:`read`.
        timeout : float or None, optional
            Seconds to wait for the connection, and again for the answer; None waits forever.
        notify : bool, optional
            Ask for an answer; by default if somebody waits for it.
        data_type, data_count : optional
            The native type, or STRING for text, and the length of `data` by default.

        Returns
        -------
        WriteNotifyResponse or Request or None
            Without `wait` what will be ``done`` later; None if nobody waits and no answer is asked for.

        Raises
        ------
        CaprotoTimeoutError, ErrorResponseReceived
            As for :meth:`read`.
        """
        raise NotImplementedError

    def go_idle(self) -> Any:
        """Close the channel until it is used again, unless there are subscriptions."""
        raise NotImplementedError

    def unsubscribe_all(self) -> Any:
        """Clear all subscriptions."""
        raise NotImplementedError

    def time_since_last_heard(self, timeout: Any = PV_DEFAULT_TIMEOUT) -> float:
        """Seconds since its server gave a sign of life.

        Threads first wait for the connection; a coroutine has CaprotoValueError while there is none.
        """
        raise NotImplementedError

    # Requests; the caller holds the driver

    def _send_read(
        self,
        data_type: DataType,
        data_count: int | None,
        notify: bool,
        on_done: Callable[[Request], object] | None,
    ) -> Request:
        _, native = self.engine_channel.require()
        ftype = resolve_type(native.native_data_type, data_type, force_int_enums=True)
        data_count = read_count(native, data_count, notify=notify)
        return self.context.driver.engine.read(  # type: ignore[no-any-return]
            self.engine_channel, ftype, data_count, notify=notify, on_done=on_done
        )

    def _send_write(
        self,
        data: Any,
        data_type: DataType,
        data_count: int | None,
        notify: bool,
        on_done: Callable[[Request], object] | None,
    ) -> Request:
        _, native = self.engine_channel.require()
        ftype = write_type(native, data, data_type)
        return self.context.driver.engine.write(  # type: ignore[no-any-return]
            self.engine_channel, data, ftype, data_count=data_count, notify=notify, on_done=on_done
        )

    def _notifies(self, notify: bool | None, wait: bool, callback: Callable[..., Any] | None) -> bool:
        """Whether a write asks for an answer: if nothing is said, when somebody waits for it."""
        if notify is None:
            return wait or callback is not None
        if not notify and callback is not None:
            raise CaprotoValueError(f"{self.name}: a write without notification has no answer to call back with")
        return notify

    def _callback(self, callback: Callable[..., Any]) -> Callable[[Request], object]:
        """Return what calls a function of the user with the answer to a request."""

        def answered(request: Request) -> None:
            if request.error is None:
                self.context.call(callback, request.response, pv=self)
            elif not self.context.driver.closed:
                self.log.warning("%s", request.error)

        return answered

    def _time_since_last_heard(self) -> float:
        link = self.engine_channel.link
        if link is None:
            raise CaprotoValueError(f"{self.name}: not connected ({self.engine_channel.state})")
        now = self.context.now()
        heard: float = max(link.last_heard, self.context.driver.engine.discovery.last_beacon.get(link.address, 0.0))
        return max(0.0, float(now - heard))

    def _rest(self) -> None:
        if not any(subscription.active for subscription in self.subscriptions.values()):
            self.context.driver.engine.rest(self.engine_channel)

    def _use(self, now: float) -> None:
        """Look for the channel again if it rests."""
        self.context.driver.engine.rouse(self.engine_channel, now)


class BroadcasterBase:
    """What several contexts share.

    Attributes
    ----------
    driver : Driver
    """

    driver: Any

    def time_since_last_heard(self) -> dict[tuple[str, int], float]:
        """Seconds since the last beacon of each server, by address."""
        with self.driver as now:
            return {address: now - heard for address, heard in self.driver.engine.discovery.last_beacon.items()}


class ContextBase:
    """The PVs of one client.

    Attributes
    ----------
    driver : Driver
    timeout : float or None
        Seconds that methods wait if they are not told otherwise.
    pvs : dict
        By (name, priority).
    """

    _pv_class: ClassVar[type[PVBase]]
    driver: Any

    def __init__(
        self,
        broadcaster: Any = None,
        *,
        timeout: float | None = 2.0,
        host_name: str | None = None,
        client_name: str | None = None,
        max_workers: int = 1,
    ) -> None:
        """Take what is to be shared, and what servers are told.

        Parameters
        ----------
        broadcaster : SharedBroadcaster, optional
            Sockets to share with other contexts.
        timeout : float or None, optional
            Seconds that methods of its PVs wait by default; None waits forever.
        host_name, client_name : str, optional
            What servers are told; the names of this machine and user by default.
        max_workers : int, optional
            Threads that run callbacks.  Callbacks of one subscription never run at the same time.  Historical where
            an event loop runs them.
        """
        self.timeout = timeout
        self.pvs: dict[tuple[str, int], Any] = {}
        self.broadcaster = broadcaster
        self._disconnected = False
        if broadcaster is None:
            self.driver = self._new_driver(max_workers, host_name=host_name, client_name=client_name)
        else:
            self.driver = broadcaster.driver

    def _new_driver(self, max_workers: int, **settings: Any) -> Driver:
        raise NotImplementedError

    def now(self) -> float:
        """The time of the driver's clock, in seconds."""
        return float(self.driver.now())

    # What a skin adds

    def call(self, func: Callable[..., Any], *args: Any, pv: PVBase | None = None) -> None:
        """Have a function of the user called, in the order of these calls."""
        raise NotImplementedError

    def get_pvs(
        self,
        *names: str,
        priority: int = 0,
        connection_state_callback: Callable[..., Any] | None = None,
        access_rights_callback: Callable[..., Any] | None = None,
        timeout: Any = CONTEXT_DEFAULT_TIMEOUT,
    ) -> Any:
        """Return PVs, which are searched and connected from now on; those known already are returned again.

        Parameters
        ----------
        *names : str
        priority : int, optional
            Of the circuit, 0 to 99.
        connection_state_callback : callable, optional
            Called with ``(pv, "connected")`` and ``(pv, "disconnected")``.
        access_rights_callback : callable, optional
            Called with ``(pv, AccessRights)``.  Both may be coroutine functions where an event loop runs them.
        timeout : float or None, optional
            Seconds that their methods wait by default.
        executor : concurrent.futures.Executor, optional
            Threads only: where their callbacks run.  PVs with executors of their own do not delay the callbacks of
            others.
        """
        raise NotImplementedError

    def disconnect(self) -> Any:
        """Close all channels, and unless they are shared all sockets; end all threads or tasks, which is waited for.

        Parameters
        ----------
        wait : bool, optional
            Threads only: whether to wait for callbacks that run.
        """
        raise NotImplementedError

    # What it shares

    def get_circuit_manager(self, address: tuple[str, int], priority: int) -> Any:
        """Return the connection to a server, or None."""
        return self.driver.engine.links.get((address, priority))

    def _close_channels(self) -> None:
        """End all subscriptions and close all channels, for a driver that others may go on using."""
        for pv in self.pvs.values():
            for subscription in pv.subscriptions.values():
                subscription._clear()
            self.driver.engine.close(pv.engine_channel)

    def _check_names(self, names: Iterable[Any]) -> None:
        for name in names:
            if not isinstance(name, str) or not name:
                raise CaprotoTypeError(f"{name!r} is not the name of a PV")

    def _get_pvs(
        self,
        names: Iterable[str],
        priority: int,
        connection_state_callback: Callable[..., Any] | None,
        access_rights_callback: Callable[..., Any] | None,
        timeout: Any,
    ) -> list[Any]:
        """Return the PVs, new or known; the caller holds the driver."""
        self._check_names(names)
        found = []
        for name in names:
            pv = self.pvs.get((name, priority))
            if pv is None:
                pv = self.pvs[name, priority] = self._pv_class(name, priority, self, timeout)
            if connection_state_callback is not None:
                pv.connection_state_callback.add_callback(connection_state_callback, run=True)
            if access_rights_callback is not None:
                pv.access_rights_callback.add_callback(access_rights_callback, run=True)
            found.append(pv)
        return found


class BatchBase:
    """Reads and writes that are sent together, in as few segments as possible.

    Parameters
    ----------
    timeout : float or None
        Seconds after which an answer is waited for no longer.
    """

    def __init__(self, timeout: float | None = 2.0) -> None:
        self.timeout = timeout
        self._commands: list[tuple[PVBase, Callable[[], Request]]] = []

    def read(
        self, pv: PVBase, callback: Callable[..., Any], data_type: DataType = None, data_count: int | None = None
    ) -> None:
        """Read a PV when the batch ends; `callback` is called with the answer."""
        self._commands.append((pv, lambda: pv._send_read(data_type, data_count, True, pv._callback(callback))))

    def write(
        self,
        pv: PVBase,
        data: Any,
        callback: Callable[..., Any] | None = None,
        data_type: DataType = None,
        data_count: int | None = None,
    ) -> None:
        """Write to a PV when the batch ends; `callback`, if any, is called when that has been done."""
        notify = callback is not None
        on_done = None if callback is None else pv._callback(callback)
        self._commands.append((pv, lambda: pv._send_write(data, data_type, data_count, notify, on_done)))

    def _send(self) -> None:
        commands, self._commands = self._commands, []
        by_context: dict[int, list[tuple[PVBase, Callable[[], Request]]]] = {}
        for pv, send in commands:
            by_context.setdefault(id(pv.context), []).append((pv, send))
        problem: CaprotoError | None = None
        for group in by_context.values():
            driver = group[0][0].context.driver
            with driver as now:
                for _, send in group:
                    try:
                        request = send()
                    except CaprotoError as error:
                        problem = problem or error
                        continue
                    if self.timeout is not None and request.on_done is not None:
                        driver.engine.expect(request, self.timeout, now)
        if problem is not None:
            raise problem
