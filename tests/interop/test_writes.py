"""Writes of every type to a real IOC, with and without completion; plain sockets read them back."""

from __future__ import annotations

import array
import struct
import time
from typing import Any

import pytest

import caproto
from tests import dbr_table, view
from tests.interop.raw import RawClient
from tests.interop.talk import Talk

pytestmark = pytest.mark.interop

VALUES: dict[int, Any] = {0: b"5", 1: 5, 2: 5.0, 3: 5, 4: 5, 5: 5, 6: 5.0}
WAVEFORMS: dict[str, tuple[int, list[Any]]] = {
    "string": (0, [b"a", b"", b"with blanks in it", b"x" * 39]),
    "char": (4, [0, 1, 127, 128, 255]),
    "uchar": (4, [0, 1, 127, 128, 255]),
    "short": (1, [-32768, -1, 0, 1, 32767]),
    "enum": (3, [0, 1, 2, 40000, 65535]),
    "long": (5, [-(2**31), -1, 0, 1, 2**31 - 1]),
    "float": (2, [-1.5, 0.0, 0.25, 3.0e38, float("inf")]),
    "double": (6, [-1.5e300, 0.0, 0.1, float("-inf"), float("nan")]),
}


def read_back(raw: RawClient, name: str, data_type: int) -> list[Any]:
    sid, _, _ = raw.create(name)
    message = raw.read(sid, data_type, 0)
    values: list[Any] = dbr_table.decode(data_type, message.data_count, message.payload)["value"]
    return values


def settle(talk: Talk, name: str) -> None:
    """Wait until a plain write on this circuit is done: a read that follows it is answered after it."""
    talk.read(talk.channel(name))


@pytest.mark.parametrize("notify", [True, False], ids=["notify", "plain"])
@pytest.mark.parametrize("data_type", VALUES)
def test_scalar_in_every_type(talk: Talk, raw: RawClient, data_type: int, notify: bool) -> None:
    sid, _, _ = raw.create("ioc:ao")
    raw.write(sid, 6, 1, struct.pack(">d", 1.0))
    channel = talk.channel("ioc:ao")
    request = channel.write((VALUES[data_type],), data_type=data_type, data_count=1, notify=notify)
    talk.send(request)
    if notify:
        response = talk.next("WriteNotifyResponse")
        assert (response.ioid, response.status.name) == (request.ioid, "ECA_NORMAL")
    else:
        settle(talk, "ioc:ao")
    assert read_back(raw, "ioc:ao", 6) == [5.0]


@pytest.mark.parametrize("element", WAVEFORMS)
def test_array_round_trip(talk: Talk, raw: RawClient, element: str) -> None:
    data_type, values = WAVEFORMS[element]
    name = f"ioc:wf:{element}"
    before = read_back(raw, name, data_type)
    channel = talk.channel(name)
    assert talk.write(channel, values).status.name == "ECA_NORMAL"
    wanted = [view.text(value) for value in values] if data_type == 0 else values
    same = pytest.approx(wanted, nan_ok=True) if data_type in (2, 6) else wanted
    assert read_back(raw, name, data_type) == same
    assert view.values(talk.read(channel, data_type, 0)) == same
    talk.write(channel, [value.encode() for value in before] if data_type == 0 else before)


@pytest.mark.parametrize("source", ["list", "tuple", "numpy", "Array", "array", "bytes", "memoryview"])
def test_whatever_holds_doubles_can_be_written(talk: Talk, raw: RawClient, source: str) -> None:
    values = [1.5, -2.25, 3.0]
    made: Any = values
    if source == "tuple":
        made = tuple(values)
    elif source == "numpy":
        made = pytest.importorskip("numpy").array(values)
    elif source == "array":
        made = array.array("d", values)
        made.byteswap()  # one that does not know its byte order is taken to be in that of the wire
    elif source == "Array":
        made = caproto.Array("d", values)
    elif source in ("bytes", "memoryview"):
        packed = struct.pack(">3d", *values)
        made = packed if source == "bytes" else memoryview(packed)
    channel = talk.channel("ioc:wf:double")
    assert talk.write(channel, made, data_count=3).status.success
    assert read_back(raw, "ioc:wf:double", 6) == values


def test_fewer_and_more_elements_than_the_record_has(talk: Talk, raw: RawClient) -> None:
    channel = talk.channel("ioc:wf:long")
    assert talk.write(channel, [9]).status.success
    assert read_back(raw, "ioc:wf:long", 5) == [9]
    response = talk.write(channel, [1, 2, 3, 4, 5, 6, 7], data_count=7)
    assert response.status.success
    assert read_back(raw, "ioc:wf:long", 5) == [1, 2, 3, 4, 5]
    assert talk.write(channel, [1, 2, 3]).status.success


def test_a_million_doubles(talk: Talk, raw: RawClient) -> None:
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(1_000_000, dtype=float)
    channel = talk.channel("ioc:wf:mega")
    assert talk.write(channel, values).status.success
    response = talk.read(channel, 20, 0)
    assert response.data_count == 1_000_000
    assert numpy.array_equal(response.data, values)
    sid, _, _ = raw.create("ioc:wf:mega")
    assert raw.read(sid, 6, 1_000_000).payload == values.astype(">f8").tobytes()


def test_long_string(talk: Talk, raw: RawClient) -> None:
    text = b"x" * 3000 + b"\0"
    assert talk.write(talk.channel("ioc:lso.$"), text, data_type=4, data_count=len(text)).status.success
    sid, _, _ = raw.create("ioc:lso.$")
    assert raw.read(sid, 4, 0).payload[: len(text)] == text


def test_enum_by_its_text(talk: Talk, raw: RawClient) -> None:
    channel = talk.channel("ioc:mbbo")
    assert talk.write(channel, [b"state 3"], data_type=0).status.success
    assert read_back(raw, "ioc:mbbo", 3) == [3]
    assert talk.write(channel, [b"no such state"], data_type=0).status.name == "ECA_PUTFAIL"
    assert talk.write(channel, [2]).status.success


@pytest.mark.parametrize(("name", "status"), [("readonly", "ECA_NOWTACCESS"), ("disabled", "ECA_PUTFAIL")])
def test_refused_with_completion(talk: Talk, name: str, status: str) -> None:
    channel = talk.channel(f"ioc:{name}")
    assert talk.write(channel, [1.0]).status.name == status
    assert view.values(talk.read(channel)) == [7.0]


def test_refused_without_completion_is_an_error_that_names_the_request(talk: Talk) -> None:
    channel = talk.channel("ioc:readonly")
    assert channel.access_rights == caproto.AccessRights.READ
    request = channel.write([1.0])
    talk.send(request)
    error = talk.next("ErrorResponse")
    assert error.status.name == "ECA_NOWTACCESS"
    assert error.cid == channel.cid
    assert "ioc:readonly" in view.text(error.error_message)
    assert type(error.original_request).__name__ in ("WriteRequest", "MessageHeader", "ExtendedMessageHeader")
    assert view.values(talk.read(channel)) == [7.0]


def test_user_name_decides(talk: Talk, ioc: Any) -> None:
    assert talk.write(talk.channel("ioc:operators"), [7.0]).status.success
    with Talk(ioc.address, user="nobody") as other:
        assert other.write(other.channel("ioc:operators"), [8.0]).status.name == "ECA_NOWTACCESS"


def test_completion_waits_for_the_record(talk: Talk) -> None:
    slow = talk.channel("ioc:slow.PROC")
    started = time.monotonic()
    assert talk.write(slow, [1]).status.success
    assert time.monotonic() - started > 0.5


def test_acknowledging_alarms(talk: Talk, raw: RawClient) -> None:
    channel = talk.channel("ioc:acks")
    assert talk.write(channel, [95.0]).status.success
    assert talk.read(channel, 37).metadata.acks == 2
    assert talk.write(channel, [2], data_type=36).status.success
    assert talk.read(channel, 37).metadata.acks == 0
    assert talk.write(channel, [0], data_type=35).status.success
    assert talk.read(channel, 37).metadata.ackt == 0
    assert talk.write(channel, [1], data_type=35).status.success
    assert talk.write(channel, [0.0]).status.success


def test_access_rights_change_while_connected(talk: Talk) -> None:
    channel = talk.channel("ioc:dynamic")
    gate = talk.channel("ioc:gate")
    assert channel.access_rights == caproto.AccessRights.READ | caproto.AccessRights.WRITE
    try:
        talk.write(gate, [0])
        while channel.access_rights != caproto.AccessRights.READ:
            assert talk.pump()
        assert talk.write(channel, [1.0]).status.name == "ECA_NOWTACCESS"
    finally:
        talk.write(gate, [1])
    while channel.access_rights != caproto.AccessRights.READ | caproto.AccessRights.WRITE:
        assert talk.pump()
    assert talk.write(channel, [7.0]).status.success
