"""The data of channels as containers: what they accept, how long it is, what goes with it."""

from __future__ import annotations

import datetime
import gc
import re
import time
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto._data import (
    ChannelAlarm,
    ChannelByte,
    ChannelChar,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelNumeric,
    ChannelShort,
    ChannelString,
)
from caproto._enums import AccessRights, AlarmSeverity, AlarmStatus, ChannelType
from caproto._errors import CaprotoError, CaprotoTypeError, CaprotoValueError

LIMITS = [f"{end}_{kind}_limit" for kind in ("disp", "alarm", "warning", "ctrl") for end in ("upper", "lower")]
SCALARS: list[tuple[type[ChannelData], Any, ChannelType]] = [
    (ChannelShort, 1, ChannelType.INT),
    (ChannelInteger, 2, ChannelType.LONG),
    (ChannelFloat, 1.5, ChannelType.FLOAT),
    (ChannelDouble, 2.5, ChannelType.DOUBLE),
    (ChannelString, "text", ChannelType.STRING),
    (ChannelEnum, 1, ChannelType.ENUM),
]


@pytest.mark.parametrize(("cls", "value", "data_type"), SCALARS, ids=lambda p: getattr(p, "__name__", None))
def test_scalars(cls: Any, value: Any, data_type: ChannelType) -> None:
    data = cls(value=value)
    assert (data.value, data.length, data.max_length, data.data_type) == (value, 1, 1, data_type)
    assert cls(value=[value]).value == value
    assert data.preprocess_value([value]) == value
    for wrong in ([value, value], []):
        with pytest.raises(CaprotoValueError, match=cls.__name__):
            data.preprocess_value(wrong)


@pytest.mark.parametrize(("cls", "value", "data_type"), SCALARS, ids=lambda p: getattr(p, "__name__", None))
def test_arrays(cls: Any, value: Any, data_type: ChannelType) -> None:
    data = cls(value=[value, value], max_length=3)
    assert (data.value, data.length, data.max_length, data.data_type) == ([value, value], 2, 3, data_type)
    assert cls(value=[value, value]).max_length == 2
    assert data.preprocess_value(value) == [value]
    assert cls(value=[], max_length=3).length == 0
    with pytest.raises(CaprotoValueError, match="max_length=3"):
        data.preprocess_value([value] * 4)


@given(st.lists(st.floats(allow_nan=False), max_size=6), st.integers(1, 6))
def test_length_never_exceeds_the_maximum(values: list[float], limit: int) -> None:
    try:
        data = ChannelDouble(value=values, max_length=limit)
    except CaprotoValueError:
        assert len(values) > limit or (limit == 1 and not values)
    else:
        assert data.length == len(values) <= limit
        assert data.value == (values[0] if limit == 1 else values)


@pytest.mark.parametrize("limit", [0, -1])
def test_there_is_room_for_one_element_at_least(limit: int) -> None:
    with pytest.raises(CaprotoValueError, match=f"max_length={limit}"):
        ChannelDouble(value=1.0, max_length=limit)


def test_numpy_arrays_and_scalars() -> None:
    numpy = pytest.importorskip("numpy")
    data = ChannelDouble(value=numpy.arange(3.0))
    assert data.length == 3 and isinstance(data.value, numpy.ndarray)
    assert ChannelDouble(value=numpy.array(2.5)).value == 2.5
    assert ChannelDouble(value=numpy.array([2.5])).value == 2.5
    assert ChannelByte(value=numpy.array([65, 66], "u1")).value == b"AB"
    assert data.is_compatible_array(numpy.zeros(2))
    assert not data.is_compatible_array(numpy.zeros(2, "f4"))
    assert not data.is_compatible_array(numpy.zeros((2, 2)))
    assert ChannelEnum().is_compatible_array(numpy.zeros(2, "u2"))


@pytest.mark.parametrize(
    ("cls", "typecode"),
    [(ChannelShort, "h"), (ChannelInteger, "i"), (ChannelFloat, "f"), (ChannelDouble, "d")],
)
def test_compatible_array_has_the_very_elements(cls: type[ChannelNumeric], typecode: str) -> None:
    data = cls(value=0)
    assert [code for code in "bBhHiIqQfd" if data.is_compatible_array(array(code))] == [typecode]
    assert not any(data.is_compatible_array(value) for value in ([1], 1, b"1", "1", None))


def test_defaults() -> None:
    for cls, value in ((ChannelData, None), (ChannelString, None), (ChannelEnum, None), (ChannelChar, "")):
        data = cls()
        assert data.value == value
        assert data.max_length == 1
        assert (data.status, data.severity) == (0, 0)
        assert data.string_encoding == "latin-1"
        assert data.reported_record_type == "caproto"
        assert data.max_subscription_backlog == 1000
    with pytest.raises(TypeError):
        ChannelDouble()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="bogus"):
        ChannelDouble(value=1, bogus=1)


def test_none_is_no_new_value() -> None:
    with pytest.raises(CaprotoTypeError, match="ChannelString"):
        ChannelString(value="a").preprocess_value(None)


def test_metadata_of_numbers() -> None:
    given_limits = {name: float(index) for index, name in enumerate(LIMITS)}
    data = ChannelDouble(value=1, units="mm", precision=3, value_atol=0.1, log_atol=0.2, **given_limits)
    assert {name: getattr(data, name) for name in LIMITS} == given_limits
    assert (data.units, data.precision, data.value_atol, data.log_atol) == ("mm", 3, 0.1, 0.2)
    plain = ChannelInteger(value=1)
    assert all(getattr(plain, name) == 0 for name in LIMITS)
    assert plain.units == "" and not hasattr(plain, "precision")


@pytest.mark.parametrize(
    "name", ["value", "length", "max_length", "timestamp", "epics_timestamp", "units", "upper_ctrl_limit"]
)
def test_what_only_the_server_changes(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(ChannelDouble(value=1), name, 1)


def test_timestamps() -> None:
    before = time.time()
    assert before - 1e-3 <= ChannelDouble(value=1).timestamp <= time.time() + 1e-3
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    for given_one in (moment, moment.timestamp()):
        data = ChannelDouble(value=1, timestamp=given_one)
        assert data.timestamp == moment.timestamp()
        assert data.epics_timestamp.secondsSinceEpoch == moment.timestamp() - 631152000
    assert ChannelDouble(value=1, timestamp=data.epics_timestamp).timestamp == moment.timestamp()


def test_alarm_is_shared() -> None:
    alarm = ChannelAlarm(status=3, severity=2, alarm_string="hot")
    one, other = ChannelDouble(value=1, alarm=alarm), ChannelDouble(value=2, alarm=alarm)
    assert one.alarm is other.alarm is alarm
    assert one.status is AlarmStatus.HIHI and one.severity is AlarmSeverity.MAJOR_ALARM
    assert (alarm.alarm_string, alarm.must_acknowledge_transient, alarm.severity_to_acknowledge) == (
        "hot",
        True,
        0,
    )
    assert set(alarm._channels) == {one, other}
    one.alarm = ChannelAlarm()
    assert one.severity == 0 and set(alarm._channels) == {other}
    del other
    gc.collect()
    assert not set(alarm._channels)
    with pytest.raises(CaprotoTypeError, match="alarm"):
        one.alarm = 3  # type: ignore[assignment]


def test_alarm_numbers_without_name_are_kept() -> None:
    alarm = ChannelAlarm(status=99, severity=7)
    assert (alarm.status, alarm.severity) == (99, 7)


def test_everybody_has_access() -> None:
    assert ChannelDouble(value=1).check_access("host", "user") == AccessRights.READ | AccessRights.WRITE


# Text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["abc", b"abc", [97, 98, 99], ["abc"], [b"abc"], bytearray(b"abc"), array("B", b"abc")]
)
def test_char_is_text(value: Any) -> None:
    data = ChannelChar(value=value, max_length=10)
    assert (data.value, data.length, data.max_length, data.long_string_max_length) == ("abc", 3, 10, 10)


def test_char_counts_bytes() -> None:
    data = ChannelChar(value="héé", string_encoding="utf-8")
    assert (data.length, data.max_length) == (5, 5)
    with pytest.raises(CaprotoValueError, match="6 elements"):
        data.preprocess_value("abcdef")
    assert data.preprocess_value("") == ""


def test_char_that_looks_like_a_string() -> None:
    data = ChannelChar(value="a long text", max_length=100, report_as_string=True)
    assert (data.data_type, data.length, data.max_length) == (ChannelType.STRING, 1, 1)
    assert data.long_string_max_length == 100
    assert ChannelChar(value="abc", report_as_string=True).long_string_max_length == 3
    assert data.preprocess_value("x" * 100)
    assert ChannelChar().data_type is ChannelType.CHAR


@pytest.mark.parametrize("value", [300, -1, [1, 256], 2.5, None, ["a", "b"], [None]])
@pytest.mark.parametrize("cls", [ChannelChar, ChannelByte])
def test_chars_are_unsigned_bytes(cls: Any, value: Any) -> None:
    data = cls(value=b"a", max_length=9)
    with pytest.raises(CaprotoValueError, match=cls.__name__):
        data.preprocess_value(value)


def test_char_that_cannot_be_encoded() -> None:
    with pytest.raises(CaprotoValueError, match="ascii"):
        ChannelChar(value="é", string_encoding="ascii")
    with pytest.raises(CaprotoValueError, match="utf-8"):
        ChannelChar(value=b"\xff", string_encoding="utf-8")


@given(st.binary(max_size=20))
def test_bytes_and_texts_hold_the_same(data: bytes) -> None:
    assert ChannelChar(value=data, max_length=20).value == data.decode("latin-1")
    assert ChannelByte(value=data, max_length=20).value == data.rstrip(b"\0")
    assert ChannelByte(value=list(data), max_length=20, strip_null_terminator=False).value == data


def test_byte_scalar_and_array() -> None:
    data = ChannelByte(value=65)
    assert (data.value, data.length, data.max_length, data.data_type) == (b"A", 1, 1, ChannelType.CHAR)
    assert ChannelByte(value=0).value == b"\0"
    assert ChannelByte(value=b"abc").max_length == 3
    assert data.preprocess_value(b"") == b""
    with pytest.raises(CaprotoValueError, match="ChannelByte"):
        data.preprocess_value(b"ab")


def test_byte_knows_no_text() -> None:
    with pytest.raises(CaprotoValueError, match="'abc'"):
        ChannelByte(value="abc")
    with pytest.raises(CaprotoValueError, match="string_encoding"):
        ChannelByte(value=b"abc", string_encoding="latin-1")  # type: ignore[arg-type]


def test_string() -> None:
    data = ChannelString(value=["a", "bc"])
    assert (data.length, data.max_length, data.long_string_max_length) == (2, 2, 81)
    assert ChannelString(value="a", long_string_max_length=9).long_string_max_length == 9


# States ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "raw"), [("off", 0), ("on", 1), (0, 0), (1, 1), (b"on", 1), (1.0, 1), (True, 1)])
def test_states_by_name_and_number(value: Any, raw: int) -> None:
    data = ChannelEnum(value=value, enum_strings=["off", "on"])
    assert (data.value, data.raw_value, data.get_raw_value(value)) == (value, raw, raw)


@pytest.mark.parametrize("value", ["up", 2, -1, 0.5, None, [1]])
def test_state_that_does_not_exist(value: Any) -> None:
    with pytest.raises(CaprotoValueError, match="'off', 'on'") as caught:
        ChannelEnum(enum_strings=["off", "on"]).get_raw_value(value)
    assert re.search(re.escape(repr(value)), str(caught.value))


def test_states_without_names() -> None:
    data = ChannelEnum(value=40000)
    assert data.raw_value == 40000 and data.enum_strings == ()
    with pytest.raises(CaprotoError):
        data.get_raw_value(65536)
    assert ChannelEnum().raw_value is None


def test_limits_of_state_names() -> None:
    assert len(ChannelEnum(enum_strings=map(str, range(16))).enum_strings) == 16
    assert ChannelEnum(enum_strings=["x" * 26]).enum_strings == ("x" * 26,)
    with pytest.raises(CaprotoValueError, match="17 states"):
        ChannelEnum(enum_strings=map(str, range(17)))
    with pytest.raises(CaprotoValueError, match="27 bytes"):
        ChannelEnum(enum_strings=["x" * 27])
