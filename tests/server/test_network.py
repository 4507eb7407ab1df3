"""Several interfaces, broadcast and multicast on a network of real hosts, as far as the kernel can tell.

Skipped only where the kernel or a missing tool (``unshare``, ``nsenter``, ``ip``) does not let us make a network.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.isolation import process_environment
from tests.server.network import Network, NoNamespaces

pytestmark = pytest.mark.interop
ROOT = Path(__file__).parents[2]
GROUP, BEACON_GROUP = "239.255.77.1", "239.255.77.2"
PORT, BEACON_PORT = 15064, 15065
OURS = """
import sys
from caproto.sync.client import read
for name in sys.argv[1:]:
    print(read(name, timeout=8, repeater=False).data[0])
"""
LIBCA = """
import asyncio, sys, aioca
async def main():
    for name in sys.argv[1:]:
        print(float(await aioca.caget(name, timeout=8)))
asyncio.run(main())
"""
# Tells of the first beacons whence each came, its port and number, and how much farther it might have gone.
LISTENER = f"""
import json, socket, struct
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
IP_RECVTTL = 12  # of ip(7)
sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("{BEACON_GROUP}") + bytes(4))
sock.bind(("", {BEACON_PORT}))
sock.settimeout(15)
print("ready", flush=True)
seen = []
while len(seen) < 6:
    data, [(_, _, ttl)], _, (source, _) = sock.recvmsg(100, 100)
    command, _, _, port, number, address = struct.unpack(">HHHHII", data)
    assert command == 13
    seen.append([source, port, number, address, struct.unpack("i", ttl)[0]])
print(json.dumps(seen))
"""
CLIENTS = {"ours": OURS} | ({"libca": LIBCA} if importlib.util.find_spec("aioca") else {})


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    missing = [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"there is no {', '.join(missing)} here to make a network with")
    try:
        made = Network()
    except NoNamespaces as reason:
        pytest.skip(f"no network namespaces here: {reason}")
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def serving(network: Network, skin: str, **variables: str) -> Iterator[Any]:
    if skin == "trio":
        pytest.importorskip("trio")
    codec = os.environ.get("CAPROTO_CODEC", "")
    environment = process_environment(PORT, BEACON_PORT, CAPROTO_CODEC=codec, **variables)
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.server.serve", skin]
    process = network.start(network.server, command, environment, cwd=ROOT)
    try:
        assert process.stdout.readline() == f"{skin}\n", process.communicate(timeout=20)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "bye\n"), err


def asked(network: Network, *, names: tuple[str, ...] = ("double", "many:7")) -> dict[tuple[str, int, str], Any]:
    """What each client finds from each host in each way; all of them run at the same time."""
    ways = {
        "broadcast": {"EPICS_CA_AUTO_ADDR_LIST": "YES", "EPICS_CA_ADDR_LIST": ""},
        "multicast": {"EPICS_CA_AUTO_ADDR_LIST": "NO", "EPICS_CA_ADDR_LIST": GROUP},
    }
    running = {
        (client, number, way): network.start(
            host, [sys.executable, "-c", code, *names], process_environment(PORT, BEACON_PORT, **variables), cwd=ROOT
        )
        for number, host in enumerate(network.clients, 1)
        for client, code in CLIENTS.items()
        for way, variables in ways.items()
    }
    found = {}
    for key, process in running.items():
        out, err = process.communicate(timeout=60)
        found[key] = [float(line) for line in out.split()] or err
    return found


@pytest.mark.parametrize("skin", ["asyncio", "trio"])
@pytest.mark.parametrize("interfaces", [f"10.77.1.1 10.77.2.1 {GROUP}", GROUP], ids=["two", "all"])
def test_clients_of_every_net_find_it_by_broadcast_and_multicast(network: Network, skin: str, interfaces: str) -> None:
    listeners = [
        network.start(host, [sys.executable, "-c", LISTENER], process_environment(PORT, BEACON_PORT))
        for host in network.clients
    ]
    for listener in listeners:
        assert listener.stdout.readline() == "ready\n", listener.communicate(timeout=20)
    variables = {
        "EPICS_CAS_INTF_ADDR_LIST": interfaces,
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "YES",
        "EPICS_CAS_BEACON_ADDR_LIST": BEACON_GROUP,
        "EPICS_CA_MCAST_TTL": "3",
    }
    with serving(network, skin, **variables):
        found = asked(network)
        beacons = [json.loads(listener.communicate(timeout=20)[0]) for listener in listeners]
    assert found == dict.fromkeys(found, [1.5, 7.0])
    # Each net gets the broadcasts of its interface; groups are where the route to them leads.
    for number, seen in enumerate(beacons, 1):
        assert {(source, port, address) for source, port, _, address, _ in seen} == {(f"10.77.{number}.1", PORT, 0)}
        ttls = [ttl for *_, ttl in seen]
        assert set(ttls) == ({3, 64} if number == 1 else {64})
        numbers = [beacon for _, _, beacon, _, ttl in seen if ttl == 64]
        assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_nobody_hears_it_on_an_interface_that_is_not_in_the_list(network: Network, skin: str) -> None:
    variables = {"EPICS_CAS_INTF_ADDR_LIST": "10.77.1.1", "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "YES"}
    code = f"""
import socket, struct
name = b"double\\0\\0"
search = struct.pack(">HHHHII", 0, 0, 1, 13, 1, 0) + struct.pack(">HHHHII", 6, 8, 5, 13, 1, 1) + name
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.settimeout(1.5)
    for address in ("10.77.%d.255", "10.77.%d.1"):
        sock.sendto(search, (address, {PORT}))
        try:
            print(sock.recv(1000)[:1] == b"\\0", end=" ")
        except OSError:
            print(False, end=" ")
"""
    with serving(network, skin, **variables):
        asking = [
            network.start(
                host,
                [sys.executable, "-c", code.replace("%d", str(number))],
                process_environment(PORT, BEACON_PORT, EPICS_CA_AUTO_ADDR_LIST="YES"),
            )
            for number, host in enumerate(network.clients, 1)
        ]
        assert [process.communicate(timeout=20)[0].split() for process in asking] == [["True"] * 2, ["False"] * 2]


@pytest.mark.parametrize("skin", ["asyncio", "trio"])
def test_answers_come_from_the_address_that_is_served(network: Network, skin: str) -> None:
    variables = {"EPICS_CAS_INTF_ADDR_LIST": f"10.77.1.5 {GROUP}"}
    with serving(network, skin, **variables):
        found = asked(network)
    # The interface has another address, which the system prefers, and where nothing listens.
    assert {key: value for key, value in found.items() if key[1] == 1 and value != [1.5, 7.0]} == {}
