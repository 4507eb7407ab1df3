"""What the value of a PV may be given as, and what is refused."""

from __future__ import annotations

import struct
from collections import UserList, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from caproto._data import ChannelByte, ChannelChar, ChannelDouble, ChannelEnum, ChannelInteger
from caproto._enums import AlarmStatus, ChannelType, SubscriptionType
from caproto._errors import CaprotoError, CaprotoValueError
from tests.server.values import follow, run, told


def test_numbers_of_other_classes() -> None:
    data = ChannelDouble(value=1.0, value_atol=0.5, upper_alarm_limit=Fraction(5, 2), lower_alarm_limit=Decimal(0))
    values = follow(data, SubscriptionType.DBE_VALUE)
    for value in (Decimal("2.5"), Fraction(1, 4), 4.0):
        run(data.write(value))
        assert data.value == value and isinstance(data.value, float)
    assert len(values.updates) == 3 and data.status == AlarmStatus.HIHI
    whole = ChannelInteger(value=1)
    run(whole.write(Decimal("-2.5")))
    assert whole.value == -2 and isinstance(whole.value, int)


def test_any_sequence_is_an_array() -> None:
    data = ChannelDouble(value=[0.0], max_length=4)
    for values in (deque([1, 2]), range(1, 3), bytearray(b"\1\2"), UserList([1, 2])):
        run(data.write(values))
        assert told(data, ChannelType.DOUBLE) == (2, [1, 2]) and told(data, ChannelType.DOUBLE, 1) == (1, [1])
    with pytest.raises(CaprotoError, match="'x'"):
        run(data.write(deque([1, "x"])))


@pytest.mark.parametrize("wrong", [{"a": 1}, {1: 2}, {1}, {"a"}, [[1, 2]], object()])
@pytest.mark.parametrize("cls", [ChannelChar, ChannelByte, ChannelDouble])
def test_what_has_no_order_is_no_value(cls: Any, wrong: Any) -> None:
    data = cls(value={ChannelChar: "a", ChannelByte: b"a"}.get(cls, [1.0]), max_length=9)
    before = data.value
    with pytest.raises(CaprotoError):
        run(data.write(wrong))
    assert data.value is before


def test_no_bytes_are_a_value_of_one_byte() -> None:
    data = ChannelByte(value=b"")
    assert data.max_length == 1
    run(data.write(b"a"))
    run(data.write(b""))
    assert data.value == b"" and told(data, ChannelType.CHAR, 1) == (1, [0])


def test_what_a_state_equals() -> None:
    data = ChannelEnum(value="off", enum_strings=["off", "on"])
    states = follow(data, SubscriptionType.DBE_VALUE)
    run(data.write("on"))
    state = data.value
    assert all(state == same and same == state for same in ("on", 1, 1.0, True, state))
    assert not any(state == other or other == state for other in ("off", 0, 2, 0.0, 1.5, None, b"on", [], ("on",)))
    run(data.write("off"))
    assert len(states.updates) == 2


def test_names_of_states_may_be_bytes() -> None:
    data = ChannelEnum(value=b"off", enum_strings=[b"off", b"on"])
    run(data.write(b"on"))
    assert (data.value, data.raw_value, data.enum_strings) == ("on", 1, ("off", "on"))
    run(data.write_from_dbr([b"off"], ChannelType.STRING, None))
    assert data.raw_value == 0 and told(data, ChannelType.STRING) == (1, [b"off"])
    for wrong in (1, None):
        with pytest.raises(CaprotoError, match="enum_strings"):
            ChannelEnum(value=0, enum_strings=["off", wrong])  # type: ignore[list-item]


def test_arrays_of_any_dimension() -> None:
    numpy = pytest.importorskip("numpy")
    image = numpy.arange(6, dtype="u1").reshape(2, 3)
    for data in (ChannelDouble(value=image), ChannelByte(value=image), ChannelChar(value="", max_length=6)):
        assert data.max_length == 6
        run(data.write(image + 60))
        assert told(data, ChannelType.CHAR) == (6, list(range(60, 66)))
    text = ChannelChar(value="", max_length=6)
    run(text.write(numpy.array(65)))
    assert text.value == "A"
    states = ChannelEnum(value=[0], enum_strings=["off", "on"], max_length=4)
    run(states.write(numpy.array([[1, 0], [0, 1]])))
    assert told(states, ChannelType.ENUM) == (4, [1, 0, 0, 1])
    with pytest.raises(CaprotoValueError, match="upper_alarm_limit"):
        ChannelDouble(value=1.0, upper_alarm_limit=numpy.array([1, 2]))


def test_arrays_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    data = ChannelInteger(value=numpy.zeros(4))
    run(data.write(numpy.array([[1.9, -1.9], [2.0**40, 7]])))
    assert told(data, 5)[1] == [1, -1, -(2**31), 7]
    assert told(data, 0)[1][0] == b"1"
    for wrong in (numpy.array(["a", "b"]), numpy.array([1j]), numpy.array(["2026-01-01"], "M8[s]")):
        with pytest.raises(CaprotoValueError, match="not made of numbers"):
            run(data.write(wrong))
    large = ChannelDouble(value=numpy.arange(70000.0))
    encoded = large.view().encoded(6, 0)
    assert encoded.reply[2:4] == b"\xff\xff" and encoded.size == 24 + 560000
    assert struct.unpack(">II", bytes(encoded.rest[:8])) == (560000, 70000)
