"""The same statements through pyepics, with the real libca, and through ours, each against a fresh real IOC."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import load_codec
from tests.flavours.pyepics_cases import CASES
from tests.interop.ioc import Ioc

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(importlib.util.find_spec("epics") is None, reason="no pyepics to compare with"),
    pytest.mark.skipif(importlib.util.find_spec("epicscorelibs") is None, reason="no real IOC to talk to"),
    pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="pyepics returns other types without numpy"),
]


def run(library: str, **environment: str) -> dict[str, Any]:
    ioc = Ioc()
    try:
        ioc.start()
        done = subprocess.run(
            [sys.executable, "-m", "tests.flavours.pyepics_cases", library],
            env={**ioc.environment, **environment},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    finally:
        ioc.close()
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    return run("epics")


@pytest.fixture(scope="module", params=["cython", "python"])
def ours(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    load_codec(request.param)
    yield run("caproto", CAPROTO_CODEC=request.param)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_same_as_pyepics(theirs: dict[str, Any], ours: dict[str, Any], name: str) -> None:
    assert "raised" not in theirs[name], theirs[name]
    assert ours[name] == theirs[name]
