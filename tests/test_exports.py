"""Names, parameters and defaults that code written for caproto 1.x uses (tests/data/public_surface.json)."""

from __future__ import annotations

import ast
import enum
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import caproto

SURFACE: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "public_surface.json").read_text())
SENTINELS = {name for name, text in SURFACE["constants"].items() if name == text and name.isupper()}
# Their reading, writing and publishing belong to the server, a separate part; their names must be there.
DATA_CLASSES = {
    "ChannelAlarm",
    "ChannelByte",
    "ChannelChar",
    "ChannelData",
    "ChannelDouble",
    "ChannelEnum",
    "ChannelFloat",
    "ChannelInteger",
    "ChannelNumeric",
    "ChannelShort",
    "ChannelString",
}
# What user code imports by its private path.
PRIVATE = {
    "caproto._commands": ["Message", "read_datagram", "read_from_bytestream", "bytelen", "Commands"],
    "caproto._dbr": [
        "DBR_TYPES",
        "ChannelType",
        "TimeStamp",
        "native_type",
        "DBR_TIME_DOUBLE",
        "DBR_CTRL_ENUM",
    ],
    "caproto._headers": ["MessageHeader", "ExtendedMessageHeader"],
    "caproto._status": ["CAStatus", "CAStatusCode"],
    "caproto._constants": ["MAX_UDP_RECV", "EPICS2UNIX_EPOCH"],
    "caproto._utils": ["CLIENT", "SERVER", "NEED_DATA", "CaprotoError", "bcast_socket", "ThreadsafeCounter"],
    "caproto._log": ["config_caproto_logging", "set_handler"],
    "caproto._data": ["ChannelData", "ChannelDouble", "ChannelEnum"],
    "caproto._circuit": ["VirtualCircuit", "ClientChannel", "ServerChannel"],
    "caproto._broadcaster": ["Broadcaster", "extract_address"],
    "caproto._state": ["CircuitState", "ChannelState"],
}


def parameters(signature: str) -> list[tuple[str, str, bool]]:
    """(name, kind, has a default) of a printed signature, ``self`` and ``cls`` left out."""
    signature = signature.replace("<CAStatus.ECA_NEWCONN", "'").split("'")[0] if "<CAStatus" in signature else signature
    if signature.endswith("status="):
        signature += "1"
    function = ast.parse(f"def f({signature}): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    spec = function.args
    plain = [*spec.posonlyargs, *spec.args]
    first = len(plain) - len(spec.defaults)
    found = [(arg.arg, "positional", index >= first) for index, arg in enumerate(plain)]
    found += [
        (arg.arg, "keyword", default is not None)
        for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    ]
    return [item for item in found if item[0] not in ("self", "cls")]


def check_callable(thing: Any, signature: str, where: str) -> None:
    """Every printed parameter is accepted at its place, and what had a default still has one."""
    if signature == "...":
        return
    try:
        have = inspect.signature(thing).parameters
    except ValueError:  # ctypes structures take their fields and do not say so
        return
    takes_any = any(p.kind is p.VAR_KEYWORD for p in have.values())
    wanted = parameters(signature)
    for name, kind, default in wanted:
        if name not in have:
            assert takes_any, f"{where}: no parameter {name!r} in {list(have)}"
            continue
        assert not default or have[name].default is not inspect.Parameter.empty, f"{where}: {name} lost its default"
        assert kind != "positional" or have[name].kind is not inspect.Parameter.KEYWORD_ONLY, f"{where}: {name}"
    order = [name for name, kind, _ in wanted if kind == "positional" and name in have]
    assert [name for name in have if name in order] == order, f"{where}: order of parameters"
    printed = {name for name, _, _ in wanted}
    for name, parameter in have.items():
        new = name not in printed and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if new and name not in ("self", "cls"):
            assert parameter.default is not inspect.Parameter.empty, f"{where}: new required parameter {name!r}"


@pytest.mark.parametrize("name", SURFACE["constants"])
def test_constant(name: str) -> None:
    value, text = getattr(caproto, name), SURFACE["constants"][name]
    if name in SENTINELS:
        assert repr(value) == name
        assert pickle.loads(pickle.dumps(value)) is value
    elif text.startswith(("set of ", "dict of ")):
        assert len(value) == int(text.split()[-1])
    elif text[0].isdigit() or text == "True":
        assert value == ast.literal_eval(text)


def test_families_of_channel_types() -> None:
    types = caproto.ChannelType
    assert caproto.char_types == {types.CHAR, types.TIME_CHAR, types.CTRL_CHAR}
    assert caproto.native_float_types == {types.FLOAT, types.DOUBLE}
    assert caproto.native_int_types == {types.INT, types.ENUM, types.CHAR, types.LONG}
    assert caproto.native_types == set(list(types)[:7])
    assert caproto.time_types == {types(number) for number in range(14, 21)}
    assert caproto.status_types == {types(number) for number in range(7, 14)}


@pytest.mark.parametrize("name", SURFACE["functions"])
def test_function(name: str) -> None:
    check_callable(getattr(caproto, name), SURFACE["functions"][name], name)


@pytest.mark.parametrize("name", SURFACE["classes"])
def test_class(name: str) -> None:
    thing, spec = getattr(caproto, name), SURFACE["classes"][name]
    assert inspect.isclass(thing)
    for base in (spec["base"] or "").split(", "):
        if base and not base.startswith("_"):
            known = {cls.__name__ for cls in thing.__mro__}
            assert base in known or base in ("DbrTypeBase", "BigEndianStructure", "Filter"), (
                name,
                base,
                known,
            )
    if name in DATA_CLASSES or "members" in spec:
        return
    if spec["base"] != "tuple":
        check_callable(thing, spec["signature"], name)
    holder = caproto.VirtualCircuit(caproto.CLIENT, ("127.0.0.1", 5064), 0) if name == "VirtualCircuit" else thing
    for method, description in spec["methods"].items():
        check_callable(getattr(holder, method), description["signature"], f"{name}.{method}")


@pytest.mark.parametrize("name", [name for name, spec in SURFACE["classes"].items() if "members" in spec])
def test_enumeration(name: str) -> None:
    thing, members = getattr(caproto, name), SURFACE["classes"][name]["members"]
    assert issubclass(thing, enum.Enum)
    for member, value in members.items():
        found = thing[member].value
        if value is not None:
            assert found == (value if isinstance(found, str) else int(value)), member


MESSAGES = [
    name
    for name, spec in SURFACE["classes"].items()
    if spec["base"] == "Message" and name not in ("Message", "EventAddRequestPayload")
]


@pytest.mark.parametrize("name", MESSAGES)
def test_message_attributes(name: str) -> None:
    thing = getattr(caproto, name)
    for attribute in SURFACE["classes"][name]["attributes"]:
        assert hasattr(thing, attribute), f"{name}.{attribute}"
    assert isinstance(thing.ID, int)
    assert thing.DIRECTION in (caproto.REQUEST, caproto.RESPONSE)


@pytest.mark.parametrize("module", PRIVATE)
def test_private_paths_stay(module: str) -> None:
    imported = __import__(module, fromlist=["*"])
    missing = [name for name in PRIVATE[module] if not hasattr(imported, name)]
    assert not missing


def test_all_is_complete_and_explicit() -> None:
    assert len(set(caproto.__all__)) == len(caproto.__all__)
    names = {*SURFACE["constants"], *SURFACE["functions"], *SURFACE["classes"]}
    assert not [name for name in caproto.__all__ if not hasattr(caproto, name)]
    assert not sorted(names - set(caproto.__all__))
