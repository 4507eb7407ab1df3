"""What ophyd does with its control layer "caproto": run as a process of its own by test_ophyd.py."""

from __future__ import annotations

import copy
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import ophyd
from ophyd import Device, EpicsMotor, EpicsSignal, EpicsSignalRO
from ophyd.status import wait as status_wait

from tests.isolation import wait_until

CASES: dict[str, Callable[[], Any]] = {}


def case(func: Callable[[], Any]) -> Callable[[], Any]:
    CASES[func.__name__] = func
    return func


def ready(thing: Any) -> Any:
    thing.wait_for_connection(timeout=10)
    return thing


def _component_of_records(component: Any) -> Any:
    changed = copy.copy(component)
    changed.suffix = component.suffix.replace(".", ":")
    return changed


#: EpicsMotor, whose "fields" are records of ophyd_motor.db: nothing but the suffixes differs.
Motor: Any = type(
    "Motor", (EpicsMotor,), {name: _component_of_records(each) for name, each in EpicsMotor._sig_attrs.items()}
)


@case
def layer() -> Any:
    return [ophyd.get_cl().name, "epics" in sys.modules, ophyd.get_cl().get_pv.__module__]


@case
def signal_reads_and_describes() -> Any:
    signal = ready(EpicsSignal("m1:number", name="number"))
    described = signal.describe()["number"]
    return [
        signal.connected, signal.get(), signal.get(as_string=True), signal.read()["number"]["value"],
        described["units"], described["precision"], described["dtype"], described["shape"],
        described["lower_ctrl_limit"], described["upper_ctrl_limit"], signal.limits, signal.alarm_status.name,
        signal.alarm_severity.name, abs(signal.timestamp - signal.read()["number"]["timestamp"]) < 1e-3,
        signal.read_access, signal.write_access,
    ]  # fmt: skip


@case
def signal_puts_and_sets() -> Any:
    signal = ready(EpicsSignal("m1:number", name="number", limits=True, put_complete=True))
    seen: list[float] = []
    signal.subscribe(lambda value, **_: seen.append(value))
    status = signal.set(3.25)
    status_wait(status, timeout=5)
    found: list[Any] = [status.success, signal.get(), wait_until(lambda: seen and seen[-1] == 3.25)]
    done = threading.Event()
    signal.put(4.5, callback=lambda **_: done.set())
    found += [done.wait(5), signal.get(use_monitor=False)]
    signal.put(-4.5, wait=True)
    found += [signal.get()]
    try:
        signal.put(11)
    except ValueError as error:  # ophyd's LimitError
        found += [type(error).__name__]
    signal.put(2.5, wait=True)
    return found


@case
def put_waits_for_processing() -> Any:
    signal = ready(EpicsSignal("m1:slow.PROC", name="slow", put_complete=True))
    began = time.monotonic()
    status = signal.set(1)
    status_wait(status, timeout=5)
    return [status.success, time.monotonic() - began > 0.4]


@case
def read_only_signal() -> Any:
    signal = ready(EpicsSignalRO("m1:counter", name="counter", auto_monitor=True))
    seen: list[float] = []
    signal.subscribe(lambda value, **_: seen.append(value), run=True)
    found: list[Any] = [wait_until(lambda: len(seen) > 3), seen[1:3] == [seen[1], seen[1] + 1]]
    try:
        signal.put(3)
    except Exception as error:  # noqa: BLE001 - of ophyd
        found += [type(error).__name__]
    return found


@case
def enums_and_texts() -> Any:
    state = ready(EpicsSignal("m1:state", name="state"))
    shown = ready(EpicsSignal("m1:state", name="shown", string=True))
    text = ready(EpicsSignal("m1:text", name="text", string=True))
    string = ready(EpicsSignal("m1:string", name="string"))
    found: list[Any] = [state.get(), state.get(as_string=True), list(state.enum_strs), shown.get()]
    found += [list(state.describe()["state"]["enum_strs"]), shown.describe()["shown"]["dtype"]]
    state.put("failed", wait=True)
    found += [state.get(use_monitor=False), shown.get(use_monitor=False)]
    state.put(1, wait=True)
    text.put("more than the forty characters that a string of EPICS can hold", wait=True)
    found += [text.get(use_monitor=False), string.get()]
    return found


@case
def arrays() -> Any:
    array = ready(EpicsSignal("m1:array", name="array"))
    found = [array.get().tolist(), array.describe()["array"]["dtype"], array.describe()["array"]["shape"]]
    array.put([4.0, 5.0], wait=True)
    found += [array.get(use_monitor=False).tolist()]
    array.put([1.0, 2.0, 3.0], wait=True)
    return found


@case
def get_within_a_callback() -> Any:
    number, counter = ready(EpicsSignal("m1:number", name="number")), EpicsSignalRO("m1:counter", name="counter")
    got: list[Any] = []
    counter.subscribe(lambda **_: got.append(number.get(use_monitor=False)))
    return [wait_until(lambda: len(got) > 2), got[0]]


@case
def motor_moves() -> Any:
    motor = ready(Motor("m1", name="motor"))
    positions: list[float] = []
    events: list[str] = []
    motor.subscribe(lambda value, **_: positions.append(value), event_type=motor.SUB_READBACK)
    motor.subscribe(lambda **_: events.append("start"), event_type=motor.SUB_START, run=False)
    motor.subscribe(lambda **_: events.append("done"), event_type=motor.SUB_DONE, run=False)
    status = motor.move(5.0, wait=True, timeout=10)
    found: list[Any] = [status.success, motor.position, motor.moving, motor.egu, motor.precision, motor.limits]
    found += [wait_until(lambda: "done" in events), events[:2], len(positions) >= 3, positions == sorted(positions)]
    status = motor.set(-3.0)
    found += [wait_until(lambda: motor.moving), status.done]
    status_wait(status, timeout=10)
    found += [status.success, motor.read()["motor"]["value"], sorted(motor.read())]
    found += [{key: value["value"] for key, value in motor.read_configuration().items()}]
    return found


@case
def motor_stops_homes_and_refuses() -> Any:
    motor = ready(Motor("m1", name="motor"))
    status = motor.move(45.0, wait=False)
    found: list[Any] = [wait_until(lambda: motor.position > 3)]
    motor.stop()
    found += [wait_until(lambda: not motor.moving), motor.position < 45, wait_until(lambda: status.done)]
    found += [motor.home("forward", wait=True, timeout=10).success, motor.position]
    try:
        motor.move(51.0)
    except ValueError as error:  # ophyd's LimitError
        found += [type(error).__name__]
    # An alarm of the readback fails the move.
    motor.velocity.put(200, wait=True)
    status = motor.move(42.0, wait=False)
    found += [wait_until(lambda: status.done), status.success]
    motor.move(0.0, wait=True, timeout=10)
    motor.velocity.put(20, wait=True)
    return found


@case
def device_of_signals() -> Any:
    class Two(Device):
        number = ophyd.Component(EpicsSignal, "number")
        state = ophyd.Component(EpicsSignalRO, "state", string=True)

    two = ready(Two("m1:", name="two"))
    found = {key: value["value"] for key, value in two.read().items()}
    two.destroy()
    return found


@case
def missing_pv() -> Any:
    signal = EpicsSignalRO("no:such:pv", name="missing")
    try:
        signal.wait_for_connection(timeout=0.3)
    except TimeoutError:
        return [signal.connected, "TimeoutError"]
    return "connected"


def main() -> None:
    ophyd.set_cl("caproto")
    results = {}
    for name, func in CASES.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        try:
            results[name] = func()
        except Exception as error:  # noqa: BLE001 - told as a result, which no test expects
            results[name] = f"raised {type(error).__name__}: {error}"
    print(json.dumps(results))


if __name__ == "__main__":
    main()
