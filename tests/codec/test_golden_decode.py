"""decode(hex) gives what was recorded, for every vector, whole and byte by byte."""

from __future__ import annotations

import random
from typing import Any

import pytest

import caproto
from caproto._commands import read_datagram
from tests import dbr_table, golden, view

SERVER_PORT = ("127.0.0.1", 15064)
STREAM = [v for v in golden.messages() if v.transport == "tcp"]


def receiver(role: str) -> Any:
    """A circuit at the other end of ``role``."""
    mine = caproto.SERVER if role == "client" else caproto.CLIENT
    return caproto.VirtualCircuit(our_role=mine, address=SERVER_PORT, priority=0)


def receive(role: str, data: bytes) -> tuple[list[Any], int]:
    commands, needed = receiver(role).recv(data)
    return list(commands), needed


def sender(role: str) -> Any:
    return caproto.CLIENT if role == "client" else caproto.SERVER


def decode(vector: golden.Vector) -> Any:
    if vector.transport == "tcp":
        commands, needed = receive(vector.role, vector.wire)
        assert needed == 0
    else:
        commands = list(read_datagram(vector.wire, SERVER_PORT, sender(vector.role)))
    (command,) = commands
    return command


def check(command: Any, decoded: dict[str, Any], role: str) -> None:
    """Header, named fields, metadata and values of ``command`` are those recorded."""
    header = command.header
    for name in ("command", "payload_size", "data_type", "data_count", "parameter1", "parameter2"):
        assert getattr(header, name) == decoded[name], name
    for name, value in decoded["fields"].items():
        check_field(command, name, value, decoded)


NAMES = {
    "subscription_id": "subscriptionid",
    "minor_version": "version",
    "server_minor_version": "version",
    "tcp_port": "port",
    "server_ip": "ip",
    "reply_flag": "reply",
    "native_type": "data_type",
    "native_count": "data_count",
    "message": "error_message",
}
DERIVED = {
    "sequence_valid", "sequence_number", "cid_repeat", "address_is_sender", "mask_names", "read", "write",
    "native_type_name", "note", "parameter1", "payload_hex",
}  # fmt: skip


def check_field(command: Any, name: str, value: Any, decoded: dict[str, Any]) -> None:
    if name in DERIVED or (name == "reply" and isinstance(value, str)):
        return
    if decoded["command"] == 13:
        name = {"tcp_port": "server_port", "server_ip": "address"}.get(name, name)
    if decoded["command"] == 14 and name == "reply_flag":
        assert command.reply_flag == value
        return
    name = NAMES.get(name, name)
    if name == "dbr":
        have = view.dbr(command)
        want = dict(value, value=golden.expected_values(decoded))
        assert not view.differences(have, want)
    elif name == "original":
        original = getattr(command.original_request, "header", command.original_request)
        for part in ("command", "payload_size", "data_type", "data_count", "parameter1", "parameter2"):
            assert getattr(original, part) == value[part], part
    elif name == "status":
        assert command.status.code_with_severity == value
    elif (decoded["command"], name) == (3, "cid"):
        assert command.header.parameter1 == value
    elif isinstance(value, str):
        assert view.text(getattr(command, name)) == value, name
    else:
        assert getattr(command, name) == value, name


@pytest.mark.parametrize("vector", golden.messages(), ids=str)
def test_decode(vector: golden.Vector) -> None:
    check(decode(vector), vector.decoded, vector.role)


@pytest.mark.parametrize("vector", golden.messages(), ids=str)
def test_bytes_of_what_was_decoded_are_the_bytes(vector: golden.Vector) -> None:
    command = decode(vector)
    assert vector.without_undefined(bytes(command)) == vector.without_undefined(vector.wire)
    assert len(command) == len(vector.wire)


@pytest.mark.parametrize("vector", STREAM, ids=str)
def test_byte_by_byte(vector: golden.Vector) -> None:
    circuit = receiver(vector.role)
    head = min(len(vector.wire), 200)
    for index in range(head - 1):
        commands, needed = circuit.recv(vector.wire[index : index + 1])
        assert not commands
        assert needed > 0
    assert head == len(vector.wire) or not circuit.recv(vector.wire[head - 1 : -1])[0]
    commands, needed = circuit.recv(vector.wire[-1:])
    assert needed == 0
    (command,) = commands
    check(command, vector.decoded, vector.role)


@pytest.mark.parametrize("vector", STREAM, ids=str)
def test_bytes_needed_is_never_more_than_the_message(vector: golden.Vector) -> None:
    """A reader that reads exactly ``needed`` bytes never blocks and never overruns."""
    circuit = receiver(vector.role)
    position, needed, commands = 0, 16, []
    while not commands:
        assert 0 < needed <= len(vector.wire) - position
        commands, following = circuit.recv(vector.wire[position : position + needed])
        position, needed = position + needed, following
    assert position == len(vector.wire)


def stream_of(role: str) -> list[golden.Vector]:
    return golden.tcp(role)


@pytest.mark.parametrize("role", ["client", "server"])
def test_all_vectors_of_a_role_in_one_chunk(role: str) -> None:
    vectors = stream_of(role)
    commands, needed = receive(role, b"".join(vector.wire for vector in vectors))
    assert (len(commands), needed) == (len(vectors), 0)
    for command, vector in zip(commands, vectors, strict=True):
        check(command, vector.decoded, role)


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("size", [1, 3, 16, 17, 4096, None])
def test_all_vectors_of_a_role_in_pieces(role: str, size: int | None) -> None:
    vectors = [vector for vector in stream_of(role) if len(vector.wire) < 60000 or size != 1]
    stream = b"".join(vector.wire for vector in vectors)
    circuit, commands, position = receiver(role), [], 0
    chance = random.Random(20)
    while position < len(stream):
        step = size or chance.randint(1, 3000)
        commands += circuit.recv(stream[position : position + step])[0]
        position += step
    assert len(commands) == len(vectors)
    for command, vector in zip(commands, vectors, strict=True):
        check(command, vector.decoded, role)


@pytest.mark.parametrize("role", ["client", "server"])
def test_the_same_through_circuit_memory(role: str) -> None:
    """``get_buffer`` / ``buffer_updated`` instead of ``recv``."""
    vectors = stream_of(role)
    stream = memoryview(b"".join(vector.wire for vector in vectors))
    circuit, commands = receiver(role), []
    while stream:
        buffer = circuit.get_buffer()
        size = min(len(buffer), len(stream), 1000)
        buffer[:size] = stream[:size]
        commands += circuit.buffer_updated(size)
        stream = stream[size:]
    assert len(commands) == len(vectors)
    for command, vector in zip(commands, vectors, strict=True):
        check(command, vector.decoded, role)


@pytest.mark.parametrize("vector", golden.datagrams(), ids=str)
def test_datagram(vector: golden.Vector) -> None:
    commands = list(read_datagram(vector.wire, SERVER_PORT, sender(vector.role)))
    assert len(commands) == len(vector.decoded["messages"])
    for command, decoded in zip(commands, vector.decoded["messages"], strict=True):
        check(command, decoded, vector.role)
        assert command.sender_address == SERVER_PORT


@pytest.mark.parametrize("vector", golden.datagrams(), ids=str)
def test_datagram_through_a_broadcaster(vector: golden.Vector) -> None:
    mine = caproto.SERVER if vector.role == "client" else caproto.CLIENT
    commands = caproto.Broadcaster(our_role=mine).recv(vector.wire, SERVER_PORT)
    assert b"".join(bytes(command) for command in commands) == vector.wire


def test_every_layout_is_that_of_the_reference() -> None:
    from caproto._layout import LAYOUTS

    have = {layout.dbr: (layout.name, layout.value_offset, layout.item_size) for layout in LAYOUTS}
    assert have == {number: entry[:3] for number, entry in dbr_table.TYPES.items()}
