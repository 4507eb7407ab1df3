"""A real libca client (aioca) against the core's server role: search over UDP and TCP, reads, writes, monitors."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.mini_server import MiniServer
from tests.isolation import free_port, process_environment

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(importlib.util.find_spec("aioca") is None, reason="no aioca: there is no libca client here"),
]

CLIENT = """
import asyncio, json, warnings
warnings.simplefilter("ignore")
from aioca import FORMAT_TIME, caget, camonitor, caput

async def main():
    names = ["mini:double", "mini:array", "mini:long", "mini:string"]
    first = await caget(names, timeout=10)
    timed = await caget("mini:double", format=FORMAT_TIME)
    seen = []
    monitor = camonitor("mini:double", lambda value: seen.append(float(value)))
    while not seen:
        await asyncio.sleep(0.01)
    await caput("mini:double", 7.25, wait=True)
    await caput("mini:array", [4.0, 5.0, 6.0], wait=True)
    await caput("mini:string", "written", wait=True)
    while len(seen) < 2:
        await asyncio.sleep(0.01)
    monitor.close()
    second = await caget(names)
    plain = lambda value: value.tolist() if hasattr(value, "tolist") else value
    print(json.dumps({
        "first": [plain(value) for value in first],
        "second": [plain(value) for value in second],
        "seen": seen,
        "alarm": [timed.status, timed.severity],
        "time": timed.raw_stamp,
    }))

asyncio.run(main())
"""


@pytest.fixture
def server() -> Iterator[MiniServer]:
    made = MiniServer(free_port())
    try:
        yield made
    finally:
        made.close()


def run_client(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def check(result: dict[str, Any], server: MiniServer) -> None:
    assert not server.errors
    assert result["first"] == [2.5, [1.0, 2.0, 3.0], 42, "Hello, CA"]
    assert result["second"] == [7.25, [4.0, 5.0, 6.0], 42, "written"]
    assert result["seen"] == [2.5, 7.25]
    assert result["alarm"] == [3, 2]
    assert result["time"] == [1_000_000_000 + 631_152_000, 500]


def test_search_by_datagram(server: MiniServer) -> None:
    check(run_client(process_environment(server.port, free_port())), server)


def test_search_over_tcp(server: MiniServer) -> None:
    """With name servers libca repeats VERSION on the open circuit, flag and sequence number included."""
    environment = process_environment(free_port(), free_port())
    environment |= {"EPICS_CA_ADDR_LIST": "", "EPICS_CA_NAME_SERVERS": f"127.0.0.1:{server.port}"}
    check(run_client(environment), server)
    assert server.received.count("VersionRequest") > 1
    assert "SearchRequest" in server.received
