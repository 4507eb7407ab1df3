"""Type hints of IOCs: they are evaluated, and checked by mypy, as users expect."""

from __future__ import annotations

import enum
import subprocess
import sys
from pathlib import Path
from typing import Any

from caproto.server import PVGroup, PvpropertyDouble, SubGroup, pvproperty
from caproto.server.records import AiFields
from tests.server_framework import typed_ioc
from tests.server_framework.layer import run

HERE = Path(__file__).parent


def test_mypy_has_nothing_to_say_of_an_ioc_with_hints(tmp_path: Path) -> None:
    root = HERE.parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--follow-imports", "silent",
         "--cache-dir", str(tmp_path), str(HERE / "typed_ioc.py")],
        capture_output=True, text=True, cwd=root, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_ioc_with_hints_does_what_it_says() -> None:
    group = typed_ioc.Ioc(prefix="t:")
    run(group.motor.write(3.5))
    run(group.slit.gap.write(-1.0))
    assert (group.motor.field_inst.user_readback_value.value, group.slit.gap.value) == (3.5, 1.0)
    assert group.count.startup is not None and group.count.scan is not None
    run(group.motor.fields["STOP"].write(1))
    assert group.motor.value == 0.0


def test_a_pvproperty_may_be_hinted_with_its_data_and_its_record() -> None:
    class Inner(PVGroup):
        x = pvproperty(value=1)

    class Ioc(PVGroup):
        a: pvproperty[PvpropertyDouble, AiFields] = pvproperty[PvpropertyDouble, AiFields](value=1.0, record="ai")
        b = pvproperty[PvpropertyDouble](value=1.0)
        sub = SubGroup[Inner](Inner)

    assert list(Ioc(prefix="").pvdb) == ["a", "b", "sub:x"]
    assert (Ioc.a.record_type, Ioc.b.record_type) == ("ai", None)


def test_a_pv_is_documented_as_its_pvproperty() -> None:
    class Ioc(PVGroup):
        a = pvproperty(value=1.0, doc="How far", record="ai")

    group = Ioc(prefix="")
    assert (Ioc.a.__doc__, group.a.__doc__) == ("How far", "How far")
    assert group.a.get_field("EGU").__doc__ == "Engineering Units"


def test_states_that_an_enum_leaves_out_have_names() -> None:
    class Mode(enum.IntEnum):
        idle = 0
        busy = 1
        broken = 3

    class Ioc(PVGroup):
        mode = pvproperty(value=Mode.busy)

    mode: Any = Ioc(prefix="").mode
    assert mode.enum_strings == ("idle", "busy", "unset_2", "broken")
    run(mode.write("broken"))
    assert mode.raw_value == 3
