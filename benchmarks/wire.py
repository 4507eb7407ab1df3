"""The bytes the benchmarks feed to a circuit, packed here so that no contender's encoder is involved."""

from __future__ import annotations

import struct

TIME_DOUBLE = 20
DOUBLE = 6
SUBSCRIPTION = 0

_HEADER = struct.Struct(">HHHHII")
_TIME_PREFIX = struct.Struct(">HHIIi")


def header(command: int, size: int, data_type: int, count: int, parameter1: int, parameter2: int) -> bytes:
    if size < 0xFFFF and count < 0xFFFF:
        return _HEADER.pack(command, size, data_type, count, parameter1, parameter2)
    short = _HEADER.pack(command, 0xFFFF, data_type, 0, parameter1, parameter2)
    return short + struct.pack(">II", size, count)


def version_response() -> bytes:
    return header(0, 0, 0, 13, 0, 0)


def channel_created(cid: int, data_type: int, count: int, sid: int) -> bytes:
    return header(22, 0, 0, 0, cid, 3) + header(18, 0, data_type, count, cid, sid)


def scalar_update(value: float, seconds: int, nanoseconds: int = 0) -> bytes:
    """An EventAddResponse of one TIME_DOUBLE element: 16 bytes of header, 24 of payload."""
    payload = _TIME_PREFIX.pack(0, 0, seconds, nanoseconds, 0) + struct.pack(">d", value)
    return header(1, len(payload), TIME_DOUBLE, 1, 1, SUBSCRIPTION) + payload


def scalar_updates(count: int) -> bytes:
    return b"".join(scalar_update(float(i), 1_000_000 + i) for i in range(count))


def waveform_update(elements: int) -> bytes:
    """An EventAddResponse of plain DOUBLE elements 0, 1, 2, ..."""
    payload = struct.pack(f">{elements}d", *map(float, range(elements)))
    return header(1, len(payload), DOUBLE, elements, 1, SUBSCRIPTION) + payload
