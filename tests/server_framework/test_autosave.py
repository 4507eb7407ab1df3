"""Values survive restarts, power cuts and broken files."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from caproto import CaprotoValueError, ChannelType
from caproto.server import AsyncLibraryLayer, PVGroup, SubGroup, pvproperty
from caproto.server.autosave import AutosaveHelper, RotatingFileManager, autosaved, get_autosave_fields


class Part(PVGroup):
    c = autosaved(pvproperty(value=[1, 2, 3], max_length=5))


class Saved(PVGroup):
    helper = SubGroup(AutosaveHelper)
    a = autosaved(pvproperty(value=1.0, record="ai"), fields=["high_alarm_limit", "DESC"])
    b = autosaved(pvproperty(value=b"abc", max_length=5))
    e = autosaved(pvproperty(value="one", enum_strings=["one", "two"]))
    t = autosaved(pvproperty(value="text", dtype=ChannelType.STRING))
    not_saved = pvproperty(value=1)
    part = SubGroup(Part)


def group_at(path: Path, **keywords: Any) -> Saved:
    group = Saved(prefix="p:")
    group.helper._file_manager = RotatingFileManager(path, **keywords)
    return group


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "values.json"


def run(job: Any) -> Any:
    return asyncio.run(job)


async def change(group: Saved) -> None:
    await group.a.write(2.5)
    await group.a.get_field("HIGH").write(9.0)
    await group.b.write(b"\xff\0\x01")
    await group.e.write("two")
    await group.t.write("other")
    await group.part.c.write([4, 5])
    await group.not_saved.write(9)


def test_what_is_saved_is_restored(path: Path) -> None:
    async def job() -> None:
        before = group_at(path)
        await change(before)
        await before.helper.save()
        after = group_at(path)
        await after.helper.restore_from_file(path)
        assert (after.a.value, after.b.value, after.e.value, after.t.value) == (2.5, b"\xff\0\x01", "two", "other")
        assert list(after.part.c.value) == [4, 5]
        assert after.a.upper_warning_limit == 9.0
        assert after.not_saved.value == 1

    run(job())
    saved = json.loads(path.read_text())
    assert saved["p:a"] == {"value": 2.5, "fields": {"high_alarm_limit": 9.0, "DESC": ""}}
    assert set(saved) == {"p:a", "p:b", "p:e", "p:t", "p:part:c"}


def test_arrays_of_numpy_are_saved(path: Path) -> None:
    numpy = pytest.importorskip("numpy")

    async def job() -> None:
        before, after = group_at(path), group_at(path)
        await before.part.c.write(numpy.array([7, 8], dtype="i4"))
        await before.helper.save()
        await after.helper.restore_from_file(path)
        assert list(after.part.c.value) == [7, 8]

    run(job())


def test_nothing_new_is_not_saved_again(path: Path) -> None:
    async def job() -> None:
        group = group_at(path)
        await group.helper.save()
        written = path.stat().st_mtime_ns
        await group.helper.save()
        assert path.stat().st_mtime_ns == written
        assert group.helper.autosave_hook.value == 1
        await group.not_saved.write(4)
        await group.helper.save()
        assert len(list(path.parent.iterdir())) == 1

    run(job())


def test_a_corrupt_file_costs_a_warning_and_the_one_before_counts(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def job() -> None:
        group = group_at(path)
        for value in (1.5, 2.5, 3.5):
            await group.a.write(value)
            await group.helper.save()
        copies = list(group.helper.file_manager.files_by_age)
        assert len(copies) == 2
        path.write_text('{"p:a": {"val')
        copies[0].write_text("[]")
        after = group_at(path)
        await after.helper.restore_from_file(path)
        assert after.a.value == 1.5

    with caplog.at_level(logging.WARNING):
        run(job())
    assert caplog.text.count("cannot be restored") == 2


def test_values_that_do_not_fit_any_more_cost_a_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def job() -> None:
        data = {"p:a": {"value": 7.0, "fields": {"gone": 1}}, "p:e": {"value": "three"}, "p:part:c": {"value": [1] * 9}}
        group = group_at(path)
        await group.helper.restore_values(data)
        assert (group.a.value, group.e.value, group.part.c.value) == (7.0, "one", [1, 2, 3])

    with caplog.at_level(logging.WARNING):
        run(job())
    assert caplog.text.count("is not restored") == 2


@pytest.mark.parametrize("text", ['{"p:a": {"value": 1, "fields": null}}', '{"p:a": {"fields": []}}', "[" * 100000])
def test_what_is_no_file_of_ours_is_passed_over(path: Path, text: str) -> None:
    async def job() -> None:
        group = group_at(path)
        await change(group)
        await group.helper.save()
        group.helper.file_manager.write(text)
        again = group_at(path)
        await again.helper.restore_from_file(path)
        assert again.a.value == 2.5

    run(job())


def test_an_ioc_that_ends_before_all_is_restored_leaves_the_file_alone(path: Path) -> None:
    class Group(PVGroup):
        helper = SubGroup(AutosaveHelper)
        slow = autosaved(pvproperty(value=1))

        @slow.putter
        async def slow(self, instance: Any, value: Any) -> None:
            began.set()
            await asyncio.Event().wait()

    class Layer(AsyncLibraryLayer):
        async def sleep(self, seconds: float) -> None:
            raise EOFError

    async def job() -> None:
        group = Group(prefix="")
        group.helper._file_manager = RotatingFileManager(path)
        path.write_text('{"slow": {"value": 5}}')
        start = asyncio.create_task(group.helper.autosave_hook.server_startup(Layer()))
        await asyncio.wait_for(began.wait(), 10)
        start.cancel()
        await group.helper.autosave_hook.server_shutdown(Layer())
        assert path.read_text() == '{"slow": {"value": 5}}'

    began = asyncio.Event()
    run(job())


def test_numbers_of_numpy_are_saved(path: Path) -> None:
    numpy = pytest.importorskip("numpy")

    async def job() -> None:
        group = group_at(path)
        await group.part.c.write([numpy.int32(7), numpy.int64(8)])
        await group.helper.save()
        assert json.loads(path.read_text())["p:part:c"]["value"] == [7, 8]

    run(job())


def test_a_file_of_caproto_1_is_restored(path: Path) -> None:
    async def job() -> None:
        path.write_text(
            '{"p:a": {"value": 4, "fields": {"description": "x"}}, "p:part:c": {"value": [4], "fields": {}}}'
        )
        group = group_at(path)
        await group.helper.restore_from_file(path)
        assert (group.a.value, group.part.c.value) == (4.0, [4])

    run(job())


def test_putters_run_when_values_are_restored() -> None:
    class Group(PVGroup):
        helper = SubGroup(AutosaveHelper)
        x = autosaved(pvproperty(value=1))

        @x.putter
        async def x(self, instance: Any, value: Any) -> Any:
            if value < 0:
                raise CaprotoValueError("negative")
            return value + 1

    async def job() -> None:
        group = Group(prefix="")
        await group.helper.restore_values({"x": {"value": 5}})
        await group.helper.restore_values({"x": {"value": -5}})
        assert group.x.value == 6

    run(job())


def test_a_putter_that_fails_costs_its_own_value_only(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Group(Saved):
        device = autosaved(pvproperty(value=0))
        last = autosaved(pvproperty(value=0))

        @device.putter
        async def device(self, instance: Any, value: Any) -> None:
            raise ConnectionError("the device is off")

    async def job() -> None:
        group = Group(prefix="p:")
        await group.helper.restore_values({"p:device": {"value": 5}, "p:last": {"value": 6}})
        assert (group.device.value, group.last.value) == (0, 6)

    with caplog.at_level(logging.WARNING):
        run(job())
    assert "the device is off" in caplog.text


@pytest.mark.parametrize("call", ["fsync", "replace", "link"])
def test_no_moment_is_without_a_whole_file(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Whatever fails, the file is the old one or the new one, and nothing is left behind."""
    manager = RotatingFileManager(path)
    manager.write("old")

    def fail(*arguments: Any) -> None:
        assert path.read_text() == "old"
        raise OSError("no space")

    monkeypatch.setattr(os, call, fail)
    if call == "link":  # there are file systems without: a copy does it
        manager.write("new")
        assert path.read_text() == "new"
        assert [copy.read_text() for copy in manager.files_by_age] == ["old"]
    else:
        with pytest.raises(OSError, match="no space"):
            manager.write("new")
        assert path.read_text() == "old"
    assert not list(path.parent.glob(".*"))


def test_copies_of_a_day_and_old_ones_go(path: Path) -> None:
    manager = RotatingFileManager(path, max_files_per_day=3, max_file_age=10)
    now = datetime.datetime.now()
    days = [now - datetime.timedelta(days=age) for age in (20, 11, 5, 1)]
    for day in days:
        (path.parent / f"values{day.strftime('_%Y%m%d-%H%M%S')}.json").write_text("{}")
    other = path.parent / "values_of_somebody.json"
    other.write_text("")
    removed = manager.prune_files()
    assert {file.name for file in removed} == {f"values{day.strftime('_%Y%m%d-%H%M%S')}.json" for day in days[:2]}
    for number in range(8):
        manager.write(str(number))
    today = [file for file, date in manager.files_by_age.items() if date.date() == now.date()]
    assert len(today) <= 3
    assert path.read_text() == "7"
    assert today[0].read_text() == "6"
    assert other.exists()


def test_a_name_that_is_a_pattern_has_copies_of_its_own(tmp_path: Path) -> None:
    manager = RotatingFileManager(tmp_path / "values[1].json", max_files_per_day=2)
    for number in range(5):
        manager.write(str(number))
    assert [file.read_text() for file in manager.files_by_age] == ["3", "2"]


def test_what_writes_left_behind_that_were_killed_goes(path: Path) -> None:
    left, under_way = (path.parent / f".{path.name}-{word}.tmp" for word in ("left", "underway"))
    left.write_text("{")
    under_way.write_text("{")
    os.utime(left, (0, 0))
    RotatingFileManager(path).write("new")
    assert not left.exists() and under_way.exists()


def test_the_hooks_restore_save_and_save_at_the_end(path: Path) -> None:
    class Stop(Exception):
        pass

    class Layer(AsyncLibraryLayer):
        rounds = 0

        async def sleep(self, seconds: float) -> None:
            assert seconds == 30
            self.rounds += 1
            if self.rounds == 2:
                raise Stop
            await group.a.write(8.5)

    async def job() -> None:
        await change(group)
        await group.helper.save()
        assert group.a.value == 2.5
        await group.a.write(0.0)
        with pytest.raises(Stop):
            await group.helper.autosave_hook.server_startup(Layer())
        assert json.loads(path.read_text())["p:a"]["value"] == 8.5
        await group.a.write(9.5)
        await group.helper.autosave_hook.server_shutdown(Layer())
        assert json.loads(path.read_text())["p:a"]["value"] == 9.5

    group = group_at(path)
    run(job())


def slow_disk(group: Saved, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let saves wait; returns what is set when one does, and what lets them go on."""
    begun, free = threading.Event(), threading.Event()
    manager = group.helper.file_manager
    write = manager.write

    def slowly(text: str) -> Any:
        begun.set()
        assert free.wait(10), "the loop waits for the disk"
        return write(text)

    monkeypatch.setattr(manager, "write", slowly)
    return begun, free


def value_in(path: Path) -> Any:
    return json.loads(path.read_text())["p:a"]["value"]


def test_nobody_waits_for_the_disk_on_asyncio(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save hangs in the disk, is cancelled as by a server that ends, and a newer one is not overtaken by it."""
    from caproto.asyncio.server import AsyncioAsyncLayer

    async def job() -> None:
        group, layer = group_at(path), AsyncioAsyncLayer()
        group.helper.period = 0.001
        begun, free = slow_disk(group, monkeypatch)
        saving = asyncio.create_task(group.helper.autosave_hook.server_startup(layer))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        await group.a.write(5.5)
        saving.cancel()
        await asyncio.wait([saving])
        ending = asyncio.create_task(group.helper.autosave_hook.server_shutdown(layer))
        await asyncio.sleep(0.01)
        assert not ending.done() and not path.exists()
        free.set()
        await ending
        assert value_in(path) == 5.5

    run(job())
    assert value_in(path) == 5.5


def test_nobody_waits_for_the_disk_on_trio(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trio = pytest.importorskip("trio")
    from caproto.trio.server import TrioAsyncLayer

    async def job() -> None:
        group, layer = group_at(path), TrioAsyncLayer()
        group.helper.period = 0.001
        begun, free = slow_disk(group, monkeypatch)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(group.helper.autosave_hook.server_startup, layer)
            while not begun.is_set():
                await trio.sleep(0.001)
            await group.a.write(5.5)
            free.set()
            nursery.cancel_scope.cancel()
        await group.helper.autosave_hook.server_shutdown(layer)
        assert value_in(path) == 5.5

    trio.run(job)


def test_an_older_save_does_not_take_the_place_of_a_newer_one(path: Path) -> None:
    helper = group_at(path).helper
    helper._write(1, "newer")
    helper._write(0, "older")
    assert path.read_text() == "newer"


def test_a_disk_that_is_full_does_not_end_the_ioc(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Layer(AsyncLibraryLayer):
        async def sleep(self, seconds: float) -> None:
            raise EOFError

    async def job() -> None:
        group = group_at(path)
        with pytest.raises(EOFError):
            await group.helper.autosave_hook.server_startup(Layer())
        path.mkdir()
        await group.helper.autosave_hook.server_shutdown(None)

    with caplog.at_level(logging.ERROR):
        run(job())
    assert "values are not saved" in caplog.text


def test_fields_that_are_saved() -> None:
    group = Saved(prefix="")
    fields = get_autosave_fields(Saved.a, group.a)
    assert fields == {"high_alarm_limit": group.a.get_field("HIGH"), "DESC": group.a.get_field("DESC")}
    assert get_autosave_fields(Saved.b, group.b) == {}
    assert [pv.pvname for _, pv in group.helper.find_autosave_properties()] == ["a", "b", "e", "t", "part:c"]
