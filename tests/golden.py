"""Loader of the recorded exchanges in ``tests/data/golden`` (schema: the README there).

The bytes come from EPICS Base, never from our own encoder.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "data" / "golden"


@dataclass(frozen=True)
class Vector:
    """One recorded message (or, when ``datagram`` is true, one whole datagram)."""

    name: str
    role: str
    transport: str
    wire: bytes
    canonical: bytes
    decoded: dict[str, Any]
    undefined: tuple[tuple[int, int], ...]
    datagram: bool
    file: str
    note: str

    def __str__(self) -> str:
        return self.name

    def without_undefined(self, data: bytes) -> bytes:
        """``data`` with the ranges that carry no meaning zeroed."""
        clean = bytearray(data)
        for start, stop in self.undefined:
            clean[start:stop] = bytes(stop - start)
        return bytes(clean)


def _pattern(text: str, length: int) -> bytes:
    if text == "all bytes 0x00":
        return bytes(length)
    assert text == "byte i = (7*i) & 0xff", text
    return bytes((7 * i) & 0xFF for i in range(length))


def _wire(raw: dict[str, Any]) -> bytes:
    if "hex" in raw:
        return bytes.fromhex(raw["hex"])
    payload = _pattern(raw["payload_pattern"], raw["payload_length"])
    assert hashlib.sha256(payload).hexdigest() == raw["payload_sha256"], raw["name"]
    return bytes.fromhex(raw["header_hex"]) + payload


def _vector(raw: dict[str, Any], file: str) -> Vector:
    wire = _wire(raw)
    return Vector(
        name=raw["name"],
        role=raw["role"],
        transport=raw["transport"],
        wire=wire,
        canonical=bytes.fromhex(raw["canonical_hex"]) if "canonical_hex" in raw else wire,
        decoded=raw["decoded"],
        undefined=tuple((start, stop) for start, stop in raw.get("undefined_ranges", ())),
        datagram=raw.get("datagram", False),
        file=file,
        note=raw.get("note") or "",
    )


@functools.cache
def _load(file: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GOLDEN / file).read_text())
    return loaded


@functools.cache
def vectors() -> tuple[Vector, ...]:
    """Every vector that has a decoded form (all files but hazard and sequences)."""
    return tuple(
        _vector(raw, path.stem)
        for path in sorted(GOLDEN.glob("*.json"))
        if path.stem not in ("hazard", "sequences")
        for raw in _load(path.name)["vectors"]
    )


def messages() -> list[Vector]:
    """The vectors that are one message each."""
    return [vector for vector in vectors() if not vector.datagram]


def datagrams() -> list[Vector]:
    """The vectors that are whole datagrams."""
    return [vector for vector in vectors() if vector.datagram]


def tcp(role: str) -> list[Vector]:
    """TCP messages sent by ``role``."""
    return [v for v in messages() if v.transport == "tcp" and v.role == role]


def hazards() -> list[dict[str, Any]]:
    """Malformed or odd client bytes and what the real server answered."""
    return list(_load("hazard.json")["vectors"])


def sequences() -> list[dict[str, Any]]:
    """Whole conversations in order."""
    return list(_load("sequences.json")["sequences"])


def expected_values(decoded: dict[str, Any]) -> list[Any] | None:
    """The ``value`` list of a decoded DBR payload, patterns expanded; None if the vector has none."""
    dbr = decoded.get("fields", {}).get("dbr")
    if dbr is None:
        return None
    value = dbr["value"]
    if isinstance(value, dict):
        return list(_pattern(value["pattern"], value["length"]))
    return [number(item) for item in value]


def number(item: Any) -> Any:
    """A JSON value as Python sees it: the strings NaN, Infinity and -Infinity are floats."""
    return float(item) if item in ("NaN", "Infinity", "-Infinity") else item


def same(one: Any, other: Any) -> bool:
    """Equality in which NaN equals NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)
