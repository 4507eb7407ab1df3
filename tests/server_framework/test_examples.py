"""The example IOCs have the PVs that users know."""

from __future__ import annotations

import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from caproto.ioc_examples.__main__ import examples, main
from tests.server_framework.listing import EXAMPLES, Listed

NAMES = sorted(examples())


def served(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The PVs that an example would serve with its default options."""
    taken: dict[str, Any] = {}
    server = importlib.import_module("caproto.server")
    monkeypatch.setattr(server, "run", lambda pvdb, **options: taken.update(pvdb))
    monkeypatch.setattr(sys, "argv", [name, "--quiet"])
    monkeypatch.delitem(sys.modules, f"caproto.ioc_examples.{name}", raising=False)
    runpy.run_module(f"caproto.ioc_examples.{name}", run_name="__main__", alter_sys=False)
    return taken


def test_all_that_are_known_are_there() -> None:
    assert set(NAMES) == {*EXAMPLES, "waveform"}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_pvs_are_those_that_users_know(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pvdb = served(name, monkeypatch)
    assert sorted(pvdb) == sorted(EXAMPLES[name])
    for pvname, listed in EXAMPLES[name].items():
        pv = pvdb[pvname]
        rights = pv.check_access("host", "user")
        assert Listed(pv.data_type.name.replace("INT", "SHORT"), pv.max_length, rights == 1) == listed, pvname


def test_the_list() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "caproto.ioc_examples"], capture_output=True, text=True, timeout=60, check=True
    )
    for name in NAMES:
        assert re.search(rf"^  {re.escape(name)} +\S", done.stdout, re.MULTILINE)


def test_the_list_takes_no_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ioc_examples", "random_walk"])
    with pytest.raises(SystemExit):
        main()
    assert "unrecognized arguments: random_walk" in capsys.readouterr().err


def test_help_says_what_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["macros", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("caproto.ioc_examples.macros", run_name="__main__")
    text = capsys.readouterr().out
    for word in ("beamline", "--suffix", "--list-pvs", "--async-lib", "--interfaces", "--prefix", "macros:"):
        assert word in text


def test_examples_say_what_they_need() -> None:
    """Packages that are not ours are imported within functions, by examples whose docstring names them."""
    for path in Path(importlib.import_module("caproto.ioc_examples").__file__ or "").parent.rglob("*.py"):
        for package in re.findall(r'import_module\("(\w+)"\)', path.read_text()):
            assert f"needs {package}" in path.read_text().split("\n")[0]
