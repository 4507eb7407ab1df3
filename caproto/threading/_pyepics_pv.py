"""The PV of pyepics, on the threading client.

What the server sends is read by the thread of the client; functions of the user run in an executor.  Nothing here
waits for the executor, so a function of the user may get, put and connect whatever it likes.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .._enums import AccessRights, ChannelType, SubscriptionType, native_type
from .._errors import CaprotoNetworkError, CaprotoTimeoutError, ErrorResponseReceived, Forbidden
from ..client._subscription import call_safely
from ..client._types import default_count
from . import _pyepics_values as values
from ._pyepics_fields import FIELDS
from ._pyepics_put import Puts
from .client import Context, Subscription

__all__ = ["DEFAULT_CONNECTION_TIMEOUT", "DEFAULT_SUBSCRIPTION_MASK", "PV"]

#: Seconds.
DEFAULT_CONNECTION_TIMEOUT = 2.0
DEFAULT_SUBSCRIPTION_MASK = int(SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM)

_ACCESS = ("no access", "read-only", "write-only", "read/write")

_default_context: Context | None = None
_default_lock = threading.Lock()


class PV(Puts):
    """A PV with the interface of ``epics.PV``.

    Parameters
    ----------
    pvname : str
    callback : callable or sequence of callables, optional
        Called with keywords for each update, see :meth:`run_callback`.
    form : {'time', 'ctrl', 'native'}, optional
        What comes with each value.
    verbose : bool, optional
        Print each update.
    auto_monitor : bool or int, optional
        Whether to subscribe, or the mask of :class:`caproto.SubscriptionType` to subscribe with; by default PVs
        of fewer than `AUTOMONITOR_MAXLENGTH` elements are subscribed to.
    count : int, optional
        Most elements to ask for.
    connection_callback : callable, optional
        Called with ``pvname=, conn=, pv=``.
    connection_timeout : float, optional
        Seconds; 2 by default.
    access_callback : callable, optional
        Called with ``(read_access, write_access, pv=)``.
    monitor_delta : float, optional
        Smaller changes of a number do not lead to callbacks.
    context : Context, optional
        Of the threading client; :meth:`default_context` by default.

    Notes
    -----
    Callbacks run in the executor of the context, one at a time; :meth:`get`, :meth:`put` and
    :meth:`wait_for_connection` work in them.
    """

    def __init__(
        self,
        pvname: str,
        callback: Any = None,
        form: str = "time",
        verbose: bool = False,
        auto_monitor: Any = None,
        count: int | None = None,
        connection_callback: Callable[..., Any] | None = None,
        connection_timeout: float | None = None,
        access_callback: Callable[..., Any] | None = None,
        monitor_delta: float | None = None,
        *,
        context: Context | None = None,
    ) -> None:
        self.pvname = pvname.strip()
        self.form = form.lower()
        self.verbose = verbose
        self.context = self.default_context() if context is None else context
        self.connection_timeout = DEFAULT_CONNECTION_TIMEOUT if connection_timeout is None else connection_timeout
        self.connection_callbacks = [] if connection_callback is None else [connection_callback]
        self.access_callbacks = [] if access_callback is None else [access_callback]
        functions = callback if isinstance(callback, (list, tuple)) else [callback]
        self.callbacks: dict[int, tuple[Callable[..., Any], dict[str, Any]]] = {
            index: (func, {}) for index, func in enumerate(functions) if callable(func)
        }
        self._auto_monitor = auto_monitor
        self._auto_monitor_sub: Subscription | None = None
        self._auto_monitor_mask: int | None = None
        self._user_max_count = count
        self._delta = monitor_delta
        self._delta_from: float | None = None
        # Guards what follows; never taken while the driver is held.
        self._lock = threading.RLock()
        # The connection that the connection callbacks were told of, to the last of them.
        self._announced: Any = None
        self._announcing = threading.Condition(self._lock)
        self._native: Any = None
        self._fresh = False
        self._updates = 0
        self._updating: int | None = None
        self._released = False
        self._told_connected = self._told_rights = False
        self._args: dict[str, Any] = {}
        self._forget()
        self._attach()

    @classmethod
    def default_context(cls) -> Context:
        """The context of all PVs that are made without one; it is made when it is first needed."""
        global _default_context
        with _default_lock:
            if _default_context is None or _default_context.driver.closed:
                _default_context = Context()
            return _default_context

    def _forget(self) -> None:
        self._args.update(dict.fromkeys(FIELDS))
        self._args.update(
            pvname=self.pvname, count=self._user_max_count, nelm=-1, type="unknown", typefull="unknown",
            access="unknown", monitor_delta=self._delta,
        )  # fmt: skip

    def _attach(self) -> None:
        with self.context.driver:
            (self._pv,) = self.context.get_pvs(self.pvname)
            self.chid = self._args["chid"] = self._pv.engine_channel.cid
            self._handlers = [
                (handler, handler.add_callback(func, run=True))
                for handler, func in (
                    (self._pv.connection_state_callback, self._on_connection),
                    (self._pv.access_rights_callback, self._on_access),
                )
            ]

    # Connection

    @property
    def connected(self) -> bool:
        """Whether its server is there."""
        return not self._released and self._pv.connected

    @property
    def ftype(self) -> ChannelType | None:
        """The DBR type that is asked for; None before the first connection."""
        ftype: ChannelType | None = self._args["ftype"]
        return ftype

    def _on_connection(self, _: Any, state: str) -> None:
        conn = state == "connected"
        if self._released or not (conn or self._native):
            return
        if conn:
            self._learn()
        elif self.verbose:
            print(f"PV '{self.pvname}' disconnected.")
        with self._lock:
            self._told_connected, functions = conn, list(self.connection_callbacks)
            connection = self._pv.channel if conn else None
        for func in functions:
            self._call(functools.partial(func, pvname=self.pvname, conn=conn, pv=self))
        with self._announcing:
            self._announced = connection
            self._announcing.notify_all()

    def _on_access(self, _: Any, rights: AccessRights) -> None:
        read, write = self._store_rights(rights)
        with self._lock:
            self._told_rights, functions = True, list(self.access_callbacks)
        for func in functions:
            self._call(functools.partial(func, read, write, pv=self))

    def _store_rights(self, rights: AccessRights) -> tuple[bool, bool]:
        read, write = bool(rights & AccessRights.READ), bool(rights & AccessRights.WRITE)
        self._args.update(read_access=read, write_access=write, access=_ACCESS[read + 2 * write])
        return read, write

    def _share(self, callback: Any, connection_callback: Any, access_callback: Any) -> None:
        """Let one more user of this PV know what others have been told already."""
        with self._lock:
            self.connection_callbacks += [connection_callback] if callable(connection_callback) else []
            self.access_callbacks += [access_callback] if callable(access_callback) else []
            connected, rights = self._told_connected and self.connected, self._told_rights and self.connected
        if connected and callable(connection_callback):
            connection_callback(pvname=self.pvname, conn=True, pv=self)
        if rights and callable(access_callback):
            access_callback(self.read_access, self.write_access, pv=self)
        if callable(callback):
            index = self.add_callback(callback)
            assert index is not None
            if self._updates or not self._auto_monitor:
                self.get()
                self.run_callback(index)

    def _call(self, func: Callable[[], Any]) -> None:
        call_safely(self.pvname, func)

    def _learn(self) -> None:
        """Take over what a new connection tells: type, count and server."""
        with self._lock:
            native, link = self._pv.channel, self._pv.circuit_manager
            if native is self._native or native is None or link is None or not self.connected:
                return
            self._native, self._fresh = native, False
            nelm = native.native_data_count or 1
            ftype = values.promote(native.native_data_type, self.form)
            name = values.type_name(ftype)
            self._args.update(
                nelm=nelm, count=min(nelm, self._user_max_count or nelm), host=link.where, ftype=ftype, type=name,
                typefull=name,
            )  # fmt: skip
            self.force_read_access_rights()
            self._check_auto_monitor()

    def wait_for_connection(self, timeout: float | None = None) -> bool:
        """Wait until connected; False if that takes longer than `timeout`, by default `connection_timeout`.

        Connection callbacks are waited for, too, within the same time and unless this is called in a callback.
        """
        seconds = self.connection_timeout if timeout is None else max(timeout, 0.0)
        until = self.context.now() + seconds
        if not self.connected and not self._released:
            try:
                self._pv.wait_for_connection(timeout=seconds)
            except CaprotoTimeoutError:
                return False
            except ErrorResponseReceived as error:
                self._pv.log.warning("%s", error)
                return False
        self._learn()
        if not (self._is_announced() or self.context.driver.in_callback(self._pv.executor)):
            with self._announcing:
                self._announcing.wait_for(self._is_announced, max(until - self.context.now(), 0.0))
        return self.connected

    def _is_announced(self) -> bool:
        return not (self.connection_callbacks and self.connected) or self._announced is self._pv.channel

    def connect(self, timeout: float | None = None) -> bool:
        """Wait until connected, also after :meth:`disconnect`."""
        self._revive()
        return self.wait_for_connection(timeout)

    def force_connect(self, pvname: str | None = None, chid: Any = None, conn: bool = True, **kws: Any) -> None:
        """Take over the state of the connection again, and tell the connection callbacks."""
        self._revive()
        self._on_connection(self._pv, "connected" if conn and self.connected else "disconnected")

    def reconnect(self) -> bool:
        """Subscribe again, and wait until connected."""
        self._end_monitor()
        self._revive()
        with self._lock:
            self._native = None
        return self.wait_for_connection()

    def _revive(self) -> None:
        with self._lock:
            if self._released:
                self._released = False
                self._forget()
                self._attach()

    def disconnect(self, deepclean: bool = True) -> None:
        """Forget all callbacks and the value; the channel itself stays for other PVs of this name."""
        with self._lock:
            self._released, self._native, self._fresh = True, None, False
            self._end_monitor()
            for handler, token in self._handlers:
                handler.remove_callback(token)
            self._handlers = []
            self.callbacks.clear()
            self.access_callbacks.clear()
            self.connection_callbacks.clear()
            self._forget()

    def force_read_access_rights(self) -> None:
        """Take over the access rights as they are now."""
        self._store_rights(self._pv.access_rights)

    # Subscription

    @property
    def auto_monitor(self) -> Any:
        """Whether the PV is subscribed to, or with which mask; None if that is decided when it connects."""
        return self._auto_monitor

    @auto_monitor.setter
    def auto_monitor(self, wanted: Any) -> None:
        with self._lock:
            self._auto_monitor = wanted
            if self.connected and self._native is not None:
                self._check_auto_monitor()

    @property
    def auto_monitor_mask(self) -> int | None:
        """The mask of the present subscription; None while there is none."""
        return self._auto_monitor_mask

    def clear_auto_monitor(self) -> None:
        """End the subscription."""
        self.auto_monitor = False

    def _check_auto_monitor(self) -> None:
        if self._auto_monitor is None:
            self._auto_monitor = self._args["count"] < values.AUTOMONITOR_MAXLENGTH
        mask = DEFAULT_SUBSCRIPTION_MASK if self._auto_monitor is True else int(self._auto_monitor)
        if self._auto_monitor_sub is not None and self._auto_monitor_mask == mask:
            return
        self._end_monitor()
        if not mask:
            return
        # One of its own, so that nobody else can end it.
        subscription = Subscription(self._pv, None, None, 0.0, 0.0, 0.0, mask, None)
        subscription.monitor.choose = self._choose
        self._auto_monitor_sub, self._auto_monitor_mask = subscription, mask
        self._pv.subscriptions[subscription] = subscription
        subscription.add_callback(self._on_update)

    def _choose(self, native: Any) -> tuple[ChannelType, int]:
        count = min(self._user_max_count or 0, native.native_data_count)
        return values.promote(native.native_data_type, self.form), count or default_count(native)

    def _end_monitor(self) -> None:
        with self._lock:
            subscription, self._auto_monitor_sub, self._auto_monitor_mask = self._auto_monitor_sub, None, None
            self._fresh = False
            if subscription is not None:
                subscription.clear()
                self._pv.subscriptions.pop(subscription, None)

    def _on_update(self, subscription: Subscription, response: Any) -> None:
        self._learn()
        with self._lock:
            if subscription is not self._auto_monitor_sub:
                return
            ftype = response.data_type
            value = values.to_value(ftype, response.data, self._args["nelm"])
            if self._is_small_change(value):
                return
            self._args.update(values.metadata_dict(ftype, response.metadata))
            self._args.update(value=value, ftype=ftype, count=response.data_count, chid=self.chid)
            self._args["char_value"] = values.char_value(value, ftype, self._args)
            self._fresh = True
            self._updates += 1
        if self.verbose:
            when = values.format_time(self._args["timestamp"])
            print(f"{self.pvname}: {self._args['char_value']} ({when})")
        self._updating = threading.get_ident()
        try:
            for index in sorted(self.callbacks):
                self._call(functools.partial(self.run_callback, index))
        finally:
            self._updating = None

    def _is_small_change(self, value: Any) -> bool:
        if self._delta is None or not isinstance(value, (int, float)):
            return False
        if self._delta_from is not None and abs(value - self._delta_from) < self._delta:
            return True
        self._delta_from = value
        return False

    def _is_newest(self) -> bool:
        """Whether the value that we have is the last one that was received."""
        if self._updating == threading.get_ident():
            return True
        with self._lock:
            subscription, fresh = self._auto_monitor_sub, self._fresh
        if subscription is None or not fresh:
            return False
        with self.context.driver:
            return not subscription.busy

    # Callbacks

    def add_callback(
        self,
        callback: Callable[..., Any] | None = None,
        index: int | None = None,
        run_now: bool = False,
        with_ctrlvars: bool = True,
        **kw: Any,
    ) -> int | None:
        """Call a function with each update; returns the index that :meth:`remove_callback` takes.

        Parameters
        ----------
        callback : callable
        index : int, optional
            Replaces the callback with this index.
        run_now : bool, optional
            Also call it now.
        with_ctrlvars : bool, optional
            Ask for units, limits and so on first, so that the function is given them.
        **kw
            Given to the function with each call.
        """
        if callable(callback):
            if index is None:
                index = 1 + max(self.callbacks, default=0)
            self.callbacks[index] = (callback, kw)
        if with_ctrlvars and self.connected:
            self.get_ctrlvars()
        if run_now:
            self.get(as_string=True)
            if self.connected and index is not None:
                self.run_callback(index)
        return index

    def remove_callback(self, index: int | None = None) -> None:
        """Call a function no more."""
        if index is not None:
            self.callbacks.pop(index, None)

    def clear_callbacks(self, with_access_callback: bool = False, with_connect_callback: bool = False) -> None:
        """Call no function with updates any more, and on demand none of the others either."""
        self.callbacks.clear()
        if with_access_callback:
            self.access_callbacks = []
        if with_connect_callback:
            self.connection_callbacks = []

    def run_callbacks(self) -> None:
        """Call all functions with the present state, in this thread."""
        for index in sorted(self.callbacks):
            self.run_callback(index)

    def run_callback(self, index: int) -> None:
        """Call one function with the present state, in this thread.

        It is given all fields of the PV by keyword, ``cb_info=(index, pv)`` with which it can remove itself, and
        what :meth:`add_callback` was given.
        """
        if index in self.callbacks:
            func, keywords = self.callbacks[index]
            func(**{**self._args, **keywords, "cb_info": (index, self)})

    # Reading

    def get(
        self,
        count: int | None = None,
        as_string: bool = False,
        as_numpy: bool = True,
        timeout: float | None = None,
        with_ctrlvars: bool = False,
        use_monitor: bool = True,
    ) -> Any:
        """Return the value; None if it is not to be had in time.  See :meth:`get_with_metadata`."""
        metadata = self.get_with_metadata(
            count=count, as_string=as_string, as_numpy=as_numpy, timeout=timeout, with_ctrlvars=with_ctrlvars,
            use_monitor=use_monitor,
        )  # fmt: skip
        return None if metadata is None else metadata["value"]

    def get_with_metadata(
        self,
        count: int | None = None,
        as_string: bool = False,
        as_numpy: bool = True,
        timeout: float | None = None,
        with_ctrlvars: bool = False,
        form: str | None = None,
        use_monitor: bool = True,
        as_namespace: bool = False,
    ) -> Any:
        """Return the value and what comes with it.

        Parameters
        ----------
        count : int, optional
            Most elements of an array.
        as_string : bool, optional
            Return the value as text.
        as_numpy : bool, optional
            Return arrays as numpy arrays (if there is numpy) or as lists.
        timeout : float, optional
            Seconds; for the connection `connection_timeout`, for the value 1 + log10(count) by default.
        with_ctrlvars : bool, optional
            Also ask for units, limits and so on.
        form : {'time', 'ctrl', 'native'}, optional
            What to ask for; what the PV was made with by default.
        use_monitor : bool, optional
            Take the value that the subscription has received last.
        as_namespace : bool, optional
            Return a namespace instead of a dict.

        Returns
        -------
        dict, types.SimpleNamespace or None
            None if not connected in time or not answered in time.  An array may be the one that the PV keeps.

        Raises
        ------
        Forbidden
            Reading is not allowed.
        ErrorResponseReceived
            What the server said.
        """
        if not self.wait_for_connection(timeout):
            return None
        ftype = self.ftype if form is None else values.promote(self._native_type, form)
        if with_ctrlvars and self._args["units"] is None:
            self.get_ctrlvars(5 if timeout is None else timeout)
        cached = self._args["value"]
        length = len(cached) if hasattr(cached, "__len__") else 1
        if (
            use_monitor
            and ftype == self.ftype
            and cached is not None
            and (count is None or count <= length)
            and self._is_newest()
        ):
            metadata = dict(self._args)
        else:
            found = self._read(ftype, self._user_max_count if count is None else count, timeout)
            if found is None:
                return None
            metadata = {**self._args, **found} if with_ctrlvars else found
        value = metadata["value"]
        if as_string:
            metadata["value"] = self._set_charval(value, whole_text=True)
        elif self._args["nelm"] > 1 and value is not None:
            metadata["value"] = values.as_sequence(value, self._native_type, as_numpy)[: count or None]
        return SimpleNamespace(**metadata) if as_namespace else metadata

    @property
    def _native_type(self) -> ChannelType:
        return native_type(self._args["ftype"])

    def _ask(self, ftype: Any, count: int | None, timeout: float | None) -> Any:
        """Return the server's answer; None if there is none in time."""
        nelm = self._args["nelm"]
        if not self._pv.access_rights & AccessRights.READ and self.connected:
            raise Forbidden(f"{self.pvname}: {self._args['host']} does not allow to read it")
        seconds = values.default_timeout(count or nelm) if timeout is None else max(timeout, 0.0)
        try:
            return self._pv.read(data_type=ftype, data_count=min(count, nelm) if count else None, timeout=seconds)
        except (CaprotoTimeoutError, CaprotoNetworkError) as error:
            self._pv.log.warning("%s", error)
            return None

    def _read(self, ftype: Any, count: int | None, timeout: float | None) -> dict[str, Any] | None:
        updates = self._updates
        response = self._ask(ftype, count, timeout)
        if response is None:
            return None
        found = values.metadata_dict(ftype, response.metadata)
        found["value"] = values.to_value(ftype, response.data, self._args["nelm"])
        with self._lock:
            # An update that came in meanwhile may be newer.
            if updates == self._updates:
                self._args.update(found)
        return found

    def _vars(self, form: str, timeout: float | None) -> dict[str, Any] | None:
        if not self.wait_for_connection():
            return None
        ftype = values.promote(self._native_type, form)
        response = self._ask(ftype, 1, timeout)
        if response is None:
            return None
        found = values.metadata_dict(ftype, response.metadata)
        self._args.update(found)
        return found

    def get_ctrlvars(self, timeout: float | None = 5, warn: bool = True) -> dict[str, Any] | None:
        """Ask for units, precision, limits or states, and return them; None if not answered in time."""
        found = self._vars("ctrl", timeout)
        self.force_read_access_rights()
        return found

    def get_timevars(self, timeout: float | None = 5, warn: bool = True) -> dict[str, Any] | None:
        """Ask for alarm and time stamp, and return them; None if not answered in time."""
        return self._vars("time", timeout)

    def _set_charval(self, value: Any, call_ca: bool = True, whole_text: bool = False) -> Any:
        needed = {ChannelType.FLOAT: "precision", ChannelType.DOUBLE: "precision", ChannelType.ENUM: "enum_strs"}
        if value is not None and call_ca and self._args["count"] == 1:
            missing = needed.get(self._native_type)
            if missing is not None and not self._args[missing] and self._args[missing] != 0:
                self.get_ctrlvars()
        text = "None" if value is None else values.char_value(value, self._args["ftype"], self._args, whole_text)
        self._args["char_value"] = text
        return text
