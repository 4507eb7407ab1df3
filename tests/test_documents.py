"""What the documentation shows works as shown."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.ioc import Ioc
from tests.isolation import free_port

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "docs" / "tutorials" / "first_client.py"
README = ROOT / "README.md"


@pytest.mark.interop
def test_first_client_reads_writes_and_monitors(own_ioc: Ioc) -> None:
    done = subprocess.run(
        [sys.executable, str(CLIENT), "random_walk:dt"],
        env=own_ioc.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line.split(":")[0] for line in done.stdout.splitlines()]
    assert shown == ["server", "type", "value", "write", "update"]
    assert "write: ECA_NORMAL" in done.stdout
    assert "update: 4.0 severity" in done.stdout


def blocks(path: Path) -> list[str]:
    """The Python code of a page; what is marked ``py`` is a fragment and is not run."""
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


PAGES = [README, *sorted((ROOT / "docs" / "howto").glob("*.md"))]
EXAMPLES = [
    pytest.param(code, id=f"{page.stem}-{number}") for page in PAGES for number, code in enumerate(blocks(page))
]


@pytest.mark.interop
@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(code: str, own_ioc: Ioc, tmp_path: Path) -> None:
    own = free_port()  # of servers that examples start
    both = {"EPICS_CAS_SERVER_PORT": str(own), "EPICS_CA_ADDR_LIST": f"127.0.0.1 127.0.0.1:{own}"}
    done = subprocess.run(
        # Warnings are errors for our code; packages that an example needs may have their own.
        [sys.executable, "-W", "error::ResourceWarning", "-c", code],
        env={**own_ioc.environment, **both},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_every_how_to_page_has_an_example_or_is_about_the_shell() -> None:
    without = {page.stem for page in PAGES if not blocks(page)}
    assert without == {"command-line", "codec"}


REFERENCE = "\n".join(page.read_text() for page in sorted((ROOT / "docs" / "reference").glob("*.md")))


@pytest.mark.parametrize(
    "module",
    ["server", "server.autosave", "server.records", "server.stats", "server.menus", "asyncio.server", "trio.server"],
)
def test_every_name_of_servers_is_in_the_reference(module: str) -> None:
    if module.startswith("trio"):
        pytest.importorskip("trio")
    names = set(importlib.import_module(f"caproto.{module}").__all__)
    shown = set(re.findall(r"\w+", REFERENCE))
    families = {name for name in names if name.endswith("Fields")}  # one class for each type of record
    assert names - families - shown == set()


def test_every_class_of_channel_data_is_in_the_reference() -> None:
    import caproto

    classes = {
        name for name in caproto.__all__ if name.startswith("Channel") and name not in {"ChannelType", "ChannelFilter"}
    }
    shown = set(re.findall(r"auto(?:class|function|data):: (\w+)", REFERENCE))
    assert {"ChannelData", "ChannelAlarm"} <= classes
    assert classes - shown == set()
