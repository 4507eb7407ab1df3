"""The quick way to encode what servers send most gives what the encoder that takes everything gives, errors too."""

from __future__ import annotations

import array
import inspect
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import caproto
from caproto import _convert
from caproto._wire import codec

seconds = st.sampled_from([0, 1, 631152000, 2**32 - 1, 2**32, -1, 1.5, True, 10**30])
alarms = st.sampled_from([0, 1, 17, 2**15 - 1, 2**15, -1, caproto.AlarmStatus.HIHI, None, "x"])
stamps = st.builds(caproto.TimeStamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))


def structure(dbr: int, fill: int) -> Any:
    made = caproto.DBR_TYPES[caproto.ChannelType(dbr)]
    return made.from_buffer_copy(bytes([fill]) * len(bytes(made())))


metadata = st.one_of(
    st.none(),
    st.tuples(alarms, alarms, seconds, seconds),
    st.tuples(alarms, alarms, stamps),
    st.tuples(alarms, alarms, st.tuples(seconds, seconds)),
    st.tuples(alarms, alarms),
    st.builds(structure, st.integers(0, 38), st.integers(0, 255)),
    st.builds(lambda s: {"status": 1, "severity": 2, "timestamp": s}, stamps),
    st.binary(max_size=20),
)
numbers = st.one_of(
    st.integers(-3, 300), st.sampled_from([2**31, -(2**31), 2**40, 10**400]), st.floats(), st.booleans(), st.none()
)
plain = st.lists(numbers, max_size=4)
dtypes = st.sampled_from(["f8", ">f8", "f4", "i4", "i2", "u2", "u1", "i8", "?"])
arrays = st.builds(lambda n, dtype, step: numpy.arange(n).astype(dtype)[::step], st.integers(0, 9), dtypes, st.just(1))
shaped = st.builds(
    lambda dtype, shape: numpy.arange(8).astype(dtype).reshape(shape),
    dtypes,
    st.sampled_from([(8,), (2, 4), (4, 2), (8, 1)]),
)
strided = st.builds(lambda dtype, step: numpy.arange(12).astype(dtype)[::step], dtypes, st.sampled_from([2, -1]))
values = st.one_of(
    plain, plain.map(tuple), numbers, arrays, shaped, strided, shaped.map(lambda a: a.T),
    st.just(numpy.float64(2.5)), st.just(numpy.array(3.5)), st.just(array.array("d", [1.5])), st.text(max_size=3),
)  # fmt: skip


def outcome(encode: Any, *arguments: Any) -> Any:
    try:
        payload, count = encode("EventAddResponse", *arguments)
    except caproto.CaprotoError as error:
        return type(error).__name__, str(error)
    return bytes(payload), count


@given(
    dbr=st.one_of(st.integers(-1, 40), st.integers(14, 20)),
    data=values,
    metadata=metadata,
    count=st.sampled_from([None, None, 0, 1, 2, True, 8]),
)
def test_the_quick_way_is_the_long_way(dbr: int, data: Any, metadata: Any, count: Any) -> None:
    arguments = dbr, count, data, metadata
    assert outcome(codec.encode_payload, *arguments) == outcome(_convert.encode_payload, *arguments)


@given(data=st.one_of(plain, arrays), metadata=metadata)
def test_large_counts_and_types_as_enum_members(data: Any, metadata: Any) -> None:
    for dbr in (caproto.ChannelType.TIME_DOUBLE, caproto.ChannelType.TIME_LONG, caproto.ChannelType.CTRL_INT):
        arguments = dbr, None, data, metadata
        assert outcome(codec.encode_payload, *arguments) == outcome(_convert.encode_payload, *arguments)


@pytest.mark.parametrize("elements", [0, 1, 100, 8_191, 8_192, 8_193, 100_000])
def test_arrays_of_any_length(elements: int) -> None:
    data = numpy.arange(elements, dtype="f8")
    command = caproto.EventAddResponse(data, 20, elements, 1, 7, metadata=(1, 2, caproto.TimeStamp(3, 4)))
    parser = caproto.VirtualCircuit(caproto.CLIENT, ("127.0.0.1", 5064), 0)
    ((received,), _) = parser.recv(bytes(command))
    assert received.data.tolist() == data.tolist()
    assert (received.metadata.stamp.secondsSinceEpoch, received.metadata.stamp.nanoSeconds) == (3, 4)


@pytest.mark.parametrize(
    "status",
    [1, caproto.CAStatus.ECA_NORMAL, caproto.CAStatus.ECA_NORMAL.value, True],
    ids=["int", "enum", "code", "bool"],
)
def test_status_in_any_form(status: Any) -> None:
    assert caproto.EventAddResponse((1.5,), 6, 1, status, 7).header.parameter1 == 1


@pytest.mark.parametrize("status", [-1, 1 << 32, "x", None, 1.5])
def test_status_that_is_none_is_refused(status: Any) -> None:
    with pytest.raises(caproto.CaprotoError):
        caproto.EventAddResponse((1.5,), 6, 1, status, 7)


def test_the_parameters_can_be_looked_up() -> None:
    names = ["data", "data_type", "data_count", "status", "subscriptionid", "metadata"]
    assert list(inspect.signature(caproto.EventAddResponse).parameters) == names

    class Mine(caproto.EventAddResponse):
        def __init__(self, value: float) -> None:
            super().__init__((value,), 6, 1, 1, 7)

    assert list(inspect.signature(Mine).parameters) == ["value"]
    assert bytes(Mine(2.5)) == bytes(caproto.EventAddResponse((2.5,), 6, 1, 1, 7))
