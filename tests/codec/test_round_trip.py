"""Every DBR type to bytes and back, with and without numpy, against a table typed by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import caproto
from tests import dbr_table, view
from tests.codec.build import _metadata

BACKENDS = ["numpy", "array"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each array backend in turn."""
    if request.param == "numpy":
        pytest.importorskip("numpy", reason="numpy is not installed")
    before = caproto.backend.name
    caproto.select_backend(request.param)
    yield request.param
    caproto.select_backend(before)


def single(value: float) -> float:
    return struct.unpack(">f", struct.pack(">f", value))[0]


text40 = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=39)
ELEMENTS: dict[int, st.SearchStrategy[Any]] = {
    0: text40,
    1: st.integers(-(2**15), 2**15 - 1),
    2: st.floats(width=32, allow_nan=False),
    3: st.integers(0, 2**16 - 1),
    4: st.integers(0, 255),
    5: st.integers(-(2**31), 2**31 - 1),
    6: st.floats(allow_nan=False),
}


@st.composite
def payloads(draw: st.DrawFn, data_type: int) -> dict[str, Any]:
    """All that a payload of this type says."""
    group, kind = dbr_table.family(data_type), dbr_table.native(data_type)
    made: dict[str, Any] = {"value": draw(st.lists(ELEMENTS[kind], max_size=6))}
    small = st.integers(0, 3)
    if group not in ("PLAIN", "ACK", "CLASS"):
        made["status"], made["severity"] = draw(st.integers(0, 25)), draw(st.integers(0, 5))
    if group == "STSACK":
        made["ackt"], made["acks"] = draw(small), draw(small)
    elif group == "TIME":
        made["seconds"] = draw(st.integers(0, 2**32 - 1))
        made["nanoseconds"] = draw(st.integers(0, 10**9 - 1))
    elif group in ("GR", "CTRL") and kind == 3:
        cell = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=25)
        made["strs"] = draw(st.lists(cell, max_size=16))
        made["no_str"] = len(made["strs"])
    elif group in ("GR", "CTRL") and kind != 0:
        made["units"] = draw(st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=7))
        if kind in (2, 6):
            made["precision"] = draw(st.integers(-(2**15), 2**15 - 1))
        for name in dbr_table.LIMITS if group == "CTRL" else dbr_table.LIMITS[:6]:
            made[name] = draw(ELEMENTS[kind])
    return made


def values_of(data_type: int, payload: dict[str, Any]) -> Any:
    values = payload["value"]
    return [text.encode("latin-1") for text in values] if dbr_table.native(data_type) == 0 else values


def received(command: Any, role: Any) -> Any:
    mine = caproto.SERVER if role is caproto.CLIENT else caproto.CLIENT
    (copy,), needed = caproto.VirtualCircuit(mine, ("127.0.0.1", 5064), 0).recv(bytes(command))
    assert needed == 0
    return copy


@pytest.mark.parametrize("data_type", dbr_table.TYPES, ids=lambda number: dbr_table.TYPES[number][0])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_response_round_trip(backend: str, data_type: int, data: st.DataObject) -> None:
    payload = data.draw(payloads(data_type))
    metadata = _metadata(data_type, payload)
    command = caproto.ReadNotifyResponse(
        values_of(data_type, payload), data_type, len(payload["value"]), 1, 7, metadata=metadata
    )
    assert bytes(command)[16:] == dbr_table.encode(data_type, payload)
    copy = received(command, caproto.SERVER)
    assert copy == command
    assert not view.differences(view.dbr(copy), payload)
    assert not view.differences(view.dbr(command), payload)


@pytest.mark.parametrize("data_type", [*range(7), 35, 36], ids=lambda number: dbr_table.TYPES[number][0])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_write_round_trip(backend: str, data_type: int, data: st.DataObject) -> None:
    payload = data.draw(payloads(data_type))
    values = values_of(data_type, payload)
    command = caproto.WriteNotifyRequest(values, data_type, len(values), 1, 2)
    copy = received(command, caproto.CLIENT)
    assert view.values(copy) == payload["value"]
    if data_type == 0 and len(values) == 1:
        assert len(command) == 16 + -(-min(40, len(values[0]) + 1) // 8) * 8
    else:
        assert bytes(command)[16:] == dbr_table.encode(data_type, payload)


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_every_holder_of_numbers_gives_the_same_bytes(backend: str, kind: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(ELEMENTS[kind], max_size=5))
    letter = dbr_table.LETTERS[kind]
    packed = struct.pack(f">{len(values)}{letter}", *values)
    holders: list[Any] = [values, tuple(values), packed, bytearray(packed), memoryview(packed)]
    holders.append(caproto.Array(letter, values))
    if backend == "numpy":
        import numpy

        native = numpy.array(values, dtype=letter)
        strided = numpy.zeros((len(values), 2), dtype=letter)
        strided[:, 0] = native
        holders += [native, native.astype(native.dtype.newbyteorder(">")), strided[:, 0]]
    want = bytes(caproto.ReadNotifyResponse(values, kind, len(values), 1, 1))
    for holder in holders:
        assert bytes(caproto.ReadNotifyResponse(holder, kind, len(values), 1, 1)) == want


@pytest.mark.parametrize("kind", range(1, 7))
@pytest.mark.parametrize("family", range(5))
def test_data_is_native_aligned_writable_and_small(backend: str, kind: int, family: int) -> None:
    for count in (1, 3, 9000):
        command = caproto.EventAddResponse([1] * count, family * 7 + kind, count, 1, 5)
        copy = received(command, caproto.SERVER)
        data = copy.data
        if backend == "numpy":
            assert data.dtype.isnative
            assert data.flags.aligned
            assert data.flags.writeable
        data[0] = 2
        assert list(data[:2]) == [2, 1][:count]
        assert copy.data is data


def test_a_second_look_is_the_same_object(backend: str) -> None:
    copy = received(caproto.EventAddResponse([1.5], 20, 1, 1, 5), caproto.SERVER)
    assert copy.data is copy.data
    assert copy.metadata is copy.metadata


def test_changing_the_data_does_not_change_the_message(backend: str) -> None:
    for count in (1, 9000):
        command = received(caproto.EventAddResponse([1.5] * count, 20, count, 1, 5), caproto.SERVER)
        before = bytes(command)
        command.data[0] = 99
        assert count > 1 or bytes(command) == before


@pytest.mark.parametrize("count", [0xFFFE, 0xFFFF, 0x10000])
@pytest.mark.parametrize("kind", [4, 6])
def test_edge_of_the_short_header(count: int, kind: int) -> None:
    command = caproto.ReadNotifyResponse(bytes(count * (8 if kind == 6 else 1)), kind, count, 1, 1)
    wire = bytes(command)
    padded = -(-count * (8 if kind == 6 else 1) // 8) * 8
    extended = padded >= 0xFFFF or count >= 0xFFFF
    assert wire[2:4] == (b"\xff\xff" if extended else padded.to_bytes(2, "big"))
    assert len(wire) == padded + (24 if extended else 16) == len(command)
    assert received(command, caproto.SERVER) == command


@pytest.mark.parametrize("count", [0xFFFE, 0xFFFF, 70000])
def test_extended_header_without_payload(count: int) -> None:
    command = caproto.ReadNotifyRequest(5, count, 17, 145)
    assert len(bytes(command)) == (24 if count >= 0xFFFF else 16)
    assert received(command, caproto.CLIENT).data_count == count


@example(timestamp=0.0)
@given(timestamp=st.floats(631152000.0, 2**32 + 631151999.0))
def test_time_stamps(timestamp: float) -> None:
    seconds, nanoseconds = caproto.timestamp_to_epics(max(timestamp, 631152000.0))
    assert 0 <= nanoseconds < 10**9
    back = caproto.epics_timestamp_to_unix(seconds, nanoseconds)
    assert back == pytest.approx(max(timestamp, 631152000.0), abs=1e-6)


def test_time_stamp_keeps_every_digit() -> None:
    command = caproto.EventAddResponse([1.0], 20, 1, 1, 5, metadata=_metadata(20, {
        "status": 0, "severity": 0, "seconds": 4294967295, "nanoseconds": 999999999}))  # fmt: skip
    metadata = received(command, caproto.SERVER).metadata
    assert (metadata.secondsSinceEpoch, metadata.nanoSeconds) == (4294967295, 999999999)
    assert (metadata.stamp.secondsSinceEpoch, metadata.stamp.nanoSeconds) == (4294967295, 999999999)
