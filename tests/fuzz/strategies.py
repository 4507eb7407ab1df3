"""Bytes worth trying: recorded messages, mutations of them, made-up headers, and noise; cut anywhere."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from tests import golden

ROLES = ("client", "server")
RECORDED = {
    role: [vector.wire for vector in golden.tcp(role) if len(vector.wire) < 2000]
    + [bytes.fromhex(raw["hex"]) for raw in golden.hazards() if role == "client"]
    for role in ROLES
}
INTERESTING = (0, 1, 2, 7, 8, 15, 16, 40, 0x7FFF, 0x8000, 0xFFF8, 0xFFFE, 0xFFFF)
WIDE = (*INTERESTING, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFE8, 0xFFFFFFF0, 0xFFFFFFF8, 0xFFFFFFFF)

narrow = st.one_of(st.sampled_from(INTERESTING), st.integers(0, 0xFFFF))
wide = st.one_of(st.sampled_from(WIDE), st.integers(0, 0xFFFFFFFF))


@st.composite
def mutated(draw: st.DrawFn, role: str) -> bytes:
    """A recorded message with some bytes changed, a header word replaced, or its end cut off or stretched."""
    wire = bytearray(draw(st.sampled_from(RECORDED[role])))
    for _ in range(draw(st.integers(0, 3))):
        if not wire:
            break
        change = draw(st.integers(0, 3))
        position = draw(st.integers(0, len(wire) - 1))
        if change == 0:
            wire[position] = draw(st.integers(0, 255))
        elif change == 1 and len(wire) >= 16:
            word = draw(st.integers(0, 3)) * 2
            struct.pack_into(">H", wire, word, draw(narrow))
        elif change == 2:
            del wire[position:]
        else:
            wire[position:position] = draw(st.binary(max_size=16))
    return bytes(wire)


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """Any payload behind a header that frames it rightly."""
    payload = draw(st.binary(max_size=120))
    payload += bytes(-len(payload) % 8)
    command = draw(st.one_of(st.integers(0, 27), narrow))
    kind, count = draw(st.one_of(st.integers(0, 40), narrow)), draw(st.one_of(st.integers(0, 6), wide))
    first, second = draw(wide), draw(wide)
    if count > 0xFFFE or draw(st.booleans()):
        return struct.pack(">HHHHIIII", command, 0xFFFF, kind, 0, first, second, len(payload), count) + payload
    return struct.pack(">HHHHII", command, len(payload), kind, count, first, second) + payload


@st.composite
def streams(draw: st.DrawFn, role: str) -> bytes:
    """Several messages in a row, not all of them sound."""
    part = st.one_of(mutated(role), framed(), st.sampled_from(RECORDED[role]), st.binary(max_size=60))
    return b"".join(draw(st.lists(part, max_size=6)))


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """``data`` in pieces."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)]
