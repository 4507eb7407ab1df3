"""A circuit from first byte to last: versions, keep-alive, odd peers, the end (sections 3.2, 11, 12)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

import caproto
from caproto import CLIENT, SERVER, LocalProtocolError, RemoteProtocolError
from tests.protocol.pair import ConnectionPair, connected, deliver, is_usable, names

ECHO = struct.pack(">HHHHII", 23, 0, 0, 0, 0, 0)


def message(command: int, kind: int = 0, count: int = 0, p1: int = 0, p2: int = 0, payload: bytes = b"") -> bytes:
    """A raw message."""
    return struct.pack(">HHHHII", command, len(payload), kind, count, p1, p2) + payload


def test_versions_open_the_circuit() -> None:
    pair = ConnectionPair()
    assert pair.circuit_states == ("SEND_VERSION_REQUEST", "IDLE")
    assert names(pair.client_sends(caproto.VersionRequest(0, 13))) == ["VersionRequest"]
    assert names(pair.server_sends(caproto.VersionResponse(13))) == ["VersionResponse"]
    assert pair.circuit_states == ("CONNECTED", "CONNECTED")


def test_server_that_speaks_first() -> None:
    """Servers since V11 send VERSION when they accept, before they have heard the client."""
    pair = ConnectionPair()
    assert names(pair.server_sends(caproto.VersionResponse(13))) == ["VersionResponse"]
    assert names(pair.client_sends(caproto.VersionRequest(0, 13))) == ["VersionRequest"]
    assert pair.circuit_states == ("CONNECTED", "CONNECTED")


def test_client_does_not_wait_for_the_version() -> None:
    """libca sends all of this in one segment; some servers speak only after they have heard it."""
    pair = ConnectionPair()
    got = pair.client_sends(
        caproto.VersionRequest(0, 13),
        caproto.ClientNameRequest("operator"),
        caproto.HostNameRequest("golden-host"),
        caproto.CreateChanRequest("g:dbl", 1, 13),
    )
    assert names(got) == ["VersionRequest", "ClientNameRequest", "HostNameRequest", "CreateChanRequest"]
    pair.server_sends(
        caproto.VersionResponse(13),
        caproto.AccessRightsResponse(1, 3),
        caproto.CreateChanResponse(6, 1, 1, 0),
    )
    assert pair.circuit_states == ("CONNECTED", "CONNECTED")
    assert pair.channel_states() == ("CONNECTED", "CONNECTED")


@pytest.mark.parametrize("flag", [0, 1, 33])
def test_version_again_from_a_client_with_name_servers(flag: int) -> None:
    """libca copies its search datagrams onto name-server circuits: data_type is the sequence flag there."""
    pair = connected()
    again = caproto.VersionRequest(0, 13)
    again.header.data_type, again.header.parameter1 = flag, 77
    got = pair.client_sends(again, caproto.SearchRequest("other", 9, 13))
    assert names(got) == ["VersionRequest", "SearchRequest"]
    assert is_usable(pair)


def test_version_again_from_a_server() -> None:
    pair = connected()
    deliver(pair.client, message(0, 0, 13))
    deliver(pair.client, message(0, 0, 0))
    assert is_usable(pair)


def test_search_over_tcp_and_its_answer_without_payload() -> None:
    pair = connected()
    assert names(pair.client_sends(caproto.SearchRequest("pv", 4, 13))) == ["SearchRequest"]
    (found,) = deliver(pair.client, message(6, 5064, 0, 0xFFFFFFFF, 4))
    assert (found.cid, found.port) == (4, 5064)
    deliver(pair.client, message(14, 10, 13, 5, 5))
    assert is_usable(pair)


def test_read_sync_is_mirrored() -> None:
    pair = connected()
    assert pair.client_sends(caproto.ReadSyncRequest())[0].ID == 10
    assert deliver(pair.client, message(10))[0].header.command == 10
    assert is_usable(pair)


def test_echo_with_a_payload() -> None:
    pair = connected()
    data = message(23, 1, 2, 3, 4, b"ECHODATA")
    assert bytes(deliver(pair.server, data)[0]) == data
    assert bytes(deliver(pair.client, data)[0]) == data


@pytest.mark.parametrize("command", [5, 7, 16, 25, 28, 200, 0xFFFF])
@pytest.mark.parametrize("payload", [b"", b"12345678" * 5])
@pytest.mark.parametrize("end", ["client", "server"])
def test_unknown_command_is_skipped_with_its_payload(command: int, payload: bytes, end: str) -> None:
    pair = connected()
    circuit = getattr(pair, end)
    commands, needed = circuit.recv(message(command, payload=payload) + ECHO)
    assert (commands[-1].header.command, needed) == (23, 0)
    for received in commands:
        circuit.process_command(received)
    assert is_usable(pair)


@pytest.mark.parametrize("end", ["client", "server"])
def test_lost_framing_closes_the_circuit(end: str) -> None:
    pair = connected()
    circuit = getattr(pair, end)
    with pytest.raises(RemoteProtocolError, match="multiple of 8"):
        circuit.recv(struct.pack(">HHHHII", 23, 5, 0, 0, 0, 0) + bytes(16))
    with pytest.raises(caproto.CaprotoError):
        circuit.recv(ECHO)
    with pytest.raises(LocalProtocolError):
        circuit.send(caproto.EchoRequest() if end == "client" else caproto.EchoResponse())


@pytest.mark.parametrize("buffers", [1, 2])
def test_what_came_before_lost_framing_is_delivered(buffers: int) -> None:
    pair = connected()
    bad = struct.pack(">HHHHII", 23, 5, 0, 0, 0, 0)
    received = [ECHO * 3 + bad] if buffers == 1 else [ECHO * 3, bad]
    commands, _ = pair.client.recv(*received)
    assert names(commands) == ["EchoResponse"] * 3
    with pytest.raises(RemoteProtocolError):
        pair.client.recv(ECHO)


@pytest.mark.parametrize(
    "command",
    [
        caproto.EchoRequest(),
        caproto.CreateChanRequest("pv", 1, 13),
        caproto.ReadNotifyRequest(6, 1, 0, 1),
        caproto.HostNameRequest("host"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_nothing_goes_out_before_our_version(command: Any) -> None:
    client = ConnectionPair().client
    with pytest.raises(LocalProtocolError) as raised:
        client.send(command)
    text = str(raised.value)
    assert type(command).__name__ in text
    assert "127.0.0.1:5064" in text.replace("('127.0.0.1', 5064)", "127.0.0.1:5064")
    assert "SEND_VERSION_REQUEST" in text or "sid" in text.lower()
    assert repr(client.states[CLIENT]) == "SEND_VERSION_REQUEST"


def test_illegal_first_message_of_a_client_is_its_fault() -> None:
    server = ConnectionPair().server
    commands, _ = server.recv(message(15, 6, 1, 0, 1))
    with pytest.raises(RemoteProtocolError, match="ReadNotifyRequest"):
        server.process_command(commands[0])
    # rsrv: "a later VERSION heals it"
    deliver(server, message(0, 0, 13))
    server.send(caproto.VersionResponse(13))
    assert repr(server.states[SERVER]) == "CONNECTED"


@pytest.mark.parametrize("command", [caproto.EchoResponse(), caproto.VersionResponse(13)], ids=repr)
def test_a_client_does_not_send_what_servers_send(command: Any) -> None:
    pair = connected()
    with pytest.raises(LocalProtocolError, match=type(command).__name__):
        pair.client.send(command)
    assert is_usable(pair)


def test_a_server_does_not_send_what_clients_send() -> None:
    pair = connected()
    with pytest.raises(LocalProtocolError, match="EchoRequest"):
        pair.server.send(caproto.EchoRequest())
    assert is_usable(pair)


def test_names_again_after_a_channel_exists() -> None:
    pair = connected()
    commands, _ = pair.server.recv(message(21, payload=b"hostname"))
    try:
        pair.server.process_command(commands[0])
    except RemoteProtocolError as error:
        assert "HostNameRequest" in str(error)
    assert is_usable(pair)


def test_end_of_stream() -> None:
    pair = connected()
    commands, _ = pair.client.recv(b"")
    assert list(commands) == [caproto.DISCONNECTED]
    pair.client.process_command(commands[0])
    assert repr(pair.client.states[CLIENT]) == "DISCONNECTED"
    with pytest.raises(LocalProtocolError, match="DISCONNECTED"):
        pair.client.send(caproto.EchoRequest())


def test_disconnect_ends_every_channel() -> None:
    pair = connected()
    pair.create(cid=2, sid=8)
    channels = list(pair.client.channels.values())
    pair.client.disconnect()
    assert {repr(channel.states[CLIENT]) for channel in channels} <= {"CLOSED", "DISCONNECTED"}


def test_everything_received_is_parsed_before_the_end_is_handled() -> None:
    """A server closes right after its ERROR (section 12, 21)."""
    pair = connected()
    pair.client_sends(caproto.ReadNotifyRequest(6, 1, 7, 1))
    request = message(15, 6, 1, 7, 1)
    commands, _ = pair.client.recv(message(11, 0, 0, 1, 152, request + b"no good\0"), b"")
    assert names(commands)[0] == "ErrorResponse"
    assert commands[-1] is caproto.DISCONNECTED
    assert pair.client.process_command(commands[0]) is None


def test_priority_and_minor_version_are_known_to_the_server() -> None:
    pair = ConnectionPair(priority=33)
    pair.client_sends(caproto.VersionRequest(priority=33, version=11))
    assert pair.server.priority == 33
    assert pair.server.protocol_version in (11, 13)


def test_many_buffers_in_one_recv() -> None:
    pair = connected()
    commands, _ = pair.client.recv(ECHO[:5], ECHO[5:] + ECHO, bytearray(ECHO), memoryview(ECHO))
    assert names(commands) == ["EchoResponse"] * 4


def test_send_returns_buffers_for_sendmsg() -> None:
    pair = connected()
    buffers = pair.client.send(caproto.EchoRequest(), caproto.EventsOffRequest())
    assert isinstance(buffers, list)
    assert b"".join(bytes(part) for part in buffers) == ECHO + message(8)
    assert memoryview(buffers[0]).nbytes > 0
