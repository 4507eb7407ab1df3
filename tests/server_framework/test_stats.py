"""PVs about the IOC say what the operating system says."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from caproto.server import AsyncLibraryLayer, PVGroup, SubGroup, pvproperty
from caproto.server.stats import MemoryTracingHelper, StatusHelper, get_source_file, get_top_allocation_info


class Ioc(PVGroup):
    status = SubGroup(StatusHelper, prefix="stat:")
    memory = SubGroup(MemoryTracingHelper, prefix="mem:")
    x = pvproperty(value=1)


class Layer(AsyncLibraryLayer):
    async def sleep(self, seconds: float) -> None:
        raise asyncio.CancelledError


async def start(pv: Any) -> None:
    with pytest.raises(asyncio.CancelledError):
        await pv.server_startup(Layer())


def test_what_does_not_change() -> None:
    async def job() -> None:
        group = Ioc(prefix="p:")
        await group.status.basic.process_id.server_startup(Layer())
        values = {name.removeprefix("p:stat:"): pv.value for name, pv in group.pvdb.items()}
        assert (values["PROCESS_ID"], values["PARENT_ID"]) == (os.getpid(), os.getppid())
        assert (values["CPU_CNT"], values["APP_DIR"]) == (os.cpu_count(), os.getcwd())
        assert values["SOURCE_FILE"] == __file__

    asyncio.run(job())


def test_what_changes() -> None:
    psutil = pytest.importorskip("psutil")

    async def job() -> None:
        group = Ioc(prefix="p:")
        await start(group.status.periodic.start_tod)
        values = {name.removeprefix("p:stat:"): pv.value for name, pv in group.pvdb.items()}
        assert values["RECORD_CNT"] == len(group.pvdb)
        assert values["MEM_MAX"] == psutil.virtual_memory().total // 1024
        assert values["MEM_USED"] == pytest.approx(psutil.Process().memory_info().rss // 1024, rel=0.2)
        assert values["FD_CNT"] + values["FD_FREE"] == values["FD_MAX"]
        assert values["UPTIME"] in (0, 1)
        assert values["STARTTOD"] and values["TOD"]

    asyncio.run(job())


def test_where_memory_goes() -> None:
    async def job() -> None:
        memory = Ioc(prefix="").memory
        await memory.enable_tracing.write("Enable")
        assert tracemalloc.is_tracing()
        try:
            await memory.update()
            kept = [bytes(1000) for _ in range(1000)]
            await memory.update()
            assert Path(__file__).name in memory.diff_results.value
            assert memory.top_allocations.value.startswith("#1: ")
            lines = get_top_allocation_info(tracemalloc.take_snapshot(), limit=3)
            assert len(lines) == 5 and lines[-1].startswith("Total: ")
            del kept
        finally:
            await memory.enable_tracing.write("Disable")
        assert not tracemalloc.is_tracing()

    asyncio.run(job())


def test_source_files() -> None:
    assert get_source_file(Ioc) == get_source_file(Ioc(prefix="")) == get_source_file(start) == Path(__file__)
    with pytest.raises(TypeError):
        get_source_file(int)


def test_starts_are_counted_if_they_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caproto.server.autosave import AutosaveHelper

    class Saved(PVGroup):
        autosave = SubGroup(AutosaveHelper)
        status = SubGroup(StatusHelper, prefix="stat:")

    async def job(expected: int) -> None:
        group = Saved(prefix="p:")
        await group.autosave.restore_from_file(group.autosave.filename)
        assert group.status.periodic.start_count.value == expected
        await group.autosave.save()

    monkeypatch.chdir(tmp_path)
    for start in (1, 2, 3):
        asyncio.run(job(start))
