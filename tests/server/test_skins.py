"""What a skin of the server is for, as users write it: start, hooks, queues between threads, and the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import caproto
from tests.interop.talk import Talk
from tests.server.conftest import ROOT
from tests.server.test_libca_clients import needs_pyepics
from tests.server_framework.served import serving

SKINS = ["asyncio", "trio"]
pytestmark = pytest.mark.interop

#: Seconds that hooks have at the end; the server's own are five.
GRACE = 0.5
IOC = f'''
import importlib, time
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

class Ioc(PVGroup):
    """Hooks of every kind."""
    quick = pvproperty(value=1)
    slow = pvproperty(value=0.0)
    blocking = pvproperty(value=0.0)
    failing = pvproperty(value=0, record="longout")
    stuck = pvproperty(value=0)
    ending = pvproperty(value=0)
    leaving = pvproperty(value=0, record="longout")
    library = None

    @quick.startup
    async def quick(self, instance, async_lib):
        self.library = async_lib
        print("startup", flush=True)

    @slow.getter
    async def slow(self, instance):
        await self.library.sleep(1.0)

    @slow.putter
    async def slow(self, instance, value):
        await self.library.sleep(1.0)

    @blocking.getter
    async def blocking(self, instance):
        time.sleep(0.2)

    @quick.shutdown
    async def quick(self, instance, async_lib):
        await async_lib.sleep(0.01)
        print("shutdown", flush=True)

    @failing.startup
    async def failing(self, instance, async_lib):
        raise ZeroDivisionError("startup hook of the user")

    @failing.fields.DESC.startup
    async def failing(self, instance, async_lib):
        await async_lib.sleep(0.01)
        print("startup of a field", flush=True)

    @failing.shutdown
    async def failing(self, instance, async_lib):
        raise ZeroDivisionError("shutdown hook of the user")

    @stuck.shutdown
    async def stuck(self, instance, async_lib):
        if instance.value:
            await async_lib.sleep(1000)

    @ending.scan(period=0.05)
    async def ending(self, instance, async_lib):
        if instance.value:
            from caproto.asyncio.server import ServerExit
            raise ServerExit

    @leaving.startup
    async def leaving(self, instance, async_lib):
        while not instance.value:
            await async_lib.sleep(0.05)
        from caproto.asyncio.server import ServerExit
        raise ServerExit

    @leaving.fields.DESC.startup
    async def leaving(self, instance, async_lib):
        await async_lib.sleep(1000)

if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="p:", desc=Ioc.__doc__)
    importlib.import_module(run_options["module_name"]).GRACE = {GRACE}
    run(Ioc(**ioc_options).pvdb, **run_options)
'''


@pytest.fixture(params=SKINS)
def ioc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, int, Path]]:
    """The IOC above: process, port and where its output goes."""
    pytest.importorskip(request.param)
    (tmp_path / "ioc.py").write_text(IOC)
    command = ["ioc.py", "--async-lib", request.param, "--list-pvs"]
    with serving(command, "p:quick", tmp_path) as (process, environment):
        yield process, int(environment["EPICS_CA_SERVER_PORT"]), tmp_path / "output.txt"


def test_the_log_says_what_is_served_and_how_hooks_failed(ioc: tuple[Any, int, Path]) -> None:
    process, port, output = ioc
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    text = output.read_text()
    assert f"7 PVs on 127.0.0.1, TCP port {port}" in text
    listed = text.partition("PVs available:\n")[2].split()[:7]
    assert listed == [f"p:{name}" for name in ("quick", "slow", "blocking", "failing", "stuck", "ending", "leaving")]
    for kind in ("startup", "shutdown"):
        assert text.count(f"ZeroDivisionError: {kind} hook of the user") == 1
        assert f"the {kind} hook of p:failing failed" in text
        assert text.splitlines().count(kind) == 1


def test_a_hook_that_fails_does_not_end_those_of_the_fields(ioc: tuple[Any, int, Path]) -> None:
    process, _, output = ioc
    deadline = time.monotonic() + 10
    while "startup of a field" not in output.read_text().splitlines():
        assert time.monotonic() < deadline and process.poll() is None, output.read_text()
        time.sleep(0.01)


def test_a_hook_that_waits_delays_the_callers_of_its_pv_only(ioc: tuple[Any, int, Path]) -> None:
    _, port, _ = ioc
    with Talk(("127.0.0.1", port)) as one, Talk(("127.0.0.1", port)) as two:
        slow, quick, other = one.channel("p:slow"), one.channel("p:quick"), two.channel("p:quick")
        for request in (slow.read(), slow.write((2.5,), notify=True)):
            one.send(request)
            for _ in range(3):
                assert one.write(quick, (5,)).ioid != request.ioid
                assert two.read(other).data[0] == 5
            assert not any(getattr(command, "ioid", None) == request.ioid for command in one.seen)
            assert one.next("ReadNotifyResponse", "WriteNotifyResponse").ioid == request.ioid


def test_a_hook_that_blocks_costs_others_its_own_time_and_no_more(ioc: tuple[Any, int, Path]) -> None:
    _, port, _ = ioc
    with Talk(("127.0.0.1", port)) as one, Talk(("127.0.0.1", port)) as two:
        blocking, other = one.channel("p:blocking"), two.channel("p:quick")
        for _ in range(8):
            one.send(blocking.read())
        assert two.read(other).data[0] == 1
        one.pump(0.001)
        assert len([c for c in one.seen if isinstance(c, caproto.ReadNotifyResponse)]) < 8  # it did not wait for all
        for _ in range(8):
            assert one.next("ReadNotifyResponse").status.name == "ECA_NORMAL"


@pytest.mark.parametrize("name", ["p:ending", "p:leaving"])
def test_a_hook_may_end_the_server_in_an_orderly_way(ioc: tuple[Any, int, Path], name: str) -> None:
    process, port, output = ioc
    with Talk(("127.0.0.1", port)) as talk:
        talk.send(talk.channel(name).write((1,), notify=False))
        assert process.wait(10) == 0
    assert "shutdown" in output.read_text().splitlines()


def test_a_shutdown_hook_that_hangs_is_given_up(ioc: tuple[Any, int, Path]) -> None:
    process, port, output = ioc
    with Talk(("127.0.0.1", port)) as talk:
        talk.write(talk.channel("p:stuck"), (1,))
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0
    assert time.monotonic() - started > 0.9 * GRACE
    assert "shutdown" in output.read_text().splitlines()


# In a loop of the user -----------------------------------------------------------------------------------

OWN = {
    "asyncio": """
async def main():
    first, second = Context(pvdb(), ["127.0.0.1"]), Context(pvdb(), ["127.0.0.2"])
    tasks = [asyncio.create_task(context.run()) for context in (first, second)]
    third = asyncio.create_task(start_server(pvdb(), interfaces=["127.0.0.3"]))
    while not (hasattr(first, "port") and hasattr(second, "port")):
        await asyncio.sleep(0.01)
    print(first.port, second.port, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    first.stop(), second.stop()
    await asyncio.gather(*tasks)
    again = asyncio.create_task(first.run())
    await asyncio.sleep(0)
    assert not again.done()
    first.stop()
    await again
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)
    print("ended", third.cancelled())
asyncio.run(main())
""",
    "trio": """
async def main():
    first, second = Context(pvdb(), ["127.0.0.1"]), Context(pvdb(), ["127.0.0.2"])
    async with trio.open_nursery() as outer:
        outer.start_soon(functools.partial(start_server, pvdb(), interfaces=["127.0.0.3"]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.run)
            nursery.start_soon(second.run)
            while not (hasattr(first, "port") and hasattr(second, "port")):
                await trio.sleep(0.01)
            print(first.port, second.port, flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            first.stop(), second.stop()
        first.stop()
        await first.run()
        outer.cancel_scope.cancel()
    print("ended", outer.cancel_scope.cancelled_caught)
trio.run(main)
""",
}


@pytest.mark.parametrize("skin", SKINS)
def test_servers_run_in_a_loop_of_the_user(skin: str) -> None:
    pytest.importorskip(skin)
    head = f"""
import functools, sys, {skin}
from caproto.{skin}.server import Context, start_server
from tests.server.serve import pvdb
"""
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", head + OWN[skin]],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert program.stdout is not None
        ports = [int(port) for port in program.stdout.readline().split()]
        for number, port in enumerate([*ports, ports[0]], 1):
            with Talk((f"127.0.0.{number}", port)) as talk:
                assert talk.read(talk.channel("double")).data[0] == 1.5
        out, err = program.communicate("\n", timeout=30)
    finally:
        program.kill()
    assert out.splitlines()[-1] == "ended True" and out.count("bye") == 4, err
    assert program.returncode == 0 and not err


@pytest.mark.parametrize("skin", SKINS)
def test_a_queue_between_threads_and_tasks(skin: str) -> None:
    pytest.importorskip(skin)
    to_thread = {"asyncio": "asyncio.to_thread", "trio": "trio.to_thread.run_sync"}[skin]
    run = {"asyncio": "asyncio.run(main())", "trio": "trio.run(main)"}[skin]
    code = f"""
import json, threading, {skin}
from caproto.{skin}.server import ThreadsafeQueue
async def main():
    there, back = ThreadsafeQueue(), ThreadsafeQueue(maxsize=2)
    def work():
        while (item := there.get()) is not None:
            back.put(item * 2)
        back.put(None)
    thread = threading.Thread(target=work)
    await there.async_put(0)
    seen = []
    thread.start()
    for number in range(1, 50):
        await there.async_put(number)
    await there.async_put(None)
    while (item := await back.async_get()) is not None:
        seen.append(item)
    await {to_thread}(thread.join)
    print(json.dumps(seen))
{run}
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=30, check=False, cwd=ROOT
    )
    assert done.returncode == 0 and json.loads(done.stdout) == [2 * number for number in range(50)], done.stderr


# Priorities ----------------------------------------------------------------------------------------------


@needs_pyepics
@pytest.mark.parametrize("skin", SKINS)
def test_each_priority_of_a_client_is_a_circuit_of_its_own(skin: str, tmp_path: Path) -> None:
    pytest.importorskip(skin)
    (tmp_path / "ioc.py").write_text(IOC)
    code = """
import ctypes, os, epics
from epics import ca
ca.initialize_libca()
chids, values = [], []
for priority in (0, 0, 20, 99):
    chid = ctypes.c_long()
    assert ca.libca.ca_create_channel(b"p:quick", None, None, priority, ctypes.byref(chid)) == 1
    chids.append(chid)
assert ca.libca.ca_pend_io(ctypes.c_double(10)) == 1
for chid in chids:
    value = ctypes.c_int32()
    assert ca.libca.ca_array_get(5, 1, chid, ctypes.byref(value)) == 1
    assert ca.libca.ca_pend_io(ctypes.c_double(10)) == 1
    values.append(value.value)
port = "%04X" % int(os.environ["EPICS_CA_SERVER_PORT"])
rows = [line.split() for line in open("/proc/self/net/tcp")]
print(values, sum(row[2].endswith(":" + port) and row[3] == "01" for row in rows))
"""
    with serving(["ioc.py", "--async-lib", skin, "--quiet"], "p:quick", tmp_path) as (_, environment):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
        )
    assert done.stdout.strip() == "[1, 1, 1, 1] 3", done.stderr
