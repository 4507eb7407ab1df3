"""``caproto-monitor`` against a real IOC."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.cli.run import ROOT, tool
from tests.interop.ioc import Ioc

pytestmark = pytest.mark.interop


def test_prints_updates_in_order(ioc: Ioc) -> None:
    done = tool(ioc.environment, "monitor", "--maximum", "4", "ioc:counter")
    values = [int(line.split()[-1]) for line in done.stdout.splitlines()]
    assert (len(values), done.returncode) == (4, 0)
    assert values == list(range(values[0], values[0] + 4))


def test_shows_alarms_in_words(ioc: Ioc) -> None:
    done = tool(ioc.environment, "monitor", "--maximum", "1", "ioc:bi")
    assert re.fullmatch(r"ioc:bi +[\d-]+ [\d:.]+ On STATE MINOR\n", done.stdout)


def test_format_has_count_and_time_since_the_last(ioc: Ioc) -> None:
    template = "{callback_count} {timedelta} {timestamp:%Y} {response.data}"
    done = tool(ioc.environment, "monitor", "--maximum", "2", "--format", template, "ioc:counter")
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"1 0:00:00 \d{4} \[\d+\]", first)
    assert re.fullmatch(r"2 0:00:00\.[01]\d+ \d{4} \[\d+\]", second)


def test_ends_after_duration(ioc: Ioc) -> None:
    done = tool(ioc.environment, "monitor", "--duration", "0.5", "ioc:longin", timeout=10)
    assert (len(done.stdout.splitlines()), done.returncode) == (1, 0)


def test_missing_and_forbidden_pvs_fail(ioc: Ioc) -> None:
    done = tool(ioc.environment, "monitor", "-w", "0.5", "no:such:pv", timeout=10)
    assert done.returncode == 1
    assert "no:such:pv" in done.stderr
    done = tool(ioc.environment, "monitor", "--duration", "0.5", "ioc:hidden", timeout=10)
    assert done.returncode == 1
    assert "ECA_NORDACCESS" in done.stderr


@pytest.mark.parametrize("arguments", [["-m", "x", "ioc:ai"], ["--format", "{x}", "ioc:ai"]], ids=" ".join)
def test_wrong_usage_is_2(ioc: Ioc, arguments: list[str]) -> None:
    assert tool(ioc.environment, "monitor", *arguments, timeout=10).returncode == 2


def test_rate_follows_a_million_elements_without_loss(ioc: Ioc) -> None:
    fill_waveform(ioc)
    done = tool(ioc.environment, "monitor", "--rate", "--duration", "3", "ioc:wf:mega10hz")
    last = done.stdout.splitlines()[-1]
    match = re.search(r"(\d+) updates in .* ([\d.]+) MB/s, (\d+) lost", last)
    assert match, done.stdout
    assert int(match[1]) >= 25
    assert float(match[2]) > 60
    assert match[3] == "0"


def fill_waveform(ioc: Ioc) -> None:
    code = (
        "from caproto.sync.client import write; import array;"
        "write('ioc:wf:mega', [0.5] * 1_000_000, notify=True, timeout=10, repeater=False)"
    )
    subprocess.run([sys.executable, "-c", code], env=ioc.environment, check=True, timeout=60, cwd=ROOT)


def test_comes_back_with_its_server(own_ioc: Ioc) -> None:
    command = [
        sys.executable, "-m", "caproto.commandline.monitor", "--no-repeater", "--duration", "30",
        "ioc:longin",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=own_ioc.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        assert process.stdout is not None and process.stderr is not None
        try:
            assert "42" in process.stdout.readline()
            own_ioc.restart()
            assert "disconnected" in process.stderr.readline()
            assert "42" in process.stdout.readline()
        finally:
            process.kill()
