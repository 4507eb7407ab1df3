"""A command of the library in the vocabulary of the golden vectors."""

from __future__ import annotations

from typing import Any

from tests import dbr_table, golden


def text(value: Any) -> str:
    """Bytes or str as str, cut at the first NUL."""
    plain = value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)
    return plain.split("\0")[0]


def values(command: Any) -> list[Any]:
    """``command.data`` as a list of plain Python objects."""
    data = command.data
    if dbr_table.native(int(command.data_type)) == 0:
        return [text(item) for item in data]
    return list(data.tolist() if hasattr(data, "tolist") else data)


def dbr(command: Any) -> dict[str, Any]:
    """Metadata and values of ``command``."""
    data_type = int(command.data_type)
    group, kind, meta = dbr_table.family(data_type), dbr_table.native(data_type), command.metadata
    result: dict[str, Any] = {"value": values(command)}
    if group in ("PLAIN", "ACK", "CLASS"):
        assert meta is None or group != "PLAIN"
        return result
    result["status"], result["severity"] = int(meta.status), int(meta.severity)
    if group == "STSACK":
        result["ackt"], result["acks"] = int(meta.ackt), int(meta.acks)
    elif group == "TIME":
        result["seconds"], result["nanoseconds"] = meta.secondsSinceEpoch, meta.nanoSeconds
    elif group in ("GR", "CTRL") and kind == 3:
        strings = [text(item) for item in meta.enum_strings]
        result["no_str"] = len(strings)
        result["strs"] = strings
    elif group in ("GR", "CTRL") and kind != 0:
        if kind in (2, 6):
            result["precision"] = meta.precision
        result["units"] = text(meta.units)
        for name in dbr_table.LIMITS if group == "CTRL" else dbr_table.LIMITS[:6]:
            result[name] = getattr(meta, name)
    return result


def differences(have: dict[str, Any], want: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs, NaN equal to NaN; ``strs`` of a golden vector always has 16 cells."""
    found = {}
    for name, value in want.items():
        if name == "strs":
            value = value[: min(want["no_str"], 16)]
        elif name == "no_str":
            value = max(0, min(value, 16))
        mine = have.get(name)
        if isinstance(value, list):
            equal = len(mine) == len(value) and all(map(same_value, mine, value))
        else:
            equal = same_value(mine, value)
        if not equal:
            found[name] = (mine, value)
    return found


def same_value(mine: Any, recorded: Any) -> bool:
    """Equality with a value of a vector, where floats that JSON lacks are strings."""
    return golden.same(mine, recorded if isinstance(mine, str) else golden.number(recorded))
