"""One client in one scenario: ``drive.py MODULE SCENARIO ARGUMENTS``; prints what came out as one line of JSON.

Runs as a script in the environment of any client, so it uses nothing but the standard library and its neighbours.
"""

from __future__ import annotations

import gc
import importlib
import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

from base import PATIENCE, Driver
from tally import Tally


def status_mb(field: str) -> float:
    """``VmHWM`` (peak) or ``VmRSS`` of this process; unlike ``ru_maxrss`` it knows nothing of the parent's."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def wake_ups() -> int:
    """Voluntary context switches of all threads."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


async def _flood(driver: Driver, pv: str, updates: int, stamped: bool, blocks: bool) -> dict[str, Any]:
    (connected,) = await driver.connect([pv])
    used = cpu_seconds()
    tally = Tally(updates)
    if blocks:
        await driver.subscribe_blocks(connected, tally)
    else:
        await driver.subscribe(connected, tally, stamped)
    while not tally.over():
        await driver.sleep(0.05)
    return {
        "rate": tally.count / tally.duration() if tally.count else 0.0,
        "cpu_us": (cpu_seconds() - used) / max(tally.count, 1) * 1e6,
        "lost": updates - tally.count,
        "wrong": tally.wrong,
        "finished": tally.seconds is not None,
        "peak_mb": status_mb("VmHWM"),
    }


async def flood(driver: Driver, pv: str, updates: int, stamped: bool) -> dict[str, Any]:
    return await _flood(driver, pv, updates, stamped, False)


async def blocks(driver: Driver, pv: str, updates: int, stamped: bool) -> dict[str, Any]:
    return await _flood(driver, pv, updates, stamped, True)


def _names(number: int) -> list[str]:
    return [f"bench:{i}" for i in range(number)]


async def _subscribe_all(driver: Driver, names: int) -> list[Tally]:
    """Subscribe, and return when each subscription has had an update."""
    tallies = []
    for pv in await driver.connect(_names(names)):
        tallies.append(Tally())
        await driver.subscribe(pv, tallies[-1], True)
    deadline = time.monotonic() + PATIENCE
    while not all(tally.count for tally in tallies):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{sum(not tally.count for tally in tallies)} subscriptions without an update")
        await driver.sleep(0.1)
    return tallies


async def steady(driver: Driver, names: int, seconds: float) -> dict[str, Any]:
    tallies = await _subscribe_all(driver, names)
    await driver.sleep(2.0)
    count, used, began = sum(tally.count for tally in tallies), cpu_seconds(), time.perf_counter()
    await driver.sleep(seconds)
    used, elapsed = cpu_seconds() - used, time.perf_counter() - began
    count = sum(tally.count for tally in tallies) - count
    return {"cpu_us": used / max(count, 1) * 1e6, "per_second": count / elapsed}


async def idle(driver: Driver, names: int, seconds: float) -> dict[str, Any]:
    await _subscribe_all(driver, names)
    await driver.sleep(5.0)
    used, woken, began = cpu_seconds(), wake_ups(), time.perf_counter()
    await driver.sleep(seconds)
    elapsed = time.perf_counter() - began
    # One of them is the end of the sleep itself.
    return {"cpu": (cpu_seconds() - used) / elapsed, "wake_ups": max(wake_ups() - woken - 1, 0) / elapsed}


async def read_many(driver: Driver, names: int) -> dict[str, Any]:
    began = time.perf_counter()
    values = await driver.connect_and_read(_names(names))
    seconds = time.perf_counter() - began
    if len(values) != names or any(value is None for value in values):
        raise RuntimeError(f"{len(values)} values of {names} PVs")
    return {"seconds": seconds}


async def round_trip(driver: Driver, pv: str, seconds: float) -> dict[str, Any]:
    (connected,) = await driver.connect([pv])
    await driver.read(connected)
    number, began = 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        for _ in range(50):
            await driver.read(connected)
        number += 50
    return {"us": (time.perf_counter() - began) / number * 1e6}


async def memory(driver: Driver, names: int) -> dict[str, Any]:
    """Bytes that a connected PV takes, and a subscription beside it."""

    async def settled() -> float:
        await driver.sleep(1.0)
        gc.collect()
        return status_mb("VmRSS") * 2**20 / names

    # With one PV everything is loaded that is loaded once.
    for pv in await driver.connect(_names(1)):
        await driver.subscribe(pv, Tally(), True)
    before = await settled()
    pvs = await driver.connect(_names(names))
    connected = await settled()
    tallies = [Tally() for _ in pvs]
    counted = await settled()
    for pv, tally in zip(pvs, tallies):  # noqa: B905 - Python 1.3.0 runs on may lack `strict`
        await driver.subscribe(pv, tally, True)
    deadline = time.monotonic() + PATIENCE
    while not all(tally.count for tally in tallies) and time.monotonic() < deadline:
        await driver.sleep(0.1)
    return {"pv": connected - before, "subscription": await settled() - counted}


SCENARIOS = {each.__name__: each for each in (flood, blocks, steady, idle, read_many, round_trip, memory)}


async def measure(driver: Driver, scenario: str, arguments: dict[str, Any]) -> dict[str, Any]:
    before = sys.modules.get("caproto")
    began = time.perf_counter()
    await driver.open()
    outcome = await SCENARIOS[scenario](driver, **arguments)
    outcome["total"] = time.perf_counter() - began
    outcome["caproto"] = getattr(before, "__version__", None)
    # The outcome counts even if the client does not manage to end.
    print(json.dumps(outcome), flush=True)
    await driver.close()
    return outcome


if __name__ == "__main__":
    module, chosen, given = sys.argv[1:]
    made: Driver = importlib.import_module(module).DRIVER()
    made.run(measure(made, chosen, json.loads(given)))
