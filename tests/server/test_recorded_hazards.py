"""The recorded hazards against a live server: what real clients got from EPICS Base, and where ours is more forgiving.

The bytes are as they were recorded, but for the number of the channel; where a recording goes on with the greeting of
the next connection, only the part in question is sent.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

import pytest

import caproto._commands as ca
from caproto._enums import SERVER
from caproto._status import CAStatus
from caproto._wire import codec
from tests import golden
from tests.server.conftest import Server

pytestmark = pytest.mark.interop
GREETING = bytes(ca.VersionRequest(0, 13))
ECHO = struct.pack(">HHHHII", 23, 0, 0, 0, 77, 0)  # as no recorded one is
BEFORE = GREETING + b"".join(bytes(ca.CreateChanRequest(name, 0, 13)) for name in ("double", "string", "array"))


class Expected(NamedTuple):
    """What a hazard leads to: answers as (command, status or other number that tells), and whether the circuit ends.

    `pv` is what the recorded SID is to be, `part` are the messages in question, sent so many `times`.
    """

    answers: list[tuple[int, Any]]
    closed: bool = False
    pv: int | None = None
    part: slice = slice(None)
    greet: bool = True
    times: int = 1


def status(name: str) -> int:
    return CAStatus[name].value.code_with_severity


def doubles(*values: float) -> bytes:
    """As they are told, without the zeros at the end: these may be padding."""
    return struct.pack(f">{len(values)}d", *values).rstrip(b"\0")


NORMAL, DEFUNCT = status("ECA_NORMAL"), status("ECA_DEFUNCT")
INTERNAL = status("ECA_INTERNAL")
DOUBLE, STRING, ARRAY = range(3)
FIRST, LATER = slice(0, 1), slice(1, None)
HAZARDS = {
    "malformed_unterminated_name": Expected([(26, 501)]),
    "empty_name": Expected([]),
    "long_name_100": Expected([(26, 502)]),
    "write_string_short_no_nul": Expected([], pv=STRING),
    "write_string_short_no_nul_readback": Expected([(15, b"12345678")], pv=STRING),  # Base tells what it held before
    "write_string_40_no_nul": Expected([], pv=STRING),
    "write_string_40_no_nul_readback": Expected([(15, b"Z" * 39)], pv=STRING),
    "write_notify_short_payload": Expected([(19, status("ECA_BADCOUNT")), (23, 0)], pv=ARRAY),  # Base reads on
    "write_notify_short_payload_readback": Expected([(15, doubles(1, 2, 3))], pv=ARRAY),
    "write_notify_extra_payload": Expected([(19, NORMAL)], pv=DOUBLE),
    "write_notify_count_exceeds_native": Expected([(19, NORMAL)], pv=DOUBLE),
    "extended_marker_nonzero_count": Expected([(15, doubles(61))], pv=DOUBLE),
    "duplicate_subscription_id": Expected([(1, NORMAL)] * 2, pv=DOUBLE, times=2),
    "event_mask_0x80": Expected([(1, NORMAL)], pv=DOUBLE, part=FIRST),
    "event_mask_0x101": Expected([(11, status("ECA_BADMASK"))], pv=DOUBLE, part=FIRST),  # Base closes
    "version_minor_0": Expected([], closed=True, part=LATER, greet=False),
    "priority_100": Expected([], part=LATER),  # what was recorded has no priority; it is closed in test_engine.py
    "http_probe": Expected([], closed=True, greet=False),  # Base answers and stays
    "tls_probe": Expected([], closed=True, greet=False),  # Base answers and stays
    "host_name_no_nul": Expected([(11, INTERNAL)], closed=True, part=FIRST),
    "user_name_empty_payload": Expected([(11, INTERNAL)], closed=True, part=FIRST),
    "bad_type_read_notify": Expected([(15, status("ECA_BADTYPE"))], pv=DOUBLE, part=FIRST),  # Base closes
    "bad_type_subscribe": Expected([(11, status("ECA_BADTYPE"))], pv=DOUBLE, part=FIRST),  # Base closes
    "create_with_minor_3": Expected([(26, 1)], part=FIRST),  # Base closes
    "no_version_then_version": Expected([(11, DEFUNCT)], greet=False),
}


class Circuit:
    """A connection without any rules."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.parser = codec.StreamParser(ca.tables[SERVER], 1 << 20)
        assert self.receive(1) == [ca.VersionResponse(13)]

    def __enter__(self) -> Circuit:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def receive(self, count: int) -> list[Any]:
        """As many messages, or fewer if the server ends the connection first."""
        found: list[Any] = []
        while len(found) < count and (data := self.sock.recv(65536)):
            found += self.parser.feed(data)
        return found

    def until_echo(self) -> list[Any]:
        """What comes before the answer to an ECHO that says that the circuit is alive."""
        self.sock.sendall(ECHO)
        found: list[Any] = []
        while not found or bytes(found[-1]) != ECHO:
            more = self.receive(1)
            assert more, f"the circuit is closed after {found}"
            found += more
        return found[:-1]


def parts(wire: bytes) -> list[bytes]:
    """The messages of a recording."""
    found = []
    while wire:
        size = struct.unpack_from(">H", wire, 2)[0]
        size = 24 + struct.unpack_from(">I", wire, 16)[0] if size == 0xFFFF else 16 + size
        found.append(wire[:size])
        wire = wire[size:]
    return found


def telling(answer: Any) -> tuple[int, Any]:
    command = answer.header.command
    if command == 15 and answer.status.name == "ECA_NORMAL":
        return command, bytes(answer)[16 + 8 * (answer.header.payload_size == 0xFFFF) :].rstrip(b"\0")
    if command == 11:
        return command, answer.status.code_with_severity
    return command, 0 if command == 23 else answer.header.parameter1


def of_a_channel(witness: Circuit, expected: Expected, wire: bytes, sids: list[int]) -> list[Any]:
    assert expected.pv is not None
    witness.sock.sendall((wire[:8] + struct.pack(">I", sids[expected.pv]) + wire[12:]) * expected.times)
    return witness.until_echo()


def of_a_circuit(port: int, expected: Expected, wire: bytes) -> list[Any]:
    with Circuit(port) as hostile:
        hostile.sock.sendall((GREETING if expected.greet else b"") + wire)
        if expected.closed:
            return hostile.receive(99)
        if expected.greet:
            return hostile.until_echo()
        answers = hostile.receive(1)
        hostile.sock.sendall(GREETING)  # which heals it
        assert hostile.until_echo() == []
        return answers


def test_all_of_them(server: Server) -> None:
    recorded = {raw["name"]: bytes.fromhex(raw["hex"]) for raw in golden.hazards()}
    assert set(recorded) == set(HAZARDS)
    with Circuit(server.port) as honest, Circuit(server.port) as witness:
        for circuit in (honest, witness):
            circuit.sock.sendall(BEFORE)
            sids = [command.sid for command in circuit.receive(6) if isinstance(command, ca.CreateChanResponse)]
        for name, expected in HAZARDS.items():
            wire = recorded[name] if name.endswith("probe") else b"".join(parts(recorded[name])[expected.part])
            if expected.pv is None:
                answers = of_a_circuit(server.port, expected, wire)
            else:
                answers = of_a_channel(witness, expected, wire, sids)
            assert [telling(answer) for answer in answers] == expected.answers, name
        assert honest.until_echo() == []
