"""Callbacks and subscriptions, in what they share in all skins."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._callbacks import adapt_old_callback_signature
from .._enums import ChannelType
from .._errors import CaprotoError
from .._wire import codec
from ._channel import Monitor
from ._types import DataType

if TYPE_CHECKING:
    from ._facade import PVBase

__all__ = ["Block", "CallbackHandler", "SubscriptionBase", "call_safely"]

logger = logging.getLogger("caproto.client")

_Columns = codec.Columns


def call_safely(what: str, func: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the user; what it raises is logged and harms nobody else."""
    try:
        return func(*args)
    except Exception:  # noqa: BLE001 - whatever the user's code raises is theirs
        logger.exception("%s: the callback %r failed", what, func)
        return None


class CallbackHandler:
    """Functions of the user that are called when something happens to a PV.

    They are held strongly: they live until they are removed.

    Attributes
    ----------
    last : tuple or None
        What they were called with last.
    """

    def __init__(self, pv: PVBase) -> None:
        self.pv = pv
        # The function itself is kept beside its adapted form, which may hold it weakly.
        self.callbacks: dict[int, tuple[Callable[..., Any], Callable[..., Any]]] = {}
        self._tokens = itertools.count()
        self.last: tuple[Any, ...] | None = None

    def add_callback(self, func: Callable[..., Any], run: bool = False) -> int:
        """Call `func` from now on, and with `run` also with what happened last.

        Returns
        -------
        int
            What :meth:`remove_callback` takes.
        """
        token = next(self._tokens)
        self.callbacks[token] = (func, adapt_old_callback_signature(func, set()))
        if run and self.last is not None:
            self.pv.context.call(func, *self.last, pv=self.pv)
        return token

    def remove_callback(self, token: int) -> Any:
        """Call a function no more; a token that is not known is ignored."""
        self.callbacks.pop(token, None)

    def process(self, *args: Any) -> None:
        """Call all of them."""
        self.last = args
        for _, func in list(self.callbacks.values()):
            self.pv.context.call(func, *args, pv=self.pv)


class Block:
    """Updates of one subscription as columns, the oldest first.

    Attributes
    ----------
    values : numpy.ndarray or array.array
        Shape (n,) for scalars, (n, count) for arrays, in native byte order and writable; flat without numpy.
    timestamps : numpy.ndarray or array.array of int64, or None
        Shape (n,): nanoseconds since the Unix epoch; None for types without time stamp.
    severity, status : numpy.ndarray or array.array of int16, or None
        Shape (n,); None for plain types.
    data_type : ChannelType
    count : int
        Elements of each update.
    dropped : int
        Updates that were lost in front of these because the callback was slow.

    All arrays own their memory.
    """

    __slots__ = ("count", "data_type", "dropped", "severity", "status", "timestamps", "values", "_length")

    def __init__(self, data_type: ChannelType, columns: tuple[int, Any, Any, Any, Any], dropped: int) -> None:
        self.data_type = data_type
        self.count, self.values, self.timestamps, self.severity, self.status = columns
        self.dropped = dropped
        self._length = len(self.values) // (self.count or 1) if self.status is None else len(self.status)

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"<Block of {self._length} updates, {self.data_type.name}[{self.count}], dropped={self.dropped}>"


class SubscriptionBase(CallbackHandler):
    """A subscription of the user; it begins with its first callback and ends with its last.

    Parameters
    ----------
    pv : PV
    data_type, data_count, low, high, to, mask
        See ``PV.subscribe``.
    limit : int or None
        How many updates wait for a slow callback at most; the oldest are dropped.  1 keeps the newest only.

    Attributes
    ----------
    error : CaprotoError or None
        Why the server refuses it, if it does.
    most_recent_response : EventAddResponse or None
    """

    def __init__(
        self,
        pv: PVBase,
        data_type: DataType,
        data_count: int | None,
        low: float,
        high: float,
        to: float,
        mask: int | None,
        limit: int | None = None,
    ) -> None:
        super().__init__(pv)
        self.data_type, self.data_count = data_type, data_count
        self.low, self.high, self.to, self.mask = low, high, to, mask
        self.monitor = Monitor(self, data_type, data_count, low=low, high=high, to=to, mask=mask, limit=limit)
        self.error: CaprotoError | None = None
        self.most_recent_response: Any = None
        self.block_callbacks: dict[int, Callable[..., Any]] = {}
        self.error_callbacks: dict[int, Callable[..., Any]] = {}
        self._told_dropped = 0
        self.log = pv.log

    def __repr__(self) -> str:
        number = len(self.callbacks) + len(self.block_callbacks)
        return f"<Subscription to {self.pv.name!r}, {number} callbacks, {self.dropped} dropped>"

    @property
    def dropped(self) -> int:
        """How many updates were lost because the callbacks were slower than the server."""
        return self.monitor.dropped

    @property
    def active(self) -> bool:
        """Whether anybody wants updates."""
        return bool(self.callbacks or self.block_callbacks)

    @property
    def _wants_whole(self) -> bool:
        """Whether anybody wants updates one by one."""
        return bool(self.callbacks)

    def add_callback(self, func: Callable[..., Any], run: bool = True) -> int:
        """Call ``func(subscription, response)``, or ``func(response)``, with each update, in order.

        A function that is added while updates already arrive is called with the most recent one at once.

        Parameters
        ----------
        func : callable
            Where an event loop runs it, it may be a coroutine function.

        Returns
        -------
        int
            What :meth:`remove_callback` takes.
        """
        with self.pv.context.driver as now:
            token = next(self._tokens)
            adapted = adapt_old_callback_signature(func, set())
            self.callbacks[token] = (func, adapted)
            if run and self.most_recent_response is not None and self.monitor.channel is not None:
                self.pv.context.call(adapted, self, self.most_recent_response, pv=self.pv)
            self._reform(now)
        return token

    def add_block_callback(self, func: Callable[[Any, Block], Any]) -> int:
        """Call ``func(subscription, block)`` once for each portion of updates that arrives; for high rates.

        Parameters
        ----------
        func : callable
            As for :meth:`add_callback`.

        Returns
        -------
        int
            What :meth:`remove_callback` takes.
        """
        with self.pv.context.driver as now:
            token = next(self._tokens)
            self.block_callbacks[token] = func
            self._reform(now)
        return token

    def add_error_callback(self, func: Callable[[Any, CaprotoError], Any]) -> int:
        """Call ``func(subscription, error)`` if the server refuses the subscription.

        Returns
        -------
        int
            What :meth:`remove_callback` takes.
        """
        token = next(self._tokens)
        self.error_callbacks[token] = func
        if self.error is not None:
            self.pv.context.call(func, self, self.error, pv=self.pv)
        return token

    def remove_callback(self, token: int) -> Any:
        """Call a function no more; without any, updates are no longer asked for."""
        raise NotImplementedError

    def clear(self) -> Any:
        """Remove all callbacks, end all iterators, and ask for updates no longer."""
        raise NotImplementedError

    def _reform(self, now: float) -> None:
        """Begin, end, or change the form of what is received, as the callbacks ask for."""
        engine, monitor = self.pv.context.driver.engine, self.monitor
        if not self.active:
            engine.cancel(monitor)
            self.most_recent_response = None
            return
        columns = not self._wants_whole
        if columns != monitor.columns:
            engine.reshape(monitor, columns=columns)
        if monitor.channel is None:
            self.error = None
            channel = self.pv.engine_channel
            engine.rouse(channel, now)
            engine.subscribe(channel, monitor)

    def _remove(self, token: int) -> None:
        with self.pv.context.driver as now:
            for callbacks in (self.callbacks, self.block_callbacks, self.error_callbacks):
                callbacks.pop(token, None)
            self._reform(now)

    def _clear(self) -> None:
        with self.pv.context.driver as now:
            self.callbacks.clear()
            self.block_callbacks.clear()
            self._reform(now)

    # What the engine and the skin call

    def failed(self, error: CaprotoError) -> None:
        """The server refuses the subscription."""
        self.error = error
        if not self.error_callbacks:
            self.log.error("%s", error)
        for func in list(self.error_callbacks.values()):
            self.pv.context.call(func, self, error, pv=self.pv)

    def process(self, *args: Any) -> None:
        """Call the callbacks with one update."""
        (response,) = args
        self.run([response])

    def deliver(self, sink: Any, taken: list[Any]) -> None:
        """Call the callbacks with what was taken from a sink."""
        if not taken:
            return
        if not isinstance(sink, _Columns):
            self.most_recent_response = taken[-1]
            if self.block_callbacks:
                self._run_blocks(sink.data_type, as_columns(sink.data_type, taken))
            self.run(taken)
        else:
            self._run_blocks(sink.data_type, taken)

    def run(self, responses: list[Any]) -> None:
        """Call each callback with each update, in order."""
        for _, func in list(self.callbacks.values()):
            rest = iter(responses)
            while True:
                try:
                    for response in rest:
                        func(self, response)
                    break
                except Exception:  # noqa: BLE001 - whatever the user's code raises is theirs
                    self.log.exception("%s: the callback %r failed", self.pv.name, func)

    def _run_blocks(self, data_type: int, runs: list[tuple[int, Any, Any, Any, Any]]) -> None:
        for columns in runs:
            dropped, self._told_dropped = self.monitor.dropped - self._told_dropped, self.monitor.dropped
            block = Block(ChannelType(data_type), columns, dropped)
            for func in list(self.block_callbacks.values()):
                call_safely(self.pv.name, func, self, block)


def as_columns(data_type: int, responses: list[Any]) -> list[tuple[int, Any, Any, Any, Any]]:
    columns = codec.Columns(data_type)
    for response in responses:
        columns.push(response)
    runs: list[tuple[int, Any, Any, Any, Any]] = columns.take()
    return runs
