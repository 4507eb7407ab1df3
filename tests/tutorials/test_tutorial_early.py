"""The older tutorial: bytes are cached by ``recv`` and pulled one command at a time until ``NEED_DATA``."""

from __future__ import annotations

import socket
from typing import Any

import pytest

import caproto
from tests.tutorials.conftest import Server

REGISTER = b"\x00\x18\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
CONFIRM = b"\x00\x11\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x00\x00\x01"
VERSION = bytes.fromhex("0000 0000 0000 000d 00000000 00000000")


def new_socket() -> socket.socket:
    udp_sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    udp_sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
    udp_sock.settimeout(5)
    return udp_sock


def pull(source: Any) -> list[Any]:
    """Every command that is waiting."""
    commands = []
    while (command := source.next_command()) is not caproto.NEED_DATA:
        commands.append(command)
    return commands


@pytest.mark.interop
def test_registering_with_the_repeater(repeater: int) -> None:
    with new_socket() as udp_sock:
        udp_sock.sendto(REGISTER, ("", repeater))
        data, address = udp_sock.recvfrom(1024)
        assert data == CONFIRM
    with new_socket() as udp_sock:
        b = caproto.Broadcaster(our_role=caproto.CLIENT)
        command = caproto.RepeaterRegisterRequest("0.0.0.0")
        bytes_to_send = b.send(command)
        udp_sock.sendto(bytes_to_send, ("", repeater))
        assert bytes_to_send == REGISTER
        bytes_received, address = udp_sock.recvfrom(1024)
        b.recv(bytes_received, address)
        assert not b.registered  # cached, not yet looked at
        assert repr(b.next_command()) == "RepeaterConfirmResponse(repeater_address='127.0.0.1')"
        assert b.registered
        assert b.next_command() is caproto.NEED_DATA


@pytest.mark.interop
def test_searching_and_a_circuit(server: Server) -> None:
    name = "random_walk:dt"
    b = caproto.Broadcaster(our_role=caproto.CLIENT)
    with new_socket() as udp_sock:
        bytes_to_send = b.send(
            caproto.VersionRequest(priority=0, version=13),
            caproto.SearchRequest(name=name, cid=0, version=13),
        )
        udp_sock.sendto(bytes_to_send, ("", server.port))
        bytes_received, address = udp_sock.recvfrom(1024)
    b.recv(bytes_received, address)
    assert repr(b.next_command()) == "VersionResponse(version=13)"
    found = b.next_command()
    assert (found.cid, found.port) == (0, server.port)
    assert b.next_command() is caproto.NEED_DATA

    circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=caproto.extract_address(found), priority=0)
    chan1 = caproto.ClientChannel(name, circuit)
    with socket.create_connection(chan1.circuit.address, 5) as sock:

        def send(command: Any) -> None:
            sock.sendmsg(chan1.circuit.send(command))

        def recv(wanted: str) -> Any:
            while True:
                for command in pull(circuit):
                    seen.append(command)
                    if type(command).__name__ == wanted:
                        return command
                circuit.recv(sock.recv(4096))

        seen: list[Any] = []
        send(caproto.VersionRequest(priority=0, version=13))
        recv("VersionResponse")
        send(caproto.HostNameRequest("localhost"))
        send(caproto.ClientNameRequest("username"))
        send(caproto.CreateChanRequest(name=name, cid=chan1.cid, version=13))
        created = recv("CreateChanResponse")
        assert repr(chan1.states[caproto.CLIENT]) == "CONNECTED"
        send(caproto.ReadNotifyRequest(created.data_type, created.data_count, created.sid, 1))
        assert len(recv("ReadNotifyResponse").data) == 1
    assert [type(command).__name__ for command in seen[:2]] == ["VersionResponse", "AccessRightsResponse"]


@pytest.mark.parametrize("channel", [caproto.ClientChannel, caproto.ServerChannel])
def test_arguments_in_the_early_order_name_the_right_one(channel: Any) -> None:
    circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=("127.0.0.1", 5064), priority=0)
    with pytest.raises(TypeError, match=r"\(name, circuit") as raised:
        channel(circuit, "random_walk:dt")
    assert isinstance(raised.value, caproto.CaprotoError)


def client_circuit() -> Any:
    circuit = caproto.VirtualCircuit(our_role=caproto.CLIENT, address=("127.0.0.1", 5064), priority=0)
    circuit.send(caproto.VersionRequest(priority=0, version=13))
    return circuit


def test_a_command_is_processed_by_whoever_takes_it_first() -> None:
    circuit = client_circuit()
    commands, _ = circuit.recv(VERSION)
    circuit.process_command(commands[0])
    assert circuit.next_command() is caproto.NEED_DATA
    assert repr(circuit.states[caproto.CLIENT]) == "CONNECTED"


def test_next_command_waits_for_the_rest_of_a_command() -> None:
    circuit = client_circuit()
    for byte in VERSION[:-1]:
        circuit.recv(bytes([byte]))
        assert circuit.next_command() is caproto.NEED_DATA
    circuit.recv(VERSION[-1:])
    assert repr(circuit.next_command()) == "VersionResponse(version=13)"
    assert circuit.next_command() is caproto.NEED_DATA


def test_commands_keep_their_order() -> None:
    circuit = client_circuit()
    circuit.recv(VERSION)
    circuit.recv(bytes(caproto.EchoResponse()) * 3)
    assert [type(command).__name__ for command in pull(circuit)] == ["VersionResponse", *["EchoResponse"] * 3]


def test_nothing_is_kept_for_those_who_never_pull() -> None:
    import tracemalloc

    circuit = client_circuit()
    chunk = VERSION + bytes(caproto.EchoResponse()) * 1000

    def feed(times: int) -> None:
        for _ in range(times):
            commands, _ = circuit.recv(chunk)
            for command in commands:
                circuit.process_command(command)

    feed(30)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        feed(200)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2_000_000


def test_broadcaster_keeps_nothing_twice() -> None:
    b = caproto.Broadcaster(our_role=caproto.CLIENT)
    b.send(caproto.RepeaterRegisterRequest("0.0.0.0"))
    commands = b.recv(CONFIRM, ("127.0.0.1", 5065))
    b.process_commands(commands)
    assert b.next_command() is caproto.NEED_DATA
