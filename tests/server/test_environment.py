"""What the environment does to a server: each variable of the protocol's section 1.2, by its effect on a real one.

EPICS_CA_MCAST_TTL, and interfaces and groups on a network of more than one host, are in ``test_network.py``.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

import caproto
from tests.interop.talk import Talk
from tests.isolation import free_port
from tests.server.conftest import Server

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("skin", ["asyncio", "trio"])]


#: Seconds after which no answer is taken to be none.
NO_ANSWER = 0.4


@contextlib.contextmanager
def serving(skin: str, port: int | None = None, **variables: str) -> Iterator[Server]:
    server = Server(skin, port, **variables)
    try:
        yield server
    finally:
        code, out, err = server.end(signal.SIGTERM)
    assert (code, out) == (0, "bye\n"), err


def found(port: int, host: str = "127.0.0.1", source: str = "127.0.0.1", timeout: float = 10.0) -> int | None:
    """The TCP port that a search is answered with, if it is."""
    asked = bytes(caproto.VersionRequest(0, 13)) + bytes(caproto.SearchRequest("double", 1, 13))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(timeout)
        try:
            sock.sendto(asked, (host, port))
            answer = sock.recv(1000)
        except (TimeoutError, ConnectionRefusedError):
            return None
    assert answer[24:28] == b"\xff\xff\xff\xff"
    return int(struct.unpack(">H", answer[20:22])[0])


SO_TIMESTAMPNS = 35  # of socket(7): the kernel tells when a datagram came, however late it is read


class Hearer:
    """A UDP socket that beacons go to."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.port: int = self.sock.getsockname()[1]
        assert self.port > 5000

    def __enter__(self) -> Hearer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def hear(self, count: int, timeout: float = 10.0) -> list[tuple[float, tuple[Any, ...]]]:
        """When beacons came, and their fields; as many as come within the time."""
        heard = []
        deadline = time.monotonic() + timeout
        while len(heard) < count and (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            with contextlib.suppress(TimeoutError):
                data, [(_, _, stamp)], _, _ = self.sock.recvmsg(100, 100)
                seconds, nanoseconds = struct.unpack("qq", stamp)
                heard.append((seconds + nanoseconds / 1e9, struct.unpack(">HHHHII", data)))
        return heard


def test_the_port_of_servers_goes_before_the_port_of_all(skin: str) -> None:
    port = free_port()
    with serving(skin, EPICS_CA_SERVER_PORT=str(free_port()), EPICS_CAS_SERVER_PORT=str(port)) as server:
        assert found(port) == port
        assert found(int(server.environment["EPICS_CA_SERVER_PORT"]), timeout=NO_ANSWER) is None
        with Talk(("127.0.0.1", port)) as talk:
            assert talk.read(talk.channel("double")).data[0] == 1.5
    with serving(skin, EPICS_CA_SERVER_PORT=str(port), EPICS_CAS_SERVER_PORT=""):
        assert found(port) == port


def test_only_the_interfaces_of_the_list_are_served(skin: str) -> None:
    with serving(skin, EPICS_CAS_INTF_ADDR_LIST="127.0.0.2 127.0.0.3:99") as server:
        for host in ("127.0.0.2", "127.0.0.3"):
            assert found(server.port, host) == server.port
            with Talk((host, server.port)) as talk:
                assert talk.read(talk.channel("double")).data[0] == 1.5
        assert found(server.port, timeout=NO_ANSWER) is None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), 5)


def test_an_empty_list_is_all_interfaces(skin: str) -> None:
    with serving(skin, EPICS_CAS_INTF_ADDR_LIST="") as server:
        assert found(server.port) == found(server.port, "127.0.0.2") == server.port


def test_a_port_that_is_taken_on_one_interface_is_left_on_all(skin: str) -> None:
    with socket.create_server(("127.0.0.2", 0)) as busy:
        port = busy.getsockname()[1]
        with serving(skin, port, EPICS_CAS_INTF_ADDR_LIST="127.0.0.1 127.0.0.2"):
            other = found(port)
            assert other is not None and other != port
            assert found(port, "127.0.0.2") == other
            for host in ("127.0.0.1", "127.0.0.2"):
                with Talk((host, other)) as talk:
                    talk.channel("double")


def test_hosts_of_the_list_are_ignored_in_searches(skin: str) -> None:
    with serving(skin, EPICS_CAS_IGNORE_ADDR_LIST="127.0.0.3:5 10.1.1.1") as server:
        assert found(server.port, source="127.0.0.3", timeout=NO_ANSWER) is None
        assert found(server.port, source="127.0.0.4") == server.port


def test_beacons_go_to_the_list_at_the_port_of_beacons_in_doubling_intervals(skin: str) -> None:
    with Hearer() as named, Hearer() as default, Hearer() as repeater:
        variables = {
            "EPICS_CAS_BEACON_ADDR_LIST": f"127.0.0.1:{named.port} 127.0.0.1",
            "EPICS_CAS_BEACON_PORT": str(default.port),
            "EPICS_CA_REPEATER_PORT": str(repeater.port),
        }
        with serving(skin, **variables) as server:
            heard = named.hear(7)
            assert len(default.hear(7)) == 7
            assert repeater.hear(1, 0.1) == []
    assert [fields for _, fields in heard] == [(13, 0, 13, server.port, number, 0) for number in range(7)]
    times = [moment for moment, _ in heard]
    for number, moment in enumerate(times[1:], 1):
        due = 0.02 * (2**number - 1)
        assert due - 0.01 < moment - times[0] < due + 1.0  # a busy machine makes a beacon late, but not for good


@pytest.mark.parametrize("variable", ["EPICS_CAS_BEACON_PERIOD", "EPICS_CA_BEACON_PERIOD"])
def test_the_interval_of_beacons_ends_at_the_period(skin: str, variable: str) -> None:
    with Hearer() as hearer:
        variables = {variable: "0.05", "EPICS_CA_REPEATER_PORT": str(hearer.port)}
        if variable.startswith("EPICS_CAS"):
            variables["EPICS_CA_BEACON_PERIOD"] = "20"
        with serving(skin, **variables):
            heard = hearer.hear(20)  # with the default it would be hours
    assert [fields[4] for _, fields in heard] == list(range(20))
    assert heard[-1][0] - heard[0][0] > 0.05 * 16


@pytest.mark.parametrize(("flag", "comes"), [("yes", True), ("NO", False), ("maybe", False)])
def test_automatic_addresses_of_beacons_are_those_of_the_interfaces(skin: str, flag: str, comes: bool) -> None:
    with Hearer() as hearer, Hearer() as named:
        variables = {
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": flag,
            "EPICS_CAS_BEACON_ADDR_LIST": f"127.0.0.1:{named.port}",
            "EPICS_CAS_BEACON_PORT": str(hearer.port),
        }
        with serving(skin, **variables):
            assert len(named.hear(3)) == 3
            assert bool(hearer.hear(1, 0.2)) is comes


def test_a_payload_above_the_limit_is_refused_and_the_circuit_lives(skin: str) -> None:
    with serving(skin, EPICS_CA_AUTO_ARRAY_BYTES="NO", EPICS_CA_MAX_ARRAY_BYTES="20000") as server:
        with Talk(("127.0.0.1", server.port)) as talk:
            channel = talk.channel("million")
            assert talk.write(channel, [2.0] * 2500, data_type=6).status.name == "ECA_NORMAL"
            assert talk.write(channel, [3.0] * 2600, data_type=6).status.name == "ECA_TOLARGE"
            assert list(talk.read(channel).data[:1]) == [2.0]
    with serving(skin, EPICS_CA_AUTO_ARRAY_BYTES="YES", EPICS_CA_MAX_ARRAY_BYTES="20000") as server:
        with Talk(("127.0.0.1", server.port)) as talk:
            assert talk.write(talk.channel("million"), [3.0] * 2600, data_type=6).status.name == "ECA_NORMAL"


def test_numbers_that_are_none_cost_one_line_each(skin: str) -> None:
    wrong = ("EPICS_CAS_SERVER_PORT", "EPICS_CAS_BEACON_PERIOD", "EPICS_CAS_BEACON_PORT")
    server = Server(skin, EPICS_CAS_INTF_ADDR_LIST="127.0.0.9", **dict.fromkeys(wrong, "none of it"))
    code, out, err = server.end(signal.SIGTERM)
    assert (code, out) == (0, "bye\n")
    assert [err.count(name) for name in wrong] == [1, 1, 1] and err.count("'none of it'") == 3, err
