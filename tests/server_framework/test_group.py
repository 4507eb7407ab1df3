"""Classes become PVs: names, types, values, inheritance, subgroups; mistakes name their line."""

from __future__ import annotations

import array
import enum
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import caproto
from caproto import CaprotoRuntimeError, ChannelType
from caproto.server import (
    PVGroup,
    PvpropertyDouble,
    PvpropertyInteger,
    PVSpec,
    SubGroup,
    channeldata_from_pvspec,
    data_class_from_pvspec,
    expand_macros,
    get_pv_pair_wrapper,
    ioc_arg_parser,
    pvfunction,
    pvproperty,
    records,
    template_arg_parser,
)

HERE = r"\(.*test_group.py:\d+\)"


class Mode(enum.IntEnum):
    idle = 0
    run = 1
    stop = 2


def made(**keywords: Any) -> Any:
    class Group(PVGroup):
        pv = pvproperty(**keywords)

    return Group(prefix="p:").pv


@pytest.mark.parametrize(
    ("keywords", "cls", "value", "count"),
    [
        ({"value": 1}, "PvpropertyInteger", 1, 1),
        ({"value": 1.5}, "PvpropertyDouble", 1.5, 1),
        ({"value": "abc"}, "PvpropertyChar", "abc", 3),
        ({"value": b"abc", "max_length": 10}, "PvpropertyByte", b"abc", 10),
        ({"value": True}, "PvpropertyBoolEnum", True, 1),
        ({"value": [1, 2, 3]}, "PvpropertyInteger", [1, 2, 3], 3),
        ({"value": [1, 2.5]}, "PvpropertyDouble", [1, 2.5], 2),
        ({"value": ["a", "b"], "max_length": 5}, "PvpropertyString", ["a", "b"], 5),
        ({"dtype": int}, "PvpropertyInteger", 0, 1),
        ({"dtype": float, "max_length": 5}, "PvpropertyDouble", [0.0], 5),
        ({"dtype": str, "max_length": 50}, "PvpropertyChar", "", 50),
        ({"dtype": bytes}, "PvpropertyByte", b"", 1),
        ({"dtype": bool}, "PvpropertyBoolEnum", False, 1),
        ({"dtype": ChannelType.STRING, "value": "abc"}, "PvpropertyString", "abc", 1),
        ({"dtype": ChannelType.INT, "value": 3}, "PvpropertyShort", 3, 1),
        ({"dtype": ChannelType.FLOAT}, "PvpropertyFloat", 0.0, 1),
        ({"dtype": PvpropertyDouble, "value": 3}, "PvpropertyDouble", 3, 1),
        ({"value": Mode.run}, "PvpropertyEnum", "run", 1),
        ({"dtype": Mode, "value": Mode.stop, "record": "mbbi"}, "PvpropertyEnum", "stop", 1),
        ({"dtype": Mode}, "PvpropertyEnum", "idle", 1),
        ({"value": "two", "enum_strings": ["one", "two"]}, "PvpropertyEnum", "two", 1),
        ({"value": 1, "read_only": True}, "PvpropertyIntegerRO", 1, 1),
        ({"value": True, "read_only": True}, "PvpropertyBoolEnumRO", True, 1),
        ({"value": array.array("d", [1, 2])}, "PvpropertyDouble", array.array("d", [1, 2]), 2),
        ({"value": array.array("B", [1, 2])}, "PvpropertyByte", b"\1\2", 2),
        ({}, "PvpropertyInteger", 0, 1),
    ],
)
def test_type_and_value(keywords: dict[str, Any], cls: str, value: Any, count: int) -> None:
    pv = made(**keywords)
    assert (type(pv).__name__, pv.value, pv.max_length) == (cls, value, count)


@pytest.mark.parametrize(
    ("dtype", "cls"),
    [
        ("float64", "PvpropertyDouble"),
        ("float32", "PvpropertyFloat"),
        ("int64", "PvpropertyInteger"),
        ("int32", "PvpropertyInteger"),
        ("int16", "PvpropertyShort"),
        ("uint16", "PvpropertyInteger"),
        ("uint32", "PvpropertyDouble"),
        ("uint8", "PvpropertyByte"),
        ("U5", "PvpropertyString"),
    ],
)
def test_types_of_numpy(dtype: str, cls: str) -> None:
    numpy = pytest.importorskip("numpy")
    pv = made(value=numpy.zeros(5, dtype=dtype))
    assert type(pv).__name__ == cls
    assert pv.max_length == 5
    if dtype == "float64":
        assert type(made(value=numpy.float64(3))).__name__ == cls
        assert type(made(dtype=numpy.float64, max_length=5)).__name__ == cls


def test_clients_may_not_write_what_is_read_only() -> None:
    assert made(value=1).check_access("host", "user") == 3
    assert made(value=1, read_only=True).check_access("host", "user") == caproto.AccessRights.READ


pair = get_pv_pair_wrapper(setpoint_suffix="", readback_suffix="_RBV")


class Inner(PVGroup):
    z = pvproperty(value=1, name="{axis}z")

    def __init__(self, *args: Any, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scale = scale


class Outer(PVGroup):
    a = pvproperty(value=1.0)
    b = pvproperty(value=2, name="{macro}B")
    inner = SubGroup(Inner, macros={"axis": "x"}, scale=2.0)
    other = SubGroup(Inner, prefix="o-{macro}-", macros={"axis": "y"})

    @SubGroup(prefix="deco:")
    class decorated(PVGroup):
        y = pvproperty(value=[1, 2, 3])

    by_dict = SubGroup({"k": pvproperty(value=3), "n": PVSpec(value=4, name="N")}, prefix="d:")
    p = pair(value=1)

    @pvfunction(prefix="fn:")
    async def add(self, low: int = 100, high: float = 1000.0) -> float:
        """Add two numbers."""
        return low + high


def test_names_of_pvs() -> None:
    group = Outer(prefix="{macro}:", macros={"macro": "M"})
    assert list(group.pvdb) == [
        "M:a", "M:MB", "M:inner:xz", "M:o-M-yz", "M:deco:y", "M:d:k", "M:d:N", "M:p", "M:p_RBV",
        "M:fn:low", "M:fn:high", "M:fn:Status", "M:fn:Retval", "M:fn:Process",
    ]  # fmt: skip
    assert group.attr_to_pvname["inner.z"] == "M:inner:xz"
    assert group.attr_pvdb["by_dict.n"] is group.pvdb["M:d:N"] is group.by_dict.n
    assert (group.inner.name, group.inner.prefix, group.inner.parent) == ("Outer.inner", "M:inner:", group)
    assert (group.inner.scale, group.other.scale) == (2.0, 1.0)
    assert (group.a.name, group.inner.z.name) == ("Outer.a", "Outer.inner.z")
    assert group.groups["decorated"] is group.decorated
    assert type(group.add.high).__name__ == "PvpropertyDouble"
    assert group.add.status.check_access("", "") == 1


def test_instances_are_independent() -> None:
    one, two = Outer(prefix="1:", macros={"macro": ""}), Outer(prefix="2:", macros={"macro": ""})
    assert one.a is not two.a
    assert one.inner.z.alarm is not two.inner.z.alarm


def test_inheritance() -> None:
    class Base(PVGroup):
        a = pvproperty(value=1)
        b = pvproperty(value=2)
        gone = pvproperty(value=3)

    class Derived(Base):
        b = pvproperty(value=4.0)
        gone = None  # type: ignore[assignment]
        c = pvproperty(value=5)

        @Base.a.putter
        async def a(self, instance: Any, value: Any) -> Any:
            return value + 1

    assert list(Base(prefix="").pvdb) == ["a", "b", "gone"]
    assert {name: pv.value for name, pv in Derived(prefix="").pvdb.items()} == {"a": 1, "b": 4.0, "c": 5}
    assert Base(prefix="").a.putter is None
    assert Derived(prefix="").a.putter is not None


def test_alarm_groups() -> None:
    class Group(PVGroup):
        a = pvproperty(value=1.0, alarm_group="g")
        b = pvproperty(value=1.0, alarm_group="g")
        c = pvproperty(value=1.0)

    group = Group(prefix="")
    assert group.a.alarm is group.b.alarm is group.alarms["g"]
    assert group.c.alarm is not group.a.alarm


def test_type_hints() -> None:
    class Group(PVGroup):
        a: pvproperty[PvpropertyInteger[Any]] = pvproperty(value=1)
        b = pvproperty(value=1.0, dtype=PvpropertyDouble[records.AiFields])

    assert isinstance(Group(prefix="").a, PvpropertyInteger)
    assert Group(prefix="").b.record_type == "ai"


def test_maps_can_be_changed() -> None:
    class Group(PVGroup):
        type_map = {**PVGroup.type_map, str: caproto.server.PvpropertyString}
        default_values = {**PVGroup.default_values, int: 7}
        text = pvproperty(value="abc")
        count = pvproperty(dtype=int)

    group = Group(prefix="")
    assert (group.text.data_type, group.count.value) == (ChannelType.STRING, 7)


def test_specifications_without_a_group() -> None:
    pv = PVSpec(name="x", value=3).create(None)
    assert (pv.pvname, pv.value) == ("x", 3)
    group = Inner(prefix="p:", macros={"axis": ""})
    spec = PVSpec(attr="y", name="{axis}y", value=3.0)
    assert data_class_from_pvspec(group, spec) is PvpropertyDouble
    name, pv = channeldata_from_pvspec(group, spec)
    assert (name, pv.pvname) == ("p:y", "p:y")
    assert spec.new_names("q").name == "{axis}y"


@pytest.mark.parametrize(
    ("name", "expanded"),
    [
        ("plain", "plain"),
        ("{a}:{b}", "1:2"),
        ("XF:23{Tst-Ax:1}", "XF:23{Tst-Ax:1}"),
        ("{{a}}", "{a}"),
    ],
)
def test_macros(name: str, expanded: str) -> None:
    assert expand_macros(name, {"a": "1", "b": "2"}) == expanded


# Mistakes -----------------------------------------------------------------------------------------


async def good(self: Any, instance: Any, value: Any) -> None: ...


def plain(self: Any, instance: Any, value: Any) -> None: ...


async def short(self: Any, instance: Any) -> None: ...


async def keyword(self: Any, instance: Any, value: Any, *, more: int) -> None: ...


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (plain, r"plain \(.*test_group.py:\d+\): the put hook must be `async def .*`, but it is not `async`"),
        (short, r"short \(.*test_group.py:\d+\): .*, but its parameters are \(self, instance\)"),
        (keyword, r"keyword \(.*test_group.py:\d+\)"),
        (3, "cannot be called"),
    ],
)
def test_wrong_hooks(hook: Any, message: str) -> None:
    with pytest.raises(CaprotoRuntimeError, match=message):
        pvproperty(value=1).putter(hook)
    with pytest.raises(CaprotoRuntimeError, match=message):
        pvproperty(value=1, put=hook)


def test_hooks_may_be_wrapped() -> None:
    import functools

    class Callable:
        async def __call__(self, group: Any, instance: Any, value: Any) -> None: ...

    for hook in (good, functools.partial(good), Callable(), Callable().__call__):
        assert pvproperty(value=1, put=hook).pvspec.put is hook


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"value": 1, "nonsense": 3}, "nonsense"),
        ({"value": [1, 2, 3], "max_length": 2}, "3 elements do not fit"),
        ({"value": 1j}, "no data class for dtype=<class 'complex'>"),
        ({"value": []}, "empty sequence"),
        ({"value": 1, "name": "{zz}"}, "macro 'zz'.* has no value"),
        ({"value": 1, "record": "nonsense"}, "record='nonsense'"),
        ({"value": "three", "enum_strings": ["one", "two"]}, "state 'three' is none of 'one', 'two'"),
        ({"value": "Maybe", "dtype": bool}, "state 'Maybe' is none of 'Off', 'On'"),
        ({"value": "text", "dtype": int}, "'text'"),
        ({"value": 70000, "dtype": ChannelType.INT}, "70000"),
    ],
)
def test_mistakes_name_class_attribute_file_and_line(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(CaprotoRuntimeError, match=rf"Group.pv {HERE}: .*{message}"):
        made(**keywords)


def test_two_pvs_of_one_name() -> None:
    class Group(PVGroup):
        a = pvproperty(value=1, name="x")
        b = pvproperty(value=1, name="x")

    with pytest.raises(CaprotoRuntimeError, match=rf"Group.b {HERE}: PV name 'p:x' of 'b' is already that of 'a'"):
        Group(prefix="p:")


def test_a_hook_of_another_name() -> None:
    with pytest.raises(CaprotoRuntimeError, match=rf"a {HERE}: 'a_putter' is the same pvproperty as 'a'"):

        class Group(PVGroup):
            a = pvproperty(value=1)

            @a.putter
            async def a_putter(self, instance: Any, value: Any) -> None: ...


def test_reserved_names() -> None:
    with pytest.raises(CaprotoRuntimeError, match="'prefix' is an attribute of every PVGroup"):

        class Group(PVGroup):
            prefix = pvproperty(value=1)


def test_group_hooks_are_checked() -> None:
    with pytest.raises(CaprotoRuntimeError, match="group_write.* not `async`"):

        class Group(PVGroup):
            def group_write(self, instance: Any, value: Any) -> None:  # type: ignore[override]
                ...


def test_a_pv_is_not_replaced_by_assignment() -> None:
    group = Outer(prefix="", macros={"macro": ""})
    with pytest.raises(AttributeError, match=r"Outer.a is a PV .* `await self.a.write\(value\)`"):
        group.a = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Outer.inner is a SubGroup"):
        group.inner = 3  # type: ignore[assignment]


def test_hooks_of_fields_that_do_not_exist() -> None:
    prop = pvproperty(value=1.0, record="ai")
    with pytest.raises(AttributeError, match=f"{HERE}: AiFields has no field 'nonsense'"):
        _ = prop.fields.nonsense
    with pytest.raises(AttributeError, match="is no record"):
        _ = pvproperty(value=1).fields.HIHI


def test_a_pvfunction_must_be_async_and_typed() -> None:
    with pytest.raises(CaprotoRuntimeError, match="must be `async def`"):
        pvfunction(lambda self: 3)

    async def untyped(self: Any, x) -> None:  # type: ignore[no-untyped-def]
        ...

    with pytest.raises(CaprotoRuntimeError, match="parameter 'x' needs an annotation"):
        pvfunction(untyped)


def test_mistakes_in_subgroups_name_it() -> None:
    class Group(PVGroup):
        inner = SubGroup(Inner)

    with pytest.raises(CaprotoRuntimeError, match=rf"Group.inner {HERE}: Inner.z {HERE}.*macro 'axis'"):
        Group(prefix="")


# Command line -------------------------------------------------------------------------------------


def test_arguments() -> None:
    ioc, run = ioc_arg_parser(
        desc="Test",
        default_prefix="a:",
        macros={"beamline": "X"},
        argv=["--prefix", "b:", "--beamline", "Y", "--interfaces", "127.0.0.1", "--list-pvs", "--async-lib", "trio"],
    )
    assert ioc == {"prefix": "b:", "macros": {"beamline": "Y"}}
    assert run == {"module_name": "caproto.trio.server", "log_pv_names": True, "interfaces": ["127.0.0.1"]}


def test_arguments_can_be_added() -> None:
    parser, split = template_arg_parser(desc="Test", default_prefix="a:", supported_async_libs=["asyncio"])
    parser.add_argument("--count", type=int, default=3)
    args = parser.parse_args([])
    ioc, run = split(args)
    assert (args.count, ioc["prefix"], run["module_name"]) == (3, "a:", "caproto.asyncio.server")
    with pytest.raises(SystemExit):
        parser.parse_args(["--async-lib", "trio"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--interfaces", "192.0.2.77"], "--interfaces: cannot listen on 192.0.2.77: "),
        (["--acf", "nosuch.acf"], "--acf: .*'nosuch.acf'"),
        (["--acf", "wrong.acf"], "--acf: wrong.acf, line 2: UAG.ops. is not defined"),
        (["--async-lib", "curio"], "--async-lib: invalid choice: 'curio'"),
        (["--async-lib", "trio"], "--async-lib: the package trio is not installed"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.acf").write_text("ASG(DEFAULT) {\n RULE(1, READ) { UAG(ops) } }\n")
    monkeypatch.setitem(sys.modules, "trio", None)  # as if it was not installed
    with pytest.raises(SystemExit) as ended:
        ioc_arg_parser(desc="Test", default_prefix="a:", argv=arguments)
    assert ended.value.code == 2
    assert re.search(f"error: argument {told}", capsys.readouterr().err.splitlines()[-1])


def test_import_is_quick_and_light() -> None:
    code = """
import sys, time
started = time.perf_counter()
import caproto.server
elapsed = time.perf_counter() - started
heavy = {"numpy", "asyncio", "trio", "psutil"} & set(sys.modules)
tables = [name for name in sys.modules if ".tables." in name and not name.endswith((".asyn", ".menus", ".motor"))]
print(elapsed, heavy or "", tables or "")
"""
    times = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        seconds, *rest = done.stdout.split()
        assert not rest
        times.append(float(seconds))
    assert min(times) < 0.1 * 2.5  # 0.1 s on a quiet machine; others may work on this one
