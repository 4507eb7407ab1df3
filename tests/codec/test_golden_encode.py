"""encode(decoded) gives the recorded bytes, meaningless ranges zeroed, for every vector."""

from __future__ import annotations

import pytest

import caproto
from tests import golden
from tests.codec.build import build, components, direction

# A 24-byte header around small numbers, or an ECHO with a payload: legal to receive, not what we send.
NOT_OUR_FORM = {
    vector.name
    for vector in golden.messages()
    if (
        vector.decoded["extended"] and vector.decoded["payload_size"] < 0xFFFF and vector.decoded["data_count"] < 0xFFFF
    )
    or vector.decoded["fields"].get("payload_hex")
}


def expected(vector: golden.Vector) -> bytes:
    return vector.without_undefined(vector.canonical)


@pytest.mark.parametrize("vector", [v for v in golden.messages() if v.name not in NOT_OUR_FORM], ids=str)
def test_encode_with_the_public_constructors(vector: golden.Vector) -> None:
    command = build(vector)
    assert bytes(command) == expected(vector)
    assert len(command) == len(expected(vector))


@pytest.mark.parametrize("vector", golden.messages(), ids=str)
def test_encode_from_components(vector: golden.Vector) -> None:
    """Header and payload as recorded, in the recorded form of header."""
    parts = components(vector)
    role = caproto.CLIENT if vector.role == "client" else caproto.SERVER
    cls = caproto.get_command_class(role, parts.header)
    command = cls.from_components(parts.header, parts.payload)
    assert bytes(command) == vector.canonical


@pytest.mark.parametrize("vector", golden.datagrams(), ids=str)
def test_encode_datagram(vector: golden.Vector) -> None:
    made = []
    for decoded in vector.decoded["messages"]:
        part = golden.Vector(
            vector.name, vector.role, "udp", b"", b"", decoded, (), datagram=False, file=vector.file, note=""
        )
        made.append(build(part))
    assert b"".join(bytes(command) for command in made) == vector.wire


def test_every_command_of_the_protocol_is_recorded() -> None:
    """So that each of our encoders is measured against bytes it did not make."""
    recorded = {(direction(v.role), v.decoded["command"]) for v in golden.messages()}
    classes = [cls for cls in vars(caproto).values() if isinstance(cls, type) and issubclass(cls, caproto.Message)]
    ours = {
        ("client" if cls.DIRECTION is caproto.REQUEST else "server", cls.ID)
        for cls in classes
        if isinstance(getattr(cls, "ID", None), int)
    }
    assert ours - recorded <= {("server", 27)}
