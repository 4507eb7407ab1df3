"""``--acf FILE``: rights of real libca clients follow the file, inputs that change, and the field ASG."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import caproto._commands as ca
from caproto import CaprotoRuntimeError
from caproto.server import PVGroup, ioc_arg_parser, pvproperty
from caproto.server._access import AccessSecurity
from caproto.server._engine import ServerEngine
from caproto.server._runtime import load_access
from tests.server.talk import Client, Loop
from tests.server_framework.served import serving

needs_pyepics = pytest.mark.skipif(importlib.util.find_spec("epics") is None, reason="no pyepics: no libca client here")

IOC = """
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

class Beamline(PVGroup):
    on = pvproperty(value=0, asg="anyone")
    shutter = pvproperty(value=0.0, asg="beam")
    energy = pvproperty(value=1.0, asg="levels", asl=1)
    gap = pvproperty(value=2.0, asg="levels")
    plain = pvproperty(value=3.0)
    motor = pvproperty(value=4.0, record="ao", asg="anyone")

ioc_options, run_options = ioc_arg_parser(default_prefix="b:", desc="for a test")
run(Beamline(**ioc_options).pvdb, **run_options)
"""
RULES = """
HAG(here) {127.0.0.1}
ASG(DEFAULT) { RULE(1, READ) }
ASG(anyone) { RULE(1, WRITE) }
ASG(beam) {
    INPA("b:on")
    RULE(1, READ)
    RULE(1, WRITE) { HAG(here) CALC("A=0") }
}
ASG(levels) { RULE(1, READ) RULE(0, WRITE) }
"""
CLIENT = """
import json, time, epics
def until(condition):
    deadline = time.time() + 10
    while not condition():
        assert time.time() < deadline
        time.sleep(0.01)
told = {"shutter": [], "motor": []}
def follow(name):
    def callback(read, write, pv=None, **kw):
        told[name].append([bool(read), bool(write)])
    return callback
pvs = {name: epics.PV("b:" + name) for name in ("on", "energy", "gap", "plain")}
pvs |= {name: epics.PV("b:" + name, access_callback=follow(name)) for name in told}
pvs |= {name: epics.PV("b:" + name) for name in ("motor.ASG", "motor.HIHI")}
assert all(pv.wait_for_connection(10) for pv in pvs.values())
until(lambda: all(told.values()))
out = {"first": {name: [bool(pv.read_access), bool(pv.write_access)] for name, pv in pvs.items()}}
told["shutter"].clear(), told["motor"].clear()
pvs["on"].put(1, wait=True)
until(lambda: told["shutter"])
pvs["on"].put(0, wait=True)
until(lambda: len(told["shutter"]) > 1)
pvs["motor.ASG"].put("levels", wait=True)
until(lambda: not pvs["motor.HIHI"].write_access)
pvs["motor"].put(5.0, wait=True)
out["motor"] = [told["motor"], pvs["motor"].get(use_monitor=False), pvs["motor.HIHI"].read_access]
out["shutter"] = told["shutter"]
print(json.dumps(out))
"""
READ, BOTH = [True, False], [True, True]


@needs_pyepics
@pytest.mark.interop
@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_rights_follow_the_file_the_inputs_and_the_group(skin: str, tmp_path: Path) -> None:
    if skin == "trio":
        pytest.importorskip("trio")
    (tmp_path / "ioc.py").write_text(IOC)
    (tmp_path / "rules.acf").write_text(RULES)
    with serving(["ioc.py", "--acf", "rules.acf", "--async-lib", skin], "b:on", tmp_path) as (_, environment):
        done = subprocess.run(
            [sys.executable, "-c", CLIENT], capture_output=True, text=True, timeout=60, env=environment, check=False
        )
    assert done.returncode == 0, done.stderr
    out: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert out["first"] == {
        "on": BOTH, "shutter": BOTH, "energy": READ, "gap": BOTH, "plain": READ,
        "motor": BOTH, "motor.ASG": BOTH, "motor.HIHI": BOTH,
    }  # fmt: skip
    assert out["shutter"] == [READ, BOTH]  # the beam goes on and off again
    assert out["motor"] == [[], 5.0, True]  # its value has level 0, its fields have 1


def test_a_file_with_a_mistake_ends_the_start_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "ioc.py").write_text(IOC)
    (tmp_path / "rules.acf").write_text("ASG(DEFAULT) {\n RULE(1, READ, FLY)\n}")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "ioc.py"), "--acf", str(tmp_path / "rules.acf")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0 and "rules.acf, line 2" in done.stderr


def test_the_option_becomes_an_argument_of_run(tmp_path: Path) -> None:
    file = tmp_path / "some.acf"
    file.write_text("ASG(DEFAULT) { RULE(1, READ) }")
    assert ioc_arg_parser(default_prefix="x:", desc="", argv=["--acf", str(file)])[1]["access_security"] == str(file)
    assert ioc_arg_parser(default_prefix="x:", desc="", argv=[])[1].keys() == {
        "module_name",
        "log_pv_names",
        "interfaces",
    }


@pytest.mark.parametrize("wrong", [{"asl": 2}, {"asg": 5}])
def test_wrong_levels_and_groups_fail_at_start(wrong: dict[str, Any]) -> None:
    class Wrong(PVGroup):
        x = pvproperty(value=1, **wrong)

    with pytest.raises(CaprotoRuntimeError, match=r"Wrong\.x.*asg="):
        Wrong(prefix="w:")


def test_field_asg_shows_the_group() -> None:
    class Shown(PVGroup):
        x = pvproperty(value=1.0, record="ai", asg="beam")
        y = pvproperty(value=1.0, record="ai")

    shown = Shown(prefix="s:")
    assert [pv.get_field("ASG").value for pv in shown.pvdb.values()] == ["beam", ""]
    assert [pv.asg for pv in shown.pvdb.values()] == ["beam", "DEFAULT"]


def test_a_group_that_the_ioc_changes_is_told_under_any_name() -> None:
    class Moved(PVGroup):
        x = pvproperty(value=1.0, record="ai", asg="open")
        other = pvproperty(value=1.0, asg="open")

    moved = Moved(prefix="m:")
    pvdb = {"alias": moved.x, "other": moved.other}
    access = AccessSecurity("ASG(DEFAULT) { RULE(1, READ) } ASG(open) { RULE(1, WRITE) }")
    client = Client(ServerEngine(pvdb, port=5064, spawn=Loop().spawn, access=access))
    for cid, name in enumerate(["alias", "alias.HIHI", "other"]):
        rights, _ = client.ask(ca.CreateChanRequest(name, cid, 13))
        assert rights == ca.AccessRightsResponse(cid, 3)
    moved.x.asg = "DEFAULT"
    assert client.answers() == [ca.AccessRightsResponse(0, 1), ca.AccessRightsResponse(1, 1)]
    moved.x.asg = "open"
    assert client.answers() == [ca.AccessRightsResponse(0, 3), ca.AccessRightsResponse(1, 3)]


def test_what_is_left_out_is_told_by_the_server_and_not_by_the_command_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "rules.acf"
    file.write_text('ASG(DEFAULT) { RULE(1, READ) RULE(1, WRITE) { METHOD("x509") } }')
    options = ioc_arg_parser(default_prefix="x:", desc="", argv=["--quiet", "--acf", str(file)])[1]
    assert not caplog.records
    load_access(options["access_security"])
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_field_may_be_an_input(caplog: pytest.LogCaptureFixture) -> None:
    class Group(PVGroup):
        on = pvproperty(value=0, record="longout")

    rules = (
        'ASG(other) { INPA("none.DISV") } ASG(DEFAULT) { INPA("on.DISV") RULE(1, READ) RULE(1, WRITE) {CALC("A=1")} }'
    )
    group = Group(prefix="")
    client = Client(ServerEngine(group.pvdb, port=5064, spawn=Loop().spawn, access=AccessSecurity(rules)))
    assert "INPA of access security group other: there is no none.DISV here" in caplog.text
    rights, _ = client.ask(ca.CreateChanRequest("on", 5, 13))
    assert rights == ca.AccessRightsResponse(5, 3)
    asyncio.run(group.on.get_field("DISV").write(0))
    assert client.answers() == [ca.AccessRightsResponse(5, 1)]


def test_levels_of_fields_are_those_of_epics_base() -> None:
    class Levels(PVGroup):
        x = pvproperty(value=1, record="mbboDirect", asg="open")

    levels = Levels(prefix="l:")
    assert [levels.x.get_field(name).asl for name in ("VAL", "B3", "OUT", "ASG")] == [0, 0, 1, 1]
    assert [levels.x.get_field(name).asg for name in ("VAL", "B3", "OUT")] == ["open"] * 3
