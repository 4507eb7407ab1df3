"""Statements in the vocabulary of pyepics, run by ``python -m tests.flavours.pyepics_cases epics|caproto``.

Each case returns something that JSON can tell; libca stays out of the process of the tests.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import json
import math
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from tests.isolation import wait_until

CASES: dict[str, Callable[[Any], Any]] = {}
NAMES = ["ai", "longin", "int64in", "bi", "mbbi", "stringin", "lsi.VAL$"] + [
    f"wf:{kind}"
    for kind in ("string", "char", "uchar", "short", "ushort", "long", "ulong", "int64", "float", "double", "enum")
]
UNLIKE = ("chid", "host", "timestamp", "posixseconds", "nanoseconds")


def case(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    CASES[func.__name__] = func
    return func


def plain(value: Any) -> Any:
    """A value with its type, for JSON."""
    if hasattr(value, "dtype"):
        return [str(value.dtype.kind), value.dtype.itemsize if value.dtype.kind not in "U" else 0, value.tolist()]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in UNLIKE}
    if isinstance(value, ctypes.Array):
        return list(value)  # of pyepics without numpy
    if isinstance(value, tuple):
        return ["tuple", *map(plain, value)]
    if isinstance(value, list):
        return list(map(plain, value))
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return value if value is None or isinstance(value, (bool, int, float, str)) else type(value).__name__


def connected(api: Any, name: str, **kwargs: Any) -> Any:
    pv = api.PV(f"ioc:{name}", **kwargs)
    assert pv.wait_for_connection(10), name
    return pv


def monitored(api: Any, name: str, **kwargs: Any) -> Any:
    """A PV that has received its first update."""
    seen = threading.Event()
    pv = connected(api, name, callback=lambda **_: seen.set(), auto_monitor=True, **kwargs)
    assert seen.wait(5), name
    return pv


def for_each(func: Callable[[Any, str], Any]) -> Callable[[Any], Any]:
    def run(api: Any) -> Any:
        return {name: plain(func(api, name)) for name in NAMES}

    run.__name__ = func.__name__
    return case(run)


@for_each
def values(api: Any, name: str) -> Any:
    return connected(api, name, auto_monitor=False).get()


@for_each
def values_monitored(api: Any, name: str) -> Any:
    pv = monitored(api, name)
    return [pv.get(), pv.count, pv.char_value, pv.get(count=2), pv.get(as_numpy=False)]


@for_each
def values_as_string(api: Any, name: str) -> Any:
    return [connected(api, name, form=form).get(as_string=True) for form in ("native", "time", "ctrl")]


@for_each
def values_as_list(api: Any, name: str) -> Any:
    return connected(api, name, auto_monitor=False).get(as_numpy=False)


@for_each
def values_with_count(api: Any, name: str) -> Any:
    pv = connected(api, name, auto_monitor=False)
    return [pv.get(count=2), pv.get(count=50)]


@for_each
def values_of_short_pv(api: Any, name: str) -> Any:
    pv = connected(api, name, auto_monitor=False, count=2)
    return [pv.get(), pv.count, pv.nelm, repr(pv)]


@for_each
def metadata(api: Any, name: str) -> Any:
    pv = connected(api, name, auto_monitor=False)
    return [
        pv.get_with_metadata(form="native"),
        pv.get_with_metadata(form="time"),
        pv.get_with_metadata(form="ctrl"),
        pv.get_with_metadata(form="ctrl", as_string=True),
        vars(pv.get_with_metadata(as_namespace=True)),
    ]


@for_each
def metadata_monitored(api: Any, name: str) -> Any:
    pv = monitored(api, name)
    return [pv.get_with_metadata(), pv.get_with_metadata(with_ctrlvars=True)]


@for_each
def variables(api: Any, name: str) -> Any:
    pv = connected(api, name, auto_monitor=False)
    return [pv.get_ctrlvars(), pv.get_timevars()]


@for_each
def attributes(api: Any, name: str) -> Any:
    found: dict[str, Any] = {}
    for form in ("native", "time", "ctrl"):
        pv = connected(api, name, form=form)
        pv.get()
        for attribute in (
            "units precision enum_strs status severity char_status char_severity type typefull access read_access "
            "write_access nelm upper_disp_limit lower_disp_limit upper_alarm_limit lower_alarm_limit "
            "upper_warning_limit lower_warning_limit upper_ctrl_limit lower_ctrl_limit auto_monitor"
        ).split():
            found[f"{form} {attribute}"] = getattr(pv, attribute)
        found[f"{form} ftype"] = int(pv.ftype)
    return found


@for_each
def repr_and_info(api: Any, name: str) -> Any:
    if name == "wf:enum":
        return None  # states without names, at which pyepics fails
    # How elements of texts and CHAR arrays are shown is no contract.
    pv = monitored(api, name)
    lines = pv.info.splitlines()
    skip = ("host", "timestamp", "posixseconds", "nanoseconds", "value", "lambda", "file")
    return [repr(pv), [line.rstrip() for line in lines if not line.split()[0].startswith(("<lambda>", *skip))]]


@for_each
def callback_keywords(api: Any, name: str) -> Any:
    found: list[dict[str, Any]] = []
    pv = connected(api, name, auto_monitor=True)
    wait_until(lambda: pv.value is not None)
    time.sleep(0.05)
    index = pv.add_callback(lambda **kw: found.append(kw), run_now=True, mine=3)
    last = dict(found[-1])
    info = last.pop("cb_info")
    return [index, info[0], info[1] is pv, sorted(last), last]


@case
def char_values_of_floats(api: Any) -> Any:
    pv = connected(api, "ao.VAL", form="ctrl", auto_monitor=False)
    writer = connected(api, "dbnd", auto_monitor=False)
    found = []
    for value in (0.0, 1.0, -1.5, 0.001, 1e-4, 1e-5, 3.2e-7, 99999.0, 99999.9, 1e5, 123456.789, -2e9, 1e300, 12.3456):
        writer.put(value, wait=True)
        found.append([value, writer.get(as_string=True), writer.char_value])
    writer.put(0.0, wait=True)
    return [found, pv.char_value]


@case
def puts(api: Any) -> Any:
    found = []
    for name, value in (
        ("many20", 3), ("many20", "4.5"), ("many20", True), ("longout", 7), ("longout", 7.9), ("longout", "0x1f"),
        ("bo", "Off"), ("bo", 1), ("bo", "On it is"), ("mbbo", "state 3"), ("mbbo", 1), ("stringout", "text"),
        ("wf:double", [1, 2.5]), ("wf:double", (9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0)), ("wf:double", [2.0]),
        ("wf:text", "some text"), ("wf:text", [72, 105]), ("wf:string", ["x", "yy"]), ("wf:string", "z"),
        ("wf:short", [1, -3]), ("wf:empty", []), ("lso.VAL$", "long " * 20),
    ):  # fmt: skip
        pv = connected(api, name, auto_monitor=False)
        old = pv.get()
        result = pv.put(value, wait=True)
        new = pv.get()
        found.append([name, result, plain(new), plain(pv.get(as_string=True))])
        if pv.nelm > 1 and not isinstance(old, str) and len(old):
            pv.put(old, wait=True)
    for name, value in (
        ("wf:string", ["one", "two", "", "four"]), ("wf:double", [1.5, -2.25, 3.0]), ("wf:short", [1, 2, 3]),
        ("mbbo", 2), ("bo", 1), ("longout", 42), ("stringout", "Hello, CA"), ("many20", 20),
    ):  # fmt: skip
        connected(api, name, auto_monitor=False).put(value, wait=True)
    return found


@case
def refused_values(api: Any) -> Any:
    found = []
    for name, value in (("bo", "no such state"), ("longout", "no number"), ("many20", "no number"), ("wf:double", 3)):
        pv = connected(api, name, auto_monitor=False)
        try:
            found.append([name, pv.put(value, wait=True)])
        except (ValueError, TypeError):
            found.append([name, "refused"])
    return found


@case
def put_without_access(api: Any) -> Any:
    found = []
    for name in ("readonly", "hidden"):
        pv = connected(api, name, auto_monitor=False)
        for action in (lambda pv=pv: pv.put(1), lambda pv=pv: pv.get()):
            try:
                found.append(action())
            except Exception:  # noqa: BLE001 - each library has an error of its own
                found.append("error")
        found.append([pv.access, pv.read_access, pv.write_access])
    return found


@case
def put_forms(api: Any) -> Any:
    pv = connected(api, "slow.PROC", auto_monitor=False)
    found: list[Any] = [pv.put_complete, pv.put(1), pv.put_complete]
    time.sleep(1.0)
    began = time.monotonic()
    found += [pv.put(1, wait=True), time.monotonic() - began > 0.6, pv.put_complete]
    found += [pv.put(1, wait=True, timeout=0.1)]
    time.sleep(1.0)
    found += [pv.put(1, wait=True, timeout=-1)]
    time.sleep(1.0)
    found += [pv.put(1, use_complete=True), pv.put_complete, wait_until(lambda: pv.put_complete), pv.put_complete]
    told: list[Any] = []
    found += [pv.put(1, callback=lambda **kw: told.append(kw), callback_data={"a": 1}), wait_until(lambda: told)]
    found += [pv.put(1, callback=lambda **kw: told.append(kw), callback_data=7), wait_until(lambda: len(told) > 1)]
    found += [pv.put_complete, pv.put(1, wait=True, use_complete=True), pv.put_complete]
    return [found, plain(told)]


@case
def no_such_pv(api: Any) -> Any:
    pv = api.PV("no:such:pv", connection_timeout=0.2)
    began = time.monotonic()
    found = [pv.wait_for_connection(timeout=0.3), pv.wait_for_connection(timeout=-1), pv.get(timeout=0.2), pv.put(1)]
    found += [pv.get_ctrlvars(), pv.get_timevars(), pv.get_with_metadata(timeout=0.1), pv.info, repr(pv), pv.connected]
    found += [api.caget("no:such:pv", timeout=0.5, connection_timeout=0.3)]
    found += [api.caput("no:such:pv", 1, connection_timeout=0.3)]
    found += [api.cainfo("no:such:pv", connection_timeout=0.3)]
    found += [api.caget_many(["no:such:pv", "ioc:ai"], connection_timeout=0.5)]
    found += [api.caput_many(["ioc:many21"], [21], connection_timeout=0.5)]
    return [found, time.monotonic() - began < 10]


@case
def auto_monitor_rules(api: Any) -> Any:
    found = []
    for name, wanted in (
        ("ai", None), ("ai", False), ("ai", True), ("ai", 4), ("wf:char65534", None), ("wf:long70000", None),
        ("wf:long70000", True), ("wf:mega", None),
    ):  # fmt: skip
        pv = connected(api, name, auto_monitor=wanted)
        wait_until(lambda pv=pv: pv.auto_monitor is not None)
        found.append([name, plain(wanted), pv.auto_monitor, pv.auto_monitor_mask])
    pv = connected(api, "ai")
    for change in (False, True, 8, None):
        pv.auto_monitor = change
        found.append([pv.auto_monitor, pv.auto_monitor_mask])
    pv.clear_auto_monitor()
    found.append([pv.auto_monitor, pv.auto_monitor_mask])
    return found


@case
def masks(api: Any) -> Any:
    """ADEL is 5 and the alarm limit 50: who hears of which change."""
    seen: dict[int, list[float]] = {1: [], 2: [], 4: []}
    pvs = [connected(api, "masks", auto_monitor=mask, callback=lambda value, s=s, **_: s.append(value))
           for mask, s in seen.items()]  # fmt: skip
    writer = connected(api, "masks", auto_monitor=False)
    wait_until(lambda: all(seen.values()))
    for value in (1.0, 7.0, 60.0, 61.0, 0.0):
        writer.put(value, wait=True)
    wait_until(lambda: all(s[-1] == 0.0 and len(s) > 2 for s in seen.values()), 2.0)
    del pvs
    return list(seen.values())


@case
def connection_and_access_callbacks(api: Any) -> Any:
    conns: list[Any] = []
    rights: list[Any] = []
    pv = api.PV(
        "ioc:readonly",
        connection_callback=lambda **kw: conns.append(kw),
        access_callback=lambda read, write, pv: rights.append([read, write, pv.pvname]),
    )
    wait_until(lambda: conns and rights and pv.connected)
    return [sorted(conns[0]), conns[0]["pvname"], conns[0]["conn"], conns[0]["pv"] is pv, rights[-1]]


@case
def functions(api: Any) -> Any:
    api.caput("ioc:many22", 1.25, wait=True)
    found = [api.caget("ioc:many22", use_monitor=False), api.caput("ioc:many22", 22)]
    found += [api.caget(name, as_string=True) for name in ("ioc:ai", "ioc:bi", "ioc:wf:double", "ioc:stringin")]
    found += [api.caget("ioc:wf:double", count=2), api.caget("ioc:wf:double", as_numpy=False)]
    names = [f"ioc:{name}" for name in NAMES]
    found += [api.caget_many(names), api.caget_many(names, as_numpy=False), api.caget_many(names, count=1)]
    found += [api.caget_many(["ioc:ai", "ioc:mbbi", "ioc:wf:double", "ioc:stringin"], as_string=True)]
    for wait in (False, "each", "all"):
        found += [api.caput_many(["ioc:many23", "ioc:many24"], [2.5, 3.5], wait=wait)]
    found += [api.caget("ioc:many23", use_monitor=False), api.caget("ioc:many24", use_monitor=False)]
    api.caput_many(["ioc:many23", "ioc:many24"], [23, 24], wait="all")
    try:
        api.caput_many(["ioc:many23"], [])
    except ValueError:
        found += ["refused"]
    return plain(found)


@case
def monitor_function(api: Any) -> Any:
    lines: list[str] = []
    told: list[Any] = []
    api.camonitor("ioc:many25", writer=lines.append)
    api.camonitor("ioc:many26", callback=lambda **kw: told.append([kw["pvname"], kw["value"], kw["char_value"]]))
    for value in (1.0, 2.0):
        api.caput("ioc:many25", value, wait=True)
        api.caput("ioc:many26", value, wait=True)
    wait_until(lambda: told and told[-1][1] == 2.0 and lines and lines[-1].endswith(" 2"))
    for name in ("ioc:many25", "ioc:many26"):
        api.camonitor_clear(name)
    counts = len(lines), len(told)
    api.caput("ioc:many25", 25.0, wait=True)
    api.caput("ioc:many26", 26.0, wait=True)
    wait_until(lambda: (len(lines), len(told)) != counts, 0.3)
    return [lines[-1].split()[0], lines[-1].split()[3], len(lines[-1].split()), told[-2:],
            (len(lines), len(told)) == counts]  # fmt: skip


@case
def info_function(api: Any) -> Any:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        returned = api.cainfo("ioc:ai")
    text = api.cainfo("ioc:ai", print_out=False)
    drop = ("timestamp", "posixseconds", "nanoseconds", "host")
    return [returned, [line for line in text.splitlines() if line.split()[0] not in drop]]


@case
def caching_of_pvs(api: Any) -> Any:
    told: list[Any] = []
    pv = api.get_pv("ioc:many27", connect=True)
    again = api.get_pv("ioc:many27", connection_callback=lambda **kw: told.append(kw["conn"]))
    other = api.get_pv("ioc:many27", form="ctrl", connect=True)
    return [pv is again, pv is other, told, other.type, pv == other, pv == api.PV("ioc:many28"), pv == 3]


@case
def callbacks_come_and_go(api: Any) -> Any:
    pv = connected(api, "many29", auto_monitor=True)
    seen: list[Any] = []
    indices = [pv.add_callback(lambda **kw: None), pv.add_callback(lambda **kw: None), pv.add_callback(None)]
    indices += [pv.add_callback(lambda value, **kw: seen.append(value), index=10, run_now=True)]
    indices += [pv.add_callback(lambda **kw: None)]
    ran = list(seen)[:1]
    pv.remove_callback(10)
    pv.remove_callback(12345)
    left = sorted(pv.callbacks)
    pv.clear_callbacks()
    return [indices, ran, left, pv.callbacks]


@case
def value_property(api: Any) -> Any:
    pv = monitored(api, "many30")
    pv.value = 3.75
    told = wait_until(lambda: pv.value == 3.75)
    found = [told, pv.char_value, pv.get(as_string=True)]
    pv.put(30, wait=True)
    wait_until(lambda: pv.value == 30)
    return found


@case
def after_disconnect(api: Any) -> Any:
    pv = monitored(api, "many31")
    pv.disconnect()
    return [pv.connected, pv.callbacks, pv.auto_monitor_mask, repr(pv)]


def main(which: str) -> None:
    warnings.simplefilter("ignore")
    if which == "epics":
        import epicscorelibs.path.pyepics  # noqa: F401 - chooses the libca
    api = importlib.import_module({"epics": "epics", "caproto": "caproto.threading.pyepics_compat"}[which])
    results = {}
    for name, func in CASES.items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        try:
            results[name] = plain(func(api))
        except Exception as error:  # noqa: BLE001 - told as a result, which the other library has to share
            results[name] = f"raised {type(error).__name__}: {error}"
    print(json.dumps(results))
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
