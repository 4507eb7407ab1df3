"""The DBR types as the protocol reference tabulates them (sections 4.2 and 4.3), typed in by hand.

On purpose not derived from ``caproto._layout``: this is what the library's own table is measured against.
"""

from __future__ import annotations

import struct
from typing import Any

# id: (name, value offset, element size, wire size of a scalar, wire size when empty)
TYPES: dict[int, tuple[str, int, int, int, int]] = {
    0: ("STRING", 0, 40, 40, 0), 1: ("INT", 0, 2, 8, 0), 2: ("FLOAT", 0, 4, 8, 0), 3: ("ENUM", 0, 2, 8, 0),
    4: ("CHAR", 0, 1, 8, 0), 5: ("LONG", 0, 4, 8, 0), 6: ("DOUBLE", 0, 8, 8, 0),
    7: ("STS_STRING", 4, 40, 48, 8), 8: ("STS_INT", 4, 2, 8, 8), 9: ("STS_FLOAT", 4, 4, 8, 8),
    10: ("STS_ENUM", 4, 2, 8, 8), 11: ("STS_CHAR", 5, 1, 8, 8), 12: ("STS_LONG", 4, 4, 8, 8),
    13: ("STS_DOUBLE", 8, 8, 16, 8),
    14: ("TIME_STRING", 12, 40, 56, 16), 15: ("TIME_INT", 14, 2, 16, 16), 16: ("TIME_FLOAT", 12, 4, 16, 16),
    17: ("TIME_ENUM", 14, 2, 16, 16), 18: ("TIME_CHAR", 15, 1, 16, 16), 19: ("TIME_LONG", 12, 4, 16, 16),
    20: ("TIME_DOUBLE", 16, 8, 24, 16),
    21: ("GR_STRING", 4, 40, 48, 8), 22: ("GR_INT", 24, 2, 32, 24), 23: ("GR_FLOAT", 40, 4, 48, 40),
    24: ("GR_ENUM", 422, 2, 424, 424), 25: ("GR_CHAR", 19, 1, 24, 24), 26: ("GR_LONG", 36, 4, 40, 40),
    27: ("GR_DOUBLE", 64, 8, 72, 64),
    28: ("CTRL_STRING", 4, 40, 48, 8), 29: ("CTRL_INT", 28, 2, 32, 32), 30: ("CTRL_FLOAT", 48, 4, 56, 48),
    31: ("CTRL_ENUM", 422, 2, 424, 424), 32: ("CTRL_CHAR", 21, 1, 24, 24), 33: ("CTRL_LONG", 44, 4, 48, 48),
    34: ("CTRL_DOUBLE", 80, 8, 88, 80),
    35: ("PUT_ACKT", 0, 2, 8, 0), 36: ("PUT_ACKS", 0, 2, 8, 0), 37: ("STSACK_STRING", 8, 40, 48, 8),
    38: ("CLASS_NAME", 0, 40, 40, 0),
}  # fmt: skip
READABLE = [number for number in TYPES if number not in (35, 36)]
LETTERS = "shfHBid"
LIMITS = [
    "upper_disp_limit", "lower_disp_limit", "upper_alarm_limit", "upper_warning_limit", "lower_warning_limit",
    "lower_alarm_limit", "upper_ctrl_limit", "lower_ctrl_limit",
]  # fmt: skip


def native(data_type: int) -> int:
    """DBR id of the plain type of the elements."""
    return data_type % 7 if data_type < 35 else 3 if data_type < 37 else 0


def family(data_type: int) -> str:
    """PLAIN, STS, TIME, GR, CTRL, ACK (35, 36), STSACK or CLASS."""
    if data_type < 35:
        return ("PLAIN", "STS", "TIME", "GR", "CTRL")[data_type // 7]
    return {35: "ACK", 36: "ACK", 37: "STSACK", 38: "CLASS"}[data_type]


def decode(data_type: int, count: int, payload: bytes) -> dict[str, Any]:
    """A DBR payload in the vocabulary of the golden vectors."""
    result = _metadata(data_type, payload)
    offset, kind = TYPES[data_type][1], native(data_type)
    if kind == 0:
        cells = [payload[offset + 40 * n : offset + 40 * n + 40] for n in range(count)]
        result["value"] = [cell.split(b"\0")[0].decode("latin-1") for cell in cells]
    else:
        result["value"] = list(struct.unpack_from(f">{count}{LETTERS[kind]}", payload, offset))
    return result


def _metadata(data_type: int, payload: bytes) -> dict[str, Any]:
    group, kind = family(data_type), native(data_type)
    if group in ("PLAIN", "ACK", "CLASS"):
        return {}
    if group == "STSACK":
        return dict(zip(("status", "severity", "ackt", "acks"), struct.unpack_from(">4H", payload), strict=True))
    result: dict[str, Any] = dict(zip(("status", "severity"), struct.unpack_from(">hh", payload), strict=True))
    if group == "TIME":
        result["seconds"], result["nanoseconds"] = struct.unpack_from(">II", payload, 4)
    if group not in ("GR", "CTRL") or kind == 0:
        return result
    if kind == 3:
        result["no_str"] = struct.unpack_from(">h", payload, 4)[0]
        cells = [payload[6 + 26 * n : 32 + 26 * n] for n in range(16)]
        result["strs"] = [cell.split(b"\0")[0].decode("latin-1") for cell in cells]
        return result
    units = 4
    if kind in (2, 6):
        result["precision"] = struct.unpack_from(">h", payload, 4)[0]
        units = 8
    result["units"] = payload[units : units + 8].split(b"\0")[0].decode("latin-1")
    names = LIMITS if group == "CTRL" else LIMITS[:6]
    limits = struct.unpack_from(f">{len(names)}{LETTERS[kind]}", payload, units + 8)
    result.update(zip(names, limits, strict=True))
    return result


def encode(data_type: int, fields: dict[str, Any]) -> bytes:
    """The inverse of :func:`decode`, zero-padded to a multiple of 8."""
    group, kind, values = family(data_type), native(data_type), fields["value"]
    out = bytearray(TYPES[data_type][1])
    if group == "STSACK":
        struct.pack_into(">4H", out, 0, *(fields[name] for name in ("status", "severity", "ackt", "acks")))
    elif group not in ("PLAIN", "ACK", "CLASS"):
        struct.pack_into(">hh", out, 0, fields["status"], fields["severity"])
    if group == "TIME":
        struct.pack_into(">II", out, 4, fields["seconds"], fields["nanoseconds"])
    elif group in ("GR", "CTRL") and kind == 3:
        struct.pack_into(">h", out, 4, fields["no_str"])
        for number, text in enumerate(fields["strs"]):
            struct.pack_into(">26s", out, 6 + 26 * number, text.encode("latin-1"))
    elif group in ("GR", "CTRL") and kind != 0:
        units = 8 if kind in (2, 6) else 4
        if units == 8:
            struct.pack_into(">h", out, 4, fields["precision"])
        names = LIMITS if group == "CTRL" else LIMITS[:6]
        limits = [fields[name] for name in names]
        text = fields["units"].encode("latin-1")
        struct.pack_into(f">8s{len(names)}{LETTERS[kind]}", out, units, text, *limits)
    if kind == 0:
        out += b"".join(text.encode("latin-1").ljust(40, b"\0") for text in values)
    else:
        out += struct.pack(f">{len(values)}{LETTERS[kind]}", *values)
    return bytes(out) + bytes(-len(out) % 8)
