"""How IOCs of caproto 1.x are run: a startup hook for all of it, and servers among other tasks."""

from __future__ import annotations

import signal
import textwrap
from pathlib import Path

import pytest

from tests.server_framework.served import ask, serving

HEAD = """
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run
"""
LOOPING = """
class Ioc(PVGroup):
    counted = pvproperty(value=0)
    told = pvproperty(value=0)

    @counted.scan(period=0.01)
    async def counted(self, instance, async_lib):
        await instance.write(1)

    async def __ainit__(self, async_lib):
        while True:
            await self.told.write(self.counted.value)
            await async_lib.library.sleep(0.01)

    @told.shutdown
    async def told(self, instance, async_lib):
        print("shut down")

options, run_options = ioc_arg_parser(default_prefix="p:", desc="")
ioc = Ioc(**options)
run(ioc.pvdb, startup_hook=ioc.__ainit__, **run_options)
"""
FAILING = """
class Ioc(PVGroup):
    gone = pvproperty(value=0)

    async def __ainit__(self, async_lib):
        self.asked = async_lib.library.Event()
        await self.asked.wait()
        raise ValueError("the device is not there")

    @gone.getter
    async def gone(self, instance):
        self.asked.set()

    @gone.shutdown
    async def gone(self, instance, async_lib):
        print("shut down")

options, run_options = ioc_arg_parser(default_prefix="p:", desc="")
ioc = Ioc(**options)
run(ioc.pvdb, startup_hook=ioc.__ainit__, **run_options)
"""
ENDING = """
class Ioc(PVGroup):
    ended = pvproperty(value=0.0, record="ai")

    @ended.shutdown
    async def ended(self, instance, async_lib):
        print("PV shut down")

    @ended.fields.HIGH.shutdown
    async def ended(fields, instance, async_lib):
        print("field shut down")

options, run_options = ioc_arg_parser(default_prefix="p:", desc="")
run(Ioc(**options).pvdb, **run_options)
"""
AMONG_OTHERS = """
import asyncio
from caproto.asyncio.server import start_server

class Ioc(PVGroup):
    here = pvproperty(value=0)

    @here.startup
    async def here(self, instance, async_lib):
        while True:
            await async_lib.sleep(0.01)

    @here.shutdown
    async def here(self, instance, async_lib):
        print("shut down")

async def main():
    await asyncio.gather(start_server(Ioc(prefix="p:").pvdb), asyncio.Event().wait())

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


def write(body: str, tmp_path: Path) -> str:
    (tmp_path / "ioc.py").write_text(HEAD + textwrap.dedent(body))
    return str(tmp_path / "ioc.py")


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_startup_hook_may_take_as_long_as_the_server(library: str, tmp_path: Path) -> None:
    command = [write(LOOPING, tmp_path), "--async-lib", library]
    with serving(command, "p:told", tmp_path) as (process, environment):
        assert any(ask(["p:told"], environment)["p:told"][4] == 1 for _ in range(5))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert "shut down" in (tmp_path / "output.txt").read_text()


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_startup_hook_that_fails_ends_the_server(library: str, tmp_path: Path) -> None:
    with serving([write(FAILING, tmp_path), "--async-lib", library], "p:gone", tmp_path) as (process, environment):
        ask(["p:gone"], environment)
        assert process.wait(10) == 1
    output = (tmp_path / "output.txt").read_text()
    assert "shut down" in output and "ValueError: the device is not there" in output


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_pv_and_its_fields_are_shut_down(library: str, tmp_path: Path) -> None:
    command = [write(ENDING, tmp_path), "--quiet", "--async-lib", library]
    with serving(command, "p:ended", tmp_path) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert sorted((tmp_path / "output.txt").read_text().splitlines()) == ["PV shut down", "field shut down"]


def test_a_server_that_is_cancelled_twice_runs_its_shutdown_hooks(tmp_path: Path) -> None:
    with serving([write(AMONG_OTHERS, tmp_path)], "p:here", tmp_path) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert (tmp_path / "output.txt").read_text() == "shut down\ninterrupted\n"
