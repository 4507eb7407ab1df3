"""Encoding refuses what the wire cannot carry, and says which field it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import caproto
from caproto import CaprotoError

read = caproto.ReadNotifyResponse
write = caproto.WriteNotifyRequest

CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "count above data": (lambda: read([1.0, 2.0], 6, 3, 1, 1), "data_count=3"),
    "count below data": (lambda: read([1.0, 2.0], 6, 1, 1, 1), "data_count=1"),
    "long string": (lambda: write([b"x" * 41], 0, 1, 1, 1), r"data\[0\]"),
    "second long string": (lambda: write([b"x", "y" * 41], 0, 2, 1, 1), r"data\[1\]"),
    "text that is not latin-1": (lambda: write(["€"], 0, 1, 1, 1), "data"),
    "characters that are not latin-1": (lambda: write("€", 4, None, 1, 1), "data='€' cannot be encoded"),
    "units that are not latin-1": (lambda: read([1.0], 27, 1, 1, 1, metadata={"units": "€"}), "units='€' cannot be"),
    "int16 too large": (lambda: write([32768], 1, 1, 1, 1), r"data\[0\]=32768.*INT"),
    "int16 too small": (lambda: write([0, -32769], 1, 2, 1, 1), r"data\[1\]=-32769.*INT"),
    "enum negative": (lambda: write([-1], 3, 1, 1, 1), r"data\[0\]=-1.*ENUM"),
    "enum too large": (lambda: write([65536], 3, 1, 1, 1), "ENUM"),
    "char too large": (lambda: write([256], 4, 1, 1, 1), "CHAR"),
    "int32 too large": (lambda: write([2**31], 5, 1, 1, 1), "LONG"),
    "int32 much too large": (lambda: write([10**400], 5, 1, 1, 1), "LONG"),
    "double too large": (lambda: write([10**400], 6, 1, 1, 1), "DOUBLE"),
    "float too large": (lambda: write([1e39], 2, 1, 1, 1), "FLOAT"),
    "fraction as integer": (lambda: write([1.5], 5, 1, 1, 1), "LONG"),
    "nan as integer": (lambda: write([math.nan], 5, 1, 1, 1), "LONG"),
    "inf as integer": (lambda: write([math.inf], 5, 1, 1, 1), "LONG"),
    "text as number": (lambda: write(["abc"], 6, 1, 1, 1), r"data\[0\]='abc'"),
    "none as number": (lambda: write([None], 6, 1, 1, 1), r"data\[0\]=None"),
    "number as string": (lambda: write([object()], 0, 1, 1, 1), r"data\[0\]"),
    "ragged bytes": (lambda: write(b"1234567", 6, 1, 1, 1), "7 bytes"),
    "unknown type": (lambda: read([1.0], 39, 1, 1, 1), "data_type 39"),
    "negative type": (lambda: read([1.0], -1, 1, 1, 1), "data_type -1"),
    "sid too large": (lambda: caproto.ReadNotifyRequest(6, 1, 2**32, 1), "parameter1=4294967296|sid"),
    "ioid negative": (lambda: caproto.ReadNotifyRequest(6, 1, 1, -1), "parameter2=-1|ioid"),
    "sid is text": (lambda: caproto.ReadNotifyRequest(6, 1, "x", 1), "parameter1='x'|sid"),
    "count too large": (lambda: caproto.ReadNotifyRequest(6, 2**32, 1, 1), "data_count"),
    "type too large": (lambda: caproto.ReadNotifyRequest(2**16, 1, 1, 1), "data_type"),
    "mask too large": (lambda: caproto.EventAddRequest(6, 1, 1, 1, 0, 0, 0, 2**16), "mask"),
    "mask negative": (lambda: caproto.EventAddRequest(6, 1, 1, 1, 0, 0, 0, -1), "mask"),
    "name with NUL": (lambda: caproto.SearchRequest("a\0b", 1, 13), "name"),
    "name is no text": (lambda: caproto.CreateChanRequest(5, 1, 13), "name"),  # type: ignore[arg-type]
    "name not latin-1": (lambda: caproto.HostNameRequest("€"), "name"),
    "reply flag": (lambda: caproto.SearchRequest("a", 1, 13, 7), "reply"),
    "bad address": (lambda: caproto.Beacon(13, 5064, 0, "300.1.1.1"), "300.1.1.1"),
    "bad address of a search": (lambda: caproto.SearchResponse(5064, "nonsense", 1, 13), "nonsense"),
    "port too large": (lambda: caproto.SearchResponse(70000, None, 1, 13), "70000"),
    "metadata of a plain type": (lambda: read([1.0], 6, 1, 1, 1, metadata=(1, 2)), "DOUBLE"),
    "too few members": (lambda: read([1.0], 20, 1, 1, 1, metadata=(1,)), "TIME_DOUBLE"),
    "too many members": (lambda: read([1.0], 13, 1, 1, 1, metadata=(1, 2, 3)), "STS_DOUBLE"),
    "unknown member": (lambda: read([1.0], 13, 1, 1, 1, metadata={"colour": 1}), "colour"),
    "member out of range": (lambda: read([1.0], 13, 1, 1, 1, metadata={"status": 40000}), "status"),
    "member of the wrong type": (lambda: read([1.0], 27, 1, 1, 1, metadata={"precision": "x"}), "precision"),
    "limit out of range": (
        lambda: read([1], 22, 1, 1, 1, metadata={"upper_disp_limit": 10**6}),
        "upper_disp_limit",
    ),
    "units too long": (lambda: read([1.0], 27, 1, 1, 1, metadata={"units": "123456789"}), "units"),
    "too many states": (
        lambda: read([1], 24, 1, 1, 1, metadata={"enum_strings": ["x"] * 17}),
        "enum_strings",
    ),
    "state too long": (lambda: read([1], 24, 1, 1, 1, metadata={"enum_strings": ["x" * 27]}), "enum_strings"),
    "time before 1990": (lambda: read([1.0], 20, 1, 1, 1, metadata={"timestamp": 0.0}), "1990|timestamp"),
    "time is nan": (lambda: read([1.0], 20, 1, 1, 1, metadata={"timestamp": math.nan}), "nan"),
    "metadata of another type": (
        lambda: read([1.0], 27, 1, 1, 1, metadata=caproto.DBR_TYPES[caproto.ChannelType.TIME_DOUBLE]()),
        "GR_DOUBLE",
    ),
    "bad status": (lambda: read([1.0], 6, 1, "ECA_NORMAL", 1), "status|ECA_NORMAL"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_an_error_that_names_the_field(case: str) -> None:
    make, text = CASES[case]
    with pytest.raises(CaprotoError, match=text):
        bytes(make())


@pytest.mark.parametrize(
    ("kind", "values"),
    [(1, [40000]), (3, [-1]), (4, [300]), (5, [2**40]), (2, [1e300]), (5, [1.5]), (5, [math.nan])],
)
def test_ndarray_out_of_range_is_refused(kind: int, values: list[Any]) -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(CaprotoError):
        write(numpy.array(values), kind, len(values), 1, 1)


def test_ndarray_of_objects_or_text_is_refused() -> None:
    numpy = pytest.importorskip("numpy")
    for values in (numpy.array([object()]), numpy.array(["text"]), numpy.array([1 + 2j])):
        with pytest.raises(CaprotoError):
            write(values, 6, 1, 1, 1)


@pytest.mark.parametrize("name", ["command", "payload_size", "data_type", "data_count", "parameter1", "parameter2"])
@pytest.mark.parametrize("value", [-1, 2**32, "x", None, 1.5])
def test_header_fields_are_checked_when_written(name: str, value: Any) -> None:
    command = caproto.ReadNotifyRequest(6, 1, 1, 1)
    with pytest.raises(CaprotoError, match=name):
        setattr(command.header, name, value)


def test_header_and_payload_that_disagree_are_refused() -> None:
    command = caproto.ReadNotifyResponse([1.0], 6, 1, 1, 1)
    command.header.payload_size = 16
    with pytest.raises(CaprotoError, match="payload_size"):
        command.validate()


def test_forty_byte_string_without_nul_is_kept() -> None:
    """Taken when decoding (section 12, 5); one of 40 bytes fills its cell."""
    circuit = caproto.VirtualCircuit(caproto.CLIENT, ("127.0.0.1", 5064), 0)
    wire = bytes.fromhex("000f002800000001000000010000001c") + b"Z" * 40
    (command,), _ = circuit.recv(wire)
    assert list(command.data) == [b"Z" * 40]
