"""The demo and the report about an installation, run as a user runs them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import caproto
from tests.isolation import free_port, process_environment


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


@pytest.mark.skipif(importlib.util.find_spec("caproto._codec") is None, reason="the compiled codec is not built")
def test_demo_compares_both_codecs() -> None:
    done = run("caproto.commandline.demo", "--elements", "1000", "--seconds", "0.5")
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("\n\n")[-1].splitlines()
    assert table[0].split() == ["cython", "python", "ratio"]
    figures = {line[:20].strip(): line[20:].split() for line in table[1:]}
    assert set(figures) == {"updates/s", "MB/s", "CPU per update, us", "updates", "lost"}
    assert all(float(number) > 0 for number in figures["updates"])


def test_demo_ends_with_1_if_the_pv_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "127.0.0.1")
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    done = run("caproto.commandline.demo", "--pv", "no:such:pv", "--seconds", "0.2")
    assert done.returncode == 1
    assert "no:such:pv" in done.stderr


def test_report_names_version_codec_and_environment() -> None:
    done = run("caproto")
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines() if len(line.split(None, 1)) == 2)
    assert lines["caproto"] == caproto.__version__
    assert lines["codec"] == caproto.codec_name
    assert "EPICS_CA_MAX_ARRAY_BYTES" in done.stdout


def test_the_processes_of_the_demo_run_this_very_package(tmp_path: Path) -> None:
    other = tmp_path / "caproto"
    other.mkdir()
    (other / "__init__.py").write_text("raise ImportError('this is another one')\n")
    code = (
        "import sys; sys.path.remove(''); from caproto.commandline.demo import main; "
        "main(['--seconds', '0.3', '--elements', '1000'])"
    )
    environment = process_environment(free_port(), free_port())
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "updates/s" in done.stdout
