"""How a PV of pyepics is written."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from .._enums import AccessRights, ChannelType
from .._errors import Forbidden
from ..client import Request
from ._pyepics_fields import Fields
from ._pyepics_values import to_wire

__all__ = ["Puts"]


class Puts(Fields):
    """What writes a PV, and tells when that is done."""

    # What the PV, which inherits this, has.
    context: Any
    _pv: Any
    _native_type: Any

    _put_complete: bool | None = None
    _last_put: object = None

    def put(
        self,
        value: Any,
        wait: bool = False,
        timeout: float | None = 30.0,
        use_complete: bool = False,
        callback: Callable[..., Any] | None = None,
        callback_data: Any = None,
    ) -> int | None:
        """Write a value.

        Parameters
        ----------
        value : object
            A number, text, state of an enum, or a sequence.
        wait : bool, optional
            Wait until the server has done what the value causes.
        timeout : float or None, optional
            Seconds to wait for that; None waits forever.
        use_complete : bool, optional
            Have :attr:`put_complete` say when it is done.
        callback : callable, optional
            Called when it is done, with ``pvname=`` and ``data=callback_data``, or the items of it if it is a dict.
        callback_data : object, optional

        Returns
        -------
        int or None
            1; -1 if it was not done in time or was refused; None if not connected.

        Raises
        ------
        Forbidden
            Writing is not allowed.
        CaprotoValueError, CaprotoTypeError
            The value does not fit the PV.
        """
        if not self.wait_for_connection():
            return None
        notify = wait or use_complete or callable(callback)
        started = self._start_put(value, notify, use_complete, callback, callback_data)
        if started is None or not wait:
            return 1
        # What is not done in time is still waited for by `put_complete` and the callback.
        request, done = started
        answered = done.wait(None if timeout is None else max(timeout, 0.0))
        return 1 if answered and request.error is None else -1

    def _start_put(
        self,
        value: Any,
        notify: bool,
        use_complete: bool = False,
        callback: Callable[..., Any] | None = None,
        callback_data: Any = None,
    ) -> tuple[Request, threading.Event] | None:
        """Write, and return what is done when the server has done it; None without notification."""
        if not self._pv.access_rights & AccessRights.WRITE:
            raise Forbidden(f"{self.pvname}: {self._args['host']} does not allow to write it")
        native = self._native_type
        if native == ChannelType.ENUM and isinstance(value, str):
            names = self.enum_strs or ()
            value = names.index(value) if value in names else value
        data = to_wire(self.pvname, value, native, self._args["nelm"])
        self._last_put = mine = object()
        self._put_complete = False if use_complete else None
        if not notify:
            self._pv.write(data, data_type=native, wait=False)
            return None
        keywords = callback_data if isinstance(callback_data, dict) else {"data": callback_data}
        done = threading.Event()

        def on_done(request: Request) -> None:
            if mine is self._last_put and (use_complete or callable(callback)):
                self._put_complete = True
            if request.error is not None:
                self._pv.log.warning("%s", request.error)
            if callable(callback):
                self.context.call(functools.partial(callback, pvname=self.pvname, **keywords), pv=self._pv)
            done.set()

        with self.context.driver:
            return self._pv._send_write(data, native, None, True, on_done), done

    @property
    def put_complete(self) -> bool | None:
        """Whether the last put with `use_complete` or a callback is done; None if the last put had neither."""
        return self._put_complete
