"""Both codecs keep the contract of ``_codec.pyi``: names, parameters and which of them have defaults."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

import caproto

TREE = ast.parse(Path(caproto.__file__).with_name("_codec.pyi").read_text())


def contract() -> dict[str, ast.AST | None]:
    """Every dotted name of the contract; a function's node for its parameters."""
    found: dict[str, ast.AST | None] = {}
    for node in TREE.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = None
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found[node.name] = None
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    names = [mark.id for mark in item.decorator_list if isinstance(mark, ast.Name)]
                    is_property = "property" in names
                    found[f"{node.name}.{item.name}"] = None if is_property else item
    return found


def load(codec: str) -> Any:
    try:
        return importlib.import_module({"cython": "caproto._codec", "python": "caproto._codec_py"}[codec])
    except ImportError as error:
        pytest.skip(f"no {codec} codec: {error}")


def resolve(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


@pytest.mark.parametrize("kind", ["cython", "python"])
@pytest.mark.parametrize("name", sorted(contract()))
def test_name_is_there(kind: str, name: str) -> None:
    resolve(load(kind), name)


@pytest.mark.parametrize("kind", ["cython", "python"])
@pytest.mark.parametrize("name", sorted(name for name, node in contract().items() if node is not None))
def test_parameters_agree(kind: str, name: str) -> None:
    node = contract()[name]
    assert isinstance(node, ast.FunctionDef)
    if kind == "cython" and name.rpartition(".")[2].startswith("__"):
        pytest.skip("the special methods of a compiled class do not show their parameters")
    parameters = inspect.signature(resolve(load(kind), name)).parameters.values()
    assert node.args.vararg is None and all(node.args.kw_defaults)
    plain, keywords = ([argument.arg for argument in part] for part in (node.args.args, node.args.kwonlyargs))
    stated = plain + keywords
    optional = plain[len(plain) - len(node.args.defaults) :] + keywords
    named = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
    assert [parameter.name for parameter in named] == stated
    assert [parameter.name for parameter in named if parameter.kind is parameter.KEYWORD_ONLY] == keywords
    assert [parameter.name for parameter in named if parameter.default is not parameter.empty] == optional
    assert (node.args.kwarg is not None) == (len(named) != len(parameters))


def test_nothing_public_is_missing_from_the_contract() -> None:
    module = load("python")
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }
    assert public <= set(contract())
