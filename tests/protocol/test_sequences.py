"""Recorded conversations of EPICS Base, replayed through both state machines."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

import caproto
from caproto import CLIENT, SERVER
from tests import golden
from tests.protocol.pair import ConnectionPair

SEQUENCES = golden.sequences()
REQUESTS_WITH_SID = {1, 2, 4, 15, 19, 12}


def word(wire: bytes, offset: int) -> int:
    return int.from_bytes(wire[offset : offset + 4], "big")


def native(wire: bytes) -> int:
    data_type = int.from_bytes(wire[4:6], "big")
    return data_type % 7 if data_type < 35 else 0


def prepared(messages: list[dict[str, Any]]) -> ConnectionPair:
    """A pair that has been through what was cut off in front of the recording."""
    versions = [bytes.fromhex(m["hex"]) for m in messages if (m["role"], m["command"]) == ("client", 0)]
    pair = ConnectionPair(priority=versions[0][5] if versions else 0)
    if not any(message["command"] == 0 for message in messages):
        pair.open()
    known: set[int] = set()
    cids = {word(bytes.fromhex(m["hex"]), 8) for m in messages if (m["role"], m["command"]) == ("client", 18)}
    for message in messages:
        wire = bytes.fromhex(message["hex"])
        if (message["role"], message["command"]) == ("server", 18):
            known.add(word(wire, 12))
        sid = word(wire, 8)
        if message["role"] == "client" and message["command"] in REQUESTS_WITH_SID and sid not in known:
            known.add(sid)
            cid = word(wire, 12) if message["command"] == 12 else next(n for n in range(1, 99) if n not in cids)
            cids.add(cid)
            if pair.circuit_states != ("CONNECTED", "CONNECTED"):
                pair.open()
            pair.create(cid=cid, sid=sid, data_type=native(wire), data_count=1)
    return pair


@pytest.mark.parametrize("sequence", SEQUENCES, ids=[sequence["name"] for sequence in SEQUENCES])
def test_both_ends_follow(sequence: dict[str, Any]) -> None:
    """Every recorded message is legal for both ends; the end that sends it produces the recorded bytes."""
    messages = [message for message in sequence["messages"] if message["transport"] == "tcp"]
    pair = prepared(messages)
    subscribed: dict[int, int] = {}
    for message in messages:
        wire = bytes.fromhex(message["hex"])
        sender, receiver = (pair.client, pair.server) if message["role"] == "client" else (pair.server, pair.client)
        if message["role"] == "client" and message["command"] == 1:
            subscribed[word(wire, 12)] = word(wire, 8)
        elif message["command"] == 1 and word(wire, 12) not in subscribed:
            continue  # an update whose subscription was cut off in front of the recording
        commands, needed = receiver.recv(wire)
        assert (len(commands), needed) == (1, 0)
        (command,) = commands
        assert command.header.command == message["command"]
        sent = b"".join(bytes(part) for part in sender.send(command))
        assert sent == wire
        receiver.process_command(command)
    assert pair.circuit_states == ("CONNECTED", "CONNECTED")


@pytest.mark.parametrize("sequence", SEQUENCES, ids=[sequence["name"] for sequence in SEQUENCES])
def test_datagrams_of_the_conversation(sequence: dict[str, Any]) -> None:
    ends = {"client": caproto.Broadcaster(CLIENT), "server": caproto.Broadcaster(SERVER)}
    udp = [message for message in sequence["messages"] if message["transport"] == "udp"]
    for role, group in groupby(udp, key=lambda message: message["role"]):
        wire = b"".join(bytes.fromhex(message["hex"]) for message in group)
        other = ends["server" if role == "client" else "client"]
        commands = other.recv(wire, ("127.0.0.1", 15064))
        assert b"".join(bytes(command) for command in commands) == wire
        assert ends[role].send(*commands) == wire
        other.process_commands(commands)


def test_cancel_confirmation_ends_the_subscription() -> None:
    (sequence,) = (s for s in SEQUENCES if s["name"] == "subscribe_update_cancel")
    pair = prepared(sequence["messages"])
    names = []
    for message in sequence["messages"]:
        sender, receiver = (pair.client, pair.server) if message["role"] == "client" else (pair.server, pair.client)
        commands, _ = receiver.recv(bytes.fromhex(message["hex"]))
        sender.send(*commands)
        for command in commands:
            receiver.process_command(command)
            names.append(type(command).__name__)
    assert names.count("EventAddResponse") + names.count("EventCancelResponse") == 4
