"""What clients should never send and some do, and what the real server made of it (hazard.json, section 12)."""

from __future__ import annotations

from typing import Any

import pytest

import caproto
from caproto import CLIENT
from tests import golden
from tests.codec.test_golden_decode import check
from tests.protocol.pair import ConnectionPair, names

HAZARDS = golden.hazards()
LOST = {"http_probe", "tls_probe"}
BEFORE_VERSION = {"version_minor_0", "priority_100", "http_probe", "tls_probe", "no_version_then_version"}


def prepared(name: str) -> ConnectionPair:
    """The state the recording was made in: channels with the SIDs that the requests use."""
    if name in BEFORE_VERSION:
        return ConnectionPair()
    pair = ConnectionPair().open()
    for sid in (0, 1, 4, 8, 12, 15, 16):
        pair.create(cid=100 + sid, sid=sid)
    return pair


@pytest.mark.parametrize("hazard", HAZARDS, ids=[hazard["name"] for hazard in HAZARDS])
def test_server_end_survives(hazard: dict[str, Any]) -> None:
    """Each message is taken or refused by itself; only lost framing ends the circuit."""
    pair = prepared(hazard["name"])
    wire = bytes.fromhex(hazard["hex"])
    refused: list[str] = []
    try:
        commands, _ = pair.server.recv(wire)
    except caproto.RemoteProtocolError:
        assert hazard["name"] in LOST
        return
    for command in commands:
        try:
            pair.server.process_command(command)
            repr(command)
        except caproto.RemoteProtocolError as error:
            refused.append(str(error))
    assert all("127.0.0.1" in text for text in refused)
    if hazard["name"] in LOST:
        return
    if hazard["name"] in BEFORE_VERSION:
        assert hazard["name"] != "no_version_then_version" or refused
        return
    assert names(pair.client_sends(caproto.EchoRequest())) == ["EchoRequest"]


@pytest.mark.parametrize("hazard", HAZARDS, ids=[hazard["name"] for hazard in HAZARDS])
def test_client_end_reads_the_answers(hazard: dict[str, Any]) -> None:
    pair = prepared("") if hazard["name"] not in BEFORE_VERSION else ConnectionPair().open()
    for response in hazard["responses"]:
        (command,), needed = pair.client.recv(bytes.fromhex(response["hex"]))
        assert needed == 0
        check(command, response["decoded"], "server")
        pair.client.process_command(command)
    assert repr(pair.client.states[CLIENT]) == "CONNECTED"


def taken(name: str) -> list[Any]:
    """The commands of one hazard as the server end sees them."""
    (hazard,) = (hazard for hazard in HAZARDS if hazard["name"] == name)
    commands, _ = prepared(name).server.recv(bytes.fromhex(hazard["hex"]))
    return list(commands)


def test_name_without_nul_is_the_whole_payload() -> None:
    (command,) = taken("malformed_unterminated_name")
    assert command.name == "g:wempty"


def test_empty_name() -> None:
    (command,) = taken("empty_name")
    assert command.name == ""


def test_string_without_nul_ends_with_its_payload() -> None:
    (command,) = taken("write_string_short_no_nul")
    assert list(command.data) == [b"12345678"]
    (command,) = taken("write_string_40_no_nul")
    assert list(command.data) == [b"Z" * 40]


def test_count_beyond_the_payload_never_reads_what_follows() -> None:
    write, echo = taken("write_notify_short_payload")
    with pytest.raises(caproto.CaprotoError, match="3 elements of DOUBLE need 24 bytes"):
        _ = write.data
    assert type(echo).__name__ == "EchoRequest"


def test_excess_payload_is_ignored() -> None:
    (command,) = taken("write_notify_extra_payload")
    assert list(command.data) == [44.0]


def test_count_above_the_native_count_is_the_servers_to_judge() -> None:
    (command,) = taken("write_notify_count_exceeds_native")
    assert len(command.data) == 3


def test_extended_marker_with_a_count_is_still_the_marker() -> None:
    (command,) = taken("extended_marker_nonzero_count")
    assert (command.data_type, command.data_count, len(command)) == (6, 1, 24)


def test_unknown_type_is_a_value_until_its_data_is_asked_for() -> None:
    command = taken("bad_type_read_notify")[0]
    assert command.data_type == 100
    assert "100" in repr(command)
