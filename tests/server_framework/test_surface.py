"""Names, parameters and defaults that IOCs for caproto 1.x use (surface.json)."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

SURFACE: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("surface.json").read_text())
OF_INSTANCES = {"RecordFieldGroup": ("scan_rate_sec",), "SubGroup": ("group_dict",)}
NAMES = [(module, name) for module, names in SURFACE.items() for name in names]


def check(thing: Any, known: dict[str, Any] | None, where: str) -> None:
    """Everything that was accepted still is, at its place, and what was optional still is."""
    if not known:
        return
    have = inspect.signature(thing).parameters
    any_keyword = any(parameter.kind is parameter.VAR_KEYWORD for parameter in have.values())
    any_positional = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in have.values())
    positional = [name for name in have if have[name].kind is have[name].POSITIONAL_OR_KEYWORD]
    positional = [name for name in positional if name not in ("self", "cls")]
    if not any_positional:
        assert positional[: len(known["positional"])] == known["positional"], where
    for name in known["positional"] + known["keyword"]:
        assert name in have or any_keyword, f"{where}: no parameter {name!r}"
        if name in have and name not in known["required"] + known["keyword"]:
            assert have[name].default is not inspect.Parameter.empty or any_positional, f"{where}: {name!r}"
    named = known["positional"] + known["keyword"]
    assert any_keyword or not known["any"] or not named, f"{where}: takes no further keywords"


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda text: text)
def test_what_users_call(module: str, name: str) -> None:
    thing, known = getattr(importlib.import_module(module), name), SURFACE[module][name]
    if "methods" not in known:
        check(thing, known, name)
        return
    check(thing, known["init"], name)
    bases = {cls.__name__ for cls in thing.__mro__}
    for base in (known["base"] or "").split(", "):
        assert not base or base in bases, base
    for method, signature in known["methods"].items():
        assert inspect.iscoroutinefunction(getattr(thing, method)) == signature["async"], method
        check(getattr(thing, method), signature, f"{name}.{method}")
    for attribute in known["attributes"]:
        assert hasattr(thing, attribute) or attribute in OF_INSTANCES.get(name, ()), attribute
