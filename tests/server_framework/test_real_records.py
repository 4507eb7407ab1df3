"""Every field of every record is announced by a real IOC of EPICS Base as it is by our tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from caproto.server import PVGroup, pvproperty, records
from caproto.server.records._group import table_of
from tests.server_framework.real import real_ioc
from tests.server_framework.served import ask

BASE = [name for name in sorted(records.records) if name not in ("asyn", "motor")]
pytestmark = pytest.mark.interop

# Fields whose type and size are those that other fields say; ours are scalars.
BY_OTHER_FIELDS = "NOACCESS"


@pytest.fixture(scope="module")
def announced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    database = "".join(f'record({name}, "r:{name}") {{}}\n' for name in BASE)
    with real_ioc(database, "r:ai", tmp_path_factory.mktemp("ioc")) as environment:
        yield ask([f"r:{name}.{field}" for name in BASE for field in table_of(name)], environment)


@pytest.mark.parametrize("record", BASE)
def test_types_rights_and_names_of_states(record: str, announced: dict[str, Any]) -> None:
    class Group(PVGroup):
        pv = pvproperty(value=1.0, record=record, name=f"r:{record}")

    pv = Group(prefix="").pv
    wrong = {}
    for name, field in pv.fields.items():
        spec, real = table_of(record)[name], announced[f"r:{record}.{name}"]
        if spec.type == BY_OTHER_FIELDS:
            assert real is not None or name == "TIME"
            continue
        if name == "RTYP":  # announced as writable, but every write is refused
            continue
        ours = [int(field.data_type), field.max_length, True, field.check_access("", "") == 3]
        states = list(getattr(field, "enum_strings", ()))
        if real is None or real[:4] != ours or real[5] != states:
            wrong[name] = (ours, states, real)
    assert not wrong


# A PV of ours has a value from the start, its limits are in force, and an array has a type.
OWN = {"UDF", "STAT", "SEVR", "AMSG", "HHSV", "HSV", "LSV", "LLSV", "LALM", "ALST", "MLST", "FTVL", "NORD"}
# What the support of a record does when a real IOC starts.
AT_START = {"INIT", "OLDN", "PACT"}


@pytest.mark.parametrize("record", BASE)
def test_initial_values(record: str, announced: dict[str, Any]) -> None:
    class Group(PVGroup):
        pv = pvproperty(value=1.0, record=record, name=f"r:{record}")

    pv = Group(prefix="").pv
    wrong = {}
    for name, field in pv.fields.items():
        real = announced[f"r:{record}.{name}"]
        if real is None or table_of(record)[name].type == BY_OTHER_FIELDS or name in OWN | AT_START:
            continue
        if table_of(record)[name].menu == "calcoutINAV" or (record == "sel" and len(name) == 1):
            continue  # the same
        value = field.raw_value if hasattr(field, "raw_value") else field.value
        value = value[0] if isinstance(value, bytes) else value
        if value != real[4]:
            wrong[name] = (value, real[4])
    assert not wrong
