"""The tables of record fields say what the database definitions of EPICS Base say."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from caproto import CaprotoValueError, ChannelType
from caproto.server import PVGroup, menus, pvproperty, records
from caproto.server.records._group import Field, table_of

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "caproto" / "server" / "records" / "tables"
TYPES = sorted(records.records)
BASE = [name for name in TYPES if name not in ("asyn", "motor")]
NATIVE = {
    "STRING": ChannelType.STRING, "INLINK": ChannelType.STRING, "OUTLINK": ChannelType.STRING,
    "FWDLINK": ChannelType.STRING, "CHAR": ChannelType.CHAR, "UCHAR": ChannelType.CHAR, "SHORT": ChannelType.INT,
    "USHORT": ChannelType.LONG, "LONG": ChannelType.LONG, "ULONG": ChannelType.DOUBLE, "INT64": ChannelType.DOUBLE,
    "UINT64": ChannelType.DOUBLE, "FLOAT": ChannelType.FLOAT, "DOUBLE": ChannelType.DOUBLE, "MENU": ChannelType.ENUM,
    "DEVICE": ChannelType.ENUM,
}  # fmt: skip


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_tables", ROOT / "scripts" / "record_tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def definitions() -> Path:
    path = pytest.importorskip("epicscorelibs.path")
    return Path(path.base_path) / "dbd"


def test_the_tables_are_what_the_script_makes(script: ModuleType) -> None:
    made = script.render(definitions())
    assert sorted(made) == sorted(
        p.name for p in TABLES.glob("*.py") if p.name not in ("__init__.py", "asyn.py", "motor.py")
    )
    for name, text in made.items():
        assert (TABLES / name).read_text() == text, name


@pytest.mark.parametrize("record", BASE)
def test_fields_match_the_definition(record: str) -> None:
    """Read the definition once more, in another way than the script does."""
    directory = definitions()
    table, seen = table_of(record), {"RTYP"}
    text = (directory / f"{record}Record.dbd").read_text() + (directory / "dbCommon.dbd").read_text()
    for name, kind, body in re.findall(r"field\((\w+),\s*DBF_(\w+)\)\s*\{\n(.*?)\n\s*\}", text, re.DOTALL):
        if kind == "NOACCESS" and "SPC_DBADDR" not in body and name != "TIME":
            assert name not in table
            continue
        seen.add(name)
        field = table[name]
        assert field.type == kind
        assert field.read_only == ("SPC_NOMOD" in body)
        for option, value in (("menu", field.menu), ("initial", field.initial), ("prompt", field.prompt)):
            found = re.search(rf'\b{option}\("?(.*?)"?\)\s*(?:#.*)?$', body, re.MULTILINE)
            assert value == (found[1] if found else ""), (name, option)
        size = re.search(r"\bsize\((\d+)\)", body)
        assert field.size == (int(size[1]) if size else 0)
    assert seen == set(table)


def test_every_type_of_base_is_there() -> None:
    files = {p.name.removesuffix("Record.dbd") for p in definitions().glob("*Record.dbd")} - {"dbCommon"}
    assert set(BASE) == files


def group(record: str, **keywords: Any) -> Any:
    class Group(PVGroup):
        pv = pvproperty(record=record, **({"value": 1.0} | keywords))

    return Group(prefix="rec:").pv


@pytest.mark.parametrize("record", TYPES)
def test_every_field_can_be_made(record: str) -> None:
    pv = group(record)
    assert pv.get_field("RTYP").value == record
    assert pv.get_field("NAME").value == "rec:pv"
    for name, field in pv.fields.items():
        spec: Field = table_of(record)[name]
        assert field.pvname == f"rec:pv.{name}"
        if spec.type in NATIVE:
            assert field.data_type == NATIVE[spec.type], name
        assert field.check_access("host", "user") == (1 if spec.read_only else 3)
        assert getattr(pv.field_inst, spec.attr) is field
        assert getattr(pv.field_inst, name) is field


@pytest.mark.parametrize("record", TYPES)
def test_attributes_are_unambiguous_and_free(record: str) -> None:
    attributes = [field.attr for field in table_of(record).values()]
    assert len(set(attributes)) == len(attributes)
    taken = {"alarms", "groups", "log", "macros", "name", "parent", "prefix", "publish", "pvdb", "states", "by_name"}
    assert not taken & set(attributes)
    assert all(attr.isidentifier() for attr in attributes)


def test_fields_are_made_when_they_are_used() -> None:
    pv = group("ai")
    assert pv._field_inst is None
    pv.get_field("HIHI")
    assert list(pv.field_inst.made) == ["HIHI"]


def test_initial_values() -> None:
    motor = group("motor")
    assert motor.field_inst.seconds_to_velocity.value == 0.2
    assert motor.field_inst.done_moving_to_value.value == 1
    assert motor.field_inst.stop_pause_move_go.value == "Go"
    assert motor.get_field("RMOD").enum_strings == ("Default", "Arithmetic", "Geometric", "In-Position")
    ai = group("ai", units="mm", precision=3, upper_alarm_limit=7.0, doc="How far\nit is")
    assert {name: ai.get_field(name).value for name in ("EGU", "PREC", "HIHI", "DESC", "ASLO")} == {
        "EGU": "mm", "PREC": 3, "HIHI": 7.0, "DESC": "How far", "ASLO": 1.0,
    }  # fmt: skip
    assert ai.get_field("SCAN").enum_strings[:3] == ("Passive", "Event", "I/O Intr")
    assert ai.get_field("DTYP").enum_strings[0] == "Soft Channel"
    assert ai.get_field("SSCN").raw_value == 65535
    assert len(ai.get_field("STAT").enum_strings) == 16
    waveform = group("waveform", value=[1.0, 2.0], max_length=7)
    assert (waveform.get_field("NELM").value, waveform.get_field("NORD").value) == (7, 2)
    assert waveform.get_field("FTVL").value in ("DOUBLE", 10)


def test_the_type_of_a_record_is_that_of_its_value() -> None:
    class Group(PVGroup):
        ai = pvproperty(record="ai")
        text = pvproperty(record="stringin")
        count = pvproperty(record="longout")

    types = {pv.pvname: pv.data_type for pv in Group(prefix="").pvdb.values()}
    assert types == {"ai": ChannelType.DOUBLE, "text": ChannelType.STRING, "count": ChannelType.LONG}


def test_older_attributes_of_fields() -> None:
    lso, asub = group("lso"), group("aSub")
    assert lso.field_inst.desired_output_link is lso.get_field("DOL")
    assert asub.field_inst.num_elements_in_ovlh is asub.get_field("ONVH")
    with pytest.raises(AttributeError):
        _ = group("ai").field_inst.num_elements_in_ovlh


def test_unknown_record_and_field() -> None:
    with pytest.raises(RuntimeError, match=r"Group.pv \(.*test_records.py:\d+\).*'nonsense' is none of"):
        group("nonsense")
    with pytest.raises(KeyError, match="rec:pv: record 'ai' has no field 'XYZ'"):
        group("ai").get_field("XYZ")
    with pytest.raises(CaprotoValueError, match="_record_type"):
        records.register_record(PVGroup)  # type: ignore[type-var]


def test_a_record_class_of_ones_own() -> None:
    @records.register_record
    class Mine(records.MotorFields):
        _record_type = "mine"
        resolution = pvproperty(name="RES", value=0.5)

    try:
        pv = group("mine")
        assert pv.get_field("RTYP").value == "mine"
        assert pv.get_field("RES").value == 0.5
        assert pv.field_inst.resolution is pv.get_field("RES")
        assert pv.get_field("VELO").value == 0.0
        assert "RES" in pv.fields and "RES" not in group("motor").fields
    finally:
        del records.records["mine"]


def test_menus() -> None:
    assert menus.menuScan.scan_point_1_second == 9
    assert menus.menuScan.I_O_Intr.name == "I_O_Intr"
    assert menus.menuAlarmSevr.get_string_tuple() == ("NO_ALARM", "MINOR", "MAJOR", "INVALID")
    assert menus.menus["menuYesNo"] is menus.menuYesNo
    assert len(menus.menuAlarmStat) == 22
    text = "\n".join(path.read_text() for path in definitions().glob("*.dbd"))
    for name, body in re.findall(r"^\s*menu\((\w+)\)\s*\{(.*?)\}", text, re.DOTALL | re.MULTILINE):
        labels = tuple(re.findall(r'choice\(\w+\s*,\s*"(.*?)"\)', body))
        assert menus.menus[name].get_string_tuple() == labels
        assert len(menus.menus[name]) == len(labels)
