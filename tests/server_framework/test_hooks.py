"""What hooks do to reads and writes."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from caproto import ChannelType, SkipWrite
from caproto.server import PVGroup, PVSpec, SubGroup, get_pv_pair_wrapper, pvfunction, pvproperty
from tests.server_framework.layer import run

LONG = ChannelType.LONG


class Hooked(PVGroup):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[Any] = []

    replaced = pvproperty(value=1)
    kept = pvproperty(value=1)
    skipped = pvproperty(value=1)
    refused = pvproperty(value=1)
    read = pvproperty(value=1)
    both = pvproperty(value=1)

    @replaced.putter
    async def replaced(self, instance: Any, value: Any) -> Any:
        return value * 2

    @kept.putter
    async def kept(self, instance: Any, value: Any) -> None:
        self.calls.append((instance, instance.value, value))

    @skipped.putter
    async def skipped(self, instance: Any, value: Any) -> None:
        raise SkipWrite

    @refused.putter
    async def refused(self, instance: Any, value: Any) -> None:
        raise ValueError("no")

    @read.getter
    async def read(self, instance: Any) -> Any:
        return instance.value + 1 if instance.value < 5 else None

    @both.getter
    async def both(self, instance: Any) -> Any:
        return 7

    @both.putter
    async def both(self, instance: Any, value: Any) -> None:
        self.calls.append(value)


def value_of(answer: Any) -> Any:
    return answer[1][0]


def test_a_putter_replaces_keeps_skips_or_refuses() -> None:
    async def job() -> None:
        group = Hooked(prefix="")
        await group.replaced.write(4)
        await group.kept.write(4)
        await group.skipped.write(4)
        with pytest.raises(ValueError, match="no"):
            await group.refused.write(4)
        assert (group.replaced.value, group.kept.value, group.skipped.value, group.refused.value) == (8, 4, 1, 1)
        assert group.calls == [(group.kept, 1, 4)]

    run(job())


def test_writes_of_clients_run_the_putter() -> None:
    async def job() -> None:
        group = Hooked(prefix="")
        await group.replaced.auth_write("host", "user", [4], LONG, None)
        assert group.replaced.value == 8
        await group.replaced.auth_write("host", "user", [b"5"], ChannelType.STRING, None)
        assert group.replaced.value == 10

    run(job())


def test_a_getter_gives_the_value_of_every_read() -> None:
    async def job() -> None:
        group = Hooked(prefix="")
        assert [value_of(await group.read.read(LONG)) for _ in range(6)] == [2, 3, 4, 5, 5, 5]
        assert not group.read.reads_at_once
        assert group.kept.reads_at_once

    run(job())


@pytest.mark.parametrize(
    ("prop", "given", "expected"),
    [(pvproperty(value=1.0, lower_ctrl_limit=-5.0, upper_ctrl_limit=5.0), [2.0], 2.0),
     (pvproperty(value="a", enum_strings=["a", "b"]), [1], "b"),
     (pvproperty(value=False), [True], "On")],
)  # fmt: skip
def test_a_getter_may_return_what_may_be_written(prop: Any, given: Any, expected: Any) -> None:
    async def get(instance: Any) -> Any:
        return given

    class Group(PVGroup):
        x = prop

    async def job() -> None:
        written, read = Group(prefix="").x, Group(prefix="").x
        await written.write(given)
        read.getter = get
        await read.read(LONG)
        assert written.value == read.value == expected

    run(job())


def test_reading_does_not_run_the_putter() -> None:
    async def job() -> None:
        group = Hooked(prefix="")
        assert value_of(await group.both.read(LONG)) == 7
        assert group.calls == []
        assert group.both.value == 7

    run(job())


def test_a_pvproperty_is_a_decorator_of_getters() -> None:
    class Group(PVGroup):
        @pvproperty(value=3, read_only=True)
        async def a(self, instance: Any) -> int:
            """Nine."""
            return 9

        @pvproperty
        async def b(self, instance: Any) -> int:
            return 8

    async def job() -> None:
        group = Group(prefix="")
        assert [value_of(await pv.read(LONG)) for pv in (group.a, group.b)] == [9, 8]
        assert Group.a.__doc__ == "Nine."

    run(job())


def test_hooks_of_the_group_serve_pvs_without_their_own() -> None:
    class Group(PVGroup):
        a = pvproperty(value=1)
        b = pvproperty(value=1)

        @b.putter
        async def b(self, instance: Any, value: Any) -> None: ...

        async def group_write(self, instance: Any, value: Any) -> Any:
            return value + 10

        async def group_read(self, instance: Any) -> Any:
            return 77

    async def job() -> None:
        group = Group(prefix="")
        await group.a.write(2)
        await group.b.write(2)
        assert (group.a.value, group.b.value) == (12, 2)
        assert value_of(await group.a.read(LONG)) == 77

    run(job())


def test_switches_are_names_numbers_and_truths() -> None:
    class Group(PVGroup):
        on = pvproperty(value=True)

        @on.putter
        async def on(self, instance: Any, value: Any) -> None:
            seen.append((bool(value), str(value), int(value)))

    async def job() -> None:
        pv = Group(prefix="").on
        assert pv.value
        for given in ("Off", 1, False, "On"):
            await pv.write(given)
        await pv.auth_write("host", "user", [0], ChannelType.ENUM, None)
        value = pv.value
        assert not value and value == "Off" and value == 0 and value == False and value != "On"  # noqa: E712
        assert (json.dumps(value), pickle.loads(pickle.dumps(value)), {value: 1}["Off"]) == ('"Off"', value, 1)
        assert value_of(await pv.read(ChannelType.ENUM)) == 0
        assert bytes(value_of(await pv.read(ChannelType.STRING))).rstrip(b"\0") == b"Off"
        await pv.write_metadata(enum_strings=["Out", "In"])
        assert not pv.value and pv.value == "Out" and pv.value == 0

    seen: list[Any] = []
    run(job())
    off, on = (False, "Off", 0), (True, "On", 1)
    assert seen == [off, on, off, on, off]


def test_hooks_without_a_group() -> None:
    async def put(group: Any, instance: Any, value: Any) -> Any:
        assert group is None
        return value + 1

    async def job() -> None:
        pv = PVSpec(name="x", value=1, put=put).create(None)
        await pv.write(3)
        assert pv.value == 4

    run(job())


pair = get_pv_pair_wrapper()


def test_pairs() -> None:
    class Group(PVGroup):
        follows = pair(value=1.0)
        hooked = pair(value=1.0)
        put = pair(value=1.0, put=None)

        @hooked.setpoint.putter
        async def hooked(obj: Any, instance: Any, value: Any) -> None:
            await obj.readback.write(value / 2)

    async def job() -> None:
        group = Group(prefix="p:")
        await group.follows.setpoint.write(3.0)
        await group.hooked.setpoint.write(3.0)
        assert {name: pv.value for name, pv in group.pvdb.items()} == {
            "p:follows": 3.0,
            "p:follows_RBV": 3.0,
            "p:hooked": 3.0,
            "p:hooked_RBV": 1.5,
            "p:put": 1.0,
            "p:put_RBV": 1.0,
        }

    run(job())


def test_hooks_from_outside_leave_the_class_of_a_subgroup_alone() -> None:
    class Inner(PVGroup):
        x = pvproperty(value=1)

    class Group(PVGroup):
        one = SubGroup(Inner)
        two = SubGroup(Inner)

        @one.x.putter
        async def one(self, instance: Any, value: Any) -> Any:
            return value * 2

    async def job() -> None:
        group = Group(prefix="")
        await group.one.x.write(4)
        await group.two.x.write(4)
        assert (group.one.x.value, group.two.x.value) == (8, 4)
        assert isinstance(group.one, Inner)

    run(job())


def test_functions() -> None:
    class Group(PVGroup):
        @pvfunction(default=-1)
        async def add(self, low: int = 1, high: int = 2) -> int:
            """Add."""
            if low > high:
                raise ValueError("low > high")
            return low + high

    async def job() -> None:
        group = Group(prefix="")
        assert group.add.retval.value == -1
        await group.add.low.write(2)
        await group.add.Process.write(1)
        assert (group.add.retval.value, group.add.status.value) == (4, "Success")
        await group.add.low.write(9)
        with pytest.raises(ValueError, match="low > high"):
            await group.add.Process.write(1)
        assert (group.add.retval.value, group.add.status.value) == (4, "ValueError: low > high")

    run(job())
