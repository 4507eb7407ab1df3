"""What the example IOCs do, in memory and, where the server takes part, seen by the C library."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from caproto import CaprotoRuntimeError, CaprotoValueError, ChannelType
from tests.server_framework.layer import Layer
from tests.server_framework.served import serving
from tests.server_framework.test_served import client

real_client = pytest.mark.skipif(importlib.util.find_spec("aioca") is None, reason="no aioca")


def group_of(name: str, cls: str, **macros: str) -> Any:
    return getattr(importlib.import_module(f"caproto.ioc_examples.{name}"), cls)(prefix="p:", macros=macros)


async def read(pv: Any) -> Any:
    return (await pv.read(pv.data_type))[1]


def test_skip_write() -> None:
    async def job() -> None:
        ioc = group_of("skip_write", "SkipWriteIOC")
        await ioc.value.write(4)
        await ioc.value.write(5)
        assert ioc.value.value == 4

    asyncio.run(job())


def test_custom_write(tmp_path: Path) -> None:
    async def job() -> None:
        ioc = group_of("custom_write", "CustomWrite")
        await ioc.directory.write(str(tmp_path)[:39])
        directory = Path(ioc.directory.value)
        directory.mkdir(exist_ok=True)
        await ioc.B.write(7)
        assert (directory / "B.txt").read_text() == "7\n"
        (directory / "B.txt").unlink()

    asyncio.run(job())


def test_dynamic_calc() -> None:
    async def job() -> None:
        ioc = group_of("too_clever.dynamic_calc", "DynamicCalc")
        await ioc.formula.write("-(a + b) * 2 / c")
        await ioc.variables.write(["a=1", "b = 2.5", "c=7"])
        await ioc.process.write(1)
        assert (ioc.output.value, ioc.process.value) == (-1.0, 0)
        for formula in ("__import__('os')", "a.b", "a +", "d", "'text'"):
            await ioc.formula.write(formula)
            with pytest.raises(CaprotoValueError, match="formula"):
                await ioc.process.write(1)

    asyncio.run(job())


def test_trigger() -> None:
    async def job() -> None:
        ioc, layer = group_of("too_clever.trigger_with_pc", "TriggeredIOC"), Layer()
        await ioc.acquire.server_startup(layer)
        await ioc.gain.write(3.0)
        first = asyncio.ensure_future(ioc.acquire.write(1))
        await asyncio.sleep(0)
        assert ioc.acquire.value == "acquiring"
        with pytest.raises(CaprotoRuntimeError, match="already"):
            await ioc.acquire.write(1)
        await first
        assert (ioc.reading.value, ioc.acquire.value, layer.slept) == (6.0, "idle", [2.0])
        await ioc.enabled.write("Off")
        with pytest.raises(CaprotoRuntimeError, match="disabled"):
            await ioc.acquire.write(1)

    asyncio.run(job())


def test_readings_are_counted() -> None:
    async def job() -> None:
        ioc = group_of("pathological.reading_counter", "ReadingCounter")
        assert [(await read(pv))[0] for pv in (ioc.A, ioc.A, ioc.B, ioc.A)] == [1, 2, 1, 3]

    asyncio.run(job())


def test_raw_timestamps() -> None:
    async def job() -> None:
        ioc = group_of("advanced.raw_timestamp", "RawTimestamp")
        before = ioc.value.timestamp
        await ioc.update.write(1)
        assert ioc.value.value == 2
        assert 0 <= ioc.value.timestamp - before < 10

    asyncio.run(job())


def test_detectors_of_the_beamline() -> None:
    async def job() -> None:
        ioc = group_of("mini_beamline", "MiniBeamline")
        (near,) = await read(ioc.ph.det)
        await ioc.ph.mtr.write(5.0)
        (far,) = await read(ioc.ph.det)
        assert near > 90_000 and far < 100
        image = await read(ioc.dot.det)
        assert len(image) == 640 * 480
        assert image[240 * 640 + 320] == max(image)
        await ioc.dot.shutter_open.write(0)
        assert list(await read(ioc.dot.img_sum)) == [0.0]

    asyncio.run(job())


def test_records_of_ones_own() -> None:
    async def job() -> None:
        ioc = group_of("records_subclass", "RecordMockingIOC")
        await ioc.motor2.write(3.5)
        assert [ioc.motor2.get_field(name).value for name in ("RBV", "NSTP", "RTYP")] == [3.5, 1, "better_motor"]

    asyncio.run(job())


def test_large_images_change() -> None:
    async def job() -> None:
        ioc = group_of("big_image_noisy_neighbor", "BigImage")
        layer = Layer(stop_after=2)
        with pytest.raises(asyncio.CancelledError):
            await ioc.image.server_scan(layer)
        assert (len(ioc.image.value), ioc.image.value[0]) == (15681600, 2)

    asyncio.run(job())


@real_client
@pytest.mark.interop
def test_a_motor_moves(tmp_path: Path) -> None:
    body = """
there = asyncio.Event()
positions, ended = [], []

def update(seen, value):  # in whichever order the two tell it
    seen.append(value)
    if positions[-1:] == [1.5] and ended[-1:] == [1]:
        there.set()

subscription = camonitor("sim:mtr3.RBV", lambda value: update(positions, value), all_updates=True)
done = camonitor("sim:mtr3.DMOV", lambda value: update(ended, value), all_updates=True)
await caput("sim:mtr3.VELO", 5.0, wait=True)
await caput("sim:mtr3", 1.5, wait=True)
await asyncio.wait_for(there.wait(), 20)
result["moved"] = sorted(positions) == [float(p) for p in positions] and len(positions) >= 3
result["read"] = await caget(["sim:mtr3", "sim:mtr3.RBV", "sim:mtr3.MOVN", "sim:mtr3.HLM", "sim:mtr3.RTYP"])
subscription.close()
done.close()
"""
    command = ["-m", "caproto.ioc_examples.fake_motor_record", "--quiet"]
    with serving(command, "sim:mtr3", tmp_path) as (_, environment):
        assert client(body, environment) == {"moved": True, "read": [1.5, 1.5, 0, 30.0, "motor"]}


@real_client
@pytest.mark.interop
def test_states_open_and_close_a_channel(tmp_path: Path) -> None:
    body = """
values = []
moved = asyncio.Event()
name = 'state:value.{"sync":{"while":"my_state"}}'

def update(value):
    values.append(int(value))
    if len(values) >= 4:
        moved.set()

subscription = camonitor(name, update, all_updates=True)
await asyncio.sleep(1.5)
result["closed"] = len(values)
await caput("state:enable_state", 1, wait=True)
await asyncio.wait_for(moved.wait(), 20)
result["open"] = values[-1] > values[0]
result["state"] = await caget("state:my_stately_state")
subscription.close()
"""
    with serving(["-m", "caproto.ioc_examples.states", "--quiet"], "state:value", tmp_path) as (_, environment):
        answer = client(body, environment)
    assert answer["open"] and answer["state"] == 1
    assert answer["closed"] <= 1  # at most what a new subscriber is told at once


@real_client
@pytest.mark.interop
def test_a_function_is_called(tmp_path: Path) -> None:
    body = """
await caput("rpc:get_random:low", 5, wait=True)
await caput("rpc:get_random:high", 5, wait=True)
await caput("rpc:get_random:Process", 1, wait=True)
result["value"] = await caget("rpc:get_random:Retval")
result["status"] = await caget("rpc:get_random:Status", datatype=DBR_CHAR_STR)
await caput("rpc:get_random:low", 6, wait=True)
result["fails"] = "write request failed" in (await fails("rpc:get_random:Process", 1) or "")
result["why"] = await caget("rpc:get_random:Status", datatype=DBR_CHAR_STR)
"""
    with serving(["-m", "caproto.ioc_examples.rpc_function", "--quiet"], "rpc:fixed_random", tmp_path) as (_, env):
        answer = client(body, env)
    assert (answer["value"], answer["status"], answer["fails"]) == (5, "Success", True)
    assert answer["why"].startswith("ValueError: ")


@real_client
@pytest.mark.interop
def test_waveforms_keep_coming(tmp_path: Path) -> None:
    body = """
numbers = []
enough = asyncio.Event()

def update(value):
    numbers.append(int(value[0]))
    if len(numbers) >= 50:
        enough.set()

subscription = camonitor("waveform:waveform2", update, all_updates=True)
await asyncio.wait_for(enough.wait(), 20)
subscription.close()
result["in order"] = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
result["length"] = len(await caget("waveform:waveform1"))
result["rate"] = await caget("waveform:rate")
"""
    command = ["-m", "caproto.ioc_examples.waveform", "--quiet", "--count", "2", "--elements", "5000", "--hz", "100"]
    with serving(command, "waveform:rate", tmp_path) as (_, environment):
        assert client(body, environment) == {"in order": True, "length": 5000, "rate": 100.0}


def test_types_of_the_list_are_types_of_channel_access() -> None:
    from tests.server_framework.listing import EXAMPLES

    natives = {listed.native for pvs in EXAMPLES.values() for listed in pvs.values()}
    assert natives <= {member.name for member in ChannelType}


@real_client
@pytest.mark.interop
@pytest.mark.parametrize("name", ["client_monitor_async", "advanced.thread_client_monitor"])
def test_mirrors_follow(name: str, tmp_path: Path) -> None:
    body = """
follows = asyncio.Event()
subscription = camonitor("mirror:mirrored", lambda value: follows.set() if value == 17.25 else None)
await asyncio.wait_for(follows.wait(), 20)
subscription.close()
"""
    source = ["-m", "caproto.ioc_examples.simple", "--quiet"]
    mirror = ["-m", f"caproto.ioc_examples.{name}", "--quiet", "--target", "simple:B"]
    with serving(source, "simple:B", tmp_path) as (_, source_environment):
        port = source_environment["EPICS_CA_SERVER_PORT"]
        (tmp_path / "mirror").mkdir()
        client('await caput("simple:B", 17.25, wait=True)', source_environment)
        own = {"EPICS_CA_ADDR_LIST": f"127.0.0.1:{port}"}
        with serving(mirror, "mirror:mirrored", tmp_path / "mirror", **own) as (process, environment):
            environment["EPICS_CA_ADDR_LIST"] = "127.0.0.1"
            client(body, environment)
            process.terminate()
            assert process.wait(10) == 0


@pytest.mark.interop
def test_clients_that_leave_in_the_middle_of_an_update_leave_nothing_behind(tmp_path: Path) -> None:
    """The IOC sends as many updates as are taken; what a client loses is counted by the number in each."""
    name = "waveform:waveform1"
    command = ["-m", "caproto.ioc_examples.waveform", "--quiet", "--elements", "100000", "--hz", "0"]
    code = """
import os, sys
from caproto.sync.client import block, subscribe
numbers = []
def update(sub, response):
    numbers.append(int(response.data[0]))
    if len(numbers) == 60:
        told = numbers[1:]
        print(told == list(range(told[0], told[0] + len(told))), flush=True)
        os._exit(0)
sub = subscribe(sys.argv[1], data_type="time")
sub.add_callback(update)
block(sub, repeater=False)
"""
    with serving(command, name, tmp_path) as (process, environment):
        for _ in range(6):
            done = subprocess.run(
                [sys.executable, "-c", code, name], env=environment, capture_output=True, text=True, timeout=60
            )
            assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
        process.terminate()
        assert process.wait(10) == 0
        assert (tmp_path / "output.txt").read_text() == ""


@real_client
@pytest.mark.interop
def test_keys_of_a_terminal_become_values(tmp_path: Path) -> None:
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    body = """
pressed = asyncio.Event()
subscription = camonitor("io:keypress", lambda value: pressed.set() if value == %r else None, datatype=DBR_CHAR_STR)
await asyncio.wait_for(pressed.wait(), 20)
subscription.close()
result["refused"] = await fails("io:keypress", "z")
"""
    keyboard, terminal = pty.openpty()
    try:
        before = termios.tcgetattr(terminal)
        command = ["-m", "caproto.ioc_examples.io_interrupt", "--quiet"]
        with serving(command, "io:keypress", tmp_path, stdin=terminal) as (process, environment):
            for key in "ab":
                os.write(keyboard, key.encode())  # no end of the line: each key counts
                assert "Write access denied" in client(body % key, environment)["refused"]
            process.terminate()
            assert process.wait(10) == 0
        assert termios.tcgetattr(terminal) == before
    finally:
        os.close(keyboard)
        os.close(terminal)


@pytest.mark.interop
@pytest.mark.skipif(importlib.util.find_spec("ophyd") is None, reason="no ophyd")
def test_a_device_of_ophyd_is_made_from_a_group(tmp_path: Path) -> None:
    """By way of pyepics, that is libca: read, write, call the function, hear of changes."""
    code = """
import json, threading
from ophyd.utils.errors import ReadOnlyError
from caproto.ioc_examples.too_clever.caproto_to_ophyd import Group, ophyd_device
device = ophyd_device(Group)("integration:", name="device")
device.wait_for_connection(timeout=20)
heard = threading.Event()
device.exit.subscribe(lambda value, **_: heard.set() if value == 3 else None)
device.exit.set(3).wait(timeout=20)
device.get_random_low.set(7).wait(timeout=20)
device.get_random_high.set(7).wait(timeout=20)
device.get_random_Process.put(1, wait=True)
result = {name.removeprefix("device_"): reading["value"] for name, reading in device.read().items()}
told = {"signals": sorted(device.component_names), "heard": heard.wait(20), "retval": device.get_random_retval.get()}
told |= {"random": 1 <= result["random1"] <= 100 and 1000 <= result["random2"] <= 2000, "exit": result["exit"]}
told |= {"described": device.describe()["device_random1"]["source"]}
try:
    device.get_random_retval.put(1)
except ReadOnlyError:
    told["read only"] = True
print(json.dumps(told))
"""
    command = ["-m", "caproto.ioc_examples.too_clever.caproto_to_ophyd", "--quiet"]
    with serving(command, "integration:exit", tmp_path) as (_, environment):
        environment = environment | {"OPHYD_CONTROL_LAYER": "pyepics"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    names = ["exit", "random1", "random2"]
    function = [f"get_random_{name}" for name in ("low", "high", "status", "retval", "Process")]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "signals": sorted(names + function), "heard": True, "retval": 7, "random": True, "exit": 3,
        "described": "PV:integration:random1", "read only": True,
    }  # fmt: skip
