"""Address lists, interfaces and sockets; names are resolved by a table, never by the network."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto import _net
from caproto._enums import Protocol
from caproto._errors import CaprotoError, CaprotoNetworkError, CaprotoNotImplementedError, CaprotoValueError
from caproto.server._runtime import settings

HOSTS = {"localhost": "127.0.0.1", "ioc1": "10.1.1.1", "ioc2": "10.1.1.2"}
INTERFACES = [("127.0.0.1", ""), ("10.1.1.9", "10.1.255.255"), ("10.8.0.2", "10.8.0.1"), ("10.9.9.9", "")]


@pytest.fixture(autouse=True)
def known_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str) -> str:
        if host not in HOSTS:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return HOSTS[host]

    monkeypatch.setattr(socket, "gethostbyname", resolve)
    monkeypatch.setattr(_net, "_from_psutil", lambda: list(INTERFACES))


def test_automatic_addresses_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "1.2.3.4 10.1.255.255")
    assert _net.get_address_list() == ["10.1.255.255", "10.8.0.1", "1.2.3.4"]
    assert _net.get_client_address_list() == [
        ("10.1.255.255", 5064),
        ("10.8.0.1", 5064),
        ("1.2.3.4", 5064),
    ]


def test_all_forms_of_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", "6000")
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "1.2.3.4 1.2.3.4:7000\tioc1\nioc2:8000  2130706433 2130706433:9")
    assert _net.get_client_address_list() == [
        ("1.2.3.4", 6000),
        ("1.2.3.4", 7000),
        ("10.1.1.1", 6000),
        ("10.1.1.2", 8000),
        ("127.0.0.1", 6000),
        ("127.0.0.1", 9),
    ]
    assert _net.get_address_list() == [
        "1.2.3.4",
        "1.2.3.4:7000",
        "10.1.1.1",
        "10.1.1.2:8000",
        "127.0.0.1",
        "127.0.0.1:9",
    ]


def test_duplicates_are_dropped_after_resolving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "ioc1 10.1.1.1:5064 10.1.1.1")
    assert _net.get_client_address_list() == [("10.1.1.1", 5064)]


@pytest.mark.parametrize(
    "entry", ["nowhere", "ioc1:", "ioc1:x", "ioc1:0", "ioc1:65536", ":5064", "4294967296", "1.2.3.4:5:6"]
)
def test_bad_entry_is_reported_by_one_line_and_skipped(
    entry: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"{entry} 1.2.3.4")
    assert _net.get_client_address_list() == [("1.2.3.4", 5064)]
    assert _net.get_address_list() == ["1.2.3.4"]
    assert len(caplog.records) == 1
    assert "EPICS_CA_ADDR_LIST" in caplog.text and repr(entry) in caplog.text


def test_host_name_that_the_resolver_cannot_encode(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", "x" * 70 + ".invalid")
    assert _net.get_name_server_list() == []
    assert len(caplog.records) == 1


def test_loopback_if_there_is_no_broadcast_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_net, "_from_psutil", lambda: [("127.0.0.1", "")])
    assert _net.get_address_list() == ["127.0.0.1"]
    assert _net.get_beacon_address_list() == [("127.0.0.1", 5065)]


def test_nothing_is_added_to_a_list_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    monkeypatch.setenv("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "NO")
    assert _net.get_address_list() == _net.get_client_address_list() == _net.get_beacon_address_list() == []


def test_name_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _net.get_name_server_list() == []
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", "6000")
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", "ioc1 ioc2:7000 10.1.1.1:6000")
    assert _net.get_name_server_list() == [("10.1.1.1", 6000), ("10.1.1.2", 7000)]


def test_beacons_go_out_on_the_interfaces_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_REPEATER_PORT", "6005")
    assert _net.get_beacon_address_list() == [("10.1.255.255", 6005), ("10.8.0.1", 6005)]
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "10.1.1.9 127.0.0.1:99")
    monkeypatch.setenv("EPICS_CAS_BEACON_ADDR_LIST", "1.2.3.4 1.2.3.4:7")
    assert _net.get_beacon_address_list() == [
        ("127.0.0.1", 6005),
        ("10.1.255.255", 6005),
        ("1.2.3.4", 6005),
        ("1.2.3.4", 7),
    ]


def test_interfaces_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _net.get_server_address_list() == ["0.0.0.0"]
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "10.1.1.9:77 224.0.2.9 localhost 10.1.1.9")
    assert _net.get_server_address_list() == ["10.1.1.9", "127.0.0.1"]
    assert _net.get_multicast_groups() == ["224.0.2.9"]
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "239.255.0.1")
    assert _net.get_server_address_list() == ["0.0.0.0"]
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "0.0.0.0 10.1.1.9")
    with pytest.raises(CaprotoValueError, match="EPICS_CAS_INTF_ADDR_LIST"):
        _net.get_server_address_list()


def test_interfaces_that_a_server_is_given_are_those_of_its_searches_and_beacons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "10.8.0.2 224.0.2.9")
    chosen = settings(["localhost", "10.1.1.9", "127.0.0.1", "239.255.0.1"])
    assert chosen.interfaces == ("127.0.0.1", "10.1.1.9")
    assert chosen.groups == ("224.0.2.9", "239.255.0.1")
    assert chosen.beacons == (("127.0.0.1", 5065), ("10.1.255.255", 5065))
    assert settings(["0.0.0.0"]).beacons == (("10.1.255.255", 5065), ("10.8.0.1", 5065))
    assert settings().interfaces == ("10.8.0.2",)
    with pytest.raises(CaprotoValueError, match="interfaces: 0.0.0.0"):
        settings(["0.0.0.0", "10.1.1.9"])
    with pytest.raises(CaprotoNetworkError, match="nowhere"):
        settings(["nowhere"])


def test_ignored_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_IGNORE_ADDR_LIST", "ioc1:5 10.1.1.1 ioc2")
    assert _net.get_ignore_address_list() == ["10.1.1.1", "10.1.1.2"]


@pytest.mark.parametrize(
    "function",
    [
        _net.get_address_list,
        _net.get_client_address_list,
        _net.get_beacon_address_list,
        _net.get_server_address_list,
    ],
    ids=lambda f: f.__name__,
)
def test_protocol_is_channel_access(function: Any) -> None:
    assert function(protocol=Protocol.ChannelAccess) == function(protocol="CA") == function()
    with pytest.raises(CaprotoNotImplementedError, match="PVA"):
        function(protocol=Protocol.PVAccess)


def test_interfaces_with_their_broadcast() -> None:
    assert list(_net.get_netifaces_addresses()) == [
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.1.9", "10.1.255.255"),
        ("10.8.0.2", "10.8.0.1"),
    ]


def test_psutil_is_asked_for_interfaces_that_are_up(monkeypatch: pytest.MonkeyPatch) -> None:
    psutil = pytest.importorskip("psutil")
    monkeypatch.undo()
    up = {address for address, _ in _net._from_psutil() or []}
    for name, items in psutil.net_if_addrs().items():
        for item in items:
            if item.family == socket.AF_INET:
                assert (item.address in up) == psutil.net_if_stats()[name].isup


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks a Linux kernel")
def test_without_psutil_the_kernel_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psutil")
    monkeypatch.undo()
    with_psutil = sorted(_net._interfaces())
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert _net._from_psutil() is None
    assert sorted(_net._interfaces()) == with_psutil


def test_without_any_help_the_limited_broadcast_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_net, "_from_psutil", lambda: None)
    monkeypatch.setattr(_net, "_from_linux", lambda: None)
    monkeypatch.setattr(_net, "get_local_address", lambda: "10.3.3.3")
    assert _net.get_address_list() == ["255.255.255.255"]
    assert ("127.0.0.1", "127.0.0.1") in list(_net.get_netifaces_addresses())


def test_local_address_is_one() -> None:
    assert len(_net.get_local_address().split(".")) == 4


@given(st.integers(0, 255))
def test_multicast_is_224_to_239(first: int) -> None:
    assert _net.is_multicast(f"{first}.1.2.3") == (first in range(224, 240))


def test_broadcast_socket_shares_its_port_and_receives() -> None:
    with _net.bcast_socket() as one, _net.bcast_socket(socket) as other:
        assert one.type == socket.SOCK_DGRAM
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        one.bind(("127.0.0.1", 0))
        other.bind(one.getsockname())
        with _net.bcast_socket() as sender:
            sender.bind(("127.0.0.1", 0))
            one.settimeout(5)
            other.close()
            sender.sendto(b"12345678", one.getsockname())
            assert one.recvfrom(100) == (b"12345678", sender.getsockname())


def test_broadcast_socket_that_cannot_be_prepared_is_closed() -> None:
    class Stubborn:
        closed = False

        def socket(self, *args: object) -> Stubborn:
            return self

        def setsockopt(self, *args: object) -> None:
            raise PermissionError("no broadcast for you")

        def close(self) -> None:
            self.closed = True

    module = Stubborn()
    with pytest.raises(CaprotoNetworkError, match="no broadcast for you"):
        _net.bcast_socket(module)
    assert module.closed
    assert issubclass(CaprotoNetworkError, CaprotoError)


def test_random_ports() -> None:
    assert next(_net.random_ports(3, try_first=5064)) == 5064
    ports = list(_net.random_ports(50))
    assert len(set(ports)) == 50
    assert all(49152 <= port <= 65535 for port in ports)
