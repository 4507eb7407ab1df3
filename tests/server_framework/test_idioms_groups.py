"""Groups as IOCs of caproto 1.x write them: names they choose, attributes they set, ways to put groups together."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from caproto.server import PVGroup, PVSpec, SubGroup, get_pv_pair_wrapper, pvproperty
from tests.server_framework.layer import run


class Inner(PVGroup):
    x = pvproperty(value=1)


@pytest.mark.parametrize(
    "name", ["name", "log", "groups", "update_state", "top", "scanner", "value", "write", "status"]
)
def test_a_pv_may_have_a_name_that_groups_use_in_no_essential_way(name: str) -> None:
    cls = type("Ioc", (PVGroup,), {name: pvproperty(value=1, record="ai"), "sub": SubGroup(Inner)})
    group: Any = cls(prefix="a:")
    assert list(group.pvdb) == [f"a:{name}", "a:sub:x"]
    pv = getattr(group, name)
    assert (pv.value, pv.name, group.sub.x.name) == (1, f"Ioc.{name}", "Ioc.sub.x")
    assert pv.log.name.endswith(".Ioc")
    assert pv.server_scan is not None  # the record is still processed

    run(group.sub.x.write(3))
    assert group.sub.x.value == 3


def test_an_ioc_may_set_attributes_with_names_that_groups_use() -> None:
    class Ioc(PVGroup):
        a = pvproperty(value=1.0, record="ai")
        sub = SubGroup(Inner)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.name = "a device"
            self.log = logging.getLogger("mine")
            self.groups = {}
            self.top = self.scanner = 5

    group = Ioc(prefix="a:")
    assert (group.a.name, group.a.log.name, group.sub.x.value) == ("Ioc.a", "mine", 1)
    assert group.a.server_scan is not None


def test_groups_within_groups_are_found_by_their_paths() -> None:
    class Middle(PVGroup):
        inner = SubGroup(Inner)

    class Ioc(PVGroup):
        middle = SubGroup(Middle)

    group = Ioc(prefix="")
    assert group.groups == {"middle": group.middle, "middle.inner": group.middle.inner}
    assert group.attr_pvdb["middle.inner.x"] is group.middle.inner.x


def test_a_subclass_replaces_a_pv_or_adds_a_hook_and_its_base_stays() -> None:
    calls: list[str] = []

    class Base(PVGroup):
        p = pvproperty(value=1)

        @p.putter
        async def p(self, instance: Any, value: Any) -> None:
            calls.append("base")

    class Replaced(Base):
        p = pvproperty(value=2.5)

    class Changed(Base):
        @Base.p.putter
        async def p(self, instance: Any, value: Any) -> None:
            calls.append("changed")

    for cls in (Base, Replaced, Changed, Base):
        group: Any = cls(prefix="")
        run(group.p.write(3))
        calls.append("-")
    assert calls == ["base", "-", "-", "changed", "-", "base", "-"]


def test_groups_are_made_in_loops_from_dicts_and_from_specifications() -> None:
    async def get(self: Any, instance: Any) -> int:
        return 7

    made = type("Ioc", (PVGroup,), {f"x{n}": pvproperty(value=n, name=f"X{n}") for n in range(2)})
    assert list(made(prefix="p:").pvdb) == ["p:X0", "p:X1"]

    class Ioc(PVGroup):
        for n in range(2):
            locals()[f"y{n}"] = pvproperty(value=n)
        del n
        spec = pvproperty.from_pvspec(PVSpec(name="S", value=3))
        positional = pvproperty(get, None, value=3)
        sub = SubGroup({"a": PVSpec(value=1, get=get), "b": pvproperty(value=2.0)}, prefix="d:")

    group: Any = Ioc(prefix="p:")
    assert list(group.pvdb) == ["p:y0", "p:y1", "p:S", "p:positional", "p:d:a", "p:d:b"]
    assert group.positional.getter is not None and group.sub.a.getter is not None

    changed = Ioc.spec.pvspec._replace(name="T", attr="t", value=4)
    pv = changed.create(group=group)
    assert (pv.pvname, pv.value, pv.pvspec) == ("p:T", 4, changed)


def test_pvs_are_added_to_the_database_by_hand() -> None:
    class Ioc(PVGroup):
        def __init__(self, *args: Any, count: int, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for number in range(count):
                spec = PVSpec(name=f"N{number}", attr=f"n{number}", value=number)
                self.pvdb[f"{self.prefix}N{number}"] = spec.create(group=self)

    group = Ioc(prefix="p:", count=2)
    assert {name: pv.value for name, pv in group.pvdb.items()} == {"p:N0": 0, "p:N1": 1}


def test_pairs_take_hooks_for_either_half() -> None:
    pair = get_pv_pair_wrapper(setpoint_suffix="_SP", readback_suffix="")

    class Ioc(PVGroup):
        a = pair(name="A", dtype=float)
        b = pair(value=1)

        @a.setpoint.putter
        async def a(self, instance: Any, value: Any) -> None:
            await self.readback.write(value / 2)

        @b.readback.getter
        async def b(self, instance: Any) -> int:
            return 5

    group: Any = Ioc(prefix="p:")
    run(group.a.setpoint.write(3.0))
    run(group.b.readback.read(group.b.readback.data_type))
    assert {name: pv.value for name, pv in group.pvdb.items()} == {"p:A_SP": 3.0, "p:A": 1.5, "p:b_SP": 1, "p:b": 5}


def test_an_alarm_forgets_pvs_that_are_gone() -> None:
    import gc

    from caproto import ChannelAlarm, ChannelDouble

    alarm = ChannelAlarm()
    kept = ChannelDouble(value=1.0, alarm=alarm)
    for _ in range(3):
        ChannelDouble(value=1.0, alarm=alarm)
    gc.collect()
    run(alarm.write(severity=2, status=3))
    assert alarm._channels == [kept] and len(alarm._references) == 1 and kept.severity == 2
    kept.alarm = ChannelAlarm()
    assert not alarm._channels


def test_hooks_that_a_subclass_gives_one_after_the_other_belong_to_one_pv() -> None:
    class Base(PVGroup):
        a = pvproperty(value=1, record="motor")
        both = get_pv_pair_wrapper()(dtype=int)

    class Ioc(Base):
        @Base.a.putter
        async def a(self, instance: Any, value: Any) -> Any:
            return value + 1

        @Base.a.startup
        async def a(self, instance: Any, async_lib: Any) -> None: ...  # noqa: F811

        @Base.a.scan(period=1)
        async def a(self, instance: Any, async_lib: Any) -> None: ...  # noqa: F811

        @Base.a.fields.stop.putter
        async def a(fields, instance: Any, value: Any) -> None:  # noqa: F811
            await fields.parent.write(77)

        @Base.both.setpoint.putter
        async def both(self, instance: Any, value: Any) -> None:
            await self.readback.write(value * 3)

        @Base.both.readback.startup
        async def both(self, instance: Any, async_lib: Any) -> None: ...  # noqa: F811

        @Base.both.setpoint.startup
        async def both(self, instance: Any, async_lib: Any) -> None: ...  # noqa: F811

    group: Any = Ioc(prefix="p:")
    run(group.a.fields["STOP"].write(1))
    run(group.both.setpoint.write(2))
    assert (group.a.value, group.both.readback.value) == (78, 6)
    assert None not in (group.a.startup, group.a.scan, group.both.readback.startup, group.both.setpoint.startup)
    assert Base(prefix="p:").a.putter is None


def test_names_that_begin_with_an_underscore_are_those_of_hooks_and_not_of_pvs() -> None:
    class Base(PVGroup):
        template = pvproperty(value=1)
        given = pvproperty(value=1)

        @given.putter
        async def _(self, instance: Any, value: Any) -> int:
            return 5

        @given.startup
        async def _(self, instance: Any, async_lib: Any) -> None: ...

        @template.putter
        async def _(self, instance: Any, value: Any) -> int:
            return 6

        _hidden = pvproperty(value=1)
        _group = SubGroup(Inner)

    class Ioc(Base):
        @Base.given.putter
        async def _put_given(self, instance: Any, value: Any) -> int:
            return 7

        @Base.given.shutdown
        async def _end_given(self, instance: Any, async_lib: Any) -> None: ...

    for cls, given in ((Base, 5), (Ioc, 7), (Base, 5)):
        group: Any = cls(prefix="p:")
        assert list(group.pvdb) == ["p:template", "p:given"]
        run(group.given.write(3))
        run(group.template.write(3))
        assert (group.given.value, group.template.value) == (given, 6)
        assert group.given.startup is not None and (group.given.shutdown is None) == (cls is Base)
        with pytest.raises(AttributeError, match=r"test_idioms_groups.py:\d+.*begins with an underscore"):
            group._hidden.value  # noqa: B018
