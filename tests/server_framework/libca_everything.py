"""Do with PVs all that the C library can: ``libca_everything.py`` reads JSON {name: read_only} and prints JSON.

For each name {"types": {type: status} of reads, "updates": number, "put": status of writing the value back with a
callback, "wrong": status of writing a text that is no value, "states": names of states, "alive": status of a read
after all that}; statuses are ECA codes.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from typing import Any

import epics
from epics import ca, dbr

NORMAL, STRING, ENUM, CHAR, CTRL_ENUM = 1, 0, 3, 4, 31
TYPES = [number for number in range(39) if number not in (35, 36)]
MOST, LARGE = 1000, 100_000
DBE_VALUE_ALARM = 5
kept: list[Any] = []
answers: dict[Any, tuple[int, bytes]] = {}
updates: dict[str, int] = {}


def take(arguments: Any) -> None:
    key = arguments.usr
    if key[1] == "update":
        updates[key[0]] += 1
        return
    size = 424 if key[1] == CTRL_ENUM else 40 * min(arguments.count, MOST)
    raw = ctypes.string_at(arguments.raw_dbr, size) if arguments.raw_dbr and arguments.status == NORMAL else b""
    answers[key] = arguments.status, raw


CALLBACK = dbr.make_callback(take, dbr.event_handler_args)


def user(key: tuple[str, Any]) -> Any:
    kept.append(ctypes.py_object(key))
    return kept[-1]


def wait(keys: list[Any], condition: Any = None) -> None:
    ca.flush_io()
    deadline = time.monotonic() + 20
    while not (condition() if condition else all(key in answers for key in keys)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer to {[key for key in keys if key not in answers][:10]}")
        ca.poll(0.002, 0.002)


def read(name: str, chid: Any, data_type: int, what: Any = None) -> Any:
    key = (name, data_type if what is None else what)
    count = min(ca.element_count(chid), MOST)
    status = ca.libca.ca_array_get_callback(data_type, count, chid, CALLBACK, user(key))
    assert status == NORMAL, (key, status)
    return key


def types_of(chid: Any) -> list[int]:
    """All types; those of its own family for what is so large that converting all of it takes seconds."""
    if ca.element_count(chid) <= LARGE:
        return TYPES
    return [number for number in TYPES if number % 7 == ca.field_type(chid) and number < 35]


def put(name: str, chid: Any, data_type: int, count: int, raw: bytes, what: str) -> Any:
    key = (name, what)
    kept.append(ctypes.create_string_buffer(raw, max(len(raw), 40 * count)))
    status = ca.libca.ca_array_put_callback(data_type, count, chid, kept[-1], CALLBACK, user(key))
    assert status == NORMAL, (key, status)
    return key


def main() -> None:
    listed: dict[str, bool] = json.load(sys.stdin)
    epics.ca.initialize_libca()
    chids = {name: ca.create_channel(name) for name in listed}
    for name, chid in chids.items():
        assert ca.connect_channel(chid, timeout=10), name
    wait([read(name, chid, number) for name, chid in chids.items() for number in types_of(chid)])
    types = {name: {number: answers[name, number][0] for number in types_of(chid)} for name, chid in chids.items()}
    for name, chid in chids.items():
        updates[name] = 0
        count, event = min(ca.element_count(chid), MOST), ctypes.c_void_p()
        status = ca.libca.ca_create_subscription(
            ca.field_type(chid), count, chid, DBE_VALUE_ALARM, CALLBACK, user((name, "update")), ctypes.byref(event)
        )
        assert status == NORMAL, name
    wait([], lambda: all(updates.values()))
    puts = []
    for name, chid in chids.items():
        if listed[name]:
            continue
        native, count = ca.field_type(chid), min(ca.element_count(chid), MOST)
        puts.append(put(name, chid, native, count, answers[name, native][1], "put"))
        if native != STRING and not (native == CHAR and count > 1):
            puts.append(put(name, chid, STRING, 1, b"no such value", "wrong"))
    wait(puts)
    wait([read(name, chid, ca.field_type(chid), "alive") for name, chid in chids.items()])
    result = {}
    for name, chid in chids.items():
        found: dict[str, Any] = {"types": types[name], "updates": updates[name], "native": ca.field_type(chid)}
        found |= {what: answers[name, what][0] for what in ("put", "wrong", "alive") if (name, what) in answers}
        if ca.field_type(chid) == ENUM:
            raw = answers[name, CTRL_ENUM][1]
            number = ctypes.c_short.from_buffer_copy(raw, 4).value
            cells = (raw[6 + 26 * at : 32 + 26 * at] for at in range(number))
            found["states"] = [cell.split(b"\0")[0].decode() for cell in cells]
        result[name] = found
    json.dump(result, sys.stdout)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
