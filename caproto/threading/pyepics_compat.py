"""The functions and the PV of pyepics, for programs written for it.

::

    from caproto.threading.pyepics_compat import PV, caget, caput

    caput("random_walk:dt", 0.5, wait=True)
    print(caget("random_walk:x", as_string=True))
    PV("random_walk:x").add_callback(lambda value, **rest: print(value))

A PV or function without `context` uses :meth:`PV.default_context`.  Callbacks run in the executor of the context.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .._enums import AccessRights, ChannelType
from .._errors import CaprotoTimeoutError, CaprotoValueError, ErrorResponseReceived
from ..client import Request
from ._pyepics_pv import DEFAULT_CONNECTION_TIMEOUT, DEFAULT_SUBSCRIPTION_MASK, PV
from ._pyepics_values import (
    AUTOMONITOR_MAXLENGTH,
    format_time,
    metadata_dict,
    promote,
    simple_text,
    to_value,
)
from .client import PV as ChannelPV
from .client import Context

__all__ = [
    "AUTOMONITOR_MAXLENGTH",
    "DEFAULT_CONNECTION_TIMEOUT",
    "DEFAULT_SUBSCRIPTION_MASK",
    "PV",
    "caget",
    "caget_many",
    "cainfo",
    "camonitor",
    "camonitor_clear",
    "caput",
    "caput_many",
    "clear_pvcache",
    "get_pv",
]

#: Index of the callback that camonitor() adds.
_MONITOR_INDEX = -999

_pvs: dict[tuple[str, str, int], PV] = {}
_monitored: dict[str, PV] = {}
_lock = threading.Lock()


def get_pv(
    pvname: str, *args: Any, context: Context | None = None, connect: bool = False, timeout: float = 5, **kwargs: Any
) -> PV:
    """Return the PV of this name, form and context, made if there is none yet.

    Parameters
    ----------
    pvname : str
    *args, **kwargs
        See :class:`PV`; callbacks are added to a PV that exists, and called if it is connected.
    context : Context, optional
    connect : bool, optional
        Wait until it is connected.
    timeout : float, optional
        Seconds to wait for that.
    """
    return _get_pv(pvname, *args, context=context, connect=connect, timeout=timeout, **kwargs)


def _get_pv(
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
    connect: bool = False,
    timeout: float = 5,
) -> PV:
    context = PV.default_context() if context is None else context
    name = getattr(pvname, "pvname", pvname).strip()
    with _lock:
        key = (name, form, id(context))
        pv = _pvs.get(key)
        known = pv is not None and pv.context is context and not pv._released
        if pv is None or not known:
            pv = _pvs[key] = PV(
                name, callback, form, verbose, auto_monitor, count, connection_callback,
                timeout if connection_timeout is None else connection_timeout, access_callback, monitor_delta,
                context=context,
            )  # fmt: skip
    if known:
        pv._share(callback, connection_callback, access_callback)
        if auto_monitor and not pv.auto_monitor:
            pv.auto_monitor = auto_monitor
    if connect and not pv.wait_for_connection(timeout):
        print(f"cannot connect to {name}")
    return pv


def clear_pvcache() -> None:
    """Disconnect all PVs that :func:`get_pv` and the functions of this module have made."""
    with _lock:
        pvs = list(_pvs.values())
        _pvs.clear()
        _monitored.clear()
    for pv in pvs:
        pv.disconnect()


def caget(
    pvname: str,
    as_string: bool = False,
    count: int | None = None,
    as_numpy: bool = True,
    use_monitor: bool = False,
    timeout: float = 5.0,
    context: Context | None = None,
    *,
    connection_timeout: float = 5.0,
) -> Any:
    """Return the value of a PV; None if it is not connected or does not answer in time.

    See :meth:`PV.get_with_metadata`; `timeout` covers the connection and the answer.
    """
    began = time.monotonic()
    pv = _get_pv(pvname, context=context, connect=True, timeout=min(connection_timeout, timeout))
    if not pv.connected:
        return None
    if as_string:
        pv.get_ctrlvars()
    rest = timeout - (time.monotonic() - began)
    return pv.get(count=count, timeout=rest, use_monitor=use_monitor, as_string=as_string, as_numpy=as_numpy)


def caput(
    pvname: str,
    value: Any,
    wait: bool = False,
    timeout: float = 60,
    context: Context | None = None,
    *,
    connection_timeout: float = 5.0,
) -> int | None:
    """Write a value; returns 1, -1 if it was not done in time or refused, None if not connected.

    See :meth:`PV.put`; `timeout` covers the connection and the end of the write.
    """
    began = time.monotonic()
    pv = _get_pv(pvname, context=context, connect=True, timeout=min(connection_timeout, timeout))
    if not pv.connected:
        return None
    return pv.put(value, wait=wait, timeout=timeout - (time.monotonic() - began))


def cainfo(
    pvname: str,
    print_out: bool = True,
    timeout: float = 5.0,
    connection_timeout: float = 5.0,
    *,
    context: Context | None = None,
) -> str | None:
    """Print what is known about a PV, or return it."""
    pv = _get_pv(pvname, context=context, connect=True, timeout=connection_timeout)
    if not pv.connected:
        return None
    pv.get(timeout=timeout)
    text = pv.info
    if not print_out:
        return text
    print(text)
    return None


def camonitor(
    pvname: str,
    writer: Callable[[str], Any] | None = None,
    callback: Callable[..., Any] | None = None,
    connection_timeout: float = 5.0,
    monitor_delta: float | None = None,
    *,
    context: Context | None = None,
) -> None:
    """Print each update of a PV, or have it written by `writer`, or call `callback` with the keywords of a PV's."""
    write = print if writer is None else writer

    def show(pvname: str, char_value: Any, timestamp: float | None, **_: Any) -> None:
        write(f"{pvname:.32s} {format_time(timestamp)} {char_value}")

    pv = _get_pv(pvname, context=context, connect=True, timeout=connection_timeout, monitor_delta=monitor_delta)
    if pv.connected:
        pv.get()
        pv.add_callback(show if callback is None else callback, index=_MONITOR_INDEX)
        _monitored[pv.pvname] = pv


def camonitor_clear(pvname: str) -> None:
    """End what :func:`camonitor` began."""
    pv = _monitored.pop(pvname.strip(), None)
    if pv is not None:
        pv.remove_callback(_MONITOR_INDEX)


def caget_many(
    pvlist: Iterable[str],
    as_string: bool = False,
    as_numpy: bool = True,
    count: int | None = None,
    timeout: float = 1.0,
    connection_timeout: float = 5.0,
    conn_timeout: float | None = None,
    *,
    context: Context | None = None,
) -> list[Any]:
    """Return the values of many PVs, asked for together; None for those that are not to be had in time.

    Parameters
    ----------
    timeout : float, optional
        Seconds to wait for all answers.
    connection_timeout : float, optional
        Seconds to wait for all connections; `conn_timeout` is another name for it.
    """
    context = PV.default_context() if context is None else context
    pvs = context.get_pvs(*pvlist)
    deadline = time.monotonic() + (connection_timeout if conn_timeout is None else conn_timeout)
    connected = [pv for pv in pvs if _is_connected(pv, deadline)]
    with context.driver:
        asked = {
            pv: [_read(pv, None, count)] + [_read(pv, "ctrl", 1)] * (as_string and _is_enum(pv))
            for pv in connected
            if pv.connected and pv.access_rights & AccessRights.READ
        }
    deadline = time.monotonic() + timeout
    found = {
        pv: _many_value(pv, [_answer(*each, deadline) for each in reads], as_string, as_numpy)
        for pv, reads in asked.items()
    }
    return [found.get(pv) for pv in pvs]


def _is_connected(pv: ChannelPV, deadline: float) -> bool:
    try:
        pv.wait_for_connection(timeout=max(0.0, deadline - time.monotonic()))
    except (CaprotoTimeoutError, ErrorResponseReceived) as error:
        pv.log.warning("%s", error)
        return False
    return True


def _is_enum(pv: ChannelPV) -> bool:
    return pv.channel is not None and pv.channel.native_data_type == ChannelType.ENUM


def _read(pv: ChannelPV, form: str | None, count: int | None) -> tuple[Request, threading.Event]:
    """Send a read; the caller holds the driver."""
    done = threading.Event()
    assert pv.channel is not None
    native, nelm = pv.channel.native_data_type, pv.channel.native_data_count or 1
    ftype = promote(native, form or "native")
    return pv._send_read(ftype, min(count, nelm) if count else None, True, lambda _: done.set()), done


def _answer(request: Request, done: threading.Event, deadline: float) -> Any:
    if not done.wait(max(0.0, deadline - time.monotonic())) or request.error is not None:
        return None
    return request.response


def _many_value(pv: ChannelPV, answers: list[Any], as_string: bool, as_numpy: bool) -> Any:
    response = answers[0]
    native = pv.channel
    if response is None or native is None:
        return None
    nelm = native.native_data_count or 1
    value = to_value(response.data_type, response.data, nelm)
    if as_string:
        names = metadata_dict(answers[1].data_type, answers[1].metadata).get("enum_strs") if answers[1:] else None
        return simple_text(value, response.data_type, nelm, names)
    return value.tolist() if not as_numpy and hasattr(value, "tolist") else value


def caput_many(
    pvlist: Sequence[str],
    values: Sequence[Any],
    wait: bool | str = False,
    connection_timeout: float = 5.0,
    put_timeout: float = 60,
    *,
    context: Context | None = None,
) -> list[int]:
    """Write to many PVs; returns 1 or -1 for each.

    Parameters
    ----------
    wait : False, 'each' or 'all'
        Wait for the end of each write before the next one, or of all of them together.
    connection_timeout : float, optional
        Seconds to wait for all connections.
    put_timeout : float, optional
        Seconds to wait for the end of each write, or of all.
    """
    if len(pvlist) != len(values):
        raise CaprotoValueError(f"there are {len(pvlist)} PVs and {len(values)} values")
    pvs = [_get_pv(name, auto_monitor=False, timeout=connection_timeout, context=context) for name in pvlist]
    deadline = time.monotonic() + connection_timeout
    connected = [pv.wait_for_connection(max(0.0, deadline - time.monotonic())) for pv in pvs]
    writable = [up and pv.write_access for pv, up in zip(pvs, connected, strict=True)]
    if wait != "all":
        each = wait == "each"
        return [
            pv.put(value, wait=each, timeout=put_timeout) or -1 if ready else -1
            for pv, value, ready in zip(pvs, values, writable, strict=True)
        ]
    started = [
        pv._start_put(value, True, use_complete=True) if ready else None
        for pv, value, ready in zip(pvs, values, writable, strict=True)
    ]
    deadline = time.monotonic() + put_timeout
    return [1 if put is not None and _answer(*put, deadline) is not None else -1 for put in started]
